//! The version of the library that runs; `build.rs` puts the one of the header into it.

use std::ffi::c_char;

use super::support::guard;

/// The version of the binary interface, which is in the soname. It changes only when programs compiled before
/// would break.
pub const CLDOCI_ABI_VERSION: i32 = 0;

/// The version of the loaded library, as one number like CLDOCI_VERSION_NUMBER.
///
/// @return the number
#[unsafe(no_mangle)]
pub extern "C" fn cldoci_version_number() -> i32 {
    guard::value(0, || {
        let part = |text: &str| text.parse::<i32>().ok();
        let (major, minor) = (part(env!("CARGO_PKG_VERSION_MAJOR"))?, part(env!("CARGO_PKG_VERSION_MINOR"))?);
        Some(major << 16 | minor << 8 | part(env!("CARGO_PKG_VERSION_PATCH"))?)
    })
}

/// The version of the loaded library, as text.
#[unsafe(no_mangle)]
pub extern "C" fn cldoci_version_string() -> *const c_char {
    guard::value(std::ptr::null(), || Some(concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()))
}

/// The binary interface of the loaded library. A program that loads the library at run time compares it with the
/// CLDOCI_ABI_VERSION that it was written for.
///
/// @return the number
#[unsafe(no_mangle)]
pub extern "C" fn cldoci_abi_version() -> i32 {
    guard::value(-1, || Some(CLDOCI_ABI_VERSION))
}

/// What the library that runs was built with, each a name and a value, both ending with a NUL.
const FEATURES: &[(&str, &str)] = &[
    ("target\0", concat!(env!("CLDOCI_TARGET"), "\0")),
    ("tls\0", "rustls, ring\0"),
    ("http\0", "1.1, 2\0"),
    ("proxy\0", "http, https, socks5, socks5h\0"),
    ("compression\0", "gzip, zstd (read only)\0"),
    ("digest\0", "sha256, sha512\0"),
    ("archive_format\0", "1\0"),
];

fn feature(index: usize, pick: impl FnOnce(&(&'static str, &'static str)) -> &'static str) -> *const c_char {
    guard::value(std::ptr::null(), || FEATURES.get(index).map(|feature| pick(feature).as_ptr().cast()))
}

/// The name of a feature of the loaded library: `target`, `tls`, `http`, `proxy`, `compression`, `digest`,
/// `archive_format` (docs/archive-format.md). Later versions may have more.
#[unsafe(no_mangle)]
pub extern "C" fn cldoci_feature_name(index: usize) -> *const c_char {
    feature(index, |feature| feature.0)
}

/// The value of a feature, for people: for `target` the triple that the library was built for, otherwise what it
/// supports, separated by `, `.
#[unsafe(no_mangle)]
pub extern "C" fn cldoci_feature_value(index: usize) -> *const c_char {
    feature(index, |feature| feature.1)
}
