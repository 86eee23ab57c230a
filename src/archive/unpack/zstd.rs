//! zstd (RFC 8878): every frame, with a bounded window.

use std::io::{self, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::error::{Error, Kind, Result};

use super::gzip::Source;
use super::read::compression;
use super::stream::Output;

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

fn corrupt(why: &str) -> Error {
    Error::new(Kind::Unsafe, format!("the layer's zstd stream is corrupt: {why}"))
}

/// Lets the decoder read, and keeps the error that it would turn into text.
struct Feed<'a, 'b> {
    source: &'a mut Source<'b>,
    error: Option<Error>,
}

impl Read for Feed<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.fill(buffer).map_err(|error| {
            self.error = Some(error.clone());
            io::Error::from(error)
        })
    }
}

/// Decodes all frames. A frame's window, of at most `max_window` bytes, is held in memory.
pub(super) fn stream(source: &mut Source<'_>, output: &mut Output, max_window: u64) -> Result<()> {
    let mut decoder = FrameDecoder::new();
    let mut first = true;
    loop {
        let mut magic = [0; 4];
        let length = source.fill(&mut magic)?;
        match magic {
            _ if length == 0 && !first => return Ok(()),
            MAGIC if length == 4 => {}
            [0x50..=0x5f, 0x2a, 0x4d, 0x18] if length == 4 => {
                skip(source)?;
                first = false;
                continue;
            }
            _ if !first => return Err(corrupt("data follows the last frame")),
            _ => {
                let start = magic.get(..length).unwrap_or_default();
                let found =
                    compression(start).unwrap_or(if length == 0 { "no bytes" } else { "something else" });
                return Err(Error::new(
                    Kind::Protocol,
                    format!("the layer's media type says zstd, its bytes are {found}"),
                ));
            }
        }
        first = false;
        let header = Header::read(source)?;
        if header.window > max_window {
            return Err(Error::new(
                Kind::Limit,
                format!(
                    "the layer's zstd window of {} bytes is over max_zstd_window_bytes {max_window}",
                    header.window
                ),
            ));
        }
        source.unread(&MAGIC);
        frame(&mut decoder, source, output, &header)?;
    }
}

/// One frame; its size and its checksum must be those of its content, where it has them (Q82).
fn frame(
    decoder: &mut FrameDecoder,
    source: &mut Source<'_>,
    output: &mut Output,
    header: &Header,
) -> Result<()> {
    let mut feed = Feed { source, error: None };
    let failed = |feed: &mut Feed<'_, '_>, why: String| feed.error.take().unwrap_or_else(|| corrupt(&why));
    decoder.reset(&mut feed).map_err(|error| failed(&mut feed, error.to_string()))?;
    let mut length: u64 = 0;
    loop {
        let done = decoder.is_finished();
        if !done {
            decoder
                .decode_blocks(&mut feed, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(|error| failed(&mut feed, error.to_string()))?;
        }
        while decoder.can_collect() > 0 {
            let mut chunk = output.buffer()?;
            let read = decoder.read(chunk.room()).map_err(|error| corrupt(&error.to_string()))?;
            chunk.grow(read);
            length += read as u64;
            output.send(chunk)?;
        }
        if header.content.is_some_and(|content| if done { length != content } else { length > content }) {
            return Err(corrupt("a frame's content has another size than its header says"));
        }
        if done {
            let checksum = decoder.get_checksum_from_data();
            return match checksum.is_some() && checksum != decoder.get_calculated_checksum() {
                true => Err(corrupt("a frame's checksum is wrong")),
                false => Ok(()),
            };
        }
    }
}

fn skip(source: &mut Source<'_>) -> Result<()> {
    let mut length = [0; 4];
    if source.fill(&mut length)? < length.len() {
        return Err(corrupt("it is truncated"));
    }
    let mut left = u64::from(u32::from_le_bytes(length));
    while left > 0 {
        let there = source.peek()?.len();
        if there == 0 {
            return Err(corrupt("it is truncated"));
        }
        let skipped = left.min(there as u64);
        source.consume(skipped as usize);
        left -= skipped;
    }
    Ok(())
}

/// What a frame's header says (RFC 8878, 3.1.1.1).
struct Header {
    window: u64,
    /// The size of the content.
    content: Option<u64>,
}

impl Header {
    /// Reads it after the magic number, and leaves it to be read again.
    fn read(source: &mut Source<'_>) -> Result<Self> {
        let mut header = [0; 14];
        let length = source.fill(&mut header)?;
        source.unread(header.get(..length).unwrap_or_default());
        let [descriptor, second, ..] = header;
        let single_segment = descriptor & 0x20 != 0;
        let dictionary = (1 << (descriptor & 3)) >> 1;
        let size = match descriptor >> 6 {
            0 => usize::from(single_segment),
            flag => 1 << flag,
        };
        let mut content = [0; 8];
        let before = 1 + usize::from(!single_segment) + dictionary;
        for (into, from) in content.iter_mut().zip(header.iter().skip(before).take(size)) {
            *into = *from;
        }
        let content = u64::from_le_bytes(content) + if size == 2 { 256 } else { 0 };
        let base = 1_u64 << (10 + (second >> 3));
        Ok(Self {
            window: if single_segment { content } else { base + base / 8 * u64::from(second & 7) },
            content: (size > 0).then_some(content),
        })
    }
}
