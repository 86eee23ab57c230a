//! The registry protocol over HTTP: transport, authentication, retries, blobs, manifests, tags, referrers.

#![allow(dead_code, reason = "the rooms are joined step by step")]

mod body;
mod origin;
mod policy;
mod transport;

pub use transport::Names;
