//! After fork(): the child's inherited handles say so, it can attach anew, and the parent's attachment is untouched. And
//! what a program finds that has closed its descriptors: the same, for others take it for dead.

mod common;
mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use sdp_dal::dal::{Namespace, Processor, ProcessorOptions};
use sdp_dal::error::Kind;
use sdp_dal::store::{leave_all, CreateSpec, ObjectId, Store, StoreOptions};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::CallSchema;
use support::programs::{compile, Stores};
use support::{root, run, scratch, C11};

/// For waits that a test would else hang in.
const WATCHDOG: Duration = Duration::from_secs(120);

fn id(n: u8) -> ObjectId {
    ObjectId::new([n; 20])
}

fn put(store: &Store, n: u8) {
    let spec = CreateSpec { data_size: 8, keep: true, ..CreateSpec::default() };
    let mut writer = store.create(&id(n), &spec).unwrap();
    writer.copy_from(0, &[n; 8]);
    writer.seal().unwrap();
}

/// What the child does; its exit status tells which step failed.
fn in_child(
    store: &Store,
    namespace: &Namespace,
    held: &sdp_dal::store::Buffer,
    path: &std::path::Path,
) -> i32 {
    if store.contains(&id(1)).err().map(|error| error.kind()) != Some(Kind::Forked) {
        return 1;
    }
    if store.create(&id(2), &CreateSpec::default()).err().map(|error| error.kind()) != Some(Kind::Forked) {
        return 2;
    }
    // It would be the parent's next ID.
    if namespace.new_id().err().map(|error| error.kind()) != Some(Kind::Forked) {
        return 6;
    }
    // None of these may touch the bookkeeping, which the child does not have.
    let key = held.key();
    let _ = (store.queue(key, 0), store.finish(key), store.is_wanted(key), store.is_gone());
    let _ = (
        store.fail(key, &sdp_dal::error::Error::internal("x")),
        store.stat(),
        store.list(b""),
        store.clients(),
    );
    let _ = (store.reap_all(), store.reap_by_turn(), store.check(), store.namespaces(), store.look(&id(1)));
    let _ = (store.delete(&id(1), sdp_dal::store::DeleteMode::Now), store.want(&id(1)).is_err());
    let _ = (store.set_progress(key, 0.5), store.progress(key), store.client_title(store.number()));
    store.nudge(&id(1));
    let _ = (store.trim(), store.set_client_name("child"), store.want_life(key, &id(1)).is_err());
    store.interrupt(true);
    // Inherited bytes stay readable.
    if held.data() != [1; 8] {
        return 3;
    }
    let Ok(own) = Store::open(path, &StoreOptions::default()) else { return 4 };
    if own.number() == store.number()
        || own.get(&id(1), Timeout::Poll).map(|b| b.data().to_vec()) != Ok(vec![1; 8])
    {
        return 5;
    }
    put(&own, 2);
    0
}

#[test]
fn a_child_attaches_for_itself() {
    let store = common::TestStore::open("fork", 1 << 20);
    put(&store, 1);
    let namespace = Namespace::new(&store, None);
    namespace.prefix().unwrap();
    let held = store.get(&id(1), Timeout::Poll).unwrap();
    // SAFETY: the child only uses what this test made before, and leaves by _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let inherited = (*store).clone();
        let code = in_child(&inherited, &namespace, &held, store.path());
        drop((inherited, held));
        // SAFETY: ends the child without running the test harness's exit code.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: waits for our own child.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(libc::WIFEXITED(status), "the child was killed: {status:#x}");
    assert_eq!(libc::WEXITSTATUS(status), 0);
    assert_eq!(store.get(&id(2), Timeout::Poll).unwrap().data(), [2; 8]);
    // The child left without closing: it is dead, we are not.
    store.reap_all();
    assert_eq!(store.clients().unwrap().len(), 1);
    store.is_sound();
    put(&store, 3);
}

#[test]
fn a_child_that_leaves_takes_along_what_nobody_else_uses() {
    let store = common::TestStore::open("fork-leaves", 1 << 20);
    let own = common::path("fork-leaves-own");
    let leaves = || {
        let options = StoreOptions { size: Some(1 << 20), ..StoreOptions::default() };
        let _shared = Store::open(store.path(), &options)?;
        let alone = Store::open(&own, &options)?;
        put(&alone, 1);
        // Twice, as a second handler of the program's end may do.
        leave_all();
        leave_all();
        let stays = alone.get(&id(1), Timeout::Poll)?.data() == [1; 8];
        Ok::<_, sdp_dal::error::Error>(stays && !own.exists() && store.path().exists())
    };
    // SAFETY: as above.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let left = std::panic::catch_unwind(std::panic::AssertUnwindSafe(leaves));
        // SAFETY: as above.
        unsafe { libc::_exit(i32::from(!matches!(left, Ok(Ok(true))))) };
    }
    let mut status = 0;
    // SAFETY: waits for our own child.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    // If it is left over.
    let _ = std::fs::remove_file(&own);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status:#x}");
    assert!(!store.is_gone());
}

#[test]
fn a_child_keeps_its_own_threads_though_the_parent_had_one_for_events() {
    let store = common::TestStore::open("fork-events", 1 << 20);
    store.event_descriptor().unwrap();
    // SAFETY: as above.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        // It may get the stack, and with it the name, of the parent's thread, which is not here.
        let thread = std::thread::spawn(move || ended.recv().is_ok());
        drop(store);
        end.send(()).unwrap();
        let join = std::panic::AssertUnwindSafe(|| thread.join().unwrap_or(false));
        let joined = std::panic::catch_unwind(join).unwrap_or(false);
        // SAFETY: as above.
        unsafe { libc::_exit(i32::from(!joined)) };
    }
    let mut status = 0;
    // SAFETY: waits for our own child.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status:#x}");
    store.clear_event_descriptor().unwrap();
    store.is_sound();
}

#[test]
fn a_child_closes_an_inherited_processor_without_waiting_for_the_parents_threads() {
    let store = common::TestStore::open("fork-processor", 1 << 20);
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    let nothing = std::sync::Arc::new(|_: &_| Ok(()));
    processor.register(CallSchema::parse("f(x: int64)").unwrap(), Some(nothing)).unwrap();
    processor.start().unwrap();
    let processor = std::sync::Arc::new(processor);
    let thread = std::thread::spawn({
        let processor = processor.clone();
        move || processor.process(Timeout::Forever).err().map(|error| error.kind())
    });
    // So that it is inside by now.
    std::thread::sleep(std::time::Duration::from_millis(50));
    // SAFETY: as above.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: ends the child if it hangs.
        unsafe { libc::alarm(60) };
        let polled = processor.process(Timeout::Poll).err().map(|error| error.kind());
        let closed = processor.shutdown();
        // SAFETY: as above.
        unsafe { libc::_exit(i32::from(polled != Some(Kind::Forked) || closed.is_err())) };
    }
    let mut status = 0;
    // SAFETY: waits for our own child.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status:#x}");
    assert_eq!(store.namespaces().unwrap().len(), 1, "the child has closed the parent's");
    processor.shutdown().unwrap();
    assert_eq!(thread.join().unwrap(), Some(Kind::ProcessorLost));
    store.is_sound();
}

#[test]
fn a_child_opens_a_store_whatever_other_threads_of_the_parent_were_opening() {
    let store = common::TestStore::open("fork-open", 1 << 20);
    let other = common::path("fork-opened");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let options = StoreOptions { size: Some(1 << 20), ..StoreOptions::default() };
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                drop(Store::open(&other, &options).unwrap());
            }
        });
        let mut worst = 0;
        for _ in 0..20 {
            // SAFETY: as above.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: ends the child if it hangs, or else when it is done.
                unsafe {
                    libc::alarm(20);
                    libc::_exit(i32::from(Store::open(store.path(), &StoreOptions::default()).is_err()));
                }
            }
            let mut status = 0;
            // SAFETY: waits for our own child.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            worst = worst.max(status);
            if status != 0 {
                break;
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(worst, 0, "a child hangs, or fails, in opening a store");
    });
    store.reap_all();
    store.is_sound();
}

/// `tests/c/fork.c` as a program, in a process group of its own: its forked children end with it.
struct Forker {
    child: Child,
    tell: ChildStdin,
    said: BufReader<ChildStdout>,
}

fn built() -> (PathBuf, PathBuf) {
    static BUILT: once_cell::sync::Lazy<(PathBuf, PathBuf)> = once_cell::sync::Lazy::new(|| {
        let folder = scratch("fork");
        let built = compile(&folder, &root().join("tests/c/fork.c"), C11);
        support::install_library(&folder);
        (folder, built)
    });
    BUILT.clone()
}

fn command(store: &Path, mode: &str, more: &Path) -> std::process::Command {
    let (folder, built) = built();
    let mut command = support::programs::installed(&folder, &built);
    command.arg(store).arg(mode).arg(more);
    command
}

impl Forker {
    fn start(store: &Path, mode: &str, more: &Path) -> Forker {
        let mut command = command(store, mode, more);
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (tell, said) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Forker { child, tell, said }
    }

    /// Its next line.
    fn says(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn go_on(&mut self) {
        self.tell.write_all(b"\n").unwrap();
    }

    fn ended(mut self) {
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Forker {
    fn drop(&mut self) {
        let group = i32::try_from(self.child.id()).unwrap();
        // SAFETY: a group that only this program and its children are in; it was not waited for unless it ended by itself.
        unsafe { libc::kill(-group, libc::SIGKILL) };
        let _ = self.child.wait();
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < WATCHDOG, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_child_keeps_its_own_memory_when_it_frees_what_it_inherited() {
    let stores = Stores::new();
    run(&mut command(&stores.path("memory"), "memory", Path::new("0")));
}

#[test]
fn a_child_hangs_in_no_function_whatever_other_threads_of_the_parent_held() {
    let stores = Stores::new();
    run(&mut command(&stores.path("threads"), "threads", Path::new("1000")));
}

#[test]
fn a_child_keeps_no_closed_client_alive() {
    let store = common::TestStore::open("fork-opening", 1 << 20);
    let mut forker = Forker::start(store.path(), "opening", Path::new("300"));
    let closed = forker.says();
    let last: u32 = closed.strip_prefix("closed ").unwrap_or_else(|| panic!("{closed}")).parse().unwrap();
    // A child that has not run since it was forked has not closed its copies yet.
    let lives = |number: u32| number != store.number() && store.alive(number);
    until("a closed client lives on in a child", || !(1..=last).any(lives));
    assert_eq!(store.clients().unwrap().len(), 1);
}

#[test]
fn a_child_does_not_keep_its_killed_parent_alive() {
    let store = common::TestStore::open("fork-killed", 1 << 20);
    for _ in 0..5 {
        let mut forker = Forker::start(store.path(), "killed", Path::new("20"));
        assert_eq!(forker.says(), "ready");
        assert_eq!(store.clients().unwrap().len(), 2);
        let parent = i32::try_from(forker.child.id()).unwrap();
        // SAFETY: a child of ours that was not waited for.
        unsafe { libc::kill(parent, libc::SIGKILL) };
        until("the death of a parent is not noticed", || {
            store.reap_all();
            store.clients().unwrap().len() == 1
        });
        // The declaration that nobody owns is all that may be left.
        assert_eq!(store.list(b"").unwrap().len(), 0);
    }
    // The store that it was opening and closing.
    let _ = std::fs::remove_file(
        store.path().with_file_name(format!("{}-other", store.path().file_name().unwrap().to_string_lossy())),
    );
    store.is_sound();
}

#[test]
fn a_client_whose_descriptors_were_closed_harms_no_other() {
    let store = common::TestStore::open("fork-closer", 16 << 20);
    let spec = CreateSpec { data_size: 8, keep: true, ..CreateSpec::default() };
    let object = ObjectId::new([0xa5; 19].into_iter().chain([1]).collect::<Vec<u8>>().try_into().unwrap());
    let mut writer = store.create(&object, &spec).unwrap();
    writer.copy_from(0, &[1; 8]);
    writer.seal().unwrap();
    let files = tempfile::tempdir().unwrap();
    let mut closer = Forker::start(store.path(), "closer", files.path());
    assert_eq!(closer.says(), "closed");
    until("a client without descriptors does not count as dead", || {
        store.reap_all();
        store.clients().unwrap().len() == 1
    });
    // It gets the place of the other one.
    let mut holder = Forker::start(store.path(), "holder", files.path());
    assert_eq!(holder.says(), "holds");
    closer.go_on();
    assert_eq!(closer.says(), "back");
    store.delete(&object, sdp_dal::store::DeleteMode::Now).unwrap();
    assert_eq!(store.stat().unwrap().doomed, 1, "the pin of another client has gone");
    holder.go_on();
    holder.ended();
    assert_eq!(store.stat().unwrap().doomed, 0);
    closer.go_on();
    closer.ended();
    assert_eq!(store.clients().unwrap().len(), 1);
    store.is_sound();
}

#[test]
fn a_client_whose_descriptors_were_closed_notices_by_itself() {
    for how in ["waits", "grows", "trims", "closes"] {
        let (stores, files) = (Stores::new(), tempfile::tempdir().unwrap());
        run(&mut command(&stores.path(how), how, files.path()));
    }
}
