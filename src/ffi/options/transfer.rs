//! Typed setters of push, copy, pull and referrers.

use std::ffi::c_char;

use super::{set_bool, set_choice, set_text};
use crate::ffi::guard;
use crate::ffi::status::cldoci_status;
use crate::ffi::types::{cldoci_error, cldoci_options};

/// Push: repositories of the same registry to mount blobs from. Belongs to a call. Default: empty.
///
/// @param options  borrowed, not NULL
/// @param value    borrowed, not NULL, UTF-8: one item, or several with commas between; copied. Setting it
///                 again adds to it
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_mount_from(
    options: *mut cldoci_options,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_text(options, "mount_from", value)) }
}

/// Pull and inspect: get the config too, which costs one request; without it `cldoci_artifact_config` gives
/// NULL. Belongs to a client or a call. Default: 1.
///
/// @param options  borrowed, not NULL
/// @param value    1 or 0
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_fetch_config(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_bool(options, "fetch_config", value)) }
}

/// Copy: take referrers along. Belongs to a call. Default: 0.
///
/// @param options  borrowed, not NULL
/// @param value    1 or 0
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_recursive(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_bool(options, "recursive", value)) }
}

/// `refuse` of `cldoci_options_set_existing`.
pub const CLDOCI_EXISTING_REFUSE: i32 = 0;
/// `merge` of `cldoci_options_set_existing`.
pub const CLDOCI_EXISTING_MERGE: i32 = 1;
/// `replace` of `cldoci_options_set_existing`.
pub const CLDOCI_EXISTING_REPLACE: i32 = 2;

/// Pull: what to do with a destination that is not empty. Belongs to a call. Default:
/// CLDOCI_EXISTING_REFUSE.
///
/// @param options  borrowed, not NULL
/// @param value    CLDOCI_EXISTING_…
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_existing(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_choice(options, "existing", value)) }
}

/// Pull: what was published survives a loss of power. Belongs to a client or a call. Default: 0.
///
/// @param options  borrowed, not NULL
/// @param value    1 or 0
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_durable(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_bool(options, "durable", value)) }
}

/// Pull: set the archive's modification times. Belongs to a client or a call. Default: 0.
///
/// @param options  borrowed, not NULL
/// @param value    1 or 0
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_preserve_mtime(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_bool(options, "preserve_mtime", value)) }
}

/// Pull: a destination that is a symbolic link is followed. Belongs to a client or a call. Default: 0.
///
/// @param options  borrowed, not NULL
/// @param value    1 or 0
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_follow_destination(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_bool(options, "follow_destination", value)) }
}

/// `refuse` of `cldoci_options_set_special_entries`.
pub const CLDOCI_SPECIAL_ENTRIES_REFUSE: i32 = 0;
/// `skip` of `cldoci_options_set_special_entries`.
pub const CLDOCI_SPECIAL_ENTRIES_SKIP: i32 = 1;

/// Pull: devices, FIFOs and links that leave the destination. Belongs to a client or a call. Default:
/// CLDOCI_SPECIAL_ENTRIES_REFUSE.
///
/// @param options  borrowed, not NULL
/// @param value    CLDOCI_SPECIAL_ENTRIES_…
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_special_entries(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_choice(options, "special_entries", value)) }
}

/// `refuse` of `cldoci_options_set_duplicates`.
pub const CLDOCI_DUPLICATES_REFUSE: i32 = 0;
/// `last_wins` of `cldoci_options_set_duplicates`.
pub const CLDOCI_DUPLICATES_LAST_WINS: i32 = 1;

/// Pull: a name that is in one layer twice. Belongs to a client or a call. Default:
/// CLDOCI_DUPLICATES_REFUSE.
///
/// @param options  borrowed, not NULL
/// @param value    CLDOCI_DUPLICATES_…
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_duplicates(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_choice(options, "duplicates", value)) }
}

/// Pull: take an absolute name as one below the destination. Belongs to a client or a call. Default: 0.
///
/// @param options  borrowed, not NULL
/// @param value    1 or 0
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_strip_leading_slash(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_bool(options, "strip_leading_slash", value)) }
}

/// Pull: accept a layer without the end-of-archive blocks, or without the padding before them. Belongs to a client or a call. Default: 0.
///
/// @param options  borrowed, not NULL
/// @param value    1 or 0
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_lenient_end(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_bool(options, "lenient_end", value)) }
}

/// `default` of `cldoci_options_set_other_layers`.
pub const CLDOCI_OTHER_LAYERS_DEFAULT: i32 = 0;
/// `refuse` of `cldoci_options_set_other_layers`.
pub const CLDOCI_OTHER_LAYERS_REFUSE: i32 = 1;
/// `skip` of `cldoci_options_set_other_layers`.
pub const CLDOCI_OTHER_LAYERS_SKIP: i32 = 2;
/// `file` of `cldoci_options_set_other_layers`.
pub const CLDOCI_OTHER_LAYERS_FILE: i32 = 3;

/// Pull: layers that are neither titled files nor archives. skip leaves them out with a warning where something
/// else is published; file names them by their digest; default is refuse for component, datacenter and module
/// and where a destination is merged into or replaced, else skip. Belongs to a client or a call. Default:
/// CLDOCI_OTHER_LAYERS_DEFAULT.
///
/// @param options  borrowed, not NULL
/// @param value    CLDOCI_OTHER_LAYERS_…
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_other_layers(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_choice(options, "other_layers", value)) }
}

/// Which manifest of an index is meant: os/architecture[/variant]. Belongs to a client or a call. Default:
/// linux/amd64.
///
/// @param options  borrowed, not NULL
/// @param value    borrowed, not NULL, UTF-8; copied
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_platform(
    options: *mut cldoci_options,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_text(options, "platform", value)) }
}

/// Referrers: only those of this artifact type. Belongs to a call. Default: empty.
///
/// @param options  borrowed, not NULL
/// @param value    borrowed, not NULL, UTF-8; copied
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_artifact_type(
    options: *mut cldoci_options,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_text(options, "artifact_type", value)) }
}
