//! Directories as docker's and podman's `certs.d` (option certs_dirs): for a host, which is the directory's name, the
//! authorities that it is trusted by, and who this side is to it. To another host nothing of it goes.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::bundle;
use crate::error::{Error, Kind, Result, printable};
use crate::operation::{Level, Operation};
use crate::options::Settings;
use crate::registry::origin::Origin;

/// The word for the usual places.
const DEFAULT: &str = "default";
/// Below the home directory, and of the system. The order is podman's; docker's follow (Q117).
const USUAL: [(bool, &str); 4] = [
    (true, ".config/containers/certs.d"),
    (false, "/etc/containers/certs.d"),
    (true, ".config/docker/certs.d"),
    (false, "/etc/docker/certs.d"),
];
/// The most entries that are looked at in a host's directory, and the largest file of them.
const ENTRIES: usize = 256;
const SIZE_LIMIT: u64 = 1 << 20;

/// What a host's directory has.
#[derive(Default)]
pub(super) struct HostFiles {
    pub(super) authorities: Vec<CertificateDer<'static>>,
    pub(super) identities: Vec<Identity>,
}

/// A client certificate, with its key and where it is from.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) file: String,
}

/// The directory of a host: in the first that has one.
pub(super) fn directory_of(
    origin: &Origin,
    settings: &Settings,
    operation: &Operation,
) -> Result<Option<PathBuf>> {
    for (root, named) in roots(settings) {
        // One that was named and is not there was misspelt.
        if named {
            std::fs::metadata(&root).map_err(|error| of_option(Error::io(shown(&root), error)))?;
        }
        for name in origin.names().into_iter().filter(|name| is_one_step(name)) {
            let directory = root.join(name);
            match std::fs::metadata(&directory) {
                Ok(_) => return Ok(Some(directory)),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                // What nobody named need not be readable.
                Err(error) if !named && error.kind() == ErrorKind::PermissionDenied => {
                    operation.log(Level::Info, || format!("{} can't be read and is skipped", shown(&root)));
                }
                Err(error) => return Err(of_option(Error::io(shown(&directory), error))),
            }
        }
    }
    Ok(None)
}

/// The option's directories, and whether each was named.
fn roots(settings: &Settings) -> Vec<(PathBuf, bool)> {
    let home = settings.environment().get("HOME").map(PathBuf::from);
    let usual = USUAL.iter().filter_map(|(below, path)| match below {
        true => home.as_ref().map(|home| home.join(path)),
        false => Some(PathBuf::from(path)),
    });
    let usual: Vec<_> = usual.map(|path| (path, false)).collect();
    let entries = settings.certs_dirs.iter().map(|entry| entry.trim()).filter(|entry| !entry.is_empty());
    entries
        .flat_map(|entry| if entry == DEFAULT { usual.clone() } else { vec![(PathBuf::from(entry), true)] })
        .collect()
}

/// A server may have chosen the host's name: it is the name of a directory, and no way to another.
fn is_one_step(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

/// Reads a host's directory; what is wrong with one authority among others goes to `warnings`.
pub(super) fn read(directory: &Path, warnings: &mut Vec<String>) -> Result<HostFiles> {
    let fail = |error| of_option(Error::io(shown(directory), error));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(fail)? {
        if names.len() == ENTRIES {
            let why = format!("{} has more than {ENTRIES} entries", shown(directory));
            return Err(of_option(Error::new(Kind::Limit, why)));
        }
        names.push(entry.map_err(fail)?.file_name());
    }
    names.sort();
    let has = |name: &Path| names.iter().any(|other| Path::new(other) == name);
    let mut found = HostFiles::default();
    for name in names.iter().map(Path::new) {
        let path = directory.join(name);
        match name.extension().and_then(OsStr::to_str) {
            Some("crt") => {
                let bytes = content(&path)?;
                found.authorities.extend(bundle::parse(&path, &bytes, warnings).map_err(of_option)?);
            }
            Some("cert") if has(&name.with_extension("key")) => found.identities.push(identity(&path)?),
            Some("cert") => {
                let cure = "an authority has the ending .crt";
                return Err(half(
                    &path,
                    &format!("the client certificate has no key {}", key_of(&path)),
                    cure,
                ));
            }
            Some("key") if !has(&name.with_extension("cert")) => {
                let cert = shown(&path.with_extension("cert"));
                return Err(half(&path, &format!("the key has no client certificate {cert}"), "add it"));
            }
            _ => {}
        }
    }
    Ok(found)
}

fn key_of(cert: &Path) -> String {
    shown(&cert.with_extension("key"))
}

fn half(path: &Path, what: &str, cure: &str) -> Error {
    of_option(Error::new(Kind::Tls, format!("{}: {what}; {cure}", shown(path))))
}

fn identity(path: &Path) -> Result<Identity> {
    let bad = |path: &Path, what: &str| {
        of_option(Error::new(Kind::Tls, format!("{} holds no {what} in PEM", shown(path))))
    };
    let chain: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content(path)?).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| bad(path, "certificate"))?;
    let key = path.with_extension("key");
    let key = PrivateKeyDer::from_pem_slice(&content(&key)?)
        .map_err(|_| bad(&key, "private key without a passphrase"))?;
    Ok(Identity { chain, key, file: shown(path) })
}

/// A file's bytes, wiped after use.
fn content(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let fail = |error| of_option(Error::io(shown(path), error));
    // Without O_NONBLOCK a FIFO would wait for a writer.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if !metadata.is_file() {
        return Err(of_option(Error::new(Kind::Tls, format!("{} is not a file", shown(path)))));
    }
    // Room for all from the start: growing would leave copies that are not wiped.
    let room = usize::try_from(metadata.len().min(SIZE_LIMIT)).unwrap_or_default() + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(SIZE_LIMIT + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > SIZE_LIMIT {
        return Err(of_option(Error::new(Kind::Limit, format!("{} is larger than 1 MiB", shown(path)))));
    }
    Ok(bytes)
}

fn of_option(error: Error) -> Error {
    error.context("option certs_dirs")
}

fn shown(path: &Path) -> String {
    printable(path.as_os_str().as_encoded_bytes())
}

/// The client certificates for one host, of which it is shown the first that it says it takes.
#[derive(Debug)]
pub(super) struct Identities(Vec<Arc<CertifiedKey>>);

impl Identities {
    pub(super) fn of(identities: Vec<Identity>, provider: &CryptoProvider) -> Result<Self> {
        let keys = identities.into_iter().map(|Identity { chain, key, file }| {
            let made = CertifiedKey::from_der(chain, key, provider);
            made.map(Arc::new).map_err(|error| {
                let why = printable(error.to_string());
                Error::new(
                    Kind::Tls,
                    format!("the client certificate {file} and its key can't be used: {why}"),
                )
            })
        });
        keys.collect::<Result<_>>().map(Self)
    }
}

impl ResolvesClientCert for Identities {
    fn resolve(&self, authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let usable = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        let named = |key: &&Arc<CertifiedKey>| {
            let has = |name: &[u8]| {
                !name.is_empty()
                    && key.cert.iter().any(|one| one.windows(name.len()).any(|part| part == name))
            };
            authorities.iter().any(|name| has(name))
        };
        let usable: Vec<_> = self.0.iter().filter(usable).collect();
        // A server's list need not be whole: with one alone there is nothing to choose.
        let chosen = usable.iter().copied().find(|key| named(key)).or_else(|| usable.first().copied());
        chosen.cloned()
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::options::{Environment, Options};

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    /// A directory with these files.
    fn with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| fs::write(directory.path().join(name), text).unwrap());
        directory
    }

    fn told(directory: &Path) -> String {
        let Err(error) = read(directory, &mut Vec::new()) else { panic!("{directory:?} was read") };
        assert!(error.message().starts_with("option certs_dirs: "), "{error}");
        error.message().to_owned()
    }

    #[test]
    fn q117_a_host_s_directory_has_authorities_and_pairs_by_their_endings() {
        let (cert, key) = pair();
        let directory = with(&[
            ("ca.crt", &cert),
            ("b.crt", &format!("{cert}{cert}")),
            ("client.cert", &cert),
            ("client.key", &key),
            ("README", "not for us"),
        ]);
        // As administrators and Kubernetes lay them out.
        std::os::unix::fs::symlink("client.cert", directory.path().join("other.cert")).unwrap();
        std::os::unix::fs::symlink("client.key", directory.path().join("other.key")).unwrap();
        let found = read(directory.path(), &mut Vec::new()).unwrap();
        assert_eq!((found.authorities.len(), found.identities.len()), (3, 2));
        let empty = read(with(&[]).path(), &mut Vec::new()).unwrap();
        assert_eq!((empty.authorities.len(), empty.identities.len()), (0, 0));
    }

    #[test]
    fn q117_what_is_wrong_in_it_is_told_with_its_path() {
        let (cert, key) = pair();
        for (files, words) in [
            (&[("c.cert", &*cert)][..], ["c.cert: the client certificate has no key", "c.key"]),
            (&[("c.key", &key)], ["c.key: the key has no client certificate", "c.cert"]),
            (&[("c.cert", "x"), ("c.key", &key)], ["c.cert", "holds no certificate in PEM"]),
            (&[("c.cert", &cert), ("c.key", "x")], ["c.key", "holds no private key"]),
            (&[("c.cert", &cert), ("c.key", "")], ["c.key", "holds no private key"]),
            (&[("ca.crt", "x")], ["ca.crt", "holds no PEM certificates"]),
        ] {
            let directory = with(files);
            let message = told(directory.path());
            assert!(words.iter().all(|word| message.contains(word)), "{message}");
            assert!(!message.contains("PRIVATE"), "{message}");
        }
    }

    #[test]
    fn q117_what_is_no_small_file_is_refused_and_never_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        for (number, words) in
            ["is not a file", "is not a file", "is larger than 1 MiB", "o such file"].iter().enumerate()
        {
            let host = directory.path().join(format!("{number}"));
            fs::create_dir(&host).unwrap();
            let file = host.join("ca.crt");
            match number {
                0 => rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::RUSR).unwrap(),
                1 => fs::create_dir(&file).unwrap(),
                2 => fs::File::create(&file).unwrap().set_len(1 << 40).unwrap(),
                _ => std::os::unix::fs::symlink("gone", &file).unwrap(),
            }
            let message = told(&host);
            assert!(message.contains(words) && message.contains("ca.crt"), "{message}");
        }
        let many = directory.path().join("many");
        fs::create_dir(&many).unwrap();
        (0..ENTRIES).for_each(|n| fs::write(many.join(format!("{n}")), "").unwrap());
        read(&many, &mut Vec::new()).unwrap();
        fs::write(many.join("one more"), "").unwrap();
        assert!(told(&many).contains("more than 256 entries"));
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(told(&file).contains("ot a directory"), "{}", told(&file));
    }

    fn place(origin: &str, dirs: &str, home: Option<&Path>) -> Result<Option<PathBuf>> {
        let mut options = Options::new();
        options.set("certs_dirs", dirs).unwrap();
        let environment = Environment::of(home.map(|home| ("HOME", home.as_os_str())));
        let settings = Settings::for_client(&options, environment).unwrap();
        let origin = Origin::of(&url::Url::parse(origin).unwrap()).unwrap();
        directory_of(&origin, &settings, &Operation::new())
    }

    #[test]
    fn q117_the_first_place_with_the_host_s_name_counts_and_no_other_host_s() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        for name in
            ["a/r.test:5000", "b/r.test:5000", "b/r.test", "b/docker.io", "a/r.test:8443", "b/r.test:443x"]
        {
            fs::create_dir_all(at(name)).unwrap();
        }
        let both = format!("{},{}", at("a").display(), at("b").display());
        let found = |origin: &str| place(origin, &both, None).unwrap();
        assert_eq!(found("https://r.test:5000/v2/"), Some(at("a/r.test:5000")));
        assert_eq!(found("https://R.TEST"), Some(at("b/r.test")));
        assert_eq!(found("https://registry-1.docker.io"), Some(at("b/docker.io")));
        for other in
            ["https://r.test:5001", "https://x.r.test:5000", "https://r.test.evil:5000", "https://test:5000"]
        {
            assert_eq!(found(other), None, "{other}");
        }
        // A named place that is missing is told; the usual ones need not be there.
        let error = place("https://r.test", &at("missing").display().to_string(), None).unwrap_err();
        assert!(error.message().contains("missing"), "{error}");
        assert_eq!(place("https://r.test", "default", None).unwrap(), None);
        for below in [".config/docker/certs.d/r.test", ".config/containers/certs.d/r.test"] {
            fs::create_dir_all(at(below)).unwrap();
            assert_eq!(place("https://r.test", "default", Some(home.path())).unwrap(), Some(at(below)));
        }
        assert_eq!(place("https://r.test", "", Some(home.path())).unwrap(), None);
    }

    #[test]
    fn q117_a_host_s_name_leads_to_no_other_directory() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("certs.d/x")).unwrap();
        fs::write(root.path().join("ca.crt"), "not for it").unwrap();
        for name in ["", ".", "..", "../x", "x/..", "/", "x\0", "..\\x", ".hidden"] {
            assert!(!is_one_step(name), "{name:?}");
        }
        for name in ["x", "r.test", "r.test:5000", "[::1]:5000", "xn--a.test"] {
            assert!(is_one_step(name), "{name}");
        }
        let root = root.path().join("certs.d").display().to_string();
        for origin in ["https://..", "https://../..", "https://x%2f../", "https://%2e%2e/"] {
            // Either no URL, or one of a host without a directory.
            let Ok(url) = url::Url::parse(origin) else { continue };
            assert_eq!(place(url.as_str(), &root, None).unwrap(), None, "{origin}");
        }
    }
}
