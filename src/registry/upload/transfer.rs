//! The bytes of one blob on their way out, in one session.

use std::sync::Arc;

use http::{HeaderMap, Method, header};

use super::feed::{self, BlobSource};
use super::session::{Session, UploadSessions};
use crate::error::{Error, Kind, Result};
use crate::oci::Descriptor;
use crate::operation::Meter;
use crate::registry::capabilities::{CHUNKS, Strategy};
use crate::registry::manifests;
use crate::registry::policy::Hop;
use crate::registry::reply::Reply;
use crate::registry::repository::Repository;
use crate::registry::request::{Request, Target};
use crate::registry::retry;
use crate::registry::transport::Lane;

/// How often a session is asked where it is and continued.
const CONTINUATIONS: u32 = 5;

pub(super) struct Upload<'a> {
    repository: &'a Repository,
    descriptor: &'a Descriptor,
    source: Arc<dyn BlobSource>,
    sessions: &'a dyn UploadSessions,
    meter: Arc<Meter>,
    key: String,
}

/// What became of one session.
pub(super) enum Outcome {
    /// The registry has the blob.
    Done,
    /// The registry would not take it in this way.
    Refused(Error),
    /// A status that may pass.
    Passing(Error, HeaderMap),
    /// The connection broke, or the session is gone.
    Broken(Error),
}

impl<'a> Upload<'a> {
    pub(super) fn new(
        repository: &'a Repository,
        descriptor: &'a Descriptor,
        source: Arc<dyn BlobSource>,
        sessions: &'a dyn UploadSessions,
    ) -> Self {
        let key = format!("{}@{}", repository.name(), descriptor.digest);
        let meter = Arc::new(repository.call.operation.meter());
        Self { repository, descriptor, source, sessions, meter, key }
    }

    pub(super) fn descriptor(&self) -> &Descriptor {
        self.descriptor
    }

    pub(super) fn size(&self) -> u64 {
        self.descriptor.size
    }

    /// All of it is at the registry.
    pub(super) fn done(&self) {
        self.meter.at(self.size());
        self.sessions.remove(&self.key);
    }

    /// Continues an upload of an earlier process; false where there is none that can be.
    pub(super) async fn resume_saved(&self) -> Result<bool> {
        let saved = self.sessions.load(&self.key);
        let Some(hop) = saved.and_then(|saved| self.repository.saved_hop(&saved)) else { return Ok(false) };
        for length in CHUNKS {
            let (hop, offset) = match self.repository.session_state(&hop).await {
                Ok(Some((hop, offset))) if offset > 0 && offset <= self.size() => (hop, offset),
                Err(error) if error.kind() == Kind::Cancelled => return Err(error),
                _ => break,
            };
            // Parts of this length would not have ended there.
            if offset % length != 0 {
                continue;
            }
            match self.send_chunks(hop, offset, length).await? {
                Outcome::Done => return Ok(true),
                Outcome::Refused(_) => {}
                _ => break,
            }
        }
        self.sessions.remove(&self.key);
        Ok(false)
    }

    pub(super) async fn send(&self, hop: Hop, strategy: Strategy) -> Result<Outcome> {
        match strategy {
            Strategy::Whole => self.commit(&hop, 0).await,
            Strategy::Streamed => match self.patch(&hop, 0, self.size(), false).await? {
                Ok(hop) => self.commit(&hop, self.size()).await,
                Err(outcome) => Ok(outcome),
            },
            Strategy::Chunked(length) => self.send_chunks(hop, 0, length).await,
        }
    }

    async fn send_chunks(&self, mut hop: Hop, mut offset: u64, length: u64) -> Result<Outcome> {
        let mut continuations = CONTINUATIONS;
        while self.size() - offset > length {
            match self.patch(&hop, offset, length, true).await? {
                // The registry's Range can lag behind (Q35): what was sent and taken counts.
                Ok(next) => {
                    (hop, offset) = (next, offset + length);
                    self.sessions.save(&self.key, &Session { location: hop.url.to_string(), offset });
                }
                Err(Outcome::Broken(error)) if continuations > 0 => {
                    continuations -= 1;
                    self.repository.call.operation.check()?;
                    match self.repository.session_state(&hop).await {
                        Ok(Some((next, at))) if at >= offset && at <= self.size() => {
                            (hop, offset) = (next, at)
                        }
                        _ => return Ok(Outcome::Broken(error)),
                    }
                }
                Err(outcome) => return Ok(outcome),
            }
        }
        self.commit(&hop, offset).await
    }

    /// One PATCH; the session's next location.
    async fn patch(
        &self,
        hop: &Hop,
        start: u64,
        length: u64,
        chunk: bool,
    ) -> Result<std::result::Result<Hop, Outcome>> {
        let mut request = self.request(Method::PATCH, Target::Url { url: hop.url.clone(), own: hop.own });
        if chunk && length > 0 {
            request = request.header(header::CONTENT_RANGE, &format!("{start}-{}", start + length - 1));
        }
        let payload = || Ok(feed::payload(&self.source, start, length, &self.meter));
        let reply = match self.repository.exchange(&request.payload(&payload)).await {
            Ok(reply) => reply,
            Err(error) => return broken(error).map(Err),
        };
        // ECR says 201 (Q35), others 204 (Q41).
        if !matches!(reply.status, 201 | 202 | 204) {
            return self.refused(reply).await.map(Err);
        }
        let next = self.repository.next_location(&reply)?;
        reply.drain().await?;
        Ok(Ok(next))
    }

    /// The PUT that ends an upload, with what is left of the blob from `start` on.
    pub(super) async fn commit(&self, hop: &Hop, start: u64) -> Result<Outcome> {
        let mut url = hop.url.clone();
        // Appended as it is: the rest of the query is the server's signed state (Q29, R-15).
        let query = match url.query() {
            Some(query) if !query.is_empty() => format!("{query}&digest={}", self.descriptor.digest),
            _ => format!("digest={}", self.descriptor.digest),
        };
        url.set_query(Some(&query));
        let length = self.size() - start;
        let mut request = self.request(Method::PUT, Target::Url { url, own: hop.own });
        request.commit = true;
        if start > 0 && length > 0 {
            request = request.header(header::CONTENT_RANGE, &format!("{start}-{}", self.size() - 1));
        }
        let payload = || Ok(feed::payload(&self.source, start, length, &self.meter));
        let reply = match self.repository.exchange(&request.payload(&payload)).await {
            Ok(reply) => reply,
            Err(error) => return broken(error),
        };
        if !matches!(reply.status, 201 | 204) {
            return self.refused(reply).await;
        }
        manifests::check_claim(&reply.headers, &self.descriptor.digest, &self.key)?;
        reply.drain().await?;
        Ok(Outcome::Done)
    }

    fn request(&self, method: Method, target: Target) -> Request<'static> {
        let mut request = Request::new(method, target, self.repository.push_scope())
            .header(header::CONTENT_TYPE, "application/octet-stream");
        request.lane = Lane::Held;
        request.safe = false;
        request
    }

    async fn refused(&self, reply: Reply) -> Result<Outcome> {
        let (status, headers) = (reply.status, reply.headers.clone());
        let complaint = reply.complaint().await?;
        let gone = status == 404
            && (complaint.has_code("BLOB_UPLOAD_UNKNOWN") || complaint.has_code("BLOB_UPLOAD_INVALID"));
        let error = complaint.into_error(&self.key);
        Ok(match status {
            _ if gone => Outcome::Broken(error.with_retryable(true)),
            404 | 405 | 411 | 413 | 416 | 501 => Outcome::Refused(error),
            _ if retry::is_passing(status) => Outcome::Passing(error, headers),
            _ => return Err(error),
        })
    }
}

/// A request that came to nothing on its way can be made again, in a new session.
fn broken(error: Error) -> Result<Outcome> {
    if error.retryable() && matches!(error.kind(), Kind::Network | Kind::Timeout) {
        Ok(Outcome::Broken(error))
    } else {
        Err(error)
    }
}
