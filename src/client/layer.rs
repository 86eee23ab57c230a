//! One layer's bytes on their way to the unpacker: from a layout, the store, a partial download, the network;
//! verified whatever they came from.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Verb;
use super::endpoint::Endpoint;
use crate::error::{Error, Kind, Result};
use crate::oci::{Descriptor, Hasher};
use crate::operation::{Meter, Operation};
use crate::store::{BlobWriter, Partial, Store};

/// Layers from this size on are written to the store as they come, so that an interrupted download resumes.
const RESUMABLE: u64 = 16 << 20;

/// How much, and for how long, is held back at most until it is known whether writing a layer down is worth it.
const HELD: usize = 1 << 20;
const HELD_FOR: Duration = Duration::from_millis(200);

/// A verified stream of one blob. After its end [`LayerReader::finish`] must be called.
pub(super) struct LayerReader {
    descriptor: Descriptor,
    /// What an earlier run, or the cache, has of it.
    local: Option<Box<dyn Read + Send>>,
    network: Option<Box<dyn Read + Send>>,
    /// Only where the bytes are not verified on their way in.
    hasher: Option<Hasher>,
    keep: Keep,
    position: u64,
    resumed: bool,
    cache: bool,
    operation: Operation,
    meter: Arc<Meter>,
}

/// What is written down of the bytes that come from the network.
enum Keep {
    Nothing,
    /// A download that is over soon is not worth it.
    Held(Held),
    Partial(Box<Partial>),
    Blob(Box<BlobWriter>),
    /// The store could not take it all: what is there resumes a download that fails, and goes with one that
    /// does not.
    Part(Box<Partial>),
    /// Nothing comes: the store has it whole. One that is damaged goes, so that the next try fetches it.
    Kept(Store),
}

impl Keep {
    /// Writes down what came. A full store must not fail a pull that has room at its destination.
    fn write(&mut self, chunk: &[u8]) {
        let written = match self {
            Self::Held(held) => match held.takes(chunk) {
                true => return,
                false => self.decide(chunk),
            },
            Self::Partial(partial) => partial.write_all(chunk),
            Self::Blob(blob) => blob.write_all(chunk),
            Self::Nothing | Self::Part(_) | Self::Kept(_) => return,
        };
        if written.is_err() {
            *self = match std::mem::replace(self, Self::Nothing) {
                Self::Partial(partial) => Self::Part(partial),
                _ => Self::Nothing,
            };
        }
    }

    /// Ends the holding back: what is held and what came is written down, or nothing ever is.
    fn decide(&mut self, chunk: &[u8]) -> io::Result<()> {
        let Self::Held(held) = std::mem::replace(self, Self::Nothing) else { return Ok(()) };
        if held.is_soon_over() {
            return Ok(held.partial.discard()?);
        }
        let mut partial = held.partial;
        let written = partial.write_all(&held.bytes).and_then(|()| partial.write_all(chunk));
        *self = Self::Partial(partial);
        written
    }
}

/// The first bytes of a download, of which it is not yet known how long it takes.
struct Held {
    partial: Box<Partial>,
    bytes: Vec<u8>,
    size: u64,
    /// When the first of them came, and how many that were: a server's delay says nothing of its rate.
    first: Option<(Instant, usize)>,
    /// A download that takes less is not written down.
    worth: Duration,
}

impl Held {
    fn takes(&mut self, chunk: &[u8]) -> bool {
        let (since, _) = self.first.get_or_insert_with(|| (Instant::now(), chunk.len()));
        let fits = self.bytes.len() + chunk.len() <= HELD && since.elapsed() < HELD_FOR;
        if fits {
            self.bytes.extend_from_slice(chunk);
        }
        fits
    }

    /// Whether the rest comes within `worth`, at the rate at which these bytes came.
    fn is_soon_over(&self) -> bool {
        let Some((since, first)) = self.first else { return false };
        let left = self.size.saturating_sub(self.bytes.len() as u64) as f64;
        let came = self.bytes.len().saturating_sub(first) as f64;
        since.elapsed().as_secs_f64() * left < self.worth.as_secs_f64() * came
    }
}

/// What a store made, unless it is full.
fn unless_full<T>(made: Result<Option<T>>) -> Result<Option<T>> {
    match made {
        Err(error) if error.is_disk_full() => Ok(None),
        made => made,
    }
}

impl LayerReader {
    pub(super) fn open(verb: &Verb, endpoint: &Endpoint, descriptor: &Descriptor) -> Result<Self> {
        let store = verb.client.store()?;
        let cache = verb.call.settings.cache;
        let mut made = Self {
            descriptor: descriptor.clone(),
            local: None,
            network: None,
            hasher: None,
            keep: Keep::Nothing,
            position: 0,
            resumed: false,
            cache,
            operation: verb.call.operation.clone(),
            meter: verb.call.operation.meter(descriptor.digest.as_str()),
        };
        if let Some(file) = endpoint.backend.local_blob(descriptor)? {
            made.local = Some(Box::new(file));
            made.hasher = Some(Hasher::new(descriptor.digest.algorithm()));
            return Ok(made);
        }
        let mut offset = 0;
        if let Some(store) = &store {
            if let Some(file) = store.open_blob(descriptor)? {
                made.local = Some(Box::new(file));
                made.hasher = Some(Hasher::new(descriptor.digest.algorithm()));
                made.keep = Keep::Kept(store.clone());
                return Ok(made);
            }
            if descriptor.size >= RESUMABLE {
                if let Some(partial) = unless_full(store.partial(descriptor))? {
                    offset = partial.length();
                    if offset > 0 {
                        made.local = Some(Box::new(partial.prefix()));
                        made.hasher = Some(Hasher::new(descriptor.digest.algorithm()));
                        made.resumed = true;
                    }
                    let worth = verb.call.settings.resume_after;
                    let partial = Box::new(partial);
                    made.keep = if offset > 0 || cache || worth.is_zero() {
                        Keep::Partial(partial)
                    } else {
                        let (bytes, size) = (Vec::with_capacity(HELD), descriptor.size);
                        Keep::Held(Held { partial, bytes, size, first: None, worth })
                    };
                }
            } else if cache {
                let blob = unless_full(store.create_blob(descriptor).map(Some))?;
                made.keep = blob.map_or(Keep::Nothing, |blob| Keep::Blob(Box::new(blob)));
            }
        }
        if offset < descriptor.size || descriptor.size == 0 {
            made.network = Some(endpoint.backend.read_blob(descriptor, offset)?);
        }
        Ok(made)
    }

    /// Verifies what came, and keeps or drops what was written down.
    pub(super) fn finish(mut self) -> Result<()> {
        // Whatever the unpacker left unread belongs to the blob too.
        io::copy(&mut self, &mut io::sink()).map_err(|e| self.failed(e))?;
        if self.position != self.descriptor.size {
            return Err(Error::new(
                Kind::Size,
                format!(
                    "blob {} has {} bytes, not {}",
                    self.descriptor.digest, self.position, self.descriptor.size
                ),
            ));
        }
        if let Some(found) = self.hasher.take().map(Hasher::finish)
            && found != self.descriptor.digest
        {
            let mut mended = self.resumed;
            match self.keep {
                Keep::Held(Held { partial, .. }) | Keep::Partial(partial) | Keep::Part(partial) => {
                    partial.discard()?;
                }
                Keep::Kept(store) => mended = store.remove_blob(&self.descriptor.digest)?,
                Keep::Nothing | Keep::Blob(_) => {}
            }
            return Err(Error::new(
                Kind::Digest,
                format!("blob {} has the digest {found}", self.descriptor.digest),
            )
            .with_retryable(mended));
        }
        match self.keep {
            Keep::Nothing | Keep::Kept(_) => Ok(()),
            Keep::Partial(partial) => partial.finish(self.cache),
            Keep::Held(Held { partial, .. }) | Keep::Part(partial) => partial.discard(),
            // The last of it may find no room.
            Keep::Blob(blob) => unless_full(blob.commit().map(Some)).map(drop),
        }
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io(format_args!("blob {}", self.descriptor.digest), error)
    }
}

impl Read for LayerReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.operation.check()?;
        let mut count = 0;
        if let Some(file) = &mut self.local {
            count = file.read(into)?;
            if count == 0 && !into.is_empty() {
                self.local = None;
            }
        }
        if count == 0
            && let Some(network) = &mut self.network
        {
            count = network.read(into)?;
            let chunk = into.get(..count).unwrap_or_default();
            self.keep.write(chunk);
        }
        if let (Some(hasher), Some(chunk)) = (&mut self.hasher, into.get(..count)) {
            hasher.update(chunk);
        }
        self.position += count as u64;
        self.meter.at(self.position);
        Ok(count)
    }
}
