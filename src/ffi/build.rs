//! build, and build_and_push.

use std::ffi::c_char;

use super::guard;
use super::handle;
use super::reference::ReferenceObject;
use super::runtime::Weight;
use super::status::cldoci_status;
use super::text::{bytes, path, text};
use super::types::{
    cldoci_client, cldoci_error, cldoci_operation, cldoci_options, cldoci_reference, cldoci_result,
};
use super::verb::{Call, Finish};
use crate::oci::ArtifactKind;

unsafe fn build(
    client: *const cldoci_client,
    directory: *const c_char,
    artifact_type: *const c_char,
    config: *const u8,
    config_size: usize,
    options: *const cldoci_options,
    finish: Finish,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::giving(
            error,
            || finish.begin(),
            |finish| {
                let call = Call::new(client, options)?;
                let directory = path(directory, "directory")?;
                let kind = ArtifactKind::from_name(text(artifact_type, "artifact_type")?)?;
                let config = bytes(config, config_size, "config")?;
                call.run("build", Weight::Transfer, finish, |client, call| {
                    client.build(directory, &kind, config, call)
                })
            },
        )
    }
}

/// Builds a directory into an artifact: a deterministic tar+gzip layer, the config, an OCI image manifest.
/// The same tree and options give the same digest everywhere. Nothing is sent; the layer lies in the store
/// as long as the artifact lives.
///
/// The result has the artifact, the digest, and what was left out and why.
///
/// @param client         borrowed, not NULL
/// @param directory      borrowed, not NULL, a path of any bytes; copied
/// @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter`, `module`, or a media
///                       type of your own
/// @param config         borrowed, may be NULL where `config_size` is 0 (an empty config `{}`); copied
/// @param config_size    how many bytes
/// @param options        borrowed, may be NULL: for this call; they beat the client's
/// @param result         out, may be NULL: set to NULL, on success to a result that you free
/// @param error          out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what it failed with
/// Threads: any, at once.
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
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        build(client, directory, artifact_type, config, config_size, options, Finish::Wait(result), error)
    }
}

/// Starts `cldoci_build` and returns at once; the operation tells how it goes.
///
/// @param client         borrowed, not NULL
/// @param directory      borrowed, not NULL, a path of any bytes; copied
/// @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter`, `module`, or a media
///                       type of your own
/// @param config         borrowed, may be NULL where `config_size` is 0 (an empty config `{}`); copied
/// @param config_size    how many bytes
/// @param options        borrowed, may be NULL: for this call; they beat the client's
/// @param operation      out, not NULL: set to NULL, on success to an operation that you free
/// @param error          out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_build_start(
    client: *const cldoci_client,
    directory: *const c_char,
    artifact_type: *const c_char,
    config: *const u8,
    config_size: usize,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        build(client, directory, artifact_type, config, config_size, options, Finish::Start(operation), error)
    }
}

unsafe fn build_and_push(
    client: *const cldoci_client,
    directory: *const c_char,
    artifact_type: *const c_char,
    config: *const u8,
    config_size: usize,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    finish: Finish,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::giving(
            error,
            || finish.begin(),
            |finish| {
                let call = Call::new(client, options)?;
                let directory = path(directory, "directory")?;
                let kind = ArtifactKind::from_name(text(artifact_type, "artifact_type")?)?;
                let config = bytes(config, config_size, "config")?;
                let reference = handle::get::<ReferenceObject>(reference)?;
                call.run("build_and_push", Weight::Transfer, finish, |client, call| {
                    client.build_and_push(directory, &kind, config, &reference.reference, call)
                })
            },
        )
    }
}

/// Builds a directory and pushes the artifact, in one pass where the registry allows it: the layer is sent
/// while it is packed, so that nothing is spooled, and building and sending overlap. It is sent without being
/// asked for before: where it is often there already, `cldoci_build` and `cldoci_push` are better apart. A
/// layout, a reference with a digest, a registry that takes no body without a length, and the option
/// `reuse_unchanged` get a build and then a push.
///
/// The result has the artifact, the digest, what was left out and why, counters and warnings.
///
/// @param client         borrowed, not NULL
/// @param directory      borrowed, not NULL, a path of any bytes; copied
/// @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter`, `module`, or a media
///                       type of your own
/// @param config         borrowed, may be NULL where `config_size` is 0 (an empty config `{}`); copied
/// @param config_size    how many bytes
/// @param reference      borrowed, not NULL: where it is to be
/// @param options        borrowed, may be NULL: for this call; they beat the client's
/// @param result         out, may be NULL: set to NULL, on success to a result that you free
/// @param error          out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what it failed with
/// Threads: any, at once.
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
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        let finish = Finish::Wait(result);
        build_and_push(
            client,
            directory,
            artifact_type,
            config,
            config_size,
            reference,
            options,
            finish,
            error,
        )
    }
}

/// Starts `cldoci_build_and_push` and returns at once; the operation tells how it goes.
///
/// @param client         borrowed, not NULL
/// @param directory      borrowed, not NULL, a path of any bytes; copied
/// @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter`, `module`, or a media
///                       type of your own
/// @param config         borrowed, may be NULL where `config_size` is 0 (an empty config `{}`); copied
/// @param config_size    how many bytes
/// @param reference      borrowed, not NULL: where it is to be
/// @param options        borrowed, may be NULL: for this call; they beat the client's
/// @param operation      out, not NULL: set to NULL, on success to an operation that you free
/// @param error          out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_build_and_push_start(
    client: *const cldoci_client,
    directory: *const c_char,
    artifact_type: *const c_char,
    config: *const u8,
    config_size: usize,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        let finish = Finish::Start(operation);
        build_and_push(
            client,
            directory,
            artifact_type,
            config,
            config_size,
            reference,
            options,
            finish,
            error,
        )
    }
}
