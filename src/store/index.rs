//! The index: from an object's ID to its entry.
//!
//! Open addressing with linear probing, at most half full, so that a look-up costs the same at a thousand objects and at a
//! million. A slot holds a 32-bit tag of the ID's hash and the entry's number; the home of a tag is its upper bits, so moving
//! and growing need no entry. Readers take no lock: a hit is proved by the entry itself; a miss is true between two equal
//! even readings of the change counter, which is odd while entries move. Derived: rebuilt from the entries after a death.

use super::attachment::Attachment;
use super::id::ObjectId;
use super::locked::Locked;
use crate::error::Result;
use crate::shm::layout::{Entry, State, Word};
use crate::shm::segment::{index_level, low_half, to_usize};
use crate::sync::atomic::{fence, AtomicU64, Ordering};
use crate::sync::fail;

/// Where an ID hashes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash(u64);

impl Hash {
    pub(super) fn of(id: &ObjectId, seed: u64) -> Hash {
        let bytes = id.as_bytes();
        let word = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(eight)
        };
        let mut hash = seed;
        for part in [word(0), word(8), word(12)] {
            // The finaliser of splitmix64 (Steele, Lea, Flood 2014).
            hash = (hash ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
            hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            hash ^= hash >> 31;
        }
        Hash(hash)
    }

    fn tag(self) -> u64 {
        self.0 >> 32
    }

    /// The bucket of waiting bits.
    pub(super) fn bucket(self) -> u64 {
        self.0 & 0xffff
    }

    /// The bit by which sleepers on this ID are woken.
    pub(super) fn wake_bit(self) -> u32 {
        1 << (self.0 >> 16 & 31)
    }
}

fn home(tag: u64, level: u32) -> usize {
    to_usize(tag >> (32 - level))
}

pub(super) fn id_of(entry: &Entry) -> ObjectId {
    let mut bytes = [0; 20];
    for (chunk, word) in bytes.chunks_exact_mut(4).zip(&entry.id) {
        chunk.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
    }
    ObjectId::new(bytes)
}

pub(super) fn set_id(entry: &Entry, id: &ObjectId) {
    for (chunk, word) in id.as_bytes().chunks_exact(4).zip(&entry.id) {
        let mut four = [0; 4];
        four.copy_from_slice(chunk);
        word.store(u32::from_le_bytes(four), Ordering::Relaxed);
    }
}

impl Attachment {
    /// The hash of an ID in this store.
    pub(super) fn hash(&self, id: &ObjectId) -> Hash {
        Hash::of(id, self.identity)
    }

    fn slots(&self) -> (u32, &[AtomicU64]) {
        let level = self.segment.header().index_level.load(Ordering::Acquire);
        let slots = self.segment.index_slots(level);
        (slots.len().ilog2(), slots)
    }

    /// Probes once; a hit is true, a miss may come from a change under way.
    fn probe(&self, id: &ObjectId, hash: Hash) -> Option<(u32, Word)> {
        let (level, slots) = self.slots();
        let mask = slots.len() - 1;
        let mut at = home(hash.tag(), level);
        for _ in 0..slots.len() {
            // SYNC: pairs with the release store in `index_insert`: the entry's words are there.
            let slot = slots[at].load(Ordering::Acquire);
            if slot == 0 {
                return None;
            }
            if slot >> 32 == hash.tag() {
                let index = low_half(slot).wrapping_sub(1);
                if let Ok(entry) = self.segment.entry(index) {
                    let before = Word(entry.state.load(Ordering::Acquire));
                    let same = id_of(entry) == *id;
                    fence(Ordering::Acquire);
                    let after = Word(entry.state.load(Ordering::Relaxed));
                    let visible = !matches!(before.state(), State::Free | State::Doomed);
                    if same && visible && before.generation() == after.generation() {
                        return Some((index, before));
                    }
                }
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Finds an object without the lock, unless the index is changing all the time.
    pub(super) fn find(&self, id: &ObjectId) -> Result<Option<(u32, Word)>> {
        let hash = self.hash(id);
        let changes = &self.segment.header().index_changes.0;
        for _ in 0..4 {
            let before = changes.now();
            if let Some(found) = self.probe(id, hash) {
                return Ok(Some(found));
            }
            if changes.none_since(before) {
                return Ok(None);
            }
        }
        self.locked(|locked| Ok(locked.find(id)))
    }
}

impl Locked<'_> {
    /// Finds an object; the lock makes a miss true.
    pub(super) fn find(&self, id: &ObjectId) -> Option<(u32, Word)> {
        self.attachment.probe(id, self.attachment.hash(id))
    }

    /// Entries are about to move.
    fn index_changing(&self) {
        self.segment().header().index_changes.0.begin();
        fail::point("index.changing");
    }

    /// The index is whole again.
    pub(super) fn index_rebuilt(&self) {
        self.segment().header().index_changes.0.end();
    }

    fn change(&self, change: impl FnOnce()) {
        self.index_changing();
        change();
        self.index_rebuilt();
    }

    /// Adds an entry whose state is written.
    pub(super) fn index_insert(&self, id: &ObjectId, index: u32) {
        let (level, slots) = self.attachment.slots();
        insert(slots, level, self.attachment.hash(id).tag(), index);
    }

    /// Takes an entry out, and closes the gap.
    pub(super) fn index_remove(&self, id: &ObjectId, index: u32) {
        let (level, slots) = self.attachment.slots();
        let mask = slots.len() - 1;
        let tag = self.attachment.hash(id).tag();
        let mut gap = home(tag, level);
        let wanted = tag << 32 | u64::from(index + 1);
        let mut steps = 0;
        while slots[gap].load(Ordering::Relaxed) != wanted {
            if slots[gap].load(Ordering::Relaxed) == 0 || steps > mask {
                return;
            }
            gap = (gap + 1) & mask;
            steps += 1;
        }
        self.change(|| {
            let mut at = gap;
            for _ in 0..mask {
                at = (at + 1) & mask;
                let slot = slots[at].load(Ordering::Relaxed);
                if slot == 0 {
                    break;
                }
                let from_home = at.wrapping_sub(home(slot >> 32, level)) & mask;
                let from_gap = at.wrapping_sub(gap) & mask;
                if from_home >= from_gap {
                    slots[gap].store(slot, Ordering::Release);
                    gap = at;
                }
            }
            slots[gap].store(0, Ordering::Release);
        });
    }

    /// Grows the index for so many objects; its memory is reserved.
    pub(super) fn index_grow(&self, objects: u32) {
        let (level, old) = self.attachment.slots();
        let new_level = index_level(objects);
        if new_level <= level {
            return;
        }
        let new = self.segment().index_slots(new_level);
        self.change(|| {
            new.iter().for_each(|slot| slot.store(0, Ordering::Relaxed));
            for slot in old {
                let slot = slot.load(Ordering::Relaxed);
                if slot != 0 {
                    insert(new, new_level, slot >> 32, low_half(slot).wrapping_sub(1));
                }
            }
            self.segment().header().index_level.store(new_level, Ordering::Release);
        });
    }

    /// Empties the index: the start of a rebuild, which ends with `index_rebuilt`.
    pub(super) fn index_reset(&self) {
        self.index_changing();
        let level = index_level(self.segment().objects_reserved());
        let slots = self.segment().index_slots(level);
        slots.iter().for_each(|slot| slot.store(0, Ordering::Relaxed));
        self.segment().header().index_level.store(level, Ordering::Release);
    }
}

fn insert(slots: &[AtomicU64], level: u32, tag: u64, index: u32) {
    let mask = slots.len() - 1;
    let mut at = home(tag, level);
    for _ in 0..slots.len() {
        if slots[at].load(Ordering::Relaxed) == 0 {
            // SYNC: pairs with the acquire load in `probe`.
            slots[at].store((tag << 32) | (u64::from(index) + 1), Ordering::Release);
            return;
        }
        at = (at + 1) & mask;
    }
}

#[cfg(test)]
mod tests;
