//! tag and copy: the same manifest bytes under another name, with what they need.

use super::endpoint::{Endpoint, Manifest};
use super::push::{Remote, send_all};
use super::sink::{Blob, Sink};
use super::{Outcome, Verb};
use crate::error::{Error, Kind, Result};
use crate::oci::{Descriptor, Document, Reference};
use crate::operation::Phase;

/// How deep indexes and referrers are followed.
const DEPTH: usize = 8;

/// Copies what is at `source` to `target`; `recursive` takes referrers along. Within one repository or layout
/// nothing but the manifest moves.
pub(super) async fn copy(
    verb: &Verb,
    source: &Reference,
    target: &Reference,
    recursive: bool,
) -> Result<Outcome> {
    let from = Endpoint::new(verb, source)?;
    let to = Endpoint::new(verb, target)?;
    verb.call.operation.enter(Phase::Resolving);
    let manifest = from.manifest(verb).await?;
    if let Some(wanted) = to.digest.as_ref().filter(|wanted| **wanted != manifest.descriptor.digest) {
        return Err(Error::new(
            Kind::Digest,
            format!(
                "{target}: what is at {source} has the digest {}, not {wanted}",
                manifest.descriptor.digest
            ),
        ));
    }
    let mount_from: Vec<String> = from.mountable_into(&to).into_iter().collect();
    let sink = to.begin(&mount_from, &verb.call.operation).await?;
    let walk = Walk { verb, from: &from, to: &to, sink: &sink, same: from.same_place(&to) };
    if !walk.same {
        walk.children(&manifest).await?;
    }
    verb.call.operation.enter(Phase::Publishing);
    let tag = to.reference.tag().or(if to.digest.is_none() { Some("latest") } else { None });
    let listed = sink.put_manifest(verb, &manifest.descriptor, &manifest.bytes, tag).await?;
    walk.refer(&manifest, listed).await?;
    if recursive && !walk.same {
        walk.referrers(&manifest.descriptor).await?;
    }
    Ok(Outcome {
        digest: Some(manifest.descriptor.digest),
        media_type: Some(manifest.descriptor.media_type),
        size: Some(manifest.descriptor.size),
        ..Outcome::default()
    })
}

struct Walk<'a> {
    verb: &'a Verb,
    from: &'a Endpoint,
    to: &'a Endpoint,
    sink: &'a Sink,
    same: bool,
}

impl Walk<'_> {
    /// Brings everything below a manifest, deepest first, so that no manifest is put before what it needs.
    async fn children(&self, root: &Manifest) -> Result<()> {
        let Document::Index(index) = &root.document else { return self.blobs(root).await };
        // Indexes in the order they were found; their manifests are put in the reverse of it.
        let mut pending: Vec<(Descriptor, usize)> = index.manifests.iter().map(|d| (d.clone(), 1)).collect();
        let mut seen = std::collections::HashSet::new();
        let mut order = Vec::new();
        let limit = self.verb.call.settings.size("max_descriptors");
        while let Some((descriptor, depth)) = pending.pop() {
            if depth > DEPTH {
                return Err(Error::new(
                    Kind::Limit,
                    format!("{}: indexes are nested deeper than {DEPTH}", self.from.reference),
                ));
            }
            if !seen.insert(descriptor.digest.clone()) {
                continue;
            }
            if seen.len() > limit {
                return Err(Error::new(
                    Kind::Limit,
                    format!("{}: over {limit} manifests (option max_descriptors)", self.from.reference),
                ));
            }
            let manifest = self.from.child(self.verb, &descriptor).await?;
            match &manifest.document {
                Document::Index(index) => {
                    pending.extend(index.manifests.iter().map(|d| (d.clone(), depth + 1)))
                }
                Document::Image(_) => self.blobs(&manifest).await?,
            }
            order.push(manifest);
        }
        for manifest in order.iter().rev() {
            self.sink.put_manifest(self.verb, &manifest.descriptor, &manifest.bytes, None).await?;
        }
        Ok(())
    }

    async fn blobs(&self, manifest: &Manifest) -> Result<()> {
        let blobs: Vec<Blob> = manifest
            .document
            .children()
            .into_iter()
            .map(|descriptor| Blob {
                descriptor: descriptor.clone(),
                source: std::sync::Arc::new(Remote::new(
                    self.from.clone(),
                    descriptor.clone(),
                    self.verb.call.operation.clone(),
                )),
                spool: None,
            })
            .collect();
        send_all(self.verb, self.sink, &blobs).await
    }

    /// Makes sure that a registry without the referrers API lists a manifest with a subject.
    async fn refer(&self, manifest: &Manifest, listed: bool) -> Result<()> {
        let (Some(subject), Some(repository), false) =
            (manifest.document.subject(), self.to.repository(), listed)
        else {
            return Ok(());
        };
        let (artifact_type, annotations) = match &manifest.document {
            Document::Image(image) => (Some(image.artifact_type().to_owned()), image.annotations.clone()),
            Document::Index(index) => (index.artifact_type.clone(), index.annotations.clone()),
        };
        let entry = Descriptor { artifact_type, annotations, ..manifest.descriptor.clone() };
        let operation = &self.verb.call.operation;
        operation.run(repository.put_referrer(&subject.digest, &entry, operation)).await
    }

    async fn referrers(&self, root: &Descriptor) -> Result<()> {
        let mut pending = vec![(root.clone(), 0)];
        let mut seen = std::collections::HashSet::new();
        while let Some((subject, depth)) = pending.pop() {
            if depth > DEPTH {
                return Err(Error::new(
                    Kind::Limit,
                    format!("{}: referrers are nested deeper than {DEPTH}", self.from.reference),
                ));
            }
            for descriptor in self.from.referrers(&subject.digest, None, &self.verb.call.operation).await? {
                if !seen.insert(descriptor.digest.clone()) {
                    continue;
                }
                if seen.len() > self.verb.call.settings.size("max_descriptors") {
                    return Err(Error::new(
                        Kind::Limit,
                        format!("{}: too many referrers (option max_descriptors)", self.from.reference),
                    ));
                }
                let manifest = self.from.child(self.verb, &descriptor).await?;
                self.children(&manifest).await?;
                let listed =
                    self.sink.put_manifest(self.verb, &manifest.descriptor, &manifest.bytes, None).await?;
                self.refer(&manifest, listed).await?;
                pending.push((descriptor, depth + 1));
            }
        }
        Ok(())
    }
}
