//! What is accepted here, others read alike (G14): GNU tar's archives, and Python's reading of bent ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use cldoci::archive::UnpackOptions;

use crate::harness::archive::*;

#[test]
fn archives_of_gnu_tar_in_all_its_formats() {
    let source = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        let path = source.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    write("a", "1");
    write("d/e/f", &"x".repeat(5000));
    write("d/ü \u{fc}\n", "odd");
    write("d/empty", "");
    std::fs::create_dir(source.path().join("e")).unwrap();
    symlink("d/e/f", source.path().join("l")).unwrap();
    std::fs::hard_link(source.path().join("a"), source.path().join("h")).unwrap();
    for (format, long) in [("v7", 0), ("ustar", 60), ("oldgnu", 200), ("gnu", 200), ("pax", 200)] {
        if long > 0 {
            write(&format!("{}/{}", "n".repeat(long), "m".repeat(long.min(100))), format);
            let _ = std::fs::remove_file(source.path().join("long-link"));
            symlink("t/".repeat(long / 3), source.path().join("long-link")).unwrap();
        }
        let made = Command::new("tar")
            .args(["-C".as_ref(), source.path().as_os_str()])
            .args(["--format", format, "-cf", "-", "."])
            .output()
            .unwrap();
        assert!(made.status.success(), "{format}: {}", String::from_utf8_lossy(&made.stderr));
        both_ways(|options| {
            let world = World::new();
            world.pull(&options, &[(TAR, &made.stdout)]).unwrap();
            assert_eq!(tree(&world.dest()), tree(source.path()), "{format}");
            world.check();
        });
    }
}

/// Reads every archive of a directory and prints for each entry that is no directory its name, type and content.
const PYTHON: &str = r#"
import os, sys, tarfile
for file in sorted(os.listdir(sys.argv[1])):
    lines = {}
    try:
        with tarfile.open(os.path.join(sys.argv[1], file), "r:", errors="surrogateescape") as archive:
            for m in archive:
                name = b"/".join(p for p in os.fsencode(m.name).split(b"/") if p not in (b"", b"."))
                if m.isfile(): what = "f" + archive.extractfile(m).read().hex()
                elif m.issym(): what = "l" + os.fsencode(m.linkname).hex()
                elif m.islnk():
                    target = b"/".join(p for p in os.fsencode(m.linkname).split(b"/") if p not in (b"", b"."))
                    what = lines.get(target.hex(), "no target")
                elif m.isdir(): continue
                else: what = "other"
                lines[name.hex()] = what
    except Exception as e:
        lines = {"error": repr(e)}
    print(file, *(k + "=" + v for k, v in sorted(lines.items())))
"#;

fn found(root: &Path, above: &[u8], lines: &mut BTreeMap<String, String>) {
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    };
    for entry in std::fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        let name = [above, entry.file_name().as_bytes()].concat();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found(&entry.path(), &[&name, &b"/"[..]].concat(), lines);
        } else if kind.is_symlink() {
            let target = std::fs::read_link(entry.path()).unwrap();
            lines.insert(hex(&name), format!("l{}", hex(target.as_os_str().as_bytes())));
        } else {
            lines.insert(hex(&name), format!("f{}", hex(&std::fs::read(entry.path()).unwrap())));
        }
    }
}

#[test]
fn bent_archives_that_are_accepted_python_reads_alike() {
    let base = tar(&[
        dir("d/"),
        file("d/a", "1234"),
        pax(b'x', &[("path", b"d/p"), ("size", b"3")]),
        file("short", "abc"),
        long(b'L', "d/long"),
        file("cut", "x"),
        link("l", "d/a"),
        hardlink("h", "d/a"),
        Entry { magic: V7, body: b"old".to_vec(), ..Entry::new("v", 0) }.bytes(),
        Entry { prefix: b"pre/fix".to_vec(), ..Entry::new("u", b'0') }.bytes(),
    ]);
    let headers: Vec<usize> = (0..base.len())
        .step_by(512)
        .filter(|&at| base[at + 148].is_ascii_digit() && base[at] != b'1')
        .collect();
    let archives = tempfile::tempdir().unwrap();
    let mut ours: BTreeMap<String, String> = BTreeMap::new();
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let values = *b"\0 0127/.ax5LKgS9\x80\xff";
    // Where fields begin, and anywhere.
    let fields = [0, 1, 99, 100, 107, 124, 134, 135, 136, 156, 157, 158, 257, 262, 263, 264, 345, 499];
    for case in 0..600 {
        let mut bent = base.clone();
        for _ in 0..1 + random(2) {
            let header = headers[random(headers.len())];
            let place = if random(3) == 0 { random(512) } else { fields[random(fields.len())] };
            bent[header + place] = values[random(values.len())];
            seal(&mut bent[header..header + 512]);
        }
        let world = World::new();
        let options = UnpackOptions { threads: 1, ..options() };
        if world.pull(&options, &[(TAR, &bent)]).is_ok() {
            let mut lines = BTreeMap::new();
            found(&world.dest(), b"", &mut lines);
            let name = format!("{case:04}");
            std::fs::write(archives.path().join(&name), &bent).unwrap();
            let lines: Vec<_> = lines.iter().map(|(name, what)| format!(" {name}={what}")).collect();
            ours.insert(name, lines.concat());
        }
        world.check();
    }
    assert!(ours.len() > 50, "only {} were accepted", ours.len());
    let read = Command::new("python3").args(["-c", PYTHON]).arg(archives.path()).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    for line in String::from_utf8(read.stdout).unwrap().lines() {
        let (name, theirs) = line.split_at(4);
        assert_eq!(ours[name], theirs, "archive {name}");
    }
}
