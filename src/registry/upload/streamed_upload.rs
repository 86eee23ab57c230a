//! A blob that is sent while it is made: its size and digest show at its end.

use bytes::Bytes;
use http::{Method, header};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

use super::transfer::{Outcome, PARTING, Upload};
use super::{BytesSource, NoSessions};
use crate::call::Call;
use crate::error::{Error, Kind, Result};
use crate::oci::Descriptor;
use crate::operation::{Count, Operation};
use crate::registry::capabilities::Strategy;
use crate::registry::policy::Location;
use crate::registry::repository::Repository;
use crate::registry::request::{Request, Target};
use crate::registry::transport::{Permit, RequestBody, RequestStream};
use crate::thread::background;

/// How much of a blob is held back until it shows whether it is small.
const HELD: usize = 1 << 20;

impl Repository {
    /// Sends the chunks in one PATCH (chunked on HTTP/1.1) and ends the upload with what `described` gives
    /// once the last chunk is out. False where that came to nothing, so that the blob must be sent again in
    /// the usual way: this host takes no such body (Q33, Q38, Q44), the connection broke, or `described` had
    /// nothing to give. What was begun is cancelled then (Q43). What ends within [`HELD`] bytes is asked for by its
    /// digest first, like any other: it may be there.
    pub async fn upload_streamed(
        &self,
        mut chunks: mpsc::Receiver<io::Result<Bytes>>,
        described: impl Future<Output = Option<Descriptor>> + Send,
        mount_from: &[String],
    ) -> Result<bool> {
        let capabilities = self.host.capabilities();
        if !capabilities.takes_streamed || matches!(capabilities.strategy, Strategy::Chunked(_)) {
            return Ok(false);
        }
        let (mut held, mut size) = (Vec::new(), 0);
        while size <= HELD {
            match self.call.operation.run(async { Ok(chunks.recv().await) }).await? {
                Some(Ok(chunk)) => {
                    size += chunk.len();
                    held.push(chunk);
                }
                Some(Err(_)) => return Ok(false),
                None => {
                    let Some(descriptor) = described.await else { return Ok(false) };
                    let source = Arc::new(BytesSource(held.concat().into()));
                    return self
                        .upload_blob(&descriptor, source, mount_from, Arc::new(NoSessions))
                        .await
                        .map(|_| true);
                }
            }
        }
        let _permit = self.upload_permit().await?;
        let (location, _) = self.begin_session().await?;
        let (sender, all) = mpsc::channel(held.len());
        let feed = async move {
            for chunk in held {
                let _ = sender.send(Ok(chunk)).await;
            }
            while let Some(chunk) = chunks.recv().await {
                if sender.send(chunk).await.is_err() {
                    break;
                }
            }
            drop(sender);
            std::future::pending().await
        };
        let sending = self.call.operation.run(self.send_streamed(&location, all, described));
        let sent = tokio::select! {
            biased;
            sent = sending => sent,
            sent = feed => sent,
        };
        match &sent {
            Ok(true) => {
                self.fresh.store(true, std::sync::atomic::Ordering::Relaxed);
                self.call.operation.count(Count::Uploaded);
            }
            Ok(false) => self.cancel_session(&location).await,
            Err(_) => {
                let own = self.clone();
                background(async move { own.cancel_session(&location).await });
            }
        }
        sent
    }

    async fn send_streamed(
        &self,
        location: &Location,
        chunks: mpsc::Receiver<io::Result<Bytes>>,
        described: impl Future<Output = Option<Descriptor>> + Send,
    ) -> Result<bool> {
        let target = Target::Url { url: location.url.clone(), own: location.own };
        let mut request = Request::new(Method::PATCH, target, self.push_scope())
            .header(header::CONTENT_TYPE, "application/octet-stream");
        request.permit = Permit::Held;
        request.safe = false;
        let once = Mutex::new(Some(chunks));
        let body = || {
            let chunks = once.lock().unwrap_or_else(PoisonError::into_inner).take();
            let chunks = chunks.ok_or_else(|| Error::new(Kind::Network, "the body was sent already"))?;
            // Progress is the maker's to tell: it alone knows how far it is.
            let meter = Operation::new().meter("");
            Ok(RequestBody::Stream(RequestStream { length: None, chunks, meter, start: 0 }))
        };
        let response = match self.exchange(&request.body(&body)).await {
            Ok(response) => response,
            Err(error) if matches!(error.kind(), Kind::Network | Kind::Timeout) => {
                self.call.operation.check()?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        if !matches!(response.status, 201 | 202 | 204) {
            let (status, error_response) = (response.status, response.error_response().await?);
            if matches!(status, 401 | 403 | 429) {
                return Err(error_response.into_error(&self.name()));
            }
            self.host.change_capabilities(|host| host.takes_streamed = false);
            return Ok(false);
        }
        let next = self.next_location(&response)?;
        response.drain().await?;
        let Some(descriptor) = described.await else { return Ok(false) };
        let nothing = Arc::new(BytesSource(Bytes::new()));
        let upload = Upload::new(self, &descriptor, nothing, Arc::new(NoSessions));
        match upload.commit(&next, descriptor.size).await {
            Ok(Outcome::Done) => Ok(true),
            Ok(_) => Ok(false),
            Err(error) if error.kind() == Kind::Digest => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What an upload left behind that is given up; that it can't be removed is no matter (Q43).
    pub(super) async fn cancel_session(&self, location: &Location) {
        let call = match self.call.operation.check() {
            Ok(()) => self.call.clone(),
            Err(_) => Call::new(self.call.settings.clone(), Operation::new()),
        };
        let repository = self.clone().for_call(&call);
        let _ = tokio::time::timeout(PARTING, repository.delete_session(location)).await;
    }

    pub(super) async fn delete_session(&self, location: &Location) {
        let target = Target::Url { url: location.url.clone(), own: location.own };
        let mut request = Request::new(Method::DELETE, target, self.push_scope());
        request.safe = false;
        if let Ok(response) = self.exchange(&request).await {
            let _ = response.drain().await;
        }
    }
}
