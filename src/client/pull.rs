//! pull: manifest → layers, streamed and verified, into a staging directory → published at once.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::artifact::{Artifact, Content, Layer};
use super::endpoint::{Endpoint, Manifest};
use super::layer::LayerReader;
use super::{Outcome, Verb, diff_id};
use crate::archive::{
    Fingerprint, OtherLayers, Replaced, Staging, UnpackOptions, destination_identity, extraction, fingerprint,
};
use crate::error::{Error, Kind, Result};
use crate::fs::SMALL_FILE;
use crate::oci::{ArtifactKind, Descriptor, Digest, ImageManifest, media_type};
use crate::operation::Phase;
use crate::options::{self, Existing};
use crate::store::{PublishRecord, Store, boot_id, seconds_now};
use crate::thread::blocking;

/// Layers of today's Go package, which wrote links and special files that are refused elsewhere (Q61).
const TODAYS_LAYERS: &str = "application/vnd.architect.";

impl Verb {
    /// Pulls into a directory, all or nothing.
    pub(super) async fn pull(&self, mut endpoint: Endpoint, destination: PathBuf) -> Result<Outcome> {
        self.call.operation.enter(Phase::Resolving);
        if let Some(outcome) = self.unchanged(&mut endpoint, &destination).await? {
            return Ok(outcome);
        }
        let manifest = endpoint.image().await?;
        let exact = self.call.settings.existing != Existing::Merge || is_vacant(&destination);
        let has_diff_ids = diff_id::may_be_in(&manifest.document.config.media_type);
        let mut attempt = 0;
        let artifact = loop {
            attempt += 1;
            let config = async {
                let config = match self.call.settings.fetch_config {
                    true => fetch_config(&endpoint, &manifest.document).await,
                    false => Ok(None),
                };
                // The layers' threads are told to end, and waited for: nothing goes on behind the caller's back.
                config.or_else(|error| {
                    self.call.operation.fail(error);
                    Ok(None)
                })
            };
            let layers = self.unpack_layers(&endpoint, &manifest, &destination);
            let joined = tokio::try_join!(config, layers);
            let failed = self.call.operation.cause();
            match joined {
                Ok((config, (staging, contents, others))) => {
                    let (descriptor, layers) =
                        (manifest.descriptor.clone(), manifest.document.layers.clone());
                    let artifact = found(&endpoint, manifest, config);
                    let note = Note::new(self, &destination, &descriptor, &artifact, exact, others);
                    let config = artifact.config.clone();
                    let replaced = blocking(move || {
                        if let Some(error) = failed {
                            return Err(error);
                        }
                        if let Some(config) = config.filter(|_| has_diff_ids) {
                            diff_id::check(&config, &layers, &contents)?;
                        }
                        note.publish(staging)
                    })
                    .await?;
                    self.clear(replaced).await;
                    break artifact;
                }
                Err(error) if failed.is_some() || error.kind() == Kind::Cancelled => {
                    return Err(failed.filter(|_| error.kind() == Kind::Cancelled).unwrap_or(error));
                }
                // A partial download of an earlier run was not what it should have been: it is gone now.
                Err(error) if error.kind() == Kind::Digest && error.retryable() && attempt == 1 => {}
                // Another pull may have published the same meanwhile (F-18).
                Err(error) if error.kind() == Kind::Exists => {
                    return self.unchanged(&mut endpoint, &destination).await?.ok_or(error);
                }
                Err(error) => return Err(error),
            }
        };
        Ok(Outcome {
            digest: Some(artifact.digest.clone()),
            media_type: Some(artifact.media_type.clone()),
            size: Some(artifact.manifest.len() as u64),
            artifact: Some(artifact.into()),
            ..Outcome::default()
        })
    }
}

impl Verb {
    /// Removes what was replaced. A cancel comes too late for the pull: the rest goes by itself.
    async fn clear(&self, replaced: Option<Replaced>) {
        let Some(replaced) = replaced else { return };
        let operation = self.call.operation.clone();
        let clearing = blocking(move || {
            replaced.clear(&operation);
            Ok(())
        });
        tokio::select! {
            biased;
            _ = clearing => {}
            _ = self.call.operation.ended() => {}
        }
    }
}

/// Whether nothing is there, or an empty directory.
fn is_vacant(destination: &Path) -> bool {
    std::fs::read_dir(destination).map_or(true, |mut entries| entries.next().is_none())
}

/// The config's bytes; the empty one is known.
pub(super) async fn fetch_config(endpoint: &Endpoint, manifest: &ImageManifest) -> Result<Option<Arc<[u8]>>> {
    let descriptor = &manifest.config;
    if descriptor.size == 2 && descriptor.digest.verify(b"{}") {
        return Ok(Some(Arc::from(&b"{}"[..])));
    }
    Ok(Some(endpoint.config(descriptor).await?.into()))
}

/// The artifact that a manifest describes; its layers stay where they are.
pub(super) fn found(
    endpoint: &Endpoint,
    manifest: Manifest<ImageManifest>,
    config: Option<Arc<[u8]>>,
) -> Artifact {
    let image = manifest.document;
    let place = endpoint.reference.with_digest(&manifest.descriptor.digest);
    let layer_type = image.layers.first().map_or("", |layer| &layer.media_type);
    Artifact {
        kind: ArtifactKind::from_types(image.artifact_type(), &image.config.media_type, layer_type),
        reference: Some(endpoint.reference.clone()),
        digest: manifest.descriptor.digest.clone(),
        media_type: manifest.descriptor.media_type,
        manifest: manifest.bytes,
        config_descriptor: image.config,
        config,
        layers: image
            .layers
            .into_iter()
            .map(|descriptor| Layer { descriptor, content: Content::Remote(place.clone()) })
            .collect(),
        annotations: image.annotations,
        subject: image.subject,
    }
}

impl Verb {
    /// Streams every layer into a staging directory. The destination is looked at before a byte is asked for.
    async fn unpack_layers(
        &self,
        endpoint: &Endpoint,
        manifest: &Manifest<ImageManifest>,
        destination: &Path,
    ) -> Result<(Staging, Vec<Option<Digest>>, bool)> {
        let layers = manifest.document.layers.clone();
        let mut options = UnpackOptions::from_settings(&self.call.settings);
        if manifest.descriptor.media_type == media_type::DOCKER_MANIFEST
            && layers.iter().all(|layer| layer.media_type.starts_with(TODAYS_LAYERS))
        {
            options.skip_special = true;
        }
        let image = &manifest.document;
        let layer_type = layers.first().map_or("", |layer| &layer.media_type);
        let kind = ArtifactKind::from_types(image.artifact_type(), &image.config.media_type, layer_type);
        if self.call.settings.other_layers == options::OtherLayers::Default
            && !matches!(kind, ArtifactKind::Custom { .. })
        {
            options.other_layers = OtherLayers::Refuse;
        }
        options.hash_content =
            self.call.settings.fetch_config && diff_id::may_be_in(&manifest.document.config.media_type);
        let (verb, endpoint, destination) = (self.clone(), endpoint.clone(), destination.to_owned());
        blocking(move || {
            let operation = &verb.call.operation;
            if options.existing == Existing::Replace {
                options.keep.extend(verb.client.store()?.map(|store| store.path().to_owned()));
                options.keep.extend(endpoint.layout().map(Path::to_owned));
            }
            let plan = options.plan(&layers, operation)?;
            let mut staging = Staging::prepare(&destination, &options)?;
            let mut contents = vec![None; layers.len()];
            let layers = || {
                layers
                    .iter()
                    .zip(&plan.wanted)
                    .enumerate()
                    .filter_map(|(at, (layer, wanted))| wanted.then_some((at, layer)))
            };
            operation.enter(Phase::Downloading);
            layers().for_each(|(_, layer)| operation.expect(layer.digest.as_str(), layer.size));
            let parallel = verb.call.settings.parallel;
            let mut waiting: VecDeque<LayerReader> = VecDeque::new();
            let mut coming = layers();
            for (at, layer) in layers() {
                while waiting.len() < parallel {
                    let Some((_, next)) = coming.next() else { break };
                    waiting.push_back(LayerReader::open(&verb, &endpoint, next)?);
                }
                let Some(mut reader) = waiting.pop_front() else { break };
                let unpacked = staging.unpack(layer, &mut reader, operation);
                let verified = reader.finish();
                let content = match (unpacked, verified) {
                    // Bytes that were damaged on their way are not the archive's fault.
                    (Err(refused), Err(damaged))
                        if matches!(refused.kind(), Kind::Unsafe | Kind::Protocol)
                            && matches!(damaged.kind(), Kind::Digest | Kind::Size) =>
                    {
                        return Err(damaged);
                    }
                    (Err(error), _) | (Ok(_), Err(error)) => return Err(error),
                    (Ok(content), Ok(())) => content,
                };
                if let Some(place) = contents.get_mut(at) {
                    *place = content;
                }
            }
            Ok((staging, contents, plan.others))
        })
        .await
    }

    /// Whether the destination holds this digest already, by the record of an earlier pull; one HEAD. What the tag
    /// is found to be then is what is pulled.
    async fn unchanged(&self, endpoint: &mut Endpoint, destination: &Path) -> Result<Option<Outcome>> {
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
        use crate::oci::{Document, parse_document};
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
        Ok(Some(found(endpoint, manifest, config.map(Arc::from))))
    }
}

/// What is noted of a pull once it is published. A store that can't be written costs the next pull its short
/// cut, no more.
struct Note {
    verb: Verb,
    destination: PathBuf,
    /// Manifest and config.
    blobs: Vec<(Descriptor, Bytes)>,
    manifest: Digest,
    exact: bool,
    others: bool,
}

impl Note {
    fn new(
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
    fn publish(&self, staging: Staging) -> Result<Option<Replaced>> {
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
