//! The doorbell: one word per client, which another client rings when it changes something, and on which the client's
//! threads sleep. A second word holds the time of the ring, from which a sleeper learns whether spinning a little
//! longer would have avoided the sleep.
//!
//! Bit 0 says that a thread sleeps, and the rest counts rings. To wait: announce interest (a bucket bit), `fence`, read
//! the bell, check the condition, and only then sleep on the value read. To ring: change the condition, `fence`, check
//! which clients are interested, add one ring, and wake if bit 0 was set. Either the waiter sees the new condition or
//! the ringer sees the waiter, because both have a full fence between their write and their read.
//!
//! A wake names bits, so that of 64 threads only those that wait for this kind of object wake up. Therefore only the
//! last sleeper may clear bit 0, and the threads of one process count themselves under a private mutex. A process that
//! crashes asleep leaves bit 0 set in a bell without an owner, which attaching resets.

use std::time::Duration;

use super::atomic::{lock, AtomicU32, Mutex, Ordering};
#[cfg(not(loom))]
use super::clock::micros;
use super::futex::FutexWord;

const ASLEEP: u32 = 1;
const RING: u32 = 2;

/// A client's bell.
#[repr(C)]
pub struct Bell {
    word: FutexWord,
    /// When it was rung while somebody slept: microseconds of the monotonic clock, modulo 2³². A hint, nothing depends on it.
    rung: AtomicU32,
}

impl Default for Bell {
    fn default() -> Bell {
        Bell { word: FutexWord::new(0), rung: AtomicU32::new(0) }
    }
}

impl Bell {
    /// As it was made: nobody sleeps on it.
    pub fn reset(&self) {
        self.word.word().store(0, Ordering::Relaxed);
    }
}

/// What a sleep was like that a ring ended.
#[derive(Clone, Copy, Debug)]
pub struct Woken {
    /// From falling asleep to the ring.
    pub slept: Duration,
    /// From the ring to being awake: what waking up costs.
    pub late: Duration,
}

/// How many threads of this process sleep on the bell.
pub struct Sleepers(Mutex<u32>);

impl Default for Sleepers {
    fn default() -> Sleepers {
        Sleepers(Mutex::new(0))
    }
}

/// The value to be read before the condition is looked at, and given to [`sleep`].
pub fn read(bell: &Bell) -> u32 {
    bell.word.load(Ordering::SeqCst)
}

/// Whether it was rung between two readings.
pub fn rang(before: u32, now: u32) -> bool {
    before & !ASLEEP != now & !ASLEEP
}

/// Rings: whoever sleeps with one of `bits`, or is about to, looks again.
pub fn ring(bell: &Bell, bits: u32) {
    // SYNC: SeqCst, after the ringer's fence; a waiter that read the bell before this finds another value and stays awake.
    if bell.word.word().fetch_add(RING, Ordering::SeqCst) & ASLEEP != 0 {
        bell.rung.store(micros(), Ordering::Relaxed);
        bell.word.wake(i32::MAX, bits);
    }
}

/// Sleeps until a ring after `seen` was read, or for `time`. May return early. If a ring ended it, and it is known when that
/// was: what the sleep was like.
pub fn sleep(bell: &Bell, sleepers: &Sleepers, seen: u32, bits: u32, time: Duration) -> Option<Woken> {
    let begun = micros();
    {
        let mut count = lock(&sleepers.0);
        *count += 1;
        if *count == 1 {
            bell.word.word().fetch_or(ASLEEP, Ordering::SeqCst);
        }
    }
    bell.word.wait(seen | ASLEEP, bits, time);
    let asleep = micros().wrapping_sub(begun);
    // An earlier ring, one that has not said its time yet, or that of a process with another clock tells nothing.
    let slept = bell.rung.load(Ordering::Relaxed).wrapping_sub(begun);
    let woken = (rang(seen, read(bell)) && slept <= asleep).then(|| Woken {
        slept: Duration::from_micros(slept.into()),
        late: Duration::from_micros((asleep - slept).into()),
    });
    let mut count = lock(&sleepers.0);
    *count -= 1;
    if *count == 0 {
        bell.word.word().fetch_and(!ASLEEP, Ordering::SeqCst);
    }
    woken
}

/// No time passes in a model.
#[cfg(loom)]
fn micros() -> u32 {
    0
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::clock;
    use super::*;

    /// Then nobody is woken either, which would cost a system call.
    #[test]
    fn a_ring_has_no_time_if_nobody_sleeps() {
        let bell = Bell::default();
        let seen = read(&bell);
        ring(&bell, u32::MAX);
        assert!(rang(seen, read(&bell)));
        assert_eq!(bell.rung.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_sleep_is_the_time_to_the_ring_and_from_it() {
        const NAP: Duration = Duration::from_millis(2);
        let (bell, sleepers) = (Bell::default(), Sleepers::default());
        let (begun, seen) = (clock::now(), read(&bell));
        let woken = std::thread::scope(|scope| {
            scope.spawn(|| {
                while read(&bell) & ASLEEP == 0 {
                    clock::yield_now();
                }
                clock::sleep(NAP);
                ring(&bell, 1);
            });
            sleep(&bell, &sleepers, seen, 1, Duration::from_secs(20))
        });
        let all = clock::since(begun);
        let Woken { slept, late } = woken.unwrap();
        // A difference of whole microseconds may be one too many or too few.
        let rest = Duration::from_micros(1);
        assert!(slept + rest >= NAP, "slept {slept:?}");
        assert!(slept + late <= all + rest, "slept {slept:?}, {late:?} late, of {all:?}");
    }
}
