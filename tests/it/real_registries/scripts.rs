//! Servers that can't be started here, by what they answer where they differ: the whole workflow on each. The table
//! "Servers" of docs/registry-quirks.md says where the rest of each is tested.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use cldoci::Kind;
use cldoci::oci::media_type;

use super::workflow::whole;
use crate::harness::evil::{Act, Seen, answer};
use crate::harness::ours::{Ours, refused};
use crate::harness::registry::{Manners, Registry, error};
use crate::harness::trees::tree;

/// It has the referrers API and mounts; with the API off, clients keep the list.
#[test]
fn the_workflow_on_what_olareg_answers() {
    for referrers in [true, false] {
        let registry = Registry::with(Manners { referrers, ..Manners::default() }, |_| None);
        assert_eq!(whole(&Ours::new(), &registry.host()).blobs_mounted, 2);
    }
}

/// It answers 429 to what comes faster than its rate, without saying how long to wait.
#[test]
fn the_workflow_on_olareg_with_a_rate() {
    let (asked, refusals) = (AtomicUsize::new(0), std::sync::Arc::new(AtomicUsize::new(0)));
    let registry = Registry::with(Manners::default(), {
        let refusals = refusals.clone();
        move |_| {
            (asked.fetch_add(1, Ordering::SeqCst) % 20 == 19).then(|| {
                refusals.fetch_add(1, Ordering::SeqCst);
                error(429, "TOOMANYREQUESTS")
            })
        }
    });
    let ours = Ours::new();
    let source = ours.path("source");
    fs::create_dir(&source).unwrap();
    tree(&source);
    let artifact = ours.build(&source).unwrap().artifact();
    for round in 0..6 {
        let at = format!("{}/org/orders:v{round}", registry.host());
        ours.push(&artifact, &at).unwrap();
        ours.pull(&at, &ours.path(&format!("pulled {round}"))).unwrap();
    }
    assert!(refusals.load(Ordering::SeqCst) > 1);
}

/// Where it keeps a blob once for each repository it mounts nothing: a mount is the begin of an upload.
#[test]
fn the_workflow_on_what_zot_answers() {
    let registry = Registry::with(Manners { mount: 202, ..Manners::default() }, |_| None);
    assert_eq!(whole(&Ours::new(), &registry.host()).blobs_uploaded, 2);
}

/// It takes no manifest of Docker's: the media type is named, and nothing else is wrong with the copy.
#[test]
fn zot_takes_no_manifest_of_docker_s() {
    let docker = media_type::DOCKER_MANIFEST;
    let takes = |all: bool| {
        Registry::with(Manners::default(), move |seen: &Seen| {
            let theirs = seen.method == "PUT" && seen.header("content-type") == Some(docker);
            (theirs && !all).then(|| error(415, "MANIFEST_INVALID"))
        })
    };
    let from = takes(true);
    from.put_blob("a", b"{}");
    let config = cldoci::oci::Descriptor::of("application/vnd.docker.container.image.v1+json", b"{}");
    let bytes = serde_json::json!({"schemaVersion": 2, "mediaType": docker, "config": config, "layers": []});
    from.put_manifest("a", "v1", docker, bytes.to_string().as_bytes());
    let source = format!("{}/a:v1", from.host());
    let ours = Ours::new();
    let (picky, easy) = (takes(false), takes(true));
    refused(ours.copy(&source, &format!("{}/a:v1", picky.host())), Kind::Unsupported, docker);
    ours.copy(&source, &format!("{}/a:v1", easy.host())).unwrap();
}

/// No referrers API, no parts of blobs, a page of tags that leads on to an empty one, tokens by GET for the scope `*`,
/// which alone it asks for.
#[test]
fn the_workflow_on_what_gitea_answers() {
    let guarded = |seen: &Seen| {
        let shown = seen.header("authorization").unwrap_or_default();
        match seen.path.starts_with("/v2/token") {
            true if seen.method == "POST" => Some(error(405, "UNSUPPORTED")),
            true if shown.starts_with("Basic ") => Some(answer(200, &[], r#"{"token":"canary-token"}"#)),
            false if shown == "Bearer canary-token" => None,
            _ => {
                let challenge = r#"Bearer realm="/v2/token",service="container_registry",scope="*""#;
                let said = r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#;
                Some(answer(401, &[("WWW-Authenticate", challenge)], said))
            }
        }
    };
    let registry =
        Registry::with_each(Manners { referrers: false, ..Manners::default() }, move |seen, acts| {
            guarded(seen).unwrap_or_else(|| {
                match seen.path.contains("/tags/list") && !seen.path.contains("last=") {
                    true => leading_on(acts, &seen.path),
                    false => acts,
                }
            })
        });
    let ours = Ours::setting(|options| {
        options.set_host(&registry.host(), "username", "u").unwrap();
        options.set_host(&registry.host(), "password", "canary").unwrap();
    });
    assert_eq!(whole(&ours, &registry.host()).blobs_mounted, 2);
    let asked = registry.server.lines();
    assert!(asked.iter().any(|line| line.contains("last=zz")), "{asked:?}");
    let token = asked.iter().find(|line| line.contains("/v2/token")).unwrap();
    assert!(token.starts_with("GET ") && token.contains("&scope=*"), "{token}");
    // Who may not write gets words that are no JSON.
    let denied = Registry::with(Manners::default(), |seen: &Seen| {
        (seen.method == "POST").then(|| answer(401, &[("WWW-Authenticate", "Basic")], "reqPackageAccess"))
    });
    let tree = ours.path("source");
    let error = ours.build_and_push(&tree, &format!("{}/alice/app:v1", denied.host())).unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthorized);
}

/// The answer with a `Link` to another page.
fn leading_on(acts: Vec<Act>, path: &str) -> Vec<Act> {
    let path = path.split('?').next().unwrap();
    let link = format!(" X\r\nLink: <{path}?last=zz>; rel=\"next\"\r\n");
    acts.into_iter()
        .map(|act| match act {
            Act::Send(bytes) => {
                let end = bytes.windows(4).position(|four| four == b" X\r\n").unwrap();
                Act::Send([&bytes[..end], link.as_bytes(), &bytes[end + 4..]].concat())
            }
            other => other,
        })
        .collect()
}

/// Distribution that is read-only, a pull-through cache, olareg without deletes: a write ends at once, reads go on.
#[test]
fn what_is_read_only_says_so_at_the_first_write() {
    let registry = Registry::with(Manners::default(), |seen: &Seen| {
        let writes = !["GET", "HEAD"].contains(&&*seen.method) && seen.path.contains("/app/");
        writes.then(|| error(405, "UNSUPPORTED"))
    });
    let ours = Ours::new();
    let source = ours.path("source");
    fs::create_dir(&source).unwrap();
    tree(&source);
    let at = |name: &str| format!("{}/{name}:v1", registry.host());
    // The twin: a repository that is written to.
    let digest = ours.build_and_push(&source, &at("other")).unwrap().digest();
    let begun = registry.server.log().len();
    let refusal = refused(ours.build_and_push(&source, &at("app/x")), Kind::Unsupported, "405");
    assert_eq!((refusal.http_status(), refusal.retryable()), (Some(405), false));
    assert_eq!(registry.server.log()[begun..].iter().filter(|seen| seen.method == "POST").count(), 1);
    refused(ours.delete(&format!("{}/app/x@{digest}", registry.host())), Kind::Unsupported, "405");
    assert!(ours.exists(&at("other")).unwrap().exists.unwrap());
}

/// Each test that the table of servers names is there.
#[test]
fn the_table_of_servers_names_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/registry-quirks.md")).unwrap();
    let table = page.split("## Servers").nth(1).unwrap().split("\n## ").next().unwrap();
    let cited: Vec<_> = table
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'))
        .flat_map(|line| line.rsplit('|').nth(1).unwrap().split('`').skip(1).step_by(2))
        .collect();
    assert!(cited.len() > 20, "{cited:?}");
    for test in cited {
        let (file, name) = test.rsplit_once("::").unwrap();
        let text = fs::read_to_string(root.join(format!("tests/it/{file}.rs"))).unwrap_or_default();
        assert!(text.contains(&format!("fn {name}(")), "no test {test}");
    }
}
