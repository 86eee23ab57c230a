//! Directory trees to build, and what a tree holds.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A small component: nested directories, an executable, an empty file, an empty directory, a relative link.
pub fn component(dir: &Path) {
    fs::create_dir_all(dir.join("src/deep/er")).unwrap();
    fs::create_dir_all(dir.join("empty")).unwrap();
    fs::write(dir.join("README.md"), "# api\n").unwrap();
    fs::write(dir.join("src/main.go"), "package main\n".repeat(100)).unwrap();
    fs::write(
        dir.join("src/deep/er/data.bin"),
        (0..200_000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>(),
    )
    .unwrap();
    fs::write(dir.join("src/nothing"), "").unwrap();
    fs::write(dir.join("run.sh"), "#!/bin/sh\necho hi\n").unwrap();
    fs::set_permissions(dir.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../README.md", dir.join("src/readme")).unwrap();
    fs::write(dir.join("name with spaces and \u{e9}"), "x").unwrap();
}

/// A tree as components have it: nested directories, an empty one, an executable, links, an empty file, names
/// with spaces and letters beyond ASCII, a file of more than one block.
pub fn tree(at: &Path) {
    let write = |name: &str, content: &[u8]| {
        let path = at.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    write("cld.yml", b"name: orders\n");
    write("config/production.yml", b"log_level: warn\n");
    write("config/nested/deeper/\u{fc}bung mit leerzeichen.txt", b"text");
    write("empty", b"");
    write("scripts/run.sh", b"#!/bin/sh\necho run\n");
    // Repeats itself too far apart for the compressor, so it is long in the layer too.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(400_000)
    .flatten()
    .collect();
    write("data/noise.bin", &noise);
    write(&format!("long/{}/{}/file", "a".repeat(90), "b".repeat(90)), b"needs PAX");
    fs::create_dir(at.join("void")).unwrap();
    fs::set_permissions(at.join("scripts/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("production.yml", at.join("config/default.yml")).unwrap();
    symlink("../config", at.join("scripts/settings")).unwrap();
}

/// What a tree holds: each path with its type, executable bit and content.
pub type Snapshot = BTreeMap<PathBuf, String>;

/// A tree's snapshot.
pub fn snapshot(root: &Path) -> Snapshot {
    fn visit(root: &Path, at: &Path, found: &mut Snapshot) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(root).unwrap().to_owned();
            let what = if metadata.is_symlink() {
                format!("link to {}", fs::read_link(&path).unwrap().display())
            } else if metadata.is_dir() {
                visit(root, &path, found);
                "directory".to_owned()
            } else {
                let digest = cldoci::oci::Digest::of(&fs::read(&path).unwrap());
                format!("file {} {digest}", if metadata.mode() & 0o100 != 0 { "x" } else { "-" })
            };
            found.insert(name, what);
        }
    }
    let mut found = BTreeMap::new();
    visit(root, root, &mut found);
    found
}

/// Every file's inode and times, to see that nothing was touched.
pub fn stamps(dir: &Path) -> BTreeMap<PathBuf, (u64, i64, i64, i64, i64)> {
    snapshot(dir)
        .into_keys()
        .map(|name| {
            let data = dir.join(&name).symlink_metadata().unwrap();
            (name, (data.ino(), data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()))
        })
        .collect()
}
