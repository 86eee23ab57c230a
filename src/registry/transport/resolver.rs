//! Name look-up that enforces the address policy: what a connection gets to see has passed it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::error::{Error, Kind, Result, printable};
use crate::registry::address::Class;
use crate::registry::policy::AddressPolicy;
use crate::thread::blocking_ahead;

/// Looks names up: the system, or a caller's own table.
pub trait Names: Send + Sync {
    /// The addresses of a name, as they are now. It may block.
    fn look_up(&self, name: &str) -> std::io::Result<Vec<IpAddr>>;
}

/// The most hosts whose address class is remembered.
const REMEMBERED: usize = 1024;

/// The class of the addresses that each host was connected to: what DNS says beside them is the host's to
/// choose.
#[derive(Default)]
pub(crate) struct Classes(Mutex<HashMap<String, Class>>);

impl Classes {
    pub(crate) fn get(&self, host: &str) -> Option<Class> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied()
    }

    /// A host that is at addresses of two classes may send us to neither: only the Internet is left to it.
    pub(crate) fn put(&self, host: &str, class: Class) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = known.get_mut(host) {
            if *before != class {
                *before = Class::Public;
            }
        } else if known.len() < REMEMBERED {
            known.insert(host.to_owned(), class);
        }
    }
}

/// One client's resolver: its address policy is fixed.
pub(crate) struct Resolver {
    pub(crate) addresses: AddressPolicy,
    /// Hosts of proxies, which the caller named.
    pub(crate) exempt: Vec<String>,
    pub(crate) names: Option<Arc<dyn Names>>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (mut addresses, names) = (self.addresses, self.names.clone());
        let proxy = self.exempt.iter().any(|host| host.eq_ignore_ascii_case(name.as_str()));
        Box::pin(async move {
            let host = name.as_str().to_ascii_lowercase();
            let found = look_up(&host, names).await?;
            if proxy {
                addresses = AddressPolicy::Any;
            }
            let allowed: Vec<SocketAddr> =
                found.iter().filter(|a| addresses.allows(**a)).map(|a| SocketAddr::new(*a, 0)).collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err(Error::new(
                    Kind::Policy,
                    format!(
                        "{} is refused: a server redirected to it, and it is a private address",
                        printable(&host)
                    ),
                )
                .into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

pub(super) async fn look_up(host: &str, names: Option<Arc<dyn Names>>) -> Result<Vec<IpAddr>> {
    if host == "localhost" || host.ends_with(".localhost") {
        // RFC 6761: never asked of anybody, since plain http and the credential rules depend on it.
        return Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
    }
    let name = host.to_owned();
    // It may block: a name server that is silent costs no thread that others need.
    let found: std::io::Result<Vec<IpAddr>> = blocking_ahead(move || {
        Ok(match names {
            Some(names) => names.look_up(&name),
            None => (name.as_str(), 0).to_socket_addrs().map(|all| all.map(|a| a.ip()).collect()),
        })
    })
    .await?;
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(Error::new(Kind::Network, format!("the name {} has no address", printable(host)))),
        Err(error) => Err(Error::new(
            Kind::Network,
            format!("the name {} can't be resolved: {}", printable(host), printable(error.to_string())),
        )),
    }
}
