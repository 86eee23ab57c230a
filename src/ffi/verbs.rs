//! The verbs that make, move and remove artifacts; `verbs/` has the others. Each takes its handles and texts, and says
//! what the client does with them. `build.rs` makes the `_start` form of each from its text.

mod login;
mod read;

use std::ffi::c_char;

use super::artifact::ArtifactObject;
use super::reference::ReferenceObject;
use super::status::cldoci_status;
use super::support::engine::Weight::{Question, Transfer};
use super::support::handle;
use super::support::strings::{bytes, path, text};
use super::support::verb::run;
use super::types::{
    cldoci_artifact, cldoci_client, cldoci_error, cldoci_operation, cldoci_options, cldoci_reference,
    cldoci_result,
};
use crate::oci::ArtifactKind;

pub use {login::*, read::*};

include!(concat!(env!("OUT_DIR"), "/verbs_start.rs"));

/// Builds a directory into an artifact: a deterministic tar+gzip layer, the config, an OCI image manifest.
/// The same tree and options give the same digest everywhere. Nothing is sent; the layer lies in the store
/// as long as the artifact lives.
///
/// The result has the artifact, the digest, and what was left out and why.
///
/// @param directory      borrowed, not NULL, a path of any bytes; copied
/// @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter`, `module`, or a media
///                       type of your own
/// @param config         borrowed, may be NULL where `config_size` is 0 (an empty config `{}`); copied
/// @param config_size    how many bytes
/// @return CLDOCI_OK, or what it failed with
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

/// Builds a directory and pushes the artifact, in one pass where the registry allows it: the layer is sent
/// while it is packed, so that nothing is spooled, and building and sending overlap. It is sent without being
/// asked for before: where it is often there already, `cldoci_build` and `cldoci_push` are better apart. A
/// layout, a reference with a digest, a registry that takes no body without a length, and the option
/// `reuse_unchanged` get a build and then a push.
///
/// The result has the artifact, the digest, what was left out and why, counters and warnings.
///
/// @param directory      borrowed, not NULL, a path of any bytes; copied
/// @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter`, `module`, or a media
///                       type of your own
/// @param config         borrowed, may be NULL where `config_size` is 0 (an empty config `{}`); copied
/// @param config_size    how many bytes
/// @param reference      borrowed, not NULL: where it is to be
/// @return CLDOCI_OK, or what it failed with
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

/// Pushes an artifact to a registry or a layout. Blobs that are there are skipped, mountable ones are
/// mounted, the manifest goes last: the tag points to the old artifact or to the whole new one.
///
/// The result has the digest, counters and warnings.
///
/// @param artifact   borrowed, not NULL
/// @param reference  borrowed, not NULL
/// @return CLDOCI_OK, or what it failed with
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

/// Pulls an artifact into a directory, all or nothing: every size and digest is verified before anything
/// appears. An absent or empty destination is published at once; what happens to another is the option
/// `existing`. A destination that holds this artifact already costs one request and is not touched.
///
/// The result has the artifact, the digest, counters and warnings.
///
/// @param reference    borrowed, not NULL
/// @param destination  borrowed, not NULL, a path of any bytes; copied
/// @return CLDOCI_OK, or what it failed with
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

/// Gives the artifact at `source` the name `target` too: the same manifest bytes. In one repository no blob
/// is sent; across repositories they are mounted, across registries copied. The result has the digest.
///
/// @param source   borrowed, not NULL: where it is
/// @param target   borrowed, not NULL: where it is to be
/// @return CLDOCI_OK, or what it failed with
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

/// Copies an artifact, or an index with all it lists, from one place to another; blobs that are there are
/// skipped. The result has the digest.
///
/// @param source   borrowed, not NULL: where it is
/// @param target   borrowed, not NULL: where it is to be
/// @return CLDOCI_OK, or what it failed with
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

/// Pushes an artifact that refers to the one at `subject`, beside it in the same repository: a signature, a
/// list of materials. The result has the artifact as it was pushed and its digest.
///
/// @param artifact  borrowed, not NULL
/// @param subject   borrowed, not NULL: what it refers to
/// @return CLDOCI_OK, or what it failed with
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

/// Deletes a tag, or, for a reference with a digest, a manifest with all its tags.
///
/// @param reference  borrowed, not NULL
/// @return CLDOCI_OK, or what it failed with
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_delete(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "delete",
        Question,
        (client, options, result, error),
        || handle::get::<ReferenceObject>(reference),
        |client, reference, call| client.delete(&reference.reference, call),
    )
}

/// Removes from a layout the blobs that no tag and no manifest in it leads to; what was deleted or replaced
/// stays until then. Waits until nobody adds to the layout, so a push beside it loses nothing. The result's
/// size is the bytes that were freed. CLDOCI_ERROR_UNSUPPORTED for a registry, which collects its own.
///
/// @param reference  borrowed, not NULL: any of the layout (ocidir://PATH); its tag and digest don't matter
/// @return CLDOCI_OK, or what it failed with
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_collect_garbage(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "collect_garbage",
        Transfer,
        (client, options, result, error),
        || handle::get::<ReferenceObject>(reference),
        |client, reference, call| client.collect_garbage(&reference.reference, call),
    )
}
