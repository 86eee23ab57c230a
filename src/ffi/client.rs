//! `cldoci_client`: what every verb needs.

use std::sync::Arc;

use super::status::cldoci_status;
use super::support::credentials::CallbackProvider;
use super::support::log::standard_error;
use super::support::verb::{ClientObject, OptionsObject};
use super::support::{engine, guard};
use super::types::{cldoci_client, cldoci_error, cldoci_options};
use crate::client::Client;
use crate::credential::CredentialProvider;
use crate::options::Environment;

/// Makes a client. Its settings are fixed now, and the environment is read now and not later. It does not
/// connect, and starts no thread. One client serves any number of calls and threads, and keeps its connections
/// between calls. An invalid option or variable of the environment is CLDOCI_ERROR_ARGUMENT.
///
/// If the options have no log callback, the environment variable CLDOCI_LOG (`error`, `warn`, `info` or `debug`)
/// sends lines up to that level to standard error, but never in a set-user-ID process.
///
/// @param options  borrowed, may be NULL: all defaults; copied
/// @param client   out, not NULL: set to NULL, on success to a client that you free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_client_new(
    options: *const cldoci_options,
    client: *mut *mut cldoci_client,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::new_handle(error, client, "client", || {
        // The runtime's plan looks into the environment, too.
        engine::prepare();
        let mut set = OptionsObject::copy(options)?.unwrap_or_default();
        let provider = set.credentials.clone().map(|callback| Arc::new(CallbackProvider::new(callback)));
        let asks = provider.as_ref().map(|provider| provider.client);
        let provider = provider.map(|provider| provider as Arc<dyn CredentialProvider>);
        let client = Client::with_credentials(&set.options, Environment::capture(), provider)?;
        if set.logger.is_none() {
            set.logger = standard_error(client.settings().environment())?;
        }
        Ok(ClientObject::new(client, set, asks))
    })
}

/// Frees a client, and never waits: running operations go on, and the library's threads end soon after the last
/// client and operation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_client_free(client: *mut cldoci_client) -> cldoci_status {
    guard::free::<ClientObject>(client)
}
