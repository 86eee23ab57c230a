//! Layouts in which links stand for files (Q120): what lies beneath the root is read, a blob from elsewhere once it is
//! known to be that blob, and nothing else, whatever is swapped meanwhile.

use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::harness::evil::{Evil, answer};
use crate::harness::ours::{self, Ours, refused};
use crate::harness::registry::Registry;
use crate::harness::trees::{component, snapshot};

/// What no reader of a layout gave its consent to be sent.
const SECRET: &[u8] = b"-----BEGIN WHAT NOBODY MAY SEE-----";

/// A layout with one artifact `v1`, and a directory beside it.
struct Case {
    ours: Ours,
    path: PathBuf,
    elsewhere: PathBuf,
    manifest: Descriptor,
    layer: Descriptor,
}

impl Case {
    fn new() -> Self {
        let ours = Ours::new();
        let (tree, path, elsewhere) = (ours.path("tree"), ours.path("layout"), ours.path("elsewhere"));
        component(&tree);
        ours.build_and_push(&tree, &ours::layout(&path, "v1")).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        let layout = Layout::open(&path, &call()).unwrap();
        let manifest = layout.resolve(Some("v1"), None).unwrap().unwrap();
        let parsed: ImageManifest =
            serde_json::from_slice(&layout.read(&manifest, 1 << 20).unwrap()).unwrap();
        Self { ours, path, elsewhere, manifest, layer: parsed.layers[0].clone() }
    }

    fn reference(&self) -> String {
        ours::layout(&self.path, "v1")
    }

    fn layout(&self) -> Layout {
        Layout::open(&self.path, &call()).unwrap()
    }

    fn blob(&self, descriptor: &Descriptor) -> PathBuf {
        self.path.join("blobs/sha256").join(descriptor.digest.hex())
    }

    /// Every verb that reads does; the tree that a pull gives is the one that was built.
    fn all_verbs_read(&self, what: &str) {
        let ours = &self.ours;
        let out = tempfile::tempdir_in(ours.home()).unwrap();
        let into = out.path().join("out");
        ours.pull(&self.reference(), &into).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(snapshot(&into), snapshot(&ours.path("tree")), "{what}");
        ours.inspect(&self.reference()).unwrap();
        let copy = ours::layout(&out.path().join("copy"), "v1");
        assert_eq!(ours.copy(&self.reference(), &copy).unwrap().digest.as_ref(), Some(&self.manifest.digest));
        let registry = Registry::start();
        ours.copy(&self.reference(), &format!("{}/to:v1", registry.host())).unwrap();
        assert!(registry.blob("to", &self.layer.digest).is_some(), "{what}");
    }
}

/// Moves what is at `path` to `to`, and leaves a link to `target` there.
fn replaced(path: &Path, to: &Path, target: impl AsRef<Path>) {
    fs::rename(path, to).unwrap();
    symlink(target, path).unwrap();
}

#[test]
fn a_link_to_a_file_or_directory_beneath_the_root_is_read() {
    let case = Case::new();
    fs::create_dir(case.path.join("parts")).unwrap();
    let parts = |name: &str| case.path.join("parts").join(name);
    replaced(&case.blob(&case.layer), &parts("layer.tar.gz"), "../../parts/layer.tar.gz");
    case.all_verbs_read("a layer");
    replaced(&case.blob(&case.manifest), &parts("manifest.json"), "../../parts/manifest.json");
    case.all_verbs_read("a manifest");
    replaced(&case.path.join("index.json"), &parts("index.json"), "parts/index.json");
    replaced(&case.path.join("oci-layout"), &parts("marker"), "parts/marker");
    case.all_verbs_read("the files of the root");
    replaced(&case.path.join("blobs/sha256"), &parts("sha256"), "../parts/../parts/sha256");
    // From there the links of before would lead elsewhere.
    for blob in [&case.layer, &case.manifest] {
        let name = fs::read_link(case.blob(blob)).unwrap().file_name().unwrap().to_owned();
        fs::remove_file(case.blob(blob)).unwrap();
        symlink(Path::new("..").join(name), case.blob(blob)).unwrap();
    }
    case.all_verbs_read("the directory of an algorithm");
    replaced(&case.path.join("blobs"), &parts("blobs"), "parts/blobs");
    fs::remove_file(parts("blobs/sha256")).unwrap();
    symlink("../sha256", parts("blobs/sha256")).unwrap();
    case.all_verbs_read("the directory of all blobs");
    // The twin: a link that leads nowhere is nothing.
    fs::remove_file(parts("layer.tar.gz")).unwrap();
    refused(case.ours.pull(&case.reference(), &case.ours.path("out")), Kind::NotFound, "sha256:");
}

#[test]
fn a_blob_from_elsewhere_is_read_where_it_is_that_blob() {
    let case = Case::new();
    let at = |name: &str| case.elsewhere.join(name);
    replaced(&case.blob(&case.layer), &at("layer"), at("layer"));
    replaced(&case.blob(&case.manifest), &at("manifest"), "../../../elsewhere/manifest");
    case.all_verbs_read("blobs");
    // A tag needs them to be there, and a push finds them.
    case.ours.tag(&case.reference(), &ours::layout(&case.path, "v2")).unwrap();
    assert_eq!(check_whole(&case.layout()), 2);
    replaced(&case.path.join("blobs"), &at("blobs"), at("blobs"));
    fs::remove_file(at("blobs/sha256").join(case.manifest.digest.hex())).unwrap();
    symlink(at("manifest"), at("blobs/sha256").join(case.manifest.digest.hex())).unwrap();
    case.all_verbs_read("their directory");
    // With the store switched off too, which leaves nothing behind.
    let off = Ours::with(&[("store", "off")]);
    off.copy(&case.reference(), &ours::layout(&case.ours.path("off"), "v1")).unwrap();
    // The twin: what has no digest is not read from there.
    for name in ["index.json", "oci-layout"] {
        replaced(&case.path.join(name), &at(name), at(name));
        let error = case.ours.resolve(&case.reference()).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsafe, "{error}");
        assert!(error.message().contains(&format!("{name} is a symbolic link")), "{error}");
        fs::remove_file(case.path.join(name)).unwrap();
        fs::rename(at(name), case.path.join(name)).unwrap();
    }
    case.all_verbs_read("all as it was");
}

/// A server that takes whatever is sent.
fn recorder() -> Evil {
    Evil::start(|seen| match seen.method.as_str() {
        "POST" => answer(202, &[("location", "/upload")], ""),
        "PUT" => answer(201, &[], ""),
        _ => answer(404, &[], ""),
    })
}

fn never_sent(server: &Evil, what: &str) {
    for seen in server.log() {
        let sent = [seen.line().into_bytes(), seen.body.clone(), format!("{:?}", seen.headers).into_bytes()];
        for bytes in sent {
            let secret = bytes.windows(8).any(|eight| SECRET.windows(8).any(|other| other == eight));
            assert!(!secret, "{what}: {}", seen.line());
        }
    }
}

#[test]
fn no_byte_of_a_file_elsewhere_leaves_in_place_of_a_blob() {
    let case = Case::new();
    let canary = case.elsewhere.join("canary");
    let sized = |size: u64| {
        let bytes: Vec<u8> = SECRET.iter().copied().cycle().take(usize::try_from(size).unwrap()).collect();
        fs::write(&canary, bytes).unwrap();
    };
    let tries = |what: &str| {
        let server = recorder();
        let error = case.ours.copy(&case.reference(), &format!("{}/to:v1", server.host())).unwrap_err();
        let error = [error, case.ours.pull(&case.reference(), &case.ours.path("out")).unwrap_err()];
        let copy = case.ours.path("copy");
        let error =
            [&error[..], &[case.ours.copy(&case.reference(), &ours::layout(&copy, "v1")).unwrap_err()]]
                .concat();
        for error in error {
            assert_eq!(error.kind(), Kind::Unsafe, "{what}: {error}");
            assert!(!error.message().contains("NOBODY"), "{what}: {error}");
        }
        never_sent(&server, what);
        for found in [case.ours.path("store"), copy].iter().flat_map(|place| files(place)) {
            let bytes = fs::read(&found).unwrap();
            assert!(!bytes.windows(8).any(|eight| eight == &SECRET[..8]), "{what}: {}", found.display());
        }
    };
    // The layer, absolute and relative, then the manifest.
    sized(case.layer.size);
    let layer = case.elsewhere.join("layer");
    replaced(&case.blob(&case.layer), &layer, &canary);
    tries("an absolute link");
    fs::remove_file(case.blob(&case.layer)).unwrap();
    symlink("../../../elsewhere/canary", case.blob(&case.layer)).unwrap();
    tries("a relative link");
    sized(case.layer.size + 1);
    tries("another size");
    fs::remove_file(case.blob(&case.layer)).unwrap();
    // By way of a directory, and by a link in the layout that leads on.
    sized(case.layer.size);
    symlink("../../hop", case.blob(&case.layer)).unwrap();
    symlink(&canary, case.path.join("hop")).unwrap();
    tries("two links");
    fs::remove_file(case.blob(&case.layer)).unwrap();
    symlink(format!("/proc/self/root{}", canary.display()), case.blob(&case.layer)).unwrap();
    tries("a link of the kernel's");
    fs::remove_file(case.blob(&case.layer)).unwrap();
    fs::rename(&layer, case.blob(&case.layer)).unwrap();
    sized(case.manifest.size);
    let manifest = case.elsewhere.join("manifest");
    replaced(&case.blob(&case.manifest), &manifest, &canary);
    tries("a manifest");
    // The twin: with the blobs all is sent.
    fs::remove_file(case.blob(&case.manifest)).unwrap();
    fs::rename(&manifest, case.blob(&case.manifest)).unwrap();
    case.all_verbs_read("the blobs themselves");
}

/// The regular files below, links not followed.
fn files(place: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(place) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match fs::symlink_metadata(&path).unwrap() {
            data if data.is_dir() => files(&path),
            data if data.is_file() => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

#[test]
fn nothing_is_written_through_a_link() {
    let case = Case::new();
    let at = |name: &str| case.elsewhere.join(name);
    // A blob: the link goes, its target stays.
    let target = at("precious");
    fs::write(&target, vec![b'x'; usize::try_from(case.layer.size).unwrap()]).unwrap();
    let good = at("layer");
    replaced(&case.blob(&case.layer), &good, &target);
    case.ours.build_and_push(&case.ours.path("tree"), &case.reference()).unwrap();
    assert!(fs::symlink_metadata(case.blob(&case.layer)).unwrap().is_file());
    assert!(fs::read(&target).unwrap().iter().all(|byte| *byte == b'x'));
    case.all_verbs_read("after it was built again");
    // index.json: the same.
    let index = case.path.join("index.json");
    replaced(&index, &case.path.join("real.json"), "real.json");
    let before = fs::read(case.path.join("real.json")).unwrap();
    case.ours.tag(&case.reference(), &ours::layout(&case.path, "v2")).unwrap();
    assert!(fs::symlink_metadata(&index).unwrap().is_file());
    assert_eq!(fs::read(case.path.join("real.json")).unwrap(), before);
    assert_eq!(check_whole(&case.layout()), 2);
    // Directories, inside and outside: refused.
    let writes = |what: &str| {
        fs::write(case.ours.path("tree/more"), what).unwrap();
        let error = case.ours.build_and_push(&case.ours.path("tree"), &case.reference()).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsafe, "{what}: {error}");
        assert!(error.message().contains("is a symbolic link"), "{what}: {error}");
        assert_eq!(case.layout().gc().unwrap_err().kind(), Kind::Unsafe, "{what}");
    };
    let count = |path: &Path| fs::read_dir(path).unwrap().count();
    let blobs = count(&case.path.join("blobs/sha256"));
    replaced(&case.path.join("blobs/sha256"), &case.path.join("inside"), "../inside");
    writes("a directory inside");
    assert_eq!(count(&case.path.join("inside")), blobs);
    fs::remove_file(case.path.join("blobs/sha256")).unwrap();
    fs::rename(case.path.join("inside"), case.path.join("blobs/sha256")).unwrap();
    replaced(&case.path.join("blobs"), &at("blobs"), at("blobs"));
    writes("a directory outside");
    assert_eq!(count(&at("blobs/sha256")), blobs);
    fs::remove_file(case.path.join("blobs")).unwrap();
    fs::rename(at("blobs"), case.path.join("blobs")).unwrap();
    replaced(&case.path.join(".cldoci"), &at("own"), at("own"));
    fs::write(at("own/precious"), "").unwrap();
    writes("our own corner");
    assert!(at("own/precious").exists());
    fs::remove_file(case.path.join(".cldoci")).unwrap();
    for lock in ["blobs.lock", "index.lock"] {
        fs::create_dir_all(case.path.join(".cldoci")).unwrap();
        symlink(at("lock"), case.path.join(".cldoci").join(lock)).unwrap();
        writes(lock);
        assert!(!at("lock").exists());
        fs::remove_file(case.path.join(".cldoci").join(lock)).unwrap();
    }
    case.ours.build_and_push(&case.ours.path("tree"), &case.reference()).unwrap();
}

#[test]
fn a_collection_keeps_what_the_links_that_stay_lead_to() {
    let (_dir, layout) = new_layout();
    let descriptor = push(&layout.begin().unwrap(), "one", Some("v1"), None);
    let directory = layout.path().join("blobs/sha256");
    let blob = directory.join(descriptor.digest.hex());
    // The content lies under names that nothing leads to, one after the other.
    let name = |of: &[u8]| directory.join(Digest::of(of).hex());
    replaced(&blob, &name(b"last"), Digest::of(b"between").hex());
    symlink(Digest::of(b"last").hex(), name(b"between")).unwrap();
    fs::write(name(b"spare"), "spare").unwrap();
    symlink(Digest::of(b"spare").hex(), name(b"unused")).unwrap();
    assert_eq!(layout.gc().unwrap().removed, 2);
    assert_eq!(check_whole(&layout), 1);
    // Once the blob is no link, they go.
    push(&layout.begin().unwrap(), "one", Some("v2"), None);
    let content = fs::read(&blob).unwrap();
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, content).unwrap();
    assert_eq!(layout.gc().unwrap().removed, 2);
    assert_eq!(check_whole(&layout), 2);
}

#[test]
fn what_is_no_regular_file_is_refused_without_a_wait() {
    let case = Case::new();
    let blob = case.blob(&case.layer);
    fs::remove_file(&blob).unwrap();
    let is_refused = |what: &str| {
        for refusal in [
            case.layout().open_blob(&case.layer).map(|_| ()),
            case.layout().read(&case.layer, 1 << 30).map(|_| ()),
        ] {
            assert_eq!(refusal.unwrap_err().kind(), Kind::Unsafe, "{what}");
        }
        refused(case.ours.pull(&case.reference(), &case.ours.path("out")), Kind::Unsafe, "layout");
    };
    let fifo = case.path.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let _socket = UnixListener::bind(case.elsewhere.join("socket")).unwrap();
    let targets = [
        "../../fifo",
        "../../../elsewhere/socket",
        "/dev/zero",
        "/dev/tty",
        "../../blobs",
        "/",
        "/proc/self/fd/0",
    ];
    for target in targets {
        symlink(target, &blob).unwrap();
        is_refused(target);
        fs::remove_file(&blob).unwrap();
    }
    // A circle, and files in their own right.
    symlink(blob.file_name().unwrap(), &blob).unwrap();
    is_refused("a circle");
    fs::remove_file(&blob).unwrap();
    fs::rename(&fifo, &blob).unwrap();
    is_refused("a FIFO");
    fs::remove_file(&blob).unwrap();
    let _socket = UnixListener::bind(case.ours.path("s")).unwrap();
    fs::rename(case.ours.path("s"), &blob).unwrap();
    is_refused("a socket");
    fs::remove_file(&blob).unwrap();
    fs::create_dir(&blob).unwrap();
    is_refused("a directory");
    fs::remove_dir(&blob).unwrap();
    // A writer puts the blob there.
    symlink("../../fifo", &blob).unwrap();
    case.ours.build_and_push(&case.ours.path("tree"), &case.reference()).unwrap();
    case.all_verbs_read("built again");
    // Nor is an index.json or a marker.
    for name in ["index.json", "oci-layout"] {
        let (path, kept) = (case.path.join(name), case.elsewhere.join(name));
        fs::rename(&path, &kept).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        refused(case.ours.resolve(&case.reference()), Kind::Unsafe, "is not a regular file");
        fs::remove_file(&path).unwrap();
        fs::rename(&kept, &path).unwrap();
    }
}

/// Makes something at a path.
type Make = Box<dyn Fn(&Path) + Send>;

fn link(target: PathBuf) -> Make {
    Box::new(move |at: &Path| symlink(&target, at).unwrap())
}

/// Swaps a name between two things as fast as it can, until it is dropped.
struct Swapping(std::sync::Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>);

impl Swapping {
    fn start(path: PathBuf, make: [Make; 2]) -> Self {
        let over = std::sync::Arc::new(AtomicBool::new(false));
        let (seen, aside) = (over.clone(), path.with_extension("aside"));
        let swaps = move || {
            for make in make.iter().cycle() {
                make(&aside);
                fs::rename(&aside, &path).unwrap();
                if seen.load(Ordering::Relaxed) {
                    break;
                }
            }
        };
        Self(over, Some(std::thread::spawn(swaps)))
    }
}

impl Drop for Swapping {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        let _ = self.1.take().unwrap().join();
    }
}

/// Opens the blob, 5,000 times a `b`, until it was both given and refused, and not a few times only.
fn gives_the_blob_or_refuses(layout: &Layout, blob: &Descriptor) {
    let (mut given, mut refused) = (0, 0);
    while given + refused < 400 || ((given == 0 || refused == 0) && given + refused < 100_000) {
        match layout.open_blob(blob) {
            Ok(file) => {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut file.unwrap(), &mut bytes).unwrap();
                assert!(bytes.iter().all(|byte| *byte == b'b') && bytes.len() == 5000);
                given += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), Kind::Unsafe, "{error}");
                refused += 1;
            }
        }
    }
    assert!(given > 0 && refused > 0, "{given} {refused}");
}

#[test]
fn links_that_are_swapped_while_they_are_read_give_the_blob_or_an_error() {
    let (dir, layout) = new_layout();
    let blob = Descriptor::of("a/b", &[b'b'; 5000]);
    let (good, bad) = (layout.path().join("good"), dir.path().join("bad"));
    fs::write(&good, [b'b'; 5000]).unwrap();
    fs::write(&bad, [b'x'; 5000]).unwrap();
    fs::create_dir_all(layout.path().join("blobs/sha256")).unwrap();
    let path = layout.path().join("blobs/sha256").join(blob.digest.hex());
    let file: Make = Box::new(|at: &Path| fs::write(at, [b'b'; 5000]).unwrap());
    for makes in [
        [link("../../good".into()), link(bad.clone())],
        [file, link(bad.clone())],
        [link("../../good".into()), link("../../../../bad".into())],
    ] {
        symlink("../../good", &path).unwrap();
        let swapping = Swapping::start(path.clone(), makes);
        gives_the_blob_or_refuses(&layout, &blob);
        drop(swapping);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_directory_that_is_swapped_for_a_link_leads_nowhere_else() {
    let (dir, layout) = new_layout();
    let blob = Descriptor::of("a/b", &[b'b'; 5000]);
    layout.begin().unwrap().add_bytes(&blob, &[b'b'; 5000]).unwrap();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join(blob.digest.hex()), [b'x'; 5000]).unwrap();
    let directory = layout.path().join("blobs/sha256");
    fs::rename(&directory, layout.path().join("real")).unwrap();
    symlink("../real", &directory).unwrap();
    let _swapping = Swapping::start(directory, [link("../real".into()), link(outside)]);
    gives_the_blob_or_refuses(&layout, &blob);
}

#[test]
fn a_file_elsewhere_that_changes_after_it_was_verified_changes_nothing() {
    let case = Case::new();
    let target = case.elsewhere.join("layer");
    replaced(&case.blob(&case.layer), &target, &target);
    let good = fs::read(&target).unwrap();
    let mut opened = case.layout().open_blob(&case.layer).unwrap().unwrap();
    // In place, so that whoever had this very file open would see it.
    let file = fs::File::options().write(true).open(&target).unwrap();
    (&file).write_all(&vec![b'x'; good.len()]).unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut opened, &mut bytes).unwrap();
    assert!(bytes == good);
    assert_eq!(case.layout().open_blob(&case.layer).unwrap_err().kind(), Kind::Unsafe);
}

#[test]
fn a_hard_link_is_a_file_like_any_other() {
    let case = Case::new();
    fs::hard_link(case.blob(&case.layer), case.elsewhere.join("second")).unwrap();
    case.all_verbs_read("two names");
    case.ours.build_and_push(&case.ours.path("tree"), &case.reference()).unwrap();
    // Of the right size and other content: found by its digest, nothing is published.
    fs::remove_file(case.blob(&case.layer)).unwrap();
    fs::write(case.blob(&case.layer), vec![b'x'; usize::try_from(case.layer.size).unwrap()]).unwrap();
    let out = case.ours.path("out");
    refused(case.ours.pull(&case.reference(), &out), Kind::Digest, "sha256:");
    let copy = case.ours.path("copy");
    refused(case.ours.copy(&case.reference(), &ours::layout(&copy, "v1")), Kind::Digest, "sha256:");
    assert!(!out.exists() && Layout::open(&copy, &call()).unwrap().tags().unwrap().is_empty());
}
