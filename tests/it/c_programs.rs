//! C programs that know nothing but the public header (`tests/c`), each run as its own process.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::harness::c::program::Program;
use crate::harness::c::{self, installed, root, run};
use crate::harness::servers::strict;

/// The header's own program, as a newcomer would copy it: builds a tree, pushes it into a layout and pulls it.
fn first_program() -> Program {
    let header = c::header();
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
    program
}

#[test]
fn the_first_program_of_the_header_runs() {
    let program = first_program();
    let at = |name: &str| program.scratch().join(name);
    let output = run(program.command().arg(at("tree")).arg(at("layout")).arg(at("pulled")));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("sha256:"));
    assert_eq!(std::fs::read(at("tree/file")).unwrap(), std::fs::read(at("pulled/file")).unwrap());
}

/// What is pulled with `durable` is flushed before it has its name, and the name after.
#[test]
fn durable_flushes_a_tree_and_then_its_name() {
    for durable in [true, false] {
        let program = first_program();
        let at = |name: &str| program.scratch().join(name);
        run(program
            .under("strace")
            .env("CLDOCI_DURABLE", durable.to_string())
            .args(["-f", "-qq", "-y", "-e", "trace=fsync,syncfs,rename,renameat,renameat2", "-o"])
            .arg(at("strace"))
            .args([&program.path, &at("tree"), &at("layout"), &at("pulled")]));
        let log = std::fs::read_to_string(at("strace")).unwrap();
        let (before, after) = log.split_once("\"pulled\"").expect(&log);
        let parent = format!("<{}>)", program.scratch().canonicalize().unwrap().display());
        let flushed = before.lines().any(|line| line.contains(" syncfs(") && line.contains("/tree>)"));
        let named = after.lines().any(|line| line.contains(" fsync(") && line.contains(&parent));
        assert_eq!((flushed, named), (durable, durable), "{log}");
    }
}

#[test]
fn x_05_x_06_x_12_handles() {
    // CLDOCI_SOAK=1: a million of each.
    let count = 200_000 / c::slowness();
    let output = run(Program::new("handles").command().arg(count.to_string()));
    println!("{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn options_by_name_and_by_function() {
    run(&mut Program::new("options").command());
}

#[test]
fn x_02_x_14_artifacts_and_configs_by_hand() {
    let program = Program::new("builder");
    run(program.command().arg(program.scratch()));
}

#[test]
fn x_07_x_08_x_09_x_13_operations() {
    run(&mut Program::new("operations").command());
}

#[test]
fn x_08_cancel_on_a_signal() {
    run(&mut Program::new("signals").command());
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
fn f_12_a_verb_ends_with_an_error_where_no_thread_can_be_started() {
    if !rustix::process::geteuid().is_root() {
        println!("left out: only root can go on as a user that has no process yet");
        return;
    }
    let program = Program::new("nproc");
    let mode = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(program.scratch(), mode).unwrap();
    // CLDOCI_SOAK=1: a thousand runs.
    let rounds = if std::env::var_os("CLDOCI_SOAK").is_some() { "25" } else { "2" };
    let output = run(program.command().arg(program.scratch()).arg(rounds));
    println!("{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn nothing_goes_on_and_nothing_is_left_once_the_library_is_idle() {
    let program = Program::new("idle");
    run(program.command().arg(program.scratch()).arg("30"));
}

#[test]
fn a_disk_that_does_not_answer_is_left_behind() {
    let program = Program::new("stuck");
    std::thread::scope(|scope| {
        for verb in ["pull", "build_and_push", "copy"] {
            let program = &program;
            scope.spawn(move || {
                let directory = program.scratch().join(verb);
                std::fs::create_dir(&directory).unwrap();
                let output = run(program.command().env("HOME", &directory).arg(&directory).arg(verb));
                println!("{}", String::from_utf8_lossy(&output.stdout));
            });
        }
    });
}

#[test]
fn x_14_x_15_x_19_callbacks() {
    run(&mut Program::new("callbacks").command());
}

#[test]
fn x_14_every_callback_calls_back() {
    run(&mut Program::new("reentrant").command());
}

#[test]
fn x_14_callbacks_of_a_verb_that_is_waited_for_run_on_the_thread_that_waits() {
    let program = Program::new("waiting");
    tree(&program);
    run(program.command().arg(program.scratch()));
}

/// Interpreters whose lock is held while a verb is waited for: `ctypes.PyDLL` keeps Python's.
#[test]
fn callbacks_of_a_verb_that_is_waited_for_enter_a_runtime_with_one_thread() {
    let installed = installed();
    let library = installed.path().join("libcldoci.so");
    // (scripts/install-tools.sh puts koffi and Ruby there.)
    let tools = root().join("build/tools");
    let path = std::env::join_paths(
        std::iter::once(tools.join("bin"))
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    )
    .unwrap();
    let command = |runtime: &str| {
        let mut command = Command::new("timeout");
        // A hang is what it looks for.
        command.args(["60", runtime]).env("PATH", &path).env("NODE_PATH", tools.join("node_modules"));
        command
    };
    let runtimes = [
        ("python3", "waiting.py", ["-c", "import ctypes"]),
        ("node", "waiting.js", ["-e", "require('koffi')"]),
        ("ruby", "waiting.rb", ["-e", "require 'ffi'"]),
    ];
    for (runtime, program, needs) in runtimes {
        let there = command(runtime).args(needs).output().is_ok_and(|output| output.status.success());
        if !there {
            assert!(
                !strict(),
                "{runtime}, or what it needs to call C, is missing: run scripts/install-tools.sh"
            );
            println!("left out: {runtime}, or what it needs to call C, is missing");
            continue;
        }
        let scratch = tempfile::tempdir().unwrap();
        std::fs::create_dir(scratch.path().join("tree")).unwrap();
        std::fs::write(scratch.path().join("tree/file"), "content").unwrap();
        run(command(runtime)
            .arg(root().join("tests/runtimes").join(program))
            .arg(&library)
            .arg(scratch.path())
            .env("HOME", scratch.path()));
    }
}

#[test]
fn random_calls_from_many_threads_are_statuses() {
    let program = Program::new("random");
    let room = program.scratch().join("room");
    let output = run(program.command().arg(&room).args(["4", "1"]));
    println!("{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn x_25_fork() {
    run(&mut Program::new("fork").command());
}

#[test]
fn x_25_a_child_knows_which_handles_it_inherited() {
    run(Program::new("fork").command().arg("idle"));
}

#[test]
fn x_25_a_program_that_is_started_gets_no_descriptor() {
    run(Program::new("fork").command().arg("exec"));
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
fn x_03_x_04_x_10_misuse() {
    let program = Program::new("misuse");
    run(program.command().arg(program.scratch()));
}

#[test]
fn x_27_environment() {
    let program = Program::new("environment");
    tree(&program);
    run(program.command().env_remove("CLDOCI_STORE").arg(program.scratch()));
}

/// What the program of the log prints, on both outputs, where the environment asks for this level.
fn logged(command: &mut Command, level: Option<&str>) -> [String; 2] {
    command.env_remove("CLDOCI_STORE").env_remove("CLDOCI_LOG");
    command.env("CLDOCI_PARALEL", "3").env("CLDOCI_PASSWORD", "canary").env("CLDOCI_TEST_OTHER", "1");
    let output = run(command.envs(level.map(|level| ("CLDOCI_LOG", level))));
    [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
}

#[test]
fn the_log_goes_to_standard_error_where_the_environment_asks_for_it_and_nobody_else_takes_it() {
    let program = Program::new("logging");
    let unknown = "environment: cldoci does not know CLDOCI_PARALEL, CLDOCI_PASSWORD";
    let [_, lines] = logged(&mut program.command(), Some("info"));
    assert!(lines.lines().all(|line| line.starts_with("cldoci: ")), "{lines}");
    assert_eq!(lines.matches(&format!("cldoci: warning: {unknown}\n")).count(), 1, "{lines}");
    assert_eq!(lines.matches("cldoci: info: resolve: begins\n").count(), 2, "{lines}");
    assert_eq!(lines.matches("cldoci: error: resolve: ").count(), 2, "{lines}");
    let [_, lines] = logged(&mut program.command(), Some("error"));
    assert_eq!(lines.lines().count(), 2, "{lines}");
    // Nobody asked; somebody else takes them.
    assert_eq!(logged(&mut program.command(), None)[1], "");
    let [taken, lines] = logged(program.command().arg("callback"), Some("debug"));
    assert_eq!((taken.matches(unknown).count(), lines.as_str()), (1, ""), "{taken}");
}

#[test]
fn the_log_of_a_process_with_more_rights_is_not_for_who_started_it() {
    if !rustix::process::geteuid().is_root() {
        println!("left out: only root can give a program more rights than who starts it");
        return;
    }
    let program = Program::new("logging");
    let privileged = program.scratch().join("privileged");
    std::fs::copy(&program.path, &privileged).unwrap();
    std::fs::set_permissions(program.scratch(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for (mode, logs) in [(0o755, true), (0o4755, false)] {
        std::fs::set_permissions(&privileged, std::fs::Permissions::from_mode(mode)).unwrap();
        let [_, lines] = logged(c::started(&privileged).uid(65534).gid(65534), Some("info"));
        assert_eq!(lines.contains("resolve: begins"), logs, "mode {mode:o}: {lines}");
    }
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
    run(c::compiler()
        .args(["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-pthread", "-I"])
        .arg(root().join("include"))
        .arg(root().join("tests/c/dlopen.c"))
        .args(["-ldl", "-o"])
        .arg(&program));
    let copy = directory.path().join("another-version.so");
    std::fs::copy(c::library(), &copy).unwrap();
    run(c::started(&program).arg(c::library()).arg(copy).env("HOME", directory.path()));
}

/// What makes a descriptor.
const DESCRIPTORS: &str = "open,openat,openat2,creat,socket,socketpair,accept,accept4,pipe,pipe2,dup,dup2,dup3,fcntl,eventfd,eventfd2,\
     epoll_create,epoll_create1,memfd_create,timerfd_create,inotify_init,inotify_init1";

/// nothing that changes the host's process, seen from outside, and no descriptor that its children would inherit.
#[test]
fn x_29_a_good_guest_under_strace() {
    let program = Program::new("guest");
    tree(&program);
    let log = program.scratch().join("strace");
    let changes =
        "rt_sigaction,umask,chdir,fchdir,exit,exit_group,write,writev,kill,tgkill,tkill,prctl,setrlimit";
    run(program
        .under("strace")
        .env("UNDER_STRACE", "1")
        .args(["-f", "-qq", "-e", "signal=none", "-e", &format!("trace={changes},{DESCRIPTORS}"), "-o"])
        .arg(&log)
        .arg(&program.path)
        .arg(program.scratch()));
    let log = std::fs::read_to_string(log).unwrap();
    let host = log.lines().next().and_then(|line| line.split_whitespace().next()).unwrap();
    let (mut of_the_library, mut descriptors) = (0, 0);
    for line in log.lines() {
        let (thread, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        if thread == host || call.starts_with("<...") {
            continue;
        }
        if DESCRIPTORS
            .split(',')
            .any(|name| call.strip_prefix(name).is_some_and(|rest| rest.starts_with('(')))
        {
            // Of some the flags stand behind what the kernel answers.
            let told = !call.contains("<unfinished") || call.contains("O_RDONLY") || call.contains("O_RDWR");
            let makes_one = !call.starts_with("fcntl(") || call.contains("F_DUPFD");
            // The host's own temporary file, as glibc and as musl make it, and its server.
            let by_the_test =
                ["O_TMPFILE", "/tmpfile_", "accept("].into_iter().any(|word| call.contains(word));
            assert!(!told || !makes_one || by_the_test || call.contains("CLOEXEC"), "{line}");
            descriptors += 1;
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
    assert!(of_the_library > 10 && descriptors > 100, "{of_the_library} {descriptors}");
}

/// what could end, print, or change the host's process is not even imported. `abort` is the standard library's, for
/// a panic within a panic; `sigaltstack` is each thread's own.
#[test]
fn x_29_no_function_that_a_guest_must_not_call() {
    let output = run(Command::new("nm").args(["-D", "--undefined-only"]).arg(c::library()));
    let text = String::from_utf8(output.stdout).unwrap();
    let imported: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .map(|name| name.split('@').next().unwrap())
        .collect();
    assert!(imported.contains(&"pthread_sigmask") && imported.len() > 50, "{imported:?}");
    let forbidden = "exit _exit _Exit quick_exit atexit on_exit __cxa_atexit signal sigaction raise kill chdir fchdir umask \
        setenv putenv unsetenv clearenv setlocale setrlimit prctl printf fprintf vprintf puts fputs putchar perror \
        syslog system popen fork vfork longjmp siglongjmp";
    // A library that holds LLVM's unwinder, as for musl: it says why before it aborts.
    let holds_unwinder = !imported.contains(&"_Unwind_RaiseException");
    let forbids = |name: &str| forbidden.split_whitespace().any(|f| f == name);
    let found: Vec<_> =
        imported.iter().filter(|name| forbids(name) && !(holds_unwinder && **name == "fprintf")).collect();
    assert!(found.is_empty(), "{found:?}");
}
