//! Credentials and tokens, from the files and helpers that docker and podman use to what a registry and its
//! token server get to see.

mod actions;
mod bench;
mod helpers;
mod hidden;
mod login;
mod memory;
mod real;
mod sources;
mod tokens;
