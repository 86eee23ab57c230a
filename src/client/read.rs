//! The verbs that only look.

use std::fs::File;
use std::io::{self, Write};

use super::artifact::{Artifact, Content};
use super::layer::LayerReader;
use super::{Outcome, Verb};
use crate::error::{Error, Kind, Result};
use crate::fs::for_each_chunk;
use crate::oci::{Document, Hasher, Reference};
use crate::operation::Phase;
use crate::registry::is_fallback_tag;
use crate::thread::blocking;

impl Verb {
    pub(super) async fn pull_config(&self, reference: &Reference) -> Result<Outcome> {
        let endpoint = self.endpoint(reference)?;
        let manifest = endpoint.image().await?;
        let config = endpoint.config_of(&manifest.document).await?;
        let descriptor = manifest.document.config;
        Ok(Outcome {
            digest: Some(descriptor.digest),
            media_type: Some(descriptor.media_type),
            size: Some(descriptor.size),
            bytes: config.map(|bytes| bytes.to_vec()),
            is_document: true,
            ..Outcome::default()
        })
    }

    pub(super) async fn exists(&self, reference: &Reference) -> Result<Outcome> {
        match self.resolve(reference).await {
            Err(error) if error.kind() == Kind::NotFound => {
                Ok(Outcome { exists: Some(false), ..Outcome::default() })
            }
            found => Ok(Outcome { exists: Some(true), ..found? }),
        }
    }

    pub(super) async fn resolve(&self, reference: &Reference) -> Result<Outcome> {
        let endpoint = self.endpoint(reference)?;
        let found = endpoint.backend.descriptor(&endpoint.target).await?;
        Ok(Outcome {
            digest: Some(found.digest),
            media_type: Some(found.media_type),
            size: Some(found.size),
            ..Outcome::default()
        })
    }

    pub(super) async fn list_tags(&self, reference: &Reference) -> Result<Outcome> {
        let endpoint = self.endpoint(reference)?;
        let mut tags = endpoint.backend.tags().await?;
        if !self.call.settings.fallback_tags {
            tags.retain(|tag| !is_fallback_tag(tag));
        }
        tags.sort_unstable();
        tags.dedup();
        Ok(Outcome { tags, ..Outcome::default() })
    }

    pub(super) async fn inspect(&self, reference: &Reference) -> Result<Outcome> {
        let endpoint = self.endpoint(reference)?;
        let manifest = endpoint.image().await?;
        let config = match self.call.settings.fetch_config {
            true => endpoint.config_of(&manifest.document).await?,
            false => None,
        };
        let size = manifest.descriptor.size;
        let artifact = endpoint.artifact(manifest, config);
        Ok(Outcome {
            digest: Some(artifact.digest.clone()),
            media_type: Some(artifact.media_type.clone()),
            size: Some(size),
            artifact: Some(artifact.into()),
            ..Outcome::default()
        })
    }

    pub(super) async fn read_manifest(&self, reference: &Reference) -> Result<Outcome> {
        let manifest = self.endpoint(reference)?.manifest().await?;
        let entries = match manifest.document {
            Document::Index(index) => index.manifests,
            Document::Image(_) => Vec::new(),
        };
        Ok(Outcome {
            digest: Some(manifest.descriptor.digest),
            media_type: Some(manifest.descriptor.media_type),
            size: Some(manifest.descriptor.size),
            bytes: Some(manifest.bytes.into()),
            is_document: true,
            entries,
            ..Outcome::default()
        })
    }

    pub(super) async fn referrers(&self, reference: &Reference) -> Result<Outcome> {
        let endpoint = self.endpoint(reference)?;
        // A digest needs no look-up: what refers to it may be there before it is.
        let subject = match &endpoint.target.digest {
            Some(digest) => digest.clone(),
            None => endpoint.backend.descriptor(&endpoint.target).await?.digest,
        };
        let artifact_type = Some(self.call.settings.artifact_type.as_str()).filter(|t| !t.is_empty());
        let referrers = endpoint.backend.referrers(&subject, artifact_type).await?;
        Ok(Outcome { digest: Some(subject), referrers, ..Outcome::default() })
    }

    /// One layer, verified. Into memory only as far as it really comes: its declared size allocates nothing.
    pub(super) async fn read_layer(
        &self,
        artifact: &Artifact,
        index: usize,
        file: Option<File>,
    ) -> Result<Outcome> {
        let count = artifact.layers.len();
        let layer = artifact.layers.get(index).cloned().ok_or_else(|| {
            Error::new(Kind::Argument, format!("the artifact has {count} layers, and no layer {index}"))
        })?;
        let endpoint = match &layer.content {
            Content::Remote(reference) => Some(self.endpoint(reference)?),
            _ => None,
        };
        let source = self.source(&layer)?;
        self.call.operation.enter(Phase::Downloading);
        self.call.operation.expect(layer.descriptor.digest.as_str(), layer.descriptor.size);
        let verb = self.clone();
        blocking(move || {
            let descriptor = &layer.descriptor;
            let failed = |e| Error::io(format_args!("layer {}", descriptor.digest), e);
            let mut memory = Vec::new();
            let mut output: Box<dyn Write + '_> = match &file {
                Some(file) => Box::new(file),
                None => Box::new(&mut memory),
            };
            match endpoint {
                Some(endpoint) => {
                    let mut reader = LayerReader::open(&verb, &endpoint, descriptor)?;
                    io::copy(&mut reader, &mut output).map_err(failed)?;
                    reader.finish()?;
                }
                None => {
                    let mut input = source.open(0)?;
                    let mut hasher = Hasher::new(descriptor.digest.algorithm());
                    let meter = verb.call.operation.meter(descriptor.digest.as_str());
                    let mut position = 0;
                    for_each_chunk(&mut *input, failed, |chunk| {
                        verb.call.operation.check()?;
                        hasher.update(chunk);
                        output.write_all(chunk).map_err(failed)?;
                        position += chunk.len() as u64;
                        meter.at(position);
                        Ok(())
                    })?;
                    let found = hasher.finish();
                    if found != descriptor.digest {
                        return Err(Error::new(
                            Kind::Changed,
                            format!("layer {}: its source has the digest {found} now", descriptor.digest),
                        ));
                    }
                }
            }
            drop(output);
            Ok::<_, Error>(Outcome {
                digest: Some(descriptor.digest.clone()),
                media_type: Some(descriptor.media_type.clone()),
                size: Some(descriptor.size),
                bytes: file.is_none().then_some(memory),
                ..Outcome::default()
            })
        })
        .await
    }
}
