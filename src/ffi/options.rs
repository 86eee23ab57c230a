//! `cldoci_options`: settings for a client or a call. Every setter ends in the one table of `options`.

pub mod list;
pub mod setters;

use std::ffi::{c_char, c_void};

use super::callback::{UserData, cldoci_finalizer, cldoci_progress_callback, progress_callback};
use super::credential::{cldoci_credential_callback, credential_callback};
use super::log::{cldoci_log_callback, logger};
use super::status::cldoci_status;
use super::support::strings::{path, text};
use super::support::verb::{OptionSet, OptionsObject};
use super::support::{guard, handle, lock};
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
        let last = words.len() - 1;
        Error::new(Kind::Argument, format!("option '{name}' is {value}, must be a number from 0 to {last}"))
    })?;
    change(options, |set| set.options.set(name, word))
}

/// Makes empty options: every option keeps the value of the client, the environment or the default.
///
/// @param options  out, not NULL: set to NULL, on success to options that you free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_new(
    options: *mut *mut cldoci_options,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::new_handle(error, options, "options", || Ok(OptionsObject::default()))
}

/// Sets an option by its name, from text. Setting a list or pairs (`KEY=VALUE`) again adds to them; any other
/// value is replaced. The message of a failure lists the known names or values. `cldoci_option_name` and the
/// functions after it list the options.
///
/// @param name   borrowed, not NULL, UTF-8; copied
/// @param value  borrowed, not NULL, UTF-8; copied
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

/// Sets one pair of an option that holds pairs, such as `annotation`. The key may contain a `=`.
///
/// @param name   borrowed, not NULL, UTF-8; copied
/// @param key    borrowed, not NULL, UTF-8; copied
/// @param value  borrowed, not NULL, UTF-8; copied
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

/// Sets an option of one registry host, such as `username`, `password`, `insecure` or `mirrors`: those whose
/// scope is `host` (`cldoci_option_scope`). They belong to a client.
///
/// @param host   borrowed, not NULL, UTF-8; copied: `HOST` or `HOST:PORT`
/// @param name   borrowed, not NULL, UTF-8; copied
/// @param value  borrowed, not NULL, UTF-8; copied
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

/// Sets a function that receives the progress of an operation, or of all operations of a client. It is called
/// about ten times a second and once at the end, one call at a time. If it returns anything but 0, the operation
/// is cancelled. For a blocking verb it runs on the thread that called the verb, otherwise on a thread that only
/// runs callbacks. If it blocks, only the end of its own operation waits for it.
///
/// It may cancel and free its own operation and start others; waiting for its own operation is
/// CLDOCI_ERROR_REENTRANT. It must not unwind (C++ exceptions, longjmp): that ends the process. After the end of
/// an operation it is not called any more.
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

/// Sets a function that is asked for credentials: after the options of a host, and before the files and helpers
/// of docker and podman. It belongs to a client. For a blocking verb it runs on the thread that called the verb,
/// which waits for it, otherwise on a thread that only runs callbacks. Several calls may run at once. It must not
/// unwind.
///
/// It may cancel and free operations and start others. Waiting for an operation of its own client, which may wait
/// for the callback, is CLDOCI_ERROR_REENTRANT, and so are that client's blocking verbs. Another client can be
/// used freely.
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

/// Sets a function that receives the log of an operation, or of all operations of a client. For a blocking verb
/// it runs on the thread that called the verb, and gets all lines before the verb returns. Otherwise it runs on a
/// thread that only runs callbacks, one call at a time, and some lines may come after the operation has ended. If
/// it is slow, lines are left out. No line contains a secret. It must not unwind.
///
/// @param level  the last level that you want: CLDOCI_LOG_…
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

/// Frees options. Clients and operations that were given them keep their copies.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_free(options: *mut cldoci_options) -> cldoci_status {
    guard::free::<OptionsObject>(options)
}
