//! The event log, waiting for many, and what an event loop needs.

mod common;

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::TestStore;
use sdp_dal::dal::{
    wait_many, Arg, Args, Caller, CallerOptions, Namespace, Processor, ProcessorOptions, Ref, WaitMode,
};
use sdp_dal::error::{Error, Kind};
use sdp_dal::store::{
    CreateSpec, DeleteMode, Event, EventKind, ObjectId, ObjectState, Store, StoreOptions, Subscription,
};
use sdp_dal::sync::atomic::{AtomicU32, Ordering};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{CallSchema, Elem, Layout, Order, TensorSource};

const PATH: &str = "SDP_DAL_TEST_PATH";
const SIZE: u64 = 16 << 20;

fn id(prefix: u8, n: u32) -> ObjectId {
    let mut bytes = [prefix; 20];
    bytes[16..].copy_from_slice(&n.to_be_bytes());
    ObjectId::new(bytes)
}

fn put(store: &Store, id: &ObjectId, metadata: &[u8]) {
    let spec = CreateSpec { data_size: 100, metadata, keep: true, ..CreateSpec::default() };
    store.create(id, &spec).unwrap().seal().unwrap();
}

fn put_and_delete(store: &Store, id: &ObjectId) {
    put(store, id, b"");
    assert!(store.delete(id, DeleteMode::Now).unwrap());
}

/// Everything that is there now.
fn all(subscription: &mut Subscription) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        match subscription.next(Timeout::Poll) {
            Ok(event) => events.push(event),
            Err(error) if error.kind() == Kind::Timeout => return events,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A child of this test: killed at the latest when the test ends.
struct Other(Child);

impl Other {
    fn start(role: &str, path: &Path) -> Other {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", role, "--nocapture", "--test-threads=1"])
            .env(PATH, path)
            .stdout(Stdio::null())
            .spawn();
        Other(child.unwrap())
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn store_of_the_parent() -> Option<Store> {
    let path = std::env::var_os(PATH)?;
    Some(Store::open(Path::new(&path), &StoreOptions::default()).unwrap())
}

/// Not a test of its own: reads the log until it is killed.
#[test]
fn child_that_reads() {
    if let Some(store) = store_of_the_parent() {
        let _reader = store.subscribe(b"").unwrap();
        put(&store, &id(0xee, 1), b"");
        std::thread::sleep(Duration::from_secs(60));
    }
}

/// Not a test of its own: offers a function and never runs it.
#[test]
fn child_that_offers() {
    if let Some(store) = store_of_the_parent() {
        let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
        processor.register(CallSchema::parse("never() -> (tag: int8[])").unwrap(), None).unwrap();
        processor.start().unwrap();
        std::thread::sleep(Duration::from_secs(60));
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
fn what_happens_is_told_in_order_to_whom_it_concerns() {
    let store = TestStore::open("events", SIZE);
    let mut everything = store.subscribe(b"").unwrap();
    let mut some = store.subscribe(&[0xa1]).unwrap();
    put(&store, &id(0xa0, 1), b"");
    put(&store, &id(0xa1, 1), b"sdp:kind=other;and=more");
    store.delete(&id(0xa1, 1), DeleteMode::Now).unwrap();
    let kinds = |events: &[Event]| events.iter().map(|event| (event.kind, event.id)).collect::<Vec<_>>();
    let one = [(EventKind::Sealed, id(0xa1, 1)), (EventKind::Deleted, id(0xa1, 1))];
    let events = all(&mut some);
    assert_eq!(kinds(&events), one);
    assert_eq!(events[0].metadata, b"sdp:kind=other;and=more");
    assert_eq!((events[0].data_size, events[0].metadata_size, events[0].actor), (100, 23, store.number()));
    assert!(events[0].time <= events[1].time && events[0].time > Duration::from_secs(1_600_000_000));
    let events = all(&mut everything);
    assert_eq!(kinds(&events), [vec![(EventKind::Sealed, id(0xa0, 1))], one.to_vec()].concat());
    assert!(events.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
    store.is_sound();
}

#[test]
fn a_call_is_told_from_its_issue_to_its_end() {
    let store = TestStore::open("events-call", SIZE);
    let mut log = store.subscribe(b"").unwrap();
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    let schema = CallSchema::parse("grid(n: int8) -> (tag: int8[], other: int8[])").unwrap();
    processor
        .register(
            schema.clone(),
            Some(std::sync::Arc::new(|call| {
                call.create_output(1, &[], sdp_dal::wire::Order::C, true)?;
                Err(Error::new(Kind::FunctionFailed, "half of it"))
            })),
        )
        .unwrap();
    processor.start().unwrap();
    let namespace = Namespace::new(&store, None);
    let caller = Caller::new(&namespace, vec![schema], &CallerOptions::default()).unwrap();
    let mut args = Args::new();
    args.push(sdp_dal::dal::Arg::Cell(sdp_dal::wire::Cell::Int(1)));
    let results = caller.call("grid", &args).unwrap();
    assert!(processor.process(Timeout::Poll).unwrap());
    let events = all(&mut log);
    let call = events.iter().find(|event| event.kind == EventKind::CallIssued).expect("issued").id;
    assert_eq!(call.prefix(), processor.prefix().unwrap());
    let of_call: Vec<_> = events.iter().filter(|event| event.id == call).collect();
    assert_eq!(
        of_call.iter().map(|event| event.kind).collect::<Vec<_>>(),
        [EventKind::CallIssued, EventKind::CallClaimed, EventKind::CallEnded]
    );
    assert!(of_call.iter().all(|event| event.metadata == b"sdp:kind=call;sdp:func=grid"));
    for output in [results.at(0), results.at(1)] {
        let output = output.expect("not null").id();
        assert!(events.iter().any(|event| event.kind == EventKind::Failed && event.id == output));
    }
    let appeared = events.iter().filter(|event| event.kind == EventKind::NamespaceAppeared).count();
    assert_eq!(appeared, 2, "the processor's and the caller's");
    let declaration = ObjectId::declaration(processor.prefix().unwrap());
    drop((results, caller));
    processor.close().unwrap();
    let gone = all(&mut log);
    assert!(gone.iter().any(|event| event.kind == EventKind::NamespaceGone && event.id == declaration));
}

#[test]
fn the_end_of_a_call_is_told_after_its_deletion() {
    let store = TestStore::open("events-late-end", SIZE);
    let mut log = store.subscribe(b"").unwrap();
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    let schema = CallSchema::parse("grid(n: int8) -> (tag: int8[])").unwrap();
    processor.register(schema.clone(), None).unwrap();
    processor.start().unwrap();
    let namespace = Namespace::new(&store, None);
    let caller = Caller::new(&namespace, vec![schema], &CallerOptions::default()).unwrap();
    let mut args = Args::new();
    args.push(sdp_dal::dal::Arg::Cell(sdp_dal::wire::Cell::Int(1)));
    let results = caller.call("grid", &args).unwrap();
    let call = processor.next(Timeout::Poll).unwrap();
    drop((results, caller));
    let _ = call.finish();
    let events = all(&mut log);
    let id = events.iter().find(|event| event.kind == EventKind::CallIssued).expect("issued").id;
    assert_eq!(
        events.iter().filter(|event| event.id == id).map(|event| event.kind).collect::<Vec<_>>(),
        [EventKind::CallIssued, EventKind::CallClaimed, EventKind::Deleted, EventKind::CallEnded]
    );
}

#[test]
fn who_waits_is_seen() {
    let store = TestStore::open("events-waiters", SIZE);
    assert_eq!(store.waiters().unwrap(), []);
    let waiting = store.watch(&[id(1, 1), id(2, 2)]).unwrap();
    assert_eq!(store.waiters().unwrap(), [store.number()]);
    drop(waiting);
    assert_eq!(store.waiters().unwrap(), []);
}

#[test]
fn a_loop_is_told_what_to_look_at() {
    let store = TestStore::open("events-changed", SIZE);
    let fd = store.event_descriptor().unwrap();
    let ids: Vec<ObjectId> = (0..100).map(|n| id(0xa0, n)).collect();
    let watches: Vec<_> = ids.iter().map(|id| store.watch_from_now(&[*id]).unwrap()).collect();
    assert_eq!(store.take_changed(1000).unwrap(), [], "nothing has happened");
    put(&store, &ids[7], b"");
    put(&store, &id(0xa1, 1), b"");
    until_readable(fd, "an object has come");
    // Others may share its bucket, but not many.
    let told = store.take_changed(1000).unwrap();
    assert!(told.contains(&ids[7]) && told.len() < 20, "{} are told of", told.len());
    assert_eq!(store.take_changed(1000).unwrap(), []);
    // What does not fit comes next, and the descriptor says so.
    ids.iter().skip(8).for_each(|id| put(&store, id, b""));
    let mut told = Vec::new();
    while !ids.iter().skip(8).all(|id| told.contains(id)) {
        until_readable(fd, "more are to come");
        let some = store.take_changed(10).unwrap();
        assert!(some.len() <= 10);
        told.extend(some);
    }
    drop(watches);
    put_and_delete(&store, &ids[0]);
    assert_eq!(store.take_changed(1000).unwrap(), []);
}

#[test]
fn a_watch_names_what_has_ended_before_it_and_what_is_seen_elsewhere() {
    let store = TestStore::open("events-named", SIZE);
    let fd = store.event_descriptor().unwrap();
    let namespace = Namespace::new(&store, None);
    let (there, later) = (namespace.new_ref(None).unwrap(), namespace.new_ref(None).unwrap());
    there.put_bytes(b"x", b"").unwrap();
    store.take_changed(10).unwrap();
    there.watch(true).unwrap();
    until_readable(fd, "it is there already");
    assert_eq!(store.take_changed(10).unwrap(), [there.id()]);
    // Seen through the reference, by whatever thread: the loop is told once more.
    later.watch(true).unwrap();
    put(&store, &later.id(), b"");
    store.take_changed(10).unwrap();
    assert!(later.exists().unwrap());
    until_readable(fd, "the watch has ended");
    assert_eq!(store.take_changed(10).unwrap(), [later.id()]);
    // What has not ended is told when it does.
    let open = namespace.new_ref(None).unwrap();
    open.watch(true).unwrap();
    assert_eq!(store.take_changed(10).unwrap(), []);
    // Who only clears looks at everything, and nothing is kept for it.
    there.watch(true).unwrap();
    store.clear_event_descriptor().unwrap();
    assert_eq!(store.take_changed(10).unwrap(), []);
}

#[test]
fn a_slow_reader_is_told_to_list_again() {
    let store = TestStore::open("events-slow", SIZE);
    let mut log = store.subscribe(b"").unwrap();
    for n in 0..3000 {
        put_and_delete(&store, &id(0xa0, n));
    }
    put(&store, &id(0xa1, 1), b"");
    let events = all(&mut log);
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Resync]);
    assert!(store.contains(&id(0xa1, 1)).unwrap(), "what the resync hides is in a list made after it");
    put(&store, &id(0xa1, 2), b"");
    assert_eq!(all(&mut log).iter().map(|event| event.id).collect::<Vec<_>>(), [id(0xa1, 2)]);
}

#[test]
fn subscribing_and_then_listing_misses_nothing() {
    let store = TestStore::open("events-table", SIZE);
    let path = store.path().to_owned();
    let writer = std::thread::spawn({
        let store = (*store).clone();
        move || {
            for n in 0..2000 {
                put(&store, &id(0xa0, n), b"");
                if n % 3 == 0 {
                    store.delete(&id(0xa0, n), DeleteMode::Now).unwrap();
                }
            }
        }
    });
    let mut log = store.subscribe(&[0xa0]).unwrap();
    let mut table: HashMap<ObjectId, ()> = HashMap::new();
    let list = |table: &mut HashMap<ObjectId, ()>| {
        table.clear();
        let sealed = store.list(&[0xa0]).unwrap().into_iter().filter(|object| object.state == "sealed");
        table.extend(sealed.map(|object| (object.id, ())));
    };
    list(&mut table);
    let mut follow = |table: &mut HashMap<ObjectId, ()>| {
        for event in all(&mut log) {
            match event.kind {
                EventKind::Sealed => drop(table.insert(event.id, ())),
                EventKind::Deleted => drop(table.remove(&event.id)),
                EventKind::Resync => list(table),
                _ => {}
            }
        }
    };
    while !writer.is_finished() {
        follow(&mut table);
    }
    writer.join().unwrap();
    follow(&mut table);
    assert_eq!(table.len(), 2000 - 667, "{}", path.display());
    assert!((0..2000).all(|n| table.contains_key(&id(0xa0, n)) == (n % 3 != 0)));
}

/// The sequence of the next event.
fn sequence(store: &Store) -> u64 {
    let mut log = store.subscribe(&[0xfe]).unwrap();
    put_and_delete(store, &id(0xfe, 1));
    all(&mut log)[0].sequence
}

#[test]
fn nothing_is_told_while_nobody_listens() {
    let store = TestStore::open("events-none", SIZE);
    let before = sequence(&store);
    for n in 0..10 {
        put_and_delete(&store, &id(0xa0, n));
    }
    assert_eq!(sequence(&store), before + 2, "only the sealing and the deletion that were listened to");
}

#[test]
fn who_stops_reading_takes_nothing_from_the_others_of_its_process() {
    let store = TestStore::open("events-two", SIZE);
    let (one, mut other) = (store.subscribe(b"").unwrap(), store.subscribe(b"").unwrap());
    drop(one);
    put(&store, &id(0xa0, 1), b"x");
    let event = other.next(Timeout::Poll).unwrap();
    assert_eq!((event.kind, event.id), (EventKind::Sealed, id(0xa0, 1)));
}

#[test]
fn nothing_is_left_of_a_store_with_a_descriptor_that_is_closed() {
    let store = TestStore::open("events-left", SIZE);
    let path = store.path().to_str().unwrap().to_owned();
    let mapped = || std::fs::read_to_string("/proc/self/maps").unwrap().contains(&path);
    store.event_descriptor().unwrap();
    assert!(mapped());
    drop(store);
    assert!(!mapped(), "its thread runs on");
}

#[test]
fn a_dead_reader_does_not_listen_for_ever() {
    let store = TestStore::open("events-dead", SIZE);
    let child = Other::start("child_that_reads", store.path());
    until("the child does not come up", || store.contains(&id(0xee, 1)).unwrap());
    let listened = sequence(&store);
    put_and_delete(&store, &id(0xa0, 1));
    assert_eq!(sequence(&store), listened + 4, "the child listens");
    let mut log = store.subscribe(b"").unwrap();
    child.kill();
    until("the child is not reaped", || store.reap_all() > 0 || store.clients().unwrap().len() == 1);
    let lost = all(&mut log);
    assert!(lost.iter().any(|event| event.kind == EventKind::Resync), "a death may hide events");
    drop(log);
    let before = sequence(&store);
    put_and_delete(&store, &id(0xa0, 2));
    assert_eq!(sequence(&store), before + 2, "nobody listens any more");
    store.is_sound();
}

#[test]
fn a_reader_sleeps_until_something_happens() {
    let store = TestStore::open("events-sleep", SIZE);
    let mut log = store.subscribe(&[0xa0]).unwrap();
    assert_eq!(log.next(Timeout::Poll).unwrap_err().kind(), Kind::Timeout);
    let short = Timeout::After(Duration::from_millis(20));
    assert_eq!(log.next(short).unwrap_err().kind(), Kind::Timeout);
    let reader = std::thread::spawn(move || log.next(Timeout::Forever).unwrap());
    std::thread::sleep(Duration::from_millis(30));
    put(&store, &id(0xa1, 1), b"");
    put(&store, &id(0xa0, 7), b"");
    assert_eq!(reader.join().unwrap().id, id(0xa0, 7));
    let mut log = store.subscribe(b"").unwrap();
    let other = (*store).clone();
    let reader = std::thread::spawn(move || log.next(Timeout::Forever).unwrap_err().kind());
    std::thread::sleep(Duration::from_millis(30));
    other.interrupt(true);
    assert_eq!(reader.join().unwrap(), Kind::Interrupted);
    other.interrupt(false);
    assert_eq!(store.subscribe(&[0; 21]).err().unwrap().kind(), Kind::InvalidArgument);
}

#[test]
fn all_or_any_of_many_are_waited_for() {
    let store = TestStore::open("events-many", SIZE);
    let namespace = Namespace::new(&store, None);
    let refs: Vec<Ref> = (0..3).map(|_| namespace.new_ref(None).unwrap()).collect();
    let borrowed: Vec<&Ref> = refs.iter().collect();
    let kinds = |ends: Vec<Result<(), Error>>| -> Vec<Option<Kind>> {
        ends.into_iter().map(|end| end.err().map(|error| error.kind())).collect()
    };
    let timeout = Some(Kind::Timeout);
    let ends = wait_many(&borrowed, WaitMode::Any, Timeout::After(Duration::from_millis(10))).unwrap();
    assert_eq!(kinds(ends), [timeout, timeout, timeout]);
    let (one, rest) = (refs[1].clone(), [refs[0].clone(), refs[2].clone()]);
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        one.put_bytes(b"x", b"").unwrap();
    });
    let ends = wait_many(&borrowed, WaitMode::Any, Timeout::Forever).unwrap();
    assert_eq!(kinds(ends), [timeout, None, timeout]);
    writer.join().unwrap();
    let writer = std::thread::spawn(move || rest.map(|one| one.put_bytes(b"x", b"").unwrap()));
    let ends = wait_many(&borrowed, WaitMode::All, Timeout::Forever).unwrap();
    assert_eq!(kinds(ends), [None, None, None]);
    writer.join().unwrap();
    assert!(wait_many(&[], WaitMode::Any, Timeout::Forever).unwrap().is_empty());
    let other = TestStore::open("events-many-2", SIZE);
    let elsewhere = Namespace::new(&other, None).new_ref(None).unwrap();
    let error = wait_many(&[&refs[0], &elsewhere], WaitMode::All, Timeout::Poll).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
}

/// Sleeps as an event loop does.
fn until_readable(fd: i32, what: &str) {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry that lives as long as the call.
    assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 60_000) }, 1, "{what}");
}

#[test]
fn an_event_loop_is_woken_for_any_of_many_inputs() {
    let store = TestStore::open("events-inputs", SIZE);
    let namespace = Namespace::new(&store, None);
    let schema = CallSchema::parse("take(x: int8[i])").unwrap();
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    processor.register(schema.clone(), Some(std::sync::Arc::new(|_| Ok(())))).unwrap();
    processor.start().unwrap();
    let caller = Caller::new(&namespace, vec![schema], &CallerOptions::default()).unwrap();
    let refs: Vec<Ref> = (0..1100).map(|_| namespace.new_ref(None).unwrap()).collect();
    let _results: Vec<_> = refs
        .iter()
        .map(|reference| {
            let mut args = Args::new();
            args.push(Arg::Ref(reference.clone()));
            caller.call("take", &args).unwrap()
        })
        .collect();
    let fd = store.event_descriptor().unwrap();
    processor.watch(true).unwrap();
    let layout = Layout::contiguous(Elem::Int8, &[1], Order::C, &[String::new()]).unwrap();
    for reference in refs.iter().rev().take(25) {
        // The first look changes what is watched, which is a reason to look.
        for _ in 0..2 {
            store.clear_event_descriptor().unwrap();
            assert!(!processor.process(Timeout::Poll).unwrap());
        }
        reference.put_tensor(&TensorSource { bytes: &[1], origin: 0, layout: &layout }).unwrap();
        until_readable(fd, "an input is there");
        assert!(processor.process(Timeout::Poll).unwrap());
    }
}

#[test]
fn a_wait_for_many_ends_when_a_producer_dies() {
    let store = TestStore::open("events-lost", SIZE);
    let child = Other::start("child_that_offers", store.path());
    let namespace = Namespace::new(&store, None);
    let schema = CallSchema::parse("never() -> (tag: int8[])").unwrap();
    let patient =
        CallerOptions { timeout: Timeout::After(Duration::from_secs(60)), ..CallerOptions::default() };
    let caller = Caller::new(&namespace, vec![schema], &patient).unwrap();
    let results = caller.call("never", &Args::new()).unwrap();
    let never = namespace.new_ref(None).unwrap();
    child.kill();
    let refs = [&never, results.at(0).expect("not null")];
    let ends = wait_many(&refs, WaitMode::Any, Timeout::After(Duration::from_secs(60))).unwrap();
    assert_eq!(ends[0].as_ref().unwrap_err().kind(), Kind::Timeout);
    assert_eq!(ends[1].as_ref().unwrap_err().kind(), Kind::ProcessorLost);
}

#[test]
fn the_end_of_a_call_is_told_though_its_caller_let_it_go_before() {
    let store = TestStore::open("events-end", SIZE);
    let mut log = store.subscribe(b"").unwrap();
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    let schema = CallSchema::parse("late() -> (tag: int8[])").unwrap();
    processor.register(schema.clone(), None).unwrap();
    processor.start().unwrap();
    let namespace = Namespace::new(&store, None);
    let caller = Caller::new(&namespace, vec![schema], &CallerOptions::default()).unwrap();
    let results = caller.call("late", &Args::new()).unwrap();
    let call = processor.next(Timeout::Poll).unwrap();
    // With its last result the caller gives up the call, which is running.
    drop(results);
    call.finish().unwrap();
    let events = all(&mut log);
    let issued = events.iter().find(|event| event.kind == EventKind::CallIssued).expect("issued").id;
    let kinds: Vec<_> = events.iter().filter(|event| event.id == issued).map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [EventKind::CallIssued, EventKind::CallClaimed, EventKind::Deleted, EventKind::CallEnded]
    );
    let ended = events.iter().find(|event| event.kind == EventKind::CallEnded).expect("ended");
    assert_eq!(
        (ended.metadata.as_slice(), ended.actor),
        (&b"sdp:kind=call;sdp:func=late"[..], store.number())
    );
    store.is_sound();
}

/// The sizes of what exists, or -1 for what is gone: what `update_obj_table` of the Python package keeps.
type Table = HashMap<ObjectId, (i64, i64)>;

#[test]
fn a_table_of_objects_follows_from_a_list_and_the_events() {
    let store = TestStore::open("events-obj-table", SIZE);
    put(&store, &id(0xa0, 1), b"before");
    let mut log = store.subscribe(b"").unwrap();
    let sizes = |store: &Store| -> Table {
        let sealed = store.list(b"").unwrap().into_iter().filter(|object| object.state == "sealed");
        sealed.map(|object| (object.id, (object.data_size as i64, object.metadata_size as i64))).collect()
    };
    let mut table = sizes(&store);
    put(&store, &id(0xa0, 2), b"metadata");
    put_and_delete(&store, &id(0xa0, 3));
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    let schema = CallSchema::parse("waits() -> (tag: int8[])").unwrap();
    processor.register(schema.clone(), None).unwrap();
    processor.start().unwrap();
    let namespace = Namespace::new(&store, None);
    let caller = Caller::new(&namespace, vec![schema], &CallerOptions::default()).unwrap();
    let results = caller.call("waits", &Args::new()).unwrap();
    for event in all(&mut log) {
        match event.kind {
            EventKind::Sealed | EventKind::NamespaceAppeared | EventKind::CallIssued => {
                table.insert(event.id, (event.data_size as i64, event.metadata_size as i64));
            }
            EventKind::Deleted | EventKind::NamespaceGone => drop(table.insert(event.id, (-1, -1))),
            _ => {}
        }
    }
    assert_eq!(table.remove(&id(0xa0, 3)), Some((-1, -1)), "gone");
    assert_eq!(table[&id(0xa0, 1)], (100, 6));
    assert_eq!(table[&id(0xa0, 2)], (100, 8));
    assert_eq!(table.len(), 5, "two objects, two declarations, a call");
    assert_eq!(table, sizes(&store));
    drop(results);
}

#[test]
fn a_death_is_found_though_the_bell_rings_all_the_time() {
    let store = TestStore::open("events-busy", SIZE);
    let children = [(); 2].map(|()| Other::start("child_that_offers", store.path()));
    let namespace = Namespace::new(&store, None);
    let schema = CallSchema::parse("never() -> (tag: int8[])").unwrap();
    let both = CallerOptions {
        minimum_processors: 2,
        timeout: Timeout::After(Duration::from_secs(60)),
        ..CallerOptions::default()
    };
    let caller = Caller::new(&namespace, vec![schema], &both).unwrap();
    // One goes to each: the least busy is taken.
    let results = [(); 2].map(|()| caller.call("never", &Args::new()).unwrap());
    let outputs: Vec<&Ref> = results.iter().map(|result| result.at(0).expect("not null")).collect();
    let pid_of = |output: &Ref| {
        let ObjectState::Awaited { producer, .. } = output.state().unwrap() else { panic!("not awaited") };
        store.clients().unwrap().into_iter().find(|client| client.number == producer).unwrap().pid
    };
    let (first, second) = (pid_of(outputs[0]), pid_of(outputs[1]));
    assert_ne!(first, second);
    // The one that lives is asked for first, and is not the only one that is.
    let (_living, dead): (Vec<Other>, Vec<Other>) =
        children.into_iter().partition(|child| child.0.id() == first);
    dead.into_iter().for_each(Other::kill);
    let done = AtomicU32::new(0);
    let ends = std::thread::scope(|scope| {
        scope.spawn(|| {
            while done.load(Ordering::Relaxed) == 0 {
                store.nudge(&outputs[0].id());
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let ends = wait_many(&outputs, WaitMode::Any, Timeout::After(Duration::from_secs(30)));
        done.store(1, Ordering::Relaxed);
        ends.unwrap()
    });
    assert_eq!(ends[0].as_ref().unwrap_err().kind(), Kind::Timeout);
    assert_eq!(ends[1].as_ref().unwrap_err().kind(), Kind::ProcessorLost);
}

/// Whether the descriptor is readable, or becomes so in time.
fn readable(fd: i32, milliseconds: i32) -> bool {
    let mut one = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one descriptor, which lives as long as its store.
    unsafe { libc::poll(&raw mut one, 1, milliseconds) == 1 }
}

#[test]
fn an_event_loop_is_woken_for_the_log() {
    let store = TestStore::open("events-loop", SIZE);
    let fd = store.event_descriptor().unwrap();
    let mut log = store.subscribe(b"").unwrap();
    store.clear_event_descriptor().unwrap();
    assert!(all(&mut log).is_empty());
    put(&store, &id(0xa0, 1), b"");
    assert!(readable(fd, 10_000), "the loop sleeps on");
    assert_eq!(all(&mut log).len(), 1);
}

#[test]
fn an_event_loop_runs_a_call_whose_input_comes_later() {
    let store = TestStore::open("events-input", SIZE);
    let fd = store.event_descriptor().unwrap();
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    let schema = CallSchema::parse("after(what: oid) -> (tag: int8[])").unwrap();
    processor
        .register(
            schema.clone(),
            Some(std::sync::Arc::new(|call| {
                call.create_output(0, &[], sdp_dal::wire::Order::C, true).map(drop)
            })),
        )
        .unwrap();
    processor.watch(true).unwrap();
    let namespace = Namespace::new(&store, None);
    let caller = Caller::new(&namespace, vec![schema], &CallerOptions::default()).unwrap();
    let input = namespace.new_ref(None).unwrap();
    let mut args = Args::new();
    args.push(sdp_dal::dal::Arg::Ref(input.clone()));
    let results = caller.call("after", &args).unwrap();
    let mut late = Some(input);
    let begun = Instant::now();
    loop {
        assert!(readable(fd, 60_000), "the loop sleeps on");
        assert!(begun.elapsed() < Duration::from_secs(60), "the call does not run");
        store.clear_event_descriptor().unwrap();
        if processor.process(Timeout::Poll).unwrap() {
            break;
        }
        // Only what rings from here on wakes the loop: the loop has looked, and watches the input.
        if let Some(input) = late.take() {
            std::thread::spawn(move || input.put_bytes(b"x", b"").unwrap());
        }
    }
    assert!(matches!(
        results.at(0).expect("not null").state().unwrap(),
        ObjectState::Sealed { .. } | ObjectState::Failed { .. }
    ));
    processor.watch(false).unwrap();
}
