//! What the fuzz targets call.

use super::auth_file::AuthFile;
use super::helper;
use crate::credential::Credential;
use crate::error::Result;
use crate::oci::json_edit;

/// A credential file that was read.
#[derive(Debug)]
pub struct Config(AuthFile);

impl Config {
    /// Reads a text.
    pub fn parse(text: &[u8]) -> Result<Self> {
        AuthFile::parse(text).map(Self)
    }

    /// The credential that it has itself; no helper is run.
    pub fn kept(&self, registry: &str) -> Result<Option<Credential>> {
        Ok(self.0.kept(registry, "")?.map(|(_, credential)| credential))
    }

    /// Whether a helper keeps the registry's.
    pub fn has_helper(&self, registry: &str) -> bool {
        self.0.helper(registry).is_some()
    }

    /// The text as a log-in with the password `p` of `u` leaves it; none where it is not written to.
    pub fn log_in(&self, text: &str, registry: &str) -> Option<String> {
        let auths = self.0.writable().ok()?;
        json_edit::set(text, auths, registry, &[("auth", "\"dTpw\"".to_owned())])
    }

    /// The text as a log-out leaves it.
    pub fn log_out(&self, text: &str, registry: &str) -> Option<String> {
        let auths = self.0.writable().ok()?;
        let keys = self.0.entries_of(registry);
        keys.into_iter().try_fold(text.to_owned(), |text, key| json_edit::remove(&text, auths, key))
    }
}

/// The user name and the secret of a helper's output, or what is wrong with it.
pub fn helper_output(text: &[u8]) -> std::result::Result<(String, String), String> {
    helper::answer(text).map(|(username, secret)| (username, secret.expose().to_owned()))
}
