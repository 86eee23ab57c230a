//! The table of a layer's blocks, which an annotation on the layer's descriptor carries: where each group of
//! blocks lies in the compressed layer. The format is in `docs/archive-format.md`.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Log2 of how much of the tar one block holds.
pub(crate) const BLOCK_LOG: u32 = 20;
/// How much of the tar one block holds; the last holds what is left.
pub(crate) const BLOCK_SIZE: usize = 1 << BLOCK_LOG;
/// The gzip header before the first block.
pub(crate) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// CRC-32 and length after the last block.
pub(crate) const TRAILER_LEN: u64 = 8;
/// The most groups a table lists: beyond it a group is made of more blocks.
const GROUP_LIMIT: usize = 4096;
/// The largest log2 of a group's number of blocks that a reader accepts: 2^43 blocks are more bytes than a
/// `u64` counts.
const STRIDE_LOG_LIMIT: u32 = 43;

/// Where the groups of blocks of a layer lie. A hint: what a reader finds by it still has to prove itself by
/// the layer's CRC, length and digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockTable {
    /// How much of the tar each group holds; the last holds 1 byte to this much.
    pub group_size: u64,
    /// The bytes of the layer that hold each group, in order and without a gap.
    pub groups: Vec<Range<u64>>,
}

impl BlockTable {
    /// The table in an annotation's `value`, or `None` where it is of no use for a layer of `layer_size`
    /// bytes: another version, malformed, a single group, or sizes that do not add up.
    pub fn parse(value: &str, layer_size: u64) -> Option<Self> {
        let mut fields = value.splitn(3, ':');
        let (block, stride, sizes) = (fields.next()?, fields.next()?, fields.next()?);
        if block != BLOCK_LOG.to_string() {
            return None;
        }
        let stride_log: u32 = stride.parse().ok().filter(|log| *log <= STRIDE_LOG_LIMIT)?;
        if stride != stride_log.to_string() {
            return None;
        }
        // A size takes at most nine bytes.
        if sizes.len() > GROUP_LIMIT * 9 * 4 / 3 + 4 {
            return None;
        }
        let bytes = STANDARD.decode(sizes).ok()?;
        let mut rest = bytes.as_slice();
        let mut groups = Vec::new();
        let mut at = HEADER.len() as u64;
        while !rest.is_empty() {
            let size = read_leb128(&mut rest).filter(|size| *size > 0)?;
            let end = at.checked_add(size)?;
            groups.push(at..end);
            at = end;
        }
        let fits = at.checked_add(TRAILER_LEN)? == layer_size;
        let counted = (2..=GROUP_LIMIT).contains(&groups.len());
        (fits && counted).then_some(Self { group_size: 1 << (BLOCK_LOG + stride_log), groups })
    }
}

/// Collects the compressed sizes of blocks as they are written. Its size does not grow with the layer: once
/// the table is full, neighbours are added up and each entry stands for twice as many blocks.
#[derive(Default)]
pub(crate) struct TableWriter {
    stride_log: u32,
    sizes: Vec<u64>,
    /// Blocks in the last entry.
    filled: u64,
    blocks: u64,
}

impl TableWriter {
    /// The next block takes `size` bytes.
    pub(crate) fn push(&mut self, size: u64) {
        self.blocks += 1;
        if self.filled < 1 << self.stride_log
            && let Some(last) = self.sizes.last_mut()
        {
            *last += size;
            self.filled += 1;
            return;
        }
        if self.sizes.len() == GROUP_LIMIT {
            // Every entry is full here, so the halves are whole.
            self.sizes = self.sizes.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.stride_log += 1;
        }
        self.sizes.push(size);
        self.filled = 1;
    }

    /// The annotation's value; none for a single block.
    pub(crate) fn finish(&self) -> Option<String> {
        if self.blocks < 2 {
            return None;
        }
        let mut bytes = Vec::with_capacity(self.sizes.len() * 3);
        for size in &self.sizes {
            write_leb128(&mut bytes, *size);
        }
        Some(format!("{BLOCK_LOG}:{}:{}", self.stride_log, STANDARD.encode(bytes)))
    }
}

fn write_leb128(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// The next number, which must be in its shortest form and below 2^63.
fn read_leb128(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return (byte != 0 || shift == 0).then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(sizes: impl IntoIterator<Item = u64>) -> (Option<String>, u64) {
        let mut writer = TableWriter::default();
        let mut total = 18;
        for size in sizes {
            writer.push(size);
            total += size;
        }
        (writer.finish(), total)
    }

    #[test]
    fn golden_block_tables() {
        assert_eq!(table([]).0, None);
        assert_eq!(table([77]).0, None);
        assert_eq!(table([1, 300]).0.as_deref(), Some("20:0:AawC"));
        // 4,096 blocks fit with one an entry; one more and each entry stands for two.
        let (full, _) = table((0..4096).map(|_| 5));
        assert_eq!(full.unwrap(), format!("20:0:{}", STANDARD.encode([5; 4096])));
        let (halved, _) = table((0..4097).map(|_| 5));
        let mut sizes = vec![10; 2048];
        sizes.push(5);
        assert_eq!(halved.unwrap(), format!("20:1:{}", STANDARD.encode(sizes)));
        // 16,385 blocks: strides of eight, and the last entry has one.
        let (value, size) = table((0..16_385).map(|_| 5));
        let table = BlockTable::parse(&value.unwrap(), size).unwrap();
        assert_eq!((table.group_size, table.groups.len()), (8 << 20, 2049));
        assert_eq!(table.groups.last(), Some(&(size - 13..size - 8)));
    }

    #[test]
    fn a_table_that_does_not_fit_is_no_table() {
        let good = "20:0:AawC";
        let parsed = BlockTable::parse(good, 319).unwrap();
        assert_eq!(parsed, BlockTable { group_size: 1 << 20, groups: vec![10..11, 11..311] });
        for (value, size) in [
            (good, 318),
            (good, 320),
            (good, 0),
            ("", 319),
            ("20", 319),
            ("20:0", 319),
            ("20:0:", 18),
            ("20:0:TQ==", 95),   // a single block
            ("19:0:AawC", 319),  // another block size
            ("+20:0:AawC", 319), // numbers have one form
            ("20:+0:AawC", 319),
            ("20:00:AawC", 319),
            ("20:44:AawC", 319),
            ("20:-1:AawC", 319),
            ("20:0:AawC:", 319),
            ("20:0:AawC=", 319),
            ("20:0:AQ==", 19),
            ("20:0:AYCA", 319),             // cut inside a number
            ("20:0:AYEA", 20),              // not the shortest form
            ("20:0:AAEB", 20),              // an empty block
            ("20:0:Af//////////fwE=", 319), // beyond 64 bits
        ] {
            assert_eq!(BlockTable::parse(value, size), None, "{value} {size}");
        }
        let overflow =
            STANDARD.encode([&[0xff; 8][..], &[0x7f], &[0xff; 8], &[0x7f], &[0xff; 8], &[0x7f]].concat());
        assert_eq!(BlockTable::parse(&format!("20:0:{overflow}"), u64::MAX), None);
        let long = STANDARD.encode(vec![1; 4097]);
        assert_eq!(BlockTable::parse(&format!("20:0:{long}"), 4097 + 18), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(sizes in proptest::collection::vec(1_u64..1_100_000, 2..9000)) {
            let (value, size) = table(sizes.iter().copied());
            let table = BlockTable::parse(&value.unwrap(), size).unwrap();
            let stride = usize::try_from(table.group_size >> BLOCK_LOG).unwrap();
            let wanted: Vec<u64> = sizes.chunks(stride).map(|group| group.iter().sum()).collect();
            let found: Vec<u64> = table.groups.iter().map(|group| group.end - group.start).collect();
            prop_assert_eq!(wanted, found);
            prop_assert!(table.groups.len() <= GROUP_LIMIT);
        }

        #[test]
        fn no_text_makes_it_panic(value in "20:[0-9]{1,2}:[A-Za-z0-9+/]{0,40}={0,2}", size: u64) {
            let _ = BlockTable::parse(&value, size);
        }
    }
}
