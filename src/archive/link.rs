//! The rule for symbolic links, one for building and extracting: a link is kept when it stays inside the
//! tree by its text alone. Both sides prove by other means where it really leads.

/// Whether the link at `entry` (relative to the root, its parts joined by `/`) with the text `target` stays
/// inside the tree lexically: `target` is relative, and no `..` in it climbs above the root. The root itself
/// is inside.
///
/// ```
/// use cldoci::archive::link_stays_inside;
/// assert!(link_stays_inside(b"a/link", b"../b/file"));
/// assert!(!link_stays_inside(b"a/link", b"../../b"));
/// ```
pub fn link_stays_inside(entry: &[u8], target: &[u8]) -> bool {
    if target.is_empty() || target.starts_with(b"/") || target.contains(&0) {
        return false;
    }
    let Some(depth) = descend(0, entry) else { return false };
    // The link's own name is no directory that its target starts from.
    depth.checked_sub(1).and_then(|parent| descend(parent, target)).is_some()
}

/// The depth below the root after `path`, taken from `depth`; `None` once it was above the root.
fn descend(depth: usize, path: &[u8]) -> Option<usize> {
    path.split(|&byte| byte == b'/').try_fold(depth, |depth, part| match part {
        b"" | b"." => Some(depth),
        b".." => depth.checked_sub(1),
        _ => Some(depth + 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn b_03_links_inside_are_kept() {
        for (entry, target) in [
            ("l", "f"),
            ("l", "./a//b/./c"),
            ("l", "."),
            ("a/l", ".."),
            ("a/b/l", "../../c"),
            ("a/b/l", "../../a/b/../b/f"),
            ("l", "..."),
            ("./a/l", "../x"),
            ("l", "a/../b"),
        ] {
            assert!(link_stays_inside(entry.as_bytes(), target.as_bytes()), "{entry} -> {target}");
        }
    }

    #[test]
    fn b_03_links_that_leave_are_refused() {
        for (entry, target) in [
            ("l", ""),
            ("l", ".."),
            ("l", "/etc/passwd"),
            ("l", "//x"),
            ("l", "a\0b"),
            ("a/l", "../.."),
            ("a/l", "../../a/f"),
            ("l", "a/../../b"),
            ("", "x"),
            (".", "x"),
            ("../l", "x"),
        ] {
            assert!(!link_stays_inside(entry.as_bytes(), target.as_bytes()), "{entry} -> {target}");
        }
    }

    proptest! {
        /// Against another way to say the same: walk a stack of names and look whether it underflows.
        #[test]
        fn the_rule_agrees_with_a_stack(entry in "[ab]{1}(/[ab.]{1,2}){0,3}/l", target in "[ab./]{1,12}") {
            let mut stack: Vec<&str> = Vec::new();
            let mut inside = !target.starts_with('/');
            let parent = entry.rsplit_once('/').map_or("", |(parent, _)| parent);
            for part in parent.split('/').chain(target.split('/')) {
                match part {
                    "" | "." => {}
                    ".." => inside &= stack.pop().is_some(),
                    name => stack.push(name),
                }
            }
            prop_assert_eq!(link_stays_inside(entry.as_bytes(), target.as_bytes()), inside);
        }
    }
}
