//! Coming in: who gets a slot, and who is told that there is none. What one process has for itself.

use super::super::testing::{fresh, id, put, DEAD};
use super::*;
use crate::timeout::Timeout;

/// A number that another description of the file keeps alive.
const LIVING: u32 = 1000;

fn come_in(store: &Store) -> Result<Option<Attachment>> {
    let place = store.attachment.place.clone();
    let segment = Segment::open(&place, None, false)?;
    Attachment::attach(segment, place, &StoreOptions::default())
}

/// All slots of a store taken by the living. Left when this goes.
struct Crowd<'a> {
    store: &'a Store,
    _living: Segment,
}

impl Crowd<'_> {
    fn in_store(store: &Store) -> Crowd<'_> {
        let living = Segment::open(&store.attachment.place, None, false).unwrap();
        living.liveness.be(LIVING, living.file()).unwrap();
        let crowd = Crowd { store, _living: living };
        crowd.others().for_each(|slot| crowd.seat(slot, LIVING));
        crowd
    }

    fn others(&self) -> impl Iterator<Item = u32> {
        let own = self.store.attachment.slot;
        (0..self.store.attachment.segment.geometry().max_clients).filter(move |slot| *slot != own)
    }

    fn seat(&self, slot: u32, number: u32) {
        self.store.attachment.segment.client(slot).number.store(number, Ordering::Release);
    }
}

impl Drop for Crowd<'_> {
    fn drop(&mut self) {
        self.others().for_each(|slot| self.seat(slot, 0));
    }
}

#[test]
fn who_finds_no_slot_is_told_so_and_leaves_no_trace() {
    let store = fresh("crowd");
    let crowd = Crowd::in_store(&store);
    let error = come_in(&store).err().unwrap();
    assert_eq!(error.kind(), Kind::LimitReached, "{error}");
    assert!(crowd
        .others()
        .all(|slot| store.attachment.segment.client(slot).number.load(Ordering::Relaxed) == LIVING));
    assert!(!store.is_gone());
    store.attachment.here().unwrap();
}

#[test]
fn who_finds_no_slot_takes_that_of_a_dead_client() {
    let store = fresh("crowd-dead");
    let crowd = Crowd::in_store(&store);
    crowd.seat(9, DEAD.0);
    let newcomer = come_in(&store).unwrap().unwrap();
    assert_eq!((newcomer.slot, newcomer.number), (9, store.number() + 1));
    drop(newcomer);
    assert_eq!(store.attachment.segment.client(9).number.load(Ordering::Relaxed), 0);
}

#[test]
fn a_full_store_that_lost_its_name_is_not_the_one_to_come_into() {
    let store = fresh("crowd-nameless");
    let crowd = Crowd::in_store(&store);
    let place = store.attachment.place.clone();
    let segments = [(); 2].map(|()| Segment::open(&place, None, false).unwrap());
    std::fs::remove_file(&place.file).unwrap();
    let [full, with_room] = segments.map(|segment| {
        let came = Attachment::attach(segment, place.clone(), &StoreOptions::default()).unwrap();
        // The next one finds a slot.
        crowd.seat(9, 0);
        came
    });
    assert!(full.is_none() && with_room.is_none());
    assert_eq!(store.attachment.segment.client(9).number.load(Ordering::Relaxed), 0);
}

#[test]
fn a_store_that_goes_and_comes_is_tried_a_few_times_at_once_and_then_for_a_while() {
    let later = clock::now() + Duration::from_secs(600);
    let past = clock::now().checked_sub(Duration::from_millis(1)).unwrap();
    let tries = |attempt| [past, later].map(|until| tries_again(attempt, until));
    assert_eq!([0, 1, 2].map(tries), [[true, true]; 3]);
    assert_eq!([3, 4, u32::MAX].map(tries), [[false, true]; 3]);
}

#[test]
fn what_went_is_forgotten_when_the_next_store_is_opened() {
    let store = fresh("forgotten");
    let held = Arc::downgrade(store.attachment.attachment());
    let is_known = || lock(REGISTRY.get()).values().any(|known| known.ptr_eq(&held));
    assert!(is_known());
    drop(store);
    let _next = fresh("not-forgotten");
    assert!(!is_known());
}

#[test]
fn who_is_taken_for_dead_uses_the_store_no_more() {
    let store = fresh("taken");
    let attachment = &store.attachment;
    put(&store, &id(1));
    let client = attachment.segment.client(attachment.slot);
    let refused = || {
        assert_eq!(attachment.here().err().map(|error| error.kind()), Some(Kind::Io));
        assert_eq!(store.get(&id(1), Timeout::Poll).err().map(|error| error.kind()), Some(Kind::Io));
    };
    // Our slot is another's.
    client.number.store(LIVING, Ordering::Release);
    refused();
    client.number.store(attachment.number, Ordering::Release);
    // We are being reaped.
    client.dying.store(1, Ordering::Release);
    refused();
    client.dying.store(0, Ordering::Release);
    assert!(store.get(&id(1), Timeout::Poll).is_ok());
}

#[test]
fn counts_of_pins_are_there_before_an_entry_is_used() {
    let store = fresh("counts");
    let attachment = &store.attachment;
    assert!(attachment.pins[0].get().is_none());
    attachment.ready_pins();
    assert_eq!(attachment.pins_ready.load(Ordering::Relaxed), attachment.segment.objects_reserved());
    assert!(attachment.pins[0].get().is_some());
}

#[test]
fn the_pins_of_an_entry_are_counted_under_one_mutex() {
    let store = fresh("pin-lines");
    let attachment = &store.attachment;
    let most = attachment.segment.geometry().max_objects;
    let places: Vec<_> = (0..most).map(|index| attachment.pin_word(index).unwrap()).collect();
    let mut words = std::collections::HashSet::new();
    for (index, (word, mutex)) in (0u32..).zip(&places) {
        assert!(words.insert(std::ptr::from_ref(*word)), "the word of {index} is another's, too");
        let again = attachment.pin_word(index).unwrap();
        assert!(std::ptr::eq(again.0, *word) && std::ptr::eq(again.1, *mutex));
        let apart = std::ptr::from_ref(*word).addr().abs_diff(std::ptr::from_ref(*mutex).addr());
        assert!(apart < 64, "the mutex of {index} is {apart} bytes away");
    }
    assert!(attachment.pin_word(u32::MAX).is_err());
}
