//! A blob that is sent while it is made: its size and digest show at its end.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, header};
use tokio::sync::mpsc;

use super::transfer::{Outcome, Upload};
use super::{BytesSource, NoSessions, Strategy};
use crate::error::{Error, Kind, Result};
use crate::oci::Descriptor;
use crate::operation::{Count, Operation};
use crate::registry::policy::Hop;
use crate::registry::repository::Repository;
use crate::registry::request::{Call, Target};
use crate::registry::transport::{Lane, Outflow, Payload, Transfer};

impl Repository {
    /// Sends the chunks in one PATCH (chunked on HTTP/1.1) and ends the upload with what `described` gives
    /// once the last chunk is out. False where that came to nothing, so that the blob must be sent again in
    /// the usual way: this host takes no such body (Q33, Q38, Q44), the connection broke, or `described` had
    /// nothing to give. What was begun is cancelled then (Q43).
    pub async fn upload_growing(
        &self,
        chunks: mpsc::Receiver<io::Result<Bytes>>,
        described: impl Future<Output = Option<Descriptor>> + Send,
        operation: &Operation,
    ) -> Result<bool> {
        let habits = self.registry.habits(&self.reference.registry);
        if !habits.takes_growing || matches!(habits.strategy, Strategy::Chunked(_)) {
            return Ok(false);
        }
        let _place = self.registry.transport().place(Transfer::Upload, operation).await?;
        let (hop, _) = self.begin_session(operation).await?;
        let sent = operation.run(self.send_growing(&hop, chunks, described, operation)).await;
        match &sent {
            Ok(true) => {
                self.fresh.store(true, std::sync::atomic::Ordering::Relaxed);
                operation.count(Count::Uploaded);
            }
            _ => self.cancel_session(&hop, operation).await,
        }
        sent
    }

    async fn send_growing(
        &self,
        hop: &Hop,
        chunks: mpsc::Receiver<io::Result<Bytes>>,
        described: impl Future<Output = Option<Descriptor>> + Send,
        operation: &Operation,
    ) -> Result<bool> {
        let mut call =
            Call::new(Method::PATCH, Target::Url { url: hop.url.clone(), own: hop.own }, self.push_scope())
                .header(header::CONTENT_TYPE, "application/octet-stream");
        call.lane = Lane::Held;
        call.safe = false;
        let once = Mutex::new(Some(chunks));
        let payload = || {
            let chunks = once.lock().unwrap_or_else(PoisonError::into_inner).take();
            let chunks = chunks.ok_or_else(|| Error::new(Kind::Network, "the body was sent already"))?;
            // Progress is the maker's to tell: it alone knows how far it is.
            let meter = Arc::new(Operation::new().meter());
            Ok(Payload::Stream(Outflow { length: None, chunks, meter, start: 0 }))
        };
        let reply = match self.exchange(&call.payload(&payload), operation).await {
            Ok(reply) => reply,
            Err(error) if matches!(error.kind(), Kind::Network | Kind::Timeout) => {
                operation.check()?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        if !matches!(reply.status, 201 | 202 | 204) {
            let (status, complaint) = (reply.status, reply.complaint(&self.settings, operation).await?);
            if matches!(status, 401 | 403 | 429) {
                return Err(complaint.into_error(&self.name()));
            }
            self.registry.change_habits(&self.reference.registry, |habits| habits.takes_growing = false);
            return Ok(false);
        }
        let next = self.next_location(&reply)?;
        reply.drain(&self.settings, operation).await?;
        let Some(descriptor) = described.await else { return Ok(false) };
        let nothing = Arc::new(BytesSource(Bytes::new()));
        let upload = Upload::new(self, &descriptor, nothing, &NoSessions, operation);
        match upload.commit(&next, descriptor.size, operation).await {
            Ok(Outcome::Done) => Ok(true),
            Ok(_) => Ok(false),
            Err(error) if error.kind() == Kind::Digest => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What a failed or cancelled upload left behind; that it can't be removed is no matter (Q43). Whoever
    /// cancelled is promised to have his thread back within a second, and who failed wants to hear why.
    pub(super) async fn cancel_session(&self, hop: &Hop, operation: &Operation) {
        let own;
        let (operation, moment) = match operation.check() {
            Ok(()) => (operation, Duration::from_secs(5)),
            Err(_) => {
                own = Operation::new();
                (&own, Duration::from_millis(500))
            }
        };
        let _ = tokio::time::timeout(moment, self.delete_session(hop, operation)).await;
    }

    async fn delete_session(&self, hop: &Hop, operation: &Operation) {
        let target = Target::Url { url: hop.url.clone(), own: hop.own };
        let mut call = Call::new(Method::DELETE, target, self.push_scope());
        call.safe = false;
        if let Ok(reply) = self.exchange(&call, operation).await {
            let _ = reply.drain(&self.settings, operation).await;
        }
    }
}
