//! An address leads to the object that has it now, and to no other.

use super::super::testing::{fresh, id};
use super::super::{CreateSpec, DeleteMode, Writer};
use super::*;
use crate::timeout::Timeout;

const SIZE: usize = 10_000;

fn writer(store: &Store, n: u32, size: usize) -> Writer {
    let spec = CreateSpec { data_size: size as u64, keep: true, ..CreateSpec::default() };
    store.create(&id(n), &spec).unwrap()
}

fn put(store: &Store, n: u32, size: usize) {
    writer(store, n, size).seal().unwrap();
}

/// The object and the place that an address leads to.
fn found(store: &Store, address: usize, length: usize) -> Option<(ObjectId, usize)> {
    store.find_address(address, length).map(|(buffer, at)| (buffer.id(), at))
}

#[test]
fn every_byte_that_was_got_leads_to_its_object() {
    let store = fresh("addresses");
    put(&store, 1, SIZE);
    put(&store, 2, SIZE);
    let [one, two] = [1, 2].map(|n| store.get(&id(n), Timeout::Poll).unwrap());
    for (n, buffer) in [(1, &one), (2, &two)] {
        let start = buffer.data().as_ptr().addr();
        assert_eq!(found(&store, start, SIZE), Some((id(n), 0)));
        assert_eq!(found(&store, start + 777, 8), Some((id(n), 777)));
        assert_eq!(found(&store, start + SIZE - 1, 1), Some((id(n), SIZE - 1)));
        assert_eq!(found(&store, start + SIZE - 1, 2), None, "beyond its end");
        assert_eq!(found(&store, start, SIZE + 1), None);
        assert_eq!(found(&store, start, usize::MAX), None);
        assert!(store.holds_address(start));
    }
    let elsewhere = [0u8; 8];
    assert_eq!(found(&store, elsewhere.as_ptr().addr(), 8), None);
    assert!(!store.holds_address(elsewhere.as_ptr().addr()));
    // What was found is pinned, and nothing else is.
    let (held, _) = store.find_address(one.data().as_ptr().addr(), 8).unwrap();
    drop((one, two));
    store.delete(&id(1), DeleteMode::Now).unwrap();
    assert_eq!((store.stat().unwrap().doomed, held.data().len()), (1, SIZE));
    drop(held);
    assert_eq!(store.stat().unwrap().objects, 1);
}

#[test]
fn what_is_small_or_of_another_store_leads_nowhere() {
    let (store, other) = (fresh("small-addresses"), fresh("other-addresses"));
    for (size, is_found) in [(4095, false), (4096, true)] {
        put(&store, size as u32, size);
        let buffer = store.get(&id(size as u32), Timeout::Poll).unwrap();
        let start = buffer.data().as_ptr().addr();
        assert_eq!(found(&store, start, 1).is_some(), is_found, "{size}");
        assert_eq!(found(&other, start, 1), None);
    }
}

#[test]
fn what_is_written_is_found_once_it_is_sealed() {
    let store = fresh("sealed-addresses");
    let mut writer = writer(&store, 1, SIZE);
    let start = writer.data_ptr().addr();
    // The question takes the marks; sealing sets one again.
    assert_eq!(found(&store, start, SIZE), None);
    writer.seal().unwrap();
    assert_eq!(found(&store, start, SIZE), Some((id(1), 0)));
    let buffer = store.get(&id(1), Timeout::Poll).unwrap();
    let read = buffer.data().as_ptr().addr();
    assert_ne!(read, start, "it is got through another mapping");
    assert_eq!(found(&store, read + 5, 1), Some((id(1), 5)));
}

#[test]
fn what_is_deleted_leads_nowhere_and_what_comes_after_it_is_found() {
    let store = fresh("stale-addresses");
    put(&store, 1, SIZE);
    let buffer = store.get(&id(1), Timeout::Poll).unwrap();
    let start = buffer.data().as_ptr().addr();
    assert_eq!(found(&store, start, 1), Some((id(1), 0)));
    store.delete(&id(1), DeleteMode::Now).unwrap();
    assert_eq!(found(&store, start, 1), None, "still held, but deleted");
    drop(buffer);
    // The same bytes, in two objects.
    put(&store, 2, SIZE / 2);
    put(&store, 3, SIZE / 2);
    let got = [2, 3].map(|n| store.get(&id(n), Timeout::Poll).unwrap());
    let starts = [&got[0], &got[1]].map(|buffer| buffer.data().as_ptr().addr());
    assert!(starts.contains(&start), "the bytes are used again");
    for (n, at) in [(2, starts[0]), (3, starts[1])] {
        assert_eq!(found(&store, at + 9, 100), Some((id(n), 9)));
    }
}

#[test]
fn the_map_keeps_no_more_than_there_is() {
    let store = fresh("many-addresses");
    for round in 0..40 {
        for n in 0..20 {
            // Of other sizes each time, so that the same bytes are cut anew.
            put(&store, n, 4096 + 64 * ((round * 7 + n as usize * 3) % 50));
        }
        let held: Vec<_> = (0..20).map(|n| store.get(&id(n), Timeout::Poll).unwrap()).collect();
        for (n, buffer) in (0..).zip(&held) {
            let start = buffer.data().as_ptr().addr();
            assert_eq!(found(&store, start, buffer.data().len()), Some((id(n), 0)), "round {round}");
        }
        drop(held);
        for n in 0..20 {
            store.delete(&id(n), DeleteMode::Now).unwrap();
        }
        let known = lock(&store.attachment.addresses.known).ranges.len();
        assert!(known <= 64 + 2 * 20 + 20, "{known} ranges in round {round}");
    }
}

/// Threads that get, ask and release at the same time: what a thread holds is found by it, whoever took the marks.
#[test]
fn threads_find_what_they_hold() {
    let store = fresh("threads-addresses");
    (0..64).for_each(|n| put(&store, n, 4096));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for turn in 0..500 {
                    let n = (turn * 5 + thread * 16) % 64;
                    let buffer = store.get(&id(n), Timeout::Poll).unwrap();
                    let start = buffer.data().as_ptr().addr();
                    assert_eq!(found(store, start, 4096), Some((id(n), 0)), "turn {turn} of thread {thread}");
                }
            });
        }
    });
}
