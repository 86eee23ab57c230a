//! A repository of a registry. Its work is asynchronous; readers that block get it through a pipe.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;

use super::mirrors::{Asked, Mirrors, Source, passes_on, served};
use super::{Backend, Blob, Pending, Target, Unfinished, Writer};
use crate::client::Client;
use crate::client::pipe::{PipeWriter, pipe};
use crate::error::{Error, Kind, Result};
use crate::oci::{Descriptor, Digest, Document, Hasher};
use crate::registry::{BlobReader, Repository, Scratch};

pub(super) struct RegistryBackend {
    client: Client,
    mirrors: Mirrors,
    /// Where downloads run, for those that block.
    runtime: Handle,
}

impl RegistryBackend {
    /// To be made within the runtime.
    pub(super) fn new(client: Client, mirrors: Mirrors) -> Self {
        Self { client, mirrors, runtime: Handle::current() }
    }
}

/// Ends with the call's operation at the latest.
fn run<'a, T: 'a>(
    repository: &'a Repository,
    work: impl Future<Output = Result<T>> + Send + 'a,
) -> Pending<'a, T> {
    Box::pin(repository.call().operation.run(work))
}

fn asked(target: &Target) -> Asked {
    if target.digest.is_some() { Asked::Content } else { Asked::Tag }
}

/// How the protocol names a manifest.
fn name(target: &Target) -> String {
    match &target.digest {
        Some(digest) => digest.to_string(),
        None => target.tag.as_deref().unwrap_or("latest").to_owned(),
    }
}

impl Backend for RegistryBackend {
    fn descriptor<'a>(&'a self, target: &'a Target) -> Pending<'a, Descriptor> {
        let name = name(target);
        self.mirrors.read(asked(target), move |at| {
            let name = name.clone();
            run(at, async move { at.find_manifest(&name).await })
        })
    }

    fn manifest<'a>(&'a self, target: &'a Target) -> Pending<'a, (Descriptor, Vec<u8>)> {
        let name = name(target);
        self.mirrors.read(asked(target), move |at| {
            let name = name.clone();
            run(at, async move { at.get_manifest(&name).await })
        })
    }

    fn child<'a>(&'a self, descriptor: &'a Descriptor) -> Pending<'a, Vec<u8>> {
        self.mirrors.read(Asked::Content, move |at| {
            run(at, async move { Ok(at.get_manifest(descriptor.digest.as_str()).await?.1) })
        })
    }

    fn small_blob<'a>(&'a self, descriptor: &'a Descriptor, _: usize) -> Pending<'a, Vec<u8>> {
        self.mirrors.read(Asked::Content, move |at| {
            run(at, async move {
                let mut reader = at.read_blob(descriptor, 0).await?;
                let mut bytes = Vec::new();
                while let Some(chunk) = reader.chunk().await? {
                    bytes.extend_from_slice(&chunk);
                }
                Ok(bytes)
            })
        })
    }

    fn local_blob(&self, _: &Descriptor) -> Result<Option<File>> {
        Ok(None)
    }

    /// Through a pipe that a task of the runtime fills. From the start on it is verified by the task; otherwise by
    /// whoever has the first part.
    fn read_blob(&self, descriptor: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send>> {
        let (writer, reader) = pipe();
        let (sources, descriptor) = (self.mirrors.sources(), descriptor.clone());
        let operation = self.mirrors.own().call().operation.clone();
        let client = self.client.clone();
        let scratch: Scratch = Arc::new(move || client.spooling()?.scratch());
        self.runtime.spawn(async move {
            let result = operation.run(download(&sources, &descriptor, offset, &scratch, &writer)).await;
            writer.finish(result).await;
        });
        Ok(Box::new(reader))
    }

    fn tags(&self) -> Pending<'_, Vec<String>> {
        self.mirrors.read(Asked::List, |at| run(at, at.list_tags()))
    }

    fn referrers<'a>(
        &'a self,
        subject: &'a Digest,
        artifact_type: Option<&'a str>,
    ) -> Pending<'a, Vec<Descriptor>> {
        self.mirrors.read(Asked::List, move |at| run(at, at.referrers(subject, artifact_type)))
    }

    fn delete<'a>(&'a self, target: &'a Target) -> Pending<'a, ()> {
        let repository = self.mirrors.own().clone().for_delete();
        run(self.mirrors.own(), async move { repository.delete_manifest(&name(target)).await })
    }

    fn collect_garbage(&self) -> Pending<'_, u64> {
        let why = "a registry collects its garbage itself; only a layout (ocidir://PATH) is collected here";
        let refused = Error::new(Kind::Unsupported, format!("{}: {why}", self.mirrors.own().name()));
        Box::pin(async { Err(refused) })
    }

    fn reads_elsewhere(&self) -> bool {
        self.mirrors.reads_elsewhere()
    }

    fn writer(&self, mount_from: &[String]) -> Pending<'_, Arc<dyn Writer>> {
        let writer = Pushing {
            client: self.client.clone(),
            repository: self.mirrors.own().clone().for_push(mount_from),
            mount_from: mount_from.to_vec(),
        };
        Box::pin(async { Ok(Arc::new(writer) as Arc<dyn Writer>) })
    }

    fn send_unfinished(&self, blob: Unfinished, mount_from: &[String]) -> Option<Pending<'static, bool>> {
        let (repository, from) = (self.mirrors.own().clone().for_push(mount_from), mount_from.to_vec());
        // It ends with the operation by itself, and then cancels what it began.
        Some(Box::pin(async move { repository.upload_streamed(blob.chunks, blob.described, &from).await }))
    }
}

struct Pushing {
    client: Client,
    repository: Repository,
    mount_from: Vec<String>,
}

impl Writer for Pushing {
    fn still_has<'a>(
        &'a self,
        manifest: &'a Digest,
        tag: Option<&'a str>,
        blobs: &'a [&'a Descriptor],
    ) -> Pending<'a, bool> {
        let name = tag.unwrap_or(manifest.as_str());
        run(&self.repository, self.repository.still_has(name, manifest, blobs))
    }

    fn send<'a>(&'a self, blob: &'a Blob) -> Pending<'a, ()> {
        run(&self.repository, async move {
            let source = blob.source.clone();
            self.repository
                .upload_blob(&blob.descriptor, source, &self.mount_from, Arc::new(self.client.clone()))
                .await
                .map(drop)
        })
    }

    fn send_again<'a>(&'a self, blob: &'a Blob) -> Pending<'a, ()> {
        run(&self.repository, self.repository.upload_blob_again(&blob.descriptor, blob.source.clone()))
    }

    fn put_manifest<'a>(
        &'a self,
        descriptor: &'a Descriptor,
        bytes: &'a Bytes,
        _: Option<Arc<Document>>,
        tag: Option<&'a str>,
    ) -> Pending<'a, bool> {
        run(&self.repository, async move {
            let name = tag.unwrap_or(descriptor.digest.as_str());
            let put = self.repository.put_shared_manifest(name, &descriptor.media_type, bytes).await?;
            Ok(put.subject_known)
        })
    }

    fn put_referrers<'a>(&'a self, subject: &'a Digest, referrers: &'a [Descriptor]) -> Pending<'a, ()> {
        run(&self.repository, self.repository.put_referrers(subject, referrers))
    }
}

/// From the first that has it; where one breaks off, the next goes on from there. The digest is of what all of them
/// gave.
async fn download(
    sources: &[Source],
    descriptor: &Descriptor,
    offset: u64,
    scratch: &Scratch,
    writer: &PipeWriter,
) -> Result<()> {
    let mut position = offset;
    let mut hasher = (offset == 0).then(|| Hasher::new(descriptor.digest.algorithm()));
    for Source { repository, mirror } in sources {
        let reader = repository.read_blob(descriptor, position).await;
        let reader = reader.map(|reader| reader.with_scratch(scratch.clone()));
        let reader = reader.map(|reader| match hasher.clone().filter(|_| position > 0) {
            Some(before) => reader.with_prefix(before),
            None => reader,
        });
        let result = match reader {
            Ok(mut reader) if *mirror => {
                let result = hand_on(&mut reader, writer, |chunk| {
                    position += chunk.len() as u64;
                    if let Some(hasher) = &mut hasher {
                        hasher.update(chunk);
                    }
                });
                result.await
            }
            // There is nobody after it to need the hash.
            Ok(mut reader) => hand_on(&mut reader, writer, |_| ()).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => {
                if *mirror {
                    served(repository);
                }
                return Ok(());
            }
            // What was given out can't be taken back.
            Err(error) if *mirror && error.kind() != Kind::Digest => passes_on(repository, error)?,
            Err(error) => return Err(error),
        }
    }
    Err(Error::new(Kind::Internal, "a blob without a source"))
}

async fn hand_on(reader: &mut BlobReader, writer: &PipeWriter, mut given: impl FnMut(&[u8])) -> Result<()> {
    let gone = || Error::new(Kind::Cancelled, "the reader is gone");
    loop {
        // Its place is somebody else's as soon as nobody reads.
        let chunk = tokio::select! {
            biased;
            chunk = reader.chunk() => chunk?,
            () = writer.closed() => return Err(gone()),
        };
        let Some(chunk) = chunk else { return Ok(()) };
        given(&chunk);
        if !writer.send(chunk).await {
            return Err(gone());
        }
    }
}
