//! Looking at a store: objects, clients, figures. Takes no lock for objects, so a list is not one moment's picture.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use super::ended::ProcessEnd;
use super::entries::EntryKey;
use super::id::ObjectId;
use super::index::{id_of, is_declaration};
use super::Store;
use crate::error::{Error, Kind, Result};
use crate::shm::layout::{
    load_text, store_text, Entry, State, Word, CLAIMED, ENDED, EVICTABLE, KEEP, NO_CLIENT,
};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::row::row_is_empty;

use super::buffer::Look;

/// The state of the object with an ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectState {
    /// Nothing.
    Absent,
    /// An output that the client `producer` will create.
    Awaited {
        /// Its entry.
        key: EntryKey,
        /// Attachment number of who makes it; of no client if its processor was lost and its call is issued again.
        producer: u32,
    },
    /// An object whose bytes are being written.
    Creating {
        /// Its entry.
        key: EntryKey,
    },
    /// An object that can be got.
    Sealed {
        /// Its entry.
        key: EntryKey,
    },
    /// An object that will never exist.
    Failed {
        /// Its entry.
        key: EntryKey,
        /// Why.
        error: Error,
    },
}

/// Description of an object.
#[derive(Clone, Debug)]
pub struct ObjectInfo {
    /// Its ID.
    pub id: ObjectId,
    /// Its entry and life.
    pub key: EntryKey,
    /// `awaited`, `creating`, `sealed`, `failed` or `doomed`.
    pub state: &'static str,
    /// Bytes of data.
    pub data_size: u64,
    /// Bytes of metadata.
    pub metadata_size: u64,
    /// Number of the client that created it.
    pub creator: u32,
    /// Number of the client that will produce it, 0 if there is none.
    pub producer: u32,
    /// When it was created, since the epoch.
    pub created: Duration,
    /// Time from creation to sealing.
    pub construct: Duration,
    /// It stays even if no client wants it.
    pub keep: bool,
    /// It may be evicted.
    pub evictable: bool,
    /// It is a call that was taken.
    pub claimed: bool,
    /// It is a call that has ended.
    pub ended: bool,
    /// Numbers of the clients that hold its bytes.
    pub pinned_by: Vec<u32>,
    /// Numbers of the clients that own it.
    pub wanted_by: Vec<u32>,
}

/// Description of a client.
#[derive(Clone, Debug)]
pub struct ClientInfo {
    /// Its number.
    pub number: u32,
    /// Its slot.
    pub slot: u32,
    /// Whether it is running.
    pub alive: bool,
    /// How its process ended, if it has crashed and the process that started it has told.
    pub ended: Option<ProcessEnd>,
    /// Its name in lists and messages.
    pub name: String,
    /// Its process ID in its own container.
    pub pid: u32,
    /// The name of its host (or container).
    pub host: String,
    /// Time when it opened the store, since the epoch.
    pub since: Duration,
    /// Number of objects whose bytes it holds.
    pub pins: u64,
    /// Number of objects that it owns.
    pub wants: u64,
    /// Bytes of the objects that it holds.
    pub pinned_bytes: u64,
}

/// Statistics of a store.
#[derive(Clone, Debug, Default)]
pub struct StoreStat {
    /// Size of the store: how many bytes can be put into it, as requested.
    pub size: u64,
    /// Bytes in use, rounded up to 64 for each object, without those of `used_small`.
    pub used: u64,
    /// Bytes in use by objects below 4 KiB, which have memory of their own besides `size`.
    pub used_small: u64,
    /// Bytes not in use.
    pub free: u64,
    /// The largest contiguous free range in bytes.
    pub largest_free: u64,
    /// Bytes of memory that were allocated from the system.
    pub reserved: u64,
    /// Objects in any state.
    pub objects: u64,
    /// Of these, sealed.
    pub sealed: u64,
    /// Of these, being created.
    pub creating: u64,
    /// Of these, awaited.
    pub awaited: u64,
    /// Of these, failed.
    pub failed: u64,
    /// Of these, deleted and still held by a client.
    pub doomed: u64,
    /// Maximum number of objects: a power of two, at least what the options requested.
    pub max_objects: u64,
    /// Number of running clients.
    pub clients: u32,
    /// Maximum number of clients.
    pub max_clients: u32,
    /// Declared namespaces.
    pub namespaces: u32,
    /// How often the bookkeeping was rebuilt.
    pub recoveries: u64,
    /// How many crashed clients were reaped.
    pub reaped: u64,
    /// Bytes of arguments that calls have copied since the store was created.
    pub copied: u64,
}

pub(super) fn state_name(state: State) -> &'static str {
    match state {
        State::Free => "free",
        State::Awaited => "awaited",
        State::Creating => "creating",
        State::Sealed => "sealed",
        State::Failed => "failed",
        State::Doomed => "doomed",
    }
}

/// The slots whose bit is set in a row. To be visited by `for_each`, which costs little where no bit is set.
pub(super) fn slots_of<'a>(
    row: impl IntoIterator<Item = &'a AtomicU64> + 'a,
) -> impl Iterator<Item = u32> + 'a {
    (0u32..).zip(row).flat_map(|(at, word)| {
        let mut bits = word.load(Ordering::Relaxed);
        std::iter::from_fn(move || {
            let slot = (bits != 0).then(|| at * 64 + bits.trailing_zeros())?;
            bits &= bits - 1;
            Some(slot)
        })
    })
}

impl Store {
    /// The entries that have been used, with their numbers.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u32, &Entry)> {
        let segment = &self.attachment.segment;
        segment.entries(segment.header().entries_used.load(Ordering::Acquire))
    }

    #[inline]
    pub(super) fn info_at(&self, index: u32) -> Result<Option<ObjectInfo>> {
        let segment = &self.attachment.segment;
        let entry = segment.entry(index)?;
        let read = entry.state.read(|word| match word.state() {
            State::Free => Ok(None),
            _ => self.info_of(index, entry, word).map(Some),
        });
        read.map_or(Ok(None), |(_, info)| info)
    }

    /// The clients that have their bit in a row.
    #[inline]
    fn numbers<'a>(&self, row: impl IntoIterator<Item = &'a AtomicU64> + Copy + 'a) -> Vec<u32> {
        if row_is_empty(row) {
            return Vec::new();
        }
        let client = |slot| self.attachment.segment.client(slot);
        slots_of(row).map(|slot| client(slot).number.load(Ordering::Relaxed)).collect()
    }

    /// What the words of an entry say, which may be another life's meanwhile.
    #[inline]
    fn info_of(&self, index: u32, entry: &Entry, word: Word) -> Result<ObjectInfo> {
        let segment = &self.attachment.segment;
        let flags = entry.flags.load(Ordering::Relaxed);
        Ok(ObjectInfo {
            id: id_of(entry),
            key: EntryKey { index, generation: word.generation() },
            state: state_name(word.state()),
            data_size: entry.data_size.load(Ordering::Relaxed),
            metadata_size: u64::from(entry.meta_size.load(Ordering::Relaxed)),
            creator: entry.creator.load(Ordering::Relaxed),
            producer: Some(entry.producer.load(Ordering::Relaxed))
                .filter(|number| *number != NO_CLIENT)
                .unwrap_or(0),
            created: Duration::from_nanos(entry.created.load(Ordering::Relaxed)),
            construct: Duration::from_micros(u64::from(entry.construct.load(Ordering::Relaxed))),
            keep: flags & KEEP != 0,
            evictable: flags & EVICTABLE != 0,
            claimed: word.has(CLAIMED),
            ended: word.has(ENDED),
            pinned_by: self.numbers(segment.pins(index)?),
            wanted_by: self.numbers(segment.wants(index)?),
        })
    }

    /// What is known of one object.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn info(&self, id: &ObjectId) -> Result<ObjectInfo> {
        self.attachment.here()?;
        let found = self.attachment.find(id)?;
        let info = found.map(|(index, _)| self.info_at(index)).transpose()?.flatten();
        info.ok_or_else(|| Error::new(Kind::NotFound, format!("there is no object {id}")))
    }

    /// The state of the object with an ID.
    pub fn look(&self, id: &ObjectId) -> Result<ObjectState> {
        self.look_at(id, None)
    }

    /// The state of this life of an object, `Absent` when it has ended.
    pub fn look_key(&self, key: EntryKey, id: &ObjectId) -> Result<ObjectState> {
        self.look_at(id, Some(key))
    }

    /// What has not failed, and is not owed by a client that was reaped, is seen by its state word: nothing is pinned.
    fn look_at(&self, id: &ObjectId, life: Option<EntryKey>) -> Result<ObjectState> {
        let attachment = &self.attachment;
        attachment.here()?;
        let found = match life {
            Some(key) => {
                let word = Word(attachment.segment.entry(key.index)?.state.load(Ordering::Acquire));
                (word.generation() == key.generation && word.is_visible()).then_some((key.index, word))
            }
            None => attachment.find(id)?,
        };
        let Some((index, word)) = found else { return Ok(ObjectState::Absent) };
        let key = EntryKey { index, generation: word.generation() };
        match word.state() {
            State::Sealed => Ok(ObjectState::Sealed { key }),
            State::Creating => Ok(ObjectState::Creating { key }),
            State::Awaited => {
                let producer = attachment.segment.entry(index)?.producer.load(Ordering::Relaxed);
                if attachment.is_in(word.slot(), producer) {
                    return Ok(ObjectState::Awaited { key, producer });
                }
                self.state(self.look_for(id, life)?)
            }
            _ => self.state(self.look_for(id, life)?),
        }
    }

    fn state(&self, look: Look) -> Result<ObjectState> {
        Ok(match look {
            Look::Absent => ObjectState::Absent,
            Look::There(buffer) => ObjectState::Sealed { key: buffer.key() },
            Look::Failed { key, error } => ObjectState::Failed { key, error },
            Look::Coming { key, producer } => {
                let entry = self.attachment.segment.entry(key.index)?;
                let word = Word(entry.state.load(Ordering::Acquire));
                if word.state() == State::Creating {
                    ObjectState::Creating { key }
                } else {
                    ObjectState::Awaited { key, producer }
                }
            }
        })
    }

    /// Lists the clients, sorted by number. Crashed clients are listed until they are reaped.
    pub fn clients(&self) -> Result<Vec<ClientInfo>> {
        self.attachment.here()?;
        let segment = &self.attachment.segment;
        let slots = segment.geometry().max_clients as usize;
        let mut held = vec![(0u64, 0u64, 0u64); slots];
        for (index, entry) in self.entries() {
            slots_of(segment.pins(index)?).for_each(|slot| {
                held[slot as usize].0 += 1;
                held[slot as usize].2 += entry.data_size.load(Ordering::Relaxed);
            });
            slots_of(segment.wants(index)?).for_each(|slot| held[slot as usize].1 += 1);
        }
        let mut clients = Vec::new();
        for (slot, (pins, wants, pinned_bytes)) in (0u32..).zip(held) {
            let client = segment.client(slot);
            let number = client.number.load(Ordering::Acquire);
            if number != 0 {
                clients.push(ClientInfo {
                    number,
                    slot,
                    alive: self.alive(number),
                    ended: self.attachment.end_of(number),
                    name: load_text(&client.name),
                    pid: client.pid.load(Ordering::Relaxed),
                    host: load_text(&client.host),
                    since: Duration::from_nanos(client.since.load(Ordering::Relaxed)),
                    pins,
                    wants,
                    pinned_bytes,
                });
            }
        }
        clients.sort_by_key(|client| client.number);
        Ok(clients)
    }

    /// The name of a client in messages: its name and process, or its number if it has closed or crashed.
    pub fn client_title(&self, number: u32) -> String {
        let segment = &self.attachment.segment;
        let slots = 0..segment.geometry().max_clients;
        let here = slots
            .map(|slot| segment.client(slot))
            .find(|client| self.attachment.here().is_ok() && client.number.load(Ordering::Acquire) == number)
            // Which a free slot has.
            .filter(|_| number != 0);
        match here {
            Some(client) => {
                let (name, pid) = (load_text(&client.name), client.pid.load(Ordering::Relaxed));
                format!("{name} (pid {pid}, client {number})")
            }
            None => format!("client {number}, which has closed or crashed"),
        }
    }

    /// Changes the name of this client. Other clients may read parts of both names while it changes, or forever if this
    /// process crashes meanwhile.
    pub fn set_client_name(&self, name: &str) -> Result<()> {
        self.attachment.here()?;
        store_text(&self.attachment.segment.client(self.attachment.slot).name, name);
        Ok(())
    }

    /// Whether members of a group may use the store.
    pub fn is_shared_with_group(&self) -> bool {
        self.attachment.segment.file().metadata().map_or(true, |meta| meta.mode() & 0o070 != 0)
    }

    /// Counts bytes that a call has copied. Does nothing in a child that inherited the store.
    pub fn count_copied(&self, bytes: u64) {
        if self.attachment.here().is_ok() {
            // SYNC: a figure, which orders nothing. A process that dies before it has not counted its last copy.
            self.attachment.segment.header().copied.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Returns the statistics of the store.
    pub fn stat(&self) -> Result<StoreStat> {
        let segment = &self.attachment.segment;
        let header = segment.header();
        let (figures, aside) = self.attachment.locked(|locked| {
            let bytes = locked.all_spares()?.iter().map(|(.., bytes)| bytes).sum();
            Ok((locked.heap().figures()?, bytes))
        })?;
        let mut stat = StoreStat {
            size: segment.geometry().size,
            used: figures.used,
            used_small: figures.used_small.saturating_sub(aside),
            free: figures.free,
            largest_free: figures.largest,
            reserved: figures.reserved,
            max_objects: u64::from(segment.geometry().max_objects),
            max_clients: segment.geometry().max_clients,
            recoveries: u64::from(header.recoveries.load(Ordering::Relaxed)),
            reaped: u64::from(header.reaped.load(Ordering::Relaxed)),
            copied: header.copied.load(Ordering::Relaxed),
            ..StoreStat::default()
        };
        for (_, entry) in self.entries() {
            let state = Word(entry.state.load(Ordering::Acquire)).state();
            let counter = match state {
                State::Free => continue,
                State::Awaited => &mut stat.awaited,
                State::Creating => &mut stat.creating,
                State::Sealed => &mut stat.sealed,
                State::Failed => &mut stat.failed,
                State::Doomed => &mut stat.doomed,
            };
            *counter += 1;
            stat.objects += 1;
            if state == State::Sealed && is_declaration(entry) {
                stat.namespaces += 1;
            }
        }
        for slot in 0..stat.max_clients {
            let number = segment.client(slot).number.load(Ordering::Acquire);
            stat.clients += u32::from(number != 0 && self.alive(number));
        }
        Ok(stat)
    }
}

#[cfg(test)]
mod tests;
