//! `cldoci.hpp`: by gcc and clang, with and without what C++20 has, and clang's under its sanitizers.

use std::process::Command;

use crate::harness::c::{compile_by, functions, installed, root, run};
use crate::harness::evil::{Evil, answer};
use crate::harness::servers::tool;

/// A registry that demands `user`, `password`, and has nothing.
fn demanding() -> Evil {
    Evil::start(|seen| match seen.header("authorization") {
        Some("Basic dXNlcjpwYXNzd29yZA==") => answer(
            404,
            &[("Content-Type", "application/json")],
            r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#,
        ),
        _ => answer(401, &[("WWW-Authenticate", "Basic realm=\"tests\"")], ""),
    })
}

fn workflow(compiler: &str, standard: &str, more: &[&str]) {
    let installed = installed();
    let program = installed.path().join("workflow");
    let source = root().join("tests/cpp/workflow.cpp");
    let mut compiler = Command::new(compiler);
    compiler.args(more);
    compile_by(compiler, standard, &source, &program, installed.path());
    let scratch = tempfile::tempdir().unwrap();
    let registry = demanding();
    run(Command::new(program).arg(scratch.path()).arg(registry.host()).env("HOME", installed.path()));
    // The credential that a callback gave was shown, and none when it threw.
    assert!(registry.log().iter().any(|seen| seen.header("authorization").is_some()));
}

#[test]
fn the_workflow_in_cpp_17_and_20() {
    workflow("c++", "c++17", &[]);
    workflow("c++", "c++20", &[]);
}

#[test]
fn the_workflow_by_clang_under_its_sanitizers() {
    let Some(clang) = tool("clang++") else { return };
    let clang = clang.to_string_lossy().into_owned();
    workflow(&clang, "c++17", &["-Wshadow", "-Wconversion"]);
    workflow(&clang, "c++20", &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
}

/// Functions that C++ has no use for.
const WITHOUT: [&str; 4] =
    ["cldoci_abi_version", "cldoci_version_number", "cldoci_debug_live_handles", "cldoci_error_status"];

#[test]
fn every_function_has_its_like_in_cpp() {
    let header = std::fs::read_to_string(root().join("include/cldoci.hpp")).unwrap();
    let lacking = |name: &str| {
        let verb = name.trim_start_matches("cldoci_").trim_end_matches("_start");
        // Options are set by name; each call ends, or is passed on, with a mark that no name has.
        let by_name = name.starts_with("cldoci_options_set_") && !name.ends_with("_callback");
        let called = ["(", ",", ")", ">"].iter().any(|end| header.contains(&format!("{name}{end}")));
        !by_name && !called && !header.contains(&format!("CLDOCI_HPP_VERB({verb},"))
    };
    let found: Vec<_> = functions().iter().map(|f| f.name.as_str()).filter(|name| lacking(name)).collect();
    assert!(lacking("cldoci_pul") && !lacking("cldoci_pull"));
    assert_eq!(found.iter().filter(|name| !WITHOUT.contains(name)).collect::<Vec<_>>(), Vec::<&&str>::new());
}
