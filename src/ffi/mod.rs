//! The C interface, and with `sys` the only unsafe code: each function converts, calls the core and converts back.
//! `build.rs` makes `include/cldoci.h` from these files. No policy lives here.

#![allow(unsafe_code, reason = "this is the border to C; each block says why it is sound")]
#![allow(clippy::missing_safety_doc, reason = "the header's page has the rules for all pointers")]
#![allow(clippy::too_many_arguments, reason = "a C function has no other way to take them")]

mod access;
pub mod artifact;
pub mod build;
pub mod builder;
pub mod callback;
pub mod client;
pub mod config;
pub mod credential;
pub mod debug;
pub mod error;
mod guard;
mod handle;
pub mod layer;
pub mod log;
pub mod login;
pub mod operation;
pub mod options;
mod pairs;
mod process;
pub mod progress;
pub mod read;
pub mod reference;
pub mod result;
mod running;
mod runtime;
mod signals;
mod slot;
pub mod status;
mod sync;
mod text;
mod token;
pub mod types;
mod verb;
pub mod version;
pub mod write;
