//! Bad input gets a clear error and loses nothing: what servers and trees do wrong, over the Rust API and through C.
//! Each failure says in one line what failed, on what, and why; what was there is as before; and where the cause is
//! gone, the same call succeeds.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::harness::api::c_api::CApi;
use crate::harness::api::rust_api::RustApi;
use crate::harness::api::{Api, Outcome};
use crate::harness::child::passed_as_nobody;
use crate::harness::evil::{Act, Evil, Seen, answer, head};
use crate::harness::registry::{Manners, Registry};
use crate::harness::trees::{component, snapshot};

/// A test on both APIs.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod rust_api { $(#[test] fn $case() { super::$case::<super::RustApi>(); })+ }
        mod c_api { $(#[test] fn $case() { super::$case::<super::CApi>(); })+ }
    };
}

on_both!(
    a_blob_that_is_not_what_was_promised,
    a_push_whose_connection_is_cut,
    a_registry_that_is_not_there,
    what_is_not_there,
    a_registry_that_speaks_only_https_on_loopback,
    a_registry_that_speaks_only_http_elsewhere,
    references_that_are_none,
    b_04_a_tree_that_can_not_be_read,
);

fn client<A: Api>(room: &Path, more: &[(&str, &str)]) -> A {
    let store = room.join("store");
    let mut options = vec![("store", store.to_str().unwrap()), ("environment", "false"), ("retries", "0")];
    options.extend(more);
    A::client(&options).unwrap()
}

fn tree(room: &Path) -> PathBuf {
    let tree = room.join("tree");
    component(&tree);
    tree
}

/// The failure is of this kind, in one line that has all these words.
fn refused<A: Api>(outcome: Outcome<A>, kind: &str, words: &[&str]) {
    let failure = outcome.map(drop).unwrap_err();
    assert_eq!(failure.kind, kind, "{failure:?}");
    for word in words {
        assert!(failure.message.contains(word), "'{}' does not say '{word}'", failure.message);
    }
    assert!(!failure.message.contains('\n') && failure.message.len() < 500, "{}", failure.message);
}

/// How a registry that is right answers with the layer's bytes, and what becomes of it.
type Damage = fn(&[u8]) -> Vec<Act>;

/// All but the last bytes of what was announced.
fn part_of(bytes: &[u8], end: Act) -> Vec<Act> {
    let length = bytes.len().to_string();
    let mut part = head(200, &[("Content-Length", &length)]);
    part.extend_from_slice(&bytes[..bytes.len() - 100]);
    vec![Act::Send(part), end]
}

fn a_blob_that_is_not_what_was_promised<A: Api>() {
    let room = tempfile::tempdir().unwrap();
    let damage = Arc::new(Mutex::new(None::<(String, Damage, Vec<u8>)>));
    let damaging = damage.clone();
    let registry = Registry::with(Manners::default(), move |seen: &Seen| {
        let damaging = damaging.lock().unwrap();
        let (digest, damage, bytes) = damaging.as_ref()?;
        (seen.method == "GET" && seen.path.ends_with(&format!("/blobs/{digest}"))).then(|| damage(bytes))
    });
    let api = client::<A>(room.path(), &[]);
    let tree = tree(room.path());
    let artifact = api.build(&tree, "component", b"{}", &[]).unwrap().artifact.unwrap();
    let place = format!("{}/org/app:v1", registry.host());
    api.push(&artifact, &place, &[]).unwrap();
    let layer = A::describe(&artifact).layers[0].1.clone();
    let bytes = api.read_layer(&artifact, 0).unwrap().bytes.unwrap();

    let old = room.path().join("old");
    fs::create_dir(&old).unwrap();
    fs::write(old.join("README.md"), "old").unwrap();
    let before = snapshot(&old);
    let new = room.path().join("new");
    let damages: [(&str, &[&str], Damage); 6] = [
        // The same size with one bit flipped, of the first byte of content and of the last.
        ("DIGEST", &[], |bytes| {
            let mut wrong = bytes.to_vec();
            wrong[40] ^= 1;
            answer(200, &[], wrong)
        }),
        ("DIGEST", &[], |bytes| {
            let mut wrong = bytes.to_vec();
            *wrong.last_mut().unwrap() ^= 0x80;
            answer(200, &[], wrong)
        }),
        ("SIZE", &[], |bytes| answer(200, &[], &bytes[..bytes.len() - 1])),
        ("SIZE", &[], |bytes| answer(200, &[], [bytes, b"x"].concat())),
        ("SIZE", &[], |bytes| part_of(bytes, Act::Close)),
        ("NETWORK", &[], |bytes| part_of(bytes, Act::Reset)),
    ];
    for (kind, words, how) in damages {
        *damage.lock().unwrap() = Some((layer.clone(), how, bytes.clone()));
        let words = [words, &[&layer[..]]].concat();
        refused(api.pull(&place, &new, &[]), kind, &words);
        assert!(!new.exists());
        for existing in ["merge", "replace"] {
            refused(api.pull(&place, &old, &[("existing", existing)]), kind, &words);
            assert_eq!(snapshot(&old), before);
        }
        *damage.lock().unwrap() = None;
        api.pull(&place, &new, &[]).unwrap();
        assert_eq!(snapshot(&new), snapshot(&tree));
        fs::remove_dir_all(&new).unwrap();
    }
    let left: Vec<_> = fs::read_dir(room.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

fn a_push_whose_connection_is_cut<A: Api>() {
    let room = tempfile::tempdir().unwrap();
    let cut = Arc::new(Mutex::new(true));
    let cutting = cut.clone();
    let registry = Registry::with(Manners::default(), move |seen: &Seen| {
        (*cutting.lock().unwrap() && seen.method == "PUT" && seen.path.contains("/blobs/"))
            .then(|| vec![Act::Reset])
    });
    let api = client::<A>(room.path(), &[]);
    let artifact = api.build(&tree(room.path()), "component", b"{}", &[]).unwrap().artifact.unwrap();
    let place = format!("{}/org/app:v1", registry.host());
    refused(api.push(&artifact, &place, &[]), "NETWORK", &[&registry.host()]);
    assert_eq!(registry.tagged("org/app", "v1"), None);
    *cut.lock().unwrap() = false;
    api.push(&artifact, &place, &[]).unwrap();
    assert_eq!(api.exists(&place).unwrap().exists, Some(true));
}

fn a_registry_that_is_not_there<A: Api>() {
    let room = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let host = format!("127.0.0.1:{port}");
    let place = format!("{host}/org/app:v1");
    let api = client::<A>(room.path(), &[]);
    let artifact = api.build(&tree(room.path()), "component", b"{}", &[]).unwrap().artifact.unwrap();
    let words = [&host[..], "refused"];
    let out = room.path().join("out/missing");
    refused(api.pull(&place, &out, &[]), "NETWORK", &words);
    assert!(!room.path().join("out").exists());
    refused(api.push(&artifact, &place, &[]), "NETWORK", &words);
    // No answer is never a "no".
    refused(api.exists(&place), "NETWORK", &words);
    refused(api.resolve(&place), "NETWORK", &words);
    refused(api.list_tags(&place), "NETWORK", &words);
}

fn what_is_not_there<A: Api>() {
    let room = tempfile::tempdir().unwrap();
    let registry = Registry::start();
    let api = client::<A>(room.path(), &[]);
    let tree = tree(room.path());
    let artifact = api.build(&tree, "component", b"{}", &[]).unwrap().artifact.unwrap();
    api.push(&artifact, &format!("{}/org/app:v1", registry.host()), &[]).unwrap();
    let (out, missing) = (room.path().join("out"), format!("{}/org/app:v2", registry.host()));
    refused(api.pull(&missing, &out, &[]), "NOT_FOUND", &[&missing]);
    refused(api.resolve(&missing), "NOT_FOUND", &[&missing]);
    refused(api.pull_config(&missing), "NOT_FOUND", &[&missing]);
    assert_eq!(api.exists(&missing).unwrap().exists, Some(false));
    let layout = format!("ocidir://{}:v1", room.path().join("no layout").display());
    refused(api.pull(&layout, &out, &[]), "NOT_FOUND", &["no layout"]);
    assert!(!out.exists() && !room.path().join("no layout").exists());
    let gone = room.path().join("gone");
    refused(
        api.build(&gone, "component", b"{}", &[]),
        "IO",
        &[gone.to_str().unwrap(), "No such file or directory"],
    );
}

/// A registry of one manifest, of no artifact of ours.
fn manifest() -> Vec<Act> {
    let bytes = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;
    answer(200, &[("Content-Type", "application/vnd.oci.image.manifest.v1+json")], bytes)
}

fn a_registry_that_speaks_only_https_on_loopback<A: Api>() {
    let room = tempfile::tempdir().unwrap();
    let server = Evil::start_tls(&["localhost", "127.0.0.1"], |_| manifest());
    let place = format!("{}/org/app:v1", server.host());
    let api = client::<A>(room.path(), &[]);
    // It is spoken to as it wants, and then not trusted, and the message says what would make it so.
    let words = [&server.host()[..], "ca_file"];
    refused(api.inspect(&place), "TLS", &words);
    refused(api.pull(&place, &room.path().join("out"), &[]), "TLS", &words);
    assert!(server.log().is_empty() && !room.path().join("out").exists());
    let file = room.path().join("ca.pem");
    fs::write(&file, server.certificate.as_ref().unwrap()).unwrap();
    let api = client::<A>(room.path(), &[("ca_file", file.to_str().unwrap())]);
    api.pull(&place, &room.path().join("out"), &[("fetch_config", "false")]).unwrap();
    assert!(!server.log().is_empty());
}

/// An address that is no loopback's by name, and still leads to this machine alone.
fn a_registry_that_speaks_only_http_elsewhere<A: Api>() {
    let room = tempfile::tempdir().unwrap();
    let server = Evil::start(|_| manifest());
    let host = format!("0.0.0.0:{}", server.port());
    let place = format!("{host}/org/app:v1");
    let api = client::<A>(room.path(), &[]);
    let words = [&host[..], "plain_http_hosts"];
    // This server closes where no request comes, others answer in words that are no TLS.
    refused(api.inspect(&place), "NETWORK", &words);
    refused(api.exists(&place), "NETWORK", &words);
    refused(api.pull(&place, &room.path().join("out"), &[]), "NETWORK", &words);
    assert!(server.log().is_empty(), "nothing was sent in the clear");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = format!("0.0.0.0:{}", listener.local_addr().unwrap().port());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 1024];
        let _ = stream.read(&mut hello).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
        hello[0]
    });
    refused(api.inspect(&format!("{other}/org/app:v1")), "TLS", &[&other, "plain_http_hosts"]);
    assert_eq!(answering.join().unwrap(), 22, "a handshake");
    let api = client::<A>(room.path(), &[("plain_http_hosts", &host)]);
    api.inspect(&place).unwrap();
    assert!(!server.log().is_empty());
}

fn references_that_are_none<A: Api>() {
    let room = tempfile::tempdir().unwrap();
    let api = client::<A>(room.path(), &[]);
    for (reference, words) in [
        ("", "empty"),
        ("ghcr.io/Org/app", "must be lower case"),
        ("https://ghcr.io/a/b", "scheme"),
        ("oci:dir", "ocidir://"),
        ("ghcr.io/org/app:", "tag"),
        ("ghcr.io/org/app:ta g", "character ' '"),
        ("ghcr.io/org/app@sha256", "digest"),
        ("ghcr.io//app", "repository"),
        ("ghcr.io:port/org/app", "port"),
    ] {
        refused(api.exists(reference), "ARGUMENT", &[words]);
        refused(api.pull(reference, &room.path().join("out"), &[]), "ARGUMENT", &[words]);
    }
    assert!(!room.path().join("out").exists());
    let short = "ghcr.io/org/app@sha256:abc123";
    refused(api.exists(short), "ARGUMENT", &["invalid digest 'sha256:abc123': 6 hex digits, must be 64"]);
}

fn b_04_a_tree_that_can_not_be_read<A: Api>() {
    if passed_as_nobody() {
        return;
    }
    let room = tempfile::tempdir().unwrap();
    let (api, tree) = (client::<A>(room.path(), &[]), tree(room.path()));
    let build = || api.build(&tree, "component", b"{}", &[]);
    let first = build().unwrap().digest;
    for (path, mode, named) in
        [("src/main.go", 0, "src/main.go"), ("src", 0o300, "src"), ("src/deep", 0o600, "src/deep/er")]
    {
        let path = tree.join(path);
        let before = path.metadata().unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        refused(build(), "UNSAFE", &[&format!("{named}: Permission denied")]);
        fs::set_permissions(&path, before).unwrap();
        assert_eq!(build().unwrap().digest, first);
    }
}
