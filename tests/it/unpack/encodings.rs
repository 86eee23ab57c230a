//! gzip, zstd, and our own blocks (G-01…G-09), several layers, and layers that are files.

use std::io::{Cursor, Read};

use cldoci::archive::{Staging, UnpackOptions};
use cldoci::oci::{Descriptor, Digest, media_type};
use cldoci::options::Existing;
use cldoci::{Kind, Operation};

use crate::harness::archive::*;

fn gzip_refused(bytes: &[u8], kind: Kind, words: &str) {
    let world = World::new();
    let error = world.pull(&options(), &[(GZIP, bytes)]).expect_err(words);
    assert!(error.kind() == kind && error.message().contains(words), "wanted {kind:?} '{words}': {error:?}");
    assert!(!world.dest().exists());
    world.check();
}

fn gzip_accepted(bytes: &[u8], want: &[&str]) {
    let world = World::new();
    world.pull(&options(), &[(GZIP, bytes)]).unwrap();
    assert_eq!(tree(&world.dest()), want);
    world.check();
}

#[test]
fn g_01_g_02_the_limit_counts_what_is_unpacked_wherever_it_lies() {
    let zeros = vec![0; 3 << 20];
    let limit = UnpackOptions { max_unpacked_bytes: 1 << 20, skip_special: true, ..options() };
    let skipped = Entry { body: zeros.clone(), ..Entry::new("s", b'Z') }.bytes();
    for archive in [
        tar(&[file("f", &zeros)]),
        [tar(&[file("f", "x")]), zeros.clone()].concat(),
        tar(&[skipped, file("f", "x")]),
        tar(&[pax(b'g', &[("comment", &zeros[..900_000])]), pax(b'x', &[("comment", &zeros[..900_000])])]),
    ] {
        for (media_type, bytes) in [(TAR, archive.clone()), (GZIP, gzip(&archive)), (ZSTD, zstd(&archive))] {
            let world = World::new();
            let error = world.pull(&limit, &[(media_type, &bytes)]).unwrap_err();
            let named = error.message().contains("max_unpacked_bytes 1048576");
            assert!(error.kind() == Kind::Limit && named, "{error:?}");
            assert!(!world.dest().exists());
            world.check();
        }
    }
    let exact = tar(&[file("f", "x")]);
    let limit = UnpackOptions { max_unpacked_bytes: exact.len() as u64, ..options() };
    for (media_type, bytes) in [(TAR, exact.clone()), (GZIP, gzip(&exact)), (ZSTD, zstd(&exact))] {
        World::new().pull(&limit, &[(media_type, &bytes)]).unwrap();
        // In the end-of-archive blocks, in the padding, in the body.
        for max_unpacked_bytes in [exact.len() as u64 - 1, 700, 512] {
            let short = UnpackOptions { max_unpacked_bytes, ..options() };
            let error = World::new().pull(&short, &[(media_type, &bytes)]);
            assert_eq!(kind(&error), Some(Kind::Limit));
        }
    }
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn g_03_members_split_anywhere() {
    let archive = tar(&[file("a", "1"), file("b", "2")]);
    for at in [1, 100, 511, 512, 700, 1024, 2047, archive.len() - 1] {
        let (head, tail) = archive.split_at(at);
        let bytes = [gzip(head), gzip(b""), gzip(tail)].concat();
        gzip_accepted(&bytes, &["a=1", "b=2"]);
        // As others read it.
        let mut all = Vec::new();
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut all).unwrap();
        assert!(all == archive);
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("layer.tgz"), &bytes).unwrap();
        let made = std::process::Command::new("tar")
            .args(["-xzf", "layer.tgz"])
            .current_dir(place.path())
            .status()
            .unwrap();
        assert!(made.success());
        std::fs::remove_file(place.path().join("layer.tgz")).unwrap();
        assert_eq!(tree(place.path()), ["a=1", "b=2"]);
    }
}

#[test]
fn g_04_a_second_archive_in_a_second_member() {
    let bytes = [gzip(&tar(&[file("a", "1")])), gzip(&tar(&[file("b", "2")]))].concat();
    gzip_refused(&bytes, Kind::Unsafe, "follows the end");
    // The end in one member and its second half in another is one archive.
    let archive = tar(&[file("a", "1")]);
    let (head, tail) = archive.split_at(archive.len() - 512);
    gzip_accepted(&[gzip(head), gzip(tail)].concat(), &["a=1"]);
}

/// A gzip member with these optional fields.
fn member(flags: u8, fields: &[u8], content: &[u8]) -> Vec<u8> {
    let plain = gzip(content);
    let mut bytes = plain[..10].to_vec();
    bytes[3] = flags;
    bytes.extend_from_slice(fields);
    bytes.extend_from_slice(&plain[10..]);
    bytes
}

#[test]
fn g_05_headers_and_empty_members_are_bounded() {
    let archive = tar(&[file("a", "1")]);
    let extra = [&[0xff, 0xff][..], &[7; 65_535]].concat();
    gzip_accepted(&member(4, &extra, &archive), &["a=1"]);
    gzip_accepted(&member(8 | 16, b"name\0comment\0", &archive), &["a=1"]);
    for flags in [8, 16] {
        let text = [&vec![b'n'; 64 << 20][..], b"\0"].concat();
        gzip_refused(&member(flags, &text, &archive), Kind::Limit, "name or comment");
    }
    let empty = gzip(b"");
    gzip_refused(&[empty.repeat(1_000_000), gzip(&archive)].concat(), Kind::Limit, "empty gzip members");
    gzip_accepted(&[empty.repeat(1000), gzip(&archive)].concat(), &["a=1"]);
    // The checksum of a header.
    let mut crc = flate2::Crc::new();
    let mut head = gzip(b"")[..10].to_vec();
    head[3] = 2;
    crc.update(&head);
    let good = (crc.sum() as u16).to_le_bytes();
    gzip_accepted(&member(2, &good, &archive), &["a=1"]);
    gzip_refused(&member(2, &[good[0] ^ 1, good[1]], &archive), Kind::Unsafe, "header's checksum");
    gzip_refused(&member(0x20, &[], &archive), Kind::Unsafe, "not known");
}

#[test]
fn g_06_what_follows_the_last_member() {
    let good = gzip(&tar(&[file("a", "1")]));
    for tail in [1, 512, 10_240] {
        gzip_accepted(&[&good[..], &vec![0; tail]].concat(), &["a=1"]);
    }
    gzip_refused(&[&good[..], &vec![0; 10_241]].concat(), Kind::Unsafe, "follows the last member");
    gzip_refused(&[&good[..], b"garbage of some length"].concat(), Kind::Unsafe, "follows the last member");
    gzip_refused(&[&good[..], &good[..5]].concat(), Kind::Unsafe, "truncated in a header");
    gzip_refused(&[&good[..], b"\0\0\x1f\x8b"].concat(), Kind::Unsafe, "follows the last member");
    gzip_refused(&[&good[..], &[0; 100], &good].concat(), Kind::Unsafe, "follows the last member");
    let random: Vec<u8> = (1..200_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    gzip_refused(&[&good[..], &random].concat(), Kind::Unsafe, "corrupt: data follows the last member");
}

#[test]
fn g_07_corrupt_streams() {
    let good = gzip(&tar(&[file("a", "1")]));
    let end = good.len();
    let flipped = |place: usize| {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        bytes
    };
    gzip_refused(&flipped(end - 8), Kind::Unsafe, "CRC is wrong");
    gzip_refused(&flipped(end - 4), Kind::Unsafe, "length is wrong");
    for cut in [1, 7, 8] {
        gzip_refused(&good[..end - cut], Kind::Unsafe, "truncated in a trailer");
    }
    gzip_refused(&good[..end - 9], Kind::Unsafe, "truncated");
    gzip_refused(&good[..20], Kind::Unsafe, "truncated");
    let mut reserved = good.clone();
    reserved[10] |= 0b110;
    gzip_refused(&reserved, Kind::Unsafe, "corrupt");
    // FDICT is a flag of zlib's header, which gzip has not; where its flags are, this one is reserved.
    let mut dictionary = good.clone();
    dictionary[3] |= 0x20;
    gzip_refused(&dictionary, Kind::Unsafe, "flag of a member is not known");
    gzip_refused(&[&[0x78, 0xbb, 0, 0, 0, 1][..], &good[10..]].concat(), Kind::Protocol, "something else");
    // All entries could be read by then, and what was there stays as it was.
    let world = World::new();
    world.pull(&options(), &[(TAR, &tar(&[file("a", "old"), file("kept", "1")]))]).unwrap();
    for existing in [Existing::Merge, Existing::Replace] {
        for (place, words) in [(end - 8, "CRC is wrong"), (end - 4, "length is wrong")] {
            let options = UnpackOptions { existing, ..options() };
            let error = world.pull(&options, &[(GZIP, &flipped(place))]).unwrap_err();
            assert!(error.message().contains(words), "{error}");
            assert_eq!(tree(&world.dest()), ["a=old", "kept=1"]);
        }
    }
    world.check();
    // Also where the stream goes on for long after the archive's end (T-52).
    let mut late = gzip(&[tar(&[file("a", "1")]), vec![0; 5 << 20]].concat());
    gzip_accepted(&late, &["a=1"]);
    let crc = late.len() - 8;
    late[crc] ^= 1;
    gzip_refused(&late, Kind::Unsafe, "CRC is wrong");
    gzip_accepted(&good, &["a=1"]);
}

/// Gives some bytes; then fails, or cancels the operation and gives the others.
struct Stops<'a>(&'a [u8], std::result::Result<(&'a [u8], &'a Operation), Kind>);

impl Read for Stops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match &mut self.1 {
            Err(kind) if self.0.is_empty() => {
                return Err(cldoci::Error::new(*kind, "the connection was cut").into());
            }
            Ok((rest, operation)) if self.0.is_empty() => {
                operation.cancel();
                self.0 = std::mem::take(rest);
            }
            _ => {}
        }
        self.0.read(buffer)
    }
}

#[test]
fn g_08_an_input_that_fails_or_a_cancel_at_every_byte() {
    let mut body = Vec::new();
    for n in 0..1500_u32 {
        body.extend_from_slice(&n.wrapping_mul(2_654_435_761).to_le_bytes());
    }
    let bytes = gzip(&tar(&[file("a", &body[..4000])]));
    assert!(bytes.len() > 4096);
    let world = World::new();
    for at in 0..bytes.len() {
        let layer = Descriptor::of(GZIP, &bytes);
        let options = UnpackOptions { threads: 1, ..options() };
        let mut staging = Staging::prepare(&world.dest(), &options).unwrap();
        let mut fails = Stops(&bytes[..at], Err(Kind::Network));
        let error = staging.unpack(&layer, &mut fails, &Operation::new()).unwrap_err();
        assert_eq!(error.kind(), Kind::Network, "at {at}: {error}");
        drop(staging);
        let operation = Operation::new();
        let mut staging = Staging::prepare(&world.dest(), &options).unwrap();
        let mut cancels = Stops(&bytes[..at], Ok((&bytes[at..], &operation)));
        let result = staging.unpack(&layer, &mut cancels, &operation);
        let error = result.and_then(|_| staging.publish(&operation)).unwrap_err();
        assert_eq!(error.kind(), Kind::Cancelled, "at {at}: {error}");
        assert!(!world.dest().exists());
    }
    world.check();
    world.pull(&options(), &[(GZIP, &bytes)]).unwrap();
    assert_eq!(std::fs::read(world.dest().join("a")).unwrap(), body[..4000]);
}

#[test]
fn g_09_bytes_that_are_not_what_the_media_type_says() {
    let archive = tar(&[file("a", "1")]);
    let zipped = gzip(&archive);
    let zstd = [0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0];
    let xz = [0xfd, b'7', b'z', b'X', b'Z', 0, 0, 0];
    for (media_type, bytes, words) in [
        (GZIP, &archive[..], "something else"),
        (GZIP, &zstd, "zstd"),
        (GZIP, &xz, "xz"),
        (GZIP, b"BZh91AY&SY", "bzip2"),
        (GZIP, b"", "no bytes"),
        (TAR, b"", "empty"),
        // Shorter than a block of tar, too.
        (TAR, &zipped, "bytes are gzip"),
        (TAR, &zstd, "bytes are zstd"),
        (TAR, &xz, "bytes are xz"),
        (TAR, b"BZh91AY&SY", "bytes are bzip2"),
        (ZSTD, b"", "no bytes"),
        (ZSTD, &zipped, "gzip"),
        (ZSTD, &archive, "something else"),
        (ZSTD, &xz, "xz"),
        (ZSTD, b"BZh91AY&SY", "bzip2"),
    ] {
        let world = World::new();
        let error = world.pull(&options(), &[(media_type, bytes)]).expect_err(words);
        assert!(error.kind() == Kind::Protocol && error.message().contains(words), "{words}: {error:?}");
        assert!(error.message().contains("media type"), "{error}");
        world.check();
    }
    for (media_type, bytes) in [(TAR, archive.clone()), (GZIP, zipped.clone()), (ZSTD, self::zstd(&archive))]
    {
        let world = World::new();
        world.pull(&options(), &[(media_type, &bytes)]).unwrap();
        assert_eq!(tree(&world.dest()), ["a=1"]);
        // The same bytes with a title are a file, whatever their type.
        let mut layer = Descriptor::of(media_type, &bytes);
        layer.annotations.insert(media_type::ANNOTATION_TITLE.to_owned(), "f".to_owned());
        let world = World::new();
        world.pull_described(&options(), &[(layer.clone(), &bytes)]).unwrap();
        assert!(std::fs::read(world.dest().join("f")).unwrap() == bytes);
        layer.annotations.insert(media_type::ANNOTATION_UNPACK.to_owned(), "true".to_owned());
        let world = World::new();
        let result = world.pull_described(&options(), &[(layer, &bytes)]);
        match media_type {
            // oras unpacks what is tar through gzip, whatever it is called.
            TAR => assert_eq!(kind(&result), Some(Kind::Protocol)),
            _ => assert_eq!(tree(&world.dest()), ["a=1"]),
        }
    }
    let padded = [&zipped[..], &vec![0; 1024]].concat();
    refused(&padded, Kind::Protocol, "bytes are gzip");
    let world = World::new();
    let error = world.pull(&options(), &[("application/json", b"{}")]).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
}

#[test]
fn zstd_layers() {
    let archive = tar(&[file("a", "1"), file("b", vec![b'x'; 300_000])]);
    let frame =
        |bytes: &[u8]| ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    let (head, tail) = archive.split_at(700);
    let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    for bytes in [
        frame(&archive),
        [frame(head), skippable.clone(), frame(tail)].concat(),
        [skippable.clone(), frame(&archive), skippable.clone()].concat(),
    ] {
        let world = World::new();
        world.pull(&options(), &[(ZSTD, &bytes)]).unwrap();
        assert_eq!(tree(&world.dest()).len(), 2);
        assert_eq!(std::fs::read(world.dest().join("b")).unwrap(), vec![b'x'; 300_000]);
        world.check();
    }
    let whole = frame(&archive);
    for (bytes, kind, words) in [
        (whole[..whole.len() - 3].to_vec(), Kind::Unsafe, "corrupt"),
        ([&whole[..], b"garbage"].concat(), Kind::Unsafe, "follows the last frame"),
    ] {
        let world = World::new();
        let error = world.pull(&options(), &[(ZSTD, &bytes)]).expect_err(words);
        assert!(error.kind() == kind && error.message().contains(words), "{words}: {error:?}");
        world.check();
    }
}

/// Content that is not the same all over, so that blocks have different sizes.
pub(crate) fn content(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut bytes = Vec::with_capacity(length + 16);
    while bytes.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.extend_from_slice(format!("{:x} ", state >> (bytes.len() >> 18 & 15)).as_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The archive in blocks of 1 MiB, with its table.
pub(crate) fn in_blocks(archive: &[u8]) -> (Vec<u8>, Vec<u64>) {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut sizes = Vec::new();
    let blocks: Vec<_> = archive.chunks(1 << 20).collect();
    for (n, block) in blocks.iter().enumerate() {
        let start = bytes.len();
        let mut deflate = flate2::Compress::new(flate2::Compression::new(5), false);
        let last = n + 1 == blocks.len();
        let flush = if last { flate2::FlushCompress::Finish } else { flate2::FlushCompress::Full };
        bytes.reserve(2 << 20);
        deflate.compress_vec(block, &mut bytes, flush).unwrap();
        sizes.push((bytes.len() - start) as u64);
    }
    let mut crc = flate2::Crc::new();
    crc.update(archive);
    bytes.extend_from_slice(&crc.sum().to_le_bytes());
    bytes.extend_from_slice(&(archive.len() as u32).to_le_bytes());
    (bytes, sizes)
}

pub(crate) fn described(bytes: &[u8], sizes: &[u64]) -> Descriptor {
    use base64::Engine;
    let mut leb = Vec::new();
    for &size in sizes {
        let mut size = size;
        while size >= 0x80 {
            leb.push(size as u8 | 0x80);
            size >>= 7;
        }
        leb.push(size as u8);
    }
    let table = format!("20:0:{}", base64::engine::general_purpose::STANDARD.encode(leb));
    let mut layer = Descriptor::of(GZIP, bytes);
    layer.annotations.insert(media_type::ANNOTATION_BLOCKS.to_owned(), table);
    layer
}

#[test]
fn blocks_are_inflated_on_all_cores_and_a_wrong_table_only_costs_time() {
    let body = content(9_500_000);
    let archive = tar(&[file("big", &body), file("small", "x")]);
    let (bytes, sizes) = in_blocks(&archive);
    let pull = |sizes: &[u64], threads| {
        let world = World::new();
        let options = UnpackOptions { threads, ..options() };
        world.pull_described(&options, &[(described(&bytes, sizes), &bytes)]).unwrap();
        assert!(std::fs::read(world.dest().join("big")).unwrap() == body);
        assert_eq!(std::fs::read(world.dest().join("small")).unwrap(), b"x");
        world.check();
    };
    for threads in [1, 2, 5] {
        pull(&sizes, threads);
    }
    // Sizes that add up and are wrong: from the first, in the middle, at the end, everywhere.
    for (a, b) in [(0, 1), (4, 5), (8, 9)] {
        let mut wrong = sizes.clone();
        wrong[a] -= 1;
        wrong[b] += 1;
        pull(&wrong, 2);
    }
    let total: u64 = sizes.iter().sum();
    let even = total / 10;
    let mut wrong = vec![even; 9];
    wrong.push(total - 9 * even);
    pull(&wrong, 2);
    pull(&[1, total - 1], 2);
    // A table for content that is not in blocks: each one refers to what is before it.
    let plain = gzip(&archive);
    let total = plain.len() as u64 - 18;
    let mut sizes = vec![total / 10; 9];
    sizes.push(total - total / 10 * 9);
    let world = World::new();
    world.pull_described(&options(), &[(described(&plain, &sizes), &plain)]).unwrap();
    assert!(std::fs::read(world.dest().join("big")).unwrap() == body);
}

#[test]
fn g_07_blocks_that_are_corrupt_are_found() {
    let archive = tar(&[file("big", content(3_500_000))]);
    let (bytes, sizes) = in_blocks(&archive);
    for place in [12, bytes.len() / 2, bytes.len() - 20, bytes.len() - 8, bytes.len() - 1] {
        let mut bytes = bytes.clone();
        bytes[place] ^= 0x10;
        let world = World::new();
        let error = world.pull_described(&options(), &[(described(&bytes, &sizes), &bytes)]).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsafe, "{error}");
        assert!(!world.dest().exists());
        world.check();
    }
    let cut = &bytes[..bytes.len() - 3000];
    let mut layer = described(&bytes, &sizes);
    let world = World::new();
    let error = world.pull_described(&options(), &[(layer.clone(), cut)]).unwrap_err();
    assert!(error.kind() == Kind::Unsafe && error.message().contains("truncated"), "{error}");
    // A second member behind the blocks is found too.
    let more = [&bytes[..], &gzip(&tar(&[file("b", "2")]))].concat();
    layer.size = bytes.len() as u64;
    let error = world.pull_described(&options(), &[(layer, &more)]).unwrap_err();
    assert!(error.message().contains("follows the end"), "{error}");
    world.check();
}

/// Small layers are unpacked without threads, unless they hold more than fits into memory at once.
#[test]
fn a_small_layer_becomes_the_same_tree_however_much_it_holds() {
    let want = |count: usize| (0..count).map(|n| format!("{n:03}")).collect::<Vec<_>>();
    // Up to 1 MiB of content, a little more, and a file on both sides of that.
    for (count, length) in [(3, 10), (30, 33_000), (31, 33_000), (40, 33_000), (2, 700_000), (1, 5 << 20)] {
        let content = "x".repeat(length);
        let files: Vec<_> = want(count).iter().map(|name| file(name, &content)).collect();
        let archive = tar(&files);
        let forms = [(GZIP, gzip(&archive)), (ZSTD, zstd(&archive)), (TAR, archive.clone())];
        for (media_type, bytes) in forms {
            for last_wins in [false, true] {
                let world = World::new();
                let options = UnpackOptions { hash_content: true, last_wins, ..options() };
                let mut staging = Staging::prepare(&world.dest(), &options).unwrap();
                let layer = Descriptor::of(media_type, &bytes);
                let found = staging.unpack(&layer, &mut &bytes[..], &Operation::new()).unwrap();
                assert_eq!(found, Some(Digest::of(&archive)), "{media_type} {count} {length}");
                staging.publish(&Operation::new()).unwrap();
                let mut names: Vec<_> = std::fs::read_dir(world.dest())
                    .unwrap()
                    .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                    .collect();
                names.sort();
                assert_eq!(names, want(count));
                for name in names {
                    assert!(std::fs::read(world.dest().join(name)).unwrap() == content.as_bytes());
                }
                world.check();
            }
        }
    }
}

#[test]
fn several_layers_a_later_one_over_an_earlier_one() {
    both_ways(|options| {
        let world = World::new();
        let first = tar(&[dir("d"), file("d/a", "1"), file("d/b", "1"), link("l", "d/a"), file("top", "1")]);
        let second = tar(&[file("d/a", "2"), file("d/e/f", "2"), link("l", "d/b"), file(".wh.top", "")]);
        let third = tar(&[file("d/e/f", "3")]);
        let layers = [(TAR, &first[..]), (GZIP, &gzip(&second)), (TAR, &third)];
        world.pull(&options, &layers).unwrap();
        let want = [".wh.top=", "d/", "d/a=2", "d/b=1", "d/e/", "d/e/f=3", "l -> d/b", "top=1"];
        assert_eq!(tree(&world.dest()), want);
        world.check();
        for (second, words) in [
            (file("d", "x"), "'d' would be a file, there is a directory"),
            (dir("top"), "'top' would be a directory, there is a file"),
            (file("l", "x"), "'l' would be a file, there is a symbolic link"),
            (file("l/x", "x"), "'l' would be a directory, there is a symbolic link"),
        ] {
            let world = World::new();
            let error = world.pull(&options, &[(TAR, &first), (TAR, &tar(&[second]))]).unwrap_err();
            assert!(error.kind() == Kind::Unsafe && error.message().contains(words), "{error}");
            world.check();
        }
        // Links that leave only together, over two layers.
        let world = World::new();
        let (one, two) = (tar(&[dir("a/b/s"), link("a/l", "b/s/..")]), tar(&[link("up", "a/b/s/../..")]));
        world.pull(&options, &[(TAR, &one), (TAR, &two)]).unwrap();
        let world = World::new();
        let (one, two) = (tar(&[dir("a/b"), link("a/b/up", "../..")]), tar(&[link("a/l", "b/up/..")]));
        let error = world.pull(&options, &[(TAR, &one), (TAR, &two)]).unwrap_err();
        assert!(error.kind() == Kind::Unsafe && error.message().contains("through other links"), "{error}");
        world.check();
    });
}

#[test]
fn layers_that_are_files() {
    let titled = |title: &str, bytes: &[u8]| {
        let mut layer = Descriptor::of("application/vnd.oci.image.layer.v1.tar", bytes);
        layer.annotations.insert(media_type::ANNOTATION_TITLE.to_owned(), title.to_owned());
        layer
    };
    both_ways(|options| {
        let world = World::new();
        let large = content(1_000_000);
        let layers = [
            (titled("a/b.txt", b"1"), &b"1"[..]),
            (titled("large", &large), &large),
            (titled("a/b.txt", b"22"), b"22"),
            (titled("empty", b""), b""),
        ];
        world.pull_described(&options, &layers).unwrap();
        let lines = tree(&world.dest());
        assert_eq!(lines[..3], ["a/", "a/b.txt=22", "empty="]);
        assert!(std::fs::read(world.dest().join("large")).unwrap() == large);
        let world = World::new();
        let limit = UnpackOptions { max_unpacked_bytes: 999_999, ..options.clone() };
        let error = world.pull_described(&limit, &[(titled("large", &large), &large)]);
        assert_eq!(kind(&error), Some(Kind::Limit));
        let long = "x".repeat(1 << 20);
        for title in ["../x", "/etc/x", "C:\\x", ".", "a/../b", "a\\b", "", &long] {
            let error = world.pull_described(&options, &[(titled(title, b"1"), b"1")]).unwrap_err();
            let wanted = if title.len() > 255 { Kind::Limit } else { Kind::Unsafe };
            assert_eq!(error.kind(), wanted, "t_17 {error}");
            assert!(error.message().starts_with("title annotation '"), "t_17 {error}");
        }
        world.check();
    });
}

#[test]
fn input_in_single_bytes_gives_the_same_tree() {
    struct Slow<R>(R);
    impl<R: Read> Read for Slow<R> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let one = buffer.len().min(1);
            self.0.read(&mut buffer[..one])
        }
    }
    let archive = tar(&[file("a", content(5000)), dir("d"), file("d/b", "x")]);
    for (media_type, bytes) in [(TAR, archive.clone()), (GZIP, gzip(&archive))] {
        let world = World::new();
        let operation = Operation::new();
        let options = UnpackOptions { existing: Existing::Refuse, ..options() };
        let mut staging = Staging::prepare(&world.dest(), &options).unwrap();
        let layer = Descriptor::of(media_type, &bytes);
        staging.unpack(&layer, &mut Slow(Cursor::new(&bytes)), &operation).unwrap();
        staging.publish(&operation).unwrap();
        assert_eq!(std::fs::read(world.dest().join("a")).unwrap(), content(5000));
        assert_eq!(operation.progress().entries_done, 3);
        world.check();
    }
}
