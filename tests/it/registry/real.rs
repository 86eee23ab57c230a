//! CNCF Distribution 3.

use cldoci::Kind;
use cldoci::oci::{Descriptor, media_type};
use cldoci::registry::Uploaded;

use super::help::{again, digest, manifest, noise, read, repository, run, upload};
use crate::harness::servers::Server;

#[test]
fn a_push_and_a_pull_in_the_fewest_requests() {
    let Some(real) = Server::distribution3() else { return };
    run(async {
        let repository = repository(&real.address, &[]).for_push(&[]);
        let push = repository.call().operation.clone();
        let layer = noise(4096);
        assert_eq!(repository.head_manifest("v1").await.unwrap(), None);
        let before = push.counters().requests;
        let (config, how) = upload(&repository, b"{}").await.unwrap();
        assert_eq!(how, Uploaded::Sent);
        let (layer_descriptor, how) = upload(&repository, &layer).await.unwrap();
        assert_eq!(how, Uploaded::Sent);
        let bytes = manifest(&config, std::slice::from_ref(&layer_descriptor));
        repository.put_manifest("v1", media_type::OCI_MANIFEST, &bytes).await.unwrap();
        // One of the two blobs asks whether it is there; what is answered holds for the other.
        assert_eq!(push.counters().requests - before, 6);

        // Again: nothing is sent.
        let repeated = again(&repository);
        assert_eq!(upload(&repeated, &layer).await.unwrap().1, Uploaded::Skipped);
        assert_eq!(upload(&repeated, b"{}").await.unwrap().1, Uploaded::Skipped);
        let counters = repeated.call().operation.counters();
        assert_eq!((counters.requests, counters.bytes_sent), (2, 0));

        let resolving = again(&repository);
        let found = resolving.head_manifest("v1").await.unwrap().unwrap();
        assert_eq!(found, Descriptor::new(media_type::OCI_MANIFEST, digest(&bytes), bytes.len() as u64));
        assert_eq!(resolving.call().operation.counters().requests, 1);

        let pulling = again(&repository);
        let (descriptor, pulled) = pulling.get_manifest(found.digest.as_str()).await.unwrap();
        assert_eq!((&descriptor, &pulled), (&found, &bytes));
        let reader = pulling.read_blob(&layer_descriptor, 0).await.unwrap();
        assert_eq!(read(reader).await.unwrap(), layer);
        assert_eq!(pulling.call().operation.counters().requests, 2);

        let part = repository.read_blob(&layer_descriptor, 1000).await.unwrap();
        assert_eq!(read(part).await.unwrap(), layer[1000..]);

        let absent = repository.get_manifest("none").await.unwrap_err();
        assert_eq!((absent.kind(), absent.registry_code()), (Kind::NotFound, Some("MANIFEST_UNKNOWN")));
        assert!(absent.message().contains("test/app:none"), "{absent}");
    });
}

#[test]
fn large_blobs_travel_both_ways_and_r_44_empty_ones_too() {
    let Some(real) = Server::distribution3() else { return };
    run(async {
        let repository = repository(&real.address, &[]).for_push(&[]);
        for length in [0, 1, (64 << 10) + 1, 20 << 20] {
            let bytes = noise(length);
            let (descriptor, how) = upload(&repository, &bytes).await.unwrap();
            assert_eq!(how, Uploaded::Sent, "{length}");
            let reader = repository.read_blob(&descriptor, 0).await.unwrap();
            assert!(read(reader).await.unwrap() == bytes, "{length}");
            assert_eq!(upload(&repository, &bytes).await.unwrap().1, Uploaded::Skipped);
        }
    });
}
