//! The registry protocol over HTTP: transport, authentication, retries, blobs, manifests, tags, referrers.

mod address;
mod auth;
mod blobs;
mod body;
mod capabilities;
mod error_body;
mod error_response;
mod fallback;
#[cfg(feature = "internals")]
pub mod fuzz;
mod host;
mod login;
mod manifests;
mod origin;
mod policy;
mod pushed;
mod ranges;
mod referrers;
mod repository;
mod request;
mod response;
mod retry;
mod sender;
mod tags;
mod transport;
mod upload;

pub use blobs::BlobReader;
pub(crate) use fallback::is_fallback_tag;
pub use manifests::Put;
pub(crate) use origin::one_name;
pub use ranges::Scratch;
pub use repository::{Registry, Repository};
pub use transport::Names;
pub use upload::{BlobSource, BytesSource, NoSessions, Session, UploadSessions, Uploaded};
