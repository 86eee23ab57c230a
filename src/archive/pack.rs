//! A directory to a layer: walk, tar, blocks.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use super::LeftOut;
use super::content;
use super::gzip::{self, Sink};
use super::identity::Identity;
use super::options::PackOptions;
use super::state::{TreeState, Watch};
use super::tar_header::{self, Entry, RECORD};
use super::walk::{Found, Walk};
use crate::error::{Error, Kind, Result, printable};
use crate::operation::{Meter, Operation, Phase};

/// What a directory was packed into, beside the bytes.
#[derive(Debug, Clone)]
pub struct Packed {
    /// Bytes of the tar.
    pub tar_size: u64,
    /// The block table, for the layer's annotation [`crate::oci::media_type::ANNOTATION_BLOCKS`]; none for a single block.
    pub blocks: Option<String>,
    /// Entries of the tar.
    pub entries: u64,
    /// What was left out, as far as a result lists it.
    pub left_out: Vec<LeftOut>,
    /// How many paths were left out.
    pub left_out_total: u64,
    /// The tree's state when it was packed.
    pub state: TreeState,
}

/// Packs `directory` and writes the layer to `out`. The same tree and options give the same bytes everywhere
/// (`docs/archive-format.md`).
pub fn pack(
    directory: &Path,
    options: &PackOptions,
    operation: &Operation,
    out: &mut (dyn Write + Send),
) -> Result<Packed> {
    operation.enter(Phase::Packing);
    operation.check()?;
    // Errors of the root and of the ignore file come before a byte is written.
    let walk = Walk::new(directory, options, operation)?;
    let (packed, totals) = gzip::compress(options.threads, operation, out, move |sink| {
        let watch = Watch::new(options);
        let meter = operation.tree_meter();
        let packer = Packer {
            sink,
            options,
            operation,
            watch,
            header: Vec::new(),
            size: 0,
            entries: 0,
            meter,
            read: 0,
        };
        packer.run(walk)
    })?;
    operation.tree_meter().end();
    Ok(Packed { tar_size: totals.size, blocks: totals.table, ..packed })
}

struct Packer<'a, 'scope, 'env> {
    sink: &'a mut Sink<'scope, 'env>,
    options: &'a PackOptions,
    operation: &'a Operation,
    watch: Watch,
    header: Vec<u8>,
    size: u64,
    entries: u64,
    meter: Arc<Meter>,
    /// Bytes of files so far.
    read: u64,
}

impl Packer<'_, '_, '_> {
    fn run(mut self, mut walk: Walk<'_>) -> Result<Packed> {
        while let Some(found) = walk.next()? {
            self.watch.see(walk.path(), &found);
            match found {
                Found::Directory => self.header(&walk, Entry::Directory)?,
                Found::Link(target) => self.header(&walk, Entry::Link(&target))?,
                Found::File(identity, open) => {
                    let size = identity.size();
                    self.header(&walk, Entry::File { size, executable: identity.executable() })?;
                    self.content(&walk, &identity, open)?;
                    let tail = usize::try_from(size % RECORD as u64).unwrap_or(0);
                    self.sink.zeros((RECORD - tail) % RECORD)?;
                }
            }
            self.entries += 1;
            walk.tell();
        }
        walk.tell();
        self.sink.zeros(tar_header::END)?;
        let (left_out, left_out_total) = walk.into_left_out();
        let (entries, state) = (self.entries, self.watch.finish());
        Ok(Packed { tar_size: 0, blocks: None, entries, left_out, left_out_total, state })
    }

    fn advance(&mut self, bytes: u64) {
        self.read += bytes;
        self.meter.at(self.read);
    }

    fn header(&mut self, walk: &Walk<'_>, entry: Entry<'_>) -> Result<()> {
        self.header.clear();
        tar_header::append(&mut self.header, walk.path(), entry, self.options.mtime);
        let content = if let Entry::File { size, .. } = entry { size } else { 0 };
        self.size = self.size.saturating_add(self.header.len() as u64).saturating_add(content);
        if self.size > self.options.max_bytes {
            let path = printable(walk.path());
            let limit = self.options.max_bytes;
            let why = format!("{path}: the archive would pass {limit} bytes (option max_unpacked_bytes)");
            return Err(Error::new(Kind::Limit, why));
        }
        self.sink.write(&self.header)
    }

    /// The file's bytes, read to where they are compressed: small files by the threads that compress, large ones
    /// here and in order, as disks like it.
    fn content(&mut self, walk: &Walk<'_>, identity: &Identity, open: Option<OwnedFd>) -> Result<()> {
        let mut left = identity.size();
        let small = usize::try_from(left).ok().filter(|size| open.is_none() && self.sink.has_room(*size));
        if let Some(size) = small
            && let Some(content) = walk.content(*identity)
        {
            self.advance(left);
            return self.sink.later(size, content);
        }
        let file = match open {
            Some(file) => file,
            None => walk.open_file(identity)?,
        };
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let count = self.sink.fill(most, |room| content::read_some(&file, walk.path(), room))?;
            left -= count as u64;
            self.advance(count as u64);
            self.operation.check()?;
        }
        content::unchanged(&file, walk.path(), identity)
    }
}
