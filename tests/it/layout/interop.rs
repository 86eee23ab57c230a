//! `index.json` as other tools write it.

use super::*;
use crate::harness::ours::{self, Ours, refused};

/// A layout whose index holds `entries`; `{ONE}` and `{TWO}` stand for `"digest":…,"size":…` of two manifests.
fn written(index: &str) -> (tempfile::TempDir, Layout, [Digest; 2]) {
    let (dir, layout) = new_layout();
    let writer = layout.begin().unwrap();
    let made = [push(&writer, "one", None, None), push(&writer, "two", None, None)];
    let mut index = index.to_owned();
    for (name, descriptor) in ["{ONE}", "{TWO}"].iter().zip(&made) {
        let text = format!(r#""digest":"{}","size":{}"#, descriptor.digest, descriptor.size);
        index = index.replace(name, &text);
    }
    fs::write(layout.path().join("index.json"), index).unwrap();
    (dir, layout, made.map(|descriptor| descriptor.digest))
}

fn found(layout: &Layout, tag: Option<&str>) -> Option<Digest> {
    layout.resolve(tag, None).unwrap().map(|descriptor| descriptor.digest)
}

const MANIFEST: &str = r#""mediaType":"application/vnd.oci.image.manifest.v1+json""#;

#[test]
fn of_oras_with_tags_and_an_untagged_manifest() {
    let (_dir, layout, [one, two]) = written(&format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{{MANIFEST},{{ONE}},"annotations":{{"org.opencontainers.image.ref.name":"v1"}},"artifactType":"application/vnd.one"}},{{{MANIFEST},{{TWO}},"artifactType":"application/vnd.two"}}]}}"#
    ));
    assert_eq!(layout.tags().unwrap(), ["v1"]);
    assert_eq!(found(&layout, Some("v1")), Some(one.clone()));
    assert!(layout.resolve(None, Some(&two)).unwrap().is_some());
    // Two manifests and no `latest`.
    assert_eq!(found(&layout, None), None);
    assert_eq!(layout.gc().unwrap().removed, 0);
}

#[test]
fn of_skopeo_with_a_tag_and_without() {
    let (_dir, layout, [one, two]) = written(&format!(
        r#"{{"schemaVersion":2,"manifests":[{{{MANIFEST},{{ONE}},"annotations":{{"org.opencontainers.image.ref.name":"v1"}}}},{{{MANIFEST},{{TWO}},"annotations":{{"org.opencontainers.image.ref.name":"docker.io/library/x:latest"}}}}]}}"#
    ));
    assert_eq!(found(&layout, Some("docker.io/library/x:latest")), Some(two.clone()));
    assert_eq!(found(&layout, Some("latest")), Some(two.clone()));
    assert_eq!(found(&layout, None), Some(two));
    assert_eq!(layout.tags().unwrap(), ["latest", "v1"]);
    let (_dir, layout, [one_again, _]) =
        written(&format!(r#"{{"schemaVersion":2,"manifests":[{{{MANIFEST},{{ONE}}}}]}}"#));
    assert_eq!(one, one_again);
    assert_eq!(found(&layout, None), Some(one));
}

#[test]
fn of_crane_indented_with_full_references() {
    let (_dir, layout, [one, two]) = written(
        r#"{
   "schemaVersion": 2,
   "mediaType": "application/vnd.oci.image.index.v1+json",
   "manifests": [
      {
         "mediaType": "application/vnd.oci.image.manifest.v1+json",
         {ONE},
         "annotations": {"org.opencontainers.image.ref.name": "localhost:5000/a/b:v1"}
      },
      {
         "mediaType": "application/vnd.oci.image.manifest.v1+json",
         {TWO},
         "annotations": {"org.opencontainers.image.ref.name": "localhost:5000/a/c:v1"}
      }
   ]
}"#,
    );
    assert_eq!(found(&layout, Some("localhost:5000/a/b:v1")), Some(one));
    assert_eq!(found(&layout, Some("localhost:5000/a/c:v1")), Some(two));
    // Two manifests answer to `v1`: neither is guessed.
    let error = layout.resolve(Some("v1"), None).unwrap_err();
    assert!(error.message().contains("'v1'") && error.message().contains("digest"), "{error}");
    assert_eq!(layout.tags().unwrap(), ["localhost:5000/a/b:v1", "localhost:5000/a/c:v1"]);
}

#[test]
fn of_containerd_with_both_names() {
    let (_dir, layout, [one, _]) = written(&format!(
        r#"{{"schemaVersion":2,"manifests":[{{{MANIFEST},{{ONE}},"annotations":{{"io.containerd.image.name":"docker.io/library/x:v1","org.opencontainers.image.ref.name":"v1"}}}},{{{MANIFEST},{{TWO}},"annotations":{{"io.containerd.image.name":"docker.io/library/x:v2"}}}}]}}"#
    ));
    assert_eq!(layout.tags().unwrap(), ["v1", "v2"]);
    assert_eq!(found(&layout, Some("v1")), Some(one));
}

#[test]
fn of_regctl_with_referrers_under_a_tag() {
    let (_dir, layout) = new_layout();
    let writer = layout.begin().unwrap();
    let subject = push(&writer, "subject", Some("v1"), None);
    let (referrer, bytes, blobs) = artifact("referrer", Some(subject.clone()));
    for (blob, bytes) in &blobs {
        writer.add_bytes(blob, bytes).unwrap();
    }
    writer.add_bytes(&referrer, &bytes).unwrap();
    let index = ImageIndex {
        schema_version: 2,
        media_type: media_type::OCI_INDEX.to_owned(),
        artifact_type: None,
        manifests: vec![referrer.clone()],
        subject: None,
        annotations: Default::default(),
    }
    .to_bytes();
    let tag = format!("sha256-{}", subject.digest.hex());
    writer.put_manifest(&Descriptor::of(media_type::OCI_INDEX, &index), &index, Some(&tag)).unwrap();
    drop(writer);
    let found = layout.referrers(&subject.digest, None).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0].digest, found[0].artifact_type.as_deref()),
        (&referrer.digest, Some("application/vnd.referrer"))
    );
    assert_eq!(layout.gc().unwrap().removed, 0);
}

#[test]
fn what_others_wrote_is_kept_as_it_stands() {
    let foreign = r#"{ "mediaType":"application/vnd.future.v9+json", "digest":"blake3:00", "size":1.50, "x":{"z":[1e400,"\u00e9"],"a":null} }"#;
    let head = r#"{"z-first":{"b":1,"a":2},"schemaVersion":2,"manifests":["#;
    let tail = r#"],"annotations":{"k":"v"},"last":[ 1 ]}"#;
    let (_dir, layout, [one, _]) = written(&format!("{head}{foreign}{tail}"));
    let writer = layout.begin().unwrap();
    push(&writer, "one", Some("v1"), None);
    let index = || fs::read_to_string(layout.path().join("index.json")).unwrap();
    let text = index();
    assert!(text.contains(foreign), "{text}");
    assert!(text.starts_with(&format!("{head}{foreign}")) && text.ends_with(tail), "{text}");
    assert_eq!(found(&layout, Some("v1")), Some(one));
    assert!(layout.delete(Some("v1"), None).unwrap());
    assert!(!layout.delete(Some("v1"), None).unwrap());
    assert_eq!(index(), format!("{head}{foreign}{tail}"));
    // What an entry needs that can't be read is not known: nothing is removed.
    drop(writer);
    let error = layout.gc().unwrap_err();
    assert_eq!(error.kind(), Kind::Protocol, "{error}");
    assert!(error.message().contains("blake3:00"), "{error}");
    assert_eq!(fs::read_dir(layout.path().join("blobs/sha256")).unwrap().count(), 6);
}

#[test]
fn q125_the_list_of_referrers_under_a_subjects_name_is_kept_right_where_there_is_one() {
    let (_dir, layout) = new_layout();
    let writer = layout.begin().unwrap();
    let [one, two] = ["one", "two"].map(|seed| push(&writer, seed, Some(seed), None));
    // As regctl has it, with members that only it knows.
    let name = format!("sha256-{}", one.digest.hex());
    let list = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","x":[ 1 ],"manifests":[]}"#;
    let list_descriptor = Descriptor::of(media_type::OCI_INDEX, list);
    writer.put_manifest(&list_descriptor, list, Some(&name)).unwrap();
    let listed = || {
        let found = layout.resolve(Some(&name), None).unwrap()?;
        Some(String::from_utf8(layout.read(&found, 1 << 20).unwrap()).unwrap())
    };
    let first = push(&writer, "first", None, Some(one.clone()));
    let second = push(&writer, "second", Some("named"), Some(one.clone()));
    let elsewhere = push(&writer, "elsewhere", None, Some(two.clone()));
    let text = listed().unwrap();
    let index: ImageIndex = serde_json::from_str(&text).unwrap();
    let entries: Vec<_> = index.manifests.iter().map(|d| (&d.digest, d.artifact_type.as_deref())).collect();
    let wanted =
        [(&first.digest, Some("application/vnd.first")), (&second.digest, Some("application/vnd.second"))];
    assert_eq!(entries, wanted);
    assert_eq!(index.manifests[0].annotations["seed"], "first");
    assert!(text.contains(r#""x":[ 1 ]"#), "{text}");
    // Again changes nothing; no list is begun where there was none.
    push(&writer, "first", None, Some(one.clone()));
    assert_eq!(listed().unwrap(), text);
    assert_eq!(layout.resolve(Some(&format!("sha256-{}", two.digest.hex())), None).unwrap(), None);
    assert_eq!(layout.referrers(&two.digest, None).unwrap()[0].digest, elsewhere.digest);
    // What is deleted goes from it, and the collection takes it.
    drop(writer);
    assert!(layout.delete(None, Some(&first.digest)).unwrap());
    assert!(!listed().unwrap().contains(first.digest.as_str()));
    assert_eq!(layout.referrers(&one.digest, None).unwrap().len(), 1);
    layout.gc().unwrap();
    assert!(!layout.has_blob(&first).unwrap() && layout.has_blob(&second).unwrap());
    assert!(layout.delete(None, Some(&second.digest)).unwrap());
    assert_eq!(listed(), None);
    assert!(!layout.delete(None, Some(&second.digest)).unwrap());
    assert_eq!(layout.gc().unwrap().removed_entries, 0);
    assert_eq!(layout.tags().unwrap(), ["one", "two"]);
}

#[test]
fn q126_the_full_name_that_podman_writes_is_found() {
    let ours = Ours::new();
    let path = ours.path("layout");
    let layout = Layout::create(&path, &call()).unwrap();
    let writer = layout.begin().unwrap();
    let one = push(&writer, "one", Some("127.0.0.1:5601/bld/img:v1"), None);
    let two = push(&writer, "two", Some("localhost/img:v1"), None);
    let alone = push(&writer, "three", Some("docker.io/library/x:v3"), None);
    drop(writer);
    let at = |name: &str| format!("ocidir://{}:{name}", path.display());
    let resolved = |name: &str| ours.resolve(&at(name)).unwrap().digest();
    assert_eq!(resolved("127.0.0.1:5601/bld/img:v1"), one.digest.to_string());
    assert_eq!(resolved("localhost/img:v1"), two.digest.to_string());
    assert_eq!(resolved("docker.io/library/x:v3"), alone.digest.to_string());
    assert_eq!(resolved("v3"), alone.digest.to_string());
    let named = format!("localhost/img:v1@{}", two.digest);
    assert_eq!(resolved(&named), two.digest.to_string());
    // Every verb that reads: its config, its blobs.
    let copy = ours::layout(&ours.path("copy"), "v1");
    assert_eq!(ours.copy(&at("127.0.0.1:5601/bld/img:v1"), &copy).unwrap().digest(), one.digest.to_string());
    ours.pull_config(&at("localhost/img:v1")).unwrap();
    // The twins: what is not there; a tag that two of them have; a path with a colon that is a layout.
    refused(ours.resolve(&at("localhost/other:v1")), Kind::NotFound, "the layout has no such manifest");
    refused(ours.resolve(&at("v1")), Kind::Protocol, "several manifests");
    let colon = ours.path("layout:localhost/img");
    push(&Layout::create(&colon, &call()).unwrap().begin().unwrap(), "four", Some("v1"), None);
    let four = artifact("four", None).0.digest;
    assert_eq!(resolved("localhost/img:v1"), four.to_string());
    // Nothing is written under such a name: there, the path is what it says.
    let error = ours.delete(&at("127.0.0.1:5601/bld/img:v1")).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
    assert_eq!(layout.tags().unwrap().len(), 3);
}

#[test]
fn a_layout_where_nothing_says_what_is_meant_says_so() {
    let ours = Ours::new();
    let path = ours.path("layout");
    let layout = Layout::create(&path, &call()).unwrap();
    let at = format!("ocidir://{}", path.display());
    let says = |words: &[&str]| {
        let copy = ours::layout(&ours.path("copy"), "v1");
        for error in [
            ours.resolve(&at).unwrap_err(),
            ours.pull(&at, &ours.path("out")).unwrap_err(),
            ours.copy(&at, &copy).unwrap_err(),
        ] {
            assert_eq!(error.kind(), Kind::NotFound, "{error}");
            assert!(words.iter().all(|word| error.message().contains(word)), "{error}");
        }
        assert_eq!(ours.exists(&at).unwrap().exists, Some(false));
    };
    says(&["the layout has no manifest"]);
    let writer = layout.begin().unwrap();
    let one = push(&writer, "one", None, None);
    ours.resolve(&at).unwrap();
    let two = push(&writer, "two", None, None);
    let (one, two) = (format!("@{}", one.digest), format!("@{}", two.digest));
    says(&["has 2 manifests", "by its tag or digest", &one, &two]);
    for seed in ["three", "four", "five", "six"] {
        push(&writer, seed, Some(seed), None);
    }
    says(&["has 6 manifests", "five, four, six, three, @sha256:", ", …"]);
    ours.resolve(&format!("{at}{one}")).unwrap();
}

#[test]
fn an_archive_where_a_layout_belongs_is_told_apart() {
    let ours = Ours::new();
    let path = ours.path("layout");
    push(&Layout::create(&path, &call()).unwrap().begin().unwrap(), "one", Some("v1"), None);
    let tar = |name: &str, compress: &str| {
        let archive = ours.path(name);
        let made =
            Command::new("tar").arg(compress).arg("-cf").arg(&archive).arg("-C").arg(&path).arg(".").status();
        made.unwrap().success().then_some(archive)
    };
    let mut tried = 0;
    let archives =
        [tar("plain.tar", "--format=ustar"), tar("gnu", "--format=gnu"), tar("small.tgz", "--gzip")];
    for archive in archives.into_iter().flatten() {
        let at = ours::layout(&archive, "v1");
        let before = fs::read(&archive).unwrap();
        for error in [
            ours.resolve(&at).unwrap_err(),
            ours.list_tags(&at).unwrap_err(),
            ours.copy(&ours::layout(&path, "v1"), &at).unwrap_err(),
        ] {
            assert_eq!(error.kind(), Kind::Unsupported, "{error}");
            assert!(
                error.message().contains("is an archive") && error.message().contains("tar -xf"),
                "{error}"
            );
        }
        assert!(fs::read(&archive).unwrap() == before);
        tried += 1;
    }
    assert_eq!(tried, 3);
    // The twin: another file is no directory.
    fs::write(ours.path("file"), "x".repeat(600)).unwrap();
    let error = ours.resolve(&ours::layout(&ours.path("file"), "v1")).unwrap_err();
    assert!(error.message().contains("Not a directory"), "{error}");
}
