//! What copy, tag and attach bring along, and in which order.

use std::slice::from_ref;
use std::sync::{Arc, Mutex};

use cldoci::oci::{ArtifactKind, Descriptor, Digest, media_type};
use cldoci::{ArtifactBuilder, Kind, Layer, Operation, Phase};

use crate::harness::ours::{Ours, refused};
use crate::harness::registry::{Manners, Registry, error};

/// A manifest with a config of its own and perhaps a subject, put into the registry with all that it needs.
fn image(registry: &Registry, config: &str, subject: Option<Descriptor>) -> Descriptor {
    let mut builder = ArtifactBuilder::new(ArtifactKind::Component).config(config);
    if let Some(subject) = subject {
        builder = builder.subject(subject);
    }
    let artifact = builder.finish().unwrap();
    registry.put_blob("from", config.as_bytes());
    registry.put_manifest(
        "from",
        Digest::of(config.as_bytes()).hex(),
        media_type::OCI_MANIFEST,
        &artifact.manifest,
    );
    Descriptor::of(media_type::OCI_MANIFEST, &artifact.manifest)
}

/// An index of these under a tag.
fn index(registry: &Registry, tag: &str, children: &[&Descriptor]) -> Descriptor {
    let list: Vec<_> = children
        .iter()
        .map(|child| serde_json::json!({"mediaType": child.media_type, "digest": child.digest.as_str(), "size": child.size}))
        .collect();
    let bytes =
        serde_json::json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": list});
    let bytes = bytes.to_string().into_bytes();
    registry.put_manifest("from", tag, media_type::OCI_INDEX, &bytes);
    Descriptor::of(media_type::OCI_INDEX, &bytes)
}

#[test]
fn a_manifest_that_is_listed_more_than_once_is_there_before_every_index_that_lists_it() {
    let from = Registry::start();
    let leaf = image(&from, r#"{"leaf":1}"#, None);
    let inner = index(&from, "inner", &[&leaf]);
    let middle = index(&from, "middle", &[&inner]);
    // Each lists something that another of its children needs, before or after that child.
    let shapes: [&[&Descriptor]; 6] = [
        &[&inner, &leaf],
        &[&leaf, &inner],
        &[&middle, &inner],
        &[&inner, &middle],
        &[&middle, &inner, &leaf, &middle],
        &[&leaf, &inner, &middle],
    ];
    for (number, children) in shapes.into_iter().enumerate() {
        let tag = format!("v{number}");
        let root = index(&from, &tag, children);
        // Refuses an index that comes before what it lists.
        let to = Registry::start();
        let ours = Ours::new();
        let (source, target) = (format!("{}/from:{tag}", from.host()), format!("{}/to:v1", to.host()));
        let layout = format!("ocidir://{}:v1", ours.path("layout").display());
        for target in [&target, &layout] {
            assert_eq!(ours.copy(&source, target).unwrap().digest.as_ref(), Some(&root.digest), "{tag}");
        }
        let log = to.server.log();
        let puts = |digest: &Digest| {
            log.iter().filter(|seen| seen.method == "PUT" && seen.path.ends_with(digest.as_str())).count()
        };
        assert_eq!((puts(&leaf.digest), puts(&inner.digest)), (1, 1), "each once: {tag}");
    }
}

#[test]
fn a_listed_manifest_with_a_subject_is_listed_as_its_referrer_where_the_registry_does_not_do_it() {
    let from = Registry::start();
    let subject = image(&from, r#"{"subject":1}"#, None);
    let signature = image(&from, r#"{"signature":1}"#, Some(subject.clone()));
    let root = index(&from, "v1", &[&signature, &subject]);
    for api in [true, false] {
        let to = Registry::with(Manners { referrers: api, ..Manners::default() }, |_| None);
        let ours = Ours::new();
        let (source, target) = (format!("{}/from:v1", from.host()), format!("{}/to:v1", to.host()));
        assert_eq!(ours.copy(&source, &target).unwrap().digest, Some(root.digest.clone()));
        let found = ours.referrers(&format!("{}/to@{}", to.host(), subject.digest)).unwrap();
        let found: Vec<_> = found.referrers.iter().map(|found| found.digest.clone()).collect();
        assert_eq!(found.as_slice(), std::slice::from_ref(&signature.digest));
    }
}

#[test]
fn q65_a_referrer_is_stored_with_its_own_size_where_it_is_listed_with_another() {
    for more in [0, 7_000] {
        let from = Registry::with(Manners { referrers_add: more, ..Manners::default() }, |_| None);
        let subject = image(&from, r#"{"subject":1}"#, None);
        let signature = image(&from, r#"{"signature":1}"#, Some(subject.clone()));
        // The index that lists a referrer is the client's own work where the registry does not do it.
        let to = Registry::with(Manners { referrers: false, ..Manners::default() }, |_| None);
        let ours = Ours::new();
        let layout = format!("ocidir://{}", ours.path("layout").display());
        let source = format!("{}/from@{}", from.host(), subject.digest);
        let listed = |at: &str| {
            let found = ours.referrers(at).unwrap().outcome.referrers;
            found.into_iter().map(|found| (found.digest, found.size)).collect::<Vec<_>>()
        };
        assert_eq!(listed(&source), [(signature.digest.clone(), signature.size + more)]);
        for target in [layout, format!("{}/to", to.host())] {
            ours.given(&[("recursive", "true")]).copy(&source, &format!("{target}:v1")).unwrap();
            let copied = listed(&format!("{target}@{}", subject.digest));
            assert_eq!(copied, [(signature.digest.clone(), signature.size)], "{target}");
        }
    }
}

#[test]
fn attach_brings_the_config_along_that_inspect_did_not_fetch() {
    let config = br#"{"kept":"as it is"}"#;
    for fetch in [true, false] {
        let (from, to) = (Registry::start(), Registry::start());
        let artifact = image(&from, std::str::from_utf8(config).unwrap(), None);
        let subject = image(&to, r#"{"subject":1}"#, None);
        let ours = Ours::with(&[("fetch_config", &fetch.to_string())]);
        let at = |registry: &Registry, digest: &Digest| format!("{}/from@{digest}", registry.host());
        let inspect = |reference: &str| ours.inspect(reference).unwrap().artifact();
        let inspected = inspect(&at(&from, &artifact.digest));
        assert_eq!(inspected.config.is_some(), fetch);
        let subject = at(&to, &subject.digest);
        let attached = ours.attach(&inspected, &subject).unwrap();
        let attached = inspect(&at(&to, &attached.digest.clone().unwrap()));
        assert_eq!(attached.config_descriptor, inspected.config_descriptor);
        assert_eq!(to.blob("from", &Digest::of(config)).as_deref(), Some(config.as_slice()));
    }
}

/// An artifact of files alone: its type is the builder's, its config the empty one, before and after attach.
#[test]
fn attach_keeps_the_empty_config_and_the_type_of_an_artifact_of_files() {
    let to = Registry::start();
    let subject = image(&to, r#"{"subject":1}"#, None);
    let ours = Ours::new();
    let file = ours.path("sbom.json");
    std::fs::write(&file, "{}").unwrap();
    let layer = Layer::from_file("application/spdx+json", &file).unwrap();
    let kind = ArtifactKind::from_name("application/vnd.example.sbom").unwrap();
    let sbom = ArtifactBuilder::new(kind).layer(layer).finish().unwrap();
    let subject = format!("{}/from@{}", to.host(), subject.digest);
    let attached = ours.attach(&sbom, &subject).unwrap().artifact();
    let found = ours.inspect(&format!("{}/from@{}", to.host(), attached.digest)).unwrap().artifact();
    for artifact in [&sbom, &attached, &found] {
        assert_eq!(artifact.kind.name(), "application/vnd.example.sbom");
        assert_eq!(artifact.config_descriptor.media_type, "application/vnd.oci.empty.v1+json");
        assert_eq!(artifact.config.as_deref(), Some(&b"{}"[..]));
    }
    let listed = ours.referrers(&subject).unwrap().outcome.referrers;
    assert_eq!(listed[0].artifact_type.as_deref(), Some("application/vnd.example.sbom"));
}

/// The header says it of CLDOCI_PHASE_UPLOADING.
#[test]
fn a_copy_is_uploading_while_it_moves_blobs_to_a_registry_and_to_a_layout() {
    let running = Arc::new(Mutex::new(None::<Operation>));
    let phases = Arc::new(Mutex::new(Vec::new()));
    let (asked, seen) = (running.clone(), phases.clone());
    let from = Registry::with(Manners::default(), move |request| {
        if let Some(operation) = asked.lock().unwrap().as_ref().filter(|_| request.path.contains("/blobs/")) {
            seen.lock().unwrap().push(operation.progress().phase);
        }
        None
    });
    let source = image(&from, r#"{"source":1}"#, None);
    let source = format!("{}/from@{}", from.host(), source.digest).parse().unwrap();
    let (to, ours) = (Registry::start(), Ours::new());
    let layout = format!("ocidir://{}:v1", ours.path("layout").display());
    for target in [format!("{}/to:v1", to.host()), layout] {
        let call = ours.call();
        *running.lock().unwrap() = Some(call.operation.clone());
        ours.wait(ours.client.copy(&source, &target.parse().unwrap(), &call)).unwrap();
        let phases = std::mem::take(&mut *phases.lock().unwrap());
        assert!(!phases.is_empty() && phases.iter().all(|phase| *phase == Phase::Uploading), "{phases:?}");
    }
}

#[test]
fn a_referrer_that_is_listed_and_gone_is_left_out_of_a_recursive_copy_with_a_warning() {
    let from = Registry::with(Manners { referrers: false, ..Manners::default() }, |_| None);
    let subject = image(&from, r#"{"subject":1}"#, None);
    let kept = image(&from, r#"{"kept":1}"#, Some(subject.clone()));
    let gone = Descriptor::of(media_type::OCI_MANIFEST, b"gone");
    let list = |entries: &[&Descriptor]| {
        index(&from, &format!("sha256-{}", subject.digest.hex()), entries);
    };
    let to = Registry::with(Manners { referrers: false, ..Manners::default() }, |_| None);
    let ours = Ours::new();
    let source = format!("{}/from@{}", from.host(), subject.digest);
    for (entries, warned) in [(&[&kept][..], false), (&[&gone, &kept], true)] {
        list(entries);
        let layout = format!("ocidir://{}", ours.path(&format!("layout {warned}")).display());
        for target in [layout, format!("{}/to-{warned}", to.host())] {
            let copied = ours.given(&[("recursive", "true")]).copy(&source, &format!("{target}:v1")).unwrap();
            let about = copied.warnings.iter().any(|warning| warning.contains(gone.digest.as_str()));
            assert_eq!((about, copied.warnings.len()), (warned, usize::from(warned)), "{target}");
            let found = ours.referrers(&format!("{target}@{}", subject.digest)).unwrap().outcome.referrers;
            assert_eq!(found.len(), 1, "{target}");
            assert_eq!(found[0].digest, kept.digest);
        }
    }
}

/// A server may list anything: here each of three refers to the one before it, in a circle.
#[test]
fn a_recursive_copy_of_referrers_that_refer_to_one_another_in_a_circle_ends() {
    let from = Registry::with(Manners { referrers: false, ..Manners::default() }, |_| None);
    let manifests = [1, 2, 3].map(|n| image(&from, &format!(r#"{{"n":{n}}}"#), None));
    for (n, subject) in manifests.iter().enumerate() {
        // The subject too: it refers to itself.
        let next = &manifests[(n + 1) % manifests.len()];
        index(&from, &format!("sha256-{}", subject.digest.hex()), &[next, subject]);
    }
    let to = Registry::start();
    let ours = Ours::new();
    let source = format!("{}/from@{}", from.host(), manifests[0].digest);
    let layout = format!("ocidir://{}", ours.path("layout").display());
    for target in [layout, format!("{}/to", to.host())] {
        let before = from.server.log().len();
        ours.given(&[("recursive", "true")]).copy(&source, &format!("{target}:v1")).unwrap();
        for manifest in &manifests {
            ours.inspect(&format!("{target}@{}", manifest.digest)).unwrap();
        }
        // Each is asked for its referrers once or twice.
        assert!(from.server.log().len() - before < 40);
    }
}

#[test]
fn q123_a_recursive_copy_takes_the_referrers_of_all_that_an_index_lists() {
    let from = Registry::start();
    let platforms = [image(&from, r#"{"platform":1}"#, None), image(&from, r#"{"platform":2}"#, None)];
    let inner = index(&from, "inner", &[&platforms[1]]);
    let root = index(&from, "v1", &[&platforms[0], &inner]);
    let subjects = [&platforms[0], &platforms[1], &inner, &root];
    let signatures: Vec<_> = subjects
        .iter()
        .enumerate()
        .map(|(n, subject)| image(&from, &format!(r#"{{"signature":{n}}}"#), Some((*subject).clone())))
        .collect();
    let of_signature = image(&from, r#"{"of":"a signature"}"#, Some(signatures[1].clone()));
    // A referrer that is an index itself: what refers to its parts comes too.
    let part = image(&from, r#"{"part":1}"#, None);
    let bundle = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "artifactType": "application/vnd.bundle",
        "manifests": [{"mediaType": part.media_type, "digest": part.digest.as_str(), "size": part.size}],
        "subject": {"mediaType": root.media_type, "digest": root.digest.as_str(), "size": root.size},
    });
    from.put_manifest("from", "bundle", media_type::OCI_INDEX, bundle.to_string().as_bytes());
    let bundle = Digest::of(bundle.to_string().as_bytes());
    let of_part = image(&from, r#"{"of":"a part"}"#, Some(part.clone()));
    let ours = Ours::new();
    let recursive = ours.given(&[("recursive", "true")]);
    let source = format!("{}/from:v1", from.host());
    for api in [true, false] {
        let to = Registry::with(Manners { referrers: api, ..Manners::default() }, |_| None);
        let layout = format!("ocidir://{}", ours.path(&format!("layout-{api}")).display());
        let second = format!("{}/second", to.host());
        for (source, target) in [
            (&source, format!("{}/to", to.host())),
            (&source, layout.clone()),
            (&format!("{layout}:v1"), second),
        ] {
            let copied = recursive.copy(source, &format!("{target}:v1")).unwrap();
            assert!(copied.warnings.is_empty(), "{:?}", copied.warnings);
            let found = |subject: &Digest| {
                let found = ours.referrers(&format!("{target}@{subject}")).unwrap().outcome.referrers;
                let mut found: Vec<_> = found.into_iter().map(|found| found.digest).collect();
                found.sort();
                found
            };
            for (subject, signature) in subjects.iter().zip(&signatures).take(3) {
                assert_eq!(found(&subject.digest), from_ref(&signature.digest), "{target}");
            }
            let mut of_root = [signatures[3].digest.clone(), bundle.clone()];
            of_root.sort();
            assert_eq!(found(&root.digest), of_root, "{target}");
            assert_eq!(found(&signatures[1].digest), from_ref(&of_signature.digest), "{target}");
            assert_eq!(found(&part.digest), from_ref(&of_part.digest), "{target}");
        }
        // The twin: without the option none comes.
        let plain = format!("{}/plain:v1", to.host());
        ours.copy(&source, &plain).unwrap();
        let plain = format!("{}/plain@{}", to.host(), platforms[0].digest);
        assert!(ours.referrers(&plain).unwrap().referrers.is_empty());
    }
}

#[test]
fn q124_tags_that_name_what_is_copied_by_its_digest_go_along_or_are_told_of() {
    let from = Registry::start();
    let platform = image(&from, r#"{"platform":1}"#, None);
    let root = index(&from, "v1", &[&platform]);
    let other = image(&from, r#"{"other":1}"#, None);
    let named = |of: &Descriptor, end: &str, config: &str| {
        let tag = format!("{}{end}", of.digest.as_tag());
        let made = image(&from, config, None);
        let bytes = ArtifactBuilder::new(ArtifactKind::Component).config(config).finish().unwrap().manifest;
        from.put_manifest("from", &tag, media_type::OCI_MANIFEST, &bytes);
        (tag, made)
    };
    let signature = named(&root, ".sig", r#"{"sig":1}"#);
    let wanted = [
        named(&root, ".att", r#"{"att":1}"#),
        named(&platform, ".sbom", r#"{"sbom":1}"#),
        named(&platform, ".imgpkg", r#"{"imgpkg":1}"#),
        named(&signature.1, ".sig", r#"{"of":"the signature"}"#),
        signature,
    ];
    let unwanted = [named(&other, ".sig", r#"{"other sig":1}"#), named(&root, "", r#"{"a list":1}"#)];
    let ours = Ours::new();
    let source = format!("{}/from:v1", from.host());
    let to = Registry::start();
    let targets = |name: &str| {
        let layout = format!("ocidir://{}", ours.path(name).display());
        [layout, format!("{}/{name}", to.host())]
    };
    for (name, recursive, digest_tags) in [
        ("both", "true", "true"),
        ("tags", "false", "true"),
        ("referrers", "true", "false"),
        ("none", "false", "false"),
    ] {
        for target in targets(name) {
            let given = ours.given(&[("recursive", recursive), ("digest_tags", digest_tags)]);
            let copied = given.copy(&source, &format!("{target}:v1")).unwrap();
            let tags = ours.list_tags(&target).unwrap().outcome.tags;
            let mut expected = vec!["v1".to_owned()];
            if digest_tags == "true" {
                expected.extend(wanted.iter().map(|(tag, _)| tag.clone()));
            }
            expected.sort();
            assert_eq!(tags, expected, "{target}");
            assert!(unwanted.iter().all(|(tag, _)| !tags.contains(tag)), "{target}");
            // Who asked for all that belongs to it is told what stays behind.
            let told =
                copied.warnings.iter().filter(|warning| warning.contains("option digest_tags")).count();
            assert_eq!(told, usize::from(name == "referrers"), "{target}: {:?}", copied.warnings);
            if name == "referrers" {
                assert!(copied.warnings[0].contains(": 4 of the tags there"), "{:?}", copied.warnings);
            }
            for (tag, made) in wanted.iter().filter(|_| digest_tags == "true") {
                assert_eq!(
                    ours.resolve(&format!("{target}:{tag}")).unwrap().digest(),
                    made.digest.to_string()
                );
            }
        }
    }
    // From the layout on; and where nothing is left behind nothing is said.
    let layout = format!("ocidir://{}:v1", ours.path("both").display());
    let given = ours.given(&[("digest_tags", "true")]);
    given.copy(&layout, &format!("{}/again:v1", to.host())).unwrap();
    assert!(wanted.iter().all(|(tag, _)| to.tagged("again", tag).is_some()));
    let alone = format!("{}/from@{}", from.host(), unwanted[0].1.digest);
    let copied =
        ours.given(&[("recursive", "true")]).copy(&alone, &format!("{}/alone:v1", to.host())).unwrap();
    assert!(copied.warnings.is_empty(), "{:?}", copied.warnings);
}

#[test]
fn q124_where_tags_can_not_be_listed_a_copy_fails_only_if_they_were_asked_for() {
    let from = Registry::with(Manners::default(), |seen| {
        seen.path.contains("/tags/list").then(|| error(403, "DENIED"))
    });
    image(&from, r#"{"v":1}"#, None);
    let (ours, to) = (Ours::new(), Registry::start());
    let source = format!("{}/from:{}", from.host(), "v1");
    let bytes = ArtifactBuilder::new(ArtifactKind::Component).config(r#"{"v":1}"#).finish().unwrap().manifest;
    from.put_manifest("from", "v1", media_type::OCI_MANIFEST, &bytes);
    let copy = |option: &str| ours.given(&[(option, "true")]).copy(&source, &format!("{}/to:v1", to.host()));
    copy("recursive").unwrap();
    refused(copy("digest_tags"), Kind::Denied, "tags");
}

/// Without a referrers API a list is at a tag, and each write of it costs three requests.
#[test]
fn a_recursive_copy_asks_for_the_referrers_api_once_and_writes_each_list_once() {
    let manners = || Manners { referrers: false, ..Manners::default() };
    let (from, to) = (Registry::with(manners(), |_| None), Registry::with(manners(), |_| None));
    let ours = Ours::new();
    let tree = ours.path("tree");
    std::fs::create_dir(&tree).unwrap();
    let source = format!("{}/team/app:v1", from.host());
    ours.build_and_push(&tree, &source).unwrap();
    for name in ["a", "b", "c"] {
        let artifact =
            ArtifactBuilder::new(ArtifactKind::Component).config(format!(r#"{{"{name}":1}}"#)).finish();
        ours.attach(&artifact.unwrap(), &source).unwrap();
    }
    let begun = from.server.log().len();
    ours.given(&[("recursive", "true")]).copy(&source, &format!("{}/team/app:v1", to.host())).unwrap();
    let asked = from.server.lines().split_off(begun);
    assert_eq!(asked.iter().filter(|line| line.contains("/referrers/")).count(), 1, "{asked:?}");
    let lists = |line: &&String| line.starts_with("PUT") && line.contains("/manifests/sha256-");
    assert_eq!(to.server.lines().iter().filter(lists).count(), 1, "{:?}", to.server.lines());
    // And all of them are in it.
    let listed = ours.referrers(&format!("{}/team/app:v1", to.host())).unwrap();
    assert_eq!(listed.referrers.len(), 3);
}
