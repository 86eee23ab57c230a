//! A real registry with passwords and with tokens, and a real helper.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cldoci::oci::Descriptor;
use cldoci::options::{Options, Secret};
use cldoci::{Client, Kind};
use rcgen::SigningKey;

use super::bench::{CProgram, Home, Side, auth, error, run};
use crate::harness::c::run as run_program;
use crate::harness::evil::{Evil, Seen, answer};
use crate::harness::guard::basic;
use crate::harness::servers::{Server, tool};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Pushes a manifest with a blob to `name`, and reads it back.
async fn round_trip(side: &Side, host: &str, name: &str) -> cldoci::Result<()> {
    let repository = side.repository(host, name).for_push(&[]);
    let blob = Descriptor::of("application/vnd.oci.empty.v1+json", b"{}");
    let source = Arc::new(cldoci::registry::BytesSource(bytes::Bytes::from_static(b"{}")));
    repository.upload_blob(&blob, source, &[], std::sync::Arc::new(cldoci::registry::NoSessions)).await?;
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"{}","digest":"{}","size":2}},"layers":[]}}"#,
        blob.media_type, blob.digest
    );
    repository.put_manifest("v1", MANIFEST, manifest.as_bytes()).await?;
    let (_, bytes) = side.repository(host, name).get_manifest("v1").await?;
    assert_eq!(bytes, manifest.as_bytes());
    Ok(())
}

/// Distribution that wants `u` and `canary`; `directory` keeps its password file.
fn with_htpasswd(directory: &Path) -> Option<Server> {
    // bcrypt.
    const LINE: &str = "u:$2b$05$PbwKVtYczmYnSPccm26i3eK8bSLBwIZDt1JhUOMFF9fVKR/bGmgvi\n";
    let path = directory.join("htpasswd");
    std::fs::write(&path, LINE).unwrap();
    let more = format!("auth: {{ htpasswd: {{ realm: tests, path: {} }} }}\n", path.display());
    Server::distribution("registry3", &more)
}

#[test]
fn distribution_with_htpasswd() {
    let home = Home::new();
    let Some(real) = with_htpasswd(home.path()) else { return };
    let host = &real.address;
    let client = Client::with_environment(&Options::new(), home.environment(&[])).unwrap();
    let log_in = |password| {
        run(client.login(host, "u", &Secret::new(password), &client.call(None).unwrap())).map(drop)
    };
    assert_eq!(error(log_in("canary-wrong")).kind(), Kind::Unauthorized);
    assert_eq!(error(run(round_trip(&home.client(&[]), host, "a"))).kind(), Kind::Unauthorized);
    log_in("canary").unwrap();
    run(round_trip(&home.client(&[]), host, "a")).unwrap();
}

/// A token server that signs real JWTs, for Distribution's own `auth.token`.
struct Issuer {
    key: rcgen::KeyPair,
    certificate: rcgen::Certificate,
    /// Seconds that a token lives.
    life: u64,
    issued: AtomicUsize,
}

impl Issuer {
    fn new(life: u64) -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        Self { key, certificate, life, issued: AtomicUsize::new(0) }
    }

    /// `u` may do anything in `team/…`; nobody else may do anything.
    fn answer(&self, seen: &Seen) -> Vec<crate::harness::evil::Act> {
        let known = seen.header("authorization").and_then(basic) == Some(("u".into(), "canary".into()));
        if !known {
            return answer(401, &[], "{}");
        }
        let query = seen.path.split_once('?').map_or("", |(_, query)| query);
        let mut access = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let parts: Vec<&str> = value.split(':').collect();
            if let ("scope", [kind, repository, actions]) = (name.as_ref(), parts.as_slice())
                && repository.starts_with("team/")
            {
                let actions: Vec<&str> = actions.split(',').collect();
                access.push(serde_json::json!({"type": kind, "name": repository, "actions": actions}));
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let header = serde_json::json!({
            "typ": "JWT", "alg": "EdDSA", "x5c": [STANDARD.encode(self.certificate.der())],
        });
        let claims = serde_json::json!({
            "iss": "tests", "sub": "u", "aud": "registry", "nbf": now - 5, "iat": now, "exp": now + self.life,
            "jti": format!("{}", self.issued.fetch_add(1, Ordering::SeqCst)), "access": access,
        });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(text.as_bytes()).unwrap());
        answer(200, &[], format!(r#"{{"access_token":"{text}.{signature}","expires_in":{}}}"#, self.life))
    }
}

#[test]
fn distribution_with_signed_tokens_that_live_briefly() {
    // Below the 60 s that a client takes as the least, so that the registry's 401 is what renews it.
    const LIFE: u64 = 2;
    let issuer = Arc::new(Issuer::new(LIFE));
    let tokens = Evil::start({
        let issuer = issuer.clone();
        move |seen: &Seen| issuer.answer(seen)
    });
    let home = Home::new();
    let bundle = home.write("roots.pem", &issuer.certificate.pem());
    let more = format!(
        "auth: {{ token: {{ realm: 'http://{}/token', service: registry, issuer: tests, rootcertbundle: {} }} }}\n",
        tokens.host(),
        bundle.display()
    );
    let Some(real) = Server::distribution("registry3", &more) else { return };
    let host = &real.address;
    home.docker(&format!(r#"{{"auths":{{"{host}":{{"auth":"{}"}}}}}}"#, auth("u", "canary")));
    let mut options = Options::new();
    options.set("token_hosts", &tokens.host()).unwrap();
    let side = Side::new(&options, home.environment(&[]), None);
    run(async {
        round_trip(&side, host, "team/app").await.unwrap();
        let before = tokens.lines().len();
        // A token ends by its own clock: there is nothing else to wait for. Distribution allows a minute.
        let denied = error(round_trip(&side, host, "other/app").await);
        assert_eq!(denied.kind(), Kind::Denied, "{denied}");
        assert!(denied.message().contains("is valid and has not the right to this"), "{denied}");
        round_trip(&side, host, "team/app").await.unwrap();
        assert!(tokens.lines().len() - before <= 3, "{:?}", tokens.lines());
    });
    let scopes: Mutex<Vec<String>> = Mutex::new(tokens.lines());
    assert!(scopes.lock().unwrap()[0].contains("scope=repository%3Ateam%2Fapp%3Apull%2Cpush"));
}

/// A pass store with a key of its own.
struct Pass(PathBuf);

impl Pass {
    fn new(home: &Path) -> Self {
        let made = Self(home.join("gnupg"));
        std::fs::create_dir(&made.0).unwrap();
        std::fs::set_permissions(&made.0, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        made
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        // It was started by gpg, and is this key's own.
        let _ = Command::new("gpgconf").arg("--homedir").arg(&self.0).args(["--kill", "all"]).status();
    }
}

#[test]
fn docker_credential_pass_keeps_gives_and_forgets() {
    let (Some(helper), Some(pass)) = (tool("docker-credential-pass"), tool("pass")) else { return };
    let home = Home::new();
    let Some(real) = with_htpasswd(home.path()) else { return };
    let store = Pass::new(home.path());
    let gnupg = store.0.to_str().unwrap().to_owned();
    let kept = home.path().join("store").to_str().unwrap().to_owned();
    let path = format!("{}:/usr/bin:/bin", helper.parent().unwrap().display());
    let variables = [("GNUPGHOME", gnupg.as_str()), ("PASSWORD_STORE_DIR", &kept), ("PATH", &path)];
    let succeeds = |command: &mut Command| {
        let output = command.envs(variables).env("HOME", home.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    succeeds(Command::new("gpg").args([
        "--batch",
        "--passphrase",
        "",
        "--quick-generate-key",
        "tests@example.test",
    ]));
    succeeds(Command::new(pass).args(["init", "tests@example.test"]));
    home.docker(r#"{"credsStore":"pass"}"#);

    let host = &real.address;
    assert_eq!(error(run(round_trip(&home.client(&variables), host, "a"))).kind(), Kind::Unauthorized);
    let client = Client::with_environment(&Options::new(), home.environment(&variables)).unwrap();
    run(client.login(host, "u", &Secret::new("canary"), &client.call(None).unwrap())).unwrap();
    let config = std::fs::read_to_string(home.path().join(".docker/config.json")).unwrap();
    assert!(!config.contains(&auth("u", "canary")), "{config}");
    run(round_trip(&home.client(&variables), host, "a")).unwrap();
    let hosts = CProgram::new("reaping");
    for how in ["handler", "thread", "ignore"] {
        run_program(hosts.command(&home, &variables).args([how, &format!("{host}/a:v1"), "3"]));
    }
    run(client.logout(host, &client.call(None).unwrap())).unwrap();
    assert_eq!(error(run(round_trip(&home.client(&variables), host, "a"))).kind(), Kind::Unauthorized);
}
