//! A stricter reading of JSON than serde's: what two parsers could read differently is refused.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Checks that `bytes` are one JSON object without a duplicate key at any depth, without trailing bytes, and
/// no deeper than serde_json's own limit of 128. Hands each top-level key to `key`, which may refuse it.
pub(super) fn check_object(
    bytes: &[u8],
    key: &mut dyn FnMut(&str) -> Result<(), String>,
) -> Result<(), String> {
    if bytes.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Err("is not a JSON object".to_owned());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    Strict { top: Some(key) }.deserialize(&mut deserializer).map_err(|e| e.to_string())?;
    deserializer.end().map_err(|e| e.to_string())
}

type OnKey<'a> = &'a mut dyn FnMut(&str) -> Result<(), String>;

struct Strict<'a> {
    top: Option<OnKey<'a>>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Strict { top: None })?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut seen = std::collections::HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if let Some(top) = self.top.as_mut() {
                top(&key).map_err(de::Error::custom)?;
            }
            map.next_value_seed(Strict { top: None })?;
            if !seen.insert(key) {
                return Err(de::Error::custom("an object has a key twice"));
            }
        }
        Ok(())
    }
}
