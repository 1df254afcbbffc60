//! A receiver's daily questions: how long it waits for room in a full store, and what becomes of its caller when processors go
//! and others come.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::calls::{bytes, got, put, values, vector, Place, LONG, SIMPLE};
use sdp_dal::dal::{Arg, Args, Call, Caller, CallerOptions, Namespace, Processor, ProcessorOptions, Ref};
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::{Store, StoreOptions};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{CallSchema, Cell, Order, TensorSource};

/// Far shorter than the ten seconds that are the default, and than any watchdog.
const SHORT: Timeout = Timeout::After(Duration::from_millis(30));

/// zs = x + ys.
fn simple(call: &Call) -> Result<()> {
    let Cell::Int(x) = *call.cell(0)? else { return Err(Error::invalid("x is no integer")) };
    let ys = call.tensor(1)?;
    let zs: Vec<i64> = values(ys.bytes()).iter().map(|y| y + x).collect();
    let mut writer = call.create_tensor(2, &ys.layout().shape, Order::C, false)?;
    writer.bytes_mut().copy_from_slice(&bytes(&zs));
    writer.seal()?;
    Ok(())
}

fn processor(store: &Store, name: &str, full_timeout: Option<Timeout>) -> Processor {
    let options =
        ProcessorOptions { name: Some(name.to_owned()), full_timeout, ..ProcessorOptions::default() };
    let mut processor = Processor::new(store, &options).unwrap();
    processor.register(CallSchema::parse(SIMPLE).unwrap(), Some(Arc::new(simple))).unwrap();
    processor.start().unwrap();
    processor
}

fn caller(namespace: &Namespace, options: &CallerOptions) -> Result<Caller> {
    Caller::new(namespace, vec![CallSchema::parse(SIMPLE).unwrap()], options)
}

fn call<'a>(caller: &Caller, x: i64, ys: impl Into<Arg<'a>>) -> Result<Ref> {
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(x)));
    args.push(ys);
    caller.call("simple_fn", &args).map(|results| results.at(0).unwrap().clone())
}

/// A store that is full but for what small objects need.
struct Full {
    _place: Place,
    store: Store,
    namespace: Namespace,
    filling: Ref,
}

/// Bytes that do not fit beside what fills the store.
const MUCH: usize = 1 << 20;

impl Full {
    fn new(name: &str) -> Full {
        let place = Place::new(name);
        let options = StoreOptions { size: Some(4 << 20), ..StoreOptions::default() };
        let store = Store::open(&place.path, &options).unwrap();
        let namespace = Namespace::new(&store, None);
        let filling = namespace.put_bytes(&vec![0; (4 << 20) - MUCH / 2], &[]).unwrap();
        Full { _place: place, store, namespace, filling }
    }
}

fn much(namespace: &Namespace) -> Result<Ref> {
    let (data, layout) = (vec![0; MUCH], vector(MUCH / 8));
    namespace.put_tensor(&TensorSource { bytes: &data, origin: 0, layout: &layout })
}

#[test]
fn a_given_time_is_waited_for_room_in_tensors_and_references() {
    let full = Full::new("room");
    let namespace = full.namespace.with_full_timeout(Some(Timeout::Poll));
    assert_eq!(much(&namespace).err().unwrap().kind(), Kind::OutOfMemory);
    // What is created with the handle has its time, and may have another one.
    let reference = namespace.new_ref(None).unwrap();
    assert_eq!(reference.put_bytes(&[0; MUCH], &[]).unwrap_err().kind(), Kind::OutOfMemory);
    let patient = reference.with_full_timeout(Some(Timeout::Forever));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| patient.put_bytes(&[0; MUCH], &[]));
        std::thread::sleep(Duration::from_millis(100));
        assert!(!waiting.is_finished(), "it does not wait for room");
        full.filling.store_delete(&full.store);
        waiting.join().unwrap().unwrap();
    });
    assert!(reference.exists().unwrap());
}

#[test]
fn values_and_outputs_wait_as_long_as_their_options_say() {
    let full = Full::new("room-of-calls");
    let processor = processor(&full.store, "Adder", Some(SHORT));
    let options = CallerOptions { full_timeout: Some(SHORT), ..CallerOptions::default() };
    let caller = caller(&full.namespace, &options).unwrap();
    let (data, layout) = (vec![0; MUCH], vector(MUCH / 8));
    let source = TensorSource { bytes: &data, origin: 0, layout: &layout };
    let refused = call(&caller, 1, Arg::Tensor(source)).err().unwrap();
    assert_eq!(refused.kind(), Kind::OutOfMemory);
    // The input is there, and there is no room for the output beside it.
    let filling = full.filling.clone();
    filling.store_delete(&full.store);
    let ys = much(&full.namespace).unwrap();
    let _rest = full.namespace.put_bytes(&vec![0; (3 << 20) - MUCH / 2], &[]).unwrap();
    let zs = call(&caller, 1, &ys).unwrap();
    assert!(processor.process(LONG).unwrap());
    let failed = zs.wait(LONG).unwrap_err();
    assert_eq!(failed.kind(), Kind::OutOfMemory, "{failed}");
}

trait Deleted {
    fn store_delete(&self, store: &Store);
}

impl Deleted for Ref {
    fn store_delete(&self, store: &Store) {
        store.delete(&self.id(), sdp_dal::store::DeleteMode::Now).unwrap();
    }
}

#[test]
fn too_few_processors_are_an_error_only_when_a_caller_is_created() {
    let place = Place::new("few");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let (one, two) = (processor(&store, "One", None), processor(&store, "Two", None));
    let three = CallerOptions { minimum_processors: 3, timeout: SHORT, ..CallerOptions::default() };
    assert_eq!(caller(&namespace, &three).err().unwrap().kind(), Kind::NoProcessor);
    let both = CallerOptions { minimum_processors: 2, ..CallerOptions::default() };
    let caller = caller(&namespace, &both).unwrap();
    one.close().unwrap();
    assert_eq!(caller.find_processors(LONG).unwrap(), 1);
    assert_eq!(caller.processors()[0].name, "Two");
    two.close().unwrap();
    assert_eq!(caller.find_processors(SHORT).unwrap(), 0);
}

#[test]
fn a_call_that_finds_all_processors_gone_looks_for_others() {
    let place = Place::new("anew");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let first = processor(&store, "First", None);
    let caller = caller(&namespace, &CallerOptions::default()).unwrap();
    let ys = put(&namespace, &[1, 2]);
    first.close().unwrap();
    let error = call(&caller, 1, &ys).err().unwrap();
    assert_eq!(error.kind(), Kind::ProcessorLost);
    assert!(error.message().contains("First"), "{error}");
    let second = processor(&store, "Second", None);
    let zs = call(&caller, 1, &ys).unwrap();
    assert!(second.process(LONG).unwrap());
    assert_eq!(got(&zs), [2, 3]);
}

// ---- attempts --------------------------------------------------------------------------------------------------------

const ROLE: &str = "SDP_DAL_TEST_RECEIVERS_ROLE";

/// A processor, or a client, in a process of its own.
struct Other {
    child: std::process::Child,
    /// Kept, so that what it still says has somewhere to go.
    _said: std::io::BufReader<std::process::ChildStdout>,
}

impl Other {
    /// Starts it, and waits until it says that it is ready.
    fn start(role: &str, place: &Place) -> Other {
        Other::failing(role, place, "")
    }

    /// The same of one that dies at a fail point.
    fn failing(role: &str, place: &Place, point: &str) -> Other {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "in_another_process", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, role).env("SDP_DAL_TEST_PATH", &place.path).env("SDP_DAL_FAIL", point);
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        let lines = std::io::BufRead::lines(&mut out).map_while(std::result::Result::ok);
        assert!(lines.into_iter().any(|line| line == "ready"), "{role} has ended early");
        Other { child, _said: out }
    }

    fn signal(&self, signal: i32) {
        // SAFETY: a signal to a child that was not waited for.
        unsafe { libc::kill(self.child.id().cast_signed(), signal) };
    }

    /// SIGSTOP, and waits until it has stopped.
    fn stop(&self) {
        self.signal(libc::SIGSTOP);
        let stat = format!("/proc/{}/stat", self.child.id());
        let begun = std::time::Instant::now();
        while !std::fs::read_to_string(&stat).unwrap().contains(") T ") {
            assert!(begun.elapsed() < Duration::from_secs(30), "it does not stop");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn succeeds(mut self) {
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test of its own: what another process does.
#[test]
fn in_another_process() {
    let (Some(role), Some(path)) = (std::env::var_os(ROLE), std::env::var_os("SDP_DAL_TEST_PATH")) else {
        return;
    };
    let store = Store::open(std::path::Path::new(&path), &StoreOptions::default()).unwrap();
    let namespace = Namespace::new(&store, None);
    let role = role.into_string().unwrap();
    let ready = || println!("\nready");
    match role.split_once(' ').map_or((&*role, ""), |parts| parts) {
        // Runs the first call for ever, holding half of its output.
        ("stuck", _) => {
            let processor = processor(&store, "Stuck", None);
            ready();
            let call = processor.next(Timeout::Forever).unwrap();
            let _half = call.create_tensor(2, &[2], Order::C, false).unwrap();
            std::thread::sleep(Duration::from_secs(600));
        }
        // Makes the first of two outputs and stays there; or makes both, the first one with another value.
        (role @ ("half" | "both"), _) => {
            let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
            let stays = role == "half";
            let function = Arc::new(move |call: &Call| two(call, stays));
            processor.register(CallSchema::parse(TWO).unwrap(), Some(function)).unwrap();
            processor.start().unwrap();
            ready();
            while processor.process(Timeout::Forever).is_ok() {}
        }
        // Has calls in its queue and takes none.
        ("idle", _) => {
            let _processor = processor(&store, "Idle", None);
            ready();
            std::thread::sleep(Duration::from_secs(600));
        }
        ("works", _) => {
            let processor = processor(&store, "Works", None);
            ready();
            while processor.process(Timeout::Forever).is_ok() {}
        }
        // Waits for an object of which it knows no more than the ID.
        ("waits", id) => {
            let reference = namespace.borrow(id.parse().unwrap(), None);
            ready();
            assert_eq!(got(&reference), [2, 3]);
        }
        // Takes it as an input.
        ("follows", id) => {
            let caller = caller(&namespace, &CallerOptions::default()).unwrap();
            let zs = call(&caller, 10, Arg::Cell(Cell::Id(id.parse().unwrap()))).unwrap();
            ready();
            assert_eq!(got(&zs), [12, 13]);
        }
        // Issues a call, tells its output, and does nothing more.
        ("issues", _) => {
            let caller = caller(&namespace, &twice()).unwrap();
            let ys = put(&namespace, &[1, 2]);
            let zs = call(&caller, 1, &ys).unwrap();
            std::fs::write(path_of_id(&path), zs.id().to_string()).unwrap();
            ready();
            zs.wait(Timeout::Forever).unwrap();
            std::thread::sleep(Duration::from_secs(600));
        }
        other => panic!("{other:?}"),
    }
}

fn path_of_id(path: &std::ffi::OsStr) -> std::path::PathBuf {
    let mut name = path.to_owned();
    name.push(".id");
    name.into()
}

fn twice() -> CallerOptions {
    CallerOptions { attempts: 2, ..CallerOptions::default() }
}

/// Until the processor has taken the call of an output.
fn is_taken(zs: &Ref) {
    let begun = std::time::Instant::now();
    while !zs.is_running().unwrap() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the call is not taken");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_call_whose_processor_dies_is_issued_again() {
    let place = Place::new("again");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let stuck = Other::start("stuck", &place);
    let caller = caller(&namespace, &twice()).unwrap();
    let ys = put(&namespace, &[1, 2]);
    let zs = call(&caller, 1, &ys).unwrap();
    is_taken(&zs);
    let id = zs.id();
    // The call keeps its input.
    drop(ys);
    let waits = Other::start(&format!("waits {id}"), &place);
    let second = Other::start("works", &place);
    let follows = Other::start(&format!("follows {id}"), &place);
    stuck.kill();
    // Whatever this process waits for, it issues the call again.
    let other = namespace.new_ref(None).unwrap();
    let seen = other.wait(Timeout::After(Duration::from_secs(2)));
    assert_eq!(seen.unwrap_err().kind(), Kind::Timeout);
    waits.succeeds();
    follows.succeeds();
    assert_eq!((got(&zs), zs.id()), (vec![2, 3], id));
    drop((second, zs, other));
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn calls_in_the_queue_of_a_dead_processor_and_rows_of_a_batch_are_issued_again() {
    let place = Place::new("again-queued");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let idle = Other::start("idle", &place);
    let caller = caller(&namespace, &twice()).unwrap();
    let ys = put(&namespace, &[1]);
    let one = call(&caller, 1, &ys).unwrap();
    let mut rows = Vec::new();
    for x in 0..3 {
        let mut args = Args::new();
        args.push(Arg::Cell(Cell::Int(x)));
        args.push(Arg::Ref(ys.clone()));
        rows.push(args);
    }
    let batch = caller.batch("simple_fn", &rows, LONG).unwrap();
    // One of the rows is made by somebody else before.
    let written = batch[1].at(0).unwrap().clone();
    let (data, layout) = (bytes(&[7]), vector(1));
    written.put_tensor(&TensorSource { bytes: &data, origin: 0, layout: &layout }).unwrap();
    let second = processor(&store, "Second", None);
    idle.kill();
    std::thread::scope(|scope| {
        scope.spawn(|| while second.process(Timeout::Forever).is_ok() {});
        assert_eq!(got(&one), [2]);
        let all: Vec<_> = batch.iter().map(|row| got(row.at(0).unwrap())).collect();
        assert_eq!(all, [[1], [7], [3]]);
        second.shutdown().unwrap();
    });
}

const TWO: &str = "two(x: int64) -> (one: int64[i], other: int64[i])";

#[test]
fn an_output_that_was_complete_is_kept_and_the_function_need_not_know() {
    let place = Place::new("again-half");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let half = Other::start("half", &place);
    let caller = Caller::new(&namespace, vec![CallSchema::parse(TWO).unwrap()], &twice()).unwrap();
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(1)));
    let results = caller.call("two", &args).unwrap();
    let (one, other) = (results.at(0).unwrap(), results.at(1).unwrap());
    assert_eq!(got(one), [1]);
    let second = Other::start("both", &place);
    half.kill();
    assert_eq!((got(one), got(other)), (vec![1], vec![2]));
    drop((results, second));
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

/// Writes the outputs of `two`, 1 and 2. One that stays writes the first of them; another one gives that another value.
fn two(call: &Call, stays: bool) -> Result<()> {
    for (param, value) in [(1, if stays { 1 } else { 7 }), (2, 2)] {
        let mut writer = call.create_tensor(param, &[1], Order::C, false)?;
        writer.bytes_mut().copy_from_slice(&bytes(&[value]));
        writer.seal()?;
        if stays {
            std::thread::sleep(Duration::from_secs(600));
        }
    }
    Ok(())
}

#[test]
fn calls_of_a_processor_that_closes_are_issued_again() {
    let place = Place::new("again-closed");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let first = processor(&store, "First", None);
    let caller = caller(&namespace, &twice()).unwrap();
    let ys = put(&namespace, &[1, 2]);
    let zs = call(&caller, 1, &ys).unwrap();
    let second = processor(&store, "Second", None);
    first.close().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| while second.process(Timeout::Forever).is_ok() {});
        assert_eq!(got(&zs), [2, 3]);
        second.shutdown().unwrap();
    });
}

#[test]
fn the_last_attempt_fails_with_how_many_there_were() {
    let place = Place::new("again-last");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let first = processor(&store, "First", None);
    let caller = caller(&namespace, &twice()).unwrap();
    let ys = put(&namespace, &[1, 2]);
    let zs = call(&caller, 1, &ys).unwrap();
    let second = Other::start("stuck", &place);
    first.close().unwrap();
    let early = zs.wait(Timeout::After(Duration::from_millis(300))).unwrap_err();
    assert_eq!(early.kind(), Kind::Timeout, "{early}");
    is_taken(&zs);
    second.kill();
    let error = zs.wait(LONG).unwrap_err();
    assert_eq!(error.kind(), Kind::ProcessorLost);
    assert!(error.message().contains("attempt 2"), "{error}");
    // Nothing was left to be issued to: the same.
    let third = processor(&store, "Third", None);
    let zs = call(&caller, 1, &ys).unwrap();
    third.close().unwrap();
    let error = zs.wait(LONG).unwrap_err();
    assert_eq!(error.kind(), Kind::ProcessorLost);
    assert!(error.message().contains("attempt 1 of 2"), "{error}");
}

#[test]
fn a_call_waits_for_a_processor_as_long_as_the_options_say() {
    let place = Place::new("again-waits");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let first = processor(&store, "First", None);
    let patient = CallerOptions { timeout: Timeout::Forever, ..twice() };
    let caller = caller(&namespace, &patient).unwrap();
    let ys = put(&namespace, &[1, 2]);
    let zs = call(&caller, 1, &ys).unwrap();
    first.close().unwrap();
    std::thread::scope(|scope| {
        let issued = scope.spawn(|| call(&caller, 2, &ys).unwrap());
        std::thread::sleep(Duration::from_millis(300));
        assert!(!issued.is_finished() && !zs.exists().unwrap());
        let second = processor(&store, "Second", None);
        let other = issued.join().unwrap();
        for _ in 0..2 {
            // The call that was lost is issued when this thread comes past.
            assert!(second.process(LONG).unwrap());
        }
        assert_eq!((got(&zs), got(&other)), (vec![2, 3], vec![3, 4]));
    });
}

#[test]
fn a_lost_call_fails_when_its_caller_is_lost_too() {
    let place = Place::new("again-caller");
    let store = place.open();
    let (stuck, issuer, zs, _kept) = stuck_call(&place, &store, "");
    // As long as the caller lives, and be it stopped, there is an attempt left.
    issuer.stop();
    stuck.kill();
    let early = zs.wait(Timeout::After(Duration::from_millis(500))).unwrap_err();
    assert_eq!(early.kind(), Kind::Timeout, "{early}");
    issuer.kill();
    assert_eq!(zs.wait(LONG).unwrap_err().kind(), Kind::ProcessorLost);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_call_that_was_dropped_is_not_issued_again() {
    let place = Place::new("again-dropped");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let first = processor(&store, "First", None);
    let caller = caller(&namespace, &twice()).unwrap();
    let ys = put(&namespace, &[1, 2]);
    let zs = call(&caller, 1, &ys).unwrap();
    let kept = store.want(&zs.id()).unwrap();
    first.close().unwrap();
    drop(zs);
    let second = processor(&store, "Second", None);
    let other = namespace.borrow(kept.id(), None);
    assert_eq!(other.wait(LONG).unwrap_err().kind(), Kind::ProcessorLost);
    assert!(!second.process(Timeout::After(Duration::from_millis(200))).unwrap());
}

#[test]
fn a_call_without_outputs_is_issued_again_if_it_was_not_taken() {
    let place = Place::new("again-none");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let ran = Arc::new(std::sync::Mutex::new(0));
    let counting = |name: &str| {
        let options = ProcessorOptions { name: Some(name.to_owned()), ..ProcessorOptions::default() };
        let mut processor = Processor::new(&store, &options).unwrap();
        let ran = ran.clone();
        let count = Arc::new(move |_: &Call| {
            *ran.lock().unwrap() += 1;
            Ok(())
        });
        processor.register(CallSchema::parse("note(x: int64)").unwrap(), Some(count)).unwrap();
        processor.start().unwrap();
        processor
    };
    let first = counting("First");
    let schemas = vec![CallSchema::parse("note(x: int64)").unwrap()];
    let caller = Caller::new(&namespace, schemas, &twice()).unwrap();
    let note = |x| {
        let mut args = Args::new();
        args.push(Arg::Cell(Cell::Int(x)));
        caller.call("note", &args).unwrap();
    };
    note(1);
    assert!(first.process(LONG).unwrap());
    note(2);
    let second = counting("Second");
    first.close().unwrap();
    // The one that was taken does not run again.
    assert!(second.process(LONG).unwrap());
    assert!(!second.process(Timeout::After(Duration::from_millis(300))).unwrap());
    assert_eq!(*ran.lock().unwrap(), 2);
}

#[test]
fn a_processor_that_is_stopped_is_not_lost() {
    let place = Place::new("again-stopped");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let works = Other::start("works", &place);
    let caller = caller(&namespace, &twice()).unwrap();
    let ys = put(&namespace, &[1, 2]);
    works.stop();
    let zs = call(&caller, 1, &ys).unwrap();
    let second = processor(&store, "Second", None);
    let early = zs.wait(Timeout::After(Duration::from_millis(600))).unwrap_err();
    assert_eq!(early.kind(), Kind::Timeout, "{early}");
    assert!(!second.process(Timeout::Poll).unwrap());
    works.signal(libc::SIGCONT);
    assert_eq!(got(&zs), [2, 3]);
}

#[test]
fn an_event_loop_is_woken_for_a_call_that_is_to_be_issued_again() {
    let place = Place::new("again-loop");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let stuck = Other::start("stuck", &place);
    let caller = caller(&namespace, &twice()).unwrap();
    let ys = put(&namespace, &[1, 2]);
    let zs = call(&caller, 1, &ys).unwrap();
    is_taken(&zs);
    let second = Other::start("works", &place);
    let descriptor = store.event_descriptor().unwrap();
    let _watch = store.watch(&[zs.id()]).unwrap();
    stuck.kill();
    let begun = std::time::Instant::now();
    // Nothing but the loop: it sleeps on the descriptor, and asks what has changed.
    while !matches!(store.look(&zs.id()), Ok(sdp_dal::store::ObjectState::Sealed { .. })) {
        let mut poll = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor, and there is one.
        let ready = unsafe { libc::poll(&raw mut poll, 1, 30_000) };
        assert!(ready == 1 && begun.elapsed() < Duration::from_secs(30), "the loop is not woken");
        store.take_changed(100).unwrap();
    }
    drop(second);
}

/// A caller that has issued a call to a processor which works on it, and the output, which this process wants, too.
fn stuck_call(place: &Place, store: &Store, point: &str) -> (Other, Other, Ref, sdp_dal::store::Want) {
    let stuck = Other::start("stuck", place);
    let issuer = Other::failing("issues", place, point);
    let file = path_of_id(place.path.as_os_str());
    let id = std::fs::read_to_string(&file).unwrap().parse().unwrap();
    std::fs::remove_file(&file).unwrap();
    let zs = Namespace::new(store, None).borrow(id, None);
    let kept = store.want(&id).unwrap();
    is_taken(&zs);
    (stuck, issuer, zs, kept)
}

#[cfg(feature = "failpoints")]
#[test]
fn who_waits_learns_what_comes_of_a_call_whose_caller_dies_while_it_issues_it_again() {
    for (nth, point) in ["lose.marked", "again.named", "again.passed_on", "issue.sealed:2", "issue.rung:2"]
        .into_iter()
        .enumerate()
    {
        let place = Place::new(&format!("again-dies-{nth}"));
        let store = place.open();
        let (stuck, mut issuer, zs, kept) = stuck_call(&place, &store, point);
        let second = processor(&store, "Second", None);
        // The issuer is the only one that looks after the processor's death: then it dies itself.
        stuck.kill();
        let begun = std::time::Instant::now();
        while issuer.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(30), "{point}: it does not come to this");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::scope(|scope| {
            scope.spawn(|| while second.process(Timeout::Forever).is_ok() {});
            let end = zs.wait(LONG);
            second.shutdown().unwrap();
            match end {
                Ok(()) => assert_eq!(got(&zs), [2, 3], "{point}"),
                Err(error) => assert_eq!(error.kind(), Kind::ProcessorLost, "{point}: {error}"),
            }
        });
        drop((zs, kept));
        assert_eq!(store.check().unwrap(), Vec::<String>::new(), "{point}");
    }
}
