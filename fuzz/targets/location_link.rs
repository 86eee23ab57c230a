//! Oracle: an upload goes on at the registry's own origin, or at a host that is listed, never from https to http; a list
//! goes on at the registry's own origin; no URL has a user name; an error is one line.

use cldoci::Kind;
use cldoci::registry::fuzz::{Asked, Place};

pub fn run(data: &[u8]) {
    let Some((bits, text)) = data.split_first() else { return };
    let secure = bits & 1 == 0;
    let name = if bits & 2 == 0 { "reg.test" } else { "127.0.0.1:5000" };
    let listed = ["store.test".to_owned(), "other.test:8443".to_owned()];
    let hosts = if bits & 4 == 0 { &listed[..] } else { &[] };
    let asked = Asked::of(name, secure).unwrap();
    let own = asked.place().unwrap();
    let holds = |place: &Place| {
        assert!(!place.has_user, "{place:?}");
        if place.own {
            assert_eq!(*place, own);
            return;
        }
        assert!(place.secure || !secure, "{place:?}");
        let written = [place.host.clone(), format!("{}:{}", place.host, place.port)];
        assert!(hosts.iter().any(|host| written.contains(host)), "{place:?}");
    };
    let is_plain = |error| super::room::is_plain(&error, &[Kind::Protocol, Kind::Policy]);
    if let Ok(text) = std::str::from_utf8(text) {
        asked.location(text, hosts).map_or_else(is_plain, |place| holds(&place));
    }
    if let Some(page) = asked.link(text) {
        page.map_or_else(is_plain, |place| assert_eq!(place, own));
    }
}
