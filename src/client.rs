//! The verbs. Each looks at its arguments on the caller's thread and returns a future that does the work;
//! orchestration only: `archive`, `store` and `registry` do the rest.
//!
//! The futures need a tokio runtime with time and I/O; they run blocking work on its blocking threads.

mod artifact;
mod backend;
mod build;
mod build_and_push;
mod copy;
mod diff_id;
mod endpoint;
mod layer;
mod layer_sources;
mod login;
mod outcome;
mod pipe;
mod platform;
mod published;
mod pull;
mod push;
mod read;
mod registries_conf;
mod remove;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;

use crate::call::Call;
use crate::credential::{CredentialProvider, Credentials};
use crate::credentials::CredentialCache;
use crate::error::{Error, Kind, Result};
use crate::oci::{ArtifactKind, Reference};
use crate::operation::{Logger, Operation, Waiter};
use crate::options::{Environment, Options, Secret, Settings, registry_name};
use crate::registry::{Registry, Session, UploadSessions};
use crate::store::{Store, UploadSession};
pub use artifact::{Artifact, ArtifactBuilder, Content, Layer};
pub use outcome::Outcome;
use registries_conf::Registries;

/// A client: settings, connections, tokens. Clones share them.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    settings: Settings,
    registry: Registry,
    /// Who we are; the registry asks it too.
    credentials: Arc<CredentialCache>,
    /// Opened by the first verb that needs it; the inner `None` = switched off.
    store: Mutex<Option<Option<Store>>>,
    /// Takes what must be spooled where the store is switched off.
    private: Mutex<Option<Store>>,
    registries: Registries,
}

/// A verb at work: the client, and the call that asked for it.
#[derive(Clone)]
struct Verb {
    client: Client,
    call: Call,
}

impl Client {
    /// A client; nothing is connected and no thread is started.
    pub fn new(options: &Options) -> Result<Self> {
        Self::with_environment(options, Environment::capture())
    }

    /// A client that sees another environment than the process's.
    pub fn with_environment(options: &Options, environment: Environment) -> Result<Self> {
        Self::with_credentials(options, environment, None)
    }

    /// A client that asks the caller for credentials.
    pub fn with_credentials(
        options: &Options,
        environment: Environment,
        credentials: Option<Arc<dyn CredentialProvider>>,
    ) -> Result<Self> {
        let mut settings = Settings::for_client(options, environment.clone())?;
        let registries = Registries::read(&settings)?;
        if !registries.is_empty() {
            settings = Settings::for_client(&registries.options(options)?, environment)?;
        }
        let credentials = Arc::new(CredentialCache::new(&settings, credentials)?);
        let asked: Arc<dyn Credentials> = credentials.clone();
        let registry = Registry::with(&settings, None, Some(asked))?;
        let (store, private) = (Mutex::default(), Mutex::default());
        Ok(Self(Arc::new(Inner { settings, registry, credentials, store, private, registries })))
    }

    /// The client's settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// A call with these options; its deadline runs from here on.
    pub fn call(&self, options: Option<&Options>) -> Result<Call> {
        self.call_with_logger(options, None)
    }

    /// The same, with a logger.
    pub fn call_with_logger(&self, options: Option<&Options>, logger: Option<Logger>) -> Result<Call> {
        self.call_waited_for(options, logger, None)
    }

    /// The same, with the thread that waits for it.
    pub(crate) fn call_waited_for(
        &self,
        options: Option<&Options>,
        logger: Option<Logger>,
        waiter: Option<Arc<Waiter>>,
    ) -> Result<Call> {
        let settings = self.0.settings.for_call(options)?;
        let operation = Operation::with(settings.deadline(), logger, waiter);
        Ok(Call::new(settings, operation))
    }

    fn registry(&self) -> &Registry {
        &self.0.registry
    }

    fn registries(&self) -> &Registries {
        &self.0.registries
    }

    /// The store, which is opened, and kept within its bounds, at the first call. Blocks.
    fn store(&self) -> Result<Option<Store>> {
        let mut store = self.0.store.lock().unwrap_or_else(PoisonError::into_inner);
        if store.is_none() {
            let opened = Store::open(&self.0.settings)?;
            if let Some(opened) = &opened {
                // One that can't be trimmed serves all the same.
                let _ = opened.trim(&self.0.settings);
            }
            *store = Some(opened);
        }
        Ok(store.clone().flatten())
    }

    /// Where layers are spooled: the store, else one private directory for the whole client. Blocks.
    fn spooling(&self) -> Result<Store> {
        if let Some(store) = self.store()? {
            return Ok(store);
        }
        let mut private = self.0.private.lock().unwrap_or_else(PoisonError::into_inner);
        match &*private {
            Some(store) => Ok(store.clone()),
            None => Ok(private.insert(Store::temporary(&self.0.settings)?).clone()),
        }
    }

    /// The same as far as there is one already. Blocks.
    fn spooled_to(&self) -> Result<Option<Store>> {
        let private = || self.0.private.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(self.store()?.or_else(private))
    }

    /// Builds a directory into an artifact. `config` is kept as it is; empty = the empty config.
    pub fn build(
        &self,
        directory: &Path,
        kind: &ArtifactKind,
        config: &[u8],
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let directory = absolute(directory);
        let (kind, config) = (kind.clone(), config.to_vec());
        self.run(call, move |verb: Verb| async move {
            let kind = build::kind_of(&kind, &verb)?;
            verb.build(directory?, kind, config, None).await
        })
    }

    /// Builds a directory and pushes it, in one pass where the registry allows it: the layer is sent while it
    /// is packed, without being asked for before.
    pub fn build_and_push(
        &self,
        directory: &Path,
        kind: &ArtifactKind,
        config: &[u8],
        reference: &Reference,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let (directory, reference) = (absolute(directory), anchored(reference));
        let (kind, config) = (kind.clone(), config.to_vec());
        self.run(call, move |verb: Verb| async move {
            let kind = build::kind_of(&kind, &verb)?;
            verb.build_and_push(directory?, kind, config, &reference?).await
        })
    }

    /// Pushes an artifact to a registry or a layout; the manifest goes last.
    pub fn push(
        &self,
        artifact: &Artifact,
        reference: &Reference,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let (artifact, reference) = (artifact.clone(), anchored(reference));
        self.run(call, move |verb: Verb| async move { verb.push(&artifact, &reference?).await })
    }

    /// Pulls an artifact into a directory, all or nothing.
    pub fn pull(
        &self,
        reference: &Reference,
        destination: &Path,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let (reference, destination) = (anchored(reference), absolute(destination));
        self.run(
            call,
            move |verb: Verb| async move { verb.pull(verb.endpoint(&reference?)?, destination?).await },
        )
    }

    /// The config blob's bytes as they were pushed; no layer is touched.
    pub fn pull_config(
        &self,
        reference: &Reference,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let reference = anchored(reference);
        self.run(call, move |verb: Verb| async move { verb.pull_config(&reference?).await })
    }

    /// Whether the artifact is there; an error where that can't be told.
    pub fn exists(
        &self,
        reference: &Reference,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let reference = anchored(reference);
        self.run(call, move |verb: Verb| async move { verb.exists(&reference?).await })
    }

    /// The manifest's descriptor, without a download.
    pub fn resolve(
        &self,
        reference: &Reference,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let reference = anchored(reference);
        self.run(call, move |verb: Verb| async move { verb.resolve(&reference?).await })
    }

    /// Gives the artifact at `source` the name `target` too. Within one repository only the manifest's bytes
    /// move; elsewhere blobs are mounted or copied.
    pub fn tag(
        &self,
        source: &Reference,
        target: &Reference,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let (source, target) = (anchored(source), anchored(target));
        self.run(call, move |verb: Verb| async move { verb.copy(&source?, &target?, false).await })
    }

    /// Copies an artifact, or an index with all it lists; with the option `recursive` what refers to it too.
    pub fn copy(
        &self,
        source: &Reference,
        target: &Reference,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let (source, target) = (anchored(source), anchored(target));
        self.run(call, move |verb: Verb| async move {
            let recursive = verb.call.settings.recursive;
            verb.copy(&source?, &target?, recursive).await
        })
    }

    /// The tags of a repository or a layout, sorted by bytes.
    pub fn list_tags(
        &self,
        reference: &Reference,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let reference = anchored(reference);
        self.run(call, move |verb: Verb| async move { verb.list_tags(&reference?).await })
    }

    /// The artifact without its layers' bytes.
    pub fn inspect(
        &self,
        reference: &Reference,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let reference = anchored(reference);
        self.run(call, move |verb: Verb| async move { verb.inspect(&reference?).await })
    }

    /// A manifest's bytes as they are, and of an index its entries; no platform is chosen.
    pub fn read_manifest(
        &self,
        reference: &Reference,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let reference = anchored(reference);
        self.run(call, move |verb: Verb| async move { verb.read_manifest(&reference?).await })
    }

    /// Deletes a tag, or by digest a manifest.
    pub fn delete(
        &self,
        reference: &Reference,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let reference = anchored(reference);
        self.run(call, move |verb: Verb| async move { verb.delete(&reference?).await })
    }

    /// Removes from a layout what nothing in it leads to, once nobody adds to it; the size is what that freed.
    /// UNSUPPORTED for a registry, which collects its garbage itself.
    pub fn collect_garbage(
        &self,
        reference: &Reference,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let reference = anchored(reference);
        self.run(call, move |verb: Verb| async move { verb.collect_garbage(&reference?).await })
    }

    /// Pushes an artifact that refers to the one at `subject`.
    pub fn attach(
        &self,
        artifact: &Artifact,
        subject: &Reference,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let (artifact, subject) = (artifact.clone(), anchored(subject));
        self.run(call, move |verb: Verb| async move { verb.attach(&artifact, &subject?).await })
    }

    /// The descriptors of what refers to the artifact.
    pub fn referrers(
        &self,
        reference: &Reference,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let reference = anchored(reference);
        self.run(call, move |verb: Verb| async move { verb.referrers(&reference?).await })
    }

    /// One layer's bytes as they are stored (compressed), verified: into memory, or into `file`.
    pub fn read_layer(
        &self,
        artifact: &Artifact,
        index: usize,
        file: Option<std::fs::File>,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let artifact = artifact.clone();
        self.run(call, move |verb: Verb| async move { verb.read_layer(&artifact, index, file).await })
    }

    /// Tries a user name and a password (or an access token) at a registry, and keeps them where docker
    /// would; the outcome's `credential_source` says where.
    pub fn login(
        &self,
        registry: &str,
        username: &str,
        secret: &Secret,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let registry = registry_name(registry);
        let (username, secret) = (username.to_owned(), secret.clone());
        self.run(call, move |verb: Verb| async move { verb.login(&registry?, &username, &secret).await })
    }

    /// Removes a registry's credential from where docker keeps it; `exists` says whether there was one.
    pub fn logout(
        &self,
        registry: &str,
        call: &Call,
    ) -> impl Future<Output = Result<Outcome>> + Send + use<> {
        let registry = registry_name(registry);
        self.run(call, move |verb: Verb| async move { verb.logout(&registry?).await })
    }

    /// Runs a verb's work; its paths have been looked at when this returns.
    fn run<F, W>(&self, call: &Call, work: W) -> impl Future<Output = Result<Outcome>> + Send + use<F, W>
    where
        F: Future<Output = Result<Outcome>> + Send,
        W: FnOnce(Verb) -> F + Send,
    {
        let verb = Verb { client: self.clone(), call: call.clone() };
        let operation = call.operation.clone();
        async move {
            let outcome = match operation.check() {
                Ok(()) => operation.run_verb(work(verb).boxed()).await,
                Err(ended) => Err(ended),
            };
            operation.finish();
            outcome.map(|outcome| Outcome {
                credential_source: outcome.credential_source.or_else(|| operation.credential_source()),
                ..outcome
            })
        }
    }
}

/// Uploads go on after a restart where there is a store.
impl UploadSessions for Client {
    fn load(&self, key: &str) -> Option<Session> {
        let session = self.store().ok()??.upload_session(key).ok()??;
        Some(Session { location: session.location, offset: session.offset })
    }

    fn save(&self, key: &str, session: &Session) {
        if let Ok(Some(store)) = self.store() {
            let _ = store.save_upload_session(key, &UploadSession::new(&session.location, session.offset));
        }
    }

    fn remove(&self, key: &str) {
        if let Ok(Some(store)) = self.store() {
            let _ = store.remove_upload_session(key);
        }
    }

    fn keeps(&self) -> bool {
        self.store().is_ok_and(|store| store.is_some_and(|store| !store.is_private()))
    }
}

/// An absolute path, so that a later change of the working directory changes nothing.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|e| match path.as_os_str().is_empty() {
        true => Error::new(Kind::Argument, "the path is empty"),
        false => Error::io(path.display(), e),
    })
}

/// The reference with an absolute path, if it is of a layout.
fn anchored(reference: &Reference) -> Result<Reference> {
    let mut reference = reference.clone();
    if let Reference::Layout(layout) = &mut reference {
        layout.path = absolute(&layout.path)?;
    }
    Ok(reference)
}
