//! build: directory → spooled layer → artifact.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::artifact::{ArtifactBuilder, Content, Layer};
use super::blocking::blocking;
use super::{Call, Job, Outcome};
use crate::archive::{PackOptions, Packed, pack};
use crate::error::{Error, Result};
use crate::oci::{ArtifactKind, Descriptor, fill_source_hash, media_type};
use crate::operation::Phase;
use crate::store::Spool;

/// Builds a directory into an artifact whose one layer lies in the store.
pub(super) async fn build(call: &Call, directory: PathBuf, kind: ArtifactKind, config: Vec<u8>) -> Job {
    call.operation.enter(Phase::Packing);
    let mut options = PackOptions::from_settings(&call.settings, &kind);
    let (client, settings, operation) = (call.client.clone(), call.settings.clone(), call.operation.clone());
    let (packed, spool) = blocking(move || {
        let store = client.store()?;
        if let Some(store) = &store {
            options.leave_out.push(store.identity()?);
        }
        for path in settings.list("leave_out") {
            options.leave_out.extend(identity(&directory.join(path)));
        }
        let mut writer = client.spooling()?.spool()?;
        let packed = pack(&directory, &options, &operation, &mut writer)?;
        Ok::<(Packed, Spool), Error>((packed, writer.finish()?))
    })
    .await?;
    let mut descriptor = Descriptor::new(kind.layer_media_type(), spool.digest().clone(), spool.size());
    descriptor.annotations = call.settings.pairs("layer_annotation");
    if let Some(blocks) = packed.blocks {
        descriptor.annotations.insert(media_type::ANNOTATION_BLOCKS.to_owned(), blocks);
    }
    let config = match config.as_slice() {
        [] => b"{}".to_vec(),
        config if call.settings.bool("fill_source_hash") => fill_source_hash(config, &descriptor.digest),
        _ => config,
    };
    let mut builder = ArtifactBuilder::new(kind)
        .config(config)
        .layer(Layer { descriptor, content: Content::Spooled(Arc::new(spool)) });
    for (key, value) in call.settings.pairs("annotation") {
        builder = builder.annotation(key, value);
    }
    let artifact = builder.finish()?;
    Ok(Outcome {
        digest: Some(artifact.digest.clone()),
        media_type: Some(artifact.media_type.clone()),
        size: Some(artifact.manifest.len() as u64),
        artifact: Some(artifact),
        left_out: packed.left_out,
        left_out_total: packed.left_out_total,
        ..Outcome::default()
    })
}

/// The device and inode of a path, where it exists.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|data| (data.dev(), data.ino()))
}

/// The kind with the media types that options give a custom one.
pub(super) fn kind_of(kind: &ArtifactKind, call: &Call) -> Result<ArtifactKind> {
    let mut kind = kind.clone();
    for option in ["config_media_type", "layer_media_type"] {
        let given = call.settings.text(option);
        if given.is_empty() {
            continue;
        }
        crate::oci::check_media_type(given).map_err(|e| e.context(format!("option {option}")))?;
        match (&mut kind, option) {
            (ArtifactKind::Custom { config_media_type, .. }, "config_media_type") => {
                given.clone_into(config_media_type)
            }
            (ArtifactKind::Custom { layer_media_type, .. }, _) => given.clone_into(layer_media_type),
            _ => {
                return Err(Error::new(
                    crate::error::Kind::Argument,
                    format!("option {option} is for custom kinds; a {} has its own media types", kind.name()),
                ));
            }
        }
    }
    Ok(kind)
}
