//! An artifact: what build makes, pull and inspect find, and a caller puts together by hand.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Kind, Result};
use crate::oci::{ArtifactKind, Descriptor, Digest, ImageManifest, Reference, media_type};
use crate::store::Spool;

/// Where a layer's bytes are.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory.
    Bytes(Arc<[u8]>),
    /// In a file of the caller's.
    File(PathBuf),
    /// In the store; gone with the last artifact that refers to it.
    Spooled(Arc<Spool>),
    /// At the place the artifact was read from.
    Remote(Reference),
}

/// One layer: its descriptor and where its bytes are.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Media type, digest, size, annotations.
    pub descriptor: Descriptor,
    /// Where the bytes are.
    pub content: Content,
}

/// An immutable artifact.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// What it is.
    pub kind: ArtifactKind,
    /// Where it was read from.
    pub reference: Option<Reference>,
    /// The manifest's digest.
    pub digest: Digest,
    /// The manifest's media type.
    pub media_type: String,
    /// The manifest's bytes.
    pub manifest: Bytes,
    /// The config's descriptor.
    pub config_descriptor: Descriptor,
    /// The config's bytes; absent where a pull was told not to fetch them.
    pub config: Option<Arc<[u8]>>,
    /// The layers, in order.
    pub layers: Vec<Layer>,
    /// The manifest's annotations.
    pub annotations: BTreeMap<String, String>,
    /// The manifest that it refers to.
    pub subject: Option<Descriptor>,
}

/// Puts an artifact together by hand.
#[derive(Debug, Clone)]
pub struct ArtifactBuilder {
    kind: ArtifactKind,
    config: Vec<u8>,
    /// A config that takes the place of `config`, and where its bytes are.
    remote_config: Option<(Descriptor, Reference)>,
    layers: Vec<Layer>,
    annotations: BTreeMap<String, String>,
    subject: Option<Descriptor>,
}

impl ArtifactBuilder {
    /// An artifact of this kind with the empty config and no layers.
    pub fn new(kind: ArtifactKind) -> Self {
        Self {
            kind,
            config: b"{}".to_vec(),
            remote_config: None,
            layers: Vec::new(),
            annotations: BTreeMap::new(),
            subject: None,
        }
    }

    /// The config's bytes, kept as they are.
    #[must_use]
    pub fn config(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.config = bytes.into();
        self
    }

    /// The config of the artifact at `from`, whose bytes stay there until they are needed.
    #[must_use]
    pub(super) fn remote_config(mut self, descriptor: Descriptor, from: Reference) -> Self {
        self.remote_config = Some((descriptor, from));
        self
    }

    /// Adds a layer.
    #[must_use]
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// Adds an annotation to the manifest.
    #[must_use]
    pub fn annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    /// The manifest that the artifact refers to.
    #[must_use]
    pub fn subject(mut self, subject: Descriptor) -> Self {
        self.subject = Some(subject);
        self
    }

    /// The artifact. Its manifest's bytes are fixed here.
    pub fn finish(self) -> Result<Artifact> {
        if self.config.is_empty() {
            return Err(Error::new(
                Kind::Argument,
                "the config is empty: registries refuse empty blobs, use '{}'",
            ));
        }
        let (config_descriptor, config, reference) = match self.remote_config {
            Some((descriptor, from)) => (descriptor, None, Some(from)),
            None => {
                let descriptor = Descriptor::of(self.kind.config_media_type(), &self.config);
                (descriptor, Some(self.config.into()), None)
            }
        };
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: media_type::OCI_MANIFEST.to_owned(),
            artifact_type: self.kind.artifact_type().map(str::to_owned),
            config: config_descriptor.clone(),
            layers: self.layers.iter().map(|layer| layer.descriptor.clone()).collect(),
            subject: self.subject.clone(),
            annotations: self.annotations.clone(),
        };
        let bytes = manifest.to_bytes();
        Ok(Artifact {
            kind: self.kind,
            reference,
            digest: Digest::of(&bytes),
            media_type: manifest.media_type,
            manifest: bytes.into(),
            config_descriptor,
            config,
            layers: self.layers,
            annotations: self.annotations,
            subject: self.subject,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest of the manifest as another program puts it together; it must never change.
    #[test]
    fn golden_manifest() {
        let layer = "sha256:abababababababababababababababababababababababababababababababab";
        let kind = ArtifactKind::Component;
        let mut descriptor = Descriptor::new(kind.layer_media_type(), layer.parse().unwrap(), 1234);
        descriptor.annotations.insert(media_type::ANNOTATION_BLOCKS.to_owned(), "20:1:AA==".to_owned());
        let artifact = ArtifactBuilder::new(kind)
            .config(*b"{\"schemaVersion\":\"v1\"}")
            .layer(Layer { descriptor, content: Content::Bytes(Arc::from(&b""[..])) })
            .annotation("b", "2")
            .annotation("a", "1")
            .finish()
            .unwrap();
        let golden = "sha256:a137fdf0d5c255ee2263c1eefaa7b415de2b584c58a75ea6f1e9db5c0eb66c0f";
        assert_eq!(artifact.digest.as_str(), golden);
    }

    #[test]
    fn the_manifest_of_a_kind_has_no_artifact_type_and_a_custom_one_has() {
        let component = ArtifactBuilder::new(ArtifactKind::Component).finish().unwrap();
        assert_eq!(
            std::str::from_utf8(&component.manifest).unwrap(),
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.architect.component.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#
        );
        let custom = ArtifactBuilder::new(ArtifactKind::custom("application/vnd.x")).finish().unwrap();
        assert!(std::str::from_utf8(&custom.manifest).unwrap().contains(
            r#""artifactType":"application/vnd.x","config":{"mediaType":"application/vnd.oci.empty.v1+json""#
        ));
    }
}
