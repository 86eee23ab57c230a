//! Segments that lie in files until their turn comes: as long as a slow line is worth, so that it costs few requests.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use cldoci::oci::{Descriptor, Hasher, media_type};
use cldoci::registry::Scratch;
use cldoci::{Error, Kind};

use super::help::{noise, repository, run};
use crate::harness::evil::{Act, Evil, Seen, answer, head};
use crate::harness::ours::Ours;

const MIB: usize = 1 << 20;
/// What comes at once.
const PIECE: usize = 64 << 10;
/// Slow is what one connection brings, whatever the machine is at.
const SLOW: (&str, &str) = ("ranges_below", "1000000000000");

/// A blob that is one MiB again and again, so that a piece out of place shows: 1,000,003 bytes.
struct Blob {
    size: usize,
    descriptor: Descriptor,
}

fn unit() -> &'static Vec<u8> {
    static UNIT: OnceLock<Vec<u8>> = OnceLock::new();
    UNIT.get_or_init(|| noise(1_000_003))
}

fn bytes(mut range: Range<usize>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(range.len());
    while !range.is_empty() {
        let at = range.start % unit().len();
        let piece = &unit()[at..unit().len().min(at + range.len())];
        bytes.extend_from_slice(piece);
        range.start += piece.len();
    }
    bytes
}

impl Blob {
    fn new(size: usize) -> Self {
        let mut hasher = Hasher::new(cldoci::oci::Algorithm::Sha256);
        (0..size).step_by(MIB).for_each(|at| hasher.update(&bytes(at..size.min(at + MIB))));
        Self { size, descriptor: Descriptor::new("a/b", hasher.finish(), size as u64) }
    }

    fn span(&self, seen: &Seen) -> Option<Range<usize>> {
        let (start, last) = seen.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        let end = if last.is_empty() { self.size } else { last.parse::<usize>().unwrap() + 1 };
        Some(start.parse().unwrap()..end)
    }

    /// An answer in pieces, with a pause behind each; of a part as much as `sends`.
    fn answer(&self, seen: &Seen, pause: Duration, sends: usize) -> Vec<Act> {
        let span = self.span(seen);
        let status = if span.is_some() { 206 } else { 200 };
        let span = span.unwrap_or(0..self.size);
        let range = format!("bytes {}-{}/{}", span.start, span.end - 1, self.size);
        let length = span.len().to_string();
        let mut headers = vec![("Accept-Ranges", "bytes"), ("Content-Length", &*length)];
        if status == 206 {
            headers.push(("Content-Range", &range));
        }
        let mut acts = vec![Act::Send(head(status, &headers))];
        let until = span.end.min(span.start.saturating_add(sends));
        for at in (span.start..until).step_by(PIECE) {
            acts.push(Act::Send(bytes(at..until.min(at + PIECE))));
            acts.push(Act::Wait(pause));
        }
        if until < span.end {
            acts.push(Act::Close);
        }
        acts
    }
}

fn scratch() -> Scratch {
    Arc::new(|| tempfile::tempfile().map_err(|error| Error::io("a temporary file", error)))
}

/// Reads all of it; its digest is checked on the way.
fn get(server: &Evil, blob: &Blob, scratch: Option<Scratch>) -> (Result<u64, Error>, Vec<Range<usize>>) {
    let repository = repository(&server.host(), &[SLOW]);
    let read = run(async {
        let mut reader = repository.read_blob(&blob.descriptor, 0).await?;
        if let Some(scratch) = scratch {
            reader = reader.with_scratch(scratch);
        }
        while reader.chunk().await?.is_some() {}
        Ok(reader.position())
    });
    (read, server.log().iter().filter_map(|seen| blob.span(seen)).collect())
}

#[test]
fn a_line_that_is_slow_for_each_connection_costs_fewer_requests_than_mebibytes() {
    let blob = Arc::new(Blob::new(72 * MIB));
    // 6 MB a second on each connection.
    let serve =
        |blob: Arc<Blob>| Evil::start(move |seen| blob.answer(seen, Duration::from_millis(10), usize::MAX));
    let counted = |scratch: Option<Scratch>| {
        let server = serve(blob.clone());
        let (read, spans) = get(&server, &blob, scratch);
        assert_eq!(read.unwrap(), blob.descriptor.size);
        // But for what a single connection is asked for, which is all the rest.
        spans.into_iter().filter(|span| span.end < blob.size).collect::<Vec<_>>()
    };
    let (long, short) = std::thread::scope(|scope| {
        let long = scope.spawn(|| counted(Some(scratch())));
        let short = counted(None);
        (long.join().unwrap(), short)
    });
    assert!(short.iter().all(|span| span.len() <= MIB) && short.len() > 40, "{short:?}");
    // How many fewer is the rate's matter, which a busy machine bends: the unit tests have the figures.
    assert!(long.len() < short.len(), "{}: {long:?}", short.len());
    assert!(long.iter().any(|span| span.len() >= 2 * MIB), "{long:?}");
}

/// What a server does whose first answer stands still, and whose others come with such pauses.
fn stalled(blob: &Blob, seen: &Seen, pause: u64, sends: usize) -> Vec<Act> {
    if blob.span(seen).is_some() {
        return blob.answer(seen, Duration::from_millis(pause), sends);
    }
    let mut acts = blob.answer(seen, Duration::ZERO, 2 * MIB);
    acts.pop();
    acts.push(Act::Hang);
    acts
}

#[test]
fn a_long_segment_that_breaks_off_goes_on_where_it_broke() {
    let blob = Arc::new(Blob::new(40 * MIB));
    let broken = Arc::new(Mutex::new(BTreeSet::new()));
    let server = Evil::start({
        let (blob, broken) = (blob.clone(), broken.clone());
        move |seen| {
            let span = blob.span(seen).unwrap_or_default();
            let ends = span.len() > MIB + 5000 && span.end < blob.size && broken.lock().unwrap().len() < 3;
            if ends {
                broken.lock().unwrap().insert(span.start + MIB + 5000);
            }
            stalled(&blob, seen, 2, if ends { MIB + 5000 } else { usize::MAX })
        }
    });
    let (read, spans) = get(&server, &blob, Some(scratch()));
    assert_eq!(read.unwrap(), blob.descriptor.size);
    let broken = broken.lock().unwrap();
    assert_eq!(broken.len(), 3);
    for at in broken.iter() {
        assert!(spans.iter().any(|span| span.start == *at), "not from {at} on: {spans:?}");
    }
}

#[test]
fn without_room_for_files_a_blob_comes_all_the_same() {
    let blob = Arc::new(Blob::new(24 * MIB));
    let server = Evil::start({
        let blob = blob.clone();
        move |seen| blob.answer(seen, Duration::from_millis(10), usize::MAX)
    });
    let asked = Arc::new(AtomicUsize::new(0));
    let full: Scratch = {
        let asked = asked.clone();
        Arc::new(move || {
            asked.fetch_add(1, Ordering::SeqCst);
            Err(Error::new(Kind::Io, "no room"))
        })
    };
    let (read, spans) = get(&server, &blob, Some(full));
    assert_eq!(read.unwrap(), blob.descriptor.size, "{spans:?}");
    assert!(asked.load(Ordering::SeqCst) > 0, "{spans:?}");
}

#[test]
fn a_pull_has_its_files_in_the_store_and_leaves_none_there() {
    let blob = Arc::new(Blob::new(40 * MIB));
    let layer = Descriptor { media_type: "application/octet-stream".to_owned(), ..blob.descriptor.clone() };
    let config = Descriptor::of(media_type::EMPTY, b"{}");
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": config,
        "layers": [{
            "mediaType": layer.media_type, "digest": layer.digest, "size": layer.size,
            "annotations": { (media_type::ANNOTATION_TITLE): "large" },
        }],
    })
    .to_string();
    let server = Evil::start({
        let blob = blob.clone();
        move |seen| match seen.path.contains("/manifests/") {
            true => answer(200, &[("Content-Type", media_type::OCI_MANIFEST)], &manifest),
            false => stalled(&blob, seen, 2, usize::MAX),
        }
    });
    let ours = Ours::with(&[SLOW]);
    let into = ours.path("into");
    ours.pull(&format!("{}/app:v1", server.host()), &into).unwrap();
    assert!(std::fs::read(into.join("large")).unwrap() == bytes(0..blob.size));
    let spans: Vec<_> = server.log().iter().filter_map(|seen| blob.span(seen)).collect();
    assert!(spans.iter().any(|span| span.len() > MIB && span.end < blob.size), "{spans:?}");
}
