//! The store as one process sees it: objects, claims, memory, waiting.

mod common;
mod support;

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::TestStore;
use sdp_dal::error::{Error, Kind};
use sdp_dal::store::{
    Claim, CreateSpec, DeleteMode, Lookout, ObjectId, ObjectState, Store, StoreOptions, Want,
};
use sdp_dal::timeout::Timeout;

fn id(n: u32) -> ObjectId {
    let mut bytes = [0xab; 20];
    bytes[16..].copy_from_slice(&n.to_be_bytes());
    ObjectId::new(bytes)
}

fn put(store: &Store, id: &ObjectId, data: &[u8]) {
    let spec =
        CreateSpec { data_size: data.len() as u64, metadata: b"meta", keep: true, ..CreateSpec::default() };
    let mut writer = store.create(id, &spec).unwrap();
    writer.copy_from(0, data);
    writer.seal().unwrap();
}

/// All the others, beside kernels of Arm and of POWER.
#[test]
fn pages_may_have_any_size() {
    let kernel = support::programs::kernel(&support::scratch("store-pages"));
    for (page, huge) in [("16384", "33554432"), ("65536", "536870912"), ("65536", "2097152")] {
        let mut others = Command::new(std::env::current_exe().unwrap());
        others.args(["--skip", "pages_may_have_any_size"]).env("LD_PRELOAD", &kernel);
        support::run(others.env("KERNEL_PAGE", page).env("KERNEL_HUGE_PAGE", huge));
    }
}

#[test]
fn an_object_is_what_was_put() {
    let store = TestStore::open("put", 1 << 20);
    for size in [0usize, 1, 63, 64, 65, 4095, 4096, 100_000] {
        let data: Vec<u8> = (0..size).map(|i| (i * 7) as u8).collect();
        put(&store, &id(size as u32), &data);
        let buffer = store.get(&id(size as u32), Timeout::Poll).unwrap();
        assert_eq!(buffer.data(), data);
        assert_eq!(buffer.metadata(), b"meta");
        assert_eq!(buffer.data().as_ptr().addr() % 64, 0);
    }
    store.is_sound();
}

#[test]
fn any_number_of_objects_can_be_asked_for() {
    for (asked, room) in [(1, 1024), (1024, 1024), (1025, 2048), (100_000, 1 << 17), (0, 1 << 20)] {
        let options =
            StoreOptions { size: Some(1 << 20), max_objects: Some(asked), ..StoreOptions::default() };
        let store = Store::open(&common::path(&format!("room-{asked}")), &options).unwrap();
        assert_eq!(store.stat().unwrap().max_objects, room, "{asked}");
        assert_eq!(store.check().unwrap(), Vec::<String>::new());
    }
    let options = StoreOptions { max_objects: Some((1 << 26) + 1), ..StoreOptions::default() };
    let error = Store::open(&common::path("room-too-large"), &options).err().unwrap();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert_eq!(error.message(), "max_objects is 67108865, but the maximum is 67108864");
}

#[test]
fn an_id_names_one_object() {
    let store = TestStore::open("exists", 1 << 20);
    put(&store, &id(1), b"x");
    let again = store.create(&id(1), &CreateSpec::default());
    assert_eq!(again.err().unwrap().kind(), Kind::AlreadyExists);
    assert!(store.contains(&id(1)).unwrap());
    assert!(!store.contains(&id(2)).unwrap());
    assert_eq!(store.get(&id(2), Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
}

#[test]
fn one_object_of_exactly_the_size_fits_and_an_emptied_store_has_it_again() {
    let size = 5_000_001;
    let store = TestStore::open("exact", size);
    for _ in 0..3 {
        let spec = CreateSpec { data_size: size, keep: true, ..CreateSpec::default() };
        let writer = store.create(&id(1), &spec).unwrap();
        let full = store.create(&id(2), &CreateSpec { data_size: 4096, ..CreateSpec::default() });
        let error = full.err().unwrap();
        assert_eq!(error.kind(), Kind::OutOfMemory);
        assert!(error.message().contains("4096"), "{error}");
        writer.seal().unwrap();
        assert!(store.delete(&id(1), DeleteMode::Now).unwrap());
        // Pieces of it, too.
        for n in 0..40 {
            put(&store, &id(100 + n), &vec![1; 100_000]);
        }
        for n in 0..40 {
            store.delete(&id(100 + n), DeleteMode::Now).unwrap();
        }
        assert_eq!((store.stat().unwrap().used, store.stat().unwrap().used_small), (0, 0));
        assert_eq!(store.stat().unwrap().size, size);
    }
    store.is_sound();
}

#[test]
fn a_held_buffer_outlives_its_deletion() {
    let store = TestStore::open("held", 1 << 22);
    put(&store, &id(1), &[7; 100_000]);
    let held = store.get(&id(1), Timeout::Poll).unwrap();
    let clone = held.clone();
    store.delete(&id(1), DeleteMode::Now).unwrap();
    assert!(!store.contains(&id(1)).unwrap());
    put(&store, &id(1), &[8; 100_000]);
    drop(held);
    assert!(clone.data().iter().all(|byte| *byte == 7));
    assert_eq!(store.stat().unwrap().doomed, 1);
    drop(clone);
    assert_eq!(store.stat().unwrap().doomed, 0);
    assert_eq!(store.get(&id(1), Timeout::Poll).unwrap().data()[0], 8);
    store.is_sound();
}

#[test]
fn deletion_when_released_stays_visible_until_then() {
    let store = TestStore::open("released", 1 << 20);
    put(&store, &id(1), b"x");
    let held = store.get(&id(1), Timeout::Poll).unwrap();
    assert!(store.delete(&id(1), DeleteMode::WhenReleased).unwrap());
    // Again: that changes nothing.
    assert!(store.delete(&id(1), DeleteMode::WhenReleased).unwrap());
    let other = store.get(&id(1), Timeout::Poll).unwrap();
    drop(held);
    assert!(store.contains(&id(1)).unwrap());
    drop(other);
    assert!(!store.contains(&id(1)).unwrap());
    put(&store, &id(2), b"x");
    assert!(store.delete(&id(2), DeleteMode::WhenReleased).unwrap());
    assert!(!store.contains(&id(2)).unwrap());
    store.is_sound();
}

#[test]
fn an_object_goes_with_its_last_owner_unless_kept() {
    let store = TestStore::open("owned", 1 << 20);
    let spec = CreateSpec { data_size: 1, want: true, ..CreateSpec::default() };
    let first = store.create(&id(1), &spec).unwrap().seal().unwrap().unwrap();
    let second = store.want(&id(1)).unwrap();
    drop(first);
    assert!(store.contains(&id(1)).unwrap());
    drop(second);
    assert!(!store.contains(&id(1)).unwrap());
    let kept = store.create(&id(2), &spec).unwrap().seal().unwrap().unwrap();
    store.set_keep(kept.key(), true).unwrap();
    drop(kept);
    assert!(store.contains(&id(2)).unwrap());
    // Nobody wants it: sealing drops it.
    let spec = CreateSpec { data_size: 1, ..CreateSpec::default() };
    store.create(&id(3), &spec).unwrap().seal().unwrap();
    assert_eq!(store.look(&id(3)).unwrap(), ObjectState::Absent);
    store.is_sound();
}

#[test]
fn aborting_gives_everything_back() {
    let store = TestStore::open("abort", 1 << 20);
    let spec = CreateSpec { data_size: 5000, want: true, ..CreateSpec::default() };
    drop(store.create(&id(1), &spec).unwrap());
    store.create(&id(1), &spec).unwrap().abort();
    let stat = store.stat().unwrap();
    assert_eq!((stat.objects, stat.used, stat.used_small), (0, 0, 0));
    store.is_sound();
}

#[test]
fn a_waiter_is_woken_by_sealing() {
    let store = TestStore::open("wait", 1 << 20);
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..8)
            .map(|n| {
                let store = &store;
                scope.spawn(move || store.get(&id(n), Timeout::Forever).unwrap().data()[0])
            })
            .collect();
        for n in (0..8).rev() {
            std::thread::sleep(Duration::from_millis(2));
            put(&store, &id(n), &[n as u8]);
        }
        for (n, waiter) in waiters.into_iter().enumerate() {
            assert_eq!(waiter.join().unwrap(), n as u8);
        }
    });
}

#[test]
fn many_are_got_at_once_and_the_missing_time_out() {
    let store = TestStore::open("many", 1 << 20);
    put(&store, &id(1), b"1");
    put(&store, &id(3), b"3");
    let got = store.get_many(&[id(1), id(2), id(3)], Timeout::After(Duration::from_millis(20))).unwrap();
    assert_eq!(got[0].as_ref().unwrap().data(), b"1");
    assert_eq!(got[1].as_ref().err().unwrap().kind(), Kind::Timeout);
    assert_eq!(got[2].as_ref().unwrap().data(), b"3");
}

#[test]
fn a_lookout_tells_what_rang_since_it_looked_last() {
    let store = TestStore::open("lookout", 1 << 20);
    let (mut one, mut other) = (store.lookout(), store.lookout());
    let place = one.add(&id(1)).unwrap();
    assert_eq!((other.add(&id(1)).unwrap(), other.bucket(&id(1))), (place, place));
    let rung = |lookout: &mut Lookout| {
        let mut places = Vec::new();
        lookout.rung(|place| places.push(place)).unwrap();
        places
    };
    assert_eq!((rung(&mut one), rung(&mut other)), (vec![], vec![]));
    let elsewhere = (2..).map(id).find(|id| one.bucket(id) != place).unwrap();
    put(&store, &elsewhere, b"x");
    put(&store, &id(1), b"x");
    assert_eq!((rung(&mut one), rung(&mut one)), (vec![place], vec![]));
    // What the first has taken.
    assert_eq!((rung(&mut other), rung(&mut other)), (vec![place], vec![]));
    drop(one);
    store.delete(&id(1), DeleteMode::Now).unwrap();
    assert_eq!((rung(&mut other), rung(&mut other)), (vec![place], vec![]));
    other.remove(&id(1));
    put(&store, &id(1), b"x");
    assert_eq!(rung(&mut other), []);
}

#[test]
fn a_wait_can_be_interrupted() {
    let store = TestStore::open("interrupt", 1 << 20);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| store.get(&id(1), Timeout::Forever).err().unwrap().kind());
        std::thread::sleep(Duration::from_millis(20));
        store.interrupt(true);
        assert_eq!(waiter.join().unwrap(), Kind::Interrupted);
    });
    store.interrupt(false);
    assert_eq!(store.get(&id(1), Timeout::Poll).err().unwrap().kind(), Kind::Timeout);
}

#[test]
fn an_object_is_held_a_million_times_and_no_more() {
    let store = TestStore::open("million", 1 << 20);
    put(&store, &id(1), b"x");
    let mut held = Vec::new();
    let error = loop {
        match store.get(&id(1), Timeout::Poll) {
            Ok(buffer) => held.push(buffer),
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind(), held.len()), (Kind::LimitReached, (1 << 20) - 1));
    held.clear();
    store.get(&id(1), Timeout::Poll).unwrap();
    store.is_sound();
}

#[test]
fn a_full_store_waits_for_room() {
    let store = TestStore::open("full", 1 << 20);
    put(&store, &id(1), &[0; 1_000_000]);
    std::thread::scope(|scope| {
        let creator = scope.spawn(|| {
            let wait = Some(Timeout::After(Duration::from_secs(60)));
            let spec = CreateSpec { data_size: 1 << 20, full_timeout: wait, ..CreateSpec::default() };
            store.create(&id(2), &spec).map(|writer| writer.abort())
        });
        std::thread::sleep(Duration::from_millis(30));
        store.delete(&id(1), DeleteMode::Now).unwrap();
        creator.join().unwrap().unwrap();
    });
}

#[test]
fn a_full_store_evicts_what_was_released_first() {
    let path = common::path("evict");
    let options = StoreOptions { size: Some(4 << 20), eviction: true, ..StoreOptions::default() };
    let store = Store::open(&path, &options).unwrap();
    let cached = CreateSpec { data_size: 1 << 20, evictable: true, ..CreateSpec::default() };
    for n in 0..4 {
        store.create(&id(n), &cached).unwrap().seal().unwrap();
    }
    // 0 was used last, 1 is held, 2 is owned: 3 goes first, then 0.
    let held = store.get(&id(1), Timeout::Poll).unwrap();
    let owned = store.want(&id(2)).unwrap();
    drop(store.get(&id(0), Timeout::Poll).unwrap());
    let there = || (0..4).filter(|n| store.contains(&id(*n)).unwrap()).collect::<Vec<u32>>();
    put(&store, &id(10), &[1; 1_000_000]);
    assert_eq!(there(), [0, 1, 2]);
    put(&store, &id(11), &[1; 1_000_000]);
    assert_eq!(there(), [1, 2]);
    let full = store.create(&id(12), &cached).err().unwrap();
    assert_eq!(full.kind(), Kind::OutOfMemory);
    drop((held, owned));
    assert_eq!(there(), [1, 2], "evictable objects stay until room is needed");
    store.create(&id(12), &cached).unwrap().seal().unwrap();
    assert_eq!(there(), [1], "1 was released after 2");
    // On request: as much as was asked for, or all there is; nothing in a store that was not made for it.
    assert_eq!(store.evict(1).unwrap(), 1 << 20);
    assert_eq!(there(), []);
    store.create(&id(1), &cached).unwrap().seal().unwrap();
    let held = store.get(&id(1), Timeout::Poll).unwrap();
    store.evict(u64::MAX).unwrap();
    assert_eq!(there(), [1], "it is held");
    drop(held);
    // What is kept until it is deleted goes nevertheless if it is evictable, but for what was kept later on.
    let kept = CreateSpec { keep: true, ..cached };
    for n in [20, 21] {
        store.create(&id(n), &kept).unwrap().seal().unwrap();
    }
    let ObjectState::Sealed { key } = store.look(&id(21)).unwrap() else { panic!("it is sealed") };
    store.set_keep(key, true).unwrap();
    store.evict(u64::MAX).unwrap();
    assert!(!store.contains(&id(20)).unwrap() && store.contains(&id(21)).unwrap());
    assert_eq!(TestStore::open("evicts-not", 1 << 20).evict(u64::MAX).unwrap(), 0);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_full_store_finds_the_one_hole_that_fits_behind_many_that_do_not() {
    // All holes are of one size class; the fitting one was freed first, so that it is the last of its list.
    let (large, small, wall) = (68_608, 65_536, 4096);
    let store = TestStore::open("holes", large + wall + 20 * (small + wall));
    let object = |n: u32, size| {
        let spec = CreateSpec { data_size: size, full_timeout: Some(Timeout::Poll), ..CreateSpec::default() };
        store.create(&id(n), &spec)
    };
    let first = object(0, large).unwrap();
    let mut walls = vec![object(1, wall).unwrap()];
    let mut others = Vec::new();
    for n in 0..20 {
        others.push(object(10 + 2 * n, small).unwrap());
        walls.push(object(11 + 2 * n, wall).unwrap());
    }
    assert_eq!(object(100, wall).err().unwrap().kind(), Kind::OutOfMemory, "the store is full");
    drop(first);
    drop(others);
    object(100, large).unwrap();
    store.is_sound();
}

#[test]
fn the_bookkeeping_grows_past_its_first_thousand_objects() {
    let store = TestStore::open("grow", 64 << 20);
    for n in 0..5000 {
        put(&store, &id(n), &n.to_le_bytes());
    }
    for n in 0..5000 {
        assert_eq!(store.get(&id(n), Timeout::Poll).unwrap().data(), n.to_le_bytes());
    }
    store.is_sound();
    for n in (0..5000).step_by(2) {
        store.delete(&id(n), DeleteMode::Now).unwrap();
    }
    store.is_sound();
    for n in 0..5000 {
        assert_eq!(store.contains(&id(n)).unwrap(), n % 2 == 1);
    }
}

#[test]
fn threads_may_do_anything_at_once() {
    let store = TestStore::open("threads", 8 << 20);
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..2000u32 {
                    let shared = id(round % 17);
                    if let Ok(buffer) = store.get(&shared, Timeout::Poll) {
                        let first = buffer.data()[0];
                        assert!(buffer.data().iter().all(|byte| *byte == first));
                    }
                    let size = 1 + (round * 37 + thread) as usize % 9000;
                    let spec = CreateSpec { data_size: size as u64, keep: true, ..CreateSpec::default() };
                    if let Ok(mut writer) = store.create(&shared, &spec) {
                        writer.data_mut().fill(thread as u8);
                        if let Err(error) = writer.seal() {
                            assert_eq!(error.kind(), Kind::ObjectDeleted);
                        }
                    }
                    let mode = if round % 2 == 0 { DeleteMode::Now } else { DeleteMode::WhenReleased };
                    store.delete(&id((round + thread) % 17), mode).unwrap();
                }
            });
        }
    });
    store.is_sound();
}

#[test]
fn sealing_what_was_deleted_meanwhile_says_so() {
    let store = TestStore::open("deleted-writing", 1 << 20);
    for (keep, want) in [(true, false), (false, true)] {
        let spec = CreateSpec { data_size: 100, keep, want, ..CreateSpec::default() };
        let writer = store.create(&id(1), &spec).unwrap();
        assert!(store.delete(&id(1), DeleteMode::Now).unwrap());
        assert_eq!(writer.seal().err().map(|error| error.kind()), Some(Kind::ObjectDeleted), "{keep} {want}");
        assert!(!store.contains(&id(1)).unwrap());
    }
    // What nobody was to have is missed by nobody.
    let writer = store.create(&id(1), &spec(false)).unwrap();
    assert!(store.delete(&id(1), DeleteMode::Now).unwrap());
    assert!(writer.seal().unwrap().is_none());
    assert_eq!(store.stat().unwrap().used, 0);
    store.is_sound();
}

#[test]
fn the_same_store_opened_twice_is_one_attachment() {
    let store = TestStore::open("twice", 1 << 20);
    let again = Store::open(store.path(), &StoreOptions::default()).unwrap();
    assert_eq!(again.number(), store.number());
    assert_eq!(store.stat().unwrap().clients, 1);
    let other = TestStore::open("another", 1 << 20);
    assert!(again.is_same(&store) && !other.is_same(&store));
    assert_ne!(other.identity(), store.identity());
}

#[test]
fn a_client_is_listed_with_what_it_holds() {
    let store = TestStore::open("listed", 1 << 20);
    store.set_client_name("the only one").unwrap();
    put(&store, &id(1), &[1; 1000]);
    put(&store, &id(2), &[2; 50]);
    let _held = [1, 2, 1].map(|n| store.get(&id(n), Timeout::Poll).unwrap());
    let _wanted = store.want(&id(1)).unwrap();
    let clients = store.clients().unwrap();
    assert_eq!(clients.len(), 1);
    let client = &clients[0];
    assert_eq!((client.number, client.pid, client.alive), (store.number(), std::process::id(), true));
    assert_eq!(client.name, "the only one");
    assert_eq!((client.pins, client.wants, client.pinned_bytes), (2, 1, 1050));
}

#[test]
fn a_store_goes_with_its_last_client() {
    let (path, file) = {
        let store = TestStore::open("goes", 1 << 20);
        let buffer = {
            put(&store, &id(1), b"stays");
            store.get(&id(1), Timeout::Poll).unwrap()
        };
        let path = store.path().to_owned();
        drop(store);
        assert!(path.exists(), "a buffer holds it");
        assert_eq!(buffer.data(), b"stays");
        (path.clone(), path)
    };
    assert!(!path.exists() && !file.exists());
}

#[test]
fn a_path_that_is_not_on_tmpfs_is_a_link() {
    let folder = std::env::temp_dir();
    let path = folder.join(format!("sdp-dal-test-link-{}", std::process::id()));
    let store = Store::open(&path, &StoreOptions { size: Some(1 << 20), ..StoreOptions::default() }).unwrap();
    let target = std::fs::read_link(&path).unwrap();
    assert!(target.starts_with("/dev/shm") && target.exists());
    drop(store);
    assert!(std::fs::symlink_metadata(&path).is_err() && !target.exists());
}

#[test]
fn namespaces_take_the_lowest_free_prefix() {
    let store = TestStore::open("names", 1 << 20);
    let mut make = |prefix: [u8; 4]| Ok((prefix.to_vec(), Vec::new()));
    let first = store.reserve(b"", &mut make).unwrap();
    let second = store.reserve(b"", &mut make).unwrap();
    assert_eq!(first.id().prefix(), [0, 0, 0, 0]);
    assert_eq!(second.id().prefix(), [0, 0, 0, 1]);
    drop(first);
    assert_eq!(store.reserve(b"", &mut make).unwrap().id().prefix(), [0, 0, 0, 0]);
    let named = store.reserve(b"ab", &mut make).unwrap();
    assert_eq!(&named.id().prefix(), b"ab\0\0");
    let full = store.reserve(b"ab\0\0", &mut make);
    assert_eq!(full.err().unwrap().kind(), Kind::NamespaceInUse);
    assert_eq!(store.namespaces().unwrap().len(), 2);
    store.is_sound();
}

/// Its owner, who has closed it, finds its calls in its declaration only: a prefix that was taken over from a living one took
/// away what its callers waited for.
#[test]
fn a_prefix_is_not_taken_over_while_its_owner_has_calls_to_refuse() {
    let owner = TestStore::open("calls-to-refuse", 1 << 20);
    let other = Store::open(&common::path("calls-to-refuse"), &StoreOptions::default()).unwrap();
    let mut make = |prefix: [u8; 4]| Ok((prefix.to_vec(), Vec::new()));
    let declaration = owner.reserve(b"ours", &mut make).unwrap();
    let key = declaration.key();
    let mut call = *declaration.id().as_bytes();
    call[19] = 1;
    let writer = other.create(&ObjectId::new(call), &spec(true)).unwrap();
    let _issued = other.issue(writer, key, &[id(1)]).unwrap();
    // Closed: no call comes any more, and the one that came waits.
    drop(declaration);
    assert_eq!(other.reserve(b"ours", &mut make).err().map(|error| error.kind()), Some(Kind::NamespaceInUse));
    let left = owner.queue(key, 0).unwrap();
    assert_eq!(left.len(), 1, "the owner has lost a call that it was to refuse");
    assert!(matches!(owner.claim(&left[0]), Ok(Claim::Claimed(_))));
    drop(other.reserve(b"ours", &mut make).unwrap());
    owner.is_sound();
}

fn spec(want: bool) -> CreateSpec<'static> {
    CreateSpec { data_size: 8, want, ..CreateSpec::default() }
}

#[test]
fn nothing_is_left_of_a_call_that_was_deleted_while_it_was_issued() {
    let store = TestStore::open("issue-deleted", 1 << 20);
    let declaration = store.reserve(b"", &mut |prefix| Ok((prefix.to_vec(), Vec::new()))).unwrap();
    let mut call = *declaration.id().as_bytes();
    call[19] = 1;
    let call = ObjectId::new(call);
    let writer = store.create(&call, &spec(true)).unwrap();
    assert!(store.delete(&call, DeleteMode::Now).unwrap());
    let error = store.issue(writer, declaration.key(), &[id(1), id(2)]).err().unwrap();
    assert_eq!(error.kind(), Kind::ObjectDeleted);
    for output in [id(1), id(2)] {
        assert_eq!(store.look(&output).unwrap(), ObjectState::Absent, "promised by a call that is not there");
    }
    store.is_sound();
}

#[test]
fn an_output_is_of_the_first_call_that_names_it_until_that_has_gone() {
    let store = TestStore::open("output-of", 1 << 20);
    let declaration = store.reserve(b"", &mut |prefix| Ok((prefix.to_vec(), Vec::new()))).unwrap();
    let issue = |n: u8| {
        let mut call = *declaration.id().as_bytes();
        call[19] = n;
        let writer = store.create(&ObjectId::new(call), &spec(true)).unwrap();
        let (call, mut outputs) = store.issue(writer, declaration.key(), &[id(1)]).unwrap();
        (call, outputs.remove(0))
    };
    let error = Error::new(Kind::FunctionFailed, "on purpose");
    let (first, of_first) = issue(1);
    let (second, output) = issue(2);
    assert_eq!(output.key(), of_first.key());
    assert_eq!(store.fail_outputs(second.key(), &error).unwrap(), 0);
    // The third call is the first to come after it.
    drop((first, of_first));
    let (third, _of_third) = issue(3);
    assert_eq!(store.fail_outputs(second.key(), &error).unwrap(), 0);
    assert_eq!(store.fail_outputs(third.key(), &error).unwrap(), 1);
    assert_eq!(store.get(&id(1), Timeout::Poll).err().map(|error| error.kind()), Some(Kind::FunctionFailed));
    store.is_sound();
}

#[test]
fn the_shortest_queue_is_that_with_the_fewest_calls_that_have_not_ended() {
    let store = TestStore::open("shortest", 1 << 20);
    let declare = || store.reserve(b"", &mut |prefix| Ok((prefix.to_vec(), Vec::new()))).unwrap();
    let issue = |declaration: &Want, n: u8| {
        let mut call = *declaration.id().as_bytes();
        call[19] = n;
        let writer = store.create(&ObjectId::new(call), &spec(true)).unwrap();
        store.issue(writer, declaration.key(), &[]).unwrap().0
    };
    let owners = [declare(), declare(), declare()];
    let keys = owners.each_ref().map(Want::key);
    let shortest = |order: [usize; 3]| order[store.least_queued(&order.map(|n| keys[n])).unwrap()];
    assert_eq!((shortest([0, 1, 2]), shortest([2, 1, 0])), (0, 2), "the first of equals");
    let _calls = [issue(&owners[0], 1), issue(&owners[0], 2), issue(&owners[2], 1)];
    assert_eq!((shortest([0, 1, 2]), shortest([0, 2, 1])), (1, 1));
    let more = [issue(&owners[1], 1), issue(&owners[1], 2)];
    assert_eq!(shortest([0, 1, 2]), 2);
    // Claimed, they count; ended, no more.
    for call in store.queue(keys[1], 0).unwrap() {
        assert!(matches!(store.claim(&call), Ok(Claim::Claimed(_))));
    }
    assert_eq!(shortest([0, 1, 2]), 2);
    more.iter().for_each(|call| store.finish(call.key()).unwrap());
    assert_eq!(shortest([0, 1, 2]), 1);
    // What has gone is full.
    let [_, second, _] = owners;
    drop((more, second));
    assert_eq!(shortest([1, 0, 2]), 2);
}

#[test]
fn a_progress_is_of_one_life_of_an_object() {
    let store = TestStore::open("progress", 1 << 20);
    let mut writer = store.create(&id(1), &spec(true)).unwrap();
    writer.data_mut().fill(1);
    let key = writer.key().unwrap();
    assert_eq!(store.progress(key).unwrap(), None);
    for fraction in [0.25, 0.75, 0.5] {
        store.set_progress(key, fraction).unwrap();
        let told = store.progress(key).unwrap().unwrap();
        assert!((told - fraction).abs() < 1e-9, "{fraction} became {told}");
    }
    assert_eq!(
        store.set_progress(key, f64::NAN).err().map(|error| error.kind()),
        Some(Kind::InvalidArgument)
    );
    drop(writer);
    let again = store.create(&id(1), &spec(true)).unwrap();
    assert_eq!(again.key().unwrap().index, key.index, "another entry");
    store.set_progress(key, 1.0).unwrap();
    assert_eq!((store.progress(key).unwrap(), store.progress(again.key().unwrap()).unwrap()), (None, None));
}

#[test]
fn a_call_that_went_before_it_was_claimed_is_gone() {
    let store = TestStore::open("claim-gone", 1 << 20);
    let declaration = store.reserve(b"", &mut |prefix| Ok((prefix.to_vec(), Vec::new()))).unwrap();
    let mut call = *declaration.id().as_bytes();
    call[19] = 1;
    let writer = store.create(&ObjectId::new(call), &spec(true)).unwrap();
    let issued = store.issue(writer, declaration.key(), &[]).unwrap();
    let queued = store.queue(declaration.key(), 0).unwrap();
    drop(issued);
    assert!(matches!(store.claim(&queued[0]), Ok(Claim::Gone)));
}

#[test]
fn a_creator_keeps_its_claim_when_another_thread_lets_one_go() {
    let store = TestStore::open("claim-creator", 1 << 20);
    let writer = store.create(&id(1), &spec(true)).unwrap();
    drop(store.want(&id(1)).unwrap());
    let claim = writer.seal().unwrap().expect("asked for");
    // Looks whether anybody wants it.
    store.set_keep(claim.key(), false).unwrap();
    assert!(store.contains(&id(1)).unwrap());
    drop(claim);
    assert!(!store.contains(&id(1)).unwrap());
    let writer = store.create(&id(1), &spec(true)).unwrap();
    drop(writer);
    assert_eq!(store.stat().unwrap().objects, 0);
    store.is_sound();
}

/// Two threads of one process: one lets the last claim go while the other makes one.
#[test]
fn a_claim_that_was_given_holds() {
    const ROUNDS: u32 = 10_000;
    let store = TestStore::open("claim-race", 1 << 20);
    // Both spin, so that they go on within a few nanoseconds of each other.
    let arrived = AtomicU32::new(0);
    let meet = |nth: u32| {
        arrived.fetch_add(1, Ordering::SeqCst);
        while arrived.load(Ordering::SeqCst) < 2 * nth {
            std::thread::yield_now();
        }
    };
    let last = parking_lot::Mutex::new(None);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..ROUNDS {
                meet(3 * round + 1);
                let claim: Option<Want> = last.lock().take();
                meet(3 * round + 2);
                (0..round % 100).for_each(|_| std::hint::spin_loop());
                drop(claim);
                meet(3 * round + 3);
            }
        });
        for round in 0..ROUNDS {
            *last.lock() = store.create(&id(1), &spec(true)).unwrap().seal().unwrap();
            meet(3 * round + 1);
            meet(3 * round + 2);
            let claim = store.want(&id(1));
            meet(3 * round + 3);
            if claim.is_ok() {
                assert!(store.contains(&id(1)).unwrap(), "round {round}: claimed, and gone all the same");
            }
            drop(claim);
            assert!(!store.contains(&id(1)).unwrap(), "round {round}: nobody wants it, and it is there");
        }
    });
    store.is_sound();
}

#[test]
fn small_objects_are_counted_apart_from_the_size() {
    let store = TestStore::open("small", 2 << 20);
    let spec =
        CreateSpec { data_size: 100, keep: true, full_timeout: Some(Timeout::Poll), ..CreateSpec::default() };
    let mut n = 0;
    while let Ok(writer) = store.create(&id(n), &spec) {
        writer.seal().unwrap();
        n += 1;
    }
    let stat = store.stat().unwrap();
    assert!(stat.used <= stat.size, "{} of {} are used", stat.used, stat.size);
    assert_eq!(stat.used + stat.free, stat.size);
    assert_eq!(stat.used + stat.used_small, u64::from(n) * 128);
    assert!(stat.used_small > 0);
    store.is_sound();
}
