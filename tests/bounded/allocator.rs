//! An allocator that counts: how much is allocated at once, and the largest piece that was asked for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);

fn grown(by: usize, piece: usize) {
    LARGEST.fetch_max(piece, Ordering::Relaxed);
    let live = LIVE.fetch_add(by, Ordering::Relaxed) + by;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator with what it was given.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size(), layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size(), layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may be there at once.
        grown(size, size);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// What a piece of work allocated.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// The most at one time, beyond what was there before.
    pub peak: usize,
    pub largest: usize,
}

/// Held by a test from its beginning: what another one allocates meanwhile would be counted.
pub struct Alone(#[expect(dead_code, reason = "held, not used")] MutexGuard<'static, ()>);

pub fn alone() -> Alone {
    static ALONE: Mutex<()> = Mutex::new(());
    Alone(ALONE.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Alone {
    /// Runs one piece of work, and gives what it allocated. Its input is made before, or bit by bit.
    pub fn measured<T>(&self, work: impl FnOnce() -> T) -> (T, Used) {
        let before = LIVE.load(Ordering::SeqCst);
        PEAK.store(before, Ordering::SeqCst);
        LARGEST.store(0, Ordering::SeqCst);
        let result = work();
        let peak = PEAK.load(Ordering::SeqCst) - before;
        (result, Used { peak, largest: LARGEST.load(Ordering::SeqCst) })
    }
}

/// The counter counts: what it says of a known piece of work.
#[test]
fn a_known_piece_of_work_is_counted() {
    let ((), used) = alone().measured(|| {
        let one = vec![1_u8; 5 << 20];
        let two = vec![1_u8; 3 << 20];
        drop((one, two));
        drop(vec![1_u8; 6 << 20]);
    });
    assert_eq!(used.largest, 6 << 20);
    assert!((8_000_000..9_000_000).contains(&used.peak), "{used:?}");
}
