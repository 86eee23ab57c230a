//! `reuse_unchanged`: a build of a tree that nothing has changed in takes the earlier layer, and no other does.

use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cldoci::oci::ArtifactKind;
use cldoci::options::{Environment, Options};
use cldoci::{Client, Outcome};

struct Bench {
    work: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn new() -> Self {
        let bench =
            Self { work: tempfile::tempdir().unwrap(), runtime: tokio::runtime::Runtime::new().unwrap() };
        fs::create_dir_all(bench.tree().join("sub")).unwrap();
        fs::write(bench.tree().join("a"), b"one").unwrap();
        fs::write(bench.tree().join("sub/b"), b"two").unwrap();
        std::os::unix::fs::symlink("a", bench.tree().join("link")).unwrap();
        bench
    }

    fn tree(&self) -> PathBuf {
        self.work.path().join("tree")
    }

    fn store(&self) -> PathBuf {
        self.work.path().join("store")
    }

    /// A new client each time, as another process would be.
    fn build(&self, tree: &Path, more: &[(&str, &str)]) -> Outcome {
        let mut options = Options::new();
        options.set("store", self.store().to_str().unwrap()).unwrap();
        let client = Client::with_environment(&options, Environment::default()).unwrap();
        let mut call = Options::new();
        call.set("reuse_unchanged", "true").unwrap();
        for (name, value) in more {
            call.set(name, value).unwrap();
        }
        let call = client.call(Some(&call)).unwrap();
        let kind = ArtifactKind::Component;
        self.runtime.block_on(client.build(tree, &kind, b"", &call)).unwrap()
    }

    /// Builds until the tree's last change is so long ago that it counts: a few seconds.
    fn settle(&self, more: &[(&str, &str)]) -> Outcome {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let built = self.build(&self.tree(), more);
            if built.unchanged {
                return built;
            }
            assert!(Instant::now() < end, "an unchanged tree is built again and again");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a build without the option makes of the tree.
    fn fresh(&self) -> Outcome {
        self.build(&self.tree(), &[("reuse_unchanged", "false")])
    }
}

#[test]
fn an_unchanged_tree_is_the_same_layer_and_every_change_is_seen() {
    let bench = Bench::new();
    let first = bench.fresh();
    assert!(!first.unchanged);
    let again = bench.settle(&[]);
    assert_eq!(again.digest, first.digest);
    assert_eq!(again.artifact.unwrap().manifest, first.artifact.unwrap().manifest);

    // As long as before, and with the time that it had.
    let a = bench.tree().join("a");
    let before = a.metadata().unwrap().modified().unwrap();
    let mut file = File::create(&a).unwrap();
    file.write_all(b"ONE").unwrap();
    file.set_times(FileTimes::new().set_modified(before)).unwrap();
    let changed = bench.build(&bench.tree(), &[]);
    assert!(!changed.unchanged && changed.digest != first.digest);
    assert_eq!(changed.digest, bench.fresh().digest);

    type Change = (&'static str, fn(&Path));
    let changes: [Change; 4] = [
        ("a new file", |tree| fs::write(tree.join("sub/c"), b"").unwrap()),
        ("one file less", |tree| fs::remove_file(tree.join("sub/b")).unwrap()),
        ("a new name", |tree| fs::rename(tree.join("sub"), tree.join("sup")).unwrap()),
        ("another link", |tree| {
            fs::remove_file(tree.join("link")).unwrap();
            std::os::unix::fs::symlink("sup/c", tree.join("link")).unwrap();
        }),
    ];
    for (what, change) in changes {
        change(&bench.tree());
        let changed = bench.build(&bench.tree(), &[]);
        assert!(!changed.unchanged, "{what}");
        assert_eq!(changed.digest, bench.fresh().digest, "{what}");
    }
}

#[test]
fn other_options_another_tree_and_a_damaged_store_are_built() {
    let bench = Bench::new();
    fs::write(bench.tree().join(".hidden"), b"x").unwrap();
    let first = bench.settle(&[]);
    // What was left out is told as ever.
    assert_eq!(first.left_out_total, 1);
    for (other, same) in
        [(("profile", "none"), false), (("source_date_epoch", "7"), false), (("links", "follow"), true)]
    {
        let built = bench.build(&bench.tree(), &[other]);
        assert!(!built.unchanged, "{other:?}");
        assert_eq!(built.digest == first.digest, same, "{other:?}");
        assert!(bench.build(&bench.tree(), &[other]).unchanged, "{other:?}");
    }
    // Neither the config nor the number of threads is part of the layer.
    bench.settle(&[]);
    assert!(bench.build(&bench.tree(), &[("threads", "1"), ("annotation", "k=v")]).unchanged);

    let blob = |outcome: &Outcome| {
        let layers = &outcome.artifact.as_ref().unwrap().layers;
        bench.store().join("blobs/sha256").join(layers.first().unwrap().descriptor.digest.hex())
    };
    let path = blob(&first);
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&path, damaged).unwrap();
    let built = bench.build(&bench.tree(), &[]);
    assert!(!built.unchanged);
    assert_eq!(built.digest, first.digest);
    assert!(bench.build(&bench.tree(), &[]).unchanged && fs::read(&path).unwrap() == whole);
    fs::remove_dir_all(bench.store()).unwrap();
    assert_eq!(bench.build(&bench.tree(), &[]).digest, first.digest);
    assert!(bench.build(&bench.tree(), &[]).unchanged);
}
