//! Threads of ours take no signal of the host's: only what a fault of their own raises reaches them.

use std::mem::MaybeUninit;

/// Those that report a fault of the thread itself; the host's handler (a JVM's, say) must see them.
const FAULTS: [i32; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS, libc::SIGABRT];

/// Runs `start` with all but the faults blocked on this thread, so that the threads it starts inherit that
/// mask from their first instruction on, and those that they start in turn.
pub(crate) fn blocked<T>(start: impl FnOnce() -> T) -> T {
    struct Restore(libc::sigset_t);
    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: the set is the one that pthread_sigmask gave.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
        }
    }
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset makes `set` whole, the others get pointers to whole sets or to room for one, and
    // every number is a signal's, so none of them can fail.
    let restore = unsafe {
        libc::sigfillset(set.as_mut_ptr());
        for fault in FAULTS {
            libc::sigdelset(set.as_mut_ptr(), fault);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, set.as_ptr(), before.as_mut_ptr());
        Restore(before.assume_init())
    };
    let result = start();
    drop(restore);
    result
}
