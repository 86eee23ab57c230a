//! The whole workflow: every verb on a real registry, and every digest compared.

use std::fs;

use cldoci::oci::ArtifactKind;
use cldoci::{Counters, Kind};

use crate::harness::ours::{CONFIG, Ours, layout};
use crate::harness::trees::{snapshot, tree};

/// Build, push, exists, resolve, tag, list, config, pull, attach, referrers, copy, delete. Gives what a copy to another
/// repository counted: registries differ in whether they mount blobs, have them everywhere, or want them sent.
pub(super) fn whole(ours: &Ours, host: &str) -> Counters {
    let source = ours.path("source");
    fs::create_dir(&source).unwrap();
    tree(&source);
    let artifact = ours.build(&source).unwrap().artifact();
    let digest = artifact.digest.to_string();
    let at = |name: &str| format!("{host}/org/{name}");
    let (v1, latest) = (at("orders:v1"), at("orders:latest"));

    assert!(!ours.exists(&v1).unwrap().exists.unwrap());
    assert_eq!(ours.resolve(&v1).unwrap_err().kind(), Kind::NotFound);
    let pushed = ours.push(&artifact, &v1).unwrap();
    assert_eq!(pushed.digest(), digest);
    assert_eq!(pushed.counters.blobs_uploaded, 2);
    assert!(ours.exists(&v1).unwrap().exists.unwrap());
    assert_eq!(ours.resolve(&v1).unwrap().digest(), digest);
    assert_eq!(ours.resolve(&at(&format!("orders@{digest}"))).unwrap().digest(), digest);

    let again = ours.push(&artifact, &v1).unwrap();
    // All of it is there, as each of them says: nothing is sent, not even the manifest.
    assert_eq!((again.counters.blobs_skipped, again.counters.blobs_uploaded), (2, 0));
    assert_eq!(again.counters.bytes_sent, 0);
    // Somebody who has pushed nothing sends the manifest, for the tag; no blob, also where a registry can't mount.
    let another = ours.again().push(&artifact, &v1).unwrap();
    assert_eq!(
        (another.counters.blobs_uploaded, another.counters.bytes_sent),
        (0, artifact.manifest.len() as u64)
    );
    assert_eq!(ours.build_and_push(&source, &at("orders:v2")).unwrap().digest(), digest);

    let tagged = ours.tag(&v1, &latest).unwrap();
    assert_eq!(tagged.counters.blobs_uploaded, 0);
    assert_eq!(ours.resolve(&latest).unwrap().digest(), digest);
    let mut tags = ours.list_tags(&at("orders")).unwrap().outcome.tags;
    tags.sort();
    assert_eq!(tags, ["latest", "v1", "v2"]);
    assert_eq!(ours.pull_config(&latest).unwrap().bytes(), CONFIG);
    assert_eq!(*ours.inspect(&latest).unwrap().artifact().manifest, *artifact.manifest);

    let pulled = ours.path("a/b/pulled");
    let first = ours.pull(&latest, &pulled).unwrap();
    assert_eq!(snapshot(&pulled), snapshot(&source));
    assert_eq!(first.outcome.artifact.unwrap().config.as_deref(), Some(CONFIG));
    let second = ours.pull(&latest, &pulled).unwrap();
    assert!(second.outcome.unchanged);
    assert_eq!(second.counters.requests, 1);

    let copied = ours.copy(&v1, &at("mounted:v1")).unwrap();
    assert_eq!(copied.digest(), digest);
    let counters = copied.counters;
    assert_eq!(counters.blobs_mounted + counters.blobs_skipped + counters.blobs_uploaded, 2);
    assert_eq!(ours.resolve(&at("mounted:v1")).unwrap().digest(), digest);

    with_referrers(ours, &v1, &at, &digest);
    deleted(ours, &at, &digest);
    counters
}

/// What is attached is listed, and a recursive copy takes it along: registry, layout, registry.
fn with_referrers(ours: &Ours, v1: &str, at: &dyn Fn(&str) -> String, digest: &str) {
    let list = ours.path("list");
    fs::create_dir(&list).unwrap();
    fs::write(list.join("materials.json"), "{}").unwrap();
    let kind = ArtifactKind::custom("application/vnd.example.materials.v1+json");
    let materials = ours.build_as(&kind, b"{}", &list).unwrap().artifact();
    let referrers = |subject: &str| -> Vec<String> {
        let found = ours.referrers(subject).unwrap().outcome.referrers;
        found.into_iter().map(|found| found.digest.to_string()).collect()
    };
    assert!(referrers(v1).is_empty());
    let attached = ours.attach(&materials, v1).unwrap().digest();
    let listed = std::slice::from_ref(&attached);
    assert_eq!(referrers(v1), listed);

    let all = ours.given(&[("recursive", "true")]);
    let between = layout(&ours.path("layout"), "v1");
    for (from, to) in [(v1, &*at("straight:v1")), (v1, &*between), (&*between, &*at("by-layout:v1"))] {
        assert_eq!(all.copy(from, to).unwrap().digest(), digest, "{to}");
        assert_eq!(referrers(to), listed, "{to}");
    }
    let out = ours.path("from layout");
    ours.pull(&at(&format!("by-layout@{attached}")), &out).unwrap();
    assert_eq!(snapshot(&out), snapshot(&list));
    // The twin: without the option it stays behind.
    ours.copy(v1, &at("alone:v1")).unwrap();
    assert!(referrers(&at("alone:v1")).is_empty());

    ours.delete(&at(&format!("straight@{attached}"))).unwrap();
    assert!(referrers(&at("straight:v1")).is_empty());
    assert_eq!(ours.resolve(&at("straight:v1")).unwrap().digest(), digest);
}

/// A manifest that is deleted is gone, in this repository alone.
fn deleted(ours: &Ours, at: &dyn Fn(&str) -> String, digest: &str) {
    let (gone, kept) = (at(&format!("mounted@{digest}")), at(&format!("orders@{digest}")));
    assert!(ours.exists(&gone).unwrap().exists.unwrap());
    ours.delete(&gone).unwrap();
    assert!(!ours.exists(&gone).unwrap().exists.unwrap());
    assert_eq!(ours.delete(&gone).unwrap_err().kind(), Kind::NotFound);
    assert!(ours.exists(&kept).unwrap().exists.unwrap());
}
