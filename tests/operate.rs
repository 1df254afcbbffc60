//! What an operator and a host process need: the log, trimming, the list of stores, clients, references that are passed on.

mod common;
mod support;

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sdp_dal::dal::{
    Arg, Args, Caller, CallerOptions, Function, Namespace, NamespaceOptions, Processor, ProcessorOptions,
};
use sdp_dal::error::{Error, Kind};
use sdp_dal::log::{self, Level};
use sdp_dal::store::{census, stores, CreateSpec, DeleteMode, ObjectId, Store, StoreOptions};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{CallSchema, Cell, Declaration};

use common::TestStore;
use support::programs::{compile, program, Stores};
use support::{cdylib, root, run, runs, scratch, C11, CPP17};

const ROLE: &str = "SDP_DAL_TEST_ROLE";
const PATH: &str = "SDP_DAL_TEST_PATH";
const LONG: Timeout = Timeout::After(Duration::from_secs(30));

fn id(prefix: u8, n: u32) -> ObjectId {
    let mut bytes = [prefix; 20];
    bytes[16..].copy_from_slice(&n.to_be_bytes());
    ObjectId::new(bytes)
}

fn put(store: &Store, id: &ObjectId, size: u64) {
    let spec = CreateSpec { data_size: size, keep: true, ..CreateSpec::default() };
    let mut writer = store.create(id, &spec).unwrap();
    writer.data_mut().fill(7);
    writer.seal().unwrap();
}

fn kept(store: &Store) -> u64 {
    std::fs::metadata(store.path()).unwrap().blocks() * 512
}

// ---- a second process -----------------------------------------------------------------------------------------------

/// Not a test of its own: what a second process runs.
#[test]
fn child() {
    let (Some(role), Some(path)) = (std::env::var_os(ROLE), std::env::var_os(PATH)) else { return };
    if role == "removes" {
        let path = PathBuf::from(path);
        let found = summary(&path).unwrap();
        println!("removed: {}", Store::remove_left_over(&found, None).unwrap());
        return;
    }
    let options = StoreOptions { name: Some("a child".to_owned()), ..StoreOptions::default() };
    let store = Store::open(&PathBuf::from(path), &options).unwrap();
    match role.to_str().unwrap() {
        "dies holding" => {
            let held = store.get(&id(1, 1), Timeout::Poll).unwrap();
            let spec = CreateSpec { data_size: 100, ..CreateSpec::default() };
            let _writer = store.create(&id(1, 2), &spec).unwrap();
            println!("ready");
            std::thread::sleep(Duration::from_secs(60));
            drop(held);
        }
        "declares" => {
            let functions = vec![CallSchema::parse("f(x: int64)").unwrap()];
            let options = NamespaceOptions { functions, ..NamespaceOptions::default() };
            let _namespace = Namespace::reserve(&store, options).unwrap();
            println!("ready");
            std::thread::sleep(Duration::from_secs(60));
        }
        "grows" => {
            // Everything goes now and then, so that there is something to trim, and the next has to grow.
            for n in 0..60 {
                for (kind, size) in [(0, 300), (1, 3 << 20), (2, 100_000)] {
                    put(&store, &id(2, std::process::id() * 1000 + n * 3 + kind), size);
                }
                if n % 4 == 3 && n < 59 {
                    for object in store.list(&[2]).unwrap() {
                        if object.creator == store.number() {
                            store.delete(&object.id, DeleteMode::Now).unwrap();
                        }
                    }
                }
            }
        }
        other => panic!("no role {other}"),
    }
}

fn child_command(role: &str, store: &Store) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).env(PATH, store.path());
    command
}

/// A child that has said that it is ready, killed at the end.
fn ready_child(role: &str, store: &Store) -> std::process::Child {
    ready(&mut child_command(role, store))
}

fn ready(command: &mut Command) -> std::process::Child {
    use std::io::BufRead;
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("ready")), "the child does not get ready");
    child
}

// ---- the log --------------------------------------------------------------------------------------------------------

type Lines = Arc<Mutex<Vec<(Level, String)>>>;

/// Everything that this process's library tells; each test looks for its own store.
fn ear() -> &'static Lines {
    static EAR: std::sync::OnceLock<Lines> = std::sync::OnceLock::new();
    EAR.get_or_init(|| {
        let heard = Lines::default();
        let ear = heard.clone();
        log::set(
            Some(Level::Debug),
            Some(Arc::new(move |level, text| {
                ear.lock().push((level, text.to_owned()));
                use_it(text);
            })),
        );
        heard
    })
}

fn heard(words: &[&str]) -> Option<Level> {
    let lines = ear().lock();
    lines.iter().find(|(_, line)| words.iter().all(|word| line.contains(word))).map(|(level, _)| *level)
}

#[test]
fn the_log_tells_of_stores_and_of_clients_that_died() {
    ear();
    let store = TestStore::open("log", 4 << 20);
    let path = store.path().to_str().unwrap().to_owned();
    assert_eq!(heard(&[&path, "created a store of 4194304 bytes"]), Some(Level::Debug));
    assert_eq!(heard(&[&path, "opened the store as client"]), Some(Level::Debug));
    put(&store, &id(1, 1), 100);
    let mut child = ready_child("dies holding", &store);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(store.reap_all(), 1);
    let pid = format!("a child (pid {} on ", child.id());
    assert_eq!(
        heard(&[&path, &pid, "exited without closing", "reclaimed the 2 objects"]),
        Some(Level::Warning)
    );
    drop(store);
    assert_eq!(
        heard(&[&path, "closed the store, and removed it: this was its last client"]),
        Some(Level::Debug)
    );
}

#[test]
fn the_log_tells_what_was_evicted() {
    ear();
    let path = common::path("log-evict");
    let options = StoreOptions { size: Some(1 << 20), eviction: true, ..StoreOptions::default() };
    let store = Store::open(&path, &options).unwrap();
    let spec = CreateSpec { data_size: 600 << 10, evictable: true, ..CreateSpec::default() };
    store.create(&id(1, 1), &spec).unwrap().seal().unwrap();
    store.create(&id(1, 2), &spec).unwrap().seal().unwrap();
    let evicted = format!("evicted the object {} of 614400 bytes", id(1, 1));
    assert_eq!(heard(&[path.to_str().unwrap(), &evicted]), Some(Level::Info));
}

#[test]
fn the_log_tells_of_a_failure_that_no_output_carries() {
    ear();
    let store = TestStore::open("log-failed", 4 << 20);
    let fails: Function = Arc::new(|_| Err(Error::new(Kind::FunctionFailed, "the moon is in the field")));
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    processor.register(CallSchema::parse("flag_it(x: int64)").unwrap(), Some(fails)).unwrap();
    processor.start().unwrap();
    let namespace = Namespace::new(&store, None);
    let schemas = vec![CallSchema::parse("flag_it(x: int64)").unwrap()];
    let caller = Caller::new(&namespace, schemas, &CallerOptions::default()).unwrap();
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(1)));
    caller.call("flag_it", &args).unwrap();
    assert!(processor.process(LONG).unwrap());
    let words = ["has failed, and no output carries its error: flag_it: the moon is in the field"];
    assert_eq!(heard(&words), Some(Level::Error));
    let twice = ear().lock().iter().filter(|(_, line)| line.contains(words[0])).count();
    assert_eq!(twice, 1);
}

#[test]
fn the_log_tells_of_an_input_that_was_lost() {
    ear();
    const SIGNATURE: &str = "sum_up(xs: oid, ys: oid) -> (zs: oid)";
    let store = TestStore::open("log-lost", 4 << 20);
    let nothing: Function = Arc::new(|_| Ok(()));
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    processor.register(CallSchema::parse(SIGNATURE).unwrap(), Some(nothing)).unwrap();
    processor.start().unwrap();
    let namespace = Namespace::new(&store, None);
    let schemas = vec![CallSchema::parse(SIGNATURE).unwrap()];
    let caller = Caller::new(&namespace, schemas, &CallerOptions::default()).unwrap();
    let (xs, ys) = (namespace.put_bytes(b"visibilities", b"").unwrap(), namespace.new_ref(None).unwrap());
    let mut args = Args::new();
    args.push(Arg::Ref(xs.clone()));
    args.push(Arg::Ref(ys.clone()));
    let results = caller.call("sum_up", &args).unwrap();
    // It sees the first input, and waits for the second.
    assert!(!processor.process(Timeout::Poll).unwrap());
    store.delete(&xs.id(), DeleteMode::Now).unwrap();
    ys.put_bytes(b"weights", b"").unwrap();
    assert!(!processor.process(Timeout::Poll).unwrap());
    let error = results.at(0).unwrap().wait(Timeout::Poll).unwrap_err();
    assert_eq!(error.kind(), Kind::InputLost);
    let words = ["of sum_up by client", "input 'xs' was deleted before the call ran"];
    assert_eq!(heard(&words), Some(Level::Warning));
}

#[test]
fn a_store_larger_than_the_control_group_may_use_is_warned_of() {
    ear();
    let path = common::path("log-limit");
    let size = 1 << 40;
    let options = StoreOptions { size: Some(size), ..StoreOptions::default() };
    let store = Store::open(&path, &options).unwrap();
    let limited = sdp_dal::store::memory_limit().is_some_and(|limit| limit < size);
    assert_eq!(store.memory_warning().is_some(), limited);
    let told = heard(&[path.to_str().unwrap(), "the control group may use"]);
    assert_eq!(told, limited.then_some(Level::Warning));
}

#[test]
fn the_log_tells_of_an_object_that_is_no_call() {
    ear();
    let store = TestStore::open("log-refused", 4 << 20);
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).unwrap();
    let nothing: Function = Arc::new(|_| Ok(()));
    processor.register(CallSchema::parse("f(x: int64)").unwrap(), Some(nothing)).unwrap();
    let prefix = processor.prefix().unwrap();
    let namespace = store.namespaces().unwrap().into_iter().find(|ns| ns.prefix == prefix).unwrap();
    let mut bytes = [9; 20];
    bytes[..4].copy_from_slice(&prefix);
    let call = ObjectId::new(bytes);
    let spec = CreateSpec { data_size: 100, want: true, ..CreateSpec::default() };
    let writer = store.create(&call, &spec).unwrap();
    let _issued = store.issue(writer, namespace.key, &[]).unwrap();
    assert!(!processor.process(Timeout::Poll).unwrap());
    let words = [&*format!("the call {call} of client {}", store.number()), "cannot understand the call"];
    assert_eq!(heard(&words), Some(Level::Error));
}

#[test]
fn a_hook_may_use_the_store_that_it_is_told_of() {
    ear();
    let store = TestStore::open("log-uses", 4 << 20);
    put(&store, &id(1, 1), 100);
    let mut child = ready_child("dies holding", &store);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(store.reap_all(), 1);
    // What `use_it` wrote at these two messages, which arise where mutexes are held.
    assert!(store.contains(&id(3, 1)).unwrap() && store.contains(&id(3, 2)).unwrap());
    store.is_sound();
}

/// What the hook does in the test above.
fn use_it(text: &str) {
    let Some((path, rest)) = text.split_once(": ").filter(|(path, _)| path.contains("log-uses")) else {
        return;
    };
    let n = if rest.starts_with("opened") { 1 } else { 2 };
    if n == 1 || rest.contains("exited without closing") {
        let store = Store::open(&PathBuf::from(path), &StoreOptions::default()).unwrap();
        put(&store, &id(3, n), 10);
        store.reap_all();
    }
}

// ---- trim -----------------------------------------------------------------------------------------------------------

#[test]
fn trimming_gives_back_what_lies_behind_the_last_object() {
    let store = TestStore::open("trim", 24 << 20);
    let empty = kept(&store);
    put(&store, &id(1, 1), 2 << 20);
    put(&store, &id(1, 2), 10 << 20);
    put(&store, &id(1, 3), 100);
    let held = store.get(&id(1, 2), Timeout::Poll).unwrap();
    store.delete(&id(1, 2), DeleteMode::Now).unwrap();
    let full = kept(&store);
    assert!(full - empty >= 12 << 20);
    // Deleted, but held: its memory is used.
    assert!(store.trim().unwrap() < 4 << 20);
    assert!(held.data().iter().all(|byte| *byte == 7));
    drop(held);
    let before = kept(&store);
    let given = store.trim().unwrap();
    assert_eq!(given, before - kept(&store));
    assert!(given >= 9 << 20, "only {given} bytes");
    assert_eq!(kept(&store) - empty, store.stat().unwrap().reserved);
    assert!(store.get(&id(1, 1), Timeout::Poll).unwrap().data().iter().all(|byte| *byte == 7));
    store.is_sound();
    put(&store, &id(1, 4), 18 << 20);
    store.is_sound();
    for n in [1, 3, 4] {
        store.delete(&id(1, n), DeleteMode::Now).unwrap();
    }
    store.trim().unwrap();
    assert_eq!((kept(&store), store.stat().unwrap().reserved), (empty, 0));
    assert_eq!(store.trim().unwrap(), 0);
    store.is_sound();
}

#[test]
fn trimming_a_store_that_took_all_memory_gives_it_back() {
    let path = common::path("trim-reserved");
    let options = StoreOptions { size: Some(20 << 20), reserve: true, ..StoreOptions::default() };
    let store = Store::open(&path, &options).unwrap();
    assert!(store.trim().unwrap() >= 20 << 20);
    assert_eq!(store.stat().unwrap().reserved, 0);
    put(&store, &id(1, 1), 20 << 20);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn memory_below_the_watermark_is_there_though_somebody_trims_all_the_time() {
    let store = TestStore::open("trim-race", 64 << 20);
    let empty = kept(&store);
    let mut children: Vec<_> = (0..2).map(|_| child_command("grows", &store).spawn()).collect();
    let mut trims = 0;
    let mut running = true;
    while running {
        store.trim().unwrap();
        trims += 1;
        running = false;
        for child in children.iter_mut().flatten() {
            match child.try_wait().unwrap() {
                None => running = true,
                Some(status) => assert!(status.success()),
            }
        }
    }
    assert!(trims > 10, "only {trims}");
    store.reap_all();
    // The last trim has taken what growing left above the watermark: now every byte below it must have memory, no more.
    store.trim().unwrap();
    let reserved = store.stat().unwrap().reserved;
    assert!(reserved > 0);
    assert_eq!(kept(&store) - empty, reserved);
    store.is_sound();
    for object in store.list(&[2]).unwrap() {
        assert!(store.get(&object.id, Timeout::Poll).unwrap().data().iter().all(|byte| *byte == 7));
    }
}

// ---- the list of stores ---------------------------------------------------------------------------------------------

#[test]
fn stores_are_found_with_their_clients_and_without() {
    let store = TestStore::open("census", 3 << 20);
    put(&store, &id(1, 1), 100_000);
    let linked = std::env::temp_dir().join(format!("sdp-dal-test-census-{}", std::process::id()));
    let options = StoreOptions { size: Some(1 << 20), ..StoreOptions::default() };
    let second = Store::open(&linked, &options).unwrap();
    let find = |path: &std::path::Path| {
        let path = path.to_str().unwrap();
        stores().unwrap().into_iter().find(|store| store.path == path)
    };
    let found = find(store.path()).unwrap();
    assert_eq!((found.size, found.clients, found.max_clients), (3 << 20, 1, 256));
    assert_eq!((found.file.as_path(), found.is_left_over()), (store.path(), false));
    assert_eq!(found.reserved, store.stat().unwrap().reserved);
    let meta = std::fs::metadata(store.path()).unwrap();
    assert_eq!(found.owner, meta.uid());
    let age = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH + found.created).unwrap();
    assert!(age < Duration::from_secs(600));
    let found = find(&linked).unwrap();
    assert_eq!(found.file, std::fs::read_link(&linked).unwrap());
    drop(second);
    assert!(find(&linked).is_none());

    let mut child = ready_child("dies holding", &store);
    assert_eq!(find(store.path()).unwrap().clients, 2);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(find(store.path()).unwrap().clients, 1);
    // Nobody attached for all that.
    assert_eq!(store.clients().unwrap().iter().filter(|client| client.alive).count(), 1);
}

#[test]
fn what_is_no_store_is_passed_over_and_what_cannot_be_understood_is_counted() {
    let stores = Stores::new();
    let path = stores.path("store");
    let options = StoreOptions { size: Some(1 << 20), ..StoreOptions::default() };
    let store = Store::open(&path, &options).unwrap();
    std::fs::write(stores.path("long"), vec![1; 10_000]).unwrap();
    std::fs::write(stores.path("short"), b"SDP-DAL\n").unwrap();
    let mine = |found: &sdp_dal::store::Census| {
        found.stores.iter().filter(|store| store.file.starts_with(stores.folder())).count()
    };
    assert_eq!(mine(&census().unwrap()), 1);
    let mut damaged = std::fs::read(store.path()).unwrap();
    damaged.truncate(8192);
    std::fs::write(stores.path("damaged"), &damaged).unwrap();
    let found = census().unwrap();
    assert_eq!(mine(&found), 1);
    assert!(found.skipped > 0);
}

fn summary(path: &std::path::Path) -> Option<sdp_dal::store::StoreSummary> {
    let path = path.to_str().unwrap();
    stores().unwrap().into_iter().find(|store| store.path == path)
}

/// A store at the path whose only client was killed.
fn leave_over(path: &std::path::Path) {
    let options = StoreOptions { size: Some(3 << 20), ..StoreOptions::default() };
    let store = Store::open(path, &options).unwrap();
    put(&store, &id(1, 1), 100);
    let mut child = ready_child("dies holding", &store);
    drop(store);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(summary(path).unwrap().is_left_over());
}

#[test]
fn a_left_over_store_is_removed_with_its_link_or_without() {
    let path = common::path("left-over");
    let linked = std::env::temp_dir().join(format!("sdp-dal-test-left-over-{}", std::process::id()));
    for path in [&*path, &linked] {
        leave_over(path);
        let found = summary(path).unwrap();
        assert!(Store::remove_left_over(&found, None).unwrap());
        assert!(!found.file.exists() && std::fs::symlink_metadata(path).is_err());
        assert!(!Store::remove_left_over(&found, None).unwrap());
    }
    // The link has gone, or is in another container.
    leave_over(&linked);
    let found = summary(&linked).unwrap();
    std::fs::remove_file(&linked).unwrap();
    assert!(Store::remove_left_over(&found, None).unwrap());
    assert!(!found.file.exists());
}

#[test]
fn what_another_user_left_over_is_removed_if_that_user_is_named() {
    // SAFETY: asks for our user ID.
    if unsafe { libc::geteuid() } != 0 {
        // Only root can give a file away.
        return;
    }
    let path = common::path("left-over-other");
    leave_over(&path);
    std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
    let found = summary(&path).unwrap();
    assert_eq!(found.owner, 12345);
    assert_eq!(Store::remove_left_over(&found, None).unwrap_err().kind(), Kind::PermissionDenied);
    assert!(found.file.exists());
    assert!(Store::remove_left_over(&found, Some(12345)).unwrap());
    assert!(!found.file.exists());
}

#[test]
fn a_store_that_got_a_client_is_not_removed() {
    let path = common::path("left-over-used");
    leave_over(&path);
    let found = summary(&path).unwrap();
    let store = Store::open(&path, &StoreOptions::default()).unwrap();
    put(&store, &id(1, 1), 100);
    let mut child = ready_child("dies holding", &store);
    drop(store);
    assert!(!Store::remove_left_over(&found, None).unwrap());
    assert_eq!(summary(&path).unwrap().clients, 1);
    let store = Store::open(&path, &StoreOptions::default()).unwrap();
    assert!(store.contains(&id(1, 1)).unwrap());
    assert!(!Store::remove_left_over(&summary(&path).unwrap(), None).unwrap());
    assert!(store.contains(&id(1, 1)).unwrap() && !store.is_gone());
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Who removes a store stops in the middle of it, and a client comes: that client's store stays.
#[cfg(feature = "failpoints")]
#[test]
fn a_client_that_comes_while_a_store_is_removed_keeps_its_own() {
    use std::os::unix::process::CommandExt;

    let path = std::env::temp_dir().join(format!("sdp-dal-test-left-over-race-{}", std::process::id()));
    leave_over(&path);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, "removes").env(PATH, &path).env("SDP_DAL_FAIL", "remove.link_gone:1:stop");
    // When the shell that has started the tests ends, the kernel continues what is stopped in its group.
    command.process_group(0);
    let mut remover = command.stdout(Stdio::piped()).spawn().unwrap();
    let process = remover.id();
    let stopped = || {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        stat.rsplit(')').next().unwrap().trim_start().starts_with('T')
    };
    let begun = std::time::Instant::now();
    // Where temporary files lie on a tmpfs there is no link, and it does not stop.
    while !stopped() && remover.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing was removed");
        std::thread::sleep(Duration::from_millis(5));
    }
    let options = StoreOptions { size: Some(2 << 20), ..StoreOptions::default() };
    let store = Store::open(&path, &options).unwrap();
    put(&store, &id(1, 1), 100);
    if remover.try_wait().unwrap().is_none() {
        run(Command::new("kill").arg("-CONT").arg(process.to_string()));
    }
    let said = remover.wait_with_output().unwrap();
    assert!(said.status.success());
    assert!(String::from_utf8(said.stdout).unwrap().contains("removed: true"));
    assert!(!store.is_gone() && store.contains(&id(1, 1)).unwrap());
    assert_eq!(summary(&path).unwrap().size, 2 << 20);
}

#[test]
fn a_new_store_was_never_rebuilt_and_one_whose_client_died_changing_it_was() {
    for reserve in [false, true] {
        let path = common::path(if reserve { "rebuilt-reserved" } else { "rebuilt" });
        let options = StoreOptions { size: Some(4 << 20), reserve, ..StoreOptions::default() };
        let store = Store::open(&path, &options).unwrap();
        assert_eq!(store.stat().unwrap().recoveries, 0);
        put(&store, &id(1, 1), 2 << 20);
        assert_eq!(store.check().unwrap(), Vec::<String>::new());
        #[cfg(feature = "failpoints")]
        {
            let mut child = child_command("dies holding", &store);
            assert!(!child.env("SDP_DAL_FAIL", "lock.taken").status().unwrap().success());
            assert_eq!(store.stat().unwrap().recoveries, 1);
        }
    }
}

// ---- what a declaration tells ---------------------------------------------------------------------------------------

/// The arguments that the declaration of a child has.
fn arguments_told(store: &Store, setting: Option<&str>) -> Vec<String> {
    let mut command = child_command("declares", store);
    command.env_remove("SDP_DAL_ARGV").envs(setting.map(|value| ("SDP_DAL_ARGV", value)));
    let mut child = ready(&mut command);
    let declared = store.namespaces().unwrap().into_iter().find(|ns| ns.owner != store.number()).unwrap();
    let declaration = store.get(&ObjectId::declaration(declared.prefix), Timeout::Poll).unwrap();
    let told = Declaration::decode(declaration.data(), declaration.metadata()).unwrap();
    assert_eq!(told.pid, child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    store.reap_all();
    told.argv
}

#[test]
fn a_declaration_tells_the_arguments_unless_it_must_not() {
    let store = TestStore::open("argv", 4 << 20);
    let group = Some(std::fs::metadata("/proc/self").unwrap().gid());
    let path = common::path("argv-group");
    let options = StoreOptions { size: Some(4 << 20), group, ..StoreOptions::default() };
    let shared = Store::open(&path, &options).unwrap();
    for (store, setting, all) in [
        (&*store, None, true),
        (&*store, Some("0"), false),
        (&shared, None, false),
        (&shared, Some("1"), true),
    ] {
        let told = arguments_told(store, setting);
        let program = std::env::current_exe().unwrap();
        assert_eq!(told[0], program.to_str().unwrap());
        let rest: &[&str] = if all { &["--exact", "child", "--nocapture", "--test-threads=1"] } else { &[] };
        assert_eq!(told[1..], *rest, "{setting:?}");
    }
}

// ---- C --------------------------------------------------------------------------------------------------------------

#[test]
fn the_c_functions_for_operators() {
    let folder = scratch("operate");
    let stores = Stores::new();
    for compiler in [C11, CPP17] {
        let built = compile(&folder, &root().join("tests/c/operate.c"), compiler);
        let mut command = program(&folder, &built);
        run(command.arg(stores.path(compiler.standard)).env_remove("SDP_DAL_LOG"));
    }
}

#[test]
fn two_copies_of_the_library_in_one_process_pass_references_on() {
    let folder = scratch("two-copies");
    let stores = Stores::new();
    let copies = ["first.so", "second.so"].map(|name| folder.join(name));
    for copy in &copies {
        std::fs::copy(cdylib(), copy).unwrap();
    }
    // Not linked with the library: it loads both.
    let built = folder.join("two_copies");
    let mut command = C11.command();
    command.arg(root().join("tests/c/two_copies.c")).args(["-pthread", "-ldl", "-o"]).arg(&built);
    run(&mut command);
    run(runs(&built).arg(stores.path("store")).args(copies));
}
