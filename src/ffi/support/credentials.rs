//! The way from a client to its caller's credential function: asked on a thread for callbacks, or on the one that waits
//! for the verb, never on one that does I/O.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use super::callbacks;
use crate::credential::{Action, Credential, CredentialProvider};
use crate::error::{Error, Kind, Result};

/// The caller's function, for a registry, a repository and an action. Its answer says whether it asked for the action.
pub(crate) type CredentialCallback = dyn Fn(&str, &str, Action) -> Result<Answer> + Send + Sync;

/// What the caller's function gave.
pub(crate) struct Answer {
    pub(crate) credential: Option<Credential>,
    pub(crate) by_action: bool,
}

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
    /// The callback asked for the action once.
    by_action: Arc<AtomicBool>,
}

impl CallbackProvider {
    pub(crate) fn new(callback: Arc<CredentialCallback>) -> Self {
        static CLIENTS: AtomicU64 = AtomicU64::new(0);
        let client = ClientId(CLIENTS.fetch_add(1, Ordering::Relaxed));
        Self { callback, client, by_action: Arc::default() }
    }
}

impl CredentialProvider for CallbackProvider {
    fn credential(&self, registry: &str, repository: &str) -> Result<Option<Credential>> {
        self.credential_for(registry, repository, Action::Identify)
    }

    fn credential_for(&self, registry: &str, repository: &str, action: Action) -> Result<Option<Credential>> {
        let (callback, client, by_action) = (self.callback.clone(), self.client, self.by_action.clone());
        let ask = move |registry: &str, repository: &str| {
            let before = ASKING.replace(Some(client));
            let answer = callback(registry, repository, action);
            ASKING.set(before);
            let answer = answer?;
            by_action.fetch_or(answer.by_action, Ordering::Relaxed);
            Ok(answer.credential)
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

    fn depends_on_action(&self) -> bool {
        self.by_action.load(Ordering::Relaxed)
    }
}
