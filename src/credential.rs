//! A credential, and what a registry asks for one: plain data and two traits. `registry` says only what it needs;
//! `credentials` finds it, and the client joins the two.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Kind, Result};
use crate::operation::Operation;
use crate::options::Secret;

/// What proves to a registry who is asking. `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential(pub(crate) Form);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// User name and password, for basic authentication and for token servers.
    Basic { username: String, password: Secret },
    /// An OAuth2 refresh token, for token servers; some want the user name too (Q15).
    Identity { username: String, token: Secret },
    /// A bearer token, sent as it is.
    Token(Secret),
}

/// The user name by which helpers say that the secret is an identity token.
pub(crate) const TOKEN_USER: &str = "<token>";

impl Credential {
    /// A user name and a password or access token.
    pub fn basic(username: impl Into<String>, password: Secret) -> Result<Self> {
        let username = username.into();
        if username == TOKEN_USER {
            return Self::identity_token("", password);
        }
        check_text("user name", &username)?;
        if username.contains(':') {
            return Err(bad("the user name has a ':', which basic authentication can't carry"));
        }
        check_text("password", password.expose())?;
        Ok(Self(Form::Basic { username, password }))
    }

    /// An OAuth2 refresh token; the user name is for servers that know only basic authentication.
    pub fn identity_token(username: impl Into<String>, token: Secret) -> Result<Self> {
        let username = username.into();
        check_text("user name", &username)?;
        check_token("identity token", token.expose())?;
        Ok(Self(Form::Identity { username, token }))
    }

    /// A bearer token that is sent as it is.
    pub fn registry_token(token: Secret) -> Result<Self> {
        check_token("registry token", token.expose())?;
        Ok(Self(Form::Token(token)))
    }

    /// Tells credentials apart without keeping them (case A-28).
    pub(crate) fn identity(&self) -> Identity {
        let mut hash = Sha256::new();
        let parts = match &self.0 {
            Form::Basic { username, password } => ["basic", username, password.expose()],
            Form::Identity { username, token } => ["identity", username, token.expose()],
            Form::Token(token) => ["token", "", token.expose()],
        };
        for part in parts {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        Identity(Some(hash.finalize().into()))
    }
}

/// Who asks: nobody, or the holder of one credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity(Option<[u8; 32]>);

impl Identity {
    pub(crate) const ANONYMOUS: Self = Self(None);
}

/// User names and passwords travel in base64, so that any UTF-8 can; no control character is in one
/// (case A-19).
fn check_text(what: &str, text: &str) -> Result<()> {
    match text.chars().any(char::is_control) {
        true => Err(bad(format!("the {what} has a control character"))),
        false => Ok(()),
    }
}

/// Tokens travel in a header as they are (case A-19).
fn check_token(what: &str, token: &str) -> Result<()> {
    match token.bytes().all(|b| b.is_ascii_graphic()) && !token.is_empty() {
        true => Ok(()),
        false => Err(bad(format!("the {what} is empty or has a character that no header can carry"))),
    }
}

fn bad(why: impl Into<String>) -> Error {
    Error::new(Kind::Argument, why)
}

/// What a credential is wanted for, by the scope of what is asked of the registry. A later one includes those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// To be known to the registry, and nothing of a repository.
    Identify,
    /// To read a repository.
    Pull,
    /// To write to it, which reads too.
    Push,
    /// To delete from it.
    Delete,
}

/// Asks the embedding program for credentials.
///
/// It is called on a thread of the library, once a registry has demanded credentials; what it gives is kept
/// until the registry refuses it. It may block, and it may be called from several threads at once.
pub trait CredentialProvider: Send + Sync {
    /// The credential for a repository; `None` = none, the next source is asked.
    fn credential(&self, registry: &str, repository: &str) -> Result<Option<Credential>>;

    /// The same, for a provider whose answer depends on what the credential is for.
    fn credential_for(&self, registry: &str, repository: &str, _: Action) -> Result<Option<Credential>> {
        self.credential(registry, repository)
    }

    /// Whether it does, by the answers it gave so far: then each action is asked for, and not only the first.
    fn depends_on_action(&self) -> bool {
        false
    }
}

/// A credential and where it came from.
#[derive(Debug, Clone)]
pub struct Found {
    /// The credential itself.
    pub credential: Credential,
    /// For people: "docker config /home/u/.docker/config.json (credHelpers: pass)".
    pub source: String,
    /// The caller gave it for this client, and did not just have it lying about: when it is refused,
    /// nothing else is tried.
    pub explicit: bool,
}

/// What is known about who we are to a repository.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// A credential.
    Found(Arc<Found>),
    /// No source has one.
    None,
    /// A helper did not work: for a verb that reads, no reason to give up.
    HelperFailed(Error),
    /// The registry refused this one.
    Refused(Arc<Found>),
}

impl Lookup {
    /// A credential was found.
    pub(crate) fn found(found: Found) -> Self {
        Self::Found(Arc::new(found))
    }
}

/// Who a registry asks for a credential.
pub trait Credentials: Send + Sync {
    /// Who we are to a repository, for what is to be done there.
    fn look_up<'a>(
        &'a self,
        registry: &'a str,
        repository: &'a str,
        action: Action,
        operation: &'a Operation,
    ) -> BoxFuture<'a, Result<Lookup>>;

    /// The registry refused this one: it is not used again.
    fn refuse<'a>(
        &'a self,
        registry: &'a str,
        repository: &'a str,
        found: &'a Arc<Found>,
    ) -> BoxFuture<'a, ()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_19_credentials_that_no_header_can_carry_are_refused() {
        let secret = |s: &str| Secret::new(s);
        for bad in ["a\r\nb", "a\nb", "a\0b", "a:b", "a\tb"] {
            assert_eq!(Credential::basic(bad, secret("x")).unwrap_err().kind(), Kind::Argument, "{bad:?}");
        }
        for bad in ["canary\r", "canary\n", "canary\0"] {
            let error = Credential::basic("u", secret(bad)).unwrap_err();
            assert!(error.kind() == Kind::Argument && !error.message().contains("canary"));
        }
        for bad in ["", "canary b", "canary\r\nX: y", "canar\u{ff}", "canary\u{20ac}"] {
            let error = Credential::registry_token(secret(bad)).unwrap_err();
            assert!(!error.message().contains("canar"), "{error}");
            assert!(Credential::identity_token("", secret(bad)).is_err());
        }
        assert!(Credential::basic("ü", secret("p:€")).is_ok());
        assert!(Credential::registry_token(secret("a.b-c_d~+/=")).is_ok());
    }

    #[test]
    fn a_21_the_token_user_means_an_identity_token() {
        let credential = Credential::basic("<token>", Secret::new("t")).unwrap();
        assert_eq!(credential, Credential::identity_token("", Secret::new("t")).unwrap());
    }

    #[test]
    fn identities_are_told_apart_and_debug_shows_no_secret() {
        let a = Credential::basic("u", Secret::new("canary")).unwrap();
        let b = Credential::basic("uc", Secret::new("anary")).unwrap();
        assert_ne!(a.identity(), b.identity());
        assert_eq!(a.identity(), a.clone().identity());
        assert!(!format!("{a:?} {:?}", a.identity()).contains("canary"));
    }
}
