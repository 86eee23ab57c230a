//! Authorities that companies have: bundles with something broken in them (Q114), and P-521 and SHA-512 (Q115).

use cldoci::oci::{Descriptor, media_type};
use cldoci::options::Options;
use cldoci::{Error, Kind};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::help::{manifest, run, with_options};
use crate::harness::evil::{Act, Evil, answer, tls};

macro_rules! certificate {
    ($name:literal) => {
        include_str!(concat!("certificates/", $name))
    };
}

fn good() -> Vec<Act> {
    let bytes = manifest(&Descriptor::of(media_type::EMPTY, b"{}"), &[]);
    answer(200, &[("Content-Type", media_type::OCI_MANIFEST)], bytes)
}

/// A server with this certificate of the key that all of them are for.
fn serve(certificate: &[u8]) -> Evil {
    let leaf = CertificateDer::from(certificate.to_vec());
    let key = PrivateKeyDer::from_pem_slice(certificate!("key.pem").as_bytes()).unwrap();
    let config = tls().with_no_client_auth().with_single_cert(vec![leaf], key).unwrap();
    Evil::start_tls_as(config, String::new(), |_| good())
}

fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

/// What comes of a read with this file of authorities, and the warnings.
fn get(server: &Evil, bundle: &str) -> (Result<(), Error>, Vec<String>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bundle).unwrap();
    let mut options = Options::new();
    options.set_path("ca_file", file.path()).unwrap();
    options.set("retries", "0").unwrap();
    let repository = with_options(&server.host(), &options, None);
    let found = run(async { repository.get_manifest("v1").await.map(drop) });
    (found, repository.call().operation.warnings())
}

#[test]
fn q114_a_bundle_with_a_broken_certificate_serves_with_a_warning() {
    let server = serve(&der(certificate!("sha256.pem")));
    let good = certificate!("authority.pem");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for bundle in [format!("{broken}{good}"), format!("{good}\n{broken}")] {
        let (found, warnings) = get(&server, &bundle);
        found.unwrap();
        assert!(warnings.len() == 1 && warnings[0].contains("is malformed, and is left out"), "{warnings:?}");
    }
    let (found, warnings) = get(&server, good);
    assert_eq!((found.is_ok(), warnings.len()), (true, 0));
    let error = get(&server, broken).0.unwrap_err();
    assert_eq!(error.kind(), Kind::Tls);
    assert!(error.message().contains("certificate 1 (line 1) is malformed"), "{error}");
    // A good one that is not the server's trusts nobody else.
    assert_eq!(get(&server, certificate!("authority521.pem")).0.unwrap_err().kind(), Kind::Tls);
}

#[test]
fn q115_p_521_and_sha_512_verify_and_a_bent_signature_does_not() {
    for (name, leaf, authority) in [
        ("P-521, SHA-256", certificate!("p521_sha256.pem"), certificate!("authority521.pem")),
        ("P-521, SHA-384", certificate!("p521_sha384.pem"), certificate!("authority521.pem")),
        ("P-521, SHA-512", certificate!("p521_sha512.pem"), certificate!("authority521.pem")),
        ("P-256, SHA-512", certificate!("p256_sha512.pem"), certificate!("authority256.pem")),
    ] {
        get(&serve(&der(leaf)), authority).0.unwrap_or_else(|error| panic!("{name}: {error}"));
        // The last byte is the signature's.
        let mut bent = der(leaf);
        *bent.last_mut().unwrap() ^= 1;
        let server = serve(&bent);
        let error = get(&server, authority).0.unwrap_err();
        assert_eq!(error.kind(), Kind::Tls, "{name}: {error}");
        assert!(server.log().is_empty());
        // Nor does another authority of the same curve's.
        let error = get(&serve(&der(leaf)), certificate!("authority.pem")).0.unwrap_err();
        assert!(error.message().contains("UnknownIssuer"), "{name}: {error}");
    }
}

#[test]
fn r_43_a_key_that_is_too_short_is_told_as_that() {
    let server = serve(&der(certificate!("rsa1024.pem")));
    let error = get(&server, certificate!("authority1024.pem")).0.unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "{error}");
    assert!(error.message().contains("too short"), "{error}");
    assert!(server.log().is_empty());
    // The twin: a signature that is bad and no more.
    let mut bent = der(certificate!("sha256.pem"));
    *bent.last_mut().unwrap() ^= 1;
    let error = get(&serve(&bent), certificate!("authority.pem")).0.unwrap_err();
    assert!(error.kind() == Kind::Tls && !error.message().contains("too short"), "{error}");
}
