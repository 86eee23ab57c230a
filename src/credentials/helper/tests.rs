use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;
use crate::options::Options;

/// Writes a helper. A child does the writing: while a descriptor of ours was open for it, the fork of
/// another test could keep the file busy.
fn write(directory: &Path, name: &str, script: &str) {
    let mut shell = Command::new("/bin/sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(directory.join(format!("docker-credential-{name}")))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{script}\n").as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success());
}

struct Bench {
    directory: tempfile::TempDir,
    timeout: &'static str,
}

impl Bench {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), timeout: "10000" }
    }

    fn helpers(&self) -> Helpers {
        self.helpers_of(&Operation::new())
    }

    fn helpers_of(&self, operation: &Operation) -> Helpers {
        let mut options = Options::new();
        options.set("helper_timeout_ms", self.timeout).unwrap();
        let directory = self.directory.path().to_str().unwrap();
        let path = format!("{directory}:/usr/bin:/bin");
        let environment = Environment::of([("PATH", path.as_str()), ("DIR", directory), ("MARK", "1")]);
        Helpers::new(&Settings::for_client(&options, environment).unwrap()).during(operation)
    }

    fn get(&self, script: &str) -> Result<Option<Credential>> {
        write(self.directory.path(), "t", script);
        self.helpers().get("t", "reg.test")
    }

    fn error(&self, script: &str) -> String {
        let error = self.get(script).unwrap_err();
        assert_eq!(error.kind(), Kind::Credentials, "{error}");
        assert!(!error.message().contains("canary"), "{error}");
        error.message().to_owned()
    }
}

fn basic(username: &str, password: &str) -> Option<Credential> {
    Some(Credential::basic(username, Secret::new(password)).unwrap())
}

#[test]
fn a_helper_is_asked_and_answers() {
    let bench = Bench::new();
    let script = r#"read server; printf '{"ServerURL":"%s","Username":"%s","Secret":"%s","x":1}' "$server" "$1-$MARK" "$server""#;
    assert_eq!(bench.get(script).unwrap(), basic("get-1", "reg.test"));
    let token = bench.get(r#"echo '{"Username":"<token>","Secret":"t"}'"#).unwrap();
    assert_eq!(token, Some(Credential::identity_token("", Secret::new("t")).unwrap()));
    assert_eq!(bench.get(r#"echo '{"Username":"","Secret":""}'"#).unwrap(), None);
}

#[test]
fn a_20_not_found_is_none() {
    let bench = Bench::new();
    assert_eq!(bench.get("echo 'credentials not found in native keychain'; exit 1").unwrap(), None);
}

#[test]
fn a_20_a_helper_that_fails_is_an_error_that_names_it() {
    let bench = Bench::new();
    let message = bench.error("echo canary; echo canary >&2; exit 1");
    assert!(message.contains("docker-credential-t (get): failed with status 1"), "{message}");
    assert!(bench.error("kill -9 $$").contains("killed by signal 9"));
    assert!(bench.error("exit 0").contains("printed nothing"));
    let error = bench.helpers().get("absent", "reg.test").unwrap_err();
    assert!(error.message().contains("docker-credential-absent is not in PATH"), "{error}");
    std::fs::write(bench.directory.path().join("docker-credential-plain"), "").unwrap();
    let error = bench.helpers().get("plain", "reg.test").unwrap_err();
    assert!(error.message().contains("docker-credential-plain can't be run: Permission denied"), "{error}");
    write(bench.directory.path(), "bad", "");
    let bad = bench.directory.path().join("docker-credential-bad");
    std::fs::write(&bad, "#!/nonexistent/interpreter\n").unwrap();
    let error = bench.helpers().get("bad", "reg.test").unwrap_err();
    assert!(error.message().contains("No such file"), "{error}");
}

#[test]
fn a_21_garbage_is_an_error_and_is_not_shown() {
    let bench = Bench::new();
    for script in [
        "echo canary",
        r#"echo '{"Username":5}'"#,
        r#"echo 'canary {"Username":"u","Secret":"s"}'"#,
        r#"printf '\357\273\277{"Username":"u","Secret":"s"}'"#,
        r#"echo '["canary"]'"#,
        r#"echo '{"Username":"u","Secret":{"canary":1}}'"#,
        r#"printf '{"Username":"canary:x","Secret":"y"}'"#,
        r#"printf '{"Username":"u","Secret":"canary\\r\\nX-Evil: 1"}'"#,
    ] {
        bench.error(script);
    }
}

#[test]
fn q127_a_21_an_answer_is_read_as_docker_reads_it() {
    let bench = Bench::new();
    for script in [
        r#"echo '{"Username":"u","Secret":"p"}'; echo 'a new version is there'"#,
        r#"printf '\n\n {"username":"u","SECRET":"p","x":[1]}{"Secret":"canary"}'"#,
        r#"echo '{"Username":"canary","Secret":"canary","Username":"u","secret":"p","Secret":null}'"#,
    ] {
        assert_eq!(bench.get(script).unwrap(), basic("u", "p"), "{script}");
    }
    for script in ["echo null", "echo '{}'", r#"echo '{"Username":null}'"#] {
        assert_eq!(bench.get(script).unwrap(), None, "{script}");
    }
    let message = bench.error(r#"printf '\357\273\277{"Username":"u","Secret":"s"}'"#);
    assert!(message.contains("printed no credential (line 1: it begins with a byte order mark"), "{message}");
}

#[test]
fn a_21_endless_output_is_cut_off() {
    let bench = Bench::new();
    let started = Instant::now();
    let message = bench.error("exec cat /dev/zero");
    assert!(message.contains("more than 64 KiB"), "{message}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_22_a_helper_that_hangs_is_killed_with_its_group() {
    let bench = Bench { timeout: "300", ..Bench::new() };
    for script in [
        "echo $$ > $DIR/pid; sleep 60",
        "trap '' TERM INT HUP; echo $$ > $DIR/pid; sleep 60; sleep 60",
        "sleep 60 & echo $! > $DIR/pid; wait",
    ] {
        let started = Instant::now();
        let message = bench.error(script);
        assert!(message.contains("300 ms (option helper_timeout_ms)"), "{message}");
        assert!(started.elapsed() < Duration::from_secs(3));
        let pid: i32 =
            std::fs::read_to_string(bench.directory.path().join("pid")).unwrap().trim().parse().unwrap();
        assert!(gone(pid), "{script} left {pid}");
    }
}

/// Whether a process has ended; one that nobody has reaped yet counts.
fn gone(pid: i32) -> bool {
    for _ in 0..100 {
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Err(_) => return true,
            Ok(stat) if stat.rsplit(") ").next().is_some_and(|s| s.starts_with('Z')) => return true,
            Ok(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    false
}

#[test]
fn a_22_a_grandchild_that_holds_the_output_is_not_waited_for() {
    let bench = Bench::new();
    let started = Instant::now();
    let script = r#"sleep 60 & echo $! > $DIR/pid; echo '{"Username":"u","Secret":"p"}'"#;
    assert_eq!(bench.get(script).unwrap(), basic("u", "p"));
    assert!(started.elapsed() < Duration::from_secs(5));
    let pid: i32 =
        std::fs::read_to_string(bench.directory.path().join("pid")).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn f_25_a_cancel_ends_a_helper_that_hangs() {
    let bench = Bench::new();
    write(bench.directory.path(), "t", "sleep 60");
    let operation = Operation::new();
    let canceller = operation.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        canceller.cancel();
    });
    let started = Instant::now();
    let error = bench.helpers_of(&operation).get("t", "reg.test").unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
    assert!(started.elapsed() < Duration::from_millis(1200));
    thread.join().unwrap();
}

#[test]
fn a_23_a_helper_that_does_not_read_costs_nothing() {
    let bench = Bench::new();
    let script = r#"exec <&-; echo '{"Username":"u","Secret":"p"}'"#;
    assert_eq!(bench.get(script).unwrap(), basic("u", "p"));
}

#[test]
fn a_24_names_are_checked_and_the_working_directory_is_not_searched() {
    let bench = Bench::new();
    for name in ["../../tmp/evil", "x y", "", "/bin/sh", "a/b", "a\0b", "a;b", "ü"] {
        let error = bench.helpers().get(name, "reg.test").unwrap_err();
        assert_eq!(error.kind(), Kind::Credentials);
        assert!(error.message().contains("invalid name of a credential helper"), "{error}");
    }
    // There is one by way of the working directory, and it is not taken.
    write(bench.directory.path(), "t", r#"echo '{"Username":"u","Secret":"p"}'"#);
    let here = std::env::current_dir().unwrap();
    let up = "../".repeat(here.components().count() - 1);
    let relative = format!("{up}{}", bench.directory.path().strip_prefix("/").unwrap().display());
    assert!(std::path::Path::new(&relative).join("docker-credential-t").exists());
    assert!(bench.helpers().get("t", "reg.test").is_ok(), "the twin: by an absolute path");
    for path in ["", ".", ":", "relative:.:", "./x", &relative] {
        let settings = Settings::for_client(&Options::new(), Environment::of([("PATH", path)])).unwrap();
        let error = Helpers::new(&settings).get("t", "reg.test").unwrap_err();
        assert!(error.message().contains("not in PATH"), "{path}: {error}");
    }
}

#[test]
fn a_25_a_server_with_a_line_break_is_refused() {
    let bench = Bench::new();
    write(bench.directory.path(), "t", "touch $DIR/ran");
    for server in ["a\nb", "a\r", "a\0", ""] {
        let error = bench.helpers().get("t", server).unwrap_err();
        assert!(error.message().contains("refused"), "{error}");
        let store = bench.helpers().store("t", server, "u", &Secret::new("p"));
        assert!(store.is_err());
    }
    assert!(!bench.directory.path().join("ran").exists());
}

#[test]
fn store_and_erase_speak_the_protocol() {
    let bench = Bench::new();
    write(
        bench.directory.path(),
        "t",
        "cat > $DIR/$1; [ $1 = store ] || { echo 'credentials not found in native keychain'; exit 1; }",
    );
    let helpers = bench.helpers();
    helpers.store("t", "reg.test", "u\"", &Secret::new("p\\€")).unwrap();
    let stored: serde_json::Value =
        serde_json::from_slice(&std::fs::read(bench.directory.path().join("store")).unwrap()).unwrap();
    assert_eq!(stored, serde_json::json!({"ServerURL":"reg.test","Username":"u\"","Secret":"p\\€"}));
    helpers.erase("t", "reg.test").unwrap();
    assert_eq!(std::fs::read(bench.directory.path().join("erase")).unwrap(), b"reg.test");
    write(bench.directory.path(), "t", "exit 3");
    let error = helpers.store("t", "reg.test", "u", &Secret::new("canary")).unwrap_err();
    assert!(error.message().contains("(store): failed with status 3"), "{error}");
    assert!(helpers.erase("t", "reg.test").is_err());
}

#[test]
fn a_helper_inherits_no_descriptor_and_no_signal_mask() {
    let bench = Bench::new();
    // One that the host forgot to mark, far from the numbers that a shell uses itself.
    let leaked = rustix::io::fcntl_dupfd_cloexec(std::fs::File::open("/dev/null").unwrap(), 500).unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let script = r#"ls /proc/$$/fd > $DIR/fds; grep -E 'SigBlk|SigIgn' /proc/self/status > $DIR/signals
        echo "$(cut -d' ' -f5 /proc/$$/stat) $$" > $DIR/group
        echo '{"Username":"u","Secret":"p"}'"#;
    assert_eq!(bench.get(script).unwrap(), basic("u", "p"));
    drop(leaked);
    let file = |name| std::fs::read_to_string(bench.directory.path().join(name)).unwrap();
    let open: Vec<u32> = file("fds").lines().map(|l| l.parse().unwrap()).collect();
    assert!(open.iter().all(|n| *n < 500) && [0, 1, 2].iter().all(|n| open.contains(n)), "{open:?}");
    for line in file("signals").lines() {
        let mask = u64::from_str_radix(line.rsplit('\t').next().unwrap(), 16).unwrap();
        // glibc's own two (32 and 33) don't count.
        assert_eq!(mask & !(3 << 31), 0, "{line}");
    }
    let group = file("group");
    let (group, pid) = group.trim().split_once(' ').unwrap();
    assert_eq!(group, pid);
}
