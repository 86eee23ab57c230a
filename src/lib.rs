//! Builds directories into OCI artifacts and pushes, pulls, tags and checks them on OCI registries and in
//! local image layouts. `include/cldoci.h` is the same engine for every other language.

#![deny(unsafe_code)]

pub mod archive;
mod call;
mod client;

mod credential;
pub mod credentials;
mod error;
#[doc(hidden)]
pub mod ffi;
mod fs;
pub mod oci;
mod operation;
pub mod options;
pub mod registry;
pub mod store;
mod sys;
mod thread;

pub use call::Call;
pub use client::{Artifact, ArtifactBuilder, Client, Content, Layer, Outcome};
pub use credential::{Credential, CredentialProvider, Credentials, Found, Lookup};
pub use error::{Error, Kind, Result, printable};
pub use operation::{Count, Counters, Level, LogWriter, Logger, Meter, Operation, Phase, Progress};
