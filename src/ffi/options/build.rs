//! Typed setters of build.

use std::ffi::c_char;

use super::{set_bool, set_choice, set_int, set_pair, set_text};
use crate::ffi::guard;
use crate::ffi::status::cldoci_status;
use crate::ffi::types::{cldoci_error, cldoci_options};

/// Build: paths, relative to the directory, that are left out: a layout inside the tree, say. Belongs to a call.
/// Default: empty.
///
/// @param options  borrowed, not NULL
/// @param value    borrowed, not NULL, UTF-8: one item, or several with commas between; copied. Setting it
///                 again adds to it
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_leave_out(
    options: *mut cldoci_options,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_text(options, "leave_out", value)) }
}

/// Build: the config's media type for a custom kind; empty = the kind's. Belongs to a call. Default: empty.
///
/// @param options  borrowed, not NULL
/// @param value    borrowed, not NULL, UTF-8; copied
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_config_media_type(
    options: *mut cldoci_options,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_text(options, "config_media_type", value)) }
}

/// Build: the layer's media type for a custom kind; empty = the kind's. Belongs to a call. Default: empty.
///
/// @param options  borrowed, not NULL
/// @param value    borrowed, not NULL, UTF-8; copied
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_layer_media_type(
    options: *mut cldoci_options,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_text(options, "layer_media_type", value)) }
}

/// Build: an annotation of the manifest. Belongs to a call. Default: empty.
///
/// @param options  borrowed, not NULL
/// @param key      borrowed, not NULL, UTF-8; copied
/// @param value    borrowed, not NULL, UTF-8; copied. Another key adds to it
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_annotation(
    options: *mut cldoci_options,
    key: *const c_char,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_pair(options, "annotation", key, value)) }
}

/// Build: an annotation of the layer's descriptor. Belongs to a call. Default: empty.
///
/// @param options  borrowed, not NULL
/// @param key      borrowed, not NULL, UTF-8; copied
/// @param value    borrowed, not NULL, UTF-8; copied. Another key adds to it
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_layer_annotation(
    options: *mut cldoci_options,
    key: *const c_char,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_pair(options, "layer_annotation", key, value)) }
}

/// `kind` of `cldoci_options_set_profile`.
pub const CLDOCI_PROFILE_KIND: i32 = 0;
/// `cldctl` of `cldoci_options_set_profile`.
pub const CLDOCI_PROFILE_CLDCTL: i32 = 1;
/// `vcs` of `cldoci_options_set_profile`.
pub const CLDOCI_PROFILE_VCS: i32 = 2;
/// `none` of `cldoci_options_set_profile`.
pub const CLDOCI_PROFILE_NONE: i32 = 3;

/// Build: which entries are left out before .cldignore is asked; kind = as the kind has it. Belongs to a
/// client or a call. Default: CLDOCI_PROFILE_KIND.
///
/// @param options  borrowed, not NULL
/// @param value    CLDOCI_PROFILE_…
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_profile(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_choice(options, "profile", value)) }
}

/// `error` of `cldoci_options_set_links`.
pub const CLDOCI_LINKS_ERROR: i32 = 0;
/// `skip` of `cldoci_options_set_links`.
pub const CLDOCI_LINKS_SKIP: i32 = 1;
/// `follow` of `cldoci_options_set_links`.
pub const CLDOCI_LINKS_FOLLOW: i32 = 2;

/// Build: symbolic links that leave the tree or dangle. Belongs to a client or a call. Default:
/// CLDOCI_LINKS_ERROR.
///
/// @param options  borrowed, not NULL
/// @param value    CLDOCI_LINKS_…
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_links(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_choice(options, "links", value)) }
}

/// `warn` of `cldoci_options_set_case_collisions`.
pub const CLDOCI_CASE_COLLISIONS_WARN: i32 = 0;
/// `error` of `cldoci_options_set_case_collisions`.
pub const CLDOCI_CASE_COLLISIONS_ERROR: i32 = 1;
/// `ignore` of `cldoci_options_set_case_collisions`.
pub const CLDOCI_CASE_COLLISIONS_IGNORE: i32 = 2;

/// Build: names that are equal but for case, which other systems can't tell apart. Belongs to a client or a
/// call. Default: CLDOCI_CASE_COLLISIONS_WARN.
///
/// @param options  borrowed, not NULL
/// @param value    CLDOCI_CASE_COLLISIONS_…
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_case_collisions(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_choice(options, "case_collisions", value)) }
}

/// Build: the modification time of every entry, in seconds; SOURCE_DATE_EPOCH in the environment. Belongs to
/// a client or a call. Default: 0.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_source_date_epoch(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "source_date_epoch", value)) }
}

/// Build: put the layer's digest into an empty sourceHash of the config. Belongs to a call. Default: 0.
///
/// @param options  borrowed, not NULL
/// @param value    1 or 0
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_fill_source_hash(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_bool(options, "fill_source_hash", value)) }
}

/// Build: keep the layer in the store, and take it again, without reading a file of the tree, while every
/// file's device, inode, mode, size, mtime and ctime, every path and every link are as they were. A tree that
/// was changed in the last seconds before a build is not remembered. A write through a memory map, or a clock
/// that was set back, can go unseen, so leave it off where that can be. Belongs to a client or a call.
/// Default: 0.
///
/// @param options  borrowed, not NULL
/// @param value    1 or 0
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_reuse_unchanged(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_bool(options, "reuse_unchanged", value)) }
}
