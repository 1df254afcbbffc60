//! Getting objects: pins, and the bytes they hold.

use std::sync::Arc;

use once_cell::sync::OnceCell;

use super::attachment::Attachment;
use super::calls::what_is_left;
use super::entries::EntryKey;
use super::id::ObjectId;
use super::index::id_of;
use super::Store;
use crate::error::{Error, Kind, Result};
use crate::shm::layout::{State, Word, EVICTABLE, SMALL};
use crate::shm::segment::to_usize;
use crate::shm::span::ReadSpan;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::fail;
use crate::sync::pins::Outcome;
use crate::sync::row::{bit_of, row_is_only, RowBit};
use crate::timeout::Timeout;

/// One of this process's pins.
pub(super) struct Pin {
    store: Store,
    id: ObjectId,
    key: EntryKey,
}

/// A sealed object. Its bytes are valid as long as this or a clone exists, even if the object is deleted or the store
/// is closed.
#[derive(Clone)]
pub struct Buffer {
    held: Arc<Held>,
}

struct Held {
    /// Where the bytes lie: data, then metadata.
    offset: u64,
    length: u64,
    data_size: usize,
    pin: Pin,
    /// The bytes without the pin, if that was asked for.
    span: OnceCell<ReadSpan>,
}

impl Pin {
    /// A pin that is counted already.
    pub(super) fn held(store: &Store, id: ObjectId, key: EntryKey) -> Pin {
        Pin { store: Store { attachment: store.attachment.of_thread() }, id, key }
    }

    pub(super) fn key(&self) -> EntryKey {
        self.key
    }

    pub(super) fn id(&self) -> ObjectId {
        self.id
    }

    /// Counted apart: see [`super::tie`].
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// The bytes, once sealed.
    pub(super) fn into_buffer(self) -> Result<Buffer> {
        let segment = &self.store.attachment.segment;
        let entry = segment.entry(self.key.index)?;
        let data_size = entry.data_size.load(Ordering::Relaxed);
        let total = data_size.saturating_add(u64::from(entry.meta_size.load(Ordering::Relaxed)));
        let offset = entry.offset.load(Ordering::Relaxed);
        segment.sealed(offset, total)?;
        if data_size >= SMALL {
            self.store.attachment.addresses.pinned(self.key.index);
        }
        let (data_size, span) = (to_usize(data_size), OnceCell::new());
        Ok(Buffer { held: Arc::new(Held { offset, length: total, data_size, pin: self, span }) })
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let attachment = &self.store.attachment;
        if attachment.here().is_ok() {
            // Damage found while freeing makes the next holder of the lock rebuild; releasing cannot fail for the user.
            let _ = attachment.unpin(self.key);
        }
    }
}

impl Buffer {
    /// The object.
    pub fn id(&self) -> ObjectId {
        self.held.pin.id
    }

    /// The life of the object.
    pub fn key(&self) -> EntryKey {
        self.held.pin.key
    }

    /// Its store.
    pub fn store(&self) -> &Store {
        &self.held.pin.store
    }

    /// The data, 64-byte aligned and immutable. Writing to them raises SIGSEGV.
    pub fn data(&self) -> &[u8] {
        &self.bytes()[..self.held.data_size]
    }

    /// The data and then the metadata, without the pin. They are valid as long as this or a clone.
    pub fn span(&self) -> &ReadSpan {
        let Held { offset, length, span, .. } = &*self.held;
        span.get_or_init(|| {
            let span = self.store().attachment.segment.read_span(*offset, *length);
            span.unwrap_or_else(|_| unreachable!("it was checked when the object was got"))
        })
    }

    /// The only handle of its bytes in this process, as far as handles go; or else the buffer again.
    pub(super) fn into_only(self) -> std::result::Result<Pin, Buffer> {
        match Arc::try_unwrap(self.held) {
            Ok(held) => Ok(held.pin),
            Err(held) => Err(Buffer { held }),
        }
    }

    /// Where the data begin in the segment.
    pub(super) fn offset(&self) -> u64 {
        self.held.offset
    }

    fn bytes(&self) -> &[u8] {
        let bytes = self.store().attachment.segment.sealed(self.held.offset, self.held.length);
        bytes.unwrap_or_else(|_| unreachable!("it was checked when the object was got"))
    }

    /// The metadata.
    pub fn metadata(&self) -> &[u8] {
        &self.bytes()[self.held.data_size..]
    }
}

/// What a look at an object came to.
pub(super) enum Look {
    Absent,
    /// Not there yet; who is to make it (0: nobody said so).
    Coming {
        key: EntryKey,
        producer: u32,
    },
    There(Buffer),
    Failed {
        key: EntryKey,
        error: Error,
    },
}

impl Attachment {
    /// Our bit in a row.
    pub(super) fn bit<'a>(&self, row: impl IntoIterator<Item = &'a AtomicU64>) -> Result<RowBit<'a>> {
        bit_of(row, self.slot).ok_or_else(|| Error::internal("a slot out of range"))
    }

    /// Pins a life of an entry while it is sealed or failed.
    fn pin(&self, key: EntryKey) -> Result<bool> {
        let entry = self.segment.entry(key.index)?;
        let bit = self.bit(self.segment.pins(key.index)?)?;
        let (word, mutex) = self.pin_word(key.index)?;
        match word.pin(mutex, bit, key.generation, &entry.state) {
            Outcome::Done => Ok(true),
            Outcome::Gone | Outcome::Left => self.after_release(key.index).map(|()| false),
            Outcome::Full => Err(Error::new(
                Kind::LimitReached,
                "this process holds the object a million times: release some of its buffers",
            )),
        }
    }

    /// The creator's pin, set under the lock before anybody can see the entry.
    pub(super) fn pin_creation(&self, key: EntryKey) -> Result<()> {
        let bit = self.bit(self.segment.pins(key.index)?)?;
        let (word, mutex) = self.pin_word(key.index)?;
        word.pin_creation(mutex, bit, key.generation);
        Ok(())
    }

    /// Whether nobody but us pins a life, and we once: a hint, as that may change.
    pub(super) fn pins_alone(&self, key: EntryKey) -> Result<bool> {
        let bit = self.bit(self.segment.pins(key.index)?)?;
        let (word, _) = self.pin_word(key.index)?;
        Ok(word.holds_once(key.generation) && row_is_only(self.segment.pins(key.index)?, bit))
    }

    /// Gives our pin of a doomed life up if it is the only one: see [`crate::sync::pins`].
    pub(super) fn give_up_only_pin(&self, key: EntryKey) -> Result<bool> {
        let bit = self.bit(self.segment.pins(key.index)?)?;
        let (word, mutex) = self.pin_word(key.index)?;
        Ok(word.give_up_only(mutex, bit, key.generation, self.segment.pins(key.index)?))
    }

    fn unpin(&self, key: EntryKey) -> Result<()> {
        let bit = self.bit(self.segment.pins(key.index)?)?;
        let (word, mutex) = self.pin_word(key.index)?;
        let outcome = word.unpin(mutex, bit, key.generation);
        if outcome == Outcome::Left {
            self.after_release(key.index)?;
        }
        Ok(())
    }

    /// Our bit went: frees the entry if it waited for that.
    fn after_release(&self, index: u32) -> Result<()> {
        let entry = self.segment.entry(index)?;
        let header = self.segment.header();
        if self.evicts() && entry.flags.load(Ordering::Relaxed) & EVICTABLE != 0 {
            entry.released.store(header.sequence.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
        let Some(word) = entry.state.left(self.segment.pins(index)?) else { return Ok(()) };
        let key = EntryKey { index, generation: word.generation() };
        self.settle(key, &id_of(entry))
    }
}

impl Store {
    /// Looks for an object; with `life`, only for that life of it.
    pub(super) fn look_for(&self, id: &ObjectId, life: Option<EntryKey>) -> Result<Look> {
        let attachment = &self.attachment;
        attachment.here()?;
        // A pin fails when the object goes between look-up and pin; the next look sees what came after it.
        for _ in 0..64 {
            let found = match life {
                Some(key) => {
                    let word = Word(attachment.segment.entry(key.index)?.state.load(Ordering::Acquire));
                    let gone = word.generation() != key.generation || !word.is_visible();
                    (!gone).then_some((key.index, word))
                }
                None => attachment.find(id)?,
            };
            let Some((index, word)) = found else { return Ok(Look::Absent) };
            let key = EntryKey { index, generation: word.generation() };
            fail::point("get.found");
            match word.state() {
                State::Creating => {
                    let creator = attachment.segment.entry(index)?.creator.load(Ordering::Relaxed);
                    return Ok(Look::Coming { key, producer: creator });
                }
                State::Awaited => {
                    let producer = attachment.segment.entry(index)?.producer.load(Ordering::Relaxed);
                    // Asks no kernel: who waits does. This is for who only looks, after the producer was reaped.
                    let gone = !attachment.is_in(word.slot(), producer);
                    if !gone || !self.bury(key, id, producer)? {
                        return Ok(Look::Coming { key, producer });
                    }
                }
                State::Sealed | State::Failed if attachment.pin(key)? => {
                    let failure = attachment.segment.entry(index)?.failure.load(Ordering::Relaxed);
                    let pin = Pin::held(self, *id, key);
                    if word.state() == State::Failed {
                        return Ok(Look::Failed { key, error: failure_of(failure, pin) });
                    }
                    return Ok(Look::There(pin.into_buffer()?));
                }
                _ => {}
            }
        }
        Ok(Look::Absent)
    }

    /// Gets one object: waits until it exists.
    ///
    /// # Errors
    /// `Timeout`, `Interrupted`, `ObjectDeleted` (it was deleted during the wait), the error of a failed object,
    /// `ProcessorLost`.
    pub fn get(&self, id: &ObjectId, timeout: Timeout) -> Result<Buffer> {
        match self.look_in_time(id, None, timeout)? {
            Look::There(buffer) => Ok(buffer),
            Look::Failed { error, .. } => Err(error),
            Look::Absent | Look::Coming { .. } => self.wait_for(&[*id], None, timeout)?.remove(0),
        }
    }

    /// Gets this life of an object: `ObjectDeleted` when it is over.
    ///
    /// # Errors
    /// Those of [`Store::get`].
    pub fn get_key(&self, key: EntryKey, id: &ObjectId, timeout: Timeout) -> Result<Buffer> {
        match self.look_in_time(id, Some(key), timeout)? {
            Look::There(buffer) => Ok(buffer),
            Look::Failed { error, .. } => Err(error),
            Look::Absent => Err(deleted(id)),
            Look::Coming { .. } => self.wait_for(&[*id], Some(key), timeout)?.remove(0),
        }
    }

    /// A miss beside a changing index asks under the lock, which may be held by a stopped process: not beyond the timeout. (A
    /// poll that could not ask says `Busy`, as `Timeout` is its answer that there is no object.)
    fn look_in_time(&self, id: &ObjectId, life: Option<EntryKey>, timeout: Timeout) -> Result<Look> {
        if !matches!(timeout, Timeout::After(_)) {
            return self.look_for(id, life);
        }
        let _patience = self.patience(timeout);
        let deadline = timeout.deadline();
        self.look_for(id, life).map_err(|error| deadline.or_late(error))
    }

    /// Gets many objects: waits until all of them exist or have failed, or the timeout has passed. Each has its own
    /// result, which is `Timeout` for missing objects.
    ///
    /// # Errors
    /// `Interrupted` and errors of the store. All other errors are in the results.
    pub fn get_many(&self, ids: &[ObjectId], timeout: Timeout) -> Result<Vec<Result<Buffer>>> {
        self.wait_for(ids, None, timeout)
    }
}

pub(super) fn deleted(id: &ObjectId) -> Error {
    Error::new(Kind::ObjectDeleted, format!("the object {id} was deleted"))
}

fn failure_of(code: u32, pin: Pin) -> Error {
    let Some(kind) = i32::try_from(code).ok().and_then(|code| Kind::from_code(-code)) else {
        let id = pin.id;
        return Error::new(
            Kind::Corrupt,
            format!("object {id} is marked as failed with {code}, which is not a status"),
        );
    };
    let segment = Arc::clone(&pin.store.attachment.segment);
    let has_text = segment.entry(pin.key.index).is_ok_and(|entry| entry.offset.load(Ordering::Relaxed) != 0);
    let left = segment.entry(pin.key.index).ok().map(what_is_left);
    let text = if has_text { pin.into_buffer().ok() } else { None };
    let text = text.map(|buffer| String::from_utf8_lossy(buffer.data()).into_owned());
    let short = || match left {
        Some(left) if kind == Kind::ProcessorLost => format!("the processor crashed or was closed; {left}"),
        _ => "it failed; the store had no room for the reason".to_owned(),
    };
    Error::new(kind, text.unwrap_or_else(short))
}

#[cfg(test)]
mod tests;
