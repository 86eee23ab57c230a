//! Functions of the caller's that cldoci calls. Those of an operation run on threads of their own, so that one that
//! blocks stalls nothing but its own operation; those of a verb that is waited for on the thread that waits.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use super::activity::activity;
use super::fork::Local;
use super::{lock, signals};
use crate::operation::{Job, Operation, Phase, Progress, Waiter};

/// The name of each, which begins as all do (`thread::PREFIX`).
const CALLBACK_THREAD: &str = "cldoci-call";
/// The most threads for callbacks; more of them wait for one that is free.
const THREADS: usize = 16;
const IDLE: Duration = Duration::from_secs(1);

/// The threads on which callbacks run.
struct CallbackPool {
    queue: Mutex<Queue>,
    posted: Condvar,
}

static POOL: Local<CallbackPool> = Local::new(CallbackPool::new);

/// Runs a job on a thread for callbacks. Where none can be started it waits for one that is there.
pub(crate) fn post(job: Job) {
    POOL.get().post(job);
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    /// So many of the idle ones are to end now.
    ending: usize,
}

thread_local! {
    /// Whether callbacks run on this thread now.
    static HERE: Cell<bool> = const { Cell::new(false) };
}

/// Whether callbacks run on this thread now.
pub(crate) fn is_here() -> bool {
    HERE.get()
}

/// Runs what is waiting for the thread that waits.
pub(crate) fn run_jobs(waiter: &Waiter) {
    let before = HERE.replace(true);
    waiter.run_jobs();
    HERE.set(before);
}

/// Ends the threads that have nothing to do.
pub(crate) fn end_idle_threads() {
    let pool = POOL.get();
    let mut queue = lock(&pool.queue);
    queue.ending = queue.idle;
    pool.posted.notify_all();
}

impl CallbackPool {
    fn new() -> Self {
        Self { queue: Mutex::new(Queue::default()), posted: Condvar::new() }
    }

    fn post(&'static self, job: Job) {
        let busy = activity().begin();
        let mut queue = lock(&self.queue);
        queue.jobs.push_back(Box::new(move || {
            let _busy = busy;
            job();
        }));
        if queue.idle < queue.jobs.len() + queue.ending
            && queue.threads < THREADS
            && signals::blocked(|| activity().spawn(CALLBACK_THREAD, || self.serve())).is_ok()
        {
            queue.threads += 1;
        }
        self.posted.notify_one();
    }

    fn serve(&self) {
        HERE.set(true);
        let mut queue = lock(&self.queue);
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                drop(queue);
                // A panic in a job of ours must not cost the thread; its hook is silent by the thread's name.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                queue = lock(&self.queue);
                continue;
            }
            queue.idle += 1;
            let (back, waited) = match self.posted.wait_timeout(queue, IDLE) {
                Ok((back, waited)) => (back, waited),
                Err(poisoned) => poisoned.into_inner(),
            };
            queue = back;
            queue.idle -= 1;
            let ends = std::mem::take(&mut queue.ending);
            queue.ending = ends.saturating_sub(1);
            if (waited.timed_out() || ends > 0) && queue.jobs.is_empty() {
                queue.threads -= 1;
                return;
            }
        }
    }
}

/// A caller's progress function; false cancels the operation.
pub(crate) type ProgressCallback = dyn Fn(&Progress) -> bool + Send + Sync;

/// Tells one operation's progress to its caller, one call at a time; what comes while a call runs is left
/// out, as the next one tells it too.
pub(crate) struct Reporter {
    operation: Operation,
    /// Until no call will begin any more: its finaliser comes then, whoever still holds this.
    callback: Mutex<Option<Arc<ProgressCallback>>>,
    state: Mutex<State>,
    /// The caller knows that the operation has ended.
    told_end: AtomicBool,
    settled: Notify,
    /// What comes after the call that is under way, where no task waits for it.
    then: Mutex<Option<Job>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// Waits for a thread.
    Posted,
    Running,
    /// No call begins any more.
    Closed,
    /// The same, and one has not come back yet.
    ClosedRunning,
}

thread_local! {
    /// The operation whose callback runs on this thread, as a number that tells operations apart.
    static CALLING: Cell<usize> = const { Cell::new(0) };
}

/// How long the end of an operation waits for a thread to tell it on: only where sixteen callbacks block.
const LAST_CALL: Duration = Duration::from_secs(1);

impl Reporter {
    pub(crate) fn new(operation: Operation, callback: Arc<ProgressCallback>) -> Arc<Self> {
        Arc::new(Self {
            operation,
            callback: Mutex::new(Some(callback)),
            state: Mutex::new(State::Idle),
            told_end: AtomicBool::new(false),
            settled: Notify::new(),
            then: Mutex::new(None),
        })
    }

    fn identity(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Whether this thread runs this operation's callback.
    pub(crate) fn is_calling(&self) -> bool {
        CALLING.get() == self.identity()
    }

    /// Tells the progress, unless a call is under way.
    pub(crate) fn report(self: &Arc<Self>) {
        {
            let mut state = lock(&self.state);
            if *state != State::Idle {
                return;
            }
            *state = State::Posted;
        }
        let reporter = self.clone();
        let call: Job = Box::new(move || reporter.call());
        match self.operation.waiter() {
            Some(waiter) => waiter.post(call),
            None => post(call),
        }
    }

    fn call(&self) {
        let Some(callback) = lock(&self.callback).clone() else { return };
        {
            let mut state = lock(&self.state);
            if *state != State::Posted {
                return;
            }
            *state = State::Running;
        }
        let progress = self.operation.progress();
        self.told_end.store(progress.phase == Phase::Done, Ordering::Relaxed);
        let before = CALLING.replace(self.identity());
        let goes_on = callback(&progress);
        CALLING.set(before);
        drop(callback);
        if !goes_on {
            self.operation.cancel();
        }
        {
            let mut state = lock(&self.state);
            *state = if *state == State::Running { State::Idle } else { State::Closed };
        }
        self.settled.notify_waiters();
        if let Some(then) = lock(&self.then).take() {
            self.let_go();
            then();
        }
    }

    /// Closes, and does this once no call runs.
    pub(crate) fn close_then(&self, then: Job) {
        self.close();
        let state = lock(&self.state);
        if *state == State::ClosedRunning {
            // Under the lock: `call` looks for it after it has changed the state.
            *lock(&self.then) = Some(then);
            return;
        }
        drop(state);
        self.let_go();
        then();
    }

    /// The caller's function is not needed any more.
    fn let_go(&self) {
        let _finalized = lock(&self.callback).take();
    }

    /// No call begins from here on; one that runs comes back by itself.
    pub(crate) fn close(&self) {
        {
            let mut state = lock(&self.state);
            *state = match *state {
                State::Running | State::ClosedRunning => State::ClosedRunning,
                _ => State::Closed,
            };
        }
        self.settled.notify_waiters();
    }

    /// Waits until `ready` holds.
    async fn until(&self, ready: impl Fn(State) -> bool) {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            // Registered before the state is read, so that no change falls between.
            settled.as_mut().enable();
            if ready(*lock(&self.state)) {
                return;
            }
            settled.await;
        }
    }

    /// Tells the end, and waits until no call runs and none will begin.
    pub(crate) async fn finish(self: &Arc<Self>) {
        // The first round waits out a call that is under way, the second is the last call.
        for last in [false, true] {
            // A call that was asked for before the end may have told it.
            if self.operation.is_cancelled() || self.told_end.load(Ordering::Relaxed) {
                break;
            }
            if last {
                self.report();
            }
            let begun = self.until(|state| state != State::Posted);
            // The thread that waits comes for it: it has nothing else to do.
            if self.operation.waiter().is_some() {
                begun.await;
            } else if tokio::time::timeout(LAST_CALL, begun).await.is_err() {
                break;
            }
            self.until(|state| matches!(state, State::Idle | State::Closed)).await;
        }
        self.close();
        self.until(|state| state == State::Closed).await;
        self.let_go();
    }
}
