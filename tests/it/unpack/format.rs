//! The tar format itself: what readers could take in two ways is refused (T-40…T-52).

use cldoci::Kind;
use cldoci::archive::UnpackOptions;

use crate::harness::archive::*;

/// An archive in a file's body: a file, and a link to what nobody should read.
fn hidden() -> Vec<u8> {
    let mut body = [file("hidden", "evil"), link("shadow", "/etc/shadow")].concat();
    body.resize(2048, 0);
    body
}

#[test]
fn t_40_t_41_the_pax_size_rules_and_hides_what_it_covers() {
    for stated in [0, 8] {
        let mut entry = Entry { body: hidden(), ..Entry::new("regular.txt", b'0') };
        entry.size = Some(octal(stated));
        let archive = tar(&[pax(b'x', &[("size", b"2048")]), entry.bytes(), file("next", "1")]);
        both_ways(|options| {
            let world = World::new();
            world.pull(&options, &[(TAR, &archive)]).unwrap();
            assert_eq!(std::fs::read(world.dest().join("regular.txt")).unwrap(), hidden());
            assert_eq!(tree(&world.dest()).len(), 2, "next and regular.txt");
            assert_eq!(std::fs::read(world.dest().join("next")).unwrap(), b"1");
            world.check();
        });
    }
}

#[test]
fn t_42_pax_and_gnu_extensions_are_not_mixed() {
    let size = || pax(b'x', &[("size", b"2048")]);
    let a = || Entry { body: hidden(), ..Entry::new("file_a", b'0') }.bytes();
    refused(&tar(&[size(), long(b'L', "longname.txt"), a(), file("file_b", "")]), Kind::Unsafe, "mixed");
    refused(&tar(&[long(b'L', "longname.txt"), size(), a()]), Kind::Unsafe, "mixed");
    refused(&tar(&[size(), long(b'K', "target"), link("l", "x")]), Kind::Unsafe, "mixed");
    refused(&tar(&[long(b'K', "target"), size(), link("l", "x")]), Kind::Unsafe, "mixed");
    accepted(
        &tar(&[long(b'L', "longname.txt"), long(b'K', "target"), link("l", "x")]),
        &["longname.txt -> target"],
    );
}

#[test]
fn t_43_malformed_pax_headers() {
    let with =
        |body: &[u8]| tar(&[Entry { body: body.to_vec(), ..Entry::new("p", b'x') }.bytes(), file("f", "x")]);
    for body in [
        &b"99 path=a\n"[..],
        b"10 path=aa\n",
        b"9 path a\n",
        b"10 path=ab",
        b"0 path=a\n",
        b"18446744073709551616 path=a\n",
        b"10 p\0th=a\n",
        b"10 path=a\n10 path=b\n",
    ] {
        refused(&with(body), Kind::Unsafe, "header 1: ");
        // An option that accepts what ends early, or leaves entries out, accepts no more here.
        let lenient = UnpackOptions { lenient_end: true, skip_special: true, ..options() };
        refused_with(&lenient, &with(body), Kind::Unsafe, "header 1: ");
    }
    accepted(&with(b"10 path=a\n"), &["a=x"]);
    // A newline in a value is no error: the length says where it ends.
    accepted(&with(b"12 path=a\nb\n"), &["a\\nb=x"]);
}

#[test]
fn t_44_global_headers() {
    for key in ["path", "linkpath", "size"] {
        let words = format!("a global PAX header has the key '{key}'");
        refused(&tar(&[pax(b'g', &[(key, b"1")]), file("f", "x")]), Kind::Unsafe, &words);
        refused(&tar(&[file("e", ""), pax(b'g', &[("comment", b"c"), (key, b"1")])]), Kind::Unsafe, &words);
    }
    // An entry's own are what they are for.
    let own: &[(&str, &[u8])] = &[("path", b"a"), ("linkpath", b"b")];
    accepted(&tar(&[pax(b'x', own), link("l", "t")]), &["a -> b"]);
    let others: &[(&str, &[u8])] = &[
        ("comment", b"deadbeef"),
        ("mtime", b"5"),
        ("uid", b"0"),
        ("uname", b"root"),
        ("SCHILY.xattr.user.x", b"y"),
        ("VENDOR.own", b"\xff\0"),
    ];
    accepted(&tar(&[pax(b'g', others), file("f", "x"), pax(b'g', others), file("g", "y")]), &["f=x", "g=y"]);
    let sparse = pax(b'g', &[("GNU.sparse.major", b"1")]);
    refused(&tar(&[sparse, file("f", "x")]), Kind::Unsafe, "sparse files are not supported");
}

#[test]
fn t_45_extension_headers_come_once_and_before_their_entry() {
    for twice in [long(b'L', "a"), long(b'K', "a"), pax(b'x', &[("comment", b"a")])] {
        refused(&tar(&[twice.clone(), twice.clone(), file("f", "x")]), Kind::Unsafe, "twice");
        refused(&tar(&[file("f", "x"), twice.clone()]), Kind::Unsafe, "has no entry");
        let name = if twice[156] == b'L' { "a" } else { "f" };
        let target = if twice[156] == b'K' { "a" } else { "b" };
        accepted(&tar(&[twice, link("f", "b")]), &[&format!("{name} -> {target}")]);
    }
}

#[test]
fn t_46_checksums() {
    let mut block = Entry::new("caf\u{e9}", b'0').header();
    let signed = |block: &[u8]| -> i64 { block.iter().map(|&byte| i64::from(byte.cast_signed())).sum() };
    block[148..156].copy_from_slice(b"        ");
    let sum = format!("{:06o}\0 ", signed(&block));
    block[148..156].copy_from_slice(sum.as_bytes());
    accepted(&tar(&[block.to_vec()]), &["café="]);
    block[148..156].copy_from_slice(b"        ");
    refused(&tar(&[block.to_vec()]), Kind::Unsafe, "checksum is not a number");
    block[148..156].copy_from_slice(&[0; 8]);
    refused(&tar(&[block.to_vec()]), Kind::Unsafe, "checksum is not a number");
    for place in [0, 99, 124, 156, 257, 511] {
        let mut block = Entry::new("f", b'0').header();
        block[place] ^= 1;
        refused(&tar(&[block.to_vec()]), Kind::Unsafe, "header 1: the header's checksum is wrong");
    }
}

#[test]
fn t_47_sizes() {
    let sized = |size: &[u8; 12]| {
        tar(&[Entry { size: Some(*size), body: b"12345678".to_vec(), ..Entry::new("f", b'0') }.bytes()])
    };
    for size in [
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xf8",
        b"\x80\0\0\0\x80\0\0\0\0\0\0\0",
        b"0000000001x\0",
        b"-0000000010\0",
        b"00000 00010\0",
    ] {
        refused(&sized(size), Kind::Unsafe, "size");
    }
    refused(&sized(b"777777777777"), Kind::Unsafe, "truncated");
    refused(&sized(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"), Kind::Unsafe, "too large");
    for size in [b"00000000010\0", b"         10 ", b"\x80\0\0\0\0\0\0\0\0\0\0\x08"] {
        accepted(&sized(size), &["f=12345678"]);
    }
    accepted(&tar(&[Entry { size: Some([0; 12]), ..Entry::new("f", b'0') }.bytes()]), &["f="]);
    for flag in [b'1', b'2', b'5', b'3'] {
        let entry = Entry { link: b"x".to_vec(), body: b"12".to_vec(), ..Entry::new("e", flag) };
        refused(&tar(&[entry.bytes()]), Kind::Unsafe, "size of 2");
    }
}

#[test]
fn t_48_the_body_of_an_extension_is_bounded() {
    for flag in [b'L', b'K', b'x', b'g'] {
        let mut entry = Entry::new("e", flag);
        entry.size = Some(octal((8 << 30) - 1));
        refused(&[entry.header().to_vec(), vec![0; 4 << 20]].concat(), Kind::Limit, "over 1048576");
    }
    let name = "n/".repeat(1000);
    both_ways(|options| {
        let options = UnpackOptions { max_depth: 1000, ..options };
        let world = World::new();
        world.pull(&options, &[(TAR, &tar(&[long(b'L', &name), dir("d")]))]).unwrap();
        assert!(world.dest().join(&name).is_dir());
    });
}

#[test]
fn t_49_sparse_files() {
    refused(&tar(&[Entry { magic: GNU, ..Entry::new("s", b'S') }.bytes()]), Kind::Unsafe, "sparse");
    let skip = UnpackOptions { skip_special: true, ..options() };
    refused_with(
        &skip,
        &tar(&[Entry { magic: GNU, ..Entry::new("s", b'S') }.bytes()]),
        Kind::Unsafe,
        "sparse",
    );
    // The old form has its map in the header, here of 2^62 bytes and out of order, and says that it goes on.
    let mut old = Entry { magic: GNU, body: vec![b'x'; 512], ..Entry::new("s", b'S') }.bytes();
    old[386..434].copy_from_slice(b"00000010000\x0000000001000\x0000000000000\x0000000001000\0");
    old[482] = 1;
    old[483..495].copy_from_slice(b"\x80\0\0\0\x40\0\0\0\0\0\0\0");
    seal(&mut old[..512]);
    // Names what else is set where a prefix would be, before it comes to the type.
    refused(&tar(std::slice::from_ref(&old)), Kind::Unsafe, "header 1: ");
    refused_with(&skip, &tar(&[old]), Kind::Unsafe, "header 1: ");
    let map: Vec<u8> = (0..225_000).flat_map(|n| [b"9,1,", b"1,9,"][n % 2]).copied().collect();
    let mut many =
        vec![("GNU.sparse.size", &b"4611686018427387904"[..]), ("GNU.sparse.numblocks", b"10000000")];
    many.extend(
        (0..15_000).flat_map(|_| [("GNU.sparse.offset", &b"512"[..]), ("GNU.sparse.numbytes", b"1024")]),
    );
    refused(&tar(&[pax(b'x', &many), file("s", "x")]), Kind::Unsafe, "sparse files are not supported");
    // The form 1.0 has its map at the start of the body.
    let body = ["10000000\n".to_owned(), "512\n1024\n".repeat(50_000)].concat();
    let with_map: &[(&str, &[u8])] =
        &[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.name", b"../s")];
    refused(&tar(&[pax(b'x', with_map), file("GNUSparseFile.0/s", body)]), Kind::Unsafe, "sparse");
    accepted(
        &tar(&[file("GNUSparseFile.0/s", "1\n0\n1\n")]),
        &["GNUSparseFile.0/", "GNUSparseFile.0/s=1\n0\n1\n"],
    );
    for records in [
        &[
            ("GNU.sparse.major", &b"1"[..]),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.realsize", b"4611686018427387904"),
        ][..],
        &[("GNU.sparse.size", b"4611686018427387904"), ("GNU.sparse.numblocks", b"10000000")],
        &[("GNU.sparse.map", &map)],
    ] {
        refused(&tar(&[pax(b'x', records), file("s", "x")]), Kind::Unsafe, "GNU.sparse.");
    }
}

#[test]
fn t_50_truncated_archives() {
    let whole = tar(&[file("a", "1234"), file("b", "5678")]);
    for (length, words) in [
        (512 + 100 + 512, "truncated in a header"),
        (512 + 2, "truncated in a body"),
        (512 + 100, "truncated in the padding"),
        (2048, "end-of-archive blocks"),
        (2048 + 512, "only one end-of-archive block"),
    ] {
        refused(&whole[..length], Kind::Unsafe, words);
    }
    // Everywhere else: never accepted before the last byte, and never more than an error.
    let lenient = UnpackOptions { lenient_end: true, ..options() };
    for length in (1..whole.len()).filter(|length| length % 64 == 0 || length % 512 < 3 || length % 512 > 509)
    {
        refused_with(&options(), &whole[..length], Kind::Unsafe, "truncated");
        // Between two entries an archive can end as well, for who accepts that.
        if length < 2048 && length % 1024 != 0 && length % 1024 < 512 + 4 {
            refused_with(&lenient, &whole[..length], Kind::Unsafe, "truncated");
        }
    }
    let extended = tar(&[pax(b'x', &[("path", b"a")]), long(b'L', "b")]);
    refused(&extended[..512 + 5], Kind::Unsafe, "truncated in a body");
    refused(&extended[..512 + 100], Kind::Unsafe, "truncated in the padding of a body");
    for length in [2048, 2048 + 512] {
        both_ways(|options| {
            let options = UnpackOptions { lenient_end: true, ..options };
            accepted_with(&options, &whole[..length], &["a=1234", "b=5678"]);
        });
    }
    refused_with(&lenient, &whole[..512 + 2], Kind::Unsafe, "truncated in a body");
    refused_with(&lenient, &[&whole[..1024], &pax(b'x', &[])].concat(), Kind::Unsafe, "has no entry");
}

#[test]
fn t_51_t_52_what_follows_the_end() {
    let whole = tar(&[file("a", "1")]);
    refused(&[&whole[..], &tar(&[file("b", "2")])].concat(), Kind::Unsafe, "follows the end");
    let lenient = UnpackOptions { lenient_end: true, ..options() };
    refused_with(&lenient, &[&whole[..], &file("b", "2")].concat(), Kind::Unsafe, "follows the end");
    let single = [&whole[..whole.len() - 512], &file("b", "2")].concat();
    refused_with(&lenient, &single, Kind::Unsafe, "follows a single");
    refused(&[&whole[..whole.len() - 512], &file("b", "2")].concat(), Kind::Unsafe, "follows a single");
    for length in [1, 511, 512, 9216, 5 << 20] {
        accepted(&[&whole[..], &vec![0; length]].concat(), &["a=1"]);
        let mut tail = vec![0; length];
        tail[length - 1] = 1;
        refused(&[&whole[..], &tail].concat(), Kind::Unsafe, "follows the end");
    }
}

#[test]
fn old_and_odd_forms_that_all_readers_read_alike() {
    let v7 = |name: &str, body: &str| Entry { magic: V7, body: body.into(), ..Entry::new(name, 0) }.bytes();
    accepted(&tar(&[v7("d/", ""), v7("d/f", "x")]), &["d/", "d/f=x"]);
    // Readers disagree on a file with a slash.
    refused(&tar(&[file("d/", "")]), Kind::Unsafe, "slash");
    // As today's Go package writes directories.
    accepted(&tar(&[dir("d"), file("d/f", "x")]), &["d/", "d/f=x"]);
    accepted(&tar(&[]), &[]);
    // A name is a name, whatever other files begin with it.
    for name in [&b"BZh"[..], b"\x1f\x8b\x08", b"\xfd7zXZ"] {
        accepted(&tar(&[file(name, "x")]), &[&format!("{}=x", cldoci::printable(name))]);
    }
}

/// The body of each file is all that is wanted of its buffer. As many files as a batch holds would have kept
/// every buffer from the decoder, and the pull would have waited for ever.
#[test]
fn small_files_far_apart_leave_buffers_to_the_decoder() {
    let comment = vec![b'c'; 700_000];
    let names: Vec<String> = (0..31).map(|n| format!("f{n:02}")).collect();
    let want: Vec<String> = names.iter().map(|name| format!("{name}=x")).collect();
    let want: Vec<&str> = want.iter().map(String::as_str).collect();
    let together = tar(&names.iter().map(|name| file(name, "x")).collect::<Vec<_>>());
    let apart = tar(&names
        .iter()
        .map(|name| [pax(b'x', &[("comment", &comment)]), file(name, "x")].concat())
        .collect::<Vec<_>>());
    for (threads, archive) in [(1, &together), (1, &apart), (2, &apart)] {
        accepted_with(&UnpackOptions { threads, ..options() }, archive, &want);
    }
}
