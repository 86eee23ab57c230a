//! Typed setters of the store, and of what a call may take: time, transfers, threads, retries.

use std::ffi::c_char;

use super::{set_bool, set_int, set_path};
use crate::ffi::guard;
use crate::ffi::status::cldoci_status;
use crate::ffi::types::{cldoci_error, cldoci_options};

/// Directory of the store; 'off' = none; empty = $XDG_CACHE_HOME/cldoci, else ~/.cache/cldoci, else a
/// private temporary directory. Belongs to a client. Default: empty.
///
/// @param options  borrowed, not NULL
/// @param value    borrowed, not NULL, a path of any bytes; copied
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_store(
    options: *mut cldoci_options,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_path(options, "store", value)) }
}

/// The store is trimmed to this many bytes, oldest first. Belongs to a client. Default: 10737418240.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_store_max_bytes(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "store_max_bytes", value)) }
}

/// Blobs and records of the store not used for this many seconds are removed. Belongs to a client. Default:
/// 2592000.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_store_max_age_s(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "store_max_age_s", value)) }
}

/// Keep pulled blobs in the store and take them from it. Belongs to a client or a call. Default: 0.
///
/// @param options  borrowed, not NULL
/// @param value    1 or 0
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_cache(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_bool(options, "cache", value)) }
}

/// Deadline of a whole call in milliseconds; 0 = none. Belongs to a client or a call. Default: 0.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_timeout_ms(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "timeout_ms", value)) }
}

/// Transfers of one call at once: blobs, and ranges of large ones. Belongs to a client or a call. Default: 4.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_parallel(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "parallel", value)) }
}

/// Connections that one large blob may come over, within parallel, where one is slow and the server takes
/// Range (not over HTTP/2); 1 = one. Belongs to a client or a call. Default: 4.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_ranges(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "ranges", value)) }
}

/// Bytes a second of one connection below which a large blob is asked for in ranges; 0 = never. Belongs to a
/// client or a call. Default: 8388608.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_ranges_below(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "ranges_below", value)) }
}

/// A large layer that would come within these milliseconds, at the rate of its first bytes, is not written to
/// the store meanwhile: if it is interrupted, the next pull begins it anew; 0 = all are. Belongs to a client or
/// a call. Default: 1000.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_resume_after_ms(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "resume_after_ms", value)) }
}

/// Threads that compress and inflate; 0 = one for each core. Belongs to a client or a call. Default: 0.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_threads(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "threads", value)) }
}

/// How often one request is tried again. Belongs to a client or a call. Default: 5.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_retries(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "retries", value)) }
}
