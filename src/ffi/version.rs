//! The version of the library that runs; `build.rs` puts the one of the header into it.

use std::ffi::c_char;

use super::support::guard;

/// The binary interface's number, which is in the soname. It changes when a program that was compiled before
/// would not run right any more, and only then.
pub const CLDOCI_ABI_VERSION: i32 = 0;

/// The version of the library that runs, in one number as CLDOCI_VERSION_NUMBER.
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

/// The version of the library that runs, as text.
///
/// @return static text
#[unsafe(no_mangle)]
pub extern "C" fn cldoci_version_string() -> *const c_char {
    guard::value(std::ptr::null(), || Some(concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()))
}

/// The binary interface of the library that runs. A program that loads the library at run time compares it
/// with the CLDOCI_ABI_VERSION that it was written for.
///
/// @return the number
#[unsafe(no_mangle)]
pub extern "C" fn cldoci_abi_version() -> i32 {
    guard::value(-1, || Some(CLDOCI_ABI_VERSION))
}
