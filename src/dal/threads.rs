//! What the threads do that run a processor's functions, and whether one of them would wait for itself.
//!
//! This file sees only one processor, and only the threads that run its functions: those in `process`, and those that
//! took a call with `next` and declare that they run it ([`Call::run_here`](super::Call::run_here), as any thread may
//! work on it). For each thread it records which function's turn it holds, which outputs its call is to create, and
//! what it waits for. A thread that waits for an object waits for the turns of the functions whose calls must run
//! before, and so for the threads that hold these. It also waits for the threads that run such a call, and so on. If
//! this chain leads back to the thread, its wait fails.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread::ThreadId;

use crate::error::{Error, Result};
use crate::store::ObjectId;

/// More threads than this are not remembered.
const MOST_THREADS: usize = 1024;

/// A call, as its thread's fellows see it.
pub(super) trait Task: Send + Sync {
    /// The place of its function, for all its forms that of the first, in the order of registration.
    fn function_index(&self) -> usize;

    /// The name of the function.
    fn function(&self) -> &str;

    /// Whether the function that runs, and nobody else, is to make this output.
    fn owes(&self, id: &ObjectId) -> bool;
}

/// What must happen before an object can be made, as the processor's queue knows it: the functions whose turn must come, and the
/// objects that are needed and that no call is to make which waits there.
pub(super) type Needed<'q> = &'q dyn Fn(&ObjectId) -> (Vec<usize>, Vec<ObjectId>);

/// A call that a thread runs.
struct Running {
    /// Tells runs apart.
    number: u64,
    thread: ThreadId,
    function: usize,
    call: Arc<dyn Task>,
}

/// What the threads of one processor do.
#[derive(Default)]
pub(super) struct Threads {
    running: Vec<Running>,
    waiting: Vec<(ThreadId, Vec<ObjectId>)>,
    known: HashSet<ThreadId>,
    last: Option<ThreadId>,
    /// How often one came for calls.
    came: u64,
    /// Runs that have begun.
    runs: u64,
}

impl Threads {
    /// This thread comes for calls.
    pub(super) fn come(&mut self) {
        self.came += 1;
        let me = std::thread::current().id();
        // Mostly it is the one that came before.
        if self.last != Some(me) && self.known.len() <= MOST_THREADS {
            self.known.insert(me);
            self.last = Some(me);
        }
    }

    /// This thread runs a call from now on. The number of the run.
    pub(super) fn run(&mut self, call: Arc<dyn Task>) -> u64 {
        let thread = std::thread::current().id();
        self.runs += 1;
        let number = self.runs;
        self.running.push(Running { number, thread, function: call.function_index(), call });
        number
    }

    /// A run has ended, in whatever thread that is seen.
    pub(super) fn end_run(&mut self, number: u64) -> Option<Arc<dyn Task>> {
        let place = self.running.iter().rposition(|run| run.number == number)?;
        Some(self.running.remove(place).call)
    }

    /// Whether this thread runs a call.
    pub(super) fn runs_here(&self) -> bool {
        let thread = std::thread::current().id();
        self.running.iter().any(|run| run.thread == thread)
    }

    /// This thread waits. An error if it waits for itself.
    pub(super) fn begin_wait(&mut self, needed: Needed<'_>, ids: &[ObjectId]) -> Result<bool> {
        let me = std::thread::current().id();
        if let Some((function, call)) = self.leads_to(me, needed, ids) {
            return Err(Error::invalid(format!(
                "{function}: this wait would never end: what it waits for needs a call of '{call}', which cannot run before this \
                 function has returned; let the function return (it can defer its call), or make '{call}' re-entrant"
            )));
        }
        let ours = ids.iter().any(|id| {
            let (_, others) = needed(id);
            others != [*id] || self.running.iter().any(|run| run.makes(id))
        });
        if ours {
            self.waiting.push((me, ids.to_vec()));
        }
        Ok(ours)
    }

    pub(super) fn end_wait(&mut self) {
        let me = std::thread::current().id();
        if let Some(place) = self.waiting.iter().rposition(|(thread, _)| *thread == me) {
            self.waiting.remove(place);
        }
    }

    /// How often threads have come, if all that ever did wait now.
    pub(super) fn all_wait(&self) -> Option<u64> {
        let waits = |thread: &ThreadId| self.waiting.iter().any(|(other, _)| other == thread);
        (self.known.len() <= MOST_THREADS && self.known.iter().all(waits)).then_some(self.came)
    }

    /// Whether what is to happen before these objects are there leads to this thread: the function that it runs, and one whose
    /// turn is needed.
    fn leads_to(&self, me: ThreadId, needed: Needed<'_>, ids: &[ObjectId]) -> Option<(String, String)> {
        let mut seen = HashSet::new();
        let mut open: Vec<(ObjectId, bool)> = ids.iter().map(|id| (*id, true)).collect();
        while let Some((id, direct)) = open.pop() {
            let (functions, others) = needed(&id);
            for run in &self.running {
                let holds = functions.contains(&run.function);
                let makes = others.iter().any(|other| run.makes(other));
                if run.thread == me && (holds || makes && !direct) {
                    let mine = self.running.iter().rfind(|run| run.thread == me)?;
                    return Some((mine.call.function().to_owned(), run.call.function().to_owned()));
                }
                if run.thread != me && (holds || makes) && seen.insert(run.thread) {
                    let waits = self.waiting.iter().filter(|(thread, _)| *thread == run.thread);
                    open.extend(waits.flat_map(|(_, ids)| ids).map(|id| (*id, false)));
                }
            }
        }
        None
    }
}

impl Running {
    /// Whether this run alone is to make the object.
    fn makes(&self, id: &ObjectId) -> bool {
        self.call.owes(id)
    }
}
