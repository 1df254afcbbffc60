//! The doorbell: one word per client that whoever changes something rings, and on which the client's threads sleep.
//!
//! Bit 0 says that somebody sleeps; the rest counts rings. To wait: announce interest (a bucket bit), `fence`, read the
//! bell, look at the condition, and only then sleep on the value read. To ring: change the condition, `fence`, look who is
//! interested, add one ring, and wake if bit 0 was set. Either the waiter sees the new condition or the ringer sees the
//! waiter, because both have a full fence between their write and their read.
//!
//! A wake names bits, so that of 64 threads only those who wait for such an object wake up. Therefore bit 0 may go only
//! with the last sleeper: the threads of one process count themselves under a private mutex. A process that dies asleep
//! leaves bit 0 set in a bell that nobody owns; attaching resets it.

use std::time::Duration;

use super::atomic::{lock, Mutex, Ordering};
use super::futex::FutexWord;

const ASLEEP: u32 = 1;
const RING: u32 = 2;

/// How many threads of this process sleep on the bell.
pub struct Sleepers(Mutex<u32>);

impl Default for Sleepers {
    fn default() -> Sleepers {
        Sleepers(Mutex::new(0))
    }
}

/// The value to be read before the condition is looked at, and given to [`sleep`].
pub fn read(bell: &FutexWord) -> u32 {
    bell.load(Ordering::SeqCst)
}

/// Whether it was rung between two readings.
pub fn rang(before: u32, now: u32) -> bool {
    before & !ASLEEP != now & !ASLEEP
}

/// Rings: whoever sleeps with one of `bits`, or is about to, looks again.
pub fn ring(bell: &FutexWord, bits: u32) {
    // SYNC: SeqCst, after the ringer's fence; a waiter that read the bell before this finds another value and stays awake.
    if bell.word().fetch_add(RING, Ordering::SeqCst) & ASLEEP != 0 {
        bell.wake(i32::MAX, bits);
    }
}

/// Sleeps until a ring after `seen` was read, or for `time`. May return early.
pub fn sleep(bell: &FutexWord, sleepers: &Sleepers, seen: u32, bits: u32, time: Duration) {
    {
        let mut count = lock(&sleepers.0);
        *count += 1;
        if *count == 1 {
            bell.word().fetch_or(ASLEEP, Ordering::SeqCst);
        }
    }
    bell.wait(seen | ASLEEP, bits, time);
    let mut count = lock(&sleepers.0);
    *count -= 1;
    if *count == 0 {
        bell.word().fetch_and(!ASLEEP, Ordering::SeqCst);
    }
}
