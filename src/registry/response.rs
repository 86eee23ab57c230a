//! Answers: status, headers, the registry's own words, and the error they come to.

use std::time::SystemTime;

use http::{HeaderMap, header};
use serde::Deserialize;
use url::Url;

use super::body;
use super::retry;
use super::transport::RawResponse;
use crate::error::{Error, Kind, Result, printable};

/// The most of an error's body that is read.
pub(crate) const ERROR_LIMIT: usize = 64 << 10;
/// The most of one header's value that is looked at.
const HEADER_LIMIT: usize = 16 << 10;

/// An answer.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Where it came from, after redirects.
    pub(crate) url: Url,
    /// It came from the registry's own origin: a challenge in it is the registry's.
    pub(crate) own: bool,
    body: Body,
}

enum Body {
    Flowing(Box<RawResponse>),
    Read(Vec<u8>),
}

impl Response {
    pub(crate) fn new(answer: RawResponse, url: Url, own: bool) -> Self {
        let (status, headers) = (answer.response.status().as_u16(), answer.response.headers().clone());
        Self { status, headers, url, own, body: Body::Flowing(Box::new(answer)) }
    }

    /// One header's text.
    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().filter(|text| text.len() <= HEADER_LIMIT)
    }

    /// `Location`, whose bytes beyond ASCII are UTF-8 (Q101); nothing where they are not.
    pub(crate) fn location(&self) -> Option<&str> {
        std::str::from_utf8(self.headers.get(header::LOCATION)?.as_bytes()).ok()
    }

    /// The body's length, where it is told.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.header(header::CONTENT_LENGTH)?.parse().ok()
    }

    /// The body, to be received; none where [`Self::read`] was called.
    pub(crate) fn into_raw(self) -> Option<RawResponse> {
        match self.body {
            Body::Flowing(answer) => Some(*answer),
            Body::Read(_) => None,
        }
    }

    /// The same with its body read, at most [`ERROR_LIMIT`] of it.
    pub(crate) async fn read(self) -> Result<Self> {
        let bytes = match self.body {
            Body::Flowing(answer) => {
                let bytes = body::read_some(*answer, ERROR_LIMIT).await?;
                body::decode_some(&self.headers, bytes, ERROR_LIMIT)
            }
            Body::Read(bytes) => bytes,
        };
        Ok(Self { body: Body::Read(bytes), ..self })
    }

    /// Whether the body that was read has this text.
    pub(crate) fn says(&self, text: &str) -> bool {
        match &self.body {
            Body::Flowing(_) => false,
            Body::Read(bytes) => String::from_utf8_lossy(bytes).to_ascii_lowercase().contains(text),
        }
    }

    /// What the body complains about.
    pub(crate) async fn error_response(self) -> Result<ErrorResponse> {
        let Self { status, headers, body, .. } = self.read().await?;
        let Body::Read(body) = body else {
            return Err(Error::new(Kind::Internal, "a body was not read"));
        };
        let content_type =
            headers.get(header::CONTENT_TYPE).map(|v| printable(v.as_bytes())).unwrap_or_default();
        let retry_after = retry::retry_after(&headers, SystemTime::now());
        let envelope = serde_json::from_slice::<Envelope>(&body).ok().filter(|e| !e.errors.is_empty());
        Ok(ErrorResponse { status, content_type, envelope, retry_after })
    }

    /// Reads the body away, so that the connection can be used again.
    pub(crate) async fn drain(self) -> Result<()> {
        self.read().await.map(drop)
    }
}

/// What a registry said with an answer that is no success (distribution-spec, "Error Codes").
#[derive(Debug)]
pub(crate) struct ErrorResponse {
    pub(crate) status: u16,
    content_type: String,
    envelope: Option<Envelope>,
    retry_after: Option<std::time::Duration>,
}

#[derive(Debug, Deserialize)]
struct Envelope {
    errors: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: Option<String>,
}

impl ErrorResponse {
    /// The first of the registry's own codes.
    pub(crate) fn code(&self) -> Option<&str> {
        self.envelope.as_ref()?.errors.first().map(|entry| entry.code.as_str())
    }

    pub(crate) fn has_code(&self, code: &str) -> bool {
        self.envelope.as_ref().is_some_and(|e| e.errors.iter().any(|entry| entry.code == code))
    }

    /// Whether it is a registry that says that something is not there: a page of somebody else's with the
    /// status 404 is not (Q55, R-29).
    pub(crate) fn is_not_found(&self) -> bool {
        const OTHER: [&str; 4] = ["UNAUTHORIZED", "DENIED", "TOOMANYREQUESTS", "UNSUPPORTED"];
        self.status == 404 && self.envelope.is_some() && !OTHER.iter().any(|code| self.has_code(code))
    }

    /// The error, about `what`.
    pub(crate) fn into_error(self, what: &str) -> Error {
        let kind = match (self.status, self.code().unwrap_or("")) {
            (_, "TOOMANYREQUESTS") | (429, _) => Kind::RateLimited,
            // Some say so with 404; what is not there is no manifest that was asked for.
            (_, "MANIFEST_BLOB_UNKNOWN") => Kind::Protocol,
            (401, _) => Kind::Unauthorized,
            (403, _) => Kind::Denied,
            (404, _) => Kind::NotFound,
            (_, "DIGEST_INVALID") => Kind::Digest,
            (_, "SIZE_INVALID") => Kind::Size,
            (405, _) | (_, "UNSUPPORTED") => Kind::Unsupported,
            (413, _) => Kind::Limit,
            (408 | 499 | 502..=504 | 520..=524 | 529 | 530, _) => Kind::Network,
            _ => Kind::Protocol,
        };
        let mut error = Error::new(kind, format!("{what}: {}", self.words()))
            .with_http_status(self.status)
            .with_retryable(retry::is_passing(self.status));
        if let Some(code) = self.code().filter(|code| !code.is_empty()) {
            error = error.with_registry_code(printable(code));
        }
        match self.retry_after {
            Some(wait) => error.with_retry_after(wait),
            None => error,
        }
    }

    fn words(&self) -> String {
        let status = self.status;
        let said = match self.envelope.as_ref().and_then(|e| e.errors.first()) {
            Some(Entry { code, message: Some(message) }) if !message.is_empty() => {
                format!("{}: {}", printable(code), printable(message))
            }
            Some(entry) => printable(&entry.code),
            None if self.content_type.is_empty() => String::new(),
            None => format!("Content-Type {}", self.content_type),
        };
        let text = match status {
            401 => "the registry demands credentials",
            403 => "the registry refuses access",
            404 => "not found",
            405 => "the registry does not support it",
            413 => {
                "it is larger than the registry, or a proxy before it, takes in one body (nginx: client_max_body_size)"
            }
            429 => "the registry asks to slow down",
            200..=399 => "an answer that the protocol has not here",
            499..=599 => "the registry failed",
            _ => "the registry refuses it",
        };
        // ECR never makes a repository on push (Q74).
        let hint = if self.code() == Some("NAME_UNKNOWN") {
            "; the repository may have to be created first"
        } else {
            ""
        };
        if said.is_empty() {
            format!("{text} (HTTP {status}){hint}")
        } else {
            format!("{text} (HTTP {status}, {said}){hint}")
        }
    }
}
