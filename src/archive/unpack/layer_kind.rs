//! What a layer is, by its descriptor alone; nothing is guessed from its bytes (G-09).

use crate::error::{Error, Kind, Result, printable};
use crate::oci::{Descriptor, media_type};

use super::name::{self, Limits};

/// The form of a layer's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LayerKind {
    /// Without content: the empty descriptor's, or an empty file without a name (Q84).
    Nothing,
    /// A plain tar archive.
    Tar,
    /// A tar archive through gzip.
    TarGzip,
    /// A tar archive through zstd.
    TarZstd,
    /// One file of this name (relative to the destination), whatever its media type says.
    File(Vec<u8>),
    /// Neither a titled file nor an archive (Q85).
    Other,
}

impl LayerKind {
    /// A titled layer is a file, and with `io.deis.oras.content.unpack: "true"` what oras makes of a directory:
    /// tar through gzip, unless the media type says zstd (Q83). Of all others the media type's suffix says what
    /// they are. The title is checked as an entry's name is (T-17).
    pub(super) fn of(layer: &Descriptor, limits: &Limits, strip_leading_slash: bool) -> Result<Self> {
        let essence = media_type::essence(&layer.media_type);
        let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| essence.ends_with(suffix));
        let zstd = ends(&["+zstd", ".zstd"]);
        if let Some(title) = layer.annotations.get(media_type::ANNOTATION_TITLE) {
            let unpack = layer.annotations.get(media_type::ANNOTATION_UNPACK).is_some_and(|v| v == "true");
            return match (unpack, zstd) {
                (true, true) => Ok(Self::TarZstd),
                (true, false) => Ok(Self::TarGzip),
                (false, _) => Ok(Self::File(file_name(title, limits, strip_leading_slash)?)),
            };
        }
        Ok(if zstd {
            Self::TarZstd
        } else if ends(&["+gzip", ".gzip"]) {
            Self::TarGzip
        } else if ends(&[".tar", "+tar", "/tar", "/x-tar"]) {
            Self::Tar
        } else if layer.size == 0 || essence == media_type::EMPTY && layer.digest.verify(b"{}") {
            Self::Nothing
        } else {
            Self::Other
        })
    }
}

/// Whether an untitled layer of this type is read as what a build writes, tar through gzip.
pub fn is_tar_gzip(media_type: &str) -> bool {
    let layer = Descriptor::of(media_type, b"-");
    LayerKind::of(&layer, &Limits { path: 0, depth: 0 }, false).is_ok_and(|form| form == LayerKind::TarGzip)
}

fn file_name(title: &str, limits: &Limits, strip_leading_slash: bool) -> Result<Vec<u8>> {
    let refuse = |error: Error| error.context(format!("title annotation '{}'", printable(title)));
    let bytes = title.as_bytes();
    // Titles have slashes on every system, so these are the paths of one that has drives.
    if title.contains('\\') || matches!(bytes, [drive, b':', ..] if drive.is_ascii_alphabetic()) {
        return Err(refuse(Error::new(Kind::Unsafe, "has a drive or a backslash")));
    }
    let name = name::clean(bytes, limits, strip_leading_slash).map_err(refuse)?;
    if name.is_empty() || bytes.ends_with(b"/") {
        return Err(refuse(Error::new(Kind::Unsafe, "names no file")));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    const LIMITS: Limits = Limits { path: 4096, depth: 256 };

    fn form(media_type: &str, annotations: &[(&str, &str)]) -> Result<LayerKind> {
        let mut layer = Descriptor::of(media_type, b"content");
        layer.annotations = annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        LayerKind::of(&layer, &LIMITS, false)
    }

    #[test]
    fn g_09_the_media_type_says_what_a_layer_is() {
        for (media_type, want) in [
            ("application/vnd.oci.image.layer.v1.tar", LayerKind::Tar),
            ("application/vnd.oci.image.layer.v1.tar+gzip", LayerKind::TarGzip),
            ("application/vnd.oci.image.layer.v1.tar+zstd", LayerKind::TarZstd),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", LayerKind::TarGzip),
            ("application/vnd.architect.component.layer.v1.tar+gzip", LayerKind::TarGzip),
            ("Application/X-Tar; charset=utf-8", LayerKind::Tar),
        ] {
            assert_eq!(form(media_type, &[]).unwrap(), want, "{media_type}");
        }
        assert_eq!(form("text/plain", &[]).unwrap(), LayerKind::Other);
    }

    #[test]
    fn q84_what_has_no_content_is_nothing() {
        let of = |layer: &Descriptor| LayerKind::of(layer, &LIMITS, false).unwrap();
        assert_eq!(of(&Descriptor::of(media_type::EMPTY, b"{}")), LayerKind::Nothing);
        assert_eq!(of(&Descriptor::of("a/b", b"")), LayerKind::Nothing);
        // Another content, an archive that lacks all, a file that is meant to be there.
        assert_eq!(of(&Descriptor::of(media_type::EMPTY, b"[]")), LayerKind::Other);
        assert_eq!(of(&Descriptor::of(media_type::OCI_LAYER, b"")), LayerKind::TarGzip);
        for mut layer in [Descriptor::of("a/b", b""), Descriptor::of(media_type::EMPTY, b"{}")] {
            layer.annotations.insert(media_type::ANNOTATION_TITLE.to_owned(), "f".to_owned());
            assert_eq!(of(&layer), LayerKind::File(b"f".to_vec()));
        }
    }

    #[test]
    fn a_titled_layer_is_a_file_unless_it_says_unpack() {
        let tar = "application/vnd.oci.image.layer.v1.tar";
        let title = media_type::ANNOTATION_TITLE;
        let unpack = media_type::ANNOTATION_UNPACK;
        assert_eq!(form(tar, &[(title, "./a/b.txt")]).unwrap(), LayerKind::File(b"a/b.txt".to_vec()));
        assert_eq!(form(tar, &[(title, "d"), (unpack, "yes")]).unwrap(), LayerKind::File(b"d".to_vec()));
        assert_eq!(form(tar, &[(unpack, "true")]).unwrap(), LayerKind::Tar);
    }

    #[test]
    fn q83_what_oras_made_of_a_directory_is_tar_through_gzip_whatever_its_type() {
        let form = |media_type| {
            let annotations = [(media_type::ANNOTATION_TITLE, "d"), (media_type::ANNOTATION_UNPACK, "true")];
            form(media_type, &annotations).unwrap()
        };
        for media_type in
            ["application/vnd.acme.rocket.docs.layer.v1+tar", "a/b", "a/b.tar", media_type::OCI_LAYER]
        {
            assert_eq!(form(media_type), LayerKind::TarGzip, "{media_type}");
        }
        assert_eq!(form("a/b.tar+zstd"), LayerKind::TarZstd);
    }

    #[test]
    fn q88_an_absolute_title_obeys_strip_leading_slash() {
        let mut layer = Descriptor::of("text/plain", b"content");
        layer.annotations.insert(media_type::ANNOTATION_TITLE.to_owned(), "/etc/motd".to_owned());
        let file = LayerKind::of(&layer, &LIMITS, true).unwrap();
        assert_eq!(file, LayerKind::File(b"etc/motd".to_vec()));
        let error = LayerKind::of(&layer, &LIMITS, false).unwrap_err();
        assert!(error.message().contains("strip_leading_slash"), "{error}");
        layer.annotations.insert(media_type::ANNOTATION_TITLE.to_owned(), "/../etc/motd".to_owned());
        assert_eq!(LayerKind::of(&layer, &LIMITS, true).unwrap_err().kind(), Kind::Unsafe);
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
