//! One request of the protocol from start to end: credential, redirects, the answer to a challenge, retries.

use http::{HeaderMap, HeaderValue, Method, header};
use url::Url;

use super::auth::{Authorization, Scope};
use super::origin::Origin;
use super::policy::{self, Reach};
use super::reply::Reply;
use super::repository::Repository;
use super::retry::{Next, Tries, pause_for, too_long};
use super::transport::{Answer, Failure, Lane, Outgoing, Payload, Stage};
use crate::error::{Error, Kind, Result};
use crate::operation::{Count, Operation};

/// The most redirects of one request.
const HOPS: usize = 5;

/// Where a request goes.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// A path, with its query, on the registry's origin.
    Path(String),
    /// What an upload's `Location` or a `Link` came to; `own`: the registry's credential goes along.
    Url { url: Url, own: bool },
}

/// A request of the protocol.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
    /// Makes the body, again for each attempt.
    pub(crate) payload: &'a (dyn Fn() -> Result<Payload> + Send + Sync),
    pub(crate) lane: Lane,
    pub(crate) scope: Scope,
    /// Whether a broken connection and a passing status lead to another attempt here; a caller that says no
    /// has its own loop.
    pub(crate) safe: bool,
    /// The answer may take as long as a commit.
    pub(crate) commit: bool,
}

pub(crate) fn no_payload() -> Result<Payload> {
    Ok(Payload::Empty)
}

impl<'a> Call<'a> {
    /// A request without a body that may be sent twice.
    pub(crate) fn new(method: Method, target: Target, scope: Scope) -> Self {
        Self {
            method,
            target,
            headers: HeaderMap::new(),
            payload: &no_payload,
            lane: Lane::Short,
            scope,
            safe: true,
            commit: false,
        }
    }

    pub(crate) fn header(mut self, name: header::HeaderName, value: &str) -> Self {
        // Values here are media types, ranges and numbers.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(crate) fn payload(mut self, payload: &'a (dyn Fn() -> Result<Payload> + Send + Sync)) -> Self {
        self.payload = payload;
        self
    }
}

impl Repository {
    /// Sends a request until it has an answer that is worth the caller's look.
    pub(crate) async fn exchange(&self, call: &Call<'_>, operation: &Operation) -> Result<Reply> {
        let mut tries = Tries::new(self.settings.int("retries"), operation.deadline());
        let (mut answered, mut fresh) = (false, None);
        loop {
            let own = !matches!(call.target, Target::Url { own: false, .. });
            let origin = self.origin()?;
            let authorization = match fresh.take() {
                None if own => self.auth_header(&origin, &call.scope, operation).await?,
                fresh => fresh,
            };
            let next = match self.attempt(call, &origin, authorization.as_ref(), operation).await {
                Ok(reply) if reply.status == 401 && reply.own => {
                    let headers = reply.headers.clone();
                    let complaint = reply.complaint(&self.settings, operation).await?;
                    let used = authorization.as_ref();
                    // One answer to a challenge for each request.
                    if !answered {
                        answered = true;
                        // The attempt may have found out that it speaks TLS.
                        let origin = self.origin()?;
                        fresh = self.auth_answer(&origin, &call.scope, &headers, used, operation).await?;
                        if fresh.is_some() {
                            continue;
                        }
                    }
                    let refusal = complaint.into_error(&self.name());
                    return Err(self.auth_refused(&call.scope, used, refusal, operation).await);
                }
                Ok(reply) if call.safe => match tries.after_status(reply.status, &reply.headers) {
                    Next::Stop => return Ok(reply),
                    Next::TooLong(wait) => {
                        let complaint = reply.complaint(&self.settings, operation).await?;
                        return Err(too_long(complaint.into_error(&self.name()), wait));
                    }
                    wait => {
                        reply.drain(&self.settings, operation).await?;
                        wait
                    }
                },
                Ok(reply) => return Ok(reply),
                Err(failure) => match tries.after_failure(failure.stage, call.safe) {
                    Next::Wait(pause) => Next::Wait(pause),
                    _ => return Err(failure.error.context(self.name())),
                },
            };
            if let Next::Wait(pause) = next {
                operation.count(Count::Retry);
                pause_for(pause, operation).await?;
            }
        }
    }

    /// One attempt: redirects are followed, and on loopback the server's scheme is found out.
    async fn attempt(
        &self,
        call: &Call<'_>,
        origin: &Origin,
        authorization: Option<&Authorization>,
        operation: &Operation,
    ) -> std::result::Result<Reply, Failure> {
        let guess =
            matches!(call.target, Target::Path(_)) && self.registry.is_guess(&self.reference.registry);
        if !guess {
            return self.follow(call, origin, authorization, operation).await;
        }
        let name = &self.reference.registry;
        // What the plain attempt came to, and whether it told that TLS is wanted.
        let (first, told) = match self.follow(call, origin, authorization, operation).await {
            Ok(reply) if matches!(reply.status, 400 | 497) => {
                // Go's and nginx's servers say so in the body; to a HEAD they can't.
                let reply = reply.read(&self.settings, operation).await.map_err(Failure::last)?;
                let told = reply.says("https");
                if !told && call.method != Method::HEAD {
                    self.registry.learn(name, false);
                    return Ok(reply);
                }
                (Ok(reply), told)
            }
            Ok(reply) => {
                self.registry.learn(name, false);
                return Ok(reply);
            }
            Err(failure) if matches!(failure.stage, Stage::Broken | Stage::Garbled) => (Err(failure), true),
            Err(failure) => return Err(failure),
        };
        // The answer to a handshake decides.
        let secure = origin.with_secure(true);
        match self.follow(call, &secure, authorization, operation).await {
            Ok(reply) => {
                self.registry.learn(name, true);
                Ok(reply)
            }
            // It speaks TLS: the handshake was answered, or it was over when the connection broke.
            Err(failure) if matches!(failure.stage, Stage::Tls | Stage::Broken) => Err(failure),
            // This side can't: that says more than the plain attempt.
            Err(failure) if told && failure.stage == Stage::Setup => Err(failure),
            Err(failure) if told && failure.stage == Stage::Last && failure.error.kind() != Kind::Tls => {
                Err(failure)
            }
            Err(_) => first,
        }
    }

    async fn follow(
        &self,
        call: &Call<'_>,
        origin: &Origin,
        authorization: Option<&Authorization>,
        operation: &Operation,
    ) -> std::result::Result<Reply, Failure> {
        let (mut url, mut own) = match &call.target {
            Target::Path(path) => (origin.url(path).map_err(Failure::last)?, true),
            Target::Url { url, own } => (url.clone(), *own),
        };
        let reads = matches!(call.method, Method::GET | Method::HEAD);
        // The registry itself, and a listed upload host, were named by the caller.
        let mut reach = Reach::Any;
        for _ in 0..=HOPS {
            let answer = self
                .send_to(call, &url, reach, if own { authorization } else { None }, own, operation)
                .await?;
            let reply = Reply::new(answer, url.clone(), own);
            let redirected = match reply.status {
                307 | 308 => true,
                301..=303 => reads,
                _ => false,
            };
            if !redirected {
                return Ok(reply);
            }
            let location = reply.headers.get(header::LOCATION).cloned();
            reply.drain(&self.settings, operation).await.map_err(Failure::last)?;
            let location = location.as_ref().and_then(|value| value.to_str().ok()).ok_or_else(|| {
                Failure::last(Error::new(
                    Kind::Protocol,
                    format!("{}: a redirect without a usable Location", self.name()),
                ))
            })?;
            let hop = if reads {
                reach = self.registry.transport().foreign_reach(origin);
                policy::redirect(origin, &url, location, reach)
            } else {
                let hosts = self.registry.transport().settings().list("upload_hosts");
                policy::location(origin, &url, location, hosts)
            };
            let hop = hop.map_err(Failure::last)?;
            if hop.own {
                reach = Reach::Any;
            }
            (url, own) = (hop.url, hop.own);
        }
        Err(Failure::last(Error::new(Kind::Protocol, format!("{}: more than {HOPS} redirects", self.name()))))
    }

    async fn send_to(
        &self,
        call: &Call<'_>,
        url: &Url,
        reach: Reach,
        authorization: Option<&Authorization>,
        own: bool,
        operation: &Operation,
    ) -> std::result::Result<Answer, Failure> {
        let mut headers = call.headers.clone();
        if own {
            for (name, value) in &self.extra_headers {
                headers.insert(name.clone(), value.clone());
            }
            if let Some(authorization) = authorization {
                headers.insert(header::AUTHORIZATION, authorization.value());
            }
        }
        let wait = if call.commit { "commit_timeout_ms" } else { "header_timeout_ms" };
        let outgoing = Outgoing {
            method: call.method.clone(),
            url: url.clone(),
            headers,
            payload: (call.payload)().map_err(Failure::last)?,
            reach,
            lane: call.lane,
            wait: self.registry.transport().settings().duration(wait),
        };
        self.registry.transport().send(outgoing, operation).await
    }
}
