//! What the tests share: options, packing into memory, an archive's entries, and a tree to pack.

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use cldoci::archive::{PackOptions, Packed, pack};
use cldoci::oci::Profile;
use cldoci::options::{CaseCollisions, Links};
use cldoci::{Operation, Result};

pub(crate) fn options() -> PackOptions {
    PackOptions {
        profile: Profile::None,
        links: Links::Error,
        case_collisions: CaseCollisions::Warn,
        mtime: 0,
        threads: 2,
        max_bytes: 1 << 36,
        max_depth: 100_000,
        max_path_bytes: 1 << 20,
        max_link_bytes: 4095,
        leave_out: Vec::new(),
    }
}

/// The layer and the rest of the result.
pub(crate) fn packed(directory: &Path, options: &PackOptions) -> Result<(Vec<u8>, Packed)> {
    packed_by(directory, options, &Operation::new())
}

pub(crate) fn packed_by(
    directory: &Path,
    options: &PackOptions,
    operation: &Operation,
) -> Result<(Vec<u8>, Packed)> {
    let mut layer = Vec::new();
    let packed = pack(directory, options, operation, &mut layer)?;
    Ok((layer, packed))
}

pub(crate) fn layer(directory: &Path, options: &PackOptions) -> Vec<u8> {
    packed(directory, options).unwrap().0
}

pub(crate) fn tar(layer: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(layer).read_to_end(&mut tar).unwrap();
    tar
}

/// Each entry as `path` with `@` and a link's target, in order.
pub(crate) fn names(layer: &[u8]) -> Vec<String> {
    let tar = tar(layer);
    let mut archive = tar::Archive::new(tar.as_slice());
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let mut name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if let Some(target) = entry.link_name_bytes() {
            name = format!("{name}@{}", String::from_utf8_lossy(&target));
        }
        name
    });
    entries.collect()
}

/// A small tree with some of everything that goes in. Written in the order of `names`' indices when sorted
/// by `order`, so that inodes and directories' own order differ.
pub(crate) fn write_tree(root: &Path, reversed: bool) {
    let mut jobs: Vec<Box<dyn Fn()>> = vec![
        Box::new(|| write(root, "README.md", b"# Read me\n", 0o644)),
        Box::new(|| write(root, "bin/run", b"#!/bin/sh\n", 0o755)),
        Box::new(|| write(root, "empty", b"", 0o600)),
        Box::new(|| std::fs::create_dir_all(root.join("void")).unwrap()),
        Box::new(|| write(root, "a/b.txt", b"b", 0o640)),
        Box::new(|| write(root, "a.txt", b"dot sorts before slash, but names are sorted one by one", 0o644)),
        Box::new(|| write(root, "a-b", b"-", 0o644)),
        Box::new(|| write(root, "big", &bytes(3 << 20, 11), 0o644)),
        Box::new(|| write(root, "exact", &vec![7; 1 << 20], 0o644)),
        Box::new(|| {
            std::fs::create_dir_all(root.join("a")).unwrap();
            symlink("../bin/run", root.join("a/run")).unwrap();
        }),
        Box::new(|| write(root, &format!("deep/{}/{}", "d".repeat(120), "n".repeat(120)), b"long", 0o644)),
        Box::new(|| write(root, &"\u{e9}".repeat(60), b"not ASCII, over 100 bytes", 0o644)),
    ];
    if reversed {
        jobs.reverse();
    }
    for job in jobs {
        job();
    }
}

pub(crate) fn write(root: &Path, path: &str, content: &[u8], mode: u32) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Bytes between text and noise, the same everywhere.
pub(crate) fn bytes(length: usize, mut seed: u64) -> Vec<u8> {
    std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b'a' + (seed >> 59) as u8 % 20
    })
    .take(length)
    .collect()
}

pub(crate) fn os(bytes: &[u8]) -> &std::ffi::OsStr {
    std::ffi::OsStr::from_bytes(bytes)
}
