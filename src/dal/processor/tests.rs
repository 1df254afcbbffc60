//! How threads and calls of a processor wait for each other, and how calls end.

use std::sync::{mpsc, Barrier};
use std::time::Duration;

use super::super::{Arg, Args, Caller, CallerOptions, Namespace, Ref};
use super::*;
use crate::store::{CreateSpec, DeleteMode, StoreOptions};
use crate::sync::atomic::{lock, AtomicU32, Ordering};
use crate::wire::{CallEncoder, Cell, Elem, Order};

const STEP: &str = "step(x: int64[]) -> (y: int64[])";
const OTHER: &str = "other(x: int64[]) -> (y: int64[])";
/// Long enough for any machine; a test that waits so long has failed.
const WATCHDOG: Duration = Duration::from_secs(30);
const LONG: Timeout = Timeout::After(WATCHDOG);

const PLAIN: FunctionOptions =
    FunctionOptions { reentrant: false, ordered: false, loose_dims: false, full_timeout: None };
const REENTRANT: FunctionOptions =
    FunctionOptions { reentrant: true, ordered: false, loose_dims: false, full_timeout: None };

/// A processor, and a caller for it.
struct World {
    processor: Processor,
    caller: Caller,
    namespace: Namespace,
    store: Store,
    path: std::path::PathBuf,
}

impl World {
    fn new(name: &str, functions: &[(&str, FunctionOptions, Option<Function>)]) -> World {
        let path = std::env::temp_dir().join(format!("sdp-dal-processor-{}-{name}", std::process::id()));
        let options = StoreOptions { size: Some(16 << 20), ..StoreOptions::default() };
        let store = Store::open(&path, &options).unwrap();
        let namespace = Namespace::new(&store, None);
        let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
        let mut schemas = Vec::new();
        for (signature, options, function) in functions {
            let schema = CallSchema::parse(signature).unwrap();
            processor.register_with(schema.clone(), *options, function.clone()).unwrap();
            schemas.push(schema);
        }
        processor.start().unwrap();
        let caller = Caller::new(&namespace, schemas, &CallerOptions::default()).unwrap();
        World { processor, caller, namespace, store, path }
    }

    fn put(&self) -> Ref {
        let reference = self.namespace.new_ref(None).unwrap();
        reference.create_tensor(Elem::Int64, &[], &[], Order::C, true).unwrap().seal().unwrap();
        reference
    }

    fn issue(&self, function: &str, x: &Ref) -> Ref {
        let mut args = Args::new();
        args.push(Arg::Ref(x.clone()));
        self.caller.call(function, &args).unwrap().at(0).unwrap().clone()
    }

    fn next(&self) -> Call {
        self.processor.next(LONG).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn write(call: &Call) -> Result<()> {
    call.create_tensor(1, &[], Order::C, true)?.seal().map(drop)
}

#[test]
fn a_processor_that_is_closed_waits_for_the_function_that_runs() {
    let (begins, begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    let returned = Arc::new(AtomicU32::new(0));
    let (returns, begins, may_go) = (returned.clone(), Mutex::new(begins), Mutex::new(may_go));
    let function: Function = Arc::new(move |call| {
        begins.lock().send(()).unwrap();
        may_go.lock().recv().unwrap();
        // For a thread that closes it without waiting to be seen.
        std::thread::sleep(Duration::from_millis(50));
        returns.store(1, Ordering::SeqCst);
        write(call)
    });
    let world = Arc::new(World::new("closes", &[(STEP, PLAIN, Some(function))]));
    let x = world.put();
    let (runs, queued) = (world.issue("step", &x), world.issue("step", &x));
    let worker = world.clone();
    let worker = std::thread::spawn(move || worker.processor.process(LONG));
    begun.recv_timeout(WATCHDOG).unwrap();
    let (says, closed) = mpsc::channel();
    let closer = world.clone();
    let closer = std::thread::spawn(move || {
        let joined = closer.processor.join();
        says.send((joined, returned.load(Ordering::SeqCst) == 1)).unwrap();
    });
    assert_eq!(queued.wait(LONG).unwrap_err().kind(), Kind::ProcessorLost);
    go.send(()).unwrap();
    let (joined, had_returned) = closed.recv_timeout(WATCHDOG).unwrap();
    joined.unwrap();
    assert!(had_returned);
    assert!(worker.join().unwrap().unwrap());
    closer.join().unwrap();
    runs.wait(Timeout::Poll).unwrap();
}

#[test]
fn calls_that_wait_for_what_the_other_makes_are_told_so() {
    let world = World::new("each-other", &[(STEP, REENTRANT, None), (OTHER, REENTRANT, None)]);
    let x = world.put();
    let outputs = [world.issue("step", &x), world.issue("other", &x)];
    let both = Barrier::new(2);
    let run = || {
        let call = world.next();
        call.run_here();
        both.wait();
        let waited = outputs[1 - call.function_index()].wait(Timeout::After(Duration::from_secs(3)));
        call.fail(waited.as_ref().unwrap_err()).unwrap();
        waited.unwrap_err()
    };
    let errors = std::thread::scope(|scope| {
        let other = scope.spawn(run);
        [run(), other.join().unwrap()]
    });
    // One is told; the other then hears that what it waits for has failed by that.
    assert!(errors.iter().all(|error| error.message().contains("this wait would never end: ")), "{errors:?}");
}

#[test]
fn an_input_that_was_made_anew_before_the_call_could_run_is_lost() {
    let world = World::new("anew", &[(STEP, PLAIN, None)]);
    let x = world.put();
    let running = (world.issue("step", &x), world.next());
    let y = world.issue("step", &x);
    // The function is busy, but the input has been seen.
    assert_eq!(world.processor.next(Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
    assert!(world.store.delete(&x.id(), DeleteMode::Now).unwrap());
    let spec = CreateSpec { data_size: 8, keep: true, ..CreateSpec::default() };
    world.store.create(&x.id(), &spec).unwrap().seal().unwrap();
    drop(running);
    assert_eq!(world.processor.next(Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
    assert_eq!(y.wait(Timeout::Poll).unwrap_err().kind(), Kind::InputLost);
}

#[test]
fn a_call_that_was_finished_cannot_be_deferred() {
    let world = World::new("finished", &[(STEP, PLAIN, None)]);
    let y = world.issue("step", &world.put());
    let call = world.next();
    write(&call).unwrap();
    drop(call.defer().unwrap());
    call.finish().unwrap();
    assert_eq!(call.defer().err().unwrap().kind(), Kind::InvalidArgument);
    y.wait(Timeout::Poll).unwrap();
}

#[test]
fn a_call_without_outputs_is_cancelled_with_its_call_object() {
    const SINK: &str = "sink(x: int64[])";
    let world = World::new("sink", &[(SINK, PLAIN, None)]);
    let encoder = CallEncoder::new(Arc::new(CallSchema::parse(SINK).unwrap())).unwrap();
    let x = world.put();
    let bytes = encoder.encode(&[vec![Cell::Id(x.id())]]).unwrap();
    let started = world.processor.started().unwrap();
    let mut id = [1; 20];
    id[..PREFIX_SIZE].copy_from_slice(&started.prefix);
    let (data_size, metadata) = (bytes.len() as u64, encoder.metadata());
    let spec = CreateSpec { data_size, metadata, want: true, ..CreateSpec::default() };
    let mut writer = world.store.create(&ObjectId::new(id), &spec).unwrap();
    writer.copy_from(0, &bytes);
    let declaration = started.declaration.lock().as_ref().unwrap().key();
    let (want, _) = world.store.issue(writer, declaration, &[]).unwrap();
    let call = world.next();
    assert!(!call.is_cancelled());
    drop(want);
    assert!(call.is_cancelled());
}

#[test]
fn an_output_of_any_kind_is_there_as_soon_as_it_is_put() {
    let world = World::new("any-kind", &[("any(x: int64[]) -> (out: oid)", PLAIN, None)]);
    let out = world.issue("any", &world.put());
    let call = world.next();
    call.put_object(1, b"some bytes", b"about them").unwrap();
    let buffer = out.get_buffer(Timeout::Poll).unwrap();
    assert_eq!((buffer.data(), buffer.metadata()), (&b"some bytes"[..], &b"about them"[..]));
    assert_eq!(call.put_object(1, b"", b"").unwrap_err().kind(), Kind::AlreadyExists);
}

#[test]
fn a_failure_after_all_outputs_exist_is_logged() {
    const TWO: &str = "two(x: int64[]) -> (y: int64[], z: int64[])";
    let _alone = lock(&log::tests::ALONE);
    let world = World::new("all-exist", &[(TWO, PLAIN, None)]);
    let (x, z) = (world.put(), world.put());
    let mut args = Args::new();
    args.push(Arg::Ref(x));
    args.set("z", Arg::Ref(z));
    let results = world.caller.call("two", &args).unwrap();
    let call = world.next();
    let lines: Arc<Mutex<Vec<Level>>> = Arc::default();
    let ear = lines.clone();
    let sink = move |level: Level, text: &str| {
        if text.ends_with("two: the tape is torn") {
            ear.lock().push(level);
        }
    };
    log::set(Some(Level::Error), Some(Arc::new(sink)));
    let torn = Error::new(Kind::FunctionFailed, "the tape is torn");
    write(&call).unwrap();
    let failed = [call.fail(&torn), call.fail(&torn)];
    log::set(None, None);
    assert!(failed.iter().all(Result::is_ok));
    assert_eq!(*lines.lock(), [Level::Error]);
    results.at(0).unwrap().wait(Timeout::Poll).unwrap();
}
