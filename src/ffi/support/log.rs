//! Log lines for the caller's function. They wait in a short queue until a thread for callbacks takes them, or the one
//! that waits for the verb, so that a function that blocks stalls nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};

use super::{callbacks, lock};
use crate::error::{Error, Kind, Result};
use crate::operation::{Job, Level, LogWriter, Logger, Waiter};
use crate::options::Environment;
use crate::os;

/// Lines that wait at most; those beyond are counted and left out.
const WAITING: usize = 1000;

/// The caller's function.
type Write = dyn Fn(Level, &str) + Send + Sync;

/// The caller's function, and which lines it wants.
#[derive(Clone)]
pub(crate) struct LogCallback {
    level: Level,
    write: Arc<Write>,
    /// Of the operations; one at a time also of several.
    lines: Arc<Lines>,
}

impl LogCallback {
    pub(crate) fn new(level: Level, write: impl Fn(Level, &str) + Send + Sync + 'static) -> Self {
        let write: Arc<Write> = Arc::new(write);
        Self { level, lines: Lines::new(write.clone(), None), write }
    }

    /// What hands it the lines of one call: on a thread for callbacks, or on the one that waits.
    pub(crate) fn logger(&self, waiter: Option<&Arc<Waiter>>) -> Logger {
        let write: LogWriter = match waiter {
            None => {
                let lines = self.lines.clone();
                Arc::new(move |level, line: &str| lines.post(level, line))
            }
            Some(waiter) => {
                let lines = Lines::new(self.write.clone(), Some(waiter));
                let held = Arc::downgrade(&lines);
                waiter.keep(lines);
                // What is written after the call has no reader.
                Arc::new(move |level, line: &str| {
                    if let Some(lines) = held.upgrade() {
                        lines.post(level, line);
                    }
                })
            }
        };
        Logger { level: self.level, write }
    }
}

struct Lines {
    write: Arc<Write>,
    waiter: Option<Weak<Waiter>>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<(Level, String)>,
    left_out: u64,
    /// A thread is at it, or asked for.
    served: bool,
}

impl Lines {
    fn new(write: Arc<Write>, waiter: Option<&Arc<Waiter>>) -> Arc<Self> {
        Arc::new(Self { write, waiter: waiter.map(Arc::downgrade), queue: Mutex::default() })
    }

    fn post(self: &Arc<Self>, level: Level, line: &str) {
        let mut queue = lock(&self.queue);
        if queue.lines.len() < WAITING {
            queue.lines.push_back((level, line.to_owned()));
        } else {
            queue.left_out += 1;
        }
        if !std::mem::replace(&mut queue.served, true) {
            drop(queue);
            let lines = self.clone();
            let serve: Job = Box::new(move || lines.serve());
            match &self.waiter {
                None => callbacks::post(serve),
                Some(waiter) => drop(waiter.upgrade().map(|waiter| waiter.post(serve))),
            }
        }
    }

    fn serve(&self) {
        loop {
            let (level, line) = {
                let mut queue = lock(&self.queue);
                match (queue.lines.pop_front(), queue.left_out) {
                    (Some(line), _) => line,
                    (None, 0) => {
                        queue.served = false;
                        return;
                    }
                    (None, count) => {
                        queue.left_out = 0;
                        let told = format!("{count} lines of the log were left out: its callback is slow");
                        (Level::Warning, told)
                    }
                }
            };
            (self.write)(level, &line);
        }
    }
}

/// What the variable CLDOCI_LOG asks for: lines on standard error, for people, where the caller has no function of its
/// own. Never in a process that runs with more rights than who started it, whose variables are not to be trusted.
pub(crate) fn standard_error(environment: &Environment) -> Result<Option<LogCallback>> {
    let Some(asked) = environment.get("CLDOCI_LOG").filter(|_| !os::is_privileged()) else { return Ok(None) };
    let level = match asked.to_str() {
        Some("error") => Level::Error,
        Some("warn" | "warning") => Level::Warning,
        Some("info") => Level::Info,
        Some("debug") => Level::Debug,
        _ => {
            let why = "environment variable CLDOCI_LOG must be error, warn, info or debug";
            return Err(Error::new(Kind::Argument, why));
        }
    };
    Ok(Some(LogCallback::new(level, |level, line| {
        let name = match level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "info",
            Level::Debug => "debug",
        };
        // In one piece, so that lines of several threads and processes don't mix. Nobody is told that it failed.
        let _ = rustix::io::write(std::io::stderr(), format!("cldoci: {name}: {line}\n").as_bytes());
    })))
}
