//! Log-in and log-out.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use cldoci::options::{Options, Secret};
use cldoci::{Client, Kind, Outcome, Result};

use super::bench::{CANARY, Guarded, Home, auth, error, run};
use crate::harness::guard::Rules;

fn client(home: &Home, more: &[(&str, &str)]) -> Client {
    Client::with_environment(&Options::new(), home.environment(more)).unwrap()
}

fn login(client: &Client, registry: &str, username: &str, secret: &str) -> (Result<Outcome>, Vec<String>) {
    let call = client.call(None).unwrap();
    let outcome = run(client.login(registry, username, &Secret::new(secret), &call));
    (outcome, call.operation.warnings())
}

fn logout(client: &Client, registry: &str) -> Result<Outcome> {
    run(client.logout(registry, &client.call(None).unwrap()))
}

fn config(home: &Home) -> String {
    std::fs::read_to_string(home.path().join(".docker/config.json")).unwrap()
}

/// Basic authentication gives no refresh token, so that the password is what is kept.
fn guarded() -> Guarded {
    Guarded::new(Rules { basic: true, ..Rules::default().user("u", "canary") })
}

#[test]
fn a_login_makes_the_file_private_and_the_next_client_uses_it() {
    let (guarded, home) = (guarded(), Home::new());
    let host = guarded.host();
    let outcome = login(&client(&home, &[]), &host, "u", "canary").0.unwrap();
    let path = home.path().join(".docker/config.json");
    assert_eq!(
        outcome.credential_source.unwrap(),
        format!("{} (auths: {host})", path.canonicalize().unwrap().display())
    );
    assert_eq!(
        config(&home),
        format!("{{\n\t\"auths\": {{\n\t\t\"{host}\": {{\"auth\": \"{}\"}}\n\t}}\n}}\n", auth("u", "canary"))
    );
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(path.parent().unwrap().metadata().unwrap().permissions().mode() & 0o7777, 0o700);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left behind");
    assert!(run(home.client(&[]).read(&host)).0.unwrap());

    let forgetful = client(&home, &[]);
    let call = forgetful.call(None).unwrap();
    let outcome = run(forgetful.logout(&host, &call)).unwrap();
    assert_eq!((outcome.exists, call.operation.warnings()), (Some(true), vec![]));
    assert!(!config(&home).contains(&host));
    assert_eq!(error(run(home.client(&[]).read(&host)).0).kind(), Kind::Unauthorized);
    let outcome = logout(&client(&home, &[]), &host).unwrap();
    assert_eq!(outcome.exists, Some(false));
}

#[test]
fn a_login_that_the_registry_refuses_keeps_nothing() {
    for basic in [true, false] {
        let guarded = Guarded::new(Rules { basic, ..Rules::default().user("u", "canary") });
        let home = Home::new();
        let error = error(login(&client(&home, &[]), &guarded.host(), "u", "canary-old").0);
        assert_eq!(error.kind(), Kind::Unauthorized);
        assert!(!home.path().join(".docker").exists());
    }
}

#[test]
fn a_refresh_token_is_kept_instead_of_the_password() {
    let mut rules = Rules::default().user("u", "canary");
    rules.refresh.insert("canary-offline".to_owned(), "u".to_owned());
    let (guarded, home) = (Guarded::new(rules), Home::new());
    login(&client(&home, &[]), &guarded.host(), "u", "canary").0.unwrap();
    let asked = guarded.tokens_asked();
    assert!(asked[0].path.contains("offline_token=true&client_id=cldoci"), "{}", asked[0].path);
    assert!(
        config(&home).contains(r#""identitytoken": "canary-offline""#)
            && !config(&home).contains(&auth("u", "canary"))
    );
    assert!(run(home.client(&[]).read(&guarded.host())).0.unwrap());
}

#[test]
fn a_19_a_login_that_no_header_can_carry_is_refused_before_any_request() {
    let (guarded, home) = (guarded(), Home::new());
    for (username, secret) in [("u:x", "canary"), ("u\n", "canary"), ("u", "canary\r\n"), ("u", "canary\0")] {
        let error = error(login(&client(&home, &[]), &guarded.host(), username, secret).0);
        assert_eq!(error.kind(), Kind::Argument);
    }
    for registry in ["", "a b", "https://x", "host/path", "u@h"] {
        assert_eq!(
            error(login(&client(&home, &[]), registry, "u", "canary").0).kind(),
            Kind::Argument,
            "{registry}"
        );
    }
    assert!(guarded.lines().is_empty());
}

#[test]
fn other_keys_stay_and_a_link_is_followed() {
    let (guarded, home) = (guarded(), Home::new());
    let host = guarded.host();
    let text = "{\n  \"HttpHeaders\": { \"X\":\"1\" },\n  \"auths\": {\n    \"other.test\": {\"auth\":\"eDp5\"}\n  },\n  \"x\": [1,2]\n}\n";
    let real = home.write("dotfiles/docker.json", text);
    std::fs::create_dir(home.path().join(".docker")).unwrap();
    let link = home.path().join(".docker/config.json");
    symlink(&real, &link).unwrap();
    login(&client(&home, &[]), &host, "u", "canary").0.unwrap();
    assert!(link.is_symlink());
    let entry = format!(",\n    \"{host}\": {{\"auth\": \"{}\"}}", auth("u", "canary"));
    assert_eq!(config(&home), text.replace("\"eDp5\"}", &format!("\"eDp5\"}}{entry}")));
    logout(&client(&home, &[]), &host).unwrap();
    assert_eq!(config(&home), text);
}

#[test]
fn the_file_stays_its_owners_and_is_never_opened_to_more() {
    let (guarded, home) = (guarded(), Home::new());
    home.docker("{}");
    let path = home.path().join(".docker/config.json");
    let root = rustix::process::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(&path, Some(12_345), Some(12_346)).unwrap();
    }
    let owner = |path: &std::path::Path| path.metadata().map(|found| (found.uid(), found.gid())).unwrap();
    let before = owner(&path);
    // What was shared with a group stays so; what all could read is private once it holds a password.
    for (mode, want) in [(0o640, 0o640), (0o660, 0o660), (0o644, 0o600), (0o400, 0o600)] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        login(&client(&home, &[]), &guarded.host(), "u", "canary").0.unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, want, "{mode:o}");
        logout(&client(&home, &[]), &guarded.host()).unwrap();
        assert_eq!(owner(&path), before, "root {root}");
    }
}

#[test]
fn a_helper_keeps_it_and_the_file_gets_a_marker() {
    let (guarded, home) = (guarded(), Home::new());
    let host = guarded.host();
    // Keeps one credential, in a file.
    home.helper(
        "t",
        &format!(
            r#"f={}/kept; case $1 in store) cat > $f;; erase) rm $f;; get) [ -e $f ] && cat $f || {{ echo 'credentials not found in native keychain'; exit 1; }};; esac"#,
            home.path().display()
        ),
    );
    home.docker(&format!(
        r#"{{"credsStore":"t","auths":{{"{host}":{{"auth":"{}"}}}}}}"#,
        auth("u", "canary-old")
    ));
    let outcome = login(&client(&home, &[]), &host, "u", "canary").0.unwrap();
    assert!(outcome.credential_source.unwrap().ends_with("config.json (credsStore: t)"));
    assert_eq!(config(&home), format!(r#"{{"credsStore":"t","auths":{{"{host}":{{}}}}}}"#));
    let (found, operation) = run(home.client(&[]).read(&host));
    assert!(found.unwrap());
    assert!(operation.credential_source().unwrap().ends_with("(credsStore: t)"));
    logout(&client(&home, &[]), &host).unwrap();
    assert!(!home.path().join("kept").exists());
    assert_eq!(config(&home), r#"{"credsStore":"t","auths":{}}"#);
}

#[test]
fn a_helper_that_can_t_keep_it_is_an_error_and_nothing_goes_into_the_file() {
    let (guarded, home) = (guarded(), Home::new());
    home.helper("t", "cat; exit 1");
    home.docker(r#"{"credsStore":"t"}"#);
    let error = error(login(&client(&home, &[]), &guarded.host(), "u", "canary").0);
    assert_eq!(error.kind(), Kind::Credentials);
    assert_eq!(config(&home), r#"{"credsStore":"t"}"#);
}

#[test]
fn q127_a_26_a_file_that_readers_may_read_differently_is_not_written_to() {
    let (guarded, home) = (guarded(), Home::new());
    let host = guarded.host();
    // It would tell that it was run.
    home.helper("t", &format!("cat; touch {}/ran; exit 1", home.path().display()));
    let entry = format!(r#"{{"auth":"{}"}}"#, auth("u", "canary"));
    for (text, line) in [
        (format!("{{\"auths\":{{\"{host}\":{entry}}}}}\n<<<<<<< HEAD\n"), 2),
        (format!("{{\"auths\":{{}},\n\n\"Auths\":{{\"{host}\":{entry}}}}}"), 3),
        (format!("{{\"auths\":{{\"{host}\":{{}},\n\"{host}\":{entry}}}}}"), 2),
        ("{\"credsStore\":\"t\",\n\"credsstore\":\"t\"}".to_owned(), 2),
    ] {
        let path = home.docker(&text);
        // It is read, where no helper is asked.
        if text.contains(&host) {
            assert!(run(home.client(&[]).read(&host)).0.unwrap(), "{text}");
        }
        for refusal in [
            login(&client(&home, &[]), &host, "u", "canary").0.map(|_| ()),
            logout(&client(&home, &[]), &host).map(|_| ()),
        ] {
            let error = error(refusal);
            assert_eq!(error.kind(), Kind::Credentials, "{error}");
            for words in [path.to_str().unwrap(), &format!("line {line}: "), "is not changed"] {
                assert!(error.message().contains(words), "{error}");
            }
            assert!(!error.message().contains(CANARY), "{error}");
        }
        assert_eq!(config(&home), text);
    }
    assert!(!home.path().join("ran").exists());
    // The twin: another spelling alone is kept.
    home.docker(r#"{"AUTHS":{"other.test":{}}}"#);
    login(&client(&home, &[]), &host, "u", "canary").0.unwrap();
    assert_eq!(config(&home).matches("AUTHS").count(), 1);
    assert!(!config(&home).contains("auths"), "{}", config(&home));
    assert!(run(home.client(&[]).read(&host)).0.unwrap());
    assert_eq!(logout(&client(&home, &[]), &host).unwrap().exists, Some(true));
    assert_eq!(config(&home), r#"{"AUTHS":{"other.test":{}}}"#);
}

#[test]
fn a_source_that_comes_first_is_told() {
    let (guarded, home) = (guarded(), Home::new());
    let host = guarded.host();
    let inline = format!(r#"{{"auths":{{"{host}":{{"auth":"{}"}}}}}}"#, auth("other", "canary"));
    let client = client(&home, &[("DOCKER_AUTH_CONFIG", &inline)]);
    let (outcome, warnings) = login(&client, &host, "u", "canary");
    outcome.unwrap();
    assert!(warnings[0].contains("the credential from DOCKER_AUTH_CONFIG"), "{warnings:?}");
    let call = client.call(None).unwrap();
    run(client.logout(&host, &call)).unwrap();
    assert!(call.operation.warnings()[0].contains("still a credential in DOCKER_AUTH_CONFIG"));
    assert!(!format!("{warnings:?}").contains(CANARY));
}

#[test]
fn podmans_file_is_used_where_it_is_named() {
    let (guarded, home) = (guarded(), Home::new());
    let host = guarded.host();
    let named = home.path().join("podman.json");
    let client = client(&home, &[("REGISTRY_AUTH_FILE", named.to_str().unwrap())]);
    login(&client, &host, "u", "canary").0.unwrap();
    assert!(std::fs::read_to_string(&named).unwrap().contains(&host));
    assert!(!home.path().join(".docker").exists());
}

#[test]
fn logins_at_once_lose_no_entry() {
    let servers: Vec<Guarded> = (0..6).map(|_| guarded()).collect();
    let home = Home::new();
    run(async {
        let all: Vec<_> = servers
            .iter()
            .map(|server| {
                let (client, host) = (client(&home, &[]), server.host());
                tokio::spawn(async move {
                    client.login(&host, "u", &Secret::new("canary"), &client.call(None).unwrap()).await
                })
            })
            .collect();
        for one in all {
            one.await.unwrap().unwrap();
        }
    });
    for server in &servers {
        assert!(config(&home).contains(&server.host()));
        assert!(run(home.client(&[]).read(&server.host())).0.unwrap());
    }
}

#[test]
fn a_broken_file_is_not_overwritten() {
    let (guarded, home) = (guarded(), Home::new());
    home.docker("{\"auths\": ");
    let error = error(login(&client(&home, &[]), &guarded.host(), "u", "canary").0);
    assert_eq!(error.kind(), Kind::Credentials);
    assert_eq!(config(&home), "{\"auths\": ");
}
