//! The cases. Each gets a place of its own.

use std::fs;
use std::path::{Path, PathBuf};

use super::Place;
use crate::harness::api::{Api, Failure, Report};
use crate::harness::trees::{component, snapshot, stamps};

const CONFIG: &[u8] = br#"{ "schemaVersion": "v1",  "name":"api" }"#;

struct Made<A: Api> {
    api: A,
    tree: PathBuf,
    artifact: A::Artifact,
    digest: String,
}

fn client<A: Api>(place: &dyn Place) -> A {
    let store = place.scratch().join("store");
    A::client(&[("store", store.to_str().unwrap()), ("environment", "false")]).unwrap()
}

/// Builds the component of [`component`].
fn made<A: Api>(place: &dyn Place) -> Made<A> {
    let api = client::<A>(place);
    let tree = place.scratch().join("tree");
    component(&tree);
    let built = api.build(&tree, "component", CONFIG, &[]).unwrap();
    Made { api, tree, digest: built.digest.unwrap(), artifact: built.artifact.unwrap() }
}

fn pushed<A: Api>(place: &dyn Place) -> (Made<A>, String) {
    let made = made::<A>(place);
    let reference = place.reference("org/app", ":v1");
    let report = made.api.push(&made.artifact, &reference, &[]).unwrap();
    assert_eq!(report.digest.as_deref(), Some(made.digest.as_str()));
    (made, reference)
}

fn refused<A: Api>(outcome: Result<Report<A>, Failure>, kind: &str, text: &str) {
    let failure = outcome.map(|_| ()).unwrap_err();
    assert_eq!(failure.kind, kind, "{failure:?}");
    assert!(failure.message.contains(text), "{failure:?} does not say '{text}'");
    assert!(!failure.message.contains('\n'));
}

/// The seed's whole example.
pub fn the_seeds_workflow<A: Api>(place: &dyn Place) {
    let (made, v1) = pushed::<A>(place);
    let latest = place.reference("org/app", ":latest");
    let api = &made.api;
    assert_eq!(api.exists(&latest).unwrap().exists, Some(false));
    assert_eq!(api.tag(&v1, &latest).unwrap().digest.as_deref(), Some(made.digest.as_str()));
    assert_eq!(api.exists(&latest).unwrap().exists, Some(true));
    let resolved = api.resolve(&latest).unwrap();
    assert_eq!(resolved.digest.as_deref(), Some(made.digest.as_str()));
    assert_eq!(resolved.media_type.as_deref(), Some("application/vnd.oci.image.manifest.v1+json"));
    assert!(resolved.size.unwrap() > 100);
    assert_eq!(api.list_tags(&v1).unwrap().tags, ["latest", "v1"]);
    let config = api.pull_config(&latest).unwrap();
    assert_eq!(config.bytes.as_deref(), Some(CONFIG), "the bytes that were pushed");
    let out = place.scratch().join("out/missing/parents");
    let pulled = api.pull(&latest, &out, &[]).unwrap();
    assert_eq!(snapshot(&out), snapshot(&made.tree));
    assert_eq!(pulled.digest.as_deref(), Some(made.digest.as_str()));
    let description = A::describe(&pulled.artifact.unwrap());
    assert_eq!(description, A::describe(&made.artifact));
    assert_eq!(description.kind, "component");
    assert_eq!(description.config.as_deref(), Some(CONFIG));
    assert_eq!(description.layers[0].0, "application/vnd.architect.component.layer.v1.tar+gzip");
}

/// By digest, and with tag and digest.
pub fn a_digest_names_one_artifact<A: Api>(place: &dyn Place) {
    let (made, _) = pushed::<A>(place);
    let by_digest = place.reference("org/app", &format!("@{}", made.digest));
    let both = place.reference("org/app", &format!(":v1@{}", made.digest));
    for reference in [&by_digest, &both] {
        assert_eq!(made.api.exists(reference).unwrap().exists, Some(true), "{reference}");
    }
    let out = place.scratch().join("out");
    made.api.pull(&by_digest, &out, &[]).unwrap();
    assert_eq!(snapshot(&out), snapshot(&made.tree));
    let other = format!("@sha256:{}", "0".repeat(64));
    assert_eq!(made.api.exists(&place.reference("org/app", &other)).unwrap().exists, Some(false));
    refused(
        made.api.push(&made.artifact, &place.reference("org/app", &other), &[]),
        "DIGEST",
        "the artifact has the digest",
    );
    refused(
        made.api.pull(&place.reference("org/app", "@sha256:abc123"), &out, &[]),
        "ARGUMENT",
        "6 hex digits, must be 64",
    );
}

/// A second push of the same artifact uploads nothing, a second pull touches nothing.
pub fn what_is_there_is_not_moved_again<A: Api>(place: &dyn Place) {
    let (made, v1) = pushed::<A>(place);
    let again = made.api.push(&made.artifact, &v1, &[]).unwrap();
    assert_eq!((again.uploaded, again.skipped, again.mounted), (0, 2, 0));
    assert!(again.bytes_sent < 4096, "the manifest alone: {} bytes", again.bytes_sent);
    let out = place.scratch().join("out");
    let first = made.api.pull(&v1, &out, &[]).unwrap();
    assert!(!first.unchanged);
    let before = stamps(&out);
    let requests = place.requests();
    let second = made.api.pull(&v1, &out, &[]).unwrap();
    assert!(second.unchanged);
    assert_eq!(stamps(&out), before, "no file was touched");
    assert_eq!(A::describe(&second.artifact.unwrap()), A::describe(&made.artifact));
    if let (Some(before), Some(after)) = (requests, place.requests()) {
        let least = if place.has_digest_header() { 1 } else { 2 };
        assert_eq!(after - before, least);
        assert_eq!(second.requests, least as u64, "and the counter agrees");
    }
    // Any change of a file is seen, and then the destination is one that is not empty.
    fs::write(out.join("README.md"), "# changed\n").unwrap();
    refused(made.api.pull(&v1, &out, &[]), "EXISTS", "is not empty");
}

/// The same tree gives the same digest, wherever and whenever it is built.
pub fn a_build_is_reproducible<A: Api>(place: &dyn Place) {
    let made = made::<A>(place);
    let copy = place.scratch().join("elsewhere/copy");
    component(&copy);
    fs::File::open(copy.join("README.md"))
        .unwrap()
        .set_times(fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH))
        .unwrap();
    for threads in ["1", "2", "7"] {
        let built = made.api.build(&copy, "component", CONFIG, &[("threads", threads)]).unwrap();
        assert_eq!(built.digest.as_deref(), Some(made.digest.as_str()));
    }
    let other = made.api.build(&copy, "module", CONFIG, &[]).unwrap();
    assert_ne!(other.digest.as_deref(), Some(made.digest.as_str()));
}

/// The same artifact as by a build and a push, and all that both tell.
pub fn built_and_pushed_in_one_pass<A: Api>(place: &dyn Place) {
    let made = made::<A>(place);
    fs::write(made.tree.join(".env"), "SECRET=1").unwrap();
    let reference = place.reference("org/app", ":one");
    let report = made.api.build_and_push(&made.tree, "component", CONFIG, &reference, &[]).unwrap();
    assert_eq!(report.digest.as_deref(), Some(made.digest.as_str()));
    assert_eq!(report.left_out.len(), 1);
    assert_eq!((report.uploaded, report.skipped, report.mounted), (2, 0, 0));
    let artifact = report.artifact.unwrap();
    assert_eq!(A::describe(&artifact), A::describe(&made.artifact));
    let layer = made.api.read_layer(&artifact, 0).unwrap().bytes;
    assert_eq!(layer, made.api.read_layer(&made.artifact, 0).unwrap().bytes);
    let out = place.scratch().join("out");
    made.api.pull(&reference, &out, &[]).unwrap();
    fs::remove_file(made.tree.join(".env")).unwrap();
    assert_eq!(snapshot(&out), snapshot(&made.tree));
    // By a digest, which must be right before anything is sent.
    let requests = place.requests();
    let wrong = place.reference("org/app", &format!("@sha256:{}", "0".repeat(64)));
    refused(
        made.api.build_and_push(&made.tree, "component", CONFIG, &wrong, &[]),
        "DIGEST",
        "has the digest",
    );
    assert_eq!(place.requests(), requests);
}

/// Nothing goes missing unseen.
pub fn what_a_build_leaves_out_is_told<A: Api>(place: &dyn Place) {
    let api = client::<A>(place);
    let tree = place.scratch().join("tree");
    component(&tree);
    fs::create_dir_all(tree.join(".git/objects")).unwrap();
    fs::write(tree.join(".env"), "SECRET=1").unwrap();
    fs::write(tree.join(".terraform.lock.hcl"), "lock").unwrap();
    fs::write(tree.join(".cldignore"), "*.bin\n").unwrap();
    let built = api.build(&tree, "component", b"", &[]).unwrap();
    let left_out: Vec<_> = built.left_out.iter().map(|(path, _)| path.as_str()).collect();
    for path in [".git", ".env", "src/deep/er/data.bin"] {
        assert!(left_out.contains(&path), "{path} is not in {left_out:?}");
    }
    assert!(built.left_out.iter().all(|(_, reason)| !reason.is_empty()));
    let reference = place.reference("org/app", ":v1");
    api.push(&built.artifact.unwrap(), &reference, &[]).unwrap();
    let out = place.scratch().join("out");
    api.pull(&reference, &out, &[]).unwrap();
    assert!(out.join(".terraform.lock.hcl").exists() && out.join(".cldignore").exists());
    assert!(!out.join(".env").exists() && !out.join(".git").exists());
}

/// What is not there is NOT_FOUND, and a pull of it leaves nothing behind.
pub fn what_is_not_there_is_not_found<A: Api>(place: &dyn Place) {
    let (made, _) = pushed::<A>(place);
    let missing = place.reference("org/app", ":nope");
    let out = place.scratch().join("out");
    refused(made.api.pull(&missing, &out, &[]), "NOT_FOUND", "nope");
    assert!(!out.exists());
    refused(made.api.resolve(&missing), "NOT_FOUND", "nope");
    refused(made.api.pull_config(&missing), "NOT_FOUND", "nope");
    refused(made.api.tag(&missing, &place.reference("org/app", ":x")), "NOT_FOUND", "nope");
    refused(made.api.delete(&missing), "NOT_FOUND", "nope");
    let no_repository = place.reference("org/other", ":v1");
    assert_eq!(made.api.exists(&no_repository).unwrap().exists, Some(false));
}

/// Bad input gets a clear error and loses nothing.
pub fn bad_input_is_named<A: Api>(place: &dyn Place) {
    let made = made::<A>(place);
    let api = &made.api;
    refused(api.build(&place.scratch().join("absent"), "component", CONFIG, &[]), "IO", "absent");
    refused(api.build(&made.tree.join("README.md"), "component", CONFIG, &[]), "IO", "README.md");
    refused(
        api.build(&made.tree, "componet", CONFIG, &[]),
        "ARGUMENT",
        "neither component, datacenter or module",
    );
    refused(
        api.build(&made.tree, "component", CONFIG, &[("links", "maybe")]),
        "ARGUMENT",
        "one of error, skip, follow",
    );
    refused(
        api.build(&made.tree, "component", CONFIG, &[("store", "/x")]),
        "ARGUMENT",
        "belongs to a client",
    );
    refused(api.push(&made.artifact, "ghcr.io/Org/app", &[]), "ARGUMENT", "must be lower case");
    refused(api.exists("https://ghcr.io/a/b"), "ARGUMENT", "scheme");
    std::os::unix::fs::symlink("/etc/passwd", made.tree.join("leaves")).unwrap();
    refused(api.build(&made.tree, "component", CONFIG, &[]), "UNSAFE", "leaves");
    let skipped = api.build(&made.tree, "component", CONFIG, &[("links", "skip")]).unwrap();
    assert!(skipped.warnings.iter().any(|w| w.contains("leaves")), "{:?}", skipped.warnings);
    assert_eq!(skipped.digest.as_deref(), Some(made.digest.as_str()));
}

/// A destination that is not empty: refused, merged into, or replaced.
pub fn a_destination_that_is_not_empty<A: Api>(place: &dyn Place) {
    let (made, v1) = pushed::<A>(place);
    let out = place.scratch().join("out");
    fs::create_dir_all(&out).unwrap();
    fs::write(out.join("mine"), "kept").unwrap();
    fs::write(out.join("README.md"), "old").unwrap();
    let before = snapshot(&out);
    refused(made.api.pull(&v1, &out, &[]), "EXISTS", "is not empty");
    assert_eq!(snapshot(&out), before);
    made.api.pull(&v1, &out, &[("existing", "merge")]).unwrap();
    let mut merged = snapshot(&made.tree);
    merged.insert("mine".into(), before[Path::new("mine")].clone());
    assert_eq!(snapshot(&out), merged);
    made.api.pull(&v1, &out, &[("existing", "replace")]).unwrap();
    assert_eq!(snapshot(&out), snapshot(&made.tree));
    let parent: Vec<_> = fs::read_dir(place.scratch()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!parent.iter().any(|name| name.to_string_lossy().contains("cldoci")), "{parent:?}");
}

/// The artifact as inspect sees it, and its layer's bytes.
pub fn inspect_and_read_a_layer<A: Api>(place: &dyn Place) {
    let (made, v1) = pushed::<A>(place);
    let inspected = made.api.inspect(&v1).unwrap().artifact.unwrap();
    assert_eq!(A::describe(&inspected), A::describe(&made.artifact));
    let local = made.api.read_layer(&made.artifact, 0).unwrap().bytes.unwrap();
    let remote = made.api.read_layer(&inspected, 0).unwrap().bytes.unwrap();
    assert_eq!(local, remote);
    assert_eq!(cldoci::oci::Digest::of(&local).to_string(), A::describe(&inspected).layers[0].1);
    refused(made.api.read_layer(&inspected, 1), "ARGUMENT", "no layer 1");
}

/// Across repositories or layouts: the same digest, and what is pulled there is the same.
pub fn tag_into_another_repository<A: Api>(place: &dyn Place) {
    let (made, v1) = pushed::<A>(place);
    let other = place.reference("other/app", ":v2");
    assert_eq!(made.api.tag(&v1, &other).unwrap().digest.as_deref(), Some(made.digest.as_str()));
    let out = place.scratch().join("out");
    made.api.pull(&other, &out, &[]).unwrap();
    assert_eq!(snapshot(&out), snapshot(&made.tree));
}

/// A deleted tag is gone, the others stay.
pub fn delete_removes_what_it_names<A: Api>(place: &dyn Place) {
    let (made, v1) = pushed::<A>(place);
    let v2 = place.reference("org/app", ":v2");
    made.api.tag(&v1, &v2).unwrap();
    if place.is_registry() {
        // Many registries delete by digest alone (Q71).
        refused(made.api.delete(&v1), "UNSUPPORTED", "delete by digest");
        made.api.delete(&place.reference("org/app", &format!("@{}", made.digest))).unwrap();
        assert_eq!(made.api.exists(&v1).unwrap().exists, Some(false));
        return;
    }
    made.api.delete(&v1).unwrap();
    assert_eq!(made.api.exists(&v1).unwrap().exists, Some(false));
    assert_eq!(made.api.exists(&v2).unwrap().exists, Some(true));
    assert_eq!(made.api.list_tags(&v2).unwrap().tags, ["v2"]);
}

/// In a layout what nothing leads to goes, and only that; a registry says that it is not ours to collect.
pub fn garbage_is_collected<A: Api>(place: &dyn Place) {
    let (made, v1) = pushed::<A>(place);
    if place.is_registry() {
        refused(made.api.collect_garbage(&v1), "UNSUPPORTED", "only a layout (ocidir://PATH)");
        return;
    }
    let v2 = place.reference("org/app", ":v2");
    let other = made.api.build(&made.tree.join("src/deep"), "component", b"{\"a\":1}", &[]).unwrap();
    made.api.push(&other.artifact.unwrap(), &v2, &[]).unwrap();
    assert_eq!(made.api.collect_garbage(&v1).unwrap().size.unwrap_or(0), 0);
    made.api.delete(&v2).unwrap();
    assert!(made.api.collect_garbage(&v1).unwrap().size.unwrap() > 1000);
    made.api.pull(&v1, &place.scratch().join("after"), &[]).unwrap();
    refused(made.api.collect_garbage(&place.reference("not/there", "")), "NOT_FOUND", "not/there");
}

/// What is attached is found again, and goes along with a recursive copy.
pub fn attach_refer_and_copy<A: Api>(place: &dyn Place) {
    let (made, v1) = pushed::<A>(place);
    let sbom = made
        .api
        .build(&made.tree.join("src/deep"), "application/vnd.example.sbom", b"", &[])
        .unwrap()
        .artifact
        .unwrap();
    let attached = made.api.attach(&sbom, &v1).unwrap().digest.unwrap();
    assert_eq!(made.api.referrers(&v1).unwrap().referrers, std::slice::from_ref(&attached));
    let copy = place.reference("copies/app", ":v1");
    made.api.copy(&v1, &copy, &[("recursive", "true")]).unwrap();
    assert_eq!(made.api.referrers(&copy).unwrap().referrers, [attached]);
}

/// Empty directories, empty trees, custom kinds, annotations.
pub fn custom_kinds_and_annotations<A: Api>(place: &dyn Place) {
    let api = client::<A>(place);
    let tree = place.scratch().join("tree");
    fs::create_dir_all(&tree).unwrap();
    let options = [("annotation", "org.example.a=1"), ("annotation", "b=2=3"), ("layer_annotation", "c=4")];
    let built = api.build(&tree, "application/vnd.example.thing", b"", &options).unwrap();
    let reference = place.reference("org/thing", ":v1");
    api.push(&built.artifact.unwrap(), &reference, &[]).unwrap();
    let out = place.scratch().join("out");
    let pulled = api.pull(&reference, &out, &[]).unwrap();
    assert!(snapshot(&out).is_empty());
    let description = A::describe(&pulled.artifact.unwrap());
    assert_eq!(description.kind, "application/vnd.example.thing");
    assert_eq!(description.config.as_deref(), Some(&b"{}"[..]));
    assert_eq!(description.annotations, [("b".into(), "2=3".into()), ("org.example.a".into(), "1".into())]);
}

/// What each verb has done at its end is all that there was to do. That it never does more on its way, and that no
/// number goes back, is held for each call of each case, where it is made.
pub fn progress_ends_where_its_totals_are<A: Api>(place: &dyn Place) {
    let api = client::<A>(place);
    let tree = place.scratch().join("tree");
    fs::create_dir_all(tree.join("many")).unwrap();
    for n in 0..200 {
        fs::write(tree.join(format!("many/{n}")), n.to_string()).unwrap();
    }
    // What does not compress, so that the layer is as large.
    let mut random = crate::harness::random::Random(7);
    let content: Vec<u8> = (0..3 << 20).map(|_| random.below(256) as u8).collect();
    fs::write(tree.join("large"), &content).unwrap();
    let (read, entries) = (content.len() as u64 + 490, 202);
    let both = |n| (n, n);

    let built = api.build(&tree, "component", CONFIG, &[]).unwrap();
    assert_eq!((built.moved, built.entries), (both(read), both(entries)));
    let artifact = built.artifact.unwrap();
    let layer = A::describe(&artifact).layers[0].2;
    let blobs = layer + CONFIG.len() as u64;

    let v1 = place.reference("org/app", ":v1");
    for _ in 0..2 {
        assert_eq!(api.push(&artifact, &v1, &[]).unwrap().moved, both(blobs));
    }
    let at_once =
        api.build_and_push(&tree, "component", CONFIG, &place.reference("org/one", ":v1"), &[]).unwrap();
    assert_eq!(at_once.entries, both(entries));
    // A layer that is sent while it is packed counts as what is packed.
    let sent_at_once = place.is_registry();
    assert_eq!(at_once.moved, both(read + if sent_at_once { CONFIG.len() as u64 } else { blobs }));

    for (name, moved) in [("first", layer), ("first", 0)] {
        let pulled = api.pull(&v1, &place.scratch().join(name), &[("fetch_config", "true")]).unwrap();
        assert_eq!((pulled.moved, pulled.unchanged), (both(moved), moved == 0));
        assert_eq!(pulled.entries, both(if moved == 0 { 0 } else { entries }));
    }
    let elsewhere = format!("ocidir://{}:v1", place.scratch().join("elsewhere").display());
    for target in [&place.reference("org/copy", ":v1"), &elsewhere] {
        for _ in 0..2 {
            assert_eq!(api.copy(&v1, target, &[]).unwrap().moved, both(blobs));
        }
        assert_eq!(api.tag(&v1, target).unwrap().moved, both(blobs));
    }
    assert_eq!(api.tag(&v1, &place.reference("org/app", ":v2")).unwrap().moved, both(0));
    let found = api.inspect(&v1).unwrap().artifact.unwrap();
    assert_eq!(api.read_layer(&found, 0).unwrap().moved, both(layer));
    for report in
        [api.pull_config(&v1), api.exists(&v1), api.resolve(&v1), api.list_tags(&v1), api.referrers(&v1)]
    {
        assert_eq!(report.unwrap().moved, both(0));
    }
}
