//! Other programs read what `pack` writes, a layer of several blocks: stored ones, PAX headers, names that
//! are no text. Who unpacks it must get the bytes of the tar; who extracts it must get a tree that packs to
//! the same layer again (case B-10).

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cldoci::Operation;
use cldoci::archive::{PackOptions, pack};
use cldoci::oci::Profile;
use cldoci::options::{CaseCollisions, Links};

use crate::harness::servers::strict;

/// The program of that name, of this repository's tools first. A missing one fails the test where nothing
/// may be left out, and else is said in one line.
fn tool(name: &str) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/tools/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(own)
        .chain(std::env::split_paths(&path))
        .map(|dir| dir.join(name))
        .find(|p| p.is_file());
    if found.is_none() {
        assert!(!strict(), "{name} is missing: run scripts/install-tools.sh");
        #[expect(clippy::print_stderr, reason = "whoever runs the tests must see what is left out")]
        {
            eprintln!("left out: the layer read by {name}, which is missing");
        }
    }
    found
}

/// A program of `tests/readers/`.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers").join(name)
}

fn options() -> PackOptions {
    PackOptions {
        profile: Profile::None,
        links: Links::Error,
        case_collisions: CaseCollisions::Error,
        mtime: 1_700_000_000,
        threads: 2,
        max_bytes: 1 << 40,
        max_depth: 100_000,
        max_path_bytes: 1 << 20,
        max_link_bytes: 4095,
        leave_out: Vec::new(),
    }
}

fn layer_of(directory: &Path) -> Vec<u8> {
    let mut layer = Vec::new();
    pack(directory, &options(), &Operation::new(), &mut layer).unwrap();
    layer
}

/// A layer in a file, and the tar in it as flate2 reads it.
struct Sample {
    place: tempfile::TempDir,
    layer: Vec<u8>,
    tar: Vec<u8>,
}

impl Sample {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        let mut seed = 1_u64;
        let random: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed.to_be_bytes()[0]
        })
        .take(3 << 20)
        .collect();
        let text: Vec<u8> = random.iter().map(|byte| b'a' + byte % 17).collect();
        let name = |length| "n".repeat(length);
        let files: [(String, &[u8]); 10] = [
            ("text".to_owned(), &text),
            ("random".to_owned(), &random),
            ("zeros".to_owned(), &[0; 1 << 20]),
            ("empty".to_owned(), b""),
            (name(101), b"101"),
            (name(156), b"156"),
            (format!("{}/{}", name(100), name(56)), b"157"),
            (format!("{}/{}", name(155), name(101)), b"257"),
            (format!("deep{}/f", format!("/{}", name(200)).repeat(17)), b"3400"),
            ("\u{e9}\u{1f980}/\u{65e5}\u{672c}".to_owned(), b"not ASCII"),
        ];
        std::fs::create_dir(&tree).unwrap();
        for (path, content) in files {
            let path = tree.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe");
        std::fs::write(tree.join(odd), "no text").unwrap();
        std::fs::write(tree.join(std::ffi::OsStr::from_bytes(&[0xf0; 130])), "no text, and long").unwrap();
        std::fs::hard_link(tree.join("text"), tree.join("text too")).unwrap();
        symlink("text", tree.join("link")).unwrap();
        symlink(format!("{}/../text", name(100)), tree.join("long-link")).unwrap();
        symlink(odd, tree.join("odd-link")).unwrap();

        let layer = layer_of(&tree);
        std::fs::write(place.path().join("layer.tgz"), &layer).unwrap();
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(layer.as_slice()).read_to_end(&mut tar).unwrap();
        assert!(tar.len() > 7 << 20, "several blocks");
        std::fs::write(place.path().join("layer.tar"), &tar).unwrap();
        Self { place, layer, tar }
    }

    fn file(&self) -> PathBuf {
        self.place.path().join("layer.tgz")
    }

    /// `command` with the layer as its last argument writes the tar.
    fn unpacks(&self, command: &mut Command) {
        let output = run(command.arg(self.file()));
        assert!(
            output.stdout == self.tar,
            "{command:?} gave {} bytes, not {}",
            output.stdout.len(),
            self.tar.len()
        );
    }

    /// `extract` is given the directory to extract into.
    fn extracts(&self, name: &str, extract: impl FnOnce(&Path)) {
        let directory = self.place.path().join(name);
        std::fs::create_dir(&directory).unwrap();
        extract(&directory);
        assert!(layer_of(&directory) == self.layer, "{name} extracted another tree");
    }
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn gzip_reads_it() {
    let (sample, Some(gzip)) = (Sample::new(), tool("gzip")) else { return };
    run(Command::new(&gzip).arg("-t").arg(sample.file()));
    sample.unpacks(Command::new(&gzip).arg("-dc"));
}

#[test]
fn b_05_b_10_gnu_tar_reads_it() {
    let (sample, Some(tar)) = (Sample::new(), tool("tar")) else { return };
    sample.extracts("gnu", |directory| {
        run(Command::new(&tar).arg("-xzf").arg(sample.file()).arg("-C").arg(directory));
    });
}

#[test]
fn b_05_b_10_bsdtar_reads_it() {
    let (sample, Some(bsdtar)) = (Sample::new(), tool("bsdtar")) else { return };
    sample.extracts("bsd", |directory| {
        run(Command::new(&bsdtar)
            .arg("-xzf")
            .arg(sample.file())
            .arg("-C")
            .arg(directory)
            .env("LC_ALL", "C.UTF-8"));
    });
}

#[test]
fn b_05_b_10_python_reads_it() {
    let (sample, Some(python)) = (Sample::new(), tool("python3")) else { return };
    sample.unpacks(Command::new(&python).arg(program("gunzip.py")));
    for (mode, file) in [("r:", "layer.tar"), ("r:gz", "layer.tgz"), ("r|gz", "layer.tgz")] {
        sample.extracts(mode, |directory| {
            let script = program("extract.py");
            run(Command::new(&python)
                .arg(script)
                .arg(mode)
                .arg(sample.place.path().join(file))
                .arg(directory));
        });
    }
}

#[test]
fn b_05_b_10_go_reads_it() {
    let (sample, Some(go)) = (Sample::new(), tool("go")) else { return };
    sample.extracts("go", |directory| {
        run(Command::new(&go).arg("run").arg(program("extract.go")).arg(sample.file()).arg(directory));
    });
}

#[test]
fn java_reads_it_from_a_slow_stream() {
    let (sample, Some(java)) = (Sample::new(), tool("java")) else { return };
    sample.unpacks(Command::new(&java).arg(program("Gunzip.java")));
}

#[test]
fn node_reads_it() {
    let (sample, Some(node)) = (Sample::new(), tool("node")) else { return };
    sample.unpacks(Command::new(&node).arg(program("gunzip.js")));
}

/// flate2's reader of a single member, which `Sample` reads by, sees all there is.
#[test]
fn flate2_reads_it_as_one_member() {
    let sample = Sample::new();
    let mut reader = flate2::read::GzDecoder::new(sample.layer.as_slice());
    std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
    assert!(reader.into_inner().is_empty());
}

/// Keeps the first bytes of a layer and ends the packing then.
struct Start<'a>(Vec<u8>, &'a Operation);

impl std::io::Write for Start<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        if self.0.len() > 1 << 10 {
            self.1.cancel();
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// More than ustar's eleven digits: its header, and behind it a hole for the body, which readers pass over.
#[test]
fn b_05_a_file_of_8_gib_and_1_is_listed() {
    let (place, Some(tar), Some(bsdtar), Some(python), Some(go)) =
        (tempfile::tempdir().unwrap(), tool("tar"), tool("bsdtar"), tool("python3"), tool("go"))
    else {
        return;
    };
    let (tree, size) = (place.path().join("tree"), (8_u64 << 30) + 1);
    std::fs::create_dir(&tree).unwrap();
    std::fs::File::create(tree.join("big")).unwrap().set_len(size).unwrap();
    let operation = Operation::new();
    let mut start = Start(Vec::new(), &operation);
    let error = pack(&tree, &options(), &operation, &mut start).unwrap_err();
    assert_eq!(error.kind(), cldoci::Kind::Cancelled);
    // A PAX header, its body, and the file's own.
    let mut archive = vec![0; 3 * 512];
    flate2::read::GzDecoder::new(start.0.as_slice()).read_exact(&mut archive).unwrap();
    assert_eq!((archive[156], archive[2 * 512 + 156]), (b'x', b'0'));
    let file = place.path().join("layer.tar");
    std::fs::write(&file, &archive).unwrap();
    let whole = archive.len() as u64 + size.next_multiple_of(512) + 1024;
    std::fs::File::options().write(true).open(&file).unwrap().set_len(whole).unwrap();
    for reader in [tar, bsdtar] {
        let listed = run(Command::new(&reader).arg("-tvf").arg(&file).env("LC_ALL", "C"));
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(listed.contains(" 8589934593 ") && listed.trim_end().ends_with(" big"), "{listed}");
        assert_eq!(listed.lines().count(), 1, "{listed}");
    }
    let script = "import sys,tarfile\nfor e in tarfile.open(sys.argv[1]): print(e.name, e.size)";
    let listed = run(Command::new(python).arg("-c").arg(script).arg(&file));
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "big 8589934593\n");
    let listed = run(Command::new(go).arg("run").arg(program("list.go")).arg(&file));
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "big 8589934593\n");
}

/// A path longer than the system takes in one piece: nobody extracts it, all list it.
#[test]
fn b_05_a_path_of_5000_bytes_is_listed() {
    let (place, Some(tar), Some(bsdtar), Some(python)) =
        (tempfile::tempdir().unwrap(), tool("tar"), tool("bsdtar"), tool("python3"))
    else {
        return;
    };
    let tree = place.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    let (name, mode) = ("n".repeat(249), rustix::fs::Mode::RWXU);
    let open = |at: std::os::fd::BorrowedFd<'_>, name: &str| {
        rustix::fs::openat(at, name, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap()
    };
    let mut at = open(rustix::fs::CWD, tree.to_str().unwrap());
    for _ in 0..20 {
        rustix::fs::mkdirat(&at, &name, mode).unwrap();
        at = open(std::os::fd::AsFd::as_fd(&at), &name);
    }
    let layer = place.path().join("layer.tgz");
    std::fs::write(&layer, layer_of(&tree)).unwrap();
    let wanted: String =
        (1..=20).map(|depth| format!("{}/\n", vec![name.as_str(); depth].join("/"))).collect();
    assert_eq!(wanted.lines().last().map(str::len), Some(5000));
    for reader in [tar, bsdtar] {
        let listed = run(Command::new(&reader).arg("-tzf").arg(&layer));
        assert!(listed.stdout == wanted.as_bytes(), "{}", reader.display());
    }
    let script = "import sys,tarfile\nfor e in tarfile.open(sys.argv[1], 'r|gz'): print(e.name + '/')";
    assert!(run(Command::new(python).arg("-c").arg(script).arg(&layer)).stdout == wanted.as_bytes());
}
