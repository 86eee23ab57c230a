//! The registries of a client, and one repository for one call.

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::auth::{Auth, Scope};
use super::host::{Host, Hosts};
use super::origin::Origin;
use super::retry::Outage;
use super::transport::{Names, Transport};
use crate::call::Call;
use crate::credential::Credentials;
use crate::error::Result;
use crate::oci::RegistryReference;
use crate::options::Settings;

/// How many pushes are remembered. Then all are forgotten: the next push of each costs what the first did.
const PUSHED: usize = 4096;

/// All of a client's registries: connections, tokens and what was learnt about each host. Clones share it.
#[derive(Clone)]
pub struct Registry(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) settings: Settings,
    transport: Transport,
    auth: Auth,
    hosts: Arc<Hosts>,
    /// The manifests that registries confirmed, each with the name by which it was put.
    pushed: Mutex<HashSet<String>>,
}

impl Registry {
    /// One that knows no credential. Does no I/O and starts no thread.
    pub fn new(settings: &Settings) -> Result<Self> {
        Self::with(settings, None, None)
    }

    /// The same, with names looked up by the caller, and somebody to ask for credentials.
    pub fn with(
        settings: &Settings,
        names: Option<Arc<dyn Names>>,
        credentials: Option<Arc<dyn Credentials>>,
    ) -> Result<Self> {
        Ok(Self(Arc::new(Inner {
            settings: settings.clone(),
            transport: Transport::new(settings, names)?,
            auth: Auth::new(settings, credentials),
            hosts: Arc::default(),
            pushed: Mutex::default(),
        })))
    }

    /// A repository, for one call. It reads until it is told otherwise.
    pub fn repository(&self, reference: &RegistryReference, call: &Call) -> Result<Repository> {
        Ok(Repository {
            registry: self.clone(),
            host: self.0.hosts.get(&reference.registry, &self.0.settings)?,
            call: call.clone(),
            reference: reference.clone(),
            scope: Scope::pull(&reference.repository),
            ns: None,
            fresh: Arc::default(),
            outage: Arc::default(),
            lists_no_referrers: Arc::default(),
            transfers: Arc::new(Semaphore::new(call.settings.parallel)),
        })
    }

    /// The same connections, and what is known about the hosts, with other credentials.
    pub(super) fn with_auth(&self, auth: Auth) -> Self {
        Self(Arc::new(Inner {
            settings: self.0.settings.clone(),
            transport: self.0.transport.clone(),
            auth,
            hosts: self.0.hosts.clone(),
            pushed: Mutex::default(),
        }))
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.0.transport
    }

    pub(super) fn auth(&self) -> &Auth {
        &self.0.auth
    }

    pub(super) fn note_pushed(&self, name: String) {
        let mut pushed = self.0.pushed.lock().unwrap_or_else(PoisonError::into_inner);
        if pushed.len() >= PUSHED {
            pushed.clear();
        }
        pushed.insert(name);
    }

    pub(super) fn has_pushed(&self, name: &str) -> bool {
        self.0.pushed.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }
}

/// One repository of a registry, for one call.
#[derive(Clone)]
pub struct Repository {
    pub(super) registry: Registry,
    pub(super) host: Arc<Host>,
    pub(super) call: Call,
    pub(super) reference: RegistryReference,
    pub(super) scope: Scope,
    /// The registry that this one mirrors, where it wants to be told.
    pub(super) ns: Option<String>,
    /// A blob of this call was not there: what is pushed is new, so its small blobs are sent unasked.
    pub(super) fresh: Arc<AtomicBool>,
    pub(super) outage: Arc<Outage>,
    /// The registry was found to have no referrers API.
    pub(super) lists_no_referrers: Arc<AtomicBool>,
    /// What this call may receive at once.
    pub(super) transfers: Arc<Semaphore>,
}

/// What a transfer needs: a permit of its call, and one of the client.
pub(super) struct TransferPermit {
    pub(super) _call: OwnedSemaphorePermit,
    pub(super) _client: OwnedSemaphorePermit,
}

impl Repository {
    /// The call it is for.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The same, for another call.
    #[must_use]
    pub fn for_call(self, call: &Call) -> Self {
        Self { call: call.clone(), ..self }
    }

    /// The same, for a verb that writes: one token serves its reads and its writes, and its mounts from these
    /// repositories.
    #[must_use]
    pub fn for_push(mut self, mount_from: &[String]) -> Self {
        let scope = Scope::push(&self.reference.repository);
        self.scope = mount_from.iter().fold(scope, |scope, from| scope.with_mount_from(from));
        self
    }

    /// The same, for a verb that deletes.
    #[must_use]
    pub fn for_delete(mut self) -> Self {
        self.scope = Scope::delete(&self.reference.repository);
        self
    }

    /// The same, at a mirror that wants to be told which registry is meant (containerd's `?ns=`).
    #[must_use]
    pub fn with_ns(mut self, registry: &str) -> Self {
        self.ns = Some(registry.to_owned());
        self
    }

    /// `registry/repository`, for messages.
    pub fn name(&self) -> String {
        match self.reference.repository.as_str() {
            "" => self.reference.registry.clone(),
            name => format!("{}/{name}", self.reference.registry),
        }
    }

    /// Where its registry is, as far as is known.
    pub(super) fn origin(&self) -> &Origin {
        self.host.origin()
    }

    /// `/v2/<name>/<rest>`; a repository's name and a digest need no escapes.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/v2/{}/{rest}", self.reference.repository)
    }

    pub(super) fn push_scope(&self) -> Scope {
        if self.scope.writes() { self.scope.clone() } else { Scope::push(&self.reference.repository) }
    }
}
