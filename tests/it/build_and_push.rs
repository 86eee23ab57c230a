//! `build_and_push` at a registry: one pass where it is taken, the usual way where it is not, and nothing
//! half-made where the tree can't be packed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::evil::{Act, Seen};
use crate::harness::registry::{Manners, Registry, error};
use cldoci::oci::ArtifactKind;
use cldoci::options::{Environment, Options};
use cldoci::{Client, Error, Kind, Outcome};

struct Bench {
    client: Client,
    work: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    /// A tree whose layer is several chunks long.
    fn new() -> Self {
        let work = tempfile::tempdir().unwrap();
        let mut options = Options::new();
        options.set("store", work.path().join("store").to_str().unwrap()).unwrap();
        let tree = work.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let noise: Vec<u8> =
            (0..3_000_000_u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect();
        fs::write(tree.join("a"), noise).unwrap();
        fs::write(tree.join("b"), "b").unwrap();
        Self {
            client: Client::with_environment(&options, Environment::default()).unwrap(),
            work,
            runtime: tokio::runtime::Runtime::new().unwrap(),
        }
    }

    fn tree(&self) -> PathBuf {
        self.work.path().join("tree")
    }

    fn push(&self, registry: &Registry) -> Result<Outcome, Error> {
        let reference = format!("{}/org/app:v1", registry.host()).parse().unwrap();
        let call = self.client.call(None).unwrap();
        let (tree, kind) = (self.tree(), ArtifactKind::Component);
        self.runtime.block_on(self.client.build_and_push(&tree, &kind, b"", &reference, &call))
    }

    /// The artifact is there, and is what a build makes.
    fn complete(&self, registry: &Registry, outcome: &Outcome) {
        let call = self.client.call(None).unwrap();
        let built = self.client.build(&self.tree(), &ArtifactKind::Component, b"", &call);
        let built = self.runtime.block_on(built).unwrap();
        assert_eq!(outcome.digest, built.digest);
        assert_eq!(registry.tagged("org/app", "v1"), built.digest.map(|digest| digest.to_string()));
        for layer in &built.artifact.unwrap().layers {
            let blob = registry.blob("org/app", &layer.descriptor.digest).unwrap();
            assert_eq!(blob.len() as u64, layer.descriptor.size);
        }
    }
}

/// Methods in order, without what the paths hold.
fn methods(registry: &Registry) -> String {
    registry.server.log().iter().map(|seen| seen.method.as_str()).collect::<Vec<_>>().join(" ")
}

/// The largest file below a directory.
fn largest(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let size =
        |path: PathBuf| if path.is_dir() { largest(&path) } else { path.metadata().map_or(0, |d| d.len()) };
    entries.map(|entry| size(entry.unwrap().path())).max().unwrap_or(0)
}

#[test]
fn one_pass_is_six_requests_and_no_spool() {
    let bench = Bench::new();
    let (store, spooled) = (bench.work.path().join("store"), std::sync::Arc::new(AtomicBool::new(false)));
    let hook = {
        let spooled = spooled.clone();
        move |seen: &Seen| {
            if seen.method == "PUT" && largest(&store) > 100_000 {
                spooled.store(true, Ordering::SeqCst);
            }
            None
        }
    };
    let registry = Registry::with(Manners::default(), hook);
    let outcome = bench.push(&registry).unwrap();
    bench.complete(&registry, &outcome);
    assert_eq!(methods(&registry), "POST PATCH PUT POST PUT PUT");
    assert!(!spooled.load(Ordering::SeqCst));
    let log = registry.server.log();
    assert_eq!(log[1].header("transfer-encoding"), Some("chunked"));
    assert_eq!(log[2].header("content-length"), Some("0"));
}

#[test]
fn a_registry_that_does_not_take_it_gets_it_the_usual_way_and_is_remembered() {
    for status in [400, 404, 411, 413, 416, 501] {
        let bench = Bench::new();
        let registry = Registry::with(Manners::default(), move |seen| {
            (seen.method == "PATCH").then(|| error(status, "UNSUPPORTED"))
        });
        let outcome = bench.push(&registry).unwrap();
        bench.complete(&registry, &outcome);
        assert!(methods(&registry).starts_with("POST PATCH DELETE HEAD POST PUT"), "{}", methods(&registry));
        let before = registry.server.log().len();
        fs::write(bench.tree().join("b"), "another").unwrap();
        let outcome = bench.push(&registry).unwrap();
        bench.complete(&registry, &outcome);
        assert!(registry.server.log()[before..].iter().all(|seen| seen.method != "PATCH"));
    }
}

#[test]
fn what_breaks_on_its_way_goes_again_in_the_usual_way() {
    type Break = fn(&Seen) -> Option<Vec<Act>>;
    let breaks: [Break; 3] = [
        |seen| (seen.method == "PATCH").then(|| vec![Act::Reset]),
        |seen| (seen.method == "PATCH").then(|| vec![Act::Close]),
        // The first end of an upload, as by a registry that lost a part of it.
        |seen| (seen.method == "PUT" && seen.index == 2).then(|| error(400, "DIGEST_INVALID")),
    ];
    for break_it in breaks {
        let bench = Bench::new();
        let registry = Registry::with(Manners::default(), break_it);
        let outcome = bench.push(&registry).unwrap();
        bench.complete(&registry, &outcome);
        assert!(methods(&registry).contains("DELETE"), "what was begun is cancelled (Q43)");
    }
}

#[test]
fn a_tree_that_can_not_be_packed_leaves_nothing() {
    let bench = Bench::new();
    let registry = Registry::start();
    let fifo = bench.tree().join("z");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let error = bench.push(&registry).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe, "{error}");
    assert!(error.message().contains("z: is a FIFO"), "{error}");
    assert_eq!(registry.tagged("org/app", "v1"), None);
    assert!(methods(&registry).ends_with("DELETE"), "{}", methods(&registry));
    fs::remove_file(fifo).unwrap();
    let outcome = bench.push(&registry).unwrap();
    bench.complete(&registry, &outcome);
    assert_eq!(fs::metadata(bench.tree()).unwrap().permissions().mode() & 0o700, 0o700);
}

#[test]
fn a_refused_credential_is_an_error_and_not_tried_twice() {
    let bench = Bench::new();
    let registry =
        Registry::with(Manners::default(), |seen| (seen.method == "PATCH").then(|| error(403, "DENIED")));
    let error = bench.push(&registry).unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (Kind::Denied, Some(403)), "{error}");
    assert_eq!(methods(&registry), "POST PATCH DELETE");
}

#[test]
fn a_cancel_and_a_deadline_cancel_what_was_begun_too() {
    for deadline in [false, true] {
        let bench = Bench::new();
        let mut options = Options::new();
        if deadline {
            options.set("timeout_ms", "2000").unwrap();
        }
        let call = bench.client.call(Some(&options)).unwrap();
        // The upload is under way, and never gets an answer.
        let registry = Registry::with(Manners::default(), {
            let operation = call.operation.clone();
            move |seen| {
                let begun = seen.method == "PATCH";
                if begun && !deadline {
                    operation.cancel();
                }
                begun.then(|| vec![Act::Hang])
            }
        });
        let reference = format!("{}/org/app:v1", registry.host()).parse().unwrap();
        let (tree, kind) = (bench.tree(), ArtifactKind::Component);
        let pushed = bench.client.build_and_push(&tree, &kind, b"", &reference, &call);
        let error = bench.runtime.block_on(pushed).unwrap_err();
        assert_eq!(error.kind(), if deadline { Kind::Timeout } else { Kind::Cancelled }, "{error}");
        assert_eq!(methods(&registry), "POST PATCH DELETE", "what was begun is cancelled (Q43)");
        assert_eq!(registry.tagged("org/app", "v1"), None);
    }
}

/// A registry that takes the cancel and never answers it: whoever cancelled has his thread back all the same.
#[test]
fn a_registry_that_does_not_answer_does_not_hold_a_cancel_up() {
    let bench = Bench::new();
    let call = bench.client.call(None).unwrap();
    let registry = Registry::with(Manners::default(), {
        let operation = call.operation.clone();
        move |seen| match seen.method.as_str() {
            "PATCH" => {
                operation.cancel();
                Some(vec![Act::Hang])
            }
            "DELETE" => Some(vec![Act::Hang]),
            _ => None,
        }
    });
    let reference = format!("{}/org/app:v1", registry.host()).parse().unwrap();
    let (tree, kind) = (bench.tree(), ArtifactKind::Component);
    let pushed = bench.client.build_and_push(&tree, &kind, b"", &reference, &call);
    let error = bench.runtime.block_on(pushed).unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled, "{error}");
    assert!(methods(&registry).starts_with("POST PATCH"), "{}", methods(&registry));
}
