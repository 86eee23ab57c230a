//! Builds directories into OCI artifacts and pushes, pulls, tags and checks them on OCI registries and in
//! local image layouts. `include/cldoci.h` is the same engine for every other language.
//!
//! A [`Client`] has the verbs. Each takes a [`Call`], made from [`Options`](options::Options), and gives a future that
//! needs a tokio runtime; its [`Operation`] cancels it and tells how it goes, and an [`Outcome`] is what it gives.
//!
//! ```
//! use cldoci::oci::{ArtifactKind, Reference};
//! use cldoci::options::{Existing, Options};
//! use cldoci::{Client, Kind};
//!
//! # fn main() -> cldoci::Result<()> {
//! # let scratch = tempfile::tempdir().unwrap();
//! # let (tree, layout, pulled) = (scratch.path().join("tree"), scratch.path().join("layout"), scratch.path().join("pulled"));
//! # std::fs::create_dir(&tree).unwrap();
//! # std::fs::write(tree.join("file"), "content").unwrap();
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let mut options = Options::new();
//! options.set_store("off")?;
//! let client = Client::new(&options)?;
//! let place: Reference = format!("ocidir://{}:v1", layout.display()).parse()?;
//!
//! let call = client.call(None)?;
//! let built = client.build(&tree, &ArtifactKind::Component, br#"{"name":"app"}"#, &call).await?;
//! let artifact = built.artifact.expect("a build gives an artifact");
//! client.push(&artifact, &place, &client.call(None)?).await?;
//!
//! // What a call brings beats the client's options.
//! let mut replace = Options::new();
//! replace.set_existing(Existing::Replace)?;
//! let call = client.call(Some(&replace))?;
//! let outcome = client.pull(&place, &pulled, &call).await?;
//! assert_eq!(outcome.digest, built.digest);
//! assert!(call.operation.counters().requests == 0, "a layout needs no request");
//!
//! // An operation is cancelled from any thread.
//! let call = client.call(None)?;
//! call.operation.cancel();
//! assert_eq!(client.resolve(&place, &call).await.unwrap_err().kind(), Kind::Cancelled);
//! # Ok(()) }) }
//! ```
//!
//! The feature `internals` shows the rest to the project's own tests and fuzz targets; nothing about it is stable.

#![deny(unsafe_code)]
#![cfg_attr(
    not(feature = "internals"),
    allow(
        dead_code,
        unreachable_pub,
        unused_imports,
        reason = "some parts serve the project's own tests alone"
    )
)]

/// The program of the README is compiled, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(not(feature = "internals"))]
mod archive;
#[cfg(feature = "internals")]
pub mod archive;
mod call;
mod client;
mod credential;
#[cfg(not(feature = "internals"))]
mod credentials;
#[cfg(feature = "internals")]
pub mod credentials;
mod error;
#[cfg(not(feature = "internals"))]
mod ffi;
#[cfg(feature = "internals")]
pub mod ffi;
mod fs;
pub mod oci;
mod operation;
pub mod options;
mod os;
#[cfg(not(feature = "internals"))]
mod registry;
#[cfg(feature = "internals")]
pub mod registry;
#[cfg(not(feature = "internals"))]
mod store;
#[cfg(feature = "internals")]
pub mod store;
mod thread;

pub use archive::LeftOut;
pub use call::Call;
pub use client::{Artifact, ArtifactBuilder, Client, Content, Layer, Outcome};
pub use credential::{Action, Credential, CredentialProvider, Credentials, Found, Lookup};
pub use error::{Error, Kind, RegistryError, Result, printable};
pub use operation::{Count, Counters, Level, LogWriter, Logger, Meter, Operation, Phase, Progress};
