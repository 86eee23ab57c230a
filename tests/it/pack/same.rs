//! Same tree, same digest.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use cldoci::Operation;
use cldoci::archive::{PackOptions, Staging, UnpackOptions};
use cldoci::oci::{Descriptor, media_type};
use cldoci::options::{Environment, Options, Settings};

use super::tree::{layer, names, options, packed, write, write_tree};

/// Every file's and directory's time.
fn touch(directory: &Path, time: SystemTime) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_symlink() {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            touch(&entry.path(), time);
        }
        File::open(entry.path()).unwrap().set_modified(time).unwrap();
    }
}

#[test]
fn b_06_the_digest_depends_on_the_tree_alone() {
    let first = tempfile::tempdir().unwrap();
    write_tree(first.path(), false);
    let wanted = layer(first.path(), &options());
    for threads in [1, 2, 7] {
        assert!(layer(first.path(), &PackOptions { threads, ..options() }) == wanted, "{threads} threads");
    }
    touch(first.path(), SystemTime::UNIX_EPOCH + Duration::from_secs(86_400));
    assert!(layer(first.path(), &options()) == wanted, "another day");
    touch(first.path(), SystemTime::UNIX_EPOCH - Duration::from_secs(86_400));
    assert!(layer(first.path(), &options()) == wanted, "a day before 1970");
    if rustix::process::geteuid().is_root() {
        // More than ustar's seven digits say.
        std::os::unix::fs::chown(first.path().join("README.md"), Some(2_097_152), Some(3_000_000)).unwrap();
        assert!(layer(first.path(), &options()) == wanted, "another owner");
    }

    // Another file system, order of inodes, umask's modes, and a file with holes.
    let memory = Path::new("/dev/shm");
    let second = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    write_tree(second.path(), true);
    for (path, mode) in [("README.md", 0o600), ("bin/run", 0o700), ("a", 0o700), ("a/b.txt", 0o666)] {
        std::fs::set_permissions(second.path().join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    assert!(layer(second.path(), &options()) == wanted, "another place");

    // The positive twin: one byte, one name, one executable bit.
    write(second.path(), "empty", b"1", 0o600);
    assert!(layer(second.path(), &options()) != wanted);
    write(second.path(), "empty", b"", 0o700);
    assert!(layer(second.path(), &options()) != wanted);
}

#[test]
fn b_06_holes_make_no_difference() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "f", &vec![0; 5 << 20], 0o644);
    let whole = layer(root.path(), &options());
    std::fs::remove_file(root.path().join("f")).unwrap();
    File::create(root.path().join("f")).unwrap().set_len(5 << 20).unwrap();
    assert!(layer(root.path(), &options()) == whole);
}

#[test]
fn names_are_sorted_directory_by_directory() {
    let root = tempfile::tempdir().unwrap();
    write_tree(root.path(), true);
    let names = names(&layer(root.path(), &options()));
    let wanted = ["README.md", "a/", "a/b.txt", "a/run@../bin/run", "a-b", "a.txt", "big", "bin/", "bin/run"];
    assert_eq!(names[..9].iter().map(String::as_str).collect::<Vec<_>>(), wanted);
    assert_eq!(names.last().unwrap(), &"\u{e9}".repeat(60));
}

#[test]
fn b_08_the_store_inside_the_tree_is_left_out() {
    use std::os::unix::fs::MetadataExt;
    let root = tempfile::tempdir().unwrap();
    write_tree(root.path(), false);
    let without = layer(root.path(), &options());
    write(root.path(), "store/blobs/x", b"blob", 0o644);
    let stat = root.path().join("store").metadata().unwrap();
    let leaving = PackOptions { leave_out: vec![(stat.dev(), stat.ino())], ..options() };
    let (found, packed) = packed(root.path(), &leaving).unwrap();
    assert!(found == without);
    assert_eq!(packed.left_out_total, 1);
    assert_eq!(packed.left_out[0].path, Path::new("store"));
    assert!(layer(root.path(), &options()) != without);
}

#[test]
fn b_10_extracted_and_packed_again() {
    let root = tempfile::tempdir().unwrap();
    write_tree(root.path(), false);
    let wanted = layer(root.path(), &options());
    let other = tempfile::tempdir().unwrap();
    let archive = other.path().join("layer.tgz");
    std::fs::write(&archive, &wanted).unwrap();
    let tree = other.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    let status = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&tree).status().unwrap();
    assert!(status.success());
    assert!(layer(&tree, &options()) == wanted);
    // By ours: on all cores by the table of blocks, and without it.
    let blocks = packed(root.path(), &options()).unwrap().1.blocks.unwrap();
    for (name, blocks) in [("by-blocks", Some(blocks)), ("streamed", None)] {
        let mut described = Descriptor::of(media_type::OCI_LAYER, &wanted);
        if let Some(blocks) = blocks {
            described.annotations.insert(media_type::ANNOTATION_BLOCKS.to_owned(), blocks);
        }
        let settings = Settings::for_client(&Options::new(), Environment::default()).unwrap();
        let tree = other.path().join(name);
        let mut staging = Staging::prepare(&tree, &UnpackOptions::from_settings(&settings)).unwrap();
        staging.unpack(&described, &mut wanted.as_slice(), &Operation::new()).unwrap();
        staging.publish(&Operation::new()).unwrap();
        assert!(layer(&tree, &options()) == wanted, "{name}");
    }
}
