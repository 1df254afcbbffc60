//! The simulator's scheduler: the code that ships, run by several clients in one process, in any order, with deaths.
//!
//! A *world* has *processes* (clients of a store), each with *tasks* (its threads). A task is a thread of the system, of which
//! one runs at a time: it holds the baton. At each *step* (an operation on an atomic, a fail point, a question to the
//! kernel) the baton may go to another task, the process may be stopped for a while, or killed: then its tasks end where they
//! are, nothing of theirs is cleaned up, and its descriptors and mappings go, as the kernel would see to it. Sleeping (on a
//! futex, a mutex, a clock) gives the baton away; when nobody can run the clock jumps to the next moment at which
//! somebody wants to. All that is decided comes from the seed, so a seed replays exactly.
//!
//! The files of this folder know each other by nature: whatever a task asks, and however a world ends, goes through the baton,
//! and who has it decides by the world.
//!
//! The stand-ins in `sync` (`atomic`, `clock`, `fail`, `futex`, `mutex`) and in `shm` (`fork`, `liveness`, `memory`) come here
//! if the thread is a task, and else do what they always do. Compiled only with the feature `simulate`. Memory is sequentially
//! consistent here: weak memory is loom's part. The worlds themselves, and what is expected of them, are in `tests/simulate`.

#![expect(clippy::disallowed_types, reason = "the scheduler itself is not simulated")]
#![expect(clippy::cast_possible_truncation, reason = "what is drawn may be cut, and is small")]

mod asked;
mod draws;
mod scheduler;
mod world;

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{catch_unwind, AssertUnwindSafe, Location};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use asked::*;
pub use draws::Draws;
pub use world::*;

/// Most tasks of a world.
const MOST_TASKS: usize = 64;
/// What a step takes.
const STEP_NANOS: u64 = 25;
/// What a turn of a loop that waits takes.
const SPIN_NANOS: u64 = 400;
/// About how many steps there are for each that has a name (a fail point).
const STEPS_A_NAME: u64 = 40;
/// The simulated time of day when a world begins, in nanoseconds since the epoch.
const DAWN: u64 = 1_700_000_000_000_000_000;

/// How the baton goes round.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// To anybody, after about so many steps.
    Walk(u64),
    /// Always to the task of the highest priority, which falls to the lowest at so many steps drawn beforehand (Burckhardt
    /// and others, "A randomized scheduler with probabilistic guarantees of finding bugs", 2010).
    Priorities(u32),
}

/// What a world is to go through.
#[derive(Clone, Debug)]
pub struct Plan {
    /// All else that is drawn.
    pub seed: u64,
    /// Who runs.
    pub order: Order,
    /// How many steps it takes, about: deaths and stops are spread over them.
    pub length: u64,
    /// How many processes are killed.
    pub kills: u32,
    /// How many are stopped for a while.
    pub stops: u32,
    /// How often one of their threads pauses for a moment, as one whose core is taken.
    pub pauses: u32,
    /// How often the clock jumps.
    pub jumps: u32,
    /// One in so many reservations of memory finds the file system full; 0: none.
    pub refusals: u64,
    /// So many simulated seconds and steps it may take, at most.
    pub most: (u64, u64),
    /// Whether everything that happens is written down.
    pub story: bool,
}

/// What became of a world.
#[derive(Debug)]
pub struct Outcome {
    /// Why it failed.
    pub failure: Option<String>,
    /// Steps that it took.
    pub steps: u64,
    /// Times that the baton went to another task.
    pub switches: u64,
    /// Of all that happened: the same for the same seed.
    pub digest: u64,
    /// What happened, if that was wanted.
    pub story: Vec<String>,
    /// When each process was killed: its step.
    pub deaths: Vec<Option<u64>>,
}

/// A process of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(usize);

impl Process {
    /// Its place among all.
    pub fn index(self) -> usize {
        self.0
    }
}

/// What tasks sleep on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A word of a file: inode and offset.
    Shared(u64, u64),
    /// An address of a process.
    Private(usize, usize),
    /// Nothing but the clock.
    Clock,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Asleep { key: Key, bits: u32, until: Option<u64> },
    Ended,
    Dead,
}

struct Task {
    process: usize,
    name: String,
    state: State,
    priority: u64,
    /// Until then it does not run.
    paused: u64,
    thread: libc::pthread_t,
    /// Where it gave the baton away.
    at: &'static Location<'static>,
}

struct Client {
    generation: u32,
    may_die: bool,
    died: Option<u64>,
    /// Until then it does not run.
    stopped: u64,
    /// Mapped ranges: start, length, and inode.
    ranges: Vec<(usize, usize, u64)>,
    /// Ranges of addresses to be given back: start, length.
    addresses: Vec<(usize, usize)>,
    files: Vec<libc::c_int>,
    locals: HashMap<usize, usize>,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill,
    Stop,
    Pause,
    Jump,
    Fall,
}

struct Inner {
    plan: Plan,
    draws: Draws,
    tasks: Vec<Task>,
    processes: Vec<Client>,
    running: usize,
    /// What the clock has jumped, in nanoseconds.
    jumped: u64,
    /// What is to come, the next one last: at a step, or at a named one.
    faults: Vec<(u64, Fault)>,
    at_names: Vec<(u64, Fault)>,
    /// Named steps.
    names: u64,
    next_switch: u64,
    lowest: u64,
    failure: Option<String>,
    switches: u64,
    digest: u64,
    story: Vec<String>,
    over: bool,
}

static WORLD: Mutex<Option<Inner>> = Mutex::new(None);
/// Steps of the present world. Written by whoever holds the baton.
static STEPS: AtomicU64 = AtomicU64::new(0);
/// The step at which something is to be decided.
static NEXT: AtomicU64 = AtomicU64::new(0);
/// Generations of processes: those of all worlds differ.
static GENERATIONS: AtomicU32 = AtomicU32::new(1);
/// One for each task, and one for who waits for the world's end.
static SEATS: [Seat; MOST_TASKS + 1] = [const { Seat(AtomicU32::new(0)) }; MOST_TASKS + 1];
const SPECTATOR: usize = MOST_TASKS;

const WAITING: u32 = 0;
const GO: u32 = 1;
const DIE: u32 = 2;

thread_local! {
    /// The task that this thread is, plus one.
    static ME: Cell<usize> = const { Cell::new(0) };
    /// The fork generation it acts in: its process's, or a child's that has its handles.
    static GENERATION: Cell<u32> = const { Cell::new(0) };
    /// How many times deep it must not be interrupted.
    static STEADY: Cell<u32> = const { Cell::new(0) };
    /// What it may not do now: change anything that others see.
    static READ_ONLY: Cell<bool> = const { Cell::new(false) };
}

/// Where a thread waits for the baton.
struct Seat(AtomicU32);

impl Seat {
    fn wait(&self) -> u32 {
        loop {
            let now = self.0.swap(WAITING, Ordering::Acquire);
            if now != WAITING {
                return now;
            }
            // SAFETY: the word is a static; the kernel only reads it.
            unsafe {
                libc::syscall(
                    libc::SYS_futex,
                    self.0.as_ptr(),
                    libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                    WAITING,
                    std::ptr::null::<libc::timespec>(),
                );
            }
        }
    }

    fn call(&self, word: u32) {
        self.0.store(word, Ordering::Release);
        // SAFETY: the word is a static; the kernel uses its address as a key.
        unsafe {
            libc::syscall(libc::SYS_futex, self.0.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1);
        }
    }
}

fn world() -> MutexGuard<'static, Option<Inner>> {
    WORLD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with<T>(work: impl FnOnce(&mut Inner) -> T) -> T {
    match world().as_mut() {
        Some(inner) => work(inner),
        None => panic!("a task without a world"),
    }
}

fn me() -> Option<usize> {
    ME.with(Cell::get).checked_sub(1)
}

/// The simulated clock.
fn nanos(inner: &Inner) -> u64 {
    inner.jumped + STEPS.load(Ordering::Relaxed) * STEP_NANOS
}
