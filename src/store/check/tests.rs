//! `check` sees every kind of damage: all other tests rely on what it says.

use super::super::entries::EntryKey;
use super::super::testing::{fresh, give_spares_back, id, put};
use super::super::{CreateSpec, DeleteMode, ObjectId};
use super::*;
use crate::shm::layout::Entry;
use crate::sync::atomic::AtomicU32;
use crate::sync::life::StateWord;

/// A word of either size, as a number.
trait Damaged {
    fn swap(&self, value: u64) -> u64;
}

impl Damaged for AtomicU32 {
    fn swap(&self, value: u64) -> u64 {
        self.swap(low_half(value), Ordering::SeqCst).into()
    }
}

impl Damaged for AtomicU64 {
    fn swap(&self, value: u64) -> u64 {
        self.swap(value, Ordering::SeqCst)
    }
}

impl Damaged for StateWord {
    fn swap(&self, value: u64) -> u64 {
        self.swap(value)
    }
}

/// One word is damaged: this is said, and nothing when it is as it was.
fn says(store: &Store, word: &impl Damaged, value: u64, text: &str) {
    let right = word.swap(value);
    let wrong = store.check().unwrap();
    word.swap(right);
    assert!(wrong.iter().any(|line| line.contains(text)), "not '{text}' for {value} in {wrong:?}");
    assert_eq!(store.check().unwrap(), Vec::<String>::new(), "after '{text}'");
}

#[test]
fn each_kind_of_damage_is_seen() {
    let store = fresh("checked");
    let segment = &store.attachment.segment;
    let header = segment.header();
    let declaration = store.reserve(b"", &mut |prefix| Ok((prefix.to_vec(), Vec::new()))).unwrap();
    let keys: Vec<EntryKey> = (0..5).map(|n| put(&store, &id(n))).collect();
    let calls: Vec<_> = (1..=3u8)
        .map(|n| {
            let mut call = *declaration.id().as_bytes();
            call[19] = n;
            let spec = CreateSpec { data_size: 10, want: true, ..CreateSpec::default() };
            let writer = store.create(&ObjectId::new(call), &spec).unwrap();
            store.issue(writer, declaration.key(), &[]).unwrap().0
        })
        .collect();
    let mut member = *declaration.id().as_bytes();
    member[19] = 9;
    let member = put(&store, &ObjectId::new(member));
    store.delete(&id(2), DeleteMode::Now).unwrap();
    give_spares_back(&store);
    let entry = |key: EntryKey| -> &Entry { segment.entry(key.index).unwrap() };
    let state = |key: EntryKey| Word(entry(key).state.load(Ordering::SeqCst));
    let has = |word: &AtomicU32| u64::from(word.load(Ordering::SeqCst));
    let none = u64::from(NONE);

    let pins = |key: EntryKey, word| segment.pins(key.index).unwrap().into_iter().nth(word).unwrap();
    says(&store, &header.subscribers, 1, "0 clients read the event log, but the count is 1");
    says(&store, &header.live, has(&header.live) + 1, "the count of objects is");
    says(&store, pins(keys[0], 0), 1 << 5, "the pins refer to slot 5, which is free");
    says(&store, pins(keys[2], 1), 1 << 6, "the pins refer to slot 70, which is free");
    says(
        &store,
        &segment.wants(keys[0].index).unwrap()[1],
        3 << 5,
        "the wants refer to slot 70, which is free",
    );
    let doomed = state(keys[1]).with(State::Doomed).0;
    says(&store, &entry(keys[1]).state, doomed, "is doomed and not pinned");
    says(
        &store,
        &entry(keys[1]).state,
        state(keys[1]).freed().0,
        "should be on a list and is not, or the other way round",
    );
    let name = has(&entry(keys[0]).id[4]);
    says(&store, &entry(keys[1]).id[4], name, "has two entries");

    // The index.
    let level = header.index_level.load(Ordering::SeqCst);
    let slots = segment.index_slots(level);
    let full = slots.iter().find(|slot| slot.load(Ordering::SeqCst) != 0).unwrap();
    says(&store, full, 0, "is not found through the index");
    let empty = slots.iter().find(|slot| slot.load(Ordering::SeqCst) == 0).unwrap();
    says(&store, empty, u64::from(keys[2].index) + 1, "which has no visible object");
    says(&store, empty, u64::from(NONE), "which has no visible object");
    header.index_changes.0.begin();
    assert!(store.check().unwrap()[0].contains("no client is changing it"));
    header.index_changes.0.end();

    // The lists.
    says(&store, &entry(keys[0]).next, none, "should be on a list and is not, or the other way round");
    says(&store, &entry(declaration.key()).first, u64::from(keys[0].index), "is on two lists");
    says(&store, &header.declarations, none, "should be on a list and is not, or the other way round");
    says(&store, &header.entries_free, none, "1 entries are free, but 0 are listed");
    says(
        &store,
        &header.entries_free,
        u64::from(keys[4].index),
        "is on the list of free entries, but is not free",
    );
    let late = u64::MAX >> 1;
    says(&store, &entry(calls[0].key()).sequence, late, "is out of order in its queue");
    says(&store, &entry(calls[2].key()).sequence, 0, "is out of order in its queue");
    // Others have no order, in a namespace or out of it.
    for key in [keys[4], member] {
        entry(key).sequence.store(0, Ordering::SeqCst);
    }
    assert_eq!(store.check().unwrap(), Vec::<String>::new());

    // The heap.
    let extent = segment.extent(entry(keys[3]).extent.load(Ordering::SeqCst)).unwrap();
    let (offset, size) = (extent.offset.load(Ordering::SeqCst), extent.size.load(Ordering::SeqCst));
    says(&store, &extent.offset, offset + 64, "begins at");
    says(&store, &extent.size, size + 64, "begins at");
    says(&store, &extent.size, size & !1, "free and not joined");
    let used = segment.heap().small.used.load(Ordering::SeqCst);
    says(&store, &segment.heap().small.used, used + 64, "counted as used");
    let map = has(&segment.heap().small.second_map[3]);
    says(&store, &segment.heap().small.second_map[3], map ^ 1, "is marked wrongly");
    says(&store, &entry(keys[3]).offset, offset + 64, "is no object's");
}
