//! Processes that work: this test binary again, told what to do by its environment.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use cldoci::Kind;

use super::{ours, stamp, tree};
use crate::harness::child::command;
use crate::harness::ours::layout as at;

const WORK: &str = "CLDOCI_TORTURE_WORK";
/// What a line of a child's begins with; the others are the test harness's.
const MARK: &str = "> ";

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{MARK}{line}").unwrap();
    out.flush().unwrap();
}

/// Waits until the parent says so.
fn wait_for_the_word() {
    say("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
#[ignore = "the other tests run it as a process of its own"]
fn child() {
    let Ok(work) = std::env::var(WORK) else { return };
    let arguments: Vec<&str> = work.split('\n').collect();
    match arguments.as_slice() {
        ["push", store, layout, directory, tag, rounds] => {
            push(Path::new(store), Path::new(layout), Path::new(directory), tag, rounds.parse().unwrap());
        }
        ["pull", store, destination, existing, references @ ..] => {
            pull(Path::new(store), Path::new(destination), existing, references);
        }
        ["pull-once", store, destination, existing, reference] => {
            let ours = ours(Path::new(store));
            wait_for_the_word();
            match ours.given(&[("existing", existing)]).pull(reference, Path::new(destination)) {
                Ok(_) => say("pulled"),
                Err(error) => say(&format!("{:?}: {error}", error.kind())),
            }
        }
        ["cancel", host, room] => super::cancel::all_verbs(host, Path::new(room)),
        ["cancel-large", room] => super::cancel_large::all_shapes(Path::new(room)),
        other => panic!("{other:?}"),
    }
}

/// Builds ever new versions of a tree and pushes each under the tag, with a moving one beside it.
fn push(store: &Path, layout: &Path, directory: &Path, tag: &str, rounds: u32) {
    let ours = ours(store);
    tree(directory, tag);
    say("begins");
    for round in 0..rounds {
        stamp(directory, &format!("{tag}-{round}"));
        let artifact = ours.build(directory).unwrap().artifact();
        say(&format!("built {}", artifact.digest));
        ours.push(&artifact, &at(layout, tag)).unwrap();
        say(&format!("pushed {}", artifact.digest));
        ours.push(&artifact, &at(layout, "moving")).unwrap();
    }
}

/// Pulls one after another, for ever: into one directory, or each into one of its own where that must be new.
fn pull(store: &Path, destination: &Path, existing: &str, references: &[&str]) {
    let ours = ours(store);
    say("begins");
    for (round, reference) in references.iter().cycle().enumerate() {
        let into = match existing {
            "refuse" => destination.with_extension(round.to_string()),
            _ => destination.to_owned(),
        };
        match ours.given(&[("existing", existing)]).pull(reference, &into) {
            Ok(_) => say("pulled"),
            Err(error) if error.kind() == Kind::Busy => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A child, which is reaped with its handle.
pub struct Helper {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Helper {
    /// What a killed one leaves of temporary files lies in `room`.
    pub fn start(room: &Path, arguments: &[&str]) -> Self {
        let mut child = command(module_path!(), "child")
            .arg("--test-threads=1")
            .env(WORK, arguments.join("\n"))
            .env("TMPDIR", room)
            .env("DOCKER_CONFIG", room.join("docker"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { input: child.stdin.take(), child, lines }
    }

    /// The next thing it says; none once it has ended.
    pub fn next(&mut self) -> Option<String> {
        loop {
            let line = self.lines.next()?.unwrap();
            if let Some(said) = line.strip_prefix(MARK) {
                return Some(said.to_owned());
            }
        }
    }

    /// Waits until it says this.
    pub fn until(&mut self, word: &str) {
        loop {
            let said = self.next().expect("the child has ended");
            if said == word {
                return;
            }
        }
    }

    /// What a child that waits for the word waits for.
    pub fn go(&mut self) {
        writeln!(self.input.as_mut().unwrap(), "go").unwrap();
    }

    /// SIGKILL; what it had said until then.
    pub fn kill(mut self) -> Vec<String> {
        assert!(self.child.try_wait().unwrap().is_none(), "the child ended before it was killed");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::iter::from_fn(|| self.next()).collect()
    }

    /// Waits for its end, which must be a good one; what it said.
    pub fn finish(mut self) -> Vec<String> {
        let said = std::iter::from_fn(|| self.next()).collect();
        assert!(self.child.wait().unwrap().success(), "{said:?}");
        said
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
