//! Killed or stopped anywhere: a process dies at every fail point of every protocol, and another one finds everything in
//! order (here); it stops there while others do everything (`beside`); it stops in the one window that a fault needs
//! (`windows`).
//!
//! The fail points are read from the sources, so that a new one without a scenario that comes to it fails this test. Needs
//! `--features failpoints`.

#![cfg(feature = "failpoints")]

#[path = "crash/beside.rs"]
mod beside;
mod common;
mod support;
#[path = "crash/windows.rs"]
mod windows;

use std::collections::BTreeSet;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::{
    Attempt, Claim, CreateSpec, DeleteMode, EntryKey, NewCall, ObjectId, ObjectState, ProcessEnd, Store,
    StoreOptions, TakenOver, Want, SUPERVISED,
};
use sdp_dal::timeout::Timeout;

const SIZE: u64 = 20 << 20;
const ROLE: &str = "SDP_DAL_TEST_ROLE";
const PATH: &str = "SDP_DAL_TEST_PATH";
/// Set for a child beside which others do everything: the process ID of the one that is stopped, or nothing.
const BESIDE: &str = "SDP_DAL_TEST_BESIDE";

fn options() -> StoreOptions {
    StoreOptions { size: Some(SIZE), max_objects: Some(1 << 16), ..StoreOptions::default() }
}

fn id(prefix: u8, n: u32) -> ObjectId {
    let mut bytes = [prefix; 20];
    bytes[16..].copy_from_slice(&n.to_be_bytes());
    ObjectId::new(bytes)
}

/// Puts an object that is wanted, or else kept. All bytes of all objects are 7.
fn put(store: &Store, id: &ObjectId, size: usize, want: bool) -> Result<Option<Want>> {
    let spec = CreateSpec { data_size: size as u64, keep: !want, want, ..CreateSpec::default() };
    let mut writer = store.create(id, &spec)?;
    writer.data_mut().fill(7);
    writer.seal()
}

fn declare(store: &Store, start: &[u8]) -> Result<Want> {
    store.reserve(start, &mut |prefix| Ok((prefix.to_vec(), Vec::new())))
}

fn call_id(declaration: ObjectId, n: u32) -> ObjectId {
    let mut bytes = *declaration.as_bytes();
    bytes[8..12].copy_from_slice(&std::process::id().to_be_bytes());
    bytes[16..].copy_from_slice(&n.to_be_bytes());
    ObjectId::new(bytes)
}

/// What the children do. Each is run with one fail point set, until one of them comes to it and dies.
type Role = (&'static str, fn(&Path) -> Result<()>);

const ROLES: [Role; 14] = [
    ("objects", objects),
    ("caller", caller),
    ("processor", processor),
    ("again", again),
    ("many", many),
    ("alone", alone),
    ("destroyer", destroyer),
    ("awaited", awaited),
    ("reader", reader),
    ("successor", successor),
    ("heir", heir),
    ("server", server),
    ("untouched", untouched),
    ("told", told),
];

fn objects(path: &Path) -> Result<()> {
    let store = Store::open(path, &options())?;
    store.reap_all();
    put(&store, &id(0xcc, 1), 100, false)?;
    put(&store, &id(0xcc, 2), 5 << 20, false)?;
    let owned = put(&store, &id(0xcc, 3), 100_000, true)?;
    let held = store.get(&id(0xcc, 2), Timeout::Poll)?;
    store.delete(&id(0xcc, 2), DeleteMode::Now)?;
    drop(held);
    let held = store.get(&id(0xcc, 1), Timeout::Poll)?;
    store.delete(&id(0xcc, 1), DeleteMode::WhenReleased)?;
    drop(held);
    drop(owned);
    store.create(&id(0xcc, 4), &CreateSpec { data_size: 10, ..CreateSpec::default() })?.abort();
    store.trim()?;
    Ok(())
}

/// Issues calls to a namespace of its own and to the observer's.
fn caller(path: &Path) -> Result<()> {
    let store = Store::open(path, &options())?;
    for namespace in store.namespaces()?.into_iter().filter(|ns| ns.alive) {
        let declaration = ObjectId::declaration(namespace.prefix);
        let call = call_id(declaration, 1);
        let outputs = [id(0xcd, 1), id(0xcd, 2)];
        let mut wants = Vec::new();
        let call = NewCall {
            id: call,
            data: &[7; 300],
            metadata: b"a call",
            full_timeout: None,
            attempt: Attempt::ONLY,
        };
        let issued = store.issue_call(&call, namespace.key, &outputs, &mut wants)?;
        drop((issued, wants));
    }
    Ok(())
}

/// Takes the observer's call, as if it were its processor.
fn processor(path: &Path) -> Result<()> {
    let store = Store::open(path, &options())?;
    let own = declare(&store, b"")?;
    let spec = CreateSpec { data_size: 300, want: true, ..CreateSpec::default() };
    let writer = store.create(&call_id(own.id(), 2), &spec)?;
    let outputs = [id(0xce, 1), id(0xce, 2)];
    let (call, wants) = store.issue(writer, own.key(), &outputs)?;
    let gone = || Error::new(Kind::ObjectDeleted, "the call has gone");
    let queued = store.queue(own.key(), 0)?;
    let Claim::Claimed(buffer) = store.claim(queued.first().ok_or_else(gone)?)? else { return Err(gone()) };
    let output = CreateSpec { data_size: 3 << 20, ..CreateSpec::default() };
    store.create_output(wants[0].key(), &outputs[0], &output)?.abort();
    store.create_output(wants[0].key(), &outputs[0], &output)?.seal()?;
    store.fail(wants[1].key(), &Error::new(Kind::FunctionFailed, "did not work"))?;
    store.finish(call.key())?;
    drop((buffer, call, wants));
    Ok(())
}

/// Loses a call, as a processor that closes, and issues it again.
fn again(path: &Path) -> Result<()> {
    let store = Store::open(path, &options())?;
    let own = declare(&store, b"")?;
    let outputs = [id(0xd0, 1), id(0xd0, 2)];
    let attempt = Attempt { number: 1, is_last: false };
    let call = |n, attempt| NewCall {
        id: call_id(own.id(), n),
        data: &[7; 300],
        metadata: b"a call",
        full_timeout: None,
        attempt,
    };
    let mut wants = Vec::new();
    let before = store.issue_call(&call(3, attempt), own.key(), &outputs, &mut wants)?;
    let lost = Error::new(Kind::ProcessorLost, "closed");
    for want in &wants {
        store.lose(want.key(), &lost)?;
    }
    let keys: Vec<_> = outputs.into_iter().zip(wants.iter().map(Want::key)).collect();
    let last = Attempt { number: 2, is_last: true };
    let after = store.issue_again(&call(4, last), before.key(), own.key(), &keys)?;
    drop((before, after, wants));
    Ok(())
}

/// More objects than the bookkeeping has room for at first.
fn many(path: &Path) -> Result<()> {
    let store = Store::open(path, &options())?;
    for n in 0..1500 {
        put(&store, &id(0xcf, n), 10, false)?;
    }
    Ok(())
}

/// Makes and leaves a store of its own, under a path that needs a link.
fn alone(path: &Path) -> Result<()> {
    let store = Store::open(&own_path(path), &options())?;
    put(&store, &id(0xcc, 1), 100, false)?;
    Ok(())
}

/// Makes a store of its own and destroys it.
fn destroyer(path: &Path) -> Result<()> {
    alone(path)?;
    let store = Store::open(&own_path(path), &options())?;
    put(&store, &id(0xcc, 1), 100, false)?;
    Store::destroy(&own_path(path), None)?;
    Ok(())
}

/// Creates the output that somebody promised, if anybody did.
fn awaited(path: &Path) -> Result<()> {
    let store = Store::open(path, &options())?;
    if let ObjectState::Awaited { .. } = store.look(&id(0xbb, 1))? {
        put(&store, &id(0xbb, 1), 1 << 20, false)?;
    }
    Ok(())
}

/// Reads the event log while it writes.
fn reader(path: &Path) -> Result<()> {
    let store = Store::open(path, &options())?;
    let mut log = store.subscribe(b"")?;
    put(&store, &id(0xcc, 1), 100, false)?;
    store.delete(&id(0xcc, 1), DeleteMode::Now)?;
    while log.next(Timeout::Poll).is_ok() {}
    Ok(())
}

/// Takes over a namespace whose owner has gone and left an object in it.
fn successor(path: &Path) -> Result<()> {
    let store = Store::open(path, &options())?;
    let declaration = declare(&store, &[0xcc; 4])?;
    put(&store, &id(0xcc, 1), 100, false)?;
    drop(declaration);
    declare(&store, &[0xcc; 4])?;
    Ok(())
}

/// Issues calls to itself in which each output takes the memory of the one before over, and shrinks what it creates.
fn heir(path: &Path) -> Result<()> {
    let store = Store::open(path, &options())?;
    let own = declare(&store, b"")?;
    let mut wants = vec![put(&store, &id(0xce, 1), 2 << 20, true)?];
    for n in 2..4 {
        let spec = CreateSpec { data_size: 300, want: true, ..CreateSpec::default() };
        let (_call, outputs) =
            store.issue(store.create(&call_id(own.id(), n), &spec)?, own.key(), &[id(0xce, n)])?;
        let (input, output) = (store.get(&id(0xce, n - 1), Timeout::Poll)?, outputs[0].key());
        if let TakenOver::Taken(mut writer) = store.take_over(input, store.number(), output, &id(0xce, n))? {
            assert!(writer.data_mut().iter().all(|byte| *byte == 7));
            writer.shrink(1 << 20)?;
            writer.seal()?;
        }
        wants.extend(outputs.into_iter().map(Some));
    }
    Ok(())
}

/// Offers a namespace until it is killed.
fn server(path: &Path) -> Result<()> {
    let store = Store::open(path, &options())?;
    let _declaration = declare(&store, b"")?;
    std::thread::sleep(Duration::from_secs(60));
    Ok(())
}

/// Makes an object whose memory nobody has touched.
fn untouched(path: &Path) -> Result<()> {
    let store = Store::open(path, &options())?;
    let spec = CreateSpec { data_size: 8 << 20, keep: true, ..CreateSpec::default() };
    store.create(&id(0xcc, 1), &spec)?.seal()?;
    Ok(())
}

/// A process that runs a function, and of which its supervisor tells how it ends. (It does so itself here.)
fn told(path: &Path) -> Result<()> {
    std::env::set_var(SUPERVISED, format!("{}:7", std::process::id()));
    let store = Store::open(path, &options())?;
    store.begin_work();
    store.end_work();
    if store.tell_end(std::process::id(), 7, ProcessEnd::Exited(3)) != 1 {
        return Err(Error::internal("it is one client of the store"));
    }
    Ok(())
}

/// Takes the store at a path away, whatever became of the test.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = Store::destroy(&self.0, None);
    }
}

fn own_path(path: &Path) -> PathBuf {
    std::env::temp_dir().join(path.file_name().unwrap())
}

/// Not a test of its own: what a child process runs.
#[test]
fn child() {
    if let (Some(role), Some(path)) = (std::env::var_os(ROLE), std::env::var_os(PATH)) {
        if role == "other" {
            return beside::other(Path::new(&path));
        }
        let (_, run) = ROLES.iter().chain(&windows::ROLES).find(|(name, _)| *name == role).unwrap();
        match run(Path::new(&path)) {
            Err(error) if std::env::var_os(BESIDE).is_some() => beside::must_be_allowed(&error),
            ended => ended.unwrap(),
        }
    }
}

/// A child process that ends with the test, whatever becomes of it.
struct Running(Child);

impl std::ops::Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl std::ops::DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn_child(role: &str, path: &Path, fail: &str) -> Running {
    Running(command(role, path, fail).spawn().unwrap())
}

/// A child beside which others do everything; `stopped`: the process beside which it does so itself.
fn spawn_beside(role: &str, path: &Path, fail: &str, stopped: &str) -> Running {
    Running(command(role, path, fail).env(BESIDE, stopped).spawn().unwrap())
}

fn command(role: &str, path: &Path, fail: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(PATH, path)
        .env("SDP_DAL_FAIL", fail)
        .env("SDP_DAL_PROTECT", "1")
        .env("RUST_BACKTRACE", "0")
        // A group of its own: when the shell that has started the tests ends, the kernel continues what is stopped in its group.
        .process_group(0)
        .stdout(std::process::Stdio::null());
    command
}

fn run_child(role: &str, path: &Path, fail: &str) -> ExitStatus {
    let mut child = spawn_child(role, path, fail);
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if begun.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            panic!("{role} hangs at {fail}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn killed(status: ExitStatus) -> bool {
    status.signal() == Some(libc::SIGKILL)
}

fn fail_points(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            fail_points(&path, found);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            for part in text.split("fail::point(\"").skip(1) {
                found.insert(part.split('"').next().unwrap().to_owned());
            }
        }
    }
}

/// The survivor: holds an object through it all, then finds nothing wrong, nothing leaked and nobody stuck.
struct Observer {
    store: Store,
    declaration: Want,
    held: sdp_dal::store::Buffer,
}

impl Observer {
    fn new(path: &Path) -> Observer {
        let store = Store::open(path, &options()).unwrap();
        put(&store, &id(0xaa, 1), 70_000, false).unwrap();
        let held = store.get(&id(0xaa, 1), Timeout::Poll).unwrap();
        let declaration = declare(&store, b"").unwrap();
        Observer { store, declaration, held }
    }

    /// Issues a call to a processor that is then killed: its output is promised by the dead, and wanted.
    fn wants_of_the_dead(&self, path: &Path) -> Want {
        let (mut server, namespace) = self.server(path);
        let (_call, mut wants) = self.call(namespace, &[id(0xcd, 9)]).unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
        wants.remove(0)
    }

    /// Issues a call, whoever processes it.
    fn call(&self, to: EntryKey, outputs: &[ObjectId]) -> Result<(Want, Vec<Want>)> {
        let declaration = self.store.list(b"")?.into_iter().find(|object| object.key == to).unwrap().id;
        let spec = CreateSpec { data_size: 10, want: true, ..CreateSpec::default() };
        let writer = self.store.create(&call_id(declaration, 7), &spec)?;
        self.store.issue(writer, to, outputs)
    }

    /// A process that has declared a namespace.
    fn server(&self, path: &Path) -> (Running, EntryKey) {
        let server = spawn_child("server", path, "");
        let own = self.declaration.id().prefix();
        let begun = Instant::now();
        let namespace = loop {
            if let Some(found) = self.store.namespaces().unwrap().into_iter().find(|ns| ns.prefix != own) {
                break found;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "the server does not come up");
            std::thread::sleep(Duration::from_millis(2));
        };
        (server, namespace.key)
    }

    fn finds_all_in_order(self, what: &str) {
        let Observer { store, declaration, held } = self;
        assert!(held.data().iter().all(|byte| *byte == 7), "{what}: a held object changed");
        put(&store, &id(0xab, 1), 3 << 20, false).unwrap();
        assert_eq!(store.get(&id(0xab, 1), Timeout::Poll).unwrap().data().len(), 3 << 20, "{what}");
        store.reap_all();
        assert_eq!(store.check().unwrap(), Vec::<String>::new(), "{what}");
        assert_eq!(store.stat().unwrap().clients, 1, "{what}");
        assert_eq!(store.clients().unwrap().len(), 1, "{what}: a dead client is still there");
        for output in [id(0xcd, 1), id(0xcd, 2), id(0xce, 1), id(0xce, 2)] {
            assert_eq!(store.look(&output).unwrap(), ObjectState::Absent, "{what}: an output nobody wants");
        }
        // What was sealed and kept is there, whole; all else is gone.
        for object in store.list(b"").unwrap() {
            // Those of the dead go with the last of their objects.
            if object.id.is_declaration() {
                continue;
            }
            assert!(object.state == "sealed" && object.keep, "{what}: left over: {object:?}");
            assert!(store.get(&object.id, Timeout::Poll).unwrap().data().iter().all(|byte| *byte == 7));
            store.delete(&object.id, DeleteMode::Now).unwrap();
        }
        drop((held, declaration));
        let stat = store.stat().unwrap();
        assert_eq!((stat.used, stat.used_small, stat.objects), (0, 0, 0), "{what}: memory leaked");
        let whole = CreateSpec { data_size: SIZE, ..CreateSpec::default() };
        store.create(&id(0xad, 1), &whole).unwrap_or_else(|e| panic!("{what}: {e}")).abort();
        assert_eq!(store.check().unwrap(), Vec::<String>::new(), "{what}");
    }
}

/// A store of its own, opened and left by processes that died on the way: the next opener gets a good one.
fn alone_is_in_order(path: &Path, what: &str) {
    let own = own_path(path);
    for _ in 0..2 {
        let store = Store::open(&own, &options()).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(
            matches!(store.get(&id(0xcc, 1), Timeout::Poll), Err(e) if e.kind() == Kind::Timeout),
            "{what}"
        );
        assert_eq!(store.check().unwrap(), Vec::<String>::new(), "{what}");
        let target = std::fs::read_link(&own).unwrap();
        drop(store);
        assert!(!target.exists() && std::fs::symlink_metadata(&own).is_err(), "{what}: names are left");
    }
}

/// Calls `at` for every fail point of the sources, some at a time, and fails if there is one where it stays false.
fn at_every_point(workers: u32, at: impl Fn(&str) -> bool + Sync) {
    let mut points = BTreeSet::new();
    fail_points(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut points);
    assert!(points.len() > 50, "only {} fail points found", points.len());
    let (queue, never) = (Mutex::new(points.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| loop {
                let Some(point) = queue.lock().next() else { break };
                if !at(&point) {
                    never.lock().push(point);
                }
            });
        }
    });
    let never = never.into_inner();
    assert!(never.is_empty(), "no scenario comes to these fail points: {never:?}");
}

#[test]
fn a_death_at_any_step_leaves_the_living_in_order() {
    at_every_point(2, died_at);
}

/// Runs every scenario with the fail point; true if it killed one.
fn died_at(point: &str) -> bool {
    let mut died = false;
    for nth in [1, 2] {
        let fail = format!("{point}:{nth}");
        for (role, _) in ROLES {
            let path = common::path(&format!("crash-{role}-{point}"));
            let what = format!("{role} killed at {fail}");
            if role == "server" || role == "untouched" {
                // These are for tests of their own.
                continue;
            }
            if role == "alone" || role == "destroyer" {
                // One dies holding its store, so that the next one has something to clear away.
                for first in [None, Some("seal.sealed")] {
                    if let Some(first) = first {
                        run_child(role, &path, first);
                    }
                    died |= killed(run_child(role, &path, &fail));
                    alone_is_in_order(&path, &what);
                }
                continue;
            }
            // After a death under the lock the next client recovers and reaps: and dies itself.
            for before in [None, Some("create.indexed:2"), Some("seal.before"), Some("promise")] {
                if before.is_some() && !(point.starts_with("recover") || point.starts_with("reap")) {
                    continue;
                }
                let observer = Observer::new(&path);
                let mut promised = None;
                match before {
                    Some("promise") => promised = Some(observer.wants_of_the_dead(&path)),
                    Some(before) => assert!(killed(run_child("processor", &path, before))),
                    None => {}
                }
                died |= killed(run_child(role, &path, &fail));
                if let Some(want) = promised {
                    let error = observer.store.get(&want.id(), Timeout::Forever).err().unwrap();
                    assert_eq!(error.kind(), Kind::ProcessorLost, "{what}: {error}");
                }
                observer.finds_all_in_order(&format!("{what} after {before:?}"));
            }
        }
    }
    died
}

#[test]
fn a_waiter_learns_that_its_producer_died() {
    let path = common::path("crash-producer");
    let observer = Observer::new(&path);
    // The child is stopped while it creates the object, so that the waiter sees somebody creating it; then it is killed.
    let mut child = spawn_child("objects", &path, "seal.before:2:stop");
    wait_until_stopped(&child);
    let waiter = std::thread::spawn({
        let store = observer.store.clone();
        move || store.get(&id(0xcc, 2), Timeout::Forever).err().map(|error| error.kind())
    });
    std::thread::sleep(Duration::from_millis(20));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(waiter.join().unwrap(), Some(Kind::ObjectDeleted));
    observer.finds_all_in_order("after a producer's death");
}

fn wait_until_stopped(child: &Child) {
    assert!(stops(child), "the child ends before it stops");
}

/// Waits until the child stops. False if it ends instead.
fn stops(child: &Child) -> bool {
    let begun = Instant::now();
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        match stat.rsplit(')').next().unwrap().trim().chars().next() {
            Some('T') => return true,
            Some('Z') => return false,
            _ => {}
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the child does not stop");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn continue_child(child: &Child) {
    // SAFETY: wakes our own child.
    unsafe { libc::kill(child.id().try_into().unwrap(), libc::SIGCONT) };
}

#[test]
fn the_last_living_client_takes_the_store_with_it_though_a_younger_one_died() {
    let path = common::path("crash-younger");
    let observer = Observer::new(&path);
    assert!(killed(run_child("objects", &path, "seal.before")));
    drop(observer);
    assert!(!path.exists(), "the store stays though nobody living uses it");
}

#[test]
fn a_stopped_holder_of_the_lock_is_named() {
    let told = std::sync::Arc::new(Mutex::new(Vec::new()));
    let ear = told.clone();
    let sink = std::sync::Arc::new(move |level, text: &str| ear.lock().push((level, text.to_owned())));
    sdp_dal::log::set(Some(sdp_dal::log::Level::Warning), Some(sink));
    let path = common::path("crash-stopped");
    let observer = Observer::new(&path);
    let mut child = spawn_child("objects", &path, "create.committed:1:stop");
    wait_until_stopped(&child);
    // Reading goes on; what needs the lock says who has it.
    assert_eq!(observer.store.get(&id(0xaa, 1), Timeout::Poll).unwrap().data().len(), 70_000);
    let patient = std::thread::spawn({
        let store = observer.store.clone();
        move || store.delete(&id(0xaa, 1), DeleteMode::Now).unwrap_err()
    });
    // Who asked for a moment does not wait as long as who asked for nothing.
    let poll = observer.store.wait_until(&[], Timeout::Poll, &mut || observer.store.stat().map(Some));
    assert_eq!(poll.err().map(|error| error.kind()), Some(Kind::Timeout));
    assert!(!patient.is_finished());
    let error = patient.join().unwrap();
    assert_eq!(error.kind(), Kind::Busy);
    assert!(error.message().contains(&child.id().to_string()), "{error}");
    support::messages::must_be_documented(error.kind().code(), error.message());
    child.kill().unwrap();
    child.wait().unwrap();
    observer.finds_all_in_order("a stopped holder that was killed");
    sdp_dal::log::set(None, None);
    let rebuilt = format!("{}: rebuilt the bookkeeping of ", path.display());
    let told = told.lock();
    let (level, line) = told.iter().find(|(_, line)| line.starts_with(&rebuilt)).expect("nothing was told");
    assert_eq!(*level, sdp_dal::log::Level::Warning);
    assert!(
        line.contains("the lock was taken over from ") && line.contains(&format!("(pid {} on ", child.id()))
    );
}

/// A miss beside an index that is in the middle of a change asks under the lock, which a stopped process holds.
#[test]
fn a_wait_that_cannot_look_does_not_say_that_nothing_came() {
    let path = common::path("crash-blind");
    let observer = Observer::new(&path);
    let mut child = spawn_child("many", &path, "index.changing:1:stop");
    wait_until_stopped(&child);
    let store = &observer.store;
    let missing = [id(0xbb, 1), id(0xbb, 2)];
    let short = store.get_many(&missing, Timeout::After(Duration::from_millis(200))).unwrap();
    for got in short {
        assert_eq!(got.err().map(|error| error.kind()), Some(Kind::Timeout));
    }
    // Their time has not passed.
    std::thread::scope(|scope| {
        for timeout in [Timeout::Forever, Timeout::After(Duration::from_secs(600))] {
            scope.spawn(move || {
                let error = store.get_many(&missing, timeout).err().expect("it says that nothing came");
                assert_eq!(error.kind(), Kind::Busy, "{error}");
                let error = store.get(&missing[0], timeout).err().expect("it says that nothing came");
                assert_eq!(error.kind(), Kind::Busy, "{error}");
            });
        }
    });
    child.kill().unwrap();
    child.wait().unwrap();
    observer.finds_all_in_order("a stop in the middle of a change of the index");
}

/// Sleeps as an event loop does.
fn until_readable(fd: i32, what: &str) {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry that lives as long as the call.
    assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 60_000) }, 1, "{what}");
}

#[test]
fn an_event_loop_is_woken_for_what_a_dead_client_did_not_ring_for() {
    let path = common::path("crash-loop");
    let observer = Observer::new(&path);
    let store = &observer.store;
    let fd = store.event_descriptor().unwrap();
    let watch = store.watch(&[id(0xcc, 1)]).unwrap();
    let log = store.subscribe(b"").unwrap();
    drop(log);
    store.clear_event_descriptor().unwrap();
    assert!(killed(run_child("objects", &path, "seal.sealed")));
    until_readable(fd, "the object is there, and nobody says so");
    assert!(store.contains(&id(0xcc, 1)).unwrap());
    drop(watch);
    observer.finds_all_in_order("a death before ringing");
}

#[test]
fn an_event_loop_is_woken_though_a_sweep_saw_the_object_first() {
    let path = common::path("crash-settled");
    let observer = Observer::new(&path);
    let store = &observer.store;
    let fd = store.event_descriptor().unwrap();
    let namespace = sdp_dal::dal::Namespace::new(store, None);
    let reference = namespace.borrow(id(0xcc, 1), sdp_dal::dal::Expectation::default());
    reference.watch(true).unwrap();
    store.clear_event_descriptor().unwrap();
    // It is there, and the child is about to ring.
    let mut child = spawn_child("objects", &path, "seal.sealed:1:stop");
    wait_until_stopped(&child);
    assert!(reference.exists().unwrap());
    until_readable(fd, "the watch has ended, and nobody says so");
    child.kill().unwrap();
    child.wait().unwrap();
    drop((reference, namespace));
    observer.finds_all_in_order("a watch that has ended");
}

#[test]
fn a_reader_of_the_log_does_not_make_sealing_wait_for_the_lock() {
    let path = common::path("crash-told");
    let observer = Observer::new(&path);
    let store = &observer.store;
    let mut log = store.subscribe(b"").unwrap();
    let spec = CreateSpec { data_size: 100, keep: true, ..CreateSpec::default() };
    let mut writer = store.create(&id(0xba, 1), &spec).unwrap();
    writer.data_mut().fill(7);
    let mut child = spawn_child("objects", &path, "create.committed:1:stop");
    wait_until_stopped(&child);
    let patient = std::thread::spawn({
        let store = store.clone();
        move || store.delete(&id(0xaa, 9), DeleteMode::Now).unwrap_err()
    });
    // So that it waits by now.
    std::thread::sleep(Duration::from_millis(500));
    writer.seal().unwrap();
    // Deleting is still waiting for the lock.
    assert!(!patient.is_finished());
    // What could not be told: list again.
    let kind = log.next(Timeout::Poll).map(|event| event.kind);
    assert_eq!(kind, Ok(sdp_dal::store::EventKind::Resync));
    assert!(store.contains(&id(0xba, 1)).unwrap());
    assert_eq!(patient.join().unwrap().kind(), Kind::Busy);
    child.kill().unwrap();
    child.wait().unwrap();
    drop(log);
    observer.finds_all_in_order("a seal beside a stopped holder of the lock");
}

#[test]
fn readers_of_the_log_are_counted_right_while_one_is_reaped() {
    let path = common::path("crash-counted");
    let observer = Observer::new(&path);
    assert!(killed(run_child("reader", &path, "seal.sealed")));
    let mut reaper = spawn_child("objects", &path, "reap.buckets_done:1:stop");
    wait_until_stopped(&reaper);
    assert_eq!(observer.store.check().unwrap(), Vec::<String>::new());
    reaper.kill().unwrap();
    reaper.wait().unwrap();
    observer.finds_all_in_order("a reader that is being reaped");
}

#[test]
fn memory_that_was_reserved_before_a_trim_is_reserved_again() {
    use std::os::unix::fs::MetadataExt;
    let path = common::path("crash-trim");
    let observer = Observer::new(&path);
    let store = &observer.store;
    let kept = || std::fs::metadata(&path).unwrap().blocks() * 512;
    let tables = kept() - store.stat().unwrap().reserved;
    // The child has reserved memory, and not yet raised the watermark over it.
    let mut child = spawn_child("untouched", &path, "growth.reserved:1:stop");
    wait_until_stopped(&child);
    let reserved = store.stat().unwrap().reserved;
    assert!(kept() - tables > reserved);
    assert!(store.trim().unwrap() >= 6 << 20);
    assert_eq!(kept() - tables, store.stat().unwrap().reserved);
    continue_child(&child);
    assert!(child.wait().unwrap().success());
    // Nobody has touched the child's object: its memory is there all the same.
    assert!(store.stat().unwrap().reserved >= reserved + (6 << 20));
    assert_eq!(kept() - tables, store.stat().unwrap().reserved);
    drop(store.get(&id(0xcc, 1), Timeout::Poll).unwrap());
    store.delete(&id(0xcc, 1), DeleteMode::Now).unwrap();
    observer.finds_all_in_order("a trim while somebody grew");
}

#[test]
fn a_creation_given_up_while_the_lock_is_held_is_cleared_by_the_next_holder() {
    let path = common::path("crash-abandoned");
    let observer = Observer::new(&path);
    let spec = CreateSpec { data_size: 100_000, want: true, ..CreateSpec::default() };
    let writer = observer.store.create(&id(0xba, 1), &spec).unwrap();
    let mut child = spawn_child("objects", &path, "create.committed:1:stop");
    wait_until_stopped(&child);
    drop(writer);
    child.kill().unwrap();
    child.wait().unwrap();
    observer.finds_all_in_order("a creation given up");
}

#[test]
fn a_failure_without_room_for_its_text_leaves_others_bytes_alone() {
    let path = common::path("crash-full");
    let observer = Observer::new(&path);
    let store = &observer.store;
    let call = call_id(observer.declaration.id(), 3);
    let spec = CreateSpec { data_size: 10, want: true, ..CreateSpec::default() };
    let writer = store.create(&call, &spec).unwrap();
    let (issued, wants) = store.issue(writer, observer.declaration.key(), &[id(0xbb, 1)]).unwrap();
    // A child dies when it has written where the output's bytes would be, and not yet that they are.
    let mut child = spawn_child("awaited", &path, "create.awaited_written");
    assert!(killed(child.wait().unwrap()));
    store.reap_all();
    let mut held = Vec::new();
    for size in [1 << 20, 1 << 16, 4096, 4032, 64] {
        let spec = CreateSpec { data_size: size, full_timeout: Some(Timeout::Poll), ..CreateSpec::default() };
        while let Ok(writer) = store.create(&id(0xbc, u32::try_from(held.len()).unwrap()), &spec) {
            held.push(writer);
        }
    }
    assert!(store.fail(wants[0].key(), &Error::new(Kind::FunctionFailed, "the text")).unwrap());
    let error = store.get(&id(0xbb, 1), Timeout::Poll).err().unwrap();
    assert_eq!(error.kind(), Kind::FunctionFailed);
    assert!(error.message().contains("no room for the reason"), "{error}");
    assert!(killed(run_child("objects", &path, "lock.taken:2")));
    store.reap_all();
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    drop((held, issued, wants));
    observer.finds_all_in_order("a failure in a full store");
}
