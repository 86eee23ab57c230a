//! What belongs to this process alone. It lives in a page that the kernel wipes in a forked child, so that a
//! child begins with no runtime and no free handles, and knows which handles it inherited.

use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

use super::runtime::Engine;

/// How many handle types the live counts have room for.
pub(super) const TYPES: usize = 32;

/// All zero is the state of a process that has not used the library.
#[repr(C)]
pub(super) struct Page {
    /// One more than the lowest index of the handles that this process made; 0 = not known yet.
    pub(super) floor: AtomicU64,
    /// The free slots: a count of changes above, the first slot's index plus one below; 0 = none.
    pub(super) free: AtomicU64,
    /// Live handles of each type.
    pub(super) live: [AtomicU64; TYPES],
    local: AtomicPtr<Local>,
}

impl Page {
    const fn new() -> Self {
        Self {
            floor: AtomicU64::new(0),
            free: AtomicU64::new(0),
            live: [const { AtomicU64::new(0) }; TYPES],
            local: AtomicPtr::new(std::ptr::null_mut()),
        }
    }
}

static PAGE: AtomicPtr<Page> = AtomicPtr::new(std::ptr::null_mut());
/// Where no page can be had: wiped by a fork handler instead.
static FALLBACK: Page = Page::new();
/// How many slots were ever used, by this process and by those it was forked from.
pub(super) static USED_SLOTS: AtomicU32 = AtomicU32::new(0);

/// This process's page.
pub(super) fn page() -> &'static Page {
    let mut page = PAGE.load(Ordering::Acquire);
    if page.is_null() {
        let made = map_page().unwrap_or_else(wiped_by_handler);
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
    page
}

fn map_page() -> Option<*mut Page> {
    // SAFETY: a plain question. (rustix would read the auxiliary vector, which is a lie under valgrind.)
    let size = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?.max(size_of::<Page>());
    // SAFETY: a new anonymous mapping at an address of the kernel's choice overlaps nothing.
    let page = unsafe {
        mmap_anonymous(std::ptr::null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
    }
    .ok()?;
    // SAFETY: the advice names exactly the mapping made above, which nothing refers to yet.
    match unsafe { madvise(page, size, Advice::LinuxWipeOnFork) } {
        Ok(()) => Some(page.cast()),
        Err(_) => {
            // SAFETY: the mapping was made above and nothing refers to it.
            let _ = unsafe { rustix::mm::munmap(page, size) };
            None
        }
    }
}

/// For kernels before 4.14, and where memory for a page is missing.
fn wiped_by_handler() -> *mut Page {
    extern "C" fn wipe() {
        FALLBACK.floor.store(0, Ordering::Release);
        FALLBACK.free.store(0, Ordering::Release);
        FALLBACK.local.store(std::ptr::null_mut(), Ordering::Release);
        for count in &FALLBACK.live {
            count.store(0, Ordering::Release);
        }
    }
    // SAFETY: `wipe` only stores to atomics, which is safe in a child at any moment, and the library is
    // never unloaded (-z nodelete), so the handler stays.
    unsafe { libc::pthread_atfork(None, None, Some(wipe)) };
    (&raw const FALLBACK).cast_mut()
}

/// What the process has but for handles; made at first use, never freed, left behind by a child.
pub(super) struct Local {
    /// The runtime, as long as a client or an operation holds it.
    pub(super) engine: Mutex<std::sync::Weak<Engine>>,
    /// The host closed what the runtime waits on.
    pub(super) lost: AtomicBool,
    /// How the runtime is made.
    pub(super) plan: Mutex<tokio::runtime::Builder>,
    /// The threads that run the caller's functions.
    pub(super) callers: super::callback::Callers,
}

/// LeakSanitizer follows pointers from globals, but not from a page that was mapped by hand. Nothing reads it.
#[used]
static SEEN_BY_LEAK_CHECKERS: AtomicPtr<Local> = AtomicPtr::new(std::ptr::null_mut());

/// This process's own state. A lock in it is never inherited over a fork.
pub(super) fn local() -> &'static Local {
    let slot = &page().local;
    let mut local = slot.load(Ordering::Acquire);
    if local.is_null() {
        let made = Box::into_raw(Box::new(Local {
            engine: Mutex::new(std::sync::Weak::new()),
            lost: AtomicBool::new(false),
            plan: Mutex::new(super::runtime::plan()),
            callers: super::callback::Callers::new(),
        }));
        local = match slot.compare_exchange(std::ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                SEEN_BY_LEAK_CHECKERS.store(made, Ordering::Release);
                made
            }
            Err(first) => {
                // SAFETY: `made` was not stored, so this is its only pointer.
                drop(unsafe { Box::from_raw(made) });
                first
            }
        };
    }
    // SAFETY: a stored pointer came from `Box::into_raw` and is never freed.
    unsafe { &*local }
}

/// Locks; a panic while it was held left nothing half-done that matters.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
