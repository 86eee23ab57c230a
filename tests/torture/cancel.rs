//! F-24: a hundred cancels at random moments of each verb, through the C functions. Each comes back
//! within a second, what the verb works on is as before or complete, and nothing is left running.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};

use cldoci::ffi::{debug::*, idle::cldoci_wait_idle, operation::*, status::*, types::*, verbs::*};

use super::cancel_large::{phase_of, tell_times, took};
use super::cancel_others::OTHERS;
use super::child::Helper;
use super::{Random, names, two_versions, whole};
use crate::harness::api::c_api::{CApi, CArtifact, COperation, CResult, c, call, path, reference, report};
use crate::harness::api::{Api, Report};
use crate::harness::registry::{Manners, Registry};
use crate::harness::trees::{Snapshot, snapshot};

const CANCELS: usize = 100;
pub const PROMISED: Duration = Duration::from_secs(1);

/// The registry is the parent's, so that the child's threads and descriptors are the library's alone.
#[test]
fn f_24_cancels_at_100_moments_of_each_verb() {
    let room = tempfile::tempdir().unwrap();
    let registry = Registry::with(Manners::default(), |seen| {
        // A network has its times, other ones for each request.
        std::thread::sleep(Duration::from_micros(seen.index as u64 * 797 % 4000));
        None
    });
    two_versions(room.path(), &registry.host());
    let ended =
        Helper::start(room.path(), &["cancel", &registry.host(), room.path().to_str().unwrap()]).finish();
    assert_eq!(ended, [&VERBS[..], &OTHERS[..]].concat());
}

const VERBS: [&str; 10] = [
    "build",
    "push to a layout",
    "push to a registry",
    "build and push",
    "pull",
    "pull that replaces",
    "tag",
    "copy",
    "exists",
    "list_tags",
];

/// The child's work: every verb, and after each what is left of it.
pub fn all_verbs(host: &str, room: &Path) {
    let before = Resources::now();
    let client = CApi::client(&[]).unwrap();
    assert_eq!(client.exists(&format!("ocidir://{}/none", room.display())).unwrap().exists, Some(false));
    drop(client);
    before.come_back("the first verb");
    for verb in VERBS.into_iter().chain(OTHERS) {
        let bench = Bench::new(host, room, verb);
        bench.torture(verb);
        drop(bench);
        before.come_back(verb);
        println!("\n> {verb}");
    }
    tell_times();
}

/// What a process has that can leak.
#[derive(Debug, PartialEq, Eq)]
struct Resources {
    threads: usize,
    descriptors: usize,
    handles: u64,
}

impl Resources {
    fn now() -> Self {
        Self {
            threads: names(Path::new("/proc/self/task")).len(),
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            handles: cldoci_debug_live_handles(CLDOCI_HANDLE_ANY),
        }
    }

    /// Threads end a moment after the last handle is freed.
    fn come_back(&self, verb: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let now = Self::now();
            if now == *self {
                return;
            }
            assert!(Instant::now() < deadline, "after {verb}: {now:?}, and before it {self:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

pub type Start<'a> =
    &'a dyn Fn(*const cldoci_client, *mut *mut cldoci_operation, *mut *mut cldoci_error) -> i32;

/// One verb's room: what it works on, and how that has to look.
pub struct Bench {
    pub host: String,
    pub room: PathBuf,
    /// What the two versions look like.
    trees: [Snapshot; 2],
}

impl Bench {
    fn new(host: &str, room: &Path, verb: &str) -> Self {
        let own = room.join(verb.replace(' ', "-"));
        fs::create_dir(&own).unwrap();
        let trees = ["v1", "v2"].map(|version| snapshot(&room.join(version)));
        Self { host: host.to_owned(), room: own, trees }
    }

    pub fn remote(&self, name: &str) -> String {
        format!("{}/{name}", self.host)
    }

    fn tree(&self, version: &str) -> PathBuf {
        self.room.parent().unwrap().join(version)
    }

    fn client(&self) -> CApi {
        let store = self.room.join("store");
        CApi::client(&[("store", store.to_str().unwrap()), ("cache", "false")]).unwrap()
    }

    fn torture(&self, verb: &str) {
        let client = self.client();
        let fresh = |n: usize| self.room.join(format!("beside/{n}"));
        let version = |n: usize| ["v1", "v2"][n % 2];
        let exists = |at: &str| client.exists(at).unwrap().digest;
        match verb {
            "build" => {
                let (directory, kind) = (path(&self.tree("v1")), c("component"));
                let wanted = client.build(&self.tree("v1"), "component", b"{}", &[]).unwrap().digest;
                let start: Start<'_> = &|client, op, e| unsafe {
                    let config = b"{}";
                    cldoci_build_start(
                        client,
                        directory.as_ptr(),
                        kind.as_ptr(),
                        config.as_ptr(),
                        2,
                        null(),
                        op,
                        e,
                    )
                };
                cancel_each(verb, &client, |_, round| {
                    if let Some(done) = round(start) {
                        assert_eq!(done.digest, wanted);
                    }
                });
                let spool = self.room.join("store/spool");
                for workplace in names(&spool) {
                    assert_eq!(names(&spool.join(workplace)), ["lock"]);
                }
            }
            "push to a layout" => {
                let artifacts = self.artifacts(&client);
                let mut tagged = BTreeMap::new();
                cancel_each(verb, &client, |n, round| {
                    // Into one that is not there yet, and now and then over a tag that is.
                    let name = if n % 4 == 3 { "moving".to_owned() } else { format!("layout{n}") };
                    let layout = self.room.join(&name);
                    let (artifact, digest) = &artifacts[n / 4 % 2];
                    let to = reference(&format!("ocidir://{}:tag", layout.display())).unwrap();
                    let done = round(&|client, op, e| unsafe {
                        cldoci_push_start(client, artifact.0, to.0, null(), op, e)
                    });
                    let now = whole(&layout).remove("tag");
                    as_before_or_complete(tagged.remove(&name), now.clone(), digest, done.is_some());
                    tagged.extend(now.map(|digest| (name, digest)));
                    let own = names(&layout.join(".cldoci"));
                    assert!(own.iter().all(|name| name.ends_with(".lock")), "left in the layout: {own:?}");
                });
            }
            "push to a registry" => {
                let artifacts = self.artifacts(&client);
                cancel_each(verb, &client, |n, round| {
                    let at = match n % 4 {
                        3 => self.remote("pushed/moving:tag"),
                        _ => self.remote(&format!("pushed/n{n}:tag")),
                    };
                    let (artifact, digest) = &artifacts[n / 4 % 2];
                    let (to, before) = (reference(&at).unwrap(), exists(&at));
                    let done = round(&|client, op, e| unsafe {
                        cldoci_push_start(client, artifact.0, to.0, null(), op, e)
                    });
                    as_before_or_complete(before, exists(&at), digest, done.is_some());
                });
            }
            "build and push" => {
                let (kind, config) = (c("component"), b"{}");
                let digests: Vec<_> = ["v1", "v2"]
                    .map(|v| client.build(&self.tree(v), "component", config, &[]).unwrap().digest.unwrap())
                    .into();
                cancel_each(verb, &client, |n, round| {
                    let at = match n % 4 {
                        3 => self.remote("one-pass/moving:tag"),
                        _ => self.remote(&format!("one-pass/n{n}:tag")),
                    };
                    let directory = path(&self.tree(version(n / 4)));
                    let (to, before) = (reference(&at).unwrap(), exists(&at));
                    let done = round(&|client, op, e| unsafe {
                        let (directory, kind, config) = (directory.as_ptr(), kind.as_ptr(), config.as_ptr());
                        cldoci_build_and_push_start(client, directory, kind, config, 2, to.0, null(), op, e)
                    });
                    as_before_or_complete(before, exists(&at), &digests[n / 4 % 2], done.is_some());
                });
            }
            "pull" => {
                cancel_each(verb, &client, |n, round| {
                    let (from, into) =
                        (reference(&self.remote(&format!("app:{}", version(n)))).unwrap(), fresh(n));
                    let to = path(&into);
                    let done = round(&|client, op, e| unsafe {
                        cldoci_pull_start(client, from.0, to.as_ptr(), null(), op, e)
                    });
                    assert!(done.is_none() || into.exists());
                    if into.exists() {
                        assert!(snapshot(&into) == self.trees[n % 2], "cancel {n}");
                        fs::remove_dir_all(&into).unwrap();
                    }
                    assert_eq!(names(&self.room.join("beside")), Vec::<String>::new());
                });
            }
            "pull that replaces" => {
                let into = fresh(0);
                let to = path(&into);
                client.pull(&self.remote("app:v2"), &into, &[]).unwrap();
                let replace = crate::harness::api::c_api::options(&[("existing", "replace")]).unwrap();
                let mut there = 1;
                cancel_each(verb, &client, |n, round| {
                    let from = reference(&self.remote(&format!("app:{}", version(n)))).unwrap();
                    let done = round(&|client, op, e| unsafe {
                        cldoci_pull_start(client, from.0, to.as_ptr(), replace.0, op, e)
                    });
                    let found = snapshot(&into);
                    let now = if found == self.trees[n % 2] { n % 2 } else { there };
                    assert!(found == self.trees[now], "cancel {n}: neither as before nor complete");
                    assert!(done.is_none() || now == n % 2);
                    there = now;
                    assert_eq!(names(&self.room.join("beside")), ["0"]);
                });
            }
            "tag" | "copy" => {
                let from = reference(&self.remote("app:v1")).unwrap();
                let digest = exists(&self.remote("app:v1")).unwrap();
                cancel_each(verb, &client, |n, round| {
                    let at = match verb {
                        // Across repositories and, to a layout, across places.
                        "tag" => self.remote(&format!("tagged/n{n}:v1")),
                        _ => format!("ocidir://{}:v1", self.room.join(format!("layout{n}")).display()),
                    };
                    let to = reference(&at).unwrap();
                    let done = round(&|client, op, e| unsafe {
                        match verb {
                            "tag" => cldoci_tag_start(client, from.0, to.0, null(), op, e),
                            _ => cldoci_copy_start(client, from.0, to.0, null(), op, e),
                        }
                    });
                    as_before_or_complete(None, exists(&at), &digest, done.is_some());
                    if verb == "copy" {
                        whole(&self.room.join(format!("layout{n}")));
                    }
                });
            }
            "exists" => {
                let at = reference(&self.remote("app:v1")).unwrap();
                cancel_each(verb, &client, |_, round| {
                    let done =
                        round(&|client, op, e| unsafe { cldoci_exists_start(client, at.0, null(), op, e) });
                    assert!(done.is_none_or(|done| done.exists == Some(true)));
                });
            }
            "list_tags" => {
                let at = reference(&self.remote("app")).unwrap();
                cancel_each(verb, &client, |_, round| {
                    let done = round(&|client, op, e| unsafe {
                        cldoci_list_tags_start(client, at.0, null(), op, e)
                    });
                    assert!(done.is_none_or(|done| done.tags == ["v1", "v2"]));
                });
            }
            other => self.torture_other(&client, other),
        }
    }

    pub fn artifacts(&self, client: &CApi) -> [(CArtifact, String); 2] {
        ["v1", "v2"].map(|version| {
            let built = client.build(&self.tree(version), "component", b"{}", &[]).unwrap();
            (built.artifact.unwrap(), built.digest.unwrap())
        })
    }
}

fn as_before_or_complete(before: Option<String>, now: Option<String>, complete: &str, done: bool) {
    assert!(now.as_deref() == Some(complete) || !done && now == before, "{now:?}, before it {before:?}");
}

/// Calls `one` a hundred times with a function that starts an operation, cancels it at a random moment, and
/// gives its report if it was faster. The moments lie within what the verb takes, as it is seen to take.
pub fn cancel_each(
    verb: &str,
    client: &CApi,
    mut one: impl FnMut(usize, &mut dyn FnMut(Start<'_>) -> Option<Report<CApi>>),
) {
    let mut random = Random(3);
    let mut span = Duration::from_millis(40);
    let mut cancelled = 0;
    for n in 0..CANCELS {
        one(n, &mut |start| {
            let began = Instant::now();
            let mut operation = null_mut();
            call(|error| start(client.0, &mut operation, error)).unwrap();
            let operation = COperation(operation);
            let moment = random.moment(span);
            // The wait is the moment: it ends early where the verb does.
            let early = unsafe {
                cldoci_operation_wait(operation.0, i64::try_from(moment.as_millis()).unwrap(), null_mut())
            };
            if early == CLDOCI_PENDING {
                std::thread::sleep(moment.saturating_sub(began.elapsed()));
            }
            let phase = phase_of(&operation);
            let cancel = Instant::now();
            assert_eq!(unsafe { cldoci_operation_cancel(operation.0, null_mut()) }, CLDOCI_OK);
            let status = unsafe { cldoci_operation_wait(operation.0, 10_000, null_mut()) };
            let (time, lasted) = (cancel.elapsed(), began.elapsed());
            assert!(time < PROMISED, "cancel {n} in phase {phase} took {time:?}");
            took(verb, phase, time);
            // What was replaced, or begun, may be removed after the wait.
            assert_eq!(unsafe { cldoci_wait_idle(10_000, null_mut()) }, CLDOCI_OK, "cancel {n}");
            match status {
                CLDOCI_ERROR_CANCELLED => {
                    cancelled += 1;
                    // It takes longer than it was given.
                    span = span.max(lasted).min(Duration::from_secs(2)) + span / 50;
                    None
                }
                CLDOCI_OK => {
                    span = lasted.max(Duration::from_micros(500));
                    let mut result = null_mut();
                    call(|error| unsafe { cldoci_operation_result(operation.0, &mut result, error) })
                        .unwrap();
                    Some(report(&CResult(result)))
                }
                other => panic!("cancel {n} ended with the status {other}"),
            }
        });
    }
    assert!(cancelled >= CANCELS / 10, "only {cancelled} were caught while they worked");
}

/// handles are freed while their operations run.
#[test]
fn x_07_freed_while_they_run() {
    let room = tempfile::tempdir().unwrap();
    let registry = Registry::start();
    let [(v1, wanted), _] = two_versions(room.path(), &registry.host());
    let from = reference(&v1).unwrap();
    for round in 0..5 {
        let store = room.path().join("other");
        let client = CApi::client(&[("store", store.to_str().unwrap())]).unwrap();
        let mut operations = Vec::new();
        for n in 0..20 {
            let into = path(&room.path().join(format!("beside/{round}-{n}")));
            let mut operation = null_mut();
            call(|error| unsafe {
                cldoci_pull_start(client.0, from.0, into.as_ptr(), null(), &mut operation, error)
            })
            .unwrap();
            operations.push(COperation(operation));
        }
        // The client goes first; half of the operations are freed, the others go on to a good end.
        drop(client);
        let kept: Vec<COperation> = operations.into_iter().step_by(2).collect();
        for operation in &kept {
            call(|error| unsafe { cldoci_operation_wait(operation.0, -1, error) }).unwrap();
        }
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    // The freed ones clean up behind themselves.
    while names(&room.path().join("beside")).iter().any(|name| name.starts_with('.')) {
        assert!(Instant::now() < deadline, "staging is left");
        std::thread::sleep(Duration::from_millis(5));
    }
    let there = names(&room.path().join("beside"));
    assert!(there.len() >= 50);
    for name in there {
        assert!(snapshot(&room.path().join("beside").join(name)) == wanted);
    }
}
