//! A registry by its name, for as long as the client lives: where the name leads, what was set for it, and what was
//! learnt about it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::{HeaderMap, HeaderName};

use super::capabilities::HostCapabilities;
use super::origin::Origin;
use super::transport::header_value;
use crate::error::{Error, Kind, Result, printable};
use crate::options::Settings;

/// A registry.
pub(super) struct Host {
    tls: Side,
    plain: Side,
    /// Whether it speaks TLS. Nothing on loopback, until an answer told.
    secure: OnceLock<bool>,
    capabilities: Mutex<HostCapabilities>,
}

/// A registry with TLS, or without.
struct Side {
    origin: Origin,
    /// Sent along to it.
    headers: HeaderMap,
}

impl Host {
    /// Where a registry's name leads: https, but for hosts named as plain and for loopback.
    fn of(name: &str, settings: &Settings) -> Result<Self> {
        let (tls, plain) = (Origin::of_registry(name, true)?, Origin::of_registry(name, false)?);
        let loopback = tls.is_loopback();
        let named_plain = tls.settings(settings).plain_http
            || settings.host(name).plain_http
            || loopback && plain.settings(settings).plain_http;
        let secure = OnceLock::new();
        if named_plain || !loopback {
            let _ = secure.set(!named_plain);
        }
        let side = |origin: Origin| Ok(Side { headers: headers(name, &origin, settings)?, origin });
        Ok(Self { tls: side(tls)?, plain: side(plain)?, secure, capabilities: Mutex::default() })
    }

    fn side(&self, secure: bool) -> &Side {
        if secure { &self.tls } else { &self.plain }
    }

    /// Where it is, as far as is known.
    pub(super) fn origin(&self) -> &Origin {
        &self.side(self.secure.get() == Some(&true)).origin
    }

    /// The headers that were set for it with TLS, or without: where it has no port in its name these are two.
    pub(super) fn headers(&self, secure: bool) -> &HeaderMap {
        &self.side(secure).headers
    }

    /// Whether its scheme is still a guess: on loopback, not named as plain, nothing learnt yet.
    pub(super) fn is_guess(&self) -> bool {
        self.secure.get().is_none()
    }

    /// An answer told whether it speaks TLS.
    pub(super) fn learn(&self, secure: bool) {
        // Of two that guessed at once the first is heard.
        let _ = self.secure.set(secure);
    }

    pub(super) fn capabilities(&self) -> HostCapabilities {
        *self.capabilities.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change_capabilities(&self, change: impl FnOnce(&mut HostCapabilities)) {
        change(&mut self.capabilities.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What option `header` says of a registry.
fn headers(name: &str, origin: &Origin, settings: &Settings) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (header, value) in &origin.settings(settings).header {
        // Not quoted: `Authorization: Bearer abc==` has its first `=` in the token.
        let bad = || {
            let of = printable(name);
            Error::new(Kind::Argument, format!("invalid option 'header' of {of}: must be NAME=VALUE"))
        };
        let mut value = header_value(value.expose()).ok_or_else(bad)?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_bytes(header.as_bytes()).map_err(|_| bad())?, value);
    }
    Ok(headers)
}

/// The most registries that are remembered. Then all are forgotten, and learnt anew.
const REMEMBERED: usize = 1024;

/// The registries that a client has met, by name.
#[derive(Default)]
pub(super) struct Hosts(Mutex<HashMap<String, Arc<Host>>>);

impl Hosts {
    pub(super) fn get(&self, name: &str, settings: &Settings) -> Result<Arc<Host>> {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(name) {
            return Ok(host.clone());
        }
        let host = Arc::new(Host::of(name, settings)?);
        if hosts.len() >= REMEMBERED {
            hosts.clear();
        }
        hosts.insert(name.to_owned(), host.clone());
        Ok(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Environment, Options};

    fn host(name: &str, plain: &[&str]) -> Host {
        let mut options = Options::new();
        for host in plain {
            options.set_host(host, "plain_http", "true").unwrap();
        }
        let settings = Settings::for_client(&options, Environment::of::<&str, &str>([])).unwrap();
        Host::of(name, &settings).unwrap()
    }

    #[test]
    fn a_18_plain_http_is_for_loopback_and_for_hosts_that_are_named_so() {
        let far = host("reg.test", &[]);
        assert!(far.origin().secure && !far.is_guess());
        far.learn(false);
        assert!(far.origin().secure, "what was known is not learnt");
        for named in ["reg.test", "reg.test:443"] {
            let named = host("reg.test", &[named]);
            assert_eq!(named.origin().to_string(), "http://reg.test");
            assert!(!named.is_guess());
        }
        let loopback = host("127.0.0.1:5000", &["127.0.0.1:5000"]);
        assert!(!loopback.is_guess() && !loopback.origin().secure);
    }

    #[test]
    fn a_header_for_one_port_goes_to_no_other() {
        let mut options = Options::new();
        options.set_host("localhost:443", "header", "X-Key=canary").unwrap();
        let settings = Settings::for_client(&options, Environment::of::<&str, &str>([])).unwrap();
        let host = Host::of("localhost", &settings).unwrap();
        assert!(host.headers(false).is_empty());
        assert_eq!(host.headers(true).get("x-key").unwrap(), "canary");
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let settings = Settings::for_client(&Options::new(), Environment::of::<&str, &str>([])).unwrap();
        let hosts = Hosts::default();
        let first = hosts.get("reg0.test", &settings).unwrap();
        assert!(Arc::ptr_eq(&first, &hosts.get("reg0.test", &settings).unwrap()));
        for n in 0..=REMEMBERED {
            hosts.get(&format!("reg{n}.test"), &settings).unwrap();
        }
        assert_eq!(hosts.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn on_loopback_the_first_answer_tells() {
        let guess = host("127.0.0.1:5000", &[]);
        assert!(guess.is_guess() && !guess.origin().secure);
        guess.learn(true);
        guess.learn(false);
        assert!(!guess.is_guess());
        assert_eq!(guess.origin().to_string(), "https://127.0.0.1:5000");
    }
}
