//! Who we are to a registry. A registry is asked without a credential first; once it has challenged, its
//! later requests carry what the challenge asked for from the start.

mod cache;
mod challenge;
mod endpoint;
mod hidden;
mod scope;
mod token;

#[cfg(feature = "internals")]
pub(super) mod fuzz;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{HeaderMap, HeaderValue};
use http::{Method, header};

use super::error_response::ErrorResponse;
use super::origin::Origin;
use super::retry::is_passing;
use super::transport::Transport;
use crate::call::Call;
use crate::credential::{Credential, Credentials, Form, Found, Identity, Lookup};
use crate::error::{Error, Kind, Result, printable};
use crate::options::{Secret, Settings};
use cache::{Key, TokenRequest, Tokens};
use challenge::{Bearer, Challenges};
use hidden::Hidden;
pub(crate) use scope::Scope;
use token::NoToken;

/// The most registries whose challenge is remembered.
const REMEMBERED: usize = 1024;

/// Who we are: whom to ask for credentials, and the tokens that were got for them.
pub(crate) struct Auth {
    settings: Settings,
    credentials: Option<Arc<dyn Credentials>>,
    tokens: Tokens,
    known: Mutex<HashMap<Origin, Known>>,
    hidden: Hidden,
}

/// How a registry has challenged before.
#[derive(Clone)]
struct Known {
    scheme: Scheme,
    /// It challenges reads too.
    reads: bool,
}

#[derive(Clone)]
enum Scheme {
    Basic,
    Bearer(Bearer),
}

/// The value of an `Authorization` header, and whose it is.
pub(crate) struct Authorization {
    value: HeaderValue,
    identity: Identity,
    bearer: bool,
    /// A token that a token server gave for this scope.
    fetched: bool,
}

impl Authorization {
    /// It says nothing about who asks.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.identity == Identity::ANONYMOUS
    }

    /// The header's value; its `Debug` shows nothing.
    pub(crate) fn value(&self) -> HeaderValue {
        self.value.clone()
    }
}

/// What a registry's 401 says about the token.
#[derive(Clone, Copy)]
struct Challenge<'a> {
    scopes: &'a [String],
    insufficient: bool,
}

/// What a request wants access to, and for whom.
#[derive(Clone, Copy)]
pub(crate) struct Access<'a> {
    pub(crate) transport: &'a Transport,
    pub(crate) call: &'a Call,
    /// The registry's name.
    pub(crate) registry: &'a str,
    pub(crate) origin: &'a Origin,
    pub(crate) scope: &'a Scope,
}

impl Auth {
    /// Without `credentials` it is nobody everywhere.
    pub(crate) fn new(settings: &Settings, credentials: Option<Arc<dyn Credentials>>) -> Self {
        Self::with(settings, credentials, Tokens::default())
    }

    /// One that asks for a refresh token.
    pub(crate) fn for_login(settings: &Settings, credentials: Arc<dyn Credentials>) -> Self {
        Self::with(settings, Some(credentials), Tokens::offline())
    }

    fn with(settings: &Settings, credentials: Option<Arc<dyn Credentials>>, tokens: Tokens) -> Self {
        Self {
            settings: settings.clone(),
            credentials,
            tokens,
            known: Mutex::default(),
            hidden: Hidden::default(),
        }
    }

    /// The refresh token that a log-in was given.
    pub(crate) fn refresh_token(&self) -> Option<Secret> {
        self.tokens.refresh_token()
    }

    /// What a request carries from the start; `None` until the registry has challenged one of its kind.
    pub(crate) async fn header(&self, access: Access<'_>) -> Result<Option<Authorization>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(access.origin).cloned();
        let writes = access.scope.writes();
        let scheme = match known {
            Some(known) if known.reads || writes => Some(known.scheme),
            _ if writes => None,
            // A token of a push before serves this read (Q111).
            Some(Known { scheme: Scheme::Bearer(bearer), .. })
                if self.tokens.cover(access, &bearer.service) =>
            {
                Some(Scheme::Bearer(bearer))
            }
            _ => self.hidden_scheme(access).await?,
        };
        let Some(scheme) = scheme else { return Ok(None) };
        match scheme {
            Scheme::Basic => self.basic(access, None).await,
            // Boxed, as are its like: who needs no token has small futures.
            Scheme::Bearer(bearer) => match Box::pin(self.bearer(access, &bearer, None, None)).await {
                // The server's own challenge may access for less.
                Err(error) if error.kind() == Kind::Unauthorized => Ok(None),
                result => result,
            },
        }
    }

    /// What the request that was answered with 401 is to carry when it is sent again; `None`: nothing better
    /// than what it had. `used` is what it had.
    pub(crate) async fn answer(
        &self,
        access: Access<'_>,
        headers: &HeaderMap,
        used: Option<&Authorization>,
    ) -> Result<Option<Authorization>> {
        let Access { registry, origin, scope, .. } = access;
        let challenges = Challenges::of(headers);
        let insufficient = challenges.insufficient;
        let scheme = match self.scheme(origin, &challenges, used) {
            Some(scheme) => scheme,
            None if headers.contains_key(header::WWW_AUTHENTICATE) => {
                return Err(unusable(registry, &challenges));
            }
            None => match self.ping(access).await {
                Ok(Some(scheme)) => scheme,
                Err(error) if error.kind() == Kind::Cancelled => return Err(error),
                // What went wrong here is not what was asked: the 401 is the answer.
                Ok(None) | Err(_) => return Ok(None),
            },
        };
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= REMEMBERED {
                known.clear();
            }
            let reads = !scope.writes() || known.get(origin).is_some_and(|known| known.reads);
            known.insert(origin.clone(), Known { scheme: scheme.clone(), reads });
        }
        match scheme {
            Scheme::Basic => self.basic(access, used).await,
            Scheme::Bearer(bearer) => {
                let challenge = Challenge { scopes: &bearer.scopes, insufficient };
                self.bearer(access, &bearer, Some(challenge), used).await
            }
        }
    }

    /// The scheme to use: Bearer before Basic (Q14).
    fn scheme(
        &self,
        origin: &Origin,
        challenges: &Challenges,
        used: Option<&Authorization>,
    ) -> Option<Scheme> {
        if let Some(bearer) = &challenges.bearer {
            return Some(Scheme::Bearer(bearer.clone()));
        }
        if !challenges.basic {
            return None;
        }
        // Harbor says Basic where a token's scope is too small: no reason to drop the scheme (Q13).
        if used.is_some_and(|used| used.bearer) {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(origin).cloned();
            if let Some(Known { scheme: scheme @ Scheme::Bearer(_), .. }) = known {
                return Some(scheme);
            }
        }
        Some(Scheme::Basic)
    }

    /// The challenge of the API's root, where an answer had none (Q12).
    async fn ping(&self, access: Access<'_>) -> Result<Option<Scheme>> {
        let root = endpoint::realm(access, "/v2/")?;
        match endpoint::request(access, &root, Method::GET, HeaderMap::new(), None).await {
            Ok((401, headers, _)) => Ok(self.scheme(access.origin, &Challenges::of(&headers), None)),
            Ok((status, ..)) if is_passing(status) => {
                let why = format!("{} answers {status} at /v2/", printable(access.registry));
                Err(Error::new(Kind::Protocol, why).with_retryable(true))
            }
            Ok(_) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// No credential, and no token, goes over plain HTTP but to where plain HTTP is the rule.
    fn check_origin(&self, origin: &Origin) -> Result<()> {
        if origin.secure || origin.is_loopback() || origin.settings(&self.settings).plain_http {
            return Ok(());
        }
        Err(Error::new(Kind::Policy, format!("no credential is sent to {origin} over plain HTTP")))
    }

    async fn credential(&self, access: Access<'_>) -> Result<Lookup> {
        let Access { registry, scope, call, .. } = access;
        match &self.credentials {
            Some(credentials) => {
                credentials.look_up(registry, scope.repository(), scope.action(), &call.operation).await
            }
            None => Ok(Lookup::None),
        }
    }

    async fn refuse(&self, access: Access<'_>, found: &Arc<Found>) {
        if let Some(credentials) = &self.credentials {
            credentials.refuse(access.registry, access.scope.repository(), found).await;
        }
    }

    async fn look_up(&self, access: Access<'_>) -> Result<Lookup> {
        self.check_origin(access.origin)?;
        let outcome = self.credential(access).await?;
        match &outcome {
            Lookup::HelperFailed(error) if access.scope.writes() => return Err(error.clone()),
            Lookup::HelperFailed(error) => {
                access
                    .call
                    .operation
                    .warn(format!("{}: asked without a credential: {error}", access.registry));
            }
            _ => {}
        }
        Ok(outcome)
    }

    /// Basic authentication, where there is a password for it that was not refused yet.
    async fn basic(&self, access: Access<'_>, used: Option<&Authorization>) -> Result<Option<Authorization>> {
        let Lookup::Found(found) = self.look_up(access).await? else { return Ok(None) };
        let identity = found.credential.identity();
        if used.is_some_and(|used| used.identity == identity) {
            return Ok(None);
        }
        let Form::Basic { .. } = found.credential.0 else { return Ok(None) };
        access.call.operation.used_credential(&found.source);
        let value = token::basic(&found.credential);
        Ok(value.map(|value| Authorization { value, identity, bearer: false, fetched: false }))
    }

    /// A bearer token for whoever we are; for a verb that only reads, else for nobody in particular.
    async fn bearer(
        &self,
        access: Access<'_>,
        bearer: &Bearer,
        challenged: Option<Challenge<'_>>,
        used: Option<&Authorization>,
    ) -> Result<Option<Authorization>> {
        let outcome = self.look_up(access).await?;
        if let Lookup::Found(found) = &outcome {
            match self.bearer_of(access, bearer, challenged, used, Some(found)).await {
                Ok(authorization) => {
                    access.call.operation.used_credential(&found.source);
                    return Ok(authorization);
                }
                Err(NoToken::Refused(refusal)) => {
                    if refusal.status == 401 {
                        self.refuse(access, found).await;
                    }
                    let why = format!(
                        "{}: {} to the credential from {}",
                        access.registry, refusal.words, found.source
                    );
                    if access.scope.writes() || found.explicit {
                        return Err(Error::new(Kind::Unauthorized, why).with_http_status(refusal.status));
                    }
                    // A public repository is pulled all the same (Q18).
                    access.call.operation.warn(format!("{why}; asked without a credential"));
                }
                Err(NoToken::Failed(error)) => return Err(error.context(access.registry)),
                Err(NoToken::Same) => return Ok(None),
            }
        }
        match self.bearer_of(access, bearer, challenged, used, None).await {
            Ok(authorization) => Ok(authorization),
            Err(NoToken::Failed(error)) => Err(error.context(access.registry)),
            Err(NoToken::Same) => Ok(None),
            Err(NoToken::Refused(refusal)) => {
                let why = format!("{}: no token: {}", access.registry, refusal.words);
                Err(hinted(Error::new(Kind::Unauthorized, why).with_http_status(refusal.status), &outcome))
            }
        }
    }

    async fn bearer_of(
        &self,
        access: Access<'_>,
        bearer: &Bearer,
        challenged: Option<Challenge<'_>>,
        used: Option<&Authorization>,
        found: Option<&Arc<Found>>,
    ) -> std::result::Result<Option<Authorization>, NoToken> {
        let credential = found.map(|found| &found.credential);
        let identity = credential.map_or(Identity::ANONYMOUS, Credential::identity);
        let made = |value, fetched| Authorization { value, identity, bearer: true, fetched };
        if let Some(Form::Token(token)) = credential.map(|c| &c.0) {
            if used.is_some_and(|used| used.identity == identity) {
                return Ok(None);
            }
            return Ok(token::header("Bearer", token.expose()).map(|value| made(value, false)));
        }
        let realm = endpoint::realm(access, &bearer.realm)?;
        let wanted = TokenRequest {
            key: Key {
                origin: access.origin.clone(),
                identity,
                service: bearer.service.clone(),
                scope: access.scope.clone(),
            },
            realm: &realm,
            credential,
            challenged: challenged.map(|challenge| challenge.scopes),
            stale: used.map(|used| &used.value),
            insufficient: challenged.is_some_and(|challenge| challenge.insufficient),
        };
        match self.tokens.get(access, &wanted).await {
            Ok(value) => Ok(Some(made(value, true))),
            Err(NoToken::Same) => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// The error for a 401 that is final: which credential it was, or why there was none. A password that
    /// was refused is not used again; a credential that was taken and has not the right is another matter.
    pub(crate) async fn refused(
        &self,
        access: Access<'_>,
        used: Option<&Authorization>,
        headers: &HeaderMap,
        answer: ErrorResponse,
    ) -> Error {
        let name = match access.scope.repository() {
            "" => access.registry.to_owned(),
            repository => format!("{}/{repository}", access.registry),
        };
        let known = used.filter(|used| !used.is_anonymous());
        let lacks = known.is_some_and(|used| used.fetched || Challenges::of(headers).insufficient);
        match self.credential(access).await {
            Ok(Lookup::Found(found)) if lacks => {
                let error = answer.into_denied(&name);
                error.cure(format!(
                    "the credential from {} is valid and has not the right to this",
                    found.source
                ))
            }
            Ok(Lookup::Found(found)) => {
                let password =
                    used.is_some_and(|used| !used.bearer && used.identity == found.credential.identity());
                let refusal = answer.into_error(&name);
                if password {
                    self.refuse(access, &found).await;
                    return hinted(refusal, &Lookup::Refused(found));
                }
                hinted(refusal, &Lookup::Found(found))
            }
            Ok(outcome) => hinted(answer.into_error(&name), &outcome),
            Err(error) => error,
        }
    }

    /// A credential that nobody asked for, where it may be sent (a log-in that is to be proved); nothing for a token,
    /// which is for token servers or proves itself.
    pub(crate) async fn unasked(&self, access: Access<'_>) -> Result<Option<Authorization>> {
        if self.check_origin(access.origin).is_err() {
            return Ok(None);
        }
        self.basic(access, None).await
    }

    /// A user that nobody knows: whoever takes it takes anybody.
    pub(crate) fn nobody() -> Result<Option<Authorization>> {
        let random = || RandomState::new().build_hasher().finish();
        let credential = Credential::basic(
            format!("cldoci-nobody-{:016x}", random()),
            Secret::new(format!("{:016x}{:016x}", random(), random())),
        )?;
        let identity = credential.identity();
        let value = token::basic(&credential);
        Ok(value.map(|value| Authorization { value, identity, bearer: false, fetched: false }))
    }
}

/// A refusal with its likely reason; a helper that failed is the error itself (case A-20).
fn hinted(refusal: Error, outcome: &Lookup) -> Error {
    let (kind, hint) = match outcome {
        Lookup::HelperFailed(error) => (Kind::Credentials, error.message().to_owned()),
        Lookup::Found(found) => (refusal.kind(), format!("the credential is from {}", found.source)),
        Lookup::Refused(found) => {
            (refusal.kind(), format!("the credential from {} was refused", found.source))
        }
        Lookup::None => (refusal.kind(), "no credential for it (log in first)".to_owned()),
    };
    refusal.with_kind(kind).cure(hint)
}

fn unusable(registry: &str, challenges: &Challenges) -> Error {
    let why = challenges.malformed.unwrap_or("it names no scheme that is known here (Bearer, Basic)");
    Error::new(
        Kind::Unauthorized,
        format!("{}: its WWW-Authenticate can't be used: {why}", printable(registry)),
    )
    .with_http_status(401)
}
