//! The store's one lock: a futex word that records its holder and recovers if the holder crashes.
//!
//! The word holds the attachment number of the holder, and two bits. `DIRTY` is set together with the number and
//! cleared by a regular release. A client that finds it set when it gets the lock must rebuild what the lock guards.
//! `WAITERS` says that a thread may sleep on the word.
//!
//! A crash at any step: before the acquiring CAS nothing has happened. After it, the word names a number that the
//! kernel reports as free for ever, so the exact word can be replaced by one CAS. If two clients try, one wins, and the
//! other then sees a running holder. A holder that panics releases with `DIRTY` left. After a crash between the
//! releasing swap and the wake, sleepers wake by themselves at the end of their slice.

use std::time::Duration;

use super::atomic::{spin, Ordering};
use super::futex::{FutexWord, EVERY_BIT};

/// Bits of the word that hold a number.
pub const NUMBER_MASK: u32 = (1 << 30) - 1;
const DIRTY: u32 = 1 << 30;
const WAITERS: u32 = 1 << 31;

/// How a lock was got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// The last holder released it in order.
    Clean,
    /// The last holder died or panicked: rebuild before anything else.
    Dirty,
}

/// What acquiring needs to know of the world around it.
pub trait Surroundings {
    /// Whether the attachment with this number is dead (for ever). Never asked about oneself.
    fn is_dead(&self, number: u32) -> bool;
    /// How long to sleep at most before looking again; `None` when the timeout has passed.
    fn slice(&self) -> Option<Duration>;
}

/// Takes the lock for `me`. Fails with the holder's number when the surroundings say that the timeout has passed.
pub fn acquire(word: &FutexWord, me: u32, around: &impl Surroundings) -> Result<Got, u32> {
    let mut spins = if cfg!(any(loom, feature = "simulate")) { 1 } else { 100 };
    let mut slept = 0;
    loop {
        let now = word.load(Ordering::Relaxed);
        let holder = now & NUMBER_MASK;
        if holder == 0 || (holder != me && spins == 0 && around.is_dead(holder)) {
            // One who has slept cannot know whether others still do: it keeps the bit set.
            let taken = me | DIRTY | (now & WAITERS) | slept;
            // SYNC: acquire pairs with the release swap of the last holder; taking over from a dead one sees whatever
            // it wrote, because the kernel's unlock of its byte ordered its death before our test.
            if word.word().compare_exchange(now, taken, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                let clean = holder == 0 && now & DIRTY == 0;
                return Ok(if clean { Got::Clean } else { Got::Dirty });
            }
            continue;
        }
        if spins > 0 {
            spins -= 1;
            spin();
            continue;
        }
        let Some(slice) = around.slice() else { return Err(holder) };
        if now & WAITERS == 0
            && word.word().compare_exchange(now, now | WAITERS, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            continue;
        }
        slept = WAITERS;
        word.wait(now | WAITERS, EVERY_BIT, slice);
    }
}

/// Gives the lock back in order.
pub fn release(word: &FutexWord) {
    give(word, 0);
}

/// Gives the lock back with the mark that what it guards must be rebuilt.
pub fn release_dirty(word: &FutexWord) {
    give(word, DIRTY);
}

fn give(word: &FutexWord, left: u32) {
    // SYNC: pairs with the acquiring CAS of the next holder.
    let was = word.word().swap(left, Ordering::Release);
    super::fail::point("lock.released");
    if was & WAITERS != 0 {
        word.wake(1, EVERY_BIT);
    }
}

/// The number of the present holder, 0 if there is none.
pub fn holder(word: &FutexWord) -> u32 {
    word.load(Ordering::Relaxed) & NUMBER_MASK
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Its holder dies in our second sleep.
    struct Dies {
        sleeps: Cell<u32>,
    }

    impl Surroundings for Dies {
        fn is_dead(&self, _: u32) -> bool {
            self.sleeps.get() >= 2
        }

        fn slice(&self) -> Option<Duration> {
            self.sleeps.set(self.sleeps.get() + 1);
            (self.sleeps.get() <= 3).then_some(Duration::from_millis(1))
        }
    }

    #[test]
    fn a_holder_that_dies_while_others_sleep_is_followed() {
        let (word, around) = (FutexWord::new(0), Dies { sleeps: Cell::new(0) });
        assert_eq!(acquire(&word, 7, &around), Ok(Got::Clean));
        assert_eq!(acquire(&word, 8, &around), Ok(Got::Dirty));
        assert_eq!((holder(&word), around.sleeps.get()), (8, 2));
    }
}
