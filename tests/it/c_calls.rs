//! Every function of the header called with each of its arguments bad in turn, the others good: the calls are made
//! from the header and put into `tests/c/calls.c`.

use std::fmt::Write as _;

use crate::harness::c::calls::{call_with, checked_call, handle, has_error, is_pointer, said};
use crate::harness::c::program::Program;
use crate::harness::c::{self, functions, root, run};

/// The program of `calls.c` with these functions and these statements.
fn program(functions: &str, statements: &str) -> Program {
    let template = std::fs::read_to_string(root().join("tests/c/calls.c")).unwrap();
    // Declared first, as what is generated uses what comes after it.
    let generated = tempfile::tempdir().unwrap();
    let source = generated.path().join("calls.c");
    let (head, tail) = template.split_once("/* CALLS */").unwrap();
    let (checks, main) = tail.split_once("int main(").unwrap();
    let text =
        format!("{head}{functions}{checks}static void run_calls(void) {{\n{statements}}}\n\nint main({main}");
    std::fs::write(&source, text).unwrap();
    Program::of(&source)
}

fn run_in_scratch(program: &Program, panics: bool) {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = program.command();
    command.current_dir(scratch.path());
    if panics {
        command.env("CLDOCI_FAILPOINT", "panic");
    }
    let output = run(&mut command);
    let printed = [output.stdout, output.stderr].concat();
    assert!(printed.is_empty(), "it printed: {}", String::from_utf8_lossy(&printed));
}

/// each pointer of each function NULL in turn, and all of them; X-03: whatever fails, each output is
/// written; X-17: the same where each call panics inside.
#[test]
fn x_01_x_03_x_17_a_null_for_every_pointer_and_a_panic_in_every_function() {
    let mut calls = String::new();
    let mut count = 0;
    for function in functions() {
        let name = &function.name;
        let pointers: Vec<_> =
            (0..function.parameters.len()).filter(|at| is_pointer(&function.parameters[*at].0)).collect();
        let status = function.returns == "cldoci_status";
        let error = has_error(function);
        writeln!(calls, "  begin(); {{ {} }} end();", checked_call(function, &[])).unwrap();
        let all: Vec<_> = pointers.iter().map(|at| (*at, "NULL".to_owned())).collect();
        let required = |at: &usize| said(function, &function.parameters[*at].1).contains("not NULL");
        let fails = if error && pointers.iter().any(required) {
            " expect_null(status, 0, \"all of them\");"
        } else {
            ""
        };
        writeln!(calls, "  begin(); {{ {}{fails} }} end();", checked_call(function, &all)).unwrap();
        for at in pointers {
            let (kind, parameter) = &function.parameters[at];
            let said = said(function, parameter);
            let mut instead = vec![(at, "NULL".to_owned())];
            if kind == "const uint8_t *" && !said.contains("not NULL") {
                instead.push((at + 1, "0".to_owned()));
            }
            let expectation = match (said.contains("not NULL"), said.contains("NULL")) {
                (_, false) => panic!("{name} does not say whether {parameter} may be NULL"),
                (true, _) if status => {
                    format!(" expect_null(status, {}, \"{name} {parameter}\");", i32::from(error))
                }
                (false, _) if status => format!(" expect_no_null(status, \"{name} {parameter}\");"),
                // An accessor without a status has nothing to give for no handle and no key.
                (true, _) if function.returns.ends_with('*') => format!(" MUST(text == NULL, \"{name}\");"),
                _ => String::new(),
            };
            assert!(kind != "cldoci_error **" || !said.contains("not NULL"));
            writeln!(calls, "  begin(); {{ {}{expectation} }} end();", checked_call(function, &instead))
                .unwrap();
            count += 1;
        }
    }
    assert!(count > 500, "{count}");
    let program = program("", &calls);
    run_in_scratch(&program, false);
    if c::has_failpoint() {
        run_in_scratch(&program, true);
    }
}

/// each pair of a pointer and a size, in all its forms.
#[test]
fn x_02_x_04_pointers_and_sizes_that_do_not_fit() {
    let (mut made, mut table, mut count) = (String::new(), String::new(), 0);
    for function in functions() {
        for at in 0..function.parameters.len() {
            let (kind, name) = &function.parameters[at];
            if kind != "const uint8_t *" {
                continue;
            }
            assert_eq!(function.parameters[at + 1], ("size_t".to_owned(), format!("{name}_size")));
            let instead = [(at, "bytes".to_owned()), (at + 1, "size".to_owned())];
            let least = i32::from(said(function, &format!("{name}_size")).contains("at least 1"));
            writeln!(
                made,
                "static int64_t bytes_{count}(const uint8_t *bytes, size_t size) {{ begin(); {} end_told(); return status; }}",
                checked_call(function, &instead)
            )
            .unwrap();
            writeln!(table, "  {{\"{}\", bytes_{count}, {least}}},", function.name).unwrap();
            count += 1;
        }
    }
    assert_eq!(count, 6);
    let table = format!("static const struct bytes_call with_bytes[] = {{\n{table}}};\n");
    run_in_scratch(
        &program(
            &format!("{made}{table}"),
            "  bad_bytes(with_bytes, sizeof with_bytes / sizeof *with_bytes);\n",
        ),
        false,
    );
}

#[test]
fn x_03_unaligned_outputs_and_one_place_for_two() {
    let mut calls = String::new();
    let (mut unaligned, mut shared) = (0, 0);
    for function in functions() {
        for (at, (kind, _)) in function.parameters.iter().enumerate() {
            let name = &function.name;
            let structs = ["size_t *", "int32_t *", "cldoci_progress *", "cldoci_counters *"];
            if !kind.ends_with("**") && !structs.contains(&kind.as_str()) {
                continue;
            }
            let call = checked_call(function, &[(at, format!("({kind})(void *)(unaligned + 1)"))]);
            let status = if function.returns == "cldoci_status" { "status" } else { "CLDOCI_ERROR_ARGUMENT" };
            writeln!(calls, "  begin(); {{ {call} expect_unwritten({status}, \"{name} {at}\"); }} end();")
                .unwrap();
            unaligned += 1;
            if !kind.ends_with("**") || kind == "cldoci_error **" {
                continue;
            }
            // Once with good arguments, once with none.
            for bad in [false, true] {
                let mut instead = vec![(at, format!("({kind})&both"))];
                instead.push((function.parameters.len() - 1, "(cldoci_error **)&both".to_owned()));
                let first = function.parameters.iter().position(|(kind, _)| is_pointer(kind)).unwrap();
                if bad && first != at {
                    instead.push((first, "NULL".to_owned()));
                }
                let call = call_with(function, &instead);
                let type_ = handle(kind).unwrap();
                writeln!(calls, "  {{ void *both = (void *)8; cldoci_status status = {call}; one_place(both, {type_}, status, \"{name}\"); }}").unwrap();
                shared += 1;
            }
        }
    }
    assert!(unaligned > 200 && shared > 80, "{unaligned} {shared}");
    run_in_scratch(&program("", &calls), false);
}

/// each string of each function, from nothing to a gibibyte.
#[test]
fn x_04_strings_that_are_none() {
    let (mut made, mut table, mut count) = (String::new(), String::new(), 0);
    for function in functions() {
        for (at, (kind, name)) in function.parameters.iter().enumerate() {
            if kind != "const char *" {
                continue;
            }
            let said = said(function, name);
            let status = function.returns == "cldoci_status";
            let class = match (said.contains("UTF-8"), said.contains("any bytes")) {
                (true, false) => 'u',
                (false, true) => {
                    if status {
                        'p'
                    } else {
                        'a'
                    }
                }
                _ => panic!("{} says of {name} neither UTF-8 nor any bytes: {said}", function.name),
            };
            let value = if status { "status" } else { "text != NULL" };
            let kind = if status { 's' } else { 'p' };
            writeln!(
                made,
                "static int64_t string_{count}(const char *bad) {{ begin(); {} end_told(); return {value}; }}",
                checked_call(function, &[(at, "bad".to_owned())])
            )
            .unwrap();
            writeln!(table, "  {{\"{} {name}\", string_{count}, '{kind}', '{class}'}},", function.name)
                .unwrap();
            count += 1;
        }
    }
    assert!(count > 70, "{count}");
    let table = format!("static const struct string_call strings[] = {{\n{table}}};\n");
    run_in_scratch(
        &program(&format!("{made}{table}"), "  bad_strings(strings, sizeof strings / sizeof *strings);\n"),
        false,
    );
}

/// each handle of each function freed, of each other type, made up, and inherited over fork.
#[test]
fn x_05_x_06_every_handle_of_every_function_bad() {
    let (mut made, mut table, mut count) = (String::new(), String::new(), 0);
    for function in functions() {
        for (at, (kind, name)) in function.parameters.iter().enumerate() {
            let Some(type_) = handle(kind).filter(|_| !kind.ends_with("**")) else { continue };
            let (value, how) = match function.returns.as_str() {
                // It gives that of a bad handle, whatever is bad about it.
                _ if function.name == "cldoci_error_status" => ("status".to_owned(), 'h'),
                "cldoci_status" => ("status".to_owned(), 's'),
                pointer if pointer.ends_with('*') => ("text != NULL".to_owned(), 'p'),
                _ => (String::new(), 'n'),
            };
            let instead = [(at, format!("({kind})bad"))];
            let body = match how {
                'n' => format!(
                    "begin(); int64_t value = (int64_t){}; end_told(); return value;",
                    call_with(function, &instead)
                ),
                _ => format!("begin(); {} end_told(); return {value};", checked_call(function, &instead)),
            };
            writeln!(made, "static int64_t handle_{count}(void *bad) {{ {body} }}").unwrap();
            writeln!(table, "  {{\"{} {name}\", handle_{count}, {type_}, '{how}'}},", function.name).unwrap();
            count += 1;
        }
    }
    assert!(count > 250, "{count}");
    let table = format!("static const struct handle_call handles[] = {{\n{table}}};\n");
    run_in_scratch(
        &program(&format!("{made}{table}"), "  bad_handles(handles, sizeof handles / sizeof *handles);\n"),
        false,
    );
}

/// numbers that no choice, switch or count has.
#[test]
fn x_11_integers_out_of_range() {
    let header = c::header();
    let mut calls = String::new();
    let (mut switches, mut numbers, mut places) = (0, 0, 0);
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
                // Descriptors that are open are written to, as they are told.
                if name == "fd" && value.parse::<u8>().is_ok() {
                    continue;
                }
                // The credential callback that `calls.c` keeps open goes on: it would wait for ever.
                let waits = function.name == "cldoci_wait_idle";
                if waits && !["0", "1"].contains(value) {
                    continue;
                }
                let call = checked_call(function, &[(at, (*value).to_owned())]);
                // What is started fails when it is waited for.
                let started = function.name.ends_with("_start");
                let beyond = kind == "size_t" && value.contains("MAX") && !started;
                let check = match (option, kind.as_str()) {
                    (Some(option), "int32_t") => {
                        switches += 1;
                        let constant = format!("#define CLDOCI_{}_", option.to_uppercase());
                        let known = header.lines().filter(|line| line.starts_with(&constant)).count().max(2);
                        let fits = value.parse::<usize>().is_ok_and(|value| value < known);
                        let status = if fits { "CLDOCI_OK" } else { "CLDOCI_ERROR_ARGUMENT" };
                        format!("check_is(status, {status}, \"{option} = {value}\");")
                    }
                    (Some(option), _) => {
                        numbers += 1;
                        format!("check_number(status, {value}, \"{option}\");")
                    }
                    _ if waits => "check_is(status, CLDOCI_PENDING, \"cldoci_wait_idle\");".to_owned(),
                    _ if name == "level" => {
                        let known = ["1", "2", "3", "4"].contains(value);
                        let status = if known { "CLDOCI_OK" } else { "CLDOCI_ERROR_ARGUMENT" };
                        format!("check_is(status, {status}, \"level = {value}\");")
                    }
                    _ if name == "fd" && *value == "INT32_MAX" => {
                        format!("check_is(status, CLDOCI_ERROR_IO, \"{} fd\");", function.name)
                    }
                    _ if name == "fd" || (beyond && function.returns == "cldoci_status") => {
                        format!(
                            "check_is(status, CLDOCI_ERROR_ARGUMENT, \"{} {name} = {value}\");",
                            function.name
                        )
                    }
                    _ if beyond && function.returns.ends_with('*') => {
                        places += 1;
                        format!("MUST(text == NULL, \"{} {name}\");", function.name)
                    }
                    _ if function.returns == "cldoci_status" => {
                        format!("expect_no_null(status, \"{}\");", function.name)
                    }
                    _ => String::new(),
                };
                writeln!(calls, "  begin(); {{ {call} {check} }} end();").unwrap();
            }
        }
    }
    assert!(switches > 150 && numbers > 80 && places > 30, "{switches} {numbers} {places}");
    run_in_scratch(&program("", &calls), false);
}

/// that cancel is not for signal handlers is said where it is looked for (what to do instead: `signals.c`).
#[test]
fn x_08_the_header_says_what_a_signal_handler_must_not_call() {
    let header = c::header().split_whitespace().filter(|word| *word != "*").collect::<Vec<_>>().join(" ");
    assert!(header.contains("Do not call the library from a signal handler."));
    let cancel = c::function("cldoci_operation_cancel");
    assert!(cancel.text.replace('\n', " ").contains("a signal handler must not"));
}
