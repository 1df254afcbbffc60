//! Stopped at every fail point while others do everything that a store offers, then continued or killed: nobody hangs,
//! every byte is right, what was stopped ends in order, and a third look finds nothing left over.
//!
//! The one that is stopped may hold the store's lock. Then BUSY that names it is the right answer, and nothing else is.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::{
    Buffer, Claim, CreateSpec, DeleteMode, EntryKey, ObjectId, ObjectState, Store, StoreOptions, Want, Writer,
};
use sdp_dal::timeout::Timeout;

use super::{
    alone_is_in_order, call_id, continue_child, declare, fail_points, id, options, own_path, run_child,
    spawn_beside, stops, Observer, Running, BESIDE, ROLES, SIZE,
};

/// How long anything may take that is not to hang.
const WATCHDOG: Duration = Duration::from_secs(90);
/// How long others wait for the lock here: long enough for each other, short for one that is stopped.
const PATIENCE: Timeout = Timeout::After(Duration::from_millis(150));
const MOMENT: Timeout = Timeout::After(Duration::from_millis(20));

/// An operation beside which another client did everything may end so.
pub fn must_be_allowed(error: &Error) {
    let allowed = [
        Kind::AlreadyExists,
        Kind::NamespaceInUse,
        Kind::NotFound,
        Kind::ObjectDeleted,
        Kind::ProcessorLost,
        Kind::Timeout,
    ];
    assert!(allowed.contains(&error.kind()), "{:?}: {error}", error.kind());
}

/// What is to be looked at when the stopped one has ended.
#[derive(Default)]
struct Left {
    /// Deleted: must be gone then.
    deleted: Vec<ObjectId>,
    /// Promised by the stopped one: must have an end then.
    promised: Vec<Want>,
    calls: Vec<Want>,
}

/// One who does everything beside a stopped process.
struct Other<'a> {
    store: &'a Store,
    declaration: Option<EntryKey>,
    stopped: u32,
    /// The first byte of its objects.
    family: u8,
    left: Mutex<Left>,
}

impl Other<'_> {
    /// `None`: the stopped one has the lock.
    fn try_to<T>(&self, doing: &str, work: impl FnMut() -> Result<T>) -> Option<T> {
        self.result_of(doing, work).map(|done| done.unwrap_or_else(|error| panic!("{doing}: {error}")))
    }

    /// The same for what may fail otherwise, too.
    fn result_of<T>(&self, doing: &str, mut work: impl FnMut() -> Result<T>) -> Option<Result<T>> {
        let begun = Instant::now();
        loop {
            match work() {
                Err(error) if error.kind() == Kind::Busy => {
                    let by = |pid: u32| error.message().contains(&format!("(pid {pid} on "));
                    // One that is about to attach has no name yet.
                    if by(self.stopped) || error.message().contains("held by client ") {
                        return None;
                    }
                    assert!(begun.elapsed() < WATCHDOG, "{doing}: {error}");
                }
                other => return Some(other),
            }
        }
    }

    fn id(&self, n: u32) -> ObjectId {
        id(self.family, n)
    }

    fn create(&self, id: &ObjectId, size: u64, spec: CreateSpec<'_>) -> Option<Writer> {
        let spec = CreateSpec { data_size: size, full_timeout: Some(Timeout::Poll), ..spec };
        let mut writer = self.try_to("creating", || self.store.create(id, &spec))?;
        writer.data_mut().fill(7);
        Some(writer)
    }

    fn put(&self, id: &ObjectId, size: u64) -> Option<()> {
        let kept = CreateSpec { keep: true, ..CreateSpec::default() };
        self.create(id, size, kept)?.seal().unwrap();
        Some(())
    }

    /// Whoever has put it gets it.
    fn get(&self, id: &ObjectId, size: usize) -> Option<Buffer> {
        let buffer = self.try_to("getting", || self.store.get(id, Timeout::Poll))?;
        assert!(buffer.data().len() == size && is_right(&buffer), "{id}: wrong bytes");
        Some(buffer)
    }

    fn delete(&self, id: &ObjectId, mode: DeleteMode) -> Option<bool> {
        let found = self.try_to("deleting", || self.store.delete(id, mode))?;
        self.left.lock().deleted.push(*id);
        Some(found)
    }

    fn everything(self) -> Left {
        let groups: [fn(&Self) -> Option<()>; 7] = [
            Self::deletes_now,
            Self::deletes_when_released,
            Self::processes,
            Self::calls,
            Self::meddles,
            Self::reserves,
            Self::looks,
        ];
        std::thread::scope(|scope| {
            for group in groups {
                let this = &self;
                scope.spawn(move || {
                    let _patience = this.store.patience(PATIENCE);
                    let _ = group(this);
                });
            }
        });
        let _patience = self.store.patience(PATIENCE);
        let _ = self.fills();
        self.left.into_inner()
    }

    fn deletes_now(&self) -> Option<()> {
        let (one, two, three) = (self.id(1), self.id(2), self.id(3));
        self.put(&one, 70_000)?;
        let held = self.get(&one, 70_000)?;
        assert!(self.try_to("looking", || self.store.contains(&one))?);
        assert!(self.delete(&one, DeleteMode::Now)?, "it was there");
        assert!(!self.try_to("looking", || self.store.contains(&one))?, "deleted, and there");
        self.put(&one, 100)?;
        assert!(held.data().len() == 70_000 && is_right(&held));
        drop(held);
        self.get(&one, 100)?;
        self.delete(&one, DeleteMode::Now)?;
        let owned = self.create(&two, 5000, CreateSpec { want: true, ..CreateSpec::default() })?;
        let owned = owned.seal().unwrap();
        drop(owned);
        self.left.lock().deleted.push(two);
        self.create(&three, 5000, CreateSpec::default())?.abort();
        self.left.lock().deleted.push(three);
        Some(())
    }

    fn deletes_when_released(&self) -> Option<()> {
        let one = self.id(4);
        self.put(&one, 1000)?;
        let (held, again) = (self.get(&one, 1000)?, self.get(&one, 1000)?);
        assert!(self.delete(&one, DeleteMode::WhenReleased)?, "it was there");
        drop(held);
        assert!(self.try_to("looking", || self.store.contains(&one))?, "it is held");
        drop(again);
        Some(())
    }

    /// Is caller and processor of one call.
    fn processes(&self) -> Option<()> {
        let own = self.declaration?;
        let declaration = self.try_to("listing namespaces", || self.store.namespaces())?;
        let declaration = declaration.into_iter().find(|namespace| namespace.key == own)?;
        let call = self.call(&ObjectId::declaration(declaration.prefix), 900);
        let (one, two) = (self.id(10), self.id(11));
        let issued = self.try_to("issuing", || self.issue(&call, own, &[one, two]))?;
        let queued = self.try_to("looking for calls", || self.store.queue(own, 0))?;
        let queued = queued.into_iter().find(|queued| queued.id == call).expect("the call is in its queue");
        let Claim::Claimed(held) = self.try_to("claiming", || self.store.claim(&queued))? else {
            panic!("claimed by another")
        };
        assert!(is_right(&held));
        let keys = [issued.1[0].key(), issued.1[1].key()];
        let spec = CreateSpec { data_size: 3000, full_timeout: Some(Timeout::Poll), ..CreateSpec::default() };
        let mut writer =
            self.try_to("creating an output", || self.store.create_output(keys[0], &one, &spec))?;
        writer.data_mut().fill(7);
        writer.seal().unwrap();
        let failure = Error::new(Kind::FunctionFailed, "did not work");
        assert!(self.try_to("failing", || self.store.fail(keys[1], &failure))?);
        self.try_to("finishing", || self.store.finish(queued.key))?;
        self.get(&one, 3000)?;
        let error =
            self.result_of("getting", || self.store.get(&two, MOMENT))?.err().map(|error| error.kind());
        assert_eq!(error, Some(Kind::FunctionFailed));
        drop((held, issued));
        self.left.lock().deleted.extend([one, two]);
        Some(())
    }

    fn call(&self, declaration: &ObjectId, n: u32) -> ObjectId {
        let mut bytes = *call_id(*declaration, n).as_bytes();
        bytes[12] = self.family;
        ObjectId::new(bytes)
    }

    fn issue(&self, call: &ObjectId, to: EntryKey, outputs: &[ObjectId]) -> Result<(Want, Vec<Want>)> {
        let spec = CreateSpec {
            data_size: 300,
            want: true,
            full_timeout: Some(Timeout::Poll),
            ..CreateSpec::default()
        };
        let mut writer = self.store.create(call, &spec)?;
        writer.data_mut().fill(7);
        self.store.issue(writer, to, outputs)
    }

    /// Calls the others, among them the stopped one.
    fn calls(&self) -> Option<()> {
        let found = self.try_to("listing namespaces", || self.store.namespaces())?;
        for (n, namespace) in (0..).zip(found.into_iter().filter(|found| found.owner != self.store.number()))
        {
            let call = self.call(&ObjectId::declaration(namespace.prefix), 901);
            let outputs = [self.id(20 + 2 * n), self.id(21 + 2 * n)];
            match self.result_of("issuing", || self.issue(&call, namespace.key, &outputs))? {
                Ok((call, promised)) => {
                    let mut left = self.left.lock();
                    left.calls.push(call);
                    left.promised.extend(promised);
                }
                Err(error) => assert_eq!(error.kind(), Kind::ProcessorLost, "{error}"),
            }
        }
        // A call of many rows: more objects than there is bookkeeping for at first.
        let own = self.declaration?;
        let declaration = self.try_to("listing namespaces", || self.store.namespaces())?;
        let declaration = declaration.into_iter().find(|namespace| namespace.key == own)?;
        let call = self.call(&ObjectId::declaration(declaration.prefix), 902);
        let outputs: Vec<ObjectId> = (0..1100).map(|n| self.id(2000 + n)).collect();
        drop(self.try_to("issuing", || self.issue(&call, own, &outputs))?);
        self.left.lock().deleted.extend(outputs);
        Some(())
    }

    /// Gets, waits for and deletes what the stopped one makes.
    fn meddles(&self) -> Option<()> {
        let theirs = [id(0xcc, 1), id(0xcc, 2), id(0xcc, 3), id(0xcf, 0), id(0xbb, 1)];
        for object in theirs {
            match self.result_of("waiting", || self.store.get(&object, MOMENT)) {
                Some(Ok(buffer)) => assert!(is_right(&buffer), "{object}: wrong bytes"),
                Some(Err(error)) => must_be_allowed(&error),
                None => {}
            }
        }
        for result in self.result_of("waiting", || self.store.get_many(&theirs, MOMENT))?.unwrap() {
            let ended = result.map(|buffer| assert!(is_right(&buffer), "{}: wrong bytes", buffer.id()));
            let _ = ended.map_err(|error| must_be_allowed(&error));
        }
        for (object, mode) in
            theirs.into_iter().zip([DeleteMode::Now, DeleteMode::WhenReleased].iter().cycle())
        {
            self.try_to("deleting theirs", || self.store.delete(&object, *mode))?;
        }
        Some(())
    }

    fn reserves(&self) -> Option<()> {
        drop(self.try_to("reserving", || declare(self.store, b""))?);
        drop(self.try_to("reserving a name", || declare(self.store, &[self.family, 1]))?);
        let found = self.try_to("listing namespaces", || self.store.namespaces())?;
        for namespace in found {
            match self.result_of("reserving theirs", || declare(self.store, &namespace.prefix))? {
                Ok(taken) => drop(taken),
                Err(error) => assert_eq!(error.kind(), Kind::NamespaceInUse, "{error}"),
            }
        }
        Some(())
    }

    fn looks(&self) -> Option<()> {
        let objects = self.store.list(b"").unwrap();
        for object in objects {
            self.result_of("looking at one", || self.store.info(&object.id));
        }
        self.store.clients().unwrap();
        // While something is under way it need not add up.
        self.result_of("checking", || self.store.check());
        self.try_to("looking at figures", || self.store.stat())?;
        let mut log = self.try_to("subscribing", || self.store.subscribe(b""))?;
        for _ in 0..3 {
            let event = log.next(MOMENT);
            assert!(event.as_ref().map_or_else(|error| error.kind() == Kind::Timeout, |_| true), "{event:?}");
        }
        Some(())
    }

    /// Grows the store until it is full, evicts, trims and reaps.
    fn fills(&self) -> Option<()> {
        let cached = self.id(30);
        let spec = CreateSpec { evictable: true, ..CreateSpec::default() };
        self.create(&cached, 200_000, spec)?.seal().unwrap();
        self.left.lock().deleted.push(cached);
        let mut held = Vec::new();
        let spec =
            CreateSpec { data_size: 3 << 20, full_timeout: Some(Timeout::Poll), ..CreateSpec::default() };
        loop {
            let n = self.id(40 + u32::try_from(held.len()).unwrap());
            match self.result_of("filling", || self.store.create(&n, &spec))? {
                Ok(writer) => held.push(writer),
                Err(error) => break assert_eq!(error.kind(), Kind::OutOfMemory, "{error}"),
            }
        }
        assert!(held.len() as u64 <= SIZE / spec.data_size);
        drop(held);
        self.try_to("evicting", || self.store.evict(u64::MAX))?;
        self.try_to("trimming", || self.store.trim())?;
        self.store.reap_all();
        Some(())
    }
}

fn is_right(buffer: &Buffer) -> bool {
    buffer.data().iter().all(|byte| *byte == 7)
}

/// What a child does that comes while another one is stopped: opens the store, does everything, closes it.
pub fn other(path: &Path) {
    let nook = super::common::path("crash-nook");
    // Patience is that of a thread, and takes a store.
    let nook = Store::open(&nook, &StoreOptions { size: Some(1 << 20), ..options() }).unwrap();
    let _patience = nook.patience(PATIENCE);
    let store = match Store::open(path, &options()) {
        Ok(store) => store,
        Err(error) => {
            let named = error.message().contains(" client ");
            assert!(error.kind() == Kind::Busy && named, "opening: {:?} {error}", error.kind());
            return;
        }
    };
    let stopped = std::env::var(BESIDE).unwrap().parse().unwrap();
    let mut other = Other { store: &store, declaration: None, stopped, family: 0xed, left: Mutex::default() };
    let declared = other.try_to("reserving", || declare(&store, b""));
    other.declaration = declared.as_ref().map(Want::key);
    drop(other.everything());
}

/// How the one that was stopped ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    Continued,
    Killed,
}

fn within<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = std::sync::mpsc::channel();
    let worker = std::thread::spawn(move || {
        let done = work();
        let _ = tell.send(());
        done
    });
    if told.recv_timeout(WATCHDOG) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
        panic!("{what}: hangs");
    }
    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Lets the child that is stopped end.
fn end(mut stopped: Running, ending: Ending, what: &str) {
    if ending == Ending::Continued {
        continue_child(&stopped);
        let status = status_of(&mut stopped, what);
        assert!(status.success(), "{what}: it goes on, and ends with {status}");
    }
}

fn status_of(child: &mut Child, what: &str) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(begun.elapsed() < WATCHDOG, "{what}: hangs");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn run_other(path: &Path, stopped: &Child, what: &str) {
    let what = format!("{what}: another one");
    let mut other = spawn_beside("other", path, "", &stopped.id().to_string());
    let status = status_of(&mut other, &what);
    assert!(status.success(), "{what} ends with {status}");
}

/// Stops a child in this role at a fail point. False if it did not come to it.
fn stopped_at(role: &str, before: Option<&str>, point: &str, ending: Ending) -> bool {
    let what = format!("{role} after {before:?}, stopped at {point}, {ending:?}");
    let path = super::common::path(&format!("beside-{role}-{point}-{ending:?}"));
    let fail = format!("{point}:1:stop");
    if role == "alone" || role == "destroyer" {
        if let Some(before) = before {
            run_child(role, &path, before);
        }
        let child = spawn_beside(role, &path, &fail, "");
        if !stops(&child) {
            return false;
        }
        run_other(&own_path(&path), &child, &what);
        end(child, ending, &what);
        alone_is_in_order(&path, &what);
        return true;
    }
    let observer = Observer::new(&path);
    let mut promised = None;
    match before {
        Some("promise") => promised = Some(observer.wants_of_the_dead(&path)),
        Some(before) => drop(run_child("processor", &path, before)),
        None => {}
    }
    let child = spawn_beside(role, &path, &fail, "");
    if !stops(&child) {
        return false;
    }
    run_other(&path, &child, &what);
    let (store, declaration, stopped) =
        (observer.store.clone(), Some(observer.declaration.key()), child.id());
    let mut left = within(&what, move || {
        Other { store: &store, declaration, stopped, family: 0xee, left: Mutex::default() }.everything()
    });
    end(child, ending, &what);
    left.promised.extend(promised);
    let Left { deleted, promised, calls } = left;
    let store = observer.store.clone();
    let ends = within(&what, move || {
        let patience = Timeout::After(Duration::from_secs(30));
        let ends = promised.iter().map(|want| (want.id(), store.get(&want.id(), patience).err()));
        ends.collect::<Vec<_>>()
    });
    for (id, error) in ends {
        let timeout = error.as_ref().is_some_and(|error| error.kind() == Kind::Timeout);
        assert!(!timeout, "{what}: {id} was promised and is awaited for ever");
    }
    drop(calls);
    observer.store.reap_all();
    for object in deleted {
        assert_eq!(
            observer.store.look(&object).unwrap(),
            ObjectState::Absent,
            "{what}: {object} was deleted"
        );
    }
    observer.finds_all_in_order(&what);
    true
}

/// Stops at one fail point in every role that comes to it, with both endings. How many were stopped.
fn at_point(point: &str, failures: &Mutex<Vec<String>>) -> u32 {
    let mut count = 0;
    let cleans_up = point.starts_with("recover") || point.starts_with("reap");
    for (role, _) in ROLES {
        if role == "server" || role == "untouched" {
            continue;
        }
        let befores: &[Option<&str>] = match role {
            "alone" | "destroyer" => &[None, Some("seal.sealed")],
            _ if cleans_up => &[Some("create.indexed:2"), Some("promise")],
            _ => &[None],
        };
        for before in befores {
            for ending in [Ending::Continued, Ending::Killed] {
                let ended = std::panic::catch_unwind(|| stopped_at(role, *before, point, ending));
                let failure = match ended {
                    Ok(true) => None,
                    Ok(false) => break,
                    Err(panic) => Some(text_of(&*panic)),
                };
                count += 1;
                failures.lock().extend(
                    failure.map(|text| format!("{role} after {before:?} at {point}, {ending:?}: {text}")),
                );
            }
        }
    }
    count
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

#[test]
fn a_stop_at_any_step_is_in_nobodys_way() {
    let mut points = BTreeSet::new();
    fail_points(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut points);
    let (failures, never) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let queue = Mutex::new(points.into_iter());
    // They sleep most of the time.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| loop {
                let Some(point) = queue.lock().next() else { break };
                if at_point(&point, &failures) == 0 {
                    never.lock().push(point);
                }
            });
        }
    });
    let failures = failures.into_inner();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    let never = never.into_inner();
    assert!(never.is_empty(), "no scenario comes to these fail points: {never:?}");
}
