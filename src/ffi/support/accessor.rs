//! What accessors share: they have no error object, and give "none" for a handle that is bad.

use std::ffi::c_char;

use super::guard;
use super::handle::{self, Object};
use super::strings::{OwnedCStr, put};

/// Lends a text of an object; NULL and length 0 where there is none.
///
/// # Safety
/// `length` is NULL or may be written to.
pub(crate) unsafe fn text<T: Object>(
    handle: *const T::Opaque,
    length: *mut usize,
    pick: impl FnOnce(&T) -> Option<&OwnedCStr>,
) -> *const c_char {
    // SAFETY: the caller's promise, passed on.
    unsafe { put(length, 0) };
    guard::value(std::ptr::null(), || {
        let object = handle::get::<T>(handle).ok()?;
        // SAFETY: as above. The text lives in the object, which lives as long as its handle.
        pick(&object).map(|text| unsafe { text.lend(length) })
    })
}

/// Lends bytes of an object; NULL and size 0 where there are none.
///
/// # Safety
/// `size` is NULL or may be written to.
pub(crate) unsafe fn bytes<T: Object>(
    handle: *const T::Opaque,
    size: *mut usize,
    pick: impl FnOnce(&T) -> Option<&[u8]>,
) -> *const u8 {
    // SAFETY: the caller's promise, passed on.
    unsafe { put(size, 0) };
    guard::value(std::ptr::null(), || {
        let object = handle::get::<T>(handle).ok()?;
        let bytes = pick(&object)?;
        // SAFETY: as above.
        unsafe { put(size, bytes.len()) };
        Some(bytes.as_ptr())
    })
}

/// A number of an object, or what stands for "none".
pub(crate) fn number<T: Object, N>(
    handle: *const T::Opaque,
    otherwise: N,
    pick: impl FnOnce(&T) -> Option<N>,
) -> N {
    guard::value(otherwise, || pick(&*handle::get::<T>(handle).ok()?))
}
