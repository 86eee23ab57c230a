//! `cldoci_operation`: a verb under way.

use std::os::fd::IntoRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use super::progress::cldoci_progress;
use super::result::ResultObject;
use super::status::{CLDOCI_OK, CLDOCI_PENDING, cldoci_status};
use super::support::guard;
use super::support::handle::{self, Object};
use super::support::sized::blank;
use super::support::strings::out;
use super::support::task::Task;
use super::support::verb::Output;
use super::types::{cldoci_error, cldoci_operation, cldoci_result};
use crate::error::Result;

struct OperationObject(Arc<Task>);

impl Object for OperationObject {
    type Opaque = cldoci_operation;
    const TYPE: u8 = 9;
    const NAME: &'static str = "cldoci_operation";
}

/// A verb that is started gives an operation.
impl Output for *mut *mut cldoci_operation {
    const WAITS: bool = false;

    unsafe fn begin(self) -> Result<()> {
        out(self, "operation", std::ptr::null_mut()).map(|_| ())
    }

    unsafe fn finish(self, task: Arc<Task>) -> Result<()> {
        let handle = handle::insert(OperationObject(task.clone())).inspect_err(|_| task.detach())?;
        self.write(handle);
        Ok(())
    }
}

/// Waits until the operation has ended. Signals do not end the wait. All threads that wait are woken.
///
/// @param timeout_ms  milliseconds to wait at most; 0 only asks, a negative number waits forever
/// @return CLDOCI_OK if it succeeded, CLDOCI_PENDING if the time is over (no error object), else the failure of
///         the operation; CLDOCI_ERROR_CANCELLED also when another thread frees the handle;
///         CLDOCI_ERROR_REENTRANT inside the operation's own callback
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_operation_wait(
    operation: *const cldoci_operation,
    timeout_ms: i64,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let operation = handle::get::<OperationObject>(operation)?;
        let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        Ok(if operation.0.wait(timeout)?.is_some() { CLDOCI_OK } else { CLDOCI_PENDING })
    })
}

/// The progress of the operation; also after its end.
///
/// @param progress  in and out, not NULL: set its struct_size before; the rest is set to zero, then filled in
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_operation_progress(
    operation: *const cldoci_operation,
    progress: *mut cldoci_progress,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    let outputs = || blank(progress, "progress");
    guard::with_outputs(error, outputs, |progress| {
        let operation = handle::get::<OperationObject>(operation)?;
        progress.fill(&cldoci_progress::of(&operation.0.operation.progress()));
        Ok(())
    })
}

/// Asks the operation to end with CLDOCI_ERROR_CANCELLED, and returns at once. The operation ends within a second
/// and removes what it was making. Cancelling again or after the end does nothing. A callback may call it; a
/// signal handler must not, because it takes locks. Let the handler write to a pipe or set a flag instead.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_operation_cancel(
    operation: *const cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        handle::get::<OperationObject>(operation)?.0.operation.cancel();
        Ok(())
    })
}

/// Makes a descriptor for an event loop (poll, epoll, libuv, asyncio). When the operation has ended or its handle
/// is freed, the descriptor becomes readable, at end-of-file, and stays so. There is never a byte to read. Each
/// call makes a new descriptor.
///
/// @param fd  out, not NULL: set to -1, then to a descriptor that you close (close-on-exec)
/// @return CLDOCI_OK, or CLDOCI_ERROR_IO if no descriptor is available; waiting still works
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_operation_open_descriptor(
    operation: *const cldoci_operation,
    fd: *mut i32,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    let outputs = || out(fd, "fd", -1);
    guard::with_outputs(error, outputs, |fd| {
        *fd = handle::get::<OperationObject>(operation)?.0.descriptor()?.into_raw_fd();
        Ok(())
    })
}

/// The result of an operation that has ended. You can ask again; each call returns a new handle.
///
/// @param result  out, not NULL: set to NULL, on success to a result that you free
/// @return CLDOCI_OK, CLDOCI_PENDING if it has not ended (no result, no error object), else the operation's
///         failure
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_operation_result(
    operation: *const cldoci_operation,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    let outputs = || out(result, "result", std::ptr::null_mut());
    guard::with_outputs(error, outputs, |result| {
        let operation = handle::get::<OperationObject>(operation)?;
        let Some(end) = operation.0.end() else { return Ok(CLDOCI_PENDING) };
        *result = handle::insert(ResultObject::new(end?, &operation.0.operation))?;
        Ok(CLDOCI_OK)
    })
}

/// Frees the handle, and never waits. A running operation is cancelled and ends by itself; whoever waits for it
/// gets CLDOCI_ERROR_CANCELLED. No callback of the operation begins after this call. One that is running on
/// another thread finishes, and then the finalizer is called. A callback may call this.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_operation_free(operation: *mut cldoci_operation) -> cldoci_status {
    guard::status(std::ptr::null_mut(), || {
        if let Some(object) = handle::optional::<OperationObject>(operation)? {
            object.0.detach();
        }
        handle::free::<OperationObject>(operation)
    })
}
