//! The fallback tag: many who write it, entries that go, and lists as long as can be read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use cldoci::Kind;
use cldoci::oci::{Descriptor, Digest, ImageIndex, media_type};
use cldoci::registry::Repository;

use super::help::{digest, manifest, repository, run, upload};
use crate::harness::child::command;
use crate::harness::evil::{Seen, answer};
use crate::harness::ours::{CONFIG, Ours};
use crate::harness::registry::{Manners, Registry};
use crate::harness::servers::Server;

fn plain() -> Manners {
    Manners { referrers: false, ..Manners::default() }
}

fn referrer(name: &str) -> Descriptor {
    Descriptor::of(media_type::OCI_MANIFEST, name.as_bytes())
}

fn tag_of(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

fn index_of(entries: impl IntoIterator<Item = Descriptor>) -> Vec<u8> {
    ImageIndex {
        schema_version: 2,
        media_type: media_type::OCI_INDEX.to_owned(),
        artifact_type: None,
        manifests: entries.into_iter().collect(),
        subject: None,
        annotations: Default::default(),
    }
    .to_bytes()
}

/// A registry that stores any index.
fn lenient(change: impl Fn(&Registry, &Seen) + Send + Sync + 'static) -> Arc<Registry> {
    let itself: Arc<OnceLock<Weak<Registry>>> = Arc::default();
    let registry = Arc::new(Registry::with_each(plain(), {
        let itself = itself.clone();
        move |seen, acts| {
            let registry = itself.get().and_then(Weak::upgrade);
            let (Some(registry), "PUT") = (registry, seen.method.as_str()) else { return acts };
            let target = seen.path.rsplit('/').next().unwrap();
            registry.put_manifest("test/app", target, media_type::OCI_INDEX, &seen.body);
            change(&registry, seen);
            let digest = digest(&seen.body).to_string();
            answer(201, &[("Docker-Content-Digest", &digest)], "")
        }
    }));
    itself.set(Arc::downgrade(&registry)).unwrap();
    registry
}

async fn listed(repository: &Repository, subject: &Digest) -> Vec<Digest> {
    let mut found: Vec<_> =
        repository.referrers(subject, None).await.unwrap().into_iter().map(|one| one.digest).collect();
    found.sort();
    found
}

#[test]
fn many_clients_of_a_process_that_attach_at_once_are_all_listed() {
    let registry = lenient(|_, _| {});
    let subject = digest(b"subject");
    run(async {
        let writers = (0..24).map(|n| {
            let (repository, subject) = (repository(&registry.host(), &[]).for_push(&[]), subject.clone());
            tokio::spawn(async move {
                let referrer = referrer(&format!("r{n}"));
                repository.put_referrers(&subject, std::slice::from_ref(&referrer)).await.unwrap();
                referrer.digest
            })
        });
        let mut all = Vec::new();
        for writer in writers.collect::<Vec<_>>() {
            all.push(writer.await.unwrap());
        }
        all.sort();
        assert_eq!(listed(&repository(&registry.host(), &[]), &subject).await, all);
    });
}

/// What another process makes of the tag that read it before the PUT that was just seen.
fn overwritten(times: usize) -> (Arc<Registry>, Digest, Descriptor) {
    let (subject, other) = (digest(b"subject"), referrer("other"));
    let (tag, stale) = (tag_of(&subject), index_of([other.clone()]));
    let seen = AtomicUsize::new(0);
    let registry = lenient(move |registry, _| {
        if seen.fetch_add(1, Ordering::SeqCst) < times {
            registry.put_manifest("test/app", &tag, media_type::OCI_INDEX, &stale);
        }
    });
    (registry, subject, other)
}

#[test]
fn an_entry_that_another_process_overwrote_is_written_again() {
    for times in [0, 1, 3] {
        let (registry, subject, other) = overwritten(times);
        run(async {
            let repository = repository(&registry.host(), &[]).for_push(&[]);
            let own = referrer("own");
            repository.put_referrers(&subject, std::slice::from_ref(&own)).await.unwrap();
            let mut all = vec![own.digest];
            if times > 0 {
                all.push(other.digest.clone());
            }
            all.sort();
            assert_eq!(listed(&repository, &subject).await, all);
            assert_eq!(repository.call().operation.counters().retries, times as u64);
        });
    }
}

#[test]
fn a_tag_that_others_overwrite_without_end_is_busy() {
    let (registry, subject, _) = overwritten(usize::MAX);
    run(async {
        let repository = repository(&registry.host(), &[]).for_push(&[]);
        let error = repository.put_referrers(&subject, &[referrer("own")]).await.unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (Kind::Busy, true));
        let puts = registry.server.log().iter().filter(|seen| seen.method == "PUT").count();
        assert!(puts < 20, "{puts}");
    });
}

#[test]
fn no_list_is_written_that_the_default_limits_cannot_read() {
    let subject = digest(b"subject");
    let note = |length| BTreeMap::from([("note".to_owned(), "x".repeat(length))]);
    let filled = |entries: usize, length: usize| {
        let entry = |n| Descriptor { annotations: note(length), ..referrer(&format!("r{n}")) };
        index_of((0..entries).map(entry))
    };
    // One more by number, one more by bytes; and the twin of each that fits.
    for (list, fits) in [
        (filled(9_999, 0), true),
        (filled(10_000, 0), false),
        (filled(7, 1_100_000), true),
        (filled(7, 1_198_000), false),
    ] {
        // Also for whom it is no limit.
        let raised = [("max_descriptors", "1000000"), ("max_manifest_bytes", "1000000000")];
        for options in [&[][..], &raised].into_iter().take(if fits { 1 } else { 2 }) {
            let registry = lenient(|_, _| {});
            registry.put_manifest("test/app", &tag_of(&subject), media_type::OCI_INDEX, &list);
            run(async {
                let repository = repository(&registry.host(), options).for_push(&[]);
                let before = listed(&repository, &subject).await.len();
                let own = Descriptor { annotations: note(100_000), ..referrer("own") };
                let put = repository.put_referrers(&subject, std::slice::from_ref(&own)).await;
                let after = listed(&repository, &subject).await.len();
                if fits {
                    assert_eq!((put.unwrap(), after), ((), before + 1));
                    return;
                }
                let error = put.unwrap_err();
                assert_eq!((error.kind(), after), (Kind::Limit, before), "{error}");
                assert!(error.message().contains("option max_"), "{error}");
            });
        }
    }
}

#[test]
fn a_referrer_that_is_deleted_goes_from_the_list() {
    for api in [false, true] {
        let registry = Registry::with(Manners { referrers: api, ..Manners::default() }, |_| None);
        run(async {
            let repository = repository(&registry.host(), &[]).for_push(&[]);
            let (config, _) = upload(&repository, b"{}").await.unwrap();
            let subject = manifest(&config, &[]);
            repository.put_manifest("v1", media_type::OCI_MANIFEST, &subject).await.unwrap();
            let subject = Descriptor::of(media_type::OCI_MANIFEST, &subject);
            let mut attached = Vec::new();
            for kind in ["a/one", "a/two"] {
                let mut document: serde_json::Value =
                    serde_json::from_slice(&manifest(&config, &[])).unwrap();
                document["subject"] = serde_json::to_value(&subject).unwrap();
                document["artifactType"] = kind.into();
                let bytes = serde_json::to_vec(&document).unwrap();
                let descriptor = Descriptor::of(media_type::OCI_MANIFEST, &bytes);
                let name = descriptor.digest.to_string();
                repository.put_manifest(&name, media_type::OCI_MANIFEST, &bytes).await.unwrap();
                if !api {
                    repository
                        .put_referrers(&subject.digest, std::slice::from_ref(&descriptor))
                        .await
                        .unwrap();
                }
                attached.push(descriptor.digest);
            }
            let deleting = repository.clone().for_delete();
            deleting.delete_manifest(attached[0].as_str()).await.unwrap();
            assert_eq!(listed(&repository, &subject.digest).await, [attached[1].clone()]);
            deleting.delete_manifest(attached[1].as_str()).await.unwrap();
            assert_eq!(listed(&repository, &subject.digest).await, []);
            assert_eq!(deleting.call().operation.warnings(), [] as [String; 0]);
        });
    }
}

const SUBJECT: &str = "CLDOCI_TEST_SUBJECT";

/// The child: attaches three artifacts of its own to a subject.
#[test]
#[ignore = "the other tests here run it as a process of its own"]
fn child_that_attaches() {
    let (Ok(subject), Ok(name)) = (std::env::var(SUBJECT), std::env::var("CLDOCI_TEST_NAME")) else { return };
    let ours = Ours::new();
    for n in 0..3 {
        let source = ours.path(&format!("{name}{n}"));
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("file"), format!("{name} {n}")).unwrap();
        let artifact = ours.build(&source).unwrap().artifact();
        ours.attach(&artifact, &subject).unwrap();
    }
}

/// Distribution has no referrers API, and compares nothing before it takes a manifest.
#[test]
fn processes_that_attach_at_once_are_all_listed_by_distribution_and_deleted_again() {
    let Some(server) = Server::distribution3() else { return };
    let ours = Ours::new();
    let source = ours.path("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("file"), CONFIG).unwrap();
    let subject = server.reference("test/app:v1");
    ours.push(&ours.build(&source).unwrap().artifact(), &subject).unwrap();
    let children: Vec<_> = (0..6)
        .map(|n| {
            command(module_path!(), "child_that_attaches")
                .env(SUBJECT, &subject)
                .env("CLDOCI_TEST_NAME", format!("p{n}"))
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let found = ours.referrers(&subject).unwrap().outcome.referrers;
    assert_eq!(found.len(), 18);
    let first = &found.first().unwrap().digest;
    ours.delete(&server.reference(&format!("test/app@{first}"))).unwrap();
    let left = ours.referrers(&subject).unwrap().outcome.referrers;
    assert_eq!(left.len(), 17);
    assert!(left.iter().all(|one| one.digest != *first));
}
