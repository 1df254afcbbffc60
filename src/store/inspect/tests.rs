//! What is told of objects, clients and the store.

use super::super::testing::{fresh, id, put};
use super::super::{CreateSpec, DeleteMode};
use super::*;
use crate::timeout::Timeout;

#[test]
fn each_bit_of_a_row_is_a_slot() {
    let row = |words: &[u64]| {
        let words: Vec<AtomicU64> = words.iter().map(|word| AtomicU64::new(*word)).collect();
        slots_of(&words).collect::<Vec<_>>()
    };
    assert_eq!(row(&[0, 0]), []);
    assert_eq!(row(&[0b1010, 0, 1 | 1 << 63]), [1, 3, 128, 191]);
    assert_eq!(row(&[u64::MAX, u64::MAX]), Vec::from_iter(0..128));
}

#[test]
fn the_clients_of_an_object_and_the_objects_of_a_client_are_told() {
    let store = fresh("claims");
    put(&store, &id(1));
    let (held, wanted) = (store.get(&id(1), Timeout::Poll).unwrap(), store.want(&id(1)).unwrap());
    let info = store.info(&id(1)).unwrap();
    let number = store.number();
    assert_eq!((info.pinned_by, info.wanted_by), (vec![number], vec![number]));
    let told = || {
        let client = store.clients().unwrap().remove(0);
        (client.pins, client.pinned_bytes, client.wants)
    };
    assert_eq!(told(), (1, held.data().len() as u64, 1));
    drop((held, wanted));
    assert_eq!(told(), (0, 0, 0));
}

#[test]
fn an_object_is_told_to_be_kept_or_evictable_if_it_is() {
    let store = fresh("flags");
    for (n, keep, evictable) in [(1, false, false), (2, true, false), (3, false, true), (4, true, true)] {
        let spec = CreateSpec { keep, evictable, want: true, ..CreateSpec::default() };
        let _owned = store.create(&id(n), &spec).unwrap().seal().unwrap();
        let info = store.info(&id(n)).unwrap();
        assert_eq!((info.keep, info.evictable), (keep, evictable));
    }
}

#[test]
fn a_client_is_called_by_its_name_while_it_is_there() {
    let store = fresh("titles");
    store.set_client_name("the only one").unwrap();
    let (number, pid) = (store.number(), std::process::id());
    assert_eq!(store.client_title(number), format!("the only one (pid {pid}, client {number})"));
    assert_eq!(store.client_title(number + 1), format!("client {}, which has closed or crashed", number + 1));
    assert_eq!(store.client_title(0), "client 0, which has closed or crashed");
}

#[test]
fn free_bytes_are_counted_together_and_the_longest_run_of_them() {
    let store = fresh("free");
    let free = || {
        let stat = store.stat().unwrap();
        (stat.free, stat.largest_free)
    };
    let size = store.stat().unwrap().size;
    assert_eq!(free(), (size, size));
    let megabyte = CreateSpec { data_size: 1 << 20, keep: true, ..CreateSpec::default() };
    for n in [1, 2] {
        store.create(&id(n), &megabyte).unwrap().seal().unwrap();
    }
    store.delete(&id(1), DeleteMode::Now).unwrap();
    assert_eq!(free(), (size - (1 << 20), size - (2 << 20)));
}

#[test]
fn a_dead_client_is_counted_once_it_is_reaped() {
    let store = fresh("dead");
    let counts = || {
        let stat = store.stat().unwrap();
        (stat.clients, stat.reaped)
    };
    assert_eq!(counts(), (1, 0));
    // Nobody holds the lock that says that this one lives.
    let dead = store.attachment.segment.client(store.attachment.slot + 1);
    dead.number.store(store.number() + 100, Ordering::Release);
    assert_eq!(store.clients().unwrap().iter().map(|client| client.alive).collect::<Vec<_>>(), [true, false]);
    assert_eq!(counts(), (1, 0));
    assert_eq!(store.reap_all(), 1);
    assert_eq!(counts(), (1, 1));
}
