//! Blobs over connections that break, from servers that send something else.

use std::time::{Duration, Instant};

use cldoci::oci::{Algorithm, Descriptor, Hasher};
use cldoci::{Error, Kind};

use super::help::{noise, read, repository, run};
use crate::harness::evil::{Act, Evil, Seen, answer, head, send};

/// What comes of reading the blob of `bytes` from a server that answers so; and what the server saw.
fn get(
    bytes: &[u8],
    options: &[(&str, &str)],
    handler: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static,
) -> (Result<Vec<u8>, Error>, Vec<Seen>) {
    let server = Evil::start(handler);
    let descriptor = Descriptor::of("a/b", bytes);
    let found = run(async {
        let reader = repository(&server.host(), options).read_blob(&descriptor, 0).await?;
        read(reader).await
    });
    (found, server.log())
}

/// The head of a whole answer and a first part of it, then a cut.
fn cut(bytes: &[u8], at: usize, end: Act) -> Vec<Act> {
    let length = bytes.len().to_string();
    vec![Act::Send([head(200, &[("Content-Length", &length)]), bytes[..at].to_vec()].concat()), end]
}

fn part(seen: &Seen, bytes: &[u8]) -> Vec<Act> {
    let start: usize = seen
        .header("range")
        .unwrap()
        .strip_prefix("bytes=")
        .unwrap()
        .strip_suffix('-')
        .unwrap()
        .parse()
        .unwrap();
    let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
    answer(206, &[("Content-Range", &range)], &bytes[start..])
}

#[test]
fn r_16_a_blob_that_is_not_what_was_promised() {
    let bytes = noise(10_000);
    let short = bytes[..9_999].to_vec();
    let long = [&bytes[..], b"x"].concat();
    let mut other = bytes.clone();
    other[5_000] ^= 1;
    let chunked = |body: &[u8]| {
        let head = head(200, &[("Transfer-Encoding", "chunked")]);
        send(
            [head, format!("{:x}\r\n", body.len()).into_bytes(), body.to_vec(), b"\r\n0\r\n\r\n".to_vec()]
                .concat(),
        )
    };
    for (acts, kind) in [
        (answer(200, &[], &short), Kind::Size),
        (answer(200, &[], &long), Kind::Size),
        (chunked(&short), Kind::Size),
        (chunked(&long), Kind::Size),
        (answer(200, &[], &other), Kind::Digest),
        (chunked(&other), Kind::Digest),
    ] {
        let (found, log) = get(&bytes, &[], move |_| acts.clone());
        assert_eq!(found.unwrap_err().kind(), kind);
        assert_eq!(log.len(), 1, "what is wrong is not fetched again");
    }
    assert!(
        get(&bytes, &[], {
            let bytes = bytes.clone();
            move |_| chunked(&bytes)
        })
        .0
        .unwrap()
            == bytes
    );
    // The right digest with a wrong size.
    let server = Evil::start({
        let bytes = bytes.clone();
        move |_| answer(200, &[], &bytes)
    });
    run(async {
        let mut descriptor = Descriptor::of("a/b", &bytes);
        descriptor.size = 9_999;
        let error = repository(&server.host(), &[]).read_blob(&descriptor, 0).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Size);
    });
}

#[test]
fn a_broken_download_is_resumed_by_range() {
    let bytes = noise(200_000);
    for end in [Act::Close, Act::Reset] {
        let served = bytes.clone();
        let (found, log) = get(&bytes, &[], move |seen| match seen.index {
            0 => [cut(&served, 50_000, Act::Wait(Duration::from_millis(50))), vec![end.clone()]].concat(),
            _ => part(seen, &served),
        });
        assert!(found.unwrap() == bytes);
        assert_eq!(log.len(), 2);
        assert!(log[0].header("range").is_none() && log[1].header("range").is_some());
    }
}

#[test]
fn r_17_a_resume_that_is_answered_with_all_of_it() {
    let bytes = noise(200_000);
    let served = bytes.clone();
    let (found, log) = get(&bytes, &[], move |seen| match seen.index {
        0 => cut(&served, 50_000, Act::Close),
        _ => answer(200, &[], &served),
    });
    assert!(found.unwrap() == bytes);
    assert_eq!(log.len(), 2);
}

#[test]
fn r_18_a_part_that_is_not_the_part_asked_for_is_never_appended() {
    let bytes = noise(200_000);
    let ranges: [Option<&str>; 8] = [
        Some("bytes 0-199999/200000"),
        Some("bytes 60000-199999/200000"),
        Some("bytes 50000-199998/200000"),
        Some("bytes 50000-199999/300000"),
        Some("bytes */200000"),
        Some("bytes 49999-199999/200000"),
        Some("nonsense"),
        None,
    ];
    for range in ranges {
        let served = bytes.clone();
        let (found, log) = get(&bytes, &[], move |seen| match (seen.index, seen.header("range")) {
            (0, _) => cut(&served, 50_000, Act::Close),
            (_, Some(_)) => {
                let headers: Vec<(&str, &str)> =
                    range.iter().map(|range| ("Content-Range", *range)).collect();
                answer(206, &headers, &served[50_000..])
            }
            (_, None) => answer(200, &[], &served),
        });
        assert!(found.unwrap() == bytes, "{range:?}");
        assert_eq!(log.len(), 3, "{range:?}");
    }
    let served = bytes.clone();
    let (found, _) = get(&bytes, &[], move |seen| match (seen.index, seen.header("range")) {
        (0, _) => cut(&served, 50_000, Act::Close),
        (_, Some(_)) => answer(206, &[("Content-Type", "multipart/byteranges; boundary=x")], "--x\r\n"),
        (_, None) => answer(200, &[], &served),
    });
    assert!(found.unwrap() == bytes);
}

#[test]
fn r_13_a_part_where_all_was_asked_for() {
    let bytes = noise(1_000);
    let served = bytes.clone();
    let (found, _) =
        get(&bytes, &[], move |_| answer(206, &[("Content-Range", "bytes 0-999/1000")], &served));
    assert_eq!(found.unwrap_err().kind(), Kind::Protocol);
    // What is no answer to a GET of a blob at all.
    for status in [201, 202, 204, 299, 304] {
        let (found, log) = get(&bytes, &[], move |_| answer(status, &[], ""));
        let error = found.unwrap_err();
        assert_eq!((error.kind(), error.http_status()), (Kind::Protocol, Some(status)), "{error}");
        assert_eq!(log.len(), 1);
    }
}

#[test]
fn r_19_a_partial_that_is_complete_needs_no_request() {
    let bytes = noise(1_000);
    let server = Evil::start(|_| answer(416, &[], ""));
    run(async {
        let descriptor = Descriptor::of("a/b", &bytes);
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(&bytes);
        let repository = repository(&server.host(), &[]);
        let reader = repository.read_blob(&descriptor, 1_000).await.unwrap();
        assert_eq!(read(reader.with_prefix(hasher)).await.unwrap(), b"");
        assert_eq!(server.log().len(), 0);
        // The twin, which is corrupt (R-20).
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(&noise(999));
        let reader = repository.read_blob(&descriptor, 1_000).await.unwrap();
        assert_eq!(read(reader.with_prefix(hasher)).await.unwrap_err().kind(), Kind::Digest);
    });
}

#[test]
fn r_19_a_416_leads_to_all_of_it_again() {
    let bytes = noise(200_000);
    let served = bytes.clone();
    let (found, log) = get(&bytes, &[], move |seen| match (seen.index, seen.header("range")) {
        (0, _) => cut(&served, 50_000, Act::Close),
        (_, Some(_)) => answer(416, &[("Content-Range", "bytes */200000")], ""),
        (_, None) => answer(200, &[], &served),
    });
    assert!(found.unwrap() == bytes);
    assert_eq!(log.len(), 3);
}

#[test]
fn r_20_a_resume_verifies_the_whole() {
    let bytes = noise(200_000);
    let server = Evil::start({
        let bytes = bytes.clone();
        move |seen| part(seen, &bytes)
    });
    let resume = |prefix: Vec<u8>| {
        run(async {
            let mut hasher = Hasher::new(Algorithm::Sha256);
            hasher.update(&prefix);
            let descriptor = Descriptor::of("a/b", &bytes);
            let repository = repository(&server.host(), &[]);
            let reader = repository.read_blob(&descriptor, prefix.len() as u64).await?;
            read(reader.with_prefix(hasher)).await
        })
    };
    assert!(resume(bytes[..70_000].to_vec()).unwrap() == bytes[70_000..]);
    assert_eq!(resume(vec![0; 70_000]).unwrap_err().kind(), Kind::Digest);
}

#[test]
fn r_21_a_body_slower_than_the_least_rate() {
    let bytes = noise(100_000);
    let served = bytes.clone();
    let options = [
        ("min_rate", "10000"),
        ("min_rate_window_ms", "300"),
        ("retries", "1"),
        ("header_timeout_ms", "1000"),
    ];
    let begun = Instant::now();
    let (found, log) = get(&bytes, &options, move |_| {
        let mut acts = cut(&served, 1, Act::Wait(Duration::ZERO));
        for byte in &served[1..60] {
            acts.extend([Act::Wait(Duration::from_millis(50)), Act::Send(vec![*byte])]);
        }
        acts
    });
    let error = found.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    assert!(error.message().contains("min_rate"), "{error}");
    assert!(
        begun.elapsed() < Duration::from_secs(8) && log.len() <= 3,
        "{:?} {}",
        begun.elapsed(),
        log.len()
    );
    // The head, one byte at a time.
    let (found, _) = get(&bytes, &options, |_| {
        b"HTTP/1.1 200 OK\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
            .iter()
            .flat_map(|byte| [Act::Send(vec![*byte]), Act::Wait(Duration::from_millis(50))])
            .collect()
    });
    assert_eq!(found.unwrap_err().kind(), Kind::Timeout);
}

#[test]
fn r_41_chunks_that_are_none() {
    let bytes = noise(1_000);
    let chunked = |body: Vec<u8>| {
        vec![Act::Send([head(200, &[("Transfer-Encoding", "chunked")]), body].concat()), Act::Close]
    };
    let big = [b"10000000000000000\r\n".as_slice(), &bytes].concat();
    let bad = [b"zz\r\n".as_slice(), &bytes].concat();
    let no_end = [b"3e8\r\n".as_slice(), &bytes[..], b"\r\n"].concat();
    let in_the_middle = [b"3e8\r\n".as_slice(), &bytes[..500]].concat();
    let extension = [b"3e8;".as_slice(), &vec![b'x'; 1 << 20], b"\r\n", &bytes, b"\r\n0\r\n\r\n"].concat();
    for (body, kinds) in [
        (big, [Kind::Protocol, Kind::Size]),
        (bad, [Kind::Protocol, Kind::Size]),
        (in_the_middle, [Kind::Size, Kind::Size]),
        (extension, [Kind::Protocol, Kind::Protocol]),
    ] {
        let acts = chunked(body);
        let (found, _) = get(&bytes, &[("retries", "1")], move |_| acts.clone());
        let error = found.unwrap_err();
        assert!(kinds.contains(&error.kind()), "{error:?}");
    }
    // A GiB of it, if anybody read on.
    let endless = vec![
        Act::Send([head(200, &[("Transfer-Encoding", "chunked")]), b"3e8;".to_vec()].concat()),
        Act::Repeat(vec![b'x'; 1 << 20], 1 << 10),
        Act::Close,
    ];
    let (found, _) = get(&bytes, &[("retries", "0")], move |_| endless.clone());
    assert_eq!(found.unwrap_err().kind(), Kind::Protocol);
    // All bytes and no end: the digest says that it is all, but the server did not.
    let acts = chunked(no_end);
    let (found, _) = get(&bytes, &[("retries", "0")], move |_| acts.clone());
    assert_eq!(found.unwrap_err().kind(), Kind::Size);
    // The twins: chunks of one byte, and trailers.
    let ones: Vec<u8> = bytes.iter().flat_map(|byte| [b"1\r\n", &[*byte][..], b"\r\n"].concat()).collect();
    for end in [b"0\r\n\r\n".as_slice(), b"0\r\nX-Trailer: y\r\n\r\n"] {
        let acts = chunked([&ones[..], end].concat());
        assert!(get(&bytes, &[], move |_| acts.clone()).0.unwrap() == bytes);
    }
}

#[test]
fn g_11_an_encoded_blob_is_refused() {
    let bytes = noise(1_000);
    for encoding in
        ["gzip", "x-gzip", "deflate", "br", "ZSTD", "compress", "identity, gzip", "aws-chunked,gzip"]
    {
        let served = bytes.clone();
        let (found, log) = get(&bytes, &[], move |_| answer(200, &[("Content-Encoding", encoding)], &served));
        let error = found.unwrap_err();
        assert_eq!(error.kind(), Kind::Protocol);
        assert!(error.message().contains("Content-Encoding"), "{error}");
        assert!(log.iter().all(|seen| seen.header("accept-encoding") == Some("identity")), "{log:?}");
    }
}

#[test]
fn q_98_a_label_that_is_no_coding_says_nothing_and_the_digest_decides() {
    let bytes = noise(1_000);
    for label in ["identity", "aws-chunked", "UTF-8", "none", "binary", ""] {
        let served = bytes.clone();
        let (found, _) = get(&bytes, &[], move |_| answer(200, &[("Content-Encoding", label)], &served));
        assert!(found.unwrap() == bytes, "{label}");
        let mut other = bytes.clone();
        other[7] ^= 1;
        let (found, _) = get(&bytes, &[], move |_| answer(200, &[("Content-Encoding", label)], &other));
        assert_eq!(found.unwrap_err().kind(), Kind::Digest, "{label}");
    }
}

#[test]
fn r_44_a_blob_of_nothing() {
    let (found, _) = get(b"", &[], |_| answer(200, &[], ""));
    assert_eq!(found.unwrap(), b"");
    // Real content where nothing was promised (R-09).
    let server = Evil::start(|_| answer(200, &[], "content"));
    run(async {
        let mut descriptor = Descriptor::of("a/b", b"content");
        descriptor.size = 0;
        let reader = repository(&server.host(), &[]).read_blob(&descriptor, 0).await.unwrap();
        assert_eq!(read(reader).await.unwrap_err().kind(), Kind::Size);
    });
}

#[test]
fn a_connection_that_always_breaks_is_an_error_that_says_how_far_it_came() {
    let bytes = noise(200_000);
    let served = bytes.clone();
    let (found, log) = get(&bytes, &[("retries", "2")], move |seen| match seen.header("range") {
        None => cut(&served, 1_000, Act::Close),
        Some(_) => vec![
            Act::Send(head(
                206,
                &[("Content-Range", "bytes 1000-199999/200000"), ("Content-Length", "199000")],
            )),
            Act::Close,
        ],
    });
    let error = found.unwrap_err();
    assert_eq!(error.kind(), Kind::Size);
    assert!(error.message().contains("1000 of 200000"), "{error}");
    assert_eq!(log.len(), 3);
}
