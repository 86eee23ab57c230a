//! The bytes of the layer, pinned. A change of a digest here breaks every caller's reproducible builds: it
//! needs a new format version. The tests run under `qemu-x86_64 -cpu qemu64` too, by the filter `golden`.

use sha2::{Digest, Sha256};

use super::tree::{bytes, layer, options, packed, write, write_tree};

fn digest(layer: &[u8]) -> String {
    Sha256::digest(layer).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn golden_layer_of_a_tree() {
    let root = tempfile::tempdir().unwrap();
    write_tree(root.path(), false);
    let (layer, packed) = packed(root.path(), &options()).unwrap();
    assert_eq!(digest(&layer), "5911d965ceaf495fc0ad28d890e30dae72644d339f9763f1f30941268f0ceed4");
    assert_eq!(packed.blocks.as_deref(), Some("20:0:vZoin68i664i5CPJAQ=="));
    assert_eq!((packed.entries, packed.left_out_total), (16, 0));
}

#[test]
fn golden_layers_at_the_edges() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(
        digest(&layer(root.path(), &options())),
        "62539018952ddec37a4fcf8d77171cfbcd5b21fc3520f32028cd9cfdae546a31",
        "an empty tree"
    );
    write(root.path(), "f", b"x", 0o644);
    assert_eq!(
        digest(&layer(root.path(), &options())),
        "83aea64bb3f06da8f9cb933085c92c2248c38e762d7f00f4e38f7186f4fb4b44",
        "one byte"
    );
    let at = cldoci::archive::PackOptions { mtime: 1_700_000_000, ..options() };
    assert_eq!(
        digest(&layer(root.path(), &at)),
        "e1683af5e78af736a1968526b7ea80246b71c7271591cf7e887d3e119a25d56e",
        "another time"
    );
    // A tar of exactly two blocks: header, content, end.
    write(root.path(), "f", &bytes((2 << 20) - 512 - 1024, 5), 0o644);
    let (layer, packed) = packed(root.path(), &options()).unwrap();
    assert_eq!(packed.tar_size, 2 << 20);
    assert_eq!(
        digest(&layer),
        "2d218234d029e5903e99e8782973af75bc300a1ccdd478f3bbdd458431c03dce",
        "exactly two blocks"
    );
}
