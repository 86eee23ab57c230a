//! Log-in and log-out: the registry tries a credential, the files and helpers keep or forget it.

use super::{Outcome, Verb};
use crate::credential::Credential;
use crate::credentials::{CredentialWriter, Kept};
use crate::error::Result;
use crate::options::Secret;
use crate::thread::blocking;

impl Verb {
    /// Tries a user name and a password, or access token, at a registry and keeps them where docker would. A registry
    /// that gives a refresh token for them has that kept in their stead.
    pub(super) async fn login(&self, registry: &str, username: &str, secret: &Secret) -> Result<Outcome> {
        self.client.registries().check(registry)?;
        let credentials = &self.client.0.credentials;
        let operation = &self.call.operation;
        let credential = Credential::basic(username, secret.clone())?;
        let writer = CredentialWriter::new(&self.call)?;
        let refresh = self.client.registry().try_credential(registry, credential, &self.call).await?;
        let (name, username, secret) = (registry.to_owned(), username.to_owned(), secret.clone());
        // Waited for to its end also when cancelled: the work asks the operation itself, and what is cancelled must
        // not keep or forget a credential later.
        let source = blocking(move || {
            let kept = match &refresh {
                Some(token) => Kept::Identity(token),
                None => Kept::Password(&secret),
            };
            writer.keep(&name, &username, &kept)
        })
        .await?;
        credentials.forget(registry);
        let other = credentials.source(registry, operation).await;
        if let Some(other) = other.filter(|other| !other.ends_with(&source)) {
            operation
                .warn(format!("{registry}: the credential from {other} comes before the one in {source}"));
        }
        Ok(Outcome { credential_source: Some(source), ..Outcome::default() })
    }

    /// Forgets a registry's credential; whether there was one to forget.
    pub(super) async fn logout(&self, registry: &str) -> Result<Outcome> {
        let credentials = &self.client.0.credentials;
        let operation = &self.call.operation;
        let writer = CredentialWriter::new(&self.call)?;
        let name = registry.to_owned();
        // Waited for to its end, as a log-in's.
        let had = blocking(move || writer.forget(&name)).await?;
        credentials.forget(registry);
        if let Some(other) = credentials.source(registry, operation).await {
            operation.warn(format!("{registry}: there is still a credential in {other}"));
        }
        Ok(Outcome { exists: Some(had), ..Outcome::default() })
    }
}
