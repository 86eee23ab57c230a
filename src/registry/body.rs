//! Bodies on their way in: bounded, no slower than the least rate, never decoded.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, header};
use zeroize::Zeroizing;

use super::transport::{RawResponse, body_failure, ended_early, too_slow};
use crate::error::{Error, Kind, Result, printable};
use crate::operation::{Count, FREE, cost};

/// A body that is received chunk by chunk.
pub(crate) struct ResponseBody {
    answer: RawResponse,
    rate: u64,
    window: Duration,
    since: Instant,
    received: u64,
    /// What the answer said that it has, and what is to come of it.
    promised: Option<u64>,
}

impl ResponseBody {
    pub(crate) fn new(answer: RawResponse) -> Self {
        let settings = &answer.call.settings;
        Self {
            rate: settings.min_rate,
            window: settings.min_rate_window,
            since: Instant::now(),
            received: 0,
            promised: answer.response.content_length(),
            answer,
        }
    }

    /// The next chunk; nothing at the end. A body shorter than its `Content-Length` is an error of the
    /// connection.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let Self { answer: RawResponse { response, call, .. }, rate, window, since, received, promised } =
            self;
        loop {
            let left = window.saturating_sub(since.elapsed());
            let next = call.operation.run(async {
                tokio::select! {
                    biased;
                    chunk = response.chunk() => chunk.map(Some).map_err(|error| body_failure(&error)),
                    () = tokio::time::sleep(left) => Ok(None),
                }
            });
            let next = next.await?;
            if let Some(Some(bytes)) = &next {
                let length = bytes.len() as u64;
                *received += length;
                *promised = promised.map(|left| left.saturating_sub(length));
                call.operation.count(Count::Received(length));
            }
            if since.elapsed() >= *window {
                // The time between two calls is the caller's: it is not held against the server.
                if next.is_none() && too_slow(*received, *window, *rate) {
                    return Err(Error::new(
                        Kind::Timeout,
                        format!("the answer comes slower than {rate} bytes a second (option min_rate)"),
                    ));
                }
                (*since, *received) = (Instant::now(), 0);
            }
            match next {
                // HTTP/2 may end an answer so when its server goes.
                Some(None) if promised.is_some_and(|left| left > 0) => return Err(ended_early()),
                Some(chunk) => return Ok(chunk),
                None => {}
            }
        }
    }
}

/// What a body of unknown length gets at first.
const FIRST_ROOM: usize = 64 << 10;

/// The whole body, or nothing where it is longer than `limit`; reads no further then.
pub(crate) async fn read_all(answer: RawResponse, limit: usize) -> Result<Option<Vec<u8>>> {
    if answer.response.content_length().is_some_and(|length| length > limit as u64) {
        return Ok(None);
    }
    // A token's answer never outgrows this, so that no part of it is left behind unwiped.
    let room = answer.response.content_length().map_or(FIRST_ROOM, |length| length as usize);
    let (call, expected) = (answer.call.clone(), answer.response.content_length().unwrap_or(limit as u64));
    let memory = call.settings.max_documents_bytes as u64;
    let mut body = ResponseBody::new(answer);
    // Not before there is room for it.
    let mut whole = Vec::with_capacity(room.min(limit).min(FREE as usize));
    while let Some(chunk) = body.chunk().await? {
        let length = whole.len() + chunk.len();
        if length > limit {
            return Ok(None);
        }
        if length as u64 > FREE && whole.len() as u64 <= FREE {
            call.operation.room(expected.min(memory), memory).await?;
            // At once what the answer says that it is: it is the room that it has.
            whole.reserve_exact(room.min(limit).saturating_sub(whole.len()));
        }
        if length > whole.capacity() {
            // Doubling, but never beyond what may come.
            whole.reserve_exact((2 * length).min(limit) - whole.len());
        }
        whole.extend_from_slice(&chunk);
    }
    if whole.len() as u64 > FREE {
        call.operation.room(cost(&whole), memory).await?;
    }
    Ok(Some(whole))
}

/// The first bytes of a body that is only quoted: what comes after `limit`, and an error on the way, do not
/// matter (R-07).
pub(crate) async fn read_some(answer: RawResponse, limit: usize) -> Result<Vec<u8>> {
    let mut body = ResponseBody::new(answer);
    let mut some = Vec::new();
    while some.len() < limit {
        match body.chunk().await {
            Ok(Some(chunk)) => some.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) if matches!(error.kind(), Kind::Cancelled) => return Err(error),
            Err(_) => break,
        }
    }
    some.truncate(limit);
    Ok(some)
}

/// Refuses a body that is encoded although `identity` was asked for (G-11): digests are of what is stored. A label
/// that names no coding says nothing about the bytes (Q98).
pub(crate) fn check_encoding(headers: &HeaderMap) -> Result<()> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(value) if value.as_bytes().split(|byte| *byte == b',').any(is_coding) => Err(Error::new(
            Kind::Protocol,
            format!(
                "the answer has Content-Encoding '{}', identity was asked for",
                printable(value.as_bytes())
            ),
        )),
        _ => Ok(()),
    }
}

/// Whether a label is a coding of HTTP's that changes the bytes.
fn is_coding(label: &[u8]) -> bool {
    const CODINGS: [&str; 6] = ["gzip", "x-gzip", "deflate", "br", "zstd", "compress"];
    let label = label.trim_ascii();
    CODINGS.iter().any(|coding| label.eq_ignore_ascii_case(coding.as_bytes()))
}

/// Bytes of a body that may be encoded all the same (Harbor and GAR gzip manifests, G-11): decoded, or nothing
/// where that is more than `limit`.
pub(crate) fn decode(headers: &HeaderMap, bytes: Vec<u8>, limit: usize) -> Result<Option<Vec<u8>>> {
    use std::io::Read;
    if !is_gzip(headers) {
        return check_encoding(headers).map(|()| Some(bytes));
    }
    // A token may be in it, in both forms.
    let bytes = Zeroizing::new(bytes);
    let mut decoded = Vec::with_capacity(FIRST_ROOM.min(limit) + 1);
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    flate2::read::MultiGzDecoder::new(bytes.as_slice()).take(most).read_to_end(&mut decoded).map_err(
        |error| Error::new(Kind::Protocol, format!("the answer's gzip encoding is broken: {error}")),
    )?;
    Ok((decoded.len() <= limit).then_some(decoded))
}

/// The start of a body that is only quoted, decoded as far as that goes (Q103).
pub(crate) fn decode_some(headers: &HeaderMap, bytes: Vec<u8>, limit: usize) -> Vec<u8> {
    use std::io::Read;
    if !is_gzip(headers) {
        return bytes;
    }
    let mut decoded = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    // What came before an error was read all the same.
    let _ = flate2::read::MultiGzDecoder::new(bytes.as_slice()).take(most).read_to_end(&mut decoded);
    decoded
}

fn is_gzip(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_ENCODING).is_some_and(|value| {
        let label = value.as_bytes().trim_ascii();
        label.eq_ignore_ascii_case(b"gzip") || label.eq_ignore_ascii_case(b"x-gzip")
    })
}
