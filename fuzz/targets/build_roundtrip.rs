//! Oracle: a tree that is packed is packed to the same bytes by any number of threads and unpacks to the same tree; what a
//! build takes a pull takes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use cldoci::archive::{PackOptions, pack};
use cldoci::oci::{Descriptor, Profile, media_type};
use cldoci::options::{CaseCollisions, Links};
use cldoci::{Kind, Operation};

use super::bytes::Bytes;
use super::room::{Room, is_plain, options, tree};

const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const NAMES: [&str; 12] =
    ["a", "b", "A", "ab", "a.b", "c d", "\u{e9}", "e\u{301}", "-x", "new\nline", ".hidden", "aux"];
const TARGETS: [&str; 8] = ["a", "b/a", "../a", "..", ".", "/a", "a/../b", "../../a"];
/// A name of which this is part would be too long for ustar's field.
const LONG: &str = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz";

fn make_name(data: &mut Bytes<'_>) -> Vec<u8> {
    match data.byte() {
        n @ 0..200 => NAMES[usize::from(n) % NAMES.len()].as_bytes().to_vec(),
        200..230 => [LONG.as_bytes(), &[b'a' + data.byte() % 26]].concat(),
        n => data.take(usize::from(n - 229)).to_vec(),
    }
}

/// Makes what the bytes say, as far as the file system takes it.
fn make(data: &mut Bytes<'_>, root: &Path) {
    let mut directories = vec![root.to_path_buf()];
    let mut room = 2_500_000;
    for _ in 0..24 {
        if data.is_empty() {
            break;
        }
        let kind = data.byte();
        let above: PathBuf = directories[usize::from(data.byte()) % directories.len()].clone();
        let name = make_name(data);
        let other =
            name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0);
        // What an ignore file does is another matter.
        if other || name.starts_with(b".cldignore") {
            continue;
        }
        let path = above.join(OsStr::from_bytes(&name));
        match kind % 4 {
            0 => {
                if std::fs::create_dir(&path).is_ok() {
                    directories.push(path);
                }
            }
            1 => {
                let target = match data.byte() {
                    n @ 0..200 => TARGETS[usize::from(n) % TARGETS.len()].as_bytes(),
                    n => data.take(usize::from(n - 199)),
                };
                let _ = symlink(OsStr::from_bytes(target), path);
            }
            _ => {
                let content = data.content(room);
                if path.symlink_metadata().is_err() && std::fs::write(&path, &content).is_ok() {
                    room -= content.len();
                    let mode = if kind & 0x80 == 0 { 0o644 } else { 0o755 };
                    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
                }
            }
        }
    }
}

/// Entries: what, where, its name, and what is in it.
pub fn run(data: &[u8]) {
    let mut data = Bytes(data);
    Room::with(|room| {
        let root = room.path("tree");
        std::fs::create_dir(&root).unwrap();
        make(&mut data, &root);
        round_trip(room, &root);
        std::fs::remove_dir_all(&root).unwrap();
    });
}

fn round_trip(room: &Room, root: &Path) {
    let packing = |threads| {
        let options = PackOptions {
            profile: Profile::None,
            links: Links::Error,
            case_collisions: CaseCollisions::Ignore,
            mtime: 0,
            threads,
            max_bytes: 1 << 30,
            max_depth: 256,
            max_path_bytes: 4096,
            max_link_bytes: 4095,
            leave_out: Vec::new(),
        };
        let mut layer = Vec::new();
        pack(root, &options, &Operation::new(), &mut layer).map(|packed| (packed, layer))
    };
    let (one, two) = (packing(1), packing(2));
    let (packed, bytes) = match (one, two) {
        (Ok(one), Ok(two)) => {
            assert!(one.1 == two.1 && one.0.blocks == two.0.blocks, "the threads show in the bytes");
            one
        }
        (Err(one), Err(two)) => {
            assert_eq!(one.kind(), two.kind());
            return is_plain(&one, &[Kind::Unsafe]);
        }
        (one, two) => panic!("{:?} and {:?}", one.map(drop), two.map(drop)),
    };
    assert_eq!(packed.left_out_total, 0, "{:?}", packed.left_out);
    let mut layer = Descriptor::of(GZIP, &bytes);
    if let Some(blocks) = packed.blocks {
        layer.annotations.insert(media_type::ANNOTATION_BLOCKS.to_owned(), blocks);
    }
    let mut options = options([0x40, 0]);
    options.max_depth = 256;
    options.max_path_bytes = 4096;
    options.max_link_bytes = 4096;
    let (_, unpacked) = room.pull(&options, &layer, &bytes).expect("a pull refuses what a build took");
    assert_eq!(unpacked, tree(root));
}
