//! What is noted of a pull, and whether a destination still holds what was pulled into it.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::artifact::Artifact;
use super::endpoint::{Endpoint, Manifest};
use super::{Outcome, Verb};
use crate::archive::{Fingerprint, Replaced, Staging, destination_identity, extraction, fingerprint};
use crate::error::{Error, Kind, Result};
use crate::fs::SMALL_FILE;
use crate::oci::{Descriptor, Digest, Document, media_type, parse_document};
use crate::options::Existing;
use crate::store::{PublishRecord, Store, boot_id, seconds_now};
use crate::thread::blocking;

impl Verb {
    /// Whether the destination holds this digest already, by the record of an earlier pull; one HEAD. What the tag
    /// is found to be then is what is pulled.
    pub(super) async fn unchanged(
        &self,
        endpoint: &mut Endpoint,
        destination: &Path,
    ) -> Result<Option<Outcome>> {
        let (client, place) = (self.client.clone(), destination.to_owned());
        let record = blocking(move || {
            let Some(store) = client.store()? else { return Ok(None) };
            let record = store.published(&place)?;
            Ok(record
                .filter(|r| destination_identity(&place) == Some((r.device, r.inode)))
                .map(|r| (store, r)))
        })
        .await?;
        let Some((store, record)) = record else { return Ok(None) };
        if record.extraction != extraction(&self.call.settings, record.others) {
            return Ok(None);
        }
        // A destination that was merged into holds more than the artifact: only another merge leaves it so.
        if !record.exact && self.call.settings.existing != Existing::Merge {
            return Ok(None);
        }
        let Some(descriptor) = endpoint.resolve().await? else { return Ok(None) };
        endpoint.target.digest = Some(descriptor.digest.clone());
        // Of an index the record has the manifest that was chosen; only an index by digest is told apart cheaply.
        if descriptor.digest != record.manifest || media_type::is_index(&descriptor.media_type) {
            return Ok(None);
        }
        let (place, operation) = (destination.to_owned(), self.call.operation.clone());
        let renewed = store.clone();
        let follow = self.call.settings.follow_destination;
        let threads = self.call.settings.worker_threads();
        let same = blocking(move || {
            let print = fingerprint(&place, record.since, threads, &operation)?;
            let same = print.digest == record.fingerprint;
            if same {
                if record.is_settled() {
                    // Changes from now on show in the times; one that can't be kept is read again.
                    let record = PublishRecord { fingerprint: print.settled, since: None, ..record };
                    let _ = renewed.set_published(&place, &record);
                }
                // Of a pull to here that was killed before it published; what can't be removed harms nobody.
                let _ = Staging::remove_left_overs(&place, follow);
            }
            Ok(same)
        })
        .await;
        match same {
            Ok(true) => {}
            Err(error) if matches!(error.kind(), Kind::Cancelled | Kind::Timeout) => return Err(error),
            _ => return Ok(None),
        }
        let limit = self.call.settings.max_manifest_bytes;
        let at = descriptor.clone();
        let manifest = blocking(move || kept(&store, &at, limit)).await.ok().flatten();
        let mut outcome = Outcome {
            digest: Some(descriptor.digest.clone()),
            media_type: Some(descriptor.media_type.clone()),
            size: Some(descriptor.size),
            unchanged: true,
            ..Outcome::default()
        };
        if let Some(bytes) = manifest {
            outcome.artifact = self.remembered(endpoint, descriptor, bytes).await?.map(Arc::new);
        }
        Ok(Some(outcome))
    }

    /// The artifact of an unchanged destination, from the store alone.
    async fn remembered(
        &self,
        endpoint: &Endpoint,
        descriptor: Descriptor,
        bytes: Vec<u8>,
    ) -> Result<Option<Artifact>> {
        let limit = self.call.settings.max_descriptors;
        let Ok(Document::Image(document)) = parse_document(&bytes, &descriptor.media_type, limit) else {
            return Ok(None);
        };
        let (client, config) = (self.client.clone(), document.config.clone());
        let limit = self.call.settings.max_config_bytes;
        let config = blocking(move || match client.store()? {
            Some(store) => kept(&store, &config, limit),
            None => Ok(None),
        })
        .await
        .ok()
        .flatten();
        let manifest = Manifest { descriptor, bytes: bytes.into(), document };
        Ok(Some(endpoint.artifact(manifest, config.map(Arc::from))))
    }
}

/// What is noted of a pull once it is published. A store that can't be written costs the next pull its short
/// cut, no more.
pub(super) struct Note {
    verb: Verb,
    destination: PathBuf,
    /// Manifest and config.
    blobs: Vec<(Descriptor, Bytes)>,
    manifest: Digest,
    exact: bool,
    others: bool,
}

impl Note {
    pub(super) fn new(
        verb: &Verb,
        destination: &Path,
        manifest: &Descriptor,
        artifact: &Artifact,
        exact: bool,
        others: bool,
    ) -> Self {
        let mut blobs = vec![(manifest.clone(), artifact.manifest.clone())];
        let config = artifact.config.clone().map(Bytes::from_owner);
        blobs.extend(config.map(|config| (artifact.config_descriptor.clone(), config)));
        Self {
            verb: verb.clone(),
            destination: destination.to_owned(),
            blobs,
            manifest: manifest.digest.clone(),
            exact,
            others,
        }
    }

    /// Publishes, and notes it.
    pub(super) fn publish(&self, staging: Staging) -> Result<Option<Replaced>> {
        let operation = &self.verb.call.operation;
        staging.publish_noting(Some(&mut |identity, print| drop(self.save(identity, print))), operation)
    }

    fn save(&self, (device, inode): (u64, u64), print: Fingerprint) -> Result<()> {
        let Some(store) = self.verb.client.store()? else { return Ok(()) };
        for (descriptor, bytes) in &self.blobs {
            keep(&store, descriptor, bytes)?;
        }
        let record = PublishRecord {
            device,
            inode,
            manifest: self.manifest.clone(),
            fingerprint: print.digest,
            since: print.since,
            noted: seconds_now(),
            exact: self.exact,
            durable: self.verb.call.settings.durable,
            extraction: extraction(&self.verb.call.settings, self.others),
            others: self.others,
            boot_id: boot_id(),
        };
        store.set_published(&self.destination, &record)
    }
}

/// Keeps a small blob, so that an unchanged destination can be described without a request.
fn keep(store: &Store, descriptor: &Descriptor, bytes: &[u8]) -> Result<()> {
    if matches!(store.open_blob(descriptor), Ok(Some(_))) {
        return Ok(());
    }
    let mut writer = store.create_blob(descriptor)?;
    writer.write_all(bytes).map_err(|e| Error::io(&descriptor.digest, e))?;
    writer.commit()
}

/// A small blob that was kept; none where it is gone or damaged.
fn kept(store: &Store, descriptor: &Descriptor, limit: usize) -> Result<Option<Vec<u8>>> {
    let Some(file) = store.open_blob(descriptor)?.filter(|_| descriptor.size <= limit as u64) else {
        return Ok(None);
    };
    let mut bytes = Vec::with_capacity(SMALL_FILE);
    file.take(descriptor.size).read_to_end(&mut bytes).map_err(|e| Error::io(&descriptor.digest, e))?;
    let whole = descriptor.digest.verify(&bytes);
    if !whole {
        // The next pull that publishes keeps it anew.
        store.remove_blob(&descriptor.digest)?;
    }
    Ok(Some(bytes).filter(|_| whole))
}
