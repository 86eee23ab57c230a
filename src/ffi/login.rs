//! The verbs that write and remove a credential as docker does.

use std::ffi::c_char;

use super::guard;
use super::runtime::Weight;
use super::status::cldoci_status;
use super::text::text;
use super::types::{cldoci_client, cldoci_error, cldoci_operation, cldoci_options, cldoci_result};
use super::verb::{Call, Finish};
use crate::options::Secret;

unsafe fn login(
    client: *const cldoci_client,
    registry: *const c_char,
    username: *const c_char,
    password: *const c_char,
    options: *const cldoci_options,
    finish: Finish,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::giving(
            error,
            || finish.begin(),
            |finish| {
                let call = Call::new(client, options)?;
                let (registry, username) = (text(registry, "registry")?, text(username, "username")?);
                let password = Secret::new(text(password, "password")?);
                call.run("login", Weight::Question, finish, |client, call| {
                    client.login(registry, username, &password, call)
                })
            },
        )
    }
}

/// Tries a user name and a password (or an access token) at a registry, and keeps them where docker would:
/// in the credential helper that its config names, else in the config file (mode 0600).
/// `cldoci_result_credential_source` says where.
///
/// @param client    borrowed, not NULL
/// @param registry  borrowed, not NULL, UTF-8; copied: `HOST` or `HOST:PORT`
/// @param username  borrowed, not NULL, UTF-8; copied
/// @param password  borrowed, not NULL, UTF-8; copied
/// @param options   borrowed, may be NULL: for this call; they beat the client's
/// @param result    out, may be NULL: set to NULL, on success to a result that you free
/// @param error     out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, CLDOCI_ERROR_UNAUTHORIZED where the registry refuses them, or what it failed with; the
///         message never holds the password
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_login(
    client: *const cldoci_client,
    registry: *const c_char,
    username: *const c_char,
    password: *const c_char,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { login(client, registry, username, password, options, Finish::Wait(result), error) }
}

/// Starts `cldoci_login` and returns at once; the operation tells how it goes.
///
/// @param client     borrowed, not NULL
/// @param registry   borrowed, not NULL, UTF-8; copied: `HOST` or `HOST:PORT`
/// @param username   borrowed, not NULL, UTF-8; copied
/// @param password   borrowed, not NULL, UTF-8; copied
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param operation  out, not NULL: set to NULL, on success to an operation that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_login_start(
    client: *const cldoci_client,
    registry: *const c_char,
    username: *const c_char,
    password: *const c_char,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { login(client, registry, username, password, options, Finish::Start(operation), error) }
}

unsafe fn logout(
    client: *const cldoci_client,
    registry: *const c_char,
    options: *const cldoci_options,
    finish: Finish,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::giving(
            error,
            || finish.begin(),
            |finish| {
                let call = Call::new(client, options)?;
                let registry = text(registry, "registry")?;
                call.run("logout", Weight::Question, finish, |client, call| client.logout(registry, call))
            },
        )
    }
}

/// Removes a registry's credential from where docker keeps it. The result says whether there was one:
/// `cldoci_result_exists`.
///
/// @param client    borrowed, not NULL
/// @param registry  borrowed, not NULL, UTF-8; copied: `HOST` or `HOST:PORT`
/// @param options   borrowed, may be NULL: for this call; they beat the client's
/// @param result    out, may be NULL: set to NULL, on success to a result that you free
/// @param error     out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what it failed with
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_logout(
    client: *const cldoci_client,
    registry: *const c_char,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { logout(client, registry, options, Finish::Wait(result), error) }
}

/// Starts `cldoci_logout` and returns at once; the operation tells how it goes.
///
/// @param client     borrowed, not NULL
/// @param registry   borrowed, not NULL, UTF-8; copied: `HOST` or `HOST:PORT`
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param operation  out, not NULL: set to NULL, on success to an operation that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_logout_start(
    client: *const cldoci_client,
    registry: *const c_char,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { logout(client, registry, options, Finish::Start(operation), error) }
}
