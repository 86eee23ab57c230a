//! Functions of the caller's that cldoci calls: on threads of their own, so that one that blocks stalls
//! nothing but its own operation.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use super::guard::THREAD_PREFIX;
use super::process::{local, lock};
use super::progress::cldoci_progress;
use super::{runtime, signals};
use crate::operation::Operation;

/// Called with `user_data` once it is not needed any more, on any thread but the library's I/O threads.
#[allow(non_camel_case_types, reason = "the header's name")]
pub type cldoci_finalizer = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Called now and then while an operation runs, and once when it has ended. `progress` lives for the time of
/// the call. Return 0 to go on, anything else to cancel.
#[allow(non_camel_case_types, reason = "the header's name")]
pub type cldoci_progress_callback =
    Option<unsafe extern "C" fn(progress: *const cldoci_progress, user_data: *mut c_void) -> i32>;

/// The caller's pointer, with what ends it.
pub(super) struct UserData {
    pub(super) pointer: *mut c_void,
    pub(super) finalizer: cldoci_finalizer,
}

// SAFETY: the header says that callbacks run on other threads than the one that set them, so the caller gave
// a pointer that may be used there; cldoci itself never follows it.
unsafe impl Send for UserData {}
// SAFETY: as above; a shared `UserData` only lends the pointer.
unsafe impl Sync for UserData {}

impl Drop for UserData {
    fn drop(&mut self) {
        let Some(finalizer) = self.finalizer else { return };
        struct Pointer(*mut c_void);
        // SAFETY: as for `UserData`.
        unsafe impl Send for Pointer {}
        let pointer = Pointer(self.pointer);
        let finish = move || {
            let pointer = pointer;
            // SAFETY: the caller gave this function for this pointer, and it is called once, here.
            unsafe { finalizer(pointer.0) }
        };
        if runtime::on_io_thread() { local().callers.post(Box::new(finish)) } else { finish() }
    }
}

/// Work for a thread of the callers'.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// The most threads for callbacks; more of them wait for one that is free.
const THREADS: usize = 16;
const IDLE: Duration = Duration::from_secs(1);

/// The threads on which callbacks run.
pub(super) struct Callers {
    queue: Mutex<Queue>,
    posted: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

impl Callers {
    pub(super) fn new() -> Self {
        Self { queue: Mutex::new(Queue::default()), posted: Condvar::new() }
    }

    /// Runs a job on a thread of its own. Where none can be started it waits for one that is there.
    pub(super) fn post(&'static self, job: Job) {
        let mut queue = lock(&self.queue);
        queue.jobs.push_back(job);
        if queue.idle < queue.jobs.len() && queue.threads < THREADS {
            let builder = crate::thread::builder(&format!("{THREAD_PREFIX}-call"));
            if signals::blocked(|| builder.spawn(|| self.serve())).is_ok() {
                queue.threads += 1;
            }
        }
        self.posted.notify_one();
    }

    fn serve(&self) {
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
            if waited.timed_out() && queue.jobs.is_empty() {
                queue.threads -= 1;
                return;
            }
        }
    }
}

/// A caller's progress function.
pub(super) struct ProgressCallback {
    pub(super) function: unsafe extern "C" fn(*const cldoci_progress, *mut c_void) -> i32,
    pub(super) user_data: UserData,
}

/// Tells one operation's progress to its caller, one call at a time; what comes while a call runs is left
/// out, as the next one tells it too.
pub(super) struct Reporter {
    operation: Operation,
    /// Until no call will begin any more: its finaliser comes then, whoever still holds this.
    callback: Mutex<Option<Arc<ProgressCallback>>>,
    state: Mutex<State>,
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
    pub(super) fn new(operation: Operation, callback: Arc<ProgressCallback>) -> Arc<Self> {
        Arc::new(Self {
            operation,
            callback: Mutex::new(Some(callback)),
            state: Mutex::new(State::Idle),
            settled: Notify::new(),
            then: Mutex::new(None),
        })
    }

    fn identity(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Whether this thread runs this operation's callback.
    pub(super) fn is_calling(&self) -> bool {
        CALLING.get() == self.identity()
    }

    /// Tells the progress, unless a call is under way.
    pub(super) fn report(self: &Arc<Self>) {
        {
            let mut state = lock(&self.state);
            if *state != State::Idle {
                return;
            }
            *state = State::Posted;
        }
        let reporter = self.clone();
        local().callers.post(Box::new(move || reporter.call()));
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
        let progress = cldoci_progress::of(&self.operation.progress());
        let before = CALLING.replace(self.identity());
        // SAFETY: the caller gave this function for this user_data, `progress` lives as long as the call, and
        // the header says that the function must not unwind.
        let answer = unsafe { (callback.function)(&progress, callback.user_data.pointer) };
        CALLING.set(before);
        drop(callback);
        if answer != 0 {
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
    pub(super) fn close_then(&self, then: Job) {
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
    pub(super) fn close(&self) {
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
    pub(super) async fn finish(self: &Arc<Self>) {
        // The first round waits out a call that is under way, the second is the last call.
        for last in [false, true] {
            if self.operation.is_cancelled() {
                break;
            }
            if last {
                self.report();
            }
            let begun = self.until(|state| state != State::Posted);
            if tokio::time::timeout(LAST_CALL, begun).await.is_err() {
                break;
            }
            self.until(|state| matches!(state, State::Idle | State::Closed)).await;
        }
        self.close();
        self.until(|state| state == State::Closed).await;
        self.let_go();
    }
}
