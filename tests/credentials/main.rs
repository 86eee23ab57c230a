//! Credentials and tokens, from the files and helpers that docker and podman use to what a registry and its
//! token server get to see.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::collapsible_if,
    unreachable_pub,
    reason = "a test ends where something is not as it must be"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/mod.rs"]
mod support;

mod bench;
mod helpers;
mod login;
mod memory;
mod real;
mod sources;
mod tokens;
