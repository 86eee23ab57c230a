//! Annotations as they are lent to the caller: in order of their keys.

use std::collections::BTreeMap;

use super::text::Text;
use crate::oci::Descriptor;

#[derive(Debug, Default)]
pub(super) struct Pairs(Vec<(Text, Text)>);

impl Pairs {
    pub(super) fn new(pairs: &BTreeMap<String, String>) -> Self {
        Self(pairs.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect())
    }
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
    pub(super) fn key(&self, index: usize) -> Option<&Text> {
        self.0.get(index).map(|(key, _)| key)
    }
    pub(super) fn value(&self, index: usize) -> Option<&Text> {
        self.0.get(index).map(|(_, value)| value)
    }
    pub(super) fn find(&self, key: &[u8]) -> Option<&Text> {
        let at = self.0.binary_search_by(|(known, _)| known.bytes().cmp(key)).ok()?;
        self.value(at)
    }
}

/// A descriptor as it is lent to the caller.
#[derive(Debug)]
pub(super) struct DescriptorTexts {
    pub(super) media_type: Text,
    pub(super) digest: Text,
    pub(super) size: u64,
    pub(super) artifact_type: Option<Text>,
    pub(super) annotations: Pairs,
}

impl DescriptorTexts {
    pub(super) fn new(descriptor: &Descriptor) -> Self {
        Self {
            media_type: descriptor.media_type.as_str().into(),
            digest: descriptor.digest.as_str().into(),
            size: descriptor.size,
            artifact_type: descriptor.artifact_type.as_deref().map(Text::from),
            annotations: Pairs::new(&descriptor.annotations),
        }
    }
}
