//! The event log: what happens to objects, for clients that keep a table of them.
//!
//! It is a ring of slots in shared memory ([`crate::sync::slots`]). Events are appended under the lock, and only while
//! the log has subscribers. The header's count of subscribers is derived from a row of bits, one per client, that
//! follows the buckets. A change that is made without the lock (sealing, claiming, ending a call) takes the lock
//! afterwards to log it, if that count is not 0.
//!
//! A reader never slows a writer. A reader that is overtaken by the ring reads *resync* and lists again. So do all
//! readers when events may have been lost. If a client changes an object and crashes before it logs the change, the
//! rebuild or its reaper raises the epoch. A client that does not get the lock soon raises the epoch itself.

use std::time::Duration;

use super::attachment::{Attachment, LEAVE_PATIENCE};
use super::entries::EntryKey;
use super::id::{ObjectId, ID_SIZE};
use super::index::id_of;
use super::locked::Locked;
use super::Store;
use crate::error::{Error, Result};
use crate::log;
use crate::shm::layout::{self, State, EVENTS, EVENT_WORDS, LOG_BUCKET};
use crate::sync::atomic::{lock, Ordering};
use crate::sync::clock::epoch_nanos;
use crate::sync::fail;
use crate::sync::slots::{Cursor, Ring, Told};
use crate::timeout::Timeout;

/// The bit by which readers of the log are woken.
const WAKE_BIT: u32 = 1 << 31;

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// An object exists now.
    Sealed = 1,
    /// An object (sealed or failed) is deleted: no client finds it any more.
    Deleted = 2,
    /// An object will never exist.
    Failed = 3,
    /// A namespace was declared.
    NamespaceAppeared = 4,
    /// The declaration of a namespace is deleted.
    NamespaceGone = 5,
    /// A call is in the queue of its processor.
    CallIssued = 6,
    /// A processor has taken a call.
    CallClaimed = 7,
    /// A call that was taken has ended. Its caller, who has its outputs, may have deleted it before.
    CallEnded = 8,
    /// Events were lost: list the objects again.
    Resync = 9,
}

impl EventKind {
    /// Every kind, in the order of its number.
    pub const ALL: [EventKind; 9] = [
        EventKind::Sealed,
        EventKind::Deleted,
        EventKind::Failed,
        EventKind::NamespaceAppeared,
        EventKind::NamespaceGone,
        EventKind::CallIssued,
        EventKind::CallClaimed,
        EventKind::CallEnded,
        EventKind::Resync,
    ];

    /// Told also of a call that was deleted: its processor still holds it.
    fn is_of_running_call(self) -> bool {
        matches!(self, EventKind::CallClaimed | EventKind::CallEnded)
    }
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number in the log, 0 for a resync.
    pub sequence: u64,
    /// The kind of an event.
    pub kind: EventKind,
    /// Time of the event, since 1970.
    pub time: Duration,
    /// The object, all zeros for a resync.
    pub id: ObjectId,
    /// Number of the client that caused it, 0 for a resync.
    pub actor: u32,
    /// Size of the data of the object. For a failed object, the size of its message.
    pub data_size: u64,
    /// Size of the metadata of the object.
    pub metadata_size: u64,
    /// The first bytes of the metadata of the object, 56 at most.
    pub metadata: Vec<u8>,
}

/// A subscription to events. Dropping it ends it.
pub struct Subscription {
    store: Store,
    prefix: Vec<u8>,
    cursor: Cursor,
}

impl Store {
    /// Subscribes to the events of objects whose ID starts with `prefix`, from now on. Subscribe first and then list
    /// the objects, and nothing is missed.
    ///
    /// # Errors
    /// `InvalidArgument` for a prefix longer than an ID; `Busy`, `Forked`.
    pub fn subscribe(&self, prefix: &[u8]) -> Result<Subscription> {
        self.attachment.here()?;
        if prefix.len() > ID_SIZE {
            return Err(Error::invalid(format!(
                "an ID has {ID_SIZE} bytes, so a prefix cannot have {}",
                prefix.len()
            )));
        }
        let _held = log::hold();
        let mut readers = lock(&self.attachment.readers);
        if *readers == 0 {
            self.attachment.locked(|locked| locked.set_reader(true))?;
        }
        *readers += 1;
        drop(readers);
        let cursor = self.attachment.event_ring().join();
        Ok(Subscription { store: self.clone(), prefix: prefix.to_vec(), cursor })
    }
}

impl Subscription {
    /// Waits for the next event.
    ///
    /// # Errors
    /// `Timeout`, `Interrupted`, `Forked`.
    pub fn next(&mut self, timeout: Timeout) -> Result<Event> {
        let store = self.store.clone();
        store.wait_for_log(WAKE_BIT, timeout, &mut || Ok(self.look()))
    }

    /// Its store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    fn look(&mut self) -> Option<Event> {
        let log = self.store.attachment.event_ring();
        loop {
            match log.look(&mut self.cursor) {
                Told::Nothing => return None,
                Told::Event(sequence, words) => match event_of(sequence, &words) {
                    Some(event) if event.id.as_bytes().starts_with(&self.prefix) => return Some(event),
                    Some(_) => {}
                    // Scribbled upon.
                    None => return Some(resync()),
                },
                Told::Resync => return Some(resync()),
            }
        }
    }
}

fn resync() -> Event {
    Event {
        sequence: 0,
        kind: EventKind::Resync,
        time: Duration::from_nanos(epoch_nanos()),
        id: ObjectId::new([0; ID_SIZE]),
        actor: 0,
        data_size: 0,
        metadata_size: 0,
        metadata: Vec::new(),
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let attachment = &self.store.attachment;
        if attachment.here().is_err() {
            return;
        }
        let _held = log::hold();
        let mut readers = lock(&attachment.readers);
        *readers = readers.saturating_sub(1);
        if *readers == 0 {
            // If the lock's holder is stopped, the bit stays until we detach: others tell the log of what they do in vain.
            let _ = attachment.locked_within(LEAVE_PATIENCE, |locked| locked.set_reader(false));
        }
    }
}

/// Where the ID lies in an event's words, and where the metadata; how many bytes of these there are.
const ID_WORDS: usize = 4;
const METADATA_WORDS: usize = ID_WORDS + 3;
const METADATA: usize = (EVENT_WORDS - METADATA_WORDS) * 8;

/// What the words of an event say.
fn event_of(sequence: u64, words: &[u64; EVENT_WORDS]) -> Option<Event> {
    let [what, time, data_size, metadata_size, ..] = *words;
    let mut id = [0; (METADATA_WORDS - ID_WORDS) * 8];
    unpack(&words[ID_WORDS..METADATA_WORDS], &mut id);
    let mut metadata = [0; METADATA];
    unpack(&words[METADATA_WORDS..], &mut metadata);
    let kind = EventKind::ALL.into_iter().find(|kind| *kind as u64 == what & 0xff)?;
    let used = usize::try_from(what >> 8 & 0xff).unwrap_or(0).min(METADATA);
    Some(Event {
        sequence,
        kind,
        time: Duration::from_nanos(time),
        id: ObjectId::from_slice(&id[..ID_SIZE]).ok()?,
        actor: u32::try_from(what >> 32).unwrap_or(0),
        data_size,
        metadata_size,
        metadata: metadata[..used].to_vec(),
    })
}

fn unpack(words: &[u64], bytes: &mut [u8]) {
    for (word, bytes) in words.iter().zip(bytes.chunks_exact_mut(8)) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
}

fn pack(words: &mut [u64], bytes: &[u8]) {
    for (word, bytes) in words.iter_mut().zip(bytes.chunks(8)) {
        let mut eight = [0; 8];
        eight[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_le_bytes(eight);
    }
}

impl Attachment {
    fn event_ring<'a>(&'a self) -> Ring<'a, impl Fn(u64) -> &'a layout::Event> {
        let header = self.segment.header();
        Ring {
            sequence: &header.event_sequence,
            epoch: &header.event_epoch,
            readers: &header.subscribers,
            size: EVENTS,
            slot: |sequence| self.segment.event(sequence),
        }
    }

    /// Tells the log of a change that was made without the lock, if anybody reads it. The change has been fenced.
    pub(super) fn tell(&self, kind: EventKind, key: EntryKey) {
        if self.event_ring().is_read() {
            self.tell_readers(kind, key);
        }
    }

    /// Out of line: mostly nobody reads.
    #[cold]
    fn tell_readers(&self, kind: EventKind, key: EntryKey) {
        // Sealing does not wait for the lock, and must not because somebody reads the log.
        let told = self.locked_within(LEAVE_PATIENCE, |locked| match locked.entry_of(key)? {
            Some((_, word)) if word.state() == State::Sealed => locked.tell(kind, key),
            // A processor runs a call to its end though its caller has dropped it.
            Some((_, word)) if word.state() == State::Doomed && kind.is_of_running_call() => {
                locked.tell(kind, key)
            }
            // Deleted meanwhile, which was told already: it has come and gone.
            _ => Ok(()),
        });
        if told.is_err() {
            self.lose_events();
        }
    }

    /// Events may be missing from the log: whoever reads it lists again.
    fn lose_events(&self) {
        self.event_ring().lose();
        self.ring_log();
    }

    /// Wakes the readers of the log.
    pub(super) fn ring_log(&self) {
        self.ring_row(LOG_BUCKET, WAKE_BIT);
    }
}

impl Locked<'_> {
    /// Appends an event about a living entry, if anybody reads the log.
    pub(super) fn tell(&self, kind: EventKind, key: EntryKey) -> Result<()> {
        let log = self.attachment.event_ring();
        if !log.is_read() {
            return Ok(());
        }
        let Some((entry, _)) = self.entry_of(key)? else { return Ok(()) };
        let data_size = entry.data_size.load(Ordering::Relaxed);
        let meta_size = u64::from(entry.meta_size.load(Ordering::Relaxed));
        let offset = entry.offset.load(Ordering::Relaxed);
        let mut words = [0; EVENT_WORDS];
        let mut used = 0;
        if meta_size > 0 && offset != 0 {
            let span = self.attachment.segment.read_span(offset, data_size.saturating_add(meta_size))?;
            let bytes = &span.bytes()[crate::shm::segment::to_usize(data_size)..];
            used = bytes.len().min(METADATA);
            pack(&mut words[METADATA_WORDS..], &bytes[..used]);
        }
        let actor = u64::from(self.attachment.number) << 32;
        words[0] = actor | (used as u64) << 8 | kind as u64;
        words[1] = epoch_nanos();
        words[2] = data_size;
        words[3] = meta_size;
        pack(&mut words[ID_WORDS..METADATA_WORDS], id_of(entry).as_bytes());
        log.append(&words);
        self.news.set(true);
        Ok(())
    }

    /// Notes that this client reads the log, or does no more.
    pub(super) fn set_reader(&self, reads: bool) -> Result<()> {
        let bit = self.attachment.bit(self.segment().bucket(LOG_BUCKET))?;
        if reads {
            bit.set();
        } else {
            bit.clear();
        }
        fail::point("subscribe.bit_changed");
        self.count_readers();
        Ok(())
    }

    /// The count of readers follows from their bits.
    pub(super) fn count_readers(&self) {
        self.attachment.event_ring().count(self.segment().bucket(LOG_BUCKET));
    }

    /// Events may be missing from the log.
    pub(super) fn lose_events(&self) {
        self.attachment.event_ring().lose();
        self.news.set(true);
    }
}

#[cfg(test)]
mod tests;
