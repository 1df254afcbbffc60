//! Who follows a list while it changes meets all that is on it all the time.

use std::cell::Cell;

use super::super::testing::{fresh, put};
use super::super::{DeleteMode, Store};
use super::*;

const PREFIX: [u8; 4] = [7; 4];

fn member(number: u8) -> ObjectId {
    let mut bytes = [7; 20];
    bytes[19] = number;
    ObjectId::new(bytes)
}

fn declared(store: &Store) -> Step {
    let declaration = ObjectId::declaration(PREFIX);
    Step::of_declaration(put(store, &declaration), declaration)
}

fn delete(store: &Store, number: u8) {
    store.delete(&member(number), DeleteMode::Now).unwrap();
}

/// What is met if `change` is made when the member `at` is looked at for the `nth` time.
fn met(store: &Store, namespace: &Step, at: u8, nth: u32, change: impl Fn()) -> Vec<u8> {
    let looks = Cell::new(0);
    let right = |word: Word, id: &ObjectId| {
        if *id == member(at) {
            looks.set(looks.get() + 1);
            if looks.get() == nth {
                change();
            }
        }
        word.is_visible()
    };
    let steps = store.attachment.follow_namespace(namespace, right).unwrap();
    assert!(looks.get() >= nth, "the change was made");
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    steps.iter().map(|step| step.id.as_bytes()[19]).collect()
}

#[test]
fn who_comes_and_goes_leads_nobody_astray() {
    for nth in 1..6 {
        let store = fresh("follow");
        let namespace = declared(&store);
        for number in 1..=5 {
            put(&store, &member(number));
        }
        // The one that we are at, and the one before it, whose entries other objects get: the first of them in another namespace.
        let change = || {
            delete(&store, 2);
            delete(&store, 3);
            put(&store, &ObjectId::new([1; 20]));
            put(&store, &member(6));
        };
        let met = met(&store, &namespace, 3, nth, change);
        let stay: Vec<u8> = met.iter().copied().filter(|number| ![2, 3].contains(number)).collect();
        assert_eq!(stay, [1, 4, 5, 6], "{nth}: {met:?}");
    }
}

#[test]
fn what_is_behind_one_that_moves_to_the_end_is_met() {
    for nth in 1..6 {
        let store = fresh("follow-moved");
        let namespace = declared(&store);
        let keys = [1, 2, 3, 4].map(|number| put(&store, &member(number)));
        // As a call that is issued.
        let change = || {
            store
                .attachment
                .locked(|locked| {
                    let entry = locked.segment().entry(keys[1].index)?;
                    entry.sequence.store(locked.next_sequence(), Ordering::Relaxed);
                    locked.unlink(&member(2), keys[1].index)?;
                    locked.link(&member(2), keys[1].index)
                })
                .unwrap();
        };
        let mut met = met(&store, &namespace, 2, nth, change);
        met.sort_unstable();
        met.dedup();
        assert_eq!(met, [1, 2, 3, 4], "{nth}");
    }
}

#[test]
fn who_is_led_astray_all_the_time_gives_up() {
    let store = fresh("follow-changing");
    let namespace = declared(&store);
    put(&store, &member(1));
    let turns = Cell::new(0);
    for every in [1, 2] {
        // Never there, or gone whenever we come back to it.
        let right = |_: Word, _: &ObjectId| {
            turns.set(turns.get() + 1);
            turns.get() % every != 0
        };
        assert!(store.attachment.follow_namespace(&namespace, right).is_none());
    }
}

#[test]
fn a_list_that_is_a_ring_has_an_end_all_the_same() {
    let store = fresh("follow-ring");
    let namespace = declared(&store);
    let keys = [1, 2, 3].map(|number| put(&store, &member(number)));
    let next = &store.attachment.segment.entry(keys[2].index).unwrap().next;
    next.store(keys[0].index, Ordering::SeqCst);
    assert!(store.attachment.follow_namespace(&namespace, |word, _| word.is_visible()).is_none());
    next.store(NONE, Ordering::SeqCst);
}

#[test]
fn what_stays_is_met_beside_others_that_come_and_go_all_the_time() {
    let store = fresh("follow-busy");
    let namespace = declared(&store);
    let (stay, go) = (0..40u8, 100..200u8);
    for number in stay.clone() {
        put(&store, &member(100 + number));
        put(&store, &member(number));
    }
    let over = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in go.clone().cycle() {
                let _ = store.delete(&member(number), DeleteMode::Now);
                put(&store, &member(number));
                if over.load(Ordering::Relaxed) == 1 {
                    break;
                }
            }
        });
        let mut followed = 0;
        for _ in 0..2000 {
            let right = |word: Word, id: &ObjectId| word.is_visible() && id.prefix() == PREFIX;
            let Some(steps) = store.attachment.follow_namespace(&namespace, right) else { continue };
            followed += 1;
            let met: Vec<u8> = steps.iter().map(|step| step.id.as_bytes()[19]).collect();
            let stayed: Vec<u8> = met.iter().copied().filter(|number| stay.contains(number)).collect();
            assert_eq!(stayed, Vec::from_iter(stay.clone()), "{met:?}");
        }
        over.store(1, Ordering::Relaxed);
        assert!(followed > 1000, "{followed}");
    });
}
