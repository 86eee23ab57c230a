//! A destination with things beside it that must stay as they are, and what a tree looks like.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use cldoci::archive::{Confinement, Staging, UnpackOptions};
use cldoci::oci::{Descriptor, Digest};
use cldoci::options::{Environment, Existing, Options, Settings};
use cldoci::{Error, Kind, Operation, Result};
use tempfile::TempDir;

use super::harmless::is_harmless;

thread_local! { static ROOM: Room = Room::new(); }

/// `root/{dest, outside/{file,dir,link}}`; made once, since making it costs more than most inputs do.
pub(super) struct Room {
    root: TempDir,
    before: Vec<String>,
}

fn state(path: &Path) -> String {
    let m = std::fs::symlink_metadata(path).unwrap();
    let content = m.is_file().then(|| std::fs::read(path).unwrap());
    let times = (m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
    format!("{} {:o} {} {} {times:?} {} {content:?}", m.ino(), m.mode(), m.uid(), m.nlink(), m.len())
}

impl Room {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        // `TMPDIR`, where it is set, is removed by whoever set it: libFuzzer ends without destructors.
        let own = std::env::var_os("TMPDIR").is_none() && memory.is_dir();
        let root = if own { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let outside = root.path().join("outside");
        std::fs::create_dir_all(outside.join("dir")).unwrap();
        std::fs::write(outside.join("file"), "precious").unwrap();
        symlink("file", outside.join("link")).unwrap();
        let mut room = Self { root, before: Vec::new() };
        room.before = room.snapshot();
        room
    }

    /// This thread's room, whose destination is not there.
    pub(super) fn with<T>(run: impl FnOnce(&Self) -> T) -> T {
        ROOM.with(run)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn snapshot(&self) -> Vec<String> {
        let outside = self.path("outside");
        ["", "file", "dir", "link"].iter().map(|name| state(&outside.join(name))).collect()
    }

    /// Unpacks one layer and publishes; holds what is true of every outcome. Gives the digest of the archive, if that was
    /// asked for, and the tree; the destination is gone afterwards.
    pub(super) fn pull(
        &self,
        options: &UnpackOptions,
        layer: &Descriptor,
        bytes: &[u8],
    ) -> Result<(Option<Digest>, Tree)> {
        let dest = self.path("dest");
        let before = (options.existing != Existing::Refuse).then(|| {
            std::fs::create_dir_all(dest.join("d/e")).unwrap();
            std::fs::write(dest.join("d/e/f"), "old").unwrap();
            std::fs::write(dest.join("a"), "old").unwrap();
            tree(&dest)
        });
        let mut input = bytes;
        let operation = Operation::new();
        let result = Staging::prepare(&dest, options).and_then(|mut staging| {
            let digest = staging.unpack(layer, &mut input, &operation);
            assert!(input.is_empty(), "the input was not read to its end");
            let digest = digest?;
            staging.publish(&operation)?;
            Ok(digest)
        });
        assert_eq!(self.snapshot(), self.before, "the canary");
        let there = dest.exists().then(|| tree(&dest));
        let mut names: Vec<_> = std::fs::read_dir(self.root.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name != "dest" && name != "tree")
            .collect();
        names.sort();
        assert_eq!(names, ["outside"], "left over");
        match &result {
            Ok(_) => {
                assert!(operation.warnings().iter().all(|warning| !warning.contains(['\n', '\x1b'])));
                is_harmless(&dest.canonicalize().unwrap(), &dest);
            }
            Err(error) => {
                is_plain(error, &[Kind::Unsafe, Kind::Limit, Kind::Protocol, Kind::Exists]);
                assert_eq!(there, before, "an error changed the destination: {error:?}");
            }
        }
        if there.is_some() {
            std::fs::remove_dir_all(&dest).unwrap();
        }
        result.map(|digest| (digest, there.expect("no destination")))
    }
}

/// Options with limits that inputs come to, by the bits of two bytes.
pub(super) fn options(bits: [u8; 2]) -> UnpackOptions {
    let settings = Settings::for_client(&Options::new(), Environment::default()).unwrap();
    let [low, high] = bits;
    let bit = |n: u8| low >> n & 1 == 1;
    UnpackOptions {
        confinement: if bit(0) { Confinement::Components } else { Confinement::Kernel },
        skip_special: bit(1),
        last_wins: bit(2),
        strip_leading_slash: bit(3),
        lenient_end: bit(4),
        preserve_mtime: bit(5),
        threads: 1 + usize::from(low >> 6),
        existing: match high % 4 {
            0 | 1 => Existing::Refuse,
            2 => Existing::Merge,
            _ => Existing::Replace,
        },
        max_unpacked_bytes: 4 << 20,
        max_entries: 64,
        max_depth: 24,
        max_path_bytes: 300,
        max_link_bytes: 200,
        ..UnpackOptions::from_settings(&settings)
    }
}

/// An error of one of these kinds, in one line of bounded length.
pub(super) fn is_plain(error: &Error, kinds: &[Kind]) {
    assert!(kinds.contains(&error.kind()), "{error:?}");
    let message = error.message();
    assert!(!message.chars().any(char::is_control) && message.len() < 4096, "{error:?}");
}

/// One entry of a tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Node {
    Directory,
    Link(Vec<u8>),
    File { executable: bool, content: Vec<u8> },
}

/// Entries by their paths.
pub(super) type Tree = BTreeMap<Vec<u8>, Node>;

/// All below a directory, by its path from there.
pub(super) fn tree(root: &Path) -> Tree {
    fn add(root: &Path, at: &Path, found: &mut Tree) {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let node = if metadata.is_dir() {
                add(root, &path, found);
                Node::Directory
            } else if metadata.is_symlink() {
                Node::Link(std::fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec())
            } else {
                let executable = metadata.mode() & 0o111 != 0;
                Node::File { executable, content: std::fs::read(&path).unwrap() }
            };
            found.insert(path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec(), node);
        }
    }
    let mut found = Tree::new();
    add(root, root, &mut found);
    found
}

/// Puts the right checksum into every header, which no mutation finds by itself.
pub(super) fn seal(archive: &mut [u8]) {
    let mut at = 0;
    while let Some(block) = archive.get_mut(at..at + 512) {
        at += 512;
        if block.iter().all(|&byte| byte == 0) {
            continue;
        }
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let digits = block[124..135].iter().take_while(|byte| matches!(byte, b'0'..=b'7'));
        let size = digits.fold(0_usize, |size, digit| size << 3 | usize::from(digit - b'0'));
        // The types that have no body.
        if !matches!(block[156], b'1'..=b'6') {
            at = at.saturating_add(size.min(1 << 32).next_multiple_of(512));
        }
    }
}
