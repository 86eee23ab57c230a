//! Layers → directory: decode, read the archive, write confined to a staging directory, publish.

mod buffer_pool;
mod clock;
mod directories;
mod extract;
mod fingerprint;
mod gzip;
mod header;
mod inflate;
mod layer;
mod layer_kind;
mod listing;
mod move_entries;
mod name;
mod pax;
mod plan;
mod publish;
mod read;
mod remove;
mod staging;
mod staging_container;
mod stream;
mod tree;
mod write;
mod zstd;

use std::path::PathBuf;

use crate::options::{self, Duplicates, Existing, Settings, SpecialEntries};

pub use directories::Confinement;
pub use fingerprint::{Fingerprint, destination_identity, fingerprint};
pub use layer_kind::is_tar_gzip;
pub use plan::{OtherLayers, extraction};
pub use publish::Replaced;
pub use staging::Staging;

/// How layers are unpacked; the options of the same names say more.
#[derive(Debug, Clone)]
pub struct UnpackOptions {
    /// `max_unpacked_bytes`, of each layer.
    pub max_unpacked_bytes: u64,
    /// `max_entries`, of each layer; extension headers count.
    pub max_entries: u64,
    /// `max_depth`
    pub max_depth: usize,
    /// `max_path_bytes`
    pub max_path_bytes: usize,
    /// `max_link_bytes`
    pub max_link_bytes: usize,
    /// `existing`
    pub existing: Existing,
    /// `durable`
    pub durable: bool,
    /// `preserve_mtime`
    pub preserve_mtime: bool,
    /// `follow_destination`
    pub follow_destination: bool,
    /// `special_entries=skip`; also for the artifacts of today's Go package.
    pub skip_special: bool,
    /// `duplicates=last_wins`
    pub last_wins: bool,
    /// `strip_leading_slash`
    pub strip_leading_slash: bool,
    /// `lenient_end`
    pub lenient_end: bool,
    /// `max_zstd_window_bytes`
    pub max_zstd_window_bytes: u64,
    /// `other_layers`; for the seed's kinds the default is another, which the caller sets.
    pub other_layers: OtherLayers,
    /// [`Staging::unpack`] gives the digest of each archive's decoded content.
    pub hash_content: bool,
    /// `threads` that inflate, and as many that write.
    pub threads: usize,
    /// The home directory, which is never replaced.
    pub home: Option<PathBuf>,
    /// The store, and the layout that is pulled from: never replaced, nor what holds them or lies in them.
    pub keep: Vec<PathBuf>,
    /// How paths are kept beneath the destination.
    pub confinement: Confinement,
}

impl UnpackOptions {
    /// The options that a call's settings come to.
    pub fn from_settings(settings: &Settings) -> Self {
        let existing = settings.existing;
        Self {
            max_unpacked_bytes: settings.max_unpacked_bytes,
            max_entries: settings.max_entries,
            max_depth: settings.max_depth,
            max_path_bytes: settings.max_path_bytes,
            max_link_bytes: settings.max_link_bytes,
            existing,
            durable: settings.durable,
            preserve_mtime: settings.preserve_mtime,
            follow_destination: settings.follow_destination,
            skip_special: settings.special_entries == SpecialEntries::Skip,
            last_wins: settings.duplicates == Duplicates::LastWins,
            strip_leading_slash: settings.strip_leading_slash,
            lenient_end: settings.lenient_end,
            max_zstd_window_bytes: settings.max_zstd_window_bytes,
            other_layers: match settings.other_layers {
                options::OtherLayers::File => OtherLayers::File,
                options::OtherLayers::Skip => OtherLayers::Skip,
                // What is replaced or merged into holds more than is seen.
                options::OtherLayers::Default if existing == Existing::Refuse => OtherLayers::Skip,
                options::OtherLayers::Default | options::OtherLayers::Refuse => OtherLayers::Refuse,
            },
            hash_content: false,
            threads: settings.worker_threads(),
            home: settings.environment().get("HOME").map(PathBuf::from),
            keep: Vec::new(),
            confinement: Confinement::Kernel,
        }
    }

    fn names(&self) -> name::Limits {
        name::Limits { path: self.max_path_bytes, depth: self.max_depth }
    }
}
