//! Whose bits are set, and who is told what.

use super::super::inspect::slots_of;
use super::super::testing::{fresh, id, put};
use super::super::DeleteMode;
use super::*;

/// Changes an object.
fn change(store: &Store, id: &ObjectId) {
    if !store.delete(id, DeleteMode::Now).unwrap() {
        put(store, id);
    }
}

fn rung(lookout: &mut Lookout) -> Vec<usize> {
    let mut places = Vec::new();
    lookout.rung(|place| places.push(place)).unwrap();
    places.sort_unstable();
    places
}

#[test]
fn a_lookout_is_told_of_its_own_objects_each_time_once() {
    let store = fresh("told");
    let (mut both, mut one) = (store.lookout(), store.lookout());
    let a = id(1);
    let b = (2..).map(id).find(|id| one.bucket(id) != one.bucket(&a)).unwrap();
    let places = [both.add(&a).unwrap(), both.add(&b).unwrap()];
    let all = Vec::from_iter(places.iter().min().into_iter().chain(places.iter().max()).copied());
    let [of_a, of_b] = places;
    one.add(&a).unwrap();
    assert_eq!((rung(&mut both), rung(&mut one)), (vec![], vec![]));
    // The other lookout takes the marks; by its notes, what was told before is not told again.
    change(&store, &a);
    assert_eq!((rung(&mut one), rung(&mut both)), (vec![of_a], vec![of_a]));
    change(&store, &b);
    assert_eq!((rung(&mut both), rung(&mut one)), (vec![of_b], vec![]));
    // It finds notes of one, and a mark of the other.
    change(&store, &b);
    assert_eq!(rung(&mut one), []);
    change(&store, &a);
    assert_eq!((rung(&mut both), rung(&mut one)), (all, vec![of_a]));
    assert_eq!((rung(&mut both), rung(&mut one)), (vec![], vec![]));
}

#[test]
fn nobody_is_interested_in_what_was_taken_back_or_went_with_its_lookout() {
    let store = fresh("taken-back");
    let attachment = &store.attachment;
    let (mut one, mut other) = (store.lookout(), store.lookout());
    let a = id(1);
    let b = (2..).map(id).find(|id| one.bucket(id) != one.bucket(&a)).unwrap();
    let are_set = || {
        [&a, &b].map(|id| {
            let row = attachment.segment.bucket(attachment.hash(id).bucket() % BUCKETS);
            slots_of(row).any(|slot| slot == attachment.slot)
        })
    };
    one.add(&a).unwrap();
    one.add(&a).unwrap();
    other.add(&a).unwrap();
    other.add(&b).unwrap();
    assert_eq!(are_set(), [true, true]);
    drop(other);
    assert_eq!(are_set(), [true, false]);
    one.remove(&a);
    assert_eq!(are_set(), [true, false]);
    one.remove(&a);
    assert_eq!(are_set(), [false, false]);
    assert!(attachment.waiting.iter().all(|waiting| waiting.are_none()));
}

#[test]
fn a_lookout_sleeps_with_the_bits_of_what_was_added() {
    let store = fresh("wake-bits");
    let mut lookout = store.lookout();
    assert_eq!(lookout.wake_bits(), 0);
    let mut bits = 0;
    for n in 0..10 {
        lookout.add(&id(n)).unwrap();
        bits |= store.attachment.hash(&id(n)).wake_bit();
        assert_eq!(lookout.wake_bits(), bits);
    }
    assert_ne!(bits, 1);
}
