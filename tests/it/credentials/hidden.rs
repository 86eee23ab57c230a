//! Repositories that a registry hides from who is not known to it (Q110), tokens that serve more than one request
//! (Q111), log-ins that are proved (Q113), and rights that a credential has not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cldoci::oci::{Descriptor, media_type};
use cldoci::options::{Options, Secret};
use cldoci::{Client, Kind, Result};

use super::bench::{BODY, Guarded, Home, Side, auth, error, run};
use crate::harness::evil::{Act, Evil, Seen, answer};
use crate::harness::guard::{Guard, Rules, basic};
use crate::harness::ours::options;
use crate::harness::registry::error as refusal;

fn rules(basic: bool) -> Rules {
    Rules { basic, ..Rules::default().user("u", "canary") }
}

fn home(host: &str) -> Home {
    let home = Home::new();
    home.docker(&format!(r#"{{"auths":{{"{host}":{{"auth":"{}"}}}}}}"#, auth("u", "canary")));
    home
}

fn is_anonymous_read(seen: &Seen) -> bool {
    seen.header("authorization").is_none() && seen.path.contains("/team/app/") && seen.method != "POST"
}

/// A registry that tells nobody who is not known to it that `team/app` is there.
fn hiding(rules: Rules, status: u16) -> Guarded {
    Guarded::with(rules, move |_: &Guard, seen| {
        is_anonymous_read(seen).then(|| refusal(status, "DENIED_OR_UNKNOWN"))
    })
}

#[test]
fn q110_what_is_hidden_is_asked_for_once_more_with_the_credential() {
    for (basic, status) in [(false, 404), (false, 403), (true, 404), (true, 403)] {
        let guarded = hiding(rules(basic), status);
        let side = home(&guarded.host()).client(&[]);
        run(async {
            assert!(side.read(&guarded.host()).await.0.unwrap(), "{status}");
            assert!(side.read(&guarded.host()).await.0.unwrap());
        });
        let token: &[&str] = if basic { &[] } else { &["GET /token"] };
        let first = ["HEAD /manifests/v1", "GET /manifests/v1", "GET /v2/"];
        let then = ["GET /manifests/v1", "HEAD /manifests/v1"];
        assert_eq!(guarded.lines(), [&first[..], token, &then].concat(), "{status}");
        // What it lists is found as well, and what it does not have is not.
        let repository = side.repository(&guarded.host(), "team/app");
        run(async {
            assert_eq!(repository.list_tags().await.unwrap(), ["v1"]);
            assert_eq!(repository.head_manifest("v2").await.unwrap(), None);
            let subject = repository.head_manifest("v1").await.unwrap().unwrap().digest;
            assert!(repository.referrers(&subject, None).await.unwrap().is_empty());
        });
        assert_eq!(guarded.lines().iter().filter(|line| *line == "GET /v2/").count(), 1);
    }
}

#[test]
fn q110_each_kind_of_read_looks_behind() {
    for kind in ["manifest", "tags", "referrers"] {
        let guarded = hiding(rules(false), 404);
        let side = home(&guarded.host()).client(&[]);
        let repository = side.repository(&guarded.host(), "team/app");
        let subject = cldoci::oci::Digest::of(b"x");
        let done: Result<()> = run(async {
            match kind {
                "manifest" => repository.get_manifest("v1").await.map(drop),
                "tags" => repository.list_tags().await.map(drop),
                _ => repository.referrers(&subject, None).await.map(drop),
            }
        });
        done.unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(guarded.lines().len(), 4, "{:?}", guarded.lines());
    }
    // A blob is never looked for in this way: who reads one has read its manifest.
    let guarded = hiding(rules(false), 404);
    let side = home(&guarded.host()).client(&[]);
    let repository = side.repository(&guarded.host(), "team/app");
    let descriptor = Descriptor::of("a/b", b"blob");
    let missing = error(run(async { repository.read_blob(&descriptor, 0).await.map(drop) }));
    assert_eq!((missing.kind(), guarded.lines().len()), (Kind::NotFound, 1));
}

/// On loopback the first answer tells the scheme, and the second look is by what was found out.
#[test]
fn q110_a_registry_whose_scheme_was_found_out_is_looked_behind() {
    let known = format!("Basic {}", auth("u", "canary"));
    let server = Evil::start_tls(&["127.0.0.1"], move |seen| match seen.header("authorization") {
        Some(shown) if *shown == known => answer(200, &[("Content-Type", media_type::OCI_MANIFEST)], BODY),
        _ if seen.path == "/v2/" => answer(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], ""),
        _ => refusal(404, "MANIFEST_UNKNOWN"),
    });
    let home = home(&server.host());
    let ca = home.write("ca.pem", server.certificate.as_ref().unwrap());
    let side = Side::new(&options(&[("ca_file", &ca.display().to_string())]), home.environment(&[]), None);
    run(side.repository(&server.host(), "team/app").get_manifest("v1")).unwrap();
}

#[test]
fn q110_without_a_credential_or_a_challenge_nothing_more_is_asked() {
    // No credential, an empty one, and one for another registry.
    for config in
        [r#"{}"#, r#"{"auths":{"HOST":{"auth":"Og=="}}}"#, r#"{"auths":{"x.test":{"auth":"dTpjYW5hcnk="}}}"#]
    {
        let guarded = hiding(rules(false), 404);
        let home = Home::new();
        home.docker(&config.replace("HOST", &guarded.host()));
        let side = home.client(&[]);
        let (found, operation) = run(side.read(&guarded.host()));
        assert!(!found.unwrap(), "{config}");
        assert_eq!(guarded.lines(), ["HEAD /manifests/v1", "GET /manifests/v1"], "{config}");
        // An entry that is broken is worth a word.
        assert_eq!(operation.warnings().is_empty(), !config.contains("Og=="), "{:?}", operation.warnings());
    }
    // A registry whose root has no challenge is asked for one once.
    let guarded = Guarded::with(rules(false), |_, seen| match seen.path.as_str() {
        "/v2/" => Some(answer(200, &[], "{}")),
        _ => Some(refusal(404, "MANIFEST_UNKNOWN")),
    });
    let side = home(&guarded.host()).client(&[]);
    run(async {
        for _ in 0..2 {
            assert!(!side.read(&guarded.host()).await.0.unwrap());
        }
    });
    let lines = guarded.lines();
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert!(guarded.server.server.log().iter().all(|seen| seen.header("authorization").is_none()));
}

#[test]
fn q110_what_goes_wrong_behind_is_a_warning() {
    // A wrong password, where tokens are given and where it goes to the registry itself.
    for basic in [false, true] {
        let guarded = hiding(rules(basic), 404);
        let home = Home::new();
        home.docker(&format!(
            r#"{{"auths":{{"{}":{{"auth":"{}"}}}}}}"#,
            guarded.host(),
            auth("u", "canary-old")
        ));
        let side = home.client(&[]);
        run(async {
            let (found, operation) = side.read(&guarded.host()).await;
            assert!(!found.unwrap());
            let warnings = operation.warnings();
            assert!(!warnings.is_empty(), "{warnings:?}");
            let before = guarded.lines().len();
            assert!(!side.read(&guarded.host()).await.0.unwrap());
            assert_eq!(guarded.lines().len(), before + 2, "it is not tried again");
        });
        let sent = |seen: &&Seen| seen.header("authorization").is_some();
        assert_eq!(guarded.server.server.log().iter().filter(sent).count(), 1);
    }
    // A helper that fails.
    let guarded = hiding(rules(false), 404);
    let home = Home::new();
    home.docker(r#"{"credsStore":"t"}"#);
    home.helper("t", "echo canary; exit 2");
    let (found, operation) = run(home.client(&[]).read(&guarded.host()));
    assert!(!found.unwrap());
    assert!(operation.warnings().iter().any(|w| w.contains("docker-credential-t (get)")));
    assert_eq!(guarded.lines().len(), 2);
}

/// Where what stands behind is down for a moment, the answer is for that moment alone.
#[test]
fn q110_what_passes_is_asked_again() {
    for down_at in ["/v2/", "/token"] {
        let down = Arc::new(AtomicBool::new(true));
        let guarded = Guarded::with(rules(false), {
            let down = down.clone();
            move |_: &Guard, seen| {
                if down.load(Ordering::SeqCst) && seen.path.split('?').next() == Some(down_at) {
                    return Some(refusal(503, "UNAVAILABLE"));
                }
                is_anonymous_read(seen).then(|| refusal(404, "UNKNOWN"))
            }
        });
        let side = home(&guarded.host()).client(&[("retries", "0")]);
        run(async {
            let (found, operation) = side.read(&guarded.host()).await;
            assert!(!found.unwrap(), "{down_at}");
            assert!(
                operation.warnings().iter().any(|text| text.contains("503")),
                "{:?}",
                operation.warnings()
            );
            down.store(false, Ordering::SeqCst);
            assert!(side.read(&guarded.host()).await.0.unwrap(), "{down_at}");
        });
    }
}

/// The root's challenge names whom it likes: all rules for realms hold.
#[test]
fn q110_no_credential_goes_where_a_realm_may_not_lead() {
    let trap = Evil::start(|_: &Seen| answer(200, &[], r#"{"token":"x"}"#));
    for realm in
        [format!("http://{}/token", trap.host()), "http://10.0.0.7/token".to_owned(), "ftp://x/".to_owned()]
    {
        let guarded = hiding(Rules { realm, ..rules(false) }, 404);
        let (found, operation) = run(home(&guarded.host()).client(&[]).read(&guarded.host()));
        assert!(!found.unwrap());
        assert!(!operation.warnings().is_empty());
        assert!(guarded.server.server.log().iter().all(|seen| seen.header("authorization").is_none()));
    }
    assert!(trap.log().is_empty());
}

/// The end of a redirect is not the registry's own word, nor is a challenge there.
#[test]
fn q110_a_redirected_read_is_not_looked_behind() {
    let sink = Evil::start(|_: &Seen| refusal(404, "NAME_UNKNOWN"));
    for location in [format!("http://{}/x", sink.host()), "/v2/else/where/manifests/v1".to_owned()] {
        let guarded = Guarded::with(rules(false), move |_, seen| match seen.path.contains("/else/") {
            true => Some(refusal(404, "NAME_UNKNOWN")),
            false => is_anonymous_read(seen).then(|| answer(307, &[("Location", &location)], "")),
        });
        let found = run(home(&guarded.host()).client(&[]).read(&guarded.host())).0;
        assert!(!found.unwrap());
        let all = [guarded.server.server.log(), sink.log()].concat();
        assert!(all.iter().all(|seen| seen.header("authorization").is_none() && seen.path != "/v2/"));
    }
}

#[test]
fn q110_many_reads_at_once_look_behind_once() {
    let guarded = hiding(rules(false), 404);
    let side = home(&guarded.host()).client(&[]);
    run(side.read_at_once(&guarded.host()));
    let lines = guarded.lines();
    let count = |line: &str| lines.iter().filter(|l| *l == line).count();
    assert_eq!((count("GET /v2/"), count("GET /token")), (1, 1), "{lines:?}");
}

#[test]
fn q111_after_a_push_its_token_serves_reads() {
    let guarded = Guarded::with(rules(false), |_, _| None);
    let side = home(&guarded.host()).client(&[]);
    run(async {
        side.write(&guarded.host()).await.0.unwrap();
        let before = guarded.lines().len();
        assert!(side.read(&guarded.host()).await.0.unwrap());
        assert_eq!(guarded.lines()[before..], ["HEAD /manifests/v1"]);
        // The twin: a token for reads serves no push.
        let other = home(&guarded.host()).client(&[]);
        assert!(other.read(&guarded.host()).await.0.unwrap());
        let before = guarded.tokens_asked().len();
        other.write(&guarded.host()).await.0.unwrap();
        assert_eq!(guarded.tokens_asked().len(), before + 1);
    });
}

/// Distribution says that a token is good and not enough: another one for the same would be the same.
#[test]
fn q111_a_token_that_is_not_enough_is_not_fetched_twice_and_its_owner_is_denied() {
    let guarded = Guarded::with(Rules { narrow: true, ..rules(false) }, |guard, seen| {
        let token = seen.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let known = token.is_some_and(|token| guard.owner(token).is_some());
        (known && seen.method == "POST").then(|| {
            let challenge = r#"Bearer realm="/token",service="tests",scope="repository:team/app:pull,push",error="insufficient_scope""#;
            let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
            answer(401, &[("WWW-Authenticate", challenge)], body)
        })
    });
    let refused = error(run(home(&guarded.host()).client(&[]).write(&guarded.host())).0);
    assert_eq!((refused.kind(), refused.http_status()), (Kind::Denied, Some(401)));
    assert_eq!(refused.registry_code(), Some("UNAUTHORIZED"));
    assert!(refused.message().contains("is valid and has not the right to this"), "{refused}");
    assert_eq!(guarded.tokens_asked().len(), 1, "{:?}", guarded.lines());
    // The twin: who has no credential is told to log in.
    let nobody = error(run(Home::new().client(&[]).write(&guarded.host())).0);
    assert_eq!(nobody.kind(), Kind::Unauthorized, "{nobody}");
    assert!(nobody.message().contains("log in first"), "{nobody}");
}

/// What a log-in at a registry came to whose root lets anybody in: the error or not, warnings, what was kept.
fn login(secret: &str, root: impl Fn(Option<(String, String)>) -> Vec<Act> + Send + Sync + 'static) -> Login {
    let server = Evil::start(move |seen: &Seen| root(seen.header("authorization").and_then(basic)));
    let home = Home::new();
    let client = Client::with_environment(&Options::new(), home.environment(&[])).unwrap();
    let call = client.call(None).unwrap();
    let done = run(client.login(&server.host(), "u", &Secret::new(secret), &call)).map(drop);
    let kept = std::fs::read_to_string(home.path().join(".docker/config.json")).unwrap_or_default();
    Login { done, warnings: call.operation.warnings(), kept, log: server.log() }
}

struct Login {
    done: Result<()>,
    warnings: Vec<String>,
    kept: String,
    log: Vec<Seen>,
}

#[test]
fn q113_a_log_in_is_proved_where_reads_are_free() {
    let fine = || answer(200, &[], "{}");
    let verifies = move |sent: Option<(String, String)>| match sent {
        None => fine(),
        Some((user, password)) if user == "u" && password == "canary" => fine(),
        Some(_) => answer(401, &[("WWW-Authenticate", "Basic realm=x")], "{}"),
    };
    let right = login("canary", verifies);
    right.done.unwrap();
    assert_eq!((right.warnings, right.log.len()), (vec![], 3));
    assert!(right.kept.contains(&auth("u", "canary")));
    // The password is sent once, and what is made up beside it is nobody's.
    let sent: Vec<_> =
        right.log.iter().filter_map(|seen| seen.header("authorization").and_then(basic)).collect();
    assert_eq!(sent[0], ("u".to_owned(), "canary".to_owned()));
    assert!(sent.len() == 2 && sent[1].0.starts_with("cldoci-nobody-") && !sent[1].1.contains("canary"));

    let wrong = login("canary-old", verifies);
    let refused = error(wrong.done);
    assert_eq!((refused.kind(), wrong.kept.as_str()), (Kind::Unauthorized, ""), "{refused}");

    // Whoever takes anybody has proved nothing.
    let anybody = login("canary", move |_| fine());
    anybody.done.unwrap();
    assert!(anybody.warnings.iter().any(|w| w.contains("was not checked")), "{:?}", anybody.warnings);
    assert!(anybody.kept.contains(&auth("u", "canary")));

    // One that is broken keeps nothing.
    let broken = login("canary", move |sent| if sent.is_some() { answer(403, &[], "{}") } else { fine() });
    assert_eq!((broken.done.unwrap_err().kind(), broken.kept.as_str()), (Kind::Denied, ""));
}

/// The password that proves itself goes to the registry alone.
#[test]
fn q113_the_proof_does_not_follow_a_redirect() {
    let trap = Evil::start(|_: &Seen| answer(200, &[], "{}"));
    let location = format!("http://{}/v2/", trap.host());
    let done = login("canary", move |sent| match sent {
        None => answer(200, &[], "{}"),
        Some(_) => answer(307, &[("Location", &location)], ""),
    });
    done.done.unwrap();
    assert!(trap.log().iter().all(|seen| seen.header("authorization").is_none()));
    assert!(!done.warnings.is_empty(), "an answer of somebody else proves nothing");
}

#[test]
fn q112_a_registry_s_warnings_are_heard_and_nobody_else_s() {
    let long = format!("299 - \"{}\"", "x".repeat(9_000));
    let other = Evil::start(|_: &Seen| answer(200, &[("Warning", r#"299 - "from elsewhere""#)], b"blob"));
    let location = format!("http://{}/x", other.host());
    let again = Arc::new(AtomicBool::new(false));
    let server = Evil::start({
        let again = again.clone();
        move |seen: &Seen| {
            again.store(true, Ordering::SeqCst);
            let warnings = [
                ("Warning", "299 - \"this ends in June \\\"2027\\\"\""),
                ("Warning", "299 - \"this ends in June \\\"2027\\\"\""),
                ("Warning", "199 - \"another code\""),
                ("Warning", "299 agent \"of an agent\""),
                ("Warning", "299 - unquoted"),
                ("Warning", "299 - \"\""),
                ("Warning", "299 - \"a\tb \u{202e}c\""),
                ("Warning", long.as_str()),
                ("Warning", "299 - \"the ninth is one too many\""),
                ("Location", location.as_str()),
            ];
            match seen.path.contains("/blobs/") {
                true => answer(307, &warnings, ""),
                false => refusal(404, "MANIFEST_UNKNOWN"),
            }
        }
    });
    let repository =
        Side::new(&options(&[]), Home::new().environment(&[]), None).repository(&server.host(), "team/app");
    run(async {
        let descriptor = Descriptor::of("a/b", b"blob");
        for _ in 0..2 {
            let mut reader = repository.read_blob(&descriptor, 0).await.unwrap();
            while reader.chunk().await.unwrap().is_some() {}
        }
    });
    let warnings = repository.call().operation.warnings();
    let host = server.host();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert_eq!(warnings[0], format!("{host} says: this ends in June \"2027\""));
    assert_eq!(warnings[1], format!("{host} says: a\\tb \\u{{202e}}c"));
    assert!(warnings[2].len() < 400, "{}", warnings[2].len());
}
