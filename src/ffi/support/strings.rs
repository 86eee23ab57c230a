//! Strings and bytes as they cross the border, in both directions.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Kind, Result};

/// Bytes lent to the caller: a NUL follows them, and their number is known, as they may hold NULs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnedCStr(Box<[u8]>);

impl OwnedCStr {
    pub(crate) fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self([bytes.as_ref(), &[0]].concat().into())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.split_last().map_or(&[], |(_, bytes)| bytes)
    }

    /// The pointer, and through `length` (may be NULL) the number of bytes before the final NUL.
    ///
    /// # Safety
    /// `length` is NULL or may be written to.
    pub(crate) unsafe fn lend(&self, length: *mut usize) -> *const c_char {
        // SAFETY: the caller's promise, passed on.
        unsafe { put(length, self.bytes().len()) };
        self.0.as_ptr().cast()
    }
}

impl From<&str> for OwnedCStr {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

fn wrong(why: String) -> Error {
    Error::new(Kind::Argument, why)
}

fn null(name: &str) -> Error {
    wrong(format!("argument '{name}' is NULL"))
}

/// The longest string that is looked at: far beyond what any argument can use, and soon found for one that never
/// ends.
const LIMIT: usize = 64 << 20;

/// The bytes of a string before its NUL.
///
/// # Safety
/// `text` is NULL or points to a NUL-terminated string that outlives `'a`.
unsafe fn string<'a>(text: *const c_char, name: &str) -> Result<&'a [u8]> {
    if text.is_null() {
        return Err(null(name));
    }
    // SAFETY: not NULL, and the caller promises that it can be read up to its NUL.
    let length = unsafe { libc::strnlen(text, LIMIT + 1) };
    if length > LIMIT {
        return Err(wrong(format!("argument '{name}' has more than {LIMIT} bytes")));
    }
    // SAFETY: as many bytes were just read.
    Ok(unsafe { std::slice::from_raw_parts(text.cast(), length) })
}

/// Text that must be UTF-8.
///
/// # Safety
/// `text` is NULL or points to a NUL-terminated string that outlives `'a`.
pub(crate) unsafe fn text<'a>(text: *const c_char, name: &str) -> Result<&'a str> {
    // SAFETY: the caller's promise, passed on.
    let bytes = unsafe { string(text, name) }?;
    std::str::from_utf8(bytes)
        .map_err(|e| wrong(format!("argument '{name}' is not UTF-8 at byte {}", e.valid_up_to())))
}

/// Text that may be NULL.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn optional_text<'a>(pointer: *const c_char, name: &str) -> Result<Option<&'a str>> {
    // SAFETY: the caller's promise, passed on.
    if pointer.is_null() { Ok(None) } else { unsafe { text(pointer, name) }.map(Some) }
}

/// The bytes of a key that is looked up, where a NULL finds nothing.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn key_bytes<'a>(key: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: not NULL, and the caller promises that it can be read up to its NUL.
    (!key.is_null()).then(|| unsafe { CStr::from_ptr(key) }.to_bytes())
}

/// A path: any bytes but NUL, not empty.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn path<'a>(path: *const c_char, name: &str) -> Result<&'a Path> {
    // SAFETY: the caller's promise, passed on.
    let bytes = unsafe { string(path, name) }?;
    if bytes.is_empty() {
        return Err(wrong(format!("argument '{name}' is an empty path")));
    }
    Ok(Path::new(OsStr::from_bytes(bytes)))
}

/// Bytes by pointer and number; (NULL, 0) is empty.
///
/// # Safety
/// `bytes` is NULL or points to `size` bytes that can be read and outlive `'a`.
pub(crate) unsafe fn bytes<'a>(bytes: *const u8, size: usize, name: &str) -> Result<&'a [u8]> {
    if size == 0 {
        return Ok(&[]);
    }
    if bytes.is_null() {
        return Err(null(name));
    }
    if isize::try_from(size).is_err() {
        return Err(wrong(format!("argument '{name}' has a size over PTRDIFF_MAX")));
    }
    // SAFETY: not NULL, its size is possible, and the caller promises that it can be read.
    Ok(unsafe { std::slice::from_raw_parts(bytes, size) })
}

/// An output that the caller must want: set to `initial` at once.
///
/// # Safety
/// `place` is NULL or may be written to for as long as `'a`.
pub(crate) unsafe fn out<'a, T>(place: *mut T, name: &str, initial: T) -> Result<&'a mut T> {
    // SAFETY: the caller's promise, passed on.
    unsafe { optional_out(place, name, initial) }?.ok_or_else(|| null(name))
}

/// An output that the caller may leave out.
///
/// # Safety
/// As [`out`].
pub(crate) unsafe fn optional_out<'a, T>(place: *mut T, name: &str, initial: T) -> Result<Option<&'a mut T>> {
    if place.is_null() {
        return Ok(None);
    }
    if !place.is_aligned() {
        return Err(wrong(format!("argument '{name}' is not aligned")));
    }
    // SAFETY: not NULL and aligned; the caller promises that it may be written to.
    unsafe { place.write(initial) };
    // SAFETY: as above, and it holds a value now.
    Ok(Some(unsafe { &mut *place }))
}

/// Writes a number where the caller wants it.
///
/// # Safety
/// `place` is NULL or may be written to.
pub(crate) unsafe fn put(place: *mut usize, number: usize) {
    if !place.is_null() && place.is_aligned() {
        // SAFETY: not NULL and aligned; the caller promises that it may be written to.
        unsafe { place.write(number) };
    }
}
