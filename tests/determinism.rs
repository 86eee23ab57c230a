//! One tree, one digest: on every file system, with any number of threads, in any directory, made in any order,
//! under any umask, on any day. And what does change the content changes the digest.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

#[path = "common/workflow.rs"]
mod workflow;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use cldoci::config::Options;
use cldoci::oci::ArtifactKind;
use tempfile::TempDir;
use workflow::{Ours, tree};

fn digest(directory: &Path) -> String {
    Ours::new().build(directory).digest.to_string()
}

fn made(parent: &Path, name: &str) -> std::path::PathBuf {
    let at = parent.join(name);
    fs::create_dir(&at).unwrap();
    tree(&at);
    at
}

/// A shell command in `directory`, which must succeed.
fn shell(command: &str, directory: &Path) {
    assert!(Command::new("/bin/sh").args(["-c", command]).current_dir(directory).status().unwrap().success());
}

#[test]
fn the_place_does_not_matter() {
    let disk = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let memory = TempDir::new_in("/dev/shm").unwrap();
    let first = digest(&made(disk.path(), "first"));
    assert_eq!(digest(&made(memory.path(), "quite another name")), first);
    let nested = memory.path().join("a/b/c");
    fs::create_dir_all(&nested).unwrap();
    assert_eq!(digest(&made(&nested, "nested")), first);
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let room = TempDir::new().unwrap();
    let source = made(room.path(), "source");
    let first = digest(&source);
    for threads in ["1", "2", "7"] {
        let mut options = Options::new();
        options.set("threads", threads).unwrap();
        let artifact = Ours::new().build_with(&source, &ArtifactKind::Component, Some(&options));
        assert_eq!(artifact.digest.to_string(), first, "{threads} threads");
    }
}

#[test]
fn times_umask_and_order_do_not_matter() {
    let room = TempDir::new().unwrap();
    let source = made(room.path(), "source");
    let first = digest(&source);

    let file = fs::File::open(source.join("cld.yml")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    assert_eq!(digest(&source), first, "after another time");

    shell("umask 077; cp -R source private", room.path());
    assert_eq!(digest(&room.path().join("private")), first, "copied under umask 077");

    // The same entries, made from the last to the first.
    shell(
        "mkdir reversed; cd source; find . ! -name . | sort -r | cpio --quiet -pdm ../reversed 2>/dev/null || \
           (find . ! -name . | sort -r | tar --no-recursion -cf - -T - | tar -C ../reversed -xf -)",
        room.path(),
    );
    assert_eq!(digest(&room.path().join("reversed")), first, "made in the other order");
}

#[test]
fn content_names_and_the_executable_bit_do_matter() {
    let room = TempDir::new().unwrap();
    let first = digest(&made(room.path(), "source"));
    for (name, change) in [
        ("content", "echo more >>cld.yml"),
        ("name", "mv cld.yml cloud.yml"),
        ("executable", "chmod +x cld.yml"),
        ("link", "ln -sf nested config/default.yml"),
        ("empty directory", "rmdir void"),
    ] {
        let changed = made(room.path(), name);
        shell(change, &changed);
        assert_ne!(digest(&changed), first, "{name}");
    }
}
