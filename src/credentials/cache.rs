//! Remembers what the chain of credentials answered, so that helpers and callbacks run once and not for
//! each request: a credential until a registry refuses it, any other answer for the verbs that were running.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::future::BoxFuture;

use super::chain::Chain;
use crate::credential::{CredentialProvider, Credentials, Found, Lookup};
use crate::error::Result;
use crate::operation::Operation;
use crate::options::Settings;
use crate::thread::blocking_ahead;

/// The most repositories that are remembered.
const REMEMBERED: usize = 4096;

#[derive(Default)]
struct Slot {
    known: Mutex<Option<(Instant, Lookup)>>,
    /// Held by who finds it out.
    turn: tokio::sync::Mutex<()>,
}

impl Slot {
    fn known(&self) -> MutexGuard<'_, Option<(Instant, Lookup)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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
        match self.look_up(registry, "", operation).await {
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
                    match &*slot.known() {
                        Some((_, found @ Lookup::Found(_))) => return Ok(found.clone()),
                        // It was found out while this verb was running: asking again would only take time.
                        Some((when, outcome)) if *when >= operation.started() => return Ok(outcome.clone()),
                        _ => {}
                    }
                    let (chain, registry, repository, asked_by) =
                        (self.chain.clone(), registry.to_owned(), repository.to_owned(), operation.clone());
                    let answer =
                        blocking_ahead(move || chain.find(&registry, &repository, &asked_by)).await?;
                    *slot.known() = Some((Instant::now(), answer.clone()));
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
            let mut known = slot.known();
            if matches!(&*known, Some((_, Lookup::Found(now))) if now.credential == found.credential) {
                *known = Some((Instant::now(), Lookup::Refused(found.clone())));
            }
        })
    }
}
