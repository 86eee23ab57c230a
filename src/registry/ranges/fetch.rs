//! One request for a part of a blob, and what came of it.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use http::{Method, header};

use super::spill::{BATCH, Spill};
use crate::error::{Error, Kind, Result};
use crate::oci::Digest;
use crate::registry::body::{self, ResponseBody};
use crate::registry::repository::{Repository, TransferPermit};
use crate::registry::request::{About, Request, Target};
use crate::registry::response::Response;
use crate::registry::transport::Permit;

/// The blob that is asked for.
#[derive(Clone)]
pub(crate) struct Whole {
    pub(crate) repository: Repository,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

impl Whole {
    /// The request for all of it, or with a `Range` for a part.
    pub(crate) fn request(&self) -> Request<'static> {
        let path = self.repository.path(&format!("blobs/{}", self.digest));
        let mut request =
            Request::new(Method::GET, Target::Path(path), self.repository.scope.clone()).about(About::Blob);
        request.permit = Permit::Held;
        request
    }

    /// Asks for a part. It is asked of the registry, not of what it redirected to before: signed URLs expire
    /// (Q26), and each way is checked anew.
    async fn ask(self, start: u64, end: u64) -> Result<ResponseBody> {
        let range = format!("bytes={start}-{}", end.saturating_sub(1));
        let mut request = self.request().header(header::RANGE, &range);
        // A part that fails is asked for again by its window, within its own bounds.
        request.safe = false;
        let response = self.repository.exchange(&request).await?;
        body::check_encoding(&response.headers)?;
        if response.status != 206 || !is_part(&response, start, end, self.size) {
            return Err(Error::new(
                Kind::Protocol,
                format!("{range} was asked for, and the answer ({}) is not that", response.status),
            ));
        }
        let answer =
            response.into_raw().ok_or_else(|| Error::new(Kind::Internal, "a body was read before"))?;
        Ok(ResponseBody::new(answer))
    }
}

/// Whether a partial answer is the part from `start` to before `end` (Q77).
pub(crate) fn is_part(response: &Response, start: u64, end: u64, size: u64) -> bool {
    let range = response.header(header::CONTENT_RANGE);
    range.is_some_and(|text| is_range(text, start, end, size))
        && response.content_length().is_none_or(|length| length == end - start)
}

/// Whether a `Content-Range` says so.
pub(crate) fn is_range(text: &str, start: u64, end: u64, size: u64) -> bool {
    let number = |text: &str| {
        let text = text.trim();
        // No sign, which the reader of numbers would take.
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten()
    };
    let read = || {
        let (span, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = span.split_once('-')?;
        Some((number(first)?, number(last)?.checked_add(1)?, total.trim()))
    };
    read().is_some_and(|(first, after, total)| {
        (first, after) == (start, end) && (total == "*" || number(total) == Some(size))
    })
}

type Step = Result<Option<(ResponseBody, Bytes)>>;
type Next = Pin<Box<dyn Future<Output = Step> + Send>>;

async fn advance(mut body: ResponseBody) -> Step {
    Ok(body.chunk().await?.map(|bytes| (body, bytes)))
}

/// Which connection a request goes over.
pub(super) enum Connection {
    /// The blob's own.
    Own,
    /// One that is given back at its end.
    Spare { _permit: TransferPermit },
}

pub(super) struct Fetch {
    /// The offset of the first byte that was asked for.
    start: u64,
    /// The offset of the first byte in the queue.
    at: u64,
    /// Up to where bytes came.
    came: u64,
    /// Where it ends; nothing more than that may come. None: it is the answer to the ordinary request.
    end: Option<u64>,
    queue: VecDeque<Bytes>,
    next: Option<Next>,
    connection: Option<Connection>,
    asked: Instant,
    /// How many bytes took how long, once they are all here.
    took: Option<(u64, Duration)>,
    error: Option<Error>,
    /// Where what comes before its turn lies: the bytes before those in the queue.
    spill: Option<Spill>,
}

impl Fetch {
    /// The ordinary answer, from `start` on.
    pub(super) fn ordinary(body: ResponseBody, start: u64) -> Self {
        Self::new(start, None, Box::pin(advance(body)), Connection::Own)
    }

    /// A request for a part, which goes out when it is first polled.
    pub(super) fn part(
        whole: &Whole,
        start: u64,
        end: u64,
        connection: Connection,
        spill: Option<Spill>,
    ) -> Self {
        let whole = whole.clone();
        let next = Box::pin(async move { advance(whole.ask(start, end).await?).await });
        Self { spill, ..Self::new(start, Some(end), next, connection) }
    }

    fn new(start: u64, end: Option<u64>, next: Next, connection: Connection) -> Self {
        Self {
            start,
            at: start,
            came: start,
            end,
            queue: VecDeque::new(),
            next: Some(next),
            connection: Some(connection),
            asked: Instant::now(),
            took: None,
            error: None,
            spill: None,
        }
    }

    pub(super) fn is_ordinary(&self) -> bool {
        self.end.is_none()
    }

    pub(super) fn is_running(&self) -> bool {
        self.next.is_some()
    }

    pub(super) fn has_own_connection(&self) -> bool {
        matches!(self.connection, Some(Connection::Own))
    }

    /// Nothing waits to be taken.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn queued(&self) -> u64 {
        self.came - self.at
    }

    /// Whether there are bytes to take at `position` without waiting.
    fn gives(&self, position: u64) -> bool {
        match &self.spill {
            None => !self.is_empty(),
            Some(spill) => spill.has_front() || (position >= self.at && !self.is_empty()),
        }
    }

    /// How many bytes took how long; once, when all of them came.
    pub(super) fn took(&mut self) -> Option<(u64, Duration)> {
        self.took.take()
    }

    /// After a failure: what came from `start` on is kept, if that is enough, and where it ends. Only what may lie in a
    /// file is so long.
    pub(super) fn keep(&mut self, start: u64, enough: u64) -> Option<u64> {
        let keeps = self.spill.is_some() && self.came.saturating_sub(start) >= enough;
        keeps.then(|| *self.end.insert(self.came))
    }

    /// Why nothing more will come, though its end was not reached; `end` is the ordinary answer's.
    pub(super) fn failure(&mut self, end: u64) -> Option<Error> {
        let end = self.end.unwrap_or(end);
        let short = !self.is_running() && self.came < end;
        let ended = || Error::new(Kind::Network, format!("the answer ended at byte {} of {end}", self.came));
        self.error.take().or_else(|| short.then(ended))
    }

    /// Takes in what is ready; ready where something changed. `turn`: where the next bytes are wanted from, if that
    /// is here; they are given out first.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, turn: Option<u64>) -> Poll<()> {
        if turn.is_some_and(|position| self.gives(position)) {
            return Poll::Pending;
        }
        let changed = self.poll_spill(context, turn);
        if changed.is_ready() || (self.spill.is_some() && self.queued() >= BATCH) {
            return changed;
        }
        let Some(next) = &mut self.next else { return Poll::Pending };
        let step = std::task::ready!(next.as_mut().poll(context));
        self.next = None;
        match step {
            Ok(Some((body, bytes))) => {
                self.came += bytes.len() as u64;
                self.queue.push_back(bytes);
                if self.end == Some(self.came) {
                    self.took = Some((self.came - self.start, self.asked.elapsed()));
                }
                if self.end.is_some_and(|end| self.came > end) {
                    self.error = Some(Error::new(Kind::Protocol, "more came than was asked for"));
                } else {
                    self.next = Some(Box::pin(advance(body)));
                }
            }
            Ok(None) => {}
            Err(error) => self.error = Some(error),
        }
        if self.next.is_none() {
            self.connection = None;
        }
        Poll::Ready(())
    }

    /// Writes down what comes before its turn; when that is there, reads it.
    fn poll_spill(&mut self, context: &mut Context<'_>, turn: Option<u64>) -> Poll<()> {
        let queued = self.queued();
        let Some(spill) = &mut self.spill else { return Poll::Pending };
        if !spill.is_busy() {
            match turn {
                Some(position) if position < self.at => spill.read(position, self.at),
                None if queued >= BATCH => {
                    spill.write(self.at, std::mem::take(&mut self.queue).into());
                    self.at = self.came;
                }
                _ => {}
            }
        }
        let Err(error) = std::task::ready!(spill.poll(context)) else { return Poll::Ready(()) };
        self.error = Some(error);
        self.next = None;
        self.connection = None;
        Poll::Ready(())
    }

    /// The next bytes from `position` on, where they are here.
    pub(super) fn take(&mut self, position: u64) -> Option<Bytes> {
        if let Some(spill) = &mut self.spill {
            let bytes = spill.take(position);
            if bytes.is_some() || position < self.at {
                return bytes;
            }
        }
        loop {
            let mut bytes = self.queue.pop_front()?;
            let length = bytes.len() as u64;
            let known = position.saturating_sub(self.at).min(length);
            self.at += length;
            if known < length {
                bytes.advance(usize::try_from(known).unwrap_or(usize::MAX));
                return Some(bytes);
            }
        }
    }
}
