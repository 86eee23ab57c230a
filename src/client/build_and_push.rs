//! build_and_push: directory → artifact at a registry, in one pass where the registry allows it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};

use super::artifact::{Artifact, Content};
use super::backend::Unfinished;
use super::build::Built;
use super::endpoint::Endpoint;
use super::{Outcome, Verb};
use crate::archive::{Packed, pack};
use crate::error::{Error, Kind, Result};
use crate::fs::CHUNK;
use crate::oci::{Algorithm, ArtifactKind, Descriptor, Hasher, Reference};
use crate::operation::{Count, Phase};
use crate::store::{Layout, LayoutWriter};
use crate::thread::blocking;

/// Chunks that wait to be sent.
const DEPTH: usize = 4;

impl Verb {
    /// Builds a directory and pushes it. To a registry that takes a body without a length the layer goes while it
    /// is packed, and no file is spooled.
    pub(super) async fn build_and_push(
        &self,
        directory: PathBuf,
        kind: ArtifactKind,
        config: Vec<u8>,
        reference: &Reference,
    ) -> Result<Outcome> {
        let to = self.endpoint(reference)?;
        // A digest must be known before anything is sent; a layer that is taken again is not packed.
        let at_once = to.target.digest.is_none() && !self.call.settings.reuse_unchanged;
        let sent = match (at_once, to.layout()) {
            (false, _) => None,
            (true, None) => self.stream(&directory, &kind, &to).await?.map(|layer| (layer, None)),
            (true, Some(_)) => self.pack_into(&directory, &kind, &to).await?,
        };
        let (built, pushed) = match sent {
            // No garbage is collected before the manifest names the layer.
            Some((layer, _writer)) => {
                let built = self.artifact(kind, &config, layer)?;
                let pushed = self.push_all_but_layers(&to, made(&built)?).await?;
                (built, pushed)
            }
            None => {
                let layout = to.layout().map(Path::to_owned);
                let built = self.build(directory, kind, config, layout).await?;
                let pushed = self.push(made(&built)?, reference).await?;
                (built, pushed)
            }
        };
        Ok(Outcome {
            left_out: built.left_out,
            left_out_total: built.left_out_total,
            unchanged: built.unchanged,
            ..pushed
        })
    }
}

fn made(outcome: &Outcome) -> Result<&Artifact> {
    outcome.artifact.as_deref().ok_or_else(|| Error::new(Kind::Internal, "a build without an artifact"))
}

impl Verb {
    /// Packs into the target; nothing where it did not take it so.
    async fn stream(&self, directory: &Path, kind: &ArtifactKind, to: &Endpoint) -> Result<Option<Built>> {
        let (mut writer, chunks) = ChunkWriter::new();
        let (tell, described) = oneshot::channel();
        let unfinished = Unfinished { chunks, described: Box::pin(async { described.await.ok() }) };
        let mount_from = &self.call.settings.mount_from;
        let Some(sending) = to.backend.send_unfinished(unfinished, mount_from) else { return Ok(None) };
        self.call.operation.enter(Phase::Uploading);
        let (inner, place, of) = (self.clone(), directory.to_owned(), kind.clone());
        let packing = blocking(move || {
            let options = inner.pack_options(&place, &of, None)?;
            let packed = pack(&place, &options, &inner.call.operation, &mut writer)?;
            let layer = writer.finish(of.layer_media_type())?;
            let _ = tell.send(layer.clone());
            Ok((packed, layer))
        });
        let (packed, sent) = tokio::join!(packing, sending);
        match (packed, sent) {
            (Ok((packed, layer)), Ok(true)) => Ok(Some(there(to, layer, packed))),
            // The end of the upload ends the packing, not the other way round.
            (Err(error), _) if error.kind() != Kind::Cancelled => Err(error),
            (_, Err(error)) => Err(error),
            (_, Ok(_)) => Ok(None),
        }
    }
}

/// A layer that lies at the target already.
fn there(to: &Endpoint, layer: Descriptor, packed: Packed) -> Built {
    let Packed { blocks, left_out, left_out_total, .. } = packed;
    let (digest, size) = (layer.digest, layer.size);
    let layer = Content::Remote(to.reference.clone());
    Built { layer, digest, size, blocks, left_out, left_out_total, unchanged: false }
}

impl Verb {
    /// Packs into a layout that is there, so that the layer's file is made where all others are, with their group and
    /// access; nothing where there is none yet.
    async fn pack_into(
        &self,
        directory: &Path,
        kind: &ArtifactKind,
        to: &Endpoint,
    ) -> Result<Option<(Built, Option<LayoutWriter>)>> {
        let (inner, place, of, to) = (self.clone(), directory.to_owned(), kind.clone(), to.clone());
        blocking(move || {
            let call = &inner.call;
            let Some(path) = to.layout() else { return Ok(None) };
            let layout = match Layout::open(path, call) {
                Err(error) if error.kind() == Kind::NotFound => return Ok(None),
                opened => opened?,
            };
            let options = inner.pack_options(&place, &of, Some(path))?;
            let writer = layout.begin()?;
            let mut layer = writer.create_layer()?;
            let packed = pack(&place, &options, &call.operation, &mut layer)?;
            let (layer, new) = layer.commit(of.layer_media_type())?;
            call.operation.expect(layer.digest.as_str(), layer.size);
            call.operation.meter(layer.digest.as_str()).at(layer.size);
            call.operation.count(if new { Count::Uploaded } else { Count::Skipped });
            Ok(Some((there(&to, layer, packed), Some(writer))))
        })
        .await
    }
}

/// Takes a blob in, hashes it, and hands it on in chunks.
struct ChunkWriter {
    sender: mpsc::Sender<io::Result<Bytes>>,
    chunk: BytesMut,
    hasher: Hasher,
    size: u64,
}

impl ChunkWriter {
    fn new() -> (Self, mpsc::Receiver<io::Result<Bytes>>) {
        let (sender, receiver) = mpsc::channel(DEPTH);
        let chunk = BytesMut::with_capacity(CHUNK);
        (Self { sender, chunk, hasher: Hasher::new(Algorithm::Sha256), size: 0 }, receiver)
    }

    fn send(&mut self) -> Result<()> {
        let chunk = std::mem::replace(&mut self.chunk, BytesMut::with_capacity(CHUNK)).freeze();
        let over = || Error::new(Kind::Cancelled, "the upload is over");
        self.sender.blocking_send(Ok(chunk)).map_err(|_| over())
    }

    /// The last chunk is out: what it all was.
    fn finish(mut self, media_type: &str) -> Result<Descriptor> {
        if !self.chunk.is_empty() {
            self.send()?;
        }
        Ok(Descriptor::new(media_type, self.hasher.finish(), self.size))
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK - self.chunk.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.chunk.extend_from_slice(taken);
        self.hasher.update(taken);
        self.size += taken.len() as u64;
        if self.chunk.len() >= CHUNK {
            self.send()?;
        }
        Ok(taken.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
