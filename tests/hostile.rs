//! What is not a store is refused with a sentence of its own, and a store that was scribbled upon gives errors.

mod common;

use std::cell::Cell;
use std::ffi::{c_char, CStr, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{symlink, FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sdp_dal::error::{Error, Kind};
use sdp_dal::shm::fork::{LockFile, PASSING};
use sdp_dal::shm::layout::{Entry, Geometry, Header, State, EVENT_SIZE};
use sdp_dal::shm::liveness;
use sdp_dal::shm::place::Place;
use sdp_dal::store::{Create, CreateSpec, DeleteMode, EntryKey, EventKind, ObjectId, Store, StoreOptions};
use sdp_dal::sync::atomic::{AtomicU32, Ordering};
use sdp_dal::sync::lock::NUMBER_MASK;
use sdp_dal::timeout::Timeout;

fn options() -> StoreOptions {
    StoreOptions { size: Some(1 << 20), ..StoreOptions::default() }
}

fn refused(path: &Path, kind: Kind, words: &str) {
    let error = Store::open(path, &options()).err().unwrap_or_else(|| panic!("{words}: was opened"));
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.message().contains(words), "'{error}' does not say '{words}'");
}

struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A copy of a good store's file, under a path of its own.
fn copy_of_a_store(name: &str) -> Removed {
    let store = common::TestStore::open(&format!("{name}-original"), 1 << 20);
    let copy = common::path(name);
    // Holes stay holes.
    let done = Command::new("cp").arg("--sparse=always").arg(store.path()).arg(&copy).status().unwrap();
    assert!(done.success());
    Removed(copy)
}

#[test]
fn every_damage_of_a_header_has_its_own_sentence() {
    // Offset of a word, its new value, and what is said.
    let damages: [(u64, &[u8], Kind, &str); 7] = [
        (0, b"garbage!", Kind::Corrupt, "not a store"),
        (8, &99u32.to_le_bytes(), Kind::Unsupported, "layout version 99"),
        (12, &4u32.to_le_bytes(), Kind::Unsupported, "features"),
        (20, &1000u32.to_le_bytes(), Kind::Corrupt, "max_clients"),
        (24, &1u64.to_le_bytes(), Kind::Unsupported, "incompatible build"),
        (32, &u64::MAX.to_le_bytes(), Kind::Corrupt, "size"),
        (40, &4096u64.to_le_bytes(), Kind::Corrupt, "sizes"),
    ];
    for (number, (offset, bytes, kind, words)) in damages.into_iter().enumerate() {
        let copy = copy_of_a_store(&format!("header-{number}"));
        let file = fs::OpenOptions::new().write(true).open(&copy.0).unwrap();
        file.write_all_at(bytes, offset).unwrap();
        refused(&copy.0, kind, words);
    }
    // Its name, which the errors tell, has none of the words.
    let copy = copy_of_a_store("shortened");
    let header = size_of::<Header>() as u64;
    for (length, words) in [(1 << 20, "truncated"), (header, "truncated"), (header - 1, "too short")] {
        fs::OpenOptions::new().write(true).open(&copy.0).unwrap().set_len(length).unwrap();
        refused(&copy.0, Kind::Corrupt, words);
    }
}

#[test]
fn only_our_own_links_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let link = |name: &str, target: &str| {
        let path = folder.path().join(name);
        symlink(target, &path).unwrap();
        path
    };
    refused(&link("elsewhere", "/etc/passwd"), Kind::PermissionDenied, "not a store's file");
    let dangling = format!("/dev/shm/sdp-dal-0-{}", "0".repeat(32));
    refused(&link("dangling", &dangling), Kind::NotFound, "shared tmpfs volume");
    refused(folder.path(), Kind::InvalidArgument, "neither a file nor a link");
    let absent = folder.path().join("absent");
    let never = StoreOptions { create: Create::Never, ..options() };
    assert_eq!(Store::open(&absent, &never).err().unwrap().kind(), Kind::NotFound);
    assert!(!absent.exists());
}

#[test]
fn another_owners_store_needs_to_be_asked_for() {
    // SAFETY: asks for our user ID.
    if unsafe { libc::geteuid() } != 0 {
        // Only root can give a file away; the check itself is that of the owner, tested by its other side here.
        let store = common::TestStore::open("mine", 1 << 20);
        assert!(Store::open(store.path(), &options()).is_ok());
        return;
    }
    let copy = copy_of_a_store("owned");
    std::os::unix::fs::chown(&copy.0, Some(12345), None).unwrap();
    refused(&copy.0, Kind::PermissionDenied, "12345");
    let accepting = StoreOptions { accept_owner: Some(12345), ..options() };
    assert!(Store::open(&copy.0, &accepting).is_ok());
}

#[test]
fn a_store_is_ours_alone_unless_a_group_is_named() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let store = common::TestStore::open("mode", 1 << 20);
    assert_eq!(mode(store.path()), 0o600);
    // SAFETY: asks for our group ID.
    let group = unsafe { libc::getegid() };
    let path = common::path("group");
    let shared = Store::open(&path, &StoreOptions { group: Some(group), ..options() }).unwrap();
    assert_eq!(mode(shared.path()), 0o660);
}

fn id(n: u64) -> ObjectId {
    let mut bytes = [0xab; 20];
    bytes[12..].copy_from_slice(&n.to_be_bytes());
    ObjectId::new(bytes)
}

/// Uses a store while its bookkeeping is being overwritten with noise. Nothing may crash or hang.
fn use_a_scribbled_store(seed: u64) {
    let path = common::path(&format!("scribble-{seed}"));
    let _removed = Removed(path.clone());
    let store = Store::open(&path, &options()).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let length = file.metadata().unwrap().len();
    let mut log = store.subscribe(b"").unwrap();
    for n in 0..20 {
        let spec = CreateSpec { data_size: n * 300, metadata: b"text", keep: true, ..CreateSpec::default() };
        store.create(&id(n), &spec).unwrap().seal().unwrap();
    }
    // The header before and behind the lock's line, clients and buckets, heap control, the log, entries, extents, index.
    let geometry =
        Geometry::new(1 << 20, store.stat().unwrap().max_objects.try_into().unwrap(), 256).unwrap();
    assert_eq!(geometry.file_size, length, "the store is laid out otherwise");
    let event_sequence = std::mem::offset_of!(Header, event_sequence) as u64;
    let regions = [
        (std::mem::offset_of!(Header, index_level) as u64, 32),
        (std::mem::offset_of!(Header, entries_used) as u64, 64),
        (geometry.clients, geometry.heap - geometry.clients),
        (geometry.heap, 6000),
        (geometry.events, 80 * EVENT_SIZE),
        (event_sequence - 8, 24),
        (geometry.entries, 24 * geometry.entry_stride),
        (geometry.extents, 2048),
        (geometry.index, 48_000),
    ];
    for round in 0..60 {
        let (start, length) = regions[usize::try_from(next() % 9).unwrap()];
        let at = start + next() % length;
        let _ = file.write_all_at(&(next() >> (next() % 60)).to_le_bytes(), at / 8 * 8);
        let n = next() % 24;
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = store
                .get(&id(n), Timeout::Poll)
                .map(|buffer| buffer.data().iter().map(|b| u64::from(*b)).sum::<u64>());
            let spec = CreateSpec {
                data_size: n * 100,
                keep: true,
                full_timeout: Some(Timeout::Poll),
                ..CreateSpec::default()
            };
            let _ = store.create(&id(n + round), &spec).map(|writer| writer.seal());
            let _ = store.delete(&id(round % 24), DeleteMode::Now);
            let _ = store.list(b"");
            let _ = store.check();
            let _ = store.stat();
            // Scribbled words may be a resync after the other: an end is not promised.
            for _ in 0..100 {
                if log.next(Timeout::Poll).is_err() {
                    break;
                }
            }
            let _ = store.trim();
        }));
        // A panic is caught at the C ABI; it is no crash of the host, but it should be an error.
        assert!(outcome.is_ok(), "seed {seed}, round {round}: a panic");
    }
}

#[test]
fn a_scribbled_event_log_makes_its_reader_list_again() {
    let store = common::TestStore::open("scribbled-log", 1 << 20);
    let file = fs::OpenOptions::new().write(true).open(store.path()).unwrap();
    let word = std::mem::offset_of!(Header, event_sequence) as u64;
    let spec = CreateSpec { data_size: 10, metadata: b"text", keep: true, ..CreateSpec::default() };
    let mut log = store.subscribe(b"").unwrap();
    for (n, sequence) in [u64::MAX - 1, 7, u64::MAX, 1 << 63, 5].into_iter().enumerate() {
        file.write_all_at(&sequence.to_le_bytes(), word).unwrap();
        assert_eq!(log.next(Timeout::Poll).unwrap().kind, EventKind::Resync, "{sequence}");
        for object in 0..2 {
            store.create(&id(10 * n as u64 + object), &spec).unwrap().seal().unwrap();
            let event = log.next(Timeout::Poll).unwrap();
            assert_eq!((event.kind, event.id), (EventKind::Sealed, id(10 * n as u64 + object)));
        }
        assert_eq!(log.next(Timeout::Poll).unwrap_err().kind(), Kind::Timeout);
    }
    // A slot in which another event stands than should.
    store.create(&id(1000), &spec).unwrap().seal().unwrap();
    let geometry =
        Geometry::new(1 << 20, store.stat().unwrap().max_objects.try_into().unwrap(), 256).unwrap();
    for slot in 0..20 {
        file.write_all_at(&77u64.to_le_bytes(), geometry.events + slot * EVENT_SIZE).unwrap();
    }
    assert_eq!(log.next(Timeout::Poll).unwrap().kind, EventKind::Resync);
    // Sizes that no object has, when its deletion is told.
    let sizes = geometry.entries + std::mem::offset_of!(Entry, data_size) as u64;
    file.write_all_at(&u64::MAX.to_le_bytes(), sizes).unwrap();
    let first = store.list(b"").unwrap().into_iter().find(|object| object.data_size == u64::MAX).unwrap();
    assert_eq!(store.delete(&first.id, DeleteMode::Now).unwrap_err().kind(), Kind::Corrupt);
    assert!(!store.contains(&first.id).unwrap());
    // The next holder of the lock rebuilds.
    store.is_sound();
    assert_eq!(log.next(Timeout::Poll).unwrap().kind, EventKind::Resync);
}

/// A link as an earlier start of the machine has left it.
#[test]
fn a_link_that_outlived_a_restart_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("store");
    // SAFETY: has no preconditions.
    let uid = unsafe { libc::geteuid() };
    symlink(format!("/dev/shm/sdp-dal-{uid}-{}", "0".repeat(32)), &link).unwrap();
    // It may be the link of a store in another container: it is younger than this start.
    refused(&link, Kind::NotFound, "shared tmpfs volume");
    let name = std::ffi::CString::new(link.to_str().unwrap()).unwrap();
    let year_2001 = libc::timespec { tv_sec: 1_000_000_000, tv_nsec: 0 };
    let times = [year_2001, year_2001];
    // SAFETY: a NUL-terminated path and two times that live over the call.
    let set =
        unsafe { libc::utimensat(libc::AT_FDCWD, name.as_ptr(), times.as_ptr(), libc::AT_SYMLINK_NOFOLLOW) };
    assert_eq!(set, 0);
    // Who only wants to look makes nothing.
    let look = StoreOptions { create: Create::Never, ..options() };
    let error = Store::open(&link, &look).err().unwrap();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(
        error.message().contains("shared tmpfs volume") && fs::symlink_metadata(&link).is_ok(),
        "{error}"
    );
    let store = Store::open(&link, &options()).unwrap();
    assert!(!store.is_gone());
    drop(store);
    assert!(fs::symlink_metadata(&link).is_err(), "the link stays behind");
}

/// As a link that was removed by hand has left it, or a crash between two steps. Its memory would be lost.
#[test]
fn a_file_that_no_path_leads_to_goes_when_the_next_store_is_made() {
    let folder = tempfile::tempdir().unwrap();
    // SAFETY: has no preconditions.
    let uid = unsafe { libc::geteuid() };
    let lost = Removed(PathBuf::from(format!("/dev/shm/sdp-dal-{uid}-{:032x}", std::process::id())));
    let copy = copy_of_a_store("lost");
    fs::rename(&copy.0, &lost.0).unwrap();
    // Of one that has no path any more either, but a client.
    let path = folder.path().join("used");
    let used = Store::open(&path, &options()).unwrap();
    let file = fs::read_link(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let _next = Store::open(&folder.path().join("next"), &options()).unwrap();
    assert!(!lost.0.exists(), "its memory is lost");
    assert!(file.exists());
    drop(used);
    assert!(!file.exists());
}

#[test]
fn a_store_whose_file_was_replaced_is_gone() {
    let store = common::TestStore::open("replaced", 1 << 20);
    let copy = copy_of_a_store("replacement");
    assert!(!store.is_gone());
    fs::rename(&copy.0, store.path()).unwrap();
    assert!(store.is_gone());
    fs::remove_file(store.path()).unwrap();
}

#[test]
fn numbers_that_have_run_out_are_not_drawn_again() {
    let copy = copy_of_a_store("numbers");
    let file = fs::OpenOptions::new().write(true).open(&copy.0).unwrap();
    let offset = std::mem::offset_of!(Header, numbers) as u64;
    file.write_all_at(&u32::MAX.to_le_bytes(), offset).unwrap();
    refused(&copy.0, Kind::LimitReached, "no client numbers left");
    // Nor is the one that the lock's word would not tell from others.
    file.write_all_at(&(NUMBER_MASK - 1).to_le_bytes(), offset).unwrap();
    refused(&copy.0, Kind::LimitReached, "no client numbers left");
}

/// Who takes the names of a store away may be slow.
#[test]
fn a_store_that_is_going_is_waited_for() {
    let copy = copy_of_a_store("going");
    // The number of its client, who is dead, and those that are drawn from now on.
    let numbers = || {
        let mut number = [0; 4];
        let file = fs::File::open(&copy.0).unwrap();
        file.read_exact_at(&mut number, std::mem::offset_of!(Header, numbers) as u64).unwrap();
        u32::from_le_bytes(number)
    };
    let (path, file) = (copy.0.clone(), copy.0.clone());
    let remover =
        LockFile::open(PASSING, || Place { path, file }.open(true).map_err(|e| Error::io("", &e))).unwrap();
    assert!(liveness::begin_removal(&remover));
    let path = copy.0.clone();
    let opener = std::thread::spawn(move || Store::open(&path, &options()));
    while numbers() < 8 && !opener.is_finished() {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(remover);
    let store = opener.join().unwrap().unwrap();
    assert!(!store.is_gone() && store.number() == 1, "the old one");
}

/// It may go between two looks of one who opens it.
#[test]
fn a_file_that_comes_and_goes_is_there_or_is_not() {
    const ROUNDS: u32 = 3000;
    let path = common::path("comes-and-goes");
    let _removed = Removed(path.clone());
    let look = StoreOptions { create: Create::Never, ..options() };
    let ended = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while ended.load(Ordering::Relaxed) == 0 {
                fs::write(&path, "").unwrap();
                fs::remove_file(&path).unwrap();
            }
        });
        for _ in 0..ROUNDS {
            let error = Store::open(&path, &look).err().unwrap();
            let right = match error.kind() {
                Kind::NotFound => error.message().starts_with("there is no store at"),
                kind => kind == Kind::Corrupt,
            };
            if !right {
                ended.store(1, Ordering::Relaxed);
                panic!("{error}");
            }
        }
        ended.store(1, Ordering::Relaxed);
    });
}

thread_local! {
    /// What is to happen when this thread reads a link next: it goes before that, or the system answers with an error.
    static NEXT_LINK: Cell<Option<Reading>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
enum Reading {
    Goes,
    Fails(i32),
}

/// In place of the C library's.
///
/// # Safety
/// As that.
#[no_mangle]
pub unsafe extern "C" fn readlink(path: *const c_char, to: *mut c_char, room: usize) -> isize {
    match NEXT_LINK.get() {
        None => {}
        Some(Reading::Goes) => {
            NEXT_LINK.set(None);
            // SAFETY: the caller's path.
            let path = unsafe { CStr::from_ptr(path) };
            fs::remove_file(OsStr::from_bytes(path.to_bytes())).unwrap();
        }
        Some(Reading::Fails(error)) => {
            // SAFETY: errno is this thread's.
            unsafe { *libc::__errno_location() = error };
            return -1;
        }
    }
    // SAFETY: the caller's arguments.
    let done = unsafe { libc::syscall(libc::SYS_readlinkat, libc::AT_FDCWD, path, to, room) };
    isize::try_from(done).unwrap()
}

#[test]
fn a_link_may_go_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    symlink(format!("/dev/shm/sdp-dal-0-{}", "0".repeat(32)), &path).unwrap();
    NEXT_LINK.set(Some(Reading::Fails(libc::EIO)));
    refused(&path, Kind::Io, "reading");
    NEXT_LINK.set(Some(Reading::Goes));
    let look = StoreOptions { create: Create::Never, ..options() };
    let error = Store::open(&path, &look).err().unwrap();
    assert!(NEXT_LINK.get().is_none(), "no link was read");
    assert!(error.message().starts_with("there is no store at"), "{error}");
}

#[test]
fn an_object_of_an_impossible_size_is_dropped_by_the_next_rebuild() {
    let store = common::TestStore::open("impossible-size", 1 << 20);
    let spec = CreateSpec { data_size: 10, keep: true, ..CreateSpec::default() };
    let ids = [ObjectId::new([1; 20]), ObjectId::new([2; 20])];
    for id in &ids {
        store.create(id, &spec).unwrap().seal().unwrap();
    }
    let stat = store.stat().unwrap();
    let geometry = Geometry::new(stat.size, stat.max_objects.try_into().unwrap(), stat.max_clients).unwrap();
    let file = fs::OpenOptions::new().write(true).open(store.path()).unwrap();
    let entry = geometry.entries + u64::from(store.info(&ids[0]).unwrap().key.index) * geometry.entry_stride;
    let size = entry + std::mem::offset_of!(Entry, data_size) as u64;
    file.write_all_at(&(u64::MAX - 20).to_le_bytes(), size).unwrap();
    // As a holder leaves the lock who died: dirty, and nobody's.
    let lock = std::mem::offset_of!(Header, lock) as u64;
    file.write_all_at(&(1u32 << 30).to_le_bytes(), lock).unwrap();
    store.is_sound();
    assert!(!store.contains(&ids[0]).unwrap() && store.contains(&ids[1]).unwrap());
}

#[test]
fn what_failed_without_a_status_is_damaged() {
    let store = common::TestStore::open("no-status", 1 << 20);
    let spec = CreateSpec { data_size: 10, keep: true, ..CreateSpec::default() };
    store.create(&id(1), &spec).unwrap().seal().unwrap();
    let stat = store.stat().unwrap();
    let geometry = Geometry::new(stat.size, stat.max_objects.try_into().unwrap(), stat.max_clients).unwrap();
    let file = fs::OpenOptions::new().read(true).write(true).open(store.path()).unwrap();
    let entry = geometry.entries + u64::from(store.info(&id(1)).unwrap().key.index) * geometry.entry_stride;
    let mut state = [0];
    file.read_exact_at(&mut state, entry).unwrap();
    file.write_all_at(&[state[0] & !15 | State::Failed as u8], entry).unwrap();
    assert_eq!(store.get(&id(1), Timeout::Poll).err().map(|error| error.kind()), Some(Kind::Corrupt));
}

/// Owed is what the busy lock has kept from being failed, not what is wrong.
#[test]
fn a_failure_that_can_never_be_is_not_owed() {
    let store = common::TestStore::open("owed", 1 << 20);
    let beyond = EntryKey { index: u32::MAX, generation: 1 };
    let error = Error::new(Kind::FunctionFailed, "on purpose");
    assert_eq!(store.fail_surely(beyond, &error).unwrap_err().kind(), Kind::Corrupt);
    store.fail_owed().unwrap();
}

#[test]
fn scribbled_child() {
    if let Some(seed) = std::env::var("SDP_DAL_TEST_SEED").ok().and_then(|text| text.parse().ok()) {
        use_a_scribbled_store(seed);
    }
}

#[test]
fn scribbling_gives_errors_not_crashes() {
    for seed in 1..=32u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "scribbled_child", "--nocapture"])
            .env("SDP_DAL_TEST_SEED", seed.to_string())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > Duration::from_secs(60) {
                child.kill().unwrap();
                panic!("seed {seed} hangs");
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        assert!(status.success(), "seed {seed}: {status}");
    }
}
