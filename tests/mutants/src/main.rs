//! `scripts/mutants.sh`: are the tests a net?
//!
//! A mutant is a change of the library in one place, as cargo-mutants lists them. All are put into one copy of the tree, each
//! behind a number (`embed`); the copy's test programs are built once (`tree`); each test says which mutants it comes past, and
//! for each mutant those tests run until one fails (`judge`). A mutant that cannot be asked for, because the compiler works out
//! what it changes, is put into the copy by itself.

mod embed;
mod judge;
mod list;
mod tree;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::time::Instant;

use clap::Parser;

use judge::{remove_left_overs, share, Net, Program, Verdict, ENOUGH};
use list::{known, list, Mutant};
use tree::{files, Build, Tree};

/// What is changed.
const MODULES: [(&str, &[&str]); 4] = [
    ("sync", &["src/sync/*.rs", ":!src/sync/sim", ":!src/sync/watched.rs"]),
    ("shm", &["src/shm/*.rs"]),
    ("store", &["src/store/*.rs"]),
    (
        "dal",
        &[
            "src/dal/queue.rs",
            "src/dal/queue/*.rs",
            "src/dal/crew*.rs",
            "src/dal/output*.rs",
            "src/dal/pending*.rs",
        ],
    ),
];

/// Many mutants at a time look odd.
const SILENT: &str = "--cap-lints allow";
/// The test programs that judge; the last two only in a deep run.
const BUILDS: [Build; 3] = [
    Build {
        name: "tests",
        flags: SILENT,
        profile: "mutants",
        programs: &[
            "--features",
            "failpoints",
            "--lib",
            "--test",
            "store",
            "--test",
            "rings",
            "--test",
            "clients",
            "--test",
            "hostile",
            "--test",
            "fork",
            "--test",
            "growth",
            "--test",
            "operate",
            "--test",
            "events",
            "--test",
            "dal_calls",
            "--test",
            "waiting_calls",
            "--test",
            "processors",
            "--test",
            "batches",
            "--test",
            "crash",
        ],
    },
    Build {
        name: "models",
        flags: "--cap-lints allow --cfg loom",
        profile: "models",
        programs: &["--test", "loom"],
    },
    Build {
        name: "simulator",
        flags: SILENT,
        profile: "models",
        programs: &["--package", "sdp-dal-simulate", "--test", "simulate"],
    },
];
/// What judges a mutant that is built by itself; a loop without end that the compiler runs is refused by a lint.
const UNITS: Build =
    Build { name: "units", flags: "", profile: "test", programs: &["--lib", "--test", "store"] };
/// Much time, and little that others do not see.
const WITHOUT: [&str; 2] = ["pages_may_have_any_size", "scribbling_gives_errors_not_crashes"];
/// The old failing seeds, then new ones.
const SIMULATE: [&str; 6] = ["--minutes", "0.3", "--seed", "1", "--jobs", "1"];

/// Changes the library in one place at a time, and runs the tests that come past that place.
///
/// A change that no test notices is a survivor: it needs a test, or a line in tests/mutants.txt that says why it makes no
/// difference. Fails if there are survivors that have neither. What each mutant did is in target/mutants/results.
#[derive(Parser)]
#[command(name = "mutants.sh")]
struct Arguments {
    /// Modules (sync, shm, store, dal) or files of them [default: all modules]; K/N: every N-th mutant, from the K-th on
    what: Vec<String>,
    /// Shows which mutants there are, and runs nothing
    #[arg(long)]
    list: bool,
    /// Judges with what takes minutes too: deaths at every step, and the simulator
    #[arg(long)]
    deep: bool,
    /// Only those that tests/mutants.txt does not name
    #[arg(long)]
    new: bool,
    /// Only those that survived the last time
    #[arg(long)]
    again: bool,
    /// Those instead that must be built by themselves, as the compiler works out what they change: minutes each
    #[arg(long)]
    alone: bool,
    /// How many mutants run at a time [default: the number of processors]
    #[arg(long)]
    jobs: Option<usize>,
}

extern "C" fn enough(_: libc::c_int) {
    ENOUGH.store(true, Ordering::Relaxed);
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("mutants.sh: {why}");
            ExitCode::from(2)
        }
    }
}

/// The mutants that the user wants, by their numbers.
fn choose(
    arguments: &Arguments,
    mutants: &[Mutant],
    modules: &[(&str, Vec<String>)],
) -> Result<Vec<usize>, String> {
    let (mut k, mut n) = (0, 1);
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    for what in &arguments.what {
        if let Some((left, right)) =
            what.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)))
        {
            (k, n) = (left, right);
            if !(1..=n).contains(&k) {
                return Err(format!("{what}: K/N wants a K from 1 to N"));
            }
        } else if let Some((_, files)) = modules.iter().find(|(module, _)| module == what) {
            wanted.extend(files.iter().map(String::as_str));
        } else if modules.iter().any(|(_, files)| files.contains(what)) {
            wanted.insert(what);
        } else {
            return Err(format!("{what} is neither a module nor a file of one: see --help"));
        }
    }
    let all = wanted.is_empty();
    let numbers = (0..mutants.len()).filter(|number| all || wanted.contains(mutants[*number].file.as_str()));
    Ok(numbers.enumerate().filter(|(place, _)| place % n == k % n).map(|(_, number)| number).collect())
}

fn programs_of(build: &Build, built: Vec<PathBuf>) -> impl Iterator<Item = Program> {
    let whole = (build.name == "simulator").then_some(&SIMULATE[..]);
    built.into_iter().map(move |path| Program { path, whole, without: &WITHOUT, turn: Mutex::default() })
}

/// Puts all mutants in, and builds what judges: those that cannot be put in, and the programs. The `file` has what the last run
/// found to be wrong beside others, so that what it built is not built again.
fn prepare(
    tree: &mut Tree,
    mutants: &[Mutant],
    builds: &[Build],
    file: &Path,
) -> Result<(BTreeSet<usize>, Vec<Program>), String> {
    let last = fs::read_to_string(file).unwrap_or_default();
    let last: HashSet<&str> = last.lines().collect();
    let mut without: BTreeSet<usize> =
        (0..mutants.len()).filter(|number| last.contains(mutants[*number].label.as_str())).collect();
    'again: loop {
        let alone = tree.embed(mutants, &without)?;
        let mut programs = Vec::new();
        for build in builds {
            println!(
                "building {}, with {} of {} mutants",
                build.name,
                mutants.len() - alone.len(),
                mutants.len()
            );
            match tree.build(build) {
                Ok(built) => programs.extend(programs_of(build, built)),
                Err((wrong, why)) if wrong.is_subset(&without) => return Err(why),
                Err((wrong, _)) => {
                    without.extend(wrong);
                    continue 'again;
                }
            }
        }
        let labels: Vec<&str> = without.iter().map(|number| mutants[*number].label.as_str()).collect();
        fs::write(file, labels.join("\n")).map_err(|e| format!("{}: {e}", file.display()))?;
        return Ok((alone, programs));
    }
}

fn run(arguments: &Arguments) -> Result<bool, String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().map_err(|e| format!("{}: {e}", root.display()))?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), PathBuf::from)
        .join("mutants");
    let mut modules = Vec::new();
    for (module, patterns) in MODULES {
        modules.push((module, files(&root, patterns)?));
    }
    let results = target.join("results");
    let all: Vec<String> = modules.iter().flat_map(|(_, files)| files.iter().cloned()).collect();
    let mutants = list(&root, &all)?;
    let known = known(&root)?;
    let mut chosen = choose(arguments, &mutants, &modules)?;
    chosen.retain(|number| !arguments.new || !known.contains(&mutants[*number].label));
    if arguments.again {
        let text = fs::read_to_string(&results).map_err(|e| format!("{}: {e}", results.display()))?;
        let survived = |line: &str| {
            Some(
                line.strip_prefix("survives\t")
                    .or(line.strip_prefix("unseen\t"))?
                    .split('\t')
                    .next()?
                    .to_owned(),
            )
        };
        let survivors: HashSet<String> = text.lines().filter_map(survived).collect();
        chosen.retain(|number| survivors.contains(&mutants[*number].label));
    }
    if arguments.list {
        chosen.iter().for_each(|number| println!("{}", mutants[*number].label));
        return Ok(true);
    }
    limit();
    let begun = Instant::now();
    fs::create_dir_all(&target).map_err(|e| format!("{}: {e}", target.display()))?;
    let mut tree = Tree::copy(&root, &target, &mutants)?;
    if arguments.alone {
        let (alone, _) = prepare(&mut tree, &mutants, &[UNITS], &target.join("alone"))?;
        chosen.retain(|number| alone.contains(number));
        let book = Book::open(&results, &known, chosen.len())?;
        by_themselves(&mut tree, &mutants, &chosen, &book)?;
        remove_left_overs();
        return Ok(book.close(begun));
    }
    let builds = if arguments.deep { &BUILDS[..] } else { &BUILDS[..2] };
    let (alone, programs) = prepare(&mut tree, &mutants, builds, &target.join("alone"))?;
    let workers =
        arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from));
    let net = Net::measure(&tree.folder, programs, mutants.len(), workers)?;
    let before = chosen.len();
    chosen.retain(|number| !alone.contains(number));
    if chosen.len() < before {
        println!("{} must be built by themselves, and are left out: see --alone", before - chosen.len());
    }
    let (tests, took) = net.size();
    println!(
        "{tests} tests, {:.0} s one after the other; {} mutants to judge; {:.0} s",
        took.as_secs_f64(),
        chosen.len(),
        begun.elapsed().as_secs_f64()
    );

    let book = Book::open(&results, &known, chosen.len())?;
    share(&chosen, workers, |_, number| {
        let verdict = net.judge(&tree.folder, *number, arguments.deep);
        book.note(&mutants[*number], &verdict);
    });
    remove_left_overs();
    Ok(book.close(begun))
}

/// Each put in by itself, and judged by the tests beside the code and those of the store.
fn by_themselves(tree: &mut Tree, mutants: &[Mutant], chosen: &[usize], book: &Book) -> Result<(), String> {
    let all = (0..mutants.len()).collect();
    tree.embed(mutants, &all)?;
    for program in programs_of(&UNITS, tree.build(&UNITS).map_err(|(_, why)| why)?) {
        if let Some(by) = program.notices(&tree.folder)? {
            return Err(format!("{by} fails without a mutant"));
        }
    }
    for number in chosen {
        tree.embed(mutants, &all)?;
        tree.replace(&mutants[*number])?;
        let Ok(built) = tree.build(&UNITS) else {
            book.line(&mutants[*number], "does not compile", "");
            continue;
        };
        let mut verdict = Verdict::Survives;
        for program in programs_of(&UNITS, built) {
            if let Some(by) = program.notices(&tree.folder)? {
                verdict = Verdict::Noticed(by);
                break;
            }
        }
        if ENOUGH.load(Ordering::Relaxed) {
            break;
        }
        book.note(&mutants[*number], &verdict);
    }
    tree.embed(mutants, &all)?;
    Ok(())
}

/// What became of each.
struct Book<'a> {
    results: Mutex<fs::File>,
    known: &'a HashSet<String>,
    counts: Mutex<BTreeMap<&'static str, usize>>,
    new: AtomicUsize,
    done: AtomicUsize,
    of: usize,
}

impl Book<'_> {
    fn open<'a>(file: &Path, known: &'a HashSet<String>, of: usize) -> Result<Book<'a>, String> {
        let results = fs::File::create(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let (new, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Ok(Book { results: Mutex::new(results), known, counts: Mutex::default(), new, done, of })
    }

    fn note(&self, mutant: &Mutant, verdict: &Verdict) {
        // Who was interrupted says nothing.
        if ENOUGH.load(Ordering::Relaxed) {
            return;
        }
        match verdict {
            Verdict::Noticed(by) => self.line(mutant, "noticed", by),
            Verdict::Stuck(by) => self.line(mutant, "stuck", by),
            Verdict::Survives => self.survivor(mutant, "survives"),
            Verdict::Unseen => self.survivor(mutant, "unseen"),
        }
        if self.done.load(Ordering::Relaxed).is_multiple_of(50) {
            remove_left_overs();
        }
    }

    fn survivor(&self, mutant: &Mutant, how: &'static str) {
        let known = self.known.contains(&mutant.label);
        self.line(mutant, if known { "known" } else { how }, "");
        if !known {
            self.new.fetch_add(1, Ordering::Relaxed);
            println!("{how}: {}    {}:{}", mutant.label, mutant.span.start.line, mutant.span.start.column);
        }
    }

    fn line(&self, mutant: &Mutant, what: &'static str, by: &str) {
        if let Ok(mut counts) = self.counts.lock() {
            *counts.entry(what).or_default() += 1;
        }
        if let Ok(mut results) = self.results.lock() {
            let _ = writeln!(
                results,
                "{what}\t{}\t{}:{}\t{by}",
                mutant.label, mutant.span.start.line, mutant.span.start.column
            );
        }
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(100) {
            println!("{done} of {}: {}", self.of, self.told());
        }
    }

    fn told(&self) -> String {
        let counts = self.counts.lock().map(|counts| counts.clone()).unwrap_or_default();
        counts.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
    }

    fn close(&self, begun: Instant) -> bool {
        let done = self.done.load(Ordering::Relaxed);
        println!("{done} of {} mutants: {}; {:.0} s", self.of, self.told(), begun.elapsed().as_secs_f64());
        self.new.load(Ordering::Relaxed) == 0 && done == self.of
    }
}

/// What a mutant may cost; and who ends us.
fn limit() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the handler only sets a flag.
        unsafe { libc::signal(signal, enough as *const () as libc::sighandler_t) };
    }
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a system call that reads the limit.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
    // A mutant that takes all memory is the first that the kernel ends; we and cargo may go with it, nobody else.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
}
