//! Calls that wait: what they wait for, what can never come, and what becomes of them when the processor cannot go on.

mod common;

use std::sync::mpsc;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use common::calls::{bytes, got, put, values, vector, Place, LONG, SIMPLE};
use sdp_dal::dal::{
    Arg, Args, Call, Caller, CallerOptions, Function, FunctionOptions, Namespace, Processor,
    ProcessorOptions, Ref,
};
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::{CreateSpec, DeleteMode, EntryKey, ObjectId, Store, Want};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{CallSchema, Cell, Order, TensorSource};

const OTHER: &str = "other(x: int64, ys: int64[i]) -> (zs: int64[i])";
const REENTRANT: FunctionOptions =
    FunctionOptions { reentrant: true, ordered: false, loose_dims: false, full_timeout: None };
const ORDERED: FunctionOptions =
    FunctionOptions { reentrant: false, ordered: true, loose_dims: false, full_timeout: None };
const PLAIN: FunctionOptions =
    FunctionOptions { reentrant: false, ordered: false, loose_dims: false, full_timeout: None };
const WATCHDOG: Duration = Duration::from_secs(60);

/// zs = x + ys.
fn simple(call: &Call) -> Result<()> {
    let Cell::Int(x) = *call.cell(0)? else { return Err(Error::invalid("x is no integer")) };
    let ys = call.tensor(1)?;
    let zs: Vec<i64> = values(ys.bytes()).iter().map(|y| y + x).collect();
    let mut writer = call.create_tensor(2, &ys.layout().shape, Order::C, false)?;
    writer.bytes_mut().copy_from_slice(&bytes(&zs));
    writer.seal().map(drop)
}

fn processor(store: &Store, functions: &[(&str, FunctionOptions, Function)]) -> Processor {
    let mut processor = Processor::new(store, &ProcessorOptions::default()).unwrap();
    for (signature, options, function) in functions {
        let schema = CallSchema::parse(signature).unwrap();
        processor.register_with(schema, *options, Some(function.clone())).unwrap();
    }
    processor.start().unwrap();
    processor
}

fn simple_processor(store: &Store, options: FunctionOptions) -> Processor {
    processor(store, &[(SIMPLE, options, Arc::new(simple))])
}

fn caller(namespace: &Namespace, signatures: &[&str]) -> Caller {
    let schemas = signatures.iter().map(|signature| CallSchema::parse(signature).unwrap()).collect();
    Caller::new(namespace, schemas, &CallerOptions::default()).unwrap()
}

fn row(x: i64, ys: &Ref) -> Args<'static> {
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(x)));
    args.push(Arg::Ref(ys.clone()));
    args
}

fn row_to(x: i64, ys: &Ref, zs: &Ref) -> Args<'static> {
    let mut args = row(x, ys);
    args.set("zs", Arg::Ref(zs.clone()));
    args
}

fn issue(caller: &Caller, function: &str, args: &Args<'_>) -> Ref {
    caller.call(function, args).unwrap().at(0).unwrap().clone()
}

fn run_all(processor: &Processor) -> usize {
    (0..).take_while(|_| processor.process(Timeout::Poll).unwrap()).count()
}

fn error_of(reference: &Ref) -> Error {
    reference.wait(LONG).err().unwrap()
}

fn objects(store: &Store) -> u64 {
    store.stat().unwrap().objects
}

fn declaration(store: &Store, processor: &Processor) -> EntryKey {
    let prefix = processor.prefix().unwrap();
    store.namespaces().unwrap().into_iter().find(|namespace| namespace.prefix == prefix).unwrap().key
}

/// Issues an object as a call that no processor can have made.
fn issue_raw(
    store: &Store,
    processor: &Processor,
    metadata: &[u8],
    data: &[u8],
    n: u8,
    outputs: &[ObjectId],
) -> (Want, Vec<Want>) {
    let mut id = [n; 20];
    id[..4].copy_from_slice(&processor.prefix().unwrap());
    let data_size = data.len() as u64;
    let spec = CreateSpec { data_size, metadata, want: true, ..CreateSpec::default() };
    let mut writer = store.create(&ObjectId::new(id), &spec).unwrap();
    writer.copy_from(0, data);
    store.issue(writer, declaration(store, processor), outputs).unwrap()
}

#[test]
fn a_call_that_cannot_be_understood_fails_its_outputs() {
    let place = Place::new("garbage");
    let store = place.open();
    let processor = simple_processor(&store, PLAIN);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE]);
    let before = objects(&store);
    let known = b"sdp:kind=call;sdp:func=simple_fn";
    for (n, (metadata, data)) in
        (1..).zip([(&known[..], &[0x5a; 200][..]), (b"sdp:kind=table", b""), (b"", b"\xff\xff\xff\xff")])
    {
        let late = namespace.new_ref(None).unwrap();
        // Of the outputs one is promised to a call before it, which is still to run.
        let shared = issue(&caller, "simple_fn", &row(1, &late));
        let ours: Vec<Ref> = (0..300).map(|_| namespace.new_ref(None).unwrap()).collect();
        let mut outputs: Vec<ObjectId> = ours.iter().map(Ref::id).collect();
        outputs.push(shared.id());
        let issued = issue_raw(&store, &processor, metadata, data, n, &outputs);
        assert!(!processor.process(Timeout::Poll).unwrap());
        for output in &ours {
            let error = output.wait(Timeout::Poll).err().unwrap();
            assert_eq!(error.kind(), Kind::Corrupt, "{error}");
            assert!(error.message().starts_with("the processor cannot understand the call: "), "{error}");
        }
        assert_eq!(shared.wait(Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
        late.put_tensor(&TensorSource { bytes: &bytes(&[n.into()]), origin: 0, layout: &vector(1) }).unwrap();
        assert_eq!(run_all(&processor), 1);
        assert_eq!(got(&shared), [i64::from(n) + 1]);
        drop((issued, ours, shared, late));
    }
    namespace.sweep(10_000);
    assert!(objects(&store) <= before + 1, "{} objects", objects(&store));
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn an_output_that_another_call_let_go_is_that_of_the_next() {
    let place = Place::new("taken-over");
    let store = place.open();
    let processor = simple_processor(&store, PLAIN);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE]);
    let (late, output) = (namespace.new_ref(None).unwrap(), namespace.new_ref(None).unwrap());
    let outputs = [output.id()];
    let first = issue_raw(&store, &processor, b"sdp:kind=call;sdp:func=simple_fn", b"", 1, &outputs);
    let kept = store.want(&output.id()).unwrap();
    drop(first);
    let second = issue_raw(&store, &processor, b"sdp:kind=call;sdp:func=simple_fn", b"x", 2, &outputs);
    assert!(!processor.process(Timeout::Poll).unwrap());
    assert_eq!(error_of(&output).kind(), Kind::Corrupt);
    drop((second, kept, caller, late));
}

#[test]
fn a_row_whose_outputs_were_dropped_holds_up_nothing() {
    let place = Place::new("dropped-row");
    let store = place.open();
    let processor = simple_processor(&store, ORDERED);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE]);
    let (late, ys) = (namespace.new_ref(None).unwrap(), put(&namespace, &[1]));
    // The first of a batch, and one after another that has run.
    for waiting in [0, 1] {
        let rows: Vec<_> = (0..3).map(|x| row(x, if x == waiting { &late } else { &ys })).collect();
        let before = objects(&store);
        let mut results = caller.batch("simple_fn", &rows, LONG).unwrap();
        drop(results.remove(usize::try_from(waiting).unwrap()));
        assert!(processor.process(LONG).unwrap());
        assert!(processor.process(LONG).unwrap());
        assert_eq!(got(results[1].at(0).unwrap()), [3]);
        // Nothing of it is left either when the others were dropped, too.
        let mut others = caller.batch("simple_fn", &rows, LONG).unwrap();
        others.drain(1..);
        let first = if waiting == 1 { others.pop() } else { None };
        if first.is_some() {
            assert!(processor.process(LONG).unwrap());
        }
        drop((results, others, first));
        namespace.sweep(1000);
        while objects(&store) > before {
            assert!(!processor.process(Timeout::After(Duration::from_millis(20))).unwrap());
            namespace.sweep(1000);
        }
    }
}

#[test]
fn inputs_beyond_the_thirty_second_are_missed_too() {
    const INPUTS: usize = 70;
    let place = Place::new("wide");
    let store = place.open();
    let params: Vec<String> = (0..INPUTS).map(|nth| format!("p{nth}: int64[i]?")).collect();
    let wide = format!("wide({}) -> (zs: int64[i])", params.join(", "));
    let ran: Function = Arc::new(|_| Err(Error::new(Kind::FunctionFailed, "it ran")));
    let processor = processor(&store, &[(&wide, PLAIN, ran)]);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[&wide]);
    for (gone, after_a_look) in [(0, false), (31, false), (32, false), (33, true), (69, false), (69, true)] {
        let inputs: Vec<Ref> = (0..INPUTS).map(|_| put(&namespace, &[1])).collect();
        let mut args = Args::new();
        inputs.iter().for_each(|input| args.push(Arg::Ref(input.clone())));
        // One that nobody has promised may still come: it does not count as there.
        let late = namespace.new_ref(None).unwrap();
        if after_a_look {
            args.set("p40", Arg::Null);
            args.clear();
            for (nth, input) in inputs.iter().enumerate() {
                args.push(Arg::Ref(if nth == 40 { late.clone() } else { input.clone() }));
            }
        }
        let zs = issue(&caller, "wide", &args);
        if after_a_look {
            assert!(!processor.process(Timeout::Poll).unwrap());
            assert_eq!(zs.wait(Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
            let data = bytes(&[1]);
            late.put_tensor(&TensorSource { bytes: &data, origin: 0, layout: &vector(1) }).unwrap();
        }
        assert!(store.delete(&inputs[gone].id(), DeleteMode::Now).unwrap());
        assert!(!processor.process(Timeout::Poll).unwrap());
        let error = zs.wait(Timeout::Poll).err().unwrap();
        assert_eq!(error.kind(), Kind::InputLost, "input {gone}: {error}");
        assert!(error.message().contains(&format!("'p{gone}'")), "{error}");
    }
}

#[test]
fn rows_that_take_each_others_outputs_are_refused() {
    let place = Place::new("ring");
    let store = place.open();
    let processor = simple_processor(&store, PLAIN);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE]);
    let ys = put(&namespace, &[1]);
    let refs: Vec<Ref> = (0..6).map(|_| namespace.new_ref(None).unwrap()).collect();
    let before = objects(&store);
    let refused = |rows: &[Args<'_>]| {
        let error = caller.batch("simple_fn", rows, LONG).err().unwrap();
        assert_eq!(error.kind(), Kind::InvalidArgument);
        assert_eq!(objects(&store), before);
        error.message().to_owned()
    };
    let two = [row_to(0, &refs[1], &refs[0]), row_to(1, &refs[0], &refs[1])];
    assert_eq!(
        refused(&two),
        "simple_fn: 2 rows depend on each other in a cycle, so that none could run: 'ys' of row 0 is 'zs' of row 1, 'ys' \
         of row 1 is 'zs' of row 0"
    );
    // Rows before the ring, and one that hangs on it, are not named.
    let mut many = vec![row_to(0, &ys, &refs[0]), row_to(0, &refs[5], &refs[1])];
    many.extend((2..6).map(|nth| row_to(0, &refs[if nth == 2 { 5 } else { nth - 1 }], &refs[nth])));
    let text = refused(&many);
    assert!(text.contains("4 rows depend") && !text.contains("row 1 ") && !text.contains("row 0"), "{text}");
    // By ID, and in a broadcast.
    let mut by_id = two.clone();
    by_id[1].clear();
    by_id[1].set("x", Arg::Cell(Cell::Int(0)));
    by_id[1].set("ys", Arg::Cell(Cell::Id(refs[0].id())));
    by_id[1].set("zs", Arg::Cell(Cell::Id(refs[1].id())));
    assert!(refused(&by_id).contains("in a cycle"));
    assert_eq!(
        caller.broadcast_batch("simple_fn", &by_id, LONG).err().unwrap().kind(),
        Kind::InvalidArgument
    );
    // Two that share an input, and a long chain the wrong way round, are none.
    let chain: Vec<Ref> = (0..500).map(|_| namespace.new_ref(None).unwrap()).collect();
    let mut rows: Vec<_> = chain.windows(2).map(|pair| row_to(1, &pair[1], &pair[0])).collect();
    rows.push(row_to(1, &ys, &chain[499]));
    rows.push(row(7, &chain[250]));
    let results = caller.batch("simple_fn", &rows, LONG).unwrap();
    assert_eq!(run_all(&processor), 501);
    assert_eq!(got(&chain[0]), [501]);
    assert_eq!(got(results[500].at(0).unwrap()), [258]);
}

#[test]
fn an_ordered_call_that_takes_what_a_later_one_makes_fails() {
    let place = Place::new("ordered");
    let store = place.open();
    let processor = simple_processor(&store, ORDERED);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE]);
    let (ys, between) = (put(&namespace, &[1]), namespace.new_ref(None).unwrap());
    let rows = [row(10, &between), row_to(20, &ys, &between), row(30, &between)];
    let results = caller.batch("simple_fn", &rows, LONG).unwrap();
    let first = results[0].at(0).unwrap();
    assert_eq!(run_all(&processor), 2);
    let error = error_of(first);
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(
        error.message().starts_with("simple_fn: row 0: input 'ys' is the output 'zs' of row 1, but"),
        "{error}"
    );
    assert_eq!((got(&between), got(results[2].at(0).unwrap())), (vec![21], vec![51]));
    // The same with calls of their own, of which the first one has been looked at before the second was issued.
    let between = namespace.new_ref(None).unwrap();
    let early = issue(&caller, "simple_fn", &row(1, &between));
    assert!(!processor.process(Timeout::Poll).unwrap());
    let late = issue(&caller, "simple_fn", &row_to(2, &ys, &between));
    assert_eq!(run_all(&processor), 1);
    assert!(error_of(&early).message().contains("'zs' of a later call, but"), "{}", error_of(&early));
    assert_eq!(got(&late), [3]);
}

#[test]
fn an_error_names_the_function_once() {
    let place = Place::new("once");
    let store = place.open();
    let signature = "sizes(x: int64, ys: int64[i]) -> (zs: int64[i])";
    let wrong: Function = Arc::new(|call| call.create_tensor(2, &[2], Order::C, false)?.seal().map(drop));
    let processor = processor(&store, &[(signature, PLAIN, wrong)]);
    let namespace = Namespace::new(&store, None);
    let zs = issue(&caller(&namespace, &[signature]), "sizes", &row(0, &put(&namespace, &[1])));
    assert_eq!(run_all(&processor), 1);
    let text = error_of(&zs).message().to_owned();
    assert_eq!(text.matches("sizes: ").count(), 1, "{text}");
}

/// A processor with two functions, of which each issues a call of the other (or of itself) and waits for it.
struct Asking {
    processor: Processor,
    caller: Arc<Mutex<Option<Caller>>>,
    namespace: Namespace,
}

impl Asking {
    /// What a function asks for, by its name; `met` is called before it waits.
    fn new(
        store: &Store,
        asks: &'static [(&'static str, &'static str, FunctionOptions, &'static str)],
        met: Arc<dyn Fn() + Send + Sync>,
    ) -> Asking {
        let namespace = Namespace::new(store, None);
        let caller: Arc<Mutex<Option<Caller>>> = Arc::default();
        let functions: Vec<(&str, FunctionOptions, Function)> = asks
            .iter()
            .map(|(_, signature, options, asked)| {
                let (caller, met) = (caller.clone(), met.clone());
                let function: Function = Arc::new(move |call| {
                    let Cell::Int(x) = *call.cell(0)? else { return Err(Error::invalid("x is no integer")) };
                    if x == 0 {
                        return simple(call);
                    }
                    let ys = call.reference(1)?;
                    let asked = caller.lock().as_ref().unwrap().call(asked, &row(x - 1, &ys))?;
                    met();
                    asked.at(0).unwrap().wait(LONG)?;
                    simple(call)
                });
                (*signature, *options, function)
            })
            .collect();
        let processor = processor(store, &functions);
        let signatures: Vec<&str> = asks.iter().map(|(_, signature, ..)| *signature).collect();
        *caller.lock() = Some(self::caller(&namespace, &signatures));
        Asking { processor, caller, namespace }
    }

    fn ask(&self, function: &str, x: i64) -> Ref {
        let ys = put(&self.namespace, &[100]);
        issue(self.caller.lock().as_ref().unwrap(), function, &row(x, &ys))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.caller.lock().take();
    }
}

#[test]
fn a_function_that_waits_for_its_own_turn_is_told_so() {
    let place = Place::new("own-turn");
    let store = place.open();
    let asking = Asking::new(&store, &[("simple_fn", SIMPLE, PLAIN, "simple_fn")], Arc::new(|| {}));
    let zs = asking.ask("simple_fn", 1);
    assert!(asking.processor.process(LONG).unwrap());
    let error = error_of(&zs);
    assert!(error.message().starts_with("simple_fn: this wait would never end: "), "{error}");
    // The call that it waited for was cancelled with its reference; all goes on.
    let zs = asking.ask("simple_fn", 0);
    assert!(asking.processor.process(LONG).unwrap());
    assert_eq!(got(&zs), [100]);
    // One that may run beside itself is served by another thread.
    let asking = Asking::new(&store, &[("other", OTHER, REENTRANT, "other")], Arc::new(|| {}));
    let zs = asking.ask("other", 2);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| while asking.processor.process(Timeout::Forever).is_ok() {});
        }
        assert_eq!(got(&zs), [102]);
        asking.processor.shutdown().unwrap();
    });
}

#[test]
fn functions_that_wait_for_each_other_are_told_so() {
    let place = Place::new("each-other");
    let store = place.open();
    // Both have issued their call before either waits.
    let barrier = Arc::new(std::sync::Barrier::new(2));
    let met = Arc::new(move || {
        barrier.wait();
    });
    let asks = &[("simple_fn", SIMPLE, PLAIN, "other"), ("other", OTHER, PLAIN, "simple_fn")];
    let asking = Asking::new(&store, asks, met);
    let (one, two) = (asking.ask("simple_fn", 1), asking.ask("other", 1));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| while asking.processor.process(Timeout::Forever).is_ok() {});
        }
        let ends = [one.wait(LONG), two.wait(LONG)];
        asking.processor.shutdown().unwrap();
        // One of them is told, and then the other one can go on.
        let failed: Vec<Error> = ends.into_iter().filter_map(std::result::Result::err).collect();
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert!(failed[0].message().contains("this wait would never end: "), "{}", failed[0]);
    });
}

#[test]
fn a_function_whose_call_no_thread_is_left_to_take_is_told_so() {
    let place = Place::new("no-thread");
    let store = place.open();
    let asks = &[("simple_fn", SIMPLE, PLAIN, "other"), ("other", OTHER, REENTRANT, "other")];
    let asking = Asking::new(&store, asks, Arc::new(|| {}));
    let (one, deep) = (asking.ask("simple_fn", 1), asking.ask("other", 5));
    assert!(asking.processor.process(LONG).unwrap());
    let error = error_of(&one);
    assert!(error.message().contains("all threads that take calls"), "{error}");
    // With threads enough nothing is said, however long it takes.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| while asking.processor.process(Timeout::Forever).is_ok() {});
        }
        assert_eq!(got(&deep), [105]);
        asking.processor.shutdown().unwrap();
    });
}

#[test]
fn threads_that_wait_for_calls_leave_when_it_is_shut_down() {
    let place = Place::new("shut");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    for round in 0..20 {
        let processor = simple_processor(&store, REENTRANT);
        let caller = caller(&namespace, &[SIMPLE]);
        let ys = put(&namespace, &[1]);
        let late = namespace.new_ref(None).unwrap();
        let waits = issue(&caller, "simple_fn", &row(1, &late));
        std::thread::scope(|scope| {
            for nth in 0..4 {
                let processor = &processor;
                scope.spawn(move || loop {
                    let done = match nth {
                        0 => processor.next(Timeout::Forever).map(drop),
                        _ => processor.process(Timeout::Forever).map(drop),
                    };
                    if let Err(error) = done {
                        assert_eq!(error.kind(), Kind::ProcessorLost);
                        break;
                    }
                });
            }
            if round % 2 == 0 {
                let _ = issue(&caller, "simple_fn", &row(1, &ys)).wait(LONG);
            }
            processor.shutdown().unwrap();
        });
        assert_eq!(waits.wait(Timeout::Poll).err().unwrap().kind(), Kind::ProcessorLost);
        processor.close().unwrap();
    }
}

#[test]
fn a_processor_that_was_shut_down_before_it_started_takes_no_call() {
    let place = Place::new("early");
    let store = place.open();
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    processor.register(CallSchema::parse(SIMPLE).unwrap(), Some(Arc::new(simple))).unwrap();
    processor.shutdown().unwrap();
    assert_eq!(processor.process(Timeout::Forever).err().unwrap().kind(), Kind::ProcessorLost);
    assert_eq!(objects(&store), 0);
}

#[test]
fn a_function_can_shut_its_processor_down_but_not_close_it() {
    let place = Place::new("own");
    let store = place.open();
    let own: Arc<Mutex<Option<Arc<Processor>>>> = Arc::default();
    let (said, heard) = mpsc::channel();
    let (itself, said) = (own.clone(), Mutex::new(said));
    let quits: Function = Arc::new(move |call| {
        let processor = itself.lock().clone().unwrap();
        said.lock().send(processor.join().err().map(|error| error.kind())).unwrap();
        simple(call)?;
        processor.shutdown()
    });
    let processor = Arc::new(processor(&store, &[(SIMPLE, PLAIN, quits)]));
    *own.lock() = Some(processor.clone());
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SIMPLE]);
    let ys = put(&namespace, &[1]);
    let (first, second) =
        (issue(&caller, "simple_fn", &row(1, &ys)), issue(&caller, "simple_fn", &row(2, &ys)));
    assert!(processor.process(LONG).unwrap());
    assert_eq!(heard.recv_timeout(WATCHDOG).unwrap(), Some(Kind::InvalidArgument));
    assert_eq!(got(&first), [2]);
    assert_eq!(second.wait(Timeout::Poll).err().unwrap().kind(), Kind::ProcessorLost);
    assert_eq!(processor.process(LONG).err().unwrap().kind(), Kind::ProcessorLost);
    own.lock().take();
    processor.join().unwrap();
}

#[test]
fn what_is_issued_while_a_processor_closes_ends() {
    let place = Place::new("race");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    for _ in 0..60 {
        let processors: Vec<_> = (0..2).map(|_| simple_processor(&store, PLAIN)).collect();
        let caller = caller(&namespace, &[SIMPLE]);
        let ys = put(&namespace, &[1]);
        let mut outputs = Vec::new();
        std::thread::scope(|scope| {
            let issued = scope.spawn(|| {
                let mut outputs = Vec::new();
                while caller.num_processors() > 0 {
                    for reply in caller.broadcast("simple_fn", &row(1, &ys), LONG).unwrap() {
                        let results = reply.results.into_iter().flatten();
                        outputs.extend(results.map(|results| results.at(0).unwrap().clone()));
                    }
                }
                outputs
            });
            for processor in &processors {
                std::thread::sleep(Duration::from_millis(1));
                processor.shutdown().unwrap();
            }
            outputs = issued.join().unwrap();
        });
        for output in &outputs {
            let error = output.wait(Timeout::Poll).err().unwrap();
            assert_eq!(error.kind(), Kind::ProcessorLost, "{error}");
        }
    }
}

#[cfg(feature = "failpoints")]
mod stopped {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    use super::*;
    use sdp_dal::store::StoreOptions;

    const PATH: &str = "SDP_DAL_TEST_PATH";

    /// Run by the test below in a process of its own, which is stopped holding the store's lock.
    #[test]
    fn hold_the_lock() {
        let Some(path) = std::env::var_os(PATH) else { return };
        let store = Store::open(std::path::Path::new(&path), &StoreOptions::default()).unwrap();
        for nth in 0..1000_u32 {
            let mut id = [0xee; 20];
            id[16..].copy_from_slice(&nth.to_be_bytes());
            let spec = CreateSpec { data_size: 1, keep: true, ..CreateSpec::default() };
            store.create(&ObjectId::new(id), &spec).unwrap().seal().unwrap();
        }
    }

    struct Stopped(Child);

    impl Stopped {
        fn new(place: &Place) -> Stopped {
            let child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "stopped::hold_the_lock", "--test-threads=1"])
                .env(PATH, &place.path)
                .env("SDP_DAL_FAIL", "create.entry_written:1:stop")
                // When the shell that has started the tests ends, the kernel continues what is stopped in its group.
                .process_group(0)
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let stat = format!("/proc/{}/stat", child.id());
            let begun = std::time::Instant::now();
            while !std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T ")) {
                assert!(begun.elapsed() < WATCHDOG, "it did not stop");
                std::thread::sleep(Duration::from_millis(5));
            }
            Stopped(child)
        }
    }

    impl Drop for Stopped {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_call_that_cannot_be_taken_now_is_taken_later() {
        let place = Place::new("busy");
        let store = place.open();
        let processor = simple_processor(&store, ORDERED);
        let namespace = Namespace::new(&store, None);
        let caller = caller(&namespace, &[SIMPLE]);
        let (late, ys) = (namespace.new_ref(None).unwrap(), put(&namespace, &[1]));
        let (first, second) =
            (issue(&caller, "simple_fn", &row(1, &late)), issue(&caller, "simple_fn", &row(2, &ys)));
        assert!(!processor.process(Timeout::Poll).unwrap());
        // It comes, and is not what the function takes: its outputs are to be failed, which needs the lock.
        let spec = CreateSpec { data_size: 3, want: true, ..CreateSpec::default() };
        let writer = store.create(&late.id(), &spec).unwrap();
        let stopped = Stopped::new(&place);
        let sealed = writer.seal().unwrap();
        for _ in 0..2 {
            let error = processor.process(Timeout::Poll).err().unwrap();
            assert_eq!(error.kind(), Kind::Busy, "{error}");
        }
        drop(stopped);
        assert!(processor.process(LONG).unwrap());
        let error = error_of(&first);
        assert_eq!(error.kind(), Kind::Corrupt, "{error}");
        assert_eq!(got(&second), [3]);
        drop(sealed);
    }

    #[test]
    fn an_output_that_could_not_be_failed_fails_later() {
        let place = Place::new("owed");
        let store = place.open();
        let processor = simple_processor(&store, PLAIN);
        let namespace = Namespace::new(&store, None);
        let caller = caller(&namespace, &[SIMPLE]);
        let ys = put(&namespace, &[1]);
        let output = issue(&caller, "simple_fn", &row(1, &ys));
        let call = processor.next(LONG).unwrap();
        let stopped = Stopped::new(&place);
        let patience = store.patience(Timeout::Poll);
        let error = Error::new(Kind::FunctionFailed, "it was to fail");
        assert_eq!(call.fail(&error).err().unwrap().kind(), Kind::Busy);
        drop((call, patience, stopped));
        // By whoever looks for calls next.
        assert!(!processor.process(Timeout::Poll).unwrap());
        assert_eq!(error_of(&output).kind(), Kind::FunctionFailed);
    }

    #[test]
    fn what_a_processor_could_not_refuse_when_it_was_shut_down_is_refused_later() {
        let place = Place::new("busy-close");
        let store = place.open();
        let processor = simple_processor(&store, PLAIN);
        let namespace = Namespace::new(&store, None);
        let caller = caller(&namespace, &[SIMPLE]);
        let late = namespace.new_ref(None).unwrap();
        let waits: Vec<Ref> = (0..3).map(|x| issue(&caller, "simple_fn", &row(x, &late))).collect();
        assert!(!processor.process(Timeout::Poll).unwrap());
        let stopped = Stopped::new(&place);
        let patience = store.patience(Timeout::Poll);
        assert_eq!(processor.shutdown().err().unwrap().kind(), Kind::Busy);
        drop(patience);
        drop(stopped);
        processor.shutdown().unwrap();
        for output in &waits {
            assert_eq!(output.wait(Timeout::Poll).err().unwrap().kind(), Kind::ProcessorLost);
        }
    }
}
