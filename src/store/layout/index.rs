//! `index.json`: what a layout's manifests are called. Whatever else other tools wrote there is kept byte
//! for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Kind, Result, printable};
use crate::oci::{Descriptor, Digest, media_type};

const MANIFESTS: &str = "manifests";
/// Allowed for what is optional (Q81).
const NULL: &str = "null";
/// Where containerd and buildkit put the full reference.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// The file: its fields in order, and the entries of `manifests`.
pub(super) struct Index {
    before: Vec<(String, Box<RawValue>)>,
    entries: Vec<Box<RawValue>>,
    after: Vec<(String, Box<RawValue>)>,
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

fn read(raw: &RawValue) -> Entry {
    let annotated: Option<Annotated> = serde_json::from_str(raw.get()).ok();
    let annotations = annotated.and_then(|annotated| annotated.annotations).unwrap_or_default();
    let text = |key: &str| {
        let name = annotations.get(key).and_then(serde_json::Value::as_str);
        name.filter(|name| !name.is_empty() && !name.chars().any(char::is_control)).map(str::to_owned)
    };
    Entry {
        descriptor: serde_json::from_str(raw.get()).map_err(|e| printable(e.to_string())),
        name: text(media_type::ANNOTATION_REF_NAME).or_else(|| text(CONTAINERD_NAME)),
    }
}

impl Index {
    /// That of a layout without manifests.
    pub(super) fn empty() -> Self {
        let raw = |text: &str| serde_json::from_str::<Box<RawValue>>(text).ok();
        let media_type = format!("\"{}\"", media_type::OCI_INDEX);
        let fields = [("schemaVersion", raw("2")), ("mediaType", raw(&media_type))];
        let before = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        Self { before, entries: Vec::new(), after: Vec::new() }
    }

    pub(super) fn parse(bytes: &[u8], limit: usize) -> Result<Self> {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let mut over = false;
        let read = Fields { limit, over: &mut over }
            .deserialize(&mut deserializer)
            .and_then(|index| deserializer.end().map(|()| index));
        match read {
            Ok(index) => Ok(index),
            Err(_) if over => Err(Self::too_many(limit)),
            Err(error) => Err(Error::new(
                Kind::Protocol,
                format!("is not an image index: {}", printable(error.to_string())),
            )),
        }
    }

    fn too_many(limit: usize) -> Error {
        Error::new(Kind::Limit, format!("lists more than {limit} manifests (option max_descriptors)"))
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::new(Kind::Internal, format!("index.json: {e}")))
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
        let raw = serde_json::value::to_raw_value(&listed)
            .map_err(|e| Error::new(Kind::Internal, format!("index.json: {e}")))?;
        self.entries.push(raw);
        Ok(true)
    }
}

impl Serialize for Index {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &self.before {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry(MANIFESTS, &self.entries)?;
        for (key, value) in &self.after {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

struct Fields<'a> {
    limit: usize,
    over: &'a mut bool,
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = Index;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Index, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Index;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Index, A::Error> {
        let mut index = Index { before: Vec::new(), entries: Vec::new(), after: Vec::new() };
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(de::Error::custom("the object has a key twice"));
            }
            if key == MANIFESTS {
                index.entries = map.next_value_seed(Entries { limit: self.limit, over: self.over })?;
            } else {
                let value: Box<RawValue> = map.next_value()?;
                if key == "schemaVersion" && value.get() == NULL {
                    return Err(de::Error::custom("it has null for 'schemaVersion'"));
                }
                let fields = if seen.contains(MANIFESTS) { &mut index.after } else { &mut index.before };
                fields.push((key, value));
            }
        }
        Ok(index)
    }
}

struct Entries<'a> {
    limit: usize,
    over: &'a mut bool,
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = Vec<Box<RawValue>>;
    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = Vec<Box<RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of manifests")
    }

    /// Go writes an empty list as `null`.
    fn visit_unit<E>(self) -> std::result::Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(raw) = seq.next_element::<Box<RawValue>>()? {
            if entries.len() >= self.limit {
                *self.over = true;
                return Err(de::Error::custom("too many"));
            }
            if raw.get() == NULL {
                return Err(de::Error::custom("it has null in the list of manifests"));
            }
            entries.push(raw);
        }
        Ok(entries)
    }
}
