//! Transfers that go on where they broke: in the call, after a kill, and while their registry was gone.

use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cldoci::oci::{Descriptor, Digest};
use cldoci::registry::{BlobSource, BytesSource, NoSessions, Session, UploadSessions, Uploaded};
use cldoci::{Counters, Error, Kind, Result};

use super::help::{noise, read, repository, run};
use crate::harness::child::command;
use crate::harness::evil::{Act, head};
use crate::harness::ours::Ours;
use crate::harness::registry::{Manners, Registry, error};
use crate::harness::relay::{Fate, Relay};
use crate::harness::servers::Server;

const MIB: usize = 1 << 20;

/// What a store would keep.
#[derive(Default)]
struct Kept(Mutex<Vec<(String, Session)>>);

impl UploadSessions for Kept {
    fn load(&self, key: &str) -> Option<Session> {
        self.0.lock().unwrap().iter().find(|(k, _)| k == key).map(|(_, session)| session.clone())
    }
    fn save(&self, key: &str, session: &Session) {
        self.remove(key);
        self.0.lock().unwrap().push((key.to_owned(), session.clone()));
    }
    fn remove(&self, key: &str) {
        self.0.lock().unwrap().retain(|(k, _)| k != key);
    }
    fn keeps(&self) -> bool {
        true
    }
}

impl Kept {
    fn offset(&self) -> Option<u64> {
        self.0.lock().unwrap().first().map(|(_, session)| session.offset)
    }
}

/// A blob that is cheap to hold.
struct Zeros(u64);

impl Zeros {
    fn descriptor(&self) -> Descriptor {
        let mut hasher = cldoci::oci::Hasher::new(cldoci::oci::Algorithm::Sha256);
        let part = vec![0; MIB];
        (0..self.0 / MIB as u64).for_each(|_| hasher.update(&part));
        Descriptor::new("a/b", hasher.finish(), self.0)
    }
}

impl BlobSource for Zeros {
    fn open(&self, offset: u64) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(std::io::repeat(0).take(self.0 - offset)))
    }
}

type Pushed = (std::result::Result<Uploaded, Error>, Counters);

async fn push(host: &str, bytes: &[u8], kept: Arc<dyn UploadSessions>, options: &[(&str, &str)]) -> Pushed {
    let descriptor = Descriptor::of("a/b", bytes);
    let source = Arc::new(BytesSource(Bytes::copy_from_slice(bytes)));
    // A new client each time, as after a restart.
    let repository = repository(host, options);
    let result = repository.upload_blob(&descriptor, source, &[], kept).await;
    (result, repository.call().operation.counters())
}

/// A registry that takes parts of 1 MiB, and of those `allowed`.
fn in_parts(allowed: &Arc<AtomicUsize>) -> Registry {
    let allowed = allowed.clone();
    Registry::with(Manners { largest_body: MIB, ..Manners::default() }, move |seen| {
        if seen.header("content-range").is_none() || seen.body.len() > MIB {
            return None;
        }
        let left = allowed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.is_err().then(|| error(403, "DENIED"))
    })
}

/// Waits until so many sessions are open: what is given up is cancelled in the background.
fn settled(registry: &Registry, sessions: usize) {
    let until = Instant::now() + Duration::from_secs(20);
    tokio::task::block_in_place(|| {
        while registry.sessions() != sessions && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
}

#[test]
fn an_upload_in_parts_continues_after_a_restart_where_enough_of_it_is_there() {
    let bytes = noise(24 * MIB);
    run(async {
        for (parts, kept_at) in [(20, Some(20 * MIB as u64)), (5, None)] {
            let allowed = Arc::new(AtomicUsize::new(parts));
            let registry = in_parts(&allowed);
            let kept = Arc::new(Kept::default());
            let (result, _) = push(&registry.host(), &bytes, kept.clone(), &[("retries", "0")]).await;
            assert_eq!(result.unwrap_err().kind(), Kind::Denied);
            settled(&registry, usize::from(kept_at.is_some()));
            assert_eq!((kept.offset(), registry.sessions()), (kept_at, usize::from(kept_at.is_some())));
            allowed.store(usize::MAX, Ordering::SeqCst);
            let (result, counters) = push(&registry.host(), &bytes, kept.clone(), &[]).await;
            assert_eq!(result.unwrap(), Uploaded::Sent);
            // The first bodies that are refused for their size count too.
            let resent = counters.bytes_sent < 24 * MIB as u64;
            assert_eq!(resent, kept_at.is_some(), "{counters:?}");
            assert!(registry.blob("test/app", &Digest::of(&bytes)).unwrap() == bytes);
            assert_eq!((kept.offset(), registry.sessions()), (None, 0));
        }
    });
}

#[test]
fn a_cancelled_upload_keeps_its_session_or_cancels_it_in_the_background() {
    let bytes = noise(24 * MIB);
    for (parts, keeps, stays) in [(20, true, true), (20, false, false), (5, true, false)] {
        let taken = Arc::new(AtomicUsize::new(0));
        let cancel = Arc::new(Mutex::new(None::<cldoci::Operation>));
        let registry = Registry::with(Manners { largest_body: MIB, ..Manners::default() }, {
            let (taken, cancel) = (taken.clone(), cancel.clone());
            move |seen| {
                let part = seen.header("content-range").is_some() && seen.body.len() <= MIB;
                if part && taken.fetch_add(1, Ordering::SeqCst) == parts {
                    cancel.lock().unwrap().as_ref().unwrap().cancel();
                }
                None
            }
        });
        let kept = Arc::new(Kept::default());
        run(async {
            let repository = repository(&registry.host(), &[]);
            let operation = repository.call().operation.clone();
            *cancel.lock().unwrap() = Some(operation.clone());
            let source = Arc::new(BytesSource(Bytes::from(bytes.clone())));
            let sessions: Arc<dyn UploadSessions> = if keeps { kept.clone() } else { Arc::new(NoSessions) };
            let begun = Instant::now();
            let descriptor = Descriptor::of("a/b", &bytes);
            let work = repository.upload_blob(&descriptor, source, &[], sessions);
            let error = operation.run(work).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Cancelled);
            assert!(begun.elapsed() < Duration::from_secs(30));
            settled(&registry, usize::from(stays));
        });
        assert_eq!((kept.offset().is_some(), registry.sessions() > 0), (stays, stays), "{parts} {keeps}");
    }
}

#[test]
fn a_session_with_other_bytes_is_given_up_and_the_upload_begins_anew_in_the_same_call() {
    let bytes = noise(20 * MIB);
    let right = bytes[..17 * MIB].to_vec();
    let mut wrong = right.clone();
    wrong[5] ^= 1;
    for (held, sent) in [(&right, 3), (&wrong, 23)] {
        let registry = Registry::start();
        let kept = Arc::new(Kept::default());
        let location = registry.put_session("test/app", held);
        let key = format!("{}/test/app@{}", registry.host(), Digest::of(&bytes));
        kept.save(&key, &Session { location, offset: 0 });
        let (result, counters) = run(push(&registry.host(), &bytes, kept.clone(), &[]));
        assert_eq!(result.unwrap(), Uploaded::Sent);
        assert_eq!(counters.bytes_sent, sent * MIB as u64);
        assert!(registry.blob("test/app", &Digest::of(&bytes)).unwrap() == bytes);
        assert_eq!(kept.offset(), None);
    }
}

#[test]
fn a_broken_put_goes_on_where_the_registry_is() {
    let Some(server) = Server::distribution3() else { return };
    // What the sockets hold on a busy machine is lost, some 16 MiB.
    let blob = Zeros(224 << 20);
    let descriptor = blob.descriptor();
    let relay = Relay::start(&server.address, 128 << 20, Fate::Gone(Duration::ZERO));
    run(async {
        let repository = repository(&relay.host(), &[]);
        let uploaded = repository.upload_blob(&descriptor, Arc::new(blob), &[], Arc::new(NoSessions)).await;
        assert_eq!(uploaded.unwrap(), Uploaded::Sent);
        assert!(relay.has_fallen() && repository.blob_exists(&descriptor).await.unwrap());
        let sent = repository.call().operation.counters().bytes_sent;
        assert!(sent > descriptor.size && sent < descriptor.size + descriptor.size / 10, "{sent}");
    });
}

#[test]
fn a_registry_that_is_gone_in_the_middle_of_a_transfer_is_waited_for() {
    let Some(server) = Server::distribution3() else { return };
    let blob = Zeros(48 << 20);
    let descriptor = blob.descriptor();
    for (window, survives) in [("30000", true), ("0", false)] {
        let gone = Fate::Gone(Duration::from_secs(4));
        let relay = Relay::start(&server.address, 16 << 20, gone);
        run(async {
            let repository = repository(&relay.host(), &[("retry_window_ms", window)]);
            let source = Arc::new(Zeros(descriptor.size));
            let pushed = repository.upload_blob_again(&descriptor, source).await;
            assert_eq!(pushed.is_ok(), survives, "{window}: {pushed:?}");
        });
    }
    for (window, survives) in [("30000", true), ("0", false)] {
        let relay = Relay::start(&server.address, 16 << 20, Fate::Gone(Duration::from_secs(4)));
        run(async {
            let repository = repository(&relay.host(), &[("retry_window_ms", window)]);
            let reader = repository.read_blob(&descriptor, 0).await.unwrap();
            let pulled = read(reader).await;
            assert_eq!(pulled.is_ok(), survives, "{window}: {pulled:?}");
            assert!(relay.has_fallen());
        });
    }
}

#[test]
fn a_first_contact_that_is_refused_is_told_at_once() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let begun = Instant::now();
    let error = run(async { repository(&closed.to_string(), &[]).get_manifest("v1").await.unwrap_err() });
    assert_eq!(error.kind(), Kind::Network, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_gateway_that_complains_in_the_middle_of_a_transfer_is_waited_for() {
    for (window, survives) in [("20000", true), ("0", false)] {
        let bytes = noise(3 * MIB);
        let descriptor = Descriptor::of("a/b", &bytes);
        let back = Instant::now() + Duration::from_secs(3);
        let seen_first = AtomicUsize::new(0);
        let registry = Registry::with(Manners::default(), {
            let bytes = bytes.clone();
            move |seen| {
                if seen.method != "GET" {
                    return None;
                }
                if seen_first.fetch_add(1, Ordering::SeqCst) == 0 {
                    let length = bytes.len().to_string();
                    let mut sent = head(200, &[("Content-Length", &length), ("Accept-Ranges", "bytes")]);
                    sent.extend(&bytes[..MIB]);
                    return Some(vec![Act::Send(sent), Act::Close]);
                }
                (Instant::now() < back).then(|| error(502, "GATEWAY"))
            }
        });
        registry.put_blob("test/app", &bytes);
        run(async {
            let repository = repository(&registry.host(), &[("retry_window_ms", window), ("retries", "1")]);
            let pulled = read(repository.read_blob(&descriptor, 0).await.unwrap()).await;
            assert_eq!(pulled.is_ok_and(|pulled| pulled == bytes), survives, "{window}");
        });
    }
}

const TARGET: &str = "CLDOCI_TEST_TARGET";
const STORE: &str = "CLDOCI_TEST_STORE";
const LAYER: usize = 80 * MIB;

/// Pushes one layer of 80 MiB, with a store at `STORE`; what it sent.
fn push_large(target: &str, store: &str) -> u64 {
    let ours = Ours::with(&[("store", store)]);
    let source = ours.path("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("file"), noise(LAYER)).unwrap();
    let artifact = ours.build(&source).unwrap().artifact();
    ours.push(&artifact, target).unwrap().counters.bytes_sent
}

/// The child: pushes, and is killed meanwhile.
#[test]
#[ignore = "the test below runs it as a process of its own"]
fn child_that_pushes_a_large_layer() {
    let (Ok(target), Ok(store)) = (std::env::var(TARGET), std::env::var(STORE)) else { return };
    push_large(&target, &store);
}

#[test]
fn a_push_that_was_killed_goes_on_where_the_registry_is() {
    let Some(server) = Server::distribution3() else { return };
    let store = tempfile::tempdir().unwrap();
    let store = store.path().to_str().unwrap();
    let relay = Relay::start(&server.address, 48 << 20, Fate::Stuck);
    let target = format!("{}/test/app:v1", relay.host());
    let mut child = command(module_path!(), "child_that_pushes_a_large_layer")
        .env(TARGET, &target)
        .env(STORE, store)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(120);
    while !relay.has_fallen() {
        assert!(Instant::now() < until && child.try_wait().unwrap().is_none(), "it never sent so much");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    relay.go_on();
    let sent = push_large(&target, store);
    // What the relay still held goes on to the registry, so that it may have more than that.
    let twice = (sent + (48 << 20)).saturating_sub(LAYER as u64);
    assert!(twice < LAYER as u64 / 10, "{twice} bytes went twice");
}
