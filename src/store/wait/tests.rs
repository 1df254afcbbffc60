//! Interest in objects, and how long spinning is worth while.

use super::super::testing::{fresh, id, Neighbour};
use super::*;
use crate::sync::atomic::AtomicU32;
use crate::sync::testing::wake;

/// Longer than anything takes here.
const WATCHDOG: Duration = Duration::from_secs(20);

#[test]
fn interest_sets_bits_until_the_last_one_ends() {
    let store = fresh("interest");
    let attachment = &*store.attachment;
    let bucket = |n: u32| attachment.hash(&id(n)).bucket() % BUCKETS;
    // Three in two buckets.
    let first = 1;
    let same = (2..).find(|n| bucket(*n) == bucket(first)).unwrap();
    let in_one_word = |n: u32| bucket(n) / 64 == bucket(first) / 64;
    let other = (2..).find(|n| bucket(*n) != bucket(first) && in_one_word(*n)).unwrap();
    let is_set = |n: u32| {
        let row = attachment.segment.bucket(bucket(n));
        row.iter().any(|word| word.load(Ordering::SeqCst) != 0)
    };
    let ids = [id(first), id(same), id(other), id(first)];
    let one = Interest::in_objects(attachment, &ids).unwrap();
    assert_eq!(one.buckets, [bucket(first), bucket(other)]);
    let bits = ids.iter().fold(0, |bits, id| bits | attachment.hash(id).wake_bit());
    assert_eq!(one.wake_bits, bits);
    let two = Interest::in_objects(attachment, &[id(same)]).unwrap();
    assert!(is_set(first) && is_set(other));
    drop(one);
    assert!(is_set(first) && !is_set(other));
    let kept = two.keep();
    assert!(is_set(first));
    Interest::end(attachment, &kept);
    assert!(!is_set(first));
    assert!(attachment.waiting.iter().all(|waiting| waiting.are_none()));
}

#[test]
fn a_look_that_cannot_have_the_lock_is_a_timeout_once_the_time_has_passed() {
    let store = fresh("busy");
    let wait = |timeout, slow: bool| {
        let waited: Result<()> = store.wait_until(&[id(1)], timeout, &mut || {
            if slow {
                clock::sleep(Duration::from_millis(2));
            }
            Err(Error::new(Kind::Busy, "who has it"))
        });
        let error = waited.unwrap_err();
        assert_eq!(error.message(), "who has it");
        error.kind()
    };
    assert_eq!(wait(Timeout::Poll, false), Kind::Timeout);
    assert_eq!(wait(Timeout::After(Duration::from_millis(1)), true), Kind::Timeout);
    assert_eq!(wait(Timeout::After(Duration::from_secs(600)), false), Kind::Busy);
    assert_eq!(wait(Timeout::Forever, false), Kind::Busy);
}

#[test]
fn spinning_is_tried_as_long_as_it_pays() {
    let store = fresh("spin");
    let attachment = &*store.attachment;
    let spin = |set: u32| attachment.spin.store(set, Ordering::Relaxed);
    let spun = || attachment.spin.load(Ordering::Relaxed);
    let bell = &attachment.segment.client(attachment.slot).bell.0;
    // Nobody rings: half as long next time, down to the least.
    for (before, after) in [(2000, 1000), (200, 100), (100, SPIN_LEAST), (SPIN_LEAST, SPIN_LEAST)] {
        spin(before);
        let begun = Instant::now();
        assert!(!attachment.spin_for(begun, doorbell::read(bell)));
        assert!(begun.elapsed() >= Duration::from_nanos(before.into()));
        assert_eq!(spun(), after);
    }
    // It was rung: twice as long, up to the most.
    let seen = doorbell::read(bell);
    doorbell::ring(bell, 1);
    for (before, after) in [(2000, 4000), (49_000, 50_000), (50_000, 50_000)] {
        spin(before);
        assert!(attachment.spin_for(Instant::now(), seen));
        assert_eq!(spun(), after);
    }
    for (cost, most) in
        [(0, 50_000), (12_500, 50_000), (20_000, 80_000), (125_000, 500_000), (u32::MAX, 500_000)]
    {
        attachment.wake_cost.store(cost, Ordering::Relaxed);
        assert_eq!(attachment.most(), most);
    }
}

#[test]
fn what_waking_costs_is_the_least_of_late() {
    let store = fresh("learn");
    let attachment = &*store.attachment;
    let micros = Duration::from_micros;
    let learn = |spun: u64, slept: u64, late: u64| {
        attachment.learn(micros(spun), Woken { slept: micros(slept), late: micros(late) });
        (attachment.wake_cost.load(Ordering::Relaxed), attachment.spin.load(Ordering::Relaxed))
    };
    attachment.spin.store(1000, Ordering::Relaxed);
    // Too long for spinning: only the cost is learnt.
    assert_eq!(learn(0, 1_000_000, 32), (32_000, 1000));
    assert_eq!(learn(0, 1_000_000, 20), (20_000, 1000));
    assert_eq!(learn(0, 1_000_000, 36), (21_000, 1000));
    // Rung soon: a quarter more than that next time, but never less than now, nor more than the most.
    assert_eq!(learn(2, 6, 21), (21_000, 10_000));
    assert_eq!(learn(1, 1, 21), (21_000, 10_000));
    assert_eq!(learn(40, 40, 21), (21_000, 84_000));
    assert_eq!(learn(84, 0, 21), (21_000, 84_000));
    assert_eq!(learn(0, 84, 21), (21_000, 84_000));
    // The most is too long, whatever paid off lately.
    attachment.spin.store(1000, Ordering::Relaxed);
    assert_eq!(learn(0, 84, 21), (21_000, 1000));
}

#[test]
fn who_is_told_what_to_look_for_besides_is_woken_by_either() {
    let store = fresh("besides");
    let attachment = &*store.attachment;
    let bell = &attachment.segment.client(attachment.slot).bell.0;
    let of_object = attachment.hash(&id(1)).wake_bit();
    let (other, none) = (of_object.rotate_left(1), of_object.rotate_left(2));
    let done = AtomicU32::new(0);
    // It goes to sleep again, as there was no ring.
    let is_woken_by = |bits: u32| {
        let begun = Instant::now();
        loop {
            match wake(bell, bits) == 1 {
                false if begun.elapsed() < Duration::from_secs(5) => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                woken => break woken,
            }
        }
    };
    let woken = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut check = || Ok((done.load(Ordering::SeqCst) == 1).then_some(()));
            store.wait_besides(&[id(1)], of_object | other, Timeout::After(WATCHDOG), &mut check).unwrap();
        });
        let woken = [is_woken_by(of_object), is_woken_by(other), wake(bell, none) == 1];
        done.store(1, Ordering::SeqCst);
        doorbell::ring(bell, u32::MAX);
        woken
    });
    assert_eq!(woken, [true, true, false]);
}

#[test]
fn who_has_reaped_looks_again_though_its_time_has_passed() {
    let store = fresh("reaped-late");
    let Neighbour { slot, .. } = Neighbour::new(&store, 70);
    let mut looks = 0;
    let waited = store.wait_until(&[id(1)], Timeout::After(Duration::from_millis(1)), &mut || {
        looks += 1;
        if looks == 2 {
            clock::sleep(SLICE);
        }
        let number = store.attachment.segment.client(slot).number.load(Ordering::SeqCst);
        Ok((number == 0).then_some(()))
    });
    waited.unwrap();
    assert_eq!(looks, 3);
}

#[test]
fn who_wakes_without_a_ring_is_asked_whether_its_wait_ends() {
    let store = fresh("asked");
    let waiter = std::thread::current().id();
    interrupt::set(Some(std::sync::Arc::new(move || std::thread::current().id() == waiter)));
    let mut looks = 0;
    let waited: Result<()> = store.wait_until(&[id(1)], Timeout::After(WATCHDOG), &mut || {
        looks += 1;
        Ok(None)
    });
    interrupt::set(None);
    assert_eq!(waited.unwrap_err().kind(), Kind::Interrupted);
    assert_eq!(looks, 2, "before it looks again");
}

#[test]
fn a_producer_is_asked_for_now_and_then_and_buried_only_when_dead() {
    let store = fresh("ask");
    let producer = Neighbour::new(&store, 70);
    producer.promises(&store, &id(1));
    // As if it had been asked for at that time.
    let poll = |asked: u64| {
        store.attachment.asked.store(asked, Ordering::Relaxed);
        store.get(&id(1), Timeout::Poll).err().unwrap().kind()
    };
    let late = u64::MAX / 2;
    assert_eq!([poll(late), poll(0)], [Kind::Timeout; 2], "it lives");
    drop(producer);
    let mut slot = Waited::new(id(1), None);
    store.attachment.asked.store(0, Ordering::Relaxed);
    assert!(!store.look_again(&mut slot, false).unwrap(), "a wait does not ask at its first look");
    assert_eq!(poll(late), Kind::Timeout, "too soon");
    assert_eq!(poll(0), Kind::ProcessorLost, "at once");
}

#[test]
fn who_waits_for_the_dead_waits_for_no_reaper() {
    let store = fresh("stopped-reaper");
    let producer = Neighbour::new(&store, 70);
    producer.promises(&store, &id(1));
    // It begins to reap, and goes on no more.
    let reaper = Neighbour::new(&store, 71);
    assert!(reaper.segment.liveness.begin_reaping(producer.number).unwrap());
    let bell = &store.attachment.segment.client(store.attachment.slot).bell.0;
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| store.get(&id(1), Timeout::After(WATCHDOG)).err().unwrap().kind());
        // Bit 0: it has looked, and sleeps.
        while doorbell::read(bell) & 1 == 0 {
            std::thread::yield_now();
        }
        drop(producer);
        assert_eq!(waiter.join().unwrap(), Kind::ProcessorLost);
    });
}
