//! The names of entries: checked bytes in, a clean relative path out.

use crate::error::{Error, Kind, Result};

/// What a name may measure; each is an option of the same name with `max_` before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// `max_path_bytes`
    pub(super) path: usize,
    /// `max_depth`
    pub(super) depth: usize,
}

/// The longest name of one component on every Linux file system.
const COMPONENT: usize = 255;

/// The components of `name` joined by single slashes, without `.`; empty is the root. Nothing that leaves the
/// root comes back: an absolute name (unless `strip_leading_slash`), `..`, NUL are UNSAFE (T-01…T-05).
pub(super) fn clean(name: &[u8], limits: &Limits, strip_leading_slash: bool) -> Result<Vec<u8>> {
    let refuse = |why: &str| Err(Error::new(Kind::Unsafe, why));
    let limit = |why: String| Err(Error::new(Kind::Limit, why));
    if name.is_empty() {
        return refuse("the name is empty");
    }
    if name.contains(&0) {
        return refuse("the name has a NUL byte");
    }
    if name.len() > limits.path {
        return limit(format!("the path has {} bytes, over max_path_bytes {}", name.len(), limits.path));
    }
    if name.starts_with(b"/") && !strip_leading_slash {
        return refuse("the name is absolute (option strip_leading_slash takes it below the destination)");
    }
    let mut path = Vec::with_capacity(name.len());
    let mut depth = 0;
    for component in name.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => continue,
            b".." => return refuse("the name has the component '..'"),
            _ if component.len() > COMPONENT => {
                return limit(format!(
                    "a component of the path has {} bytes, over {COMPONENT}",
                    component.len()
                ));
            }
            _ => {}
        }
        depth += 1;
        if depth > limits.depth {
            return limit(format!("the path is deeper than max_depth {}", limits.depth));
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(component);
    }
    Ok(path)
}

/// A clean path cut into its parent's path (empty = the root) and its last component.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default()),
        None => (b"", path),
    }
}

/// A clean path with one more component.
pub(super) fn join(path: &[u8], component: &[u8]) -> Vec<u8> {
    if path.is_empty() { component.to_vec() } else { [path, b"/", component].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { path: 4096, depth: 256 };

    #[test]
    fn clean_names_lose_dots_and_double_slashes_and_keep_their_bytes() {
        for (name, want) in [
            ("a/b", "a/b"),
            ("./a", "a"),
            ("a//b/", "a/b"),
            ("a/./b", "a/b"),
            (".", ""),
            ("./", ""),
            ("..a/b..", "..a/b.."),
            ("a\\b:c", "a\\b:c"),
        ] {
            assert_eq!(clean(name.as_bytes(), &LIMITS, false).unwrap(), want.as_bytes(), "{name}");
        }
        assert_eq!(
            clean(b"\xff\xfe/\xc0\xae\xc0\xae", &LIMITS, false).unwrap(),
            b"\xff\xfe/\xc0\xae\xc0\xae"
        );
        assert_eq!(clean(b"//tmp/x", &LIMITS, true).unwrap(), b"tmp/x");
    }

    #[test]
    fn t_06_lengths_at_and_over_the_limit() {
        let part = |n: usize| vec![b'x'; n];
        assert!(clean(&part(255), &LIMITS, false).is_ok());
        assert_eq!(clean(&part(256), &LIMITS, false).unwrap_err().kind(), Kind::Limit);
        let path = |n: usize| [part(200), b"/".to_vec()].concat().repeat(n);
        assert!(clean(&path(20), &LIMITS, false).is_ok());
        let error = clean(&path(21), &LIMITS, false).unwrap_err();
        assert!(error.kind() == Kind::Limit && error.message().contains("max_path_bytes 4096"), "{error}");
        let error = clean(&b"x/".repeat(257), &LIMITS, false).unwrap_err();
        assert!(error.kind() == Kind::Limit && error.message().contains("max_depth 256"), "{error}");
        assert!(clean(&b"x/".repeat(256), &LIMITS, false).is_ok());
    }

    #[test]
    fn split_and_join_undo_each_other() {
        assert_eq!(split(b"a"), (&b""[..], &b"a"[..]));
        assert_eq!(split(b"a/b/c"), (&b"a/b"[..], &b"c"[..]));
        assert_eq!(join(b"a/b", b"c"), b"a/b/c");
        assert_eq!(join(b"", b"c"), b"c");
    }
}
