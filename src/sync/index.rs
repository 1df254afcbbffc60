//! The index: from the hash of an ID to an entry.
//!
//! Open addressing with linear probing, at most half full. A slot holds a 32-bit tag of the hash and the entry's number plus
//! one; 0 is empty. The home of a tag is its upper bits, so moving and growing need no entry. There is one table for each level,
//! which is the logarithm of its slots.
//!
//! *Readers take no lock.* A hit is proved by the entry itself. A miss is true between two equal even readings of the change
//! counter, which is odd while a present entry may not be found. *Writers hold the store's lock.* Inserting fills an empty slot
//! and hides nothing; removing moves entries, growing and rebuilding move all of them.
//!
//! Dead while the counter is odd: it stays odd, every miss takes the lock, and the next holder, who finds that dirty, resets the
//! index and fills it from the entries.

use super::atomic::{AtomicU32, AtomicU64, Ordering};
use super::changes::Changes;
use super::fail;
use super::life::Word;

/// How often a reader without the lock looks again when the index changes under it.
const LOOKS: u32 = if cfg!(loom) { 2 } else { 4 };

/// The index changes all the time: only the lock makes a miss true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changing;

/// The words of an index, and the table of each level.
pub struct Index<'a, T> {
    /// The level in use.
    pub level: &'a AtomicU32,
    /// Even at rest.
    pub changes: &'a Changes,
    /// The slots of a level: a power of two of them, two at least, whatever the level.
    pub table: T,
}

impl<'a, T: Fn(u32) -> &'a [AtomicU64]> Index<'a, T> {
    #[inline]
    fn slots(&self) -> (u32, &'a [AtomicU64]) {
        // SYNC: pairs with the release stores in `grow` and `reset`: the table is as they left it, or newer.
        let slots = (self.table)(self.level.load(Ordering::Acquire));
        // Not the level that was read: it may be damaged.
        (slots.len().ilog2(), slots)
    }

    /// Probes once; a hit is true, a miss may come from a change under way, unless the lock is held. `named` looks whether an entry
    /// is the one that is looked for ([`StateWord::named`](super::life::StateWord::named)).
    #[inline]
    pub fn probe(&self, tag: u32, named: impl Fn(u32) -> Option<Word>) -> Option<(u32, Word)> {
        let (level, slots) = self.slots();
        let mask = slots.len() - 1;
        let mut at = home(tag, level);
        for _ in 0..slots.len() {
            // SYNC: pairs with the release store of whoever filled the slot: the entry's words are there.
            let slot = slots[at].load(Ordering::Acquire);
            if slot == 0 {
                return None;
            }
            if tag_of(slot) == tag {
                let entry = entry_of(slot);
                if let Some(word) = named(entry) {
                    return Some((entry, word));
                }
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Finds an entry without the lock. As [`Index::probe`], but a miss is true.
    #[inline]
    pub fn find(
        &self,
        tag: u32,
        named: impl Fn(u32) -> Option<Word>,
    ) -> Result<Option<(u32, Word)>, Changing> {
        for _ in 0..LOOKS {
            let before = self.changes.now();
            if let Some(found) = self.probe(tag, &named) {
                return Ok(Some(found));
            }
            if self.changes.none_since(before) {
                return Ok(None);
            }
        }
        Err(Changing)
    }

    /// Adds an entry whose state is written.
    pub fn insert(&self, tag: u32, entry: u32) {
        let (level, slots) = self.slots();
        fill(slots, level, tag, entry);
    }

    /// Takes an entry out, and closes the gap.
    pub fn remove(&self, tag: u32, entry: u32) {
        let (level, slots) = self.slots();
        let mask = slots.len() - 1;
        let mut gap = home(tag, level);
        let mut steps = 0;
        loop {
            let slot = slots[gap].load(Ordering::Relaxed);
            if slot == slot_of(tag, entry) {
                break;
            }
            if slot == 0 || steps > mask {
                return;
            }
            gap = (gap + 1) & mask;
            steps += 1;
        }
        self.changing();
        let mut at = gap;
        for _ in 0..mask {
            at = (at + 1) & mask;
            let slot = slots[at].load(Ordering::Relaxed);
            if slot == 0 {
                break;
            }
            let from_home = at.wrapping_sub(home(tag_of(slot), level)) & mask;
            let from_gap = at.wrapping_sub(gap) & mask;
            if from_home >= from_gap {
                // SYNC: as in `fill`.
                slots[gap].store(slot, Ordering::Release);
                gap = at;
            }
        }
        // SYNC: who sees the gap sees that the counter is odd or later: by the fence in `begin`.
        slots[gap].store(0, Ordering::Relaxed);
        self.whole();
    }

    /// Goes on at a higher level, whose memory is reserved. What that table holds is of an earlier time.
    pub fn grow(&self, new_level: u32) {
        let (level, old) = self.slots();
        if new_level <= level {
            return;
        }
        let new = (self.table)(new_level);
        self.changing();
        empty(new);
        for slot in old {
            let slot = slot.load(Ordering::Relaxed);
            if slot != 0 {
                fill(new, new_level, tag_of(slot), entry_of(slot));
            }
        }
        // SYNC: pairs with the acquire load in `slots`.
        self.level.store(new_level, Ordering::Release);
        self.whole();
    }

    /// Empties the index: the start of a rebuild, which inserts what there is and ends with [`Index::whole`].
    pub fn reset(&self, level: u32) {
        self.changing();
        empty((self.table)(level));
        // SYNC: pairs with the acquire load in `slots`.
        self.level.store(level, Ordering::Release);
    }

    /// Entries are about to move.
    fn changing(&self) {
        self.changes.begin();
        fail::point("index.changing");
    }

    /// Everything can be found again.
    pub fn whole(&self) {
        self.changes.end();
    }
}

#[inline]
fn home(tag: u32, level: u32) -> usize {
    (tag >> (32 - level)) as usize
}

fn slot_of(tag: u32, entry: u32) -> u64 {
    u64::from(tag) << 32 | (u64::from(entry) + 1)
}

#[inline]
fn tag_of(slot: u64) -> u32 {
    (slot >> 32) as u32
}

#[inline]
fn entry_of(slot: u64) -> u32 {
    ((slot & u64::from(u32::MAX)) as u32).wrapping_sub(1)
}

fn empty(slots: &[AtomicU64]) {
    // SYNC: relaxed is enough behind the fence in `begin`: who sees one of these zeros does not believe its miss.
    slots.iter().for_each(|slot| slot.store(0, Ordering::Relaxed));
}

fn fill(slots: &[AtomicU64], level: u32, tag: u32, entry: u32) {
    let mask = slots.len() - 1;
    let mut at = home(tag, level);
    for _ in 0..slots.len() {
        if slots[at].load(Ordering::Relaxed) == 0 {
            // SYNC: pairs with the acquire load in `probe`: who sees the slot sees the entry's words.
            slots[at].store(slot_of(tag, entry), Ordering::Release);
            return;
        }
        at = (at + 1) & mask;
    }
}
