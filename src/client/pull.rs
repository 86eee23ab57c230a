//! pull: manifest → layers, streamed and verified, into a staging directory → published at once.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::endpoint::{Endpoint, Manifest};
use super::layer::LayerReader;
use super::published::Note;
use super::{Outcome, Verb, diff_id};
use crate::archive::{OtherLayers, Replaced, Staging, UnpackOptions};
use crate::error::{Kind, Result};
use crate::oci::{ArtifactKind, Digest, ImageManifest, media_type};
use crate::operation::Phase;
use crate::options::{self, Existing};
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
                    true => endpoint.config_of(&manifest.document).await,
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
                    let artifact = endpoint.artifact(manifest, config);
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
}
