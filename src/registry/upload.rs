//! Uploads of blobs: skipped where they are there, mounted where they can be, else sent, in the way that this
//! host is known to take (Q28 to Q48).

mod feed;
mod growing;
mod session;
mod transfer;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{Method, header};

use super::policy::{self, Hop};
use super::reply::Reply;
use super::repository::Repository;
use super::request::{Call, Target};
use super::retry::{Next, Tries, pause_for, too_long};
use super::transport::Transfer;
use crate::error::{Error, Kind, Result, printable};
use crate::oci::Descriptor;
use crate::operation::{Count, Operation};
pub use feed::{BlobSource, BytesSource};
pub use session::{NoSessions, Session, UploadSessions};
use transfer::{Outcome, Upload};

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
/// Chunks, where a host wants them.
const CHUNK: u64 = CHUNKS[0];
/// Smaller ones, where a host refuses the larger (GHCR takes 4 MiB in a PATCH, Q33).
const CHUNKS: [u64; 3] = [16 << 20, 4 << 20, 1 << 20];

/// How a host takes blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    /// All of it in the PUT.
    Whole,
    /// All of it in one PATCH, then an empty PUT (Q37, Q38).
    Streamed,
    /// One PATCH for each part of at most so many bytes; the last goes in the PUT (Q33, Q36).
    Chunked(u64),
}

/// What was learnt about a host's uploads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    strategy: Strategy,
    mounts_from_itself: bool,
    /// A body whose length shows at its end.
    takes_growing: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self { strategy: Strategy::Whole, mounts_from_itself: true, takes_growing: true }
    }
}

/// How an upload begins.
enum Begun {
    There,
    Mounted,
    Session(Hop, u64),
}

impl Repository {
    /// Brings a blob to the repository with the fewest requests. `mount_from` are repositories of the same
    /// registry (Q50).
    pub async fn upload_blob(
        &self,
        descriptor: &Descriptor,
        source: Arc<dyn BlobSource>,
        mount_from: &[String],
        sessions: &dyn UploadSessions,
        operation: &Operation,
    ) -> Result<Uploaded> {
        let _place = self.registry.transport().place(Transfer::Upload, operation).await?;
        let upload = Upload::new(self, descriptor, source, sessions, operation);
        if !upload.resume_saved().await? {
            match self.begin(descriptor, mount_from, operation).await? {
                Begun::There => {
                    upload.done();
                    operation.count(Count::Skipped);
                    return Ok(Uploaded::Skipped);
                }
                Begun::Mounted => {
                    upload.done();
                    operation.count(Count::Mounted);
                    return Ok(Uploaded::Mounted);
                }
                Begun::Session(hop, least) => self.send_blob(&upload, Some((hop, least)), operation).await?,
            }
        }
        upload.done();
        operation.count(Count::Uploaded);
        Ok(Uploaded::Sent)
    }

    /// Sends a blob whatever the registry said about it before: it turned out not to be there (Q59, R-36).
    pub async fn upload_blob_again(
        &self,
        descriptor: &Descriptor,
        source: Arc<dyn BlobSource>,
        operation: &Operation,
    ) -> Result<()> {
        let _place = self.registry.transport().place(Transfer::Upload, operation).await?;
        let upload = Upload::new(self, descriptor, source, &NoSessions, operation);
        self.send_blob(&upload, None, operation).await?;
        operation.count(Count::Uploaded);
        Ok(())
    }

    async fn begin(
        &self,
        descriptor: &Descriptor,
        mount_from: &[String],
        operation: &Operation,
    ) -> Result<Begun> {
        let own = &self.reference.repository;
        let others: Vec<&String> = mount_from.iter().filter(|from| *from != own).collect();
        let probing = others.is_empty()
            && descriptor.size <= SMALL
            && self.registry.habits(&self.reference.registry).mounts_from_itself;
        if probing {
            return match self.mount(descriptor, own, operation).await? {
                Some(Begun::Mounted) => Ok(Begun::There),
                Some(begun) => {
                    // It is not there, or this host does not mount: only one blob of a call has to ask.
                    if !self.fresh.load(Ordering::Relaxed) {
                        if self.blob_exists(descriptor, operation).await? {
                            let name = &self.reference.registry;
                            self.registry.change_habits(name, |h| h.mounts_from_itself = false);
                            return Ok(Begun::There);
                        }
                        self.fresh.store(true, Ordering::Relaxed);
                    }
                    Ok(begun)
                }
                None => {
                    self.registry.change_habits(&self.reference.registry, |h| h.mounts_from_itself = false);
                    Box::pin(self.begin(descriptor, mount_from, operation)).await
                }
            };
        }
        if self.blob_exists(descriptor, operation).await? {
            return Ok(Begun::There);
        }
        self.fresh.store(true, Ordering::Relaxed);
        let mut session = None;
        for from in others {
            match self.mount(descriptor, from, operation).await? {
                Some(Begun::Session(hop, least)) => session = Some((hop, least)),
                Some(begun) => return Ok(begun),
                None => {}
            }
        }
        let (hop, least) = match session {
            Some(session) => session,
            None => self.begin_session(operation).await?,
        };
        Ok(Begun::Session(hop, least))
    }

    /// Asks for a mount: done, a session instead, or nothing where the registry would have neither (Q48).
    async fn mount(
        &self,
        descriptor: &Descriptor,
        from: &str,
        operation: &Operation,
    ) -> Result<Option<Begun>> {
        let path = self.path(&format!("blobs/uploads/?mount={}&from={from}", descriptor.digest));
        let scope = self.push_scope().with_mount_from(from);
        let reply = match self.exchange(&Call::new(Method::POST, Target::Path(path), scope), operation).await
        {
            Ok(reply) => reply,
            // A source that may not be read must not fail the push (Q49).
            Err(error)
                if matches!(error.kind(), Kind::Unauthorized | Kind::Denied)
                    && from != self.reference.repository =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        match reply.status {
            201 => {
                let located = reply.headers.contains_key(header::LOCATION);
                reply.drain(&self.settings, operation).await?;
                // Without a Location it is not what the specification calls mounted.
                let there = located || self.blob_exists(descriptor, operation).await?;
                Ok(there.then_some(Begun::Mounted))
            }
            202 => {
                self.session_of(reply, operation).await.map(|(hop, least)| Some(Begun::Session(hop, least)))
            }
            400..=499 => reply.drain(&self.settings, operation).await.map(|()| None),
            _ => Err(reply.complaint(&self.settings, operation).await?.into_error(&self.name())),
        }
    }

    async fn begin_session(&self, operation: &Operation) -> Result<(Hop, u64)> {
        let call = Call::new(Method::POST, Target::Path(self.path("blobs/uploads/")), self.push_scope());
        let reply = self.exchange(&call, operation).await?;
        if reply.status != 202 {
            return Err(reply.complaint(&self.settings, operation).await?.into_error(&self.name()));
        }
        self.session_of(reply, operation).await
    }

    /// The session of a 202, and the least length of a chunk that the registry wants.
    async fn session_of(&self, reply: Reply, operation: &Operation) -> Result<(Hop, u64)> {
        let hop = self.next_location(&reply)?;
        let least = reply.header("oci-chunk-min-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        reply.drain(&self.settings, operation).await?;
        Ok((hop, least))
    }

    fn next_location(&self, reply: &Reply) -> Result<Hop> {
        let location = reply.headers.get(header::LOCATION).map(|value| {
            value.to_str().map_err(|_| {
                let text = printable(value.as_bytes());
                Error::new(Kind::Protocol, format!("the upload location '{text}' is no URL"))
            })
        });
        let location = match location {
            Some(text) => text,
            None => Err(Error::new(Kind::Protocol, "the upload has no Location")),
        };
        let hosts = self.registry.transport().settings().list("upload_hosts");
        location
            .and_then(|text| policy::location(&self.origin()?, &reply.url, text, hosts))
            .map_err(|error| error.context(self.name()).with_http_status(reply.status))
    }

    /// Sends a blob, in another way or in a new session where one fails.
    async fn send_blob(
        &self,
        upload: &Upload<'_>,
        mut session: Option<(Hop, u64)>,
        operation: &Operation,
    ) -> Result<()> {
        let host = &self.reference.registry;
        let mut tries = Tries::new(self.settings.int("retries"), operation.deadline());
        let mut strategy = self.registry.habits(host).strategy;
        loop {
            let (hop, least) = match session.take() {
                Some(session) => session,
                None => self.begin_session(operation).await?,
            };
            let begun = hop.clone();
            let sent = match upload.send(hop, strategy.with_least(least), operation).await {
                Ok(sent) => sent,
                Err(error) => {
                    self.abandon(&begun, strategy, &error, operation).await;
                    return Err(error);
                }
            };
            if let Outcome::Refused(error) | Outcome::Passing(error, _) = &sent {
                self.abandon(&begun, strategy, error, operation).await;
            }
            let (error, next) = match sent {
                Outcome::Done => {
                    self.registry.change_habits(host, |habits| habits.strategy = strategy);
                    return Ok(());
                }
                Outcome::Refused(error) => match strategy.after(error.http_status(), upload.size()) {
                    Some(other) => {
                        strategy = other;
                        continue;
                    }
                    None => return Err(error),
                },
                Outcome::Passing(error, headers) => {
                    let next = tries.after_status(error.http_status().unwrap_or(0), &headers);
                    (error, next)
                }
                Outcome::Broken(error) => {
                    operation.check()?;
                    // The answer may have been lost, and not the blob.
                    if self.blob_exists(upload.descriptor(), operation).await.unwrap_or(false) {
                        return Ok(());
                    }
                    // What is large goes in parts from here on, so that not all of it is lost again.
                    if strategy == Strategy::Whole && upload.size() > 2 * CHUNK {
                        strategy = Strategy::Chunked(CHUNK);
                    }
                    (error, tries.again(None))
                }
            };
            match next {
                Next::Wait(pause) => {
                    operation.count(Count::Retry);
                    pause_for(pause, operation).await?;
                }
                Next::TooLong(wait) => return Err(too_long(error, wait)),
                Next::Stop => return Err(error),
            }
        }
    }

    /// Cancels an upload that its registry answered with an error; what can be resumed stays.
    async fn abandon(&self, hop: &Hop, strategy: Strategy, error: &Error, operation: &Operation) {
        if error.http_status().is_some() && !matches!(strategy, Strategy::Chunked(_)) {
            self.cancel_session(hop, operation).await;
        }
    }
}

impl Strategy {
    /// The way to try after this one was refused.
    fn after(self, status: Option<u16>, size: u64) -> Option<Self> {
        let chunks_below = |limit| CHUNKS.into_iter().find(|length| *length < limit).map(Self::Chunked);
        match (self, status) {
            (Self::Whole, Some(413)) => chunks_below(size),
            (Self::Whole, _) => Some(Self::Streamed),
            (Self::Streamed, Some(413 | 416)) => chunks_below(size),
            (Self::Chunked(length), Some(413 | 416)) => chunks_below(length),
            _ => None,
        }
    }

    /// The registry's own least chunk is heeded where it makes sense.
    fn with_least(self, least: u64) -> Self {
        match self {
            Self::Chunked(_) if least > 16 * CHUNK => Self::Streamed,
            Self::Chunked(length) => Self::Chunked(length.max(least)),
            other => other,
        }
    }
}
