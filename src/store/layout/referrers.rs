//! What refers to a manifest in a layout. oras lists referrers in `index.json` like all else; regctl keeps them in an index
//! under the name `sha256-HEX` (distribution-spec, "Referrers Tag Schema"), and finds no others. Such an index is read, and
//! kept right where there is one (Q125).

use std::collections::BTreeMap;

use super::super::blob;
use super::index::{Entry, Index};
use super::{Layout, LayoutWriter};
use crate::error::Result;
use crate::oci::{Descriptor, Digest, Document, media_type};

/// What a list of referrers says of a manifest.
fn listed(descriptor: &Descriptor, document: &Document) -> Descriptor {
    let (kind, annotations) = match document {
        Document::Image(manifest) => (manifest.artifact_type(), &manifest.annotations),
        Document::Index(index) => (index.artifact_type.as_deref().unwrap_or_default(), &index.annotations),
    };
    Descriptor {
        artifact_type: Some(kind.to_owned()).filter(|kind| !kind.is_empty()),
        annotations: annotations.clone(),
        ..Descriptor::new(descriptor.media_type.clone(), descriptor.digest.clone(), descriptor.size)
    }
}

impl Layout {
    /// The descriptors of the manifests that refer to `subject`, with their artifact type and annotations.
    pub fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>> {
        let entries = self.index()?.entries();
        let mut candidates: BTreeMap<Digest, Descriptor> = BTreeMap::new();
        let mut take = |entries: &[Entry]| {
            for descriptor in entries.iter().filter_map(|entry| entry.descriptor.as_ref().ok()) {
                candidates.insert(descriptor.digest.clone(), descriptor.clone());
            }
        };
        take(&entries);
        if let Some(list) = self.named_list(&entries, subject)? {
            take(&list.entries());
        }
        let mut found = Vec::new();
        for candidate in candidates.into_values().filter(|d| media_type::is_manifest(&d.media_type)) {
            let Some(document) = self.document(&candidate)? else { continue };
            if document.subject().is_none_or(|own| own.digest != *subject) {
                continue;
            }
            let descriptor = listed(&candidate, &document);
            let kind = descriptor.artifact_type.as_deref().unwrap_or_default();
            if artifact_type.is_none_or(|wanted| wanted == kind) {
                found.push(descriptor);
            }
        }
        Ok(found)
    }

    /// The list under a subject's name.
    fn named_list(&self, entries: &[Entry], subject: &Digest) -> Result<Option<Index>> {
        let name = subject.as_tag();
        let named = entries.iter().find(|entry| entry.name.as_deref() == Some(&name));
        let Some(Ok(descriptor)) = named.map(|entry| &entry.descriptor) else { return Ok(None) };
        if !media_type::is_index(&descriptor.media_type) || self.find_blob(&descriptor.digest)?.is_none() {
            return Ok(None);
        }
        let bytes = self.read(descriptor, self.max_manifest_bytes())?;
        Index::parse(&bytes, self.max_descriptors()).map_err(|e| e.context(&descriptor.digest)).map(Some)
    }

    /// The manifest that one refers to, as far as it can be read.
    pub(super) fn subject_of(&self, digest: &Digest) -> Result<Option<Digest>> {
        let found = self.resolve(None, Some(digest))?;
        let document = found.and_then(|found| self.document(&found).ok().flatten());
        Ok(document.and_then(|document| document.subject().map(|subject| subject.digest.clone())))
    }
}

impl LayoutWriter {
    /// Adds a manifest to the list under its subject's name, where there is one; whether `index` changed.
    pub(super) fn add_to_named_list(
        &self,
        index: &mut Index,
        descriptor: &Descriptor,
        document: &Document,
    ) -> Result<bool> {
        let Some(subject) = document.subject() else { return Ok(false) };
        let limit = self.layout().max_descriptors();
        let entry = listed(descriptor, document);
        self.change_named_list(index, &subject.digest, |list| list.put(&entry, None, limit))
    }

    /// Removes a manifest from it.
    pub(super) fn remove_from_named_list(
        &self,
        index: &mut Index,
        digest: &Digest,
        subject: &Digest,
    ) -> Result<bool> {
        self.change_named_list(index, subject, |list| {
            Ok(list.retain(|entry| entry.digest() != Some(digest)) > 0)
        })
    }

    fn change_named_list(
        &self,
        index: &mut Index,
        subject: &Digest,
        change: impl FnOnce(&mut Index) -> Result<bool>,
    ) -> Result<bool> {
        let Some(mut list) = self.layout().named_list(&index.entries(), subject)? else { return Ok(false) };
        if !change(&mut list)? {
            return Ok(false);
        }
        let name = subject.as_tag();
        if list.entries().is_empty() {
            index.retain(|entry| entry.name.as_deref() != Some(&name));
            return Ok(true);
        }
        let bytes = list.to_bytes();
        let made = Descriptor::of(media_type::OCI_INDEX, &bytes);
        self.add_bytes(&made, &bytes)?;
        blob::sync_directories(&self.layout().root, [made.digest.algorithm()].into())?;
        index.put(&made, Some(&name), self.layout().max_descriptors())
    }
}
