//! What the stand-ins of `sync` and of `shm` ask. From a thread that is no task they get no answer.

use super::scheduler::{decide, pass_on};
use super::*;

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
