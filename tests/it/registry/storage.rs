//! The option download_hosts: storage that a registry may send reads of blobs to though its address is private or it
//! speaks plain http (R-24, A-08, A-16).

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use cldoci::oci::{Descriptor, media_type};
use cldoci::options::Options;
use cldoci::registry::Names;
use cldoci::{Error, Kind};

use super::help::{noise, read, run, with_options};
use crate::harness::evil::{Act, Evil, answer};

struct Table(HashMap<&'static str, &'static str>);

impl Names for Table {
    fn look_up(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = self.0.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(found.split(' ').map(|address| address.parse().unwrap()).collect())
    }
}

fn redirect(location: &str) -> Vec<Act> {
    answer(307, &[("Location", location)], "")
}

/// Names of the tests: a registry on this machine by a name that does not say so.
fn names(rows: &[(&'static str, &'static str)]) -> Arc<dyn Names> {
    Arc::new(Table(rows.iter().copied().collect()))
}

/// A registry of https that needs a credential and redirects blobs and manifests.
fn registry(location: &str) -> Evil {
    let location = location.to_owned();
    Evil::start_tls(&["reg.test", "127.0.0.1"], move |seen| match seen.header("authorization") {
        Some("Bearer canary") => redirect(&location),
        _ => answer(401, &[("WWW-Authenticate", r#"Bearer realm="/token""#)], ""),
    })
}

fn options(server: &Evil, download_hosts: &str) -> (String, Options) {
    let host = format!("reg.test:{}", server.port());
    let mut options = Options::new();
    options.set_host(&host, "insecure", "true").unwrap();
    options.set_host(&host, "registry_token", "canary").unwrap();
    options.set("download_hosts", download_hosts).unwrap();
    options.set("retries", "0").unwrap();
    (host, options)
}

const HOME: (&str, &str) = ("reg.test", "127.0.0.1");

fn blob(
    server: &Evil,
    download_hosts: &str,
    rows: &[(&'static str, &'static str)],
) -> Result<Vec<u8>, Error> {
    let (host, options) = options(server, download_hosts);
    let repository = with_options(&host, &options, Some(names(rows)));
    let descriptor = Descriptor::of("a/b", &noise(100));
    run(async { read(repository.read_blob(&descriptor, 0).await?).await })
}

#[test]
fn r_24_storage_that_is_named_may_speak_plain_http() {
    let storage = Evil::start(|_| answer(200, &[], noise(100)));
    let server = registry(&format!("http://{}/bucket", storage.host()));
    // Not named, and named in part: refused, with the cure.
    for hosts in ["", "127.0.0.1", "127.0.0.1:1", "0.0.1"] {
        let error = blob(&server, hosts, &[HOME]).unwrap_err();
        assert_eq!(error.kind(), Kind::Policy, "{hosts}");
        assert!(error.message().contains("the option download_hosts"), "{error}");
    }
    assert!(storage.log().is_empty());
    assert_eq!(blob(&server, &format!("x.test, {}", storage.host()), &[HOME]).unwrap(), noise(100));
    // No credential went there, and what comes is still the digest's to judge.
    assert!(storage.log().iter().all(|seen| seen.header("authorization").is_none()));
    let lies = Evil::start(|_| answer(200, &[], &noise(101)[1..]));
    let server = registry(&format!("http://{}/bucket", lies.host()));
    assert_eq!(blob(&server, &lies.host(), &[HOME]).unwrap_err().kind(), Kind::Digest);
}

#[test]
fn a_08_storage_that_is_named_may_have_a_private_address() {
    // The registry is on the Internet, as far as its address tells; a name leads to the storage.
    let storage = Evil::start(|_| answer(200, &[], noise(100)));
    let location = format!("http://s3.corp.test:{}/bucket", storage.port());
    let server = registry(&location);
    let private = ("s3.corp.test", "127.0.0.1");
    let named = format!("s3.corp.test:{}", storage.port());
    assert_eq!(blob(&server, &named, &[HOME, private]).unwrap(), noise(100));
    // A name that comes to mean a cloud's metadata is refused though it is listed; the address, listed, is meant.
    for address in ["169.254.169.254", "168.63.129.16", "0.0.0.0", "fe80::1"] {
        let error = blob(&server, &named, &[HOME, ("s3.corp.test", address)]).unwrap_err();
        assert_eq!(error.kind(), Kind::Policy, "{address}: {error}");
    }
}

#[test]
fn a_16_each_hop_is_checked_by_itself() {
    let sink = Evil::start(|_| answer(200, &[], noise(100)));
    let second = format!("http://{}/second", sink.host());
    let first = Evil::start(move |_| redirect(&second));
    let server = registry(&format!("http://{}/first", first.host()));
    // https, then named http, then http that nobody named: the registry is https still.
    let error = blob(&server, &first.host(), &[HOME]).unwrap_err();
    assert_eq!(error.kind(), Kind::Policy, "{error}");
    assert_eq!((first.log().len(), sink.log().len()), (1, 0));
    let both = format!("{},{}", first.host(), sink.host());
    assert_eq!(blob(&server, &both, &[HOME]).unwrap(), noise(100));
}

#[test]
fn r_24_a_manifest_may_not_come_from_there() {
    let storage = Evil::start(|_| answer(200, &[("Content-Type", media_type::OCI_MANIFEST)], "{}"));
    let server = registry(&format!("http://{}/x", storage.host()));
    let (host, options) = options(&server, &storage.host());
    let repository = with_options(&host, &options, Some(names(&[HOME])));
    let error = run(async { repository.get_manifest("v1").await.unwrap_err() });
    assert_eq!(error.kind(), Kind::Policy, "{error}");
    assert!(!error.message().contains("download_hosts"), "{error}");
    assert!(storage.log().is_empty());
}

/// A registry's first address is private and dead, and another answers: it is where that one is (G4).
#[test]
fn a_08_the_address_that_answered_decides() {
    let trap = Evil::start(|_| answer(200, &[], noise(100)));
    let location = format!("http://{}/x", trap.host());
    let server = Evil::start(move |_| redirect(&location));
    let host = format!("reg.test:{}", server.port());
    let get = |addresses: &'static str| {
        let mut options = Options::new();
        options.set("plain_http_hosts", &host).unwrap();
        options.set("retries", "0").unwrap();
        options.set("connect_timeout_ms", "2000").unwrap();
        let repository = with_options(&host, &options, Some(names(&[("reg.test", addresses)])));
        let descriptor = Descriptor::of("a/b", &noise(100));
        run(async { read(repository.read_blob(&descriptor, 0).await?).await })
    };
    // On this machine it may send us to this machine, whatever else DNS says.
    for addresses in ["127.0.0.1", "127.0.0.1 203.0.113.5", "198.18.0.1 127.0.0.1"] {
        assert_eq!(get(addresses).unwrap(), noise(100), "{addresses}");
    }
    // And to no private network, though the first of its addresses is in one.
    let server = Evil::start(|_| redirect("http://198.18.0.2/x"));
    let host = format!("reg.test:{}", server.port());
    let mut options = Options::new();
    options.set("plain_http_hosts", &host).unwrap();
    options.set("retries", "0").unwrap();
    options.set("connect_timeout_ms", "2000").unwrap();
    let repository = with_options(&host, &options, Some(names(&[("reg.test", "198.18.0.1 127.0.0.1")])));
    let descriptor = Descriptor::of("a/b", &noise(100));
    let error = run(async { repository.read_blob(&descriptor, 0).await.err().unwrap() });
    assert_eq!(error.kind(), Kind::Policy, "{error}");
}
