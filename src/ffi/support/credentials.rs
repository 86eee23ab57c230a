//! The way from a client to its caller's credential function: asked on a thread for callbacks, or on the one that waits
//! for the verb, never on one that does I/O.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use super::callbacks;
use crate::credential::{Credential, CredentialProvider};
use crate::error::{Error, Kind, Result};

/// The caller's function, for a registry and a repository.
pub(crate) type CredentialCallback = dyn Fn(&str, &str) -> Result<Option<Credential>> + Send + Sync;

thread_local! {
    /// The client whose callback runs on this thread.
    static ASKING: Cell<Option<ClientId>> = const { Cell::new(None) };
}

/// Tells apart the clients that ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientId(u64);

impl ClientId {
    /// Whether this thread runs the callback of this client. Whatever the client does may wait for it.
    pub(crate) fn is_asking_here(self) -> bool {
        ASKING.get() == Some(self)
    }
}

/// One client's provider.
pub(crate) struct CallbackProvider {
    callback: Arc<CredentialCallback>,
    pub(crate) client: ClientId,
}

impl CallbackProvider {
    pub(crate) fn new(callback: Arc<CredentialCallback>) -> Self {
        static CLIENTS: AtomicU64 = AtomicU64::new(0);
        Self { callback, client: ClientId(CLIENTS.fetch_add(1, Ordering::Relaxed)) }
    }
}

impl CredentialProvider for CallbackProvider {
    fn credential(&self, registry: &str, repository: &str) -> Result<Option<Credential>> {
        let (callback, client) = (self.callback.clone(), self.client);
        let ask = move |registry: &str, repository: &str| {
            let before = ASKING.replace(Some(client));
            let answer = callback(registry, repository);
            ASKING.set(before);
            answer
        };
        if callbacks::is_here() {
            return ask(registry, repository);
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let (registry, repository) = (registry.to_owned(), repository.to_owned());
        callbacks::post(Box::new(move || {
            // Nobody listens where the operation has ended.
            let _ = sender.send(ask(&registry, &repository));
        }));
        let lost = |_| Error::new(Kind::Credentials, "did not come back");
        receiver.recv().map_err(lost)?
    }
}
