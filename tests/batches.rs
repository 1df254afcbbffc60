//! Batches, broadcasts, which processor is taken, room, losses, and relations between references.

mod common;

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use common::calls::{bytes, got, put, values, vector, Place, LONG, SIMPLE};
use sdp_dal::dal::{
    namespaces, Arg, Args, Call, Caller, CallerOptions, Function, Namespace, NamespaceOptions, Processor,
    ProcessorOptions, Ref, Reply, Results, Select,
};
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::log;
use sdp_dal::store::{DeleteMode, ObjectState, Store, StoreOptions};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{CallSchema, Cell, Order, TensorSource, MAX_ROWS};

const SHORT: Timeout = Timeout::After(Duration::from_millis(30));

/// zs = x + ys; a negative x is an error.
fn simple(call: &Call) -> Result<()> {
    let Cell::Int(x) = *call.cell(0)? else { return Err(Error::invalid("x is no integer")) };
    if x < 0 {
        return Err(Error::new(Kind::FunctionFailed, "x is negative"));
    }
    let ys = call.tensor(1)?;
    let zs: Vec<i64> = values(ys.bytes()).iter().map(|y| y + x).collect();
    let mut writer = call.create_tensor(2, &ys.layout().shape, Order::C, false)?;
    writer.bytes_mut().copy_from_slice(&bytes(&zs));
    writer.seal().map(drop)
}

/// A processor that notes the x of every call it runs.
struct Noting {
    processor: Processor,
    seen: Arc<Mutex<Vec<i64>>>,
}

impl Noting {
    fn new(store: &Store) -> Noting {
        Noting::at(store, &[])
    }

    fn at(store: &Store, prefix: &[u8]) -> Noting {
        let options = ProcessorOptions {
            name: Some("Noting".to_owned()),
            prefix: prefix.to_vec(),
            ..ProcessorOptions::default()
        };
        let mut processor = Processor::new(store, &options).unwrap();
        let seen: Arc<Mutex<Vec<i64>>> = Arc::default();
        let notes = seen.clone();
        let function: Function = Arc::new(move |call: &Call| {
            if let Cell::Int(x) = *call.cell(0)? {
                notes.lock().push(x);
            }
            simple(call)
        });
        processor.register(CallSchema::parse(SIMPLE).unwrap(), Some(function)).unwrap();
        processor.start().unwrap();
        Noting { processor, seen }
    }

    /// Runs all that can run, and says which calls that were.
    fn run(&self) -> Vec<i64> {
        while self.processor.process(Timeout::Poll).unwrap() {}
        std::mem::take(&mut self.seen.lock())
    }
}

fn caller_with(namespace: &Namespace, options: &CallerOptions) -> Caller {
    Caller::new(namespace, vec![CallSchema::parse(SIMPLE).unwrap()], options).unwrap()
}

fn caller(namespace: &Namespace) -> Caller {
    caller_with(namespace, &CallerOptions::default())
}

fn row(x: i64, ys: &Ref) -> Args<'static> {
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(x)));
    args.push(Arg::Ref(ys.clone()));
    args
}

fn rows(count: i64, ys: &Ref) -> Vec<Args<'static>> {
    (0..count).map(|x| row(x, ys)).collect()
}

fn zs(results: &Results) -> Ref {
    results.get("zs").unwrap().unwrap().clone()
}

fn objects(store: &Store) -> u64 {
    store.stat().unwrap().objects
}

#[test]
fn a_batch_is_one_call_object_and_leaves_nothing() {
    let place = Place::new("one");
    let store = place.open();
    let processor = Noting::new(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace);
    namespace.prefix().unwrap();
    let before = objects(&store);
    assert!(caller.batch("simple_fn", &[], LONG).unwrap().is_empty());
    assert_eq!(caller.batch("other", &[], LONG).err().unwrap().kind(), Kind::NotFound);
    assert_eq!(objects(&store), before);
    let ys = put(&namespace, &[1, 2, 3]);
    let results = caller.batch("simple_fn", &rows(100, &ys), LONG).unwrap();
    assert_eq!(results.len(), 100);
    // The input, the call, the outputs.
    assert_eq!(objects(&store), before + 102);
    let queued = store.namespaces().unwrap().iter().map(|namespace| namespace.queued).sum::<u32>();
    assert_eq!(queued, 1);
    assert_eq!(processor.run(), (0..100).collect::<Vec<_>>());
    for (x, results) in (0..).zip(&results) {
        assert_eq!(got(&zs(results)), [x + 1, x + 2, x + 3]);
    }
    drop((results, ys));
    namespace.sweep(200);
    assert_eq!(objects(&store), before);
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn rows_are_checked_before_anything_is_written() {
    let place = Place::new("checked");
    let store = place.open();
    let _processor = Noting::new(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace);
    let ys = put(&namespace, &[1]);
    let before = objects(&store);
    let refused = |rows: &[Args<'_>]| {
        let error = caller.batch("simple_fn", rows, LONG).err().unwrap();
        assert_eq!(error.kind(), Kind::InvalidArgument);
        assert_eq!(objects(&store), before);
        error.message().to_owned()
    };
    let mut wrong = rows(5, &ys);
    wrong[3].set("zs", Arg::Cell(Cell::Int(1)));
    assert!(refused(&wrong).starts_with("row 3: simple_fn: parameter 'zs': this is an output"));
    wrong[3] = Args::new();
    assert_eq!(
        refused(&wrong),
        "row 3: simple_fn: parameter 'x': no value was given, and it is not nullable"
    );
    // What only the column can tell.
    wrong[3] = row(1, &ys);
    wrong[4] = Args::new();
    wrong[4].push(Arg::Cell(Cell::Uint(u64::MAX)));
    wrong[4].push(Arg::Ref(ys.clone()));
    assert!(refused(&wrong).starts_with("row 4 of the call of 'simple_fn', parameter 'x': found the integer"));
    // A value in a good row is not put if another row is bad.
    let (data, layout) = (bytes(&[5]), vector(1));
    wrong[0].clear();
    wrong[0].push(Arg::Cell(Cell::Int(0)));
    wrong[0].push(Arg::Tensor(TensorSource { bytes: &data, origin: 0, layout: &layout }));
    refused(&wrong);
    // An output of two rows.
    let output = namespace.new_ref(None).unwrap();
    let mut twice = rows(4, &ys);
    twice[1].set("zs", Arg::Ref(output.clone()));
    twice[3].set("zs", Arg::Cell(Cell::Id(output.id())));
    let text = refused(&twice);
    assert!(text.starts_with("row 3: simple_fn: parameter 'zs' names the object"), "{text}");
    assert!(text.contains("already an output of row 1"), "{text}");
    let text = refused(&vec![Args::new(); MAX_ROWS + 1]);
    assert!(text.contains("at most 1048576 are allowed: split it into several batches"), "{text}");
    // An input that is gone.
    let gone = put(&namespace, &[1]);
    let id = gone.id();
    let stale = namespace.borrow(id, None);
    drop(gone);
    let error = caller.batch("simple_fn", &[row(0, &ys), row(1, &stale)], LONG).err().unwrap();
    assert_eq!(error.kind(), Kind::ObjectDeleted);
    assert!(error.message().starts_with("row 1: simple_fn: parameter 'ys': "), "{error}");
}

#[test]
fn a_batch_is_wanted_until_its_last_output_and_skips_dropped_rows() {
    let place = Place::new("dropped");
    let store = place.open();
    let processor = Noting::new(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace);
    namespace.prefix().unwrap();
    let before = objects(&store);
    let ys = put(&namespace, &[1]);
    let mut results = caller.batch("simple_fn", &rows(10, &ys), LONG).unwrap();
    let kept: Vec<_> = [2, 7].into_iter().map(|row: usize| zs(&results[row])).collect();
    results.clear();
    assert_eq!(processor.run(), [2, 7]);
    assert_eq!((got(&kept[0]), got(&kept[1])), (vec![3], vec![8]));
    // All of another one: it is cancelled.
    drop(caller.batch("simple_fn", &rows(10, &ys), LONG).unwrap());
    assert_eq!(processor.run(), []);
    drop((kept, ys));
    namespace.sweep(100);
    assert_eq!(objects(&store), before);
}

#[test]
fn one_failing_row_fails_only_its_outputs() {
    let place = Place::new("failing");
    let store = place.open();
    let processor = Noting::new(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace);
    let ys = put(&namespace, &[1]);
    let results = caller.batch("simple_fn", &[row(0, &ys), row(-1, &ys), row(2, &ys)], LONG).unwrap();
    processor.run();
    assert_eq!(got(&zs(&results[0])), [1]);
    assert_eq!(zs(&results[1]).wait(LONG).err().unwrap().kind(), Kind::FunctionFailed);
    assert_eq!(got(&zs(&results[2])), [3]);
}

/// Rows pin what they share once; that ends with the batch, whoever still has a row of it. What was deleted meanwhile is lost to
/// the rows that have not run.
#[test]
fn rows_that_share_an_input_pin_it_until_the_batch_ends() {
    let place = Place::new("shared-input");
    let store = place.open();
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    processor.register(CallSchema::parse(SIMPLE).unwrap(), None).unwrap();
    processor.start().unwrap();
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace);
    let ys = put(&namespace, &[1]);
    let pinned = || !store.info(&ys.id()).unwrap().pinned_by.is_empty();
    let run = || {
        let call = processor.next(Timeout::Poll).unwrap();
        simple(&call).unwrap();
        call.finish().unwrap();
        call
    };
    let other = put(&namespace, &[5]);
    let results = caller.batch("simple_fn", &[row(0, &other), row(1, &ys), row(2, &ys)], LONG).unwrap();
    let kept = run();
    run();
    assert!(pinned(), "between two rows");
    run();
    assert!(!pinned(), "after the last row");
    assert_eq!(values(kept.tensor(1).unwrap().bytes()), [5]);
    drop((kept, other));
    assert_eq!(results.iter().map(|results| got(&zs(results))[0]).collect::<Vec<_>>(), [5, 2, 3]);

    let results = caller.batch("simple_fn", &rows(2, &ys), LONG).unwrap();
    run();
    store.delete(&ys.id(), DeleteMode::Now).unwrap();
    assert_eq!(processor.next(Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
    assert_eq!(got(&zs(&results[0])), [1]);
    assert_eq!(zs(&results[1]).wait(LONG).unwrap_err().kind(), Kind::InputLost);
    drop((results, ys));
    namespace.sweep(100);
    assert!(store.check().unwrap().is_empty());
    drop((caller, namespace, processor));
    assert_eq!(store.stat().unwrap().used, 0);
}

#[test]
fn a_row_may_take_what_another_makes() {
    let place = Place::new("chained");
    let store = place.open();
    let processor = Noting::new(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace);
    namespace.prefix().unwrap();
    let before = objects(&store);
    let chain = || {
        let ys = put(&namespace, &[1]);
        let between = namespace.new_ref(None).unwrap();
        let mut rows = vec![row(10, &between), row(20, &ys)];
        rows[1].set("zs", Arg::Ref(between));
        caller.batch("simple_fn", &rows, LONG).unwrap()
    };
    // Only the last one is asked for: it keeps the one between alive.
    let mut results = chain();
    let last = zs(&results[0]);
    results.clear();
    assert_eq!(processor.run(), [20, 10]);
    assert_eq!(got(&last), [31]);
    drop(last);
    // Nobody asks: nothing runs, nothing stays.
    drop(chain());
    assert_eq!(processor.run(), []);
    namespace.sweep(100);
    assert_eq!(objects(&store), before);
}

#[test]
fn null_outputs_and_inputs_that_were_left_out() {
    let place = Place::new("null");
    let store = place.open();
    const NULLS: &str = "nulls(x: int64?, ys: int64[i]?) -> (a: int64[]?, b: int64[]?)";
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    let tag: Function = Arc::new(|call: &Call| {
        assert!(matches!(call.cell(1)?, Cell::Null));
        for output in [2, 3] {
            if !matches!(call.cell(output)?, Cell::Null) {
                let mut writer = call.create_tensor(output, &[], Order::C, true)?;
                writer.bytes_mut()[0] = u8::from(matches!(call.cell(0)?, Cell::Null));
                writer.seal()?;
            }
        }
        Ok(())
    });
    processor.register(CallSchema::parse(NULLS).unwrap(), Some(tag)).unwrap();
    processor.start().unwrap();
    let namespace = Namespace::new(&store, None);
    let schemas = vec![CallSchema::parse(NULLS).unwrap()];
    let caller = Caller::new(&namespace, schemas, &CallerOptions::default()).unwrap();
    let mut without = Args::new();
    without.set("a", Arg::Null);
    let mut with = Args::new();
    with.set("x", Arg::Cell(Cell::Int(1)));
    let before = objects(&store);
    let results = caller.batch("nulls", &[without, with], LONG).unwrap();
    // The call and three outputs.
    assert_eq!(objects(&store), before + 5);
    assert!(results[0].get("a").unwrap().is_none() && results[1].get("a").unwrap().is_some());
    while processor.process(Timeout::Poll).unwrap() {}
    assert_eq!(got(results[0].get("b").unwrap().unwrap()), [1]);
    assert_eq!(got(results[1].get("b").unwrap().unwrap()), [0]);
}

#[test]
fn rows_without_outputs_run_once_and_keep_their_inputs() {
    let place = Place::new("sink");
    let store = place.open();
    const SINK: &str = "sink(x: int64, ys: int64[i])";
    let seen: Arc<Mutex<Vec<i64>>> = Arc::default();
    let notes = seen.clone();
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    let sink: Function = Arc::new(move |call: &Call| {
        let Cell::Int(x) = *call.cell(0)? else { return Err(Error::invalid("x is no integer")) };
        notes.lock().push(x + values(call.tensor(1)?.bytes())[0]);
        Ok(())
    });
    processor.register(CallSchema::parse(SINK).unwrap(), Some(sink)).unwrap();
    processor.start().unwrap();
    let namespace = Namespace::new(&store, None);
    namespace.prefix().unwrap();
    let schemas = vec![CallSchema::parse(SINK).unwrap()];
    let options = CallerOptions { max_in_flight: 1, ..CallerOptions::default() };
    let caller = Caller::new(&namespace, schemas, &options).unwrap();
    let before = objects(&store);
    // Two inputs, one of them shared.
    let (ys, other) = (put(&namespace, &[10]), put(&namespace, &[20]));
    let batch = [row(1, &ys), row(2, &other), row(3, &ys)];
    assert!(caller.batch("sink", &batch, LONG).unwrap().iter().all(Results::is_empty));
    assert_eq!(caller.batch("sink", &batch, SHORT).err().unwrap().kind(), Kind::Timeout);
    drop((batch, ys, other));
    namespace.sweep(10);
    while processor.process(Timeout::Poll).unwrap() {}
    assert_eq!(*seen.lock(), [11, 22, 13]);
    namespace.sweep(10);
    assert_eq!(objects(&store), before);
    let ys = put(&namespace, &[0]);
    assert_eq!(caller.batch("sink", &[row(1, &ys)], SHORT).unwrap().len(), 1);
}

#[test]
fn a_batch_in_flight_counts_as_one_call() {
    let place = Place::new("flight");
    let store = place.open();
    let processor = Noting::new(&store);
    let namespace = Namespace::new(&store, None);
    let options = CallerOptions { max_in_flight: 2, timeout: SHORT, ..CallerOptions::default() };
    let caller = caller_with(&namespace, &options);
    let ys = put(&namespace, &[1]);
    let first = caller.batch("simple_fn", &rows(50, &ys), SHORT).unwrap();
    let _second = caller.batch("simple_fn", &rows(50, &ys), SHORT).unwrap();
    let error = caller.batch("simple_fn", &rows(2, &ys), SHORT).err().unwrap();
    assert_eq!(error.kind(), Kind::Timeout);
    assert!(error.message().starts_with("simple_fn: this caller already has 2 unfinished calls"), "{error}");
    // Not before its last row.
    for _ in 0..49 {
        assert!(processor.processor.process(LONG).unwrap());
    }
    assert_eq!(caller.call("simple_fn", &row(1, &ys)).err().unwrap().kind(), Kind::Timeout);
    std::thread::scope(|scope| {
        let issued = scope.spawn(|| caller.call_within("simple_fn", &row(1, &ys), LONG).unwrap());
        std::thread::sleep(Duration::from_millis(10));
        assert!(processor.processor.process(LONG).unwrap());
        issued.join().unwrap();
    });
    assert_eq!(got(&zs(&first[49])), [50]);
}

#[test]
fn a_broadcast_goes_to_all_and_puts_values_once() {
    let place = Place::new("broadcast");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let none = CallerOptions { minimum_processors: 0, ..CallerOptions::default() };
    let caller = caller_with(&namespace, &none);
    let ys = put(&namespace, &[1]);
    assert!(caller.broadcast("simple_fn", &row(1, &ys), LONG).unwrap().is_empty());
    let processors: Vec<_> = (0..3).map(|_| Noting::new(&store)).collect();
    // They join only here.
    assert!(caller.broadcast("simple_fn", &row(1, &ys), LONG).unwrap().is_empty());
    assert_eq!(caller.find_processors(LONG).unwrap(), 3);
    namespace.sweep(100);
    let before = objects(&store);
    let (data, layout) = (bytes(&[5]), vector(1));
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(2)));
    args.push(Arg::Tensor(TensorSource { bytes: &data, origin: 0, layout: &layout }));
    let replies = caller.broadcast_batch("simple_fn", &[row(1, &ys), args], LONG).unwrap();
    // The value once, and to each a call with two outputs.
    assert_eq!(objects(&store), before + 1 + 3 * 3);
    let prefixes: Vec<_> = replies.iter().map(|reply| reply.processor.prefix).collect();
    let expected: Vec<_> = processors.iter().map(|processor| processor.processor.prefix().unwrap()).collect();
    assert_eq!(prefixes, expected);
    for (processor, reply) in processors.iter().zip(&replies) {
        assert_eq!(processor.run(), [1, 2]);
        let results = reply.results.as_ref().unwrap();
        assert_eq!((got(&zs(&results[0])), got(&zs(&results[1]))), (vec![2], vec![7]));
    }
    drop(replies);
    namespace.sweep(100);
    assert_eq!(objects(&store), before);
    let without_rows = caller.broadcast_batch("simple_fn", &[], LONG).unwrap();
    assert_eq!(without_rows.len(), 3);
    assert!(without_rows.iter().all(|reply| reply.results.as_ref().unwrap().is_empty()));
    // An output cannot be that of three processors.
    let mut given = row(1, &ys);
    given.set("zs", Arg::Ref(namespace.new_ref(None).unwrap()));
    let error = caller.broadcast("simple_fn", &given, LONG).err().unwrap();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(error.message().contains("goes to 3 processors"), "{error}");
}

fn kinds(replies: &[Reply]) -> Vec<Option<Kind>> {
    replies.iter().map(|reply| reply.results.as_ref().err().map(Error::kind)).collect()
}

#[test]
fn a_broadcast_waits_for_room_and_leaves_out_who_has_none() {
    let place = Place::new("room");
    let store = place.open();
    let (fast, slow) = (Noting::new(&store), Noting::new(&store));
    let namespace = Namespace::new(&store, None);
    let options = CallerOptions { minimum_processors: 2, max_in_flight: 3, ..CallerOptions::default() };
    let caller = caller_with(&namespace, &options);
    let ys = put(&namespace, &[1]);
    let mut replies = Vec::new();
    let mut issue = |x, timeout| {
        let new = caller.broadcast("simple_fn", &row(x, &ys), timeout).unwrap();
        let found = kinds(&new);
        replies.push(new);
        found
    };
    for x in 0..3 {
        assert_eq!(issue(x, Timeout::Poll), [None, None]);
    }
    assert_eq!(issue(3, SHORT), [Some(Kind::Timeout), Some(Kind::Timeout)]);
    assert_eq!(fast.run(), [0, 1, 2]);
    assert_eq!(issue(4, SHORT), [None, Some(Kind::Timeout)]);
    std::thread::scope(|scope| {
        let issued = scope.spawn(|| caller.broadcast("simple_fn", &row(5, &ys), LONG).unwrap());
        std::thread::sleep(Duration::from_millis(10));
        assert!(slow.processor.process(LONG).unwrap());
        assert_eq!(kinds(&issued.join().unwrap()), [None, None]);
    });
    // One that goes while it has no room does not hold up the others.
    let mut replies = Vec::new();
    std::thread::scope(|scope| {
        assert_eq!((fast.run(), slow.run()), (vec![4], vec![0, 1, 2]));
        for x in 6..9 {
            replies.push(caller.broadcast("simple_fn", &row(x, &ys), LONG).unwrap());
        }
        fast.run();
        let issued = scope.spawn(|| caller.broadcast("simple_fn", &row(9, &ys), LONG).unwrap());
        std::thread::sleep(Duration::from_millis(10));
        slow.processor.shutdown().unwrap();
        let issued = issued.join().unwrap();
        // Its queue is emptied before it has gone: the call may have come in between, and fails with the rest.
        let lost = match &issued[1].results {
            Err(error) => error.kind(),
            Ok(rows) => rows[0].at(0).unwrap().wait(LONG).unwrap_err().kind(),
        };
        assert_eq!((kinds(&issued)[0], lost), (None, Kind::ProcessorLost));
    });
    assert_eq!(caller.num_processors(), 1);
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn child(path: &std::path::Path) -> Killed {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_processor", "--nocapture"])
        .env("DAL_TEST_CHILD", path)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Killed(child)
}

/// Without the path it has nothing to do: it is the process that the tests below start and kill.
#[test]
fn child_processor() {
    let Some(path) = std::env::var_os("DAL_TEST_CHILD") else { return };
    let store = Store::open(path.as_ref(), &StoreOptions::default()).unwrap();
    let noting = Noting::new(&store);
    while noting.processor.process(Timeout::Forever).is_ok() {}
}

#[test]
fn a_dead_processor_is_told_once_and_stands_in_its_place() {
    let place = Place::new("dead");
    let store = place.open();
    let local = Noting::at(&store, &[0, 0, 0, 9]);
    let mut child = child(&place.path);
    let namespace = Namespace::new(&store, None);
    let options = CallerOptions { minimum_processors: 2, timeout: LONG, ..CallerOptions::default() };
    let caller = caller_with(&namespace, &options);
    let names: Vec<_> = caller.processors();
    assert_eq!(names[1].prefix, [0, 0, 0, 9]);
    assert_eq!(caller.next_lost(Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
    let ys = put(&namespace, &[1]);
    let replies = caller.broadcast("simple_fn", &row(1, &ys), LONG).unwrap();
    assert_eq!(got(&zs(&replies[0].results.as_ref().unwrap()[0])), [2]);
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    let replies = caller.broadcast("simple_fn", &row(2, &ys), LONG).unwrap();
    assert_eq!(kinds(&replies), [Some(Kind::ProcessorLost), None]);
    assert_eq!(replies[0].processor.prefix, names[0].prefix);
    assert_eq!(local.run(), [1, 2]);
    // From now on it is not there; the notice is still to be had, once.
    assert_eq!(kinds(&caller.broadcast("simple_fn", &row(3, &ys), LONG).unwrap()), [None]);
    let lost = caller.next_lost(Timeout::Poll).unwrap();
    assert_eq!((lost.name.as_str(), lost.prefix), ("Noting", names[0].prefix));
    assert_eq!(caller.next_lost(SHORT).err().unwrap().kind(), Kind::Timeout);
    // Waiting for it, while the other one closes.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| caller.next_lost(LONG).unwrap());
        std::thread::sleep(Duration::from_millis(20));
        local.processor.shutdown().unwrap();
        assert_eq!(waiting.join().unwrap().prefix, [0, 0, 0, 9]);
    });
    assert!(caller.broadcast("simple_fn", &row(4, &ys), LONG).unwrap().is_empty());
    let error = caller.call("simple_fn", &row(4, &ys)).err().unwrap();
    assert_eq!(error.kind(), Kind::ProcessorLost);
    assert!(error.message().contains("the inputs still exist"), "{error}");
}

#[test]
fn the_first_processor_is_always_the_same() {
    let place = Place::new("first");
    let store = place.open();
    let (second, third) = (Noting::at(&store, &[0, 0, 1]), Noting::at(&store, &[0, 0, 2]));
    let namespace = Namespace::new(&store, None);
    let options = CallerOptions { minimum_processors: 2, select: Select::First, ..CallerOptions::default() };
    let caller = caller_with(&namespace, &options);
    let ys = put(&namespace, &[1]);
    let issue = |x| caller.call("simple_fn", &row(x, &ys)).unwrap();
    let _results = [issue(1), issue(2)];
    assert_eq!((second.run(), third.run()), (vec![1, 2], vec![]));
    // One that comes later does not take its place, whatever its prefix.
    let first = Noting::at(&store, &[0, 0, 0, 200]);
    assert_eq!(caller.find_processors(LONG).unwrap(), 3);
    let _results = [issue(3), issue(4)];
    assert_eq!((first.run(), second.run(), third.run()), (vec![], vec![3, 4], vec![]));
    second.processor.shutdown().unwrap();
    let _results = [issue(5), issue(6)];
    assert_eq!((first.run(), third.run()), (vec![5, 6], vec![]));
}

#[test]
fn one_callers_ready_calls_run_in_the_order_of_issue() {
    let place = Place::new("order");
    let store = place.open();
    let processor = Noting::new(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace);
    let (ys, late) = (put(&namespace, &[1]), namespace.new_ref(None).unwrap());
    let single = |x, ys: &Ref| vec![caller.call("simple_fn", &row(x, ys)).unwrap()];
    let batch = |xs: [i64; 2]| caller.batch("simple_fn", &xs.map(|x| row(x, &ys)), LONG).unwrap();
    let _results = [single(0, &ys), single(1, &late), batch([2, 3]), single(4, &ys), batch([5, 6])];
    assert_eq!(processor.run(), [0, 2, 3, 4, 5, 6]);
    let (data, layout) = (bytes(&[7]), vector(1));
    late.put_tensor(&TensorSource { bytes: &data, origin: 0, layout: &layout }).unwrap();
    assert_eq!(processor.run(), [1]);
}

#[test]
fn a_dependency_lives_until_the_object_exists() {
    let place = Place::new("dependency");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let result = namespace.new_ref(None).unwrap();
    let needed = put(&namespace, &[1]);
    let id = needed.id();
    let there = || !matches!(store.look(&id).unwrap(), ObjectState::Absent);
    result.add_dependency(&needed, Timeout::Poll).unwrap();
    drop(needed);
    namespace.sweep(10);
    assert!(there());
    let (data, layout) = (bytes(&[7]), vector(1));
    let source = TensorSource { bytes: &data, origin: 0, layout: &layout };
    result.put_tensor(&source).unwrap();
    assert!(!there());
    // Written by somebody else, and found by a sweep.
    let (result, needed) = (namespace.new_ref(None).unwrap(), put(&namespace, &[1]));
    let id = needed.id();
    result.add_dependency(&needed, Timeout::Poll).unwrap();
    drop(needed);
    namespace.borrow(result.id(), None).put_tensor(&source).unwrap();
    namespace.sweep(10);
    assert!(matches!(store.look(&id).unwrap(), ObjectState::Absent));
    // One that exists needs nothing.
    let needed = put(&namespace, &[1]);
    let id = needed.id();
    result.add_dependency(&needed, Timeout::Poll).unwrap();
    drop(needed);
    assert!(matches!(store.look(&id).unwrap(), ObjectState::Absent));
}

#[test]
fn a_reference_lives_as_long_as_it_is_needed() {
    let place = Place::new("reference");
    let store = place.open();
    let processor = Noting::new(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace);
    namespace.prefix().unwrap();
    let before = objects(&store);
    let (index, part) = (put(&namespace, &[1]), put(&namespace, &[2]));
    let id = part.id();
    let there = || !matches!(store.look(&id).unwrap(), ObjectState::Absent);
    // A borrowed one is claimed by the relation.
    index.add_reference(&namespace.borrow(id, None), Timeout::Poll).unwrap();
    drop(part);
    assert!(there());
    // A call that takes the index needs what it refers to.
    let result = zs(&caller.call("simple_fn", &row(1, &index)).unwrap());
    drop(index);
    assert!(there());
    processor.run();
    result.wait(LONG).unwrap();
    assert!(!there());
    drop(result);
    assert_eq!(objects(&store), before);
    // The other one must exist.
    let (one, other) = (put(&namespace, &[1]), namespace.new_ref(None).unwrap());
    assert_eq!(one.add_reference(&other, SHORT).err().unwrap().kind(), Kind::Timeout);
    assert_eq!(one.add_dependency(&other, Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
    std::thread::scope(|scope| {
        let related = scope.spawn(|| one.add_reference(&other, LONG));
        std::thread::sleep(Duration::from_millis(10));
        let (data, layout) = (bytes(&[7]), vector(1));
        other.put_tensor(&TensorSource { bytes: &data, origin: 0, layout: &layout }).unwrap();
        related.join().unwrap().unwrap();
    });
    let failed = zs(&caller.call("simple_fn", &row(-1, &one)).unwrap());
    processor.run();
    assert_eq!(one.add_reference(&failed, LONG).err().unwrap().kind(), Kind::FunctionFailed);
}

#[test]
fn a_ring_of_references_is_refused() {
    let place = Place::new("ring");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    namespace.prefix().unwrap();
    let before = objects(&store);
    let refs: Vec<_> = (0..4).map(|value| put(&namespace, &[value])).collect();
    let refused = |one: &Ref, other: &Ref| {
        let error = one.add_reference(other, Timeout::Poll).err().unwrap();
        assert_eq!(error.kind(), Kind::InvalidArgument);
        error.message().to_owned()
    };
    assert!(refused(&refs[0], &refs[0]).contains("cannot keep itself alive"));
    for pair in refs.windows(2) {
        pair[0].add_reference(&pair[1], Timeout::Poll).unwrap();
    }
    assert!(refused(&refs[3], &refs[0]).contains("would ever be deleted"));
    refs[0].add_reference(&refs[3], Timeout::Poll).unwrap();
    drop(refs);
    assert_eq!(objects(&store), before);
}

#[test]
fn more_rows_than_one_turn_of_the_lock_promises() {
    let place = Place::new("many");
    let options = StoreOptions { size: Some(8 << 20), max_objects: Some(4096), ..StoreOptions::default() };
    let store = Store::open(&place.path, &options).unwrap();
    let processor = Noting::new(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace);
    namespace.prefix().unwrap();
    let before = objects(&store);
    let ys = put(&namespace, &[1]);
    let results = caller.batch("simple_fn", &rows(1000, &ys), LONG).unwrap();
    assert_eq!(processor.run().len(), 1000);
    assert_eq!(got(&zs(&results[999])), [1000]);
    drop((results, ys));
    namespace.sweep(3000);
    // Some are promised, then there is no room: nothing stays.
    let most = usize::try_from(store.stat().unwrap().max_objects).unwrap();
    let ys = put(&namespace, &[1]);
    let rows = rows(i64::try_from(most).unwrap(), &ys);
    let error = caller.batch("simple_fn", &rows, LONG).err().unwrap();
    assert_eq!(error.kind(), Kind::LimitReached);
    assert!(error.message().starts_with("simple_fn: "), "{error}");
    drop((rows, ys));
    assert_eq!(objects(&store), before);
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn what_operators_want_to_see_is_logged() {
    let place = Place::new("log");
    let store = place.open();
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let ear = heard.clone();
    let sink: log::Sink = Arc::new(move |level, text| ear.lock().push(format!("{} {text}", level.name())));
    log::set(Some(log::Level::Info), Some(sink));
    let noting = Noting::at(&store, &[0xab, 0xcd, 0xef, 1]);
    let options = NamespaceOptions { prefix: vec![0xab, 0xcd, 0xef, 2], ..NamespaceOptions::default() };
    let namespace = Namespace::reserve(&store, options).unwrap();
    let caller = caller(&namespace);
    caller.find_processors(LONG).unwrap();
    noting.processor.shutdown().unwrap();
    assert_eq!(caller.num_processors(), 0);
    assert_eq!(caller.num_processors(), 0);
    log::set(None, None);
    // Other tests of this program may speak too.
    let heard: Vec<_> = heard.lock().iter().filter(|line| line.contains("abcdef0")).cloned().collect();
    assert_eq!(
        heard,
        [
            "info Noting waiting for calls at prefix abcdef01",
            "info Store using prefix abcdef02 for objects",
            "info Found processor Noting at prefix abcdef01",
            "warning processor 'Noting' at prefix abcdef01 crashed or was closed",
        ]
    );
}

#[test]
fn namespaces_are_listed_with_what_they_declare() {
    let place = Place::new("namespaces");
    let store = place.open();
    let mut child = child(&place.path);
    let mut offered = CallSchema::parse("grid(x: int64)").unwrap();
    offered.set_metadata(Some("x"), "unit", Some("m")).unwrap();
    let options = NamespaceOptions {
        name: Some("Reserved".to_owned()),
        prefix: vec![7],
        functions: vec![offered.clone()],
        metadata: [("band".to_owned(), "2".to_owned())].into(),
    };
    let reserved = Namespace::reserve(&store, options).unwrap();
    assert_eq!(reserved.prefix().unwrap(), [7, 0, 0, 0]);
    let namespace = Namespace::new(&store, Some("mine"));
    let options = CallerOptions { timeout: LONG, ..CallerOptions::default() };
    let remote = caller_with(&namespace, &options);
    // It is what callers look for, and their calls are put there.
    let schemas = vec![CallSchema::parse("grid(x: int64)").unwrap()];
    let grid = Caller::new(&namespace, schemas, &CallerOptions::default()).unwrap();
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(1)));
    let _issued = grid.call("grid", &args).unwrap();
    let listed = namespaces(&store).unwrap();
    let find = |name: &str| listed.iter().find(|namespace| namespace.name == name).unwrap();
    let found = find("Reserved");
    assert_eq!((found.prefix, found.queued, found.alive), ([7, 0, 0, 0], 1, true));
    assert_eq!((found.pid, found.owner), (std::process::id(), store.number()));
    assert_eq!(found.functions, [offered]);
    assert_eq!(found.metadata.get("band").map(String::as_str), Some("2"));
    assert_eq!(found.metadata.get("proc:namespace").map(String::as_str), Some("Reserved"));
    let theirs = find("Noting");
    assert_eq!((theirs.pid, theirs.prefix), (child.0.id(), remote.processors()[0].prefix));
    assert!(theirs.alive && theirs.argv.contains(&"child_processor".to_owned()));
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    let listed = namespaces(&store).unwrap();
    assert!(listed.iter().all(|namespace| namespace.name != "Noting" || !namespace.alive));
}

#[test]
fn a_call_runs_if_only_some_of_its_outputs_exist() {
    let place = Place::new("some");
    let store = place.open();
    const TWO: &str = "two() -> (a: int64[i], b: int64[i])";
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    let function: Function = Arc::new(|call: &Call| {
        let late = call.create_tensor(0, &[1], Order::C, true).err().unwrap();
        assert_eq!(late.kind(), Kind::AlreadyExists);
        call.create_tensor(1, &[1], Order::C, true)?.seal().map(drop)
    });
    processor.register(CallSchema::parse(TWO).unwrap(), Some(function)).unwrap();
    processor.start().unwrap();
    let namespace = Namespace::new(&store, None);
    let schemas = vec![CallSchema::parse(TWO).unwrap()];
    let caller = Caller::new(&namespace, schemas, &CallerOptions::default()).unwrap();
    let mut args = Args::new();
    args.set("a", Arg::Ref(put(&namespace, &[42])));
    let results = caller.call("two", &args).unwrap();
    assert!(processor.process(LONG).unwrap());
    assert_eq!(got(results.get("a").unwrap().unwrap()), [42]);
    assert_eq!(got(results.get("b").unwrap().unwrap()), [0]);
}
