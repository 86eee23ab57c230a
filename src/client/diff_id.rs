//! An image's config names the digest of each layer's decoded content, and that must be what was unpacked (G-10).

use serde::Deserialize;

use crate::error::{Error, Kind, Result, printable};
use crate::oci::{Algorithm, Descriptor, Digest, media_type};

/// Configs that have `rootfs.diff_ids`.
const IMAGE_CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// Whether a config of this type may name them.
pub(super) fn may_be_in(config_type: &str) -> bool {
    IMAGE_CONFIGS.contains(&&*media_type::essence(config_type))
}

#[derive(Deserialize)]
struct Config {
    rootfs: Option<RootFs>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

/// Holds what was unpacked against what the config names; one that names nothing is right. `contents` has the
/// sha256 of each archive, and none for a layer that is one file.
pub(super) fn check(config: &[u8], layers: &[Descriptor], contents: &[Option<Digest>]) -> Result<()> {
    // Other tools put whatever they like under an image config's media type.
    let Ok(Config { rootfs: Some(RootFs { diff_ids }) }) = serde_json::from_slice(config) else {
        return Ok(());
    };
    if diff_ids.is_empty() {
        return Ok(());
    }
    let wrong = |why: String| Err(Error::new(Kind::Digest, why));
    if diff_ids.len() != layers.len() {
        return wrong(format!("the config has {} diff_ids for {} layers", diff_ids.len(), layers.len()));
    }
    for ((diff_id, layer), content) in diff_ids.iter().zip(layers).zip(contents) {
        // Today's Go package names the layer as it is stored (static.Layer has no other digest to give).
        if layer.digest.as_str() == diff_id {
            continue;
        }
        let comparable = diff_id.parse::<Digest>().is_ok_and(|id| id.algorithm() == Algorithm::Sha256);
        match content {
            Some(content) if content.as_str() != diff_id => {
                let why = if comparable { "its content has" } else { "which is not sha256; its content has" };
                return wrong(format!(
                    "layer {}: the config has the diff_id {}, {why} {content}",
                    layer.digest,
                    printable(diff_id)
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{ArtifactBuilder, Client, Layer};
    use super::*;
    use crate::oci::{ArtifactKind, Reference};
    use crate::options::{Environment, Options};

    /// A plain tar archive of the file `a`, which holds `content`.
    fn archive(content: &[u8]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, "a", content).unwrap();
        tar.into_inner().unwrap()
    }

    /// Makes a config from the digests of a layer's content and of the layer as it is stored.
    type Config<'a> = &'a dyn Fn(&Digest, &Digest) -> String;

    /// Pulls an image of one layer with such a config.
    fn pull(room: &Path, config_type: &str, config: Config<'_>) -> Result<()> {
        let plain = archive(b"content");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &plain).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut options = Options::new();
        options.set_path("store", room.join("store")).unwrap();
        let client = Client::with_environment(&options, Environment::default()).unwrap();
        let kind = ArtifactKind::Custom {
            artifact_type: config_type.to_owned(),
            config_media_type: config_type.to_owned(),
            layer_media_type: media_type::OCI_LAYER.to_owned(),
        };
        let image = ArtifactBuilder::new(kind)
            .config(config(&Digest::of(&plain), &Digest::of(&gzip)))
            .layer(Layer::from_bytes(media_type::OCI_LAYER, &gzip))
            .finish()
            .unwrap();
        let place = format!("ocidir://{}:v1", room.join("layout").display());
        let place: Reference = place.parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(client.push(&image, &place, &client.call(None).unwrap())).unwrap();
        let destination = room.join("destination");
        runtime.block_on(client.pull(&place, &destination, &client.call(None).unwrap()))?;
        assert_eq!(std::fs::read(destination.join("a")).unwrap(), b"content");
        Ok(())
    }

    fn naming(diff_ids: &[&str]) -> String {
        serde_json::json!({"architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}})
            .to_string()
    }

    #[test]
    fn g_10_a_wrong_diff_id_publishes_nothing() {
        let other = Digest::of(b"other").to_string();
        for config_type in IMAGE_CONFIGS {
            let wrong: [Config<'_>; 3] =
                [&|_, _| naming(&[&other]), &|content, _| naming(&[content.as_str(), &other]), &|_, _| {
                    naming(&["sha256:short"])
                }];
            for config in wrong {
                let room = tempfile::tempdir().unwrap();
                let error = pull(room.path(), config_type, config).unwrap_err();
                assert_eq!(error.kind(), Kind::Digest, "{error}");
                assert!(error.message().contains("diff_id"), "{error}");
                let mut left: Vec<_> =
                    std::fs::read_dir(room.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
                left.sort();
                assert_eq!(left, ["layout", "store"]);
            }
        }
    }

    #[test]
    fn g_10_the_contents_digest_and_that_of_the_stored_layer_are_right() {
        for config_type in IMAGE_CONFIGS {
            let right: [Config<'_>; 4] = [
                &|content, _| naming(&[content.as_str()]),
                &|_, stored| naming(&[stored.as_str()]),
                &|_, _| naming(&[]),
                &|_, _| "{}".to_owned(),
            ];
            for config in right {
                let room = tempfile::tempdir().unwrap();
                pull(room.path(), config_type, config).unwrap();
            }
        }
        // Of another type it is nobody's business what the config has.
        let room = tempfile::tempdir().unwrap();
        pull(room.path(), "application/vnd.x", &|_, _| naming(&["sha256:short"])).unwrap();
    }
}
