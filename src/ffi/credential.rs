//! The caller's credential function, and what it fills in.

use std::cell::Cell;
use std::ffi::{CString, c_char, c_void};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use super::callback::UserData;
use super::guard;
use super::handle::{self, Object};
use super::process::{local, lock};
use super::status::cldoci_status;
use super::text::{optional_text, text};
use super::types::{cldoci_credential, cldoci_error};
use crate::credential::{Credential, CredentialProvider};
use crate::error::{Error, Kind, Result, printable};
use crate::options::Secret;

/// Asked for the credential of a repository once its registry has demanded one. Fill in `credential`
/// (`cldoci_credential_set_basic` and its like; it lives for the time of the call) and return 1, or return 0 for
/// none, so that the next source is asked; a negative number ends the operation with CLDOCI_ERROR_CREDENTIALS,
/// whose message `cldoci_credential_set_failure` completes. It is kept until the registry refuses it.
#[allow(non_camel_case_types, reason = "the header's name")]
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

pub(super) struct CredentialObject(Mutex<Option<Filled>>);

impl Object for CredentialObject {
    type Opaque = cldoci_credential;
    const TYPE: u8 = 3;
    const NAME: &'static str = "cldoci_credential";
}

fn put(credential: *mut cldoci_credential, value: Filled) -> Result<()> {
    *lock(&handle::get::<CredentialObject>(credential)?.0) = Some(value);
    Ok(())
}

/// The caller's function.
pub(super) struct Asker {
    pub(super) function:
        unsafe extern "C" fn(*const c_char, *const c_char, *mut cldoci_credential, *mut c_void) -> i32,
    pub(super) user_data: UserData,
}

impl Asker {
    fn ask(&self, registry: &str, repository: &str) -> Result<Option<Credential>> {
        let [registry_text, repository_text] =
            [registry, repository].map(|t| CString::new(t).unwrap_or_default());
        let handle = handle::insert(CredentialObject(Mutex::new(None)))?;
        // SAFETY: the caller gave this function for this user_data, and both texts live as long as the call.
        let answer = unsafe {
            (self.function)(registry_text.as_ptr(), repository_text.as_ptr(), handle, self.user_data.pointer)
        };
        let filled = lock(&handle::get::<CredentialObject>(handle)?.0).take();
        handle::free::<CredentialObject>(handle)?;
        let failed = |why: &str| {
            let of = printable(format!("{registry}/{repository}"));
            Err(Error::new(Kind::Credentials, format!("{why} for {of}")))
        };
        match (answer, filled) {
            (0, _) => Ok(None),
            (1, Some(Ok(credential))) => Ok(Some(credential)),
            (1, _) => failed("gave 1 and filled nothing in"),
            (_, Some(Err(why))) => Err(Error::new(Kind::Credentials, printable(why))),
            (code, _) => failed(&format!("failed with {code}")),
        }
    }
}

thread_local! {
    /// The client whose callback runs on this thread.
    static ANSWERING: Cell<Option<Asking>> = const { Cell::new(None) };
}

/// Tells apart the clients that ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asking(u64);

impl Asking {
    /// Whether this thread runs the callback of this client. Whatever the client does may wait for it.
    pub(super) fn is_here(self) -> bool {
        ANSWERING.get() == Some(self)
    }
}

/// One client's way to the caller's function: asks on a thread for callbacks, never on one that does I/O.
pub(super) struct Provider {
    asker: Arc<Asker>,
    pub(super) asking: Asking,
}

impl Provider {
    pub(super) fn new(asker: Arc<Asker>) -> Self {
        static CLIENTS: AtomicU64 = AtomicU64::new(0);
        Self { asker, asking: Asking(CLIENTS.fetch_add(1, Ordering::Relaxed)) }
    }
}

impl CredentialProvider for Provider {
    fn credential(&self, registry: &str, repository: &str) -> Result<Option<Credential>> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let (asker, asking) = (self.asker.clone(), self.asking);
        let (registry, repository) = (registry.to_owned(), repository.to_owned());
        local().callers.post(Box::new(move || {
            let before = ANSWERING.replace(Some(asking));
            let answer = asker.ask(&registry, &repository);
            ANSWERING.set(before);
            // Nobody listens where the operation has ended meanwhile.
            let _ = sender.send(answer);
        }));
        let lost = |_| Error::new(Kind::Credentials, "did not come back");
        receiver.recv().map_err(lost)?
    }
}

/// Fills in a user name with a password or an access token.
///
/// @param credential  borrowed, not NULL: what the callback was given
/// @param username    borrowed, not NULL, UTF-8; copied
/// @param password    borrowed, not NULL, UTF-8; copied, and wiped when it is not needed any more
/// @param error       out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what is wrong; the message never holds a secret
/// Threads: the callback's own, while it runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_credential_set_basic(
    credential: *mut cldoci_credential,
    username: *const c_char,
    password: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::status(error, || {
            let username = text(username, "username")?;
            put(credential, Ok(Credential::basic(username, Secret::new(text(password, "password")?))?))
        })
    }
}

/// Fills in an OAuth2 refresh token, as `docker login` of some registries gives it.
///
/// @param credential  borrowed, not NULL: what the callback was given
/// @param username    borrowed, may be NULL, UTF-8; copied: for servers that know only basic authentication
/// @param token       borrowed, not NULL, UTF-8; copied, and wiped when it is not needed any more
/// @param error       out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what is wrong; the message never holds a secret
/// Threads: the callback's own, while it runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_credential_set_identity_token(
    credential: *mut cldoci_credential,
    username: *const c_char,
    token: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::status(error, || {
            let username = optional_text(username, "username")?.unwrap_or("");
            put(credential, Ok(Credential::identity_token(username, Secret::new(text(token, "token")?))?))
        })
    }
}

/// Fills in a bearer token that is sent as it is.
///
/// @param credential  borrowed, not NULL: what the callback was given
/// @param token       borrowed, not NULL, UTF-8; copied, and wiped when it is not needed any more
/// @param error       out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what is wrong; the message never holds a secret
/// Threads: the callback's own, while it runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_credential_set_registry_token(
    credential: *mut cldoci_credential,
    token: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe {
        guard::status(error, || {
            put(credential, Ok(Credential::registry_token(Secret::new(text(token, "token")?))?))
        })
    }
}

/// Says why there is no credential, for the message of the error that the callback's negative number makes.
///
/// @param credential  borrowed, not NULL: what the callback was given
/// @param message     borrowed, not NULL, UTF-8; copied: one line for a person, without a secret
/// @param error       out, may be NULL: set to NULL, on failure to an error that you free
/// @return CLDOCI_OK, or what is wrong
/// Threads: the callback's own, while it runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_credential_set_failure(
    credential: *mut cldoci_credential,
    message: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    unsafe { guard::status(error, || put(credential, Err(text(message, "message")?.to_owned()))) }
}
