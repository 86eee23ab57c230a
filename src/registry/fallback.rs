//! The fallback tag: the list of what refers to a manifest, kept by the clients where a registry keeps none
//! (distribution-spec, "Referrers Tag Schema"). Each writes it whole, and no registry compares before it takes
//! it. So a writer looks again until the list stays as it is (Q68).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::repository::Repository;
use super::retry;
use crate::error::{Error, Kind, Result};
use crate::oci::{Descriptor, Digest, Document, ImageIndex, media_type, parse_document};
use crate::operation::Count;
use crate::options::{Environment, Options, Settings};

/// How often a change is made again that others overwrote.
const WRITES: u32 = 10;
/// How often the list is looked at in all.
const LOOKS: u32 = 60;
/// How much longer another may take to write the list than this client did.
const SOME_TIMES: u32 = 4;
/// A change that was there in so many looks one after another is there to stay, whatever else changes.
const LASTING: u32 = 8;

/// Entries come, or one goes.
enum Change<'a> {
    Add(&'a [Descriptor]),
    Remove(&'a Digest),
}

impl Change<'_> {
    fn is_made(&self, list: &[Descriptor]) -> bool {
        let lists = |digest: &Digest| list.iter().any(|known| known.digest == *digest);
        match self {
            Self::Add(referrers) => referrers.iter().all(|referrer| lists(&referrer.digest)),
            Self::Remove(digest) => !lists(digest),
        }
    }

    fn make(&self, list: &mut Vec<Descriptor>) {
        match self {
            Self::Add(referrers) => {
                for referrer in *referrers {
                    if !list.iter().any(|known| known.digest == referrer.digest) {
                        list.push(referrer.clone());
                    }
                }
            }
            Self::Remove(digest) => list.retain(|known| known.digest != **digest),
        }
    }
}

/// What a write left at the tag, and how long it took from reading the list on.
struct Written {
    digest: Digest,
    took: Duration,
}

impl Repository {
    /// Adds referrers to the fallback tag, for a registry that took no note of the manifests' subject
    /// ([`super::Put`]). Each carries the artifact type and the annotations (Q66).
    pub async fn put_referrers(&self, subject: &Digest, referrers: &[Descriptor]) -> Result<()> {
        self.change_fallback(subject, &Change::Add(referrers)).await
    }

    /// Takes a manifest that was deleted out of the fallback tag.
    pub(super) async fn remove_referrer(&self, subject: &Digest, referrer: &Digest) -> Result<()> {
        self.change_fallback(subject, &Change::Remove(referrer)).await
    }

    /// The list at the fallback tag and its digest; nothing where there is none.
    pub(super) async fn fallback(&self, subject: &Digest) -> Result<Option<(Digest, ImageIndex)>> {
        let tag = subject.as_tag();
        let (descriptor, bytes) = match self.get_manifest(&tag).await {
            Ok(found) => found,
            Err(error) if error.kind() == Kind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // GitLab takes the tag for the digest and answers with the subject itself (Q64).
        if descriptor.digest == *subject {
            return Ok(None);
        }
        let limit = self.call.settings.max_descriptors;
        match parse_document(&bytes, &descriptor.media_type, limit)? {
            Document::Index(index) => Ok(Some((descriptor.digest, index))),
            Document::Image(_) => Ok(None),
        }
    }

    async fn change_fallback(&self, subject: &Digest, change: &Change<'_>) -> Result<()> {
        let Some(mut written) = self.write_fallback(subject, change).await? else { return Ok(()) };
        let (mut lost, mut lasted) = (0, 0);
        for _ in 0..LOOKS {
            // Who read the list before this write may need some times as long to write it as this client did.
            let pause = retry::jittered(lost.min(3)).max(written.took.saturating_mul(SOME_TIMES));
            let begun = Instant::now();
            tokio::time::sleep(pause).await;
            let (digest, list) = match self.fallback(subject).await? {
                Some((digest, index)) => (Some(digest), index.manifests),
                None => (None, Vec::new()),
            };
            // A look that comes late tells of a busy machine, on which another writer may be late as well.
            let late = begun.elapsed().saturating_sub(pause);
            let in_time = late.saturating_mul(SOME_TIMES) <= pause;
            written.took = written.took.max(late);
            if change.is_made(&list) {
                lasted += 1;
                let stays = digest.as_ref().is_none_or(|digest| *digest == written.digest);
                if lasted >= LASTING || (stays && in_time) {
                    return Ok(());
                }
                written.digest = digest.unwrap_or(written.digest);
                continue;
            }
            (lost, lasted) = (lost + 1, 0);
            if lost > WRITES {
                break;
            }
            self.call.operation.count(Count::Retry);
            match self.write_fallback(subject, change).await? {
                Some(again) => written = again,
                None => written.digest = digest.unwrap_or(written.digest),
            }
        }
        let tag = subject.as_tag();
        Err(Error::new(
            Kind::Busy,
            format!("{}: the tag {tag} keeps being written by other clients", self.name()),
        ))
    }

    /// Reads the list and writes it with the change; nothing where the change is made already.
    async fn write_fallback(&self, subject: &Digest, change: &Change<'_>) -> Result<Option<Written>> {
        let tag = subject.as_tag();
        let turn = turn(format!("{}:{tag}", self.name()));
        let _turn = turn.lock().await;
        let begun = Instant::now();
        let mut index = match self.fallback(subject).await? {
            Some((_, index)) => index,
            None => ImageIndex {
                schema_version: 2,
                media_type: media_type::OCI_INDEX.to_owned(),
                artifact_type: None,
                manifests: Vec::new(),
                subject: None,
                annotations: Default::default(),
            },
        };
        if change.is_made(&index.manifests) {
            return Ok(None);
        }
        change.make(&mut index.manifests);
        let bytes = index.to_bytes();
        if matches!(change, Change::Add(_)) {
            self.check_readable(&tag, index.manifests.len(), bytes.len())?;
        }
        self.put_manifest(&tag, media_type::OCI_INDEX, &bytes).await?;
        Ok(Some(Written { digest: Digest::of(&bytes), took: begun.elapsed() }))
    }

    /// Whoever has the default limits must be able to read the list: all who attach here read it first.
    fn check_readable(&self, tag: &str, entries: usize, bytes: usize) -> Result<()> {
        let usual = Settings::for_client(&Options::default(), Environment::default())?;
        let own = &self.call.settings;
        let most_entries = usual.max_descriptors.min(own.max_descriptors);
        let most_bytes = usual.max_manifest_bytes.min(own.max_manifest_bytes);
        let (limit, what) = if entries > most_entries {
            (most_entries, "entries (option max_descriptors)")
        } else if bytes > most_bytes {
            (most_bytes, "bytes (option max_manifest_bytes)")
        } else {
            return Ok(());
        };
        let name = self.name();
        let why = "which could not be read any more; delete referrers that are no longer needed";
        Err(Error::new(Kind::Limit, format!("{name}: the tag {tag} would have over {limit} {what}, {why}")))
    }
}

/// Writers of one tag take turns within this process, whichever client they use.
type Turn = tokio::sync::Mutex<()>;

fn turn(tag: String) -> Arc<Turn> {
    static TURNS: Mutex<Option<HashMap<String, Weak<Turn>>>> = Mutex::new(None);
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    let turns = turns.get_or_insert_default();
    turns.retain(|_, turn| turn.strong_count() > 0);
    if let Some(turn) = turns.get(&tag).and_then(Weak::upgrade) {
        return turn;
    }
    let turn = Arc::default();
    turns.insert(tag, Arc::downgrade(&turn));
    turn
}

/// Whether a tag has the form of one that lists referrers.
pub(crate) fn is_fallback_tag(tag: &str) -> bool {
    let hex = tag.split_once('-').filter(|(algorithm, _)| matches!(*algorithm, "sha256" | "sha512"));
    hex.is_some_and(|(_, hex)| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}
