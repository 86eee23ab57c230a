//! Partial downloads: what an interrupted transfer left, so that the next one resumes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::{Store, blob, touch};
use crate::error::{Error, Kind, Result};
use crate::fs::{Directory, Mode, is_absent, is_named, shown, try_lock};
use crate::oci::Descriptor;

/// Where they are.
pub(super) const PARTIAL: &str = "partial";

/// One blob's partial download. Nobody else has it while this lives; what was written stays when it is
/// dropped. Nothing in it is verified: it may have been damaged since, so whoever resumes hashes all of it.
#[derive(Debug)]
pub struct Partial {
    root: Arc<Directory>,
    directory: Directory,
    name: String,
    file: Arc<File>,
    expected: Descriptor,
    length: u64,
}

impl Store {
    /// The partial download of a blob, begun or new; `None` = another one is at it.
    pub fn partial(&self, descriptor: &Descriptor) -> Result<Option<Partial>> {
        let digest = &descriptor.digest;
        let name = format!("{}-{}", digest.algorithm().name(), digest.hex());
        let open = || {
            let root = self.root()?;
            let directory = root.child_or_create(PARTIAL)?;
            loop {
                let file = directory.open_or_create_file(&name)?;
                let failed = |e| Error::io(shown(&directory.path().join(&name)), e);
                if !try_lock(&file, Mode::Exclusive).map_err(failed)? {
                    return Ok(None);
                }
                // Its last owner may have finished it between the open and the lock.
                if !is_named(&file, &directory, &name)? {
                    continue;
                }
                let mut length = file.metadata().map_err(failed)?.len();
                if length > descriptor.size {
                    file.set_len(0).map_err(failed)?;
                    length = 0;
                }
                touch(&file);
                return Ok(Some(Partial {
                    root: Arc::new(root),
                    directory,
                    name: name.clone(),
                    file: Arc::new(file),
                    expected: descriptor.clone(),
                    length,
                }));
            }
        };
        Self::retrying(|| self.healing(&[PARTIAL], Some(&name), &open))
    }
}

impl Partial {
    /// How many bytes are there.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// What is there now, to be hashed and used again.
    pub fn prefix(&self) -> Prefix {
        Prefix { file: self.file.clone(), at: 0, end: self.length }
    }

    /// Forgets what is there: it was damaged, or the server cannot resume.
    pub fn restart(&mut self) -> Result<()> {
        self.file.set_len(0).map_err(|e| self.failed(e))?;
        self.length = 0;
        Ok(())
    }

    /// Ends it after all its bytes were verified: they become a blob of the store if `keep`, else they go.
    pub fn finish(self, keep: bool) -> Result<()> {
        if !keep || self.length != self.expected.size {
            return self.discard();
        }
        let moved = blob::make_directory_of(&self.root, &self.expected.digest)
            .and_then(|blobs| self.directory.rename(&self.name, &blobs, self.expected.digest.hex()));
        match moved {
            // The store was deleted meanwhile.
            Err(error) if is_absent(&error) => Ok(()),
            other => other,
        }
    }

    /// Removes it.
    pub fn discard(self) -> Result<()> {
        self.directory.remove(&self.name).map(|_| ())
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io(shown(&self.directory.path().join(&self.name)), error)
    }
}

/// Appends.
impl Write for Partial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.expected.size.saturating_sub(self.length) {
            return Err(Error::new(
                Kind::Size,
                format!("{} has more than its {} bytes", self.expected.digest, self.expected.size),
            )
            .into());
        }
        let written = (&*self.file).write(bytes);
        if written.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::Interrupted) {
            return written;
        }
        let count = written.map_err(|e| self.failed(e))?;
        self.length = self.length.saturating_add(count as u64);
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads what a partial download had when this was made; appending goes on beside it.
#[derive(Debug)]
pub struct Prefix {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Prefix {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(buffer.get_mut(..rest).unwrap_or_default(), self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(partial: &Partial) -> Vec<u8> {
        let mut bytes = Vec::new();
        partial.prefix().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_was_written_is_there_for_the_next_one_and_for_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let blob = Descriptor::of("a/b", b"0123456789");
        let mut partial = store.partial(&blob).unwrap().unwrap();
        partial.write_all(b"0123").unwrap();
        assert!(store.partial(&blob).unwrap().is_none());
        assert!(store.partial(&Descriptor::of("a/b", b"other")).unwrap().is_some());
        drop(partial);
        let mut partial = store.partial(&blob).unwrap().unwrap();
        assert_eq!((partial.length(), all(&partial)), (4, b"0123".to_vec()));
        let before = partial.prefix();
        partial.write_all(b"456789").unwrap();
        assert_eq!((all(&partial), before.end), (b"0123456789".to_vec(), 4));
        let error = partial.write_all(b"x").unwrap_err();
        assert!(error.to_string().contains("more than its 10 bytes"), "{error:?}");
        partial.finish(true).unwrap();
        assert!(store.open_blob(&blob).unwrap().is_some());
        let partial = store.partial(&blob).unwrap().unwrap();
        assert_eq!(partial.length(), 0);
        partial.finish(false).unwrap();
        assert!(std::fs::read_dir(dir.path().join(PARTIAL)).unwrap().all(|e| {
            e.unwrap().file_name().to_str().unwrap() != format!("sha256-{}", blob.digest.hex())
        }));
    }

    #[test]
    fn one_that_is_complete_is_found_so() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let blob = Descriptor::of("a/b", b"whole");
        store.partial(&blob).unwrap().unwrap().write_all(b"whole").unwrap();
        let partial = store.partial(&blob).unwrap().unwrap();
        assert_eq!(partial.length(), blob.size);
        assert!(blob.digest.verify(&all(&partial)));
    }

    #[test]
    fn one_that_was_damaged_is_seen_by_its_hash_and_begun_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let blob = Descriptor::of("a/b", b"0123456789");
        let path = dir.path().join(PARTIAL).join(format!("sha256-{}", blob.digest.hex()));
        store.partial(&blob).unwrap().unwrap().write_all(b"01234").unwrap();
        std::fs::write(&path, b"01x34").unwrap();
        let mut partial = store.partial(&blob).unwrap().unwrap();
        partial.write_all(b"56789").unwrap();
        assert!(!blob.digest.verify(&all(&partial)));
        partial.restart().unwrap();
        partial.write_all(b"0123456789").unwrap();
        assert!(blob.digest.verify(&all(&partial)));
        drop(partial);
        // Longer than the blob can be: nothing of it is of use.
        std::fs::write(&path, b"0123456789x").unwrap();
        assert_eq!(store.partial(&blob).unwrap().unwrap().length(), 0);
    }

    #[test]
    fn a_store_deleted_during_a_download_costs_the_partial_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(&dir.path().join("store")).unwrap();
        let blob = Descriptor::of("a/b", b"0123456789");
        for keep in [true, false] {
            let mut partial = store.partial(&blob).unwrap().unwrap();
            std::fs::remove_dir_all(store.path()).unwrap();
            partial.write_all(b"0123456789").unwrap();
            partial.finish(keep).unwrap();
            assert!(store.open_blob(&blob).unwrap().is_none());
        }
    }
}
