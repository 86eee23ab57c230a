//! One request of the protocol from start to end: credential, redirects, the answer to a challenge, retries.

use http::{HeaderMap, HeaderValue, Method, header};
use url::Url;

use super::auth::{Access, Authorization, Scope};
use super::error_body;
use super::origin::Origin;
use super::policy::{self, AddressPolicy};
use super::repository::Repository;
use super::response::Response;
use super::retry::{Next, RetryBudget, pause_for, too_long};
use super::transport::{Failure, Outgoing, Permit, RawResponse, RequestBody, Stage};
use crate::error::{Error, Kind, Result, printable};
use crate::operation::Count;

/// The most redirects of one request.
const HOPS: usize = 5;

/// The most warnings of one answer that are heard (Q112).
const WARNINGS: usize = 8;

/// Where a request goes.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// A path, with its query, on the registry's origin.
    Path(String),
    /// What an upload's `Location` or a `Link` came to; `own`: the registry's credential goes along.
    Url { url: Url, own: bool },
}

/// What a request is about, as far as rules hang on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// A blob's bytes: its digest decides, so that they may come from storage that the caller named.
    Blob,
    /// A manifest or a list: a registry may hide it from who is not known to it (Q110).
    Document,
    Other,
}

/// A request of the protocol.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
    /// Makes the body, again for each attempt.
    pub(crate) body: &'a (dyn Fn() -> Result<RequestBody> + Send + Sync),
    pub(crate) permit: Permit,
    pub(crate) scope: Scope,
    pub(crate) about: About,
    /// Whether a broken connection and a passing status lead to another attempt here; a caller that says no
    /// has its own loop.
    pub(crate) safe: bool,
    /// The answer may take as long as a commit.
    pub(crate) commit: bool,
}

pub(crate) fn no_body() -> Result<RequestBody> {
    Ok(RequestBody::Empty)
}

impl<'a> Request<'a> {
    /// A request without a body that may be sent twice.
    pub(crate) fn new(method: Method, target: Target, scope: Scope) -> Self {
        Self {
            method,
            target,
            headers: HeaderMap::new(),
            body: &no_body,
            permit: Permit::Short,
            scope,
            about: About::Other,
            safe: true,
            commit: false,
        }
    }

    pub(crate) fn about(mut self, about: About) -> Self {
        self.about = about;
        self
    }

    pub(crate) fn header(mut self, name: header::HeaderName, value: &str) -> Self {
        // Values here are media types, ranges and numbers.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Whether an anonymous read ended in the registry's own 403 or 404, and not at the end of a redirect.
    fn may_be_hidden(&self, response: &Response, used: Option<&Authorization>) -> bool {
        let asked = match &self.target {
            Target::Path(path) => path.split('?').next() == Some(response.url.path()),
            Target::Url { url, .. } => *url == response.url,
        };
        self.about == About::Document
            && self.method == Method::GET
            && !self.scope.writes()
            && matches!(response.status, 403 | 404)
            && response.own
            && asked
            && used.is_none_or(Authorization::is_anonymous)
    }

    /// Whether a read was refused by a server that the registry sent it to.
    fn is_refused_elsewhere(&self, response: &Response) -> bool {
        self.method == Method::GET && !response.own && matches!(response.status, 400 | 403)
    }

    pub(crate) fn body(mut self, body: &'a (dyn Fn() -> Result<RequestBody> + Send + Sync)) -> Self {
        self.body = body;
        self
    }
}

impl Repository {
    /// Sends a request until it has an answer that is worth the caller's look.
    pub(crate) async fn exchange(&self, request: &Request<'_>) -> Result<Response> {
        let mut budget = RetryBudget::new(&self.call, &self.outage);
        let (mut answered, mut fresh, mut renewed, mut hiding) = (false, None, false, None);
        let auth = self.registry.auth();
        loop {
            let own = !matches!(request.target, Target::Url { own: false, .. });
            let origin = self.origin();
            let access = self.access(origin, &request.scope);
            let authorization = match fresh.take() {
                None if own => auth.header(access).await?,
                fresh => fresh,
            };
            let next = match self.attempt(request, origin, authorization.as_ref()).await {
                Ok(response) if response.status == 401 && response.own => {
                    // What it said before stands: that a credential was tried in vain is no news to who has none.
                    if let Some(first) = hiding.take() {
                        auth.conceal(access).await;
                        return Ok(first);
                    }
                    let headers = response.headers.clone();
                    let error_response = response.error_response().await?;
                    let used = authorization.as_ref();
                    // One answer to a challenge for each request.
                    if !answered {
                        answered = true;
                        // The attempt may have found out that it speaks TLS.
                        let answer = auth.answer(Access { origin: self.origin(), ..access }, &headers, used);
                        // Boxed, as below: what is rare would make each request's future three times as large.
                        fresh = Box::pin(answer).await?;
                        if fresh.is_some() {
                            continue;
                        }
                    }
                    return Err(Box::pin(auth.refused(access, used, &headers, error_response)).await);
                }
                Ok(response)
                    if hiding.is_none() && request.may_be_hidden(&response, authorization.as_ref()) =>
                {
                    let response = response.read().await?;
                    // As above.
                    fresh = Box::pin(auth.reveal(Access { origin: self.origin(), ..access })).await?;
                    if fresh.is_none() {
                        return Ok(response);
                    }
                    hiding = Some(response);
                    continue;
                }
                // Storage that a read was sent to: a signed URL ends, and the registry has another (Q108).
                Ok(response) if own && !renewed && request.is_refused_elsewhere(&response) => {
                    renewed = true;
                    response.drain().await?;
                    self.call.operation.count(Count::Retry);
                    continue;
                }
                Ok(response) if request.safe => match budget.after_status(response.status, &response.headers)
                {
                    Next::Stop => return Ok(response),
                    Next::TooLong(wait) => {
                        let error_response = response.error_response().await?;
                        return Err(too_long(error_response.into_error(&self.name()), wait));
                    }
                    wait => {
                        response.drain().await?;
                        wait
                    }
                },
                Ok(response) => return Ok(response),
                Err(failure) => match budget.after_failure(failure.stage, request.safe) {
                    Next::Wait(pause) => Next::Wait(pause),
                    _ => return Err(failure.error.context(self.name())),
                },
            };
            if let Next::Wait(pause) = next {
                pause_for(pause, &self.call).await?;
            }
        }
    }

    /// One attempt with this credential.
    pub(super) async fn ask_as(
        &self,
        request: &Request<'_>,
        origin: &Origin,
        authorization: &Authorization,
    ) -> Result<Response> {
        let answer = self.attempt(request, origin, Some(authorization)).await;
        answer.map_err(|failure| failure.error.context(self.name()))
    }

    pub(super) fn access<'a>(&'a self, origin: &'a Origin, scope: &'a Scope) -> Access<'a> {
        Access {
            transport: self.registry.transport(),
            call: &self.call,
            registry: &self.reference.registry,
            origin,
            scope,
        }
    }

    /// One attempt: redirects are followed, and on loopback the server's scheme is found out.
    async fn attempt(
        &self,
        request: &Request<'_>,
        origin: &Origin,
        authorization: Option<&Authorization>,
    ) -> std::result::Result<Response, Failure> {
        if !(matches!(request.target, Target::Path(_)) && self.host.is_guess()) {
            return self.follow(request, origin, authorization).await;
        }
        // What the plain attempt came to, and whether it told that TLS is wanted.
        let (first, told) = match self.follow(request, origin, authorization).await {
            Ok(response) if matches!(response.status, 400 | 497) => {
                // Go's and nginx's servers say so in the body; to a HEAD they can't.
                let response = response.read().await.map_err(Failure::last)?;
                let told = response.says("https");
                if !told && request.method != Method::HEAD {
                    self.host.learn(false);
                    return Ok(response);
                }
                (Ok(response), told)
            }
            Ok(response) => {
                self.host.learn(false);
                return Ok(response);
            }
            Err(failure) if matches!(failure.stage, Stage::Broken | Stage::Garbled) => (Err(failure), true),
            Err(failure) => return Err(failure),
        };
        // The answer to a handshake decides.
        let secure = origin.with_secure(true);
        match self.follow(request, &secure, authorization).await {
            Ok(response) => {
                self.host.learn(true);
                Ok(response)
            }
            // It speaks TLS: the handshake was answered, or it was over when the connection broke.
            Err(failure) if matches!(failure.stage, Stage::Tls | Stage::Broken) => Err(failure),
            // This side can't: that says more than the plain attempt.
            Err(failure) if told && failure.stage == Stage::Setup => Err(failure),
            Err(failure) if told && failure.stage == Stage::Last && failure.error.kind() != Kind::Tls => {
                Err(failure)
            }
            // It took the request, and it is no plain HTTP that it speaks.
            Err(failure)
                if failure.stage == Stage::Silent
                    && matches!(&first, Err(plain) if plain.stage == Stage::Garbled) =>
            {
                Err(failure)
            }
            Err(_) => first,
        }
    }

    async fn follow(
        &self,
        request: &Request<'_>,
        origin: &Origin,
        authorization: Option<&Authorization>,
    ) -> std::result::Result<Response, Failure> {
        let (mut url, mut own) = match &request.target {
            Target::Path(path) => (origin.url(path).map_err(Failure::last)?, true),
            Target::Url { url, own } => (url.clone(), *own),
        };
        if let (Some(ns), true) = (&self.ns, own && !url.query_pairs().any(|(name, _)| name == "ns")) {
            url.query_pairs_mut().append_pair("ns", ns);
        }
        let reads = matches!(request.method, Method::GET | Method::HEAD);
        // The registry itself, and a listed upload host, were named by the caller.
        let mut addresses = AddressPolicy::Any;
        for _ in 0..=HOPS {
            let sent = self.send_to(request, &url, addresses, authorization.filter(|_| own), own).await;
            let answer = sent.map_err(|failure| match own {
                true => failure,
                false => failure.at_redirect(request.about == About::Blob),
            })?;
            let sent = authorization.filter(|_| own).map(Authorization::value);
            if own {
                self.hear_warnings(answer.response.headers(), sent.as_ref());
            }
            let response = Response::new(answer, &request.method, url.clone(), own, sent);
            let redirected = match response.status {
                307 | 308 => true,
                301..=303 => reads,
                _ => false,
            };
            if !redirected {
                return Ok(response);
            }
            let location = response.location().map(str::to_owned);
            response.drain().await.map_err(Failure::last)?;
            let location = location.as_deref().ok_or_else(|| {
                Failure::last(Error::new(Kind::Protocol, "a redirect without a usable Location"))
            })?;
            let location = if reads {
                let foreign = self.registry.transport().foreign_addresses(origin);
                let hosts = (request.about == About::Blob).then_some(&*self.call.settings.download_hosts);
                policy::redirect(origin, &url, location, foreign, hosts)
            } else {
                let hosts = &self.call.settings.upload_hosts;
                policy::location(origin, &url, location, hosts)
            };
            let location = location.map_err(Failure::last)?;
            (url, own, addresses) = (location.url, location.own, location.addresses);
        }
        Err(Failure::last(Error::new(Kind::Protocol, format!("more than {HOPS} redirects"))))
    }

    /// What a registry has to tell its users (distribution-spec, "Warnings"; Q112): `299 - "text"`.
    fn hear_warnings(&self, headers: &HeaderMap, sent: Option<&HeaderValue>) {
        for value in headers.get_all(header::WARNING).iter().take(WARNINGS) {
            let text = String::from_utf8_lossy(value.as_bytes());
            let quoted = text.trim().strip_prefix("299 - \"").and_then(|rest| rest.strip_suffix('"'));
            let shows = sent.is_some_and(|sent| error_body::shows_credential(value.as_bytes(), sent));
            if let Some(said) = quoted.filter(|said| !shows && !said.trim().is_empty()) {
                let said = printable(said.replace("\\\"", "\"").replace("\\\\", "\\"));
                self.call.operation.warn(format!("{} says: {said}", self.reference.registry));
            }
        }
    }

    async fn send_to(
        &self,
        request: &Request<'_>,
        url: &Url,
        addresses: AddressPolicy,
        authorization: Option<&Authorization>,
        own: bool,
    ) -> std::result::Result<RawResponse, Failure> {
        let mut headers = request.headers.clone();
        if own {
            for (name, value) in self.host.headers(url.scheme() == "https") {
                headers.insert(name.clone(), value.clone());
            }
            if let Some(authorization) = authorization {
                headers.insert(header::AUTHORIZATION, authorization.value());
            }
        }
        let settings = &self.call.settings;
        let wait = if request.commit { settings.commit_timeout } else { settings.header_timeout };
        let outgoing = Outgoing {
            method: request.method.clone(),
            url: url.clone(),
            headers,
            body: (request.body)().map_err(Failure::last)?,
            addresses,
            permit: request.permit,
            wait,
        };
        self.registry.transport().send(outgoing, &self.call).await
    }
}
