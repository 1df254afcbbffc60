//! What the tests ask: worlds, processes, tasks, and what became of them.

use super::scheduler::{die, pass_on};
use super::*;

/// Begins a world. The thread is its spectator.
pub fn begin(plan: Plan) {
    let mut draws = Draws::new(plan.seed);
    let (mut faults, mut at_names) = (Vec::new(), Vec::new());
    let falls = if let Order::Priorities(falls) = plan.order { falls } else { 0 };
    let all = [
        (plan.kills, Fault::Kill),
        (plan.stops, Fault::Stop),
        (plan.pauses, Fault::Pause),
        (plan.jumps, Fault::Jump),
        (falls, Fault::Fall),
    ];
    for (count, fault) in all {
        for _ in 0..count {
            // Half of what befalls processes and threads befalls them where a protocol has its steps.
            if !matches!(fault, Fault::Jump) && draws.one_in(2) {
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
            paused: 0,
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

/// Whether a process stands still now: what it had begun may still come.
pub fn does_any_stand() -> bool {
    with(|inner| {
        let now = nanos(inner);
        inner.processes.iter().any(|process| process.died.is_none() && process.stopped > now)
    })
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
