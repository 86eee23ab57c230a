//! What is fuzzed. Each target takes any bytes and panics where its oracle, which its file begins with, does not hold.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a target fails by panicking"
)]
#![allow(unreachable_pub, reason = "libFuzzer's crate takes this file as its library, a test as a module")]

mod blocks;
mod build_roundtrip;
mod bytes;
mod challenge;
mod content_range;
mod digest;
mod docker_config;
mod extract;
mod gzip_tar;
pub mod harmless;
mod helper_output;
mod location_link;
mod manifest;
mod reference;
mod room;
mod tar_diff;
mod token_json;

/// What a target is.
pub type Target = fn(&[u8]);

/// Every target; its seeds are in `fuzz/corpus` under this name.
pub const ALL: [(&str, Target); 14] = [
    ("extract", extract::run),
    ("tar_diff", tar_diff::run),
    ("gzip_tar", gzip_tar::run),
    ("manifest", manifest::run),
    ("reference", reference::run),
    ("digest", digest::run),
    ("blocks", blocks::run),
    ("build_roundtrip", build_roundtrip::run),
    ("docker_config", docker_config::run),
    ("helper_output", helper_output::run),
    ("token_json", token_json::run),
    ("challenge", challenge::run),
    ("location_link", location_link::run),
    ("content_range", content_range::run),
];

/// The target of this name.
pub fn find(name: &str) -> Option<Target> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, run)| *run)
}
