//! `index.json` as other tools write it.

use super::*;

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
