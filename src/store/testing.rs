//! What tests beside the code share: a store of their own.

use std::path::PathBuf;

use super::entries::EntryKey;
use super::id::ObjectId;
use super::options::StoreOptions;
use super::{CreateSpec, Store};

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
