//! The house stays as ARCHITECTURE.md draws it: who may import whom, where unsafe code may be, how long a
//! file may grow.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms it may import.
const ALLOWED: [(&str, &[&str]); 14] = [
    ("error", &[]),
    ("oci", &["error"]),
    ("options", &["error", "oci"]),
    ("operation", &["error"]),
    ("call", &["options", "operation"]),
    ("thread", &["error"]),
    ("fs", &["error", "operation"]),
    ("archive", &["error", "oci", "options", "operation", "thread", "fs"]),
    ("store", &["error", "oci", "options", "operation", "call", "fs"]),
    ("credential", &["error", "options", "operation"]),
    ("registry", &["error", "oci", "options", "operation", "call", "credential", "thread"]),
    ("credentials", &["error", "options", "operation", "call", "credential", "fs", "sys", "thread"]),
    ("sys", &["error"]),
    (
        "client",
        &[
            "error",
            "oci",
            "options",
            "operation",
            "call",
            "thread",
            "fs",
            "archive",
            "store",
            "credential",
            "credentials",
            "registry",
        ],
    ),
];

fn sources() -> BTreeMap<PathBuf, String> {
    fn walk(dir: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.insert(path.clone(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 10);
    found
}

/// The room a file belongs to: its first path component below `src`.
fn room(path: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let first = path.strip_prefix(root).unwrap().components().next().unwrap();
    first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// The rooms that some code names by `crate::room`, in a `use` with braces too.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => {
                let group = group.split('}').next().unwrap();
                found.extend(group.split(',').map(|item| item.trim().split("::").next().unwrap().to_owned()));
            }
            None => found.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()),
        }
    }
    found
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_room_imports_only_what_it_may() {
    let allowed: BTreeMap<_, _> = ALLOWED.into_iter().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let room = room(&path);
        if room == "lib" || room == "ffi" {
            continue;
        }
        let may = allowed
            .get(room.as_str())
            .unwrap_or_else(|| panic!("{} is a room without a rule", path.display()));
        for import in imports(&without_comments(&text)) {
            let known = ALLOWED.iter().any(|(name, _)| *name == import) || import == "ffi";
            if known && import != room && !may.contains(&import.as_str()) {
                wrong.push(format!("{} imports {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_is_in_ffi_and_the_one_module_of_system_calls() {
    let word = "unsafe";
    let mut modules = Vec::new();
    for (path, text) in sources() {
        if room(&path) == "ffi" {
            continue;
        }
        let code = without_comments(&text);
        let used = code.lines().any(|line| {
            [" {", " fn", " impl", " extern"].iter().any(|after| line.contains(&format!("{word}{after}")))
        });
        if used {
            modules.push(path);
        }
    }
    assert!(modules.iter().all(|path| room(path) == "sys"), "{modules:?}");
}

#[test]
fn files_stay_short_enough_to_read() {
    // Tests beside the code do not count.
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(path, text)| (path, text.split("#[cfg(test)]").next().unwrap().lines().count()))
        .filter(|(_, lines)| *lines > 450)
        .collect();
    assert!(long.is_empty(), "over 450 lines: {long:?}");
}

#[test]
fn threads_begin_in_one_module() {
    let other: Vec<_> = sources()
        .into_iter()
        .filter(|(path, text)| {
            let code = code(text);
            let begun = ["thread::Builder", "thread::spawn(", "scope.spawn("];
            room(path) != "thread" && !path.ends_with("tests.rs") && begun.iter().any(|b| code.contains(b))
        })
        .map(|(path, _)| path)
        .collect();
    assert!(other.is_empty(), "{other:?}");
}

/// The code of a file, without its tests and comments.
fn code(text: &str) -> String {
    without_comments(text.split("#[cfg(test)]").next().unwrap())
}

/// Where code takes in what somebody else sized without a bound: a whole body of an answer (G7), and a reader to
/// its end without a `take`.
fn unbounded(code: &str) -> Vec<String> {
    let dense: String = code.split_whitespace().collect();
    let mut found = Vec::new();
    for whole in
        [".bytes().await", ".text().await", ".json().await", ".json::<", ".bytes_stream(", "body::to_bytes("]
    {
        found.extend(dense.match_indices(whole).map(|_| whole.to_owned()));
    }
    for (at, word) in [".read_to_end(", ".read_to_string("].iter().flat_map(|w| dense.match_indices(w)) {
        let statement = dense[..at].rsplit([';', '{', '}']).next().unwrap();
        if !statement.contains(".take(") {
            found.push(format!("{statement}{word}"));
        }
    }
    found
}

#[test]
fn only_one_module_takes_in_what_a_server_sends() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
        let code = code(&text);
        let exempt = name == "src/registry/body.rs" || name.ends_with("/tests.rs");
        if !exempt && ["registry", "client"].contains(&room(&path).as_str()) {
            wrong.extend(unbounded(&code).into_iter().map(|what| format!("{name}: {what}")));
            if code.contains("response.chunk()") {
                wrong.push(format!("{name}: reads a response's body"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_bodies_sees_what_it_should() {
    for bad in [
        "let all = response.bytes().await?;",
        "response\n    .text()\n    .await",
        "answer.json::<Token>()",
        "reader.read_to_end(&mut all)?;",
        "let mut x = file;\nx.read_to_string(&mut all)",
    ] {
        assert_eq!(unbounded(bad).len(), 1, "{bad}");
    }
    for good in ["file.take(limit)\n  .read_to_end(&mut all)?;", "name.bytes().all(|b| b > 1)"] {
        assert!(unbounded(good).is_empty(), "{good}");
    }
}

#[test]
fn the_import_reader_sees_what_it_should() {
    assert_eq!(imports("use crate::{error::Error, oci};\nlet x = crate::ffi::y();"), ["error", "oci", "ffi"]);
}
