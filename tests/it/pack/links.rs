//! Symbolic links.

use std::os::unix::fs::symlink;
use std::path::Path;

use cldoci::archive::PackOptions;
use cldoci::oci::Profile;
use cldoci::options::Links;
use cldoci::{Kind, Operation};

use super::tree::{layer, names, options, packed, packed_by, write};

fn with(links: Links) -> PackOptions {
    PackOptions { links, ..options() }
}

#[test]
fn b_03_links_that_stay_inside_are_kept_as_they_are() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "d/f", b"f", 0o644);
    symlink("d/./f", root.path().join("a")).unwrap();
    symlink("../d", root.path().join("d/round")).unwrap();
    symlink("d/round/round/f", root.path().join("through")).unwrap();
    symlink(".", root.path().join("root")).unwrap();
    for links in [Links::Error, Links::Skip, Links::Follow] {
        assert_eq!(
            names(&layer(root.path(), &with(links))),
            ["a@d/./f", "d/", "d/f", "d/round@../d", "root@.", "through@d/round/round/f"]
        );
    }
}

/// A tree in `tree/` with one link at `d/l`, and something beside it to lead to.
fn with_link(target: &str) -> tempfile::TempDir {
    let all = tempfile::tempdir().unwrap();
    write(all.path(), "outside/o", b"out", 0o755);
    write(all.path(), "tree/f", b"f", 0o644);
    std::fs::create_dir(all.path().join("tree/d")).unwrap();
    symlink(target, all.path().join("tree/d/l")).unwrap();
    all
}

#[test]
fn b_03_links_that_leave_dangle_or_go_round() {
    for (target, why) in [
        ("../../outside/o", "leaves the tree"),
        ("../../tree/f", "leaves the tree"),
        ("/etc/hostname", "leaves the tree"),
        ("gone", "leads to nothing"),
        ("../f/x", "leads to nothing"),
        ("l", "leads in a circle"),
        // The same after a link: no pull takes it (T-15).
        ("up/../f", "goes up again from another link"),
    ] {
        let all = with_link(target);
        let tree = all.path().join("tree");
        let up = target.starts_with("up/");
        if up {
            symlink("../g", tree.join("d/up")).unwrap();
            std::fs::create_dir(tree.join("g")).unwrap();
        }
        let error = packed(&tree, &with(Links::Error)).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsafe);
        assert!(error.message().starts_with(&format!("d/l -> {target}: the symbolic link {why}")), "{error}");
        assert!(error.message().contains("option links"), "{error}");
        let operation = Operation::new();
        let (layer, packed) = packed_by(&tree, &with(Links::Skip), &operation).unwrap();
        assert_eq!(names(&layer), if up { &["d/", "d/up@../g", "f", "g/"][..] } else { &["d/", "f"] });
        assert_eq!((packed.left_out_total, packed.left_out[0].path.as_path()), (1, Path::new("d/l")));
        assert!(operation.warnings()[0].contains(why), "{:?}", operation.warnings());
    }
}

#[test]
fn b_03_a_link_through_a_link_that_leaves_is_found_out() {
    // Its text stays inside; what it names does not.
    let all = with_link("../../outside");
    let tree = all.path().join("tree");
    symlink("d/l/o", tree.join("z")).unwrap();
    let (_, packed) = packed(&tree, &with(Links::Skip)).unwrap();
    let reasons: Vec<_> = packed.left_out.iter().map(|left| left.reason.as_str()).collect();
    assert_eq!(reasons, ["the symbolic link leaves the tree"; 2]);
}

#[test]
fn links_to_what_is_left_out_dangle() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "dist/f", b"f", 0o644);
    symlink("dist/f", root.path().join("l")).unwrap();
    let cldctl = PackOptions { profile: Profile::Cldctl, ..options() };
    let error = packed(root.path(), &cldctl).unwrap_err();
    assert!(error.message().contains("leads to nothing that goes in"), "{error}");
    assert_eq!(names(&layer(root.path(), &options())), ["dist/", "dist/f", "l@dist/f"]);
    let follow = PackOptions { links: Links::Follow, ..cldctl };
    assert_eq!(names(&layer(root.path(), &follow)), ["l"]);
}

#[test]
fn following_packs_what_is_there() {
    let all = with_link("../../outside");
    let tree = all.path().join("tree");
    // Below a followed directory its own links stay, and those that leave it are followed in turn.
    symlink("o", all.path().join("outside/inner")).unwrap();
    symlink("../tree/f", all.path().join("outside/outer")).unwrap();
    let names = names(&layer(&tree, &with(Links::Follow)));
    assert_eq!(names, ["d/", "d/l/", "d/l/inner@o", "d/l/o", "d/l/outer", "f"]);
}

#[test]
fn following_never_goes_round_and_needs_something_to_follow() {
    for (target, why) in [("../..", "leads back"), ("gone", "dangles"), ("l", "symbolic link")] {
        let all = with_link(target);
        let error = packed(&all.path().join("tree"), &with(Links::Follow)).unwrap_err();
        assert!(error.message().to_lowercase().contains(why), "{target}: {error}");
    }
}
