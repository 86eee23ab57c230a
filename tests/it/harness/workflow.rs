//! A client of ours with nothing of the developer's own, a realistic tree, and what a tree looks like.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use cldoci::oci::{ArtifactKind, Reference};
use cldoci::options::{Environment, Options};
use cldoci::{Artifact, Call, Client, Counters, Outcome, Result};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub const CONFIG: &[u8] = br#"{ "schemaVersion":"1.0",  "readme":"kept as it is: \u00e9" }"#;

/// A call with these options of a client that has none.
pub fn call_with(options: &[(&str, &str)]) -> Call {
    let mut set = Options::new();
    for (name, value) in options {
        set.set(name, value).unwrap();
    }
    Client::with_environment(&Options::new(), Environment::default()).unwrap().call(Some(&set)).unwrap()
}

/// A client whose home is a temporary directory.
pub struct Ours {
    runtime: Runtime,
    client: Client,
    /// Home, and room for what a test needs.
    pub home: TempDir,
}

/// What a verb gave, and what it counted.
pub struct Done {
    pub outcome: Outcome,
    pub counters: Counters,
    pub warnings: Vec<String>,
}

impl Ours {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A client with options.
    pub fn with(set: impl FnOnce(&mut Options)) -> Self {
        let home = TempDir::new().unwrap();
        let mut options = Options::new();
        set(&mut options);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let environment = Environment::of([("HOME", home.path().as_os_str()), ("PATH", &path)]);
        let client = Client::with_environment(&options, environment).unwrap();
        Self {
            runtime: tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap(),
            client,
            home,
        }
    }

    /// A path below the home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn run<F: Future<Output = Result<Outcome>>>(
        &self,
        verb: impl FnOnce(&Client, &Call) -> F,
    ) -> Result<Done> {
        self.run_with(None, verb)
    }

    fn run_with<F: Future<Output = Result<Outcome>>>(
        &self,
        options: Option<&Options>,
        verb: impl FnOnce(&Client, &Call) -> F,
    ) -> Result<Done> {
        let call = self.client.call(options)?;
        let operation = &call.operation;
        let outcome = self.runtime.block_on(verb(&self.client, &call))?;
        Ok(Done { outcome, counters: operation.counters(), warnings: operation.warnings() })
    }

    pub fn build(&self, directory: &Path) -> Artifact {
        self.build_with(directory, &ArtifactKind::Component, None)
    }

    pub fn try_build(&self, directory: &Path) -> Result<Done> {
        let kind = ArtifactKind::Component;
        self.run(|client, call| client.build(directory, &kind, CONFIG, call))
    }

    pub fn build_with(&self, directory: &Path, kind: &ArtifactKind, options: Option<&Options>) -> Artifact {
        let done = self.run_with(options, |client, call| client.build(directory, kind, CONFIG, call));
        done.unwrap().outcome.artifact.unwrap()
    }

    pub fn push(&self, artifact: &Artifact, to: &str) -> Done {
        let to = reference(to);
        self.run(|client, call| client.push(artifact, &to, call)).unwrap()
    }

    pub fn try_push(&self, artifact: &Artifact, to: &str) -> Result<Done> {
        let to = reference(to);
        self.run(|client, call| client.push(artifact, &to, call))
    }

    pub fn pull(&self, from: &str, into: &Path) -> Done {
        self.try_pull(from, into, None).unwrap()
    }

    pub fn try_pull(&self, from: &str, into: &Path, options: Option<&Options>) -> Result<Done> {
        let from = reference(from);
        self.run_with(options, |client, call| client.pull(&from, into, call))
    }

    /// Writes the first layer's bytes to a file.
    pub fn save_layer(&self, artifact: &Artifact, file: fs::File) -> Result<Done> {
        self.run(|client, call| client.read_layer(artifact, 0, Some(file), call))
    }

    pub fn pull_config(&self, from: &str) -> Vec<u8> {
        let from = reference(from);
        let done = self.run(|client, call| client.pull_config(&from, call));
        done.unwrap().outcome.bytes.unwrap()
    }

    pub fn exists(&self, at: &str) -> Result<bool> {
        let at = reference(at);
        let done = self.run(|client, call| client.exists(&at, call))?;
        Ok(done.outcome.exists.unwrap())
    }

    pub fn resolve(&self, at: &str) -> Result<String> {
        let at = reference(at);
        let done = self.run(|client, call| client.resolve(&at, call))?;
        Ok(done.outcome.digest.unwrap().to_string())
    }

    pub fn tag(&self, from: &str, to: &str) -> Done {
        let (from, to) = (reference(from), reference(to));
        self.run(|client, call| client.tag(&from, &to, call)).unwrap()
    }

    pub fn tags(&self, repository: &str) -> Vec<String> {
        let repository = reference(repository);
        let done = self.run(|client, call| client.list_tags(&repository, call));
        done.unwrap().outcome.tags
    }

    pub fn delete(&self, at: &str) {
        let at = reference(at);
        self.run(|client, call| client.delete(&at, call)).unwrap();
    }

    /// The bytes that it freed.
    pub fn collect_garbage(&self, at: &str) -> u64 {
        let at = reference(at);
        let done = self.run(|client, call| client.collect_garbage(&at, call));
        done.unwrap().outcome.size.unwrap()
    }

    pub fn inspect(&self, at: &str) -> Artifact {
        let at = reference(at);
        let done = self.run(|client, call| client.inspect(&at, call));
        done.unwrap().outcome.artifact.unwrap()
    }
}

pub fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

/// A layout reference.
pub fn layout(path: &Path, tag: &str) -> String {
    format!("ocidir://{}:{tag}", path.display())
}

/// A tree as components have it: nested directories, an empty one, an executable, links, an empty file, names
/// with spaces and letters beyond ASCII, a file of more than one block.
pub fn tree(at: &Path) {
    let write = |name: &str, content: &[u8]| {
        let path = at.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    write("cld.yml", b"name: orders\n");
    write("config/production.yml", b"log_level: warn\n");
    write("config/nested/deeper/\u{fc}bung mit leerzeichen.txt", b"text");
    write("empty", b"");
    write("scripts/run.sh", b"#!/bin/sh\necho run\n");
    // Repeats itself too far apart for the compressor, so it is long in the layer too.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(400_000)
    .flatten()
    .collect();
    write("data/noise.bin", &noise);
    write(&format!("long/{}/{}/file", "a".repeat(90), "b".repeat(90)), b"needs PAX");
    fs::create_dir(at.join("void")).unwrap();
    fs::set_permissions(at.join("scripts/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("production.yml", at.join("config/default.yml")).unwrap();
    symlink("../config", at.join("scripts/settings")).unwrap();
}

/// What a tree holds: each path with its type, executable bit and content.
pub type Snapshot = BTreeMap<PathBuf, String>;

/// A tree's snapshot.
pub fn snapshot(root: &Path) -> Snapshot {
    fn visit(root: &Path, at: &Path, found: &mut Snapshot) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(root).unwrap().to_owned();
            let what = if metadata.is_symlink() {
                format!("link to {}", fs::read_link(&path).unwrap().display())
            } else if metadata.is_dir() {
                visit(root, &path, found);
                "directory".to_owned()
            } else {
                let digest = cldoci::oci::Digest::of(&fs::read(&path).unwrap());
                format!("file {} {digest}", if metadata.mode() & 0o100 != 0 { "x" } else { "-" })
            };
            found.insert(name, what);
        }
    }
    let mut found = BTreeMap::new();
    visit(root, root, &mut found);
    found
}

/// Runs a peer, which must succeed, and gives what it printed. Its home is `home`, so that it finds and leaves
/// nothing of the developer's own.
pub fn peer(program: &Path, arguments: &[&str], home: &Path) -> Vec<u8> {
    let output = Command::new(program).args(arguments).env("HOME", home).current_dir(home).output().unwrap();
    assert!(
        output.status.success(),
        "{} {}: {}{}",
        program.display(),
        arguments.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}
