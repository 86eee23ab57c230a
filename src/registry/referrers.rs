//! What refers to a manifest: by the referrers API, else by the fallback tag (distribution-spec, "Listing
//! Referrers").

use std::sync::atomic::Ordering;

use http::{HeaderMap, HeaderValue, header};

use super::repository::Repository;
use super::tags::Pages;
use crate::error::{Error, Kind, Result};
use crate::oci::{Descriptor, Digest, Document, media_type, parse_document};

impl Repository {
    /// The descriptors of what refers to `subject`, of one artifact type or of all.
    pub async fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>> {
        let found = match self.referrers_by_api(subject, artifact_type).await? {
            Some(found) => found,
            None => self.fallback(subject).await?.map(|(_, index)| index.manifests).unwrap_or_default(),
        };
        // The registry need not filter, nor say that it has (Q67).
        Ok(found
            .into_iter()
            .filter(|one| artifact_type.is_none_or(|wanted| one.artifact_type.as_deref() == Some(wanted)))
            .collect())
    }

    /// Nothing where the registry has no such API: a 400, 404, 405, 406, 410 or 501, or a 200 that is no index (Q63, Q68a).
    async fn referrers_by_api(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>> {
        if self.lists_no_referrers.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let filter = artifact_type.map(|wanted| {
            let escaped: String = url::form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
            format!("?artifactType={escaped}")
        });
        let path = self.path(&format!("referrers/{subject}{}", filter.unwrap_or_default()));
        let headers =
            HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(media_type::OCI_INDEX))]);
        let limit = self.call.settings.max_descriptors;
        let mut pages = Pages::new(self, path);
        let mut found = Vec::new();
        let mut first = true;
        while let Some(response) = pages.next(headers.clone()).await? {
            let declared = media_type::essence(response.header(header::CONTENT_TYPE).unwrap_or(""));
            match response.status {
                200 if declared == media_type::OCI_INDEX => {}
                200 | 400 | 404 | 405 | 406 | 410 | 501 if first => {
                    // A filter can be what was not understood.
                    self.lists_no_referrers.fetch_or(artifact_type.is_none(), Ordering::Relaxed);
                    response.drain().await?;
                    return Ok(None);
                }
                _ => return Err(response.error_response().await?.into_error(&self.name())),
            }
            first = false;
            let bytes = pages.read(response).await?;
            let Document::Index(index) = parse_document(&bytes, &declared, limit)
                .map_err(|error| error.context(format!("{}: referrers of {subject}", self.name())))?
            else {
                return Err(Error::new(
                    Kind::Protocol,
                    format!("{}: the referrers are not an index", self.name()),
                ));
            };
            found.extend(index.manifests);
            if found.len() > limit {
                return Err(Error::new(
                    Kind::Limit,
                    format!("{}: more than {limit} referrers (option max_descriptors)", self.name()),
                ));
            }
        }
        Ok(Some(found))
    }
}
