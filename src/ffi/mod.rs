//! The C interface. Here is what C sees, one file for each object: each function converts, calls the core and converts
//! back. What they stand on is in `support`. `build.rs` makes `include/cldoci.h` from these files. No policy lives here.

#![allow(unsafe_code, reason = "this is the border to C")]
#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "an export's contract is the header's page; it passes that promise on"
)]
#![allow(non_camel_case_types, reason = "the header's names")]
#![allow(clippy::missing_safety_doc, reason = "the header's page has the rules for all pointers")]
#![allow(clippy::too_many_arguments, reason = "a C function has no other way to take them")]

pub mod artifact;
pub mod builder;
pub mod callback;
pub mod client;
pub mod config;
pub mod credential;
pub mod debug;
pub mod error;
pub mod idle;
pub mod log;
pub mod operation;
pub mod options;
pub mod progress;
pub mod reference;
pub mod result;
pub mod status;
mod support;
pub mod types;
pub mod verbs;
pub mod version;
