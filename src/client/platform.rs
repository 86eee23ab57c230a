//! Which manifest of an index is meant.

use super::endpoint::{Endpoint, Manifest};
use crate::error::{Error, Kind, Result, printable};
use crate::oci::{Descriptor, Document, ImageIndex, ImageManifest, Platform, Wish, media_type};

/// How deep an index may lie in indexes.
const INDEX_NESTING: usize = 8;
/// Of so many entries without a platform the configs are looked at.
const LOOKED_AT: usize = 16;

/// What of an index is for a platform.
#[derive(Debug, PartialEq, Eq)]
enum Choice<'a> {
    /// The first that fits, or an index's only manifest, which fits always.
    Entry(&'a Descriptor),
    /// None that says so; these say nothing, and their configs may (Q95).
    Perhaps(Vec<&'a Descriptor>),
}

fn choice<'a>(index: &'a ImageIndex, wish: &Wish) -> Choice<'a> {
    let manifests: Vec<_> =
        index.manifests.iter().filter(|entry| media_type::may_be_manifest(&entry.media_type)).collect();
    if let [only] = manifests.as_slice() {
        return Choice::Entry(only);
    }
    let fits = |entry: &&&Descriptor| entry.platform.as_ref().is_some_and(|platform| wish.fits(platform));
    match manifests.iter().find(fits) {
        Some(entry) => Choice::Entry(entry),
        None => Choice::Perhaps(
            manifests.into_iter().filter(|entry| entry.platform.is_none()).take(LOOKED_AT).collect(),
        ),
    }
}

impl Endpoint {
    /// The image manifest that the reference names; of an index the one for the platform asked for.
    pub(super) async fn image(&self) -> Result<Manifest<ImageManifest>> {
        let mut manifest = self.manifest().await?;
        for _ in 0..INDEX_NESTING {
            match manifest.document {
                Document::Image(document) => {
                    return Ok(Manifest { descriptor: manifest.descriptor, bytes: manifest.bytes, document });
                }
                Document::Index(index) => {
                    let child = choose(self, &index).await.map_err(|e| e.context(&self.reference))?;
                    drop((index, manifest.bytes));
                    manifest = self.child(&child).await?;
                }
            }
        }
        Err(Error::new(
            Kind::Limit,
            format!("{}: indexes are nested deeper than the limit of {INDEX_NESTING}", self.reference),
        ))
    }
}

/// The entry for the platform that the call asks for.
async fn choose(endpoint: &Endpoint, index: &ImageIndex) -> Result<Descriptor> {
    let platform = &endpoint.call.settings.platform;
    let wish = Wish::new(platform);
    let perhaps = match choice(index, &wish) {
        Choice::Entry(entry) => return Ok(entry.clone()),
        Choice::Perhaps(entries) => entries,
    };
    for entry in perhaps {
        let Document::Image(image) = endpoint.child(entry).await?.document else { continue };
        if !super::diff_id::may_be_in(&image.config.media_type) {
            continue;
        }
        let config = endpoint.config(&image.config).await?;
        // An image's config has the fields of a platform among others.
        if serde_json::from_slice::<Platform>(&config).is_ok_and(|found| wish.fits(&found)) {
            return Ok(entry.clone());
        }
    }
    Err(none(index, platform))
}

fn none(index: &ImageIndex, platform: &str) -> Error {
    let platforms = index.manifests.iter().filter_map(|entry| entry.platform.as_ref());
    let has: Vec<String> = platforms.take(20).map(Platform::to_string).collect();
    Error::new(
        Kind::NotFound,
        format!(
            "the index has no manifest for the platform {} (option platform); it has {}; read_manifest lists its entries",
            printable(platform),
            if has.is_empty() { "none with a platform".to_owned() } else { printable(has.join(", ")) }
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    fn index(platforms: &[(&str, &str, Option<&str>)]) -> ImageIndex {
        let entry = |(at, (os, architecture, variant)): (usize, &(&str, &str, Option<&str>))| Descriptor {
            platform: Some(Platform {
                os: (*os).into(),
                architecture: (*architecture).into(),
                os_version: None,
                os_features: Vec::new(),
                variant: variant.map(str::to_owned),
            }),
            ..Descriptor::new(media_type::OCI_MANIFEST, Digest::of(&[u8::try_from(at).unwrap()]), 1)
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
        let choice = |platform| choice(&index, &Wish::new(platform));
        assert_eq!(choice("linux/amd64"), Choice::Entry(&index.manifests[1]));
        assert_eq!(choice("linux/arm64"), Choice::Entry(&index.manifests[0]));
        assert_eq!(choice("linux/arm64/v9"), Choice::Perhaps(Vec::new()));
        let error = none(&index, "linux/arm64/v9");
        let cure = "it has linux/arm64/v8, linux/amd64, linux/amd64; read_manifest lists its entries";
        assert!(error.message().ends_with(cure), "{error}");
    }

    #[test]
    fn an_only_entry_is_meant_whatever_its_platform() {
        let index = index(&[("windows", "amd64", None)]);
        assert_eq!(choice(&index, &Wish::new("linux/amd64")), Choice::Entry(&index.manifests[0]));
    }

    #[test]
    fn q95_configs_are_looked_at_where_no_platform_fits_and_of_a_few_entries() {
        let mut index = index(&[("linux", "arm64", None); 20]);
        for entry in index.manifests.iter_mut().skip(1) {
            entry.platform = None;
        }
        let arm = choice(&index, &Wish::new("linux/arm64"));
        assert_eq!(arm, Choice::Entry(&index.manifests[0]));
        let Choice::Perhaps(entries) = choice(&index, &Wish::new("linux/amd64")) else { panic!("{arm:?}") };
        assert_eq!(entries, index.manifests[1..].iter().take(LOOKED_AT).collect::<Vec<_>>());
        // Of what is no manifest nothing is chosen.
        for entry in index.manifests.iter_mut().skip(2) {
            entry.media_type = "application/xml".to_owned();
        }
        let amd = choice(&index, &Wish::new("linux/amd64"));
        assert_eq!(amd, Choice::Perhaps(vec![&index.manifests[1]]));
    }
}
