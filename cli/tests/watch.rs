//! `events`, `trace` and `top`: a store is watched while it is used.

mod common;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use sdp_dal::dal::{Arg, Args, Caller, CallerOptions, Namespace, Ref, Results};
use sdp_dal::store::{DeleteMode, Store};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{CallSchema, Cell, Elem, Layout, Order, TensorSource};
use serde_json::Value;

use common::{bytes, floats, id, put, until, Place, Running, Worker, ADD, WATCHDOG};

const LONG: Timeout = Timeout::After(WATCHDOG);

/// A file that goes at the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Temporary {
        Temporary(std::env::temp_dir().join(format!("sdp-dal-cli-{}-{name}", std::process::id())))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn caller(store: &Store) -> Caller {
    let namespace = Namespace::new(store, Some("Tester"));
    let options = CallerOptions { timeout: LONG, ..CallerOptions::default() };
    Caller::new(&namespace, vec![CallSchema::parse(ADD).unwrap()], &options).unwrap()
}

fn add(caller: &Caller, x: f64, ys: Arg<'_>) -> Results {
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Float(x)));
    args.push(ys);
    caller.call("add", &args).unwrap()
}

fn vector(namespace: &Namespace, values: &[f64]) -> Ref {
    let shape = [i64::try_from(values.len()).unwrap()];
    let layout = Layout::contiguous(Elem::Float64, &shape, Order::C, &[String::new()]).unwrap();
    namespace.put_tensor(&TensorSource { bytes: &bytes(values), origin: 0, layout: &layout }).unwrap()
}

#[test]
fn events_are_written_as_they_come() {
    let place = Place::new("events");
    let store = place.make();
    let before = put(&store, &id([9; 4], 1), b"before", b"");
    let watching = Running::on(&place, "events", &["--json", "--existing"]);
    let line = || -> Value { serde_json::from_str(&watching.line()).unwrap() };
    let first = line();
    assert_eq!((&first["event"], &first["state"]), (&"exists".into(), &"sealed".into()));
    assert_eq!(first["id"], before.id().to_string());

    let want = put(&store, &id([1; 4], 1), b"abc", b"sdp:kind=raw");
    let sealed = line();
    assert_eq!((&sealed["event"], &sealed["id"]), (&"sealed".into(), &want.id().to_string().into()));
    assert_eq!((&sealed["data_size"], &sealed["metadata_size"]), (&3.into(), &12.into()));
    assert_eq!(sealed["who"], format!("gridder[{}]", std::process::id()));
    assert!(sealed["time"].as_str().unwrap().ends_with('Z'));
    store.delete(&want.id(), DeleteMode::Now).unwrap();
    assert_eq!(line()["event"], "deleted");

    let worker = Worker::start(&place, "Adder");
    assert_eq!(line()["event"], "namespace_appeared");
    let caller = caller(&store);
    let results = add(&caller, 1.0, Arg::Ref(vector(caller.namespace(), &[1.0, 2.0])));
    assert_eq!(floats(results.at(0).unwrap().get_tensor(LONG).unwrap().bytes()), [2.0, 3.0]);
    let mut seen = HashMap::new();
    while !seen.contains_key("call_ended") {
        let event = line();
        seen.insert(event["event"].as_str().unwrap().to_owned(), event);
    }
    for kind in ["call_issued", "call_claimed", "call_ended"] {
        assert_eq!(seen[kind]["function"], "add", "{kind}");
    }
    let who = seen["call_claimed"]["who"].as_str().unwrap();
    assert!(who.starts_with("Adder["), "{who}");
    drop((results, caller, worker));
    watching.signal("INT");
    assert_eq!(watching.end().code, Some(0));
}

#[test]
fn events_of_a_prefix_and_as_text() {
    let place = Place::new("prefix");
    let store = place.make();
    // Once it lists what is there, it sees what comes.
    let _there = put(&store, &id([0xab, 0xcf, 0, 0], 1), b"", b"");
    let watching = Running::on(&place, "events", &["abc", "--existing"]);
    assert!(watching.line().contains("exists"));
    let _others = [put(&store, &id([0xab; 4], 1), b"", b""), put(&store, &id([0xcc; 4], 1), b"", b"")];
    let mut start = [0xab; 4];
    start[1] = 0xc0;
    let want = put(&store, &id(start, 1), b"abcd", b"");
    let line = watching.line();
    assert!(line.contains(&want.id().to_string()) && line.contains("sealed"), "{line}");
    assert!(line.contains("gridder[") && line.contains("4 B"), "{line}");
    watching.signal("TERM");
    let ended = watching.end();
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""));
}

#[test]
fn events_are_lost_when_a_client_dies_and_then_all_is_listed_again() {
    let place = Place::new("resync");
    let store = place.make();
    let want = put(&store, &id([1; 4], 1), b"abc", b"");
    let victim = Running::on(&place, "events", &["--existing"]);
    assert!(victim.line().contains("exists"));
    let watching = Running::on(&place, "events", &["--existing"]);
    assert!(watching.line().contains("exists"));
    victim.signal("KILL");
    drop(victim);
    let line = watching.line();
    assert!(line.contains("resync"), "{line}");
    let line = watching.line();
    assert!(line.contains(&want.id().to_string()) && line.contains("exists"), "{line}");
    watching.signal("INT");
    assert_eq!(watching.end().code, Some(0));
}

/// A trace's events, checked as a viewer would need them.
struct Trace {
    events: Vec<Value>,
}

impl Trace {
    fn read(file: &Temporary) -> Trace {
        let whole: Value = serde_json::from_str(&file.text()).unwrap();
        assert!(whole["otherData"]["store"].is_string());
        let events = whole["traceEvents"].as_array().unwrap().clone();
        let trace = Trace { events };
        trace.check();
        trace
    }

    fn of<'a>(&'a self, phase: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event["ph"] == phase)
    }

    fn calls(&self) -> Vec<&Value> {
        self.of("X").filter(|event| event["cat"] == "call").collect()
    }

    fn check(&self) {
        let named: HashSet<u64> = self
            .of("M")
            .filter(|event| event["name"] == "process_name")
            .map(|event| event["pid"].as_u64().unwrap())
            .collect();
        let mut lines: HashMap<u64, Vec<(f64, f64)>> = HashMap::new();
        for slice in self.of("X") {
            assert!(named.contains(&slice["pid"].as_u64().unwrap()), "{slice}");
            let (from, time) = (slice["ts"].as_f64().unwrap(), slice["dur"].as_f64().unwrap());
            assert!(from >= 0.0 && time >= 0.0, "{slice}");
            lines.entry(slice["tid"].as_u64().unwrap()).or_default().push((from, from + time));
        }
        // On one line slices follow each other.
        for slices in lines.values_mut() {
            slices.sort_by(|a, b| a.partial_cmp(b).unwrap());
            for pair in slices.windows(2) {
                assert!(pair[0].1 <= pair[1].0 + 0.01, "{pair:?}");
            }
        }
        let (begins, ends): (Vec<&Value>, Vec<&Value>) = (self.of("s").collect(), self.of("f").collect());
        assert_eq!(begins.len(), ends.len());
        for (begin, end) in begins.iter().zip(ends) {
            assert_eq!(begin["id"], end["id"]);
            assert!(begin["ts"].as_f64() <= end["ts"].as_f64(), "{begin} {end}");
            for event in [begin, &end] {
                let at = event["ts"].as_f64().unwrap();
                let line = &lines[&event["tid"].as_u64().unwrap()];
                let inside = |(from, to): &(f64, f64)| *from <= at + 0.01 && at <= *to + 0.01;
                assert!(line.iter().any(inside), "{event} lies in no slice");
            }
        }
        // What waits lies in each other like brackets.
        let mut open: HashMap<&str, Vec<(&str, f64)>> = HashMap::new();
        for event in self.events.iter().filter(|event| event["cat"] == "queue") {
            let stack = open.entry(event["id"].as_str().unwrap()).or_default();
            let (name, at) = (event["name"].as_str().unwrap(), event["ts"].as_f64().unwrap());
            if event["ph"] == "b" {
                stack.push((name, at));
            } else {
                let (begun, since) = stack.pop().unwrap();
                assert!(begun == name && since <= at, "{event}");
            }
        }
        assert!(open.values().all(Vec::is_empty));
    }
}

#[test]
fn every_call_has_its_slice() {
    let place = Place::new("trace");
    let store = place.make();
    let (file, dot) = (Temporary::new("trace.json"), Temporary::new("trace.dot"));
    let gate = Temporary::new("trace.gate");
    let worker = Worker::gated(&place, "Adder", Some(&gate.0));
    let caller = caller(&store);
    let tracing = Running::on(&place, "trace", &["-o", file.path(), "--dot", dot.path()]);
    assert!(tracing.error_line().contains("recording"));
    let start = vector(caller.namespace(), &[1.0, 2.0, 3.0]);
    // A chain that is issued at once: each call waits for the one before.
    let mut chain = vec![add(&caller, 1.0, Arg::Ref(start.clone()))];
    for _ in 0..9 {
        let last = chain.last().unwrap().at(0).unwrap().clone();
        chain.push(add(&caller, 1.0, Arg::Ref(last)));
    }
    let failing = add(&caller, -1.0, Arg::Ref(start));
    // What was issued is read before it runs, if there is time for it.
    let marker = put(&store, &id([9; 4], 9), b"", b"");
    until("the trace has come so far", || file.text().contains(&marker.id().to_string()));
    std::fs::write(&gate.0, "").unwrap();
    let end = chain.last().unwrap().at(0).unwrap();
    assert_eq!(floats(end.get_tensor(LONG).unwrap().bytes()), [11.0, 12.0, 13.0]);
    assert!(failing.at(0).unwrap().get_tensor(LONG).is_err());
    until("the trace knows why", || file.text().contains("must not be negative"));
    drop((failing, chain));
    worker.stop();
    tracing.signal("INT");
    let ended = tracing.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("11 calls in"), "{}", ended.err);

    let trace = Trace::read(&file);
    let calls = trace.calls();
    assert_eq!(calls.len(), 11);
    let ids: HashSet<&str> = calls.iter().map(|call| call["args"]["call"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 11);
    for call in &calls {
        assert_eq!(call["name"], "add");
        assert!(call["args"]["unfinished"].is_null(), "{call}");
        assert!(call["args"]["caller"].as_str().unwrap().starts_with("gridder["), "{call}");
        assert_eq!(call["args"]["inputs"].as_object().unwrap().len(), 1);
        assert!(call["args"]["bytes_in"].as_u64().unwrap() >= 24, "{call}");
    }
    // Each input has its arrow; those of the chain come from calls.
    assert_eq!(trace.of("s").count(), 11);
    let call_lines: HashSet<u64> = calls.iter().map(|call| call["tid"].as_u64().unwrap()).collect();
    let from_calls = trace.of("s").filter(|arrow| call_lines.contains(&arrow["tid"].as_u64().unwrap()));
    assert_eq!(from_calls.count(), 9);
    assert!(trace.of("b").any(|event| event["name"] == "waits for inputs"));
    assert!(trace.of("i").any(|event| event["name"] == "failed"
        && event["args"]["message"].as_str().unwrap().contains("must not be negative")));
    assert!(trace.of("C").any(|event| event["args"]["bytes"].as_u64().unwrap() > 0));

    let dot = dot.text();
    assert_eq!(dot.matches("shape=box").count(), 11, "{dot}");
    // An input and an output for each call.
    assert_eq!(dot.matches("->").count(), 22, "{dot}");
    assert!(dot.starts_with("digraph") && dot.ends_with("}\n"));
}

#[test]
fn a_call_whose_processor_dies_is_drawn_as_lost() {
    let place = Place::new("trace-lost");
    let store = place.make();
    let (file, gate) = (Temporary::new("lost.json"), Temporary::new("lost.gate"));
    let worker = Worker::gated(&place, "Adder", Some(&gate.0));
    let caller = caller(&store);
    let tracing = Running::on(&place, "trace", &["-o", file.path()]);
    assert!(tracing.error_line().contains("recording"));
    let start = vector(caller.namespace(), &[1.0]);
    let taken = add(&caller, 1.0, Arg::Ref(start));
    until("the call is taken", || file.text().contains("waits for processor"));
    drop(worker);
    assert!(taken.at(0).unwrap().get_tensor(LONG).is_err());
    until("the trace knows", || file.text().contains("\"lost\":true"));
    tracing.signal("INT");
    assert_eq!(tracing.end().code, Some(0));
    let trace = Trace::read(&file);
    assert_eq!(trace.calls().len(), 1);
    assert!(trace
        .of("i")
        .any(|event| event["name"] == "lost" && event["args"]["status"] == "PROCESSOR_LOST"));
}

#[test]
fn a_trace_ends_in_time_and_with_its_store() {
    let place = Place::new("trace-end");
    let store = place.make();
    let file = Temporary::new("end.json");
    // Nobody takes it: it is there, unfinished, in the queue.
    let ended = place.run("trace", &["-o", file.path(), "--for", "0.3"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(Trace::read(&file).calls().len(), 0);
    let tracing = Running::on(&place, "trace", &["-o", file.path()]);
    assert!(tracing.error_line().contains("recording"));
    let _want = put(&store, &id([1; 4], 1), b"abc", b"");
    Store::destroy(&place.0, None).unwrap();
    let ended = tracing.end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("was destroyed"), "{}", ended.err);
    let trace = Trace::read(&file);
    assert_eq!(trace.of("X").filter(|event| event["name"] == "put").count(), 1);
    assert_eq!(place.run("trace", &[]).code, Some(2));
}

#[test]
fn top_shows_rates_and_clients() {
    let place = Place::new("top");
    let store = place.make();
    let worker = Worker::start(&place, "Adder");
    let caller = caller(&store);
    let kept: Vec<Ref> = (0..3).map(|_| vector(caller.namespace(), &[1.0; 1000])).collect();
    let mut top = Running::on(&place, "top", &["--once", "--interval", "1"]);
    let mut calls = 0.0;
    while !top.has_ended() {
        let results = add(&caller, 1.0, Arg::Ref(vector(caller.namespace(), &[1.0; 1000])));
        results.at(0).unwrap().get_tensor(LONG).unwrap();
        calls += 1.0;
        std::thread::sleep(Duration::from_millis(20));
    }
    let ended = top.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let row = |name: &str| {
        let line =
            ended.out.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{}", ended.out));
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(ended.out.contains("memory   [") && ended.out.contains("of 8.0 MiB used"), "{}", ended.out);
    // PREFIX NAME OBJECTS BYTES(2) OBJECTS/S BYTES/S(2) CALLS/S QUEUED OLDEST
    let adder = row("Adder ");
    let rate: f64 = adder[8].parse().unwrap();
    assert!(rate > 0.0 && rate <= calls + 1.0, "{adder:?}, {calls} calls");
    let tester = row("Tester");
    // With its declaration; a call may be under way.
    assert!(tester[2].parse::<u32>().unwrap() >= 4, "{tester:?}");
    assert!(tester[5].parse::<f64>().unwrap() > 10.0, "{tester:?}");
    assert!(ended.out.contains(&worker.pid().to_string()), "{}", ended.out);
    assert!(!ended.out.contains('\x1b'));
    drop((kept, worker));
}

#[test]
fn top_draws_again_and_again_until_the_signal() {
    let place = Place::new("top-again");
    let _store = place.make();
    let top = Running::on(&place, "top", &["--interval", "0.1"]);
    let mut pictures = 0;
    while pictures < 3 {
        pictures += usize::from(top.line().starts_with("memory"));
    }
    top.signal("INT");
    assert_eq!(top.end().code, Some(0));
}

#[test]
fn top_leaves_the_terminal_as_it_was() {
    let place = Place::new("top-terminal");
    let _store = place.make();
    // `script` gives it a terminal of 60 columns; q ends it.
    let program = format!(
        "stty cols 60 rows 12; before=$(stty -g); {} top {} --interval 0.1; code=$?; \
         [ \"$before\" = \"$(stty -g)\" ] && echo restored $code",
        env!("CARGO_BIN_EXE_sdp-dal"),
        place.0.display()
    );
    let Ok(mut script) = std::process::Command::new("script")
        .args(["-qec", &program, "/dev/null"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
    else {
        println!("there is no script(1): nothing is tested");
        return;
    };
    let mut keys = script.stdin.take().unwrap();
    let mut screen = script.stdout.take().unwrap();
    let (mut shown, mut some) = (Vec::new(), [0; 4096]);
    let drawn = |shown: &[u8]| String::from_utf8_lossy(shown).contains("memory");
    while !drawn(&shown) {
        let count = std::io::Read::read(&mut screen, &mut some).unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&shown));
        shown.extend(&some[..count]);
    }
    std::io::Write::write_all(&mut keys, b"q").unwrap();
    std::io::Read::read_to_end(&mut screen, &mut shown).unwrap();
    script.wait().unwrap();
    drop(keys);
    let text = String::from_utf8_lossy(&shown);
    assert!(text.contains("restored 0"), "{text}");
    assert!(text.contains("\x1b[?1049h") && text.contains("\x1b[?1049l"), "{text}");
    let visible = |line: &str| line.split('\x1b').map(|part| part.chars().count()).max().unwrap();
    assert!(
        text.lines().filter(|line| line.starts_with("memory")).all(|line| visible(line.trim_end()) <= 60),
        "{text}"
    );
}
