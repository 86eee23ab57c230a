//! The verbs that only read: what is there, what it is, and its bytes.

use std::fs::File;
use std::os::fd::BorrowedFd;

use crate::client::Client;
use crate::error::{Error, Kind, Result};
use crate::ffi::artifact::ArtifactObject;
use crate::ffi::status::cldoci_status;
use crate::ffi::support::engine::Weight::{Question, Transfer};
use crate::ffi::support::handle;
use crate::ffi::support::verb::run;
use crate::ffi::types::{
    cldoci_artifact, cldoci_client, cldoci_error, cldoci_operation, cldoci_options, cldoci_reference,
    cldoci_result,
};
use crate::ffi::verbs::run_at;

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

/// Gets the config's bytes as they were pushed, and no layer. The result has the bytes, their media type, digest
/// and size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_pull_config(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run_at("pull_config", Question, (client, options, result, error), reference, Client::pull_config)
}

/// Asks whether an artifact exists. Only a well-formed "not found" means no; if the answer is unknown (no access,
/// no connection, a failure of the server), that is an error. `cldoci_result_exists` has the answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_exists(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run_at("exists", Question, (client, options, result, error), reference, Client::exists)
}

/// Asks for the digest, media type and size of what a reference names, without a download. The result has them.
/// CLDOCI_ERROR_NOT_FOUND if it does not exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_resolve(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run_at("resolve", Question, (client, options, result, error), reference, Client::resolve)
}

/// Lists the tags of a repository or a layout, sorted by their bytes. The tag of the reference does not matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_list_tags(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run_at("list_tags", Question, (client, options, result, error), reference, Client::list_tags)
}

/// Gets an artifact without the bytes of its layers: manifest and config. The result has the artifact.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_inspect(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run_at("inspect", Question, (client, options, result, error), reference, Client::inspect)
}

/// Gets the bytes of any manifest as they are stored: of an artifact, an image or an index. No platform is
/// chosen; the option `platform` has no effect. The result has the bytes, their media type, digest and size, and
/// the entries of an index (`cldoci_result_entry_count`). To get the manifest of an entry, use its digest in a
/// reference. CLDOCI_ERROR_NOT_FOUND if it does not exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_read_manifest(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run_at("read_manifest", Question, (client, options, result, error), reference, Client::read_manifest)
}

/// Lists the manifests that refer to an artifact. The result has their descriptors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_referrers(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    run_at("referrers", Question, (client, options, result, error), reference, Client::referrers)
}

/// Gets the bytes of one layer as stored (compressed) into memory, and verifies them. The result has them.
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

/// Writes the bytes of one layer as stored (compressed) to a descriptor, in order and in limited memory. They are
/// verified on the way: if the call fails, do not use what was written. The result has the digest and size.
///
/// @param fd  borrowed: an open descriptor to write to; duplicated, so you may close yours at once
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
