//! The whole workflow on real registries, and what is in front of and behind them: nginx, storage, a cache.

mod cache;
mod scripts;
mod storage;
mod workflow;

use std::fs;
use std::net::TcpStream;

use crate::harness::ours::Ours;
use crate::harness::servers::{Certificates, Server};
use crate::harness::trees::{snapshot, tree};
use cldoci::Kind;

use workflow::whole;

#[test]
fn a_server_ends_with_its_handle() {
    let Some(server) = Server::distribution3() else { return };
    let address = server.address.clone();
    let directory = server.directory.path().to_owned();
    drop(TcpStream::connect(&address).unwrap());
    drop(server);
    assert_eq!(TcpStream::connect(&address).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(!directory.exists());
}

#[test]
fn the_workflow_on_distribution_3() {
    if let Some(server) = Server::distribution3() {
        assert_eq!(whole(&Ours::new(), &server.address).blobs_mounted, 2);
    }
}

#[test]
fn the_workflow_on_distribution_2() {
    if let Some(server) = Server::distribution2() {
        assert_eq!(whole(&Ours::new(), &server.address).blobs_mounted, 2);
    }
}

#[test]
fn the_workflow_on_go_containerregistry() {
    if let Some(server) = Server::crane() {
        // It has one set of blobs for all repositories.
        assert_eq!(whole(&Ours::new(), &server.address).blobs_skipped, 2);
    }
}

#[test]
fn the_workflow_on_cue() {
    if let Some(server) = Server::cue() {
        assert_eq!(whole(&Ours::new(), &server.address).blobs_mounted, 2);
    }
}

/// nginx with TLS and HTTP/2 before a registry; more lines go into its `location`.
fn behind_nginx(registry: &Server, certificates: &Certificates, more: &str) -> Option<Server> {
    let lines = format!(
        "ssl_certificate {server}.pem;\nssl_certificate_key {server}.key;\nclient_max_body_size 0;\n\
         chunked_transfer_encoding on;\n{more}\n\
         location / {{ proxy_pass http://{address}; proxy_request_buffering off;\n\
         proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https; proxy_http_version 1.1; }}",
        server = certificates.path("server").display(),
        address = registry.address
    );
    Server::nginx("ssl http2", &lines)
}

#[test]
fn http2_with_an_own_authority() {
    let Some(registry) = Server::distribution3() else { return };
    let certificates = Certificates::new();
    let Some(proxy) = behind_nginx(&registry, &certificates, "") else { return };
    let reference = proxy.reference("org/orders:v1");
    let ours = Ours::setting(|options| options.set_path("ca_file", certificates.path("ca.pem")).unwrap());
    let source = ours.path("source");
    fs::create_dir(&source).unwrap();
    tree(&source);
    let artifact = ours.build(&source).unwrap().artifact();
    ours.push(&artifact, &reference).unwrap();
    let pulled = ours.path("pulled");
    ours.pull(&reference, &pulled).unwrap();
    assert_eq!(snapshot(&pulled), snapshot(&source));
    // On loopback plain HTTP is tried first, which this server refuses.
    let access = proxy.access();
    assert!(
        !access.is_empty() && access.iter().all(|line| line.contains("HTTP/2.0") || line.ends_with(" 400")),
        "{access:?}"
    );

    // Without the authority nothing is sent, and the message says how it would be.
    let error = Ours::new().exists(&reference).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls);
    assert!(error.to_string().contains("ca_file"), "{error}");
}

#[test]
fn client_certificates() {
    let Some(registry) = Server::distribution3() else { return };
    let certificates = Certificates::new();
    let demand =
        format!("ssl_client_certificate {};\nssl_verify_client on;", certificates.path("ca.pem").display());
    let Some(proxy) = behind_nginx(&registry, &certificates, &demand) else { return };
    let reference = proxy.reference("org/orders:v1");
    let with = Ours::setting(|options| {
        options.set_path("ca_file", certificates.path("ca.pem")).unwrap();
        for (name, file) in [("client_cert", "client.pem"), ("client_key", "client.key")] {
            let path = certificates.path(file);
            options.set_host(&proxy.address, name, path.to_str().unwrap()).unwrap();
        }
    });
    assert!(!with.exists(&reference).unwrap().exists.unwrap());
    let without = Ours::setting(|options| options.set_path("ca_file", certificates.path("ca.pem")).unwrap());
    let error = without.exists(&reference).unwrap_err();
    assert_ne!(error.kind(), Kind::NotFound, "{error}");
}

#[test]
fn a_body_limit_is_an_error_that_names_it() {
    let Some(registry) = Server::distribution3() else { return };
    let lines = format!(
        "client_max_body_size 64k;\nlocation / {{ proxy_pass http://{}; proxy_set_header Host $http_host; }}",
        registry.address
    );
    let Some(proxy) = Server::nginx("", &lines) else { return };
    let ours = Ours::new();
    let source = ours.path("source");
    fs::create_dir(&source).unwrap();
    tree(&source);
    let error =
        ours.push(&ours.build(&source).unwrap().artifact(), &proxy.reference("org/orders:v1")).err().unwrap();
    assert_eq!(error.kind(), Kind::Limit, "{error}");
    assert!(
        error.to_string().contains("413") && error.to_string().contains("client_max_body_size"),
        "{error}"
    );

    // What fits passes.
    let small = ours.path("small");
    fs::create_dir(&small).unwrap();
    fs::write(small.join("file"), "content").unwrap();
    ours.push(&ours.build(&small).unwrap().artifact(), &proxy.reference("org/orders:small")).unwrap();
}

#[test]
fn basic_auth_at_nginx() {
    let Some(registry) = Server::distribution3() else { return };
    let users = tempfile::NamedTempFile::new().unwrap();
    fs::write(users.path(), "dev:{PLAIN}s3cret-word\n").unwrap();
    let lines = format!(
        "auth_basic registry;\nauth_basic_user_file {};\n\
         location / {{ proxy_pass http://{}; proxy_set_header Host $http_host; client_max_body_size 0; }}",
        users.path().display(),
        registry.address
    );
    let Some(proxy) = Server::nginx("", &lines) else { return };
    let reference = proxy.reference("org/orders:v1");
    let with = |password: &str| {
        Ours::setting(|options| {
            options.set_host(&proxy.address, "username", "dev").unwrap();
            options.set_host(&proxy.address, "password", password).unwrap();
        })
    };
    let ours = with("s3cret-word");
    let source = ours.path("source");
    fs::create_dir(&source).unwrap();
    tree(&source);
    ours.push(&ours.build(&source).unwrap().artifact(), &reference).unwrap();
    assert!(ours.exists(&reference).unwrap().exists.unwrap());
    let error = with("wr0ng-word").exists(&reference).unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthorized);
    assert!(!error.to_string().contains("wr0ng-word"), "{error}");
    assert_eq!(Ours::new().exists(&reference).unwrap_err().kind(), Kind::Unauthorized);
}
