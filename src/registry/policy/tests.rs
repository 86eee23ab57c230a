use super::*;

fn origin(text: &str) -> Origin {
    Origin::of(&Url::parse(text).unwrap()).unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> Kind {
    result.unwrap_err().kind()
}

const NONE: &[String] = &[];

#[test]
fn addresses_have_their_class() {
    let table = [
        (
            Class::Public,
            "8.8.8.8 192.0.1.1 172.32.0.1 100.128.0.1 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b:1::808:808",
        ),
        (Class::Loopback, "127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1"),
        (
            Class::Private,
            "10.0.0.5 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 fc00::1 fd12::1 ::ffff:10.0.0.1 2002:a00:1:: \
             64:ff9b:1::a00:1 64:ff9b:1:a9fe:a9:fe00::",
        ),
        (
            Class::LinkLocal,
            "169.254.169.254 fe80::1 fd00:ec2::254 ::ffff:169.254.169.254 ::ffff:0:a9fe:a9fe 100.100.100.200 \
             168.63.129.16 ::ffff:168.63.129.16 fd20:ce::254",
        ),
        (
            Class::Unusable,
            "0.0.0.0 0.1.2.3 224.0.0.1 255.255.255.255 240.0.0.1 :: ff02::1 2001:0:4136:e378::1",
        ),
    ];
    for (class, addresses) in table {
        for address in addresses.split(' ') {
            assert_eq!(classify(address.parse().unwrap()), class, "{address}");
        }
    }
}

#[test]
fn a_02_a_realm_on_another_public_host_is_allowed_with_a_warning() {
    let registry = origin("https://reg.example.com");
    let other = realm(&registry, None, "https://auth.other.test/token", NONE).unwrap();
    assert!(other.warning.unwrap().contains("auth.other.test"));
    assert_eq!(other.addresses, AddressPolicy::Public(None));
    assert_eq!(realm(&registry, None, "https://auth.example.com/token", NONE).unwrap().warning, None);
    let hub = Origin::of_registry("docker.io", true).unwrap();
    assert_eq!(realm(&hub, None, "https://auth.docker.io/token", NONE).unwrap().warning, None);
    let pinned = ["auth.example.com".to_owned()];
    assert!(realm(&registry, None, "https://auth.example.com/token", &pinned).is_ok());
    let error = realm(&registry, None, "https://auth.other.test/token", &pinned).unwrap_err();
    assert_eq!(error.kind(), Kind::Policy);
    assert!(error.message().contains("auth.other.test") && error.message().contains("token_hosts"));
}

#[test]
fn a_03_no_http_realm_for_an_https_registry() {
    let registry = origin("https://reg.example.com");
    assert_eq!(kind(realm(&registry, None, "http://reg.example.com/token", NONE)), Kind::Policy);
    assert_eq!(
        kind(realm(&registry, None, "http://auth.example.com/", &["auth.example.com".to_owned()])),
        Kind::Policy
    );
    assert!(realm(&registry, None, "https://reg.example.com:8443/token", NONE).is_ok());
    assert_eq!(realm(&registry, None, "/token", NONE).unwrap().url.as_str(), "https://reg.example.com/token");
}

#[test]
fn a_04_realms_on_private_and_metadata_addresses() {
    let registry = origin("https://reg.example.com");
    for host in [
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
        "0x7f.1",
        "127.1",
        "0.0.0.0",
        "10.0.0.5",
        "100.64.0.1",
        "localhost",
        "x.localhost",
        "2130706433",
        "[::1]",
        "[fe80::1]",
    ] {
        for scheme in ["http", "https"] {
            let text = format!("{scheme}://{host}/latest/meta-data");
            assert_eq!(kind(realm(&registry, None, &text, NONE)), Kind::Policy, "{text}");
        }
    }
    // The twin: a registry that is itself on a private address may send us to another one.
    let private = origin("https://10.0.0.1");
    assert!(realm(&private, Some(Class::Private), "https://10.0.0.5/token", NONE).is_ok());
    assert_eq!(kind(realm(&private, Some(Class::Private), "https://169.254.169.254/", NONE)), Kind::Policy);
}

#[test]
fn a_05_realms_of_a_registry_on_loopback() {
    let registry = origin("http://127.0.0.1:5000");
    let own = Some(Class::Loopback);
    assert!(realm(&registry, own, "http://127.0.0.1:5000/token", NONE).is_ok());
    assert_eq!(kind(realm(&registry, own, "http://127.0.0.1:9090/token", NONE)), Kind::Policy);
    let listed = ["127.0.0.1:9090".to_owned()];
    assert!(realm(&registry, own, "http://127.0.0.1:9090/token", &listed).is_ok());
    assert_eq!(kind(realm(&registry, own, "http://localhost.evil.test/token", NONE)), Kind::Policy);
    assert_eq!(kind(realm(&registry, own, "http://localhost.evil.test/token", &listed)), Kind::Policy);
}

#[test]
fn a_06_realms_that_are_no_web_addresses() {
    let registry = origin("https://reg.example.com");
    for text in [
        "file:///etc/passwd",
        "ftp://reg.example.com/",
        "https://u:p@reg.example.com/",
        "https://",
        "data:,x",
        "://bad",
        "1:2",
        "https://reg.example.com:99999/",
    ] {
        assert_eq!(kind(realm(&registry, None, text, NONE)), Kind::Policy, "{text}");
    }
    // The twins: a path may have a colon.
    for text in ["/token:1", "token?a=:b", "./token:1"] {
        assert_eq!(
            realm(&registry, None, text, NONE).unwrap().url.host_str(),
            Some("reg.example.com"),
            "{text}"
        );
    }
}

#[test]
fn a_09_upload_locations() {
    let registry = origin("https://reg.test:8443");
    let request = url("https://reg.test:8443/v2/a/blobs/uploads/");
    let to = |text: &str, hosts: &[String]| location(&registry, &request, text, hosts);
    // Behind a TLS proxy: scheme and port are restored (Q30).
    for text in [
        "http://reg.test/v2/a/u?x=1",
        "https://reg.test:5000/v2/a/u?x=1",
        "/v2/a/u?x=1",
        "//reg.test/v2/a/u?x=1",
    ] {
        let location = to(text, NONE).unwrap();
        assert_eq!(
            (location.url.as_str(), location.own),
            ("https://reg.test:8443/v2/a/u?x=1", true),
            "{text}"
        );
    }
    assert_eq!(kind(to("https://other.test/u", NONE)), Kind::Policy);
    let listed = ["other.test".to_owned()];
    assert!(!to("https://other.test/u", &listed).unwrap().own);
    assert_eq!(kind(to("http://other.test:443/u", &listed)), Kind::Policy);
}

#[test]
fn r_14_upload_locations_in_every_form() {
    let registry = origin("http://127.0.0.1:5000");
    let request = url("http://127.0.0.1:5000/v2/a/blobs/uploads/");
    let to = |text: &str| location(&registry, &request, text, NONE);
    assert_eq!(to("uploads/x").unwrap().url.path(), "/v2/a/blobs/uploads/uploads/x");
    assert_eq!(to("x").unwrap().url.path(), "/v2/a/blobs/uploads/x");
    assert_eq!(to("?state=1").unwrap().url.as_str(), "http://127.0.0.1:5000/v2/a/blobs/uploads/?state=1");
    assert_eq!(to("/v2/x").unwrap().url.path(), "/v2/x");
    for text in ["", "javascript:alert(1)", "data:,x", "http://[", &"a".repeat(1 << 20)] {
        assert_eq!(kind(to(text)), Kind::Protocol, "{}", &text[..text.len().min(20)]);
    }
    assert_eq!(kind(to("//host/x")), Kind::Policy);
}

#[test]
fn r_24_and_a_16_redirects_are_checked_at_every_hop() {
    let registry = origin("https://reg.test");
    let from = url("https://reg.test/v2/a/blobs/x");
    let addresses = AddressPolicy::Public(None);
    assert!(!redirect(&registry, &from, "https://cdn.test/x", addresses, None).unwrap().own);
    assert!(redirect(&registry, &from, "/x", addresses, None).unwrap().own);
    assert_eq!(kind(redirect(&registry, &from, "http://cdn.test/x", addresses, None)), Kind::Policy);
    let location = url("https://cdn.test/x");
    for text in ["https://10.0.0.1/", "https://169.254.169.254/", "https://localhost/", "http://cdn.test/"] {
        assert_eq!(kind(redirect(&registry, &location, text, addresses, None)), Kind::Policy, "{text}");
    }
    // A credential would go along on the same origin only: other port, scheme, host, sub-domain (A-10…A-13).
    for text in ["https://reg.test:444/x", "https://sub.reg.test/x", "https://reg.test.evil/x"] {
        assert!(!redirect(&registry, &from, text, addresses, None).unwrap().own, "{text}");
    }
    let local = origin("http://127.0.0.1:5000");
    let from = url("http://127.0.0.1:5000/x");
    // Another scheme on the same port.
    let loopback = AddressPolicy::Public(Some(Class::Loopback));
    assert!(!redirect(&local, &from, "https://127.0.0.1:5000/x", loopback, None).unwrap().own);
    assert!(redirect(&local, &from, "http://127.0.0.1:5000/y", loopback, None).unwrap().own);
    assert!(
        redirect(
            &local,
            &from,
            "http://127.0.0.1:9000/x",
            AddressPolicy::Public(Some(Class::Loopback)),
            None
        )
        .is_ok()
    );
}

#[test]
fn r_23_redirects_to_what_is_not_http() {
    let registry = origin("https://reg.test");
    let from = url("https://reg.test/v2/a/blobs/x");
    for text in ["file:///etc/passwd", "data:,x", "ftp://x/y", ""] {
        assert_eq!(
            kind(redirect(&registry, &from, text, AddressPolicy::Any, None)),
            Kind::Protocol,
            "{text}"
        );
    }
}

#[test]
fn a_15_the_next_page_is_on_the_same_origin() {
    let registry = origin("https://reg.test");
    let request = url("https://reg.test/v2/a/tags/list");
    assert!(link(&registry, &request, "/v2/a/tags/list?last=x").is_ok());
    for text in
        ["https://other.test/", "http://reg.test/", "https://reg.test:8443/", "http://169.254.169.254/"]
    {
        assert_eq!(kind(link(&registry, &request, text)), Kind::Policy, "{text}");
    }
}
