//! Typed setters of connections and of credentials.

use std::ffi::c_char;

use super::{set_bool, set_choice, set_int, set_path, set_text};
use crate::ffi::guard;
use crate::ffi::status::cldoci_status;
use crate::ffi::types::{cldoci_error, cldoci_options};

/// Time for a connection, TLS included. Belongs to a client. Default: 10000.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_connect_timeout_ms(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "connect_timeout_ms", value)) }
}

/// Time for the head of an answer. Belongs to a client. Default: 60000.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_header_timeout_ms(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "header_timeout_ms", value)) }
}

/// Time for the answer to an upload's commit, which scanners delay. Belongs to a client. Default: 600000.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_commit_timeout_ms(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "commit_timeout_ms", value)) }
}

/// Least bytes a second of a body; 0 = any. Belongs to a client. Default: 1024.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_min_rate(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "min_rate", value)) }
}

/// The time over which min_rate is measured. Belongs to a client. Default: 60000.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_min_rate_window_ms(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "min_rate_window_ms", value)) }
}

/// User-Agent header; empty = cldoci/VERSION. Belongs to a client. Default: empty.
///
/// @param options  borrowed, not NULL
/// @param value    borrowed, not NULL, UTF-8; copied
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_user_agent(
    options: *mut cldoci_options,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_text(options, "user_agent", value)) }
}

/// Proxy URL; empty = from HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; 'off' = none. Belongs to a
/// client. Default: empty.
///
/// @param options  borrowed, not NULL
/// @param value    borrowed, not NULL, UTF-8; copied
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_proxy(
    options: *mut cldoci_options,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_text(options, "proxy", value)) }
}

/// PEM file of certificate authorities trusted beside the system's. Belongs to a client. Default: empty.
///
/// @param options  borrowed, not NULL
/// @param value    borrowed, not NULL, a path of any bytes; copied
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_ca_file(
    options: *mut cldoci_options,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_path(options, "ca_file", value)) }
}

/// Directory of such PEM files (*.crt, *.pem). Belongs to a client. Default: empty.
///
/// @param options  borrowed, not NULL
/// @param value    borrowed, not NULL, a path of any bytes; copied
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_ca_dir(
    options: *mut cldoci_options,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_path(options, "ca_dir", value)) }
}

/// Hosts (HOST or HOST:PORT) spoken to over plain HTTP. Belongs to a client. Default: empty.
///
/// @param options  borrowed, not NULL
/// @param value    borrowed, not NULL, UTF-8: one item, or several with commas between; copied. Setting it
///                 again adds to it
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_plain_http_hosts(
    options: *mut cldoci_options,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_text(options, "plain_http_hosts", value)) }
}

/// The only other hosts that may issue tokens; empty = any public https host. Belongs to a client. Default:
/// empty.
///
/// @param options  borrowed, not NULL
/// @param value    borrowed, not NULL, UTF-8: one item, or several with commas between; copied. Setting it
///                 again adds to it
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_token_hosts(
    options: *mut cldoci_options,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_text(options, "token_hosts", value)) }
}

/// Other hosts that an upload may be sent to. Belongs to a client. Default: empty.
///
/// @param options  borrowed, not NULL
/// @param value    borrowed, not NULL, UTF-8: one item, or several with commas between; copied. Setting it
///                 again adds to it
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_upload_hosts(
    options: *mut cldoci_options,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_text(options, "upload_hosts", value)) }
}

/// Read the environment (proxies, credential files, CLDOCI_*). Belongs to a client. Default: 1.
///
/// @param options  borrowed, not NULL
/// @param value    1 or 0
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_environment(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_bool(options, "environment", value)) }
}

/// `default` of `cldoci_options_set_credentials`.
pub const CLDOCI_CREDENTIALS_DEFAULT: i32 = 0;
/// `explicit` of `cldoci_options_set_credentials`.
pub const CLDOCI_CREDENTIALS_EXPLICIT: i32 = 1;
/// `anonymous` of `cldoci_options_set_credentials`.
pub const CLDOCI_CREDENTIALS_ANONYMOUS: i32 = 2;

/// Default = explicit ones, then docker's and podman's files and helpers; explicit = those given here only;
/// anonymous = none. Belongs to a client. Default: CLDOCI_CREDENTIALS_DEFAULT.
///
/// @param options  borrowed, not NULL
/// @param value    CLDOCI_CREDENTIALS_…
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_credentials(
    options: *mut cldoci_options,
    value: i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_choice(options, "credentials", value)) }
}

/// Time for a credential helper. Belongs to a client. Default: 30000.
///
/// @param options  borrowed, not NULL
/// @param value    the number
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_helper_timeout_ms(
    options: *mut cldoci_options,
    value: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || set_int(options, "helper_timeout_ms", value)) }
}
