//! Where a push, a tag or a copy writes: a registry's repository or a layout.

use std::io::{Read, Write};
use std::sync::Arc;

use super::Verb;
use super::blocking::{CHUNK, blocking};
use crate::error::{Error, Result};
use crate::oci::Descriptor;
use crate::operation::Count;
use crate::registry::{BlobSource, Repository};
use crate::store::{LayoutWriter, Spool};

/// A blob to send, and where its bytes are.
pub(super) struct Blob {
    pub(super) descriptor: Descriptor,
    pub(super) source: Arc<dyn BlobSource>,
    /// The store's own copy, which a layout on the same file system can share.
    pub(super) spool: Option<Arc<Spool>>,
}

/// Where a push writes.
#[derive(Clone)]
pub(super) enum Sink {
    Registry { repository: Box<Repository>, mount_from: Arc<[String]> },
    Layout(Arc<LayoutWriter>),
}

impl Sink {
    /// Brings a blob there: skipped where it is, mounted where it can be, else sent.
    pub(super) async fn send(&self, verb: &Verb, blob: &Blob) -> Result<()> {
        let operation = &verb.call.operation;
        let (descriptor, source) = (&blob.descriptor, blob.source.clone());
        match self {
            Self::Registry { repository, mount_from } => {
                let sessions = verb.client.sessions();
                let upload = repository.upload_blob(descriptor, source, mount_from, sessions);
                operation.run(upload).await.map(drop)
            }
            Self::Layout(writer) => {
                let (writer, descriptor, operation) = (writer.clone(), descriptor.clone(), operation.clone());
                let spool = blob.spool.clone();
                blocking(move || {
                    let meter = operation.meter();
                    if writer.layout().has_blob(&descriptor)? {
                        meter.at(descriptor.size);
                        operation.count(Count::Skipped);
                        return Ok(());
                    }
                    if let Some(spool) = spool {
                        writer.add_spool(&descriptor, &spool, &operation, &meter)?;
                        operation.count(Count::Uploaded);
                        return Ok(());
                    }
                    let mut input = source.open(0)?;
                    let mut blob = writer.create_blob(&descriptor)?;
                    let mut buffer = vec![0; CHUNK];
                    let mut done = 0;
                    loop {
                        operation.check()?;
                        let count = input
                            .read(&mut buffer)
                            .map_err(|e| Error::io(format_args!("blob {}", descriptor.digest), e))?;
                        let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else {
                            break;
                        };
                        blob.write_all(chunk)
                            .map_err(|e| Error::io(format_args!("blob {}", descriptor.digest), e))?;
                        done += count as u64;
                        meter.at(done);
                    }
                    blob.commit()?;
                    operation.count(Count::Uploaded);
                    Ok(())
                })
                .await
            }
        }
    }

    /// Sends a blob whatever was said about it before.
    pub(super) async fn send_again(&self, verb: &Verb, blob: &Blob) -> Result<()> {
        match self {
            Self::Registry { repository, .. } => {
                let operation = &verb.call.operation;
                operation.run(repository.upload_blob_again(&blob.descriptor, blob.source.clone())).await
            }
            Self::Layout(_) => self.send(verb, blob).await,
        }
    }

    /// Puts a manifest under a tag, or by its digest alone. True where the registry lists a subject itself.
    pub(super) async fn put_manifest(
        &self,
        verb: &Verb,
        descriptor: &Descriptor,
        bytes: &[u8],
        tag: Option<&str>,
    ) -> Result<bool> {
        match self {
            Self::Registry { repository, .. } => {
                let target = tag.map_or_else(|| descriptor.digest.to_string(), str::to_owned);
                let operation = &verb.call.operation;
                let put = repository.put_manifest(&target, &descriptor.media_type, bytes);
                Ok(operation.run(put).await?.subject_known)
            }
            Self::Layout(writer) => {
                let (writer, descriptor) = (writer.clone(), descriptor.clone());
                let (bytes, tag) = (bytes.to_vec(), tag.map(str::to_owned));
                let operation = verb.call.operation.clone();
                blocking(move || writer.put_manifest(&descriptor, &bytes, tag.as_deref(), &operation))
                    .await?;
                Ok(true)
            }
        }
    }
}
