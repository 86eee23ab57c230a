//! The binary interface holds together: header, symbols, library, version, status numbers.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::c::calls::said;
use crate::harness::c::{self, Function, functions, header, installed, library, root, run, soname};
use crate::harness::servers::tool;

#[test]
fn the_checked_in_header_and_symbols_are_those_of_the_source() {
    let made = Path::new(env!("OUT_DIR"));
    for name in ["cldoci.h", "cldoci.ffi.h", "cldoci.symbols", "cldoci.json"] {
        let fresh = std::fs::read_to_string(made.join(name)).unwrap();
        let checked_in = std::fs::read_to_string(root().join("include").join(name)).unwrap();
        assert!(fresh == checked_in, "include/{name} is stale: run  CLDOCI_HEADER=write cargo build");
    }
}

/// The compiler takes a program that includes the header.
fn compiles(flags: &[&str], language: &str, source: &str) {
    let made = tempfile::tempdir().unwrap();
    let mut child = c::compiler()
        .args(flags)
        .args(["-c", "-x", language, "-I"])
        .arg(root().join("include"))
        .args(["-", "-o"])
        .arg(made.path().join("object"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), source.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{flags:?}: {source}");
}

#[test]
fn the_header_compiles_alone_and_twice_in_every_language_it_promises() {
    let flags = ["-Wall", "-Wextra", "-pedantic", "-Werror"];
    for (language, standard, more) in [
        ("c", "c99", &["-Wstrict-prototypes", "-Wmissing-prototypes"][..]),
        ("c", "c11", &["-Wstrict-prototypes", "-Wmissing-prototypes"]),
        ("c++", "c++11", &[]),
        ("c++", "c++17", &[]),
    ] {
        for source in ["#include <cldoci.h>\n", "#include <cldoci.h>\n#include <cldoci.h>\nint unused;\n"] {
            let standard = format!("-std={standard}");
            let flags: Vec<_> = flags.iter().chain(more).copied().chain([standard.as_str()]).collect();
            compiles(&flags, language, source);
        }
    }
}

#[test]
fn the_declarations_for_generators_are_those_of_the_header() {
    let text = std::fs::read_to_string(root().join("include/cldoci.ffi.h")).unwrap();
    assert!(!text.contains('#'), "a directive");
    let list = std::fs::read_to_string(root().join("include/cldoci.json")).unwrap();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let constants = list["constants"].as_object().unwrap();
    assert!(constants.len() > 70 && functions().len() > 100);
    // A declaration that says otherwise is an error to the compiler, after which of the two it comes.
    let mut source = String::from(
        "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n#include \"cldoci.ffi.h\"\n",
    );
    for (name, number) in constants {
        source += &format!("_Static_assert({name} == {number} && sizeof({name}) == 4, \"{name}\");\n");
    }
    for function in functions() {
        let parameters: Vec<_> = function.parameters.iter().map(|(kind, _)| kind.as_str()).collect();
        let parameters = if parameters.is_empty() { "void".to_owned() } else { parameters.join(", ") };
        source += &format!("{} {}({parameters});\n", function.returns, function.name);
    }
    compiles(&["-std=c11"], "c", &source);
    if let Some(luajit) = tool("luajit") {
        let script = format!(
            "local ffi = require('ffi') ffi.cdef(io.open('{}'):read('*a')) local cldoci = ffi.load('{}') \
             io.write(ffi.string(cldoci.cldoci_version_string()), ' ', cldoci.CLDOCI_ERROR_SIZE)",
            root().join("include/cldoci.ffi.h").display(),
            library().display(),
        );
        let output = run(Command::new(luajit).args(["-e", &script]));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), concat!(env!("CARGO_PKG_VERSION"), " -50"));
    }
}

/// docs/c-guide.md says what each reads. Every function is there, and every constant, as one type.
#[test]
fn bindgen_swig_and_cffi_see_every_function_and_constants_of_one_type() {
    let list = std::fs::read_to_string(root().join("include/cldoci.json")).unwrap();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let constants: Vec<_> = list["constants"].as_object().unwrap().keys().collect();
    let include = root().join("include");
    let made = tempfile::tempdir().unwrap();
    let made_of = |name: &str| std::fs::read_to_string(made.path().join(name)).unwrap();
    if let Some(bindgen) = tool("bindgen") {
        // Where stddef.h is.
        let builtin = run(Command::new("cc").arg("-print-file-name=include")).stdout;
        let builtin = format!("-I{}", String::from_utf8(builtin).unwrap().trim());
        let flags = ["--no-layout-tests", "--default-macro-constant-type", "signed", "--output"];
        let mut command = Command::new(bindgen);
        command.args(flags).arg(made.path().join("bindings.rs")).arg(include.join("cldoci.h"));
        run(command.args(["--", &builtin]));
        let text = made_of("bindings.rs");
        for function in functions() {
            assert!(text.contains(&format!("pub fn {}(", function.name)), "{}", function.name);
        }
        for name in &constants {
            assert!(text.contains(&format!("pub const {name}: i32 = ")), "{name}");
        }
    }
    if let Some(swig) = tool("swig") {
        let interface =
            "%module cldoci\n%{\n#include <cldoci.h>\n%}\n%include <stdint.i>\n%include \"cldoci.h\"\n";
        std::fs::write(made.path().join("cldoci.i"), interface).unwrap();
        let mut command = Command::new(swig);
        command.current_dir(made.path()).args(["-python", "-Werror", "-o", "wrap.c"]);
        run(command.arg(format!("-I{}", include.display())).arg("cldoci.i"));
        let text = made_of("wrap.c");
        for function in functions() {
            assert!(text.contains(&format!("_wrap_{}(", function.name)), "{}", function.name);
        }
        for name in &constants {
            assert!(text.contains(&format!("(d, \"{name}\",SWIG_From_int(")), "{name}");
        }
    }
    let script = format!(
        "try: import cffi\nexcept ImportError: print('no cffi'); raise SystemExit\nffi = cffi.FFI()\n\
         ffi.cdef(open('{}').read())\nlibrary = ffi.dlopen('{}')\n\
         print(all(hasattr(library, name) for name in {:?}), library.CLDOCI_ERROR_SIZE)",
        include.join("cldoci.ffi.h").display(),
        library().display(),
        functions().iter().map(|function| &function.name).chain(constants).collect::<Vec<_>>(),
    );
    if let Ok(output) = Command::new("python3").args(["-c", &script]).output() {
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(["True -50", "no cffi"].contains(&said.trim()), "{output:?}");
    }
}

#[test]
fn exports_symbols_file_and_header_are_one_list() {
    let output = run(Command::new("nm").args(["-D", "--defined-only"]).arg(library()));
    let exports: BTreeSet<_> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .map(str::to_owned)
        .collect();
    let file = std::fs::read_to_string(root().join("include/cldoci.symbols")).unwrap();
    let listed: Vec<_> = file.lines().map(str::to_owned).collect();
    assert!(listed.is_sorted() && listed.len() > 100);
    let listed: BTreeSet<_> = listed.into_iter().collect();
    assert_eq!(exports, listed, "nm -D and include/cldoci.symbols");
    let declared: BTreeSet<_> = functions().iter().map(|function| function.name.clone()).collect();
    assert_eq!(declared, listed, "include/cldoci.h and include/cldoci.symbols");
    assert!(listed.iter().all(|name| name.starts_with("cldoci_")));
}

#[test]
fn the_library_has_its_soname_and_is_never_unloaded() {
    let output = run(Command::new("readelf").args(["-d", "-W"]).arg(library()));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&format!("[{}]", soname())), "{text}");
    assert!(text.contains("NODELETE"), "{text}");
}

#[test]
fn every_form_of_the_version_is_that_of_cargo_toml() {
    let (major, minor, patch) =
        (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"), env!("CARGO_PKG_VERSION_PATCH"));
    let installed = installed();
    let source = installed.path().join("version.c");
    std::fs::write(
        &source,
        format!(
            r#"#include <cldoci.h>
#include <string.h>
int main(void) {{
  int number = {major} * 0x10000 + {minor} * 0x100 + {patch};
  if (CLDOCI_VERSION_MAJOR != {major} || CLDOCI_VERSION_MINOR != {minor}) return 1;
  if (CLDOCI_VERSION_PATCH != {patch} || CLDOCI_VERSION_NUMBER != number) return 2;
  if (strcmp(CLDOCI_VERSION_STRING, "{major}.{minor}.{patch}") != 0) return 3;
  if (strcmp(cldoci_version_string(), CLDOCI_VERSION_STRING) != 0) return 4;
  if (cldoci_version_number() != number) return 5;
  if (cldoci_abi_version() != CLDOCI_ABI_VERSION) return 6;
  if (!CLDOCI_VERSION_AT_LEAST({major}, {minor}, {patch})) return 7;
  if (CLDOCI_VERSION_AT_LEAST({major}, {minor}, {patch} + 1)) return 8;
  return 0;
}}
"#
        ),
    )
    .unwrap();
    let program = installed.path().join("version");
    c::compile(&source, &program, installed.path());
    run(&mut c::started(&program));
}

/// A number is never changed nor used again (docs/abi.md).
#[test]
fn status_numbers_are_pinned() {
    let header = header();
    let numbers: BTreeSet<(String, i32)> = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define CLDOCI_"))
        .filter_map(|line| {
            let (name, number) = line.split_once(' ')?;
            let known = name.starts_with("ERROR_") || matches!(name, "OK" | "PENDING");
            known.then(|| (name.trim_start_matches("ERROR_").to_owned(), number.parse().unwrap()))
        })
        .collect();
    let pinned = [
        ("PENDING", 1),
        ("OK", 0),
        ("ARGUMENT", -1),
        ("HANDLE", -2),
        ("FORKED", -3),
        ("REENTRANT", -4),
        ("PANIC", -5),
        ("INTERNAL", -6),
        ("CANCELLED", -7),
        ("TIMEOUT", -8),
        ("UNSUPPORTED", -9),
        ("IO", -20),
        ("EXISTS", -21),
        ("BUSY", -22),
        ("CHANGED", -23),
        ("UNSAFE", -24),
        ("LIMIT", -25),
        ("NETWORK", -40),
        ("TLS", -41),
        ("PROTOCOL", -42),
        ("NOT_FOUND", -43),
        ("UNAUTHORIZED", -44),
        ("DENIED", -45),
        ("CREDENTIALS", -46),
        ("POLICY", -47),
        ("RATE_LIMITED", -48),
        ("DIGEST", -49),
        ("SIZE", -50),
    ];
    assert_eq!(numbers, pinned.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect());
    for (name, number) in pinned {
        let text = cldoci::ffi::status::cldoci_status_name(number);
        // SAFETY is the header's: static text.
        assert_eq!(c_text(text), Some(name.to_owned()));
    }
    assert_eq!(c_text(cldoci::ffi::status::cldoci_status_name(-1000)), None);
}

fn c_text(text: *const std::ffi::c_char) -> Option<String> {
    // SAFETY: the function gives NULL or static text.
    (!text.is_null()).then(|| unsafe { std::ffi::CStr::from_ptr(text) }.to_str().unwrap().to_owned())
}

/// What the header must say of each function: what it does, each parameter with its ownership and whether NULL is
/// allowed, what is returned. What many share (handles, `error`, statuses, threads) its opening page says.
fn missing(function: &Function) -> Vec<String> {
    let mut missing = Vec::new();
    let summary = function.text.split("\n\n").next().unwrap_or("");
    if summary.len() < 20 || !summary.ends_with('.') {
        missing.push("what it does".to_owned());
    }
    for (kind, name) in &function.parameters {
        let text = said(function, name);
        if text.is_empty() {
            missing.push(format!("parameter {name}"));
        }
        let function_pointer =
            kind.contains("callback") || kind.contains("finalizer") || kind.contains("reader");
        let pointer = kind.ends_with('*') || function_pointer;
        if pointer && !text.contains("NULL") {
            missing.push(format!("whether {name} may be NULL"));
        }
        let owned = ["borrowed", "out", "consumed", "in and out", "copied", "passed"];
        if kind.ends_with('*') && !owned.iter().any(|word| text.contains(word)) {
            missing.push(format!("who owns {name}"));
        }
    }
    // The opening page tells of statuses, texts, bytes and sizes.
    let shared = function.returns.ends_with('*')
        || ["cldoci_status", "size_t", "uint64_t"].contains(&function.returns.as_str());
    if !function.text.contains("@return ") && !shared {
        missing.push("what is returned".to_owned());
    }
    // A name that no parameter has is a text that nobody finds.
    for named in function.text.lines().filter_map(|line| line.strip_prefix("@param ")?.split(' ').next()) {
        if !function.parameters.iter().any(|(_, name)| name == named) {
            missing.push(format!("a parameter {named}"));
        }
    }
    missing
}

#[test]
fn every_function_says_all_that_a_caller_must_know() {
    let functions = functions();
    assert!(functions.len() > 100);
    for function in functions {
        assert_eq!(missing(function), Vec::<String>::new(), "{}", function.name);
    }
    // The check itself sees what is missing.
    let bare = Function {
        name: "f".to_owned(),
        returns: "void".to_owned(),
        parameters: vec![("const char *".to_owned(), "text".to_owned())],
        text: "Short.\n@param test  not NULL".to_owned(),
    };
    assert_eq!(missing(&bare).len(), 6);
}

/// What the comments leave out beside parameters, which `missing` looks for there.
#[test]
fn the_opening_page_says_what_holds_for_all_functions() {
    let header = header();
    let page = header.split("*/").next().unwrap().split_whitespace().filter(|word| *word != "*");
    let page = page.collect::<Vec<_>>().join(" ");
    for said in [
        "`error` is an output that may be NULL: set to NULL, on failure to an error that you free.",
        "It returns CLDOCI_OK, or CLDOCI_ERROR_HANDLE or CLDOCI_ERROR_FORKED for a bad handle.",
        "Its status only says whether the verb could be started.",
        "a value that can't be right is CLDOCI_ERROR_ARGUMENT there, and changes nothing.",
        "Where there is nothing to return, because the handle is bad, an index is too large, or the verb gives no such \
         thing, it returns NULL or 0.",
        "Options, builders and configs are the exception: one thread at a time may use such a handle.",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let verb = |form: &Function| form.name.strip_suffix("_start").map(c::function);
    let forms: Vec<_> = functions().iter().filter_map(|form| Some((form, verb(form)?))).collect();
    assert!(forms.len() > 15);
    for (form, verb) in forms {
        let as_started = |(kind, name): &(String, String)| match name.as_str() {
            "result" => ("cldoci_operation **".to_owned(), "operation".to_owned()),
            _ => (kind.clone(), name.clone()),
        };
        assert_eq!(
            form.parameters,
            verb.parameters.iter().map(as_started).collect::<Vec<_>>(),
            "{}",
            form.name
        );
    }
}

/// Both doors lead to every option: each row of the table has a function, whose text tells its default.
#[test]
fn every_option_of_a_client_or_a_call_has_a_function_of_its_own() {
    use cldoci::options::{OPTIONS, Scope, Type};
    for option in OPTIONS.iter().filter(|option| option.scope != Scope::Host) {
        let name = format!("cldoci_options_set_{}", option.name);
        let function = c::function(&name);
        let default = match option.kind {
            Type::Bool => i32::from(option.default == "true").to_string(),
            Type::Choice(_) => format!("CLDOCI_{}_{}", option.name, option.default).to_uppercase(),
            _ if option.default.is_empty() => "empty".to_owned(),
            _ => option.default.to_owned(),
        };
        let text = function.text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&format!("Default: {default}.")), "{name} does not tell the default {default}");
        if let Type::Choice(words) = option.kind {
            for (number, word) in words.iter().enumerate() {
                let define = format!("#define CLDOCI_{}_{} {number}", option.name, word).to_uppercase();
                let define = define.replace("#DEFINE", "#define");
                assert!(header().lines().any(|line| line == define), "{define}");
            }
        }
    }
}
