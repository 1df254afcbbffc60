//! The threads that work for a processor, and the functions that they run.
//!
//! A [`Turn`] is one run of a function, from the scan that found its call until the function has returned. A function
//! that is not re-entrant has one turn at a time. A scan that finds it busy notes that a thread waits for it, and the
//! end of the turn then rings the process's own doorbell. The waiter has read the bell before it scanned, so it does
//! not miss the ring.

use std::sync::Arc;
use std::thread::ThreadId;

use crate::shm::pools;
use crate::store::{ObjectId, Store};
use crate::sync::atomic::{Condvar, Mutex};

use super::function::Offered;
use super::threads::{Task, Threads};

/// The threads of this process that work for one processor, and what they do.
pub(super) struct Crew {
    store: Store,
    /// Where its threads wait for calls.
    declaration: ObjectId,
    /// What its threads share; 0: what the system leaves to this process.
    threads: u32,
    /// Thread pools are not told how many threads a function may use.
    leaves_pools: bool,
    work: Mutex<Work>,
    idle: Condvar,
}

#[derive(Default)]
struct Work {
    /// By function.
    functions: Vec<Runs>,
    /// The threads inside `process` and `next`, one entry for each time.
    inside: Vec<ThreadId>,
    /// Threads that wait until nobody is inside.
    joining: usize,
    /// Calls that `next` gave and that still run.
    pulling: usize,
    threads: Threads,
}

#[derive(Clone, Default)]
struct Runs {
    running: u32,
    /// A thread has passed over a call because the function was running.
    held_up: bool,
}

impl Crew {
    pub(super) fn new(
        store: &Store,
        declaration: ObjectId,
        functions: usize,
        threads: u32,
        leaves_pools: bool,
    ) -> Arc<Crew> {
        let functions = vec![Runs::default(); functions];
        let work = Mutex::new(Work { functions, ..Work::default() });
        Arc::new(Crew {
            store: store.clone(),
            declaration,
            threads,
            leaves_pools,
            work,
            idle: Condvar::new(),
        })
    }

    /// Whether a call of this function can be taken now. If not, the end of its run wakes whoever waits for calls.
    pub(super) fn may_run(&self, function: &Offered) -> bool {
        if function.options.reentrant {
            return true;
        }
        let runs = &mut self.work.lock().functions[function.index];
        runs.held_up |= runs.running > 0;
        runs.running == 0
    }

    /// A run of a function begins.
    pub(super) fn begin(self: &Arc<Crew>, function: usize) -> Turn {
        self.work.lock().functions[function].running += 1;
        self.store.begin_work();
        Turn { crew: self.clone(), function }
    }

    /// This thread enters `process` or `next`.
    pub(super) fn enter(self: &Arc<Crew>) -> Inside {
        let mut work = self.work.lock();
        work.inside.push(std::thread::current().id());
        work.threads.come();
        drop(work);
        Inside { crew: self.clone() }
    }

    /// This thread runs a call.
    pub(super) fn run(self: &Arc<Crew>, call: Arc<dyn Task>) -> Working {
        if !self.leaves_pools {
            pools::tell(|| self.thread_budget());
        }
        Working { crew: self.clone(), run: self.work.lock().threads.run(call) }
    }

    /// What its threads do, for waits that could never end.
    pub(super) fn threads<T>(&self, look: impl FnOnce(&mut Threads) -> T) -> T {
        look(&mut self.work.lock().threads)
    }

    /// Whether this thread is inside `process` or `next`.
    pub(super) fn has_this_thread(&self) -> bool {
        self.work.lock().inside.contains(&std::thread::current().id())
    }

    /// Waits until no thread is inside `process` or `next`.
    pub(super) fn wait_until_idle(&self) {
        let mut work = self.work.lock();
        work.joining += 1;
        while !work.inside.is_empty() {
            work = self.idle.wait(work);
        }
        work.joining -= 1;
    }

    /// Makes the threads that wait for calls look again.
    pub(super) fn wake(&self) {
        self.store.nudge(&self.declaration);
    }

    /// How many threads one run may use now: its share of what there is for all threads of the processor. What the system
    /// leaves is shared with the other processes that run functions, too.
    pub(super) fn thread_budget(&self) -> u32 {
        let all = match self.threads {
            0 => self.store.cpus_for_one(),
            threads => threads,
        };
        let sharers = {
            let work = self.work.lock();
            work.inside.len() + work.pulling
        };
        let sharers = u32::try_from(sharers).unwrap_or(u32::MAX);
        (all / sharers.max(1)).max(1)
    }
}

/// One run of a function.
pub(super) struct Turn {
    crew: Arc<Crew>,
    function: usize,
}

impl Turn {
    pub(super) fn crew(&self) -> &Arc<Crew> {
        &self.crew
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.crew.store.end_work();
        let held_up = {
            let runs = &mut self.crew.work.lock().functions[self.function];
            runs.running -= 1;
            std::mem::take(&mut runs.held_up)
        };
        if held_up {
            self.crew.wake();
        }
    }
}

/// While it lives, `join` waits for this thread. It holds the crew, which may be the last that is left of the processor when
/// the thread leaves.
pub(super) struct Inside {
    crew: Arc<Crew>,
}

impl Inside {
    /// `next` leaves with a call, for which the thread goes on working.
    pub(super) fn pulls(&self) -> Pulling {
        self.crew.work.lock().pulling += 1;
        Pulling { crew: self.crew.clone() }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let mut work = self.crew.work.lock();
        let thread = std::thread::current().id();
        if let Some(place) = work.inside.iter().rposition(|other| *other == thread) {
            work.inside.swap_remove(place);
        }
        // A system call, whether somebody waits or not.
        if work.joining > 0 {
            self.crew.idle.notify_all();
        }
    }
}

/// While it lives, a thread runs a call.
pub(super) struct Working {
    crew: Arc<Crew>,
    run: u64,
}

impl Drop for Working {
    fn drop(&mut self) {
        // Dropped without the lock: it may be the last that holds the call's inputs.
        let call = self.crew.threads(|threads| threads.end_run(self.run));
        drop(call);
    }
}

/// A call that `next` gave and that still runs.
pub(super) struct Pulling {
    crew: Arc<Crew>,
}

impl Drop for Pulling {
    fn drop(&mut self) {
        self.crew.work.lock().pulling -= 1;
    }
}
