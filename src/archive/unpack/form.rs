//! What a layer is, by its descriptor alone; nothing is guessed from its bytes (G-09).

use crate::error::{Error, Kind, Result, printable};
use crate::oci::{Descriptor, media_type};

use super::name::{self, Limits};

/// The form of a layer's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LayerForm {
    /// A plain tar archive.
    Tar,
    /// A tar archive through gzip.
    TarGzip,
    /// A tar archive through zstd.
    TarZstd,
    /// One file of this name (relative to the destination), whatever its media type says.
    File(Vec<u8>),
}

impl LayerForm {
    /// A titled layer without `io.deis.oras.content.unpack: "true"` is a file, else the media type's suffix says
    /// what it is. The title is checked as an entry's name is (T-17).
    pub(super) fn of(layer: &Descriptor, limits: &Limits) -> Result<Self> {
        let unpack = layer.annotations.get(media_type::ANNOTATION_UNPACK).is_some_and(|v| v == "true");
        if let Some(title) = layer.annotations.get(media_type::ANNOTATION_TITLE).filter(|_| !unpack) {
            return Ok(Self::File(file_name(title, limits)?));
        }
        let essence = media_type::essence(&layer.media_type);
        let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| essence.ends_with(suffix));
        if ends(&["+gzip", ".gzip"]) {
            Ok(Self::TarGzip)
        } else if ends(&["+zstd", ".zstd"]) {
            Ok(Self::TarZstd)
        } else if ends(&[".tar", "+tar", "/tar", "/x-tar"]) {
            Ok(Self::Tar)
        } else {
            Err(Error::new(
                Kind::Unsupported,
                format!(
                    "layer {} of media type '{}' is no archive that can be unpacked (tar, +gzip, +zstd) and has \
                     no title to be a file",
                    layer.digest,
                    printable(&layer.media_type)
                ),
            ))
        }
    }
}

fn file_name(title: &str, limits: &Limits) -> Result<Vec<u8>> {
    let refuse = |error: Error| error.context(format!("title annotation '{}'", printable(title)));
    let bytes = title.as_bytes();
    // Titles have slashes on every system, so these are the paths of one that has drives.
    if title.contains('\\') || matches!(bytes, [drive, b':', ..] if drive.is_ascii_alphabetic()) {
        return Err(refuse(Error::new(Kind::Unsafe, "has a drive or a backslash")));
    }
    let name = name::clean(bytes, limits, false).map_err(refuse)?;
    if name.is_empty() || bytes.ends_with(b"/") {
        return Err(refuse(Error::new(Kind::Unsafe, "names no file")));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    const LIMITS: Limits = Limits { path: 4096, depth: 256 };

    fn form(media_type: &str, annotations: &[(&str, &str)]) -> Result<LayerForm> {
        let mut layer = Descriptor::new(media_type, Digest::of(b""), 0);
        layer.annotations = annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        LayerForm::of(&layer, &LIMITS)
    }

    #[test]
    fn g_09_the_media_type_says_what_a_layer_is() {
        for (media_type, want) in [
            ("application/vnd.oci.image.layer.v1.tar", LayerForm::Tar),
            ("application/vnd.oci.image.layer.v1.tar+gzip", LayerForm::TarGzip),
            ("application/vnd.oci.image.layer.v1.tar+zstd", LayerForm::TarZstd),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", LayerForm::TarGzip),
            ("application/vnd.architect.component.layer.v1.tar+gzip", LayerForm::TarGzip),
            ("Application/X-Tar; charset=utf-8", LayerForm::Tar),
        ] {
            assert_eq!(form(media_type, &[]).unwrap(), want, "{media_type}");
        }
        let error = form("text/\u{1b}plain", &[]).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported);
        assert!(error.message().contains("'text/\\u{1b}plain'"), "{error}");
    }

    #[test]
    fn a_titled_layer_is_a_file_unless_it_says_unpack() {
        let tar = "application/vnd.oci.image.layer.v1.tar";
        let title = media_type::ANNOTATION_TITLE;
        let unpack = media_type::ANNOTATION_UNPACK;
        assert_eq!(form(tar, &[(title, "./a/b.txt")]).unwrap(), LayerForm::File(b"a/b.txt".to_vec()));
        assert_eq!(form(tar, &[(title, "d"), (unpack, "true")]).unwrap(), LayerForm::Tar);
        assert_eq!(form(tar, &[(title, "d"), (unpack, "yes")]).unwrap(), LayerForm::File(b"d".to_vec()));
    }

    #[test]
    fn t_17_a_title_is_checked_as_an_entrys_name_is() {
        for title in ["../x", ".", "a/../b", "C:\\x", "C:x", "", "/etc/passwd", "d/", "a\0b"] {
            let error = form("text/plain", &[(media_type::ANNOTATION_TITLE, title)]).unwrap_err();
            assert_eq!(error.kind(), Kind::Unsafe, "{title}");
        }
        let long = "x".repeat(1 << 20);
        let error = form("text/plain", &[(media_type::ANNOTATION_TITLE, &long)]).unwrap_err();
        assert_eq!(error.kind(), Kind::Limit);
        assert!(error.message().len() < 600);
    }
}
