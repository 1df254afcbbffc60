//! A pin is on one life of an entry.

use super::super::testing::{fresh, id, put};
use super::super::DeleteMode;
use super::*;
use crate::sync::pins::row_is_empty;

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
