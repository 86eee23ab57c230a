//! Oracle: what is taken, the `tar` crate reads as the same names, contents and links.

use std::collections::BTreeSet;
use std::io::Read;

use cldoci::oci::Descriptor;
use tar::EntryType;

use super::extract::TAR;
use super::room::{Node, Room, Tree, options, seal};

/// Without the NULs at its end: of a GNU header that has several, the other reader takes off one.
fn text(bytes: &[u8]) -> &[u8] {
    let length = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &bytes[..length]
}

fn name(path: &[u8]) -> Vec<u8> {
    let path = text(path);
    let parts: Vec<&[u8]> =
        path.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    parts.join(&b'/')
}

/// What the other reader finds: files and links by their names, and the names of directories.
/// None where a size is blank, which GNU tar, bsdtar and Python read as zero.
fn others(archive: &[u8]) -> Option<(Tree, BTreeSet<Vec<u8>>)> {
    let (mut found, mut directories) = (Tree::new(), BTreeSet::new());
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().expect("the other reader refuses it") {
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.to_string().contains("not a number:  when getting size") => return None,
            Err(error) => panic!("the other reader refuses an entry: {error}"),
        };
        let path = name(&entry.path_bytes());
        let target = entry.link_name_bytes().map(|target| text(&target).to_vec()).unwrap_or_default();
        let node = match entry.header().entry_type() {
            EntryType::Directory => {
                directories.insert(path);
                continue;
            }
            EntryType::Symlink => Node::Link(target),
            EntryType::Link => match found.get(&name(&target)) {
                Some(Node::File { executable, content }) => {
                    Node::File { executable: *executable, content: content.clone() }
                }
                other => panic!("a hard link to {other:?}"),
            },
            EntryType::XGlobalHeader => continue,
            // An old archive's directory is a file whose name ends so.
            _ if text(&entry.path_bytes()).ends_with(b"/") => {
                directories.insert(path);
                continue;
            }
            _ => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).expect("the other reader fails in a body");
                let executable = entry.header().mode().unwrap_or(0) & 0o111 != 0;
                Node::File { executable, content }
            }
        };
        found.insert(path, node);
    }
    directories.remove(&b""[..]);
    Some((found, directories))
}

/// A tar.
pub fn run(data: &[u8]) {
    let mut archive = data.to_vec();
    seal(&mut archive);
    let pulled = Room::with(|room| room.pull(&options([0, 0]), &Descriptor::of(TAR, &archive), &archive));
    let Ok((_, ours)) = pulled else { return };
    let Some((theirs, directories)) = others(&archive) else { return };
    for directory in &directories {
        assert_eq!(ours.get(directory), Some(&Node::Directory), "{directory:?}");
    }
    let files: Tree = ours.into_iter().filter(|(_, node)| *node != Node::Directory).collect();
    assert_eq!(files, theirs);
}
