//! Registries that send without end, or say that they will.

use std::io::{Read, Write};
use std::net::TcpListener;

use cldoci::oci::{Descriptor, media_type};
use cldoci::{Error, Kind};

use crate::allocator::{Alone, Used, alone};
use crate::harness::evil::{Act, Evil, Seen, answer, head};
use crate::harness::ours::Ours;

const MIB: usize = 1 << 20;
const TYPE: (&str, &str) = ("Content-Type", media_type::OCI_MANIFEST);

/// What a pull from a registry that answers so ends with, and what it allocated. The answers' own bytes count.
fn pull(
    alone: &Alone,
    options: &[(&str, &str)],
    answers: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static,
) -> (Error, Used) {
    let server = Evil::start(answers);
    let ours = Ours::with(&[&[("retries", "0")], options].concat());
    let into = ours.path("into");
    let reference = format!("{}/app:v1", server.host());
    let (result, used) = alone.measured(|| ours.pull(&reference, &into));
    assert!(!into.exists());
    (result.map(drop).unwrap_err(), used)
}

fn endless(start: Vec<u8>) -> Vec<Act> {
    // 10 GB, if anybody read it.
    vec![Act::Send(start), Act::Repeat(vec![b' '; 64 << 10], 160_000), Act::Close]
}

#[test]
fn r_05_a_manifest_without_end() {
    let alone = alone();
    let chunked = || {
        let chunk = [b"10000\r\n".as_slice(), &[b' '; 65536], b"\r\n"].concat();
        vec![
            Act::Send(head(200, &[TYPE, ("Transfer-Encoding", "chunked")])),
            Act::Send(b"1\r\n{\r\n".to_vec()),
            Act::Repeat(chunk, 160_000),
        ]
    };
    let (error, used) = pull(&alone, &[], move |_| chunked());
    assert!(error.kind() == Kind::Limit && error.message().contains("max_manifest_bytes"), "{error}");
    // 8 MiB and what a growing buffer needs beside it.
    assert!(used.peak <= 20 * MIB && used.largest <= 16 * MIB, "{used:?}");
    let (error, used) = pull(&alone, &[("max_manifest_bytes", "65536")], move |_| chunked());
    assert_eq!(error.kind(), Kind::Limit);
    assert!(used.peak <= 2 * MIB && used.largest <= MIB, "{used:?}");
}

#[test]
fn r_06_lengths_that_are_promised_are_not_allocated() {
    let alone = alone();
    for (length, kind, words) in [
        ("10", Kind::Protocol, "no manifest in it"),
        ("8388608", Kind::Protocol, "no manifest in it"),
        ("4611686018427387904", Kind::Limit, "max_manifest_bytes"),
        ("9223372036854775808", Kind::Limit, "max_manifest_bytes"),
    ] {
        let (error, used) = pull(&alone, &[("header_timeout_ms", "2000")], move |_| {
            endless(head(200, &[TYPE, ("Content-Length", length)]))
        });
        assert_eq!(error.kind(), kind, "{length}: {error}");
        assert!(error.message().contains(words), "{length}: {error}");
        assert!(used.peak <= 20 * MIB && used.largest <= 16 * MIB, "{length}: {used:?}");
    }
}

#[test]
fn r_07_errors_of_10_gb() {
    let alone = alone();
    for status in [401, 404, 500] {
        let (error, used) =
            pull(&alone, &[], move |_| endless(head(status, &[("Content-Length", "10485760000")])));
        assert_eq!(error.http_status(), Some(status), "{error}");
        assert!(used.peak <= 2 * MIB && used.largest <= MIB, "{status}: {used:?}");
    }
}

#[test]
fn r_08_tokens_of_10_gb() {
    let alone = alone();
    let (error, used) = pull(&alone, &[], |seen| match seen.path.starts_with("/token") {
        true => endless(head(200, &[("Content-Length", "10485760000")])),
        false => answer(401, &[("WWW-Authenticate", r#"Bearer realm="/token""#)], ""),
    });
    assert_eq!(error.kind(), Kind::Limit, "{error}");
    assert!(used.peak <= 2 * MIB && used.largest <= MIB, "{used:?}");
}

#[test]
fn r_09_sizes_of_layers_are_not_allocated() {
    let alone = alone();
    let manifest = |size: &str, digest: &str| {
        let config = Descriptor::of(media_type::EMPTY, b"{}");
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"{}","digest":"{}","size":2}},
            "layers":[{{"mediaType":"{}","digest":"{digest}","size":{size}}}]}}"#,
            media_type::OCI_MANIFEST,
            config.media_type,
            config.digest,
            crate::harness::archive::GZIP
        )
    };
    let content =
        crate::harness::archive::gzip(&crate::harness::archive::tar(&[crate::harness::archive::file(
            "f", "x",
        )]));
    let digest = Descriptor::of("", &content).digest.to_string();
    for (size, kind) in [
        ("4611686018427387904", Kind::Size),
        ("0", Kind::Size),
        ("-1", Kind::Protocol),
        ("1.5", Kind::Protocol),
        ("\"12\"", Kind::Protocol),
        ("null", Kind::Protocol),
        ("9223372036854775808", Kind::Size),
        ("18446744073709551616", Kind::Protocol),
    ] {
        let (manifest, content) = (manifest(size, &digest), content.clone());
        let (error, used) = pull(&alone, &[], move |seen| match seen.path.rsplit('/').next().unwrap() {
            "v1" => answer(200, &[TYPE], &manifest),
            blob if blob.starts_with("sha256:44136f") => answer(200, &[], "{}"),
            _ => answer(200, &[], &content),
        });
        assert_eq!(error.kind(), kind, "{size}: {error}");
        assert!(used.peak <= 16 * MIB && used.largest <= MIB, "{size}: {used:?}");
    }
}

#[test]
fn r_30_heads_without_end() {
    let alone = alone();
    let line = |name: &str, length: usize| format!("{name}: {}\r\n", "v".repeat(length)).into_bytes();
    for part in [line("X", 1 << 20), line("X", 1).repeat(1000), line("X", 60_000)] {
        let (error, used) = pull(&alone, &[], move |_| {
            let start = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n".to_vec();
            vec![Act::Send(start), Act::Repeat(part.clone(), 100_000)]
        });
        assert_eq!(error.kind(), Kind::Protocol, "{error}");
        assert!(used.peak <= 4 * MIB && used.largest <= 2 * MIB, "{used:?}");
    }
}

#[test]
fn r_13_interim_answers_for_ever_are_cut_off_and_not_kept() {
    let alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let reference = format!("{}/app:v1", listener.local_addr().unwrap());
    let flood = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let _ = stream.read(&mut [0; 4096]).unwrap();
        // Long ones, so that keeping them would show.
        let hint = format!("HTTP/1.1 103 X\r\nLink: {}\r\n\r\n", "x".repeat(8000)).repeat(8);
        let mut sent = 0;
        while stream.write_all(hint.as_bytes()).is_ok() {
            sent += hint.len();
        }
        sent
    });
    let ours = Ours::with(&[("retries", "0"), ("header_timeout_ms", "2000")]);
    let into = ours.path("into");
    let (result, used) = alone.measured(|| ours.pull(&reference, &into));
    let error = result.map(drop).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
    // It ends: nobody reads on.
    let sent = flood.join().unwrap();
    println!("{sent} bytes of interim answers, {} more in memory", used.peak);
    assert!(used.peak <= 2 * MIB && sent > 4 * MIB, "{sent} sent, {used:?}");
}

/// Room for documents that are refused for another reason.
const LARGE: (&str, &str) = ("max_documents_bytes", "1073741824");

/// How long one of these descriptors is.
fn one_of_them() -> usize {
    crowd("layers", 2).len() - crowd("layers", 1).len()
}

/// An index or a manifest of so many descriptors, as short as they can be.
fn crowd(of: &str, count: usize) -> Vec<u8> {
    let empty = Descriptor::of(media_type::EMPTY, b"{}").digest;
    let one = format!(r#"{{"mediaType":"m","digest":"{empty}","size":2}}"#);
    let all = vec![one.as_str(); count].join(",");
    let rest = match of {
        "layers" => format!(r#""config":{one},"#),
        _ => String::new(),
    };
    format!(r#"{{"schemaVersion":2,{rest}"{of}":[{all}]}}"#).into_bytes()
}

/// A manifest that is almost 8 MiB of annotations.
fn fits_of_annotations() -> Vec<u8> {
    let all: Vec<String> = (0..600_000).map(|n| format!(r#""{n:x}":"""#)).collect();
    let whole = String::from_utf8(crowd("layers", 1)).unwrap();
    format!(r#"{},"annotations":{{{}}}}}"#, whole.strip_suffix('}').unwrap(), all.join(",")).into_bytes()
}

#[test]
fn r_11_r_32_a_million_descriptors() {
    let alone = alone();
    for (of, media_type) in [("layers", media_type::OCI_MANIFEST), ("manifests", media_type::OCI_INDEX)] {
        let serve =
            move |bytes: Vec<u8>| move |_: &Seen| answer(200, &[("Content-Type", media_type)], &bytes);
        // By default it is the document that is too large.
        let (error, used) = pull(&alone, &[], serve(crowd(of, 1_000_000)));
        assert!(error.kind() == Kind::Limit && error.message().contains("max_manifest_bytes"), "{error}");
        let documents_of_the_test = 3 * crowd(of, 1_000_000).len();
        assert!(used.peak <= documents_of_the_test + 20 * MIB, "{used:?}");
        // As many as fit into the largest document are too many, and are not kept to be counted.
        let fits = crowd(of, (8 << 20) / one_of_them() - 10);
        assert!((7_000_000..8 << 20).contains(&fits.len()));
        let copies = 3 * fits.len();
        let (error, _) = pull(&alone, &[], serve(fits.clone()));
        assert!(error.kind() == Kind::Limit && error.message().contains("max_documents_bytes"), "{error}");
        let (error, used) = pull(&alone, &[LARGE], serve(fits));
        assert!(error.kind() == Kind::Limit && error.message().contains("max_descriptors"), "{error}");
        assert!(used.peak <= copies + 20 * MIB, "{used:?}");
        let fits = fits_of_annotations();
        let copies = 3 * fits.len();
        let (error, used) = pull(&alone, &[LARGE], serve(fits));
        assert!(error.kind() == Kind::Limit && error.message().contains("160000 values"), "{error}");
        assert!(used.peak <= copies + 24 * MIB, "{used:?}");
        let (error, _) =
            pull(&alone, &[LARGE, ("max_manifest_bytes", "134217728")], serve(crowd(of, 1_000_000)));
        assert!(error.kind() == Kind::Limit && error.message().contains("max_descriptors"), "{error}");
    }
}

/// A list of pages of so many items, each as `item` says.
fn pages(
    kind: &'static str,
    count: usize,
    pages: usize,
    item: fn(usize) -> String,
) -> impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static {
    move |seen| {
        let page: usize =
            seen.path.split("page=").nth(1).and_then(|page| page.parse().ok()).unwrap_or_default();
        let items = (0..count).map(|n| item(page * count + n)).collect::<Vec<_>>().join(",");
        let (body, media_type) = match kind {
            "tags" => (format!(r#"{{"name":"app","tags":[{items}]}}"#), "application/json"),
            _ => (format!(r#"{{"schemaVersion":2,"manifests":[{items}]}}"#), media_type::OCI_INDEX),
        };
        let link = format!(r#"<{}?page={}>; rel="next""#, seen.path.split('?').next().unwrap(), page + 1);
        let mut headers = vec![("Content-Type", media_type)];
        if page + 1 < pages {
            headers.push(("Link", &link));
        }
        answer(200, &headers, body)
    }
}

fn tag(n: usize) -> String {
    format!(r#""{n:0>100}""#)
}

fn referrer(n: usize) -> String {
    let digest = Descriptor::of("", n.to_string().as_bytes()).digest;
    let note = "x".repeat(4000);
    format!(
        r#"{{"mediaType":"{}","digest":"{digest}","size":2,"annotations":{{"n":"{note}"}}}}"#,
        media_type::OCI_MANIFEST
    )
}

#[test]
fn lists_without_end_take_no_more_than_the_option_says() {
    let alone = alone();
    let digest = Descriptor::of("", b"subject").digest;
    for (kind, count, item) in [("tags", 10_000, tag as fn(usize) -> String), ("referrers", 1000, referrer)] {
        for (most, whole) in [(2, true), (100_000, false)] {
            let server = Evil::start(pages(kind, count, most, item));
            let ours = Ours::with(&[("retries", "0"), ("max_descriptors", "10000000")]);
            let (result, used) = alone.measured(|| match kind {
                "tags" => ours.list_tags(&format!("{}/app", server.host())),
                _ => ours.referrers(&format!("{}/app@{digest}", server.host())),
            });
            if whole {
                let found = result.unwrap().outcome;
                assert_eq!(found.tags.len() + found.referrers.len(), 2 * count);
                continue;
            }
            let error = result.unwrap_err();
            assert!(
                error.kind() == Kind::Limit && error.message().contains("max_documents_bytes"),
                "{error}"
            );
            // Some pages are the test's own.
            println!("{kind}: {} KiB at most", used.peak >> 10);
            assert!(used.peak <= 40 * MIB, "{kind}: {used:?}");
        }
    }
}

/// An image layout with one manifest of the empty config, tagged v1.
fn put_in_layout(at: &std::path::Path, manifest: &[u8]) {
    std::fs::create_dir_all(at.join("blobs/sha256")).unwrap();
    std::fs::write(at.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    for blob in [manifest, b"{}"] {
        std::fs::write(at.join("blobs/sha256").join(Descriptor::of("", blob).digest.hex()), blob).unwrap();
    }
    let Descriptor { digest, size, .. } = Descriptor::of("", manifest);
    let entry = format!(
        r#"{{"mediaType":"{}","digest":"{digest}","size":{size},"annotations":{{"org.opencontainers.image.ref.name":"v1"}}}}"#,
        media_type::OCI_MANIFEST
    );
    std::fs::write(at.join("index.json"), format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#)).unwrap();
}

/// A manifest of 8 MiB with 100,000 annotations is in memory once as bytes and once parsed, whatever is done with it.
#[test]
fn a_large_manifest_is_kept_and_parsed_once() {
    let alone = alone();
    let all: Vec<String> = (0..100_000).map(|n| format!(r#""org.example.{n:08}":"{n:0>56}""#)).collect();
    let whole = String::from_utf8(crowd("layers", 0)).unwrap();
    let large =
        format!(r#"{},"annotations":{{{}}}}}"#, whole.strip_suffix('}').unwrap(), all.join(",")).into_bytes();
    drop(all);
    assert!((7_500_000..8 << 20).contains(&large.len()), "{}", large.len());
    let ours = Ours::with(&[]);
    let place = ours.path("layout");
    let reference = format!("ocidir://{}:v1", place.display());
    put_in_layout(&place, &large);
    drop(large);
    let (target, copy) =
        (format!("ocidir://{}:v2", place.display()), format!("ocidir://{}:v1", ours.path("copy").display()));
    let into = ours.path("into");
    let work: [(&str, &dyn Fn()); 4] = [
        ("inspect", &|| drop(ours.inspect(&reference).unwrap())),
        ("pull", &|| drop(ours.pull(&reference, &into).unwrap())),
        ("tag", &|| drop(ours.copy(&reference, &target).unwrap())),
        ("copy", &|| drop(ours.copy(&reference, &copy).unwrap())),
    ];
    for (what, work) in work {
        let ((), used) = alone.measured(work);
        println!("{what}: {} KiB at most", used.peak >> 10);
        assert!(used.peak <= 28 * MIB && used.largest <= 8 * MIB, "{what}: {used:?}");
    }
}
