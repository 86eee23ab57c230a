//! Repositories that a registry hides from who is not known to it: an anonymous read ends in 403 or 404 without a
//! challenge, and the API's root has one (Q110). The credential is tried there once for each repository, and what
//! came of it is remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Access, Auth, Authorization, Challenge, REMEMBERED, Scheme};
use crate::credential::{Form, Lookup};
use crate::error::{Error, Kind, Result, printable};
use crate::registry::origin::Origin;

/// What is known about a repository.
#[derive(Default)]
enum State {
    #[default]
    Unknown,
    /// Nothing is hidden there that a credential of ours would show.
    Open,
    /// It is read with the credential, in this way.
    Hidden(Scheme),
}

type Slot = Arc<tokio::sync::Mutex<State>>;

#[derive(Default)]
pub(super) struct Hidden(Mutex<HashMap<(Origin, String), Slot>>);

impl Hidden {
    fn known(&self, access: Access<'_>) -> Option<Slot> {
        let key = (access.origin.clone(), access.scope.repository().to_owned());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    fn slot(&self, access: Access<'_>) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= REMEMBERED {
            slots.clear();
        }
        slots.entry((access.origin.clone(), access.scope.repository().to_owned())).or_default().clone()
    }
}

impl Auth {
    /// How a repository is read that was found to be hidden.
    pub(super) async fn hidden_scheme(&self, access: Access<'_>) -> Result<Option<Scheme>> {
        let Some(slot) = self.hidden.known(access) else { return Ok(None) };
        access
            .call
            .operation
            .run(async {
                Ok(match &*slot.lock().await {
                    State::Hidden(scheme) => Some(scheme.clone()),
                    _ => None,
                })
            })
            .await
    }

    /// What an anonymous read that ended in the registry's own 403 or 404 is to carry when it is sent once more;
    /// none where that is all there is to say. Nothing that goes wrong here is worse than the answer that is there.
    pub(crate) async fn reveal(&self, access: Access<'_>) -> Result<Option<Authorization>> {
        let slot = self.hidden.slot(access);
        let work = async {
            let mut state = slot.lock().await;
            if let State::Unknown = *state {
                *state = match self.look_behind(access).await {
                    Ok(Some(scheme)) => State::Hidden(scheme),
                    Ok(None) => State::Open,
                    Err(error) => return self.answer_stands(access, error, &mut state),
                };
            }
            let State::Hidden(scheme) = &*state else { return Ok(None) };
            match self.authorize(access, scheme).await {
                Ok(Some(authorization)) => return Ok(Some(authorization)),
                Ok(None) => *state = State::Open,
                Err(error) => return self.answer_stands(access, error, &mut state),
            }
            Ok(None)
        };
        access.call.operation.run(work).await
    }

    /// What went wrong is a warning, and the answer without the credential stands: for now where it may pass, so that
    /// the next read asks once more, else for good.
    fn answer_stands(
        &self,
        access: Access<'_>,
        error: Error,
        state: &mut State,
    ) -> Result<Option<Authorization>> {
        if error.kind() == Kind::Cancelled {
            return Err(error);
        }
        self.warn(access, error.message());
        *state = if error.retryable() { State::Unknown } else { State::Open };
        Ok(None)
    }

    /// The registry did not take the credential: the answer without it stands, now and later.
    pub(crate) async fn conceal(&self, access: Access<'_>) {
        self.warn(access, "the registry refuses the credential");
        if let Some(slot) = self.hidden.known(access) {
            *slot.lock().await = State::Open;
        }
    }

    /// The scheme of the API's root, where there is a credential for it.
    async fn look_behind(&self, access: Access<'_>) -> Result<Option<Scheme>> {
        if self.check_origin(access.origin).is_err() {
            return Ok(None);
        }
        let found = match self.look_up(access).await {
            Ok(Lookup::Found(found)) => found,
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == Kind::Cancelled => return Err(error),
            Err(error) => {
                self.warn(access, error.message());
                return Ok(None);
            }
        };
        if let Form::Basic { username, password } = &found.credential.0
            && username.is_empty()
            && password.expose().is_empty()
        {
            return Ok(None);
        }
        self.ping(access).await
    }

    /// The credential in this scheme; never a token for nobody in particular.
    async fn authorize(&self, access: Access<'_>, scheme: &Scheme) -> Result<Option<Authorization>> {
        let authorization = match scheme {
            Scheme::Basic => self.basic(access, None).await?,
            Scheme::Bearer(bearer) => {
                let challenge = Challenge { scopes: &bearer.scopes, insufficient: false };
                self.bearer(access, bearer, Some(challenge), None).await?
            }
        };
        Ok(authorization.filter(|authorization| !authorization.is_anonymous()))
    }

    fn warn(&self, access: Access<'_>, why: &str) {
        let of = format!("{}/{}", access.registry, access.scope.repository());
        access.call.operation.warn(format!("{}: read without the credential: {why}", printable(of)));
    }
}
