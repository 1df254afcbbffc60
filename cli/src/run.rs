//! `run`: keeps copies of a processor's program running.
//!
//! It sleeps until a signal comes (that of an ended child, too) or a copy is due. What is decided here: when a copy is
//! started again, when to give up, and how all of them end. `copies` has the processes, `keeper` their store.

use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use rustix::process::{Pid, Signal};
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::ProcessEnd;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::copies::{reap, signal, Program, Running, Starter};
use crate::keeper::Keeper;
use crate::outcome::Outcome;
use crate::table::plain;
use crate::words::{parse_seconds, store_of_environment};

/// The first delay before a copy is started again, and the longest.
const DELAYS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// A copy that ran so long has not failed at once.
const STEADY: Duration = Duration::from_secs(10);

const EXAMPLE: &str = "\
Example: two gridders on one store, kept running.

  $ sdp-dal run --store /dev/shm/main --count 2 --restart -- gridder /dev/shm/main

Exit status: that of the first copy that ended with a failure and was not restarted, or of the last one when giving up
(128 and the number of the signal that ended it); 0 if there was none, and after SIGTERM, SIGINT or SIGHUP; 126 or 127 if the
program cannot be run; 2 wrong usage.";

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct Run {
    /// Path of the store, which the copies find in SDP_DAL_STORE. It need not exist yet. Once it does, the command is one of
    /// its clients. Default: SDP_DAL_STORE.
    #[arg(short, long, value_name = "PATH")]
    store: Option<PathBuf>,
    /// Number of copies. With more than one, each line of their output begins with the number of the copy.
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    count: u32,
    /// Start a copy again when it ended with a failure, or whenever it ended. A failure is an exit status other than 0, or
    /// a signal. Without a value: on-failure.
    #[arg(long, value_name = "WHEN", value_enum, num_args = 0..=1, require_equals = true,
          default_value = "never", default_missing_value = "on-failure")]
    restart: Restart,
    /// Give up, and end all copies, when one copy failed so many times in a row, each time within 10 seconds. A copy that
    /// crashed while it used the store does not count. 0: never.
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    give_up_after: u32,
    /// Time between SIGTERM and SIGKILL when all copies are ended. A second signal does not wait.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    grace: Duration,
    /// The program and its arguments.
    #[arg(value_name = "PROGRAM", required = true, trailing_var_arg = true)]
    command: Vec<OsString>,
}

/// When a copy is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Restart {
    /// Do not start it again.
    Never,
    /// After a failure.
    OnFailure,
    /// After every end, also a successful one.
    Always,
}

#[derive(Clone, Copy)]
enum State {
    Running(Running),
    /// It is started again at this time.
    Due(Instant),
    Ended,
}

/// A copy, over all its lives.
struct Copy {
    index: u32,
    state: State,
    /// How long to wait before the next start.
    delay: Duration,
    /// Failures in a row, each of them at once.
    failures: u32,
}

impl Copy {
    fn running(&self) -> Option<Running> {
        match self.state {
            State::Running(running) => Some(running),
            _ => None,
        }
    }
}

/// How far the end of all copies has come.
#[derive(Clone, Copy)]
enum Stage {
    /// They shall run.
    Run,
    /// They were told to end, and are killed at this time.
    End(Instant),
    /// They were killed.
    Killed,
}

/// All copies.
struct Crew<'a> {
    which: &'a Run,
    name: String,
    starter: Starter<'a>,
    keeper: Option<Keeper>,
    token: u32,
    copies: Vec<Copy>,
    stage: Stage,
    /// Of the first copy that failed for good.
    status: Option<u8>,
}

/// Runs the copies until all have ended for good.
pub fn run(which: &Run, accept_owner: Option<u32>) -> Result<Outcome> {
    // Before any copy is there: none must be left behind by a signal that comes early.
    let (send, signals) = mpsc::channel();
    let mut source =
        Signals::new([SIGCHLD, SIGINT, SIGTERM, SIGHUP]).map_err(|e| Error::io("waiting for signals", &e))?;
    std::thread::spawn(move || source.forever().try_for_each(|signal| send.send(signal)));

    let command = &which.command[0];
    if let Some(status) = cannot_run(Path::new(command)) {
        return Ok(Outcome::Status(status));
    }
    let store = which.store.clone().or_else(store_of_environment);
    let keeper = store.as_ref().map(|path| Keeper::start(path, accept_owner));
    let token = keeper.as_ref().map_or(0, |_| draw_token());
    let program =
        Program { command: &which.command, store: store.as_deref(), token, several: which.count > 1 };
    let name = Path::new(command).file_name().unwrap_or(command).to_string_lossy();
    let now = Instant::now();
    let copies =
        (0..which.count).map(|index| Copy { index, state: State::Due(now), delay: DELAYS.0, failures: 0 });
    let mut crew = Crew {
        which,
        name: plain(&name),
        starter: Starter::new(&program)?,
        keeper,
        token,
        copies: copies.collect(),
        stage: Stage::Run,
        status: None,
    };
    crew.run(&signals);
    crew.starter.finish();
    Ok(crew.status.map_or(Outcome::Fine, Outcome::Status))
}

impl Crew<'_> {
    fn run(&mut self, signals: &Receiver<i32>) {
        loop {
            let now = Instant::now();
            let next = match self.stage {
                Stage::Run => self.start_due(now),
                Stage::End(until) if until <= now => self.kill("they did not end in time"),
                Stage::End(until) => Some(until),
                Stage::Killed => None,
            };
            if self.copies.iter().all(|copy| matches!(copy.state, State::Ended)) {
                return;
            }
            let wait = next.map_or(STEADY, |at| at.saturating_duration_since(now));
            match signals.recv_timeout(wait) {
                Ok(SIGCHLD) | Err(RecvTimeoutError::Timeout) => self.reap(),
                Ok(came) if matches!(self.stage, Stage::Run) => {
                    let name = signal_hook::low_level::signal_name(came).unwrap_or("a signal");
                    self.status = None;
                    self.end(&format!("{name} came"));
                }
                Ok(_) => drop(self.kill("another signal came")),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Starts the copies that are due. When the next one is.
    fn start_due(&mut self, now: Instant) -> Option<Instant> {
        for at in 0..self.copies.len() {
            if matches!(self.copies[at].state, State::Due(due) if due <= now) {
                match self.starter.start(self.copies[at].index) {
                    Ok(running) => {
                        self.copies[at].state = State::Running(running);
                        say(&format!("{} was started, pid {}", self.title(at), running.pid.as_raw_nonzero()));
                    }
                    Err(error) => {
                        // No memory, or too many processes: as if it had ended at once.
                        self.ended(
                            at,
                            ProcessEnd::Exited(126),
                            Duration::ZERO,
                            false,
                            &plain(error.message()),
                        );
                    }
                }
            }
        }
        let due = self.copies.iter().filter_map(|copy| match copy.state {
            State::Due(due) => Some(due),
            _ => None,
        });
        due.min()
    }

    /// Takes note of the copies that have ended.
    fn reap(&mut self) {
        let running: Vec<Pid> = self.copies.iter().filter_map(|copy| Some(copy.running()?.pid)).collect();
        let mut ends = Vec::new();
        reap(&running, |pid, end| {
            let number = pid.as_raw_nonzero().get().unsigned_abs();
            let clients = self.keeper.as_ref().map_or(0, |keeper| keeper.tell(number, self.token, end));
            ends.push((pid, end, clients > 0));
        });
        for (pid, end, began) in ends {
            let found = self.copies.iter().position(|copy| copy.running().is_some_and(|now| now.pid == pid));
            if let Some((at, running)) = found.and_then(|at| Some((at, self.copies[at].running()?))) {
                let (ran, how) = (running.since.elapsed(), format!("pid {} {end}", pid.as_raw_nonzero()));
                self.ended(at, end, ran, began, &how);
            }
        }
    }

    /// A copy has ended: decides what becomes of it. One that crashed while it was a client of the store has begun its work,
    /// and has not failed at once.
    fn ended(&mut self, at: usize, end: ProcessEnd, ran: Duration, began: bool, how: &str) {
        let text = format!("{}: {how} after {:.1} s", self.title(at), ran.as_secs_f64());
        let again = match self.which.restart {
            Restart::Never => false,
            Restart::OnFailure => !end.is_success(),
            Restart::Always => true,
        };
        let copy = &mut self.copies[at];
        copy.state = State::Ended;
        if ran >= STEADY {
            copy.delay = DELAYS.0;
        }
        copy.failures = if ran >= STEADY || began || end.is_success() { 0 } else { copy.failures + 1 };
        let failures = copy.failures;
        let before = if self.keeper.is_some() { ", before it used the store" } else { "" };
        if !matches!(self.stage, Stage::Run) {
            say(&text);
        } else if !again {
            say(&text);
            if !end.is_success() {
                self.status.get_or_insert(end.status());
            }
        } else if self.which.give_up_after != 0 && failures >= self.which.give_up_after {
            say(&text);
            self.status = Some(end.status());
            let seconds = STEADY.as_secs();
            let times = format!("failed {failures} times in a row, each time within {seconds} s{before}");
            self.end(&format!("giving up, because {} {times}", self.title(at)));
        } else {
            say(&format!("{text}; restarting it in {:.1} s", copy.delay.as_secs_f64()));
            copy.state = State::Due(Instant::now() + copy.delay);
            copy.delay = DELAYS.1.min(copy.delay * 2);
        }
    }

    /// Tells all copies to end.
    fn end(&mut self, why: &str) {
        let mut running = 0;
        for copy in &mut self.copies {
            match copy.state {
                State::Running(now) => {
                    signal(now.pid, Signal::TERM);
                    // One that is stopped hears nothing.
                    signal(now.pid, Signal::CONT);
                    running += 1;
                }
                _ => copy.state = State::Ended,
            }
        }
        self.stage = Stage::End(Instant::now() + self.which.grace);
        say(&match running {
            0 => why.to_owned(),
            _ => format!("{why}: ending {}", processes(running)),
        });
    }

    /// Kills what still runs.
    fn kill(&mut self, why: &str) -> Option<Instant> {
        let running: Vec<Pid> = self.copies.iter().filter_map(|copy| Some(copy.running()?.pid)).collect();
        if !running.is_empty() {
            say(&format!("{why}: killing {}", processes(running.len())));
        }
        running.into_iter().for_each(|pid| signal(pid, Signal::KILL));
        self.stage = Stage::Killed;
        None
    }

    fn title(&self, at: usize) -> String {
        match self.copies.len() {
            1 => self.name.clone(),
            _ => format!("copy {} of {}", self.copies[at].index, self.name),
        }
    }
}

/// A number that no other supervisor of the same store has. Not 0.
fn draw_token() -> u32 {
    let random = RandomState::new().build_hasher().finish();
    u32::try_from(random % u64::from(u32::MAX)).unwrap_or(0) + 1
}

fn processes(number: usize) -> String {
    format!("{number} {}", if number == 1 { "process" } else { "processes" })
}

fn say(text: &str) {
    eprintln!("sdp-dal run: {text}");
}

/// The exit status of shells for a program that is not there (127) or is none (126). What is found out here is an error at
/// once, and is not tried again and again.
fn cannot_run(program: &Path) -> Option<u8> {
    let is_file = |path: &Path| path.metadata().is_ok_and(|meta| meta.is_file());
    let may_run = |path: &Path| path.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0);
    let folders = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let places: Vec<PathBuf> = match program.components().count() {
        1 if !program.to_string_lossy().contains('/') => {
            std::env::split_paths(&folders).map(|folder| folder.join(program)).collect()
        }
        _ => vec![program.to_owned()],
    };
    let mut found = places.iter().filter(|path| is_file(path)).peekable();
    let error = if found.peek().is_none() {
        (127, Error::new(Kind::NotFound, "there is no such program"))
    } else if !found.any(|path| may_run(path)) {
        (126, Error::new(Kind::PermissionDenied, "it is not executable"))
    } else {
        return None;
    };
    say(&plain(error.1.context(program.display()).message()));
    Some(error.0)
}
