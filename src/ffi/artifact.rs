//! `cldoci_artifact`: manifest, config and layers.

use std::ffi::c_char;
use std::sync::{Arc, OnceLock};

use super::status::cldoci_status;
use super::support::annotations::{Annotations, DescriptorTexts};
use super::support::handle::Object;
use super::support::strings::{OwnedCStr, key_bytes};
use super::support::{accessor, guard};
use super::types::cldoci_artifact;
use crate::client::Artifact;

pub(super) struct ArtifactObject {
    /// A verb's result keeps it too, and it may be large.
    pub(super) artifact: Arc<Artifact>,
    kind: OwnedCStr,
    reference: Option<OwnedCStr>,
    digest: OwnedCStr,
    media_type: OwnedCStr,
    config: DescriptorTexts,
    /// Made when they are asked for: there may be very many.
    layers: OnceLock<Vec<DescriptorTexts>>,
    annotations: OnceLock<Annotations>,
    subject: Option<OwnedCStr>,
    /// With a NUL behind them, once they are asked for.
    manifest_bytes: OnceLock<OwnedCStr>,
    config_bytes: OnceLock<OwnedCStr>,
}

impl Object for ArtifactObject {
    type Opaque = cldoci_artifact;
    const TYPE: u8 = 6;
    const NAME: &'static str = "cldoci_artifact";
}

impl ArtifactObject {
    pub(super) fn new(artifact: Arc<Artifact>) -> Self {
        Self {
            kind: artifact.kind.name().into(),
            reference: artifact.reference.as_ref().map(|reference| reference.to_string().as_str().into()),
            digest: artifact.digest.as_str().into(),
            media_type: artifact.media_type.as_str().into(),
            config: DescriptorTexts::new(&artifact.config_descriptor),
            layers: OnceLock::new(),
            annotations: OnceLock::new(),
            subject: artifact.subject.as_ref().map(|subject| subject.digest.as_str().into()),
            manifest_bytes: OnceLock::new(),
            config_bytes: OnceLock::new(),
            artifact,
        }
    }

    fn layers(&self) -> &[DescriptorTexts] {
        let layers = || self.artifact.layers.iter();
        self.layers.get_or_init(|| layers().map(|layer| DescriptorTexts::new(&layer.descriptor)).collect())
    }

    fn annotations(&self) -> &Annotations {
        self.annotations.get_or_init(|| Annotations::new(&self.artifact.annotations))
    }
}

/// The artifact's type: `component`, `datacenter` or `module`, else the manifest's `artifactType`, else the media
/// type of its config.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_type(
    artifact: *const cldoci_artifact,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ArtifactObject>(artifact, length, |artifact| Some(&artifact.kind))
}

/// Where the artifact was read from. NULL if it was built here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_reference(
    artifact: *const cldoci_artifact,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ArtifactObject>(artifact, length, |artifact| artifact.reference.as_ref())
}

/// The manifest's digest, `sha256:…`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_digest(
    artifact: *const cldoci_artifact,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ArtifactObject>(artifact, length, |artifact| Some(&artifact.digest))
}

/// The manifest's media type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_media_type(
    artifact: *const cldoci_artifact,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ArtifactObject>(artifact, length, |artifact| Some(&artifact.media_type))
}

/// The manifest's bytes. A NUL follows them, which `size` does not count.
///
/// @param size  out, may be NULL: how many bytes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_manifest(
    artifact: *const cldoci_artifact,
    size: *mut usize,
) -> *const u8 {
    let bytes = accessor::text::<ArtifactObject>(artifact, size, |artifact| {
        let manifest = &artifact.artifact.manifest;
        Some(artifact.manifest_bytes.get_or_init(|| OwnedCStr::new(manifest)))
    });
    bytes.cast()
}

/// The config's bytes, unchanged. A NUL follows them, which `size` does not count. NULL if the config was not
/// fetched (option `fetch_config`).
///
/// @param size  out, may be NULL: how many bytes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_config(
    artifact: *const cldoci_artifact,
    size: *mut usize,
) -> *const u8 {
    let bytes = accessor::text::<ArtifactObject>(artifact, size, |artifact| {
        let config = artifact.artifact.config.as_deref()?;
        Some(artifact.config_bytes.get_or_init(|| OwnedCStr::new(config)))
    });
    bytes.cast()
}

/// The config's media type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_config_media_type(
    artifact: *const cldoci_artifact,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ArtifactObject>(artifact, length, |artifact| Some(&artifact.config.media_type))
}

/// The config's digest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_config_digest(
    artifact: *const cldoci_artifact,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ArtifactObject>(artifact, length, |artifact| Some(&artifact.config.digest))
}

/// The config's size in bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_config_size(artifact: *const cldoci_artifact) -> u64 {
    accessor::number::<ArtifactObject, _>(artifact, 0, |artifact| Some(artifact.config.size))
}

/// How many layers there are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_layer_count(artifact: *const cldoci_artifact) -> usize {
    accessor::number::<ArtifactObject, _>(artifact, 0, |artifact| Some(artifact.layers().len()))
}

/// The media type of a layer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_layer_media_type(
    artifact: *const cldoci_artifact,
    layer: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ArtifactObject>(artifact, length, |artifact| {
        Some(&artifact.layers().get(layer)?.media_type)
    })
}

/// The digest of a layer. `cldoci_read_layer` and `cldoci_save_layer` give its bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_layer_digest(
    artifact: *const cldoci_artifact,
    layer: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ArtifactObject>(artifact, length, |artifact| Some(&artifact.layers().get(layer)?.digest))
}

/// The size of a layer in bytes, as stored (compressed).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_layer_size(artifact: *const cldoci_artifact, layer: usize) -> u64 {
    accessor::number::<ArtifactObject, _>(artifact, 0, |artifact| Some(artifact.layers().get(layer)?.size))
}

/// The value of a layer's annotation. NULL if it has none with this key.
///
/// @param key  borrowed, not NULL: any bytes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_layer_annotation(
    artifact: *const cldoci_artifact,
    layer: usize,
    key: *const c_char,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ArtifactObject>(artifact, length, |artifact| {
        artifact.layers().get(layer)?.annotations.find(key_bytes(key)?)
    })
}

/// How many annotations a layer has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_layer_annotation_count(
    artifact: *const cldoci_artifact,
    layer: usize,
) -> usize {
    accessor::number::<ArtifactObject, _>(artifact, 0, |artifact| {
        Some(artifact.layers().get(layer)?.annotations.count())
    })
}

/// The key of a layer's annotation; they are sorted by their bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_layer_annotation_key(
    artifact: *const cldoci_artifact,
    layer: usize,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ArtifactObject>(artifact, length, |artifact| {
        artifact.layers().get(layer)?.annotations.key(index)
    })
}

/// The value of a layer's annotation, by its index.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_layer_annotation_value(
    artifact: *const cldoci_artifact,
    layer: usize,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ArtifactObject>(artifact, length, |artifact| {
        artifact.layers().get(layer)?.annotations.value(index)
    })
}

/// The value of an annotation of the manifest. NULL if it has none with this key.
///
/// @param key  borrowed, not NULL: any bytes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_annotation(
    artifact: *const cldoci_artifact,
    key: *const c_char,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ArtifactObject>(artifact, length, |artifact| {
        artifact.annotations().find(key_bytes(key)?)
    })
}

/// How many annotations the manifest has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_annotation_count(artifact: *const cldoci_artifact) -> usize {
    accessor::number::<ArtifactObject, _>(artifact, 0, |artifact| Some(artifact.annotations().count()))
}

/// The key of an annotation of the manifest; they are sorted by their bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_annotation_key(
    artifact: *const cldoci_artifact,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ArtifactObject>(artifact, length, |artifact| artifact.annotations().key(index))
}

/// The value of an annotation of the manifest, by its index.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_annotation_value(
    artifact: *const cldoci_artifact,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ArtifactObject>(artifact, length, |artifact| artifact.annotations().value(index))
}

/// The digest of the manifest that this one refers to. NULL if it refers to none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_subject(
    artifact: *const cldoci_artifact,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ArtifactObject>(artifact, length, |artifact| artifact.subject.as_ref())
}

/// Frees an artifact and everything borrowed from it. Operations that use it go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_free(artifact: *mut cldoci_artifact) -> cldoci_status {
    guard::free::<ArtifactObject>(artifact)
}
