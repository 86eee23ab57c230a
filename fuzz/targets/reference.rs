//! Oracle: what parses is written as text that parses to the same, within the limits that the grammar promises; an
//! error is one line.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use cldoci::Kind;
use cldoci::oci::{Reference, check_tag};

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let reference: Reference = match text.parse() {
        Ok(reference) => reference,
        Err(error) => return super::room::is_plain(&error, &[Kind::Argument]),
    };
    let written = reference.to_string();
    let again: Reference = written.parse().unwrap_or_else(|error| panic!("{written:?}: {error:?}"));
    assert_eq!(again, reference, "{written:?}");
    assert_eq!(again.to_string(), written);
    if let Some(tag) = reference.tag() {
        check_tag(tag).unwrap();
    }
    if let Ok(Some(digest)) = reference.digest() {
        assert!(text.ends_with(digest.as_str()));
        let pinned = reference.with_digest(&digest);
        assert_eq!(pinned.digest().unwrap(), Some(digest));
        // Without its tag, a path with a ':' in its name has no text (`Reference::layout`).
        let colon = |name: &OsStr| name.as_bytes().contains(&b':');
        if !matches!(&pinned, Reference::Layout(layout) if layout.path.file_name().is_some_and(colon)) {
            assert_eq!(pinned.to_string().parse::<Reference>().unwrap(), pinned);
        }
    }
    if let Reference::Layout(layout) = &reference {
        assert!(!layout.path.as_os_str().as_bytes().contains(&0), "no system call takes it");
    }
    if let Reference::Registry(reference) = reference {
        // These go into URLs as they are.
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/._-".contains(c);
        assert!(reference.repository.chars().all(plain), "{reference:?}");
        let climbs = reference.repository.split('/').any(|part| matches!(part, "" | "." | ".."));
        assert!(!climbs && reference.repository.len() <= 255, "{reference:?}");
        let host = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        assert!(!reference.registry.is_empty() && reference.registry.chars().all(host), "{reference:?}");
        assert!(reference.tag.is_some() || reference.digest.is_some());
    }
}
