//! Who else is attached.

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
