//! What kind of place an IP address is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of place an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    /// The Internet.
    Public,
    /// This machine.
    Loopback,
    /// RFC 1918, CGNAT (RFC 6598), unique local (RFC 4193), benchmarking (RFC 2544).
    Private,
    /// Link-local, and the fixed addresses of clouds' metadata services.
    LinkLocal,
    /// Nothing that a registry can be: unspecified, multicast, reserved.
    Unusable,
}

/// The class of an address. An IPv4 address inside an IPv6 one counts as what it is.
pub(crate) fn classify(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(v4) => classify_v4(v4),
        IpAddr::V6(v6) => classify_v6(v6),
    }
}

fn classify_v4(address: Ipv4Addr) -> Class {
    match address.octets() {
        [169, 254, _, _] | [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => Class::LinkLocal,
        [127, _, _, _] => Class::Loopback,
        [10, _, _, _]
        | [172, 16..=31, _, _]
        | [192, 168, _, _]
        | [100, 64..=127, _, _]
        | [198, 18..=19, _, _] => Class::Private,
        [0 | 224..=255, _, _, _] | [192, 0, 0, _] => Class::Unusable,
        _ => Class::Public,
    }
}

fn classify_v6(address: Ipv6Addr) -> Class {
    if address == Ipv6Addr::LOCALHOST {
        return Class::Loopback;
    }
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        classify_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // Mapped, translated (RFC 7915, RFC 6052), 6to4 and, deprecated, compatible.
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // A network's own translator (RFC 8215): the IPv4 address comes last, or only that network knows where.
        [0x64, 0xff9b, 1, _, 0, 0, high, low] => embedded(high, low),
        [0x64, 0xff9b, 1, ..] => Class::Private,
        [0x2002, high, low, ..] => embedded(high, low),
        [0, 0, 0, 0, 0, 0, 0, 0] => Class::Unusable,
        [0, 0, 0, 0, 0, 0, high, low] => embedded(high, low),
        // Teredo: its IPv4 address is the client's, and what it leads to is not to be seen from here.
        [0x2001, 0, ..] => Class::Unusable,
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254] => Class::LinkLocal,
        [first, ..] => match first {
            0xfe80..=0xfebf => Class::LinkLocal,
            0xfc00..=0xfdff | 0xfec0..=0xfeff => Class::Private,
            0xff00..=0xffff => Class::Unusable,
            _ => Class::Public,
        },
    }
}

/// The address that a URL's host is, if it is one.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}
