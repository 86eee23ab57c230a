//! Many at once: processes that write one layout, garbage collection beside pushes, pulls into one directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use cldoci::Kind;

use super::child::Helper;
use super::{names, ours, peers_read, stamp, text, tree, two_versions, whole};
use crate::harness::evil::Act;
use crate::harness::ours::layout as at;
use crate::harness::registry::{Manners, Registry};
use crate::harness::trees::snapshot;

#[test]
fn eight_processes_build_and_push_into_one_layout() {
    let room = tempfile::tempdir().unwrap();
    let (layout, store) = (room.path().join("layout"), room.path().join("store"));
    // The layout and the store are not there yet: they also race to make them.
    let children: Vec<Helper> = (0..8)
        .map(|n| {
            let directory = room.path().join(format!("tree{n}"));
            Helper::start(
                room.path(),
                &["push", text(&store), text(&layout), text(&directory), &format!("p{n}"), "4"],
            )
        })
        .collect();
    let mut wanted = BTreeMap::new();
    let mut built = Vec::new();
    for (n, child) in children.into_iter().enumerate() {
        for said in child.finish() {
            if let Some(digest) = said.strip_prefix("pushed ") {
                wanted.insert(format!("p{n}"), digest.to_owned());
                built.push(digest.to_owned());
            }
        }
    }
    assert_eq!((wanted.len(), built.len()), (8, 32));
    let mut tags = whole(&layout);
    peers_read(&layout, &tags);
    assert!(built.contains(&tags.remove("moving").unwrap()));
    assert_eq!(tags, wanted);
    assert_eq!(names(&store.join("spool")).len(), 0);
}

#[test]
fn garbage_collection_beside_pushes_loses_nothing() {
    let room = tempfile::tempdir().unwrap();
    let layout = room.path().join("layout");
    let pushing = AtomicUsize::new(3);
    let collector = ours(&room.path().join("collectors-store"));
    let mut freed = 0;
    let (collections, collected) = (Mutex::new(0), Condvar::new());
    std::thread::scope(|scope| {
        for n in 0..3 {
            let (room, layout, pushing) = (room.path(), &layout, &pushing);
            let (collections, collected) = (&collections, &collected);
            scope.spawn(move || {
                // Whatever comes, the collector is to hear that this one is done.
                struct Done<'a>(&'a AtomicUsize);
                impl Drop for Done<'_> {
                    fn drop(&mut self) {
                        self.0.fetch_sub(1, Ordering::SeqCst);
                    }
                }
                let _done = Done(pushing);
                let directory = room.join(format!("tree{n}"));
                tree(&directory, "none");
                let ours = ours(&room.join(format!("store{n}")));
                for round in 0..15 {
                    stamp(&directory, &format!("{n}-{round}"));
                    let artifact = ours.build(&directory).unwrap().artifact();
                    ours.push(&artifact, &at(layout, &format!("g{n}-{round}"))).unwrap();
                    // What only a moved or deleted tag led to is garbage, but for what others share.
                    ours.push(&artifact, &at(layout, "moving")).unwrap();
                    if round % 3 == 2 {
                        ours.delete(&at(layout, &format!("g{n}-{}", round - 1))).unwrap();
                    }
                    if round % 5 == 4 {
                        // Three who push on and on may never leave the collector a gap, and whether they do is
                        // chance: each waits for it now and then, while the others push.
                        let done = collections.lock().unwrap();
                        let before = *done;
                        let long = Duration::from_secs(120);
                        let (_done, late) =
                            collected.wait_timeout_while(done, long, |now| *now == before).unwrap();
                        assert!(!late.timed_out(), "the collector never had its turn");
                    }
                }
            });
        }
        while pushing.load(Ordering::SeqCst) > 0 {
            if layout.join("oci-layout").exists() {
                freed += collector.collect_garbage(&at(&layout, "moving")).unwrap().size.unwrap();
                *collections.lock().unwrap() += 1;
                collected.notify_all();
            }
            std::thread::yield_now();
        }
    });
    let collections = collections.into_inner().unwrap();
    let tags = whole(&layout);
    for n in 0..3 {
        for round in 0..15 {
            let tag = format!("g{n}-{round}");
            assert_eq!(tags.contains_key(&tag), round % 3 != 1, "{tag}");
            if round % 3 != 1 {
                let into = room.path().join(&tag);
                collector.pull(&at(&layout, &tag), &into).unwrap();
                let version = fs::read_to_string(into.join("version")).unwrap();
                assert_eq!(version, format!("{n}-{round}").repeat(100));
            }
        }
    }
    assert!(collections >= 3, "{collections} collections");
    freed += collector.collect_garbage(&at(&layout, "moving")).unwrap().size.unwrap();
    assert!(freed > 100_000, "{freed} bytes were freed in {collections} collections");
    assert_eq!(whole(&layout), tags);
}

/// Processes that pull at once, each a reference; what each ended with.
fn pull_at_once(store: &Path, destination: &Path, existing: &str, references: &[&str]) -> Vec<String> {
    let mut children: Vec<Helper> = references
        .iter()
        .map(|reference| {
            Helper::start(
                store.parent().unwrap(),
                &["pull-once", text(store), text(destination), existing, reference],
            )
        })
        .collect();
    children.iter_mut().for_each(|child| child.until("ready"));
    children.iter_mut().for_each(Helper::go);
    children.into_iter().map(|child| child.finish().pop().unwrap()).collect()
}

#[test]
fn f_18_processes_pull_one_reference_into_one_directory() {
    let room = tempfile::tempdir().unwrap();
    let registry = Registry::start();
    let [(reference, wanted), _] = two_versions(room.path(), &registry.host());
    for (round, processes) in [2, 4, 8].into_iter().enumerate() {
        let beside = room.path().join(format!("beside{round}"));
        let destination = beside.join("destination");
        let store = room.path().join("pulled-store");
        let ends = pull_at_once(&store, &destination, "refuse", &vec![&*reference; processes]);
        assert!(ends.iter().any(|end| end == "pulled"), "{ends:?}");
        assert!(ends.iter().all(|end| end == "pulled" || end.starts_with("Busy: ")), "{ends:?}");
        assert!(snapshot(&destination) == wanted);
        assert_eq!(names(&beside), ["destination"]);
    }
}

#[test]
fn f_18_processes_pull_different_references_into_one_directory() {
    let room = tempfile::tempdir().unwrap();
    let registry = Registry::start();
    let [v1, v2] = two_versions(room.path(), &registry.host());
    let references = [&*v1.0, &*v2.0, &*v1.0, &*v2.0, &*v1.0, &*v2.0];
    for (existing, refusals) in [("replace", &["Busy: "][..]), ("refuse", &["Busy: ", "Exists: "])] {
        let beside = room.path().join(existing);
        let destination = beside.join("destination");
        let store = room.path().join("pulled-store");
        let ends = pull_at_once(&store, &destination, existing, &references);
        assert!(ends.iter().any(|end| end == "pulled"), "{ends:?}");
        let expected = |end: &String| end == "pulled" || refusals.iter().any(|kind| end.starts_with(kind));
        assert!(ends.iter().all(expected), "{ends:?}");
        let found = snapshot(&destination);
        assert!(found == v1.1 || found == v2.1, "they are mixed");
        assert_eq!(names(&beside), ["destination"]);
    }
}

#[test]
fn f_18_a_killed_holder_of_the_lock_does_not_block() {
    let room = tempfile::tempdir().unwrap();
    let slow = std::sync::Arc::new(AtomicBool::new(false));
    // A registry whose layers hang as long as they are asked to.
    let registry = Registry::with(Manners::default(), {
        let slow = slow.clone();
        move |seen| {
            let hangs = seen.method == "GET" && seen.path.contains("/blobs/") && slow.load(Ordering::SeqCst);
            hangs.then(|| vec![Act::Hang])
        }
    });
    let [(reference, wanted), _] = two_versions(room.path(), &registry.host());
    let store = room.path().join("pulled-store");
    let destination = room.path().join("beside/destination");
    slow.store(true, Ordering::SeqCst);
    let before = registry.server.lines().len();
    let mut holder =
        Helper::start(room.path(), &["pull-once", text(&store), text(&destination), "refuse", &reference]);
    holder.until("ready");
    holder.go();
    let deadline = Instant::now() + Duration::from_secs(30);
    // The lock is taken before the first byte of a layer is asked for.
    let layers = |line: &&String| line.starts_with("GET ") && line.contains("/blobs/");
    while registry.server.lines()[before..].iter().filter(layers).count() < 2 {
        assert!(Instant::now() < deadline, "{:?}", registry.server.lines());
        std::thread::sleep(Duration::from_millis(2));
    }
    slow.store(false, Ordering::SeqCst);
    let ours = ours(&store);
    let refused = ours.given(&[("existing", "refuse")]).pull(&reference, &destination).err().unwrap();
    assert_eq!(refused.kind(), Kind::Busy, "{refused}");
    holder.kill();
    ours.pull(&reference, &destination).unwrap();
    assert!(snapshot(&destination) == wanted);
    assert_eq!(names(&room.path().join("beside")), ["destination"]);
}
