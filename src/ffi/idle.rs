//! Waiting until nothing goes on, before a program ends.

use std::time::Duration;

use super::status::{CLDOCI_OK, CLDOCI_PENDING, cldoci_status};
use super::support::{engine, guard};
use super::types::cldoci_error;

/// Waits until the library is idle: no operation runs, not even a cancelled or freed one; their temporary files
/// are gone; and no callback runs or will run. If there is no client left, it also waits for the library's
/// threads to end. An idle client does not hold it up. Call it before the program ends: after a cancelled pull,
/// nothing is left beside the destination.
///
/// @param timeout_ms  milliseconds to wait at most; 0 only asks, a negative number waits forever
/// @return CLDOCI_OK if it is idle, CLDOCI_PENDING if the time is over (no error object), CLDOCI_ERROR_REENTRANT
///         inside a callback
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_wait_idle(timeout_ms: i64, error: *mut *mut cldoci_error) -> cldoci_status {
    guard::status(error, || {
        let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        Ok(if engine::wait_idle(timeout)? { CLDOCI_OK } else { CLDOCI_PENDING })
    })
}
