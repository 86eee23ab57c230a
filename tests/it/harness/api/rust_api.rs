//! The Rust API as the suite sees it.

use std::path::Path;

use cldoci::oci::{ArtifactKind, Reference};
use cldoci::options::Options;
use cldoci::{Artifact, Call, Client, Error};

use super::{Api, Description, Failure, Outcome, Report};

pub struct RustApi {
    client: Client,
    runtime: tokio::runtime::Runtime,
}

fn options(pairs: &[(&str, &str)]) -> Result<Options, Failure> {
    let mut options = Options::new();
    for (name, value) in pairs {
        options.set(name, value).map_err(failure)?;
    }
    Ok(options)
}

fn failure(error: Error) -> Failure {
    let name = format!("{:?}", error.kind());
    let mut kind = String::new();
    for (at, c) in name.char_indices() {
        if at > 0 && c.is_ascii_uppercase() {
            kind.push('_');
        }
        kind.push(c.to_ascii_uppercase());
    }
    Failure { kind, message: error.message().to_owned(), http_status: error.http_status() }
}

fn reference(text: &str) -> Result<Reference, Failure> {
    text.parse().map_err(failure)
}

impl RustApi {
    fn run<F: Future<Output = cldoci::Result<cldoci::Outcome>> + Send + 'static>(
        &self,
        pairs: &[(&str, &str)],
        verb: impl FnOnce(&Client, &Call) -> F,
    ) -> Outcome<Self> {
        let options = options(pairs)?;
        let call = self.client.call(Some(&options)).map_err(failure)?;
        let outcome = self.runtime.block_on(verb(&self.client, &call)).map_err(failure)?;
        let counters = call.operation.counters();
        Ok(Report {
            digest: outcome.digest.map(|d| d.to_string()),
            media_type: outcome.media_type,
            size: outcome.size,
            exists: outcome.exists,
            artifact: outcome.artifact,
            bytes: outcome.bytes,
            tags: outcome.tags,
            referrers: outcome.referrers.iter().map(|d| d.digest.to_string()).collect(),
            left_out: outcome
                .left_out
                .iter()
                .map(|l| (l.path.display().to_string(), l.reason.to_string()))
                .collect(),
            unchanged: outcome.unchanged,
            warnings: call.operation.warnings(),
            requests: counters.requests,
            bytes_sent: counters.bytes_sent,
            skipped: counters.blobs_skipped,
            mounted: counters.blobs_mounted,
            uploaded: counters.blobs_uploaded,
        })
    }
}

impl Api for RustApi {
    type Artifact = Artifact;

    fn client(pairs: &[(&str, &str)]) -> Result<Self, Failure> {
        let client = Client::new(&options(pairs)?).map_err(failure)?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Ok(Self { client, runtime })
    }
    fn build(&self, dir: &Path, kind: &str, config: &[u8], options: &[(&str, &str)]) -> Outcome<Self> {
        let kind = ArtifactKind::from_name(kind).map_err(failure)?;
        self.run(options, |c, call| c.build(dir, &kind, config, call))
    }
    fn build_and_push(
        &self,
        dir: &Path,
        kind: &str,
        config: &[u8],
        to: &str,
        options: &[(&str, &str)],
    ) -> Outcome<Self> {
        let (kind, to) = (ArtifactKind::from_name(kind).map_err(failure)?, reference(to)?);
        self.run(options, |c, call| c.build_and_push(dir, &kind, config, &to, call))
    }
    fn push(&self, artifact: &Artifact, to: &str, options: &[(&str, &str)]) -> Outcome<Self> {
        let to = reference(to)?;
        self.run(options, |c, call| c.push(artifact, &to, call))
    }
    fn pull(&self, from: &str, dir: &Path, options: &[(&str, &str)]) -> Outcome<Self> {
        let from = reference(from)?;
        self.run(options, |c, call| c.pull(&from, dir, call))
    }
    fn pull_config(&self, from: &str) -> Outcome<Self> {
        let from = reference(from)?;
        self.run(&[], |c, call| c.pull_config(&from, call))
    }
    fn exists(&self, at: &str) -> Outcome<Self> {
        let at = reference(at)?;
        self.run(&[], |c, call| c.exists(&at, call))
    }
    fn resolve(&self, at: &str) -> Outcome<Self> {
        let at = reference(at)?;
        self.run(&[], |c, call| c.resolve(&at, call))
    }
    fn tag(&self, source: &str, target: &str) -> Outcome<Self> {
        let (source, target) = (reference(source)?, reference(target)?);
        self.run(&[], |c, call| c.tag(&source, &target, call))
    }
    fn copy(&self, source: &str, target: &str, options: &[(&str, &str)]) -> Outcome<Self> {
        let (source, target) = (reference(source)?, reference(target)?);
        self.run(options, |c, call| c.copy(&source, &target, call))
    }
    fn list_tags(&self, at: &str) -> Outcome<Self> {
        let at = reference(at)?;
        self.run(&[], |c, call| c.list_tags(&at, call))
    }
    fn inspect(&self, at: &str) -> Outcome<Self> {
        let at = reference(at)?;
        self.run(&[], |c, call| c.inspect(&at, call))
    }
    fn delete(&self, at: &str) -> Outcome<Self> {
        let at = reference(at)?;
        self.run(&[], |c, call| c.delete(&at, call))
    }
    fn collect_garbage(&self, at: &str) -> Outcome<Self> {
        let at = reference(at)?;
        self.run(&[], |c, call| c.collect_garbage(&at, call))
    }
    fn attach(&self, artifact: &Artifact, subject: &str) -> Outcome<Self> {
        let subject = reference(subject)?;
        self.run(&[], |c, call| c.attach(artifact, &subject, call))
    }
    fn referrers(&self, at: &str) -> Outcome<Self> {
        let at = reference(at)?;
        self.run(&[], |c, call| c.referrers(&at, call))
    }
    fn read_layer(&self, artifact: &Artifact, index: usize) -> Outcome<Self> {
        self.run(&[], |c, call| c.read_layer(artifact, index, None, call))
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
