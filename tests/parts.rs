//! References to parts of tensors: as values, as inputs of calls, passed on, and what becomes of them.

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::calls::{bytes, values, Place, LONG};
use sdp_dal::dal::{
    import, Arg, Args, Call, Caller, CallerOptions, Function, Namespace, Processor, ProcessorOptions, Ref,
};
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::{DeleteMode, Store};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{CallSchema, Cell, Elem, Layout, Order, Part, TensorSource};

const SUM: &str = "sum(x: int64[i]) -> (y: int64[k=1], where: int64[k=1])";
const SUM_C: &str = "sum_c(x: int64[i,j] C) -> (y: int64[n])";
const OTHER: &str = "f(x: id, t: table?, z: float64[i]?) -> (y: int64[k=1])";
const PASS: &str = "pass_on(x: oid) -> (y: int64[k=1])";

fn part(text: &str) -> Part {
    text.parse().unwrap()
}

fn of(whole: &Ref, text: &str) -> Ref {
    whole.part_of(&part(text)).unwrap()
}

fn put(namespace: &Namespace, shape: &[i64], names: &[&str]) -> Ref {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let layout = Layout::contiguous(Elem::Int64, shape, Order::C, &names).unwrap();
    let data: Vec<i64> = (0..i64::try_from(layout.len()).unwrap()).collect();
    let data = bytes(&data);
    namespace.put_tensor(&TensorSource { bytes: &data, origin: 0, layout: &layout }).unwrap()
}

/// All elements in C order.
fn elements(reference: &Ref) -> Vec<i64> {
    let tensor = reference.get_tensor(LONG).unwrap();
    tensor.view::<i64, ndarray::IxDyn>().unwrap().iter().copied().collect()
}

/// The sum of a vector of any stride, and where its first element lies in the object's data.
fn sum(call: &Call) -> Result<()> {
    let x = call.tensor(0)?;
    let all = x.view::<i64, ndarray::Ix1>()?;
    let first = x.bytes().as_ptr() as usize + x.origin() - x.buffer().data().as_ptr() as usize;
    let put = |param: usize, value: i64| {
        let mut writer = call.create_tensor(param, &[1], Order::C, false)?;
        writer.bytes_mut().copy_from_slice(&bytes(&[value]));
        writer.seal().map(drop)
    };
    put(1, all.sum())?;
    put(2, i64::try_from(first).unwrap())
}

/// What it got, in C order.
fn sum_c(call: &Call) -> Result<()> {
    let x = call.tensor(0)?;
    assert!(x.layout().is_contiguous(Order::C));
    let all: Vec<i64> = x.as_slice::<i64>()?.to_vec();
    let mut writer = call.create_tensor(1, &[i64::try_from(all.len()).unwrap()], Order::C, false)?;
    writer.bytes_mut().copy_from_slice(&bytes(&all));
    writer.seal().map(drop)
}

fn processor(store: &Store) -> Processor {
    let mut processor = Processor::new(store, &ProcessorOptions::default()).unwrap();
    let mut add = |signature: &str, function: Function| {
        processor.register(CallSchema::parse(signature).unwrap(), Some(function)).unwrap();
    };
    add(SUM, Arc::new(sum));
    add(SUM_C, Arc::new(sum_c));
    add(OTHER, Arc::new(|_: &Call| Ok(())));
    let calling = store.clone();
    add(
        PASS,
        Arc::new(move |call: &Call| {
            // The part that came is passed to another call, of which a part is taken.
            let inner = call.reference(0)?;
            assert_eq!(inner.as_part().unwrap().to_string(), "[2:12]");
            let x = call.tensor(0)?.view::<i64, ndarray::Ix1>()?.sum();
            let namespace = Namespace::new(&calling, None);
            let caller = caller(&namespace, &[SUM]);
            let result = call_one(&caller, "sum", of(&inner, "[::-2]"));
            let y = caller_sum(&result);
            let mut writer = call.create_tensor(1, &[1], Order::C, false)?;
            writer.bytes_mut().copy_from_slice(&bytes(&[x * 1000 + y]));
            writer.seal().map(drop)
        }),
    );
    processor.start().unwrap();
    processor
}

fn caller(namespace: &Namespace, signatures: &[&str]) -> Caller {
    let schemas = signatures.iter().map(|text| CallSchema::parse(text).unwrap()).collect();
    Caller::new(namespace, schemas, &CallerOptions::default()).unwrap()
}

fn call_one(caller: &Caller, function: &str, x: Ref) -> Ref {
    let mut args = Args::new();
    args.push(x);
    caller.call(function, &args).unwrap().at(0).unwrap().clone()
}

fn caller_sum(y: &Ref) -> i64 {
    y.get_tensor(LONG).map_or_else(|error| panic!("{error}"), |y| values(y.bytes())[0])
}

fn run(processor: &Processor) {
    while processor.process(Timeout::Poll).unwrap() {}
}

#[test]
fn a_part_is_a_tensor_over_the_same_bytes() {
    let place = Place::new("same");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let whole = put(&namespace, &[4, 6], &["row", "chan"]);
    let used = store.stat().unwrap().used;
    let tensor = whole.get_tensor(LONG).unwrap();
    for (text, shape, strides, expected) in [
        ("[1]", &[6][..], &[8][..], vec![6, 7, 8, 9, 10, 11]),
        ("[:, 2:4]", &[4, 2], &[48, 8], vec![2, 3, 8, 9, 14, 15, 20, 21]),
        ("[::-2, -1]", &[2], &[-96], vec![23, 11]),
        ("[..., ::-3]", &[4, 2], &[48, -24], vec![5, 2, 11, 8, 17, 14, 23, 20]),
        ("[1:3, 4:][::-1, 1]", &[2], &[-48], vec![17, 11]),
        ("[3:1]", &[0, 6], &[48, 8], vec![]),
        ("[1, 2]", &[], &[], vec![8]),
    ] {
        let part = of(&whole, text);
        let got = part.get_tensor(LONG).unwrap();
        assert_eq!((&got.layout().shape[..], &got.layout().strides[..]), (shape, strides), "{text}");
        assert_eq!(elements(&part), expected, "{text}");
        assert_eq!(got.buffer().key(), tensor.buffer().key());
        assert_eq!(part.id(), whole.id());
        assert!(tensor.bytes().as_ptr_range().contains(&got.bytes().as_ptr()) || expected.is_empty());
        // The same bytes, if they lie side by side; else told how they lie.
        match got.layout().order() {
            Some(_) => assert_eq!(got.as_slice::<i64>().unwrap(), expected),
            None => assert!(got.as_slice::<i64>().unwrap_err().message().contains("do not lie side by side")),
        }
    }
    assert_eq!(of(&whole, "[:, 0]").expectation().names.as_deref(), Some(&["row".to_owned()][..]));
    assert_eq!(store.stat().unwrap().used, used);
    let told = |text: &str| whole.part_of(&part(text)).err().unwrap().message().to_owned();
    assert!(
        told("[4]").contains("dimension 0 ('row'): index 4 is out of range: it has size 4"),
        "{}",
        told("[4]")
    );
    assert!(told("[0, 0, 0]").contains("it has 3 dimensions, but the tensor has 2"));
    assert!(told("[:, 3+:4]").contains("so there are no 4 elements from 3 on"));
}

#[test]
fn a_part_of_what_does_not_exist_yet_waits_for_the_whole() {
    let place = Place::new("unborn");
    let store = place.open();
    let processor = processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SUM]);
    let unborn = namespace.new_ref(Some((Elem::Int64, vec!["i".to_owned()]))).unwrap();
    assert!(unborn.part_of(&part("[0, 0]")).err().unwrap().message().contains("has 2 dimensions"));
    let block = of(&unborn, "[4:8]");
    assert!(!block.exists().unwrap());
    assert_eq!(block.get_tensor(Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
    let results =
        [of(&block, "[::2]"), of(&unborn, "[100+:1]"), unborn.clone()].map(|x| call_one(&caller, "sum", x));
    run(&processor);
    assert!(!results[0].exists().unwrap());
    let layout = Layout::contiguous(Elem::Int64, &[20], Order::C, &[]).unwrap();
    let data = bytes(&(0..20).collect::<Vec<_>>());
    unborn.put_tensor(&TensorSource { bytes: &data, origin: 0, layout: &layout }).unwrap();
    assert!(block.exists().unwrap());
    assert_eq!(elements(&block), [4, 5, 6, 7]);
    run(&processor);
    assert_eq!(caller_sum(&results[0]), 4 + 6);
    assert_eq!(caller_sum(&results[2]), 190);
    let wrong = results[1].get_tensor(LONG).err().unwrap();
    assert!(wrong.message().contains("'x'") && wrong.message().contains("[100+:1]"), "{wrong}");
    assert!(wrong.message().contains("it has size 20"), "{wrong}");
}

#[test]
fn sixty_four_parts_are_the_rows_of_one_batch() {
    let place = Place::new("batch");
    let store = place.open();
    let processor = processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SUM]);
    let whole = put(&namespace, &[64, 100], &[]);
    let row = |x: Ref| {
        let mut args = Args::new();
        args.push(x);
        args
    };
    // A column each, and among them the whole of another tensor and the same one again.
    let vector = put(&namespace, &[50], &[]);
    let mut rows: Vec<_> = (0..64).map(|chan| row(of(&whole, &format!("[:, {chan}]")))).collect();
    rows.insert(10, row(vector.clone()));
    rows.insert(20, row(of(&vector, "[25:]")));
    rows.insert(21, row(vector.clone()));
    let used = store.stat().unwrap().used;
    let results = caller.batch("sum", &rows, LONG).unwrap();
    run(&processor);
    let used = store.stat().unwrap().used - used;
    assert!(used < 50_000, "{used} bytes more for the outputs of 67 rows and their call");
    let mut chan = 0;
    for (nth, results) in results.iter().enumerate() {
        let (y, at) = (caller_sum(results.at(0).unwrap()), caller_sum(results.at(1).unwrap()));
        match nth {
            10 | 21 => assert_eq!(y, 49 * 50 / 2),
            20 => assert_eq!(y, (25..50).sum::<i64>()),
            _ => {
                let body = at - 8 * chan;
                assert!(body > 0 && body % 64 == 0, "the element lies in the whole");
                assert_eq!(y, (0..64).map(|row| row * 100 + chan).sum::<i64>());
                chan += 1;
            }
        }
    }
    // The same to every processor.
    let replies = caller.broadcast("sum", &row(of(&vector, "[::-1][:10]")), LONG).unwrap();
    run(&processor);
    for reply in replies {
        assert_eq!(caller_sum(reply.results.unwrap()[0].at(0).unwrap()), (40..50).sum::<i64>());
    }
}

#[test]
fn a_parameter_in_an_order_gets_a_copy_of_a_part_that_has_another() {
    let place = Place::new("order");
    let store = place.open();
    let processor = processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[SUM_C]);
    let whole = put(&namespace, &[4, 6], &[]);
    for (text, expected) in [
        ("[1:3]", (6..18).collect::<Vec<i64>>()),
        ("[1:3, 1:3]", vec![7, 8, 13, 14]),
        ("[::-1, ::5]", vec![18, 23, 12, 17, 6, 11, 0, 5]),
        ("@64 int64 [2,2] (8,48)", vec![]),
    ] {
        // A layout of its own needs to know where the elements lie: behind the header.
        let body = whole.get_tensor(LONG).unwrap();
        let body = body.bytes().as_ptr() as usize - body.buffer().data().as_ptr() as usize;
        let text = text.replace("@64", &format!("@{body}"));
        let result = call_one(&caller, "sum_c", of(&whole, &text));
        run(&processor);
        let found = elements(&result);
        assert_eq!(found, if expected.is_empty() { vec![0, 6, 1, 7] } else { expected }, "{text}");
    }
}

#[test]
fn a_part_is_passed_on_by_what_receives_it() {
    let place = Place::new("passed");
    let store = place.open();
    let processor = Arc::new(processor(&store));
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[PASS]);
    let whole = put(&namespace, &[20], &[]);
    let result = call_one(&caller, "pass_on", of(&whole, "[2:12]"));
    // One thread waits in the function for the call that the other one runs.
    let work = |processor: Arc<Processor>, result: Ref| {
        while !result.exists().unwrap() {
            let _ = processor.process(Timeout::After(Duration::from_millis(5)));
        }
    };
    let (other, theirs) = (processor.clone(), result.clone());
    let helping = std::thread::spawn(move || work(other, theirs));
    work(processor, result.clone());
    helping.join().unwrap();
    let x: i64 = (2..12).sum();
    assert_eq!(caller_sum(&result), x * 1000 + 11 + 9 + 7 + 5 + 3);
}

#[test]
fn a_part_is_exported_and_imported_as_one() {
    let place = Place::new("export");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let whole = put(&namespace, &[4, 6], &["row", "a b:c,d\""]);
    let block = of(&whole, "[1:3, ::-1]");
    let text = block.export().unwrap();
    let (here, there) = (namespace.import(&text).unwrap(), import(&text).unwrap());
    drop((whole, block));
    for part in [here, there] {
        assert_eq!(part.as_part().unwrap().to_string(), "[1:3, ::-1]");
        assert_eq!(elements(&part), [11, 10, 9, 8, 7, 6, 17, 16, 15, 14, 13, 12]);
        assert_eq!(elements(&part.whole()), (0..24).collect::<Vec<_>>());
    }
    for end in 0..text.rfind(":/").unwrap() {
        assert_eq!(import(&text[..end]).err().unwrap().kind(), Kind::InvalidArgument, "{}", &text[..end]);
    }
}

#[test]
fn a_part_keeps_the_whole_and_ends_with_it() {
    let place = Place::new("keeps");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let whole = put(&namespace, &[10], &[]);
    let id = whole.id();
    let block = of(&whole, "[2:4]");
    drop(whole);
    assert_eq!(elements(&block), [2, 3]);
    assert!(block.is_owning());
    let held = block.get_tensor(LONG).unwrap();
    store.delete(&id, DeleteMode::Now).unwrap();
    assert_eq!(block.get_tensor(LONG).err().unwrap().kind(), Kind::ObjectDeleted);
    assert_eq!(held.as_slice::<i64>().unwrap(), [2, 3]);
    let whole = put(&namespace, &[10], &[]);
    let (id, block) = (whole.id(), of(&whole, "[2:4]"));
    drop((whole, block));
    assert!(store.info(&id).is_err());
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn what_a_part_cannot_do_is_told() {
    let place = Place::new("cannot");
    let store = place.open();
    let _processor = processor(&store);
    let namespace = Namespace::new(&store, None);
    let caller = caller(&namespace, &[OTHER]);
    let whole = put(&namespace, &[10], &[]);
    let block = of(&whole, "[2:4]");
    let told = |error: Error| {
        assert_eq!(error.kind(), Kind::InvalidArgument, "{error}");
        assert!(error.message().contains("[2:4]") || error.message().contains("int64"), "{error}");
        error.message().to_owned()
    };
    assert!(told(block.disown().unwrap_err()).contains("disown the reference to the whole"));
    let layout = Layout::contiguous(Elem::Int64, &[2], Order::C, &[]).unwrap();
    let data = bytes(&[1, 2]);
    let value = TensorSource { bytes: &data, origin: 0, layout: &layout };
    assert!(told(block.put_tensor(&value).unwrap_err()).contains("a part cannot be written"));
    assert!(told(block.put_bytes(&[], &[]).unwrap_err()).contains("a part cannot be written"));
    assert!(told(block.get_table(LONG).err().unwrap()).contains("read as a tensor"));
    let call = |name: &str, value: Ref| {
        let mut args = Args::new();
        args.set("x", Arg::Cell(Cell::Id(whole.id())));
        args.set(name, value);
        told(caller.call("f", &args).err().unwrap())
    };
    assert!(call("x", block.clone()).contains("expected an ID"));
    assert!(call("t", block.clone()).contains("expected a table"));
    assert!(call("y", block.clone()).contains("this is an output"));
    assert!(call("z", block.clone()).contains("expected float64[i]"));
    let table = namespace.new_ref(sdp_dal::dal::ExpectedTable::Any).unwrap();
    assert!(table.part_of(&part("[0]")).err().unwrap().message().contains("only tensors have parts"));
    let raw = namespace.put_bytes(b"abc", b"other").unwrap();
    assert_eq!(of(&raw, "[0]").get_tensor(LONG).err().unwrap().kind(), Kind::Corrupt);
    assert_eq!(of(&raw, "@1 int8 [2] (1)").get_tensor(LONG).unwrap().bytes(), b"bc");
    let long = of(&raw, "@1 int8 [3] (1)").get_tensor(LONG).err().unwrap();
    assert!(long.message().contains("reaches from byte 1 to byte 4"), "{long}");
}

// ---- deaths ---------------------------------------------------------------------------------------------------------

/// What a child process does.
const ROLE: &str = "SDP_DAL_TEST_ROLE";
const TEXT: &str = "SDP_DAL_TEST_TEXT";

/// A child that has said that it is ready. It is killed when this goes.
struct Running(Child);

impl Running {
    fn start(role: &str, text: &str) -> Running {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture"])
            .envs([(ROLE, role), (TEXT, text)])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let running = Running(child);
        let ready = lines.map_while(std::result::Result::ok).any(|line| line.contains("is ready"));
        assert!(ready, "the child '{role}' ended before it was ready");
        running
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test of its own: what the children run.
#[test]
fn child() {
    let (Ok(role), Ok(text)) = (std::env::var(ROLE), std::env::var(TEXT)) else { return };
    let forever = Duration::from_secs(600);
    match role.as_str() {
        "holder" => {
            let part = import(&text).unwrap();
            let held = part.get_tensor(LONG).unwrap();
            assert_eq!(held.layout().shape, [3]);
            println!("the holder is ready");
            std::thread::sleep(forever);
        }
        "visitor" => {
            let options = sdp_dal::store::StoreOptions::default();
            let _store = Store::open(std::path::Path::new(&text), &options).unwrap();
            println!("the visitor is ready");
        }
        // Dies in the function that is to make a tensor of which another process has a part.
        "maker" => {
            let options = sdp_dal::store::StoreOptions::default();
            let store = Store::open(std::path::Path::new(&text), &options).unwrap();
            let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
            let dies: Function = Arc::new(|_: &Call| std::process::abort());
            processor.register(CallSchema::parse("make() -> (y: int64[i])").unwrap(), Some(dies)).unwrap();
            processor.start().unwrap();
            println!("the maker is ready");
            let _ = processor.process(Timeout::After(forever));
        }
        other => panic!("no role '{other}'"),
    }
}

#[test]
fn the_death_of_a_holder_of_a_part_leaves_nothing() {
    let place = Place::new("holder");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    namespace.prefix().unwrap();
    let before = store.stat().unwrap().objects;
    let whole = put(&namespace, &[10], &[]);
    let (id, block) = (whole.id(), of(&whole, "[2:8:2]"));
    let holder = Running::start("holder", &block.export().unwrap());
    drop((whole, block));
    // The other process keeps the whole by its part alone.
    assert!(store.info(&id).is_ok());
    let borrowed = of(&namespace.borrow(id, None), "[::-4]");
    assert_eq!(elements(&borrowed), [9, 5, 1]);
    holder.kill();
    // A client that attaches reaps the crashed ones.
    drop(Running::start("visitor", place.path.to_str().unwrap()));
    let gone = std::time::Instant::now() + Duration::from_secs(30);
    while store.info(&id).is_ok() {
        assert!(std::time::Instant::now() < gone, "the whole outlives the last holder of its parts");
        assert!(store.check().unwrap().is_empty());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(store.stat().unwrap().objects, before);
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn the_death_of_a_maker_reaches_who_waits_for_a_part() {
    let place = Place::new("maker");
    let store = place.open();
    let processor = processor(&store);
    let namespace = Namespace::new(&store, None);
    let maker = Running::start("maker", place.path.to_str().unwrap());
    let making = caller(&namespace, &["make() -> (y: int64[i])"]);
    let y = making.call("make", &Args::new()).unwrap().at(0).unwrap().clone();
    let block = of(&y, "[2:4]");
    // A call of another processor takes the part before there is a whole.
    let summing = caller(&namespace, &[SUM]);
    let result = call_one(&summing, "sum", block.clone());
    assert_eq!(block.get_tensor(LONG).err().unwrap().kind(), Kind::ProcessorLost);
    while result.wait(Timeout::Poll).is_err_and(|error| error.kind() == Kind::Timeout) {
        let _ = processor.process(Timeout::After(Duration::from_millis(50)));
    }
    assert!(result.wait(Timeout::Poll).is_err());
    drop((maker, y, block, result));
    assert!(store.check().unwrap().is_empty());
}
