//! One running verb, as every layer of the house sees it: cancel, deadline, progress, counters, warnings.

mod budget;
mod progress;
mod transfers;
mod waiter;

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use crate::error::{Error, Kind, Result};
pub(crate) use budget::{FREE, cost};
pub use progress::{Count, Counters, Phase, Progress};
pub use transfers::Meter;
use transfers::Transfers;
pub(crate) use waiter::{Job, Waiter};

/// How much a log line matters; a logger of one level gets those above it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A verb failed.
    Error = 1,
    /// Something is not as it should be, and the verb goes on.
    Warning = 2,
    /// A verb begins or ends.
    Info = 3,
    /// One request.
    Debug = 4,
}

/// Takes log lines up to a level. It must not block.
#[derive(Clone)]
pub struct Logger {
    /// The last level that it wants.
    pub level: Level,
    /// Takes one line.
    pub write: LogWriter,
}

/// Takes one line of a log.
pub type LogWriter = Arc<dyn Fn(Level, &str) + Send + Sync>;

/// One running verb; clones share it.
#[derive(Clone, Default)]
pub struct Operation(Arc<Inner>);

struct Inner {
    cancelled: AtomicBool,
    woken: Notify,
    started: Instant,
    deadline: Option<Instant>,
    logger: Option<Logger>,
    /// The error of a part of the work, which ends the rest.
    cause: OnceLock<Error>,
    waiter: Option<Arc<Waiter>>,
    elapsed_ms: AtomicU64,
    phase: AtomicU8,
    transfers: Transfers,
    /// Its part of the memory for documents and lists.
    part: budget::Part,
    entries_done: AtomicU64,
    entries_total: AtomicU64,
    requests: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
    skipped: AtomicU64,
    mounted: AtomicU64,
    uploaded: AtomicU64,
    retries: AtomicU64,
    warnings: Mutex<Vec<String>>,
    credential_source: Mutex<Option<String>>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            cancelled: AtomicBool::new(false),
            woken: Notify::new(),
            started: Instant::now(),
            deadline: None,
            logger: None,
            cause: OnceLock::new(),
            waiter: None,
            elapsed_ms: AtomicU64::new(u64::MAX),
            phase: AtomicU8::new(0),
            transfers: Transfers::default(),
            part: budget::Part::default(),
            entries_done: AtomicU64::new(0),
            entries_total: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            bytes_sent: AtomicU64::new(0),
            bytes_received: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            mounted: AtomicU64::new(0),
            uploaded: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            warnings: Mutex::new(Vec::new()),
            credential_source: Mutex::new(None),
        }
    }
}

/// How long work has to end once its operation has: half of the second that is promised, as threads may be busy.
const MOMENT: Duration = Duration::from_millis(500);

/// The most warnings one operation keeps; the last says that there were more.
const WARNING_LIMIT: usize = 1000;

impl Operation {
    /// An operation without a deadline.
    pub fn new() -> Self {
        Self::default()
    }

    /// An operation that ends with [`Kind::Timeout`] once `timeout` has passed. A time-out too long for the
    /// clock is none (case F-26).
    pub fn with_timeout(timeout: Option<Duration>) -> Self {
        Self::with(timeout, None, None)
    }

    /// The same, with a logger, and with the thread that waits for it, if one does.
    pub(crate) fn with(
        timeout: Option<Duration>,
        logger: Option<Logger>,
        waiter: Option<Arc<Waiter>>,
    ) -> Self {
        let started = Instant::now();
        let deadline = timeout.and_then(|t| started.checked_add(t));
        Self(Arc::new(Inner { started, deadline, logger, waiter, ..Inner::default() }))
    }

    /// The thread on which its callbacks run; `None`: on threads of their own.
    pub(crate) fn waiter(&self) -> Option<&Arc<Waiter>> {
        self.0.waiter.as_ref()
    }

    /// Writes a log line, which is only made where somebody wants it. It must hold no secret and no query of a
    /// URL; foreign text in it must have gone through [`crate::error::printable`].
    pub fn log(&self, level: Level, line: impl FnOnce() -> String) {
        if let Some(logger) = self.0.logger.as_ref().filter(|logger| level <= logger.level) {
            (logger.write)(level, &line());
        }
    }

    /// Asks it to end with [`Kind::Cancelled`]. Any thread, any number of times.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        self.0.woken.notify_waiters();
    }

    /// Whether somebody asked it to end.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// When it was made.
    pub fn started(&self) -> Instant {
        self.0.started
    }

    /// A registry was shown a credential from `source`.
    pub fn used_credential(&self, source: &str) {
        *self.0.credential_source.lock().unwrap_or_else(PoisonError::into_inner) = Some(source.to_owned());
    }

    /// Where the credential that a registry was shown last came from.
    pub fn credential_source(&self) -> Option<String> {
        self.0.credential_source.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When it must have ended.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// For loops that block: an error once it was cancelled or its deadline has passed.
    pub fn check(&self) -> Result<()> {
        if self.0.cancelled.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Cancelled, "cancelled"));
        }
        match self.0.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Self::timed_out()),
            _ => Ok(()),
        }
    }

    fn timed_out() -> Error {
        Error::new(Kind::Timeout, "the operation's deadline passed (option timeout_ms)")
    }

    /// Waits until it is cancelled or its deadline passes, and says which.
    pub async fn ended(&self) -> Error {
        loop {
            let woken = self.0.woken.notified();
            tokio::pin!(woken);
            // Registered before the flag is read, so that no cancel falls between.
            woken.as_mut().enable();
            if let Err(error) = self.check() {
                return error;
            }
            match self.0.deadline {
                None => woken.await,
                Some(deadline) => {
                    let _ = tokio::time::timeout_at(deadline.into(), woken).await;
                }
            }
        }
    }

    /// Runs `work` until it ends or the operation does; `work` is dropped then.
    pub async fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            error = self.ended() => Err(error),
            result = work => result,
        }
    }

    /// Runs a verb's work. Once the operation has ended the work has a moment to end too, and to take back what it
    /// made. What takes longer, a disk that does not answer or a tree that is removed, is left behind and goes on by
    /// itself: so whoever waits is back within a second, whatever the verb does then. It is boxed: of one type for all
    /// verbs this is compiled once, and where it is polled the caller's stack may be small.
    pub(crate) async fn run_verb<T>(&self, mut work: BoxFuture<'_, Result<T>>) -> Result<T> {
        let ended = tokio::select! {
            biased;
            result = &mut work => return result,
            error = self.ended() => error,
        };
        match tokio::time::timeout(MOMENT, work).await {
            Ok(result) => result,
            Err(_) => Err(self.0.cause.get().cloned().unwrap_or(ended)),
        }
    }

    /// Waits until there is memory for a document or a list of so many bytes, the largest that the operation has at a
    /// time. All operations together have `limit`.
    pub(crate) async fn room(&self, bytes: u64, limit: u64) -> Result<()> {
        while !self.0.part.take(bytes, limit)? {
            self.run(async {
                tokio::time::sleep(budget::PAUSE).await;
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// The same on a thread that may block.
    pub(crate) fn wait_for_room(&self, bytes: u64, limit: u64) -> Result<()> {
        while !self.0.part.take(bytes, limit)? {
            self.check()?;
            std::thread::sleep(budget::PAUSE);
        }
        Ok(())
    }

    /// Ends it because a part of its work has failed.
    pub(crate) fn fail(&self, error: Error) {
        let _ = self.0.cause.set(error);
        self.cancel();
    }

    /// What it was ended by.
    pub(crate) fn cause(&self) -> Option<Error> {
        self.0.cause.get().cloned()
    }

    /// Enters a phase.
    pub fn enter(&self, phase: Phase) {
        self.0.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Freezes the clock of [`Counters::elapsed_ms`].
    pub fn finish(&self) {
        self.enter(Phase::Done);
        self.0.part.end();
        let elapsed = u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.0.elapsed_ms.store(elapsed, Ordering::Relaxed);
    }

    /// A blob's bytes are to be moved. Who moves them counts them on a meter.
    pub fn expect(&self, digest: &str, size: u64) {
        self.0.transfers.expect(digest, size);
    }

    /// The blob is where it is to be; if it is expected again, it counts again.
    pub(crate) fn forget(&self, digest: &str) {
        self.0.transfers.forget(digest);
    }

    /// The meter of a blob that is expected. Of any other one that nobody reads.
    pub(crate) fn meter(&self, digest: &str) -> Arc<Meter> {
        self.0.transfers.meter(digest)
    }

    /// The meter of the tree that is packed, whose size shows at its end.
    pub(crate) fn tree_meter(&self) -> Arc<Meter> {
        self.0.transfers.tree()
    }

    /// One more entry is known of.
    pub(crate) fn expect_entry(&self) {
        self.0.entries_total.fetch_add(1, Ordering::AcqRel);
    }

    /// An entry that was known of is done.
    pub(crate) fn advance_entry(&self) {
        self.0.entries_done.fetch_add(1, Ordering::AcqRel);
    }

    /// A walk has passed so many of the entries that it knows of; one that begins again counts from where it was.
    pub(crate) fn entries_at(&self, passed: u64, known: u64) {
        self.0.entries_total.fetch_max(known, Ordering::AcqRel);
        self.0.entries_done.fetch_max(passed, Ordering::AcqRel);
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let phase = match self.0.phase.load(Ordering::Relaxed) {
            0 => Phase::Waiting,
            1 => Phase::Resolving,
            2 => Phase::Packing,
            3 => Phase::Uploading,
            4 => Phase::Downloading,
            5 => Phase::Publishing,
            _ => Phase::Done,
        };
        let (bytes_done, bytes_total) = self.0.transfers.bytes();
        let entries_done = self.0.entries_done.load(Ordering::Acquire);
        let entries_total = self.0.entries_total.load(Ordering::Acquire);
        Progress { phase, bytes_done, bytes_total, entries_done, entries_total }
    }

    /// Counts an event.
    pub fn count(&self, what: Count) {
        let (counter, by) = match what {
            Count::Request => (&self.0.requests, 1),
            Count::Sent(bytes) => (&self.0.bytes_sent, bytes),
            Count::Received(bytes) => (&self.0.bytes_received, bytes),
            Count::Skipped => (&self.0.skipped, 1),
            Count::Mounted => (&self.0.mounted, 1),
            Count::Uploaded => (&self.0.uploaded, 1),
            Count::Retry => (&self.0.retries, 1),
        };
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// What it has cost so far.
    pub fn counters(&self) -> Counters {
        let frozen = self.0.elapsed_ms.load(Ordering::Relaxed);
        let elapsed_ms = if frozen == u64::MAX {
            u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX)
        } else {
            frozen
        };
        Counters {
            requests: self.0.requests.load(Ordering::Relaxed),
            bytes_sent: self.0.bytes_sent.load(Ordering::Relaxed),
            bytes_received: self.0.bytes_received.load(Ordering::Relaxed),
            blobs_skipped: self.0.skipped.load(Ordering::Relaxed),
            blobs_mounted: self.0.mounted.load(Ordering::Relaxed),
            blobs_uploaded: self.0.uploaded.load(Ordering::Relaxed),
            retries: self.0.retries.load(Ordering::Relaxed),
            elapsed_ms,
        }
    }

    /// Keeps a one-line warning for the result. Foreign text must have gone through
    /// [`crate::error::printable`].
    pub fn warn(&self, warning: impl Into<String>) {
        let warning = warning.into();
        self.log(Level::Warning, || warning.clone());
        let mut warnings = self.0.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        match warnings.len() {
            n if n < WARNING_LIMIT && !warnings.contains(&warning) => warnings.push(warning),
            WARNING_LIMIT => warnings.push("more warnings were left out".to_owned()),
            _ => {}
        }
    }

    /// The warnings so far, in order.
    pub fn warnings(&self) -> Vec<String> {
        self.0.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_26_a_timeout_beyond_the_clock_is_none_and_zero_is_immediate() {
        assert!(Operation::with_timeout(Some(Duration::MAX)).check().is_ok());
        let error = Operation::with_timeout(Some(Duration::ZERO)).check().unwrap_err();
        assert_eq!(error.kind(), Kind::Timeout);
    }

    #[test]
    fn a_logger_gets_its_level_and_those_above() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = lines.clone();
        let write = Arc::new(move |level, line: &str| kept.lock().unwrap().push((level, line.to_owned())));
        let operation = Operation::with(None, Some(Logger { level: Level::Warning, write }), None);
        operation.warn("careful");
        operation.log(Level::Info, || unreachable!("a line that nobody wants is not made"));
        operation.log(Level::Error, || "broken".to_owned());
        let lines = lines.lock().unwrap();
        assert_eq!(*lines, [(Level::Warning, "careful".to_owned()), (Level::Error, "broken".to_owned())]);
    }

    #[tokio::test]
    async fn cancel_wakes_what_runs() {
        let operation = Operation::new();
        let other = operation.clone();
        let run = tokio::spawn(async move { other.run(std::future::pending::<Result<()>>()).await });
        tokio::task::yield_now().await;
        operation.cancel();
        assert_eq!(run.await.unwrap().unwrap_err().kind(), Kind::Cancelled);
    }

    #[test]
    fn warnings_are_kept_once_and_bounded() {
        let operation = Operation::new();
        operation.warn("a");
        operation.warn("a");
        for n in 0..2000 {
            operation.warn(format!("w{n}"));
        }
        assert_eq!(operation.warnings().len(), WARNING_LIMIT + 1);
    }
}
