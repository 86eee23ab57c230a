//! Why a request got no answer, told from the error's chain of causes.

use std::error::Error as _;
use std::io;

use crate::error::{Error, Kind, printable};
use crate::options::Settings;
use crate::registry::origin::Origin;

/// How far a request came before it failed; what may be tried again depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// There was no connection: the server saw nothing.
    Unconnected,
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
            return made(
                Kind::Protocol,
                format!("what came back is no HTTP: {}", causes.text),
                Stage::Garbled,
            );
        }
        if let (true, Some(proxy)) = (causes.text.contains("proxy authorization required"), proxy) {
            return Self::at_proxy(proxy, origin);
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

/// What rustls says; of some certificates in words of ours.
fn tls_words(error: &rustls::Error) -> String {
    use rustls::{CertificateError, Error};
    /// ecdsa-with-SHA1 and sha1WithRSAEncryption, as DER.
    const SHA_1: [&[u8]; 2] = [&[42, 134, 72, 206, 61, 4, 1], &[42, 134, 72, 134, 247, 13, 1, 1, 5]];
    if super::tls::is_authority_only(error) {
        return "invalid peer certificate: it is an authority's, and not one that is trusted".to_owned();
    }
    let Error::InvalidCertificate(CertificateError::UnsupportedSignatureAlgorithmContext {
        signature_algorithm_id: id,
        ..
    }) = error
    else {
        return printable(error.to_string());
    };
    let sha_1 = SHA_1.iter().any(|known| id.windows(known.len()).any(|part| part == *known));
    let how = if sha_1 { "with SHA-1, which can be forged" } else { "in a way that is not supported" };
    format!("invalid peer certificate: it is signed {how}: the server needs a newer certificate")
}

fn tls_cure(text: &str, origin: &Origin) -> String {
    if text.contains("CertificateRequired") {
        " (the options client_cert and client_key of this host name what it demands)".to_owned()
    } else if text.contains("UnknownIssuer") || text.contains("is an authority's") {
        " (the option ca_file trusts another authority)".to_owned()
    } else if ["InvalidContentType", "corrupt message", "handshake eof"]
        .iter()
        .any(|sign| text.contains(sign))
    {
        format!(" (if it speaks plain http, name '{}' in the option plain_http_hosts)", origin.authority())
    } else {
        String::new()
    }
}
