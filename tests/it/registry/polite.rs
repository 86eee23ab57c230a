//! Against a registry that behaves: the number of requests, pages, mounts, ways to upload.

use std::sync::Arc;

use bytes::Bytes;
use cldoci::Kind;
use cldoci::oci::{Descriptor, media_type};
use cldoci::registry::{BytesSource, NoSessions, Uploaded};

use super::help::{digest, manifest, noise, read, repository, run, upload};
use crate::harness::registry::{Manners, Registry};

#[test]
fn a_push_of_a_new_artifact_takes_six_requests() {
    let registry = Registry::start();
    run(async {
        let repository = repository(&registry.host(), &[]).for_push(&[]);
        let (config, _) = upload(&repository, b"{}").await.unwrap();
        let (layer, _) = upload(&repository, &noise(4000)).await.unwrap();
        let bytes = manifest(&config, &[layer]);
        let put = repository.put_manifest("v1", media_type::OCI_MANIFEST, &bytes).await.unwrap();
        assert!(!put.subject_known);
        let methods: Vec<String> = registry.server.log().into_iter().map(|seen| seen.method).collect();
        assert_eq!(methods, ["POST", "HEAD", "PUT", "POST", "PUT", "PUT"]);
        let counters = repository.call().operation.counters();
        assert_eq!(counters.requests, 6);
        assert_eq!(counters.blobs_uploaded, 2);
        assert_eq!(registry.tagged("test/app", "v1"), Some(digest(&bytes).to_string()));
    });
}

#[test]
fn resolve_takes_one_request_and_two_without_a_digest_header() {
    for (digest_header, requests) in [(true, 1), (false, 2)] {
        let registry = Registry::with(Manners { digest_header, ..Manners::default() }, |_| None);
        let bytes = manifest(&Descriptor::of(media_type::EMPTY, b"{}"), &[]);
        registry.put_manifest("test/app", "v1", media_type::OCI_MANIFEST, &bytes);
        run(async {
            let repository = repository(&registry.host(), &[]);
            let found = repository.head_manifest("v1").await.unwrap().unwrap();
            assert_eq!(found, Descriptor::of(media_type::OCI_MANIFEST, &bytes));
            assert_eq!(registry.server.log().len(), requests);
            assert_eq!(repository.head_manifest("none").await.unwrap(), None);
            assert_eq!(registry.server.log().len(), requests + 2);
        });
    }
}

#[test]
fn mounts_end_right_whatever_the_registry_says() {
    for (status, how, requests) in [
        (201, Uploaded::Mounted, "HEAD POST"),
        (202, Uploaded::Sent, "HEAD POST PUT"),
        // Without a challenge the registry is asked once what it wants (Q12).
        (401, Uploaded::Sent, "HEAD POST GET POST PUT"),
        (403, Uploaded::Sent, "HEAD POST POST PUT"),
        (404, Uploaded::Sent, "HEAD POST POST PUT"),
    ] {
        let registry = Registry::with(Manners { mount: status, ..Manners::default() }, |_| None);
        let bytes = noise(5000);
        registry.put_blob("other/app", &bytes);
        run(async {
            let from = ["other/app".to_owned()];
            let repository = repository(&registry.host(), &[]).for_push(&from);
            let descriptor = Descriptor::of("a/b", &bytes);
            let source = Arc::new(BytesSource(Bytes::from(bytes.clone())));
            let found =
                repository.upload_blob(&descriptor, source, &from, Arc::new(NoSessions)).await.unwrap();
            assert_eq!(found, how, "{status}");
            assert_eq!(registry.blob("test/app", &descriptor.digest).unwrap(), bytes);
            let methods: Vec<String> = registry.server.log().into_iter().map(|seen| seen.method).collect();
            assert_eq!(methods.join(" "), requests, "{status}");
        });
    }
}

#[test]
fn r_38_a_mount_without_a_location_is_verified() {
    let registry = Registry::with(Manners::default(), |seen| {
        seen.path.contains("mount=").then(|| crate::harness::evil::answer(201, &[], ""))
    });
    let bytes = noise(5000);
    run(async {
        let repository = repository(&registry.host(), &[]);
        let (descriptor, how) = upload(&repository, &bytes).await.unwrap();
        assert_eq!(how, Uploaded::Sent);
        assert_eq!(registry.blob("test/app", &descriptor.digest).unwrap(), bytes);
    });
}

#[test]
fn the_way_of_uploading_is_learnt_for_each_host() {
    // Older Artifactory answers 404 to a PUT with the blob (Q37), a proxy 413 to what is large.
    let cases = [
        (Manners { refuse_whole: Some(404), ..Manners::default() }, 3_000_000, "POST PATCH PUT"),
        (Manners { refuse_whole: Some(405), ..Manners::default() }, 3_000_000, "POST PATCH PUT"),
        (Manners { largest_body: 5 << 20, ..Manners::default() }, 9 << 20, "POST PATCH PATCH PUT"),
    ];
    for (manners, length, learnt) in cases {
        let registry = Registry::with(manners, |_| None);
        let bytes = noise(length);
        run(async {
            let repository = repository(&registry.host(), &[]);
            let (descriptor, _) = upload(&repository, &bytes).await.unwrap();
            assert!(registry.blob("test/app", &descriptor.digest).unwrap() == bytes);
            let before = registry.server.log().len();
            let other = [&bytes[..], b"x"].concat();
            let (descriptor, _) = upload(&repository, &other).await.unwrap();
            assert!(registry.blob("test/app", &descriptor.digest).unwrap() == other);
            let log = registry.server.log();
            let methods: Vec<&str> = log[before..].iter().map(|seen| seen.method.as_str()).collect();
            assert_eq!(methods.join(" "), format!("HEAD {learnt}"));
            assert!(log.iter().all(|seen| seen.method != "PATCH" || seen.header("content-length").is_some()));
        });
    }
}

#[test]
fn tags_come_in_pages_and_are_sorted() {
    let registry = Registry::with(Manners { page: 2, ..Manners::default() }, |_| None);
    let bytes = manifest(&Descriptor::of(media_type::EMPTY, b"{}"), &[]);
    for tag in ["b", "a", "C", "d", "e"] {
        registry.put_manifest("test/app", tag, media_type::OCI_MANIFEST, &bytes);
    }
    run(async {
        let repository = repository(&registry.host(), &[]);
        assert_eq!(repository.list_tags().await.unwrap(), ["C", "a", "b", "d", "e"]);
        assert_eq!(registry.server.log().len(), 3);
    });
    run(async {
        let error = repository(&registry.host(), &[("max_pages", "2")]).list_tags().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Limit);
        assert!(error.message().contains("max_pages"), "{error}");
    });
}

#[test]
fn deletes_by_digest_and_says_what_it_cannot() {
    let registry = Registry::start();
    let bytes = manifest(&Descriptor::of(media_type::EMPTY, b"{}"), &[]);
    registry.put_manifest("test/app", "v1", media_type::OCI_MANIFEST, &bytes);
    run(async {
        let repository = repository(&registry.host(), &[]).for_delete();
        let error = repository.delete_manifest("v1").await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported);
        assert!(error.message().contains("delete by digest"), "{error}");
        repository.delete_manifest(digest(&bytes).as_str()).await.unwrap();
        assert_eq!(repository.head_manifest("v1").await.unwrap(), None);
        let error = repository.delete_manifest(digest(&bytes).as_str()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
    });
}

#[test]
fn referrers_by_the_api_and_by_the_fallback_tag() {
    for referrers in [true, false] {
        let registry = Registry::with(Manners { referrers, ..Manners::default() }, |_| None);
        run(async {
            let repository = repository(&registry.host(), &[]).for_push(&[]);
            let (config, _) = upload(&repository, b"{}").await.unwrap();
            let subject = manifest(&config, &[]);
            repository.put_manifest("v1", media_type::OCI_MANIFEST, &subject).await.unwrap();
            let subject = Descriptor::of(media_type::OCI_MANIFEST, &subject);
            for kind in ["a/one", "a/two"] {
                let mut referrer: serde_json::Value =
                    serde_json::from_slice(&manifest(&config, &[])).unwrap();
                referrer["subject"] = serde_json::to_value(&subject).unwrap();
                referrer["artifactType"] = kind.into();
                let bytes = serde_json::to_vec(&referrer).unwrap();
                let mut descriptor = Descriptor::of(media_type::OCI_MANIFEST, &bytes);
                descriptor.artifact_type = Some(kind.to_owned());
                let target = descriptor.digest.to_string();
                let put = repository.put_manifest(&target, media_type::OCI_MANIFEST, &bytes).await.unwrap();
                assert_eq!(put.subject_known, referrers);
                if !put.subject_known {
                    repository
                        .put_referrers(&subject.digest, std::slice::from_ref(&descriptor))
                        .await
                        .unwrap();
                }
            }
            let all = repository.referrers(&subject.digest, None).await.unwrap();
            assert_eq!(all.len(), 2);
            let one = repository.referrers(&subject.digest, Some("a/two")).await.unwrap();
            assert_eq!(one.len(), 1);
            assert_eq!(one[0].artifact_type.as_deref(), Some("a/two"));
            let none = digest(b"something else");
            assert_eq!(repository.referrers(&none, None).await.unwrap(), []);
        });
    }
}

#[test]
fn blobs_come_by_a_redirect_too() {
    let storage = Registry::start();
    let bytes = noise(300_000);
    storage.put_blob("test/app", &bytes);
    let base = format!("http://{}", storage.host());
    let registry = Registry::with(Manners { redirect_blobs: Some(base), ..Manners::default() }, |_| None);
    registry.put_blob("test/app", &bytes);
    run(async {
        let repository = repository(&registry.host(), &[]);
        let descriptor = Descriptor::of("a/b", &bytes);
        let reader = repository.read_blob(&descriptor, 0).await.unwrap();
        assert!(read(reader).await.unwrap() == bytes);
        assert_eq!((registry.server.log().len(), storage.server.log().len()), (1, 1));
    });
}
