//! The one chain of places that are asked for a credential. To add a source, add it in [`Chain::new`].

use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use super::auth_file::{AuthFile, Hit};
use super::helper::Helpers;
use super::places::Places;
use super::secret_file;
use super::source::{Asked, Source};
use crate::credential::{Action, Credential, CredentialProvider, Found, Lookup};
use crate::error::{Error, Kind, Result, printable};
use crate::fs::shown;
use crate::operation::Operation;
use crate::options::{self, Secret, Settings};

/// The sources in the order in which they are asked.
pub(super) struct Chain {
    sources: Vec<Box<dyn Source>>,
    provider: Option<Arc<dyn CredentialProvider>>,
    helpers: Helpers,
}

impl Chain {
    /// The one place where a source is added.
    pub(super) fn new(settings: &Settings, provider: Option<Arc<dyn CredentialProvider>>) -> Self {
        let mode = settings.credentials;
        let mut sources: Vec<Box<dyn Source>> = Vec::new();
        if mode != options::Credentials::Anonymous {
            sources.push(Box::new(Explicit(settings.clone())));
            sources.extend(provider.clone().map(|p| Box::new(Callback(p)) as Box<dyn Source>));
        }
        if mode == options::Credentials::Default {
            let places = Places::of(settings);
            sources.extend(places.inline.map(|text| Box::new(Inline(text)) as Box<dyn Source>));
            let (docker, podman) = places.named;
            let stored = |kind, named| move |path| Box::new(Stored { path, kind, named }) as Box<dyn Source>;
            sources.extend(places.docker.map(stored("docker config", docker)));
            sources.extend(places.podman.into_iter().map(stored("podman auth file", podman)));
        }
        Self { sources, provider, helpers: Helpers::new(settings) }
    }

    /// Checks the credentials in the client's options before anything is sent (case A-19).
    pub(super) fn check(settings: &Settings) -> Result<()> {
        settings.hosts().try_for_each(|host| explicit(settings, host).map(drop))
    }

    /// Whether another action may have another answer.
    pub(super) fn depends_on_action(&self) -> bool {
        self.provider.as_ref().is_some_and(|provider| provider.depends_on_action())
    }

    /// The first credential for the repository. It reads files and runs helpers, so it blocks.
    pub(super) fn find(
        &self,
        registry: &str,
        repository: &str,
        action: Action,
        operation: &Operation,
    ) -> Result<Lookup> {
        let helpers = &self.helpers.during(operation);
        let asked = Asked { registry, repository, action, helpers, operation };
        for source in &self.sources {
            match source.find(&asked)? {
                Lookup::None => {}
                known => return Ok(known),
            }
        }
        Ok(Lookup::None)
    }
}

/// The settings of the host.
struct Explicit(Settings);

impl Source for Explicit {
    fn find(&self, asked: &Asked<'_>) -> Result<Lookup> {
        Ok(explicit(&self.0, asked.registry)?.map_or(Lookup::None, Lookup::found))
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
        (None, None, None) => Err(Error::new(Kind::Argument, "the user name is set and the password is not")),
    };
    let credential = credential.map_err(|e| e.context(format!("the options of {}", printable(registry))))?;
    Ok(Some(Found { credential, source: "the client's options".to_owned(), explicit: true }))
}

struct Callback(Arc<dyn CredentialProvider>);

impl Source for Callback {
    fn find(&self, asked: &Asked<'_>) -> Result<Lookup> {
        let answer = match asked.operation.waiter() {
            None => self.0.credential_for(asked.registry, asked.repository, asked.action),
            Some(waiter) => {
                let (sender, receiver) = mpsc::sync_channel(1);
                let (provider, registry, repository, action) =
                    (self.0.clone(), asked.registry.to_owned(), asked.repository.to_owned(), asked.action);
                waiter.post(Box::new(move || {
                    // Nobody listens where the operation has ended.
                    let _ = sender.send(provider.credential_for(&registry, &repository, action));
                }));
                receiver.recv().unwrap_or_else(|_| Err(Error::new(Kind::Credentials, "did not come back")))
            }
        };
        let found =
            answer.map_err(|e| Error::new(Kind::Credentials, format!("the credential callback: {e}")))?;
        Ok(found.map_or(Lookup::None, |credential| {
            let source = "the credential callback".to_owned();
            Lookup::found(Found { credential, source, explicit: true })
        }))
    }
}

/// A configuration inside an environment variable.
struct Inline(Secret);

impl Source for Inline {
    fn find(&self, asked: &Asked<'_>) -> Result<Lookup> {
        in_file("DOCKER_AUTH_CONFIG", self.0.expose().as_bytes(), asked)
    }
}

/// A file of docker or podman.
struct Stored {
    path: PathBuf,
    kind: &'static str,
    /// It is where the caller said.
    named: bool,
}

impl Source for Stored {
    fn find(&self, asked: &Asked<'_>) -> Result<Lookup> {
        let text = match secret_file::read(&self.path) {
            // Another user's home, or no right to look into it: nobody said that there is a file (A-26).
            Err(error) if !self.named && secret_file::is_out_of_reach(&self.path) => {
                asked.operation.warn(format!("{}; treated as missing", error.message()));
                None
            }
            read => read?,
        };
        let Some(text) = text else { return Ok(Lookup::None) };
        let name = format!("{} {}", self.kind, shown(&self.path));
        in_file(&name, &text, asked)
    }
}

fn in_file(name: &str, text: &[u8], asked: &Asked<'_>) -> Result<Lookup> {
    match AuthFile::parse(text).and_then(|file| file.find(asked)) {
        Ok(None) => Ok(Lookup::None),
        Ok(Some(Hit { part, credential: Ok(credential) })) => {
            Ok(Lookup::found(Found { credential, source: format!("{name} ({part})"), explicit: false }))
        }
        Ok(Some(Hit { part, credential: Err(error) })) => {
            Ok(Lookup::HelperFailed(error.context(format!("{name} ({part})"))))
        }
        Err(error) => Err(error.context(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Environment, Options};

    fn settings(options: &Options, variables: &[(&str, &str)]) -> Settings {
        Settings::for_client(options, Environment::of(variables.iter().copied())).unwrap()
    }

    fn found(known: Lookup) -> Arc<Found> {
        match known {
            Lookup::Found(found) => found,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn explicit_options_win_and_half_a_credential_is_an_error() {
        let inline = ("DOCKER_AUTH_CONFIG", r#"{"auths":{"reg.test":{"username":"file","password":"x"}}}"#);
        let mut options = Options::new();
        let find = |options: &Options| {
            let chain = Chain::new(&settings(options, &[inline]), None);
            chain.find("reg.test", "a", Action::Pull, &Operation::new())
        };
        assert_eq!(found(find(&options).unwrap()).source, "DOCKER_AUTH_CONFIG (auths: reg.test)");
        options.set_host("reg.test", "username", "u").unwrap();
        assert_eq!(find(&options).unwrap_err().kind(), Kind::Argument);
        assert_eq!(Chain::check(&settings(&options, &[])).unwrap_err().kind(), Kind::Argument);
        options.set_host("reg.test", "password", "p").unwrap();
        let found = found(find(&options).unwrap());
        assert_eq!(found.credential, Credential::basic("u", Secret::new("p")).unwrap());
        assert_eq!(found.source, "the client's options");
        options.set("credentials", "anonymous").unwrap();
        assert!(matches!(find(&options).unwrap(), Lookup::None));
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
            let lookup = chain.find("reg.test", repository, Action::Pull, &Operation::new());
            lookup.map(|known| found(known).source.clone())
        };
        assert_eq!(source("mine").unwrap(), "the credential callback");
        assert_eq!(source("other").unwrap(), "DOCKER_AUTH_CONFIG (auths: reg.test)");
        let error = source("broken").unwrap_err();
        assert!(error.kind() == Kind::Credentials && error.message().contains("vault is sealed"), "{error}");
    }
}
