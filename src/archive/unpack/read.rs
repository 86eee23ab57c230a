//! The tar reader's loop. Where readers in the field disagree about a form, it is refused: what is accepted
//! here, GNU tar, bsdtar, Go and Python read alike (G14).

use crate::error::{Error, Kind, Result, printable};

use super::buffer_pool::Piece;
use super::header::{self, BLOCK, Header};
use super::pax::{self, Records};
use super::stream::Input;

/// The longest body of an extension header: it is held in memory (T-48).
const EXTENSION: u64 = 1 << 20;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    File,
    Directory,
    Symlink,
    Hardlink,
    /// A device, a FIFO, or a type that has no meaning here, by its flag.
    Special(u8),
}

/// One entry; its name and link are as they stand in the archive.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) kind: Type,
    pub(super) mode: u32,
    pub(super) size: u64,
    /// Seconds and nanoseconds.
    pub(super) mtime: (i64, u32),
}

/// How an archive is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) max_entries: u64,
    pub(super) lenient_end: bool,
}

/// Reads entries from a decoded stream.
pub(super) struct Reader {
    input: Input,
    rules: Rules,
    entries: u64,
    /// What is left of the entry's body, and the padding after it.
    body: u64,
    padding: u64,
}

/// Extension headers that wait for their entry.
#[derive(Default)]
struct Pending {
    pax: Option<Records>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.pax.is_none() && self.long_name.is_none() && self.long_link.is_none()
    }
}

fn refuse<T>(why: impl Into<String>) -> Result<T> {
    Err(Error::new(Kind::Unsafe, why))
}

fn truncated<T>(place: &str) -> Result<T> {
    refuse(format!("the archive is truncated in {place}"))
}

impl Reader {
    pub(super) fn new(input: Input, rules: Rules) -> Self {
        Self { input, rules, entries: 0, body: 0, padding: 0 }
    }

    /// How many headers were read.
    pub(super) fn headers(&self) -> u64 {
        self.entries
    }

    /// The next entry; `None` after the archive's end, once the whole stream was read and found good.
    pub(super) fn next(&mut self) -> Result<Option<Entry>> {
        self.skip_body()?;
        let mut pending = Pending::default();
        loop {
            let first = self.entries == 0;
            let mut block = [0; BLOCK];
            match self.input.fill(&mut block)? {
                0 => return self.end(&pending, "it ends without the end-of-archive blocks").map(|()| None),
                BLOCK => {}
                _ => return no_tar(first, &block).map_or_else(|| truncated("a header"), Err),
            }
            if block.iter().all(|&byte| byte == 0) {
                return self.finish(&pending).map(|()| None);
            }
            self.entries += 1;
            if self.entries > self.rules.max_entries {
                return Err(Error::new(
                    Kind::Limit,
                    format!("the archive has more than max_entries {} headers", self.rules.max_entries),
                ));
            }
            let mut header = header::parse(&block)
                .map_err(|why| no_tar(first, &block).unwrap_or_else(|| self.at(&why)))?;
            if !self.extension(&header, &mut pending)? {
                return match self.entry(&mut header, pending) {
                    Ok(entry) => Ok(Some(entry)),
                    Err(why) => refuse(format!("entry '{}': {why}", printable(&header.name))),
                };
            }
        }
    }

    fn at(&self, why: &str) -> Error {
        Error::new(Kind::Unsafe, format!("header {}: {why}", self.entries))
    }

    /// Takes in an extension header; `false` where it is an entry's own.
    fn extension(&mut self, header: &Header, pending: &mut Pending) -> Result<bool> {
        match header.flag {
            b'x' | b'g' | b'L' | b'K' => {}
            _ => return Ok(false),
        }
        if header.size > EXTENSION {
            return Err(Error::new(
                Kind::Limit,
                format!(
                    "header {}: an extension of {} bytes, over {EXTENSION} (fixed)",
                    self.entries, header.size
                ),
            ));
        }
        let body = self.extension_body(header.size)?;
        let once =
            |there: bool| if there { Err("an extension header comes twice".to_owned()) } else { Ok(()) };
        let mut take = || -> std::result::Result<(), String> {
            match header.flag {
                b'g' if !pending.is_empty() => {
                    return Err("a global header stands before its entry".to_owned());
                }
                b'g' => drop(pax::parse(&body, true)?),
                b'x' => {
                    once(pending.pax.is_some())?;
                    pending.pax = Some(pax::parse(&body, false)?);
                }
                b'L' => {
                    once(pending.long_name.is_some())?;
                    pending.long_name = Some(long(&body)?);
                }
                _ => {
                    once(pending.long_link.is_some())?;
                    pending.long_link = Some(long(&body)?);
                }
            }
            // Readers disagree on which of the two wins, and on what a PAX size before them means (T-42).
            if pending.pax.is_some() && (pending.long_name.is_some() || pending.long_link.is_some()) {
                return Err("PAX and GNU extension headers are mixed".to_owned());
            }
            Ok(())
        };
        take().map_err(|why| self.at(&why))?;
        Ok(true)
    }

    fn extension_body(&mut self, size: u64) -> Result<Vec<u8>> {
        // At once, as growing could take twice as much (T-48).
        let mut body = Vec::with_capacity(size.min(EXTENSION) as usize);
        self.body = size;
        self.padding = padding(size);
        while let Some(piece) = self.piece()? {
            body.extend_from_slice(piece.bytes());
        }
        self.skip_body()?;
        Ok(body)
    }

    fn entry(&mut self, header: &mut Header, pending: Pending) -> std::result::Result<Entry, String> {
        let records = pending.pax.unwrap_or_default();
        let long_name = records.path.or(pending.long_name);
        let long_link = records.link.or(pending.long_link);
        let name = long_name.as_deref().unwrap_or(&header.name);
        let size = records.size.unwrap_or(header.size);
        let kind = match header.flag {
            // V7 archives have no type for directories, only the slash.
            0 if name.ends_with(b"/") => Type::Directory,
            0 | b'0' => Type::File,
            b'1' => Type::Hardlink,
            b'2' => Type::Symlink,
            b'5' => Type::Directory,
            b'S' => return Err("sparse files are not supported".to_owned()),
            flag => Type::Special(flag),
        };
        if kind == Type::File && name.ends_with(b"/") {
            return Err("a file's name ends with a slash".to_owned());
        }
        let bodiless =
            matches!(kind, Type::Directory | Type::Symlink | Type::Hardlink | Type::Special(b'3'..=b'6'));
        if bodiless && size != 0 {
            return Err(format!("a link, directory or device has a size of {size}"));
        }
        if size > i64::MAX as u64 - BLOCK as u64 {
            return Err("the size is too large".to_owned());
        }
        self.body = size;
        self.padding = padding(size);
        Ok(Entry {
            name: long_name.unwrap_or_else(|| std::mem::take(&mut header.name)),
            link: long_link.unwrap_or_else(|| std::mem::take(&mut header.link)),
            kind,
            mode: header.mode,
            size,
            mtime: records.mtime.unwrap_or((header.mtime, 0)),
        })
    }

    /// The next part of the entry's body; `None` at its end.
    pub(super) fn piece(&mut self) -> Result<Option<Piece>> {
        if self.body == 0 {
            return Ok(None);
        }
        let Some(piece) = self.input.piece(self.body)? else { return truncated("a body") };
        self.body -= piece.len() as u64;
        Ok(Some(piece))
    }

    fn skip_body(&mut self) -> Result<()> {
        while self.piece()?.is_some() {}
        while self.padding > 0 {
            let Some(piece) = self.input.piece(self.padding)? else {
                // Whoever leaves out the end leaves out this, too (Q86).
                if self.rules.lenient_end {
                    self.padding = 0;
                    return Ok(());
                }
                return truncated("the padding of a body (option lenient_end accepts that)");
            };
            self.padding -= piece.len() as u64;
        }
        Ok(())
    }

    /// After one block of zeros: a second one, and nothing but zeros behind it (T-50…T-52).
    fn finish(&mut self, pending: &Pending) -> Result<()> {
        let mut block = [0; BLOCK];
        let length = self.input.fill(&mut block)?;
        if block.iter().any(|&byte| byte != 0) {
            return refuse("data follows a single end-of-archive block");
        }
        if length < BLOCK {
            return self.end(pending, "it has only one end-of-archive block");
        }
        while let Some(piece) = self.input.piece(u64::MAX)? {
            if piece.bytes().iter().any(|&byte| byte != 0) {
                return refuse("data follows the end of the archive");
            }
        }
        dangling(pending)
    }

    fn end(&self, pending: &Pending, why: &str) -> Result<()> {
        if self.entries == 0 && why.starts_with("it ends") {
            return Err(Error::new(
                Kind::Protocol,
                "the layer is empty, its media type says that it is a tar archive",
            ));
        }
        if !self.rules.lenient_end {
            return refuse(format!("the archive is truncated: {why} (option lenient_end accepts that)"));
        }
        dangling(pending)
    }
}

fn dangling(pending: &Pending) -> Result<()> {
    if pending.is_empty() { Ok(()) } else { refuse("an extension header has no entry") }
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

/// The body of a GNU `L` or `K` header: a name and its NULs.
fn long(body: &[u8]) -> std::result::Result<Vec<u8>, String> {
    let end = body.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let name = body.get(..end).unwrap_or_default();
    if name.is_empty() || name.contains(&0) {
        return Err("a GNU long name is empty or has a NUL".to_owned());
    }
    Ok(name.to_vec())
}

/// The error for a first block that is no header where it begins something that is no tar archive at all (G-09).
fn no_tar(first: bool, block: &[u8; BLOCK]) -> Option<Error> {
    let found = compression(block).filter(|_| first)?;
    Some(Error::new(
        Kind::Protocol,
        format!("the layer's media type says that it is a tar archive, its bytes are {found}"),
    ))
}

/// Which compressed form bytes have, to say so in an error.
pub(super) fn compression(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        [0xfd, b'7', b'z', b'X', ..] => Some("xz"),
        [b'B', b'Z', b'h', ..] => Some("bzip2"),
        _ => None,
    }
}
