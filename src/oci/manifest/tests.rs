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
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, media_type::OCI_MANIFEST);
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
        (index("", "").replace("[{", r#"null,"x":[{"#), r#"{"schemaVersion":2,"manifests":[]}"#.to_owned()),
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
        (whole.replace(r#""schemaVersion":2"#, r#""schemaVersion":null"#), "has null for 'schemaVersion'"),
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
