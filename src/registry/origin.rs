//! Scheme, host and port: what a credential belongs to, and where a registry's name leads.

use std::fmt;

use url::Url;

use super::address::{self, Class};
use crate::error::{Error, Kind, Result, printable};
use crate::options::{HostSettings, Settings};

/// Docker Hub's name in references, and the host that serves it.
const HUB: &str = "docker.io";
const HUB_HOST: &str = "registry-1.docker.io";

/// Scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    /// TLS.
    pub(crate) secure: bool,
    /// Lower case; an IPv6 address in brackets.
    pub(crate) host: String,
    /// The port, also where it is the scheme's own.
    pub(crate) port: u16,
}

impl Origin {
    /// The origin of an http or https URL.
    pub(crate) fn of(url: &Url) -> Result<Self> {
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            other => {
                return Err(Error::new(
                    Kind::Policy,
                    format!(
                        "a URL with the scheme '{}' is refused: only http and https are supported",
                        printable(other)
                    ),
                ));
            }
        };
        match (url.host_str(), url.port_or_known_default()) {
            (Some(host), Some(port)) => Ok(Self { secure, host: host.to_ascii_lowercase(), port }),
            _ => Err(Error::new(Kind::Policy, "a URL without a host is refused")),
        }
    }

    /// The origin of a registry's name (`HOST` or `HOST:PORT`, as references have it).
    pub(crate) fn of_registry(name: &str, secure: bool) -> Result<Self> {
        let host = if name == HUB { HUB_HOST } else { name };
        let scheme = if secure { "https" } else { "http" };
        let url = Url::parse(&format!("{scheme}://{host}/")).map_err(|error| {
            Error::new(Kind::Argument, format!("the registry '{}': {error}", printable(name)))
        })?;
        Self::of(&url)
    }

    /// The URL of `path`, which begins with a `/` and may have a query.
    pub(crate) fn url(&self, path: &str) -> Result<Url> {
        Url::parse(&format!("{self}{path}"))
            .map_err(|error| Error::new(Kind::Internal, format!("{self}: not a URL: {error}")))
    }

    /// The same with or without TLS.
    #[must_use]
    pub(crate) fn with_secure(&self, secure: bool) -> Self {
        Self { secure, ..self.clone() }
    }

    /// `host:port`, or `host` where the port is the scheme's own: what messages show.
    pub(crate) fn authority(&self) -> String {
        if self.port == self.default_port() {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn default_port(&self) -> u16 {
        if self.secure { 443 } else { 80 }
    }

    /// Whether the host is this machine by its name alone: 127/8, ::1, localhost, *.localhost (RFC 6761).
    pub(crate) fn is_loopback(&self) -> bool {
        address::literal(&self.host).map_or_else(
            || self.host == "localhost" || self.host.ends_with(".localhost"),
            |address| address::classify(address) == Class::Loopback,
        )
    }

    /// Whether a list of `HOST` and `HOST:PORT` names it.
    pub(crate) fn is_listed(&self, hosts: &[String]) -> bool {
        let (with_port, authority) = (format!("{}:{}", self.host, self.port), self.authority());
        hosts.iter().any(|entry| {
            let entry = entry.trim().to_ascii_lowercase();
            entry == authority || entry == with_port
        })
    }

    /// The names it goes by: `HOST:PORT`, and where the port is the scheme's own `HOST` and Docker Hub's.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = vec![format!("{}:{}", self.host, self.port)];
        if self.port == self.default_port() {
            names.push(self.host.clone());
        }
        if self.host == HUB_HOST && self.port == self.default_port() {
            names.push(HUB.to_owned());
        }
        names
    }

    /// What was set for it, under any of its names.
    pub(crate) fn settings(&self, settings: &Settings) -> HostSettings {
        self.names().into_iter().map(|name| settings.host(&name)).fold(HostSettings::default(), |a, b| {
            HostSettings {
                username: a.username.or(b.username),
                password: a.password.or(b.password),
                identity_token: a.identity_token.or(b.identity_token),
                registry_token: a.registry_token.or(b.registry_token),
                insecure: a.insecure || b.insecure,
                plain_http: a.plain_http || b.plain_http,
                host_ca_file: a.host_ca_file.or(b.host_ca_file),
                client_cert: a.client_cert.or(b.client_cert),
                client_key: a.client_key.or(b.client_key),
                mirrors: if a.mirrors.is_empty() { b.mirrors } else { a.mirrors },
                header: a.header.into_iter().chain(b.header).collect(),
            }
        })
    }
}

/// A registry's name (`HOST` or `HOST:PORT`) in the one spelling by which two can be told to be the same: as it is
/// connected to, without https's port, and with one name for Docker Hub. Nothing where it is no such name.
pub(crate) fn one_name(host: &str) -> Option<String> {
    let origin = Origin::of_registry(host, true).ok().filter(|_| !host.contains(['/', '?', '#', '@']))?;
    let name = Origin { host: origin.host.trim_end_matches('.').to_owned(), ..origin }.authority();
    // Hub has more names than it serves at.
    Some(if matches!(&*name, HUB_HOST | "index.docker.io") { HUB.to_owned() } else { name })
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.secure { "https" } else { "http" }, self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::of(&Url::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn the_hub_is_served_elsewhere_and_ports_are_explicit() {
        assert_eq!(
            Origin::of_registry("docker.io", true).unwrap().to_string(),
            "https://registry-1.docker.io"
        );
        assert_eq!(origin("https://a.test"), origin("https://A.test:443/x"));
        assert_ne!(origin("https://a.test"), origin("http://a.test:443"));
        assert_eq!(Origin::of_registry("[::1]:5000", false).unwrap().to_string(), "http://[::1]:5000");
        let error = Origin::of(&Url::parse("file:///etc/passwd").unwrap()).unwrap_err();
        assert_eq!(error.kind(), Kind::Policy);
        assert!(error.message().contains("file"), "{error}");
    }

    #[test]
    fn loopback_is_told_by_the_name() {
        for yes in [
            "http://127.0.0.1:1",
            "http://127.9.9.9",
            "http://[::1]",
            "http://localhost",
            "http://a.localhost",
            "http://0x7f.1",
        ] {
            assert!(origin(yes).is_loopback(), "{yes}");
        }
        for no in ["http://localhost.evil.test", "http://128.0.0.1", "http://notlocalhost", "http://[::2]"] {
            assert!(!origin(no).is_loopback(), "{no}");
        }
    }

    #[test]
    fn lists_name_hosts_with_and_without_a_port() {
        let list = ["a.test".to_owned(), "b.test:8443".to_owned()];
        assert!(origin("https://a.test").is_listed(&list) && origin("https://b.test:8443").is_listed(&list));
        assert!(
            !origin("https://a.test:8443").is_listed(&list) && !origin("https://b.test").is_listed(&list)
        );
        assert!(!origin("https://x.a.test").is_listed(&list));
    }
}
