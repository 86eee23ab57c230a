//! The threads that do the work: one runtime for the process, made at the first verb and gone with the last
//! client and operation, and the gate that keeps a thousand operations within a few threads.
//!
//! The runtime is tokio's of one thread, on a thread that we start: tokio's own start of several hangs or panics
//! where the system has no thread to give (F-12). What blocks runs on a pool of ours, for the same reason.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::fs::fstat;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Semaphore, oneshot};

use super::activity::activity;
use super::fork::Local;
use super::panic::{self, Observer};
use super::{callbacks, lock, signals};
use crate::error::{Error, Kind, Result};
use crate::thread::{Most, Pool};

/// The name of the thread that waits for sockets, and of those for work that blocks.
const IO_THREAD: &str = "cldoci-io";
/// Threads for work that blocks: files, and what that may wait for, name look-ups and credentials.
const BLOCKING: Most = Most { usual: 24, ahead: 4 };

/// How many operations that move layers run at once: each has some files, connections and threads.
const TRANSFERS: usize = 6;
/// How many of the small ones run at once: each has one connection.
const QUESTIONS: usize = 24;

/// What an operation needs, which decides at which gate it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// It moves or unpacks layers.
    Transfer,
    /// It asks or changes one thing.
    Question,
}

/// What an engine drives: a verb under way.
pub(crate) trait Driven: Send + Sync {
    /// Ends it although its task does not go on: its threads are gone.
    fn fail(self: Arc<Self>, error: Error);
}

/// What this process has of it.
struct Process {
    /// As long as a client or an operation holds it.
    engine: Mutex<Weak<Engine>>,
    /// The host closed what the runtime waits on.
    lost: AtomicBool,
    /// The runtime to be.
    plan: Mutex<Builder>,
}

static PROCESS: Local<Process> = Local::new(|| {
    let mut plan = Builder::new_current_thread();
    plan.enable_all();
    Process { engine: Mutex::new(Weak::new()), lost: AtomicBool::new(false), plan: Mutex::new(plan) }
});

/// Plans the runtime: tokio looks into the environment then, which is to be when the first client is made.
pub(crate) fn prepare() {
    PROCESS.get();
}

/// How often one who waits until nothing goes on looks whether the last client went.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits until no operation, no callback and no work of theirs is left, and once no client lives, no thread; whether
/// that is so. No time-out waits for ever.
pub(crate) fn wait_idle(timeout: Option<Duration>) -> Result<bool> {
    if callbacks::is_here() || on_io_thread() {
        let why = "a callback waits until no callback runs: return from it first";
        return Err(Error::new(Kind::Reentrant, why));
    }
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        check_health();
        if is_lost() {
            return Err(lost());
        }
        let alive = is_alive();
        if !alive {
            callbacks::end_idle_threads();
        }
        let next = Instant::now() + LOOK_EVERY;
        if activity().wait(alive, deadline.map_or(next, |deadline| deadline.min(next))) {
            // It may have gone with the operation that was waited for, and its threads are left then.
            if alive && !is_alive() {
                continue;
            }
            return Ok(true);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(false);
        }
    }
}

/// Whether a client or an operation holds an engine.
fn is_alive() -> bool {
    lock(&PROCESS.get().engine).strong_count() > 0
}

/// The runtime and its gates.
pub(crate) struct Engine {
    runtime: Handle,
    /// Its thread ends the runtime once this is dropped.
    running: Option<oneshot::Sender<()>>,
    pool: Arc<Pool>,
    sentinel: Option<Sentinel>,
    transfers: Arc<Semaphore>,
    questions: Arc<Semaphore>,
    /// What it drives, by address.
    driven: Mutex<HashMap<usize, Weak<dyn Driven>>>,
}

impl Engine {
    /// This process's engine, made if there is none.
    pub(crate) fn acquire() -> Result<Arc<Self>> {
        if is_lost() {
            return Err(lost());
        }
        let mut place = lock(&PROCESS.get().engine);
        if let Some(engine) = place.upgrade() {
            return Ok(engine);
        }
        let engine = Arc::new(Self::start()?);
        *place = Arc::downgrade(&engine);
        Ok(engine)
    }

    fn start() -> Result<Self> {
        panic::observe(Observer { on_panic, cause: || is_lost().then(lost) });
        let no_events = |e: std::io::Error| Error::io("waiting for events", e).with_retryable(true);
        let sentinel = Sentinel::new().map_err(|e| no_events(e.into()))?;
        let pool = Pool::new(IO_THREAD, BLOCKING, activity());
        let (running, stopped) = oneshot::channel();
        let (tell, built) = oneshot::channel();
        let serve = {
            let pool = pool.clone();
            // Built there: it would leave a handle of this thread's behind, which is the host's (F-12, valgrind).
            move || match lock(&PROCESS.get().plan).build() {
                Ok(runtime) => {
                    let _ = tell.send(Ok(runtime.handle().clone()));
                    serve(runtime, &pool, stopped);
                }
                Err(error) => drop(tell.send(Err(no_events(error)))),
            }
        };
        signals::blocked(|| activity().spawn(IO_THREAD, serve))?;
        let ended = || Err(Error::new(Kind::Panic, "a bug was caught in the thread for input and output"));
        let handle = built.blocking_recv().unwrap_or_else(|_| ended())?;
        Ok(Self {
            runtime: handle,
            running: Some(running),
            pool,
            sentinel: Some(sentinel),
            transfers: Arc::new(Semaphore::new(TRANSFERS)),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
            driven: Mutex::new(HashMap::new()),
        })
    }

    /// The gate of operations of this weight.
    pub(crate) fn gate(&self, weight: Weight) -> Arc<Semaphore> {
        match weight {
            Weight::Transfer => self.transfers.clone(),
            Weight::Question => self.questions.clone(),
        }
    }

    /// Whether the host left what the threads wait on.
    fn is_healthy(&self) -> bool {
        self.sentinel.as_ref().is_none_or(Sentinel::lives)
    }

    /// Starts the task of an operation, whose end is told by [`finished`](Self::finished).
    pub(crate) fn drive<T: Driven + 'static>(
        &self,
        driven: &Arc<T>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        if !self.is_healthy() {
            self.fail_all();
        }
        let known = {
            let mut all = lock(&self.driven);
            // Asked under the lock, under which `fail_all` looks for what it has to end.
            let known = !is_lost();
            if known {
                let weak: Weak<dyn Driven> = Arc::downgrade(driven) as Weak<dyn Driven>;
                all.insert(Arc::as_ptr(driven).addr(), weak);
            }
            known
        };
        if !known {
            driven.clone().fail(lost());
        } else if catch_unwind(AssertUnwindSafe(|| self.spawn(task))).is_err() {
            self.fail_all();
        }
    }

    /// Starts a task.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    /// An operation has ended.
    pub(crate) fn finished<T: Driven>(&self, driven: &T) {
        lock(&self.driven).remove(&std::ptr::from_ref(driven).addr());
    }

    /// Ends all that it drives. Its tasks are left as they are.
    fn fail_all(&self) {
        PROCESS.get().lost.store(true, Ordering::SeqCst);
        let all = std::mem::take(&mut *lock(&self.driven));
        for driven in all.into_values().filter_map(|driven| driven.upgrade()) {
            driven.fail(lost());
        }
    }

    /// What runs inside: sockets and timers made under this belong to the runtime.
    pub(crate) fn enter<T>(&self, inside: impl FnOnce() -> T) -> T {
        let _guard = self.runtime.enter();
        inside()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.pool.close();
        // The last holder may be a task on one of its own threads, which must not wait for itself.
        let running = self.running.take();
        // Asked before anything of it is closed: the numbers may be the host's own files by now.
        if is_lost() || !self.is_healthy() {
            PROCESS.get().lost.store(true, Ordering::SeqCst);
            std::mem::forget((running, self.sentinel.take()));
        } else if catch_unwind(AssertUnwindSafe(|| drop(running))).is_err() {
            // The host closed what its threads wait on, and no verb has met that yet.
            PROCESS.get().lost.store(true, Ordering::SeqCst);
        }
    }
}

/// Drives the runtime until its engine is gone.
fn serve(runtime: Runtime, pool: &Arc<Pool>, stopped: oneshot::Receiver<()>) {
    pool.serve_this_thread();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let _ = stopped.await;
            pool.end_background().await;
        });
    }));
    if ended.is_err() || is_lost() {
        // what it would close now may be the host's.
        std::mem::forget(runtime);
    } else {
        runtime.shutdown_background();
    }
}

/// A descriptor that goes where a host closes all that it does not know, as before it becomes a daemon. The threads
/// themselves may never notice: one that sleeps until another descriptor wakes it sleeps on.
struct Sentinel {
    descriptor: OwnedFd,
    /// The number alone could be another file's by now. (Of all eventfds this is the same.)
    identity: (u64, u64),
}

impl Sentinel {
    fn new() -> rustix::io::Result<Self> {
        let descriptor = crate::os::sentinel()?;
        let stat = fstat(&descriptor)?;
        Ok(Self { descriptor, identity: (stat.st_dev, stat.st_ino) })
    }

    fn lives(&self) -> bool {
        fstat(&self.descriptor).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.identity)
    }
}

/// Looks whether the threads can go on, and ends all operations where they can't. Whoever waits for one asks.
pub(crate) fn check_health() {
    let engine = lock(&PROCESS.get().engine).upgrade();
    if let Some(engine) = engine.filter(|engine| !engine.is_healthy()) {
        engine.fail_all();
    }
}

/// whether the host closed what our threads wait on. No others are started then: a thread that is left of the
/// old ones would take a descriptor of the new ones for its own, as the kernel gives out the same number.
pub(crate) fn is_lost() -> bool {
    PROCESS.get().lost.load(Ordering::SeqCst)
}

/// What every verb fails with then.
pub(crate) fn lost() -> Error {
    let why = "another part of this program closed the descriptors that cldoci waits on: it can't go on in this process";
    Error::new(Kind::Io, why)
}

/// tokio panics where the host closed what its threads wait on; they are gone then, and none of their tasks goes on.
/// Called for each panic, on the thread that panics: only takes note. (A debug build of tokio ends the process here.)
fn on_panic(panic: &PanicHookInfo<'_>) {
    if !panic.location().is_some_and(|at| at.file().ends_with("src/runtime/io/driver.rs")) {
        return;
    }
    // Whoever holds the lock makes an engine, which is not this one.
    let engine = PROCESS.get().engine.try_lock().ok().and_then(|place| place.upgrade());
    let Some(engine) = engine else { return };
    // The host may have a tokio of its own.
    let here = Handle::try_current().ok().map(|handle| handle.id());
    if here.is_none_or(|here| here == engine.runtime.id()) && !PROCESS.get().lost.swap(true, Ordering::SeqCst)
    {
        callbacks::post(Box::new(move || engine.fail_all()));
    }
}

/// Whether this is one of the runtime's threads, where no function of the caller's may run.
pub(crate) fn on_io_thread() -> bool {
    crate::thread::name() == IO_THREAD
}
