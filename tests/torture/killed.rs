//! F-15 and G3, G4: a process is killed at any moment. What it worked on is old or complete, and the same call
//! succeeds.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use cldoci::oci::Digest;

use super::child::Helper;
use super::{Random, names, ours, peers_read, spool_heals, text, two_versions, whole};
use crate::harness::ours::layout as at;
use crate::harness::registry::Registry;
use crate::harness::trees::{Snapshot, snapshot};

#[test]
fn f_15_build_and_push_killed_at_200_moments() {
    let room = tempfile::tempdir().unwrap();
    let (layout, store) = (room.path().join("layout"), room.path().join("store"));
    let ours = ours(&store);
    let mut random = Random(1);
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let mut span = Duration::from_millis(100);
    let mut while_pushing = 0;
    for n in 0..200 {
        let (tag, directory) = (format!("k{}", n % 20), room.path().join(format!("tree{}", n % 20)));
        let mut child = Helper::start(
            room.path(),
            &["push", text(&store), text(&layout), text(&directory), &tag, "1000000"],
        );
        child.until("begins");
        std::thread::sleep(random.moment(span));
        // The tag is what it was, what was reported, or what was about to be.
        let mut allowed: Vec<Option<String>> = vec![known.get(&tag).cloned()];
        for said in child.kill() {
            if let Some(digest) = said.strip_prefix("pushed ") {
                allowed = vec![Some(digest.to_owned())];
            } else if let Some(digest) = said.strip_prefix("built ") {
                allowed.push(Some(digest.to_owned()));
            }
        }
        while_pushing += usize::from(allowed.len() > 1);
        let tags = whole(&layout);
        assert!(allowed.contains(&tags.get(&tag).cloned()), "kill {n}: {:?} of {allowed:?}", tags.get(&tag));
        for (tag, digest) in known.iter().filter(|(known, _)| **known != tag && *known != "moving") {
            assert_eq!(tags.get(tag), Some(digest), "kill {n}");
        }
        let began = Instant::now();
        let artifact = ours.build(&directory).unwrap().artifact();
        ours.push(&artifact, &at(&layout, &tag)).unwrap();
        // Kills fall within about two rounds of the work, as long as this machine takes for them now.
        span = began.elapsed() * 2;
        assert_eq!(ours.resolve(&at(&layout, &tag)).unwrap().digest(), artifact.digest.to_string());
        if n % 10 == 9 {
            ours.collect_garbage(&at(&layout, &tag)).unwrap();
        }
        known = whole(&layout);
    }
    assert_eq!(known.len(), 21);
    assert!(while_pushing > 0, "only {while_pushing} were killed while they pushed");
    let own = names(&layout.join(".cldoci"));
    assert!(own.iter().all(|name| name.ends_with(".lock")), "left in the layout: {own:?}");
    drop(ours);
    spool_heals(&store, &room.path().join("tree0"));
    peers_read(&layout, &known);
}

#[test]
fn f_15_pull_killed_at_60_moments() {
    let room = tempfile::tempdir().unwrap();
    let registry = Registry::start();
    let versions = two_versions(room.path(), &registry.host());
    let store = room.path().join("pulled-store");
    let ours = ours(&store);
    let mut random = Random(2);
    let mut span = Duration::from_millis(100);
    let (mut complete, mut staged) = (0, 0);
    for n in 0..60 {
        let existing = ["replace", "refuse", "merge"][n % 3];
        let beside = room.path().join(format!("beside-{n}"));
        let destination = beside.join("destination");
        if existing != "refuse" {
            ours.given(&[("existing", "merge")]).pull(&versions[0].0, &destination).unwrap();
        }
        let mut child = Helper::start(
            room.path(),
            &["pull", text(&store), text(&destination), existing, &versions[1].0, &versions[0].0],
        );
        child.until("begins");
        std::thread::sleep(random.moment(span));
        child.kill();
        let (staging, there): (Vec<String>, Vec<String>) =
            names(&beside).into_iter().partition(|name| name.starts_with('.'));
        staged += staging.len();
        for name in &there {
            let found = snapshot(&beside.join(name));
            if existing == "merge" {
                assert_each_old_or_new(&found, &versions);
            } else {
                assert!(versions.iter().any(|(_, wanted)| *wanted == found), "kill {n}: {name} is neither");
                complete += 1;
            }
        }
        assert!(existing != "replace" || there == ["destination"], "kill {n}: {there:?}");
        let again = |round: usize| {
            let (reference, wanted) = &versions[(round + 1) % 2];
            let into = match existing {
                "refuse" => destination.with_extension(round.to_string()),
                _ => destination.clone(),
            };
            ours.given(&[("existing", existing)]).pull(reference, &into).unwrap();
            assert!(snapshot(&into) == *wanted, "kill {n}: the same call did not heal it");
        };
        // One that was killed between its publishing and its end finds that it is done.
        let last = there.iter().filter_map(|name| name.strip_prefix("destination.")?.parse().ok()).max();
        if let Some(last) = last {
            again(last);
        }
        let began = Instant::now();
        again(last.map_or(0, |last| last + 1));
        if existing == "refuse" {
            // Kills fall within about two rounds of the work, as long as this machine takes for them now.
            span = began.elapsed() * 2;
        }
        let left: Vec<String> = names(&beside).into_iter().filter(|name| name.starts_with('.')).collect();
        assert!(left.is_empty(), "kill {n}: left beside the destination: {left:?}");
        fs::remove_dir_all(&beside).unwrap();
    }
    assert!(complete > 0 && staged > 0, "{complete} were complete, {staged} were staging");
}

fn assert_each_old_or_new(found: &Snapshot, versions: &[(String, Snapshot)]) {
    assert_eq!(found.len(), versions[0].1.len());
    for (path, what) in found {
        assert!(versions.iter().any(|(_, wanted)| wanted.get(path) == Some(what)), "{}", path.display());
    }
}

/// The positive twin of the checks above: a blob that is not what its name says does not count as whole.
#[test]
fn a_torn_blob_is_seen() {
    let room = tempfile::tempdir().unwrap();
    let blobs = room.path().join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(blobs.join(Digest::of(b"whole").hex()), "torn").unwrap();
    assert!(std::panic::catch_unwind(|| whole(room.path())).is_err());
}
