//! Credentials and tokens. What is here answers no challenge yet: every request is anonymous.

use http::{HeaderMap, HeaderValue};

use super::origin::Origin;
use super::transport::Transport;
use crate::config::Settings;
use crate::error::Result;
use crate::operation::Operation;

/// What a request wants to do.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    writes: bool,
}

impl Scope {
    pub(crate) fn pull(_repository: &str) -> Self {
        Self { writes: false }
    }
    pub(crate) fn push(_repository: &str) -> Self {
        Self { writes: true }
    }
    pub(crate) fn delete(_repository: &str) -> Self {
        Self { writes: true }
    }
    #[must_use]
    pub(crate) fn with_mount_from(self, _repository: &str) -> Self {
        self
    }
    pub(crate) fn writes(&self) -> bool {
        self.writes
    }
}

/// The value of an `Authorization` header.
pub(crate) struct Authorization(HeaderValue);

impl Authorization {
    pub(crate) fn value(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// A client's credentials and tokens.
pub(crate) struct Auth;

impl Auth {
    pub(crate) fn new(_: &Settings) -> Result<Self> {
        Ok(Self)
    }

    /// What is at hand before a request.
    pub(crate) async fn header(
        &self,
        _: &Transport,
        _: &Origin,
        _registry: &str,
        _: &Scope,
        _: &Operation,
    ) -> Result<Option<Authorization>> {
        Ok(None)
    }

    /// What answers a 401.
    #[expect(clippy::too_many_arguments, reason = "all that a challenge depends on")]
    pub(crate) async fn answer(
        &self,
        _: &Transport,
        _: &Origin,
        _registry: &str,
        _: &Scope,
        _challenges: &HeaderMap,
        _used: Option<&Authorization>,
        _: &Operation,
    ) -> Result<Option<Authorization>> {
        Ok(None)
    }
}
