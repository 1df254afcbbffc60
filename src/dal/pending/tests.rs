//! Which rows wait for what.

use std::path::PathBuf;

use super::*;
use crate::store::{CreateSpec, StoreOptions};

fn store(name: &str) -> Store {
    let path = PathBuf::from(format!("/dev/shm/sdp-dal-test-pending-{name}-{}", std::process::id()));
    Store::open(&path, &StoreOptions { size: Some(1 << 20), ..StoreOptions::default() }).unwrap()
}

fn id(n: u32) -> ObjectId {
    let mut bytes = [9; 20];
    bytes[16..].copy_from_slice(&n.to_be_bytes());
    ObjectId::new(bytes)
}

#[test]
fn rows_wait_in_groups_until_they_are_taken_out() {
    let store = store("groups");
    let mut list = Watchlist::new(&store);
    let life = EntryKey { index: 3, generation: 4 };
    let sights: [Sight; 3] = [(id(1), None), (id(1), Some(life)), (id(2), None)];
    assert!(list.is_empty());
    for (nth, sight) in sights.into_iter().enumerate() {
        assert!(list.add(sight, 10 * nth as u64).unwrap(), "the first of its group");
        assert!(!list.add(sight, 10 * nth as u64 + 1).unwrap());
    }
    let bucket = |sight: &Sight| list.lookout.bucket(&sight.0);
    let (first, other) = (bucket(&sights[0]), bucket(&sights[2]));
    assert_eq!((list.groups, list.is_empty()), (3, false));
    assert_eq!(list.len(first), if first == other { 3 } else { 2 });
    let mut seen = list.sights(first);
    seen.retain(|sight| sight.0 == id(1));
    assert!(seen.len() == 2 && seen.contains(&sights[0]) && seen.contains(&sights[1]));
    list.remove(sights[0], 1);
    assert_eq!(list.take(sights[0]), vec![0u64]);
    assert!(list.take(sights[0]).is_empty());
    list.remove(sights[0], 0);
    assert_eq!((list.groups, list.sights(first).len()), (2, list.len(first)));
    list.retain(sights[1], |order| order == 11);
    list.retain(sights[1], |order| order == 11);
    assert_eq!(list.groups, 2);
    list.retain(sights[1], |_| false);
    assert_eq!((list.groups, list.take(sights[1]).len()), (1, 0));
    list.clear();
    assert!(list.is_empty() && list.take(sights[2]).is_empty());
    assert!((0..Lookout::BUCKETS).all(|bucket| list.len(bucket) == 0));
}

#[test]
fn what_is_waited_for_rings_its_bucket() {
    let store = store("rings");
    let mut list = Watchlist::new(&store);
    let put = |n| {
        store.create(&id(n), &CreateSpec { keep: true, ..CreateSpec::default() }).unwrap().seal().unwrap()
    };
    let mut due = Vec::new();
    list.rung(&mut due).unwrap();
    due.clear();
    list.add((id(1), None), 0).unwrap();
    assert_ne!(list.wake_bits(), 0);
    // Each object has one of 32 bits.
    (100..200).for_each(|n| assert!(list.add((id(n), None), 0).unwrap()));
    assert!(list.wake_bits().count_ones() > 1, "{:b}", list.wake_bits());
    (100..200).for_each(|n| list.remove((id(n), None), 0));
    put(1);
    list.rung(&mut due).unwrap();
    assert!(due.contains(&list.lookout.bucket(&id(1))), "{due:?}");
    due.clear();
    list.rung(&mut due).unwrap();
    assert_eq!(due, Vec::<usize>::new(), "once");
    assert!(!is_unchanged(&store, (id(1), None)).unwrap());
    // Nobody waits for it any more: nobody is told.
    list.clear();
    store.delete(&id(1), crate::store::DeleteMode::Now).unwrap();
    list.rung(&mut due).unwrap();
    assert_eq!(due, Vec::<usize>::new());
}

#[test]
fn an_object_is_unchanged_as_long_as_it_does_not_exist_in_the_life_that_was_seen() {
    let store = store("unchanged");
    let spec = CreateSpec { keep: true, ..CreateSpec::default() };
    let is = |seen| is_unchanged(&store, (id(1), seen)).unwrap();
    let writer = store.create(&id(1), &spec).unwrap();
    let key = writer.key().unwrap();
    assert!(is(Some(key)) && !is(None));
    assert!(!is(Some(EntryKey { generation: key.generation + 1, ..key })));
    writer.seal().unwrap();
    assert!(!is(Some(key)) && !is(None));
    store.delete(&id(1), crate::store::DeleteMode::Now).unwrap();
    assert!(is(None) && !is(Some(key)));
}
