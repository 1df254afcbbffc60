//! `check`: walks everything under the lock and says what does not add up.
//!
//! The one operation that holds the lock for long, and allocates under it: it is for operators and tests.

use std::collections::{HashMap, HashSet};

use super::index::id_of;
use super::locked::Locked;
use super::Store;
use crate::error::Result;
use crate::shm::layout::{State, Word, CALL, LOG_BUCKET, NONE};
use crate::shm::segment::low_half;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::row::row_is_empty;

impl Store {
    /// Checks the whole store. Returns one sentence for each inconsistency, none if the store is consistent. Holds the
    /// lock of the store meanwhile.
    pub fn check(&self) -> Result<Vec<String>> {
        self.attachment.locked(|locked| {
            let mut wrong = Vec::new();
            locked.check_entries(&mut wrong)?;
            locked.check_index(&mut wrong)?;
            locked.check_lists(&mut wrong)?;
            locked.check_readers(&mut wrong);
            Ok(wrong)
        })
    }
}

impl Locked<'_> {
    fn check_readers(&self, wrong: &mut Vec<String>) {
        let row = self.segment().bucket(LOG_BUCKET);
        let readers: u32 = row.iter().map(|word| word.load(Ordering::Relaxed).count_ones()).sum();
        let counted = self.segment().header().subscribers.load(Ordering::Relaxed);
        if readers != counted {
            wrong.push(format!("{readers} clients read the event log, but the count is {counted}"));
        }
    }

    fn used(&self) -> u32 {
        self.segment().header().entries_used.load(Ordering::Relaxed).min(self.segment().objects_reserved())
    }

    fn check_entries(&self, wrong: &mut Vec<String>) -> Result<()> {
        let mut extents = Vec::new();
        let mut live = 0;
        let mut ids = HashMap::new();
        for index in 0..self.used() {
            let entry = self.segment().entry(index)?;
            let word = Word(entry.state.load(Ordering::Acquire));
            let id = id_of(entry);
            self.check_row(index, "pins", self.segment().pins(index)?, wrong);
            if word.state() == State::Free {
                continue;
            }
            self.check_row(index, "wants", self.segment().wants(index)?, wrong);
            live += 1;
            if word.state() != State::Doomed {
                if let Some(other) = ids.insert(id, index) {
                    wrong.push(format!("object {id} has two entries, {other} and {index}"));
                }
            } else if row_is_empty(self.segment().pins(index)?) {
                wrong.push(format!(
                    "object {id} (entry {index}) is doomed and not pinned by any client, but it is not freed"
                ));
            }
            let extent = entry.extent.load(Ordering::Relaxed);
            if word.state() != State::Awaited && extent != NONE {
                let data = entry.data_size.load(Ordering::Relaxed);
                let size = data.saturating_add(u64::from(entry.meta_size.load(Ordering::Relaxed)));
                extents.push((entry.offset.load(Ordering::Relaxed), size, extent));
            }
        }
        let counted = self.segment().header().live.load(Ordering::Relaxed);
        if counted != live {
            wrong.push(format!("the count of objects is {counted}, but there are {live}"));
        }
        for (_, extent, bytes) in self.all_spares()? {
            let offset = self.segment().extent(extent)?.offset.load(Ordering::Relaxed);
            extents.push((offset, bytes, extent));
        }
        extents.sort_unstable();
        self.heap().check(&extents, wrong)
    }

    /// Every bit of a row belongs to a client that is in its slot.
    fn check_row<'a>(
        &self,
        index: u32,
        name: &str,
        row: impl IntoIterator<Item = &'a AtomicU64>,
        wrong: &mut Vec<String>,
    ) {
        for (at, word) in (0u32..).zip(row) {
            let mut bits = word.load(Ordering::SeqCst);
            while bits != 0 {
                let slot = at * 64 + bits.trailing_zeros();
                if self.segment().client(slot).number.load(Ordering::Relaxed) == 0 {
                    wrong.push(format!("entry {index}: the {name} refer to slot {slot}, which is free"));
                }
                bits &= bits - 1;
            }
        }
    }

    fn check_index(&self, wrong: &mut Vec<String>) -> Result<()> {
        for index in 0..self.used() {
            let entry = self.segment().entry(index)?;
            let state = Word(entry.state.load(Ordering::Acquire)).state();
            if matches!(state, State::Free | State::Doomed) {
                continue;
            }
            let id = id_of(entry);
            if self.find(&id).map(|(at, _)| at) != Some(index) {
                wrong.push(format!("object {id} (entry {index}) is not found through the index"));
            }
        }
        let header = self.segment().header();
        if header.index_changes.0.now() & 1 == 1 {
            wrong.push("the index is marked as changing, but no client is changing it".to_owned());
        }
        let level = header.index_level.load(Ordering::Relaxed);
        for slot in self.segment().index_slots(level) {
            let slot = slot.load(Ordering::Relaxed);
            if slot == 0 {
                continue;
            }
            let index = low_half(slot).wrapping_sub(1);
            let state = self.segment().entry(index).map(|e| Word(e.state.load(Ordering::Relaxed)).state());
            if !matches!(state, Ok(State::Awaited | State::Creating | State::Sealed | State::Failed)) {
                wrong.push(format!("the index refers to entry {index}, which has no visible object"));
            }
        }
        Ok(())
    }

    fn check_lists(&self, wrong: &mut Vec<String>) -> Result<()> {
        let header = self.segment().header();
        let mut listed = HashSet::new();
        let orphans = header.orphans.load(Ordering::Relaxed);
        let mut firsts = vec![orphans];
        self.walk(header.declarations.load(Ordering::Relaxed), |index, entry| {
            listed.insert(index);
            firsts.push(entry.first.load(Ordering::Relaxed));
            Ok(true)
        })?;
        for first in firsts {
            let mut last_call = 0;
            self.walk(first, |index, entry| {
                if !listed.insert(index) {
                    wrong.push(format!("entry {index} is on two lists"));
                }
                // Of other objects the order means nothing: those of a namespace that goes follow what was there.
                if first != orphans && Word(entry.state.load(Ordering::Relaxed)).has(CALL) {
                    let sequence = entry.sequence.load(Ordering::Relaxed);
                    if sequence < last_call {
                        wrong.push(format!("call {index} is out of order in its queue"));
                    }
                    last_call = sequence;
                }
                Ok(true)
            })?;
        }
        for index in 0..self.used() {
            let state = Word(self.segment().entry(index)?.state.load(Ordering::Relaxed)).state();
            let visible = !matches!(state, State::Free | State::Doomed);
            if visible != listed.contains(&index) {
                wrong.push(format!(
                    "entry {index} ({state:?}) should be on a list and is not, or the other way round"
                ));
            }
        }
        let mut held = HashSet::new();
        self.walk(header.held.load(Ordering::Relaxed), |index, _| {
            held.insert(index);
            Ok(true)
        })?;
        for index in 0..self.used() {
            let doomed =
                Word(self.segment().entry(index)?.state.load(Ordering::Relaxed)).state() == State::Doomed;
            if doomed != held.contains(&index) {
                wrong.push(format!(
                    "entry {index} should be on the list of deleted objects that are held and \
                     is not, or the other way round"
                ));
            }
        }
        let mut free = 0;
        for (index, ..) in self.all_spares()? {
            free += 1;
            if !listed.insert(index) {
                wrong.push(format!("entry {index} is a spare twice, or is also on a list"));
            }
        }
        self.walk(header.entries_free.load(Ordering::Relaxed), |index, entry| {
            free += 1;
            if Word(entry.state.load(Ordering::Relaxed)).state() != State::Free || listed.contains(&index) {
                wrong.push(format!("entry {index} is on the list of free entries, but is not free"));
            }
            Ok(true)
        })?;
        let expected = self.used() - self.segment().header().live.load(Ordering::Relaxed).min(self.used());
        if free != expected {
            wrong.push(format!("{expected} entries are free, but {free} are listed"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
