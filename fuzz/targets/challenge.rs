//! Oracle: what was read of a Bearer challenge is within bounds, and is read again from its plain form.

use cldoci::registry::fuzz::challenge;

pub fn run(data: &[u8]) {
    let Some((bearer, _, malformed)) = challenge(data) else { return };
    assert!(malformed.is_none_or(|why| why.is_ascii() && why.len() < 100));
    let Some((realm, service, scopes)) = bearer else { return };
    assert!(!realm.is_empty());
    let all = realm.len() + service.len() + scopes.iter().map(String::len).sum::<usize>();
    // Bytes that are no UTF-8 become longer where they are replaced.
    assert!(all <= 3 * (16 << 10), "{all}");
    assert!(scopes.iter().all(|scope| !scope.is_empty() && !scope.contains(' ')), "{scopes:?}");
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let plain = format!(
        "Basic realm=x, Bearer realm={}, service={}, scope={}",
        quoted(&realm),
        quoted(&service),
        quoted(&scopes.join(" "))
    );
    if plain.len() <= 16 << 10 {
        let read = challenge(plain.as_bytes()).unwrap();
        assert_eq!(read, (Some((realm, service, scopes)), true, None), "{plain}");
    }
}
