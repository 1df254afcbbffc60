//! Eviction: when the store is full, objects without wants and pins may be deleted, if they were marked for that.
//!
//! This happens only in stores that were created with eviction on. There an evictable object stays although no client
//! wants it, as if it were kept, until space is needed. Then the object whose last release was earliest is deleted
//! first. An object that a queued call names is wanted by its caller, so it is never evicted. A program may also
//! request eviction before the store is full. An eviction is a deletion like any other, also in a crash.
//!
//! One walk over the entries finds the victims of many evictions: a process remembers the thousands of objects whose
//! last release was earliest. Stamps of release only grow, so an object that is released later cannot come before them.
//! An object that was got or released again meanwhile has another stamp, and is skipped.

use std::collections::VecDeque;

use super::attachment::Attachment;
use super::entries::EntryKey;
use super::id::ObjectId;
use super::index::id_of;
use super::locked::Locked;
use super::Store;
use crate::error::Result;
use crate::log::{self, Level};
use crate::shm::layout::{Entry, State, Word, EVICTABLE, KEEP, OPTION_EVICTION, SMALL};
use crate::sync::atomic::{lock, Ordering};
use crate::sync::row::row_is_empty;

/// Victims that one walk finds, of each region.
const FOUND: usize = 4096;
/// Most victims of one turn of the lock.
const TURN: usize = 64;

/// An object that may be evicted, as it was when it was found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Victim {
    /// When it was released last: its place in the order.
    released: u64,
    index: u32,
    generation: u64,
    size: u64,
}

/// What a walk found and nobody has used yet, of each region, longest released first.
#[derive(Default)]
pub(super) struct Victims {
    small: VecDeque<Victim>,
    large: VecDeque<Victim>,
}

impl Victims {
    /// Removes the one that goes next: of the large region, or of both.
    fn next(&mut self, small_too: bool) -> Option<Victim> {
        let of_small = match (self.small.front(), self.large.front()) {
            (Some(small), Some(large)) => small_too && small < large,
            (small, None) => small_too && small.is_some(),
            (None, _) => false,
        };
        if of_small { &mut self.small } else { &mut self.large }.pop_front()
    }
}

impl Store {
    /// Evicts objects until enough bytes are freed (data and metadata), or none is left. The object that was released
    /// the longest time ago is evicted first. Crashed clients are reaped before, so that objects that only they held
    /// can be evicted. Returns how many bytes were evicted.
    ///
    /// # Errors
    /// `Busy`, `Corrupt`, `Forked`.
    pub fn evict(&self, bytes: u64) -> Result<u64> {
        self.attachment.here()?;
        self.attachment.reap_dead();
        let mut evicted = 0;
        while evicted < bytes {
            match self.attachment.evict_victims(bytes - evicted, true)? {
                Some(size) => evicted += size,
                None => break,
            }
        }
        Ok(evicted)
    }
}

impl Attachment {
    /// Whether this store evicts.
    pub(super) fn evicts(&self) -> bool {
        self.segment.header().options.load(Ordering::Relaxed) & OPTION_EVICTION != 0
    }

    /// Whether an object stays though nobody wants it.
    pub(super) fn stays(&self, entry: &Entry) -> bool {
        let flags = entry.flags.load(Ordering::SeqCst);
        flags & KEEP != 0 || flags & EVICTABLE != 0 && self.evicts()
    }

    /// Evicts some objects so that one of `bytes` may find room, or (`None`) another entry. What lies where small objects do
    /// makes no room for a large one. `None`: there is nothing to evict.
    pub(super) fn evict_turn(&self, bytes: Option<u64>) -> Result<Option<u64>> {
        self.evict_victims(bytes.unwrap_or(1), bytes.is_none_or(|bytes| bytes < SMALL))
    }

    /// Evicts in one turn of the lock until `bytes` were evicted, at most [`TURN`] objects. How many bytes it were: none if
    /// somebody was faster; `None` if there is nothing to evict.
    fn evict_victims(&self, bytes: u64, small_too: bool) -> Result<Option<u64>> {
        if !self.evicts() {
            return Ok(None);
        }
        let mut chosen = self.choose(bytes, small_too);
        if chosen.is_empty() {
            self.find_victims()?;
            chosen = self.choose(bytes, small_too);
        }
        if chosen.is_empty() {
            return Ok(None);
        }
        let mut gone = Vec::with_capacity(chosen.len());
        self.locked(|locked| {
            for victim in &chosen {
                // Somebody may have got or claimed it since.
                if let Some(id) = locked.evict(victim)? {
                    gone.push((id, victim.size));
                }
            }
            Ok(())
        })?;
        for (id, size) in &gone {
            self.ring(id);
            log::write(Level::Info, || {
                let path = self.place.path.display();
                format!("{path}: evicted the object {id} of {size} bytes, which no client owned")
            });
        }
        Ok(Some(gone.iter().map(|(_, size)| size).sum()))
    }

    /// The next victims, for `bytes` together.
    fn choose(&self, bytes: u64, small_too: bool) -> Vec<Victim> {
        let mut victims = lock(&self.victims);
        let (mut chosen, mut sum) = (Vec::new(), 0u64);
        while sum < bytes && chosen.len() < TURN {
            let Some(victim) = victims.next(small_too) else { break };
            sum = sum.saturating_add(victim.size.max(1));
            chosen.push(victim);
        }
        chosen
    }

    /// Walks over all entries for the victims of the next evictions.
    fn find_victims(&self) -> Result<()> {
        let mut found = [Vec::new(), Vec::new()];
        let used = self.segment.header().entries_used.load(Ordering::Acquire);
        for index in 0..used.min(self.segment.objects_reserved()) {
            let entry = self.segment.entry(index)?;
            let word = Word(entry.state.load(Ordering::Acquire));
            if word.state() != State::Sealed || !self.evictable(entry, index)? {
                continue;
            }
            let data = entry.data_size.load(Ordering::Relaxed);
            let victim = Victim {
                released: entry.released.load(Ordering::Relaxed),
                index,
                generation: word.generation(),
                size: data.saturating_add(u64::from(entry.meta_size.load(Ordering::Relaxed))),
            };
            let large = entry.offset.load(Ordering::Relaxed) >= self.segment.geometry().large;
            let of_region = &mut found[usize::from(large)];
            of_region.push(victim);
            if of_region.len() == 2 * FOUND {
                of_region.select_nth_unstable(FOUND);
                of_region.truncate(FOUND);
            }
        }
        let [small, large] = found.map(|mut victims| {
            victims.sort_unstable();
            victims.truncate(FOUND);
            victims.into()
        });
        *lock(&self.victims) = Victims { small, large };
        Ok(())
    }

    fn evictable(&self, entry: &Entry, index: u32) -> Result<bool> {
        let flags = entry.flags.load(Ordering::SeqCst);
        Ok(flags & (EVICTABLE | KEEP) == EVICTABLE
            && row_is_empty(self.segment.wants(index)?)
            && row_is_empty(self.segment.pins(index)?))
    }
}

impl Locked<'_> {
    /// Dooms a victim if it still is one. Its ID.
    fn evict(&self, victim: &Victim) -> Result<Option<ObjectId>> {
        let key = EntryKey { index: victim.index, generation: victim.generation };
        let Some((entry, word)) = self.entry_of(key)? else { return Ok(None) };
        if word.state() != State::Sealed
            || entry.released.load(Ordering::Relaxed) != victim.released
            || !self.attachment.evictable(entry, key.index)?
        {
            return Ok(None);
        }
        let id = id_of(entry);
        Ok(self.doom(key)?.then_some(id))
    }
}

#[cfg(test)]
mod tests;
