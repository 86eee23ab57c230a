//! Bodies on their way out: counted, and watched for how fast they go.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::{Notify, mpsc};

use crate::error::Error;
use crate::operation::{Count, Meter, Operation};

/// What a source is read in: smaller chunks cost up to ten times as much.
pub(crate) const CHUNK: usize = 256 << 10;

/// What a body at hand goes in: each is out once there is room for it.
const SMALL_CHUNK: usize = 16 << 10;

/// The body of a request.
pub(crate) enum RequestBody {
    /// None.
    Empty,
    /// At hand.
    Bytes(Bytes),
    /// Read on another thread while it is sent.
    Stream(RequestStream),
}

/// A body that is read while it is sent.
pub(crate) struct RequestStream {
    /// How long it is; none where that shows at its end.
    pub(crate) length: Option<u64>,
    /// Its chunks; an error ends the request with that error.
    pub(crate) chunks: mpsc::Receiver<io::Result<Bytes>>,
    /// The blob's progress, and where in the blob this body begins.
    pub(crate) meter: Arc<Meter>,
    /// See `meter`.
    pub(crate) start: u64,
}

/// How far a body on its way out is.
pub(crate) struct BodyProgress {
    pub(crate) length: Option<u64>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    bytes: AtomicU64,
    out: AtomicBool,
    woken: Notify,
    failed: Mutex<Option<Error>>,
}

impl BodyProgress {
    pub(crate) fn bytes(&self) -> u64 {
        self.state.bytes.load(Ordering::Relaxed)
    }
    pub(crate) fn is_out(&self) -> bool {
        self.state.out.load(Ordering::Acquire)
    }
    pub(crate) async fn out(&self) {
        loop {
            let woken = self.state.woken.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            if self.is_out() {
                return;
            }
            woken.await;
        }
    }
    /// Why the source could not be read, if that ended the request.
    pub(crate) fn source_error(&self) -> Option<Error> {
        self.state.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl RequestBody {
    pub(crate) fn into_body(self, operation: &Operation) -> (reqwest::Body, BodyProgress) {
        let state = Arc::new(State::default());
        let (body, length) = match self {
            Self::Empty => (reqwest::Body::from(Bytes::new()), 0),
            // Also a small one may meet a server that takes nothing (a window of 0 in HTTP/2): it is out when it was
            // taken.
            Self::Bytes(bytes) => {
                let (length, mut left) = (bytes.len() as u64, bytes);
                let (sender, chunks) = mpsc::channel(left.len() / SMALL_CHUNK + 1);
                while !left.is_empty() {
                    let _ = sender.try_send(Ok(left.split_to(left.len().min(SMALL_CHUNK))));
                }
                let meter = Operation::new().meter("");
                let stream = RequestStream { length: Some(length), chunks, meter, start: 0 };
                return Self::Stream(stream).into_body(operation);
            }
            Self::Stream(stream) => {
                let length = stream.length;
                let counted = Counted { stream, operation: operation.clone(), state: state.clone() };
                return (reqwest::Body::wrap_stream(counted), BodyProgress { length, state });
            }
        };
        state.out.store(true, Ordering::Release);
        (body, BodyProgress { length: Some(length), state })
    }
}

struct Counted {
    stream: RequestStream,
    operation: Operation,
    state: Arc<State>,
}

impl Counted {
    fn end(&self) {
        self.state.out.store(true, Ordering::Release);
        self.state.woken.notify_waiters();
    }
}

impl Stream for Counted {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.stream.chunks.poll_recv(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(bytes))) => {
                let length = bytes.len() as u64;
                self.operation.count(Count::Sent(length));
                let sent = self.state.bytes.fetch_add(length, Ordering::Relaxed) + length;
                self.stream.meter.at(self.stream.start + sent);
                if self.stream.length.is_some_and(|length| sent >= length) {
                    self.end();
                }
                Poll::Ready(Some(Ok(bytes)))
            }
            Poll::Ready(Some(Err(error))) => {
                let error = Error::io("the blob's source", error);
                *self.state.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
                self.end();
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
        }
    }
}
