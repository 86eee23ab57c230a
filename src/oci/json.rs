//! A stricter reading of JSON than serde's: what two parsers could read differently is refused. Null is
//! read as Go, whose types define these documents, reads and writes it (Q81).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// An optional value: null is as if it were absent.
pub(super) fn optional<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An optional map of texts, in which null is the empty text.
pub(super) fn texts<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    struct Texts;
    impl<'de> Visitor<'de> for Texts {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of texts")
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(BTreeMap::new())
        }
        // As they come, since a second map of very many would be as large.
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut texts = BTreeMap::new();
            while let Some((key, value)) = map.next_entry::<String, Option<String>>()? {
                texts.insert(key, value.unwrap_or_default());
            }
            Ok(texts)
        }
    }
    deserializer.deserialize_any(Texts)
}

/// A key, borrowed from the document where nothing in it is escaped.
#[derive(Deserialize, PartialEq, Eq, Hash)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// What a top-level key has for a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    /// An array of so many elements.
    Array(usize),
    Other,
}

/// Checks that `bytes` are one JSON object without a duplicate key at any depth, without trailing bytes, and
/// no deeper than serde_json's own limit of 128. Hands each top-level key with what it has for a value to `key`,
/// which may refuse it. Reads no further than `most` values, at all depths.
pub(super) fn check_object(
    bytes: &[u8],
    most: usize,
    key: &mut dyn FnMut(&str, Value) -> Result<(), String>,
) -> Result<(), Refused> {
    let malformed = |error: serde_json::Error| Refused::Malformed(error.to_string());
    if bytes.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Refused::Malformed("is not a JSON object".to_owned()));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let mut left = most;
    match (Strict { left: &mut left, top: Some(key) }).deserialize(&mut deserializer) {
        Err(_) if left == 0 => Err(Refused::TooMany),
        Err(error) => Err(malformed(error)),
        Ok(_) => deserializer.end().map_err(malformed),
    }
}

/// Why a document is refused.
pub(super) enum Refused {
    TooMany,
    Malformed(String),
}

type OnKey<'a> = &'a mut dyn FnMut(&str, Value) -> Result<(), String>;

struct Strict<'a> {
    left: &'a mut usize,
    top: Option<OnKey<'a>>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        *self.left = self.left.checked_sub(1).ok_or_else(|| de::Error::custom("too many values"))?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Other)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }
    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Other)
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut count = 0;
        while seq.next_element_seed(Strict { left: &mut *self.left, top: None })?.is_some() {
            count += 1;
        }
        Ok(Value::Array(count))
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let mut seen = std::collections::HashSet::new();
        while let Some(key) = map.next_key::<Key<'de>>()? {
            let value = map.next_value_seed(Strict { left: &mut *self.left, top: None })?;
            if let Some(top) = self.top.as_mut() {
                top(&key.0, value).map_err(de::Error::custom)?;
            }
            if !seen.insert(key) {
                return Err(de::Error::custom("an object has a key twice"));
            }
        }
        Ok(Value::Other)
    }
}
