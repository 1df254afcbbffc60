//! A receiver's pipeline, as processes of its own: visibilities written in place and broadcast to processors that keep
//! them past the calls; one is killed in the middle, and nobody else notices but the receiver, who is told.

mod common;
mod support;

use std::time::{Duration, Instant};

use common::TestStore;
use support::programs::{compile, program, Running};
use support::{root, run, scratch, CPP17};

/// A payload of 74 kB, small enough for any machine. The defaults make it 75 MB.
const SMALL: [&str; 6] = ["--times", "2", "--antennas", "8", "--channels", "32"];

#[test]
fn a_processor_dies_and_the_others_go_on() {
    let folder = scratch("receiver");
    let built = |name: &str| compile(&folder, &root().join(format!("cpp_examples/{name}.cpp")), CPP17);
    let processor = built("payload_processor");
    let receiver = built("receiver");
    // This test uses the store as long as it lasts, and looks at it in the end.
    let store = TestStore::open("receiver", 64 << 20);
    let before = store.stat().unwrap();

    let path = common::path("receiver");
    let mut running: Vec<_> = (0..4)
        .map(|_| {
            let one = Running::start(program(&folder, &processor).arg(&path));
            one.says("waiting for calls at prefix");
            one
        })
        .collect();
    let mut command = program(&folder, &receiver);
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

#[test]
fn the_programs_explain_themselves() {
    let folder = scratch("receiver-help");
    for name in ["payload_processor", "receiver", "usage_guide"] {
        let built = compile(&folder, &root().join(format!("cpp_examples/{name}.cpp")), CPP17);
        let help = run(program(&folder, &built).arg("--help"));
        assert!(String::from_utf8_lossy(&help.stdout).contains("usage:"), "{name} --help");
        let without = program(&folder, &built).output().expect("the program starts");
        assert!(!without.status.success(), "{name} needs a path");
        let said = [without.stdout, without.stderr].concat();
        assert!(String::from_utf8_lossy(&said).contains("usage:"), "{name} without a path");
    }
}
