//! What the tests of the C interface share: the header, the library as cargo built it, a C compiler. With
//! `CLDOCI_TEST_C_LIBRARY` and the like (scripts/test-c.sh) the programs are another target's.

pub(crate) mod calls;
pub(crate) mod program;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The public header.
pub(crate) fn header() -> String {
    std::fs::read_to_string(root().join("include/cldoci.h")).unwrap()
}

/// What scripts/test-c.sh says of the programs of another target; empty here.
fn said(name: &str) -> Vec<String> {
    let said = std::env::var(format!("CLDOCI_TEST_C_{name}")).unwrap_or_default();
    said.split_whitespace().map(str::to_owned).collect()
}

/// Where another target's library is, with its static form or its soname.
fn of_another_target() -> Option<PathBuf> {
    std::env::var_os("CLDOCI_TEST_C_LIBRARY").map(PathBuf::from)
}

/// The shared library that cargo built beside this test, or another target's.
pub(crate) fn library() -> PathBuf {
    if let Some(directory) = of_another_target() {
        return directory.join("libcldoci.so");
    }
    let here = std::env::current_exe().unwrap();
    let deps = here.parent().unwrap();
    [deps.join("libcldoci.so"), deps.parent().unwrap().join("libcldoci.so")]
        .into_iter()
        .find(|path| path.exists())
        .expect("cargo built no libcldoci.so")
}

/// A directory with the library under its soname, as an installed one is.
pub(crate) fn installed() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, directory.path().join(name)).unwrap();
    if library().exists() {
        link(&library(), "libcldoci.so");
        link(&library(), &soname());
    } else {
        link(&library().with_extension("a"), "libcldoci.a");
    }
    directory
}

/// Whether the library panics where `CLDOCI_FAILPOINT` asks for it: a debug build alone does.
pub(crate) fn has_failpoint() -> bool {
    if of_another_target().is_none() {
        return cfg!(debug_assertions);
    }
    let installed = installed();
    Command::new("grep").args(["-Rqs", "CLDOCI_FAILPOINT"]).arg(installed.path()).status().unwrap().success()
}

/// By how much all takes longer there, under qemu.
pub(crate) fn slowness() -> u32 {
    said("SLOWNESS").first().map_or(1, |times| times.parse().unwrap())
}

/// A command that runs a program of C, in whatever way its target needs.
pub(crate) fn started(program: &Path) -> Command {
    match said("RUNNER").split_first() {
        Some((runner, arguments)) => {
            let mut command = Command::new(runner);
            command.args(arguments).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// The soname that the header promises.
pub(crate) fn soname() -> String {
    let header = header();
    let abi = header.lines().find_map(|line| line.strip_prefix("#define CLDOCI_ABI_VERSION ")).unwrap();
    format!("libcldoci.so.{abi}")
}

/// The C compiler.
pub(crate) fn compiler() -> Command {
    let said = said("COMPILER");
    let (name, more) = said.split_first().map_or(("cc", &[][..]), |(name, more)| (name, more));
    let mut compiler = Command::new(name);
    compiler.args(more);
    compiler
}

/// Compiles one C program against the public header and the library in `installed`.
pub(crate) fn compile(source: &Path, program: &Path, installed: &Path) {
    compile_by(compiler(), "c11", source, program, installed);
}

/// The same for any compiler and standard.
pub(crate) fn compile_by(
    mut compiler: Command,
    standard: &str,
    source: &Path,
    program: &Path,
    installed: &Path,
) {
    run(compiler
        .arg(format!("-std={standard}"))
        .args(["-D_GNU_SOURCE", "-Wall", "-Wextra", "-pedantic", "-Werror", "-g", "-pthread", "-o"])
        .arg(program)
        .arg(source)
        .arg("-I")
        .arg(root().join("include"))
        .arg("-I")
        .arg(root().join("tests/c"))
        .arg(format!("-L{}", installed.display()))
        .arg(format!("-Wl,-rpath,{}", installed.display()))
        .args(["-lcldoci", "-ldl"]));
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// One function of the header.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) returns: String,
    /// Type and name of each parameter.
    pub(crate) parameters: Vec<(String, String)>,
    /// The comment before it, without its stars.
    pub(crate) text: String,
}

/// Every function that the header declares, as `build.rs` reads it.
pub(crate) fn functions() -> &'static [Function] {
    static FUNCTIONS: LazyLock<Vec<Function>> = LazyLock::new(|| {
        let list = std::fs::read(Path::new(env!("OUT_DIR")).join("functions.json")).unwrap();
        let list: serde_json::Value = serde_json::from_slice(&list).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let pair = |pair: &serde_json::Value| (text(&pair[0]), text(&pair[1]));
        let functions = list["functions"].as_object().unwrap().iter().map(|(name, function)| Function {
            name: name.clone(),
            returns: text(&function["returns"]),
            parameters: function["parameters"].as_array().unwrap().iter().map(pair).collect(),
            text: text(&function["text"]),
        });
        functions.collect()
    });
    &FUNCTIONS
}

/// The function of this name.
pub(crate) fn function(name: &str) -> &'static Function {
    functions().iter().find(|f| f.name == name).unwrap_or_else(|| panic!("the header has no {name}"))
}
