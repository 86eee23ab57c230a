//! Keeps a credential the way docker does, and forgets it: in the helper that the configuration names, else
//! in the configuration's `auths`. Blocks.

use std::fs::{DirBuilder, File, Metadata, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use zeroize::Zeroizing;

use super::auth_file::{AuthFile, server};
use super::helper::Helpers;
use super::places::Places;
use super::secret_file;
use crate::call::Call;
use crate::credential::TOKEN_USER;
use crate::error::{Error, Kind, Result};
use crate::fs::{Access, Directory, Mode, Temporary, shown, try_lock, wait_for};
use crate::oci::json_edit;
use crate::operation::Operation;
use crate::options::Secret;

/// How long another program's lock is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// The file that log-ins go to.
pub(crate) struct CredentialWriter {
    path: PathBuf,
    /// It is podman's: Docker Hub has another key there.
    podman: bool,
    helpers: Helpers,
    operation: Operation,
}

/// What is kept.
pub(crate) enum Kept<'a> {
    Password(&'a Secret),
    /// A refresh token that the registry gave for the password, which then needs not be kept.
    Identity(&'a Secret),
}

impl CredentialWriter {
    /// docker's configuration; the file that REGISTRY_AUTH_FILE names where DOCKER_CONFIG names none.
    pub(crate) fn new(call: &Call) -> Result<Self> {
        let Call { settings, operation } = call;
        let environment = settings.environment();
        let places = Places::of(settings);
        let podman =
            environment.get("DOCKER_CONFIG").is_none() && environment.get("REGISTRY_AUTH_FILE").is_some();
        let path = if podman { places.podman.into_iter().next() } else { places.docker };
        let path = path.ok_or_else(|| {
            Error::new(Kind::Credentials, "no place for a credential: neither HOME nor DOCKER_CONFIG is set")
        })?;
        Ok(Self {
            path,
            podman,
            helpers: Helpers::new(settings).during(operation),
            operation: operation.clone(),
        })
    }

    /// Keeps a credential, and says where.
    pub(crate) fn keep(&self, registry: &str, username: &str, kept: &Kept<'_>) -> Result<String> {
        let file = Locked::open(&self.path, &self.operation)?;
        let key = if self.podman { registry } else { server(registry) };
        if let Some((name, part)) = file.parsed.helper(registry) {
            let (username, secret) = match kept {
                Kept::Password(secret) => (username, secret),
                Kept::Identity(secret) => (TOKEN_USER, secret),
            };
            self.helpers.store(name, server(registry), username, secret)?;
            let source = format!("{} ({part}: {name})", file.name());
            // A marker, as docker leaves one, in place of what may have been there in clear.
            file.change(|text, auths| json_edit::set(text, auths, key, &[]))?;
            return Ok(source);
        }
        let (password, identity) = match kept {
            Kept::Password(secret) => (secret.expose(), None),
            Kept::Identity(secret) => ("", Some(secret)),
        };
        let both = Zeroizing::new(format!("{username}:{password}"));
        let encoded = base64::engine::general_purpose::STANDARD.encode(both.as_bytes());
        let mut fields = vec![("auth", format!("\"{encoded}\""))];
        if let Some(token) = identity {
            fields.push(("identitytoken", serde_json::Value::from(token.expose()).to_string()));
        }
        let source = format!("{} (auths: {key})", file.name());
        let changed = file.change(|text, auths| json_edit::set(text, auths, key, &fields));
        for (_, field) in &mut fields {
            zeroize::Zeroize::zeroize(field);
        }
        changed.map(|()| source)
    }

    /// Forgets a registry; whether there was something to forget in the file.
    pub(crate) fn forget(&self, registry: &str) -> Result<bool> {
        if secret_file::read(&self.path)?.is_none() {
            return Ok(false);
        }
        let file = Locked::open(&self.path, &self.operation)?;
        let helper = file.parsed.helper(registry).map(|(name, _)| name.to_owned());
        if let Some(name) = &helper {
            self.helpers.erase(name, server(registry))?;
        }
        let keys: Vec<String> = file.parsed.entries_of(registry).into_iter().map(str::to_owned).collect();
        if keys.is_empty() {
            return Ok(helper.is_some());
        }
        file.change(|text, auths| {
            keys.iter().try_fold(text.to_owned(), |text, key| json_edit::remove(&text, auths, key))
        })?;
        Ok(true)
    }
}

/// The file, while nobody else of us changes it: its directory is locked, which leaves nothing behind.
struct Locked {
    path: PathBuf,
    text: Zeroizing<String>,
    parsed: AuthFile,
    _lock: File,
}

impl Locked {
    fn open(path: &Path, operation: &Operation) -> Result<Self> {
        let path = resolved(path)?;
        let directory = parent(&path)?;
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed(directory))?;
        let lock = File::open(directory).map_err(failed(directory))?;
        let deadline = Instant::now() + LOCK_WAIT;
        wait_for(operation, || match try_lock(&lock, Mode::Exclusive).map_err(failed(directory))? {
            true => Ok(Some(())),
            false if Instant::now() < deadline => Ok(None),
            false => Err(Error::new(Kind::Busy, format!("{}: another program holds its lock", shown(&path)))),
        })?;
        let bytes = secret_file::read(&path)?.unwrap_or_default();
        let named = |error: Error| error.context(shown(&path));
        let parsed = AuthFile::parse(&bytes).map_err(named)?;
        // Before a helper is told of what the file would not say.
        parsed.writable().map_err(named)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| Error::new(Kind::Credentials, format!("{} is not UTF-8", shown(&path))))?;
        let text = Zeroizing::new(text.to_owned());
        Ok(Self { path, text, parsed, _lock: lock })
    }

    fn name(&self) -> String {
        shown(&self.path)
    }

    /// Replaces the file at once and whole: a reader sees the old text or the new one.
    fn change(self, edit: impl FnOnce(&str, &str) -> Option<String>) -> Result<()> {
        let made = edit(&self.text, self.parsed.writable()?).map(Zeroizing::new).ok_or_else(|| {
            Error::new(Kind::Credentials, format!("{} has no 'auths' to add to", self.name()))
        })?;
        if *made == *self.text && self.path.exists() {
            return Ok(());
        }
        let directory = Arc::new(Directory::open(parent(&self.path)?, Access::Private)?);
        let name = self.path.file_name().unwrap_or_default();
        // The lock says that nobody writes it now.
        let temporary = Temporary::create_as(
            directory.clone(),
            format!(".{}.cldoci-{}", name.to_string_lossy(), std::process::id()),
        )?;
        let mut file = temporary.file();
        file.write_all(made.as_bytes()).map_err(failed(&self.path))?;
        if let Ok(old) = std::fs::metadata(&self.path) {
            succeed(file, &old).map_err(failed(&self.path))?;
        }
        temporary.sync()?;
        temporary.rename(&directory, name)?;
        directory.sync()
    }
}

/// Hands a new file to those who had the old one: its owner, where root logs in for somebody, and a group that
/// it was shared with on purpose, which it was not where all could read it.
fn succeed(file: &File, old: &Metadata) -> std::io::Result<()> {
    let own = file.metadata()?;
    let same = (own.uid(), own.gid()) == (old.uid(), old.gid());
    if !same && fchown(file, Some(old.uid()), Some(old.gid())).is_err() {
        return Ok(());
    }
    let shared = if old.mode() & 0o007 == 0 { old.mode() & 0o060 } else { 0 };
    file.set_permissions(Permissions::from_mode(0o600 | shared))
}

/// The file that a path means: a configuration is often a link into a repository of such files, and the
/// link is to stay.
fn resolved(path: &Path) -> Result<PathBuf> {
    match std::fs::canonicalize(path) {
        Ok(real) => Ok(real),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match std::fs::read_link(path) {
            Ok(target) => Ok(parent(path)?.join(target)),
            Err(_) => Ok(path.to_owned()),
        },
        Err(error) => Err(failed(path)(error)),
    }
}

fn parent(path: &Path) -> Result<&Path> {
    path.parent().filter(|p| !p.as_os_str().is_empty()).ok_or_else(|| {
        Error::new(Kind::Credentials, format!("{} is not an absolute path of a file", shown(path)))
    })
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |error| Error::io(shown(path), error)
}
