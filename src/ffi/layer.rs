//! The bytes of an artifact's layers, on demand.

use std::fs::File;
use std::os::fd::BorrowedFd;

use super::artifact::ArtifactObject;
use super::guard;
use super::handle;
use super::runtime::Weight;
use super::status::cldoci_status;
use super::types::{
    cldoci_artifact, cldoci_client, cldoci_error, cldoci_operation, cldoci_options, cldoci_result,
};
use super::verb::{Call, Finish};
use crate::error::{Error, Kind, Result};

/// A descriptor of our own for the caller's.
fn duplicate(fd: i32) -> Result<File> {
    if fd < 0 {
        return Err(Error::new(Kind::Argument, format!("argument 'fd' is {fd}, which is no descriptor")));
    }
    // SAFETY: not -1; whether it is open, the duplication finds out, and nothing else uses the borrow.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    let owned = borrowed.try_clone_to_owned().map_err(|e| Error::io(format!("descriptor {fd}"), e))?;
    Ok(File::from(owned))
}

unsafe fn read_layer(
    client: *const cldoci_client,
    artifact: *const cldoci_artifact,
    layer: usize,
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
                let artifact = handle::get::<ArtifactObject>(artifact)?;
                call.run("read_layer", Weight::Transfer, finish, |client, call| {
                    client.read_layer(&artifact.artifact, layer, None, call)
                })
            },
        )
    }
}

/// Gets one layer's bytes as they are stored (compressed), verified, into memory. The result has the bytes.
///
/// @param client    borrowed, not NULL
/// @param artifact  borrowed, not NULL
/// @param layer     from 0
/// @param options   borrowed, may be NULL: for this call; they beat the client's
/// @param result    out, may be NULL: set to NULL, on success to a result that you free
/// @param error     out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what it failed with
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_read_layer(
    client: *const cldoci_client,
    artifact: *const cldoci_artifact,
    layer: usize,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { read_layer(client, artifact, layer, options, Finish::Wait(result), error) }
}

/// Starts `cldoci_read_layer` and returns at once; the operation tells how it goes.
///
/// @param client     borrowed, not NULL
/// @param artifact   borrowed, not NULL
/// @param layer      from 0
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param operation  out, not NULL: set to NULL, on success to an operation that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_read_layer_start(
    client: *const cldoci_client,
    artifact: *const cldoci_artifact,
    layer: usize,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { read_layer(client, artifact, layer, options, Finish::Start(operation), error) }
}

unsafe fn save_layer(
    client: *const cldoci_client,
    artifact: *const cldoci_artifact,
    layer: usize,
    fd: i32,
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
                let artifact = handle::get::<ArtifactObject>(artifact)?;
                let file = duplicate(fd)?;
                call.run("save_layer", Weight::Transfer, finish, |client, call| {
                    client.read_layer(&artifact.artifact, layer, Some(file), call)
                })
            },
        )
    }
}

/// Writes one layer's bytes as they are stored (compressed) to a descriptor, in order, in bounded memory.
/// They are verified as they pass: on failure, what was written is not to be used. The result has digest and
/// size.
///
/// @param client    borrowed, not NULL
/// @param artifact  borrowed, not NULL
/// @param layer     from 0
/// @param fd        borrowed: an open descriptor to write to; duplicated, so that yours may be closed at
///                  once
/// @param options   borrowed, may be NULL: for this call; they beat the client's
/// @param result    out, may be NULL: set to NULL, on success to a result that you free
/// @param error     out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what it failed with
/// Threads: any, at once.
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
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { save_layer(client, artifact, layer, fd, options, Finish::Wait(result), error) }
}

/// Starts `cldoci_save_layer` and returns at once; the operation tells how it goes.
///
/// @param client     borrowed, not NULL
/// @param artifact   borrowed, not NULL
/// @param layer      from 0
/// @param fd         borrowed: an open descriptor to write to; duplicated, so that yours may be closed at
///                   once
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param operation  out, not NULL: set to NULL, on success to an operation that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_save_layer_start(
    client: *const cldoci_client,
    artifact: *const cldoci_artifact,
    layer: usize,
    fd: i32,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { save_layer(client, artifact, layer, fd, options, Finish::Start(operation), error) }
}
