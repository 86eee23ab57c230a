//! What a place that may have a credential is asked.

use super::helper::Helpers;
use crate::credential::{Action, Lookup};
use crate::error::Result;
use crate::operation::Operation;

/// What a source is asked.
pub(super) struct Asked<'a> {
    /// The registry's name as references have it.
    pub(super) registry: &'a str,
    pub(super) repository: &'a str,
    pub(super) action: Action,
    pub(super) helpers: &'a Helpers,
    pub(super) operation: &'a Operation,
}

/// A place that may have a credential. An error of it ends the search; so does anything but `Lookup::None`.
pub(super) trait Source: Send + Sync {
    fn find(&self, asked: &Asked<'_>) -> Result<Lookup>;
}
