//! References: where an artifact is (distribution-spec, "Pulling manifests"; the grammar of
//! distribution/reference), and local image layouts.

mod grammar;
#[cfg(test)]
mod tests;

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

    /// The same repository or layout with another tag or digest; without both, as where a reference has neither.
    pub fn with(&self, tag: Option<&str>, digest: Option<&str>) -> Result<Self> {
        match self {
            Self::Registry(place) => Self::registry(&place.registry, &place.repository, tag, digest),
            Self::Layout(place) => Self::layout(&place.path, tag, digest),
        }
    }

    /// A registry reference from its parts.
    pub fn registry(
        registry: &str,
        repository: &str,
        tag: Option<&str>,
        digest: Option<&str>,
    ) -> Result<Self> {
        RegistryReference::new(registry, repository, tag, digest).map(Self::Registry)
    }

    /// A layout reference from its parts, for paths that the string form cannot say.
    pub fn layout(path: impl Into<PathBuf>, tag: Option<&str>, digest: Option<&str>) -> Result<Self> {
        let path = path.into();
        if path.as_os_str().is_empty() {
            return Err(bad("invalid layout '': the path is empty"));
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
    fn new(registry: &str, name: &str, tag: Option<&str>, digest: Option<&str>) -> Result<Self> {
        if let Some(digest) = digest {
            check_digest_grammar(digest)?;
        }
        if let Some(tag) = tag {
            check_tag(tag)?;
        }
        check_domain(registry)?;
        let registry = if DOCKER_HUB_ALIASES.contains(&registry) { DOCKER_HUB } else { registry };
        let repository = if registry == DOCKER_HUB && !name.contains('/') {
            format!("library/{name}")
        } else {
            name.to_owned()
        };
        check_repository(name)?;
        if repository.len() > REPOSITORY_LIMIT {
            return Err(bad(format!(
                "invalid repository '{}': {} characters, at most {REPOSITORY_LIMIT}",
                printable(&repository),
                repository.len()
            )));
        }
        let tag = if tag.is_none() && digest.is_none() { Some("latest") } else { tag };
        let [tag, digest] = [tag, digest].map(|part| part.map(str::to_owned));
        Ok(Self { registry: registry.to_owned(), repository, tag, digest })
    }

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
            return Err(bad("invalid reference '': empty"));
        }
        if text.len() > LONGEST {
            return Err(bad(format!(
                "invalid reference '{}…': {} bytes, at most {LONGEST}",
                printable(text.get(..64).unwrap_or_default()),
                text.len()
            )));
        }
        // A path may have any character but NUL.
        let is_path = text.starts_with(LAYOUT_SCHEME);
        let wrong = |c: &char| *c == '\0' || !is_path && (c.is_control() || c.is_whitespace());
        if let Some(control) = text.chars().find(wrong) {
            return Err(bad(format!(
                "invalid reference '{}': character '{}'",
                printable(text),
                printable(control.to_string())
            )));
        }
        if let Some(rest) = text.strip_prefix(LAYOUT_SCHEME) {
            return Self::parse_layout(rest);
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return Err(bad(format!(
                "invalid reference '{}': unknown scheme '{}': write '{}' (a registry has none) or 'ocidir://PATH' (a local layout)",
                printable(text),
                printable(scheme),
                printable(rest)
            )));
        }
        for scheme in ["oci:", "oci-layout:"] {
            // They could as well be a repository `oci` with a tag; neither reading is safe.
            if text.starts_with(scheme) {
                return Err(bad(format!(
                    "invalid reference '{}': write a local layout as 'ocidir://PATH[:TAG]'",
                    printable(text)
                )));
            }
        }
        parse_registry(text)
            .map(Self::Registry)
            .map_err(|e| e.context(format!("reference '{}'", printable(text))))
    }
}

fn parse_registry(text: &str) -> Result<RegistryReference> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let (registry, remainder) = match rest.split_once('/') {
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
    let (repository, tag) = match remainder.rsplit_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (remainder, None),
    };
    RegistryReference::new(registry, repository, tag, digest)
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
