//! A receiver's pipeline, as processes of its own: visibilities written in place and broadcast to processors that keep
//! them past the calls; one is killed in the middle, and nobody else notices but the receiver, who is told.

mod common;
mod support;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::TestStore;
use support::programs::{compile, installed, Running, Stores, WATCHDOG};
use support::{install_library, root, run, scratch, CPP17};

/// A payload of 74 kB, small enough for any machine. The defaults make it 75 MB.
const SMALL: [&str; 6] = ["--times", "2", "--antennas", "8", "--channels", "32"];

/// Compiled by the first test that needs them.
struct Programs {
    folder: PathBuf,
    processor: PathBuf,
    receiver: PathBuf,
}

fn programs() -> &'static Programs {
    static BUILT: OnceLock<Programs> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = scratch("receiver");
        let built = |name: &str| compile(&folder, &root().join(format!("cpp_examples/{name}.cpp")), CPP17);
        let (processor, receiver) = (built("payload_processor"), built("receiver"));
        install_library(&folder);
        Programs { folder, processor, receiver }
    })
}

#[test]
fn a_processor_dies_and_the_others_go_on() {
    let Programs { folder, processor, receiver } = programs();
    // This test uses the store as long as it lasts, and looks at it in the end.
    let store = TestStore::open("receiver", 64 << 20);
    let before = store.stat().unwrap();

    let path = common::path("receiver");
    let mut running: Vec<_> = (0..4)
        .map(|_| {
            let one = Running::start(installed(folder, processor).arg(&path));
            one.says("waiting for calls at prefix");
            one
        })
        .collect();
    let mut command = installed(folder, receiver);
    command.arg(&path).args(["--payloads", "20", "--rate", "20"]).args(SMALL);
    let receiver = Running::start(&mut command);
    let victim = running.remove(1);
    victim.says("payload 1,");
    let said = victim.kill();
    let prefix = said.split("at prefix ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let prefix = prefix.expect("it has said where it waits").to_owned();

    let said = receiver.ended();
    assert!(said.contains("Found 4 processors"), "{said}");
    assert!(said.contains(&format!("lost PayloadProcessor {prefix}, going on")), "{said}");
    assert_eq!(said.matches(" acknowledged 20 of 20 payloads\n").count(), 3, "{said}");
    assert_eq!(said.matches("payloads (lost)\n").count(), 1, "{said}");
    for survivor in running {
        let said = survivor.interrupt();
        assert!(said.contains("payload 19, 2 kept"), "{said}");
        assert!(said.contains("Received 20 payloads, 0 checksums wrong"), "{said}");
    }

    // Whoever looks cleans up after the one that was killed.
    let watchdog = Instant::now() + Duration::from_secs(60);
    loop {
        store.reap_all();
        let after = store.stat().unwrap();
        if (after.objects, after.used, after.clients) == (before.objects, before.used, before.clients) {
            break;
        }
        assert!(Instant::now() < watchdog, "this is left: {after:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    store.is_sound();
}

/// A night of payloads that are shared out: one processor is killed while it works on one, another one is stopped for a while.
/// The receiver has nothing to do for it.
#[test]
fn payloads_that_are_shared_out_outlive_their_processors() {
    let Programs { folder, processor, receiver } = programs();
    let store = TestStore::open("shared-out", 64 << 20);
    let path = common::path("shared-out");
    let start = || {
        let one = Running::start(installed(folder, processor).arg(&path));
        one.says("waiting for calls at prefix");
        one
    };
    let mut running: Vec<_> = (0..4).map(|_| start()).collect();
    // It has its payloads, and takes none of them.
    running[0].stop();
    let mut command = installed(folder, receiver);
    command.arg(&path).args(["--share", "--payloads", "12", "--rate", "20", "--in-flight", "1"]).args(SMALL);
    let receiver = Running::start(&mut command);
    receiver.says("Found 4 processors");
    // Its calls wait in the queue, or in its hands.
    let victim = running.remove(1);
    victim.stop();
    std::thread::sleep(Duration::from_millis(300));
    victim.kill();
    running.push(start());
    std::thread::sleep(Duration::from_millis(300));
    running[0].go_on();
    let said = receiver.ended();
    assert!(said.contains("the processors together acknowledged 12 of 12 payloads\n"), "{said}");
    assert!(said.contains(", going on"), "{said}");
    let received: usize = running
        .into_iter()
        .map(|one| {
            let said = one.interrupt();
            assert!(said.contains("0 checksums wrong"), "{said}");
            let count = said.rsplit("Received ").next().and_then(|rest| rest.split(' ').next());
            count.and_then(|count| count.parse::<usize>().ok()).expect("it counts its payloads")
        })
        .sum();
    assert!(received >= 11, "{received} payloads were received by those that are left");
    store.is_sound();
}

/// SIGTERM while the receiver waits for processors, and while it waits until the next payload is due.
#[test]
fn sigterm_ends_the_receiver_and_its_processors() {
    let Programs { folder, processor, receiver } = programs();
    let stores = Stores::new();
    let path = stores.path("store");
    // Once a year.
    let receive = || {
        let mut command = installed(folder, receiver);
        command.arg(&path).args(["--processors", "1", "--rate", "3e-8"]).args(SMALL);
        Running::start(&mut command)
    };
    let waiting = receive();
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < WATCHDOG, "there is no store");
        std::thread::sleep(Duration::from_millis(1));
    }
    let (status, said) = waiting.terminate();
    assert_eq!(status, Some(143), "{said}");
    assert!(!path.exists(), "the receiver has left the store behind");

    let processor = Running::start(installed(folder, processor).arg(&path));
    processor.says("waiting for calls at prefix");
    let sending = receive();
    processor.says("payload 0,");
    let (status, said) = sending.terminate();
    assert_eq!(status, Some(143), "{said}");
    let (status, said) = processor.terminate();
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("Received 1 payloads, 0 checksums wrong"), "{said}");
    assert!(!path.exists(), "the processor has left the store behind");
}

#[test]
fn the_programs_explain_themselves() {
    let Programs { folder, processor, receiver } = programs();
    for built in [processor, receiver] {
        let help = run(installed(folder, built).arg("--help"));
        assert!(String::from_utf8_lossy(&help.stdout).contains("usage:"), "{built:?} --help");
        let without = installed(folder, built).output().expect("the program starts");
        assert!(!without.status.success(), "{built:?} needs a path");
        let said = [without.stdout, without.stderr].concat();
        assert!(String::from_utf8_lossy(&said).contains("usage:"), "{built:?} without a path");
    }
}
