//! Failing system calls and kills between them, by strace's injection, for a push into a layout.

use super::*;
use crate::harness::child;
use crate::harness::servers::tool;

const LAYOUT: &str = "CLDOCI_TEST_LAYOUT";
/// Calls that the loader and the test harness make on the main thread, which strace counts on their own: the
/// child's thread makes as many first, so that no fault hits the harness.
const PRELUDE: usize = 64;

/// The child: one push. Says `begin` before it, and how it ended after it.
#[test]
#[ignore = "the other tests here run it as a process of its own"]
fn child_that_pushes_once() {
    let Some(path) = std::env::var_os(LAYOUT) else { return };
    let mut null = fs::File::create("/dev/null").unwrap();
    for _ in 0..PRELUDE {
        drop(fs::File::open("/dev/null").unwrap());
        null.write_all(b"x").unwrap();
    }
    let push = || {
        let layout = Layout::create(Path::new(&path), &call())?;
        let writer = layout.begin()?;
        let (descriptor, manifest, blobs) = artifact("new", None);
        for (blob, bytes) in &blobs {
            writer.add_bytes(blob, bytes)?;
        }
        writer.put_manifest(&descriptor, &manifest, Some("v1"))
    };
    match push() {
        Ok(()) => println!("\npushed"),
        Err(error) => println!("\nfailed {:?} {}", error.errno(), error.message()),
    }
}

struct Run {
    fired: bool,
    pushed: bool,
    failed: Option<String>,
}

/// Runs the child under strace with one injection.
fn run(strace: &Path, layout: &Path, call: &str, what: &str, when: &str) -> Run {
    let log = layout.with_extension("log");
    let output = Command::new(strace)
        .args(["-f", "-qq", "-o"])
        .arg(&log)
        .args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:{what}:when={when}")])
        .args(child::one(module_path!(), "child_that_pushes_once"))
        .env(LAYOUT, layout)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let trace = fs::read_to_string(&log).unwrap();
    fs::remove_file(&log).unwrap();
    let failed = text.lines().find_map(|line| line.strip_prefix("failed ")).map(str::to_owned);
    let pushed = text.lines().any(|line| line == "pushed");
    // What is said on standard output is no part of the push any more.
    let injected = trace.lines().any(|line| line.contains("(INJECTED)") && !line.contains("write(1, "));
    Run { fired: injected || trace.contains("killed by SIGKILL"), pushed, failed }
}

/// A layout whose tag `v1` names the artifact `old`.
fn old_layout(dir: &Path) -> (PathBuf, Digest) {
    let path = dir.join("layout");
    if path.exists() {
        fs::remove_dir_all(&path).unwrap();
    }
    let layout = Layout::create(&path, &call()).unwrap();
    let old = push(&layout.begin().unwrap(), "old", Some("v1"), None);
    (path, old.digest)
}

/// The tag is old or new and whole, and the same push then succeeds and leaves nothing over.
fn check_and_heal(path: &Path, old: &Digest, must_be_new: bool, what: &str) {
    let layout = Layout::create(path, &call()).unwrap();
    let new = artifact("new", None).0.digest;
    let tagged = layout.resolve(Some("v1"), None).unwrap().unwrap().digest;
    assert!(tagged == new || (tagged == *old && !must_be_new), "{what}");
    assert_eq!(check_whole(&layout), 1, "{what}");
    push(&layout.begin().unwrap(), "new", Some("v1"), None);
    assert_eq!(layout.resolve(Some("v1"), None).unwrap().unwrap().digest, new);
    assert!(left_overs(&layout).is_empty(), "{what}");
}

/// The call by which the C library opens a file.
const OPEN: &str = if cfg!(all(target_env = "musl", target_arch = "x86_64")) { "open" } else { "openat" };

/// The number that a call's count begins with on the child's thread.
fn first(call: &str) -> usize {
    if call == OPEN || call == "write" { PRELUDE + 2 } else { 1 }
}

const FAULTS: &[(&str, &[&str])] = &[
    (OPEN, &["EMFILE", "EACCES", "EINTR"]),
    ("openat2", &["EMFILE", "EINTR", "ENOSYS"]),
    ("write", &["ENOSPC", "EDQUOT", "EINTR"]),
    ("fsync", &["EIO", "EINTR"]),
    ("fdatasync", &["EIO", "ENOSPC"]),
    ("renameat", &["EIO", "EROFS", "ENOSPC"]),
    ("mkdirat", &["ENOSPC", "EROFS"]),
    ("flock", &["EINTR", "ENOLCK"]),
    ("unlinkat", &["EIO"]),
];

/// F-06 and F-29 for a layout: the Nth call fails, for every N of the push. Never is a failure reported as success.
#[test]
fn the_nth_call_fails_and_the_layout_is_old_or_new() {
    let Some(strace) = tool("strace") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut fired = std::collections::BTreeMap::new();
    for (call, errors) in FAULTS {
        for error in *errors {
            for n in first(call).. {
                let (path, old) = old_layout(dir.path());
                let ran = run(&strace, &path, call, &format!("error={error}"), &n.to_string());
                let what = format!("{call} {error} {n}: {:?}", ran.failed.as_ref());
                check_and_heal(&path, &old, ran.pushed, &what);
                if !ran.fired {
                    assert!(ran.pushed || *call == "write", "{what}");
                    break;
                }
                assert!(ran.pushed != ran.failed.is_some(), "{what}");
                if *error == "EINTR" {
                    assert!(ran.pushed, "{what}");
                } else if matches!(*call, "write" | "fsync" | "fdatasync" | "renameat" | "mkdirat") {
                    assert!(ran.failed.is_some_and(|why| why.starts_with("Some(")), "{what}");
                }
                *fired.entry(*call).or_insert(0) += 1;
            }
        }
    }
    for call in [OPEN, "write", "fsync", "fdatasync", "renameat", "flock"] {
        assert!(fired.get(call).is_some_and(|count| *count >= 2), "{call} never failed: {fired:?}");
    }
}

/// F-07 for a layout: every call fails from the first of the push on.
#[test]
fn all_calls_fail_from_now_on() {
    let Some(strace) = tool("strace") else { return };
    let dir = tempfile::tempdir().unwrap();
    for (call, error) in [(OPEN, "EMFILE"), ("fsync", "EIO"), ("fdatasync", "EIO"), ("renameat", "EROFS")] {
        for n in [first(call), first(call) + 1, first(call) + 3] {
            let (path, old) = old_layout(dir.path());
            let ran = run(&strace, &path, call, &format!("error={error}"), &format!("{n}+"));
            assert!(ran.fired || n > first(call), "{call}");
            assert_eq!(ran.fired, ran.failed.is_some(), "{call} {n}");
            check_and_heal(&path, &old, ran.pushed, call);
        }
    }
}

/// F-16 for a layout: killed at every call that changes something.
#[test]
fn killed_at_each_call_and_the_layout_is_old_or_new() {
    let Some(strace) = tool("strace") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut kills = 0;
    for call in [OPEN, "write", "fsync", "fdatasync", "renameat", "mkdirat", "flock", "unlinkat", "close"] {
        for n in first(call).. {
            let (path, old) = old_layout(dir.path());
            let ran = run(&strace, &path, call, "signal=KILL", &n.to_string());
            check_and_heal(&path, &old, ran.pushed, &format!("{call} {n}"));
            if !ran.fired {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills >= 40, "{kills}");
}
