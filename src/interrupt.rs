//! The check that ends waits: for programs whose signal handlers run only between their own instructions.
//!
//! Python, Julia and R record a signal, and handle it when their own code runs again, which is not the case while a thread
//! waits in the library. They install a check with [`set`]. A thread that waits calls it when a signal has woken it, and
//! every 250 ms. It may use this library: the library holds no lock while it runs.

use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::hook::Slot;
use crate::sync::atomic::{AtomicU32, Ordering};

/// A check that returns whether the wait of the thread that calls it must end.
pub type Check = Arc<CheckFn>;
type CheckFn = dyn Fn() -> bool + Send + Sync;

/// Whether there is a check: a look that costs nothing.
static SET: AtomicU32 = AtomicU32::new(0);
static CHECK: Slot<CheckFn> = Slot::new();

thread_local! {
    /// Whether this thread is in the check: waits that begin there are not checked.
    static ASKING: Cell<bool> = const { Cell::new(false) };
}

/// Sets a check, or removes it. When this returns, the check that was set before is not running in any thread. If it is
/// called from within that check, it does not wait.
pub fn set(check: Option<Check>) {
    let there = u32::from(check.is_some());
    let before = CHECK.replace(check);
    // SYNC: only saves the mutex; the check is handed over by that.
    SET.store(there, Ordering::Relaxed);
    if !ASKING.try_with(Cell::get).unwrap_or(false) {
        before.wait();
    }
}

/// Fails if the check says that the wait of this thread is to end.
pub(crate) fn ask() -> Result<()> {
    if SET.load(Ordering::Relaxed) == 0 || ASKING.try_with(Cell::get).unwrap_or(true) {
        return Ok(());
    }
    let Some(check) = CHECK.enter() else { return Ok(()) };
    let _ = ASKING.try_with(|asking| asking.set(true));
    // One that panics says nothing.
    let ends = catch_unwind(AssertUnwindSafe(|| (check.function())())).unwrap_or(false);
    let _ = ASKING.try_with(|asking| asking.set(false));
    if ends {
        return Err(interrupted());
    }
    Ok(())
}

/// What an interrupted wait ends with.
pub(crate) fn interrupted() -> Error {
    Error::new(Kind::Interrupted, "the wait was interrupted")
}
