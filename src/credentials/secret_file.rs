//! Reads a small file that holds secrets: whole, bounded, and never while somebody changes it (case A-26).

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::fs::shown;

/// The largest file of credentials.
const SIZE_LIMIT: usize = 1 << 20;
/// How often a file that changes while it is read is read again.
const TRIES: usize = 3;

/// The file's bytes; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    read_beside(path, || ())
}

/// Whether a directory on the way can't be entered, so that nobody can tell if there is a file.
pub(super) fn is_out_of_reach(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// The same; `meanwhile` stands for what others do while the file is being read.
fn read_beside(path: &Path, mut meanwhile: impl FnMut()) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let bad = |why: &str| {
        let name = shown(path);
        Error::new(Kind::Credentials, format!("the credential file {name} {why}"))
    };
    let failed = |error: std::io::Error| {
        let errno = error.raw_os_error().unwrap_or(0);
        bad(&format!(
            "can't be read: {}",
            Error::io("", std::io::Error::from_raw_os_error(errno)).message().trim_start_matches(": ")
        ))
    };
    for _ in 0..TRIES {
        // Without O_NONBLOCK a FIFO would wait for a writer.
        let mut file = match OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
        {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        let before = stamp(&file).map_err(failed)?;
        if before.is_none() {
            return Err(bad("is not a regular file"));
        }
        // Room for all from the start: growing would leave copies that are not wiped.
        let mut text = Zeroizing::new(Vec::with_capacity(SIZE_LIMIT + 1));
        (&mut file).take(SIZE_LIMIT as u64 + 1).read_to_end(&mut text).map_err(failed)?;
        meanwhile();
        if text.len() > SIZE_LIMIT {
            return Err(bad("is larger than 1 MiB"));
        }
        if stamp(&file).map_err(failed)? == before {
            return Ok(Some(text));
        }
    }
    Err(bad("changed while it was read"))
}

/// What changes when the file's content does; `None` where it is neither a file nor `/dev/null`.
fn stamp(file: &File) -> std::io::Result<Option<(u64, i64, i64)>> {
    use std::os::unix::fs::FileTypeExt;
    let metadata = file.metadata()?;
    let usable = metadata.is_file() || metadata.file_type().is_char_device();
    Ok(usable.then(|| (metadata.size(), metadata.mtime(), metadata.mtime_nsec())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_26_what_is_there_is_read_and_what_is_not_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        assert!(read(&path).unwrap().is_none());
        assert!(read(&path.join("below")).unwrap().is_none());
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(read(&path).unwrap().unwrap().as_slice(), b"{}");
        assert!(read(&path.join("below")).unwrap().is_none());
        assert_eq!(read(Path::new("/dev/null")).unwrap().unwrap().as_slice(), b"");
    }

    #[test]
    fn a_26_what_can_t_be_read_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let looped = dir.path().join("loop");
        symlink(&looped, &looped).unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
        let large = dir.path().join("large");
        File::create(&large).unwrap().set_len(1 << 30).unwrap();
        for (path, why) in [
            (looped.as_path(), "Too many levels of symbolic links"),
            (dir.path(), "is not a regular file"),
            (&fifo, "is not a regular file"),
            (&large, "is larger than 1 MiB"),
            (Path::new("/dev/zero"), "is larger than 1 MiB"),
        ] {
            let error = read(path).unwrap_err();
            assert_eq!(error.kind(), Kind::Credentials, "{path:?}");
            assert!(error.message().contains(why), "{error}");
        }
        // What is there and may not be read; root may.
        let closed = dir.path().join("closed");
        std::fs::write(&closed, "{}").unwrap();
        std::fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o0)).unwrap();
        if File::open(&closed).is_err() {
            assert!(read(&closed).unwrap_err().message().contains("Permission denied"));
            assert!(!is_out_of_reach(&closed));
            // One that can't even be looked for.
            let home = dir.path().join("home");
            std::fs::create_dir(&home).unwrap();
            std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o0)).unwrap();
            assert!(read(&home.join("config.json")).is_err() && is_out_of_reach(&home.join("config.json")));
            std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        }
        assert!(!is_out_of_reach(&dir.path().join("nothing")));
    }
    #[test]
    fn a_26_a_file_that_changes_while_it_is_read_is_read_again_and_never_half() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        std::fs::write(&path, "old").unwrap();
        let mut times = 0;
        let change = |text: &str| std::fs::write(&path, text).unwrap();
        let got = read_beside(&path, || {
            times += 1;
            if times < TRIES {
                change(&"new".repeat(times));
            }
        });
        assert_eq!(got.unwrap().unwrap().as_slice(), b"newnew");
        assert_eq!(times, TRIES);
        // One that never rests.
        let mut length = 0;
        let error = read_beside(&path, || {
            length += 1;
            change(&"x".repeat(length));
        });
        let error = error.unwrap_err();
        assert!(error.kind() == Kind::Credentials && error.message().ends_with("changed while it was read"));
        assert_eq!(length, TRIES);
        // As docker and cldoci replace it: what was opened is whole, the old one.
        change("old");
        let other = dir.path().join("other");
        let got = read_beside(&path, || {
            std::fs::write(&other, "new").unwrap();
            std::fs::rename(&other, &path).unwrap();
        });
        assert_eq!(got.unwrap().unwrap().as_slice(), b"old");
        assert_eq!(read(&path).unwrap().unwrap().as_slice(), b"new");
    }
}
