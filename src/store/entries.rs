//! What happens to entries under the lock: creation, doom, freeing.
//!
//! Each change commits with one store of the state word. Index, lists, extents and the list of free entries follow, or
//! precede it; a crash in between leaves the lock dirty, and the rebuild makes them agree with the states again.

use super::attachment::{Attachment, LEAVE_PATIENCE};
use super::events::EventKind;
use super::id::ObjectId;
use super::index::{id_of, is_declaration, set_id, Hash};
use super::locked::Locked;
use super::progress::unstarted;
use crate::error::{Error, Kind, Result};
use crate::shm::layout::{Entry, State, Word, NONE};
use crate::shm::segment::low_half;
use crate::sync::atomic::Ordering;
use crate::sync::fail;
use crate::sync::life::Fate;
use crate::sync::row::{row_is_empty, RowBit};

/// One life of one entry: it names an object for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryKey {
    /// The entry.
    pub index: u32,
    /// Its life.
    pub generation: u64,
}

/// What must be had before an operation can be done under the lock.
pub(super) enum Need {
    /// Bookkeeping for more objects.
    Objects,
    /// A run of this many bytes.
    Bytes(u64),
}

/// Done, or what is needed first.
pub(super) type Attempt<T> = Result<std::result::Result<T, Need>>;

/// Bytes and claims of an object that is being born.
pub(super) struct Birth<'a> {
    pub(super) id: &'a ObjectId,
    /// Of the ID.
    pub(super) hash: Hash,
    pub(super) state: State,
    pub(super) extent: Option<crate::shm::heap::Taken>,
    pub(super) data_size: u64,
    pub(super) meta_size: u32,
    pub(super) flags: u32,
    pub(super) producer: u32,
    /// Of the creator, or of the producer: see [`Word`].
    pub(super) slot: u32,
    pub(super) want: bool,
    /// The call that is to make it.
    pub(super) call: Option<EntryKey>,
}

/// Writes into an output which call is to make it. (A declaration has the ends of its list there.)
pub(super) fn name_call(output: &Entry, call: EntryKey) {
    output.first.store(call.index, Ordering::Relaxed);
    output.last.store(low_half(call.generation), Ordering::Relaxed);
}

impl Locked<'_> {
    /// An entry, if it still lives the life of the key; with its state.
    pub(super) fn entry_of(&self, key: EntryKey) -> Result<Option<(&Entry, Word)>> {
        let entry = self.segment().entry(key.index)?;
        let word = Word(entry.state.load(Ordering::Acquire));
        Ok((word.generation() == key.generation && word.state() != State::Free).then_some((entry, word)))
    }

    /// Whether so many entries are to be had.
    pub(super) fn has_entries(&self, count: u32) -> bool {
        let header = self.segment().header();
        let fresh = self.segment().objects_reserved()
            - self.segment().objects_reserved().min(header.entries_used.load(Ordering::Relaxed));
        if fresh >= count {
            return true;
        }
        let mut at = header.entries_free.load(Ordering::Relaxed);
        let mut found = fresh;
        while at != NONE && found < count {
            found += 1;
            at = self.segment().entry(at).map_or(NONE, |entry| entry.next.load(Ordering::Relaxed));
        }
        found >= count
    }

    /// Takes an entry. The caller has made sure that there is one (`has_entries`).
    pub(super) fn take_entry(&self) -> Result<u32> {
        let header = self.segment().header();
        let free = header.entries_free.load(Ordering::Relaxed);
        if free != NONE {
            let entry = self.segment().entry(free)?;
            if Word(entry.state.load(Ordering::Relaxed)).state() != State::Free {
                return Err(Error::new(Kind::Corrupt, "the list of free entries is damaged"));
            }
            header.entries_free.store(entry.next.load(Ordering::Relaxed), Ordering::Relaxed);
            return Ok(free);
        }
        let next = header.entries_used.load(Ordering::Relaxed);
        self.segment().entry(next)?;
        header.entries_used.store(next + 1, Ordering::Relaxed);
        Ok(next)
    }

    /// Writes a new entry and makes it visible. The caller has made sure that there is one (`has_entries`).
    pub(super) fn bear(&self, birth: &Birth<'_>) -> Result<EntryKey> {
        self.bear_in(self.take_entry()?, birth)
    }

    /// The same in an entry that was taken.
    pub(super) fn bear_in(&self, index: u32, birth: &Birth<'_>) -> Result<EntryKey> {
        let entry = self.segment().entry(index)?;
        let generation = Word(entry.state.load(Ordering::Relaxed)).generation();
        let key = EntryKey { index, generation };
        entry.state.begin();
        set_id(entry, birth.id);
        entry.flags.store(birth.flags, Ordering::Relaxed);
        self.give_bytes(entry, birth.extent, birth.data_size, birth.meta_size);
        entry.creator.store(self.attachment.number, Ordering::Relaxed);
        entry.producer.store(birth.producer, Ordering::Relaxed);
        entry.created.store(self.epoch(), Ordering::Relaxed);
        entry.sequence.store(self.next_sequence(), Ordering::Relaxed);
        entry.construct.store(0, Ordering::Relaxed);
        entry.failure.store(0, Ordering::Relaxed);
        entry.released.store(0, Ordering::Relaxed);
        let word = if birth.id.is_declaration() { 0 } else { unstarted(generation) };
        entry.newest_call.store(word, Ordering::Relaxed);
        name_call(entry, birth.call.unwrap_or(EntryKey { index: NONE, generation: 0 }));
        self.segment().wants(index)?.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        if birth.want {
            self.claim(key)?;
        }
        fail::point("create.entry_written");
        entry.state.commit(Word::new(birth.state, birth.slot, generation));
        fail::point("create.committed");
        self.index_insert(birth.hash, index);
        fail::point("create.indexed");
        self.link(birth.id, index)?;
        if birth.id.is_declaration() {
            self.adopt_orphans(birth.id)?;
        }
        let live = &self.segment().header().live;
        live.store(live.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        Ok(key)
    }

    /// The objects that are there under a new declaration's prefix become its namespace's: one walk over the orphans.
    fn adopt_orphans(&self, declaration: &ObjectId) -> Result<()> {
        let header = self.segment().header();
        self.walk(header.orphans.load(Ordering::Relaxed), |index, entry| {
            let id = id_of(entry);
            if id.prefix() == declaration.prefix() {
                self.cut_orphan(entry, index, header)?;
                self.link(&id, index)?;
            }
            Ok(true)
        })
    }

    /// Gives an entry its bytes; they count once the state says so.
    pub(super) fn give_bytes(
        &self,
        entry: &Entry,
        taken: Option<crate::shm::heap::Taken>,
        data_size: u64,
        meta_size: u32,
    ) {
        entry.offset.store(taken.map_or(0, |taken| taken.offset), Ordering::Relaxed);
        entry.extent.store(taken.map_or(NONE, |taken| taken.extent), Ordering::Relaxed);
        entry.data_size.store(data_size, Ordering::Relaxed);
        entry.meta_size.store(meta_size, Ordering::Relaxed);
    }

    pub(super) fn next_sequence(&self) -> u64 {
        let sequence = &self.segment().header().sequence;
        if self.attachment.evicts() {
            // A release is stamped without the lock.
            return sequence.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        }
        let next = sequence.load(Ordering::Relaxed).wrapping_add(1);
        sequence.store(next, Ordering::Relaxed);
        next
    }

    /// Our bit among those who want an entry.
    pub(super) fn want_bit(&self, index: u32) -> Result<RowBit<'_>> {
        self.attachment.bit(self.segment().wants(index)?)
    }

    /// Whether nobody wants it and it is not kept.
    pub(super) fn unwanted(&self, index: u32) -> Result<bool> {
        let stays = self.attachment.stays(self.segment().entry(index)?);
        Ok(!stays && row_is_empty(self.segment().wants(index)?))
    }

    /// Deletes an object: invisible from now on; its bytes go now, or with the last pin.
    pub(super) fn doom(&self, key: EntryKey) -> Result<bool> {
        let id = id_of(self.segment().entry(key.index)?);
        self.doom_by(key, self.attachment.hash(&id))
    }

    /// The same where the hash of its ID is known.
    pub(super) fn doom_by(&self, key: EntryKey, hash: Hash) -> Result<bool> {
        let entry = self.segment().entry(key.index)?;
        let Some(word) = entry.state.doom(key.generation) else { return Ok(false) };
        fail::point("delete.doomed");
        let id = id_of(entry);
        match word.state() {
            State::Sealed if id.is_declaration() => self.tell(EventKind::NamespaceGone, key)?,
            State::Sealed | State::Failed => self.tell(EventKind::Deleted, key)?,
            _ => {}
        }
        self.index_remove(hash, key.index);
        fail::point("delete.unindexed");
        let emptied = self.unlink(&id, key.index)?;
        if !self.free_if_unpinned(key, false)? {
            self.link_held(key.index)?;
            fail::point("delete.held");
        }
        if emptied {
            self.end_namespace(&id)?;
        }
        Ok(true)
    }

    /// A namespace that lost its last object goes if its owner has gone.
    fn end_namespace(&self, member: &ObjectId) -> Result<()> {
        let Some((index, word)) = self.declaration_of(member) else { return Ok(()) };
        self.settle(EntryKey { index, generation: word.generation() }).map(|_| ())
    }

    /// What becomes of an entry after something that kept it has gone: the one answer after a death, a release, an unwanting, a
    /// deletion that had to wait, and for whoever could not get the lock then. A creation that was given up is aborted; what
    /// nobody wants or keeps goes, and what was to go when it is released and is held by nobody; doomed bytes that nobody
    /// pins are freed. A declaration stays while its namespace holds objects. Whether anything came to its end.
    pub(super) fn settle(&self, key: EntryKey) -> Result<bool> {
        self.settle_by(key, |entry| self.attachment.hash(&id_of(entry)))
    }

    /// The same where the hash of its ID may be known.
    fn settle_by(&self, key: EntryKey, hash: impl FnOnce(&Entry) -> Hash) -> Result<bool> {
        let Some((entry, word)) = self.entry_of(key)? else { return Ok(false) };
        let holds_others = || is_declaration(entry) && entry.first.load(Ordering::Relaxed) != NONE;
        let kept = self.attachment.stays(entry) || holds_others();
        match word.fate(self.segment().pins(key.index)?, self.segment().wants(key.index)?, kept) {
            Fate::Stays => Ok(false),
            Fate::Aborted => self.abort(key).map(|()| true),
            Fate::Doomed => self.doom_by(key, hash(entry)),
            Fate::Freed => self.free_if_unpinned(key, true),
        }
    }

    /// Frees a doomed entry that nobody pins. `listed`: it was held before.
    pub(super) fn free_if_unpinned(&self, key: EntryKey, listed: bool) -> Result<bool> {
        let Some((entry, word)) = self.entry_of(key)? else { return Ok(false) };
        if !entry.state.free_if_unpinned(self.segment().pins(key.index)?) {
            return Ok(false);
        }
        let extent = entry.extent.load(Ordering::Relaxed);
        fail::point("delete.freed");
        if listed {
            self.unlink_held(key.index)?;
            fail::point("delete.released");
        }
        let live = &self.segment().header().live;
        live.store(live.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
        let creator = entry.creator.load(Ordering::Relaxed);
        let slot =
            if self.attachment.is_in(word.slot(), creator) { word.slot() } else { self.attachment.slot };
        // (We have no slot yet while we sweep what others left.)
        let spare = extent != NONE && slot != u32::MAX && self.put_aside(key.index, extent, slot)?;
        if extent != NONE && !spare {
            self.heap().give(extent)?;
        }
        fail::point("delete.bytes_given");
        if !spare {
            self.list_free_entry(key.index)?;
        }
        Ok(true)
    }

    /// Puts a free entry on the list of those.
    pub(super) fn list_free_entry(&self, index: u32) -> Result<()> {
        let head = &self.segment().header().entries_free;
        // SYNC: release: who follows a list without the lock, and is led astray by this, sees that the entry is free.
        self.segment().entry(index)?.next.store(head.load(Ordering::Relaxed), Ordering::Release);
        head.store(index, Ordering::Relaxed);
        Ok(())
    }

    /// Settles what somebody who could not get the lock had to leave.
    pub(super) fn sweep(&self) -> Result<()> {
        self.segment().header().sweep.store(0, Ordering::SeqCst);
        let used = self.segment().header().entries_used.load(Ordering::Relaxed);
        for index in 0..used.min(self.segment().objects_reserved()) {
            let word = Word(self.segment().entry(index)?.state.load(Ordering::Acquire));
            let key = EntryKey { index, generation: word.generation() };
            self.settle(key)?;
        }
        Ok(())
    }
}

impl Attachment {
    /// Settles an entry under the lock, and rings its waiters if it came to its end. When the lock cannot be had in time the
    /// next holder does it.
    pub(super) fn settle(&self, key: EntryKey, id: &ObjectId) -> Result<()> {
        let hash = self.hash(id);
        match self.locked_within(LEAVE_PATIENCE, |locked| locked.settle_by(key, |_| hash)) {
            Ok(true) => self.ring_by(hash),
            Ok(false) => {}
            Err(error) if error.kind() == Kind::Busy => {
                self.segment.header().sweep.store(1, Ordering::SeqCst);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
