//! The error that an answer comes to: who gave it, what it means, what its sender says, and the cure.

use std::time::Duration;

use super::error_body::ErrorBody;
use super::retry;
use super::sender::Sender;
use crate::error::{Error, Kind, RegistryError, printable};

/// What was said with an answer that is no success (distribution-spec, "Error Codes").
#[derive(Debug)]
pub(crate) struct ErrorResponse {
    pub(crate) status: u16,
    pub(super) content_type: String,
    pub(super) body: ErrorBody,
    pub(super) retry_after: Option<Duration>,
    pub(super) sender: Sender,
    /// Where a redirect that was not followed leads.
    pub(super) location: Option<String>,
}

impl ErrorResponse {
    /// The first of the registry's own codes.
    pub(crate) fn code(&self) -> Option<&str> {
        self.body.errors.first().map(|error| error.code.as_str())
    }

    pub(crate) fn has_code(&self, code: &str) -> bool {
        self.body.errors.iter().any(|one| one.code == code)
    }

    /// Whether it is a registry that says that something is not there: a page of somebody else's with the
    /// status 404 is not (Q55, R-29).
    pub(crate) fn is_not_found(&self) -> bool {
        const OTHER: [&str; 4] = ["UNAUTHORIZED", "DENIED", "TOOMANYREQUESTS", "UNSUPPORTED"];
        self.status == 404 && self.body.is_registrys && !OTHER.iter().any(|code| self.has_code(code))
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
            (405 | 415, _) | (_, "UNSUPPORTED") => Kind::Unsupported,
            (413, _) => Kind::Limit,
            (408 | 499 | 502..=504 | 520..=524 | 529 | 530, _) => Kind::Network,
            _ => Kind::Protocol,
        };
        let mut error = Error::new(kind, format!("{what}: {}", self.words()))
            .with_http_status(self.status)
            .with_retryable(retry::is_passing(self.status));
        error = listing(error, self.body.errors);
        match self.retry_after {
            Some(wait) => error.with_retry_after(wait),
            None => error,
        }
    }

    /// For a credential that was taken and has not the right to this.
    pub(crate) fn into_denied(self, what: &str) -> Error {
        let words = format!("{what}: the registry refuses this access{}", self.told());
        listing(Error::new(Kind::Denied, words).with_http_status(self.status), self.body.errors)
    }

    fn words(&self) -> String {
        let Self { status, sender, .. } = self;
        let who = sender.name();
        let does = match status {
            401 => format!("{who} demands credentials"),
            403 => format!("{who} refuses access"),
            404 => match sender.is_registry() {
                true if sender.writes => {
                    "not found: the registry has no such repository or upload".to_owned()
                }
                true => "not found".to_owned(),
                false => format!("{who} does not have it"),
            },
            405 => format!("{who} does not take {}", sender.asked),
            413 => format!(
                "it is larger than {who}, or a proxy before it, takes in one body (nginx: client_max_body_size)"
            ),
            415 => format!("{who} does not take this media type"),
            429 => format!("{who} asks to slow down"),
            300..=399 => match &self.location {
                Some(location) => format!("{who} sends {} to {location}, where it is not sent", sender.asked),
                None => format!("{who} answers in a way that the protocol has not here"),
            },
            200..=299 => format!("{who} answers in a way that the protocol has not here"),
            499..=599 => format!("{who} failed"),
            _ if self.code() == Some("UNSUPPORTED") => format!("{who} does not take {}", sender.asked),
            _ => format!("{who} refuses it"),
        };
        format!("{does}{}{}", self.told(), self.cure())
    }

    /// The status and what its sender says.
    fn told(&self) -> String {
        let status = self.status;
        match (self.body.text.as_str(), self.content_type.as_str()) {
            ("", "") => format!(" (HTTP {status})"),
            ("", content_type) => format!(" (HTTP {status}, Content-Type {content_type})"),
            (text, _) => format!(" (HTTP {status}, {text})"),
        }
    }

    fn cure(&self) -> &'static str {
        let Self { status, sender, .. } = self;
        match status {
            // ECR never makes a repository on push (Q74).
            400..=404 if sender.writes && (*status == 404 || self.has_code("NAME_UNKNOWN")) => {
                "; the repository may have to be created first"
            }
            400 | 401 | 403 if !sender.is_registry() => {
                "; it is the registry's to send to where this can be read (its storage's policy or clock may be wrong)"
            }
            405 if sender.writes => "; it may be read-only, or a cache of another registry",
            _ => "",
        }
    }
}

/// The error with all that the registry listed, and the first of its codes.
fn listing(error: Error, mut listed: Vec<RegistryError>) -> Error {
    for one in &mut listed {
        one.code = printable(&one.code);
    }
    let error = match listed.first().map(|one| one.code.clone()).filter(|code| !code.is_empty()) {
        Some(code) => error.with_registry_code(code),
        None => error,
    };
    error.with_registry_errors(listed)
}
