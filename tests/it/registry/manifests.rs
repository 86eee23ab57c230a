//! Manifests from servers that lie, ramble or are no registries.

use std::io::Write;
use std::time::Duration;

use cldoci::oci::{Descriptor, Digest, media_type};
use cldoci::{Error, Kind};

use super::help::{digest, manifest, repository, run};
use crate::harness::evil::{Act, Evil, Seen, answer, head, send};
use crate::harness::registry::error;

const TYPE: (&str, &str) = ("Content-Type", media_type::OCI_MANIFEST);

fn good() -> Vec<u8> {
    manifest(&Descriptor::of(media_type::EMPTY, b"{}"), &[])
}

/// What comes of getting a manifest from a server that answers so.
fn get(target: &str, options: &[(&str, &str)], acts: Vec<Act>) -> Result<Vec<u8>, Error> {
    let server = Evil::start(move |_| acts.clone());
    let found =
        run(async { repository(&server.host(), options).get_manifest(target).await.map(|(_, bytes)| bytes) });
    drop(server);
    found
}

#[test]
fn r_01_another_manifest_than_the_digest_asked_for() {
    let wanted = digest(b"what was asked for");
    let error = get(wanted.as_str(), &[], answer(200, &[TYPE], good())).unwrap_err();
    assert_eq!(error.kind(), Kind::Digest);
    assert!(error.message().contains(wanted.as_str()), "{error}");
    let right = digest(&good());
    assert_eq!(get(right.as_str(), &[], answer(200, &[TYPE], good())).unwrap(), good());
}

#[test]
fn r_03_the_digest_header_only_compares() {
    let right = digest(&good()).to_string();
    let sha512 = {
        let mut hasher = cldoci::oci::Hasher::new(cldoci::oci::Algorithm::Sha512);
        hasher.update(&good());
        hasher.finish().to_string()
    };
    let wrong = digest(b"x").to_string();
    let header = "Docker-Content-Digest";
    for target in ["v1", &right] {
        for bad in [&wrong, "sha256:abc", "SHA256:00", "md5:d41d8cd98f00b204e9800998ecf8427e", "../../x"] {
            let error = get(target, &[], answer(200, &[TYPE, (header, bad)], good())).unwrap_err();
            assert_eq!(error.kind(), Kind::Digest, "{target} {bad}");
        }
        let two = answer(200, &[TYPE, (header, &right), (header, &wrong)], good());
        assert_eq!(get(target, &[], two).unwrap_err().kind(), Kind::Digest);
        for fine in [&right, &sha512, ""] {
            assert!(
                get(target, &[], answer(200, &[TYPE, (header, fine)], good())).is_ok(),
                "{target} {fine}"
            );
        }
    }
    // A HEAD whose header is another digest does not replace the one asked for.
    let server = Evil::start(move |seen| match seen.method.as_str() {
        "HEAD" => send([head(200, &[TYPE, (header, &wrong), ("Content-Length", "5")])].concat()),
        _ => answer(200, &[TYPE], good()),
    });
    run(async {
        let found = repository(&server.host(), &[]).head_manifest(&right).await.unwrap().unwrap();
        assert_eq!(found.digest.as_str(), right);
        assert_eq!(found.size, good().len() as u64);
    });
}

#[test]
fn r_05_a_manifest_over_the_limit_is_not_read_further() {
    let chunk = [b"400\r\n".as_slice(), &[b'x'; 1024], b"\r\n"].concat();
    let endless =
        vec![Act::Send(head(200, &[TYPE, ("Transfer-Encoding", "chunked")])), Act::Repeat(chunk, u64::MAX)];
    let error = get("v1", &[("max_manifest_bytes", "100000")], endless).unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
    assert!(error.message().contains("max_manifest_bytes"), "{error}");
    // One byte over it, and it, without a length.
    let of = |length: usize| {
        let body = [good(), vec![b' '; length - good().len()]].concat();
        let start = format!("{length:x}\r\n").into_bytes();
        let head = head(200, &[TYPE, ("Transfer-Encoding", "chunked")]);
        send([head, start, body, b"\r\n0\r\n\r\n".to_vec()].concat())
    };
    let error = get("v1", &[("max_manifest_bytes", "100000")], of(100_001)).unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
    assert_eq!(get("v1", &[("max_manifest_bytes", "100000")], of(100_000)).unwrap().len(), 100_000);
    let declared = vec![Act::Send(head(200, &[TYPE, ("Content-Length", "100001")])), Act::Hang];
    assert_eq!(get("v1", &[("max_manifest_bytes", "100000")], declared).unwrap_err().kind(), Kind::Limit);
    // The twin: exactly the limit.
    let whole =
        [br#"{"schemaVersion":2,"mediaType":""#.as_slice(), media_type::OCI_MANIFEST.as_bytes(), br#""}"#]
            .concat();
    let padded = [whole.clone(), vec![b' '; 100_000 - whole.len()]].concat();
    assert_eq!(
        get("v1", &[("max_manifest_bytes", "100000")], answer(200, &[TYPE], &padded)).unwrap(),
        padded
    );
}

#[test]
fn r_06_lengths_that_contradict() {
    let body = good();
    let (length, length_in_hex) = (body.len().to_string(), format!("{:x}", body.len()));
    let two =
        [head(200, &[TYPE, ("Content-Length", &length), ("Content-Length", "3")]), body.clone()].concat();
    let huge = head(200, &[TYPE, ("Content-Length", "9223372036854775808")]);
    let beyond = head(200, &[TYPE, ("Content-Length", "99999999999999999999999999")]);
    for (acts, kind, words) in [
        (send(two), Kind::Protocol, "content-length"),
        (vec![Act::Send(huge), Act::Hang], Kind::Limit, "max_manifest_bytes"),
        (vec![Act::Send(beyond), Act::Hang], Kind::Protocol, "content-length"),
    ] {
        let error = get("v1", &[("header_timeout_ms", "2000")], acts).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(words), "{error}");
    }
    // Both ways to say where a body ends, of which proxies and servers choose differently.
    let chunks =
        [format!("{length_in_hex}\r\n").into_bytes(), body.clone(), b"\r\n0\r\n\r\n".to_vec()].concat();
    let smuggled = |headers: &[(&str, &str)]| send([head(200, headers), chunks.clone()].concat());
    let chunked = ("Transfer-Encoding", "chunked");
    for headers in [[TYPE, ("Content-Length", &length), chunked], [TYPE, chunked, ("Content-Length", "0")]] {
        let error = get("v1", &[("retries", "0")], smuggled(&headers)).unwrap_err();
        assert_eq!(error.kind(), Kind::Protocol, "{error}");
    }
    assert_eq!(get("v1", &[], smuggled(&[TYPE, chunked])).unwrap(), body);
    // More than its length: so many bytes are taken, and the rest is nobody's answer. In one piece, so that it is
    // there before the next request is.
    let server = Evil::start(move |_| {
        let head = head(200, &[TYPE, ("Content-Length", &length)]);
        send([head, body.clone(), b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n".to_vec()].concat())
    });
    run(async {
        let repository = repository(&server.host(), &[]);
        for _ in 0..2 {
            repository.get_manifest("v1").await.unwrap();
        }
        let connections: Vec<_> = server.log().iter().map(|seen| seen.connection).collect();
        assert_eq!(connections, [0, 1], "the connection is closed");
    });
    let endless = vec![
        Act::Send(head(200, &[TYPE, ("Content-Length", "10")])),
        Act::Repeat(vec![b'x'; 1024], u64::MAX),
    ];
    assert_eq!(get("v1", &[], endless).unwrap_err().kind(), Kind::Protocol);
}

#[test]
fn r_07_the_body_of_an_error_is_read_to_its_limit_only() {
    for (status, kind) in [
        (404, Kind::NotFound),
        (418, Kind::Protocol),
        (403, Kind::Denied),
        (401, Kind::Unauthorized),
        (500, Kind::Protocol),
    ] {
        let acts = vec![
            Act::Send(head(status, &[("Content-Length", "10737418240")])),
            Act::Repeat(vec![b'x'; 65536], 10 << 30 >> 16),
        ];
        let server = Evil::start(move |_| acts.clone());
        run(async {
            let repository = repository(&server.host(), &[("retries", "0")]);
            let error = repository.get_manifest("v1").await.unwrap_err();
            assert_eq!((error.kind(), error.http_status()), (kind, Some(status)));
            let counters = repository.call().operation.counters();
            assert!(counters.bytes_received < 1 << 20, "{counters:?}");
        });
    }
}

#[test]
fn r_12_what_is_no_manifest_says_its_status_and_type() {
    for (content_type, body) in [
        ("text/html", "<html>log in</html>"),
        ("application/json", ""),
        ("application/json", "null"),
        ("application/json", "[]"),
        (TYPE.1, "<html>"),
        (TYPE.1, ""),
        (TYPE.1, "null"),
        (TYPE.1, "[]"),
    ] {
        let error = get("v1", &[], answer(200, &[("Content-Type", content_type)], body)).unwrap_err();
        assert_eq!(error.kind(), Kind::Protocol, "{body}");
        assert!(error.message().contains("200") && error.message().contains(content_type), "{error}");
    }
    // A manifest by its own word, under a type that says little.
    assert_eq!(get("v1", &[], answer(200, &[("Content-Type", "application/json")], good())).unwrap(), good());
}

#[test]
fn r_13_statuses_where_they_do_not_belong() {
    for status in [201, 202, 204, 206, 304, 299] {
        let error = get("v1", &[], answer(status, &[TYPE], "")).unwrap_err();
        assert_eq!((error.kind(), error.http_status()), (Kind::Protocol, Some(status)));
    }
}

#[test]
fn r_29_a_head_that_says_little_falls_back_to_get() {
    let right = digest(&good()).to_string();
    let heads = [
        head(200, &[]),
        head(200, &[("Content-Length", "0")]),
        head(
            200,
            &[("Content-Type", "text/html"), ("Docker-Content-Digest", &right), ("Content-Length", "5")],
        ),
        head(405, &[]),
        head(404, &[]),
        head(403, &[]),
    ];
    for answer_to_head in heads {
        let server = Evil::start(move |seen| match seen.method.as_str() {
            "HEAD" => [send(&answer_to_head), vec![Act::Close]].concat(),
            _ => answer(200, &[TYPE], good()),
        });
        run(async {
            let found = repository(&server.host(), &[]).head_manifest("v1").await.unwrap();
            assert_eq!(found, Some(Descriptor::of(media_type::OCI_MANIFEST, &good())));
            assert_eq!(server.lines(), ["HEAD /v2/test/app/manifests/v1", "GET /v2/test/app/manifests/v1"]);
        });
    }
}

#[test]
fn r_29_no_is_said_on_a_registrys_not_found_only() {
    fn look(answer_to_get: Vec<Act>, answer_to_head: u16) -> Result<Option<Descriptor>, Error> {
        let server = Evil::start(move |seen: &Seen| match seen.method.as_str() {
            "HEAD" => send(head(answer_to_head, &[("Content-Length", "0")])),
            _ => answer_to_get.clone(),
        });
        run(async { repository(&server.host(), &[("retries", "0")]).head_manifest("v1").await })
    }
    for code in ["MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND", "UNKNOWN"] {
        assert_eq!(look(error(404, code), 404).unwrap(), None, "{code}");
    }
    assert_eq!(look(error(401, "UNAUTHORIZED"), 401).unwrap_err().kind(), Kind::Unauthorized);
    assert_eq!(look(error(403, "DENIED"), 403).unwrap_err().kind(), Kind::Denied);
    assert_eq!(look(error(404, "DENIED"), 404).unwrap_err().kind(), Kind::Protocol);
    assert_eq!(look(error(500, "UNKNOWN"), 500).unwrap_err().http_status(), Some(500));
    assert_eq!(look(error(503, "UNKNOWN"), 404).unwrap_err().http_status(), Some(503));
    let page = answer(404, &[("Content-Type", "text/html")], "<html>not here</html>");
    let error = look(page, 404).unwrap_err();
    assert_eq!(error.kind(), Kind::Protocol);
    assert!(error.message().contains("text/html"), "{error}");
}

#[test]
fn r_30_heads_that_are_no_heads() {
    let line = |name: &str, length: usize| format!("{name}: {}\r\n", "v".repeat(length)).into_bytes();
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n".to_vec();
    let big = [ok.clone(), line("X", 1 << 20), b"\r\n".to_vec()].concat();
    let many = [ok.clone(), line("X", 1).repeat(100_000), b"\r\n".to_vec()].concat();
    let nul = [ok, b"X\0Y: v\r\n\r\n".to_vec()].concat();
    for bytes in [
        big,
        many,
        nul,
        b"<html>HTTP/0.9</html>".to_vec(),
        b"HTTP/1.1 abc X\r\n\r\n".to_vec(),
        b"SSH-2.0-x\r\n\r\n".to_vec(),
    ] {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        let error = get("v1", &[("retries", "0")], vec![Act::Send(bytes), Act::Close]).unwrap_err();
        assert_eq!(error.kind(), Kind::Protocol, "{shown}: {error}");
    }
}

#[test]
fn r_37_what_a_put_of_a_manifest_answers_and_what_is_there_after_it() {
    let right = digest(&good()).to_string();
    let wrong = digest(b"x").to_string();
    let other = || manifest(&Descriptor::of(media_type::EMPTY, b"{ }"), &[]);
    // What is there afterwards: nothing, or a manifest, told by HEAD or by GET alone.
    let put = |status: u16, claim: Option<String>, after: Option<Vec<u8>>, head_says: bool| {
        let server = Evil::start(move |seen| match (seen.method.as_str(), &after) {
            ("PUT", _) => match &claim {
                Some(claim) => answer(status, &[("Docker-Content-Digest", claim)], ""),
                None => answer(status, &[], ""),
            },
            (_, None) => error(404, "MANIFEST_UNKNOWN"),
            ("HEAD", Some(bytes)) => {
                let (length, claim) = (bytes.len().to_string(), digest(bytes).to_string());
                let all = [TYPE, ("Content-Length", &length), ("Docker-Content-Digest", &claim)];
                send(head(200, if head_says { &all } else { &all[..2] }))
            }
            (_, Some(bytes)) => answer(200, &[TYPE], bytes),
        });
        let result = run(async {
            repository(&server.host(), &[]).put_manifest("v1", TYPE.1, &good()).await.map(drop)
        });
        (result, server.log().len())
    };
    // The answer's own word is enough.
    let (result, requests) = put(201, Some(right.clone()), None, false);
    result.unwrap();
    assert_eq!(requests, 1);
    let (result, requests) = put(201, Some(wrong.clone()), Some(good()), true);
    let error = result.unwrap_err();
    assert!(error.kind() == Kind::Digest && error.message().contains(&wrong), "{error}");
    assert_eq!(requests, 1);
    // One that says nothing must show the manifest (Q58).
    for status in [200, 201, 202] {
        for (head_says, requests) in [(true, 2), (false, 3)] {
            let (result, asked) = put(status, None, Some(good()), head_says);
            result.unwrap();
            assert_eq!(asked, requests);
            let error = put(status, None, Some(other()), head_says).0.unwrap_err();
            assert_eq!((error.kind(), error.http_status()), (Kind::Digest, Some(status)));
            assert!(error.message().contains(digest(&other()).as_str()), "{error}");
        }
        let error = put(status, None, None, false).0.unwrap_err();
        assert_eq!((error.kind(), error.http_status()), (Kind::Protocol, Some(status)));
        put(status, Some(right.clone()), None, false).0.unwrap();
    }
}

#[test]
fn r_36_a_manifest_whose_blob_is_unknown_is_told_and_not_put_again() {
    let unknown = Evil::start(|_| error(400, "MANIFEST_BLOB_UNKNOWN"));
    run(async {
        let repository = repository(&unknown.host(), &[]);
        let error = repository.put_manifest("v1", TYPE.1, &good()).await.unwrap_err();
        assert_eq!(error.registry_code(), Some("MANIFEST_BLOB_UNKNOWN"));
        assert_eq!(unknown.log().len(), 1);
    });
}

#[test]
fn r_44_a_manifest_of_4_mib_and_sha512() {
    let mut document: serde_json::Value = serde_json::from_slice(&good()).unwrap();
    document["annotations"] = serde_json::json!({ "x": "y".repeat(4 << 20) });
    let bytes = serde_json::to_vec(&document).unwrap();
    let mut hasher = cldoci::oci::Hasher::new(cldoci::oci::Algorithm::Sha512);
    hasher.update(&bytes);
    let sha512: Digest = hasher.finish();
    assert!(get(sha512.as_str(), &[], answer(200, &[TYPE], &bytes)).unwrap() == bytes);
    let error = get(sha512.as_str(), &[], answer(200, &[TYPE], good())).unwrap_err();
    assert_eq!(error.kind(), Kind::Digest);
}

#[test]
fn g_11_an_encoded_manifest_is_decoded_within_its_limit() {
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let encoded = |name: &str, bytes: Vec<u8>| answer(200, &[TYPE, ("Content-Encoding", name)], bytes);
    let right = digest(&good());
    assert_eq!(get(right.as_str(), &[], encoded("gzip", gzip(&good()))).unwrap(), good());
    assert_eq!(get("v1", &[], encoded("br", good())).unwrap_err().kind(), Kind::Protocol);
    assert_eq!(get("v1", &[], encoded("gzip", good())).unwrap_err().kind(), Kind::Protocol);
    assert_eq!(get("v1", &[], encoded("aws-chunked", good())).unwrap(), good(), "Q98");
    let bomb = gzip(&vec![b' '; 50 << 20]);
    assert_eq!(get("v1", &[], encoded("gzip", bomb)).unwrap_err().kind(), Kind::Limit);
    let server = Evil::start(|_| answer(200, &[TYPE], good()));
    run(async { repository(&server.host(), &[]).get_manifest("v1").await.unwrap() });
    assert_eq!(server.log()[0].header("accept-encoding"), Some("identity"));
}

#[test]
fn q_53_all_four_types_are_always_accepted() {
    let server = Evil::start(|_| answer(200, &[TYPE], good()));
    run(async { repository(&server.host(), &[]).get_manifest("v1").await.unwrap() });
    let accept = server.log()[0].header("accept").unwrap().to_owned();
    for wanted in [
        media_type::OCI_MANIFEST,
        media_type::OCI_INDEX,
        media_type::DOCKER_MANIFEST,
        media_type::DOCKER_LIST,
    ] {
        assert!(accept.contains(wanted), "{accept}");
    }
}

#[test]
fn r_22_a_server_that_never_answers() {
    let server = Evil::start(|_| vec![Act::Hang]);
    run(async {
        let begun = std::time::Instant::now();
        let repository = repository(&server.host(), &[("header_timeout_ms", "300")]);
        let error = repository.get_manifest("v1").await.unwrap_err();
        assert_eq!(error.kind(), Kind::Timeout);
        assert!(error.message().contains("header_timeout_ms"), "{error}");
        assert_eq!(server.log().len(), 2, "once more, and no more");
        assert!(begun.elapsed() < Duration::from_secs(10));
    });
}

#[test]
fn a_cancel_ends_a_request_that_waits() {
    let server = Evil::start(|_| vec![Act::Hang]);
    run(async {
        let repository = repository(&server.host(), &[]);
        let operation = repository.call().operation.clone();
        let running = tokio::spawn(async move { repository.get_manifest("v1").await.map(drop) });
        while server.log().is_empty() {
            tokio::task::yield_now().await;
        }
        operation.cancel();
        assert_eq!(running.await.unwrap().unwrap_err().kind(), Kind::Cancelled);
    });
}
