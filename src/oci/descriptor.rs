//! The descriptor (image-spec, descriptor.md).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::json::{optional, texts};
use super::platform::Platform;
use crate::error::{Error, Kind, Result};

/// Points to content by media type, digest and size. Fields in image-spec order, which is their order in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    #[serde(default, deserialize_with = "optional")]
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Other places it may be had. Never fetched, kept on a copy.
    #[serde(default, deserialize_with = "optional", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Free text by key.
    #[serde(default, deserialize_with = "texts", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The content itself, base64; never trusted unverified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The platform an index's entry is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The artifact type of the manifest pointed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// A descriptor of the three obligatory properties.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            data: None,
            platform: None,
            artifact_type: None,
        }
    }

    /// Whether the embedded `data`, if there is any, is the content that the descriptor names.
    pub(super) fn check_data(&self) -> Result<()> {
        let Some(data) = &self.data else { return Ok(()) };
        let wrong =
            |kind, why: &str| Error::new(kind, format!("the data embedded for {} {why}", self.digest));
        let bytes = STANDARD.decode(data).map_err(|_| wrong(Kind::Protocol, "is not base64"))?;
        if bytes.len() as u64 != self.size {
            return Err(wrong(Kind::Size, "has another size"));
        }
        if self.digest.verify(&bytes) { Ok(()) } else { Err(wrong(Kind::Digest, "has another digest")) }
    }

    /// A descriptor of bytes at hand.
    pub fn of(media_type: impl Into<String>, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }
}
