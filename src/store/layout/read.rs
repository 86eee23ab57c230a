//! Reading the files of a layout, where links may stand for them.
//!
//! A link is read where it leads to a file beneath the layout's root. Debian's and Bazel's tools make others, which lead
//! to a file elsewhere. So could the maker of a hostile layout, to see what its reader may read and send away: there,
//! only a blob is taken, and only once its digest says that whoever made the link had the content (Q120).

use std::fs::File;
use std::io::Read;

use super::super::Store;
use super::super::blob::{BLOBS, path_of};
use super::Layout;
use crate::call::Call;
use crate::error::{Error, Kind, Result};
use crate::fs::{Found, SMALL_FILE, for_each_chunk, shown};
use crate::oci::{Descriptor, Digest, Document, Hasher, parse_document};
use crate::operation::{FREE, cost};

/// Where a blob's file lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Inside,
    Outside,
}

impl Layout {
    /// A file of the root; absent = `None`.
    pub(super) fn root_file(&self, name: &str) -> Result<Option<File>> {
        match self.root.find_file(&[name])? {
            Some(Found::File(file)) => Ok(Some(file)),
            Some(Found::Outside) => Err(Error::new(
                Kind::Unsafe,
                format!(
                    "{} is a symbolic link that leads out of the layout, where only blobs are read: put a copy there",
                    shown(&self.path().join(name))
                ),
            )),
            None => Ok(None),
        }
    }

    /// The whole of a file that may have `limit` bytes.
    pub(super) fn take(&self, file: File, name: &str, limit: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(SMALL_FILE);
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        file.take(most).read_to_end(&mut bytes).map_err(|e| Error::io(shown(&self.path().join(name)), e))?;
        if bytes.len() > limit {
            return Err(Error::new(
                Kind::Limit,
                format!(
                    "{} has more than {limit} bytes (option max_manifest_bytes)",
                    shown(&self.path().join(name))
                ),
            ));
        }
        Ok(bytes)
    }

    /// A blob's file, whatever is in it.
    pub(super) fn find_blob(&self, digest: &Digest) -> Result<Option<(File, Place)>> {
        let names = [BLOBS, digest.algorithm().name(), digest.hex()];
        Ok(match self.root.find_file(&names)? {
            Some(Found::File(file)) => Some((file, Place::Inside)),
            Some(Found::Outside) => self.root.open_outside(&names)?.map(|file| (file, Place::Outside)),
            None => None,
        })
    }

    /// The same, with the descriptor's size.
    fn find_sized(&self, descriptor: &Descriptor) -> Result<Option<(File, Place)>> {
        let Some((file, place)) = self.find_blob(&descriptor.digest)? else { return Ok(None) };
        let path = self.path().join(path_of(&descriptor.digest));
        let size = file.metadata().map_err(|e| Error::io(shown(&path), e))?.len();
        if size == descriptor.size {
            return Ok(Some((file, place)));
        }
        let (path, wanted) = (shown(&path), descriptor.size);
        Err(match place {
            Place::Inside => Error::new(Kind::Size, format!("{path} has {size} bytes, must have {wanted}")),
            Place::Outside => self.not_the_blob(&descriptor.digest),
        })
    }

    /// The refusal says nothing of what is there.
    fn not_the_blob(&self, digest: &Digest) -> Error {
        Error::new(
            Kind::Unsafe,
            format!(
                "{} is a symbolic link that leads out of the layout, and not to the blob: put the blob there",
                shown(&self.path().join(path_of(digest)))
            ),
        )
    }

    /// A blob of at most `limit` bytes, verified.
    pub fn read(&self, descriptor: &Descriptor, limit: usize) -> Result<Vec<u8>> {
        let digest = &descriptor.digest;
        if descriptor.size > limit as u64 {
            return Err(Error::new(
                Kind::Limit,
                format!("{digest} has {} bytes, more than the limit of {limit}", descriptor.size),
            ));
        }
        let Some((file, place)) = self.find_sized(descriptor)? else { return Err(self.no_blob(digest)) };
        let Call { settings, operation } = &self.call;
        let memory = settings.max_documents_bytes as u64;
        operation.wait_for_room(descriptor.size.min(memory), memory)?;
        let bytes = self.take(file, digest.as_str(), limit)?;
        if descriptor.size > FREE {
            operation.wait_for_room(cost(&bytes), memory).map_err(|error| error.context(digest))?;
        }
        match digest.verify(&bytes) {
            true => Ok(bytes),
            false if place == Place::Outside => Err(self.not_the_blob(digest)),
            false => Err(Error::new(
                Kind::Digest,
                format!(
                    "{} does not hold the content of {digest}: the layout is damaged",
                    shown(self.path())
                ),
            )),
        }
    }

    pub(super) fn no_blob(&self, digest: &Digest) -> Error {
        Error::new(Kind::NotFound, format!("the image layout {} does not hold {digest}", shown(self.path())))
    }

    /// Opens a blob, its size checked; its digest is the reader's to verify. Absent = `None`.
    pub fn open_blob(&self, descriptor: &Descriptor) -> Result<Option<File>> {
        let (file, place) = match self.find_sized(descriptor)? {
            Some(found) => found,
            None => return Ok(None),
        };
        if place == Place::Inside {
            return Ok(Some(file));
        }
        // What is verified in its place could be changed before it is read again.
        let settings = &self.call.settings;
        let store = Store::open(settings)?.map_or_else(|| Store::temporary(settings), Ok)?;
        let copy = store.verified_copy(file, descriptor, &self.call.operation)?;
        copy.ok_or_else(|| self.not_the_blob(&descriptor.digest)).map(Some)
    }

    /// Whether a blob of this digest and size is there.
    pub fn has_blob(&self, descriptor: &Descriptor) -> Result<bool> {
        let denied = rustix::io::Errno::ACCESS.raw_os_error();
        match self.open_blob(descriptor) {
            Ok(file) => Ok(file.is_some()),
            // What is damaged, or can't be read, is written again.
            Err(error) if matches!(error.kind(), Kind::Size | Kind::Unsafe) => Ok(false),
            Err(error) if error.errno() == Some(denied) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether a blob is there, and whole. What is damaged, or can't be read, is not.
    pub(super) fn holds(&self, descriptor: &Descriptor) -> Result<bool> {
        if !self.has_blob(descriptor)? {
            return Ok(false);
        }
        let Some(mut file) = self.open_blob(descriptor)? else { return Ok(false) };
        let mut hasher = Hasher::new(descriptor.digest.algorithm());
        let read = for_each_chunk(
            &mut file,
            |error| Error::io(&descriptor.digest, error),
            |chunk| {
                self.call.operation.check()?;
                hasher.update(chunk);
                Ok(())
            },
        );
        self.call.operation.check()?;
        Ok(read.is_ok() && hasher.finish() == descriptor.digest)
    }

    /// A manifest or index, verified and parsed; `None` = its blob is not there.
    pub(super) fn document(&self, descriptor: &Descriptor) -> Result<Option<Document>> {
        if self.find_blob(&descriptor.digest)?.is_none() {
            return Ok(None);
        }
        let bytes = self.read(descriptor, self.max_manifest_bytes())?;
        parse_document(&bytes, &descriptor.media_type, self.max_descriptors())
            .map_err(|e| e.context(&descriptor.digest))
            .map(Some)
    }
}
