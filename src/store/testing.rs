//! What tests beside the code share: a store of their own.

use std::path::PathBuf;

use super::entries::{Birth, EntryKey};
use super::id::ObjectId;
use super::options::StoreOptions;
use super::{CreateSpec, Store, Want};
use crate::shm::layout::State;
use crate::shm::segment::Segment;
use crate::sync::atomic::Ordering;

/// A client that is not there: a number that nobody holds, and the slot in which it was.
pub(super) const DEAD: (u32, u32) = (1001, 5);

/// A new store, which goes with its last handle.
pub(super) fn fresh(name: &str) -> Store {
    fresh_with(name, StoreOptions { max_objects: Some(1024), ..StoreOptions::default() })
}

/// The same, with these options.
pub(super) fn fresh_with(name: &str, options: StoreOptions) -> Store {
    let path = PathBuf::from(format!("/dev/shm/sdp-dal-test-unit-{name}-{}", std::process::id()));
    Store::open(&path, &StoreOptions { size: Some(4 << 20), ..options }).unwrap()
}

pub(super) fn id(n: u32) -> ObjectId {
    let mut bytes = [7; 20];
    bytes[16..].copy_from_slice(&n.to_be_bytes());
    ObjectId::new(bytes)
}

/// Puts an object that is kept; its life.
pub(super) fn put(store: &Store, id: &ObjectId) -> EntryKey {
    let spec = CreateSpec { data_size: 10, keep: true, ..CreateSpec::default() };
    let writer = store.create(id, &spec).unwrap();
    let key = writer.key().unwrap();
    writer.seal().unwrap();
    key
}

/// Has everything that is free where anybody takes it.
pub(super) fn give_spares_back(store: &Store) {
    store.attachment.locked(|locked| locked.give_all_spares_back()).unwrap();
}

/// A second client of a store, that does nothing. It lives until this is dropped.
pub(super) struct Neighbour {
    pub(super) number: u32,
    pub(super) slot: u32,
    pub(super) segment: Segment,
}

impl Neighbour {
    /// One in this slot.
    pub(super) fn new(store: &Store, slot: u32) -> Neighbour {
        let segment = Segment::open(&store.attachment.place, None, false).unwrap();
        let number = 1 + segment.header().numbers.fetch_add(1, Ordering::SeqCst);
        segment.liveness.be(number, segment.file()).unwrap();
        segment.client(slot).number.store(number, Ordering::Release);
        Neighbour { number, slot, segment }
    }

    /// An object that this client is to make, and the store's own client wants.
    pub(super) fn promises(&self, store: &Store, id: &ObjectId) -> EntryKey {
        bear(store, id, (self.number, self.slot), None)
    }
}

/// An output that this client wants, and the one with this number and slot is to make.
pub(super) fn promised(store: &Store, id: &ObjectId, producer: (u32, u32), call: Option<EntryKey>) -> Want {
    store.attachment.ready_wants(1);
    Want::counted(store, *id, bear(store, id, producer, call))
}

/// The same, without the claim's handle.
fn bear(store: &Store, id: &ObjectId, (producer, slot): (u32, u32), call: Option<EntryKey>) -> EntryKey {
    let birth = Birth {
        id,
        hash: store.attachment.hash(id),
        state: State::Awaited,
        extent: None,
        data_size: 0,
        meta_size: 0,
        flags: 0,
        producer,
        slot,
        want: true,
        call,
    };
    store.attachment.locked(|locked| locked.bear(&birth)).unwrap()
}

/// While it lives, a client that is stopped has the store's lock.
pub(super) struct Stopped<'a> {
    store: &'a Store,
    _client: Segment,
}

impl Stopped<'_> {
    pub(super) fn holding_the_lock_of(store: &Store) -> Stopped<'_> {
        const NUMBER: u32 = 1002;
        let client = Segment::open(&store.attachment.place, None, false).unwrap();
        client.liveness.be(NUMBER, client.file()).unwrap();
        let stopped = Stopped { store, _client: client };
        stopped.leaves(NUMBER);
        stopped
    }

    fn leaves(&self, holder: u32) {
        self.store.attachment.segment.header().lock.0.word().store(holder, Ordering::SeqCst);
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.leaves(0);
    }
}
