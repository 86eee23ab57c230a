//! Tests that go on in a process of their own: as another user, under a tracer, or to be killed.

use std::ffi::OsString;
use std::fs::File;
use std::process::Command;

/// What a program for another processor is started by.
pub fn runner() -> Option<OsString> {
    std::env::var_os("CLDOCI_TEST_RUNNER")
}

/// The arguments that make a test program run one test. What the test prints comes through.
pub fn arguments(module: &str, test: &str) -> [OsString; 4] {
    let (_, module) = module.split_once("::").unwrap();
    let name = format!("{module}::{test}");
    ["--include-ignored".into(), "--exact".into(), name.into(), "--nocapture".into()]
}

/// This test program, and those arguments: `one(module_path!(), "child_that_pushes")`.
pub fn one(module: &str, test: &str) -> Vec<OsString> {
    let mut words = Vec::from_iter(runner());
    words.push(std::env::current_exe().unwrap().into());
    words.extend(arguments(module, test));
    words
}

/// A command that runs one test of this program.
pub fn command(module: &str, test: &str) -> Command {
    let words = one(module, test);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// Root may read and write everything. A test for whom that is too much begins with this: where it runs as root, it
/// is run again as a user who owns nothing, must pass, and is over.
pub fn passed_as_nobody() -> bool {
    if !rustix::process::geteuid().is_root() {
        return false;
    }
    let nobody = "65534";
    let name = std::thread::current().name().unwrap().to_owned();
    let output = Command::new("setpriv")
        .args(["--reuid", nobody, "--regid", nobody, "--clear-groups"])
        .args(runner())
        // The program may lie where nobody can't go.
        .arg("/proc/self/fd/0")
        .stdin(File::open(std::env::current_exe().unwrap()).unwrap())
        .args(["--exact", &name])
        .current_dir("/")
        .env_remove("TMPDIR")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    true
}
