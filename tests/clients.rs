//! Several clients of one store, each a process of its own: what comes between two of them, and what many objects cost.

mod common;

use std::io::{BufRead, BufReader, Lines, Read};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sdp_dal::error::Kind;
use sdp_dal::shm::layout::{Entry, Geometry};
use sdp_dal::store::{
    CreateSpec, DeleteMode, EntryKey, ObjectId, ObjectState, Store, StoreOptions, Want, Writer,
};
use sdp_dal::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use sdp_dal::timeout::Timeout;

use common::TestStore;

const ROLE: &str = "SDP_DAL_TEST_ROLE";
const PATH: &str = "SDP_DAL_TEST_PATH";
/// Which of several a child is, or how much it does.
const NUMBER: &str = "SDP_DAL_TEST_NUMBER";
/// How many seconds the storms last: a few, unless this says more.
const STORM: &str = "SDP_DAL_TEST_STORM";
/// What is to take a moment and takes so long does not end, or costs what it must not.
const WATCHDOG: Duration = Duration::from_secs(60);
const MB: u64 = 1 << 20;

fn id(prefix: u8, n: u32) -> ObjectId {
    let mut bytes = [prefix; 20];
    bytes[16..].copy_from_slice(&n.to_be_bytes());
    ObjectId::new(bytes)
}

fn sized(size: u64) -> CreateSpec<'static> {
    CreateSpec { data_size: size, full_timeout: Some(Timeout::Poll), ..CreateSpec::default() }
}

fn kept(size: u64) -> CreateSpec<'static> {
    CreateSpec { keep: true, ..sized(size) }
}

fn evictable(size: u64) -> CreateSpec<'static> {
    CreateSpec { evictable: true, ..sized(size) }
}

fn put(store: &Store, id: &ObjectId, spec: &CreateSpec<'_>) -> Option<Want> {
    let mut writer = store.create(id, spec).unwrap();
    writer.data_mut().fill(7);
    writer.seal().unwrap()
}

fn declare(store: &Store, start: &[u8]) -> Want {
    store.reserve(start, &mut |prefix| Ok((prefix.to_vec(), Vec::new()))).unwrap()
}

/// The result of something that may hang: then the thread is left behind.
fn within<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(work()));
    told.recv_timeout(WATCHDOG).unwrap_or_else(|_| panic!("{what}: does not end"))
}

/// Takes away what a test that failed has left.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = Store::destroy(&self.0, None);
    }
}

// ---- other processes ------------------------------------------------------------------------------------------------

/// Its name, and what it does with a store at a path; of several or how much, by a number.
type Role = (&'static str, fn(&Path, u32));

const ROLES: [Role; 7] = [
    ("closer", closes_with_another),
    ("visitor", comes_and_goes),
    ("server", |path, _| {
        let store = open(path, MB);
        let _declaration = declare(&store, b"");
        ready_until_told();
    }),
    ("holder", |path, megabytes| {
        let memory = std::env::var(MEMORY_END).ok().and_then(|text| text.parse().ok());
        MEMORY.store(memory.unwrap_or(u64::MAX), Ordering::SeqCst);
        let store = open(path, 16 * MB);
        let _held = store.create(&id(1, 1), &sized(u64::from(megabytes) * MB)).unwrap();
        ready_until_told();
    }),
    ("owner", |path, _| {
        let store = open(path, MB);
        let _wants = [store.want(&id(1, 1)).unwrap(), store.want(&id(1, 2)).unwrap()];
        ready_until_told();
    }),
    ("echo", echoes),
    ("tenant", lives_on_a_full_file_system),
];

/// Not a test of its own: what another process runs.
#[test]
fn child() {
    let (Some(role), Some(path)) = (std::env::var_os(ROLE), std::env::var_os(PATH)) else { return };
    let number = std::env::var(NUMBER).unwrap().parse().unwrap();
    let (_, run) = ROLES.iter().find(|(name, _)| *name == role).unwrap();
    run(Path::new(&path), number);
}

fn open(path: &Path, size: u64) -> Store {
    let options = StoreOptions { size: Some(size), max_objects: Some(1 << 16), ..StoreOptions::default() };
    Store::open(path, &options).unwrap()
}

fn ready_until_told() {
    println!("ready");
    let _ = std::io::stdin().read(&mut [0]);
}

/// A child of this test: killed at the latest when the test ends.
struct Other {
    child: Child,
    /// Kept open: it writes on.
    _output: Option<Lines<BufReader<ChildStdout>>>,
}

impl Other {
    fn start(role: &str, path: &Path, number: u32) -> Other {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(PATH, path)
            .env(NUMBER, number.to_string())
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Other { child, _output: None }
    }

    /// One that says when it is ready.
    fn ready(role: &str, path: &Path, number: u32) -> Other {
        let mut other = Other::start(role, path, number);
        let mut lines = BufReader::new(other.child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("ready")), "{role} is not ready");
        other._output = Some(lines);
        other
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn ends_well(mut self) {
        drop(self.child.stdin.take());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// ---- coming and going -----------------------------------------------------------------------------------------------

const CLOSINGS: u32 = 200;

/// Opens and closes a store together with another process, again and again.
fn closes_with_another(path: &Path, number: u32) {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(meeting(path)).unwrap();
    // SAFETY: a file of this test, which nobody makes shorter.
    let page = unsafe { memmap2::MmapMut::map_mut(&file) }.unwrap();
    // SAFETY: the mapping is aligned, outlives this function's use of it, and is used as this one atomic only.
    let arrived = unsafe { AtomicU32::from_ptr(page.as_ptr().cast_mut().cast()) };
    let meet = |nth: u32| {
        arrived.fetch_add(1, Ordering::SeqCst);
        // Both spin, so that they go on at the same moment.
        while arrived.load(Ordering::SeqCst) < 2 * nth {
            std::thread::yield_now();
        }
    };
    let mut left = 0;
    for round in 0..CLOSINGS {
        let store = open(path, MB);
        meet(3 * round + 1);
        drop(store);
        meet(3 * round + 2);
        left += u32::from(number == 0 && std::fs::symlink_metadata(path).is_ok());
        meet(3 * round + 3);
    }
    assert_eq!(left, 0, "stores of {CLOSINGS} are left behind");
}

fn meeting(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.meeting", path.display()))
}

fn linked(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("sdp-dal-test-{name}-{}", std::process::id()))
}

fn close_together(path: &Path) {
    let _removed = Removed(path.to_owned());
    std::fs::write(meeting(path), [0; 4096]).unwrap();
    let both = [0, 1].map(|number| Other::start("closer", path, number));
    let ended = both.map(|mut other| other.child.wait().unwrap().success());
    std::fs::remove_file(meeting(path)).unwrap();
    assert_eq!(ended, [true, true]);
}

#[test]
fn two_that_close_at_once_leave_no_store() {
    close_together(&common::path("close-together"));
}

#[test]
fn two_that_close_at_once_leave_no_store_behind_a_link() {
    close_together(&linked("close-together"));
}

/// Opens a store and closes it until it is killed; in between the store has a name, and objects are what they were.
fn comes_and_goes(path: &Path, number: u32) {
    // At once: whoever kills us must not come before we have ended.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        std::process::abort()
    }));
    let mut random = std::process::id();
    for n in 0.. {
        let store = open(path, MB);
        let object = id(number as u8, std::process::id() ^ n << 22);
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if random >> 31 == 0 {
            let owned = put(&store, &object, &CreateSpec { want: true, ..sized(1000) });
            std::thread::sleep(Duration::from_micros(u64::from(random % 2000)));
            let buffer = store.get(&object, Timeout::Poll).unwrap();
            assert!(buffer.data().iter().all(|byte| *byte == 7));
            drop(owned);
        }
        assert!(!store.is_gone(), "a client is in a store without a name");
    }
}

/// Some open and close a store all the time while they are killed at random.
fn storm(path: &Path, visitors: u32) {
    let _removed = Removed(path.to_owned());
    let seconds = std::env::var(STORM).ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let end = Instant::now() + Duration::from_secs(seconds);
    let start = |number| Other::start("visitor", path, number);
    let mut inside: Vec<Other> = (0..visitors).map(start).collect();
    let mut random = std::process::id();
    while Instant::now() < end {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        std::thread::sleep(Duration::from_millis(u64::from(random >> 16) % 60));
        let number = (random >> 8) % visitors;
        let visitor = &mut inside[number as usize];
        visitor.child.kill().unwrap();
        let status = visitor.child.wait().unwrap();
        assert_eq!(status.signal(), Some(libc::SIGKILL), "a client fails: {status}");
        inside[number as usize] = start(number);
    }
    for mut visitor in inside {
        visitor.child.kill().unwrap();
        let status = visitor.child.wait().unwrap();
        assert_eq!(status.signal(), Some(libc::SIGKILL), "a client fails: {status}");
    }
    let store = open(path, MB);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    assert_eq!(store.stat().unwrap().objects, 0, "objects of the dead are left");
    drop(store);
    assert!(std::fs::symlink_metadata(path).is_err());
    // Who makes a store removes the files of those that died making one.
    drop(open(path, MB));
}

#[test]
fn who_comes_in_a_storm_has_a_store_with_a_name() {
    storm(&common::path("storm"), 2);
}

#[test]
fn who_comes_in_a_storm_behind_a_link_has_a_store_with_a_name() {
    storm(&linked("storm"), 4);
}

// ---- the dead and their memory --------------------------------------------------------------------------------------

/// A call that is written and not issued yet, and the declaration of the store's first processor, whose it is to be.
fn call_of_the_first(store: &Store) -> (Writer, EntryKey) {
    let declaration = store.namespaces().unwrap().remove(0);
    let mut call = *ObjectId::declaration(declaration.prefix).as_bytes();
    call[19] = 1;
    let writer = store.create(&ObjectId::new(call), &CreateSpec { want: true, ..sized(10) }).unwrap();
    (writer, declaration.key)
}

#[test]
fn a_call_of_a_processor_that_was_just_killed_is_refused() {
    let path = common::path("just-killed");
    let _removed = Removed(path.clone());
    let server = Other::ready("server", &path, 0);
    let store = open(&path, MB);
    let (call, server_key) = call_of_the_first(&store);
    server.kill();
    let issued = store.issue(call, server_key, &[id(1, 1)]);
    assert_eq!(issued.err().map(|error| error.kind()), Some(Kind::ProcessorLost));
    assert_eq!(store.look(&id(1, 1)).unwrap(), ObjectState::Absent);
}

#[test]
fn a_poll_finds_that_the_processor_was_killed() {
    let path = common::path("poll-killed");
    let _removed = Removed(path.clone());
    let server = Other::ready("server", &path, 0);
    let store = open(&path, MB);
    let (call, server_key) = call_of_the_first(&store);
    let _issued = store.issue(call, server_key, &[id(1, 1)]).unwrap();
    let poll = || store.get(&id(1, 1), Timeout::Poll).err().map(|error| error.kind());
    assert_eq!(poll(), Some(Kind::Timeout));
    server.kill();
    // Polls ask now and then only.
    let begun = Instant::now();
    while poll() == Some(Kind::Timeout) {
        assert!(begun.elapsed() < WATCHDOG, "no poll finds it");
    }
    assert_eq!(poll(), Some(Kind::ProcessorLost));
}

#[test]
fn a_full_store_learns_that_a_processor_died() {
    let path = common::path("full-of-promises");
    let _removed = Removed(path.clone());
    let server = Other::ready("server", &path, 0);
    let store = open(&path, MB);
    let (call, server_key) = call_of_the_first(&store);
    let (issued, outputs) = store.issue(call, server_key, &[id(1, 1)]).unwrap();
    let mut held = Vec::new();
    for size in [1 << 16, 4096, 64] {
        while let Ok(writer) = store.create(&id(2, u32::try_from(held.len()).unwrap()), &sized(size)) {
            held.push(writer);
        }
    }
    assert_eq!(store.stat().unwrap().largest_free, 0);
    server.kill();
    let waiter = store.clone();
    let ended = within("waiting in a full store", move || {
        waiter.get(&id(1, 1), Timeout::Forever).err().map(|error| error.kind())
    });
    assert_eq!(ended, Some(Kind::ProcessorLost));
    // The reaper goes on.
    drop((held, issued, outputs));
    let reaper = store.clone();
    within("reaping", move || reaper.reap_all());
    let stat = store.stat().unwrap();
    assert_eq!((stat.clients, stat.objects, stat.used), (1, 0, 0));
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

/// Another client holds what we wait for, and is killed meanwhile.
fn wait_for_the_dead(name: &str, patience: Option<Timeout>) {
    let path = common::path(name);
    let _removed = Removed(path.clone());
    let store = open(&path, 16 * MB);
    let holder = Other::ready("holder", &path, 15);
    let creator = {
        let store = store.clone();
        std::thread::spawn(move || {
            let spec = CreateSpec { full_timeout: patience, ..sized(10 * MB) };
            store.create(&id(1, 2), &spec).map(|writer| writer.abort())
        })
    };
    std::thread::sleep(Duration::from_millis(300));
    assert!(!creator.is_finished());
    holder.kill();
    creator.join().unwrap().unwrap();
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn who_waits_for_room_gets_what_the_dead_held() {
    wait_for_the_dead("room-of-the-dead", Some(Timeout::After(Duration::from_secs(20))));
}

#[test]
fn who_waits_as_long_as_by_default_gets_what_the_dead_held() {
    wait_for_the_dead("default-of-the-dead", None);
}

// ---- a file system that is full before the store is -----------------------------------------------------------------

/// What `MEMORY` is to be in another process.
const MEMORY_END: &str = "SDP_DAL_TEST_MEMORY";
/// Up to where memory can be had in every file of this process.
static MEMORY: AtomicU64 = AtomicU64::new(u64::MAX);
/// Whether what is behind that is broken instead.
static BROKEN: AtomicU32 = AtomicU32::new(0);

/// In place of the C library's: a file system that has no more than `MEMORY`.
///
/// # Safety
/// As the system call: changes no memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fallocate(fd: i32, mode: i32, offset: i64, length: i64) -> i32 {
    if mode == 0 && u64::try_from(offset + length).unwrap() > MEMORY.load(Ordering::SeqCst) {
        let error = if BROKEN.load(Ordering::SeqCst) == 0 { libc::ENOSPC } else { libc::EIO };
        // SAFETY: errno is this thread's.
        unsafe { *libc::__errno_location() = error };
        return -1;
    }
    // SAFETY: the caller's arguments.
    let done = unsafe { libc::syscall(libc::SYS_fallocate, fd, mode, offset, length) };
    i32::try_from(done).unwrap()
}

/// A store of 64 MB on a file system that has 24.
fn lives_on_a_full_file_system(path: &Path, _: u32) {
    let size = 64 * MB;
    let options = StoreOptions { size: Some(size), eviction: true, ..StoreOptions::default() };
    let store = Store::open(path, &options).unwrap();
    let geometry = Geometry::new(size, store.stat().unwrap().max_objects.try_into().unwrap(), 256).unwrap();
    let end = (geometry.large + 24 * MB).next_multiple_of(2 * MB);
    MEMORY.store(end, Ordering::SeqCst);
    std::env::set_var(MEMORY_END, end.to_string());
    // Old ones make room for new ones.
    for n in 0..60 {
        store.create(&id(1, n), &evictable(MB)).unwrap().seal().unwrap();
    }
    assert!(store.contains(&id(1, 59)).unwrap() && !store.contains(&id(1, 0)).unwrap());
    // But not when it is something else that fails.
    BROKEN.store(1, Ordering::SeqCst);
    let before = store.stat().unwrap().objects;
    let error = store.create(&id(1, 60), &evictable(MB)).err().expect("the system fails");
    assert_eq!((error.kind(), store.stat().unwrap().objects), (Kind::Io, before), "{error}");
    BROKEN.store(0, Ordering::SeqCst);
    // So do the dead.
    let holder = Other::ready("holder", path, 14);
    holder.kill();
    store.create(&id(2, 1), &sized(15 * MB)).unwrap().abort();
    // And who waits gets what is deleted meanwhile.
    store.evict(u64::MAX).unwrap();
    put(&store, &id(2, 2), &kept(15 * MB));
    let error = store.create(&id(2, 3), &sized(16 * MB)).err().expect("there is no room");
    assert_eq!(error.kind(), Kind::OutOfMemory, "{error}");
    std::thread::scope(|scope| {
        let creator = scope.spawn(|| {
            let patience = Some(Timeout::After(Duration::from_secs(20)));
            let spec = CreateSpec { full_timeout: patience, ..sized(16 * MB) };
            store.create(&id(2, 3), &spec).map(|writer| writer.abort())
        });
        std::thread::sleep(Duration::from_millis(200));
        store.delete(&id(2, 2), DeleteMode::Now).unwrap();
        creator.join().unwrap().unwrap();
    });
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_full_file_system_is_as_a_full_store() {
    let path = common::path("full-file-system");
    let _removed = Removed(path.clone());
    Other::start("tenant", &path, 0).ends_well();
}

// ---- eviction -------------------------------------------------------------------------------------------------------

fn evicting(name: &str, size: u64) -> (Store, Removed) {
    let path = common::path(name);
    let options = StoreOptions { size: Some(size), eviction: true, ..StoreOptions::default() };
    (Store::open(&path, &options).unwrap(), Removed(path))
}

#[test]
fn what_can_never_fit_evicts_nothing() {
    let (store, _removed) = evicting("never-fits", 16 * MB);
    for n in 0..10 {
        store.create(&id(1, n), &evictable(MB)).unwrap().seal().unwrap();
    }
    for patience in [Some(Timeout::Poll), Some(Timeout::Forever), None] {
        let spec = CreateSpec { full_timeout: patience, ..sized(64 * MB) };
        let creator = store.clone();
        let error = within("creating what never fits", move || creator.create(&id(2, 1), &spec).err());
        assert_eq!(error.map(|error| error.kind()), Some(Kind::OutOfMemory));
        assert!((0..10).all(|n| store.contains(&id(1, n)).unwrap()), "evicted in vain");
    }
    // What is held leaves no run that is long enough, either way: but what can go may go.
    let _held = put(&store, &id(2, 2), &kept(2 * MB));
    let error = store.create(&id(2, 3), &sized(15 * MB)).err();
    assert_eq!(error.map(|error| error.kind()), Some(Kind::OutOfMemory));
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

const MANY: u32 = 20_000;

#[test]
fn many_objects_are_evicted_in_a_moment() {
    let (store, _removed) = evicting("evicts-many", 16 * MB);
    for n in 0..MANY {
        store.create(&id(1, n), &evictable(600)).unwrap().seal().unwrap();
    }
    let creator = store.clone();
    let patient = CreateSpec { full_timeout: Some(Timeout::Forever), ..sized(13 * MB) };
    within("evicting many", move || creator.create(&id(2, 1), &patient).map(|writer| writer.abort()))
        .unwrap();
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn who_evicts_can_be_interrupted() {
    let (store, _removed) = evicting("evicts-interrupted", 16 * MB);
    for n in 0..MANY {
        store.create(&id(1, n), &evictable(600)).unwrap().seal().unwrap();
    }
    store.interrupt(true);
    let creator = store.clone();
    let patient = CreateSpec { full_timeout: Some(Timeout::Forever), ..sized(13 * MB) };
    let error = within("evicting while interrupted", move || creator.create(&id(2, 1), &patient).err());
    assert_eq!(error.map(|error| error.kind()), Some(Kind::Interrupted));
    store.interrupt(false);
    assert!(store.stat().unwrap().objects > 0, "all were evicted all the same");
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

// ---- lists ----------------------------------------------------------------------------------------------------------

/// A list whose last object is followed by itself, in one word of damage.
fn ring_of_orphans(before: bool) {
    let store = TestStore::open(&format!("orphan-ring-{before}"), MB);
    if before {
        put(&store, &id(5, 1), &kept(10));
    }
    put(&store, &id(6, 1), &kept(10));
    let file = std::fs::OpenOptions::new().write(true).open(store.path()).unwrap();
    let stat = store.stat().unwrap();
    let geometry = Geometry::new(MB, stat.max_objects.try_into().unwrap(), stat.max_clients).unwrap();
    let index = key_of(&store, &id(6, 1)).index;
    let next = std::mem::offset_of!(Entry, next) as u64;
    let at = geometry.entries + u64::from(index) * geometry.entry_stride + next;
    file.write_all_at(&index.to_le_bytes(), at).unwrap();
    let reserver = store.clone();
    let tried = within("reserving", move || {
        reserver.reserve(&[6; 4], &mut |prefix| Ok((prefix.to_vec(), Vec::new()))).map(drop)
    });
    assert!(tried.as_ref().err().is_none_or(|error| error.kind() == Kind::Corrupt), "{tried:?}");
    // Who comes next has rebuilt it.
    let reserver = store.clone();
    within("reserving another", move || drop(declare(&reserver, &[7; 4])));
    store.is_sound();
    // What the first one was creating when it failed is not in the way.
    let reserver = store.clone();
    within("reserving it again", move || drop(declare(&reserver, &[6; 4])));
    store.is_sound();
}

#[test]
fn a_list_that_is_a_ring_does_not_hold_the_lock_for_ever() {
    ring_of_orphans(false);
    ring_of_orphans(true);
}

#[test]
fn a_namespace_adopts_many_objects_in_a_moment() {
    let store = TestStore::open("orphans", 64 * MB);
    for prefix in [5, 6] {
        for n in 0..MANY {
            put(&store, &id(prefix, n), &kept(1));
        }
    }
    let reserver = store.clone();
    drop(within("reserving", move || declare(&reserver, &[6; 4])));
    assert!(store.contains(&id(5, 0)).unwrap() && !store.contains(&id(6, 0)).unwrap());
    store.is_sound();
}

#[test]
fn a_store_whose_declaration_was_deleted_is_sound() {
    let store = TestStore::open("orphaned", MB);
    let declaration = declare(&store, &[5; 4]);
    put(&store, &id(5, 1), &kept(10));
    put(&store, &id(6, 1), &kept(10));
    assert!(store.delete(&declaration.id(), DeleteMode::Now).unwrap());
    store.is_sound();
    put(&store, &id(5, 2), &kept(10));
    drop(declaration);
    store.is_sound();
    // The next one's queue is in order all the same.
    let again = declare(&store, &[6; 4]);
    store.is_sound();
    drop(again);
}

// ---- lives of an entry ----------------------------------------------------------------------------------------------

fn key_of(store: &Store, id: &ObjectId) -> EntryKey {
    store.info(id).unwrap().key
}

#[test]
fn a_claim_is_on_one_life_of_an_object() {
    let store = TestStore::open("lives", MB);
    for n in [1, 2] {
        put(&store, &id(1, n), &kept(10));
    }
    let owner = Other::ready("owner", store.path(), 0);
    let old = key_of(&store, &id(1, 1));
    store.delete(&id(1, 1), DeleteMode::Now).unwrap();
    let again = put(&store, &id(1, 1), &CreateSpec { want: true, ..sized(10) });
    assert_eq!(key_of(&store, &id(1, 1)).index, old.index, "another entry");
    assert_eq!(store.info(&id(1, 1)).unwrap().wanted_by, [store.number()]);
    drop(again);
    assert_eq!(store.look(&id(1, 1)).unwrap(), ObjectState::Absent, "one who wanted another keeps it");
    // Nor does letting go of the old one change the new one.
    let again = put(&store, &id(1, 1), &CreateSpec { want: true, ..sized(10) });
    owner.ends_well();
    assert!(store.contains(&id(1, 1)).unwrap() && store.contains(&id(1, 2)).unwrap());
    drop(again);
    // An old key names nothing, whatever lives in the entry now.
    put(&store, &id(1, 3), &kept(10));
    assert_eq!(key_of(&store, &id(1, 3)).index, old.index, "another entry");
    for of in [id(1, 1), id(1, 3)] {
        let error = store.get_key(old, &of, Timeout::Poll).err().unwrap();
        assert_eq!(error.kind(), Kind::ObjectDeleted);
        assert_eq!(store.want_life(old, &of).err().unwrap().kind(), Kind::ObjectDeleted);
        assert_eq!(store.look_key(old, &of).unwrap(), ObjectState::Absent);
        assert!(store.create_output(old, &of, &sized(10)).unwrap().is_scratch());
    }
    assert_eq!(store.set_keep(old, false).unwrap_err().kind(), Kind::ObjectDeleted);
    assert!(!store.is_wanted(old));
    store.is_sound();
}

#[test]
fn what_stays_is_always_found_beside_what_moves() {
    let store = TestStore::open("steady", 4 * MB);
    for n in 0..300 {
        put(&store, &id(1, n), &kept(1));
    }
    let end = Instant::now() + Duration::from_secs(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                if Instant::now() >= end {
                    break;
                }
                // Taking out the old closes gaps over what stays.
                put(&store, &id(2, n), &kept(1));
                if n >= 600 {
                    store.delete(&id(2, n - 600), DeleteMode::Now).unwrap();
                }
            }
        });
        while Instant::now() < end {
            assert!((0..300).all(|n| store.contains(&id(1, n)).unwrap()), "it is there");
        }
    });
    store.is_sound();
}

// ---- waking up ------------------------------------------------------------------------------------------------------

const ECHOES: u32 = 20;

/// Answers each of an object, a failure, a deletion and a call with an object.
fn echoes(path: &Path, _: u32) {
    let store = open(path, MB);
    let declaration = declare(&store, b"");
    let first = store.get(&id(2, 0), Timeout::Forever).unwrap();
    for n in 0..ECHOES {
        assert!(store.get(&id(1, n), Timeout::Forever).is_ok());
        put(&store, &id(3, n), &kept(1));
        let queued = store
            .wait_until(&[declaration.id()], Timeout::Forever, &mut || {
                let calls = store.queue(declaration.key(), 0)?;
                Ok(calls.into_iter().next())
            })
            .unwrap();
        assert!(matches!(store.claim(&queued), Ok(sdp_dal::store::Claim::Claimed(_))));
        put(&store, &id(4, n), &kept(1));
        store.finish(queued.key).unwrap();
    }
    drop(first);
}

/// The least time of many, which is less than a slice of 250 ms if a ring wakes who waits.
#[test]
fn whoever_waits_is_woken_before_its_slice_is_over() {
    let path = common::path("woken");
    let _removed = Removed(path.clone());
    let store = open(&path, MB);
    let echo = Other::start("echo", &path, 0);
    let declaration = loop {
        if let Some(found) = store.namespaces().unwrap().pop() {
            break found;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    put(&store, &id(2, 0), &kept(1));
    let mut least = [Duration::MAX; 2];
    for n in 0..ECHOES {
        // So that it sleeps.
        std::thread::sleep(Duration::from_millis(20));
        let begun = Instant::now();
        put(&store, &id(1, n), &kept(1));
        drop(store.get(&id(3, n), Timeout::Forever).unwrap());
        least[0] = least[0].min(begun.elapsed());
        std::thread::sleep(Duration::from_millis(20));
        let begun = Instant::now();
        let mut call = *ObjectId::declaration(declaration.prefix).as_bytes();
        call[16..].copy_from_slice(&(n + 1).to_be_bytes());
        let writer = store.create(&ObjectId::new(call), &CreateSpec { want: true, ..sized(10) }).unwrap();
        let issued = store.issue(writer, declaration.key, &[]).unwrap();
        drop(store.get(&id(4, n), Timeout::Forever).unwrap());
        least[1] = least[1].min(begun.elapsed());
        drop(issued);
    }
    echo.ends_well();
    assert!(
        least.iter().all(|time| *time < Duration::from_millis(150)),
        "asleep to the end of a slice: {least:?}"
    );
}
