//! A reference, ready to be read from and written to: its backend, and the documents that lie there.

use std::sync::Arc;

use bytes::Bytes;

use super::Verb;
use super::artifact::{Artifact, Content, Layer};
use super::backend::{self, Backend, Target};
use crate::call::Call;
use crate::error::{Error, Kind, Result};
use crate::oci::{ArtifactKind, Descriptor, Document, ImageManifest, Reference, parse_document};

#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) call: Call,
    pub(super) reference: Reference,
    /// The tag and the digest of the reference; the digest is whole.
    pub(super) target: Target,
    pub(super) backend: Arc<dyn Backend>,
}

/// A manifest with its bytes and descriptor.
pub(super) struct Manifest<T = Document> {
    pub(super) descriptor: Descriptor,
    pub(super) bytes: Bytes,
    pub(super) document: T,
}

impl Verb {
    /// What a reference leads to.
    pub(super) fn endpoint(&self, reference: &Reference) -> Result<Endpoint> {
        let digest = reference.digest().map_err(|e| e.context(reference))?;
        Ok(Endpoint {
            call: self.call.clone(),
            reference: reference.clone(),
            target: Target { tag: reference.tag().map(str::to_owned), digest },
            backend: backend::open(self, reference)?,
        })
    }
}

impl Endpoint {
    /// The layout's path.
    pub(super) fn layout(&self) -> Option<&std::path::Path> {
        match &self.reference {
            Reference::Registry(_) => None,
            Reference::Layout(layout) => Some(&layout.path),
        }
    }

    /// Whether both are the same repository or layout, so that blobs need not move.
    pub(super) fn same_place(&self, other: &Self) -> bool {
        match (&self.reference, &other.reference) {
            _ if self.backend.reads_elsewhere() => false,
            (Reference::Registry(a), Reference::Registry(b)) => {
                a.registry == b.registry && a.repository == b.repository
            }
            (Reference::Layout(a), Reference::Layout(b)) => a.path == b.path,
            _ => false,
        }
    }

    /// The repository that blobs can be mounted from into `target`, where both are on one registry.
    pub(super) fn mountable_into(&self, target: &Self) -> Option<String> {
        match (&self.reference, &target.reference) {
            _ if self.backend.reads_elsewhere() => None,
            (Reference::Registry(a), Reference::Registry(b))
                if a.registry == b.registry && a.repository != b.repository =>
            {
                Some(a.repository.clone())
            }
            _ => None,
        }
    }

    /// The manifest's descriptor; none where it is not there.
    pub(super) async fn resolve(&self) -> Result<Option<Descriptor>> {
        match self.backend.descriptor(&self.target).await {
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    /// The manifest that the reference names.
    pub(super) async fn manifest(&self) -> Result<Manifest> {
        let (descriptor, bytes) = self.backend.manifest(&self.target).await?;
        self.document(descriptor, bytes)
    }

    /// A manifest that an index or a referrer's list names.
    pub(super) async fn child(&self, descriptor: &Descriptor) -> Result<Manifest> {
        let bytes = self.backend.child(descriptor).await?;
        // A referrer's size may be a sum (Q65); the digest is what counts.
        let descriptor = Descriptor { size: bytes.len() as u64, ..descriptor.clone() };
        self.document(descriptor, bytes)
    }

    fn document(&self, mut descriptor: Descriptor, bytes: Vec<u8>) -> Result<Manifest> {
        let limit = self.call.settings.max_descriptors;
        let document =
            parse_document(&bytes, &descriptor.media_type, limit).map_err(|e| e.context(&self.reference))?;
        document.media_type().clone_into(&mut descriptor.media_type);
        Ok(Manifest { descriptor, bytes: bytes.into(), document })
    }

    /// A config, whole and verified.
    pub(super) async fn config(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let limit = self.call.settings.max_config_bytes;
        if descriptor.size > limit as u64 {
            return Err(Error::new(
                Kind::Limit,
                format!(
                    "{}: the config has {} bytes, over the limit of {limit} (option max_config_bytes)",
                    self.reference, descriptor.size
                ),
            ));
        }
        self.backend.small_blob(descriptor, limit).await
    }

    /// The config's bytes; the empty one is known.
    pub(super) async fn config_of(&self, manifest: &ImageManifest) -> Result<Option<Arc<[u8]>>> {
        let descriptor = &manifest.config;
        if descriptor.size == 2 && descriptor.digest.verify(b"{}") {
            return Ok(Some(Arc::from(&b"{}"[..])));
        }
        Ok(Some(self.config(descriptor).await?.into()))
    }

    /// The artifact that a manifest of here describes; its layers stay where they are.
    pub(super) fn artifact(&self, manifest: Manifest<ImageManifest>, config: Option<Arc<[u8]>>) -> Artifact {
        let image = manifest.document;
        let place = self.reference.with_digest(&manifest.descriptor.digest);
        let layer_type = image.layers.first().map_or("", |layer| &layer.media_type);
        Artifact {
            kind: ArtifactKind::from_types(image.artifact_type(), &image.config.media_type, layer_type),
            reference: Some(self.reference.clone()),
            digest: manifest.descriptor.digest.clone(),
            media_type: manifest.descriptor.media_type,
            manifest: manifest.bytes,
            config_descriptor: image.config,
            config,
            layers: image
                .layers
                .into_iter()
                .map(|descriptor| Layer { descriptor, content: Content::Remote(place.clone()) })
                .collect(),
            annotations: image.annotations,
            subject: image.subject,
        }
    }
}
