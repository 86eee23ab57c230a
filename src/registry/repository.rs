//! The registries of a client, and one repository for one call.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::auth::{Auth, Scope};
use super::capabilities::HostCapabilities;
use super::origin::Origin;
use super::retry::Outage;
use super::transport::{Names, Transport, header_value};
use crate::call::Call;
use crate::credential::Credentials;
use crate::error::{Error, Kind, Result, printable};
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
    /// Registries on loopback by name: whether they speak TLS.
    schemes: Mutex<HashMap<String, bool>>,
    capabilities: Mutex<HashMap<String, HostCapabilities>>,
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
            schemes: Mutex::default(),
            capabilities: Mutex::default(),
            pushed: Mutex::default(),
        })))
    }

    /// A repository, for one call. It reads until it is told otherwise.
    pub fn repository(&self, reference: &RegistryReference, call: &Call) -> Result<Repository> {
        let host = self.host_origin(&reference.registry)?.settings(&self.0.settings);
        let mut extra_headers = HeaderMap::new();
        for (name, value) in &host.header {
            // Not quoted: `Authorization: Bearer abc==` has its first `=` in the token.
            let bad = || {
                let of = printable(&reference.registry);
                Error::new(Kind::Argument, format!("invalid option 'header' of {of}: must be NAME=VALUE"))
            };
            let mut value = header_value(value.expose()).ok_or_else(bad)?;
            value.set_sensitive(true);
            extra_headers.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?, value);
        }
        Ok(Repository {
            registry: self.clone(),
            call: call.clone(),
            reference: reference.clone(),
            scope: Scope::pull(&reference.repository),
            extra_headers,
            ns: None,
            fresh: Arc::default(),
            outage: Arc::default(),
            lists_no_referrers: Arc::default(),
            transfers: Arc::new(Semaphore::new(call.settings.parallel)),
        })
    }

    /// The same connections, and what is known about the hosts, with other credentials.
    pub(super) fn with_auth(&self, auth: Auth) -> Self {
        let schemes = self.0.schemes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self(Arc::new(Inner {
            settings: self.0.settings.clone(),
            transport: self.0.transport.clone(),
            auth,
            schemes: Mutex::new(schemes),
            capabilities: Mutex::default(),
            pushed: Mutex::default(),
        }))
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.0.transport
    }

    pub(super) fn auth(&self) -> &Auth {
        &self.0.auth
    }

    /// Where a registry's name leads: https, but for hosts named as plain and for loopback.
    fn host_origin(&self, name: &str) -> Result<Origin> {
        let secure = Origin::of_registry(name, true)?;
        let plain = secure.with_secure(false);
        if secure.settings(&self.0.settings).plain_http || self.0.settings.host(name).plain_http {
            // The port of the name, or the scheme's own.
            return Origin::of_registry(name, false);
        }
        if !plain.is_loopback() {
            return Ok(secure);
        }
        let learnt = self.0.schemes.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        Origin::of_registry(name, learnt == Some(true))
    }

    /// Whether a registry's scheme is still a guess: on loopback, not named as plain, nothing learnt yet.
    pub(super) fn is_guess(&self, name: &str) -> bool {
        let named = Origin::of_registry(name, false)
            .is_ok_and(|origin| !origin.is_loopback() || origin.settings(&self.0.settings).plain_http);
        !named && !self.0.schemes.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }

    pub(super) fn capabilities(&self, name: &str) -> HostCapabilities {
        self.0
            .capabilities
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .copied()
            .unwrap_or_default()
    }

    pub(super) fn change_capabilities(&self, name: &str, change: impl FnOnce(&mut HostCapabilities)) {
        change(
            self.0
                .capabilities
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(name.to_owned())
                .or_default(),
        );
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

    pub(super) fn learn(&self, name: &str, secure: bool) {
        self.0.schemes.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), secure);
    }
}

/// One repository of a registry, for one call.
#[derive(Clone)]
pub struct Repository {
    pub(super) registry: Registry,
    pub(super) call: Call,
    pub(super) reference: RegistryReference,
    pub(super) scope: Scope,
    pub(super) extra_headers: HeaderMap,
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

    pub(super) fn origin(&self) -> Result<Origin> {
        self.registry.host_origin(&self.reference.registry)
    }

    /// `/v2/<name>/<rest>`; a repository's name and a digest need no escapes.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/v2/{}/{rest}", self.reference.repository)
    }

    pub(super) fn push_scope(&self) -> Scope {
        if self.scope.writes() { self.scope.clone() } else { Scope::push(&self.reference.repository) }
    }
}
