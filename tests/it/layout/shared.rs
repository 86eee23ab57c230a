//! Layouts that several people write to and read: modes, groups, access control lists, locks (Q121, Q122).

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use cldoci::options::Environment;
use rustix::fs::{Mode, XattrFlags};

use super::*;
use crate::harness::child::{arguments, command, passed_as_nobody, runner};
use crate::harness::ours::{self, Ours};
use crate::harness::trees::component;

const LAYOUT: &str = "CLDOCI_TEST_LAYOUT";
const UMASK: &str = "CLDOCI_TEST_UMASK";

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// All that lies below, the directory itself too.
fn all_below(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            found.extend(all_below(&entry.unwrap().path()));
        }
    }
    found
}

fn blob_path(layout: &Path, digest: &Digest) -> PathBuf {
    layout.join("blobs").join(digest.algorithm().name()).join(digest.hex())
}

/// The child: builds into the layout, which is there or not, and does what else writes to it.
#[test]
#[ignore = "the other tests here run it as a process of its own"]
fn child_that_builds() {
    let (Some(path), Ok(umask)) = (std::env::var_os(LAYOUT), std::env::var(UMASK)) else { return };
    rustix::process::umask(Mode::from_raw_mode(u32::from_str_radix(&umask, 8).unwrap()));
    let ours = Ours::new();
    let tree = ours.path("tree");
    component(&tree);
    let at = |tag: &str| ours::layout(Path::new(&path), tag);
    let user = rustix::process::getuid().as_raw();
    let built = ours.build_and_push(&tree, &at(&format!("built-{user}"))).unwrap();
    fs::write(tree.join("more"), format!("of {user}")).unwrap();
    let ready = ours.build(&tree).unwrap().artifact();
    ours.push(&ready, &at(&format!("pushed-{user}"))).unwrap();
    ours.push(&ready, &at("moving")).unwrap();
    ours.tag(&at(&format!("built-{user}")), &at(&format!("tagged-{user}"))).unwrap();
    ours.collect_garbage(&at("any")).unwrap();
    let pulled = ours.path("out");
    ours.pull(&at(&format!("pushed-{user}")), &pulled).unwrap();
    println!("\nbuilt {}", built.digest());
}

fn builds(layout: &Path, umask: &str, user: Option<&str>) {
    let mut child = command(module_path!(), "child_that_builds");
    if let Some(user) = user {
        let program = fs::File::open(std::env::current_exe().unwrap()).unwrap();
        child = Command::new("setpriv");
        child
            .args(["--reuid", user, "--regid", user, "--groups", GROUP])
            .args(runner())
            .arg("/proc/self/fd/0")
            .args(arguments(module_path!(), "child_that_builds"))
            .stdin(program)
            .current_dir("/");
        child.env_remove("TMPDIR");
    }
    let output = child.env(LAYOUT, layout).env(UMASK, umask).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("\nbuilt sha256:"), "{umask} {user:?}: {said}");
}

/// The group that shares; nobody has it.
const GROUP: &str = "55555";

#[test]
fn modes_are_those_that_other_tools_give_under_the_umask() {
    let dir = tempfile::tempdir().unwrap();
    for umask in [0o002, 0o022, 0o027, 0o077] {
        let path = dir.path().join(format!("{umask:o}"));
        // The first makes it, the second adds to it.
        for _ in 0..2 {
            builds(&path, &format!("{umask:o}"), None);
        }
        let mut blobs = 0;
        for found in all_below(&path) {
            let is_blob = found.parent().unwrap().ends_with("blobs/sha256");
            blobs += u32::from(is_blob);
            let wanted = match (found.is_dir(), is_blob) {
                (true, _) => 0o777,
                (false, true) => 0o444,
                (false, false) => 0o666,
            };
            assert_eq!(mode(&found), wanted & !umask, "{}", found.display());
        }
        assert_eq!(blobs, 5, "{umask:o}");
    }
}

#[test]
fn a_second_user_of_the_group_pushes_tags_collects_and_pulls() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    set_mode(dir.path(), 0o755);
    for (name, umask) in [("002", "002"), ("007", "007")] {
        let place = dir.path().join(name);
        fs::create_dir(&place).unwrap();
        chown(&place, None, Some(GROUP.parse().unwrap())).unwrap();
        set_mode(&place, 0o2775);
        let path = place.join("layout");
        for user in ["10001", "10002", "10001"] {
            builds(&path, umask, Some(user));
        }
        // Both were writers, and whatever they made is the group's.
        let owners: std::collections::BTreeSet<_> =
            all_below(&path).iter().map(|found| fs::metadata(found).unwrap().uid()).collect();
        assert_eq!(owners.into_iter().collect::<Vec<_>>(), [10001, 10002]);
        for found in all_below(&path) {
            let data = fs::metadata(&found).unwrap();
            assert_eq!(data.gid().to_string(), GROUP, "{}", found.display());
            assert_eq!(data.mode() & 0o040, 0o040, "{}", found.display());
        }
        let layout = Layout::open(&path, &call()).unwrap();
        assert_eq!(check_whole(&layout), 7);
    }
}

#[test]
fn a_lock_that_can_be_read_alone_is_held_all_the_same() {
    if passed_as_nobody() {
        return;
    }
    let (_dir, layout) = new_layout();
    push(&layout.begin().unwrap(), "one", Some("v1"), None);
    let own = layout.path().join(".cldoci");
    for lock in ["blobs.lock", "index.lock"] {
        set_mode(&own.join(lock), 0o444);
    }
    let writer = layout.begin().unwrap();
    push(&writer, "two", Some("v2"), None);
    // It keeps a collection out as long as it is held.
    let call = ours::call_with(&[]);
    let other = Layout::open(layout.path(), &call).unwrap();
    call.operation.cancel();
    assert_eq!(other.gc().unwrap_err().kind(), Kind::Cancelled);
    drop(writer);
    assert_eq!(layout.gc().unwrap().removed, 0);
    // What can't be read either says so.
    set_mode(&own.join("blobs.lock"), 0);
    let error = layout.begin().unwrap_err();
    assert!(error.message().contains("blobs.lock: Permission denied"), "{error}");
}

#[test]
fn a_reader_needs_no_permission_to_write() {
    if passed_as_nobody() {
        return;
    }
    let ours = Ours::new();
    let (tree, path) = (ours.path("tree"), ours.path("layout"));
    component(&tree);
    let v1 = ours::layout(&path, "v1");
    ours.build_and_push(&tree, &v1).unwrap();
    let below = all_below(&path);
    for found in &below {
        set_mode(found, if found.is_dir() { 0o555 } else { 0o444 });
    }
    ours.pull(&v1, &ours.path("out")).unwrap();
    ours.inspect(&v1).unwrap();
    ours.resolve(&v1).unwrap();
    assert_eq!(ours.list_tags(&v1).unwrap().outcome.tags, ["v1"]);
    ours.copy(&v1, &ours::layout(&ours.path("copy"), "v1")).unwrap();
    // The twin: a writer does.
    let error = ours.tag(&v1, &ours::layout(&path, "v2")).unwrap_err();
    assert!(error.message().contains("Permission denied"), "{error}");
    for found in below.iter().filter(|found| found.is_dir()) {
        set_mode(found, 0o755);
    }
}

#[test]
fn a_blob_that_nobody_else_may_read_is_written_again() {
    if passed_as_nobody() {
        return;
    }
    let (_dir, layout) = new_layout();
    let descriptor = push(&layout.begin().unwrap(), "one", Some("v1"), None);
    let path = blob_path(layout.path(), &descriptor.digest);
    set_mode(&path, 0);
    assert!(layout.read(&descriptor, 1 << 20).unwrap_err().message().contains("Permission denied"));
    push(&layout.begin().unwrap(), "one", Some("v1"), None);
    assert_eq!(mode(&path) & 0o222, 0);
    assert_eq!(check_whole(&layout), 1);
}

/// A spool in a store beside the layout, and the blob that it is.
fn spool(dir: &Path, content: &str) -> (cldoci::store::Spool, Descriptor) {
    let store = Store::at(&dir.join("store")).unwrap();
    let mut writer = store.spool().unwrap();
    writer.write_all(content.as_bytes()).unwrap();
    let spool = writer.finish().unwrap();
    let blob = Descriptor::new("a/b", spool.digest().clone(), spool.size());
    (spool, blob)
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

#[test]
fn a_spool_is_linked_where_nothing_tells_it_from_a_file_made_there() {
    let (dir, layout) = new_layout();
    let (spool, blob) = spool(dir.path(), "linked");
    let file = spool.open().unwrap();
    layout.begin().unwrap().add_spool(&blob, &spool).unwrap();
    let path = blob_path(layout.path(), &blob.digest);
    assert_eq!(inode(&path), file.metadata().unwrap().ino());
    assert_eq!(mode(&path) & 0o222, 0);
    // A second layout shares it too, where it would have the same mode; else the first's mode stays.
    let add = |name: &str| {
        let other = Layout::create(&dir.path().join(name), &call()).unwrap();
        other.begin().unwrap().add_spool(&blob, &spool).unwrap();
        assert_eq!(other.read(&blob, 100).unwrap(), b"linked");
        inode(&blob_path(other.path(), &blob.digest))
    };
    assert_eq!(add("second"), inode(&path));
    set_mode(&path, 0o400);
    assert_ne!(add("third"), inode(&path));
    assert_eq!(mode(&path), 0o400);
}

#[test]
fn a_spool_that_others_can_write_is_copied() {
    let (dir, layout) = new_layout();
    let (spool, blob) = spool(dir.path(), "copied");
    let file = spool.open().unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o660)).unwrap();
    layout.begin().unwrap().add_spool(&blob, &spool).unwrap();
    let path = blob_path(layout.path(), &blob.digest);
    assert_ne!(inode(&path), file.metadata().unwrap().ino());
    assert_eq!(mode(&path) & 0o222, 0);
    assert_eq!(layout.read(&blob, 100).unwrap(), b"copied");
}

#[test]
fn a_layout_of_another_group_gets_a_copy_with_its_group() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("layout");
    fs::create_dir(&path).unwrap();
    chown(&path, None, Some(GROUP.parse().unwrap())).unwrap();
    set_mode(&path, 0o2775);
    let layout = Layout::create(&path, &call()).unwrap();
    let (spool, blob) = spool(dir.path(), "of a group");
    layout.begin().unwrap().add_spool(&blob, &spool).unwrap();
    let found = fs::metadata(blob_path(&path, &blob.digest)).unwrap();
    assert_eq!(found.gid().to_string(), GROUP);
    assert_ne!(found.ino(), spool.open().unwrap().metadata().unwrap().ino());
}

/// An access control list as the kernel has it: what the owner, a user, the group, the mask and others may.
fn acl(user: u32) -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] = [(1, 7, !0), (2, 7, user), (4, 5, !0), (0x10, 7, !0), (0x20, 0, !0)];
    let mut bytes = 2u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(rights.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

#[test]
fn a_layout_with_a_default_access_list_gets_blobs_that_have_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("layout");
    fs::create_dir(&path).unwrap();
    match rustix::fs::setxattr(&path, "system.posix_acl_default", &acl(10001), XattrFlags::empty()) {
        Err(rustix::io::Errno::NOTSUP) => return,
        set => set.unwrap(),
    }
    let layout = Layout::create(&path, &call()).unwrap();
    let writer = layout.begin().unwrap();
    let (spool, blob) = spool(dir.path(), "spooled");
    writer.add_spool(&blob, &spool).unwrap();
    let (ours, tree) = (Ours::new(), dir.path().join("tree"));
    component(&tree);
    ours.build_and_push(&tree, &ours::layout(&path, "v1")).unwrap();
    let mut named = 0;
    for found in all_below(&path).iter().filter(|found| found.is_file()) {
        let mut list = [0u8; 256];
        let length = rustix::fs::getxattr(found, "system.posix_acl_access", &mut list[..])
            .unwrap_or_else(|error| panic!("{}: {error}", found.display()));
        let user = list[..length].windows(4).any(|four| four == 10001u32.to_le_bytes());
        assert!(user, "{}", found.display());
        named += 1;
        // The mask takes from a blob what its mode does not give.
        let is_blob = found.parent().unwrap().ends_with("blobs/sha256");
        assert_eq!(mode(found), if is_blob { 0o440 } else { 0o660 }, "{}", found.display());
    }
    assert_eq!(named, 8);
}

#[test]
fn a_sticky_directory_of_locks_is_locked_all_the_same() {
    let (_dir, layout) = new_layout();
    push(&layout.begin().unwrap(), "one", Some("v1"), None);
    let own = layout.path().join(".cldoci");
    if rustix::process::geteuid().is_root() {
        // Files of another user there can't be opened with the wish to make them, not even by root.
        for lock in ["blobs.lock", "index.lock"] {
            chown(own.join(lock), Some(10001), None).unwrap();
            set_mode(&own.join(lock), 0o666);
        }
    }
    set_mode(&own, 0o1777);
    push(&layout.begin().unwrap(), "two", Some("v2"), None);
    assert_eq!(layout.gc().unwrap().removed, 0);
    assert_eq!(check_whole(&layout), 2);
}

#[test]
fn a_build_into_a_layout_that_is_there_spools_in_it_and_leaves_nothing_over() {
    let ours = Ours::new();
    let (tree, path) = (ours.path("tree"), ours.path("layout"));
    component(&tree);
    let v1 = ours::layout(&path, "v1");
    let first = ours.build_and_push(&tree, &v1).unwrap();
    fs::write(tree.join("more"), "more").unwrap();
    // Nothing can be spooled elsewhere.
    let environment = Environment::of([("TMPDIR", "/dev/null/none")]);
    let nowhere = Ours::of(ours::options(&[("store", "off")]), environment).unwrap();
    assert!(nowhere.build(&tree).is_err());
    let second = nowhere.build_and_push(&tree, &ours::layout(&path, "v2")).unwrap();
    assert_ne!(first.digest(), second.digest());
    assert_eq!((second.counters.blobs_uploaded, second.counters.blobs_skipped), (1, 1));
    let again = nowhere.build_and_push(&tree, &ours::layout(&path, "v3")).unwrap();
    assert_eq!(
        (again.digest(), again.counters.blobs_uploaded, again.counters.blobs_skipped),
        (second.digest(), 0, 2)
    );
    // Its layer is read from there.
    let copy = ours::layout(&ours.path("copy"), "v1");
    ours.push(&second.artifact(), &copy).unwrap();
    let layout = Layout::open(&path, &call()).unwrap();
    assert_eq!(check_whole(&layout), 3);
    // A build that fails leaves nothing, and holds no lock.
    let error = nowhere.build_and_push(&ours.path("absent"), &v1).unwrap_err();
    assert_eq!(error.kind(), Kind::Io, "{error}");
    assert!(left_overs(&layout).is_empty());
    assert_eq!(layout.gc().unwrap().removed, 0);
}
