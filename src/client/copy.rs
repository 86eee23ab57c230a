//! tag and copy: the same manifest bytes under another name, with what they need.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::backend::{Blob, Target, Writer};
use super::endpoint::{Endpoint, Manifest};
use super::push::Remote;
use super::{Outcome, Verb};
use crate::error::{Error, Kind, Result, printable};
use crate::oci::{Descriptor, Digest, Document, ImageIndex, Reference, media_type};
use crate::operation::Phase;

/// How deep indexes and referrers are followed.
const DEPTH: usize = 8;

impl Verb {
    /// Copies what is at `source` to `target`; `recursive` takes referrers along. Within one repository or layout
    /// nothing but the manifest moves.
    pub(super) async fn copy(
        &self,
        source: &Reference,
        target: &Reference,
        recursive: bool,
    ) -> Result<Outcome> {
        let from = self.endpoint(source)?;
        let to = self.endpoint(target)?;
        self.call.operation.enter(Phase::Resolving);
        let manifest = from.manifest().await?;
        if let Some(wanted) =
            to.target.digest.as_ref().filter(|wanted| **wanted != manifest.descriptor.digest)
        {
            return Err(Error::new(
                Kind::Digest,
                format!(
                    "{target}: what is at {source} has the digest {}, not {wanted}",
                    manifest.descriptor.digest
                ),
            ));
        }
        let mount_from: Vec<String> = from.mountable_into(&to).into_iter().collect();
        let writer = to.backend.writer(&mount_from).await?;
        let walk = Walk { verb: self, from: &from, writer: &*writer };
        let same = from.same_place(&to);
        let mut brought = vec![manifest.descriptor.clone()];
        let manifest = match same {
            true => manifest,
            false => walk.children(manifest, &mut brought).await?,
        };
        self.call.operation.enter(Phase::Publishing);
        let found = manifest.descriptor.clone();
        walk.put(manifest, to.target.tag()).await?;
        if recursive && !same {
            brought = walk.referrers(brought).await?;
        }
        if (recursive || self.call.settings.digest_tags) && !same {
            walk.digest_tags(brought, recursive).await?;
        }
        Ok(Outcome {
            digest: Some(found.digest),
            media_type: Some(found.media_type),
            size: Some(found.size),
            ..Outcome::default()
        })
    }
}

/// What is left to do below an index.
enum Step {
    /// To bring a manifest that lies this deep, and what it lists.
    Bring(Box<Descriptor>, usize),
    /// To put an index: what it lists is there.
    Put(Kept),
}

/// An index of more bytes is not kept while what it lists is brought, but read again.
const KEPT: usize = 256 << 10;

/// An index until what it lists is there.
enum Kept {
    Whole(Box<Manifest>),
    Named(Box<Descriptor>),
}

impl Kept {
    fn new(index: Manifest) -> Self {
        match index.bytes.len() > KEPT {
            true => Self::Named(Box::new(index.descriptor)),
            false => Self::Whole(Box::new(index)),
        }
    }

    async fn read(self, from: &Endpoint) -> Result<Manifest> {
        match self {
            Self::Whole(index) => Ok(*index),
            Self::Named(descriptor) => from.child(&descriptor).await,
        }
    }
}

struct Walk<'a> {
    verb: &'a Verb,
    from: &'a Endpoint,
    writer: &'a dyn Writer,
}

impl Walk<'_> {
    /// Brings everything below a manifest. A manifest is put once all that it lists is there, however often and
    /// wherever that is listed: registries refuse it before. Adds the manifests below to `brought`, and gives back the
    /// one above.
    async fn children(&self, root: Manifest, brought: &mut Vec<Descriptor>) -> Result<Manifest> {
        let Document::Index(index) = &root.document else {
            self.blobs(&root).await?;
            return Ok(root);
        };
        let limit = self.verb.call.settings.max_descriptors;
        let mut seen = HashSet::new();
        let mut pending: Vec<Step> = self.listed(index).await?.map(|d| Step::Bring(Box::new(d), 1)).collect();
        let root = Kept::new(root);
        while let Some(step) = pending.pop() {
            let (descriptor, depth) = match step {
                Step::Bring(descriptor, depth) => (descriptor, depth),
                Step::Put(index) => {
                    self.put(index.read(self.from).await?, None).await?;
                    continue;
                }
            };
            if depth > DEPTH {
                return Err(self.limit(format!("indexes are nested deeper than {DEPTH}")));
            }
            if !seen.insert(descriptor.digest.clone()) {
                continue;
            }
            if seen.len() > limit {
                return Err(self.limit(format!("over {limit} manifests (option max_descriptors)")));
            }
            let manifest = self.from.child(&descriptor).await?;
            brought.push(manifest.descriptor.clone());
            let Document::Index(index) = &manifest.document else {
                self.blobs(&manifest).await?;
                self.put(manifest, None).await?;
                continue;
            };
            let below: Vec<Step> =
                self.listed(index).await?.map(|d| Step::Bring(Box::new(d), depth + 1)).collect();
            pending.push(Step::Put(Kept::new(manifest)));
            pending.extend(below);
        }
        root.read(self.from).await
    }

    /// Puts a manifest whose content is there, and makes sure that it is listed where it has a subject.
    async fn put(&self, manifest: Manifest, tag: Option<&str>) -> Result<()> {
        match self.put_unlisted(manifest, tag).await? {
            Some((subject, entry)) => self.writer.put_referrers(&subject, &[entry]).await,
            None => Ok(()),
        }
    }

    /// Puts a manifest whose content is there: the subject whose list it must be entered into, and its entry.
    async fn put_unlisted(
        &self,
        manifest: Manifest,
        tag: Option<&str>,
    ) -> Result<Option<(Digest, Descriptor)>> {
        let Manifest { descriptor, bytes, document } = manifest;
        let document = Arc::new(document);
        let listed = self.writer.put_manifest(&descriptor, &bytes, Some(document.clone()), tag).await?;
        let Some(subject) = document.subject().filter(|_| !listed) else { return Ok(None) };
        let (artifact_type, annotations) = match &*document {
            Document::Image(image) => (Some(image.artifact_type().to_owned()), &image.annotations),
            Document::Index(index) => (index.artifact_type.clone(), &index.annotations),
        };
        let entry = Descriptor { artifact_type, annotations: annotations.clone(), ..descriptor };
        Ok(Some((subject.digest.clone(), entry)))
    }

    /// The manifests that an index lists. All else that it lists is brought as blobs (Q93).
    async fn listed(&self, index: &ImageIndex) -> Result<impl Iterator<Item = Descriptor>> {
        let (manifests, others): (Vec<_>, Vec<_>) =
            index.manifests.iter().partition(|entry| media_type::may_be_manifest(&entry.media_type));
        if !others.is_empty() {
            self.send(&others).await?;
        }
        Ok(manifests.into_iter().cloned().collect::<Vec<_>>().into_iter())
    }

    async fn blobs(&self, manifest: &Manifest) -> Result<()> {
        let foreign = |blob: &&Descriptor| !blob.urls.is_empty() && media_type::is_foreign(&blob.media_type);
        let (foreign, own): (Vec<_>, Vec<_>) = manifest.document.children().into_iter().partition(foreign);
        self.send(&own).await?;
        for blob in foreign {
            match self.send(&[blob]).await {
                // It is had from its own places, which are not asked (Q92, A-01).
                Err(error) if error.kind() == Kind::NotFound => self.verb.call.operation.warn(format!(
                    "the foreign layer {} of media type '{}' was left out: {} does not hold it",
                    blob.digest,
                    printable(&blob.media_type),
                    self.from.reference
                )),
                result => result?,
            }
        }
        Ok(())
    }

    async fn send(&self, descriptors: &[&Descriptor]) -> Result<()> {
        // Without what else there is about each, which may be much.
        let plain = |of: &&Descriptor| Descriptor::new(of.media_type.clone(), of.digest.clone(), of.size);
        let mut seen = HashSet::new();
        let blobs: Vec<Blob> = descriptors
            .iter()
            .filter(|descriptor| seen.insert(&descriptor.digest))
            .map(plain)
            .map(|descriptor| {
                let source = Arc::new(Remote::new(self.from, &descriptor));
                Blob { descriptor, source, spool: None }
            })
            .collect();
        self.verb.send_all(self.writer, &blobs).await
    }

    /// Brings what refers to these manifests, and to that; gives all of them.
    async fn referrers(&self, roots: Vec<Descriptor>) -> Result<Vec<Descriptor>> {
        let mut brought = roots.clone();
        let mut pending: Vec<_> = roots.into_iter().map(|root| (root, 0)).collect();
        let mut asked = HashSet::new();
        let mut seen = HashSet::new();
        while let Some((subject, depth)) = pending.pop() {
            if depth > DEPTH {
                return Err(self.limit(format!("referrers are nested deeper than {DEPTH}")));
            }
            if !asked.insert(subject.digest.clone()) {
                continue;
            }
            let mut unlisted = Vec::new();
            for descriptor in self.from.backend.referrers(&subject.digest, None).await? {
                if !seen.insert(descriptor.digest.clone()) {
                    continue;
                }
                if seen.len() > self.verb.call.settings.max_descriptors {
                    return Err(self.limit("too many referrers (option max_descriptors)"));
                }
                let manifest = match self.from.child(&descriptor).await {
                    // Clients that delete a referrer may leave it in the list.
                    Err(error) if error.kind() == Kind::NotFound => {
                        self.verb.call.operation.warn(format!(
                            "the referrer {} was left out: {} lists it and does not hold it",
                            descriptor.digest, self.from.reference
                        ));
                        continue;
                    }
                    manifest => manifest?,
                };
                let mut below = Vec::new();
                let manifest = self.children(manifest, &mut below).await?;
                match self.put_unlisted(manifest, None).await? {
                    Some((of, entry)) if of == subject.digest => unlisted.push(entry),
                    Some((of, entry)) => self.writer.put_referrers(&of, &[entry]).await?,
                    None => {}
                }
                below.push(descriptor);
                brought.extend(below.iter().cloned());
                pending.extend(below.into_iter().map(|found| (found, depth + 1)));
            }
            // All at once: each write of the list costs three requests.
            if !unlisted.is_empty() {
                self.writer.put_referrers(&subject.digest, &unlisted).await?;
            }
        }
        Ok(brought)
    }

    /// Brings the tags that name a manifest by its digest: where cosign before version 3, ko and imgpkg keep what belongs
    /// to it (Q124). Where nobody asked for them, but for all that belongs to it, it is told that they stay behind.
    async fn digest_tags(&self, brought: Vec<Descriptor>, recursive: bool) -> Result<()> {
        let wanted = self.verb.call.settings.digest_tags;
        let tags = match self.from.backend.tags().await {
            Err(error) if error.kind() == Kind::NotFound => return Ok(()),
            // Not asked for: what can't be listed is not worth a failure.
            Err(_) if !wanted => return self.verb.call.operation.check(),
            listed => listed.map_err(|error| error.context("the tags (option digest_tags)"))?,
        };
        let mut of: HashMap<String, Vec<String>> = HashMap::new();
        for tag in tags {
            if let Some((digest, _)) = tag.split_once('.') {
                of.entry(digest.to_owned()).or_default().push(tag);
            }
        }
        let mut left = Vec::new();
        let mut pending = brought;
        while let Some(manifest) = pending.pop() {
            for tag in of.remove(&manifest.digest.as_tag()).unwrap_or_default() {
                if !wanted {
                    left.push(tag);
                    continue;
                }
                let target = Target { tag: Some(tag.clone()), digest: None };
                let from = Endpoint { target, ..self.from.clone() };
                let named = |error: Error| error.context(format!("tag '{}'", printable(&tag)));
                let manifest = from.manifest().await.map_err(named)?;
                let mut below = vec![manifest.descriptor.clone()];
                let manifest = self.children(manifest, &mut below).await?;
                self.put(manifest, Some(&tag)).await.map_err(named)?;
                pending.extend(if recursive { self.referrers(below).await? } else { below });
            }
        }
        if let Some(first) = left.iter().min() {
            self.verb.call.operation.warn(format!(
                "{}: {} of the tags there name what was copied by its digest, as '{}' does, and stay behind: option \
                 digest_tags takes them along",
                self.from.reference,
                left.len(),
                printable(first)
            ));
        }
        Ok(())
    }

    fn limit(&self, why: impl std::fmt::Display) -> Error {
        Error::new(Kind::Limit, format!("{}: {why}", self.from.reference))
    }
}
