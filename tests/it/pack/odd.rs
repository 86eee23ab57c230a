//! Odd trees: special files, what can't be read, extremes of size, depth and number.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use cldoci::archive::PackOptions;
use cldoci::options::CaseCollisions;
use cldoci::{Kind, Operation, Phase};

use super::tree::{layer, names, options, os, packed, packed_by, tar, write};

use crate::harness::child::passed_as_nobody;

pub(crate) fn make_fifo(path: &Path) {
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
}

#[test]
fn b_04_special_files_are_named_and_nothing_hangs() {
    for (make, what) in [
        (make_fifo as fn(&Path), "is a FIFO"),
        (|path: &Path| drop(UnixListener::bind(path).unwrap()), "is a socket"),
    ] {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("d")).unwrap();
        make(&root.path().join("d/x"));
        let error = packed(root.path(), &options()).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsafe);
        assert!(error.message().starts_with(&format!("d/x: {what}")), "{error}");
        // It may lie there where it is left out, also as the ignore file itself.
        write(root.path(), ".cldignore", b"/d/x\n", 0o644);
        assert_eq!(names(&layer(root.path(), &options())), [".cldignore", "d/"]);
        std::fs::remove_file(root.path().join(".cldignore")).unwrap();
        make(&root.path().join(".cldignore"));
        assert_eq!(
            packed(root.path(), &options()).unwrap_err().message().split(':').next(),
            Some(".cldignore")
        );
    }
}

#[test]
fn b_04_devices_are_named() {
    // One that a link leads to, where links are followed.
    let root = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/null", root.path().join("d")).unwrap();
    let follow = PackOptions { links: cldoci::options::Links::Follow, ..options() };
    let error = packed(root.path(), &follow).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe);
    assert_eq!(error.message(), "d: is a device, which can't be packed");
    // One in the tree, where it may be made.
    std::fs::remove_file(root.path().join("d")).unwrap();
    for kind in [rustix::fs::FileType::CharacterDevice, rustix::fs::FileType::BlockDevice] {
        let path = root.path().join("d");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        // Numbers that no driver has: it must not be opened.
        match rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, rustix::fs::makedev(240, 77)) {
            Ok(()) => {
                let error = packed(root.path(), &options()).unwrap_err();
                assert_eq!(error.kind(), Kind::Unsafe);
                assert_eq!(error.message(), "d: is a device, which can't be packed");
                std::fs::remove_file(&path).unwrap();
            }
            Err(error) => assert_eq!(error, rustix::io::Errno::PERM),
        }
    }
    write(root.path(), "d", b"", 0o644);
    assert_eq!(names(&layer(root.path(), &options())), ["d"]);
}

#[test]
fn b_04_unreadable_files_and_directories_are_named() {
    if passed_as_nobody() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "d/f", b"f", 0o644);
    assert!(packed(root.path(), &options()).is_ok());
    for (path, mode, named) in [("d/f", 0o200, "d/f"), ("d", 0o300, "d"), ("d", 0o600, "d/f")] {
        let path = root.path().join(path);
        let before = path.metadata().unwrap().permissions();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = packed(root.path(), &options()).unwrap_err();
        assert_eq!((error.kind(), error.errno()), (Kind::Unsafe, Some(13)));
        assert_eq!(error.message(), format!("{named}: Permission denied"));
        std::fs::set_permissions(&path, before).unwrap();
    }
}

#[test]
fn the_root_is_missing_or_no_directory() {
    let root = tempfile::tempdir().unwrap();
    let error = packed(&root.path().join("gone"), &options()).unwrap_err();
    assert_eq!((error.kind(), error.errno()), (Kind::Io, Some(2)));
    assert!(error.message().contains("gone: No such file or directory"), "{error}");
    write(root.path(), "f", b"", 0o644);
    assert_eq!(packed(&root.path().join("f"), &options()).unwrap_err().errno(), Some(20));
}

#[test]
fn b_05_hard_links_and_names_that_are_no_text() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "one", b"same", 0o644);
    std::fs::hard_link(root.path().join("one"), root.path().join("two")).unwrap();
    std::fs::write(root.path().join(os(b"\xff\xfe")), b"bytes").unwrap();
    std::fs::write(root.path().join(os(&[0xf0; 120])), b"more").unwrap();
    let layer = layer(root.path(), &options());
    let tar = tar(&layer);
    let mut archive = tar::Archive::new(tar.as_slice());
    let found: Vec<_> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.path_bytes().into_owned(), entry.header().entry_type(), entry.size())
        })
        .collect();
    let file = tar::EntryType::Regular;
    assert_eq!(
        found,
        [
            (b"one".to_vec(), file, 4),
            (b"two".to_vec(), file, 4),
            (vec![0xf0; 120], file, 4),
            (b"\xff\xfe".to_vec(), file, 5)
        ]
    );
}

#[test]
fn b_05_the_limit_counts_the_apparent_size() {
    let root = tempfile::tempdir().unwrap();
    File::create(root.path().join("sparse")).unwrap().set_len(1 << 40).unwrap();
    let start = std::time::Instant::now();
    let error = packed(root.path(), &options()).unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
    assert!(error.message().starts_with("sparse: "), "{error}");
    assert!(error.message().contains("option max_unpacked_bytes"), "{error}");
    assert!(start.elapsed().as_secs() < 5);
    // Exactly at the limit is fine.
    write(root.path(), "sparse", b"x", 0o644);
    assert!(packed(root.path(), &PackOptions { max_bytes: 513, ..options() }).is_ok());
    let error = packed(root.path(), &PackOptions { max_bytes: 512, ..options() }).unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
    assert!(error.message().contains("option max_unpacked_bytes"), "{error}");
}

#[test]
fn b_07_names_that_collide_elsewhere() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "d/File", b"", 0o644);
    write(root.path(), "d/other", b"", 0o644);
    let with = |case_collisions| PackOptions { case_collisions, ..options() };
    assert!(packed(root.path(), &with(CaseCollisions::Error)).is_ok());
    write(root.path(), "d/file", b"", 0o644);
    let error = packed(root.path(), &with(CaseCollisions::Error)).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe);
    assert!(error.message().starts_with("d: 'File' and 'file' are the same name"), "{error}");
    for (policy, warnings) in [(CaseCollisions::Warn, 1), (CaseCollisions::Ignore, 0)] {
        let operation = Operation::new();
        packed_by(root.path(), &with(policy), &operation).unwrap();
        assert_eq!(operation.warnings().len(), warnings);
    }
    // What is left out can't collide.
    write(root.path(), ".cldignore", b"/d/file\n", 0o644);
    assert!(packed(root.path(), &with(CaseCollisions::Error)).is_ok());
}

#[test]
fn b_09_a_tree_of_depth_1000_with_few_descriptors() {
    let root = tempfile::tempdir().unwrap();
    // Its path is longer than the system takes in one piece, so it is made step by step.
    let mut at =
        rustix::fs::open(root.path(), rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty()).unwrap();
    for _ in 0..1000 {
        rustix::fs::mkdirat(&at, "directory", rustix::fs::Mode::RWXU).unwrap();
        at = rustix::fs::openat(&at, "directory", rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty())
            .unwrap();
    }
    rustix::fs::symlinkat("../..", &at, "up").unwrap();
    let (layer, packed) = packed(root.path(), &options()).unwrap();
    assert_eq!(packed.entries, 1001);
    let names = names(&layer);
    assert_eq!(names[999].len(), 10_000);
    assert_eq!(names[1000].len(), 10_000 + "up@../..".len());
}

fn many_files(directory: &Path, count: usize) {
    for n in 0..count {
        File::create(directory.join(format!("{n:x}"))).unwrap();
    }
}

/// Bytes of this process that were resident at most.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

/// Memory grows with the largest directory, not with the tree. Run it alone: it measures the process.
#[test]
#[ignore = "takes a minute: a million files"]
fn b_09_a_million_files_in_bounded_memory() {
    let root =
        tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" }).unwrap();
    for n in 0..200 {
        let directory = root.path().join(n.to_string());
        std::fs::create_dir(&directory).unwrap();
        many_files(&directory, 5000);
    }
    let mut size = 0_u64;
    struct Count<'a>(&'a mut u64);
    impl std::io::Write for Count<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            *self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let packed =
        cldoci::archive::pack(root.path(), &options(), &Operation::new(), &mut Count(&mut size)).unwrap();
    assert_eq!(packed.entries, 1_000_200);
    assert!(size > 1 << 20);
    assert!(peak() < 32 << 20, "{} bytes", peak());
}

#[test]
fn b_09_a_directory_of_many_files() {
    let root =
        tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" }).unwrap();
    many_files(root.path(), 20_000);
    let operation = Operation::new();
    let (layer, packed) = packed_by(root.path(), &options(), &operation).unwrap();
    assert_eq!((packed.entries, operation.progress().entries_done), (20_000, 20_000));
    assert_eq!(operation.progress().phase, Phase::Packing);
    let names = names(&layer);
    assert!(names.is_sorted() && names.len() == 20_000);
}

#[test]
fn what_is_left_out_is_reported_within_bounds() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..1500 {
        write(root.path(), &format!("{n:04}.log"), b"", 0o644);
    }
    write(root.path(), ".env", b"secret", 0o644);
    write(root.path(), ".git/HEAD", b"", 0o644);
    write(root.path(), ".cldignore", b"*.log\n!.env\n", 0o644);
    let cldctl = PackOptions { profile: cldoci::oci::Profile::Cldctl, ..options() };
    let (layer, packed) = packed(root.path(), &cldctl).unwrap();
    assert_eq!(names(&layer), [".cldignore", ".env"]);
    assert_eq!((packed.left_out_total, packed.left_out.len()), (1501, 1000));
    assert_eq!(packed.left_out[0].path, Path::new(".git"));
    assert_eq!(packed.left_out[0].reason, "profile cldctl: names that begin with a dot");
    assert_eq!(packed.left_out[1].reason, ".cldignore: *.log");
}

#[test]
fn q130_an_ignore_file_may_be_a_link_to_a_file() {
    let root = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    write(elsewhere.path(), "rules", b"*.log\n.cldignore\n", 0o644);
    write(root.path(), "a.log", b"", 0o644);
    write(root.path(), "b", b"", 0o644);
    let link = root.path().join(".cldignore");
    std::os::unix::fs::symlink(elsewhere.path().join("rules"), &link).unwrap();
    assert_eq!(names(&layer(root.path(), &options())), ["b"]);
    // What a line says stays where it is.
    write(elsewhere.path(), "rules", b"ok\ntoken=[z-a]\n", 0o644);
    let error = packed(root.path(), &options()).unwrap_err();
    assert!(error.message().contains("line 2") && !error.message().contains("token"), "{error}");
    for target in ["absent", ".", "/dev/null"] {
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(target, &link).unwrap();
        let error = packed(root.path(), &options()).unwrap_err();
        assert!(
            error.kind() == Kind::Unsafe && error.message().starts_with(".cldignore"),
            "{target}: {error}"
        );
    }
}

#[test]
fn a_build_refuses_what_a_pull_would() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("d/d/d")).unwrap();
    write(root.path(), "d/d/file", b"", 0o644);
    std::os::unix::fs::symlink("d/d/file", root.path().join("link")).unwrap();
    let refused = |options: PackOptions, path: &str, option: &str| {
        let error = packed(root.path(), &options).unwrap_err();
        assert_eq!(error.kind(), Kind::Limit, "{error}");
        assert!(
            error.message().starts_with(&format!("{path}: ")) && error.message().contains(option),
            "{error}"
        );
    };
    // The last directory's name has a slash in the archive.
    let fits = PackOptions { max_depth: 3, max_path_bytes: 8, max_link_bytes: 8, ..options() };
    packed(root.path(), &fits).unwrap();
    refused(PackOptions { max_depth: 2, ..fits.clone() }, "d/d/d", "max_depth 2");
    refused(PackOptions { max_path_bytes: 7, ..fits.clone() }, "d/d/file", "max_path_bytes 7");
    refused(PackOptions { max_path_bytes: 5, ..fits.clone() }, "d/d/d", "max_path_bytes 5");
    refused(PackOptions { max_link_bytes: 7, ..fits }, "link", "max_link_bytes 7");
}
