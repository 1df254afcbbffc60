//! Who runs, and what befalls whom.

use super::*;

/// Ends this thread as a kill does: nothing of it is unwound.
pub(super) fn die() -> ! {
    loop {
        // SAFETY: ends this thread; nothing of it is used any more.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
}

#[cold]
pub(super) fn decide(at: &'static Location<'static>, spins: bool) {
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
pub(super) fn pass_on(mut guard: MutexGuard<'static, Option<Inner>>, task: usize) {
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
    pub(super) fn title(&self, task: usize) -> String {
        self.tasks[task].name.clone()
    }

    pub(super) fn tell(&mut self, text: impl FnOnce(&Inner) -> String) {
        if self.plan.story {
            let (step, time) = (STEPS.load(Ordering::Relaxed), nanos(self) as f64 / 1e9);
            let line = format!("{step:>8} {time:>12.6} {}", text(self));
            self.story.push(line);
        }
    }

    pub(super) fn fail(&mut self, why: String) {
        self.tell(|_| format!("FAILURE: {why}"));
        self.failure.get_or_insert(why);
        // The rest of it has nothing to tell.
        self.over = true;
        NEXT.store(0, Ordering::Relaxed);
    }

    pub(super) fn shared(&self, task: usize, address: usize) -> Option<Key> {
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
                Fault::Pause => {
                    let micros = [3, 30, 300, 3000];
                    let time = *self.draws.pick(&micros);
                    self.tasks[task].paused = nanos(self) + time * 1000;
                    self.tell(|inner| format!("{} pauses for {time} us", inner.title(task)));
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

    pub(super) fn kill(&mut self, hit: usize, running: Option<usize>) {
        self.tell(|inner| {
            let at = |task: &&Task| task.process == hit && !matches!(task.state, State::Ended | State::Dead);
            let places: Vec<_> =
                inner.tasks.iter().filter(at).map(|task| format!("{} at {}", task.name, task.at)).collect();
            format!("process {hit} is KILLED: {}", places.join(", "))
        });
        self.processes[hit].died = Some(STEPS.load(Ordering::Relaxed));
        let lives = |task: &Task| !matches!(task.state, State::Ended | State::Dead);
        for (at, task) in
            self.tasks.iter_mut().enumerate().filter(|(_, task)| task.process == hit && lives(task))
        {
            task.state = State::Dead;
            if Some(at) != running {
                SEATS[at].call(DIE);
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
    pub(super) fn choose(&mut self) -> Option<usize> {
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
                let due = due.max(stopped).max(task.paused);
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
