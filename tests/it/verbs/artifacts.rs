//! Artifacts that other tools made, in layouts put together by hand (docs/registry-quirks.md).

use super::*;

/// A layout whose blobs and lists are the test's own.
struct Made<'a> {
    ours: &'a Ours,
    entries: std::cell::RefCell<Vec<serde_json::Value>>,
}

impl<'a> Made<'a> {
    fn new(ours: &'a Ours) -> Self {
        let layout = ours.path("layout");
        fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
        fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { ours, entries: Vec::new().into() }
    }

    fn at(&self, tag: &str) -> String {
        format!("ocidir://{}:{tag}", self.ours.path("layout").display())
    }

    fn blob(&self, media_type: &str, bytes: &[u8]) -> serde_json::Value {
        let digest = Digest::of(bytes);
        let blobs = self.ours.path("layout/blobs/sha256");
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
        fs::write(self.ours.path("layout/index.json"), index.to_string()).unwrap();
    }
}

fn with(descriptor: &serde_json::Value, key: &str, value: serde_json::Value) -> serde_json::Value {
    let mut changed = descriptor.clone();
    changed[key] = value;
    changed
}

/// Pulls and gives the names that are there then, and the warnings.
fn pull_names(ours: &Ours, reference: &str, options: &[(&str, &str)]) -> Result<(Vec<String>, Vec<String>)> {
    let pulled = pull(&ours.given(options), reference)?;
    let mut names: Vec<_> = fs::read_dir(ours.path("out"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    Ok((names, pulled.warnings))
}

const WASM: &str = "application/wasm";

#[test]
fn q85_a_layer_beside_the_files_is_skipped_named_or_refused_and_remembered_as_such() {
    let ours = Ours::new();
    let made = Made::new(&ours);
    let wasm = made.blob(WASM, b"\0asm");
    let file = format!("sha256-{}", Digest::of(b"\0asm").hex());
    made.list(made.image("application/vnd.x", &[wasm.clone(), made.layer()]), Some("mixed"));
    made.list(made.image("application/vnd.x", &[wasm]), Some("alone"));
    let mixed = made.at("mixed");
    let fresh = || drop(fs::remove_dir_all(ours.path("out")));
    // What is skipped need not be there.
    let (names, warnings) = pull_names(&ours, &mixed, &[]).unwrap();
    assert_eq!(names, ["a"]);
    assert!(warnings.iter().any(|text| text.contains(WASM)), "{warnings:?}");
    // The same again is unchanged; what is asked for in another way is not.
    assert!(pull(&ours, &mixed).unwrap().unchanged);
    let error = pull_names(&ours, &mixed, &[("other_layers", "file")]).unwrap_err();
    assert_eq!(error.kind(), Kind::Exists, "{error}");
    fresh();
    let (names, warnings) = pull_names(&ours, &mixed, &[("other_layers", "file")]).unwrap();
    assert_eq!((names, warnings), (vec!["a".to_owned(), file], Vec::new()));
    for options in [&[("other_layers", "refuse")][..], &[("existing", "merge")], &[("existing", "replace")]] {
        let error = pull_names(&ours, &mixed, options).unwrap_err();
        assert!(error.kind() == Kind::Unsupported && error.message().contains(WASM), "{options:?}: {error}");
    }
    pull_names(&ours, &mixed, &[("other_layers", "skip"), ("existing", "replace")]).unwrap();
    fresh();
    let error = pull_names(&ours, &made.at("alone"), &[]).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported, "{error}");
    assert!(!ours.path("out").exists());
}

#[test]
fn q85_an_artifact_of_the_seeds_kinds_is_refused_unless_it_is_said() {
    let ours = Ours::new();
    let made = Made::new(&ours);
    let config = "application/vnd.architect.component.config.v1+json";
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": made.blob(config, b"{}"),
        "layers": [made.layer(), made.blob(WASM, b"\0asm")],
    });
    made.list(made.blob(media_type::OCI_MANIFEST, manifest.to_string().as_bytes()), Some("v1"));
    assert_eq!(pull(&ours, &made.at("v1")).unwrap_err().kind(), Kind::Unsupported);
    assert_eq!(pull_names(&ours, &made.at("v1"), &[("other_layers", "skip")]).unwrap().0, ["a"]);
}

#[test]
fn q84_an_artifact_without_content_is_an_empty_directory() {
    let ours = Ours::new();
    let made = Made::new(&ours);
    made.list(made.image("application/vnd.x", &[made.blob(media_type::EMPTY, b"{}")]), Some("empty"));
    made.list(made.image("application/vnd.x", &[made.blob("a/b", b""), made.layer()]), Some("file"));
    assert_eq!(pull_names(&ours, &made.at("empty"), &[]).unwrap(), (Vec::new(), Vec::new()));
    assert_eq!(pull_names(&ours, &made.at("file"), &[]).unwrap(), (vec!["a".to_owned()], Vec::new()));
}

#[test]
fn q81_null_in_others_documents_is_absent_and_their_bytes_are_kept() {
    let ours = Ours::new();
    let made = Made::new(&ours);
    let null = serde_json::Value::Null;
    let layer = with(&with(&made.layer(), "urls", null.clone()), "annotations", null.clone());
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": null, "config": made.blob(media_type::EMPTY, b"{}"), "layers": [layer],
        "annotations": null, "subject": null, "manifests": null,
    });
    let entry = made.blob(media_type::OCI_MANIFEST, manifest.to_string().as_bytes());
    made.list(with(&entry, "platform", null.clone()), Some("v1"));
    made.list(with(&with(&entry, "urls", null.clone()), "annotations", null), None);
    let outcome = pull(&ours, &made.at("v1")).unwrap();
    assert_eq!(outcome.digest.clone().unwrap(), Digest::of(manifest.to_string().as_bytes()));
    // Required, in the list and in an entry.
    let index = ours.path("layout/index.json");
    let right = fs::read_to_string(&index).unwrap();
    for wrong in
        [right.replace("[{", "[null,{"), right.replace(r#""schemaVersion":2"#, r#""schemaVersion":null"#)]
    {
        assert_ne!(wrong, right);
        fs::write(&index, wrong).unwrap();
        let error = pull(&ours, &made.at("v1")).unwrap_err();
        assert!(error.kind() == Kind::Protocol && error.message().contains("has null"), "{error}");
        assert!(error.message().contains("index.json"), "{error}");
    }
}

/// A place for a copy, and its blobs.
fn target(ours: &Ours) -> (String, std::path::PathBuf) {
    let copy = ours.path("copy");
    (format!("ocidir://{}:v1", copy.display()), copy.join("blobs/sha256"))
}

fn hex(descriptor: &serde_json::Value) -> &str {
    descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap()
}

impl Made<'_> {
    /// An artifact manifest of the release candidates, of one file.
    fn artifact(&self, subject: Option<&serde_json::Value>) -> serde_json::Value {
        let title = serde_json::json!({"org.opencontainers.image.title": "hi.txt"});
        let blob = with(&self.blob("text/plain", b"hi"), "annotations", title);
        let mut manifest = serde_json::json!({
            "mediaType": media_type::OCI_ARTIFACT, "artifactType": "application/vnd.x.signature", "blobs": [blob],
        });
        if let Some(subject) = subject {
            manifest["subject"] = subject.clone();
        }
        self.blob(media_type::OCI_ARTIFACT, manifest.to_string().as_bytes())
    }

    fn index(&self, manifests: &[serde_json::Value]) -> serde_json::Value {
        let index = serde_json::json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": manifests});
        self.blob(media_type::OCI_INDEX, index.to_string().as_bytes())
    }

    /// An image for this platform, of one file of that name, as its config says.
    fn image_for(&self, os: &str, architecture: &str, name: &str) -> serde_json::Value {
        let config =
            serde_json::json!({"os": os, "architecture": architecture, "rootfs": {"diff_ids": null}});
        let config = self.blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
        let layer = with(
            &self.blob("text/plain", name.as_bytes()),
            "annotations",
            serde_json::json!({"org.opencontainers.image.title": name}),
        );
        let manifest = serde_json::json!({"schemaVersion": 2, "config": config, "layers": [layer]});
        self.blob(media_type::OCI_MANIFEST, manifest.to_string().as_bytes())
    }
}

#[test]
fn q91_an_artifact_manifest_is_pulled_copied_and_kept_as_a_referrer() {
    let ours = Ours::new();
    let made = Made::new(&ours);
    let image = made.image("application/vnd.x", &[made.layer()]);
    let signature = made.artifact(Some(&image));
    made.list(image, Some("v1"));
    made.list(signature.clone(), None);
    made.list(made.artifact(None), Some("art"));
    assert_eq!(pull_names(&ours, &made.at("art"), &[]).unwrap().0, ["hi.txt"]);
    let (target, blobs) = target(&ours);
    ours.copy(&made.at("v1"), &target).unwrap();
    assert!(!blobs.join(hex(&signature)).exists(), "only a recursive copy takes it along");
    ours.given(&[("recursive", "true")]).copy(&made.at("v1"), &target).unwrap();
    assert!(blobs.join(hex(&signature)).exists());
    // By HTTP too, where it is asked for by its media type.
    let registry = Registry::with(Manners::default(), |_| None);
    let place = format!("{}/org/app:art", registry.host());
    ours.copy(&made.at("art"), &place).unwrap();
    fs::remove_dir_all(ours.path("out")).unwrap();
    assert_eq!(pull_names(&ours, &place, &[]).unwrap().0, ["hi.txt"]);
    // It is kept with what it refers to, and its blobs with it.
    assert_eq!(ours.collect_garbage(&made.at("v1")).unwrap().bytes, None);
    fs::remove_dir_all(ours.path("out")).unwrap();
    pull_names(&ours, &made.at("art"), &[]).unwrap();
}

#[test]
fn q92_a_foreign_layer_that_is_not_there_is_left_out_of_a_copy() {
    let ours = Ours::new();
    let made = Made::new(&ours);
    let gone = |media_type: &str, urls: &[&str]| {
        let digest = Digest::of(b"elsewhere");
        serde_json::json!({"mediaType": media_type, "digest": digest.as_str(), "size": 9, "urls": urls})
    };
    let urls = ["https://example.com/layer"];
    for (tag, media_type) in [
        ("oci", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
        ("docker", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
    ] {
        made.list(made.image("application/vnd.x", &[made.layer(), gone(media_type, &urls)]), Some(tag));
        let (target, blobs) = target(&ours);
        let warnings = ours.copy(&made.at(tag), &target).unwrap().warnings;
        assert!(warnings.len() == 1 && warnings[0].contains(media_type), "{warnings:?}");
        assert!(blobs.join(hex(&made.layer())).exists());
    }
    // One without places of its own, one that is not foreign, and one that is there.
    for (tag, layer) in [
        ("placeless", gone("application/vnd.oci.image.layer.nondistributable.v1.tar", &[])),
        ("ordinary", gone(media_type::OCI_LAYER, &urls)),
    ] {
        made.list(made.image("application/vnd.x", &[layer]), Some(tag));
        let error = ours.copy(&made.at(tag), &target(&ours).0).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound, "{tag}: {error}");
    }
    let here = made.blob("application/vnd.oci.image.layer.nondistributable.v1.tar", b"here");
    made.list(made.image("application/vnd.x", &[with(&here, "urls", serde_json::json!(urls))]), Some("here"));
    assert_eq!(ours.copy(&made.at("here"), &target(&ours).0).unwrap().warnings, [] as [&str; 0]);
    assert!(target(&ours).1.join(hex(&here)).exists());
}

#[test]
fn q93_an_index_of_other_things_is_copied_and_does_not_stop_the_collection_of_garbage() {
    let ours = Ours::new();
    let made = Made::new(&ours);
    let (layer, config) =
        (made.layer(), made.blob("application/vnd.buildkit.cacheconfig.v0", b"{\"layers\":[]}"));
    let image = made.image("application/vnd.x", &[made.blob("text/plain", b"below")]);
    made.list(made.index(&[layer.clone(), image.clone(), config.clone()]), Some("cache"));
    let (target, blobs) = target(&ours);
    ours.copy(&made.at("cache"), &target).unwrap();
    for one in [&layer, &config, &image, &made.blob("text/plain", b"below")] {
        assert!(blobs.join(hex(one)).exists(), "{one}");
    }
    // An entry of index.json itself that is no manifest, and what nothing leads to.
    let xml = made.blob("application/xml", b"<x/>");
    let junk = made.blob("text/plain", b"junk");
    made.list(xml.clone(), None);
    ours.collect_garbage(&made.at("cache")).unwrap();
    let left = ours.path("layout/blobs/sha256");
    for one in [&layer, &config, &image, &xml] {
        assert!(left.join(hex(one)).exists(), "{one}");
    }
    assert!(!left.join(hex(&junk)).exists());
    // The only manifest is meant, whatever stands beside it; one that should be a manifest and is not is an error.
    let only = format!("ocidir://{}", ours.path("layout").display());
    ours.copy(&only, &target).unwrap();
    made.list(made.index(&[made.blob(media_type::OCI_MANIFEST, b"<y/>")]), Some("bad"));
    assert_eq!(ours.copy(&made.at("bad"), &target).unwrap_err().kind(), Kind::Protocol);
    assert_eq!(ours.collect_garbage(&made.at("cache")).unwrap_err().kind(), Kind::Protocol);
}

#[test]
fn q95_a_partial_platform_spoils_nothing_and_configs_are_asked_last() {
    let ours = Ours::new();
    let made = Made::new(&ours);
    let pulled = |tag: &str, platform: &str| {
        let _ = fs::remove_dir_all(ours.path("out"));
        pull_names(&ours, &made.at(tag), &[("platform", platform)]).map(|(names, _)| names.concat())
    };
    let one = made.image_for("linux", "amd64", "one");
    let two = made.image_for("linux", "arm64", "two");
    for (tag, platform) in [("empty", "{}"), ("part", r#"{"architecture":"arm64"}"#)] {
        let platform = serde_json::from_str(platform).unwrap();
        let whole = with(&one, "platform", serde_json::json!({"os": "linux", "architecture": "amd64"}));
        made.list(made.index(&[with(&two, "platform", platform), whole]), Some(tag));
        assert_eq!(pulled(tag, "linux/amd64").unwrap(), "one");
        assert_eq!(pulled(tag, "linux/arm64").unwrap_err().kind(), Kind::NotFound);
        ours.copy(&made.at(tag), &target(&ours).0).unwrap();
    }
    // Without a platform: the configs tell, but only where no platform fits.
    made.list(made.index(&[one.clone(), two.clone()]), Some("silent"));
    assert_eq!(pulled("silent", "linux/arm64/v8").unwrap(), "two");
    assert_eq!(pulled("silent", "linux/amd64").unwrap(), "one");
    assert_eq!(pulled("silent", "windows/amd64").unwrap_err().kind(), Kind::NotFound);
    let claims = with(&one, "platform", serde_json::json!({"os": "linux", "architecture": "arm64"}));
    made.list(made.index(&[two, claims]), Some("claims"));
    assert_eq!(pulled("claims", "linux/arm64").unwrap(), "one");
}

#[test]
fn q96_several_manifests_of_one_name_in_index_json_are_chosen_by_platform() {
    let ours = Ours::new();
    let made = Made::new(&ours);
    let platform = |architecture: &str| serde_json::json!({"os": "linux", "architecture": architecture});
    for (tag, architecture) in
        [(Some("v1"), "amd64"), (Some("v1"), "arm64"), (None, "s390x"), (None, "riscv64")]
    {
        let image = made.image_for("linux", architecture, architecture);
        made.list(with(&image, "platform", platform(architecture)), tag);
    }
    let unnamed = format!("ocidir://{}", ours.path("layout").display());
    for (place, architecture) in
        [(&made.at("v1"), "amd64"), (&made.at("v1"), "arm64"), (&unnamed, "s390x"), (&unnamed, "riscv64")]
    {
        let _ = fs::remove_dir_all(ours.path("out"));
        let names = pull_names(&ours, place, &[("platform", &format!("linux/{architecture}"))]).unwrap().0;
        assert_eq!(names, [architecture]);
    }
    let error = pull_names(&ours, &made.at("v1"), &[("platform", "linux/ppc64le")]).unwrap_err();
    assert!(error.kind() == Kind::Protocol && error.message().contains("platform"), "{error}");
}

#[test]
fn q97_what_was_just_written_is_compared_by_content_until_its_times_are_sure() {
    let ours = Ours::new();
    let made = Made::new(&ours);
    made.list(made.image("application/vnd.x", &[made.layer()]), Some("v1"));
    pull(&ours, &made.at("v1")).unwrap();
    let published = ours.path("store/published");
    let path = fs::read_dir(published).unwrap().next().unwrap().unwrap().path();
    let record = || serde_json::from_slice::<serde_json::Value>(&fs::read(&path).unwrap()).unwrap();
    let first = record();
    assert!(first["since"].is_i64(), "{first}");
    // At once: the same again, and the record stays what it was.
    assert!(pull(&ours, &made.at("v1")).unwrap().unchanged);
    assert_eq!(record(), first);
    // As it is some seconds later.
    fs::write(&path, with(&first, "noted", 0.into()).to_string()).unwrap();
    assert!(pull(&ours, &made.at("v1")).unwrap().unchanged);
    let renewed = record();
    assert!(renewed["since"].is_null() && renewed["fingerprint"] != first["fingerprint"], "{renewed}");
    assert!(pull(&ours, &made.at("v1")).unwrap().unchanged);
    fs::write(ours.path("out/a"), "2").unwrap();
    assert_eq!(pull(&ours, &made.at("v1")).unwrap_err().kind(), Kind::Exists);
}

#[test]
fn f_24_a_cancel_ends_the_pull_of_a_local_layer_and_what_reads_it_to_its_end() {
    let ours = Ours::new();
    let made = Made::new(&ours);
    // A file of 60 GB that costs no room, and a header before it that says so.
    let mut header = tar::Header::new_ustar();
    header.set_path("a").unwrap();
    header.set_mode(0o644);
    let size: u64 = 60 << 30;
    // More than eleven octal digits hold.
    header.as_mut_bytes()[124..136].copy_from_slice(&[&[0x80, 0, 0, 0][..], &size.to_be_bytes()].concat());
    header.set_cksum();
    let mut layer = made.blob("application/vnd.oci.image.layer.v1.tar", header.as_bytes());
    let blob =
        fs::File::options().write(true).open(ours.path("layout/blobs/sha256").join(hex(&layer))).unwrap();
    blob.set_len(size + 2048).unwrap();
    layer["size"] = (size + 2048).into();
    let wasm = with(&layer, "mediaType", WASM.into());
    made.list(made.image("application/vnd.x", &[layer]), Some("tar"));
    made.list(
        made.image(
            "application/vnd.x",
            &[with(&wasm, "annotations", serde_json::json!({"org.opencontainers.image.title": "f"}))],
        ),
        Some("file"),
    );
    for tag in ["tar", "file"] {
        let call = ours.call();
        let operation = call.operation.clone();
        let reference = made.at(tag).parse().unwrap();
        let pull = ours.client.pull(&reference, &ours.path("out"), &call);
        let pull = ours.spawn(pull);
        while operation.progress().bytes_done == 0 && !pull.is_finished() {
            std::thread::yield_now();
        }
        operation.cancel();
        let cancelled = std::time::Instant::now();
        let error = ours.wait(pull).unwrap().unwrap_err();
        assert_eq!(error.kind(), Kind::Cancelled, "{tag}: {error}");
        // To read it takes minutes.
        assert!(cancelled.elapsed().as_secs() < 10, "{tag}: {:?}", cancelled.elapsed());
        assert!(!ours.path("out").exists());
    }
}

#[test]
fn a_layers_media_type_that_does_not_fit_what_is_built_is_refused() {
    let ours = Ours::new();
    let tree = ours.path("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("a"), "1").unwrap();
    let build = |media_type: &str| {
        let kind = ArtifactKind::custom("application/vnd.x");
        ours.given(&[("layer_media_type", media_type)]).build_as(&kind, b"{}", &tree)
    };
    let layer = "application/vnd.oci.image.layer.v1.tar";
    for media_type in [layer, &format!("{layer}+zstd"), "application/vnd.acme.bundle"] {
        let error = build(media_type).unwrap_err();
        assert!(error.kind() == Kind::Argument && error.message().contains(media_type), "{error}");
    }
    for media_type in [&format!("{layer}+gzip"), "application/vnd.docker.image.rootfs.diff.tar.gzip"] {
        build(media_type).unwrap();
    }
}
