//! Adding to a layout, and changing what it lists.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::super::blob::{self, BlobWriter};
use super::super::spool::Spool;
use super::index::Index;
use super::{BLOBS_LOCK, INDEX, INDEX_LOCK, Layout};
use crate::error::{Error, Kind, Result, printable};
use crate::fs::{Directory, Lock, Mode, Temporary, for_each_chunk, shown};
use crate::oci::{Algorithm, Descriptor, Digest, Document, Hasher, parse_document};
use crate::os::{clone_file, has_acl};

/// Adds to a layout. While one lives, no garbage is collected, so that what it added and not yet listed stays.
#[derive(Debug)]
pub struct LayoutWriter {
    layout: Layout,
    own: Arc<Directory>,
    _lock: Lock,
}

impl Layout {
    /// Begins to add. What dead writers left is removed.
    pub fn begin(&self) -> Result<LayoutWriter> {
        let own = self.own()?;
        if let Some(_alone) = Lock::attempt(&own, BLOBS_LOCK, Mode::Exclusive)? {
            // With the index locked too, every other file in there has no owner.
            if let Some(_index) = Lock::attempt(&own, INDEX_LOCK, Mode::Exclusive)? {
                self.remove_left_overs(&own)?;
            }
        }
        let lock = Lock::wait(&own, BLOBS_LOCK, Mode::Shared, &self.call.operation)?;
        Ok(LayoutWriter { layout: self.clone(), own, _lock: lock })
    }

    pub(super) fn remove_left_overs(&self, own: &Directory) -> Result<()> {
        for name in own.names()? {
            if name != BLOBS_LOCK && name != INDEX_LOCK {
                // One that can't be removed is in nobody's way.
                let _ = own.remove(&name);
            }
        }
        Ok(())
    }

    /// Replaces a file of the layout's root: old or new, at every moment.
    pub(super) fn replace(&self, own: &Arc<Directory>, name: &str, bytes: &[u8]) -> Result<()> {
        let temporary = Temporary::create(own.clone())?;
        temporary.file().write_all(bytes).map_err(|e| temporary.failed(e))?;
        temporary.sync()?;
        // A disk may have taken its time: who was told that the verb was cancelled must not find it done later.
        self.call.operation.check()?;
        temporary.rename(&self.root, name)?;
        self.root.sync()
    }

    /// Changes `index.json`, if `change` says so.
    pub(super) fn change_index(
        &self,
        own: &Arc<Directory>,
        change: impl FnOnce(&mut Index) -> Result<bool>,
    ) -> Result<bool> {
        let _lock = Lock::wait(own, INDEX_LOCK, Mode::Exclusive, &self.call.operation)?;
        let mut index = self.index()?;
        let changed = change(&mut index)?;
        if changed {
            let bytes = index.to_bytes();
            if bytes.len() > self.max_manifest_bytes() {
                return Err(Error::new(
                    Kind::Limit,
                    format!(
                        "{} would have more than {} bytes (option max_manifest_bytes)",
                        shown(&self.path().join(INDEX)),
                        self.max_manifest_bytes()
                    ),
                ));
            }
            self.replace(own, INDEX, &bytes)?;
        }
        Ok(changed)
    }

    /// Removes a tag, or by digest a manifest with all its tags, from the list; whether it was there. The
    /// blobs stay until [`Layout::gc`].
    pub fn delete(&self, tag: Option<&str>, digest: Option<&Digest>) -> Result<bool> {
        let writer = self.begin()?;
        let subject = digest.map_or(Ok(None), |digest| self.subject_of(digest))?;
        self.change_index(&writer.own, |index| {
            let entries = index.entries();
            let gone = match (digest, tag) {
                (Some(digest), _) => index.retain(|entry| entry.digest() != Some(digest)),
                (None, Some(tag)) => {
                    let names: Vec<_> =
                        super::index::named(&entries, tag).iter().filter_map(|e| e.name.clone()).collect();
                    index.retain(|entry| entry.name.as_ref().is_none_or(|name| !names.contains(name)))
                }
                (None, None) => 0,
            };
            let unlisted = match (digest, &subject) {
                (Some(digest), Some(subject)) => writer.remove_from_named_list(index, digest, subject)?,
                _ => false,
            };
            Ok(gone > 0 || unlisted)
        })
    }
}

/// Takes in a blob whose size and digest show at its end.
pub struct LayerWriter<'a> {
    writer: &'a LayoutWriter,
    temporary: Temporary,
    hasher: Hasher,
    size: u64,
}

impl LayerWriter<'_> {
    /// Gives the blob its name, unless it is there; what it is, and whether it is new.
    pub fn commit(self, media_type: &str) -> Result<(Descriptor, bool)> {
        let layer = Descriptor::new(media_type, self.hasher.finish(), self.size);
        let layout = &self.writer.layout;
        let new = !layout.has_blob(&layer)?;
        if new {
            self.temporary.sync()?;
            let target = blob::make_directory_of(&layout.root, &layer.digest)?;
            self.temporary.rename(&target, layer.digest.hex())?;
        }
        Ok((layer, new))
    }
}

impl Write for LayerWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.temporary.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or(bytes));
        self.size = self.size.saturating_add(count as u64);
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LayoutWriter {
    /// The layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Begins a blob.
    pub fn create_blob(&self, expected: &Descriptor) -> Result<BlobWriter> {
        let temporary = Temporary::create_fixed(self.own.clone())?;
        Ok(BlobWriter::create(self.layout.root.clone(), temporary, expected, true))
    }

    /// Begins a blob whose size and digest show at its end.
    pub fn create_layer(&self) -> Result<LayerWriter<'_>> {
        let temporary = Temporary::create_fixed(self.own.clone())?;
        Ok(LayerWriter { writer: self, temporary, hasher: Hasher::new(Algorithm::Sha256), size: 0 })
    }

    /// Adds a small blob.
    pub fn add_bytes(&self, expected: &Descriptor, bytes: &[u8]) -> Result<()> {
        let mut writer = self.create_blob(expected)?;
        writer.write_all(bytes).map_err(|e| Error::io(&expected.digest, e))?;
        writer.commit()
    }

    /// Adds what a reader gives.
    pub fn add_from(&self, expected: &Descriptor, reader: &mut dyn Read) -> Result<()> {
        let mut writer = self.create_blob(expected)?;
        self.copy(expected, reader, |bytes| {
            writer.write_all(bytes).map_err(|e| Error::io(&expected.digest, e))
        })?;
        writer.commit()
    }

    /// Adds the rest of a file; its extents are shared where the file system can.
    pub fn add_file(&self, expected: &Descriptor, source: &File) -> Result<()> {
        let mut writer = self.create_blob(expected)?;
        let cloned = clone_file(writer.file(), source);
        let mut source: &File = source;
        self.copy(expected, &mut source, |bytes| match cloned {
            true => Ok(writer.take_in(bytes)?),
            false => writer.write_all(bytes).map_err(|e| Error::io(&expected.digest, e)),
        })?;
        writer.commit()
    }

    /// Hands a blob's bytes on, piece by piece, as long as the operation goes on.
    fn copy(
        &self,
        expected: &Descriptor,
        from: &mut dyn Read,
        mut to: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let operation = &self.layout.call.operation;
        let meter = operation.meter(expected.digest.as_str());
        let mut position = 0u64;
        let failed = |error| Error::io(format_args!("blob {}", expected.digest), error);
        for_each_chunk(from, failed, |bytes| {
            operation.check()?;
            to(bytes)?;
            position = position.saturating_add(bytes.len() as u64);
            meter.at(position);
            Ok(())
        })
    }

    /// Adds a spool of ours. Its bytes were hashed when they were written, so on the same file system it is
    /// given a second name and nothing is copied, where it comes out as a file that is made here would.
    pub fn add_spool(&self, expected: &Descriptor, spool: &Spool) -> Result<()> {
        if (spool.digest(), spool.size()) != (&expected.digest, expected.size) {
            return Err(Error::new(Kind::Internal, format!("the spool does not hold {}", expected.digest)));
        }
        if !self.link_spool(spool)? {
            return self.add_file(expected, &spool.open()?);
        }
        self.layout.call.operation.meter(expected.digest.as_str()).at(spool.size());
        Ok(())
    }

    fn link_spool(&self, spool: &Spool) -> Result<bool> {
        let model = Temporary::create_fixed(self.own.clone())?;
        let file = spool.open()?;
        let data = |file: &File| file.metadata().map_err(|e| model.failed(e));
        let (wanted, found) = (data(model.file())?, data(&file)?);
        let alike = (wanted.uid(), wanted.gid()) == (found.uid(), found.gid());
        let plain = !has_acl(model.file()) && !has_acl(&file);
        // A mode that it was given for another layout stays, for it has that name too.
        let fits = found.mode() == wanted.mode() || found.mode() & 0o7777 == 0o600;
        if found.len() != spool.size() || !(alike && plain && fits) {
            return Ok(false);
        }
        let Some(linked) = Temporary::link(self.own.clone(), &spool.path(), file)? else { return Ok(false) };
        // A new file's mode is what the umask leaves; a spool is its owner's alone.
        linked.file().set_permissions(wanted.permissions()).map_err(|e| linked.failed(e))?;
        linked.sync()?;
        let target = blob::make_directory_of(&self.layout.root, spool.digest())?;
        linked.rename(&target, spool.digest().hex())?;
        Ok(true)
    }

    /// Adds a manifest whose blobs are there, and lists it under `tag`. This comes last.
    pub fn put_manifest(&self, descriptor: &Descriptor, bytes: &[u8], tag: Option<&str>) -> Result<()> {
        let document = parse_document(bytes, &descriptor.media_type, self.layout.max_descriptors())?;
        self.put_parsed(descriptor, bytes, &document, tag)
    }

    /// The same of one that was parsed already.
    pub(crate) fn put_parsed(
        &self,
        descriptor: &Descriptor,
        bytes: &[u8],
        document: &Document,
        tag: Option<&str>,
    ) -> Result<()> {
        let layout = &self.layout;
        if let Document::Image(manifest) = document {
            for needed in manifest.blobs().filter(|blob| blob.urls.is_empty()) {
                if !layout.has_blob(needed)? {
                    return Err(layout.no_blob(&needed.digest));
                }
            }
        }
        if !layout.holds(descriptor)? {
            self.add_bytes(descriptor, bytes)?;
        }
        // What the list will name must survive what the list survives.
        let named = document.children().into_iter().chain([descriptor]);
        blob::sync_directories(&layout.root, named.map(|d| d.digest.algorithm()).collect())?;
        let mut listed = descriptor.clone();
        listed.artifact_type = match document {
            Document::Image(manifest) => manifest.artifact_type.clone(),
            Document::Index(index) => index.artifact_type.clone(),
        };
        let changed = layout.change_index(&self.own, |index| {
            let put = index.put(&listed, tag, layout.max_descriptors())?;
            Ok(self.add_to_named_list(index, descriptor, document)? || put)
        });
        changed.map(|_| ()).map_err(|e| match tag {
            Some(tag) => e.context(format!("tag '{}'", printable(tag))),
            None => e,
        })
    }
}
