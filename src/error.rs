//! The one error type of the crate: a kind, one line of text, and the facts a caller may act on.

use std::fmt;
use std::io;
use std::time::Duration;

/// The result of everything that can fail here.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, as far as a caller may want to decide on it. The C interface gives each a stable number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// An argument, an option or a reference is not usable.
    Argument,
    /// A handle is not one that this library gave out, or it was freed.
    Handle,
    /// A handle was made before a `fork` and is used in the child.
    Forked,
    /// A call that a callback must not make.
    Reentrant,
    /// A defect of this library was caught at its border.
    Panic,
    /// A defect of this library.
    Internal,
    /// The operation was cancelled.
    Cancelled,
    /// A deadline passed or a peer was slower than the least rate.
    Timeout,
    /// The system, the file system or the registry cannot do it.
    Unsupported,
    /// A system call failed; `errno` says how.
    Io,
    /// The destination exists and is not empty.
    Exists,
    /// Another process holds what is needed.
    Busy,
    /// A source changed while it was read.
    Changed,
    /// An entry of an archive or of a tree is refused.
    Unsafe,
    /// A limit was reached; the message names it.
    Limit,
    /// A connection, or the look-up of a name, failed.
    Network,
    /// TLS failed.
    Tls,
    /// A server's answer breaks the protocol.
    Protocol,
    /// The registry or the layout says that it is not there.
    NotFound,
    /// The registry demands other credentials.
    Unauthorized,
    /// The registry refuses these credentials this access.
    Denied,
    /// A credential helper or a credential file is unusable.
    Credentials,
    /// Refused for safety: a redirect, a realm, a downgrade.
    Policy,
    /// The registry asks to slow down.
    RateLimited,
    /// Content does not have the digest it must have.
    Digest,
    /// Content does not have the size it must have.
    Size,
}

/// One entry of a registry's list of errors: text of foreign origin, escaped and cut as in messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryError {
    /// Such as `MANIFEST_UNKNOWN`; empty where it has none.
    pub code: String,
    /// For people; empty where it has none.
    pub message: String,
    /// JSON, as a text; whole or not at all.
    pub detail: Option<String>,
}

/// One failure: `kind` and a one-line message that says what failed, on what, and where known the cure.
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    message: String,
    http_status: Option<u16>,
    registry_code: Option<String>,
    registry_errors: Vec<RegistryError>,
    errno: Option<i32>,
    retryable: bool,
    retry_after: Option<Duration>,
}

impl Error {
    /// An error of `kind`. Text of foreign origin in `message` must have gone through [`printable`].
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let retryable = matches!(kind, Kind::Network | Kind::Timeout | Kind::RateLimited | Kind::Busy);
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            http_status: None,
            registry_code: None,
            registry_errors: Vec::new(),
            errno: None,
            retryable,
            retry_after: None,
        }))
    }

    /// A failed system call on `what` (a path, usually). An error of ours that travelled inside an
    /// `io::Error` comes out as it went in.
    pub fn io(what: impl fmt::Display, error: io::Error) -> Self {
        if error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
            return match error.into_inner().map(|inner| inner.downcast::<Error>()) {
                Some(Ok(inner)) => *inner,
                _ => Self::new(Kind::Internal, "an error lost its type"),
            };
        }
        let errno = error.raw_os_error();
        // The system's own words, without Rust's " (os error N)".
        let text = match errno {
            Some(code) => {
                let full = error.to_string();
                full.strip_suffix(&format!(" (os error {code})")).unwrap_or(&full).to_owned()
            }
            None => error.to_string(),
        };
        let mut made = Self::new(Kind::Io, format!("{what}: {text}"));
        made.0.errno = errno;
        made
    }

    /// The same error, its message preceded by `what: `.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// Says how it can be mended.
    #[must_use]
    pub(crate) fn cure(mut self, how: impl fmt::Display) -> Self {
        self.0.message = format!("{}; {how}", self.0.message);
        self
    }

    /// The same error of another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Adds the HTTP status of the answer that was the reason.
    #[must_use]
    pub fn with_http_status(mut self, status: u16) -> Self {
        self.0.http_status = Some(status);
        self
    }

    /// Adds the registry's own error code, such as `MANIFEST_UNKNOWN`.
    #[must_use]
    pub fn with_registry_code(mut self, code: impl Into<String>) -> Self {
        self.0.registry_code = Some(code.into());
        self
    }

    /// Adds all that the registry listed.
    #[must_use]
    pub fn with_registry_errors(mut self, errors: Vec<RegistryError>) -> Self {
        self.0.registry_errors = errors;
        self
    }

    /// Says whether the same call may succeed later without a change.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// Adds how long the registry asked to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }
    /// The one-line message.
    pub fn message(&self) -> &str {
        &self.0.message
    }
    /// The HTTP status that was the reason.
    pub fn http_status(&self) -> Option<u16> {
        self.0.http_status
    }
    /// The registry's own code.
    pub fn registry_code(&self) -> Option<&str> {
        self.0.registry_code.as_deref()
    }
    /// All that the registry listed.
    pub fn registry_errors(&self) -> &[RegistryError] {
        &self.0.registry_errors
    }
    /// The system's error number.
    pub fn errno(&self) -> Option<i32> {
        self.0.errno
    }
    /// Whether a file system, or a user's share of it, has no room left (ENOSPC, EDQUOT).
    pub(crate) fn is_disk_full(&self) -> bool {
        use rustix::io::Errno;
        [Errno::NOSPC, Errno::DQUOT].iter().any(|full| self.errno() == Some(full.raw_os_error()))
    }
    /// Whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        self.0.retryable
    }
    /// How long the registry asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl Clone for Error {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.message)
    }
}

impl std::error::Error for Error {}

/// Lets an error of ours pass through `Read` and `Write`; [`Error::io`] takes it out again.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::other(error)
    }
}

/// The longest text of foreign origin that a message quotes, in bytes.
const QUOTE_LIMIT: usize = 256;

/// Foreign bytes made fit for a one-line message: control characters and invalid UTF-8 escaped, cut at
/// 256 bytes (case X-40).
pub fn printable(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    let cut = bytes.get(..QUOTE_LIMIT).unwrap_or(bytes);
    let mut out = String::with_capacity(cut.len());
    for chunk in cut.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_unprintable(c) {
                out.extend(c.escape_default());
            } else {
                out.push(c);
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    if cut.len() < bytes.len() {
        out.push_str("...");
    }
    out
}

/// What has no place in a line: bidirectional marks can reorder a terminal's, separators can end it (T-09).
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_a_trip_through_io() {
        let error = Error::new(Kind::Limit, "entries: over 5").with_http_status(413);
        let back = Error::io("layer", io::Error::from(error));
        assert_eq!(
            (back.kind(), back.message(), back.http_status()),
            (Kind::Limit, "entries: over 5", Some(413))
        );
    }

    #[test]
    fn a_system_error_keeps_its_number_and_the_systems_words() {
        let error = Error::io("/x", io::Error::from_raw_os_error(28));
        assert_eq!(error.errno(), Some(28));
        assert_eq!(error.message(), "/x: No space left on device");
    }

    #[test]
    fn x_40_foreign_text_is_escaped_and_cut() {
        assert_eq!(printable("a\x1b[2J\nb"), "a\\u{1b}[2J\\nb");
        assert_eq!(printable(b"\xff\xfe"), "\\xff\\xfe");
        assert_eq!(printable("\u{202e}x\u{2028}"), "\\u{202e}x\\u{2028}");
        assert!(printable(vec![b'a'; 1 << 20]).len() < 300);
    }
}
