//! `cldoci_operation`: a verb under way.

use std::os::fd::IntoRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use super::guard;
use super::handle::{self, Object};
use super::progress::{blank, cldoci_progress};
use super::result::ResultObject;
use super::running::Running;
use super::status::{CLDOCI_OK, CLDOCI_PENDING, cldoci_status};
use super::text::out;
use super::types::{cldoci_error, cldoci_operation, cldoci_result};

pub(super) struct OperationObject(pub(super) Arc<Running>);

impl Object for OperationObject {
    type Opaque = cldoci_operation;
    const TYPE: u8 = 9;
    const NAME: &'static str = "cldoci_operation";
}

/// Waits until the operation has ended. Signals do not end the wait.
///
/// @param operation   borrowed, not NULL
/// @param timeout_ms  milliseconds to wait at most; 0 only asks, a negative number waits for ever
/// @param error       out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK when it succeeded, CLDOCI_PENDING when the time was over (no error object), else what
///         the operation failed with; CLDOCI_ERROR_CANCELLED also when another thread frees the handle;
///         CLDOCI_ERROR_REENTRANT inside the operation's own callback
/// Threads: any, also several at once, all of which wake.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_operation_wait(
    operation: *const cldoci_operation,
    timeout_ms: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::status(error, || {
            let running = handle::get::<OperationObject>(operation)?;
            let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
            Ok(if running.0.wait(timeout)?.is_some() { CLDOCI_OK } else { CLDOCI_PENDING })
        })
    }
}

/// How far the operation is; also after its end.
///
/// @param operation  borrowed, not NULL
/// @param progress   in and out, not NULL: set its struct_size before; the rest is set to zero, then filled in
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be told
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_operation_progress(
    operation: *const cldoci_operation,
    progress: *mut cldoci_progress,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::giving(
            error,
            || blank(progress, "progress"),
            |progress| {
                let running = handle::get::<OperationObject>(operation)?;
                progress.fill(&cldoci_progress::of(&running.0.operation.progress()));
                Ok(())
            },
        )
    }
}

/// Asks the operation to end with CLDOCI_ERROR_CANCELLED, which it does within a second; what it was making
/// is removed. Returns at once. After the end, and again, it does nothing. Not for a signal handler, as
/// it takes locks: let the handler write to a pipe or set a flag, and cancel where that is read.
///
/// @param operation  borrowed, not NULL
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_HANDLE or CLDOCI_ERROR_FORKED for a bad handle
/// Threads: any, at once; callbacks, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_operation_cancel(
    operation: *const cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::status(error, || {
            handle::get::<OperationObject>(operation)?.0.operation.cancel();
            Ok(())
        })
    }
}

/// Makes a descriptor for an event loop (poll, epoll, libuv, asyncio): it becomes readable, at end-of-file,
/// when the operation has ended or its handle is freed, and stays so. There is never a byte to read.
///
/// @param operation  borrowed, not NULL
/// @param fd         out, not NULL: set to -1, then to a descriptor that is yours to close (close-on-exec)
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_IO where there is no descriptor to be had; waiting works all the same
/// Threads: any, at once; each call makes another descriptor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_operation_open_descriptor(
    operation: *const cldoci_operation,
    fd: *mut i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::giving(
            error,
            || out(fd, "fd", -1),
            |fd| {
                *fd = handle::get::<OperationObject>(operation)?.0.descriptor()?.into_raw_fd();
                Ok(())
            },
        )
    }
}

/// The result of an operation that has ended. It can be fetched again; each time it is a new handle.
///
/// @param operation  borrowed, not NULL
/// @param result     out, not NULL: set to NULL, on success to a result that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, CLDOCI_PENDING when it has not ended (no result, no error object), else what the
///         operation failed with
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_operation_result(
    operation: *const cldoci_operation,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::giving(
            error,
            || out(result, "result", std::ptr::null_mut()),
            |result| {
                let running = handle::get::<OperationObject>(operation)?;
                let Some(end) = running.0.end() else { return Ok(CLDOCI_PENDING) };
                *result = handle::insert(ResultObject::new(end?, &running.0.operation))?;
                Ok(CLDOCI_OK)
            },
        )
    }
}

/// Frees the handle. An operation that still runs is cancelled and ends by itself; those that wait for it get
/// CLDOCI_ERROR_CANCELLED. Never waits. No callback of the operation begins after it returned; one that runs
/// at this moment on another thread comes to its end, and the finaliser is called after it.
///
/// @param operation  consumed; NULL is fine
/// @return CLDOCI_OK, or CLDOCI_ERROR_HANDLE or CLDOCI_ERROR_FORKED for a bad handle
/// Threads: any; callbacks, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_operation_free(operation: *mut cldoci_operation) -> cldoci_status {
    // SAFETY: no error object is asked for.
    unsafe {
        guard::status(std::ptr::null_mut(), || {
            if let Some(object) = handle::optional::<OperationObject>(operation)? {
                object.0.detach();
            }
            handle::free::<OperationObject>(operation)
        })
    }
}
