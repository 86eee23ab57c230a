//! A verb under way: what drives it, who waits for it, and how it ends.

use std::future::Future;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;

use super::activity::activity;
use super::callbacks::{self, ProgressCallback, Reporter};
use super::credentials::ClientId;
use super::engine::{self, Driven, Engine, Weight};
use super::{lock, panic};
use crate::client::Outcome;
use crate::error::{Error, Kind, Result};
use crate::operation::{Level, Operation};

/// A verb under way, shared by its task, its handle and those that wait.
pub(crate) struct Task {
    name: &'static str,
    pub(crate) operation: Operation,
    reporter: Option<Arc<Reporter>>,
    asks: Option<ClientId>,
    state: Mutex<State>,
    changed: Condvar,
}

/// The functions of the caller's that a verb calls.
pub(crate) struct Callbacks {
    pub(crate) progress: Option<Arc<ProgressCallback>>,
    pub(crate) asks: Option<ClientId>,
}

#[derive(Default)]
struct State {
    end: Option<Result<Arc<Outcome>>>,
    /// Its handle was freed: nobody is to wait any more.
    freed: bool,
    /// Our ends of the descriptors that were asked for.
    watched: Vec<UnixStream>,
}

/// How often a caller hears of the progress.
const REPORT_EVERY: Duration = Duration::from_millis(100);
/// How often one who waits checks that the threads that he waits for can go on.
const CHECK_EVERY: Duration = Duration::from_secs(1);

impl Task {
    /// Starts a verb. `work` is polled on the library's own threads.
    pub(crate) fn start(
        name: &'static str,
        engine: Arc<Engine>,
        weight: Weight,
        operation: Operation,
        callbacks: Callbacks,
        work: Pin<Box<dyn Future<Output = Result<Outcome>> + Send>>,
    ) -> Arc<Self> {
        let running = Arc::new(Self {
            name,
            reporter: callbacks.progress.map(|callback| Reporter::new(operation.clone(), callback)),
            asks: callbacks.asks,
            operation,
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        });
        let driven = running.clone();
        let gate = engine.gate(weight);
        let holder = engine.clone();
        let busy = activity().begin();
        // Boxed: what it is moved through on its way to the runtime lies on the caller's stack, which may be small.
        let task = Box::pin(async move {
            let operation = driven.operation.clone();
            let gated = async move {
                // Waiting for the turn ends with the operation, too.
                let _permit = operation
                    .run(async {
                        gate.acquire_owned().await.map_err(|e| Error::new(Kind::Internal, e.to_string()))
                    })
                    .await?;
                work.await
            };
            driven.operation.log(Level::Info, || format!("{name}: begins"));
            let end = driven.drive(gated).await;
            driven.log_end(&end);
            driven.complete(end);
            holder.finished(&*driven);
            drop(driven);
            drop(holder);
            // Last: nothing of it is left then.
            drop(busy);
        });
        engine.drive(&running, task);
        running
    }

    /// Runs the work and tells its progress.
    async fn drive(&self, work: impl Future<Output = Result<Outcome>>) -> Result<Outcome> {
        let work = AssertUnwindSafe(work).catch_unwind();
        let end = match &self.reporter {
            None => work.await,
            Some(reporter) => {
                let mut ticks = tokio::time::interval(REPORT_EVERY);
                ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                tokio::pin!(work);
                loop {
                    tokio::select! {
                        biased;
                        end = &mut work => break end,
                        _ = ticks.tick() => reporter.report(),
                    }
                }
            }
        };
        self.operation.finish();
        if let Some(reporter) = &self.reporter {
            reporter.finish().await;
        }
        end.unwrap_or_else(|panic| Err(panic::error_of(&*panic)))
    }

    fn log_end(&self, end: &Result<Outcome>) {
        let name = self.name;
        let counters = self.operation.counters();
        match end {
            Ok(_) => self.operation.log(Level::Info, || {
                format!("{name}: done in {} ms with {} requests", counters.elapsed_ms, counters.requests)
            }),
            Err(error) => self.operation.log(Level::Error, || format!("{name}: {error}")),
        }
    }

    fn complete(&self, end: Result<Outcome>) {
        let watched = {
            let mut state = lock(&self.state);
            // What failed with its threads stays so.
            state.end.get_or_insert(end.map(Arc::new));
            std::mem::take(&mut state.watched)
        };
        self.changed.notify_all();
        if let Some(waiter) = self.operation.waiter() {
            waiter.wake();
        }
        for stream in watched {
            hang_up(&stream);
        }
    }

    /// Its end, if it has ended.
    pub(crate) fn end(&self) -> Option<Result<Arc<Outcome>>> {
        lock(&self.state).end.clone()
    }

    /// Waits for the end on the thread that asked for the verb, and runs its callbacks meanwhile. All that was to be
    /// told before the end is told when this comes back.
    pub(crate) fn wait_here(&self) -> Result<Arc<Outcome>> {
        let Some(waiter) = self.operation.waiter() else {
            return Err(Error::new(Kind::Internal, "nobody was to wait for it"));
        };
        engine::check_health();
        loop {
            let end = self.end();
            callbacks::run_jobs(waiter);
            if let Some(end) = end {
                waiter.close();
                return end;
            }
            if !waiter.wait(CHECK_EVERY) {
                engine::check_health();
            }
        }
    }

    /// Waits for the end; none once `timeout` has passed. No time-out waits for ever.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Result<Option<Arc<Outcome>>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        engine::check_health();
        let mut state = lock(&self.state);
        loop {
            if let Some(end) = &state.end {
                return end.clone().map(Some);
            }
            if state.freed {
                return Err(Error::new(Kind::Cancelled, "the operation was freed while it was waited for"));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) || timeout.is_some_and(|timeout| timeout.is_zero()) {
                return Ok(None);
            }
            if self.reporter.as_ref().is_some_and(|reporter| reporter.is_calling()) {
                return Err(waits_for_itself("progress"));
            }
            if self.asks.is_some_and(ClientId::is_asking_here) {
                return Err(waits_for_itself("credential"));
            }
            let longest = left.map_or(CHECK_EVERY, |left| left.min(CHECK_EVERY));
            // A futex that goes on after a signal: EINTR never shows.
            let (woken, waited) =
                self.changed.wait_timeout(state, longest).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if waited.timed_out() {
                drop(state);
                engine::check_health();
                state = lock(&self.state);
            }
        }
    }

    /// A descriptor that is at its end once the operation has ended. A socket, as event loops refuse or
    /// misread the other kinds; shut down rather than closed, as a forked child may hold a copy of our end.
    pub(crate) fn descriptor(&self) -> Result<OwnedFd> {
        let (theirs, ours) =
            UnixStream::pair().map_err(|e| Error::io("a descriptor for the operation", e))?;
        let mut state = lock(&self.state);
        if state.end.is_some() || state.freed {
            hang_up(&ours);
        } else {
            state.watched.push(ours);
        }
        Ok(theirs.into())
    }

    /// Cancels it and lets it end by itself; its waiters come back at once, its callback is not called any
    /// more. What it made is let go here, not when its task, too, is over: a spool is gone when its handles are.
    pub(crate) fn detach(&self) {
        self.operation.cancel();
        if let Some(reporter) = &self.reporter {
            reporter.close();
        }
        let (watched, _made) = {
            let mut state = lock(&self.state);
            state.freed = true;
            (std::mem::take(&mut state.watched), state.end.take())
        };
        self.changed.notify_all();
        for stream in watched {
            hang_up(&stream);
        }
    }
}

impl Driven for Task {
    fn fail(self: Arc<Self>, error: Error) {
        // Threads of its own look whether it is cancelled. Waking its task panics once more.
        let _ = std::panic::catch_unwind(AssertUnwindSafe(|| self.operation.cancel()));
        self.operation.finish();
        let end = Err(error);
        self.log_end(&end);
        match &self.reporter {
            None => self.complete(end),
            // A callback under way comes to its end first, as ever.
            Some(reporter) => {
                let task = self.clone();
                reporter.close_then(Box::new(move || task.complete(end)));
            }
        }
    }
}

/// A wait that would never end.
pub(crate) fn waits_for_itself(callback: &str) -> Error {
    let of = if callback == "progress" { "its own operation" } else { "an operation of its own client" };
    let why = format!("a {callback} callback waits for {of}, which waits for it: return from it first");
    Error::new(Kind::Reentrant, why)
}

fn hang_up(ours: &UnixStream) {
    // It cannot fail but where the host closed our descriptor, and then there is nobody to tell.
    let _ = ours.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_goes_with_the_handle_and_not_with_the_task() {
        let running = Task {
            name: "build",
            operation: Operation::new(),
            reporter: None,
            asks: None,
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        running.complete(Ok(Outcome::default()));
        let made = Arc::downgrade(&running.end().unwrap().unwrap());
        assert!(made.upgrade().is_some());
        running.detach();
        assert!(made.upgrade().is_none());
    }
}
