//! The environment, read once.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

/// The process's environment, as it was when the client was made (case X-27).
#[derive(Clone, Default)]
pub struct Environment(Arc<HashMap<OsString, OsString>>);

impl Environment {
    /// Reads the process's environment.
    pub fn capture() -> Self {
        Self(Arc::new(std::env::vars_os().collect()))
    }
    /// An environment of these variables.
    pub fn of<K: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(Arc::new(variables.into_iter().map(|(k, v)| (k.into(), v.into())).collect()))
    }
    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|v| !v.is_empty())
    }
    /// The same as UTF-8 text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(OsStr::to_str)
    }
    /// All of it, for a child process.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(k, v)| (k.as_os_str(), v.as_os_str()))
    }
}
