//! Mirrors of a registry: who is read, in which order, with what, and what their bytes are worth (Q116).

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cldoci::Kind;

use crate::harness::evil::{Act, Seen, answer};
use crate::harness::ours::Ours;
use crate::harness::random::Random;
use crate::harness::registry::{Manners, Registry, error};

/// A client with these mirrors of `upstream`, and an artifact of some layers.
fn client(upstream: &str, mirrors: &str, more: &[(&str, &str)]) -> Ours {
    Ours::setting(|options| {
        options.set_host(upstream, "mirrors", mirrors).unwrap();
        for (name, value) in more {
            options.set(name, value).unwrap();
        }
    })
}

/// Fills a registry with `team/app:v1` at `repository`, of a tree with this text.
fn fill(registry: &Registry, repository: &str, text: &str) -> String {
    let ours = Ours::new();
    let tree = ours.path("tree");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("file"), text).unwrap();
    // Not to be compressed away: a blob that can break in its middle.
    let noise = Random(7).bytes(900_000);
    fs::write(tree.join("noise"), noise).unwrap();
    let built = ours.build(&tree).unwrap();
    ours.push(&built.artifact(), &format!("{}/{repository}:v1", registry.host())).unwrap();
    built.digest()
}

fn pulled(ours: &Ours, at: &str, name: &str) -> Result<String, cldoci::Error> {
    let out = ours.path(name);
    ours.pull(at, &out)?;
    Ok(fs::read_to_string(out.join("file")).unwrap())
}

fn paths(registry: &Registry, from: usize) -> Vec<String> {
    registry.server.log()[from..].iter().map(Seen::line).collect()
}

#[test]
fn q116_reads_go_to_the_mirror_and_writes_to_the_registry() {
    let (upstream, mirror) = (Registry::start(), Registry::start());
    let digest = fill(&mirror, "hub/team/app", "of the mirror");
    let host = upstream.host();
    let ours = client(&host, &format!("{}/hub?ns", mirror.host()), &[]);
    let begun = mirror.server.log().len();
    let at = format!("{host}/team/app:v1");
    assert_eq!(pulled(&ours, &at, "out").unwrap(), "of the mirror");
    assert_eq!(ours.resolve(&at).unwrap().digest(), digest);
    assert_eq!(ours.list_tags(&at).unwrap().tags, ["v1"]);
    assert!(upstream.server.log().is_empty(), "{:?}", upstream.server.lines());
    let asked = paths(&mirror, begun);
    let named = format!("ns={}", host.replace(':', "%3A"));
    assert!(
        asked.iter().all(|line| line.contains("/v2/hub/team/app/") && line.contains(&named)),
        "{asked:?}"
    );

    // Writes: the mirror sees none.
    let begun = mirror.server.log().len();
    let tree = ours.path("tree");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("file"), "pushed").unwrap();
    ours.build_and_push(&tree, &format!("{host}/team/app:v2")).unwrap();
    assert!(mirror.server.log()[begun..].iter().all(|seen| matches!(seen.method.as_str(), "GET" | "HEAD")));
    assert!(upstream.tagged("team/app", "v2").is_some());
}

/// The next page of a list is asked for with one `ns`, whether the mirror's link has it or not.
#[test]
fn q116_each_page_of_a_list_names_the_registry_once() {
    for keeps in [true, false] {
        let mirror = Registry::with(Manners::default(), move |seen: &Seen| {
            let path = seen.path.split(if keeps { "#" } else { "&ns=" }).next().unwrap();
            let link = format!(r#"<{path}&last=a>; rel="next""#);
            Some(match seen.path.contains("last=a") {
                true => answer(200, &[], r#"{"tags":["b"]}"#),
                false => answer(200, &[("Link", &link)], r#"{"tags":["a"]}"#),
            })
        });
        let ours = client("reg.test", &format!("{}?ns", mirror.host()), &[]);
        assert_eq!(ours.list_tags("reg.test/team/app").unwrap().tags, ["a", "b"]);
        let asked = paths(&mirror, 0);
        let once = |line: &String| line.matches("ns=reg.test").count() == 1;
        assert!(asked.len() == 2 && asked.iter().all(once), "{asked:?}");
    }
}

#[test]
fn q116_the_next_is_asked_where_one_can_t_be_reached_or_does_not_have_it() {
    let upstream = Registry::start();
    fill(&upstream, "team/app", "of the registry");
    let at = format!("{}/team/app:v1", upstream.host());
    // Nobody listens there once it is gone.
    let gone = Registry::start().host();
    assert_eq!(pulled(&client(&upstream.host(), &gone, &[]), &at, "out").unwrap(), "of the registry");
    for status in [404, 429, 500, 503] {
        let bad = Registry::with(Manners::default(), move |_| Some(error(status, "TOOMANYREQUESTS")));
        let good = Registry::start();
        fill(&good, "team/app", "of the second mirror");
        let both = format!("{},{}", bad.host(), good.host());
        assert_eq!(
            pulled(&client(&upstream.host(), &both, &[]), &at, "out").unwrap(),
            "of the second mirror"
        );
        let first = client(&upstream.host(), &bad.host(), &[("retries", "0")]);
        assert_eq!(pulled(&first, &at, "out").unwrap(), "of the registry", "{status}");
        assert!(!bad.server.log().is_empty());
    }
    // What nobody has is the registry's to say.
    let empty = Registry::start();
    let ours = client(&upstream.host(), &empty.host(), &[]);
    let missing = ours.resolve(&format!("{}/team/app:v9", upstream.host())).unwrap_err();
    assert_eq!((missing.kind(), missing.http_status()), (Kind::NotFound, Some(404)));
    assert!(missing.message().contains(&upstream.host()), "{missing}");
}

/// A mirror has the manifest and not the layer, or breaks off in the middle of it.
#[test]
fn q116_a_blob_comes_from_the_next_one_also_from_its_middle_on() {
    let upstream = Registry::start();
    fill(&upstream, "team/app", "the same");
    let at = format!("{}/team/app:v1", upstream.host());
    let absent = Registry::with(Manners::default(), |seen: &Seen| {
        (seen.method == "GET" && seen.path.contains("/blobs/sha256")).then(|| error(404, "BLOB_UNKNOWN"))
    });
    fill(&absent, "team/app", "the same");
    let ours = client(&upstream.host(), &absent.host(), &[]);
    let before = upstream.server.log().len();
    assert_eq!(pulled(&ours, &at, "out").unwrap(), "the same");
    assert!(
        paths(&upstream, before).iter().all(|line| line.contains("/blobs/")),
        "{:?}",
        paths(&upstream, before)
    );

    let broken = Arc::new(AtomicBool::new(false));
    let breaking = Registry::with_each(Manners::default(), {
        let broken = broken.clone();
        move |seen, acts| match (seen.method.as_str(), &acts[..]) {
            ("GET", [Act::Send(bytes)]) if seen.path.contains("/blobs/") && bytes.len() > 400_000 => {
                broken.store(true, Ordering::SeqCst);
                vec![Act::Send(bytes[..400_000].to_vec()), Act::Close]
            }
            _ => acts,
        }
    });
    fill(&breaking, "team/app", "the same");
    let ours = client(&upstream.host(), &breaking.host(), &[("retries", "0")]);
    let before = upstream.server.log().len();
    assert_eq!(pulled(&ours, &at, "again").unwrap(), "the same");
    assert!(broken.load(Ordering::SeqCst));
    let log = upstream.server.log();
    let resumed = log[before..].iter().filter(|seen| seen.header("range").is_some()).count();
    assert_eq!(resumed, 1, "{:?}", paths(&upstream, before));
}

#[test]
fn q116_each_has_its_own_credential_and_none_of_another() {
    let challenge = "Basic realm=\"x\"".to_owned();
    // u:canary-mirror
    let own = Manners {
        auth: Some(("Basic dTpjYW5hcnktbWlycm9y".to_owned(), challenge.clone())),
        ..Manners::default()
    };
    let mirror = Registry::with(Manners::default(), |_| None);
    let digest = fill(&mirror, "team/app", "of the mirror");
    drop(digest);
    let guarded = Registry::with(own, |_| None);
    let upstream = Registry::start();
    fill(&upstream, "team/app", "of the registry");
    let at = format!("{}/team/app:v1", upstream.host());
    let with = |secret: &str| {
        Ours::setting(|options| {
            options.set_host(&upstream.host(), "mirrors", &guarded.host()).unwrap();
            for (host, secret) in [(upstream.host(), "canary-upstream"), (guarded.host(), secret)] {
                options.set_host(&host, "username", "u").unwrap();
                options.set_host(&host, "password", secret).unwrap();
            }
        })
    };
    // The mirror takes it, has nothing, and the registry serves.
    assert_eq!(pulled(&with("canary-mirror"), &at, "out").unwrap(), "of the registry");
    // It refuses it: a warning, and the registry serves.
    assert_eq!(pulled(&with("canary-old"), &at, "out").unwrap(), "of the registry");
    // u:canary-upstream, in each of base64's three phases
    for seen in guarded.server.log() {
        let shown = seen.header("authorization").unwrap_or_default();
        assert!(!shown.contains("dTpjYW5hcnktdXBzdHJlYW0"), "{seen:?}");
    }
    assert!(guarded.server.log().iter().any(|seen| seen.header("authorization").is_some()));
}

#[test]
fn q116_digests_decide_and_a_tag_is_the_first_one_s_unless_the_registry_is_to_be_asked() {
    let (upstream, mirror) = (Registry::start(), Registry::start());
    let of_upstream = fill(&upstream, "team/app", "of the registry");
    let of_mirror = fill(&mirror, "team/app", "of the mirror");
    let tag = format!("{}/team/app:v1", upstream.host());
    let resolve = |more: &[(&str, &str)]| {
        client(&upstream.host(), &mirror.host(), more).resolve(&tag).unwrap().digest()
    };
    assert_eq!(resolve(&[]), of_mirror);
    assert_eq!(resolve(&[("tags_from_mirrors", "false")]), of_upstream);
    // A mirror that lies about a digest is passed over with a warning.
    let bytes = br#"{"schemaVersion":2,"config":{},"layers":[]}"#;
    let liar = Registry::with(Manners::default(), move |seen: &Seen| {
        (seen.method == "GET")
            .then(|| answer(200, &[("Content-Type", "application/vnd.oci.image.manifest.v1+json")], bytes))
    });
    let ours = client(&upstream.host(), &liar.host(), &[]);
    let at = format!("{}/team/app@{of_upstream}", upstream.host());
    assert_eq!(pulled(&ours, &at, "out").unwrap(), "of the registry");
}

#[test]
fn q116_what_is_no_mirror_is_refused_before_any_request() {
    for bad in ["https://m.test", "m.test:x", "m.test/UPPER", "m test", "m.test/a?x", "?ns", "/a"] {
        let error = cldoci::options::Options::new().set_host("reg.test", "mirrors", bad).unwrap_err();
        assert_eq!(error.kind(), Kind::Argument, "{bad}: {error}");
        assert!(error.message().contains("'mirrors'") && error.message().contains(bad), "{error}");
    }
}
