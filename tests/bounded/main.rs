//! What hostile archives and registries can make us allocate (promise G7). The limits are on what is allocated
//! beyond what was there before, in a process that does nothing else.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "a part of it is used here")]
#[path = "../unpack/harness.rs"]
mod harness;
#[path = "../common/workflow.rs"]
mod workflow;

mod allocator;
mod archives;
mod registry;
