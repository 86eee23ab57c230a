//! The tokens that are held, by (origin, identity, service, scope): one is fetched once for all who wait for
//! it, and again before it ends (case A-28).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::HeaderValue;

use super::Access;
use super::scope::Scope;
use super::token::{NoToken, Refusal, Request, Token, fetch};
use crate::credential::{Credential, Identity};
use crate::options::Secret;
use crate::registry::origin::Origin;
use crate::registry::policy::Realm;

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
    /// What it was got for.
    got_for: Vec<String>,
    /// The scopes that the server asked for when this one was last challenged.
    challenged: Vec<String>,
}

impl State {
    fn is_fresh(&self) -> bool {
        self.token.as_ref().is_some_and(|token| token.renew > Instant::now())
    }
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
pub(super) struct TokenRequest<'a> {
    pub(super) key: Key,
    pub(super) realm: &'a Realm,
    pub(super) credential: Option<&'a Credential>,
    /// The scopes of the challenge; `None` where nothing was challenged.
    pub(super) challenged: Option<&'a [String]>,
    /// The token that the registry did not take.
    pub(super) stale: Option<&'a HeaderValue>,
    /// It took it for valid, and its rights were not enough.
    pub(super) insufficient: bool,
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

    /// Whether a token is held that is good for more than this scope, whoever's it is.
    pub(super) fn cover(&self, access: Access<'_>, service: &str) -> bool {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.iter().any(|(key, slot)| {
            key.origin == *access.origin
                && key.service == service
                && key.scope.covers(access.scope)
                && slot.try_lock().is_ok_and(|state| state.is_fresh())
        })
    }

    /// A wider token of the same identity.
    fn wider(&self, key: &Key) -> Option<HeaderValue> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.iter().find_map(|(other, slot)| {
            let serves = other.origin == key.origin
                && other.identity == key.identity
                && other.service == key.service
                && other.scope.covers(&key.scope);
            let state = slot.try_lock().ok().filter(|state| serves && state.is_fresh())?;
            state.token.as_ref().map(|token| token.header.clone())
        })
    }

    /// The token that is held, or a new one.
    pub(super) async fn get(
        &self,
        access: Access<'_>,
        wanted: &TokenRequest<'_>,
    ) -> std::result::Result<HeaderValue, NoToken> {
        if wanted.stale.is_none()
            && let Some(header) = self.wider(&wanted.key)
        {
            return Ok(header);
        }
        let slot = self.slot(&wanted.key);
        // Whoever holds the lock ends with its own operation; who waits for it ends with this one.
        let mut state = tokio::select! {
            biased;
            error = access.call.operation.ended() => return Err(error.into()),
            state = slot.lock() => state,
        };
        match &state.token {
            Some(token) if token.renew > Instant::now() && wanted.stale != Some(&token.header) => {
                return Ok(token.header.clone());
            }
            _ => {}
        }
        if let Some(challenged) = wanted.challenged {
            state.challenged = challenged.to_vec();
        }
        let scope_candidates = wanted.key.scope.scope_candidates(&state.challenged);
        // Another one for the same would be the same (Q111).
        let same = state.is_fresh() && scope_candidates.first() == Some(&state.got_for);
        if wanted.insufficient && same {
            return Err(NoToken::Same);
        }
        let mut refused = Refusal::default();
        for (tried, scopes) in scope_candidates.iter().enumerate() {
            let request = Request {
                realm: wanted.realm,
                service: &wanted.key.service,
                scopes,
                credential: wanted.credential,
                offline: self.offline,
            };
            match fetch(access, &request).await {
                Ok(mut token) => {
                    if let Some(refresh) = token.refresh_token.take() {
                        *self.refresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(refresh);
                    }
                    state.got_for.clone_from(scopes);
                    return Ok(state.token.insert(token).header.clone());
                }
                Err(NoToken::Refused(refusal)) => {
                    // A wrong password is no better for being sent again and again.
                    let last = refusal.status == 401 && tried > 0;
                    refused = refusal;
                    if last {
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::call::Call;
    use crate::operation::Operation;
    use crate::options::{Environment, Options, Settings};
    use crate::registry::transport::Transport;

    /// A token endpoint that numbers what it gives: its port, and how many it gave.
    fn endpoint() -> (u16, Arc<AtomicUsize>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let given = Arc::new(AtomicUsize::new(0));
        std::thread::spawn({
            let given = given.clone();
            move || {
                for stream in listener.incoming() {
                    let (mut stream, mut seen) = (stream.unwrap(), Vec::new());
                    let mut chunk = [0; 4096];
                    while !seen.ends_with(b"\r\n\r\n") {
                        match stream.read(&mut chunk) {
                            Ok(0) | Err(_) => break,
                            Ok(n) => seen.extend_from_slice(&chunk[..n]),
                        }
                    }
                    let number = given.fetch_add(1, Ordering::SeqCst) + 1;
                    let body = format!(r#"{{"token":"t{number}","expires_in":300}}"#);
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all((head + &body).as_bytes());
                }
            }
        });
        (port, given)
    }

    /// Every request asks here first, an upload's commit as well: so a token is renewed before it ends, and no
    /// commit goes out with one that is about to (Q17).
    #[test]
    fn q17_a_token_is_renewed_when_its_time_has_come_and_not_before() {
        let (port, given) = endpoint();
        let settings = Settings::for_client(&Options::new(), Environment::default()).unwrap();
        let transport = Transport::new(&settings, None).unwrap();
        let origin = Origin::of_registry(&format!("127.0.0.1:{port}"), false).unwrap();
        let call = Call::new(settings, Operation::new());
        let scope = Scope::push("team/app");
        let access =
            Access { transport: &transport, call: &call, registry: "r", origin: &origin, scope: &scope };
        let realm = super::super::endpoint::realm(access, "/token").unwrap();
        let key = Key {
            origin: origin.clone(),
            identity: Identity::ANONYMOUS,
            service: "s".to_owned(),
            scope: scope.clone(),
        };
        let refused = HeaderValue::from_static("Bearer t2");
        let wanted = |stale| TokenRequest {
            key: key.clone(),
            realm: &realm,
            credential: None,
            challenged: None,
            stale,
            insufficient: false,
        };
        let tokens = Tokens::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let get = async |stale| match tokens.get(access, &wanted(stale)).await {
                Ok(header) => header,
                Err(_) => panic!("no token"),
            };
            assert_eq!(get(None).await, "Bearer t1");
            assert_eq!(get(None).await, "Bearer t1");
            assert_eq!(given.load(Ordering::SeqCst), 1);
            // Its time has come: the moment lies before the end that the server told.
            tokens.slot(&key).lock().await.token.as_mut().unwrap().renew = Instant::now();
            assert_eq!(get(None).await, "Bearer t2");
            assert_eq!(get(None).await, "Bearer t2");
            assert_eq!(given.load(Ordering::SeqCst), 2);
            // One that the registry refused is not given again; who comes late with it gets the newer one.
            assert_eq!(get(Some(&refused)).await, "Bearer t3");
            assert_eq!(get(Some(&refused)).await, "Bearer t3");
            assert_eq!(given.load(Ordering::SeqCst), 3);
            // Another identity has another token.
            let mut other = wanted(None);
            other.key.identity = Credential::basic("u", Secret::new("p")).unwrap().identity();
            assert!(matches!(tokens.get(access, &other).await, Ok(header) if header == "Bearer t4"));
        });
    }
}
