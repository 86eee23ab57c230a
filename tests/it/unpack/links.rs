//! Symbolic and hard links (T-10…T-16, T-18…T-24).

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use cldoci::archive::{Confinement, Staging, UnpackOptions};
use cldoci::oci::Descriptor;
use cldoci::options::Existing;
use cldoci::{Kind, Operation};
use rustix::io::Errno;

use crate::harness::archive::*;
use crate::harness::child;

#[test]
fn t_10_symlink_then_write_through() {
    for target in ["/tmp/outside", "../outside", "a/../../outside"] {
        refused(&tar(&[link("d", target), file("d/pwn", "x")]), Kind::Unsafe, "leaves the destination");
    }
    // A link that stays inside is made, and never written through.
    refused(&tar(&[dir("e"), link("d", "e"), file("d/f", "x")]), Kind::Unsafe, "type conflict");
    accepted(&tar(&[dir("e"), link("d", "e"), file("e/f", "x")]), &["d -> e", "e/", "e/f=x"]);
    // Where unsafe links are left out, what was to go through one goes into a directory of that name.
    let options = UnpackOptions { skip_special: true, ..options() };
    let world = World::new();
    let outside = world.root.path().join("outside");
    let archive = tar(&[link("d", outside.as_os_str().as_encoded_bytes()), file("d/pwn", "x")]);
    let warnings = world.pull(&options, &[(TAR, &archive)]).unwrap();
    assert!(warnings[0].contains("'d' was left out: it links to '/"), "{warnings:?}");
    assert_eq!(tree(&world.dest()), ["d/", "d/pwn=x"]);
    world.check();
}

#[test]
fn t_11_no_directory_appears_outside() {
    refused(&tar(&[link("s", ".."), file("s/exploit/foo/bar", "x")]), Kind::Unsafe, "leaves");
    refused(&tar(&[dir("a"), link("a/s", ".."), file("a/s/exploit/foo", "x")]), Kind::Unsafe, "conflict");
    accepted(&tar(&[dir("a"), link("a/s", "..")]), &["a/", "a/s -> .."]);
}

#[test]
fn t_12_symlink_then_directory_changes_no_mode() {
    let open = |name: &str| Entry { mode: 0o777, ..Entry::new(name, b'5') }.bytes();
    for name in ["d", "d/"] {
        refused(&tar(&[link("d", "../outside"), open(name)]), Kind::Unsafe, "leaves");
        refused(&tar(&[dir("e"), link("d", "e"), open(name)]), Kind::Unsafe, "type conflict");
        accepted(&tar(&[dir("d"), open(name)]), &["d/"]);
    }
}

#[test]
fn t_13_a_directory_that_was_used_never_becomes_a_link() {
    for last_wins in [false, true] {
        both_ways(|options| {
            let options = UnpackOptions { last_wins, ..options };
            for entries in [
                &[dir("d"), file("d/a", "1"), link("d", "../outside"), file("d/b", "2")][..],
                &[dir("d"), file("d/a", "1"), link("d", "e"), file("d/b", "2")],
                &[dir("d"), link("d", "e"), file("d/b", "2")],
                &[dir("d"), link("d", "../outside"), file("d/b", "2")],
            ] {
                refused_with(&options, &tar(entries), Kind::Unsafe, "entry 'd'");
            }
            let entries = [dir("d"), file("d/a", "1"), link("e", "d"), file("d/b", "2")];
            accepted_with(&options, &tar(&entries), &["d/", "d/a=1", "d/b=2", "e -> d"]);
        });
    }
}

#[test]
fn t_14_no_symlink_replaces_the_root() {
    for target in ["outside", "../outside", "/tmp/outside"] {
        for name in [".", "./.", "./"] {
            refused(&tar(&[link(name, target), file("x", "1")]), Kind::Unsafe, "root");
        }
        refused(&tar(&[link("/.", target), file("x", "1")]), Kind::Unsafe, "absolute");
        let strip = UnpackOptions { strip_leading_slash: true, ..options() };
        refused_with(&strip, &tar(&[link("/.", target), file("x", "1")]), Kind::Unsafe, "root");
    }
    accepted(&tar(&[dir("."), link("./l", "x"), file("x", "1")]), &["l -> x", "x=1"]);
}

#[test]
fn t_15_a_chain_of_links_each_lexically_inside() {
    let chain = [dir("a/b"), link("a/b/up", "../.."), link("a/l", "b/up/..")];
    let with = |more: &[Vec<u8>]| tar(&[&chain[..], more].concat());
    refused(&with(&[file("a/l/x", "1")]), Kind::Unsafe, "type conflict");
    // Nothing is written through it: what it resolves to is found out at the end.
    refused(&with(&[]), Kind::Unsafe, "leaves the destination through other links");
    // A later entry can turn a link that was good into one that leaves.
    let late = [dir("x/y"), link("l", "x/y/../.."), link("z", "x/y/s/../.."), link("x/y/s", "../..")];
    refused(&tar(&late), Kind::Unsafe, "through other links");
    accepted(&tar(&late[..2]), &["l -> x/y/../..", "x/", "x/y/"]);
    both_ways(|options| {
        let options = UnpackOptions { skip_special: true, ..options };
        accepted_with(&options, &with(&[]), &["a/", "a/b/", "a/b/up -> ../.."]);
    });
}

#[test]
fn t_15_no_merge_turns_a_link_outwards() {
    let merge = |options| UnpackOptions { existing: Existing::Merge, ..options };
    // Each is inside at first; a merged "a/s -> .." would have turned both to "../x".
    let turned = [&[link("t", "a/s/../x")][..], &[dir("d"), link("a/s", "../d"), link("t", "a/s/../x")]];
    for entries in turned {
        refused(&tar(entries), Kind::Unsafe, "entry 't' is a symbolic link that goes up behind another");
        both_ways(|options| {
            let world = World::new();
            world.pull(&options, &[(TAR, &tar(&[file("kept", "1")]))]).unwrap();
            let error = world.pull(&merge(options.clone()), &[(TAR, &tar(entries))]).unwrap_err();
            assert_eq!(error.kind(), Kind::Unsafe);
            let skip = UnpackOptions { skip_special: true, ..merge(options) };
            let warnings = world.pull(&skip, &[(TAR, &tar(entries))]).unwrap();
            assert!(
                warnings[0].contains("'t' was left out: it is a symbolic link that goes up"),
                "{warnings:?}"
            );
            world.check();
        });
    }
    // A directory stays one: what goes up from it, or only at its beginning, is as good after a merge.
    both_ways(|options| {
        let world = World::new();
        let good = tar(&[dir("a/b"), link("a/t", "b/../../x"), link("a/u", "../a/s")]);
        world.pull(&options, &[(TAR, &good)]).unwrap();
        let error = world.pull(&merge(options.clone()), &[(TAR, &tar(&[link("a/b", "../..")]))]).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsafe);
        world.pull(&merge(options), &[(TAR, &tar(&[dir("a"), link("a/s", ".."), file("x", "1")]))]).unwrap();
        assert_eq!(std::fs::read_to_string(world.dest().join("a/t")).unwrap(), "1");
        let into = std::fs::canonicalize(world.dest().join("a/u")).unwrap();
        assert_eq!(into, world.dest().canonicalize().unwrap());
        world.check();
    });
}

#[test]
fn t_15_so_many_links_that_the_tree_is_searched_for_them() {
    let mut entries: Vec<_> = (0..6000).map(|n| link(format!("d/{n:060}"), "x")).collect();
    let world = World::new();
    world.pull(&options(), &[(TAR, &tar(&entries))]).unwrap();
    assert_eq!(std::fs::read_dir(world.dest().join("d")).unwrap().count(), 6000);
    entries.extend([dir("a/b"), link("a/b/up", "../.."), link("a/l", "b/up/..")]);
    refused(&tar(&entries), Kind::Unsafe, "entry 'a/l'");
}

#[test]
fn t_16_links_beyond_the_longest_path() {
    // 16 directories of 247 bytes, a link of one letter to each at its level: a path of letters is short, what
    // it resolves to is longer than a system call takes, and programs that give up there see the last link,
    // which leads up, as a directory.
    let named = |name: &str, entry: Vec<u8>| [pax(b'x', &[("path", name.as_bytes())]), entry].concat();
    let to = |name: &str, target: &str| {
        let records = [("path", name.as_bytes()), ("linkpath", target.as_bytes())];
        [pax(b'x', &records), link("l", "x")].concat()
    };
    let long = "d".repeat(247);
    let (mut inside, mut deep, mut short) = (Vec::new(), String::new(), String::new());
    for letter in 'a'..='p' {
        inside.push(named(&format!("{deep}{long}"), dir("d")));
        inside.push(to(&format!("{deep}{letter}"), &long));
        deep = format!("{deep}{long}/");
        short = format!("{short}{letter}/");
    }
    let last = "l".repeat(254);
    let back = "../".repeat(16);
    let leads_up = to(&format!("{deep}{last}"), &back);
    let with = |more: &[Vec<u8>]| tar(&[&inside[..], more].concat());
    both_ways(|options| {
        let options = UnpackOptions { max_path_bytes: 1 << 16, max_link_bytes: 1 << 16, ..options };
        let refused = |more: &[Vec<u8>], words: &str| {
            refused_with(&options, &with(more), Kind::Unsafe, words);
        };
        // The link beyond the longest path, by its long name and through the short one, and then through it.
        refused(&[to(&format!("{short}{last}"), &back)], "type conflict");
        for end in ["..", "../outside", "../outside/file"] {
            let escape = to("escape", &format!("{short}{last}/{end}"));
            refused(&[leads_up.clone(), escape.clone()], "entry 'escape' is a symbolic link");
            refused(&[leads_up.clone(), escape, file("escape/file", "new")], "type conflict");
        }
        // The same up by the text itself: one step too many, and as many as the text has down.
        let up = |steps: usize| to("escape", &format!("{short}{}", "../".repeat(steps)));
        refused(&[up(17), file("escape/file", "new")], "leaves the destination");
        refused(&[up(16), file("escape/file", "new")], "type conflict");
        refused(&[up(16)], "goes up behind another");
        // What only leads down, and up to the root from real directories, is made and removed again.
        let world = World::new();
        world.pull(&options, &[(TAR, &with(&[leads_up.clone(), to("down", &short)]))]).unwrap();
        assert_eq!(std::fs::read_link(world.dest().join("down")).unwrap().as_os_str(), &*short);
        assert_eq!(
            std::fs::metadata(world.dest().join("down").join(&last)).unwrap().ino(),
            std::fs::metadata(world.dest()).unwrap().ino()
        );
        let replace = UnpackOptions { existing: Existing::Replace, ..options.clone() };
        world.pull(&replace, &[(TAR, &tar(&[file("x", "")]))]).unwrap();
        world.check();
    });
}

/// While anything on the machine is renamed, the kernel can't vouch for a `..` and says EAGAIN (openat2(2)).
#[test]
fn links_that_go_up_are_proved_beside_renames() {
    let elsewhere = tempfile::tempdir().unwrap();
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (one, other) = (elsewhere.path().join("one"), elsewhere.path().join("other"));
            std::fs::write(&one, "").unwrap();
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                std::fs::rename(&one, &other).unwrap();
                std::fs::rename(&other, &one).unwrap();
            }
        });
        let mut entries = vec![file("a", "x")];
        entries.extend((0..2000).map(|n| link(format!("d/e/{n}"), "../../a")));
        let world = World::new();
        let result = world.pull(&options(), &[(TAR, &tar(&entries))]);
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        result.unwrap();
        assert_eq!(std::fs::read(world.dest().join("d/e/1999")).unwrap(), b"x");
    });
}

#[test]
fn t_18_a_loop_of_links() {
    let links = [link("a", "b"), link("b", "a")];
    refused(&tar(&[&links[..], &[file("a/x", "1")]].concat()), Kind::Unsafe, "entry 'a/x'");
    refused(&tar(&links), Kind::Unsafe, "loop");
    accepted(&tar(&[link("a", "b"), link("b", "nothing")]), &["a -> b", "b -> nothing"]);
}

#[test]
fn t_19_targets_of_links() {
    refused(&tar(&[link("l", "")]), Kind::Unsafe, "target is empty or has a NUL byte");
    refused(&tar(&[link("l", b"a\0b")]), Kind::Unsafe, "after its NUL");
    let nul = tar(&[pax(b'x', &[("linkpath", b"a\0b")]), link("l", "")]);
    refused(&nul, Kind::Unsafe, "target is empty or has a NUL byte");
    refused(&tar(&[pax(b'x', &[("linkpath", b"")]), link("l", "x")]), Kind::Unsafe, "empty");
    both_ways(|options| {
        let target = |length| "t/".repeat(length).into_bytes();
        for (limit, fits) in [(4095, true), (4096, false)] {
            let target = &[target(2047), vec![b't'; limit - 4094]].concat()[..];
            let archive = tar(&[pax(b'x', &[("linkpath", target)]), link("l", "x")]);
            let world = World::new();
            let result = world.pull(&options, &[(TAR, &archive)]);
            assert_eq!(kind(&result), (!fits).then_some(Kind::Limit), "{limit}: {result:?}");
            world.check();
        }
    });
    let long = "t".repeat(5000);
    refused(&tar(&[long_link(&long), link("l", "x")]), Kind::Limit, "max_link_bytes 4095");
    let huge = "t".repeat(1 << 20);
    refused(&tar(&[long_link(&huge), link("l", "x")]), Kind::Limit, "over 1048576");
    let fits = "t/".repeat(1000);
    accepted(&tar(&[long_link(&fits), link("l", "x")]), &[&format!("l -> {fits}")]);
}

fn long_link(target: &str) -> Vec<u8> {
    long(b'K', target)
}

#[test]
fn t_20_a_link_is_never_written_through() {
    refused(&tar(&[link("f", "../outside/file"), file("f", "x")]), Kind::Unsafe, "leaves");
    refused(&tar(&[hardlink("f", "../outside/file"), file("f", "x")]), Kind::Unsafe, "not an earlier file");
    both_ways(|options| {
        // Where the last wins, the link is replaced and its target keeps its content.
        let options = UnpackOptions { last_wins: true, ..options };
        accepted_with(&options, &tar(&[file("t", "1"), link("f", "t"), file("f", "2")]), &["f=2", "t=1"]);
        accepted_with(&options, &tar(&[file("t", "1"), hardlink("f", "t"), file("f", "2")]), &["f=2", "t=1"]);
        let large = "2".repeat(600_000);
        let over_large = tar(&[file("t", "1"), link("f", "t"), file("f", &large)]);
        accepted_with(&options, &over_large, &[&format!("f={large}"), "t=1"]);
        // What leads outside is no link first: it is refused, or left out.
        for bad in [link("f", "../outside/file"), hardlink("f", "../outside/file")] {
            let archive = tar(&[bad, file("f", "x")]);
            refused_with(&options, &archive, Kind::Unsafe, "entry 'f'");
            let skip = UnpackOptions { skip_special: true, ..options.clone() };
            accepted_with(&skip, &archive, &["f=x"]);
        }
    });
}

#[test]
fn t_21_no_hard_link_to_the_working_directory() {
    // The working directory of this test holds that file; the canary watches its link count.
    assert!(std::path::Path::new("Cargo.toml").is_file());
    refused(&tar(&[hardlink("h", "Cargo.toml")]), Kind::Unsafe, "not an earlier file");
}

#[test]
fn t_22_hard_links_to_anything_but_an_earlier_file() {
    for target in ["/etc/passwd", "../outside/file", "d", "l", "h", "later", "", "."] {
        let archive =
            tar(&[dir("d"), file("f", "x"), link("l", "f"), hardlink("h", target), file("later", "y")]);
        refused(&archive, Kind::Unsafe, "not an earlier file");
    }
    both_ways(|options| {
        let world = World::new();
        let archive = tar(&[file("d/f", "x"), hardlink("h", "d/f"), hardlink("e/i", "./d//f")]);
        world.pull(&options, &[(TAR, &archive)]).unwrap();
        assert_eq!(tree(&world.dest()), ["d/", "d/f=x", "e/", "e/i=x", "h=x"]);
        assert_eq!(std::fs::metadata(world.dest().join("h")).unwrap().nlink(), 3);
        world.check();
        let options = UnpackOptions { skip_special: true, ..options };
        accepted_with(&options, &tar(&[hardlink("h", "/etc/passwd"), file("f", "x")]), &["f=x"]);
    });
}

#[test]
fn t_24_no_hard_link_through_a_symbolic_one() {
    for target in ["d/passwd", "./d/../d/passwd", "etc/../d/passwd"] {
        refused(
            &tar(&[file("etc/passwd", "x"), link("d", "etc"), hardlink("h", target)]),
            Kind::Unsafe,
            "not an earlier file",
        );
    }
    accepted(
        &tar(&[file("etc/passwd", "x"), link("d", "etc"), hardlink("h", "etc/passwd")]),
        &["d -> etc", "etc/", "etc/passwd=x", "h=x"],
    );
}

const DESTINATION: &str = "CLDOCI_TEST_DESTINATION";

/// Pulls a file, a hard link and another file in a process of its own in which `call` fails with `errno` whenever it is
/// made: what it said, and how often that was. Nothing without strace.
pub(super) fn pulled_with_fault(
    destination: &Path,
    existing: &str,
    call: &str,
    errno: &str,
) -> Option<(String, usize)> {
    let strace = crate::harness::servers::tool("strace")?;
    let log = tempfile::NamedTempFile::new().unwrap();
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:error={errno}"));
    let output = std::process::Command::new(&strace)
        .args(["-f", "-qq", "-e", &trace, "-e", &inject, "-o"])
        .arg(log.path())
        .args(child::one(module_path!(), "child_that_pulls_a_hard_link"))
        .env(DESTINATION, destination)
        .env("CLDOCI_TEST_EXISTING", existing)
        .output()
        .unwrap();
    let injected = std::fs::read_to_string(log.path()).unwrap().matches("(INJECTED)").count();
    Some((String::from_utf8_lossy(&output.stdout).into_owned(), injected))
}

#[test]
fn t_23_a_hard_link_that_can_not_be_made_is_not_a_copy() {
    for (errno, name) in [(Errno::PERM, "EPERM"), (Errno::MLINK, "EMLINK"), (Errno::XDEV, "EXDEV")] {
        for existing in ["refuse", "replace", "merge"] {
            let world = World::new();
            let destination = world.dest();
            if existing != "refuse" {
                std::fs::create_dir(&destination).unwrap();
                std::fs::write(destination.join("old"), "as it was").unwrap();
            }
            let Some((said, injected)) = pulled_with_fault(&destination, existing, "linkat", name) else {
                return;
            };
            let failed = said.lines().find_map(|line| line.strip_prefix("failed ")).expect(&said);
            let words = std::io::Error::from(errno).to_string();
            let words = words.split(" (os error").next().unwrap();
            assert_eq!(failed, format!("Io {} entry 'h': writing it: {words}", errno.raw_os_error()));
            assert_eq!(injected, 1);
            match existing {
                "refuse" => assert!(!destination.exists()),
                _ => assert_eq!(tree(&destination), ["old=as it was"]),
            }
            world.check();
        }
    }
}

#[test]
#[ignore = "the tests of failing calls run it as a process of its own"]
fn child_that_pulls_a_hard_link() {
    let Some(destination) = std::env::var_os(DESTINATION) else { return };
    let existing = match &*std::env::var("CLDOCI_TEST_EXISTING").unwrap() {
        "replace" => Existing::Replace,
        "merge" => Existing::Merge,
        _ => Existing::Refuse,
    };
    let archive = tar(&[file("f", "x"), hardlink("h", "f"), file("later", "y")]);
    let pull = || {
        let mut staging = Staging::prepare(destination.as_ref(), &UnpackOptions { existing, ..options() })?;
        staging.unpack(&Descriptor::of(TAR, &archive), &mut &archive[..], &Operation::new())?;
        staging.publish(&Operation::new())
    };
    match pull() {
        Ok(()) => println!("\npulled"),
        Err(error) => println!("\nfailed {:?} {} {error}", error.kind(), error.errno().unwrap_or(0)),
    }
}

#[test]
fn t_23_as_many_hard_links_as_the_file_system_allows() {
    // ext4 has 65,000 links to a file, tmpfs any number.
    let mut entries = vec![file("f", "x")];
    entries.extend((0..65_001).map(|n| hardlink(format!("h{n}"), "f")));
    let world = World::on_disk();
    match world.pull(&options(), &[(TAR, &tar(&entries))]) {
        Ok(_) => assert_eq!(std::fs::metadata(world.dest().join("f")).unwrap().nlink(), 65_002),
        Err(error) => {
            assert_eq!((error.kind(), error.errno()), (Kind::Io, Some(31)), "{error}");
            assert!(!world.dest().exists());
        }
    }
    world.check();
}

/// Swaps a directory for a link to the outside and back, as fast as a thread can, while something else happens.
/// Says how often.
fn swapping(directory: &Path, outside: &Path, meanwhile: impl FnOnce()) -> u64 {
    let (away, done) = (directory.with_file_name("away"), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            let mut swaps = 0;
            while !done.load(Ordering::Relaxed) {
                if std::fs::rename(directory, &away).is_ok() {
                    let _ = std::os::unix::fs::symlink(outside, directory);
                    let _ = std::fs::remove_file(directory);
                    let _ = std::fs::rename(&away, directory);
                    swaps += 1;
                }
            }
            swaps
        });
        meanwhile();
        done.store(true, Ordering::Relaxed);
        swapper.join().unwrap()
    })
}

/// In the staging while files go into it, and in the destination while they are merged into it: the pull may
/// fail, and nothing outside changes.
#[test]
fn t_80_a_directory_that_somebody_swaps_meanwhile() {
    let mut entries = vec![dir("d"), dir("d/e")];
    for n in 0..1000 {
        entries.extend([
            file(format!("d/f{n}"), "x"),
            file(format!("d/e/f{n}"), "y"),
            dir(format!("d/g{n}")),
        ]);
    }
    let archive = tar(&entries);
    let (mut staged, mut merged) = (0, 0);
    for round in 0..20 {
        let confinement = if round % 2 == 0 { Confinement::Kernel } else { Confinement::Components };
        let world = World::new();
        let outside = world.root.path().join("outside");
        let operation = Operation::new();
        let options = UnpackOptions { confinement, ..options() };
        let mut staging = Staging::prepare(&world.dest(), &options).unwrap();
        let container = std::fs::read_dir(world.root.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().contains(".cldoci-"))
            .unwrap();
        staged += swapping(&container.join("tree/d"), &outside, || {
            let _ = staging.unpack(&Descriptor::of(TAR, &archive), &mut &archive[..], &operation);
        });
        drop(staging);
        world.check();

        if round >= 4 {
            continue;
        }
        world.pull(&options, &[(TAR, &archive)]).unwrap();
        for existing in [Existing::Merge, Existing::Replace] {
            let options = UnpackOptions { existing, ..options.clone() };
            merged += swapping(&world.dest().join("d"), &outside, || {
                let _ = world.pull(&options, &[(TAR, &archive)]);
            });
            world.check();
        }
    }
    assert!(staged > 100 && merged > 100, "only {staged} and {merged} swaps");
}
