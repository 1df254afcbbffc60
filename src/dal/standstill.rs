//! Waits that could never end: a function waits for what a call is to make which cannot run before the function has returned.
//!
//! Known is only what happens in one processor, in the threads that run its functions: `process` does, and who took a call with
//! `next` says so ([`Call::run_here`], as any thread may work on it). Of each is known which function's turn it holds, which
//! outputs its call is to make, what it waits for. A thread that waits for an object waits for the turns of the functions whose
//! calls must run before, and so for the threads that hold these; for those that run such a call; and so on. If that leads back
//! to itself it is told so. Rings over several processors or processes are not seen, nor waits in threads that a function has
//! started.
//!
//! Where the turns are free, but all threads that ever came for calls wait like that, another one may still come: that is given
//! up after [`GRACE`].

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::store::ObjectId;
use crate::sync::clock;
use crate::timeout::Timeout;

use super::call::Call;
use super::queue::CallQueue;

/// How long all threads of a processor must have waited for its own calls.
const GRACE: Duration = Duration::from_secs(5);
/// How often that is looked at.
const SLICE: Duration = Duration::from_secs(1);
/// More threads than this are not remembered.
const MOST_THREADS: usize = 1024;

/// A processor as those see it who wait in one of its functions.
pub(super) trait Place: Send + Sync {
    /// Whether this thread runs one of its calls.
    fn runs_here(&self) -> bool;

    /// This thread is going to wait for these objects. None if they are not up to calls of this processor.
    fn begin_wait(&self, ids: &[ObjectId]) -> Result<Option<Waiting>>;
}

/// Takes a wait back.
pub(super) struct Waiting {
    pub(super) end: Box<dyn FnMut(bool) -> Option<u64>>,
}

impl Waiting {
    /// How often threads had come for calls, if now all of them wait.
    fn all_wait(&mut self) -> Option<u64> {
        (self.end)(false)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        (self.end)(true);
    }
}

/// A call that a thread runs.
struct Running {
    /// Tells runs apart.
    number: u64,
    thread: ThreadId,
    function: usize,
    call: Call,
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
    pub(super) fn run(&mut self, call: &Call) -> u64 {
        let thread = std::thread::current().id();
        self.runs += 1;
        let number = self.runs;
        self.running.push(Running { number, thread, function: call.function_index(), call: call.clone() });
        number
    }

    /// A run has ended, in whatever thread that is seen.
    pub(super) fn end_run(&mut self, number: u64) -> Option<Call> {
        let place = self.running.iter().rposition(|run| run.number == number)?;
        Some(self.running.remove(place).call)
    }

    /// Whether this thread runs a call.
    pub(super) fn runs_here(&self) -> bool {
        let thread = std::thread::current().id();
        self.running.iter().any(|run| run.thread == thread)
    }

    /// This thread waits. An error if it waits for itself.
    pub(super) fn begin_wait(&mut self, calls: &CallQueue, ids: &[ObjectId]) -> Result<bool> {
        let me = std::thread::current().id();
        if let Some((function, call)) = self.leads_to(me, calls, ids) {
            return Err(Error::invalid(format!(
                "{function}: this wait would never end: what it waits for needs a call of '{call}', which cannot run before this \
                 function has returned; let the function return (it can defer its call), or make '{call}' re-entrant"
            )));
        }
        let ours = ids.iter().any(|id| {
            let (_, others) = calls.needed_for(id);
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
    fn leads_to(&self, me: ThreadId, calls: &CallQueue, ids: &[ObjectId]) -> Option<(String, String)> {
        let mut seen = HashSet::new();
        let mut open: Vec<(ObjectId, bool)> = ids.iter().map(|id| (*id, true)).collect();
        while let Some((id, direct)) = open.pop() {
            let (functions, others) = calls.needed_for(&id);
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

thread_local! {
    /// The processors of which this thread runs calls, or has run some since it last looked.
    static PLACES: RefCell<Vec<Weak<dyn Place>>> = const { RefCell::new(Vec::new()) };
}

/// This thread is about to run a call of the processor.
pub(super) fn enter(place: &Arc<dyn Place>) {
    let _ = PLACES.try_with(|places| {
        let mut places = places.borrow_mut();
        let place = Arc::downgrade(place);
        if !places.iter().any(|known| known.ptr_eq(&place)) {
            places.push(place);
        }
    });
}

/// The processors of which this thread runs calls now.
fn places() -> Vec<Arc<dyn Place>> {
    let here = PLACES.try_with(|places| {
        let mut places = places.borrow_mut();
        if places.is_empty() {
            return Vec::new();
        }
        let here: Vec<_> =
            places.iter().filter_map(Weak::upgrade).filter(|place| place.runs_here()).collect();
        *places = here.iter().map(Arc::downgrade).collect();
        here
    });
    here.unwrap_or_default()
}

/// Waits for all of these objects with `wait`, unless this thread would wait for itself.
pub(super) fn guard<T>(
    ids: &[ObjectId],
    timeout: Timeout,
    wait: &mut dyn FnMut(Timeout) -> Result<T>,
) -> Result<T> {
    if timeout == Timeout::Poll {
        return wait(timeout);
    }
    let places = places();
    if places.is_empty() {
        return wait(timeout);
    }
    // What is there is not waited for.
    match wait(Timeout::Poll) {
        Err(error) if error.kind() == Kind::Timeout => {}
        done => return done,
    }
    let mut waits = Vec::new();
    for place in places {
        waits.extend(place.begin_wait(ids)?);
    }
    let deadline = timeout.deadline();
    let mut since: Option<(Vec<Option<u64>>, Instant)> = None;
    while !waits.is_empty() {
        match deadline.left(SLICE) {
            Some(slice) if slice == SLICE => match wait(Timeout::After(slice)) {
                Err(error) if error.kind() == Kind::Timeout => {}
                done => return done,
            },
            _ => break,
        }
        let now: Vec<_> = waits.iter_mut().map(Waiting::all_wait).collect();
        match &since {
            _ if now.iter().all(Option::is_none) => since = None,
            Some((before, begun)) if *before == now => {
                if clock::since(*begun) >= GRACE {
                    return Err(Error::invalid(
                        "this wait would never end: all threads that take calls for the processor wait for its own calls; let \
                         more threads process them, or let the function return (it can defer its call)",
                    ));
                }
            }
            _ => since = Some((now, clock::now())),
        }
    }
    wait(super::remaining(timeout, &deadline))
}
