//! The layer's bytes: one gzip member of independent blocks, filled with small files and compressed on several
//! threads, and written in order. Memory is bounded by the number of block buffers.

use std::io::Write;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle, scope};

use flate2::Crc;

use super::blocks::{BLOCK_SIZE, HEADER, TableWriter};
use super::content::Content;
use super::gzip_block::BlockCompressor;
use crate::error::{Error, Kind, Result};
use crate::operation::Operation;
use crate::thread::{join_all, spawn_scoped};

/// What the first block has room for at first: a small tree needs no more.
const ROOM: usize = 64 << 10;

/// Buffers of one block; they go round.
#[derive(Default)]
struct Block {
    /// As long as the block is, or as what it holds needs.
    tar: Vec<u8>,
    /// Bytes of `tar` that are filled, but for the files that are read later.
    filled: usize,
    /// Where these files go.
    files: Vec<(Range<usize>, Content)>,
    crc: Crc,
    packed: Vec<u8>,
    /// Bytes of `packed` that are filled.
    length: usize,
    last: bool,
}

impl Block {
    /// Makes room for `end` bytes.
    fn reach(&mut self, end: usize) {
        if self.tar.len() < end {
            self.tar.resize(end.next_power_of_two().clamp(ROOM, BLOCK_SIZE), 0);
        }
    }
}

/// A block on its way to a thread that compresses it.
struct Job {
    block: Block,
    done: SyncSender<Result<Block>>,
}

/// What was compressed.
pub(super) struct Totals {
    /// Bytes that went in.
    pub(super) size: u64,
    /// The block table's annotation.
    pub(super) table: Option<String>,
}

/// Runs `produce` on the caller's thread and compresses what it writes. A single block stays on that thread; more are
/// compressed on up to `threads` others, and one more writes the layer to `out`.
pub(super) fn compress<T>(
    threads: usize,
    operation: &Operation,
    out: &mut (dyn Write + Send),
    produce: impl FnOnce(&mut Sink<'_, '_>) -> Result<T>,
) -> Result<(T, Totals)> {
    let threads = threads.max(1);
    let (job_sender, job_receiver) = channel();
    let (idle_sender, idle_receiver) = channel();
    let (order_sender, order_receiver) = channel();
    let jobs = Mutex::new(job_receiver);
    scope(|scope| {
        let mut sink = Sink {
            scope,
            jobs: &jobs,
            job_sender,
            idle: idle_receiver,
            order: order_sender,
            output: Some(Output { out, operation, order: order_receiver, idle: idle_sender }),
            writer: None,
            workers: Vec::new(),
            workers_left: threads,
            // One in the making, one for each thread, and some ahead.
            blocks_left: 2 + threads + threads / 2,
            current: None,
        };
        let made = produce(&mut sink).and_then(|made| sink.finish().map(|()| made));
        // Where the writer failed that is why the producer did.
        let totals = sink.written()?;
        Ok((made?, totals.ok_or_else(stopped)?))
    })
}

/// Where the layer goes: blocks in order.
struct Output<'a> {
    out: &'a mut (dyn Write + Send),
    operation: &'a Operation,
    order: Receiver<Receiver<Result<Block>>>,
    idle: Sender<Block>,
}

impl Output<'_> {
    /// Writes the header, the blocks until there are no more, and behind the last one the trailer.
    fn write(self) -> Result<Totals> {
        let failed = |error| Error::io("can't write the layer", error);
        let (mut table, mut crc, mut size) = (TableWriter::default(), Crc::new(), 0);
        self.out.write_all(&HEADER).map_err(failed)?;
        for done in self.order {
            // A thread that panicked sends nothing.
            let block =
                done.recv().unwrap_or_else(|_| Err(Error::new(Kind::Panic, "compression panicked")))?;
            self.out.write_all(block.packed.get(..block.length).unwrap_or_default()).map_err(failed)?;
            table.push(block.length as u64);
            crc.combine(&block.crc);
            size += block.filled as u64;
            self.operation.check()?;
            if block.last {
                let mut trailer = crc.sum().to_le_bytes().to_vec();
                trailer.extend(size.to_le_bytes().iter().take(4));
                self.out.write_all(&trailer).map_err(failed)?;
            }
            // Nobody waits for it once the producer has ended.
            let _ = self.idle.send(block);
        }
        Ok(Totals { size, table: table.finish() })
    }
}

/// Where the tar goes. A full block is kept until more comes, since the last one is made otherwise.
pub(super) struct Sink<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    jobs: &'scope Mutex<Receiver<Job>>,
    job_sender: Sender<Job>,
    idle: Receiver<Block>,
    order: Sender<Receiver<Result<Block>>>,
    /// Until a thread writes to it.
    output: Option<Output<'env>>,
    writer: Option<ScopedJoinHandle<'scope, Result<Totals>>>,
    workers: Vec<ScopedJoinHandle<'scope, ()>>,
    /// Threads that may still be started, each with a block: a small tree needs one.
    workers_left: usize,
    /// Blocks that may still be allocated.
    blocks_left: usize,
    current: Option<Block>,
}

impl Sink<'_, '_> {
    /// Writes `bytes`.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            self.fill(bytes.len(), |room| {
                let (now, later) = bytes.split_at_checked(room.len()).unwrap_or((bytes, &[]));
                room.copy_from_slice(now);
                bytes = later;
                Ok(now.len())
            })?;
        }
        Ok(())
    }

    /// Writes `count` zeros.
    pub(super) fn zeros(&mut self, count: usize) -> Result<()> {
        let mut left = count;
        while left > 0 {
            left -= self.fill(left, |room| {
                room.fill(0);
                Ok(room.len())
            })?;
        }
        Ok(())
    }

    /// Lets `read` put at most `most` bytes in place, and gives the number it says it did.
    pub(super) fn fill(
        &mut self,
        most: usize,
        read: impl FnOnce(&mut [u8]) -> Result<usize>,
    ) -> Result<usize> {
        let block = self.block()?;
        let end = block.filled.saturating_add(most).min(BLOCK_SIZE);
        block.reach(end);
        let count = read(block.tar.get_mut(block.filled..end).unwrap_or_default())?;
        block.filled = block.filled.saturating_add(count).min(end);
        Ok(count)
    }

    /// Whether so many bytes fit into one block here.
    pub(super) fn has_room(&self, size: usize) -> bool {
        let filled = self.current.as_ref().map_or(0, |block| block.filled % BLOCK_SIZE);
        size <= BLOCK_SIZE - filled
    }

    /// Leaves room for a file of `size` bytes, which fits ([`Self::has_room`]): the thread that compresses the
    /// block reads it.
    pub(super) fn later(&mut self, size: usize, content: Content) -> Result<()> {
        // An empty file must not begin a block: nothing may follow in it.
        if size > 0 {
            self.block()?;
        }
        let Some(block) = &mut self.current else { return Err(stopped()) };
        let end = block.filled + size;
        block.reach(end);
        block.files.push((block.filled..end, content));
        block.filled = end;
        Ok(())
    }

    /// The block that has room.
    fn block(&mut self) -> Result<&mut Block> {
        if self.current.as_ref().is_none_or(|block| block.filled == BLOCK_SIZE) {
            self.dispatch(false)?;
            self.current = Some(self.empty_block()?);
        }
        self.current.as_mut().ok_or_else(stopped)
    }

    fn empty_block(&mut self) -> Result<Block> {
        if let Ok(block) = self.idle.try_recv() {
            return Ok(Block { filled: 0, ..block });
        }
        if self.blocks_left > 0 {
            self.blocks_left -= 1;
            let room = if self.output.is_some() { ROOM } else { BLOCK_SIZE };
            return Ok(Block { tar: vec![0; room], ..Block::default() });
        }
        let block = self.idle.recv().map_err(|_| stopped())?;
        Ok(Block { filled: 0, ..block })
    }

    /// Sends the current block, if there is one, to be compressed.
    fn dispatch(&mut self, last: bool) -> Result<()> {
        let Some(mut block) = self.current.take() else { return Ok(()) };
        block.last = last;
        let (done, result) = sync_channel(1);
        if last && self.output.is_some() {
            // All of it is one block: no thread is worth its start.
            compress_block(&mut BlockCompressor::new()?, &mut block)?;
            let _ = done.send(Ok(block));
            return self.order.send(result).map_err(|_| stopped());
        }
        if let Some(output) = self.output.take() {
            self.writer = Some(spawn_scoped(self.scope, "cldoci-pack", move || output.write())?);
        }
        if self.workers_left > 0 {
            self.workers_left -= 1;
            let jobs = self.jobs;
            self.workers.push(spawn_scoped(self.scope, "cldoci-gzip", move || work(jobs))?);
        }
        self.order.send(result).map_err(|_| stopped())?;
        self.job_sender.send(Job { block, done }).map_err(|_| stopped())
    }

    /// Ends the tar.
    fn finish(&mut self) -> Result<()> {
        if self.current.is_none() {
            self.current = Some(self.empty_block()?);
        }
        self.dispatch(true)
    }

    /// What was written once there is no more to come; none where no thread could be started for it.
    fn written(self) -> Result<Option<Totals>> {
        let Self { output, writer, workers, order, job_sender, idle, .. } = self;
        drop((order, job_sender));
        let written = match (output, writer) {
            (Some(output), _) => output.write().map(Some),
            (None, Some(writer)) => {
                let panicked = || Err(Error::new(Kind::Panic, "writing the layer panicked"));
                writer.join().unwrap_or_else(|_| panicked()).map(Some)
            }
            (None, None) => Ok(None),
        };
        // By now nobody sends them anything, or wants what they have.
        drop(idle);
        join_all(workers);
        written
    }
}

/// The other side's error is the one to report.
fn stopped() -> Error {
    Error::new(Kind::Cancelled, "packing was stopped")
}

/// Compresses blocks until there are no more.
fn work(jobs: &Mutex<Receiver<Job>>) {
    let mut compressor = BlockCompressor::new();
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { mut block, done }) = job else { return };
        let result = match &mut compressor {
            Ok(compressor) => compress_block(compressor, &mut block),
            Err(error) => Err(error.clone()),
        };
        // Nobody listens once the writer has failed.
        let _ = done.send(result.map(|()| block));
    }
}

fn compress_block(compressor: &mut BlockCompressor, block: &mut Block) -> Result<()> {
    let bound = compressor.bound(block.filled);
    if block.packed.len() < bound {
        block.packed = vec![0; bound];
    }
    for (place, content) in block.files.drain(..) {
        content.read(block.tar.get_mut(place).unwrap_or_default())?;
    }
    let tar = block.tar.get(..block.filled).unwrap_or_default();
    block.crc.reset();
    block.crc.update(tar);
    block.length = compressor.compress(tar, block.last, &mut block.packed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::BlockTable;
    use crate::archive::gzip_block::noise;
    use flate2::read::GzDecoder;
    use sha2::{Digest, Sha256};
    use std::io::Read;

    fn pack(threads: usize, tar: &[u8]) -> (Vec<u8>, Option<String>) {
        let mut out = Vec::new();
        let ((), totals) = compress(threads, &Operation::new(), &mut out, |sink| sink.write(tar)).unwrap();
        assert_eq!(totals.size, tar.len() as u64);
        (out, totals.table)
    }

    /// Text with repeats, the same everywhere.
    fn text(length: usize) -> Vec<u8> {
        let words = noise(4096, 7);
        let picks = noise(length / 8 + 1, 8);
        let mut out: Vec<u8> = Vec::with_capacity(length + 16);
        for pick in picks {
            let at = usize::from(pick) * 15;
            out.extend(words[at..at + 9].iter().map(|byte| b'a' + byte % 26));
        }
        out.truncate(length);
        out
    }

    const MIB: usize = 1 << 20;

    /// These digests are the format. A change here breaks every caller's reproducible builds.
    #[test]
    fn golden_layers() {
        let found = [
            Vec::new(),
            vec![b'x'],
            vec![0; MIB],
            vec![0; MIB + 1],
            text(3 * MIB),
            [noise(MIB + 77, 9), text(2 * MIB)].concat(),
        ]
        .map(|tar| {
            let digest = Sha256::digest(pack(2, &tar).0);
            digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        });
        let wanted = [
            "30e6fa98fb48c2b132824d1ac5e2243c0be9e9082ff32598d34d7687ca7f6c7f",
            "53445b4929892e2e2429c0bd7dc9bd7237665159b4ba3051de2caf47d33d476f",
            "d9b4df95db0f3a4333def68344722574086b3be47ea6483b82d688b7d595fc36",
            "0454eb63a46774a7090a65bf7778f134c1d4330b24dfbcff8d8dc976417e5403",
            "5484ba9dd546d5ff97f47439efda7daa14da63f9a0853ff6d2b5a88ec9d6fbae",
            "4c69b5d21e0c7dac91daed0097df2c146feaa0ff49d375a7734bc694415c3303",
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn b_06_any_number_of_threads_gives_the_same_bytes() {
        let tar = [text(5 * MIB + 3), noise(MIB, 4), vec![0; 3 * MIB]].concat();
        let one = pack(1, &tar);
        for threads in [0, 2, 3, 8] {
            assert!(pack(threads, &tar) == one, "{threads} threads");
        }
    }

    #[test]
    fn the_layer_is_one_member_and_the_table_fits() {
        for length in [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 5] {
            let tar = text(length);
            let (layer, table) = pack(2, &tar);
            let mut back = Vec::new();
            let mut reader = GzDecoder::new(layer.as_slice());
            reader.read_to_end(&mut back).unwrap();
            assert!(back == tar, "{length}");
            assert!(reader.into_inner().is_empty(), "one member, nothing behind it");
            let table = table.map(|value| BlockTable::parse(&value, layer.len() as u64).unwrap());
            assert_eq!(table.is_some(), length > MIB);
            for (n, group) in table.iter().flat_map(|table| &table.groups).enumerate() {
                let bytes = &layer[group.start as usize..group.end as usize];
                let mut out = Vec::with_capacity(MIB + 1);
                let mut inflate = flate2::Decompress::new(false);
                inflate.decompress_vec(bytes, &mut out, flate2::FlushDecompress::Sync).unwrap();
                assert_eq!(inflate.total_in(), group.end - group.start);
                assert!(out == tar[n * MIB..tar.len().min((n + 1) * MIB)]);
            }
        }
    }

    /// Fails after some bytes, as a full disk does.
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::Error::from_raw_os_error(28))?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_ends_it_with_the_writers_error() {
        let tar = noise(40 * MIB, 1);
        for room in [0, 10, 5 * MIB] {
            let error =
                compress(2, &Operation::new(), &mut Full(room), |sink| sink.write(&tar)).err().unwrap();
            assert_eq!((error.kind(), error.errno()), (Kind::Io, Some(28)), "{error}");
        }
    }

    #[test]
    fn the_producers_error_and_a_cancel_come_through() {
        let mut out = Vec::new();
        let error = compress(2, &Operation::new(), &mut out, |sink| {
            sink.zeros(3 * MIB)?;
            Err::<(), _>(Error::new(Kind::Changed, "f: changed"))
        });
        assert_eq!(error.err().unwrap().message(), "f: changed");
        let operation = Operation::new();
        operation.cancel();
        let error = compress(2, &operation, &mut out, |sink| sink.zeros(300 * MIB)).err().unwrap();
        assert_eq!((error.kind(), error.message()), (Kind::Cancelled, "cancelled"));
    }
}
