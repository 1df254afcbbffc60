//! A 32-bit word on which threads of any process sleep.

use std::time::Duration;

use super::atomic::{AtomicU32, Ordering};
#[cfg(all(feature = "simulate", not(loom)))]
use super::sim;

/// A word that can be slept on. Never private to a process.
#[repr(transparent)]
#[cfg(not(loom))]
pub struct FutexWord(AtomicU32);

/// loom's stand-in: the check of the value and falling asleep are one step, as in the kernel. It has no timeouts, so that
/// a wake-up that is lost shows as a deadlock.
#[cfg(loom)]
pub struct FutexWord(AtomicU32, loom::sync::Mutex<()>, loom::sync::Condvar);

/// Wakes whoever sleeps, whatever it listens to.
pub const EVERY_BIT: u32 = u32::MAX;

impl FutexWord {
    /// A word of this value.
    #[cfg(not(loom))]
    pub const fn new(value: u32) -> FutexWord {
        FutexWord(AtomicU32::new(value))
    }

    /// A word of this value.
    #[cfg(loom)]
    pub fn new(value: u32) -> FutexWord {
        FutexWord(AtomicU32::new(value), loom::sync::Mutex::new(()), loom::sync::Condvar::new())
    }

    /// The atomic itself.
    pub fn word(&self) -> &AtomicU32 {
        &self.0
    }

    /// The value.
    pub fn load(&self, order: Ordering) -> u32 {
        self.0.load(order)
    }

    /// Sleeps while the value is `expected`, at most `time`, until a wake whose bits meet `bits`. May return early.
    #[cfg(not(loom))]
    #[cfg_attr(feature = "simulate", track_caller)]
    pub fn wait(&self, expected: u32, bits: u32, time: Duration) {
        #[cfg(feature = "simulate")]
        if sim::is_task() {
            // The look and falling asleep are one step, as in the kernel.
            if self.0.load(Ordering::SeqCst) == expected {
                sim::block(sim::key(self), bits, Some(time), std::panic::Location::caller());
            }
            return;
        }
        // FUTEX_WAIT_BITSET takes an absolute time on the monotonic clock: a signal does not lengthen the wait.
        let mut until = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `until` is a valid timespec to write to.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut until) };
        let nanos = i64::from(time.subsec_nanos()) + until.tv_nsec;
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX / 4);
        until.tv_sec = until.tv_sec.saturating_add(seconds).saturating_add(nanos / 1_000_000_000);
        until.tv_nsec = nanos % 1_000_000_000;
        // SAFETY: the word is alive and aligned (it is a reference); the kernel only reads it and the timespec.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.0.as_ptr(),
                libc::FUTEX_WAIT_BITSET,
                expected,
                &raw const until,
                std::ptr::null::<u32>(),
                bits,
            );
        }
    }

    /// Sleeps while the value is `expected`.
    #[cfg(loom)]
    pub fn wait(&self, expected: u32, _bits: u32, _time: Duration) {
        let guard = match self.1.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        };
        if self.0.load(Ordering::SeqCst) == expected {
            drop(self.2.wait(guard));
        }
    }

    /// Wakes at most `count` sleepers whose bits meet `bits`.
    #[cfg(not(loom))]
    #[cfg_attr(feature = "simulate", track_caller)]
    pub fn wake(&self, count: i32, bits: u32) {
        #[cfg(feature = "simulate")]
        if sim::is_task() {
            sim::step();
            return sim::wake(sim::key(self), count.unsigned_abs(), bits);
        }
        // SAFETY: the word is alive; the kernel uses its address only as a key.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.0.as_ptr(),
                libc::FUTEX_WAKE_BITSET,
                count,
                std::ptr::null::<libc::timespec>(),
                std::ptr::null::<u32>(),
                bits,
            );
        }
    }

    /// Wakes one sleeper or every one (the bits only save wake-ups; loom may wake too many).
    #[cfg(loom)]
    pub fn wake(&self, count: i32, _bits: u32) {
        let _guard = self.1.lock();
        if count == 1 {
            self.2.notify_one();
        } else {
            self.2.notify_all();
        }
    }
}
