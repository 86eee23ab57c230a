//! Names, types, modes and limits of entries (T-01…T-09, T-25…T-32, T-72, T-73).

use std::os::unix::fs::MetadataExt;

use cldoci::Kind;
use cldoci::archive::UnpackOptions;

use crate::harness::archive::*;

#[test]
fn t_01_names_that_climb() {
    for name in ["../evil", "a/../../evil", "./../evil", "a/b/../../../evil", "..", "a/.."] {
        refused(&tar(&[file(name, "x")]), Kind::Unsafe, "'..'");
        refused(&tar(&[dir(name)]), Kind::Unsafe, "'..'");
        refused(&tar(&[link(name, "x")]), Kind::Unsafe, "'..'");
        // Not what an option that leaves entries out is about.
        let skip = UnpackOptions { skip_special: true, ..options() };
        refused_with(&skip, &tar(&[file("a", "1"), file(name, "x")]), Kind::Unsafe, "'..'");
    }
    accepted(&tar(&[file("..a/b../...", "x")]), &["..a/", "..a/b../", "..a/b../...=x"]);
}

#[test]
fn t_02_absolute_names() {
    for name in ["/tmp/evil", "//tmp/evil", "///x"] {
        refused(&tar(&[file(name, "x")]), Kind::Unsafe, "absolute");
    }
    for entry in [dir("/"), link("/", "x"), hardlink("/", "x")] {
        refused(&tar(&[entry]), Kind::Unsafe, "absolute");
    }
    both_ways(|options| {
        let options = UnpackOptions { strip_leading_slash: true, ..options };
        let entries = [dir("/"), file("/tmp/evil", "1"), file("//tmp/more", "2"), file("///x", "3")];
        accepted_with(&options, &tar(&entries), &["tmp/", "tmp/evil=1", "tmp/more=2", "x=3"]);
        refused_with(&options, &tar(&[file("/../x", "")]), Kind::Unsafe, "'..'");
    });
}

#[test]
fn t_03_the_root_is_a_directory_and_nothing_else() {
    for (name, words) in [(".", "root"), ("./", "slash"), ("././", "slash"), ("./.", "root")] {
        refused(&tar(&[file(name, "x")]), Kind::Unsafe, words);
        refused(&tar(&[link(name, "x")]), Kind::Unsafe, "root");
        refused(&tar(&[file("x", "1"), hardlink(name, "x")]), Kind::Unsafe, "root");
        refused(&tar(&[Entry::new(name, b'6').bytes()]), Kind::Unsafe, "root");
        accepted(&tar(&[dir(name), file("x", "1")]), &["x=1"]);
    }
    for entry in [dir(""), file("", "x"), link("", "x")] {
        refused(&tar(&[entry]), Kind::Unsafe, "empty");
    }
    for (entry, words) in [
        (dir("/./"), "absolute"),
        (file("/./", "x"), "slash"),
        (file("/.", "x"), "absolute"),
        (link("/./", "x"), "absolute"),
    ] {
        refused(&tar(&[entry]), Kind::Unsafe, words);
    }
    // Its mode is not taken.
    for given in [0, 0o700, 0o7777] {
        both_ways(|options| {
            let world = World::new();
            let root = Entry { mode: given, ..Entry::new("./", b'5') }.bytes();
            world.pull(&options, &[(TAR, &tar(&[root]))]).unwrap();
            assert_eq!(mode(&world.dest()), 0o755 & !umask());
        });
    }
}

/// What the umask takes from a new directory.
fn umask() -> u32 {
    let probe = tempfile::tempdir().unwrap();
    std::fs::create_dir(probe.path().join("d")).unwrap();
    0o777 & !mode(&probe.path().join("d"))
}

#[test]
fn t_04_nul_in_a_name() {
    refused(&tar(&[pax(b'x', &[("path", b"a\0b")]), file("f", "x")]), Kind::Unsafe, "NUL");
    refused(&tar(&[long(b'L', b"a\0../../b"), file("f", "x")]), Kind::Unsafe, "NUL");
    refused(&tar(&[long(b'K', b"a\0../../b"), link("f", "x")]), Kind::Unsafe, "NUL");
    refused(&tar(&[file(b"a\0../../b", "x")]), Kind::Unsafe, "after its NUL");
    let prefix = Entry { prefix: b"a\0..".to_vec(), ..Entry::new("b", b'0') };
    refused(&tar(&[prefix.bytes()]), Kind::Unsafe, "after its NUL");
    accepted(&tar(&[pax(b'x', &[("path", b"ab")]), file("f", "x")]), &["ab=x"]);
    accepted(&tar(&[long(b'L', b"ab"), file("f", "x")]), &["ab=x"]);
}

#[test]
fn t_05_prefix_and_name_are_checked_together() {
    let entry = |prefix: &str, name: &str| {
        Entry { prefix: prefix.into(), body: b"x".to_vec(), ..Entry::new(name, b'0') }.bytes()
    };
    refused(&tar(&[entry("a/..", "../x")]), Kind::Unsafe, "'..'");
    refused(&tar(&[entry("/a", "x")]), Kind::Unsafe, "absolute");
    accepted(&tar(&[entry("a/b", "x")]), &["a/", "a/b/", "a/b/x=x"]);
    // Elsewhere it is no prefix, but some readers take it for one.
    for magic in [GNU, V7] {
        let other = Entry { magic, prefix: b"0".to_vec(), ..Entry::new("x", b'0') };
        refused(&tar(&[other.bytes()]), Kind::Unsafe, "not of ustar");
        accepted(&tar(&[Entry { magic, ..Entry::new("x", b'0') }.bytes()]), &["x="]);
    }
    refused(&tar(&[Entry { magic: b"ustar\x0001", ..Entry::new("x", b'0') }.bytes()]), Kind::Unsafe, "magic");
}

#[test]
fn t_06_long_names() {
    let part = "n".repeat(255);
    accepted(&tar(&[pax(b'x', &[("path", part.as_bytes())]), file("f", "x")]), &[&format!("{part}=x")]);
    let over = "n".repeat(256);
    refused(&tar(&[pax(b'x', &[("path", over.as_bytes())]), file("f", "x")]), Kind::Limit, "256 bytes");
    let path = |length: usize| {
        let mut path = format!("{}/", "d".repeat(199)).repeat(length / 200);
        path.push_str(&"f".repeat(length - path.len()));
        path
    };
    for (length, limit) in [(4095, 4096), (4096, 4096), (65_536, 65_536)] {
        both_ways(|options| {
            let options = UnpackOptions { max_path_bytes: limit, max_depth: 1000, ..options };
            let world = World::new();
            let archive = tar(&[pax(b'x', &[("path", path(length).as_bytes())]), file("f", "x")]);
            world.pull(&options, &[(TAR, &archive)]).unwrap();
            let mut depth = 0;
            let mut at = std::fs::File::open(world.dest()).unwrap();
            // Too long to be reached by one path.
            while let Some(entry) = std::fs::read_dir(format!("/proc/self/fd/{}", fd(&at))).unwrap().next() {
                let entry = entry.unwrap();
                if !entry.file_type().unwrap().is_dir() {
                    assert_eq!(std::fs::read(entry.path()).unwrap(), b"x");
                    break;
                }
                depth += 1;
                at = std::fs::File::open(entry.path()).unwrap();
            }
            assert_eq!(depth, length / 200);
            empty(&world);
        });
    }
    let long = path(4097);
    refused(
        &tar(&[pax(b'x', &[("path", long.as_bytes())]), file("f", "x")]),
        Kind::Limit,
        "max_path_bytes 4096",
    );
}

fn fd(file: &std::fs::File) -> i32 {
    use std::os::fd::AsRawFd;
    file.as_raw_fd()
}

/// Removes a tree that is too deep for the test's own cleaning, by the library's own means.
fn empty(world: &World) {
    let options = UnpackOptions { existing: cldoci::options::Existing::Replace, ..options() };
    assert_eq!(world.pull(&options, &[(TAR, &tar(&[file("x", "")]))]).unwrap(), Vec::<String>::new());
    assert_eq!(tree(&world.dest()), ["x="]);
    world.check();
}

#[test]
fn t_07_ten_thousand_directories_deep() {
    let path = "d/".repeat(10_000);
    let archive = tar(&[pax(b'x', &[("path", path.as_bytes())]), dir("d")]);
    refused_with(
        &UnpackOptions { max_path_bytes: 1 << 20, ..options() },
        &archive,
        Kind::Limit,
        "max_depth 256",
    );
    both_ways(|options| {
        let options = UnpackOptions { max_path_bytes: 1 << 20, max_depth: 10_000, ..options };
        let world = World::new();
        world.pull(&options, &[(TAR, &archive)]).unwrap();
        cldoci::archive::fingerprint(&world.dest(), None, 2, &cldoci::Operation::new()).unwrap();
        empty(&world);
        // Nothing is left of one that fails at its end.
        let error =
            world.pull(&options, &[(TAR, &[&archive[..archive.len() - 1024], &file("..", "")].concat())]);
        assert_eq!(kind(&error), Some(Kind::Exists));
        std::fs::remove_dir_all(world.dest()).unwrap();
        let error =
            world.pull(&options, &[(TAR, &[&archive[..archive.len() - 1024], &file("..", "")].concat())]);
        assert_eq!(kind(&error), Some(Kind::Unsafe));
        world.check();
    });
}

#[test]
fn t_08_t_09_t_72_names_are_bytes() {
    let names: &[&[u8]] = &[
        b"\xff\xfe",
        b"\xc0\xae\xc0\xae",
        b"\xc0\xae\xc0\xae\xc0\xaf",
        b"\xed\xa0\x80",
        b"a\nb",
        b"\x1b[2J",
        "\u{202e}x".as_bytes(),
        b"-rf",
        b"C:\\x",
        b"a:stream",
        b"a\\..\\..\\b",
    ];
    both_ways(|options| {
        let world = World::new();
        let entries: Vec<_> = names.iter().map(|name| file(name, "x")).collect();
        world.pull(&options, &[(TAR, &tar(&entries))]).unwrap();
        let mut there: Vec<Vec<u8>> = std::fs::read_dir(world.dest())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_encoded_bytes())
            .collect();
        there.sort();
        let mut want: Vec<Vec<u8>> = names.iter().map(|name| name.to_vec()).collect();
        want.sort();
        assert_eq!(there, want);
        world.check();
    });
    refused(&tar(&[file(b"\x1b[2J\n\xff/../x", "")]), Kind::Unsafe, "'\\u{1b}[2J\\n\\xff/../x'");
    refused(&tar(&[file("\u{202e}/../x", "")]), Kind::Unsafe, "'\\u{202e}/../x'");
    // As a directory, and in what is told of an entry that is left out.
    let odd = &b"\xc0\xae\xc0\xae/"[..];
    accepted(
        &tar(&[dir(odd), file([odd, b"x"].concat(), "1")]),
        &["\\xc0\\xae\\xc0\\xae/", "\\xc0\\xae\\xc0\\xae/x=1"],
    );
    let world = World::new();
    let skip = UnpackOptions { skip_special: true, ..options() };
    let warnings = world.pull(&skip, &[(TAR, &tar(&[Entry::new("\x1b\n\u{202e}", b'6').bytes()]))]).unwrap();
    assert_eq!(warnings, ["entry '\\u{1b}\\n\\u{202e}' was left out: it is a FIFO (option special_entries)"]);
}

#[test]
fn t_73_names_with_a_meaning_elsewhere_have_none_here() {
    let names = [".GIT", ".git", ".wh..wh..opq", ".wh.x", "PROGRA~1"];
    let entries: Vec<_> = names.iter().map(|name| file(name, "x")).collect();
    accepted(&tar(&entries), &names.map(|name| format!("{name}=x")).each_ref().map(String::as_str));
}

#[test]
fn t_25_special_entries() {
    let words = |flag| match flag {
        b'3' => "'special': is a character device (option special_entries)".to_owned(),
        b'4' => "'special': is a block device (option special_entries)".to_owned(),
        b'6' => "'special': is a FIFO (option special_entries)".to_owned(),
        flag => format!("'special': is of the type '{}' (option special_entries)", cldoci::printable([flag])),
    };
    // tar has no type for sockets; 's' is what one would take. The others are contiguous, and of GNU and Solaris.
    for flag in [b'3', b'4', b'6', b'7', b'D', b'M', b'N', b'V', b'X', b'Z', b's', 0xff] {
        let mut special = Entry::new("special", flag);
        if !matches!(flag, b'3'..=b'6') {
            special.body = file("../hidden", "x");
        }
        let mut bytes = special.bytes();
        bytes[329..345].copy_from_slice(b"0000001\x000000003\0");
        seal(&mut bytes[..512]);
        let archive = tar(&[file("a", "1"), bytes, file("b", "2")]);
        refused(&archive, Kind::Unsafe, &words(flag));
        both_ways(|options| {
            let options = UnpackOptions { skip_special: true, ..options };
            accepted_with(&options, &archive, &["a=1", "b=2"]);
        });
    }
    let world = World::new();
    let options = UnpackOptions { skip_special: true, ..options() };
    // What is skipped may have a body.
    let body = Entry { body: vec![b'x'; 700], ..Entry::new("dump", b'D') }.bytes();
    let warnings = world.pull(&options, &[(TAR, &tar(&[body, file("b", "2")]))]).unwrap();
    assert_eq!(warnings, ["entry 'dump' was left out: it is of the type 'D' (option special_entries)"]);
    assert_eq!(tree(&world.dest()), ["b=2"]);
}

#[test]
fn t_26_modes() {
    both_ways(|options| {
        let world = World::new();
        let with = |name: &str, flag, mode| Entry { mode, ..Entry::new(name, flag) }.bytes();
        let archive = tar(&[
            with("setuid", b'0', 0o4777),
            with("setgid", b'0', 0o2777),
            with("sticky", b'0', 0o1777),
            with("none", b'0', 0),
            with("all", b'0', 0o177_777),
            with("secret", b'0', 0o600),
            with("closed", b'5', 0),
            file("closed/f", "x"),
            file("early/f", "x"),
            with("early", b'5', 0o2700),
            with("open", b'5', 0o7777),
        ]);
        world.pull(&options, &[(TAR, &archive)]).unwrap();
        let umask = umask();
        for (name, want) in [
            ("setuid", 0o755),
            ("setgid", 0o755),
            ("sticky", 0o755),
            ("none", 0),
            ("all", 0o755),
            ("secret", 0o600),
            ("closed", 0o700),
            ("early", 0o700),
            ("open", 0o755),
        ] {
            assert_eq!(mode(&world.dest().join(name)), want & !umask, "{name}");
        }
        world.check();
    });
}

#[test]
fn t_27_owners_are_not_taken() {
    let field = |value: &[u8]| -> [u8; 8] { value.try_into().unwrap() };
    for (uid, gid) in [
        (field(b"0000000\0"), field(b"0000000\0")),
        (field(b"0000001\0"), field(b"0000001\0")),
        (field(b"\x80\0\0\0\xff\xff\xff\xff"), field(b"\x80\0\0\0\xff\xff\xff\xff")),
        (field(&[0xff; 8]), field(&[0xff; 8])),
        (field(b"37777777"), field(b"37777777")),
    ] {
        let mut block = Entry::new("f", b'0').header();
        block[108..116].copy_from_slice(&uid);
        block[116..124].copy_from_slice(&gid);
        block[265..269].copy_from_slice(b"root");
        block[297..301].copy_from_slice(b"root");
        seal(&mut block);
        let records: &[(&str, &[u8])] =
            &[("uid", b"4294967295"), ("gid", b"-1"), ("uname", b"root"), ("gname", b"root")];
        both_ways(|options| {
            for archive in [tar(&[block.to_vec()]), tar(&[pax(b'x', records), block.to_vec()])] {
                let world = World::new();
                world.pull(&options, &[(TAR, &archive)]).unwrap();
                let found = std::fs::metadata(world.dest().join("f")).unwrap();
                let own = std::fs::metadata(world.root.path()).unwrap();
                assert_eq!((found.uid(), found.gid()), (own.uid(), own.gid()));
                world.check();
            }
        });
    }
}

#[test]
fn t_28_extended_attributes_are_not_applied() {
    // As `setcap cap_net_raw+ep` writes it: where it were applied, the system would take it.
    let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let records: &[(&str, &[u8])] = &[
        ("SCHILY.xattr.security.capability", capability),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
        ("SCHILY.xattr.user.x", b"value"),
        ("LIBARCHIVE.xattr.user.y", b"dmFsdWU="),
    ];
    let archive = tar(&[pax(b'x', records), file("f", "x"), pax(b'x', records), dir("d")]);
    for world in [World::new(), World::on_disk()] {
        world.pull(&options(), &[(TAR, &archive)]).unwrap();
        for name in ["f", "d"] {
            let mut names = [0; 1024];
            match rustix::fs::listxattr(world.dest().join(name), &mut names) {
                Ok(length) => {
                    let names = String::from_utf8_lossy(&names[..length]).into_owned();
                    // A security module labels files by itself.
                    let given = names.split_terminator('\0').filter(|name| *name != "security.selinux");
                    assert_eq!(given.collect::<Vec<_>>(), [""; 0], "{name}");
                }
                Err(error) => assert_eq!(error, rustix::io::Errno::OPNOTSUPP),
            }
        }
        world.check();
    }
    let big = vec![b'v'; 1 << 20];
    let archive = |value: &[u8]| tar(&[pax(b'x', &[("SCHILY.xattr.user.x", value)]), file("f", "x")]);
    refused(&archive(&big), Kind::Limit, "over 1048576");
    accepted(&archive(&big[..big.len() - 100]), &["f=x"]);
}

#[test]
fn t_29_times() {
    both_ways(|options| {
        let options = UnpackOptions { preserve_mtime: true, ..options };
        let with = |name: &str, mtime: &[u8]| [pax(b'x', &[("mtime", mtime)]), file(name, "x")].concat();
        let at = |name: &str, mtime: &[u8; 12]| {
            let mut bytes = file(name, "x");
            bytes[136..148].copy_from_slice(mtime);
            seal(&mut bytes[..512]);
            bytes
        };
        let world = World::new();
        let archive = tar(&[
            Entry { mtime: 1000, mode: 0o755, ..Entry::new("d/", b'5') }.bytes(),
            with("d/minus", b"-1"),
            with("d/huge", b"9223372036854775807"),
            with("d/fraction", b"5.123456789999"),
            // 10^12 of what would be nanoseconds.
            with("d/nanoseconds", b"6.1000000000000"),
            at("d/base-256 minus", &[0xff; 12]),
            at("d/base-256 huge", b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"),
            Entry { mtime: 77, body: vec![b'x'; 3 << 20], ..Entry::new("large", b'0') }.bytes(),
        ]);
        world.pull(&options, &[(TAR, &archive)]).unwrap();
        let mtime = |name: &str| {
            let found = std::fs::metadata(world.dest().join(name)).unwrap();
            (found.mtime(), found.mtime_nsec())
        };
        assert_eq!(mtime("d"), (1000, 0));
        assert_eq!(mtime("d/minus"), (-1, 0));
        assert_eq!(mtime("d/fraction"), (5, 123_456_789));
        assert_eq!(mtime("d/nanoseconds"), (6, 100_000_000));
        assert_eq!(mtime("d/base-256 minus"), (-1, 0));
        assert_eq!(mtime("large"), (77, 0));
        assert!(mtime("d/huge").0 > 1 << 31 && mtime("d/base-256 huge") == mtime("d/huge"));
        for bad in
            [&b"1e400"[..], b"nan", b"NaN", b"inf", b"1.5x", b"1.-5", b"", b".", b"-", b"9223372036854775808"]
        {
            for preserve_mtime in [true, false] {
                let options = UnpackOptions { preserve_mtime, ..options.clone() };
                refused_with(&options, &tar(&[with("f", bad)]), Kind::Unsafe, "mtime");
            }
        }
        refused_with(
            &options,
            &tar(&[at("f", b"\x80\0\0\0\x80\0\0\0\0\0\0\0")]),
            Kind::Unsafe,
            "the mtime field is not a number",
        );
    });
    // By default an entry's time is now.
    let world = World::new();
    let old = Entry { mtime: 1000, ..Entry::new("f", b'0') }.bytes();
    world.pull(&options(), &[(TAR, &tar(&[old]))]).unwrap();
    assert!(std::fs::metadata(world.dest().join("f")).unwrap().mtime() > 1_000_000);
}

#[test]
fn t_30_duplicates() {
    let archive = tar(&[file("a", "first"), file("b", "x"), file("a", "second")]);
    refused(&archive, Kind::Unsafe, "duplicate");
    refused(&tar(&[link("l", "a"), link("l", "b")]), Kind::Unsafe, "duplicate");
    both_ways(|options| {
        let options = UnpackOptions { last_wins: true, ..options };
        accepted_with(&options, &archive, &["a=second", "b=x"]);
        accepted_with(&options, &tar(&[file("a", "1"), link("a", "b")]), &["a -> b"]);
        accepted_with(&options, &tar(&[link("a", "b"), file("a", "1")]), &["a=1"]);
        let many: Vec<_> = (0..200).map(|n| file("same", format!("{n}"))).collect();
        accepted_with(&options, &tar(&many), &["same=199"]);
    });
    accepted(&tar(&[file("A", "1"), file("a", "2"), dir("d"), dir("d/")]), &["A=1", "a=2", "d/"]);
}

#[test]
fn t_31_type_conflicts() {
    for entries in [
        &[file("a", "x"), file("a/b", "y")][..],
        &[dir("a"), file("a/b", "y"), file("a", "x")],
        &[link("a", "b"), dir("a")],
        &[dir("a"), file("a/b", "y"), link("a", "b")],
        &[file("a", "x"), dir("a")],
        &[file("a", "x"), link("a", "b")],
    ] {
        refused(&tar(entries), Kind::Unsafe, "entry 'a");
    }
    let options = UnpackOptions { last_wins: true, ..options() };
    refused_with(
        &options,
        &tar(&[dir("a"), file("a/b", "y"), file("a", "x")]),
        Kind::Unsafe,
        "type conflict",
    );
    refused_with(&options, &tar(&[file("a", "x"), file("a/b", "y")]), Kind::Unsafe, "entry 'a");
}

#[test]
fn t_32_too_many_entries() {
    let options = UnpackOptions { max_entries: 10, ..options() };
    let files = |count: usize| -> Vec<_> { (0..count).map(|n| file(format!("f{n}"), "")).collect() };
    let dirs = |count: usize| -> Vec<_> { (0..count).map(|n| dir(format!("d{n}"))).collect() };
    refused_with(&options, &tar(&files(11)), Kind::Limit, "max_entries 10");
    refused_with(&options, &tar(&dirs(11)), Kind::Limit, "max_entries 10");
    // Extension headers count, also those that belong to no entry.
    let globals = |count: usize| -> Vec<_> { (0..count).map(|_| pax(b'g', &[])).collect() };
    refused_with(&options, &tar(&globals(11)), Kind::Limit, "max_entries 10");
    refused_with(&options, &tar(&[globals(10), files(1)].concat()), Kind::Limit, "max_entries 10");
    // Many for one file are refused as such (T-45).
    let zeros: Vec<_> = (0..11).map(|_| pax(b'x', &[])).collect();
    refused_with(&options, &tar(&[zeros, files(1)].concat()), Kind::Unsafe, "twice");
    for entries in [files(10), dirs(10), [globals(9), files(1)].concat()] {
        let world = World::new();
        world.pull(&options, &[(TAR, &tar(&entries))]).unwrap();
        world.check();
    }
}

#[test]
fn max_entries_counts_the_directories_that_no_entry_names() {
    let deep = |n: usize| file(format!("{n}/b/c/d/e/f"), "");
    let archive = tar(&[deep(0), deep(1), deep(2)]);
    // Three files, and five directories for each.
    for (max_entries, fits) in [(18, true), (17, false), (3, false)] {
        both_ways(|options| {
            let options = UnpackOptions { max_entries, ..options };
            match fits {
                true => drop(World::new().pull(&options, &[(TAR, &archive)]).unwrap()),
                false => refused_with(&options, &archive, Kind::Limit, "max_entries"),
            }
        });
    }
    // Those that entries name are counted once.
    let named = tar(&[dir("a"), dir("a/b"), file("a/b/c", "")]);
    World::new().pull(&UnpackOptions { max_entries: 3, ..options() }, &[(TAR, &named)]).unwrap();
}
