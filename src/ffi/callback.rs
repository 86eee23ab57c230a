//! The caller's functions and the pointer that comes with each.

use std::ffi::c_void;
use std::sync::Arc;

use super::progress::cldoci_progress;
use super::support::callbacks::{self, ProgressCallback};
use super::support::engine;

/// Called with `user_data` when it is no longer needed, on any thread except the library's I/O threads. If the
/// options were only used for blocking verbs, it is called on the thread that frees them or in the verb.
pub type cldoci_finalizer = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Called from time to time while an operation runs, and once when it has ended, unless it was cancelled.
/// `progress` is valid during the call. Return 0 to go on, anything else to cancel.
pub type cldoci_progress_callback =
    Option<unsafe extern "C" fn(progress: *const cldoci_progress, user_data: *mut c_void) -> i32>;

/// The caller's pointer, with what ends it.
pub(super) struct UserData {
    pointer: *mut c_void,
    finalizer: cldoci_finalizer,
}

impl UserData {
    pub(super) fn new(pointer: *mut c_void, finalizer: cldoci_finalizer) -> Self {
        Self { pointer, finalizer }
    }

    /// A method, so that a closure which needs the pointer holds what ends it, too.
    pub(super) fn pointer(&self) -> *mut c_void {
        self.pointer
    }
}

// SAFETY: the header says that callbacks run on other threads than the one that set them, so the caller gave
// a pointer that may be used there; cldoci itself never follows it.
unsafe impl Send for UserData {}
// SAFETY: as above; a shared `UserData` only lends the pointer.
unsafe impl Sync for UserData {}

impl Drop for UserData {
    fn drop(&mut self) {
        let Some(finalizer) = self.finalizer else { return };
        let user_data = Self::new(self.pointer, None);
        // SAFETY: the caller gave this function for this pointer, and it is called once, here.
        let finish = move || unsafe { finalizer(user_data.pointer()) };
        if engine::on_io_thread() { callbacks::post(Box::new(finish)) } else { finish() }
    }
}

/// The caller's progress function.
pub(super) fn progress_callback(
    function: unsafe extern "C" fn(*const cldoci_progress, *mut c_void) -> i32,
    user_data: UserData,
) -> Arc<ProgressCallback> {
    Arc::new(move |progress| {
        let progress = cldoci_progress::of(progress);
        // SAFETY: the caller gave this function for this user_data, `progress` lives as long as the call, and
        // the header says that the function must not unwind.
        unsafe { function(&progress, user_data.pointer()) == 0 }
    })
}
