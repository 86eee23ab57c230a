//! One block of the tar to its bytes in the layer. These bytes are format version 1
//! (`docs/archive-format.md`): nothing here may change what comes out.

use libdeflater::{CompressionLvl, Compressor};

use super::blocks::BLOCK_SIZE;
use super::deflate_walk::{SLACK, Walker};
use crate::error::{Error, Kind, Result};

/// libdeflate's level.
const LEVEL: i32 = 5;
/// An empty stored block without its header bits.
const EMPTY_STORED: [u8; 4] = [0, 0, 0xff, 0xff];
/// The most bytes of one stored deflate block.
const STORED_LIMIT: usize = 65_535;

/// The rule for blocks that are stored: pieces whose bytes are counted, and samples that must not shrink.
const PIECES: usize = 64;
const PIECE_SIZE: usize = 256;
const FLATNESS_LIMIT: u64 = 25_600;
const SAMPLES: usize = 4;
const SAMPLE_SIZE: usize = 16 << 10;

/// Compresses blocks, each independent of all others. Public for the benchmark of this stage alone.
pub struct BlockCompressor {
    compressor: Compressor,
    walker: Walker,
}

impl BlockCompressor {
    /// With the format's level.
    pub fn new() -> Result<Self> {
        let level = CompressionLvl::new(LEVEL).map_err(|_| defect())?;
        Ok(Self { compressor: Compressor::new(level), walker: Walker::new() })
    }

    /// How large the output buffer for `length` bytes of tar must be.
    pub fn bound(&mut self, length: usize) -> usize {
        self.compressor.deflate_compress_bound(length) + EMPTY_STORED.len() + 1 + SLACK
    }

    /// Compresses `tar` into `out`, of at least [`Self::bound`] bytes, and says how many bytes it took.
    pub fn compress(&mut self, tar: &[u8], last: bool, out: &mut [u8]) -> Result<usize> {
        if tar.len() == BLOCK_SIZE && is_flat(tar) && !self.shrinks(tar, out) {
            return store(tar, last, out).ok_or_else(defect);
        }
        let limit = out.len().saturating_sub(EMPTY_STORED.len() + 1 + SLACK);
        let room = out.get_mut(..limit).ok_or_else(defect)?;
        let length = self.compressor.deflate_compress(tar, room).map_err(|_| defect())?;
        if last {
            return Ok(length);
        }
        self.join(out, length).ok_or_else(defect)
    }

    /// Whether any of the samples gets smaller.
    fn shrinks(&mut self, tar: &[u8], out: &mut [u8]) -> bool {
        let gap = (tar.len() - SAMPLE_SIZE) / SAMPLES / 2;
        (0..SAMPLES).filter_map(|n| tar.get(gap * (2 * n + 1)..)?.get(..SAMPLE_SIZE)).any(|sample| {
            self.compressor.deflate_compress(sample, out).is_ok_and(|length| length < sample.len())
        })
    }

    /// Makes the stream of `length` bytes in `out` one that another follows: clears the mark of its last
    /// block and ends it at a byte boundary by an empty stored block.
    fn join(&mut self, out: &mut [u8], length: usize) -> Option<usize> {
        let found = self.walker.walk(out, length)?;
        if found.end.div_ceil(8) != length {
            return None;
        }
        *out.get_mut(found.final_header / 8)? &= !(1 << (found.final_header % 8));
        // The three header bits of the empty block are zero, as the padding is, where that has room for them.
        let mut end = length;
        if !(1..=5).contains(&(found.end % 8)) {
            *out.get_mut(end)? = 0;
            end += 1;
        }
        let behind = end + EMPTY_STORED.len();
        out.get_mut(end..behind)?.copy_from_slice(&EMPTY_STORED);
        Some(behind)
    }
}

/// Whether the bytes of some pieces of a block are spread so evenly that it may be random: the squares of
/// their counts add up to little more than the least.
fn is_flat(tar: &[u8]) -> bool {
    let mut counts = [0_u64; 256];
    for piece in tar.chunks_exact(tar.len() / PIECES) {
        for &byte in piece.get(..PIECE_SIZE).unwrap_or_default() {
            if let Some(count) = counts.get_mut(usize::from(byte)) {
                *count += 1;
            }
        }
    }
    let squares: u64 = counts.iter().map(|count| count * count).sum();
    let least = (PIECES * PIECE_SIZE) as u64 * (PIECES * PIECE_SIZE) as u64 / 256;
    squares <= least + FLATNESS_LIMIT
}

/// The block in stored deflate blocks.
fn store(tar: &[u8], last: bool, out: &mut [u8]) -> Option<usize> {
    let mut end = 0;
    let mut put = |bytes: &[u8]| {
        out.get_mut(end..end + bytes.len())?.copy_from_slice(bytes);
        end += bytes.len();
        Some(end)
    };
    let chunks = tar.len().div_ceil(STORED_LIMIT);
    for (n, chunk) in (1..).zip(tar.chunks(STORED_LIMIT)) {
        let [low, high] = u16::try_from(chunk.len()).ok()?.to_le_bytes();
        put(&[u8::from(last && n == chunks), low, high, !low, !high])?;
        put(chunk)?;
    }
    if last { put(&[]) } else { put(&[0]).and_then(|_| put(&EMPTY_STORED)) }
}

fn defect() -> Error {
    Error::new(Kind::Internal, "the compressor gave a stream that can't be read back")
}

/// Bytes that look random and are the same everywhere.
#[cfg(test)]
pub(crate) fn noise(length: usize, mut seed: u64) -> Vec<u8> {
    std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed.to_be_bytes()[0]
    })
    .take(length)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Decompress, FlushDecompress, Status};
    use proptest::prelude::*;

    fn compress(tar: &[u8], last: bool) -> Vec<u8> {
        let mut compressor = BlockCompressor::new().unwrap();
        let mut out = vec![0xaa; compressor.bound(tar.len())];
        let length = compressor.compress(tar, last, &mut out).unwrap();
        out.truncate(length);
        out
    }

    /// What a streaming reader makes of it, and whether it saw the end of the stream.
    fn inflate(bytes: &[u8], length: usize) -> (Vec<u8>, bool) {
        let mut reader = Decompress::new(false);
        let mut out = Vec::with_capacity(length + 64);
        let status = reader.decompress_vec(bytes, &mut out, FlushDecompress::Sync).unwrap();
        assert_eq!(reader.total_in() as usize, bytes.len(), "every byte is consumed");
        (out, status == Status::StreamEnd)
    }

    fn check(tar: &[u8]) {
        let last = compress(tar, true);
        assert_eq!(inflate(&last, tar.len()), (tar.to_vec(), true));
        let inner = compress(tar, false);
        assert!(inner.ends_with(&EMPTY_STORED));
        assert_eq!(inflate(&inner, tar.len()), (tar.to_vec(), false));
        // Two of them and a last one are one stream.
        let joined = [&inner[..], &inner, &last].concat();
        assert_eq!(inflate(&joined, tar.len() * 3), (tar.repeat(3), true));
    }

    #[test]
    fn only_what_looks_random_is_stored() {
        let random = noise(BLOCK_SIZE, 1);
        assert_eq!(compress(&random, false).len(), BLOCK_SIZE + 17 * 5 + 5);
        assert_eq!(compress(&random, true).len(), BLOCK_SIZE + 17 * 5);
        // Flat, but it repeats.
        let repeats = &noise(15_000, 1).repeat(70)[..BLOCK_SIZE];
        assert!(is_flat(repeats) && compress(repeats, false).len() < 100_000);
        // A sixteenth of it is text.
        let mut mixed = random.clone();
        mixed[..BLOCK_SIZE / 16].fill(b'a');
        assert!(compress(&mixed, false).len() < BLOCK_SIZE * 15 / 16 + 1000);
    }

    #[test]
    fn blocks_of_every_kind_join() {
        check(b"");
        check(b"a");
        check(&[0; 1 << 20]);
        check(&noise(1 << 20, 1));
        check(&noise(70_000, 2));
        check("all work and no play ".repeat(50_000).as_bytes());
        // A steep code: lengths over 11 bits, so the slow path is walked.
        let mut steep = Vec::new();
        for (symbol, &byte) in noise(256, 3).iter().enumerate() {
            steep.extend(std::iter::repeat_n(byte.wrapping_add(symbol as u8), 1 << (symbol % 17)));
        }
        let order = noise(steep.len() * 3, 4);
        for (at, three) in order.chunks_exact(3).enumerate() {
            let other = usize::from(three[0]) << 16 | usize::from(three[1]) << 8 | usize::from(three[2]);
            let length = steep.len();
            steep.swap(at, other % length);
        }
        check(&steep[..steep.len().min(1 << 20)]);
        // Codes of one length: a walker's lanes that begin between two never fall in step.
        for digits in [
            &b"0123456789abcdef"[..],
            b"01",
            b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/",
        ] {
            let text: Vec<u8> =
                noise(1 << 20, 5).iter().map(|&byte| digits[usize::from(byte) % digits.len()]).collect();
            check(&text);
            check(&text[..100_000]);
        }
        // Every program is such data; this one is large.
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        for block in own.chunks(1 << 20).take(16) {
            check(block);
        }
    }

    /// Text with matches at many distances, of varying entropy.
    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            proptest::collection::vec(any::<u8>(), 1..300),
            proptest::collection::vec(0_u8..4, 1..300),
            ("[a-f ]{1,40}", 1_usize..200).prop_map(|(word, times)| word.repeat(times).into_bytes()),
            (any::<u64>(), 1_usize..70_000).prop_map(|(seed, length)| noise(length, seed)),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| {
            let mut out = Vec::new();
            for (n, piece) in pieces.iter().enumerate() {
                out.extend_from_slice(piece);
                out.extend_from_slice(&pieces[n / 2]);
            }
            out
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn every_input_joins(tar in texts()) {
            check(&tar);
        }

        #[test]
        fn the_walker_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
            let length = bytes.len().saturating_sub(SLACK);
            if let Some(found) = Walker::new().walk(&bytes, length) {
                prop_assert!(found.final_header < found.end && found.end <= length * 8);
            }
        }

        /// One byte of a real stream is changed: the walker refuses it or ends within it.
        #[test]
        fn a_broken_stream_is_no_danger(
            at: prop::sample::Index,
            flip in 1_u8..=255,
            text in "[a-z ]{200,2000}",
            random in 0_usize..60_000,
        ) {
            let digits = noise(random, 6).into_iter().map(|byte| b'a' + byte % 20);
            let text: Vec<u8> = text.repeat(9).into_bytes().into_iter().chain(digits).collect();
            let mut bytes = compress(&text, true);
            let length = bytes.len();
            bytes.extend([0; SLACK]);
            bytes[at.index(length)] ^= flip;
            if let Some(found) = Walker::new().walk(&bytes, length) {
                prop_assert!(found.end <= length * 8);
            }
        }
    }
}
