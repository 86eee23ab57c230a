//! `reuse_unchanged`: a build of a tree that nothing has changed in takes the earlier layer, and no other does.

use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::harness::ours::{Done, Ours};

/// A small tree, which is built again and again.
struct Tree(Ours);

impl Tree {
    fn new() -> Self {
        let tree = Self(Ours::new());
        fs::create_dir_all(tree.path().join("sub")).unwrap();
        fs::write(tree.path().join("a"), b"one").unwrap();
        fs::write(tree.path().join("sub/b"), b"two").unwrap();
        std::os::unix::fs::symlink("a", tree.path().join("link")).unwrap();
        tree
    }

    fn path(&self) -> PathBuf {
        self.0.path("tree")
    }

    fn store(&self) -> PathBuf {
        self.0.path("store")
    }

    /// By a new client each time, as another process would.
    fn build(&self, more: &[(&str, &str)]) -> Done {
        self.0.again().given(&[&[("reuse_unchanged", "true")], more].concat()).build(&self.path()).unwrap()
    }

    /// Builds until the tree's last change is so long ago that it counts: a few seconds.
    fn settle(&self, more: &[(&str, &str)]) -> Done {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let built = self.build(more);
            if built.unchanged {
                return built;
            }
            assert!(Instant::now() < end, "an unchanged tree is built again and again");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a build without the option makes of the tree.
    fn fresh(&self) -> Done {
        self.build(&[("reuse_unchanged", "false")])
    }
}

#[test]
fn an_unchanged_tree_is_the_same_layer_and_every_change_is_seen() {
    let tree = Tree::new();
    let first = tree.fresh();
    assert!(!first.unchanged);
    let again = tree.settle(&[]);
    assert_eq!(again.digest, first.digest);
    assert_eq!(again.artifact().manifest, first.artifact().manifest);

    // As long as before, and with the time that it had.
    let a = tree.path().join("a");
    let before = a.metadata().unwrap().modified().unwrap();
    let mut file = File::create(&a).unwrap();
    file.write_all(b"ONE").unwrap();
    file.set_times(FileTimes::new().set_modified(before)).unwrap();
    let changed = tree.build(&[]);
    assert!(!changed.unchanged && changed.digest != first.digest);
    assert_eq!(changed.digest, tree.fresh().digest);

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
        change(&tree.path());
        let changed = tree.build(&[]);
        assert!(!changed.unchanged, "{what}");
        assert_eq!(changed.digest, tree.fresh().digest, "{what}");
    }
}

#[test]
fn other_options_another_tree_and_a_damaged_store_are_built() {
    let tree = Tree::new();
    fs::write(tree.path().join(".hidden"), b"x").unwrap();
    let first = tree.settle(&[]);
    // What was left out is told as ever.
    assert_eq!(first.left_out_total, 1);
    for (other, same) in
        [(("profile", "none"), false), (("source_date_epoch", "7"), false), (("links", "follow"), true)]
    {
        let built = tree.build(&[other]);
        assert!(!built.unchanged, "{other:?}");
        assert_eq!(built.digest == first.digest, same, "{other:?}");
        assert!(tree.build(&[other]).unchanged, "{other:?}");
    }
    // Neither the config nor the number of threads is part of the layer.
    tree.settle(&[]);
    assert!(tree.build(&[("threads", "1"), ("annotation", "k=v")]).unchanged);

    let blob = |outcome: &Done| {
        let layers = &outcome.artifact.as_ref().unwrap().layers;
        tree.store().join("blobs/sha256").join(layers.first().unwrap().descriptor.digest.hex())
    };
    let path = blob(&first);
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&path, damaged).unwrap();
    let built = tree.build(&[]);
    assert!(!built.unchanged);
    assert_eq!(built.digest, first.digest);
    assert!(tree.build(&[]).unchanged && fs::read(&path).unwrap() == whole);
    fs::remove_dir_all(tree.store()).unwrap();
    assert_eq!(tree.build(&[]).digest, first.digest);
    assert!(tree.build(&[]).unchanged);
}
