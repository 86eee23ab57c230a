//! Artifacts that other tools made, in layouts put together by hand (docs/registry-quirks.md, O-…).

use super::*;

/// A layout whose blobs and lists are the test's own.
struct Made<'a> {
    bench: &'a Bench,
    entries: std::cell::RefCell<Vec<serde_json::Value>>,
}

impl<'a> Made<'a> {
    fn new(bench: &'a Bench) -> Self {
        let layout = bench.work.path().join("layout");
        fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
        fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { bench, entries: Vec::new().into() }
    }

    fn at(&self, tag: &str) -> String {
        format!("ocidir://{}:{tag}", self.bench.work.path().join("layout").display())
    }

    fn blob(&self, media_type: &str, bytes: &[u8]) -> serde_json::Value {
        let digest = Digest::of(bytes);
        let blobs = self.bench.work.path().join("layout/blobs/sha256");
        fs::write(blobs.join(digest.hex()), bytes).unwrap();
        serde_json::json!({"mediaType": media_type, "digest": digest.as_str(), "size": bytes.len()})
    }

    fn layer(&self) -> serde_json::Value {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(1);
        header.set_mode(0o644);
        tar.append_data(&mut header, "a", &b"1"[..]).unwrap();
        self.blob("application/vnd.oci.image.layer.v1.tar", &tar.into_inner().unwrap())
    }

    fn image(&self, artifact_type: &str, layers: &[serde_json::Value]) -> serde_json::Value {
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "artifactType": artifact_type,
            "config": self.blob(media_type::EMPTY, b"{}"), "layers": layers,
        });
        self.blob(media_type::OCI_MANIFEST, manifest.to_string().as_bytes())
    }

    /// Lists what a descriptor points to under a tag.
    fn list(&self, mut descriptor: serde_json::Value, tag: Option<&str>) {
        if let Some(tag) = tag {
            descriptor["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": tag});
        }
        self.entries.borrow_mut().push(descriptor);
        let index = serde_json::json!({"schemaVersion": 2, "manifests": *self.entries.borrow()});
        fs::write(self.bench.work.path().join("layout/index.json"), index.to_string()).unwrap();
    }
}

fn with(descriptor: &serde_json::Value, key: &str, value: serde_json::Value) -> serde_json::Value {
    let mut changed = descriptor.clone();
    changed[key] = value;
    changed
}

impl Bench {
    /// Pulls and gives the names that are there then, and the warnings.
    fn names(&self, reference: &str, options: &[(&str, &str)]) -> Result<(Vec<String>, Vec<String>), Error> {
        let mut all = Options::new();
        for (name, value) in options {
            all.set(name, value).unwrap();
        }
        let reference: Reference = reference.parse().unwrap();
        let call = self.client.call(Some(&all)).unwrap();
        self.runtime.block_on(self.client.pull(&reference, &self.out(), &call))?;
        let mut names: Vec<_> = fs::read_dir(self.out())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        Ok((names, call.operation.warnings()))
    }
}

const WASM: &str = "application/wasm";

#[test]
fn o_05_a_layer_beside_the_files_is_skipped_named_or_refused_and_remembered_as_such() {
    let bench = Bench::new(&[]);
    let made = Made::new(&bench);
    let wasm = made.blob(WASM, b"\0asm");
    let file = format!("sha256-{}", Digest::of(b"\0asm").hex());
    made.list(made.image("application/vnd.x", &[wasm.clone(), made.layer()]), Some("mixed"));
    made.list(made.image("application/vnd.x", &[wasm]), Some("alone"));
    let mixed = made.at("mixed");
    let fresh = || drop(fs::remove_dir_all(bench.out()));
    // What is skipped need not be there.
    let (names, warnings) = bench.names(&mixed, &[]).unwrap();
    assert_eq!(names, ["a"]);
    assert!(warnings.iter().any(|text| text.contains(WASM)), "{warnings:?}");
    // The same again is unchanged; what is asked for in another way is not.
    assert!(bench.pull(&mixed).unwrap().unchanged);
    let error = bench.names(&mixed, &[("other_layers", "file")]).unwrap_err();
    assert_eq!(error.kind(), Kind::Exists, "{error}");
    fresh();
    let (names, warnings) = bench.names(&mixed, &[("other_layers", "file")]).unwrap();
    assert_eq!((names, warnings), (vec!["a".to_owned(), file], Vec::new()));
    for options in [&[("other_layers", "refuse")][..], &[("existing", "merge")], &[("existing", "replace")]] {
        let error = bench.names(&mixed, options).unwrap_err();
        assert!(error.kind() == Kind::Unsupported && error.message().contains(WASM), "{options:?}: {error}");
    }
    bench.names(&mixed, &[("other_layers", "skip"), ("existing", "replace")]).unwrap();
    fresh();
    let error = bench.names(&made.at("alone"), &[]).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported, "{error}");
    assert!(!bench.out().exists());
}

#[test]
fn o_05_an_artifact_of_the_seeds_kinds_is_refused_unless_it_is_said() {
    let bench = Bench::new(&[]);
    let made = Made::new(&bench);
    let config = "application/vnd.architect.component.config.v1+json";
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": made.blob(config, b"{}"),
        "layers": [made.layer(), made.blob(WASM, b"\0asm")],
    });
    made.list(made.blob(media_type::OCI_MANIFEST, manifest.to_string().as_bytes()), Some("v1"));
    assert_eq!(bench.pull(&made.at("v1")).unwrap_err().kind(), Kind::Unsupported);
    assert_eq!(bench.names(&made.at("v1"), &[("other_layers", "skip")]).unwrap().0, ["a"]);
}

#[test]
fn o_04_an_artifact_without_content_is_an_empty_directory() {
    let bench = Bench::new(&[]);
    let made = Made::new(&bench);
    made.list(made.image("application/vnd.x", &[made.blob(media_type::EMPTY, b"{}")]), Some("empty"));
    made.list(made.image("application/vnd.x", &[made.blob("a/b", b""), made.layer()]), Some("file"));
    assert_eq!(bench.names(&made.at("empty"), &[]).unwrap(), (Vec::new(), Vec::new()));
    assert_eq!(bench.names(&made.at("file"), &[]).unwrap(), (vec!["a".to_owned()], Vec::new()));
}

#[test]
fn o_01_null_in_others_documents_is_absent_and_their_bytes_are_kept() {
    let bench = Bench::new(&[]);
    let made = Made::new(&bench);
    let null = serde_json::Value::Null;
    let layer = with(&with(&made.layer(), "urls", null.clone()), "annotations", null.clone());
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": null, "config": made.blob(media_type::EMPTY, b"{}"), "layers": [layer],
        "annotations": null, "subject": null, "manifests": null,
    });
    let entry = made.blob(media_type::OCI_MANIFEST, manifest.to_string().as_bytes());
    made.list(with(&entry, "platform", null.clone()), Some("v1"));
    made.list(with(&with(&entry, "urls", null.clone()), "annotations", null), None);
    let outcome = bench.pull(&made.at("v1")).unwrap();
    assert_eq!(outcome.digest.unwrap(), Digest::of(manifest.to_string().as_bytes()));
    // Required, in the list and in an entry.
    let index = bench.work.path().join("layout/index.json");
    let right = fs::read_to_string(&index).unwrap();
    for wrong in
        [right.replace("[{", "[null,{"), right.replace(r#""schemaVersion":2"#, r#""schemaVersion":null"#)]
    {
        assert_ne!(wrong, right);
        fs::write(&index, wrong).unwrap();
        let error = bench.pull(&made.at("v1")).unwrap_err();
        assert!(error.kind() == Kind::Protocol && error.message().contains("has null"), "{error}");
        assert!(error.message().contains("index.json"), "{error}");
    }
}
