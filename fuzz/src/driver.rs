//! Runs a target over files, over its corpus, and over mutated inputs, and keeps what fails.

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use crate::mutate::{mutated, Random};
use crate::targets::{Target, PREFIX};

/// How to run a target.
pub struct Plan<'a> {
    /// The target.
    pub target: &'a Target,
    /// The program that becomes the worker, given the target's name and `--worker`.
    pub program: PathBuf,
    /// The first inputs, each with a name for messages.
    pub inputs: Vec<(String, Vec<u8>)>,
    /// How many mutated inputs follow at most.
    pub mutations: u64,
    /// When to stop with them.
    pub until: Option<Instant>,
    /// Of the mutated inputs.
    pub seed: u64,
    /// How long one input may take.
    pub limit: Duration,
    /// Where failing inputs are written.
    pub failures: PathBuf,
    /// After how many failures to stop.
    pub most_failures: usize,
    /// Set by Ctrl-C.
    pub stop: Arc<AtomicBool>,
    /// Whether to say how it goes.
    pub quiet: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Inputs that ran.
    pub ran: u64,
    /// Files with inputs that failed, and why.
    pub failed: Vec<(PathBuf, String)>,
}

/// Where the corpus of a target lies, in the repository.
pub fn corpus_folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// The files of a folder, in the order of their names, each with its bytes. None if there is no such folder.
pub fn files_of(folder: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.is_file());
    paths.sort();
    paths.iter().map(|path| Ok((path.display().to_string(), fs::read(path)?))).collect()
}

/// A child that runs inputs.
struct Worker {
    child: Child,
    inputs: ChildStdin,
    answers: Receiver<()>,
    words: thread::JoinHandle<String>,
}

impl Worker {
    fn start(plan: &Plan<'_>) -> io::Result<Worker> {
        let mut child = Command::new(&plan.program)
            .args([plan.target.name, "--worker"])
            .env_remove("SDP_DAL_LOG")
            .env("SDP_DAL_FULL_TIMEOUT", "0")
            // Ctrl-C is for the driver.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let gone = || io::Error::other("a pipe is missing");
        let inputs = child.stdin.take().ok_or_else(gone)?;
        let mut output = child.stdout.take().ok_or_else(gone)?;
        let mut errors = child.stderr.take().ok_or_else(gone)?;
        let (answer, answers) = channel();
        thread::spawn(move || while output.read_exact(&mut [0]).is_ok() && answer.send(()).is_ok() {});
        let words = thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = errors.by_ref().take(1 << 20).read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Ok(Worker { child, inputs, answers, words })
    }

    /// Nothing if the input ran to its end; else why not. The worker is of no more use then.
    fn run(&mut self, input: &[u8], limit: Duration) -> io::Result<Option<String>> {
        let length = u32::try_from(input.len()).map_err(io::Error::other)?;
        let sent = self.inputs.write_all(&length.to_le_bytes()).and_then(|()| self.inputs.write_all(input));
        // A worker that has died takes no input; that is found below.
        let _ = sent.and_then(|()| self.inputs.flush());
        match self.answers.recv_timeout(limit) {
            Ok(()) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                self.child.kill()?;
                self.child.wait()?;
                return Ok(Some(format!("did not end within {} s", limit.as_secs())));
            }
            Err(RecvTimeoutError::Disconnected) => {}
        }
        let status = self.child.wait()?;
        Ok(Some(match status.signal() {
            Some(signal) => format!("was killed by signal {signal}"),
            None => format!("ended with {status}"),
        }))
    }

    /// Ends it; what it said.
    fn end(self) -> String {
        let Worker { mut child, inputs, words, .. } = self;
        drop(inputs);
        let _ = child.wait();
        // Stores that it could not remove itself.
        let left = format!("{PREFIX}{}-", child.id());
        for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&left) {
                let _ = fs::remove_file(entry.path());
            }
        }
        words.join().unwrap_or_default()
    }
}

/// A name for an input that failed: from its bytes.
fn name_of(input: &[u8]) -> String {
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// Runs everything that the plan says, until it fails too often, the time has passed, or Ctrl-C comes.
pub fn drive(plan: &Plan<'_>) -> io::Result<Outcome> {
    let begun = Instant::now();
    let corpus: Vec<Vec<u8>> = plan.inputs.iter().map(|(_, bytes)| bytes.clone()).collect();
    let mut random = Random::new(plan.seed);
    let mut outcome = Outcome::default();
    let mut worker = Worker::start(plan)?;
    let mut told = begun;
    let total = plan.inputs.len() as u64 + plan.mutations;
    while outcome.ran < total && outcome.failed.len() < plan.most_failures.max(1) {
        let nth = usize::try_from(outcome.ran).map_err(io::Error::other)?;
        let given = plan.inputs.get(nth);
        let late = plan.until.is_some_and(|until| Instant::now() >= until);
        if plan.stop.load(Ordering::Relaxed) || (given.is_none() && late) {
            break;
        }
        let input = match given {
            Some((_, bytes)) => bytes.clone(),
            None => mutated(&mut random, &corpus, plan.target.words, plan.target.longest),
        };
        let fault = worker.run(&input, plan.limit)?;
        outcome.ran += 1;
        if let Some(fault) = fault {
            let said = std::mem::replace(&mut worker, Worker::start(plan)?).end();
            let file = match given {
                Some((name, _)) => PathBuf::from(name),
                None => keep(plan, &input)?,
            };
            eprintln!("{}: {} {fault}\n{}", plan.target.name, file.display(), said.trim_end());
            eprintln!(
                "reproduce: cargo run --release -p sdp-dal-fuzz -- {} {}",
                plan.target.name,
                file.display()
            );
            outcome.failed.push((file, format!("{fault}\n{said}")));
        }
        if !plan.quiet && told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            let seconds = begun.elapsed().as_secs();
            let rate = outcome.ran.checked_div(seconds).unwrap_or(0);
            eprintln!(
                "{}: {} inputs in {seconds} s, {rate} a second, {} failed",
                plan.target.name,
                outcome.ran,
                outcome.failed.len()
            );
        }
    }
    worker.end();
    if !plan.quiet {
        eprintln!(
            "{}: {} inputs in {} s (seed {}), {} failed",
            plan.target.name,
            outcome.ran,
            begun.elapsed().as_secs(),
            plan.seed,
            outcome.failed.len()
        );
    }
    Ok(outcome)
}

fn keep(plan: &Plan<'_>, input: &[u8]) -> io::Result<PathBuf> {
    fs::create_dir_all(&plan.failures)?;
    let path = plan.failures.join(format!("{}-{}", plan.target.name, name_of(input)));
    fs::write(&path, input)?;
    Ok(path)
}
