//! How threads of ours begin: with a name, by which a panic in them is known to be ours, and with a stack of a
//! stated size: where none is stated, the standard library looks for one in the environment, which is read when
//! a client is made and not later. And the pool of those that run what blocks, for asynchronous code.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::{Error, Kind, Result};

/// What the name of each begins with.
pub(crate) const PREFIX: &str = "cldoci";

/// The stack of each.
pub(crate) const STACK: usize = 2 << 20;

thread_local! {
    static NAME: Cell<&'static str> = const { Cell::new("") };
}

/// The name of this thread where an [`Activity`] began it. (The standard library's own question would leave a handle
/// behind on a thread of the host's.)
pub(crate) fn name() -> &'static str {
    NAME.get()
}

/// A thread to be.
pub(crate) fn builder(name: &str) -> Builder {
    Builder::new().name(name.to_owned()).stack_size(STACK)
}

/// Starts one that ends within `scope`.
pub(crate) fn spawn_scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    builder(name).spawn_scoped(scope, work).map_err(not_started)
}

/// Waits until these have ended, to their last instruction: at the end of its scope a thread may still be on its way
/// out, and who waits until nothing goes on would leave it behind. A panic of theirs goes on here.
pub(crate) fn join_all<'scope>(threads: impl IntoIterator<Item = ScopedJoinHandle<'scope, ()>>) {
    let ended: Vec<_> = threads.into_iter().map(ScopedJoinHandle::join).collect();
    if let Some(panic) = ended.into_iter().find_map(std::result::Result::err) {
        std::panic::resume_unwind(panic);
    }
}

/// Why a thread could not be started, and what to do about it (F-12).
pub(crate) fn not_started(error: std::io::Error) -> Error {
    let what = "no thread can be started (raise the limit of processes, or try again later)";
    Error::io(what, error).with_retryable(true)
}

/// Runs work that blocks, beside asynchronous code, and waits for its end. On our own threads it runs on their
/// [`Pool`]; in a Rust program's runtime on that one's threads for blocking work. It goes on to its end also where
/// nobody waits any more.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    told(work, Rank::Usual).await
}

/// The same for what other work on these threads may wait for: a name's addresses, a credential. It never waits for
/// their end.
pub(crate) async fn blocking_ahead<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    told(work, Rank::Ahead).await
}

/// [`blocking`] without a result.
pub(crate) fn post(work: impl FnOnce() + Send + 'static) -> Result<()> {
    hand_over(Box::new(work), Rank::Usual)
}

async fn told<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static, rank: Rank) -> Result<T> {
    let (sender, receiver) = oneshot::channel();
    let job = Box::new(move || {
        let result = catch_unwind(AssertUnwindSafe(work));
        let defect = || Error::new(Kind::Panic, "a bug was caught in a worker thread");
        let _ = sender.send(result.unwrap_or_else(|_| Err(defect())));
    });
    hand_over(job, rank)?;
    receiver.await.unwrap_or_else(|_| Err(Error::new(Kind::Cancelled, "cancelled: the runtime ended")))
}

/// Of one type: tokio's tasks would be compiled for each work anew.
fn hand_over(job: Job, rank: Rank) -> Result<()> {
    match POOL.with_borrow(Clone::clone) {
        Some(pool) => pool.post(rank, job),
        None => {
            drop(tokio::task::spawn_blocking(job));
            Ok(())
        }
    }
}

/// Runs a task beside asynchronous code, which nobody waits for but who waits until nothing goes on. On our own
/// threads it runs to its end, so it must have one.
pub(crate) fn background(task: impl Future<Output = ()> + Send + 'static) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    match POOL.with_borrow(Clone::clone) {
        Some(pool) => {
            let busy = pool.activity.begin();
            let task = runtime.spawn(async move {
                task.await;
                drop(busy);
            });
            let mut tasks = pool.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.retain(|task| !task.is_finished());
            tasks.push(task);
        }
        None => drop(runtime.spawn(task)),
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Whether a job may wait for others, or others for it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rank {
    Usual,
    /// Of these some always find a thread.
    Ahead,
}

/// How many threads a pool has at most.
#[derive(Clone, Copy)]
pub(crate) struct Most {
    /// For usual jobs.
    pub(crate) usual: usize,
    /// Besides, for jobs that usual ones may wait for.
    pub(crate) ahead: usize,
}

thread_local! {
    /// The pool that serves this thread.
    static POOL: RefCell<Option<Arc<Pool>>> = const { RefCell::new(None) };
}

/// What goes on in threads of ours, for who waits until nothing does: work that is not done, and threads that have
/// not ended.
#[derive(Default)]
pub(crate) struct Activity {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Default)]
struct Counts {
    /// Work that has begun, or waits for its turn.
    busy: usize,
    /// Threads that have something to do, or wait for it, and those that others wait for to be gone.
    live: usize,
    /// Those, and others that end.
    threads: Vec<JoinHandle<()>>,
    /// Who waits until nothing goes on; to wake nobody is a system call too.
    waiting: usize,
}

/// Work that is not done, as long as it lives.
pub(crate) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut counts = self.0.counts();
        counts.busy -= 1;
        if counts.waiting > 0 {
            self.0.changed.notify_all();
        }
    }
}

impl Activity {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Work begins.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.counts().busy += 1;
        Busy(self.clone())
    }

    /// Starts a thread.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        name: &'static str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<()> {
        struct Live(Arc<Activity>);
        impl Drop for Live {
            fn drop(&mut self) {
                self.0.counts().live -= 1;
                self.0.changed.notify_all();
            }
        }
        self.counts().live += 1;
        let live = Live(self.clone());
        let thread = builder(name).spawn(move || {
            let _live = live;
            NAME.set(name);
            work();
        });
        let mut counts = self.counts();
        counts.threads.push(thread.map_err(not_started)?);
        let ended: Vec<_> = counts.threads.extract_if(.., |thread| thread.is_finished()).collect();
        counts.live += ended.len();
        drop(counts);
        // Not let go: one that is on its way out may still be there when who waits for it was told that it is not.
        for thread in ended {
            let _live = Live(self.clone());
            let _ = thread.join();
        }
        Ok(())
    }

    /// Waits until nothing goes on, at most until `deadline`; whether that is so. Threads that have nothing to do
    /// may stay where `threads_stay`; else the last of them is gone.
    pub(crate) fn wait(&self, threads_stay: bool, deadline: Instant) -> bool {
        let mut counts = self.counts();
        loop {
            if counts.busy == 0 && (threads_stay || counts.live == 0) {
                let ending = if threads_stay { Vec::new() } else { std::mem::take(&mut counts.threads) };
                drop(counts);
                // They have nothing left to do; a panic of theirs was told elsewhere.
                ending.into_iter().for_each(|thread| drop(thread.join()));
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            counts.waiting += 1;
            counts = self.changed.wait_timeout(counts, left).unwrap_or_else(PoisonError::into_inner).0;
            counts.waiting -= 1;
        }
    }
}

/// Threads for work that blocks: started when they are needed, ended when they are not. tokio's own can't serve:
/// it panics where the system has no thread to give, or leaves the work to threads that may wait for it (F-12).
pub(crate) struct Pool {
    name: &'static str,
    most: Most,
    activity: Arc<Activity>,
    queue: Mutex<Queue>,
    posted: Condvar,
    /// What goes on in the background of its runtime.
    tasks: Mutex<Vec<JoinTask>>,
}

type JoinTask = tokio::task::JoinHandle<()>;

#[derive(Default)]
struct Queue {
    ahead: VecDeque<Job>,
    usual: VecDeque<Job>,
    /// Usual jobs that run.
    running: usize,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Queue {
    /// How many jobs could begin if there were threads.
    fn ready(&self, most: Most) -> usize {
        self.ahead.len() + self.usual.len().min(most.usual.saturating_sub(self.running))
    }

    fn next(&mut self, most: Most) -> Option<(Rank, Job)> {
        if let Some(job) = self.ahead.pop_front() {
            return Some((Rank::Ahead, job));
        }
        if self.running >= most.usual {
            return None;
        }
        let job = self.usual.pop_front()?;
        self.running += 1;
        Some((Rank::Usual, job))
    }
}

/// An idle thread ends after this time.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

impl Pool {
    pub(crate) fn new(name: &'static str, most: Most, activity: Arc<Activity>) -> Arc<Self> {
        Arc::new(Self {
            name,
            most,
            activity,
            queue: Mutex::default(),
            posted: Condvar::new(),
            tasks: Mutex::default(),
        })
    }

    /// Waits for the tasks of the background.
    pub(crate) async fn end_background(&self) {
        loop {
            let task = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match task {
                Some(task) => drop(task.await),
                None => return,
            }
        }
    }

    /// From here on [`blocking`] on this thread runs on this pool.
    pub(crate) fn serve_this_thread(self: &Arc<Self>) {
        POOL.set(Some(self.clone()));
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a job on an idle thread, else on a new one, else, where there are as many as may be, on the first that
    /// is free. Fails where a new one can't be started: those that run may wait for this very job.
    fn post(self: &Arc<Self>, rank: Rank, job: Job) -> Result<()> {
        let busy = self.activity.begin();
        let job: Job = Box::new(move || {
            let _busy = busy;
            job();
        });
        let mut queue = self.queue();
        let ready = queue.ready(self.most);
        let begins = rank == Rank::Ahead || queue.running + queue.usual.len() < self.most.usual;
        if begins && queue.idle <= ready && queue.threads < self.most.usual + self.most.ahead {
            let pool = self.clone();
            self.activity.spawn(self.name, move || pool.serve())?;
            queue.threads += 1;
        }
        match rank {
            Rank::Ahead => queue.ahead.push_back(job),
            Rank::Usual => queue.usual.push_back(job),
        }
        let idle = queue.idle > 0;
        drop(queue);
        if idle {
            self.posted.notify_one();
        }
        Ok(())
    }

    fn serve(self: Arc<Self>) {
        self.serve_this_thread();
        let mut queue = self.queue();
        loop {
            if let Some((rank, job)) = queue.next(self.most) {
                drop(queue);
                // Who waits for a job hears of its panic; it must not cost the thread.
                let _ = catch_unwind(AssertUnwindSafe(job));
                queue = self.queue();
                queue.running -= usize::from(rank == Rank::Usual);
                continue;
            }
            if queue.closed {
                break;
            }
            queue.idle += 1;
            let (back, waited) =
                self.posted.wait_timeout(queue, KEEP_ALIVE).unwrap_or_else(PoisonError::into_inner);
            queue = back;
            queue.idle -= 1;
            if waited.timed_out() && queue.ready(self.most) == 0 {
                break;
            }
        }
        queue.threads -= 1;
    }

    /// Ends its threads as soon as they have nothing to do.
    pub(crate) fn close(&self) {
        self.queue().closed = true;
        self.posted.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn jobs_that_wait_for_one_another_get_a_thread_each() {
        let pool = Pool::new("cldoci-test", Most { usual: 8, ahead: 1 }, Arc::default());
        let (sender, receiver) = mpsc::sync_channel(0);
        for n in 0..4 {
            let (sender, pool2) = (sender.clone(), pool.clone());
            let job = move || {
                let (inner, done) = mpsc::sync_channel(0);
                pool2.post(Rank::Usual, Box::new(move || inner.send(n).unwrap())).unwrap();
                sender.send(done.recv().unwrap()).unwrap();
            };
            pool.post(Rank::Usual, Box::new(job)).unwrap();
        }
        let mut seen: Vec<i32> = (0..4).map(|_| receiver.recv().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3]);
        pool.close();
    }

    #[test]
    fn what_others_wait_for_finds_a_thread_where_they_hold_all() {
        let pool = Pool::new("cldoci-test", Most { usual: 2, ahead: 1 }, Arc::default());
        let (sender, receiver) = mpsc::channel();
        for n in 0..6 {
            let (sender, pool2) = (sender.clone(), pool.clone());
            let job = move || {
                let (inner, done) = mpsc::sync_channel(0);
                pool2.post(Rank::Ahead, Box::new(move || inner.send(n).unwrap())).unwrap();
                sender.send(done.recv().unwrap()).unwrap();
            };
            pool.post(Rank::Usual, Box::new(job)).unwrap();
        }
        let mut seen: Vec<i32> = (0..6).map(|_| receiver.recv().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
        assert!(pool.queue().threads <= 3);
        pool.close();
    }

    #[test]
    fn a_panic_is_told_to_who_waits_and_costs_no_thread() {
        let pool = Pool::new("cldoci-test", Most { usual: 1, ahead: 1 }, Arc::default());
        pool.serve_this_thread();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let told = runtime.block_on(blocking(|| -> Result<()> { std::panic::panic_any("a test's panic") }));
        assert_eq!(told.unwrap_err().kind(), Kind::Panic);
        assert_eq!(runtime.block_on(blocking(|| Ok(7))).unwrap(), 7);
        pool.close();
        POOL.set(None);
    }
}
