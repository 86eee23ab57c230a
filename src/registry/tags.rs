//! Lists that come in pages (distribution-spec, "Listing Tags").

use std::collections::{BTreeSet, HashSet};

use http::{HeaderMap, Method, header};
use serde::Deserialize;
use url::Url;

use super::repository::Repository;
use super::request::{Request, Target};
use super::response::Response;
use super::{body, policy};
use crate::error::{Error, Kind, Result, printable};
use crate::oci::check_tag;

/// As many as the registries that bound it allow (Q70).
const PAGE: u32 = 1000;
/// The most tags in memory.
const TAGS: usize = 1_000_000;

impl Repository {
    /// All tags, sorted by bytes.
    pub async fn list_tags(&self) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct List {
            tags: Option<Vec<String>>,
        }
        let mut found = BTreeSet::new();
        let mut pages = Pages::new(self, self.path(&format!("tags/list?n={PAGE}")));
        while let Some(response) = pages.next(HeaderMap::new()).await? {
            if response.status != 200 {
                return Err(response.error_response().await?.into_error(&self.name()));
            }
            let bytes = pages.read(response).await?;
            let list: List = serde_json::from_slice(&bytes).map_err(|error| {
                Error::new(Kind::Protocol, format!("{}: the tag list is malformed: {error}", self.name()))
                    .with_http_status(200)
            })?;
            for tag in list.tags.unwrap_or_default() {
                if check_tag(&tag).is_err() {
                    self.call.operation.warn(format!(
                        "{}: '{}' in the list of tags is no tag",
                        self.name(),
                        printable(tag)
                    ));
                } else if found.len() >= TAGS {
                    return Err(Error::new(Kind::Limit, format!("{}: more than {TAGS} tags", self.name())));
                } else {
                    found.insert(tag);
                }
            }
        }
        Ok(found.into_iter().collect())
    }
}

/// Walks from page to page: on the registry's origin only, never in a circle, not for ever (R-31).
pub(super) struct Pages<'a> {
    repository: &'a Repository,
    next: Option<Target>,
    seen: HashSet<String>,
}

impl<'a> Pages<'a> {
    pub(super) fn new(repository: &'a Repository, path: String) -> Self {
        Self { repository, next: Some(Target::Path(path)), seen: HashSet::new() }
    }

    /// The next page's answer.
    pub(super) async fn next(&mut self, headers: HeaderMap) -> Result<Option<Response>> {
        let Some(target) = self.next.take() else { return Ok(None) };
        let repository = self.repository;
        let mut request = Request::new(Method::GET, target, repository.scope.clone());
        request.headers = headers;
        let response = repository.exchange(&request).await?;
        self.seen.insert(response.url.to_string());
        if let Some(link) = next_link(&response.headers) {
            let url = self.check(&response.url, &link).map_err(|error| error.context(repository.name()))?;
            self.next = Some(Target::Url { url, own: true });
        }
        Ok(Some(response))
    }

    fn check(&self, from: &Url, link: &str) -> Result<Url> {
        let limit = self.repository.call.settings.max_pages;
        if self.seen.len() as u64 >= limit {
            return Err(Error::new(
                Kind::Limit,
                format!("the list has more than {limit} pages (option max_pages)"),
            ));
        }
        let url = policy::link(&self.repository.origin()?, from, link)?;
        if self.seen.contains(url.as_str()) {
            return Err(Error::new(Kind::Limit, "the list's pages go in a circle"));
        }
        Ok(url)
    }

    /// One page's body.
    pub(super) async fn read(&self, response: Response) -> Result<Vec<u8>> {
        let repository = self.repository;
        let limit = repository.call.settings.max_manifest_bytes;
        let headers = response.headers.clone();
        let too_large = || {
            Error::new(
                Kind::Limit,
                format!(
                    "{}: a page is larger than {limit} bytes (option max_manifest_bytes)",
                    repository.name()
                ),
            )
        };
        let answer =
            response.into_raw().ok_or_else(|| Error::new(Kind::Internal, "a body was read before"))?;
        let bytes = body::read_all(answer, limit).await?.ok_or_else(too_large)?;
        body::decode(&headers, bytes, limit)?.ok_or_else(too_large)
    }
}

/// The target of the `Link` whose relation is `next` (RFC 8288); what can't be read is none.
fn next_link(headers: &HeaderMap) -> Option<String> {
    headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok()).find_map(|text| {
        let mut rest = text;
        loop {
            let (target, after) =
                rest.trim_start_matches([',', ' ', '\t']).strip_prefix('<')?.split_once('>')?;
            // A comma outside of quotes ends the link's parameters.
            let mut quoted = false;
            let end = after.find(|c: char| {
                quoted ^= c == '"';
                c == ',' && !quoted
            });
            let (parameters, more) = after.split_at(end.unwrap_or(after.len()));
            let is_next = parameters.split(';').any(|parameter| {
                parameter.split_once('=').is_some_and(|(name, value)| {
                    name.trim().eq_ignore_ascii_case("rel")
                        && value
                            .trim()
                            .trim_matches('"')
                            .split(' ')
                            .any(|rel| rel.eq_ignore_ascii_case("next"))
                })
            });
            if is_next {
                return Some(target.to_owned());
            }
            rest = more;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_31_links_good_and_bad() {
        let next = |text: &str| next_link(&HeaderMap::from_iter([(header::LINK, text.parse().unwrap())]));
        assert_eq!(next(r#"</v2/x?last=a,b>; rel="next""#).unwrap(), "/v2/x?last=a,b");
        assert_eq!(next(r#"<a>; rel=prev, <b>; title="x,y"; rel=next"#).unwrap(), "b");
        for text in ["", "/v2/x", "<unclosed", r#"<a>; rel="prev""#, "<a>", ",,,<", "<a>;rel"] {
            assert_eq!(next(text), None, "{text}");
        }
    }
}
