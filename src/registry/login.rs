//! Log-in and log-out: a credential is tried at the registry before it is kept.

use http::Method;

use super::auth::{Auth, Credential, Keeper, Kept, Scope};
use super::repository::Registry;
use super::request::{Request, Target};
use crate::call::Call;
use crate::config::Secret;
use crate::error::Result;
use crate::oci::RegistryReference;
use crate::thread::blocking;

impl Registry {
    /// Tries a user name and a password, or access token, at a registry and keeps them where docker would;
    /// says where that is. A registry that gives a refresh token for them has that kept in their stead.
    pub async fn login(
        &self,
        registry: &str,
        username: &str,
        secret: &Secret,
        call: &Call,
    ) -> Result<String> {
        let credential = Credential::basic(username, secret.clone())?;
        let keeper = Keeper::new(&self.0.settings)?;
        let refresh = self.verify(registry, credential.clone(), call).await?;
        let (name, username, secret) = (registry.to_owned(), username.to_owned(), secret.clone());
        // Its end is waited for also when cancelled: what is cancelled must not keep a credential later.
        let source = blocking({
            let operation = call.operation.clone();
            move || {
                let kept = match &refresh {
                    Some(token) => Kept::Identity(token),
                    None => Kept::Password(&secret),
                };
                keeper.keep(&name, &username, &kept, &operation)
            }
        })
        .await?;
        self.auth().forget(registry);
        if let Some(other) =
            self.auth().source(registry, &call.operation).await.filter(|other| !other.ends_with(&source))
        {
            call.operation
                .warn(format!("{registry}: the credential from {other} comes before the one in {source}"));
        }
        Ok(source)
    }

    /// Forgets a registry's credential; whether there was one to forget.
    pub async fn logout(&self, registry: &str, call: &Call) -> Result<bool> {
        let keeper = Keeper::new(&self.0.settings)?;
        let name = registry.to_owned();
        let had = blocking({
            let operation = call.operation.clone();
            move || keeper.forget(&name, &operation)
        })
        .await?;
        self.auth().forget(registry);
        if let Some(other) = self.auth().source(registry, &call.operation).await {
            call.operation.warn(format!("{registry}: there still is a credential in {other}"));
        }
        Ok(had)
    }

    /// Asks the API's root with this credential and no other. A token server is asked for a refresh token.
    async fn verify(&self, registry: &str, credential: Credential, call: &Call) -> Result<Option<Secret>> {
        let alone = self.with_auth(Auth::for_login(&self.0.settings, credential));
        let reference = RegistryReference {
            registry: registry.to_owned(),
            repository: String::new(),
            tag: None,
            digest: None,
        };
        let root = alone.repository(&reference, call)?;
        let request = Request::new(Method::GET, Target::Path("/v2/".to_owned()), Scope::none());
        let reply = root.exchange(&request).await?;
        match reply.status {
            200..=299 => reply.drain().await?,
            _ => return Err(reply.complaint().await?.into_error(registry)),
        }
        if call.operation.credential_source().is_none() {
            call.operation.warn(format!("{registry}: it demands no credential, so this one was not tried"));
        }
        Ok(alone.auth().refresh_token())
    }
}
