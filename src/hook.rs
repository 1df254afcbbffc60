//! A place for a function that the program gives the library, and may take back at any time: the log's sink, the check that
//! ends waits.
//!
//! Who takes a function back must know when nobody is in it any more: what it stands on (a closure of another language, a
//! C pointer) may be freed then. So each use is counted, while nobody can replace the function.

use std::sync::Arc;

use parking_lot::Condvar;

use crate::shm::liveness::forks;
use crate::sync::atomic::{lock, Mutex};

/// The place. Empty at first.
pub(crate) struct Slot<F: ?Sized> {
    hook: Mutex<Option<Arc<Hook<F>>>>,
}

/// A function, and how many threads are in it.
struct Hook<F: ?Sized> {
    running: Mutex<u32>,
    idle: Condvar,
    /// In a forked child the other threads do not come back.
    forks: u32,
    function: Arc<F>,
}

impl<F: ?Sized> Slot<F> {
    pub(crate) const fn new() -> Slot<F> {
        Slot { hook: parking_lot::const_mutex(None) }
    }

    /// Puts another function here. The one before may still run, until [`Replaced::wait`] has returned.
    pub(crate) fn replace(&self, function: Option<Arc<F>>) -> Replaced<F> {
        let hook = function.map(|function| {
            Arc::new(Hook { running: Mutex::new(0), idle: Condvar::new(), forks: forks(), function })
        });
        Replaced(std::mem::replace(&mut *lock(&self.hook), hook))
    }

    /// The function, to be called as long as this lives.
    pub(crate) fn enter(&self) -> Option<Entered<F>> {
        let hook = lock(&self.hook);
        let hook = hook.as_ref()?;
        // Counted while nobody can replace it, so that who does waits for us.
        *lock(&hook.running) += 1;
        Some(Entered(hook.clone()))
    }
}

/// A function that was taken back.
pub(crate) struct Replaced<F: ?Sized>(Option<Arc<Hook<F>>>);

impl<F: ?Sized> Replaced<F> {
    /// Waits until nobody is in it. Not to be called from within it.
    pub(crate) fn wait(self) {
        let Some(hook) = self.0.filter(|hook| hook.forks == forks()) else { return };
        let mut running = lock(&hook.running);
        while *running > 0 {
            hook.idle.wait(&mut running);
        }
    }
}

/// A thread in a function.
pub(crate) struct Entered<F: ?Sized>(Arc<Hook<F>>);

impl<F: ?Sized> Entered<F> {
    pub(crate) fn function(&self) -> &F {
        &self.0.function
    }
}

impl<F: ?Sized> Drop for Entered<F> {
    fn drop(&mut self) {
        *lock(&self.0.running) -= 1;
        self.0.idle.notify_all();
    }
}
