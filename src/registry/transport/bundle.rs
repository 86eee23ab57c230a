//! Certificate authorities in files that people put together: one that is broken costs a warning and not the others
//! (Q114), and what is no PEM is told by its name.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::{Error, Kind, Result, printable};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// The most that is read of one file: the largest known bundles have half a megabyte.
const LIMIT: u64 = 16 << 20;

/// The file's bytes.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let fail = |error| Error::io(shown(path), error);
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(fail)?.take(LIMIT + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > LIMIT {
        return Err(Error::new(Kind::Limit, format!("{} is larger than 16 MiB", shown(path))));
    }
    Ok(bytes)
}

/// The certificates of a PEM file; what is wrong with some of them goes to `warnings`.
pub(super) fn certificates(path: &Path, warnings: &mut Vec<String>) -> Result<Vec<CertificateDer<'static>>> {
    parse(path, &read(path)?, warnings)
}

/// The same of what was read of it.
pub(super) fn parse(
    path: &Path,
    bytes: &[u8],
    warnings: &mut Vec<String>,
) -> Result<Vec<CertificateDer<'static>>> {
    let text = String::from_utf8_lossy(bytes);
    let (mut found, mut bad) = (Vec::new(), Vec::new());
    let (mut at, mut number) = (0, 0);
    while let Some(start) = text.get(at..).and_then(|rest| rest.find(BEGIN)).map(|offset| at + offset) {
        number += 1;
        let body = start + BEGIN.len();
        // One that is not closed ends where the next begins.
        let rest = text.get(body..).unwrap_or_default();
        let next = rest.find(BEGIN).unwrap_or(rest.len());
        let end = rest.find(END).map_or(next, |end| (end + END.len()).min(next));
        at = body + end;
        let certificate = CertificateDer::from_pem_slice(text.get(start..at).unwrap_or_default().as_bytes());
        match certificate.map_err(|_| "is not base64 of one".to_owned()).and_then(usable) {
            Ok(certificate) => found.push(certificate),
            Err(why) => {
                let line = 1 + text.get(..start).unwrap_or_default().matches('\n').count();
                bad.push(format!(
                    "{}: certificate {number} (line {line}) {why}, and is left out",
                    shown(path)
                ));
            }
        }
    }
    if found.is_empty() {
        let why = bad.first().cloned().unwrap_or_else(|| format!("{} {}", shown(path), what(bytes)));
        return Err(Error::new(Kind::Tls, why.trim_end_matches(", and is left out").to_owned()));
    }
    warnings.append(&mut bad);
    Ok(found)
}

fn usable(certificate: CertificateDer<'static>) -> std::result::Result<CertificateDer<'static>, String> {
    match RootCertStore::empty().add(certificate.clone()) {
        Ok(()) => Ok(certificate),
        Err(_) => Err("is malformed".to_owned()),
    }
}

/// What a file is that has no PEM certificate, and how it becomes one.
fn what(bytes: &[u8]) -> &'static str {
    /// `signedData` of PKCS#7, as DER.
    const SIGNED_DATA: &[u8] = &[6, 9, 42, 134, 72, 134, 247, 13, 1, 7, 2];
    let head = bytes.get(..64).unwrap_or(bytes);
    let has = |needle: &[u8]| bytes.windows(needle.len()).any(|part| part == needle);
    if has(b"-----BEGIN PKCS7-----") {
        "is PKCS#7, and not the PEM of certificates (openssl pkcs7 -print_certs -in FILE converts it)"
    } else if head.windows(SIGNED_DATA.len()).any(|part| part == SIGNED_DATA) {
        "is PKCS#7 in DER, and not the PEM of certificates (openssl pkcs7 -inform der -print_certs -in FILE converts it)"
    } else if has(b"-----BEGIN TRUSTED CERTIFICATE-----") {
        "is a TRUSTED CERTIFICATE of OpenSSL's own (openssl x509 -in FILE converts it)"
    } else if head.first() == Some(&0x30) && head.get(1).is_some_and(|length| *length >= 0x80) {
        "is DER, and not PEM (openssl x509 -inform der -in FILE converts it)"
    } else {
        "holds no PEM certificates"
    }
}

fn shown(path: &Path) -> String {
    printable(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str) -> (String, Vec<u8>) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        (made.cert.pem(), made.cert.der().to_vec())
    }

    fn read(bytes: impl AsRef<[u8]>) -> (Result<usize>, Vec<String>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut warnings = Vec::new();
        (certificates(file.path(), &mut warnings).map(|found| found.len()), warnings)
    }

    #[test]
    fn q114_one_bad_certificate_costs_a_warning_with_its_place() {
        let (a, b) = (made("a.test").0, made("b.test").0);
        let malformed = format!("{BEGIN}\nAAAA\n{END}\n");
        let no_base64 = format!("{BEGIN}\n!!!!\n{END}\n");
        let cut = a.replace(END, "");
        for (bad, why) in
            [(&malformed, "is malformed"), (&no_base64, "is not base64"), (&cut, "is not base64")]
        {
            let (found, warnings) = read(format!("# a comment\n{a}{bad}{b}"));
            assert_eq!(found.unwrap(), 2, "{why}");
            let line = 2 + a.lines().count();
            let place = format!("certificate 2 (line {line}) {why}");
            assert!(warnings.len() == 1 && warnings[0].contains(&place), "{warnings:?} {place}");
            // Alone it is an error.
            let (found, warnings) = read(bad);
            let error = found.unwrap_err();
            assert!(error.message().contains("certificate 1 (line 1)") && warnings.is_empty(), "{error}");
        }
        for whole in [
            format!("{a}{b}"),
            format!("\u{feff}{a}{b}"),
            format!("{a}{b}").replace('\n', "\r\n"),
            format!("é{a}x{b}"),
        ] {
            let (found, warnings) = read(whole);
            assert_eq!((found.unwrap(), warnings.len()), (2, 0));
        }
    }

    #[test]
    fn q114_what_is_no_pem_is_told_by_its_name() {
        let (pem, der) = made("a.test");
        let pkcs7 =
            [&[0x30, 0x82, 1, 0][..], &[6, 9, 42, 134, 72, 134, 247, 13, 1, 7, 2], &[0; 200]].concat();
        for (bytes, words) in [
            (der, "is DER"),
            (pkcs7, "is PKCS#7 in DER"),
            (pem.replace("CERTIFICATE", "PKCS7").into_bytes(), "is PKCS#7,"),
            (pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE").into_bytes(), "is a TRUSTED CERTIFICATE"),
            (b"nothing".to_vec(), "holds no PEM certificates"),
            (Vec::new(), "holds no PEM certificates"),
        ] {
            let error = read(bytes).0.unwrap_err();
            assert_eq!(error.kind(), Kind::Tls);
            assert!(error.message().contains(words), "{error}");
        }
    }
}
