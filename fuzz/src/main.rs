//! `sdp-dal-fuzz`: runs a fuzz target on a stable toolchain.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use sdp_dal_fuzz::driver::{corpus_folder, drive, files_of, Plan};
use sdp_dal_fuzz::targets::{Target, TARGETS};
use sdp_dal_fuzz::worker::work;

/// Runs a fuzz target over its corpus and then over mutated inputs, each in a child process.
///
/// A panic, a signal, or an input that takes too long is a failure: the input is written to a file, and the command that
/// reproduces it is printed. The exit code is 1 then.
#[derive(Parser)]
#[command(name = "sdp-dal-fuzz")]
struct Arguments {
    /// The target; see --list
    #[arg(required_unless_present_any = ["list", "make_corpus"])]
    target: Option<String>,
    /// Inputs to run instead of the corpus and its mutations
    files: Vec<PathBuf>,
    /// How long to mutate
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Seed of the mutations [default: the time]
    #[arg(long)]
    seed: Option<u64>,
    /// Seconds that one input may take
    #[arg(long, default_value_t = 20)]
    limit: u64,
    /// Stop after so many failures
    #[arg(long, default_value_t = 5)]
    failures: usize,
    /// Another folder of inputs to begin with, besides the committed corpus
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// Lists the targets
    #[arg(long)]
    list: bool,
    /// Writes each target's first inputs into fuzz/corpus, beside what is there
    #[arg(long)]
    make_corpus: bool,
    /// Reads inputs from standard input: for the driver itself
    #[arg(long, hide = true)]
    worker: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sdp-dal-fuzz: {error}");
            ExitCode::from(2)
        }
    }
}

fn find(name: &str) -> io::Result<&'static Target> {
    TARGETS.iter().find(|target| target.name == name).ok_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        io::Error::other(format!("there is no target '{name}', only: {}", names.join(", ")))
    })
}

fn run(arguments: &Arguments) -> io::Result<bool> {
    if arguments.list {
        TARGETS.iter().for_each(|target| println!("{:10} {}", target.name, target.about));
        return Ok(true);
    }
    if arguments.make_corpus {
        return TARGETS.iter().try_for_each(make_corpus).map(|()| true);
    }
    let target = find(arguments.target.as_deref().unwrap_or_default())?;
    if arguments.worker {
        return work(target).map(|()| true);
    }
    let mut inputs = Vec::new();
    for file in &arguments.files {
        inputs.push((file.display().to_string(), fs::read(file)?));
    }
    let mutate = inputs.is_empty();
    if mutate {
        inputs = files_of(&corpus_folder(target.name))?;
        inputs.extend(arguments.corpus.as_deref().map(files_of).transpose()?.into_iter().flatten());
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let outcome = drive(&Plan {
        target,
        program: std::env::current_exe()?,
        inputs,
        mutations: if mutate { u64::MAX / 2 } else { 0 },
        until: Some(Instant::now() + Duration::from_secs_f64(60.0 * arguments.minutes.clamp(0.0, 1e6))),
        seed: arguments.seed.unwrap_or(now.as_secs()),
        limit: Duration::from_secs(arguments.limit),
        failures: Path::new(env!("CARGO_MANIFEST_DIR")).join("failures"),
        most_failures: arguments.failures,
        stop,
        quiet: false,
    })?;
    Ok(outcome.failed.is_empty())
}

fn make_corpus(target: &Target) -> io::Result<()> {
    let folder = corpus_folder(target.name);
    fs::create_dir_all(&folder)?;
    for (name, bytes) in (target.seeds)() {
        fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}
