//! Connections: one HTTP client per TLS profile and address policy, time limits for the head of an answer and for a
//! body on its way out. Follows no redirect and knows no credential.

mod bundle;
mod certs_d;
mod clients;
mod ecdsa;
mod failure;
mod no_proxy;
mod request_body;
mod resolver;
mod tls;
mod trust;
mod tunnel;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::address::{Class, classify, literal};
use super::origin::Origin;
use super::policy::AddressPolicy;
use crate::call::Call;
use crate::error::{Error, Kind, Result, printable};
use crate::operation::{Count, Level};
use crate::options::Settings;
use clients::Clients;
pub(crate) use failure::{Failure, Stage, ended_early, of_body as body_failure};
pub(crate) use request_body::{BodyProgress, CHUNK, RequestBody, RequestStream};
pub use resolver::Names;

/// The permits for a client's connections: 1,000 operations live within 256 descriptors. Each kind of request
/// has its own, so that a copy, which holds a download while it asks for an upload, can't wait in a circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permit {
    /// A small answer: the request takes its permit itself.
    Short,
    /// The caller has a permit for the whole transfer ([`Transport::transfer_permit`]).
    Held,
}

/// The two kinds of transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// A blob on its way in.
    Download,
    /// A blob on its way out.
    Upload,
}

/// How many permits there are.
const SHORT_PERMITS: usize = 32;
const TRANSFER_PERMITS: usize = 24;
/// How many segments of blobs a client holds in memory, beside what is being given out.
const SEGMENTS: usize = 6;

/// One request.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: RequestBody,
    /// The addresses that the connection may have.
    pub(crate) addresses: AddressPolicy,
    pub(crate) permit: Permit,
    /// Time for the head of the answer once the body is out.
    pub(crate) wait: Duration,
}

/// The head of an answer; the connection is free for others once it is dropped.
pub(crate) struct RawResponse {
    pub(crate) response: reqwest::Response,
    /// The call that asked for it.
    pub(crate) call: Call,
    /// The proxy that it came through, without its credentials.
    pub(crate) proxy: Option<String>,
    _permit: Option<OwnedSemaphorePermit>,
}

/// All connections of a client; clones share them.
#[derive(Clone)]
pub(crate) struct Transport(Arc<Inner>);

struct Inner {
    clients: Clients,
    short: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    segments: Arc<Semaphore>,
}

impl Transport {
    /// Makes no client and reads no file yet.
    pub(crate) fn new(settings: &Settings, names: Option<Arc<dyn Names>>) -> Result<Self> {
        Ok(Self(Arc::new(Inner {
            clients: Clients::new(settings, names)?,
            short: Arc::new(Semaphore::new(SHORT_PERMITS)),
            downloads: Arc::new(Semaphore::new(TRANSFER_PERMITS)),
            uploads: Arc::new(Semaphore::new(TRANSFER_PERMITS)),
            segments: Arc::new(Semaphore::new(SEGMENTS)),
        })))
    }

    /// The class of a registry's own address: at once where its name is one, else of what was connected to. None
    /// behind a proxy, which alone knows.
    pub(crate) fn class_of(&self, origin: &Origin) -> Option<Class> {
        match literal(&origin.host) {
            Some(address) => Some(classify(address)),
            None if origin.is_loopback() => Some(Class::Loopback),
            None => self.0.clients.classes().get(&origin.host),
        }
    }

    /// What a server may make us connect to on behalf of this registry.
    pub(crate) fn foreign_addresses(&self, registry: &Origin) -> AddressPolicy {
        AddressPolicy::Public(self.class_of(registry).filter(|class| *class != Class::Public))
    }

    /// A permit for one transfer, kept over its retries.
    pub(crate) async fn transfer_permit(&self, transfer: Transfer) -> Result<OwnedSemaphorePermit> {
        let permits = match transfer {
            Transfer::Download => &self.0.downloads,
            Transfer::Upload => &self.0.uploads,
        };
        take(permits).await
    }

    /// A permit for one more download that nobody waits for.
    pub(crate) fn spare_permit(&self) -> Option<OwnedSemaphorePermit> {
        self.0.downloads.clone().try_acquire_owned().ok()
    }

    /// Room in memory for a segment of a blob that comes before its turn.
    pub(crate) fn segment_permit(&self) -> Option<OwnedSemaphorePermit> {
        self.0.segments.clone().try_acquire_owned().ok()
    }

    /// Sends one request and waits for the head of the answer.
    pub(crate) async fn send(
        &self,
        outgoing: Outgoing,
        call: &Call,
    ) -> std::result::Result<RawResponse, Failure> {
        call.operation.check().map_err(Failure::last)?;
        tokio::select! {
            biased;
            error = call.operation.ended() => Err(Failure::last(error)),
            result = self.exchange(outgoing, call) => result,
        }
    }

    async fn exchange(&self, outgoing: Outgoing, call: &Call) -> std::result::Result<RawResponse, Failure> {
        let Outgoing { method, url, mut headers, body, addresses, permit, wait } = outgoing;
        let origin = Origin::of(&url).map_err(Failure::last)?;
        if addresses != AddressPolicy::Any {
            addresses.check(&origin, "the request to").map_err(Failure::last)?;
        }
        let permit = match permit {
            Permit::Short => Some(take(&self.0.short).await.map_err(Failure::last)?),
            Permit::Held => None,
        };
        let client = self
            .0
            .clients
            .get(&url, addresses, &call.operation)
            .await
            .map_err(|error| Failure { error, stage: Stage::Setup })?;
        // A compressed answer would break sizes and digests (Q54, G-11).
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let (proxy, named) = (self.0.clients.proxy_of(&url), self.0.clients.proxy_url(&url));
        let bodied = matches!(method, Method::POST | Method::PUT | Method::PATCH);
        let mut request = reqwest::Request::new(method.clone(), url);
        let (body, progress) = body.into_body(&call.operation);
        if bodied {
            // Also of nothing (Q32), and chunked only where there is no telling (Q44).
            if let Some(length) = progress.length {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
            *request.body_mut() = Some(body);
        }
        *request.headers_mut() = headers;
        call.operation.count(Count::Request);
        let answer = client.execute(request);
        tokio::pin!(answer);
        let slow = watch(&progress, wait, &call.settings);
        tokio::select! {
            biased;
            result = &mut answer => match (result, proxy.as_deref()) {
                (Ok(response), Some(proxy)) if response.status().as_u16() == 407 => {
                    Err(Failure::at_proxy(proxy, &origin))
                }
                // Which of the two is the body's end is what a smuggled answer plays with.
                (Ok(response), _) if has_two_lengths(&response) => {
                    let why = "the answer has both Content-Length and Transfer-Encoding";
                    let error = Error::new(Kind::Protocol, format!("{}: {why}", origin.authority()));
                    Err(Failure { error, stage: Stage::Garbled })
                }
                (Ok(response), proxy) => {
                    if let (None, AddressPolicy::Any, Some(peer)) = (proxy, addresses, response.remote_addr()) {
                        self.0.clients.classes().put(&origin.host, classify(peer.ip()));
                    }
                    // Without the query, which may hold an upload's state or a signature.
                    call.operation.log(Level::Debug, || {
                        let (path, status) = (printable(response.url().path()), response.status().as_u16());
                        format!("{method} {}{path}: {status}", origin.authority())
                    });
                    let proxy = proxy.map(str::to_owned);
                    Ok(RawResponse { response, call: call.clone(), proxy, _permit: permit })
                }
                (Err(error), proxy) => {
                    if let Some(error) = progress.source_error() {
                        return Err(Failure::last(error));
                    }
                    let failure = Failure::of(error, &origin, proxy, &call.settings);
                    match (named, failure.stage) {
                        (Some(named), Stage::Tunnel) => {
                            let names = self.0.clients.names();
                            let limit = call.settings.connect_timeout;
                            let status = tunnel::status(&named, &origin, names, limit).await;
                            Err(failure.at_tunnel(status))
                        }
                        _ => Err(failure),
                    }
                }
            },
            error = slow => Err(Failure { error: error.context(origin.authority()), stage: Stage::Silent }),
        }
    }
}

/// Ends when a body on its way out is too slow, or when the answer's head takes too long after it.
async fn watch(progress: &BodyProgress, wait: Duration, settings: &Settings) -> Error {
    let (rate, window) = (settings.min_rate, settings.min_rate_window);
    let mut before = 0;
    while !progress.is_out() {
        tokio::select! {
            () = progress.out() => break,
            () = tokio::time::sleep(window.max(settings.connect_timeout)) => {}
        }
        let now = progress.bytes();
        if !progress.is_out() && too_slow(now - before, window, rate) {
            return Error::new(
                Kind::Timeout,
                format!("the upload is slower than {rate} bytes a second (option min_rate)"),
            );
        }
        before = now;
    }
    tokio::time::sleep(wait).await;
    Error::new(
        Kind::Timeout,
        format!(
            "no answer within {} ms (options header_timeout_ms and, for the end of an upload, commit_timeout_ms)",
            wait.as_millis()
        ),
    )
}

/// Whether `bytes` in `window` are below `rate` bytes a second.
pub(crate) fn too_slow(bytes: u64, window: Duration, rate: u64) -> bool {
    u128::from(bytes) * 1000 < u128::from(rate) * window.as_millis()
}

fn has_two_lengths(response: &reqwest::Response) -> bool {
    let has = |name| response.headers().contains_key(name);
    has(header::CONTENT_LENGTH) && has(header::TRANSFER_ENCODING)
}

/// Waits for one of these permits.
pub(super) async fn take(permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
    permits
        .clone()
        .acquire_owned()
        .await
        .map_err(|_| Error::new(Kind::Internal, "the connections are closed"))
}

/// A header's value of a caller's; beyond ASCII there is no telling how a server reads it.
pub(super) fn header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok().filter(|_| text.is_ascii())
}
