//! Blobs: files named by their digest, `blobs/ALGORITHM/HEX` (image-spec, image-layout.md).

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::fs::{Directory, Temporary, is_absent, shown};
use crate::oci::{Algorithm, Descriptor, Digest, Hasher};

pub(super) const BLOBS: &str = "blobs";

/// The directory of the blobs of a digest's algorithm, below a store's or a layout's root.
pub(super) fn directory_of(root: &Directory, digest: &Digest) -> Result<Option<Directory>> {
    match root.child(BLOBS)? {
        Some(blobs) => blobs.child(digest.algorithm().name()),
        None => Ok(None),
    }
}

/// Where a blob is, from a store's or a layout's root: name by name.
pub(super) fn names_of(digest: &Digest) -> [&str; 3] {
    [BLOBS, digest.algorithm().name(), digest.hex()]
}

/// The same as a path.
pub(super) fn path_of(digest: &Digest) -> PathBuf {
    names_of(digest).iter().collect()
}

/// The same, made where it is absent.
pub(super) fn make_directory_of(root: &Directory, digest: &Digest) -> Result<Directory> {
    root.child_or_create(BLOBS)?.child_or_create(digest.algorithm().name())
}

/// Makes the names of the blobs of these algorithms survive a loss of power.
pub(super) fn sync_directories(root: &Directory, algorithms: HashSet<Algorithm>) -> Result<()> {
    let unlinked = |found: Result<Option<Directory>>| match found {
        // Nothing was written through a link.
        Err(error) if error.kind() == Kind::Unsafe => Ok(None),
        found => found,
    };
    let Some(blobs) = unlinked(root.child(BLOBS))? else { return Ok(()) };
    for algorithm in algorithms {
        if let Some(directory) = unlinked(blobs.child(algorithm.name()))? {
            directory.sync()?;
        }
    }
    blobs.sync()
}

/// Opens a blob and checks its size; the digest is the reader's to verify. Absent = `None`.
pub(super) fn open(root: &Directory, descriptor: &Descriptor) -> Result<Option<File>> {
    let Some(directory) = directory_of(root, &descriptor.digest)? else { return Ok(None) };
    let Some(file) = directory.open_file(descriptor.digest.hex())? else { return Ok(None) };
    let path = directory.path().join(descriptor.digest.hex());
    let size = file.metadata().map_err(|e| Error::io(shown(&path), e))?.len();
    if size != descriptor.size {
        return Err(Error::new(
            Kind::Size,
            format!("{} has {size} bytes, must have {}", shown(&path), descriptor.size),
        ));
    }
    Ok(Some(file))
}

/// Writes one blob; it becomes visible by [`BlobWriter::commit`] alone.
pub struct BlobWriter {
    root: Arc<Directory>,
    temporary: Temporary,
    expected: Descriptor,
    hasher: Hasher,
    written: u64,
    durable: bool,
}

impl BlobWriter {
    /// `durable`: its bytes must survive a loss of power once its name does.
    pub(super) fn create(
        root: Arc<Directory>,
        temporary: Temporary,
        expected: &Descriptor,
        durable: bool,
    ) -> Self {
        let hasher = Hasher::new(expected.digest.algorithm());
        Self { root, temporary, expected: expected.clone(), hasher, written: 0, durable }
    }

    /// Where the bytes go, for a copy that the kernel makes; [`BlobWriter::take_in`] must follow.
    pub(super) fn file(&self) -> &File {
        self.temporary.file()
    }

    /// Hashes and counts bytes that are in the file already.
    pub(super) fn take_in(&mut self, bytes: &[u8]) -> Result<()> {
        self.written = self.written.saturating_add(bytes.len() as u64);
        if self.written > self.expected.size {
            return Err(Error::new(
                Kind::Size,
                format!("{} has more than its {} bytes", self.expected.digest, self.expected.size),
            ));
        }
        self.hasher.update(bytes);
        Ok(())
    }

    /// Verifies size and digest and gives the blob its name. A store that was deleted meanwhile keeps
    /// nothing, which is no error; a layout that was is one.
    pub fn commit(self) -> Result<()> {
        if self.written != self.expected.size {
            return Err(Error::new(
                Kind::Size,
                format!(
                    "{} has {} bytes, must have {}",
                    self.expected.digest, self.written, self.expected.size
                ),
            ));
        }
        let found = self.hasher.finish();
        if found != self.expected.digest {
            return Err(Error::new(
                Kind::Digest,
                format!("the content has the digest {found}, must have {}", self.expected.digest),
            ));
        }
        if self.durable {
            self.temporary.sync()?;
        }
        let named = make_directory_of(&self.root, &self.expected.digest)
            .and_then(|directory| self.temporary.rename(&directory, self.expected.digest.hex()));
        match named {
            Err(error) if !self.durable && is_absent(&error) => Ok(()),
            other => other,
        }
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.temporary.write(bytes)?;
        self.take_in(bytes.get(..count).unwrap_or(bytes))?;
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
