//! Manifests that change, lie about what they name, or name what is not there.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cldoci::oci::{ArtifactKind, Descriptor, Digest, media_type};
use cldoci::{Artifact, ArtifactBuilder, Kind, Layer, Result};

use super::{LAYER, artifact, is_layer, pull, pull_refused, serve};
use crate::harness::evil::{Act, Seen, answer, head};
use crate::harness::ours::{Done, Ours, layout};
use crate::harness::registry::{Manners, Registry, error};

/// A registry whose `org/app:v1` is another manifest each time it is asked for, and what it gave.
fn moving() -> (Registry, Arc<Mutex<Vec<Digest>>>) {
    let versions: Vec<Vec<u8>> = (0..20)
        .map(|n: u32| artifact(|m| drop(m.annotations.insert("n".to_owned(), n.to_string()))).0)
        .collect();
    let given: Arc<Mutex<Vec<Digest>>> = Arc::default();
    let registry = Registry::with(Manners::default(), {
        let (versions, given) = (versions.clone(), given.clone());
        move |seen| {
            if !seen.path.ends_with("/org/app/manifests/v1") {
                return None;
            }
            let mut given = given.lock().unwrap();
            let bytes = &versions[given.len()];
            given.push(Digest::of(bytes));
            let (length, digest) = (bytes.len().to_string(), Digest::of(bytes).to_string());
            let mut sent = head(
                200,
                &[
                    ("Content-Type", media_type::OCI_MANIFEST),
                    ("Content-Length", &length),
                    ("Docker-Content-Digest", &digest),
                ],
            );
            if seen.method != "HEAD" {
                sent.extend_from_slice(bytes);
            }
            Some(vec![Act::Send(sent)])
        }
    });
    for (n, bytes) in versions.iter().enumerate() {
        registry.put_manifest("org/app", &format!("n{n}"), media_type::OCI_MANIFEST, bytes);
    }
    registry.put_blob("org/app", LAYER);
    registry.put_blob("org/app", b"{}");
    (registry, given)
}

#[test]
fn r_02_a_tag_is_resolved_once_by_every_verb() {
    let (registry, given) = moving();
    let ours = Ours::new();
    let place = |name: &str| format!("{}/org/{name}:v1", registry.host());
    let (from, other) = (place("app"), place("other"));
    let (copy, out) = (layout(&ours.path("layout"), "v1"), ours.path("out"));
    let subject = ArtifactBuilder::new(ArtifactKind::Component).config(b"{}".to_vec()).finish().unwrap();
    let once = |what: &str, verb: &dyn Fn() -> Result<Done>| {
        let before = given.lock().unwrap().len();
        let done = verb().unwrap_or_else(|error| panic!("{what}: {error}"));
        let now = given.lock().unwrap()[before..].to_vec();
        assert_eq!(now.len(), 1, "{what}");
        (done, now[0].clone())
    };
    let same = |what: &str, verb: &dyn Fn() -> Result<Done>| {
        let (done, now) = once(what, verb);
        assert_eq!(done.digest.as_ref(), Some(&now), "{what}");
        now
    };
    same("pull", &|| ours.pull(&from, &out));
    // Into one that has an older version: it is looked whether it is still the same.
    same("pull again", &|| ours.given(&[("existing", "replace")]).pull(&from, &out));
    same("inspect", &|| ours.inspect(&from));
    same("resolve", &|| ours.resolve(&from));
    same("exists", &|| ours.exists(&from));
    same("copy", &|| ours.copy(&from, &copy));
    let tagged = same("tag", &|| ours.tag(&from, &other));
    assert_eq!(registry.tagged("org/other", "v1"), Some(tagged.to_string()));
    same("referrers", &|| ours.referrers(&from));
    // Their digests are the new artifact's and the config's.
    once("attach", &|| ours.attach(&subject, &from));
    once("pull_config", &|| ours.pull_config(&from));
}

#[test]
fn r_04_digests_of_a_server_that_are_none_make_no_request() {
    let good = Digest::of(LAYER).to_string();
    let hex = &good["sha256:".len()..];
    let bad = [
        format!("sha256:{}", &hex[1..]),
        format!("sha256:{hex}a"),
        format!("sha256:{}", hex.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")),
        "sha256:../../x".to_owned(),
        "sha256:a/b?x=1#f".to_owned(),
        format!("SHA256:{hex}"),
        "md5:d41d8cd98f00b204e9800998ecf8427e".to_owned(),
        format!("sha256:{hex}:{hex}"),
        format!("sha256:{}", "a".repeat(1 << 20)),
        String::new(),
    ];
    let config = Digest::of(b"{}").to_string();
    let (whole, _) = artifact(|_| ());
    let whole = String::from_utf8(whole).unwrap();
    let child = Descriptor::of(media_type::OCI_MANIFEST, whole.as_bytes());
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}}"#,
        media_type::OCI_INDEX,
        serde_json::to_string(&child).unwrap()
    );
    let documents = [
        (&whole, &good, media_type::OCI_MANIFEST),
        (&whole, &config, media_type::OCI_MANIFEST),
        (&index, &child.digest.to_string(), media_type::OCI_INDEX),
    ];
    for digest in &bad {
        for (document, right, media_type) in documents {
            let body = document.replace(right.as_str(), digest);
            let registry = Registry::with(Manners::default(), move |seen| {
                let wanted = seen.path.ends_with("/manifests/v1");
                wanted.then(|| answer(200, &[("Content-Type", media_type)], &body))
            });
            let reference = format!("{}/org/app:v1", registry.host());
            let error = pull_refused(&Ours::new(), &reference, Kind::Protocol, "the manifest");
            assert!(error.message().len() < 2000, "{}", error.message().len());
            assert_eq!(registry.server.log().len(), 1, "{digest:.80}");
        }
    }
}

#[test]
fn r_20_a_damaged_partial_download_costs_one_more_and_no_more() {
    let layer: Vec<u8> =
        (0..20_u32 << 18).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    // What is served: first a half and a break, then all, or the part that is asked for.
    let served = |bytes: Vec<u8>| {
        let (manifest, _) = artifact(|manifest| {
            let title = manifest.layers[0].annotations.clone();
            manifest.layers[0] = Descriptor::of("application/octet-stream", &layer);
            manifest.layers[0].annotations = title;
        });
        let (asked, half) = (AtomicUsize::new(0), bytes.len() / 2);
        let path = format!("/blobs/{}", Digest::of(&layer));
        let registry = Registry::with(Manners::default(), move |seen| {
            if seen.method != "GET" || !seen.path.contains(&path) {
                return None;
            }
            if asked.fetch_add(1, Ordering::SeqCst) == 0 {
                let length = bytes.len().to_string();
                let cut = [head(200, &[("Content-Length", &length)]), bytes[..half].to_vec()].concat();
                return Some(vec![Act::Send(cut), Act::Reset]);
            }
            let start = seen
                .header("range")
                .and_then(|range| range.strip_prefix("bytes=")?.split_once('-')?.0.parse::<usize>().ok());
            Some(match start {
                None => answer(200, &[], &bytes),
                Some(start) => {
                    let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
                    answer(206, &[("Content-Range", &range)], &bytes[start..])
                }
            })
        });
        registry.put_manifest("org/app", "v1", media_type::OCI_MANIFEST, &manifest);
        registry.put_blob("org/app", b"{}");
        registry
    };
    let asked = |registry: &Registry| {
        let layers = |seen: &Seen| seen.path.contains(Digest::of(&layer).hex());
        let log = registry.server.log();
        log.iter().filter(|seen| layers(seen)).map(|seen| seen.header("range").is_some()).collect::<Vec<_>>()
    };
    let damage = |ours: &Ours| {
        let mut files = Vec::new();
        let mut places = vec![ours.path("store/partial")];
        while let Some(place) = places.pop() {
            for entry in fs::read_dir(place).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { places.push(path) } else { files.push(path) }
            }
        }
        files.sort_by_key(|path| path.metadata().unwrap().len());
        let path = files.pop().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        assert!(bytes.len() > 1 << 20, "it was kept");
        bytes[1000] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    let mut lying = layer.clone();
    *lying.last_mut().unwrap() ^= 1;
    for (bytes, ends) in [(layer.clone(), None), (lying, Some(Kind::Digest))] {
        let registry = served(bytes);
        let ours = Ours::with(&[("retries", "0"), ("ranges", "1"), ("resume_after_ms", "0")]);
        let reference = format!("{}/org/app:v1", registry.host());
        pull_refused(&ours, &reference, Kind::Network, "the connection broke");
        damage(&ours);
        match ends {
            None => {
                pull(&ours, &reference).unwrap();
                assert!(fs::read(ours.path("out/file")).unwrap() == layer);
            }
            Some(kind) => drop(pull_refused(&ours, &reference, kind, "digest")),
        }
        // The part that was missing, then all of it.
        assert_eq!(asked(&registry), [false, true, false]);
    }
}

#[test]
fn r_35_a_config_is_fetched_only_if_it_is_needed_and_only_up_to_its_limit() {
    let registry = serve(Manners::default(), |manifest| manifest.config.size = 5 << 30, |_| None);
    let reference = format!("{}/org/app:v1", registry.host());
    let lazy = || Ours::with(&[("fetch_config", "false")]);
    pull_refused(&Ours::new(), &reference, Kind::Limit, "max_config_bytes");
    let config_of = |reference: &str| Ours::new().pull_config(reference);
    assert_eq!(config_of(&reference).unwrap_err().kind(), Kind::Limit);
    assert!(pull(&lazy(), &reference).unwrap().artifact().config.is_none());
    let config = format!("/blobs/{}", Digest::of(b"{}"));
    assert!(registry.server.log().iter().all(|seen| !seen.path.ends_with(&config)), "not a byte of it");

    // More than was said.
    let small = |content: &'static [u8]| {
        move |manifest: &mut cldoci::oci::ImageManifest| {
            manifest.config = Descriptor::of("application/x.unheard-of+json", content);
        }
    };
    let long = serve(Manners::default(), small(b"[1,2]"), |seen| {
        let wanted = seen.path.ends_with(Digest::of(b"[1,2]").as_str());
        wanted.then(|| vec![Act::Send(head(200, &[])), Act::Repeat(vec![b' '; 1 << 16], 80_000), Act::Close])
    });
    let reference = format!("{}/org/app:v1", long.host());
    pull_refused(&Ours::with(&[("retries", "0")]), &reference, Kind::Size, "has 5 bytes");

    // A type that nobody knows: its bytes are given as they are.
    let unknown = serve(Manners::default(), small(b"[1,2]"), |_| None);
    unknown.put_blob("org/app", b"[1,2]");
    let reference = format!("{}/org/app:v1", unknown.host());
    let pulled = pull(&Ours::new(), &reference).unwrap().artifact();
    assert_eq!(pulled.config.as_deref(), Some(b"[1,2]".as_slice()));
    let alone = config_of(&reference).unwrap();
    assert_eq!(alone.bytes.as_deref(), Some(b"[1,2]".as_slice()));
    assert_eq!(alone.media_type.as_deref(), Some("application/x.unheard-of+json"));

    // The empty config under a digest that is not its own.
    let other = Digest::of(b"something else");
    let lying = serve(
        Manners::default(),
        |manifest| manifest.config.digest = Digest::of(b"something else"),
        move |seen| seen.path.ends_with(other.as_str()).then(|| answer(200, &[], "{}")),
    );
    let reference = format!("{}/org/app:v1", lying.host());
    pull_refused(&Ours::new(), &reference, Kind::Digest, "digest");
    pull(&lazy(), &reference).unwrap();
}

/// A registry that says that it has every blob, and tells only of the manifest that it has not; `mends`: what is
/// really sent to it is there.
fn forgetful(status: u16, mends: bool) -> Registry {
    let (puts, sent) = (AtomicUsize::new(0), AtomicUsize::new(0));
    Registry::with(Manners::default(), move |seen| {
        let first = puts.load(Ordering::SeqCst) == 0;
        match seen.method.as_str() {
            "HEAD" if seen.path.contains("/blobs/") && first => {
                Some(vec![Act::Send(head(200, &[("Content-Length", "0")]))])
            }
            "POST" if seen.path.contains("mount=") && first => Some(answer(201, &[("Location", "/x")], "")),
            "PUT" if seen.path.contains("/manifests/") => {
                puts.fetch_add(1, Ordering::SeqCst);
                let there = mends && sent.load(Ordering::SeqCst) > 0;
                (!there).then(|| error(status, "MANIFEST_BLOB_UNKNOWN"))
            }
            "PUT" => {
                sent.fetch_add(1, Ordering::SeqCst);
                None
            }
            _ => None,
        }
    })
}

#[test]
fn r_36_blobs_that_were_said_to_be_there_are_sent_and_the_manifest_once_more() {
    let layer = Layer::from_bytes("application/octet-stream", LAYER);
    let config = br#"{"a":1}"#.to_vec();
    let built = ArtifactBuilder::new(ArtifactKind::Component).config(config).layer(layer).finish().unwrap();
    for (status, mends) in [(400, true), (404, true), (400, false), (404, false)] {
        let registry = forgetful(status, mends);
        let ours = Ours::new();
        let pushed = ours.push(&built, &format!("{}/org/app:v1", registry.host()));
        let log = registry.server.log();
        let puts =
            log.iter().filter(|seen| seen.method == "PUT" && seen.path.contains("/manifests/")).count();
        assert_eq!(puts, 2, "once more, and no more");
        assert_eq!(registry.blob("org/app", &Digest::of(LAYER)).as_deref(), Some(LAYER));
        match mends {
            true => {
                pushed.unwrap();
                assert_eq!(registry.tagged("org/app", "v1"), Some(built.digest.to_string()));
            }
            false => {
                let error = pushed.unwrap_err();
                assert_eq!((error.kind(), error.http_status()), (Kind::Protocol, Some(status)), "{error}");
                assert_eq!(error.registry_code(), Some("MANIFEST_BLOB_UNKNOWN"));
            }
        }
    }
}

/// Three requests, as one by one, but at once and none that writes: what is gone or says something else is pushed as ever.
#[test]
fn what_a_client_has_pushed_it_asks_for_and_sends_only_where_it_is_gone() {
    let layer = Layer::from_bytes("application/octet-stream", LAYER);
    let config = br#"{"a":1}"#.to_vec();
    let build = |text: &str| {
        let builder = ArtifactBuilder::new(ArtifactKind::Component).config(config.clone());
        builder.layer(layer.clone()).annotation("a", text).finish().unwrap()
    };
    let (built, other) = (build("one"), build("other"));
    let (registry, ours) = (Registry::start(), Ours::new());
    let push = |ours: &Ours, artifact: &Artifact, name: &str| {
        let before = registry.server.log().len();
        let done = ours.push(artifact, &format!("{}/org/{name}", registry.host())).unwrap();
        let log = registry.server.log().split_off(before);
        let (heads, rest): (Vec<_>, Vec<_>) =
            log.iter().map(|seen| seen.method.as_str()).partition(|method| *method == "HEAD");
        (heads.len(), rest.join(" "), done.counters.blobs_skipped, done.counters.blobs_uploaded)
    };
    let all = |rest: &str| (3, rest.to_owned(), 2, 0);
    let usual = || (0, "POST POST PUT".to_owned(), 2, 0);
    assert_eq!(push(&ours, &built, "app:v1"), (1, "POST PUT POST PUT PUT".to_owned(), 0, 2));
    assert_eq!(push(&ours, &built, "app:v1"), all(""));
    assert_eq!(push(&ours, &built, "app:v2"), usual(), "of that name alone");
    assert_eq!(push(&ours.again(), &built, "app:v1"), usual(), "by that client alone");

    // Somebody else has moved the tag. The first no is enough: how many were asked by then is chance.
    assert_eq!(push(&ours.again(), &other, "app:v1"), usual());
    let (heads, rest, skipped, uploaded) = push(&ours, &built, "app:v1");
    assert_eq!(((1..=3).contains(&heads), rest, skipped, uploaded), (true, usual().1, 2, 0));
    assert_eq!(registry.tagged("org/app", "v1"), Some(built.digest.to_string()));

    registry.lose_blob("org/app", &Digest::of(LAYER));
    let (heads, rest, skipped, uploaded) = push(&ours, &built, "app:v1");
    assert_eq!(((1..=4).contains(&heads), skipped, uploaded), (true, 1, 1), "{rest}");
    assert_eq!(registry.blob("org/app", &Digest::of(LAYER)).as_deref(), Some(LAYER));
    assert_eq!(push(&ours, &built, "app:v1"), all(""));
}

/// A referrer that was taken out of its subject's list by somebody else is listed again.
#[test]
fn a_referrer_and_what_a_registry_does_not_confirm_are_pushed_again_as_if_new() {
    let config = br#"{"a":1}"#.to_vec();
    let builder = || ArtifactBuilder::new(ArtifactKind::Component).config(config.clone());
    let plain = builder().finish().unwrap();
    let subject = Descriptor::new(media_type::OCI_MANIFEST.to_owned(), plain.digest.clone(), 100);
    let referrer = builder().subject(subject).finish().unwrap();
    for (digest_header, artifact, asks) in
        [(true, &plain, true), (false, &plain, false), (true, &referrer, false)]
    {
        let registry = Registry::with(Manners { digest_header, ..Manners::default() }, |_| None);
        let ours = Ours::new();
        let reference = format!("{}/org/app:v1", registry.host());
        ours.push(artifact, &reference).unwrap();
        let before = registry.server.log().len();
        ours.push(artifact, &reference).unwrap();
        let puts = registry.server.log()[before..]
            .iter()
            .filter(|seen| seen.method == "PUT" && seen.path.ends_with("/manifests/v1"))
            .count();
        assert_eq!(puts, usize::from(!asks));
    }
}

/// Storage that is not followed keeps nobody from a push: what can't be known to be there is sent.
#[test]
fn r_24_what_is_asked_at_storage_that_is_refused_is_sent_again() {
    let bytes = vec![7; 100_000];
    let layer = Layer::from_bytes("application/octet-stream", &bytes);
    let config = br#"{"a":1}"#.to_vec();
    let built = ArtifactBuilder::new(ArtifactKind::Component).config(config).layer(layer).finish().unwrap();
    for (base, skipped) in [(None, 2), (Some("http://169.254.169.254".to_owned()), 1)] {
        let manners = Manners { redirect_blobs: base.clone(), ..Manners::default() };
        let (registry, ours) = (Registry::with(manners, |_| None), Ours::new());
        let reference = format!("{}/org/app:v1", registry.host());
        ours.push(&built, &reference).unwrap();
        let again = ours.push(&built, &reference).unwrap();
        assert_eq!(again.counters.blobs_skipped, skipped, "{base:?}: the small one is mounted from itself");
    }
}

#[test]
fn r_44_an_artifact_without_layers_and_one_with_an_empty_layer_travel_both_ways() {
    for empty_layer in [false, true] {
        let registry = Registry::start();
        let ours = Ours::new();
        let mut builder = ArtifactBuilder::new(ArtifactKind::Component).config(b"{}".to_vec());
        if empty_layer {
            let mut layer = Layer::from_bytes("application/octet-stream", b"");
            layer.descriptor.annotations.insert(media_type::ANNOTATION_TITLE.to_owned(), "empty".to_owned());
            builder = builder.layer(layer);
        }
        let built = builder.finish().unwrap();
        let reference = format!("{}/org/app:v1", registry.host());
        ours.push(&built, &reference).unwrap();
        let pulled = pull(&ours, &reference).unwrap();
        assert_eq!(pulled.digest, Some(built.digest));
        let found: Vec<_> = fs::read_dir(ours.path("out")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(found.len(), usize::from(empty_layer));
        if empty_layer {
            assert_eq!(registry.blob("org/app", &Digest::of(b"")).as_deref(), Some(&b""[..]));
            assert_eq!(fs::read(ours.path("out/empty")).unwrap(), b"");
        }
    }
}

#[test]
fn r_44_blobs_named_by_sha512_are_verified() {
    let sha512 = |bytes: &[u8]| {
        let mut hasher = cldoci::oci::Hasher::new(cldoci::oci::Algorithm::Sha512);
        hasher.update(bytes);
        hasher.finish()
    };
    let digest = sha512(LAYER);
    for (content, fine) in [(LAYER.to_vec(), true), (LAYER.to_ascii_uppercase(), false)] {
        let (named, asked) = (digest.clone(), digest.clone());
        let registry = serve(
            Manners::default(),
            move |manifest| manifest.layers[0].digest = named.clone(),
            move |seen| seen.path.ends_with(asked.as_str()).then(|| answer(200, &[], &content)),
        );
        let (ours, reference) = (Ours::new(), format!("{}/org/app:v1", registry.host()));
        match fine {
            true => drop(pull(&ours, &reference).unwrap()),
            false => drop(pull_refused(&ours, &reference, Kind::Digest, digest.as_str())),
        }
        assert!(registry.server.log().iter().all(|seen| !is_layer(seen)));
    }
}

#[test]
fn tags_that_list_referrers_are_left_out_of_the_tags_where_that_is_said() {
    let registry = serve(Manners::default(), |_| (), |_| None);
    let (manifest, _) = artifact(|_| ());
    let fallback = format!("sha256-{}", Digest::of(LAYER).hex());
    let others = [format!("{fallback}.sig"), "sha256-v1".to_owned()];
    for tag in others.iter().chain([&fallback]) {
        registry.put_manifest("org/app", tag, media_type::OCI_MANIFEST, &manifest);
    }
    let (ours, at) = (Ours::new(), format!("{}/org/app", registry.host()));
    let mut all = vec![fallback.clone(), others[0].clone(), others[1].clone(), "v1".to_owned()];
    all.sort_unstable();
    assert_eq!(ours.list_tags(&at).unwrap().outcome.tags, all);
    all.retain(|tag| *tag != fallback);
    assert_eq!(ours.given(&[("fallback_tags", "false")]).list_tags(&at).unwrap().outcome.tags, all);
}

#[test]
fn the_block_annotation_can_be_left_out() {
    let ours = Ours::new();
    let tree = ours.path("tree");
    fs::create_dir(&tree).unwrap();
    let text: String = (0..600_000).map(|line| format!("{line}\n")).collect();
    fs::write(tree.join("file"), text).unwrap();
    let annotated = |ours: &Ours| {
        let artifact = ours.build(&tree).unwrap().artifact();
        (artifact.layers[0].descriptor.annotations.clone(), artifact.layers[0].descriptor.digest.clone())
    };
    let (with, digest) = annotated(&ours);
    assert!(with.contains_key(media_type::ANNOTATION_BLOCKS));
    let (without, same) = annotated(&ours.given(&[("block_annotation", "false")]));
    assert!(without.is_empty() && same == digest, "{without:?}");
}
