//! A world around a destination, whose every other file must stay as it was; and tar archives made by hand.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use cldoci::archive::{Confinement, Staging, UnpackOptions};
use cldoci::oci::{Descriptor, Digest};
use cldoci::options::{Environment, Options, Settings};
use cldoci::{Error, Kind, Operation, Result};

pub(crate) const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

pub(crate) fn options() -> UnpackOptions {
    let settings = Settings::for_client(&Options::new(), Environment::default()).unwrap();
    UnpackOptions { threads: 2, ..UnpackOptions::from_settings(&settings) }
}

/// `W/{dest, outside/{file,dir,link,exe}}`; the working directory's sentinel is the crate's own Cargo.toml.
pub(crate) struct World {
    pub(crate) root: tempfile::TempDir,
    before: BTreeMap<PathBuf, String>,
}

fn state(path: &Path) -> String {
    let m = std::fs::symlink_metadata(path).unwrap();
    let content = match m.file_type() {
        t if t.is_file() => Digest::of(&std::fs::read(path).unwrap()).to_string(),
        t if t.is_symlink() => format!("{:?}", std::fs::read_link(path).unwrap()),
        _ => String::new(),
    };
    format!(
        "{} {:o} {} {} {}.{} {}.{} {} {content}",
        m.ino(),
        m.mode(),
        m.uid(),
        m.nlink(),
        m.mtime(),
        m.mtime_nsec(),
        m.ctime(),
        m.ctime_nsec(),
        m.len()
    )
}

impl World {
    /// In memory where there is such a file system, since tests make and remove many files.
    pub(crate) fn new() -> Self {
        let memory = PathBuf::from("/dev/shm");
        Self::at(&if memory.is_dir() { memory } else { std::env::temp_dir() })
    }

    pub(crate) fn on_disk() -> Self {
        Self::at(&std::env::temp_dir())
    }

    fn at(directory: &Path) -> Self {
        let root = tempfile::tempdir_in(directory).unwrap();
        let outside = root.path().join("outside");
        std::fs::create_dir_all(outside.join("dir")).unwrap();
        std::fs::write(outside.join("file"), "precious").unwrap();
        std::fs::write(outside.join("exe"), "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(outside.join("exe"), PermissionsExt::from_mode(0o755)).unwrap();
        symlink("file", outside.join("link")).unwrap();
        let mut world = Self { root, before: BTreeMap::new() };
        world.before = world.snapshot();
        world
    }

    pub(crate) fn dest(&self) -> PathBuf {
        self.root.path().join("dest")
    }

    fn snapshot(&self) -> BTreeMap<PathBuf, String> {
        let outside = self.root.path().join("outside");
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.push(outside);
        paths.push("Cargo.toml".into());
        paths.into_iter().map(|path| (path.clone(), state(&path))).collect()
    }

    /// Nothing outside the destination changed, and nothing of the staging is left.
    pub(crate) fn check(&self) {
        assert_eq!(self.snapshot(), self.before, "the canary");
        let mut names: Vec<_> = std::fs::read_dir(self.root.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "dest")
            .collect();
        names.sort();
        assert_eq!(names, ["outside"], "left over");
        if let Ok(entries) = std::fs::read_dir(self.dest()) {
            for entry in entries {
                let name = entry.unwrap().file_name().into_encoded_bytes();
                assert!(!name.windows(7).any(|part| part == b".cldoci"), "left over inside");
            }
        }
    }

    pub(crate) fn pull(&self, options: &UnpackOptions, layers: &[(&str, &[u8])]) -> Result<Vec<String>> {
        let described: Vec<_> =
            layers.iter().map(|(media_type, bytes)| (Descriptor::of(*media_type, bytes), *bytes)).collect();
        self.pull_described(options, &described)
    }

    /// Unpacks layers and publishes; gives the warnings.
    pub(crate) fn pull_described(
        &self,
        options: &UnpackOptions,
        layers: &[(Descriptor, &[u8])],
    ) -> Result<Vec<String>> {
        let operation = Operation::new();
        let mut staging = Staging::prepare(&self.dest(), options)?;
        for (layer, bytes) in layers {
            let mut input = *bytes;
            let result = staging.unpack(layer, &mut input, &operation);
            assert!(input.is_empty(), "the input was not read to its end");
            result?;
        }
        staging.publish(&operation)?;
        Ok(operation.warnings())
    }
}

/// Runs a case both ways.
pub(crate) fn both_ways(mut case: impl FnMut(UnpackOptions)) {
    for confinement in [Confinement::Kernel, Confinement::Components] {
        case(UnpackOptions { confinement, ..options() });
    }
}

/// The archive is refused with this kind, by a message that has `words`, and nothing anywhere changed.
pub(crate) fn refused(archive: &[u8], kind: Kind, words: &str) {
    both_ways(|options| refused_with(&options, archive, kind, words));
}

pub(crate) fn refused_with(options: &UnpackOptions, archive: &[u8], kind: Kind, words: &str) {
    let world = World::new();
    let error = world.pull(options, &[(TAR, archive)]).expect_err(words);
    assert!(error.kind() == kind && error.message().contains(words), "wanted {kind:?} '{words}': {error:?}");
    assert!(!error.message().contains(['\n', '\x1b']), "{error:?}");
    assert!(!world.dest().exists(), "the destination was made");
    world.check();
}

/// The archive is accepted, and the tree it becomes is this: `/` behind directories, `-> target` behind links,
/// `=content` behind files.
pub(crate) fn accepted(archive: &[u8], want: &[&str]) {
    both_ways(|options| accepted_with(&options, archive, want));
}

pub(crate) fn accepted_with(options: &UnpackOptions, archive: &[u8], want: &[&str]) {
    let world = World::new();
    world.pull(options, &[(TAR, archive)]).unwrap();
    assert_eq!(tree(&world.dest()), want);
    world.check();
}

/// A tree in lines, sorted.
pub(crate) fn tree(root: &Path) -> Vec<String> {
    fn add(root: &Path, above: &str, lines: &mut Vec<String>) {
        for entry in std::fs::read_dir(root).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{above}{}", cldoci::printable(entry.file_name().as_encoded_bytes()));
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                lines.push(format!("{name}/"));
                add(&entry.path(), &format!("{name}/"), lines);
            } else if kind.is_symlink() {
                lines.push(format!("{name} -> {}", std::fs::read_link(entry.path()).unwrap().display()));
            } else {
                let content = std::fs::read(entry.path()).unwrap();
                lines.push(format!("{name}={}", String::from_utf8_lossy(&content)));
            }
        }
    }
    let mut lines = Vec::new();
    add(root, "", &mut lines);
    lines.sort();
    lines
}

pub(crate) fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

/// One entry of an archive, every field in the maker's hand.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) flag: u8,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) mtime: u64,
    pub(crate) body: Vec<u8>,
    pub(crate) prefix: Vec<u8>,
    pub(crate) magic: &'static [u8; 8],
    /// Instead of the field that the body's length gives.
    pub(crate) size: Option<[u8; 12]>,
}

pub(crate) const USTAR: &[u8; 8] = b"ustar\x0000";
pub(crate) const GNU: &[u8; 8] = b"ustar  \0";
pub(crate) const V7: &[u8; 8] = b"\0\0\0\0\0\0\0\0";

impl Entry {
    pub(crate) fn new(name: impl AsRef<[u8]>, flag: u8) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            flag,
            link: Vec::new(),
            mode: 0o644,
            mtime: 0,
            body: Vec::new(),
            prefix: Vec::new(),
            magic: USTAR,
            size: None,
        }
    }

    pub(crate) fn header(&self) -> [u8; 512] {
        let mut block = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.name);
        put(100, format!("{:07o}\0", self.mode).as_bytes());
        put(108, b"0000000\x000000000\0");
        put(124, &self.size.unwrap_or_else(|| octal(self.body.len() as u64)));
        put(136, format!("{:011o}\0", self.mtime).as_bytes());
        put(156, &[self.flag]);
        put(157, &self.link);
        put(257, self.magic);
        put(345, &self.prefix);
        seal(&mut block);
        block
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header().to_vec();
        bytes.extend_from_slice(&self.body);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

pub(crate) fn octal(size: u64) -> [u8; 12] {
    format!("{size:011o}\0").into_bytes().try_into().unwrap()
}

/// Puts the checksum in.
pub(crate) fn seal(block: &mut [u8]) {
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block[..512].iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

pub(crate) fn file(name: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    Entry { body: body.as_ref().to_vec(), ..Entry::new(name, b'0') }.bytes()
}
pub(crate) fn dir(name: impl AsRef<[u8]>) -> Vec<u8> {
    Entry { mode: 0o755, ..Entry::new(name, b'5') }.bytes()
}
pub(crate) fn link(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Vec<u8> {
    Entry { link: target.as_ref().to_vec(), mode: 0o777, ..Entry::new(name, b'2') }.bytes()
}
pub(crate) fn hardlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Vec<u8> {
    Entry { link: target.as_ref().to_vec(), ..Entry::new(name, b'1') }.bytes()
}

/// A PAX header of these records.
pub(crate) fn pax(flag: u8, records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        body.extend_from_slice(format!("{length} {key}=").as_bytes());
        body.extend_from_slice(value);
        body.push(b'\n');
    }
    Entry { body, ..Entry::new("PaxHeader", flag) }.bytes()
}

/// A GNU `L` or `K` header.
pub(crate) fn long(flag: u8, name: impl AsRef<[u8]>) -> Vec<u8> {
    let body = [name.as_ref(), b"\0"].concat();
    Entry { body, magic: GNU, ..Entry::new("././@LongLink", flag) }.bytes()
}

/// Entries and the end.
pub(crate) fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzEncoder::new(bytes, flate2::Compression::new(6)).read_to_end(&mut out).unwrap();
    out
}

/// The kind of a result's error.
pub(crate) fn kind<T>(result: &Result<T>) -> Option<Kind> {
    result.as_ref().err().map(Error::kind)
}
