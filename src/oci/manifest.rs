//! Image manifests and indexes: strict reading, canonical writing.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::artifact_manifest::ArtifactManifest;
use super::descriptor::Descriptor;
use super::json::{self, Value, optional, texts};
use super::media_type;
use crate::error::{Error, Kind, Result, printable};

/// An image manifest (image-spec, manifest.md), or Docker's schema 2. Fields in image-spec order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    /// Always 2.
    pub schema_version: u32,
    /// The manifest's own type; always written (Q56).
    #[serde(default, deserialize_with = "optional", skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// What kind of artifact, where the config's media type does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The config blob.
    pub config: Descriptor,
    /// The layers, in order.
    pub layers: Vec<Descriptor>,
    /// The manifest that this one refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free text by key.
    #[serde(default, deserialize_with = "texts", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl From<ArtifactManifest> for ImageManifest {
    fn from(manifest: ArtifactManifest) -> Self {
        Self {
            schema_version: 2,
            media_type: media_type::OCI_ARTIFACT.to_owned(),
            artifact_type: manifest.artifact_type,
            config: Descriptor::of(media_type::EMPTY, b"{}"),
            layers: manifest.blobs,
            subject: manifest.subject,
            annotations: manifest.annotations,
        }
    }
}

impl From<&ImageManifest> for ArtifactManifest {
    fn from(manifest: &ImageManifest) -> Self {
        Self {
            media_type: media_type::OCI_ARTIFACT.to_owned(),
            artifact_type: manifest.artifact_type.clone(),
            blobs: manifest.layers.clone(),
            subject: manifest.subject.clone(),
            annotations: manifest.annotations.clone(),
        }
    }
}

impl ImageManifest {
    /// The bytes that are pushed: compact JSON, image-spec order, maps sorted by bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Strings, integers and maps with string keys always serialise.
        match self.media_type == media_type::OCI_ARTIFACT {
            true => serde_json::to_vec(&ArtifactManifest::from(self)),
            false => serde_json::to_vec(self),
        }
        .unwrap_or_default()
    }

    /// The artifact's type: `artifactType`, else the config's media type.
    pub fn artifact_type(&self) -> &str {
        self.artifact_type.as_deref().unwrap_or(&self.config.media_type)
    }

    /// Every blob it needs: the config, then the layers. An artifact manifest has no config (Q91).
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let config = (self.media_type != media_type::OCI_ARTIFACT).then_some(&self.config);
        config.into_iter().chain(&self.layers)
    }
}

/// An image index (image-spec, image-index.md), or Docker's manifest list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageIndex {
    /// Always 2.
    pub schema_version: u32,
    /// The index's own type.
    #[serde(default, deserialize_with = "optional", skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// What kind of artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests it lists.
    #[serde(default, deserialize_with = "optional")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free text by key.
    #[serde(default, deserialize_with = "texts", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl ImageIndex {
    /// Compact JSON, image-spec order, maps sorted by bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// What manifest bytes turn out to be.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one exists per manifest that is read")]
pub enum Document {
    /// One manifest.
    Image(ImageManifest),
    /// A list of manifests.
    Index(ImageIndex),
}

impl Document {
    /// The media type, as header and body agree on it.
    pub fn media_type(&self) -> &str {
        match self {
            Self::Image(manifest) => &manifest.media_type,
            Self::Index(index) => &index.media_type,
        }
    }

    /// Everything it points to, without a subject.
    pub fn children(&self) -> Vec<&Descriptor> {
        match self {
            Self::Image(manifest) => manifest.blobs().collect(),
            Self::Index(index) => index.manifests.iter().collect(),
        }
    }

    /// The manifest it refers to.
    pub fn subject(&self) -> Option<&Descriptor> {
        match self {
            Self::Image(manifest) => manifest.subject.as_ref(),
            Self::Index(index) => index.subject.as_ref(),
        }
    }
}

/// How many JSON values a descriptor and its share of the rest may have.
const VALUES: usize = 16;
const KNOWN_KEYS: [&str; 10] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "blobs",
    "subject",
    "annotations",
    "fsLayers",
];

/// Reads manifest bytes whose digest has been verified. `declared` is the media type of the `Content-Type`
/// header or of the descriptor ("" = none is known); a body that contradicts it is refused, and so is one
/// that could be read as two things. `limit` bounds the descriptors.
pub fn parse_document(bytes: &[u8], declared: &str, limit: usize) -> Result<Document> {
    let bad = |why: String| Error::new(Kind::Protocol, format!("the manifest {}", printable(why)));
    let keys = keys(bytes, limit)?;
    // Null is as if it were absent (Q81).
    let has = |key: &str| keys.iter().any(|(known, value)| *known == key && *value != Value::Null);
    if has("fsLayers") {
        return Err(bad("is of Docker's schema 1, which no registry should still serve".to_owned()));
    }
    if has("manifests") && (has("layers") || has("config")) {
        return Err(bad("has both 'layers' or 'config' and 'manifests'".to_owned()));
    }
    let is_image = has("config") || has("layers");
    // A list of nothing is null where Go wrote it.
    let is_index = !is_image && keys.iter().any(|(known, _)| *known == "manifests");
    let declared = media_type::essence(declared);
    let from_header = media_type::is_manifest(&declared);
    let contradicts = |own: &str| bad(format!("says that it is {own}, the header says {declared}"));
    let malformed = |error: serde_json::Error| bad(format!("is malformed: {error}"));
    if !is_image && !is_index {
        let artifact: ArtifactManifest = serde_json::from_slice(bytes).map_err(malformed)?;
        let own = if artifact.media_type.is_empty() { &declared } else { &artifact.media_type };
        if own != media_type::OCI_ARTIFACT {
            return Err(bad("has neither 'config' and 'layers' nor 'manifests'".to_owned()));
        }
        if from_header && *own != declared {
            return Err(contradicts(own));
        }
        return embedded(Document::Image(artifact.into()));
    }
    let required: &[&str] =
        if is_index { &["schemaVersion"] } else { &["schemaVersion", "config", "layers"] };
    for key in required {
        if !has(key) {
            let null = keys.iter().any(|(known, _)| known == key);
            return Err(bad(format!("has {} '{key}'", if null { "null for" } else { "no" })));
        }
    }
    let mut document = if is_index {
        Document::Index(serde_json::from_slice(bytes).map_err(malformed)?)
    } else {
        Document::Image(serde_json::from_slice(bytes).map_err(malformed)?)
    };
    let (version, own) = match &mut document {
        Document::Image(manifest) => (manifest.schema_version, &mut manifest.media_type),
        Document::Index(index) => (index.schema_version, &mut index.media_type),
    };
    if version != 2 {
        return Err(bad(format!("has schemaVersion {version}, not 2")));
    }
    if own.is_empty() {
        own.clone_from(&declared);
        if !from_header {
            *own = if is_index { media_type::OCI_INDEX } else { media_type::OCI_MANIFEST }.to_owned();
        }
    }
    if from_header && *own != declared {
        return Err(contradicts(own));
    }
    let is_artifact = own == media_type::OCI_ARTIFACT;
    if !media_type::is_manifest(own) || media_type::is_index(own) != is_index || is_artifact {
        return Err(bad(format!("says that it is {own}, its fields say otherwise")));
    }
    embedded(document)
}

/// Checks the data that descriptors have with them.
fn embedded(document: Document) -> Result<Document> {
    let embedded =
        document.children().into_iter().chain(document.subject()).filter(|child| child.data.is_some());
    for child in embedded {
        child.check_data()?;
    }
    Ok(document)
}

/// The known keys of a document with what they have for values, before anything is made of it: in memory the
/// descriptors are larger than here.
fn keys(bytes: &[u8], limit: usize) -> Result<Vec<(&'static str, Value)>> {
    let (mut keys, mut count) = (Vec::new(), 0);
    let most = limit.max(1000).saturating_mul(VALUES);
    let checked = json::check_object(bytes, most, &mut |key, value| {
        if let Some(known) = KNOWN_KEYS.iter().find(|known| known.eq_ignore_ascii_case(key)) {
            // Go's parser takes `Layers` for `layers`; ours does not. Whatever it means, it is ambiguous.
            if *known != key {
                return Err(format!("has the key '{key}' for '{known}'"));
            }
            keys.push((*known, value));
            if let ("layers" | "manifests" | "blobs", Value::Array(length)) = (key, value) {
                count = length.max(count);
            }
        }
        Ok(())
    });
    let too_many = |what: String| {
        Error::new(
            Kind::Limit,
            format!(
                "the manifest lists {what}, over the limit of {limit} descriptors (option max_descriptors)"
            ),
        )
    };
    match checked {
        Ok(()) if count > limit => Err(too_many(count.to_string())),
        Ok(()) => Ok(keys),
        Err(json::Refused::TooMany) => Err(too_many(format!("over {most} values"))),
        Err(json::Refused::Malformed(why)) => {
            Err(Error::new(Kind::Protocol, format!("the manifest {}", printable(why))))
        }
    }
}
