//! A store in which something else stands where its files and directories belong.

use super::*;

/// Something that is no regular file, and holds or leads to something.
type Planted = fn(&Path);

fn fifo(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR).unwrap();
}

fn directory(path: &Path) {
    fs::create_dir(path).unwrap();
    fs::write(path.join("file"), "within").unwrap();
}

fn link_to_a_file(path: &Path) {
    std::os::unix::fs::symlink("/etc/passwd", path).unwrap();
}

fn link_to_nothing(path: &Path) {
    std::os::unix::fs::symlink("nowhere", path).unwrap();
}

const PLANTED: [(&str, Planted); 4] = [
    ("a FIFO", fifo),
    ("a directory", directory),
    ("a link to a file", link_to_a_file),
    ("a link to nothing", link_to_nothing),
];

#[test]
fn what_stands_in_the_place_of_a_file_or_a_directory_of_the_store_is_replaced() {
    let passwd = fs::metadata("/etc/passwd").unwrap();
    for (what, plant) in PLANTED {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let session = UploadSession::new("https://r.test/v2/x/blobs/uploads/1", 5);
        store.save_upload_session("k", &session).unwrap();
        let blob = keep(&store, b"kept");
        let partial = Descriptor::of("a/b", b"partial");
        drop(store.partial(&partial).unwrap());
        let mut found = BTreeMap::new();
        tree(dir.path(), &mut found);
        let inside = |path: &&PathBuf| !path.starts_with(dir.path().join("spool"));
        let own: Vec<_> = found.keys().filter(inside).cloned().collect();
        assert!(own.len() > 6, "{own:?}");
        for path in own {
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            plant(&path);
            let at = format!("{what} at {}", path.display());
            // A directory in the place of a directory is one.
            let absent = store.open_blob(&blob).unwrap().is_none();
            assert!(absent || !path.ends_with(blob.digest.hex()), "{at}");
            assert_eq!(keep(&store, b"kept"), blob, "{at}");
            assert!(store.open_blob(&blob).unwrap().is_some(), "{at}");
            store.upload_session("k").unwrap();
            store.save_upload_session("k", &session).unwrap();
            assert_eq!(store.upload_session("k").unwrap().as_ref(), Some(&session), "{at}");
            store.partial(&partial).unwrap().unwrap().finish(true).unwrap();
        }
        // Nothing that was linked to was touched.
        assert_eq!(fs::metadata("/etc/passwd").unwrap().modified().unwrap(), passwd.modified().unwrap());
    }
}

#[test]
fn what_stands_in_the_place_of_a_file_of_the_store_does_not_stop_a_trim() {
    for (what, plant) in PLANTED {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let blob = keep(&store, b"kept");
        for name in ["trimmed", "blobs/another", "blobs/sha256/strange", "published", "uploads"] {
            plant(&dir.path().join(name));
        }
        let bound = settings(None, &[]);
        let beside = if what == "a directory" { "within".len() as u64 } else { 0 };
        assert_eq!(store.trim(&bound).unwrap().unwrap().kept_bytes, 4 + beside, "{what}");
        assert!(store.open_blob(&blob).unwrap().is_some());
        assert!(!dir.path().join("blobs/sha256/strange").exists(), "{what}");
    }
}
