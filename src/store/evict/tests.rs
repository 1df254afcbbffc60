//! Who goes first.

use std::path::PathBuf;

use super::super::testing::{fresh, id};
use super::super::{CreateSpec, StoreOptions, Want};
use super::*;
use crate::timeout::Timeout;

fn victim(released: u64) -> Victim {
    Victim { released, index: 0, generation: 0, size: released }
}

fn victims(small: &[u64], large: &[u64]) -> Victims {
    let of = |released: &[u64]| released.iter().copied().map(victim).collect();
    Victims { small: of(small), large: of(large) }
}

#[test]
fn the_longest_released_goes_first_where_it_makes_room() {
    let order = |small: &[u64], large: &[u64], small_too| {
        let mut victims = victims(small, large);
        std::iter::from_fn(|| victims.next(small_too)).map(|victim| victim.released).collect::<Vec<_>>()
    };
    assert_eq!(order(&[1, 4], &[2, 3, 5], true), [1, 2, 3, 4, 5]);
    assert_eq!(order(&[1, 4], &[2, 3, 5], false), [2, 3, 5]);
    assert_eq!(order(&[1, 4], &[], true), [1, 4]);
    assert!(order(&[1, 4], &[], false).is_empty());
    assert_eq!(order(&[], &[2], true), [2]);
}

#[test]
fn as_many_go_as_make_the_bytes_and_no_more_than_a_turn() {
    let store = fresh("chosen");
    let choose = |bytes, small_too| {
        *lock(&store.attachment.victims) = victims(&[10, 40], &[20, 30, 50]);
        let chosen = store.attachment.choose(bytes, small_too);
        chosen.iter().map(|victim| victim.released).collect::<Vec<_>>()
    };
    assert_eq!(choose(1, true), [10]);
    assert_eq!(choose(10, true), [10]);
    assert_eq!(choose(11, true), [10, 20]);
    assert_eq!(choose(30, false), [20, 30]);
    assert_eq!(choose(1000, false), [20, 30, 50]);
    assert!(choose(0, true).is_empty());
    // Those without bytes count, too.
    *lock(&store.attachment.victims) = victims(&[0; 3 * TURN], &[]);
    assert_eq!(store.attachment.choose(3, true).len(), 3);
    assert_eq!(store.attachment.choose(u64::MAX, true).len(), TURN);
    assert_eq!(lock(&store.attachment.victims).small.len(), 2 * TURN - 3);
}

fn evicting(name: &str) -> Store {
    let path = PathBuf::from(format!("/dev/shm/sdp-dal-test-unit-{name}-{}", std::process::id()));
    let options = StoreOptions { size: Some(4 << 20), eviction: true, ..StoreOptions::default() };
    Store::open(&path, &options).unwrap()
}

fn seal(store: &Store, n: u32, spec: &CreateSpec<'_>) -> Option<Want> {
    store.create(&id(n), spec).unwrap().seal().unwrap()
}

fn cached(data_size: u64) -> CreateSpec<'static> {
    CreateSpec { data_size, evictable: true, ..CreateSpec::default() }
}

#[test]
fn only_what_is_evictable_in_a_store_that_evicts_stays_without_an_owner() {
    for (store, evicts) in [(evicting("stays"), true), (fresh("stays-not"), false)] {
        let is_there = |n| store.contains(&id(n)).unwrap();
        drop(seal(&store, 1, &cached(10)));
        assert_eq!(is_there(1), evicts);
        let owned = seal(&store, 2, &CreateSpec { want: true, ..CreateSpec::default() });
        assert!(is_there(2));
        drop(owned);
        assert!(!is_there(2), "it is not evictable");
        seal(&store, 3, &CreateSpec { keep: true, ..cached(10) });
        assert_eq!(store.evict(u64::MAX).unwrap(), if evicts { 20 } else { 0 });
        assert_eq!(is_there(3), !evicts);
    }
}

#[test]
fn no_small_object_goes_for_a_large_one() {
    let store = evicting("regions");
    let large = SMALL + 100;
    for n in [1, 2] {
        seal(&store, n, &cached(10));
    }
    seal(&store, 3, &cached(large));
    let turn = |bytes| store.attachment.evict_turn(bytes).unwrap();
    let there = || (1..=3).filter(|n| store.contains(&id(*n)).unwrap()).collect::<Vec<_>>();
    assert_eq!(turn(Some(SMALL)), Some(large));
    assert_eq!((turn(Some(SMALL)), turn(Some(2 * SMALL))), (None, None));
    assert_eq!(there(), [1, 2]);
    // For a small one or an entry: whatever was released first.
    seal(&store, 3, &cached(large));
    assert_eq!(turn(None), Some(10));
    assert_eq!(there(), [2, 3]);
    assert_eq!(turn(Some(SMALL - 1)), Some(10));
    assert_eq!(there(), [3]);
    assert_eq!((turn(Some(1)), turn(Some(1))), (Some(large), None));
}

#[test]
fn a_victim_that_was_used_since_it_was_found_stays() {
    let store = evicting("used-since");
    let find = || {
        store.attachment.find_victims().unwrap();
        lock(&store.attachment.victims).next(true).unwrap()
    };
    let evict = |victim| store.attachment.locked(|locked| locked.evict(&victim)).unwrap();
    seal(&store, 1, &cached(10));
    let victim = find();
    let owned = store.want(&id(1)).unwrap();
    assert_eq!(evict(victim), None);
    drop(owned);
    let held = store.get(&id(1), Timeout::Poll).unwrap();
    assert_eq!(evict(victim), None);
    drop(held);
    assert_eq!(evict(victim), None, "others were released before it");
    let victim = find();
    assert_eq!(evict(victim), Some(id(1)));
    assert_eq!(evict(victim), None);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}
