//! Schemes and certificates.

use std::io::Write;

use cldoci::oci::{Descriptor, media_type};
use cldoci::options::{Environment, Options, Settings};
use cldoci::{Error, Kind};

use super::help::{manifest, open, run, with_options};
use crate::harness::evil::{Act, Evil, answer, send, tls};
use crate::harness::ours::options;

fn good() -> Vec<Act> {
    let bytes = manifest(&Descriptor::of(media_type::EMPTY, b"{}"), &[]);
    answer(200, &[("Content-Type", media_type::OCI_MANIFEST)], bytes)
}

fn get(host: &str, options: &Options) -> Result<(), Error> {
    run(async { with_options(host, options, None).get_manifest("v1").await.map(drop) })
}

/// The same by a name that leads here.
fn get_named(name: &str, host: &str, options: &Options) -> Result<(), Error> {
    struct Here;
    impl cldoci::registry::Names for Here {
        fn look_up(&self, _: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
            Ok(vec!["127.0.0.1".parse().unwrap()])
        }
    }
    let host = format!("{name}:{}", host.rsplit_once(':').unwrap().1);
    run(async {
        let repository = with_options(&host, options, Some(std::sync::Arc::new(Here)));
        repository.get_manifest("v1").await.map(drop)
    })
}

fn trusting(server: &Evil) -> (Options, tempfile::NamedTempFile) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(server.certificate.as_ref().unwrap().as_bytes()).unwrap();
    let mut options = Options::new();
    options.set_path("ca_file", file.path()).unwrap();
    (options, file)
}

#[test]
fn a_18_loopback_is_spoken_to_in_http_and_in_https_where_it_speaks_only_that() {
    let plain = Evil::start(|_| good());
    get(&plain.host(), &Options::new()).unwrap();
    assert_eq!(plain.log().len(), 1);

    // A TLS server that closes, or sends an alert, on plain http.
    let server = Evil::start_tls(&["localhost", "127.0.0.1"], |_| good());
    let (options, _file) = trusting(&server);
    get(&server.host(), &options).unwrap();
    assert_eq!(server.log().len(), 1);
    // It is tried and told why it is not trusted.
    let error = get(&server.host(), &Options::new()).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls);
    assert!(error.message().contains("UnknownIssuer (the option ca_file"), "{error}");
}

#[test]
fn a_18_a_400_of_a_registry_is_not_taken_for_a_tls_server() {
    let server = Evil::start(|_| crate::harness::registry::error(400, "NAME_INVALID"));
    let error = get(&server.host(), &Options::new()).unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (Kind::Protocol, Some(400)));
    assert_eq!(server.log().len(), 1);
    // A HEAD's answer has no words: a handshake is tried, and the answer stands.
    let error = run(async {
        with_options(&server.host(), &Options::new(), None).head_manifest("v1").await.unwrap_err()
    });
    assert_eq!((error.kind(), error.http_status()), (Kind::Protocol, Some(400)));
    assert_eq!(server.log().len(), 2);
}

/// What says nothing to plain http is not asked a second time by TLS: it would take as long again.
#[test]
fn a_18_a_server_that_says_nothing_is_asked_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let options = options(&[("header_timeout_ms", "300"), ("retries", "0")]);
    assert_eq!(get(&host, &options).unwrap_err().kind(), Kind::Timeout);
    listener.set_nonblocking(true).unwrap();
    listener.accept().unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_18_no_silent_http_elsewhere() {
    // A name that is not loopback, and leads to a server that speaks only http: it closes, or says so in http.
    let server = Evil::start(|_| good());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let talks = listener.local_addr().unwrap().to_string();
    let talking = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").unwrap();
        std::io::copy(&mut stream, &mut std::io::sink())
    });
    for (host, kind) in [(server.host(), Kind::Network), (talks, Kind::Tls)] {
        let error = get_named("reg.test", &host, &Options::new()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let port = host.rsplit_once(':').unwrap().1;
        let cure = format!("name 'reg.test:{port}' in the option plain_http_hosts");
        assert!(error.message().contains(&cure), "{error}");
    }
    let _ = talking.join().unwrap();
    assert_eq!(server.log().len(), 0);
    let mut plain = Options::new();
    plain.set("plain_http_hosts", &format!("reg.test:{}", server.port())).unwrap();
    get_named("reg.test", &server.host(), &plain).unwrap();
}

#[test]
fn r_43_certificates_that_do_not_fit() {
    let server = Evil::start_tls(&["other.test"], |_| good());
    let (options, _file) = trusting(&server);
    let error = get(&server.host(), &options).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "wrong host");
    assert!(error.message().contains("not valid for name"), "{error}");
    let mut insecure = Options::new();
    insecure.set_host(&server.host(), "insecure", "true").unwrap();
    get(&server.host(), &insecure).unwrap();
    // It is of that host alone (A-17).
    let another = Evil::start_tls(&["127.0.0.1"], |_| good());
    assert_eq!(get(&another.host(), &insecure).unwrap_err().kind(), Kind::Tls);
}

#[test]
fn r_43_a_certificate_that_has_expired() {
    let serve = |until: i32| {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
        let made = parameters.self_signed(&key).unwrap();
        let config =
            tls().with_no_client_auth().with_single_cert(vec![made.der().clone()], der(&key)).unwrap();
        Evil::start_tls_as(config, made.pem(), |_| good())
    };
    let server = serve(2020);
    let (options, _file) = trusting(&server);
    let error = get(&server.host(), &options).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls);
    assert!(error.message().contains("expired"), "{error}");
    assert_eq!(server.log().len(), 0);
    let server = serve(4000);
    let (options, _file) = trusting(&server);
    get(&server.host(), &options).unwrap();
}

/// What `openssl req -x509` makes, and so Docker's instructions for a registry of one's own: a certificate that
/// signs itself and calls itself an authority. It is trusted where it is named, for its names and its time.
#[test]
fn a_certificate_that_is_its_own_authority_is_trusted_where_it_is_named() {
    let serve = |name: &str, until: i32| {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
        let made = parameters.self_signed(&key).unwrap();
        let config =
            tls().with_no_client_auth().with_single_cert(vec![made.der().clone()], der(&key)).unwrap();
        Evil::start_tls_as(config, made.pem(), |_| good())
    };
    let server = serve("127.0.0.1", 4000);
    let (options, file) = trusting(&server);
    get(&server.host(), &options).unwrap();
    get_in(&server.host(), &Options::new(), &[("SSL_CERT_FILE", file.path().to_str().unwrap())]).unwrap();
    let mut named = Options::new();
    named.set_host(&server.host(), "host_ca_file", file.path().to_str().unwrap()).unwrap();
    get(&server.host(), &named).unwrap();
    // Another of the same name, which nobody named.
    let refused = |server: &Evil, options: &Options, why: &str| {
        let error = get(&server.host(), options).unwrap_err();
        assert_eq!(error.kind(), Kind::Tls, "{error}");
        assert!(error.message().contains(why), "{error}");
        assert_eq!(server.log().len(), 0);
    };
    refused(&serve("127.0.0.1", 4000), &options, "is an authority's");
    for (name, until, why) in [("other.test", 4000, "not valid for name"), ("127.0.0.1", 2020, "expired")] {
        let server = serve(name, until);
        let (options, _file) = trusting(&server);
        refused(&server, &options, why);
    }
}

/// Certificates of `tests/it/registry/certificates`.
macro_rules! certificate {
    ($name:literal) => {
        include_str!(concat!("certificates/", $name))
    };
}

#[test]
fn r_43_a_certificate_signed_with_sha_1() {
    use rustls::pki_types::pem::PemObject;
    let serve = |certificate: &str| {
        let leaf = rustls::pki_types::CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key =
            rustls::pki_types::PrivateKeyDer::from_pem_slice(certificate!("key.pem").as_bytes()).unwrap();
        let config = tls().with_no_client_auth().with_single_cert(vec![leaf], key).unwrap();
        Evil::start_tls_as(config, certificate!("authority.pem").to_owned(), |_| good())
    };
    let server = serve(certificate!("sha1.pem"));
    let (options, _file) = trusting(&server);
    let error = get(&server.host(), &options).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "{error}");
    assert!(error.message().contains("SHA-1"), "{error}");
    assert_eq!(server.log().len(), 0);
    let server = serve(certificate!("sha256.pem"));
    let (options, _file) = trusting(&server);
    get(&server.host(), &options).unwrap();
}

fn der(key: &rcgen::KeyPair) -> rustls::pki_types::PrivateKeyDer<'static> {
    rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap()
}

#[test]
fn r_43_a_server_that_demands_a_client_certificate() {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    // The authority of the clients, and a certificate of it.
    let mut parameters = rcgen::CertificateParams::new([]).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority =
        rcgen::CertifiedIssuer::self_signed(parameters, rcgen::KeyPair::generate().unwrap()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let client = rcgen::CertificateParams::new(["client.test".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
    let config = tls()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![own.cert.der().clone()], der(&own.signing_key))
        .unwrap();
    let server = Evil::start_tls_as(config, own.cert.pem(), |_| good());
    let (mut options, _file) = trusting(&server);

    let error = get(&server.host(), &options).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "{error}");
    assert!(error.message().contains("client_cert"), "{error}");
    assert_eq!(server.log().len(), 0);

    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    options.set_host(&server.host(), "client_cert", &file("cert.pem", client.pem())).unwrap();
    options.set_host(&server.host(), "client_key", &file("key.pem", key.serialize_pem())).unwrap();
    get(&server.host(), &options).unwrap();
    assert_eq!(server.log().len(), 1);
}

#[test]
fn a_17_insecure_does_not_cover_the_token_server() {
    let tokens = Evil::start_tls(&["other.test"], |_| answer(200, &[], r#"{"token":"granted"}"#));
    for host in ["127.0.0.1", "localhost"] {
        let realm = format!("{host}:{}", tokens.port());
        let challenge = format!(r#"Bearer realm="https://{realm}/token",service="s""#);
        let registry = Evil::start_tls(&["other.test"], move |seen| {
            match seen.header("authorization") == Some("Bearer granted") {
                true => good(),
                false => answer(401, &[("WWW-Authenticate", &challenge)], ""),
            }
        });
        let before = tokens.log().len();
        let mut options = Options::new();
        options.set("token_hosts", &realm).unwrap();
        options.set("retries", "0").unwrap();
        options.set_host(&registry.host(), "insecure", "true").unwrap();
        let error = get(&registry.host(), &options).unwrap_err();
        assert_eq!(error.kind(), Kind::Tls, "{error}");
        assert!(error.message().contains(&realm), "{error}");
        assert_eq!((registry.log().len(), tokens.log().len()), (1, before));
        // The twin: the same for the token server, by its own name.
        options.set_host(&realm, "insecure", "true").unwrap();
        get(&registry.host(), &options).unwrap();
        assert_eq!(tokens.log().len(), before + 1);
    }
}

#[test]
fn r_43_a_body_cut_without_a_close_of_tls() {
    let body = manifest(&Descriptor::of(media_type::EMPTY, b"{}"), &[]);
    // Ended by the connection's end, by a length, by a last chunk.
    let (length, chunk) = (format!("Content-Length: {}\r\n", body.len()), format!("{:x}\r\n", body.len()));
    for (header, start) in [("", ""), (&*length, ""), ("Transfer-Encoding: chunked\r\n", &*chunk)] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {}\r\n{header}\r\n", media_type::OCI_MANIFEST);
        let cut = send([head.as_bytes(), start.as_bytes(), &body[..body.len() / 2]].concat());
        let server = Evil::start_tls(&["127.0.0.1"], move |_| [cut.clone(), vec![Act::Close]].concat());
        let (mut options, _file) = trusting(&server);
        options.set("retries", "0").unwrap();
        let error = get(&server.host(), &options).unwrap_err();
        assert_eq!(error.kind(), Kind::Size, "{header}: {error}");
    }
}

#[test]
fn r_22_a_handshake_that_stalls() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("{}", listener.local_addr().unwrap());
    let mut options = Options::new();
    options.set("connect_timeout_ms", "300").unwrap();
    // By name, since on loopback plain http is tried first.
    let error = get_named("stalls.test", &host, &options).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    assert!(error.message().contains("connect_timeout_ms"), "{error}");
    listener.set_nonblocking(true).unwrap();
    let tried = std::iter::from_fn(|| listener.accept().ok()).count();
    assert_eq!(tried, 2, "once more, and no more");
}

#[test]
fn r_22_a_name_server_that_stalls() {
    /// Answers once the test lets go of it.
    struct Stalls(std::sync::Mutex<std::sync::mpsc::Receiver<()>>, std::sync::atomic::AtomicUsize);
    impl cldoci::registry::Names for Stalls {
        fn look_up(&self, _: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
            self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let _ = self.0.lock().unwrap().recv();
            Err(std::io::ErrorKind::NotFound.into())
        }
    }
    let (let_go, held) = std::sync::mpsc::channel();
    let names = std::sync::Arc::new(Stalls(held.into(), Default::default()));
    let mut options = Options::new();
    options.set("connect_timeout_ms", "300").unwrap();
    run(async {
        let repository = with_options("stalls.test", &options, Some(names.clone()));
        let error = repository.get_manifest("v1").await.unwrap_err();
        drop(let_go);
        assert_eq!(error.kind(), Kind::Timeout, "{error}");
        assert!(error.message().contains("connect_timeout_ms"), "{error}");
        assert_eq!(names.1.load(std::sync::atomic::Ordering::SeqCst), 2, "once more, and no more");
    });
}

#[test]
fn a_ca_file_that_is_none_is_named() {
    let server = Evil::start_tls(&["127.0.0.1"], |_| good());
    let mut options = Options::new();
    options.set("ca_file", "/nonexistent/ca.pem").unwrap();
    let error = get(&server.host(), &options).unwrap_err();
    assert!(error.message().contains("/nonexistent/ca.pem"), "{error}");
}

#[test]
fn a_ca_directory_is_read_whole_and_what_is_no_certificate_is_named() {
    let server = Evil::start_tls(&["localhost", "127.0.0.1"], |_| good());
    let other = Evil::start_tls(&["localhost", "127.0.0.1"], |_| good());
    let directory = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    put("a.crt", other.certificate.as_ref().unwrap());
    put("notes.txt", "no certificate, and not looked at");
    let mut options = Options::new();
    options.set_path("ca_dir", directory.path()).unwrap();
    get(&other.host(), &options).unwrap();
    assert_eq!(get(&server.host(), &options).unwrap_err().kind(), Kind::Tls);
    put("b.pem", server.certificate.as_ref().unwrap());
    get(&server.host(), &options).unwrap();
    get(&other.host(), &options).unwrap();
    options.set_path("ca_dir", directory.path().join("absent")).unwrap();
    let error = get(&other.host(), &options).unwrap_err();
    assert!(error.message().contains("absent"), "{error}");
}

/// A client made in this environment reads from `host`.
fn get_in(host: &str, options: &Options, environment: &[(&str, &str)]) -> Result<(), Error> {
    let settings = Settings::for_client(options, Environment::of(environment.iter().copied())).unwrap();
    let registry = cldoci::registry::Registry::new(&settings).unwrap();
    run(async { open(&registry, &settings, host, "test/app").get_manifest("v1").await.map(drop) })
}

#[test]
fn the_environment_says_where_the_systems_certificates_lie() {
    let [server, other] = [(); 2].map(|()| Evil::start_tls(&["127.0.0.1"], |_| good()));
    let (options, file) = trusting(&server);
    let directories = tempfile::tempdir().unwrap();
    for (name, of) in [("one", &server), ("two", &other)] {
        std::fs::create_dir(directories.path().join(name)).unwrap();
        let path = directories.path().join(name).join("0a775a30.0");
        std::fs::write(path, of.certificate.as_ref().unwrap()).unwrap();
    }
    std::fs::write(directories.path().join("two/README"), "no certificate").unwrap();
    let (file, root) = (file.path().to_str().unwrap(), directories.path().display());
    let one = format!("{root}/one");
    let both = format!("{root}/none:{root}/one::{root}/two");
    let tls = |found: Result<(), Error>, says: &str| {
        let error = found.unwrap_err();
        assert!(error.kind() == Kind::Tls && error.message().contains(says), "{error}");
    };
    let none = Options::new();
    for environment in [("SSL_CERT_FILE", file), ("SSL_CERT_DIR", &one), ("SSL_CERT_DIR", &both)] {
        get_in(&server.host(), &none, &[environment]).unwrap();
    }
    get_in(&other.host(), &none, &[("SSL_CERT_DIR", &both)]).unwrap();
    get_in(&other.host(), &none, &[("SSL_CERT_FILE", file), ("SSL_CERT_DIR", &both)]).unwrap();
    let untrusted = "invalid peer certificate";
    tls(get_in(&other.host(), &none, &[("SSL_CERT_FILE", file)]), untrusted);
    tls(get_in(&server.host(), &none, &[]), untrusted);
    // Switched off, and where there is nothing in it; what the options name is trusted all the same.
    let mut off = Options::new();
    off.set("environment", "false").unwrap();
    tls(get_in(&server.host(), &off, &[("SSL_CERT_FILE", file)]), untrusted);
    let nowhere = [("SSL_CERT_FILE", "/nonexistent/ca.pem")];
    tls(get_in(&server.host(), &none, &nowhere), "no certificate authorities");
    get_in(&server.host(), &options, &nowhere).unwrap();
    let mut insecure = Options::new();
    insecure.set_host(&server.host(), "insecure", "true").unwrap();
    get_in(&server.host(), &insecure, &nowhere).unwrap();
}
