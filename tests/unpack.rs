//! Layers → directory: hostile and odd archives, encodings, several layers, and how a tree is published.
//! Every case runs twice: paths confined by `openat2`, and component by component.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "unpack/encodings.rs"]
mod encodings;
#[path = "unpack/entries.rs"]
mod entries;
#[path = "unpack/format.rs"]
mod format;
#[path = "../fuzz/targets/harmless.rs"]
mod harmless;
#[path = "unpack/harness.rs"]
mod harness;
#[path = "unpack/links.rs"]
mod links;
#[path = "unpack/mutations.rs"]
mod mutations;
#[path = "unpack/others.rs"]
mod others;
#[path = "unpack/peers.rs"]
mod peers;
#[path = "unpack/publish.rs"]
mod publish;
#[path = "common/random.rs"]
mod random;
#[path = "common/servers.rs"]
mod servers;
