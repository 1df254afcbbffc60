//! Whose bits are cleared, and whose turn it is.

use super::super::testing::fresh;
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
