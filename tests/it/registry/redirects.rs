//! Where servers send us, and what goes along.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use cldoci::oci::Descriptor;
use cldoci::options::Options;
use cldoci::registry::Names;
use cldoci::{Error, Kind};

use super::help::{noise, read, repository, run, upload, with_options};
use crate::harness::evil::{Act, Evil, answer, head};

/// Names for a test: each look-up takes the next of a name's answers, the last for ever.
struct Table(Mutex<HashMap<&'static str, Vec<&'static str>>>);

impl Table {
    fn of(rows: &[(&'static str, &[&'static str])]) -> Arc<Self> {
        Arc::new(Self(Mutex::new(rows.iter().map(|(name, answers)| (*name, answers.to_vec())).collect())))
    }
}

impl Names for Table {
    fn look_up(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut table = self.0.lock().unwrap();
        let answers = table.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        let now = if answers.len() > 1 { answers.remove(0) } else { answers[0] };
        Ok(now.split(' ').map(|address| address.parse().unwrap()).collect())
    }
}

fn redirect(status: u16, location: &str) -> Vec<Act> {
    answer(status, &[("Location", location)], "")
}

#[test]
fn r_23_redirects_end_after_five() {
    let bytes = noise(100);
    let chain = |length: usize| {
        let bytes = bytes.clone();
        let server = Evil::start(move |seen| {
            if seen.index < length {
                redirect(307, &format!("/hop/{}", seen.index))
            } else {
                answer(200, &[], &bytes)
            }
        });
        let found = run(async {
            let descriptor = Descriptor::of("a/b", &noise(100));
            let reader = repository(&server.host(), &[]).read_blob(&descriptor, 0).await?;
            read(reader).await
        });
        (found, server.log().len())
    };
    assert_eq!(chain(5).0.unwrap(), noise(100));
    for length in [6, 11, usize::MAX] {
        let (found, requests) = chain(length);
        let error = found.unwrap_err();
        assert_eq!((error.kind(), requests), (Kind::Protocol, 6));
    }
    for location in ["file:///etc/passwd", "data:,x", "ftp://127.0.0.1/", "", "http://["] {
        let server = Evil::start(move |_| redirect(302, location));
        let error = run(async { repository(&server.host(), &[]).get_manifest("v1").await.unwrap_err() });
        assert_eq!(error.kind(), Kind::Protocol, "{location}");
    }
    for status in [301, 302, 303, 307, 308] {
        let server = Evil::start(move |_| answer(status, &[], ""));
        let error = run(async { repository(&server.host(), &[]).get_manifest("v1").await.unwrap_err() });
        assert_eq!(error.kind(), Kind::Protocol);
        assert!(error.message().contains("without a usable Location"), "{error}");
        assert_eq!(server.log().len(), 1);
    }
}

#[test]
fn r_23_two_servers_that_send_us_to_one_another() {
    let first = Arc::new(Mutex::new(String::new()));
    let second = Evil::start({
        let first = first.clone();
        move |seen| redirect(307, &format!("http://{}{}", first.lock().unwrap(), seen.path))
    });
    let location = format!("http://{}", second.host());
    let server = Evil::start(move |seen| redirect(307, &format!("{location}{}", seen.path)));
    *first.lock().unwrap() = server.host();
    let error = run(async {
        let descriptor = Descriptor::of("a/b", &noise(100));
        repository(&server.host(), &[]).read_blob(&descriptor, 0).await.err().unwrap()
    });
    assert_eq!(error.kind(), Kind::Protocol, "{error}");
    assert!(error.message().contains("more than 5 redirects"), "{error}");
    assert_eq!((server.log().len(), second.log().len()), (3, 3));
}

#[test]
fn r_24_never_from_https_to_http() {
    let sink = Evil::start(|_| answer(200, &[], noise(100)));
    let location = format!("http://{}/x", sink.host());
    let server = Evil::start_tls(&["localhost", "127.0.0.1"], move |_| redirect(307, &location));
    run(async {
        let mut options = Options::new();
        options.set_host(&server.host(), "insecure", "true").unwrap();
        let repository = with_options(&server.host(), &options, None);
        let descriptor = Descriptor::of("a/b", &noise(100));
        let error = repository.read_blob(&descriptor, 0).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Policy);
    });
    assert_eq!((server.log().len(), sink.log().len()), (1, 0));

    // With a credential too, and the twin: to https again, where nothing of the registry's goes along.
    let safe = Evil::start_tls(&["localhost", "127.0.0.1"], |_| answer(200, &[], noise(100)));
    for (location, fine) in
        [(format!("http://{}/x", sink.host()), false), (format!("https://{}/x", safe.host()), true)]
    {
        let server = Evil::start_tls(&["localhost", "127.0.0.1"], move |seen| {
            match seen.header("authorization") == Some("Bearer canary") {
                true => redirect(307, &location),
                false => answer(401, &[("WWW-Authenticate", r#"Bearer realm="/token""#)], ""),
            }
        });
        let mut options = Options::new();
        for host in [server.host(), safe.host()] {
            options.set_host(&host, "insecure", "true").unwrap();
        }
        options.set_host(&server.host(), "registry_token", "canary").unwrap();
        run(async {
            let repository = with_options(&server.host(), &options, None);
            let descriptor = Descriptor::of("a/b", &noise(100));
            match repository.read_blob(&descriptor, 0).await {
                Ok(reader) => assert!(fine && read(reader).await.unwrap() == noise(100)),
                Err(error) => assert!(!fine && error.kind() == Kind::Policy, "{error}"),
            }
        });
    }
    assert_eq!((safe.log().len(), sink.log().len()), (1, 0));
    assert_eq!(safe.log()[0].header("authorization"), None);
}

#[test]
fn r_25_writes_follow_only_what_repeats_them() {
    for (status, fine) in [(301, false), (302, false), (303, false), (307, true), (308, true)] {
        let server = Evil::start(move |seen| match (seen.method.as_str(), seen.path.as_str()) {
            ("POST", _) => answer(202, &[("Location", "/upload/1?state=a")], ""),
            ("PUT", path) if path.starts_with("/upload/1") => redirect(status, "/upload/2?state=b"),
            _ => answer(201, &[], ""),
        });
        let bytes = noise(600_000);
        run(async {
            // Larger than what is probed for, and not there: HEAD is answered by the rule for all else.
            let repository = repository(&server.host(), &[("retries", "0")]);
            let descriptor = Descriptor::of("a/b", &bytes);
            let source = Arc::new(cldoci::registry::BytesSource(bytes.clone().into()));
            let result = repository.upload_blob_again(&descriptor, source).await;
            let log = server.log();
            if fine {
                result.unwrap();
                let last = log.last().unwrap();
                assert!(last.path.starts_with("/upload/2?state=b") && last.body == bytes, "{}", last.path);
            } else {
                assert_eq!(result.unwrap_err().kind(), Kind::Protocol, "{status}");
                tokio::task::block_in_place(|| server.wait_for(|seen| seen.method == "DELETE"));
                let lines = server.lines();
                assert_eq!(lines[2..], ["DELETE /upload/1?state=a"], "what was begun is cancelled (Q43)");
            }
        });
    }
}

#[test]
fn r_25_a_begin_and_a_part_of_an_upload_too() {
    for method in ["POST", "PATCH"] {
        for (status, fine) in [(301, false), (302, false), (303, false), (307, true), (308, true)] {
            let server = Evil::start(move |seen| match (seen.method.as_str(), seen.path.as_str()) {
                ("HEAD", _) => vec![Act::Send(head(404, &[("Content-Length", "0")]))],
                (now, path) if now == method && !path.starts_with("/again") => {
                    redirect(status, "/again?x=%2F")
                }
                // So that it is tried by PATCH.
                ("PUT", _) if !seen.body.is_empty() && method == "PATCH" => answer(404, &[], ""),
                ("POST", _) => answer(202, &[("Location", "/upload")], ""),
                ("PATCH", _) => answer(202, &[("Location", "/end")], ""),
                _ => answer(201, &[], ""),
            });
            let bytes = noise(600_000);
            let result =
                run(async { upload(&repository(&server.host(), &[("retries", "0")]), &bytes).await });
            let again: Vec<_> =
                server.log().into_iter().filter(|seen| seen.path.starts_with("/again")).collect();
            if fine {
                result.unwrap();
                assert_eq!(
                    (again.len(), again[0].method.as_str(), &*again[0].path),
                    (1, method, "/again?x=%2F")
                );
                assert!(method == "POST" || again[0].body == bytes, "all of it, from its start");
            } else {
                let error = result.unwrap_err();
                assert_eq!((error.kind(), error.http_status()), (Kind::Protocol, Some(status)), "{error}");
                assert!(again.is_empty(), "{method} {status}");
            }
        }
    }
}

#[test]
fn a_08_a_name_that_resolves_to_a_private_address_is_refused_at_connect() {
    let bytes = noise(100);
    let served = bytes.clone();
    let sink = Evil::start(move |_| [answer(200, &[], &served), vec![Act::Close]].concat());
    let port = sink.port();
    let to = Arc::new(Mutex::new("rebind.test"));
    let server = Evil::start({
        let to = to.clone();
        move |_| redirect(307, &format!("http://{}:{port}/x", to.lock().unwrap()))
    });
    let names = Table::of(&[
        ("reg.test", &["127.0.0.1"]),
        ("rebind.test", &["127.0.0.1", "10.0.0.5"]),
        ("private.test", &["192.168.1.1"]),
        ("metadata.test", &["169.254.169.254"]),
        ("mixed.test", &["10.0.0.5 127.0.0.1 169.254.169.254"]),
        ("local.test", &["127.0.0.1"]),
    ]);
    run(async {
        let host = format!("reg.test:{}", server.port());
        let mut options = Options::new();
        options.set("plain_http_hosts", &host).unwrap();
        let repository = with_options(&host, &options, Some(names.clone()));
        let descriptor = Descriptor::of("a/b", &bytes);
        let get = || async { read(repository.read_blob(&descriptor, 0).await?).await };
        // The registry's own address is loopback, so that another one is in reach.
        assert_eq!(get().await.unwrap(), bytes);
        for next in ["rebind.test", "private.test", "metadata.test"] {
            *to.lock().unwrap() = next;
            let error: Error = get().await.unwrap_err();
            assert_eq!(error.kind(), Kind::Policy, "{error}");
        }
        // A token endpoint by such a name: of a registry on loopback none but its own host is in reach.
        for realm in ["private.test", "metadata.test", "local.test"] {
            let challenge = format!(r#"Bearer realm="https://{realm}:{port}/token""#);
            let server = Evil::start(move |_| answer(401, &[("WWW-Authenticate", &challenge)], ""));
            let host = format!("reg.test:{}", server.port());
            let mut options = Options::new();
            options.set("plain_http_hosts", &host).unwrap();
            let repository = with_options(&host, &options, Some(names.clone()));
            let error = repository.get_manifest("v1").await.unwrap_err();
            assert_eq!(error.kind(), Kind::Policy, "{error}");
            assert!(error.message().contains(realm), "{error}");
            assert_eq!(server.log().len(), 1);
        }
        // Only the address that passes is connected to.
        *to.lock().unwrap() = "mixed.test";
        assert_eq!(get().await.unwrap(), bytes);
    });
    assert_eq!(sink.log().len(), 2);
}

#[test]
fn a_04_and_a_16_addresses_out_of_reach() {
    for location in
        ["http://169.254.169.254/latest", "http://10.0.0.5/x", "http://[fd00:ec2::254]/", "http://0.0.0.0/"]
    {
        let server = Evil::start(move |seen| match seen.index {
            0 => redirect(307, "/again"),
            _ => redirect(307, location),
        });
        let error = run(async {
            let descriptor = Descriptor::of("a/b", &noise(100));
            repository(&server.host(), &[]).read_blob(&descriptor, 0).await.unwrap_err()
        });
        assert_eq!(error.kind(), Kind::Policy, "{location}");
        assert_eq!(server.log().len(), 2);
    }
}

#[test]
fn a_16_a_second_hop_to_a_name_with_a_private_address() {
    let bytes = noise(100);
    let sink = Evil::start({
        let bytes = bytes.clone();
        move |_| answer(200, &[], &bytes)
    });
    let port = sink.port();
    for (name, fine) in [("fine.test", true), ("private.test", false), ("metadata.test", false)] {
        let before = sink.log().len();
        // The registry leads to another server, and that one on.
        let between = Evil::start(move |_| redirect(307, &format!("http://{name}:{port}/x")));
        let location = format!("http://between.test:{}/y", between.port());
        let server = Evil::start(move |_| redirect(307, &location));
        let host = format!("reg.test:{}", server.port());
        let names = Table::of(&[
            ("reg.test", &["127.0.0.1"]),
            ("between.test", &["127.0.0.1"]),
            ("fine.test", &["127.0.0.1"]),
            // One look-up decides: a second one would lead to the sink.
            ("private.test", &["10.0.0.5", "127.0.0.1"]),
            ("metadata.test", &["169.254.169.254", "127.0.0.1"]),
        ]);
        let mut options = Options::new();
        options.set("plain_http_hosts", &host).unwrap();
        let found = run(async {
            let repository = with_options(&host, &options, Some(names));
            let descriptor = Descriptor::of("a/b", &bytes);
            read(repository.read_blob(&descriptor, 0).await?).await
        });
        assert_eq!((server.log().len(), between.log().len()), (1, 1), "{name}");
        if fine {
            assert_eq!(found.unwrap(), bytes);
        } else {
            let error = found.unwrap_err();
            assert_eq!(error.kind(), Kind::Policy, "{error}");
            assert!(error.message().contains(name), "{error}");
        }
        assert_eq!(sink.log().len() - before, usize::from(fine), "{name}");
    }
}

#[test]
fn a_10_a_11_a_12_a_13_what_is_the_registrys_does_not_go_along() {
    let bytes = noise(100);
    let refuses = Arc::new(Mutex::new(false));
    let sink = Evil::start({
        let (bytes, refuses) = (bytes.clone(), refuses.clone());
        move |_| match *refuses.lock().unwrap() {
            false => answer(200, &[], &bytes),
            true => answer(401, &[("WWW-Authenticate", r#"Bearer realm="/token""#)], ""),
        }
    });
    let port = sink.port();
    // The registry's name, and where it leads: another port, another host, a host below its own, one above it.
    for (own, host) in [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "localhost"),
        ("127.0.0.1", "sub.localhost"),
        ("localhost", "sub.localhost"),
        ("sub.localhost", "localhost"),
    ] {
        let before = sink.log().len();
        let server = Evil::start(move |seen| match seen.header("authorization") {
            Some("Bearer canary") => redirect(307, &format!("http://{host}:{port}/x")),
            _ => answer(401, &[("WWW-Authenticate", r#"Bearer realm="/token""#)], ""),
        });
        let own = format!("{own}:{}", server.port());
        run(async {
            let mut options = Options::new();
            for name in [own.clone(), format!("{host}:{port}")] {
                options.set_host(&name, "header", "X-Secret=canary").unwrap();
                options.set_host(&name, "registry_token", "canary").unwrap();
            }
            let repository = with_options(&own, &options, None);
            let descriptor = Descriptor::of("a/b", &bytes);
            let get = || async { read(repository.read_blob(&descriptor, 0).await?).await };
            assert_eq!(get().await.unwrap(), bytes);
            // A challenge there is no reason to look for a credential of that host: there is one.
            *refuses.lock().unwrap() = true;
            assert_eq!(get().await.unwrap_err().kind(), Kind::Unauthorized);
            *refuses.lock().unwrap() = false;
        });
        assert_eq!(server.log()[0].header("x-secret"), Some("canary"));
        assert_eq!(sink.log().len(), before + 2);
        for seen in &sink.log()[before..] {
            for name in ["x-secret", "authorization", "referer", "cookie"] {
                assert_eq!(seen.header(name), None, "{host}");
            }
        }
    }
}

#[test]
fn a_14_a_challenge_at_the_end_of_a_redirect_gets_no_answer() {
    // With the realm of the registry itself, and one of its own.
    for real in [true, false] {
        let realm = Arc::new(Mutex::new("/token".to_owned()));
        let sink = Evil::start({
            let realm = realm.clone();
            move |_| {
                let challenge = format!(r#"Bearer realm="{}",service="s""#, realm.lock().unwrap());
                answer(401, &[("WWW-Authenticate", &challenge)], "")
            }
        });
        let location = format!("http://{}/x", sink.host());
        let server = Evil::start(move |seen| match seen.header("authorization") {
            _ if seen.path.starts_with("/token") => answer(200, &[], r#"{"token":"canary"}"#),
            Some("Bearer canary") => redirect(307, &location),
            _ => answer(401, &[("WWW-Authenticate", r#"Bearer realm="/token",service="s""#)], ""),
        });
        if real {
            *realm.lock().unwrap() = format!("http://{}/token", server.host());
        }
        let error = run(async {
            let descriptor = Descriptor::of("a/b", &noise(100));
            repository(&server.host(), &[]).read_blob(&descriptor, 0).await.unwrap_err()
        });
        assert_eq!(error.kind(), Kind::Unauthorized);
        // Asked, challenged, one token, asked again: and then no more.
        assert_eq!((server.log().len(), sink.log().len()), (3, 1), "{:?}", server.lines());
        assert_eq!(sink.log()[0].header("authorization"), None);
    }
}

#[test]
fn a_09_an_upload_goes_to_the_registrys_own_host_or_to_a_listed_one() {
    let other = Evil::start(|_| answer(201, &[], ""));
    let other_host = format!("localhost:{}", other.port());
    // The same host, another port and scheme: what the request had is restored (Q30).
    let server = Evil::start(|seen| match seen.method.as_str() {
        "POST" => answer(202, &[("Location", "https://127.0.0.1:1/upload?state=1")], ""),
        "HEAD" => answer(404, &[], ""),
        _ => answer(201, &[], ""),
    });
    run(async { upload(&repository(&server.host(), &[]), b"{}").await.unwrap() });
    assert!(server.lines()[2].starts_with("PUT /upload?state=1&digest=sha256:"), "{:?}", server.lines());

    let location = format!("http://{other_host}/upload?state=1");
    let server = Evil::start(move |seen| match seen.method.as_str() {
        "HEAD" => answer(404, &[], ""),
        _ => answer(202, &[("Location", &location)], ""),
    });
    let mut options = Options::new();
    options.set_host(&server.host(), "header", "X-Secret=canary").unwrap();
    let error =
        run(async { upload(&with_options(&server.host(), &options, None), b"{}").await.unwrap_err() });
    assert_eq!(error.kind(), Kind::Policy);
    assert!(error.message().contains("upload_hosts"), "{error}");
    assert_eq!(other.log().len(), 0);

    options.set("upload_hosts", &other_host).unwrap();
    run(async { upload(&with_options(&server.host(), &options, None), b"{}").await.unwrap() });
    let seen = &other.log()[0];
    assert_eq!((seen.method.as_str(), seen.body.as_slice()), ("PUT", b"{}".as_slice()));
    assert!(seen.header("x-secret").is_none() && seen.header("authorization").is_none());
}
