//! What belongs to this process alone. It lives in a page that the kernel wipes in a forked child, so that a
//! child begins with no runtime and no free handles, and knows which handles it inherited.

use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::os::map_wiped_on_fork;

/// How many handle types the live counts have room for.
pub(crate) const TYPES: usize = 32;

/// All zero is the state of a process that has not used the library.
#[repr(C)]
pub(crate) struct Page {
    /// One more than the lowest index of the handles that this process made; 0 = not known yet.
    pub(crate) floor: AtomicU64,
    /// The free slots: a count of changes above, the first slot's index plus one below; 0 = none.
    pub(crate) free: AtomicU64,
    /// Live handles of each type.
    pub(crate) live: [AtomicU64; TYPES],
    /// A number that this process has and none that it was forked from; 0 = not given yet.
    epoch: AtomicU64,
}

impl Page {
    const fn new() -> Self {
        Self {
            floor: AtomicU64::new(0),
            free: AtomicU64::new(0),
            live: [const { AtomicU64::new(0) }; TYPES],
            epoch: AtomicU64::new(0),
        }
    }
}

static PAGE: AtomicPtr<Page> = AtomicPtr::new(std::ptr::null_mut());
/// Where no page can be had: wiped by a fork handler instead.
static FALLBACK: Page = Page::new();
/// How many slots were ever used, by this process and by those it was forked from.
pub(crate) static USED_SLOTS: AtomicU32 = AtomicU32::new(0);
/// The last epoch that was given, by this process or by those it was forked from.
static EPOCHS: AtomicU64 = AtomicU64::new(0);

/// This process's page.
pub(crate) fn page() -> &'static Page {
    let mut page = PAGE.load(Ordering::Acquire);
    if page.is_null() {
        let made =
            map_wiped_on_fork(size_of::<Page>()).map_or_else(wiped_by_handler, |page| page.as_ptr().cast());
        page = match PAGE.compare_exchange(std::ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => made,
            // Another thread was first; the lost page is some 4 KiB, once.
            Err(first) => first,
        };
    }
    // SAFETY: a page that was stored is never unmapped, all zero is a valid `Page`, and all its fields are
    // atomics, so sharing it between threads is sound.
    let page = unsafe { &*page };
    if page.floor.load(Ordering::Acquire) == 0 {
        let floor = u64::from(USED_SLOTS.load(Ordering::Acquire)) + 1;
        // Whoever is second finds the floor set; no slot is taken before it is.
        let _ = page.floor.compare_exchange(0, floor, Ordering::AcqRel, Ordering::Acquire);
    }
    if page.epoch.load(Ordering::Acquire) == 0 {
        let epoch = EPOCHS.fetch_add(1, Ordering::AcqRel) + 1;
        let _ = page.epoch.compare_exchange(0, epoch, Ordering::AcqRel, Ordering::Acquire);
    }
    page
}

/// For kernels before 4.14, and where memory for a page is missing.
fn wiped_by_handler() -> *mut Page {
    extern "C" fn wipe() {
        FALLBACK.floor.store(0, Ordering::Release);
        FALLBACK.free.store(0, Ordering::Release);
        FALLBACK.epoch.store(0, Ordering::Release);
        for count in &FALLBACK.live {
            count.store(0, Ordering::Release);
        }
    }
    // SAFETY: `wipe` only stores to atomics, which is safe in a child at any moment, and the library is
    // never unloaded (-z nodelete), so the handler stays.
    unsafe { libc::pthread_atfork(None, None, Some(wipe)) };
    (&raw const FALLBACK).cast_mut()
}

/// A value of this process alone, made at first use and never freed. A child of fork makes one of its own and leaves
/// the old one behind: a lock in it is never inherited.
pub(crate) struct Local<T: 'static> {
    made: AtomicPtr<Made<T>>,
    make: fn() -> T,
}

struct Made<T> {
    epoch: u64,
    value: T,
}

impl<T: Send + Sync> Local<T> {
    pub(crate) const fn new(make: fn() -> T) -> Self {
        Self { made: AtomicPtr::new(std::ptr::null_mut()), make }
    }

    pub(crate) fn get(&'static self) -> &'static T {
        let epoch = page().epoch.load(Ordering::Acquire);
        let mut current = self.made.load(Ordering::Acquire);
        loop {
            // SAFETY: a stored pointer came from `Box::into_raw` and is never freed.
            if let Some(made) = unsafe { current.as_ref() }
                && made.epoch == epoch
            {
                return &made.value;
            }
            let fresh = Box::into_raw(Box::new(Made { epoch, value: (self.make)() }));
            current = match self.made.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => fresh,
                Err(first) => {
                    // SAFETY: `fresh` was not stored, so this is its only pointer.
                    drop(unsafe { Box::from_raw(fresh) });
                    first
                }
            };
        }
    }
}
