//! Image manifests and indexes: strict reading, canonical writing.

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
/// that could be read as two things (R-10, R-11). `limit` bounds the descriptors.
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

/// Checks the data that descriptors have with them (R-34).
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

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn manifest(config_size: &str, extra: &str) -> String {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"a/b","digest":"{D}","size":{config_size}}},"layers":[]{extra}}}"#,
            media_type::OCI_MANIFEST
        )
    }

    fn refused(text: &str, declared: &str) -> String {
        let error = parse_document(text.as_bytes(), declared, 10).unwrap_err();
        assert_eq!(error.kind(), Kind::Protocol, "{error}");
        error.message().to_owned()
    }

    #[test]
    fn a_manifest_reads_and_writes_the_same_bytes() {
        let text = manifest("2", r#","annotations":{"a":"1","b":"2"}"#);
        let Document::Image(m) = parse_document(text.as_bytes(), "", 10).unwrap() else { panic!() };
        assert_eq!(m.to_bytes(), text.as_bytes());
        assert_eq!(m.artifact_type(), "a/b");
    }

    #[test]
    fn r_09_sizes_that_are_no_sizes_are_refused() {
        for size in ["-1", "1.5", "\"12\"", "null", "1e400"] {
            refused(&manifest(size, ""), "");
        }
        refused(&manifest("2", "").replace(r#","size":2"#, ""), "");
        assert!(parse_document(manifest("4611686018427387904", "").as_bytes(), "", 10).is_ok());
    }

    #[test]
    fn r_10_a_document_that_is_two_things_is_refused() {
        refused(&manifest("2", r#","manifests":[]"#), "");
        assert!(refused(&manifest("2", ""), media_type::OCI_INDEX).contains("the header says"));
        let index =
            format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, media_type::OCI_MANIFEST);
        refused(&index, "");
        // Without a mediaType the header decides, and it must fit the fields.
        let untyped = r#"{"schemaVersion":2,"manifests":[]}"#;
        let document = parse_document(untyped.as_bytes(), media_type::DOCKER_LIST, 10).unwrap();
        assert_eq!(document.media_type(), media_type::DOCKER_LIST);
        refused(untyped, media_type::OCI_MANIFEST);
    }

    #[test]
    fn r_11_json_that_two_parsers_read_differently_is_refused() {
        refused(&manifest("2", r#","layers":[]"#), "");
        refused(&manifest("2", r#","Layers":[]"#), "");
        refused(&manifest("2", r#","annotations":{"a":"1","a":"2"}"#), "");
        refused(&format!("\u{feff}{}", manifest("2", "")), "");
        refused(&format!("{} x", manifest("2", "")), "");
        refused(&manifest("NaN", ""), "");
        refused(&manifest("2", r#","annotations":{"a":"\ud800"}"#), "");
        refused(&manifest("2", "/* */"), "");
        refused(&manifest("2", &format!(r#","x":{}{}"#, "[".repeat(10_000), "]".repeat(10_000))), "");
        let layer = format!(r#"{{"mediaType":"a/b","digest":"{D}","size":0}}"#);
        let many = manifest("2", "").replace("[]", &format!("[{}]", vec![layer; 11].join(",")));
        let error = parse_document(many.as_bytes(), "", 10).unwrap_err();
        assert_eq!(error.kind(), Kind::Limit);
    }

    #[test]
    fn r_34_embedded_data_must_be_what_the_descriptor_says() {
        let with =
            |data: &str| manifest("2", "").replace(r#","size":2"#, &format!(r#","size":2,"data":"{data}""#));
        assert!(parse_document(with("e30=").as_bytes(), "", 10).is_ok());
        for (data, kind) in [("W10=", Kind::Digest), ("e30gIA==", Kind::Size), ("!", Kind::Protocol)] {
            assert_eq!(parse_document(with(data).as_bytes(), "", 10).unwrap_err().kind(), kind, "{data}");
        }
        // Wherever a descriptor is.
        for data in ["e30=", "W10="] {
            let one = format!(r#"{{"mediaType":"a/b","digest":"{D}","size":2,"data":"{data}"}}"#);
            let layer = manifest("2", "").replace("[]", &format!("[{one}]"));
            let subject = manifest("2", &format!(r#","subject":{one}"#));
            let index = format!(r#"{{"schemaVersion":2,"manifests":[{one}]}}"#);
            for text in [layer, subject, index] {
                let found = parse_document(text.as_bytes(), "", 10).map(drop).map_err(|e| e.kind());
                assert_eq!(found, if data == "e30=" { Ok(()) } else { Err(Kind::Digest) }, "{text}");
            }
        }
    }

    /// Each optional member of each kind of document, as Go writes an empty one.
    #[test]
    fn q81_null_for_what_is_optional_is_absent() {
        let index = |entry: &str, extra: &str| {
            format!(
                r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{D}","size":2{entry}}}]{extra}}}"#,
                media_type::OCI_MANIFEST
            )
        };
        let mut pairs = vec![
            (
                index("", "").replace("[{", r#"null,"x":[{"#),
                r#"{"schemaVersion":2,"manifests":[]}"#.to_owned(),
            ),
            (
                index(r#","platform":{"architecture":"a","os":"b","os.features":null}"#, ""),
                index(r#","platform":{"architecture":"a","os":"b"}"#, ""),
            ),
            (index(r#","platform":{"architecture":null,"os":null}"#, ""), index(r#","platform":{}"#, "")),
            (manifest("2", r#","manifests":null"#), manifest("2", "")),
            (index("", r#","config":null,"layers":null"#), index("", "")),
            (manifest("2", r#","annotations":{"a":null}"#), manifest("2", r#","annotations":{"a":""}"#)),
            (
                manifest("2", "").replace(r#""a/b""#, "null"),
                manifest("2", "").replace(r#""mediaType":"a/b","#, ""),
            ),
        ];
        for key in ["annotations", "artifactType", "subject"] {
            pairs.push((manifest("2", &format!(r#","{key}":null"#)), manifest("2", "")));
            pairs.push((index("", &format!(r#","{key}":null"#)), index("", "")));
        }
        for key in ["annotations", "urls", "data", "platform", "artifactType"] {
            pairs.push((manifest(&format!(r#"2,"{key}":null"#), ""), manifest("2", "")));
            pairs.push((index(&format!(r#","{key}":null"#), ""), index("", "")));
        }
        let own = format!(r#""{}","config""#, media_type::OCI_MANIFEST);
        pairs.push((manifest("2", "").replace(&own, r#"null,"config""#), manifest("2", "")));
        for (null, absent) in pairs {
            let read = |text: &str| match parse_document(text.as_bytes(), "", 10) {
                Ok(Document::Image(manifest)) => String::from_utf8(manifest.to_bytes()).unwrap(),
                Ok(Document::Index(index)) => String::from_utf8(index.to_bytes()).unwrap(),
                Err(error) => panic!("{text}: {error}"),
            };
            assert_eq!(read(&null), read(&absent), "{null}");
            assert!(!read(&null).contains("null"), "null is never written: {null}");
        }
    }

    #[test]
    fn q81_null_for_what_is_required_is_refused_with_its_name() {
        let whole = manifest("2", "");
        let digest = format!(r#""{D}""#);
        for (text, why) in [
            (whole.replace("[]", "null"), "has null for 'layers'"),
            (whole.replace("[]", "[null]"), "is malformed"),
            (
                whole.replace(r#""schemaVersion":2"#, r#""schemaVersion":null"#),
                "has null for 'schemaVersion'",
            ),
            (whole.replace(&digest, "null"), "is malformed"),
            (manifest("null", ""), "is malformed"),
            (r#"{"schemaVersion":2,"config":null,"layers":[]}"#.to_owned(), "has null for 'config'"),
            (r#"{"schemaVersion":2,"layers":[]}"#.to_owned(), "has no 'config'"),
            (r#"{"schemaVersion":null,"manifests":[]}"#.to_owned(), "has null for 'schemaVersion'"),
            (r#"{"schemaVersion":2,"manifests":[null]}"#.to_owned(), "is malformed"),
            (manifest(r#"2,"urls":[null]"#, ""), "is malformed"),
            // Two parsers read these differently, null or not.
            (manifest("2", r#","Annotations":null"#), "has the key 'Annotations'"),
            (manifest("2", r#","annotations":null,"annotations":null"#), "twice"),
        ] {
            let message = refused(&text, "");
            assert!(message.starts_with("the manifest ") && message.contains(why), "{text}: {message}");
        }
    }

    #[test]
    fn r_12_what_is_no_manifest_is_refused() {
        for text in ["", "null", "[]", "<html>", "{}", "\"x\""] {
            refused(text, "");
        }
    }
}
