//! build: directory → spooled layer → artifact.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::artifact::{ArtifactBuilder, Content, Layer};
use super::{Outcome, Verb};
use crate::archive::{LeftOut, PackOptions, Packed, pack, tree_state};
use crate::error::{Error, Result, printable};
use crate::fs::id_at;
use crate::oci::{ArtifactKind, Descriptor, Digest, fill_source_hash, media_type};
use crate::operation::Phase;
use crate::store::{BuildRecord, Spool, Store};
use crate::thread::blocking;

/// A layer, and how it came to be.
pub(super) struct Built {
    pub(super) layer: Content,
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) blocks: Option<String>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) left_out_total: u64,
    pub(super) unchanged: bool,
}

impl Verb {
    /// Builds a directory into an artifact whose one layer lies in the store; `layout` is where it will go, if known.
    pub(super) async fn build(
        &self,
        directory: PathBuf,
        kind: ArtifactKind,
        config: Vec<u8>,
        layout: Option<PathBuf>,
    ) -> Result<Outcome> {
        self.call.operation.enter(Phase::Packing);
        let (inner, of) = (self.clone(), kind.clone());
        let built = blocking(move || {
            let (client, operation) = (&inner.client, &inner.call.operation);
            // Made before the walk begins: it may lie in the tree.
            let spooling = client.spooling()?;
            let options = inner.pack_options(&directory, &of, layout.as_deref())?;
            let reuse = client.store()?.filter(|_| inner.call.settings.reuse_unchanged);
            if let Some(store) = &reuse
                && let Some(built) = inner.built_before(store, &directory, &options)?
            {
                return Ok(built);
            }
            let begun = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
            let mut writer = spooling.spool()?;
            let packed = pack(&directory, &options, operation, &mut writer)?;
            let spool = writer.finish()?;
            if let Some(store) = reuse.filter(|_| packed.state.is_settled(begun.cast_signed())) {
                // A store that can't be written costs the next build its short cut, no more.
                let _ = note(&store, &directory, &packed, &spool);
            }
            let Packed { blocks, left_out, left_out_total, .. } = packed;
            Ok(Built { left_out, left_out_total, ..Built::of_spool(spool, blocks) })
        })
        .await?;
        self.artifact(kind, &config, built)
    }

    /// The layer of an earlier build, where the tree's state is what it was then.
    fn built_before(&self, store: &Store, directory: &Path, options: &PackOptions) -> Result<Option<Built>> {
        let Some(record) = store.built(directory)? else { return Ok(None) };
        let (state, left_out, left_out_total) = tree_state(directory, options, &self.call.operation)?;
        if state.digest != record.state {
            return Ok(None);
        }
        let layer = Descriptor::new("", record.layer, record.size);
        let spool = store.spool_of(&layer, &self.call.operation)?;
        let built = |spool| Built {
            left_out,
            left_out_total,
            unchanged: true,
            ..Built::of_spool(spool, record.blocks)
        };
        Ok(spool.map(built))
    }

    /// What goes in; the store or what serves in its stead, the layout that it is for, and those that the options name
    /// do not (B-08).
    pub(super) fn pack_options(
        &self,
        directory: &Path,
        kind: &ArtifactKind,
        layout: Option<&Path>,
    ) -> Result<PackOptions> {
        let mut options = PackOptions::from_settings(&self.call.settings, kind);
        if let Some(store) = self.client.spooled_to()? {
            options.leave_out.push(store.identity()?);
        }
        options.leave_out.extend(layout.and_then(id_at));
        for path in &self.call.settings.leave_out {
            options.leave_out.extend(id_at(&directory.join(path)));
        }
        Ok(options)
    }
}

impl Built {
    fn of_spool(spool: Spool, blocks: Option<String>) -> Self {
        let (digest, size) = (spool.digest().clone(), spool.size());
        let layer = Content::Spooled(Arc::new(spool));
        Self { layer, digest, size, blocks, left_out: Vec::new(), left_out_total: 0, unchanged: false }
    }
}

impl Verb {
    /// The artifact of a layer, and what else a build tells.
    pub(super) fn artifact(&self, kind: ArtifactKind, config: &[u8], built: Built) -> Result<Outcome> {
        let Built { layer, digest, size, blocks, left_out, left_out_total, unchanged } = built;
        let mut descriptor = Descriptor::new(kind.layer_media_type(), digest, size);
        descriptor.annotations = self.call.settings.layer_annotation.clone();
        if let Some(blocks) = blocks.filter(|_| self.call.settings.block_annotation) {
            descriptor.annotations.insert(media_type::ANNOTATION_BLOCKS.to_owned(), blocks);
        }
        let config = match config {
            [] => b"{}".to_vec(),
            config if self.call.settings.fill_source_hash => fill_source_hash(config, &descriptor.digest),
            config => config.to_vec(),
        };
        let mut builder =
            ArtifactBuilder::new(kind).config(config).layer(Layer { descriptor, content: layer });
        for (key, value) in &self.call.settings.annotation {
            builder = builder.annotation(key, value);
        }
        let artifact = builder.finish()?;
        Ok(Outcome {
            digest: Some(artifact.digest.clone()),
            media_type: Some(artifact.media_type.clone()),
            size: Some(artifact.manifest.len() as u64),
            artifact: Some(artifact.into()),
            left_out,
            left_out_total,
            unchanged,
            ..Outcome::default()
        })
    }
}

fn note(store: &Store, directory: &Path, packed: &Packed, spool: &Spool) -> Result<()> {
    store.keep_spool(spool)?;
    let record = BuildRecord {
        state: packed.state.digest.clone(),
        layer: spool.digest().clone(),
        size: spool.size(),
        blocks: packed.blocks.clone(),
    };
    store.set_built(directory, &record)
}

/// The kind with the media types that options give a custom one.
pub(super) fn kind_of(kind: &ArtifactKind, verb: &Verb) -> Result<ArtifactKind> {
    let mut kind = kind.clone();
    let settings = &verb.call.settings;
    let of_kind = Error::new(
        crate::error::Kind::Argument,
        format!("a {} has its own media types; only a custom kind's can be given", kind.name()),
    );
    let given = [
        ("option config_media_type", &settings.config_media_type),
        ("option layer_media_type", &settings.layer_media_type),
    ];
    for (option, media_type) in given {
        if media_type.is_empty() {
            continue;
        }
        crate::oci::check_media_type(media_type).map_err(|e| e.context(option))?;
        if !matches!(kind, ArtifactKind::Custom { .. }) {
            return Err(of_kind.context(option));
        }
    }
    if let ArtifactKind::Custom { config_media_type, layer_media_type, .. } = &mut kind {
        for (given, media_type) in
            [(&settings.config_media_type, config_media_type), (&settings.layer_media_type, layer_media_type)]
        {
            if !given.is_empty() {
                given.clone_into(media_type);
            }
        }
    }
    // Whatever is pulled is read by its media type.
    let layer_media_type = kind.layer_media_type();
    if !crate::archive::is_tar_gzip(layer_media_type) {
        return Err(Error::new(
            crate::error::Kind::Argument,
            format!(
                "the layer's media type '{}' does not fit: a build writes tar through gzip, which a pull knows by the \
                 suffix +gzip or .gzip",
                printable(layer_media_type)
            ),
        ));
    }
    Ok(kind)
}
