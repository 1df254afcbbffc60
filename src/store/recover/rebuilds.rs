//! Rebuilds with lost or wrong derived data, which is built again from the entries.

use super::super::entries::EntryKey;
use super::super::id::ObjectId;

use super::super::testing::{fresh, give_spares_back, id, put};
use super::super::want::Want;
use super::super::{CreateSpec, DeleteMode, Store};
use crate::error::{Error, Kind};
use crate::shm::heap::Region;
use crate::shm::layout::Entry;
use crate::timeout::Timeout;

use super::*;

/// An object in a namespace.
fn member(declaration: &Want, n: u32) -> ObjectId {
    let mut bytes = *declaration.id().as_bytes();
    bytes[16..].copy_from_slice(&n.to_be_bytes());
    ObjectId::new(bytes)
}

fn declare(store: &Store) -> Want {
    store.reserve(b"", &mut |prefix| Ok((prefix.to_vec(), Vec::new()))).unwrap()
}

fn call(store: &Store, declaration: &Want, n: u32) -> (Want, Vec<Want>) {
    let spec = CreateSpec { data_size: 10, want: true, ..CreateSpec::default() };
    let writer = store.create(&member(declaration, n), &spec).unwrap();
    store.issue(writer, declaration.key(), &[id(900 + n)]).unwrap()
}

/// Under the lock: fails with what makes the next holder rebuild.
fn damage(store: &Store, damage: impl FnOnce(&Locked<'_>)) {
    let failed = store.attachment.locked(|locked| -> Result<()> {
        damage(locked);
        Err(Error::new(Kind::Corrupt, "on purpose"))
    });
    assert_eq!(failed.unwrap_err().kind(), Kind::Corrupt);
}

fn entry<'a>(locked: &Locked<'a>, key: EntryKey) -> &'a Entry {
    locked.segment().entry(key.index).unwrap()
}

/// What a user sees of a store.
fn view(store: &Store, declarations: &[&Want]) -> Vec<String> {
    let mut seen: Vec<String> = store
        .list(&[])
        .unwrap()
        .iter()
        .map(|info| {
            format!("{} {:?} {} {} {:?}", info.id, info.key, info.state, info.data_size, info.wanted_by)
        })
        .collect();
    seen.sort();
    for declaration in declarations {
        let queue = store.queue(declaration.key(), 0).unwrap();
        assert!(queue.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
        seen.extend(queue.iter().map(|call| format!("{} {:?} {}", call.id, call.key, call.sequence)));
        let newest = queue.last().map_or(0, |call| call.sequence);
        assert!(!store.has_queued(declaration.key(), newest).unwrap());
        assert_eq!(newest == 0, !store.has_queued(declaration.key(), newest.saturating_sub(1)).unwrap());
    }
    let stat = store.stat().unwrap();
    seen.push(format!("{} {} {} {}", stat.objects, stat.used, stat.used_small, stat.namespaces));
    seen
}

#[test]
fn everything_derived_is_made_anew() {
    let store = fresh("rebuilt");
    let declarations = [declare(&store), declare(&store)];
    let both = [&declarations[0], &declarations[1]];
    let mut issued = Vec::new();
    for n in 1..=20 {
        put(&store, &id(n));
        issued.push(call(&store, both[n as usize % 2], n));
        put(&store, &member(both[0], 100 + n));
    }
    // Free entries, holes in the heap, and one that is deleted and held.
    for n in [3, 4, 9, 20] {
        store.delete(&id(n), DeleteMode::Now).unwrap();
        store.delete(&member(both[0], 100 + n), DeleteMode::Now).unwrap();
    }
    let held = store.get(&id(7), Timeout::Poll).unwrap();
    store.delete(&id(7), DeleteMode::Now).unwrap();
    let large = store.create(&id(50), &CreateSpec { data_size: 100_000, ..CreateSpec::default() }).unwrap();
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    let before = view(&store, &both);
    let recoveries = store.stat().unwrap().recoveries;
    let epoch = || store.attachment.segment.header().event_epoch.load(Ordering::SeqCst);
    let told = epoch();
    damage(&store, |locked| {
        let header = locked.segment().header();
        for word in [
            &header.entries_free,
            &header.declarations,
            &header.orphans,
            &header.orphans_last,
            &header.live,
            &header.subscribers,
        ] {
            word.store(12, Ordering::SeqCst);
        }
        header.sequence.store(1, Ordering::SeqCst);
        header.index_changes.0.begin();
        let level = header.index_level.load(Ordering::SeqCst);
        for (at, slot) in (7u64..).zip(locked.segment().index_slots(level)) {
            slot.store((at << 32) | (at % 60), Ordering::SeqCst);
        }
        for index in 0..header.entries_used.load(Ordering::SeqCst) {
            let entry = locked.segment().entry(index).unwrap();
            for word in [&entry.next, &entry.previous, &entry.extent] {
                word.store(index / 2, Ordering::SeqCst);
            }
        }
        for declaration in both {
            let entry = entry(locked, declaration.key());
            entry.first.store(1, Ordering::SeqCst);
            entry.last.store(2, Ordering::SeqCst);
            entry.newest_call.store(u64::MAX, Ordering::SeqCst);
        }
        locked.heap().reset();
    });
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    assert_eq!(view(&store, &both), before);
    assert_eq!(store.stat().unwrap().recoveries, recoveries + 1);
    assert_ne!(epoch(), told, "readers of the log must list again");
    // New numbers come after all that are there; and everything goes on.
    issued.push(call(&store, both[0], 21));
    let queue = store.queue(both[0].key(), 0).unwrap();
    assert!(queue.windows(2).all(|pair| pair[0].sequence < pair[1].sequence) && queue.len() == 11);
    assert!(held.data().len() == 10 && large.key().is_some());
    large.seal().unwrap();
    drop((held, issued));
    for n in 1..=30 {
        put(&store, &id(600 + n));
    }
    let [one, other] = declarations;
    drop(other);
    store.delete(&one.id(), DeleteMode::Now).unwrap();
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn what_makes_no_sense_is_given_up_and_the_rest_stays() {
    let store = fresh("given-up");
    let declaration = declare(&store);
    let keys: Vec<EntryKey> = (0..8).map(|n| put(&store, &id(n))).collect();
    let offset =
        |key: EntryKey| store.attachment.segment.entry(key.index).unwrap().offset.load(Ordering::SeqCst);
    let (second, end) = (offset(keys[1]), store.attachment.segment.geometry().file_size);
    damage(&store, |locked| {
        // Beyond the file, not aligned, larger than all, and where another lies.
        entry(locked, keys[2]).offset.store(end, Ordering::SeqCst);
        entry(locked, keys[3]).offset.fetch_add(1, Ordering::SeqCst);
        entry(locked, keys[4]).data_size.store(u64::MAX, Ordering::SeqCst);
        entry(locked, keys[5]).offset.store(second, Ordering::SeqCst);
        // The name of another.
        let name = entry(locked, keys[0]).id[4].load(Ordering::SeqCst);
        entry(locked, keys[6]).id[4].store(name, Ordering::SeqCst);
    });
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    let there: Vec<bool> = (0..8).map(|n| store.contains(&id(n)).unwrap()).collect();
    // Of two in one place, or of one name, one stays.
    assert_eq!([2, 3, 4].map(|n: usize| there[n]), [false; 3]);
    assert!(there[0] && there[7] && there[1] != there[5] && !there[6]);
    assert!(store.contains(&declaration.id()).unwrap());
    // A second declaration of a prefix, likewise.
    let other = declare(&store);
    damage(&store, |locked| {
        let words = [&declaration, &other].map(|want| &entry(locked, want.key()).id);
        for (word, to) in words[0].iter().zip(words[1]) {
            to.store(word.load(Ordering::SeqCst), Ordering::SeqCst);
        }
    });
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    assert_eq!(store.stat().unwrap().namespaces, 1);
}

#[test]
fn what_nobody_holds_or_creates_is_freed() {
    let store = fresh("freed");
    let keys: Vec<EntryKey> = (0..4).map(|n| put(&store, &id(n))).collect();
    let writer = store.create(&id(10), &CreateSpec { data_size: 5000, ..CreateSpec::default() }).unwrap();
    let created = writer.key().unwrap();
    let creating = store.create(&id(11), &CreateSpec { data_size: 5000, ..CreateSpec::default() }).unwrap();
    damage(&store, |locked| {
        // Dead after dooming.
        entry(locked, keys[1]).state.doom(keys[1].generation).unwrap();
    });
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    assert_eq!(store.stat().unwrap().objects, 5);
    damage(&store, |locked| {
        // Dead after the birth of what it never got: that is swept, and all else that is over with it.
        locked.attachment.bit(locked.segment().pins(created.index).unwrap()).unwrap().clear();
    });
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    assert_eq!(store.stat().unwrap().objects, 4);
    let is_there = |key| store.attachment.locked(|locked| Ok(locked.entry_of(key)?.is_some())).unwrap();
    assert!(!is_there(created) && is_there(keys[0]));
    assert!(!store.contains(&id(1)).unwrap() && [0, 2, 3].iter().all(|n| store.contains(&id(*n)).unwrap()));
    drop(writer);
    // A new life in its entry is not what the late writer drops.
    creating.seal().unwrap();
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    let above = store.attachment.locked(|locked| Ok(locked.heap().above(Region::Large))).unwrap();
    assert!(above.0 <= above.1);
}

/// Puts an object of so many bytes; its life.
fn sized(store: &Store, id: &ObjectId, data_size: u64) -> EntryKey {
    let writer = store.create(id, &CreateSpec { data_size, keep: true, ..CreateSpec::default() }).unwrap();
    let key = writer.key().unwrap();
    writer.seal().unwrap();
    key
}

#[test]
fn objects_whose_bytes_lie_in_another_order_than_their_entries_stay() {
    let store = fresh("bytes-order");
    for (n, size) in [(1, 10), (2, 10), (3, 2200), (4, 10)] {
        sized(&store, &id(n), size);
    }
    // The entry that is freed last is taken first: each gets the other's.
    for n in [1, 3] {
        store.delete(&id(n), DeleteMode::Now).unwrap();
    }
    give_spares_back(&store);
    let keys = [sized(&store, &id(5), 10), sized(&store, &id(6), 2200)];
    let offsets =
        keys.map(|key| store.attachment.segment.entry(key.index).unwrap().offset.load(Ordering::SeqCst));
    assert!(keys[0].index > keys[1].index && offsets[0] < offsets[1], "{keys:?} at {offsets:?}");
    let before = view(&store, &[]);
    damage(&store, |_| {});
    assert_eq!(view(&store, &[]), before);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn bytes_anywhere_in_the_largest_store_are_put_in_order() {
    let store = fresh("bytes-far");
    let keys = [1, 2, 3].map(|n| put(&store, &id(n)));
    let far = [(8 << 40) - ALIGN, (1 << 42) + ALIGN, 2 * ALIGN];
    let mut order = Vec::new();
    damage(&store, |locked| {
        let entries = keys.map(|key| entry(locked, key));
        let near = entries.map(|entry| entry.offset.load(Ordering::SeqCst));
        for (entry, offset) in entries.iter().zip(far) {
            entry.offset.store(offset, Ordering::SeqCst);
        }
        let count = locked.gather().unwrap();
        let words = &locked.segment().scratch()[..count];
        sort(words);
        order.extend(words.iter().map(|word| index_of(word.load(Ordering::SeqCst))));
        for (entry, offset) in entries.iter().zip(near) {
            entry.offset.store(offset, Ordering::SeqCst);
        }
    });
    assert_eq!(order, [keys[2].index, keys[1].index, keys[0].index]);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn calls_keep_their_order_however_many_were_issued_before() {
    let store = fresh("calls-order");
    // The sequence runs over the bits that it is sorted by.
    store.attachment.segment.header().sequence.store((1 << 38) - 12, Ordering::SeqCst);
    let declaration = declare(&store);
    let spec = CreateSpec { data_size: 10, want: true, ..CreateSpec::default() };
    let mut writers: Vec<_> =
        (1..=8).map(|n| store.create(&member(&declaration, n), &spec).unwrap()).collect();
    // Not in the order of their entries.
    writers.reverse();
    let mut issued = Vec::new();
    for writer in writers {
        issued.push(store.issue(writer, declaration.key(), &[]).unwrap());
    }
    let queue = store.queue(declaration.key(), 0).unwrap();
    assert!(queue[0].sequence < 1 << 38 && queue[7].sequence > (1 << 38) + 1, "{queue:?}");
    let before = view(&store, &[&declaration]);
    damage(&store, |_| {});
    assert_eq!(view(&store, &[&declaration]), before);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_creator_pins_what_it_creates_in_whatever_slot_it_is() {
    let store = fresh("creator-slots");
    let index = put(&store, &id(1)).index;
    let slots = store.attachment.segment.geometry().max_clients;
    let pinned = |slot: u32| {
        store.attachment.locked(|locked| {
            let bit = bit_of(locked.segment().pins(index)?, slot).unwrap();
            bit.set();
            let found: Result<Vec<bool>> = (0..slots).map(|slot| locked.is_pinned_by(index, slot)).collect();
            bit.clear();
            found
        })
    };
    for slot in [0, 1, 63, 64, 130, 255] {
        let only: Vec<bool> = (0..slots).map(|other| other == slot).collect();
        assert_eq!(pinned(slot).unwrap(), only, "slot {slot}");
    }
}
