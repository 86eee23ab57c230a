//! Pure data of the OCI specifications: references, digests, descriptors, manifests, artifact kinds. No I/O.

mod artifact;
mod artifact_manifest;
mod descriptor;
mod digest;
pub(crate) mod go_json;
mod json;
pub(crate) mod json_edit;
mod manifest;
pub mod media_type;
mod platform;
mod reference;
mod typed_config;

pub(crate) use artifact::check_media_type;
pub use artifact::{
    ArtifactKind, ComponentConfig, DatacenterConfig, ModuleConfig, Profile, fill_source_hash,
};
pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, Hasher, sha256};
pub use manifest::{Document, ImageIndex, ImageManifest, parse_document};
pub use platform::{Platform, Wish};
pub use reference::{LayoutReference, Reference, RegistryReference, check_tag};
pub use typed_config::TypedConfig;
