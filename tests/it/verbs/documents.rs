//! The memory that large documents of all calls have together (option max_documents_bytes).

use std::time::{Duration, Instant};

use super::*;

/// A manifest of some 3 MiB, most of it one annotation.
fn large() -> Vec<u8> {
    let (manifest, _) = artifact(|manifest| {
        manifest.annotations.insert("note".to_owned(), "x".repeat(3 << 20));
    });
    manifest
}

/// Answers with a large manifest; to the tag `slow` with two thirds of it, until the client goes.
fn serve(seen: &Seen) -> Vec<Act> {
    let (manifest, kind) = (large(), [("Content-Type", media_type::OCI_MANIFEST)]);
    if !seen.path.ends_with("/slow") {
        return answer(200, &kind, manifest);
    }
    let length = manifest.len().to_string();
    let head = head(200, &[kind[0], ("Content-Length", &length)]);
    vec![Act::Send(head), Act::Send(manifest[..2 << 20].to_vec()), Act::Hang]
}

#[test]
fn who_finds_no_memory_left_for_a_document_waits_and_can_be_cancelled() {
    let server = Evil::start(serve);
    let ours = Ours::with(&[("retries", "0"), ("max_documents_bytes", "4194304"), ("fetch_config", "false")]);
    let at =
        |tag: &str| -> cldoci::oci::Reference { format!("{}/app:{tag}", server.host()).parse().unwrap() };
    let slow = ours.call();
    let holds = ours.spawn(ours.client.inspect(&at("slow"), &slow));
    let until = Instant::now() + Duration::from_secs(30);
    // Only with memory for all of it does it take so much.
    while slow.operation.counters().bytes_received < 2 << 20 {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(2));
    }
    let waiting = ours.given(&[("timeout_ms", "500")]);
    let waited = waiting.inspect(&at("v1").to_string());
    refused(waited, Kind::Timeout, "timeout_ms");
    let other = ours.call();
    let waits = ours.spawn(ours.client.inspect(&at("v1"), &other));
    std::thread::sleep(Duration::from_millis(200));
    assert!(!waits.is_finished());
    let began = Instant::now();
    other.operation.cancel();
    assert_eq!(ours.wait(waits).unwrap().unwrap_err().kind(), Kind::Cancelled);
    assert!(began.elapsed() < Duration::from_secs(10));
    // What is small needs none of it, and who waits goes on once there is some.
    let next = ours.call();
    let goes_on = ours.spawn(ours.client.inspect(&at("v1"), &next));
    std::thread::sleep(Duration::from_millis(50));
    assert!(!goes_on.is_finished());
    slow.operation.cancel();
    assert_eq!(ours.wait(holds).unwrap().unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(ours.wait(goes_on).unwrap().unwrap().artifact.unwrap().manifest.len(), large().len());
    let tight = ours.given(&[("max_documents_bytes", "2097152")]);
    refused(tight.inspect(&at("v1").to_string()), Kind::Limit, "max_documents_bytes");
}
