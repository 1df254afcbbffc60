//! The index of a store: hashes of IDs, and the tables in the segment. [`crate::sync::index`] describes how it is read
//! and changed.
//!
//! It is at most half full, so that a look-up costs the same at a thousand objects and at a million. It is derived, and
//! rebuilt from the entries after a crash.

use super::attachment::Attachment;
use super::id::{ObjectId, PREFIX_SIZE};
use super::locked::Locked;
use crate::error::Result;
use crate::shm::layout::{Entry, Word};
use crate::shm::segment::index_level;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::index::{Changing, Index};

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

    fn tag(self) -> u32 {
        (self.0 >> 32) as u32
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

pub(super) fn id_of(entry: &Entry) -> ObjectId {
    let mut bytes = [0; 20];
    for (chunk, word) in bytes.chunks_exact_mut(4).zip(&entry.id) {
        chunk.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
    }
    ObjectId::new(bytes)
}

/// Whether it is the entry of a declaration.
pub(super) fn is_declaration(entry: &Entry) -> bool {
    // All but the prefix is zero.
    entry.id[PREFIX_SIZE / 4..].iter().all(|word| word.load(Ordering::Relaxed) == 0)
}

pub(super) fn set_id(entry: &Entry, id: &ObjectId) {
    for (part, word) in words_of(id).into_iter().zip(&entry.id) {
        word.store(part, Ordering::Relaxed);
    }
}

/// An ID as an entry holds it.
pub(super) fn words_of(id: &ObjectId) -> [u32; 5] {
    let mut words = [0; 5];
    for (word, chunk) in words.iter_mut().zip(id.as_bytes().chunks_exact(4)) {
        let mut four = [0; 4];
        four.copy_from_slice(chunk);
        *word = u32::from_le_bytes(four);
    }
    words
}

impl Attachment {
    /// The hash of an ID in this store.
    pub(super) fn hash(&self, id: &ObjectId) -> Hash {
        Hash::of(id, self.identity)
    }

    fn index<'a>(&'a self) -> Index<'a, impl Fn(u32) -> &'a [AtomicU64]> {
        let header = self.segment.header();
        let (level, changes) = (&header.index_level, &header.index_changes.0);
        Index { level, changes, table: |level| self.segment.index_slots(level) }
    }

    /// Whether an entry is that of an ID, for the index to ask.
    fn named<'a>(&'a self, id: &ObjectId) -> impl Fn(u32) -> Option<Word> + 'a {
        let wanted = words_of(id);
        move |index| self.segment.entry(index).ok().and_then(|entry| entry.state.named(&entry.id, &wanted))
    }

    /// Finds an object without the lock, unless the index is changing all the time.
    #[inline(always)]
    fn look_up(&self, id: &ObjectId) -> std::result::Result<Option<(u32, Word)>, Changing> {
        let named = self.named(id);
        self.index().find(self.hash(id).tag(), |index| {
            // Who finds it mostly pins it: our count of its pins is fetched beside the entry, not after it.
            if let Ok((word, _)) = self.pin_word(index) {
                word.fetch();
            }
            named(index)
        })
    }

    /// Finds an object; takes the lock for that if the index is changing all the time.
    pub(super) fn find(&self, id: &ObjectId) -> Result<Option<(u32, Word)>> {
        self.look_up(id).or_else(|_| self.locked(|locked| Ok(locked.find(id))))
    }

    /// The same without ever taking the lock: nothing may also mean that it cannot be said.
    pub(super) fn find_at_once(&self, id: &ObjectId) -> Option<(u32, Word)> {
        self.look_up(id).ok().flatten()
    }
}

impl Locked<'_> {
    /// Finds an object; the lock makes a miss true.
    pub(super) fn find(&self, id: &ObjectId) -> Option<(u32, Word)> {
        self.find_by(id, self.attachment.hash(id))
    }

    /// The same where its hash is known.
    pub(super) fn find_by(&self, id: &ObjectId, hash: Hash) -> Option<(u32, Word)> {
        self.attachment.index().probe(hash.tag(), self.attachment.named(id))
    }

    /// Adds an entry whose state is written.
    pub(super) fn index_insert(&self, hash: Hash, index: u32) {
        self.attachment.index().insert(hash.tag(), index);
    }

    /// Takes an entry out.
    pub(super) fn index_remove(&self, hash: Hash, index: u32) {
        self.attachment.index().remove(hash.tag(), index);
    }

    /// Grows the index for so many objects; its memory is reserved.
    pub(super) fn index_grow(&self, objects: u32) {
        self.attachment.index().grow(index_level(objects));
    }

    /// Empties the index: the start of a rebuild, which ends with `index_rebuilt`.
    pub(super) fn index_reset(&self) {
        self.attachment.index().reset(index_level(self.segment().objects_reserved()));
    }

    /// The index is whole again.
    pub(super) fn index_rebuilt(&self) {
        self.attachment.index().whole();
    }
}

#[cfg(test)]
mod tests;
