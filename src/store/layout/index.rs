//! `index.json`: what a layout's manifests are called. Whatever else other tools wrote there is kept byte
//! for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::{Error, Kind, Result, printable};
use crate::oci::json_edit::{Member, Object, elements};
use crate::oci::{Descriptor, Digest, media_type};

const MANIFESTS: &str = "manifests";
/// Allowed for what is optional (Q81).
const NULL: &str = "null";
/// Where containerd and buildkit put the full reference.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// The file: its fields in order, and the entries of `manifests`.
pub(super) struct Index {
    before: Vec<(String, Box<str>)>,
    entries: Vec<Box<str>>,
    after: Vec<(String, Box<str>)>,
}

/// One entry of `manifests`.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// What it points to, or why that can't be read.
    pub(super) descriptor: std::result::Result<Descriptor, String>,
    /// What it is called.
    pub(super) name: Option<String>,
}

impl Entry {
    pub(super) fn digest(&self) -> Option<&Digest> {
        self.descriptor.as_ref().ok().map(|descriptor| &descriptor.digest)
    }
}

#[derive(Deserialize)]
struct Annotated {
    #[serde(default)]
    annotations: Option<BTreeMap<String, serde_json::Value>>,
}

/// The tag of a full reference such as `docker.io/library/x:v1`.
pub(super) fn short_name(name: &str) -> Option<&str> {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split_once(':').map(|(_, tag)| tag).filter(|tag| !tag.is_empty() && !tag.contains(['@', ':']))
}

/// The entries called `tag`: as it stands, else by the tag of a full reference.
pub(super) fn named<'a>(entries: &'a [Entry], tag: &str) -> Vec<&'a Entry> {
    let of = |matches: &dyn Fn(&str) -> bool| -> Vec<&'a Entry> {
        entries.iter().filter(|entry| entry.name.as_deref().is_some_and(matches)).collect()
    };
    let exact = of(&|name| name == tag);
    if exact.is_empty() { of(&|name| short_name(name) == Some(tag)) } else { exact }
}

/// What the entries are called, sorted. A full reference is given as its tag where no other manifest has that.
pub(super) fn tags(entries: &[Entry]) -> BTreeSet<String> {
    let mut owners: BTreeMap<&str, BTreeSet<Option<&Digest>>> = BTreeMap::new();
    for entry in entries {
        for name in entry.name.iter().flat_map(|name| [Some(name.as_str()), short_name(name)]).flatten() {
            owners.entry(name).or_default().insert(entry.digest());
        }
    }
    let alone = |name: &&str| owners.get(name).is_some_and(|digests| digests.len() == 1);
    let names = entries.iter().filter_map(|entry| entry.name.as_deref());
    names.map(|name| short_name(name).filter(alone).unwrap_or(name).to_owned()).collect()
}

fn read(raw: &str) -> Entry {
    let annotated: Option<Annotated> = serde_json::from_str(raw).ok();
    let annotations = annotated.and_then(|annotated| annotated.annotations).unwrap_or_default();
    let text = |key: &str| {
        let name = annotations.get(key).and_then(serde_json::Value::as_str);
        name.filter(|name| !name.is_empty() && !name.chars().any(char::is_control)).map(str::to_owned)
    };
    Entry {
        descriptor: serde_json::from_str(raw).map_err(|e| printable(e.to_string())),
        name: text(media_type::ANNOTATION_REF_NAME).or_else(|| text(CONTAINERD_NAME)),
    }
}

impl Index {
    /// That of a layout without manifests.
    pub(super) fn empty() -> Self {
        let media_type = format!("\"{}\"", media_type::OCI_INDEX);
        let before = [("schemaVersion", "2"), ("mediaType", &media_type)];
        let before = before.map(|(key, value)| (key.to_owned(), value.into())).into();
        Self { before, entries: Vec::new(), after: Vec::new() }
    }

    pub(super) fn parse(bytes: &[u8], limit: usize) -> Result<Self> {
        let bad = |why: &dyn fmt::Display| {
            let why = printable(why.to_string());
            Error::new(Kind::Protocol, format!("is not an image index: {why}"))
        };
        serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| bad(&error))?;
        let text = std::str::from_utf8(bytes).map_err(|error| bad(&error))?;
        let object = Object::read(text, 0).ok_or_else(|| bad(&"not an object"))?;
        let raw = |range| text.get(range).unwrap_or_default();
        let mut index = Self { before: Vec::new(), entries: Vec::new(), after: Vec::new() };
        let mut seen = BTreeSet::new();
        for Member { key, value, .. } in object.members {
            if !seen.insert(key.clone()) {
                return Err(bad(&"the object has a key twice"));
            }
            if key == MANIFESTS {
                // Go writes an empty list as `null`.
                let list = match raw(value.clone()) {
                    NULL => Vec::new(),
                    _ => elements(text, value.start, limit + 1)
                        .ok_or_else(|| bad(&"its manifests are not a list"))?,
                };
                if list.len() > limit {
                    return Err(Self::too_many(limit));
                }
                index.entries = list.into_iter().map(|range| raw(range).into()).collect();
                if index.entries.iter().any(|entry| **entry == *NULL) {
                    return Err(bad(&"it has null in the list of manifests"));
                }
                continue;
            }
            let value = raw(value);
            if key == "schemaVersion" && value == NULL {
                return Err(bad(&"it has null for 'schemaVersion'"));
            }
            let fields = if seen.contains(MANIFESTS) { &mut index.after } else { &mut index.before };
            fields.push((key, value.into()));
        }
        Ok(index)
    }

    fn too_many(limit: usize) -> Error {
        Error::new(Kind::Limit, format!("lists more than {limit} manifests (option max_descriptors)"))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let member = |key: &str, value: &str| format!("{}:{value}", serde_json::Value::from(key));
        let fields = |fields: &[(String, Box<str>)]| -> Vec<String> {
            fields.iter().map(|(key, value)| member(key, value)).collect()
        };
        let list = member(MANIFESTS, &format!("[{}]", self.entries.join(",")));
        let members = [fields(&self.before), vec![list], fields(&self.after)].concat();
        format!("{{{}}}", members.join(",")).into_bytes()
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.iter().map(|raw| read(raw)).collect()
    }

    /// Keeps the entries that `keep` accepts; how many went.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Entry) -> bool) -> usize {
        let before = self.entries.len();
        self.entries.retain(|raw| keep(&read(raw)));
        before - self.entries.len()
    }

    /// Lists a manifest under `tag`, which names nothing else from then on, or without a name; whether it was
    /// not listed so already.
    pub(super) fn put(&mut self, descriptor: &Descriptor, tag: Option<&str>, limit: usize) -> Result<bool> {
        let digest = &descriptor.digest;
        let mut listed = descriptor.clone();
        listed.annotations.remove(media_type::ANNOTATION_REF_NAME);
        match tag {
            Some(tag) => {
                let named: Vec<_> = self.entries();
                let mut named = named.iter().filter(|entry| entry.name.as_deref() == Some(tag)).peekable();
                if named.peek().is_some() && named.all(|entry| entry.digest() == Some(digest)) {
                    return Ok(false);
                }
                let plain = |entry: &Entry| {
                    entry.name.is_none()
                        && entry
                            .descriptor
                            .as_ref()
                            .is_ok_and(|d| d.digest == *digest && d.annotations.is_empty())
                };
                self.retain(|entry| entry.name.as_deref() != Some(tag) && !plain(entry));
                listed.annotations.insert(media_type::ANNOTATION_REF_NAME.to_owned(), tag.to_owned());
            }
            None if self.entries.iter().any(|raw| read(raw).digest() == Some(digest)) => return Ok(false),
            None => {}
        }
        if self.entries.len() >= limit {
            return Err(Self::too_many(limit));
        }
        let raw = serde_json::to_string(&listed)
            .map_err(|e| Error::new(Kind::Internal, format!("index.json: {e}")))?;
        self.entries.push(raw.into());
        Ok(true)
    }
}
