//! What hostile archives and registries can make us allocate (promise G7). The limits are on what is allocated
//! beyond what was there before, in a process that does nothing else.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test ends where something is not as it must be"
)]

mod allocator;
mod archives;
#[allow(dead_code, reason = "a part of it is used here")]
#[path = "../it/harness/mod.rs"]
mod harness;
mod registry;
