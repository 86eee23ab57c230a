//! Distribution that keeps its blobs in S3: a read of one is answered by a signed URL of another server.

use std::fs;

use cldoci::Kind;

use super::workflow::whole;
use super::{Certificates, behind_nginx};
use crate::harness::ours::{Ours, refused};
use crate::harness::servers::Server;
use crate::harness::trees::{snapshot, tree};

/// A registry, the storage behind it, and what all reads of storage pass.
struct Stored {
    registry: Server,
    front: Server,
    _storage: Server,
}

impl Stored {
    fn start() -> Option<Self> {
        let storage = Server::s3()?;
        // Like AWS it takes a signed URL or a header, never both; the gateway itself would not say.
        let front = Server::nginx(
            "",
            &format!(
                "client_max_body_size 0;\nlocation / {{\nset $shown \"$http_authorization\";\n\
                 if ($args !~ X-Amz-Signature) {{ set $shown \"\"; }}\nif ($shown) {{ return 418; }}\n\
                 proxy_pass http://{}; proxy_set_header Host $http_host; proxy_http_version 1.1;\n}}",
                storage.address
            ),
        )?;
        let registry = Server::distribution_on_s3(&front.address)?;
        Some(Self { registry, front, _storage: storage })
    }

    /// What clients read of storage: these requests have a signature in their URL.
    fn reads(&self) -> Vec<String> {
        let access = self.front.access();
        access.into_iter().filter(|line| line.contains("X-Amz-Signature")).collect()
    }
}

#[test]
fn the_workflow_on_s3_with_signed_redirects() {
    let Some(stored) = Stored::start() else { return };
    let ours = Ours::setting(|options| {
        // The registry asks for no credential; what is set for it shows itself wherever it would go.
        options.set_host(&stored.registry.address, "username", "u").unwrap();
        options.set_host(&stored.registry.address, "password", "canary").unwrap();
    });
    whole(&ours, &stored.registry.address);
    let reads = stored.reads();
    assert!(reads.iter().any(|line| line.starts_with("GET ")), "nothing was read of storage");
    assert!(reads.iter().all(|line| line.ends_with(" 200") || line.ends_with(" 206")), "{reads:?}");
}

/// A challenge before the registry: the credential goes to it and not to the storage that it names.
#[test]
fn the_registry_s_credential_does_not_go_to_storage() {
    let Some(stored) = Stored::start() else { return };
    let users = tempfile::NamedTempFile::new().unwrap();
    fs::write(users.path(), "u:{PLAIN}canary\n").unwrap();
    let lines = format!(
        "auth_basic registry;\nauth_basic_user_file {};\n\
         location / {{ proxy_pass http://{}; proxy_set_header Host $http_host; client_max_body_size 0; }}",
        users.path().display(),
        stored.registry.address
    );
    let Some(guarded) = Server::nginx("", &lines) else { return };
    let with = |password: &str| {
        Ours::setting(|options| {
            options.set_host(&guarded.address, "username", "u").unwrap();
            options.set_host(&guarded.address, "password", password).unwrap();
        })
    };
    whole(&with("canary"), &guarded.address);
    let reads = stored.reads();
    assert!(!reads.is_empty() && !reads.iter().any(|line| line.ends_with(" 418")), "{reads:?}");
    let wrong = with("canary-wrong").exists(&guarded.reference("org/orders:v1")).unwrap_err();
    assert_eq!(wrong.kind(), Kind::Unauthorized);
    // The twin: storage does tell of a credential that comes along.
    assert_eq!(status_with_a_header(&stored.front.address), "418");
}

/// What the storage's front says to a signed URL with an `Authorization`.
fn status_with_a_header(address: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let request = "GET /b/k?X-Amz-Signature=x HTTP/1.1\r\nHost: s\r\nAuthorization: Basic x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

/// A registry behind TLS whose storage speaks plain HTTP: refused, unless the storage is named.
#[test]
fn r_24_plain_storage_behind_a_registry_with_tls_has_to_be_named() {
    let Some(stored) = Stored::start() else { return };
    let certificates = Certificates::new();
    let Some(proxy) = behind_nginx(&stored.registry, &certificates, "") else { return };
    let reference = proxy.reference("org/orders:v1");
    let trusting = |download_hosts: &str| {
        Ours::setting(|options| {
            options.set_path("ca_file", certificates.path("ca.pem")).unwrap();
            options.set("download_hosts", download_hosts).unwrap();
        })
    };
    let ours = trusting("");
    let source = ours.path("source");
    fs::create_dir(&source).unwrap();
    tree(&source);
    let artifact = ours.build(&source).unwrap().artifact();
    // What is sent goes to the registry alone. A look at what is there is sent on: it is not followed, and tells nothing.
    for _ in 0..2 {
        assert!(ours.push(&artifact, &reference).unwrap().counters.blobs_uploaded > 0);
    }
    let begun = stored.reads().len();
    refused(ours.pull(&reference, &ours.path("pulled")), Kind::Policy, "download_hosts");
    assert_eq!(stored.reads().len(), begun, "{:?}", stored.reads());
    let ours = trusting(&stored.front.address);
    assert_eq!(ours.push(&artifact, &reference).unwrap().counters.blobs_uploaded, 0);
    ours.pull(&reference, &ours.path("pulled")).unwrap();
    assert_eq!(snapshot(&ours.path("pulled")), snapshot(&source));
    // The twins: another port is another name.
    for other in ["127.0.0.1:1", "127.0.0.1"] {
        let ours = trusting(other);
        refused(ours.pull(&reference, &ours.path("pulled")), Kind::Policy, "download_hosts");
    }
}
