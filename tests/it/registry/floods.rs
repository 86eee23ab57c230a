//! Answers that never come to the point.

use std::time::{Duration, Instant};

use cldoci::Kind;
use cldoci::oci::{Descriptor, media_type};

use super::help::{manifest, repository, run};
use crate::harness::evil::{Act, Evil, answer};

const HINT: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";
const OPTIONS: [(&str, &str); 2] = [("header_timeout_ms", "1000"), ("retries", "0")];

fn get(host: &str) -> (Result<(), cldoci::Error>, Duration) {
    let started = Instant::now();
    let found = run(async { repository(host, &OPTIONS).get_manifest("v1").await.map(drop) });
    (found, started.elapsed())
}

#[test]
fn r_13_interim_answers_and_no_last_one() {
    let server = Evil::start(|_| vec![Act::Repeat(HINT.to_vec(), 10_000), Act::Hang]);
    let (found, took) = get(&server.host());
    let error = found.unwrap_err();
    assert!(error.kind() == Kind::Timeout && error.message().contains("header_timeout_ms"), "{error}");
    assert!(took < Duration::from_secs(30), "{took:?}");
    // The twin: a few are passed over.
    let server = Evil::start(|_| {
        let bytes = manifest(&Descriptor::of(media_type::EMPTY, b"{}"), &[]);
        let last = answer(200, &[("Content-Type", media_type::OCI_MANIFEST)], bytes);
        [vec![Act::Repeat(HINT.to_vec(), 3)], last].concat()
    });
    get(&server.host()).0.unwrap();
}

#[test]
fn r_31_lists_that_do_not_end() {
    let list = |link: &'static str| {
        let server = Evil::start(move |_| {
            answer(
                200,
                &[("Content-Type", "application/json"), ("Link", link)],
                r#"{"name":"x","tags":null}"#,
            )
        });
        let found = run(async { repository(&server.host(), &[("max_pages", "50")]).list_tags().await });
        (found, server.log().len())
    };
    let (found, requests) = list(r#"</v2/test/app/tags/list?n=1000>; rel="next""#);
    assert_eq!((found.unwrap_err().kind(), requests), (Kind::Limit, 1));
    let (found, requests) = list(r#"<https://other.test/v2/>; rel="next""#);
    assert_eq!((found.unwrap_err().kind(), requests), (Kind::Policy, 1));
    let (found, requests) = list("<<<bad");
    assert_eq!((found.unwrap(), requests), (Vec::new(), 1));
    // Always another page.
    let server = Evil::start(|seen| {
        let link = format!(r#"</v2/test/app/tags/list?page={}>; rel="next""#, seen.index);
        answer(200, &[("Link", &link)], r#"{"tags":["a"]}"#)
    });
    run(async {
        let error = repository(&server.host(), &[("max_pages", "50")]).list_tags().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Limit);
        assert_eq!(server.log().len(), 50);
    });
}
