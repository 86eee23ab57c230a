//! Credentials, and the one chain of places that are asked for them. To add a source, add it in
//! [`Chain::new`].

mod auth_file;
mod helper;
mod key;
mod secret_file;

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::config::{Secret, Settings};
use crate::error::{Error, Kind, Result, printable};
use crate::operation::Operation;
use auth_file::Hit;
pub(super) use auth_file::{AuthFile, server};
pub(super) use helper::Helpers;
pub(super) use secret_file::read as read_secret_file;

/// What proves to a registry who is asking. `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential(pub(super) Form);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// User name and password, for basic authentication and for token servers.
    Basic { username: String, password: Secret },
    /// An OAuth2 refresh token, for token servers; some want the user name too (Q15).
    Identity { username: String, token: Secret },
    /// A bearer token, sent as it is.
    Token(Secret),
}

/// The user name by which helpers say that the secret is an identity token.
pub(super) const TOKEN_USER: &str = "<token>";

impl Credential {
    /// A user name and a password or access token.
    pub fn basic(username: impl Into<String>, password: Secret) -> Result<Self> {
        let username = username.into();
        if username == TOKEN_USER {
            return Self::identity_token("", password);
        }
        check_text("user name", &username)?;
        if username.contains(':') {
            return Err(bad("the user name has a ':', which basic authentication can't carry"));
        }
        check_text("password", password.expose())?;
        Ok(Self(Form::Basic { username, password }))
    }

    /// An OAuth2 refresh token; the user name is for servers that know only basic authentication.
    pub fn identity_token(username: impl Into<String>, token: Secret) -> Result<Self> {
        let username = username.into();
        check_text("user name", &username)?;
        check_token("identity token", token.expose())?;
        Ok(Self(Form::Identity { username, token }))
    }

    /// A bearer token that is sent as it is.
    pub fn registry_token(token: Secret) -> Result<Self> {
        check_token("registry token", token.expose())?;
        Ok(Self(Form::Token(token)))
    }

    /// Tells credentials apart without keeping them (case A-28).
    pub(super) fn identity(&self) -> Identity {
        let mut hash = Sha256::new();
        let parts = match &self.0 {
            Form::Basic { username, password } => ["basic", username, password.expose()],
            Form::Identity { username, token } => ["identity", username, token.expose()],
            Form::Token(token) => ["token", "", token.expose()],
        };
        for part in parts {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        Identity(Some(hash.finalize().into()))
    }
}

/// Who asks: nobody, or the holder of one credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Identity(Option<[u8; 32]>);

impl Identity {
    pub(super) const ANONYMOUS: Self = Self(None);
}

/// User names and passwords travel in base64, so that any UTF-8 can; no control character is in one
/// (case A-19).
fn check_text(what: &str, text: &str) -> Result<()> {
    match text.chars().any(char::is_control) {
        true => Err(bad(format!("the {what} has a control character"))),
        false => Ok(()),
    }
}

/// Tokens travel in a header as they are (case A-19).
fn check_token(what: &str, token: &str) -> Result<()> {
    match token.bytes().all(|b| b.is_ascii_graphic()) && !token.is_empty() {
        true => Ok(()),
        false => Err(bad(format!("the {what} is empty or has a character that no header can carry"))),
    }
}

fn bad(why: impl Into<String>) -> Error {
    Error::new(Kind::Argument, why)
}

/// Asks the embedding program for credentials.
///
/// It is called on a thread of the library, once a registry has demanded credentials; what it gives is kept
/// until the registry refuses it. It may block, and it may be called from several threads at once.
pub trait CredentialProvider: Send + Sync {
    /// The credential for a repository; `None` = none, the next source is asked.
    fn credential(&self, registry: &str, repository: &str) -> Result<Option<Credential>>;
}

/// A credential and where it came from.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) credential: Credential,
    /// For people: "docker config /home/u/.docker/config.json (credHelpers: pass)".
    pub(super) source: String,
    /// The caller gave it for this client, and did not just have it lying about: when it is refused,
    /// nothing else is tried.
    pub(super) explicit: bool,
}

/// What a source is asked.
pub(super) struct Asked<'a> {
    /// The registry's name as references have it.
    pub(super) registry: &'a str,
    pub(super) repository: &'a str,
    pub(super) helpers: &'a Helpers,
    pub(super) operation: &'a Operation,
}

/// What a source has.
#[derive(Debug)]
pub(super) enum Entry {
    /// A credential.
    Found(Found),
    /// The name of a helper that did not work: for a verb that reads, no reason to give up.
    HelperFailed(Error),
}

/// A place that may have a credential. An error of it ends the search; so does an entry.
trait Source: Send + Sync {
    fn find(&self, asked: &Asked<'_>) -> Result<Option<Entry>>;
}

/// The sources in the order in which they are asked.
pub(super) struct Chain {
    sources: Vec<Box<dyn Source>>,
    helpers: Helpers,
}

impl Chain {
    /// The one place where a source is added.
    pub(super) fn new(settings: &Settings, provider: Option<Arc<dyn CredentialProvider>>) -> Self {
        let mode = settings.text("credentials");
        let mut sources: Vec<Box<dyn Source>> = Vec::new();
        if mode != "anonymous" {
            sources.push(Box::new(Explicit(settings.clone())));
            sources.extend(provider.map(|p| Box::new(Callback(p)) as Box<dyn Source>));
        }
        if mode == "default" {
            let places = Places::of(settings);
            sources.extend(places.inline.map(|text| Box::new(Inline(text)) as Box<dyn Source>));
            sources.extend(
                places.docker.map(|p| Box::new(Stored { path: p, kind: "docker config" }) as Box<dyn Source>),
            );
            sources.extend(
                places
                    .podman
                    .into_iter()
                    .map(|p| Box::new(Stored { path: p, kind: "podman auth file" }) as Box<dyn Source>),
            );
        }
        Self { sources, helpers: Helpers::new(settings) }
    }

    /// Checks the credentials in the client's options before anything is sent (case A-19).
    pub(super) fn check(settings: &Settings) -> Result<()> {
        settings.hosts().try_for_each(|host| explicit(settings, host).map(drop))
    }

    /// A chain of one credential.
    pub(super) fn only(settings: &Settings, found: Found) -> Self {
        Self { sources: vec![Box::new(Fixed(found))], helpers: Helpers::new(settings) }
    }

    /// The first credential for the repository. It reads files and runs helpers, so it blocks.
    pub(super) fn find(
        &self,
        registry: &str,
        repository: &str,
        operation: &Operation,
    ) -> Result<Option<Entry>> {
        let asked = Asked { registry, repository, helpers: &self.helpers, operation };
        for source in &self.sources {
            if let Some(found) = source.find(&asked)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// Where credential files are, by the environment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// The text of `DOCKER_AUTH_CONFIG`.
    pub(super) inline: Option<Secret>,
    /// docker's `config.json`.
    pub(super) docker: Option<PathBuf>,
    /// podman's `auth.json`, the first choice first.
    pub(super) podman: Vec<PathBuf>,
}

impl Places {
    pub(super) fn of(settings: &Settings) -> Self {
        let environment = &settings.environment;
        let path = |name: &str| environment.get(name).map(PathBuf::from);
        let home = path("HOME");
        let podman = match path("REGISTRY_AUTH_FILE") {
            // As podman has it: where it is named, the usual places are not looked at.
            Some(named) => vec![named],
            None => {
                let config = path("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|h| h.join(".config")));
                [path("XDG_RUNTIME_DIR"), config]
                    .into_iter()
                    .flatten()
                    .map(|p| p.join("containers/auth.json"))
                    .collect()
            }
        };
        Self {
            inline: environment.text("DOCKER_AUTH_CONFIG").map(Secret::new),
            docker: path("DOCKER_CONFIG")
                .or_else(|| home.map(|h| h.join(".docker")))
                .map(|p| p.join("config.json")),
            podman,
        }
    }
}

/// The settings of the host.
struct Explicit(Settings);

impl Source for Explicit {
    fn find(&self, asked: &Asked<'_>) -> Result<Option<Entry>> {
        Ok(explicit(&self.0, asked.registry)?.map(Entry::Found))
    }
}

/// What the client's options say about a registry.
fn explicit(settings: &Settings, registry: &str) -> Result<Option<Found>> {
    let host = settings.host(registry);
    let username = host.username.unwrap_or_default();
    let credential = match (host.registry_token, host.identity_token, host.password) {
        (Some(token), _, _) => Credential::registry_token(token),
        (None, Some(token), _) => Credential::identity_token(username, token),
        (None, None, Some(password)) => Credential::basic(username, password),
        (None, None, None) if username.is_empty() => return Ok(None),
        (None, None, None) => Err(bad("the user name is set and the password is not")),
    };
    let credential = credential.map_err(|e| e.context(format!("the options of {}", printable(registry))))?;
    Ok(Some(Found { credential, source: "the client's options".to_owned(), explicit: true }))
}

struct Callback(Arc<dyn CredentialProvider>);

impl Source for Callback {
    fn find(&self, asked: &Asked<'_>) -> Result<Option<Entry>> {
        let found = self
            .0
            .credential(asked.registry, asked.repository)
            .map_err(|e| Error::new(Kind::Credentials, format!("the credential callback: {e}")))?;
        Ok(found.map(|credential| {
            let source = "the credential callback".to_owned();
            Entry::Found(Found { credential, source, explicit: true })
        }))
    }
}

/// One that is known already.
struct Fixed(Found);

impl Source for Fixed {
    fn find(&self, _: &Asked<'_>) -> Result<Option<Entry>> {
        Ok(Some(Entry::Found(self.0.clone())))
    }
}

/// A configuration inside an environment variable.
struct Inline(Secret);

impl Source for Inline {
    fn find(&self, asked: &Asked<'_>) -> Result<Option<Entry>> {
        in_file("DOCKER_AUTH_CONFIG", self.0.expose().as_bytes(), asked)
    }
}

/// A file of docker or podman.
struct Stored {
    path: PathBuf,
    kind: &'static str,
}

impl Source for Stored {
    fn find(&self, asked: &Asked<'_>) -> Result<Option<Entry>> {
        let Some(text) = secret_file::read(&self.path)? else { return Ok(None) };
        let name = format!("{} {}", self.kind, printable(self.path.as_os_str().as_encoded_bytes()));
        in_file(&name, &text, asked)
    }
}

fn in_file(name: &str, text: &[u8], asked: &Asked<'_>) -> Result<Option<Entry>> {
    match AuthFile::parse(text).and_then(|file| file.find(asked)) {
        Ok(None) => Ok(None),
        Ok(Some(Hit { part, credential: Ok(credential) })) => {
            Ok(Some(Entry::Found(Found { credential, source: format!("{name} ({part})"), explicit: false })))
        }
        Ok(Some(Hit { part, credential: Err(error) })) => {
            Ok(Some(Entry::HelperFailed(error.context(format!("{name} ({part})")))))
        }
        Err(error) => Err(error.context(name)),
    }
}

#[cfg(test)]
mod beside_docker;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Options};

    fn settings(options: &Options, variables: &[(&str, &str)]) -> Settings {
        Settings::for_client(options, Environment::of(variables.iter().copied())).unwrap()
    }

    fn found(entry: Entry) -> Found {
        match entry {
            Entry::Found(found) => found,
            Entry::HelperFailed(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_19_credentials_that_no_header_can_carry_are_refused() {
        let secret = |s: &str| Secret::new(s);
        for bad in ["a\r\nb", "a\nb", "a\0b", "a:b", "a\tb"] {
            assert_eq!(Credential::basic(bad, secret("x")).unwrap_err().kind(), Kind::Argument, "{bad:?}");
        }
        for bad in ["canary\r", "canary\n", "canary\0"] {
            let error = Credential::basic("u", secret(bad)).unwrap_err();
            assert!(error.kind() == Kind::Argument && !error.message().contains("canary"));
        }
        for bad in ["", "canary b", "canary\r\nX: y", "canar\u{ff}", "canary\u{20ac}"] {
            let error = Credential::registry_token(secret(bad)).unwrap_err();
            assert!(!error.message().contains("canar"), "{error}");
            assert!(Credential::identity_token("", secret(bad)).is_err());
        }
        assert!(Credential::basic("ü", secret("p:€")).is_ok());
        assert!(Credential::registry_token(secret("a.b-c_d~+/=")).is_ok());
    }

    #[test]
    fn a_21_the_token_user_means_an_identity_token() {
        let credential = Credential::basic("<token>", Secret::new("t")).unwrap();
        assert_eq!(credential, Credential::identity_token("", Secret::new("t")).unwrap());
    }

    #[test]
    fn identities_are_told_apart_and_debug_shows_no_secret() {
        let a = Credential::basic("u", Secret::new("canary")).unwrap();
        let b = Credential::basic("uc", Secret::new("anary")).unwrap();
        assert_ne!(a.identity(), b.identity());
        assert_eq!(a.identity(), a.clone().identity());
        assert!(!format!("{a:?} {:?}", a.identity()).contains("canary"));
    }

    #[test]
    fn the_environment_says_where_the_files_are() {
        let options = Options::new();
        let places = Places::of(&settings(&options, &[("HOME", "/h"), ("XDG_RUNTIME_DIR", "/run/u")]));
        assert_eq!(places.docker, Some("/h/.docker/config.json".into()));
        let want: [PathBuf; 2] =
            ["/run/u/containers/auth.json".into(), "/h/.config/containers/auth.json".into()];
        assert_eq!(places.podman, want);
        let places = Places::of(&settings(
            &options,
            &[("HOME", "/h"), ("DOCKER_CONFIG", "/d"), ("REGISTRY_AUTH_FILE", "/r.json")],
        ));
        assert_eq!(places.docker, Some("/d/config.json".into()));
        assert_eq!(places.podman, [PathBuf::from("/r.json")]);
        assert_eq!(Places::of(&settings(&options, &[])), Places::default());
    }

    #[test]
    fn explicit_options_win_and_half_a_credential_is_an_error() {
        let inline = ("DOCKER_AUTH_CONFIG", r#"{"auths":{"reg.test":{"username":"file","password":"x"}}}"#);
        let mut options = Options::new();
        let find = |options: &Options| {
            let chain = Chain::new(&settings(options, &[inline]), None);
            chain.find("reg.test", "a", &Operation::new()).map(|entry| entry.map(found))
        };
        assert_eq!(find(&options).unwrap().unwrap().source, "DOCKER_AUTH_CONFIG (auths: reg.test)");
        options.set_host("reg.test", "username", "u").unwrap();
        assert_eq!(find(&options).unwrap_err().kind(), Kind::Argument);
        assert_eq!(Chain::check(&settings(&options, &[])).unwrap_err().kind(), Kind::Argument);
        options.set_host("reg.test", "password", "p").unwrap();
        let found = find(&options).unwrap().unwrap();
        assert_eq!(found.credential, Credential::basic("u", Secret::new("p")).unwrap());
        assert_eq!(found.source, "the client's options");
        options.set("credentials", "anonymous").unwrap();
        assert!(find(&options).unwrap().is_none());
    }

    #[test]
    fn a_callback_comes_second_and_may_say_none() {
        struct Names;
        impl CredentialProvider for Names {
            fn credential(&self, registry: &str, repository: &str) -> Result<Option<Credential>> {
                match (registry, repository) {
                    ("reg.test", "mine") => Credential::basic("cb", Secret::new("x")).map(Some),
                    ("reg.test", "broken") => Err(Error::new(Kind::Io, "vault is sealed")),
                    _ => Ok(None),
                }
            }
        }
        let settings = settings(
            &Options::new(),
            &[("DOCKER_AUTH_CONFIG", r#"{"auths":{"reg.test":{"username":"file","password":"x"}}}"#)],
        );
        let chain = Chain::new(&settings, Some(Arc::new(Names)));
        let source = |repository| {
            chain.find("reg.test", repository, &Operation::new()).map(|f| found(f.unwrap()).source)
        };
        assert_eq!(source("mine").unwrap(), "the credential callback");
        assert_eq!(source("other").unwrap(), "DOCKER_AUTH_CONFIG (auths: reg.test)");
        let error = source("broken").unwrap_err();
        assert!(error.kind() == Kind::Credentials && error.message().contains("vault is sealed"), "{error}");
    }
}
