//! One bearer token from a token server: GET with basic authentication, or OAuth2's POST for refresh tokens,
//! and each as the other's fallback (distribution-spec, token authentication; Q3, Q9 to Q11, Q15).

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use base64::Engine;
use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use super::{Access, endpoint};
use crate::credential::{Credential, Form, TOKEN_USER};
use crate::error::{Error, Kind, printable};
use crate::oci::go_json::Document;
use crate::options::Secret;
use crate::registry::error_body::{self, ErrorBody};
use crate::registry::origin::Origin;
use crate::registry::policy::Realm;
use crate::registry::retry::{self, pause_for};
use crate::registry::retry::{Next, RetryBudget};

/// How token servers know this program.
const CLIENT_ID: &str = "cldoci";
/// The shortest life that a token is taken to have (Q10), and the longest.
const LIFE: std::ops::RangeInclusive<u64> = 60..=86_400;
/// A token is renewed this long before its end, or after three quarters of its life.
const MARGIN: Duration = Duration::from_secs(30);

/// What is asked for.
pub(super) struct Request<'a> {
    pub(super) realm: &'a Realm,
    pub(super) service: &'a str,
    pub(super) scopes: &'a [String],
    pub(super) credential: Option<&'a Credential>,
    /// A refresh token is wanted too: a log-in.
    pub(super) offline: bool,
}

/// A bearer token.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) header: HeaderValue,
    /// When it is to be renewed.
    pub(super) renew: Instant,
    pub(super) refresh_token: Option<Secret>,
}

/// What a token server refused with.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// Who it was and what it said, for people.
    pub(super) words: String,
}

/// Why there is none.
pub(super) enum NoToken {
    /// The server refuses this credential or this scope; the status says which it may be.
    Refused(Refusal),
    /// It would be the one that the registry found to be not enough.
    Same,
    /// Anything else.
    Failed(Error),
}

impl From<Error> for NoToken {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Asks for a token.
pub(super) async fn fetch(access: Access<'_>, request: &Request<'_>) -> std::result::Result<Token, NoToken> {
    let first = match request.credential.map(|c| &c.0) {
        Some(Form::Identity { .. }) => Way::Post,
        _ => Way::Get,
    };
    match fetch_by(first, access, request).await {
        // The endpoint knows only the other way (Q3, Q15).
        Err(NoToken::Refused(Refusal { status: 404 | 405, .. })) if request.credential.is_some() => {
            fetch_by(first.other(), access, request).await
        }
        result => result,
    }
    .map_err(|why| match why {
        NoToken::Refused(Refusal { status: status @ (404 | 405), words }) => NoToken::Failed(
            Error::new(Kind::Protocol, format!("{words}; is that the registry's token server?"))
                .with_http_status(status),
        ),
        other => other,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Get,
    Post,
}

impl Way {
    fn other(self) -> Self {
        match self {
            Self::Get => Self::Post,
            Self::Post => Self::Get,
        }
    }
}

/// The endpoint as messages show it: no path, no query.
fn name(request: &Request<'_>) -> String {
    let authority = Origin::of(&request.realm.url).map(|origin| origin.authority()).unwrap_or_default();
    format!("the token endpoint {}", printable(authority))
}

/// Who answers with a status, and in what words. A server that sends back what it was sent is not quoted.
fn answered(request: &Request<'_>, status: u16, headers: &HeaderMap, body: &[u8]) -> String {
    let content_type = headers.get(CONTENT_TYPE).map(|value| printable(value.as_bytes())).unwrap_or_default();
    let said = ErrorBody::of(&content_type, body).text;
    let shown =
        request.credential.and_then(basic).is_some_and(|sent| error_body::shows_credential(body, &sent));
    match said.as_str() {
        text if text.is_empty() || shown => format!("{} answers {status}", name(request)),
        text => format!("{} answers {status}, {text}", name(request)),
    }
}

async fn fetch_by(
    way: Way,
    access: Access<'_>,
    request: &Request<'_>,
) -> std::result::Result<Token, NoToken> {
    let mut realm = request.realm.clone();
    let mut headers = HeaderMap::new();
    let (method, form) = match way {
        Way::Get => {
            query(&mut realm.url, request);
            if let Some(header) = request.credential.and_then(basic) {
                headers.insert(AUTHORIZATION, header);
            }
            (Method::GET, None)
        }
        Way::Post => (Method::POST, Some(form(request))),
    };
    let mut budget = RetryBudget::new(access.call, &std::sync::Arc::default());
    loop {
        let answer = endpoint::request(access, &realm, method.clone(), headers.clone(), form.clone()).await;
        let next = match answer {
            Ok((status @ 200..=299, _, body)) => {
                let body = Zeroizing::new(body);
                return parse(&body, Instant::now()).map_err(|why| {
                    Error::new(Kind::Unauthorized, format!("{}: {why}", name(request)))
                        .with_http_status(status)
                        .into()
                });
            }
            Ok((300..=399, ..)) => {
                // What it redirects to was never checked, and it would get the credential.
                let why = format!("{} answers with a redirect, which is refused", name(request));
                return Err(Error::new(Kind::Policy, why).into());
            }
            Ok((status @ (400 | 401 | 403 | 404 | 405), headers, body)) => {
                let words = answered(request, status, &headers, &body);
                return Err(NoToken::Refused(Refusal { status, words }));
            }
            Ok((status, headers, body)) => match budget.after_status(status, &headers) {
                Next::TooLong(wait) => {
                    let words = answered(request, status, &headers, &body);
                    let why = format!("{words}, and asks to wait {} s", wait.as_secs());
                    let error = Error::new(Kind::RateLimited, why).with_http_status(status);
                    return Err(error.with_retry_after(wait).into());
                }
                Next::Stop => return Err(unusable(status, answered(request, status, &headers, &body)).into()),
                wait => wait,
            },
            Err(error) if error.kind() == Kind::Network && error.retryable() => match budget.again(None) {
                Next::Wait(pause) => Next::Wait(pause),
                _ => return Err(error.context(name(request)).into()),
            },
            Err(error) if error.kind() == Kind::Cancelled => return Err(error.into()),
            Err(error) => return Err(error.context(name(request)).into()),
        };
        if let Next::Wait(pause) = next {
            pause_for(pause, access.call).await?;
        }
    }
}

fn unusable(status: u16, words: String) -> Error {
    let kind = if status == 429 { Kind::RateLimited } else { Kind::Protocol };
    Error::new(kind, words).with_http_status(status).with_retryable(retry::is_passing(status))
}

/// What the realm has for a query stays; what is added is percent-encoded.
fn query(url: &mut url::Url, request: &Request<'_>) {
    let mut pairs = url.query_pairs_mut();
    if !request.service.is_empty() {
        pairs.append_pair("service", request.service);
    }
    for scope in request.scopes {
        pairs.append_pair("scope", scope);
    }
    if let Some(account) = request.credential.and_then(username).filter(|u| !u.is_empty()) {
        pairs.append_pair("account", account);
    }
    if request.offline {
        pairs.append_pair("offline_token", "true").append_pair("client_id", CLIENT_ID);
    }
    drop(pairs);
    if url.query() == Some("") {
        url.set_query(None);
    }
}

fn username(credential: &Credential) -> Option<&str> {
    match &credential.0 {
        Form::Basic { username, .. } | Form::Identity { username, .. } => Some(username),
        Form::Token(_) => None,
    }
}

/// Wiped when nobody sends it any more.
fn form(request: &Request<'_>) -> Bytes {
    let mut form = Serializer::new(String::new());
    let secret = match request.credential.map(|c| &c.0) {
        Some(Form::Identity { token, .. }) => {
            form.append_pair("grant_type", "refresh_token");
            Some(("refresh_token", token))
        }
        Some(Form::Basic { username, password }) => {
            form.append_pair("grant_type", "password").append_pair("username", username);
            Some(("password", password))
        }
        _ => None,
    };
    form.append_pair("service", request.service).append_pair("client_id", CLIENT_ID);
    if !request.scopes.is_empty() {
        form.append_pair("scope", &request.scopes.join(" "));
    }
    if request.offline {
        form.append_pair("access_type", "offline");
    }
    let mut text = form.finish();
    if let Some((name, secret)) = secret {
        // Last, and with room enough (a byte takes three at most), so that growing leaves no copy of it behind.
        text.reserve_exact("&=".len() + name.len() + 3 * secret.expose().len());
        text = Serializer::for_suffix(text, 0).append_pair(name, secret.expose()).finish();
    }
    wiped(text)
}

/// Bytes that are wiped when the last who holds them lets go.
fn wiped(text: String) -> Bytes {
    Bytes::from_owner(Zeroizing::new(text.into_bytes()))
}

/// The `Authorization` of basic authentication; none for a credential that has no password.
pub(super) fn basic(credential: &Credential) -> Option<HeaderValue> {
    let (username, secret) = match &credential.0 {
        Form::Basic { username, password } => (username.as_str(), password),
        // The name under which it goes where only basic authentication is known (Q15).
        Form::Identity { username, token } => {
            (if username.is_empty() { TOKEN_USER } else { username.as_str() }, token)
        }
        Form::Token(_) => return None,
    };
    let text = Zeroizing::new(format!("{username}:{}", secret.expose()));
    let text = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(text.as_bytes()));
    header("Basic", &text)
}

/// A header that is never shown; `None` where the text is none that a header can carry.
pub(super) fn header(scheme: &str, text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_maybe_shared(wiped(format!("{scheme} {text}"))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

pub(super) fn parse(body: &[u8], now: Instant) -> std::result::Result<Token, &'static str> {
    // Read as docker reads it (Q127).
    let no_json = |_| "its answer is not JSON of a token";
    let document = Document::read(body).map_err(|wrong| match wrong.why.contains("BOM") {
        true => "its answer begins with a byte order mark (BOM)",
        false => no_json(wrong),
    })?;
    let document = document.ok_or("its answer is empty, not JSON of a token")?;
    let fields = document.fields().map_err(no_json)?;
    let set = |name| {
        let secret = fields.text(name).map(Secret::new).map_err(no_json)?;
        Ok::<_, &'static str>(Some(secret).filter(|s| !s.expose().is_empty()))
    };
    // Where both are there they are meant to be equal; docker takes this one (Q9).
    let token = set("access_token")?.or(set("token")?).ok_or("its answer has no token")?;
    // Opaque (Q11), but it must be fit for a header.
    if !token.expose().bytes().all(|b| b.is_ascii_graphic()) {
        return Err("its token has a character that no header can carry");
    }
    let header = header("Bearer", token.expose()).ok_or("its token fits no header")?;
    let expires_in = fields.last("expires_in").and_then(|text| serde_json::from_str(text).ok());
    let life = life(&expires_in.unwrap_or_default());
    let refresh_token = set("refresh_token")?.filter(|s| s.expose().bytes().all(|b| b.is_ascii_graphic()));
    Ok(Token { header, renew: now + life - MARGIN.min(life / 4), refresh_token })
}

/// Seconds from receipt: a number, or one as text; what is no sensible number counts as the least (Q10).
fn life(expires_in: &serde_json::Value) -> Duration {
    let seconds = match expires_in {
        serde_json::Value::Number(number) => number.as_u64(),
        serde_json::Value::String(text) => text.parse().ok(),
        _ => None,
    };
    Duration::from_secs(seconds.unwrap_or(0).clamp(*LIFE.start(), *LIFE.end()))
}
