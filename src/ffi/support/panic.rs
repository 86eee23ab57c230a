//! Panics of ours: none crosses the border, and none prints.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Kind, printable};
use crate::thread::PREFIX;

/// Who is told of each panic, and may know its cause: the engine, once there is one.
pub(crate) struct Observer {
    /// Called on the thread that panics.
    pub(crate) on_panic: fn(&PanicHookInfo<'_>),
    /// What calls fail with instead of "a defect".
    pub(crate) cause: fn() -> Option<Error>,
}

static OBSERVER: OnceLock<Observer> = OnceLock::new();

/// Registers the observer; the first one stays.
pub(crate) fn observe(observer: Observer) {
    let _ = OBSERVER.set(observer);
}

/// Runs the body of a call, and catches its panic.
pub(crate) fn caught<T>(body: impl FnOnce() -> T) -> std::thread::Result<T> {
    install_panic_hook();
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

/// The error that a caught panic becomes.
pub(crate) fn error_of(panic: &(dyn Any + Send)) -> Error {
    if let Some(cause) = OBSERVER.get().and_then(|observer| (observer.cause)()) {
        return cause;
    }
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Error::new(Kind::Panic, format!("a bug in cldoci was caught, please report it: {}", printable(text)))
}

thread_local! {
    /// Whether a panic on this thread prints nothing.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Makes panics of ours silent, once; all others go to the hook that was there.
fn install_panic_hook() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.swap(true, Ordering::AcqRel) {
        return;
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(observer) = OBSERVER.get() {
            (observer.on_panic)(panic);
        }
        let ours = QUIET.get() || std::thread::current().name().is_some_and(|name| name.starts_with(PREFIX));
        if !ours {
            before(panic);
        }
    }));
}

/// a debug build panics inside every call when the process was started with `CLDOCI_FAILPOINT=panic`.
#[cfg(debug_assertions)]
#[expect(clippy::panic, reason = "a panic is what it is for")]
fn fail_if_asked() {
    static ASKED: OnceLock<bool> = OnceLock::new();
    if *ASKED.get_or_init(|| std::env::var_os("CLDOCI_FAILPOINT").is_some_and(|v| v == "panic")) {
        std::panic::panic_any("the failpoint of X-17");
    }
}

#[cfg(not(debug_assertions))]
fn fail_if_asked() {}
