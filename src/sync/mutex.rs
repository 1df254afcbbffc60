//! A mutex of this process, and what waits for a change of what it guards.
//!
//! The standard library's, without poisoning: what a panic leaves half done stays behind marks of its own. Both are a
//! futex word each and nothing else: no table of the whole process, which a thread may hold while another one forks.

#![expect(clippy::disallowed_types, reason = "this is where the rest of the crate gets them from")]

use std::sync::PoisonError;

#[cfg(not(feature = "simulate"))]
pub use std::sync::MutexGuard;

#[cfg(feature = "simulate")]
use super::sim;

/// A mutex.
#[derive(Debug, Default)]
pub struct Mutex<T>(std::sync::Mutex<T>);

/// While it lives the mutex is ours. In a simulated world others sleep until it goes.
#[cfg(feature = "simulate")]
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    held: Option<std::sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    /// One that guards `value`.
    pub const fn new(value: T) -> Mutex<T> {
        Mutex(std::sync::Mutex::new(value))
    }

    /// Takes it.
    #[cfg(not(feature = "simulate"))]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes it.
    #[cfg(feature = "simulate")]
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let held = if sim::is_task() {
            sim::step();
            loop {
                match self.0.try_lock() {
                    Ok(held) => break held,
                    Err(std::sync::TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                    Err(std::sync::TryLockError::WouldBlock) => {
                        sim::block(sim::key(self), u32::MAX, None, std::panic::Location::caller());
                    }
                }
            }
        } else {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        };
        MutexGuard { mutex: self, held: Some(held) }
    }

    /// What it guards, for its only owner.
    pub fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it guarded.
    pub fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "simulate")]
impl<T> std::ops::Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.held.as_ref().unwrap_or_else(|| unreachable!("it is ours until it is dropped"))
    }
}

#[cfg(feature = "simulate")]
impl<T> std::ops::DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().unwrap_or_else(|| unreachable!("it is ours until it is dropped"))
    }
}

#[cfg(feature = "simulate")]
impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.held = None;
        if sim::is_task() {
            sim::wake(sim::key(self.mutex), u32::MAX, u32::MAX);
        }
    }
}

/// Where threads wait for a change of what a mutex guards.
#[derive(Debug, Default)]
pub struct Condvar(std::sync::Condvar);

impl Condvar {
    /// One at which no thread waits.
    pub const fn new() -> Condvar {
        Condvar(std::sync::Condvar::new())
    }

    /// Gives the mutex back, sleeps until it is notified (or for no reason), and takes the mutex again.
    #[cfg(not(feature = "simulate"))]
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the mutex back, sleeps until it is notified (or for no reason), and takes the mutex again.
    #[cfg(feature = "simulate")]
    #[track_caller]
    pub fn wait<'a, T>(&self, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let mutex = guard.mutex;
        if sim::is_task() {
            drop(guard);
            sim::block(sim::key(self), u32::MAX, None, std::panic::Location::caller());
            return mutex.lock();
        }
        let held = guard.held.take().unwrap_or_else(|| unreachable!("it is ours until it is dropped"));
        let held = self.0.wait(held).unwrap_or_else(PoisonError::into_inner);
        MutexGuard { mutex, held: Some(held) }
    }

    /// Wakes every thread that waits.
    #[cfg_attr(feature = "simulate", track_caller)]
    pub fn notify_all(&self) {
        #[cfg(feature = "simulate")]
        if sim::is_task() {
            sim::step();
            return sim::wake(sim::key(self), u32::MAX, u32::MAX);
        }
        self.0.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{mpsc, Arc};
    use std::time::Duration;

    use super::*;

    #[test]
    fn everybody_who_waits_is_woken() {
        const THREADS: u32 = 2;
        let shared = Arc::new((Mutex::new((0, false)), Condvar::new()));
        let (woken, wakes) = mpsc::channel();
        for _ in 0..THREADS {
            let (shared, woken) = (shared.clone(), woken.clone());
            std::thread::spawn(move || {
                let (mutex, condvar) = &*shared;
                let mut guard = mutex.lock();
                guard.0 += 1;
                while !guard.1 {
                    guard = condvar.wait(guard);
                }
                drop(guard);
                woken.send(()).unwrap();
            });
        }
        let (mutex, condvar) = &*shared;
        // Who has counted itself gives the mutex back only in its sleep.
        while mutex.lock().0 < THREADS {
            std::thread::yield_now();
        }
        mutex.lock().1 = true;
        condvar.notify_all();
        for _ in 0..THREADS {
            wakes.recv_timeout(Duration::from_secs(20)).unwrap();
        }
    }
}
