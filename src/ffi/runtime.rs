//! The threads that do the work: one runtime for the process, made at the first verb and gone with the last
//! client and operation, and the gate that keeps a thousand operations within a few threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

use super::guard::THREAD_PREFIX;
use super::process::{local, lock};
use super::signals;
use crate::error::{Error, Kind, Result};
use crate::thread;

/// Threads that wait for sockets.
const WORKERS: usize = 2;
/// Threads for work that blocks: files, name look-ups.
const BLOCKING: usize = 32;
/// An idle thread for blocking work ends after this time.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// How many operations that move layers run at once: each has some files, connections and threads.
const TRANSFERS: usize = 6;
/// How many of the small ones run at once: each has one connection.
const QUESTIONS: usize = 24;

/// What an operation needs, which decides at which gate it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// It moves or unpacks layers.
    Transfer,
    /// It asks or changes one thing.
    Question,
}

/// The runtime to be. tokio looks into the environment when this is made, which is when the first client is.
pub(super) fn plan() -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .thread_keep_alive(KEEP_ALIVE)
        .thread_stack_size(thread::STACK)
        .thread_name(format!("{THREAD_PREFIX}-io"))
        .enable_all();
    builder
}

/// The runtime and its gates.
pub(super) struct Engine {
    runtime: Option<Runtime>,
    transfers: Arc<Semaphore>,
    questions: Arc<Semaphore>,
}

impl Engine {
    /// This process's engine, made if there is none.
    pub(super) fn acquire() -> Result<Arc<Self>> {
        let mut place = lock(&local().engine);
        if let Some(engine) = place.upgrade() {
            return Ok(engine);
        }
        let engine = Arc::new(Self::start()?);
        *place = Arc::downgrade(&engine);
        Ok(engine)
    }

    fn start() -> Result<Self> {
        let no_threads = |why: String| {
            Error::new(Kind::Io, format!("no threads can be started ({why}): raise the limit of processes"))
                .with_retryable(true)
        };
        // tokio panics where the system has no thread to give (F-12).
        let build = || lock(&local().plan).build();
        let built = catch_unwind(AssertUnwindSafe(|| signals::blocked(build)));
        let runtime = match built {
            Ok(built) => built.map_err(|e| no_threads(e.to_string()))?,
            Err(_) => return Err(no_threads("EAGAIN".to_owned())),
        };
        Ok(Self {
            runtime: Some(runtime),
            transfers: Arc::new(Semaphore::new(TRANSFERS)),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
        })
    }

    /// The gate of operations of this weight.
    pub(super) fn gate(&self, weight: Weight) -> Arc<Semaphore> {
        match weight {
            Weight::Transfer => self.transfers.clone(),
            Weight::Question => self.questions.clone(),
        }
    }

    /// Starts a task.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(task);
        }
    }

    /// What runs inside: sockets and timers made under this belong to the runtime.
    pub(super) fn enter<T>(&self, inside: impl FnOnce() -> T) -> T {
        let _guard = self.runtime.as_ref().map(Runtime::enter);
        inside()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The last holder may be a task on one of its own threads, which must not wait for itself.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Whether this is one of the runtime's threads, where no function of the caller's may run.
pub(super) fn on_io_thread() -> bool {
    std::thread::current().name().is_some_and(|name| name == "cldoci-io")
}
