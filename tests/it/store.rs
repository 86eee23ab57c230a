//! The store: where it is, what it keeps, and what happens when it is deleted, full, or left by the dead.

mod planted;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use cldoci::Kind;
use cldoci::oci::{Descriptor, Digest};
use cldoci::options::{Environment, Options, Settings};
use cldoci::store::{Layout, PublishRecord, Spool, Store, UploadSession, boot_id};

use crate::harness::child;
use crate::harness::ours::call_with;
use crate::harness::servers::strict;

fn settings(store: Option<&Path>, environment: &[(&str, &Path)]) -> Settings {
    let mut options = Options::new();
    if let Some(store) = store {
        options.set_path("store", store).unwrap();
    }
    Settings::for_client(&options, Environment::of(environment.iter().copied())).unwrap()
}

fn opened(store: Option<&Path>, environment: &[(&str, &Path)]) -> Option<Store> {
    Store::open(&settings(store, environment)).unwrap()
}

fn spool(store: &Store, bytes: &[u8]) -> Spool {
    let mut writer = store.spool().unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn content(spool: &Spool) -> Vec<u8> {
    let mut bytes = Vec::new();
    spool.open().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn keep(store: &Store, bytes: &[u8]) -> Descriptor {
    let blob = Descriptor::of("a/b", bytes);
    let mut writer = store.create_blob(&blob).unwrap();
    writer.write_all(bytes).unwrap();
    writer.commit().unwrap();
    blob
}

/// Every path below a directory with its permissions.
fn tree(path: &Path, found: &mut BTreeMap<PathBuf, u32>) {
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let data = entry.metadata().unwrap();
        found.insert(entry.path(), data.permissions().mode() & 0o7777);
        if data.is_dir() {
            tree(&entry.path(), found);
        }
    }
}

#[test]
fn it_is_where_the_option_or_the_environment_says_or_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (xdg, home, tmp) = (at("xdg"), at("home"), at("tmp"));
    fs::create_dir(&tmp).unwrap();
    let environment = [("XDG_CACHE_HOME", xdg.as_path()), ("HOME", &home), ("TMPDIR", &tmp)];
    let path = |store: Option<Store>| store.unwrap().path().to_owned();
    assert_eq!(path(opened(Some(&at("own/store")), &environment)), at("own/store"));
    assert!(at("own/store").is_dir() && !xdg.exists());
    assert!(opened(Some(Path::new("off")), &environment).is_none());
    assert_eq!(path(opened(None, &environment)), xdg.join("cldoci"));
    assert_eq!(path(opened(None, &environment[1..])), home.join(".cache/cldoci"));
    let variable = at("variable");
    let own = [("CLDOCI_STORE", variable.as_path()), environment[0]];
    assert_eq!(path(opened(None, &own)), at("variable"));
    // A place that was named and can't be had is an error; a usual one is passed over.
    fs::write(at("file"), "").unwrap();
    let error = Store::open(&settings(Some(&at("file")), &environment)).unwrap_err();
    assert!(error.message().contains("option store"), "{error}");
    let store = opened(None, &[("XDG_CACHE_HOME", &at("file")), ("TMPDIR", &tmp)]).unwrap();
    assert!(store.path().starts_with(&tmp));
}

#[test]
fn a_private_temporary_one_goes_with_its_last_handle() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    fs::create_dir(&home).unwrap();
    let environment = [("HOME", home.as_path()), ("TMPDIR", dir.path())];
    if rustix::process::geteuid().is_root() {
        // Another user's: nothing is put there.
        chown(&home, Some(4711), None).unwrap();
    } else {
        fs::set_permissions(&home, fs::Permissions::from_mode(0o500)).unwrap();
    }
    let store = Store::open(&settings(None, &environment)).unwrap().unwrap();
    let path = store.path().to_owned();
    assert_eq!(path.parent(), Some(dir.path()));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let blob = keep(&store, b"kept");
    let (other, spooled) = (store.clone(), spool(&store, b"spooled"));
    drop(store);
    assert!(other.open_blob(&blob).unwrap().is_some());
    assert_eq!(content(&spooled), b"spooled");
    drop(spooled);
    drop(other);
    assert!(!path.exists());
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
}

#[test]
fn a_spool_lives_as_long_as_its_handle_and_costs_no_descriptor() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(dir.path()).unwrap();
    let descriptors = || {
        let open =
            fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
        open.filter(|target| target.starts_with(dir.path())).count()
    };
    let spools: Vec<_> = (0..1000u32).map(|n| spool(&store, &n.to_le_bytes())).collect();
    assert!(descriptors() <= 2, "{}", descriptors());
    for (n, spool) in (0u32..).zip(&spools) {
        assert_eq!(content(spool), n.to_le_bytes());
        assert_eq!((spool.digest(), spool.size()), (&Digest::of(&n.to_le_bytes()), 4));
    }
    let mut files = BTreeMap::new();
    tree(dir.path(), &mut files);
    drop(spools);
    let mut left = BTreeMap::new();
    tree(dir.path(), &mut left);
    assert_eq!(files.len() - left.len(), 1000);
    // One that is not finished goes too.
    store.spool().unwrap().write_all(b"x").unwrap();
    let mut after = BTreeMap::new();
    tree(dir.path(), &mut after);
    assert_eq!(left, after);
    drop(store);
    assert_eq!(fs::read_dir(dir.path().join("spool")).unwrap().count(), 0);
}

#[test]
fn nobody_else_can_read_it_and_no_child_inherits_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(&dir.path().join("store")).unwrap();
    keep(&store, b"kept");
    let partial_of = Descriptor::of("a/b", b"partial");
    let mut partial = store.partial(&partial_of).unwrap().unwrap();
    partial.write_all(b"part").unwrap();
    let mut writer = store.spool().unwrap();
    writer.write_all(b"spooled").unwrap();
    store.save_upload_session("key", &UploadSession::new("https://r.test/u", 1)).unwrap();
    let layout = Layout::create(&dir.path().join("layout"), &call_with(&[])).unwrap();
    let _layout_writer = layout.begin().unwrap();
    let mut found = BTreeMap::new();
    tree(store.path(), &mut found);
    assert!(found.len() >= 10, "{found:?}");
    for (path, mode) in found {
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
    let mut seen = 0;
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let entry = entry.unwrap();
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        if target.starts_with(dir.path()) {
            let info = fs::read_to_string(Path::new("/proc/self/fdinfo").join(entry.file_name())).unwrap();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
            assert!(u32::from_str_radix(flags, 8).unwrap() & 0o2000000 != 0, "{}", target.display());
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn a_kept_blob_is_verified_when_written_and_absent_when_its_size_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(dir.path()).unwrap();
    let blob = Descriptor::of("a/b", b"content");
    for (bytes, kind) in [(&b"conten"[..], Kind::Size), (b"comtent", Kind::Digest)] {
        let mut writer = store.create_blob(&blob).unwrap();
        writer.write_all(bytes).unwrap();
        assert_eq!(writer.commit().unwrap_err().kind(), kind);
        assert!(store.open_blob(&blob).unwrap().is_none());
    }
    keep(&store, b"content");
    assert!(store.open_blob(&blob).unwrap().is_some());
    let path = dir.path().join("blobs/sha256").join(blob.digest.hex());
    fs::write(&path, "torn").unwrap();
    assert!(store.open_blob(&blob).unwrap().is_none());
    keep(&store, b"content");
    assert_eq!(fs::read(&path).unwrap(), b"content");
}

/// F-20 for the store: deleted again and again under everything that uses it, it costs and never fails.
#[test]
fn deleted_during_work_it_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let (done, deletions, rounds) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let deleter = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::SeqCst) {
                // One that does nothing but delete is faster than any work: it deletes once in a few rounds,
                // at whatever moment of the next.
                let now = rounds.load(Ordering::SeqCst);
                if now < seen + 3 {
                    std::thread::yield_now();
                    continue;
                }
                seen = now;
                let _ = fs::remove_dir_all(&path);
                deletions.fetch_add(1, Ordering::SeqCst);
            }
        });
        let workers: Vec<_> = (0..2u32)
            .map(|worker| {
                let (path, deletions, rounds) = (&path, &deletions, &rounds);
                scope.spawn(move || {
                    let store = Store::at(path).unwrap();
                    for round in 0u32.. {
                        if round >= 100 && deletions.load(Ordering::SeqCst) >= 20 {
                            break;
                        }
                        let bytes = [worker.to_le_bytes(), round.to_le_bytes()].concat();
                        let spooled = spool(&store, &bytes);
                        assert_eq!(spooled.digest(), &Digest::of(&bytes));
                        // Its bytes are there, or the error says why they are not.
                        if let Err(error) = spooled.open() {
                            assert_eq!(error.kind(), Kind::NotFound);
                            assert!(error.message().contains("build again"), "{error}");
                        }
                        let blob = keep(&store, &bytes);
                        store.open_blob(&blob).unwrap();
                        if let Some(mut partial) = store.partial(&blob).unwrap() {
                            partial.write_all(&bytes).unwrap();
                            partial.finish(round % 2 == 0).unwrap();
                        }
                        store.save_upload_session("key", &UploadSession::new("https://r.test/u", 1)).unwrap();
                        store.upload_session("key").unwrap();
                        let record = PublishRecord {
                            device: 1,
                            inode: 2,
                            manifest: blob.digest.clone(),
                            fingerprint: blob.digest,
                            durable: false,
                            extraction: String::new(),
                            others: false,
                            since: None,
                            noted: 0,
                            exact: true,
                            boot_id: boot_id(),
                        };
                        store.set_published(Path::new("/x"), &record).unwrap();
                        store.published(Path::new("/x")).unwrap();
                        store.forget_published(Path::new("/x")).unwrap();
                        store.identity().unwrap();
                        rounds.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let results: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        done.store(true, Ordering::SeqCst);
        deleter.join().unwrap();
        for result in results {
            result.unwrap();
        }
    });
}

/// F-20 for the layout: its removal during a push is an error, and the same push then succeeds.
#[test]
fn a_layout_removed_during_a_push_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("layout");
    let blob = Descriptor::of("a/b", b"content");
    for remove in [true, false] {
        let layout = Layout::create(&path, &call_with(&[])).unwrap();
        let writer = layout.begin().unwrap();
        let mut blob_writer = writer.create_blob(&blob).unwrap();
        blob_writer.write_all(b"content").unwrap();
        if remove {
            fs::remove_dir_all(&path).unwrap();
            assert_eq!(blob_writer.commit().unwrap_err().kind(), Kind::Io);
            assert_eq!(writer.add_bytes(&blob, b"content").unwrap_err().kind(), Kind::Io);
        } else {
            blob_writer.commit().unwrap();
            assert!(layout.has_blob(&blob).unwrap());
        }
    }
}

const PLACE: &str = "CLDOCI_TEST_PLACE";

/// The child: spools into a private temporary store, and waits to be killed.
#[test]
#[ignore = "the other tests here run it as a process of its own"]
fn child_that_waits() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let store = Store::temporary(&settings(None, &[("TMPDIR", Path::new(&place))])).unwrap();
    let _spool = spool(&store, b"left over");
    println!("\nready");
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn what_a_killed_process_left_in_the_temporary_directory_is_collected_and_a_living_ones_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let mut child = child::command(module_path!(), "child_that_waits")
            .env(PLACE, dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while lines.next().unwrap().unwrap() != "ready" {}
        (child, lines)
    };
    let count = || fs::read_dir(dir.path()).unwrap().count();
    let ((mut dead, _), (mut living, _rest)) = (start(), start());
    fs::create_dir(dir.path().join("cldoci-of-somebody")).unwrap();
    dead.kill().unwrap();
    dead.wait().unwrap();
    assert_eq!(count(), 3);
    let store = Store::temporary(&settings(None, &[("TMPDIR", dir.path())])).unwrap();
    assert_eq!(count(), 3);
    drop(store);
    assert_eq!(count(), 2);
    drop(living.stdin.take());
    assert!(living.wait().unwrap().success());
    assert_eq!(count(), 1);
}

/// The child: a disk of 8 MiB and 200 files.
#[test]
#[ignore = "the other tests here run it as a process of its own"]
fn child_on_a_small_disk() {
    const FULL: Option<i32> = Some(28);
    let Some(place) = std::env::var_os(PLACE) else { return };
    let place = Path::new(&place);
    let (large, small) = (vec![1u8; 16 << 20], vec![2u8; 6 << 20]);
    let (large_blob, small_blob) = (Descriptor::of("a/b", &large), Descriptor::of("a/b", &small));
    let full = |error: std::io::Error| assert_eq!(cldoci::Error::io("x", error).errno(), FULL);
    // Each failure gives its space back, or the next success could not be.
    let layout = Layout::create(&place.join("layout"), &call_with(&[])).unwrap();
    let writer = layout.begin().unwrap();
    assert_eq!(writer.add_bytes(&large_blob, &large).unwrap_err().errno(), FULL);
    writer.add_bytes(&small_blob, &small).unwrap();
    assert_eq!(layout.read(&small_blob, small.len()).unwrap(), small);
    drop(writer);
    assert_eq!(layout.gc().unwrap().removed, 1);
    let store = Store::at(&place.join("store")).unwrap();
    let mut writer = store.spool().unwrap();
    full(writer.write_all(&large).unwrap_err());
    drop(writer);
    drop(spool(&store, &small));
    let mut partial = store.partial(&large_blob).unwrap().unwrap();
    full(partial.write_all(&large).unwrap_err());
    partial.discard().unwrap();
    let mut writer = store.create_blob(&large_blob).unwrap();
    full(writer.write_all(&large).unwrap_err());
    drop(writer);
    let kept = keep(&store, &small);
    assert!(store.open_blob(&kept).unwrap().is_some());
    // No inodes are left.
    let mut spools = Vec::new();
    let error = loop {
        match store.spool() {
            Ok(writer) => spools.push(writer.finish().unwrap()),
            Err(error) => break error,
        }
        assert!(spools.len() < 500);
    };
    assert_eq!(error.errno(), FULL);
    spools.clear();
    store.spool().unwrap();
    println!("\nheld");
}

#[test]
fn a_full_disk_is_an_error_and_its_space_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=8m,nr_inodes=200 none "$CLDOCI_TEST_PLACE" || exit 77; exec "$@""#;
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", script, "sh"])
        .args(child::one(module_path!(), "child_on_a_small_disk"))
        .env(PLACE, dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    if !text.contains("running 1 test") {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!strict(), "no small disk can be made: {why}");
        println!("left out: no small disk can be made here: {why}");
        return;
    }
    assert!(
        output.status.success() && text.contains("held"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
