//! `cldoci_client`, push and pull: each verb converts, calls the core, and waits or gives an operation.
//! `build`, `read` and `write` have the other verbs.

use std::ffi::c_char;
use std::sync::Arc;

use super::artifact::ArtifactObject;
use super::credential::Provider;
use super::guard;
use super::handle;
use super::options;
use super::process::local;
use super::reference::ReferenceObject;
use super::runtime::Weight;
use super::status::cldoci_status;
use super::text::{out, path};
use super::types::{
    cldoci_artifact, cldoci_client, cldoci_error, cldoci_operation, cldoci_options, cldoci_reference,
    cldoci_result,
};
use super::verb::{Call, ClientObject, Finish};
use crate::client::Client;
use crate::credential::CredentialProvider;
use crate::options::Environment;

/// A client. Its settings are fixed here, and the environment is read here and not later; nothing is
/// connected and no thread is started. One client serves any number of calls and threads, and keeps its
/// connections between them.
///
/// @param options  borrowed, may be NULL: all defaults; copied
/// @param client   out, not NULL: set to NULL, on success to a client that you free
/// @param error    out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT where an option or a variable of the environment is not
///         usable
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_client_new(
    options: *const cldoci_options,
    client: *mut *mut cldoci_client,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::giving(
            error,
            || out(client, "client", std::ptr::null_mut()),
            |place| {
                // The runtime's plan looks into the environment, too.
                local();
                let set = options::copy(options)?.unwrap_or_default();
                let provider = set.credentials.map(|asker| Arc::new(Provider::new(asker)));
                let asking = provider.as_ref().map(|provider| provider.asking);
                let provider = provider.map(|provider| provider as Arc<dyn CredentialProvider>);
                let client = Client::with_credentials(&set.options, Environment::capture(), provider)?;
                *place = handle::insert(ClientObject::new(client, set.progress, set.logger, asking))?;
                Ok(())
            },
        )
    }
}

/// Frees a client. Never waits: operations under way go on, and the library's threads end soon after the
/// last client and operation.
///
/// @param client  consumed; NULL is fine
/// @return CLDOCI_OK, or CLDOCI_ERROR_HANDLE or CLDOCI_ERROR_FORKED for a bad handle
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_client_free(client: *mut cldoci_client) -> cldoci_status {
    // SAFETY: no error object is asked for.
    unsafe { guard::status(std::ptr::null_mut(), || handle::free::<ClientObject>(client)) }
}

unsafe fn push(
    client: *const cldoci_client,
    artifact: *const cldoci_artifact,
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
                let artifact = handle::get::<ArtifactObject>(artifact)?;
                let reference = handle::get::<ReferenceObject>(reference)?;
                call.run("push", Weight::Transfer, finish, |client, call| {
                    client.push(&artifact.artifact, &reference.reference, call)
                })
            },
        )
    }
}

/// Pushes an artifact to a registry or a layout. Blobs that are there are skipped, mountable ones are
/// mounted, the manifest goes last: the tag points to the old artifact or to the whole new one.
///
/// The result has the digest, counters and warnings.
///
/// @param client     borrowed, not NULL
/// @param artifact   borrowed, not NULL
/// @param reference  borrowed, not NULL
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param result     out, may be NULL: set to NULL, on success to a result that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what it failed with
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_push(
    client: *const cldoci_client,
    artifact: *const cldoci_artifact,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { push(client, artifact, reference, options, Finish::Wait(result), error) }
}

/// Starts `cldoci_push` and returns at once; the operation tells how it goes.
///
/// @param client     borrowed, not NULL
/// @param artifact   borrowed, not NULL
/// @param reference  borrowed, not NULL
/// @param options    borrowed, may be NULL: for this call; they beat the client's
/// @param operation  out, not NULL: set to NULL, on success to an operation that you free
/// @param error      out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_push_start(
    client: *const cldoci_client,
    artifact: *const cldoci_artifact,
    reference: *const cldoci_reference,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { push(client, artifact, reference, options, Finish::Start(operation), error) }
}

unsafe fn pull(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    destination: *const c_char,
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
                let destination = path(destination, "destination")?;
                call.run("pull", Weight::Transfer, finish, |client, call| {
                    client.pull(&reference.reference, destination, call)
                })
            },
        )
    }
}

/// Pulls an artifact into a directory, all or nothing: every size and digest is verified before anything
/// appears. An absent or empty destination is published at once; what happens to another is the option
/// `existing`. A destination that holds this artifact already costs one request and is not touched.
///
/// The result has the artifact, the digest, counters and warnings.
///
/// @param client       borrowed, not NULL
/// @param reference    borrowed, not NULL
/// @param destination  borrowed, not NULL, a path of any bytes; copied
/// @param options      borrowed, may be NULL: for this call; they beat the client's
/// @param result       out, may be NULL: set to NULL, on success to a result that you free
/// @param error        out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what it failed with
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_pull(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    destination: *const c_char,
    options: *const cldoci_options,
    result: *mut *mut cldoci_result,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { pull(client, reference, destination, options, Finish::Wait(result), error) }
}

/// Starts `cldoci_pull` and returns at once; the operation tells how it goes.
///
/// @param client       borrowed, not NULL
/// @param reference    borrowed, not NULL
/// @param destination  borrowed, not NULL, a path of any bytes; copied
/// @param options      borrowed, may be NULL: for this call; they beat the client's
/// @param operation    out, not NULL: set to NULL, on success to an operation that you free
/// @param error        out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or why it could not be started
/// Threads: any, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_pull_start(
    client: *const cldoci_client,
    reference: *const cldoci_reference,
    destination: *const c_char,
    options: *const cldoci_options,
    operation: *mut *mut cldoci_operation,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { pull(client, reference, destination, options, Finish::Start(operation), error) }
}
