//! How many entries are to be had.

use super::super::testing::{fresh, give_spares_back, id, put};
use super::super::DeleteMode;
use super::*;
use crate::error::Kind;
use crate::store::CreateSpec;

#[test]
fn entries_are_had_until_all_are_used() {
    let store = fresh("entries");
    let most = store.attachment.segment.geometry().max_objects;
    let has = |count| store.attachment.locked(|locked| Ok(locked.has_entries(count))).unwrap();
    assert!(has(0) && has(most) && !has(most + 1));
    for n in 0..most - 2 {
        put(&store, &id(n));
    }
    assert!(has(2) && !has(3));
    store.delete(&id(5), DeleteMode::Now).unwrap();
    give_spares_back(&store);
    assert!(has(3) && !has(4));
    for n in 0..3 {
        put(&store, &id(most + n));
    }
    assert!(has(0) && !has(1));
    let error = store.create(&id(3 * most), &CreateSpec::default()).err().unwrap();
    assert_eq!(error.kind(), Kind::LimitReached);
    for n in [7, 8] {
        store.delete(&id(n), DeleteMode::Now).unwrap();
    }
    give_spares_back(&store);
    assert!(has(2) && !has(3));
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_new_life_has_no_owners_but_its_own() {
    let store = fresh("owners");
    let old = put(&store, &id(1));
    let wants = |key: EntryKey| store.attachment.segment.wants(key.index).unwrap();
    // Other clients own it, and do not know yet that it was deleted.
    wants(old).iter().for_each(|word| word.store(0x50, Ordering::SeqCst));
    store.delete(&id(1), DeleteMode::Now).unwrap();
    let spec = CreateSpec { want: true, ..CreateSpec::default() };
    let want = store.create(&id(2), &spec).unwrap().seal().unwrap().unwrap();
    assert_eq!(want.key(), EntryKey { index: old.index, generation: old.generation + 1 });
    let owners: u32 = wants(old).iter().map(|word| word.load(Ordering::SeqCst).count_ones()).sum();
    assert_eq!(owners, 1);
    drop(want);
    assert_eq!(store.stat().unwrap().objects, 0, "owners of another life keep it");
}

#[test]
fn damage_that_is_found_while_something_is_released_is_told() {
    let store = fresh("settled");
    let nowhere = EntryKey { index: u32::MAX, generation: 1 };
    assert_eq!(store.attachment.settle(nowhere, &id(1)).unwrap_err().kind(), Kind::Corrupt);
    let key = put(&store, &id(1));
    assert!(store.attachment.settle(key, &id(1)).is_ok() && store.contains(&id(1)).unwrap());
}
