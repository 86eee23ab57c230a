//! The house stays as ARCHITECTURE.md draws it: who may import whom, where unsafe code may be, how long a
//! file may grow.

mod imports;
mod rooms;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use imports::{File, tokens};
use rooms::House;

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

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Files of `src`, by their paths in it.
fn house(files: impl Iterator<Item = (PathBuf, String)>) -> House {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    House::new(
        files
            .map(|(path, text)| File::new(path.strip_prefix(&root).unwrap().to_str().unwrap(), &text))
            .collect(),
    )
}

/// Whether a file holds tests alone.
fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let parent = path.parent().unwrap();
    let above = [parent.join("mod.rs"), parent.with_extension("rs")];
    let declared = format!("#[cfg(test)]\nmod {name};");
    above.iter().any(|file| fs::read_to_string(file).is_ok_and(|text| text.contains(&declared)))
}

#[test]
fn every_room_imports_only_what_the_table_says() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let wrong = house(sources().into_iter()).breaches(&rooms::table(&page));
    assert!(wrong.is_empty(), "not as the table in ARCHITECTURE.md says:\n{}", wrong.join("\n"));
}

#[test]
fn no_modules_import_one_another_in_a_circle() {
    // Tests may look at what is above.
    let files = sources().into_iter().filter(|(path, _)| !is_test(path));
    let circles =
        house(files.map(|(path, text)| (path, text.split("#[cfg(test)]").next().unwrap().to_owned())))
            .circles();
    assert!(circles.is_empty(), "modules import one another in a circle {}", circles.join("\n"));
}

#[test]
fn unsafe_code_is_in_ffi_and_the_one_module_of_system_calls() {
    let begins = |next: &str| matches!(next, "{" | "fn" | "impl" | "extern");
    let outside = sources().into_iter().filter(|(path, _)| room(path) != "ffi");
    let used = outside
        .filter(|(_, text)| tokens(text).windows(2).any(|pair| pair[0] == "unsafe" && begins(&pair[1])));
    let modules: Vec<_> = used.map(|(path, _)| path).collect();
    assert!(modules.iter().all(|path| room(path) == "os"), "{modules:?}");
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

/// Each is a name with a reason, and a test.
#[test]
fn the_list_of_tests_left_out_is_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let list = fs::read_to_string(root.join("qemu-left-out")).unwrap();
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let (path, reason) = line.split_once(' ').expect(line);
        assert!(!reason.trim().is_empty(), "{line}");
        let (module, name) = path.rsplit_once("::").expect(line);
        let file = root.join("it").join(format!("{}.rs", module.replace("::", "/")));
        let found = fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("fn {name}()")));
        assert!(found, "there is no test {path}");
    }
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
