//! What is put aside is free for all who need it, and whole at every step.

use std::sync::Arc;

use super::super::attempts::Attempt;
use super::super::entries::EntryKey;
use super::super::testing::{fresh, id, put, Neighbour};
use super::super::{CreateSpec, DeleteMode, NewCall, ObjectId, Store, StoreOptions};
use super::*;
use crate::shm::layout::NONE;

fn words(store: &Store, slot: u32) -> Vec<u32> {
    let spares = &store.attachment.segment.client(slot).spares.0;
    spares.iter().map(|place| place.load(Ordering::SeqCst)).filter(|spare| *spare != 0).collect()
}

fn of_us(store: &Store) -> Vec<u32> {
    words(store, store.attachment.slot)
}

fn sound(store: &Store) {
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

fn create(store: &Store, n: u32, data_size: u64) -> Result<()> {
    let spec = CreateSpec { data_size, keep: true, ..CreateSpec::default() };
    store.create(&id(n), &spec)?.seal().map(|_| ())
}

fn delete(store: &Store, n: u32) {
    assert!(store.delete(&id(n), DeleteMode::Now).unwrap());
}

fn free_entries(store: &Store) -> u32 {
    store.attachment.segment.header().entries_free.load(Ordering::SeqCst)
}

/// Makes so many of our spares another slot's, as if the client there had put them aside.
fn pass_on(store: &Store, slot: u32) {
    let segment = &store.attachment.segment;
    for (ours, its) in
        segment.client(store.attachment.slot).spares.0.iter().zip(&segment.client(slot).spares.0)
    {
        its.store(ours.swap(0, Ordering::SeqCst), Ordering::SeqCst);
    }
}

#[test]
fn who_creates_and_deletes_again_and_again_changes_neither_heap_nor_list() {
    let store = fresh("spare");
    let first = put(&store, &id(1));
    let used = store.stat().unwrap().used_small;
    delete(&store, 1);
    let heap = store.attachment.segment.heap();
    let state = || {
        let lists: Vec<u32> =
            heap.small.heads.iter().flatten().map(|head| head.load(Ordering::SeqCst)).collect();
        (free_entries(&store), heap.extents_used.load(Ordering::SeqCst), lists)
    };
    let before = state();
    assert_eq!((before.0, of_us(&store).len()), (NONE, 1));
    for life in 1..4 {
        assert_eq!(store.stat().unwrap().used_small, 0, "what is put aside is free");
        sound(&store);
        let key = put(&store, &id(2));
        assert_eq!((key.index, key.generation), (first.index, first.generation + life));
        assert_eq!(store.stat().unwrap().used_small, used);
        sound(&store);
        delete(&store, 2);
        assert!(state() == before);
    }
    // Of another size it is nothing.
    create(&store, 3, 1000).unwrap();
    assert_eq!(of_us(&store).len(), 1);
    sound(&store);
}

#[test]
fn what_is_deleted_by_another_is_its_creators_next() {
    let store = fresh("spare-creator");
    let other = Neighbour::new(&store, 70);
    let key = put(&store, &id(1));
    // As if the other one had created it; the second time it has gone by then.
    let entry = store.attachment.segment.entry(key.index).unwrap();
    let of_other = |n: u32| {
        let word = Word(entry.state.load(Ordering::SeqCst));
        entry.state.commit(Word::new(State::Sealed, other.slot, word.generation()));
        entry.creator.store(n, Ordering::SeqCst);
    };
    of_other(other.number);
    delete(&store, 1);
    assert_eq!((of_us(&store).len(), words(&store, other.slot).len()), (0, 1));
    sound(&store);
    store.attachment.locked(|locked| locked.give_all_spares_back()).unwrap();
    assert_eq!(put(&store, &id(1)).index, key.index);
    of_other(other.number + 1);
    delete(&store, 1);
    assert_eq!((of_us(&store).len(), words(&store, other.slot).len()), (1, 0));
    sound(&store);
}

/// An output has its entry: only bytes are taken, and the spare's entry is anybody's.
#[test]
fn an_output_is_written_where_its_creator_has_put_bytes_aside() {
    let store = fresh("spare-output");
    let key = put(&store, &id(1));
    let offset =
        |key: EntryKey| store.attachment.segment.entry(key.index).unwrap().offset.load(Ordering::SeqCst);
    let before = offset(key);
    let declaration = put(&store, &ObjectId::declaration([9; 4]));
    let call = NewCall {
        id: ObjectId::new([9; 20]),
        data: &[0; 1000],
        metadata: &[],
        full_timeout: None,
        attempt: Attempt::ONLY,
    };
    let mut wants = Vec::new();
    let _call = store.issue_call(&call, declaration, &[id(2)], &mut wants).unwrap();
    delete(&store, 1);
    assert_eq!((of_us(&store).len(), free_entries(&store)), (1, NONE));
    let output = wants[0].key();
    let spec = CreateSpec { data_size: 3, ..CreateSpec::default() };
    store.create_output(output, &id(2), &spec).unwrap().seal().unwrap();
    assert_eq!((of_us(&store).len(), free_entries(&store)), (0, key.index));
    assert_eq!(offset(output), before);
    sound(&store);
}

#[test]
fn what_is_put_aside_beyond_the_most_makes_room_for_itself() {
    let store = fresh("spare-many");
    let all = 5 * u32::try_from(SPARES).unwrap();
    for n in 0..all {
        create(&store, n, u64::from(n % 3) * 64).unwrap();
    }
    create(&store, all, 100_000).unwrap();
    for n in 0..=all {
        delete(&store, n);
        sound(&store);
    }
    let stat = store.stat().unwrap();
    assert_eq!((of_us(&store).len(), stat.objects, stat.used, stat.used_small), (SPARES, 0, 0, 0));
    assert!(free_entries(&store) != NONE);
}

#[test]
fn what_is_of_a_size_that_there_is_enough_of_makes_no_room_for_itself() {
    let store = fresh("spare-enough");
    let most = u32::try_from(SPARES).unwrap();
    for n in 0..2 * most {
        create(&store, n, 10).unwrap();
    }
    create(&store, 100, 1000).unwrap();
    (0..most).for_each(|n| delete(&store, n));
    let of_one_size = of_us(&store);
    assert_eq!(of_one_size.len(), SPARES);
    (most..2 * most).for_each(|n| delete(&store, n));
    assert_eq!(of_us(&store), of_one_size);
    delete(&store, 100);
    let bytes = |spare: &u32| bytes_of(*spare);
    assert_eq!(of_us(&store).iter().map(bytes).filter(|bytes| *bytes >= 1000).count(), 1);
    assert_eq!(of_us(&store).len(), SPARES);
    sound(&store);
}

#[test]
fn the_last_entries_are_had_whoever_put_them_aside() {
    let store = fresh("spare-entries");
    let most = u32::try_from(store.stat().unwrap().max_objects).unwrap();
    for n in 0..most {
        create(&store, n, 10).unwrap();
    }
    let other = Neighbour::new(&store, 70);
    for n in 0..8 {
        delete(&store, n);
    }
    pass_on(&store, other.slot);
    (8..16).for_each(|n| delete(&store, n));
    assert_eq!((of_us(&store).len(), words(&store, other.slot).len(), free_entries(&store)), (8, 8, NONE));
    for n in 0..16 {
        create(&store, n, 1000).unwrap();
    }
    assert_eq!(create(&store, most, 1000).unwrap_err().kind(), Kind::LimitReached);
    sound(&store);
}

#[test]
fn the_last_bytes_are_had_whoever_put_them_aside() {
    let path =
        std::path::PathBuf::from(format!("/dev/shm/sdp-dal-test-unit-spare-bytes-{}", std::process::id()));
    let store =
        Store::open(&path, &StoreOptions { size: Some(64 << 10), ..StoreOptions::default() }).unwrap();
    // Both regions.
    let full = (0..).find(|n| create(&store, *n, 4000).is_err()).unwrap();
    for n in 0..16 {
        delete(&store, n);
    }
    let aside = of_us(&store).len();
    assert!(aside > 1, "{aside}");
    pass_on(&store, 70);
    for n in 0..16 {
        create(&store, full + n, 3000).unwrap();
    }
    sound(&store);
}

#[test]
fn what_the_dead_and_those_who_left_had_put_aside_is_given_back() {
    let store = fresh("spare-dead");
    let dies = Neighbour::new(&store, 70);
    for n in 0..4 {
        put(&store, &id(n));
    }
    for n in 0..4 {
        delete(&store, n);
    }
    let slot = dies.slot;
    pass_on(&store, slot);
    drop(dies);
    assert_eq!((store.reap_all(), words(&store, slot)), (1, Vec::new()));
    assert!(free_entries(&store) != NONE);
    sound(&store);
    put(&store, &id(1));
    delete(&store, 1);
    assert_eq!(of_us(&store).len(), 1);
    let (ours, segment) = (store.attachment.slot, Arc::clone(&store.attachment.segment));
    drop(store);
    assert!(segment.client(ours).spares.0.iter().all(|place| place.load(Ordering::SeqCst) == 0));
}

#[test]
fn a_rebuild_and_a_trim_have_nothing_put_aside() {
    let store = fresh("spare-rebuilt");
    for n in 0..4 {
        put(&store, &id(n));
        delete(&store, n);
    }
    assert_eq!(of_us(&store).len(), 1);
    store.attachment.locked(|locked| locked.rebuild()).unwrap();
    assert!(of_us(&store).is_empty() && free_entries(&store) != NONE);
    sound(&store);
    put(&store, &id(1));
    delete(&store, 1);
    assert!(store.trim().unwrap() > 0);
    assert!(of_us(&store).is_empty());
    sound(&store);
}

#[test]
fn a_spare_that_is_none_is_damage() {
    let store = fresh("spare-damaged");
    let there = put(&store, &id(1));
    put(&store, &id(2));
    delete(&store, 2);
    let mut places = store.attachment.segment.client(store.attachment.slot).spares.0.iter();
    let place = places.find(|place| place.load(Ordering::SeqCst) != 0).unwrap();
    let right = place.load(Ordering::SeqCst);
    let of = |index: u32| right & !((1 << INDEX_BITS) - 1) | index;
    // One that is used, one that there is not, one whose bytes have another length.
    for wrong in [of(there.index), of((1 << INDEX_BITS) - 1), right + (1 << INDEX_BITS)] {
        place.store(wrong, Ordering::SeqCst);
        let bytes = bytes_of(wrong);
        assert_eq!(create(&store, 3, bytes).unwrap_err().kind(), Kind::Corrupt, "{wrong:x}");
        // The rebuild has found it.
        create(&store, 3, bytes).unwrap();
        sound(&store);
        delete(&store, 3);
        place.store(0, Ordering::SeqCst);
        store.attachment.locked(|locked| locked.rebuild()).unwrap();
        create(&store, 3, 10).unwrap();
        delete(&store, 3);
    }
}
