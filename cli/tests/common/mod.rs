//! What the tests share: a place for a store, and `sdp-dal` as a process.

#![allow(dead_code, reason = "each test program uses some of it")]

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sdp_dal::arrow::array::Int64Array;
use sdp_dal::arrow::datatypes::{DataType, Field, Schema};
use sdp_dal::arrow::record_batch::RecordBatch;
use sdp_dal::dal::{Call, Processor, ProcessorOptions};
use sdp_dal::error::{Error, Kind};
use sdp_dal::store::{Create, CreateSpec, ObjectId, Store, StoreOptions, Want};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{CallSchema, Cell, Order, TableForm, TableMemory, TableSource};
use serde_json::Value;

/// What ends a test that hangs; nothing is measured by it.
pub const WATCHDOG: Duration = Duration::from_secs(60);

/// A path for a store that no other test uses; what is left there goes at the end.
pub struct Place(pub PathBuf);

impl Place {
    /// On tmpfs: the path is the store's file.
    pub fn new(name: &str) -> Place {
        Place(PathBuf::from(format!("/dev/shm/sdp-dal-cli-{name}-{}", std::process::id())))
    }

    /// Where temporary files are: mostly not on tmpfs, then the path is a link.
    pub fn linked(name: &str) -> Place {
        Place(std::env::temp_dir().join(format!("sdp-dal-cli-{name}-{}", std::process::id())))
    }

    pub fn open(&self, create: Create) -> Result<Store, Error> {
        let name = Some("gridder".to_owned());
        Store::open(&self.0, &StoreOptions { size: Some(8 << 20), create, name, ..StoreOptions::default() })
    }

    /// A store in this process.
    pub fn make(&self) -> Store {
        self.open(Create::IfMissing).unwrap()
    }

    /// Runs a command on this store.
    pub fn run(&self, command: &str, more: &[&str]) -> Ended {
        let mut arguments = vec![OsStr::new(command), self.0.as_os_str()];
        arguments.extend(more.iter().map(OsStr::new));
        run(&arguments)
    }

    /// A `store` command that must end by itself.
    pub fn refuses_to_serve(&self, more: &[&str]) -> Ended {
        let mut command = command();
        command.arg("store").arg("-s").arg(&self.0).args(more);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed() > WATCHDOG {
                child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child.wait_with_output().unwrap().into()
    }

    /// The JSON that a command writes.
    pub fn json(&self, command: &str, more: &[&str]) -> Value {
        let ended = self.run(command, &[more, &["--json"]].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        serde_json::from_str(&ended.out).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = Store::destroy(&self.0, None);
    }
}

/// A command that has ended.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Ended {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sdp-dal"));
    command.env_remove("SDP_DAL_STORE").env_remove("SDP_DAL_STORE_SIZE").stdin(Stdio::null());
    command
}

pub fn run(arguments: &[impl AsRef<OsStr>]) -> Ended {
    command().args(arguments).output().unwrap().into()
}

/// Waits until something has happened.
pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < WATCHDOG, "{what} has not happened");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn id(start: [u8; 4], n: u8) -> ObjectId {
    let mut bytes = [n; 20];
    bytes[..4].copy_from_slice(&start);
    ObjectId::new(bytes)
}

pub fn put(store: &Store, id: &ObjectId, data: &[u8], metadata: &[u8]) -> Want {
    let spec = CreateSpec { data_size: data.len() as u64, metadata, want: true, ..CreateSpec::default() };
    let mut writer = store.create(id, &spec).unwrap();
    writer.copy_from(0, data);
    writer.seal().unwrap().unwrap()
}

struct Bytes(Vec<u8>);

impl TableMemory for Bytes {
    fn copy(&mut self, at: usize, bytes: &[u8]) {
        self.bytes(at, bytes.len()).copy_from_slice(bytes);
    }

    fn bytes(&mut self, at: usize, length: usize) -> &mut [u8] {
        &mut self.0[at..at + length]
    }
}

/// The data of a table with one column `n`.
pub fn table(values: &[i64]) -> Vec<u8> {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    let column = Arc::new(Int64Array::from(values.to_vec()));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column]).unwrap();
    let form = TableForm::of(&TableSource::new(schema, vec![batch]).unwrap()).unwrap();
    let mut bytes = Bytes(vec![0; form.size()]);
    form.write(&mut bytes);
    bytes.0
}

/// A command that runs, with its lines as they come.
pub struct Running {
    process: Child,
    lines: Receiver<String>,
    errors: Receiver<String>,
}

fn lines(source: impl Read + Send + 'static) -> Receiver<String> {
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(source).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
    });
    lines
}

impl Running {
    /// Starts it.
    pub fn start(arguments: &[impl AsRef<OsStr>]) -> Running {
        Running::start_in(arguments, &[])
    }

    /// Starts it with these variables in its environment.
    pub fn start_in(arguments: &[impl AsRef<OsStr>], variables: &[(&str, OsString)]) -> Running {
        let mut process = command()
            .args(arguments)
            .envs(variables.iter().cloned())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
        Running { process, lines: lines(out), errors: lines(err) }
    }

    /// Starts a command on this store.
    pub fn on(place: &Place, command: &str, more: &[&str]) -> Running {
        let mut arguments = vec![OsStr::new(command), place.0.as_os_str()];
        arguments.extend(more.iter().map(OsStr::new));
        Running::start(&arguments)
    }

    /// The next line that it writes.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(WATCHDOG).expect("no line comes")
    }

    /// The next line on its standard error.
    pub fn error_line(&self) -> String {
        self.errors.recv_timeout(WATCHDOG).expect("no line comes on standard error")
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    /// Waits until it has ended by itself; what it wrote beyond the lines that were read.
    pub fn end(mut self) -> Ended {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < WATCHDOG, "the command does not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        let rest = |lines: &Receiver<String>| lines.iter().map(|line| line + "\n").collect();
        Ended { code: status.code(), out: rest(&self.lines), err: rest(&self.errors) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `zs = x + ys`, an error for a negative `x`.
pub const ADD: &str = "add(x: float64, ys: float64[i]) -> (zs: float64[i])";

pub fn floats(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact(8).map(|chunk| f64::from_ne_bytes(chunk.try_into().unwrap())).collect()
}

pub fn bytes(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}

fn add(call: &Call) -> Result<(), Error> {
    let Cell::Float(x) = *call.cell(0)? else { return Err(Error::invalid("x is no float")) };
    // As a library that takes its process with it: it aborts, or exits in the middle.
    if x == f64::NEG_INFINITY {
        std::process::abort();
    } else if x.is_nan() {
        std::process::exit(3);
    }
    if x < 0.0 {
        return Err(Error::new(Kind::FunctionFailed, format!("x is {x}: it must not be negative")));
    }
    let ys = call.tensor(1)?;
    let zs: Vec<f64> = floats(ys.bytes()).iter().map(|y| y + x).collect();
    let mut writer = call.create_tensor(2, &ys.layout().shape, Order::C, false)?;
    writer.bytes_mut().copy_from_slice(&bytes(&zs));
    writer.seal().map(drop)
}

/// What a worker process is told: the store, its name, and a file that its first call waits for.
const WORKER: [&str; 3] = ["SDP_DAL_TEST_STORE", "SDP_DAL_TEST_NAME", "SDP_DAL_TEST_GATE"];
/// Set for a worker that nobody tells to stop: it has no standard input.
const STAYS: &str = "SDP_DAL_TEST_STAYS";
const READY: &str = "the worker is ready";

/// A processor in a process of its own that offers `add`.
pub struct Worker {
    process: Child,
    /// Read to its end: the worker's test harness has something to say.
    _lines: Receiver<String>,
}

/// The command line of a worker, for a supervisor, and the environment that it needs.
pub fn worker_command(place: &Place, name: &str) -> (Vec<OsString>, Vec<(&'static str, OsString)>) {
    let program = std::env::current_exe().unwrap().into_os_string();
    let words = ["common::worker_process", "--exact", "--nocapture"].map(OsString::from);
    let environment =
        vec![(WORKER[0], place.0.clone().into_os_string()), (WORKER[1], name.into()), (STAYS, "1".into())];
    (std::iter::once(program).chain(words).collect(), environment)
}

impl Worker {
    pub fn start(place: &Place, name: &str) -> Worker {
        Worker::gated(place, name, None)
    }

    /// As `start`, but its first call waits until this file is there.
    pub fn gated(place: &Place, name: &str, gate: Option<&Path>) -> Worker {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["common::worker_process", "--exact", "--nocapture"])
            .env(WORKER[0], &place.0)
            .env(WORKER[1], name)
            .env(WORKER[2], gate.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines(process.stdout.take().unwrap());
        while !lines.recv_timeout(WATCHDOG).expect("the worker does not start").contains(READY) {}
        Worker { process, _lines: lines }
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Lets it finish what it has begun, and close.
    pub fn stop(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }
}

/// Kills it.
impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// No test: what a worker's process does.
#[test]
fn worker_process() {
    let [Ok(path), Ok(name), gate] = WORKER.map(std::env::var) else { return };
    let mut gate = gate.ok().filter(|gate| !gate.is_empty());
    let options = StoreOptions { create: Create::Never, name: Some(name.clone()), ..StoreOptions::default() };
    let store = Store::open(Path::new(&path), &options).unwrap();
    let options = ProcessorOptions { name: Some(name), ..ProcessorOptions::default() };
    let mut processor = Processor::new(&store, &options).unwrap();
    processor.register(CallSchema::parse(ADD).unwrap(), None).unwrap();
    processor.start().unwrap();
    // The last line of the test harness has no end yet.
    println!("\n{READY}");
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        if std::env::var_os(STAYS).is_some() {
            return;
        }
        stopped.store(true, Ordering::SeqCst);
    });
    while !stop.load(Ordering::SeqCst) {
        let Ok(call) = processor.next(Timeout::After(Duration::from_millis(20))) else { continue };
        if let Some(gate) = gate.take() {
            until("the gate opens", || Path::new(&gate).exists());
        }
        if let Err(error) = add(&call) {
            call.fail(&error).unwrap();
        }
        let _ = call.finish();
    }
}
