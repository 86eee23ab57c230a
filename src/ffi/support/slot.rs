//! One entry of the table of handles, and the list of those that are free. Pure, so that `tests/loom` can try every
//! order in which threads may come here.

use super::sync::{AtomicU32, AtomicU64, Ordering, UnsafeCell};
use super::token::Token;

/// One entry. `state` says everything: pins (how many calls use the object) in bits 0..31, live (not freed) in bit
/// 32, type in bits 33..37, generation in bits 38..59.
pub(crate) struct Slot<C> {
    state: AtomicU64,
    next_free: AtomicU32,
    object: UnsafeCell<Option<C>>,
}

// SAFETY: `object` is written only by the thread that took the slot from the free list, before `state` is
// published as live, and by the one thread that saw the last pin of a freed slot go; it is read only under a
// pin of a live slot.
unsafe impl<C: Send + Sync> Sync for Slot<C> {}

const PINS: u64 = 0xffff_ffff;
const LIVE: u64 = 1 << 32;
const TYPE_SHIFT: u32 = 33;
const GENERATION_SHIFT: u32 = 38;

fn live_state(token: Token) -> u64 {
    LIVE | u64::from(token.kind) << TYPE_SHIFT | u64::from(token.generation) << GENERATION_SHIFT
}

impl<C> Slot<C> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self { state: AtomicU64::new(0), next_free: AtomicU32::new(0), object: UnsafeCell::new(None) }
    }

    /// loom's are not to be had at compile time.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self { state: AtomicU64::new(0), next_free: AtomicU32::new(0), object: UnsafeCell::new(None) }
    }

    /// Puts an object into a slot that this thread alone has, and gives its token.
    ///
    /// # Safety
    /// The slot came from [`pop`], or was never used, and nobody else has it.
    pub(crate) unsafe fn fill(&self, index: u32, kind: u8, object: C) -> Token {
        let generation = match (self.state.load(Ordering::Relaxed) >> GENERATION_SHIFT) as u32 {
            0 => Token::first_generation(index),
            generation => generation,
        };
        let token = Token { kind, generation, index };
        // SAFETY: the slot is not live and this thread's alone, so no other thread touches `object` (see `Sync`).
        self.object.with_mut(|place| unsafe { *place = Some(object) });
        self.state.store(live_state(token), Ordering::Release);
        token
    }

    /// Keeps the object of this token from going until [`unpin`](Self::unpin); false where the token was freed.
    pub(crate) fn pin(&self, token: Token) -> bool {
        let want = live_state(token);
        let pin = |state: u64| (state & !PINS == want).then(|| state + 1);
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, pin).is_ok()
    }

    /// Looks at the object.
    ///
    /// # Safety
    /// Under a pin. What `look` takes along lives as long as that pin.
    pub(crate) unsafe fn read<R>(&self, look: impl FnOnce(Option<&C>) -> R) -> R {
        // SAFETY: under a pin of a live slot `object` is only read (see `Sync`).
        self.object.with(|object| look(unsafe { &*object }.as_ref()))
    }

    /// Gives a pin back; true for the one that has to [`empty`](Self::empty) the slot.
    #[must_use]
    pub(crate) fn unpin(&self) -> bool {
        self.state.fetch_sub(1, Ordering::AcqRel) & (LIVE | PINS) == 1
    }

    /// Ends a token: nobody pins it any more. None where it was freed before; true for the one that has to
    /// [`empty`](Self::empty) the slot.
    #[must_use]
    pub(crate) fn end(&self, token: Token) -> Option<bool> {
        let want = live_state(token);
        let end = |state: u64| (state & !PINS == want).then_some(state & !LIVE);
        let before = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, end).ok()?;
        Some(before & PINS == 0)
    }

    /// Takes the object out and puts the slot on the list of the free ones.
    ///
    /// # Safety
    /// [`unpin`](Self::unpin) or [`end`](Self::end) told this thread to.
    pub(crate) unsafe fn empty(&self, index: u32, free: &AtomicU64) -> Option<C> {
        // SAFETY: the slot is neither live nor pinned, so no other thread touches `object` (see `Sync`).
        let object = self.object.with_mut(|place| unsafe { (*place).take() });
        let generation = (self.state.load(Ordering::Relaxed) >> GENERATION_SHIFT) as u32;
        // A slot that has been through all generations is retired.
        if let Some(next) = Token::next_generation(index, generation) {
            self.state.store(u64::from(next) << GENERATION_SHIFT, Ordering::Release);
            push(free, index, self);
        }
        object
    }
}

/// Takes a slot from the list of free ones: `free` has a count of pops above, which makes a head that went and came
/// back another one, and the first slot's index plus one below.
pub(crate) fn pop<'a, C>(
    free: &AtomicU64,
    slot: impl Fn(u32) -> Option<&'a Slot<C>>,
) -> Option<(u32, &'a Slot<C>)> {
    let mut head = free.load(Ordering::Acquire);
    loop {
        let index = (head as u32).checked_sub(1)?;
        let found = slot(index)?;
        let next = u64::from(found.next_free.load(Ordering::Relaxed));
        let changed = (head & !PINS).wrapping_add(1 << 32) | next;
        match free.compare_exchange_weak(head, changed, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Some((index, found)),
            Err(now) => head = now,
        }
    }
}

fn push<C>(free: &AtomicU64, index: u32, slot: &Slot<C>) {
    let mut head = free.load(Ordering::Acquire);
    loop {
        slot.next_free.store(head as u32, Ordering::Relaxed);
        let changed = (head & !PINS) | u64::from(index + 1);
        match free.compare_exchange_weak(head, changed, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return,
            Err(now) => head = now,
        }
    }
}
