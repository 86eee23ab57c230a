//! A disk that is full for real: small file systems in memory, mounted where only a child process sees them.

use std::fs::File;
use std::process::Command;

use rustix::fs::statvfs;
use rustix::io::Errno;

use cldoci::Kind;

use super::*;
use crate::harness::api::c_api::CApi;
use crate::harness::api::{Api, Failure, Report};
use crate::harness::child::one;
use crate::harness::ours::layout as at;
use crate::harness::registry::Registry;

const ROOM: &str = "CLDOCI_TEST_ROOM";
/// The directory on which the small file system is mounted.
const SMALL: &str = "small";

/// Runs a child of this file in `room`, where `small` has a file system of its own with these options.
fn with_small_disk(room: &Path, child: &str, options: &str) {
    let small = room.join(SMALL);
    fs::create_dir(&small).unwrap();
    let user: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["-Ur"] };
    let script = r#"mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@""#;
    let output = Command::new("unshare")
        .args(user)
        .args(["-m", "sh", "-c", script, "sh", options])
        .arg(&small)
        .args(one(module_path!(), child))
        .env(ROOM, room)
        .env("TMPDIR", room)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{child}: {said}");
    // The mount went with the child's namespace.
    assert!(names(&small).is_empty());
}

/// Free blocks and inodes: what a failed verb gives back.
fn room_left(at: &Path) -> (u64, u64) {
    let now = statvfs(at).unwrap();
    (now.f_bfree, now.f_ffree)
}

/// An error of the system's, in one line that names the path and says why.
fn is_full<T>(result: cldoci::Result<T>, errno: Errno, named: &str) {
    let error = result.map(drop).unwrap_err();
    assert_eq!((error.kind(), error.errno()), (Kind::Io, Some(errno.raw_os_error())), "{error}");
    let words = std::io::Error::from(errno).to_string();
    let words = words.split(" (os error").next().unwrap();
    let message = error.message();
    assert!(message.contains(words) && message.contains(named) && !message.contains('\n'), "{message}");
}

/// 4 MiB that no compressor makes smaller, and a version.
fn large_tree(at: &Path) {
    tree(at, "large");
    let mut random = Random(11);
    let noise: Vec<u8> = std::iter::repeat_with(|| random.below(256) as u8).take(4 << 20).collect();
    fs::write(at.join("large"), noise).unwrap();
}

fn room() -> Option<PathBuf> {
    std::env::var_os(ROOM).map(PathBuf::from)
}

#[test]
fn f_09_a_full_disk() {
    let room = tempfile::tempdir().unwrap();
    with_small_disk(room.path(), "child_with_a_full_disk", "size=3m,mode=700");
}

#[test]
#[ignore = "another test runs it as a process of its own"]
fn child_with_a_full_disk() {
    let Some(room) = room() else { return };
    let (small, big) = (room.join(SMALL), room.join("big"));
    let (light, heavy) = (room.join("light"), room.join("heavy"));
    tree(&light, "light");
    large_tree(&heavy);
    every_verb_meets_it(&room, &small, &big, &light, &heavy, Errno::NOSPC);
    through_c(&small, &light, &heavy, &at(&room.join("layout"), "much"));

    // Pull where the store is full: it has room at its destination, so it goes on without the store.
    let server = Registry::start();
    let reference = format!("{}/app:v1", server.host());
    let with_big_store = ours(&big);
    let huge = room.join("huge");
    large_tree(&huge);
    let mut random = Random(13);
    let noise: Vec<u8> = std::iter::repeat_with(|| random.below(256) as u8).take(17 << 20).collect();
    fs::write(huge.join("noise"), noise).unwrap();
    with_big_store.push(&with_big_store.build(&huge).unwrap().artifact(), &reference).unwrap();
    for cache in ["false", "true"] {
        let small_store = Ours::setting(|options| {
            options.set_path("store", small.join("store")).unwrap();
            options.set("cache", cache).unwrap();
            // However fast this machine is, it is written down.
            options.set("resume_after_ms", "0").unwrap();
        });
        let into = room.join(format!("pulled-{cache}"));
        small_store.pull(&reference, &into).unwrap();
        assert_eq!(snapshot(&into), snapshot(&huge));
        drop(small_store);
        assert!(names(&small.join("store/partial")).is_empty(), "what can't be kept is not kept");
        assert!(room_left(&small).0 > 500, "{:?}", room_left(&small));
    }
}

/// build, push, save_layer and pull, each where there is no room: an error, all as before, and what it wrote
/// is gone; then the same with less.
fn every_verb_meets_it(room: &Path, small: &Path, big: &Path, light: &Path, heavy: &Path, errno: Errno) {
    let on = |name: &str| small.join(name);
    let ours = ours(big);
    let (little, much) = (ours.build(light).unwrap().artifact(), ours.build(heavy).unwrap().artifact());

    // build, whose layer is spooled into the store.
    {
        let cramped = super::ours(&on("store"));
        cramped.build(light).unwrap();
        let before = room_left(small);
        is_full(cramped.build(heavy), errno, &on("store").display().to_string());
        assert_eq!(room_left(small), before);
        assert_eq!(cramped.build(light).unwrap().artifact().digest, little.digest);
    }
    fs::remove_dir_all(on("store")).unwrap();

    // push into a layout.
    ours.push(&little, &at(&on("layout"), "v1")).unwrap();
    let (before, left) = (snapshot(&on("layout")), room_left(small));
    is_full(ours.push(&much, &at(&on("layout"), "v1")), errno, &on("layout").display().to_string());
    assert_eq!((snapshot(&on("layout")), room_left(small)), (before, left));
    assert_eq!(whole(&on("layout"))["v1"], little.digest.to_string());
    ours.push(&little, &at(&on("layout"), "v2")).unwrap();
    fs::remove_dir_all(on("layout")).unwrap();

    // save_layer, into a file of the caller's.
    is_full(ours.read_layer(&much, 0, Some(File::create(on("file")).unwrap())), errno, "");
    fs::remove_file(on("file")).unwrap();
    ours.read_layer(&little, 0, Some(File::create(on("file")).unwrap())).unwrap();
    assert_eq!(Digest::of(&fs::read(on("file")).unwrap()), little.layers[0].descriptor.digest);
    fs::remove_file(on("file")).unwrap();

    // pull: into nothing, over a tree, and into one.
    let (from_little, from_much) = (at(&room.join("layout"), "little"), at(&room.join("layout"), "much"));
    ours.push(&little, &from_little).unwrap();
    ours.push(&much, &from_much).unwrap();
    let left = room_left(small);
    is_full(ours.pull(&from_much, &on("new")), errno, "entry '");
    assert_eq!((names(small), room_left(small)), (vec![], left));
    ours.pull(&from_little, &on("old")).unwrap();
    let (before, left) = (snapshot(&on("old")), room_left(small));
    for existing in ["replace", "merge"] {
        is_full(ours.given(&[("existing", existing)]).pull(&from_much, &on("old")), errno, "entry '");
        assert_eq!((snapshot(&on("old")), names(small)), (before.clone(), vec!["old".to_owned()]));
        assert_eq!(room_left(small), left);
    }
    fs::remove_dir_all(on("old")).unwrap();
}

/// A C program is told the same.
fn through_c(small: &Path, light: &Path, heavy: &Path, much: &str) {
    let store = small.join("store");
    let api = CApi::client(&[("store", store.to_str().unwrap()), ("environment", "false")]).unwrap();
    api.build(light, "component", b"{}", &[]).unwrap();
    let left = room_left(small);
    let full = |outcome: Result<Report<CApi>, Failure>, named: &str| {
        let failure = outcome.map(drop).unwrap_err();
        let message = &failure.message;
        assert_eq!(failure.kind, "IO", "{message}");
        assert!(message.contains(named) && message.contains("No space left on device"), "{message}");
        assert_eq!(room_left(small), left);
    };
    full(api.build(heavy, "component", b"{}", &[]), store.to_str().unwrap());
    full(api.pull(much, &small.join("new"), &[]), "entry '");
    assert_eq!(names(small), ["store"]);
    drop(api);
    fs::remove_dir_all(store).unwrap();
}

#[test]
fn f_09_no_inodes_left() {
    let room = tempfile::tempdir().unwrap();
    with_small_disk(room.path(), "child_without_inodes", "size=64m,nr_inodes=24,mode=700");
}

#[test]
#[ignore = "another test runs it as a process of its own"]
fn child_without_inodes() {
    let Some(room) = room() else { return };
    let (small, big) = (room.join(SMALL), room.join("big"));
    let (light, heavy) = (room.join("light"), room.join("heavy"));
    tree(&light, "light");
    tree(&heavy, "heavy");
    for n in 0..30 {
        fs::write(heavy.join(format!("small-{n}")), "x").unwrap();
    }
    let ours = ours(&big);
    let (from_light, from_heavy) = (at(&room.join("layout"), "light"), at(&room.join("layout"), "heavy"));
    ours.push(&ours.build(&light).unwrap().artifact(), &from_light).unwrap();
    ours.push(&ours.build(&heavy).unwrap().artifact(), &from_heavy).unwrap();
    let left = room_left(&small);
    is_full(ours.pull(&from_heavy, &small.join("new")), Errno::NOSPC, "small-");
    assert_eq!((names(&small), room_left(&small)), (vec![], left));
    ours.pull(&from_light, &small.join("new")).unwrap();

    // With a store that can't take a single file more, a pull goes on without it, and a build can't.
    fs::remove_dir_all(small.join("new")).unwrap();
    let server = Registry::start();
    let reference = format!("{}/app:v1", server.host());
    ours.push(&ours.build(&heavy).unwrap().artifact(), &reference).unwrap();
    let cramped = Ours::setting(|options| {
        options.set_path("store", small.join("store")).unwrap();
        options.set("cache", "true").unwrap();
    });
    cramped.build(&light).unwrap();
    let mut fill = 0;
    while File::create(small.join(format!("fill-{fill}"))).is_ok() {
        fill += 1;
    }
    is_full(cramped.build(&light), Errno::NOSPC, "store");
    cramped.pull(&reference, &room.join("pulled")).unwrap();
    assert_eq!(snapshot(&room.join("pulled")), snapshot(&heavy));
}
