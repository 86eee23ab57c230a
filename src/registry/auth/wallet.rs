//! Remembers what the chain of credentials answered, so that helpers and callbacks run once and not for
//! each request: a credential until a registry refuses it, any other answer for the verbs that were running.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::credentials::{Chain, CredentialProvider, Entry, Found};
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::operation::Operation;
use crate::thread::blocking;

/// The most repositories that are remembered.
const REMEMBERED: usize = 4096;

/// What is known about who we are to a repository.
#[derive(Clone)]
pub(super) enum Outcome {
    Found(Arc<Found>),
    /// No source has a credential.
    None,
    /// A helper did not work.
    HelperFailed(Error),
    /// The registry refused this one.
    Refused(Arc<Found>),
}

#[derive(Default)]
struct Slot(tokio::sync::Mutex<Option<(Instant, Outcome)>>);

pub(super) struct Wallet {
    chain: Arc<Chain>,
    slots: Mutex<HashMap<(String, String), Arc<Slot>>>,
}

impl Wallet {
    pub(super) fn new(settings: &Settings, provider: Option<Arc<dyn CredentialProvider>>) -> Result<Self> {
        Chain::check(settings)?;
        Ok(Self { chain: Arc::new(Chain::new(settings, provider)), slots: Mutex::default() })
    }

    /// A wallet of one credential.
    pub(super) fn only(settings: &Settings, found: Found) -> Self {
        Self { chain: Arc::new(Chain::only(settings, found)), slots: Mutex::default() }
    }

    fn slot(&self, registry: &str, repository: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= REMEMBERED {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        slots.entry((registry.to_owned(), repository.to_owned())).or_default().clone()
    }

    /// Who we are to a repository. Many may ask at once: one of them finds it out.
    pub(super) async fn look_up(
        &self,
        registry: &str,
        repository: &str,
        operation: &Operation,
    ) -> Result<Outcome> {
        let slot = self.slot(registry, repository);
        operation
            .run(async {
                let mut known = slot.0.lock().await;
                match &*known {
                    Some((_, outcome @ Outcome::Found(_))) => return Ok(outcome.clone()),
                    // It was found out while this verb was running: asking again would only take time.
                    Some((when, outcome)) if *when >= operation.started() => return Ok(outcome.clone()),
                    _ => {}
                }
                let (chain, registry, repository, operation) =
                    (self.chain.clone(), registry.to_owned(), repository.to_owned(), operation.clone());
                let found = blocking(move || chain.find(&registry, &repository, &operation)).await?;
                let outcome = match found {
                    Some(Entry::Found(found)) => Outcome::Found(Arc::new(found)),
                    Some(Entry::HelperFailed(error)) => Outcome::HelperFailed(error),
                    None => Outcome::None,
                };
                *known = Some((Instant::now(), outcome.clone()));
                Ok(outcome)
            })
            .await
    }

    /// Forgets what is known about a registry: its credential was changed.
    pub(super) fn forget(&self, registry: &str) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).retain(|(name, _), _| name != registry);
    }

    /// The registry refused this one: it is not used again, and the next verb asks the sources again.
    pub(super) async fn refuse(&self, registry: &str, repository: &str, found: &Arc<Found>) {
        let slot = self.slot(registry, repository);
        let mut known = slot.0.lock().await;
        if matches!(&*known, Some((_, Outcome::Found(now))) if now.credential == found.credential) {
            *known = Some((Instant::now(), Outcome::Refused(found.clone())));
        }
    }
}
