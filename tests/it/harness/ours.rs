//! A client of ours that knows nothing of the developer's own, with a runtime and a directory: what a test of the
//! verbs begins with.
//!
//! ```ignore
//! let ours = Ours::with(&[("retries", "0")]);
//! let artifact = ours.build(&tree).unwrap().artifact();
//! ours.push(&artifact, &reference).unwrap();
//! let merged = ours.given(&[("existing", "merge")]).pull(&reference, &ours.path("out"));
//! refused(merged, Kind::Digest, "sha256:");
//! ```

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cldoci::oci::{ArtifactKind, Reference};
use cldoci::options::{Environment, Options};
use cldoci::{Artifact, Call, Client, Counters, Error, Kind, Outcome, Progress, Result};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::evil::has_secret;
use super::laws::Laws;

/// The config of what [`Ours::build`] makes.
pub const CONFIG: &[u8] = br#"{ "schemaVersion":"1.0",  "readme":"kept as it is: \u00e9" }"#;

/// These options.
pub fn options(pairs: &[(&str, &str)]) -> Options {
    try_options(pairs).unwrap()
}

fn try_options(pairs: &[(&str, &str)]) -> Result<Options> {
    let mut options = Options::new();
    for (name, value) in pairs {
        options.set(name, value)?;
    }
    Ok(options)
}

/// A call with these options of a client that has none.
pub fn call_with(pairs: &[(&str, &str)]) -> Call {
    let client = Client::with_environment(&Options::new(), Environment::default()).unwrap();
    client.call(Some(&options(pairs))).unwrap()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Runs what is below the verbs to its end.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}

/// A layout reference.
pub fn layout(path: &Path, tag: &str) -> String {
    format!("ocidir://{}:{tag}", path.display())
}

/// The error, which has this kind and says these words in one line.
pub fn refused<T: Debug>(result: Result<T>, kind: Kind, words: &str) -> Error {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.message().contains(words), "'{error}' does not say '{words}'");
    assert!(!error.message().contains('\n'), "{error}");
    error
}

/// A client whose home is a temporary directory, and where its store is unless an option names another.
#[derive(Clone)]
pub struct Ours {
    pub client: Client,
    runtime: Arc<Runtime>,
    home: Arc<TempDir>,
    /// What the client was made with, and what each call is given.
    options: Options,
    environment: Environment,
    given: Options,
}

/// What a verb gave, and what it counted.
#[derive(Debug)]
pub struct Done {
    pub outcome: Outcome,
    pub counters: Counters,
    pub warnings: Vec<String>,
    pub progress: Progress,
}

/// A verb, whose progress is looked at all the time.
async fn watched(call: &Call, verb: impl Future<Output = Result<Outcome>>) -> Result<Outcome> {
    let mut laws = Laws::default();
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(1));
    tokio::pin!(verb);
    let end = loop {
        tokio::select! {
            biased;
            end = &mut verb => break end,
            _ = looks.tick() => laws.step("while it runs", call.operation.progress()),
        }
    };
    laws.step("at its end", call.operation.progress());
    end
}

impl std::ops::Deref for Done {
    type Target = Outcome;

    fn deref(&self) -> &Outcome {
        &self.outcome
    }
}

impl Done {
    pub fn artifact(&self) -> Artifact {
        self.outcome.artifact.as_deref().cloned().unwrap()
    }

    pub fn digest(&self) -> String {
        self.outcome.digest.as_ref().unwrap().to_string()
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.outcome.bytes.clone().unwrap()
    }
}

impl Ours {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// A client with these options.
    pub fn with(pairs: &[(&str, &str)]) -> Self {
        Self::try_with(pairs).unwrap()
    }

    pub fn try_with(pairs: &[(&str, &str)]) -> Result<Self> {
        let (home, mut options, environment) = Self::begun();
        for (name, value) in pairs {
            options.set(name, value)?;
        }
        Self::made(home, options, environment)
    }

    /// A client whose options are paths or a host's.
    pub fn setting(set: impl FnOnce(&mut Options)) -> Self {
        let (home, mut options, environment) = Self::begun();
        set(&mut options);
        Self::made(home, options, environment).unwrap()
    }

    /// A client with these options in this environment, and nothing more.
    pub fn of(options: Options, environment: Environment) -> Result<Self> {
        Self::made(TempDir::new().unwrap(), options, environment)
    }

    fn begun() -> (TempDir, Options, Environment) {
        let home = TempDir::new().unwrap();
        let mut options = Options::new();
        options.set_path("store", home.path().join("store")).unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let environment = Environment::of([("HOME", home.path().as_os_str()), ("PATH", &path)]);
        (home, options, environment)
    }

    fn made(home: impl Into<Arc<TempDir>>, options: Options, environment: Environment) -> Result<Self> {
        let client = Client::with_environment(&options, environment.clone())?;
        let (home, runtime, given) = (home.into(), runtime().into(), Options::new());
        Ok(Self { client, runtime, home, options, environment, given })
    }

    /// The same options and directory in a process that has just begun.
    pub fn again(&self) -> Self {
        Self::made(self.home.clone(), self.options.clone(), self.environment.clone()).unwrap()
    }

    /// The same client, whose calls are given these options.
    pub fn given(&self, pairs: &[(&str, &str)]) -> Self {
        self.try_given(pairs).unwrap()
    }

    pub fn try_given(&self, pairs: &[(&str, &str)]) -> Result<Self> {
        Ok(Self { given: try_options(pairs)?, ..self.clone() })
    }

    /// The home: room for what a test needs, which goes with it.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A path below the home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    /// What a verb is called with, for a test that holds on to it.
    pub fn call(&self) -> Call {
        self.client.call(Some(&self.given)).unwrap()
    }

    /// Waits for a verb of `client`.
    pub fn wait<T>(&self, verb: impl Future<Output = T>) -> T {
        self.runtime.block_on(verb)
    }

    /// Begins a verb of `client`.
    pub fn spawn<T: Send + 'static>(
        &self,
        verb: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.spawn(verb)
    }

    fn run<F: Future<Output = Result<Outcome>>>(
        &self,
        verb: impl FnOnce(&Client, &Call) -> F,
    ) -> Result<Done> {
        let call = self.client.call(Some(&self.given))?;
        let ended = self.wait(watched(&call, verb(&self.client, &call)));
        let operation = &call.operation;
        let (counters, warnings) = (operation.counters(), operation.warnings());
        for told in warnings.iter().map(String::as_str).chain(ended.as_ref().err().map(Error::message)) {
            assert!(!has_secret(told), "a credential is told: {told}");
        }
        Ok(Done { outcome: ended?, counters, warnings, progress: operation.progress() })
    }

    /// A component with [`CONFIG`].
    pub fn build(&self, directory: &Path) -> Result<Done> {
        self.build_as(&ArtifactKind::Component, CONFIG, directory)
    }

    pub fn build_as(&self, kind: &ArtifactKind, config: &[u8], directory: &Path) -> Result<Done> {
        self.run(|client, call| client.build(directory, kind, config, call))
    }

    /// A component with [`CONFIG`].
    pub fn build_and_push(&self, directory: &Path, to: &str) -> Result<Done> {
        self.build_and_push_as(&ArtifactKind::Component, CONFIG, directory, to)
    }

    pub fn build_and_push_as(
        &self,
        kind: &ArtifactKind,
        config: &[u8],
        directory: &Path,
        to: &str,
    ) -> Result<Done> {
        let to: Reference = to.parse()?;
        self.run(|client, call| client.build_and_push(directory, kind, config, &to, call))
    }

    pub fn push(&self, artifact: &Artifact, to: &str) -> Result<Done> {
        let to: Reference = to.parse()?;
        self.run(|client, call| client.push(artifact, &to, call))
    }

    pub fn pull(&self, from: &str, into: &Path) -> Result<Done> {
        let from: Reference = from.parse()?;
        self.run(|client, call| client.pull(&from, into, call))
    }

    pub fn pull_config(&self, from: &str) -> Result<Done> {
        let from: Reference = from.parse()?;
        self.run(|client, call| client.pull_config(&from, call))
    }

    pub fn read_manifest(&self, at: &str) -> Result<Done> {
        let at: Reference = at.parse()?;
        self.run(|client, call| client.read_manifest(&at, call))
    }

    pub fn exists(&self, at: &str) -> Result<Done> {
        let at: Reference = at.parse()?;
        self.run(|client, call| client.exists(&at, call))
    }

    pub fn resolve(&self, at: &str) -> Result<Done> {
        let at: Reference = at.parse()?;
        self.run(|client, call| client.resolve(&at, call))
    }

    pub fn tag(&self, from: &str, to: &str) -> Result<Done> {
        let (from, to): (Reference, Reference) = (from.parse()?, to.parse()?);
        self.run(|client, call| client.tag(&from, &to, call))
    }

    pub fn copy(&self, from: &str, to: &str) -> Result<Done> {
        let (from, to): (Reference, Reference) = (from.parse()?, to.parse()?);
        self.run(|client, call| client.copy(&from, &to, call))
    }

    pub fn list_tags(&self, repository: &str) -> Result<Done> {
        let repository: Reference = repository.parse()?;
        self.run(|client, call| client.list_tags(&repository, call))
    }

    pub fn inspect(&self, at: &str) -> Result<Done> {
        let at: Reference = at.parse()?;
        self.run(|client, call| client.inspect(&at, call))
    }

    pub fn delete(&self, at: &str) -> Result<Done> {
        let at: Reference = at.parse()?;
        self.run(|client, call| client.delete(&at, call))
    }

    pub fn collect_garbage(&self, at: &str) -> Result<Done> {
        let at: Reference = at.parse()?;
        self.run(|client, call| client.collect_garbage(&at, call))
    }

    pub fn attach(&self, artifact: &Artifact, subject: &str) -> Result<Done> {
        let subject: Reference = subject.parse()?;
        self.run(|client, call| client.attach(artifact, &subject, call))
    }

    pub fn referrers(&self, at: &str) -> Result<Done> {
        let at: Reference = at.parse()?;
        self.run(|client, call| client.referrers(&at, call))
    }

    /// A layer's bytes, or into a file.
    pub fn read_layer(&self, artifact: &Artifact, index: usize, file: Option<fs::File>) -> Result<Done> {
        self.run(|client, call| client.read_layer(artifact, index, file, call))
    }
}
