//! `cldoci_error`: what went wrong in one call.

use std::ffi::c_char;

use super::status::{self, CLDOCI_OK, cldoci_status};
use super::support::accessor;
use super::support::guard::{self, ErrorObject};
use super::types::cldoci_error;

/// The status that the failed call returned.
///
/// @return the status; CLDOCI_OK for NULL, CLDOCI_ERROR_HANDLE for a bad handle
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_status(error: *const cldoci_error) -> cldoci_status {
    let none = if error.is_null() { CLDOCI_OK } else { status::CLDOCI_ERROR_HANDLE };
    accessor::number::<ErrorObject, _>(error, none, |error| Some(error.status))
}

/// What failed, on what, and the cure if it is known: one line in UTF-8, without a newline at the end. Control
/// characters in text from a server are escaped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_message(
    error: *const cldoci_error,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ErrorObject>(error, length, |error| Some(&error.message))
}

/// The HTTP status that caused the failure.
///
/// @return 100 to 599; 0 if there was none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_http_status(error: *const cldoci_error) -> i32 {
    accessor::number::<ErrorObject, _>(error, 0, |error| Some(error.http_status))
}

/// The registry's own error code, such as `MANIFEST_UNKNOWN`. NULL if it gave none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_registry_code(
    error: *const cldoci_error,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ErrorObject>(error, length, |error| error.registry_code.as_ref())
}

/// How many errors the registry's answer listed, 32 at most; cldoci_error_registry_code is the code of the first.
/// Their texts are the registry's own, with control characters escaped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_registry_error_count(error: *const cldoci_error) -> usize {
    accessor::number::<ErrorObject, _>(error, 0, |error| Some(error.registry_errors.len()))
}

/// The code of an error that the registry listed, such as `MANIFEST_BLOB_UNKNOWN`; about its first 256 bytes.
/// Empty if it has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_registry_error_code(
    error: *const cldoci_error,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ErrorObject>(error, length, |error| Some(&error.registry_errors.get(index)?.code))
}

/// The message for people of an error that the registry listed; about its first 256 bytes. Empty if it has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_registry_error_message(
    error: *const cldoci_error,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ErrorObject>(error, length, |error| Some(&error.registry_errors.get(index)?.message))
}

/// The detail of an error that the registry listed: JSON of any type, in one line. NULL if there is none, or if
/// it has more than 4096 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_registry_error_detail(
    error: *const cldoci_error,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ErrorObject>(error, length, |error| error.registry_errors.get(index)?.detail.as_ref())
}

/// The system's error number (`errno`) that caused the failure.
///
/// @return the number; 0 if there was none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_errno(error: *const cldoci_error) -> i32 {
    accessor::number::<ErrorObject, _>(error, 0, |error| Some(error.errno))
}

/// Whether the same call may succeed later, without a change.
///
/// @return 1 or 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_retryable(error: *const cldoci_error) -> i32 {
    accessor::number::<ErrorObject, _>(error, 0, |error| Some(i32::from(error.retryable)))
}

/// How long the registry asked to wait before the next try.
///
/// @return milliseconds; -1 if it did not say
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_retry_after_ms(error: *const cldoci_error) -> i64 {
    accessor::number::<ErrorObject, _>(error, -1, |error| Some(error.retry_after_ms))
}

/// Frees an error and everything borrowed from it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_error_free(error: *mut cldoci_error) -> cldoci_status {
    guard::free::<ErrorObject>(error)
}
