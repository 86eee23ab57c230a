//! Oracle: what is taken is JSON for another parser too, lists no more than the limit, and written anew it parses to the
//! same, byte for byte from then on; an error is one line.

use cldoci::Kind;
use cldoci::oci::{Document, media_type, parse_document};

const LIMIT: usize = 8;
const DECLARED: [&str; 6] = [
    "",
    media_type::OCI_MANIFEST,
    media_type::OCI_INDEX,
    media_type::OCI_ARTIFACT,
    "application/vnd.docker.distribution.manifest.v2+json; charset=utf-8",
    "text/html",
];

fn written(document: &Document) -> Vec<u8> {
    match document {
        Document::Image(manifest) => manifest.to_bytes(),
        Document::Index(index) => index.to_bytes(),
    }
}

/// The first byte says which media type the header declares.
pub fn run(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    let declared = DECLARED[usize::from(*first) % DECLARED.len()];
    let document = match parse_document(body, declared, LIMIT) {
        Ok(document) => document,
        Err(error) => {
            let known = [Kind::Protocol, Kind::Limit, Kind::Size, Kind::Digest];
            return super::room::is_plain(&error, &known);
        }
    };
    let value: serde_json::Value = serde_json::from_slice(body).expect("another parser refuses it");
    let is_artifact = document.media_type() == media_type::OCI_ARTIFACT;
    assert!(is_artifact || value["schemaVersion"] == 2);
    assert!(document.children().len() <= LIMIT + 1, "the config and the layers");
    assert_eq!(media_type::is_index(document.media_type()), matches!(document, Document::Index(_)));
    let list = match &document {
        Document::Index(_) => "manifests",
        Document::Image(_) if is_artifact => "blobs",
        Document::Image(_) => "layers",
    };
    let listed = value[list].as_array().map_or(0, Vec::len);
    let with_config = usize::from(list == "layers");
    assert_eq!(document.children().len(), listed + with_config);
    let bytes = written(&document);
    let again = parse_document(&bytes, document.media_type(), LIMIT).expect("what was written is refused");
    match (&document, &again) {
        (Document::Image(a), Document::Image(b)) => assert_eq!(a, b),
        (Document::Index(a), Document::Index(b)) => assert_eq!(a, b),
        _ => panic!("written anew it is another kind"),
    }
    assert_eq!(written(&again), bytes);
}
