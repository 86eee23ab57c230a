//! `cldoci_options`: settings for a client or a call. Every setter, typed or by name, ends in the one table of
//! `config`.

pub mod list;
pub mod setters;

use std::ffi::{c_char, c_void};

use super::callback::{UserData, cldoci_finalizer, cldoci_progress_callback, progress_callback};
use super::credential::{cldoci_credential_callback, credential_callback};
use super::log::{cldoci_log_callback, logger};
use super::status::cldoci_status;
use super::support::guard;
use super::support::handle;
use super::support::lock;
use super::support::strings::{path, text};
use super::support::verb::{OptionSet, OptionsObject};
use super::types::{cldoci_error, cldoci_options};
use crate::error::{Error, Kind, Result};
use crate::options::{Type, find};

fn change<T>(options: *mut cldoci_options, change: impl FnOnce(&mut OptionSet) -> Result<T>) -> Result<T> {
    change(&mut lock(&handle::get::<OptionsObject>(options)?.0))
}

/// Sets a callback. The one it replaces goes without the lock: its finaliser may call back.
fn replace<T>(
    options: *mut cldoci_options,
    place: impl FnOnce(&mut OptionSet) -> &mut Option<T>,
    callback: Option<T>,
) -> Result<()> {
    let before = change(options, |set| Ok(std::mem::replace(place(set), callback)))?;
    drop(before);
    Ok(())
}

fn set_bool(options: *mut cldoci_options, name: &str, value: i32) -> Result<()> {
    let value = match value {
        0 => "false",
        1 => "true",
        _ => return Err(Error::new(Kind::Argument, format!("option '{name}' is {value}, must be 0 or 1"))),
    };
    change(options, |set| set.options.set(name, value))
}

fn set_int(options: *mut cldoci_options, name: &str, value: i64) -> Result<()> {
    change(options, |set| set.options.set(name, &value.to_string()))
}

/// # Safety
/// As [`text`].
unsafe fn set_text(options: *mut cldoci_options, name: &str, value: *const c_char) -> Result<()> {
    let value = text(value, "value")?;
    change(options, |set| set.options.set(name, value))
}

/// # Safety
/// As [`path`].
unsafe fn set_path(options: *mut cldoci_options, name: &str, value: *const c_char) -> Result<()> {
    let value = path(value, "value")?;
    change(options, |set| set.options.set_path(name, value))
}

/// # Safety
/// As [`text`].
unsafe fn set_pair(
    options: *mut cldoci_options,
    name: &str,
    key: *const c_char,
    value: *const c_char,
) -> Result<()> {
    let (key, value) = (text(key, "key")?, text(value, "value")?);
    change(options, |set| set.options.set_pair(name, key, value))
}

/// The header's constants for a choice count its words from 0.
fn set_choice(options: *mut cldoci_options, name: &str, value: i32) -> Result<()> {
    let words = match find(name).map(|spec| spec.kind) {
        Some(Type::Choice(words)) => words,
        _ => return Err(Error::new(Kind::Internal, format!("option '{name}' is not a choice"))),
    };
    let word = usize::try_from(value).ok().and_then(|at| words.get(at)).ok_or_else(|| {
        Error::new(
            Kind::Argument,
            format!("option '{name}' is {value}, must be a number from 0 to {}", words.len() - 1),
        )
    })?;
    change(options, |set| set.options.set(name, word))
}

/// Empty options: every option keeps the value of the client, the environment or the default.
///
/// @param options  out, not NULL: set to NULL, on success to options that you free
/// @return CLDOCI_OK, or why they could not be made
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_new(
    options: *mut *mut cldoci_options,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::new_handle(error, options, "options", || Ok(OptionsObject::default()))
}

/// Sets an option by its name, from text. Lists and pairs (`KEY=VALUE`) grow when they are set again, all
/// else is replaced. `cldoci_option_name` and its like list the options there are.
///
/// @param options  borrowed, not NULL
/// @param name     borrowed, not NULL, UTF-8; copied
/// @param value    borrowed, not NULL, UTF-8; copied
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT: the message lists the known names or values, and never holds
///         a secret
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set(
    options: *mut cldoci_options,
    name: *const c_char,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let (name, value) = (text(name, "name")?, text(value, "value")?);
        change(options, |set| set.options.set(name, value))
    })
}

/// Sets one pair of an option that holds pairs, such as `annotation`; the key may hold a `=`.
///
/// @param options  borrowed, not NULL
/// @param name     borrowed, not NULL, UTF-8; copied
/// @param key      borrowed, not NULL, UTF-8; copied
/// @param value    borrowed, not NULL, UTF-8; copied
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_pair(
    options: *mut cldoci_options,
    name: *const c_char,
    key: *const c_char,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let name = text(name, "name")?;
        set_pair(options, name, key, value)
    })
}

/// Sets an option of one registry host: `username`, `password`, `identity_token`, `registry_token`,
/// `insecure`, `plain_http`, `host_ca_file`, `client_cert`, `client_key`, `header`. They belong
/// to a client.
///
/// @param options  borrowed, not NULL
/// @param host     borrowed, not NULL, UTF-8; copied: `HOST` or `HOST:PORT`
/// @param name     borrowed, not NULL, UTF-8; copied
/// @param value    borrowed, not NULL, UTF-8; copied
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT: the message never holds a secret
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_host(
    options: *mut cldoci_options,
    host: *const c_char,
    name: *const c_char,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let (host, name) = (text(host, "host")?, text(name, "name")?);
        let value = text(value, "value")?;
        change(options, |set| set.options.set_host(host, name, value))
    })
}

/// A function that receives the progress of the operations that these options are given to (those of a
/// client: all of its operations). It is called about ten times a second and once at the end, one call at a
/// time: of a blocking verb on the thread that calls it, else on one that only runs callbacks. When it blocks,
/// nothing but its own operation's end waits for it. Non-zero from it cancels the operation.
///
/// It may cancel and free its own operation and start others; waiting for its own operation is
/// CLDOCI_ERROR_REENTRANT. It must not unwind (C++ exceptions, longjmp): that ends the process. When an
/// operation has ended, no call runs and none will.
///
/// @param options    borrowed, not NULL
/// @param callback   the function; NULL takes it away
/// @param user_data  may be NULL; passed to the callback, never followed
/// @param finalizer  may be NULL; called once with `user_data` when nothing can call the callback any more,
///                   also when this call fails
/// @return CLDOCI_OK, or why it could not be set
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_progress_callback(
    options: *mut cldoci_options,
    callback: cldoci_progress_callback,
    user_data: *mut c_void,
    finalizer: cldoci_finalizer,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let user_data = UserData::new(user_data, finalizer);
        let callback = callback.map(|function| progress_callback(function, user_data));
        replace(options, |set| &mut set.progress, callback)
    })
}

/// A function that is asked for credentials, after those that the options of a host give and before docker's
/// and podman's files and helpers. It belongs to a client. For a blocking verb it is called on the thread that
/// calls the verb, which comes back when the callback has; else on one that only runs callbacks. Several may call
/// it at once. It must not unwind.
///
/// It may cancel and free operations and start others; waiting for an operation of its own client, which may wait
/// for the callback, is CLDOCI_ERROR_REENTRANT, as are that client's blocking verbs: another client is free to.
///
/// @param options    borrowed, not NULL
/// @param callback   the function; NULL takes it away
/// @param user_data  may be NULL; passed to the callback, never followed
/// @param finalizer  may be NULL; called once with `user_data` when nothing can call the callback any more,
///                   also when this call fails
/// @return CLDOCI_OK, or why it could not be set
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_credential_callback(
    options: *mut cldoci_options,
    callback: cldoci_credential_callback,
    user_data: *mut c_void,
    finalizer: cldoci_finalizer,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let user_data = UserData::new(user_data, finalizer);
        let callback = callback.map(|function| credential_callback(function, user_data));
        replace(options, |set| &mut set.credentials, callback)
    })
}

/// A function that takes the log of the operations that these options are given to (those of a client: all
/// of its operations). The lines of a blocking verb come on the thread that calls it, all before it comes back;
/// those of operations on a thread that only runs callbacks, one at a time, some after their operation has ended.
/// Lines are left out when it is slow. No line holds a secret. It must not unwind.
///
/// @param options    borrowed, not NULL
/// @param level      CLDOCI_LOG_…: the last level that is wanted
/// @param callback   the function; NULL takes it away
/// @param user_data  may be NULL; passed to the callback, never followed
/// @param finalizer  may be NULL; called once with `user_data` when nothing can call the callback any more,
///                   also when this call fails
/// @return CLDOCI_OK, or why it could not be set
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_log_callback(
    options: *mut cldoci_options,
    level: i32,
    callback: cldoci_log_callback,
    user_data: *mut c_void,
    finalizer: cldoci_finalizer,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let user_data = UserData::new(user_data, finalizer);
        let callback = callback.map(|function| logger(level, function, user_data)).transpose()?;
        replace(options, |set| &mut set.logger, callback)
    })
}

/// Frees options. Clients and operations that they were given to keep their copies.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_free(options: *mut cldoci_options) -> cldoci_status {
    guard::free::<OptionsObject>(options)
}
