//! The behaviour suite: what every way into the engine promises, written once over [`Api`] and run on the
//! Rust API and through the C functions, on a registry and on a local layout.

pub mod c_api;
pub mod rust_api;

use std::path::Path;

/// One way into the engine.
pub trait Api: Sized + Send + Sync {
    type Artifact: Send + Sync;

    /// A client with these options.
    fn client(options: &[(&str, &str)]) -> Result<Self, Failure>;
    fn build(&self, dir: &Path, kind: &str, config: &[u8], options: &[(&str, &str)]) -> Outcome<Self>;
    fn build_and_push(
        &self,
        dir: &Path,
        kind: &str,
        config: &[u8],
        reference: &str,
        options: &[(&str, &str)],
    ) -> Outcome<Self>;
    fn push(&self, artifact: &Self::Artifact, reference: &str, options: &[(&str, &str)]) -> Outcome<Self>;
    fn pull(&self, reference: &str, dir: &Path, options: &[(&str, &str)]) -> Outcome<Self>;
    fn pull_config(&self, reference: &str) -> Outcome<Self>;
    fn exists(&self, reference: &str) -> Outcome<Self>;
    fn resolve(&self, reference: &str) -> Outcome<Self>;
    fn tag(&self, source: &str, target: &str) -> Outcome<Self>;
    fn copy(&self, source: &str, target: &str, options: &[(&str, &str)]) -> Outcome<Self>;
    fn list_tags(&self, reference: &str) -> Outcome<Self>;
    fn inspect(&self, reference: &str) -> Outcome<Self>;
    fn read_manifest(&self, reference: &str) -> Outcome<Self>;
    fn delete(&self, reference: &str) -> Outcome<Self>;
    fn collect_garbage(&self, reference: &str) -> Outcome<Self>;
    fn attach(&self, artifact: &Self::Artifact, subject: &str) -> Outcome<Self>;
    fn referrers(&self, reference: &str) -> Outcome<Self>;
    fn read_layer(&self, artifact: &Self::Artifact, index: usize) -> Outcome<Self>;
    /// Type, digest, config, and each layer's media type, digest and size.
    fn describe(artifact: &Self::Artifact) -> Description;
}

pub type Outcome<A> = Result<Report<A>, Failure>;

/// Media type, digest, size, platform and artifact type.
pub type Entry = (String, String, u64, Option<String>, Option<String>);

/// What a verb gave.
#[derive(Debug, Default)]
pub struct Report<A: Api> {
    pub digest: Option<String>,
    pub media_type: Option<String>,
    pub size: Option<u64>,
    pub exists: Option<bool>,
    pub artifact: Option<A::Artifact>,
    pub bytes: Option<Vec<u8>>,
    pub tags: Vec<String>,
    pub referrers: Vec<String>,
    /// What an index lists.
    pub listed: Vec<Entry>,
    pub left_out: Vec<(String, String)>,
    pub unchanged: bool,
    pub warnings: Vec<String>,
    pub requests: u64,
    pub bytes_sent: u64,
    pub skipped: u64,
    pub mounted: u64,
    pub uploaded: u64,
    /// Bytes done and in all, entries done and known of, at the end.
    pub moved: (u64, u64),
    pub entries: (u64, u64),
}

/// Why a verb failed; `kind` is the name of the status (`NOT_FOUND`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub kind: String,
    pub message: String,
    pub http_status: Option<u16>,
    /// Code, message and detail of what the registry listed.
    pub listed: Vec<(String, String, Option<String>)>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Description {
    pub kind: String,
    pub digest: String,
    pub config: Option<Vec<u8>>,
    pub layers: Vec<(String, String, u64)>,
    pub annotations: Vec<(String, String)>,
}
