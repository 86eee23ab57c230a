//! What the fuzz targets call.

use http::header::{HeaderMap, HeaderValue, LINK};
use url::Url;

pub use super::auth::fuzz::{Bearer, challenge, token};
use super::origin::Origin;
use super::policy;
use super::tags::{self, Next};
use crate::error::Result;

/// Whether a `Content-Range` names this part.
pub fn is_range(text: &str, start: u64, end: u64, size: u64) -> bool {
    super::ranges::is_range(text, start, end, size)
}

/// Where a request goes: whether to the registry's own origin, and the origin's scheme, host and port.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// To the registry itself.
    pub own: bool,
    /// Over https.
    pub secure: bool,
    /// As an origin has it.
    pub host: String,
    /// Also where it is the usual one.
    pub port: u16,
    /// Whether the URL has a user name or a password.
    pub has_user: bool,
}

fn place(own: bool, url: &Url) -> Result<Place> {
    let origin = Origin::of(url)?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    Ok(Place { own, secure: origin.secure, host: origin.host.to_string(), port: origin.port, has_user })
}

/// A registry, and a request that was sent to it.
pub struct Asked {
    registry: Origin,
    request: Url,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Asked({})", self.request)
    }
}

impl Asked {
    /// Of a registry, by its name.
    pub fn of(registry: &str, secure: bool) -> Result<Self> {
        let registry = Origin::of_registry(registry, secure)?;
        let request = registry.url("/v2/a/blobs/uploads/?x=1")?;
        Ok(Self { registry, request })
    }

    /// Where the registry is.
    pub fn place(&self) -> Result<Place> {
        place(true, &self.request)
    }

    /// Where an upload's `Location` leads.
    pub fn location(&self, text: &str, upload_hosts: &[String]) -> Result<Place> {
        let found = policy::location(&self.registry, &self.request, text, upload_hosts)?;
        place(found.own, &found.url)
    }

    /// Where a `Link` leads: none where it names no next page, or can't be read.
    pub fn link(&self, value: &[u8]) -> Option<Result<Place>> {
        let value = HeaderValue::from_bytes(value).ok()?;
        let Next::At(text) = tags::next_link(&HeaderMap::from_iter([(LINK, value)])) else { return None };
        let url = policy::link(&self.registry, &self.request, &text);
        Some(url.and_then(|url| place(true, &url)))
    }
}
