//! gzip (RFC 1952): every member, and nothing else after them.

use std::io::Read;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::error::{Error, Kind, Result};

use super::read::compression;
use super::stream::Output;

/// The longest file name and comment of a member.
const TEXT: u64 = 64 << 10;
/// The most members without content: no real layer has them, and each costs time (G-05).
const EMPTY_MEMBERS: u32 = 10_000;
/// The most NULs after the last member: one tar record, which tapes and some tools pad to (G-06).
const TAIL: usize = 10_240;

fn corrupt(why: &str) -> Error {
    Error::new(Kind::Unsafe, format!("the layer's gzip stream is corrupt: {why}"))
}

/// Compressed bytes, read in big pieces.
pub(super) struct Source<'a> {
    input: &'a mut (dyn Read + Send),
    /// What was read and not yet consumed is from `at` to `end`.
    buffer: Vec<u8>,
    at: usize,
    end: usize,
    /// How much is read at once.
    piece: usize,
}

impl<'a> Source<'a> {
    /// Reads at most `piece` bytes at once.
    pub(super) fn new(input: &'a mut (dyn Read + Send), piece: usize) -> Self {
        Self { input, buffer: Vec::new(), at: 0, end: 0, piece: piece.max(1) }
    }

    /// Puts bytes back in front of what is still unread.
    pub(super) fn unread(&mut self, bytes: &[u8]) {
        self.buffer = [bytes, self.there()].concat();
        (self.at, self.end) = (0, self.buffer.len());
    }

    fn there(&self) -> &[u8] {
        self.buffer.get(self.at..self.end).unwrap_or_default()
    }

    /// What is there, read if nothing is; empty at the end.
    pub(super) fn peek(&mut self) -> Result<&[u8]> {
        if self.at >= self.end {
            if self.buffer.len() < self.piece {
                self.buffer = vec![0; self.piece];
            }
            (self.at, self.end) = (0, 0);
            self.end = read(self.input, &mut self.buffer)?;
        }
        Ok(self.there())
    }

    pub(super) fn consume(&mut self, bytes: usize) {
        self.at += bytes;
    }

    fn byte(&mut self) -> Result<Option<u8>> {
        let byte = self.peek()?.first().copied();
        self.consume(usize::from(byte.is_some()));
        Ok(byte)
    }

    /// Fills `into` as far as the input goes and says how far.
    pub(super) fn fill(&mut self, into: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while let Some(room) = into.get_mut(filled..).filter(|room| !room.is_empty()) {
            let there = self.there();
            let length = if there.is_empty() {
                // No detour through the buffer.
                read(self.input, room)?
            } else {
                let length = there.len().min(room.len());
                if let (Some(room), Some(there)) = (room.get_mut(..length), there.get(..length)) {
                    room.copy_from_slice(there);
                }
                self.at += length;
                length
            };
            if length == 0 {
                break;
            }
            filled += length;
        }
        Ok(filled)
    }
}

/// Fills `into` as far as the input goes and says how far.
pub(super) fn fill(input: &mut (dyn Read + Send), into: &mut [u8]) -> Result<usize> {
    Source::new(input, 1).fill(into)
}

/// One read, interruptions tried again.
pub(super) fn read(input: &mut (dyn Read + Send), buffer: &mut [u8]) -> Result<usize> {
    loop {
        match input.read(buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => return result.map_err(|error| Error::io("layer", error)),
        }
    }
}

/// Refuses what is not gzip at all with words about the media type (G-09).
pub(super) fn check_type(source: &mut Source<'_>) -> Result<()> {
    let mut start = [0; 6];
    let length = source.fill(&mut start)?;
    let start = start.get(..length).unwrap_or_default();
    source.unread(start);
    let found = match (start, compression(start)) {
        (_, Some("gzip")) => return Ok(()),
        ([0x1f], _) => return Err(corrupt("it is truncated")),
        ([], _) => "no bytes",
        (_, Some(other)) => other,
        (_, None) => "something else",
    };
    Err(Error::new(Kind::Protocol, format!("the layer's media type says gzip, its bytes are {found}")))
}

/// Reads one member's header.
pub(super) fn header(source: &mut Source<'_>) -> Result<()> {
    let mut fixed = [0; 10];
    let mut crc = Crc::new();
    let mut take = |source: &mut Source<'_>, into: &mut [u8]| {
        let whole = source.fill(into)? == into.len();
        crc.update(into);
        if whole { Ok(crc.sum()) } else { Err(corrupt("it is truncated in a header")) }
    };
    take(source, &mut fixed)?;
    let [0x1f, 0x8b, method, flags, ..] = fixed else { return Err(corrupt("data follows the last member")) };
    if method != 8 || flags & 0xe0 != 0 {
        return Err(corrupt("the method or a flag of a member is not known"));
    }
    let mut byte = [0; 1];
    if flags & 4 != 0 {
        let mut length = [0; 2];
        take(source, &mut length)?;
        for _ in 0..u16::from_le_bytes(length) {
            take(source, &mut byte)?;
        }
    }
    for flag in [8, 16] {
        if flags & flag == 0 {
            continue;
        }
        let mut length = 0;
        take(source, &mut byte)?;
        while byte != [0] {
            length += 1;
            if length > TEXT {
                return Err(Error::new(
                    Kind::Limit,
                    format!("the name or comment of a gzip member is longer than {TEXT} bytes (fixed)"),
                ));
            }
            take(source, &mut byte)?;
        }
    }
    if flags & 2 != 0 {
        let want = take(source, &mut [])? as u16;
        let mut stated = [0; 2];
        take(source, &mut stated)?;
        if u16::from_le_bytes(stated) != want {
            return Err(corrupt("a header's checksum is wrong"));
        }
    }
    Ok(())
}

/// Checks one member's trailer.
pub(super) fn trailer(source: &mut Source<'_>, crc: &Crc, length: u64) -> Result<()> {
    let mut trailer = [0; 8];
    if source.fill(&mut trailer)? < trailer.len() {
        return Err(corrupt("it is truncated in a trailer"));
    }
    let [a, b, c, d, e, f, g, h] = trailer;
    if u32::from_le_bytes([a, b, c, d]) != crc.sum() {
        return Err(corrupt("the content's CRC is wrong"));
    }
    if u32::from_le_bytes([e, f, g, h]) != length as u32 {
        return Err(corrupt("the content's length is wrong"));
    }
    Ok(())
}

/// After a member: whether another one follows. NULs may, nothing else (G-06).
fn another(source: &mut Source<'_>) -> Result<bool> {
    match source.peek()?.first() {
        None => return Ok(false),
        Some(0) => {}
        Some(_) => return Ok(true),
    }
    let mut tail = 0;
    while let Some(byte) = source.byte()? {
        tail += 1;
        if byte != 0 || tail > TAIL {
            return Err(corrupt("data follows the last member"));
        }
    }
    Ok(false)
}

/// Where in a member the streaming decoder begins.
pub(super) struct Begun {
    /// What the member has given so far.
    pub(super) crc: Crc,
    pub(super) length: u64,
    /// Its last 32 KiB, which what follows may refer to.
    pub(super) window: Vec<u8>,
}

/// Decodes all members, the first from its header.
pub(super) fn stream(source: &mut Source<'_>, output: &mut Output) -> Result<()> {
    header(source)?;
    rest(source, output, Begun { crc: Crc::new(), length: 0, window: Vec::new() })
}

/// Checks the trailer of a member that was decoded elsewhere and decodes all that follow it.
pub(super) fn after(source: &mut Source<'_>, output: &mut Output, crc: &Crc, length: u64) -> Result<()> {
    trailer(source, crc, length)?;
    if another(source)? { stream(source, output) } else { Ok(()) }
}

/// Decodes on from within the first member, at the start of one of its deflate blocks, and all others.
pub(super) fn rest(source: &mut Source<'_>, output: &mut Output, begun: Begun) -> Result<()> {
    let Begun { mut crc, mut length, window } = begun;
    let mut inflate = Decompress::new(false);
    if !window.is_empty() {
        inflate.set_dictionary(&window).map_err(|_| Error::new(Kind::Internal, "inflate takes no window"))?;
    }
    let mut chunk = output.buffer()?;
    let mut empty = 0;
    loop {
        loop {
            let input = source.peek()?;
            let ended = input.is_empty();
            let before = (inflate.total_in(), inflate.total_out());
            let room = chunk.room();
            let status = inflate
                .decompress(input, room, FlushDecompress::None)
                .map_err(|error| corrupt(error.message().unwrap_or("invalid deflate data")))?;
            let read = (inflate.total_in() - before.0) as usize;
            let made = (inflate.total_out() - before.1) as usize;
            crc.update(room.get(..made).unwrap_or_default());
            length += made as u64;
            source.consume(read);
            chunk.grow(made);
            if chunk.room().is_empty() {
                output.send(chunk)?;
                chunk = output.buffer()?;
            }
            match status {
                Status::StreamEnd => break,
                _ if ended && made == 0 => return Err(corrupt("it is truncated")),
                _ => {}
            }
        }
        trailer(source, &crc, length)?;
        empty = if length == 0 { empty + 1 } else { 0 };
        if empty > EMPTY_MEMBERS {
            return Err(Error::new(
                Kind::Limit,
                format!("the layer has more than {EMPTY_MEMBERS} empty gzip members in a row (fixed)"),
            ));
        }
        if !another(source)? {
            return output.send(chunk);
        }
        header(source)?;
        inflate.reset(false);
        (crc, length) = (Crc::new(), 0);
    }
}
