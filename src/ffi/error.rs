//! `cldoci_error`: what went wrong in one call.

use std::ffi::c_char;

use super::status::{self, CLDOCI_OK, cldoci_status};
use super::support::accessor;
use super::support::guard::{self, ErrorObject};
use super::types::cldoci_error;

/// The status that the failed call returned.
///
/// @param error  borrowed; NULL gives CLDOCI_OK
/// @return the status; CLDOCI_ERROR_HANDLE for a bad handle
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_status(error: *const cldoci_error) -> cldoci_status {
    let none = if error.is_null() { CLDOCI_OK } else { status::CLDOCI_ERROR_HANDLE };
    accessor::number::<ErrorObject, _>(error, none, |error| Some(error.status))
}

/// What failed, on what, and where it is known the cure: one line, without a final newline. Text that came
/// from a server has its control characters escaped.
///
/// @param error  borrowed; NULL gives NULL
/// @return borrowed from `error`, UTF-8; NULL for a bad handle
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_message(
    error: *const cldoci_error,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ErrorObject>(error, length, |error| Some(&error.message))
}

/// The HTTP status that was the reason.
///
/// @param error  borrowed; NULL gives 0
/// @return 100 to 599; 0 where there was none, or for a bad handle
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_http_status(error: *const cldoci_error) -> i32 {
    accessor::number::<ErrorObject, _>(error, 0, |error| Some(error.http_status))
}

/// The registry's own code, such as `MANIFEST_UNKNOWN`.
///
/// @param error  borrowed; NULL gives NULL
/// @return borrowed from `error`; NULL where the registry gave none, or for a bad handle
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_registry_code(
    error: *const cldoci_error,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ErrorObject>(error, length, |error| error.registry_code.as_ref())
}

/// How many errors the registry listed in its answer, of which `cldoci_error_registry_code` is the first one's code;
/// of a long list the first 32 are kept. Their texts are the registry's own, with control characters escaped.
///
/// @param error  borrowed; NULL gives 0
/// @return the number; 0 where the registry listed none, or for a bad handle
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_registry_error_count(error: *const cldoci_error) -> usize {
    accessor::number::<ErrorObject, _>(error, 0, |error| Some(error.registry_errors.len()))
}

/// The code of an error that the registry listed, such as `MANIFEST_BLOB_UNKNOWN`; at most about 256 bytes of it.
///
/// @param error  borrowed; NULL gives NULL
/// @param index  from 0
/// @return borrowed from `error`, UTF-8, empty where it has none; NULL beyond the last
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_registry_error_code(
    error: *const cldoci_error,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ErrorObject>(error, length, |error| Some(&error.registry_errors.get(index)?.code))
}

/// The message of an error that the registry listed, for people; at most about 256 bytes of it.
///
/// @param error  borrowed; NULL gives NULL
/// @param index  from 0
/// @return borrowed from `error`, UTF-8, empty where it has none; NULL beyond the last
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_registry_error_message(
    error: *const cldoci_error,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ErrorObject>(error, length, |error| Some(&error.registry_errors.get(index)?.message))
}

/// The detail of an error that the registry listed: JSON of any type, in one line, whole or not at all.
///
/// @param error  borrowed; NULL gives NULL
/// @param index  from 0
/// @return borrowed from `error`, UTF-8; NULL beyond the last, where it has none, and for one over 4096 bytes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_registry_error_detail(
    error: *const cldoci_error,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ErrorObject>(error, length, |error| error.registry_errors.get(index)?.detail.as_ref())
}

/// The system's error number (`errno`) that was the reason.
///
/// @param error  borrowed; NULL gives 0
/// @return the number; 0 where there was none, or for a bad handle
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_errno(error: *const cldoci_error) -> i32 {
    accessor::number::<ErrorObject, _>(error, 0, |error| Some(error.errno))
}

/// Whether the same call may succeed later without a change.
///
/// @param error  borrowed; NULL gives 0
/// @return 1 or 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_retryable(error: *const cldoci_error) -> i32 {
    accessor::number::<ErrorObject, _>(error, 0, |error| Some(i32::from(error.retryable)))
}

/// How long the registry asked to wait before the next try.
///
/// @param error  borrowed; NULL gives -1
/// @return milliseconds; -1 where it did not say, or for a bad handle
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_retry_after_ms(error: *const cldoci_error) -> i64 {
    accessor::number::<ErrorObject, _>(error, -1, |error| Some(error.retry_after_ms))
}

/// Frees an error and all that was borrowed from it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_free(error: *mut cldoci_error) -> cldoci_status {
    guard::free::<ErrorObject>(error)
}
