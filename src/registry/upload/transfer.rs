//! The bytes of one blob on their way out, in one session.

use std::sync::Arc;

use http::{HeaderMap, Method, header};

use super::body_source::{self, BlobSource};
use super::session::{Session, UploadSessions};
use crate::error::{Error, Kind, Result};
use crate::oci::Descriptor;
use crate::operation::Meter;
use crate::registry::capabilities::{CHUNKS, Strategy};
use crate::registry::manifests;
use crate::registry::policy::Location;
use crate::registry::repository::Repository;
use crate::registry::request::{Request, Target};
use crate::registry::response::Response;
use crate::registry::retry;
use crate::registry::transport::Permit;

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
        let Some(location) = saved.and_then(|saved| self.repository.saved_location(&saved)) else {
            return Ok(false);
        };
        for length in CHUNKS {
            let (location, offset) = match self.repository.session_state(&location).await {
                Ok(Some((location, offset))) if offset > 0 && offset <= self.size() => (location, offset),
                Err(error) if error.kind() == Kind::Cancelled => return Err(error),
                _ => break,
            };
            // Parts of this length would not have ended there.
            if offset % length != 0 {
                continue;
            }
            match self.send_chunks(location, offset, length).await? {
                Outcome::Done => return Ok(true),
                Outcome::Refused(_) => {}
                _ => break,
            }
        }
        self.sessions.remove(&self.key);
        Ok(false)
    }

    pub(super) async fn send(&self, location: Location, strategy: Strategy) -> Result<Outcome> {
        match strategy {
            Strategy::Whole => self.commit(&location, 0).await,
            Strategy::Streamed => match self.patch(&location, 0, self.size(), false).await? {
                Ok(location) => self.commit(&location, self.size()).await,
                Err(outcome) => Ok(outcome),
            },
            Strategy::Chunked(length) => self.send_chunks(location, 0, length).await,
        }
    }

    async fn send_chunks(&self, mut location: Location, mut offset: u64, length: u64) -> Result<Outcome> {
        let mut continuations = CONTINUATIONS;
        while self.size() - offset > length {
            match self.patch(&location, offset, length, true).await? {
                // The registry's Range can lag behind (Q35): what was sent and taken counts.
                Ok(next) => {
                    (location, offset) = (next, offset + length);
                    self.sessions.save(&self.key, &Session { location: location.url.to_string(), offset });
                }
                Err(Outcome::Broken(error)) if continuations > 0 => {
                    continuations -= 1;
                    self.repository.call.operation.check()?;
                    match self.repository.session_state(&location).await {
                        Ok(Some((next, at))) if at >= offset && at <= self.size() => {
                            (location, offset) = (next, at)
                        }
                        _ => return Ok(Outcome::Broken(error)),
                    }
                }
                Err(outcome) => return Ok(outcome),
            }
        }
        self.commit(&location, offset).await
    }

    /// One PATCH; the session's next location.
    async fn patch(
        &self,
        location: &Location,
        start: u64,
        length: u64,
        chunk: bool,
    ) -> Result<std::result::Result<Location, Outcome>> {
        let mut request =
            self.request(Method::PATCH, Target::Url { url: location.url.clone(), own: location.own });
        if chunk && length > 0 {
            request = request.header(header::CONTENT_RANGE, &format!("{start}-{}", start + length - 1));
        }
        let body = || Ok(body_source::body(&self.source, start, length, &self.meter));
        let response = match self.repository.exchange(&request.body(&body)).await {
            Ok(response) => response,
            Err(error) => return broken(error).map(Err),
        };
        // ECR says 201 (Q35), others 204 (Q41).
        if !matches!(response.status, 201 | 202 | 204) {
            return self.refused(response).await.map(Err);
        }
        let next = self.repository.next_location(&response)?;
        response.drain().await?;
        Ok(Ok(next))
    }

    /// The PUT that ends an upload, with what is left of the blob from `start` on.
    pub(super) async fn commit(&self, location: &Location, start: u64) -> Result<Outcome> {
        let mut url = location.url.clone();
        // Appended as it is: the rest of the query is the server's signed state (Q29, R-15).
        let query = match url.query() {
            Some(query) if !query.is_empty() => format!("{query}&digest={}", self.descriptor.digest),
            _ => format!("digest={}", self.descriptor.digest),
        };
        url.set_query(Some(&query));
        let length = self.size() - start;
        let mut request = self.request(Method::PUT, Target::Url { url, own: location.own });
        request.commit = true;
        if start > 0 && length > 0 {
            request = request.header(header::CONTENT_RANGE, &format!("{start}-{}", self.size() - 1));
        }
        let body = || Ok(body_source::body(&self.source, start, length, &self.meter));
        let response = match self.repository.exchange(&request.body(&body)).await {
            Ok(response) => response,
            Err(error) => return broken(error),
        };
        if !matches!(response.status, 201 | 204) {
            return self.refused(response).await;
        }
        manifests::check_claim(&response.headers, &self.descriptor.digest, &self.key)?;
        response.drain().await?;
        Ok(Outcome::Done)
    }

    fn request(&self, method: Method, target: Target) -> Request<'static> {
        let mut request = Request::new(method, target, self.repository.push_scope())
            .header(header::CONTENT_TYPE, "application/octet-stream");
        request.permit = Permit::Held;
        request.safe = false;
        request
    }

    async fn refused(&self, response: Response) -> Result<Outcome> {
        let (status, headers) = (response.status, response.headers.clone());
        let error_response = response.error_response().await?;
        let gone = status == 404
            && (error_response.has_code("BLOB_UPLOAD_UNKNOWN")
                || error_response.has_code("BLOB_UPLOAD_INVALID"));
        let error = error_response.into_error(&self.key);
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
