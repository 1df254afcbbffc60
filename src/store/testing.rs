//! What tests beside the code share: a store of their own.

use std::path::PathBuf;

use super::entries::{Birth, EntryKey};
use super::id::ObjectId;
use super::options::StoreOptions;
use super::{CreateSpec, Store};
use crate::shm::layout::State;
use crate::shm::segment::Segment;
use crate::sync::atomic::Ordering;

/// A new store, which goes with its last handle.
pub(super) fn fresh(name: &str) -> Store {
    let path = PathBuf::from(format!("/dev/shm/sdp-dal-test-unit-{name}-{}", std::process::id()));
    let options = StoreOptions { size: Some(4 << 20), max_objects: Some(1024), ..StoreOptions::default() };
    Store::open(&path, &options).unwrap()
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
        let birth = Birth {
            id,
            state: State::Awaited,
            extent: None,
            data_size: 0,
            meta_size: 0,
            flags: 0,
            producer: self.number,
            slot: self.slot,
            want: true,
            call: None,
        };
        store.attachment.locked(|locked| locked.bear(&birth)).unwrap()
    }
}
