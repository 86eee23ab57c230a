//! Uploads to servers that interrupt, move and refuse.

use std::io::Read;
use std::sync::{Arc, Mutex};

use cldoci::Kind;
use cldoci::oci::Descriptor;
use cldoci::registry::{BlobSource, NoSessions, Uploaded};

use super::help::{noise, repository, run, upload};
use crate::harness::evil::{Act, Evil, answer, head};
use crate::harness::registry::{Manners, Registry, error};

#[test]
fn r_14_an_upload_without_a_usable_location() {
    let locations: [Option<&str>; 5] =
        [None, Some(""), Some("javascript:alert(1)"), Some("http://["), Some("data:,x")];
    for location in locations {
        let server = Evil::start(move |_| match location {
            Some(location) => answer(202, &[("Location", location)], ""),
            None => answer(202, &[], ""),
        });
        let error = run(async { upload(&repository(&server.host(), &[]), b"{}").await.unwrap_err() });
        assert_eq!(error.kind(), Kind::Protocol, "{location:?}");
        assert_eq!(server.log().len(), 1);
    }
    let not_text = [b"HTTP/1.1 202 X\r\nContent-Length: 0\r\nLocation: /\xff\xfe\r\n\r\n".to_vec()].concat();
    let server = Evil::start(move |_| vec![Act::Send(not_text.clone())]);
    let error = run(async { upload(&repository(&server.host(), &[]), b"{}").await.unwrap_err() });
    assert_eq!(error.kind(), Kind::Protocol);
    let server = Evil::start(|_| answer(202, &[("Location", &"a".repeat(1 << 20))], ""));
    let repository = repository(&server.host(), &[("retries", "0")]);
    let error = run(async { upload(&repository, b"{}").await.unwrap_err() });
    assert_eq!(error.kind(), Kind::Protocol);
}

#[test]
fn r_14_a_location_is_read_as_a_browser_reads_it() {
    const BEGIN: &str = "/v2/test/app/blobs/uploads/";
    for (location, goes_to) in [
        ("uploads/x", format!("{BEGIN}uploads/x?")),
        ("x?a=1", format!("{BEGIN}x?a=1&")),
        ("?state=1", format!("{BEGIN}?state=1&")),
        ("/v2/x/y", "/v2/x/y?".to_owned()),
        ("../y", "/v2/test/app/blobs/y?".to_owned()),
        ("http://HOST/z", "/z?".to_owned()),
        ("//HOST/z", "/z?".to_owned()),
    ] {
        let server = Evil::start(move |seen| match seen.method.as_str() {
            "POST" => {
                let location = location.replace("HOST", seen.header("host").unwrap());
                answer(202, &[("Location", &location)], "")
            }
            "HEAD" => vec![Act::Send(head(404, &[("Content-Length", "0")]))],
            _ => answer(201, &[], ""),
        });
        run(async { upload(&repository(&server.host(), &[]), b"{}").await.unwrap() });
        let put = server.lines().pop().unwrap();
        assert!(put.starts_with(&format!("PUT {goes_to}digest=sha256:")), "{location}: {put}");
    }
}

#[test]
fn r_13_a_200_where_a_session_or_a_blob_is_due() {
    let server = Evil::start(|_| answer(200, &[("Location", "/x")], ""));
    let error = run(async { upload(&repository(&server.host(), &[]), b"{}").await.unwrap_err() });
    assert_eq!((error.kind(), error.http_status()), (Kind::Protocol, Some(200)));
    let server = Evil::start(|seen| match seen.method.as_str() {
        "POST" => answer(202, &[("Location", "/x")], ""),
        "HEAD" => answer(404, &[], ""),
        _ => answer(200, &[], ""),
    });
    let error = run(async { upload(&repository(&server.host(), &[]), b"{}").await.unwrap_err() });
    assert_eq!((error.kind(), error.http_status()), (Kind::Protocol, Some(200)));
    // A plain begin, without a mount; a PATCH; other answers to a PUT.
    for (method, status) in [
        ("POST", 200),
        ("POST", 201),
        ("PATCH", 200),
        ("PATCH", 206),
        ("PUT", 202),
        ("PUT", 206),
        ("PUT", 304),
    ] {
        let server = Evil::start(move |seen| match seen.method.as_str() {
            "HEAD" => vec![Act::Send(head(404, &[("Content-Length", "0")]))],
            now if now == method => answer(status, &[("Location", "/x")], ""),
            "POST" => answer(202, &[("Location", "/x")], ""),
            // So that it is tried by PATCH.
            "PUT" if method == "PATCH" => answer(404, &[], ""),
            _ => answer(201, &[], ""),
        });
        let repository = repository(&server.host(), &[]);
        let error = run(async { upload(&repository, &noise(70_000)).await.unwrap_err() });
        assert_eq!((error.kind(), error.http_status()), (Kind::Protocol, Some(status)), "{method} {error}");
    }
}

#[test]
fn r_15_the_newest_location_is_used_as_it_is() {
    let server = Evil::start(|seen| match (seen.method.as_str(), seen.index) {
        ("HEAD", _) => answer(404, &[], ""),
        ("POST", _) => answer(202, &[("Location", "/u/a%2Fb?_state=AbC%3D%3D&x=1+2")], ""),
        ("PUT", _) if !seen.body.is_empty() => error(404, "NOT_FOUND"),
        ("PATCH", _) => answer(202, &[("Location", "/u/second?z=%C3%A9")], ""),
        _ => answer(201, &[], ""),
    });
    run(async { upload(&repository(&server.host(), &[]), b"{}").await.unwrap() });
    let other = |line: &String| !line.starts_with("HEAD") && !line.starts_with("DELETE");
    let lines: Vec<String> = server.lines().into_iter().filter(other).collect();
    assert!(lines[1].starts_with("PUT /u/a%2Fb?_state=AbC%3D%3D&x=1+2&digest=sha256:"), "{lines:?}");
    assert_eq!(lines[3], "PATCH /u/a%2Fb?_state=AbC%3D%3D&x=1+2");
    assert!(lines[4].starts_with("PUT /u/second?z=%C3%A9&digest=sha256:"), "{lines:?}");

    // In parts, each of which has another location behind it: a query, none, another one.
    let server = Evil::start(|seen| match seen.method.as_str() {
        "HEAD" => vec![Act::Send(head(404, &[("Content-Length", "0")]))],
        "POST" => answer(202, &[("Location", "/u?n=0")], ""),
        "DELETE" => answer(204, &[], ""),
        _ if seen.body.len() > 5 << 20 => error(413, "SIZE_INVALID"),
        "PATCH" if seen.path == "/u?n=0" => answer(202, &[("Location", "/u2")], ""),
        "PATCH" if seen.path == "/u2" => answer(202, &[("Location", "?m=%2F&n=2")], ""),
        "PATCH" => error(404, "BLOB_UPLOAD_UNKNOWN"),
        _ => answer(201, &[], ""),
    });
    run(async { upload(&repository(&server.host(), &[]), &noise(9 << 20)).await.unwrap() });
    let lines = server.lines();
    assert_eq!(lines[lines.len() - 3..][..2], ["PATCH /u?n=0", "PATCH /u2"]);
    assert!(lines.last().unwrap().starts_with("PUT /u2?m=%2F&n=2&digest=sha256:"), "{lines:?}");
}

#[test]
fn q_32_and_q_44_every_body_has_its_length() {
    let registry = Registry::start();
    run(async {
        let repository = repository(&registry.host(), &[]);
        upload(&repository, &noise(300_000)).await.unwrap();
    });
    let log = registry.server.log();
    assert_eq!(log[1].header("content-length"), Some("0"));
    assert_eq!(log[2].header("content-length"), Some("300000"));
    assert!(log.iter().all(|seen| seen.header("transfer-encoding").is_none()));
}

#[test]
fn r_42_an_answer_before_the_body_is_sent_ends_the_upload() {
    for (status, code, kind) in [
        (403, "DENIED", Kind::Denied),
        (401, "UNAUTHORIZED", Kind::Unauthorized),
        (413, "TOO_LARGE", Kind::Limit),
    ] {
        let server = Evil::start_early(move |seen| match seen.method.as_str() {
            "POST" => answer(202, &[("Location", "/upload")], ""),
            "HEAD" => vec![Act::Send(head(404, &[("Content-Length", "0")]))],
            "GET" | "DELETE" => answer(204, &[], ""),
            _ => {
                // As servers do that don't want the rest of a body; what comes of it they swallow.
                let body = format!(r#"{{"errors":[{{"code":"{code}"}}]}}"#);
                [answer(status, &[("Connection", "close")], body), vec![Act::Hang]].concat()
            }
        });
        run(async {
            let repository = repository(&server.host(), &[]);
            let size = 10 << 30;
            let descriptor = Descriptor::new("a/b", cldoci::oci::Digest::of(b"not checked here"), size);
            let result =
                repository.upload_blob(&descriptor, Arc::new(Endless), &[], Arc::new(NoSessions)).await;
            let error = result.unwrap_err();
            assert_eq!((error.kind(), error.registry_code()), (kind, Some(code)), "{error}");
            let counters = repository.call().operation.counters();
            assert!(counters.bytes_sent < 256 << 20, "{counters:?} {:?}", server.lines());
            // What was begun is cancelled (Q43), if the connection that is used again still lives.
            let rest = server.lines().split_off(3);
            assert!(status != 403 || rest.iter().all(|line| line == "DELETE /upload"), "{rest:?}");
        });
    }
}

struct Endless;
impl BlobSource for Endless {
    fn open(&self, _: u64) -> cldoci::Result<Box<dyn Read + Send>> {
        Ok(Box::new(std::io::repeat(7)))
    }
}

struct Short;
impl BlobSource for Short {
    fn open(&self, _: u64) -> cldoci::Result<Box<dyn Read + Send>> {
        Ok(Box::new(&b"ten bytes!"[..]))
    }
}

#[test]
fn a_source_that_ends_early_is_told_as_such() {
    let registry = Registry::start();
    run(async {
        let descriptor = Descriptor::new("a/b", cldoci::oci::Digest::of(b"x"), 100_000);
        let error = repository(&registry.host(), &[])
            .upload_blob(&descriptor, Arc::new(Short), &[], Arc::new(NoSessions))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Changed);
        assert!(registry.server.log().iter().filter(|seen| seen.method == "PUT").count() <= 1);
    });
}

#[test]
fn a_broken_upload_begins_again_in_a_new_session() {
    let cut = Mutex::new(2);
    let registry = Registry::with(Manners::default(), move |seen| {
        let mut cut = cut.lock().unwrap();
        (seen.method == "PUT" && *cut > 0).then(|| {
            *cut -= 1;
            vec![Act::Reset]
        })
    });
    let bytes = noise(500_000);
    run(async {
        let repository = repository(&registry.host(), &[]);
        let operation = repository.call().operation.clone();
        operation.expect(cldoci::oci::Digest::of(&bytes).as_str(), bytes.len() as u64);
        let (descriptor, how) = upload(&repository, &bytes).await.unwrap();
        assert_eq!(how, Uploaded::Sent);
        assert!(registry.blob("test/app", &descriptor.digest).unwrap() == bytes);
        assert_eq!(operation.counters().retries, 2);
        let progress = operation.progress();
        assert_eq!((progress.bytes_done, progress.bytes_total), (bytes.len() as u64, bytes.len() as u64));
        let posts = registry.server.log().iter().filter(|seen| seen.method == "POST").count();
        assert_eq!(posts, 3);
    });
}

#[test]
fn a_lost_answer_to_a_commit_does_not_send_the_blob_again() {
    let registry = Registry::start();
    let inner = registry.host();
    let bytes = noise(500_000);
    // Between the two: takes the PUT to the registry and drops its answer.
    let relay = Evil::start({
        let bytes = bytes.clone();
        move |seen| {
            if seen.method == "PUT" {
                registry.put_blob("test/app", &bytes);
                return vec![Act::Reset];
            }
            match (seen.method.as_str(), registry.blob("test/app", &cldoci::oci::Digest::of(&bytes))) {
                ("HEAD", Some(_)) => vec![Act::Send(head(200, &[("Content-Length", "500000")]))],
                ("HEAD", None) => vec![Act::Send(head(404, &[("Content-Length", "0")]))],
                _ => answer(202, &[("Location", "/upload")], ""),
            }
        }
    });
    assert!(!inner.is_empty());
    run(async {
        upload(&repository(&relay.host(), &[]), &bytes).await.unwrap();
        let methods: Vec<String> = relay.log().into_iter().map(|seen| seen.method).collect();
        assert_eq!(methods, ["HEAD", "POST", "PUT", "HEAD"]);
    });
}

#[test]
fn r_39_a_least_length_of_chunks_that_makes_no_sense() {
    for least in ["1099511627776", "0", "-5", "many"] {
        let sessions = Mutex::new(0);
        let registry = Registry::with(Manners { largest_body: 2 << 20, ..Manners::default() }, move |seen| {
            // The first begin is answered here, with the header; its session is unknown to the registry.
            let mut sessions = sessions.lock().unwrap();
            (seen.method == "POST" && *sessions == 0).then(|| {
                *sessions += 1;
                let location = "/v2/test/app/blobs/uploads/s0";
                answer(202, &[("Location", location), ("OCI-Chunk-Min-Length", least)], "")
            })
        });
        let bytes = noise(5 << 20);
        run(async {
            let repository = repository(&registry.host(), &[]);
            let (descriptor, _) = upload(&repository, &bytes).await.unwrap();
            assert!(registry.blob("test/app", &descriptor.digest).unwrap() == bytes);
        });
    }
}

#[test]
fn q_48_a_mount_that_fails_at_the_server_becomes_an_upload_and_is_learnt() {
    for status in [405, 500, 501, 502, 503] {
        let server = Evil::start(move |seen| match seen.method.as_str() {
            "POST" if seen.path.contains("mount=") => error(status, "NO"),
            "POST" => answer(202, &[("Location", "/x")], ""),
            "HEAD" => vec![Act::Send(head(404, &[("Content-Length", "0")]))],
            _ => answer(201, &[], ""),
        });
        run(async {
            let repository = repository(&server.host(), &[("retries", "0")]);
            for bytes in [b"{}".as_slice(), b"[]"] {
                assert_eq!(upload(&repository, bytes).await.unwrap().1, Uploaded::Sent, "{status}");
            }
        });
        let mounts = server.lines().iter().filter(|line| line.contains("mount=")).count();
        assert_eq!(mounts, 1, "{status}: {:?}", server.lines());
    }
    // The twin: where an upload can't be begun either, the push fails.
    let server = Evil::start(|seen| match seen.method.as_str() {
        "HEAD" => vec![Act::Send(head(404, &[("Content-Length", "0")]))],
        _ => error(500, "NO"),
    });
    let failed =
        run(async { upload(&repository(&server.host(), &[("retries", "0")]), b"{}").await.unwrap_err() });
    assert_eq!(failed.http_status(), Some(500));
}

#[test]
fn q_101_a_location_beyond_ascii_is_utf_8() {
    let server = Evil::start(|seen| match seen.method.as_str() {
        "POST" => answer(202, &[("Location", "/größe?a=ü")], ""),
        "HEAD" => vec![Act::Send(head(404, &[("Content-Length", "0")]))],
        _ => answer(201, &[], ""),
    });
    run(async { upload(&repository(&server.host(), &[]), b"{}").await.unwrap() });
    let put = server.lines().pop().unwrap();
    assert!(put.starts_with("PUT /gr%C3%B6%C3%9Fe?a=%C3%BC&digest="), "{put}");
}

#[test]
fn q_63_no_referrers_api_is_told_in_six_ways() {
    let subject = super::help::digest(b"subject");
    for (status, lacks) in [
        (400, true),
        (404, true),
        (405, true),
        (406, true),
        (410, true),
        (501, true),
        (403, false),
        (418, false),
        (500, false),
    ] {
        let server = Evil::start(move |seen| match seen.path.contains("/referrers/") {
            true => error(status, "NO"),
            false => error(404, "MANIFEST_UNKNOWN"),
        });
        let found =
            run(async { repository(&server.host(), &[("retries", "0")]).referrers(&subject, None).await });
        match found {
            Ok(found) => assert!(lacks && found.is_empty(), "{status}"),
            Err(error) => assert!(!lacks && error.http_status() == Some(status), "{status}: {error}"),
        }
    }
}
