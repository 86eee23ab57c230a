//! What we push, real peers read, byte for byte; what they push, we read. On a registry and in layouts.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::ours::{CONFIG, Ours, layout};
use crate::harness::servers::{Server, peer, tool};
use crate::harness::trees::{snapshot, tree};
use cldoci::oci::Digest;
use cldoci::{Artifact, Content};

/// A client, a tree and its artifact.
struct Case {
    ours: Ours,
    source: PathBuf,
    artifact: Artifact,
}

impl Case {
    fn new() -> Self {
        let ours = Ours::new();
        let source = ours.path("source");
        fs::create_dir(&source).unwrap();
        tree(&source);
        let artifact = ours.build(&source).unwrap().artifact();
        Self { ours, source, artifact }
    }

    fn home(&self) -> &Path {
        self.ours.home()
    }

    /// A peer fetched these as manifest, config and layer.
    fn holds(&self, manifest: &[u8], config: &[u8], layer: &[u8]) {
        assert_eq!(manifest, &*self.artifact.manifest);
        assert_eq!(config, CONFIG);
        assert_eq!(Digest::of(layer), self.artifact.layers[0].descriptor.digest);
    }

    fn config_digest(&self) -> String {
        self.artifact.config_descriptor.digest.to_string()
    }

    fn layer_digest(&self) -> String {
        self.artifact.layers[0].descriptor.digest.to_string()
    }

    /// What a peer left under `from` is the artifact, and pulls as the tree.
    fn pulls_whole(&self, from: &str, name: &str) {
        assert_eq!(self.ours.resolve(from).unwrap().digest(), self.artifact.digest.to_string());
        let into = self.ours.path(name);
        self.ours.pull(from, &into).unwrap();
        assert_eq!(snapshot(&into), snapshot(&self.source));
    }
}

#[test]
fn oras_reads_what_we_push() {
    let (Some(oras), Some(server)) = (tool("oras"), Server::distribution3()) else { return };
    let case = Case::new();
    let reference = server.reference("org/orders:v1");
    case.ours.push(&case.artifact, &reference).unwrap();
    let manifest = peer(&oras, &["manifest", "fetch", "--plain-http", &reference], case.home());
    let blob = |digest: &str| {
        let blob = server.reference(&format!("org/orders@{digest}"));
        peer(&oras, &["blob", "fetch", "--plain-http", "--output", "-", &blob], case.home())
    };
    case.holds(&manifest, &blob(&case.config_digest()), &blob(&case.layer_digest()));
}

#[test]
fn crane_reads_what_we_push() {
    let (Some(crane), Some(server)) = (tool("crane"), Server::distribution3()) else { return };
    let case = Case::new();
    let reference = server.reference("org/orders:v1");
    case.ours.push(&case.artifact, &reference).unwrap();
    let blob = |digest: &str| {
        peer(&crane, &["blob", &server.reference(&format!("org/orders@{digest}"))], case.home())
    };
    case.holds(
        &peer(&crane, &["manifest", &reference], case.home()),
        &peer(&crane, &["config", &reference], case.home()),
        &blob(&case.layer_digest()),
    );
    let digest = peer(&crane, &["digest", &reference], case.home());
    assert_eq!(String::from_utf8(digest).unwrap().trim(), case.artifact.digest.to_string());
    let tags = peer(&crane, &["ls", &server.reference("org/orders")], case.home());
    assert_eq!(tags, b"v1\n");
}

#[test]
fn regctl_reads_what_we_push() {
    let (Some(regctl), Some(server)) = (tool("regctl"), Server::distribution3()) else { return };
    let case = Case::new();
    let (repository, reference) = (server.reference("org/orders"), server.reference("org/orders:v1"));
    case.ours.push(&case.artifact, &reference).unwrap();
    let host = format!("reg={},tls=disabled", server.address);
    let blob =
        |digest: &str| peer(&regctl, &["--host", &host, "blob", "get", &repository, digest], case.home());
    let manifest =
        peer(&regctl, &["--host", &host, "manifest", "get", "--format", "raw-body", &reference], case.home());
    case.holds(&manifest, &blob(&case.config_digest()), &blob(&case.layer_digest()));
}

#[test]
fn skopeo_reads_what_we_push() {
    let (Some(skopeo), Some(server)) = (tool("skopeo"), Server::distribution3()) else { return };
    let case = Case::new();
    let reference = server.reference("org/orders:v1");
    case.ours.push(&case.artifact, &reference).unwrap();
    let copied = case.ours.path("copied");
    let (from, to) = (format!("docker://{reference}"), format!("dir:{}", copied.display()));
    let copy = ["--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", &from, &to];
    peer(&skopeo, &copy, case.home());
    let blob = |digest: &str| fs::read(copied.join(digest.strip_prefix("sha256:").unwrap())).unwrap();
    let manifest = fs::read(copied.join("manifest.json")).unwrap();
    case.holds(&manifest, &blob(&case.config_digest()), &blob(&case.layer_digest()));
}

/// Files by their titles, a directory that oras packs, a nested name, an empty file.
#[test]
fn we_pull_what_oras_pushes() {
    let (Some(oras), Some(server)) = (tool("oras"), Server::distribution3()) else { return };
    let ours = Ours::new();
    let source = ours.path("source");
    fs::create_dir_all(source.join("packed/inner")).unwrap();
    fs::create_dir(source.join("nested")).unwrap();
    fs::write(source.join("first.txt"), "first").unwrap();
    fs::write(source.join("nested/second.bin"), vec![7; 3_000_000]).unwrap();
    fs::write(source.join("packed/inner/file"), "packed").unwrap();
    let reference = server.reference("org/theirs:v1");
    let kind = "application/vnd.example.config.v1+json";
    fs::write(source.join("config.json"), CONFIG).unwrap();
    let config = format!("config.json:{kind}");
    let push = [
        "push",
        "--plain-http",
        "--no-tty",
        "--config",
        &config,
        &reference,
        "first.txt:text/plain",
        "nested/second.bin",
        "packed/",
    ];
    peer(&oras, &push, &source);

    let pulled = ours.path("pulled");
    let done = ours.pull(&reference, &pulled).unwrap();
    fs::remove_file(source.join("config.json")).unwrap();
    assert_eq!(snapshot(&pulled), snapshot(&source));
    let artifact = done.outcome.artifact.unwrap();
    assert_eq!(
        (artifact.config.as_deref(), artifact.config_descriptor.media_type.as_str()),
        (Some(CONFIG), kind)
    );
    assert_eq!(ours.pull_config(&reference).unwrap().bytes(), CONFIG);
}

#[test]
fn oras_pulls_a_file_that_we_push_with_a_title() {
    let (Some(oras), Some(server)) = (tool("oras"), Server::distribution3()) else { return };
    let ours = Ours::new();
    let content: &[u8] = b"a file of its own";
    let mut descriptor = cldoci::oci::Descriptor::of("text/plain", content);
    descriptor.annotations.insert("org.opencontainers.image.title".to_owned(), "notes.txt".to_owned());
    let artifact =
        cldoci::ArtifactBuilder::new(cldoci::oci::ArtifactKind::custom("application/vnd.example.notes"))
            .layer(cldoci::Layer { descriptor, content: Content::Bytes(content.into()) })
            .finish()
            .unwrap();
    let reference = server.reference("org/notes:v1");
    ours.push(&artifact, &reference).unwrap();
    let into = ours.path("theirs");
    peer(
        &oras,
        &["pull", "--plain-http", "--no-tty", "--output", into.to_str().unwrap(), &reference],
        ours.home(),
    );
    assert_eq!(fs::read(into.join("notes.txt")).unwrap(), content);
}

#[test]
fn peers_read_our_layout() {
    let (Some(oras), Some(skopeo), Some(regctl)) = (tool("oras"), tool("skopeo"), tool("regctl")) else {
        return;
    };
    let case = Case::new();
    let path = case.ours.path("layout");
    case.ours.push(&case.artifact, &layout(&path, "v1")).unwrap();
    case.ours.tag(&layout(&path, "v1"), &layout(&path, "latest")).unwrap();
    let path = path.to_str().unwrap();
    let home = case.home();

    let tagged = format!("{path}:latest");
    assert_eq!(peer(&oras, &["manifest", "fetch", "--oci-layout", &tagged], home), &*case.artifact.manifest);
    assert_eq!(peer(&oras, &["repo", "tags", "--oci-layout", path], home), b"latest\nv1\n");
    let blob = |digest: &str| {
        let blob = format!("{path}@{digest}");
        peer(&oras, &["blob", "fetch", "--oci-layout", "--output", "-", &blob], home)
    };
    case.holds(&case.artifact.manifest, &blob(&case.config_digest()), &blob(&case.layer_digest()));

    let oci = format!("oci:{path}:v1");
    assert_eq!(
        peer(&skopeo, &["--insecure-policy", "inspect", "--raw", &oci], home),
        &*case.artifact.manifest
    );
    let ocidir = format!("ocidir://{path}:v1");
    let get = ["manifest", "get", "--format", "raw-body", &ocidir];
    assert_eq!(peer(&regctl, &get, home), &*case.artifact.manifest);
}

#[test]
fn crane_pushes_our_layout() {
    let (Some(crane), Some(server)) = (tool("crane"), Server::distribution3()) else { return };
    let case = Case::new();
    let path = case.ours.path("layout");
    case.ours.push(&case.artifact, &layout(&path, "v1")).unwrap();
    let reference = server.reference("org/from-layout:v1");
    peer(&crane, &["push", path.to_str().unwrap(), &reference], case.home());
    case.pulls_whole(&reference, "pulled");
}

/// Each peer copies the artifact from a registry into a layout of its own making.
#[test]
fn we_read_the_layouts_of_peers() {
    let (Some(oras), Some(skopeo), Some(regctl), Some(crane), Some(server)) =
        (tool("oras"), tool("skopeo"), tool("regctl"), tool("crane"), Server::distribution3())
    else {
        return;
    };
    let case = Case::new();
    let reference = server.reference("org/orders:v1");
    case.ours.push(&case.artifact, &reference).unwrap();
    let home = case.home();
    let path = |name: &str| case.ours.path(name).to_str().unwrap().to_owned();

    let to = format!("{}:v1", path("oras"));
    peer(&oras, &["copy", "--no-tty", "--from-plain-http", &reference, "--to-oci-layout", &to], home);
    case.pulls_whole(&layout(&case.ours.path("oras"), "v1"), "from-oras");

    let (from, to) = (format!("docker://{reference}"), format!("oci:{}:v1", path("skopeo")));
    let copy = ["--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", &from, &to];
    peer(&skopeo, &copy, home);
    case.pulls_whole(&layout(&case.ours.path("skopeo"), "v1"), "from-skopeo");

    let (host, to) =
        (format!("reg={},tls=disabled", server.address), format!("ocidir://{}:v1", path("regctl")));
    peer(&regctl, &["--host", &host, "image", "copy", &reference, &to], home);
    case.pulls_whole(&layout(&case.ours.path("regctl"), "v1"), "from-regctl");

    // crane writes no tag: the layout's only manifest is meant.
    peer(&crane, &["pull", "--format", "oci", &reference, &path("crane")], home);
    case.pulls_whole(&format!("ocidir://{}", path("crane")), "from-crane");
}

/// Artifacts as cldctl's own package makes them pull as it would pull them, odd entries with a warning.
#[test]
fn todays_package_to_us() {
    let (Some(todays), Some(server)) = (tool("todays"), Server::distribution3()) else { return };
    let case = Case::new();
    let home = case.home();
    let reference = server.reference("org/theirs:v1");
    peer(&todays, &["push", case.source.to_str().unwrap(), &reference], home);
    let digest = peer(&todays, &["digest", &reference], home);
    assert_eq!(printed_digest(&digest), case.ours.resolve(&reference).unwrap().digest());
    let (theirs, mine) = (case.ours.path("theirs"), case.ours.path("mine"));
    peer(&todays, &["pull", &reference, theirs.to_str().unwrap()], home);
    let done = case.ours.pull(&reference, &mine).unwrap();
    assert_eq!(snapshot(&mine), snapshot(&theirs));
    // The link to a file is stored under its absolute path, which is not made.
    assert!(
        done.warnings.iter().any(|warning| warning.contains("config/default.yml")),
        "{:?}",
        done.warnings
    );
    assert_eq!(
        case.ours.pull_config(&reference).unwrap().bytes(),
        peer(&todays, &["config", &reference], home)
    );
}

#[test]
fn todays_odd_entries() {
    let (Some(todays), Some(server)) = (tool("todays"), Server::distribution3()) else { return };
    let ours = Ours::new();
    let reference = server.reference("org/odd:v1");
    peer(&todays, &["fixture", &reference], ours.home());
    let pulled = ours.path("pulled");
    let done = ours.pull(&reference, &pulled).unwrap();
    let found: Vec<_> = snapshot(&pulled).into_keys().map(|path| path.to_str().unwrap().to_owned()).collect();
    assert_eq!(found, ["cld.yml", "config", "config/production.yml", "scripts", "scripts/run.sh"]);
    for skipped in ["config/default.yml", "events"] {
        assert!(
            done.warnings.iter().any(|warning| warning.contains(skipped)),
            "{skipped}: {:?}",
            done.warnings
        );
    }
}

#[test]
fn ours_to_todays_package() {
    let (Some(todays), Some(server)) = (tool("todays"), Server::distribution3()) else { return };
    let case = Case::new();
    let reference = server.reference("org/orders:v1");
    case.ours.push(&case.artifact, &reference).unwrap();
    let into = case.ours.path("theirs");
    peer(&todays, &["pull", &reference, into.to_str().unwrap()], case.home());
    // Links are what it never made.
    let mut expected = snapshot(&case.source);
    expected.retain(|_, what| !what.starts_with("link"));
    assert_eq!(snapshot(&into), expected);
    // It reads every config as Docker's and writes it anew, so that nothing of ours is left; that it reads it is all.
    let config: serde_json::Value =
        serde_json::from_slice(&peer(&todays, &["config", &reference], case.home())).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"], serde_json::Value::Null);
}

fn printed_digest(printed: &[u8]) -> String {
    std::str::from_utf8(printed).unwrap().trim().to_owned()
}
