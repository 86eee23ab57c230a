//! One blob's bytes in order, over one connection or, where that is slow, over several: segments asked for by
//! `Range`, in a bounded window. Nothing here is verified; whoever reads has the digest of the whole.
//!
//! It begins as the one ordinary GET. Where that proves slow and much is left, one segment further on is asked
//! for; only when its bytes come, and before the first connection gets there, is the rest asked for so. Until
//! then nothing is lost: a server that does not honour ranges leaves the first connection alone.
//!
//! Segments begin short, and grow where they have a file to lie in before their turn comes.

mod fetch;
mod growth;
mod pace;
mod spill;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::body::ResponseBody;
use crate::error::{Error, Result};
use crate::operation::{Count, Level};
#[cfg(feature = "internals")]
pub(super) use fetch::is_range;
use fetch::{Connection, Fetch};
pub(crate) use fetch::{Whole, is_part};
use growth::{Growth, pays};
use pace::Pace;
pub use spill::Scratch;
use spill::Spill;

/// One request's part in memory. The memory of a window, and what a round trip costs, both hang on it.
const SEGMENT: u64 = 1 << 20;
/// What must be left of a blob for ranges to be worth their requests.
const LEAST: u64 = 8 * SEGMENT;
/// After so many bytes by ranges, one connection is tried again: what was slow may be fast by now, and where ranges bring
/// no more than one connection does, they only cost requests. After each trial twice as many.
pub(crate) const TRIAL: u64 = 32 * SEGMENT;
/// How often one segment is asked for again after it broke.
const AGAIN: u32 = 2;
/// A segment is a straggler when it is waited for so many times as long as one takes.
const STRAGGLES: u32 = 2;
/// Differences below this are chance.
const CHANCE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The ordinary GET, which may still prove slow.
    Measured,
    /// The ordinary GET, for good.
    Alone,
    /// The first segment was asked for.
    Probing,
    /// Ranges are honoured.
    Spread,
}

struct Segment {
    end: u64,
    /// Two where a straggler was asked for again; the first that has the next byte gives it.
    fetches: Vec<Fetch>,
    failures: u32,
    /// Its place among the segments in memory; the first of a window needs none, since it is given out as it
    /// comes.
    _permit: Option<OwnedSemaphorePermit>,
}

pub(crate) struct Ranges {
    whole: Whole,
    mode: Mode,
    pace: Pace,
    connections: usize,
    start: u64,
    position: u64,
    segments: VecDeque<Segment>,
    /// Where the next segment begins.
    next: u64,
    growth: Growth,
    scratch: Option<Scratch>,
    /// How long the first segment was waited for while others were done.
    starved: Duration,
    /// The bytes after which ranges are reconsidered, where they began, and how long was waited since.
    trial: u64,
    spread_at: Option<u64>,
    held_up: Duration,
    /// Bytes a second of one connection.
    alone: u64,
}

impl Ranges {
    /// What comes of the ordinary answer, which begins at `start`. `may_spread`: its server takes ranges, which are
    /// reconsidered after `trial` bytes.
    pub(crate) fn new(whole: Whole, body: ResponseBody, start: u64, may_spread: bool, trial: u64) -> Self {
        let settings = &whole.repository.call.settings;
        let connections = settings.ranges;
        let mode = if may_spread && connections > 1 { Mode::Measured } else { Mode::Alone };
        let first = Segment {
            end: whole.size,
            fetches: vec![Fetch::ordinary(body, start)],
            failures: 0,
            _permit: None,
        };
        Self {
            mode,
            pace: Pace::new(settings.ranges_below),
            connections,
            start,
            position: start,
            segments: VecDeque::from([first]),
            next: whole.size,
            growth: Growth::new(),
            scratch: None,
            starved: Duration::ZERO,
            trial,
            spread_at: None,
            held_up: Duration::ZERO,
            alone: 0,
            whole,
        }
    }

    /// Segments may be longer than memory has room for, and lie in such files.
    pub(crate) fn set_scratch(&mut self, scratch: Option<Scratch>) {
        self.scratch = scratch;
    }

    /// Whether the ordinary answer was given up for ranges.
    pub(crate) fn is_spread(&self) -> bool {
        self.mode == Mode::Spread
    }

    /// Up to where ranges are asked for before they are reconsidered.
    fn spread_end(&self) -> u64 {
        let trial = self.spread_at.map(|from| from.saturating_add(self.trial));
        // For the last of it they stay.
        trial.filter(|end| self.whole.size.saturating_sub(*end) >= LEAST).unwrap_or(self.whole.size)
    }

    /// Whether the ranges so far have come, and one connection is to be tried for the rest.
    pub(crate) fn is_reconsidered(&self) -> bool {
        self.mode == Mode::Spread && self.segments.is_empty() && self.position < self.whole.size
    }

    /// Whether ranges brought more than one connection did.
    pub(crate) fn was_worth_it(&self) -> bool {
        let came = self.position - self.spread_at.unwrap_or(self.position);
        pays(came, self.held_up, self.alone)
    }

    /// The next bytes; nothing at the answer's end, and where ranges are reconsidered. After an error there is nothing more to get here.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        loop {
            if matches!(self.mode, Mode::Probing | Mode::Spread) {
                self.fill();
                // Requests go out and segments come in while the reader is busy with the first one.
                poll_fn(|context| Poll::Ready(self.poll(context).is_ready())).await;
            }
            self.mend()?;
            if let Some(bytes) = self.take() {
                return Ok(Some(bytes));
            }
            let over = match self.mode {
                Mode::Spread => self.segments.is_empty() && self.next >= self.spread_end(),
                _ => self.segments.front().is_none_or(|s| !s.fetches.iter().any(Fetch::is_running)),
            };
            if over {
                return Ok(None);
            }
            self.fill();
            self.wait().await;
        }
    }

    /// The next bytes that are here, and what follows from having come so far.
    fn take(&mut self) -> Option<Bytes> {
        loop {
            let (position, mode) = (self.position, self.mode);
            let head = self.segments.front_mut()?;
            let left = head.end.saturating_sub(position);
            if mode == Mode::Spread && left == 0 {
                self.segments.pop_front();
                self.starved = Duration::ZERO;
                continue;
            }
            // Of the ordinary answer it may be more than is left; the next segment is taken from there on.
            let bytes = head.fetches.iter_mut().find_map(|fetch| fetch.take(position))?;
            self.position += bytes.len() as u64;
            if mode == Mode::Probing && bytes.len() as u64 >= left {
                // Here, and the first segment has not come yet: ranges would be no faster.
                self.stay_alone();
            }
            return Some(bytes);
        }
    }

    /// Waits until something comes, or until it is time to do something about it.
    async fn wait(&mut self) {
        let (begun, patience) = (Instant::now(), self.patience());
        let came = tokio::select! {
            biased;
            () = poll_fn(|context| self.poll(context)) => true,
            () = tokio::time::sleep(patience.unwrap_or_default()), if patience.is_some() => false,
        };
        let waited = begun.elapsed();
        match self.mode {
            Mode::Measured => {
                let bytes = self.segments.iter().flat_map(|s| &s.fetches).map(Fetch::queued).sum();
                if let Some(ahead) = self.pace.came(bytes, waited) {
                    self.alone = self.pace.rate();
                    self.probe(bytes + ahead);
                }
            }
            Mode::Spread => {
                self.starved += waited;
                self.held_up += waited;
                if !came {
                    self.ask_straggler();
                }
            }
            Mode::Alone | Mode::Probing => {}
        }
    }

    /// How long nothing has to be done but to wait.
    fn patience(&self) -> Option<Duration> {
        match self.mode {
            Mode::Measured => Some(self.pace.left()),
            Mode::Spread => Some(self.straggles_after()?.saturating_sub(self.starved)),
            Mode::Alone | Mode::Probing => None,
        }
    }

    /// How long the first segment may take; nothing where that is not known or it was asked for again already.
    fn straggles_after(&self) -> Option<Duration> {
        let head = self.segments.front().filter(|head| head.fetches.len() == 1)?;
        let segments = (head.end.saturating_sub(self.position)).div_ceil(SEGMENT).max(1);
        let usual = self.growth.usual()?.saturating_mul(u32::try_from(segments).unwrap_or(u32::MAX));
        Some(usual.saturating_mul(STRAGGLES).max(CHANCE))
    }

    fn ask_straggler(&mut self) {
        self.starved = Duration::ZERO;
        let Some(connection) = self.connection() else { return };
        let Some(end) = self.segments.front().map(|head| head.end) else { return };
        let fetch = self.part(self.position, end, connection);
        if let Some(head) = self.segments.front_mut() {
            head.fetches.push(fetch);
            self.whole.repository.call.operation.count(Count::Retry);
        }
    }

    /// A request for these bytes. What memory has no room for has a file.
    fn part(&self, start: u64, end: u64, connection: Connection) -> Fetch {
        let scratch = self.scratch.as_ref().filter(|_| end - start > SEGMENT);
        let spill = scratch.map(|scratch| Spill::new(scratch.clone(), start));
        Fetch::part(&self.whole, start, end, connection, spill)
    }

    /// Asks for the first segment, `ahead` of what was given out, so far that its bytes can be here before the
    /// first connection is.
    fn probe(&mut self, ahead: u64) {
        let start = self.position.saturating_add(ahead.max(SEGMENT));
        // A layer that waits for its turn is not read so far: it must not hold what the one before it could use.
        let is_read = self.position - self.start >= SEGMENT;
        if !is_read || self.whole.size.saturating_sub(start) < LEAST {
            return;
        }
        // Nothing is asked for where there is no room: the next window asks again.
        let (Some(connection), Some(permit)) =
            (self.connection(), self.whole.repository.registry.transport().segment_permit())
        else {
            return;
        };
        let whole = &self.whole;
        whole.repository.call.operation.log(Level::Debug, || {
            format!("blob {}: is slow: ranges are asked for from byte {start} on", whole.digest)
        });
        self.mode = Mode::Probing;
        if let Some(head) = self.segments.front_mut() {
            head.end = start;
        }
        self.next = start;
        self.push(connection, Some(permit));
    }

    /// The next segment.
    fn push(&mut self, connection: Connection, permit: Option<OwnedSemaphorePermit>) {
        let mut length = SEGMENT;
        if self.mode == Mode::Spread && self.scratch.is_some() {
            let left = self.spread_end().saturating_sub(self.next);
            length = self.growth.segment(left / self.connections.max(1) as u64);
        }
        let (start, end) = (self.next, self.whole.size.min(self.next.saturating_add(length)));
        let fetches = vec![self.part(start, end, connection)];
        self.segments.push_back(Segment { end, fetches, failures: 0, _permit: permit });
        self.next = end;
    }

    /// Asks for what is not under way, as far as there are connections and room.
    fn fill(&mut self) {
        if self.mode != Mode::Spread {
            return;
        }
        let mut start = self.position;
        for index in 0..self.segments.len() {
            let Some((end, bare)) = self.segments.get(index).map(|s| (s.end, s.fetches.is_empty())) else {
                return;
            };
            if bare {
                let Some(connection) = self.connection() else { return };
                let fetch = self.part(start, end, connection);
                if let Some(segment) = self.segments.get_mut(index) {
                    segment.fetches.push(fetch);
                }
            }
            start = end;
        }
        while self.next < self.spread_end() {
            let permit = self.whole.repository.registry.transport().segment_permit();
            if permit.is_none() && !self.segments.is_empty() {
                return;
            }
            let Some(connection) = self.connection() else { return };
            self.push(connection, permit);
        }
    }

    /// A place for one more request: the blob's own, or one that nobody else waits for.
    fn connection(&self) -> Option<Connection> {
        let running = || self.segments.iter().flat_map(|s| &s.fetches).filter(|fetch| fetch.is_running());
        if running().count() >= self.connections {
            return None;
        }
        if !running().any(Fetch::has_own_connection) {
            return Some(Connection::Own);
        }
        self.whole.repository.spare_permit().map(|permit| Connection::Spare { _permit: permit })
    }

    /// Polls every request; of the first segment only what is empty, since what it has is given out first.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (mut changed, position) = (Poll::Pending, self.position);
        for (index, segment) in self.segments.iter_mut().enumerate() {
            for fetch in &mut segment.fetches {
                if fetch.poll(context, (index == 0).then_some(position)).is_pending() {
                    continue;
                }
                changed = Poll::Ready(());
                if index > 0 && self.mode == Mode::Probing && !fetch.is_empty() {
                    self.mode = Mode::Spread;
                    self.spread_at = Some(self.position);
                }
                if let Some((bytes, time)) = fetch.took() {
                    self.growth.took(bytes, time);
                }
            }
        }
        changed
    }

    /// Takes out the requests that failed; what is left without one is asked for again, or the ranges are given
    /// up.
    fn mend(&mut self) -> Result<()> {
        let (mode, operation) = (self.mode, self.whole.repository.call.operation.clone());
        let (mut failed, mut kept, mut next) = (None, None, self.position);
        for (index, segment) in self.segments.iter_mut().enumerate() {
            let Segment { end, fetches, failures, .. } = segment;
            let (start, alone) = (std::mem::replace(&mut next, *end), fetches.len() == 1);
            // An ordinary answer that ends early is judged by its reader.
            let ordinary_end = if mode == Mode::Spread { *end } else { 0 };
            fetches.retain_mut(|fetch| match fetch.failure(ordinary_end) {
                None => true,
                Some(error) => {
                    let keeps = alone && kept.is_none() && error.retryable();
                    let until = if keeps { fetch.keep(start, SEGMENT) } else { None };
                    kept = kept.or(until.map(|until| (index, until)));
                    *failures += u32::from(until.is_none());
                    failed = Some((error, fetch.is_ordinary()));
                    until.is_some()
                }
            });
            let Some((error, ordinary)) = failed.take() else { continue };
            operation.check()?;
            // What the ordinary answer breaks with is told to whoever resumes it.
            if mode != Mode::Spread && ordinary {
                return Err(error);
            }
            if fetches.is_empty() {
                if mode != Mode::Spread || *failures > AGAIN || !error.retryable() {
                    return self.give_up(error);
                }
                operation.count(Count::Retry);
            }
        }
        if let Some((index, until)) = kept {
            self.split(index, until);
            operation.count(Count::Retry);
        }
        Ok(())
    }

    /// Makes the rest of a segment that broke off one of its own.
    fn split(&mut self, index: usize, until: u64) {
        self.growth.broke();
        let Some(segment) = self.segments.get_mut(index) else { return };
        let end = std::mem::replace(&mut segment.end, until);
        let rest = Segment { end, fetches: Vec::new(), failures: segment.failures, _permit: None };
        self.segments.insert(index + 1, rest);
    }

    /// Goes on with the ordinary answer where it is still open.
    fn give_up(&mut self, error: Error) -> Result<()> {
        let open = |s: &Segment| s.fetches.iter().any(|fetch| fetch.is_ordinary() && fetch.is_running());
        if !self.segments.front().is_some_and(open) {
            return Err(error);
        }
        let digest = &self.whole.digest;
        self.whole
            .repository
            .call
            .operation
            .log(Level::Debug, || format!("blob {digest}: no ranges: {}", error.message()));
        self.stay_alone();
        Ok(())
    }

    fn stay_alone(&mut self) {
        self.mode = Mode::Alone;
        self.segments.truncate(1);
        if let Some(head) = self.segments.front_mut() {
            head.end = self.whole.size;
            head.fetches.retain(Fetch::is_ordinary);
        }
        self.next = self.whole.size;
    }
}
