//! Log-in and log-out: a credential is tried at the registry before it is kept.

use std::sync::{Arc, Mutex};

use http::Method;

use super::auth::Credential;
use super::auth::{Auth, Keeper, Kept, Scope};
use super::repository::{Inner, Registry};
use super::request::{Call, Target};
use crate::config::Secret;
use crate::error::Result;
use crate::oci::RegistryReference;
use crate::operation::Operation;
use crate::thread::blocking;

impl Registry {
    /// Tries a user name and a password, or access token, at a registry and keeps them where docker would;
    /// says where that is. A registry that gives a refresh token for them has that kept in their stead.
    pub async fn login(
        &self,
        registry: &str,
        username: &str,
        secret: &Secret,
        operation: &Operation,
    ) -> Result<String> {
        let credential = Credential::basic(username, secret.clone())?;
        let keeper = Keeper::new(&self.0.settings)?;
        let refresh = self.verify(registry, credential.clone(), operation).await?;
        let (name, username, secret) = (registry.to_owned(), username.to_owned(), secret.clone());
        // Its end is waited for also when cancelled: what is cancelled must not keep a credential later.
        let source = blocking({
            let operation = operation.clone();
            move || {
                let kept = match &refresh {
                    Some(token) => Kept::Identity(token),
                    None => Kept::Password(&secret),
                };
                keeper.keep(&name, &username, &kept, &operation)
            }
        })
        .await?;
        self.0.auth.forget(registry);
        if let Some(other) =
            self.0.auth.source(registry, operation).await.filter(|other| !other.ends_with(&source))
        {
            operation
                .warn(format!("{registry}: the credential from {other} comes before the one in {source}"));
        }
        Ok(source)
    }

    /// Forgets a registry's credential; whether there was one to forget.
    pub async fn logout(&self, registry: &str, operation: &Operation) -> Result<bool> {
        let keeper = Keeper::new(&self.0.settings)?;
        let name = registry.to_owned();
        let had = blocking({
            let operation = operation.clone();
            move || keeper.forget(&name, &operation)
        })
        .await?;
        self.0.auth.forget(registry);
        if let Some(other) = self.0.auth.source(registry, operation).await {
            operation.warn(format!("{registry}: there still is a credential in {other}"));
        }
        Ok(had)
    }

    /// Asks the API's root with this credential and no other. A token server is asked for a refresh token.
    async fn verify(
        &self,
        registry: &str,
        credential: Credential,
        operation: &Operation,
    ) -> Result<Option<Secret>> {
        let known = |map: &Mutex<_>| {
            Mutex::new(std::collections::HashMap::clone(
                &map.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
            ))
        };
        let alone = Registry(Arc::new(Inner {
            settings: self.0.settings.clone(),
            transport: self.0.transport.clone(),
            auth: Auth::for_login(&self.0.settings, credential),
            schemes: known(&self.0.schemes),
            habits: Mutex::default(),
        }));
        let reference = RegistryReference {
            registry: registry.to_owned(),
            repository: String::new(),
            tag: None,
            digest: None,
        };
        let root = alone.repository(&reference, &self.0.settings)?;
        let call = Call::new(Method::GET, Target::Path("/v2/".to_owned()), Scope::none());
        let reply = root.exchange(&call, operation).await?;
        match reply.status {
            200..=299 => reply.drain(&self.0.settings, operation).await?,
            _ => return Err(reply.complaint(&self.0.settings, operation).await?.into_error(registry)),
        }
        if operation.credential_source().is_none() {
            operation.warn(format!("{registry}: it demands no credential, so this one was not tried"));
        }
        Ok(alone.0.auth.refresh_token())
    }
}
