//! The store's lock: who follows a dead holder, and that nobody sleeps for ever.

use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use sdp_dal::sync::atomic::Ordering;
use sdp_dal::sync::futex::FutexWord;
use sdp_dal::sync::lock::{acquire, holder, release, release_dirty, Got, Surroundings};

use crate::{search, Watched};

const DEAD: u32 = 7;
const LIVING: u32 = 3;

struct World;

impl Surroundings for World {
    fn is_dead(&self, number: u32) -> bool {
        number == DEAD
    }

    fn slice(&self) -> Option<Duration> {
        // loom's sleep has no end: who needs it to end has lost a wake-up.
        Some(Duration::from_secs(1))
    }
}

struct Guarded {
    word: FutexWord,
    inside: Watched,
    /// How each who came got the lock, in order; written inside.
    log: std::sync::Mutex<Vec<Got>>,
}

impl Guarded {
    fn new() -> Arc<Guarded> {
        Arc::new(Guarded { word: FutexWord::new(0), inside: Watched::new(), log: Default::default() })
    }

    fn take(&self, me: u32) -> Got {
        let Ok(got) = acquire(&self.word, me, &World) else { panic!("{me} gave up") };
        assert_eq!(holder(&self.word), me);
        self.inside.write();
        self.log.lock().unwrap().push(got);
        self.inside.write();
        got
    }

    /// Starts threads that take the lock once each and give it back in order.
    fn waiters(self: &Arc<Guarded>, numbers: &[u32]) -> Vec<thread::JoinHandle<()>> {
        let start = |me: &u32| {
            let (guarded, me) = (self.clone(), *me);
            thread::spawn(move || {
                guarded.take(me);
                release(&guarded.word);
            })
        };
        numbers.iter().map(start).collect()
    }

    fn end(&self, waiters: Vec<thread::JoinHandle<()>>, expected: &[Got]) {
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(*self.log.lock().unwrap(), expected);
        assert_eq!(holder(&self.word), 0);
    }
}

#[test]
fn a_dead_holder_is_followed_once_and_dirty() {
    search(3, || {
        let guarded = Guarded::new();
        assert_eq!(acquire(&guarded.word, DEAD, &World), Ok(Got::Clean));
        let waiters = guarded.waiters(&[1, 2]);
        guarded.end(waiters, &[Got::Dirty, Got::Clean]);
    });
}

#[test]
fn a_living_holder_is_waited_for_by_two() {
    search(3, || {
        let guarded = Guarded::new();
        guarded.take(LIVING);
        let waiters = guarded.waiters(&[1, 2]);
        release(&guarded.word);
        guarded.end(waiters, &[Got::Clean, Got::Clean, Got::Clean]);
    });
}

#[test]
fn a_dirty_release_is_told_to_one() {
    search(3, || {
        let guarded = Guarded::new();
        guarded.take(LIVING);
        let waiters = guarded.waiters(&[1, 2]);
        release_dirty(&guarded.word);
        guarded.end(waiters, &[Got::Clean, Got::Dirty, Got::Clean]);
    });
}

#[test]
fn a_holder_that_died_before_two_waited_wakes_both() {
    search(2, || {
        // The holder died with the waiters' bit set: whoever waited for it may be gone, too.
        let guarded = Guarded::new();
        assert_eq!(acquire(&guarded.word, DEAD, &World), Ok(Got::Clean));
        guarded.word.word().fetch_or(1 << 31, Ordering::Relaxed);
        let waiters = guarded.waiters(&[1, 2]);
        guarded.end(waiters, &[Got::Dirty, Got::Clean]);
    });
}
