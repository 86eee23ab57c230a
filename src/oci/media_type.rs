//! Media types that are made or accepted here.

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker schema 2 manifest, which today's Go package makes.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The artifact manifest of the OCI 1.1 release candidates; read, never made.
pub const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
/// The empty config `{}` (image-spec, manifest.md "Guidance for an Empty Descriptor").
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// A layer of a custom kind.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What every manifest request accepts, always all of them (Q53).
pub const MANIFEST_ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.artifact.manifest.v1+json";

/// A file's name for a layer that is one file (oras).
pub const ANNOTATION_TITLE: &str = "org.opencontainers.image.title";
/// `"true"` on a titled layer that is an archive (oras).
pub const ANNOTATION_UNPACK: &str = "io.deis.oras.content.unpack";
/// A tag in an image layout's `index.json`.
pub const ANNOTATION_REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The block table of a layer made here (docs/archive-format.md).
pub const ANNOTATION_BLOCKS: &str = "dev.cldoci.blocks";

/// Whether a manifest media type is a list of manifests.
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_LIST)
}

/// Whether it is one of the types of manifests and indexes.
pub fn is_manifest(media_type: &str) -> bool {
    is_index(media_type) || matches!(media_type, OCI_MANIFEST | DOCKER_MANIFEST | OCI_ARTIFACT)
}

/// Whether what has this type may be a manifest: what an index lists can be anything (Q93).
pub fn may_be_manifest(media_type: &str) -> bool {
    media_type.is_empty() || is_manifest(&essence(media_type))
}

/// Whether a layer of this type is to be had from its own places only, and need not be here (Q92).
pub fn is_foreign(media_type: &str) -> bool {
    let essence = essence(media_type);
    ["application/vnd.oci.image.layer.nondistributable.v1.", "application/vnd.docker.image.rootfs.foreign."]
        .iter()
        .any(|prefix| essence.starts_with(prefix))
}

/// A media type without its parameters, in lower case (`Content-Type` may carry a charset, Q53).
pub fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}
