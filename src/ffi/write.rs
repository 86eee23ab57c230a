//! The verbs that change what a registry or a layout has, beside push: tag, copy, delete, collect_garbage,
//! attach.

use super::artifact::ArtifactObject;
use super::guard;
use super::handle;
use super::reference::ReferenceObject;
use super::runtime::Weight;
use super::status::cldoci_status;
use super::types::{
    cldoci_artifact, cldoci_client, cldoci_error, cldoci_operation, cldoci_options, cldoci_reference,
    cldoci_result,
};
use super::verb::{Call, Finish};

unsafe fn tag(
    client: *const cldoci_client,
    source: *const cldoci_reference,
    target: *const cldoci_reference,
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
                let source = handle::get::<ReferenceObject>(source)?;
                let target = handle::get::<ReferenceObject>(target)?;
                call.run("tag", Weight::Question, finish, |client, call| {
                    client.tag(&source.reference, &target.reference, call)
                })
            },
        )
    }
}

/// Gives the artifact at `source` the name `target` too: the same manifest bytes. In one repository no blob
/// is sent; across repositories they are mounted, across registries copied. The result has the digest.
///
/// @param client   borrowed, not NULL
/// @param source   borrowed, not NULL: where it is
/// @param target   borrowed, not NULL: where it is to be
/// @param options  borrowed, may be NULL: for this call; they beat the client's
/// @param result   out, may be NULL: set to NULL, on success to a result that you free
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what it failed with
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_tag(
    client: *const cldoci_client,
    source: *const cldoci_reference,
    target: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { tag(client, source, target, options, Finish::Wait(result), error) }
}

/// Starts `cldoci_tag` and returns at once; the operation tells how it goes.
///
/// @param client     borrowed, not NULL
/// @param source     borrowed, not NULL: where it is
/// @param target     borrowed, not NULL: where it is to be
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param operation  out, not NULL: set to NULL, on success to an operation that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_tag_start(
    client: *const cldoci_client,
    source: *const cldoci_reference,
    target: *const cldoci_reference,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { tag(client, source, target, options, Finish::Start(operation), error) }
}

unsafe fn copy(
    client: *const cldoci_client,
    source: *const cldoci_reference,
    target: *const cldoci_reference,
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
                let source = handle::get::<ReferenceObject>(source)?;
                let target = handle::get::<ReferenceObject>(target)?;
                call.run("copy", Weight::Transfer, finish, |client, call| {
                    client.copy(&source.reference, &target.reference, call)
                })
            },
        )
    }
}

/// Copies an artifact, or an index with all it lists, from one place to another; blobs that are there are
/// skipped. The result has the digest.
///
/// @param client   borrowed, not NULL
/// @param source   borrowed, not NULL: where it is
/// @param target   borrowed, not NULL: where it is to be
/// @param options  borrowed, may be NULL: for this call; they beat the client's
/// @param result   out, may be NULL: set to NULL, on success to a result that you free
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what it failed with
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_copy(
    client: *const cldoci_client,
    source: *const cldoci_reference,
    target: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { copy(client, source, target, options, Finish::Wait(result), error) }
}

/// Starts `cldoci_copy` and returns at once; the operation tells how it goes.
///
/// @param client     borrowed, not NULL
/// @param source     borrowed, not NULL: where it is
/// @param target     borrowed, not NULL: where it is to be
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param operation  out, not NULL: set to NULL, on success to an operation that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_copy_start(
    client: *const cldoci_client,
    source: *const cldoci_reference,
    target: *const cldoci_reference,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { copy(client, source, target, options, Finish::Start(operation), error) }
}

unsafe fn delete(
    client: *const cldoci_client,
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
                let reference = handle::get::<ReferenceObject>(reference)?;
                call.run("delete", Weight::Question, finish, |client, call| {
                    client.delete(&reference.reference, call)
                })
            },
        )
    }
}

/// Deletes a tag, or, for a reference with a digest, a manifest with all its tags.
///
/// @param client     borrowed, not NULL
/// @param reference  borrowed, not NULL
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param result     out, may be NULL: set to NULL, on success to a result that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what it failed with
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_delete(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { delete(client, reference, options, Finish::Wait(result), error) }
}

/// Starts `cldoci_delete` and returns at once; the operation tells how it goes.
///
/// @param client     borrowed, not NULL
/// @param reference  borrowed, not NULL
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param operation  out, not NULL: set to NULL, on success to an operation that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_delete_start(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { delete(client, reference, options, Finish::Start(operation), error) }
}

unsafe fn collect_garbage(
    client: *const cldoci_client,
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
                let reference = handle::get::<ReferenceObject>(reference)?;
                call.run("collect_garbage", Weight::Transfer, finish, |client, call| {
                    client.collect_garbage(&reference.reference, call)
                })
            },
        )
    }
}

/// Removes from a layout the blobs that no tag and no manifest in it leads to; what was deleted or replaced
/// stays until then. Waits until nobody adds to the layout, so a push beside it loses nothing. The result's
/// size is the bytes that were freed. CLDOCI_ERROR_UNSUPPORTED for a registry, which collects its own.
///
/// @param client     borrowed, not NULL
/// @param reference  borrowed, not NULL: any of the layout (ocidir://PATH); its tag and digest don't matter
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param result     out, may be NULL: set to NULL, on success to a result that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what it failed with
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_collect_garbage(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { collect_garbage(client, reference, options, Finish::Wait(result), error) }
}

/// Starts `cldoci_collect_garbage` and returns at once; the operation tells how it goes.
///
/// @param client     borrowed, not NULL
/// @param reference  borrowed, not NULL: any of the layout (ocidir://PATH); its tag and digest don't matter
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param operation  out, not NULL: set to NULL, on success to an operation that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_collect_garbage_start(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { collect_garbage(client, reference, options, Finish::Start(operation), error) }
}

unsafe fn attach(
    client: *const cldoci_client,
    artifact: *const cldoci_artifact,
    subject: *const cldoci_reference,
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
                let subject = handle::get::<ReferenceObject>(subject)?;
                call.run("attach", Weight::Transfer, finish, |client, call| {
                    client.attach(&artifact.artifact, &subject.reference, call)
                })
            },
        )
    }
}

/// Pushes an artifact that refers to the one at `subject`, beside it in the same repository: a signature, a
/// list of materials. The result has the artifact as it was pushed and its digest.
///
/// @param client    borrowed, not NULL
/// @param artifact  borrowed, not NULL
/// @param subject   borrowed, not NULL: what it refers to
/// @param options   borrowed, may be NULL: for this call; they beat the client's
/// @param result    out, may be NULL: set to NULL, on success to a result that you free
/// @param error     out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what it failed with
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_attach(
    client: *const cldoci_client,
    artifact: *const cldoci_artifact,
    subject: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { attach(client, artifact, subject, options, Finish::Wait(result), error) }
}

/// Starts `cldoci_attach` and returns at once; the operation tells how it goes.
///
/// @param client     borrowed, not NULL
/// @param artifact   borrowed, not NULL
/// @param subject    borrowed, not NULL: what it refers to
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param operation  out, not NULL: set to NULL, on success to an operation that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_attach_start(
    client: *const cldoci_client,
    artifact: *const cldoci_artifact,
    subject: *const cldoci_reference,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { attach(client, artifact, subject, options, Finish::Start(operation), error) }
}
