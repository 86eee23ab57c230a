//! Waiting until nothing goes on, before a program ends.

use std::time::Duration;

use super::status::{CLDOCI_OK, CLDOCI_PENDING, cldoci_status};
use super::support::{engine, guard};
use super::types::cldoci_error;

/// Waits until the library has nothing to do: no operation runs, not even one that was cancelled or freed, what they
/// made temporarily is removed, no callback runs or will run; and once no client is left, until its threads
/// have ended. Call it before the program ends: after a cancelled pull nothing is left beside its destination then. A
/// client that does nothing keeps it from nothing.
///
/// @param timeout_ms  milliseconds to wait at most; 0 only asks, a negative number waits forever
/// @return CLDOCI_OK when there is nothing to do, CLDOCI_PENDING when the time was over (no error object),
///         CLDOCI_ERROR_REENTRANT inside a callback
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_wait_idle(timeout_ms: i64, error: *mut *mut cldoci_error) -> cldoci_status {
    guard::status(error, || {
        let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        Ok(if engine::wait_idle(timeout)? { CLDOCI_OK } else { CLDOCI_PENDING })
    })
}
