//! The hosts that are reached without a proxy: `NO_PROXY` as Go reads it (`golang.org/x/net/http/httpproxy`), so
//! that one list serves all tools of a machine (Q102).

use std::net::IpAddr;

use crate::registry::address::literal;
use crate::registry::origin::Origin;

/// What `NO_PROXY` says.
#[derive(Debug, Default)]
pub(super) struct NoProxy {
    all: bool,
    entries: Vec<Entry>,
}

#[derive(Debug)]
enum Entry {
    /// A network: an address and the bits of it that count.
    Network(IpAddr, u8),
    Address(IpAddr, Option<u16>),
    /// A name with a dot before it; `itself`: the name without it, too.
    Domain {
        suffix: String,
        itself: bool,
        port: Option<u16>,
    },
}

impl NoProxy {
    pub(super) fn parse(text: &str) -> Self {
        let entries: Vec<&str> = text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
        Self {
            all: entries.contains(&"*"),
            entries: entries
                .into_iter()
                .filter_map(|entry| Entry::parse(&entry.to_ascii_lowercase()))
                .collect(),
        }
    }

    /// Whether this host is reached directly.
    pub(super) fn names(&self, origin: &Origin) -> bool {
        self.all || self.entries.iter().any(|entry| entry.names(origin))
    }
}

impl Entry {
    /// Nothing for what names no host.
    fn parse(text: &str) -> Option<Self> {
        if let Some((address, bits)) = text.split_once('/') {
            let (address, bits) = (address.parse::<IpAddr>().ok()?, bits.parse::<u8>().ok()?);
            let most = if address.is_ipv4() { 32 } else { 128 };
            return (bits <= most).then_some(Self::Network(address, bits));
        }
        if let Some(address) = address(text) {
            return Some(Self::Address(address, None));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (text, None),
        };
        if let Some(address) = address(host) {
            return Some(Self::Address(address, port));
        }
        let below = host.strip_prefix("*.").or_else(|| host.strip_prefix('.'));
        let name = below.unwrap_or(host);
        (!name.is_empty()).then(|| Self::Domain { suffix: format!(".{name}"), itself: below.is_none(), port })
    }

    fn names(&self, origin: &Origin) -> bool {
        let at = |port: &Option<u16>| port.is_none_or(|port| port == origin.port);
        let own = literal(&origin.host);
        match self {
            Self::Network(network, bits) => own.is_some_and(|address| is_within(address, *network, *bits)),
            Self::Address(address, port) => own == Some(*address) && at(port),
            Self::Domain { suffix, itself, port } => {
                let is_it = *itself && suffix.strip_prefix('.') == Some(origin.host.as_str());
                // An address has no domains: `NO_PROXY=9.9` is no network.
                (is_it || (own.is_none() && origin.host.ends_with(suffix))) && at(port)
            }
        }
    }
}

/// An address, also one of IPv6 in brackets.
fn address(text: &str) -> Option<IpAddr> {
    text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text).parse().ok()
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (u128::from(a.to_bits()), u128::from(n.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => (a.to_bits(), n.to_bits(), 128),
        _ => return false,
    };
    (address ^ network).checked_shr(width - u32::from(bits)).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What httpproxy's own tests hold, and the kinds of its documentation.
    #[test]
    fn q102_no_proxy_is_read_as_go_reads_it() {
        const NAME: &str = "http://reg.corp.example:5000";
        const V4: &str = "http://10.9.9.9:5000";
        const V6: &str = "https://[fd00::9]:5000";
        let direct: [(&str, &[&str]); 4] = [
            (
                NAME,
                &[
                    "reg.corp.example",
                    "REG.corp.EXAMPLE",
                    "reg.corp.example:5000",
                    "corp.example",
                    "corp.example:5000",
                    ".corp.example",
                    ".corp.example:5000",
                    "*.corp.example",
                    "*.example:5000",
                    "other, ,reg.corp.example",
                    "*",
                    "x,*",
                ],
            ),
            (V4, &["10.9.9.9", "10.9.9.9:5000", "10.9.9.0/24", "10.9.9.9/32", "0.0.0.0/0", "10.1.2.3/8"]),
            (V6, &["fd00::9", "[fd00::9]", "[fd00::9]:5000", "fd00::/8", "::/0", "fd00::9/128"]),
            ("https://reg.example", &["reg.example:443", "reg.example"]),
        ];
        let proxied: [(&str, &[&str]); 4] = [
            (
                NAME,
                &[
                    "",
                    " , ",
                    "reg.corp.example:443",
                    "*.corp.example:80",
                    ".reg.corp.example",
                    "*.reg.corp.example",
                    "orp.example",
                    "other.example",
                    ":5000",
                    ".",
                    "*.",
                    "reg.corp.example:http",
                    "reg.corp.example:",
                ],
            ),
            (V4, &["10.9.9.9:443", "10.9.8.0/24", "9.9.9", ".9", "10.9.9.9/33", "fd00::/0", "10.9.9.9/x"]),
            (V6, &["[fd00::9]:443", "fd00::8", "fe00::/8", "0.0.0.0/0", "fd00::9/129"]),
            ("https://reg.example", &["reg.example:80"]),
        ];
        for (cases, want) in [(direct, true), (proxied, false)] {
            for (url, lists) in cases {
                let origin = Origin::of(&url::Url::parse(url).unwrap()).unwrap();
                for list in lists {
                    assert_eq!(NoProxy::parse(list).names(&origin), want, "{url} with NO_PROXY={list:?}");
                }
            }
        }
    }
}
