//! What registries, stores and gateways do beside the protocol, and what each is taken for (Q102 to Q109).

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cldoci::Kind;
use cldoci::oci::{Descriptor, Digest, media_type};

use super::help::{manifest, noise, read, repository, run};
use crate::harness::evil::{Act, Evil, Seen, answer, head};
use crate::harness::registry::{Manners, Registry, error};

const TYPE: (&str, &str) = ("Content-Type", media_type::OCI_MANIFEST);

fn good() -> Vec<u8> {
    manifest(&Descriptor::of(media_type::EMPTY, b"{}"), &[])
}

fn gzipped(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn q103_the_words_of_an_error_are_read_through_gzip() {
    let said = br#"{"errors":[{"code":"DENIED","message":"the licence has ended"}]}"#;
    for label in ["gzip", "x-gzip", "GZIP"] {
        let server = Evil::start(move |_| answer(403, &[("Content-Encoding", label)], gzipped(said)));
        let found = run(async { repository(&server.host(), &[]).get_manifest("v1").await.unwrap_err() });
        assert_eq!((found.kind(), found.registry_code()), (Kind::Denied, Some("DENIED")), "{label}");
        assert!(found.message().contains("the licence has ended"), "{found}");
    }
    // A 404 is a registry's own where its words say so.
    let server = Evil::start(|_| {
        let body = gzipped(br#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#);
        answer(404, &[("Content-Encoding", "gzip")], body)
    });
    assert_eq!(run(async { repository(&server.host(), &[]).head_manifest("v1").await.unwrap() }), None);
    // Broken, cut, and a bomb: the status is told all the same.
    let bomb = gzipped(&vec![b'x'; 64 << 20]);
    for body in [b"no gzip".to_vec(), gzipped(said)[..12].to_vec(), bomb[..60_000].to_vec()] {
        let server = Evil::start(move |_| answer(403, &[("Content-Encoding", "gzip")], &body));
        let found = run(async { repository(&server.host(), &[]).get_manifest("v1").await.unwrap_err() });
        assert_eq!((found.kind(), found.http_status()), (Kind::Denied, Some(403)));
    }
}

#[test]
fn q103_a_token_is_read_through_gzip_within_its_limit() {
    let get = |token: Vec<u8>| {
        let server = Evil::start(move |seen: &Seen| match seen.header("authorization") {
            _ if seen.path.starts_with("/token") => answer(200, &[("Content-Encoding", "gzip")], &token),
            Some("Bearer canary") => answer(200, &[TYPE], good()),
            _ => answer(401, &[("WWW-Authenticate", r#"Bearer realm="/token""#)], ""),
        });
        run(async { repository(&server.host(), &[("retries", "0")]).get_manifest("v1").await.map(drop) })
    };
    get(gzipped(br#"{"token":"canary"}"#)).unwrap();
    let long = format!(r#"{{"x":"{}","token":"canary"}}"#, "x".repeat(64 << 10));
    assert_eq!(get(gzipped(long.as_bytes())).unwrap_err().kind(), Kind::Limit);
    assert_eq!(get(b"no gzip".to_vec()).unwrap_err().kind(), Kind::Protocol);
}

type Handler = Box<dyn Fn(&Seen) -> Vec<Act> + Send + Sync>;

/// Some of a blob's bytes in an answer that ends where the connection does.
fn until_close(bytes: &[u8]) -> Vec<Act> {
    vec![Act::Send([head(200, &[("Connection", "close")]), bytes.to_vec()].concat()), Act::Close]
}

#[test]
fn q104_a_body_that_ends_with_the_connection_is_resumed_where_it_is_short() {
    let bytes = noise(200_000);
    let descriptor = Descriptor::of("a/b", &bytes);
    let get = |handler: Handler, options: &[(&str, &str)]| {
        let server = Evil::start(handler);
        let found =
            run(async { read(repository(&server.host(), options).read_blob(&descriptor, 0).await?).await });
        (found, server.log())
    };
    let served = bytes.clone();
    let (found, log) = get(
        Box::new(move |seen| match seen.header("range") {
            None => until_close(&served[..50_000]),
            Some(range) => {
                assert_eq!(range, "bytes=50000-");
                answer(206, &[("Content-Range", "bytes 50000-199999/200000")], &served[50_000..])
            }
        }),
        &[],
    );
    assert!(found.unwrap() == bytes);
    assert_eq!(log.len(), 2);
    // The twin: one that is whole needs no other.
    let served = bytes.clone();
    let (found, log) = get(Box::new(move |_| until_close(&served)), &[]);
    assert!(found.unwrap() == bytes);
    assert_eq!(log.len(), 1);
    // One that is always short ends, and other bytes after the break are no blob.
    let served = bytes.clone();
    let (found, log) = get(Box::new(move |_| until_close(&served[..50_000])), &[("retries", "1")]);
    assert_eq!(found.unwrap_err().kind(), Kind::Size);
    assert_eq!(log.len(), 2);
    let served = bytes.clone();
    let (found, _) = get(
        Box::new(move |seen| match seen.index {
            0 => until_close(&served[..50_000]),
            _ => answer(206, &[("Content-Range", "bytes 50000-199999/200000")], vec![0; 150_000]),
        }),
        &[],
    );
    assert_eq!(found.unwrap_err().kind(), Kind::Digest);
}

#[test]
fn q105_a_size_is_never_what_a_head_can_t_mean() {
    let digest = Digest::of(&good()).to_string();
    for (length, encoding, requests) in
        [("0", None, 2), ("99", None, 2), ("130", Some("gzip"), 2), (&*good().len().to_string(), None, 1)]
    {
        let (own, length) = (digest.clone(), length.to_owned());
        let server = Evil::start(move |seen| {
            let mut headers = vec![TYPE, ("Docker-Content-Digest", own.as_str())];
            match seen.method.as_str() {
                "HEAD" => {
                    headers.push(("Content-Length", &length));
                    headers.extend(encoding.map(|label| ("Content-Encoding", label)));
                    vec![Act::Send(head(200, &headers))]
                }
                _ => answer(200, &headers, good()),
            }
        });
        let found = run(async { repository(&server.host(), &[]).head_manifest("v1").await.unwrap() });
        assert_eq!(found.unwrap().size, good().len() as u64);
        assert_eq!(server.log().len(), requests, "{:?}", server.lines());
    }
}

/// A registry whose tag `v1` is `good()` and can't be changed: a PUT of it is answered so.
fn fixed(status: u16) -> Registry {
    let registry = Registry::with(Manners::default(), move |seen: &Seen| {
        (seen.method == "PUT" && seen.path.contains("/manifests/")).then(|| error(status, "DENIED"))
    });
    registry.put_manifest("test/app", "v1", media_type::OCI_MANIFEST, &good());
    registry
}

#[test]
fn q106_a_tag_that_can_t_be_changed_and_is_what_is_pushed_is_a_success() {
    for status in [400, 403, 405, 409, 412, 422] {
        let registry = fixed(status);
        let put = |target: &'static str, bytes: Vec<u8>| {
            let repository = repository(&registry.host(), &[]).for_push(&[]);
            run(async move { repository.put_manifest(target, media_type::OCI_MANIFEST, &bytes).await })
        };
        put("v1", good()).unwrap_or_else(|error| panic!("{status}: {error}"));
        // The twins: other bytes, and a tag that is not there.
        let other = [good(), b" ".to_vec()].concat();
        for (target, bytes) in [("v1", other), ("v2", good())] {
            let refused = put(target, bytes).unwrap_err();
            assert_eq!(refused.http_status(), Some(status), "{refused}");
        }
    }
    for status in [401, 413, 415] {
        let registry = fixed(status);
        let repository = repository(&registry.host(), &[]).for_push(&[]);
        let put = run(async {
            repository.put_manifest("v1", media_type::OCI_MANIFEST, &good()).await.unwrap_err()
        });
        assert_eq!(put.http_status(), Some(status));
        assert!(registry.server.log().iter().all(|seen| seen.method == "PUT" || seen.path == "/v2/"));
    }
}

#[test]
fn q107_what_was_taken_and_can_t_be_read_back_is_a_warning() {
    let put = |status: u16, bytes: Option<Vec<u8>>| {
        let server = Evil::start(move |seen| match (seen.method.as_str(), &bytes) {
            ("PUT", _) => answer(201, &[], ""),
            (_, Some(bytes)) => answer(200, &[TYPE], bytes),
            _ => error(status, "DENIED"),
        });
        let repository = repository(&server.host(), &[]).for_push(&[]);
        let done = run(async { repository.put_manifest("v1", media_type::OCI_MANIFEST, &good()).await });
        (done.map(drop), repository.call().operation.warnings())
    };
    for status in [401, 403] {
        let (done, warnings) = put(status, None);
        done.unwrap();
        assert!(warnings.len() == 1 && warnings[0].contains("can't be read back"), "{warnings:?}");
    }
    assert_eq!(put(404, None).0.unwrap_err().kind(), Kind::Protocol);
    let (done, warnings) = put(200, Some([good(), b" ".to_vec()].concat()));
    assert_eq!((done.unwrap_err().kind(), warnings.len()), (Kind::Digest, 0));
    let (done, warnings) = put(200, Some(good()));
    assert_eq!((done.is_ok(), warnings.len()), (true, 0));
}

#[test]
fn q108_storage_that_refuses_a_signed_url_is_asked_for_anew_once() {
    let bytes = noise(1000);
    for status in [400, 403] {
        for refusals in [0, 1, 2] {
            let (refused, served) = (AtomicUsize::new(0), bytes.clone());
            let storage = Evil::start(move |_| match refused.fetch_add(1, Ordering::SeqCst) < refusals {
                true => answer(status, &[], "<Error><Code>AccessDenied</Code></Error>"),
                false => answer(200, &[], &served),
            });
            let location = format!("http://{}/bucket?sig=", storage.host());
            let server = Evil::start(move |seen| {
                answer(307, &[("Location", &format!("{location}{}", seen.index))], "")
            });
            let descriptor = Descriptor::of("a/b", &bytes);
            let found =
                run(async { read(repository(&server.host(), &[]).read_blob(&descriptor, 0).await?).await });
            let urls: Vec<String> = storage.log().into_iter().map(|seen| seen.path).collect();
            match refusals {
                0 => assert_eq!((found.is_ok(), urls), (true, vec!["/bucket?sig=0".to_owned()])),
                1 => assert_eq!((found.is_ok(), urls.len(), &*urls[1]), (true, 2, "/bucket?sig=1")),
                _ => {
                    assert_eq!((found.unwrap_err().http_status(), urls.len()), (Some(status), 2));
                }
            }
        }
    }
    // The twin: what the registry itself refuses is final.
    let server = Evil::start(|_| error(403, "DENIED"));
    let descriptor = Descriptor::of("a/b", &bytes);
    run(async { repository(&server.host(), &[]).read_blob(&descriptor, 0).await.unwrap_err() });
    assert_eq!(server.log().len(), 1);
}

#[test]
fn q109_half_a_list_is_never_silent() {
    let list = |link: &'static str| {
        let server = Evil::start(move |seen| match seen.index {
            0 => answer(200, &[("Link", link)], r#"{"tags":["a"]}"#),
            _ => answer(200, &[], r#"{"tags":["b"]}"#),
        });
        let repository = repository(&server.host(), &[]);
        let found = run(async { repository.list_tags().await.unwrap() });
        (found, repository.call().operation.warnings())
    };
    for whole in [
        r#"</v2/test/app/tags/list?last=a>; rel="next""#,
        "</v2/test/app/tags/list?last=a>; rel='next'",
        "</v2/test/app/tags/list?last=a>",
    ] {
        assert_eq!(list(whole), (vec!["a".to_owned(), "b".to_owned()], vec![]), "{whole}");
    }
    for half in [r#"/v2/test/app/tags/list?last=a; rel="next""#, "<unclosed", "\u{e9}"] {
        let (found, warnings) = list(half);
        assert_eq!(found, ["a"], "{half}");
        assert!(warnings.len() == 1 && warnings[0].contains("the list may go on"), "{warnings:?}");
    }
    assert_eq!(list(r#"</v2/x>; rel="prev""#), (vec!["a".to_owned()], vec![]));
}

#[test]
fn q99_a_token_server_s_passing_failures_pass() {
    for status in [408, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530] {
        let times = Arc::new(AtomicUsize::new(0));
        let server = Evil::start({
            let times = times.clone();
            move |seen: &Seen| match seen.header("authorization") {
                _ if seen.path.starts_with("/token") => match times.fetch_add(1, Ordering::SeqCst) {
                    0 => answer(status, &[("Retry-After", "0")], "<html>later</html>"),
                    _ => answer(200, &[], r#"{"token":"canary"}"#),
                },
                Some("Bearer canary") => answer(200, &[TYPE], good()),
                _ => answer(401, &[("WWW-Authenticate", r#"Bearer realm="/token""#)], ""),
            }
        });
        let get = |retries: &str| {
            let repository = repository(&server.host(), &[("retries", retries)]);
            run(async move { repository.get_manifest("v1").await.map(drop) })
        };
        get("1").unwrap_or_else(|error| panic!("{status}: {error}"));
        // The twin: without another attempt it is an error that says so.
        times.store(0, Ordering::SeqCst);
        let refused = get("0").unwrap_err();
        assert_eq!((refused.http_status(), refused.retryable()), (Some(status), true), "{refused}");
    }
}
