//! What is in the store already is passed and not put again: found by its address, kept until the call has ended, and copied
//! only for a reason that the log tells.

mod common;

use std::sync::{Arc, Mutex};

use arrow_array::{Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use common::calls::LONG;
use common::TestStore;
use sdp_dal::dal::{
    Arg, Args, Call, Caller, CallerOptions, Function, Namespace, Processor, ProcessorOptions, Ref, Tensor,
};
use sdp_dal::error::Kind;
use sdp_dal::log::{self, Level};
use sdp_dal::store::{DeleteMode, ObjectId};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{ArraySource, CallSchema, Elem, Layout, Order, TableSource, TensorSource};

const TOTAL: &str = "total(values: float64[row,chan]) -> (sum: float64[])";
const ORDERED: &str = "ordered(values: float64[row,chan] F) -> (sum: float64[])";
const ROWS: &str = "rows(values: table{name: utf8, flux: float64}) -> (sum: float64[])";

/// A processor of these functions, and a caller of each.
struct Setup {
    store: TestStore,
    namespace: Namespace,
    processor: Processor,
    caller: Caller,
    function: String,
    /// The objects that the function was given.
    seen: Arc<Mutex<Vec<ObjectId>>>,
}

/// Sums up a tensor's elements.
fn sum_of(tensor: &Tensor) -> f64 {
    let layout = tensor.layout();
    let mut sum = 0.0;
    let (rows, columns) = match layout.shape[..] {
        [] => (1, 1),
        [rows] => (rows, 1),
        [rows, columns] => (rows, columns),
        _ => unreachable!("no function here takes more"),
    };
    let stride = |dim: usize| layout.strides.get(dim).copied().unwrap_or(0);
    for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
        let at = tensor.origin() as i64 + row * stride(0) + column * stride(1);
        let at = usize::try_from(at).unwrap();
        sum += f64::from_ne_bytes(tensor.bytes()[at..at + 8].try_into().unwrap());
    }
    sum
}

impl Setup {
    fn new(name: &str, signature: &str) -> Setup {
        let store = TestStore::open(name, 32 << 20);
        let (schema, seen) = (CallSchema::parse(signature).unwrap(), Arc::<Mutex<Vec<ObjectId>>>::default());
        let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
        let notes = seen.clone();
        let function: Function = Arc::new(move |call: &Call| {
            notes.lock().unwrap().push(call.reference(0)?.id());
            let sum = match call.tensor(0) {
                Ok(tensor) => sum_of(&tensor),
                Err(_) => {
                    let table = call.table(0)?;
                    let columns = table.batches().iter().map(|batch| batch.column(1).clone());
                    columns.flat_map(|column| Float64Array::from(column.to_data()).values().to_vec()).sum()
                }
            };
            let layout = Layout::contiguous(Elem::Float64, &[], Order::C, &[]).unwrap();
            call.put_tensor(1, &TensorSource { bytes: &sum.to_ne_bytes(), origin: 0, layout: &layout })
        });
        processor.register(schema.clone(), Some(function)).unwrap();
        processor.start().unwrap();
        let (namespace, function) = (Namespace::new(&store, None), schema.name.clone());
        let caller = Caller::new(&namespace, vec![schema], &CallerOptions::default()).unwrap();
        Setup { store, namespace, processor, caller, function, seen }
    }

    /// Runs what was issued.
    fn run(&self) {
        while self.processor.process(Timeout::Poll).unwrap() {}
    }

    /// Calls the function with a value; its result, and the object that it was given.
    fn call<'a>(&self, value: impl Into<Arg<'a>>) -> (f64, ObjectId) {
        let mut args = Args::new();
        args.push(value);
        let results = self.caller.call(&self.function, &args).unwrap();
        self.run();
        let sum = sum_of(&results.at(0).unwrap().get_tensor(LONG).unwrap());
        (sum, self.seen.lock().unwrap().pop().unwrap())
    }

    /// Puts a tensor of so many elements and this order; a reference to it.
    fn put(&self, order: Order, names: &[&str]) -> Ref {
        let values: Vec<f64> = (0..8192).map(f64::from).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let layout = Layout::contiguous(Elem::Float64, &[128, 64], order, &names).unwrap();
        self.namespace.put_tensor(&TensorSource { bytes: &bytes, origin: 0, layout: &layout }).unwrap()
    }

    fn copied(&self) -> u64 {
        self.store.stat().unwrap().copied
    }
}

const SUM: f64 = 8191.0 * 8192.0 / 2.0;

/// The bytes and the layout of a tensor that is held, as a program describes memory that it has.
fn source(tensor: &Tensor) -> TensorSource<'_> {
    TensorSource { bytes: tensor.bytes(), origin: 0, layout: tensor.layout() }
}

#[test]
fn what_get_gave_is_passed_as_the_object_that_it_is() {
    let setup = Setup::new("passed", TOTAL);
    let reference = setup.put(Order::C, &["row", "chan"]);
    let tensor = reference.get_tensor(LONG).unwrap();
    let before = setup.store.stat().unwrap();
    assert_eq!(setup.call(Arg::Tensor(source(&tensor))), (SUM, reference.id()));
    // Without names, as most libraries have it.
    let mut unnamed = tensor.layout().clone();
    unnamed.names = vec![String::new(); 2];
    let value = TensorSource { layout: &unnamed, ..source(&tensor) };
    assert_eq!(setup.call(Arg::Tensor(value)), (SUM, reference.id()));
    let after = setup.store.stat().unwrap();
    assert_eq!((after.used, after.copied), (before.used, 0));
    // What is elsewhere is copied.
    let elsewhere = tensor.bytes().to_vec();
    let (sum, id) = setup.call(Arg::Tensor(TensorSource { bytes: &elsewhere, ..source(&tensor) }));
    assert_eq!((sum, id == reference.id(), setup.copied()), (SUM, false, 65536));
    setup.store.is_sound();
}

#[test]
fn what_was_written_in_place_is_passed_by_the_address_at_which_it_was_written() {
    let setup = Setup::new("written-and-passed", TOTAL);
    let mut writer = setup.namespace.create_tensor(Elem::Float64, &[128, 64], &[], Order::C, true).unwrap();
    writer.bytes_mut()[..8].copy_from_slice(&5f64.to_ne_bytes());
    let start = writer.data_ptr();
    // SAFETY: the memory stays mapped as long as the store is open, and is not written any more.
    let bytes = unsafe { std::slice::from_raw_parts(start, 65536) };
    let layout = Layout::contiguous(Elem::Float64, &[128, 64], Order::C, &[]).unwrap();
    let value = TensorSource { bytes, origin: 0, layout: &layout };
    let (sum, id) = setup.call(Arg::Tensor(value));
    assert_eq!((sum, setup.copied()), (5.0, 65536), "it is still being written");
    let reference = writer.seal().unwrap();
    assert_ne!(id, reference.id());
    assert_eq!(setup.call(Arg::Tensor(value)), (5.0, reference.id()));
    assert_eq!(setup.copied(), 65536);
}

#[test]
fn what_is_passed_stays_until_the_call_has_ended() {
    let setup = Setup::new("passed-and-dropped", TOTAL);
    let reference = setup.put(Order::C, &[]);
    let tensor = reference.get_tensor(LONG).unwrap();
    let mut args = Args::new();
    args.push(Arg::Tensor(source(&tensor)));
    let results = setup.caller.call("total", &args).unwrap();
    drop(args);
    drop((reference, tensor));
    assert_eq!(setup.store.stat().unwrap().doomed, 0, "it was deleted before the call ran");
    setup.run();
    assert_eq!(sum_of(&results.at(0).unwrap().get_tensor(LONG).unwrap()), SUM);
    assert_eq!(setup.copied(), 0);
    setup.namespace.sweep(10);
    assert_eq!(setup.store.stat().unwrap().used, 0, "it goes with the call");
}

#[test]
fn rows_of_a_batch_and_a_broadcast_pass_it_too() {
    let setup = Setup::new("passed-in-rows", TOTAL);
    let reference = setup.put(Order::C, &[]);
    let tensor = reference.get_tensor(LONG).unwrap();
    let mut row = Args::new();
    row.push(Arg::Tensor(source(&tensor)));
    let rows = vec![row.clone(); 64];
    let results = setup.caller.batch("total", &rows, LONG).unwrap();
    let replies = setup.caller.broadcast("total", &row, LONG).unwrap();
    setup.run();
    let broadcast = replies.iter().flat_map(|reply| reply.results.as_ref().unwrap());
    for result in results.iter().chain(broadcast) {
        assert_eq!(sum_of(&result.at(0).unwrap().get_tensor(LONG).unwrap()), SUM);
    }
    assert_eq!(*setup.seen.lock().unwrap(), [reference.id(); 65]);
    assert_eq!(setup.copied(), 0);
}

#[test]
fn a_put_of_what_is_there_is_a_reference_to_it() {
    let setup = Setup::new("put-again", TOTAL);
    let first = setup.put(Order::F, &["row", "chan"]);
    let used = setup.store.stat().unwrap().used;
    let tensor = first.get_tensor(LONG).unwrap();
    let second = setup.namespace.put_tensor(&source(&tensor)).unwrap();
    assert_eq!((second.id(), second.is_owning()), (first.id(), true));
    assert_eq!(setup.store.stat().unwrap().used, used);
    // Each keeps it, and the last one takes it along.
    drop((first, tensor));
    assert_eq!(sum_of(&second.get_tensor(LONG).unwrap()), SUM);
    drop(second);
    assert_eq!(setup.store.stat().unwrap().used, 0);
    // Under an ID of its own it is a copy.
    let first = setup.put(Order::C, &[]);
    let tensor = first.get_tensor(LONG).unwrap();
    let other = setup.namespace.new_ref(None::<(Elem, Vec<String>)>).unwrap();
    other.put_tensor(&source(&tensor)).unwrap();
    assert_eq!(setup.store.stat().unwrap().used, 2 * used);
    assert_eq!(setup.copied(), 0, "only calls are counted");
}

#[test]
fn what_is_deleted_is_copied() {
    let setup = Setup::new("deleted-and-passed", TOTAL);
    let reference = setup.put(Order::C, &[]);
    let tensor = reference.get_tensor(LONG).unwrap();
    setup.store.delete(&reference.id(), DeleteMode::Now).unwrap();
    let (sum, id) = setup.call(Arg::Tensor(source(&tensor)));
    assert_eq!((sum, id == reference.id(), setup.copied()), (SUM, false, 65536));
}

#[test]
fn the_order_that_is_asked_for_is_made_by_the_one_copy() {
    let setup = Setup::new("passed-in-order", ORDERED);
    for (order, copied) in [(Order::F, 0), (Order::C, 65536)] {
        let reference = setup.put(order, &[]);
        let tensor = reference.get_tensor(LONG).unwrap();
        let (sum, id) = setup.call(Arg::Tensor(source(&tensor)));
        assert_eq!((sum, id == reference.id(), setup.copied()), (SUM, copied == 0, copied), "{order:?}");
    }
}

#[test]
fn an_output_is_not_passed_as_an_input_of_its_own_call() {
    let setup = Setup::new("passed-as-both", TOTAL);
    let reference = setup.put(Order::C, &[]);
    let tensor = reference.get_tensor(LONG).unwrap();
    let both = setup.namespace.borrow(reference.id(), None::<(Elem, Vec<String>)>);
    let mut args = Args::new();
    args.push(Arg::Tensor(source(&tensor)));
    args.push(Arg::Ref(both));
    // It exists: what is asked for is there.
    let results = setup.caller.call("total", &args).unwrap();
    assert_eq!(results.at(0).unwrap().id(), reference.id());
    assert_eq!(setup.copied(), 65536);
}

fn table() -> TableSource {
    let fields = [Field::new("name", DataType::Utf8, false), Field::new("flux", DataType::Float64, false)];
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let names = StringArray::from_iter_values((0..1000).map(|n| format!("source {n}")));
    let flux = Float64Array::from_iter_values((0..1000).map(f64::from));
    let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(names), Arc::new(flux)]).unwrap();
    TableSource::new(schema, vec![batch]).unwrap().split(300)
}

#[test]
fn a_table_that_was_got_is_passed_and_a_part_of_it_copied() {
    let setup = Setup::new("passed-table", ROWS);
    let reference = setup.namespace.put_table(&table()).unwrap();
    let got = reference.get_table(LONG).unwrap();
    let sum = 999.0 * 1000.0 / 2.0;
    assert_eq!(setup.call(Arg::Table(got.content())), (sum, reference.id()));
    assert_eq!(setup.namespace.put_table(got.content()).unwrap().id(), reference.id());
    assert_eq!(setup.copied(), 0);
    // Fewer batches, and rows of them.
    for batches in [got.batches()[1..].to_vec(), vec![got.batches()[0].slice(0, 299)]] {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let before = setup.copied();
        let part = TableSource::new(got.schema().clone(), batches).unwrap();
        let (_, id) = setup.call(Arg::Table(&part));
        assert!(id != reference.id() && setup.copied() > before + 8 * rows as u64);
    }
    // Equal values elsewhere.
    assert_ne!(setup.call(Arg::Table(&table())).1, reference.id());
}

#[test]
fn a_large_copy_is_told_with_its_reason() {
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let setup = Setup::new("told", TOTAL);
    let sink = |level: Level, text: &str| {
        if level == Level::Debug && text.contains("copied 2097152 bytes") {
            TOLD.lock().unwrap().push(text.to_owned());
        }
    };
    log::set(Some(Level::Debug), Some(Arc::new(sink)));
    let large = vec![1.0; 1 << 18];
    let layout = Layout::contiguous(Elem::Float64, &[1 << 9, 1 << 9], Order::C, &[]).unwrap();
    let bytes: Vec<u8> = large.iter().flat_map(|value: &f64| value.to_ne_bytes()).collect();
    setup.call(Arg::Tensor(TensorSource { bytes: &bytes, origin: 0, layout: &layout }));
    let reference = setup.namespace.put(&large).unwrap();
    drop(setup.namespace.put(&vec![1.0; 1 << 17]).unwrap());
    log::set(None, None);
    let told = TOLD.lock().unwrap().clone();
    let expected = [
        "total: parameter 'values': copied 2097152 bytes into the store: its memory is not in this store"
            .to_owned(),
        format!(
            "put of {}: copied 2097152 bytes into the store: its memory is not in this store",
            reference.id()
        ),
    ];
    assert_eq!(told, expected, "a MiB is not told");
}

#[test]
fn what_has_no_names_gets_those_that_are_expected() {
    let setup = Setup::new("passed-names", TOTAL);
    let reference = setup.put(Order::C, &["time", "chan"]);
    let tensor = reference.get_tensor(LONG).unwrap();
    let mut layout = tensor.layout().clone();
    layout.names = vec![String::new(); 2];
    assert_eq!(
        setup.call(Arg::Tensor(TensorSource { layout: &layout, ..source(&tensor) })),
        (SUM, reference.id())
    );
    assert_eq!(setup.copied(), 0);
    // The object's own do not fit, whether it is passed or put.
    let mut args = Args::new();
    args.push(Arg::Tensor(source(&tensor)));
    let refused = setup.caller.call("total", &args).map(drop);
    assert_eq!(refused.unwrap_err().kind(), Kind::InvalidArgument);
}

/// Rows `start..` in steps of `step`, and columns `from..to` in steps of `by`, turned around if that is negative, of a tensor
/// of 128 rows and 64 columns.
fn sliced<'a>(tensor: &'a Tensor, rows: (i64, i64), columns: (i64, i64, i64)) -> (TensorSource<'a>, f64) {
    let ((start, step), (from, to, by)) = (rows, columns);
    let shape = [(128 - start + step - 1) / step, (to - from + by.abs() - 1) / by.abs()];
    let first = if by > 0 { from } else { to - 1 };
    let strides = [64 * 8 * step, 8 * by];
    let sum = (0..shape[0])
        .flat_map(|i| (0..shape[1]).map(move |j| ((start + i * step) * 64 + first + j * by) as f64));
    let layout = Layout::strided(Elem::Float64, &shape, Some(&strides), &[]).unwrap();
    let origin = usize::try_from((start * 64 + first) * 8).unwrap();
    (TensorSource { bytes: tensor.bytes(), origin, layout: Box::leak(Box::new(layout)) }, sum.sum())
}

#[test]
fn slices_are_passed_as_parts() {
    let setup = Setup::new("passed-slices", TOTAL);
    let reference = setup.put(Order::C, &["row", "chan"]);
    let tensor = reference.get_tensor(LONG).unwrap();
    let used = setup.store.stat().unwrap().used;
    for (rows, columns) in
        [((0, 1), (0, 32, 1)), ((100, 1), (0, 64, 1)), ((1, 3), (5, 60, 7)), ((3, 2), (10, 40, -3))]
    {
        let (value, sum) = sliced(&tensor, rows, columns);
        assert_eq!(setup.call(Arg::Tensor(value)), (sum, reference.id()), "{rows:?} {columns:?}");
    }
    // Turned.
    let layout = Layout::strided(Elem::Float64, &[64, 128], Some(&[8, 512]), &[]).unwrap();
    let value = TensorSource { layout: &layout, ..source(&tensor) };
    assert_eq!(setup.call(Arg::Tensor(value)), (SUM, reference.id()));
    // Rows of a batch, each another part.
    let parts: Vec<_> = (0..64).map(|at| sliced(&tensor, (0, 1), (at, at + 1, 1))).collect();
    let rows = parts.iter().map(|(value, _)| {
        let mut row = Args::new();
        row.push(Arg::Tensor(*value));
        row
    });
    let rows: Vec<_> = rows.collect();
    let results = setup.caller.batch("total", &rows, LONG).unwrap();
    setup.run();
    for (result, (_, sum)) in results.iter().zip(&parts) {
        assert_eq!(sum_of(&result.at(0).unwrap().get_tensor(LONG).unwrap()), *sum);
    }
    drop(results);
    setup.namespace.sweep(100);
    assert_eq!((setup.store.stat().unwrap().used, setup.copied()), (used, 0));
    // A part has no ID: what is put has one.
    let (value, _) = sliced(&tensor, (0, 1), (0, 32, 1));
    assert_ne!(setup.namespace.put_tensor(&value).unwrap().id(), reference.id());
    setup.store.is_sound();
}

#[test]
fn a_part_stays_until_the_call_has_ended_and_its_order_may_cost_a_copy() {
    let setup = Setup::new("passed-part-order", ORDERED);
    let reference = setup.put(Order::F, &[]);
    let tensor = reference.get_tensor(LONG).unwrap();
    // Columns of F order are in F order; rows of it are in none.
    let columns = Layout::strided(Elem::Float64, &[128, 8], Some(&[8, 1024]), &[]).unwrap();
    let rows = Layout::strided(Elem::Float64, &[8, 64], Some(&[8, 1024]), &[]).unwrap();
    for (layout, copied) in [(&columns, 0), (&rows, 8 * 64 * 8)] {
        let (_, id) = setup.call(Arg::Tensor(TensorSource { layout, ..source(&tensor) }));
        assert_eq!((id == reference.id(), setup.copied()), (copied == 0, copied));
    }
    let mut args = Args::new();
    args.push(Arg::Tensor(TensorSource { layout: &columns, ..source(&tensor) }));
    let results = setup.caller.call("ordered", &args).unwrap();
    drop(args);
    drop((tensor, reference));
    setup.run();
    assert!(results.at(0).unwrap().get_tensor(LONG).is_ok());
}

#[test]
fn columns_of_tables_and_raw_bytes_are_passed_as_tensors() {
    const LINE: &str = "line(values: float64[row]) -> (sum: float64[])";
    let setup = Setup::new("passed-columns", LINE);
    let flux = Arc::new(Schema::new(vec![Field::new("flux", DataType::Float64, false)]));
    let column = Float64Array::from_iter_values((0..1000).map(f64::from));
    let batch = RecordBatch::try_new(flux.clone(), vec![Arc::new(column)]).unwrap();
    let table = TableSource::new(flux, vec![batch]).unwrap();
    let reference = setup.namespace.put_table(&table).unwrap();
    let got = reference.get_table(LONG).unwrap();
    let column = Float64Array::from(got.batches()[0].column(0).to_data());
    assert_eq!(setup.call(ArraySource::from(&column.values()[..])), (499_500.0, reference.id()));
    assert_eq!(setup.call(ArraySource::from(&column.values()[10..20])), (145.0, reference.id()));

    let bytes: Vec<u8> = (0..1000).flat_map(|n| f64::from(n).to_ne_bytes()).collect();
    let raw = setup.namespace.put_bytes(&bytes, b"").unwrap();
    let buffer = raw.get_buffer(LONG).unwrap();
    let layout = Layout::contiguous(Elem::Float64, &[500], Order::C, &[]).unwrap();
    let value = TensorSource { bytes: buffer.data(), origin: 4000, layout: &layout };
    assert_eq!(setup.call(Arg::Tensor(value)), (374_750.0, raw.id()));
    assert_eq!(setup.copied(), 0);
    // Elements that no type could read in place.
    let value = TensorSource { bytes: &buffer.data()[1..], origin: 0, layout: &layout };
    assert_ne!(setup.call(Arg::Tensor(value)).1, raw.id());
    assert_eq!(setup.copied(), 4000);
}
