//! C programs that know nothing but the public header (`tests/c`), each run as its own process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of tests may panic"
)]

mod support;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use support::{compile, functions, installed, root, run};

/// A program of `tests/c`, compiled; the directory goes with it.
struct Program {
    directory: tempfile::TempDir,
    path: PathBuf,
}

impl Program {
    fn new(name: &str) -> Self {
        Self::of(&root().join("tests/c").join(format!("{name}.c")))
    }

    fn of(source: &std::path::Path) -> Self {
        let directory = installed();
        let path = directory.path().join("program");
        compile(source, &path, directory.path());
        Self { path, directory }
    }

    /// A directory that is gone when the test is.
    fn scratch(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// A run that never reads the developer's own credentials or store.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.env("HOME", self.directory.path()).env_remove("XDG_CACHE_HOME");
        command
    }
}

/// each pointer of each function NULL in turn, the others as good as can be.
#[test]
fn x_01_a_null_for_every_pointer_of_every_function() {
    let mut calls = String::new();
    let mut count = 0;
    for function in functions() {
        let pointers: Vec<_> = (0..function.parameters.len())
            .filter(|at| {
                let kind = &function.parameters[*at].0;
                kind.ends_with('*')
                    || kind.contains("callback")
                    || kind.contains("finalizer")
                    || kind.contains("reader")
            })
            .collect();
        // All NULL, and each alone NULL.
        for null in std::iter::once(None).chain(pointers.iter().copied().map(Some)) {
            let mut arguments = Vec::new();
            let mut outputs = Vec::new();
            for (at, (kind, _)) in function.parameters.iter().enumerate() {
                let pointer = pointers.contains(&at);
                arguments.push(match kind.as_str() {
                    _ if pointer && (null.is_none() || null == Some(at)) => "NULL".to_owned(),
                    "const char *" => "\"text\"".to_owned(),
                    "const uint8_t *" => "(const uint8_t *)\"bytes\"".to_owned(),
                    "size_t *" => "&number".to_owned(),
                    "int32_t *" => "&number32".to_owned(),
                    "cldoci_progress *" => "&progress".to_owned(),
                    "cldoci_counters *" => "&counters".to_owned(),
                    "void *" => "&number".to_owned(),
                    "struct cldoci_error **" | "cldoci_error **" => "&error".to_owned(),
                    // Outputs hold garbage before the call; it must be gone after it.
                    _ if kind.ends_with("**") => {
                        outputs.push(at);
                        format!("({kind})&out[{at}]")
                    }
                    "cldoci_progress_callback" if pointer => "callback".to_owned(),
                    "cldoci_log_callback" if pointer => "log_line".to_owned(),
                    "cldoci_reader" if pointer => "reader".to_owned(),
                    "cldoci_finalizer" if pointer => "finalizer".to_owned(),
                    // A handle: of the right type where there is one, else of a wrong one.
                    _ if pointer => format!("({kind})handle_for(\"{}\")", kind.replace("const ", "")),
                    _ => "0".to_owned(),
                });
            }
            let fresh = outputs.iter().map(|at| format!(" out[{at}] = (void *)8;")).collect::<String>();
            let check = outputs
                .iter()
                .map(|at| format!(" check_output(out[{at}], \"{}\");", function.name))
                .collect::<String>();
            let call = format!("{}({})", function.name, arguments.join(", "));
            let call = if function.returns == "cldoci_status" && function.parameters.len() > 1 {
                format!("check_status({call}, \"{}\", {})", function.name, null.is_none())
            } else {
                format!("(void){call}")
            };
            writeln!(calls, "  error = NULL;{fresh} {call};{check} cldoci_error_free(error);").unwrap();
            count += 1;
        }
    }
    assert!(count > 300);
    let template = std::fs::read_to_string(root().join("tests/c/null_args.c")).unwrap();
    let generated = tempfile::tempdir().unwrap();
    let source = generated.path().join("null_args.c");
    std::fs::write(&source, template.replace("/* CALLS */", &calls)).unwrap();
    let program = Program::of(&source);
    run(&mut program.command());
}

#[test]
fn x_05_x_06_x_12_handles() {
    run(&mut Program::new("handles").command());
}

#[test]
fn options_by_name_and_by_function() {
    run(&mut Program::new("options").command());
}

#[test]
fn x_02_artifacts_and_configs_by_hand() {
    let program = Program::new("builder");
    run(program.command().arg(program.scratch()));
}

#[test]
fn x_07_x_08_x_09_x_13_operations() {
    run(&mut Program::new("operations").command());
}

#[test]
fn a_thousand_operations_in_64_threads_and_256_descriptors() {
    let program = Program::new("thousand");
    std::fs::create_dir(program.scratch().join("tree")).unwrap();
    std::fs::write(program.scratch().join("tree/file"), "content").unwrap();
    let output = run(program.command().arg(program.scratch()));
    println!("{}", String::from_utf8_lossy(&output.stdout));
}
