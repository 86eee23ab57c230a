//! What an error says: who answered, what it said, and the cure. One row for each situation.

use cldoci::oci::{Descriptor, media_type};
use cldoci::options::{Environment, Options, Settings};
use cldoci::registry::{Registry, Repository};
use cldoci::{Error, Kind};

use super::help::{manifest, noise, open, repository, run, upload};
use crate::harness::evil::{Act, Evil, Seen, answer};

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// What is asked of a server.
#[derive(Clone, Copy)]
enum Ask {
    Manifest,
    Blob,
    Tags,
    Push,
    PutManifest,
    Delete,
}

fn ask(repository: &Repository, what: Ask) -> Error {
    let blob = Descriptor::of("a/b", &noise(100));
    let bytes = manifest(&Descriptor::of(media_type::EMPTY, b"{}"), &[]);
    let pushing = || repository.clone().for_push(&[]);
    run(async {
        match what {
            Ask::Manifest => repository.get_manifest("v1").await.map(drop),
            Ask::Blob => repository.read_blob(&blob, 0).await.map(drop),
            Ask::Tags => repository.list_tags().await.map(drop),
            Ask::Push => upload(&pushing(), &noise(100)).await.map(drop),
            Ask::PutManifest => {
                pushing().put_manifest("v1", media_type::OCI_MANIFEST, &bytes).await.map(drop)
            }
            Ask::Delete => repository.clone().for_delete().delete_manifest("v1").await,
        }
        .unwrap_err()
    })
}

type Handler = Box<dyn Fn(&Seen) -> Vec<Act> + Send + Sync>;

fn always(status: u16, headers: &'static [(&'static str, &'static str)], body: &'static str) -> Handler {
    Box::new(move |_| answer(status, headers, body))
}

struct Row {
    situation: &'static str,
    what: Ask,
    server: Handler,
    kind: Kind,
    says: &'static [&'static str],
    /// What would send the reader to the wrong place.
    never: &'static [&'static str],
}

fn rows() -> Vec<Row> {
    use Ask::*;
    let row = |situation, what, server, kind, says, never| Row { situation, what, server, kind, says, never };
    vec![
        row(
            "a manifest that is not there",
            Manifest,
            always(
                404,
                &[JSON],
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no such","detail":{"Tag":"v1"}}]}"#,
            ),
            Kind::NotFound,
            &["test/app:v1: not found (HTTP 404, MANIFEST_UNKNOWN: no such: {\"Tag\":\"v1\"})"],
            &["created"],
        ),
        row(
            "a read of a repository that is not there",
            Tags,
            always(404, &[JSON], r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#),
            Kind::NotFound,
            &["not found (HTTP 404, NAME_UNKNOWN)"],
            &["created"],
        ),
        row(
            "a push to a repository that has to be made",
            Push,
            always(404, &[JSON], r#"{"errors":[{"code":"NAME_UNKNOWN","message":"unknown"}]}"#),
            Kind::NotFound,
            &["no such repository or upload", "NAME_UNKNOWN: unknown", "may have to be created first"],
            &[],
        ),
        row(
            "a push to an owner that is not there, told in text",
            Push,
            always(404, &[("Content-Type", "text/plain;charset=utf-8")], "owner not found\n"),
            Kind::NotFound,
            &["owner not found", "may have to be created first"],
            &["Content-Type"],
        ),
        row(
            "a manifest that is refused for a reason",
            PutManifest,
            always(
                400,
                &[JSON],
                r#"{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":{"reason":"artifact type not allowed"}}]}"#,
            ),
            Kind::Protocol,
            &["the registry refuses it", "artifact type not allowed"],
            &[],
        ),
        row(
            "a media type that is not taken",
            PutManifest,
            always(415, &[JSON], r#"{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid"}]}"#),
            Kind::Unsupported,
            &["does not take this media type", "415", media_type::OCI_MANIFEST],
            &[],
        ),
        row(
            "a cache, or a registry that is read only",
            Push,
            Box::new(|seen| match seen.method.as_str() {
                "POST" => {
                    let said =
                        r#"{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}"#;
                    answer(405, &[JSON], said)
                }
                _ => answer(404, &[], ""),
            }),
            Kind::Unsupported,
            &["the registry does not take uploads", "read-only, or a cache of another registry"],
            &["support it"],
        ),
        row(
            "no deletes by tag",
            Delete,
            always(405, &[JSON], r#"{"errors":[{"code":"UNSUPPORTED"}]}"#),
            Kind::Unsupported,
            &[
                "the registry does not take deletes",
                "UNSUPPORTED",
                "; if it takes deletes at all, delete by digest",
            ],
            &[": the registry allows"],
        ),
        row(
            "a gateway's page",
            Manifest,
            always(502, &[("Content-Type", "text/html")], "<html>nginx</html>"),
            Kind::Network,
            &["the registry failed (HTTP 502, Content-Type text/html)"],
            &[],
        ),
        row(
            "a POST that is sent elsewhere",
            Push,
            Box::new(|seen| match seen.method.as_str() {
                "POST" => answer(301, &[("Location", "https://new.example/v2/?sig=canary")], ""),
                _ => answer(404, &[], ""),
            }),
            Kind::Protocol,
            &["the registry sends uploads to https://new.example/v2/, where"],
            &["sig="],
        ),
        row(
            "a redirect with a user name",
            Blob,
            always(307, &[("Location", "http://u:canary@127.0.0.1:1/x")], ""),
            Kind::Policy,
            &["the redirect to http://127.0.0.1 is refused: it has a user name in its URL"],
            &["canary"],
        ),
        row(
            "a redirect to another protocol",
            Blob,
            always(307, &[("Location", "ftp://127.0.0.1/x?sig=canary")], ""),
            Kind::Protocol,
            &["the redirect to 'ftp://127.0.0.1/x' is not a redirect of HTTP"],
            &["sig="],
        ),
        row(
            "a redirect with a user name alone",
            Blob,
            always(307, &[("Location", "http://canary@127.0.0.1:1/x")], ""),
            Kind::Policy,
            &["the redirect to http://127.0.0.1 is refused: it has a user name in its URL"],
            &["canary"],
        ),
        row(
            "a redirect with a password alone",
            Blob,
            always(307, &[("Location", "http://:canary@127.0.0.1:1/x")], ""),
            Kind::Policy,
            &["the redirect to http://127.0.0.1 is refused: it has a user name in its URL"],
            &["canary"],
        ),
        row(
            "a redirect that leads nowhere",
            Blob,
            always(307, &[("Location", "http://127.0.0.1:1/x")], ""),
            Kind::Network,
            &["where the registry redirects to: 127.0.0.1:1: no connection"],
            &[],
        ),
        row(
            "a redirect without a Location",
            Blob,
            always(307, &[], ""),
            Kind::Protocol,
            &["a redirect without a usable Location"],
            &[],
        ),
    ]
}

fn no_canary(error: &Error) {
    assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    assert!(!error.message().contains('\n') && error.message().len() < 1500, "{error}");
}

fn holds(situation: &str, error: &Error, kind: Kind, says: &[&str], never: &[&str]) {
    no_canary(error);
    assert_eq!(error.kind(), kind, "{situation}: {error}");
    for words in says {
        assert!(error.message().contains(words), "{situation}: {words:?} is not in: {error}");
    }
    for words in never {
        assert!(!error.message().contains(words), "{situation}: {words:?} is in: {error}");
    }
}

#[test]
fn each_situation_has_its_message() {
    for Row { situation, what, server, kind, says, never } in rows() {
        let server = Evil::start(server);
        let error = ask(&repository(&server.host(), &[("retries", "0")]), what);
        holds(situation, &error, kind, says, never);
        let name = format!("{}/test/app", server.host());
        assert_eq!(error.message().matches(&name).count(), 1, "{situation}: {error}");
    }
}

#[test]
fn storage_is_named_and_quoted_and_is_not_the_registry() {
    let xml = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
    for (status, kind) in
        [(401, Kind::Unauthorized), (403, Kind::Denied), (404, Kind::NotFound), (500, Kind::Protocol)]
    {
        let storage = Evil::start(move |_| answer(status, &[("Content-Type", "application/xml")], xml));
        let location = format!("http://{}/bucket?sig=secret", storage.host());
        let server = Evil::start(move |_| answer(307, &[("Location", &location)], ""));
        let error = ask(&repository(&server.host(), &[("retries", "0")]), Ask::Blob);
        let host = storage.host();
        let says = [host.as_str(), "where the registry sends this", "AccessDenied: Request has expired"];
        holds(
            "storage",
            &error,
            kind,
            &says,
            &["sig=", "the registry refuses", "the registry demands", "the registry failed"],
        );
    }
}

#[test]
fn a_token_server_is_named_and_quoted_with_the_registry() {
    let tokens = |status: u16, headers: &'static [(&'static str, &'static str)], body: &'static str| {
        let server = Evil::start(move |seen: &Seen| match seen.path.starts_with("/token") {
            true => answer(status, headers, body),
            false => answer(401, &[("WWW-Authenticate", r#"Bearer realm="/token",service="s""#)], ""),
        });
        let mut options = Options::new();
        options.set("retries", "0").unwrap();
        for (name, value) in [("username", "u"), ("password", "canary")] {
            options.set_host(&server.host(), name, value).unwrap();
        }
        let repository = super::help::with_options(&server.host(), &options, None);
        (ask(&repository, Ask::Push), server.host())
    };
    for (status, body, kind, says) in [
        (
            401,
            r#"{"details":"incorrect username or password"}"#,
            Kind::Unauthorized,
            "incorrect username or password",
        ),
        (
            403,
            r#"{"errors":[{"code":"DENIED","message":"authorize this token for SSO"}]}"#,
            Kind::Unauthorized,
            "SSO",
        ),
        (
            400,
            r#"{"error":"invalid_scope","error_description":"unknown scope"}"#,
            Kind::Unauthorized,
            "invalid_scope: unknown scope",
        ),
        (404, "x", Kind::Protocol, "answers 404; is that the registry's token server?"),
        (500, "x", Kind::Protocol, "answers 500"),
        (429, "x", Kind::RateLimited, "answers 429"),
        (200, "<html>", Kind::Unauthorized, "not JSON of a token"),
        (302, "", Kind::Policy, "answers with a redirect, which is refused"),
        // One that sends back what it was sent is not quoted.
        (401, r#"{"error":"bad password canary"}"#, Kind::Unauthorized, "answers 401 to the credential from"),
        (401, r#"{"error":"Basic dTpjYW5hcnk="}"#, Kind::Unauthorized, "answers 401 to the credential from"),
    ] {
        let (error, host) = tokens(status, &[JSON, ("Location", "https://x.test/")], body);
        let endpoint = format!("the token endpoint {host}");
        holds(body, &error, kind, &[&endpoint, says], &["dTpj"]);
        assert!(error.message().starts_with(&host), "{error}");
    }
}

/// A registry that sends the credential back is not quoted, nor is its code.
#[test]
fn a_credential_that_comes_back_is_in_no_message() {
    for echo in ["canary-secret", "dTpjYW5hcnktc2VjcmV0"] {
        let server = Evil::start(move |seen: &Seen| match seen.header("authorization") {
            Some(_) => {
                let body = format!(r#"{{"errors":[{{"code":"DENIED","message":"you sent {echo}"}}]}}"#);
                answer(403, &[JSON, ("Warning", &format!("299 - \"you sent {echo}\""))], body)
            }
            None => answer(401, &[("WWW-Authenticate", "Basic realm=x")], ""),
        });
        let mut options = Options::new();
        for (name, value) in [("username", "u"), ("password", "canary-secret")] {
            options.set_host(&server.host(), name, value).unwrap();
        }
        let repository = super::help::with_options(&server.host(), &options, None);
        let error = ask(&repository, Ask::Manifest);
        holds(echo, &error, Kind::Denied, &["refuses access (HTTP 403"], &["you sent", "dTpj"]);
        assert!(repository.call().operation.warnings().is_empty());
    }
}

/// Behind a proxy of http every answer may be the proxy's.
#[test]
fn a_proxy_is_named() {
    let proxy = Evil::start(|_| answer(502, &[("Content-Type", "text/html")], "<h1>squid</h1>"));
    let get = |options: &[(&str, &str)]| {
        let mut set = Options::new();
        for (name, value) in options {
            set.set(name, value).unwrap();
        }
        set.set("proxy", &format!("http://u:canary@{}", proxy.host())).unwrap();
        let settings = Settings::for_client(&set, Environment::default()).unwrap();
        let registry = Registry::new(&settings).unwrap();
        let repository = open(&registry, &settings, "reg.test", "test/app");
        ask(&repository, Ask::Manifest)
    };
    let named = format!("the proxy http://{}", proxy.host());
    let error = get(&[("retries", "0"), ("plain_http_hosts", "reg.test")]);
    holds("an answer", &error, Kind::Network, &[&named, "502"], &[]);
    let error = get(&[("retries", "0")]);
    let says = [named.as_str(), "opens no tunnel to reg.test", "it answers 502", "NO_PROXY"];
    holds("a tunnel", &error, Kind::Network, &says, &["unsuccessful"]);
    let asked = proxy.log();
    let tunnels: Vec<_> = asked.iter().filter(|seen| seen.method == "CONNECT").collect();
    assert!(tunnels.iter().all(|seen| seen.path == "reg.test:443"), "{tunnels:?}");
    let shown = |seen: &&&Seen| seen.header("proxy-authorization") == Some("Basic dTpjYW5hcnk=");
    assert_eq!(tunnels.iter().filter(shown).count(), tunnels.len());
}
