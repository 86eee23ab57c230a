//! The blobs that a registry named a manifest with, at this client's own pushes of late: a push of the same need not ask
//! for them again, as the registry looks itself before it takes the manifest.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::oci::{Digest, Reference};

/// A registry may collect what nothing names any more: after so long it is asked.
const FRESH: Duration = Duration::from_secs(300);
/// No more are kept in mind.
const MOST: usize = 4096;

/// When each was seen, by repository and digest.
#[derive(Default)]
pub(super) struct SeenBlobs(Mutex<HashMap<(String, Digest), Instant>>);

/// The repository; a layout looks for itself.
fn place(reference: &Reference) -> Option<String> {
    match reference {
        Reference::Registry(at) => Some(format!("{}/{}", at.registry, at.repository)),
        Reference::Layout(_) => None,
    }
}

impl SeenBlobs {
    fn seen(&self) -> MutexGuard<'_, HashMap<(String, Digest), Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was seen there of late.
    pub(super) fn knows(&self, at: &Reference, digest: &Digest) -> bool {
        let Some(place) = place(at) else { return false };
        self.seen().get(&(place, digest.clone())).is_some_and(|since| since.elapsed() < FRESH)
    }

    /// The registry has just taken a manifest that names these.
    pub(super) fn note<'a>(&self, at: &Reference, digests: impl Iterator<Item = &'a Digest>) {
        let Some(place) = place(at) else { return };
        let now = Instant::now();
        let mut seen = self.seen();
        for digest in digests {
            if seen.len() >= MOST {
                seen.retain(|_, since| since.elapsed() < FRESH);
            }
            if seen.len() < MOST {
                seen.insert((place.clone(), digest.clone()), now);
            }
        }
    }

    /// Nothing is known of what is there.
    pub(super) fn forget(&self, at: &Reference) {
        let place = place(at);
        self.seen().retain(|(known, _), _| Some(known) != place.as_ref());
    }
}
