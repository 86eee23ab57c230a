//! The same configurations given to docker's own Go library (`tests/go/docker-config`): the same credential
//! comes out, but for the rows that say why ours is another.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::auth_file::server;
use super::chain::Chain;
use crate::credential::{Action, Form, Lookup};
use crate::operation::Operation;
use crate::options::{Environment, Options, Settings};

#[derive(Debug, Deserialize, PartialEq, Eq, Default)]
struct Answer {
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
    failed: bool,
}

/// Ours is the same, or it is meant to be another: which, and why.
enum Ours {
    Same,
    Other(&'static str, fn() -> Answer),
}
use Ours::{Other, Same};

fn basic(username: &str, password: &str) -> Answer {
    Answer { username: username.into(), password: password.into(), ..Answer::default() }
}

const HUB: &str = "docker.io";

/// Configuration, registry, how ours compares. `dTpw` is `u:p`.
const TABLE: &[(&str, &str, Ours)] = &[
    ("", "reg.test", Same),
    ("{}", "reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":"dTpw"}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":"dTpw"}}}"#, "evil-reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":"dTpw"}}}"#, "reg.test:5000", Same),
    (r#"{"auths":{"reg.test:5000":{"auth":"dTpw"}}}"#, "reg.test:5000", Same),
    (r#"{"auths":{"https://reg.test":{"auth":"dTpw"}}}"#, "reg.test", Same),
    (r#"{"auths":{"https://reg.test/v1/":{"auth":"dTpw"}}}"#, "reg.test", Same),
    (r#"{"auths":{"http://reg.test/v2/":{"auth":"dTpw"}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test/v1/":{"auth":"dTpw"}}}"#, "reg.test", Same),
    (r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"}}}"#, HUB, Same),
    (r#"{"auths":{"reg.test":{"auth":"dTpwAAA="}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":"dTpwOnE="}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"username":"a","password":"b"}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":"dTpw","username":"a","password":"b"}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":"dTpw","email":"e@x"}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"registrytoken":"r"}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"identitytoken":"t"}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":"dTo=","identitytoken":"t"}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":""}}}"#, "reg.test", Same),
    (r#"{"auths":null,"credsStore":"","credHelpers":null}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":"!"}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":"dXA="}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":"OnA="}}}"#, "reg.test", Same),
    (r#"{"auths":"#, "reg.test", Same),
    ("[]", "reg.test", Same),
    (r#"{"credsStore":"has"}"#, "reg.test", Same),
    (r#"{"credsStore":"has"}"#, HUB, Same),
    (r#"{"credsStore":"token"}"#, "reg.test", Same),
    (r#"{"credsStore":"fails"}"#, "reg.test", Same),
    (r#"{"credsStore":"none"}"#, "reg.test", Same),
    (r#"{"credsStore":"absent"}"#, "reg.test", Same),
    (r#"{"credsStore":"fails","credHelpers":{"reg.test":"has"}}"#, "reg.test", Same),
    (r#"{"credsStore":"has","credHelpers":{"other.test":"fails"}}"#, "reg.test", Same),
    (
        r#"{"credsStore":"has","credHelpers":{"reg.test":""},"auths":{"reg.test":{"auth":"dTpw"}}}"#,
        "reg.test",
        Same,
    ),
    (r#"{"credsStore":"has","auths":{"reg.test":{"auth":"dTpw"}}}"#, "reg.test", Same),
    // As Go's encoding/json reads it (Q127).
    ("null", "reg.test", Same),
    ("{} {", "reg.test", Same),
    ("\u{feff}{}", "reg.test", Same),
    (r#"{"Auths":{"reg.test":{"AUTH":"dTpw"}}}"#, "reg.test", Same),
    ("{\"auth\u{17f}\":{\"reg.test\":{\"auth\":\"dTpw\"}}}", "reg.test", Same),
    (
        r#"{"auths":{"REG.TEST":{"auth":"dTpw"}}}"#,
        "reg.test",
        Other("a host is the same in capitals", || basic("u", "p")),
    ),
    (r#"{"auths":{"reg.test":{"auth":"eDp5"}},"auths":{"reg.test":{"auth":"dTpw"}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":"dTpw"}},"AUTHS":{"other.test":{"auth":"eDp5"}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":"dTpw"}},"auths":null}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":"dTpw"},"reg.test":{}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":"dTpw"},"reg.test":null}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":"eDp5","Auth":"dTpw","auth":null}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"username":"a"},"reg.test":{"password":"b"}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":"dTpw"}}} {"auths":{"reg.test":{"auth":"eDp5"}}}"#, "reg.test", Same),
    ("{\"auths\":{\"reg.test\":{\"auth\":\"dTpw\"}}}\n<<<<<<< HEAD", "reg.test", Same),
    (r#"{"x":"\ud800","auths":{"reg.test":{"username":"a","password":"\ud800b"}}}"#, "reg.test", Same),
    (r#"{"auths":{"reg.test":{"auth":5}}}"#, "reg.test", Same),
    (r#"{"credsStore":5}"#, "reg.test", Same),
    (r#"{"credsStore":"has","credsstore":"none","CREDSSTORE":null}"#, "reg.test", Same),
    (r#"{"credsStore":"lines"}"#, "reg.test", Same),
    (r#"{"credsStore":"twice"}"#, "reg.test", Same),
    (r#"{"credsStore":"null"}"#, "reg.test", Same),
    (r#"{"credsStore":"bom"}"#, "reg.test", Same),
    (r#"{"credsStore":"first"}"#, "reg.test", Same),
    (
        r#"{"credsStore":"none","auths":{"reg.test":{"auth":"dTpw"}}}"#,
        "reg.test",
        Other("what the helper does not have may be in the file", || basic("u", "p")),
    ),
    (
        r#"{"auths":{"reg.test/team":{"auth":"dTpw"}}}"#,
        "reg.test",
        Other("a namespace's credential is for that namespace", Answer::default),
    ),
    (
        r#"{"auths":{"docker.io":{"auth":"dTpw"}}}"#,
        HUB,
        Other("Docker Hub's other names mean it too", || basic("u", "p")),
    ),
    (
        r#"{"auths":{"reg.test":{"auth":"dTpw"},"other.test":{"auth":"!"}}}"#,
        "reg.test",
        Other("another registry's entry may be broken", || basic("u", "p")),
    ),
    (
        r#"{"auths":{"reg.test":{"auth":"dTpw","registrytoken":"r"}}}"#,
        "reg.test",
        Other("one credential is used, and the registry token comes first", || Answer {
            registrytoken: "r".into(),
            ..Answer::default()
        }),
    ),
];

const HELPERS: [(&str, &str); 9] = [
    ("has", r#"read s; printf '{"ServerURL":"%s","Username":"h","Secret":"for %s"}' "$s" "$s""#),
    ("token", r#"echo '{"Username":"<token>","Secret":"t"}'"#),
    ("fails", "echo no; exit 1"),
    ("none", "echo 'credentials not found in native keychain'; exit 1"),
    ("lines", r#"echo '{"Username":"h","Secret":"s"}'; echo 'a new version is there'"#),
    ("twice", r#"echo '{"username":"a","SECRET":"b","Username":"h","secret":"s","Secret":null}'"#),
    ("null", "echo null"),
    ("bom", r#"printf '\357\273\277{"Username":"h","Secret":"s"}'"#),
    ("first", r#"echo 'a line'; echo '{"Username":"h","Secret":"s"}'"#),
];

fn ours(directory: &Path, path: &str, registry: &str) -> Answer {
    let directory = directory.to_str().unwrap();
    let environment = Environment::of([("DOCKER_CONFIG", directory), ("PATH", path)]);
    let settings = Settings::for_client(&Options::new(), environment).unwrap();
    match Chain::new(&settings, None).find(registry, "app", Action::Pull, &Operation::new()) {
        Ok(Lookup::None) => Answer::default(),
        Ok(Lookup::Found(found)) => match &found.credential.0 {
            Form::Basic { username, password } => basic(username, password.expose()),
            Form::Identity { username, token } => Answer {
                username: username.clone(),
                identitytoken: token.expose().into(),
                ..Answer::default()
            },
            Form::Token(token) => Answer { registrytoken: token.expose().into(), ..Answer::default() },
        },
        Ok(Lookup::HelperFailed(_) | Lookup::Refused(_)) | Err(_) => {
            Answer { failed: true, ..Answer::default() }
        }
    }
}

#[test]
fn the_same_credential_comes_out_as_of_dockers_own_library() {
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("build/tools/bin/docker-config");
    if !program.exists() {
        let strict = std::env::var("CI").is_ok_and(|ci| ci == "true")
            || std::env::var_os("CLDOCI_REQUIRE_TOOLS").is_some();
        assert!(!strict, "docker-config is missing: run scripts/install-tools.sh");
        eprintln!("left out: the comparison with docker's library (scripts/install-tools.sh installs it)");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    for (name, script) in HELPERS {
        // A child writes it, so that no fork of another test keeps it open for writing.
        let mut shell = Command::new("/bin/sh")
            .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
            .arg(home.path().join(format!("docker-credential-{name}")))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        shell.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{script}\n").as_bytes()).unwrap();
        assert!(shell.wait().unwrap().success());
    }
    let path = format!("{}:/usr/bin:/bin", home.path().display());
    let mut wrong = Vec::new();
    for (text, registry, compared) in TABLE {
        std::fs::write(home.path().join("config.json"), text).unwrap();
        let output = Command::new(&program)
            .arg(home.path())
            .arg(server(registry))
            .env_clear()
            .env("PATH", &path)
            .env("HOME", home.path())
            .output()
            .unwrap();
        assert!(output.status.success());
        let dockers: Answer = serde_json::from_slice(&output.stdout).unwrap();
        let ours = ours(home.path(), &path, registry);
        let right = match compared {
            Same => ours == dockers || (ours.failed && dockers.failed),
            // A row that has become the same has lost its reason.
            Other(_, want) => ours == want() && ours != dockers,
        };
        if !right {
            let why = if let Other(why, _) = compared { why } else { "" };
            wrong.push(format!("{registry} of {text} {why}: ours {ours:?}, docker's {dockers:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
