//! A counter that lets a reader without a lock know that it missed nothing.
//!
//! The counter is odd while the one writer (which holds a lock) moves things to where a reader may not find them. If a
//! reader found nothing between two equal even readings, the thing did not exist. A writer that crashes in between
//! leaves the counter odd, and the next holder of the lock repairs everything and makes the counter even.

use super::atomic::{fence, fence_behind, AtomicU64, Ordering};

/// The counter.
#[repr(transparent)]
pub struct Changes(AtomicU64);

impl Default for Changes {
    fn default() -> Changes {
        Changes(AtomicU64::new(0))
    }
}

impl Changes {
    /// Things are about to move.
    pub fn begin(&self) {
        self.0.fetch_or(1, Ordering::Relaxed);
        // SYNC: pairs with the fence in `none_since`: who has read a word written after this sees an odd or a later count,
        // whatever the order of those stores. A read-modify-write alone does not hold back later plain ones.
        fence_behind();
    }

    /// Everything can be found again.
    pub fn end(&self) {
        // SYNC: release, pairs with the acquire in `now`: who sees this count sees what was written before it. Not one instruction
        // of reading and writing: there is one writer, who holds a lock. Dead in between, the count is odd as before.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    /// To be read before looking.
    pub fn now(&self) -> u64 {
        // SYNC: acquire, pairs with the release in `end`: what was moved before this is looked at where it is now.
        self.0.load(Ordering::Acquire)
    }

    /// After the look: whether nothing has moved since the count was `before`.
    pub fn none_since(&self, before: u64) -> bool {
        // SYNC: pairs with the fence in `begin`: had we read a word written after that, this would see it.
        fence(Ordering::Acquire);
        before & 1 == 0 && self.0.load(Ordering::Relaxed) == before
    }
}
