//! `docs/cases-status.md` says of every case where its test is, or why there is none yet; this holds the page
//! against the names of the tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cases-status.md");

/// The case IDs that a test's name begins with: `t_10_t_12_write_through` is T-10 and T-12.
fn ids(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut parts = name.split('_').peekable();
    while let (Some(letter), Some(number)) = (parts.next(), parts.peek()) {
        let is_letter = letter.len() == 1 && "tgrabfx".contains(letter);
        if !is_letter || number.len() != 2 || !number.bytes().all(|b| b.is_ascii_digit()) {
            break;
        }
        found.push(format!("{}-{number}", letter.to_uppercase()));
        parts.next();
    }
    found
}

/// Test functions and test programs below a directory, as (name, file).
fn tests(dir: &Path, found: &mut Vec<(String, String)>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !["target", "build", "node_modules"].iter().any(|skip| path.ends_with(skip)) {
                tests(&path, found);
            }
            continue;
        }
        let file = path.strip_prefix(root).unwrap().display().to_string();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        if extension == "c" {
            found.push((path.file_stem().unwrap().to_str().unwrap().to_owned(), file));
            continue;
        }
        if !["rs", "go", "py"].contains(&extension) {
            continue;
        }
        for line in fs::read_to_string(&path).unwrap().lines() {
            let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ");
            let name = line
                .strip_prefix("fn ")
                .or(line.strip_prefix("def test_"))
                .or(line.strip_prefix("func Test_"));
            if let Some(name) = name {
                let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
                found.push((name[..end].to_lowercase(), file.clone()));
            }
        }
    }
}

#[test]
fn the_page_of_cases_agrees_with_the_tests() {
    let mut found = Vec::new();
    for dir in ["src", "tests", "bindings", "fuzz"] {
        tests(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir), &mut found);
    }
    let mut by_case: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, file) in found {
        for id in ids(&name) {
            by_case.entry(id).or_default().insert(format!("`{file}` {name}"));
        }
    }
    let page = fs::read_to_string(PAGE).unwrap();
    let mut fresh = String::new();
    let mut known = BTreeSet::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.trim_matches('|').splitn(3, " | ").map(str::trim).collect();
        let line = match cells.as_slice() {
            [id, what, state]
                if id.len() == 4 && id.as_bytes()[1] == b'-' && id.as_bytes()[0].is_ascii_uppercase() =>
            {
                known.insert((*id).to_owned());
                let state = match by_case.get(*id) {
                    Some(tests) => tests.iter().cloned().collect::<Vec<_>>().join("; "),
                    // A test that is gone leaves no reason behind.
                    None if state.starts_with('`') => "not yet".to_owned(),
                    None => (*state).to_owned(),
                };
                format!("| {id} | {what} | {state} |")
            }
            _ => line.to_owned(),
        };
        fresh.push_str(&line);
        fresh.push('\n');
    }
    let strangers: Vec<_> = by_case.keys().filter(|id| !known.contains(*id)).collect();
    assert!(strangers.is_empty(), "tests name cases that the catalogue does not have: {strangers:?}");
    assert!(known.len() > 200);
    assert!(!fresh.contains("| not yet |"), "a case without a test needs a reason");
    if fresh != page {
        if std::env::var_os("CLDOCI_CASES").is_some_and(|v| v == "write") {
            fs::write(PAGE, fresh).unwrap();
        } else {
            panic!("docs/cases-status.md is stale; CLDOCI_CASES=write cargo test --test it cases mends it");
        }
    }
}

/// The IDs that a text cites: quirks (Q30, Q68a), promises (G7) and cases, and quirks in names of tests.
fn cited(text: &str) -> Vec<String> {
    let is_id = |word: &str| {
        let (letter, rest) = word.split_at(1);
        let digits = |text: &str, count: std::ops::RangeInclusive<usize>| {
            count.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
        };
        match letter {
            "Q" => digits(rest.trim_end_matches(|c: char| c.is_ascii_lowercase()), 1..=3),
            "G" if !rest.starts_with('-') => digits(rest, 1..=2),
            "T" | "G" | "R" | "A" | "B" | "F" | "X" => {
                rest.strip_prefix('-').is_some_and(|n| digits(n, 2..=2))
            }
            _ => false,
        }
    };
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_');
    let words = words.flat_map(|word| match word.strip_prefix('q').and_then(|rest| rest.split_once('_')) {
        Some((number, _)) => vec![format!("Q{number}")],
        None => vec![word.to_owned()],
    });
    words.filter(|word| word.is_char_boundary(1) && word.len() > 1 && is_id(word)).collect()
}

/// Every text file below these, with its name.
fn texts(places: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pending: Vec<_> = places.iter().map(|place| root.join(place)).collect();
    let mut found = Vec::new();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with("__pycache__") {
                pending.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push((path.strip_prefix(root).unwrap().display().to_string(), text));
        }
    }
    found
}

#[test]
fn whatever_is_cited_stands_on_a_page() {
    let pages = ["docs/registry-quirks.md", "docs/cases-status.md"];
    let mut known = BTreeSet::new();
    for (_, page) in texts(&pages) {
        known.extend(
            page.lines().filter_map(|line| Some(line.strip_prefix("| ")?.split_once(" |")?.0.to_owned())),
        );
    }
    assert!(
        known.contains("Q30") && known.contains("Q68a") && known.contains("G7") && known.contains("X-27")
    );
    let places =
        ["src", "tests", "docs", "include", "bindings", "examples", "benches", "fuzz", "scripts", "cli"];
    let files =
        ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "build.rs"];
    let mut strangers = Vec::new();
    let mut all = 0;
    for (name, text) in texts(&[places.as_slice(), &files].concat()) {
        if pages.contains(&name.as_str()) || name.ends_with("it/cases.rs") {
            continue;
        }
        let ids = cited(&text);
        all += ids.len();
        strangers.extend(ids.into_iter().filter(|id| !known.contains(id)).map(|id| format!("{name}: {id}")));
    }
    assert!(all > 300, "{all} citations");
    assert!(strangers.is_empty(), "cited, and on no page: {strangers:#?}");
}

/// The paths of this repository that a text names, up to where they are a pattern.
fn paths(text: &str) -> Vec<String> {
    let roots =
        ["src", "tests", "scripts", "docs", "include", "bindings", "benches", "examples", "fuzz", "cli"];
    let words = text.split(|c: char| c.is_whitespace() || "`()[],;\"'".contains(c));
    let begun = words.filter(|word| word.split_once('/').is_some_and(|(root, _)| roots.contains(&root)));
    begun
        .map(|word| {
            let end = word.find(|c: char| !c.is_alphanumeric() && !"/._-".contains(c));
            let (path, whole) = (&word[..end.unwrap_or(word.len())], end.is_none());
            let path = if whole { path } else { path.rsplit_once('/').unwrap().0 };
            path.trim_end_matches(['.', '/', ':']).to_owned()
        })
        .collect()
}

#[test]
fn whatever_path_a_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages =
        texts(&["docs", "ARCHITECTURE.md", "README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]);
    let mut all = 0;
    let mut missing = Vec::new();
    for (page, text) in pages.iter().filter(|(name, _)| name.ends_with(".md")) {
        let named = paths(text);
        all += named.len();
        missing.extend(
            named.into_iter().filter(|path| !root.join(path).exists()).map(|path| format!("{page}: {path}")),
        );
    }
    assert!(all > 300, "{all} paths");
    assert!(missing.is_empty(), "named, and not there: {missing:#?}");
}

#[test]
fn paths_are_read_from_texts() {
    let text = "`src/ffi/<object>.rs`, (tests/it/cases.rs), see docs/abi.md. Not org/app nor https://x/src/y; docs/*.md";
    assert_eq!(paths(text), ["src/ffi", "tests/it/cases.rs", "docs/abi.md", "docs"]);
}

#[test]
fn citations_are_read_from_texts() {
    assert_eq!(
        cited("(Q28–Q31, A-09): fn q68a_x() and G7; not SHA-256, Q, G, X-1, GET, q_x."),
        ["Q28", "Q31", "A-09", "Q68a", "G7"]
    );
}

#[test]
fn ids_are_read_from_names() {
    assert_eq!(ids("t_10_symlink_then_write"), ["T-10"]);
    assert_eq!(ids("t_10_t_12_x"), ["T-10", "T-12"]);
    assert!(ids("the_seeds_workflow").is_empty() && ids("t_1_x").is_empty());
}
