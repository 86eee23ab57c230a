//! Log lines for the caller's function. They wait in a short queue until a thread for callbacks takes them, so that a
//! function that blocks stalls nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::{callbacks, lock};
use crate::operation::{Level, Logger};

/// Lines that wait at most; those beyond are counted and left out.
const WAITING: usize = 1000;

struct Lines<F> {
    write: F,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<(Level, String)>,
    left_out: u64,
    /// A thread is at it, or asked for.
    served: bool,
}

/// A logger that hands its lines to `write`, one at a time.
pub(crate) fn logger(level: Level, write: impl Fn(Level, &str) + Send + Sync + 'static) -> Logger {
    let lines = Arc::new(Lines { write, queue: Mutex::default() });
    Logger { level, write: Arc::new(move |level, line| lines.post(level, line)) }
}

impl<F: Fn(Level, &str) + Send + Sync + 'static> Lines<F> {
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
            callbacks::post(Box::new(move || lines.serve()));
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
