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

    /// A run under another program.
    fn under(&self, other: &str) -> Command {
        let mut command = Command::new(other);
        command.env("HOME", self.directory.path()).env_remove("XDG_CACHE_HOME");
        command
    }

    /// A run that never reads the developer's own credentials or store.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.env("HOME", self.directory.path()).env_remove("XDG_CACHE_HOME");
        command
    }
}

/// The page's own program, as a newcomer would copy it.
#[test]
fn the_first_program_of_the_header_runs() {
    let header = support::header();
    let page = header.split("A first program").nth(1).unwrap().split("Linking").next().unwrap();
    let source: String = page
        .lines()
        .filter_map(|line| line.strip_prefix(" *     "))
        .map(|line| format!("{line}\n"))
        .collect();
    let generated = tempfile::tempdir().unwrap();
    let path = generated.path().join("first.c");
    std::fs::write(&path, source).unwrap();
    let program = Program::of(&path);
    tree(&program);
    let at = |name: &str| program.scratch().join(name);
    let output = run(program.command().arg(at("tree")).arg(at("layout")).arg(at("pulled")));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("sha256:"));
    assert_eq!(std::fs::read(at("tree/file")).unwrap(), std::fs::read(at("pulled/file")).unwrap());
}

/// each pointer of each function NULL in turn, the others as good as can be.
#[test]
fn x_01_x_03_x_17_a_null_for_every_pointer_and_a_panic_in_every_function() {
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
                if pointers.contains(&at) && (null.is_none() || null == Some(at)) {
                    arguments.push("NULL".to_owned());
                    continue;
                }
                // Outputs hold garbage before the call; it must be gone after it.
                if kind.ends_with("**") && !kind.contains("cldoci_error") {
                    outputs.push(at);
                }
                arguments.push(argument(kind, at));
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
    let output = run(&mut null_args(&calls).command());
    assert!(output.stderr.is_empty() && output.stdout.is_empty());

    // the same calls where each panics inside. Debug builds alone have the failpoint.
    if cfg!(debug_assertions) {
        let output = run(null_args(&calls).command().env("CLDOCI_FAILPOINT", "panic"));
        assert!(
            output.stderr.is_empty(),
            "a caught panic printed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// A usable argument of this type, in the words of `null_args.c`.
fn argument(kind: &str, at: usize) -> String {
    match kind {
        "const char *" => "\"text\"".to_owned(),
        "const uint8_t *" => "(const uint8_t *)\"bytes\"".to_owned(),
        "size_t *" | "void *" => "&number".to_owned(),
        "int32_t *" => "&number32".to_owned(),
        "cldoci_progress *" => "&progress".to_owned(),
        "cldoci_counters *" => "&counters".to_owned(),
        "cldoci_error **" => "&error".to_owned(),
        "cldoci_progress_callback" => "callback".to_owned(),
        "cldoci_credential_callback" => "credential".to_owned(),
        "cldoci_log_callback" => "log_line".to_owned(),
        "cldoci_reader" => "reader".to_owned(),
        "cldoci_finalizer" => "finalizer".to_owned(),
        _ if kind.ends_with("**") => format!("({kind})&out[{at}]"),
        // A handle: of the right type where there is one, else of a wrong one.
        _ if kind.ends_with('*') => format!("({kind})handle_for(\"{}\")", kind.replace("const ", "")),
        _ => "0".to_owned(),
    }
}

/// A call of this function with usable arguments but for the one at `at`.
fn call_with(function: &support::Function, at: usize, instead: &str) -> String {
    let arguments = function
        .parameters
        .iter()
        .enumerate()
        .map(|(other, (kind, _))| if other == at { instead.to_owned() } else { argument(kind, other) });
    format!("{}({})", function.name, arguments.collect::<Vec<_>>().join(", "))
}

#[test]
fn x_03_unaligned_outputs() {
    let mut calls = String::new();
    let mut count = 0;
    for function in functions() {
        for (at, (kind, _)) in function.parameters.iter().enumerate() {
            let written = ["size_t *", "int32_t *", "cldoci_progress *", "cldoci_counters *"];
            if !kind.ends_with("**") && !written.contains(&kind.as_str()) {
                continue;
            }
            let call = call_with(&function, at, &format!("({kind})(void *)(unaligned + 1)"));
            // A struct is filled last, when a handle of another type was refused already (misuse.c has the rest).
            let refused = match function.returns.as_str() {
                "cldoci_status" if kind.starts_with("cldoci_") && !kind.ends_with("**") => {
                    format!("{call} < 0")
                }
                "cldoci_status" => format!("{call} == CLDOCI_ERROR_ARGUMENT"),
                _ => format!("((void){call}, 1)"),
            };
            writeln!(
                calls,
                "  error = NULL; check_unwritten({refused}, \"{}\", {at}); cldoci_error_free(error);",
                function.name
            )
            .unwrap();
            count += 1;
        }
    }
    assert!(count > 150, "{count}");
    run(&mut null_args(&calls).command());
}

/// numbers that no choice, switch or count has.
#[test]
fn x_11_integers_out_of_range() {
    let header = support::header();
    let mut calls = String::new();
    let (mut switches, mut numbers) = (0, 0);
    for function in functions() {
        for (at, (kind, name)) in function.parameters.iter().enumerate() {
            let values: &[&str] = match kind.as_str() {
                "int32_t" | "cldoci_status" => {
                    &["INT32_MIN", "-1", "0", "1", "2", "3", "4", "5", "INT32_MAX"]
                }
                "int64_t" => &["INT64_MIN", "-1", "0", "1", "INT64_MAX"],
                // A size of bytes is the caller's word for what can be read.
                "size_t" if !name.ends_with("size") => &["0", "1", "(size_t)PTRDIFF_MAX + 1", "SIZE_MAX"],
                _ => continue,
            };
            let option = function.name.strip_prefix("cldoci_options_set_").filter(|_| name == "value");
            for value in values {
                let call = call_with(&function, at, value);
                let check = match (option, kind.as_str()) {
                    (Some(option), "int32_t") => {
                        switches += 1;
                        let constant = format!("#define CLDOCI_{}_", option.to_uppercase());
                        let known = header.lines().filter(|line| line.starts_with(&constant)).count().max(2);
                        let fits = value.parse::<usize>().is_ok_and(|value| value < known);
                        let status = if fits { "CLDOCI_OK" } else { "CLDOCI_ERROR_ARGUMENT" };
                        format!("check_is({call}, {status}, \"{option} = {value}\")")
                    }
                    (Some(option), _) => {
                        numbers += 1;
                        format!("check_number({call}, {value}, \"{option}\")")
                    }
                    _ if function.returns == "cldoci_status" => {
                        format!("check_status({call}, \"{}\", 0)", function.name)
                    }
                    _ => format!("(void){call}"),
                };
                writeln!(calls, "  error = NULL; {check}; cldoci_error_free(error);").unwrap();
            }
        }
    }
    assert!(switches > 150 && numbers > 80, "{switches} {numbers}");
    run(&mut null_args(&calls).command());
}

/// The program of `null_args.c` with these calls.
fn null_args(calls: &str) -> Program {
    let template = std::fs::read_to_string(root().join("tests/c/null_args.c")).unwrap();
    let generated = tempfile::tempdir().unwrap();
    let source = generated.path().join("null_args.c");
    std::fs::write(&source, template.replace("/* CALLS */", calls)).unwrap();
    Program::of(&source)
}

#[test]
fn x_05_x_06_x_12_handles() {
    run(Program::new("handles").command().arg("1000000"));
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

#[test]
fn x_14_x_15_x_19_callbacks() {
    run(&mut Program::new("callbacks").command());
}

#[test]
fn x_25_fork() {
    run(&mut Program::new("fork").command());
}

#[test]
fn a_credential_callback_is_asked_when_the_registry_demands_it() {
    run(&mut Program::new("credential").command());
}

/// A tree to build from.
fn tree(program: &Program) {
    std::fs::create_dir(program.scratch().join("tree")).unwrap();
    std::fs::write(program.scratch().join("tree/file"), vec![b'x'; 3 << 20]).unwrap();
}

#[test]
fn x_20_x_24_x_27_guest() {
    let program = Program::new("guest");
    tree(&program);
    run(program.command().arg(program.scratch()));
}

#[test]
fn x_27_closed_standard_descriptors() {
    let program = Program::new("guest");
    tree(&program);
    run(program.command().arg(program.scratch()).env("CLOSE_STANDARD", "1"));
}

#[test]
fn x_03_x_04_misuse() {
    let program = Program::new("misuse");
    run(program.command().arg(program.scratch()));
}

#[test]
fn x_27_environment() {
    let program = Program::new("environment");
    tree(&program);
    run(program.command().env_remove("CLDOCI_STORE").arg(program.scratch()));
}

#[test]
fn x_27_umask_locale_limits_and_descriptors_closed_by_the_host() {
    let program = Program::new("limits");
    run(program.command().arg(program.scratch()));
}

#[test]
fn x_26_loaded_and_unloaded_a_thousand_times_and_twice_at_once() {
    let directory = installed();
    let program = directory.path().join("program");
    run(Command::new("cc")
        .args(["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-pthread", "-I"])
        .arg(root().join("include"))
        .arg(root().join("tests/c/dlopen.c"))
        .args(["-ldl", "-o"])
        .arg(&program));
    let copy = directory.path().join("another-version.so");
    std::fs::copy(support::library(), &copy).unwrap();
    run(Command::new(&program).arg(support::library()).arg(copy).env("HOME", directory.path()));
}

/// nothing that changes the host's process, seen from outside.
#[test]
fn x_29_a_good_guest_under_strace() {
    let program = Program::new("guest");
    tree(&program);
    let log = program.scratch().join("strace");
    let calls =
        "rt_sigaction,umask,chdir,fchdir,exit,exit_group,write,writev,kill,tgkill,tkill,prctl,setrlimit";
    run(program
        .under("strace")
        .args(["-f", "-qq", "-e", "signal=none", "-e", &format!("trace={calls}"), "-o"])
        .arg(&log)
        .arg(&program.path)
        .arg(program.scratch()));
    let log = std::fs::read_to_string(log).unwrap();
    let host = log.lines().next().and_then(|line| line.split_whitespace().next()).unwrap();
    let mut of_the_library = 0;
    for line in log.lines() {
        let (thread, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        if thread == host || call.starts_with("<...") {
            continue;
        }
        of_the_library += 1;
        let names_thread = call.starts_with("prctl(PR_SET_NAME");
        let own_end = call.starts_with("exit(0");
        let to_a_file_of_ours = (call.starts_with("write(") || call.starts_with("writev("))
            && !["(0,", "(1,", "(2,"].iter().any(|fd| call.contains(fd));
        // The host's own test threads set the working directory for their test.
        let by_the_test = call.starts_with("chdir(");
        assert!(names_thread || own_end || to_a_file_of_ours || by_the_test, "{line}");
    }
    assert!(of_the_library > 10);
}
