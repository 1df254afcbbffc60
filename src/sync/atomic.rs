//! The one place that names the atomics: the standard library's; loom's when it searches; or those of `watched`, at which the
//! simulator may let others go first.

#[cfg(not(loom))]
pub use super::mutex::{Condvar, Mutex, MutexGuard};
#[cfg(not(any(loom, feature = "simulate")))]
pub use std::sync::atomic::{fence, AtomicPtr, AtomicU32, AtomicU64, Ordering};

#[cfg(loom)]
pub use loom::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};
#[cfg(loom)]
pub use loom::sync::Mutex;

#[cfg(all(feature = "simulate", not(loom)))]
pub use super::watched::{AtomicU32, AtomicU64};
#[cfg(all(feature = "simulate", not(loom)))]
pub use std::sync::atomic::{fence, AtomicPtr, Ordering};

/// A full fence right behind a read-modify-write of this thread. On x86-64 each of these is one by itself, as it has the lock
/// prefix, and only the compiler is held back; elsewhere, and where loom or Miri looks, it is a fence as any other.
#[inline(always)]
pub fn fence_behind() {
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
    #[cfg(any(not(target_arch = "x86_64"), loom, miri))]
    fence(Ordering::SeqCst);
}

/// Locks a process-private mutex (loom's has the standard library's poisoning interface).
#[cfg(not(loom))]
#[cfg_attr(feature = "simulate", track_caller)]
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

/// Locks a process-private mutex (loom's has the standard library's poisoning interface).
#[cfg(loom)]
pub fn lock<T>(mutex: &Mutex<T>) -> loom::sync::MutexGuard<'_, T> {
    match mutex.lock() {
        Ok(guard) => guard,
        Err(poisoned) => poisoned.into_inner(),
    }
}

/// Tells the processor (or loom, or the simulator) that we spin.
#[cfg_attr(feature = "simulate", track_caller)]
pub fn spin() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(all(feature = "simulate", not(loom)))]
    if super::sim::yield_now() {
        return;
    }
    #[cfg(not(loom))]
    std::hint::spin_loop();
}
