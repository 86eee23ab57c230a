//! `THIRD-PARTY` names what is linked into the library, with each licence's text; this test keeps it fresh.
//! `make third-party` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const MEND: &str = "make third-party";

#[test]
fn third_party_is_fresh() {
    let path = Path::new(ROOT).join("THIRD-PARTY");
    let wanted = render(&linked());
    if std::env::var_os("CLDOCI_THIRD_PARTY").is_some_and(|value| value == "write") {
        std::fs::write(&path, wanted).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let line = found.lines().zip(wanted.lines()).position(|(a, b)| a != b);
    assert!(found == wanted, "THIRD-PARTY is stale from line {line:?}; this mends it: {MEND}");
}

struct Package {
    name: String,
    version: String,
    license: String,
    repository: String,
    directory: PathBuf,
}

/// What a release build for Linux links in: no build script, no macro, no test.
fn linked() -> Vec<Package> {
    let tree = cargo(&[
        "tree",
        "--edges=normal,no-proc-macro",
        "--target=x86_64-unknown-linux-gnu",
        "--prefix=none",
        "--format={p}",
        "--locked",
    ]);
    let names: BTreeSet<(String, String)> = String::from_utf8(tree)
        .unwrap()
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?.to_owned(), words.next()?.trim_start_matches('v').to_owned()))
        })
        .filter(|(name, _)| name != "cldoci")
        .collect();

    let metadata: serde_json::Value =
        serde_json::from_slice(&cargo(&["metadata", "--format-version=1", "--locked"])).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut packages: Vec<Package> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| Package {
            name: text(&package["name"]),
            version: text(&package["version"]),
            license: text(&package["license"]),
            repository: text(&package["repository"]),
            directory: Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned(),
        })
        .filter(|package| names.contains(&(package.name.clone(), package.version.clone())))
        .collect();
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    assert_eq!(packages.len(), names.len(), "cargo tree and cargo metadata differ");
    packages
}

fn cargo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(ROOT).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The licence files beside a crate's manifest.
fn license_texts(package: &Package) -> Vec<String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(&package.directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().to_uppercase();
            path.is_file()
                && ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"]
                    .iter()
                    .any(|w| name.starts_with(w))
        })
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).replace('\r', ""))
        .map(|text| {
            text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned()
        })
        .collect()
}

fn render(packages: &[Package]) -> String {
    let mut out = String::from(
        "Third-party software linked into libcldoci\n\
         ==========================================\n\n\
         Generated from Cargo.lock; `make third-party` writes it anew. First the list, then each text once,\n\
         with the names of those it came with.\n\n",
    );
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages {
        let Package { name, version, license, repository, .. } = package;
        assert!(!license.is_empty(), "{name} {version} names no licence");
        writeln!(out, "{name} {version}: {license} ({repository})").unwrap();
        for text in license_texts(package) {
            texts.entry(text).or_default().insert(format!("{name} {version}"));
        }
    }
    let mut texts: Vec<_> = texts.into_iter().map(|(text, names)| (names, text)).collect();
    texts.sort();
    for (names, text) in texts {
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        write!(out, "\n{}\n{names}\n{0}\n\n{text}\n", "-".repeat(100)).unwrap();
    }
    out
}

#[test]
fn every_dependency_has_its_reason() {
    let read = |name: &str| std::fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
    let (cargo, page) = (read("Cargo.toml"), read("docs/decisions.md"));
    let table = page.split("## Dependencies").nth(1).unwrap();
    let first = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let reasons: BTreeSet<&str> =
        first.flat_map(|cell| cell.split([',', ' ', '(', ')'])).filter(|word| !word.is_empty()).collect();
    for section in ["[dependencies]", "[build-dependencies]"] {
        let lines = cargo.split(section).nth(1).unwrap().lines().skip(1);
        let names: Vec<&str> = lines
            .take_while(|line| !line.starts_with('['))
            .filter_map(|l| Some(l.split_once(" = ")?.0))
            .collect();
        assert!(!names.is_empty(), "{section}");
        for name in names.into_iter().filter(|name| !name.starts_with('#')) {
            assert!(reasons.contains(name), "{name} has no reason in docs/decisions.md");
        }
    }
}
