//! The slots of the handle table, in every order in which threads may meet there: `make loom`.

#![cfg(all(test, loom))]

#[path = "../../../src/ffi/support/slot.rs"]
mod slot;
#[path = "../../../src/ffi/support/sync.rs"]
mod sync;
#[path = "../../../src/ffi/support/token.rs"]
mod token;

use loom::sync::Arc;
use loom::sync::atomic::Ordering::{Relaxed, SeqCst};
use loom::sync::atomic::{AtomicU64, AtomicUsize};
use loom::thread::{self, JoinHandle};

use slot::{Slot, pop};
use token::Token;

/// An object that knows its number, and tells when it goes.
struct Object(usize, Arc<Seen>);

struct Seen {
    /// How often the object of each number went.
    gone: [AtomicUsize; 5],
}

impl Drop for Object {
    fn drop(&mut self) {
        self.1.gone[self.0].fetch_add(1, SeqCst);
    }
}

/// As `handle.rs` is, with three slots and without a page.
struct Table {
    slots: [Slot<Object>; 3],
    free: AtomicU64,
    used: AtomicUsize,
    seen: Arc<Seen>,
}

const KIND: u8 = 3;

impl Table {
    fn new() -> Arc<Self> {
        let gone = [(); 5].map(|()| AtomicUsize::new(0));
        Arc::new(Self {
            slots: [(); 3].map(|()| Slot::new()),
            free: AtomicU64::new(0),
            used: AtomicUsize::new(0),
            seen: Arc::new(Seen { gone }),
        })
    }

    fn issue(&self, number: usize) -> Token {
        let (index, slot) = pop(&self.free, |index| self.slots.get(index as usize)).unwrap_or_else(|| {
            let index = self.used.fetch_add(1, SeqCst);
            (index as u32, &self.slots[index])
        });
        // SAFETY: the slot was just taken.
        let token = unsafe { slot.fill(index, KIND, Object(number, self.seen.clone())) };
        assert_eq!(Token::decode(token.encode()), Some(token));
        token
    }

    /// The number of the token's object, unless it was freed.
    fn number(&self, token: Token) -> Option<usize> {
        let slot = &self.slots[token.index as usize];
        if !slot.pin(token) {
            return None;
        }
        // SAFETY: under the pin.
        let number = unsafe { slot.read(|object| object.expect("a pinned slot has an object").0) };
        assert_eq!(self.seen.gone[number].load(SeqCst), 0, "an object goes while it is in use");
        if slot.unpin() {
            self.dispose(token.index);
        }
        Some(number)
    }

    /// Whether this freed it.
    fn free(&self, token: Token) -> bool {
        let Some(last) = self.slots[token.index as usize].end(token) else { return false };
        if last {
            self.dispose(token.index);
        }
        true
    }

    fn dispose(&self, index: u32) {
        // SAFETY: only called where `unpin` or `end` said so.
        let object = unsafe { self.slots[index as usize].empty(index, &self.free) };
        assert!(object.is_some(), "an object goes twice");
    }

    fn gone(&self, number: usize) -> usize {
        self.seen.gone[number].load(SeqCst)
    }
}

fn beside<T: 'static>(table: &Arc<Table>, work: impl FnOnce(&Table) -> T + 'static) -> JoinHandle<T> {
    let table = table.clone();
    thread::spawn(move || work(&table))
}

#[test]
fn two_look_up_while_one_frees() {
    loom::model(|| {
        let table = Table::new();
        let token = table.issue(1);
        let looking = [(); 2].map(|()| beside(&table, move |table| table.number(token)));
        assert!(table.free(token));
        for look in looking {
            assert!(matches!(look.join().unwrap(), None | Some(1)));
        }
        assert_eq!(table.gone(1), 1);
        assert_eq!(table.number(token), None);
    });
}

#[test]
fn of_two_that_free_one_wins() {
    loom::model(|| {
        let table = Table::new();
        let token = table.issue(1);
        let other = beside(&table, move |table| table.free(token));
        let looking = beside(&table, move |table| table.number(token));
        let won = table.free(token);
        assert!(won != other.join().unwrap(), "exactly one frees");
        assert!(matches!(looking.join().unwrap(), None | Some(1)));
        assert_eq!(table.gone(1), 1);
    });
}

#[test]
fn what_is_issued_after_a_free_is_another_token_and_another_object() {
    loom::model(|| {
        let table = Table::new();
        let old = table.issue(1);
        let looking = beside(&table, move |table| (table.number(old), table.number(old)));
        let issuing = beside(&table, move |table| (table.free(old), table.issue(2)));
        let (freed, new) = issuing.join().unwrap();
        assert!(freed && new != old);
        assert_eq!(table.number(new), Some(2));
        match looking.join().unwrap() {
            (Some(1) | None, None) | (Some(1), Some(1)) => {}
            other => panic!("the old token gave {other:?}"),
        }
        assert!(!table.free(old), "the old token is no way to free the new object");
        assert_eq!((table.gone(1), table.gone(2)), (1, 0));
        assert!(table.free(new));
        assert_eq!(table.gone(2), 1);
    });
}

#[test]
fn a_token_that_was_freed_does_no_harm_to_the_slots_next_object() {
    loom::model(|| {
        let table = Table::new();
        let old = table.issue(1);
        assert!(table.free(old));
        let late = beside(&table, move |table| (table.number(old), table.free(old)));
        let new = table.issue(2);
        assert_eq!(new.index, old.index, "the slot is used again");
        assert_eq!(table.number(new), Some(2));
        assert_eq!(late.join().unwrap(), (None, false));
        assert_eq!((table.gone(1), table.gone(2)), (1, 0));
    });
}

#[test]
fn a_token_that_came_without_a_lock_gives_the_whole_object_or_none() {
    loom::model(|| {
        let table = Table::new();
        let handed = Arc::new(AtomicU64::new(0));
        let over = handed.clone();
        let issuing = beside(&table, move |table| over.store(table.issue(1).encode(), Relaxed));
        if let Some(token) = Token::decode(handed.load(Relaxed)) {
            // A processor may show the number before the slot.
            assert!(matches!(table.number(token), None | Some(1)));
        }
        issuing.join().unwrap();
    });
}

#[test]
fn the_list_of_free_slots_gives_none_twice() {
    // Three changes of the thread suffice for a head that goes and comes back (A-B-A).
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let table = Table::new();
        let (first, second) = (table.issue(0), table.issue(0));
        assert!(table.free(first) && table.free(second));
        let other = beside(&table, |table| {
            let (gone, kept) = (table.issue(1), table.issue(2));
            assert!(table.free(gone));
            kept
        });
        let mine = table.issue(3);
        let kept = other.join().unwrap();
        let last = table.issue(4);
        let slots = [kept.index, mine.index, last.index];
        assert!(slots[0] != slots[1] && slots[1] != slots[2] && slots[0] != slots[2], "{slots:?}");
        for (token, number) in [(kept, 2), (mine, 3), (last, 4)] {
            assert_eq!(table.number(token), Some(number));
        }
        assert_eq!(table.gone(1), 1);
    });
}
