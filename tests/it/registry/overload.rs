//! What is tried again and what is not, as a server's log has it.

use std::time::{Duration, Instant, SystemTime};

use cldoci::Kind;
use cldoci::oci::{Descriptor, media_type};

use super::help::{manifest, repository, run};
use crate::harness::evil::{Act, Evil, answer};
use crate::harness::registry::error;

fn good() -> Vec<Act> {
    let bytes = manifest(&Descriptor::of(media_type::EMPTY, b"{}"), &[]);
    answer(200, &[("Content-Type", media_type::OCI_MANIFEST)], bytes)
}

#[test]
fn q_99_passing_failures_are_tried_again_and_lasting_ones_are_not() {
    for status in [408, 429, 500, 502, 503, 504, 499, 520, 521, 522, 523, 524, 529, 530] {
        let server = Evil::start(move |seen| if seen.index < 2 { error(status, "BUSY") } else { good() });
        run(async {
            let repository = repository(&server.host(), &[]);
            repository.get_manifest("v1").await.unwrap();
            assert_eq!(
                (server.log().len(), repository.call().operation.counters().retries),
                (3, 2),
                "{status}"
            );
        });
    }
    for status in [400, 403, 404, 405, 410, 416, 418, 425, 498, 501, 505, 519, 525, 526, 528, 531] {
        let server = Evil::start(move |_| error(status, "NO"));
        run(async {
            let error = repository(&server.host(), &[]).get_manifest("v1").await.unwrap_err();
            assert_eq!(error.http_status(), Some(status));
            assert_eq!(server.log().len(), 1, "{status}");
        });
    }
}

#[test]
fn retries_end() {
    let server = Evil::start(|_| error(503, "BUSY"));
    run(async {
        let error = repository(&server.host(), &[("retries", "2")]).get_manifest("v1").await.unwrap_err();
        assert_eq!((error.http_status(), error.retryable()), (Some(503), true));
        assert_eq!(server.log().len(), 3);
    });
}

#[test]
fn a_connection_that_breaks_before_the_answer_is_tried_again() {
    for end in [Act::Reset, Act::Close] {
        let server = Evil::start(move |seen| if seen.index == 1 { vec![end.clone()] } else { good() });
        run(async {
            let repository = repository(&server.host(), &[]);
            repository.get_manifest("v1").await.unwrap();
            repository.get_manifest("v1").await.unwrap();
            assert_eq!(server.log().len(), 3);
        });
    }
}

#[test]
fn r_45_retry_after_is_waited_out_if_it_fits_and_told_if_not() {
    // Seen from when it is sent: a busy machine may take its time until then.
    let date = || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3));
    for value in [|| "1".to_owned(), date] {
        let server = Evil::start(move |seen| match seen.index {
            0 => answer(429, &[("Retry-After", &value())], "slow down"),
            _ => good(),
        });
        let begun = Instant::now();
        run(async {
            repository(&server.host(), &[("timeout_ms", "30000")]).get_manifest("v1").await.unwrap();
        });
        assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    }
    for (value, seconds) in [("500", 500), ("99999999", 99_999_999)] {
        let server = Evil::start(move |_| answer(429, &[("Retry-After", value)], "slow down"));
        let begun = Instant::now();
        run(async {
            let error =
                repository(&server.host(), &[("timeout_ms", "400000")]).get_manifest("v1").await.unwrap_err();
            assert_eq!((error.kind(), error.http_status()), (Kind::RateLimited, Some(429)));
            assert_eq!(error.retry_after(), Some(Duration::from_secs(seconds)));
            assert!(error.retryable());
        });
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert_eq!(server.log().len(), 1);
    }
    // Values that are none: the usual pauses.
    for value in ["-1", "soon"] {
        let server = Evil::start(move |seen| match seen.index {
            0 => answer(503, &[("Retry-After", value)], ""),
            _ => good(),
        });
        run(async { repository(&server.host(), &[]).get_manifest("v1").await.unwrap() });
    }
}

#[test]
fn r_26_a_401_for_ever_is_an_error_soon() {
    let server = Evil::start(|_| answer(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], ""));
    run(async {
        let error = repository(&server.host(), &[]).get_manifest("v1").await.unwrap_err();
        assert_eq!((error.kind(), error.http_status()), (Kind::Unauthorized, Some(401)));
        assert!(server.log().len() <= 3);
    });
}

#[test]
fn a_registry_that_is_not_there() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    run(async {
        let host = format!("127.0.0.1:{port}");
        let error = repository(&host, &[]).get_manifest("v1").await.unwrap_err();
        assert_eq!(error.kind(), Kind::Network);
        assert!(error.message().contains(&host) && error.message().contains("refused"), "{error}");
    });
}

#[test]
fn an_idle_connection_is_used_again() {
    let server = Evil::start(|_| good());
    run(async {
        let repository = repository(&server.host(), &[]);
        for _ in 0..40 {
            repository.get_manifest("v1").await.unwrap();
        }
        // It goes back to the pool a moment after the answer's end, so that the next request may miss it.
        let connections = server.log().iter().map(|seen| seen.connection).max().unwrap() + 1;
        assert!(connections < 20, "{connections}");
    });
}

#[test]
fn a_thousand_requests_at_once_stay_within_their_places() {
    let server = Evil::start(|_| [vec![Act::Wait(Duration::from_millis(2))], good()].concat());
    run(async {
        let repository = repository(&server.host(), &[]);
        let all: Vec<_> = (0..1000)
            .map(|_| {
                let repository = repository.clone();
                tokio::spawn(async move { repository.get_manifest("v1").await.map(drop) })
            })
            .collect();
        for one in all {
            one.await.unwrap().unwrap();
        }
        assert!((2..=32).contains(&server.most_at_once()), "{}", server.most_at_once());
    });
}

#[test]
fn r_28_a_token_for_another_service_is_tried_once() {
    // `issued`: the service that the token endpoint makes tokens for, whatever it is asked.
    let guarded = |issued: &'static str| {
        Evil::start(move |seen| {
            let here = seen.header("authorization") == Some("Bearer for-here");
            match seen.path.starts_with("/token") {
                true => answer(200, &[], format!(r#"{{"token":"for-{issued}"}}"#)),
                false if here => good(),
                false => {
                    let challenge =
                        r#"Bearer realm="/token",service="here",scope="repository:test/app:pull""#;
                    answer(401, &[("WWW-Authenticate", challenge)], "")
                }
            }
        })
    };
    let get =
        |server: &Evil| run(async { repository(&server.host(), &[]).get_manifest("v1").await.map(drop) });
    let server = guarded("elsewhere");
    let error = get(&server).unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (Kind::Unauthorized, Some(401)));
    let log = server.log();
    let sent: Vec<_> = log.iter().map(|seen| seen.header("authorization")).collect();
    assert_eq!(sent, [None, None, Some("Bearer for-elsewhere")], "{:?}", server.lines());
    assert!(log[1].path.contains("service=here"), "{}", log[1].path);
    // The twin.
    get(&guarded("here")).unwrap();
}
