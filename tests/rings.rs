//! A change wakes who waits for it: none of them sleeps to the end of its slice.
//!
//! Waits are sliced, so one that is not rung for ends all the same, only late. How late is measured in the same run, by waits
//! for which nobody rings; a loaded machine makes both later.

mod common;

use std::cell::RefCell;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sdp_dal::error::{Error, Kind};
use sdp_dal::store::{Claim, CreateSpec, DeleteMode, EntryKey, EventKind, ObjectId, Store, Want, Writer};
use sdp_dal::sync::atomic::{AtomicU32, Ordering};
use sdp_dal::timeout::Timeout;

use parking_lot::Mutex;

use common::TestStore;

const TRIES: u32 = 5;

fn id(n: u32) -> ObjectId {
    let mut bytes = [3; 20];
    bytes[16..].copy_from_slice(&n.to_be_bytes());
    ObjectId::new(bytes)
}

fn spec(keep: bool, want: bool) -> CreateSpec<'static> {
    CreateSpec { data_size: 10, keep, want, ..CreateSpec::default() }
}

fn create(store: &Store, n: u32) -> Writer {
    store.create(&id(n), &spec(true, false)).unwrap()
}

/// The median of some times from a change to the end of the wait for it.
fn median(wait: impl Fn(u32) + Sync, change: impl Fn(u32)) -> Duration {
    let mut times: Vec<Duration> = (0..TRIES).map(|n| once(n, &wait, &change)).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// The waiter sleeps before the change is made, most likely.
fn once(n: u32, wait: &(impl Fn(u32) + Sync), change: &impl Fn(u32)) -> Duration {
    let (begins, begun) = mpsc::channel();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            begins.send(()).unwrap();
            wait(n);
            Instant::now()
        });
        begun.recv().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let changed = Instant::now();
        change(n);
        waiter.join().unwrap().saturating_duration_since(changed)
    })
}

/// The same where nobody rings: to the end of the slice.
fn slice(store: &Store) -> Duration {
    let flag = AtomicU32::new(0);
    let changed = |n: u32| {
        let mut check = || Ok((flag.load(Ordering::SeqCst) > n).then_some(()));
        store.wait_until(&[id(n)], Timeout::Forever, &mut check).unwrap();
    };
    median(changed, |n| flag.store(n + 1, Ordering::SeqCst))
}

fn is_rung(what: &str, slice: Duration, median: Duration) {
    assert!(median < slice / 2, "{what}: slept {median:?}, and {slice:?} if nobody rings");
}

/// Issues a call with an output.
fn issue(store: &Store, declaration: &Want, n: u32) -> (Want, Want) {
    let mut call = *declaration.id().as_bytes();
    call[16..].copy_from_slice(&(n + 1).to_be_bytes());
    let writer = store.create(&ObjectId::new(call), &spec(false, true)).unwrap();
    let (call, mut outputs) = store.issue(writer, declaration.key(), &[id(n)]).unwrap();
    (call, outputs.remove(0))
}

/// Things to be dropped, one at each change, in this order.
fn in_turn<T>(things: Vec<T>) -> RefCell<Vec<T>> {
    RefCell::new(things.into_iter().rev().collect())
}

#[test]
fn objects_wake_who_waits_for_them() {
    let store = TestStore::open("rings-objects", 4 << 20);
    let slice = slice(&store);
    let exists = |n: u32| drop(store.get(&id(n), Timeout::Forever).unwrap());
    let seal = |n: u32| drop(create(&store, n).seal().unwrap());
    is_rung("sealing", slice, median(exists, seal));

    // Whoever waits for something that is being created, and is deleted or given up.
    let writers: Vec<Writer> = (0..TRIES).map(|n| create(&store, 100 + n)).collect();
    let keys: Vec<EntryKey> = writers.iter().map(|writer| writer.key().unwrap()).collect();
    let gone = |n: u32| {
        let waited = store.get_key(keys[n as usize], &id(100 + n), Timeout::Forever);
        assert_eq!(waited.err().map(|error| error.kind()), Some(Kind::ObjectDeleted));
    };
    let delete = |n: u32| assert!(store.delete(&id(100 + n), DeleteMode::Now).unwrap());
    is_rung("deleting", slice, median(gone, delete));
    drop(writers);
    let writers: Vec<Writer> = (0..TRIES).map(|n| create(&store, 100 + n)).collect();
    let keys: Vec<EntryKey> = writers.iter().map(|writer| writer.key().unwrap()).collect();
    let gone = |n: u32| {
        let waited = store.get_key(keys[n as usize], &id(100 + n), Timeout::Forever);
        assert_eq!(waited.err().map(|error| error.kind()), Some(Kind::ObjectDeleted));
    };
    let writers = in_turn(writers);
    is_rung("giving up", slice, median(gone, |_| drop(writers.borrow_mut().pop())));

    // The last release of what is to go then, and the last owner.
    let goes = |n: u32| {
        let ids = [id(200 + n)];
        let mut check = || Ok((!store.contains(&ids[0])?).then_some(()));
        store.wait_until(&ids, Timeout::Forever, &mut check).unwrap();
    };
    let mut held = Vec::new();
    for n in 0..TRIES {
        create(&store, 200 + n).seal().unwrap();
        held.push(store.get(&id(200 + n), Timeout::Poll).unwrap());
        store.delete(&id(200 + n), DeleteMode::WhenReleased).unwrap();
    }
    let held = in_turn(held);
    is_rung("releasing", slice, median(goes, |_| drop(held.borrow_mut().pop())));
    let owned = |n: u32| store.create(&id(200 + n), &spec(false, true)).unwrap().seal().unwrap().unwrap();
    let owned = in_turn((0..TRIES).map(owned).collect());
    is_rung("disowning", slice, median(goes, |_| drop(owned.borrow_mut().pop())));
    store.is_sound();
}

#[test]
fn calls_wake_who_waits_for_them() {
    let store = TestStore::open("rings-calls", 4 << 20);
    let slice = slice(&store);
    let declaration = store.reserve(b"", &mut |prefix| Ok((prefix.to_vec(), Vec::new()))).unwrap();
    let issued = RefCell::new(Vec::new());
    let queued = |n: u32| {
        let mut check = || Ok((store.queue(declaration.key(), 0)?.len() > n as usize).then_some(()));
        store.wait_until(&[declaration.id()], Timeout::Forever, &mut check).unwrap();
    };
    let call = |n: u32| issued.borrow_mut().push(issue(&store, &declaration, n));
    is_rung("issuing", slice, median(queued, call));

    let keys: Vec<EntryKey> = issued.borrow().iter().map(|(_, output)| output.key()).collect();
    let failed = |n: u32| {
        let waited = store.get(&id(n), Timeout::Forever);
        assert_eq!(waited.err().map(|error| error.kind()), Some(Kind::FunctionFailed));
    };
    let fail = |n: u32| {
        let error = Error::new(Kind::FunctionFailed, "on purpose");
        assert!(store.fail(keys[n as usize], &error).unwrap());
    };
    is_rung("failing", slice, median(failed, fail));

    let calls = store.queue(declaration.key(), 0).unwrap();
    for call in &calls {
        assert!(matches!(store.claim(call), Ok(Claim::Claimed(_))));
    }
    let ended = |n: u32| {
        let id = calls[n as usize].id;
        let mut check = || Ok(store.info(&id)?.ended.then_some(()));
        store.wait_until(&[id], Timeout::Forever, &mut check).unwrap();
    };
    is_rung("ending", slice, median(ended, |n| store.finish(calls[n as usize].key).unwrap()));
}

#[test]
fn interrupts_nudges_and_the_log_wake_those_who_wait() {
    let store = TestStore::open("rings-others", 4 << 20);
    let slice = slice(&store);
    let round = AtomicU32::new(0);
    let changed = |n: u32| {
        let mut check = || Ok((round.load(Ordering::SeqCst) > n).then_some(()));
        store.wait_until(&[id(n)], Timeout::Forever, &mut check).unwrap();
    };
    let nudge = |n: u32| {
        round.store(n + 1, Ordering::SeqCst);
        store.nudge(&id(n));
    };
    is_rung("nudging", slice, median(changed, nudge));

    let interrupted = |_: u32| {
        let ended = store.wait_until(&[id(1)], Timeout::Forever, &mut || Ok(None::<()>));
        assert_eq!(ended.err().map(|error| error.kind()), Some(Kind::Interrupted));
        store.interrupt(false);
    };
    is_rung("interrupting", slice, median(interrupted, |_| store.interrupt(true)));

    let log = Mutex::new(store.subscribe(&[]).unwrap());
    let told = |kind: EventKind, n: u32| {
        let event = log.lock().next(Timeout::Forever).unwrap();
        assert_eq!((event.kind, event.id), (kind, id(n)));
    };
    let seal = |n: u32| drop(create(&store, n).seal().unwrap());
    is_rung("the log, of sealing", slice, median(|n| told(EventKind::Sealed, n), seal));
    let delete = |n: u32| assert!(store.delete(&id(n), DeleteMode::Now).unwrap());
    is_rung("the log, of deleting", slice, median(|n| told(EventKind::Deleted, n), delete));
}
