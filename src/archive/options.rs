//! What a build's options come to for packing.

use crate::config::Settings;
use crate::oci::{ArtifactKind, Profile};

/// What becomes of symbolic links that leave the tree or dangle. All others are kept as links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// They are an error that names them.
    Error,
    /// They are left out with a warning.
    Skip,
    /// What they lead to is packed in their place.
    Follow,
}

/// What becomes of names in one directory that are equal but for case or normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseCollisions {
    /// A warning.
    Warn,
    /// An error.
    Error,
    /// Nothing.
    Ignore,
}

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
    /// Device and inode of what is left out where it lies inside the tree: the store, a layout (case B-08).
    pub leave_out: Vec<(u64, u64)>,
}

impl PackOptions {
    /// The options in `settings` for an artifact of `kind`.
    pub fn from_settings(settings: &Settings, kind: &ArtifactKind) -> Self {
        Self {
            profile: match settings.text("profile") {
                "cldctl" => Profile::Cldctl,
                "vcs" => Profile::Vcs,
                "none" => Profile::None,
                _ => kind.profile(),
            },
            links: match settings.text("links") {
                "skip" => Links::Skip,
                "follow" => Links::Follow,
                _ => Links::Error,
            },
            case_collisions: match settings.text("case_collisions") {
                "error" => CaseCollisions::Error,
                "ignore" => CaseCollisions::Ignore,
                _ => CaseCollisions::Warn,
            },
            mtime: settings.int("source_date_epoch"),
            threads: settings.threads(),
            max_bytes: settings.int("max_unpacked_bytes"),
            leave_out: Vec::new(),
        }
    }
}
