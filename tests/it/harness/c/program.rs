//! A C program of the tests, compiled against the public header and the library that cargo built.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{compile, installed, root, started};

/// A program, compiled; the directory goes with it.
pub(crate) struct Program {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

impl Program {
    /// One of `tests/c`.
    pub(crate) fn new(name: &str) -> Self {
        Self::of(&root().join("tests/c").join(format!("{name}.c")))
    }

    pub(crate) fn of(source: &Path) -> Self {
        let directory = installed();
        let path = directory.path().join("program");
        compile(source, &path, directory.path());
        Self { directory, path }
    }

    /// A directory that is gone when the test is.
    pub(crate) fn scratch(&self) -> &Path {
        self.directory.path()
    }

    /// A run under another program.
    pub(crate) fn under(&self, other: &str) -> Command {
        let mut command = Command::new(other);
        command.env("HOME", self.directory.path()).env_remove("XDG_CACHE_HOME");
        command
    }

    /// A run that never reads the developer's own credentials or store.
    pub(crate) fn command(&self) -> Command {
        let mut command = started(&self.path);
        command.env("HOME", self.directory.path()).env_remove("XDG_CACHE_HOME");
        command
    }
}
