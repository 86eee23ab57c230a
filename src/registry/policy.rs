//! Where a request may go: the pure rules for addresses, realms, redirects, upload locations and links.
//! Every one of these is a URL that a server chose (advisories 1a).

use std::net::{IpAddr, Ipv4Addr};

use url::Url;

use super::address::{Class, classify, literal};
use super::origin::Origin;
use crate::error::{Error, Kind, Result, printable};

/// The classes of addresses that a connection may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AddressPolicy {
    /// Any: the caller named the host.
    Any,
    /// The Internet, and the class of the registry's own address.
    Public(Option<Class>),
    /// Any that storage can have: the caller named the host, and a server that it is to be asked.
    Storage,
}

impl AddressPolicy {
    /// Whether a connection may have this address.
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        match (self, classify(address)) {
            (Self::Any, _) | (_, Class::Public) => true,
            (Self::Public(own), class) => class != Class::Unusable && own == Some(class),
            (Self::Storage, class) => !matches!(class, Class::Unusable | Class::LinkLocal),
        }
    }

    /// Refuses a URL whose host is an address that it does not allow; names are checked where they are resolved.
    pub(crate) fn check(self, origin: &Origin, what: &str) -> Result<()> {
        match literal(&origin.host) {
            Some(address) if !self.allows(address) => {
                Err(refused(what, origin, "is an address that only the server you named may redirect to"))
            }
            // A name that is this machine by definition.
            None if origin.is_loopback() && !self.allows(IpAddr::V4(Ipv4Addr::LOCALHOST)) => {
                Err(refused(what, origin, "is this machine"))
            }
            _ => Ok(()),
        }
    }
}

fn refused(what: &str, origin: &Origin, why: &str) -> Error {
    Error::new(Kind::Policy, format!("{what} {} is refused: it {why}", printable(origin.to_string())))
}

/// A token endpoint that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Realm {
    /// Where tokens are asked for.
    pub(crate) url: Url,
    /// What a connection to it may have for an address.
    pub(crate) addresses: AddressPolicy,
    /// To be shown to the user.
    pub(crate) warning: Option<String>,
}

/// Checks the realm of a challenge (A-02…A-06): the same origin, the same host over https, else a public
/// https host, or one of `token_hosts` and no other where that is set.
pub(crate) fn realm(
    registry: &Origin,
    own: Option<Class>,
    realm: &str,
    token_hosts: &[String],
) -> Result<Realm> {
    const WHAT: &str = "the token endpoint";
    let base = registry.url("/v2/")?;
    // RFC 3986 has no relative reference whose first segment has a colon; the parser would make a path of it.
    let first = realm.split(['/', '?', '#']).next().unwrap_or_default();
    if first.contains(':') && Url::parse(realm) == Err(url::ParseError::RelativeUrlWithoutBase) {
        return Err(Error::new(Kind::Policy, format!("{WHAT} '{}' is refused: not a URL", printable(realm))));
    }
    let url = base.join(realm).map_err(|error| {
        Error::new(Kind::Policy, format!("{WHAT} '{}' is refused: {error}", printable(realm)))
    })?;
    let origin = Origin::of(&url).map_err(|error| error.context(format!("{WHAT} '{}'", printable(realm))))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused(WHAT, &origin, "has a user name in its URL"));
    }
    if origin == *registry || (origin.host == registry.host && origin.secure) {
        return Ok(Realm { url, addresses: AddressPolicy::Any, warning: None });
    }
    if registry.secure && !origin.secure {
        return Err(refused(WHAT, &origin, "is plain http, and the registry is https"));
    }
    if origin.is_listed(token_hosts) {
        return Ok(Realm { url, addresses: AddressPolicy::Any, warning: None });
    }
    if !token_hosts.is_empty() {
        return Err(refused(WHAT, &origin, "is not in the option token_hosts"));
    }
    if !origin.secure {
        return Err(refused(
            WHAT,
            &origin,
            "is plain http on another origin; name it in the option token_hosts",
        ));
    }
    let addresses = AddressPolicy::Public(own.filter(|class| *class != Class::Loopback));
    addresses.check(&origin, WHAT)?;
    let warning = (registrable(&origin.host) != registrable(&registry.host)).then(|| {
        format!(
            "tokens for {} are issued by {} (option token_hosts pins who may)",
            registry.authority(),
            printable(origin.authority())
        )
    });
    Ok(Realm { url, addresses, warning })
}

/// The registrable domain, near enough for a warning: the last two labels, three where the second is a
/// short one below a country (`co.uk`).
fn registrable(host: &str) -> &str {
    if literal(host).is_some() {
        return host;
    }
    let labels: Vec<&str> = host.rsplit('.').collect();
    let keep = match labels.as_slice() {
        [country, second, _, ..] if country.len() == 2 && second.len() <= 3 => 3,
        _ => 2,
    };
    let length = labels.iter().take(keep).map(|label| label.len() + 1).sum::<usize>() - 1;
    host.get(host.len() - length..).unwrap_or(host)
}

/// Where a redirect of a read leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    /// The next URL.
    pub(crate) url: Url,
    /// It is the registry's own origin still, so that its credential may go along.
    pub(crate) own: bool,
    /// What a connection to it may have for an address.
    pub(crate) addresses: AddressPolicy,
}

/// Checks one hop of a redirected read (R-23, R-24, A-10…A-16): never from https to http, never to an address that
/// is not allowed. `download_hosts`, of a blob's read, lifts both for the hosts that it names: no credential goes
/// there, and the digest decides what comes.
pub(crate) fn redirect(
    registry: &Origin,
    from: &Url,
    location: &str,
    addresses: AddressPolicy,
    download_hosts: Option<&[String]>,
) -> Result<Location> {
    const WHAT: &str = "the redirect to";
    let url = resolve(from, location, WHAT)?;
    let origin = Origin::of(&url).map_err(|_| {
        Error::new(Kind::Protocol, format!("{WHAT} '{}' is not a redirect of HTTP", shown(location)))
    })?;
    let own = origin == *registry;
    let listed = download_hosts.is_some_and(|hosts| origin.is_listed(hosts));
    let addresses = match (own, listed) {
        (true, _) => AddressPolicy::Any,
        // An address that is named is meant, whatever it is; a name can come to mean another.
        (false, true) if literal(&origin.host).is_some() => AddressPolicy::Any,
        (false, true) => AddressPolicy::Storage,
        (false, false) => addresses,
    };
    let checked = match (registry.secure || from.scheme() == "https") && !origin.secure && !listed {
        true => Err(refused(WHAT, &origin, "is plain http, and the registry is https")),
        false => addresses.check(&origin, WHAT),
    };
    match (checked, download_hosts) {
        (Err(error), Some(_)) => Err(error.cure(DOWNLOAD_CURE)),
        (checked, _) => checked.map(|()| Location { url, own, addresses }),
    }
}

/// A location without what may be a signature.
fn shown(location: &str) -> String {
    printable(location.split(['?', '#']).next().unwrap_or_default())
}

/// How a blob is had from where it may not be.
pub(crate) const DOWNLOAD_CURE: &str = "name it in the option download_hosts if it is the registry's storage";

/// Checks the `Location` of an upload (Q28–Q31, A-09): on the same host the request's scheme and port are
/// restored; another host must be listed in `upload_hosts` and gets no credential.
pub(crate) fn location(
    registry: &Origin,
    request: &Url,
    location: &str,
    upload_hosts: &[String],
) -> Result<Location> {
    const WHAT: &str = "the upload location";
    let mut url = resolve(request, location, WHAT)?;
    let origin = Origin::of(&url).map_err(|_| {
        Error::new(Kind::Protocol, format!("{WHAT} '{}' is not a URL of HTTP", shown(location)))
    })?;
    if origin.host == registry.host {
        let scheme = if registry.secure { "https" } else { "http" };
        let set = url.set_scheme(scheme).and_then(|()| url.set_port(Some(registry.port)));
        if set.is_err() || Origin::of(&url)? != *registry {
            return Err(Error::new(Kind::Protocol, format!("{WHAT} '{}' is not usable", shown(location))));
        }
        return Ok(Location { url, own: true, addresses: AddressPolicy::Any });
    }
    if !origin.is_listed(upload_hosts) {
        return Err(refused(
            WHAT,
            &origin,
            "is another host than the registry; name it in the option upload_hosts",
        ));
    }
    if registry.secure && !origin.secure {
        return Err(refused(WHAT, &origin, "is plain http, and the registry is https"));
    }
    Ok(Location { url, own: false, addresses: AddressPolicy::Any })
}

/// Checks the next page of a list: on the registry's own origin only (Q27, A-15).
pub(crate) fn link(registry: &Origin, request: &Url, link: &str) -> Result<Url> {
    const WHAT: &str = "the next page";
    let url = resolve(request, link, WHAT)?;
    let origin = Origin::of(&url)?;
    if origin != *registry {
        return Err(refused(WHAT, &origin, "is on another origin than the registry"));
    }
    Ok(url)
}

/// RFC 3986 resolution of what a server sent, with a bound on it.
fn resolve(base: &Url, reference: &str, what: &str) -> Result<Url> {
    const LIMIT: usize = 16 << 10;
    let bad = |why: &str| Error::new(Kind::Protocol, format!("{what} '{}' {why}", shown(reference)));
    if reference.is_empty() {
        return Err(bad("is empty"));
    }
    if reference.len() > LIMIT {
        return Err(bad("is longer than 16 KiB"));
    }
    let mut url = base.join(reference).map_err(|_| bad("is not a URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        let origin = url.host_str().map(|host| format!("{}://{host}", url.scheme())).unwrap_or_default();
        let origin = printable(origin);
        return Err(Error::new(
            Kind::Policy,
            format!("{what} {origin} is refused: it has a user name in its URL"),
        ));
    }
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests;
