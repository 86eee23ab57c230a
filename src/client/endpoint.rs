//! One face for both places an artifact can be: a registry's repository and a local image layout.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Verb;
use super::blocking::blocking;
use super::pipe::{PipeReader, PipeWriter, pipe};
use super::platform::choose;
use super::sink::Sink;
use crate::error::{Error, Kind, Result};
use crate::oci::{Descriptor, Digest, Document, ImageManifest, Reference, parse_document};
use crate::operation::Operation;
use crate::registry::Repository;
use crate::store::Layout;

/// A reference, ready to be read from and written to.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) reference: Reference,
    /// The reference's digest, which is whole.
    pub(super) digest: Option<Digest>,
    /// Of several manifests of one name in a layout, the one for this platform is meant.
    platform: Box<str>,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Registry(Box<Repository>),
    Layout(PathBuf),
}

/// A manifest with its bytes and descriptor.
pub(super) struct Manifest<T = Document> {
    pub(super) descriptor: Descriptor,
    pub(super) bytes: Vec<u8>,
    pub(super) document: T,
}

impl Endpoint {
    pub(super) fn new(verb: &Verb, reference: &Reference) -> Result<Self> {
        let digest = reference.digest().map_err(|e| e.context(reference))?;
        let mut reference = reference.clone();
        let place = match &mut reference {
            Reference::Registry(registry) => {
                Place::Registry(Box::new(verb.client.registry().repository(registry, &verb.call)?))
            }
            Reference::Layout(layout) => {
                layout.path = absolute(&layout.path)?;
                Place::Layout(layout.path.clone())
            }
        };
        let platform = verb.call.settings.text("platform").into();
        Ok(Self { reference, digest, platform, place })
    }

    /// The registry's repository.
    pub(super) fn repository(&self) -> Option<&Repository> {
        match &self.place {
            Place::Registry(repository) => Some(repository),
            Place::Layout(_) => None,
        }
    }

    /// Whether both are the same repository or layout, so that blobs need not move.
    pub(super) fn same_place(&self, other: &Self) -> bool {
        match (&self.reference, &other.reference) {
            (Reference::Registry(a), Reference::Registry(b)) => {
                a.registry == b.registry && a.repository == b.repository
            }
            (Reference::Layout(a), Reference::Layout(b)) => a.path == b.path,
            _ => false,
        }
    }

    /// The repository that blobs can be mounted from into `target`, where both are on one registry.
    pub(super) fn mountable_into(&self, target: &Self) -> Option<String> {
        match (&self.reference, &target.reference) {
            (Reference::Registry(a), Reference::Registry(b))
                if a.registry == b.registry && a.repository != b.repository =>
            {
                Some(a.repository.clone())
            }
            _ => None,
        }
    }

    /// The tag or, first, the digest.
    fn target(&self) -> String {
        match &self.digest {
            Some(digest) => digest.to_string(),
            None => self.reference.tag().unwrap_or("latest").to_owned(),
        }
    }

    fn not_found(&self) -> Error {
        let what = match &self.place {
            Place::Registry(_) => "the registry has no such manifest",
            Place::Layout(_) => "the layout has no such manifest",
        };
        Error::new(Kind::NotFound, format!("{}: {what}", self.reference))
    }

    /// The manifest's descriptor; none where it is not there.
    pub(super) async fn resolve(&self, operation: &Operation) -> Result<Option<Descriptor>> {
        match &self.place {
            Place::Registry(repository) => operation.run(repository.head_manifest(&self.target())).await,
            Place::Layout(path) => {
                let (path, reference, digest) = (path.clone(), self.reference.clone(), self.digest.clone());
                let platform = self.platform.clone();
                blocking(move || match Layout::open(&path) {
                    Ok(layout) => layout.for_wish(&platform).resolve(reference.tag(), digest.as_ref()),
                    Err(error) if error.kind() == Kind::NotFound => Ok(None),
                    Err(error) => Err(error),
                })
                .await
            }
        }
    }

    /// The manifest that the reference names.
    pub(super) async fn manifest(&self, verb: &Verb) -> Result<Manifest> {
        let (descriptor, bytes) = match &self.place {
            Place::Registry(repository) => {
                verb.call.operation.run(repository.get_manifest(&self.target())).await?
            }
            Place::Layout(_) => {
                let descriptor = self.resolve(&verb.call.operation).await?.ok_or_else(|| self.not_found())?;
                let bytes =
                    self.layout_blob(&descriptor, verb.call.settings.size("max_manifest_bytes")).await?;
                (descriptor, bytes)
            }
        };
        self.document(verb, descriptor, bytes)
    }

    /// A manifest that an index or a referrer's list names.
    pub(super) async fn child(&self, verb: &Verb, descriptor: &Descriptor) -> Result<Manifest> {
        let bytes = match &self.place {
            Place::Registry(repository) => {
                let target = descriptor.digest.to_string();
                verb.call.operation.run(repository.get_manifest(&target)).await?.1
            }
            Place::Layout(_) => {
                self.layout_blob(descriptor, verb.call.settings.size("max_manifest_bytes")).await?
            }
        };
        // A referrer's size may be a sum (Q65); the digest is what counts.
        let descriptor = Descriptor { size: bytes.len() as u64, ..descriptor.clone() };
        self.document(verb, descriptor, bytes)
    }

    fn document(&self, verb: &Verb, mut descriptor: Descriptor, bytes: Vec<u8>) -> Result<Manifest> {
        let document =
            parse_document(&bytes, &descriptor.media_type, verb.call.settings.size("max_descriptors"))
                .map_err(|e| e.context(&self.reference))?;
        document.media_type().clone_into(&mut descriptor.media_type);
        Ok(Manifest { descriptor, bytes, document })
    }

    /// The image manifest that the reference names; of an index the one for the platform asked for.
    pub(super) async fn image(&self, verb: &Verb) -> Result<Manifest<ImageManifest>> {
        let mut manifest = self.manifest(verb).await?;
        for _ in 0..INDEX_NESTING {
            match manifest.document {
                Document::Image(document) => {
                    return Ok(Manifest { descriptor: manifest.descriptor, bytes: manifest.bytes, document });
                }
                Document::Index(index) => {
                    let child = choose(verb, self, &index).await.map_err(|e| e.context(&self.reference))?;
                    manifest = self.child(verb, &child).await?;
                }
            }
        }
        Err(Error::new(
            Kind::Limit,
            format!("{}: indexes are nested deeper than the limit of {INDEX_NESTING}", self.reference),
        ))
    }

    async fn layout_blob(&self, descriptor: &Descriptor, limit: usize) -> Result<Vec<u8>> {
        let Place::Layout(path) = &self.place else {
            return Err(Error::new(Kind::Internal, "no layout"));
        };
        let (path, descriptor) = (path.clone(), descriptor.clone());
        blocking(move || Layout::open(&path)?.read(&descriptor, limit)).await
    }

    /// A small blob, whole and verified.
    pub(super) async fn small_blob(
        &self,
        descriptor: &Descriptor,
        limit: usize,
        operation: &Operation,
    ) -> Result<Vec<u8>> {
        if descriptor.size > limit as u64 {
            return Err(Error::new(
                Kind::Limit,
                format!(
                    "{}: the config has {} bytes, over the limit of {limit} (option max_config_bytes)",
                    self.reference, descriptor.size
                ),
            ));
        }
        match &self.place {
            Place::Layout(_) => self.layout_blob(descriptor, limit).await,
            Place::Registry(repository) => {
                operation
                    .run(async {
                        let mut reader = repository.read_blob(descriptor, 0).await?;
                        let mut bytes = Vec::new();
                        while let Some(chunk) = reader.chunk().await? {
                            bytes.extend_from_slice(&chunk);
                        }
                        Ok(bytes)
                    })
                    .await
            }
        }
    }

    /// A blob of a layout, to be verified by whoever reads it; none of a registry. Blocks.
    pub(super) fn open_local(&self, descriptor: &Descriptor) -> Result<Option<File>> {
        let Place::Layout(path) = &self.place else { return Ok(None) };
        let missing = || {
            Error::new(
                Kind::NotFound,
                format!("{}: the layout has no blob {}", path.display(), descriptor.digest),
            )
        };
        Layout::open(path)?.open_blob(descriptor)?.ok_or_else(missing).map(Some)
    }

    /// A registry's blob from `offset` on, through a pipe that a task of the runtime fills. From the start it is
    /// verified by the task; otherwise by whoever has the first part.
    pub(super) fn stream(
        &self,
        descriptor: &Descriptor,
        offset: u64,
        operation: &Operation,
    ) -> Option<PipeReader> {
        let repository = self.repository()?.clone();
        let (writer, reader) = pipe();
        let (descriptor, operation) = (descriptor.clone(), operation.clone());
        tokio::spawn(async move {
            let result = operation.run(download(&repository, &descriptor, offset, &writer)).await;
            writer.finish(result).await;
        });
        Some(reader)
    }

    /// Begins to write; blobs are mounted from `mount_from` where they can be.
    pub(super) async fn begin(&self, mount_from: &[String], operation: &Operation) -> Result<Sink> {
        match &self.place {
            Place::Registry(repository) => Ok(Sink::Registry {
                repository: Box::new(repository.as_ref().clone().for_push(mount_from)),
                mount_from: mount_from.into(),
            }),
            Place::Layout(path) => {
                let (path, operation) = (path.clone(), operation.clone());
                blocking(move || {
                    let layout = Layout::create(&path, &operation)?;
                    Ok(Sink::Layout(Arc::new(layout.begin(&operation)?)))
                })
                .await
            }
        }
    }

    /// The tags of the repository or the layout.
    pub(super) async fn tags(&self, operation: &Operation) -> Result<Vec<String>> {
        match &self.place {
            Place::Registry(repository) => operation.run(repository.list_tags()).await,
            Place::Layout(path) => {
                let path = path.clone();
                blocking(move || Layout::open(&path)?.tags()).await
            }
        }
    }

    /// Deletes what the reference names.
    pub(super) async fn delete(&self, operation: &Operation) -> Result<()> {
        match &self.place {
            Place::Registry(repository) => {
                operation.run(repository.as_ref().clone().for_delete().delete_manifest(&self.target())).await
            }
            Place::Layout(path) => {
                let (path, reference, digest) = (path.clone(), self.reference.clone(), self.digest.clone());
                let (missing, operation) = (self.not_found(), operation.clone());
                blocking(move || {
                    let layout = Layout::open(&path)?;
                    let tag = reference.tag().or(if digest.is_none() { Some("latest") } else { None });
                    if layout.delete(
                        if digest.is_some() { None } else { tag },
                        digest.as_ref(),
                        &operation,
                    )? {
                        Ok(())
                    } else {
                        Err(missing)
                    }
                })
                .await
            }
        }
    }

    /// Removes from a layout what nothing leads to, and gives the bytes that freed.
    pub(super) async fn collect_garbage(&self, operation: &Operation) -> Result<u64> {
        let Place::Layout(path) = &self.place else {
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "{}: a registry collects its garbage itself; only a layout (ocidir://PATH) is collected here",
                    self.reference
                ),
            ));
        };
        let (path, operation) = (path.clone(), operation.clone());
        blocking(move || Ok(Layout::open(&path)?.gc(&operation)?.removed_bytes)).await
    }

    /// What refers to a manifest.
    pub(super) async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        operation: &Operation,
    ) -> Result<Vec<Descriptor>> {
        match &self.place {
            Place::Registry(repository) => operation.run(repository.referrers(subject, artifact_type)).await,
            Place::Layout(path) => {
                let (path, subject) = (path.clone(), subject.clone());
                let artifact_type = artifact_type.map(str::to_owned);
                blocking(move || Layout::open(&path)?.referrers(&subject, artifact_type.as_deref())).await
            }
        }
    }
}

/// How deep an index may lie in indexes.
const INDEX_NESTING: usize = 8;

/// An absolute path, so that a later change of the working directory changes nothing.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|e| match path.as_os_str().is_empty() {
        true => Error::new(Kind::Argument, "the path is empty"),
        false => Error::io(path.display(), e),
    })
}

async fn download(
    repository: &Repository,
    descriptor: &Descriptor,
    offset: u64,
    writer: &PipeWriter,
) -> Result<()> {
    let mut reader = repository.read_blob(descriptor, offset).await?;
    let gone = || Error::new(Kind::Cancelled, "the reader is gone");
    loop {
        // Its place is somebody else's as soon as nobody reads.
        let chunk = tokio::select! {
            biased;
            chunk = reader.chunk() => chunk?,
            () = writer.closed() => return Err(gone()),
        };
        let Some(chunk) = chunk else { return Ok(()) };
        if !writer.send(chunk).await {
            return Err(gone());
        }
    }
}
