//! Directory trees to build, and a comparison of two trees.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

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

/// What a tree holds: path → kind, executable bit, content or target.
pub fn snapshot(dir: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, dir: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let data = path.symlink_metadata().unwrap();
            let what = if data.is_symlink() {
                format!("link {}", fs::read_link(&path).unwrap().display())
            } else if data.is_dir() {
                walk(root, &path, found);
                "dir".to_owned()
            } else {
                let content = fs::read(&path).unwrap();
                let digest = cldoci::oci::Digest::of(&content);
                format!("file {} {} {digest}", data.permissions().mode() & 0o111 != 0, content.len())
            };
            found.insert(name, what);
        }
    }
    let mut found = BTreeMap::new();
    walk(dir, dir, &mut found);
    found
}

/// Every file's inode and times, to see that nothing was touched.
pub fn stamps(dir: &Path) -> BTreeMap<String, (u64, i64, i64, i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    snapshot(dir)
        .into_keys()
        .map(|name| {
            let data = dir.join(&name).symlink_metadata().unwrap();
            (name, (data.ino(), data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()))
        })
        .collect()
}
