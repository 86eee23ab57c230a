//! The options `max_descriptors` and `max_manifest_bytes` hold for layouts as they do for registries.

use cldoci::Error;
use cldoci::options::{Environment, Options};

use super::*;

use crate::harness::ours::Ours;

/// A layout whose `index.json` gives one manifest so many names, each with an annotation of so many bytes.
fn layout_of(tags: usize, filling: usize) -> (tempfile::TempDir, PathBuf) {
    let (dir, layout) = new_layout();
    let digest = push(&layout.begin().unwrap(), "x", None, None).digest;
    let filling = "f".repeat(filling);
    let entries: Vec<String> = (0..tags)
        .map(|n| {
            format!(
                r#"{{"mediaType":"{}","digest":"{digest}","size":1,"annotations":{{"org.opencontainers.image.ref.name":"t{n}","x":"{filling}"}}}}"#,
                media_type::OCI_MANIFEST
            )
        })
        .collect();
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
    let path = layout.path().to_owned();
    fs::write(path.join("index.json"), index).unwrap();
    (dir, path)
}

/// How many tags a client lists that has this variable in its environment.
fn listed(path: &Path, variable: Option<(&str, &str)>) -> Result<usize, Error> {
    let ours = Ours::of(Options::new(), Environment::of(variable))?;
    Ok(ours.list_tags(&format!("ocidir://{}", path.display()))?.tags.len())
}

fn refused(found: Result<usize, Error>, what: &str) {
    let error = found.unwrap_err();
    assert_eq!(error.kind(), Kind::Limit, "{error}");
    assert!(error.message().contains("index.json") && error.message().contains(what), "{error}");
}

#[test]
fn max_descriptors_raises_and_lowers_what_a_layout_may_list() {
    let (_dir, many) = layout_of(10_500, 0);
    refused(listed(&many, None), "more than 10000 manifests (option max_descriptors)");
    assert_eq!(listed(&many, Some(("CLDOCI_MAX_DESCRIPTORS", "20000"))).unwrap(), 10_500);

    let (_dir, two) = layout_of(2, 0);
    refused(
        listed(&two, Some(("CLDOCI_MAX_DESCRIPTORS", "1"))),
        "more than 1 manifests (option max_descriptors)",
    );
    assert_eq!(listed(&two, Some(("CLDOCI_MAX_DESCRIPTORS", "2"))).unwrap(), 2);
}

#[test]
fn max_manifest_bytes_raises_and_lowers_how_large_an_index_may_be() {
    let (_dir, large) = layout_of(11, 1 << 20);
    refused(listed(&large, None), "more than 8388608 bytes (option max_manifest_bytes)");
    assert_eq!(listed(&large, Some(("CLDOCI_MAX_MANIFEST_BYTES", "100000000"))).unwrap(), 11);

    let (_dir, small) = layout_of(1, 1024);
    refused(listed(&small, Some(("CLDOCI_MAX_MANIFEST_BYTES", "1024"))), "more than 1024 bytes");
    assert_eq!(listed(&small, Some(("CLDOCI_MAX_MANIFEST_BYTES", "4096"))).unwrap(), 1);
}

/// Nothing is written that the same client could not read again.
#[test]
fn a_layout_takes_no_more_manifests_than_its_call_allows() {
    let (_dir, path) = layout_of(2, 0);
    let full = Layout::open(&path, &call_with(&[("max_descriptors", "2")])).unwrap();
    let (descriptor, manifest, blobs) = artifact("new", None);
    let add = |layout: &Layout| {
        let writer = layout.begin().unwrap();
        for (blob, bytes) in &blobs {
            writer.add_bytes(blob, bytes).unwrap();
        }
        writer.put_manifest(&descriptor, &manifest, Some("new"))
    };
    let error = add(&full).unwrap_err();
    assert!(error.kind() == Kind::Limit && error.message().contains("option max_descriptors"), "{error}");
    add(&Layout::open(&path, &call_with(&[("max_descriptors", "3")])).unwrap()).unwrap();
}
