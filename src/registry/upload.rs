//! Uploads of blobs: skipped where they are there, mounted where they can be, else sent, in the way that this
//! host is known to take (Q28 to Q48).

mod body_source;
mod session;
mod streamed_upload;
mod transfer;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{Method, header};
use tokio::sync::OwnedSemaphorePermit;

use super::blobs::PROGRESS;
use super::capabilities::{CHUNK, Strategy};
use super::policy::{self, Location};
use super::repository::Repository;
use super::request::{Request, Target};
use super::response::Response;
use super::retry::{Next, RetryBudget, pause_for, too_long};
use super::transport::Transfer;
use crate::error::{Error, Kind, Result, printable};
use crate::oci::Descriptor;
use crate::operation::Count;
pub use body_source::{BlobSource, BytesSource};
pub use session::{NoSessions, Session, UploadSessions};
use transfer::{Outcome, Place, Upload};

/// How a blob came to be at the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploaded {
    /// It was there.
    Skipped,
    /// The registry took it from another of its repositories.
    Mounted,
    /// It was sent.
    Sent,
}

/// A blob up to this size is not asked for before its upload is begun: the request that begins it asks for a
/// mount from the repository itself, which is answered with 201 where the blob is there. One request less
/// for each config.
const SMALL: u64 = 64 << 10;

/// How an upload begins.
enum Begun {
    There,
    Mounted,
    Session(Location, u64),
}

/// Where a blob's bytes are sent to, and how.
struct Way {
    /// None: in a session that is still to begin.
    place: Option<Place>,
    /// The least length of a chunk that the registry wants.
    least: u64,
    strategy: Strategy,
}

impl Repository {
    /// Brings a blob to the repository with the fewest requests. `mount_from` are repositories of the same
    /// registry (Q50).
    pub async fn upload_blob(
        &self,
        descriptor: &Descriptor,
        source: Arc<dyn BlobSource>,
        mount_from: &[String],
        sessions: Arc<dyn UploadSessions>,
    ) -> Result<Uploaded> {
        let _permit = self.upload_permit().await?;
        let upload = Upload::new(self, descriptor, source, sessions);
        let way = match upload.saved().await? {
            Some((place, strategy)) => Way { place: Some(place), least: 0, strategy },
            None => match self.begin(descriptor, mount_from).await? {
                Begun::There => {
                    upload.done();
                    self.call.operation.count(Count::Skipped);
                    return Ok(Uploaded::Skipped);
                }
                Begun::Mounted => {
                    upload.done();
                    self.call.operation.count(Count::Mounted);
                    return Ok(Uploaded::Mounted);
                }
                Begun::Session(location, least) => {
                    Way { place: Some(Place { location, offset: 0 }), least, strategy: self.usual_strategy() }
                }
            },
        };
        self.send_blob(&upload, way).await?;
        upload.done();
        self.call.operation.count(Count::Uploaded);
        Ok(Uploaded::Sent)
    }

    async fn upload_permit(&self) -> Result<OwnedSemaphorePermit> {
        self.call.operation.run(self.registry.transport().transfer_permit(Transfer::Upload)).await
    }

    /// Sends a blob whatever the registry said about it before: it turned out not to be there (Q59, R-36).
    pub async fn upload_blob_again(
        &self,
        descriptor: &Descriptor,
        source: Arc<dyn BlobSource>,
    ) -> Result<()> {
        let _permit = self.upload_permit().await?;
        let upload = Upload::new(self, descriptor, source, Arc::new(NoSessions));
        let way = Way { place: None, least: 0, strategy: self.usual_strategy() };
        self.send_blob(&upload, way).await?;
        upload.done();
        self.call.operation.count(Count::Uploaded);
        Ok(())
    }

    async fn begin(&self, descriptor: &Descriptor, mount_from: &[String]) -> Result<Begun> {
        let own = &self.reference.repository;
        let capabilities = self.host.capabilities();
        let others: Vec<&String> =
            mount_from.iter().filter(|from| capabilities.mounts && *from != own).collect();
        let probing = others.is_empty()
            && descriptor.size <= SMALL
            && capabilities.mounts
            && capabilities.mounts_from_itself;
        if probing {
            return match self.mount(descriptor, own).await? {
                Some(Begun::Mounted) => Ok(Begun::There),
                Some(begun) => {
                    // It is not there, or this host does not mount: only one blob of a call has to ask.
                    if !self.fresh.load(Ordering::Relaxed) {
                        if self.blob_exists(descriptor).await? {
                            self.host.change_capabilities(|host| host.mounts_from_itself = false);
                            return Ok(Begun::There);
                        }
                        self.fresh.store(true, Ordering::Relaxed);
                    }
                    Ok(begun)
                }
                None => {
                    self.host.change_capabilities(|host| host.mounts_from_itself = false);
                    Box::pin(self.begin(descriptor, mount_from)).await
                }
            };
        }
        if self.blob_exists(descriptor).await? {
            return Ok(Begun::There);
        }
        self.fresh.store(true, Ordering::Relaxed);
        let mut session = None;
        for from in others {
            match self.mount(descriptor, from).await? {
                Some(Begun::Session(location, least)) => session = Some((location, least)),
                Some(begun) => return Ok(begun),
                None => {}
            }
        }
        let (location, least) = match session {
            Some(session) => session,
            None => self.begin_session().await?,
        };
        Ok(Begun::Session(location, least))
    }

    /// Asks for a mount: done, a session instead, or nothing where the registry would have neither (Q48).
    async fn mount(&self, descriptor: &Descriptor, from: &str) -> Result<Option<Begun>> {
        let path = self.path(&format!("blobs/uploads/?mount={}&from={from}", descriptor.digest));
        let scope = self.push_scope().with_mount_from(from);
        let response = match self.exchange(&Request::new(Method::POST, Target::Path(path), scope)).await {
            Ok(response) => response,
            // A source that may not be read must not fail the push (Q49).
            Err(error)
                if matches!(error.kind(), Kind::Unauthorized | Kind::Denied)
                    && from != self.reference.repository =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        match response.status {
            201 => {
                let located = response.headers.contains_key(header::LOCATION);
                response.drain().await?;
                // Without a Location it is not what the specification calls mounted.
                let there = located || self.blob_exists(descriptor).await?;
                Ok(there.then_some(Begun::Mounted))
            }
            202 => {
                self.session_of(response).await.map(|(location, least)| Some(Begun::Session(location, least)))
            }
            status @ 400..=599 => {
                // A server that fails at it, or has no such thing, need not be asked for the next blob.
                if status == 405 || status >= 500 {
                    self.host.change_capabilities(|host| host.mounts = false);
                }
                response.drain().await.map(|()| None)
            }
            _ => Err(response.error_response().await?.into_error(&self.name())),
        }
    }

    async fn begin_session(&self) -> Result<(Location, u64)> {
        let request =
            Request::new(Method::POST, Target::Path(self.path("blobs/uploads/")), self.push_scope());
        let response = self.exchange(&request).await?;
        if response.status != 202 {
            return Err(response.error_response().await?.into_error(&self.name()));
        }
        self.session_of(response).await
    }

    /// The session of a 202, and the least length of a chunk that the registry wants.
    async fn session_of(&self, response: Response) -> Result<(Location, u64)> {
        let location = self.next_location(&response)?;
        let least = response.header("oci-chunk-min-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        response.drain().await?;
        Ok((location, least))
    }

    fn next_location(&self, response: &Response) -> Result<Location> {
        let location = response.headers.get(header::LOCATION).map(|value| {
            response.location().ok_or_else(|| {
                let text = printable(value.as_bytes());
                Error::new(Kind::Protocol, format!("invalid upload location '{text}': not a URL"))
            })
        });
        let location = match location {
            Some(text) => text,
            None => Err(Error::new(Kind::Protocol, "the answer to the upload has no Location")),
        };
        let hosts = &self.call.settings.upload_hosts;
        location
            .and_then(|text| policy::location(self.origin(), &response.url, text, hosts))
            .map_err(|error| error.context(self.name()).with_http_status(response.status))
    }

    fn usual_strategy(&self) -> Strategy {
        self.host.capabilities().strategy
    }

    /// Sends a blob: on where the registry is after a break, in another way or in a new session where one fails.
    async fn send_blob(&self, upload: &Upload, way: Way) -> Result<()> {
        let mut budget = RetryBudget::new(&self.call, &self.outage);
        let Way { mut place, mut least, mut strategy } = way;
        // How far it came, and whether a session with something else in it was met.
        let (mut furthest, mut met_wrong) = (0, false);
        loop {
            let at = match place.take() {
                Some(place) => place,
                None => {
                    let (location, newest) = self.begin_session().await?;
                    least = newest;
                    Place { location, offset: 0 }
                }
            };
            let begun_before = at.offset > 0;
            let (error, next) = match upload.send(at, strategy.with_least(least)).await? {
                Outcome::Done => {
                    self.host.change_capabilities(|host| host.strategy = strategy);
                    return Ok(());
                }
                Outcome::Refused(error) => match strategy.after(error.http_status(), upload.size()) {
                    Some(other) => {
                        strategy = other;
                        if begun_before {
                            place = upload.continued().await?;
                        }
                        if place.is_none() {
                            upload.give_up().await;
                        }
                        continue;
                    }
                    None => return Err(error),
                },
                Outcome::Wrong(error) if met_wrong => return Err(error),
                Outcome::Wrong(_) => {
                    met_wrong = true;
                    self.call.operation.count(Count::Retry);
                    upload.give_up().await;
                    continue;
                }
                Outcome::Passing(error, headers) => {
                    let next = budget.after_status(error.http_status().unwrap_or(0), &headers);
                    (error, next)
                }
                Outcome::Broken(error) => {
                    self.call.operation.check()?;
                    // The registry was there a moment ago.
                    self.outage.begins();
                    // The answer may have been lost, and not the blob.
                    if self.blob_exists(upload.descriptor()).await.unwrap_or(false) {
                        return Ok(());
                    }
                    (error, budget.again(None))
                }
            };
            match next {
                Next::Wait(pause) => {
                    pause_for(pause, &self.call).await?;
                }
                Next::TooLong(wait) => return Err(too_long(error, wait)),
                Next::Stop => return Err(error),
            }
            place = upload.continued().await?;
            match &place {
                Some(place) if place.offset >= furthest + PROGRESS => {
                    furthest = place.offset;
                    budget.progressed();
                }
                Some(_) => {}
                None => {
                    upload.give_up().await;
                    // What is large goes in parts from here on, so that not all of it is lost again.
                    if strategy == Strategy::Whole && upload.size() > 2 * CHUNK {
                        strategy = Strategy::Chunked(CHUNK);
                    }
                }
            }
        }
    }
}
