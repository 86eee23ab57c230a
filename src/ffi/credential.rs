//! The caller's credential function, and what it fills in.

use std::ffi::{CString, c_char, c_void};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::callback::UserData;
use super::status::{CLDOCI_ERROR_HANDLE, cldoci_status};
use super::support::credentials::{Answer, CredentialCallback};
use super::support::handle::{self, Object};
use super::support::strings::{optional_text, text};
use super::support::{accessor, guard, lock};
use super::types::{cldoci_credential, cldoci_error};
use crate::credential::{Action, Credential};
use crate::error::{Error, Kind, Result, printable};
use crate::options::Secret;

/// What a credential is for: to identify to the registry, without access to a repository.
pub const CLDOCI_ACTION_IDENTIFY: i32 = 0;
/// To read a repository.
pub const CLDOCI_ACTION_PULL: i32 = 1;
/// To write to a repository and read it.
pub const CLDOCI_ACTION_PUSH: i32 = 2;
/// To delete from a repository, write to it and read it.
pub const CLDOCI_ACTION_DELETE: i32 = 3;

/// Provides the credential for a repository, after its registry has demanded one. Fill in `credential`
/// (`cldoci_credential_set_basic` and the functions after it) and return 1. Return 0 if you have none; then the
/// next source is asked. A negative number ends the operation with CLDOCI_ERROR_CREDENTIALS;
/// `cldoci_credential_set_failure` sets its message. `cldoci_credential_action` says what the credential is for.
/// It is used until the registry refuses it. `credential` is valid during the call, on the callback's thread.
pub type cldoci_credential_callback = Option<
    unsafe extern "C" fn(
        registry: *const c_char,
        repository: *const c_char,
        credential: *mut cldoci_credential,
        user_data: *mut c_void,
    ) -> i32,
>;

/// What the callback filled in: a credential, or why there is none.
type Filled = std::result::Result<Credential, String>;

pub(super) struct CredentialObject {
    action: Action,
    /// The callback asked for the action.
    by_action: AtomicBool,
    filled: Mutex<Option<Filled>>,
}

impl Object for CredentialObject {
    type Opaque = cldoci_credential;
    const TYPE: u8 = 3;
    const NAME: &'static str = "cldoci_credential";
}

fn put(credential: *mut cldoci_credential, value: Filled) -> Result<()> {
    *lock(&handle::get::<CredentialObject>(credential)?.filled) = Some(value);
    Ok(())
}

/// The caller's function, as the engine asks it.
pub(super) fn credential_callback(
    function: unsafe extern "C" fn(*const c_char, *const c_char, *mut cldoci_credential, *mut c_void) -> i32,
    user_data: UserData,
) -> Arc<CredentialCallback> {
    Arc::new(move |registry, repository, action| {
        let [registry_text, repository_text] =
            [registry, repository].map(|text| CString::new(text).unwrap_or_default());
        let handle = handle::insert(CredentialObject {
            action,
            by_action: AtomicBool::new(false),
            filled: Mutex::new(None),
        })?;
        // SAFETY: the caller gave this function for this user_data, and both texts live as long as the call.
        let answer = unsafe {
            function(registry_text.as_ptr(), repository_text.as_ptr(), handle, user_data.pointer())
        };
        let object = handle::get::<CredentialObject>(handle)?;
        let (filled, by_action) = (lock(&object.filled).take(), object.by_action.load(Ordering::Relaxed));
        drop(object);
        handle::free::<CredentialObject>(handle)?;
        let failed = |why: &str| {
            let of = printable(format!("{registry}/{repository}"));
            Err(Error::new(Kind::Credentials, format!("{why} for {of}")))
        };
        match (answer, filled) {
            (0, _) => Ok(Answer { credential: None, by_action }),
            (1, Some(Ok(credential))) => Ok(Answer { credential: Some(credential), by_action }),
            (1, _) => failed("gave 1 and filled nothing in"),
            (_, Some(Err(why))) => Err(Error::new(Kind::Credentials, printable(why))),
            (code, _) => failed(&format!("failed with {code}")),
        }
    })
}

/// What the credential is for. A callback that calls this is asked once for each action on a repository. One that
/// does not call it is asked once per repository, and its first answer serves all actions.
///
/// @return CLDOCI_ACTION_…, later versions may have more; CLDOCI_ERROR_HANDLE for a bad handle
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_credential_action(credential: *const cldoci_credential) -> i32 {
    accessor::number::<CredentialObject, _>(credential, CLDOCI_ERROR_HANDLE, |credential| {
        credential.by_action.store(true, Ordering::Relaxed);
        Some(match credential.action {
            Action::Identify => CLDOCI_ACTION_IDENTIFY,
            Action::Pull => CLDOCI_ACTION_PULL,
            Action::Push => CLDOCI_ACTION_PUSH,
            Action::Delete => CLDOCI_ACTION_DELETE,
        })
    })
}

/// Fills in a user name with a password or an access token.
///
/// @param username  borrowed, not NULL, UTF-8; copied
/// @param password  borrowed, not NULL, UTF-8; copied, and wiped when it is no longer needed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_credential_set_basic(
    credential: *mut cldoci_credential,
    username: *const c_char,
    password: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let username = text(username, "username")?;
        put(credential, Ok(Credential::basic(username, Secret::new(text(password, "password")?))?))
    })
}

/// Fills in an OAuth2 refresh token, which `docker login` gets from some registries.
///
/// @param username  borrowed, may be NULL, UTF-8; copied: for servers that only know basic authentication
/// @param token     borrowed, not NULL, UTF-8; copied, and wiped when it is no longer needed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_credential_set_identity_token(
    credential: *mut cldoci_credential,
    username: *const c_char,
    token: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let username = optional_text(username, "username")?.unwrap_or("");
        put(credential, Ok(Credential::identity_token(username, Secret::new(text(token, "token")?))?))
    })
}

/// Fills in a bearer token that is sent unchanged.
///
/// @param token  borrowed, not NULL, UTF-8; copied, and wiped when it is no longer needed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_credential_set_registry_token(
    credential: *mut cldoci_credential,
    token: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        put(credential, Ok(Credential::registry_token(Secret::new(text(token, "token")?))?))
    })
}

/// Says why there is no credential: the message of the error if the callback returns a negative number.
///
/// @param message  borrowed, not NULL, UTF-8; copied: one line for people, without a secret
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_credential_set_failure(
    credential: *mut cldoci_credential,
    message: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || put(credential, Err(text(message, "message")?.to_owned())))
}
