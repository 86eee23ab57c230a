//! F-25: a cancel comes through wherever the work waits, within a second.

use std::fs;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cldoci::ffi::{operation::*, status::*, verbs::*};
use cldoci::oci::Digest;
use cldoci::store::Layout;

use super::cancel::{PROMISED, Start};
use super::{names, tree};
use crate::call_with;
use crate::harness::api::Api;
use crate::harness::api::c_api::{CApi, COperation, c, call, path, reference};
use crate::harness::evil::{Act, Evil, answer, head};

/// Starts it, waits until it is known to be blocked, and cancels.
fn cancelled(client: &CApi, start: Start<'_>, is_blocked: impl Fn() -> bool) {
    let mut operation = null_mut();
    call(|error| start(client.0, &mut operation, error)).unwrap();
    let operation = COperation(operation);
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_blocked() {
        assert!(Instant::now() < deadline, "it never came to where it blocks");
        assert_eq!(unsafe { cldoci_operation_wait(operation.0, 2, null_mut()) }, CLDOCI_PENDING);
    }
    // It stays there.
    assert_eq!(unsafe { cldoci_operation_wait(operation.0, 50, null_mut()) }, CLDOCI_PENDING);
    let began = Instant::now();
    assert_eq!(unsafe { cldoci_operation_cancel(operation.0, null_mut()) }, CLDOCI_OK);
    let status = unsafe { cldoci_operation_wait(operation.0, 10_000, null_mut()) };
    assert_eq!(status, CLDOCI_ERROR_CANCELLED);
    assert!(began.elapsed() < PROMISED, "it took {:?}", began.elapsed());
}

fn client(room: &tempfile::TempDir) -> CApi {
    CApi::client(&[("store", room.path().join("store").to_str().unwrap())]).unwrap()
}

#[test]
fn f_25_cancel_while_an_answer_is_waited_for() {
    let room = tempfile::tempdir().unwrap();
    let server = Evil::start(|_| vec![Act::Hang]);
    let client = client(&room);
    let asked = |count: usize| move |server: &Evil| server.log().len() >= count;
    let at = reference(&format!("{}/app:v1", server.host())).unwrap();
    let into = path(&room.path().join("beside/destination"));
    cancelled(&client, &|client, op, e| unsafe { cldoci_exists_start(client, at.0, null(), op, e) }, || {
        asked(1)(&server)
    });
    cancelled(
        &client,
        &|client, op, e| unsafe { cldoci_pull_start(client, at.0, into.as_ptr(), null(), op, e) },
        || asked(2)(&server),
    );
    assert!(!room.path().join("beside").exists());
}

#[test]
fn f_25_cancel_while_a_layer_comes_and_while_one_goes() {
    let room = tempfile::tempdir().unwrap();
    let layer = Digest::of(b"never whole");
    let config = Digest::of(b"{}");
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config.as_str(), "size": 2},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                    "digest": layer.as_str(), "size": 1 << 20}],
    })
    .to_string();
    let blocked = std::sync::Arc::new(AtomicBool::new(false));
    let server = Evil::start({
        let blocked = blocked.clone();
        move |seen| match (seen.method.as_str(), seen.path.as_str()) {
            ("GET", path) if path.contains("/manifests/") => {
                let media_type = "application/vnd.oci.image.manifest.v1+json";
                answer(200, &[("Content-Type", media_type)], &manifest)
            }
            ("GET", _) => {
                blocked.store(true, Ordering::SeqCst);
                // A good beginning, and no more.
                let start = [&head(200, &[("Content-Length", "1048576")])[..], &[0x1f, 0x8b, 8, 0]].concat();
                vec![Act::Send(start), Act::Hang]
            }
            ("HEAD", _) => answer(404, &[], ""),
            ("POST", path) => answer(202, &[("Location", &format!("{path}session"))], ""),
            _ => {
                blocked.store(true, Ordering::SeqCst);
                vec![Act::Hang]
            }
        }
    });
    let client = client(&room);
    let at = reference(&format!("{}/app:v1", server.host())).unwrap();
    let beside = room.path().join("beside");
    fs::create_dir(&beside).unwrap();
    let into = path(&beside.join("destination"));
    let is_blocked = || blocked.load(Ordering::SeqCst);
    cancelled(
        &client,
        &|client, op, e| unsafe { cldoci_pull_start(client, at.0, into.as_ptr(), null(), op, e) },
        is_blocked,
    );
    assert_eq!(names(&beside), Vec::<String>::new());
    tree(&room.path().join("tree"), "v1");
    let built = client.build(&room.path().join("tree"), "component", b"{\"a\":1}", &[]).unwrap();
    let artifact = built.artifact.unwrap();
    blocked.store(false, Ordering::SeqCst);
    cancelled(
        &client,
        &|client, op, e| unsafe { cldoci_push_start(client, artifact.0, at.0, null(), op, e) },
        is_blocked,
    );
    assert!(!server.lines().iter().any(|line| line.starts_with("PUT") && line.contains("/manifests/")));
}

#[test]
fn f_25_cancel_while_a_lock_is_waited_for_and_while_it_compresses() {
    let room = tempfile::tempdir().unwrap();
    let client = client(&room);
    let layout = room.path().join("layout");
    let writer = Layout::create(&layout, &call_with(&[])).unwrap().begin().unwrap();
    let at = reference(&format!("ocidir://{}:v1", layout.display())).unwrap();
    let collect: Start<'_> =
        &|client, op, e| unsafe { cldoci_collect_garbage_start(client, at.0, null(), op, e) };
    cancelled(&client, collect, || true);
    drop(writer);
    client.collect_garbage(&format!("ocidir://{}", layout.display())).unwrap();

    // 16 GiB that take no room.
    let directory = room.path().join("tree");
    fs::create_dir(&directory).unwrap();
    fs::File::create(directory.join("large")).unwrap().set_len(16 << 30).unwrap();
    let (directory, kind) = (path(&directory), c("component"));
    cancelled(
        &client,
        &|client, op, e| unsafe {
            cldoci_build_start(client, directory.as_ptr(), kind.as_ptr(), null(), 0, null(), op, e)
        },
        || true,
    );
    let spool = room.path().join("store/spool");
    for workplace in names(&spool) {
        assert_eq!(names(&spool.join(workplace)), ["lock"]);
    }
}
