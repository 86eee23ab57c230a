//! References: where an artifact is (distribution-spec, "Pulling manifests"; the grammar of
//! distribution/reference), and local image layouts.

mod grammar;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::digest::Digest;
use crate::error::{Error, Result, printable};
pub use grammar::check_tag;
use grammar::{bad, check_digest_grammar, check_domain, check_ref_name, check_repository};

/// Docker Hub's name, whichever of its spellings was given.
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_ALIASES: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];
/// The scheme of a local image layout.
const LAYOUT_SCHEME: &str = "ocidir://";
/// The longest reference: longer than any path, host, name, tag and digest together.
const LONGEST: usize = 8192;
/// The longest repository name (distribution/reference, `RepositoryNameTotalLengthMax`).
const REPOSITORY_LIMIT: usize = 255;

/// Where an artifact is: on a registry or in a local image layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `registry/repository[:tag][@digest]`
    Registry(RegistryReference),
    /// `ocidir://PATH[:TAG][@DIGEST]`
    Layout(LayoutReference),
}

/// A reference to a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryReference {
    /// Host and, where it was given, port. Docker Hub is `docker.io` in every spelling.
    pub registry: String,
    /// The repository's whole name.
    pub repository: String,
    /// The tag; `latest` where neither tag nor digest was given.
    pub tag: Option<String>,
    /// The digest as it was written; [`Reference::digest`] checks it.
    pub digest: Option<String>,
}

/// A reference to an OCI image layout in the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutReference {
    /// The layout's directory.
    pub path: PathBuf,
    /// The tag; without one the layout's only manifest is meant, else `latest`.
    pub tag: Option<String>,
    /// The digest as it was written.
    pub digest: Option<String>,
}

impl Reference {
    /// The digest, which is checked here: whoever uses it needs a whole one.
    pub fn digest(&self) -> Result<Option<Digest>> {
        let (Self::Registry(RegistryReference { digest, .. }) | Self::Layout(LayoutReference { digest, .. })) =
            self;
        digest.as_deref().map(str::parse).transpose()
    }

    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        let (Self::Registry(RegistryReference { tag, .. }) | Self::Layout(LayoutReference { tag, .. })) =
            self;
        tag.as_deref()
    }

    /// The same place with another digest and no tag.
    #[must_use]
    pub fn with_digest(&self, to: &Digest) -> Self {
        let mut made = self.clone();
        let (Self::Registry(RegistryReference { tag, digest, .. })
        | Self::Layout(LayoutReference { tag, digest, .. })) = &mut made;
        *tag = None;
        *digest = Some(to.to_string());
        made
    }

    /// A layout reference from its parts, for paths that the string form cannot say.
    pub fn layout(path: impl Into<PathBuf>, tag: Option<&str>, digest: Option<&str>) -> Result<Self> {
        let path = path.into();
        if path.as_os_str().is_empty() {
            return Err(bad("the layout's path is empty"));
        }
        if let Some(tag) = tag {
            check_ref_name(tag)?;
        }
        if let Some(digest) = digest {
            check_digest_grammar(digest)?;
        }
        Ok(Self::Layout(LayoutReference {
            path,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        }))
    }

    fn parse_layout(rest: &str) -> Result<Self> {
        let name_start = rest.rfind('/').map_or(0, |at| at + 1);
        let (dir, name) = rest.split_at(name_start);
        let (name, digest) = match name.rsplit_once('@') {
            // An `@` is common in paths: what follows counts only where it can be nothing else.
            Some((before, after)) if after.starts_with("sha256:") || after.starts_with("sha512:") => {
                (before, Some(after))
            }
            _ => (name, None),
        };
        let (name, tag) = match name.rsplit_once(':') {
            Some((before, tag)) => (before, Some(tag)),
            None => (name, None),
        };
        if let Some(tag) = tag {
            check_tag(tag).map_err(|e| {
                e.context(format!(
                    "'{LAYOUT_SCHEME}{}' (for a path with a ':' in its name use the constructor from parts)",
                    printable(rest)
                ))
            })?;
        }
        Self::layout(format!("{dir}{name}"), tag, digest)
    }
}

impl RegistryReference {
    /// The reference's tag or digest as the manifests endpoint takes it; the digest wins.
    pub fn target(&self) -> Result<String> {
        match &self.digest {
            Some(digest) => Ok(digest.parse::<Digest>()?.to_string()),
            None => Ok(self.tag.clone().unwrap_or_else(|| "latest".to_owned())),
        }
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(bad("the reference is empty"));
        }
        if text.len() > LONGEST {
            return Err(bad(format!(
                "the reference has {} bytes, over the limit of {LONGEST}: '{}'",
                text.len(),
                printable(text.get(..64).unwrap_or_default())
            )));
        }
        // A path may have any character but NUL.
        let is_path = text.starts_with(LAYOUT_SCHEME);
        let wrong = |c: &char| *c == '\0' || !is_path && (c.is_control() || c.is_whitespace());
        if let Some(control) = text.chars().find(wrong) {
            return Err(bad(format!(
                "'{}' has the character '{}'",
                printable(text),
                printable(control.to_string())
            )));
        }
        if let Some(rest) = text.strip_prefix(LAYOUT_SCHEME) {
            return Self::parse_layout(rest);
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return Err(bad(format!(
                "'{}' has the scheme '{}': write '{}' (a registry has none) or 'ocidir://PATH' (a local layout)",
                printable(text),
                printable(scheme),
                printable(rest)
            )));
        }
        for scheme in ["oci:", "oci-layout:"] {
            // They could as well be a repository `oci` with a tag; neither reading is safe.
            if text.starts_with(scheme) {
                return Err(bad(format!(
                    "'{}': write a local layout as 'ocidir://PATH[:TAG]'",
                    printable(text)
                )));
            }
        }
        parse_registry(text).map(Self::Registry).map_err(|e| e.context(format!("'{}'", printable(text))))
    }
}

fn parse_registry(text: &str) -> Result<RegistryReference> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => {
            check_digest_grammar(digest)?;
            (rest, Some(digest.to_owned()))
        }
        None => (text, None),
    };
    let (domain, remainder) = match rest.split_once('/') {
        // The rule of docker: without a dot, a colon or a capital it is no host, but for localhost.
        Some((first, remainder))
            if first.contains(['.', ':', '['])
                || first == "localhost"
                || first.chars().any(|c| c.is_ascii_uppercase()) =>
        {
            (first, remainder)
        }
        _ => (DOCKER_HUB, rest),
    };
    let (name, tag) = match remainder.rsplit_once(':') {
        Some((name, tag)) => {
            check_tag(tag)?;
            (name, Some(tag.to_owned()))
        }
        None => (remainder, None),
    };
    check_domain(domain)?;
    let domain = if DOCKER_HUB_ALIASES.contains(&domain) { DOCKER_HUB } else { domain };
    let repository =
        if domain == DOCKER_HUB && !name.contains('/') { format!("library/{name}") } else { name.to_owned() };
    check_repository(name)?;
    if repository.len() > REPOSITORY_LIMIT {
        return Err(bad(format!(
            "the repository has {} characters, at most {REPOSITORY_LIMIT}",
            repository.len()
        )));
    }
    let tag = if tag.is_none() && digest.is_none() { Some("latest".to_owned()) } else { tag };
    Ok(RegistryReference { registry: domain.to_owned(), repository, tag, digest })
}

impl fmt::Display for RegistryReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        write_target(f, self.tag.as_deref(), self.digest.as_deref())
    }
}

impl fmt::Display for LayoutReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LAYOUT_SCHEME}{}", Path::display(&self.path))?;
        write_target(f, self.tag.as_deref(), self.digest.as_deref())
    }
}

fn write_target(f: &mut fmt::Formatter<'_>, tag: Option<&str>, digest: Option<&str>) -> fmt::Result {
    if let Some(tag) = tag {
        write!(f, ":{tag}")?;
    }
    if let Some(digest) = digest {
        write!(f, "@{digest}")?;
    }
    Ok(())
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Layout(reference) => reference.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn parts(text: &str) -> (String, String, Option<String>, Option<String>) {
        match text.parse().unwrap() {
            Reference::Registry(r) => (r.registry, r.repository, r.tag, r.digest),
            Reference::Layout(_) => panic!("{text} is a layout"),
        }
    }

    #[test]
    fn the_rows_of_the_seed() {
        for (text, registry, repository, tag, digest) in [
            ("nginx", "docker.io", "library/nginx", Some("latest"), None),
            ("nginx:1.21", "docker.io", "library/nginx", Some("1.21"), None),
            ("myorg/myapp", "docker.io", "myorg/myapp", Some("latest"), None),
            ("myorg/myapp:v1.0.0", "docker.io", "myorg/myapp", Some("v1.0.0"), None),
            ("ghcr.io/myorg/myapp:latest", "ghcr.io", "myorg/myapp", Some("latest"), None),
            ("localhost:5000/myapp:v1", "localhost:5000", "myapp", Some("v1"), None),
            ("gcr.io/my-project/my-image:tag", "gcr.io", "my-project/my-image", Some("tag"), None),
            ("nginx@sha256:abc123", "docker.io", "library/nginx", None, Some("sha256:abc123")),
            (
                "nginx:latest@sha256:abc123",
                "docker.io",
                "library/nginx",
                Some("latest"),
                Some("sha256:abc123"),
            ),
            (
                "ghcr.io/myorg/myapp:v1.0.0@sha256:abc123def456",
                "ghcr.io",
                "myorg/myapp",
                Some("v1.0.0"),
                Some("sha256:abc123def456"),
            ),
            ("localhost/myapp:test", "localhost", "myapp", Some("test"), None),
            (
                "123456789012.dkr.ecr.us-west-2.amazonaws.com/my-repo:latest",
                "123456789012.dkr.ecr.us-west-2.amazonaws.com",
                "my-repo",
                Some("latest"),
                None,
            ),
            (
                "myregistry.azurecr.io/samples/hello-world:v1",
                "myregistry.azurecr.io",
                "samples/hello-world",
                Some("v1"),
                None,
            ),
        ] {
            let want = (
                registry.to_owned(),
                repository.to_owned(),
                tag.map(str::to_owned),
                digest.map(str::to_owned),
            );
            assert_eq!(parts(text), want, "{text}");
        }
        let shown: Reference = "ghcr.io/myorg/mycomponent:v1.0.0".parse().unwrap();
        assert_eq!(shown.to_string(), "ghcr.io/myorg/mycomponent:v1.0.0");
    }

    #[test]
    fn the_spellings_of_docker_hub_name_one_registry() {
        for text in
            ["nginx", "docker.io/nginx", "index.docker.io/library/nginx", "registry-1.docker.io/nginx:latest"]
        {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), "docker.io/library/nginx:latest");
        }
    }

    #[test]
    fn a_digest_that_is_not_whole_parses_and_is_refused_where_it_is_used() {
        let reference: Reference = "nginx@sha256:abc123".parse().unwrap();
        let error = reference.digest().unwrap_err();
        assert_eq!(error.message(), "sha256:abc123 has 6 hex digits, needs 64");
    }

    #[test]
    fn layouts() {
        for (text, path, tag, digest) in [
            ("ocidir:///srv/layout", "/srv/layout", None, None),
            ("ocidir:///srv/layout:v1", "/srv/layout", Some("v1"), None),
            ("ocidir://rel/dir:v1", "rel/dir", Some("v1"), None),
            ("ocidir:///a:b/c", "/a:b/c", None, None),
            ("ocidir:///a/user@host", "/a/user@host", None, None),
            ("ocidir:///a/%20b", "/a/%20b", None, None),
            ("ocidir:///a b/c:v1", "/a b/c", Some("v1"), None),
            ("ocidir:///a/c:v1@sha256:00", "/a/c", Some("v1"), Some("sha256:00")),
        ] {
            let want = Reference::Layout(LayoutReference {
                path: path.into(),
                tag: tag.map(str::to_owned),
                digest: digest.map(str::to_owned),
            });
            let parsed: Reference = text.parse().unwrap();
            assert_eq!(parsed, want, "{text}");
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn bad_references_say_which_part_is_wrong_and_why() {
        for (text, why) in [
            ("", "the reference is empty"),
            ("oci:dir:tag", "ocidir://PATH"),
            ("oci-layout:dir", "ocidir://PATH"),
            ("https://ghcr.io/a/b", "write 'ghcr.io/a/b'"),
            ("docker://ghcr.io/a/b:1", "a registry has none"),
            ("ghcr.io/Org/app", "the repository 'Org/app' has the character 'O': a repository is lower case"),
            ("ghcr.io/a//b", "has an empty part"),
            ("ghcr.io/a..b", "has the separator '..'"),
            ("ghcr.io/a___b", "has the separator '___'"),
            ("ghcr.io/-a", "must begin and end"),
            ("ghcr.io/", "the repository is empty"),
            ("ghcr.io/a:", "the tag is empty"),
            ("ghcr.io/a:.x", "at its start"),
            ("ghcr.io/a:é", "has the character 'é'"),
            ("ghcr.io/a@", "is not of the form algorithm:hex"),
            ("ghcr.io/a@sha256", "is not of the form algorithm:hex"),
            ("ghcr.io:99999/a", "has a port that is no number up to 65535"),
            ("ghcr.io:/a", "has a port that is no number"),
            ("-x.io/a", "is no host name"),
            ("a..b/c", "is no host name"),
            ("[::1/a", "without a ']'"),
            ("[::g]/a", "no IPv6 address"),
            ("ghcr.io/a b", "has the character ' '"),
            ("ghcr.io/a\nb", "has the character '\\n'"),
            ("ocidir://", "path is empty"),
            ("ocidir:///a:b c", "constructor from parts"),
            ("ocidir:///a\0", "has the character '\\u{0}'"),
            ("ocidir:///a b\0", "has the character '\\u{0}'"),
        ] {
            let error = text.parse::<Reference>().expect_err(text);
            assert_eq!(error.kind(), Kind::Argument);
            assert!(error.message().contains(why), "{text}: {error}");
        }
        let long = format!("ghcr.io/{}", "a".repeat(256));
        let tag = format!("ghcr.io/a:{}", "t".repeat(129));
        for (text, why) in [(long, "at most 255"), (tag, "at most 128")] {
            let error = text.parse::<Reference>().unwrap_err();
            assert_eq!(error.kind(), Kind::Argument);
            assert!(error.message().contains(why), "{error}");
        }
        assert!(format!("ghcr.io/a:{}", "t".repeat(128)).parse::<Reference>().is_ok());
    }

    #[test]
    fn facts_of_distribution_reference_and_go_containerregistry() {
        for good in [
            "test_com",
            "test.com:tag",
            "test.com:5000",
            "test.com/repo:tag",
            "test:5000/repo",
            "test:5000/repo:tag",
            "a/b/c/d",
            "foo/foo_bar.com:8080",
            "foo_bar.com:8080/foo",
            "[2001:db8::1]:5000/a:v1",
            "[fe80::1]/a",
            "xn--7o8h.com/myimage:xn--7o8h.com",
            "lowercase:Uppercase",
            "Uppercase/lowercase:tag",
            "a--b/c",
            "b.gcr.io/test.example.com/my-app:test.example.com",
            "aa/asdf$$^/aa".trim_end_matches("$$^/aa"),
        ] {
            // `foo_bar.com:8080/foo` has a host that is no host name.
            let parsed = good.parse::<Reference>();
            assert_eq!(parsed.is_ok(), !good.starts_with("foo_bar.com"), "{good}: {parsed:?}");
        }
        for (wrong, why) in [
            (":justtag", "the repository is empty"),
            ("@sha256:ff", "the repository is empty"),
            ("repo@sha256:ff@x", "the digest 'sha256:ff@x'"),
            ("Uppercase:tag", "lower case"),
            ("aa/asdf$$^/aa", "the character '$'"),
            ("-foo/bar", "the part '-foo'"),
            ("foo/bar-", "the part 'bar-'"),
            ("a/-b", "the part '-b'"),
        ] {
            let error = wrong.parse::<Reference>().expect_err(wrong);
            assert_eq!(error.kind(), Kind::Argument, "{wrong}");
            assert!(error.message().contains(why), "{wrong}: {error}");
        }
    }
}
