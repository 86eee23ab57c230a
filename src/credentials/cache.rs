//! Remembers what the chain of credentials answered, so that helpers and callbacks run once and not for
//! each request: a credential until a registry refuses it, any other answer for the verbs that were running.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::future::BoxFuture;

use super::chain::Chain;
use crate::credential::{Action, CredentialProvider, Credentials, Found, Lookup};
use crate::error::Result;
use crate::operation::Operation;
use crate::options::Settings;
use crate::thread::blocking_ahead;

/// The most repositories that are remembered.
const REMEMBERED: usize = 4096;

/// An answer, when it came, and the action that alone it is for.
struct Known {
    action: Option<Action>,
    when: Instant,
    answer: Lookup,
}

#[derive(Default)]
struct Slot {
    known: Mutex<Vec<Known>>,
    /// Held by who finds it out.
    turn: tokio::sync::Mutex<()>,
}

impl Slot {
    fn known(&self) -> MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known for an action, and still holds for a verb that began at `started`.
    fn known_for(&self, action: Action, started: Instant) -> Option<Lookup> {
        let known = self.known();
        let fits = |known: &&Known| known.action.is_none_or(|only| only == action);
        // It was found out while this verb was running: asking again would only take time.
        let holds = |known: &&Known| matches!(known.answer, Lookup::Found(_)) || known.when >= started;
        known.iter().filter(fits).find(holds).map(|known| known.answer.clone())
    }

    fn learn(&self, action: Option<Action>, answer: Lookup) {
        let mut known = self.known();
        known.retain(|known| known.action != action && known.action.is_some());
        known.push(Known { action, when: Instant::now(), answer });
    }
}

/// The chain of sources, and what it answered.
pub struct CredentialCache {
    chain: Arc<Chain>,
    slots: Mutex<HashMap<(String, String), Arc<Slot>>>,
}

impl CredentialCache {
    /// Checks the credentials that are in the options; reads no file yet.
    pub fn new(settings: &Settings, provider: Option<Arc<dyn CredentialProvider>>) -> Result<Self> {
        Chain::check(settings)?;
        Ok(Self { chain: Arc::new(Chain::new(settings, provider)), slots: Mutex::default() })
    }

    fn slot(&self, registry: &str, repository: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= REMEMBERED {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        slots.entry((registry.to_owned(), repository.to_owned())).or_default().clone()
    }

    /// Forgets what is known about a registry: its credential was changed.
    pub(crate) fn forget(&self, registry: &str) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).retain(|(name, _), _| name != registry);
    }

    /// Where a registry's credential would come from.
    pub(crate) async fn source(&self, registry: &str, operation: &Operation) -> Option<String> {
        match self.look_up(registry, "", Action::Identify, operation).await {
            Ok(Lookup::Found(found)) => Some(found.source.clone()),
            _ => None,
        }
    }
}

impl Credentials for CredentialCache {
    /// Many may ask at once: one of them finds it out. But a call that calls back on the thread that waits for it
    /// and another one never wait for each other, as the threads of their callbacks may do so, too.
    fn look_up<'a>(
        &'a self,
        registry: &'a str,
        repository: &'a str,
        action: Action,
        operation: &'a Operation,
    ) -> BoxFuture<'a, Result<Lookup>> {
        Box::pin(async move {
            let slot = self.slot(registry, repository);
            operation
                .run(async {
                    let _turn = match operation.waiter() {
                        Some(waiter) => waiter.turn.lock().await,
                        None => slot.turn.lock().await,
                    };
                    if let Some(known) = slot.known_for(action, operation.started()) {
                        return Ok(known);
                    }
                    let (chain, registry, repository, asked_by) =
                        (self.chain.clone(), registry.to_owned(), repository.to_owned(), operation.clone());
                    let answer =
                        blocking_ahead(move || chain.find(&registry, &repository, action, &asked_by)).await?;
                    slot.learn(self.chain.depends_on_action().then_some(action), answer.clone());
                    Ok(answer)
                })
                .await
        })
    }

    /// The next verb asks the sources again.
    fn refuse<'a>(
        &'a self,
        registry: &'a str,
        repository: &'a str,
        found: &'a Arc<Found>,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let slot = self.slot(registry, repository);
            for known in slot.known().iter_mut() {
                if matches!(&known.answer, Lookup::Found(now) if now.credential == found.credential) {
                    (known.when, known.answer) = (Instant::now(), Lookup::Refused(found.clone()));
                }
            }
        })
    }
}
