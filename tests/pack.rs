//! Directories packed through the public API: cases B-01…B-10 and the bytes that never change.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "pack/changes.rs"]
mod changes;
#[path = "pack/golden.rs"]
mod golden;
#[path = "pack/links.rs"]
mod links;
#[path = "pack/odd.rs"]
mod odd;
#[path = "pack/same.rs"]
mod same;
#[path = "pack/tree.rs"]
mod tree;
