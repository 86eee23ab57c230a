//! What the exports stand on: handles, guards, the engine, callbacks, strings. Nothing here is exported, and nothing
//! here imports an export: of the floor above only the names of the header's types and the status numbers.

#![deny(unsafe_op_in_unsafe_fn)]

pub(crate) mod accessor;
mod activity;
pub(crate) mod annotations;
pub(crate) mod callbacks;
pub(crate) mod credentials;
pub(crate) mod engine;
mod fork;
pub(crate) mod guard;
pub(crate) mod handle;
pub(crate) mod log;
mod panic;
mod signals;
pub(crate) mod sized;
mod slot;
pub(crate) mod strings;
mod sync;
pub(crate) mod task;
mod token;
pub(crate) mod verb;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks; a panic while it was held left nothing half-done that matters.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
