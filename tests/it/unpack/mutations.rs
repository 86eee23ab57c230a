//! Archives that are bent at random, at the level of tar and of what it is packed in, the same in every run: whatever
//! comes of one, nothing outside the destination changes, and the destination is whole or as it was.
//! `PROPTEST_CASES` above its 256 tries as many times more, and others with each number (`make soak`).

use std::io::Read;

use cldoci::Kind;
use cldoci::archive::{Confinement, UnpackOptions};
use cldoci::oci::{Descriptor, Digest, media_type};
use cldoci::options::Existing;

use super::encodings::{content, described, in_blocks, zstd};
use crate::fuzz_corpus::targets::harmless::is_harmless;
use crate::harness::archive::*;
use crate::harness::random::Random;

impl Random {
    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// Entries of every type, some of which don't fit together; a few of them are taken each time.
fn entries() -> Vec<Vec<u8>> {
    let special = |flag| Entry { body: file("hidden", "x"), ..Entry::new("special", flag) }.bytes();
    vec![
        dir("./"),
        dir("d"),
        dir("d/e/"),
        file("a", "1234"),
        file("d/a", "x".repeat(600)),
        file("d/e/f/g", ""),
        file("large", "0123456789abcdef".repeat(40_000)),
        link("l", "d/a"),
        link("d/up", "../a"),
        link("d/e/top", "../.."),
        link("through", "l"),
        link("d/e/dangling", "nothing/here"),
        hardlink("h", "a"),
        hardlink("d/h", "d/a"),
        [pax(b'x', &[("path", b"d/pax"), ("size", b"3"), ("mtime", b"5.5")]), file("short", "abc")].concat(),
        [pax(b'x', &[("linkpath", b"../a"), ("path", b"d/link")]), link("short", "x")].concat(),
        [long(b'L', "d/long"), file("cut", "x")].concat(),
        [long(b'K', "d/a"), link("k", "x")].concat(),
        pax(b'g', &[("comment", b"of all")]),
        Entry { magic: V7, body: b"old".to_vec(), ..Entry::new("v", 0) }.bytes(),
        Entry { prefix: b"pre/fix".to_vec(), ..Entry::new("u", b'0') }.bytes(),
        special(b'7'),
        special(b'Z'),
        Entry::new("fifo", b'6').bytes(),
    ]
}

/// Bytes that mean something in names, sizes, types and lengths.
const VALUES: &[u8] = b"\0\0 0127/../\\ax5LKgS9\n=\x1f\x8b\x28\x7f\x80\xfe\xff";

/// Bends an archive in place, and seals most of the headers it touched.
fn bend(random: &mut Random, archive: &mut Vec<u8>) {
    // Where fields of a header begin and end.
    const FIELDS: [usize; 20] =
        [0, 1, 2, 99, 100, 107, 124, 134, 135, 136, 156, 157, 158, 256, 257, 263, 264, 345, 386, 499];
    for _ in 0..1 + random.below(4) {
        let blocks = archive.len() / 512;
        let at = random.below(blocks) * 512;
        match random.below(12) {
            0 => archive.truncate(random.below(archive.len())),
            1 => drop(archive.drain(at..at + 512)),
            2 => {
                let block = archive[at..at + 512].to_vec();
                let to = random.below(blocks) * 512;
                archive.splice(to..to, block);
            }
            3 => {
                let to = random.below(blocks) * 512;
                for n in 0..512 {
                    archive.swap(at + n, to + n);
                }
            }
            4 => archive.insert(random.below(archive.len()), 0),
            5 => {
                let name: &[u8] = random.of(&[
                    b"../x\0",
                    b"/x\0\0",
                    b"..\0\0",
                    b"d/..\0",
                    b"l/x\0",
                    b"d/up/x\0",
                    b"a/b\0",
                    b"./\0\0",
                    b"\0\0\0\0",
                ]);
                let field = random.of(&[0, 157, 345]);
                archive[at + field..at + field + name.len()].copy_from_slice(name);
            }
            _ => {
                let place = if random.one_in(3) { random.below(512) } else { random.of(&FIELDS) };
                archive[at + place] = if random.one_in(4) {
                    archive[at + place] ^ 1 << random.below(8)
                } else {
                    random.of(VALUES)
                };
            }
        }
        if archive.len() < 512 {
            return;
        }
        if at + 512 <= archive.len()
            && archive[at..at + 512].iter().any(|&byte| byte != 0)
            && !random.one_in(8)
        {
            seal(&mut archive[at..at + 512]);
        }
    }
}

/// Bends bytes that a checksum protects from nobody: flips, cuts, doubles, inserts.
fn bend_packed(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..1 + random.below(3) {
        // Mostly where the structure is: at the beginning and the end.
        let place = match random.below(4) {
            0 => random.below(bytes.len().min(24)),
            1 => bytes.len() - 1 - random.below(bytes.len().min(24)),
            _ => random.below(bytes.len()),
        };
        match random.below(8) {
            0 => bytes.truncate(place + 1),
            1 => drop(bytes.drain(place..(place + 1 + random.below(40)).min(bytes.len() - 1).max(place))),
            2 => {
                let from = random.below(bytes.len());
                let piece = bytes[from..(from + random.below(200)).min(bytes.len())].to_vec();
                bytes.splice(place..place, piece);
            }
            3 => bytes.insert(place, random.of(VALUES)),
            4 => bytes[place] = random.of(VALUES),
            _ => bytes[place] ^= 1 << random.below(8),
        }
        if bytes.len() < 8 {
            return;
        }
    }
}

/// So many rounds by default, and chance for them.
fn rounds(usual: usize, seed: u64) -> (usize, Random) {
    let cases: usize = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(256);
    (usual * (cases / 256).clamp(1, 64), Random(seed + cases as u64))
}

/// How many of the layers were taken.
fn pull_all(mut random: Random, rounds: usize, make: impl Fn(&mut Random) -> (Descriptor, Vec<u8>)) -> usize {
    let mut taken = 0;
    let world = World::new();
    let root = world.root.path().canonicalize().unwrap().join("dest");
    for round in 0..rounds {
        let (layer, bytes) = make(&mut random);
        let existing = random.of(&[Existing::Refuse, Existing::Refuse, Existing::Merge, Existing::Replace]);
        let options = UnpackOptions {
            confinement: random.of(&[Confinement::Kernel, Confinement::Components]),
            existing,
            threads: 1 + random.below(3),
            skip_special: random.one_in(2),
            last_wins: random.one_in(3),
            strip_leading_slash: random.one_in(4),
            lenient_end: random.one_in(3),
            preserve_mtime: random.one_in(3),
            max_unpacked_bytes: 8 << 20,
            max_entries: 200,
            ..options()
        };
        let before = (existing != Existing::Refuse).then(|| {
            for (name, content) in [("a", "old"), ("d/e/f/g", "old"), ("kept", "old")] {
                let path = world.dest().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, content).unwrap();
            }
            tree(&world.dest())
        });
        match world.pull_described(&options, &[(layer, &bytes)]) {
            Ok(warnings) => {
                taken += 1;
                assert!(warnings.iter().all(|warning| !warning.contains(['\n', '\x1b'])), "{warnings:?}");
                is_harmless(&root, &root);
            }
            Err(error) => {
                let known = [Kind::Unsafe, Kind::Limit, Kind::Protocol, Kind::Exists];
                assert!(known.contains(&error.kind()), "round {round}: {error:?}");
                assert!(!error.message().contains(['\n', '\x1b']), "round {round}: {error:?}");
                let now = world.dest().exists().then(|| tree(&world.dest()));
                assert_eq!(now, before, "round {round}: {error:?}");
            }
        }
        world.check();
        if world.dest().exists() {
            std::fs::remove_dir_all(world.dest()).unwrap();
        }
    }
    taken
}

#[test]
fn bent_archives_change_nothing_outside() {
    let entries = entries();
    let (rounds, random) = rounds(600, 1);
    let taken = pull_all(random, rounds, |random| {
        let some: Vec<Vec<u8>> =
            (0..1 + random.below(8)).map(|_| entries[random.below(entries.len())].clone()).collect();
        let mut archive = tar(&some);
        bend(random, &mut archive);
        let (media_type, bytes) = match random.below(4) {
            0 => (GZIP, gzip(&archive)),
            1 => (ZSTD, zstd(&archive)),
            _ => (TAR, archive),
        };
        (Descriptor::of(media_type, &bytes), bytes)
    });
    assert!(taken > rounds / 30 && taken < rounds, "{taken} of {rounds} were taken");
}

#[test]
fn bent_streams_change_nothing_outside() {
    let archive = tar(&[dir("d"), file("d/a", "1"), link("l", "d/a"), file("d/noise", content(5000))]);
    let large = tar(&[file("big", content(2_500_000)), file("small", "x")]);
    let (blocks, sizes) = in_blocks(&large);
    let by_blocks = described(&blocks, &sizes);
    let member = gzip(&archive);
    let members = [gzip(&archive[..700]), gzip(b""), gzip(&archive[700..])].concat();
    let frames = [zstd(&archive[..700]), zstd(&archive[700..])].concat();
    let (rounds, random) = rounds(600, 2);
    let taken = pull_all(random, rounds, |random| {
        let (media_type, whole) = match random.below(16) {
            0 => (GZIP, &blocks),
            1..8 => (GZIP, &member),
            8..10 => (GZIP, &members),
            _ => (ZSTD, &frames),
        };
        let mut bytes = whole.clone();
        // The table of blocks alone is bent as well, which costs time and nothing else.
        if whole != &blocks || !random.one_in(3) {
            bend_packed(random, &mut bytes);
        }
        let mut layer = Descriptor::of(media_type, &bytes);
        if whole == &blocks {
            let mut table = by_blocks.annotations[media_type::ANNOTATION_BLOCKS].clone().into_bytes();
            if random.one_in(2) {
                bend_packed(random, &mut table);
            }
            let table = String::from_utf8_lossy(&table).into_owned();
            layer.annotations.insert(media_type::ANNOTATION_BLOCKS.to_owned(), table);
        }
        (layer, bytes)
    });
    assert!(taken < rounds / 4, "{taken} of {rounds} were taken");
}

/// Sizes of blocks that are not those of the layer; most of them add up.
fn lying(random: &mut Random, sizes: &[u64]) -> Vec<u64> {
    let mut sizes = sizes.to_vec();
    let (one, other) = (random.below(sizes.len()), random.below(sizes.len()));
    let piece = random.below(1 + usize::try_from(sizes[one]).unwrap()) as u64;
    match random.below(6) {
        0 => sizes.swap(one, other),
        1 => {
            sizes[one] -= piece;
            sizes[other] += piece;
        }
        2 => {
            sizes[one] -= piece;
            sizes.insert(other, piece);
        }
        3 => {
            let gone = sizes.remove(one);
            if let Some(last) = sizes.last_mut() {
                *last += gone;
            }
        }
        4 => sizes[one] = piece,
        _ => sizes.insert(one, 0),
    }
    sizes
}

#[test]
fn a_table_of_blocks_that_lies_changes_nothing_of_what_comes() {
    let body = content(1_300_000);
    let archive = tar(&[file("big", &body), file("small", "x")]);
    let (blocks, sizes) = in_blocks(&archive);
    let outcome = |layer: &Descriptor, bytes: &[u8], threads| {
        let world = World::new();
        let options = UnpackOptions { threads, ..options() };
        let pulled = world.pull_described(&options, &[(layer.clone(), bytes)]).map(drop);
        world.check();
        pulled.map(|()| Digest::of(&std::fs::read(world.dest().join("big")).unwrap()))
    };
    let (rounds, mut random) = rounds(2000, 3);
    for round in 0..rounds {
        let mut bytes = blocks.clone();
        let is_bent = random.one_in(4);
        if is_bent {
            bend_packed(&mut random, &mut bytes);
        }
        let mut layer = described(&bytes, &lying(&mut random, &sizes));
        if random.one_in(4) {
            let table = layer.annotations.get_mut(media_type::ANNOTATION_BLOCKS).unwrap();
            let mut text = table.clone().into_bytes();
            bend_packed(&mut random, &mut text);
            *table = String::from_utf8_lossy(&text).into_owned();
        }
        let with = outcome(&layer, &bytes, random.of(&[1, 2, 4])).map_err(|error| error.kind());
        if !is_bent {
            assert_eq!(with, Ok(Digest::of(&body)), "{round}");
            continue;
        }
        let without = outcome(&Descriptor::of(GZIP, &bytes), &bytes, 1).map_err(|error| error.kind());
        assert_eq!(with, without, "{round}");
        let mut plain = Vec::new();
        let read = flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain);
        if with.is_ok() {
            read.unwrap();
            assert!(plain.starts_with(&archive), "{round}");
        }
    }
}
