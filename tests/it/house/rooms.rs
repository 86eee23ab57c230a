//! The rooms of the house: what ARCHITECTURE.md says that each may import, what it imports, and where files import
//! one another in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::imports::File;

/// Each room of the table in ARCHITECTURE.md, as a module path, with what it may import.
pub type Table = BTreeMap<String, BTreeSet<String>>;

/// Reads the rows whose first cell begins with a path in `src`.
pub fn table(page: &str) -> Table {
    let mut table = Table::new();
    for row in page.lines().filter(|line| line.starts_with("| `src/")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [room, _, may] = cells[..] else { panic!("a row of three cells: {row}") };
        let room = room.trim_start_matches("`src/").split('`').next().unwrap();
        let room = room.trim_end_matches('/').trim_end_matches(".rs").replace('/', "::");
        let may = may.split(", ").filter(|name| *name != "nothing").map(|name| name.replace('/', "::"));
        assert!(table.insert(room, may.collect()).is_none(), "twice: {row}");
    }
    for (room, may) in &table {
        let unknown: Vec<_> = may.iter().filter(|name| !table.contains_key(*name)).collect();
        assert!(unknown.is_empty(), "{room} may import {unknown:?}, which the table has not");
    }
    table
}

/// All files of `src`.
pub struct House {
    files: Vec<File>,
    /// Where a name of a module is from, if a child of it has it.
    taken: BTreeMap<Vec<String>, BTreeMap<String, Vec<String>>>,
}

impl House {
    pub fn new(files: Vec<File>) -> Self {
        let taken = files.iter().map(|file| (file.module.clone(), file.taken_from_children())).collect();
        Self { files, taken }
    }

    /// What a path means once every module on it has handed on what is not its own.
    fn origin(&self, path: &[String]) -> Vec<String> {
        for at in 0..path.len() {
            let handed_on = self.taken.get(&path[..at]).and_then(|taken| taken.get(&path[at]));
            // A function may have the name of its module, which is meant then.
            if let Some(from) = handed_on.filter(|from| !from.starts_with(&path[..=at])) {
                return self.origin(&[from.as_slice(), &path[at + 1..]].concat());
            }
        }
        path.to_vec()
    }

    /// The imports that the table does not allow, and the rooms that it lacks or has too many.
    pub fn breaches(&self, table: &Table) -> Vec<String> {
        let room_of = |module: &[String]| {
            let lengths = (1..=module.len()).rev();
            lengths.map(|length| module[..length].join("::")).find(|name| table.contains_key(name))
        };
        let mut wrong = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for file in self.files.iter().filter(|file| !file.module.is_empty()) {
            let Some(room) = room_of(&file.module) else {
                wrong.insert(format!("{}: a room that the table lacks", file.module.join("::")));
                continue;
            };
            for path in file.imports() {
                let Some(other) = room_of(&self.origin(&path)) else { continue };
                // What is inside a room is its own.
                if other != room && !table[&room].contains(&other) {
                    wrong.insert(format!("{} imports {}", file.module.join("::"), path.join("::")));
                }
            }
            seen.insert(room);
        }
        let absent = table.keys().filter(|room| !seen.contains(*room));
        wrong.extend(absent.map(|room| format!("{room}: a room of the table that is not there")));
        wrong.into_iter().collect()
    }

    /// The circles between the modules of one module, for each that has some. A module's own file is none of its
    /// parts: it names them, and holds what they share.
    pub fn circles(&self) -> Vec<String> {
        let mut arrows: BTreeMap<Vec<String>, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for file in &self.files {
            let imports: Vec<_> = file.imports().iter().map(|path| self.origin(path)).collect();
            for level in 0..file.module.len() {
                let (above, own) = (&file.module[..level], &file.module[level]);
                let parts = imports.iter().filter(|path| path.len() > level && path[..level] == *above);
                let others = parts.map(|path| path[level].clone()).filter(|other| other != own);
                let siblings = others.filter(|other| self.is_module(above, other));
                arrows.entry(above.to_vec()).or_default().entry(own.clone()).or_default().extend(siblings);
            }
        }
        let mut found = Vec::new();
        for (module, mut arrows) in arrows {
            // Takes away what imports nothing that is left, or what nothing that is left imports, again and again:
            // what stays goes round.
            loop {
                let left: BTreeSet<String> = arrows.keys().cloned().collect();
                let imported: BTreeSet<String> = arrows.values().flatten().cloned().collect();
                arrows
                    .retain(|own, to| imported.contains(own) && to.iter().any(|other| left.contains(other)));
                if arrows.len() == left.len() {
                    break;
                }
            }
            let parts: Vec<_> = arrows.into_keys().collect();
            if !parts.is_empty() {
                found.push(format!("in '{}': {}", module.join("::"), parts.join(", ")));
            }
        }
        found
    }

    fn is_module(&self, above: &[String], name: &str) -> bool {
        self.files.iter().any(|file| {
            file.module.len() > above.len()
                && file.module.starts_with(above)
                && file.module[above.len()] == name
        })
    }
}

fn house(files: &[(&str, &str)]) -> House {
    House::new(files.iter().map(|(path, text)| File::new(path, text)).collect())
}

const PAGE: &str = "| room | what | may import |\n|---|---|---|\n\
    | `src/error.rs` | errors | nothing |\n\
    | `src/low/` | low | error |\n\
    | `src/high.rs`, `high/` | high | low, error |\n\
    | `src/top/` | top | top/base, high |\n\
    | `src/top/base/` | its ground | low |\n";

const GOOD: [(&str, &str); 6] = [
    ("lib.rs", "mod error; mod high; mod low; mod top; pub use error::Error; pub use high::High;"),
    ("error.rs", "pub struct Error;"),
    ("low/mod.rs", "use crate::error::Error; use crate::Error as Same;"),
    ("high.rs", "use crate::{error, low};"),
    ("top/mod.rs", "mod base; use crate::high::High; use self::base::Base;"),
    ("top/base/mod.rs", "use crate::low; use super::base::Base;"),
];

#[test]
fn a_house_that_keeps_to_its_table_has_no_breach() {
    assert_eq!(house(&GOOD).breaches(&table(PAGE)), [""; 0]);
}

#[test]
fn every_way_to_import_what_is_above_is_seen() {
    for (file, bad) in [
        ("low/a.rs", "use crate::high::High;"),
        ("low/a.rs", "use crate::High;"),
        ("low/a.rs", "use crate::{error::Error, High};"),
        ("low/a.rs", "use super::super::high::High;"),
        ("low/a.rs", "use super::super::High;"),
        ("low/a.rs", "fn f() -> crate::high::High { todo!() }"),
        ("low/a.rs", "mod inside { use super::super::super::high; }"),
        ("top/base/a.rs", "use super::super::Top;"),
        ("top/base/a.rs", "use crate::top::Top;"),
    ] {
        let files = [GOOD.as_slice(), &[(file, bad)]].concat();
        assert_eq!(house(&files).breaches(&table(PAGE)).len(), 1, "{file}: {bad}");
    }
}

#[test]
fn a_room_without_a_row_and_a_row_without_a_room_are_breaches() {
    let files = [GOOD.as_slice(), &[("new.rs", "")]].concat();
    assert_eq!(house(&files).breaches(&table(PAGE)), ["new: a room that the table lacks"]);
    let page = format!("{PAGE}| `src/gone.rs` | nothing left | error |\n");
    assert_eq!(house(&GOOD).breaches(&table(&page)), ["gone: a room of the table that is not there"]);
}

#[test]
fn circles_are_found_through_what_modules_hand_on() {
    assert_eq!(house(&GOOD).circles(), [""; 0]);
    let files = [
        ("low/mod.rs", "mod a; mod b; mod c; pub use a::{A, f};"),
        ("low/a.rs", "use super::b::B;"),
        ("low/b.rs", "use super::A;"),
        ("low/c.rs", "use super::b::B;"),
    ];
    assert_eq!(house(&files).circles(), ["in 'low': a, b"]);
    let straight = [files[0], files[1], ("low/b.rs", "use super::Low;"), files[3]];
    assert_eq!(house(&straight).circles(), [""; 0]);
    let rooms = [
        ("a.rs", "use crate::b;"),
        ("b.rs", "use crate::c::d;"),
        ("c/mod.rs", ""),
        ("c/d.rs", "use crate::a;"),
    ];
    assert_eq!(house(&rooms).circles(), ["in '': a, b, c"]);
}
