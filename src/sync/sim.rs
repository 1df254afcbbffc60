//! The simulator's scheduler: the code that ships, run by several clients in one process, in any order, with deaths.
//!
//! A *world* has *processes* (clients of a store), each with *tasks* (its threads). A task is a thread of the system, of which
//! one runs at a time: it holds the baton. At each *step* (an operation on an atomic, a fail point, a question to the
//! kernel) the baton may go to another task, the process may be stopped for a while, or killed: then its tasks end where they
//! are, nothing of theirs is cleaned up, and its descriptors and mappings go, as the kernel would see to it. Sleeping (on a
//! futex, a mutex, a clock) gives the baton away; when nobody can run the clock jumps to the next moment at which
//! somebody wants to. All that is decided comes from the seed, so a seed replays exactly.
//!
//! The stand-ins in this room (`atomic`, `clock`, `fail`, `futex`, `mutex`) and in `shm` (`fork`, `liveness`, `memory`) come here
//! if the thread is a task, and else do what they always do. Compiled only with the feature `simulate`. Memory is sequentially
//! consistent here: weak memory is loom's part. The worlds themselves, and what is expected of them, are in `tests/simulate`.

#![expect(clippy::disallowed_types, reason = "the scheduler itself is not simulated")]

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{catch_unwind, AssertUnwindSafe, Location};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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

/// A generator of numbers (xorshift64*, Vigna 2016) that a seed determines.
#[derive(Clone, Debug)]
pub struct Draws(u64);

impl Draws {
    /// From a seed; neighbouring seeds give sequences that have nothing in common.
    pub fn new(seed: u64) -> Draws {
        // The finaliser of splitmix64 (Steele, Lea, Flood 2014).
        let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Draws((mixed ^ mixed >> 31) | 1)
    }

    /// Any number.
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end` (0 if that is 0).
    pub fn below(&mut self, end: u64) -> u64 {
        (u128::from(self.word()) * u128::from(end) >> 64) as u64
    }

    /// True once in `times`.
    pub fn one_in(&mut self, times: u64) -> bool {
        times > 0 && self.below(times) == 0
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    /// A number of steps of which `mean` is about the mean.
    fn steps(&mut self, mean: u64) -> u64 {
        let part = (self.word() >> 11) as f64 / (1u64 << 53) as f64;
        1 + (-(1.0 - part).ln() * mean as f64) as u64
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

// ---- what the stand-ins ask -----------------------------------------------------------------------------------------

/// Whether this thread is a task of a simulated world.
#[inline]
pub fn is_task() -> bool {
    ME.with(Cell::get) != 0
}

/// A step of a task: whatever may happen happens now.
#[inline]
#[track_caller]
pub fn step() {
    if ME.with(Cell::get) == 0 {
        return;
    }
    let steps = STEPS.load(Ordering::Relaxed) + 1;
    STEPS.store(steps, Ordering::Relaxed);
    if steps >= NEXT.load(Ordering::Relaxed) {
        decide(Location::caller(), false);
    }
}

/// A step that changes memory.
#[inline]
#[track_caller]
pub fn change<T>(word: &T) {
    if READ_ONLY.with(Cell::get) {
        forbidden(std::ptr::from_ref(word).addr());
    }
    step();
}

#[cold]
#[track_caller]
fn forbidden(address: usize) {
    let Some(task) = me() else { return };
    let at = Location::caller();
    let bad = with(|inner| inner.shared(task, address).is_some());
    if bad {
        panic!("a forked child changes what is its parent's, at {at}");
    }
}

/// A turn of a loop that waits for others. False if this is no task.
#[track_caller]
pub fn yield_now() -> bool {
    if !is_task() {
        return false;
    }
    STEPS.store(STEPS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    with(|inner| inner.jumped += SPIN_NANOS);
    decide(Location::caller(), true);
    true
}

fn nanos(inner: &Inner) -> u64 {
    inner.jumped + STEPS.load(Ordering::Relaxed) * STEP_NANOS
}

/// The clock, if this is a task.
pub fn now() -> Option<Instant> {
    static FIRST: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    is_task().then(|| {
        #[expect(clippy::disallowed_methods, reason = "where simulated time begins")]
        let first = *FIRST.get_or_init(Instant::now);
        first + Duration::from_nanos(with(|inner| nanos(inner)))
    })
}

/// The time of day, if this is a task.
pub fn epoch_nanos() -> Option<u64> {
    is_task().then(|| DAWN + with(|inner| nanos(inner)))
}

/// The clock in microseconds, if this is a task.
pub fn micros() -> Option<u32> {
    is_task().then(|| (with(|inner| nanos(inner)) / 1000) as u32)
}

/// Sleeps. False if this is no task.
#[track_caller]
pub fn sleep(time: Duration) -> bool {
    if !is_task() {
        return false;
    }
    step();
    block(Key::Clock, 0, Some(time), Location::caller());
    true
}

/// Sleeps on `key` until it is woken with one of `bits`, or for `time`. To be called without a step since the look that
/// said to sleep.
pub fn block(key: Key, bits: u32, time: Option<Duration>, at: &'static Location<'static>) {
    let Some(task) = me() else { return };
    let mut guard = world();
    let Some(inner) = guard.as_mut() else { return };
    let until =
        time.map(|time| nanos(inner).saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)));
    inner.tasks[task].state = State::Asleep { key, bits, until };
    inner.tasks[task].at = at;
    inner.tell(|inner| format!("{} sleeps at {at}", inner.title(task)));
    pass_on(guard, task);
}

/// Wakes those who sleep on `key` with one of `bits`, `count` at most.
pub fn wake(key: Key, count: u32, bits: u32) {
    let mut guard = world();
    let Some(inner) = guard.as_mut() else { return };
    let mut left = count;
    for task in 0..inner.tasks.len() {
        if left == 0 {
            break;
        }
        let State::Asleep { key: asleep, bits: listens, .. } = inner.tasks[task].state else { continue };
        if asleep == key && listens & bits != 0 {
            inner.tasks[task].state = State::Ready;
            inner.tell(|inner| format!("    wakes {}", inner.title(task)));
            left -= 1;
        }
    }
}

/// What a word at this address is for everybody.
pub fn key<T>(word: &T) -> Key {
    let address = std::ptr::from_ref(word).addr();
    let Some(task) = me() else { return Key::Private(usize::MAX, address) };
    with(|inner| {
        let process = inner.tasks[task].process;
        inner.shared(task, address).unwrap_or(Key::Private(process, address))
    })
}

/// The fork generation, if this is a task.
pub fn forks() -> Option<u32> {
    is_task().then(|| GENERATION.with(Cell::get))
}

/// While it lives this task is not interrupted.
pub struct Steady(());

/// From now on this task is not interrupted.
pub fn steady() -> Steady {
    STEADY.with(|depth| depth.set(depth.get() + 1));
    Steady(())
}

impl Drop for Steady {
    fn drop(&mut self) {
        STEADY.with(|depth| depth.set(depth.get() - 1));
    }
}

/// This process's own place for what lies at an address: 0 at first.
pub fn local(address: usize) -> Option<usize> {
    let task = me()?;
    Some(with(|inner| {
        let process = inner.tasks[task].process;
        inner.processes[process].locals.get(&address).copied().unwrap_or(0)
    }))
}

/// Sets what [`local`] gives.
pub fn set_local(address: usize, value: usize) {
    let Some(task) = me() else { return };
    with(|inner| {
        let process = inner.tasks[task].process;
        inner.processes[process].locals.insert(address, value);
    });
}

/// Counts at an address of the running process, from 1.
pub fn count<T>(word: &T) -> Option<u64> {
    let address = std::ptr::from_ref(word).addr();
    let now = local(address)? + 1;
    set_local(address, now);
    Some(now as u64)
}

/// The running process has opened a file.
pub fn opened(file: libc::c_int) {
    of_process(|process| process.files.push(file));
}

/// It has closed it.
pub fn closed(file: libc::c_int) {
    of_process(|process| process.files.retain(|open| *open != file));
}

/// It has mapped a file into a range of addresses that it has.
pub fn mapped(start: usize, length: usize, inode: u64, addresses: (usize, usize)) {
    of_process(|process| {
        process.ranges.push((start, length, inode));
        process.addresses.push(addresses);
    });
}

/// It gives the range at `start` back.
pub fn unmapped(start: usize) {
    of_process(|process| {
        if let Some(at) = process.ranges.iter().position(|range| range.0 == start) {
            process.ranges.remove(at);
            process.addresses.remove(at);
        }
    });
}

fn of_process(work: impl FnOnce(&mut Client)) {
    let Some(task) = me() else { return };
    with(|inner| {
        let process = inner.tasks[task].process;
        work(&mut inner.processes[process]);
    });
}

/// Random bytes, if this is a task.
pub fn random(bytes: &mut [u8]) -> bool {
    if !is_task() {
        return false;
    }
    with(|inner| bytes.iter_mut().for_each(|byte| *byte = inner.draws.word() as u8));
    true
}

/// Whether the file system has no memory now.
#[track_caller]
pub fn refuses_memory() -> bool {
    step();
    let at = Location::caller();
    let Some(task) = me() else { return false };
    with(|inner| {
        let refuses = inner.plan.refusals > 0 && inner.draws.one_in(inner.plan.refusals);
        if refuses {
            inner.tell(|inner| format!("{} gets no memory at {at}", inner.title(task)));
        }
        refuses
    })
}

/// A named step.
#[track_caller]
pub fn named(name: &'static str) {
    let Some(task) = me() else { return };
    with(|inner| {
        inner.tell(|inner| format!("{} {name}", inner.title(task)));
        inner.names += 1;
        if let Some((_, fault)) = inner.at_names.pop_if(|(at, _)| *at <= inner.names) {
            inner.faults.push((0, fault));
            NEXT.store(0, Ordering::Relaxed);
        }
    });
    step();
}

// ---- what the tests ask ---------------------------------------------------------------------------------------------

/// Begins a world. The thread is its spectator.
pub fn begin(plan: Plan) {
    let mut draws = Draws::new(plan.seed);
    let (mut faults, mut at_names) = (Vec::new(), Vec::new());
    let falls = if let Order::Priorities(falls) = plan.order { falls } else { 0 };
    let all = [
        (plan.kills, Fault::Kill),
        (plan.stops, Fault::Stop),
        (plan.jumps, Fault::Jump),
        (falls, Fault::Fall),
    ];
    for (count, fault) in all {
        for _ in 0..count {
            // Half of what befalls processes befalls them where a protocol has its steps.
            if matches!(fault, Fault::Kill | Fault::Stop) && draws.one_in(2) {
                at_names.push((1 + draws.below(plan.length / STEPS_A_NAME), fault));
            } else {
                faults.push((1 + draws.below(plan.length), fault));
            }
        }
    }
    faults.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    at_names.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    STEPS.store(0, Ordering::Relaxed);
    NEXT.store(1, Ordering::Relaxed);
    *world() = Some(Inner {
        plan,
        draws,
        tasks: Vec::new(),
        processes: Vec::new(),
        running: usize::MAX,
        jumped: 0,
        faults,
        at_names,
        names: 0,
        next_switch: 0,
        lowest: 1 << 32,
        failure: None,
        switches: 0,
        digest: 0,
        story: Vec::new(),
        over: false,
    });
}

/// A new process. One that may not die is not stopped either.
pub fn process(may_die: bool) -> Process {
    with(|inner| {
        inner.processes.push(Client {
            generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
            may_die,
            died: None,
            stopped: 0,
            ranges: Vec::new(),
            addresses: Vec::new(),
            files: Vec::new(),
            locals: HashMap::new(),
        });
        Process(inner.processes.len() - 1)
    })
}

/// What a thread is started with.
struct Start {
    task: usize,
    generation: u32,
    work: Box<dyn FnOnce() + Send>,
}

extern "C" fn run_task(start: *mut libc::c_void) -> *mut libc::c_void {
    // SAFETY: made by `spawn` for this thread alone.
    let start = unsafe { Box::from_raw(start.cast::<Start>()) };
    if SEATS[start.task].wait() == DIE {
        die();
    }
    ME.with(|me| me.set(start.task + 1));
    GENERATION.with(|generation| generation.set(start.generation));
    let Start { task, work, .. } = *start;
    if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        with(|inner| {
            let title = inner.title(task);
            inner.fail(format!("{title}: {}", text.unwrap_or_default()));
        });
    }
    ME.with(|me| me.set(0));
    let mut guard = world();
    if let Some(inner) = guard.as_mut() {
        inner.tasks[task].state = State::Ended;
        inner.tell(|inner| format!("{} ends", inner.title(task)));
    }
    pass_on(guard, task);
    std::ptr::null_mut()
}

/// A new task of a process. To be called by the spectator before the world runs, or by a task.
pub fn spawn(process: Process, name: &str, work: impl FnOnce() + Send + 'static) {
    let start = with(|inner| {
        let task = inner.tasks.len();
        assert!(task < MOST_TASKS, "too many tasks");
        let priority = (2 << 32) + inner.draws.below(1 << 32);
        let nowhere = Location::caller();
        let name = format!("{}:{name}", process.0);
        inner.tasks.push(Task {
            process: process.0,
            name,
            state: State::Ready,
            priority,
            thread: 0,
            at: nowhere,
        });
        Start { task, generation: inner.processes[process.0].generation, work: Box::new(work) }
    });
    let task = start.task;
    let start = Box::into_raw(Box::new(start));
    let mut thread = 0;
    // SAFETY: the function takes the box over.
    let failed = unsafe { libc::pthread_create(&raw mut thread, std::ptr::null(), run_task, start.cast()) };
    assert!(failed == 0, "a thread could not be started: {failed}");
    with(|inner| inner.tasks[task].thread = thread);
}

/// Runs the world to its end.
pub fn run() -> Outcome {
    let mut guard = world();
    if let Some(inner) = guard.as_mut() {
        if let Some(first) = inner.choose() {
            inner.running = first;
            drop(guard);
            SEATS[first].call(GO);
            SEATS[SPECTATOR].wait();
        } else {
            drop(guard);
        }
    }
    let threads: Vec<_> = with(|inner| inner.tasks.iter().map(|task| task.thread).collect());
    for thread in threads {
        // SAFETY: started by `spawn`, joined once. The threads of the killed have ended without a word, which the kernel tells.
        unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
    }
    let Some(inner) = world().take() else { panic!("no world") };
    Outcome {
        failure: inner.failure,
        steps: STEPS.load(Ordering::Relaxed),
        switches: inner.switches,
        digest: inner.digest,
        story: inner.story,
        deaths: inner.processes.iter().map(|process| process.died).collect(),
    }
}

/// Kills this task's process, now.
pub fn kill_this() {
    if let Some(task) = me() {
        kill(Process(with(|inner| inner.tasks[task].process)));
    }
}

/// Kills a process, wherever it is.
pub fn kill(process: Process) {
    let Some(task) = me() else { return };
    let mut guard = world();
    let Some(inner) = guard.as_mut() else { return };
    if inner.processes[process.0].died.is_none() {
        inner.kill(process.0, Some(task));
    }
    pass_on(guard, task);
}

/// The present step: orders what happens in different tasks.
pub fn steps() -> u64 {
    STEPS.load(Ordering::Relaxed)
}

/// Writes into the story.
pub fn note(text: impl FnOnce() -> String) {
    let Some(task) = me() else { return };
    with(|inner| inner.tell(|inner| format!("{}: {}", inner.title(task), text())));
}

/// The world has failed. It goes on to its end.
pub fn fail(why: String) {
    with(|inner| inner.fail(why));
}

/// Whether a process has tasks that have not ended, and was not killed.
pub fn is_running(process: Process) -> bool {
    let over = |task: &Task| matches!(task.state, State::Ended | State::Dead);
    with(|inner| inner.tasks.iter().any(|task| task.process == process.0 && !over(task)))
}

/// Whether the process of this index was not killed.
pub fn lives_at(index: usize) -> bool {
    with(|inner| inner.processes[index].died.is_none())
}

/// Whether the plan has no deaths, stops, jumps of the clock or lack of memory: then nothing may fail.
pub fn is_calm() -> bool {
    with(|inner| {
        let plan = &inner.plan;
        plan.kills + plan.stops + plan.jumps == 0 && plan.refusals == 0
    })
}

/// Runs `work` as a forked child would that has inherited all handles of this process: it must change nothing that is shared.
pub fn as_forked_child<T>(work: impl FnOnce() -> T) -> T {
    let generation = GENERATION.with(|held| held.replace(GENERATIONS.fetch_add(1, Ordering::Relaxed)));
    READ_ONLY.with(|read_only| read_only.set(true));
    let done = work();
    READ_ONLY.with(|read_only| read_only.set(false));
    GENERATION.with(|held| held.set(generation));
    done
}

// ---- the scheduler --------------------------------------------------------------------------------------------------

/// Ends this thread as a kill does: nothing of it is unwound.
fn die() -> ! {
    loop {
        // SAFETY: ends this thread; nothing of it is used any more.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
}

#[cold]
fn decide(at: &'static Location<'static>, spins: bool) {
    if STEADY.with(Cell::get) > 0 {
        return;
    }
    let Some(task) = me() else { return };
    let mut guard = world();
    let Some(inner) = guard.as_mut() else { return };
    inner.tasks[task].at = at;
    if spins {
        // Whoever waits in a loop lets the others go first.
        inner.lowest -= 1;
        inner.tasks[task].priority = inner.lowest;
    }
    inner.befall(task);
    pass_on(guard, task);
}

/// Gives the baton to whoever is next, and waits for it if this task is not over.
fn pass_on(mut guard: MutexGuard<'static, Option<Inner>>, task: usize) {
    let Some(inner) = guard.as_mut() else { return };
    let next = inner.choose();
    inner.plan_next();
    let state = inner.tasks[task].state;
    if let Some(next) = next {
        if next != task {
            inner.switches += 1;
            inner.tell(|inner| {
                let (from, to) = (&inner.tasks[task], &inner.tasks[next]);
                format!("-- {} (at {}) -> {} (at {})", from.name, from.at, to.name, to.at)
            });
        }
        inner.running = next;
    }
    inner.digest = (inner.digest ^ next.map_or(u64::MAX, |next| next as u64))
        .wrapping_mul(0x0100_0000_01b3)
        .wrapping_add(STEPS.load(Ordering::Relaxed));
    drop(guard);
    match next {
        Some(next) if next == task => return,
        Some(next) => SEATS[next].call(GO),
        None => SEATS[SPECTATOR].call(GO),
    }
    match state {
        State::Ended => {}
        State::Dead => die(),
        State::Ready | State::Asleep { .. } => {
            if SEATS[task].wait() == DIE {
                die();
            }
        }
    }
}

impl Inner {
    fn title(&self, task: usize) -> String {
        self.tasks[task].name.clone()
    }

    fn tell(&mut self, text: impl FnOnce(&Inner) -> String) {
        if self.plan.story {
            let (step, time) = (STEPS.load(Ordering::Relaxed), nanos(self) as f64 / 1e9);
            let line = format!("{step:>8} {time:>12.6} {}", text(self));
            self.story.push(line);
        }
    }

    fn fail(&mut self, why: String) {
        self.tell(|_| format!("FAILURE: {why}"));
        self.failure.get_or_insert(why);
        // The rest of it has nothing to tell.
        self.over = true;
        NEXT.store(0, Ordering::Relaxed);
    }

    fn shared(&self, task: usize, address: usize) -> Option<Key> {
        let ranges = &self.processes[self.tasks[task].process].ranges;
        let found = ranges.iter().find(|(start, length, _)| (*start..start + length).contains(&address));
        found.map(|(start, _, inode)| Key::Shared(*inode, (address - start) as u64))
    }

    /// Whatever is to happen by this step.
    fn befall(&mut self, task: usize) {
        let step = STEPS.load(Ordering::Relaxed);
        while let Some((at, fault)) = self.faults.last().copied() {
            if at > step {
                break;
            }
            self.faults.pop();
            match fault {
                Fault::Fall => {
                    self.lowest -= 1;
                    self.tasks[task].priority = self.lowest;
                }
                Fault::Jump => {
                    let millis = [1, 30, 120, 400, 1500, 15_000];
                    self.jumped += 1_000_000 * *self.draws.pick(&millis);
                    self.tell(|_| "the clock jumps".to_owned());
                }
                Fault::Kill | Fault::Stop => {
                    // Mostly the one that is at work.
                    let ours = self.tasks[task].process;
                    let any = self.draws.below(self.processes.len() as u64) as usize;
                    let hit = if self.draws.one_in(3) { any } else { ours };
                    let process = &self.processes[hit];
                    if !process.may_die || process.died.is_some() {
                        continue;
                    }
                    if matches!(fault, Fault::Kill) {
                        self.kill(hit, Some(task));
                    } else {
                        let millis = [1, 25, 150, 300, 1200, 12_000, 25_000];
                        let time = *self.draws.pick(&millis);
                        self.processes[hit].stopped = nanos(self) + time * 1_000_000;
                        self.tell(|_| format!("process {hit} is stopped for {time} ms"));
                    }
                }
            }
        }
        let (seconds, steps) = self.plan.most;
        if !self.over && (step > steps || nanos(self) > seconds * 1_000_000_000) {
            let living = self.tasks.iter().filter(|task| !matches!(task.state, State::Ended | State::Dead));
            let names: Vec<_> = living.map(|task| format!("{} at {}", task.name, task.at)).collect();
            self.fail(format!("it does not end: after {step} steps there still are {}", names.join(", ")));
        }
    }

    fn kill(&mut self, hit: usize, running: Option<usize>) {
        self.tell(|inner| {
            let at = |task: &&Task| task.process == hit && !matches!(task.state, State::Ended | State::Dead);
            let places: Vec<_> =
                inner.tasks.iter().filter(at).map(|task| format!("{} at {}", task.name, task.at)).collect();
            format!("process {hit} is KILLED: {}", places.join(", "))
        });
        self.processes[hit].died = Some(STEPS.load(Ordering::Relaxed));
        for task in 0..self.tasks.len() {
            if self.tasks[task].process == hit
                && !matches!(self.tasks[task].state, State::Ended | State::Dead)
            {
                self.tasks[task].state = State::Dead;
                if Some(task) != running {
                    SEATS[task].call(DIE);
                }
            }
        }
        let process = &mut self.processes[hit];
        for (start, length) in process.addresses.drain(..) {
            // SAFETY: the process's own addresses, and none of its threads runs any more.
            unsafe { libc::munmap(std::ptr::without_provenance_mut(start), length) };
        }
        process.ranges.clear();
        for file in process.files.drain(..) {
            // SAFETY: the process's own descriptor; its owner is never dropped.
            unsafe { libc::close(file) };
        }
    }

    /// Who runs now. `None`: nobody is left.
    fn choose(&mut self) -> Option<usize> {
        if self.over {
            // It has failed: everybody goes, as they are.
            for process in 0..self.processes.len() {
                if self.processes[process].died.is_none() {
                    let running = Some(self.running);
                    self.kill(process, running);
                }
            }
        }
        loop {
            let now = nanos(self);
            let mut ready = Vec::with_capacity(8);
            let mut soonest = None;
            for (at, task) in self.tasks.iter_mut().enumerate() {
                let stopped = self.processes[task.process].stopped;
                let due = match task.state {
                    State::Ended | State::Dead => continue,
                    State::Ready => 0,
                    State::Asleep { until: None, .. } => continue,
                    State::Asleep { until: Some(until), .. } => until,
                };
                let due = due.max(stopped);
                if due <= now {
                    task.state = State::Ready;
                    ready.push(at);
                } else {
                    soonest = Some(soonest.map_or(due, |soonest: u64| soonest.min(due)));
                }
            }
            if !ready.is_empty() {
                let running = ready.contains(&self.running).then_some(self.running);
                return Some(match self.plan.order {
                    Order::Walk(_) => match running {
                        Some(task) if STEPS.load(Ordering::Relaxed) < self.next_switch => task,
                        _ => *self.draws.pick(&ready),
                    },
                    Order::Priorities(_) => {
                        let first = ready.iter().max_by_key(|task| self.tasks[**task].priority);
                        *first.unwrap_or(&ready[0])
                    }
                });
            }
            let Some(soonest) = soonest else {
                let asleep = |task: &&Task| matches!(task.state, State::Asleep { .. });
                let names: Vec<_> =
                    self.tasks.iter().filter(asleep).map(|t| format!("{} at {}", t.name, t.at)).collect();
                if names.is_empty() {
                    return None;
                }
                self.fail(format!("nobody ever wakes {}", names.join(", ")));
                return self.choose();
            };
            self.jumped += soonest - now;
        }
    }

    /// When the next decision is due.
    fn plan_next(&mut self) {
        let step = STEPS.load(Ordering::Relaxed);
        if let Order::Walk(mean) = self.plan.order {
            if self.next_switch <= step {
                self.next_switch = step + self.draws.steps(mean);
            }
        } else {
            // Looked at now and then, for those whose time has come.
            self.next_switch = step + 200;
        }
        let fault = self.faults.last().map_or(u64::MAX, |(at, _)| *at);
        NEXT.store(self.next_switch.min(fault).max(step + 1), Ordering::Relaxed);
    }
}
