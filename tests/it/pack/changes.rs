//! Trees that change while they are packed. The change is made at a known point: when the first bytes of the
//! layer come out while the packer still has most of a large file before it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::Path;

use cldoci::archive::{PackOptions, pack};
use cldoci::{Error, Kind, Operation};

use super::tree::{bytes, options, write};

/// Does something once, when the first block of the layer is written. By then the packer is held up by full
/// buffers, a few MiB further.
struct At<F: FnOnce()>(Option<F>, usize);

impl<F: FnOnce()> Write for At<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1 += 1;
        // The header is the first write.
        if self.1 == 2
            && let Some(change) = self.0.take()
        {
            change();
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Packs a tree of `d/big`, of 10 MiB, and small files around it, and changes it meanwhile.
fn changed(change: impl FnOnce(&Path) + Send) -> Option<Error> {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "d/big", &bytes(10 << 20, 3), 0o644);
    write(root.path(), "d/z", b"z", 0o644);
    write(root.path(), "e/f", b"f", 0o644);
    write(root.path(), "y", b"y", 0o644);
    let mut out = At(Some(|| change(root.path())), 0);
    let one = PackOptions { threads: 1, ..options() };
    let result = pack(root.path(), &one, &Operation::new(), &mut out);
    assert!(out.0.is_none(), "the change was made");
    result.err()
}

fn assert_changed(path: &str, change: impl FnOnce(&Path) + Send) {
    let error = changed(change).expect("an error");
    assert_eq!(error.kind(), Kind::Changed, "{error}");
    assert_eq!(error.message(), format!("{path}: changed while it was read"));
}

#[test]
fn b_01_a_file_that_changes_while_it_is_read() {
    assert_eq!(changed(|_| {}).map(|error| error.to_string()), None);
    let open = |root: &Path| OpenOptions::new().append(true).open(root.join("d/big")).unwrap();
    assert_changed("d/big", |root| open(root).write_all(b"more").unwrap());
    assert_changed("d/big", |root| open(root).set_len(8 << 20).unwrap());
    assert_changed("d/big", |root| open(root).set_len(0).unwrap());
    assert_changed("d/big", |root| {
        std::fs::write(root.join("new"), b"new").unwrap();
        std::fs::rename(root.join("new"), root.join("d/big")).unwrap();
    });
    assert_changed("d/big", |root| std::fs::remove_file(root.join("d/big")).unwrap());
    // Of the same size: its time tells, and if that is set back, the time of that.
    let write_over = |root: &Path| {
        let path = root.join("d/big");
        let before = path.metadata().unwrap();
        // Times count in steps of the system's clock; the next one must have begun.
        let probe = File::create(root.join("e/f")).unwrap();
        while probe.metadata().unwrap().modified().unwrap() <= before.modified().unwrap() {
            probe.set_len(0).unwrap();
            (&probe).write_all(b"f").unwrap();
        }
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"X", 5 << 20).unwrap();
        (file, before.modified().unwrap())
    };
    assert_changed("d/big", |root| drop(write_over(root)));
    assert_changed("d/big", |root| {
        let (file, before) = write_over(root);
        file.set_modified(before).unwrap();
    });
}

#[test]
fn b_02_a_directory_that_changes_during_the_walk() {
    assert_changed("d", |root| drop(File::create(root.join("d/new")).unwrap()));
    assert_changed(".", |root| drop(File::create(root.join("new")).unwrap()));
    assert_changed("d/z", |root| std::fs::remove_file(root.join("d/z")).unwrap());
    assert_changed("e", |root| std::fs::remove_dir_all(root.join("e")).unwrap());
    // What was listed with one type is another when it is opened.
    let replace = |root: &Path, name: &str, by: fn(&Path)| {
        let path = root.join(name);
        if path.is_dir() {
            std::fs::remove_dir_all(&path).unwrap()
        } else {
            std::fs::remove_file(&path).unwrap()
        }
        by(&path);
    };
    let link: fn(&Path) = |path| symlink("/etc", path).unwrap();
    assert_changed("y", |root| replace(root, "y", link));
    assert_changed("e", |root| replace(root, "e", link));
    assert_changed("y", |root| replace(root, "y", |path| std::fs::create_dir(path).unwrap()));
    assert_changed("e", |root| replace(root, "e", |path| std::fs::write(path, "").unwrap()));
    assert_changed("y", |root| replace(root, "y", super::odd::make_fifo));
    // Moved elsewhere while the walk is in it: `..` would lead on into another directory.
    assert_changed("d", |root| {
        std::fs::create_dir(root.join("e/into")).unwrap();
        std::fs::rename(root.join("d"), root.join("e/into/d")).unwrap();
    });
}

#[test]
fn a_cancel_ends_it_at_once() {
    let root = tempfile::tempdir().unwrap();
    File::create(root.path().join("huge")).unwrap().set_len(1 << 35).unwrap();
    let operation = Operation::new();
    let mut out = At(Some(|| operation.cancel()), 0);
    let start = std::time::Instant::now();
    let error = pack(root.path(), &options(), &operation, &mut out).unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}
