//! The verbs. Each checks its arguments on the caller's thread and returns a future that does the work;
//! orchestration only: `archive`, `store` and `registry` do the rest.

mod artifact;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use crate::archive::LeftOut;
use crate::config::{Environment, Options, Settings};
use crate::error::{Error, Kind, Result};
use crate::oci::{ArtifactKind, Descriptor, Digest, Reference};
use crate::operation::Operation;
pub use artifact::{Artifact, ArtifactBuilder, Content, Layer};

/// What a verb gives; counters and warnings are the [`Operation`]'s.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The manifest's digest (of pull_config: the config's).
    pub digest: Option<Digest>,
    /// The media type of what `digest` names.
    pub media_type: Option<String>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Of exists.
    pub exists: Option<bool>,
    /// Of build, push, pull and inspect.
    pub artifact: Option<Artifact>,
    /// Of pull_config and read_layer.
    pub bytes: Option<Vec<u8>>,
    /// Of list_tags.
    pub tags: Vec<String>,
    /// Of referrers.
    pub referrers: Vec<Descriptor>,
    /// Of build: what was left out, and why.
    pub left_out: Vec<LeftOut>,
    /// How many paths were left out; `left_out` is bounded.
    pub left_out_total: u64,
    /// Of pull: the destination had this digest already.
    pub unchanged: bool,
    /// Where the credential that was used came from.
    pub credential_source: Option<String>,
}

/// A client: settings, connections, tokens. Clones share them.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    settings: Settings,
}

type Job = Result<Outcome>;

impl Client {
    /// A client; nothing is connected and no thread is started.
    pub fn new(options: &Options) -> Result<Self> {
        Self::with_environment(options, Environment::capture())
    }

    /// A client that sees another environment than the process's.
    pub fn with_environment(options: &Options, environment: Environment) -> Result<Self> {
        Ok(Self(Arc::new(Inner { settings: Settings::for_client(options, environment)? })))
    }

    /// The client's settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Builds a directory into an artifact. `config` is kept as it is; empty = the empty config.
    pub fn build(
        &self,
        directory: &Path,
        kind: &ArtifactKind,
        config: &[u8],
        options: Option<&Options>,
        operation: &Operation,
    ) -> impl Future<Output = Job> + Send + use<> {
        let _ = (directory, kind, config, options, operation);
        unfinished()
    }

    /// Pushes an artifact to a registry or a layout.
    pub fn push(
        &self,
        artifact: &Artifact,
        reference: &Reference,
        options: Option<&Options>,
        operation: &Operation,
    ) -> impl Future<Output = Job> + Send + use<> {
        let _ = (artifact, reference, options, operation);
        unfinished()
    }

    /// Pulls an artifact into a directory, all or nothing.
    pub fn pull(
        &self,
        reference: &Reference,
        destination: &Path,
        options: Option<&Options>,
        operation: &Operation,
    ) -> impl Future<Output = Job> + Send + use<> {
        let _ = (reference, destination, options, operation);
        unfinished()
    }

    /// The config blob's bytes.
    pub fn pull_config(
        &self,
        reference: &Reference,
        options: Option<&Options>,
        operation: &Operation,
    ) -> impl Future<Output = Job> + Send + use<> {
        let _ = (reference, options, operation);
        unfinished()
    }

    /// Whether the artifact is there; an error where that can't be told.
    pub fn exists(
        &self,
        reference: &Reference,
        options: Option<&Options>,
        operation: &Operation,
    ) -> impl Future<Output = Job> + Send + use<> {
        let _ = (reference, options, operation);
        unfinished()
    }

    /// The manifest's descriptor, without a download.
    pub fn resolve(
        &self,
        reference: &Reference,
        options: Option<&Options>,
        operation: &Operation,
    ) -> impl Future<Output = Job> + Send + use<> {
        let _ = (reference, options, operation);
        unfinished()
    }

    /// Gives the artifact at `source` the name `target` too.
    pub fn tag(
        &self,
        source: &Reference,
        target: &Reference,
        options: Option<&Options>,
        operation: &Operation,
    ) -> impl Future<Output = Job> + Send + use<> {
        let _ = (source, target, options, operation);
        unfinished()
    }

    /// Copies an artifact, or an index with all it lists, from one place to another.
    pub fn copy(
        &self,
        source: &Reference,
        target: &Reference,
        options: Option<&Options>,
        operation: &Operation,
    ) -> impl Future<Output = Job> + Send + use<> {
        let _ = (source, target, options, operation);
        unfinished()
    }

    /// The tags of a repository or a layout, sorted by bytes.
    pub fn list_tags(
        &self,
        reference: &Reference,
        options: Option<&Options>,
        operation: &Operation,
    ) -> impl Future<Output = Job> + Send + use<> {
        let _ = (reference, options, operation);
        unfinished()
    }

    /// The artifact without its layers' bytes.
    pub fn inspect(
        &self,
        reference: &Reference,
        options: Option<&Options>,
        operation: &Operation,
    ) -> impl Future<Output = Job> + Send + use<> {
        let _ = (reference, options, operation);
        unfinished()
    }

    /// Deletes a tag, or by digest a manifest.
    pub fn delete(
        &self,
        reference: &Reference,
        options: Option<&Options>,
        operation: &Operation,
    ) -> impl Future<Output = Job> + Send + use<> {
        let _ = (reference, options, operation);
        unfinished()
    }

    /// Pushes an artifact that refers to the one at `subject`.
    pub fn attach(
        &self,
        artifact: &Artifact,
        subject: &Reference,
        options: Option<&Options>,
        operation: &Operation,
    ) -> impl Future<Output = Job> + Send + use<> {
        let _ = (artifact, subject, options, operation);
        unfinished()
    }

    /// The descriptors of what refers to the artifact.
    pub fn referrers(
        &self,
        reference: &Reference,
        options: Option<&Options>,
        operation: &Operation,
    ) -> impl Future<Output = Job> + Send + use<> {
        let _ = (reference, options, operation);
        unfinished()
    }

    /// One layer's bytes as they are stored (compressed), verified: into memory, or into `file`.
    pub fn read_layer(
        &self,
        artifact: &Artifact,
        index: usize,
        file: Option<std::fs::File>,
        options: Option<&Options>,
        operation: &Operation,
    ) -> impl Future<Output = Job> + Send + use<> {
        let _ = (artifact, index, file, options, operation);
        unfinished()
    }
}

async fn unfinished() -> Job {
    Err(Error::new(Kind::Unsupported, "not built yet"))
}
