//! A place for a function that the program gives to the library and may replace at any time: the log's sink, and the
//! check that ends waits.
//!
//! A program that replaces a function must know when no thread runs it any more, because it may then free what the
//! function uses (a closure of another language, a C pointer). Therefore each use is counted, while the function cannot
//! be replaced. Both happen behind the gate of `shm::fork`, so a forked child never finds the place taken by a thread
//! of its parent.

use std::sync::Arc;
use std::time::Duration;

use crate::shm::fork::{forks, gate};
use crate::sync::atomic::{lock, Mutex, Ordering};
use crate::sync::futex::{FutexWord, EVERY_BIT};

/// The place. Empty at first.
pub(crate) struct Slot<F: ?Sized> {
    /// Only taken behind the gate, and so at once.
    hook: Mutex<Option<Arc<Hook<F>>>>,
}

/// A function, and how many threads are in it.
struct Hook<F: ?Sized> {
    running: FutexWord,
    /// In a forked child the other threads do not come back.
    forks: u32,
    function: Arc<F>,
}

impl<F: ?Sized> Slot<F> {
    pub(crate) const fn new() -> Slot<F> {
        Slot { hook: Mutex::new(None) }
    }

    /// Puts another function here. The one before may still run, until [`Replaced::wait`] has returned.
    pub(crate) fn replace(&self, function: Option<Arc<F>>) -> Replaced<F> {
        let hook =
            function.map(|function| Arc::new(Hook { running: FutexWord::new(0), forks: forks(), function }));
        let _gate = gate();
        // In a statement of its own: the mutex is given back before the gate opens.
        let before = std::mem::replace(&mut *lock(&self.hook), hook);
        Replaced(before)
    }

    /// The function, to be called as long as this lives.
    pub(crate) fn enter(&self) -> Option<Entered<F>> {
        let _gate = gate();
        let hook = lock(&self.hook).clone()?;
        // Counted while nobody can replace it, so that who does waits for us.
        hook.running.word().fetch_add(1, Ordering::Relaxed);
        Some(Entered(hook))
    }
}

/// A function that was taken back.
pub(crate) struct Replaced<F: ?Sized>(Option<Arc<Hook<F>>>);

impl<F: ?Sized> Replaced<F> {
    /// Waits until nobody is in it. Not to be called from within it.
    pub(crate) fn wait(self) {
        let Some(hook) = self.0.filter(|hook| hook.forks == forks()) else { return };
        loop {
            // SYNC: pairs with the release in `Entered::drop`: what was done in the function has happened.
            let running = hook.running.load(Ordering::Acquire);
            if running == 0 {
                return;
            }
            hook.running.wait(running, EVERY_BIT, Duration::from_secs(1));
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
        // SYNC: pairs with the acquire in `wait`.
        if self.0.running.word().fetch_sub(1, Ordering::Release) == 1 {
            self.0.running.wake(i32::MAX, EVERY_BIT);
        }
    }
}
