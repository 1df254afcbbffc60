//! Rebuilding everything derived from the entries, after a client crashed (or panicked) under the lock.
//!
//! The entries' states are the primary data. One store instruction committed each change, so every entry is either as
//! before it or as after it. Heap, index, lists and counters are discarded and built again. An entry whose words make
//! no sense (outside of the heap, overlapping another) is dropped. A rebuild needs no memory but the scratch region.
//! After a crash in the middle the lock is still dirty, and the next holder starts over. Readers' hits and seals
//! continue meanwhile. Misses wait for the lock, because the index is marked as changing.

use super::index::id_of;
use super::locked::Locked;
use crate::error::Result;
use crate::shm::layout::{State, Word, ALIGN, CALL, NONE};
use crate::shm::segment::low_half;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::fail;
use crate::sync::row::{bit_of, RowBit};

impl Locked<'_> {
    /// Rebuilds all that is derived.
    pub(super) fn rebuild(&self) -> Result<()> {
        let header = self.segment().header();
        fail::point("recover.begun");
        self.heap().reset();
        self.forget_spares();
        self.index_reset();
        for list in
            [&header.entries_free, &header.declarations, &header.orphans, &header.orphans_last, &header.held]
        {
            list.store(NONE, Ordering::Relaxed);
        }
        fail::point("recover.reset");
        let with_bytes = self.gather()?;
        self.place_bytes(with_bytes)?;
        fail::point("recover.heap_built");
        let Some(live) = self.relink()? else {
            // An entry was given up whose bytes are placed: once more, without it. There are ever fewer of them.
            return self.rebuild();
        };
        self.list_free()?;
        header.live.store(live, Ordering::Relaxed);
        self.index_rebuilt();
        self.count_readers();
        self.lose_events();
        let recoveries = header.recoveries.load(Ordering::Relaxed);
        header.recoveries.store(recoveries.wrapping_add(1), Ordering::Relaxed);
        fail::point("recover.done");
        Ok(())
    }

    fn entries_used(&self) -> u32 {
        self.segment().header().entries_used.load(Ordering::Relaxed).min(self.segment().objects_reserved())
    }

    /// Frees what can go, and writes the entries that have bytes to the scratch space.
    fn gather(&self) -> Result<usize> {
        let scratch = self.segment().scratch();
        let mut count = 0;
        for index in 0..self.entries_used() {
            let entry = self.segment().entry(index)?;
            let word = Word(entry.state.load(Ordering::Acquire));
            entry.extent.store(NONE, Ordering::Relaxed);
            match word.state() {
                State::Free => {}
                // A creator that died before its commit may have written where the bytes would have been.
                State::Awaited => self.give_bytes(entry, None, 0, 0),
                State::Doomed if entry.state.free_if_unpinned(self.segment().pins(index)?) => {}
                State::Creating | State::Sealed | State::Failed | State::Doomed => {
                    if word.state() == State::Creating && !self.is_pinned_by(index, word.slot())? {
                        // Its creator found damage before it had what it was creating, and knows nothing of it. SYNC: a
                        // creator pins under the lock, and as long as it creates.
                        entry.state.abandon();
                        self.segment().header().sweep.store(1, Ordering::SeqCst);
                    }
                    let offset = entry.offset.load(Ordering::Relaxed);
                    if offset != 0 {
                        scratch[count].store(keyed(offset / ALIGN, index), Ordering::Relaxed);
                        count += 1;
                    }
                }
            }
        }
        Ok(count)
    }

    fn is_pinned_by(&self, index: u32, slot: u32) -> Result<bool> {
        Ok(bit_of(self.segment().pins(index)?, slot).is_some_and(RowBit::is_set))
    }

    fn place_bytes(&self, count: usize) -> Result<()> {
        let scratch = &self.segment().scratch()[..count];
        sort(scratch);
        for word in scratch {
            let index = index_of(word.load(Ordering::Relaxed));
            let entry = self.segment().entry(index)?;
            let size = entry
                .data_size
                .load(Ordering::Relaxed)
                .saturating_add(u64::from(entry.meta_size.load(Ordering::Relaxed)));
            match self.heap().place(entry.offset.load(Ordering::Relaxed), size) {
                Ok(extent) => entry.extent.store(extent, Ordering::Relaxed),
                // Scribbled upon: it cannot be trusted to be anybody's data.
                Err(_) => entry.state.give_up(),
            }
        }
        self.heap().close()
    }

    /// Index and lists: declarations first, then everything in the order of its birth.
    fn relink(&self) -> Result<Option<u32>> {
        let scratch = self.segment().scratch();
        let mut count = 0;
        let mut live = 0;
        let mut sound = true;
        let oldest = self.oldest_sequence()?;
        for index in 0..self.entries_used() {
            let entry = self.segment().entry(index)?;
            let state = Word(entry.state.load(Ordering::Acquire)).state();
            live += u32::from(state != State::Free);
            if state == State::Doomed {
                self.link_held(index)?;
            }
            if matches!(state, State::Free | State::Doomed) {
                continue;
            }
            let id = id_of(entry);
            if !id.is_declaration() {
                let since = entry.sequence.load(Ordering::Relaxed).saturating_sub(oldest);
                scratch[count].store(keyed(since, index), Ordering::Relaxed);
                count += 1;
            } else if self.find(&id).is_some() {
                entry.state.give_up();
                sound = false;
            } else {
                entry.newest_call.store(0, Ordering::Relaxed);
                self.index_insert(self.attachment.hash(&id), index);
                self.link(&id, index)?;
            }
        }
        let scratch = &scratch[..count];
        sort(scratch);
        for word in scratch {
            sound &= self.relink_one(index_of(word.load(Ordering::Relaxed)))?;
        }
        fail::point("recover.relinked");
        Ok(sound.then_some(live))
    }

    /// The smallest sequence of an object that is there.
    fn oldest_sequence(&self) -> Result<u64> {
        let mut oldest = u64::MAX;
        for index in 0..self.entries_used() {
            let entry = self.segment().entry(index)?;
            if Word(entry.state.load(Ordering::Acquire)).state() != State::Free {
                oldest = oldest.min(entry.sequence.load(Ordering::Relaxed));
            }
        }
        Ok(oldest)
    }

    /// False if the entry had to be given up.
    fn relink_one(&self, index: u32) -> Result<bool> {
        let entry = self.segment().entry(index)?;
        let word = Word(entry.state.load(Ordering::Acquire));
        let id = id_of(entry);
        if self.find(&id).is_some() {
            // Two visible objects of one name: the later one is wrong.
            entry.state.give_up();
            return Ok(false);
        }
        self.index_insert(self.attachment.hash(&id), index);
        self.link(&id, index)?;
        let sequence = entry.sequence.load(Ordering::Relaxed);
        let header = self.segment().header();
        // Releases are stamped meanwhile, without the lock.
        header.sequence.fetch_max(sequence, Ordering::Relaxed);
        if word.has(CALL) {
            if let Some((index, _)) = self.declaration_of(&id) {
                self.segment().entry(index)?.newest_call.fetch_max(sequence, Ordering::Release);
            }
        }
        Ok(true)
    }

    fn list_free(&self) -> Result<()> {
        let head = &self.segment().header().entries_free;
        for index in (0..self.entries_used()).rev() {
            let entry = self.segment().entry(index)?;
            if Word(entry.state.load(Ordering::Relaxed)).state() == State::Free {
                entry.next.store(head.load(Ordering::Relaxed), Ordering::Release);
                head.store(index, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

/// Bits of a word in the scratch space that hold an entry's number; the others hold what it is sorted by.
const INDEX_BITS: u32 = 26;

/// A word that sorts by `key`, of which the lower 38 bits count: enough for every offset in units of an object's alignment,
/// and for the distance between the sequences of two objects that are there at one time.
fn keyed(key: u64, index: u32) -> u64 {
    (key << INDEX_BITS) | u64::from(index)
}

fn index_of(word: u64) -> u32 {
    low_half(word & ((1 << INDEX_BITS) - 1))
}

/// Heap sort (Williams 1964): in place, in shared words, without memory.
fn sort(words: &[AtomicU64]) {
    let get = |at: usize| words[at].load(Ordering::Relaxed);
    let swap = |a: usize, b: usize| {
        let (x, y) = (get(a), get(b));
        words[a].store(y, Ordering::Relaxed);
        words[b].store(x, Ordering::Relaxed);
    };
    let sift = |mut at: usize, end: usize| loop {
        let mut child = 2 * at + 1;
        if child >= end {
            break;
        }
        if child + 1 < end && get(child + 1) > get(child) {
            child += 1;
        }
        if get(at) >= get(child) {
            break;
        }
        swap(at, child);
        at = child;
    };
    for at in (0..words.len() / 2).rev() {
        sift(at, words.len());
    }
    for end in (1..words.len()).rev() {
        swap(0, end);
        sift(0, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorting_orders_by_key_then_index() {
        for length in [0u32, 1, 2, 3, 100, 1000] {
            let key = |i: u32| u64::from(i * 7919 % 101) << 30;
            let words: Vec<AtomicU64> = (0..length).map(|i| AtomicU64::new(keyed(key(i), i))).collect();
            sort(&words);
            let order: Vec<u32> = words.iter().map(|word| index_of(word.load(Ordering::Relaxed))).collect();
            assert!(order.windows(2).all(|pair| (key(pair[0]), pair[0]) < (key(pair[1]), pair[1])));
            assert_eq!(order.iter().collect::<std::collections::BTreeSet<_>>().len(), length as usize);
        }
    }
}

#[cfg(test)]
mod rebuilds;
