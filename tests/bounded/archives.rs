//! Archives that are far larger unpacked than packed, or made of very many pieces.

use std::io::{Cursor, Read};
use std::path::Path;

use cldoci::archive::{Staging, UnpackOptions};
use cldoci::oci::{Descriptor, Digest};
use cldoci::{Kind, Operation, Result};

use crate::allocator::{Alone, Used, alone};
use crate::harness::archive::*;

const MIB: usize = 1 << 20;
/// What two threads may need for one layer; the whole process may have 24 MiB and 4 MiB for each core.
const MOST: usize = 16 * MIB;

/// A piece of an input: some bytes, so many times.
type Piece = (Vec<u8>, u64);

/// Pieces one after another, without ever being in memory as a whole.
struct Pieces(Vec<Piece>, Cursor<Vec<u8>>);

impl Pieces {
    fn new(mut pieces: Vec<Piece>) -> Self {
        pieces.reverse();
        Self(pieces, Cursor::new(Vec::new()))
    }
    fn length(pieces: &[Piece]) -> u64 {
        pieces.iter().map(|(bytes, times)| bytes.len() as u64 * times).sum()
    }
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let count = self.1.read(into)?;
            if count > 0 || into.is_empty() {
                return Ok(count);
            }
            match self.0.last_mut() {
                None => return Ok(0),
                Some((_, 0)) => drop(self.0.pop()),
                Some((_, times)) if *times > 0 && self.1.get_ref().is_empty() => {
                    *times -= 1;
                    self.1 = Cursor::new(self.0.last().unwrap().0.clone());
                }
                Some((bytes, times)) => {
                    *times -= 1;
                    // The same buffer again: nothing is allocated for a repetition.
                    self.1.set_position(0);
                    if self.1.get_ref() != bytes {
                        self.1 = Cursor::new(bytes.clone());
                    }
                }
            }
        }
    }
}

/// The pieces of one gzip member with this content, each a block of its own.
fn gzip_of(content: &[Piece]) -> Vec<Piece> {
    let mut pieces = vec![(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff], 1)];
    let mut whole = flate2::Crc::new();
    for (bytes, times) in content {
        let mut packed = Vec::with_capacity(bytes.len() + 1024);
        flate2::Compress::new(flate2::Compression::new(9), false)
            .compress_vec(bytes, &mut packed, flate2::FlushCompress::Full)
            .unwrap();
        pieces.push((packed, *times));
        let mut one = flate2::Crc::new();
        one.update(bytes);
        for _ in 0..*times {
            whole.combine(&one);
        }
    }
    let mut end = vec![3, 0];
    end.extend_from_slice(&whole.sum().to_le_bytes());
    end.extend_from_slice(&whole.amount().to_le_bytes());
    pieces.push((end, 1));
    pieces
}

/// What unpacking gives and costs, and the bytes that lay on the disk when it ended.
fn unpack(
    alone: &Alone,
    options: &UnpackOptions,
    media_type: &str,
    pieces: Vec<Piece>,
) -> (Result<()>, Used, u64) {
    let world = World::new();
    let layer = Descriptor::new(media_type, Digest::of(b"not looked at here"), Pieces::length(&pieces));
    let mut input = Pieces::new(pieces);
    let mut disk = 0;
    let (result, used) = alone.measured(|| {
        let mut staging = Staging::prepare(&world.dest(), options)?;
        let result = staging.unpack(&layer, &mut input, &Operation::new());
        disk = bytes_below(world.root.path());
        result?;
        staging.publish(&Operation::new())
    });
    assert_eq!(world.dest().exists(), result.is_ok());
    world.check();
    (result, used, disk)
}

fn bytes_below(directory: &Path) -> u64 {
    let mut sum = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        sum += if metadata.is_dir() { bytes_below(&entry.path()) } else { metadata.len() };
    }
    sum
}

fn refused(
    alone: &Alone,
    pieces: Vec<Piece>,
    options: &UnpackOptions,
    kind: Kind,
    words: &str,
) -> (Used, u64) {
    let (result, used, disk) = unpack(alone, options, GZIP, pieces);
    let error = result.expect_err(words);
    assert!(error.kind() == kind && error.message().contains(words), "{kind:?} '{words}': {error:?}");
    assert!(used.peak <= MOST, "{words}: {used:?}");
    (used, disk)
}

fn accepted(alone: &Alone, pieces: Vec<Piece>, options: &UnpackOptions) -> Used {
    let (result, used, _) = unpack(alone, options, GZIP, pieces);
    result.unwrap();
    assert!(used.peak <= MOST, "{used:?}");
    used
}

fn zeros(mib: u64) -> Piece {
    (vec![0; MIB], mib)
}

/// The header of a file of so many MiB.
fn header(mib: u64) -> Vec<u8> {
    let mut size = [0; 12];
    size[0] = 0x80;
    size[4..].copy_from_slice(&(mib << 20).to_be_bytes());
    Entry { size: Some(size), ..Entry::new("zeros", b'0') }.header().to_vec()
}

#[test]
fn g_01_ten_mb_that_are_ten_gb() {
    let alone = alone();
    let bomb = gzip_of(&[(header(10 << 10), 1), zeros(10 << 10), (vec![0; 1024], 1)]);
    let length = Pieces::length(&bomb);
    assert!((9_000_000..12_000_000).contains(&length), "{length}");
    let limit = 64 << 20;
    let options = UnpackOptions { max_unpacked_bytes: limit, ..options() };
    let (used, disk) = refused(&alone, bomb, &options, Kind::Limit, "max_unpacked_bytes 67108864");
    assert!(disk <= limit && used.largest <= MIB, "{disk} {used:?}");
    // The same form with less in it is a file like any other.
    let used = accepted(&alone, gzip_of(&[(header(63), 1), zeros(63), (vec![0; 1024], 1)]), &options);
    assert!(used.largest <= MIB, "{used:?}");
}

#[test]
fn g_05_headers_and_members_without_end() {
    let alone = alone();
    let archive = gzip(&tar(&[file("a", "1")]));
    let empty = gzip(b"");
    let (used, _) = refused(
        &alone,
        vec![(empty.clone(), 1_000_000), (archive.clone(), 1)],
        &options(),
        Kind::Limit,
        "empty gzip members",
    );
    assert!(used.largest <= MIB, "{used:?}");
    accepted(&alone, vec![(empty.clone(), 10_000), (archive.clone(), 1)], &options());
    // FNAME and FCOMMENT end at a NUL, after 64 MiB here; FEXTRA says its own length, 64 KiB at most, so that
    // 64 MiB of it take a thousand members.
    let (head, rest) = archive.split_at(10);
    for flag in [8, 16] {
        let mut head = head.to_vec();
        head[3] = flag;
        let long = vec![(head, 1), (vec![b'n'; MIB], 64), ([b"\0", rest].concat(), 1)];
        let (used, _) = refused(&alone, long, &options(), Kind::Limit, "name or comment");
        assert!(used.largest <= MIB, "{used:?}");
    }
    let mut member = empty[..10].to_vec();
    member[3] = 4;
    member.extend_from_slice(&[0xff, 0xff]);
    member.resize(member.len() + 0xffff, 7);
    member.extend_from_slice(&empty[10..]);
    let used = accepted(&alone, vec![(member, 1025), (archive, 1)], &options());
    assert!(used.largest <= MIB, "{used:?}");
}

#[test]
fn t_48_an_extension_of_8_gib() {
    let alone = alone();
    for flag in [b'L', b'K', b'x', b'g'] {
        let mut size = [0; 12];
        size[0] = 0x80;
        size[4..].copy_from_slice(&(8_u64 << 30).to_be_bytes());
        let header = Entry { size: Some(size), magic: GNU, ..Entry::new("././@LongLink", flag) }.header();
        let bomb = gzip_of(&[(header.to_vec(), 1), zeros(8 << 10), (file("f", "x"), 1), (vec![0; 1024], 1)]);
        let length = Pieces::length(&bomb);
        assert!((7_000_000..10_000_000).contains(&length), "{length}");
        let (used, _) = refused(&alone, bomb, &options(), Kind::Limit, "over 1048576");
        assert!(used.largest <= MIB, "{used:?}");
    }
    // As long as one may be, in pieces that do not add up to it evenly.
    let comment = vec![b'c'; MIB - "1048576 comment=\n".len()];
    let header = [file("first", "x"), pax(b'x', &[("comment", &comment)])].concat();
    assert_eq!(header.len(), 1024 + 512 + MIB);
    let used = accepted(&alone, vec![(gzip(&tar(&[header, file("f", "x")])), 1)], &options());
    assert!(used.largest <= MIB, "{used:?}");
    let options = UnpackOptions { max_depth: 400, ..options() };
    let name = "n/".repeat(400);
    let used = accepted(&alone, vec![(gzip(&tar(&[long(b'L', &name), dir("d")])), 1)], &options);
    assert!(used.largest <= MIB, "{used:?}");
}

#[test]
fn t_52_100_mib_of_zeros_after_the_end() {
    let alone = alone();
    let archive = tar(&[file("a", "1")]);
    let used = accepted(&alone, gzip_of(&[(archive.clone(), 1), zeros(100)]), &options());
    assert!(used.largest <= MIB, "{used:?}");
    let late = gzip_of(&[(archive, 1), zeros(100), (vec![1], 1)]);
    refused(&alone, late, &options(), Kind::Unsafe, "follows the end");
}

#[test]
fn t_32_entries_without_end() {
    const LIMIT: u64 = 50_000;
    let alone = alone();
    let options = UnpackOptions { max_entries: LIMIT, ..options() };
    let words = "max_entries 50000";
    // Extension headers count too. (Two of them before one entry are refused at once, T-45.)
    let pair = [pax(b'x', &[]), file("f", "")].concat();
    let last_wins = UnpackOptions { last_wins: true, ..options.clone() };
    let headers = |pairs: u64| gzip_of(&[(pair.clone(), pairs), (vec![0; 1024], 1)]);
    let (used, _) = refused(&alone, headers(LIMIT / 2 + 1), &last_wins, Kind::Limit, words);
    assert!(used.largest <= MIB, "{used:?}");
    accepted(&alone, headers(LIMIT / 2), &last_wins);
    let mut most = Vec::new();
    for (kind, count) in [(b'0', LIMIT + 1), (b'5', LIMIT + 1), (b'0', LIMIT / 10), (b'5', LIMIT / 10)] {
        let entries = |from: u64, to: u64| -> Vec<u8> {
            (from..to)
                .flat_map(|n| Entry { mode: 0o755, ..Entry::new(format!("{}/{n}", n / 1000), kind) }.bytes())
                .collect()
        };
        let mut pieces = Vec::new();
        for from in (0..count).step_by(1000) {
            pieces.push((entries(from, count.min(from + 1000)), 1));
        }
        pieces.push((vec![0; 1024], 1));
        let packed = gzip_of(&pieces);
        drop(pieces);
        let used = if count > LIMIT {
            refused(&alone, packed, &options, Kind::Limit, words).0
        } else {
            accepted(&alone, packed, &options)
        };
        assert!(used.largest <= MIB, "{used:?}");
        most.push(used.peak);
    }
    // Ten times as many entries, and no more memory but for what differs from run to run.
    assert!(most[0] <= most[2] + MIB && most[1] <= most[3] + MIB, "{most:?}");
}
