//! What is learnt about a host: how it takes blobs.

/// Chunks, where a host wants them.
pub(super) const CHUNK: u64 = CHUNKS[0];
/// Smaller ones, where a host refuses the larger (GHCR takes 4 MiB in a PATCH, Q33).
pub(super) const CHUNKS: [u64; 3] = [16 << 20, 4 << 20, 1 << 20];

/// How a host takes blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    /// All of it in the PUT.
    Whole,
    /// All of it in one PATCH, then an empty PUT (Q37, Q38).
    Streamed,
    /// One PATCH for each part of at most so many bytes; the last goes in the PUT (Q33, Q36).
    Chunked(u64),
}

/// What was learnt about a host's uploads.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostCapabilities {
    pub(super) strategy: Strategy,
    /// A mount does not fail there (Q48).
    pub(super) mounts: bool,
    pub(super) mounts_from_itself: bool,
    /// A body whose length shows at its end.
    pub(super) takes_streamed: bool,
}

impl Default for HostCapabilities {
    fn default() -> Self {
        Self { strategy: Strategy::Whole, mounts: true, mounts_from_itself: true, takes_streamed: true }
    }
}

impl Strategy {
    /// The way to try after this one was refused.
    pub(super) fn after(self, status: Option<u16>, size: u64) -> Option<Self> {
        let chunks_below = |limit| CHUNKS.into_iter().find(|length| *length < limit).map(Self::Chunked);
        match (self, status) {
            (Self::Whole, Some(413)) => chunks_below(size),
            (Self::Whole, _) => Some(Self::Streamed),
            (Self::Streamed, Some(413 | 416)) => chunks_below(size),
            (Self::Chunked(length), Some(413 | 416)) => chunks_below(length),
            _ => None,
        }
    }

    /// The registry's own least chunk is heeded where it makes sense.
    pub(super) fn with_least(self, least: u64) -> Self {
        match self {
            Self::Chunked(_) if least > 16 * CHUNK => Self::Streamed,
            Self::Chunked(length) => Self::Chunked(length.max(least)),
            other => other,
        }
    }
}
