//! Which source wins, and that its credential arrives.

use std::sync::Arc;

use cldoci::options::{Options, Secret};
use cldoci::{Credential, CredentialProvider};
use cldoci::{Kind, Result};

use super::bench::{CANARY, Guarded, Home, Side, auth, error, run};
use crate::harness::guard::Rules;

fn rules() -> Rules {
    let mut rules = Rules::default();
    for n in ["env", "docker", "podman", "named", "scoped", "helper", "store", "option", "callback"] {
        rules = rules.user(n, &format!("canary-{n}"));
    }
    rules.refresh.insert("canary-refresh".to_owned(), "identity".to_owned());
    rules
}

fn entry(host: &str, user: &str) -> String {
    format!(r#"{{"auths":{{"{host}":{{"auth":"{}"}}}}}}"#, auth(user, &format!("canary-{user}")))
}

const HELPER: &str = r#"read server; printf '{"ServerURL":"%s","Username":"%s","Secret":"canary-%s"}' "$server" "$NAME" "$NAME""#;

/// Reads, and gives whose token it was and where the credential was from.
fn who(guarded: &Guarded, side: &Side) -> (String, String) {
    let (found, operation) = run(side.read(&guarded.host()));
    assert!(found.unwrap());
    let used = guarded.server.server.log().last().unwrap().header("authorization").unwrap().to_owned();
    let owner = guarded.guard.owner(used.strip_prefix("Bearer ").unwrap()).unwrap();
    (owner, operation.credential_source().unwrap_or_default())
}

#[test]
fn each_source_wins_over_those_behind_it() {
    let guarded = Guarded::new(rules());
    let host = guarded.host();
    let home = Home::new();
    let h = home.path().to_str().unwrap().to_owned();

    home.write(".config/containers/auth.json", &entry(&host, "podman"));
    let want = format!("podman auth file {h}/.config/containers/auth.json (auths: {host})");
    assert_eq!(who(&guarded, &home.client(&[])), ("podman".into(), want));

    home.write("run/containers/auth.json", &entry(&format!("{host}/team"), "scoped"));
    let runtime = format!("{h}/run");
    let want = format!("podman auth file {h}/run/containers/auth.json (auths: {host}/team)");
    assert_eq!(who(&guarded, &home.client(&[("XDG_RUNTIME_DIR", &runtime)])), ("scoped".into(), want));

    let named = home.write("named.json", &entry(&host, "named"));
    let variables = [("XDG_RUNTIME_DIR", runtime.as_str()), ("REGISTRY_AUTH_FILE", named.to_str().unwrap())];
    assert_eq!(who(&guarded, &home.client(&variables)).0, "named");

    // A marker is no credential.
    home.docker(&format!(r#"{{"auths":{{"{host}":{{}}}}}}"#));
    assert_eq!(who(&guarded, &home.client(&variables)).0, "named");
    home.docker(&entry(&host, "docker"));
    let want = format!("docker config {h}/.docker/config.json (auths: {host})");
    assert_eq!(who(&guarded, &home.client(&variables)), ("docker".into(), want));

    home.write("other/config.json", &entry(&host, "env"));
    let other = format!("{h}/other");
    assert_eq!(who(&guarded, &home.client(&[("DOCKER_CONFIG", &other)])).0, "env");
    let inline = entry(&host, "env");
    let want = format!("DOCKER_AUTH_CONFIG (auths: {host})");
    assert_eq!(who(&guarded, &home.client(&[("DOCKER_AUTH_CONFIG", &inline)])), ("env".into(), want));

    let environment = home.environment(&[("DOCKER_AUTH_CONFIG", &inline)]);
    struct Callback;
    impl CredentialProvider for Callback {
        fn credential(&self, _: &str, repository: &str) -> Result<Option<Credential>> {
            assert_eq!(repository, "team/app");
            Credential::basic("callback", Secret::new("canary-callback")).map(Some)
        }
    }
    let side = Side::new(&Options::new(), environment.clone(), Some(Arc::new(Callback)));
    assert_eq!(who(&guarded, &side), ("callback".into(), "the credential callback".into()));
    let mut options = Options::new();
    options.set_host(&host, "username", "option").unwrap();
    options.set_host(&host, "password", "canary-option").unwrap();
    let side = Side::new(&options, environment, Some(Arc::new(Callback)));
    assert_eq!(who(&guarded, &side), ("option".into(), "the client's options".into()));
}

#[test]
fn q21_each_source_works_without_the_others_there() {
    let guarded = Guarded::new(rules());
    let host = guarded.host();
    // The variable where there is no file at all.
    let inline = entry(&host, "env");
    assert_eq!(who(&guarded, &Home::new().client(&[("DOCKER_AUTH_CONFIG", &inline)])).0, "env");
    // A store in podman's file, as in docker's.
    let home = Home::new();
    home.helper("all", &format!("NAME=store; {HELPER}"));
    let file = home.write("auth.json", r#"{"credsStore":"all"}"#);
    let variables = [("REGISTRY_AUTH_FILE", file.to_str().unwrap())];
    let (user, source) = who(&guarded, &home.client(&variables));
    assert_eq!(user, "store");
    assert!(source.starts_with("podman auth file") && source.ends_with("(credsStore: all)"), "{source}");
}

#[test]
fn dockers_own_order_is_helper_then_store_then_auths() {
    let guarded = Guarded::new(rules());
    let host = guarded.host();
    let home = Home::new();
    home.helper("own", &format!("NAME=helper; {HELPER}"));
    home.helper("all", &format!("NAME=store; {HELPER}"));
    let auths = format!(r#""auths":{{"{host}":{{"auth":"{}"}}}}"#, auth("docker", "canary-docker"));
    home.docker(&format!(r#"{{{auths},"credsStore":"all","credHelpers":{{"{host}":"own"}}}}"#));
    let (user, source) = who(&guarded, &home.client(&[]));
    assert_eq!(user, "helper");
    assert!(source.ends_with("config.json (credHelpers: own)"), "{source}");
    home.docker(&format!(r#"{{{auths},"credsStore":"all","credHelpers":{{"other.test":"own"}}}}"#));
    assert_eq!(who(&guarded, &home.client(&[])).0, "store");
    // Better than docker: what the store does not have may be in the file.
    home.helper("all", "echo 'credentials not found in native keychain'; exit 1");
    home.docker(&format!(r#"{{{auths},"credsStore":"all"}}"#));
    assert_eq!(who(&guarded, &home.client(&[])).0, "docker");
}

#[test]
fn identity_and_registry_tokens_of_a_file() {
    let guarded = Guarded::new(rules());
    let host = guarded.host();
    let home = Home::new();
    home.docker(&format!(
        r#"{{"auths":{{"{host}":{{"auth":"{}","identitytoken":"canary-refresh"}}}}}}"#,
        auth("x", "")
    ));
    assert_eq!(who(&guarded, &home.client(&[])).0, "identity");
    let asked = guarded.tokens_asked().pop().unwrap();
    assert_eq!((asked.method.as_str(), asked.header("authorization")), ("POST", None));

    // The helper's way of saying the same (A-21).
    home.helper("t", r#"echo '{"Username":"<token>","Secret":"canary-refresh"}'"#);
    home.docker(r#"{"credsStore":"t"}"#);
    assert_eq!(who(&guarded, &home.client(&[])).0, "identity");

    let token = who(&guarded, &home.client(&[])).0;
    assert_eq!(token, "identity");
    let raw = guarded.server.server.log().last().unwrap().header("authorization").unwrap()[7..].to_owned();
    home.docker(&format!(r#"{{"auths":{{"{host}":{{"registrytoken":"{raw}"}}}}}}"#));
    let before = guarded.tokens_asked().len();
    assert_eq!(who(&guarded, &home.client(&[])).0, "identity");
    assert_eq!(guarded.tokens_asked().len(), before, "it is sent as it is");
}

#[test]
fn q15_a_token_endpoint_without_post_gets_the_refresh_token_by_get() {
    let mut rules = rules();
    rules.no_post = true;
    let guarded = Guarded::new(rules);
    let home = Home::new();
    home.docker(&format!(r#"{{"auths":{{"{}":{{"identitytoken":"canary-refresh"}}}}}}"#, guarded.host()));
    assert_eq!(who(&guarded, &home.client(&[])).0, "identity");
    let methods: Vec<_> = guarded.tokens_asked().into_iter().map(|seen| seen.method).collect();
    assert_eq!(methods, ["POST", "GET"]);
}

#[test]
fn a_token_endpoint_without_get_gets_the_password_by_post() {
    let mut rules = rules();
    rules.no_get = true;
    let guarded = Guarded::new(rules);
    let home = Home::new();
    home.docker(&entry(&guarded.host(), "docker"));
    assert_eq!(who(&guarded, &home.client(&[])).0, "docker");
}

#[test]
fn a_26_a_broken_file_is_an_error_for_reads_and_writes_and_a_missing_one_is_none() {
    let guarded = Guarded::new(rules().public("team/app"));
    let home = Home::new();
    assert!(run(home.client(&[]).read(&guarded.host())).0.unwrap());
    let path = home.docker(r#"{"auths":{"x":"canary"#);
    for write in [false, true] {
        let side = home.client(&[]);
        let error = match write {
            false => error(run(side.read(&guarded.host())).0),
            true => error(run(side.write(&guarded.host())).0),
        };
        assert_eq!(error.kind(), Kind::Credentials);
        assert!(error.message().contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn the_credentials_option_narrows_the_chain() {
    let guarded = Guarded::new(rules());
    let home = Home::new();
    home.docker(&entry(&guarded.host(), "docker"));
    for mode in ["explicit", "anonymous"] {
        let mut options = Options::new();
        options.set("credentials", mode).unwrap();
        let side = Side::new(&options, home.environment(&[]), None);
        let error = error(run(side.read(&guarded.host())).0);
        assert_eq!(error.kind(), Kind::Unauthorized);
        assert!(error.message().contains("no credential for it"), "{error}");
    }
    assert_eq!(who(&guarded, &home.client(&[])).0, "docker");
}

/// What holds the whole suite: each server of the tests looks for credentials where none may be.
#[test]
fn the_tests_own_servers_notice_a_credential_that_went_astray() {
    use crate::harness::evil::{Evil, answer};
    use std::io::{Read, Write};
    let said = |request: &str| {
        let server = Evil::start(|_| answer(200, &[], ""));
        let mut stream = std::net::TcpStream::connect(server.host()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
        drop(stream);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(server))).is_ok()
    };
    let (secret, basic) = (CANARY, auth("u", CANARY));
    assert!(said(&format!("GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {basic}\r\n\r\n")));
    assert!(!said(&format!("GET /v2/?password={CANARY} HTTP/1.1\r\nHost: x\r\n\r\n")));
    assert!(!said(&format!("GET /v2/ HTTP/1.1\r\nHost: x\r\nCookie: {basic}\r\n\r\n")));
    assert!(!said(&format!("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{secret}", secret.len())));
}
