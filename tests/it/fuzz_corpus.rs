//! The fuzz targets without libFuzzer: every seed of `fuzz/corpus`, and some hundred inputs that are bent from the seeds
//! the same way in every run. `scripts/fuzz.sh` searches further.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

#[path = "../../fuzz/targets/mod.rs"]
pub mod targets;

use crate::harness::random::Random;

const MUTATIONS: usize = 300;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// One to four times a flipped bit, another byte, a cut, a piece doubled or taken out, a piece of another seed.
fn bend(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + 1 + random.below(64)).min(bytes.len());
        match random.below(8) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            3 => {
                let from = random.below(other.len() + 1);
                let piece = &other[from..(from + random.below(600)).min(other.len())];
                bytes.splice(at..end, piece.iter().copied());
            }
            4 => bytes.insert(at, u8::try_from(random.below(256)).unwrap()),
            5 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            _ if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            _ => {}
        }
    }
}

/// Runs an input; one that fails is kept, for `scripts/fuzz.sh TARGET FILE` and as a seed.
fn try_one(target: &str, run: targets::Target, what: &str, bytes: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| run(bytes))).is_err() {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{target}"));
        fs::write(&kept, bytes).unwrap();
        panic!("{target}: {what} fails; the input is in {}", kept.display());
    }
}

fn run_seeds(target: &str) {
    let run = targets::find(target).unwrap();
    let directory = corpus().join(target);
    let names: Vec<String> = names(&directory).into_iter().collect();
    let seeds: Vec<Vec<u8>> = names.iter().map(|name| fs::read(directory.join(name)).unwrap()).collect();
    assert!(seeds.len() > 1, "{target} has no seeds");
    try_one(target, run, "no input", b"");
    for (name, seed) in names.iter().zip(&seeds) {
        try_one(target, run, name, seed);
    }
    let mut random = Random(target.len() as u64);
    for round in 0..MUTATIONS {
        let mut bytes = seeds[round % seeds.len()].clone();
        let other = random.below(seeds.len());
        bend(&mut random, &mut bytes, &seeds[other]);
        try_one(target, run, &format!("mutation {round} of {}", names[round % seeds.len()]), &bytes);
    }
}

#[test]
fn every_target_has_seeds_and_small_ones() {
    let known: BTreeSet<String> = targets::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&corpus()), known);
    let sizes = known.iter().flat_map(|target| {
        let directory = corpus().join(target);
        names(&directory).into_iter().map(move |name| fs::metadata(directory.join(name)).unwrap().len())
    });
    assert!(sizes.sum::<u64>() < 120 << 10);
}

macro_rules! each {
    ($($target:ident),+) => {
        $(#[test] fn $target() { run_seeds(stringify!($target)); })+

        #[test]
        fn every_target_is_run() {
            assert_eq!(targets::ALL.map(|(name, _)| name), [$(stringify!($target)),+]);
        }
    };
}

each!(
    extract,
    tar_diff,
    gzip_tar,
    manifest,
    reference,
    digest,
    blocks,
    build_roundtrip,
    docker_config,
    helper_output,
    token_json,
    challenge,
    location_link,
    content_range
);
