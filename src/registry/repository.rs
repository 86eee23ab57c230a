//! The registries of a client, and one repository of one of them, for one call.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::auth::{Auth, Authorization, CredentialProvider, Scope};
use super::origin::Origin;
use super::transport::{Names, Transport, header_value};
use super::upload::Habits;
use crate::config::Settings;
use crate::error::{Error, Kind, Result, printable};
use crate::oci::RegistryReference;
use crate::operation::Operation;

/// All of a client's registries: connections, tokens and what was learnt about each host. Clones share it.
#[derive(Clone)]
pub struct Registry(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) settings: Settings,
    pub(super) transport: Transport,
    pub(super) auth: Auth,
    /// Registries on loopback by name: whether they speak TLS.
    pub(super) schemes: Mutex<HashMap<String, bool>>,
    pub(super) habits: Mutex<HashMap<String, Habits>>,
}

impl Registry {
    /// Does no I/O and starts no thread.
    pub fn new(settings: &Settings) -> Result<Self> {
        Self::with(settings, None, None)
    }

    /// The same, with names looked up and credentials given by the caller.
    pub fn with(
        settings: &Settings,
        names: Option<Arc<dyn Names>>,
        credentials: Option<Arc<dyn CredentialProvider>>,
    ) -> Result<Self> {
        Ok(Self(Arc::new(Inner {
            settings: settings.clone(),
            transport: Transport::new(settings, names)?,
            auth: Auth::new(settings, credentials)?,
            schemes: Mutex::default(),
            habits: Mutex::default(),
        })))
    }

    /// A repository, for one call with these settings. It reads until it is told otherwise.
    pub fn repository(&self, reference: &RegistryReference, settings: &Settings) -> Result<Repository> {
        let host = self.host_origin(&reference.registry)?.settings(&self.0.settings);
        let mut extra_headers = HeaderMap::new();
        for (name, value) in &host.headers {
            // Not quoted: `Authorization: Bearer abc==` has its first `=` in the token.
            let bad = || {
                let of = printable(&reference.registry);
                Error::new(Kind::Argument, format!("option 'header' of {of} is no header as NAME=VALUE"))
            };
            let mut value = header_value(value.expose()).ok_or_else(bad)?;
            value.set_sensitive(true);
            extra_headers.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?, value);
        }
        Ok(Repository {
            registry: self.clone(),
            reference: reference.clone(),
            settings: settings.clone(),
            scope: Scope::pull(&reference.repository),
            extra_headers,
            fresh: Arc::default(),
            transfers: Arc::new(Semaphore::new(settings.size("parallel"))),
        })
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.0.transport
    }

    /// Where a registry's name leads: https, but for hosts named as plain and for loopback.
    pub(super) fn host_origin(&self, name: &str) -> Result<Origin> {
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

    pub(super) fn habits(&self, name: &str) -> Habits {
        self.0.habits.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied().unwrap_or_default()
    }

    pub(super) fn change_habits(&self, name: &str, change: impl FnOnce(&mut Habits)) {
        change(
            self.0.habits.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default(),
        );
    }

    pub(super) fn learn(&self, name: &str, secure: bool) {
        self.0.schemes.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), secure);
    }
}

/// One repository of a registry, for one call.
#[derive(Clone)]
pub struct Repository {
    pub(super) registry: Registry,
    pub(super) reference: RegistryReference,
    pub(super) settings: Settings,
    pub(super) scope: Scope,
    pub(super) extra_headers: HeaderMap,
    /// A blob of this call was not there: what is pushed is new, so its small blobs are sent unasked.
    pub(super) fresh: Arc<AtomicBool>,
    /// What this call may receive at once.
    pub(super) transfers: Arc<Semaphore>,
}

/// A transfer's place: with its call, and with the client.
pub(super) struct Place {
    pub(super) _call: OwnedSemaphorePermit,
    pub(super) _client: OwnedSemaphorePermit,
}

impl Repository {
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

    pub(super) async fn auth_header(
        &self,
        origin: &Origin,
        scope: &Scope,
        operation: &Operation,
    ) -> Result<Option<Authorization>> {
        let registry = &self.registry.0;
        registry.auth.header(&registry.transport, origin, &self.reference.registry, scope, operation).await
    }

    pub(super) async fn auth_answer(
        &self,
        origin: &Origin,
        scope: &Scope,
        challenges: &HeaderMap,
        used: Option<&Authorization>,
        operation: &Operation,
    ) -> Result<Option<Authorization>> {
        let registry = &self.registry.0;
        let name = &self.reference.registry;
        registry.auth.answer(&registry.transport, origin, name, scope, challenges, used, operation).await
    }

    pub(super) async fn auth_refused(
        &self,
        scope: &Scope,
        used: Option<&Authorization>,
        refusal: Error,
        operation: &Operation,
    ) -> Error {
        self.registry.0.auth.refused(&self.reference.registry, scope, used, refusal, operation).await
    }
}
