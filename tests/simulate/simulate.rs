//! The simulator: whole clients of a store as tasks of a seeded scheduler (`sdp_dal::sync::sim`), with deaths, stops and full
//! memory at any step, judged by what must be. A failing seed is replayed with its story: `scripts/simulate.sh --seed SEED`.
//!
//! Each world runs in a child process that runs many, one after the other: what the killed have left in memory goes with it,
//! and a crash or a standstill of the whole process names its seed.

extern crate sdp_dal_simulated as sdp_dal;

mod model;
mod worlds;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sdp_dal::sync::sim::Outcome;

const USAGE: &str = "\
Runs clients of a store in one process, in orders that a seed decides, with deaths at any step.

  simulate [--minutes M] [--seed FIRST] [--world NAME] [--jobs N] [--fresh]
                                                                    fresh seeds; without --fresh the old failing ones first
  simulate --replay SEED [--world NAME]                             one seed, with its story
  simulate --regressions                                            the old failing seeds
  simulate --list                                                   the worlds

A seed is written WORLD/NUMBER. Without --seed the first one is drawn from the clock and printed.";

/// Worlds of one child process.
const BATCH: u64 = 400;
/// A world that takes longer has stopped for good. In real time, on a loaded machine.
const STANDSTILL: Duration = Duration::from_secs(120);
/// Seeds that failed once, with what they found: one a line.
const REGRESSIONS: &str = include_str!("regressions.txt");

static ENOUGH: AtomicBool = AtomicBool::new(false);

extern "C" fn enough(_: libc::c_int) {
    ENOUGH.store(true, Ordering::Relaxed);
}

#[derive(Clone)]
struct Seed {
    world: String,
    number: u64,
}

impl std::fmt::Display for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.world, self.number)
    }
}

impl Seed {
    fn parse(text: &str) -> Option<Seed> {
        let (world, number) = text.trim().split_once('/')?;
        worlds::named(world)?;
        Some(Seed { world: world.to_owned(), number: number.parse().ok()? })
    }
}

struct Options {
    minutes: f64,
    first: u64,
    world: Option<String>,
    jobs: usize,
}

fn main() -> ExitCode {
    // What a process looks up once and for all is looked up before the first world.
    sdp_dal::log::set(None, None);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<bool, String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut options = Options { minutes: 0.5, first: now.as_secs() * 1_000_000, world: None, jobs: 2 };
    let mut old = true;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--help" | "-h" => {
                println!("{USAGE}");
                return Ok(true);
            }
            "--list" => {
                worlds::ALL.iter().for_each(|world| println!("{:<12} {}", world.name, world.what));
                return Ok(true);
            }
            "--minutes" => options.minutes = value()?.parse().map_err(|e| format!("--minutes: {e}"))?,
            "--seed" => {
                let text = value()?;
                match Seed::parse(text) {
                    Some(seed) => {
                        options.first = seed.number;
                        options.world = Some(seed.world);
                    }
                    None => options.first = text.parse().map_err(|e| format!("--seed: {e}"))?,
                }
            }
            "--world" => {
                let name = value()?.clone();
                worlds::named(&name).ok_or_else(|| format!("there is no world {name}"))?;
                options.world = Some(name);
            }
            "--jobs" => options.jobs = value()?.parse().map_err(|e| format!("--jobs: {e}"))?,
            "--replay" => {
                let text = value()?;
                let seed = Seed::parse(text).ok_or_else(|| format!("{text} is no seed: WORLD/NUMBER"))?;
                return Ok(replay(&seed));
            }
            "--regressions" => return Ok(regressions()),
            "--fresh" => old = false,
            "--child" => {
                let seed = Seed::parse(value()?).ok_or("a bad seed")?;
                let count = value()?.parse().map_err(|_| "a bad count")?;
                return Ok(child(&seed, count));
            }
            // What cargo gives to every test.
            "--nocapture" | "--quiet" | "-q" => {}
            other => return Err(format!("what is {other}?")),
        }
    }
    Ok((!old || regressions()) && fresh(&options))
}

/// Runs `count` seeds from this one on. Says before each what it is, and after each what became of it.
fn child(first: &Seed, count: u64) -> bool {
    // The old one tells of every panic, and a panic is how a world fails.
    std::panic::set_hook(Box::new(|_| {}));
    let mut out = std::io::stdout().lock();
    for number in first.number..first.number + count {
        let seed = Seed { world: first.world.clone(), number };
        let _ = writeln!(out, "begin {number}");
        let _ = out.flush();
        let outcome = play(&seed, false);
        if let Some(failure) = outcome.failure {
            let _ = writeln!(out, "failed {number} {}", failure.replace('\n', " "));
            let _ = out.flush();
            return false;
        }
        let _ = writeln!(out, "done {number} {} {} {}", outcome.steps, outcome.switches, deaths(&outcome));
    }
    true
}

fn play(seed: &Seed, story: bool) -> Outcome {
    let world = worlds::named(&seed.world).unwrap();
    worlds::play(world, seed.number, story)
}

fn deaths(outcome: &Outcome) -> usize {
    outcome.deaths.iter().flatten().count()
}

/// Plays a seed twice: first with its story, then to see that it is the same again.
fn replay(seed: &Seed) -> bool {
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let told = play(seed, true);
    for line in &told.story {
        println!("{line}");
    }
    let again = play(seed, false);
    println!(
        "{seed}: {} steps, {} switches, {} killed: {}",
        told.steps,
        told.switches,
        deaths(&told),
        told.failure.as_deref().unwrap_or("nothing is wrong")
    );
    if (told.digest, told.steps) != (again.digest, again.steps) {
        println!("{seed}: it was NOT the same when it was played again ({} steps)", again.steps);
        return false;
    }
    told.failure.is_none()
}

#[derive(Default)]
struct Tally {
    worlds: u64,
    steps: u64,
    switches: u64,
    kills: u64,
}

enum News {
    Done {
        steps: u64,
        switches: u64,
        kills: u64,
    },
    Failed {
        seed: Seed,
        why: String,
    },
    /// The child of this job has ended.
    Ended(usize),
}

struct Job {
    child: Child,
    seed: Seed,
    last: std::sync::Arc<std::sync::Mutex<(u64, Instant)>>,
    done: bool,
}

fn start(job: usize, first: &Seed, count: u64, news: &mpsc::Sender<News>) -> Job {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--child", &first.to_string(), &count.to_string()])
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let last = std::sync::Arc::new(std::sync::Mutex::new((first.number, Instant::now())));
    let (news, seed, seen) = (news.clone(), first.clone(), last.clone());
    std::thread::spawn(move || {
        let mut failed = false;
        let mut done = 0;
        for line in out.lines().map_while(Result::ok) {
            let mut words = line.splitn(3, ' ');
            let (kind, number) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            let rest = words.next().unwrap_or("");
            let number: u64 = number.parse().unwrap_or(0);
            *seen.lock().unwrap() = (number, Instant::now());
            match kind {
                "done" => {
                    let figures: Vec<u64> = rest.split(' ').map(|word| word.parse().unwrap_or(0)).collect();
                    let (steps, switches, kills) = (figures[0], figures[1], figures[2]);
                    done += 1;
                    let _ = news.send(News::Done { steps, switches, kills });
                }
                "failed" => {
                    failed = true;
                    let seed = Seed { number, ..seed.clone() };
                    let _ = news.send(News::Failed { seed, why: rest.to_owned() });
                }
                _ => {}
            }
        }
        if !failed && done < count && !ENOUGH.load(Ordering::Relaxed) {
            let number = seen.lock().unwrap().0;
            let why = "the whole process ended (a crash, or a standstill)".to_owned();
            let _ = news.send(News::Failed { seed: Seed { number, ..seed }, why });
        }
        let _ = news.send(News::Ended(job));
    });
    Job { child, seed: first.clone(), last, done: false }
}

/// Fresh seeds until the time is over.
fn fresh(options: &Options) -> bool {
    // SAFETY: the handler stores an atomic.
    unsafe {
        libc::signal(libc::SIGINT, enough as extern "C" fn(libc::c_int) as libc::sighandler_t);
        libc::signal(libc::SIGTERM, enough as extern "C" fn(libc::c_int) as libc::sighandler_t);
    }
    let names: Vec<String> = match &options.world {
        Some(name) => vec![name.clone()],
        None => worlds::ALL.iter().map(|world| world.name.to_owned()).collect(),
    };
    println!("seeds from {} on, for {} minutes", options.first, options.minutes);
    let (begun, time) = (Instant::now(), Duration::from_secs_f64(options.minutes * 60.0));
    let (sender, news) = mpsc::channel();
    let mut next = 0;
    let mut fresh_job = |job: usize| {
        let world = names[next % names.len()].clone();
        let number = options.first + (next / names.len()) as u64 * BATCH;
        next += 1;
        start(job, &Seed { world, number }, BATCH, &sender)
    };
    let mut jobs: Vec<Job> = (0..options.jobs).map(&mut fresh_job).collect();
    let (mut tally, mut failures, mut told) = (Tally::default(), Vec::new(), Instant::now());
    while jobs.iter().any(|job| !job.done) {
        match news.recv_timeout(Duration::from_millis(500)) {
            Ok(News::Done { steps, switches, kills }) => {
                tally.worlds += 1;
                tally.steps += steps;
                tally.switches += switches;
                tally.kills += kills;
            }
            Ok(News::Failed { seed, why }) => {
                println!("\nFAILED {seed}: {why}\n  its story: scripts/simulate.sh --replay {seed}");
                failures.push(seed);
            }
            Ok(News::Ended(job)) => {
                let _ = jobs[job].child.wait();
                let over = begun.elapsed() >= time || !failures.is_empty() || ENOUGH.load(Ordering::Relaxed);
                if over {
                    jobs[job].done = true;
                } else {
                    jobs[job] = fresh_job(job);
                }
            }
            Err(_) => {}
        }
        let over = begun.elapsed() >= time || !failures.is_empty() || ENOUGH.load(Ordering::Relaxed);
        for job in jobs.iter_mut().filter(|job| !job.done) {
            let (number, since) = *job.last.lock().unwrap();
            if since.elapsed() > STANDSTILL {
                println!("\n{}/{number} stands still for {STANDSTILL:?}", job.seed.world);
                let _ = job.child.kill();
            } else if over {
                // What it has found so far is told; the rest of its worlds is not waited for.
                ENOUGH.store(true, Ordering::Relaxed);
                let _ = job.child.kill();
            }
        }
        if told.elapsed() >= Duration::from_secs(10) {
            told = Instant::now();
            report(&tally, begun.elapsed());
        }
    }
    report(&tally, begun.elapsed());
    remove_left_overs();
    println!("simulate: {} passed, {} failed", tally.worlds, failures.len());
    failures.is_empty()
}

fn report(tally: &Tally, time: Duration) {
    println!(
        "{:>7.0} s: {} worlds ({:.0} a second), {} switches, {:.1} million steps, {} killed",
        time.as_secs_f64(),
        tally.worlds,
        tally.worlds as f64 / time.as_secs_f64(),
        tally.switches,
        tally.steps as f64 / 1e6,
        tally.kills
    );
}

/// Children that were killed leave the store of the world they were in.
fn remove_left_overs() {
    for folder in ["/dev/shm", "/tmp"] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name.strip_prefix("sdp-dal-sim-").and_then(|rest| rest.split('-').next());
            // Written with leading zeros. Others may be simulating, too.
            let owner = owner.and_then(|pid| pid.parse::<u32>().ok());
            let gone = owner.is_some_and(|pid| !PathBuf::from(format!("/proc/{pid}")).exists());
            if gone {
                // Some worlds have theirs behind a link.
                let target = std::fs::read_link(entry.path());
                let _ = std::fs::remove_file(entry.path());
                if let Ok(target) = target {
                    let _ = std::fs::remove_file(target);
                }
            }
        }
    }
}

/// The seeds that failed once.
fn regressions() -> bool {
    let mut good = true;
    let mut count = 0;
    for line in REGRESSIONS.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let text = line.split_whitespace().next().unwrap_or("");
        let Some(seed) = Seed::parse(text) else {
            println!("{text} in regressions.txt is no seed");
            return false;
        };
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--child", &seed.to_string(), "1"])
            .stdout(Stdio::null())
            .status();
        count += 1;
        if !status.is_ok_and(|status| status.success()) {
            println!("FAILED {seed}, which failed before: {line}");
            good = false;
        }
    }
    println!("{count} old failing seeds: {}", if good { "nothing is wrong" } else { "FAILED" });
    good
}
