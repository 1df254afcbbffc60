//! `call`, `wait` and `namespaces`: processors as the command line sees them.

mod common;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use sdp_dal::dal::{Call, Namespace, Processor, ProcessorOptions};
use sdp_dal::error::{Error, Kind};
use sdp_dal::store::{Create, Store};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{Elem, Layout, Order, TensorSource};
use serde_json::{json, Value};

use common::{bytes, floats, id, put, run, until, Place, Running, Worker};

/// A folder that goes at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("sdp-dal-cli-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A `.npy` file of version 1 as NumPy writes it.
fn npy(descr: &str, shape: &str, body: &[u8]) -> Vec<u8> {
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    while (text.len() + 11) % 64 != 0 {
        text.push(' ');
    }
    text.push('\n');
    let length = u16::try_from(text.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\0", &length[..], text.as_bytes(), body].concat()
}

#[test]
fn a_function_is_called_with_numbers() {
    let place = Place::new("call");
    let store = place.make();
    let _worker = Worker::start(&place, "Adder");
    let ended = place.run("call", &["add", "x=1.5", "ys=[1, 2, 3]"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.out, "zs: float64[i=3]\n  [2.5, 3.5, 4.5]\n");
    let made: Value =
        serde_json::from_str(&place.run("call", &["add", "x=1", "ys=[4]", "--json"]).out).unwrap();
    assert_eq!(made["zs"]["first"], "[5.0]");
    assert_eq!(made["zs"]["elem"], "float64");

    // An object that is there, by the beginning of its ID.
    let namespace = Namespace::new(&store, None);
    let layout = Layout::contiguous(Elem::Float64, &[2], Order::C, &[String::new()]).unwrap();
    let data = bytes(&[7.0, 8.0]);
    let ys = namespace.put_tensor(&TensorSource { bytes: &data, origin: 0, layout: &layout }).unwrap();
    let ended = place.run("call", &["add", "x=1", &format!("ys=id:{}", ys.id())]);
    assert_eq!((ended.code, ended.out.contains("[8.0, 9.0]")), (Some(0), true), "{}", ended.err);

    // The function's error is a sentence.
    let failed = place.run("call", &["add", "x=-1", "ys=[1]"]);
    assert_eq!(failed.code, Some(1));
    assert!(failed.err.contains("it must not be negative"), "{}", failed.err);
    // Nothing is left behind but the declarations and our tensor.
    drop((ys, namespace));
    until("nothing is left", || place.json("ls", &[]).as_array().unwrap().len() == 1);
    assert_eq!(place.json("check", &[])["sound"], true);
}

#[test]
fn tensors_come_from_files_and_go_to_files() {
    let place = Place::new("files");
    let _store = place.make();
    let _worker = Worker::start(&place, "Adder");
    let folder = Folder::new("files");
    let (ys, zs) = (folder.file("ys.npy"), folder.file("zs.npy"));
    std::fs::write(&ys, npy("<f8", "(2,)", &bytes(&[1.0, 2.0]))).unwrap();
    let ended = place.run("call", &["add", "x=1", &format!("ys=@{ys}"), "-o", &zs]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains(&zs), "{}", ended.out);
    assert_eq!(std::fs::read(&zs).unwrap(), npy("<f8", "(2,)", &bytes(&[2.0, 3.0])));
    // What was written can be read, by the name of the output, too.
    let named = format!("zs={}", folder.file("again.npy"));
    let ended = place.run("call", &["add", "x=1", &format!("ys=@{zs}"), "-o", &named]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let again = std::fs::read(folder.file("again.npy")).unwrap();
    assert_eq!(floats(&again[again.len() - 16..]), [3.0, 4.0]);

    std::fs::write(&ys, npy("<i8", "(2,)", &[0; 16])).unwrap();
    let wrong = place.run("call", &["add", "x=1", &format!("ys=@{ys}")]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("int64") && wrong.err.contains("float64"), "{}", wrong.err);
}

const FORMS: [&str; 2] = [
    "double(x: float32[i], n: int64?) -> (y: float32[i])",
    "double(x: float64[i], n: int64?) -> (y: float64[i])",
];

/// Offers both forms until it is dropped.
struct Doubler(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Doubler {
    fn start(store: &Store) -> Doubler {
        let mut processor = Processor::new(store, &ProcessorOptions::default()).unwrap();
        let double = |call: &Call| {
            let x = call.tensor("x")?;
            match x.as_slice::<f32>() {
                Ok(x) => call.put("y", &x.iter().map(|x| 2.0 * x).collect::<Vec<_>>()),
                Err(_) => call.put("y", &x.as_slice::<f64>()?.iter().map(|x| 2.0 * x).collect::<Vec<_>>()),
            }
        };
        FORMS.iter().for_each(|form| processor.add(form, double).unwrap());
        processor.start().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                let _ = processor.process(Timeout::After(Duration::from_millis(20)));
            }
        });
        Doubler(stop, Some(thread))
    }
}

impl Drop for Doubler {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        self.1.take().map(JoinHandle::join);
    }
}

#[test]
fn the_form_of_a_function_is_chosen_by_files_objects_and_names() {
    let place = Place::new("forms");
    let store = place.make();
    let _doubler = Doubler::start(&store);
    let folder = Folder::new("forms");
    let (small, large) = (folder.file("small.npy"), folder.file("large.npy"));
    std::fs::write(&small, npy("<f4", "(1,)", &3_f32.to_le_bytes())).unwrap();
    std::fs::write(&large, npy("<f8", "(1,)", &bytes(&[4.0]))).unwrap();
    let namespace = Namespace::new(&store, None);
    let there = namespace.put(&[5_f32]).unwrap();
    let id = format!("x=id:{}", there.id());
    for (function, x, shown) in [
        ("double", format!("x=@{small}"), "y: float32[i=1]\n  [6.0]\n"),
        ("double", format!("x=@{large}"), "y: float64[i=1]\n  [8.0]\n"),
        ("double", id, "y: float32[i=1]\n  [10.0]\n"),
        ("double<float32>", "x=[1]".to_owned(), "y: float32[i=1]\n  [2.0]\n"),
        ("double<float64,float64>", "x=[1]".to_owned(), "y: float64[i=1]\n  [2.0]\n"),
    ] {
        let ended = place.run("call", &[function, &x, "n=1"]);
        assert_eq!((ended.code, ended.out.as_str()), (Some(0), shown), "{function} {x}: {}", ended.err);
    }
    for (arguments, sentence) in [
        (
            vec!["double", "x=[1]"],
            "double<float32,float32>, double<float64,float64>. Call one of them by this name",
        ),
        (
            vec!["double<int8>", "x=[1]"],
            "offered functions: double<float32,float32>, double<float64,float64>",
        ),
        (vec!["double<float64>", &format!("x=@{small}")], "found float32[?], expected float64[i]"),
        (vec!["double", "x=[a]"], "'a' is not a value of type float32"),
    ] {
        let ended = place.run("call", &arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(sentence), "{arguments:?}: {}", ended.err);
    }
    let listed = place.run("namespaces", &["--long"]);
    assert!(listed.out.contains("double<float32,float32>, double<float64,float64>"), "{}", listed.out);
    assert!(FORMS.iter().all(|form| listed.out.contains(form)), "{}", listed.out);
    let declared = place.run("show", &[&"0".repeat(40)]);
    assert!(declared.out.contains("1 function in 2 forms"), "{}", declared.out);
}

#[test]
fn wrong_calls_say_what_is_wrong() {
    let place = Place::new("wrong");
    let _store = place.make();
    let nobody = place.run("call", &["add"]);
    assert_eq!(nobody.code, Some(2));
    assert!(nobody.err.contains("no processor offers 'add'; offered functions: none"), "{}", nobody.err);
    let _worker = Worker::start(&place, "Adder");
    for (arguments, sentence) in [
        (vec!["subtract"], "offered functions: add"),
        (vec!["add", "x=1"], "'ys'"),
        (vec!["add", "x=a", "ys=[1]"], "'a' is not a value of type float64"),
        (vec!["add", "x=1", "ys=[1,a]"], "'a' is not a value of type float64"),
        (vec!["add", "x=1", "ys=[[1],[2,3]]"], "different lengths"),
        (vec!["add", "x=1", "ys=@/nowhere/x.npy"], "/nowhere/x.npy cannot be read"),
        (vec!["add", "x=1", "ys=id:ff"], "no object whose ID starts with ff"),
        (vec!["add", "x=1", "z=2"], "no parameter 'z', only: x, ys, zs"),
        (vec!["add", "x=1", "x=2"], "given twice"),
        (vec!["add", "x=1", "ys=[1]", "--processor", "ff"], "with prefix ff"),
        (vec!["add", "x=1", "ys=[1]", "--processor", "f"], "'f' is not a prefix"),
        (vec!["add", "x=null", "ys=[1]"], "'null' is not a value of type float64"),
    ] {
        let ended = place.run("call", &arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(sentence), "{arguments:?}: {}", ended.err);
    }
}

#[test]
fn a_cancelled_call_leaves_nothing() {
    let place = Place::new("cancel");
    let store = place.make();
    let folder = Folder::new("cancel");
    let gate = PathBuf::from(folder.file("gate"));
    let worker = Worker::gated(&place, "Adder", Some(&gate));
    // The first one is taken and runs, the second one is queued.
    let calling = Running::on(&place, "call", &["add", "x=1", "ys=[1]"]);
    until("the call is taken", || store.list(&[]).unwrap().iter().any(|info| info.claimed));
    let queued = Running::on(&place, "call", &["add", "x=2", "ys=[1]"]);
    until("both are queued", || store.namespaces().unwrap().iter().any(|space| space.queued == 2));
    let late = place.run("call", &["add", "x=3", "ys=[1]", "--timeout", "0.2"]);
    assert_eq!(
        (late.code, late.err.contains("did not come before the timeout")),
        (Some(1), true),
        "{}",
        late.err
    );
    for running in [queued, calling] {
        running.signal("INT");
        let ended = running.end();
        assert_eq!((ended.code, ended.out.as_str()), (Some(130), ""));
        assert!(ended.err.contains("add was cancelled"), "{}", ended.err);
    }
    std::fs::write(&gate, "").unwrap();
    // Only the processor's declaration stays.
    until("nothing is left", || store.list(&[]).unwrap().len() == 1);
    // And it goes on.
    assert_eq!(place.run("call", &["add", "x=1", "ys=[1]"]).code, Some(0));
    drop(worker);
}

#[test]
fn wait_waits_for_the_store_and_processors() {
    let place = Place::new("wait");
    let early = place.run("wait", &["--processor", "Adder", "--timeout", "0.1"]);
    assert_eq!(early.code, Some(1));
    assert!(early.err.contains("there is no store at"), "{}", early.err);
    assert!(!place.0.exists());
    let waiting = Running::on(&place, "wait", &["--processor", "Adder", "--function", "add", "--count", "2"]);
    let _store = place.make();
    let _first = Worker::start(&place, "Adder");
    let one = place.run("wait", &["--processor", "Adder", "--count", "2", "--timeout", "0"]);
    assert_eq!(one.code, Some(1));
    assert!(one.err.contains("1 processor 'Adder' in") && one.err.contains("expected 2"), "{}", one.err);
    let other = place.run("wait", &["--function", "subtract", "--timeout", "0"]);
    assert!(other.err.contains("found: Adder"), "{}", other.err);
    let second = Worker::start(&place, "Adder");
    assert!(waiting.line().contains("2 processors 'Adder'"));
    assert_eq!(waiting.end().code, Some(0));
    // A dead one does not count.
    drop(second);
    let left = place.run("wait", &["--processor", "Adder", "--count", "2", "--timeout", "0"]);
    assert_eq!(left.code, Some(1), "{}", left.out);
    assert_eq!(place.run("wait", &[]).code, Some(2));
}

#[test]
fn wait_waits_for_an_object() {
    let place = Place::new("wait-object");
    let store = place.make();
    let name = id([3; 4], 1);
    let waiting = Running::on(&place, "wait", &["--object", &name.to_string()]);
    until("it waits", || store.clients().unwrap().len() == 2);
    let _want = put(&store, &name, b"abc", b"");
    assert!(waiting.line().contains("exists, 3 bytes"));
    assert_eq!(waiting.end().code, Some(0));
    let missing = place.run("wait", &["--object", &id([4; 4], 1).to_string(), "--timeout", "0.1"]);
    assert_eq!((missing.code, missing.err.contains("does not exist")), (Some(1), true), "{}", missing.err);
    let interrupted = Running::on(&place, "wait", &["--object", &id([4; 4], 1).to_string()]);
    until("it waits", || store.clients().unwrap().len() == 2);
    // The signal is taken before the store is opened.
    interrupted.signal("INT");
    assert_eq!(interrupted.end().code, Some(130));
    assert_eq!(place.run("wait", &["--object", "zz"]).code, Some(2));
}

#[test]
fn namespaces_are_listed_with_their_owners() {
    let place = Place::new("namespaces");
    let store = place.make();
    let worker = Worker::start(&place, "Adder");
    let namespace = Namespace::new(&store, Some("Tester"));
    let layout = Layout::contiguous(Elem::Float64, &[2], Order::C, &[String::new()]).unwrap();
    let data = bytes(&[7.0, 8.0]);
    let _ys = namespace.put_tensor(&TensorSource { bytes: &data, origin: 0, layout: &layout }).unwrap();
    let list = place.json("namespaces", &[]);
    let of = |name: &str| list.as_array().unwrap().iter().find(|space| space["name"] == name).unwrap();
    let adder = of("Adder");
    assert_eq!(adder["prefix"], "00000000");
    assert_eq!(adder["functions"], json!([common::ADD]));
    assert_eq!((&adder["alive"], &adder["queued"], &adder["objects"]), (&true.into(), &0.into(), &1.into()));
    assert_eq!((&adder["owner"]["name"], &adder["owner"]["pid"]), (&"Adder".into(), &worker.pid().into()));
    let tester = of("Tester");
    assert_eq!((&tester["objects"], &tester["functions"]), (&2.into(), &json!([])));
    assert_eq!(tester["owner"]["pid"], std::process::id());
    let text = place.run("namespaces", &["--long"]);
    assert!(
        text.out.contains("2 namespaces") && text.out.contains(&format!("  {}", common::ADD)),
        "{}",
        text.out
    );
    assert!(text.out.contains(&format!("Adder[{}]", worker.pid())), "{}", text.out);
    drop(worker);
    // A kill leaves it over until somebody reaps, which a look does, too.
    until("it is gone or left over", || {
        let list = place.json("namespaces", &[]);
        list.as_array().unwrap().iter().all(|space| space["name"] != "Adder" || space["alive"] == false)
    });
}

#[test]
fn show_tells_how_far_a_call_is() {
    let place = Place::new("show-call");
    let store = place.make();
    let folder = Folder::new("show-call");
    let gate = PathBuf::from(folder.file("gate"));
    let worker = Worker::gated(&place, "Adder", Some(&gate));
    let running = Running::on(&place, "call", &["add", "x=1", "ys=[1]"]);
    until("the call is taken", || store.list(&[]).unwrap().iter().any(|info| info.claimed));
    let taken = store.list(&[]).unwrap().into_iter().find(|info| info.claimed).unwrap();
    let missing = id([9; 4], 9).to_string();
    let waiting = Running::on(&place, "call", &["add", "x=2", &format!("ys=id:{missing}")]);
    until("both are queued", || store.namespaces().unwrap().iter().any(|space| space.queued == 2));
    let shown = place.json("show", &[&taken.id.to_string()]);
    assert_eq!(shown["call"]["state"], "running");
    assert_eq!(shown["call"]["processor"]["name"], "Adder");
    let list = place.json("ls", &[]);
    let calls = list.as_array().unwrap().iter().filter(|object| object["kind"] == "call");
    let queued =
        calls.map(|call| call["id"].as_str().unwrap()).find(|id| *id != taken.id.to_string()).unwrap();
    let shown = place.json("show", &[queued]);
    assert_eq!((&shown["call"]["state"], &shown["call"]["missing"]), (&"queued".into(), &json!(["ys"])));
    let text = place.run("show", &[queued]);
    assert!(text.out.contains("waits for ys") && text.out.contains("Adder["), "{}", text.out);
    assert!(text.out.contains("x = 2.0"), "{}", text.out);
    let declaration = place.run("show", &[&"0".repeat(40)]);
    assert!(declaration.out.contains("its owner is running, 2 calls queued"), "{}", declaration.out);
    waiting.signal("INT");
    assert_eq!(waiting.end().code, Some(130));
    std::fs::write(&gate, "").unwrap();
    assert_eq!(running.end().code, Some(0));
    drop(worker);
}

#[test]
fn failures_are_shown_with_their_text() {
    let place = Place::new("show-failed");
    let store = place.make();
    let declaration = put(&store, &sdp_dal::store::ObjectId::declaration([1; 4]), b"", b"");
    let call = id([1; 4], 7);
    let spec = sdp_dal::store::CreateSpec { want: true, ..Default::default() };
    let writer = store.create(&call, &spec).unwrap();
    let (_call, outputs) = store.issue(writer, declaration.key(), &[id([5; 4], 5)]).unwrap();
    store.fail(outputs[0].key(), &Error::new(Kind::FunctionFailed, "no beam model")).unwrap();
    let shown = place.json("show", &["05"]);
    assert_eq!(shown["error"], json!({"status": "FUNCTION_FAILED", "message": "no beam model"}));
    assert!(place.run("show", &["05"]).out.contains("FUNCTION_FAILED: no beam model"));
    let wait = place.run("wait", &["--object", &id([5; 4], 5).to_string()]);
    assert_eq!((wait.code, wait.err.contains("no beam model")), (Some(1), true), "{}", wait.err);
    assert!(store.get(&id([5; 4], 5), Timeout::Poll).is_err());
}

#[test]
fn figures_for_prometheus() {
    let place = Place::linked("prom\"etheus");
    let store = place.make();
    let _want = put(&store, &id([1; 4], 1), b"abc", b"");
    let text = place.run("stat", &["--prometheus"]);
    assert_eq!(text.code, Some(0), "{}", text.err);
    let label = format!("{{store=\"{}\"}}", place.0.display().to_string().replace('"', "\\\""));
    assert!(text.out.contains(&format!("sdp_dal_bytes_size{label} 8388608\n")), "{}", text.out);
    assert!(text.out.contains(",state=\"sealed\"} 1\n"), "{}", text.out);
    // Each sample has its type, each type its help, and no name comes twice.
    let mut typed = Vec::new();
    for line in text.out.lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["#", "HELP", name, ..] => assert!(!typed.contains(&name)),
            ["#", "TYPE", name, "gauge" | "counter"] => typed.push(name),
            [sample, value] => {
                assert_eq!(sample.split('{').next(), typed.last().copied());
                value.parse::<u64>().unwrap();
            }
            _ => panic!("{line}"),
        }
    }
    assert!(run(&["stat", "--prometheus", "--json"]).code == Some(2));
    assert!(place.open(Create::Never).is_ok() && Store::destroy(&place.0, None).is_ok());
}
