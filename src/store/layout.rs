//! An OCI image layout: a directory that holds artifacts (image-spec, image-layout.md).

mod gc;
mod index;
mod read;
mod referrers;
mod writer;

use std::collections::{BTreeSet, HashSet};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::call::Call;
use crate::error::{Error, Kind, Result, printable};
use crate::fs::{Access, Directory, Lock, Mode, is_absent, shown};
use crate::oci::{Descriptor, Digest, Wish, media_type, parse_document};
pub use gc::GcReport;
use index::{Entry, Index};
pub use writer::{LayerWriter, LayoutWriter};

const MARKER: &str = "oci-layout";
const MARKER_BYTES: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const INDEX: &str = "index.json";
/// Our own corner of a layout: locks and files that are being written. Other tools pass it over.
const OWN: &str = ".cldoci";
/// Held shared by those who add blobs, exclusively by those who remove them.
const BLOBS_LOCK: &str = "blobs.lock";
/// Held by the one who changes `index.json`.
const INDEX_LOCK: &str = "index.lock";

/// How many names a message gives to choose from.
const CHOICES: usize = 5;

/// An OCI image layout, for one call. Clones share it.
#[derive(Clone)]
pub struct Layout {
    root: Arc<Directory>,
    call: Call,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

impl Layout {
    /// Opens the layout at `path`; `NotFound` where there is none.
    pub fn open(path: &Path, call: &Call) -> Result<Self> {
        let layout = match Directory::open(path, Access::Shared) {
            Ok(root) => Self::of(root, call),
            Err(error) if is_absent(&error) => {
                return Err(Error::new(
                    Kind::NotFound,
                    format!("no image layout at {}: no such directory", shown(path)),
                ));
            }
            Err(error) => return Err(no_archive(path, error)),
        };
        if !layout.has_marker()? {
            return Err(Error::new(
                Kind::NotFound,
                format!("{} is not an image layout: it has no file {MARKER}", shown(path)),
            ));
        }
        Ok(layout)
    }

    /// Opens the layout at `path`, or makes an empty one, with missing parents. A directory that holds other
    /// things is refused.
    pub fn create(path: &Path, call: &Call) -> Result<Self> {
        let root = Directory::create(path, Access::Shared).map_err(|error| no_archive(path, error))?;
        let layout = Self::of(root, call);
        let marked = layout.has_marker()?;
        if marked && layout.root.stat(INDEX)?.is_some() {
            return Ok(layout);
        }
        let ours = [MARKER, INDEX, OWN, "blobs", "lost+found"];
        let other = layout.root.names()?.into_iter().find(|name| !ours.contains(&name.as_str()));
        if let Some(other) = other.filter(|_| !marked) {
            return Err(Error::new(
                Kind::Exists,
                format!(
                    "{} is not an image layout and holds '{}': name an empty or a new directory",
                    shown(path),
                    printable(other)
                ),
            ));
        }
        let own = layout.own()?;
        let _lock = Lock::wait(&own, INDEX_LOCK, Mode::Exclusive, &call.operation)?;
        layout.root.child_or_create("blobs")?;
        if layout.root.stat(INDEX)?.is_none() {
            layout.replace(&own, INDEX, &Index::empty().to_bytes())?;
        }
        if !layout.has_marker()? {
            layout.replace(&own, MARKER, MARKER_BYTES)?;
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Directory::open(parent, Access::Shared)?.sync()?;
        }
        Ok(layout)
    }

    fn of(root: Directory, call: &Call) -> Self {
        Self { root: Arc::new(root), call: call.clone() }
    }

    /// The largest manifest, index or `index.json`.
    fn max_manifest_bytes(&self) -> usize {
        self.call.settings.max_manifest_bytes
    }

    /// The most manifests of an index or of `index.json`.
    fn max_descriptors(&self) -> usize {
        self.call.settings.max_descriptors
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Device and inode of its directory: a build leaves it out (B-08).
    pub fn identity(&self) -> Result<(u64, u64)> {
        self.root.identity()
    }

    fn own(&self) -> Result<Arc<Directory>> {
        self.root.child_or_create(OWN).map(Arc::new)
    }

    fn has_marker(&self) -> Result<bool> {
        let Some(file) = self.root_file(MARKER)? else { return Ok(false) };
        let bytes = self.take(file, MARKER, 4096)?;
        let marker: Marker =
            serde_json::from_slice(&bytes).map_err(|_| self.broken(MARKER, "is not JSON"))?;
        if !marker.image_layout_version.starts_with("1.") {
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "{} is an image layout of version {}, known is 1",
                    shown(self.path()),
                    printable(marker.image_layout_version)
                ),
            ));
        }
        Ok(true)
    }

    fn broken(&self, name: &str, why: impl AsRef<[u8]>) -> Error {
        let path = self.path().join(name);
        Error::new(Kind::Protocol, format!("{} {}", shown(&path), printable(why)))
    }

    fn index(&self) -> Result<Index> {
        let Some(file) = self.root_file(INDEX)? else {
            return Err(self.broken(INDEX, "is missing: the layout is incomplete"));
        };
        let bytes = self.take(file, INDEX, self.max_manifest_bytes())?;
        Index::parse(&bytes, self.max_descriptors()).map_err(|e| e.context(shown(&self.path().join(INDEX))))
    }

    /// The descriptor of the manifest that is meant; `None` = it is not there. The digest wins over the tag;
    /// without both the only manifest is meant, else the tag `latest`.
    pub fn resolve(&self, tag: Option<&str>, digest: Option<&Digest>) -> Result<Option<Descriptor>> {
        let entries = self.index()?.entries();
        match (tag, digest) {
            (_, Some(digest)) => self.by_digest(&entries, digest),
            (Some(tag), None) => self.by_tag(&entries, tag),
            (None, None) => {
                let manifest = |entry: &Entry| {
                    entry.descriptor.as_ref().map_or(true, |d| media_type::may_be_manifest(&d.media_type))
                };
                if let Some(only) = self.only(&entries, manifest)? {
                    return Ok(Some(only));
                }
                match self.by_tag(&entries, "latest")? {
                    Some(latest) => Ok(Some(latest)),
                    // What refers to another, or is part of an index, is not what is meant.
                    None => {
                        let parts = self.parts(&entries);
                        let counts = |entry: &Entry| {
                            let part = entry.digest().is_some_and(|d| parts.contains(d));
                            manifest(entry) && (entry.name.is_some() || !(self.refers(entry) || part))
                        };
                        match self.only(&entries, counts)? {
                            Some(only) => Ok(Some(only)),
                            None => self.for_platform(entries.iter().filter(|entry| counts(entry))),
                        }
                    }
                }
            }
        }
    }

    /// The first of these for the platform that is wanted (Q96).
    fn for_platform<'a>(&self, mut entries: impl Iterator<Item = &'a Entry>) -> Result<Option<Descriptor>> {
        let wish = Wish::new(&self.call.settings.platform);
        let platform = |entry: &Entry| entry.descriptor.as_ref().ok().and_then(|d| d.platform.clone());
        entries
            .find(|entry| platform(entry).is_some_and(|found| wish.fits(&found)))
            .map(|entry| self.whole(entry))
            .transpose()
    }

    /// The one manifest that the entries name, if they name one and no other.
    fn only(&self, entries: &[Entry], counts: impl Fn(&Entry) -> bool) -> Result<Option<Descriptor>> {
        let mut counted = entries.iter().filter(|entry| counts(entry));
        let Some(first) = counted.next() else { return Ok(None) };
        if counted.any(|other| other.digest() != first.digest()) {
            return Ok(None);
        }
        self.whole(first).map(Some)
    }

    fn whole(&self, entry: &Entry) -> Result<Descriptor> {
        entry.descriptor.clone().map_err(|why| self.broken(INDEX, format!("has a bad descriptor: {why}")))
    }

    /// What the indexes among the entries list.
    fn parts(&self, entries: &[Entry]) -> HashSet<Digest> {
        let descriptors = entries.iter().filter_map(|entry| entry.descriptor.as_ref().ok());
        let indexes = descriptors.filter(|descriptor| media_type::is_index(&descriptor.media_type));
        let documents = indexes.filter_map(|descriptor| self.document(descriptor).ok().flatten());
        documents
            .flat_map(|document| {
                document.children().into_iter().map(|d| d.digest.clone()).collect::<Vec<_>>()
            })
            .collect()
    }

    fn refers(&self, entry: &Entry) -> bool {
        entry.descriptor.as_ref().is_ok_and(|descriptor| {
            self.document(descriptor).is_ok_and(|document| document.is_some_and(|d| d.subject().is_some()))
        })
    }

    fn by_tag(&self, entries: &[Entry], tag: &str) -> Result<Option<Descriptor>> {
        let named = index::named(entries, tag);
        let Some(first) = named.first() else { return Ok(None) };
        if named.iter().all(|other| other.digest() == first.digest()) {
            return self.whole(first).map(Some);
        }
        let chosen = self.for_platform(named.iter().copied())?;
        let several = "to several manifests, and none of them is for the wanted platform";
        chosen.map(Some).ok_or_else(|| {
            self.broken(INDEX, format!("gives the name '{tag}' {several}: name one by its digest"))
        })
    }

    fn by_digest(&self, entries: &[Entry], digest: &Digest) -> Result<Option<Descriptor>> {
        if let Some(entry) = entries.iter().find(|entry| entry.digest() == Some(digest)) {
            return self.whole(entry).map(Some);
        }
        // An index's child, or what a tag named before it was moved.
        let Some((file, _)) = self.find_blob(digest)? else { return Ok(None) };
        let size = file.metadata().map_err(|e| Error::io(digest, e))?.len();
        if size > self.max_manifest_bytes() as u64 {
            return Ok(None);
        }
        let unnamed = Descriptor::new("", digest.clone(), size);
        let bytes = self.read(&unnamed, self.max_manifest_bytes())?;
        match parse_document(&bytes, "", self.max_descriptors()) {
            Ok(document) => Ok(Some(Descriptor::new(document.media_type(), digest.clone(), size))),
            Err(_) => Ok(None),
        }
    }

    /// Why no manifest is meant where none is named, in words that follow the layout's name.
    pub fn no_choice(&self) -> Result<String> {
        let entries = self.index()?.entries();
        let digests: BTreeSet<_> = entries.iter().filter_map(Entry::digest).collect();
        if digests.len() < 2 {
            return Ok("the layout has no manifest".to_owned());
        }
        let names = index::tags(&entries);
        let choice = names.iter().cloned().chain(digests.iter().map(|digest| format!("@{digest}")));
        let choice: Vec<_> = choice.take(CHOICES).collect();
        Ok(format!(
            "the layout has {} manifests, none of them called latest and for the platform that is wanted: name one by its \
             tag or digest: {}{}",
            digests.len(),
            printable(choice.join(", ")),
            if choice.len() == CHOICES { ", …" } else { "" }
        ))
    }

    /// The tags, sorted by bytes. A full reference, as crane writes it, is given as its tag where no other
    /// manifest has that too.
    pub fn tags(&self) -> Result<Vec<String>> {
        Ok(index::tags(&self.index()?.entries()).into_iter().collect())
    }
}

/// The error of a layout that is a file, told apart where it is an archive, as other tools take and make.
fn no_archive(path: &Path, error: Error) -> Error {
    let mut head = Vec::new();
    let read = |file: std::fs::File| file.take(512).read_to_end(&mut head);
    if !path.is_file() || std::fs::File::open(path).and_then(read).is_err() {
        return error;
    }
    let begins = |at: usize, with: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(with));
    // tar, gzip, zstd.
    if !begins(257, b"ustar") && !begins(0, &[0x1f, 0x8b]) && !begins(0, &[0x28, 0xb5, 0x2f, 0xfd]) {
        return error;
    }
    let file = shown(path);
    Error::new(
        Kind::Unsupported,
        format!(
            "{file} is an archive, not the directory of an image layout: unpack it first (mkdir DIRECTORY; tar -xf {file} -C DIRECTORY)"
        ),
    )
}

impl std::fmt::Debug for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Layout({})", shown(self.path()))
    }
}
