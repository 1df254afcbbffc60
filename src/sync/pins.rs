//! Pins: how a reader claims an object's bytes without a lock, and how a deleter finds out.
//!
//! Shared: an entry's state word (which contains the generation) and a row of bits, one per client. A reader sets its
//! bit, fences, and checks the state. If it is the state that it looked up, the bytes stay. A deleter changes the
//! state, fences, and checks the row. If it is empty, the bytes may be freed. One of the two always sees the other.
//!
//! *Undoing a pin is releasing it*: a bit that was set for a moment may have made a deleter leave the bytes. The client
//! that clears the bit must therefore check whether it has to free them.
//!
//! Private: a process has one word per entry, `(generation, count)`. Its first pin sets the bit and *then* publishes
//! the count. Its last pin removes the count and *then* clears the bit. Both happen under a mutex. Between them, pins
//! are added and removed by compare-and-swap on the word. Three errors lose pins (see `tests/loom`): a count that is
//! published before its bit, a count that is set to zero by a store while a fast path adds to it, and a fast path that
//! ignores the generation.
//!
//! *Taking an object over* is giving up its only pin. The client that deleted it asks whether no other client's bit is in
//! the row, and takes its own count from one to zero by compare-and-swap. No thread of its process can then add to the
//! count without the mutex, and behind the mutex it sees that the life is over. The bytes are the taker's alone.
//!
//! A process that crashes at any step leaves its bit. Reaping clears it and checks for bytes to free.

use super::atomic::{lock, AtomicU64, Mutex, Ordering};
use super::life::StateWord;
use super::row::{row_is_only, RowBit};

/// What a generation leaves of a word.
const COUNT_BITS: u32 = 20;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// A process's own count of pins of one entry.
pub struct PinWord(AtomicU64);

impl Default for PinWord {
    fn default() -> PinWord {
        PinWord(AtomicU64::new(0))
    }
}

/// What a pin or its release came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; nothing follows.
    Done,
    /// Not pinned: the entry is not the one looked up. Its bit was set for a moment: [`Outcome::Left`] applies too.
    Gone,
    /// Not pinned: this process holds the object as often as it can count.
    Full,
    /// Our bit is cleared: look whether the entry waits to be freed.
    Left,
}

impl PinWord {
    /// The generation that was pinned last, also if it is not any more; 0: none was. Who pinned it first has left the mutex.
    pub fn last_life(&self, shard: &Mutex<()>) -> u64 {
        let _guard = lock(shard);
        self.0.load(Ordering::Acquire) >> COUNT_BITS
    }

    /// Has the processor fetch it, and does not wait for that.
    #[inline]
    pub fn fetch(&self) {
        std::hint::black_box(self.0.load(Ordering::Relaxed));
    }

    /// Pins life `generation` of the entry while it is sealed or failed.
    #[inline]
    pub fn pin(&self, shard: &Mutex<()>, bit: RowBit<'_>, generation: u64, state: &StateWord) -> Outcome {
        self.pin_if(shard, bit, generation, || state.holds(generation))
    }

    /// The creator's pin, set under the store's lock before anybody else can pin that life.
    pub fn pin_creation(&self, shard: &Mutex<()>, bit: RowBit<'_>, generation: u64) -> Outcome {
        self.pin_if(shard, bit, generation, || true)
    }

    /// `still_there` looks at the state after the bit is set.
    #[inline]
    fn pin_if(
        &self,
        shard: &Mutex<()>,
        bit: RowBit<'_>,
        generation: u64,
        still_there: impl Fn() -> bool,
    ) -> Outcome {
        if self.step(generation, 1) {
            return Outcome::Done;
        }
        let _guard = lock(shard);
        if self.step(generation, 1) {
            return Outcome::Done;
        }
        let now = self.0.load(Ordering::Relaxed);
        if now & COUNT_MASK != 0 && now >> COUNT_BITS == generation {
            // Counting on would run into the generation; from zero only we, under the mutex, could have raised it.
            return Outcome::Full;
        }
        if now & COUNT_MASK != 0 {
            // We hold another life of this entry, so the one asked for is over; our bit is in use and stays.
            return Outcome::Gone;
        }
        bit.set();
        super::fail::point("get.bit_set");
        if still_there() {
            // SYNC: only now may the fast path build on our bit.
            self.0.store(generation << COUNT_BITS | 1, Ordering::Release);
            Outcome::Done
        } else {
            bit.clear();
            Outcome::Gone
        }
    }

    /// Releases one pin of life `generation`.
    pub fn unpin(&self, shard: &Mutex<()>, bit: RowBit<'_>, generation: u64) -> Outcome {
        if self.step(generation, -1) {
            return Outcome::Done;
        }
        let _guard = lock(shard);
        loop {
            if self.step(generation, -1) {
                return Outcome::Done;
            }
            // SYNC: the count goes first: after it no fast path can add to a bit that is about to vanish. By
            // compare-and-swap: until then the fast path of another thread may still add to it, mutex or not. Acquire:
            // what that thread read of the bytes comes before our bit goes.
            let (one, none) = (generation << COUNT_BITS | 1, generation << COUNT_BITS);
            match self.0.compare_exchange(one, none, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(seen) if seen >> COUNT_BITS == generation && seen & COUNT_MASK != 0 => {}
                // Not pinned at all: there is nothing of ours to clear.
                Err(_) => return Outcome::Done,
            }
        }
        super::fail::point("release.count_zero");
        bit.clear();
        super::fail::point("release.bit_cleared");
        Outcome::Left
    }

    /// Whether this process holds life `generation` once: a hint, as another thread may pin it next.
    pub fn holds_once(&self, generation: u64) -> bool {
        self.0.load(Ordering::Relaxed) == generation << COUNT_BITS | 1
    }

    /// Gives the only pin up that there is in the row of a life that was doomed, under the store's lock, by the client that
    /// has it. From then on nobody has a pin, nor gets one. False, and nothing has changed, if another client pins it, or
    /// this one more than once.
    pub fn give_up_only<'a>(
        &self,
        shard: &Mutex<()>,
        bit: RowBit<'_>,
        generation: u64,
        row: impl IntoIterator<Item = &'a AtomicU64>,
    ) -> bool {
        let _guard = lock(shard);
        // SYNC: behind the fence of `doom`: either we see the bit of another client, or that client sees that the life is over.
        if !row_is_only(row, bit) {
            return false;
        }
        // SYNC: by compare-and-swap, as the fast path of another thread may add to the count until it is zero. Acquire: what a
        // thread that has released its pin read of the bytes comes before whatever we write there.
        let (one, none) = (generation << COUNT_BITS | 1, generation << COUNT_BITS);
        if self.0.compare_exchange(one, none, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return false;
        }
        bit.clear();
        true
    }

    /// The fast path: `(generation, n)` to `(generation, n ± 1)`, never from or to zero.
    fn step(&self, generation: u64, by: i64) -> bool {
        let mut now = self.0.load(Ordering::Acquire);
        loop {
            let count = now & COUNT_MASK;
            let next = count.wrapping_add_signed(by);
            if now >> COUNT_BITS != generation || count == 0 || next == 0 || next > COUNT_MASK {
                return false;
            }
            let new = now.wrapping_add_signed(by);
            match self.0.compare_exchange_weak(now, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(seen) => now = seen,
            }
        }
    }
}
