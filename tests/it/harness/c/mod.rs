//! What the tests of the C interface share: the header, the library as cargo built it, a C compiler.

pub(crate) mod calls;
pub(crate) mod program;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The public header.
pub(crate) fn header() -> String {
    std::fs::read_to_string(root().join("include/cldoci.h")).unwrap()
}

/// The shared library that cargo built beside this test.
pub(crate) fn library() -> PathBuf {
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
    for name in ["libcldoci.so", &soname()] {
        std::os::unix::fs::symlink(library(), directory.path().join(name)).unwrap();
    }
    directory
}

/// The soname that the header promises.
pub(crate) fn soname() -> String {
    let header = header();
    let abi = header.lines().find_map(|line| line.strip_prefix("#define CLDOCI_ABI_VERSION ")).unwrap();
    format!("libcldoci.so.{abi}")
}

/// Compiles one C program against the public header and the library in `installed`.
pub(crate) fn compile(source: &Path, program: &Path, installed: &Path) {
    run(Command::new("cc")
        .args([
            "-std=c11",
            "-D_GNU_SOURCE",
            "-Wall",
            "-Wextra",
            "-pedantic",
            "-Werror",
            "-g",
            "-pthread",
            "-o",
        ])
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

/// Every function that the header declares.
pub(crate) fn functions() -> Vec<Function> {
    let header = header();
    let mut functions = Vec::new();
    for block in header.split("\n/**\n").skip(1) {
        let Some((comment, rest)) = block.split_once(" */\n") else { continue };
        let Some((declaration, _)) = rest.split_once(';') else { continue };
        let declaration = declaration.split_whitespace().collect::<Vec<_>>().join(" ");
        if declaration.starts_with("typedef") || declaration.starts_with('#') {
            continue;
        }
        let (head, parameters) = declaration.split_once('(').unwrap();
        let split = |text: &str| {
            let at = text.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap() + 1;
            (text[..at].trim().to_owned(), text[at..].to_owned())
        };
        let (returns, name) = split(head);
        let parameters = parameters.trim_end_matches(')');
        let parameters = if parameters == "void" {
            Vec::new()
        } else {
            parameters.split(',').map(|parameter| split(parameter.trim())).collect()
        };
        let text =
            comment.lines().map(|line| line.trim_start_matches(" *").trim()).collect::<Vec<_>>().join("\n");
        functions.push(Function { name, returns, parameters, text });
    }
    functions
}
