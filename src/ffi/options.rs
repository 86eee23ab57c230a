//! `cldoci_options`: settings for a client or a call. Every setter, typed or by name, ends in the one table of
//! `config`.

pub mod list;
pub mod setters;

use std::ffi::{c_char, c_void};
use std::sync::{Arc, Mutex};

use super::callback::{ProgressCallback, UserData, cldoci_finalizer, cldoci_progress_callback};
use super::credential::{Asker, cldoci_credential_callback};
use super::guard;
use super::handle::{self, Object};
use super::log::{cldoci_log_callback, logger};
use super::process::lock;
use super::status::cldoci_status;
use super::text::{out, path, text};
use super::types::{cldoci_error, cldoci_options};
use crate::error::{Error, Kind, Result};
use crate::operation::Logger;
use crate::options::{Options, Type, find};

pub(super) struct OptionsObject(Mutex<Set>);

/// What a caller has set.
#[derive(Clone, Default)]
pub(super) struct Set {
    pub(super) options: Options,
    pub(super) progress: Option<Arc<ProgressCallback>>,
    pub(super) logger: Option<Logger>,
    pub(super) credentials: Option<Arc<Asker>>,
}

impl Object for OptionsObject {
    type Opaque = cldoci_options;
    const TYPE: u8 = 2;
    const NAME: &'static str = "cldoci_options";
}

/// A copy of the options of a handle that may be NULL.
pub(super) fn copy(options: *const cldoci_options) -> Result<Option<Set>> {
    Ok(handle::optional::<OptionsObject>(options)?.map(|object| lock(&object.0).clone()))
}

fn change<T>(options: *mut cldoci_options, change: impl FnOnce(&mut Set) -> Result<T>) -> Result<T> {
    change(&mut lock(&handle::get::<OptionsObject>(options)?.0))
}

fn set_bool(options: *mut cldoci_options, name: &str, value: i32) -> Result<()> {
    let value = match value {
        0 => "false",
        1 => "true",
        _ => return Err(Error::new(Kind::Argument, format!("option '{name}' is {value}, wants 0 or 1"))),
    };
    change(options, |set| set.options.set(name, value))
}

fn set_int(options: *mut cldoci_options, name: &str, value: i64) -> Result<()> {
    change(options, |set| set.options.set(name, &value.to_string()))
}

/// # Safety
/// As [`text`].
unsafe fn set_text(options: *mut cldoci_options, name: &str, value: *const c_char) -> Result<()> {
    // SAFETY: the caller's promise, passed on.
    let value = unsafe { text(value, "value") }?;
    change(options, |set| set.options.set(name, value))
}

/// # Safety
/// As [`path`].
unsafe fn set_path(options: *mut cldoci_options, name: &str, value: *const c_char) -> Result<()> {
    // SAFETY: the caller's promise, passed on.
    let value = unsafe { path(value, "value") }?;
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
    // SAFETY: the caller's promise, passed on.
    let (key, value) = unsafe { (text(key, "key")?, text(value, "value")?) };
    change(options, |set| set.options.set_pair(name, key, value))
}

/// The header's constants for a choice count its words from 0.
fn set_choice(options: *mut cldoci_options, name: &str, value: i32) -> Result<()> {
    let words = match find(name).map(|spec| spec.kind) {
        Some(Type::Choice(words)) => words,
        _ => return Err(Error::new(Kind::Internal, format!("option '{name}' is no choice"))),
    };
    let word = usize::try_from(value).ok().and_then(|at| words.get(at)).ok_or_else(|| {
        Error::new(
            Kind::Argument,
            format!("option '{name}' is {value}, wants a number from 0 to {}", words.len() - 1),
        )
    })?;
    change(options, |set| set.options.set(name, word))
}

/// Empty options: all as the client, the environment or the default has it.
///
/// @param options  out, not NULL: set to NULL, on success to options that you free
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why they could not be made
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_new(
    options: *mut *mut cldoci_options,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::giving(
            error,
            || out(options, "options", std::ptr::null_mut()),
            |options| {
                *options = handle::insert(OptionsObject(Mutex::default()))?;
                Ok(())
            },
        )
    }
}

/// Sets an option by its name, from text. Lists and pairs (`KEY=VALUE`) grow when they are set again, all
/// else is replaced. `cldoci_option_name` and its like list the options there are.
///
/// @param options  borrowed, not NULL
/// @param name     borrowed, not NULL, UTF-8; copied
/// @param value    borrowed, not NULL, UTF-8; copied
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT: the message lists the known names or values, and never holds
///         a secret
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set(
    options: *mut cldoci_options,
    name: *const c_char,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::status(error, || {
            let (name, value) = (text(name, "name")?, text(value, "value")?);
            change(options, |set| set.options.set(name, value))
        })
    }
}

/// Sets one pair of an option that holds pairs, such as `annotation`; the key may hold a `=`.
///
/// @param options  borrowed, not NULL
/// @param name     borrowed, not NULL, UTF-8; copied
/// @param key      borrowed, not NULL, UTF-8; copied
/// @param value    borrowed, not NULL, UTF-8; copied
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_pair(
    options: *mut cldoci_options,
    name: *const c_char,
    key: *const c_char,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::status(error, || {
            let name = text(name, "name")?;
            set_pair(options, name, key, value)
        })
    }
}

/// Sets an option of one registry host: `username`, `password`, `identity_token`, `registry_token`,
/// `insecure`, `plain_http`, `host_ca_file`, `client_cert`, `client_key`, `header`. They belong
/// to a client.
///
/// @param options  borrowed, not NULL
/// @param host     borrowed, not NULL, UTF-8; copied: `HOST` or `HOST:PORT`
/// @param name     borrowed, not NULL, UTF-8; copied
/// @param value    borrowed, not NULL, UTF-8; copied
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT: the message never holds a secret
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_host(
    options: *mut cldoci_options,
    host: *const c_char,
    name: *const c_char,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::status(error, || {
            let (host, name) = (text(host, "host")?, text(name, "name")?);
            let value = text(value, "value")?;
            change(options, |set| set.options.set_host(host, name, value))
        })
    }
}

/// A function that is told the progress of the operations that these options are given to (those of a
/// client: all of its operations). It is called about ten times a second and once at the end, one call at a
/// time, on a thread that only runs callbacks: when it blocks, nothing but its own operation's end waits for
/// it. Non-zero from it cancels the operation.
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
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be set
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_progress_callback(
    options: *mut cldoci_options,
    callback: cldoci_progress_callback,
    user_data: *mut c_void,
    finalizer: cldoci_finalizer,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::status(error, || {
            let user_data = UserData { pointer: user_data, finalizer };
            let progress = callback.map(|function| Arc::new(ProgressCallback { function, user_data }));
            // The one it replaces goes without the lock: its finaliser may call back.
            let before = change(options, |set| Ok(std::mem::replace(&mut set.progress, progress)))?;
            drop(before);
            Ok(())
        })
    }
}

/// A function that is asked for credentials, after those that the options of a host give and before docker's
/// and podman's files and helpers. It belongs to a client. It is called on a thread that only runs
/// callbacks, possibly on several at once. It must not unwind.
///
/// It may cancel and free operations and start others; waiting for an operation of its own client, which may wait
/// for the callback, is CLDOCI_ERROR_REENTRANT, as are that client's blocking verbs: another client is free to.
///
/// @param options    borrowed, not NULL
/// @param callback   the function; NULL takes it away
/// @param user_data  may be NULL; passed to the callback, never followed
/// @param finalizer  may be NULL; called once with `user_data` when nothing can call the callback any more,
///                   also when this call fails
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be set
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_credential_callback(
    options: *mut cldoci_options,
    callback: cldoci_credential_callback,
    user_data: *mut c_void,
    finalizer: cldoci_finalizer,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::status(error, || {
            let user_data = UserData { pointer: user_data, finalizer };
            let asker = callback.map(|function| Arc::new(Asker { function, user_data }));
            // The one it replaces goes without the lock: its finaliser may call back.
            let before = change(options, |set| Ok(std::mem::replace(&mut set.credentials, asker)))?;
            drop(before);
            Ok(())
        })
    }
}

/// A function that takes the log of the operations that these options are given to (those of a client: all
/// of its operations). It is called on a thread that only runs callbacks, one line at a time; lines are left
/// out when it is slow, and some may come after their operation has ended. No line holds a secret. It must
/// not unwind.
///
/// @param options    borrowed, not NULL
/// @param level      CLDOCI_LOG_…: the last level that is wanted
/// @param callback   the function; NULL takes it away
/// @param user_data  may be NULL; passed to the callback, never followed
/// @param finalizer  may be NULL; called once with `user_data` when nothing can call the callback any more,
///                   also when this call fails
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be set
/// Threads: one at a time for one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_set_log_callback(
    options: *mut cldoci_options,
    level: i32,
    callback: cldoci_log_callback,
    user_data: *mut c_void,
    finalizer: cldoci_finalizer,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::status(error, || {
            let user_data = UserData { pointer: user_data, finalizer };
            let logger = callback.map(|function| logger(level, function, user_data)).transpose()?;
            // The one it replaces goes without the lock: its finaliser may call back.
            let before = change(options, |set| Ok(std::mem::replace(&mut set.logger, logger)))?;
            drop(before);
            Ok(())
        })
    }
}

/// Frees options. Clients and operations that they were given to keep their copies.
///
/// @param options  consumed; NULL is fine
/// @return CLDOCI_OK, or CLDOCI_ERROR_HANDLE or CLDOCI_ERROR_FORKED for a bad handle
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_options_free(options: *mut cldoci_options) -> cldoci_status {
    // SAFETY: no error object is asked for.
    unsafe { guard::status(std::ptr::null_mut(), || handle::free::<OptionsObject>(options)) }
}
