//! The border: no panic crosses it, and every failure becomes a status and an error object.

use super::handle::{self, Object};
use super::panic::{caught, error_of};
use super::strings::{OwnedCStr, out};
use crate::error::{Error, RegistryError, Result};
use crate::ffi::status::{self, CLDOCI_ERROR_ARGUMENT, CLDOCI_OK, cldoci_status};
use crate::ffi::types::cldoci_error;

/// What the body of a call gives: nothing, or a status of its own.
pub(crate) trait Answer {
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

/// What the handle of an error holds.
pub(crate) struct ErrorObject {
    pub(crate) status: cldoci_status,
    pub(crate) message: OwnedCStr,
    pub(crate) http_status: i32,
    pub(crate) registry_code: Option<OwnedCStr>,
    pub(crate) registry_errors: Vec<RegistryErrorTexts>,
    pub(crate) errno: i32,
    pub(crate) retryable: bool,
    pub(crate) retry_after_ms: i64,
}

/// One of the errors that a registry listed, as it is lent to the caller.
pub(crate) struct RegistryErrorTexts {
    pub(crate) code: OwnedCStr,
    pub(crate) message: OwnedCStr,
    pub(crate) detail: Option<OwnedCStr>,
}

impl RegistryErrorTexts {
    fn new(error: &RegistryError) -> Self {
        Self {
            code: error.code.as_str().into(),
            message: error.message.as_str().into(),
            detail: error.detail.as_deref().map(OwnedCStr::from),
        }
    }
}

impl Object for ErrorObject {
    type Opaque = cldoci_error;
    const TYPE: u8 = 1;
    const NAME: &'static str = "cldoci_error";
}

impl ErrorObject {
    fn new(error: &Error) -> Self {
        Self {
            status: status::of(error.kind()),
            message: error.message().into(),
            http_status: error.http_status().map_or(0, i32::from),
            registry_code: error.registry_code().map(OwnedCStr::from),
            registry_errors: error.registry_errors().iter().map(RegistryErrorTexts::new).collect(),
            errno: error.errno().unwrap_or(0),
            retryable: error.retryable(),
            retry_after_ms: error
                .retry_after()
                .map_or(-1, |wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
        }
    }
}

/// Runs the body of a call that returns a status. `*error` is NULL unless it fails.
///
/// # Safety
/// `error` is NULL or may be written to.
pub(crate) unsafe fn status<T: Answer>(
    error: *mut *mut cldoci_error,
    body: impl FnOnce() -> Result<T>,
) -> cldoci_status {
    // SAFETY: the caller's promise, passed on.
    unsafe { with_outputs(error, || Ok(()), |()| body()) }
}

/// The same for a call that makes a handle, which goes to `*place`; `name` is the parameter's.
///
/// # Safety
/// `error` and `place` are NULL or may be written to.
pub(crate) unsafe fn new_handle<T: Object>(
    error: *mut *mut cldoci_error,
    place: *mut *mut T::Opaque,
    name: &str,
    make: impl FnOnce() -> Result<T>,
) -> cldoci_status {
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let outputs = || out(place, name, std::ptr::null_mut());
        with_outputs(error, outputs, |place| {
            *place = handle::insert(make()?)?;
            Ok(())
        })
    }
}

/// The same for a call that frees a handle: it makes no error object.
pub(crate) fn free<T: Object>(handle: *mut T::Opaque) -> cldoci_status {
    // SAFETY: no error object is asked for.
    unsafe { status(std::ptr::null_mut(), || handle::free::<T>(handle)) }
}

/// The same for a call with another output. `outputs` checks it and sets it to what stands for "nothing"; it runs
/// first, whatever comes after it: a bad `error`, a failure, a panic.
///
/// # Safety
/// `error` is NULL or may be written to.
pub(crate) unsafe fn with_outputs<O, T: Answer>(
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
        Err(panic) => error_of(&*panic),
    };
    let number = status::of(failure.kind());
    if !error.is_null() {
        // A panic or a full table here leaves `*error` NULL; the status says what happened.
        if let Ok(Ok(handle)) = caught(|| handle::insert(ErrorObject::new(&failure))) {
            // SAFETY: as above.
            unsafe { error.write(handle) };
        }
    }
    number
}

/// Runs the body of a call that returns a value; `otherwise` where there is none.
pub(crate) fn value<T>(otherwise: T, body: impl FnOnce() -> Option<T>) -> T {
    caught(body).ok().flatten().unwrap_or(otherwise)
}
