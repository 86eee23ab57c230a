//! The system's certificate authorities. TLS libraries ask the environment for their place when they load them;
//! here it is the environment as it was when the client was made (case X-27), and none where `environment` is off.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls_native_certs::load_certs_from_paths;

use crate::options::Environment;

/// Where Linux distributions keep all authorities in one file; the first that is there counts (as Go's
/// `crypto/x509` and OpenSSL's packagers have it).
const FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
];
/// Where they keep each in a file of its own.
const DIRECTORIES: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// The authorities that are trusted without being named to cldoci. Where `SSL_CERT_FILE` or `SSL_CERT_DIR` is set,
/// what they name takes the place of the system's. What can't be read or parsed is passed over, as everywhere.
pub(super) fn system(environment: &Environment) -> Vec<CertificateDer<'static>> {
    let mut file = environment.get("SSL_CERT_FILE").map(PathBuf::from);
    let mut directories: Vec<PathBuf> =
        environment.get("SSL_CERT_DIR").map(std::env::split_paths).into_iter().flatten().collect();
    directories.retain(|path| !path.as_os_str().is_empty());
    if file.is_none() && directories.is_empty() {
        file = FILES.iter().map(PathBuf::from).find(|path| path.exists());
        directories = DIRECTORIES.iter().map(PathBuf::from).filter(|path| path.exists()).collect();
    }
    load(file.as_deref(), &directories)
}

fn load(file: Option<&Path>, directories: &[PathBuf]) -> Vec<CertificateDer<'static>> {
    let mut directories = directories.iter().map(PathBuf::as_path);
    // A directory often links to the file, which is read once where both are told together.
    let mut found = load_certs_from_paths(file, directories.next()).certs;
    found.extend(directories.flat_map(|directory| load_certs_from_paths(None, Some(directory)).certs));
    found.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
    found.dedup();
    // One that rustls can't use must not cost the others.
    found.retain(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
    found
}
