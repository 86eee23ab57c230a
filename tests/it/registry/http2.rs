//! Servers of HTTP/2 that end answers as they please, frame by frame.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cldoci::Kind;
use cldoci::oci::{Descriptor, media_type};

use super::help::{manifest, noise, read, repository, run};
use crate::harness::evil::tls;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `:status: 200` (or another that HPACK's static table has) and a `content-length`.
pub(super) fn response(status: u8, length: usize) -> Vec<u8> {
    let length = length.to_string();
    [&[0x80 | status, 0x0f, 0x0d, u8::try_from(length.len()).unwrap()], length.as_bytes()].concat()
}

/// A setting: the window of each stream.
fn window(bytes: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&[0, 4], &bytes.to_be_bytes()[..]].concat())
}

/// Frames that come once, and behind them some for as long as somebody takes them.
pub(super) struct Frames {
    pub once: Vec<u8>,
    pub for_ever: Vec<u8>,
}

type Answer = dyn Fn(usize, u32) -> Frames + Send + Sync;

/// Answers the nth request, on its stream, with these frames; `settings` come first on each connection.
fn serve(
    settings: Vec<u8>,
    answer: impl Fn(usize, u32) -> Vec<u8> + Send + Sync + 'static,
) -> (String, String) {
    start(settings, move |number, stream| Frames { once: answer(number, stream), for_ever: Vec::new() })
}

/// The same, whose frames may not end. It gives its host and its certificate.
pub(super) fn start(
    settings: Vec<u8>,
    answer: impl Fn(usize, u32) -> Frames + Send + Sync + 'static,
) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut config =
        tls().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (config, answer): (_, Arc<Answer>) = (Arc::new(config), Arc::new(answer));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("localhost:{}", listener.local_addr().unwrap().port());
    let asked = Arc::new(AtomicUsize::new(0));
    // Its threads end with the process: they wait for connections, or for frames of one that is gone.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, answer, asked) = (config.clone(), answer.clone(), asked.clone());
            let settings = settings.clone();
            std::thread::spawn(move || {
                let mut unread = stream.try_clone().unwrap();
                let session = rustls::ServerConnection::new(config).unwrap();
                let mut wire = rustls::StreamOwned::new(session, stream);
                let mut preface = [0; 24];
                let begin = || {
                    wire.read_exact(&mut preface)?;
                    wire.write_all(&[settings, frame(SETTINGS, ACK, 0, &[])].concat())?;
                    wire.flush()?;
                    loop {
                        let mut head = [0; 9];
                        wire.read_exact(&mut head)?;
                        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                        std::io::copy(&mut (&mut wire).take(length.into()), &mut std::io::sink())?;
                        if head[3] == HEADERS {
                            let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                            let frames = answer(asked.fetch_add(1, Ordering::SeqCst), id);
                            wire.write_all(&frames.once)?;
                            wire.flush()?;
                            if !frames.for_ever.is_empty() {
                                // Whatever is said to that is taken and forgotten.
                                std::thread::spawn(move || std::io::copy(&mut unread, &mut std::io::sink()));
                                loop {
                                    wire.write_all(&frames.for_ever)?;
                                }
                            }
                        }
                    }
                };
                let _: std::io::Result<()> = begin();
            });
        }
    });
    (host, made.cert.pem())
}

/// Where HPACK's static table has these.
pub(super) const OK: u8 = 8;
const NOT_FOUND: u8 = 13;

#[test]
fn r_40_an_answer_that_is_ended_early_without_an_error_is_resumed() {
    let bytes = noise(300_000);
    let ends: [fn(u32) -> Vec<u8>; 3] = [
        // Both with NO_ERROR.
        |stream| frame(RST_STREAM, 0, stream, &[0; 4]),
        // The last stream that it serves is one before this.
        |_| frame(GOAWAY, 0, 0, &[0; 8]),
        |stream| frame(DATA, END_STREAM, stream, &[]),
    ];
    for end in ends {
        let sent = bytes.clone();
        let (host, certificate) = serve(frame(SETTINGS, 0, 0, &[]), move |number, stream| {
            let mut frames = frame(HEADERS, END_HEADERS, stream, &response(OK, sent.len()));
            let some = if number == 0 { &sent[..20_000] } else { &sent[..] };
            for part in some.chunks(16_000) {
                frames.extend(frame(DATA, 0, stream, part));
            }
            frames.extend(if number == 0 { end(stream) } else { frame(DATA, END_STREAM, stream, &[]) });
            frames
        });
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, certificate).unwrap();
        run(async {
            let repository = repository(&host, &[("ca_file", ca.to_str().unwrap())]);
            let descriptor = Descriptor::of("a/b", &bytes);
            let got = read(repository.read_blob(&descriptor, 0).await.unwrap()).await;
            assert!(got.unwrap() == bytes);
        });
    }
}

/// A server that lets a manifest's bytes through, one that takes none of them, and how long that is waited for.
#[test]
fn r_40_a_manifest_that_a_server_takes_no_byte_of_ends_by_the_least_rate() {
    for (opens, fine) in [(true, true), (false, false)] {
        let (host, certificate) = serve(window(0), move |number, stream| {
            let mut frames = Vec::new();
            if opens {
                frames.extend(frame(WINDOW_UPDATE, 0, stream, &100_000_u32.to_be_bytes()));
            }
            if number == 0 {
                return frame(HEADERS, END_HEADERS | END_STREAM, stream, &response(NOT_FOUND, 0));
            }
            if opens {
                // 201 is not in the static table.
                let created = [&[0x08, 3][..], b"201"].concat();
                frames.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &created));
            }
            frames
        });
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, certificate).unwrap();
        let options = [
            ("ca_file", ca.to_str().unwrap()),
            ("min_rate_window_ms", "500"),
            ("connect_timeout_ms", "500"),
            ("retries", "0"),
            ("timeout_ms", "30000"),
        ];
        let begun = Instant::now();
        run(async {
            // More than is sent before the server's first word.
            let layers = vec![Descriptor::of(media_type::EMPTY, b"{}"); 800];
            let bytes = manifest(&Descriptor::of(media_type::EMPTY, b"{}"), &layers);
            let repository = repository(&host, &options);
            // The server's windows are known from here on.
            assert!(repository.get_manifest("v1").await.is_err());
            let put = repository.put_manifest("v1", media_type::OCI_MANIFEST, &bytes).await;
            if fine {
                // What it stored it does not say, and it has no answer to who asks.
                assert!(put.is_err_and(|error| !error.message().contains("min_rate")));
                return;
            }
            let error = put.unwrap_err();
            assert_eq!(error.kind(), Kind::Timeout, "{error}");
            assert!(error.message().contains("min_rate"), "{error}");
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        });
    }
}
