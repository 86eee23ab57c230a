//! Torture: processes that are killed, many at once, garbage collection beside pushes, cancels at any moment.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test ends where something is not as it must be"
)]

mod blocked;
mod cancel;
mod cancel_large;
mod cancel_others;
mod child;
mod full;
#[allow(dead_code, reason = "a part of it is used here")]
#[path = "../it/harness/mod.rs"]
mod harness;
mod killed;
mod together;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cldoci::oci::{Digest, ImageManifest};
use cldoci::store::Layout;

use crate::harness::ours::{Ours, call_with};
use crate::harness::random::Random;
use crate::harness::servers::{peer, tool};
use crate::harness::trees::{Snapshot, snapshot};

/// Where the moments come from, at other points of the work each time.
impl Random {
    /// A moment within `span`.
    fn moment(&mut self, span: Duration) -> Duration {
        Duration::from_micros(self.below(span.as_micros() as usize) as u64)
    }
}

/// A small component: some files in some directories, one of them of two blocks, and one with the version.
fn tree(at: &Path, version: &str) {
    let mut random = Random(7);
    for n in 0..8 {
        let directory = at.join(format!("d{}", n % 3));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("f{n}")), vec![b'0' + n; 3000]).unwrap();
    }
    let noise: Vec<u8> = std::iter::repeat_with(|| random.below(256) as u8).take(150_000).collect();
    fs::write(at.join("noise"), [noise, vec![0; 1 << 20]].concat()).unwrap();
    stamp(at, version);
}

/// Makes the tree another version of itself.
fn stamp(at: &Path, version: &str) {
    fs::write(at.join("version"), version.repeat(100)).unwrap();
}

/// A client of ours with this store.
fn ours(store: &Path) -> Ours {
    Ours::setting(|options| options.set_path("store", store).unwrap())
}

/// The tags of a layout with their digests, once all is proven: every file that is named by a digest has it,
/// and everything that a tag leads to is there.
fn whole(path: &Path) -> BTreeMap<String, String> {
    for entry in fs::read_dir(path.join("blobs/sha256")).into_iter().flatten() {
        let blob = entry.unwrap().path();
        let found = Digest::of(&fs::read(&blob).unwrap());
        assert_eq!(found.hex(), blob.file_name().unwrap().to_str().unwrap());
    }
    let Ok(opened) = Layout::open(path, &call_with(&[])) else { return BTreeMap::new() };
    let tags = opened.tags().unwrap();
    tags.into_iter()
        .map(|tag| {
            let descriptor = opened.resolve(Some(&tag), None).unwrap().unwrap();
            let manifest: ImageManifest =
                serde_json::from_slice(&opened.read(&descriptor, 1 << 20).unwrap()).unwrap();
            for blob in manifest.blobs() {
                assert!(opened.has_blob(blob).unwrap(), "{tag}: {} is lost", blob.digest);
            }
            (tag, descriptor.digest.to_string())
        })
        .collect()
}

/// oras and skopeo copy every tag with all it leads to, and verify it as they do.
fn peers_read(path: &Path, tags: &BTreeMap<String, String>) {
    let home = tempfile::tempdir().unwrap();
    let copied = |by: &str| -> PathBuf { home.path().join(by) };
    if let Some(oras) = tool("oras") {
        for tag in tags.keys() {
            let (from, to) =
                (format!("{}:{tag}", path.display()), format!("{}:{tag}", copied("oras").display()));
            peer(&oras, &["cp", "--from-oci-layout", &from, "--to-oci-layout", &to], home.path());
        }
        assert_eq!(&whole(&copied("oras")), tags);
    }
    if let Some(skopeo) = tool("skopeo") {
        for tag in tags.keys() {
            let (from, to) = (
                format!("oci:{}:{tag}", path.display()),
                format!("oci:{}:{tag}", copied("skopeo").display()),
            );
            let copy = ["--insecure-policy", "copy", "--preserve-digests", &from, &to];
            peer(&skopeo, &copy, home.path());
        }
        assert_eq!(&whole(&copied("skopeo")), tags);
    }
}

/// What lies beside: the names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What dead processes spooled goes with the next process that spools; a workplace whose lock was not held yet,
/// once it is old.
fn spool_heals(store: &Path, tree: &Path) {
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let spool = store.join("spool");
    for name in names(&spool) {
        fs::File::open(spool.join(name)).unwrap().set_modified(long_ago).unwrap();
    }
    let next = ours(store);
    next.build(tree).unwrap();
    assert_eq!(names(&spool).len(), 1);
    drop(next);
    assert_eq!(names(&spool).len(), 0);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Two versions of an artifact in a registry, each with what its tree looks like.
fn two_versions(room: &Path, host: &str) -> [(String, Snapshot); 2] {
    let ours = ours(&room.join("store"));
    ["v1", "v2"].map(|version| {
        let directory = room.join(version);
        tree(&directory, version);
        let reference = format!("{host}/app:{version}");
        ours.push(&ours.build(&directory).unwrap().artifact(), &reference).unwrap();
        (reference, snapshot(&directory))
    })
}
