//! What goes into an artifact: the profile's list, and a `.cldignore` file at the root that adds to it and
//! takes back with `!`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::error::{Error, Kind, Result, printable};
use crate::oci::Profile;

/// The file at the root whose patterns, in gitignore's syntax, decide before the profile does.
pub(super) const IGNORE_FILE: &str = ".cldignore";

/// Names that today's Go package leaves out at any depth, besides those that begin with a dot.
const CLDCTL_NAMES: [&[u8]; 5] = [b"node_modules", b"__pycache__", b"venv", b"dist", b"build"];
/// Names with a dot that go in all the same; the last two are new here.
const CLDCTL_DOTFILES: [&[u8]; 4] =
    [b".env.example", b".dockerignore", IGNORE_FILE.as_bytes(), b".terraform.lock.hcl"];
const VCS_NAMES: [&[u8]; 3] = [b".git", b".hg", b".svn"];

/// The most memory that the patterns may take, by an estimate on the safe side: for each, and for each byte of one
/// that is more than a name.
const MEMORY: usize = 16 << 20;
const OF_PATTERN: usize = 2 << 10;
const OF_BYTE: usize = 640;

fn estimate(line: &str) -> usize {
    let pattern = line.trim_end();
    if pattern.is_empty() || pattern.starts_with('#') {
        return 0;
    }
    // `*.log` is looked up by its end.
    let plain = !pattern.trim_start_matches('!').trim_start_matches("*.").contains(['*', '?', '[', '\\']);
    OF_PATTERN.saturating_add(pattern.len().saturating_mul(if plain { 16 } else { OF_BYTE }))
}

/// Decides entry by entry. What lies in a directory that is left out is never asked about.
pub(super) struct Filter {
    profile: Profile,
    ignored: Gitignore,
}

impl Filter {
    /// A filter of `profile` and the text of the `.cldignore` file, which may be empty.
    pub(super) fn new(profile: Profile, ignore_file: &[u8]) -> Result<Self> {
        let mut builder = GitignoreBuilder::new("");
        let text = ignore_file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(ignore_file);
        let mut memory: usize = 0;
        for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            // Never the text: where the file is a link, it can be one that nobody meant to show.
            let bad = |why: &str| Error::new(Kind::Argument, format!("{IGNORE_FILE} line {number} {why}"));
            let text = std::str::from_utf8(line).map_err(|_| bad("is not UTF-8"))?;
            memory = memory.saturating_add(estimate(text));
            if memory > MEMORY {
                return Err(Error::new(
                    Kind::Limit,
                    format!(
                        "{IGNORE_FILE} line {number}: up to here the patterns need more than {MEMORY} bytes of \
                         memory (fixed): write fewer and shorter ones, or name the directories that hold what they \
                         mean"
                    ),
                ));
            }
            builder
                .add_line(None, &without_braces(text))
                .map_err(|_| bad("is not a pattern of gitignore"))?;
        }
        let ignored = builder.build().map_err(|_| {
            Error::new(Kind::Limit, format!("{IGNORE_FILE}: all its patterns together are too many to match"))
        })?;
        Ok(Self { profile, ignored })
    }

    /// Why the entry at `path` (relative, without slashes at its ends) is left out, if it is.
    pub(super) fn leaves_out(&self, path: &[u8], directory: bool) -> Option<String> {
        match self.ignored.matched(Path::new(OsStr::from_bytes(path)), directory) {
            Match::Ignore(glob) => Some(format!("{IGNORE_FILE}: {}", printable(glob.original()))),
            Match::Whitelist(_) => None,
            Match::None => {
                let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
                let (profile, rule) = match self.profile {
                    Profile::None => return None,
                    Profile::Vcs if VCS_NAMES.contains(&name) => ("vcs", printable(name)),
                    Profile::Cldctl if CLDCTL_NAMES.contains(&name) => ("cldctl", printable(name)),
                    Profile::Cldctl if name.starts_with(b".") && !CLDCTL_DOTFILES.contains(&name) => {
                        ("cldctl", "names that begin with a dot".to_owned())
                    }
                    _ => return None,
                };
                Some(format!("profile {profile}: {rule}"))
            }
        }
    }
}

/// The pattern with its braces escaped: git has no alternatives in braces, the matcher has.
fn without_braces(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let (mut escaped, mut class) = (false, false);
    for c in line.chars() {
        match c {
            '{' | '}' if !escaped && !class => out.push('\\'),
            '[' if !escaped => class = true,
            ']' => class = false,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn left_out(profile: Profile, ignore_file: &str, path: &str) -> bool {
        Filter::new(profile, ignore_file.as_bytes()).unwrap().leaves_out(path.as_bytes(), false).is_some()
    }

    #[test]
    fn the_profiles_lists() {
        for path in [
            ".env",
            ".git",
            "a/node_modules",
            "dist",
            "x/build",
            ".DS_Store",
            "a/.cache",
            "venv",
            "__pycache__",
        ] {
            assert!(left_out(Profile::Cldctl, "", path), "{path}");
        }
        for path in
            [".env.example", ".dockerignore", ".cldignore", "m/.terraform.lock.hcl", "distX", "a/b.env"]
        {
            assert!(!left_out(Profile::Cldctl, "", path), "{path}");
        }
        for path in [".git", "sub/.git", ".hg", ".svn"] {
            assert!(left_out(Profile::Vcs, "", path) && !left_out(Profile::None, "", path), "{path}");
        }
        for path in [".gitignore", ".env", "node_modules", "dist"] {
            assert!(!left_out(Profile::Vcs, "", path), "{path}");
        }
    }

    #[test]
    fn the_ignore_file_adds_and_takes_back() {
        assert!(left_out(Profile::Cldctl, "*.log", "a/b.log"));
        assert!(!left_out(Profile::Cldctl, "!.env", ".env"));
        // With a slash it is for directories alone.
        let filter = Filter::new(Profile::Cldctl, b"!dist/").unwrap();
        assert_eq!(filter.leaves_out(b"dist", true), None);
        assert_eq!(filter.leaves_out(b"dist", false).as_deref(), Some("profile cldctl: dist"));
        let reason =
            Filter::new(Profile::None, b"\xef\xbb\xbf*.log\r\n").unwrap().leaves_out(b"x.log", false);
        assert_eq!(reason.as_deref(), Some(".cldignore: *.log"));
        let reason = Filter::new(Profile::Cldctl, b"").unwrap().leaves_out(b"a/.env", false);
        assert_eq!(reason.as_deref(), Some("profile cldctl: names that begin with a dot"));
    }

    #[test]
    fn a_line_that_is_no_pattern_is_named() {
        let error = Filter::new(Profile::None, b"ok\n\xff\n").err().unwrap();
        assert_eq!(error.message(), ".cldignore line 2 is not UTF-8");
        let error = Filter::new(Profile::None, b"ok\nsecret[z-a]\n").err().unwrap();
        assert_eq!(error.message(), ".cldignore line 2 is not a pattern of gitignore");
    }

    #[test]
    fn patterns_that_would_take_much_memory_are_refused_at_their_line() {
        let lines = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
        let names = |count| lines(count, &|n| format!("name{n}\n# a remark\n\n"));
        let shapes = |count| lines(count, &|n| format!("p{n}*q\n"));
        let many = [names(5_000), lines(5_000, &|n| format!("*.{n}\n")), shapes(2_000), "[ab]".repeat(5_000)];
        for text in &many {
            assert!(Filter::new(Profile::None, text.as_bytes()).is_ok());
        }
        for (text, line) in [
            (names(30_000), "line 2"),
            (shapes(10_000), "line "),
            (format!("ok\n{}", "[ab]".repeat(100_000)), "line 2:"),
            (lines(50_000, &|n| format!("*a*{n}*b*\n")), "line "),
        ] {
            let error = Filter::new(Profile::None, text.as_bytes()).err().unwrap();
            assert!(error.kind() == Kind::Limit && error.message().contains(line), "{error}");
            assert!(error.message().contains("fewer and shorter"), "{error}");
        }
    }

    /// Every pattern against git itself, on every path. One known difference is left out: git takes `f**/bar`
    /// for `f` and `**/bar`, against its own documentation.
    #[test]
    fn gits_own_check_agrees() {
        let paths = [
            "a",
            "b/a",
            "b/c/a",
            "a.log",
            "b/a.log",
            "b",
            "b/c",
            "b/c/d.txt",
            "doc/frotz",
            "doc/frotz/x",
            "d/doc/frotz",
            "foo",
            "foo/bar",
            "foo/x/bar",
            "foo/x/y/bar",
            "bar",
            "{a,b}",
            "a{1}",
            "#x",
            "!y",
            " s",
            "s ",
            "x.o",
            "keep.o",
            "sub/keep.o",
            "abc/x",
            "abc/x/y",
            "q?z",
            "qaz",
            "[x]",
            "A.LOG",
            "\u{e9}.txt",
            "t\\e",
        ];
        let files = [
            "a",
            "/a",
            "a/",
            "*.log",
            "*.log\n!a.log",
            "doc/frotz",
            "/doc/frotz/",
            "**/bar",
            "foo/**/bar",
            "abc/**",
            "b/*",
            "!b",
            "b/\n!b/c",
            "*\n!*/\n!*.txt",
            "{a,b}",
            "a{1}",
            "\\#x",
            "#x",
            "\\!y",
            "s\\ ",
            "s ",
            "*.o\n!keep.o",
            "/*.o",
            "q?z",
            "q[!b]z",
            "q[a-c]z",
            "\\[x\\]",
            "[[:alpha:]]",
            "foo/*/bar",
            "**",
            "**/",
            "/**",
            "",
            "\n\n",
            "*.LOG",
            "b/c/",
            "**/c/**",
            "t\\\\e",
            "\u{e9}*",
            "/",
            "!",
            "a b",
            "fo*",
            "*/x",
            "[ab",
            "b//c",
            "./a",
        ];
        // Each path once as a file where it can be one, and once as a directory.
        for directories in [false, true] {
            let root = tempfile::tempdir().unwrap();
            let git = |arguments: &[&str]| {
                let mut command = Command::new("git");
                command.args(arguments).current_dir(root.path());
                command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
                command
            };
            assert!(git(&["init", "-q"]).status().unwrap().success());
            for path in paths {
                std::fs::create_dir_all(root.path().join(path).parent().unwrap()).unwrap();
                if directories {
                    std::fs::create_dir_all(root.path().join(path)).unwrap();
                }
            }
            for path in paths.iter().filter(|path| !root.path().join(path).exists()) {
                std::fs::write(root.path().join(path), "").unwrap();
            }
            let list = root.path().join(".git/asked");
            std::fs::write(&list, paths.join("\0")).unwrap();
            for text in files {
                std::fs::write(root.path().join(".gitignore"), text).unwrap();
                let filter = Filter::new(Profile::None, text.as_bytes()).unwrap();
                let asked = std::fs::File::open(&list).unwrap();
                let theirs =
                    git(&["check-ignore", "--no-index", "-z", "--stdin"]).stdin(asked).output().unwrap();
                assert!(matches!(theirs.status.code(), Some(0 | 1)), "{theirs:?}");
                let theirs: Vec<&str> =
                    std::str::from_utf8(&theirs.stdout).unwrap().split_terminator('\0').collect();
                let ours: Vec<&str> = paths
                    .into_iter()
                    .filter(|path| {
                        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
                        ends.map(|end| &path[..end]).any(|part| {
                            let directory = root.path().join(part).is_dir();
                            filter.leaves_out(part.as_bytes(), directory).is_some()
                        })
                    })
                    .collect();
                assert_eq!(ours, theirs, "{text:?}, directories: {directories}");
            }
        }
    }
}
