//! What goes through a proxy, and what it learns.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use cldoci::oci::{Descriptor, media_type};
use cldoci::options::{Environment, Options, Settings};
use cldoci::registry::{Names, Registry};
use cldoci::{Error, Kind};

use super::help::{manifest, open, run};
use crate::harness::evil::{Act, Evil, answer};

/// `Basic u:canary`
const BASIC: &str = "Basic dTpjYW5hcnk=";

fn good() -> Vec<Act> {
    let bytes = manifest(&Descriptor::of(media_type::EMPTY, b"{}"), &[]);
    answer(200, &[("Content-Type", media_type::OCI_MANIFEST)], bytes)
}

/// Every name is this machine, without being so by its name.
struct Here;

impl Names for Here {
    fn look_up(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(vec!["127.0.0.1".parse().unwrap()])
    }
}

fn get(host: &str, options: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<(), Error> {
    let mut set = Options::new();
    for (name, value) in options {
        set.set(name, value).unwrap();
    }
    get_with(host, &set, environment)
}

fn get_with(host: &str, options: &Options, environment: &[(&str, &str)]) -> Result<(), Error> {
    let settings = Settings::for_client(options, Environment::of(environment.iter().copied())).unwrap();
    let registry = Registry::with(&settings, Some(Arc::new(Here)), None).unwrap();
    run(async { open(&registry, &settings, host, "test/app").get_manifest("v1").await.map(drop) })
}

#[test]
fn a_29_a_proxy_gets_its_credentials_and_nobody_else_does() {
    let proxy = Evil::start(|_| good());
    let direct = Evil::start(|_| good());
    let url = format!("http://u:canary@{}", proxy.host());
    let host = format!("direct.test:{}", direct.port());
    let plain = ("plain_http_hosts", format!("reg.test,{host}"));
    let plain = (plain.0, plain.1.as_str());

    // The option.
    get("reg.test", &[plain, ("proxy", &url)], &[]).unwrap();
    let seen = &proxy.log()[0];
    assert_eq!(seen.line(), "GET http://reg.test/v2/test/app/manifests/v1");
    assert_eq!(seen.header("proxy-authorization"), Some(BASIC));
    assert_eq!(seen.header("authorization"), None);

    // The environment, and what it excepts.
    let environment = [("HTTP_PROXY", url.as_str()), ("NO_PROXY", "other.test,direct.test")];
    get("reg.test", &[plain], &environment).unwrap();
    assert_eq!(proxy.log()[1].header("proxy-authorization"), Some(BASIC));
    get(&host, &[plain], &environment).unwrap();
    assert_eq!((proxy.log().len(), direct.log().len()), (2, 1));
    assert_eq!(direct.log()[0].header("proxy-authorization"), None);
    // The twin: without the exception it goes to the proxy.
    get(&host, &[plain], &environment[..1]).unwrap();
    assert_eq!((proxy.log().len(), direct.log().len()), (3, 1));

    // The other names of the variables; in a CGI program one of them is a header of its request.
    for (variables, through) in [
        (vec![("http_proxy", url.as_str())], 1),
        (vec![("ALL_PROXY", url.as_str())], 1),
        (vec![("HTTP_PROXY", url.as_str()), ("REQUEST_METHOD", "GET")], 0),
        (vec![("http_proxy", url.as_str()), ("REQUEST_METHOD", "GET")], 1),
        (vec![("http_proxy", url.as_str()), ("no_proxy", "*")], 0),
    ] {
        let before = (proxy.log().len(), direct.log().len());
        get(&host, &[plain], &variables).unwrap();
        let after = (proxy.log().len(), direct.log().len());
        assert_eq!(after, (before.0 + through, before.1 + 1 - through), "{variables:?}");
    }

    // Both ways to have none.
    let before = (proxy.log().len(), direct.log().len());
    get(&host, &[plain, ("environment", "false")], &environment[..1]).unwrap();
    get(&host, &[plain, ("proxy", "off")], &environment[..1]).unwrap();
    assert_eq!((proxy.log().len(), direct.log().len()), (before.0, before.1 + 2));
    assert!(direct.log().iter().all(|seen| seen.header("proxy-authorization").is_none()));
}

/// A proxy for one tunnel, which it leads to `to`; gives the head of the request.
fn tunnel(to: SocketAddr) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let client = listener.accept().unwrap().0;
        let mut reader = BufReader::new(client.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0);
        }
        (&client).write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let server = TcpStream::connect(to).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _ = std::io::copy(&mut reader, &mut &server);
                let _ = server.shutdown(Shutdown::Write);
            });
            let _ = std::io::copy(&mut &server, &mut &client);
            let _ = client.shutdown(Shutdown::Write);
        });
        head
    });
    (address, thread)
}

#[test]
fn a_29_in_a_tunnel_the_registry_does_not_see_the_proxys_credentials() {
    let server = Evil::start_tls(&["reg.test"], |_| good());
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(server.certificate.as_ref().unwrap().as_bytes()).unwrap();
    let (proxy, head) = tunnel(server.host().parse().unwrap());
    let url = format!("http://u:canary@{proxy}");
    let ca = [("ca_file", file.path().to_str().unwrap())];
    get("reg.test", &ca, &[("HTTPS_PROXY", url.as_str())]).unwrap();
    let head = head.join().unwrap();
    assert!(head.starts_with("CONNECT reg.test:443 HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("proxy-authorization: basic "), "{head}");
    assert!(head.contains(BASIC), "{head}");
    assert_eq!(server.log().len(), 1);
    assert_eq!(server.log()[0].header("proxy-authorization"), None);
}

#[test]
fn a_29_a_407_is_told_as_the_proxys() {
    let proxy = Evil::start(|_| answer(407, &[("Proxy-Authenticate", "Basic realm=\"x\"")], ""));
    let url = format!("http://u:canary@{}", proxy.host());
    // As an answer to the request, and to the one for a tunnel.
    for plain in ["reg.test", ""] {
        let before = proxy.log().len();
        let error = get("reg.test", &[("plain_http_hosts", plain), ("proxy", &url)], &[]).unwrap_err();
        assert_eq!((error.kind(), error.http_status()), (Kind::Unauthorized, Some(407)), "{error}");
        assert!(error.message().contains(&format!("the proxy http://{}", proxy.host())), "{error}");
        assert!(error.message().contains("option proxy"), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        assert_eq!(proxy.log().len(), before + 1);
    }
}

#[test]
fn a_proxy_out_of_reach_is_named() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://u:canary@{address}");
    let options = [("plain_http_hosts", "reg.test"), ("proxy", url.as_str()), ("retries", "0")];
    let error = get("reg.test", &options, &[]).unwrap_err();
    assert_eq!(error.kind(), Kind::Network);
    assert!(error.message().contains(&format!("through the proxy http://{address}")), "{error}");
    assert!(!error.message().contains("canary"), "{error}");
}

#[test]
fn a_29_what_was_set_for_a_host_does_not_go_to_a_proxy_of_https() {
    let refuse = || answer(407, &[], "");
    let answers = move |seen: &crate::harness::evil::Seen| match seen.method.as_str() {
        "CONNECT" => refuse(),
        _ => good(),
    };
    let (proxy, plain_proxy) = (Evil::start_tls(&["proxy.test"], answers), Evil::start(answers));
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).unwrap();
        directory.path().join(name).to_str().unwrap().to_owned()
    };
    let ca = file("ca.pem", proxy.certificate.as_ref().unwrap());
    let own = rcgen::generate_simple_self_signed(["client.test".to_owned()]).unwrap();
    let certificate = file("client.pem", &(own.cert.pem() + &own.signing_key.serialize_pem()));
    let url = format!("https://u:canary@proxy.test:{}", proxy.port());
    let options = |proxy: &str, host: &[(&str, &str)]| {
        let mut set = Options::new();
        set.set("proxy", proxy).unwrap();
        set.set("ca_file", &ca).unwrap();
        set.set("plain_http_hosts", "plain.test").unwrap();
        for (name, value) in host {
            set.set_host("reg.test", name, value).unwrap();
            set.set_host("plain.test", name, value).unwrap();
        }
        set
    };
    let settings = [("insecure", "true"), ("host_ca_file", &ca), ("client_cert", &certificate)];
    for setting in settings {
        let error = get_with("reg.test", &options(&url, &[setting]), &[]).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported, "{error}");
        let says = format!("the proxy https://proxy.test:{}", proxy.port());
        assert!(error.message().contains(&says) && !error.message().contains("canary"), "{error}");
        assert!(proxy.log().is_empty());
        // The twin: a proxy that is spoken to in plain words only leads on.
        let before = plain_proxy.log().len();
        let url = format!("http://{}", plain_proxy.host());
        let error = get_with("reg.test", &options(&url, &[setting]), &[]).unwrap_err();
        assert_eq!(error.http_status(), Some(407), "{error}");
        assert_eq!(plain_proxy.log().len(), before + 1);
    }
    // The other twin: nothing was set for the host.
    let error = get_with("reg.test", &options(&url, &[]), &[]).unwrap_err();
    assert_eq!(error.http_status(), Some(407), "{error}");
    assert_eq!(proxy.lines(), ["CONNECT reg.test:443"]);
    // Over plain http to the registry the only TLS is the proxy's: it is verified, whatever the host's options say.
    get_with("plain.test", &options(&url, &settings), &[]).unwrap();
    let mut untrusting = options(&url, &[("insecure", "true"), ("host_ca_file", &ca)]);
    untrusting.set("ca_file", &certificate).unwrap();
    let error = get_with("plain.test", &untrusting, &[]).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "{error}");
    assert_eq!(proxy.log().len(), 2);
}
