//! The Rust API as the suite sees it.

use std::path::Path;

use cldoci::oci::ArtifactKind;
use cldoci::{Artifact, Error};

use super::super::ours::{Done, Ours};
use super::{Api, Description, Failure, Outcome, Report};

pub struct RustApi(Ours);

fn failure(error: Error) -> Failure {
    let name = format!("{:?}", error.kind());
    let mut kind = String::new();
    for (at, c) in name.char_indices() {
        if at > 0 && c.is_ascii_uppercase() {
            kind.push('_');
        }
        kind.push(c.to_ascii_uppercase());
    }
    let listed = error.registry_errors().iter();
    Failure {
        kind,
        message: error.message().to_owned(),
        http_status: error.http_status(),
        listed: listed.map(|one| (one.code.clone(), one.message.clone(), one.detail.clone())).collect(),
    }
}

impl RustApi {
    /// A verb whose call is given these options.
    fn run(
        &self,
        options: &[(&str, &str)],
        verb: impl FnOnce(&Ours) -> cldoci::Result<Done>,
    ) -> Outcome<Self> {
        let Done { outcome, counters, warnings, progress } =
            self.0.try_given(options).and_then(|ours| verb(&ours)).map_err(failure)?;
        Ok(Report {
            digest: outcome.digest.map(|d| d.to_string()),
            media_type: outcome.media_type,
            size: outcome.size,
            exists: outcome.exists,
            artifact: outcome.artifact.as_deref().cloned(),
            bytes: outcome.bytes,
            tags: outcome.tags,
            referrers: outcome.referrers.iter().map(|d| d.digest.to_string()).collect(),
            listed: outcome
                .entries
                .into_iter()
                .map(|entry| {
                    let platform = entry.platform.map(|platform| platform.to_string());
                    (entry.media_type, entry.digest.to_string(), entry.size, platform, entry.artifact_type)
                })
                .collect(),
            left_out: outcome
                .left_out
                .iter()
                .map(|l| (l.path.display().to_string(), l.reason.to_string()))
                .collect(),
            unchanged: outcome.unchanged,
            warnings,
            requests: counters.requests,
            bytes_sent: counters.bytes_sent,
            skipped: counters.blobs_skipped,
            mounted: counters.blobs_mounted,
            uploaded: counters.blobs_uploaded,
            moved: (progress.bytes_done, progress.bytes_total),
            entries: (progress.entries_done, progress.entries_total),
        })
    }
}

impl Api for RustApi {
    type Artifact = Artifact;

    fn client(options: &[(&str, &str)]) -> Result<Self, Failure> {
        Ours::try_with(options).map(Self).map_err(failure)
    }
    fn build(&self, dir: &Path, kind: &str, config: &[u8], options: &[(&str, &str)]) -> Outcome<Self> {
        self.run(options, |ours| ours.build_as(&ArtifactKind::from_name(kind)?, config, dir))
    }
    fn build_and_push(
        &self,
        dir: &Path,
        kind: &str,
        config: &[u8],
        to: &str,
        options: &[(&str, &str)],
    ) -> Outcome<Self> {
        self.run(options, |ours| ours.build_and_push_as(&ArtifactKind::from_name(kind)?, config, dir, to))
    }
    fn push(&self, artifact: &Artifact, to: &str, options: &[(&str, &str)]) -> Outcome<Self> {
        self.run(options, |ours| ours.push(artifact, to))
    }
    fn pull(&self, from: &str, dir: &Path, options: &[(&str, &str)]) -> Outcome<Self> {
        self.run(options, |ours| ours.pull(from, dir))
    }
    fn pull_config(&self, from: &str) -> Outcome<Self> {
        self.run(&[], |ours| ours.pull_config(from))
    }
    fn exists(&self, at: &str) -> Outcome<Self> {
        self.run(&[], |ours| ours.exists(at))
    }
    fn resolve(&self, at: &str) -> Outcome<Self> {
        self.run(&[], |ours| ours.resolve(at))
    }
    fn tag(&self, source: &str, target: &str) -> Outcome<Self> {
        self.run(&[], |ours| ours.tag(source, target))
    }
    fn copy(&self, source: &str, target: &str, options: &[(&str, &str)]) -> Outcome<Self> {
        self.run(options, |ours| ours.copy(source, target))
    }
    fn list_tags(&self, at: &str) -> Outcome<Self> {
        self.run(&[], |ours| ours.list_tags(at))
    }
    fn inspect(&self, at: &str) -> Outcome<Self> {
        self.run(&[], |ours| ours.inspect(at))
    }
    fn read_manifest(&self, at: &str) -> Outcome<Self> {
        self.run(&[], |ours| ours.read_manifest(at))
    }
    fn delete(&self, at: &str) -> Outcome<Self> {
        self.run(&[], |ours| ours.delete(at))
    }
    fn collect_garbage(&self, at: &str) -> Outcome<Self> {
        self.run(&[], |ours| ours.collect_garbage(at))
    }
    fn attach(&self, artifact: &Artifact, subject: &str) -> Outcome<Self> {
        self.run(&[], |ours| ours.attach(artifact, subject))
    }
    fn referrers(&self, at: &str) -> Outcome<Self> {
        self.run(&[], |ours| ours.referrers(at))
    }
    fn read_layer(&self, artifact: &Artifact, index: usize) -> Outcome<Self> {
        self.run(&[], |ours| ours.read_layer(artifact, index, None))
    }
    fn describe(artifact: &Artifact) -> Description {
        Description {
            kind: artifact.kind.name().to_owned(),
            digest: artifact.digest.to_string(),
            config: artifact.config.as_deref().map(<[u8]>::to_vec),
            layers: artifact
                .layers
                .iter()
                .map(|l| {
                    (l.descriptor.media_type.clone(), l.descriptor.digest.to_string(), l.descriptor.size)
                })
                .collect(),
            annotations: artifact.annotations.clone().into_iter().collect(),
        }
    }
}
