//! Wants: a client's claim that an object must exist.
//!
//! One bit a client in the entry's second row; within the process a count under a mutex. The last want of the last client
//! deletes the object, unless it is kept. Death clears the bits.

use super::attachment::{Attachment, LEAVE_PATIENCE};
use super::buffer::deleted;
use super::entries::EntryKey;
use super::id::ObjectId;
use super::index::id_of;
use super::Store;
use crate::error::{Error, Kind, Result};
use crate::shm::layout::{State, Word, KEEP};
use crate::sync::atomic::{fence, lock, Ordering};
use crate::sync::fail;

/// This client's claim that an object (awaited, being created, sealed or failed) must exist. Dropping the last one of the
/// last client deletes the object, unless it is kept.
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

    /// The life of the object that is wanted.
    pub fn key(&self) -> EntryKey {
        self.key
    }

    /// Takes over a bit that is set already.
    pub(super) fn adopt(store: &Store, id: ObjectId, key: EntryKey) -> Want {
        let mut wants = lock(&store.attachment.wants);
        let count = wants.entry(key.index).or_insert((key.generation, 0));
        if count.0 != key.generation {
            *count = (key.generation, 0);
        }
        count.1 += 1;
        drop(wants);
        Want { store: store.clone(), id, key }
    }
}

impl Store {
    /// Claims an object that exists in any state.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn want(&self, id: &ObjectId) -> Result<Want> {
        let missing = || Error::new(Kind::NotFound, format!("there is no object {id} to own"));
        let key = self.attachment.locked(|locked| {
            let (index, word) = locked.find(id).ok_or_else(missing)?;
            locked.want_bit(index)?.set();
            Ok(EntryKey { index, generation: word.generation() })
        })?;
        Ok(Want::adopt(self, *id, key))
    }

    /// Claims this life of an object, in any state.
    ///
    /// # Errors
    /// `ObjectDeleted` if it is over.
    pub fn want_life(&self, key: EntryKey, id: &ObjectId) -> Result<Want> {
        let attachment = &self.attachment;
        attachment.here()?;
        // The key may come from anywhere: one that names no entry must not pass for damage.
        if key.index >= attachment.segment.objects_reserved() {
            return Err(deleted(id));
        }
        attachment.locked(|locked| {
            let found = locked.entry_of(key)?;
            found
                .filter(|(entry, word)| word.state() != State::Doomed && id_of(entry) == *id)
                .ok_or_else(|| deleted(id))?;
            // SYNC: dead from here on, the bit is cleared by the reaper.
            locked.want_bit(key.index)?.set();
            Ok(())
        })?;
        Ok(Want::adopt(self, *id, key))
    }

    /// Sets or clears the keep flag of an object.
    ///
    /// # Errors
    /// `ObjectDeleted` if this life of it is over.
    pub fn set_keep(&self, key: EntryKey, keep: bool) -> Result<()> {
        self.attachment.locked(|locked| {
            let gone = || Error::new(Kind::ObjectDeleted, "the object to be kept is gone");
            let (entry, _) = locked.entry_of(key)?.ok_or_else(gone)?;
            if keep {
                entry.flags.fetch_or(KEEP, Ordering::SeqCst);
            } else {
                entry.flags.fetch_and(!KEEP, Ordering::SeqCst);
                locked.drop_if_unwanted(key)?;
            }
            Ok(())
        })
    }

    /// Whether this life of the object goes on and somebody wants or keeps it.
    pub fn is_wanted(&self, key: EntryKey) -> bool {
        self.attachment.here().is_ok() && !self.attachment.looks_unwanted(key).unwrap_or(true)
    }
}

impl Attachment {
    /// A look without the lock.
    fn looks_unwanted(&self, key: EntryKey) -> Result<bool> {
        let entry = self.segment.entry(key.index)?;
        let word = Word(entry.state.load(Ordering::SeqCst));
        if word.generation() != key.generation || matches!(word.state(), State::Free | State::Doomed) {
            return Ok(true);
        }
        Ok(!self.stays(entry) && crate::sync::pins::row_is_empty(self.segment.wants(key.index)?))
    }

    /// Deletes an object if nobody wants it. When the lock cannot be had in time the next holder does it.
    pub(super) fn drop_unwanted(&self, key: EntryKey) -> Result<()> {
        let entry = self.segment.entry(key.index)?;
        let word = Word(entry.state.load(Ordering::SeqCst));
        if word.generation() != key.generation || !self.looks_unwanted(key)? {
            return Ok(());
        }
        let id = super::index::id_of(entry);
        let dropped = self.locked_within(LEAVE_PATIENCE, |locked| locked.drop_if_unwanted(key));
        match dropped {
            Ok(dropped) => {
                if dropped {
                    self.ring(&id);
                }
                Ok(())
            }
            Err(error) if error.kind() == Kind::Busy => {
                self.segment.header().sweep.store(1, Ordering::SeqCst);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for Want {
    fn drop(&mut self) {
        let attachment = &self.store.attachment;
        if attachment.here().is_err() {
            return;
        }
        let mut wants = lock(&attachment.wants);
        let Some(count) = wants.get_mut(&self.key.index).filter(|count| count.0 == self.key.generation)
        else {
            return;
        };
        count.1 -= 1;
        if count.1 > 0 {
            return;
        }
        wants.remove(&self.key.index);
        let Ok(row) = attachment.segment.wants(self.key.index) else { return };
        let Ok(bit) = attachment.bit(row) else { return };
        let Ok(entry) = attachment.segment.entry(self.key.index) else { return };
        // Another life's bit is not ours to clear. Our own next want of a new life would have replaced the count above.
        if Word(entry.state.load(Ordering::SeqCst)).generation() == self.key.generation {
            bit.clear();
        }
        drop(wants);
        fence(Ordering::SeqCst);
        fail::point("unwant.bit_cleared");
        // An error here means a damaged store; the next one who takes the lock rebuilds and says so.
        let _ = attachment.drop_unwanted(self.key);
    }
}
