//! The thread of a caller who waits for a verb. What calls the caller back runs there: in a runtime with one
//! interpreter thread the callback of another thread would wait for the one that waits for it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Work for it.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The work of a thread that waits.
#[derive(Default)]
pub(crate) struct Waiter {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// One question for a credential at a time: the others find its answer.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    kept: Vec<Arc<dyn Send + Sync>>,
    woken: bool,
    closed: bool,
}

impl Waiter {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a job run on the thread; one that comes after the wait's end is dropped.
    pub(crate) fn post(&self, job: Job) {
        let mut queue = self.queue();
        if !queue.closed {
            queue.jobs.push_back(job);
            self.changed.notify_all();
        }
    }

    /// Keeps what the jobs need until the wait's end, and lets it go on the thread.
    pub(crate) fn keep(&self, needed: Arc<dyn Send + Sync>) {
        self.queue().kept.push(needed);
    }

    /// What is waited for has come.
    pub(crate) fn wake(&self) {
        self.queue().woken = true;
        self.changed.notify_all();
    }

    /// Waits for a job or a wake, at most so long; whether one came.
    pub(crate) fn wait(&self, longest: Duration) -> bool {
        let idle = |queue: &mut Queue| queue.jobs.is_empty() && !queue.woken;
        let waited = self.changed.wait_timeout_while(self.queue(), longest, idle);
        let (mut queue, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.woken = false;
        !timeout.timed_out()
    }

    /// Runs the jobs that are there.
    pub(crate) fn run_jobs(&self) {
        // The lock is free while a job runs, which may post another.
        while let Some(job) = { self.queue().jobs.pop_front() } {
            // A panic of ours is told elsewhere, and must not end the wait.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    /// The wait is over.
    pub(crate) fn close(&self) {
        let dropped = {
            let mut queue = self.queue();
            queue.closed = true;
            (std::mem::take(&mut queue.jobs), std::mem::take(&mut queue.kept))
        };
        drop(dropped);
    }
}
