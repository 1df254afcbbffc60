//! An output takes the memory of an input over: one commit under the lock, without a copy.
//!
//! The input is sealed, given away by the caller that wants it, wanted and pinned by nobody else, and pinned once by us. It is
//! deleted first, which is the commit: from then on no client can pin it. Then our own pin is given up, so that the bytes
//! belong to nobody, then they become those of the awaited output, which is in creation by us, and pinned.
//!
//! An extent is derived from the entry that has the bytes, so a rebuild after a crash finds them claimed once at most: in the
//! input until our pin is given up; by none while the input is doomed without pins, or has no bytes any more; in the output
//! once it is in creation. Wherever the process dies behind the commit, the input is lost, and the output fails with its
//! producer.

use super::attachment::Attachment;
use super::buffer::Buffer;
use super::entries::EntryKey;
use super::id::ObjectId;
use super::index::is_declaration;
use super::locked::Locked;
use super::{Store, Writer};
use crate::error::Result;
use crate::shm::heap::Taken;
use crate::shm::layout::{State, Word, CALL, KEEP, NONE, TOOK_OVER, WHEN_RELEASED};
use crate::sync::atomic::Ordering;
use crate::sync::clock::epoch_nanos;
use crate::sync::fail;
use crate::sync::row::{bit_of, row_is_empty, row_is_only};

/// What became of an attempt to take memory over.
pub enum TakenOver {
    /// The output is in creation, with the bytes of the input; the input is deleted.
    Taken(Writer),
    /// The input is pinned as before: it is to be copied. It is still there, unless another client came to pin it at the last
    /// moment, which then has it to the end.
    Refused(Buffer),
}

impl Store {
    /// Turns an input that the client `giver` gives away into an awaited output, whose writer it gives: data and metadata are
    /// those of the input. It is refused if the input is kept, wanted by any client but the giver, or pinned by any other than
    /// this buffer; and if the output is not awaited.
    ///
    /// # Errors
    /// Those of the lock; `Busy`: the input is as it was, but not pinned any more.
    pub fn take_over(
        &self,
        input: Buffer,
        giver: u32,
        output: EntryKey,
        output_id: &ObjectId,
    ) -> Result<TakenOver> {
        let attachment: &Attachment = &self.attachment;
        attachment.here()?;
        let pin = match input.into_only() {
            Ok(pin) => pin,
            Err(input) => return Ok(TakenOver::Refused(input)),
        };
        attachment.ready_pins();
        let (key, id) = (pin.key(), pin.id());
        // After an error that came behind the commit the pin may have been given up: then it releases nothing.
        let Some(sizes) = attachment.locked(|locked| locked.take_over(key, giver, output))? else {
            return Ok(TakenOver::Refused(pin.into_buffer()?));
        };
        // It was given up under the lock: this only ends its hold on the attachment.
        drop(pin);
        // Whoever waits for the input learns that it is deleted.
        attachment.ring(&id);
        let writer = self.writer_of(output_id, attachment.hash(output_id), output, sizes)?;
        Ok(TakenOver::Taken(writer))
    }
}

impl Locked<'_> {
    /// The sizes of data and metadata, if the memory was taken over.
    fn take_over(&self, input: EntryKey, giver: u32, output: EntryKey) -> Result<Option<(u64, u64)>> {
        let (Some((from, given)), Some((to, awaited))) = (self.entry_of(input)?, self.entry_of(output)?)
        else {
            return Ok(None);
        };
        let is_object = given.state() == State::Sealed && !given.has(CALL) && !is_declaration(from);
        let stays = given.has(WHEN_RELEASED) || from.flags.load(Ordering::SeqCst) & KEEP != 0;
        if !is_object || stays || awaited.state() != State::Awaited {
            return Ok(None);
        }
        if !self.wanted_at_most_by(input.index, giver)? || !self.attachment.pins_alone(input)? {
            return Ok(None);
        }
        to.flags.fetch_or(TOOK_OVER, Ordering::SeqCst);
        // The commit. What follows finds everything in the entries: dead at any step, the lock is dirty.
        if !self.doom(input)? {
            return Ok(None);
        }
        fail::point("handed.doomed");
        if !self.attachment.give_up_only_pin(input)? {
            return Ok(None);
        }
        fail::point("handed.given_up");
        let (offset, data_size) =
            (from.offset.load(Ordering::Relaxed), from.data_size.load(Ordering::Relaxed));
        let (extent, meta_size) =
            (from.extent.load(Ordering::Relaxed), from.meta_size.load(Ordering::Relaxed));
        // Before the output has them: a rebuild must not find them twice, should somebody pin the input for a moment.
        self.give_bytes(from, None, 0, 0);
        fail::point("handed.taken");
        let taken = (extent != NONE).then_some(Taken { extent, offset });
        self.give_bytes(to, taken, data_size, meta_size);
        to.creator.store(self.attachment.number, Ordering::Relaxed);
        to.created.store(epoch_nanos(), Ordering::Relaxed);
        self.attachment.pin_creation(output)?;
        fail::point("handed.written");
        to.state.commit(Word::new(State::Creating, self.attachment.slot, output.generation));
        fail::point("handed.committed");
        // Without bytes. If a client has its bit there for a moment, that client frees it.
        self.free_if_unpinned(input, true)?;
        fail::point("handed.freed");
        Ok(Some((data_size, u64::from(meta_size))))
    }

    /// Whether no client wants an entry, or only this one.
    fn wanted_at_most_by(&self, index: u32, client: u32) -> Result<bool> {
        let Some(slot) = self.attachment.slot_of(client) else {
            return Ok(row_is_empty(self.segment().wants(index)?));
        };
        let bit = bit_of(self.segment().wants(index)?, slot);
        Ok(bit.is_some_and(|bit| self.segment().wants(index).is_ok_and(|row| row_is_only(row, bit))))
    }
}

#[cfg(test)]
mod tests;
