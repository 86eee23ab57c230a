//! A-30: what stands of secrets in a process's memory while they are used, and after all is freed. The program is
//! `tests/c/memory.c`; the registry runs in this process, so that none of its own copies is counted.

use super::bench::{CProgram, Home, auth};
use crate::harness::c;
use crate::harness::evil::{Act, Evil, Seen, answer, head};

/// What the program said: how often each needle was there before and after.
#[derive(Debug)]
struct Counts {
    before: Vec<usize>,
    after: Vec<usize>,
}

fn raised(text: &str) -> String {
    text.bytes().map(|b| char::from(b + 1)).collect()
}

fn count(kind: &str, server: &Evil, needles: &[&str], home: &Home) -> Counts {
    let ca = server.certificate.as_ref().map(|pem| home.write("ca.pem", pem).display().to_string());
    let program = CProgram::new("memory");
    let mut command = program.command(home, &[]);
    command.args([kind, &server.host(), &ca.unwrap_or_default()]);
    let output = c::run(command.args(needles.iter().map(|n| raised(n))));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text
        .lines()
        .map(|line| line.split_whitespace().map(|n| n.parse::<usize>().unwrap()).collect::<Vec<_>>());
    Counts { before: lines.next().unwrap(), after: lines.next().unwrap() }
}

fn found(seen: &Seen) -> Vec<Act> {
    // What a log-in asks for; a body that never came would be waited for.
    if seen.method == "GET" {
        return answer(200, &[], "{}");
    }
    let headers = [
        ("Content-Type", "application/vnd.oci.image.manifest.v1+json"),
        ("Content-Length", "300"),
        ("Docker-Content-Digest", "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
    ];
    vec![Act::Send(head(200, &headers))]
}

fn challenge(what: &str) -> Vec<Act> {
    answer(401, &[("WWW-Authenticate", what)], "")
}

const SECRET: &str = "canaryQ7mXb2Lr9TzK4wVn";
const BEARER: &str = "bearerW3kPq8ZsN5dHtY6c";

/// A registry that demands basic authentication, or tokens of its own endpoint.
fn registry(tls: bool, bearer: bool) -> Evil {
    let basic = format!("Basic {}", auth("user", SECRET));
    let handler = move |seen: &Seen| {
        let shown = seen.header("authorization");
        match bearer {
            _ if seen.path.starts_with("/token") => {
                assert!(shown == Some(&basic) || String::from_utf8_lossy(&seen.body).contains(SECRET));
                answer(200, &[], format!(r#"{{"access_token":"{BEARER}","expires_in":300}}"#))
            }
            false if shown == Some(&basic) => found(seen),
            true if shown == Some(&format!("Bearer {BEARER}")) => found(seen),
            true => challenge("Bearer realm=\"/token\",service=\"x\""),
            false => challenge("Basic realm=\"x\""),
        }
    };
    if tls { Evil::start_tls(&["127.0.0.1"], handler) } else { Evil::start(handler) }
}

/// The secret was there, and no copy of it is: a password, an identity token.
fn gone(counts: &Counts, what: &str) {
    assert!(counts.before[0] > 0, "{what}: the search finds nothing while it must be there: {counts:?}");
    assert_eq!(counts.after[0], 0, "{what}: {counts:?}");
}

#[test]
fn a_30_no_password_or_identity_token_is_left_in_memory() {
    for tls in [false, true] {
        for (kind, bearer) in [
            ("password", false),
            ("password", true),
            ("callback", false),
            ("callback", true),
            ("identity_token", true),
        ] {
            gone(
                &count(kind, &registry(tls, bearer), &[SECRET], &Home::new()),
                &format!("{kind}, TLS {tls}, bearer {bearer}"),
            );
        }
    }
}

#[test]
fn a_30_nor_what_came_from_files_and_helpers_or_went_there() {
    let home = Home::new();
    home.helper("given", &format!(r#"echo '{{"Username":"user","Secret":"{SECRET}"}}'"#));
    let (user, identity) = (auth("user", SECRET), format!(r#"{{"identitytoken":"{SECRET}"}}"#));
    for (what, kind, bearer, text) in [
        ("auths", "environment", false, format!(r#"{{"auths":{{"HOST":{{"auth":"{user}"}}}}}}"#)),
        ("identitytoken", "environment", true, format!(r#"{{"auths":{{"HOST":{identity}}}}}"#)),
        ("a helper", "environment", true, r#"{"credsStore":"given"}"#.to_owned()),
        ("a log-in", "login", true, r#"{"auths":{}}"#.to_owned()),
    ] {
        let server = registry(false, bearer);
        home.docker(&text.replace("HOST", &server.host()));
        gone(&count(kind, &server, &[SECRET], &home), what);
    }
    let kept = std::fs::read_to_string(home.path().join(".docker/config.json")).unwrap();
    assert!(kept.contains(&user), "the log-in was kept: {kept}");
}

/// What docs/credentials.md says is out of reach: the HTTP library's buffers, which hold the head of a request
/// and the answer of a token endpoint.
#[test]
fn a_30_our_own_copies_of_headers_and_tokens_are_wiped() {
    let basic = auth("user", SECRET);
    for (kind, bearer, needle) in [("password", false, basic.as_str()), ("password", true, BEARER)] {
        let counts = count(kind, &registry(false, bearer), &[SECRET, needle], &Home::new());
        gone(&counts, needle);
        assert!(counts.after[1] <= 2 && counts.before[1] > 0, "{counts:?}");
    }
}
