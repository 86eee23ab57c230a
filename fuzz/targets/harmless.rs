//! What may be in a tree that was published; `tests/it/unpack` holds it too.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

/// Files, directories and links that stay inside, without bits that entries don't get.
pub fn is_harmless(root: &Path, at: &Path) {
    for entry in std::fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        let found = path.symlink_metadata().unwrap();
        let kind = found.file_type();
        assert!(!kind.is_fifo() && !kind.is_socket() && !kind.is_block_device() && !kind.is_char_device());
        if kind.is_symlink() {
            if let Ok(leads) = path.canonicalize() {
                assert!(leads.starts_with(root), "{} leads to {}", path.display(), leads.display());
            }
            continue;
        }
        assert_eq!(found.permissions().mode() & 0o7022, 0, "{}", path.display());
        if kind.is_dir() {
            is_harmless(root, &path);
        }
    }
}
