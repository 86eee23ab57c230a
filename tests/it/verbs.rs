//! The verbs against places that are wrong: each failure says so in one line, and nothing is lost or half-made.

mod artifacts;
mod copies;
mod documents;
mod manifests;

use std::fs;

use crate::harness::evil::{Act, Evil, Seen, answer, head};
use crate::harness::ours::{CONFIG, Done, Ours, refused};
use crate::harness::registry::{Manners, Registry};
use cldoci::oci::{ArtifactKind, Descriptor, Digest, ImageManifest, media_type};
use cldoci::{Error, Kind, Result};

fn pull(ours: &Ours, reference: &str) -> Result<Done> {
    ours.pull(reference, &ours.path("out"))
}

/// The pull fails as it should, and the destination is as before: absent, with nothing beside it.
fn pull_refused(ours: &Ours, reference: &str, kind: Kind, words: &str) -> Error {
    let error = refused(pull(ours, reference), kind, words);
    let names: Vec<_> = fs::read_dir(ours.home()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name == "store"), "{names:?}");
    error
}

/// A layer of one file, and the manifest that names it.
fn artifact(change: impl Fn(&mut ImageManifest)) -> (Vec<u8>, Vec<u8>) {
    let mut layer = Descriptor::of("application/octet-stream", LAYER);
    layer.annotations.insert(media_type::ANNOTATION_TITLE.to_owned(), "file".to_owned());
    let mut manifest = ImageManifest {
        schema_version: 2,
        media_type: media_type::OCI_MANIFEST.to_owned(),
        artifact_type: None,
        config: Descriptor::of(media_type::EMPTY, b"{}"),
        layers: vec![layer],
        subject: None,
        annotations: Default::default(),
    };
    change(&mut manifest);
    (manifest.to_bytes(), LAYER.to_vec())
}

const LAYER: &[u8] = b"the content of the one file of this layer";

fn serve(
    manners: Manners,
    change: impl Fn(&mut ImageManifest),
    hook: impl Fn(&Seen) -> Option<Vec<Act>> + Send + Sync + 'static,
) -> Registry {
    let registry = Registry::with(manners, hook);
    let (manifest, layer) = artifact(change);
    registry.put_manifest("org/app", "v1", media_type::OCI_MANIFEST, &manifest);
    registry.put_blob("org/app", &layer);
    registry.put_blob("org/app", b"{}");
    registry
}

fn is_layer(seen: &Seen) -> bool {
    seen.method == "GET" && seen.path.contains(&format!("/blobs/{}", Digest::of(LAYER)))
}

#[test]
fn the_twin_of_what_follows_is_pulled() {
    let registry = serve(Manners::default(), |_| (), |_| None);
    let ours = Ours::new();
    pull(&ours, &format!("{}/org/app:v1", registry.host())).unwrap();
    assert_eq!(fs::read(ours.path("out/file")).unwrap(), LAYER);
}

#[test]
fn r_16_content_that_is_not_what_was_named_is_not_published() {
    let wrong = LAYER.to_ascii_uppercase();
    let registry =
        serve(Manners::default(), |_| (), move |seen| is_layer(seen).then(|| answer(200, &[], &wrong)));
    let ours = Ours::with(&[("retries", "0")]);
    pull_refused(&ours, &format!("{}/org/app:v1", registry.host()), Kind::Digest, "digest");
}

#[test]
fn r_16_an_archive_with_a_flipped_bit_is_damaged_and_not_unsafe() {
    let ours = Ours::new();
    let tree = ours.path("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("file"), "content ".repeat(1000)).unwrap();
    let built = ours.build(&tree).unwrap().artifact();
    let mut damaged = ours.read_layer(&built, 0, None).unwrap().bytes();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let digest = built.layers[0].descriptor.digest.clone();
    let registry = Registry::with(Manners::default(), move |seen| {
        let wanted = seen.method == "GET" && seen.path.contains(&format!("/blobs/{digest}"));
        wanted.then(|| answer(200, &[], &damaged))
    });
    registry.put_manifest("org/app", "v1", &built.media_type, &built.manifest);
    registry.put_blob("org/app", CONFIG);
    let error = pull(&ours, &format!("{}/org/app:v1", registry.host())).unwrap_err();
    assert_eq!(error.kind(), Kind::Digest, "{error}");
    assert!(!ours.path("out").exists());
}

#[test]
fn r_16_content_of_another_size_is_not_published() {
    let registry = serve(Manners::default(), |manifest| manifest.layers[0].size += 1, |_| None);
    let ours = Ours::with(&[("retries", "0")]);
    pull_refused(&ours, &format!("{}/org/app:v1", registry.host()), Kind::Size, "bytes");
}

#[test]
fn a_connection_that_is_cut_is_not_published() {
    let registry = serve(
        Manners::default(),
        |_| (),
        |seen| {
            let cut = || {
                let length = LAYER.len().to_string();
                let mut bytes = head(200, &[("Content-Length", &length)]);
                bytes.extend_from_slice(&LAYER[..10]);
                vec![Act::Send(bytes), Act::Reset]
            };
            is_layer(seen).then(cut)
        },
    );
    let ours = Ours::with(&[("retries", "1")]);
    pull_refused(&ours, &format!("{}/org/app:v1", registry.host()), Kind::Network, "the connection broke");
}

#[test]
fn a_registry_that_is_not_there_is_named() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    pull_refused(
        &Ours::with(&[("retries", "0")]),
        &format!("127.0.0.1:{port}/org/app:v1"),
        Kind::Network,
        &port.to_string(),
    );
}

#[test]
fn a_01_foreign_urls_are_never_fetched() {
    let stranger = Evil::start(|_| answer(200, &[], LAYER));
    let url = format!("http://{}/layer", stranger.host());
    let registry =
        serve(Manners::default(), move |manifest| manifest.layers[0].urls = vec![url.clone()], |_| None);
    pull(&Ours::new(), &format!("{}/org/app:v1", registry.host())).unwrap();
    let missing = serve(
        Manners::default(),
        |manifest| manifest.layers[0].urls = vec!["http://127.0.0.1:1/layer".to_owned()],
        |seen| is_layer(seen).then(|| crate::harness::registry::error(404, "BLOB_UNKNOWN")),
    );
    pull_refused(&Ours::new(), &format!("{}/org/app:v1", missing.host()), Kind::NotFound, "BLOB_UNKNOWN");
    assert!(stranger.log().is_empty());
}

/// What the second of two pulls asks for, where the first is cut after the acts of `part` on the layer.
fn asked_after_a_cut(options: &[(&str, &str)], part: fn(&[u8]) -> Vec<Act>) -> Option<usize> {
    // Large enough to be written down as it comes.
    let layer: Vec<u8> = (0..20u32 << 18).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let cut = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (bytes, cutting) = (layer.clone(), cut.clone());
    let digest = Digest::of(&layer);
    let path = format!("/blobs/{digest}");
    let registry = Registry::with(Manners::default(), move |seen| {
        if seen.method != "GET"
            || !seen.path.contains(&path)
            || !cutting.load(std::sync::atomic::Ordering::SeqCst)
        {
            return None;
        }
        let begin = head(200, &[("Content-Length", &bytes.len().to_string())]);
        Some([vec![Act::Send(begin)], part(&bytes), vec![Act::Close]].concat())
    });
    let (manifest, _) = artifact(|manifest| {
        let title = manifest.layers[0].annotations.clone();
        manifest.layers[0] = Descriptor::of("application/octet-stream", &layer);
        manifest.layers[0].annotations = title;
    });
    registry.put_manifest("org/app", "v1", media_type::OCI_MANIFEST, &manifest);
    registry.put_blob("org/app", &layer);
    let ours = Ours::with(&[&[("retries", "0")], options].concat());
    let reference = format!("{}/org/app:v1", registry.host());
    pull_refused(&ours, &reference, Kind::Size, "the answer ends early");
    cut.store(false, std::sync::atomic::Ordering::SeqCst);
    pull(&ours, &reference).unwrap();
    assert_eq!(Digest::of(&fs::read(ours.path("out/file")).unwrap()), digest);
    let left = fs::read_dir(ours.path("store/partial")).unwrap();
    assert!(
        left.map(|entry| entry.unwrap().file_name()).all(|name| !name.to_string_lossy().starts_with("sha"))
    );
    let log = registry.server.log();
    let last = log.iter().rev().find(|seen| seen.path.contains("/blobs/")).unwrap();
    let range = last.header("range")?;
    Some(range.trim_start_matches("bytes=").split('-').next().unwrap().parse().unwrap())
}

const HALF: usize = 10 << 20;

#[test]
fn an_interrupted_download_is_resumed_by_the_next_run() {
    let half = |bytes: &[u8]| vec![Act::Send(bytes[..HALF].to_vec())];
    let from =
        asked_after_a_cut(&[("resume_after_ms", "0")], half).expect("the second run asked for a range");
    assert!(from > 0 && from <= HALF, "{from}");
}

#[test]
fn a_download_that_is_soon_over_is_not_written_down() {
    let half = |bytes: &[u8]| vec![Act::Send(bytes[..HALF].to_vec())];
    // Within a day any is over, within a millisecond none; the latter has what was held back, too.
    assert_eq!(asked_after_a_cut(&[("resume_after_ms", "86400000")], half), None);
    let from =
        asked_after_a_cut(&[("resume_after_ms", "1")], half).expect("the second run asked for a range");
    assert!(from > 1 << 20 && from <= HALF, "{from}");
    // As it is without the option: a slow beginning says that it takes long.
    let slow = |bytes: &[u8]| {
        let pause = Act::Wait(std::time::Duration::from_millis(400));
        vec![Act::Send(bytes[..1 << 20].to_vec()), pause, Act::Send(bytes[1 << 20..HALF].to_vec())]
    };
    let from = asked_after_a_cut(&[], slow).expect("the second run asked for a range");
    assert!(from > 1 << 20 && from <= HALF, "{from}");
}

#[test]
fn a_kept_blob_that_was_damaged_is_fetched_again() {
    let registry = serve(Manners::default(), |_| {}, |_| None);
    let reference = format!("{}/org/app:v1", registry.host());
    let asked = || registry.server.log().iter().filter(|seen| is_layer(seen)).count();
    let ours = Ours::with(&[("cache", "true")]);
    let layer = pull(&ours, &reference).unwrap().artifact().layers[0].descriptor.digest.clone();
    let kept = ours.path("store/blobs/sha256").join(layer.hex());
    let good = fs::read(&kept).unwrap();
    let again = || {
        let pulled = fs::read(ours.path("out/file")).unwrap();
        fs::remove_dir_all(ours.path("out")).unwrap();
        pull(&ours, &reference).unwrap();
        assert_eq!(fs::read(ours.path("out/file")).unwrap(), pulled);
        assert_eq!(fs::read(&kept).unwrap(), good);
    };
    again();
    assert_eq!(asked(), 1, "a good one is not fetched again");
    // As a loss of power can leave it: the length is right.
    fs::write(&kept, vec![0; good.len()]).unwrap();
    again();
    assert_eq!(asked(), 2);
}

#[test]
fn blobs_go_and_come_several_at_once_and_never_more_than_the_limit() {
    for parallel in [1, 3] {
        let ours = Ours::with(&[("parallel", &parallel.to_string())]);
        // Slow enough that those that may overlap do.
        let slow =
            |seen: &Seen| seen.path.contains("/blobs/") && matches!(seen.method.as_str(), "PUT" | "GET");
        let slowly = move |seen: &Seen, acts: Vec<Act>| match slow(seen) {
            true => [vec![Act::Wait(std::time::Duration::from_millis(50))], acts].concat(),
            false => acts,
        };
        let [registry, other] = [(); 2].map(|()| Registry::with_each(Manners::default(), slowly));
        let mut builder = cldoci::ArtifactBuilder::new(ArtifactKind::Component).config(b"{}".to_vec());
        for n in 0..8_u8 {
            other.put_blob("org/app", &[n; 70_000]);
            let mut layer = cldoci::Layer::from_bytes("application/octet-stream", &[n; 70_000]);
            let title = media_type::ANNOTATION_TITLE.to_owned();
            layer.descriptor.annotations.insert(title, format!("file{n}"));
            builder = builder.layer(layer);
        }
        let artifact = builder.finish().unwrap();
        ours.push(&artifact, &format!("{}/org/app:v1", registry.host())).unwrap();
        let expected = parallel.min(2)..=parallel;
        assert!(expected.contains(&registry.server.most_at_once()), "pushing");
        other.put_manifest("org/app", "v1", media_type::OCI_MANIFEST, &artifact.manifest);
        pull(&ours, &format!("{}/org/app:v1", other.host())).unwrap();
        assert_eq!(fs::read_dir(ours.path("out")).unwrap().count(), 8);
        assert!(expected.contains(&other.server.most_at_once()), "pulling");
    }
}

#[test]
fn r_32_indexes_that_do_not_end() {
    let registry = Registry::start();
    let index = |child: &Descriptor| {
        let child = serde_json::to_string(child).unwrap();
        let media_type = media_type::OCI_INDEX;
        format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}","manifests":[{child}]}}"#).into_bytes()
    };
    // A thousand indexes, each with the one before in it.
    let (manifest, layer) = artifact(|_| {});
    registry.put_blob("org/app", &layer);
    registry.put_blob("org/app", b"{}");
    registry.put_manifest("org/app", "0", media_type::OCI_MANIFEST, &manifest);
    let mut inner = Descriptor::of(media_type::OCI_MANIFEST, &manifest);
    for depth in 1..=1000 {
        let bytes = index(&inner);
        registry.put_manifest("org/app", &depth.to_string(), media_type::OCI_INDEX, &bytes);
        inner = Descriptor::of(media_type::OCI_INDEX, &bytes);
    }
    let at = |tag: usize| format!("{}/org/app:{tag}", registry.host());
    let ours = Ours::new();
    let copied = |tag: usize| ours.copy(&at(tag), &format!("{}/org/copy:{tag}", registry.host()));
    for tag in [1000, 50] {
        let before = registry.server.log().len();
        let error = pull(&ours, &at(tag)).unwrap_err();
        assert!(error.kind() == Kind::Limit && error.message().contains("nested deeper than"), "{error}");
        assert!(!ours.path("out").exists());
        let error = copied(tag).unwrap_err();
        assert!(error.kind() == Kind::Limit && error.message().contains("nested deeper than"), "{error}");
        assert_eq!(registry.tagged("org/copy", &tag.to_string()), None);
        assert!(registry.server.log().len() - before < 40, "asked on and on");
    }
    copied(7).unwrap();
    pull(&ours, &at(7)).unwrap();

    // No index can have its own digest in it, so one that points to itself is one that a registry makes up.
    let own = Digest::of(b"a digest that no index has");
    let itself = index(&Descriptor::new(media_type::OCI_INDEX, own.clone(), 1));
    let liar = Evil::start(move |_| answer(200, &[("Content-Type", media_type::OCI_INDEX)], &itself));
    fs::remove_dir_all(ours.path("out")).unwrap();
    pull_refused(&ours, &format!("{}/org/app:v1", liar.host()), Kind::Digest, own.as_str());
    assert!(liar.log().len() <= 3, "{:?}", liar.lines());
}

#[test]
fn an_extra_header_is_sent_and_one_that_is_none_is_not_shown() {
    let registry = serve(Manners::default(), |_| {}, |_| None);
    let exists = |header: &str| {
        let mut options = cldoci::options::Options::new();
        options.set_host(&registry.host(), "header", header)?;
        let ours = Ours::setting(|options| options.set_host(&registry.host(), "header", header).unwrap());
        ours.exists(&format!("{}/org/app:v1", registry.host()))
    };
    // Written as in a request: the first `=` is in the token.
    let error = exists("Authorization: Bearer canary==").unwrap_err();
    assert!(error.kind() == Kind::Argument && error.message().contains("NAME=VALUE"), "{error}");
    assert!(!error.message().contains("canary") && registry.server.log().is_empty());
    exists("X-Key=canary").unwrap();
    assert_eq!(registry.server.log()[0].header("x-key"), Some("canary"));
}
