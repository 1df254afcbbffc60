//! Hashes; looks without the lock: what is there is found, and what is found is there.

use std::collections::HashMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::super::testing::{fresh, id, put};
use super::super::{CreateSpec, DeleteMode, Store};
use super::*;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::testing::Stoppable;

/// All who use a store must agree on it, whatever build of the library they have. The values are those of another program.
#[test]
fn an_id_has_the_same_hash_in_every_build() {
    let counting: [u8; 20] = std::array::from_fn(|at| at as u8);
    for (bytes, seed, hash, bit) in [
        ([0; 20], 0, 0x2382_75bc_38fc_be91, 28),
        (counting, 0, 0x14c0_7106_3366_4897, 6),
        (counting, 0x0123_4567_89ab_cdef, 0x7e21_55ae_41b4_e81f, 20),
    ] {
        let found = Hash::of(&ObjectId::new(bytes), seed);
        assert_eq!(found.0, hash);
        assert_eq!((found.tag(), found.bucket()), ((hash >> 32) as u32, hash & 0xffff));
        assert_eq!(found.wake_bit(), 1 << bit);
    }
}

#[test]
fn a_miss_is_no_answer_while_entries_move() {
    let store = fresh("moves");
    put(&store, &id(1));
    std::thread::scope(|scope| {
        let finder = store.attachment.locked(|locked| {
            store.attachment.index().changes.begin();
            let slots = slots(&store);
            let before: Vec<u64> = slots.iter().map(|slot| slot.swap(0, Ordering::SeqCst)).collect();
            let finder = scope.spawn(|| store.contains(&id(1)).unwrap());
            // It looks meanwhile, most likely.
            std::thread::sleep(Duration::from_millis(50));
            for (slot, word) in slots.iter().zip(before) {
                slot.store(word, Ordering::SeqCst);
            }
            locked.index_rebuilt();
            Ok(finder)
        });
        assert!(finder.unwrap().join().unwrap(), "it was there all the time");
    });
}

fn slots(store: &Store) -> &[AtomicU64] {
    let segment = &store.attachment.segment;
    segment.index_slots(segment.header().index_level.load(Ordering::Acquire))
}

/// Two IDs that a slot of the index cannot tell apart.
fn alike(store: &Store) -> (ObjectId, ObjectId) {
    let mut seen = HashMap::new();
    (0..)
        .find_map(|n| {
            let before = seen.insert(store.attachment.hash(&id(n)).tag(), n)?;
            Some((id(before), id(n)))
        })
        .unwrap()
}

/// Ends another thread's loop, also when a test fails.
struct Ends<'a>(&'a AtomicU32);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(1, Ordering::SeqCst);
    }
}

/// An entry is one object's and another's by turns. Whoever has read its state and is then stopped reads the ID of a later
/// life: that state is not the object's.
#[test]
fn the_state_that_is_found_is_that_of_the_object() {
    let store = fresh("lives");
    let attachment = &store.attachment;
    let (ours, others) = alike(&store);
    let born = |id: &ObjectId| store.create(id, &CreateSpec::default()).unwrap();
    let first = born(&ours).key().unwrap();
    let [looks, stop] = [AtomicU32::new(0), AtomicU32::new(0)];
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            tell.send(Stoppable::this_thread()).unwrap();
            let (tag, mut wrong) = (attachment.hash(&ours).tag(), 0);
            while stop.load(Ordering::SeqCst) == 0 {
                if let Some((_, word)) = attachment.index().probe(tag, attachment.named(&ours)) {
                    wrong += u32::from((word.generation() - first.generation) % 2 == 1);
                }
                looks.fetch_add(1, Ordering::SeqCst);
            }
            wrong
        });
        let ends = Ends(&stop);
        let reading = told.recv().unwrap();
        let begun = Instant::now();
        // Where it is stopped is chance: as often as there is time for, and on a busy machine often enough.
        for round in 0.. {
            if round >= 200 && begun.elapsed() > Duration::from_millis(300) {
                break;
            }
            // In each life it looks at least once.
            let looks_once = || {
                let before = looks.load(Ordering::SeqCst);
                reading.go_on(|| looks.load(Ordering::SeqCst) != before);
            };
            let writer = born(&others);
            looks_once();
            reading.stop();
            drop(writer);
            let writer = born(&ours);
            assert_eq!(writer.key().unwrap().index, first.index);
            looks_once();
        }
        drop((reading, ends));
        assert_eq!(reader.join().unwrap(), 0, "the state of another object's life");
    });
}

#[test]
fn objects_that_a_slot_cannot_tell_apart_are_two() {
    let store = fresh("alike");
    let (one, other) = alike(&store);
    let keys = [put(&store, &one), put(&store, &other)];
    let found = |id: &ObjectId| store.attachment.find(id).unwrap().map(|(index, _)| index);
    assert_eq!([found(&one), found(&other)], keys.map(|key| Some(key.index)));
    // The first goes; the second closes the gap.
    store.delete(&one, DeleteMode::Now).unwrap();
    assert_eq!([found(&one), found(&other)], [None, Some(keys[1].index)]);
    put(&store, &one);
    store.delete(&other, DeleteMode::Now).unwrap();
    assert_eq!([found(&one).is_some(), found(&other).is_some()], [true, false]);
}

/// The index against a model of it: half full, so that most slots are not at home, and emptied again.
#[test]
fn an_index_holds_what_was_put_and_not_deleted() {
    let store = fresh("model");
    let mut there = Vec::new();
    let mut random = 1u32;
    let mut next = 0;
    for round in 0..3000u32 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let grows = if round < 1500 { 5 } else { 2 };
        if there.is_empty() || (random >> 8) % 8 < grows && there.len() < 1000 {
            put(&store, &id(next));
            there.push(next);
            next += 1;
        } else {
            let n = there.swap_remove((random >> 11) as usize % there.len());
            store.delete(&id(n), DeleteMode::Now).unwrap();
            assert!(!store.contains(&id(n)).unwrap());
        }
        if round % 100 == 0 {
            assert!(there.iter().all(|n| store.contains(&id(*n)).unwrap()));
            let full = slots(&store).iter().filter(|slot| slot.load(Ordering::Relaxed) != 0).count();
            assert_eq!(full, there.len());
            assert_eq!(store.check().unwrap(), Vec::<String>::new());
        }
    }
    for n in there {
        store.delete(&id(n), DeleteMode::Now).unwrap();
    }
    assert!(slots(&store).iter().all(|slot| slot.load(Ordering::Relaxed) == 0));
}
