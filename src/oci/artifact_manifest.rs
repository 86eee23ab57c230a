//! The artifact manifest of the OCI 1.1 release candidates, which registries still hold (Q91). It is read as the
//! image manifest that 1.1 made of it: its blobs are the layers, and the config is the empty one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::descriptor::Descriptor;
use super::json::{optional, texts};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ArtifactManifest {
    #[serde(default, deserialize_with = "optional")]
    pub(super) media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    #[serde(default, deserialize_with = "optional", skip_serializing_if = "Vec::is_empty")]
    pub(super) blobs: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<Descriptor>,
    #[serde(default, deserialize_with = "texts", skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::super::manifest::ImageManifest;
    use super::super::{Document, media_type, parse_document};

    const D: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn read(text: &str, declared: &str) -> crate::Result<ImageManifest> {
        match parse_document(text.as_bytes(), declared, 10)? {
            Document::Image(manifest) => Ok(manifest),
            Document::Index(_) => panic!("{text}"),
        }
    }

    #[test]
    fn q91_blobs_are_the_layers_and_there_is_no_config_to_fetch() {
        let blob = format!(r#"{{"mediaType":"a/b","digest":"{D}","size":2}}"#);
        let text = format!(
            r#"{{"mediaType":"{}","artifactType":"x/y","blobs":[{blob}],"subject":{blob}}}"#,
            media_type::OCI_ARTIFACT
        );
        let manifest = read(&text, "").unwrap();
        assert_eq!(manifest.layers.len(), 1);
        assert_eq!(manifest.artifact_type(), "x/y");
        assert_eq!(manifest.blobs().count(), 1, "the config is no blob of it");
        assert!(manifest.subject.is_some());
        assert_eq!(manifest.to_bytes(), text.as_bytes());
        // The header alone may say what it is, and every list may be missing or null.
        for text in ["{}", r#"{"mediaType":null,"blobs":null,"config":null}"#] {
            assert_eq!(read(text, media_type::OCI_ARTIFACT).unwrap().layers, []);
        }
    }

    #[test]
    fn q91_one_that_is_two_things_or_nothing_is_refused() {
        let artifact = media_type::OCI_ARTIFACT;
        let image = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"a/b","digest":"{D}","size":2}},"layers":[]}}"#
        );
        for (text, declared) in [
            (r#"{"blobs":[]}"#.to_owned(), ""),
            (r#"{"blobs":[]}"#.to_owned(), media_type::OCI_MANIFEST),
            (format!(r#"{{"mediaType":"{artifact}"}}"#), media_type::OCI_MANIFEST),
            (format!(r#"{{"mediaType":"{artifact}","blobs":[null]}}"#), ""),
            (format!(r#"{{"mediaType":"{artifact}","Blobs":[]}}"#), ""),
            (image.clone(), artifact),
            (image.replace("{\"schema", &format!(r#"{{"mediaType":"{artifact}","schema"#)), ""),
            (format!(r#"{{"schemaVersion":2,"mediaType":"{artifact}","manifests":[]}}"#), ""),
        ] {
            let error = read(&text, declared).unwrap_err();
            assert_eq!(error.kind(), crate::Kind::Protocol, "{text}: {error}");
        }
        assert!(read(&image, media_type::OCI_MANIFEST).is_ok());
        let blob = format!(r#"{{"digest":"{D}","size":2}}"#);
        let many = format!(r#"{{"mediaType":"{artifact}","blobs":[{}]}}"#, vec![blob; 11].join(","));
        assert_eq!(read(&many, "").unwrap_err().kind(), crate::Kind::Limit);
    }
}
