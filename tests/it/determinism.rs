//! One tree, one digest: on every file system, with any number of threads, in any directory, made in any order,
//! under any umask, on any day. And what does change the content changes the digest.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use cldoci::options::{Environment, Options};
use tempfile::TempDir;

use crate::harness::child;
use crate::harness::ours::{Ours, layout};
use crate::harness::trees::tree;

fn digest(directory: &Path) -> String {
    Ours::new().build(directory).unwrap().digest()
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
        let built = Ours::new().given(&[("threads", threads)]).build(&source).unwrap();
        assert_eq!(built.digest(), first, "{threads} threads");
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

const TREE: &str = "CLDOCI_TEST_TREE";

/// Locale, time zone, umask, few descriptors and fewer cores than there are: this test, run as a program of
/// its own.
#[test]
fn b_06_locale_time_zone_umask_and_cores_do_not_matter() {
    if let Some(tree) = std::env::var_os(TREE) {
        println!("\ndigest {}", digest(Path::new(&tree)));
        return;
    }
    let room = TempDir::new().unwrap();
    let source = made(room.path(), "source");
    let first = digest(&source);
    for (script, variables) in [
        ("umask 077; exec \"$@\"", &[("LC_ALL", "C"), ("TZ", "UTC")][..]),
        (
            "umask 0; exec \"$@\"",
            &[("LC_ALL", "tr_TR.UTF-8"), ("LANG", "tr_TR"), ("TZ", "Pacific/Kiritimati")],
        ),
        ("ulimit -n 64; exec taskset -c 0 \"$@\"", &[("LC_COLLATE", "de_DE.ISO-8859-1"), ("TZ", "")]),
    ] {
        let output = Command::new("/bin/sh")
            .args(["-c", script, "sh"])
            .args(child::one(module_path!(), "b_06_locale_time_zone_umask_and_cores_do_not_matter"))
            .env(TREE, &source)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let found =
            said.lines().find_map(|line| line.strip_prefix("digest ")).unwrap_or_else(|| panic!("{said}"));
        assert_eq!(found, first, "{script} {variables:?}");
    }
}

/// The store, the directory that serves where there is none, and the layout that it is for.
#[test]
fn b_08_what_the_library_writes_inside_the_tree_is_left_out() {
    let room = TempDir::new().unwrap();
    let source = made(room.path(), "source");
    for directory in ["tmp", "out"] {
        fs::create_dir(source.join(directory)).unwrap();
    }
    let first = digest(&source);
    for store in ["in", "off"] {
        let mut options = Options::new();
        match store {
            "off" => options.set("store", "off").unwrap(),
            _ => options.set_path("store", source.join("store")).unwrap(),
        }
        let environment = Environment::of([("TMPDIR", source.join("tmp"))]);
        let ours = Ours::of(options, environment).unwrap();
        let place = layout(&source.join("out/layout"), "v1");
        for round in 0..2 {
            let built = ours.build(&source).unwrap();
            // The layout is there since the first round, and a build that is for no place packs it.
            let same = built.digest() == first;
            assert_eq!(same, round == 0, "store {store}, round {round}");
            let pushed = ours.build_and_push(&source, &place).unwrap();
            assert_eq!(pushed.digest(), first, "store {store}, round {round}");
            let mut left_out: Vec<_> = pushed.left_out.iter().map(|left| left.path.clone()).collect();
            left_out.retain(|path| !path.starts_with("tmp"));
            let wanted: &[&str] = match (store, round) {
                ("in", 0) => &["store"],
                ("in", _) => &["out/layout", "store"],
                (_, 0) => &[],
                _ => &["out/layout"],
            };
            assert_eq!(left_out, wanted.iter().map(Path::new).collect::<Vec<_>>());
            let private = pushed.left_out.iter().filter(|left| left.path.starts_with("tmp")).count();
            assert_eq!(private, usize::from(store == "off"));
            assert!(pushed.left_out.iter().all(|left| left.reason == "the store or a layout in use"));
            // With the option it is left out of any build.
            let built = ours.given(&[("leave_out", "out/layout")]).build(&source).unwrap();
            assert_eq!(built.digest(), first);
        }
        drop(ours);
        fs::remove_dir_all(source.join("out/layout")).unwrap();
        let _ = fs::remove_dir_all(source.join("store"));
        assert_eq!(digest(&source), first, "nothing is left in {:?}", source.join("tmp"));
    }
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
