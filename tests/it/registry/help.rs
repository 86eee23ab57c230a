//! Short ways to say what every test here says.

use std::sync::Arc;

use bytes::Bytes;
use cldoci::credentials::CredentialCache;
use cldoci::oci::{Descriptor, Digest, ImageManifest, Reference, media_type};
use cldoci::options::{Environment, Options, Settings};
use cldoci::registry::{BlobReader, BytesSource, Names, NoSessions, Registry, Repository, Uploaded};
use cldoci::{Call, Operation, Result};

use crate::harness::ours::options;
pub use crate::harness::ours::run;

pub fn settings(pairs: &[(&str, &str)]) -> Settings {
    Settings::for_client(&options(pairs), Environment::default()).unwrap()
}

/// A repository `test/app` for a client with all kinds of options.
pub fn with_options(host: &str, options: &Options, names: Option<Arc<dyn Names>>) -> Repository {
    let settings = Settings::for_client(options, Environment::default()).unwrap();
    let credentials = Arc::new(CredentialCache::new(&settings, None).unwrap());
    open(&Registry::with(&settings, names, Some(credentials)).unwrap(), &settings, host, "test/app")
}

/// A repository `test/app` of the server at `host`, with a client of its own.
pub fn repository(host: &str, options: &[(&str, &str)]) -> Repository {
    let settings = settings(options);
    open(&Registry::new(&settings).unwrap(), &settings, host, "test/app")
}

/// The same repository for a call of its own.
pub fn again(repository: &Repository) -> Repository {
    let settings = repository.call().settings.clone();
    repository.clone().for_call(&Call::new(settings, Operation::new()))
}

pub fn open(registry: &Registry, settings: &Settings, host: &str, name: &str) -> Repository {
    let Reference::Registry(reference) = format!("{host}/{name}:v1").parse().unwrap() else { panic!() };
    let operation = Operation::with_timeout(settings.deadline());
    registry.repository(&reference, &Call::new(settings.clone(), operation)).unwrap()
}

pub async fn upload(repository: &Repository, bytes: &[u8]) -> Result<(Descriptor, Uploaded)> {
    let descriptor = Descriptor::of("application/octet-stream", bytes);
    let source = Arc::new(BytesSource(Bytes::copy_from_slice(bytes)));
    let how = repository.upload_blob(&descriptor, source, &[], Arc::new(NoSessions)).await?;
    Ok((descriptor, how))
}

pub async fn read(mut reader: BlobReader) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(chunk) = reader.chunk().await? {
        whole.extend_from_slice(&chunk);
    }
    Ok(whole)
}

pub fn manifest(config: &Descriptor, layers: &[Descriptor]) -> Vec<u8> {
    ImageManifest {
        schema_version: 2,
        media_type: media_type::OCI_MANIFEST.to_owned(),
        artifact_type: None,
        config: config.clone(),
        layers: layers.to_vec(),
        subject: None,
        annotations: Default::default(),
    }
    .to_bytes()
}

/// Bytes that no compressor or cache makes smaller.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
        .collect()
}

pub fn digest(bytes: &[u8]) -> Digest {
    Digest::of(bytes)
}
