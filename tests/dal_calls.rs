//! Callers and processors over a real store: results, errors, lifetimes, cancelling, losing a processor.

mod common;

use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::calls::{bytes, got, put, values, vector, Place, LONG, SIMPLE};
use common::TestStore;
use sdp_dal::dal::{
    Arg, Args, Call, Caller, CallerOptions, Function, Namespace, Processor, ProcessorOptions, Ref,
};
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::shm::layout::{Entry, Geometry};
use sdp_dal::store::{ObjectState, Store, StoreOptions};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{CallSchema, Cell, Elem, Layout, Order, TensorSource};

const SHORT: Timeout = Timeout::After(Duration::from_millis(50));

/// zs = x + ys; x = -1 is an error, -2 a panic, -3 writes nothing.
fn simple(call: &Call) -> Result<()> {
    let Cell::Int(x) = *call.cell(0)? else { return Err(Error::invalid("x is no integer")) };
    match x {
        -1 => return Err(Error::new(Kind::FunctionFailed, "x is negative")),
        -2 => panic!("x is very negative"),
        -3 => return Ok(()),
        _ => {}
    }
    let ys = call.tensor(1)?;
    let zs: Vec<i64> = values(ys.bytes()).iter().map(|y| y + x).collect();
    let mut writer = call.create_tensor(2, &ys.layout().shape, Order::C, false)?;
    writer.bytes_mut().copy_from_slice(&bytes(&zs));
    writer.seal()?;
    Ok(())
}

fn processor(store: &Store, functions: &[(&str, Function)]) -> Processor {
    let options = ProcessorOptions { name: Some("TestProcessor".to_owned()), ..ProcessorOptions::default() };
    let mut processor = Processor::new(store, &options).unwrap();
    for (signature, function) in functions {
        processor.register(CallSchema::parse(signature).unwrap(), Some(function.clone())).unwrap();
    }
    processor.start().unwrap();
    processor
}

fn simple_processor(store: &Store) -> Processor {
    processor(store, &[(SIMPLE, Arc::new(simple))])
}

fn caller(namespace: &Namespace, signatures: &[&str], options: &CallerOptions) -> Caller {
    let schemas = signatures.iter().map(|signature| CallSchema::parse(signature).unwrap()).collect();
    Caller::new(namespace, schemas, options).unwrap()
}

fn simple_call(caller: &Caller, x: i64, ys: &Ref) -> Ref {
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(x)));
    args.push(Arg::Ref(ys.clone()));
    let results = caller.call("simple_fn", &args).unwrap();
    results.get("zs").unwrap().unwrap().clone()
}

fn process_all(processor: &Processor) -> usize {
    (0..).take_while(|_| processor.process(Timeout::Poll).unwrap()).count()
}

fn objects(store: &Store) -> u64 {
    store.stat().unwrap().objects
}

#[test]
fn a_call_gives_its_result_and_leaves_nothing() {
    let place = Place::new("simple");
    let store = place.open();
    let processor = simple_processor(&store);
    let namespace = Namespace::new(&store, Some("test"));
    let caller = caller(&namespace, &[SIMPLE], &CallerOptions::default());
    namespace.prefix().unwrap();
    let before = objects(&store);
    let ys = put(&namespace, &[1, 2, 3]);
    let zs = simple_call(&caller, 10, &ys);
    assert!(!zs.exists().unwrap());
    assert_eq!(zs.get_buffer(Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
    assert!(processor.process(LONG).unwrap());
    assert_eq!(got(&zs), [11, 12, 13]);
    assert_eq!(zs.get_tensor(LONG).unwrap().layout().names, ["i"]);
    assert_eq!(namespace.unfinished(), 1);
    namespace.sweep(1);
    assert_eq!(namespace.unfinished(), 0);
    drop((ys, zs));
    assert_eq!(objects(&store), before);
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn values_are_put_and_positions_may_be_names() {
    let place = Place::new("values");
    let store = place.open();
    let processor = simple_processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE], &CallerOptions::default());
    let (data, layout) = (bytes(&[5, 6]), vector(2));
    let mut args = Args::new();
    args.set("ys", Arg::Tensor(TensorSource { bytes: &data, origin: 0, layout: &layout }));
    args.set("x", Arg::Cell(Cell::Int(1)));
    let results = caller.call("simple_fn", &args).unwrap();
    assert_eq!((results.len(), results.name(0)), (1, Some("zs")));
    assert_eq!(process_all(&processor), 1);
    assert_eq!(got(results.at(0).unwrap()), [6, 7]);
}

#[test]
fn strided_values_are_gathered() {
    let place = Place::new("strided");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let data = bytes(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    let put = |origin, shape: &[i64], strides: &[i64]| {
        let layout =
            Layout { elem: Elem::Int64, shape: shape.to_vec(), strides: strides.to_vec(), names: Vec::new() };
        let reference = namespace.new_ref(Some((Elem::Int64, vec!["x".to_owned(), "y".to_owned()]))).unwrap();
        reference.put_tensor(&TensorSource { bytes: &data, origin, layout: &layout }).unwrap();
        let tensor = reference.get_tensor(LONG).unwrap();
        assert_eq!(tensor.layout().names, ["x", "y"]);
        (values(tensor.bytes()), tensor.layout().strides.clone())
    };
    assert_eq!(put(0, &[2, 2], &[48, 16]), (vec![0, 2, 6, 8], vec![16, 8]));
    assert_eq!(put(88, &[2, 2], &[-8, -24]), (vec![11, 8, 10, 7], vec![16, 8]));
    assert_eq!(put(0, &[2, 3], &[8, 16]), (vec![0, 1, 2, 3, 4, 5], vec![8, 16]));
    let beyond = vector(13);
    let error =
        namespace.put_tensor(&TensorSource { bytes: &data, origin: 0, layout: &beyond }).err().unwrap();
    assert_eq!(error.kind(), Kind::InvalidArgument);
}

#[test]
fn wrong_arguments_write_nothing() {
    let place = Place::new("wrong");
    let store = place.open();
    let _processor = simple_processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE], &CallerOptions::default());
    let ys = put(&namespace, &[1]);
    let before = objects(&store);
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Utf8("one".to_owned())));
    args.push(Arg::Ref(ys.clone()));
    let error = caller.call("simple_fn", &args).err().unwrap();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(error.message().contains("simple_fn") && error.message().contains("'x'"), "{error}");
    let floats = Layout::contiguous(Elem::Float64, &[1], Order::C, &[String::new()]).unwrap();
    let data = [0; 8];
    let reference = namespace.put_tensor(&TensorSource { bytes: &data, origin: 0, layout: &floats }).unwrap();
    args.clear();
    args.push(Arg::Cell(Cell::Int(1)));
    args.push(Arg::Ref(reference.clone()));
    let error = caller.call("simple_fn", &args).err().unwrap();
    assert!(
        error.message().contains("found float64") && error.message().contains("expected int64[i]"),
        "{error}"
    );
    drop((args, reference));
    assert_eq!(objects(&store), before);
}

#[test]
fn a_graph_runs_in_order_and_lets_its_inputs_go() {
    let place = Place::new("graph");
    let store = place.open();
    let processor = simple_processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE], &CallerOptions::default());
    namespace.prefix().unwrap();
    let before = objects(&store);
    let mut last = put(&namespace, &[0, 100]);
    for _ in 0..1000 {
        last = simple_call(&caller, 1, &last);
    }
    assert_eq!(process_all(&processor), 1000);
    assert_eq!(got(&last), [1000, 1100]);
    // Only the last result is left: its call and everything before it have gone.
    assert_eq!(objects(&store), before + 1);
}

#[test]
fn dropping_the_last_of_a_long_chain_does_not_recurse() {
    let place = Place::new("chain");
    let store = place.open();
    let processor = simple_processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE], &CallerOptions::default());
    namespace.prefix().unwrap();
    let before = objects(&store);
    std::thread::scope(|scope| {
        let build = || {
            let mut last = put(&namespace, &[0]);
            for _ in 0..5000 {
                last = simple_call(&caller, 1, &last);
            }
            drop(last);
        };
        std::thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, build).unwrap().join().unwrap();
    });
    assert_eq!(objects(&store), before);
    assert!(!processor.process(Timeout::Poll).unwrap());
}

#[test]
fn a_call_that_waits_does_not_hold_up_those_behind_it() {
    let place = Place::new("readiness");
    let store = place.open();
    let processor = simple_processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE], &CallerOptions::default());
    let late = namespace.new_ref(Some((Elem::Int64, vec!["i".to_owned()]))).unwrap();
    let ys = put(&namespace, &[1]);
    let blocked = simple_call(&caller, 1, &late);
    let ready = simple_call(&caller, 2, &ys);
    assert_eq!(process_all(&processor), 1);
    assert_eq!(got(&ready), [3]);
    assert!(!blocked.exists().unwrap());
    std::thread::scope(|scope| {
        let running = scope.spawn(|| processor.process(LONG).unwrap());
        std::thread::sleep(Duration::from_millis(20));
        let (data, layout) = (bytes(&[7]), vector(1));
        late.put_tensor(&TensorSource { bytes: &data, origin: 0, layout: &layout }).unwrap();
        assert!(running.join().unwrap());
    });
    assert_eq!(got(&blocked), [8]);
    assert_eq!(got(&late), [7]);
}

#[test]
fn errors_panics_and_omissions_reach_the_caller_along_the_graph() {
    let place = Place::new("errors");
    let store = place.open();
    let processor = simple_processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE], &CallerOptions::default());
    let ys = put(&namespace, &[1]);
    let failed = simple_call(&caller, -1, &ys);
    let after = simple_call(&caller, 1, &failed);
    let panicked = simple_call(&caller, -2, &ys);
    let omitted = simple_call(&caller, -3, &ys);
    process_all(&processor);
    let error = |reference: &Ref| reference.get_tensor(LONG).err().unwrap();
    assert_eq!(error(&failed), Error::new(Kind::FunctionFailed, "simple_fn: x is negative"));
    assert_eq!(
        error(&after),
        Error::new(Kind::FunctionFailed, "simple_fn: input 'ys': simple_fn: x is negative")
    );
    assert_eq!(error(&panicked), Error::new(Kind::FunctionFailed, "simple_fn: panicked: x is very negative"));
    assert_eq!(error(&omitted).kind(), Kind::OutputNotWritten);
    assert!(error(&omitted).message().contains("'zs'"));
    let next = simple_call(&caller, 1, &ys);
    assert_eq!(process_all(&processor), 1);
    assert_eq!(got(&next), [2]);
}

#[test]
fn dropping_the_results_cancels_what_has_not_started() {
    let place = Place::new("cancel");
    let store = place.open();
    let processor = simple_processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE], &CallerOptions::default());
    let ys = put(&namespace, &[1]);
    let before = objects(&store);
    for x in 0..10 {
        let zs = simple_call(&caller, x, &ys);
        if x == 3 {
            zs.disown().unwrap();
        }
    }
    // All but the disowned one.
    assert_eq!(process_all(&processor), 1);
    namespace.sweep(100);
    assert_eq!(objects(&store), before + 1);
}

#[test]
fn an_output_dropped_while_its_call_runs_is_dropped() {
    let place = Place::new("scratch");
    let store = place.open();
    let processor = simple_processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE], &CallerOptions::default());
    let ys = put(&namespace, &[1]);
    let before = objects(&store);
    let zs = simple_call(&caller, 1, &ys);
    let call = processor.next(LONG).unwrap();
    assert!(!call.is_cancelled());
    let kept_reference = call.reference(1).unwrap();
    drop((zs, ys));
    assert!(call.is_cancelled());
    // The input was pinned when the call was taken.
    assert_eq!(got(&kept_reference), [1]);
    simple(&call).unwrap();
    call.finish().unwrap();
    drop(kept_reference);
    drop(call);
    assert_eq!(objects(&store), before - 1);
}

#[test]
fn outputs_can_be_kept_by_the_call_aborted_and_written_late() {
    let place = Place::new("outputs");
    let store = place.open();
    const TWO: &str = "two(n: int64) -> (a: int64[i], b: int64[i])";
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    processor.register(CallSchema::parse(TWO).unwrap(), None).unwrap();
    processor.start().unwrap();
    let error = processor.register(CallSchema::parse(SIMPLE).unwrap(), None).err().unwrap();
    assert_eq!(error.kind(), Kind::AlreadyStarted);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[TWO], &CallerOptions::default());
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(2)));
    let results = caller.call("two", &args).unwrap();
    let call = processor.next(LONG).unwrap();
    let memory = call.create_output(1, &[2], Order::C, true).unwrap();
    assert_eq!((memory.len, memory.data as usize % 64), (16, 0));
    assert_eq!(call.create_output(1, &[2], Order::C, true).err().unwrap().kind(), Kind::AlreadyExists);
    call.abort_output(1).unwrap();
    call.create_output(1, &[3], Order::C, true).unwrap();
    let error = call.create_tensor(2, &[4], Order::C, true).err().unwrap();
    assert!(error.message().contains("dimension 'i' has size 4 in parameter 'b' but 3"), "{error}");
    let mut late = call.create_tensor(2, &[3], Order::C, false).unwrap();
    call.finish().unwrap();
    drop(call);
    assert_eq!(got(results.at(0).unwrap()), [0, 0, 0]);
    assert!(!results.at(1).unwrap().exists().unwrap());
    assert_eq!(store.namespaces().unwrap().iter().map(|namespace| namespace.queued).sum::<u32>(), 1);
    late.bytes_mut().copy_from_slice(&bytes(&[1, 2, 3]));
    let sealed = late.seal().unwrap();
    assert!(!sealed.is_owning());
    assert_eq!(got(results.at(1).unwrap()), [1, 2, 3]);
    assert_eq!(store.namespaces().unwrap().iter().map(|namespace| namespace.queued).sum::<u32>(), 0);

    // A writer that is dropped after the end fails its output; failing a call reaches an output that is being
    // written.
    let results = caller.call("two", &args).unwrap();
    let call = processor.next(LONG).unwrap();
    let writer = call.create_tensor(1, &[1], Order::C, true).unwrap();
    assert_eq!(call.finish().err().unwrap().kind(), Kind::OutputNotWritten);
    drop((call, writer));
    assert_eq!(results.at(0).unwrap().wait(LONG).err().unwrap().kind(), Kind::OutputNotWritten);
    let results = caller.call("two", &args).unwrap();
    let call = processor.next(LONG).unwrap();
    let writer = call.create_tensor(1, &[1], Order::C, true).unwrap();
    call.fail(&Error::new(Kind::FunctionFailed, "no")).unwrap();
    assert_eq!(writer.seal().err().unwrap().kind(), Kind::AlreadyExists);
    for output in 0..2 {
        let error = results.at(output).unwrap().wait(LONG).err().unwrap();
        assert_eq!(error, Error::new(Kind::FunctionFailed, "two: no"));
    }
}

#[test]
fn a_call_without_outputs_runs_once_and_keeps_its_inputs() {
    let place = Place::new("tag");
    let store = place.open();
    const SINK: &str = "sink(ys: int64[i])";
    let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let sink = seen.clone();
    let function: Function = Arc::new(move |call: &Call| {
        sink.lock().push(values(call.tensor(0)?.bytes()));
        Ok(())
    });
    let processor = processor(&store, &[(SINK, function)]);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SINK], &CallerOptions::default());
    namespace.prefix().unwrap();
    let before = objects(&store);
    let ys = put(&namespace, &[4]);
    let mut args = Args::new();
    args.push(Arg::Ref(ys));
    assert!(caller.call("sink", &args).unwrap().is_empty());
    drop(args);
    namespace.sweep(10);
    assert_eq!(process_all(&processor), 1);
    assert_eq!(*seen.lock(), [[4]]);
    namespace.sweep(10);
    assert_eq!(objects(&store), before);
}

#[test]
fn outputs_that_exist_are_not_made_again() {
    let place = Place::new("exists");
    let store = place.open();
    let processor = simple_processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE], &CallerOptions::default());
    let (ys, zs) = (put(&namespace, &[1]), put(&namespace, &[42]));
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(1)));
    args.push(Arg::Ref(ys.clone()));
    args.push(Arg::Ref(zs.clone()));
    caller.call("simple_fn", &args).unwrap();
    assert_eq!(process_all(&processor), 0);
    assert_eq!(got(&zs), [42]);
    // An explicit output, made by the call.
    let out = namespace.new_ref(None).unwrap();
    args.set("zs", Arg::Null);
    args.clear();
    args.push(Arg::Cell(Cell::Int(1)));
    args.push(Arg::Ref(ys));
    args.push(Arg::Ref(out.clone()));
    let results = caller.call("simple_fn", &args).unwrap();
    assert_eq!(results.at(0).unwrap().id(), out.id());
    assert_eq!(process_all(&processor), 1);
    assert_eq!(got(&out), [2]);
    assert_eq!(store.namespaces().unwrap().iter().map(|namespace| namespace.queued).sum::<u32>(), 0);
}

#[test]
fn a_lost_input_is_told_from_a_cancelled_call() {
    let place = Place::new("lost");
    let store = place.open();
    let processor = simple_processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE], &CallerOptions::default());
    let late = namespace.new_ref(None).unwrap();
    let ys = put(&namespace, &[1]);
    let lost = simple_call(&caller, 1, &ys);
    let waiting = simple_call(&caller, 1, &late);
    assert!(store.delete(&ys.id(), sdp_dal::store::DeleteMode::Now).unwrap());
    assert_eq!(ys.get_buffer(Timeout::Poll).err().unwrap().kind(), Kind::ObjectDeleted);
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(1)));
    args.push(Arg::Ref(ys.clone()));
    assert_eq!(caller.call("simple_fn", &args).err().unwrap().kind(), Kind::ObjectDeleted);
    // The processor has not seen either input. The caller has noted which of them was there when it called.
    assert_eq!(process_all(&processor), 0);
    let error = lost.wait(Timeout::Poll).err().unwrap();
    assert_eq!(error.kind(), Kind::InputLost);
    assert!(error.message().starts_with("simple_fn: input 'ys' was deleted"), "{error}");
    assert_eq!(waiting.wait(Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
    drop(waiting);
    drop(lost);
    let seen = simple_call(&caller, 5, &put(&namespace, &[1]));
    let chained = simple_call(&caller, 5, &seen);
    assert_eq!(
        processor.next(LONG).map(|call| call.finish()).unwrap().err().unwrap().kind(),
        Kind::OutputNotWritten
    );
    assert_eq!(process_all(&processor), 0);
    assert_eq!(chained.wait(Timeout::Poll).err().unwrap().kind(), Kind::OutputNotWritten);
}

#[test]
fn an_input_that_vanishes_after_it_was_promised_is_lost() {
    let place = Place::new("vanish");
    let store = place.open();
    const HOLD: &str = "hold() -> (out: int64[i])";
    let mut holder = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    holder.register(CallSchema::parse(HOLD).unwrap(), None).unwrap();
    holder.start().unwrap();
    let processor = simple_processor(&store);
    let namespace = Namespace::new(&store, None);
    let hold = caller(&namespace, &[HOLD], &CallerOptions::default());
    let simple = caller(&namespace, &[SIMPLE], &CallerOptions::default());
    let promised = hold.call("hold", &Args::new()).unwrap();
    let promised = promised.at(0).unwrap();
    let zs = simple_call(&simple, 1, promised);
    assert_eq!(process_all(&processor), 0);
    assert!(store.delete(&promised.id(), sdp_dal::store::DeleteMode::Now).unwrap());
    assert_eq!(process_all(&processor), 0);
    let error = zs.wait(Timeout::Poll).err().unwrap();
    assert_eq!(error.kind(), Kind::InputLost);
    assert!(error.message().starts_with("simple_fn: input 'ys'"), "{error}");
}

#[test]
fn inputs_are_checked_against_the_signature() {
    let place = Place::new("signature");
    let store = place.open();
    const GRID: &str = "grid(uvw: int64[row,uvw=3], ms: int64[row]) -> (n: int64[])";
    let function: Function = Arc::new(|_: &Call| Err(Error::internal("it ran")));
    let processor = processor(&store, &[(GRID, function)]);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[GRID], &CallerOptions::default());
    let matrix = |rows: i64, columns: i64| {
        let layout = Layout::contiguous(Elem::Int64, &[rows, columns], Order::F, &[]).unwrap();
        let data = vec![0; usize::try_from(rows * columns * 8).unwrap()];
        namespace.put_tensor(&TensorSource { bytes: &data, origin: 0, layout: &layout }).unwrap()
    };
    let run = |uvw: &Ref, ms: &Ref| {
        // Borrowed references know nothing of the tensors: the processor has to look.
        let mut args = Args::new();
        args.push(Arg::Cell(Cell::Id(uvw.id())));
        args.push(Arg::Cell(Cell::Id(ms.id())));
        let results = caller.call("grid", &args).unwrap();
        process_all(&processor);
        results.at(0).unwrap().wait(LONG).err().unwrap()
    };
    let ms = put(&namespace, &[1, 2]);
    assert!(run(&matrix(2, 4), &ms).message().contains("size 4, but the function requires 3"));
    let error = run(&matrix(3, 3), &ms);
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(
        error.message().contains("'row' has size 2 in parameter 'ms' but 3 in parameter 'uvw'"),
        "{error}"
    );
    assert!(run(&ms, &ms).message().contains("found int64[?], expected int64[row,uvw]"));
    assert!(run(&matrix(2, 3), &ms).message().contains("it ran"));
    // F order is kept.
    let kept = matrix(2, 3).get_tensor(LONG).unwrap();
    assert_eq!(kept.layout().strides, [8, 16]);
    let mut args = Args::new();
    args.push(Arg::Ref(matrix(3, 3)));
    args.push(Arg::Ref(ms));
    let early = caller.call("grid", &args).err().unwrap();
    assert!(early.message().contains("'row'"), "{early}");
}

#[test]
fn closing_fails_the_queue_and_callers_learn_it() {
    let place = Place::new("close");
    let store = place.open();
    let processor = simple_processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE], &CallerOptions::default());
    let ys = put(&namespace, &[1]);
    let queued = simple_call(&caller, 1, &ys);
    std::thread::scope(|scope| {
        let other = simple_processor_thread(scope, &processor);
        processor.shutdown().unwrap();
        let _ = other.join();
    });
    assert_eq!(processor.process(Timeout::Poll).err().unwrap().kind(), Kind::ProcessorLost);
    // The waiting thread may have run the call before it was closed.
    if let Err(error) = queued.wait(LONG) {
        assert_eq!(error.kind(), Kind::ProcessorLost);
        assert!(error.message().contains("closed"), "{error}");
    }
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(1)));
    args.push(Arg::Ref(ys.clone()));
    let error = caller.call("simple_fn", &args).err().unwrap();
    assert_eq!(error.kind(), Kind::ProcessorLost);
    assert!(error.message().contains("TestProcessor"), "{error}");
    assert_eq!(caller.num_processors(), 0);
    assert_eq!(caller.find_processors(SHORT).unwrap(), 0);
    let second = simple_processor(&store);
    assert_eq!(caller.find_processors(LONG).unwrap(), 1);
    let zs = simple_call(&caller, 1, &ys);
    assert_eq!(process_all(&second), 1);
    assert_eq!(got(&zs), [2]);
}

fn simple_processor_thread<'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    processor: &'scope Processor,
) -> std::thread::ScopedJoinHandle<'scope, ()> {
    scope.spawn(|| while processor.process(Timeout::Forever).is_ok() {})
}

#[test]
fn the_least_busy_compatible_processor_is_taken() {
    let place = Place::new("busy");
    let store = place.open();
    let (one, two) = (simple_processor(&store), simple_processor(&store));
    let _other = processor(&store, &[("simple_fn(x: float64) -> (zs: int64[i])", Arc::new(simple))]);
    let namespace = Namespace::new(&store, None);
    let both = CallerOptions { minimum_processors: 2, ..CallerOptions::default() };
    let two_found = caller(&namespace, &[SIMPLE], &both);
    assert_eq!(two_found.num_processors(), 2);
    let ys = put(&namespace, &[1]);
    let results: Vec<_> = (0..6).map(|x| simple_call(&two_found, x, &ys)).collect();
    assert_eq!((process_all(&one), process_all(&two)), (3, 3));
    results.iter().for_each(|zs| zs.wait(LONG).unwrap());
    let schemas = vec![CallSchema::parse(SIMPLE).unwrap()];
    let three = CallerOptions { minimum_processors: 3, timeout: SHORT, ..CallerOptions::default() };
    let error = Caller::new(&namespace, schemas, &three).err().unwrap();
    assert!(error.message().starts_with("found 2 of 3"), "{error}");
    assert!(error.message().contains("is not compatible (simple_fn"), "{error}");
    // The first of two goes: the call goes to the other.
    one.close().unwrap();
    let zs = simple_call(&two_found, 1, &ys);
    assert_eq!(process_all(&two), 1);
    assert_eq!(got(&zs), [2]);
}

#[test]
fn calls_in_flight_can_be_limited() {
    let place = Place::new("flight");
    let store = place.open();
    let processor = simple_processor(&store);
    let namespace = Namespace::new(&store, None);
    let options = CallerOptions { max_in_flight: 2, timeout: SHORT, ..CallerOptions::default() };
    let caller = caller(&namespace, &[SIMPLE], &options);
    let ys = put(&namespace, &[1]);
    let first = simple_call(&caller, 1, &ys);
    let _second = simple_call(&caller, 2, &ys);
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(3)));
    args.push(Arg::Ref(ys.clone()));
    assert_eq!(caller.call("simple_fn", &args).err().unwrap().kind(), Kind::Timeout);
    std::thread::scope(|scope| {
        let issued = scope.spawn(|| caller.call_within("simple_fn", &args, LONG).unwrap());
        std::thread::sleep(Duration::from_millis(10));
        assert!(processor.process(LONG).unwrap());
        issued.join().unwrap();
    });
    assert_eq!(got(&first), [2]);
}

#[test]
fn several_threads_share_the_work() {
    let place = Place::new("threads");
    let store = place.open();
    let processor = simple_processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE], &CallerOptions::default());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            simple_processor_thread(scope, &processor);
        }
        let ys = put(&namespace, &[0]);
        let mut chains: Vec<Ref> = (0..8).map(|_| ys.clone()).collect();
        for _ in 0..100 {
            for last in &mut chains {
                *last = simple_call(&caller, 1, last);
            }
        }
        for last in &chains {
            assert_eq!(got(last), [100]);
        }
        processor.shutdown().unwrap();
    });
}

#[test]
fn references_know_what_they_have_seen() {
    let place = Place::new("seen");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let ys = put(&namespace, &[1]);
    let borrowed = namespace.borrow(ys.id(), Some((Elem::Float64, vec!["i".to_owned()])));
    let error = borrowed.get_tensor(LONG).err().unwrap();
    assert!(error.message().contains("found int64[?], expected float64[i]"), "{error}");
    assert!(error.message().contains(&ys.id().to_string()), "{error}");
    let unseen = namespace.new_id().unwrap();
    let nobody = namespace.borrow(unseen, None);
    assert_eq!(nobody.wait(SHORT).err().unwrap().kind(), Kind::Timeout);
    drop(ys);
    let begun = Instant::now();
    assert_eq!(borrowed.wait(LONG).err().unwrap().kind(), Kind::ObjectDeleted);
    assert!(begun.elapsed() < Duration::from_secs(30));
    // A borrowed reference writes objects that stay; the owner of the ID takes them over.
    let owner = namespace.new_ref(None).unwrap();
    let writer = namespace.borrow(owner.id(), None);
    let (data, layout) = (bytes(&[9]), vector(1));
    writer.put_tensor(&TensorSource { bytes: &data, origin: 0, layout: &layout }).unwrap();
    let again = writer.put_tensor(&TensorSource { bytes: &data, origin: 0, layout: &layout });
    assert_eq!(again.err().unwrap().kind(), Kind::AlreadyExists);
    drop(writer);
    assert_eq!(got(&owner), [9]);
    let id = owner.id();
    drop(owner);
    assert_eq!(store.look(&id).unwrap(), ObjectState::Absent);
    let mut writer = namespace.create_tensor(Elem::Int64, &[2], &["i".to_owned()], Order::C, true).unwrap();
    assert_eq!((writer.bytes_mut().len(), writer.data_ptr() as usize % 64), (16, 0));
    let id = writer.id();
    writer.abort();
    assert_eq!(store.look(&id).unwrap(), ObjectState::Absent);
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
    let hang: Function = Arc::new(|call: &Call| match call.cell(0)? {
        Cell::Int(0) => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        _ => simple(call),
    });
    let processor = processor(&store, &[(SIMPLE, hang)]);
    while processor.process(Timeout::Forever).is_ok() {}
}

#[test]
fn a_processor_that_dies_fails_its_calls_everywhere() {
    let place = Place::new("dies");
    let store = place.open();
    let mut child = child(&place.path);
    let namespace = Namespace::new(&store, None);
    let options = CallerOptions { timeout: LONG, ..CallerOptions::default() };
    let remote = caller(&namespace, &[SIMPLE], &options);
    let ys = put(&namespace, &[1]);
    assert_eq!(got(&simple_call(&remote, 1, &ys)), [2]);
    let running = simple_call(&remote, 0, &ys);
    let queued = simple_call(&remote, 2, &ys);
    // One that waits for an output of the dead one, at a living processor.
    let local = simple_processor(&store);
    let here = caller(&namespace, &[SIMPLE], &CallerOptions { minimum_processors: 2, ..options.clone() });
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(1)));
    args.push(Arg::Ref(running.clone()));
    let behind = here.call("simple_fn", &args).unwrap();
    assert_eq!(process_all(&local), 0);
    std::thread::sleep(Duration::from_millis(50));
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    for reference in [&running, &queued] {
        assert_eq!(reference.wait(LONG).err().unwrap().kind(), Kind::ProcessorLost);
    }
    // No call runs, but the failure is passed on.
    assert!(!local.process(SHORT).unwrap());
    let error = behind.at(0).unwrap().wait(LONG).err().unwrap();
    assert_eq!(error.kind(), Kind::ProcessorLost);
    assert!(error.message().starts_with("simple_fn: input 'ys': "), "{error}");
    args.clear();
    args.push(Arg::Cell(Cell::Int(1)));
    args.push(Arg::Ref(ys));
    // It finds the other one, which is left.
    let zs = remote.call("simple_fn", &args).unwrap();
    assert_eq!(process_all(&local), 1);
    zs.at(0).unwrap().wait(LONG).unwrap();
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn an_interrupt_ends_the_search_for_processors_and_the_wait_for_calls() {
    let place = Place::new("interrupt");
    let store = place.open();
    let processor = simple_processor(&store);
    let namespace = Namespace::new(&store, None);
    let search =
        CallerOptions { minimum_processors: 2, timeout: Timeout::Forever, ..CallerOptions::default() };
    std::thread::scope(|scope| {
        let searching = scope.spawn(|| {
            let schemas = vec![CallSchema::parse(SIMPLE).unwrap()];
            Caller::new(&namespace, schemas, &search).err().unwrap().kind()
        });
        let waiting = scope.spawn(|| processor.process(Timeout::Forever).err().unwrap().kind());
        std::thread::sleep(Duration::from_millis(30));
        store.interrupt(true);
        assert_eq!(searching.join().unwrap(), Kind::Interrupted);
        assert_eq!(waiting.join().unwrap(), Kind::Interrupted);
    });
    store.interrupt(false);
}

/// Where a tensor's elements lie is read once, as objects never change.
#[test]
fn a_tensor_that_was_made_shorter_is_damaged() {
    let store = TestStore::open("shorter", 1 << 20);
    let namespace = Namespace::new(&store, None);
    let reference = put(&namespace, &[1, 2, 3]);
    assert_eq!(got(&reference), [1, 2, 3]);
    let stat = store.stat().unwrap();
    let geometry = Geometry::new(stat.size, stat.max_objects.try_into().unwrap(), stat.max_clients).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(store.path()).unwrap();
    let index = store.info(&reference.id()).unwrap().key.index;
    let entry = geometry.entries + u64::from(index) * geometry.entry_stride;
    let size = entry + std::mem::offset_of!(Entry, data_size) as u64;
    file.write_all_at(&4u64.to_le_bytes(), size).unwrap();
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        reference.get_tensor(Timeout::Poll).map(|tensor| tensor.bytes().len())
    }));
    assert_eq!(read.expect("no panic").unwrap_err().kind(), Kind::Corrupt);
}
