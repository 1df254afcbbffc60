//! Wants: a client's claim that an object must exist.
//!
//! The last want of the last client deletes the object, unless it is kept. How they are counted: see [`crate::sync::wants`].

use super::attachment::Attachment;
use super::buffer::deleted;
use super::entries::EntryKey;
use super::id::ObjectId;
use super::index::id_of;
use super::locked::Locked;
use super::Store;
use crate::error::{Error, Kind, Result};
use crate::shm::layout::{State, Word, KEEP};
use crate::sync::atomic::Ordering;
use crate::sync::fail;

/// The claim of this client that an object (awaited, being created, sealed or failed) must exist. When the last client
/// drops its last claim, the object is deleted, unless it is kept.
pub struct Want {
    store: Store,
    id: ObjectId,
    key: EntryKey,
}

impl Want {
    /// The object.
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// Its store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The life of the object that is wanted.
    pub fn key(&self) -> EntryKey {
        self.key
    }

    /// A claim that was counted under the lock: see [`Locked::claim`].
    pub(super) fn counted(store: &Store, id: ObjectId, key: EntryKey) -> Want {
        Want { store: Store { attachment: store.attachment.of_thread() }, id, key }
    }
}

impl Locked<'_> {
    /// Claims an entry for this client; [`Want::counted`] gives it back.
    pub(super) fn claim(&self, key: EntryKey) -> Result<()> {
        self.attachment.wants.claim(key.index, key.generation, self.want_bit(key.index)?);
        Ok(())
    }
}

impl Store {
    /// Claims an object that exists in any state.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn want(&self, id: &ObjectId) -> Result<Want> {
        let missing = || Error::new(Kind::NotFound, format!("there is no object {id} to own"));
        self.attachment.ready_wants(1);
        let key = self.attachment.locked(|locked| {
            let (index, word) = locked.find(id).ok_or_else(missing)?;
            let key = EntryKey { index, generation: word.generation() };
            locked.claim(key)?;
            Ok(key)
        })?;
        Ok(Want::counted(self, *id, key))
    }

    /// Claims this life of an object, in any state.
    ///
    /// # Errors
    /// `ObjectDeleted` if it has ended.
    pub fn want_life(&self, key: EntryKey, id: &ObjectId) -> Result<Want> {
        let attachment = &self.attachment;
        attachment.here()?;
        // The key may come from anywhere: one that names no entry must not pass for damage.
        if key.index >= attachment.segment.objects_reserved() {
            return Err(deleted(id));
        }
        attachment.ready_wants(1);
        attachment.locked(|locked| {
            let found = locked.entry_of(key)?;
            found
                .filter(|(entry, word)| word.state() != State::Doomed && id_of(entry) == *id)
                .ok_or_else(|| deleted(id))?;
            locked.claim(key)
        })?;
        Ok(Want::counted(self, *id, key))
    }

    /// How often this process claims this life of an object.
    pub fn claims(&self, key: EntryKey) -> u32 {
        self.attachment.wants.count(key.index, key.generation)
    }

    /// Sets or clears the keep flag of an object.
    ///
    /// # Errors
    /// `ObjectDeleted` if this life of it has ended.
    pub fn set_keep(&self, key: EntryKey, keep: bool) -> Result<()> {
        self.attachment.locked(|locked| {
            let gone = || Error::new(Kind::ObjectDeleted, "the object to be kept is gone");
            let (entry, _) = locked.entry_of(key)?.ok_or_else(gone)?;
            if keep {
                entry.flags.fetch_or(KEEP, Ordering::SeqCst);
            } else {
                entry.flags.fetch_and(!KEEP, Ordering::SeqCst);
                locked.settle(key)?;
            }
            Ok(())
        })
    }

    /// Whether this life of the object has not ended and a client wants or keeps it.
    pub fn is_wanted(&self, key: EntryKey) -> bool {
        self.attachment.here().is_ok() && !self.attachment.looks_unwanted(key).unwrap_or(true)
    }
}

impl Attachment {
    /// Room for the counts of claims, so that claiming allocates nothing under the lock.
    pub(super) fn ready_wants(&self, count: usize) {
        self.wants.reserve(count);
    }

    /// Takes one claim of this process back. Whether it was the last, so that our bit was cleared.
    pub(super) fn uncount_want(&self, key: EntryKey) -> bool {
        if self.here().is_err() {
            return false;
        }
        let Ok(bit) = self.segment.wants(key.index).and_then(|row| self.bit(row)) else { return false };
        let Ok(entry) = self.segment.entry(key.index) else { return false };
        self.wants.give_back(key.index, key.generation, &entry.state, bit)
    }

    /// A look without the lock.
    fn looks_unwanted(&self, key: EntryKey) -> Result<bool> {
        let entry = self.segment.entry(key.index)?;
        let word = Word(entry.state.load(Ordering::SeqCst));
        if word.generation() != key.generation || matches!(word.state(), State::Free | State::Doomed) {
            return Ok(true);
        }
        Ok(!self.stays(entry) && crate::sync::row::row_is_empty(self.segment.wants(key.index)?))
    }

    /// Deletes an object if nobody wants it. When the lock cannot be had in time the next holder does it.
    pub(super) fn drop_unwanted(&self, key: EntryKey) -> Result<()> {
        let entry = self.segment.entry(key.index)?;
        let word = Word(entry.state.load(Ordering::SeqCst));
        if word.generation() != key.generation || !self.looks_unwanted(key)? {
            return Ok(());
        }
        self.settle(key, &id_of(entry))
    }
}

impl Drop for Want {
    fn drop(&mut self) {
        let attachment = &self.store.attachment;
        if !attachment.uncount_want(self.key) {
            return;
        }
        fail::point("unwant.bit_cleared");
        // An error here means a damaged store; the next one who takes the lock rebuilds and says so.
        let _ = attachment.drop_unwanted(self.key);
    }
}

#[cfg(test)]
mod tests;
