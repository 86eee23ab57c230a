//! push, attach, and the sending of blobs that tag and copy share.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::artifact::{Artifact, ArtifactBuilder, Content, Layer};
use super::backend::{Backend, Blob, Writer};
use super::endpoint::Endpoint;
use super::{Outcome, Verb};
use crate::error::{Error, Kind, Result};
use crate::oci::{Descriptor, Reference, media_type};
use crate::operation::{Count, Phase};
use crate::registry::BlobSource;

/// Up to this size a blob waits until it is known whether a larger one was there.
const SMALL: u64 = 64 << 10;

impl Verb {
    /// Pushes an artifact.
    pub(super) async fn push(&self, artifact: &Artifact, reference: &Reference) -> Result<Outcome> {
        let to = self.endpoint(reference)?;
        if let Some(wanted) = to.target.digest.as_ref().filter(|wanted| **wanted != artifact.digest) {
            return Err(Error::new(
                Kind::Digest,
                format!("{reference}: the artifact has the digest {}, not {wanted}", artifact.digest),
            ));
        }
        self.push_with(&to, artifact, &artifact.layers).await
    }

    /// Pushes an artifact whose layers are there.
    pub(super) async fn push_all_but_layers(&self, to: &Endpoint, artifact: &Artifact) -> Result<Outcome> {
        self.push_with(to, artifact, &[]).await
    }

    /// Pushes the config, these of the layers, and the manifest.
    async fn push_with(&self, to: &Endpoint, artifact: &Artifact, layers: &[Layer]) -> Result<Outcome> {
        let mut mount_from = self.call.settings.mount_from.to_vec();
        let mut blobs = Vec::with_capacity(layers.len() + 1);
        // An artifact manifest has none (Q91).
        if artifact.media_type != media_type::OCI_ARTIFACT {
            blobs.push(self.config_blob(artifact)?);
        }
        for layer in layers {
            if let Content::Remote(from) = &layer.content {
                mount_from.extend(self.endpoint(from)?.mountable_into(to));
            }
            blobs.push(self.blob(layer)?);
        }
        mount_from.dedup();
        let writer = to.backend.writer(&mount_from).await?;
        let descriptor = Descriptor::new(
            artifact.media_type.clone(),
            artifact.digest.clone(),
            artifact.manifest.len() as u64,
        );
        let tag = to.target.tag();
        // Where a referrer is listed is not asked: it is pushed as if it were new.
        let again = artifact.subject.is_none() && self.skip_all(&*writer, &descriptor, tag, &blobs).await?;
        if !again {
            self.send_all(&*writer, &blobs).await?;
            self.put(&*writer, artifact, &descriptor, tag, &blobs).await?;
        }
        Ok(Outcome {
            digest: Some(artifact.digest.clone()),
            media_type: Some(descriptor.media_type),
            size: Some(descriptor.size),
            artifact: Some(Artifact { reference: Some(to.reference.clone()), ..artifact.clone() }.into()),
            ..Outcome::default()
        })
    }

    /// Puts the manifest of blobs that are there, and has it listed as a referrer where it is one.
    async fn put(
        &self,
        writer: &dyn Writer,
        artifact: &Artifact,
        descriptor: &Descriptor,
        tag: Option<&str>,
        blobs: &[Blob],
    ) -> Result<()> {
        self.call.operation.enter(Phase::Publishing);
        let put = writer.put_manifest(descriptor, &artifact.manifest, None, tag).await;
        let listed = match put {
            // The registry lost a blob, or a cache in front of it said too early that it has it (Q59, R-36).
            Err(error) if matches!(error.registry_code(), Some("MANIFEST_BLOB_UNKNOWN" | "BLOB_UNKNOWN")) => {
                self.call.operation.count(Count::Retry);
                for blob in blobs {
                    writer.send_again(blob).await?;
                }
                writer.put_manifest(descriptor, &artifact.manifest, None, tag).await?
            }
            other => other?,
        };
        if let Some(subject) = artifact.subject.as_ref().filter(|_| !listed) {
            let entry = Descriptor {
                artifact_type: Some(
                    artifact.kind.artifact_type().unwrap_or(artifact.kind.config_media_type()).to_owned(),
                ),
                annotations: artifact.annotations.clone(),
                ..descriptor.clone()
            };
            writer.put_referrers(&subject.digest, &[entry]).await?;
        }
        Ok(())
    }

    /// Whether all of an artifact is there, as this client has pushed it before.
    async fn skip_all(
        &self,
        writer: &dyn Writer,
        manifest: &Descriptor,
        tag: Option<&str>,
        blobs: &[Blob],
    ) -> Result<bool> {
        let operation = &self.call.operation;
        let blobs: Vec<_> = unique(blobs).into_iter().map(|blob| &blob.descriptor).collect();
        if !writer.still_has(&manifest.digest, tag, &blobs).await? {
            return Ok(false);
        }
        operation.enter(Phase::Uploading);
        blobs.iter().for_each(|blob| operation.expect(blob.digest.as_str(), blob.size));
        for blob in blobs {
            operation.meter(blob.digest.as_str()).at(blob.size);
            operation.forget(blob.digest.as_str());
            operation.count(Count::Skipped);
        }
        Ok(true)
    }

    /// Pushes an artifact that refers to what is at `subject`, by its digest.
    pub(super) async fn attach(&self, artifact: &Artifact, subject: &Reference) -> Result<Outcome> {
        let endpoint = self.endpoint(subject)?;
        // All of it, since its size is kept, and what a HEAD says need not be that (Q105).
        let (found, _) =
            endpoint.backend.manifest(&endpoint.target).await.map_err(|error| match error.kind() {
                Kind::NotFound => error.context(format!("{subject}: there is nothing to attach to")),
                _ => error,
            })?;
        let mut builder = ArtifactBuilder::new(artifact.kind.clone()).subject(Descriptor::new(
            found.media_type,
            found.digest,
            found.size,
        ));
        builder = match (&artifact.config, &artifact.reference) {
            (Some(bytes), _) => builder.config(bytes.to_vec()),
            (None, Some(from)) => builder.remote_config(artifact.config_descriptor.clone(), from.clone()),
            (None, None) => return Err(no_config()),
        };
        for layer in &artifact.layers {
            builder = builder.layer(layer.clone());
        }
        for (key, value) in &artifact.annotations {
            builder = builder.annotation(key, value);
        }
        let attached = builder.finish()?;
        let reference = endpoint.reference.with_digest(&attached.digest);
        self.push(&attached, &reference).await
    }

    /// Brings every blob there, several at once.
    pub(super) async fn send_all(&self, writer: &dyn Writer, blobs: &[Blob]) -> Result<()> {
        self.call.operation.enter(Phase::Uploading);
        let unique = unique(blobs);
        let operation = &self.call.operation;
        unique
            .iter()
            .for_each(|blob| operation.expect(blob.descriptor.digest.as_str(), blob.descriptor.size));
        // The largest goes first: whether it is there tells the small ones whether they need to ask.
        let largest = unique.iter().map(|blob| blob.descriptor.size).max().unwrap_or(0);
        let (first, rest): (Vec<_>, Vec<_>) = unique
            .into_iter()
            .partition(|blob| blob.descriptor.size > SMALL || blob.descriptor.size == largest);
        for group in [first, rest] {
            stream::iter(group)
                .map(Ok)
                .try_for_each_concurrent(self.call.settings.parallel, |blob| async move {
                    writer.send(blob).await?;
                    operation.forget(blob.descriptor.digest.as_str());
                    Ok(())
                })
                .await?;
        }
        Ok(())
    }

    fn config_blob(&self, artifact: &Artifact) -> Result<Blob> {
        let content = match (&artifact.config, &artifact.reference) {
            (Some(bytes), _) => Content::Bytes(bytes.clone()),
            (None, Some(from)) => Content::Remote(from.clone()),
            (None, None) => return Err(no_config()),
        };
        let layer = Layer { descriptor: artifact.config_descriptor.clone(), content };
        self.blob(&layer)
    }
}

/// Each blob once.
fn unique(blobs: &[Blob]) -> Vec<&Blob> {
    let mut seen = HashSet::new();
    blobs.iter().filter(|blob| seen.insert(&blob.descriptor.digest)).collect()
}

fn no_config() -> Error {
    Error::new(Kind::Argument, "the artifact has no config")
}

impl Verb {
    fn blob(&self, layer: &Layer) -> Result<Blob> {
        let spool = match &layer.content {
            Content::Spooled(spool) => Some(spool.clone()),
            _ => None,
        };
        Ok(Blob { descriptor: layer.descriptor.clone(), source: self.source(layer)?, spool })
    }

    /// Where a layer's bytes are read from, again and from any offset.
    pub(super) fn source(&self, layer: &Layer) -> Result<Arc<dyn BlobSource>> {
        Ok(match &layer.content {
            Content::Remote(reference) => {
                Arc::new(Remote::new(&self.endpoint(reference)?, &layer.descriptor))
            }
            local => Arc::new(Local { content: local.clone(), size: layer.descriptor.size }),
        })
    }
}

struct Local {
    content: Content,
    size: u64,
}

impl BlobSource for Local {
    fn open(&self, offset: u64) -> Result<Box<dyn Read + Send>> {
        let (mut file, name) = match &self.content {
            Content::Bytes(bytes) => {
                let mut cursor = Cursor::new(bytes.clone());
                cursor.set_position(offset);
                return Ok(Box::new(cursor));
            }
            Content::File(path) => {
                (File::open(path).map_err(|e| Error::io(path.display(), e))?, path.display().to_string())
            }
            Content::Spooled(spool) => (spool.open()?, format!("the spooled layer {}", spool.digest())),
            Content::Remote(_) => {
                return Err(Error::new(Kind::Internal, "a remote layer is not a local one"));
            }
        };
        let length = file.metadata().map_err(|e| Error::io(&name, e))?.len();
        if length != self.size {
            return Err(Error::new(
                Kind::Changed,
                format!("{name}: has {length} bytes now, had {}", self.size),
            ));
        }
        file.seek(SeekFrom::Start(offset)).map_err(|e| Error::io(&name, e))?;
        Ok(Box::new(file))
    }
}

/// A blob of another place: copied in a stream.
pub(super) struct Remote {
    backend: Arc<dyn Backend>,
    descriptor: Descriptor,
}

impl Remote {
    pub(super) fn new(from: &Endpoint, descriptor: &Descriptor) -> Self {
        Self { backend: from.backend.clone(), descriptor: descriptor.clone() }
    }
}

impl BlobSource for Remote {
    fn open(&self, offset: u64) -> Result<Box<dyn Read + Send>> {
        self.backend.read_blob(&self.descriptor, offset)
    }
}
