//! How calls wait, and what they cost meanwhile.

use super::super::{
    Arg, Args, Call, Caller, CallerOptions, Function, FunctionOptions, Namespace, Processor,
    ProcessorOptions, Ref,
};
use super::*;
use crate::arrow::datatypes::DataType;
use crate::store::StoreOptions;
use crate::wire::{Direction, Elem, Order, Param, ParamType};

mod alone;
mod refused;

fn param(name: &str, ty: ParamType) -> Param {
    Param::new(name, Direction::In, ty, true)
}

#[test]
fn rows_follow_our_own_order_of_parameters() {
    let x = param("x", ParamType::Scalar(DataType::Int64));
    let y = param("y", ParamType::Scalar(DataType::Int64));
    let schema = CallSchema::new("f", vec![x.clone(), y.clone()]);
    let schema = Arc::new(schema);
    let decoded = || DecodedRows {
        schema: schema.clone(),
        rows: vec![vec![Cell::Int(1), Cell::Int(2)]],
        there: vec![false, true],
        given: vec![true, false],
    };
    let (same, there, given) = match_rows(&schema, decoded());
    assert!(matches!(same[0][..], [Cell::Int(1), Cell::Int(2)]));
    assert_eq!((there, given), (vec![false, true], vec![true, false]));
    let extra = param("extra", ParamType::Tensor { elem: Elem::Float64, dims: Vec::new(), order: None });
    let offered = Arc::new(CallSchema::new("f", vec![y, extra, x]));
    let (turned, there, given) = match_rows(&offered, decoded());
    assert_eq!((there, given), (vec![true, false, false], vec![false, false, true]));
    assert!(matches!(turned[0][..], [Cell::Int(2), Cell::Null, Cell::Int(1)]));
}

const STEP: &str = "step(x: int64[]) -> (y: int64[])";

fn step(call: &Call) -> Result<()> {
    let x = i64::from_ne_bytes(call.tensor(0)?.bytes().try_into().unwrap());
    if x < 0 {
        return Err(Error::new(Kind::FunctionFailed, "x is negative"));
    }
    let mut writer = call.create_tensor(1, &[], Order::C, false)?;
    writer.bytes_mut().copy_from_slice(&(x + 1).to_ne_bytes());
    writer.seal().map(drop)
}

fn put(reference: &Ref, value: i64) {
    let mut writer = reference.create_tensor(Elem::Int64, &[], &[], Order::C, false).unwrap();
    writer.bytes_mut().copy_from_slice(&value.to_ne_bytes());
    writer.seal().unwrap();
}

/// A processor of one function and a caller for it.
struct World {
    store: Store,
    namespace: Namespace,
    processor: Processor,
    caller: Caller,
    path: std::path::PathBuf,
}

impl World {
    fn new(name: &str) -> World {
        let path = std::env::temp_dir().join(format!("sdp-dal-queue-{}-{name}", std::process::id()));
        let options = StoreOptions { size: Some(64 << 20), ..StoreOptions::default() };
        let store = Store::open(&path, &options).unwrap();
        let namespace = Namespace::new(&store, None);
        let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
        let function: Function = Arc::new(step);
        let options = FunctionOptions { loose_dims: true, ..FunctionOptions::default() };
        processor.register_with(CallSchema::parse(STEP).unwrap(), options, Some(function)).unwrap();
        processor.start().unwrap();
        let schemas = vec![CallSchema::parse(STEP).unwrap()];
        let caller = Caller::new(&namespace, schemas, &CallerOptions::default()).unwrap();
        World { store, namespace, processor, caller, path }
    }

    fn late(&self) -> Ref {
        self.namespace.new_ref(None).unwrap()
    }

    fn issue(&self, x: &Ref, y: &Ref) {
        let mut args = Args::new();
        args.push(Arg::Ref(x.clone()));
        args.push(Arg::Ref(y.clone()));
        drop(self.caller.call("step", &args).unwrap());
    }

    /// A chain of calls, of which the last is issued first; what goes in, and what comes out.
    fn chain(&self, calls: usize) -> (Ref, Ref) {
        let refs: Vec<Ref> = (0..=calls).map(|_| self.late()).collect();
        refs.windows(2).rev().for_each(|pair| self.issue(&pair[0], &pair[1]));
        (refs[0].clone(), refs[calls].clone())
    }

    fn run(&self) -> usize {
        (0..).take_while(|_| self.processor.process(Timeout::Poll).unwrap()).count()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Looks that a run of so many calls may take while nothing else happens, the sweeps of the time that it took besides.
fn most(calls: usize, begun: Instant) -> u64 {
    let sweeps = begun.elapsed().as_millis() / SWEEP_INTERVAL.as_millis() + 1;
    (calls * 20 + calls * usize::try_from(sweeps).unwrap() * 2) as u64
}

#[test]
fn a_chain_that_is_issued_from_its_end_is_not_looked_through_for_each_call() {
    const CALLS: usize = 2000;
    let world = World::new("chain");
    let begun = Instant::now();
    let (first, last) = world.chain(CALLS);
    assert_eq!(world.run(), 0);
    put(&first, 0);
    assert_eq!(world.run(), CALLS);
    let result = last.get_tensor(Timeout::Poll).unwrap();
    assert_eq!(result.bytes(), (CALLS as i64).to_ne_bytes());
    let looks = world.processor.looks();
    assert!(looks < most(CALLS, begun), "{looks} looks");
}

#[test]
fn a_failure_goes_down_a_chain_without_looking_through_it() {
    const CALLS: usize = 2000;
    let world = World::new("failing");
    let begun = Instant::now();
    let (first, last) = world.chain(CALLS);
    assert_eq!(world.run(), 0);
    put(&first, -1);
    // One has run; the others fail by their inputs.
    assert_eq!(world.run(), 1);
    assert_eq!(last.wait(Timeout::Poll).unwrap_err().kind(), Kind::FunctionFailed);
    let looks = world.processor.looks();
    assert!(looks < most(CALLS, begun), "{looks} looks");
}

#[test]
fn calls_that_wait_cost_those_that_run_nothing() {
    const WAITING: usize = 3000;
    const CALLS: usize = 300;
    let world = World::new("waiting");
    // Half of them wait for objects of their own, the others for one.
    let (late, inputs): (Ref, Vec<Ref>) = (world.late(), (0..WAITING).map(|_| world.late()).collect());
    let kept: Vec<Ref> = (0..WAITING * 2).map(|_| world.late()).collect();
    for (nth, output) in kept.iter().enumerate() {
        world.issue(inputs.get(nth).unwrap_or(&late), output);
    }
    assert_eq!(world.run(), 0);
    let (begun, before) = (Instant::now(), world.processor.looks());
    for nth in 0..CALLS {
        let (x, y) = (world.late(), world.late());
        put(&x, 1);
        world.issue(&x, &y);
        assert!(world.processor.process(Timeout::Forever).unwrap(), "{nth}");
        y.wait(Timeout::Poll).unwrap();
    }
    // A bucket that rings has some three of them; what is looked at otherwise is looked at in a sweep.
    let sweeps = begun.elapsed().as_millis() / SWEEP_INTERVAL.as_millis() + 1;
    let most = CALLS * 60 + WAITING * usize::try_from(sweeps).unwrap() * 2;
    let looks = world.processor.looks() - before;
    assert!(looks < most as u64, "{looks} looks for {CALLS} calls");
    put(&late, 5);
    assert_eq!(world.run(), WAITING);
    assert!(kept[..WAITING].iter().all(|y| y.wait(Timeout::Poll).is_err()));
    assert!(kept[WAITING..].iter().all(|y| y.wait(Timeout::Poll).is_ok()));
    // Rows that are cancelled while they wait are forgotten.
    drop(kept);
    let begun = Instant::now();
    while world.processor.pending() > 0 {
        assert_eq!(world.run(), 0);
        assert!(begun.elapsed() < Duration::from_secs(60), "{} are left", world.processor.pending());
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(inputs);
    assert!(world.store.check().unwrap().is_empty());
}
