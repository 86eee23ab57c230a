//! Where credentials come from, and where a log-in keeps them: options, a callback, files of docker's and podman's,
//! credential helpers. No HTTP.

mod auth_file;
mod cache;
mod chain;
#[cfg(feature = "internals")]
pub mod fuzz;
mod helper;
mod key;
mod places;
mod secret_file;
mod source;
mod writer;

#[cfg(test)]
mod docker_conformance;

pub use cache::CredentialCache;
pub(crate) use writer::{CredentialWriter, Kept};
