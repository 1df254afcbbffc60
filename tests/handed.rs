//! Memory handed on: outputs that start from an input, given away or copied; tensors that are shrunk before they are sealed.

mod common;

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::calls::{bytes, put, values, vector, LONG};
use common::TestStore;
use sdp_dal::dal::{Arg, Args, Call, Caller, CallerOptions, Namespace, Processor, ProcessorOptions, Ref};
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::{Store, StoreOptions};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{CallSchema, Elem, Layout, Order, TensorSource};

const ADD: &str = "add(x: int64[i], grid: int64[u]) -> (sum: int64[u] = grid)";
const SIZE: u64 = 64 << 20;
/// 1.6 MB.
const GRID: usize = 200_000;
const ROLE: &str = "SDP_DAL_TEST_HANDED";

/// Adds x[0] to every element; -1 fails, -2 ends the process.
fn add(call: &Call) -> Result<()> {
    let x = values(call.tensor("x")?.bytes())[0];
    match x {
        -1 => return Err(Error::new(Kind::FunctionFailed, "x is negative")),
        -2 => std::process::abort(),
        _ => {}
    }
    let wrong = call.tensor("grid").err().expect("the input is in the output");
    assert!(wrong.message().contains("output 'sum' starts from parameter 'grid'"), "{wrong}");
    let memory = call.output_memory("sum")?;
    let again = call.create_tensor("sum", &memory.layout.shape, None, false).err().expect("it is there");
    assert!(again.message().contains("starts from an input and is there already"), "{again}");
    // SAFETY: the memory of the output is ours until it is sealed.
    let sum = unsafe { std::slice::from_raw_parts_mut(memory.data.cast::<i64>(), memory.len / 8) };
    sum.iter_mut().for_each(|element| *element += x);
    Ok(())
}

fn processor(store: &Store) -> Processor {
    let mut processor = Processor::new(store, &ProcessorOptions::default()).unwrap();
    processor.register(CallSchema::parse(ADD).unwrap(), Some(Arc::new(add))).unwrap();
    processor.start().unwrap();
    processor
}

fn caller(namespace: &Namespace) -> Caller {
    let schema = CallSchema::parse(ADD).unwrap();
    Caller::new(namespace, vec![schema], &CallerOptions::default()).unwrap()
}

/// A thousand steps or so of a chain, begun by a grid that is given by value or by reference.
fn issue(caller: &Caller, x: &Ref, grid: Arg<'_>) -> Ref {
    let mut args = Args::new();
    args.set("x", Arg::Ref(x.clone()));
    args.set("grid", grid);
    caller.call("add", &args).unwrap().get("sum").unwrap().unwrap().clone()
}

fn run(processor: &Processor) -> usize {
    (0..).take_while(|_| processor.process(Timeout::Poll).unwrap()).count()
}

fn first(grid: &Ref) -> i64 {
    let tensor = grid.get_tensor(LONG).unwrap();
    let all = values(tensor.bytes());
    assert!(all.len() == GRID && all.iter().all(|value| *value == all[0]));
    all[0]
}

/// What a child does: a processor, until it is killed, or one that holds an object.
#[test]
fn child() {
    let Some(role) = std::env::var_os(ROLE) else { return };
    let (role, path) = (role.into_string().unwrap(), std::env::var("SDP_DAL_TEST_PATH").unwrap());
    let store = Store::open(path.as_ref(), &StoreOptions::default()).unwrap();
    match role.as_str() {
        "processor" => {
            let processor = processor(&store);
            while processor.process(LONG).unwrap() {}
        }
        id => {
            let id = id.parse().unwrap();
            let _want = store.want(&id).unwrap();
            let _held = store.get(&id, LONG).unwrap();
            std::fs::write(format!("{path}.held"), b"").unwrap();
            std::thread::sleep(Duration::from_secs(60));
        }
    }
}

struct Running(Child);

impl Running {
    fn new(store: &Store, role: &str) -> Running {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child", "--nocapture"]).env(ROLE, role).stdout(Stdio::null());
        Running(command.env("SDP_DAL_TEST_PATH", store.path()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_chain_of_a_thousand_calls_needs_the_memory_of_one_grid() {
    let store = TestStore::open("handed-chain", SIZE);
    let processor = processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace);
    let x = put(&namespace, &[1]);
    let mut grid = put(&namespace, &vec![0; GRID]);
    let (before, copied) = (store.stat().unwrap().used, store.stat().unwrap().copied);
    let mut peak = 0;
    // Issued ahead: nothing of it exists yet.
    for _ in 0..1000 {
        grid = issue(&caller, &x, Arg::Given(grid));
    }
    while processor.process(Timeout::Poll).unwrap() {
        peak = peak.max(store.stat().unwrap().used);
    }
    assert_eq!(first(&grid), 1000);
    assert_eq!((peak, store.stat().unwrap().copied), (before, copied));
    drop((grid, x));
    store.is_sound();
}

#[test]
fn what_somebody_has_is_copied_and_counted() {
    let store = TestStore::open("handed-copied", SIZE);
    let processor = processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace);
    let x = put(&namespace, &[1]);
    let copied = || store.stat().unwrap().copied;
    let size = GRID as u64 * 8;

    // Not given: it can be read afterwards.
    let zero = put(&namespace, &vec![0; GRID]);
    let one = issue(&caller, &x, Arg::Ref(zero.clone()));
    assert_eq!((run(&processor), copied()), (1, size));
    assert_eq!((first(&zero), first(&one)), (0, 1));

    // Given, and read by this process: it is deleted, and the reader keeps its bytes.
    let held = one.get_tensor(LONG).unwrap();
    let two = issue(&caller, &x, Arg::Given(one.clone()));
    assert_eq!((run(&processor), copied()), (1, 2 * size));
    assert_eq!((values(held.bytes())[0], first(&two)), (1, 2));
    let error = one.get_tensor(LONG).err().unwrap();
    assert_eq!(error.kind(), Kind::ObjectDeleted);
    assert!(error.message().contains("was given away to a call"), "{error}");
    let mut args = Args::new();
    args.set("x", Arg::Ref(x.clone()));
    args.set("grid", Arg::Ref(one));
    assert_eq!(caller.call("add", &args).err().unwrap().kind(), Kind::ObjectDeleted);

    // Given, but an earlier call takes it that has not run.
    let twice = issue(&caller, &x, Arg::Ref(two.clone()));
    let three = issue(&caller, &x, Arg::Given(two));
    assert_eq!((run(&processor), copied()), (2, 4 * size));
    assert_eq!((first(&twice), first(&three)), (3, 3));

    // Given, and wanted by another process.
    let other = Running::new(&store, &three.id().to_string());
    let mark = format!("{}.held", store.path().display());
    until("the other process does not hold it", || std::fs::remove_file(&mark).is_ok());
    let (id, four) = (three.id(), issue(&caller, &x, Arg::Given(three)));
    assert_eq!((run(&processor), copied()), (1, 5 * size));
    assert!(store.contains(&id).unwrap());
    assert_eq!(first(&four), 4);
    drop(other);

    // By value: nobody else knows it, so its memory is taken over.
    let (data, layout) = (bytes(&vec![5; GRID]), vector(GRID));
    let source = TensorSource { bytes: &data, origin: 0, layout: &layout };
    let before = copied();
    let six = issue(&caller, &x, Arg::Tensor(source));
    let put = copied() - before;
    assert_eq!((run(&processor), copied() - before), (1, put), "it is copied once at most, into the store");
    assert_eq!(first(&six), 6);
    drop((zero, twice, four, six, held, x));
    store.is_sound();
}

#[test]
fn a_batch_gives_what_each_row_alone_takes() {
    let store = TestStore::open("handed-batch", SIZE);
    let processor = processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace);
    let x = put(&namespace, &[1]);
    let rows = |grids: &[Ref]| -> Vec<Args<'static>> {
        let row = |grid: &Ref| {
            let mut args = Args::new();
            args.set("x", Arg::Ref(x.clone()));
            args.set("grid", Arg::Given(grid.clone()));
            args
        };
        grids.iter().map(row).collect()
    };
    let call = |rows: &[Args<'_>]| -> Vec<Ref> {
        let results = caller.batch("add", rows, LONG).unwrap();
        results.iter().map(|row| row.get("sum").unwrap().unwrap().clone()).collect()
    };
    let grids: Vec<Ref> = (0..5).map(|n| put(&namespace, &vec![n; GRID])).collect();
    let sums = call(&rows(&grids));
    drop(grids);
    assert_eq!((run(&processor), store.stat().unwrap().copied), (5, 0));
    assert_eq!(sums.iter().map(first).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    // Two rows take the same: none of it is given.
    let twice = call(&rows(&[sums[0].clone(), sums[0].clone()]));
    assert_eq!((run(&processor), store.stat().unwrap().copied), (2, 2 * 8 * GRID as u64));
    assert_eq!(twice.iter().map(first).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(first(&sums[0]), 1);
    drop((sums, twice, x));
    store.is_sound();
}

#[test]
fn what_is_given_wrongly_is_refused_with_a_sentence() {
    let store = TestStore::open("handed-wrong", SIZE);
    let _processor = processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace);
    let x = put(&namespace, &[1]);
    let grid = put(&namespace, &[0; 3]);
    let refused = |name: &str, value: &Ref| {
        let mut args = Args::new();
        args.set("x", Arg::Ref(x.clone()));
        args.set("grid", Arg::Ref(grid.clone()));
        args.set(name, Arg::Given(value.clone()));
        let error = caller.call("add", &args).err().unwrap();
        assert_eq!(error.kind(), Kind::InvalidArgument);
        error.message().to_owned()
    };
    assert!(
        refused("x", &x).starts_with("add: parameter 'x': it is given away, but no output starts from it")
    );
    assert!(refused("sum", &grid).contains("this is an output, but only an input is given away"));
    // Nothing happened to them.
    assert_eq!(grid.get_tensor(LONG).unwrap().layout().shape, [3]);
}

#[test]
fn what_was_given_to_a_processor_that_dies_is_lost() {
    let store = TestStore::open("handed-lost", SIZE);
    let namespace = Namespace::new(&store, None);
    let x = put(&namespace, &[-2]);
    let other = Running::new(&store, "processor");
    let mut made = None;
    until("the processor does not come up", || {
        let schemas = vec![CallSchema::parse(ADD).unwrap()];
        made = Caller::new(&namespace, schemas, &CallerOptions::default()).ok();
        made.is_some()
    });
    let grid = put(&namespace, &vec![0; GRID]);
    let error = issue(&made.unwrap(), &x, Arg::Given(grid)).wait(LONG).unwrap_err();
    assert_eq!(error.kind(), Kind::ProcessorLost);
    assert!(error.message().contains("given away to it is lost"), "{error}");
    drop((other, x));
    store.reap_all();
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_processor_that_dies_takes_the_given_input_along_and_the_chain_can_begin_again() {
    let store = TestStore::open("handed-killed", SIZE);
    let namespace = Namespace::new(&store, None);
    let x = put(&namespace, &[1]);
    for round in 0..3 {
        let mut other = Running::new(&store, "processor");
        let mut made = None;
        until("the processor does not come up", || {
            let schemas = vec![CallSchema::parse(ADD).unwrap()];
            made = Caller::new(&namespace, schemas, &CallerOptions::default()).ok();
            made.is_some()
        });
        let caller = made.unwrap();
        let start = put(&namespace, &vec![0; GRID]);
        let before = store.stat().unwrap().used;
        let mut grid = start;
        let mut steps = Vec::new();
        for step in 0..200 {
            grid = issue(&caller, &x, Arg::Given(grid));
            if step == 50 {
                steps.push(grid.clone());
            }
        }
        if round == 0 {
            until("it does not begin", || {
                steps[0].progress().unwrap().is_some()
                    || !matches!(steps[0].state(), Ok(sdp_dal::store::ObjectState::Awaited { .. }))
            });
            other.0.kill().unwrap();
            other.0.wait().unwrap();
            let error = grid.wait(LONG).err();
            // It may have been fast.
            if let Some(error) = error {
                assert!(matches!(error.kind(), Kind::ProcessorLost | Kind::FunctionFailed), "{error}");
            }
        } else {
            assert_eq!(first(&grid), 200);
            assert!(store.stat().unwrap().used <= before);
        }
    }
    drop(x);
    store.reap_all();
    store.is_sound();
}

#[test]
fn a_function_that_fails_fails_its_output_and_a_null_input_starts_nothing() {
    let store = TestStore::open("handed-fails", SIZE);
    let processor = processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace);
    let bad = put(&namespace, &[-1]);
    let grid = put(&namespace, &vec![0; GRID]);
    let sum = issue(&caller, &bad, Arg::Given(grid));
    assert_eq!(run(&processor), 1);
    assert_eq!(sum.wait(LONG).unwrap_err().kind(), Kind::FunctionFailed);
    drop((sum, bad));
    assert_eq!(store.stat().unwrap().used, 0);

    let signature = "or_new(grid: int64[u]?) -> (sum: int64[u] = grid)";
    let made = |call: &Call| -> Result<()> {
        if call.is_null("grid")? {
            assert_eq!(call.output_memory("sum").err().unwrap().kind(), Kind::NotFound);
            let mut writer = call.create_tensor("sum", &[4], None, true)?;
            writer.bytes_mut()[0] = 1;
            writer.shrink(&[2])?;
            writer.seal()?;
        } else {
            assert_eq!(call.shrink_output(1, &[1])?.layout.shape, [1]);
        }
        Ok(())
    };
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    processor.register(CallSchema::parse(signature).unwrap(), Some(Arc::new(made))).unwrap();
    processor.start().unwrap();
    let schema = CallSchema::parse(signature).unwrap();
    let caller = Caller::new(&namespace, vec![schema], &CallerOptions::default()).unwrap();
    let mut args = Args::new();
    let first = caller.call("or_new", &args).unwrap().at(0).unwrap().clone();
    args.set("grid", Arg::Given(first.clone()));
    assert_eq!(run(&processor), 1);
    assert_eq!(values(first.get_tensor(LONG).unwrap().bytes()), [1, 0]);
    let second = caller.call("or_new", &args).unwrap().at(0).unwrap().clone();
    assert_eq!(run(&processor), 1);
    assert_eq!(values(second.get_tensor(LONG).unwrap().bytes()), [1]);
}

#[test]
fn tensors_are_shrunk_where_they_are() {
    let store = TestStore::open("handed-shrunk", SIZE);
    let namespace = Namespace::new(&store, None);
    let names = ["row".to_owned(), "chan".to_owned()];
    for (order, small) in [(Order::C, [1000, 8]), (Order::F, [100_000, 2])] {
        let make = || namespace.create_tensor(Elem::Float64, &[100_000, 8], &names, order, false).unwrap();
        let mut writer = make();
        let full = store.stat().unwrap().used;
        for (nth, byte) in writer.bytes_mut().iter_mut().enumerate() {
            *byte = (nth % 251) as u8;
        }
        for wrong in [&[100_001, 8][..], &[1000], &[1000, 4], &[100_000, 9]] {
            let error = writer.shrink(wrong).unwrap_err();
            assert!(error.message().contains("cannot be shrunk to"), "{error}");
        }
        writer.shrink(&small).unwrap();
        let now = store.stat().unwrap().used;
        assert!(now < full / 3, "{now} of {full}");
        assert_eq!(writer.layout().shape, small);
        let tensor = writer.seal().unwrap().get_tensor(LONG).unwrap();
        assert_eq!(tensor.layout(), &Layout::contiguous(Elem::Float64, &small, order, &names).unwrap());
        assert!(tensor.bytes().iter().enumerate().all(|(nth, byte)| usize::from(*byte) == nth % 251));
        // To nothing at all.
        let mut writer = make();
        let empty = if order == Order::C { [0, 8] } else { [100_000, 0] };
        writer.shrink(&empty).unwrap();
        assert_eq!(writer.seal().unwrap().get_tensor(LONG).unwrap().layout().shape, empty);
        store.is_sound();
    }
}
