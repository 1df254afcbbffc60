//! The tests as judges: which of them come past a mutant, and whether they notice it.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{mpsc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Set when the user wants no more.
pub static ENOUGH: AtomicBool = AtomicBool::new(false);

/// So many tests come first, the quickest: most mutants they notice.
const FIRST: usize = 12;
/// A test that takes longer by itself judges nothing but in a deep run.
const LONG: Duration = Duration::from_secs(5);

/// These compile programs into one folder, and look at all stores there are: never two of one at a time.
const ALONE: [&str; 3] = ["fork", "growth", "operate"];

/// A program of tests.
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its arguments, if it is no program of the standard harness, and one test as a whole.
    pub whole: Option<&'static [&'static str]>,
    /// Tests that are left out.
    pub without: &'static [&'static str],
    /// Held by who runs it alone.
    pub turn: Mutex<()>,
}

/// A test.
#[derive(Serialize, Deserialize)]
struct Test {
    program: usize,
    name: String,
    took: Duration,
    /// The mutants that it comes past.
    sees: HashSet<usize>,
}

/// The tests, and what they come past.
#[derive(Serialize, Deserialize)]
pub struct Net {
    key: String,
    tests: Vec<Test>,
    #[serde(skip)]
    programs: Vec<Program>,
}

/// What became of a mutant.
pub enum Verdict {
    /// A test failed: this one.
    Noticed(String),
    /// A test did not end.
    Stuck(String),
    /// No test noticed it.
    Survives,
    /// No test comes past it.
    Unseen,
}

enum End {
    Passed,
    Failed(String),
    Late,
}

impl Program {
    fn name(&self) -> String {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        stem.rsplit_once('-').map_or(&*stem, |(name, _)| name).to_owned()
    }

    fn tests(&self) -> Result<Vec<String>, String> {
        if self.whole.is_some() {
            return Ok(vec![self.name()]);
        }
        let listed = Command::new(&self.path)
            .args(["--list", "--format", "terse"])
            .output()
            .map_err(|e| format!("{}: {e}", self.path.display()))?;
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let all = text.lines().filter_map(|line| line.strip_suffix(": test"));
        Ok(all.filter(|name| !self.without.contains(name)).map(str::to_owned).collect())
    }

    /// The first of its tests that fails, if one does.
    pub fn notices(&self, folder: &Path) -> Result<Option<String>, String> {
        let tests = self.tests()?;
        let tests: Vec<&str> = tests.iter().map(String::as_str).collect();
        let test = match self.run(folder, &tests, Duration::from_secs(120), "SDP_DAL_MUTANT", "") {
            End::Passed => return Ok(None),
            End::Failed(test) => test,
            End::Late => "does not end".to_owned(),
        };
        Ok(Some(format!("{} {test}", self.name())))
    }

    /// Runs some of its tests to the first that fails.
    fn run(&self, folder: &Path, tests: &[&str], limit: Duration, name: &str, value: &str) -> End {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let _turn = ALONE.contains(&self.name().as_str()).then(|| self.turn.lock());
        let mark = format!("{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
        let mut command = Command::new(&self.path);
        match self.whole {
            Some(arguments) => command.args(arguments),
            None => command.args(["--exact", "--test-threads", "2"]).args(tests),
        };
        let child = command
            .current_dir(folder)
            .env(name, value)
            .env("SDP_DAL_TEST_STORM", "1")
            // Some tests let cargo build the library for C.
            .env("RUSTFLAGS", crate::SILENT)
            .env("SDP_DAL_MUTANTS_RUN", &mark)
            .env_remove("SDP_DAL_STORE")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = child else { return End::Failed("does not start".to_owned()) };
        let end = watch(&mut child, limit);
        if !matches!(end, End::Passed) {
            kill(&child, &mark);
        }
        let status = child.wait();
        match end {
            End::Passed if !status.is_ok_and(|status| status.success()) => End::Failed("dies".to_owned()),
            end => end,
        }
    }
}

/// Until its output ends, a test has failed, or the time is up.
fn watch(child: &mut Child, limit: Duration) -> End {
    let (lines, told) = mpsc::channel();
    let pipe = child.stdout.take();
    thread::spawn(move || {
        for line in pipe.map(BufReader::new).into_iter().flat_map(BufRead::lines).map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let until = Instant::now() + limit;
    loop {
        match told
            .recv_timeout(Duration::from_millis(200).min(until.saturating_duration_since(Instant::now())))
        {
            Ok(line) => {
                if let Some(name) =
                    line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... FAILED"))
                {
                    return End::Failed(name.to_owned());
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return End::Passed,
            Err(mpsc::RecvTimeoutError::Timeout)
                if Instant::now() >= until || ENOUGH.load(Ordering::Relaxed) =>
            {
                return End::Late;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                // Its children may hold the pipe longer than it lives.
                let id = child.id();
                let ended = fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| {
                    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
                });
                if ended {
                    return End::Passed;
                }
            }
        }
    }
}

/// Ends the program, and whatever it has started.
fn kill(child: &Child, mark: &str) {
    let kill = |pid: i32| {
        // SAFETY: a system call.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    };
    let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
    kill(-pid);
    let wanted = format!("SDP_DAL_MUTANTS_RUN={mark}\0");
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.windows(wanted.len()).any(|part| part == wanted.as_bytes()) {
            kill(pid);
        }
    }
}

/// Removes stores of tests that ended without doing so.
pub fn remove_left_overs() {
    for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid =
            name.strip_prefix("sdp-dal-test-").and_then(|rest| rest.rsplit('-').next()?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            // A store, or a folder of stores.
            let _ = fs::remove_file(entry.path()).or_else(|_| fs::remove_dir_all(entry.path()));
        }
    }
}

/// Does something for each of these, by so many threads.
pub fn share<T: Sync>(all: &[T], workers: usize, each: impl Fn(usize, &T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for worker in 0..workers {
            let (next, each) = (&next, &each);
            scope.spawn(move || {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if ENOUGH.load(Ordering::Relaxed) {
                        return;
                    }
                    each(worker, one);
                }
            });
        }
    });
}

impl Net {
    /// Runs each test by itself, to see what it comes past; unless that was done with these very programs.
    pub fn measure(
        folder: &Path,
        programs: Vec<Program>,
        mutants: usize,
        workers: usize,
    ) -> Result<Net, String> {
        let mut key = String::new();
        for program in &programs {
            let about =
                fs::metadata(&program.path).map_err(|e| format!("{}: {e}", program.path.display()))?;
            key += &format!(
                "{} {} {:?} {:?};",
                program.path.display(),
                about.len(),
                about.modified(),
                program.without
            );
        }
        let file = folder.with_file_name("net.json");
        if let Some(mut net) = fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Net>(&text).ok())
        {
            if net.key == key {
                net.programs = programs;
                return Ok(net);
            }
        }
        let mut all = Vec::new();
        for (number, program) in programs.iter().enumerate() {
            all.extend(program.tests()?.into_iter().map(|name| (number, name)));
        }
        println!("{} tests, each by itself", all.len());
        let tests = Mutex::new(Vec::new());
        share(&all, workers, |worker, (program, name)| {
            let seen = folder.with_file_name(format!("seen-{worker}"));
            if fs::write(&seen, vec![0; mutants]).is_err() {
                return;
            }
            let begun = Instant::now();
            let limit = Duration::from_secs(600);
            let end = programs[*program].run(
                folder,
                &[name],
                limit,
                "SDP_DAL_MUTANTS_SEEN",
                &seen.to_string_lossy(),
            );
            let took = begun.elapsed();
            if !matches!(end, End::Passed) {
                println!("left out: {} {name} fails by itself, without a mutant", programs[*program].name());
                return;
            }
            let bytes = fs::read(&seen).unwrap_or_default();
            let sees =
                bytes.iter().enumerate().filter(|(_, byte)| **byte != 0).map(|(number, _)| number).collect();
            let test = Test { program: *program, name: name.clone(), took, sees };
            tests.lock().map(|mut tests| tests.push(test)).unwrap_or_default();
        });
        let mut tests = tests.into_inner().map_err(|e| e.to_string())?;
        tests.sort_by_key(|test| test.took);
        let net = Net { key, tests, programs };
        if !ENOUGH.load(Ordering::Relaxed) {
            let text = serde_json::to_vec(&net).map_err(|e| e.to_string())?;
            fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
        }
        Ok(net)
    }

    /// How long all tests take that judge, and how many they are.
    pub fn size(&self) -> (usize, Duration) {
        (self.tests.len(), self.tests.iter().map(|test| test.took).sum())
    }

    /// Whether the tests that come past this mutant notice it.
    pub fn judge(&self, folder: &Path, mutant: usize, deep: bool) -> Verdict {
        let judges = |test: &&Test| (deep || test.took < LONG) && test.sees.contains(&mutant);
        let mut tests: Vec<&Test> = self.tests.iter().filter(judges).collect();
        if tests.is_empty() {
            return Verdict::Unseen;
        }
        let rest = tests.split_off(FIRST.min(tests.len()));
        let number = mutant.to_string();
        for round in [tests, rest] {
            let mut of: BTreeMap<usize, (Duration, Vec<&str>)> = BTreeMap::new();
            for test in round {
                let (took, names) = of.entry(test.program).or_default();
                *took += test.took;
                names.push(&test.name);
            }
            let mut of: Vec<_> = of.into_iter().collect();
            of.sort_by_key(|(_, (took, _))| *took);
            for (program, (took, names)) in of {
                let program = &self.programs[program];
                let limit = Duration::from_secs(6) + 4 * took;
                match program.run(folder, &names, limit, "SDP_DAL_MUTANT", &number) {
                    End::Passed => {}
                    End::Failed(test) => return Verdict::Noticed(format!("{} {test}", program.name())),
                    End::Late => return Verdict::Stuck(program.name()),
                }
            }
        }
        Verdict::Survives
    }
}
