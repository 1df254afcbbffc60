//! The one place that asks what time it is, or lets time pass: by the system's clocks, or by the simulator's.

#![expect(clippy::disallowed_methods, reason = "this is where the rest of the crate gets them from")]

use std::time::{Duration, Instant};

#[cfg(feature = "simulate")]
use super::sim;

/// The monotonic clock, now.
pub fn now() -> Instant {
    #[cfg(feature = "simulate")]
    if let Some(now) = sim::now() {
        return now;
    }
    Instant::now()
}

/// The time from then until now.
pub fn since(then: Instant) -> Duration {
    now().saturating_duration_since(then)
}

/// Nanoseconds since the epoch.
pub fn epoch_nanos() -> u64 {
    #[cfg(feature = "simulate")]
    if let Some(nanos) = sim::epoch_nanos() {
        return nanos;
    }
    nanos(read(libc::CLOCK_REALTIME))
}

/// The same as of the kernel's last tick, some milliseconds ago at most: a few instructions.
pub fn epoch_nanos_at_tick() -> u64 {
    #[cfg(feature = "simulate")]
    if let Some(nanos) = sim::epoch_nanos() {
        return nanos;
    }
    nanos(read(libc::CLOCK_REALTIME_COARSE))
}

fn nanos(time: libc::timespec) -> u64 {
    #[expect(clippy::cast_sign_loss, reason = "a clock that is set to before 1970 tells no time")]
    let nanos = time.tv_sec.wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec) as u64;
    nanos
}

/// One of the system's clocks, as it is: the standard library's times cost three times as much.
fn read(clock: libc::clockid_t) -> libc::timespec {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid timespec to write to.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    now
}

/// The monotonic clock, which all processes of a machine share, in microseconds modulo 2³².
pub fn micros() -> u32 {
    #[cfg(feature = "simulate")]
    if let Some(micros) = sim::micros() {
        return micros;
    }
    let now = read(libc::CLOCK_MONOTONIC);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "modulo 2³² is what is wanted"
    )]
    let micros = (now.tv_sec.wrapping_mul(1_000_000) + now.tv_nsec / 1000) as u32;
    micros
}

/// Lets time pass.
pub fn sleep(time: Duration) {
    #[cfg(feature = "simulate")]
    if sim::sleep(time) {
        return;
    }
    std::thread::sleep(time);
}

/// Lets other threads run.
pub fn yield_now() {
    #[cfg(feature = "simulate")]
    if sim::yield_now() {
        return;
    }
    std::thread::yield_now();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_are_those_since_the_epoch() {
        let asked = || std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let (before, nanos, after) = (asked(), u128::from(epoch_nanos()), asked());
        assert!(before <= nanos && nanos <= after, "{nanos} is not from {before} to {after}");
        let (tick, now) = (u128::from(epoch_nanos_at_tick()), asked());
        assert!(
            tick <= now && before - tick.min(before) < 100_000_000,
            "{tick} is not the last tick before {now}"
        );
    }

    /// What one process writes another one reads.
    #[test]
    fn microseconds_are_those_of_the_clock_that_all_processes_share() {
        let asked = || {
            let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // SAFETY: `now` is a valid timespec to write to.
            assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) }, 0);
            let time = Duration::new(now.tv_sec.try_into().unwrap(), now.tv_nsec.try_into().unwrap());
            u32::try_from(time.as_micros() % (1 << 32)).unwrap()
        };
        let (before, micros, after) = (asked(), micros(), asked());
        assert!(
            micros.wrapping_sub(before) <= after.wrapping_sub(before),
            "{micros} is not from {before} to {after}"
        );
    }
}
