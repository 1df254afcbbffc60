//! Creating objects: memory first, then the bytes, then sealing.
//!
//! A creator pins what it creates, so that a client that deletes the object meanwhile leaves the bytes to the creator.
//! If the creator crashes at any step, the reaper finds the object and aborts it: between the commit of `create` and
//! that of `seal` only the creator can see the bytes.

use super::attachment::Attachment;
use super::buffer::Pin;
use super::entries::{Attempt, Birth, EntryKey, Need};
use super::events::EventKind;
use super::id::ObjectId;
use super::index::Hash;
use super::locked::Locked;
use super::shortage::Shortage;
use super::want::Want;
use super::Store;
use crate::error::{Error, Kind, Result};
use crate::shm::heap::{Figures, Growth, Taken};
use crate::shm::layout::{State, Word, ALIGN, EVICTABLE, KEEP, SMALL};
use crate::shm::segment::to_usize;
use crate::shm::span::WriteSpan;
use crate::sync::atomic::Ordering;
use crate::sync::clock::{epoch_nanos, epoch_nanos_at_tick};
use crate::sync::fail;
use crate::timeout::Timeout;

/// Options for creating an object.
#[derive(Clone, Debug, Default)]
pub struct CreateSpec<'a> {
    /// Bytes of data.
    pub data_size: u64,
    /// Metadata, which are copied behind the data.
    pub metadata: &'a [u8],
    /// The creator owns it: sealing returns a [`Want`].
    pub want: bool,
    /// It stays even if no client wants it.
    pub keep: bool,
    /// It may be evicted when no client wants or pins it, also if `keep` is set. Only in a store with eviction.
    pub evictable: bool,
    /// Zero the memory. Default: memory that was used before is not zeroed.
    pub zeroed: bool,
    /// How long to wait for space. `None`: `SDP_DAL_FULL_TIMEOUT`, and only while another client can free space.
    pub full_timeout: Option<Timeout>,
}

/// An object that is being created. Only its creator sees its bytes. Dropping it aborts it.
pub struct Writer {
    of: Of,
    span: WriteSpan,
    data_size: usize,
    /// Of the ID.
    hash: Hash,
    /// Whether a claim was counted for it.
    want: bool,
}

/// What a writer writes.
enum Of {
    /// An object, which its creator pins.
    Object(Pin),
    /// Nobody wants the result any more; the memory is private.
    Scratch(Store, ObjectId),
    /// It has ended.
    Nothing(ObjectId),
}

impl Store {
    /// Creates an object: allocates its memory and reserves its ID. Waits while the store is full, as the spec says.
    ///
    /// # Errors
    /// `AlreadyExists`, `OutOfMemory` (says how much was requested and is free), `LimitReached` (too many objects).
    pub fn create(&self, id: &ObjectId, spec: &CreateSpec<'_>) -> Result<Writer> {
        self.create_if(id, spec, |_, _| Ok(false))
    }

    /// Those of [`Store::create`]; what has the ID is replaced if `yields` took it out of the way, in the same turn of
    /// the lock.
    pub(super) fn create_if(
        &self,
        id: &ObjectId,
        spec: &CreateSpec<'_>,
        yields: impl Fn(&Locked<'_>, EntryKey) -> Result<bool>,
    ) -> Result<Writer> {
        let hash = self.attachment.hash(id);
        let key = self.attachment.with_room(spec, id, |locked| {
            let Some((index, word)) = locked.find_by(id, hash) else {
                return locked.create_new(id, hash, spec);
            };
            let key = EntryKey { index, generation: word.generation() };
            if yields(locked, key)? {
                locked.create_new(id, hash, spec)
            } else if word.state() == State::Awaited {
                locked.create_awaited(key, spec)
            } else {
                Err(exists(id))
            }
        })?;
        self.writer(id, hash, key, spec)
    }

    /// Begins the output of a call, into its awaited entry `key`. If that is gone, nobody wants the output: the memory is private
    /// and sealing drops it.
    ///
    /// # Errors
    /// Those of [`Store::create`]; `AlreadyExists` if somebody else has created it.
    pub fn create_output(&self, key: EntryKey, id: &ObjectId, spec: &CreateSpec<'_>) -> Result<Writer> {
        let found = self.attachment.with_room(spec, id, |locked| match locked.entry_of(key)? {
            Some((_, word)) if word.state() == State::Awaited => {
                Ok(locked.create_awaited(key, spec)?.map(Some))
            }
            Some((_, word)) if word.state() != State::Doomed => Err(exists(id)),
            _ => Ok(Ok(None)),
        })?;
        match found {
            Some(key) => self.writer(id, self.attachment.hash(id), key, spec),
            None => self.scratch(id, spec),
        }
    }

    fn writer(&self, id: &ObjectId, hash: Hash, key: EntryKey, spec: &CreateSpec<'_>) -> Result<Writer> {
        let mut writer = self.writer_of(id, hash, key, (spec.data_size, spec.metadata.len() as u64))?;
        writer.want = spec.want;
        writer.fill(spec);
        Ok(writer)
    }

    /// A writer of a creation that we pin, over so many bytes of data and of metadata, as they are.
    pub(super) fn writer_of(
        &self,
        id: &ObjectId,
        hash: Hash,
        key: EntryKey,
        (data_size, meta_size): (u64, u64),
    ) -> Result<Writer> {
        let entry = self.attachment.segment.entry(key.index)?;
        let pin = Pin::held(self, *id, key);
        let offset = entry.offset.load(Ordering::Relaxed);
        let span = pin.store().attachment.mapped().write_span(offset, data_size + meta_size)?;
        let data_size = to_usize(data_size);
        let writer = Writer { of: Of::Object(pin), span, data_size, hash, want: false };
        writer.span.open()?;
        Ok(writer)
    }

    fn scratch(&self, id: &ObjectId, spec: &CreateSpec<'_>) -> Result<Writer> {
        let data_size = to_usize(spec.data_size);
        let span = WriteSpan::scratch(data_size + spec.metadata.len()).ok_or_else(|| {
            Error::new(
                Kind::OutOfMemory,
                format!("out of memory: an output that no client wants needs {data_size} bytes"),
            )
        })?;
        let (of, hash) = (Of::Scratch(self.clone(), *id), self.attachment.hash(id));
        let mut writer = Writer { of, span, data_size, hash, want: false };
        writer.fill(spec);
        Ok(writer)
    }
}

impl Attachment {
    /// Tries `work` under the lock; in between, gets what it needs. The one path for a full store, a full region, a full table and a
    /// full file system: see [`Shortage`].
    pub(super) fn with_room<T>(
        &self,
        spec: &CreateSpec<'_>,
        id: &ObjectId,
        mut work: impl FnMut(&Locked<'_>) -> Attempt<T>,
    ) -> Result<T> {
        let mut shortage: Option<Shortage> = None;
        self.here()?;
        loop {
            self.ready_pins();
            if spec.want {
                self.ready_wants(1);
            }
            let lack = match self.locked(|locked| {
                if shortage.is_some() {
                    locked.give_all_spares_back()?;
                }
                Ok(match work(locked)? {
                    Ok(done) => Ok(done),
                    Err(Need::Objects) => Err(None),
                    Err(Need::Bytes(bytes)) => {
                        Err(Some((bytes, locked.heap().growth(bytes)?, locked.heap().figures()?)))
                    }
                })
            })? {
                Ok(done) => return Ok(done),
                Err(lack) => lack,
            };
            let grows = !matches!(lack, Some((_, None, _)));
            let grown = match &lack {
                None => self.grow_objects(),
                Some((_, Some(growth), _)) => self.grow_heap(*growth),
                Some((bytes, None, figures)) => Err(self.full_error(id, *bytes, figures)),
            };
            match grown {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), Kind::OutOfMemory | Kind::LimitReached) => {
                    let bytes = lack.map(|(bytes, ..)| bytes);
                    let size = self.segment.geometry().size.next_multiple_of(ALIGN);
                    if bytes.is_some_and(|bytes| bytes >= SMALL && bytes > size) {
                        // It never fits: nothing is to go for it, and nobody waited for.
                        return Err(error);
                    }
                    match &mut shortage {
                        Some(shortage) => shortage.relieve(self, bytes, grows, error)?,
                        // First with what clients have put aside.
                        None => shortage = Some(Shortage::new(spec.full_timeout)),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn full_error(&self, id: &ObjectId, bytes: u64, figures: &Figures) -> Error {
        let (size, free, largest) = (self.segment.geometry().size, figures.free, figures.largest);
        Error::new(
            Kind::OutOfMemory,
            format!(
                "the store is full: object {id} needs {bytes} bytes; {free} of {size} are free, but the \
                 largest contiguous free range has {largest}"
            ),
        )
    }

    /// Reserves memory outside the lock, then raises the watermark under it.
    fn grow_heap(&self, growth: Growth) -> Result<()> {
        let end = self.segment.reserve_heap(growth.from, growth.to)?;
        fail::point("growth.reserved");
        self.locked(|locked| locked.heap().raise(growth, end))
    }

    /// Doubles the bookkeeping, up to a step of 65536 objects.
    pub(super) fn grow_objects(&self) -> Result<()> {
        let segment = &self.segment;
        let from = segment.objects_reserved();
        let to = (from + from.min(1 << 16)).min(segment.geometry().max_objects);
        if to == from {
            return Err(Error::new(
                Kind::LimitReached,
                format!("the store holds {from} objects, which is its max_objects"),
            ));
        }
        segment.reserve_objects(from, to)?;
        fail::point("growth.objects_reserved");
        self.locked(|locked| {
            if segment.objects_reserved() < to {
                locked.index_grow(to);
                segment.header().objects_reserved.store(to, Ordering::Release);
                fail::point("growth.objects_raised");
            }
            Ok(())
        })
    }
}

pub(super) fn exists(id: &ObjectId) -> Error {
    Error::new(Kind::AlreadyExists, format!("the object {id} already exists (or is being created)"))
}

impl Locked<'_> {
    /// A free entry and bytes for a new object: a spare if there is one.
    pub(super) fn take_place(&self, bytes: u64) -> Attempt<(u32, Taken)> {
        if let Some(spare) = self.take_spare(bytes)? {
            return Ok(Ok(spare));
        }
        if !self.has_entries(1) {
            return Ok(Err(Need::Objects));
        }
        let Some(taken) = self.heap().take(bytes)? else { return Ok(Err(Need::Bytes(bytes))) };
        Ok(Ok((self.take_entry()?, taken)))
    }

    fn create_new(&self, id: &ObjectId, hash: Hash, spec: &CreateSpec<'_>) -> Attempt<EntryKey> {
        let (bytes, meta_size) = sizes(spec)?;
        let (index, taken) = match self.take_place(bytes)? {
            Ok(place) => place,
            Err(need) => return Ok(Err(need)),
        };
        fail::point("create.bytes_taken");
        // Where objects are evicted, an evictable one stays by itself; KEEP would keep it for ever.
        let keep = spec.keep && !(spec.evictable && self.attachment.evicts());
        let flags = if keep { KEEP } else { 0 } | if spec.evictable { EVICTABLE } else { 0 };
        let birth = Birth {
            id,
            hash,
            state: State::Creating,
            extent: Some(taken),
            data_size: spec.data_size,
            meta_size,
            flags,
            producer: 0,
            slot: self.attachment.slot,
            want: spec.want,
            call: None,
        };
        let key = self.bear_in(index, &birth)?;
        self.attachment.pin_creation(key)?;
        Ok(Ok(key))
    }

    fn create_awaited(&self, key: EntryKey, spec: &CreateSpec<'_>) -> Attempt<EntryKey> {
        let (bytes, meta_size) = sizes(spec)?;
        let taken = match self.take_spare(bytes)? {
            Some((index, taken)) => self.list_free_entry(index).map(|()| Some(taken)),
            None => self.heap().take(bytes),
        }?;
        let Some(taken) = taken else { return Ok(Err(Need::Bytes(bytes))) };
        let entry = self.segment().entry(key.index)?;
        self.give_bytes(entry, Some(taken), spec.data_size, meta_size);
        entry.creator.store(self.attachment.number, Ordering::Relaxed);
        entry.created.store(epoch_nanos(), Ordering::Relaxed);
        if spec.want {
            self.claim(key)?;
        }
        self.attachment.pin_creation(key)?;
        fail::point("create.awaited_written");
        entry.state.commit(Word::new(State::Creating, self.attachment.slot, key.generation));
        // Only now: dead before the commit, the output is awaited as before, and kept by nobody.
        if spec.keep {
            entry.flags.fetch_or(KEEP, Ordering::SeqCst);
        }
        fail::point("create.awaited_committed");
        Ok(Ok(key))
    }

    /// Gives back what lies behind the first bytes of a creation of ours.
    fn shrink(&self, key: EntryKey, data_size: u64, total: u64) -> Result<()> {
        // Deleted meanwhile: its bytes go when its creator lets them go.
        let Some((entry, word)) = self.entry_of(key)? else { return Ok(()) };
        if word.state() != State::Creating {
            return Ok(());
        }
        // Dead between the two, the rebuild places so many bytes as the entry says.
        entry.data_size.store(data_size, Ordering::Relaxed);
        fail::point("shrink.sized");
        self.heap().shrink(entry.extent.load(Ordering::Relaxed), total)?;
        fail::point("shrink.given");
        Ok(())
    }

    /// Ends a creation that will not be sealed: an output is awaited again, anything else goes.
    pub(super) fn abort(&self, key: EntryKey) -> Result<()> {
        let Some((entry, word)) = self.entry_of(key)? else { return Ok(()) };
        if word.state() != State::Creating {
            return Ok(());
        }
        let producer = entry.producer.load(Ordering::Relaxed);
        if producer == 0 || self.unwanted(key.index)? {
            self.doom(key)?;
            return Ok(());
        }
        let extent = entry.extent.load(Ordering::Relaxed);
        let slot = self.attachment.slot_of(producer);
        let awaited = Word::new(State::Awaited, slot.unwrap_or(word.slot()), key.generation);
        entry.state.commit(awaited);
        fail::point("abort.awaited");
        self.heap().give(extent)?;
        self.give_bytes(entry, None, 0, 0);
        if slot.is_none() {
            // It was being created by somebody else when its producer was reaped: nobody will make it any more.
            self.bury(key, producer)?;
        }
        Ok(())
    }
}

fn sizes(spec: &CreateSpec<'_>) -> Result<(u64, u32)> {
    let meta =
        u32::try_from(spec.metadata.len()).map_err(|_| Error::invalid("metadata of 4 GiB and more"))?;
    let bytes = spec.data_size.checked_add(u64::from(meta)).filter(|bytes| *bytes < 1 << 46);
    let bytes = bytes.ok_or_else(|| Error::invalid(format!("an object of {} bytes", spec.data_size)))?;
    Ok((bytes, meta))
}

impl Writer {
    /// The ID of the object.
    pub fn id(&self) -> ObjectId {
        match &self.of {
            Of::Object(pin) => pin.id(),
            Of::Scratch(_, id) | Of::Nothing(id) => *id,
        }
    }

    /// The entry that will hold it; `None` for scratch memory.
    pub fn key(&self) -> Option<EntryKey> {
        match &self.of {
            Of::Object(pin) => Some(pin.key()),
            Of::Scratch(..) | Of::Nothing(_) => None,
        }
    }

    /// What it was to write, which it writes no more: it does not abort.
    fn end(&mut self) -> Of {
        let nothing = Of::Nothing(self.id());
        std::mem::replace(&mut self.of, nothing)
    }

    fn fill(&mut self, spec: &CreateSpec<'_>) {
        if spec.zeroed && !self.span.is_scratch() {
            self.data_mut().fill(0);
        }
        self.span.copy_from(self.data_size, spec.metadata);
    }

    /// The data, 64-byte aligned. Recycled memory: not zero unless the spec asked for it.
    pub fn data_mut(&mut self) -> &mut [u8] {
        let size = self.data_size;
        &mut self.span.bytes_mut()[..size]
    }

    /// Where the data begin; valid until sealed or aborted.
    pub fn data_ptr(&mut self) -> *mut u8 {
        self.span.as_mut_ptr()
    }

    /// Copies `bytes` to `offset` of the data, around the cache if they are large.
    ///
    /// # Panics
    /// If they do not fit.
    pub fn copy_from(&mut self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.data_size, "a copy beyond the end of the object");
        self.span.copy_from(offset, bytes);
    }

    /// Makes the object smaller, to the first `data_size` bytes of its data: the store gets the rest of its memory back at
    /// once. The metadata stay. INVALID_ARGUMENT if it has fewer bytes.
    pub fn shrink(&mut self, data_size: usize) -> Result<()> {
        if data_size > self.data_size {
            let text = format!("an object of {} bytes cannot be shrunk to {data_size} bytes", self.data_size);
            return Err(Error::invalid(text));
        }
        let (before, length) = (self.data_size, self.span.bytes_mut().len());
        if data_size == before {
            return Ok(());
        }
        // Dead from here on, it is a creation like any other: only we have seen its bytes.
        self.span.bytes_mut().copy_within(before..length, data_size);
        let total = length - (before - data_size);
        self.data_size = data_size;
        self.span.shorten(total);
        let Of::Object(pin) = &self.of else { return Ok(()) };
        let (attachment, key): (&Attachment, _) = (&pin.store().attachment, pin.key());
        attachment.here()?;
        attachment.locked(|locked| locked.shrink(key, data_size as u64, total as u64))
    }

    /// Whether nobody wants the result any more: then it is private memory, and sealing drops it.
    pub fn is_scratch(&self) -> bool {
        self.span.is_scratch()
    }

    /// Seals the object: it is visible and immutable, and its waiters are woken. An object that no client wants or
    /// keeps is deleted. Returns a [`Want`] if the spec requested one.
    ///
    /// # Errors
    /// `ObjectDeleted` if it was deleted meanwhile although it was to be kept or owned; `Forked`.
    pub fn seal(mut self) -> Result<Option<Want>> {
        let pin = match self.end() {
            Of::Object(pin) => pin,
            Of::Scratch(store, _) => return store.here().map(|()| None),
            Of::Nothing(_) => return Ok(None),
        };
        let attachment: &Attachment = &pin.store().attachment;
        attachment.here()?;
        let (id, key) = (pin.id(), pin.key());
        let want = self.want.then(|| Want::counted(pin.store(), id, key));
        self.span.protect();
        let entry = attachment.segment.entry(key.index)?;
        // By the clock that was read when it was created: one that was set back in between tells nothing. What is written in less
        // time than it takes to read a clock is told by the last tick.
        let now = if self.data_size < to_usize(SMALL) { epoch_nanos_at_tick() } else { epoch_nanos() };
        let nanos = now.saturating_sub(entry.created.load(Ordering::Relaxed));
        entry.construct.store(u32::try_from(nanos / 1000).unwrap_or(u32::MAX), Ordering::Relaxed);
        fail::point("seal.before");
        if !entry.state.seal(key.generation) {
            // Deleted while we wrote: the pin goes, and with it the bytes.
            let promised = want.is_some() || entry.flags.load(Ordering::Relaxed) & KEEP != 0;
            drop(pin);
            return if promised {
                Err(Error::new(Kind::ObjectDeleted, format!("object {id} was deleted before it was sealed")))
            } else {
                Ok(None)
            };
        }
        fail::point("seal.sealed");
        if self.data_size >= to_usize(SMALL) {
            attachment.note_sealed(key.index)?;
        }
        attachment.ring_step(self.hash);
        fail::point("seal.rung");
        let declares = id.is_declaration();
        attachment.tell(if declares { EventKind::NamespaceAppeared } else { EventKind::Sealed }, key);
        if want.is_none() {
            attachment.drop_unwanted(key)?;
        }
        drop(pin);
        Ok(want)
    }

    /// Aborts the object and frees its memory. An output is awaited again.
    pub fn abort(self) {
        drop(self);
    }

    /// Gives the pin back and the want out: the writer no longer aborts. For a call that was published, whose state changes
    /// under the lock.
    pub(super) fn into_want(mut self) -> Option<Want> {
        self.span.protect();
        let Of::Object(pin) = self.end() else { return None };
        self.want.then(|| Want::counted(pin.store(), pin.id(), pin.key()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let Of::Object(pin) = self.end() else { return };
        let attachment: &Attachment = &pin.store().attachment;
        if attachment.here().is_err() {
            return;
        }
        let (id, key) = (pin.id(), pin.key());
        if self.want {
            attachment.uncount_want(key);
        }
        if let Ok(entry) = attachment.segment.entry(key.index) {
            entry.state.abandon();
            fail::point("abort.marked");
            let _ = attachment.settle(key, &id);
        }
    }
}

#[cfg(test)]
mod tests;
