//! The places where artifacts lie, as the verbs see them: a repository of a registry, and a local image layout.

mod layout;
mod mirrors;
mod registry;

use std::fs::File;
use std::io;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::Verb;
use crate::error::Result;
use crate::oci::{Descriptor, Digest, Document, Reference};
use crate::registry::BlobSource;
use crate::store::Spool;

/// What comes of a request to a backend, once it is there.
pub(super) type Pending<'a, T> = BoxFuture<'a, Result<T>>;

/// Which manifest is meant.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) tag: Option<String>,
    /// It wins over the tag.
    pub(super) digest: Option<Digest>,
}

impl Target {
    /// The tag to write; none where a digest alone is meant.
    pub(super) fn tag(&self) -> Option<&str> {
        self.tag.as_deref().or(if self.digest.is_none() { Some("latest") } else { None })
    }
}

/// A blob to send, and where its bytes are.
pub(super) struct Blob {
    pub(super) descriptor: Descriptor,
    pub(super) source: Arc<dyn BlobSource>,
    /// The store's own copy, which a layout on the same file system can share.
    pub(super) spool: Option<Arc<Spool>>,
}

/// A blob whose size and digest show at its end, and what tells them then.
pub(super) struct Unfinished {
    pub(super) chunks: mpsc::Receiver<io::Result<Bytes>>,
    pub(super) described: BoxFuture<'static, Option<Descriptor>>,
}

/// A repository or a layout, for one call.
pub(super) trait Backend: Send + Sync {
    /// The manifest's descriptor; NOT_FOUND where it is not there.
    fn descriptor<'a>(&'a self, target: &'a Target) -> Pending<'a, Descriptor>;
    /// The manifest's descriptor and bytes; NOT_FOUND where it is not there.
    fn manifest<'a>(&'a self, target: &'a Target) -> Pending<'a, (Descriptor, Vec<u8>)>;
    /// The bytes of a manifest that an index or a list of referrers names.
    fn child<'a>(&'a self, descriptor: &'a Descriptor) -> Pending<'a, Vec<u8>>;
    /// A blob of at most `limit` bytes, whole and verified.
    fn small_blob<'a>(&'a self, descriptor: &'a Descriptor, limit: usize) -> Pending<'a, Vec<u8>>;
    /// The file of a blob that lies on this machine, to be verified by whoever reads it. Blocks.
    fn local_blob(&self, descriptor: &Descriptor) -> Result<Option<File>>;
    /// A blob's bytes from `offset` on. What comes over the network from its start on is verified on its way.
    /// Blocks.
    fn read_blob(&self, descriptor: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send>>;
    /// All tags.
    fn tags(&self) -> Pending<'_, Vec<String>>;
    /// What refers to a manifest.
    fn referrers<'a>(
        &'a self,
        subject: &'a Digest,
        artifact_type: Option<&'a str>,
    ) -> Pending<'a, Vec<Descriptor>>;
    /// Deletes a tag, or by digest a manifest.
    fn delete<'a>(&'a self, target: &'a Target) -> Pending<'a, ()>;
    /// Removes what nothing leads to; the bytes that freed.
    fn collect_garbage(&self) -> Pending<'_, u64>;
    /// Whether another place is read than is written, so that what is there need not be here.
    fn reads_elsewhere(&self) -> bool {
        false
    }
    /// Begins to write; blobs are mounted from the repositories `mount_from` where they can be.
    fn writer(&self, mount_from: &[String]) -> Pending<'_, Arc<dyn Writer>>;
    /// Sends a blob while it is made. None where this can't be done here, false where it came to nothing.
    fn send_unfinished(&self, blob: Unfinished, mount_from: &[String]) -> Option<Pending<'static, bool>>;
}

/// Adds to a repository or a layout.
pub(super) trait Writer: Send + Sync {
    /// Whether this client has pushed a manifest under this tag, or by its digest alone, and it is still there with
    /// these blobs.
    fn still_has<'a>(
        &'a self,
        manifest: &'a Digest,
        tag: Option<&'a str>,
        blobs: &'a [&'a Descriptor],
    ) -> Pending<'a, bool>;
    /// Brings a blob there: skipped where it is, mounted where it can be, else sent.
    fn send<'a>(&'a self, blob: &'a Blob) -> Pending<'a, ()>;
    /// Sends a blob whatever was said about it before.
    fn send_again<'a>(&'a self, blob: &'a Blob) -> Pending<'a, ()>;
    /// Puts a manifest whose blobs are there, under a tag or by its digest alone; it is parsed here where nobody did. False where its subject must
    /// be told of it by [`Writer::put_referrers`].
    fn put_manifest<'a>(
        &'a self,
        descriptor: &'a Descriptor,
        bytes: &'a Bytes,
        document: Option<Arc<Document>>,
        tag: Option<&'a str>,
    ) -> Pending<'a, bool>;
    /// Lists a manifest among the referrers of `subject`.
    fn put_referrers<'a>(&'a self, subject: &'a Digest, referrers: &'a [Descriptor]) -> Pending<'a, ()>;
}

/// The backend behind a reference.
pub(super) fn open(verb: &Verb, reference: &Reference) -> Result<Arc<dyn Backend>> {
    Ok(match reference {
        Reference::Registry(reference) => {
            let own = verb.client.registry().repository(reference, &verb.call)?;
            let mirrors = mirrors::Mirrors::of(&verb.client, reference, own, &verb.call)?;
            Arc::new(registry::RegistryBackend::new(verb.client.clone(), mirrors))
        }
        Reference::Layout(layout) => {
            Arc::new(layout::LayoutBackend::new(PathBuf::from(&layout.path), reference.clone(), &verb.call))
        }
    })
}
