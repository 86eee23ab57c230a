//! What a build's options come to for packing.

use crate::oci::{ArtifactKind, Profile};
use crate::options::{self, CaseCollisions, Links, Settings};

/// How a directory is packed.
#[derive(Debug, Clone)]
pub struct PackOptions {
    /// What is left out before `.cldignore` is asked.
    pub profile: Profile,
    /// Links that leave the tree or dangle.
    pub links: Links,
    /// Names that collide on other systems.
    pub case_collisions: CaseCollisions,
    /// Every entry's modification time, in seconds.
    pub mtime: u64,
    /// Threads that compress.
    pub threads: usize,
    /// The most bytes the tar may have, the apparent size of sparse files included.
    pub max_bytes: u64,
    /// `max_depth`: what a pull would refuse, a build refuses, also of the next two.
    pub max_depth: usize,
    /// `max_path_bytes`
    pub max_path_bytes: usize,
    /// `max_link_bytes`
    pub max_link_bytes: usize,
    /// Device and inode of what is left out where it lies inside the tree: the store, a layout (case B-08).
    pub leave_out: Vec<(u64, u64)>,
}

impl PackOptions {
    /// The options in `settings` for an artifact of `kind`.
    pub fn from_settings(settings: &Settings, kind: &ArtifactKind) -> Self {
        Self {
            profile: match settings.profile {
                options::Profile::Kind => kind.profile(),
                options::Profile::Cldctl => Profile::Cldctl,
                options::Profile::Vcs => Profile::Vcs,
                options::Profile::None => Profile::None,
            },
            links: settings.links,
            case_collisions: settings.case_collisions,
            mtime: settings.source_date_epoch,
            threads: settings.worker_threads(),
            max_bytes: settings.max_unpacked_bytes,
            max_depth: settings.max_depth,
            max_path_bytes: settings.max_path_bytes,
            max_link_bytes: settings.max_link_bytes,
            leave_out: Vec::new(),
        }
    }
}
