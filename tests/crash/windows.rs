//! Two clients, of which one stops in the window that matters while the other one goes through it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sdp_dal::error::{Kind, Result};
use sdp_dal::store::{Create, CreateSpec, DeleteMode, ObjectId, ObjectState, Store, StoreOptions, Want};
use sdp_dal::timeout::Timeout;

use super::{
    continue_child, declare, id, killed, options, put, run_child, spawn_beside, spawn_child,
    wait_until_stopped, Observer, Removed, Role, Running,
};

/// Long enough for any machine; what waits so long does not end.
const LONG: Timeout = Timeout::After(Duration::from_secs(30));
const NAME: [u8; 4] = [5; 4];

pub const ROLES: [Role; 4] =
    [("guest", guest), ("namesake", namesake), ("replica", replica), ("getter", getter)];

/// Stays until it is told to go. The store that it is in has a name all the time.
fn guest(path: &Path) -> Result<()> {
    let store = Store::open(path, &options())?;
    std::fs::write(beside(path, "ready", std::process::id()), "").unwrap();
    let go = beside(path, "go", std::process::id());
    while !go.exists() {
        assert!(!store.is_gone(), "a client is in a store without a name");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(!store.is_gone(), "a client is in a store without a name");
    std::fs::remove_file(go).unwrap();
    Ok(())
}

/// Has a namespace with an object in it until it is killed.
fn namesake(path: &Path) -> Result<()> {
    let store = Store::open(path, &options())?;
    let _declaration = declare(&store, &NAME)?;
    put(&store, &id(NAME[0], 1), 100, false)?;
    std::thread::sleep(Duration::from_secs(60));
    Ok(())
}

/// Takes the namespace of a dead one over.
fn replica(path: &Path) -> Result<()> {
    let store = Store::open(path, &options())?;
    let taken = declare(&store, &NAME)?;
    panic!("two clients own {}", taken.id());
}

/// Gets one object.
fn getter(path: &Path) -> Result<()> {
    let store = Store::open(path, &options())?;
    let buffer = store.get(&id(0xcc, 1), Timeout::Poll)?;
    assert!(buffer.data().iter().all(|byte| *byte == 7), "the bytes of another object");
    Ok(())
}

fn beside(path: &Path, what: &str, pid: u32) -> PathBuf {
    PathBuf::from(format!("{}.{what}.{pid}", path.display()))
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A guest of the store at a path.
struct Guest {
    child: Running,
    path: PathBuf,
}

impl Guest {
    fn new(path: &Path, fail: &str) -> Guest {
        Guest { child: spawn_child("guest", path, fail), path: path.to_owned() }
    }

    fn is_in(&self) {
        let ready = beside(&self.path, "ready", self.child.id());
        until("a guest does not come in", || ready.exists());
    }

    fn told_to_go(&self) {
        std::fs::write(beside(&self.path, "go", self.child.id()), "").unwrap();
    }

    fn ends_well(mut self) {
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        for what in ["ready", "go"] {
            let _ = std::fs::remove_file(beside(&self.path, what, self.child.id()));
        }
    }
}

/// One attaches while another one, which saw no other, closes. When it draws its number, before that or after it, must
/// not matter.
fn attach_beside_the_last_close(drawn_before: bool) {
    let path = super::common::path(&format!("crash-last-close-{drawn_before}"));
    let _removed = Removed(path.clone());
    let first = Guest::new(&path, "detach.begun:1:stop");
    first.is_in();
    let second = drawn_before.then(|| Guest::new(&path, "attach.number_drawn:1:stop"));
    if let Some(second) = &second {
        // It is in no slot yet.
        wait_until_stopped(&second.child);
    }
    first.told_to_go();
    wait_until_stopped(&first.child);
    let second = second.unwrap_or_else(|| Guest::new(&path, ""));
    continue_child(&second.child);
    second.is_in();
    continue_child(&first.child);
    first.ends_well();
    let never = StoreOptions { create: Create::Never, ..options() };
    let store = Store::open(&path, &never).unwrap();
    assert_eq!(store.stat().unwrap().clients, 2, "the second one is elsewhere");
    second.told_to_go();
    second.ends_well();
    drop(store);
    assert!(!path.exists());
}

#[test]
fn whoever_attaches_beside_the_last_close_keeps_the_store() {
    attach_beside_the_last_close(false);
    attach_beside_the_last_close(true);
}

/// A store has its name before its creator is a client of it. A monitor that opens and closes it in between is its first client
/// and its last one.
#[test]
fn a_store_stays_until_its_creator_is_in_it() {
    let path = super::common::path("crash-not-in-yet");
    let _removed = Removed(path.clone());
    let number = || std::fs::metadata(&path).unwrap().ino();
    let never = StoreOptions { create: Create::Never, ..options() };
    let creator = Guest::new(&path, "attach.number_drawn:1:stop");
    wait_until_stopped(&creator.child);
    let created = number();
    drop(Store::open(&path, &never).unwrap());
    assert_eq!(number(), created, "the store was removed");
    continue_child(&creator.child);
    creator.is_in();
    assert_eq!(number(), created, "the store was created again");
    creator.told_to_go();
    creator.ends_well();
    assert!(!path.exists());

    // It crashes before it is in: then the last one is the last one.
    let mut creator = spawn_child("guest", &path, "attach.number_drawn:1:stop");
    wait_until_stopped(&creator);
    let store = Store::open(&path, &never).unwrap();
    creator.kill().unwrap();
    creator.wait().unwrap();
    drop(store);
    assert!(!path.exists());
}

#[test]
fn of_two_that_close_at_once_one_is_the_last() {
    let path = super::common::path("crash-both-close");
    let _removed = Removed(path.clone());
    // Each is about to close, and the other one is there.
    let both = [(); 2].map(|()| Guest::new(&path, "detach.begun:1:stop"));
    both.iter().for_each(Guest::is_in);
    both.iter().for_each(Guest::told_to_go);
    both.iter().for_each(|guest| wait_until_stopped(&guest.child));
    both.iter().for_each(|guest| continue_child(&guest.child));
    both.into_iter().for_each(Guest::ends_well);
    assert!(!path.exists(), "a store without clients is left behind");
}

#[test]
fn a_store_of_the_dead_is_not_closed_when_another_came_in() {
    let path = super::common::path("crash-left-over");
    let _removed = Removed(path.clone());
    assert!(killed(run_child("objects", &path, "seal.before")));
    // It is about to find none that lives.
    let first = Guest::new(&path, "attach.number_drawn:1:stop");
    wait_until_stopped(&first.child);
    let store = Store::open(&path, &options()).unwrap();
    continue_child(&first.child);
    first.is_in();
    assert!(!store.is_gone(), "a client is in a store without a name");
    let pids: Vec<u32> = store.clients().unwrap().iter().map(|client| client.pid).collect();
    assert!(pids.contains(&first.child.id()), "two stores at one path");
    first.told_to_go();
    first.ends_well();
    drop(store);
    assert!(!path.exists());
}

/// Dead by now, with nothing left of it.
fn reaped(observer: &Observer, mut server: Running) {
    server.kill().unwrap();
    server.wait().unwrap();
    observer.store.reap_all();
    assert_eq!(observer.store.clients().unwrap().len(), 1);
}

fn is_lost(observer: &Observer, output: &Want) {
    let error = observer.store.get(&output.id(), LONG).err().expect("nobody has made it");
    assert_eq!(error.kind(), Kind::ProcessorLost, "{error}");
}

#[test]
fn what_a_dead_processor_promises_while_it_is_reaped_has_an_end() {
    let path = super::common::path("crash-promised-late");
    let observer = Observer::new(&path);
    let (mut server, declaration) = observer.server(&path);
    server.kill().unwrap();
    server.wait().unwrap();
    // It has been at the first entry, and not yet at the declaration.
    let mut reaper = spawn_child("objects", &path, "reap.bits_cleared:1:stop");
    wait_until_stopped(&reaper);
    let issued = observer.call(declaration, &[id(0xcd, 9)]);
    // Nor is the reaper needed for it.
    if let Ok((_, outputs)) = &issued {
        is_lost(&observer, &outputs[0]);
    }
    continue_child(&reaper);
    assert!(reaper.wait().unwrap().success());
    match issued {
        Ok((_call, outputs)) => is_lost(&observer, &outputs[0]),
        Err(error) => assert_eq!(error.kind(), Kind::ProcessorLost, "{error}"),
    }
    observer.finds_all_in_order("a call to one that is being reaped");
}

#[test]
fn an_output_that_is_given_up_after_its_processor_was_reaped_has_an_end() {
    let path = super::common::path("crash-given-up");
    let observer = Observer::new(&path);
    let (server, declaration) = observer.server(&path);
    let (call, outputs) = observer.call(declaration, &[id(0xcd, 9)]).unwrap();
    let spec = CreateSpec { data_size: 10, ..CreateSpec::default() };
    let writer = observer.store.create(&id(0xcd, 9), &spec).unwrap();
    reaped(&observer, server);
    writer.abort();
    is_lost(&observer, &outputs[0]);
    drop((call, outputs));
    observer.finds_all_in_order("an output that another gave up");
}

#[test]
fn what_a_processor_promised_that_has_closed_has_an_end() {
    let path = super::common::path("crash-closed");
    let observer = Observer::new(&path);
    let store = &observer.store;
    let declared =
        |store: &Store| store.namespaces().unwrap().into_iter().find(|found| found.owner != store.number());
    // It closes the store with its namespace, but does not end the calls to it.
    let mut server = spawn_child("processor", &path, "unwant.bit_cleared:1:stop");
    wait_until_stopped(&server);
    let found = declared(store).expect("the child has declared a namespace");
    let issued = observer.call(found.key, &[id(0xcd, 9)]);
    continue_child(&server);
    assert!(server.wait().unwrap().success());
    match issued {
        Ok((_call, outputs)) => is_lost(&observer, &outputs[0]),
        Err(error) => assert_eq!(error.kind(), Kind::ProcessorLost, "{error}"),
    }
    observer.finds_all_in_order("a processor that closed");
}

#[test]
fn one_of_two_takes_the_namespace_of_a_dead_one_over() {
    let path = super::common::path("crash-replicas");
    let observer = Observer::new(&path);
    let store = &observer.store;
    let mut dead = spawn_child("namesake", &path, "");
    until("the namespace does not come", || store.contains(&id(NAME[0], 1)).unwrap());
    dead.kill().unwrap();
    dead.wait().unwrap();
    store.reap_all();
    let mut replica = spawn_beside("replica", &path, "reserve.found:1:stop", "");
    wait_until_stopped(&replica);
    let taken = declare(store, &NAME).unwrap();
    assert!(!store.contains(&id(NAME[0], 1)).unwrap(), "objects of the dead one are left");
    put(store, &id(NAME[0], 2), 100, false).unwrap();
    continue_child(&replica);
    assert!(replica.wait().unwrap().success());
    let there = store.look(&ObjectId::declaration(NAME)).unwrap();
    assert_eq!(there, ObjectState::Sealed { key: taken.key() }, "the declaration was deleted");
    assert!(store.contains(&id(NAME[0], 2)).unwrap(), "an object of the living one was deleted");
    store.delete(&id(NAME[0], 2), DeleteMode::Now).unwrap();
    drop(taken);
    observer.finds_all_in_order("two replicas");
}

#[test]
fn what_is_released_while_the_lock_is_held_is_deleted_by_its_next_holder() {
    let path = super::common::path("crash-released");
    let observer = Observer::new(&path);
    let store = &observer.store;
    let objects = [id(0xac, 1), id(0xac, 2), id(0xac, 3)];
    let mut held = Vec::new();
    for object in &objects {
        put(store, object, 1000, false).unwrap();
        held.push(store.get(object, Timeout::Poll).unwrap());
    }
    assert!(store.delete(&objects[0], DeleteMode::WhenReleased).unwrap());
    assert!(store.delete(&objects[1], DeleteMode::Now).unwrap());
    let owned = store.want(&objects[2]).unwrap();
    store.set_keep(owned.key(), false).unwrap();
    let mut child = spawn_child("reader", &path, "lock.taken:1:stop");
    wait_until_stopped(&child);
    drop((held, owned));
    continue_child(&child);
    assert!(child.wait().unwrap().success());
    store.stat().unwrap();
    for object in &objects {
        assert_eq!(store.look(object).unwrap(), ObjectState::Absent, "{object} was released");
    }
    observer.finds_all_in_order("releases beside a stopped holder");
}

#[test]
fn a_reader_that_was_slow_does_not_get_what_came_after() {
    let path = super::common::path("crash-stale");
    let observer = Observer::new(&path);
    let store = &observer.store;
    put(store, &id(0xcc, 1), 1000, false).unwrap();
    let ObjectState::Sealed { key } = store.look(&id(0xcc, 1)).unwrap() else { panic!("it is sealed") };
    // It has found the entry, and not yet pinned it.
    let mut getter = spawn_beside("getter", &path, "get.found:1:stop", "");
    wait_until_stopped(&getter);
    store.delete(&id(0xcc, 1), DeleteMode::Now).unwrap();
    let mut writer = store
        .create(&id(0xac, 1), &CreateSpec { data_size: 1000, keep: true, ..CreateSpec::default() })
        .unwrap();
    assert_eq!(writer.key().map(|key| key.index), Some(key.index), "another entry");
    writer.data_mut().fill(9);
    writer.seal().unwrap();
    continue_child(&getter);
    assert!(getter.wait().unwrap().success());
    store.delete(&id(0xac, 1), DeleteMode::Now).unwrap();
    observer.finds_all_in_order("a slow reader");
}
