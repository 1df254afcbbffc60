//! The index: from the hash of an ID to an entry.
//!
//! It uses open addressing with linear probing, and is at most half full. A slot holds a 32-bit tag of the hash and the
//! entry's number plus one; 0 is empty. The home of a tag is its upper bits, so moving and growing need no entry. There
//! is one table for each level, which is the logarithm of its number of slots.
//!
//! *Readers take no lock.* A hit is confirmed by the entry itself. A miss is confirmed by two equal even readings of
//! the change counter, which is odd while a present entry may not be found. *Writers hold the store's lock.* Inserting
//! fills an empty slot and hides nothing. Removing moves entries, and growing and rebuilding move all of them.
//!
//! Slots and level are therefore relaxed words. SYNC: what a slot names is read in the entry, which has an order of its
//! own. A thread that knows of an insertion (because it was notified, waits, or has the lock) sees the insertion before
//! its look-up, and finds it. A thread that reads a word that another kind of change has written does not trust its
//! miss, because of the fences of the counter. A thread that reads the counter after the change reads what the change
//! left.
//!
//! If a client crashes while the counter is odd, it stays odd and every miss takes the lock. The next holder finds the
//! lock dirty, resets the index and fills it from the entries.

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
        let slots = (self.table)(self.level.load(Ordering::Relaxed));
        // Not the level that was read: it may be damaged.
        (slots.len().ilog2(), slots)
    }

    /// Probes once; a hit is true, a miss may come from a change under way, unless the lock is held. `named` looks whether an entry
    /// is the one that is looked for ([`StateWord::named`](super::life::StateWord::named)).
    #[inline(always)]
    pub fn probe(&self, tag: u32, named: impl Fn(u32) -> Option<Word>) -> Option<(u32, Word)> {
        let (level, slots) = self.slots();
        let mask = slots.len() - 1;
        let mut at = home(tag, level);
        for _ in 0..slots.len() {
            let slot = slots[at].load(Ordering::Relaxed);
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
    #[inline(always)]
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
        let probed = (0..slots.len()).map(|step| (home(tag, level) + step) & mask);
        let mut used =
            probed.map(|at| (at, slots[at].load(Ordering::Relaxed))).take_while(|(_, slot)| *slot != 0);
        let Some((mut gap, _)) = used.find(|(_, slot)| *slot == slot_of(tag, entry)) else { return };
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
                slots[gap].store(slot, Ordering::Relaxed);
                gap = at;
            }
        }
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
        self.level.store(new_level, Ordering::Relaxed);
        self.whole();
    }

    /// Empties the index: the start of a rebuild, which inserts what there is and ends with [`Index::whole`].
    pub fn reset(&self, level: u32) {
        self.changing();
        empty((self.table)(level));
        self.level.store(level, Ordering::Relaxed);
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
    ((slot & 0xffff_ffff) as u32).wrapping_sub(1)
}

fn empty(slots: &[AtomicU64]) {
    slots.iter().for_each(|slot| slot.store(0, Ordering::Relaxed));
}

fn fill(slots: &[AtomicU64], level: u32, tag: u32, entry: u32) {
    let mask = slots.len() - 1;
    let mut at = home(tag, level);
    for _ in 0..slots.len() {
        if slots[at].load(Ordering::Relaxed) == 0 {
            slots[at].store(slot_of(tag, entry), Ordering::Relaxed);
            return;
        }
        at = (at + 1) & mask;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::sync::life::State;

    /// Of 32 slots, with half of them used, round the end of the table and with many of one home.
    #[test]
    fn what_is_inserted_is_found_until_it_is_removed() {
        let tables = [5, 6].map(|level| (0..1 << level).map(|_| AtomicU64::new(0)).collect::<Vec<_>>());
        let (level, changes) = (AtomicU32::new(5), Changes::default());
        let index =
            Index { level: &level, changes: &changes, table: |level| tables[level as usize - 5].as_slice() };
        // Four homes, of which one is the last slot.
        let tag_of = |entry: u32| 0xe000_0000 + (entry % 4) * 0x0800_0000 + entry;
        let found = |entry: u32| {
            let named = |at| (at == entry).then_some(Word::new(State::Sealed, 0, 0));
            index.find(tag_of(entry), named).unwrap().is_some()
        };
        let (mut there, mut random) = (HashSet::new(), 1u32);
        for step in 0..4000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let entry = random >> 16 & 63;
            if there.remove(&entry) {
                index.remove(tag_of(entry), entry);
            } else if there.len() < 16 {
                there.insert(entry);
                index.insert(tag_of(entry), entry);
            }
            if step == 3000 {
                index.grow(6);
            }
            assert!((0..64).all(|entry| found(entry) == there.contains(&entry)), "step {step}");
        }
    }

    /// As only damage leaves it.
    #[test]
    fn a_table_without_an_empty_slot_is_gone_round_once() {
        const TAG: u32 = 1 << 30;
        let slots = [3, 0, 1, 2].map(|entry| AtomicU64::new(slot_of(TAG, entry)));
        let (level, changes) = (AtomicU32::new(2), Changes::default());
        let index = Index { level: &level, changes: &changes, table: |_| slots.as_slice() };
        let held = || slots.iter().map(|slot| slot.load(Ordering::Relaxed)).collect::<Vec<_>>();
        let (before, count) = (held(), changes.now());
        index.remove(TAG, 4);
        assert_eq!((held(), changes.now()), (before.clone(), count), "nothing has moved");
        // The last one that is come to.
        index.remove(TAG, 3);
        assert_eq!(held(), [&[0], &before[1..]].concat());
    }
}
