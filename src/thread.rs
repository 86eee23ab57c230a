//! How threads of ours begin: with a name, by which a panic in them is known to be ours, and with a stack of a
//! stated size: where none is stated, the standard library looks for one in the environment, which is read when
//! a client is made and not later.

use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::error::{Error, Result};

/// The stack of each.
pub(crate) const STACK: usize = 2 << 20;

/// A thread to be.
pub(crate) fn builder(name: &str) -> Builder {
    Builder::new().name(name.to_owned()).stack_size(STACK)
}

/// Starts one that ends within `scope`.
pub(crate) fn spawn_scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    builder(name).spawn_scoped(scope, work).map_err(|error| Error::io("starting a thread", error))
}
