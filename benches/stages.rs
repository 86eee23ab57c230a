//! Each stage of a build and a pull alone, against nothing but the machine: `cargo bench --bench stages -- DIR SCRATCH`.
//! Prints one JSON object a line: stage, bytes, seconds on one thread and on all cores, CPU seconds.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use cldoci::Operation;
use cldoci::archive::{BlockCompressor, fingerprint};
use cldoci::oci::Digest;
use flate2::{Decompress, FlushDecompress};
use rustix::time::{ClockId, clock_gettime};

const BLOCK: usize = 1 << 20;
/// Pieces that go over a socket.
const CHUNK: usize = 256 << 10;
const ROUNDS: usize = 5;

fn main() {
    let arguments: Vec<PathBuf> =
        std::env::args_os().skip(1).filter(|a| a != "--bench").map(PathBuf::from).collect();
    let [directory, scratch] = arguments.as_slice() else {
        println!("usage: cargo bench --bench stages -- DIR SCRATCH");
        return;
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);

    let (mut directories, mut files) = (Vec::new(), Vec::new());
    let bench = Bench { cores };
    bench.alone("walk", 0, || {
        directories.clear();
        files.clear();
        walk(directory, &mut directories, &mut files);
    });
    let bytes: u64 = files.iter().map(|(_, size)| size).sum();
    bench.stage("read", bytes, |threads| {
        in_parallel(threads, files.len(), Vec::new, |n, buffer| read(&files[n].0, buffer));
    });

    let contents: Vec<Vec<u8>> = files.iter().map(|(path, _)| fs::read(path).unwrap()).collect();
    let mut tar = Vec::new();
    bench.alone("tar", bytes, || tar = archive(directory, &files, &contents, std::mem::take(&mut tar)));
    bench.alone("crc32", tar.len() as u64, || {
        libdeflater::Crc::new().update(&tar);
    });

    let blocks: Vec<&[u8]> = tar.chunks(BLOCK).collect();
    let packed: Vec<Mutex<Vec<u8>>> = blocks.iter().map(|_| Mutex::default()).collect();
    bench.stage("compress", tar.len() as u64, |threads| {
        in_parallel(threads, blocks.len(), compressor, |n, (compressor, buffer)| {
            let length = compressor.compress(blocks[n], n + 1 == blocks.len(), buffer).unwrap();
            let mut packed = packed[n].lock().unwrap();
            packed.clear();
            packed.extend_from_slice(&buffer[..length]);
        });
    });
    let packed: Vec<Vec<u8>> = packed.into_iter().map(|block| block.into_inner().unwrap()).collect();
    let layer = packed.concat();
    bench.alone("sha256", layer.len() as u64, || {
        assert!(Digest::of(&layer).verify(&layer[..0]) == layer.is_empty());
    });
    let spool = scratch.join("spool");
    bench.alone("spool", layer.len() as u64, || {
        let mut file = File::create(&spool).unwrap();
        layer.chunks(CHUNK).for_each(|chunk| file.write_all(chunk).unwrap());
    });
    let mut buffer = vec![0; CHUNK];
    bench.alone("load", layer.len() as u64, || {
        let mut file = File::open(&spool).unwrap();
        while file.read(&mut buffer).unwrap() > 0 {}
    });
    fs::remove_file(&spool).unwrap();

    bench.alone("loopback", layer.len() as u64, || loopback(&layer));
    bench.stage("inflate", tar.len() as u64, |threads| {
        in_parallel(threads, packed.len(), inflater, |n, (inflater, buffer)| {
            inflater.reset(false);
            inflater.decompress(&packed[n], buffer, FlushDecompress::Sync).unwrap();
            assert_eq!(inflater.total_out(), blocks[n].len() as u64);
        });
    });
    bench.alone("untar", tar.len() as u64, || {
        let mut archive = tar::Archive::new(tar.as_slice());
        assert_eq!(archive.entries().unwrap().raw(true).filter(|e| e.is_ok()).count(), files.len());
    });
    let out = scratch.join("out");
    let targets: Vec<PathBuf> =
        files.iter().map(|(path, _)| out.join(path.strip_prefix(directory).unwrap())).collect();
    bench.around(
        "write",
        bytes,
        || {
            let _ = fs::remove_dir_all(&out);
        },
        |threads| {
            fs::create_dir_all(&out).unwrap();
            for path in &directories {
                fs::create_dir(out.join(path.strip_prefix(directory).unwrap())).unwrap();
            }
            in_parallel(
                threads,
                targets.len(),
                || (),
                |n, ()| {
                    File::create_new(&targets[n]).unwrap().write_all(&contents[n]).unwrap();
                },
            );
        },
    );
    bench.stage("note", 0, |threads| {
        fingerprint(&out, None, threads, &Operation::new()).unwrap();
    });
    fs::remove_dir_all(&out).unwrap();
}

struct Bench {
    cores: usize,
}

impl Bench {
    /// A stage that one thread does.
    fn alone(&self, name: &str, bytes: u64, mut work: impl FnMut()) {
        let (wall, cpu) = time(|| (), &mut work);
        self.print(name, bytes, wall, wall, cpu);
    }

    /// A stage that any number of threads can do.
    fn stage(&self, name: &str, bytes: u64, work: impl FnMut(usize)) {
        self.around(name, bytes, || (), work);
    }

    /// The same, with something before each round that does not count.
    fn around(&self, name: &str, bytes: u64, mut before: impl FnMut(), mut work: impl FnMut(usize)) {
        let (one, cpu) = time(&mut before, || work(1));
        let (all, _) = time(&mut before, || work(self.cores));
        self.print(name, bytes, one, all, cpu);
    }

    fn print(&self, name: &str, bytes: u64, one: f64, all: f64, cpu: f64) {
        println!(
            r#"{{"stage":"{name}","bytes":{bytes},"one":{one:.6},"all":{all:.6},"cpu":{cpu:.6},"cores":{}}}"#,
            self.cores
        );
    }
}

/// Medians of wall and CPU seconds.
fn time(mut before: impl FnMut(), mut work: impl FnMut()) -> (f64, f64) {
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        before();
        let (wall, cpu) = (Instant::now(), cpu_seconds());
        work();
        walls.push(wall.elapsed().as_secs_f64());
        cpus.push(cpu_seconds() - cpu);
    }
    (median(walls), median(cpus))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Gives the numbers below `count` to `threads`, each with a state of its own.
fn in_parallel<S>(
    threads: usize,
    count: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(usize, &mut S) + Sync,
) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut state = state();
                loop {
                    match next.fetch_add(1, Ordering::Relaxed) {
                        n if n < count => work(n, &mut state),
                        _ => return,
                    }
                }
            });
        }
    });
}

/// Directories, and files with their sizes, in the order of an archive.
fn walk(directory: &Path, directories: &mut Vec<PathBuf>, files: &mut Vec<(PathBuf, u64)>) {
    let mut entries: Vec<_> = fs::read_dir(directory).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let data = entry.metadata().unwrap();
        if data.is_dir() {
            directories.push(entry.path());
            walk(&entry.path(), directories, files);
        } else if data.is_file() {
            files.push((entry.path(), data.len()));
        }
    }
}

fn read(path: &Path, buffer: &mut Vec<u8>) {
    buffer.resize(BLOCK, 0);
    let mut file = File::open(path).unwrap();
    while file.read(buffer).unwrap() > 0 {}
}

/// A header and a copy for each file, into the memory of the last round.
fn archive(root: &Path, files: &[(PathBuf, u64)], contents: &[Vec<u8>], mut out: Vec<u8>) -> Vec<u8> {
    out.clear();
    for ((path, size), content) in files.iter().zip(contents) {
        let mut header = tar::Header::new_ustar();
        header.set_path(path.strip_prefix(root).unwrap()).unwrap();
        header.set_size(*size);
        header.set_mode(0o644);
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

fn compressor() -> (BlockCompressor, Vec<u8>) {
    let mut compressor = BlockCompressor::new().unwrap();
    let room = compressor.bound(BLOCK);
    (compressor, vec![0; room])
}

fn inflater() -> (Decompress, Vec<u8>) {
    (Decompress::new(false), vec![0; BLOCK])
}

/// The layer through a socket: an upload and a download are the same here.
fn loopback(layer: &[u8]) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = vec![0; CHUNK];
            let (mut stream, mut left) = (listener.accept().unwrap().0, layer.len());
            while left > 0 {
                left -= stream.read(&mut buffer).unwrap();
            }
        });
        let mut stream = TcpStream::connect(address).unwrap();
        layer.chunks(CHUNK).for_each(|chunk| stream.write_all(chunk).unwrap());
    });
}
