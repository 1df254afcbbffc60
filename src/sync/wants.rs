//! Wants: how a process claims that objects must exist.
//!
//! Shared: a row of bits for each entry, one bit per client. Private: how often this process claims an entry, and in
//! which generation. Count and bit change together under a mutex, and claims are also made under the store's lock. A
//! thread that releases the last claim thus has two cases. Either it clears the bit before another claim is made, and
//! the entry still exists because deleting it takes the lock, or it does not clear the bit at all.
//!
//! A process that crashes leaves its bits. Reaping clears them, and checks for entries that no client wants any more.

use std::collections::hash_map::Entry;

use super::atomic::{lock, Mutex, Ordering};
use super::hash::FastMap;
use super::life::{StateWord, Word};
use super::row::RowBit;

/// A process's claims: of entry, life and count.
pub struct Wants(Mutex<FastMap<u32, (u64, u32)>>);

impl Default for Wants {
    fn default() -> Wants {
        Wants(Mutex::new(FastMap::default()))
    }
}

impl Wants {
    /// Room for so many more, so that claiming allocates nothing under the store's lock.
    pub fn reserve(&self, count: usize) {
        lock(&self.0).reserve(count);
    }

    /// Claims a life of an entry that is there, under the store's lock.
    pub fn claim(&self, entry: u32, generation: u64, bit: RowBit<'_>) {
        let mut wants = lock(&self.0);
        let count = wants.entry(entry).or_insert((generation, 0));
        if count.0 != generation {
            *count = (generation, 0);
        }
        count.1 += 1;
        // SYNC: dead from here on, the bit is cleared by the reaper.
        bit.set();
    }

    /// How often this process claims a life of an entry.
    pub fn count(&self, entry: u32, generation: u64) -> u32 {
        let wants = lock(&self.0);
        wants.get(&entry).filter(|(life, _)| *life == generation).map_or(0, |(_, claims)| *claims)
    }

    /// Gives a claim back. Whether it was the last one of this process: then the entry may be unwanted. A fence came between.
    pub fn give_back(&self, entry: u32, generation: u64, state: &StateWord, bit: RowBit<'_>) -> bool {
        let mut wants = lock(&self.0);
        let Entry::Occupied(mut count) = wants.entry(entry) else { return false };
        let (life, claims) = count.get_mut();
        if *life != generation {
            return false;
        }
        *claims -= 1;
        if *claims > 0 {
            return false;
        }
        count.remove();
        // Another life's bit is not ours to clear. Our own next claim of a new life would have replaced the count above.
        if Word(state.load(Ordering::Acquire)).generation() == generation {
            bit.clear();
        }
        true
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_has_made_room_claims_without_allocating() {
        let wants = Wants::default();
        wants.reserve(100);
        assert!(lock(&wants.0).capacity() >= 100);
    }
}
