//! The registry room against servers: real ones, one that behaves, and ones that do not.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test ends where something is not as it must be"
)]

#[path = "../common/mod.rs"]
mod common;

mod blobs;
mod floods;
mod headers;
mod help;
mod manifests;
mod overload;
mod polite;
mod proxy;
mod ranges;
mod real;
mod redirects;
mod tls;
mod uploads;
