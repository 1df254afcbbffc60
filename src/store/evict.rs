//! Eviction: when the store is full, what nobody wants or holds may go, if it was marked for that.
//!
//! Only in stores made with eviction on. There an evictable object stays though nobody wants it, as if it were kept, until room
//! is needed; then the one whose last release is longest ago goes first. What a queued call names is wanted by its caller,
//! so it is never evicted. A program may also ask for it, before the store is full. Dying in between: an eviction is a
//! deletion like any other.

use super::attachment::Attachment;
use super::entries::EntryKey;
use super::index::id_of;
use super::Store;
use crate::error::Result;
use crate::log::{self, Level};
use crate::shm::layout::{Entry, State, Word, EVICTABLE, KEEP, OPTION_EVICTION};
use crate::sync::atomic::Ordering;
use crate::sync::pins::row_is_empty;

impl Store {
    /// Evicts objects, the one whose last release is longest ago first, until they were of so many bytes together, or none is
    /// left to evict. Reaps the dead before: what only they held can go. The bytes of what was evicted.
    ///
    /// # Errors
    /// `Busy`, `Corrupt`, `Forked`.
    pub fn evict(&self, bytes: u64) -> Result<u64> {
        self.attachment.here()?;
        self.attachment.reap_dead();
        let mut evicted = 0;
        while evicted < bytes {
            match self.attachment.evict_one()? {
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

    /// Evicts the object whose last release is longest ago, and tells its bytes: none if somebody was faster. None if there
    /// is no object to evict.
    pub(super) fn evict_one(&self) -> Result<Option<u64>> {
        if !self.evicts() {
            return Ok(None);
        }
        let used = self.segment.header().entries_used.load(Ordering::Acquire);
        let mut oldest: Option<(u64, EntryKey)> = None;
        for index in 0..used.min(self.segment.objects_reserved()) {
            let entry = self.segment.entry(index)?;
            let word = Word(entry.state.load(Ordering::Acquire));
            let released = entry.released.load(Ordering::Relaxed);
            if word.state() == State::Sealed
                && self.evictable(entry, index)?
                && oldest.is_none_or(|(first, _)| released < first)
            {
                oldest = Some((released, EntryKey { index, generation: word.generation() }));
            }
        }
        let Some((_, key)) = oldest else { return Ok(None) };
        let entry = self.segment.entry(key.index)?;
        let id = id_of(entry);
        let size = entry.data_size.load(Ordering::Relaxed);
        let evicted = self.locked(|locked| {
            // Somebody may have got or claimed it since; then another look finds another one, or none.
            match locked.entry_of(key)? {
                Some((entry, word))
                    if word.state() == State::Sealed && self.evictable(entry, key.index)? =>
                {
                    locked.doom(key)
                }
                _ => Ok(false),
            }
        })?;
        self.ring(&id);
        if evicted {
            log::write(Level::Info, || {
                let path = self.place.path.display();
                format!(
                    "{path}: evicted the object {id} of {size} bytes: the store is full and nobody owns it"
                )
            });
        }
        Ok(Some(if evicted { size } else { 0 }))
    }

    fn evictable(&self, entry: &Entry, index: u32) -> Result<bool> {
        let flags = entry.flags.load(Ordering::SeqCst);
        Ok(flags & (EVICTABLE | KEEP) == EVICTABLE
            && row_is_empty(self.segment.wants(index)?)
            && row_is_empty(self.segment.pins(index)?))
    }
}
