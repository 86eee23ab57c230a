//! Containers' `registries.conf` (option registries_conf; Q129): by what a reference begins with, the places that are
//! read before it or in its stead, and what is blocked. What is written goes where the reference says.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use url::Url;

use crate::error::{Error, Kind, Result, printable};
use crate::fs::shown;
use crate::oci::{Reference, RegistryReference};
use crate::options::{Options, Settings};

/// The word for the usual places.
const DEFAULT: &str = "default";
/// Below the home directory, and of the system.
const OF_USER: &str = ".config/containers/registries.conf";
const OF_SYSTEM: &str = "/etc/containers/registries.conf";
/// The largest file, and the most files of a drop-in directory.
const SIZE_LIMIT: u64 = 1 << 20;
const FILES: usize = 256;
/// The most registries of a file.
const ENTRIES: usize = 4096;

/// What the files say.
#[derive(Debug, Default)]
pub(super) struct Registries(Vec<Entry>);

/// What holds for the references that begin with `prefix`.
#[derive(Debug)]
struct Entry {
    /// Its host as [`canonical`] writes it; `*.DOMAIN` is a pattern of hosts, whatever their port.
    prefix: String,
    /// What is read instead of the prefix.
    location: Option<String>,
    blocked: bool,
    insecure: bool,
    mirrors: Vec<Mirror>,
    file: String,
}

#[derive(Debug)]
struct Mirror {
    location: String,
    insecure: bool,
    /// Read for references by tag, and what has a name and no digest; for references by digest.
    tags: bool,
    digests: bool,
}

/// Where a repository is read.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Places {
    /// Before it, in this order; whether what has no digest is read there, too.
    pub(super) mirrors: Vec<(RegistryReference, bool)>,
    /// In its stead.
    pub(super) location: Option<RegistryReference>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    registry: Vec<Table>,
    /// The format of before 2019.
    registries: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Table {
    prefix: Option<String>,
    location: Option<String>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror_by_digest_only: bool,
    pull_from_mirror: Option<String>,
    #[serde(default)]
    mirror: Vec<MirrorTable>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct MirrorTable {
    location: String,
    #[serde(default)]
    insecure: bool,
    pull_from_mirror: Option<String>,
}

impl Registries {
    /// What the option's file says, or those in the usual places. Blocks.
    pub(super) fn read(settings: &Settings) -> Result<Self> {
        let mut found = Self::default();
        let Some(named) = &settings.registries_conf else { return Ok(found) };
        if named.as_os_str() != DEFAULT {
            found.add(named, &content(named, true)?.unwrap_or_default())?;
            return Ok(found);
        }
        for path in usual(settings)? {
            if let Some(text) = content(&path, false)? {
                found.add(&path, &text)?;
            }
        }
        Ok(found)
    }

    /// Whether they say nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What one file says; a prefix that another file had is this one's now.
    fn add(&mut self, path: &Path, text: &str) -> Result<()> {
        let entries = parse(path, text)?;
        self.0.retain(|old| entries.iter().all(|entry| entry.prefix != old.prefix));
        self.0.extend(entries);
        Ok(())
    }

    /// The caller's options, and those of the hosts whose certificates the files say are not to be verified. As an
    /// option is the whole host's, each entry of the host must say so, and one of them without a path; and the caller
    /// must have said nothing.
    pub(super) fn options(&self, options: &Options) -> Result<Options> {
        let mut hosts: BTreeMap<&str, bool> = BTreeMap::new();
        let mut say = |host, insecure| *hosts.entry(host).or_insert(true) &= insecure;
        for entry in &self.0 {
            let (own, path) = split(entry.location.as_deref().unwrap_or(&entry.prefix));
            // What holds for a part of a host opens none.
            if path.is_empty() || !entry.insecure {
                say(own, entry.insecure);
            }
            let (prefix, _) = split(&entry.prefix);
            if prefix != own {
                say(prefix, false);
            }
            for mirror in &entry.mirrors {
                say(split(&mirror.location).0, mirror.insecure);
            }
        }
        let set: Vec<String> = options.hosts_with("insecure").filter_map(canonical).collect();
        let verified = |host: &str| {
            let patterns = hosts.iter().filter(|(pattern, insecure)| !**insecure && pattern.starts_with('*'));
            set.iter().any(|set| set == host)
                || patterns.into_iter().any(|(pattern, _)| matched(pattern, host).is_some())
        };
        let mut all = options.clone();
        let open = hosts.iter().filter(|(host, insecure)| **insecure && !host.starts_with('*'));
        for (host, _) in open.filter(|(host, _)| !verified(host)) {
            all.set_host(host, "insecure", "true")?;
        }
        Ok(all)
    }

    /// What the longest prefix says of a name, and where what it matched ends.
    fn rule(&self, whole: &str) -> Option<(&Entry, usize)> {
        let matching = self.0.iter().filter_map(|entry| Some((entry, matched(&entry.prefix, whole)?)));
        matching.max_by_key(|(entry, _)| entry.prefix.len())
    }

    /// POLICY where what is named so is blocked.
    pub(super) fn check(&self, name: &str) -> Result<()> {
        let (host, rest) = name.split_at(name.find('/').unwrap_or(name.len()));
        let whole = format!("{}{rest}", canonical(host).unwrap_or_else(|| host.to_owned()));
        match self.rule(&whole) {
            Some((entry, _)) if entry.blocked => Err(Error::new(
                Kind::Policy,
                format!(
                    "{}: {} blocks '{}' (option registries_conf)",
                    printable(name),
                    entry.file,
                    printable(&entry.prefix)
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Where `reference` is read; POLICY where it is blocked.
    pub(super) fn places(&self, reference: &RegistryReference) -> Result<Places> {
        self.check(&reference.to_string())?;
        let registry = canonical(&reference.registry).unwrap_or_else(|| reference.registry.clone());
        let name = format!("{registry}/{}", reference.repository);
        let suffix =
            reference.to_string().split_off(reference.registry.len() + 1 + reference.repository.len());
        let Some((entry, end)) = self.rule(&format!("{name}{suffix}")) else { return Ok(Places::default()) };
        let rest = name.get(end..).unwrap_or_default();
        let at = |location: &str| {
            place(&format!("{location}{rest}")).ok_or_else(|| {
                let what = printable(format!("{location}{rest}"));
                Error::new(Kind::Argument, format!("{}: '{what}' is not a repository", entry.file))
            })
        };
        let by_digest = reference.digest.is_some();
        let asked =
            entry.mirrors.iter().filter(|mirror| if by_digest { mirror.digests } else { mirror.tags });
        let mirrors = asked.map(|mirror| Ok((at(&mirror.location)?, mirror.tags))).collect::<Result<_>>()?;
        let location = entry.location.as_deref().map(at).transpose()?;
        let elsewhere = |at: &RegistryReference| format!("{}/{}", at.registry, at.repository) != name;
        let location = location.filter(elsewhere);
        if let Some(at) = &location {
            self.check(&format!("{}/{}", at.registry, at.repository))?;
        }
        Ok(Places { mirrors, location })
    }
}

/// The host of a place, and what follows it.
fn split(place: &str) -> (&str, &str) {
    place.split_once('/').unwrap_or((place, ""))
}

/// One spelling of a host, as what is connected to: lower case, numbers as addresses, no port where it is https's,
/// and one name for Docker Hub. Nothing where it is no host.
fn canonical(host: &str) -> Option<String> {
    let url = Url::parse(&format!("https://{host}/")).ok()?;
    if !url.username().is_empty()
        || url.password().is_some()
        || url.path() != "/"
        || host.contains(['?', '#', '@'])
    {
        return None;
    }
    let name = url.host_str()?.trim_end_matches('.');
    let host = match url.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    };
    // Docker Hub has several names.
    let hub = matches!(&*host, "index.docker.io" | "registry-1.docker.io");
    Some(if hub { "docker.io".to_owned() } else { host })
}

/// Where what a prefix matches of a name ends.
fn matched(prefix: &str, whole: &str) -> Option<usize> {
    let end = match prefix.strip_prefix('*') {
        Some(domain) => {
            let host = whole.split(['/', ':']).next().unwrap_or_default();
            (host.len() > domain.len() && host.ends_with(domain)).then_some(host.len())?
        }
        None => whole.starts_with(prefix).then_some(prefix.len())?,
    };
    matches!(whole.get(end..)?.chars().next(), None | Some('/' | ':' | '@')).then_some(end)
}

/// A repository, where the text is one and nothing else; its host in one spelling.
fn place(text: &str) -> Option<RegistryReference> {
    let (host, path) = text.split_once('/')?;
    let text = format!("{}/{path}", canonical(host)?);
    let Ok(Reference::Registry(at)) = text.parse() else { return None };
    let library = at.registry == "docker.io" && at.repository.strip_prefix("library/") == Some(path);
    (at.repository == path || library).then_some(at)
}

fn parse(path: &Path, text: &str) -> Result<Vec<Entry>> {
    let file = shown(path);
    let bad = |why: String| Error::new(Kind::Argument, format!("option registries_conf: {file}{why}"));
    let document: Document = toml::from_str(text).map_err(|error| {
        let at = error.span().and_then(|span| text.get(..span.start));
        let line = at.map(|before| format!(" line {}", 1 + before.matches('\n').count()));
        bad(format!("{}: {}", line.unwrap_or_default(), printable(error.message())))
    })?;
    if document.registries.is_some() {
        return Err(bad(
            ": the format of version 1 ([registries]) is not read; write [[registry]] tables".into()
        ));
    }
    if document.registry.len() > ENTRIES {
        return Err(bad(format!(" has more than {ENTRIES} registries")));
    }
    let mut entries: Vec<Entry> = Vec::new();
    for table in document.registry {
        let entry = entry(table, &file).map_err(|why| bad(format!(": {why}")))?;
        match entries.iter().find(|old| old.prefix == entry.prefix) {
            Some(old) if (old.blocked, old.insecure) != (entry.blocked, entry.insecure) => {
                return Err(bad(format!(": '{}' stands twice, each otherwise", printable(&entry.prefix))));
            }
            // The first counts, as for podman.
            Some(_) => {}
            None => entries.push(entry),
        }
    }
    Ok(entries)
}

fn entry(table: Table, file: &str) -> std::result::Result<Entry, String> {
    let clean = |text: Option<String>| {
        text.map(|text| text.trim_end_matches('/').to_owned()).filter(|text| !text.is_empty())
    };
    let location = clean(table.location);
    let prefix = clean(table.prefix).or_else(|| location.clone());
    let prefix = prefix.ok_or("a [[registry]] has neither prefix nor location")?;
    let prefix = canonical_prefix(&prefix).ok_or_else(|| {
        format!("invalid prefix '{}': must be HOST[:PORT][/PATH] or *.DOMAIN", printable(&prefix))
    })?;
    let named = |what: &str| format!("'{}': {what}", printable(&prefix));
    if table.pull_from_mirror.is_some() {
        return Err(named("pull-from-mirror belongs to a mirror, not to a registry"));
    }
    let mut mirrors = Vec::new();
    for mirror in table.mirror {
        let location = clean(Some(mirror.location)).ok_or_else(|| named("a mirror has no location"))?;
        let (tags, digests) = match (mirror.pull_from_mirror.as_deref(), table.mirror_by_digest_only) {
            (Some(_), true) => {
                return Err(named("mirror-by-digest-only forbids a mirror's pull-from-mirror"));
            }
            (None, true) | (Some("digest-only"), _) => (false, true),
            (None | Some("" | "all"), _) => (true, true),
            (Some("tag-only"), _) => (true, false),
            (Some(word), _) => {
                let word = printable(word);
                return Err(named(&format!(
                    "pull-from-mirror '{word}': must be all, digest-only or tag-only"
                )));
            }
        };
        mirrors.push(Mirror { location, insecure: mirror.insecure, tags, digests });
    }
    for at in location.iter().chain(mirrors.iter().map(|mirror| &mirror.location)) {
        // A host alone becomes a repository by what follows it.
        if place(&format!("{at}/x/x")).is_none() {
            return Err(format!("invalid location '{}': must be HOST[:PORT][/PATH]", printable(at)));
        }
    }
    let location = location.map(canonical_place);
    for mirror in &mut mirrors {
        mirror.location = canonical_place(std::mem::take(&mut mirror.location));
    }
    let (blocked, insecure, file) = (table.blocked, table.insecure, file.to_owned());
    Ok(Entry { prefix, location, blocked, insecure, mirrors, file })
}

/// A place whose host has one spelling.
fn canonical_place(place: String) -> String {
    let (host, rest) = place.split_at(place.find('/').unwrap_or(place.len()));
    canonical(host).map_or_else(|| place.clone(), |host| format!("{host}{rest}"))
}

fn canonical_prefix(prefix: &str) -> Option<String> {
    if let Some(domain) = prefix.strip_prefix("*.") {
        let domain = canonical(domain).filter(|_| !domain.contains(['/', ':', '*']))?;
        return Some(format!("*.{domain}"));
    }
    // A tag or a digest may follow a path; what a host alone is followed by is its port.
    let (host, rest) = prefix.split_at(prefix.find('/').unwrap_or(prefix.len()));
    (!rest.starts_with("//") && !host.contains('*'))
        .then(|| canonical(host))?
        .map(|host| format!("{host}{rest}"))
}

/// The user's file and its drop-ins; without it the system's, its drop-ins, and then the user's.
fn usual(settings: &Settings) -> Result<Vec<PathBuf>> {
    let of_user = settings.environment().get("HOME").map(|home| Path::new(home).join(OF_USER));
    // One that can't be looked at is not passed over: it may block something.
    let has_own = of_user.as_deref().is_some_and(|own| !own.try_exists().is_ok_and(|there| !there));
    let mut paths = Vec::new();
    match (&of_user, has_own) {
        (Some(own), true) => paths.push(own.clone()),
        _ => {
            paths.push(PathBuf::from(OF_SYSTEM));
            paths.extend(drop_ins(Path::new(OF_SYSTEM))?);
        }
    }
    if let Some(own) = &of_user {
        paths.extend(drop_ins(own)?);
    }
    Ok(paths)
}

/// The `*.conf` of the directory that belongs to a file, by name.
fn drop_ins(file: &Path) -> Result<Vec<PathBuf>> {
    let directory = file.with_extension("conf.d");
    let fail = |error| Error::io(shown(&directory), error).context("option registries_conf");
    let entries = match std::fs::read_dir(&directory) {
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        opened => opened.map_err(fail)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|ending| ending == "conf") && !path.is_dir() {
            names.push(path);
        }
        if names.len() > FILES {
            return Err(Error::new(
                Kind::Limit,
                format!("{} has more than {FILES} files", shown(&directory)),
            ));
        }
    }
    names.sort();
    Ok(names)
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// A file's text; of a file that nobody named nothing, where it is not there.
fn content(path: &Path, named: bool) -> Result<Option<String>> {
    let fail = |error| Error::io(shown(path), error).context("option registries_conf");
    // Without O_NONBLOCK a FIFO would wait for a writer.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(nonblocking).open(path) {
        Err(error) if !named && is_absent(&error) => return Ok(None),
        opened => opened.map_err(fail)?,
    };
    let bad = |kind, why| Err(Error::new(kind, format!("option registries_conf: {} {why}", shown(path))));
    if !file.metadata().map_err(fail)?.is_file() {
        return bad(Kind::Argument, "is not a file");
    }
    let mut bytes = Vec::new();
    file.take(SIZE_LIMIT + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > SIZE_LIMIT {
        return bad(Kind::Limit, "is larger than 1 MiB");
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(_) => bad(Kind::Argument, "is not UTF-8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Registries {
        let mut found = Registries::default();
        found.add(Path::new("file"), text).unwrap();
        found
    }

    fn read(registries: &Registries, reference: &str) -> Option<String> {
        let Ok(Reference::Registry(reference)) = reference.parse() else {
            unreachable!("a reference of a registry")
        };
        let at = registries.places(&reference).unwrap().location?;
        Some(format!("{}/{}", at.registry, at.repository))
    }

    #[test]
    fn q129_what_a_prefix_matches() {
        let registries = of("[[registry]]\nprefix = \"a.test\"\nlocation = \"z.test\"\n\
             [[registry]]\nprefix = \"a.test:5000/x\"\nlocation = \"z.test/port\"\n\
             [[registry]]\nprefix = \"a.test/n/app\"\nlocation = \"z.test/one\"\n\
             [[registry]]\nprefix = \"a.test/n/app:v2\"\nlocation = \"z.test/two\"\n\
             [[registry]]\nprefix = \"*.b.test\"\nlocation = \"z.test/b\"\n\
             [[registry]]\nprefix = \"docker.io\"\nlocation = \"z.test/hub\"\n");
        for (reference, expected) in [
            ("a.test/n/other:v1", Some("z.test/n/other")),
            ("a.test/n/app:v1", Some("z.test/one")),
            ("a.test/n/app/below:v1", Some("z.test/one/below")),
            ("a.test/n/apple:v1", Some("z.test/n/apple")),
            ("a.test/n/app:v2", Some("z.test/two")),
            ("a.test:5000/x/y:v1", Some("z.test/port/y")),
            ("a.test:5001/x:v1", Some("z.test:5001/x")),
            ("c.b.test/app:v1", Some("z.test/b/app")),
            ("d.c.b.test/app:v1", Some("z.test/b/app")),
            ("b.test/app:v1", None),
            ("cb.test/app:v1", None),
            ("alpine:3", Some("z.test/hub/library/alpine")),
        ] {
            assert_eq!(read(&registries, reference).as_deref(), expected, "{reference}");
        }
    }

    #[test]
    fn q129_a_host_has_one_spelling() {
        let registries = of("[[registry]]\nlocation = \"Blocked.test\"\nblocked = true\n\
             [[registry]]\nprefix = \"registry-1.docker.io/library\"\nblocked = true\n\
             [[registry]]\nprefix = \"127.0.0.1:5000\"\nblocked = true\n\
             [[registry]]\nprefix = \"*.Evil.test\"\nblocked = true\n\
             [[registry]]\nprefix = \"free.test\"\nlocation = \"docker.io\"\n\
             [[registry]]\nprefix = \"moved.test\"\nlocation = \"blocked.test/x\"\n");
        for name in [
            "blocked.test/app",
            "BLOCKED.test/app",
            "blocked.test:443/app",
            "blocked.test:5000/app",
            "blocked.test",
            "docker.io/library/alpine",
            "Index.Docker.io/library/alpine",
            "registry-1.docker.io:443/library/alpine",
            "127.0.0.1:5000/app",
            "127.1:05000/app",
            "a.evil.TEST:8443/app",
        ] {
            assert_eq!(registries.check(name).unwrap_err().kind(), Kind::Policy, "{name}");
        }
        for name in [
            "unblocked.test/app",
            "blocked.test.org/app",
            "docker.io/team/app",
            "127.0.0.1:5001/app",
            "evil.test/app",
        ] {
            registries.check(name).unwrap();
        }
        assert_eq!(read(&registries, "free.test/team/app").as_deref(), Some("docker.io/team/app"));
        // What lies at a blocked place is blocked, too.
        let Ok(Reference::Registry(moved)) = "moved.test/app".parse() else {
            unreachable!("a reference of a registry")
        };
        assert_eq!(registries.places(&moved).unwrap_err().kind(), Kind::Policy);
        for prefix in ["https://a.test", "*", "*a.test", "a*.test", "*.a.test/x", "a@b.test"] {
            let text = format!("[[registry]]\nprefix = \"{prefix}\"\n");
            let error = Registries::default().add(Path::new("file"), &text).unwrap_err();
            assert!(error.message().contains("invalid prefix"), "{prefix}: {error}");
        }
    }

    #[test]
    fn q129_a_host_is_not_verified_only_where_each_entry_says_so() {
        let registries = of("[[registry]]\nlocation = \"a.test\"\ninsecure = true\n\
             [[registry.mirror]]\nlocation = \"b.test/x\"\ninsecure = true\n\
             [[registry.mirror]]\nlocation = \"c.test\"\n\
             [[registry]]\nlocation = \"b.test/y\"\n\
             [[registry]]\nprefix = \"d.test\"\nlocation = \"e.test\"\ninsecure = true\n");
        let mut own = Options::new();
        own.set_host("e.test", "insecure", "false").unwrap();
        let options = registries.options(&own).unwrap();
        let settings = Settings::for_client(&options, Default::default()).unwrap();
        for (host, insecure) in
            [("a.test", true), ("b.test", false), ("c.test", false), ("d.test", false), ("e.test", false)]
        {
            assert_eq!(settings.host(host).insecure, insecure, "{host}");
        }
        let part = of("[[registry]]\nlocation = \"a.test/x\"\ninsecure = true\n");
        let settings =
            Settings::for_client(&part.options(&Options::new()).unwrap(), Default::default()).unwrap();
        assert!(!settings.host("a.test").insecure, "a part opens no host");
        let alone = registries.options(&Options::new()).unwrap();
        assert!(Settings::for_client(&alone, Default::default()).unwrap().host("e.test").insecure);
    }
}
