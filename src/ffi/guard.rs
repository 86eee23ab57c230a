//! The border: no panic crosses it, none prints, and every failure becomes a status and an error object.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::ErrorObject;
use super::runtime;
use super::status::{self, CLDOCI_ERROR_ARGUMENT, CLDOCI_OK, cldoci_status};
use super::types::cldoci_error;
use crate::error::{Error, Kind, Result, printable};

/// What the body of a call gives: nothing, or a status of its own.
pub(super) trait Answer {
    fn status(self) -> cldoci_status;
}
impl Answer for () {
    fn status(self) -> cldoci_status {
        CLDOCI_OK
    }
}
impl Answer for cldoci_status {
    fn status(self) -> cldoci_status {
        self
    }
}

/// Runs the body of a call that returns a status. `*error` is NULL unless it fails.
///
/// # Safety
/// `error` is NULL or may be written to.
pub(super) unsafe fn status<T: Answer>(
    error: *mut *mut cldoci_error,
    body: impl FnOnce() -> Result<T>,
) -> cldoci_status {
    // SAFETY: the caller's promise, passed on.
    unsafe { giving(error, || Ok(()), |()| body()) }
}

/// The same for a call with another output. `outputs` checks it and sets it to what stands for "nothing"; it runs
/// first, whatever comes after it: a bad `error`, a failure, a panic.
///
/// # Safety
/// `error` is NULL or may be written to.
pub(super) unsafe fn giving<O, T: Answer>(
    error: *mut *mut cldoci_error,
    outputs: impl FnOnce() -> Result<O>,
    body: impl FnOnce(O) -> Result<T>,
) -> cldoci_status {
    let aligned = error.is_aligned();
    // Before the output, which may be the same place and is written last by a call that succeeds.
    if aligned && !error.is_null() {
        // SAFETY: aligned, and the caller promises that it may be written to.
        unsafe { error.write(std::ptr::null_mut()) };
    }
    let outputs = outputs();
    if !aligned {
        return CLDOCI_ERROR_ARGUMENT;
    }
    let failure = match caught(|| body(outputs?)) {
        Ok(Ok(answer)) => return answer.status(),
        Ok(Err(failure)) => failure,
        Err(panic) => panicked(&*panic),
    };
    let number = status::of(failure.kind());
    if !error.is_null() {
        // A panic or a full table here leaves `*error` NULL; the status says what happened.
        if let Ok(Ok(handle)) = caught(|| super::handle::insert(ErrorObject::new(&failure))) {
            // SAFETY: as above.
            unsafe { error.write(handle) };
        }
    }
    number
}

/// Runs the body of a call that returns a value; `otherwise` where there is none.
pub(super) fn value<T>(otherwise: T, body: impl FnOnce() -> Option<T>) -> T {
    caught(body).ok().flatten().unwrap_or(otherwise)
}

/// The error that a caught panic becomes.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> Error {
    if runtime::is_lost() {
        return runtime::lost();
    }
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Error::new(Kind::Panic, format!("a defect of cldoci was caught, please report it: {}", printable(text)))
}

fn caught<T>(body: impl FnOnce() -> T) -> std::thread::Result<T> {
    hush();
    let before = QUIET.replace(true);
    // What a panic may leave behind is guarded elsewhere: locks are taken whether poisoned or not, and
    // objects are immutable or change by whole assignments.
    let result = catch_unwind(AssertUnwindSafe(|| {
        fail_if_asked();
        body()
    }));
    QUIET.set(before);
    result
}

thread_local! {
    /// Whether a panic on this thread prints nothing.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// The name that every thread of ours begins with.
pub(super) const THREAD_PREFIX: &str = "cldoci";

/// Makes panics of ours silent, once; all others go to the hook that was there.
fn hush() {
    static HUSHED: AtomicBool = AtomicBool::new(false);
    if HUSHED.swap(true, Ordering::AcqRel) {
        return;
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        runtime::look_at(panic);
        let ours =
            QUIET.get() || std::thread::current().name().is_some_and(|name| name.starts_with(THREAD_PREFIX));
        if !ours {
            before(panic);
        }
    }));
}

/// a debug build panics inside every call when the process was started with `CLDOCI_FAILPOINT=panic`.
#[cfg(debug_assertions)]
#[expect(clippy::panic, reason = "a panic is what it is for")]
fn fail_if_asked() {
    static ASKED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    if *ASKED.get_or_init(|| std::env::var_os("CLDOCI_FAILPOINT").is_some_and(|v| v == "panic")) {
        std::panic::panic_any("the failpoint of X-17");
    }
}

#[cfg(not(debug_assertions))]
fn fail_if_asked() {}
