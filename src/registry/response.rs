//! Answers: status, headers, the registry's own words, and the error they come to.

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Method, header};
use url::Url;

use super::body;
use super::error_body::{ErrorBody, shows_credential};
use super::error_response::ErrorResponse;
use super::retry;
use super::sender::Sender;
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
    sender: Sender,
    /// The credential that it answers.
    sent: Option<HeaderValue>,
    body: Body,
}

enum Body {
    Flowing(Box<RawResponse>),
    Read(Vec<u8>),
}

impl Response {
    pub(crate) fn new(
        answer: RawResponse,
        method: &Method,
        url: Url,
        own: bool,
        sent: Option<HeaderValue>,
    ) -> Self {
        let (status, headers) = (answer.response.status().as_u16(), answer.response.headers().clone());
        let sender = Sender::new(method, &url, own, answer.proxy.clone());
        Self { status, headers, url, own, sender, sent, body: Body::Flowing(Box::new(answer)) }
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
        let Self { status, headers, body, sender, sent, .. } = self.read().await?;
        let Body::Read(body) = body else {
            return Err(Error::new(Kind::Internal, "a body was not read"));
        };
        // A server that sends back what it was sent is not quoted.
        let own =
            |value: &&HeaderValue| sent.as_ref().is_none_or(|sent| !shows_credential(value.as_bytes(), sent));
        let text = |name| headers.get(name).filter(own).map(|value| printable(value.as_bytes()));
        let content_type = text(header::CONTENT_TYPE).unwrap_or_default();
        let retry_after = retry::retry_after(&headers, SystemTime::now());
        let shows = sent.as_ref().filter(|sent| shows_credential(&body, sent));
        let mut body = ErrorBody::of(&content_type, &body);
        if let Some(sent) = shows {
            body.text.clear();
            body.errors.retain(|error| !shows_credential(error.code.as_bytes(), sent));
            for error in &mut body.errors {
                (error.message, error.detail) = (String::new(), None);
            }
        }
        // Without what follows the path, which may be a signature.
        let location =
            text(header::LOCATION).map(|text| text.split(['?', '#']).next().unwrap_or_default().to_owned());
        Ok(ErrorResponse { status, content_type, body, retry_after, sender, location })
    }

    /// Reads the body away, so that the connection can be used again.
    pub(crate) async fn drain(self) -> Result<()> {
        self.read().await.map(drop)
    }
}
