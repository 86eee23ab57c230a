//! The caller's log function. Lines wait in a short queue until a thread for callbacks takes them, so that a
//! function that blocks stalls nothing.

use std::collections::VecDeque;
use std::ffi::{CString, c_char, c_void};
use std::sync::{Arc, Mutex};

use super::callback::UserData;
use super::process::{local, lock};
use crate::error::{Error, Kind, Result};
use crate::operation::{Level, Logger};

/// A verb failed.
pub const CLDOCI_LOG_ERROR: i32 = 1;
/// Something is not as it should be, and the verb goes on.
pub const CLDOCI_LOG_WARNING: i32 = 2;
/// A verb begins or ends.
pub const CLDOCI_LOG_INFO: i32 = 3;
/// One request to a registry.
pub const CLDOCI_LOG_DEBUG: i32 = 4;

/// Takes one line of the log, without a newline at its end; `line` lives for the time of the call.
#[allow(non_camel_case_types, reason = "the header's name")]
pub type cldoci_log_callback =
    Option<unsafe extern "C" fn(level: i32, line: *const c_char, user_data: *mut c_void)>;

/// Lines that wait at most; those beyond are counted and left out.
const WAITING: usize = 1000;

struct Sink {
    function: unsafe extern "C" fn(i32, *const c_char, *mut c_void),
    user_data: UserData,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<(Level, String)>,
    left_out: u64,
    /// A thread is at it, or asked for.
    served: bool,
}

/// A logger that hands its lines to the caller's function.
pub(super) fn logger(
    level: i32,
    function: unsafe extern "C" fn(i32, *const c_char, *mut c_void),
    user_data: UserData,
) -> Result<Logger> {
    let level = match level {
        CLDOCI_LOG_ERROR => Level::Error,
        CLDOCI_LOG_WARNING => Level::Warning,
        CLDOCI_LOG_INFO => Level::Info,
        CLDOCI_LOG_DEBUG => Level::Debug,
        _ => return Err(Error::new(Kind::Argument, format!("argument 'level' is {level}, wants 1 to 4"))),
    };
    let sink = Arc::new(Sink { function, user_data, queue: Mutex::default() });
    Ok(Logger { level, write: Arc::new(move |level, line| sink.write(level, line)) })
}

impl Sink {
    fn write(self: &Arc<Self>, level: Level, line: &str) {
        let mut queue = lock(&self.queue);
        if queue.lines.len() < WAITING {
            queue.lines.push_back((level, line.to_owned()));
        } else {
            queue.left_out += 1;
        }
        if !std::mem::replace(&mut queue.served, true) {
            drop(queue);
            let sink = self.clone();
            local().callers.post(Box::new(move || sink.serve()));
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
                        (
                            Level::Warning,
                            format!("{count} lines of the log were left out: its callback is slow"),
                        )
                    }
                }
            };
            // Text that could hold a NUL went through `printable` before.
            let line = CString::new(line.replace('\0', "\\0")).unwrap_or_default();
            // SAFETY: the caller gave this function for this user_data, and `line` lives as long as the call.
            unsafe { (self.function)(level as i32, line.as_ptr(), self.user_data.pointer) };
        }
    }
}
