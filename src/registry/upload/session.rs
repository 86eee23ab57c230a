//! Upload sessions that outlive the process.

use http::{Method, header};
use url::Url;

use crate::error::Result;
use crate::registry::policy::{self, Location};
use crate::registry::repository::Repository;
use crate::registry::request::{Request, Target};

/// An upload that was begun and can be continued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The registry's newest `Location`.
    pub location: String,
    /// How many bytes it has, as far as is known here.
    pub offset: u64,
}

/// Keeps upload sessions; the key names registry, repository and digest.
pub trait UploadSessions: Send + Sync {
    /// The session of an upload that was interrupted.
    fn load(&self, key: &str) -> Option<Session>;
    /// Keeps a session. A failure only costs the chance to continue.
    fn save(&self, key: &str, session: &Session);
    /// Forgets a session.
    fn remove(&self, key: &str);
    /// Whether what is kept outlives this process.
    fn keeps(&self) -> bool;
}

/// Keeps nothing.
pub struct NoSessions;

impl UploadSessions for NoSessions {
    fn load(&self, _: &str) -> Option<Session> {
        None
    }
    fn save(&self, _: &str, _: &Session) {}
    fn remove(&self, _: &str) {}
    fn keeps(&self) -> bool {
        false
    }
}

impl Repository {
    /// Asks how much of an upload is there (Q40): where to continue, and from which byte; nothing where the
    /// session is gone.
    pub(super) async fn session_state(&self, location: &Location) -> Result<Option<(Location, u64)>> {
        let target = Target::Url { url: location.url.clone(), own: location.own };
        let response = self.exchange(&Request::new(Method::GET, target, self.push_scope())).await?;
        let found = match response.status {
            200 | 202 | 204 => match response.header(header::RANGE).map(range_end) {
                // Distribution says 0-0 for one byte as for none: from the start is right for both.
                Some(Some(0)) | None => Some(0),
                Some(Some(last)) => last.checked_add(1),
                Some(None) => None,
            },
            _ => None,
        };
        let next = if response.headers.contains_key(header::LOCATION) {
            self.next_location(&response)?
        } else {
            location.clone()
        };
        response.drain().await?;
        Ok(found.map(|offset| (next, offset)))
    }

    /// A saved location, if it still passes the policy.
    pub(super) fn saved_location(&self, session: &Session) -> Option<Location> {
        let request: Url = self.origin().url("/v2/").ok()?;
        let hosts = &self.call.settings.upload_hosts;
        policy::location(self.origin(), &request, &session.location, hosts).ok()
    }
}

/// The last byte of `0-N` or `bytes=0-N`.
fn range_end(range: &str) -> Option<u64> {
    let range = range.trim();
    let (first, last) = range.strip_prefix("bytes=").unwrap_or(range).split_once('-')?;
    (first.trim() == "0").then(|| last.trim().parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_a_session() {
        assert_eq!(range_end("0-99"), Some(99));
        assert_eq!(range_end("bytes=0-99"), Some(99));
        for text in ["", "5-9", "0-", "0-x", "99", "0--1"] {
            assert_eq!(range_end(text), None, "{text}");
        }
    }
}
