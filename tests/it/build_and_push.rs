//! `build_and_push` at a registry: one pass where it is taken, the usual way where it is not, and nothing
//! half-made where the tree can't be packed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use cldoci::oci::{ArtifactKind, Reference};
use cldoci::{Call, Error, Kind, Result};

use crate::harness::evil::{Act, Seen};
use crate::harness::ours::{Done, Ours, refused};
use crate::harness::random::Random;
use crate::harness::registry::{Manners, Registry, error};

/// A tree whose layer is several chunks long, and its client.
struct Tree(Ours);

impl Tree {
    fn new() -> Self {
        let tree = Self(Ours::new());
        fs::create_dir(tree.path()).unwrap();
        let noise = Random(7).bytes(3_000_000);
        fs::write(tree.path().join("a"), noise).unwrap();
        fs::write(tree.path().join("b"), "b").unwrap();
        tree
    }

    fn path(&self) -> PathBuf {
        self.0.path("tree")
    }

    fn push(&self, registry: &Registry) -> Result<Done> {
        self.0.build_and_push(&self.path(), &format!("{}/org/app:v1", registry.host()))
    }

    /// The same by a call that a test ends, which fails.
    fn push_and_fail(&self, registry: &Registry, call: &Call) -> Error {
        let to: Reference = format!("{}/org/app:v1", registry.host()).parse().unwrap();
        let kind = ArtifactKind::Component;
        self.0.wait(self.0.client.build_and_push(&self.path(), &kind, b"", &to, call)).unwrap_err()
    }

    /// The artifact is there, and is what a build makes.
    fn complete(&self, registry: &Registry, pushed: &Done) {
        let built = self.0.build(&self.path()).unwrap();
        assert_eq!(pushed.digest, built.digest);
        assert_eq!(registry.tagged("org/app", "v1"), Some(built.digest()));
        for layer in &built.artifact().layers {
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
    let tree = Tree::new();
    let (store, spooled) = (tree.0.path("store"), std::sync::Arc::new(AtomicBool::new(false)));
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
    let outcome = tree.push(&registry).unwrap();
    tree.complete(&registry, &outcome);
    assert_eq!(methods(&registry), "POST PATCH PUT POST PUT PUT");
    assert!(!spooled.load(Ordering::SeqCst));
    let log = registry.server.log();
    assert_eq!(log[1].header("transfer-encoding"), Some("chunked"));
    assert_eq!(log[2].header("content-length"), Some("0"));
}

/// Up to 1 MiB a layer is asked for before it is sent: oras asks for the layer and for the config, and puts the
/// manifest.
#[test]
fn a_small_layer_that_is_there_costs_three_requests_and_is_not_sent() {
    let tree = Tree::new();
    fs::write(tree.path().join("a"), vec![7; 900_000]).unwrap();
    let registry = Registry::start();
    let first = tree.push(&registry).unwrap();
    tree.complete(&registry, &first);
    assert_eq!(registry.server.log().len(), 6, "{}", methods(&registry));
    let again = tree.push(&registry).unwrap();
    assert_eq!(again.digest, first.digest);
    let log = &registry.server.log()[6..];
    assert_eq!(log.len(), 3, "{}", methods(&registry));
    assert!(log.iter().all(|seen| seen.method != "PATCH" && !seen.line().contains("PUT /v2/org/app/blobs")));
    // The twin: a large one is not held back, and goes while it is packed.
    let large = Tree::new();
    large.push(&registry).unwrap();
    assert!(methods(&registry)["POST PUT".len()..].contains("PATCH"), "{}", methods(&registry));
}

#[test]
fn a_registry_that_does_not_take_it_gets_it_the_usual_way_and_is_remembered() {
    for status in [400, 404, 411, 413, 416, 501] {
        let tree = Tree::new();
        let registry = Registry::with(Manners::default(), move |seen| {
            (seen.method == "PATCH").then(|| error(status, "UNSUPPORTED"))
        });
        let outcome = tree.push(&registry).unwrap();
        tree.complete(&registry, &outcome);
        assert!(methods(&registry).starts_with("POST PATCH DELETE HEAD POST PUT"), "{}", methods(&registry));
        let before = registry.server.log().len();
        fs::write(tree.path().join("b"), "another").unwrap();
        let outcome = tree.push(&registry).unwrap();
        tree.complete(&registry, &outcome);
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
        let tree = Tree::new();
        let registry = Registry::with(Manners::default(), break_it);
        let outcome = tree.push(&registry).unwrap();
        tree.complete(&registry, &outcome);
        assert!(methods(&registry).contains("DELETE"), "what was begun is cancelled (Q43)");
    }
}

#[test]
fn a_tree_that_can_not_be_packed_leaves_nothing() {
    let tree = Tree::new();
    let registry = Registry::start();
    let fifo = tree.path().join("z");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    refused(tree.push(&registry), Kind::Unsafe, "z: is a FIFO");
    assert_eq!(registry.tagged("org/app", "v1"), None);
    registry.server.wait_for(|seen| seen.method == "DELETE");
    assert!(methods(&registry).ends_with("DELETE"), "{}", methods(&registry));
    fs::remove_file(fifo).unwrap();
    let outcome = tree.push(&registry).unwrap();
    tree.complete(&registry, &outcome);
    assert_eq!(fs::metadata(tree.path()).unwrap().permissions().mode() & 0o700, 0o700);
}

#[test]
fn a_refused_credential_is_an_error_and_not_tried_twice() {
    let tree = Tree::new();
    let registry =
        Registry::with(Manners::default(), |seen| (seen.method == "PATCH").then(|| error(403, "DENIED")));
    let error = tree.push(&registry).unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (Kind::Denied, Some(403)), "{error}");
    registry.server.wait_for(|seen| seen.method == "DELETE");
    assert_eq!(methods(&registry), "POST PATCH DELETE");
}

#[test]
fn a_cancel_and_a_deadline_cancel_what_was_begun_too() {
    for deadline in [false, true] {
        let tree = Tree::new();
        let timeout = if deadline { "2000" } else { "600000" };
        let call = tree.0.given(&[("timeout_ms", timeout)]).call();
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
        let error = tree.push_and_fail(&registry, &call);
        assert_eq!(error.kind(), if deadline { Kind::Timeout } else { Kind::Cancelled }, "{error}");
        registry.server.wait_for(|seen| seen.method == "DELETE");
        assert_eq!(methods(&registry), "POST PATCH DELETE", "what was begun is cancelled (Q43)");
        assert_eq!(registry.tagged("org/app", "v1"), None);
    }
}

/// A registry that takes the cancel and never answers it: whoever cancelled has his thread back all the same.
#[test]
fn a_registry_that_does_not_answer_does_not_hold_a_cancel_up() {
    let tree = Tree::new();
    let call = tree.0.call();
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
    let error = tree.push_and_fail(&registry, &call);
    assert_eq!(error.kind(), Kind::Cancelled, "{error}");
    assert!(methods(&registry).starts_with("POST PATCH"), "{}", methods(&registry));
}
