//! Frames of HTTP/2 without end that are no answer. Each kind ends by what h2 counts or by our times, whichever comes
//! first, takes no memory, and lets go of the connection.

use std::time::{Duration, Instant};

use cldoci::oci::Descriptor;
use cldoci::{Error, Kind};

use super::help::{read, repository, run};
use super::http2::{
    ACK, DATA, END_HEADERS, Frames, GOAWAY, HEADERS, OK, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame,
    response, start,
};

/// Of the blob that is asked for.
const SIZE: u64 = 50_000_000;

const PRIORITY: u8 = 2;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const UNKNOWN: u8 = 0xee;
const PADDED: u8 = 8;

/// A flood: its frames on this stream.
type Flood = fn(u32) -> Vec<u8>;

/// What each flood is ended by while a head is waited for, and while a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// A count, or a rule of the protocol: at once.
    Count,
    /// header_timeout_ms, or the least rate of a body.
    Time,
}
use End::{Count, Time};

const FLOODS: &[(&str, Flood, End, End)] = &[
    ("PING", |_| frame(PING, 0, 0, &[7; 8]), Time, Time),
    ("PING ACK", |_| frame(PING, ACK, 0, &[7; 8]), Time, Time),
    ("SETTINGS", |_| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]), Time, Time),
    ("WINDOW_UPDATE", |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), Time, Time),
    ("WINDOW_UPDATE of a stream", |stream| frame(WINDOW_UPDATE, 0, stream, &[0, 0, 0, 1]), Time, Time),
    ("PRIORITY", |stream| frame(PRIORITY, 0, stream + 2, &[0, 0, 0, 0, 1]), Time, Time),
    ("unknown", |stream| frame(UNKNOWN, 0, stream, b"what?"), Time, Time),
    ("GOAWAY", |stream| frame(GOAWAY, 0, 0, &[&stream.to_be_bytes()[..], &[0; 4]].concat()), Time, Time),
    ("103", |stream| frame(HEADERS, END_HEADERS, stream, b"\x08\x03103"), Time, Count),
    ("RST_STREAM of others", |stream| frame(RST_STREAM, 0, stream + 2, &[0, 0, 0, 8]), Count, Count),
    ("CONTINUATION", |stream| frame(CONTINUATION, 0, stream, &[]), Count, Count),
    ("SETTINGS ACK", |_| frame(SETTINGS, ACK, 0, &[]), Count, Count),
    ("empty DATA", |stream| frame(DATA, 0, stream, &[]), Count, Count),
    ("padding alone", |stream| frame(DATA, PADDED, stream, &[200; 201]), Count, Count),
    ("single bytes", |stream| frame(DATA, 0, stream, &[1]), Count, Count),
];

#[test]
fn r_40_frames_without_end_end_by_count_or_by_time() {
    let all: Vec<_> = FLOODS
        .iter()
        .flat_map(|(name, flood, head, body)| [(*name, *flood, false, *head), (*name, *flood, true, *body)])
        .collect();
    // Beside each other, since most of them are waited for.
    std::thread::scope(|scope| {
        for (name, flood, answered, by) in all {
            scope.spawn(move || {
                let begun = Instant::now();
                // On a busy machine a second may be over before a count is reached.
                let limit = if by == Count { "60000" } else { "1000" };
                let error = flooded(flood, answered, limit);
                let what = format!("{name}, {answered}: {error} after {:?}", begun.elapsed());
                assert!(begun.elapsed() < Duration::from_secs(50), "{what}");
                match by {
                    Count => assert_eq!(error.kind(), Kind::Network, "{what}"),
                    Time => assert_eq!(error.kind(), Kind::Timeout, "{what}"),
                }
            });
        }
    });
}

/// What a download comes to whose answer, or whose body after a good head, is this flood, with this limit of our times.
fn flooded(flood: Flood, answered: bool, limit: &str) -> Error {
    let (host, certificate) = start(frame(SETTINGS, 0, 0, &[]), move |_, stream| {
        let head = frame(HEADERS, END_HEADERS, stream, &response(OK, SIZE as usize));
        Frames { once: if answered { head } else { Vec::new() }, for_ever: flood(stream).repeat(1000) }
    });
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, certificate).unwrap();
    let options = [
        ("ca_file", ca.to_str().unwrap()),
        ("header_timeout_ms", limit),
        ("min_rate_window_ms", limit),
        ("retries", "0"),
    ];
    run(async {
        let repository = repository(&host, &options);
        let blob = Descriptor { size: SIZE, ..Descriptor::of("a/b", b"") };
        let found = match repository.read_blob(&blob, 0).await {
            Ok(reader) => read(reader).await.map(drop),
            Err(error) => Err(error),
        };
        found.unwrap_err()
    })
}
