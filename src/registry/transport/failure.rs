//! Why a request got no answer, told from the error's chain of causes.

use std::error::Error as _;
use std::io;

use crate::error::{Error, Kind, printable};
use crate::options::Settings;
use crate::registry::origin::Origin;
use crate::registry::policy;

/// How far a request came before it failed; what may be tried again depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// There was no connection: the server saw nothing.
    Unconnected,
    /// The proxy made no tunnel: the same, until it is known why.
    Tunnel,
    /// The connection broke: the server may have seen it all.
    Broken,
    /// The server is silent, or slower than the least rate.
    Silent,
    /// What came back over it was no HTTP.
    Garbled,
    /// The peer speaks TLS, and it came to nothing.
    Tls,
    /// This side's TLS can't be set up.
    Setup,
    /// Nothing that another attempt could mend.
    Last,
}

/// A request without an answer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) stage: Stage,
}

impl Failure {
    /// A failure that another attempt would not mend.
    pub(crate) fn last(error: Error) -> Self {
        Self { error, stage: Stage::Last }
    }

    /// The same at a place that the registry sent a read to.
    pub(crate) fn at_redirect(self, blob: bool) -> Self {
        let cured = match self.error.kind() {
            Kind::Policy if blob => self.error.cure(policy::DOWNLOAD_CURE),
            _ => self.error,
        };
        Self { error: cured.context("where the registry redirects to"), ..self }
    }

    /// The same with what the proxy answered, as far as that is known.
    pub(super) fn at_tunnel(self, status: Option<u16>) -> Self {
        let why = match status {
            Some(status @ 403) => format!("it answers {status}: its rules forbid it"),
            Some(status) => format!("it answers {status}"),
            None => "it refuses it, or can't reach it".to_owned(),
        };
        let error = self.error.cure(format!("{why} (NO_PROXY names hosts that need no proxy)"));
        let error = match status {
            Some(status) => error.with_http_status(status).with_kind(Kind::Network),
            None => error,
        };
        Self { error, stage: Stage::Unconnected }
    }

    /// The proxy between wants other credentials.
    pub(crate) fn at_proxy(proxy: &str, origin: &Origin) -> Self {
        let text = format!(
            "{}: the proxy {proxy} demands credentials (HTTP 407; the option proxy takes http://USER:PASSWORD@HOST:PORT)",
            origin.authority()
        );
        Self::last(Error::new(Kind::Unauthorized, text).with_http_status(407))
    }

    /// `proxy`: the one between, without its credentials.
    pub(crate) fn of(
        error: reqwest::Error,
        origin: &Origin,
        proxy: Option<&str>,
        settings: &Settings,
    ) -> Self {
        let place = match proxy {
            Some(proxy) => format!("{} through the proxy {proxy}", origin.authority()),
            None => origin.authority(),
        };
        let made =
            |kind, text: String, stage| Self { error: Error::new(kind, format!("{place}: {text}")), stage };
        let (connect, timeout) = (error.is_connect(), error.is_timeout());
        if connect && timeout {
            let limit = settings.connect_timeout.as_millis();
            return made(
                Kind::Timeout,
                format!("no connection within {limit} ms (option connect_timeout_ms)"),
                Stage::Unconnected,
            );
        }
        let causes = Causes::of(&error);
        if let Some(own) = causes.own {
            let stage = if own.kind() == Kind::Network { Stage::Unconnected } else { Stage::Last };
            return Self { error: own.context(place), stage };
        }
        if let Some((tls, peer_speaks_it)) = causes.tls {
            let stage = if peer_speaks_it { Stage::Tls } else { Stage::Last };
            return made(Kind::Tls, format!("TLS failed: {tls}{}", tls_cure(&tls, origin)), stage);
        }
        if causes.garbled {
            return made(Kind::Protocol, format!("the answer is not HTTP: {}", causes.text), Stage::Garbled);
        }
        if let (true, Some(proxy)) = (causes.text.contains("proxy authorization required"), proxy) {
            return Self::at_proxy(proxy, origin);
        }
        if let (true, Some(proxy)) = (causes.text.contains("tunnel error"), proxy) {
            let to = origin.authority();
            let why = causes.text.trim_start_matches("tunnel error: ").trim_start_matches("unsuccessful");
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            let text = format!("{to}: the proxy {proxy} opens no tunnel to {to}{why}");
            return Self { error: Error::new(Kind::Network, text), stage: Stage::Tunnel };
        }
        if connect {
            let cure = tls_cure(&causes.text, origin);
            return made(Kind::Network, format!("no connection: {}{cure}", causes.text), Stage::Unconnected);
        }
        made(Kind::Network, format!("the connection broke: {}", causes.text), Stage::Broken)
    }
}

/// Errors while a body is received, in the same words.
pub(crate) fn of_body(error: &reqwest::Error) -> Error {
    let causes = Causes::of(error);
    match causes.own {
        Some(own) => own,
        None if causes.garbled => {
            Error::new(Kind::Protocol, format!("the answer's body is malformed: {}", causes.text))
        }
        None if causes.ended => ended_early(),
        None => Error::new(Kind::Network, format!("the connection broke: {}", causes.text)),
    }
}

/// The connection went before all of an answer came.
pub(crate) fn ended_early() -> Error {
    Error::new(Kind::Size, "the answer ends early").with_retryable(true)
}

struct Causes {
    own: Option<Error>,
    /// The peer closed in the middle.
    ended: bool,
    tls: Option<(String, bool)>,
    garbled: bool,
    text: String,
}

impl Causes {
    fn of(error: &reqwest::Error) -> Self {
        let mut made =
            Self { own: None, ended: false, tls: None, garbled: false, text: "unknown".to_owned() };
        let mut next = error.source();
        while let Some(cause) = next {
            made.look_at(cause);
            next = cause.source();
        }
        made
    }

    fn look_at(&mut self, cause: &(dyn std::error::Error + 'static)) {
        if let Some(own) = cause.downcast_ref::<Error>() {
            self.own = Some(own.clone());
        } else if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            let garbage =
                matches!(tls, rustls::Error::InvalidMessage(_) | rustls::Error::InappropriateMessage { .. });
            self.tls = Some((tls_words(tls), !garbage));
        } else if let Some(hyper) = cause.downcast_ref::<hyper::Error>() {
            self.garbled |= hyper.is_parse();
            self.ended |= hyper.is_incomplete_message();
        } else if let Some(io) = cause.downcast_ref::<io::Error>() {
            self.ended |= io.kind() == io::ErrorKind::UnexpectedEof;
            // hyper tells malformed chunks so.
            self.garbled |= matches!(io.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData);
            if let Some(inner) = io.get_ref() {
                self.look_at(inner);
                return;
            }
            self.text =
                printable(Error::io("", io::Error::from(io.kind())).message().trim_start_matches(": "));
            if let Some(code) = io.raw_os_error() {
                let whole = Error::io("", io::Error::from_raw_os_error(code));
                self.text = whole.message().trim_start_matches(": ").to_owned();
            }
            return;
        }
        self.text = printable(cause.to_string());
    }
}

/// What rustls says, in words; never its names for things.
fn tls_words(error: &rustls::Error) -> String {
    use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
    if super::tls::is_authority_only(error) {
        return "invalid peer certificate: it is an authority's, and not one that is trusted".to_owned();
    }
    const OLD: &str = "handshake refused: no common version of TLS, the server's are older than 1.2";
    const NONE: &str = "handshake refused: no common cipher suite, curve or kind of signature";
    match error {
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        )
        | Error::AlertReceived(AlertDescription::ProtocolVersion) => OLD.to_owned(),
        Error::PeerIncompatible(_) | Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            NONE.to_owned()
        }
        Error::AlertReceived(AlertDescription::InsufficientSecurity) => {
            "handshake refused: the server wants stronger ciphers or keys".to_owned()
        }
        Error::InvalidCertificate(
            CertificateError::UnsupportedSignatureAlgorithmContext { signature_algorithm_id: id, .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id: id,
                ..
            },
        ) => format!("invalid peer certificate: it is signed {}", signed(id)),
        Error::InvalidCertificate(CertificateError::Other(other))
            if matches!(other.0.downcast_ref(), Some(webpki::Error::UnsupportedCriticalExtension)) =>
        {
            "invalid peer certificate: it has a critical extension that is not known here".to_owned()
        }
        Error::InvalidCertificate(CertificateError::Other(other)) if other.0.is::<super::tls::ShortKey>() => {
            format!("invalid peer certificate: {}", super::tls::ShortKey)
        }
        error => printable(error.to_string()),
    }
}

/// How a certificate is signed that can't be verified: the DER of the algorithm's name.
fn signed(id: &[u8]) -> String {
    const ECDSA: &[u8] = &[42, 134, 72, 206, 61, 4];
    const RSA: &[u8] = &[42, 134, 72, 134, 247, 13, 1, 1];
    let after = |prefix: &[u8]| {
        let at = id.windows(prefix.len()).position(|part| part == prefix)?;
        id.get(at + prefix.len()..)
    };
    let old = "which can be forged: the server needs a newer certificate";
    match (after(ECDSA), after(RSA)) {
        (Some([1, ..]), _) | (_, Some([5, ..])) => format!("with SHA-1, {old}"),
        (_, Some([2 | 4, ..])) => format!("with MD5, {old}"),
        (Some([3, 1, ..]), _) => "by ECDSA with SHA-224, which is not verified here".to_owned(),
        (Some([3, 2, ..]), _) => {
            "by ECDSA with SHA-256 and a curve that is not verified here (P-256, P-384 and P-521 are)"
                .to_owned()
        }
        (Some([3, 3, ..]), _) => {
            "by ECDSA with SHA-384 and a curve that is not verified here (P-256, P-384 and P-521 are)"
                .to_owned()
        }
        (Some([3, 4, ..]), _) => "by ECDSA with SHA-512 and a curve that is not verified here".to_owned(),
        _ => "in a way that is not supported".to_owned(),
    }
}

fn tls_cure(text: &str, origin: &Origin) -> String {
    if text.contains("CertificateRequired") {
        " (the options client_cert and client_key of this host name what it demands, or certs_dirs)"
            .to_owned()
    } else if text.contains("UnknownIssuer") || text.contains("is an authority's") {
        " (the option ca_file trusts another authority)".to_owned()
    } else if ["InvalidContentType", "corrupt message", "handshake eof"]
        .iter()
        .any(|sign| text.contains(sign))
    {
        format!(" (if it uses plain http, name '{}' in the option plain_http_hosts)", origin.authority())
    } else {
        String::new()
    }
}
