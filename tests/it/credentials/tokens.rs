//! Challenges and tokens (R-08, R-26 to R-28, A-02 to A-07, A-17, A-28).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cldoci::Kind;
use cldoci::options::{Environment, Options};

use super::bench::{Guarded, Home, Side, auth, error, run};
use crate::harness::evil::{Act, Evil, Seen, answer};
use crate::harness::guard::{Rules, basic};
use crate::harness::ours::options;

fn rules() -> Rules {
    Rules::default().user("u", "canary")
}

fn home(host: &str) -> Home {
    let home = Home::new();
    home.docker(&format!(r#"{{"auths":{{"{host}":{{"auth":"{}"}}}}}}"#, auth("u", "canary")));
    home
}

#[test]
fn a_cold_read_costs_three_requests_and_a_warm_one_costs_one() {
    let guarded = Guarded::new(rules());
    let side = home(&guarded.host()).client(&[]);
    run(async {
        side.read(&guarded.host()).await.0.unwrap();
        side.read(&guarded.host()).await.0.unwrap();
    });
    assert_eq!(
        guarded.lines(),
        ["HEAD /manifests/v1", "GET /token", "HEAD /manifests/v1", "HEAD /manifests/v1"]
    );
    let asked = &guarded.tokens_asked()[0];
    assert_eq!(asked.path, "/token?service=tests&scope=repository%3Ateam%2Fapp%3Apull&account=u");
    assert_eq!(basic(asked.header("authorization").unwrap()).unwrap(), ("u".into(), "canary".into()));
}

#[test]
fn another_verb_on_a_known_registry_is_not_challenged_again() {
    let guarded = Guarded::new(rules());
    let side = home(&guarded.host()).client(&[]);
    run(async {
        side.read(&guarded.host()).await.0.unwrap();
        side.write(&guarded.host()).await.0.unwrap();
    });
    let after = &guarded.lines()[3..];
    assert_eq!(after[0], "GET /token", "{after:?}");
    assert_eq!(after.iter().filter(|l| l.contains("token")).count(), 1, "{after:?}");
}

#[test]
fn many_requests_at_once_fetch_one_token() {
    let guarded = Guarded::new(rules());
    let side = home(&guarded.host()).client(&[]);
    run(side.read_at_once(&guarded.host()));
    assert_eq!(guarded.tokens_asked().len(), 1);
}

#[test]
fn a_token_that_ended_is_renewed_once() {
    let guarded = Guarded::new(rules());
    let side = home(&guarded.host()).client(&[]);
    run(async {
        side.read(&guarded.host()).await.0.unwrap();
        guarded.guard.expire();
        side.read(&guarded.host()).await.0.unwrap();
    });
    let after = &guarded.lines()[3..];
    assert_eq!(after, ["HEAD /manifests/v1", "GET /token", "HEAD /manifests/v1"]);
}

#[test]
fn q16_q17_a_token_that_ends_before_the_commit_is_renewed_and_the_commit_sent_again_whole() {
    let fired = Arc::new(AtomicUsize::new(0));
    let guarded = Guarded::with(rules(), {
        let fired = fired.clone();
        move |guard, seen| {
            if seen.method == "PUT" && fired.fetch_add(1, Ordering::SeqCst) == 0 {
                guard.expire();
            }
            None
        }
    });
    let side = home(&guarded.host()).client(&[]);
    run(side.write(&guarded.host())).0.unwrap();
    let puts: Vec<_> = guarded.server.server.lines().into_iter().filter(|l| l.starts_with("PUT")).collect();
    assert_eq!(puts.len(), 2);
    assert_eq!(puts[0], puts[1], "the session is the same");
    // The 401 came when the body had been sent: all of it is sent again.
    let log = guarded.server.server.log();
    let bodies: Vec<_> = log.iter().filter(|seen| seen.method == "PUT").map(|seen| &seen.body).collect();
    assert!(!bodies[0].is_empty() && bodies[0] == bodies[1]);
}

#[test]
fn r_26_a_401_for_ever_ends_after_three_requests() {
    // A different challenge each time, and tokens as many as one likes.
    let server = Evil::start(|seen: &Seen| match seen.path.starts_with("/token") {
        true => answer(200, &[], format!(r#"{{"token":"canary{}"}}"#, seen.index)),
        false => {
            let challenge =
                format!(r#"Bearer realm="/token",service="s{}",scope="x{}""#, seen.index, seen.index);
            answer(401, &[("WWW-Authenticate", &challenge)], "")
        }
    });
    let (result, _) = run(Home::new().client(&[]).read(&server.host()));
    let error = error(result);
    assert_eq!((error.kind(), error.http_status()), (Kind::Unauthorized, Some(401)));
    assert_eq!(server.lines().len(), 3, "{:?}", server.lines());
    assert!(server.lines()[1].contains("scope=x0"));
}

#[test]
fn r_26_a_403_with_a_challenge_is_denied() {
    let server = Evil::start(|_: &Seen| answer(403, &[("WWW-Authenticate", r#"Bearer realm="/token""#)], ""));
    let side = Home::new().client(&[]);
    let result = run(side.repository(&server.host(), "a").get_manifest("v1"));
    assert_eq!(error(result).kind(), Kind::Denied);
    assert!(server.lines().iter().all(|line| !line.contains("token")));
}

#[test]
fn r_27_challenges_that_can_t_be_used() {
    for (challenge, why) in [
        (r#"Bearer realm="open"#, "a quote is not closed"),
        ("Bearer service=x", "names no realm"),
        ("Negotiate", "no scheme that is known here"),
    ] {
        let server = Evil::start(move |_: &Seen| answer(401, &[("WWW-Authenticate", challenge)], ""));
        let error = error(run(Home::new().client(&[]).read(&server.host())).0);
        assert_eq!(error.kind(), Kind::Unauthorized);
        assert!(error.message().contains(why), "{error}");
        assert_eq!(server.lines().len(), 1);
    }
}

#[test]
fn r_28_a_token_that_is_narrower_than_asked_ends_in_denied() {
    let mut rules = rules();
    rules.narrow = true;
    let guarded = Guarded::new(rules);
    let side = home(&guarded.host()).client(&[]);
    assert!(run(side.read(&guarded.host())).0.unwrap(), "the twin: reads are granted");
    let error = error(run(side.write(&guarded.host())).0);
    assert_eq!(error.kind(), Kind::Denied);
    assert!(error.message().contains("the credential from docker config"), "{error}");
    assert!(guarded.tokens_asked().len() <= 3, "{:?}", guarded.lines());
    // The last of them was for what the challenge asked for, and one answer to it is all.
    let last = guarded.tokens_asked().pop().unwrap();
    assert!(last.path.contains("scope=repository%3Ateam%2Fapp%3Apull%2Cpush"), "{}", last.path);
    assert_eq!(guarded.lines().iter().filter(|line| line.starts_with("POST /blobs")).count(), 2);
}

#[test]
fn q12_a_401_without_a_challenge_asks_the_apis_root() {
    let guarded = Guarded::with(rules(), |_, seen| {
        let bare = seen.header("authorization").is_none() && seen.path.contains("/manifests/");
        bare.then(|| answer(401, &[], ""))
    });
    let side = home(&guarded.host()).client(&[]);
    assert!(run(side.read(&guarded.host())).0.unwrap());
    assert_eq!(guarded.lines()[..3], ["HEAD /manifests/v1", "GET /v2/", "GET /token"]);
}

#[test]
fn q13_a_basic_challenge_to_a_token_does_not_change_the_scheme() {
    let guarded = Guarded::with(rules(), |guard, seen| {
        let token = seen.header("authorization").and_then(|a| a.strip_prefix("Bearer "))?;
        let known = guard.owner(token).is_some();
        (!known).then(|| answer(401, &[("WWW-Authenticate", r#"Basic realm="harbor""#)], ""))
    });
    let side = home(&guarded.host()).client(&[]);
    run(async {
        side.read(&guarded.host()).await.0.unwrap();
        guarded.guard.expire();
        side.read(&guarded.host()).await.0.unwrap();
    });
    let all = guarded.server.server.log();
    let sent = |seen: &Seen| {
        seen.path.starts_with("/v2/") && seen.header("authorization").is_some_and(|a| a.starts_with("Basic"))
    };
    assert!(!all.iter().any(sent));
}

#[test]
fn q2_basic_is_sent_after_the_challenge_and_then_from_the_start() {
    let mut rules = rules();
    rules.basic = true;
    let guarded = Guarded::new(rules);
    let side = home(&guarded.host()).client(&[]);
    run(async {
        side.read(&guarded.host()).await.0.unwrap();
        side.read(&guarded.host()).await.0.unwrap();
    });
    let had: Vec<_> =
        guarded.server.server.log().iter().map(|s| s.header("authorization").is_some()).collect();
    assert_eq!(had, [false, true, true]);
    // A wrong password is sent once.
    let other = Home::new();
    other.docker(&format!(
        r#"{{"auths":{{"{}":{{"auth":"{}"}}}}}}"#,
        guarded.host(),
        auth("u", "canary-old")
    ));
    let error = error(run(other.client(&[]).read(&guarded.host())).0);
    assert_eq!(error.kind(), Kind::Unauthorized);
    assert!(
        error.message().contains("config.json (auths: ") && error.message().contains("was refused"),
        "{error}"
    );
    assert_eq!(guarded.server.server.log().len(), 5);
}

#[test]
fn q49_a_mount_source_that_is_refused_does_not_cost_the_push() {
    // Where the challenge names a scope, that is what is asked for next; where it names none, what the push needs
    // without the source.
    for unscoped in [false, true] {
        for gone in [false, true] {
            let mut rules = Rules { unscoped, ..rules() };
            if gone {
                rules.poison.push("team/other".to_owned());
            }
            let guarded = Guarded::new(rules);
            let side = home(&guarded.host()).client(&[]);
            let repository =
                side.repository(&guarded.host(), "team/app").for_push(&["team/other".to_owned()]);
            let pushed = repository.put_manifest("v2", "application/vnd.oci.image.manifest.v1+json", b"{}");
            run(pushed).unwrap();
            let (own, other) = ("repository:team/app:pull,push", "repository:team/other:pull");
            let asked: Vec<Vec<String>> = guarded.tokens_asked().iter().map(scopes).collect();
            match gone {
                true => assert_eq!(asked, [vec![own, other], vec![own]], "unscoped: {unscoped}"),
                false => assert_eq!(asked, [vec![own, other]], "unscoped: {unscoped}"),
            }
            let put = "PUT /manifests/v2";
            let mut expected = vec![put, "GET /token", put];
            if gone {
                expected.insert(1, "GET /token");
            }
            assert_eq!(guarded.lines(), expected, "unscoped: {unscoped}");
        }
    }
}

/// The scopes that a token was asked for.
fn scopes(asked: &Seen) -> Vec<String> {
    let query = asked.path.split_once('?').unwrap().1;
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.filter(|(name, _)| name == "scope").map(|(_, scope)| scope.into_owned()).collect()
}

#[test]
fn a_28_two_tenants_never_share_a_token() {
    let rules = Rules::default().user("anna", "canary-a").user("berta", "canary-b");
    let guarded = Guarded::new(rules);
    let host = guarded.host();
    let tenants: Vec<(&str, Side)> = [("anna", "canary-a"), ("berta", "canary-b")]
        .into_iter()
        .map(|(user, password)| {
            let mut options = Options::new();
            options.set_host(&host, "username", user).unwrap();
            options.set_host(&host, "password", password).unwrap();
            options.set_host(&host, "header", &format!("x-tenant={user}")).unwrap();
            (user, Side::new(&options, Environment::default(), None))
        })
        .collect();
    run(async {
        let mut running = Vec::new();
        for _ in 0..20 {
            for (_, side) in &tenants {
                let (side, host) = (side.clone(), host.clone());
                running.push(tokio::spawn(async move { side.read(&host).await.0 }));
            }
        }
        for read in running {
            assert!(read.await.unwrap().unwrap());
        }
    });
    let mut checked = 0;
    for seen in guarded.server.server.log() {
        let (Some(tenant), Some(sent)) = (seen.header("x-tenant"), seen.header("authorization")) else {
            continue;
        };
        assert_eq!(guarded.guard.owner(&sent[7..]).as_deref(), Some(tenant));
        checked += 1;
    }
    assert_eq!(checked, 40);
}

/// What reading says where the token endpoint answers so.
fn token_answer(acts: impl Fn() -> Vec<Act> + Send + Sync + 'static) -> cldoci::Error {
    let server = Evil::start(move |seen: &Seen| match seen.path.starts_with("/token") {
        true => acts(),
        false => answer(401, &[("WWW-Authenticate", r#"Bearer realm="/token""#)], ""),
    });
    let home = home(&server.host());
    error(run(home.client(&[]).read(&server.host())).0)
}

#[test]
fn r_08_answers_of_a_token_endpoint() {
    let endless = || {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n{\"token\":\"".to_vec();
        vec![Act::Send(head), Act::Repeat(vec![b'a'; 1 << 16], 160_000), Act::Close]
    };
    assert_eq!(token_answer(endless).kind(), Kind::Limit);
    let long = format!(r#"{{"token":"{}"}}"#, "a".repeat(1 << 20));
    assert_eq!(token_answer(move || answer(200, &[], &long)).kind(), Kind::Limit);
    for body in ["", "{}", "canary", r#"{"token":"canary\r\nX-Evil: 1"}"#, r#"{"token":["canary"]}"#] {
        let error = token_answer(move || answer(200, &[], body));
        assert_eq!(error.kind(), Kind::Unauthorized, "{body}: {error}");
    }
    for (status, kind) in [(500, Kind::Protocol), (418, Kind::Protocol), (404, Kind::Protocol)] {
        let error = token_answer(move || answer(status, &[("Retry-After", "0")], "canary"));
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.http_status(), Some(status));
    }
}

#[test]
fn a_07_a_redirect_of_the_token_endpoint_is_refused() {
    let sink = Evil::start(|_: &Seen| answer(200, &[], r#"{"token":"x"}"#));
    let to = format!("http://{}/token", sink.host());
    for status in [301, 302, 303, 307, 308] {
        let to = to.clone();
        let error = token_answer(move || answer(status, &[("Location", &to)], ""));
        assert_eq!(error.kind(), Kind::Policy, "{error}");
    }
    assert!(sink.lines().is_empty());
}

#[test]
fn a_03_to_a_06_realms_that_are_refused_see_no_credential() {
    let sink = Evil::start(|_: &Seen| answer(200, &[], r#"{"token":"x"}"#));
    for realm in [
        format!("http://{}/token", sink.host()),
        "http://169.254.169.254/latest/".to_owned(),
        "https://10.0.0.5/token".to_owned(),
        "https://0.0.0.0/token".to_owned(),
        "http://localhost.evil.test/token".to_owned(),
        "file:///etc/passwd".to_owned(),
        "https://u:p@127.0.0.1/token".to_owned(),
    ] {
        let guarded = Guarded::new(Rules { realm: realm.clone(), ..rules() });
        let error = error(run(home(&guarded.host()).client(&[]).read(&guarded.host())).0);
        assert_eq!(error.kind(), Kind::Policy, "{realm}: {error}");
    }
    assert!(sink.lines().is_empty());
}

#[test]
fn a_05_a_token_server_on_another_port_must_be_listed() {
    let tokens = Guarded::new(rules());
    let realm = format!("http://{}/token", tokens.host());
    let guard = tokens.guard.clone();
    let registry = Guarded::with(Rules { realm, ..rules() }, move |_, seen| {
        let token = seen.header("authorization").and_then(|a| a.strip_prefix("Bearer "));
        token.is_some_and(|t| guard.owner(t).is_some()).then(|| {
            answer(
                200,
                &[
                    ("Content-Type", "application/vnd.oci.image.manifest.v1+json"),
                    (
                        "Docker-Content-Digest",
                        "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
                    ),
                ],
                "{}",
            )
        })
    });
    let home = home(&registry.host());
    assert_eq!(error(run(home.client(&[]).read(&registry.host())).0).kind(), Kind::Policy);
    assert!(tokens.tokens_asked().is_empty());
    let side = Side::new(&options(&[("token_hosts", &tokens.host())]), home.environment(&[]), None);
    let repository = side.repository(&registry.host(), "team/app");
    run(repository.get_manifest("v1")).unwrap();
    assert_eq!(tokens.tokens_asked().len(), 1);
}

#[test]
fn a_17_plain_http_for_a_registry_does_not_cover_its_token_server() {
    let tokens = Evil::start_tls(&["127.0.0.1"], |_: &Seen| answer(200, &[], r#"{"token":"x"}"#));
    let registry = Guarded::new(Rules { realm: format!("https://{}/token", tokens.host()), ..rules() });
    let mut set = options(&[("token_hosts", &tokens.host()), ("retries", "0")]);
    set.set_host(&registry.host(), "insecure", "true").unwrap();
    set.set_host(&registry.host(), "plain_http", "true").unwrap();
    let home = home(&registry.host());
    let side = Side::new(&set, home.environment(&[]), None);
    let error = error(run(side.read(&registry.host())).0);
    assert_eq!(error.kind(), Kind::Tls, "{error}");
    assert!(tokens.lines().is_empty());
}

/// On loopback the first answer tells the scheme; the realm is read by what was found out, not by the guess.
#[test]
fn q14_a_relative_realm_of_a_registry_whose_scheme_was_found_out() {
    let server = Evil::start_tls(&["127.0.0.1"], |seen: &Seen| match seen.header("authorization") {
        _ if seen.path.starts_with("/token") => answer(200, &[], r#"{"token":"x"}"#),
        Some("Bearer x") => answer(
            404,
            &[("Content-Type", "application/json")],
            r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#,
        ),
        _ => answer(401, &[("WWW-Authenticate", r#"Bearer realm="/token",service="s""#)], ""),
    });
    let home = Home::new();
    let mut options = Options::new();
    options.set_path("ca_file", home.write("ca.pem", server.certificate.as_ref().unwrap())).unwrap();
    let side = Side::new(&options, home.environment(&[]), None);
    assert!(!run(side.read(&server.host())).0.unwrap());
}
