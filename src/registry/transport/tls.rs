//! TLS of one host: who is trusted, and who this side is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::certs_d::{self, Identities, Identity};
use super::{bundle, ecdsa, trust};
use crate::error::{Error, Kind, Result, printable};
use crate::options::{HostSettings, Settings};

/// What was set for one host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Tls {
    insecure: bool,
    ca_file: Option<PathBuf>,
    client_cert: Option<PathBuf>,
    client_key: Option<PathBuf>,
    /// The host's own directory of certificates.
    directory: Option<PathBuf>,
}

impl Tls {
    pub(super) fn of(host: &HostSettings, directory: Option<PathBuf>) -> Self {
        Self {
            insecure: host.insecure,
            ca_file: host.host_ca_file.clone(),
            client_cert: host.client_cert.clone(),
            client_key: host.client_key.clone(),
            directory,
        }
    }

    /// The set-up for the TLS library; files are read here, and what is wrong with a part of one is a warning.
    pub(super) fn config(&self, settings: &Settings, warnings: &mut Vec<String>) -> Result<ClientConfig> {
        let provider = ecdsa::chosen();
        let directory = self.directory.as_deref();
        let host = directory.map(|path| certs_d::read(path, warnings)).transpose()?.unwrap_or_default();
        let verifier: Arc<dyn ServerCertVerifier> = match self.insecure {
            true => Arc::new(Anybody),
            false => {
                Arc::new(Trusting::new(self.roots(settings, host.authorities, warnings)?, provider.clone())?)
            }
        };
        // What was set for the host by its option comes before what a directory has.
        let identities = self.identity()?.map_or(host.identities, |own| vec![own]);
        let identities = Identities::of(identities, &provider)?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(set_up)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = config.with_client_cert_resolver(Arc::new(identities));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    fn roots(
        &self,
        settings: &Settings,
        of_host: Vec<CertificateDer<'static>>,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<CertificateDer<'static>>> {
        let mut roots = trust::system(settings.environment());
        roots.extend(of_host);
        for file in settings.ca_file.iter().chain(&self.ca_file) {
            roots.extend(bundle::certificates(file, warnings)?);
        }
        if let Some(directory) = &settings.ca_dir {
            roots.extend(certificates_in(directory, warnings)?);
        }
        if roots.is_empty() {
            return Err(Error::new(
                Kind::Tls,
                "no certificate authorities: neither the system's nor SSL_CERT_FILE or SSL_CERT_DIR has one (the option ca_file names others)",
            ));
        }
        Ok(roots)
    }

    fn identity(&self) -> Result<Option<Identity>> {
        let Some(cert) = &self.client_cert else { return Ok(None) };
        let mut pem = bundle::read(cert)?;
        if let Some(key) = &self.client_key {
            pem.push(b'\n');
            pem.extend(bundle::read(key)?);
        }
        let chain: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let key = PrivateKeyDer::from_pem_slice(&pem);
        zeroize::Zeroize::zeroize(&mut pem);
        let file = printable(cert.as_os_str().as_encoded_bytes());
        match (chain, key) {
            (Ok(chain), Ok(key)) if !chain.is_empty() => Ok(Some(Identity { chain, key, file })),
            _ => {
                let why = format!("{file} and its key are not a PEM certificate with a private key");
                Err(Error::new(Kind::Tls, why))
            }
        }
    }
}

fn set_up(error: impl std::fmt::Display) -> Error {
    Error::new(Kind::Tls, format!("TLS can't be set up: {}", printable(error.to_string())))
}

fn certificates_in(directory: &Path, warnings: &mut Vec<String>) -> Result<Vec<CertificateDer<'static>>> {
    let fail = |error| Error::io(printable(directory.as_os_str().as_encoded_bytes()), error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|extension| extension == "crt" || extension == "pem") {
            found.extend(bundle::certificates(&path, warnings)?);
        }
    }
    Ok(found)
}

/// Verifies as rustls does. What it would refuse, a server's certificate that is itself among those that are
/// trusted and calls itself an authority, is accepted as well: so `openssl req -x509` makes one, and so do
/// Docker's instructions for a registry of one's own.
#[derive(Debug)]
struct Trusting {
    chains: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl Trusting {
    fn new(trusted: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Result<Self> {
        let mut store = RootCertStore::empty();
        for certificate in &trusted {
            store.add(certificate.clone()).map_err(set_up)?;
        }
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider);
        Ok(Self { chains: chains.build().map_err(set_up)?, trusted })
    }
}

/// An RSA key that ring does not verify with; it says of that no more than that the signature is bad.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ShortKey;

impl std::fmt::Display for ShortKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an RSA key has fewer than 2048 bits, which is too short")
    }
}

impl std::error::Error for ShortKey {}

/// Tells a bad signature from one of a key that is too short.
fn told<T>(
    result: std::result::Result<T, rustls::Error>,
    keys: &[CertificateDer<'_>],
) -> std::result::Result<T, rustls::Error> {
    match result {
        Err(rustls::Error::InvalidCertificate(CertificateError::BadSignature))
            if keys.iter().any(is_short) =>
        {
            let other = rustls::OtherError(Arc::new(ShortKey));
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
        }
        result => result,
    }
}

/// Whether an authority's name is in one of these certificates, as their issuer's is.
fn is_named_in(authority: &CertificateDer<'_>, certificates: &[CertificateDer<'_>]) -> bool {
    webpki::anchor_from_trusted_cert(authority).is_ok_and(|anchor| {
        let name = anchor.subject.as_ref();
        !name.is_empty() && certificates.iter().any(|one| one.windows(name.len()).any(|part| part == name))
    })
}

/// Whether a certificate has such a key: one of 2048 bits takes 294 bytes with its name.
fn is_short(certificate: &CertificateDer<'_>) -> bool {
    const RSA: &[u8] = &[42, 134, 72, 134, 247, 13, 1, 1, 1];
    webpki::EndEntityCert::try_from(certificate).is_ok_and(|parsed| {
        let key = parsed.subject_public_key_info();
        key.len() < 290 && key.windows(RSA.len()).any(|part| part == RSA)
    })
}

/// Whether all that is wrong is that an authority's certificate stands where a server's should. Its validity
/// has been looked at before that.
pub(super) fn is_authority_only(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        match self.chains.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            Err(error) if is_authority_only(&error) && self.trusted.iter().any(|own| own == end_entity) => {
                rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => {
                let mut chain: Vec<_> = intermediates.iter().chain([end_entity]).cloned().collect();
                let issuers = self.trusted.iter().filter(|own| is_named_in(own, &chain)).cloned();
                let issuers: Vec<_> = issuers.collect();
                chain.extend(issuers);
                told(verified, &chain)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        told(
            self.chains.verify_tls12_signature(message, certificate, signed),
            std::slice::from_ref(certificate),
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        told(
            self.chains.verify_tls13_signature(message, certificate, signed),
            std::slice::from_ref(certificate),
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// The option `insecure`: whoever answers is taken for the host.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        use SignatureScheme::*;
        vec![
            ECDSA_NISTP256_SHA256,
            ECDSA_NISTP384_SHA384,
            ECDSA_NISTP521_SHA512,
            ED25519,
            ED448,
            RSA_PSS_SHA256,
            RSA_PSS_SHA384,
            RSA_PSS_SHA512,
            RSA_PKCS1_SHA256,
            RSA_PKCS1_SHA384,
            RSA_PKCS1_SHA512,
            ECDSA_SHA1_Legacy,
            RSA_PKCS1_SHA1,
        ]
    }
}
