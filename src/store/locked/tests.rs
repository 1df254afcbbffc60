//! Who else is attached, how long the lock is waited for, and what is told of a rebuild.

use super::super::testing::fresh;
use super::*;

/// A number that another description of the file keeps alive, and one that nobody has.
const LIVING: u32 = 1000;
const DEAD: u32 = 1001;

#[test]
fn a_client_is_seen_in_every_slot() {
    let store = fresh("others");
    let attachment = &store.attachment;
    let segment = &attachment.segment;
    let another = Segment::open(&attachment.place, None, false).unwrap();
    another.liveness.be(LIVING, another.file()).unwrap();
    let others = || attachment.locked(|locked| Ok(locked.others())).unwrap();
    let seat = |slot: u32, number: u32| segment.client(slot).number.store(number, Ordering::Release);
    let last = segment.geometry().max_clients - 1;
    assert_eq!(others(), Others::None);
    for slot in (0..=last).filter(|slot| *slot != attachment.slot) {
        seat(slot, DEAD);
        assert_eq!(others(), Others::Dead, "slot {slot}");
        seat(slot, LIVING);
        assert_eq!(others(), Others::Living, "slot {slot}");
        seat(slot, 0);
    }
    // Ours, too, if we were in another.
    let in_ours = attachment.locked(|locked| {
        seat(attachment.slot, LIVING);
        let others = locked.others();
        seat(attachment.slot, attachment.number);
        Ok(others)
    });
    assert_eq!(in_ours.unwrap(), Others::Living);
    assert_eq!(others(), Others::None);
    // The dead do not hide the living, before or behind them.
    for [dead, living] in [[1, last], [last, 1]] {
        seat(dead, DEAD);
        seat(living, LIVING);
        assert_eq!(others(), Others::Living);
        seat(dead, 0);
        seat(living, 0);
    }
    // Whoever leaves beside them leaves the store; alone, it takes it along.
    seat(last, LIVING);
    assert!(!store.is_gone());
    drop(another);
    assert_eq!(others(), Others::Dead);
}

#[test]
fn a_client_is_found_in_its_slot_until_its_reaping_has_begun() {
    let store = fresh("seats");
    let attachment = &store.attachment;
    assert_eq!(attachment.slot_of(attachment.number), Some(attachment.slot));
    assert_eq!(attachment.slot_of(LIVING), None);
    for slot in [2, attachment.segment.geometry().max_clients - 1] {
        let client = attachment.segment.client(slot);
        client.number.store(LIVING, Ordering::Release);
        assert_eq!(attachment.slot_of(LIVING), Some(slot));
        assert!(attachment.is_in(slot, LIVING));
        assert!(!attachment.is_in(slot, attachment.number) && !attachment.is_in(attachment.slot, LIVING));
        client.dying.store(1, Ordering::Release);
        assert!(!attachment.is_in(slot, LIVING) && !attachment.is_in(slot, attachment.number));
        assert_eq!(attachment.slot_of(LIVING), None);
        client.dying.store(0, Ordering::Release);
        client.number.store(0, Ordering::Release);
    }
}

#[test]
fn a_thread_is_as_patient_as_the_innermost_function_that_it_is_in() {
    let patience = || PATIENCE.with(Cell::get);
    let second = Duration::from_secs(1);
    assert_eq!(patience(), LOCK_PATIENCE);
    {
        let _wait = Patience::of(Timeout::After(second));
        assert_eq!(patience(), second);
        {
            let _poll = Patience::of(Timeout::Poll);
            assert_eq!(patience(), LEAVE_PATIENCE);
        }
        assert_eq!(patience(), second);
    }
    assert_eq!(patience(), LOCK_PATIENCE);
}

#[test]
fn the_first_building_is_told_from_a_rebuild() {
    let store = fresh("first-building");
    let recoveries = &store.attachment.segment.header().recoveries;
    for (before, fresh) in [(NEVER_BUILT, true), (0, false), (1, false)] {
        recoveries.store(before, Ordering::Relaxed);
        let built = store.attachment.locked(|locked| locked.rebuild_timed()).unwrap();
        assert_eq!(built.fresh, fresh, "{before}");
    }
}
