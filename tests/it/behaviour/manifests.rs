//! What lies there, as it lies there: indexes and the bytes of manifests; and what a registry says is wrong.

use std::fs;

use cldoci::oci::{Descriptor, Digest, media_type};

use super::Place;
use crate::harness::api::{Api, Entry};
use crate::harness::evil::answer;
use crate::harness::registry::{Manners, Registry};

fn client<A: Api>(place: &dyn Place) -> A {
    let store = place.scratch().join("store");
    A::client(&[("store", store.to_str().unwrap()), ("environment", "false")]).unwrap()
}

/// An index of two images and an index, none of them for the platform that is meant where none is named.
pub fn an_index_lists_its_entries_and_each_gives_its_bytes<A: Api>(place: &dyn Place) {
    let api = client::<A>(place);
    let root = place.scratch().join("by-hand");
    fs::create_dir_all(root.join("blobs/sha256")).unwrap();
    fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let blob = |media_type: &str, bytes: &str| {
        fs::write(root.join("blobs/sha256").join(Digest::of(bytes.as_bytes()).hex()), bytes).unwrap();
        serde_json::to_value(Descriptor::of(media_type, bytes.as_bytes())).unwrap()
    };
    let config = blob(media_type::EMPTY, "{}");
    // Spaces that nobody writes: the bytes come as they are.
    let image = |name: &str| {
        let text = format!(
            r#"{{ "schemaVersion": 2, "mediaType": "{}", "artifactType": "application/vnd.{name}", "config": {config}, "layers": [] }}"#,
            media_type::OCI_MANIFEST
        );
        (blob(media_type::OCI_MANIFEST, &text), text)
    };
    let index = |entries: &[&serde_json::Value]| {
        let text =
            serde_json::json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": entries});
        (blob(media_type::OCI_INDEX, &text.to_string()), text.to_string())
    };
    let ((mut arm, arm_text), (mut windows, _), (deep, deep_text)) =
        (image("arm"), image("windows"), image("deep"));
    let (inner, inner_text) = index(&[&deep]);
    arm["platform"] = serde_json::json!({"os": "linux", "architecture": "arm64", "variant": "v8"});
    windows["platform"] = serde_json::json!({"os": "windows", "architecture": "amd64"});
    windows["artifactType"] = "application/vnd.windows".into();
    let (mut outer, outer_text) = index(&[&arm, &windows, &inner]);
    outer["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": "v1"});
    fs::write(
        root.join("index.json"),
        serde_json::json!({"schemaVersion": 2, "manifests": [outer]}).to_string(),
    )
    .unwrap();
    let at = place.reference("org/many", ":v1");
    api.copy(&format!("ocidir://{}:v1", root.display()), &at, &[]).unwrap();

    let found = api.read_manifest(&at).unwrap();
    assert_eq!(found.bytes.as_deref(), Some(outer_text.as_bytes()));
    assert_eq!(found.digest.as_deref(), outer["digest"].as_str());
    assert_eq!(found.media_type.as_deref(), Some(media_type::OCI_INDEX));
    assert_eq!(found.size, Some(outer_text.len() as u64));
    let of = |value: &serde_json::Value, platform: Option<&str>, artifact_type: Option<&str>| -> Entry {
        (
            value["mediaType"].as_str().unwrap().to_owned(),
            value["digest"].as_str().unwrap().to_owned(),
            value["size"].as_u64().unwrap(),
            platform.map(str::to_owned),
            artifact_type.map(str::to_owned),
        )
    };
    let want = [
        of(&arm, Some("linux/arm64/v8"), None),
        of(&windows, Some("windows/amd64"), Some("application/vnd.windows")),
        of(&inner, None, None),
    ];
    assert_eq!(found.listed, want);

    // No platform fits, and the error says where to look on.
    let failure = api.inspect(&at).map(drop).unwrap_err();
    assert_eq!(failure.kind, "NOT_FOUND");
    let cure = "it has linux/arm64/v8, windows/amd64; read_manifest lists its entries";
    assert!(failure.message.ends_with(cure), "{failure:?}");

    // Each child by its digest, the index in the index too.
    let child =
        |digest: &str| api.read_manifest(&place.reference("org/many", &format!("@{digest}"))).unwrap();
    let arm_found = child(&want[0].1);
    assert_eq!(arm_found.bytes.as_deref(), Some(arm_text.as_bytes()));
    assert_eq!(arm_found.listed, [] as [Entry; 0]);
    let inner_found = child(&want[2].1);
    assert_eq!(inner_found.bytes.as_deref(), Some(inner_text.as_bytes()));
    assert_eq!(inner_found.listed, [of(&deep, None, None)]);
    assert_eq!(child(&inner_found.listed[0].1).bytes.as_deref(), Some(deep_text.as_bytes()));

    // What is not there, and what is larger than is allowed.
    let other = place.reference("org/many", ":v2");
    assert_eq!(api.read_manifest(&other).map(drop).unwrap_err().kind, "NOT_FOUND");
    let narrow = A::client(&[("store", "off"), ("max_descriptors", "2")]).unwrap();
    let failure = narrow.read_manifest(&at).map(drop).unwrap_err();
    assert!(failure.kind == "LIMIT" && failure.message.contains("max_descriptors"), "{failure:?}");
}

/// All that a registry lists, bounded and in one line.
pub fn a_registrys_errors_are_listed<A: Api>(_: &dyn Place) {
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(5000));
    let body = format!(
        r#"{{"errors":[{{"code":"BLOB_UNKNOWN","message":"blob\u001b[2J\nunknown","detail":{{"digest":"sha256:a\u202eb"}}}},
        {{"code":"DENIED","message":null}},{{"message":"m","detail":{long}}}{}]}}"#,
        r#",{"code":"X"}"#.repeat(100)
    );
    let listed = |body: &str| {
        let body = body.to_owned();
        let registry = Registry::with(Manners::default(), move |_| Some(answer(403, &[], &body)));
        let api = A::client(&[("store", "off"), ("environment", "false")]).unwrap();
        let failure = api.pull_config(&format!("{}/org/app:v1", registry.host())).map(drop).unwrap_err();
        assert_eq!((failure.kind.as_str(), failure.http_status), ("DENIED", Some(403)));
        failure.listed
    };
    let all = listed(&body);
    let one = |code: &str, message: &str, detail: Option<&str>| {
        (code.to_owned(), message.to_owned(), detail.map(str::to_owned))
    };
    let detail = r#"{"digest":"sha256:a\u202eb"}"#;
    assert_eq!(all[0], one("BLOB_UNKNOWN", r"blob\u{1b}[2J\nunknown", Some(detail)));
    assert_eq!(all[1], one("DENIED", "", None));
    assert_eq!(all[2], one("", "m", None), "a detail is whole or not there");
    assert_eq!((all.len(), &all[31]), (32, &one("X", "", None)));
    assert_eq!(listed("no list"), []);
}
