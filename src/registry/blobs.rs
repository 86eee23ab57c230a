//! Blobs: whether they are there, and their bytes, verified, over broken connections.

use bytes::Bytes;
use http::{Method, Version, header};

use super::body::{self, ResponseBody};
use super::ranges::{Ranges, Scratch, TRIAL, Whole, is_part};
use super::repository::{Repository, TransferPermit};
use super::request::{About, Request, Target};
use super::retry::{Next, RetryBudget, pause_for};
use super::transport::{Transfer, take};
use crate::error::{Error, Kind, Result, printable};
use crate::oci::{Descriptor, Digest, Hasher};
use crate::operation::Count;

/// What an attempt must bring for the breaks before it to be forgotten: a server that gives a few bytes at a
/// time is not waited for.
pub(super) const PROGRESS: u64 = 256 << 10;

impl Repository {
    /// Whether a blob is known to be there.
    pub async fn blob_exists(&self, descriptor: &Descriptor) -> Result<bool> {
        let path = self.path(&format!("blobs/{}", descriptor.digest));
        let request =
            Request::new(Method::HEAD, Target::Path(path.clone()), self.scope.clone()).about(About::Blob);
        let response = match self.exchange(&request).await {
            // A redirect that is not followed tells nothing of the blob, and is no reason not to send it.
            Err(error) if error.kind() == Kind::Policy => return Ok(false),
            answer => answer?,
        };
        match response.status {
            200 | 204 => Ok(true),
            404 => Ok(false),
            // A URL signed for GET can refuse HEAD (Q24), and so do some registries.
            400 | 403 | 405 => {
                let request = Request::new(Method::GET, Target::Path(path), self.scope.clone())
                    .about(About::Blob)
                    .header(header::RANGE, "bytes=0-0");
                let response = match self.exchange(&request).await {
                    Err(error) if error.kind() == Kind::Policy => return Ok(false),
                    answer => answer?,
                };
                match response.status {
                    200 | 206 | 416 => Ok(true),
                    404 => Ok(false),
                    _ => Err(self.error_of(response, descriptor.digest.as_str()).await?),
                }
            }
            _ => Err(self.error_of(response, descriptor.digest.as_str()).await?),
        }
    }

    /// A blob's bytes from `offset` on. Broken connections are resumed; the size is checked, and the digest if
    /// the reader saw the whole (see [`BlobReader::with_prefix`]).
    pub async fn read_blob(&self, descriptor: &Descriptor, offset: u64) -> Result<BlobReader> {
        if offset > descriptor.size {
            return Err(Error::new(
                Kind::Argument,
                format!("the blob {} has no byte {offset}", descriptor.digest),
            ));
        }
        let mut reader = BlobReader {
            label: format!("{}@{}", self.name(), descriptor.digest),
            repository: self.clone(),
            digest: descriptor.digest.clone(),
            size: descriptor.size,
            position: offset,
            skip: 0,
            hasher: (offset == 0).then(|| Hasher::new(descriptor.digest.algorithm())),
            source: Source::Waiting,
            budget: RetryBudget::new(&self.call, &self.outage),
            ranges: true,
            spreads: true,
            trial: TRIAL,
            scratch: None,
            has_end: false,
            start: offset,
            opened_at: offset,
            _permit: self.download_permit().await?,
        };
        // What is wrong at once is told at once.
        if offset < descriptor.size {
            reader.open().await?;
        }
        Ok(reader)
    }

    /// A permit for one download, kept over its retries.
    async fn download_permit(&self) -> Result<TransferPermit> {
        let permits = async {
            let call = take(&self.transfers).await?;
            Ok(TransferPermit {
                _call: call,
                _client: self.registry.transport().transfer_permit(Transfer::Download).await?,
            })
        };
        self.call.operation.run(permits).await
    }

    /// A permit for one more, that nobody waits for.
    pub(super) fn spare_permit(&self) -> Option<TransferPermit> {
        let call = self.transfers.clone().try_acquire_owned().ok()?;
        Some(TransferPermit { _call: call, _client: self.registry.transport().spare_permit()? })
    }
}

/// Receives one blob.
pub struct BlobReader {
    repository: Repository,
    label: String,
    digest: Digest,
    size: u64,
    position: u64,
    /// Bytes that come again and are thrown away.
    skip: u64,
    hasher: Option<Hasher>,
    source: Source,
    budget: RetryBudget,
    /// The server's ranges are usable.
    ranges: bool,
    /// It may come over several connections, which are reconsidered after so many bytes.
    spreads: bool,
    trial: u64,
    /// Where long segments lie until their turn comes.
    scratch: Option<Scratch>,
    /// The answer says itself where it ends, and a broken connection can't be taken for that.
    has_end: bool,
    start: u64,
    /// Where the newest attempt began.
    opened_at: u64,
    _permit: TransferPermit,
}

enum Source {
    /// To be opened.
    Waiting,
    Open(Box<Ranges>),
    Done,
}

impl BlobReader {
    /// Gives the hash of the bytes before the offset, so that the digest of the whole is verified at the end.
    #[must_use]
    pub fn with_prefix(mut self, hasher: Hasher) -> Self {
        self.hasher = Some(hasher);
        self
    }

    /// Gives what makes files for what comes before its turn, so that a slow line costs few requests.
    #[must_use]
    pub fn with_scratch(mut self, scratch: Scratch) -> Self {
        self.scratch = Some(scratch);
        if let Source::Open(ranges) = &mut self.source {
            ranges.set_scratch(self.scratch.clone());
        }
        self
    }

    /// How many of the blob's bytes were given out, the offset included.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next bytes; nothing once the whole was given out and is verified.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        loop {
            match &mut self.source {
                Source::Done => return Ok(None),
                Source::Waiting if self.position == self.size => return self.finish(),
                Source::Waiting => self.open().await?,
                Source::Open(ranges) => match ranges.chunk().await {
                    Ok(Some(bytes)) => {
                        if let Some(bytes) = self.take(bytes)? {
                            return Ok(Some(bytes));
                        }
                    }
                    Ok(None) if ranges.is_reconsidered() => {
                        self.spreads = ranges.was_worth_it();
                        self.trial = self.trial.saturating_mul(2);
                        self.source = Source::Waiting;
                        self.opened_at = self.position;
                    }
                    Ok(None) if self.position == self.size && self.skip == 0 => return self.finish(),
                    // It ends where the connection does, which may just have broken (Q104).
                    Ok(None) if !self.has_end => {
                        let error = Error::new(Kind::Size, "the answer ends early").with_retryable(true);
                        self.broken(error).await?;
                    }
                    Ok(None) => {
                        return Err(self.wrong_size(format!("the registry sent {} bytes", self.position)));
                    }
                    Err(_) if ranges.is_spread() => self.resume_alone()?,
                    Err(error) => self.broken(error).await?,
                },
            }
        }
    }

    fn wrong_size(&self, why: String) -> Error {
        Error::new(Kind::Size, format!("{}: has {} bytes, {why}", self.label, self.size))
    }

    fn take(&mut self, mut bytes: Bytes) -> Result<Option<Bytes>> {
        let length = bytes.len() as u64;
        if self.skip > 0 {
            let skipped = self.skip.min(length);
            self.skip -= skipped;
            bytes = bytes.split_off(usize::try_from(skipped).unwrap_or(usize::MAX));
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let position = self.position + bytes.len() as u64;
        if position > self.size {
            self.source = Source::Done;
            return Err(self.wrong_size("the registry sends more".to_owned()));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&bytes);
        }
        self.position = position;
        if position - self.opened_at >= PROGRESS {
            self.opened_at = position;
            self.budget.progressed();
        }
        Ok(Some(bytes))
    }

    fn finish(&mut self) -> Result<Option<Bytes>> {
        self.source = Source::Done;
        match self.hasher.take().map(Hasher::finish) {
            Some(found) if found != self.digest && self.size == 0 => {
                Err(self.wrong_size("and its digest is not that of nothing".to_owned()))
            }
            Some(found) if found != self.digest => {
                Err(Error::new(Kind::Digest, format!("{}: what came has the digest {found}", self.label)))
            }
            _ => Ok(None),
        }
    }

    /// After ranges that failed: shorter ones, and after those the rest over one connection, with all the patience that
    /// has.
    fn resume_alone(&mut self) -> Result<()> {
        self.repository.call.operation.check()?;
        self.spreads &= self.scratch.take().is_some();
        self.source = Source::Waiting;
        self.opened_at = self.position;
        self.repository.call.operation.count(Count::Retry);
        Ok(())
    }

    /// After a break: another attempt from where it broke, if there is one left.
    async fn broken(&mut self, error: Error) -> Result<()> {
        self.repository.call.operation.check()?;
        if self.position == self.size {
            // All bytes, but the answer has no end.
            return Err(self.wrong_size("and the answer has no end".to_owned()));
        }
        if self.position > self.start {
            self.repository.outage.begins();
        }
        let pause = match self.budget.again(None) {
            Next::Wait(pause) if error.retryable() => pause,
            _ => {
                let (position, size) = (self.position, self.size);
                return Err(error.context(format!("{}: {position} of {size} bytes came", self.label)));
            }
        };
        self.source = Source::Waiting;
        self.opened_at = self.position;
        pause_for(pause, &self.repository.call).await
    }

    /// Asks the registry, not what it redirected to before: signed URLs expire (Q26).
    async fn open(&mut self) -> Result<()> {
        loop {
            let whole =
                Whole { repository: self.repository.clone(), digest: self.digest.clone(), size: self.size };
            let mut request = whole.request();
            let ranged = self.position > 0 && self.ranges;
            if ranged {
                request = request.header(header::RANGE, &format!("bytes={}-", self.position));
            }
            let response = self.repository.exchange(&request).await?;
            body::check_encoding(&response.headers).map_err(|error| error.context(&self.label))?;
            match response.status {
                200 => {
                    if let Some(length) = response.content_length().filter(|length| *length != self.size) {
                        return Err(self.wrong_size(format!("the registry has {length}")));
                    }
                    self.skip = self.position;
                }
                206 if ranged && is_part(&response, self.position, self.size, self.size) => self.skip = 0,
                // What does not fit is not appended: all of it again, and what is known thrown away.
                206 | 416 if ranged => {
                    self.ranges = false;
                    self.source = Source::Waiting;
                    continue;
                }
                _ => {
                    let error_response = response.error_response().await?;
                    return Err(error_response.into_error(&self.label));
                }
            }
            let takes_ranges =
                response.status == 206 || response.header(header::ACCEPT_RANGES) == Some("bytes");
            self.has_end = response.headers.contains_key(header::TRANSFER_ENCODING);
            let Some(answer) = response.into_raw() else {
                return Err(Error::new(Kind::Internal, "a body was read before"));
            };
            // On a connection of HTTP/2 further requests would share what there is.
            let shares = answer.response.version() >= Version::HTTP_2;
            let spreads = self.spreads && takes_ranges && !shares && self.skip == 0;
            let body = ResponseBody::new(answer);
            let start = self.position - self.skip;
            let mut ranges = Ranges::new(whole, body, start, spreads, self.trial);
            ranges.set_scratch(self.scratch.clone());
            self.source = Source::Open(Box::new(ranges));
            return Ok(());
        }
    }
}

impl std::fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BlobReader({} at {})", printable(&self.label), self.position)
    }
}
