//! How a processor runs its functions: re-entrancy, order, deferred calls, progress, threads, private copies.

use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use sdp_dal::dal::{
    Arg, Args, Call, Caller, CallerOptions, Function, FunctionOptions, Namespace, Processor,
    ProcessorOptions, Ref,
};
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::log::{self, Level};
use sdp_dal::store::{CreateSpec, DeleteMode, ObjectId, Store, StoreOptions};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{CallEncoder, CallSchema, Cell, Elem, Layout, Order, TensorSource};

const ADD: &str = "add(x: int64, ys: int64[i]) -> (zs: int64[i])";
const OTHER: &str = "other(x: int64, ys: int64[i]) -> (zs: int64[i])";
const TWO: &str = "two(n: int64) -> (a: int64[], b: int64[])";
const SINK: &str = "sink(ys: int64[i])";
/// Long enough for any machine: a test that waits so long has failed.
const LONG: Timeout = Timeout::After(Duration::from_secs(60));
const WATCHDOG: Duration = Duration::from_secs(60);

const REENTRANT: FunctionOptions =
    FunctionOptions { reentrant: true, ordered: false, loose_dims: false, full_timeout: None };
const ORDERED: FunctionOptions =
    FunctionOptions { reentrant: false, ordered: true, loose_dims: false, full_timeout: None };
const PLAIN: FunctionOptions =
    FunctionOptions { reentrant: false, ordered: false, loose_dims: false, full_timeout: None };

/// A store of its own, and where results and values go.
struct World {
    path: PathBuf,
    store: Store,
    namespace: Namespace,
}

impl World {
    fn new(name: &str) -> World {
        let path = std::env::temp_dir().join(format!("sdp-dal-test-{}-{name}", std::process::id()));
        let options = StoreOptions { size: Some(32 << 20), ..StoreOptions::default() };
        let store = Store::open(&path, &options).unwrap();
        let namespace = Namespace::new(&store, Some(name));
        World { path, store, namespace }
    }

    fn processor(&self, functions: &[(&str, FunctionOptions, Option<Function>)]) -> Processor {
        self.processor_of(&ProcessorOptions::default(), functions)
    }

    fn processor_of(
        &self,
        options: &ProcessorOptions,
        functions: &[(&str, FunctionOptions, Option<Function>)],
    ) -> Processor {
        let mut processor = Processor::new(&self.store, options).unwrap();
        for (signature, options, function) in functions {
            let schema = CallSchema::parse(signature).unwrap();
            processor.register_with(schema, *options, function.clone()).unwrap();
        }
        processor.start().unwrap();
        processor
    }

    fn caller(&self, signatures: &[&str]) -> Caller {
        let schemas = signatures.iter().map(|signature| CallSchema::parse(signature).unwrap()).collect();
        Caller::new(&self.namespace, schemas, &CallerOptions::default()).unwrap()
    }

    fn put(&self, data: &[i64]) -> Ref {
        let (bytes, layout) = (bytes(data), vector(data.len()));
        self.namespace.put_tensor(&TensorSource { bytes: &bytes, origin: 0, layout: &layout }).unwrap()
    }

    fn late(&self) -> Ref {
        self.namespace.new_ref(None).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn bytes(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}

fn values(bytes: &[u8]) -> Vec<i64> {
    bytes.chunks_exact(8).map(|chunk| i64::from_ne_bytes(chunk.try_into().unwrap())).collect()
}

fn vector(len: usize) -> Layout {
    Layout::contiguous(Elem::Int64, &[i64::try_from(len).unwrap()], Order::C, &[String::new()]).unwrap()
}

fn fill(reference: &Ref, data: &[i64]) {
    let (bytes, layout) = (bytes(data), vector(data.len()));
    reference.put_tensor(&TensorSource { bytes: &bytes, origin: 0, layout: &layout }).unwrap();
}

fn got(reference: &Ref) -> Vec<i64> {
    values(reference.get_tensor(LONG).unwrap().bytes())
}

fn kind_of(reference: &Ref) -> Kind {
    reference.wait(LONG).err().unwrap().kind()
}

fn x_of(call: &Call) -> i64 {
    match call.cell(0) {
        Ok(Cell::Int(x)) => *x,
        other => panic!("x is {other:?}"),
    }
}

/// zs = x + ys.
fn add(call: &Call) -> Result<()> {
    let ys = call.tensor(1)?;
    let zs: Vec<i64> = values(ys.bytes()).iter().map(|y| y + x_of(call)).collect();
    let mut writer = call.create_tensor(2, &ys.layout().shape, Order::C, false)?;
    writer.bytes_mut().copy_from_slice(&bytes(&zs));
    writer.seal().map(drop)
}

fn issue(caller: &Caller, function: &str, x: i64, ys: &Ref) -> Ref {
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(x)));
    args.push(Arg::Ref(ys.clone()));
    caller.call(function, &args).unwrap().at(0).unwrap().clone()
}

fn two(caller: &Caller) -> [Ref; 2] {
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(0)));
    let results = caller.call("two", &args).unwrap();
    [results.at(0).unwrap().clone(), results.at(1).unwrap().clone()]
}

fn write(call: &Call, param: usize, value: i64) {
    let mut writer = call.create_tensor(param, &[], Order::C, false).unwrap();
    writer.bytes_mut().copy_from_slice(&bytes(&[value]));
    writer.seal().unwrap();
}

fn process_all(processor: &Processor) -> usize {
    (0..).take_while(|_| processor.process(Timeout::Poll).unwrap()).count()
}

fn queued(store: &Store) -> u32 {
    store.namespaces().unwrap().iter().map(|namespace| namespace.queued).sum()
}

/// Runs `threads` threads that process until the processor is closed, and `work` beside them.
fn with_threads(processor: &Processor, threads: usize, work: impl FnOnce()) {
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| while processor.process(Timeout::Forever).is_ok() {});
        }
        work();
        processor.shutdown().unwrap();
    });
}

#[test]
fn a_plain_function_runs_in_one_thread_and_others_meanwhile() {
    let world = World::new("plain");
    let running = Arc::new(Mutex::new((0, 0)));
    let (entered, has_entered) = mpsc::channel();
    let (release, may_leave) = mpsc::channel::<()>();
    let (entered, may_leave) = (Mutex::new(entered), Mutex::new(may_leave));
    let count = running.clone();
    let slow: Function = Arc::new(move |call| {
        {
            let mut running = count.lock();
            running.0 += 1;
            running.1 = running.0.max(running.1);
        }
        entered.lock().send(()).unwrap();
        if x_of(call) == 0 {
            may_leave.lock().recv_timeout(WATCHDOG).unwrap();
        }
        count.lock().0 -= 1;
        add(call)
    });
    let processor = world.processor(&[(ADD, PLAIN, Some(slow)), (OTHER, PLAIN, Some(Arc::new(add)))]);
    let caller = world.caller(&[ADD, OTHER]);
    let ys = world.put(&[1]);
    with_threads(&processor, 3, || {
        let adds: Vec<Ref> = (0..20).map(|x| issue(&caller, "add", x, &ys)).collect();
        has_entered.recv_timeout(WATCHDOG).unwrap();
        // Its calls wait; those of another function are run.
        assert_eq!(got(&issue(&caller, "other", 5, &ys)), [6]);
        assert!(!adds[1].exists().unwrap());
        release.send(()).unwrap();
        for (x, zs) in (0..).zip(&adds) {
            assert_eq!(got(zs), [x + 1]);
        }
    });
    assert_eq!(*running.lock(), (0, 1));
}

#[test]
fn a_reentrant_function_runs_in_several_threads() {
    let world = World::new("reentrant");
    let (here, others) = (Mutex::new(0), parking_lot::Condvar::new());
    let meet: Function = Arc::new(move |call| {
        let mut count = here.lock();
        *count += 1;
        others.notify_all();
        // Two runs must be in here at once.
        while *count < 2 {
            if others.wait_for(&mut count, WATCHDOG).timed_out() {
                return Err(Error::internal("nobody else came"));
            }
        }
        drop(count);
        add(call)
    });
    let processor = world.processor(&[(ADD, REENTRANT, Some(meet))]);
    let caller = world.caller(&[ADD]);
    let ys = world.put(&[1]);
    with_threads(&processor, 2, || {
        let results = [issue(&caller, "add", 1, &ys), issue(&caller, "add", 2, &ys)];
        assert_eq!(results.map(|zs| got(&zs)), [[2], [3]]);
    });
}

#[test]
fn a_call_handed_out_counts_as_running() {
    let world = World::new("handed");
    let processor = world.processor(&[(ADD, PLAIN, None)]);
    let caller = world.caller(&[ADD]);
    let ys = world.put(&[1]);
    let results: Vec<Ref> = (0..400).map(|x| issue(&caller, "add", x, &ys)).collect();
    let first = processor.next(LONG).unwrap();
    assert_eq!(processor.next(Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
    // A clone that lives on does not count, and a handle that is dropped ends its run.
    let clone = first.clone();
    drop(first);
    assert_eq!(kind_of(&results[0]), Kind::OutputNotWritten);
    // Two threads take turns: each lets the other one take the next call, which sleeps until it is told.
    let (taken, changed) = (Mutex::new(1), parking_lot::Condvar::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Ok(call) = processor.next(LONG) {
                    *taken.lock() += 1;
                    changed.notify_all();
                    add(&call).unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                    let mut count = taken.lock();
                    let mine = *count;
                    call.finish().unwrap();
                    while *count == mine && mine < results.len() {
                        assert!(!changed.wait_for(&mut count, WATCHDOG).timed_out());
                    }
                }
            });
        }
        // One wait for all of them: turns whose end nobody is told of would take a slice each, and too long.
        results[399].wait(LONG).unwrap();
        processor.shutdown().unwrap();
    });
    for (x, zs) in (0..).zip(&results).skip(1) {
        assert_eq!(got(zs), [x + 1]);
    }
    assert_eq!(values(clone.tensor(1).unwrap().bytes()), [1]);
}

#[test]
fn an_ordered_function_keeps_the_order_of_issue() {
    let world = World::new("ordered");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = seen.clone();
    let note: Function = Arc::new(move |call| {
        list.lock().push(x_of(call));
        add(call)
    });
    let processor = world.processor(&[(ADD, ORDERED, Some(note)), (OTHER, PLAIN, Some(Arc::new(add)))]);
    let (one, two) = (world.caller(&[ADD, OTHER]), world.caller(&[ADD]));
    let (late, ys) = (world.late(), world.put(&[10]));
    let failed = {
        // An output that will never be: its processor fails it.
        let holder = world.processor(&[("hold() -> (out: int64[i])", PLAIN, None)]);
        let hold = world.caller(&["hold() -> (out: int64[i])"]);
        let results = hold.call("hold", &Args::new()).unwrap();
        let failed = results.at(0).unwrap().clone();
        holder.next(LONG).unwrap().fail(&Error::new(Kind::FunctionFailed, "broken")).unwrap();
        failed
    };
    let results = [
        issue(&one, "add", 0, &late),
        issue(&two, "add", 1, &ys),
        issue(&one, "add", 2, &failed),
        issue(&two, "add", 3, &ys),
        issue(&one, "add", 4, &ys),
    ];
    let other = issue(&one, "other", 1, &ys);
    assert_eq!(process_all(&processor), 1);
    assert_eq!(got(&other), [11]);
    // The failed one has not had its turn.
    assert_eq!(results[2].wait(Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
    fill(&late, &[100]);
    with_threads(&processor, 3, || {
        assert_eq!(got(&results[4]), [14]);
    });
    assert_eq!(*seen.lock(), [0, 1, 3, 4]);
    assert_eq!(got(&results[0]), [100]);
    assert_eq!(kind_of(&results[2]), Kind::FunctionFailed);
}

#[test]
fn a_cancelled_call_does_not_hold_up_an_ordered_function() {
    let world = World::new("ordered-cancelled");
    let processor = world.processor(&[(ADD, ORDERED, Some(Arc::new(add)))]);
    let caller = world.caller(&[ADD]);
    let (late, ys) = (world.late(), world.put(&[1]));
    let held = issue(&caller, "add", 0, &late);
    let behind = issue(&caller, "add", 1, &ys);
    assert_eq!(process_all(&processor), 0);
    drop(held);
    assert_eq!(process_all(&processor), 1);
    assert_eq!(got(&behind), [2]);
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let world = World::new("contradict");
    let mut processor = Processor::new(&world.store, &ProcessorOptions::default()).unwrap();
    let both = FunctionOptions { reentrant: true, ordered: true, loose_dims: false, full_timeout: None };
    let error = processor.register_with(CallSchema::parse(ADD).unwrap(), both, None).err().unwrap();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(error.message().contains("'add'") && error.message().contains("ordered"), "{error}");
}

#[test]
fn loose_dimensions_are_not_compared() {
    const PAIR: &str = "pair(a: int64[i=2], b: int64[i]) -> (n: int64[])";
    let world = World::new("loose");
    let count: Function = Arc::new(|call| {
        write(call, 2, i64::try_from(call.tensor(0)?.bytes().len() / 8).unwrap());
        Ok(())
    });
    let loose = FunctionOptions { loose_dims: true, ..PLAIN };
    let processor = world.processor(&[(PAIR, loose, Some(count))]);
    let caller = world.caller(&[PAIR]);
    // Borrowed references know nothing of the tensors: only the processor could compare.
    let (a, b) = (world.put(&[1, 2, 3]), world.put(&[1]));
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Id(a.id())));
    args.push(Arg::Cell(Cell::Id(b.id())));
    let results = caller.call("pair", &args).unwrap();
    assert_eq!(process_all(&processor), 1);
    assert_eq!(got(results.at(0).unwrap()), [3]);
}

#[test]
fn a_deferred_call_is_written_after_its_function_has_returned() {
    let world = World::new("deferred");
    let deferred: Arc<Mutex<Vec<Call>>> = Arc::default();
    let keep = deferred.clone();
    let later: Function = Arc::new(move |call| {
        write(call, 1, 7);
        keep.lock().push(call.defer()?);
        Ok(())
    });
    let processor = world.processor(&[(TWO, ORDERED, Some(later))]);
    let caller = world.caller(&[TWO]);
    let results: Vec<[Ref; 2]> = (0..4).map(|_| two(&caller)).collect();
    // Ordered, and each starts though the one before it is still open.
    assert_eq!(process_all(&processor), 4);
    assert_eq!(queued(&world.store), 4);
    let mut deferred = std::mem::take(&mut *deferred.lock()).into_iter();
    assert_eq!(got(&results[0][0]), [7]);
    assert_eq!(results[0][1].wait(Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
    // Written and finished by another thread.
    let call = deferred.next().unwrap();
    std::thread::spawn(move || {
        let memory = call.create_output(2, &[], Order::C, true).unwrap();
        assert_eq!(memory.len, 8);
        call.finish().unwrap();
        assert_eq!(call.defer().err().unwrap().kind(), Kind::InvalidArgument);
    });
    assert_eq!(got(&results[0][1]), [0]);
    // Dropped: the output that nobody can write any more fails, the sealed one stays.
    drop(deferred.next().unwrap());
    assert_eq!(got(&results[1][0]), [7]);
    let error = results[1][1].wait(LONG).err().unwrap();
    assert_eq!(error.kind(), Kind::OutputNotWritten);
    assert!(error.message().contains("'b'"), "{error}");
    // Deferred twice: the last handle ends it. A clone does not keep it open.
    let call = deferred.next().unwrap();
    let (second, clone) = (call.defer().unwrap(), call.clone());
    drop(call);
    assert_eq!(results[2][1].wait(Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
    drop(second);
    assert_eq!(kind_of(&results[2][1]), Kind::OutputNotWritten);
    assert_eq!(clone.create_output(2, &[], Order::C, true).err().unwrap().kind(), Kind::AlreadyExists);
    // An open one outlives its processor.
    let call = deferred.next().unwrap();
    processor.close().unwrap();
    write(&call, 2, 9);
    call.finish().unwrap();
    assert_eq!(got(&results[3][1]), [9]);
    drop((call, clone));
    assert!(world.store.check().unwrap().is_empty());
}

#[test]
fn deferring_does_not_outlive_an_error_and_frees_a_pulled_function() {
    let world = World::new("deferred-error");
    let deferred: Arc<Mutex<Vec<Call>>> = Arc::default();
    let keep = deferred.clone();
    let fails: Function = Arc::new(move |call| {
        keep.lock().push(call.defer()?);
        Err(Error::new(Kind::FunctionFailed, "no"))
    });
    let processor = world.processor(&[(TWO, PLAIN, Some(fails))]);
    let results = two(&world.caller(&[TWO]));
    assert_eq!(process_all(&processor), 1);
    assert_eq!(kind_of(&results[0]), Kind::FunctionFailed);
    assert_eq!(queued(&world.store), 0);
    processor.close().unwrap();

    let puller = world.processor(&[(TWO, PLAIN, None)]);
    let caller = world.caller(&[TWO]);
    let (first, _second) = (two(&caller), two(&caller));
    let call = puller.next(LONG).unwrap();
    let open = call.defer().unwrap();
    assert_eq!(puller.next(Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
    // The function has returned.
    drop(call);
    let next = puller.next(LONG).unwrap();
    write(&open, 1, 1);
    write(&open, 2, 2);
    open.finish().unwrap();
    assert_eq!((got(&first[0]), got(&first[1])), (vec![1], vec![2]));
    drop(next);
}

#[test]
fn a_private_copy_may_be_scribbled_on() {
    let world = World::new("copy");
    let processor = world.processor(&[(ADD, PLAIN, None)]);
    let ys = world.put(&[1, 2, 3]);
    let _zs = issue(&world.caller(&[ADD]), "add", 0, &ys);
    let call = processor.next(LONG).unwrap();
    let copy = call.copy_tensor(1).unwrap();
    assert_eq!((copy.len, copy.data as usize % 64), (24, 0));
    assert_eq!(copy.layout.shape, [3]);
    // SAFETY: the call keeps 24 bytes there as long as it lives, and nobody else uses them.
    let bytes = unsafe { std::slice::from_raw_parts_mut(copy.data, copy.len) };
    assert_eq!(values(bytes), [1, 2, 3]);
    bytes.fill(0xff);
    // The same again, as it is now; the input is untouched.
    assert_eq!(call.copy_tensor(1).unwrap().data, copy.data);
    assert_eq!(got(&ys), [1, 2, 3]);
    for param in [0, 2] {
        assert_eq!(call.copy_tensor(param).err().unwrap().kind(), Kind::InvalidArgument);
    }
}

#[test]
fn the_threads_are_shared_among_those_that_process() {
    let world = World::new("budget");
    let options = ProcessorOptions { threads: 7, ..ProcessorOptions::default() };
    let processor = world.processor_of(&options, &[(ADD, REENTRANT, None)]);
    let caller = world.caller(&[ADD]);
    let ys = world.put(&[1]);
    let _results: Vec<Ref> = (0..8).map(|x| issue(&caller, "add", x, &ys)).collect();
    let mut calls = vec![processor.next(LONG).unwrap()];
    assert_eq!(calls[0].thread_budget(), 7);
    calls.push(processor.next(LONG).unwrap());
    assert_eq!(calls[0].thread_budget(), 3);
    calls.extend((0..6).map(|_| processor.next(LONG).unwrap()));
    assert_eq!(calls[0].thread_budget(), 1);
    calls.truncate(1);
    assert_eq!(calls[0].thread_budget(), 7);
    // Without an option it is what the system leaves.
    let other = world.processor(&[(OTHER, PLAIN, None)]);
    let _zs = issue(&world.caller(&[OTHER]), "other", 1, &ys);
    let all = std::thread::available_parallelism().unwrap().get();
    assert_eq!(other.next(LONG).unwrap().thread_budget() as usize, all);
}

#[test]
fn progress_reaches_whoever_has_the_reference() {
    let world = World::new("progress");
    let processor = world.processor(&[(TWO, PLAIN, None), (SINK, PLAIN, None)]);
    let caller = world.caller(&[TWO, SINK]);
    let [a, b] = two(&caller);
    let foreign = world.namespace.borrow(b.id(), None);
    assert_eq!((a.progress().unwrap(), a.is_running().unwrap()), (None, false));
    let call = processor.next(LONG).unwrap();
    assert_eq!((foreign.progress().unwrap(), foreign.is_running().unwrap()), (Some(0.0), true));
    call.set_progress(0.25).unwrap();
    assert!((foreign.progress().unwrap().unwrap() - 0.25).abs() < 1e-6);
    assert_eq!(call.set_progress(f64::NAN).err().unwrap().kind(), Kind::InvalidArgument);
    call.set_progress(7.0).unwrap();
    assert_eq!(b.progress().unwrap(), Some(1.0));
    call.set_progress(0.5).unwrap();
    write(&call, 1, 1);
    assert_eq!((a.progress().unwrap(), a.is_running().unwrap()), (Some(1.0), false));
    assert!(b.progress().unwrap().unwrap() < 0.6 && b.is_running().unwrap());
    call.fail(&Error::new(Kind::FunctionFailed, "no")).unwrap();
    call.finish().unwrap();
    assert!(!b.is_running().unwrap());
    // A late writer reaches nobody: the entry lives another life, or is sealed.
    drop((a, b, foreign));
    let fresh = two(&caller);
    call.set_progress(0.75).unwrap();
    assert!(fresh.iter().all(|output| output.progress().unwrap().is_none()));
    // Without outputs the call itself carries it.
    let mut args = Args::new();
    args.push(Arg::Ref(world.put(&[1])));
    drop(fresh);
    caller.call("sink", &args).unwrap();
    let call = processor.next(LONG).unwrap();
    call.set_progress(0.5).unwrap();
    let info = world.store.info(&call.id()).unwrap();
    assert!((world.store.progress(info.key).unwrap().unwrap() - 0.5).abs() < 1e-6);
    assert_eq!(call.caller(), world.store.number());
    call.finish().unwrap();
}

#[test]
fn a_row_is_cancelled_when_its_own_outputs_are_dropped() {
    let world = World::new("rows");
    let processor = world.processor(&[(TWO, PLAIN, None)]);
    let schema = Arc::new(CallSchema::parse(TWO).unwrap());
    let prefix = processor.prefix().unwrap();
    let id = |n: u8| {
        let mut bytes = [n; 20];
        bytes[..4].copy_from_slice(&prefix);
        ObjectId::new(bytes)
    };
    let row = |n: u8| vec![Cell::Int(i64::from(n)), Cell::Id(id(2 * n)), Cell::Id(id(2 * n + 1))];
    let encoder = CallEncoder::new(schema).unwrap();
    let bytes = encoder.encode(&[row(1), row(2), row(3)]).unwrap();
    let spec = CreateSpec {
        data_size: bytes.len() as u64,
        metadata: encoder.metadata(),
        want: true,
        ..CreateSpec::default()
    };
    let mut writer = world.store.create(&id(100), &spec).unwrap();
    writer.copy_from(0, &bytes);
    let namespace =
        world.store.namespaces().unwrap().into_iter().find(|space| space.prefix == prefix).unwrap();
    let outputs: Vec<ObjectId> = (2..8).map(id).collect();
    let (call_want, mut wants) = world.store.issue(writer, namespace.key, &outputs).unwrap();
    // Row 2 loses both of its outputs before it runs, row 1 while it runs, row 3 only one.
    drop((wants.remove(2), wants.remove(2)));
    let first = processor.next(LONG).unwrap();
    assert_eq!((first.row(), x_of(&first), first.is_cancelled()), (0, 1, false));
    drop(wants.remove(0));
    assert!(!first.is_cancelled());
    drop(wants.remove(0));
    assert!(first.is_cancelled());
    drop(first);
    let third = processor.next(LONG).unwrap();
    assert_eq!((third.row(), x_of(&third)), (2, 3));
    drop(wants.remove(0));
    assert!(!third.is_cancelled());
    write(&third, 1, 1);
    write(&third, 2, 2);
    third.finish().unwrap();
    assert_eq!(third.id(), id(100));
    assert_eq!(processor.next(Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
    assert_eq!(queued(&world.store), 0);
    drop((call_want, wants));
}

/// What the library tells, as far as it names `word`.
fn heard(word: &'static str) -> Arc<Mutex<Vec<String>>> {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let ear = lines.clone();
    let sink = move |level: Level, text: &str| {
        if level == Level::Error && text.contains(word) {
            ear.lock().push(text.to_owned());
        }
    };
    log::set(Some(Level::Error), Some(Arc::new(sink)));
    lines
}

#[test]
fn a_failure_that_no_output_carries_is_logged() {
    let world = World::new("logged");
    let lines = heard("sink");
    let runs = Arc::new(Mutex::new(0));
    let count = runs.clone();
    let fails: Function = Arc::new(move |call| {
        *count.lock() += 1;
        call.fail(&Error::new(Kind::FunctionFailed, "the disk is full"))?;
        Err(Error::new(Kind::FunctionFailed, "told already"))
    });
    let processor = world.processor(&[(SINK, PLAIN, Some(fails))]);
    let caller = world.caller(&[SINK]);
    let ys = world.put(&[1]);
    let mut args = Args::new();
    args.push(Arg::Ref(ys.clone()));
    // Wanted by nobody but the caller's attachment, and run once.
    drop(caller.call("sink", &args).unwrap());
    assert_eq!(process_all(&processor), 1);
    assert_eq!(process_all(&processor), 0);
    assert_eq!(*runs.lock(), 1);
    let told = lines.lock().clone();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("sink: the disk is full"), "{told:?}");
    assert!(told[0].contains(&format!("client {}", world.store.number())), "{told:?}");
    // So is a call that its inputs fail, and one that its processor leaves.
    drop(caller.call("sink", &args).unwrap());
    world.store.delete(&ys.id(), DeleteMode::Now).unwrap();
    assert_eq!(process_all(&processor), 0);
    let error = lines.lock().last().unwrap().clone();
    assert!(error.contains("input 'ys' was deleted"), "{error}");
    args.clear();
    args.push(Arg::Ref(world.put(&[1])));
    drop(caller.call("sink", &args).unwrap());
    processor.close().unwrap();
    assert_eq!(lines.lock().len(), 3);
    assert_eq!(*runs.lock(), 1);
    log::set(None, None);
}

#[test]
fn room_for_a_call_without_outputs_is_told() {
    let world = World::new("room");
    let processor = world.processor(&[(SINK, PLAIN, Some(Arc::new(|_: &Call| Ok(()))))]);
    let schemas = vec![CallSchema::parse(SINK).unwrap()];
    let options = CallerOptions { max_in_flight: 1, timeout: LONG, ..CallerOptions::default() };
    let caller = Caller::new(&world.namespace, schemas, &options).unwrap();
    let mut args = Args::new();
    args.push(Arg::Ref(world.put(&[1])));
    with_threads(&processor, 1, || {
        for _ in 0..100 {
            caller.call("sink", &args).unwrap();
        }
    });
}

#[test]
fn several_processors_in_one_process() {
    let world = World::new("several");
    let one = world.processor(&[(ADD, PLAIN, Some(Arc::new(add)))]);
    let two = world.processor(&[(OTHER, ORDERED, Some(Arc::new(add)))]);
    let caller_one = world.caller(&[ADD]);
    let caller_two = world.caller(&[OTHER]);
    let ys = world.put(&[1]);
    std::thread::scope(|scope| {
        for processor in [&one, &one, &two, &two] {
            scope.spawn(|| while processor.process(Timeout::Forever).is_ok() {});
        }
        let mut last = ys.clone();
        for _ in 0..50 {
            let between = issue(&caller_one, "add", 1, &last);
            last = issue(&caller_two, "other", 1, &between);
        }
        assert_eq!(got(&last), [101]);
        // One goes, the other stays.
        one.shutdown().unwrap();
        assert_eq!(got(&issue(&caller_two, "other", 2, &ys)), [3]);
        two.shutdown().unwrap();
    });
}

#[test]
fn existing_outputs_are_left_and_the_others_made() {
    let world = World::new("some");
    let processor = world.processor(&[(TWO, PLAIN, None)]);
    let caller = world.caller(&[TWO]);
    let there = world.put(&[42]);
    let missing = world.late();
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(0)));
    args.push(Arg::Cell(Cell::Id(there.id())));
    args.push(Arg::Ref(missing.clone()));
    caller.call("two", &args).unwrap();
    let call = processor.next(LONG).unwrap();
    assert_eq!(call.create_tensor(1, &[], Order::C, true).err().unwrap().kind(), Kind::AlreadyExists);
    write(&call, 2, 5);
    call.finish().unwrap();
    assert_eq!((got(&there), got(&missing)), (vec![42], vec![5]));
}
