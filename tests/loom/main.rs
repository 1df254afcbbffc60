//! Searches the protocols of `sync` for an interleaving that breaks them.
//!
//! Built only with `--cfg loom` (`scripts/test.sh loom`): the library's room `sync` then stands on loom's atomics, whose loads
//! may give any old value that the memory model allows, and a sleeper that is never woken is a deadlock. Every step on a shared
//! word is the library's own; a model says only who does what, in which order, and what must hold. loom takes sequentially
//! consistent accesses for acquire and release: what needs more has a fence. The search is bounded by the number of preemptions;
//! `LOOM_MAX_PREEMPTIONS` changes it.

#![cfg(loom)]

mod calls;
mod index;
mod lock;
mod log;
mod object;
mod pins;
mod waiting;
mod wants;

use loom::cell::UnsafeCell;

/// Searches all interleavings with at most so many preemptions.
fn search(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.max_branches = 10_000;
    builder.check(model);
}

/// Memory whose readers and writers loom watches: an access that is not ordered after a writer's fails the search.
struct Watched(UnsafeCell<()>);

// SAFETY: the cell holds nothing and its pointer is never followed; loom checks who comes when.
unsafe impl Sync for Watched {}
// SAFETY: as above.
unsafe impl Send for Watched {}

impl Watched {
    fn new() -> Watched {
        Watched(UnsafeCell::new(()))
    }

    fn read(&self) {
        self.0.with(|_| ());
    }

    fn write(&self) {
        self.0.with_mut(|_| ());
    }
}
