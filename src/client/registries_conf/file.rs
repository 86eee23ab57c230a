//! The file: where it lies, what it may say, and how it says it. TOML is serde's.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::{Error, Kind, Result, printable};
use crate::fs::shown;
use crate::oci::{Reference, RegistryReference};
use crate::options::Settings;
use crate::registry::one_name;

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

/// What holds for the references that begin with `prefix`.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its host as [`one_name`] writes it; `*.DOMAIN` is a pattern of hosts, whatever their port.
    pub(super) prefix: String,
    /// What is read instead of the prefix.
    pub(super) location: Option<String>,
    pub(super) blocked: bool,
    pub(super) insecure: bool,
    pub(super) mirrors: Vec<Mirror>,
    pub(super) file: String,
}

#[derive(Debug)]
pub(super) struct Mirror {
    pub(super) location: String,
    pub(super) insecure: bool,
    /// Read for references by tag, and what has a name and no digest; for references by digest.
    pub(super) tags: bool,
    pub(super) digests: bool,
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

/// What the option's file says, or those in the usual places. Blocks.
pub(super) fn read(settings: &Settings) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    match &settings.registries_conf {
        None => {}
        Some(named) if named.as_os_str() == DEFAULT => {
            for path in usual(settings)? {
                if let Some(text) = content(&path, false)? {
                    add(&mut found, &path, &text)?;
                }
            }
        }
        Some(named) => add(&mut found, named, &content(named, true)?.unwrap_or_default())?,
    }
    Ok(found)
}

/// What one file says beside others; a prefix that another had is this one's now.
pub(super) fn add(found: &mut Vec<Entry>, path: &Path, text: &str) -> Result<()> {
    let entries = parse(path, text)?;
    found.retain(|old| entries.iter().all(|entry| entry.prefix != old.prefix));
    found.extend(entries);
    Ok(())
}

/// The host of a place, and what follows it.
pub(super) fn split(place: &str) -> (&str, &str) {
    place.split_once('/').unwrap_or((place, ""))
}

/// A repository, where the text is one and nothing else; its host in one spelling.
pub(super) fn place(text: &str) -> Option<RegistryReference> {
    let (host, path) = text.split_once('/')?;
    let text = format!("{}/{path}", one_name(host)?);
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
                return Err(bad(format!(
                    ": '{}' appears twice, with different settings",
                    printable(&entry.prefix)
                )));
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
    let prefix = prefix_of(&prefix).ok_or_else(|| {
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
    let location = location.map(spelled);
    for mirror in &mut mirrors {
        mirror.location = spelled(std::mem::take(&mut mirror.location));
    }
    let (blocked, insecure, file) = (table.blocked, table.insecure, file.to_owned());
    Ok(Entry { prefix, location, blocked, insecure, mirrors, file })
}

/// A place whose host has one spelling.
fn spelled(place: String) -> String {
    let (host, rest) = place.split_at(place.find('/').unwrap_or(place.len()));
    one_name(host).map_or_else(|| place.clone(), |host| format!("{host}{rest}"))
}

fn prefix_of(prefix: &str) -> Option<String> {
    if let Some(domain) = prefix.strip_prefix("*.") {
        let domain = one_name(domain).filter(|_| !domain.contains(['/', ':', '*']))?;
        return Some(format!("*.{domain}"));
    }
    // A tag or a digest may follow a path; what a host alone is followed by is its port.
    let (host, rest) = prefix.split_at(prefix.find('/').unwrap_or(prefix.len()));
    (!rest.starts_with("//") && !host.contains('*'))
        .then(|| one_name(host))?
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
