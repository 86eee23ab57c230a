//! Oracle: what blocks are compressed to, another implementation inflates to the same bytes, as one stream, and a block
//! that others follow ends at a byte boundary.

use cldoci::archive::BlockCompressor;
use flate2::{Decompress, FlushDecompress, Status};

use super::bytes::Bytes;

/// A byte that says where blocks end, then content.
pub fn run(data: &[u8]) {
    let mut data = Bytes(data);
    let shape = data.byte();
    let content = data.content((1 << 20) + 4096);
    // One block of the format's size and the rest, or some smaller ones.
    let size = match shape % 8 {
        0 => 1 << 20,
        n => (content.len() / usize::from(n)).max(1),
    };
    let mut compressor = BlockCompressor::new().unwrap();
    let mut stream = Vec::new();
    let blocks: Vec<&[u8]> = if content.is_empty() { vec![&[]] } else { content.chunks(size).collect() };
    for (n, block) in blocks.iter().enumerate() {
        let last = n + 1 == blocks.len();
        // What was in the buffer makes no difference.
        let mut out = vec![shape; compressor.bound(block.len())];
        let length = compressor.compress(block, last, &mut out).unwrap();
        assert!(last || out[..length].ends_with(&[0, 0, 0xff, 0xff]));
        stream.extend_from_slice(&out[..length]);
    }
    let mut inflated = Vec::with_capacity(content.len() + 64);
    let mut reader = Decompress::new(false);
    let status = reader.decompress_vec(&stream, &mut inflated, FlushDecompress::Finish).unwrap();
    assert_eq!(status, Status::StreamEnd);
    assert_eq!(reader.total_in(), stream.len() as u64, "bytes behind the stream's end");
    assert!(inflated == content, "{} bytes inflate to {} others", content.len(), inflated.len());
}
