//! A pull's staging: everything happens in it, and nothing is seen of it until it is published.

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{Stat, fstat};
use rustix::io::Errno;

use crate::error::{Error, Kind, Result};
use crate::fs::{duplicate, open_directory};
use crate::oci::{Descriptor, Digest};
use crate::operation::Operation;

use super::directories::Directories;
use super::fingerprint::Contents;
use super::layer::Layer;
use super::layer_kind::LayerKind;
use super::staging_container::{self, Container, There};
use super::tree::{self, DeferredChecks};
use super::{UnpackOptions, move_entries};
use crate::options::Existing;

/// How the staged tree comes to its place.
pub(super) enum Target {
    /// There is nothing, or an empty directory: one rename. `old` is the empty directory.
    Rename { old: Option<(OwnedFd, Stat)> },
    /// Into an empty directory that can't be replaced, entry by entry.
    Into(OwnedFd),
    /// Swapped with the directory that is there.
    Exchange,
    /// File by file over what is there.
    Merge(OwnedFd),
}

/// The name of the staged tree in its container.
pub(super) const TREE: &str = "tree";
/// The name of a later layer's tree before it is merged into the first.
const LAYER: &str = "layer";

/// One pull's staging. Dropping it removes it, with the parents of the destination that it made.
pub struct Staging {
    pub(super) options: UnpackOptions,
    pub(super) destination: PathBuf,
    pub(super) parent: OwnedFd,
    pub(super) name: Vec<u8>,
    pub(super) target: Target,
    pub(super) container: Container,
    pub(super) tree: OwnedFd,
    pub(super) deferred: DeferredChecks,
    pub(super) made: Vec<PathBuf>,
    layers: u64,
    /// What is known of the only layer's files.
    pub(super) contents: Contents,
}

impl Staging {
    /// Looks at the destination (an absolute path), refuses what can't be published to, and stages beside it or
    /// in it. EXISTS, BUSY and unusable parents show here, before a byte is downloaded.
    pub fn prepare(destination: &Path, options: &UnpackOptions) -> Result<Self> {
        let destination = resolve(destination, options.follow_destination)?;
        let (Some(above), Some(name)) = (destination.parent(), destination.file_name()) else {
            return Self::into_root(&destination, options);
        };
        let name = name.as_bytes().to_vec();
        let made = staging_container::make_parents(above)?;
        let prepared = open_directory(above)
            .map_err(staging_container::failed(above))
            .and_then(|parent| choose(&destination, &parent, &name, options).map(|chosen| (parent, chosen)));
        let staged = prepared.and_then(|(parent, (target, container))| {
            let tree = container.make(TREE)?;
            Ok((parent, target, container, tree))
        });
        match staged {
            Ok((parent, target, container, tree)) => Ok(Self {
                options: options.clone(),
                destination,
                parent,
                name,
                target,
                container,
                tree,
                deferred: DeferredChecks::default(),
                made,
                layers: 0,
                contents: Contents::new(),
            }),
            Err(error) => {
                staging_container::remove_made(&made);
                Err(error)
            }
        }
    }

    /// `/` has no parent and no name: only ever filled from inside.
    fn into_root(destination: &Path, options: &UnpackOptions) -> Result<Self> {
        let root = open_directory(destination).map_err(staging_container::failed(destination))?;
        let empty = !super::listing::has_other(&root, None)
            .map_err(|error| Error::io(staging_container::show(destination), error))?;
        let target = match (empty, options.existing) {
            (true, _) => Target::Into(duplicate(&root)?),
            (false, Existing::Merge) => Target::Merge(duplicate(&root)?),
            (false, Existing::Refuse) => return Err(exists(destination)),
            (false, Existing::Replace) => return Err(never(destination, "the root directory")),
        };
        let container = acquire(duplicate(&root)?, b"root", destination)?
            .map_err(staging_container::failed(destination))?;
        let tree = container.make(TREE)?;
        Ok(Self {
            options: options.clone(),
            destination: destination.to_path_buf(),
            parent: root,
            name: b"root".to_vec(),
            target,
            container,
            tree,
            deferred: DeferredChecks::default(),
            made: Vec::new(),
            layers: 0,
            contents: Contents::new(),
        })
    }

    /// Removes what a killed pull to this destination left beside it or in it; what a running one has stays. What is
    /// at the destination is not taken back.
    pub fn remove_left_overs(destination: &Path, follow: bool) -> Result<()> {
        let destination = resolve(destination, follow)?;
        let (Some(above), Some(name)) = (destination.parent(), destination.file_name()) else {
            return Ok(());
        };
        let failed = staging_container::failed(above);
        let name = name.as_bytes();
        let container = staging_container::container_name(name);
        for at in [above, &destination] {
            let at = open_directory(at).map_err(&failed)?;
            if staging_container::is_left_over(&at, &container).map_err(&failed)? {
                let mut container = Container::acquire(at, name, |_| Ok(())).map_err(&failed)??;
                container
                    .remove()
                    .map_err(|error| Error::io(staging_container::show(&destination), error))?;
            }
        }
        Ok(())
    }

    /// Unpacks one layer over those before it. `input` gives the blob's bytes as they are stored and is read to
    /// its end, also after an error (but for a cancelled operation), so that the caller can tell content that
    /// is bad from content that was damaged on its way: size and digest are the caller's to verify. Gives
    /// the sha256 of the decoded archive where `hash_content` is on; none for a layer that is one file.
    pub fn unpack(
        &mut self,
        layer: &Descriptor,
        input: &mut (dyn Read + Send),
        operation: &Operation,
    ) -> Result<Option<Digest>> {
        let input = &mut Asking { input, operation };
        let result = self.unpack_layer(layer, input, operation);
        if !result.as_ref().is_err_and(|error| error.kind() == Kind::Cancelled) {
            drain(input);
        }
        result
    }

    fn unpack_layer(
        &mut self,
        layer: &Descriptor,
        input: &mut (dyn Read + Send),
        operation: &Operation,
    ) -> Result<Option<Digest>> {
        let form = self.options.form(layer)?;
        match &form {
            LayerKind::Nothing => return Ok(None),
            LayerKind::Other => return Err(super::plan::other(layer)),
            LayerKind::File(path) => self.warn_of_other(path, layer, operation),
            LayerKind::Tar | LayerKind::TarGzip | LayerKind::TarZstd => {}
        }
        self.layers += 1;
        let first = self.layers == 1;
        self.contents.clear();
        // A tree of its own keeps one layer's entries apart from those of the layers before it.
        let root = if first { duplicate(&self.tree)? } else { self.container.make(LAYER)? };
        let mut directories = Directories::new(root, self.options.confinement);
        let content = Layer {
            form: &form,
            layer,
            options: &self.options,
            directories: &mut directories,
            deferred: &mut self.deferred,
            contents: first.then_some(&mut self.contents),
            operation,
        }
        .unpack(input)?;
        if !first {
            let mut tree = Directories::new(duplicate(&self.tree)?, self.options.confinement);
            tree::merge(&mut directories, &mut tree, Kind::Unsafe, operation)
                .map_err(|error| error.context("a layer does not fit those before it"))?;
            super::remove::tree(self.container.directory(), LAYER)
                .map_err(|error| Error::io("staging directory", error))?;
        }
        Ok(content)
    }

    /// Whoever lost a file to another of its name hears of it (Q89).
    fn warn_of_other(&self, path: &[u8], layer: &Descriptor, operation: &Operation) {
        let Ok(root) = duplicate(&self.tree) else { return };
        let (above, own) = super::name::split(path);
        let there = Directories::new(root, self.options.confinement)
            .open(above)
            .and_then(|directory| super::directories::kind_of(&directory, own));
        if there.is_ok() {
            let name = crate::error::printable(path);
            operation
                .warn(format!("layer {}: its file '{name}' replaces that of an earlier layer", layer.digest));
        }
    }

    /// Removes the staging; its errors are the caller's to judge.
    pub(super) fn clear(&mut self) -> std::io::Result<()> {
        self.container.remove()
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What can't be removed now, the next pull to this destination removes.
        let _ = self.clear();
        staging_container::remove_made(&self.made);
    }
}

/// An absolute path without `..` at its end, links of its last component resolved where that is wanted.
fn resolve(destination: &Path, follow: bool) -> Result<PathBuf> {
    if !destination.is_absolute() {
        return Err(Error::new(
            Kind::Argument,
            format!("the destination {} is not an absolute path", staging_container::show(destination)),
        ));
    }
    let ends_in_parent = destination.file_name().is_none() && destination.parent().is_some();
    let link = std::fs::symlink_metadata(destination).is_ok_and(|found| found.is_symlink());
    if ends_in_parent || follow && link {
        return destination
            .canonicalize()
            .map_err(|error| Error::io(staging_container::show(destination), error));
    }
    // Without a slash or dot at its end.
    Ok(destination.components().collect())
}

fn exists(destination: &Path) -> Error {
    Error::new(
        Kind::Exists,
        format!(
            "the destination {} is not empty (option existing: merge, replace)",
            staging_container::show(destination)
        ),
    )
}

fn never(destination: &Path, what: &str) -> Error {
    Error::new(
        Kind::Argument,
        format!(
            "the destination {} is {what}, which is never replaced",
            staging_container::show(destination)
        ),
    )
}

fn acquire(at: OwnedFd, name: &[u8], destination: &Path) -> Result<std::result::Result<Container, Errno>> {
    let into = open_directory(destination).ok();
    let recover = |container: &OwnedFd| match &into {
        Some(into) => move_entries::roll_back(container, into),
        None => Ok(()),
    };
    match Container::acquire(at, name, recover) {
        Ok(result) => result.map(Ok),
        Err(error) => Ok(Err(error)),
    }
}

/// How the destination is published to, and the container that suits that.
fn choose(
    destination: &Path,
    parent: &OwnedFd,
    name: &[u8],
    options: &UnpackOptions,
) -> Result<(Target, Container)> {
    let io = staging_container::failed(destination);
    let beside = || acquire(duplicate(parent)?, name, destination);
    let inside = |directory: &OwnedFd| acquire(duplicate(directory)?, name, destination)?.map_err(&io);
    let mut there = staging_container::look(parent, name, destination)?;
    if let There::Directory { directory, empty: false, .. } = &there {
        // A pull that was killed while it moved entries into it: taking them back may leave it empty.
        let container = staging_container::container_name(name);
        let stale = |at: &OwnedFd| staging_container::is_left_over(at, &container).map_err(&io);
        if stale(directory)? {
            inside(directory)?
                .remove()
                .map_err(|error| Error::io(staging_container::show(destination), error))?;
        }
        if stale(parent)? {
            let mut container = beside()?.map_err(&io)?;
            container.remove().map_err(|error| Error::io(staging_container::show(destination), error))?;
        }
        there = staging_container::look(parent, name, destination)?;
    }
    let There::Directory { directory, stat, empty } = there else {
        let container =
            beside()?.map_err(|error| Error::io(staging_container::show(destination), error.into()))?;
        return Ok((Target::Rename { old: None }, container));
    };
    let mounted = staging_container::is_mount_point(&directory, parent);
    let working = staging_container::holds_working_directory(&stat);
    match (empty, options.existing) {
        (false, Existing::Refuse) => Err(exists(destination)),
        (false, Existing::Replace) => {
            let own = destination
                .canonicalize()
                .map_err(|error| Error::io(staging_container::show(destination), error))?;
            let above = |path: &PathBuf| path.canonicalize().is_ok_and(|path| path.starts_with(&own));
            let within = |path: &PathBuf| path.canonicalize().is_ok_and(|path| own.starts_with(path));
            let refused = [
                (mounted || staging_container::holds_mount_point(&own), "a mount point or above one"),
                (working, "the working directory or above it"),
                (options.home.iter().any(above), "the home directory or above it"),
                (
                    options.keep.iter().any(|path| above(path) || within(path)),
                    "the store or the layout, above or in it",
                ),
            ];
            if let Some((_, what)) = refused.iter().find(|(found, _)| *found) {
                return Err(never(destination, what));
            }
            Ok((Target::Exchange, beside()?.map_err(&io)?))
        }
        (false, Existing::Merge) => {
            let container = match if mounted { Err(Errno::XDEV) } else { beside()? } {
                Ok(container) => container,
                Err(_) => inside(&directory)?,
            };
            Ok((Target::Merge(directory), container))
        }
        (true, _) => {
            let parent_stat = fstat(parent).map_err(&io)?;
            let owned = stat.st_uid == rustix::process::geteuid().as_raw();
            // One that belongs to somebody else keeps its owner, one that hands its group on keeps doing so.
            let plain = owned && stat.st_mode & 0o7000 == 0 && stat.st_dev == parent_stat.st_dev;
            let container = if mounted || working || !plain { Err(Errno::XDEV) } else { beside()? };
            match container {
                Ok(container) => Ok((Target::Rename { old: Some((directory, stat)) }, container)),
                Err(_) => {
                    let container = inside(&directory)?;
                    Ok((Target::Into(directory), container))
                }
            }
        }
    }
}

/// Every reader of a layer's bytes, whatever it skips or drains, asks whether the operation goes on.
struct Asking<'a> {
    input: &'a mut (dyn Read + Send),
    operation: &'a Operation,
}

impl Read for Asking<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.operation.check()?;
        self.input.read(buffer)
    }
}

/// Reads what is left; an error of the input is one that the caller's own reader gave.
fn drain(input: &mut (dyn Read + Send)) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return,
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return,
            _ => {}
        }
    }
}
