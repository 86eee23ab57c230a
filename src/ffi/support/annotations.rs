//! Annotations as they are lent to the caller: in order of their keys.

use std::collections::BTreeMap;

use super::strings::OwnedCStr;
use crate::oci::Descriptor;

#[derive(Debug, Default)]
pub(crate) struct Annotations(Vec<(OwnedCStr, OwnedCStr)>);

impl Annotations {
    pub(crate) fn new(pairs: &BTreeMap<String, String>) -> Self {
        Self(pairs.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect())
    }
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
    pub(crate) fn key(&self, index: usize) -> Option<&OwnedCStr> {
        self.0.get(index).map(|(key, _)| key)
    }
    pub(crate) fn value(&self, index: usize) -> Option<&OwnedCStr> {
        self.0.get(index).map(|(_, value)| value)
    }
    pub(crate) fn find(&self, key: &[u8]) -> Option<&OwnedCStr> {
        let at = self.0.binary_search_by(|(known, _)| known.bytes().cmp(key)).ok()?;
        self.value(at)
    }
}

/// A descriptor as it is lent to the caller.
#[derive(Debug)]
pub(crate) struct DescriptorTexts {
    pub(crate) media_type: OwnedCStr,
    pub(crate) digest: OwnedCStr,
    pub(crate) size: u64,
    pub(crate) artifact_type: Option<OwnedCStr>,
    pub(crate) platform: Option<OwnedCStr>,
    pub(crate) annotations: Annotations,
}

impl DescriptorTexts {
    pub(crate) fn new(descriptor: &Descriptor) -> Self {
        Self {
            media_type: descriptor.media_type.as_str().into(),
            digest: descriptor.digest.as_str().into(),
            size: descriptor.size,
            artifact_type: descriptor.artifact_type.as_deref().map(OwnedCStr::from),
            platform: descriptor.platform.as_ref().map(|platform| platform.to_string().as_str().into()),
            annotations: Annotations::new(&descriptor.annotations),
        }
    }
}
