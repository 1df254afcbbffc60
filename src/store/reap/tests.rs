//! Whose bits are cleared, and whose turn it is.

use super::super::testing::{fresh, id, put, Neighbour};
use super::*;

#[test]
fn one_bit_of_a_row_is_cleared() {
    for slot in [0, 1, 63, 64, 127] {
        let row = [AtomicU64::new(u64::MAX), AtomicU64::new(u64::MAX)];
        assert!(clear_slot(&row, slot));
        assert!(!clear_slot(&row, slot), "once");
        let at = slot as usize / 64;
        assert_eq!(row[at].load(Ordering::Relaxed), !(1 << (slot % 64)));
        assert_eq!(row[1 - at].load(Ordering::Relaxed), u64::MAX);
        assert!(!clear_slot(&row, 128));
    }
}

#[test]
fn a_turn_comes_after_a_while_and_when_the_clock_was_set_back() {
    let store = fresh("turns");
    let stamp = &store.attachment.segment.header().reap_stamp;
    let now = || epoch_nanos() / 1_000_000;
    let takes = |at: u64| {
        stamp.store(at, Ordering::Relaxed);
        store.reap_by_turn();
        let taken = stamp.load(Ordering::Relaxed);
        assert!(taken == at || taken.abs_diff(now()) < 60_000, "{taken} at {}", now());
        taken != at
    };
    assert!(takes(0) && takes(now() - 2 * TURN_MILLIS));
    assert!(takes(now() + 1_000_000) && takes(u64::MAX));
    // In the future, within one turn: no machine is so slow that it is past.
    assert!(!takes(now() + TURN_MILLIS / 2), "another has just looked");
}

#[test]
fn nobody_and_oneself_are_not_reaped() {
    let store = fresh("not-reaped");
    assert!(!store.attachment.reap(0));
    assert!(!store.attachment.reap(store.number()));
    assert_eq!((store.reap_all(), store.stat().unwrap().clients), (0, 1));
}

#[test]
fn the_dead_had_part_in_what_they_held_wanted_and_promised() {
    let store = fresh("part");
    // Beyond the first word of a row.
    let [dead, living] = [70, 71].map(|slot| Neighbour::new(&store, slot));
    let segment = &store.attachment.segment;
    let set_pin = |index| bit_of(segment.pins(index).unwrap(), dead.slot).unwrap().set();
    let set_want = |index| bit_of(segment.wants(index).unwrap(), dead.slot).unwrap().set();
    let [held, wanted, both, made, none] = [1, 2, 3, 4, 5].map(|n| put(&store, &id(n)).index);
    set_pin(held);
    set_want(wanted);
    set_pin(both);
    set_want(both);
    segment.entry(made).unwrap().producer.store(dead.number, Ordering::SeqCst);
    let promised = dead.promises(&store, &id(6)).index;
    let by_another = living.promises(&store, &id(7)).index;
    let parts = || {
        [held, wanted, both, promised, made, none, by_another]
            .map(|index| store.attachment.reap_entry(index, dead.number, dead.slot).unwrap())
    };
    assert_eq!(parts(), [true, true, true, true, false, false, false]);
    assert_eq!(parts(), [false; 7], "all of it was given back");
    let state = |index| Word(segment.entry(index).unwrap().state.load(Ordering::SeqCst)).state();
    assert_eq!([promised, made, by_another].map(state), [State::Failed, State::Sealed, State::Awaited]);
}
