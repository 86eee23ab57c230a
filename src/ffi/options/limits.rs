//! Typed setters of the limits.

use super::set_int;
use crate::ffi::guard;
use crate::ffi::status::cldoci_status;
use crate::ffi::types::{cldoci_error, cldoci_options};

/// Largest manifest or index. Belongs to a client or a call. Default: 8388608.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_max_manifest_bytes(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "max_manifest_bytes", value)) }
}

/// Most layers of a manifest or manifests of an index. Belongs to a client or a call. Default: 10000.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_max_descriptors(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "max_descriptors", value)) }
}

/// Most pages of a list. Belongs to a client or a call. Default: 10000.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_max_pages(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "max_pages", value)) }
}

/// Largest config blob. Belongs to a client or a call. Default: 8388608.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_max_config_bytes(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "max_config_bytes", value)) }
}

/// Most bytes that one layer may unpack to. Belongs to a client or a call. Default: 68719476736.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_max_unpacked_bytes(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "max_unpacked_bytes", value)) }
}

/// Most entries of one layer. Belongs to a client or a call. Default: 5000000.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_max_entries(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "max_entries", value)) }
}

/// Deepest nesting of directories in a layer. Belongs to a client or a call. Default: 256.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_max_depth(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "max_depth", value)) }
}

/// Largest window of a layer's zstd stream, which is held in memory beside all else. Belongs to a client or a
/// call. Default: 33554432.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_max_zstd_window_bytes(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "max_zstd_window_bytes", value)) }
}

/// Longest path in a layer. Belongs to a client or a call. Default: 4096.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_max_path_bytes(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "max_path_bytes", value)) }
}

/// Longest target of a symbolic link. Belongs to a client or a call. Default: 4095.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_max_link_bytes(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "max_link_bytes", value)) }
}
