//! The bytes of one blob on their way out, in one session.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method, header};

use super::body_source::{self, BlobSource};
use super::session::{Session, UploadSessions};
use crate::call::Call;
use crate::error::{Error, Kind, Result};
use crate::oci::Descriptor;
use crate::operation::{Meter, Operation};
use crate::registry::capabilities::{CHUNKS, Strategy};
use crate::registry::manifests;
use crate::registry::policy::Location;
use crate::registry::repository::Repository;
use crate::registry::request::{Request, Target};
use crate::registry::response::Response;
use crate::registry::retry;
use crate::registry::transport::Permit;
use crate::thread::background;

/// How often a session is asked where it is and continued.
const CONTINUATIONS: u32 = 5;

/// How often, and how long after one another, a session is looked at that still moves.
const LOOKS: u32 = 40;
const SETTLES: Duration = Duration::from_millis(250);

/// What a session must hold to be kept when a push ends without it.
const KEPT: u64 = 16 << 20;
/// How long the registry has for the end of what is given up.
pub(super) const PARTING: Duration = Duration::from_secs(5);

/// One blob on its way out. What it began at the registry and did not end is kept for the next push, or cancelled
/// (Q43), in the background once this is dropped.
pub(super) struct Upload {
    repository: Repository,
    descriptor: Descriptor,
    source: Arc<dyn BlobSource>,
    sessions: Arc<dyn UploadSessions>,
    meter: Arc<Meter>,
    key: String,
    open: Mutex<Option<Place>>,
}

/// Where an upload goes on: its session, and what that holds.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) location: Location,
    pub(super) offset: u64,
}

/// What became of one session.
pub(super) enum Outcome {
    /// The registry has the blob.
    Done,
    /// The registry would not take it in this way.
    Refused(Error),
    /// What the session held from before was not the blob's beginning, or can't be continued.
    Wrong(Error),
    /// A status that may pass.
    Passing(Error, HeaderMap),
    /// The connection broke, or the session is gone.
    Broken(Error),
}

impl Upload {
    pub(super) fn new(
        repository: &Repository,
        descriptor: &Descriptor,
        source: Arc<dyn BlobSource>,
        sessions: Arc<dyn UploadSessions>,
    ) -> Self {
        let key = format!("{}@{}", repository.name(), descriptor.digest);
        let meter = repository.call.operation.meter(descriptor.digest.as_str());
        let (repository, descriptor) = (repository.clone(), descriptor.clone());
        Self { repository, descriptor, source, sessions, meter, key, open: Mutex::new(None) }
    }

    pub(super) fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    pub(super) fn size(&self) -> u64 {
        self.descriptor.size
    }

    /// All of it is at the registry.
    pub(super) fn done(&self) {
        self.forget();
        self.meter.at(self.size());
    }

    fn open(&self) -> MutexGuard<'_, Option<Place>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of where it is, for a process that comes after this one.
    fn is_at(&self, place: &Place) {
        *self.open() = Some(place.clone());
        if self.size() >= KEPT {
            let location = place.location.url.to_string();
            self.sessions.save(&self.key, &Session { location, offset: place.offset });
        }
    }

    /// There is no session any more.
    fn forget(&self) {
        *self.open() = None;
        if self.size() >= KEPT {
            self.sessions.remove(&self.key);
        }
    }

    /// Gives up what was begun: it is cancelled.
    pub(super) async fn give_up(&self) {
        let place = self.open().take();
        self.forget();
        if let Some(place) = place {
            self.repository.cancel_session(&place.location).await;
        }
    }

    /// Where an upload of an earlier process goes on, and how its parts were sent; nothing where there is none that
    /// can be continued.
    pub(super) async fn saved(&self) -> Result<Option<(Place, Strategy)>> {
        if self.size() < KEPT {
            return Ok(None);
        }
        let saved = self.sessions.load(&self.key);
        let location = saved.as_ref().and_then(|saved| self.repository.saved_location(saved));
        let (Some(saved), Some(location)) = (saved, location) else { return Ok(None) };
        let Some(place) = self.settled(&location).await? else {
            self.forget();
            return Ok(None);
        };
        // Parts of another length would not have ended there.
        let parts = CHUNKS.into_iter().find(|length| place.offset % length == 0);
        let strategy = match parts.filter(|_| saved.offset > 0) {
            Some(length) => Strategy::Chunked(length),
            None => Strategy::Whole,
        };
        Ok(Some((place, strategy)))
    }

    /// Where the session goes on that was sent to last; nothing where it holds nothing, or is gone.
    pub(super) async fn continued(&self) -> Result<Option<Place>> {
        let place = self.open().clone();
        match place {
            Some(place) => self.settled(&place.location).await,
            None => Ok(None),
        }
    }

    /// The same once it no longer moves: a server may still take in what it got of a request that broke. Whoever goes
    /// on too early is at a wrong place, and Distribution gives the session up for that.
    async fn settled(&self, location: &Location) -> Result<Option<Place>> {
        let mut place = self.asked(location).await?;
        for _ in 0..LOOKS {
            let Some(before) = place.clone().filter(|_| self.size() >= KEPT) else { break };
            tokio::time::sleep(SETTLES).await;
            place = self.asked(&before.location).await?;
            if place.as_ref().is_some_and(|now| now.offset == before.offset) {
                return Ok(place);
            }
        }
        Ok(place)
    }

    async fn asked(&self, location: &Location) -> Result<Option<Place>> {
        let state = self.repository.session_state(location).await;
        self.repository.call.operation.check()?;
        let held = |offset: &u64| (1..=self.size()).contains(offset);
        Ok(state
            .ok()
            .flatten()
            .filter(|(_, offset)| held(offset))
            .map(|(location, offset)| Place { location, offset }))
    }

    /// Sends what the registry does not have yet.
    pub(super) async fn send(&self, place: Place, strategy: Strategy) -> Result<Outcome> {
        self.is_at(&place);
        let Place { location, offset } = place;
        let sent = match strategy {
            Strategy::Whole => self.commit(&location, offset).await,
            Strategy::Streamed => match self.patch(&location, offset, self.size() - offset, offset > 0).await
            {
                Ok(Ok(location)) => self.commit(&location, self.size()).await,
                Ok(Err(outcome)) => Ok(outcome),
                Err(error) => Err(error),
            },
            Strategy::Chunked(length) => self.send_chunks(location, offset, length).await,
        };
        match sent {
            Ok(Outcome::Refused(error)) if offset > 0 && error.http_status() == Some(416) => {
                Ok(Outcome::Wrong(error))
            }
            Err(error) if offset > 0 && is_wrong(&error) => Ok(Outcome::Wrong(error)),
            sent => sent,
        }
    }

    async fn send_chunks(&self, mut location: Location, mut offset: u64, length: u64) -> Result<Outcome> {
        let mut continuations = CONTINUATIONS;
        while self.size() - offset > length {
            match self.patch(&location, offset, length, true).await? {
                // The registry's Range can lag behind (Q35): what was sent and taken counts.
                Ok(next) => {
                    (location, offset) = (next, offset + length);
                    self.repository.outage.flows();
                    self.is_at(&Place { location: location.clone(), offset });
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

/// Ends what is left of an upload that nobody goes on with.
impl Drop for Upload {
    fn drop(&mut self) {
        let place = self.open.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let Some(place) = place else { return };
        let call = Call::new(self.repository.call.settings.clone(), Operation::new());
        let repository = self.repository.clone().for_call(&call);
        let keeps = self.size() >= KEPT && self.sessions.keeps();
        let (sessions, key) = (self.sessions.clone(), std::mem::take(&mut self.key));
        background(async move {
            let _ = tokio::time::timeout(PARTING, part(&repository, place, keeps, &*sessions, &key)).await;
        });
    }
}

/// Keeps a session that holds enough, else cancels it.
async fn part(repository: &Repository, place: Place, keeps: bool, sessions: &dyn UploadSessions, key: &str) {
    if keeps && place.offset >= KEPT {
        return;
    }
    if keeps {
        match repository.session_state(&place.location).await {
            Ok(Some((next, offset))) if offset >= KEPT => {
                // It goes on in one body, as it was sent: 0 says that there were no parts.
                return sessions.save(key, &Session { location: next.url.to_string(), offset: place.offset });
            }
            Ok(_) => {}
            // Whoever comes next can ask.
            Err(_) => return,
        }
    }
    sessions.remove(key);
    repository.delete_session(&place.location).await;
}

/// Whether a session that was continued may be what an error is about.
fn is_wrong(error: &Error) -> bool {
    let refused = |status: u16| (400..500).contains(&status) && !matches!(status, 401 | 403 | 407 | 429);
    matches!(error.kind(), Kind::Digest | Kind::Size) || error.http_status().is_some_and(refused)
}

/// A request that came to nothing on its way can be made again, in a new session.
fn broken(error: Error) -> Result<Outcome> {
    if error.retryable() && matches!(error.kind(), Kind::Network | Kind::Timeout) {
        Ok(Outcome::Broken(error))
    } else {
        Err(error)
    }
}
