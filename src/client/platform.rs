//! Which manifest of an index is meant.

use crate::error::{Error, Kind, Result, printable};
use crate::oci::{Descriptor, ImageIndex};

/// The entry for a platform: the first that fits; an index's only entry fits always.
pub(super) fn choose<'a>(index: &'a ImageIndex, platform: &str) -> Result<&'a Descriptor> {
    if let [only] = index.manifests.as_slice() {
        return Ok(only);
    }
    let mut wanted = platform.splitn(3, '/');
    let (os, architecture, variant) =
        (wanted.next().unwrap_or(""), wanted.next().unwrap_or(""), wanted.next());
    let fits = |descriptor: &&Descriptor| {
        descriptor.platform.as_ref().is_some_and(|p| {
            p.os == os
                && p.architecture == architecture
                && variant.is_none_or(|v| p.variant.as_deref() == Some(v))
        })
    };
    index.manifests.iter().find(fits).ok_or_else(|| {
        let mut has: Vec<String> = index
            .manifests
            .iter()
            .filter_map(|d| d.platform.as_ref())
            .map(|p| {
                format!(
                    "{}/{}{}",
                    p.os,
                    p.architecture,
                    p.variant.as_ref().map(|v| format!("/{v}")).unwrap_or_default()
                )
            })
            .collect();
        has.truncate(20);
        Error::new(
            Kind::NotFound,
            format!(
                "the index has no manifest for the platform {} (option platform); it has {}",
                printable(platform),
                if has.is_empty() { "none with a platform".to_owned() } else { printable(has.join(", ")) }
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Digest, Platform};

    fn index(platforms: &[(&str, &str, Option<&str>)]) -> ImageIndex {
        let entry = |(at, (os, architecture, variant)): (usize, &(&str, &str, Option<&str>))| Descriptor {
            platform: Some(Platform {
                os: (*os).into(),
                architecture: (*architecture).into(),
                os_version: None,
                os_features: Vec::new(),
                variant: variant.map(str::to_owned),
            }),
            ..Descriptor::new("m", Digest::of(&[u8::try_from(at).unwrap()]), 1)
        };
        ImageIndex {
            schema_version: 2,
            media_type: String::new(),
            artifact_type: None,
            manifests: platforms.iter().enumerate().map(entry).collect(),
            subject: None,
            annotations: Default::default(),
        }
    }

    #[test]
    fn r_32_the_first_that_fits_is_chosen_and_a_miss_says_what_there_is() {
        let index =
            index(&[("linux", "arm64", Some("v8")), ("linux", "amd64", None), ("linux", "amd64", None)]);
        assert_eq!(choose(&index, "linux/amd64").unwrap().digest, index.manifests[1].digest);
        assert_eq!(choose(&index, "linux/arm64").unwrap().digest, index.manifests[0].digest);
        let error = choose(&index, "linux/arm64/v9").unwrap_err();
        assert!(error.message().contains("linux/arm64/v8, linux/amd64"), "{error}");
    }

    #[test]
    fn an_only_entry_is_meant_whatever_its_platform() {
        assert!(choose(&index(&[("windows", "amd64", None)]), "linux/amd64").is_ok());
    }
}
