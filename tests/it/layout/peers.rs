//! Other tools read the layouts made here, and we read theirs.

use super::*;
use crate::harness::servers::tool;

fn run(tool: &Path, home: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(tool).args(arguments).env("HOME", home).current_dir(home).output().unwrap();
    let shown = format!("{} {arguments:?}: {}", tool.display(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}");
    output.stdout
}

/// A layout of two tags, one of them with a referrer.
fn ours(dir: &Path) -> (Layout, [Descriptor; 2]) {
    let layout = Layout::create(&dir.join("ours"), &call()).unwrap();
    let writer = layout.begin().unwrap();
    let made = [push(&writer, "one", Some("v1"), None), push(&writer, "two", Some("v2"), None)];
    push(&writer, "signature", None, Some(made[0].clone()));
    (layout, made)
}

fn manifest_bytes(seed: &str) -> Vec<u8> {
    artifact(seed, None).1
}

#[test]
fn oras_reads_ours_and_we_read_its() {
    let Some(oras) = tool("oras") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (_layout, made) = ours(dir.path());
    assert_eq!(
        run(&oras, dir.path(), &["manifest", "fetch", "--oci-layout", "ours:v1"]),
        manifest_bytes("one")
    );
    let tags = run(&oras, dir.path(), &["repo", "tags", "--oci-layout", "ours"]);
    assert_eq!(String::from_utf8(tags).unwrap().split_whitespace().collect::<Vec<_>>(), ["v1", "v2"]);
    let found = run(&oras, dir.path(), &["discover", "--oci-layout", "--format", "json", "ours:v1"]);
    assert!(String::from_utf8(found).unwrap().contains("application/vnd.signature"));
    // Theirs: pushed by oras, attached to, and copied from ours.
    fs::write(dir.path().join("hello.txt"), "hello").unwrap();
    run(
        &oras,
        dir.path(),
        &["push", "--oci-layout", "theirs:v1", "--artifact-type", "application/vnd.t", "hello.txt"],
    );
    run(
        &oras,
        dir.path(),
        &["attach", "--oci-layout", "theirs:v1", "--artifact-type", "application/vnd.sig", "hello.txt"],
    );
    run(&oras, dir.path(), &["cp", "--from-oci-layout", "ours:v2", "--to-oci-layout", "theirs:v2"]);
    let theirs = Layout::open(&dir.path().join("theirs"), &call()).unwrap();
    assert_eq!(theirs.tags().unwrap(), ["v1", "v2"]);
    assert_eq!(check_whole(&theirs), 2);
    assert_eq!(theirs.resolve(Some("v2"), None).unwrap().unwrap().digest, made[1].digest);
    let v1 = theirs.resolve(Some("v1"), None).unwrap().unwrap();
    assert_eq!(theirs.referrers(&v1.digest, Some("application/vnd.sig")).unwrap().len(), 1);
    assert_eq!(theirs.gc().unwrap().removed, 0);
    // Both write one layout.
    push(&theirs.begin().unwrap(), "three", Some("v3"), None);
    assert_eq!(
        run(&oras, dir.path(), &["manifest", "fetch", "--oci-layout", "theirs:v3"]),
        manifest_bytes("three")
    );
    run(&oras, dir.path(), &["tag", "--oci-layout", "theirs:v3", "v4"]);
    assert_eq!(check_whole(&theirs), 4);
}

#[test]
fn skopeo_reads_ours_and_we_read_its() {
    let Some(skopeo) = tool("skopeo") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (_layout, made) = ours(dir.path());
    assert_eq!(run(&skopeo, dir.path(), &["inspect", "--raw", "oci:ours:v1"]), manifest_bytes("one"));
    let copy = ["--insecure-policy", "copy", "--preserve-digests", "oci:ours:v2", "oci:theirs:v2"];
    run(&skopeo, dir.path(), &copy);
    let theirs = Layout::open(&dir.path().join("theirs"), &call()).unwrap();
    assert_eq!(theirs.tags().unwrap(), ["v2"]);
    assert_eq!(theirs.resolve(None, None).unwrap().unwrap().digest, made[1].digest);
    assert_eq!(check_whole(&theirs), 1);
    push(&theirs.begin().unwrap(), "three", Some("v3"), None);
    assert_eq!(run(&skopeo, dir.path(), &["inspect", "--raw", "oci:theirs:v3"]), manifest_bytes("three"));
}

#[test]
fn regctl_reads_ours_and_we_read_its() {
    let Some(regctl) = tool("regctl") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (_layout, made) = ours(dir.path());
    let raw = ["manifest", "get", "ocidir://ours:v1", "--format", "raw-body"];
    assert_eq!(run(&regctl, dir.path(), &raw), manifest_bytes("one"));
    run(&regctl, dir.path(), &["image", "copy", "ocidir://ours:v2", "ocidir://theirs:v2"]);
    let theirs = Layout::open(&dir.path().join("theirs"), &call()).unwrap();
    assert_eq!(theirs.resolve(Some("v2"), None).unwrap().unwrap().digest, made[1].digest);
    fs::write(dir.path().join("hello.txt"), "hello").unwrap();
    run(
        &regctl,
        dir.path(),
        &[
            "artifact",
            "put",
            "--subject",
            "ocidir://theirs:v2",
            "--artifact-type",
            "application/vnd.sig",
            "-f",
            "hello.txt",
        ],
    );
    assert_eq!(theirs.referrers(&made[1].digest, Some("application/vnd.sig")).unwrap().len(), 1);
    assert_eq!(theirs.gc().unwrap().removed, 0);
    // What we attach there is found by both, and so is what it attaches then (Q125).
    push(&theirs.begin().unwrap(), "attached", None, Some(made[1].clone()));
    let listed = || run(&regctl, dir.path(), &["artifact", "list", "ocidir://theirs:v2", "--format", "body"]);
    let listed = String::from_utf8(listed()).unwrap();
    assert!(
        listed.contains("application/vnd.attached") && listed.contains("application/vnd.sig"),
        "{listed}"
    );
    assert_eq!(theirs.referrers(&made[1].digest, None).unwrap().len(), 2);
    push(&theirs.begin().unwrap(), "three", Some("v3"), None);
    let raw = ["manifest", "get", "ocidir://theirs:v3", "--format", "raw-body"];
    assert_eq!(run(&regctl, dir.path(), &raw), manifest_bytes("three"));
}

#[test]
fn crane_reads_ours_and_we_read_its() {
    let (Some(crane), Some(_)) = (tool("crane"), tool("regctl")) else { return };
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::create(&dir.path().join("ours"), &call()).unwrap();
    let one = push(&layout.begin().unwrap(), "one", Some("v1"), None);
    // crane speaks to registries: its own one, in this process's care, stands between.
    let mut served = Command::new(&crane)
        .args(["registry", "serve", "--address", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(served.stderr.take().unwrap()).lines();
    let port = loop {
        let line = lines.next().unwrap().unwrap();
        if let Some((_, port)) = line.rsplit_once("port ") {
            break port.trim().to_owned();
        }
    };
    let name = format!("127.0.0.1:{port}/x:v1");
    let result = std::panic::catch_unwind(|| {
        run(&crane, dir.path(), &["push", "ours", &name]);
        assert_eq!(run(&crane, dir.path(), &["manifest", &name]), manifest_bytes("one"));
        run(&crane, dir.path(), &["pull", "--format=oci", "--annotate-ref", &name, "theirs"]);
        let theirs = Layout::open(&dir.path().join("theirs"), &call()).unwrap();
        assert_eq!(theirs.tags().unwrap(), ["v1"]);
        assert_eq!(theirs.resolve(None, None).unwrap().unwrap().digest, one.digest);
        assert_eq!(theirs.resolve(Some(&name), None).unwrap().unwrap().digest, one.digest);
        assert_eq!(check_whole(&theirs), 1);
    });
    served.kill().unwrap();
    served.wait().unwrap();
    result.unwrap();
}
