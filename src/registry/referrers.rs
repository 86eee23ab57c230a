//! What refers to a manifest: the referrers API, and the fallback tag where a registry has none
//! (distribution-spec, "Listing Referrers", "Referrers Tag Schema").

use http::{HeaderMap, HeaderValue, header};

use super::repository::Repository;
use super::tags::Pages;
use crate::error::{Error, Kind, Result};
use crate::oci::{Descriptor, Digest, Document, ImageIndex, media_type, parse_document};
use crate::operation::Count;

/// How often the fallback tag is written when others write it too (Q68).
const WRITES: u32 = 5;

impl Repository {
    /// The descriptors of what refers to `subject`, of one artifact type or of all.
    pub async fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>> {
        let found = match self.referrers_by_api(subject, artifact_type).await? {
            Some(found) => found,
            None => self.fallback(subject).await?.map(|index| index.manifests).unwrap_or_default(),
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
                    format!("{}: the referrers are no index", self.name()),
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

    /// The index at the fallback tag; nothing where there is none.
    async fn fallback(&self, subject: &Digest) -> Result<Option<ImageIndex>> {
        let tag = fallback_tag(subject);
        let (descriptor, bytes) = match self.get_manifest(&tag).await {
            Ok(found) => found,
            Err(error) if error.kind() == Kind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // GitLab takes the tag for the digest and answers with the subject itself (Q64).
        if descriptor.digest == *subject {
            return Ok(None);
        }
        let limit = self.call.settings.max_descriptors;
        match parse_document(&bytes, &descriptor.media_type, limit)? {
            Document::Index(index) => Ok(Some(index)),
            Document::Image(_) => Ok(None),
        }
    }

    /// Adds a referrer to the fallback tag, for a registry that took no note of the manifest's subject
    /// ([`super::Put`]). `referrer` carries the artifact type and the annotations (Q66).
    pub async fn put_referrer(&self, subject: &Digest, referrer: &Descriptor) -> Result<()> {
        let tag = fallback_tag(subject);
        for attempt in 0..WRITES {
            let mut index = self.fallback(subject).await?.unwrap_or_else(|| ImageIndex {
                schema_version: 2,
                media_type: media_type::OCI_INDEX.to_owned(),
                artifact_type: None,
                manifests: Vec::new(),
                subject: None,
                annotations: Default::default(),
            });
            if index.manifests.iter().any(|known| known.digest == referrer.digest) {
                return Ok(());
            }
            if attempt > 0 {
                self.call.operation.count(Count::Retry);
            }
            index.manifests.push(referrer.clone());
            self.put_manifest(&tag, media_type::OCI_INDEX, &index.to_bytes()).await?;
            // The next turn reads it again: another writer may have been between.
        }
        Err(Error::new(
            Kind::Busy,
            format!("{}: the tag {tag} is written by others again and again", self.name()),
        ))
    }
}

/// `sha256-<hex>`, cut as the specification has it.
fn fallback_tag(subject: &Digest) -> String {
    let hex: String = subject.hex().chars().take(64).collect();
    format!("{}-{hex}", subject.algorithm().name())
}
