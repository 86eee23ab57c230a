//! Packs directories and says how long it took: `cargo bench --bench pack -- [--threads N] [--out FILE] DIR…`.
//! Without one, packs Go's own source code.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)]

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use cldoci::Operation;
use cldoci::archive::{CaseCollisions, Links, PackOptions, pack};
use cldoci::oci::Profile;

/// Counts, and writes on where a file was named.
struct Sink(u64, Option<std::fs::File>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        if let Some(file) = &mut self.1 {
            file.write_all(bytes)?;
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn main() {
    let mut threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut out = None;
    let mut directories: Vec<PathBuf> = Vec::new();
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--bench") => {}
            Some("--threads") => threads = arguments.next().unwrap().to_str().unwrap().parse().unwrap(),
            Some("--out") => out = arguments.next(),
            _ => directories.push(argument.into()),
        }
    }
    if directories.is_empty() {
        let root = Command::new("go").args(["env", "GOROOT"]).output().unwrap().stdout;
        directories.push(PathBuf::from(String::from_utf8(root).unwrap().trim()).join("src"));
    }
    let options = PackOptions {
        profile: Profile::None,
        links: Links::Skip,
        case_collisions: CaseCollisions::Warn,
        mtime: 0,
        threads,
        max_bytes: u64::MAX,
        leave_out: Vec::new(),
    };
    for directory in directories {
        let mut times = Vec::new();
        let mut last = None;
        for _ in 0..5 {
            let mut sink = Sink(0, out.as_ref().map(|path| std::fs::File::create(path).unwrap()));
            let start = Instant::now();
            let packed = pack(&directory, &options, &Operation::new(), &mut sink).unwrap();
            times.push(start.elapsed().as_secs_f64());
            last = Some((packed, sink.0));
        }
        times.sort_by(f64::total_cmp);
        let (packed, size) = last.unwrap();
        let (median, megabytes) = (times[times.len() / 2], packed.tar_size as f64 / 1e6);
        println!(
            "{}: {} entries, {megabytes:.1} MB of tar to {:.2} MB in {median:.3} s ({:.3}..{:.3}), {:.0} MB/s, {threads} threads, peak RSS {} KiB",
            directory.display(),
            packed.entries,
            size as f64 / 1e6,
            times[0],
            times[times.len() - 1],
            megabytes / median,
            peak_rss(),
        );
    }
}

fn peak_rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
