//! What becomes of each of an artifact's layers, by their descriptors alone and before a byte of them is asked for.

use crate::error::{Error, Kind, Result, printable};
use crate::oci::Descriptor;
use crate::operation::Operation;
use crate::options::Settings;

use super::UnpackOptions;
use super::layer_kind::LayerKind;

/// What becomes of layers that are neither titled files nor archives (Q85).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherLayers {
    /// They are an error.
    Refuse,
    /// They are left out with a warning, unless nothing else would be published.
    Skip,
    /// They are files, named by their digest.
    File,
}

/// What becomes of an artifact's layers.
#[derive(Debug, Default)]
pub struct Plan {
    /// Which of them are unpacked.
    pub wanted: Vec<bool>,
    /// Some are neither titled files nor archives.
    pub others: bool,
}

impl UnpackOptions {
    fn plain_form(&self, layer: &Descriptor) -> Result<LayerKind> {
        LayerKind::of(layer, &self.names(), self.strip_leading_slash)
    }

    /// The form of a layer under these options.
    pub(super) fn form(&self, layer: &Descriptor) -> Result<LayerKind> {
        Ok(match (self.plain_form(layer)?, self.other_layers) {
            (LayerKind::Other, OtherLayers::File) => {
                LayerKind::File(layer.digest.as_str().replace(':', "-").into_bytes())
            }
            (form, _) => form,
        })
    }

    /// Which of the layers are to be unpacked. Says which of the others go missing, and refuses where they must not.
    pub fn plan(&self, layers: &[Descriptor], operation: &Operation) -> Result<Plan> {
        let mut plan = Plan::default();
        let mut others = Vec::new();
        for layer in layers {
            let form = self.plain_form(layer)?;
            let wanted = match &form {
                LayerKind::Nothing => false,
                LayerKind::Other => self.other_layers == OtherLayers::File,
                _ => true,
            };
            plan.wanted.push(wanted);
            if form == LayerKind::Other {
                plan.others = true;
                others.extend((!wanted).then_some(layer));
            }
        }
        let skip = self.other_layers == OtherLayers::Skip && plan.wanted.contains(&true);
        for layer in others {
            if !skip {
                return Err(other(layer));
            }
            operation.warn(format!(
                "layer {} of media type '{}' was left out: it is neither a titled file nor an archive (option \
                 other_layers)",
                layer.digest,
                printable(&layer.media_type)
            ));
        }
        Ok(plan)
    }
}

/// What the settings change of what is extracted: equal for equal trees. `others` = there are layers that are
/// neither titled files nor archives.
pub fn extraction(settings: &Settings, others: bool) -> String {
    let options = UnpackOptions::from_settings(settings);
    let flags = [
        ("preserve_mtime", options.preserve_mtime),
        ("skip_special", options.skip_special),
        ("last_wins", options.last_wins),
        ("strip_leading_slash", options.strip_leading_slash),
        ("lenient_end", options.lenient_end),
    ];
    let mut words: Vec<&str> = flags.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
    if others {
        words.extend([settings.other_layers.word(), settings.existing.word()]);
    }
    words.join(",")
}

/// A layer that nothing can be made of.
pub(super) fn other(layer: &Descriptor) -> Error {
    Error::new(
        Kind::Unsupported,
        format!(
            "layer {} of media type '{}' has no title to be a file and is not an archive that can be unpacked (tar, \
             +gzip, +zstd); option other_layers: skip, file",
            layer.digest,
            printable(&layer.media_type)
        ),
    )
}
