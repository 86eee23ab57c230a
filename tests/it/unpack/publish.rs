//! How a staged tree becomes visible (T-81, T-82, F-15, F-18).

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use cldoci::archive::{Staging, UnpackOptions, destination_identity, fingerprint};
use cldoci::oci::Descriptor;
use cldoci::options::Existing;
use cldoci::{Kind, Operation};

use super::links::pulled_with_fault;
use crate::harness::archive::*;
use crate::harness::child;

fn with(existing: Existing) -> UnpackOptions {
    UnpackOptions { existing, ..options() }
}

fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

#[test]
fn an_absent_destination_and_its_parents_are_made() {
    let world = World::new();
    let deep = world.dest().join("a/b/c");
    let staging = Staging::prepare(&deep, &options()).unwrap();
    assert!(world.dest().join("a/b").is_dir());
    drop(staging);
    assert!(!world.dest().exists(), "what was made is taken back");
    let operation = Operation::new();
    let mut staging = Staging::prepare(&deep, &options()).unwrap();
    let archive = tar(&[file("f", "x")]);
    staging.unpack(&Descriptor::of(TAR, &archive), &mut &archive[..], &operation).unwrap();
    staging.publish(&operation).unwrap();
    assert_eq!(tree(&world.dest()), ["a/", "a/b/", "a/b/c/", "a/b/c/f=x"]);
    world.check();
    // No layer at all is an empty directory.
    let world = World::new();
    Staging::prepare(&world.dest(), &options()).unwrap().publish(&operation).unwrap();
    assert_eq!(tree(&world.dest()), Vec::<String>::new());
}

#[test]
fn an_empty_destination_is_replaced_and_keeps_its_permissions() {
    let world = World::new();
    std::fs::create_dir(world.dest()).unwrap();
    std::fs::set_permissions(world.dest(), PermissionsExt::from_mode(0o700)).unwrap();
    for existing in [Existing::Refuse, Existing::Merge, Existing::Replace] {
        world.pull(&with(existing), &[(TAR, &tar(&[file("f", "x")]))]).unwrap();
        assert_eq!(tree(&world.dest()), ["f=x"]);
        assert_eq!(mode(&world.dest()), 0o700);
        std::fs::remove_file(world.dest().join("f")).unwrap();
    }
    world.check();
}

#[test]
fn t_82_a_destination_that_is_not_empty_is_refused_before_anything() {
    let world = World::new();
    write(&world.dest().join("f"), "old");
    let error = Staging::prepare(&world.dest(), &options()).err().unwrap();
    assert_eq!(error.kind(), Kind::Exists);
    assert!(error.message().contains("option existing: merge, replace"), "{error}");
    assert_eq!(tree(&world.dest()), ["f=old"]);
    world.check();
    std::fs::remove_dir_all(world.dest()).unwrap();
    std::fs::write(world.dest(), "a file").unwrap();
    for existing in [Existing::Refuse, Existing::Merge, Existing::Replace] {
        let error = Staging::prepare(&world.dest(), &with(existing)).err().unwrap();
        assert_eq!(error.kind(), Kind::Exists, "{error}");
    }
    let error = Staging::prepare(&world.dest().join("below"), &options()).err().unwrap();
    assert_eq!((error.kind(), error.errno()), (Kind::Io, Some(20)), "{error}");
    let error = Staging::prepare(Path::new("relative"), &options()).err().unwrap();
    assert_eq!(error.kind(), Kind::Argument);
}

#[test]
fn t_82_merge_goes_file_by_file_over_what_is_there() {
    let world = World::new();
    write(&world.dest().join("kept"), "old");
    write(&world.dest().join("d/f"), "old");
    write(&world.dest().join("d/kept"), "old");
    std::fs::set_permissions(world.dest().join("d/f"), PermissionsExt::from_mode(0o444)).unwrap();
    std::fs::set_permissions(world.dest().join("d"), PermissionsExt::from_mode(0o700)).unwrap();
    symlink("kept", world.dest().join("l")).unwrap();
    let archive = tar(&[dir("d"), file("d/f", "new"), file("new/f", "new"), link("l", "d/f")]);
    world.pull(&with(Existing::Merge), &[(TAR, &archive)]).unwrap();
    let want = ["d/", "d/f=new", "d/kept=old", "kept=old", "l -> d/f", "new/", "new/f=new"];
    assert_eq!(tree(&world.dest()), want);
    assert_eq!(mode(&world.dest().join("d")), 0o700);
    world.check();
    // A conflict of types is found before anything is moved.
    for entries in [
        &[file("a-first", "x"), file("d", "x")][..],
        &[file("a-first", "x"), file("kept/x", "x")],
        &[file("a-first", "x"), file("l", "x")],
        &[file("a-first", "x"), file("l/x", "x")],
    ] {
        let error = world.pull(&with(Existing::Merge), &[(TAR, &tar(entries))]).unwrap_err();
        assert_eq!(error.kind(), Kind::Exists, "{error}");
        assert_eq!(tree(&world.dest()), want);
        world.check();
    }
    // What is there may hold links to anywhere; they are not followed.
    symlink(world.root.path().join("outside"), world.dest().join("out")).unwrap();
    let error = world.pull(&with(Existing::Merge), &[(TAR, &tar(&[file("out/file", "x")]))]).unwrap_err();
    assert_eq!(error.kind(), Kind::Exists);
    world.check();
}

#[test]
fn t_82_replace_swaps_the_whole_directory() {
    let world = World::new();
    write(&world.dest().join("old/f"), "old");
    let before = destination_identity(&world.dest()).unwrap();
    // A pull that fails leaves the old one.
    let error = world.pull(&with(Existing::Replace), &[(TAR, &tar(&[file("../x", "")]))]);
    assert_eq!(kind(&error), Some(Kind::Unsafe));
    assert_eq!(destination_identity(&world.dest()), Some(before));
    // Where directories are read-only, the old tree goes all the same.
    std::fs::set_permissions(world.dest().join("old"), PermissionsExt::from_mode(0o500)).unwrap();
    let warnings = world.pull(&with(Existing::Replace), &[(TAR, &tar(&[file("new", "x")]))]).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(tree(&world.dest()), ["new=x"]);
    assert_ne!(destination_identity(&world.dest()), Some(before));
    world.check();
}

#[test]
fn t_82_a_file_system_that_can_not_exchange_directories_keeps_the_old_tree() {
    for (errno, kind) in [("EINVAL", "Unsupported"), ("ENOSYS", "Unsupported"), ("EIO", "Io")] {
        let world = World::new();
        write(&world.dest().join("old"), "as it was");
        let pulled = pulled_with_fault(&world.dest(), "replace", "renameat2", errno);
        let Some((said, injected)) = pulled else { return };
        assert_eq!(injected, 1, "{said}");
        let failed = said.lines().find_map(|line| line.strip_prefix("failed ")).expect(&said);
        assert!(failed.starts_with(kind), "{errno}: {failed}");
        assert_eq!(
            failed.contains("which existing=replace needs"),
            kind == "Unsupported",
            "{errno}: {failed}"
        );
        assert_eq!(tree(&world.dest()), ["old=as it was"]);
        world.check();
    }
    // A call that no pull makes.
    let world = World::new();
    write(&world.dest().join("old"), "as it was");
    let Some((said, _)) = pulled_with_fault(&world.dest(), "replace", "sync", "EIO") else { return };
    assert!(said.lines().any(|line| line == "pulled"), "{said}");
    assert_eq!(tree(&world.dest()).len(), 3);
    world.check();
}

#[test]
fn replace_never_touches_the_root_the_home_or_the_working_directory() {
    let world = World::new();
    write(&world.dest().join("f"), "old");
    let options = UnpackOptions { home: Some(world.dest()), ..with(Existing::Replace) };
    let error = Staging::prepare(&world.dest(), &options).err().unwrap();
    assert!(error.kind() == Kind::Argument && error.message().contains("home"), "{error}");
    let here = std::env::current_dir().unwrap();
    for directory in [&here, here.parent().unwrap()] {
        let error = Staging::prepare(directory, &with(Existing::Replace)).err().unwrap();
        assert!(error.kind() == Kind::Argument && error.message().contains("never replaced"), "{error}");
    }
    let error = Staging::prepare(Path::new("/"), &with(Existing::Replace)).err().unwrap();
    assert!(error.kind() == Kind::Argument && error.message().contains("root"), "{error}");
    let error = Staging::prepare(Path::new("/proc"), &with(Existing::Replace)).err().unwrap();
    assert!(error.kind() == Kind::Argument && error.message().contains("mount point"), "{error}");
    world.check();
}

#[test]
fn t_81_a_destination_that_is_a_link() {
    let world = World::new();
    let real = world.root.path().join("dest/real");
    std::fs::create_dir_all(&real).unwrap();
    let named = world.dest().join("link");
    symlink("real", &named).unwrap();
    let error = Staging::prepare(&named, &options()).err().unwrap();
    assert!(error.kind() == Kind::Unsafe && error.message().contains("follow_destination"), "{error}");
    let options = UnpackOptions { follow_destination: true, ..options() };
    let operation = Operation::new();
    let archive = tar(&[file("f", "x")]);
    let mut staging = Staging::prepare(&named, &options).unwrap();
    staging.unpack(&Descriptor::of(TAR, &archive), &mut &archive[..], &operation).unwrap();
    staging.publish(&operation).unwrap();
    assert_eq!(tree(&world.dest()), ["link -> real", "real/", "real/f=x"]);
    // A parent that is swapped meanwhile changes nothing: it was opened once.
    let parent = world.root.path().join("dest/parent");
    let mut staging = Staging::prepare(&parent.join("d"), &options).unwrap();
    staging.unpack(&Descriptor::of(TAR, &archive), &mut &archive[..], &operation).unwrap();
    std::fs::rename(&parent, world.dest().join("moved")).unwrap();
    symlink(world.root.path().join("outside"), &parent).unwrap();
    staging.publish(&operation).unwrap();
    assert_eq!(std::fs::read(world.dest().join("moved/d/f")).unwrap(), b"x");
    world.check();
}

#[test]
fn a_cancel_that_comes_just_before_the_rename_publishes_nothing() {
    let archive = tar(&[file("f", "new")]);
    for (existing, old) in [(Existing::Refuse, &[][..]), (Existing::Replace, &["f=old"])] {
        for cancelled in [true, false] {
            let world = World::new();
            if !old.is_empty() {
                write(&world.dest().join("f"), "old");
            }
            let operation = Operation::new();
            let mut staging = Staging::prepare(&world.dest(), &with(existing)).unwrap();
            staging.unpack(&Descriptor::of(TAR, &archive), &mut &archive[..], &operation).unwrap();
            // What is noted is all but published.
            let mut note = |_, _| {
                if cancelled {
                    operation.cancel();
                }
            };
            let result = staging.publish_noting(Some(&mut note), &operation);
            if cancelled {
                assert_eq!(kind(&result), Some(Kind::Cancelled), "{existing:?}");
                assert_eq!(world.dest().exists(), !old.is_empty());
                assert!(old.is_empty() || tree(&world.dest()) == old);
            } else {
                result.unwrap();
                assert_eq!(tree(&world.dest()), ["f=new"]);
            }
            world.check();
        }
    }
}

#[test]
fn f_18_two_pulls_to_one_destination() {
    let world = World::new();
    let first = Staging::prepare(&world.dest(), &options()).unwrap();
    let error = Staging::prepare(&world.dest(), &options()).err().unwrap();
    assert!(error.kind() == Kind::Busy && error.retryable(), "{error}");
    let other = Staging::prepare(&world.dest().with_file_name("dest2"), &options()).unwrap();
    drop((first, other));
    drop(Staging::prepare(&world.dest(), &options()).unwrap());
    world.check();
    // What comes to the destination meanwhile is not lost.
    let staging = Staging::prepare(&world.dest(), &options()).unwrap();
    write(&world.dest().join("f"), "somebody else's");
    let error = staging.publish(&Operation::new()).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy, "{error}");
    assert_eq!(tree(&world.dest()), ["f=somebody else's"]);
    world.check();
}

#[test]
fn f_18_many_at_once_end_with_one_whole_tree() {
    let world = World::new();
    let archives: Vec<_> = (0..8)
        .map(|n| tar(&(0..50).map(|f| file(format!("d/f{f}"), format!("{n}"))).collect::<Vec<_>>()))
        .collect();
    let results: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = archives
            .iter()
            .map(|archive| scope.spawn(|| world.pull(&with(Existing::Replace), &[(TAR, archive)]).map(drop)))
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(results.iter().any(Result::is_ok));
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        assert_eq!(error.kind(), Kind::Busy, "{error}");
    }
    let lines = tree(&world.dest());
    assert_eq!(lines.len(), 51);
    let owner = lines[1].split('=').nth(1).unwrap();
    assert!(lines[1..].iter().all(|line| line.ends_with(&format!("={owner}"))), "{lines:?}");
    world.check();
}

#[test]
fn a_working_directory_is_filled_from_inside() {
    // The test's own working directory is in use: a child has another.
    let world = World::new();
    std::fs::create_dir(world.dest()).unwrap();
    let before = std::fs::metadata(world.dest()).unwrap().ino();
    child("fill", &world.dest(), &world.dest());
    assert_eq!(std::fs::metadata(world.dest()).unwrap().ino(), before);
    assert_eq!(tree(&world.dest()), ["d/", "d/f=x", "top=y"]);
    world.check();
}

/// Runs one of the programs below in a process of its own, with `directory` as its working directory.
fn child(program: &str, destination: &Path, directory: &Path) {
    let status = command(program, destination).current_dir(directory).status().unwrap();
    assert!(status.success(), "{program}");
}

fn command(program: &str, destination: &Path) -> std::process::Command {
    let mut command = child::command(module_path!(), "program");
    command.env("CLDOCI_TEST_PROGRAM", program).env("CLDOCI_TEST_DESTINATION", destination);
    command.stdout(std::process::Stdio::null());
    command
}

#[test]
#[ignore = "a program that other tests start"]
fn program() {
    let destination = std::path::PathBuf::from(std::env::var_os("CLDOCI_TEST_DESTINATION").unwrap());
    let operation = Operation::new();
    let pull = |existing, archive: &[u8]| {
        let mut staging = Staging::prepare(&destination, &with(existing)).unwrap();
        staging.unpack(&Descriptor::of(TAR, archive), &mut &archive[..], &operation).unwrap();
        staging.publish(&operation).unwrap();
    };
    match std::env::var("CLDOCI_TEST_PROGRAM").unwrap().as_str() {
        "fill" => pull(Existing::Refuse, &tar(&[file("d/f", "x"), file("top", "y")])),
        "merge" => pull(Existing::Merge, &generation("new")),
        "replace" => pull(Existing::Replace, &generation("new")),
        other => panic!("{other}"),
    }
}

/// A tree whose every file says which generation it is of.
fn generation(name: &str) -> Vec<u8> {
    tar(&(0..300).map(|n| file(format!("d{}/f{n}", n % 7), name)).collect::<Vec<_>>())
}

/// SIGKILL at moments from its start to beyond its end: each file is old or new (`merge`), or the tree is (`replace`), and the
/// same call heals, with nothing left behind.
fn killed(program: &str, existing: Existing, whole: bool) {
    let world = World::new();
    world.pull(&options(), &[(TAR, &generation("old"))]).unwrap();
    let begun = std::time::Instant::now();
    child(program, &world.dest(), world.root.path());
    let whole_run = begun.elapsed();
    let mut cut_short = 0;
    for moment in 0..40 {
        let world = World::new();
        world.pull(&options(), &[(TAR, &generation("old"))]).unwrap();
        let mut child = command(program, &world.dest()).current_dir(world.root.path()).spawn().unwrap();
        std::thread::sleep(whole_run * moment / 36);
        child.kill().unwrap();
        cut_short += usize::from(!child.wait().unwrap().success());
        let lines = tree(&world.dest());
        assert_eq!(lines.len(), 307);
        let files: Vec<_> = lines.iter().filter(|line| !line.ends_with('/')).collect();
        let old = files.iter().filter(|line| line.ends_with("=old")).count();
        let new = files.iter().filter(|line| line.ends_with("=new")).count();
        assert_eq!(old + new, 300);
        assert!(!whole || old == 0 || new == 0, "{old} old, {new} new");
        world.pull(&with(existing), &[(TAR, &generation("new"))]).unwrap();
        assert!(tree(&world.dest()).iter().all(|line| line.ends_with('/') || line.ends_with("=new")));
        world.check();
    }
    assert!(cut_short > 0, "no run was cut short");
}

#[test]
fn f_15_a_kill_during_merge_leaves_each_file_old_or_new() {
    killed("merge", Existing::Merge, false);
}

#[test]
fn f_15_a_kill_during_replace_leaves_one_of_the_two_trees() {
    killed("replace", Existing::Replace, true);
}

/// The name of the destination's staging directory, and how one is made.
fn container_of(world: &World) -> (String, std::fs::Permissions) {
    let staging = Staging::prepare(&world.dest(), &options()).unwrap();
    let found = std::fs::read_dir(world.root.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .find(|entry| entry.file_name().as_encoded_bytes().starts_with(b".dest.cldoci-"))
        .unwrap();
    let permissions = found.metadata().unwrap().permissions();
    drop(staging);
    (found.file_name().into_string().unwrap(), permissions)
}

#[test]
fn what_a_killed_pull_moved_inside_is_taken_back() {
    // What the journal of an unfinished publish says is done by hand here: a container with a journal, one
    // entry moved, one not, and one that is another's by now.
    let world = World::new();
    let dest = world.dest();
    let (name, permissions) = container_of(&world);
    let container = dest.join(&name);
    let left_over = |container: &Path| {
        write(&container.join("tree/b"), "new");
        std::fs::set_permissions(container, permissions.clone()).unwrap();
    };
    left_over(&container);
    write(&dest.join("a/f"), "new");
    let inode = |path: &Path| std::fs::metadata(path).unwrap().ino();
    let journal = |foreign: u64| {
        format!("{} a\0{} b\0{foreign} c\0", inode(&dest.join("a")), inode(&container.join("tree/b")))
    };
    std::fs::write(container.join("moving"), journal(0)).unwrap();
    world.pull(&options(), &[(TAR, &tar(&[file("whole", "x")]))]).unwrap();
    assert_eq!(tree(&dest), ["whole=x"]);
    world.check();
    // The same where the container lies beside it.
    std::fs::remove_dir_all(&dest).unwrap();
    let beside = world.root.path().join(&name);
    left_over(&beside);
    write(&dest.join("a/f"), "new");
    std::fs::write(beside.join("moving"), format!("{} a\0", inode(&dest.join("a")))).unwrap();
    world.pull(&options(), &[(TAR, &tar(&[file("whole", "x")]))]).unwrap();
    assert_eq!(tree(&dest), ["whole=x"]);
    world.check();
    // Another's file stays, and is why the destination is not empty.
    std::fs::remove_dir_all(&dest).unwrap();
    left_over(&container);
    write(&dest.join("a/f"), "new");
    write(&dest.join("c"), "somebody else's");
    std::fs::write(container.join("moving"), journal(inode(&dest.join("c")) + 1)).unwrap();
    let error = world.pull(&options(), &[(TAR, &tar(&[file("whole", "x")]))]).unwrap_err();
    assert_eq!(error.kind(), Kind::Exists);
    assert_eq!(tree(&dest), ["c=somebody else's"]);
    world.check();
}

/// The name of a staging directory is known, and so an archive can bring one with a journal: it must not come to
/// mean anything, in the destination or in a directory of it that is a destination later.
#[test]
fn an_archive_can_not_bring_a_staging_directory() {
    let world = World::new();
    let (name, _) = container_of(&world);
    let inode = |path: &Path| std::fs::metadata(path).unwrap().ino();
    let outside = world.root.path().join("outside");
    let journal = format!(
        "{0} ../outside/file\0{0} {1}\0{2} ..\0{2} .\0{3} ../outside/dir\0",
        inode(&outside.join("file")),
        outside.join("file").display(),
        inode(world.root.path()),
        inode(&outside.join("dir")),
    );
    for flag in [b'5', b'0'] {
        let with_journal = |name: &str| match flag {
            b'5' => vec![
                Entry { mode: 0o1700, ..Entry::new(name, flag) }.bytes(),
                file(format!("{name}/moving"), &journal),
                file(format!("{name}/tree/x"), "x"),
            ],
            _ => vec![file(name, "x")],
        };
        both_ways(|options| {
            let pull = |existing, entries: &[Vec<u8>]| {
                world.pull(&UnpackOptions { existing, ..options.clone() }, &[(TAR, &tar(entries))])
            };
            pull(Existing::Refuse, &with_journal(&name)).unwrap();
            let there = tree(&world.dest());
            assert_eq!(kind(&pull(Existing::Refuse, &[file("f", "x")])), Some(Kind::Exists));
            pull(Existing::Merge, &[file("f", "x")]).unwrap();
            assert_eq!(tree(&world.dest()), [there, vec!["f=x".to_owned()]].concat());
            Staging::remove_left_overs(&world.dest(), false).unwrap();
            pull(Existing::Replace, &[dir("dest"), file("dest/f", "x")]).unwrap();
            assert_eq!(tree(&world.dest()), ["dest/", "dest/f=x"]);
            // A directory of the destination is one itself, and what lies beside it came from an archive.
            pull(Existing::Merge, &with_journal(&name)).unwrap();
            let before = tree(&world.dest());
            let inner = world.dest().join("dest");
            for existing in [Existing::Merge, Existing::Replace] {
                let options = UnpackOptions { existing, ..options.clone() };
                let error = Staging::prepare(&inner, &options).err().unwrap();
                assert_eq!(error.kind(), if flag == b'5' { Kind::Unsafe } else { Kind::Io }, "{error:?}");
                assert!(error.message().contains("staging directory") && error.message().contains(&name));
            }
            assert_eq!(kind(&Staging::prepare(&inner, &options)), Some(Kind::Exists));
            Staging::remove_left_overs(&inner, false).unwrap();
            assert_eq!(tree(&world.dest()), before);
            std::fs::remove_dir_all(world.dest()).unwrap();
        });
    }
    world.check();
}

#[test]
fn durable_publishes_the_same() {
    for existing in [Existing::Refuse, Existing::Merge, Existing::Replace] {
        let world = World::new();
        if existing != Existing::Refuse {
            write(&world.dest().join("f"), "old");
        }
        let options = UnpackOptions { durable: true, ..with(existing) };
        world.pull(&options, &[(TAR, &tar(&[file("f", "x")]))]).unwrap();
        assert_eq!(tree(&world.dest()), ["f=x"]);
        world.check();
    }
}

#[test]
fn a_fingerprint_sees_every_touch() {
    let world = World::new();
    let archive = tar(&[file("d/a", "1"), file("b", "2"), link("l", "b"), dir("e")]);
    world.pull(&options(), &[(TAR, &archive)]).unwrap();
    let dest = world.dest();
    let print = || fingerprint(&dest, None, 2, &Operation::new()).unwrap();
    let mut seen = vec![print()];
    assert_eq!(seen[0], print());
    let old = std::fs::metadata(dest.join("b")).unwrap().modified().unwrap();
    let changes: &[&dyn Fn()] = &[
        &|| std::fs::write(dest.join("b"), "3").unwrap(),
        // The same size and time again: the ctime tells.
        &|| std::fs::File::options().write(true).open(dest.join("b")).unwrap().set_modified(old).unwrap(),
        &|| std::fs::set_permissions(dest.join("d/a"), PermissionsExt::from_mode(0o600)).unwrap(),
        &|| std::fs::rename(dest.join("d/a"), dest.join("d/c")).unwrap(),
        &|| std::fs::remove_dir(dest.join("e")).unwrap(),
        &|| std::fs::write(dest.join("new"), "").unwrap(),
        &|| std::fs::rename(dest.join("d/c"), dest.join("c")).unwrap(),
        &|| {
            std::fs::remove_file(dest.join("l")).unwrap();
            symlink("c", dest.join("l")).unwrap();
        },
        // Two directories change places, what is in them goes along.
        &|| {
            std::fs::create_dir(dest.join("f")).unwrap();
            std::fs::write(dest.join("f/x"), "5").unwrap();
            std::fs::write(dest.join("d/x"), "6").unwrap();
        },
        &|| {
            for (from, to) in [("d", "other"), ("f", "d"), ("other", "f")] {
                std::fs::rename(dest.join(from), dest.join(to)).unwrap();
            }
        },
    ];
    for change in changes {
        change();
        let now = print();
        assert!(!seen.contains(&now));
        seen.push(now);
    }
    for n in 0..60 {
        std::fs::create_dir_all(dest.join(format!("many/{}/{n}", n % 7))).unwrap();
        std::fs::write(dest.join(format!("many/{}/{n}/file", n % 7)), "4").unwrap();
    }
    let by = |threads| fingerprint(&dest, None, threads, &Operation::new()).unwrap();
    let before = by(1);
    assert!(!seen.contains(&before) && (0..20).all(|_| by(4) == before), "any number of threads");
    std::fs::rename(dest.join("many/3/3/file"), dest.join("many/3/10/other")).unwrap();
    assert_ne!(by(4), before);
    let operation = Operation::new();
    operation.cancel();
    assert_eq!(kind(&fingerprint(&dest, None, 2, &operation)), Some(Kind::Cancelled));
    assert_eq!(kind(&fingerprint(&dest, None, 4, &operation)), Some(Kind::Cancelled));
    assert_eq!(kind(&fingerprint(&dest.join("absent"), None, 2, &Operation::new())), Some(Kind::Io));
    symlink("dest", world.root.path().join("link")).unwrap();
    assert_eq!(
        kind(&fingerprint(&world.root.path().join("link"), None, 2, &Operation::new())),
        Some(Kind::Unsafe)
    );
    assert_eq!(destination_identity(&world.root.path().join("link")), None);
}

#[test]
fn replace_never_takes_what_holds_the_home_or_the_store() {
    let archive = tar(&[file("f", "new")]);
    let world = World::new();
    let dest = world.dest();
    let replace = |home: Option<PathBuf>, keep: &[PathBuf]| {
        std::fs::create_dir_all(dest.join("inner/most")).unwrap();
        let options = UnpackOptions { home, keep: keep.to_vec(), ..with(Existing::Replace) };
        let result = world.pull(&options, &[(TAR, &archive)]);
        assert_eq!(result.is_err(), dest.join("inner/most").exists());
        result.map_err(|error| {
            assert_eq!(error.kind(), Kind::Argument, "{error}");
            error.message().to_owned()
        })
    };
    for home in [dest.clone(), dest.join("inner"), dest.join("inner/most")] {
        std::fs::create_dir_all(&home).unwrap();
        assert!(replace(Some(home), &[]).unwrap_err().contains("the home directory or above it"));
    }
    for kept in [dest.clone(), dest.join("inner"), world.root.path().to_owned()] {
        std::fs::create_dir_all(&kept).unwrap();
        let beside = world.root.path().join("outside");
        assert!(replace(None, &[beside, kept]).unwrap_err().contains("the store or the layout"));
    }
    let outside = world.root.path().join("outside");
    replace(Some(outside.clone()), &[outside.join("dir"), world.root.path().join("absent")]).unwrap();
    assert_eq!(tree(&dest), ["f=new"]);
    world.check();
}

#[test]
fn a_merge_of_more_than_is_in_memory_at_once_moves_all_of_it() {
    let names = |n: usize| (format!("d/{n}/{}", "x".repeat(80)), format!("d/{n}/sub/{n}"));
    let old: Vec<_> =
        (0..200).flat_map(|n| [file(names(n).0, "old"), file(format!("d/{n}/kept"), "")]).collect();
    let new: Vec<_> = (0..400).flat_map(|n| [file(names(n).0, "new"), file(names(n).1, "new")]).collect();
    let world = World::new();
    world.pull(&options(), &[(TAR, &tar(&old))]).unwrap();
    world.pull(&with(Existing::Merge), &[(TAR, &tar(&new))]).unwrap();
    for n in 0..400 {
        let read = |name: String| std::fs::read_to_string(world.dest().join(name)).ok();
        let found = (read(names(n).0), read(names(n).1), read(format!("d/{n}/kept")));
        assert_eq!(found, (Some("new".into()), Some("new".into()), (n < 200).then(String::new)), "{n}");
    }
    assert_eq!(std::fs::read_dir(world.dest().join("d")).unwrap().count(), 400);
    world.check();
}
