//! Lists that come in pages (distribution-spec, "Listing Tags").

use std::collections::{BTreeSet, HashSet};

use http::{HeaderMap, Method, header};
use serde::Deserialize;
use url::Url;

use super::repository::Repository;
use super::request::{About, Request, Target};
use super::response::Response;
use super::{body, policy};
use crate::call::Call;
use crate::error::{Error, Kind, Result, printable};
use crate::oci::check_tag;
use crate::operation::cost;

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
                        "{}: invalid tag '{}' in the list of tags",
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
    /// What the pages so far take in memory.
    cost: u64,
}

impl<'a> Pages<'a> {
    pub(super) fn new(repository: &'a Repository, path: String) -> Self {
        Self { repository, next: Some(Target::Path(path)), seen: HashSet::new(), cost: 0 }
    }

    /// The next page's answer.
    pub(super) async fn next(&mut self, headers: HeaderMap) -> Result<Option<Response>> {
        let Some(target) = self.next.take() else { return Ok(None) };
        let repository = self.repository;
        let mut request = Request::new(Method::GET, target, repository.scope.clone()).about(About::Document);
        request.headers = headers;
        let response = repository.exchange(&request).await?;
        self.seen.insert(response.url.to_string());
        match next_link(&response.headers) {
            Next::None => {}
            Next::At(link) => {
                let url =
                    self.check(&response.url, &link).map_err(|error| error.context(repository.name()))?;
                self.next = Some(Target::Url { url, own: true });
            }
            Next::Unreadable => repository.call.operation.warn(format!(
                "{}: the header Link of a page can't be read: the list may go on",
                repository.name()
            )),
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
        let url = policy::link(self.repository.origin(), from, link)?;
        if self.seen.contains(url.as_str()) {
            return Err(Error::new(Kind::Limit, "the list's pages form a loop"));
        }
        Ok(url)
    }

    /// One page's body.
    pub(super) async fn read(&mut self, response: Response) -> Result<Vec<u8>> {
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
        let bytes = body::decode(&headers, bytes, limit)?.ok_or_else(too_large)?;
        self.cost += cost(&bytes);
        let Call { settings, operation } = &repository.call;
        let room = operation.room(self.cost, settings.max_documents_bytes as u64).await;
        room.map_err(|error| error.context(repository.name()))?;
        Ok(bytes)
    }
}

/// What the headers `Link` say about the next page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    None,
    At(String),
    /// It can't be read: there may be one.
    Unreadable,
}

/// The target of the `Link` whose relation is `next` (RFC 8288). Gateways cut the relation off, or quote it in
/// another way: a link without any is the next page, since a list has no other (Q109).
pub(super) fn next_link(headers: &HeaderMap) -> Next {
    let mut found = Next::None;
    for value in headers.get_all(header::LINK) {
        match value.to_str().ok().and_then(next_in) {
            Some(Next::At(target)) => return Next::At(target),
            Some(_) => {}
            None => found = Next::Unreadable,
        }
    }
    found
}

/// One header's; none where it can't be read.
fn next_in(text: &str) -> Option<Next> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        if rest.is_empty() {
            return Some(Next::None);
        }
        let (target, after) = rest.strip_prefix('<')?.split_once('>')?;
        // A comma outside of quotes ends the link's parameters.
        let mut quoted = false;
        let end = after.find(|c: char| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let (parameters, more) = after.split_at(end.unwrap_or(after.len()));
        let mut relations = parameters.split(';').filter_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("rel").then(|| value.trim().trim_matches(['"', '\'']))
        });
        let is_next = |relation: &str| relation.split(' ').any(|one| one.eq_ignore_ascii_case("next"));
        if relations.next().is_none_or(is_next) {
            return Some(Next::At(target.to_owned()));
        }
        rest = more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_31_links_good_and_bad() {
        let next = |text: &str| next_link(&HeaderMap::from_iter([(header::LINK, text.parse().unwrap())]));
        for (text, target) in [
            (r#"</v2/x?last=a,b>; rel="next""#, "/v2/x?last=a,b"),
            (r#"<a>; rel=prev, <b>; title="x,y"; rel=next"#, "b"),
            ("<a>; rel='next'", "a"),
            ("<a>", "a"),
            ("<a>;rel", "a"),
            ("<a>; title=x", "a"),
        ] {
            assert_eq!(next(text), Next::At(target.to_owned()), "{text}");
        }
        for text in ["", ",, ,", r#"<a>; rel="prev""#, "<a>; rel='last', <b>; rel=first"] {
            assert_eq!(next(text), Next::None, "{text}");
        }
        for text in ["/v2/x", "<unclosed", ",,,<", r#"</v2/x; rel="next""#, r#"/v2/x; rel="next""#] {
            assert_eq!(next(text), Next::Unreadable, "{text}");
        }
        let two: HeaderMap =
            ["nothing", "<b>; rel=next"].map(|t| (header::LINK, t.parse().unwrap())).into_iter().collect();
        assert_eq!(next_link(&two), Next::At("b".to_owned()));
    }
}
