//! The table of handles. A handle is a checked [`Token`], never an address: what is freed, of another type,
//! made up or inherited over a fork is told apart from what is good, and looking one up takes no lock.

use std::any::Any;
use std::ops::Deref;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::fork::{USED_SLOTS, page};
use super::slot;
use super::token::{SLOTS, Token};
use crate::error::{Error, Kind, Result};

/// Something that the caller holds by a handle.
pub(crate) trait Object: Any + Send + Sync {
    /// The incomplete type that the header shows.
    type Opaque;
    /// The handle type's number, from 1 to 31.
    const TYPE: u8;
    /// The header's name of it.
    const NAME: &'static str;
}

/// What a slot holds: any object that is its own, in a box.
type Content = Box<dyn Any + Send + Sync>;
type Slot = slot::Slot<Content>;

/// The table grows by whole chunks, which stay; small enough to pass over a small stack.
const CHUNK: usize = 128;
type Chunk = [Slot; CHUNK];
static CHUNKS: [AtomicPtr<Chunk>; SLOTS as usize / CHUNK] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; SLOTS as usize / CHUNK];

fn at(index: u32) -> Option<&'static Slot> {
    let index = usize::try_from(index).ok()?;
    let chunk = CHUNKS.get(index / CHUNK)?.load(Ordering::Acquire);
    // SAFETY: a stored chunk is never freed, and a slot is shared by the rules above.
    unsafe { chunk.as_ref() }?.get(index % CHUNK)
}

fn make_chunk(index: u32) -> Option<&'static Slot> {
    let place = CHUNKS.get(index as usize / CHUNK)?;
    if place.load(Ordering::Acquire).is_null() {
        let chunk: Box<Chunk> = Box::new([const { Slot::new() }; CHUNK]);
        let made = Box::into_raw(chunk);
        let lost = place.compare_exchange(std::ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire);
        if lost.is_err() {
            // SAFETY: `made` was not stored, so this is its only pointer.
            drop(unsafe { Box::from_raw(made) });
        }
    }
    at(index)
}

/// Takes a slot that nobody has.
fn take_slot() -> Option<(u32, &'static Slot)> {
    if let Some(taken) = slot::pop(&page().free, at) {
        return Some(taken);
    }
    let one_more = |used: u32| (used < SLOTS).then(|| used + 1);
    let index = USED_SLOTS.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
    Some((index, make_chunk(index)?))
}

/// Ends a freed slot whose last pin has gone.
///
/// # Safety
/// As for [`Slot::empty`](slot::Slot::empty).
unsafe fn dispose(index: u32, slot: &Slot) {
    // SAFETY: the caller's promise, passed on.
    let object = unsafe { slot.empty(index, &page().free) };
    // Last: dropping may run code of the caller's (a finaliser).
    drop(object);
}

/// Puts an object into the table and gives its handle.
pub(crate) fn insert<T: Object>(object: T) -> Result<*mut T::Opaque> {
    let full = || Error::new(Kind::Limit, format!("there are {SLOTS} handles already: free some"));
    let (index, slot) = take_slot().ok_or_else(full)?;
    // SAFETY: the slot was just taken.
    let token = unsafe { slot.fill(index, T::TYPE, Box::new(object)) };
    count(T::TYPE, 1);
    Ok(std::ptr::without_provenance_mut(token.encode() as usize))
}

fn count(kind: u8, by: u64) {
    if let Some(live) = page().live.get(usize::from(kind)) {
        live.fetch_add(by, Ordering::Relaxed);
    }
}

/// How many handles of a type are not freed; of all types for 0.
pub(crate) fn live_handles(kind: u8) -> u64 {
    let counts = &page().live;
    match kind {
        0 => counts.iter().map(|count| count.load(Ordering::Relaxed)).sum(),
        _ => counts.get(usize::from(kind)).map_or(0, |count| count.load(Ordering::Relaxed)),
    }
}

/// An object in use: it stays, whoever frees its handle, until this is dropped.
pub(crate) struct Pinned<T: Object> {
    index: u32,
    slot: &'static Slot,
    object: *const T,
}

impl<T: Object> Deref for Pinned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the pin keeps the box in the slot, and `object` points into it.
        unsafe { &*self.object }
    }
}

impl<T: Object> Drop for Pinned<T> {
    fn drop(&mut self) {
        if self.slot.unpin() {
            // SAFETY: `unpin` told this thread to.
            unsafe { dispose(self.index, self.slot) };
        }
    }
}

/// The handle as a token of the right type, with its slot.
fn check<T: Object>(handle: *const T::Opaque) -> Result<(Token, &'static Slot)> {
    let bad = |why: &str| Error::new(Kind::Handle, format!("handle {handle:p} {why} ({})", T::NAME));
    let token = Token::decode(handle.addr() as u64).ok_or_else(|| bad("is not one that cldoci issued"))?;
    if token.kind != T::TYPE {
        return Err(bad("has another type"));
    }
    let floor = page().floor.load(Ordering::Acquire);
    let slot = at(token.index).ok_or_else(|| bad("is not one that cldoci issued"))?;
    if u64::from(token.index) + 1 < floor {
        return Err(Error::new(
            Kind::Forked,
            format!("handle {handle:p} ({}) was made before fork: make a new one in the child", T::NAME),
        ));
    }
    Ok((token, slot))
}

fn freed<T: Object>(handle: *const T::Opaque) -> Error {
    Error::new(Kind::Handle, format!("handle {handle:p} ({}) was freed", T::NAME))
}

/// The object of a handle.
pub(crate) fn get<T: Object>(handle: *const T::Opaque) -> Result<Pinned<T>> {
    if handle.is_null() {
        return Err(Error::new(Kind::Argument, format!("the handle ({}) is NULL", T::NAME)));
    }
    let (token, slot) = check::<T>(handle)?;
    if !slot.pin(token) {
        return Err(freed::<T>(handle));
    }
    // From here on the pin is ours and goes with `pinned`.
    let mut pinned = Pinned::<T> { index: token.index, slot, object: std::ptr::null() };
    // SAFETY: under the pin, with which the pointer stays.
    let object = unsafe {
        slot.read(|object| object.and_then(|object| object.downcast_ref::<T>()).map(std::ptr::from_ref))
    };
    match object {
        Some(object) => pinned.object = object,
        // The type in `state` and the object were written together.
        None => return Err(Error::new(Kind::Internal, "a handle's object has another type")),
    }
    Ok(pinned)
}

/// The object of a handle that may be NULL.
pub(crate) fn optional<T: Object>(handle: *const T::Opaque) -> Result<Option<Pinned<T>>> {
    if handle.is_null() { Ok(None) } else { get(handle).map(Some) }
}

/// Ends a handle. The object goes once no call uses it any more.
pub(crate) fn free<T: Object>(handle: *mut T::Opaque) -> Result<()> {
    if handle.is_null() {
        return Ok(());
    }
    let (token, slot) = check::<T>(handle)?;
    let last = slot.end(token).ok_or_else(|| freed::<T>(handle))?;
    count(T::TYPE, u64::MAX);
    if last {
        // SAFETY: `end` told this thread to.
        unsafe { dispose(token.index, slot) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, AtomicUsize};

    struct Number(u64, Arc<AtomicUsize>);
    struct OpaqueNumber;
    impl Object for Number {
        type Opaque = OpaqueNumber;
        const TYPE: u8 = 30;
        const NAME: &'static str = "number";
    }
    impl Drop for Number {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }
    #[derive(Debug)]
    struct Other;
    impl Object for Other {
        type Opaque = OpaqueNumber;
        const TYPE: u8 = 31;
        const NAME: &'static str = "other";
    }

    #[test]
    fn x_05_x_06_freed_foreign_and_made_up_handles_are_errors() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let handle = insert(Number(7, dropped.clone())).unwrap();
        assert_eq!(get::<Number>(handle).unwrap().0, 7);
        assert_eq!(get::<Other>(handle).err().unwrap().kind(), Kind::Handle);
        for wrong in [8usize, 0x7fff_1234_5678, handle.addr() + 8, handle.addr() + 4] {
            let error = get::<Number>(std::ptr::without_provenance(wrong)).err().unwrap();
            assert_eq!(error.kind(), Kind::Handle, "{wrong:#x}: {error}");
        }
        let pinned = get::<Number>(handle).unwrap();
        free::<Number>(handle).unwrap();
        assert_eq!((pinned.0, dropped.load(Ordering::SeqCst)), (7, 0), "a call in flight keeps the object");
        assert!(free::<Number>(handle).unwrap_err().message().contains("was freed"));
        assert_eq!(get::<Number>(handle).err().unwrap().kind(), Kind::Handle);
        drop(pinned);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        free::<Number>(std::ptr::null_mut()).unwrap();
    }

    #[test]
    fn x_12_no_token_is_issued_twice_and_a_worn_out_slot_is_retired() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut seen = std::collections::HashSet::new();
        for _ in 0..700_000 {
            let handle = insert(Number(1, dropped.clone())).unwrap();
            assert!(seen.insert(handle.addr()));
            free::<Number>(handle).unwrap();
        }
        assert_eq!(dropped.load(Ordering::SeqCst), 700_000);
    }

    #[test]
    fn threads_that_make_use_and_free_one_anothers_handles_see_only_their_own_objects() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let shared: Vec<_> = (0..16).map(|_| AtomicU64::new(0)).collect();
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let (shared, dropped, made) = (&shared, &dropped, &made);
                scope.spawn(move || {
                    let mut random = thread + 1;
                    for _ in 0..50_000u64 {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let place = &shared[(random >> 60) as usize];
                        if random & 1 << 40 == 0 {
                            let handle: *const OpaqueNumber =
                                std::ptr::without_provenance(place.load(Ordering::SeqCst) as usize);
                            match get::<Number>(handle) {
                                Ok(number) => assert_eq!(number.0 % 16, random >> 60),
                                Err(e) => assert!(matches!(e.kind(), Kind::Handle | Kind::Argument)),
                            }
                        } else {
                            let number = (random >> 20) & !15 | random >> 60;
                            let handle = insert(Number(number, dropped.clone())).unwrap();
                            made.fetch_add(1, Ordering::SeqCst);
                            let old = place.swap(handle.addr() as u64, Ordering::SeqCst);
                            free::<Number>(std::ptr::without_provenance_mut(old as usize)).unwrap();
                        }
                    }
                });
            }
        });
        for place in &shared {
            free::<Number>(std::ptr::without_provenance_mut(place.load(Ordering::SeqCst) as usize)).unwrap();
        }
        assert_eq!(dropped.load(Ordering::SeqCst), made.load(Ordering::SeqCst));
    }
}
