//! The registry's part of a log-in: a credential is tried before it is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use http::Method;

use super::auth::{Auth, Scope};
use super::repository::{Registry, Repository};
use super::request::{Request, Target};
use crate::call::Call;
use crate::credential::{Action, Credential, Credentials, Found, Lookup};
use crate::error::Result;
use crate::oci::RegistryReference;
use crate::operation::Operation;
use crate::options::Secret;

impl Registry {
    /// Asks the API's root with this credential and no other. A token server is asked for a refresh token.
    pub async fn try_credential(
        &self,
        registry: &str,
        credential: Credential,
        call: &Call,
    ) -> Result<Option<Secret>> {
        let alone = self.with_auth(Auth::for_login(&self.0.settings, Arc::new(Only::new(credential))));
        let reference = RegistryReference {
            registry: registry.to_owned(),
            repository: String::new(),
            tag: None,
            digest: None,
        };
        let root = alone.repository(&reference, call)?;
        let request = Request::new(Method::GET, Target::Path("/v2/".to_owned()), Scope::none());
        let response = root.exchange(&request).await?;
        match response.status {
            200..=299 => response.drain().await?,
            _ => return Err(response.error_response().await?.into_error(registry)),
        }
        if call.operation.credential_source().is_none() && !root.prove(&request).await? {
            call.operation
                .warn(format!("{registry}: it asks for no credential, so this one was not checked"));
        }
        Ok(alone.auth().refresh_token())
    }
}

impl Repository {
    /// Sends the password to a registry that demands none where reads are free: those that know users say whether
    /// it is right (Q113). One that takes a user whom nobody knows, too, has proved nothing.
    async fn prove(&self, request: &Request<'_>) -> Result<bool> {
        let auth = self.registry.auth();
        let origin = self.origin();
        let access = self.access(origin, &request.scope);
        let Some(own) = auth.unasked(access).await? else { return Ok(false) };
        let answer = self.ask_as(request, origin, &own).await?;
        match answer.status {
            200..=299 => answer.drain().await?,
            // Another host was not shown it.
            401 if !answer.own => {
                answer.drain().await?;
                return Ok(false);
            }
            401 => {
                let headers = answer.headers.clone();
                let answer = answer.error_response().await?;
                return Err(auth.refused(access, Some(&own), &headers, answer).await);
            }
            _ => return Err(answer.error_response().await?.into_error(&self.name())),
        }
        let Some(nobody) = Auth::nobody()? else { return Ok(false) };
        let answer = self.ask_as(request, origin, &nobody).await?;
        let proved = matches!(answer.status, 401 | 403);
        answer.drain().await?;
        Ok(proved)
    }
}

/// The credential of a log-in, and no other.
struct Only {
    found: Arc<Found>,
    refused: AtomicBool,
}

impl Only {
    fn new(credential: Credential) -> Self {
        let found = Found { credential, source: "the log-in".to_owned(), explicit: true };
        Self { found: Arc::new(found), refused: AtomicBool::new(false) }
    }
}

impl Credentials for Only {
    fn look_up<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: Action,
        _: &'a Operation,
    ) -> BoxFuture<'a, Result<Lookup>> {
        let found = self.found.clone();
        let refused = self.refused.load(Ordering::Relaxed);
        Box::pin(async move { Ok(if refused { Lookup::Refused(found) } else { Lookup::Found(found) }) })
    }

    fn refuse<'a>(&'a self, _: &'a str, _: &'a str, _: &'a Arc<Found>) -> BoxFuture<'a, ()> {
        self.refused.store(true, Ordering::Relaxed);
        Box::pin(async {})
    }
}
