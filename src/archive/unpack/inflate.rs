//! Inflates a layer of our own on all cores, by the table of its blocks. The table is a hint: at the first
//! block that is not what it says, the streaming decoder goes on from there.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::archive::BlockTable;
use crate::archive::blocks::{BLOCK_SIZE, HEADER};
use crate::error::{Error, Kind, Result};
use crate::thread::{join_all, spawn_scoped};

use super::buffer_pool::Chunk;
use super::gzip::{self, Begun, Source};
use super::stream::Output;

/// No block of at most 1 MiB deflates to more.
const BLOCK_LIMIT: u64 = (BLOCK_SIZE + (64 << 10)) as u64;
/// What a deflate stream may refer back to.
const WINDOW: usize = 32 << 10;

/// Whether the table is one that this module can use: an entry for each block.
pub(super) fn usable(table: &BlockTable) -> bool {
    let fits = |group: &std::ops::Range<u64>| group.end - group.start <= BLOCK_LIMIT;
    table.group_size == BLOCK_SIZE as u64 && table.groups.iter().all(fits)
}

struct Job {
    compressed: Vec<u8>,
    chunk: Chunk,
    last: bool,
    reply: SyncSender<Done>,
}

struct Done {
    compressed: Vec<u8>,
    chunk: Chunk,
    /// The content's, where the block is what the table says.
    crc: Option<Crc>,
}

/// Decodes the whole stream; what comes out is what [`gzip::stream`] gives.
pub(super) fn stream(
    source: &mut Source<'_>,
    output: &mut Output,
    table: &BlockTable,
    threads: usize,
) -> Result<()> {
    let mut start = [0; HEADER.len()];
    let length = source.fill(&mut start)?;
    if start != HEADER {
        source.unread(start.get(..length).unwrap_or_default());
        return gzip::stream(source, output);
    }
    let (jobs, queue) = sync_channel(2 * threads);
    let queue = Mutex::new(queue);
    let begun = std::thread::scope(|scope| {
        let mut workers = Vec::new();
        let run = || {
            for _ in 0..threads {
                workers.push(spawn_scoped(scope, "cldoci-inflate", || work(&queue))?);
            }
            blocks(source, output, table, jobs, 2 * threads)
        };
        let begun = run();
        join_all(workers);
        begun
    })?;
    match begun {
        Ok(begun) => gzip::rest(source, output, begun),
        Err((crc, length)) => gzip::after(source, output, &crc, length),
    }
}

/// Feeds the workers and passes on what they give, in order. `Ok` tells where the streaming decoder has to go
/// on, `Err` holds checksum and length of the content after the last block.
fn blocks(
    source: &mut Source<'_>,
    output: &mut Output,
    table: &BlockTable,
    jobs: SyncSender<Job>,
    most: usize,
) -> Result<std::result::Result<Begun, (Crc, u64)>> {
    let mut groups = table.groups.iter().peekable();
    let mut pending: VecDeque<Receiver<Done>> = VecDeque::new();
    let mut spare: Vec<Vec<u8>> = Vec::new();
    let mut begun = Begun { crc: Crc::new(), length: 0, window: Vec::new() };
    let lost = || Error::new(Kind::Internal, "a thread that inflates is gone");
    loop {
        while pending.len() < most {
            let Some(group) = groups.peek() else { break };
            // Waiting for a buffer while finished ones are in hand would be for ever.
            let chunk = if pending.is_empty() { Some(output.buffer()?) } else { output.pool.try_get() };
            let Some(chunk) = chunk else { break };
            let mut compressed = spare.pop().unwrap_or_default();
            compressed.resize((group.end - group.start) as usize, 0);
            let read = source.fill(&mut compressed)?;
            compressed.truncate(read);
            groups.next();
            let (reply, done) = sync_channel(1);
            let job = Job { compressed, chunk, last: groups.peek().is_none(), reply };
            jobs.send(job).map_err(|_| lost())?;
            pending.push_back(done);
        }
        let Some(done) = pending.pop_front() else { return Ok(Err((begun.crc, begun.length))) };
        let done = done.recv().map_err(|_| lost())?;
        let Some(crc) = done.crc else {
            let mut unread = done.compressed;
            for done in pending {
                unread.extend_from_slice(&done.recv().map_err(|_| lost())?.compressed);
            }
            source.unread(&unread);
            return Ok(Ok(begun));
        };
        begun.crc.combine(&crc);
        begun.length += done.chunk.len() as u64;
        let data = done.chunk.data();
        begun.window.clear();
        begun.window.extend_from_slice(data.get(data.len().saturating_sub(WINDOW)..).unwrap_or_default());
        output.send(done.chunk)?;
        spare.push(done.compressed);
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    let mut inflate = Decompress::new(false);
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { compressed, mut chunk, last, reply }) = job else { return };
        let crc = block(&mut inflate, &compressed, &mut chunk, last);
        // Nobody waits for it where the pull has failed.
        let _ = reply.send(Done { compressed, chunk, crc });
    }
}

/// Inflates one block. It counts only where exactly its bytes are consumed, exactly its length comes out, it
/// refers to nothing before it, and the next block can begin behind it.
fn block(inflate: &mut Decompress, compressed: &[u8], chunk: &mut Chunk, last: bool) -> Option<Crc> {
    inflate.reset(false);
    let ended = loop {
        let (read, made) = (inflate.total_in(), inflate.total_out());
        let input = compressed.get(read as usize..)?;
        let status = inflate.decompress(input, chunk.room(), FlushDecompress::None).ok()?;
        chunk.grow((inflate.total_out() - made) as usize);
        if status == Status::StreamEnd {
            break true;
        }
        if inflate.total_in() == read && inflate.total_out() == made {
            break false;
        }
    };
    if ended != last || inflate.total_in() != compressed.len() as u64 || chunk.len() == 0 {
        return None;
    }
    if !last {
        // An empty stored block ends it, and a final empty block can follow: a block boundary.
        let mut none = [0; 1];
        let status = inflate.decompress(&[3, 0], &mut none, FlushDecompress::None).ok()?;
        let boundary = status == Status::StreamEnd && inflate.total_out() == BLOCK_SIZE as u64;
        if !boundary || !compressed.ends_with(&[0, 0, 0xff, 0xff]) || chunk.len() != BLOCK_SIZE {
            return None;
        }
    }
    let mut crc = Crc::new();
    crc.update(chunk.data());
    Some(crc)
}
