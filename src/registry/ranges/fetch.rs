//! One request for a part of a blob, and what came of it.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use http::{Method, header};

use crate::error::{Error, Kind, Result};
use crate::oci::Digest;
use crate::registry::body::{self, Inflow};
use crate::registry::reply::Reply;
use crate::registry::repository::{Place, Repository};
use crate::registry::request::{Request, Target};
use crate::registry::transport::Lane;

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
        let mut request = Request::new(Method::GET, Target::Path(path), self.repository.scope.clone());
        request.lane = Lane::Held;
        request
    }

    /// Asks for a part. It is asked of the registry, not of what it redirected to before: signed URLs expire
    /// (Q26), and each way is checked anew.
    async fn ask(self, start: u64, end: u64) -> Result<Inflow> {
        let range = format!("bytes={start}-{}", end.saturating_sub(1));
        let mut request = self.request().header(header::RANGE, &range);
        // A part that fails is asked for again by its window, within its own bounds.
        request.safe = false;
        let reply = self.repository.exchange(&request).await?;
        body::check_encoding(&reply.headers)?;
        if reply.status != 206 || !is_part(&reply, start, end, self.size) {
            return Err(Error::new(
                Kind::Protocol,
                format!("{range} was asked for, and the answer ({}) is not that", reply.status),
            ));
        }
        let answer =
            reply.into_answer().ok_or_else(|| Error::new(Kind::Internal, "a body was read before"))?;
        Ok(Inflow::new(answer))
    }
}

/// Whether a partial answer is the part from `start` to before `end` (Q77).
pub(crate) fn is_part(reply: &Reply, start: u64, end: u64, size: u64) -> bool {
    let Some(range) = reply.header(header::CONTENT_RANGE).and_then(|text| text.strip_prefix("bytes ")) else {
        return false;
    };
    let Some((span, total)) = range.split_once('/') else { return false };
    let Some((first, last)) = span.split_once('-') else { return false };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    number(first) == Some(start)
        && number(last).and_then(|last| last.checked_add(1)) == Some(end)
        && (total.trim() == "*" || number(total) == Some(size))
        && reply.content_length().is_none_or(|length| length == end - start)
}

type Step = Result<Option<(Inflow, Bytes)>>;
type Next = Pin<Box<dyn Future<Output = Step> + Send>>;

async fn advance(mut inflow: Inflow) -> Step {
    Ok(inflow.chunk().await?.map(|bytes| (inflow, bytes)))
}

/// Whose place among the connections a request has.
pub(super) enum Seat {
    /// The blob's own.
    Own,
    /// One that is given back at its end.
    Spare { _place: Place },
}

pub(super) struct Fetch {
    /// The offset of the first byte in the queue.
    at: u64,
    /// Up to where bytes came.
    came: u64,
    /// Where it ends; nothing more than that may come. None: it is the answer to the ordinary request.
    end: Option<u64>,
    queue: VecDeque<Bytes>,
    next: Option<Next>,
    seat: Option<Seat>,
    asked: Instant,
    /// How long it took, once it is all here.
    took: Option<Duration>,
    error: Option<Error>,
}

impl Fetch {
    /// The ordinary answer, from `start` on.
    pub(super) fn ordinary(inflow: Inflow, start: u64) -> Self {
        Self::new(start, None, Box::pin(advance(inflow)), Seat::Own)
    }

    /// A request for a part, which goes out when it is first polled.
    pub(super) fn part(whole: &Whole, start: u64, end: u64, seat: Seat) -> Self {
        let whole = whole.clone();
        let next = Box::pin(async move { advance(whole.ask(start, end).await?).await });
        Self::new(start, Some(end), next, seat)
    }

    fn new(start: u64, end: Option<u64>, next: Next, seat: Seat) -> Self {
        Self {
            at: start,
            came: start,
            end,
            queue: VecDeque::new(),
            next: Some(next),
            seat: Some(seat),
            asked: Instant::now(),
            took: None,
            error: None,
        }
    }

    pub(super) fn is_ordinary(&self) -> bool {
        self.end.is_none()
    }

    pub(super) fn is_running(&self) -> bool {
        self.next.is_some()
    }

    pub(super) fn has_own_seat(&self) -> bool {
        matches!(self.seat, Some(Seat::Own))
    }

    /// Nothing waits to be taken.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn queued(&self) -> u64 {
        self.came - self.at
    }

    /// How long it took; once, when all of it came.
    pub(super) fn took(&mut self) -> Option<Duration> {
        self.took.take()
    }

    /// Why nothing more will come, though its end was not reached; `end` is the ordinary answer's.
    pub(super) fn failure(&mut self, end: u64) -> Option<Error> {
        let end = self.end.unwrap_or(end);
        let short = !self.is_running() && self.came < end;
        let ended = || Error::new(Kind::Network, format!("the answer ended at byte {} of {end}", self.came));
        self.error.take().or_else(|| short.then(ended))
    }

    /// Takes in what is ready; ready where something changed.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(next) = &mut self.next else { return Poll::Pending };
        let step = std::task::ready!(next.as_mut().poll(context));
        self.next = None;
        match step {
            Ok(Some((inflow, bytes))) => {
                self.came += bytes.len() as u64;
                self.queue.push_back(bytes);
                if self.end == Some(self.came) {
                    self.took = Some(self.asked.elapsed());
                }
                if self.end.is_some_and(|end| self.came > end) {
                    self.error = Some(Error::new(Kind::Protocol, "more came than was asked for"));
                } else {
                    self.next = Some(Box::pin(advance(inflow)));
                }
            }
            Ok(None) => {}
            Err(error) => self.error = Some(error),
        }
        if self.next.is_none() {
            self.seat = None;
        }
        Poll::Ready(())
    }

    /// The next bytes from `position` on, where they are here.
    pub(super) fn take(&mut self, position: u64) -> Option<Bytes> {
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
