//! OCI image layouts: what other tools write, what is damaged or hostile, many processes at once, and
//! processes that are killed.

mod collect;
mod faults;
mod interop;
mod limits;
mod linked;
mod peers;
mod processes;
mod shared;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cldoci::oci::{Descriptor, Digest, ImageIndex, ImageManifest, media_type};
use cldoci::store::{Layout, LayoutWriter, Store};
use cldoci::{Call, Kind};

use crate::harness::ours::call_with;

fn call() -> Call {
    call_with(&[])
}

type Made = (Descriptor, Vec<u8>, Vec<(Descriptor, Vec<u8>)>);

/// A manifest of one layer, whose bytes and config follow from `seed`, with its blobs.
fn artifact(seed: &str, subject: Option<Descriptor>) -> Made {
    let config = format!("{{\"seed\":\"{seed}\"}}").into_bytes();
    let layer = seed.repeat(1000).into_bytes();
    let config_descriptor = Descriptor::of("application/vnd.x.config", &config);
    let layer_descriptor = Descriptor::of(media_type::OCI_LAYER, &layer);
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: media_type::OCI_MANIFEST.to_owned(),
        artifact_type: Some(format!("application/vnd.{seed}")),
        config: config_descriptor.clone(),
        layers: vec![layer_descriptor.clone()],
        subject,
        annotations: [("seed".to_owned(), seed.to_owned())].into(),
    };
    let bytes = manifest.to_bytes();
    (
        Descriptor::of(media_type::OCI_MANIFEST, &bytes),
        bytes,
        vec![(config_descriptor, config), (layer_descriptor, layer)],
    )
}

fn push(writer: &LayoutWriter, seed: &str, tag: Option<&str>, subject: Option<Descriptor>) -> Descriptor {
    let (descriptor, manifest, blobs) = artifact(seed, subject);
    for (blob, bytes) in &blobs {
        writer.add_bytes(blob, bytes).unwrap();
    }
    writer.put_manifest(&descriptor, &manifest, tag).unwrap();
    descriptor
}

/// Every tag's manifest and blobs are there and right; the number of tags.
fn check_whole(layout: &Layout) -> usize {
    let tags = layout.tags().unwrap();
    for tag in &tags {
        let descriptor = layout.resolve(Some(tag), None).unwrap().unwrap();
        let manifest: ImageManifest =
            serde_json::from_slice(&layout.read(&descriptor, 1 << 20).unwrap()).unwrap();
        for blob in manifest.blobs() {
            layout.read(blob, 1 << 20).unwrap();
        }
    }
    tags.len()
}

fn new_layout() -> (tempfile::TempDir, Layout) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::create(&dir.path().join("missing/layout"), &call()).unwrap();
    (dir, layout)
}

/// The files that are neither blobs nor the layout's own.
fn left_overs(layout: &Layout) -> Vec<String> {
    let own = fs::read_dir(layout.path().join(".cldoci")).unwrap();
    own.map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".lock"))
        .collect()
}

#[test]
fn what_is_pushed_is_found_and_is_a_layout_by_the_specification() {
    let (_dir, layout) = new_layout();
    let marker = fs::read(layout.path().join("oci-layout")).unwrap();
    assert_eq!(marker, br#"{"imageLayoutVersion":"1.0.0"}"#);
    assert_eq!(layout.resolve(None, None).unwrap(), None);
    let writer = layout.begin().unwrap();
    let one = push(&writer, "one", Some("v1"), None);
    assert_eq!(
        fs::read_to_string(layout.path().join("index.json")).unwrap(),
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{{"mediaType":"{}","digest":"{}","size":{},"annotations":{{"org.opencontainers.image.ref.name":"v1"}},"artifactType":"application/vnd.one"}}]}}"#,
            media_type::OCI_INDEX,
            media_type::OCI_MANIFEST,
            one.digest,
            one.size
        )
    );
    // The only manifest needs no name; with two, `latest` is meant.
    let digest_of = |tag| layout.resolve(tag, None).unwrap().map(|d| d.digest);
    assert_eq!(digest_of(None), Some(one.digest.clone()));
    let two = push(&writer, "two", Some("v2"), None);
    assert_eq!(digest_of(None), None);
    push(&writer, "two", Some("latest"), None);
    assert_eq!(digest_of(None), Some(two.digest.clone()));
    assert_eq!(digest_of(Some("v1")), Some(one.digest));
    assert_eq!(digest_of(Some("v3")), None);
    assert_eq!(layout.tags().unwrap(), ["latest", "v1", "v2"]);
    // A tag that moves names one manifest; the old one is still found by its digest.
    push(&writer, "two", Some("v1"), None);
    assert_eq!(digest_of(Some("v1")), Some(two.digest));
    let old = artifact("one", None).0;
    assert_eq!(layout.resolve(None, Some(&old.digest)).unwrap().unwrap().size, old.size);
    assert_eq!(layout.resolve(Some("v1"), Some(&Digest::of(b"none"))).unwrap(), None);
    assert_eq!(check_whole(&layout), 3);
    assert!(left_overs(&layout).is_empty());
}

#[test]
fn a_blob_is_visible_only_when_it_is_whole_and_right() {
    let (_dir, layout) = new_layout();
    let writer = layout.begin().unwrap();
    let blob = Descriptor::of("a/b", b"content");
    let write = |bytes: &[u8]| {
        let mut blob_writer = writer.create_blob(&blob).unwrap();
        blob_writer.write_all(bytes).map_err(|e| cldoci::Error::io("blob", e))?;
        assert!(!layout.has_blob(&blob).unwrap());
        blob_writer.commit()
    };
    assert_eq!(write(b"conten").unwrap_err().kind(), Kind::Size);
    assert_eq!(write(b"contents").unwrap_err().kind(), Kind::Size);
    assert_eq!(write(b"comtent").unwrap_err().kind(), Kind::Digest);
    assert!(left_overs(&layout).is_empty());
    write(b"content").unwrap();
    assert_eq!(layout.read(&blob, 100).unwrap(), b"content");
    assert_eq!(layout.read(&blob, 3).unwrap_err().kind(), Kind::Limit);
}

#[test]
fn a_manifest_without_its_blobs_is_refused() {
    let (_dir, layout) = new_layout();
    let writer = layout.begin().unwrap();
    let (descriptor, manifest, blobs) = artifact("x", None);
    writer.add_bytes(&blobs[0].0, &blobs[0].1).unwrap();
    let error = writer.put_manifest(&descriptor, &manifest, Some("v1")).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.message().contains(blobs[1].0.digest.as_str()), "{error}");
    assert!(layout.tags().unwrap().is_empty());
    writer.add_bytes(&blobs[1].0, &blobs[1].1).unwrap();
    writer.put_manifest(&descriptor, &manifest, Some("v1")).unwrap();
    assert_eq!(check_whole(&layout), 1);
}

#[test]
fn files_and_spools_are_added_verified() {
    let (dir, layout) = new_layout();
    let writer = layout.begin().unwrap();
    let bytes = vec![7u8; 3 << 20];
    let blob = Descriptor::of("a/b", &bytes);
    let path = dir.path().join("file");
    fs::write(&path, &bytes).unwrap();
    let add = |blob: &Descriptor| writer.add_file(blob, &fs::File::open(&path).unwrap());
    let other = Descriptor::new("a/b", Digest::of(b"other"), blob.size);
    assert_eq!(add(&other).unwrap_err().kind(), Kind::Digest);
    assert_eq!(add(&Descriptor::new("a/b", other.digest, blob.size - 1)).unwrap_err().kind(), Kind::Size);
    add(&blob).unwrap();
    assert!(layout.has_blob(&blob).unwrap());
    // A spool of the same file system gets a second name, readable as any blob is.
    let store = Store::at(&dir.path().join("store")).unwrap();
    let mut spool = store.spool().unwrap();
    spool.write_all(b"spooled").unwrap();
    let spool = spool.finish().unwrap();
    let spooled = Descriptor::new("a/b", spool.digest().clone(), spool.size());
    writer.add_spool(&spooled, &spool).unwrap();
    let modes: Vec<_> = [&blob, &spooled]
        .map(|b| fs::metadata(layout.path().join("blobs/sha256").join(b.digest.hex())).unwrap().permissions())
        .into();
    assert_eq!(modes[0], modes[1]);
    drop(spool);
    assert_eq!(layout.read(&spooled, 100).unwrap(), b"spooled");
    let empty = store.spool().unwrap().finish().unwrap();
    let error = writer.add_spool(&blob, &empty).unwrap_err();
    assert_eq!(error.kind(), Kind::Internal, "{error}");
    assert!(error.message().contains(blob.digest.as_str()), "{error}");
}

#[test]
fn what_is_no_layout_is_named_so() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let refused = |path: PathBuf, kind: Kind, why: &str| {
        let error = Layout::open(&path, &call()).and_then(|layout| layout.resolve(None, None)).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(why), "{error}");
    };
    refused(at("none"), Kind::NotFound, "no such directory");
    fs::create_dir(at("empty")).unwrap();
    refused(at("empty"), Kind::NotFound, "has no file oci-layout");
    fs::write(at("file"), "").unwrap();
    refused(at("file"), Kind::Io, "Not a directory");
    let make = |name: &str, marker: &str, index: Option<&str>| {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("oci-layout"), marker).unwrap();
        if let Some(index) = index {
            fs::write(at(name).join("index.json"), index).unwrap();
        }
        at(name)
    };
    let marker = r#"{"imageLayoutVersion":"1.0.0"}"#;
    refused(make("old", r#"{"imageLayoutVersion":"2.0"}"#, None), Kind::Unsupported, "version 2.0");
    refused(make("torn", "{\"image", None), Kind::Protocol, "is not JSON");
    refused(make("no-index", marker, None), Kind::Protocol, "index.json is missing");
    for (n, index) in ["", "[]", "{", r#"{"manifests":{}}"#, r#"{"manifests":[],"manifests":[]}"#, "{} x"]
        .iter()
        .enumerate()
    {
        refused(make(&format!("index-{n}"), marker, Some(index)), Kind::Protocol, "is not an image index");
    }
    let bad = r#"{"manifests":[{"digest":"sha256:../../x","size":1}]}"#;
    refused(make("bad-digest", marker, Some(bad)), Kind::Protocol, "bad descriptor");
    // Go writes an empty list as null.
    let empty = make("null", marker, Some(r#"{"schemaVersion":2,"manifests":null}"#));
    assert_eq!(Layout::open(&empty, &call()).unwrap().resolve(None, None).unwrap(), None);
    // A directory of other things does not become a layout.
    fs::write(at("empty").join("precious"), "").unwrap();
    let error = Layout::create(&at("empty"), &call()).unwrap_err();
    assert_eq!(error.kind(), Kind::Exists);
    assert_eq!(fs::read_dir(at("empty")).unwrap().count(), 1);
    // One that was left half made does.
    fs::create_dir_all(at("half/.cldoci")).unwrap();
    Layout::create(&at("half"), &call()).unwrap();
    Layout::open(&at("half"), &call()).unwrap();
}

#[test]
fn a_hostile_layout_is_refused_within_bounds() {
    let (dir, layout) = new_layout();
    let descriptor = push(&layout.begin().unwrap(), "x", Some("v1"), None);
    let secret = dir.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let blob = layout.path().join("blobs/sha256").join(descriptor.digest.hex());
    let good = fs::read(&blob).unwrap();
    // Links and devices in the place of blobs.
    fs::remove_file(&blob).unwrap();
    symlink(&secret, &blob).unwrap();
    let error = layout.read(&descriptor, 1 << 20).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe, "{error}");
    assert!(layout.begin().unwrap().add_bytes(&descriptor, &good).is_ok());
    assert_eq!(fs::read(&secret).unwrap(), b"secret");
    assert_eq!(layout.read(&descriptor, 1 << 20).unwrap(), good);
    fs::remove_file(&blob).unwrap();
    assert!(Command::new("mkfifo").arg(&blob).status().unwrap().success());
    assert_eq!(layout.read(&descriptor, 1 << 20).unwrap_err().kind(), Kind::Unsafe);
    // Content that is not what its name says.
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, vec![b' '; good.len()]).unwrap();
    assert_eq!(layout.read(&descriptor, 1 << 20).unwrap_err().kind(), Kind::Digest);
    fs::write(&blob, "short").unwrap();
    assert_eq!(layout.read(&descriptor, 1 << 20).unwrap_err().kind(), Kind::Size);
    push(&layout.begin().unwrap(), "x", Some("v1"), None);
    assert_eq!(check_whole(&layout), 1);
    // An index.json of a gigabyte, of many entries, of deep nesting.
    let index = layout.path().join("index.json");
    fs::File::options().write(true).open(&index).unwrap().set_len(1 << 30).unwrap();
    let error = layout.tags().unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
    assert!(error.message().contains("max_manifest_bytes"), "{error}");
    fs::write(&index, format!("{{\"manifests\":[{}{{}}]}}", "{},".repeat(10_000))).unwrap();
    let error = layout.tags().unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
    assert!(error.message().contains("max_descriptors"), "{error}");
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    fs::write(&index, format!("{{\"manifests\":[{{\"x\":{deep}}}]}}")).unwrap();
    assert!(layout.tags().unwrap().is_empty());
    // A link in the place of the blobs' directory: nothing is written or removed behind it.
    let outside = dir.path().join("outside");
    fs::create_dir_all(outside.join("sha256")).unwrap();
    fs::write(outside.join("sha256").join(descriptor.digest.hex()), &good).unwrap();
    fs::remove_dir_all(layout.path().join("blobs")).unwrap();
    symlink(&outside, layout.path().join("blobs")).unwrap();
    fs::write(&index, r#"{"manifests":[]}"#).unwrap();
    assert_eq!(layout.gc().unwrap_err().kind(), Kind::Unsafe);
    assert_eq!(layout.begin().unwrap().add_bytes(&descriptor, &good).unwrap_err().kind(), Kind::Unsafe);
    assert_eq!(fs::read_dir(outside.join("sha256")).unwrap().count(), 1);
}
