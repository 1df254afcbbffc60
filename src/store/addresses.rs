//! Which object an address of this process belongs to.
//!
//! A program passes memory that it got from the store. So that this travels as a reference, the object is looked for by the
//! address: in a map of this process, from offsets in the segment to lives of entries.
//!
//! *Getting an object pays nothing for it.* The map is made when an address is asked for. Who pins an object of [`SMALL`]
//! bytes or more, or seals one, sets a mark for the 64 entries among which it is. A question that the map does not answer
//! takes the marks, and looks through the private pins of these entries: a pin that is released leaves the generation in its
//! word, so what was held or written once is found as well.
//!
//! *What the map says is a hint.* The object is pinned, and then it must be that life and hold the bytes. So an entry that
//! was used again, or bytes that are another object's by now, do no harm. A range that is added removes those that it
//! overlaps.
//!
//! Nothing of this is shared, and nothing is left when a process dies.

use std::collections::BTreeMap;

use super::attachment::Attachment;
use super::buffer::{Buffer, Look};
use super::entries::EntryKey;
use super::id::ObjectId;
use super::index::id_of;
use super::Store;
use crate::error::Result;
use crate::shm::layout::{State, Word, SMALL};
use crate::sync::atomic::{lock, Mutex, Ordering};
use crate::sync::marks::{Marks, GROUP};

/// The map of an attachment.
#[derive(Default)]
pub(super) struct Addresses {
    /// Of the entries that may have been pinned or sealed since the map was made.
    marks: Marks,
    known: Mutex<Known>,
}

/// What was found.
#[derive(Default)]
struct Known {
    /// By the offset of the first byte.
    ranges: BTreeMap<u64, Range>,
    /// How many there were when those that are over were last taken out.
    kept: usize,
}

/// The data of an object.
#[derive(Clone, Copy)]
struct Range {
    end: u64,
    key: EntryKey,
    id: ObjectId,
}

impl Known {
    fn add(&mut self, start: u64, range: Range) {
        while let Some((other, _)) =
            self.ranges.range(..range.end).next_back().filter(|(_, known)| known.end > start)
        {
            let other = *other;
            self.ranges.remove(&other);
        }
        self.ranges.insert(start, range);
    }

    /// The object that holds so many bytes from an offset on.
    fn at(&self, offset: u64, length: u64) -> Option<Range> {
        let (_, range) = self.ranges.range(..=offset).next_back()?;
        (offset.checked_add(length)? <= range.end).then_some(*range)
    }
}

impl Addresses {
    pub(super) fn new(max_objects: u32) -> Addresses {
        Addresses { marks: Marks::new(max_objects), known: Mutex::default() }
    }

    /// An object in this entry was pinned: the map may lack it.
    #[inline]
    pub(super) fn pinned(&self, index: u32) {
        self.marks.mark(index);
    }
}

impl Attachment {
    /// An object that this process has written is sealed now.
    pub(super) fn note_sealed(&self, index: u32) -> Result<()> {
        let (word, mutex) = self.pin_word(index)?;
        // SYNC: as with a pin, who takes the mark is inside this mutex before or behind us: there it sees that this is sealed,
        // or we see that the mark was taken.
        word.last_life(mutex);
        self.addresses.marks.mark(index);
        Ok(())
    }

    /// Adds what has been pinned or sealed since the last time.
    fn add_marked(&self, known: &mut Known) -> Result<()> {
        let objects = self.segment.objects_reserved();
        self.addresses.marks.take(|first| {
            for index in first..(first + GROUP).min(objects) {
                let (word, mutex) = self.pin_word(index)?;
                let generation = word.last_life(mutex);
                if let Some((start, range)) = self.range_of(EntryKey { index, generation })? {
                    known.add(start, range);
                }
            }
            Ok(())
        })?;
        if known.ranges.len() > 2 * known.kept + 64 {
            known.ranges.retain(|_, range| self.range_of(range.key).is_ok_and(|range| range.is_some()));
            known.kept = known.ranges.len();
        }
        Ok(())
    }

    /// Where the data of this life are, if it is sealed and not small.
    fn range_of(&self, key: EntryKey) -> Result<Option<(u64, Range)>> {
        let entry = self.segment.entry(key.index)?;
        let sealed = |word: Word| word.state() == State::Sealed;
        let read = entry.state.read_while(key.generation, sealed, || {
            let (start, size) =
                (entry.offset.load(Ordering::Relaxed), entry.data_size.load(Ordering::Relaxed));
            (start, size, id_of(entry))
        });
        let found = read.filter(|(_, size, _)| *size >= SMALL);
        Ok(found.map(|(start, size, id)| (start, Range { end: start.saturating_add(size), key, id })))
    }
}

impl Store {
    /// The sealed object that holds `length` bytes from `address` on, pinned, and where in its data they begin. The address
    /// may be in either mapping of the store. None for objects of fewer than 4096 bytes, for those that this process has
    /// neither got nor written through this attachment, and for those that are deleted or not sealed yet.
    pub fn find_address(&self, address: usize, length: usize) -> Option<(Buffer, usize)> {
        let attachment = &self.attachment;
        let offset = attachment.segment.offset_of(address)?;
        attachment.here().ok()?;
        let length = u64::try_from(length).ok()?;
        let known = lock(&attachment.addresses.known).at(offset, length);
        if let Some(found) = known.and_then(|range| self.confirmed(range, offset, length)) {
            return Some(found);
        }
        let known = {
            let mut known = lock(&attachment.addresses.known);
            attachment.add_marked(&mut known).ok()?;
            known.at(offset, length)
        };
        known.and_then(|range| self.confirmed(range, offset, length))
    }

    /// Whether an address is in this store's memory, of whatever object.
    pub fn holds_address(&self, address: usize) -> bool {
        self.attachment.segment.offset_of(address).is_some()
    }

    /// The object if it still is that life, and holds the bytes.
    fn confirmed(&self, range: Range, offset: u64, length: u64) -> Option<(Buffer, usize)> {
        let Ok(Look::There(buffer)) = self.look_for(&range.id, Some(range.key)) else { return None };
        let at = usize::try_from(offset.checked_sub(buffer.offset())?).ok()?;
        let end = at.checked_add(usize::try_from(length).ok()?)?;
        (end <= buffer.data().len()).then_some((buffer, at))
    }
}

#[cfg(test)]
mod tests;
