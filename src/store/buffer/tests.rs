//! A pin is on one life of an entry. What a look says of an output, and beside a lock that cannot be had.

use std::time::Duration;

use super::super::testing::{fresh, id, promised, put, Stopped, DEAD};
use super::super::DeleteMode;
use super::*;
use crate::sync::row::row_is_empty;

fn is_pinned(store: &Store, key: EntryKey) -> bool {
    !row_is_empty(store.attachment.segment.pins(key.index).unwrap())
}

#[test]
fn a_pin_is_on_one_life_of_an_entry() {
    let store = fresh("pins");
    let attachment = &store.attachment;
    let old = put(&store, &id(1));
    store.delete(&id(1), DeleteMode::Now).unwrap();
    assert!(!attachment.pin(old).unwrap());
    // Whoever looked the old one up comes between: to the same object again, and to another.
    for n in [1, 2] {
        let new = put(&store, &id(n));
        assert_eq!(new.index, old.index, "another entry");
        assert!(!attachment.pin(old).unwrap(), "the new life is pinned by the old key");
        assert!(!is_pinned(&store, new), "the bit of a pin that failed is left");
        assert!(attachment.pin(new).unwrap());
        assert!(is_pinned(&store, new));
        // We hold the new one: the old one is over all the same, and its undoing takes nothing away.
        assert!(!attachment.pin(old).unwrap());
        assert!(is_pinned(&store, new));
        drop(Pin::held(&store, id(n), new));
        assert!(!is_pinned(&store, new));
        store.delete(&id(n), DeleteMode::Now).unwrap();
    }
    assert_eq!(store.stat().unwrap().objects, 0);
}

#[test]
fn who_holds_what_was_deleted_may_hold_it_twice() {
    let store = fresh("twice");
    let attachment = &store.attachment;
    let key = put(&store, &id(1));
    let buffer = store.get(&id(1), Timeout::Poll).unwrap();
    store.delete(&id(1), DeleteMode::Now).unwrap();
    assert!(attachment.pin(key).unwrap());
    drop(buffer);
    assert_eq!((store.stat().unwrap().objects, is_pinned(&store, key)), (1, true));
    drop(Pin::held(&store, id(1), key));
    assert_eq!((store.stat().unwrap().objects, is_pinned(&store, key)), (0, false));
    assert!(!attachment.pin(key).unwrap());
    // Released once too often: nothing is ours to take back.
    drop(Pin::held(&store, id(1), key));
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn one_look_finds_that_the_producer_was_reaped() {
    let store = fresh("reaped-producer");
    let _want = promised(&store, &id(1), DEAD, None);
    let looked = store.look_for(&id(1), None);
    assert!(matches!(looked, Ok(Look::Failed { error, .. }) if error.kind() == Kind::ProcessorLost));
}

#[test]
fn an_output_of_the_dead_is_still_coming_until_the_lock_can_be_had() {
    let store = fresh("buried-later");
    let want = promised(&store, &id(1), DEAD, None);
    let stopped = Stopped::holding_the_lock_of(&store);
    assert!(matches!(store.look_for(&id(1), None), Ok(Look::Coming { producer, .. }) if producer == DEAD.0));
    drop(stopped);
    assert!(store.bury(want.key(), &id(1), DEAD.0).unwrap());
    assert!(!store.bury(want.key(), &id(1), DEAD.0).unwrap(), "twice");
    // What is wrong with the store is told.
    let beyond = EntryKey { index: u32::MAX, generation: 1 };
    assert_eq!(store.bury(beyond, &id(1), DEAD.0).err().map(|error| error.kind()), Some(Kind::Corrupt));
}

#[test]
fn a_miss_that_cannot_have_the_lock_is_a_timeout_only_for_who_waits() {
    let store = fresh("miss");
    let changes = &store.attachment.segment.header().index_changes.0;
    changes.begin();
    let stopped = Stopped::holding_the_lock_of(&store);
    let get = |patience: u64, timeout| {
        let _patience = store.patience(Timeout::After(Duration::from_millis(patience)));
        store.get(&id(1), timeout).err().map(|error| error.kind())
    };
    assert_eq!(get(100, Timeout::Poll), Some(Kind::Busy));
    assert_eq!(get(100, Timeout::Forever), Some(Kind::Busy));
    assert_eq!(get(300, Timeout::After(Duration::from_millis(100))), Some(Kind::Timeout));
    drop(stopped);
    assert_eq!(get(100, Timeout::Poll), Some(Kind::Timeout));
    changes.end();
}
