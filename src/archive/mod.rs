//! Directory ↔ tar.gz: filter, pack, unpack. No network.

mod blocks;
mod content;
mod deflate_code;
mod deflate_walk;
mod exclusions;
mod filter;
mod gzip;
mod gzip_block;
mod identity;
mod link;
mod listing;
mod options;
mod pack;
mod resolve;
mod state;
mod tar_header;
mod unpack;
mod walk;

pub use blocks::BlockTable;
pub use exclusions::LeftOut;
#[doc(hidden)]
pub use gzip_block::BlockCompressor;
pub use link::link_stays_inside;
pub use options::PackOptions;
pub use pack::{Packed, pack};
pub use state::{TreeState, tree_state};
pub use unpack::{
    Confinement, Fingerprint, OtherLayers, Replaced, Staging, UnpackOptions, destination_identity,
    extraction, fingerprint, is_tar_gzip,
};
