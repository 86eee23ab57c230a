//! The verbs that only read: what is there, what it is, and its bytes.

use std::fs::File;
use std::os::fd::BorrowedFd;

use crate::error::{Error, Kind, Result};
use crate::ffi::artifact::ArtifactObject;
use crate::ffi::reference::ReferenceObject;
use crate::ffi::status::cldoci_status;
use crate::ffi::support::engine::Weight::{Question, Transfer};
use crate::ffi::support::handle;
use crate::ffi::support::verb::run;
use crate::ffi::types::{
    cldoci_artifact, cldoci_client, cldoci_error, cldoci_operation, cldoci_options, cldoci_reference,
    cldoci_result,
};

include!(concat!(env!("OUT_DIR"), "/verbs_read_start.rs"));

/// A descriptor of our own for the caller's.
fn duplicate(fd: i32) -> Result<File> {
    if fd < 0 {
        return Err(Error::new(Kind::Argument, format!("invalid argument 'fd': {fd} is not a descriptor")));
    }
    // SAFETY: not -1; whether it is open, the duplication finds out, and nothing else uses the borrow.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    let owned = borrowed.try_clone_to_owned().map_err(|e| Error::io(format!("descriptor {fd}"), e))?;
    Ok(File::from(owned))
}

/// Gets the config's bytes as they were pushed; no layer is touched. The result has the bytes, their media
/// type, digest and size.
///
/// @param reference  borrowed, not NULL
/// @return CLDOCI_OK, or what it failed with
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_pull_config(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "pull_config",
        Question,
        (client, options, result, error),
        || handle::get::<ReferenceObject>(reference),
        |client, reference, call| client.pull_config(&reference.reference, call),
    )
}

/// Asks whether an artifact is there. "No" is a well-formed "not found"; when it can't be told (no access,
/// no connection, a server's failure) that is an error. The result has the answer: `cldoci_result_exists`.
///
/// @param reference  borrowed, not NULL
/// @return CLDOCI_OK, or what it failed with
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_exists(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "exists",
        Question,
        (client, options, result, error),
        || handle::get::<ReferenceObject>(reference),
        |client, reference, call| client.exists(&reference.reference, call),
    )
}

/// Asks for the digest, media type and size of what a reference names, without a download. The result has
/// them.
///
/// @param reference  borrowed, not NULL
/// @return CLDOCI_OK, CLDOCI_ERROR_NOT_FOUND where there is none, or what it failed with
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_resolve(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "resolve",
        Question,
        (client, options, result, error),
        || handle::get::<ReferenceObject>(reference),
        |client, reference, call| client.resolve(&reference.reference, call),
    )
}

/// Lists the tags of a repository or a layout; the reference's own tag means nothing. The result has them,
/// sorted by their bytes.
///
/// @param reference  borrowed, not NULL
/// @return CLDOCI_OK, or what it failed with
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_list_tags(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "list_tags",
        Question,
        (client, options, result, error),
        || handle::get::<ReferenceObject>(reference),
        |client, reference, call| client.list_tags(&reference.reference, call),
    )
}

/// Gets an artifact without its layers' bytes: manifest and config. The result has the artifact.
///
/// @param reference  borrowed, not NULL
/// @return CLDOCI_OK, or what it failed with
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_inspect(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "inspect",
        Question,
        (client, options, result, error),
        || handle::get::<ReferenceObject>(reference),
        |client, reference, call| client.inspect(&reference.reference, call),
    )
}

/// Gets a manifest's bytes as they are stored, of an artifact, of an image or of an index, for which no platform is
/// chosen: the option `platform` means nothing here. The result has the bytes, their media type, digest and size, and
/// of an index the entries (`cldoci_result_entry_count`). An entry's digest in a reference gets its manifest in turn.
///
/// @param reference  borrowed, not NULL
/// @return CLDOCI_OK, CLDOCI_ERROR_NOT_FOUND where there is none, or what it failed with
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_read_manifest(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "read_manifest",
        Question,
        (client, options, result, error),
        || handle::get::<ReferenceObject>(reference),
        |client, reference, call| client.read_manifest(&reference.reference, call),
    )
}

/// Lists the manifests that refer to an artifact. The result has their descriptors.
///
/// @param reference  borrowed, not NULL
/// @return CLDOCI_OK, or what it failed with
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_referrers(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "referrers",
        Question,
        (client, options, result, error),
        || handle::get::<ReferenceObject>(reference),
        |client, reference, call| client.referrers(&reference.reference, call),
    )
}

/// Gets one layer's bytes as they are stored (compressed), verified, into memory. The result has the bytes.
///
/// @param artifact  borrowed, not NULL
/// @param layer     from 0
/// @return CLDOCI_OK, or what it failed with
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_read_layer(
    client: *const cldoci_client,
    artifact: *const cldoci_artifact,
    layer: usize,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "read_layer",
        Transfer,
        (client, options, result, error),
        || handle::get::<ArtifactObject>(artifact),
        |client, artifact, call| client.read_layer(&artifact.artifact, layer, None, call),
    )
}

/// Writes one layer's bytes as they are stored (compressed) to a descriptor, in order, in bounded memory.
/// They are verified as they pass: on failure, do not use what was written. The result has digest and
/// size.
///
/// @param artifact  borrowed, not NULL
/// @param layer     from 0
/// @param fd        borrowed: an open descriptor to write to; duplicated, so that yours may be closed at
///                  once
/// @return CLDOCI_OK, or what it failed with
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_save_layer(
    client: *const cldoci_client,
    artifact: *const cldoci_artifact,
    layer: usize,
    fd: i32,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run(
        "save_layer",
        Transfer,
        (client, options, result, error),
        || Ok((handle::get::<ArtifactObject>(artifact)?, duplicate(fd)?)),
        |client, (artifact, file), call| client.read_layer(&artifact.artifact, layer, Some(file), call),
    )
}
