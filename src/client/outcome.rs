//! What a verb gives.

use std::sync::Arc;

use super::artifact::Artifact;
use crate::archive::LeftOut;
use crate::oci::{Descriptor, Digest};

/// What a verb gives; counters and warnings are the [`Operation`](crate::operation::Operation)'s.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The manifest's digest (of pull_config: the config's).
    pub digest: Option<Digest>,
    /// The media type of what `digest` names.
    pub media_type: Option<String>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Of exists.
    pub exists: Option<bool>,
    /// Of build, push, pull and inspect.
    pub artifact: Option<Arc<Artifact>>,
    /// Of pull_config, read_manifest and read_layer.
    pub bytes: Option<Vec<u8>>,
    /// The bytes are a text, and no layer.
    pub is_document: bool,
    /// Of read_manifest: what an index lists.
    pub entries: Vec<Descriptor>,
    /// Of list_tags.
    pub tags: Vec<String>,
    /// Of referrers.
    pub referrers: Vec<Descriptor>,
    /// Of build: what was left out, and why.
    pub left_out: Vec<LeftOut>,
    /// How many paths were left out; `left_out` is bounded.
    pub left_out_total: u64,
    /// Of pull: the destination had this digest already. Of build with `reuse_unchanged`: the tree was not read.
    pub unchanged: bool,
    /// Where the credential that was used came from.
    pub credential_source: Option<String>,
}
