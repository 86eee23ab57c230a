//! The docker-credential-NAME protocol: `get`, `store`, `erase`. A helper is somebody else's program: it may
//! hang, print without end, or not be there (cases A-20 to A-26).

use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Access, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use zeroize::Zeroizing;

use crate::credential::Credential;
use crate::error::{Error, Kind, Result, printable};
use crate::fs::shown;
use crate::oci::go_json::{Document, Wrong};
use crate::operation::Operation;
use crate::options::{Environment, Secret, Settings};
use crate::os::{self, Spawn, above_standard, pipe};

/// The most that a helper may print (case A-21).
const OUTPUT_LIMIT: usize = 64 << 10;
/// How much is read at once.
const CHUNK: usize = 4096;
/// What helpers print, and exit with 1, when they keep nothing for a server (docker's own text).
const NOT_FOUND: &[u8] = b"credentials not found in native keychain";
/// How long a killed helper may take to be gone.
const KILL_WAIT: Duration = Duration::from_secs(1);
/// How often a cancel is looked for while a helper runs.
const TICK: Duration = Duration::from_millis(50);

/// Runs credential helpers.
pub(super) struct Helpers {
    environment: Environment,
    timeout: Duration,
    /// A helper ends with it at the latest.
    operation: Operation,
}

impl Helpers {
    pub(super) fn new(settings: &Settings) -> Self {
        let (environment, timeout) = (settings.environment().clone(), settings.helper_timeout);
        Self { environment, timeout, operation: Operation::new() }
    }

    /// The same, for as long as this operation goes on.
    pub(super) fn during(&self, operation: &Operation) -> Self {
        Self { environment: self.environment.clone(), timeout: self.timeout, operation: operation.clone() }
    }

    /// The credential that a helper keeps for a server.
    pub(super) fn get(&self, name: &str, server: &str) -> Result<Option<Credential>> {
        let input = line(server)?;
        let output = self.run(name, "get", &input)?;
        match output.status {
            Some(0) => {}
            // Where somebody else reaped the helper only its words are left to go by.
            _ if output.text.trim_ascii().starts_with(NOT_FOUND) => return Ok(None),
            None => {}
            Some(_) => return Err(failed(name, "get", &output.end())),
        }
        let (username, secret) = answer(&output.text).map_err(|what| failed(name, "get", &what))?;
        if username.is_empty() && secret.expose().is_empty() {
            return Ok(None);
        }
        Credential::basic(username, secret).map(Some).map_err(|error| failed(name, "get", error.message()))
    }

    /// Lets a helper keep a credential.
    pub(super) fn store(&self, name: &str, server: &str, username: &str, secret: &Secret) -> Result<()> {
        line(server)?;
        // Written out piece by piece, so that no copy of the secret is left behind unwiped.
        let text = |s: &str| {
            serde_json::to_string(s)
                .map(Zeroizing::new)
                .map_err(|_| failed(name, "store", "the text is not JSON"))
        };
        let input = Zeroizing::new(format!(
            r#"{{"ServerURL":{},"Username":{},"Secret":{}}}"#,
            *text(server)?,
            *text(username)?,
            *text(secret.expose())?
        ));
        self.change(name, "store", input.as_bytes())
    }

    /// Lets a helper forget a server; one that it does not know is no error.
    pub(super) fn erase(&self, name: &str, server: &str) -> Result<()> {
        self.change(name, "erase", &line(server)?)
    }

    fn change(&self, name: &str, verb: &str, input: &[u8]) -> Result<()> {
        let output = self.run(name, verb, input)?;
        match output.status {
            Some(0) | None => Ok(()),
            Some(_) if verb == "erase" && output.text.trim_ascii().starts_with(NOT_FOUND) => Ok(()),
            Some(_) => Err(failed(name, verb, &output.end())),
        }
    }

    fn run(&self, name: &str, verb: &str, input: &[u8]) -> Result<Output> {
        let program = self.find(name)?;
        Child::start(&program, verb, input, &self.environment)
            .map_err(|error| {
                let program = shown(&program);
                failed(name, verb, &format!("{program} can't be run: {}", system(error)))
            })?
            .finish(Instant::now() + self.timeout, &self.operation)
            .map_err(|stop| match stop {
                Stop::Ended(error) => error,
                Stop::Late => failed(
                    name,
                    verb,
                    &format!("gave no answer in {} ms (option helper_timeout_ms)", self.timeout.as_millis()),
                ),
                Stop::TooMuch => failed(name, verb, "printed more than 64 KiB"),
                Stop::System(error) => failed(name, verb, &system(error)),
            })
    }

    /// The program in PATH; what is not absolute there, the working directory above all, is not searched
    /// (case A-24).
    fn find(&self, name: &str) -> Result<PathBuf> {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
            return Err(Error::new(
                Kind::Credentials,
                format!("invalid name of a credential helper '{}'", printable(name)),
            ));
        }
        let file = format!("docker-credential-{name}");
        let mut refused = None;
        let path = self.environment.get("PATH").map(OsString::from).unwrap_or_default();
        for directory in path.as_bytes().split(|b| *b == b':').filter(|d| d.starts_with(b"/")) {
            let program = PathBuf::from(OsString::from_vec(directory.to_vec())).join(&file);
            if !program.is_file() {
                continue;
            }
            match rustix::fs::access(&program, Access::EXEC_OK) {
                Ok(()) => return Ok(program),
                Err(error) => refused = refused.or(Some((program, error))),
            }
        }
        Err(Error::new(
            Kind::Credentials,
            match refused {
                Some((program, error)) => {
                    format!("the credential helper {} can't be run: {}", shown(&program), system(error))
                }
                None => format!("the credential helper {file} is not in PATH"),
            },
        ))
    }
}

/// A server's name as a helper reads it from its input (case A-25).
fn line(server: &str) -> Result<Vec<u8>> {
    match server.chars().any(char::is_control) || server.is_empty() {
        true => Err(Error::new(Kind::Credentials, "a server's name with a control character is refused")),
        false => Ok(server.as_bytes().to_vec()),
    }
}

/// The user name and the secret that a helper printed, read as docker reads them (Q127): further lines are not.
pub(super) fn answer(text: &[u8]) -> std::result::Result<(String, Secret), String> {
    let read = || {
        let Some(document) = Document::read(text)? else { return Ok(None) };
        let fields = document.fields()?;
        Ok(Some((fields.text("Username")?, Secret::new(fields.text("Secret")?))))
    };
    match read() {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err("printed nothing".to_owned()),
        Err(Wrong { line, why }) => Err(format!("printed no credential (line {line}: {why})")),
    }
}

/// What a helper printed is never part of the message (case A-21).
fn failed(name: &str, verb: &str, why: &str) -> Error {
    Error::new(Kind::Credentials, format!("the credential helper docker-credential-{name} ({verb}): {why}"))
}

fn system(error: Errno) -> String {
    let error = Error::io("", std::io::Error::from_raw_os_error(error.raw_os_error()));
    error.message().trim_start_matches(": ").to_owned()
}

struct Output {
    text: Zeroizing<Vec<u8>>,
    /// What it exited with, negative for a signal; `None` where somebody else in the process took it.
    status: Option<i32>,
}

impl Output {
    fn end(&self) -> String {
        match self.status {
            Some(signal) if signal < 0 => format!("was killed by signal {}", -signal),
            Some(code) => format!("failed with status {code}"),
            None => "failed".to_owned(),
        }
    }
}

/// Why a helper was not waited for to the end.
enum Stop {
    Ended(Error),
    Late,
    TooMuch,
    System(Errno),
}

/// A helper that runs; it and its whole process group are killed where its answer was not taken.
struct Child {
    pid: Pid,
    /// Readable once it has ended, also where the host ignores SIGCHLD; `None` on old kernels.
    ended: Option<OwnedFd>,
    output: OwnedFd,
    reaped: bool,
}

impl Child {
    fn start(
        program: &std::path::Path,
        verb: &str,
        input: &[u8],
        environment: &Environment,
    ) -> std::result::Result<Self, Errno> {
        let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| Errno::INVAL);
        let path = text(program.as_os_str().as_bytes())?;
        let mut variables = Vec::new();
        for (name, value) in environment.iter() {
            variables.push(text(&[name.as_bytes(), b"=", value.as_bytes()].concat())?);
        }
        // Filled before anybody can close the other end: a helper that does not read can't cost a SIGPIPE
        // (case A-23).
        let (their_input, our_input) = pipe()?;
        rustix::fs::fcntl_setfl(&our_input, OFlags::NONBLOCK)?;
        if rustix::io::write(&our_input, input)? < input.len() {
            return Err(Errno::TOOBIG);
        }
        drop(our_input);
        let (output, their_output) = pipe()?;
        rustix::fs::fcntl_setfl(&output, OFlags::NONBLOCK)?;
        let null =
            above_standard(rustix::fs::open("/dev/null", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?)?;
        let pid = os::spawn(&Spawn {
            program: &path,
            arguments: &[path.clone(), text(verb.as_bytes())?],
            environment: &variables,
            standard: [their_input.as_fd(), their_output.as_fd(), null.as_fd()],
        })
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let ended = os::ended(pid);
        Ok(Self { pid, ended, output, reaped: false })
    }

    /// Takes what it prints until it has ended. A grandchild that holds the output open is not waited for
    /// (case A-22).
    fn finish(mut self, deadline: Instant, operation: &Operation) -> std::result::Result<Output, Stop> {
        // Room for all from the start: growing would leave copies that are not wiped.
        let mut text = Zeroizing::new(Vec::with_capacity(OUTPUT_LIMIT + CHUNK));
        let mut open = true;
        loop {
            operation.check().map_err(Stop::Ended)?;
            let left = deadline.checked_duration_since(Instant::now()).ok_or(Stop::Late)?;
            let ended = self.wait(left.min(TICK), open)?;
            open = open && self.read(&mut text)?;
            if let Some(status) = ended {
                return Ok(Output { text, status });
            }
        }
    }

    /// Waits for output or the end; what it exited with once it has ended.
    #[allow(clippy::option_option)]
    fn wait(&mut self, at_most: Duration, open: bool) -> std::result::Result<Option<Option<i32>>, Stop> {
        let mut wanted = Vec::new();
        if open {
            wanted.push(PollFd::new(&self.output, PollFlags::IN));
        }
        if let Some(ended) = &self.ended {
            wanted.push(PollFd::new(ended, PollFlags::IN));
        }
        let at_most = Timespec::try_from(at_most).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        match poll(&mut wanted, Some(&at_most)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Stop::System(error)),
        }
        self.try_reap().map_err(Stop::System)
    }

    /// What it exited with, if it has ended. ECHILD: the host ignores SIGCHLD or reaps for itself; then it
    /// has ended, and how is not known.
    #[allow(clippy::option_option)]
    fn try_reap(&mut self) -> std::result::Result<Option<Option<i32>>, Errno> {
        match rustix::process::waitpid(Some(self.pid), WaitOptions::NOHANG) {
            Ok(None) | Err(Errno::INTR) => Ok(None),
            Ok(Some((_, status))) => {
                self.reaped = true;
                Ok(Some(Some(exit(status))))
            }
            Err(Errno::CHILD) => {
                self.reaped = true;
                Ok(Some(None))
            }
            Err(error) => Err(error),
        }
    }

    /// Reads what is there; false once the output is closed.
    fn read(&self, text: &mut Vec<u8>) -> std::result::Result<bool, Stop> {
        let mut chunk = Zeroizing::new([0; CHUNK]);
        loop {
            match rustix::io::read(&self.output, &mut *chunk) {
                Ok(0) => return Ok(false),
                Ok(n) => text.extend_from_slice(chunk.get(..n).unwrap_or_default()),
                Err(Errno::AGAIN) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(error) => return Err(Stop::System(error)),
            }
            if text.len() > OUTPUT_LIMIT {
                return Err(Stop::TooMuch);
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        // Before it is reaped, so that the number is its own still.
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        let deadline = Instant::now() + KILL_WAIT;
        while !self.reaped && Instant::now() < deadline {
            let _ = self.wait(Duration::from_millis(10), false);
        }
    }
}

fn exit(status: WaitStatus) -> i32 {
    status.exit_status().or_else(|| status.terminating_signal().map(|s| -s)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
