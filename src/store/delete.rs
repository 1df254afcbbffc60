//! Deleting by ID, in its two modes.

use super::entries::EntryKey;
use super::id::ObjectId;
use super::Store;
use crate::error::Result;
use crate::shm::layout::{State, Word};

/// When a deleted object is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteMode {
    /// It is invisible at once. Its bytes stay until the last pin is released.
    Now,
    /// It stays visible until the last pin is released, and is removed then.
    WhenReleased,
}

impl Store {
    /// Deletes an object in any state. Returns false if there is none.
    pub fn delete(&self, id: &ObjectId, mode: DeleteMode) -> Result<bool> {
        let attachment = &self.attachment;
        let hash = attachment.hash(id);
        let (found, gone) = attachment.locked(|locked| {
            let Some((index, word)) = locked.find_by(id, hash) else { return Ok((false, false)) };
            let key = EntryKey { index, generation: word.generation() };
            if mode == DeleteMode::WhenReleased && word.state() == State::Sealed {
                let entry = attachment.segment.entry(index)?;
                if !entry.state.mark_when_released(key.generation, attachment.segment.pins(index)?) {
                    return Ok((true, false));
                }
            }
            Ok((true, locked.doom_by(key, hash)?))
        })?;
        if gone {
            attachment.ring_step(hash);
        }
        Ok(found)
    }

    /// Whether an object with this ID is sealed.
    pub fn contains(&self, id: &ObjectId) -> Result<bool> {
        self.attachment.here()?;
        Ok(self.attachment.find(id)?.is_some_and(|(_, word): (u32, Word)| word.state() == State::Sealed))
    }
}
