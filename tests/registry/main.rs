//! The registry room against servers: real ones, one that behaves, and ones that do not.

#[path = "../common/mod.rs"]
mod common;

mod help;
mod real;
