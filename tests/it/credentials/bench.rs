//! A guarded registry with something in it, and a home directory with credentials.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use cldoci::credentials::CredentialCache;
use cldoci::oci::{Descriptor, Reference};
use cldoci::options::{Environment, Options, Settings};
use cldoci::registry::{BytesSource, NoSessions, Registry, Repository};
use cldoci::{Call, CredentialProvider, Error, Operation, Result};

use crate::harness::c;
use crate::harness::evil::{Act, Seen};
use crate::harness::guard::{Guard, Rules};
pub use crate::harness::ours::run;
use crate::harness::registry::{Manners, Registry as Server};

/// In every secret of these tests. It may be in no message.
pub const CANARY: &str = "canary";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// As long as any, so that a HEAD is believed.
pub const BODY: &[u8] = br#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;

/// A registry that holds `team/app:v1`, and the guard before it.
pub struct Guarded {
    pub server: Server,
    pub guard: Guard,
}

impl Guarded {
    pub fn new(rules: Rules) -> Self {
        Self::with(rules, |_, _| None)
    }

    /// `hook` is asked before the guard.
    pub fn with(
        rules: Rules,
        hook: impl Fn(&Guard, &Seen) -> Option<Vec<Act>> + Send + Sync + 'static,
    ) -> Self {
        let guard = Guard::new(rules);
        let server = Server::with(Manners::default(), {
            let guard = guard.clone();
            move |seen| hook(&guard, seen).or_else(|| guard.check(seen))
        });
        server.put_manifest("team/app", "v1", MANIFEST, BODY);
        Self { server, guard }
    }

    pub fn host(&self) -> String {
        self.server.host()
    }

    /// The requests as `METHOD path`, without the API's prefix and without queries.
    pub fn lines(&self) -> Vec<String> {
        let lines = self.server.server.lines();
        lines.iter().map(|line| line.split('?').next().unwrap().replace("/v2/team/app", "")).collect()
    }

    pub fn tokens_asked(&self) -> Vec<Seen> {
        self.server.server.log().into_iter().filter(|seen| seen.path.starts_with("/token")).collect()
    }
}

/// A home directory.
pub struct Home(Arc<tempfile::TempDir>);

impl Home {
    pub fn new() -> Self {
        Self(Arc::new(tempfile::tempdir().unwrap()))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// docker's configuration.
    pub fn docker(&self, text: &str) -> PathBuf {
        self.write(".docker/config.json", text)
    }

    /// A helper; a child writes it, so that no fork of another test keeps it open for writing.
    pub fn helper(&self, name: &str, script: &str) {
        let path = self.path().join("bin").join(format!("docker-credential-{name}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut shell = Command::new("/bin/sh")
            .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        shell.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{script}\n").as_bytes()).unwrap();
        assert!(shell.wait().unwrap().success());
    }

    pub fn environment(&self, more: &[(&str, &str)]) -> Environment {
        let home = self.path().to_str().unwrap();
        let path = format!("{home}/bin:/usr/bin:/bin");
        let own = [("HOME", home), ("PATH", path.as_str())];
        Environment::of(own.into_iter().chain(more.iter().copied()))
    }

    pub fn client(&self, more: &[(&str, &str)]) -> Side {
        Side { _home: Some(self.0.clone()), ..Side::new(&Options::new(), self.environment(more), None) }
    }
}

/// The client's side.
#[derive(Clone)]
pub struct Side {
    settings: Settings,
    registry: Registry,
    /// Its files are read when a registry challenges.
    _home: Option<Arc<tempfile::TempDir>>,
}

impl Side {
    pub fn new(
        options: &Options,
        environment: Environment,
        provider: Option<Arc<dyn CredentialProvider>>,
    ) -> Self {
        let settings = Settings::for_client(options, environment).unwrap();
        let credentials = Arc::new(CredentialCache::new(&settings, provider).unwrap());
        let registry = Registry::with(&settings, None, Some(credentials)).unwrap();
        Self { registry, settings, _home: None }
    }

    pub fn repository(&self, host: &str, name: &str) -> Repository {
        let Reference::Registry(reference) = format!("{host}/{name}:v1").parse().unwrap() else { panic!() };
        self.registry.repository(&reference, &Call::new(self.settings.clone(), Operation::new())).unwrap()
    }

    /// Reads `team/app:v1`; the operation has the warnings and the source.
    pub async fn read(&self, host: &str) -> (Result<bool>, Operation) {
        let repository = self.repository(host, "team/app");
        let found = repository.head_manifest("v1").await;
        (found.map(|found| found.is_some()), checked(&repository))
    }

    /// Sixteen reads at once, each of which finds it.
    pub async fn read_at_once(&self, host: &str) {
        let reads: Vec<_> = (0..16)
            .map(|_| {
                let (side, host) = (self.clone(), host.to_owned());
                tokio::spawn(async move { side.read(&host).await.0 })
            })
            .collect();
        for read in reads {
            assert!(read.await.unwrap().unwrap());
        }
    }

    /// Uploads a blob to `team/app`.
    pub async fn write(&self, host: &str) -> (Result<()>, Operation) {
        let repository = self.repository(host, "team/app").for_push(&[]);
        let descriptor = Descriptor::of("application/octet-stream", b"blob");
        let source = Arc::new(BytesSource(bytes::Bytes::from_static(b"blob")));
        let done = repository.upload_blob(&descriptor, source, &[], Arc::new(NoSessions)).await;
        (done.map(drop), checked(&repository))
    }
}

/// No warning and no source shows a secret.
fn checked(repository: &Repository) -> Operation {
    let operation = repository.call().operation.clone();
    let said = format!("{:?} {:?}", operation.warnings(), operation.credential_source());
    assert!(!said.contains(CANARY), "{said}");
    operation
}

/// The error, which shows no secret.
pub fn error<T: std::fmt::Debug>(result: Result<T>) -> Error {
    let error = result.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(CANARY), "{error}");
    assert!(!error.message().contains('\n'), "{error}");
    error
}

/// `auth` of a configuration.
pub fn auth(user: &str, password: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
}

/// A program of `tests/c`, in a directory with the library.
pub struct CProgram(tempfile::TempDir);

impl CProgram {
    pub fn new(name: &str) -> Self {
        let directory = c::installed();
        let source = c::root().join(format!("tests/c/{name}.c"));
        c::compile(&source, &directory.path().join("program"), directory.path());
        Self(directory)
    }

    /// It knows of this home alone.
    pub fn command(&self, home: &Home, more: &[(&str, &str)]) -> Command {
        let mut command = Command::new(self.0.path().join("program"));
        command.env_clear().env("HOME", home.path()).envs(more.iter().copied());
        if !more.iter().any(|(name, _)| *name == "PATH") {
            command.env("PATH", format!("{}/bin:/usr/bin:/bin", home.path().display()));
        }
        command
    }
}
