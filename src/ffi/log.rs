//! The caller's log function.

use std::ffi::{CString, c_char, c_void};

use super::callback::UserData;
use super::support::log::LogCallback;
use crate::error::{Error, Kind, Result};
use crate::operation::Level;

/// A verb failed.
pub const CLDOCI_LOG_ERROR: i32 = 1;
/// Something is wrong, but the verb goes on.
pub const CLDOCI_LOG_WARNING: i32 = 2;
/// A verb begins or ends.
pub const CLDOCI_LOG_INFO: i32 = 3;
/// One request to a registry.
pub const CLDOCI_LOG_DEBUG: i32 = 4;

/// Receives one line of the log, without a newline at its end; `line` is valid during the call.
pub type cldoci_log_callback =
    Option<unsafe extern "C" fn(level: i32, line: *const c_char, user_data: *mut c_void)>;

/// A logger that hands its lines to the caller's function.
pub(super) fn logger(
    level: i32,
    function: unsafe extern "C" fn(i32, *const c_char, *mut c_void),
    user_data: UserData,
) -> Result<LogCallback> {
    let level = match level {
        CLDOCI_LOG_ERROR => Level::Error,
        CLDOCI_LOG_WARNING => Level::Warning,
        CLDOCI_LOG_INFO => Level::Info,
        CLDOCI_LOG_DEBUG => Level::Debug,
        _ => return Err(Error::new(Kind::Argument, format!("argument 'level' is {level}, must be 1 to 4"))),
    };
    Ok(LogCallback::new(level, move |level, line| {
        // Text that could hold a NUL went through `printable` before.
        let line = CString::new(line.replace('\0', "\\0")).unwrap_or_default();
        // SAFETY: the caller gave this function for this user_data, and `line` lives as long as the call.
        unsafe { function(level as i32, line.as_ptr(), user_data.pointer()) };
    }))
}
