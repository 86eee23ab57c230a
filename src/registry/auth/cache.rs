//! The tokens that are held, by (origin, identity, service, scope): one is fetched once for all who wait for
//! it, and again before it ends (case A-28).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::HeaderValue;

use super::credentials::{Credential, Identity};
use super::scope::Scope;
use super::token::{NoToken, Request, Token, fetch};
use crate::config::Secret;
use crate::operation::Operation;
use crate::registry::origin::Origin;
use crate::registry::policy::Realm;
use crate::registry::transport::Transport;

/// The most tokens that are held.
const HELD: usize = 4096;

/// What a token is good for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) origin: Origin,
    pub(super) identity: Identity,
    pub(super) service: String,
    pub(super) scope: Scope,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// The scopes that the server asked for when this one was last challenged.
    challenged: Vec<String>,
}

type Slot = Arc<tokio::sync::Mutex<State>>;

#[derive(Default)]
pub(super) struct Tokens {
    slots: Mutex<HashMap<Key, Slot>>,
    /// Refresh tokens are asked for, and the last one is kept: a log-in.
    offline: bool,
    refresh: Mutex<Option<Secret>>,
}

/// A wish for a token.
pub(super) struct Wish<'a> {
    pub(super) key: Key,
    pub(super) realm: &'a Realm,
    pub(super) credential: Option<&'a Credential>,
    /// The scopes of the challenge; `None` where nothing was challenged.
    pub(super) challenged: Option<&'a [String]>,
    /// The token that the registry did not take.
    pub(super) stale: Option<&'a HeaderValue>,
}

impl Tokens {
    /// Tokens of a log-in.
    pub(super) fn offline() -> Self {
        Self { offline: true, ..Self::default() }
    }

    /// The refresh token that was given.
    pub(super) fn refresh_token(&self) -> Option<Secret> {
        self.refresh.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn slot(&self, key: &Key) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= HELD {
            let now = Instant::now();
            slots.retain(|_, slot| match slot.try_lock() {
                Ok(state) => state.token.as_ref().is_some_and(|token| token.renew > now),
                Err(_) => true,
            });
            if slots.len() >= HELD {
                slots.clear();
            }
        }
        slots.entry(key.clone()).or_default().clone()
    }

    /// The token that is held, or a new one.
    pub(super) async fn get(
        &self,
        transport: &Transport,
        wish: &Wish<'_>,
        operation: &Operation,
    ) -> std::result::Result<HeaderValue, NoToken> {
        let slot = self.slot(&wish.key);
        // Whoever holds the lock ends with its own operation; who waits for it ends with this one.
        let mut state = tokio::select! {
            biased;
            error = operation.ended() => return Err(error.into()),
            state = slot.lock() => state,
        };
        match &state.token {
            Some(token) if token.renew > Instant::now() && wish.stale != Some(&token.header) => {
                return Ok(token.header.clone());
            }
            _ => {}
        }
        if let Some(challenged) = wish.challenged {
            state.challenged = challenged.to_vec();
        }
        let ladder = wish.key.scope.ladder(&state.challenged);
        let mut refused = 0;
        for (tried, scopes) in ladder.iter().enumerate() {
            let request = Request {
                realm: wish.realm,
                service: &wish.key.service,
                scopes,
                credential: wish.credential,
                offline: self.offline,
            };
            match fetch(transport, &request, operation).await {
                Ok(mut token) => {
                    if let Some(refresh) = token.refresh_token.take() {
                        *self.refresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(refresh);
                    }
                    return Ok(state.token.insert(token).header.clone());
                }
                Err(NoToken::Refused(status)) => {
                    refused = status;
                    // A wrong password is no better for being sent again and again.
                    if status == 401 && tried > 0 {
                        break;
                    }
                }
                Err(failed) => return Err(failed),
            }
        }
        state.token = None;
        Err(NoToken::Refused(refused))
    }
}
