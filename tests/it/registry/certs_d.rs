//! Directories of certificates by host (Q117): who is trusted, who this side is, and to whom it says so.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cldoci::oci::{Descriptor, media_type};
use cldoci::options::Options;
use cldoci::{Error, Kind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};

use super::help::{manifest, read, run, with_options};
use crate::harness::evil::{Act, Evil, Seen, answer, tls};

fn good() -> Vec<Act> {
    let bytes = manifest(&Descriptor::of(media_type::EMPTY, b"{}"), &[]);
    answer(200, &[("Content-Type", media_type::OCI_MANIFEST)], bytes)
}

fn get(host: &str, options: &Options) -> Result<(), Error> {
    run(async { with_options(host, options, None).get_manifest("v1").await.map(drop) })
}

/// The authority of clients, and certificates of it.
struct Clients(rcgen::CertifiedIssuer<'static, rcgen::KeyPair>);

impl Clients {
    fn new(name: &str) -> Self {
        let mut parameters = rcgen::CertificateParams::new([]).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        Self(rcgen::CertifiedIssuer::self_signed(parameters, rcgen::KeyPair::generate().unwrap()).unwrap())
    }

    /// Puts a client's certificate and key into a directory.
    fn put(&self, directory: &Path, name: &str) {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(["client.test".to_owned()]).unwrap();
        let client = parameters.signed_by(&key, &self.0).unwrap();
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(directory.join(format!("{name}.cert")), client.pem()).unwrap();
        std::fs::write(directory.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// Asks for a client's certificate, and counts those that it is shown.
#[derive(Debug)]
struct Watching {
    inner: Arc<dyn ClientCertVerifier>,
    shown: Arc<AtomicUsize>,
}

impl ClientCertVerifier for Watching {
    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        self.inner.root_hint_subjects()
    }
    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }
    fn verify_client_cert(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.shown.fetch_add(1, Ordering::SeqCst);
        self.inner.verify_client_cert(end, between, now)
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, signed)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, signed)
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// A server that asks for a certificate of these clients, or demands one; and how many it was shown.
fn serve(
    clients: &Clients,
    demands: bool,
    handler: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static,
) -> (Evil, Arc<AtomicUsize>) {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(clients.0.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
    let builder = if demands { builder } else { builder.allow_unauthenticated() };
    let shown = Arc::new(AtomicUsize::new(0));
    let verifier = Arc::new(Watching { inner: builder.build().unwrap(), shown: shown.clone() });
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = tls()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    (Evil::start_tls_as(config, own.cert.pem(), handler), shown)
}

/// The directories, with the server's authority in its own.
fn trusted(root: &Path, server: &Evil) -> std::path::PathBuf {
    let directory = root.join(server.host());
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("ca.crt"), server.certificate.as_ref().unwrap()).unwrap();
    directory
}

fn options(root: &Path) -> Options {
    let mut options = Options::new();
    options.set("certs_dirs", root.to_str().unwrap()).unwrap();
    options
}

#[test]
fn q117_a_host_is_trusted_by_the_authorities_of_its_directory() {
    let (server, other) =
        (Evil::start_tls(&["127.0.0.1"], |_| good()), Evil::start_tls(&["127.0.0.1"], |_| good()));
    let root = tempfile::tempdir().unwrap();
    let directory = trusted(root.path(), &server);
    get(&server.host(), &options(root.path())).unwrap();
    // Those are not another host's.
    let error = get(&other.host(), &options(root.path())).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "{error}");
    assert_eq!(other.log().len(), 0);
    // The wrong authority, and none.
    std::fs::write(directory.join("ca.crt"), other.certificate.as_ref().unwrap()).unwrap();
    for _ in 0..2 {
        let error = get(&server.host(), &options(root.path())).unwrap_err();
        let told = error.message().contains("invalid peer certificate");
        assert!(error.kind() == Kind::Tls && told, "{error}");
        let _ = std::fs::remove_file(directory.join("ca.crt"));
    }
    assert_eq!(server.log().len(), 1);
}

#[test]
fn q117_a_client_certificate_is_the_one_of_the_host_s_directory() {
    let (clients, strangers) = (Clients::new("ours"), Clients::new("theirs"));
    let (server, shown) = serve(&clients, true, |_| good());
    let root = tempfile::tempdir().unwrap();
    let directory = trusted(root.path(), &server);
    let error = get(&server.host(), &options(root.path())).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "{error}");
    assert!(error.message().contains("certs_dirs"), "{error}");
    // One of somebody else's is refused by the server.
    strangers.put(&directory, "a");
    assert_eq!(get(&server.host(), &options(root.path())).unwrap_err().kind(), Kind::Tls);
    assert_eq!(server.log().len(), 0);
    // Of several it is shown the one whose authority it names.
    clients.put(&directory, "b");
    let before = shown.load(Ordering::SeqCst);
    get(&server.host(), &options(root.path())).unwrap();
    assert_eq!((server.log().len(), shown.load(Ordering::SeqCst) - before), (1, 1));
    // A key that is another certificate's.
    std::fs::copy(directory.join("a.key"), directory.join("b.key")).unwrap();
    let error = get(&server.host(), &options(root.path())).unwrap_err();
    assert!(error.kind() == Kind::Tls && error.message().contains("b.cert"), "{error}");
}

#[test]
fn q117_a_client_certificate_does_not_go_along_to_where_a_registry_redirects() {
    let clients = Clients::new("ours");
    let body = b"of the storage".to_vec();
    let blob = Descriptor::of("application/octet-stream", &body);
    let (storage, at_storage) = serve(&clients, false, move |_| answer(200, &[], &body));
    let location = format!("https://{}/bucket/blob", storage.host());
    let (registry, at_registry) =
        serve(&clients, true, move |_| answer(307, &[("Location", location.as_str())], ""));
    let root = tempfile::tempdir().unwrap();
    let own = trusted(root.path(), &registry);
    clients.put(&own, "client");
    let storages = trusted(root.path(), &storage);
    let pull = || {
        let repository = with_options(&registry.host(), &options(root.path()), None);
        run(async { read(repository.read_blob(&blob, 0).await?).await }).unwrap()
    };
    assert_eq!(pull(), b"of the storage");
    assert_eq!(at_registry.load(Ordering::SeqCst), 1);
    assert_eq!(at_storage.load(Ordering::SeqCst), 0);
    // It is shown one where its own directory has one.
    clients.put(&storages, "client");
    assert_eq!(pull(), b"of the storage");
    assert_eq!(at_storage.load(Ordering::SeqCst), 1);
}

/// A key of docker's layout that is broken stops the request, and the option of the host comes before the directory.
#[test]
fn q117_a_broken_directory_is_told_before_any_request() {
    let server = Evil::start_tls(&["127.0.0.1"], |_| good());
    let root = tempfile::tempdir().unwrap();
    let directory = trusted(root.path(), &server);
    std::fs::write(directory.join("client.key"), "canary").unwrap();
    let error = get(&server.host(), &options(root.path())).unwrap_err();
    assert!(error.message().contains("client.cert") && !error.message().contains("canary"), "{error}");
    assert_eq!(server.log().len(), 0);
    std::fs::remove_file(directory.join("client.key")).unwrap();
    get(&server.host(), &options(root.path())).unwrap();
}
