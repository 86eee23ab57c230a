//! What a file of `src` imports, read from its text: every path from `crate`, `super`, `self` or a child module.

use std::collections::BTreeMap;

/// One file of `src` as its text shows it.
pub struct File {
    /// `src/a/b.rs` and `src/a/b/mod.rs` are `["a", "b"]`; `src/lib.rs` is empty.
    pub module: Vec<String>,
    pub text: String,
}

impl File {
    pub fn new(path: &str, text: &str) -> Self {
        let mut module: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
            module.pop();
        }
        Self { module, text: text.to_owned() }
    }

    /// The paths that it names, from the crate's root.
    pub fn imports(&self) -> Vec<Vec<String>> {
        let tokens = tokens(&self.text);
        let mut found = Vec::new();
        // The inline modules that are open, and how deep in braces each was.
        let mut inline: Vec<(String, usize)> = Vec::new();
        let mut depth = 0;
        for (at, token) in tokens.iter().enumerate() {
            let next = |n: usize| tokens.get(at + n).map_or("", String::as_str);
            match token.as_str() {
                "mod" if next(2) == "{" => inline.push((next(1).to_owned(), depth)),
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    inline.retain(|(_, opened)| *opened < depth);
                }
                "crate" | "super" | "self" if next(1) == "::" && (at == 0 || tokens[at - 1] != "::") => {
                    let inline = inline.iter().map(|(name, _)| name.clone());
                    let here = self.module.iter().cloned().chain(inline).collect();
                    tree(&tokens, &mut { at }, here, &mut found);
                }
                _ => {}
            }
        }
        found
    }

    /// Which child module each name comes from that the file takes from one (`pub use child::Name`).
    pub fn taken_from_children(&self) -> BTreeMap<String, Vec<String>> {
        let tokens = tokens(&self.text);
        let children: Vec<&str> =
            tokens.windows(3).filter(|w| w[0] == "mod" && w[2] == ";").map(|w| w[1].as_str()).collect();
        let mut found = Vec::new();
        for at in 0..tokens.len() {
            let child = tokens.get(at + 1).is_some_and(|name| children.contains(&name.as_str()));
            if tokens[at] == "use" && child && tokens.get(at + 2).is_some_and(|t| t == "::") {
                tree(&tokens, &mut { at + 1 }, self.module.clone(), &mut found);
            }
        }
        found.into_iter().filter_map(|path| Some((path.last()?.clone(), path))).collect()
    }
}

/// Reads one path, with the paths in its braces, from `at` on. `here` is the module that it is relative to.
fn tree(tokens: &[String], at: &mut usize, mut here: Vec<String>, found: &mut Vec<Vec<String>>) {
    loop {
        match tokens.get(*at).map_or("", String::as_str) {
            "crate" => here.clear(),
            "super" => drop(here.pop()),
            "self" => {}
            "{" => {
                *at += 1;
                while !matches!(tokens.get(*at).map_or("}", String::as_str), "}") {
                    tree(tokens, at, here.clone(), found);
                    // An alias, and the comma.
                    while !matches!(tokens.get(*at).map_or("}", String::as_str), "," | "}") {
                        *at += 1;
                    }
                    if tokens.get(*at).is_some_and(|token| token == ",") {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            name => here.push(name.to_owned()),
        }
        *at += 1;
        if tokens.get(*at).is_none_or(|token| token != "::") {
            found.push(here);
            return;
        }
        *at += 1;
    }
}

/// The words and signs of some code; no comment, no text between quotes.
pub fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    let starts = |at: usize, what: &str| what.chars().enumerate().all(|(n, c)| chars.get(at + n) == Some(&c));
    while let Some(&c) = chars.get(at) {
        let raw = c == 'r' && (starts(at, "r\"") || starts(at, "r#\"") || starts(at, "r##\""));
        if starts(at, "//") {
            while chars.get(at).is_some_and(|c| *c != '\n') {
                at += 1;
            }
        } else if raw {
            let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
            at += hashes + 2;
            let end = format!("\"{}", "#".repeat(hashes));
            while at < chars.len() && !starts(at, &end) {
                at += 1;
            }
            at += end.len();
        } else if c == '"' {
            at += 1;
            while chars.get(at).is_some_and(|c| *c != '"') {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if c == '\'' {
            // A character ends with a quote; a lifetime does not.
            let escaped = chars.get(at + 1) == Some(&'\\');
            let length =
                if escaped { chars[at + 3..].iter().take_while(|c| **c != '\'').count() + 4 } else { 3 };
            let quoted = escaped || chars.get(at + 2) == Some(&'\'');
            at += if quoted { length } else { 1 };
        } else if c.is_alphanumeric() || c == '_' {
            let word: String = chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
            at += word.chars().count();
            found.push(word);
        } else if starts(at, "::") {
            at += 2;
            found.push("::".to_owned());
        } else {
            at += 1;
            if !c.is_whitespace() {
                found.push(c.to_string());
            }
        }
    }
    found
}

fn read(path: &str, text: &str) -> Vec<String> {
    File::new(path, text).imports().iter().map(|path| path.join("::")).collect()
}

#[test]
fn paths_are_read_from_the_crate_from_above_and_from_here() {
    assert_eq!(read("a/b.rs", "use crate::x::{y::Z, self as w, v};"), ["x::y::Z", "x", "x::v"]);
    assert_eq!(read("a/b.rs", "use super::super::registry::Registry;"), ["registry::Registry"]);
    assert_eq!(read("a/b/mod.rs", "use super::c; use self::d::E;"), ["a::c", "a::b::d::E"]);
    assert_eq!(
        read("a/b.rs", "fn f() -> crate::x::Y { super::g(crate::ffi::h) }"),
        ["x::Y", "a::g", "ffi::h"]
    );
    assert_eq!(
        read("a.rs", "use crate::{error::{Error, Kind}, Client};"),
        ["error::Error", "error::Kind", "Client"]
    );
}

#[test]
fn an_inline_module_is_one_level_more() {
    let text = "mod tests { use super::*; fn f() { super::super::g() } } use super::h;";
    assert_eq!(read("a/b.rs", text), ["a::b::*", "a::g", "a::h"]);
}

#[test]
fn comments_and_quotes_are_not_read() {
    let text = r##"// use crate::a;
        /// [`crate::b`]
        const C: &str = "crate::c \" crate::d"; const E: &[u8] = br#"crate::e"#; const F: [char; 2] = ['"', '\''];
        fn g<'a>(x: &'a crate::h::I) {}"##;
    assert_eq!(read("a.rs", text), ["h::I"]);
}

#[test]
fn names_that_a_module_hands_on_lead_to_where_they_are_from() {
    let file =
        File::new("a/mod.rs", "mod b; pub mod c; pub use b::{X, Y}; pub(crate) use c::d::Z; use std::fs::W;");
    let found: Vec<String> =
        file.taken_from_children().iter().map(|(name, path)| format!("{name}={}", path.join("::"))).collect();
    assert_eq!(found, ["X=a::b::X", "Y=a::b::Y", "Z=a::c::d::Z"]);
}
