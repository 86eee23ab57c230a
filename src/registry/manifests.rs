//! Manifests: resolve, get, put, delete (distribution-spec, "Pulling manifests", "Pushing Manifests").

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde::Deserialize;

use super::auth::Scope;
use super::body;
use super::repository::Repository;
use super::request::{About, Request, Target};
use super::response::Response;
use super::transport::RequestBody;
use crate::error::{Error, Kind, Result, printable};
use crate::oci::{Descriptor, Digest, Hasher, media_type, parse_document};
use crate::operation::Count;

const DIGEST_HEADER: &str = "docker-content-digest";

/// What a registry did with a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// It took note of the manifest's `subject`: no fallback tag is needed (distribution-spec, "Pushing
    /// Manifests with Subject").
    pub subject_known: bool,
}

/// What a registry claims to be a manifest's digest, in `Docker-Content-Digest`.
pub(super) enum Claim {
    None,
    One(Digest),
    Unusable(String),
}

impl Claim {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut found = Self::None;
        for value in headers.get_all(DIGEST_HEADER) {
            if value.is_empty() {
                continue;
            }
            let digest = value.to_str().ok().and_then(|text| text.parse::<Digest>().ok());
            found = match (found, digest) {
                (Self::None, Some(digest)) => Self::One(digest),
                (Self::One(before), Some(digest)) if before == digest => Self::One(digest),
                _ => return Self::Unusable(printable(value.as_bytes())),
            };
        }
        found
    }

    /// Whether it is this digest.
    pub(super) fn is(&self, digest: &Digest) -> bool {
        matches!(self, Self::One(claimed) if claimed == digest)
    }

    /// Compares it with bytes; it never replaces a digest that was asked for (R-03).
    fn check(&self, bytes: &[u8], what: &str) -> Result<()> {
        let claimed = match self {
            Self::None => return Ok(()),
            Self::One(digest) if digest.verify(bytes) => return Ok(()),
            Self::One(digest) => digest.as_str(),
            Self::Unusable(text) => text,
        };
        Err(Error::new(
            Kind::Digest,
            format!("{what}: the registry says that its digest is {claimed}, it is {}", Digest::of(bytes)),
        ))
    }
}

/// Compares what a registry says with the digest that it was to store.
pub(super) fn check_claim(headers: &HeaderMap, digest: &Digest, what: &str) -> Result<()> {
    match Claim::of(headers) {
        Claim::One(claimed) if claimed != *digest && claimed.algorithm() == digest.algorithm() => {
            Err(Error::new(Kind::Digest, format!("{what}: the registry says that it stored {claimed}")))
        }
        _ => Ok(()),
    }
}

impl Repository {
    /// The descriptor of a manifest by tag or digest; nothing if the registry says that it is not there.
    pub async fn head_manifest(&self, target: &str) -> Result<Option<Descriptor>> {
        match self.find_manifest(target).await {
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    /// The descriptor of a manifest by tag or digest; NOT_FOUND if the registry itself says so. One request where the
    /// answer has what is needed, else two (Q51 to Q55, R-29).
    pub async fn find_manifest(&self, target: &str) -> Result<Descriptor> {
        let response = self.exchange(&self.manifest_request(Method::HEAD, target)).await?;
        match response.status {
            200 => {
                if let Some(descriptor) = described(&response, target) {
                    return Ok(descriptor);
                }
            }
            // Whether it is there these do not say: registries refuse HEAD, or answer it wrongly.
            204 | 403..=405 | 406 => {}
            _ => return Err(self.error_of(response, target).await?),
        }
        let response = self.exchange(&self.manifest_request(Method::GET, target)).await?;
        if response.status == 404 {
            let error_response = response.error_response().await?;
            if error_response.is_not_found() {
                return Err(error_response.into_error(&self.label(target)).with_kind(Kind::NotFound));
            }
            return Err(Error::new(
                Kind::Protocol,
                format!(
                    "{}: a 404 that is not a registry's own; is it a registry?",
                    error_response.into_error(&self.label(target)).message()
                ),
            )
            .with_http_status(404));
        }
        self.read_manifest(response, target).await.map(|(descriptor, _)| descriptor)
    }

    /// A manifest's bytes, verified: against the digest asked for, and against what the registry claims.
    pub async fn get_manifest(&self, target: &str) -> Result<(Descriptor, Vec<u8>)> {
        let mut left = self.call.settings.retries.min(1);
        loop {
            let response = self.exchange(&self.manifest_request(Method::GET, target)).await?;
            match self.read_manifest(response, target).await {
                Err(error) if left > 0 && error.retryable() && error.http_status().is_none() => {
                    self.call.operation.check()?;
                    self.call.operation.count(Count::Retry);
                    left -= 1;
                }
                result => return result,
            }
        }
    }

    /// Puts a manifest under a tag or its digest.
    pub async fn put_manifest(&self, target: &str, media_type: &str, bytes: &[u8]) -> Result<Put> {
        self.put_shared_manifest(target, media_type, &Bytes::copy_from_slice(bytes)).await
    }

    /// The same of bytes that are not copied: they may be many.
    pub(crate) async fn put_shared_manifest(
        &self,
        target: &str,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<Put> {
        let label = self.label(target);
        let body = || Ok(RequestBody::Bytes(bytes.clone()));
        let path = Target::Path(self.path(&format!("manifests/{target}")));
        let mut request = Request::new(Method::PUT, path, self.push_scope())
            .header(header::CONTENT_TYPE, media_type)
            .body(&body);
        request.commit = true;
        let response = self.exchange(&request).await?;
        let (claim, status) = (Claim::of(&response.headers), response.status);
        // Q41 has 200 and 202 too.
        if !matches!(status, 200..=202) {
            let mut error = self.error_of(response, target).await?;
            if status == 415 {
                error = error.cure(format!("its media type is {media_type}"));
            }
            return match self.is_there_already(target, bytes, &error).await? {
                true => Ok(Put { subject_known: false }),
                false => Err(error),
            };
        }
        claim.check(bytes, &label)?;
        let put = Put { subject_known: response.headers.contains_key("oci-subject") };
        response.drain().await?;
        match claim {
            Claim::One(digest) => self.note_pushed(target, &digest),
            _ => self.confirm_manifest(target, bytes, status).await?,
        }
        Ok(put)
    }

    /// Whether a PUT was refused because the tag can't be changed, and it names this manifest already: each
    /// registry has a status of its own for that (Q106).
    async fn is_there_already(&self, target: &str, bytes: &[u8], error: &Error) -> Result<bool> {
        let fixed = matches!(error.http_status(), Some(400 | 403 | 405 | 409 | 412 | 422));
        let lacks = matches!(error.registry_code(), Some("MANIFEST_BLOB_UNKNOWN" | "BLOB_UNKNOWN"));
        if !fixed || lacks || target.contains(':') {
            return Ok(false);
        }
        match self.head_manifest(target).await {
            Ok(found) => Ok(found.is_some_and(|found| found.digest.verify(bytes))),
            Err(error) if error.kind() == Kind::Cancelled => Err(error),
            // The refusal says more.
            Err(_) => Ok(false),
        }
    }

    /// Looks whether a manifest is there after a PUT whose answer did not say what it stored (R-13, R-37).
    async fn confirm_manifest(&self, target: &str, bytes: &[u8], status: u16) -> Result<()> {
        let found = match self.head_manifest(target).await {
            // Who may write need not be one who may read (Q107).
            Err(error) if matches!(error.http_status(), Some(401 | 403)) => {
                self.call.operation.warn(format!(
                    "{}: the registry took it (HTTP {status}) and did not say what it stored, and it can't be read back: {}",
                    self.label(target),
                    error.message()
                ));
                return Ok(());
            }
            found => found?,
        };
        let (kind, found) = match found {
            Some(found) if found.digest.verify(bytes) => return Ok(()),
            Some(found) => (Kind::Digest, format!("has the digest {} afterwards", found.digest)),
            None => (Kind::Protocol, "is not there afterwards".to_owned()),
        };
        let label = self.label(target);
        Err(Error::new(
            kind,
            format!("{label}: HTTP {status} for the PUT of {}, which {found}", Digest::of(bytes)),
        )
        .with_http_status(status))
    }

    /// Deletes a tag, or by digest a manifest, which goes from its subject's fallback tag too
    /// (distribution-spec, "Deleting Manifests").
    pub async fn delete_manifest(&self, target: &str) -> Result<()> {
        let listed = match target.parse::<Digest>() {
            Ok(digest) => {
                let reading = Self { scope: Scope::pull(&self.reference.repository), ..self.clone() };
                reading.subject_of(target).await?.map(|subject| (subject, digest))
            }
            Err(_) => None,
        };
        self.delete_only(target).await?;
        let Some((subject, digest)) = listed else { return Ok(()) };
        let writing = self.clone().for_push(&[]);
        let Err(error) = writing.remove_referrer(&subject, &digest).await else { return Ok(()) };
        self.call.operation.check()?;
        let label = self.label(target);
        let why = error.message();
        self.call
            .operation
            .warn(format!("{label} is deleted, and still listed as a referrer of {subject}: {why}"));
        Ok(())
    }

    /// What a manifest refers to, as far as the registry shows it.
    async fn subject_of(&self, target: &str) -> Result<Option<Digest>> {
        // A token for this read need not be one that deletes.
        let reads = Self { scope: Scope::pull(&self.reference.repository), ..self.clone() };
        let (descriptor, bytes) = match reads.get_manifest(target).await {
            Ok(found) => found,
            // The DELETE has the answer to that.
            Err(error) if error.http_status().is_some() => return Ok(None),
            Err(error) if matches!(error.kind(), Kind::Digest | Kind::Limit | Kind::Protocol) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let limit = self.call.settings.max_descriptors;
        let document = parse_document(&bytes, &descriptor.media_type, limit).ok();
        Ok(document.and_then(|document| Some(document.subject()?.digest.clone())))
    }

    async fn delete_only(&self, target: &str) -> Result<()> {
        let path = Target::Path(self.path(&format!("manifests/{target}")));
        let scope = Scope::delete(&self.reference.repository);
        let response = self.exchange(&Request::new(Method::DELETE, path, scope)).await?;
        match response.status {
            200 | 202 | 204 => response.drain().await,
            400 | 405 => {
                let error = self.error_of(response, target).await?.with_kind(Kind::Unsupported);
                Err(match target.contains(':') {
                    true => error,
                    false => error.cure("if it takes deletes at all, delete by digest"),
                })
            }
            _ => Err(self.error_of(response, target).await?),
        }
    }

    pub(super) fn manifest_request(&self, method: Method, target: &str) -> Request<'static> {
        let path = Target::Path(self.path(&format!("manifests/{target}")));
        // All four types, or an older one is sent (Q53).
        Request::new(method, path, self.scope.clone())
            .about(About::Document)
            .header(header::ACCEPT, media_type::MANIFEST_ACCEPT)
    }

    /// `registry/repository:tag` or `registry/repository@digest`, for messages.
    pub(super) fn label(&self, target: &str) -> String {
        let separator = if target.contains(':') { '@' } else { ':' };
        format!("{}{separator}{target}", self.name())
    }

    pub(super) async fn error_of(&self, response: Response, target: &str) -> Result<Error> {
        Ok(response.error_response().await?.into_error(&self.label(target)))
    }

    async fn read_manifest(&self, response: Response, target: &str) -> Result<(Descriptor, Vec<u8>)> {
        let label = self.label(target);
        if response.status != 200 {
            return Err(self.error_of(response, target).await?);
        }
        let limit = self.call.settings.max_manifest_bytes;
        let (claim, headers) = (Claim::of(&response.headers), response.headers.clone());
        let too_large = || {
            Error::new(
                Kind::Limit,
                format!("{label}: the manifest is larger than {limit} bytes (option max_manifest_bytes)"),
            )
        };
        let answer =
            response.into_raw().ok_or_else(|| Error::new(Kind::Internal, "a body was read before"))?;
        let bytes = body::read_all(answer, limit)
            .await
            .map_err(|error| error.context(&label))?
            .ok_or_else(too_large)?;
        let bytes = match body::decode(&headers, bytes, limit).map_err(|error| error.context(&label))? {
            Some(bytes) => bytes,
            None => return Err(too_large()),
        };
        let declared = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        let media_type = manifest_type(declared, &bytes).ok_or_else(|| {
            Error::new(
                Kind::Protocol,
                format!(
                    "{label}: HTTP 200 with Content-Type '{}', and no manifest in it",
                    printable(declared)
                ),
            )
            .with_http_status(200)
        })?;
        let digest = match target.parse::<Digest>() {
            Ok(wanted) if wanted.verify(&bytes) => wanted,
            Ok(wanted) => {
                let mut hasher = Hasher::new(wanted.algorithm());
                hasher.update(&bytes);
                return Err(Error::new(
                    Kind::Digest,
                    format!("{label}: the registry sent a manifest with the digest {}", hasher.finish()),
                ));
            }
            Err(_) => Digest::of(&bytes),
        };
        claim.check(&bytes, &label)?;
        Ok((Descriptor::new(media_type, digest, bytes.len() as u64), bytes))
    }
}

/// What a HEAD says, if it says all of it and contradicts nothing.
fn described(response: &Response, target: &str) -> Option<Descriptor> {
    let Claim::One(claimed) = Claim::of(&response.headers) else { return None };
    // A digest that was asked for is not replaced: any other is looked into by a GET.
    if target.parse::<Digest>().is_ok_and(|wanted| wanted != claimed) {
        return None;
    }
    let media_type = media_type::essence(response.header(header::CONTENT_TYPE)?);
    // The length can be that of the encoded bytes (Q54), of nothing, or of something else (Q105).
    let size = response.header(header::CONTENT_LENGTH)?.parse::<u64>().ok()?;
    let plausible =
        size >= least_size(&media_type) && !response.headers.contains_key(header::CONTENT_ENCODING);
    (plausible && media_type::is_manifest(&media_type)).then(|| Descriptor::new(media_type, claimed, size))
}

/// No manifest of this type is shorter: what it must have takes as much.
fn least_size(media_type: &str) -> u64 {
    match media_type::is_index(media_type) {
        true => r#"{"schemaVersion":2,"manifests":[]}"#.len() as u64,
        // With one digest, the config's.
        false => 128,
    }
}

/// The header's media type if it is a manifest's, else the body's own.
fn manifest_type(declared: &str, bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        media_type: Option<String>,
        schema_version: Option<u32>,
    }
    if bytes.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return None;
    }
    let declared = media_type::essence(declared);
    if media_type::is_manifest(&declared) {
        return Some(declared);
    }
    let typed: Typed = serde_json::from_slice(bytes).ok()?;
    typed.schema_version?;
    Some(typed.media_type.filter(|own| media_type::is_manifest(own)).unwrap_or_default())
}
