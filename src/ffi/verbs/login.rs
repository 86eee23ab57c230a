//! The verbs that write and remove a credential as docker does.

use std::ffi::c_char;

use crate::ffi::status::cldoci_status;
use crate::ffi::support::engine::Weight::Question;
use crate::ffi::support::strings::text;
use crate::ffi::support::verb::run;
use crate::ffi::types::{cldoci_client, cldoci_error, cldoci_operation, cldoci_options, cldoci_result};
use crate::options::Secret;

include!(concat!(env!("OUT_DIR"), "/verbs_login_start.rs"));

/// Tries a user name and a password (or an access token) at a registry, and keeps them where docker does: in the
/// credential helper that its config names, else in the config file (mode 0600).
/// `cldoci_result_credential_source` says where. CLDOCI_ERROR_UNAUTHORIZED if the registry refuses them.
///
/// @param registry  borrowed, not NULL, UTF-8; copied: `HOST` or `HOST:PORT`
/// @param username  borrowed, not NULL, UTF-8; copied
/// @param password  borrowed, not NULL, UTF-8; copied
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
    run(
        "login",
        Question,
        (client, options, result, error),
        || {
            let (registry, username) = (text(registry, "registry")?, text(username, "username")?);
            Ok((registry, username, Secret::new(text(password, "password")?)))
        },
        |client, (registry, username, password), call| client.login(registry, username, &password, call),
    )
}

/// Removes the credential of a registry from where docker keeps it. `cldoci_result_exists` says whether there was
/// one.
///
/// @param registry  borrowed, not NULL, UTF-8; copied: `HOST` or `HOST:PORT`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_logout(
    client: *const cldoci_client,
    registry: *const c_char,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "logout",
        Question,
        (client, options, result, error),
        || text(registry, "registry"),
        |client, registry, call| client.logout(registry, call),
    )
}
