//! The integration tests: one program, a module for each suite. Its tests run at once, so that none changes what the
//! process has one of (environment, working directory, umask, limits, signals): such a test goes on in a child.
//!
//! `tests/bounded` is a program of its own for its allocator, which counts what the process allocates, and
//! `tests/torture` because it takes the machine: it kills, fills disks, and starts many processes at once.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test ends where something is not as it must be"
)]

mod abi;
mod bad_input;
mod behaviour;
mod build_and_push;
mod c_calls;
mod c_programs;
mod cases;
mod cpp;
mod credentials;
mod determinism;
mod examples;
mod fuzz_corpus;
#[allow(dead_code, reason = "the other programs use the rest")]
mod harness;
mod house;
mod layout;
mod mirrors;
mod pack;
mod peers;
mod readers;
mod real_registries;
mod registries_conf;
mod registry;
mod requests;
mod reuse;
mod store;
mod third_party;
mod unpack;
mod verbs;
