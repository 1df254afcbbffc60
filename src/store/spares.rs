//! Spares: free entries that have bytes already, each reserved for the next object that a client creates.
//!
//! A client that frees a small object reserves entry and bytes for the client that created it. That client takes both
//! for its next object of that size (and only the bytes for an output, which has its entry). If objects are created and
//! deleted again and again, whichever client deletes them, neither heap nor list of free entries changes. All clients
//! share the words of these. The creator also finds its previous data in its cache. If the creator has gone, the spares
//! belong to the client that frees.
//!
//! All of this happens under the lock, and is derived: a spare is a free entry that is on no list, with an extent that
//! belongs to no object. A client that crashes between two steps thus leaves a dirty lock, and the rebuild forgets all
//! spares. The spares of a client that detaches or has crashed are freed with its slot. Each client has [`SPARES`] of
//! less than [`SMALL`] bytes. The heap counts them as used, and statistics as free. A client that lacks bytes or an
//! entry takes back the spares of all clients before an object is evicted, or the creation waits or is refused.

use super::locked::Locked;
use crate::error::{Error, Kind, Result};
use crate::shm::heap::{rounded, Taken};
use crate::shm::layout::{Entry, State, Word, ALIGN, MOST_OBJECTS, SMALL, SPARES};
use crate::sync::atomic::{AtomicU32, Ordering};

/// A spare in a word: its entry, and above these bits the length of its bytes in units of [`ALIGN`]; 0 is none.
const INDEX_BITS: u32 = 26;

const _: () = assert!(MOST_OBJECTS <= 1 << INDEX_BITS && SMALL / ALIGN <= 1 << (32 - INDEX_BITS));

fn index_of(spare: u32) -> u32 {
    spare & ((1 << INDEX_BITS) - 1)
}

fn bytes_of(spare: u32) -> u64 {
    u64::from(spare >> INDEX_BITS) * ALIGN
}

/// 0 for what is too large to be one.
fn units_of(bytes: u64) -> u32 {
    u32::try_from(bytes / ALIGN).unwrap_or(0)
}

impl<'a> Locked<'a> {
    fn spares(&self, slot: u32) -> &'a [AtomicU32; SPARES] {
        &self.segment().client(slot).spares.0
    }

    /// The places of a slot, from the one where spares of so many bytes are first looked for.
    fn spares_from(&self, slot: u32, bytes: u64) -> impl Iterator<Item = &'a AtomicU32> {
        let first = units_of(bytes) as usize;
        let spares = self.spares(slot);
        (first..first + SPARES).map(|place| &spares[place % SPARES])
    }

    fn spare_entry(&self, spare: u32) -> Result<&'a Entry> {
        let entry = self.segment().entry(index_of(spare))?;
        if Word(entry.state.load(Ordering::Relaxed)).state() != State::Free {
            return Err(Error::new(Kind::Corrupt, "a spare entry is not free"));
        }
        Ok(entry)
    }

    /// Puts an entry that was just freed aside, with its extent, for the client in this slot. The spare that had to make room for it
    /// is given back. False if it cannot be one, or there are enough of its size.
    pub(super) fn put_aside(&self, index: u32, extent: u32, slot: u32) -> Result<bool> {
        let Some(bytes) = self.heap().spare_bytes(extent)? else { return Ok(false) };
        let is_empty = |place: &&AtomicU32| place.load(Ordering::Relaxed) == 0;
        let is_as_large = |place: &AtomicU32| bytes_of(place.load(Ordering::Relaxed)) == bytes;
        let place = match self.spares_from(slot, bytes).find(is_empty) {
            Some(place) => place,
            // Enough for who creates as large a one next; who deletes many has no use for more.
            None if self.spares(slot).iter().any(is_as_large) => return Ok(false),
            // Any will do.
            None => &self.spares(slot)[index as usize % SPARES],
        };
        let before = place.load(Ordering::Relaxed);
        place.store(index | units_of(bytes) << INDEX_BITS, Ordering::Relaxed);
        if before != 0 {
            self.give_back(before)?;
        }
        Ok(true)
    }

    /// One of our spares for an object of so many bytes.
    pub(super) fn take_spare(&self, bytes: u64) -> Result<Option<(u32, Taken)>> {
        let bytes = rounded(bytes);
        let fits = |place: &&AtomicU32| {
            let spare = place.load(Ordering::Relaxed);
            spare != 0 && bytes_of(spare) == bytes
        };
        let Some(place) = self.spares_from(self.attachment.slot, bytes).find(fits) else { return Ok(None) };
        let spare = place.load(Ordering::Relaxed);
        place.store(0, Ordering::Relaxed);
        let extent = self.spare_entry(spare)?.extent.load(Ordering::Relaxed);
        Ok(Some((index_of(spare), self.heap().take_spare(extent, bytes)?)))
    }

    /// Gives the spares of a slot back.
    pub(super) fn give_spares_back(&self, slot: u32) -> Result<()> {
        for place in self.spares(slot) {
            let spare = place.load(Ordering::Relaxed);
            if spare != 0 {
                place.store(0, Ordering::Relaxed);
                self.give_back(spare)?;
            }
        }
        Ok(())
    }

    /// The same for all slots.
    pub(super) fn give_all_spares_back(&self) -> Result<()> {
        (0..self.segment().geometry().max_clients).try_for_each(|slot| self.give_spares_back(slot))
    }

    fn give_back(&self, spare: u32) -> Result<()> {
        let extent = self.spare_entry(spare)?.extent.load(Ordering::Relaxed);
        let taken = self.heap().take_spare(extent, bytes_of(spare))?;
        self.heap().give(taken.extent)?;
        self.list_free_entry(index_of(spare))
    }

    /// While rebuilding: there are none any more.
    pub(super) fn forget_spares(&self) {
        for slot in 0..self.segment().geometry().max_clients {
            self.spares(slot).iter().for_each(|place| place.store(0, Ordering::Relaxed));
        }
    }

    /// All that there are: entry, extent and bytes.
    pub(super) fn all_spares(&self) -> Result<Vec<(u32, u32, u64)>> {
        let mut all = Vec::new();
        for slot in 0..self.segment().geometry().max_clients {
            let spares = self.spares(slot).iter().map(|place| place.load(Ordering::Relaxed));
            for spare in spares.filter(|spare| *spare != 0) {
                let extent = self.spare_entry(spare)?.extent.load(Ordering::Relaxed);
                all.push((index_of(spare), extent, bytes_of(spare)));
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests;
