//! One large blob over several connections. The server's first answer is held back until the ranges that it
//! makes the reader ask for are there, so that no clock decides.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use cldoci::oci::{Algorithm, Descriptor, Hasher};
use cldoci::registry::Repository;
use cldoci::{Error, Kind, Operation};

use super::help::{noise, read, repository, run};
use crate::harness::evil::{Act, Evil, Gate, Seen, answer, head, send};
use crate::harness::servers::{Certificates, Server};

const MIB: usize = 1 << 20;
const SIZE: usize = 16 * MIB + 12_345;
/// What the first answer sends before it is held back.
const BEGUN: usize = MIB + 321;

fn blob() -> &'static (Vec<u8>, Descriptor) {
    static BLOB: OnceLock<(Vec<u8>, Descriptor)> = OnceLock::new();
    BLOB.get_or_init(|| {
        let bytes = noise(SIZE);
        let descriptor = Descriptor::of("a/b", &bytes);
        (bytes, descriptor)
    })
}

/// What was asked for; of an ordinary resume up to the end.
fn span(seen: &Seen) -> Option<Range<usize>> {
    let (start, last) = seen.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
    let end = if last.is_empty() { SIZE } else { last.parse::<usize>().unwrap() + 1 };
    Some(start.parse().unwrap()..end)
}

/// Whether it is a request for one segment, not for a rest.
fn is_segment(seen: &Seen) -> bool {
    span(seen).is_some() && !seen.header("range").unwrap().ends_with('-')
}

/// The first part of an answer and its rest.
fn halves(span: &Range<usize>, status: u16, at: usize) -> (Act, Act) {
    let bytes = &blob().0;
    let range = format!("bytes {}-{}/{SIZE}", span.start, span.end - 1);
    let length = span.len().to_string();
    let mut headers = vec![("Accept-Ranges", "bytes"), ("Content-Length", &*length)];
    if status == 206 {
        headers.push(("Content-Range", &range));
    }
    let (first, rest) = bytes[span.clone()].split_at(at);
    (Act::Send([head(status, &headers), first.to_vec()].concat()), Act::Send(rest.to_vec()))
}

/// The first answer: a part, then nothing before the gate opens.
fn begun(gate: &Arc<Gate>) -> Vec<Act> {
    let (first, rest) = halves(&(0..SIZE), 200, BEGUN);
    vec![first, Act::Until(gate.clone()), rest]
}

fn part(seen: &Seen) -> Vec<Act> {
    let (first, rest) = halves(&span(seen).unwrap(), 206, 0);
    vec![first, rest]
}

async fn get(repository: &Repository, offset: usize) -> Result<Vec<u8>, Error> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(&blob().0[..offset]);
    let reader = repository.read_blob(&blob().1, offset as u64).await?;
    read(reader.with_prefix(hasher)).await
}

/// What comes of the blob from a server that goes on with its first answer when it gets its `opens`-th request
/// for a segment, counted from 1 (0 = never), and answers those by `segment`.
fn pull(
    options: &[(&str, &str)],
    opens: usize,
    segment: impl Fn(&Seen, usize) -> Vec<Act> + Send + Sync + 'static,
) -> (Result<Vec<u8>, Error>, Vec<Seen>, Operation) {
    let (gate, asked) = (Arc::new(Gate::default()), Mutex::new(0));
    let server = Evil::start(move |seen| {
        if !is_segment(seen) {
            return match span(seen) {
                Some(_) => part(seen),
                None if opens == 0 => vec![halves(&(0..SIZE), 200, BEGUN).0, Act::Hang],
                None => begun(&gate),
            };
        }
        let number = {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            *asked
        };
        if number == opens {
            gate.open();
        }
        segment(seen, number)
    });
    let repository = repository(&server.host(), options);
    let found = run(get(&repository, 0));
    (found, server.log(), repository.call().operation.clone())
}

fn spans(log: &[Seen]) -> Vec<Range<usize>> {
    log.iter().filter_map(span).collect()
}

#[test]
fn a_slow_blob_comes_by_ranges_and_never_over_more_connections_than_allowed() {
    // `ranges`, `parallel`, and what they come to.
    for (ranges, parallel, most) in [("4", "4", 4), ("2", "4", 2), ("6", "3", 3)] {
        // The requests wait for each other: whoever asked for more than it may would be seen before the gate.
        let (gate, early) = (Arc::new(Gate::default()), Arc::new(Mutex::new(0)));
        let server = Evil::start({
            let early = early.clone();
            move |seen| {
                let number = {
                    let mut early = early.lock().unwrap();
                    *early += usize::from(!gate.is_open());
                    *early
                };
                if gate.is_open() {
                    return part(seen);
                }
                let Some(span) = span(seen) else { return begun(&gate) };
                let (first, rest) = halves(&span, 206, 1000);
                let open = [Act::Wait(Duration::from_millis(200)), Act::Open(gate.clone())];
                let last = if number == most { &open[..] } else { &[] };
                [&[first], last, &[Act::Until(gate.clone()), rest]].concat()
            }
        });
        let options = [("ranges", ranges), ("parallel", parallel)];
        let repository = repository(&server.host(), &options);
        let found = run(get(&repository, 0));
        assert!(found.unwrap() == blob().0);
        assert_eq!(*early.lock().unwrap(), most, "ranges {ranges}, parallel {parallel}");
        let log = server.log();
        let mut spans = spans(&log);
        assert!(spans.iter().all(|span| span.len() <= MIB));
        // From where they begin to the end, without a gap.
        spans.sort_by_key(|span| (span.start, span.end));
        assert!(
            spans[0].start >= BEGUN + MIB || repository.call().operation.counters().retries > 0,
            "{spans:?}"
        );
        assert!(spans.windows(2).all(|two| two[1].start <= two[0].end), "{spans:?}");
        assert_eq!(spans.iter().map(|span| span.end).max(), Some(SIZE));
        // Segments use connections again.
        let connections = log.iter().map(|seen| seen.connection).max().unwrap() + 1;
        assert!(connections < log.len(), "{connections} connections for {} requests", log.len());
    }
}

#[test]
fn a_server_that_is_fast_or_says_nothing_of_ranges_or_may_not_be_asked_gets_one_request() {
    let fast = |_: &Seen| {
        let (first, rest) = halves(&(0..SIZE), 200, BEGUN);
        vec![first, rest]
    };
    // Long enough to be slow, were it asked.
    let pause = Act::Wait(Duration::from_millis(1300));
    let slow = |head: Vec<u8>| {
        let pause = pause.clone();
        move |_: &Seen| {
            let bytes = &blob().0;
            vec![
                Act::Send([head.clone(), bytes[..BEGUN].to_vec()].concat()),
                pause.clone(),
                Act::Send(bytes[BEGUN..].to_vec()),
            ]
        }
    };
    let length = SIZE.to_string();
    let with = |accept: &str| head(200, &[("Content-Length", &length), ("Accept-Ranges", accept)]);
    type Handler = Box<dyn Fn(&Seen) -> Vec<Act> + Send + Sync>;
    let cases: Vec<(&str, &str, Handler)> = vec![
        ("ranges", "4", Box::new(fast)),
        ("ranges", "1", Box::new(slow(with("bytes")))),
        ("ranges_below", "0", Box::new(slow(with("bytes")))),
        ("ranges", "4", Box::new(slow(with("none")))),
        ("ranges", "4", Box::new(slow(head(200, &[("Content-Length", &length)])))),
    ];
    std::thread::scope(|scope| {
        for (number, (name, value, handler)) in cases.into_iter().enumerate() {
            scope.spawn(move || {
                let server = Evil::start(handler);
                let found = run(get(&repository(&server.host(), &[(name, value)]), 0));
                assert!(found.unwrap() == blob().0, "{number}");
                assert_eq!(server.log().len(), 1, "{number}");
            });
        }
    });
}

#[test]
fn r_17_r_18_a_segment_that_is_not_what_was_asked_for_leaves_the_first_answer_alone() {
    type Refusal = Box<dyn Fn(&Range<usize>) -> Vec<Act> + Send + Sync>;
    let refusals: Vec<Refusal> = vec![
        // Ignored.
        Box::new(|_| answer(200, &[], &blob().0)),
        // Of another place, another length, another blob, nothing at all, and encoded.
        Box::new(|s| with_range(&format!("bytes {}-{}/{SIZE}", s.start - 1, s.end - 1), s)),
        Box::new(|s| with_range(&format!("bytes {}-{}/{SIZE}", s.start, SIZE - 1), s)),
        Box::new(|s| with_range(&format!("bytes {}-{}/{}", s.start, s.end - 1, SIZE + 1), s)),
        Box::new(|_| with_range(&format!("bytes */{SIZE}"), &(0..1))),
        Box::new(|s| answer(206, &[], &blob().0[s.clone()])),
        Box::new(|_| answer(206, &[("Content-Type", "multipart/byteranges; boundary=x")], "--x\r\n")),
        Box::new(|s| {
            let range = format!("bytes {}-{}/{SIZE}", s.start, s.end - 1);
            answer(206, &[("Content-Range", &range), ("Content-Encoding", "gzip")], &blob().0[s.clone()])
        }),
        Box::new(|_| answer(416, &[], "")),
        Box::new(|_| answer(403, &[], "")),
        Box::new(|_| answer(429, &[("Retry-After", "60")], "")),
        Box::new(|_| answer(503, &[], "")),
        Box::new(|_| vec![Act::Reset]),
        Box::new(|_| vec![Act::Close]),
    ];
    std::thread::scope(|scope| {
        for (number, refusal) in refusals.into_iter().enumerate() {
            scope.spawn(move || {
                let (found, log, _) = pull(&[], 1, move |seen, _| refusal(&span(seen).unwrap()));
                assert!(found.unwrap() == blob().0, "{number}");
                assert_eq!(log.len(), 2, "{number}: {:?}", spans(&log));
            });
        }
    });
}

fn with_range(range: &str, span: &Range<usize>) -> Vec<Act> {
    answer(206, &[("Content-Range", range)], &blob().0[span.clone()])
}

#[test]
fn the_first_answer_goes_on_where_the_first_segment_is_later_than_it() {
    let (found, log, _) = pull(&[], 1, |_, _| vec![Act::Hang]);
    assert!(found.unwrap() == blob().0);
    assert_eq!(log.len(), 2);
}

#[test]
fn a_straggler_is_asked_for_again() {
    // The fourth segment hangs after a part, and so does the first answer.
    let (found, log, operation) = pull(&[], 0, |seen, number| {
        let (first, rest) = halves(&span(seen).unwrap(), 206, 5_000);
        if number == 4 { vec![first, Act::Hang] } else { vec![first, rest] }
    });
    assert!(found.unwrap() == blob().0);
    let spans = spans(&log);
    let hung = &spans[3];
    let again = Range { start: hung.start + 5_000, end: hung.end };
    assert!(spans.contains(&again), "{again:?} of {spans:?}");
    assert!(spans.iter().any(|span| span.start == BEGUN), "{spans:?}");
    assert!(operation.counters().retries >= 2);
    // No more than what a straggler left was asked for twice, but for chance.
    assert!(operation.counters().bytes_received < (SIZE + 4 * MIB) as u64);
}

#[test]
fn a_segment_that_breaks_is_asked_for_again_and_in_the_end_by_the_ordinary_resume() {
    for end in [Act::Close, Act::Reset] {
        let (found, log, operation) = pull(&[], 4, move |seen, number| {
            let (first, rest) = halves(&span(seen).unwrap(), 206, 5_000);
            if number == 3 { vec![first, end.clone()] } else { vec![first, rest] }
        });
        assert!(found.unwrap() == blob().0);
        assert!(operation.counters().retries >= 1);
        assert!(log.iter().skip(1).all(is_segment), "{:?}", spans(&log));
    }
    // Every one but the first breaks, once the first answer is over.
    let (found, log, _) = pull(&[("retries", "0")], 2, |seen, number| match number {
        1 => part(seen),
        _ => vec![Act::Close],
    });
    assert!(found.unwrap() == blob().0);
    assert!(log.len() < 20, "{:?}", spans(&log));
    // The same with a server that comes to refuse ranges when nothing else is left.
    let (found, log, _) = pull(&[("retries", "0")], 3, |seen, number| match number {
        1..=8 => part(seen),
        _ => answer(429, &[], ""),
    });
    assert!(found.unwrap() == blob().0);
    let rests = log.iter().filter(|seen| seen.header("range").is_some() && !is_segment(seen));
    assert!(rests.count() == 1 && log.len() < 20, "{:?}", spans(&log));
}

#[test]
fn r_20_a_resumed_download_comes_by_ranges_and_is_verified_as_a_whole() {
    let offset = 2 * MIB + 7;
    let server = Evil::start(move |seen| {
        let span = span(seen).unwrap();
        if is_segment(seen) {
            return part(seen);
        }
        let (first, _) = halves(&span, 206, BEGUN);
        vec![first, Act::Hang]
    });
    let found = run(get(&repository(&server.host(), &[]), offset));
    assert!(found.unwrap() == blob().0[offset..]);
    assert!(server.log().iter().filter(|seen| is_segment(seen)).count() > 4);
}

#[test]
fn r_16_a_damaged_segment_is_a_wrong_digest() {
    let (found, _, _) = pull(&[], 4, |seen, number| {
        let Act::Send(mut bytes) = part(seen).remove(1) else { panic!() };
        if number == 3 {
            bytes[MIB / 2] ^= 1;
        }
        let span = span(seen).unwrap();
        let range = format!("bytes {}-{}/{SIZE}", span.start, span.end - 1);
        answer(206, &[("Content-Range", &range)], bytes)
    });
    assert_eq!(found.unwrap_err().kind(), Kind::Digest);
}

#[test]
fn r_16_a_segment_that_is_longer_than_it_says_is_not_taken() {
    let (found, _, _) = pull(&[], 3, |seen, number| {
        let span = span(seen).unwrap();
        let range = format!("bytes {}-{}/{SIZE}", span.start, span.end - 1);
        let longer = [&blob().0[span.clone()], &[0; 9]].concat();
        let chunk = [format!("{:x}\r\n", longer.len()).as_bytes(), &longer, b"\r\n0\r\n\r\n"].concat();
        let head = head(206, &[("Content-Range", &range), ("Transfer-Encoding", "chunked")]);
        if number == 3 { send([head, chunk].concat()) } else { part(seen) }
    });
    assert!(found.unwrap() == blob().0);
}

#[test]
fn each_range_goes_the_registrys_way_and_shows_its_credential_to_nobody_else() {
    let storage = Evil::start(|seen| match is_segment(seen) {
        true => part(seen),
        false => vec![halves(&(0..SIZE), 200, BEGUN).0, Act::Hang],
    });
    let target = format!("http://{}/storage", storage.host());
    let token = Arc::new(Mutex::new(0));
    let server = Evil::start({
        let token = token.clone();
        move |seen| {
            if seen.path.starts_with("/token") {
                *token.lock().unwrap() += 1;
                return answer(200, &[], r#"{"token":"T"}"#);
            }
            match seen.header("authorization") {
                Some("Bearer T") => answer(307, &[("Location", &target)], ""),
                _ => {
                    let challenge = r#"Bearer realm="/token",service="s",scope="repository:test/app:pull""#;
                    answer(401, &[("WWW-Authenticate", challenge)], "")
                }
            }
        }
    });
    let found = run(get(&repository(&server.host(), &[]), 0));
    assert!(found.unwrap() == blob().0);
    let stored = storage.log();
    assert!(stored.len() > 10 && stored.iter().all(|seen| seen.header("authorization").is_none()));
    let asked = server.log();
    assert_eq!(*token.lock().unwrap(), 1);
    // One 401 and the token beside them; a straggler's may not have got to the storage.
    assert!(asked.len() >= stored.len() + 2);
    assert!(spans(&stored).iter().all(|span| spans(&asked).contains(span)));
}

#[test]
fn cancel_and_deadline_end_what_comes_by_ranges() {
    for (deadline, kind) in [("0", Kind::Cancelled), ("3000", Kind::Timeout)] {
        let (found, log) = {
            let running = Arc::new(OnceLock::<Operation>::new());
            let cancelled = running.clone();
            let asked = Mutex::new(0);
            let server = Evil::start(move |seen| {
                if !is_segment(seen) {
                    return vec![halves(&(0..SIZE), 200, BEGUN).0, Act::Hang];
                }
                let mut asked = asked.lock().unwrap();
                *asked += 1;
                if *asked == 4 && deadline == "0" {
                    cancelled.get().unwrap().cancel();
                }
                let (first, rest) = halves(&span(seen).unwrap(), 206, 5_000);
                if *asked < 3 { vec![first, rest] } else { vec![first, Act::Hang] }
            });
            let repository = repository(&server.host(), &[("timeout_ms", deadline)]);
            running.set(repository.call().operation.clone()).unwrap_or_else(|_| unreachable!());
            (run(get(&repository, 0)), server.log())
        };
        assert_eq!(found.unwrap_err().kind(), kind);
        assert!(spans(&log).len() >= 3, "{:?}", spans(&log));
    }
}

/// nginx with the blob in its files, no faster than 3 MiB a second on a connection.
/// A server whose first answer stands still for a while, and that is fast otherwise.
#[test]
fn after_a_stall_one_connection_is_tried_again_and_large_blobs_cost_few_requests() {
    const LARGE: usize = 192 * MIB;
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let zeros = vec![0; MIB];
    (0..LARGE / MIB).for_each(|_| hasher.update(&zeros));
    let descriptor = Descriptor::new("a/b", hasher.finish(), LARGE as u64);
    let server = Evil::start(move |seen| {
        let Some(range) = seen.header("range").and_then(|range| range.strip_prefix("bytes=")) else {
            let length = LARGE.to_string();
            let first = head(200, &[("Accept-Ranges", "bytes"), ("Content-Length", &length)]);
            return vec![Act::Send(first), Act::Repeat(vec![0; MIB], 2), Act::Hang];
        };
        let (start, last) = range.split_once('-').unwrap();
        let start: usize = start.parse().unwrap();
        let end = if last.is_empty() { LARGE } else { last.parse::<usize>().unwrap() + 1 };
        let (length, range) = ((end - start).to_string(), format!("bytes {start}-{}/{LARGE}", end - 1));
        let first = head(206, &[("Content-Range", &range), ("Content-Length", &length)]);
        let (whole, rest) = ((end - start) / MIB, (end - start) % MIB);
        vec![Act::Send(first), Act::Repeat(vec![0; MIB], whole as u64), Act::Send(vec![0; rest])]
    });
    let repository = repository(&server.host(), &[]);
    run(async {
        let mut reader = repository.read_blob(&descriptor, 0).await.unwrap();
        while reader.chunk().await.unwrap().is_some() {}
        assert_eq!(reader.position(), descriptor.size);
    });
    let asked = server.log().len();
    // In segments to its end it would be 190.
    assert!((10..60).contains(&asked), "{asked}: {:?}", server.lines());
    assert!(server.log().iter().any(|seen| seen.header("range").is_some_and(|range| range.ends_with('-'))));
}

fn slow_nginx(listen: &str, more: &str) -> Option<Server> {
    let server = Server::nginx(listen, &format!("root files;\nlimit_rate 3m;\n{more}"))?;
    let blobs = server.directory.path().join("files/v2/test/app/blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(blobs.join(blob().1.digest.as_str()), &blob().0).unwrap();
    Some(server)
}

#[test]
fn a_real_server_with_a_rate_for_each_connection() {
    let Some(server) = slow_nginx("", "") else { return };
    let found = run(get(&repository(&server.address, &[]), 0));
    assert!(found.unwrap() == blob().0);
    let access = server.access();
    assert!(access.iter().filter(|line| line.ends_with("206")).count() > 4, "{access:?}");
}

#[test]
fn on_http2_ranges_would_share_one_connection_and_are_not_asked_for() {
    let certificates = Certificates::new();
    let file = |name: &str| certificates.path(name).display().to_string();
    let lines =
        format!("ssl_certificate {};\nssl_certificate_key {};", file("server.pem"), file("server.key"));
    let Some(server) = slow_nginx("ssl http2", &lines) else { return };
    let found = run(get(&repository(&server.address, &[("ca_file", &file("ca.pem"))]), 0));
    assert!(found.unwrap() == blob().0);
    // On loopback plain HTTP is tried first, which this server refuses.
    let access: Vec<_> = server.access().into_iter().filter(|line| !line.ends_with(" 400")).collect();
    assert!(access.len() == 1 && access[0].contains("HTTP/2.0 200"), "{access:?}");
}
