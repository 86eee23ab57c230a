//! A local image layout. Its work blocks: it runs on threads for that.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{Backend, Blob, Pending, Target, Unfinished, Writer};
use crate::call::Call;
use crate::error::{Error, Kind, Result};
use crate::oci::{Descriptor, Digest, Document, Reference};
use crate::operation::Count;
use crate::store::{Layout, LayoutWriter};
use crate::thread::blocking;

#[derive(Clone)]
pub(super) struct LayoutBackend {
    path: PathBuf,
    /// For messages.
    reference: Reference,
    call: Call,
    /// What [`LayoutBackend::find`] found.
    found: Arc<OnceLock<(Layout, Option<String>)>>,
}

impl LayoutBackend {
    pub(super) fn new(path: PathBuf, reference: Reference, call: &Call) -> Self {
        Self { path, reference, call: call.clone(), found: Arc::default() }
    }

    /// The layout, to be read.
    fn open(&self) -> Result<Layout> {
        self.find().map(|(layout, _)| layout)
    }

    /// The layout, to be changed.
    fn own(&self) -> Result<Layout> {
        Layout::open(&self.path, &self.call)
    }

    /// The layout, and the beginning of a full name, as podman and crane write it, that seemed to be part of the path:
    /// in `layout:localhost:5000/name:v1` it is `localhost:5000/name` (Q126).
    fn find(&self) -> Result<(Layout, Option<String>)> {
        if let Some(found) = self.found.get() {
            return Ok(found.clone());
        }
        let found = self.look()?;
        Ok(self.found.get_or_init(|| found).clone())
    }

    fn look(&self) -> Result<(Layout, Option<String>)> {
        let opened = self.own();
        let text = match (&opened, self.path.to_str()) {
            (Err(error), Some(text)) if error.kind() == Kind::NotFound => text,
            _ => return opened.map(|layout| (layout, None)),
        };
        for (at, _) in text.rmatch_indices(':') {
            let (path, name) = (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
            if !path.is_empty()
                && !name.is_empty()
                && let Ok(layout) = Layout::open(Path::new(path), &self.call)
            {
                return Ok((layout, Some(name.to_owned())));
            }
        }
        opened.map(|layout| (layout, None))
    }

    fn named(&self, target: Target) -> Result<Option<Descriptor>> {
        match self.find() {
            Ok((layout, begun)) => {
                let name = match (begun, target.tag) {
                    (Some(begun), Some(tag)) => Some(format!("{begun}:{tag}")),
                    (begun, tag) => begun.or(tag),
                };
                layout.resolve(name.as_deref(), target.digest.as_ref())
            }
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn not_found(&self) -> Error {
        Error::new(Kind::NotFound, format!("{}: the layout has no such manifest", self.reference))
    }

    /// The same for a target that names nothing, with what it could name.
    fn not_chosen(&self) -> Result<Error> {
        let why = self.open()?.no_choice()?;
        Ok(Error::new(Kind::NotFound, format!("{}: {why}", self.reference)))
    }

    /// The descriptor of what is named; NOT_FOUND, with what could be, where there is none.
    fn chosen(&self, target: Target) -> Result<Descriptor> {
        let named = target.tag.is_some() || target.digest.is_some();
        match self.named(target)? {
            Some(descriptor) => Ok(descriptor),
            None if named => Err(self.not_found()),
            None => Err(self.not_chosen()?),
        }
    }

    /// Does work that blocks.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Pending<'static, T> {
        let own = self.clone();
        Box::pin(blocking(move || work(&own)))
    }
}

impl Backend for LayoutBackend {
    fn descriptor<'a>(&'a self, target: &'a Target) -> Pending<'a, Descriptor> {
        let target = target.clone();
        self.run(move |own| own.chosen(target))
    }

    fn manifest<'a>(&'a self, target: &'a Target) -> Pending<'a, (Descriptor, Vec<u8>)> {
        let target = target.clone();
        self.run(move |own| {
            let descriptor = own.chosen(target)?;
            let bytes = own.open()?.read(&descriptor, own.call.settings.max_manifest_bytes)?;
            Ok((descriptor, bytes))
        })
    }

    fn child<'a>(&'a self, descriptor: &'a Descriptor) -> Pending<'a, Vec<u8>> {
        self.small_blob(descriptor, self.call.settings.max_manifest_bytes)
    }

    fn small_blob<'a>(&'a self, descriptor: &'a Descriptor, limit: usize) -> Pending<'a, Vec<u8>> {
        let descriptor = descriptor.clone();
        self.run(move |own| own.open()?.read(&descriptor, limit))
    }

    fn local_blob(&self, descriptor: &Descriptor) -> Result<Option<File>> {
        let missing = || {
            let (path, digest) = (self.path.display(), &descriptor.digest);
            Error::new(Kind::NotFound, format!("{path}: the layout has no blob {digest}"))
        };
        self.open()?.open_blob(descriptor)?.ok_or_else(missing).map(Some)
    }

    fn read_blob(&self, descriptor: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send>> {
        let Some(mut file) = self.local_blob(descriptor)? else { return Err(self.not_found()) };
        file.seek(SeekFrom::Start(offset)).map_err(|e| Error::io(&descriptor.digest, e))?;
        Ok(Box::new(file))
    }

    fn tags(&self) -> Pending<'_, Vec<String>> {
        self.run(|own| own.open()?.tags())
    }

    fn referrers<'a>(
        &'a self,
        subject: &'a Digest,
        artifact_type: Option<&'a str>,
    ) -> Pending<'a, Vec<Descriptor>> {
        let (subject, artifact_type) = (subject.clone(), artifact_type.map(str::to_owned));
        self.run(move |own| own.open()?.referrers(&subject, artifact_type.as_deref()))
    }

    fn delete<'a>(&'a self, target: &'a Target) -> Pending<'a, ()> {
        let target = target.clone();
        self.run(move |own| {
            let tag = target.tag().filter(|_| target.digest.is_none());
            match own.own()?.delete(tag, target.digest.as_ref())? {
                true => Ok(()),
                false => Err(own.not_found()),
            }
        })
    }

    fn collect_garbage(&self) -> Pending<'_, u64> {
        self.run(|own| Ok(own.own()?.gc()?.removed_bytes))
    }

    fn writer(&self, _: &[String]) -> Pending<'_, Arc<dyn Writer>> {
        self.run(|own| {
            let writer = Arc::new(Layout::create(&own.path, &own.call)?.begin()?);
            Ok(Arc::new(Adding { writer, call: own.call.clone() }) as Arc<dyn Writer>)
        })
    }

    fn send_unfinished(&self, _: Unfinished, _: &[String]) -> Option<Pending<'static, bool>> {
        None
    }
}

struct Adding {
    writer: Arc<LayoutWriter>,
    call: Call,
}

impl Writer for Adding {
    /// Each blob is looked for without a request.
    fn still_has<'a>(
        &'a self,
        _: &'a Digest,
        _: Option<&'a str>,
        _: &'a [&'a Descriptor],
    ) -> Pending<'a, bool> {
        Box::pin(async { Ok(false) })
    }

    fn send<'a>(&'a self, blob: &'a Blob) -> Pending<'a, ()> {
        let (writer, operation) = (self.writer.clone(), self.call.operation.clone());
        let (descriptor, source, spool) = (blob.descriptor.clone(), blob.source.clone(), blob.spool.clone());
        Box::pin(blocking(move || {
            if writer.layout().has_blob(&descriptor)? {
                operation.meter(descriptor.digest.as_str()).at(descriptor.size);
                operation.count(Count::Skipped);
                return Ok(());
            }
            match spool {
                Some(spool) => writer.add_spool(&descriptor, &spool)?,
                None => writer.add_from(&descriptor, &mut source.open(0)?)?,
            }
            operation.count(Count::Uploaded);
            Ok(())
        }))
    }

    fn send_again<'a>(&'a self, blob: &'a Blob) -> Pending<'a, ()> {
        self.send(blob)
    }

    fn put_manifest<'a>(
        &'a self,
        descriptor: &'a Descriptor,
        bytes: &'a Bytes,
        document: Option<Arc<Document>>,
        tag: Option<&'a str>,
    ) -> Pending<'a, bool> {
        let (writer, descriptor) = (self.writer.clone(), descriptor.clone());
        let (bytes, tag) = (bytes.clone(), tag.map(str::to_owned));
        Box::pin(blocking(move || {
            match document {
                Some(document) => writer.put_parsed(&descriptor, &bytes, &document, tag.as_deref())?,
                None => writer.put_manifest(&descriptor, &bytes, tag.as_deref())?,
            }
            Ok(true)
        }))
    }

    /// A layout's manifests are looked through for their subjects: nothing has to be told.
    fn put_referrers<'a>(&'a self, _: &'a Digest, _: &'a [Descriptor]) -> Pending<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}
