//! Who answered a request, and what it was asked: for messages.

use http::Method;
use url::Url;

use super::origin::Origin;
use crate::error::printable;

/// Who answered, and what it was asked.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    /// Where the registry sent the request; none where it answered itself.
    elsewhere: Option<String>,
    /// The proxy that may have answered in its stead: of a request over http it sees all.
    proxy: Option<String>,
    /// In words: "uploads".
    pub(super) asked: &'static str,
    /// It was asked to change something.
    pub(super) writes: bool,
}

impl Sender {
    pub(super) fn new(method: &Method, url: &Url, own: bool, proxy: Option<String>) -> Self {
        let (path, reads) = (url.path(), matches!(*method, Method::GET | Method::HEAD));
        let asked = match *method {
            Method::DELETE => "deletes",
            _ if !reads && path.contains("/blobs/uploads/") => "uploads",
            _ if !reads => "pushes of manifests",
            _ if path.contains("/tags/list") => "lists of tags",
            _ if path.contains("/referrers/") => "lists of referrers",
            _ => "this read",
        };
        let elsewhere =
            if own { None } else { Origin::of(url).ok().map(|origin| printable(origin.authority())) };
        let proxy = proxy.filter(|_| url.scheme() == "http");
        Self { elsewhere, proxy, asked, writes: !reads }
    }

    pub(super) fn is_registry(&self) -> bool {
        self.elsewhere.is_none()
    }

    /// The subject of a sentence.
    pub(super) fn name(&self) -> String {
        let who = match &self.elsewhere {
            Some(host) => format!("{host}, where the registry sends this,"),
            None => "the registry".to_owned(),
        };
        match &self.proxy {
            Some(proxy) => format!("{who} or the proxy {proxy} before it"),
            None => who,
        }
    }
}
