//! Waiting and ringing: no change is missed, and nobody sleeps for ever.

use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use sdp_dal::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use sdp_dal::sync::doorbell::{self, Bell, Sleepers};
use sdp_dal::sync::futex::EVERY_BIT;
use sdp_dal::sync::ring::{ring, ring_for_all, take, Client, Waiters};
use sdp_dal::sync::row::RowBit;

use crate::search;

/// A client that waits for two things, each of which has a bucket, and those who bring them.
#[derive(Default)]
struct Listener {
    buckets: [Bucket; 2],
    marks: [AtomicU64; 1],
    bell: Bell,
    sleepers: Sleepers,
}

#[derive(Default)]
struct Bucket {
    row: [AtomicU64; 1],
    waiters: Waiters,
    there: AtomicU32,
}

impl Bucket {
    fn bit(&self) -> RowBit<'_> {
        RowBit { word: &self.row[0], mask: 1 }
    }

    fn is_there(&self) -> bool {
        self.there.load(Ordering::Acquire) != 0
    }
}

impl Listener {
    fn new() -> Arc<Listener> {
        Arc::new(Listener::default())
    }

    fn sleep(&self, seen: u32) {
        let _ = doorbell::sleep(&self.bell, &self.sleepers, seen, EVERY_BIT, Duration::from_secs(1));
    }

    /// As `store::wait`'s `Interest` and `sleep_until`.
    fn wait_for(&self, nth: usize) {
        let bucket = &self.buckets[nth];
        bucket.waiters.join(bucket.bit());
        loop {
            let seen = doorbell::read(&self.bell);
            if bucket.is_there() {
                break;
            }
            self.sleep(seen);
        }
        bucket.waiters.leave(bucket.bit());
    }

    /// As `store::lookout`: looks at all once, and then only at what is marked.
    fn look_out(&self, many: usize) {
        let mut found = [false; 2];
        for (bucket, found) in self.buckets.iter().zip(&mut found).take(many) {
            bucket.waiters.join(bucket.bit());
            *found = bucket.is_there();
        }
        loop {
            let seen = doorbell::read(&self.bell);
            take(&self.marks, |nth| {
                if nth < many {
                    found[nth] |= self.buckets[nth].is_there();
                }
            });
            if found.iter().take(many).all(|found| *found) {
                break;
            }
            self.sleep(seen);
        }
    }

    fn change(&self, nth: usize) {
        self.buckets[nth].there.store(1, Ordering::Release);
    }

    /// A change without the lock, and its ring.
    fn bring(&self, nth: usize) {
        self.change(nth);
        ring(&self.buckets[nth].row, EVERY_BIT, |slot| {
            assert_eq!(slot, 0);
            Client { bell: &self.bell, mark: Some((&self.marks[0], 1 << nth)) }
        });
    }

    fn start<T: 'static>(
        self: &Arc<Listener>,
        run: impl FnOnce(&Listener) -> T + 'static,
    ) -> thread::JoinHandle<T> {
        let listener = self.clone();
        thread::spawn(move || run(&listener))
    }
}

#[test]
fn a_ring_is_never_lost() {
    search(4, || {
        let listener = Listener::new();
        let waiter = listener.start(|listener| listener.wait_for(0));
        listener.bring(0);
        waiter.join().unwrap();
    });
}

#[test]
fn two_sleepers_of_a_process_are_woken_by_a_ring_each() {
    search(3, || {
        let listener = Listener::new();
        let waiters = [0, 1].map(|nth| listener.start(move |listener| listener.wait_for(nth)));
        listener.bring(0);
        listener.bring(1);
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert_eq!(doorbell::read(&listener.bell) & 1, 0, "nobody sleeps, but the bell says so");
        assert!(listener.buckets.iter().all(|bucket| bucket.row[0].load(Ordering::SeqCst) == 0));
    });
}

/// The second of them finds the bit set.
#[test]
fn two_sleepers_behind_one_bit_are_woken_by_one_ring() {
    search(2, || {
        let listener = Listener::new();
        let waiters = [0, 0].map(|nth| listener.start(move |listener| listener.wait_for(nth)));
        listener.bring(0);
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert_eq!(listener.buckets[0].row[0].load(Ordering::SeqCst), 0);
    });
}

#[test]
fn two_ringers_wake_two_sleepers() {
    search(2, || {
        let listener = Listener::new();
        let waiters = [0, 1].map(|nth| listener.start(move |listener| listener.wait_for(nth)));
        let other = listener.start(|listener| listener.bring(1));
        listener.bring(0);
        other.join().unwrap();
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

#[test]
fn whoever_looks_only_at_what_is_marked_misses_nothing() {
    search(3, || {
        let listener = Listener::new();
        let lookout = listener.start(|listener| listener.look_out(2));
        let other = listener.start(|listener| listener.bring(1));
        listener.bring(0);
        other.join().unwrap();
        lookout.join().unwrap();
    });
}

/// One has changed something and died; his reaper marks and rings everything, while another one marks and rings his own change.
#[test]
fn the_marks_of_a_reaper_take_nothing_from_those_of_others() {
    search(3, || {
        let listener = Listener::new();
        let lookout = listener.start(|listener| listener.look_out(2));
        let other = listener.start(|listener| listener.bring(1));
        listener.change(0);
        sdp_dal::sync::atomic::fence(Ordering::SeqCst);
        ring_for_all(&listener.marks, &listener.bell);
        other.join().unwrap();
        lookout.join().unwrap();
    });
}
