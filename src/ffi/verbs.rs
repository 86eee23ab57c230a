//! The verbs that make, move and remove artifacts; `verbs/` has the others. Each takes its handles and texts, and says
//! what the client does with them. `build.rs` makes the `_start` form of each from its text.

mod login;
mod read;

use std::ffi::c_char;

use super::artifact::ArtifactObject;
use super::reference::ReferenceObject;
use super::status::cldoci_status;
use super::support::engine::Weight::{self, Question, Transfer};
use super::support::handle;
use super::support::strings::{bytes, path, text};
use super::support::verb::{Common, Output, run};
use super::types::{
    cldoci_artifact, cldoci_client, cldoci_error, cldoci_operation, cldoci_options, cldoci_reference,
    cldoci_result,
};
use crate::call::Call;
use crate::client::{Client, Outcome};
use crate::error::Result;
use crate::oci::{ArtifactKind, Reference};

pub use {login::*, read::*};

include!(concat!(env!("OUT_DIR"), "/verbs_start.rs"));

/// Runs a verb whose one input is a reference.
///
/// # Safety
/// As [`run`].
unsafe fn run_at<O: Output, F: Future<Output = Result<Outcome>> + Send + 'static>(
    name: &'static str,
    weight: Weight,
    common: Common<O>,
    reference: *const cldoci_reference,
    verb: impl FnOnce(&Client, &Reference, &Call) -> F,
) -> cldoci_status {
    let reference = || handle::get::<ReferenceObject>(reference);
    run(name, weight, common, reference, |client, at, call| verb(client, &at.reference, call))
}

/// Builds a directory into an artifact: a deterministic tar+gzip layer, the config, and an OCI image manifest.
/// The same directory and options give the same digest everywhere. Nothing is sent; the store keeps the layer as
/// long as the artifact lives. The result has the artifact, the digest, and what was left out and why.
///
/// @param directory      borrowed, not NULL, a path of any bytes; copied
/// @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter`, `module`, or a media type
///                       of your own
/// @param config         borrowed, may be NULL where `config_size` is 0 (an empty config `{}`); copied
/// @param config_size    how many bytes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_build(
    client: *const cldoci_client,
    directory: *const c_char,
    artifact_type: *const c_char,
    config: *const u8,
    config_size: usize,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "build",
        Transfer,
        (client, options, result, error),
        || {
            let directory = path(directory, "directory")?;
            let kind = ArtifactKind::from_name(text(artifact_type, "artifact_type")?)?;
            Ok((directory, kind, bytes(config, config_size, "config")?))
        },
        |client, (directory, kind, config), call| client.build(directory, &kind, config, call),
    )
}

/// Builds a directory and pushes the artifact, in one pass if the registry allows it: the layer is sent while it
/// is packed and not stored first. The registry is not asked whether it has the layer; if it often does, use
/// `cldoci_build` and `cldoci_push`. The verb itself builds first and pushes then for a layout, for a reference
/// with a digest, for a registry that needs the length of a body, and with the option `reuse_unchanged`.
///
/// The result has the artifact, the digest, what was left out and why, counters and warnings.
///
/// @param directory      borrowed, not NULL, a path of any bytes; copied
/// @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter`, `module`, or a media type
///                       of your own
/// @param config         borrowed, may be NULL where `config_size` is 0 (an empty config `{}`); copied
/// @param config_size    how many bytes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_build_and_push(
    client: *const cldoci_client,
    directory: *const c_char,
    artifact_type: *const c_char,
    config: *const u8,
    config_size: usize,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "build_and_push",
        Transfer,
        (client, options, result, error),
        || {
            let directory = path(directory, "directory")?;
            let kind = ArtifactKind::from_name(text(artifact_type, "artifact_type")?)?;
            let config = bytes(config, config_size, "config")?;
            Ok((directory, kind, config, handle::get::<ReferenceObject>(reference)?))
        },
        |client, (directory, kind, config, reference), call| {
            client.build_and_push(directory, &kind, config, &reference.reference, call)
        },
    )
}

/// Pushes an artifact to a registry or a layout. Blobs that it has are skipped, others are mounted if possible,
/// and the manifest goes last: the tag names the old artifact or the complete new one. The result has the digest,
/// counters and warnings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_push(
    client: *const cldoci_client,
    artifact: *const cldoci_artifact,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "push",
        Transfer,
        (client, options, result, error),
        || Ok((handle::get::<ArtifactObject>(artifact)?, handle::get::<ReferenceObject>(reference)?)),
        |client, (artifact, reference), call| client.push(&artifact.artifact, &reference.reference, call),
    )
}

/// Pulls an artifact into a directory, all or nothing: every size and digest is verified before anything appears.
/// The destination may be missing or empty; the option `existing` says what happens to any other. If the
/// destination already holds this artifact, that takes one request and it is not touched. The result has the
/// artifact, the digest, counters and warnings.
///
/// @param destination  borrowed, not NULL, a path of any bytes; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_pull(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    destination: *const c_char,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "pull",
        Transfer,
        (client, options, result, error),
        || Ok((handle::get::<ReferenceObject>(reference)?, path(destination, "destination")?)),
        |client, (reference, destination), call| client.pull(&reference.reference, destination, call),
    )
}

/// Gives the artifact at `source` the name `target` too, with the same manifest. Within a repository no blob is
/// sent; between repositories blobs are mounted, between registries copied. The result has the digest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_tag(
    client: *const cldoci_client,
    source: *const cldoci_reference,
    target: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "tag",
        Question,
        (client, options, result, error),
        || Ok((handle::get::<ReferenceObject>(source)?, handle::get::<ReferenceObject>(target)?)),
        |client, (source, target), call| client.tag(&source.reference, &target.reference, call),
    )
}

/// Copies an artifact, or an index with everything it lists. Blobs that the target has are skipped. With the
/// option `recursive` the referrers come along, also those of the manifests in an index, and the referrers of
/// referrers, up to 8 levels deep. The result has the digest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_copy(
    client: *const cldoci_client,
    source: *const cldoci_reference,
    target: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "copy",
        Transfer,
        (client, options, result, error),
        || Ok((handle::get::<ReferenceObject>(source)?, handle::get::<ReferenceObject>(target)?)),
        |client, (source, target), call| client.copy(&source.reference, &target.reference, call),
    )
}

/// Pushes an artifact that refers to the one at `subject` into the same repository, such as a signature or an
/// SBOM. Its config, layers and artifact type stay as they are: an artifact of your own type without a config
/// gets the empty config `{}`, as the OCI specification asks. The result has the artifact as it was pushed and
/// its digest.
///
/// @param subject  borrowed, not NULL: the artifact that it refers to
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_attach(
    client: *const cldoci_client,
    artifact: *const cldoci_artifact,
    subject: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "attach",
        Transfer,
        (client, options, result, error),
        || Ok((handle::get::<ArtifactObject>(artifact)?, handle::get::<ReferenceObject>(subject)?)),
        |client, (artifact, subject), call| client.attach(&artifact.artifact, &subject.reference, call),
    )
}

/// Deletes a tag; for a reference with a digest, a manifest with all its tags.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_delete(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run_at("delete", Question, (client, options, result, error), reference, Client::delete)
}

/// Removes the blobs of a layout that no tag and no manifest in it needs; deleted and replaced ones stay until
/// then. It waits until nothing writes to the layout, so a push at the same time loses nothing. The size in the
/// result is the number of bytes freed. For a registry it is CLDOCI_ERROR_UNSUPPORTED: registries collect their
/// own garbage.
///
/// @param reference  borrowed, not NULL: any reference to the layout; its tag and digest don't matter
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_collect_garbage(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run_at("collect_garbage", Transfer, (client, options, result, error), reference, Client::collect_garbage)
}
