//! `cldoci_error`: what went wrong in one call.

use std::ffi::c_char;

use super::handle::{self, Object};
use super::status::{self, CLDOCI_OK, cldoci_status};
use super::text::Text;
use super::types::cldoci_error;
use super::{access, guard};
use crate::error::Error;

pub(super) struct ErrorObject {
    status: cldoci_status,
    message: Text,
    http_status: i32,
    registry_code: Option<Text>,
    errno: i32,
    retryable: bool,
    retry_after_ms: i64,
}

impl Object for ErrorObject {
    type Opaque = cldoci_error;
    const TYPE: u8 = 1;
    const NAME: &'static str = "cldoci_error";
}

impl ErrorObject {
    pub(super) fn new(error: &Error) -> Self {
        Self {
            status: status::of(error.kind()),
            message: error.message().into(),
            http_status: error.http_status().map_or(0, i32::from),
            registry_code: error.registry_code().map(Text::from),
            errno: error.errno().unwrap_or(0),
            retryable: error.retryable(),
            retry_after_ms: error
                .retry_after()
                .map_or(-1, |wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
        }
    }
}

/// The status that the failed call returned.
///
/// @param error  borrowed; NULL gives CLDOCI_OK
/// @return the status; CLDOCI_ERROR_HANDLE for a bad handle
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_status(error: *const cldoci_error) -> cldoci_status {
    let none = if error.is_null() { CLDOCI_OK } else { status::CLDOCI_ERROR_HANDLE };
    access::number::<ErrorObject, _>(error, none, |error| Some(error.status))
}

/// What failed, on what, and where it is known the cure: one line, without a final newline. Text that came
/// from a server has its control characters escaped.
///
/// @param error   borrowed; NULL gives NULL
/// @param length  out, may be NULL: bytes before the final NUL
/// @return borrowed from `error`, UTF-8; NULL for a bad handle
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_message(
    error: *const cldoci_error,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { access::text::<ErrorObject>(error, length, |error| Some(&error.message)) }
}

/// The HTTP status that was the reason.
///
/// @param error  borrowed; NULL gives 0
/// @return 100 to 599; 0 where there was none, or for a bad handle
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_http_status(error: *const cldoci_error) -> i32 {
    access::number::<ErrorObject, _>(error, 0, |error| Some(error.http_status))
}

/// The registry's own code, such as `MANIFEST_UNKNOWN`.
///
/// @param error   borrowed; NULL gives NULL
/// @param length  out, may be NULL: bytes before the final NUL
/// @return borrowed from `error`; NULL where the registry gave none, or for a bad handle
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_registry_code(
    error: *const cldoci_error,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { access::text::<ErrorObject>(error, length, |error| error.registry_code.as_ref()) }
}

/// The system's error number (`errno`) that was the reason.
///
/// @param error  borrowed; NULL gives 0
/// @return the number; 0 where there was none, or for a bad handle
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_errno(error: *const cldoci_error) -> i32 {
    access::number::<ErrorObject, _>(error, 0, |error| Some(error.errno))
}

/// Whether the same call may succeed later without a change.
///
/// @param error  borrowed; NULL gives 0
/// @return 1 or 0
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_retryable(error: *const cldoci_error) -> i32 {
    access::number::<ErrorObject, _>(error, 0, |error| Some(i32::from(error.retryable)))
}

/// How long the registry asked to wait before the next try.
///
/// @param error  borrowed; NULL gives -1
/// @return milliseconds; -1 where it did not say, or for a bad handle
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_retry_after_ms(error: *const cldoci_error) -> i64 {
    access::number::<ErrorObject, _>(error, -1, |error| Some(error.retry_after_ms))
}

/// Frees an error and all that was borrowed from it.
///
/// @param error  consumed; NULL is fine
/// @return CLDOCI_OK, or CLDOCI_ERROR_HANDLE or CLDOCI_ERROR_FORKED for a bad handle
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_free(error: *mut cldoci_error) -> cldoci_status {
    // SAFETY: no error object is asked for.
    unsafe { guard::status(std::ptr::null_mut(), || handle::free::<ErrorObject>(error)) }
}
