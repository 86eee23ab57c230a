//! F-24 where a verb has much to do: layers without end from a local layout, trees of many entries, locks that are
//! held. Whatever it is at, who waits is back within a second, and once the library is idle nothing is left.
//!
//! `CLDOCI_SOAK=1` cancels more often; `CLDOCI_CANCEL_TIMES=FILE` has the longest times of each verb and phase.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cldoci::ffi::{idle::cldoci_wait_idle, operation::*, progress::*, status::*, verbs::*};
use cldoci::oci::Digest;
use cldoci::store::Layout;

use super::cancel::{PROMISED, Start};
use super::child::Helper;
use super::{Random, names, text};
use crate::harness::api::Api as _;
use crate::harness::api::c_api::{CApi, COperation, COptions, c, call, options, path, reference};
use crate::harness::archive::{Entry, octal};
use crate::harness::ours::call_with;

const GIB: u64 = 1 << 30;

/// The longest time from a cancel to the end of the wait, by verb and phase.
static LONGEST: Mutex<BTreeMap<(String, i32), (u32, Duration)>> = Mutex::new(BTreeMap::new());

pub fn took(verb: &str, phase: i32, time: Duration) {
    let mut all = LONGEST.lock().unwrap();
    let (count, longest) = all.entry((verb.to_owned(), phase)).or_default();
    *count += 1;
    *longest = time.max(*longest);
}

pub fn tell_times() {
    const PHASES: [&str; 7] =
        ["waiting", "resolving", "packing", "uploading", "downloading", "publishing", "done"];
    let mut lines = String::new();
    for ((verb, phase), (count, longest)) in LONGEST.lock().unwrap().iter() {
        let phase = PHASES[usize::try_from(*phase).unwrap()];
        lines += &format!("| {verb} | {phase} | {count} | {} ms |\n", longest.as_millis());
    }
    if let Some(file) = std::env::var_os("CLDOCI_CANCEL_TIMES") {
        File::options().append(true).create(true).open(file).unwrap().write_all(lines.as_bytes()).unwrap();
    }
}

pub fn phase_of(operation: &COperation) -> i32 {
    let mut progress = cldoci_progress { struct_size: size_of::<cldoci_progress>(), ..Default::default() };
    call(|error| unsafe { cldoci_operation_progress(operation.0, &mut progress, error) }).unwrap();
    progress.phase
}

#[test]
fn f_24_a_cancel_is_heard_within_a_second_whatever_there_is_to_do() {
    let room = tempfile::tempdir().unwrap();
    assert_eq!(Helper::start(room.path(), &["cancel-large", text(room.path())]).finish(), SHAPES);
}

const SHAPES: [&str; 13] = [
    "pull of zeros behind a tar's end",
    "pull of empty zstd frames",
    "pull of a large file",
    "copy of a large layer",
    "save_layer of a large layer",
    "build of a large file",
    "build of many files",
    "pull of many files",
    "pull of many files over a layer",
    "pull that merges many files",
    "pull that replaces many files",
    "pull of many files again",
    "collect_garbage behind a lock",
];

/// The child's work.
pub fn all_shapes(room: &Path) {
    let bench = Bench::new(room);
    for shape in SHAPES {
        bench.torture(shape);
        println!("\n> {shape}");
    }
    tell_times();
}

struct Bench {
    room: PathBuf,
    client: CApi,
    many: PathBuf,
}

impl Bench {
    fn new(room: &Path) -> Self {
        let store = room.join("store");
        let client = CApi::client(&[("store", text(&store)), ("retries", "0")]).unwrap();
        let many = room.join("many");
        for n in 0..20_000 {
            let directory = many.join(format!("d{}", n / 1000));
            if n % 1000 == 0 {
                fs::create_dir_all(&directory).unwrap();
            }
            File::create(directory.join(format!("a file with a name that has some length {n}"))).unwrap();
        }
        Self { room: room.to_owned(), client, many }
    }

    fn torture(&self, shape: &str) {
        let out = self.room.join("out");
        match shape {
            "pull of zeros behind a tar's end" => self.pull(shape, &self.layer(shape, "tar", |_| 40 * GIB)),
            "pull of empty zstd frames" => self.pull(shape, &self.layer(shape, "tar+zstd", skippable)),
            "pull of a large file" => self.pull(shape, &self.layer(shape, "tar", large_file)),
            "copy of a large layer" => {
                let from = reference(&self.layer(shape, "tar", |_| 40 * GIB)).unwrap();
                let to = reference(&format!("ocidir://{}:v1", out.display())).unwrap();
                self.cancels(shape, 100, &|client, op, e| unsafe {
                    cldoci_copy_start(client, from.0, to.0, null(), op, e)
                });
                fs::remove_dir_all(&out).unwrap();
            }
            "save_layer of a large layer" => {
                let artifact =
                    self.client.inspect(&self.layer(shape, "tar", |_| 40 * GIB)).unwrap().artifact.unwrap();
                let nowhere = File::options().write(true).open("/dev/null").unwrap();
                self.cancels(shape, 300, &|client, op, e| unsafe {
                    cldoci_save_layer_start(client, artifact.0, 0, nowhere.as_raw_fd(), null(), op, e)
                });
            }
            "build of a large file" | "build of many files" => {
                let tree = match shape {
                    "build of many files" => self.many.clone(),
                    _ => self.room.join("large"),
                };
                if shape == "build of a large file" {
                    fs::create_dir(&tree).unwrap();
                    File::create(tree.join("file")).unwrap().set_len(40 * GIB).unwrap();
                }
                let (tree, kind) = (path(&tree), c("component"));
                self.cancels(shape, 300, &|client, op, e| unsafe {
                    cldoci_build_start(client, tree.as_ptr(), kind.as_ptr(), null(), 0, null(), op, e)
                });
            }
            "collect_garbage behind a lock" => {
                let place = self.room.join("locked");
                let _held = Layout::create(&place, &call_with(&[])).unwrap().begin().unwrap();
                let at = reference(&format!("ocidir://{}", place.display())).unwrap();
                self.cancels(shape, 100, &|client, op, e| unsafe {
                    cldoci_collect_garbage_start(client, at.0, null(), op, e)
                });
            }
            _ => self.pull_many(shape),
        }
    }

    /// Pulls a layer that has no end worth waiting for.
    fn pull(&self, shape: &str, from: &str) {
        let from = reference(from).unwrap();
        let into = self.room.join("pulled");
        let destination = path(&into);
        self.cancels(shape, 300, &|client, op, e| unsafe {
            cldoci_pull_start(client, from.0, destination.as_ptr(), null(), op, e)
        });
        assert!(!into.exists());
    }

    fn pull_many(&self, shape: &str) {
        let place = format!("ocidir://{}", self.room.join("many-layout").display());
        let (one, two) = (format!("{place}:one"), format!("{place}:two"));
        if shape == "pull of many files" {
            let built = self.client.build(&self.many, "component", b"{}", &[]).unwrap().artifact.unwrap();
            self.client.push(&built, &one, &[]).unwrap();
            // The same layer twice: the second is merged into the first.
            let layout = Layout::open(&self.room.join("many-layout"), &call_with(&[])).unwrap();
            let descriptor = layout.resolve(Some("one"), None).unwrap().unwrap();
            let bytes = layout.read(&descriptor, 1 << 20).unwrap();
            let mut manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            let layer = manifest["layers"][0].clone();
            manifest["layers"].as_array_mut().unwrap().push(layer);
            let bytes = serde_json::to_vec(&manifest).unwrap();
            let listed =
                cldoci::oci::Descriptor::new(descriptor.media_type, Digest::of(&bytes), bytes.len() as u64);
            layout.begin().unwrap().put_manifest(&listed, &bytes, Some("two")).unwrap();
        }
        let into = self.room.join("unpacked");
        let existing = match shape {
            "pull that merges many files" => "merge",
            "pull that replaces many files" => "replace",
            _ => "refuse",
        };
        let whole =
            ["pull that merges many files", "pull that replaces many files", "pull of many files again"];
        if shape.ends_with("again") && into.exists() {
            // A replace that was cancelled left what was changed before it.
            fs::remove_dir_all(&into).unwrap();
        }
        if whole.contains(&shape) && !into.exists() {
            self.client.pull(&one, &into, &[]).unwrap();
        }
        let from = reference(if shape.ends_with("over a layer") { &two } else { &one }).unwrap();
        let (destination, given) = (path(&into), options(&[("existing", existing)]).unwrap());
        let given: &COptions = &given;
        self.cancels(shape, 1000, &|client, op, e| unsafe {
            cldoci_pull_start(client, from.0, destination.as_ptr(), given.0, op, e)
        });
        assert_eq!(names(&into).len(), if whole.contains(&shape) { 20 } else { 0 }, "{shape}");
    }

    /// Cancels at moments within so many milliseconds, or fewer where the machine is done sooner.
    fn cancels(&self, shape: &str, mut within: u64, start: Start<'_>) {
        let mut random = Random(11);
        let times = if std::env::var_os("CLDOCI_SOAK").is_some() { 40 } else { 5 };
        let (mut run, mut caught) = (0, 0);
        while run < times || caught == 0 && within > 1 {
            run += 1;
            if ["merges", "replaces"].iter().any(|word| shape.contains(word)) {
                // Else it would be found unchanged.
                fs::write(self.room.join("unpacked/d0/another"), random.below(1 << 30).to_string()).unwrap();
            }
            let mut operation = null_mut();
            call(|error| start(self.client.0, &mut operation, error)).unwrap();
            let operation = COperation(operation);
            std::thread::sleep(random.moment(Duration::from_millis(within)));
            let phase = phase_of(&operation);
            let began = Instant::now();
            assert_eq!(unsafe { cldoci_operation_cancel(operation.0, null_mut()) }, CLDOCI_OK);
            let status = unsafe { cldoci_operation_wait(operation.0, 60_000, null_mut()) };
            let time = began.elapsed();
            assert!(time < PROMISED, "{shape}, phase {phase}: {time:?}");
            assert!(matches!(status, CLDOCI_ERROR_CANCELLED | CLDOCI_OK), "{shape}: {status}");
            took(shape, phase, time);
            match status {
                CLDOCI_OK => within = (within / 2).max(1),
                _ => caught += 1,
            }
            drop(operation);
            // What was left behind ends, too, and takes what it made with it.
            assert_eq!(unsafe { cldoci_wait_idle(60_000, null_mut()) }, CLDOCI_OK, "{shape}");
            let left: Vec<String> =
                names(&self.room).into_iter().filter(|name| name.starts_with('.')).collect();
            assert!(left.is_empty(), "{shape}: {left:?} is left");
            if status == CLDOCI_OK && shape.starts_with("pull of many files") && !shape.ends_with("again") {
                fs::remove_dir_all(self.room.join("unpacked")).unwrap();
            }
        }
        assert!(caught > 0, "{shape}: none was caught at work");
    }

    /// An artifact in a layout whose one layer has what `fill` makes of it, as long as it says.
    fn layer(&self, shape: &str, form: &str, fill: fn(&File) -> u64) -> String {
        let place = self.room.join("layers");
        let blobs = place.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        // Nobody comes to its end, where its digest would show.
        let named = Digest::of(shape.as_bytes());
        let file = File::create(blobs.join(named.hex())).unwrap();
        let size = fill(&file);
        file.set_len(size).unwrap();
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": Digest::of(b"{}").as_str()},
            "layers": [{
                "mediaType": format!("application/vnd.oci.image.layer.v1.{form}"),
                "size": size,
                "digest": named.as_str(),
            }],
        });
        let manifest = serde_json::to_vec(&manifest).unwrap();
        fs::write(blobs.join(Digest::of(b"{}").hex()), "{}").unwrap();
        fs::write(blobs.join(Digest::of(&manifest).hex()), &manifest).unwrap();
        fs::write(place.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let index = serde_json::json!({"schemaVersion": 2, "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "size": manifest.len(),
            "digest": Digest::of(&manifest).as_str(),
            "annotations": {"org.opencontainers.image.ref.name": "v1"},
        }]});
        fs::write(place.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
        format!("ocidir://{}:v1", place.display())
    }
}

/// Frames that hold nothing, of 4 GiB each.
fn skippable(file: &File) -> u64 {
    let frame = u64::from(u32::MAX) + 8;
    for n in 0..10 {
        file.write_all_at(&[0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff], n * frame).unwrap();
    }
    10 * frame
}

/// A file of 7 GiB.
fn large_file(file: &File) -> u64 {
    let entry = Entry { size: Some(octal(7 * GIB)), ..Entry::new("large", b'0') };
    file.write_all_at(&entry.header(), 0).unwrap();
    7 * GIB + 512 + 1024
}
