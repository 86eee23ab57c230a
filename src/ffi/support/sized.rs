//! Structs that go out, begin with their size, and grow only at their end.

use crate::error::{Error, Kind, Result};

/// A struct that goes out: its first member is its size as the caller knows it.
///
/// # Safety
/// All zero is a value of it, and its first member is the `usize` that says its size.
pub(crate) unsafe trait SizedOut: Copy {}

/// The largest struct that a caller from the future may have; beyond it the size is garbage.
const STRUCT_LIMIT: usize = 4096;

/// The caller's struct, all zero but for its size.
pub(crate) struct Blank<T>(*mut T);

impl<T: SizedOut> Blank<T> {
    /// Fills it as far as both sides know it.
    pub(crate) fn fill(self, value: &T) {
        let head = size_of::<usize>();
        // SAFETY: `blank` found room for a `T`, which the caller keeps for the time of the call; the first member
        // stays as it is.
        unsafe {
            let bytes = self.0.cast::<u8>().add(head);
            std::ptr::from_ref(value)
                .cast::<u8>()
                .add(head)
                .copy_to_nonoverlapping(bytes, size_of::<T>() - head);
        }
    }
}

/// Checks the caller's struct and sets all of it to zero but its size, also what only the caller knows.
///
/// # Safety
/// `place` is NULL, or its first member can be read and as many bytes as that says can be written while the call
/// lasts.
pub(crate) unsafe fn blank<T: SizedOut>(place: *mut T, name: &str) -> Result<Blank<T>> {
    let wrong = |why: String| Err(Error::new(Kind::Argument, format!("argument '{name}' {why}")));
    if place.is_null() {
        return wrong("is NULL".to_owned());
    }
    if !place.is_aligned() {
        return wrong("is not aligned".to_owned());
    }
    // SAFETY: not NULL and aligned, and the caller promises that the first member can be read.
    let size = unsafe { place.cast::<usize>().read() };
    let known = size_of::<T>();
    if size < known || size > STRUCT_LIMIT {
        return wrong(format!("has struct_size {size}, must be sizeof of the struct ({known})"));
    }
    let head = size_of::<usize>();
    // SAFETY: the caller promises that `size` bytes can be written; the first member stays as it is.
    unsafe { place.cast::<u8>().add(head).write_bytes(0, size - head) };
    Ok(Blank(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x_10_sizes_of_structs() {
        #[repr(C)]
        #[derive(Clone, Copy, Default)]
        struct Known {
            struct_size: usize,
            bytes_done: u64,
        }
        // SAFETY: `repr(C)`, all integers, and `struct_size` comes first.
        unsafe impl SizedOut for Known {}
        #[repr(C)]
        struct Newer {
            known: Known,
            later: u64,
        }
        let value = Known { bytes_done: 5, ..Default::default() };
        let mut newer = Newer { known: Known::default(), later: 9 };
        newer.known.struct_size = size_of::<Newer>();
        // SAFETY: the struct has the size that it says.
        unsafe { blank((&raw mut newer).cast::<Known>(), "known") }.unwrap().fill(&value);
        assert_eq!((newer.known.bytes_done, newer.later), (5, 0));
        for size in [0, size_of::<Known>() - 1, STRUCT_LIMIT + 1, usize::MAX] {
            newer.known.struct_size = size;
            // SAFETY: a refused size is not written to.
            let refused = unsafe { blank(&raw mut newer.known, "known") };
            assert!(refused.err().unwrap().message().contains("struct_size"), "{size}");
        }
    }
}
