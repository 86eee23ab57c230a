//! CNCF Distribution 3.

use cldoci::oci::{Descriptor, media_type};
use cldoci::registry::Uploaded;
use cldoci::{Kind, Operation};

use super::help::{digest, manifest, noise, read, repository, run, upload};
use crate::harness::servers::Server;

#[test]
fn a_push_and_a_pull_in_the_fewest_requests() {
    let Some(real) = Server::distribution3() else { return };
    run(async {
        let repository = repository(&real.address, &[]).for_push(&[]);
        let push = Operation::new();
        let layer = noise(4096);
        assert_eq!(repository.head_manifest("v1", &push).await.unwrap(), None);
        let before = push.counters().requests;
        let (config, how) = upload(&repository, b"{}", &push).await.unwrap();
        assert_eq!(how, Uploaded::Sent);
        let (layer_descriptor, how) = upload(&repository, &layer, &push).await.unwrap();
        assert_eq!(how, Uploaded::Sent);
        let bytes = manifest(&config, std::slice::from_ref(&layer_descriptor));
        repository.put_manifest("v1", media_type::OCI_MANIFEST, &bytes, &push).await.unwrap();
        // One of the two blobs asks whether it is there; what is answered holds for the other.
        assert_eq!(push.counters().requests - before, 6);

        // Again: nothing is sent.
        let again = Operation::new();
        assert_eq!(upload(&repository, &layer, &again).await.unwrap().1, Uploaded::Skipped);
        assert_eq!(upload(&repository, b"{}", &again).await.unwrap().1, Uploaded::Skipped);
        assert_eq!((again.counters().requests, again.counters().bytes_sent), (2, 0));

        let resolve = Operation::new();
        let found = repository.head_manifest("v1", &resolve).await.unwrap().unwrap();
        assert_eq!(found, Descriptor::new(media_type::OCI_MANIFEST, digest(&bytes), bytes.len() as u64));
        assert_eq!(resolve.counters().requests, 1);

        let pull = Operation::new();
        let (descriptor, pulled) = repository.get_manifest(found.digest.as_str(), &pull).await.unwrap();
        assert_eq!((&descriptor, &pulled), (&found, &bytes));
        let reader = repository.read_blob(&layer_descriptor, 0, &pull).await.unwrap();
        assert_eq!(read(reader).await.unwrap(), layer);
        assert_eq!(pull.counters().requests, 2);

        let part = repository.read_blob(&layer_descriptor, 1000, &pull).await.unwrap();
        assert_eq!(read(part).await.unwrap(), layer[1000..]);

        let absent = repository.get_manifest("none", &Operation::new()).await.unwrap_err();
        assert_eq!((absent.kind(), absent.registry_code()), (Kind::NotFound, Some("MANIFEST_UNKNOWN")));
        assert!(absent.message().contains("test/app:none"), "{absent}");
    });
}

#[test]
fn large_blobs_travel_both_ways_and_r_44_empty_ones_too() {
    let Some(real) = Server::distribution3() else { return };
    run(async {
        let repository = repository(&real.address, &[]).for_push(&[]);
        let operation = Operation::new();
        for length in [0, 1, (64 << 10) + 1, 20 << 20] {
            let bytes = noise(length);
            let (descriptor, how) = upload(&repository, &bytes, &operation).await.unwrap();
            assert_eq!(how, Uploaded::Sent, "{length}");
            let reader = repository.read_blob(&descriptor, 0, &operation).await.unwrap();
            assert!(read(reader).await.unwrap() == bytes, "{length}");
            assert_eq!(upload(&repository, &bytes, &operation).await.unwrap().1, Uploaded::Skipped);
        }
    });
}
