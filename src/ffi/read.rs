//! The verbs that only read: what is there, and what it is.

use super::guard;
use super::handle;
use super::reference::ReferenceObject;
use super::runtime::Weight;
use super::status::cldoci_status;
use super::types::{
    cldoci_client, cldoci_error, cldoci_operation, cldoci_options, cldoci_reference, cldoci_result,
};
use super::verb::{Call, Finish};

unsafe fn pull_config(
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
                call.run("pull_config", Weight::Question, finish, |client, call| {
                    client.pull_config(&reference.reference, call)
                })
            },
        )
    }
}

/// Gets the config's bytes as they were pushed; no layer is touched. The result has the bytes, their media
/// type, digest and size.
///
/// @param client     borrowed, not NULL
/// @param reference  borrowed, not NULL
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param result     out, may be NULL: set to NULL, on success to a result that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what it failed with
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_pull_config(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { pull_config(client, reference, options, Finish::Wait(result), error) }
}

/// Starts `cldoci_pull_config` and returns at once; the operation tells how it goes.
///
/// @param client     borrowed, not NULL
/// @param reference  borrowed, not NULL
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param operation  out, not NULL: set to NULL, on success to an operation that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_pull_config_start(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { pull_config(client, reference, options, Finish::Start(operation), error) }
}

unsafe fn exists(
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
                call.run("exists", Weight::Question, finish, |client, call| {
                    client.exists(&reference.reference, call)
                })
            },
        )
    }
}

/// Asks whether an artifact is there. "No" is a well-formed "not found"; when it can't be told (no access,
/// no connection, a server's failure) that is an error. The result has the answer: `cldoci_result_exists`.
///
/// @param client     borrowed, not NULL
/// @param reference  borrowed, not NULL
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param result     out, may be NULL: set to NULL, on success to a result that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what it failed with
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_exists(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { exists(client, reference, options, Finish::Wait(result), error) }
}

/// Starts `cldoci_exists` and returns at once; the operation tells how it goes.
///
/// @param client     borrowed, not NULL
/// @param reference  borrowed, not NULL
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param operation  out, not NULL: set to NULL, on success to an operation that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_exists_start(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { exists(client, reference, options, Finish::Start(operation), error) }
}

unsafe fn resolve(
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
                call.run("resolve", Weight::Question, finish, |client, call| {
                    client.resolve(&reference.reference, call)
                })
            },
        )
    }
}

/// Asks for the digest, media type and size of what a reference names, without a download. The result has
/// them.
///
/// @param client     borrowed, not NULL
/// @param reference  borrowed, not NULL
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param result     out, may be NULL: set to NULL, on success to a result that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, CLDOCI_ERROR_NOT_FOUND where there is none, or what it failed with
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_resolve(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { resolve(client, reference, options, Finish::Wait(result), error) }
}

/// Starts `cldoci_resolve` and returns at once; the operation tells how it goes.
///
/// @param client     borrowed, not NULL
/// @param reference  borrowed, not NULL
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param operation  out, not NULL: set to NULL, on success to an operation that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_resolve_start(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { resolve(client, reference, options, Finish::Start(operation), error) }
}

unsafe fn list_tags(
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
                call.run("list_tags", Weight::Question, finish, |client, call| {
                    client.list_tags(&reference.reference, call)
                })
            },
        )
    }
}

/// Lists the tags of a repository or a layout; the reference's own tag means nothing. The result has them,
/// sorted by their bytes.
///
/// @param client     borrowed, not NULL
/// @param reference  borrowed, not NULL
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param result     out, may be NULL: set to NULL, on success to a result that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what it failed with
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_list_tags(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { list_tags(client, reference, options, Finish::Wait(result), error) }
}

/// Starts `cldoci_list_tags` and returns at once; the operation tells how it goes.
///
/// @param client     borrowed, not NULL
/// @param reference  borrowed, not NULL
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param operation  out, not NULL: set to NULL, on success to an operation that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_list_tags_start(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { list_tags(client, reference, options, Finish::Start(operation), error) }
}

unsafe fn inspect(
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
                call.run("inspect", Weight::Question, finish, |client, call| {
                    client.inspect(&reference.reference, call)
                })
            },
        )
    }
}

/// Gets an artifact without its layers' bytes: manifest and config. The result has the artifact.
///
/// @param client     borrowed, not NULL
/// @param reference  borrowed, not NULL
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param result     out, may be NULL: set to NULL, on success to a result that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what it failed with
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_inspect(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { inspect(client, reference, options, Finish::Wait(result), error) }
}

/// Starts `cldoci_inspect` and returns at once; the operation tells how it goes.
///
/// @param client     borrowed, not NULL
/// @param reference  borrowed, not NULL
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param operation  out, not NULL: set to NULL, on success to an operation that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_inspect_start(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { inspect(client, reference, options, Finish::Start(operation), error) }
}

unsafe fn referrers(
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
                call.run("referrers", Weight::Question, finish, |client, call| {
                    client.referrers(&reference.reference, call)
                })
            },
        )
    }
}

/// Lists the manifests that refer to an artifact. The result has their descriptors.
///
/// @param client     borrowed, not NULL
/// @param reference  borrowed, not NULL
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param result     out, may be NULL: set to NULL, on success to a result that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what it failed with
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_referrers(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { referrers(client, reference, options, Finish::Wait(result), error) }
}

/// Starts `cldoci_referrers` and returns at once; the operation tells how it goes.
///
/// @param client     borrowed, not NULL
/// @param reference  borrowed, not NULL
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param operation  out, not NULL: set to NULL, on success to an operation that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_referrers_start(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { referrers(client, reference, options, Finish::Start(operation), error) }
}
