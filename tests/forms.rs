//! Forms: functions of one name that differ in element types. Which one a call is for, and who offers it to whom.

mod common;

use std::sync::Arc;

use common::calls::{Place, LONG};
use parking_lot::Mutex;
use sdp_dal::dal::{
    Arg, Args, Call, Caller, CallerOptions, Expectation, Function, FunctionOptions, Namespace, Processor,
    ProcessorOptions, Ref,
};
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::Store;
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{Along, ArraySource, CallSchema, Cell, Elem, Element};

const F32: &str = "scale(x: float32[i], by: int64, w: float32[i]?) -> (y: float32[i])";
const F64: &str = "scale(x: float64[i], by: int64, w: float64[i]?) -> (y: float64[i])";
/// The same function as F64, as another caller may see it.
const TURNED: &str = "scale(by: int64, x: float64[i]) -> (y: float64[i])";

/// A store with a processor of both forms, which notes which of them ran.
struct World {
    processor: Processor,
    ran: Arc<Mutex<Vec<&'static str>>>,
    namespace: Namespace,
    store: Store,
    _place: Place,
}

fn scale<T: Element + Copy + std::ops::Mul<Output = T> + From<f32>>(call: &Call) -> Result<()> {
    let x = call.tensor("x")?;
    let Cell::Int(by) = *call.cell(call.param("by")?)? else { return Err(Error::invalid("no integer")) };
    let by = T::from(f32::from(i16::try_from(by).unwrap()));
    let y: Vec<T> = x.as_slice::<T>()?.iter().map(|x| *x * by).collect();
    call.put("y", &y)
}

fn noted(
    ran: &Arc<Mutex<Vec<&'static str>>>,
    name: &'static str,
    function: fn(&Call) -> Result<()>,
) -> Function {
    let ran = ran.clone();
    Arc::new(move |call: &Call| {
        assert!(call.schema().to_string().contains(name), "{} is no {name}", call.schema());
        ran.lock().push(name);
        function(call)
    })
}

impl World {
    fn new(name: &str, options: FunctionOptions) -> World {
        let place = Place::new(name);
        let store = place.open();
        let ran = Arc::default();
        let processor = both(&store, &ran, options);
        let namespace = Namespace::new(&store, Some(name));
        World { processor, ran, namespace, store, _place: place }
    }

    fn caller(&self, signatures: &[&str]) -> Caller {
        self.try_caller(signatures).unwrap()
    }

    fn try_caller(&self, signatures: &[&str]) -> Result<Caller> {
        let schemas = signatures.iter().map(|signature| CallSchema::parse(signature).unwrap()).collect();
        Caller::new(&self.namespace, schemas, &CallerOptions::default())
    }

    /// Runs what waits, and returns which forms ran.
    fn ran(&self) -> Vec<&'static str> {
        while self.processor.process(Timeout::Poll).unwrap() {}
        std::mem::take(&mut *self.ran.lock())
    }
}

fn both(store: &Store, ran: &Arc<Mutex<Vec<&'static str>>>, options: FunctionOptions) -> Processor {
    let mut processor = Processor::new(store, &ProcessorOptions::default()).unwrap();
    for (signature, function) in
        [(F32, noted(ran, "float32", scale::<f32>)), (F64, noted(ran, "float64", scale::<f64>))]
    {
        processor.register_with(CallSchema::parse(signature).unwrap(), options, Some(function)).unwrap();
    }
    processor.start().unwrap();
    processor
}

fn args<'a>(x: impl Into<Arg<'a>>, by: i64) -> Args<'a> {
    let mut args = Args::new();
    args.set("x", x);
    args.set("by", Arg::Cell(Cell::Int(by)));
    args
}

fn output(caller: &Caller, function: &str, args: &Args<'_>) -> Ref {
    caller.call(function, args).unwrap().get("y").unwrap().unwrap().clone()
}

fn refused(result: Result<impl Sized>) -> (Kind, String) {
    let error = result.err().expect("this is refused");
    (error.kind(), error.message().to_owned())
}

fn elements<T: Element + Copy>(reference: &Ref) -> Vec<T> {
    reference.get_tensor(LONG).unwrap().as_slice::<T>().unwrap().to_vec()
}

#[test]
fn the_types_of_the_arguments_choose_the_form() {
    let world = World::new("choose", FunctionOptions::default());
    let caller = world.caller(&[F32, F64]);
    let (small, large) =
        (output(&caller, "scale", &args(&[1_f32, 2.0], 3)), output(&caller, "scale", &args(&[1_f64], 2)));
    assert_eq!(
        (small.expectation().elem, large.expectation().elem),
        (Some(Elem::Float32), Some(Elem::Float64))
    );
    assert_eq!(world.ran(), ["float32", "float64"]);
    assert_eq!((elements::<f32>(&small), elements::<f64>(&large)), (vec![3.0, 6.0], vec![2.0]));
    // References: of what is there, by ID of what is there, and of what is yet to come.
    let there = world.namespace.put(&[1_f32]).unwrap();
    let untyped = world.namespace.borrow(there.id(), Expectation::default());
    let known = [Arg::Ref(there.clone()), Arg::Ref(untyped), Arg::Cell(Cell::Id(there.id()))];
    let held: Vec<Ref> = known.map(|x| output(&caller, "scale", &args(x, 1))).into();
    assert_eq!(world.ran(), ["float32"; 3]);
    drop(held);
    let unborn = output(&caller, "scale", &args(&[4_f64], 1));
    let last = output(&caller, "scale", &args(&unborn, 2));
    assert_eq!(world.ran(), ["float64", "float64"]);
    assert_eq!(elements::<f64>(&last), [8.0]);
    // An output decides, too, and so does an optional input.
    let given =
        world.namespace.new_ref(Expectation { elem: Some(Elem::Float64), ..Expectation::default() }).unwrap();
    let unknown = world.namespace.new_ref(Expectation::default()).unwrap();
    let mut by_output = args(&unknown, 1);
    by_output.set("y", &given);
    let first = output(&caller, "scale", &by_output);
    let mut by_weight = args(&unknown, 1);
    by_weight.set("w", &[1_f32]);
    let second = output(&caller, "scale", &by_weight);
    assert_eq!(first.id(), given.id());
    assert_eq!(
        (first.expectation().elem, second.expectation().elem),
        (Some(Elem::Float64), Some(Elem::Float32))
    );
}

#[test]
fn what_does_not_choose_is_told_with_all_forms() {
    let world = World::new("told", FunctionOptions::default());
    let caller = world.caller(&[F32, F64]);
    let unknown = world.namespace.new_ref(Expectation::default()).unwrap();
    let (kind, text) = refused(caller.call("scale", &args(&unknown, 1)));
    assert_eq!(kind, Kind::InvalidArgument);
    assert!(
        text.starts_with(
            "scale: the arguments fit more than one form: scale<float32,float32,float32>, \
             scale<float64,float64,float64>. Call one of them by this name"
        ),
        "{text}"
    );
    let mut mixed = args(&[1_f32], 1);
    mixed.set("w", &[1_f64]);
    let (kind, text) = refused(caller.call("scale", &mixed));
    assert_eq!(kind, Kind::InvalidArgument);
    assert_eq!(
        text,
        "scale: the arguments fit no form: scale<float32,float32,float32> ('w' is float64, expected float32[i]), \
         scale<float64,float64,float64> ('x' is float32, expected float64[i])"
    );
    // The name of a form chooses it, whole or in part.
    for name in ["scale<float64>", "scale<float64,float64>", "scale<float64,float64,float64>"] {
        caller.call(name, &args(&unknown, 1)).unwrap();
    }
    let (kind, text) = refused(caller.call("scale<float32>", &args(&[1_f64], 1)));
    assert_eq!(kind, Kind::InvalidArgument);
    assert!(text.contains("('x' is float64, expected float32[i])"), "{text}");
    let (kind, text) = refused(caller.call("scale<int8>", &args(&unknown, 1)));
    assert_eq!(kind, Kind::NotFound);
    assert_eq!(
        text,
        "'scale' has no form <int8>, only: scale<float32,float32,float32>, scale<float64,float64,float64>"
    );
    assert_eq!(
        refused(caller.call("scala", &args(&unknown, 1))).1,
        "this caller has no function 'scala', only: scale"
    );
    // Other mistakes are told as ever.
    let (_, text) = refused(caller.call("scale", &args(&[1_f32], 1 << 40)).and_then(|_| {
        let mut wrong = args(&[1_f32], 1);
        wrong.set("z", Arg::Null);
        caller.call("scale", &wrong)
    }));
    assert!(text.contains("no parameter 'z', only: x, by, w, y"), "{text}");
}

#[test]
fn numbers_choose_by_their_kind_and_typed_ones_by_their_type() {
    use sdp_dal::arrow::array::Float32Array;
    let place = Place::new("numbers");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let forms = ["int8", "int64", "float32", "float64", "utf8"];
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    for form in forms {
        processor.add(&format!("f(x: {form}) -> (y: int8[])"), |_| Ok(())).unwrap();
    }
    processor.start().unwrap();
    let schema = |form| CallSchema::parse(&format!("f(x: {form}) -> (y: int8[])")).unwrap();
    let caller = Caller::new(&namespace, forms.map(schema).to_vec(), &CallerOptions::default()).unwrap();
    let choose = |cell: Cell| {
        let chosen = caller.choose_form("f", &[Arg::Cell(cell), Arg::Missing], 1);
        chosen.map(|place| forms[place]).map_err(|error| error.message().to_owned())
    };
    assert_eq!(choose(Cell::Utf8("text".into())), Ok("utf8"));
    let two = choose(Cell::Int(1)).unwrap_err();
    assert!(two.contains("more than one form: f<int8>, f<int64>. Call"), "{two}");
    // However large it is.
    assert_eq!(choose(Cell::Int(1 << 40)).unwrap_err(), two);
    assert!(choose(Cell::Float(1.5)).unwrap_err().contains("f<float32>, f<float64>. Call"));
    assert_eq!(choose(Cell::Array(Arc::new(Float32Array::from(vec![1.5])))), Ok("float32"));
    let none = choose(Cell::Bool(true)).unwrap_err();
    assert!(none.contains("fit no form: f<int8> ('x' is the bool true, expected int8), f<int64>"), "{none}");
    // A tensor stands for a value of its type.
    let two = [1_f64];
    assert_eq!(caller.choose_form("f", &[Arg::from(&two), Arg::Missing], 1).unwrap(), 3);
    assert_eq!(caller.choose_form("f<int64>", &[Arg::Missing, Arg::Missing], 1).unwrap(), 1);
    assert_eq!(caller.choose_form("f", &[], 0).unwrap(), 0);
    assert_eq!(refused(caller.choose_form("f", &[], 1)).0, Kind::InvalidArgument);
    drop(processor);
}

#[test]
fn the_rows_of_a_batch_have_one_form() {
    let world = World::new("rows", FunctionOptions::default());
    let caller = world.caller(&[F32, F64]);
    let unknown = world.namespace.new_ref(Expectation::default()).unwrap();
    let results =
        caller.batch("scale", &[args(&[1_f64], 1), args(&unknown, 2), args(&[2_f64], 3)], LONG).unwrap();
    let all: Vec<Ref> = results.iter().map(|row| row.at(0).unwrap().clone()).collect();
    assert!(all.iter().all(|output| output.expectation().elem == Some(Elem::Float64)));
    assert_eq!(world.ran(), ["float64", "float64"]);
    assert_eq!(elements::<f64>(&all[2]), [6.0]);
    let (_, text) = refused(caller.batch("scale", &[args(&[1_f64], 1), args(&[1_f32], 2)], LONG));
    assert!(
        text.contains("scale<float32,float32,float32> (row 0: 'x' is float64, expected float32[i])")
            && text.contains("scale<float64,float64,float64> (row 1: 'x' is float32, expected float64[i])"),
        "{text}"
    );
    assert!(caller.batch("scale", &[], LONG).unwrap().is_empty());
    assert_eq!(world.ran(), [""; 0]);
}

#[test]
fn parts_and_what_is_in_the_store_choose_the_form() {
    let world = World::new("parts", FunctionOptions::default());
    let caller = world.caller(&[F32, F64]);
    let whole = world.namespace.put(&[1_f64, 2.0, 3.0, 4.0]).unwrap();
    let half = |start| whole.part(&[Along::Count { start, count: 2, step: 1 }]).unwrap();
    let held = [output(&caller, "scale", &args(half(0), 2)), output(&caller, "scale", &args(half(2), 2))];
    assert_eq!(world.ran(), ["float64", "float64"]);
    assert_eq!((elements::<f64>(&held[0]), elements::<f64>(&held[1])), (vec![2.0, 4.0], vec![6.0, 8.0]));
    let rows = caller.batch("scale", &[args(half(0), 1), args(half(2), 1)], LONG).unwrap();
    assert_eq!(world.ran(), ["float64", "float64"]);
    assert_eq!(elements::<f64>(rows[1].at(0).unwrap()), [3.0, 4.0]);
    // Of what is yet to come, and is known to be.
    let elem = Some(Elem::Float32);
    let later = world.namespace.new_ref(Expectation { elem, ..Expectation::default() }).unwrap();
    let part = later.part(&[Along::Count { start: 1, count: 1, step: 1 }]).unwrap();
    let first = output(&caller, "scale", &args(part, 3));
    later.put_tensor(&ArraySource::from(&[1_f32, 2.0]).source()).unwrap();
    assert_eq!(world.ran(), ["float32"]);
    assert_eq!(elements::<f32>(&first), [6.0]);
    // What was got from the store is passed, not copied.
    let kept = world.namespace.put(&vec![1_f64; 8192]).unwrap();
    let large = kept.get_tensor(LONG).unwrap();
    let copied = world.store.stat().unwrap().copied;
    let second = output(&caller, "scale", &args(large.as_slice::<f64>().unwrap(), 1));
    assert_eq!(world.ran(), ["float64"]);
    assert_eq!((elements::<f64>(&second).len(), world.store.stat().unwrap().copied), (8192, copied));
}

#[test]
fn a_broadcast_has_one_form_at_every_processor() {
    let world = World::new("all", FunctionOptions::default());
    let second = both(&world.store, &world.ran, FunctionOptions::default());
    let caller = world.caller(&[F32, F64]);
    let replies = caller.broadcast("scale", &args(&[2_f32], 2), LONG).unwrap();
    assert_eq!(replies.len(), 2);
    while second.process(Timeout::Poll).unwrap() {}
    assert_eq!(world.ran(), ["float32", "float32"]);
    for reply in &replies {
        assert_eq!(elements::<f32>(reply.results.as_ref().unwrap()[0].at(0).unwrap()), [4.0]);
    }
    let unknown = world.namespace.new_ref(Expectation::default()).unwrap();
    assert!(refused(caller.broadcast("scale", &args(&unknown, 2), LONG)).1.contains("more than one form"));
}

#[test]
fn callers_of_one_form_find_processors_of_several() {
    let world = World::new("find", FunctionOptions::default());
    for (signature, ran) in [(F32, "float32"), (F64, "float64"), (TURNED, "float64")] {
        let caller = world.caller(&[signature]);
        let unknown = world.namespace.new_ref(Expectation::default()).unwrap();
        let held = output(&caller, "scale", &args(&unknown, 1));
        match ran {
            "float32" => unknown.put_tensor(&ArraySource::from(&[1_f32]).source()).unwrap(),
            _ => unknown.put_tensor(&ArraySource::from(&[1_f64]).source()).unwrap(),
        }
        assert_eq!(world.ran(), [ran]);
        drop(held);
        // Of one form, a name with types is still understood.
        let elem = format!("scale<{ran}>");
        caller.call(&elem, &args(&unknown, 1)).unwrap();
        let (kind, text) = refused(caller.call("scale<int8>", &args(&unknown, 1)));
        assert_eq!(kind, Kind::NotFound);
        assert!(text.starts_with("'scale' has no form <int8>: it is scale("), "{text}");
        world.ran();
    }
    let (kind, text) = refused(world.try_caller(&["scale(x: int8[i], by: int64) -> (y: int8[i])"]));
    assert_eq!(kind, Kind::NoProcessor);
    for form in
        ["form 1: parameter 'x' of 'scale' is float32[i]", "form 2: parameter 'x' of 'scale' is float64[i]"]
    {
        assert!(text.contains(form), "{text}");
    }
}

#[test]
fn callers_of_several_forms_need_all_of_them() {
    let place = Place::new("need");
    let store = place.open();
    let ran = Arc::default();
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    processor.register(CallSchema::parse(F64).unwrap(), Some(noted(&ran, "float64", scale::<f64>))).unwrap();
    processor.start().unwrap();
    let namespace = Namespace::new(&store, None);
    let schemas = |texts: &[&str]| texts.iter().map(|text| CallSchema::parse(text).unwrap()).collect();
    let caller = |texts: &[&str]| Caller::new(&namespace, schemas(texts), &CallerOptions::default());
    assert!(caller(&[F64]).is_ok());
    let (kind, text) = refused(caller(&[F32, F64]));
    assert_eq!(kind, Kind::NoProcessor);
    assert!(text.contains("scale: parameter 'x' of 'scale' is float64[i], expected float32[i]"), "{text}");
    // What is no form of the same function is refused.
    for (texts, sentence) in [
        ([F64, F64], "the function 'scale' is given twice: all its types are those of the other form"),
        ([F64, TURNED], "the function 'scale' is given twice: its parameters are by, x, y, but those"),
    ] {
        let (kind, text) = refused(caller(&texts));
        assert_eq!(kind, Kind::InvalidArgument);
        assert!(text.starts_with(sentence), "{text}");
    }
}

#[test]
fn a_form_that_differs_in_more_than_types_is_refused() {
    let place = Place::new("refuse");
    let store = place.open();
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    let mut register =
        |text: &str, options| processor.register_with(CallSchema::parse(text).unwrap(), options, None);
    register(F32, FunctionOptions::default()).unwrap();
    let ordered = FunctionOptions { ordered: true, ..FunctionOptions::default() };
    for (text, options, why) in [
        (F32, FunctionOptions::default(), "all its types are those of the other form"),
        (
            TURNED,
            FunctionOptions::default(),
            "its parameters are by, x, y, but those of the other form are x, by, w, y",
        ),
        (F64, ordered, "it has other options than the other form"),
    ] {
        let (kind, message) = refused(register(text, options));
        assert_eq!(kind, Kind::AlreadyExists);
        assert!(
            message.contains("already has a function 'scale', and this is no further form of it: "),
            "{message}"
        );
        assert!(message.ends_with(why), "{message}");
    }
    register(F64, FunctionOptions::default()).unwrap();
    let third = "scale(x: complex64[i], by: int64, w: float64[i]?) -> (y: complex64[i])";
    register(third, FunctionOptions::default()).unwrap();
}

#[test]
fn all_forms_of_an_ordered_function_keep_one_order() {
    let world = World::new("order", FunctionOptions { ordered: true, ..FunctionOptions::default() });
    let caller = world.caller(&[F32, F64]);
    let late =
        world.namespace.new_ref(Expectation { elem: Some(Elem::Float64), ..Expectation::default() }).unwrap();
    let first = output(&caller, "scale", &args(&late, 1));
    let second = output(&caller, "scale", &args(&[1_f32], 1));
    assert_eq!(world.ran(), [""; 0], "the second must wait for the first");
    late.put_tensor(&ArraySource::from(&[1_f64]).source()).unwrap();
    assert_eq!(world.ran(), ["float64", "float32"]);
    drop((first, second));
}

#[test]
fn the_forms_of_a_function_wait_for_each_other() {
    let place = Place::new("turns");
    let store = place.open();
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    for form in [F32, F64] {
        processor.register(CallSchema::parse(form).unwrap(), None).unwrap();
    }
    processor.start().unwrap();
    let namespace = Namespace::new(&store, None);
    let schemas = [F32, F64].map(|form| CallSchema::parse(form).unwrap()).to_vec();
    let caller = Caller::new(&namespace, schemas, &CallerOptions::default()).unwrap();
    let held = [output(&caller, "scale", &args(&[1_f32], 1)), output(&caller, "scale", &args(&[1_f64], 1))];
    let first = processor.next(LONG).unwrap();
    assert_eq!((first.function_index(), refused(processor.next(Timeout::Poll)).0), (0, Kind::Timeout));
    drop(first);
    let second = processor.next(LONG).unwrap();
    assert_eq!((second.function_index(), second.schema().to_string().as_str()), (1, F64));
    drop((second, held));
}
