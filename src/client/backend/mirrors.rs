//! Mirrors of a registry: read before it, in their order, each with its own host's credentials, certificates and
//! rules. Digests decide what their bytes are worth; what is written goes to the registry alone.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Pending;
use crate::call::Call;
use crate::client::Client;
use crate::error::{Error, Kind, Result, printable};
use crate::oci::{Reference, RegistryReference};
use crate::operation::Level;
use crate::options::Options;
use crate::registry::Repository;

/// The same repository at a mirror.
struct Mirror {
    repository: Repository,
    /// It could not be reached: this verb leaves it alone.
    gone: AtomicBool,
    /// Asked for what has no digest, too.
    names: bool,
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Asked {
    /// What a digest names.
    Content,
    /// A tag.
    Tag,
    /// A list.
    List,
}

/// A repository's mirrors, and the repository itself.
pub(super) struct Mirrors {
    mirrors: Vec<Mirror>,
    own: Repository,
    /// What is read instead of the repository itself, after its mirrors.
    instead: Option<Repository>,
    /// Tags are asked of mirrors, too.
    tags: bool,
}

impl Mirrors {
    pub(super) fn of(
        client: &Client,
        reference: &RegistryReference,
        own: Repository,
        call: &Call,
    ) -> Result<Self> {
        let places = client.registries().places(reference)?;
        // One that fails has others behind it.
        let few = || -> Result<Call> {
            let mut few = Options::new();
            few.set("retries", &call.settings.retries.min(1).to_string())?;
            Ok(Call { settings: call.settings.for_call(Some(&few))?, ..call.clone() })
        };
        // Whoever is blocked is no mirror.
        let mirror = |at: &RegistryReference, repository: Repository, names| match client
            .registries()
            .check(&format!("{}/{}", at.registry, at.repository))
        {
            Ok(()) => Some(Mirror { repository, gone: AtomicBool::new(false), names }),
            Err(error) => {
                call.operation.warn(format!("a mirror is skipped: {}", error.message()));
                None
            }
        };
        let mut mirrors = Vec::new();
        for entry in &call.settings.host(&reference.registry).mirrors {
            let (place, named) = match entry.strip_suffix("?ns") {
                Some(place) => (place, true),
                None => (entry.as_str(), false),
            };
            let at = place_at(place, &reference.repository).ok_or_else(|| {
                let entry = entry.rsplit('@').next().unwrap_or_default(); // no password
                let (of, entry) = (printable(&reference.registry), printable(entry));
                let why = "is not HOST[:PORT][/PREFIX], with or without ?ns at its end";
                Error::new(Kind::Argument, format!("option 'mirrors' of {of}: '{entry}' {why}"))
            })?;
            let repository = client.registry().repository(&at, &few()?)?;
            let repository = if named { repository.with_ns(&reference.registry) } else { repository };
            mirrors.extend(mirror(&at, repository, true));
        }
        for (at, names) in &places.mirrors {
            mirrors.extend(mirror(at, client.registry().repository(at, &few()?)?, *names));
        }
        let instead = places.location.map(|at| client.registry().repository(&at, call)).transpose()?;
        Ok(Self { mirrors, own, instead, tags: call.settings.tags_from_mirrors })
    }

    /// Whether other repositories are read than is written.
    pub(super) fn reads_elsewhere(&self) -> bool {
        self.instead.is_some() || !self.mirrors.is_empty()
    }

    fn read_last(&self) -> &Repository {
        self.instead.as_ref().unwrap_or(&self.own)
    }

    /// The repository itself.
    pub(super) fn own(&self) -> &Repository {
        &self.own
    }

    /// What the first says that has it. Of a tag, too, that is what it means.
    pub(super) fn read<'a, T: Send + 'a>(
        &'a self,
        asked: Asked,
        work: impl Fn(&'a Repository) -> Pending<'a, T> + Send + Sync + 'a,
    ) -> Pending<'a, T> {
        let takes = move |mirror: &&Mirror| match asked {
            Asked::Content => true,
            Asked::Tag => self.tags && mirror.names,
            Asked::List => mirror.names,
        };
        Box::pin(async move {
            for mirror in self.mirrors.iter().filter(takes) {
                if mirror.gone.load(Ordering::Relaxed) {
                    continue;
                }
                match work(&mirror.repository).await {
                    Ok(found) => {
                        mirror.served();
                        return Ok(found);
                    }
                    Err(error) => mirror.passes_on(error)?,
                }
            }
            work(self.read_last()).await
        })
    }

    /// Where a blob can be had, in order, as far as is known.
    pub(super) fn sources(&self) -> Vec<Source> {
        let mirrors = self.mirrors.iter().filter(|mirror| !mirror.gone.load(Ordering::Relaxed));
        let mirrors = mirrors.map(|mirror| Source { repository: mirror.repository.clone(), mirror: true });
        mirrors.chain([Source { repository: self.read_last().clone(), mirror: false }]).collect()
    }
}

impl Mirror {
    fn served(&self) {
        served(&self.repository);
    }

    fn passes_on(&self, error: Error) -> Result<()> {
        let unreachable = error.http_status().is_none()
            && matches!(error.kind(), Kind::Network | Kind::Timeout | Kind::Tls);
        passes_on(&self.repository, error)?;
        self.gone.store(unreachable, Ordering::Relaxed);
        Ok(())
    }
}

/// One place that has a blob.
pub(super) struct Source {
    pub(super) repository: Repository,
    pub(super) mirror: bool,
}

/// Who served what is in the log.
pub(super) fn served(mirror: &Repository) {
    mirror.call().operation.log(Level::Info, || format!("read from the mirror {}", mirror.name()));
}

/// Whether the next one is asked after this error. What is no matter of being there or not is worth a warning.
pub(super) fn passes_on(mirror: &Repository, error: Error) -> Result<()> {
    let operation = &mirror.call().operation;
    operation.check()?;
    if error.kind() == Kind::Cancelled {
        return Err(error);
    }
    let usual = matches!(error.kind(), Kind::NotFound | Kind::Network | Kind::Timeout | Kind::RateLimited)
        || error.http_status().is_some_and(|status| status >= 500);
    let words = format!("the mirror {} is skipped: {}", mirror.name(), error.message());
    match usual {
        true => operation.log(Level::Info, || words),
        false => operation.warn(words),
    }
    Ok(())
}

/// `repository` below a mirror's place; nothing where that is no place.
fn place_at(place: &str, repository: &str) -> Option<RegistryReference> {
    let (host, prefix) = place.split_once('/').unwrap_or((place, ""));
    let prefix = prefix.trim_end_matches('/');
    let path = if prefix.is_empty() { repository.to_owned() } else { format!("{prefix}/{repository}") };
    let Ok(Reference::Registry(at)) = format!("{host}/{path}").parse() else { return None };
    (at.registry == host && at.repository == path).then_some(at)
}
