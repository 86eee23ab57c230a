//! Bounded memory for decoded bytes: a pool of buffers that are shared instead of copied and come back by
//! themselves.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// A fixed number of buffers, made when first asked for.
pub(super) struct Pool {
    state: Mutex<State>,
    freed: Condvar,
    size: usize,
}

struct State {
    free: Vec<Box<[u8]>>,
    unmade: usize,
    closed: bool,
}

impl Pool {
    /// At most `count` buffers of `size` bytes.
    pub(super) fn new(size: usize, count: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State { free: Vec::new(), unmade: count, closed: false }),
            freed: Condvar::new(),
            size,
        })
    }

    fn pick(self: &Arc<Self>, state: &mut State) -> Option<Chunk> {
        let bytes = match state.free.pop() {
            Some(bytes) => bytes,
            None if state.unmade > 0 => {
                state.unmade -= 1;
                vec![0; self.size].into_boxed_slice()
            }
            None => return None,
        };
        Some(Chunk { bytes, filled: 0, pool: self.clone() })
    }

    /// An empty buffer, waited for; `None` once the pool is closed.
    pub(super) fn get(self: &Arc<Self>) -> Option<Chunk> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.closed {
                return None;
            }
            if let Some(chunk) = self.pick(&mut state) {
                return Some(chunk);
            }
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// An empty buffer if there is one now.
    pub(super) fn try_get(self: &Arc<Self>) -> Option<Chunk> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed { None } else { self.pick(&mut state) }
    }

    /// Whoever waits for a buffer gets none from now on.
    pub(super) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.freed.notify_all();
    }
}

/// One buffer, of which the first `filled` bytes hold data.
pub(super) struct Chunk {
    bytes: Box<[u8]>,
    filled: usize,
    pool: Arc<Pool>,
}

impl Chunk {
    /// The data.
    pub(super) fn data(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }
    /// How much data it holds.
    pub(super) fn len(&self) -> usize {
        self.filled
    }
    /// Room for more.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }
    /// `more` bytes of the room were written.
    pub(super) fn grow(&mut self, more: usize) {
        self.filled = self.bytes.len().min(self.filled + more);
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.pool.state.lock().unwrap_or_else(PoisonError::into_inner).free.push(bytes);
        self.pool.freed.notify_one();
    }
}

/// A part of a chunk, which keeps the chunk alive.
pub(super) struct Piece {
    pub(super) chunk: Arc<Chunk>,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Piece {
    /// Its bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        self.chunk.data().get(self.start..self.end).unwrap_or_default()
    }
    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_bounded_and_come_back() {
        let pool = Pool::new(8, 2);
        let mut first = pool.get().unwrap();
        first.room()[..3].copy_from_slice(b"abc");
        first.grow(3);
        assert_eq!(first.data(), b"abc");
        let second = pool.get().unwrap();
        assert!(pool.try_get().is_none());
        drop(second);
        assert_eq!(pool.try_get().unwrap().len(), 0);
        let waiting = std::thread::spawn({
            let pool = pool.clone();
            let held = (pool.get().unwrap(), first);
            move || {
                let none = pool.get().is_none();
                drop(held);
                none
            }
        });
        pool.close();
        assert!(waiting.join().unwrap());
    }
}
