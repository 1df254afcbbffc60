//! Every target over its committed corpus and some thousand mutated inputs: the same ones every time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sdp_dal_fuzz::driver::{corpus_folder, drive, files_of, Plan};
use sdp_dal_fuzz::targets::TARGETS;

/// Mutated inputs of a target. More of them: `scripts/fuzz.sh`.
const MUTATIONS: u64 = 1000;

fn fuzz(name: &str, mutations: u64) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let inputs = files_of(&corpus_folder(name)).unwrap();
    assert!(!inputs.is_empty(), "there is no corpus: sdp-dal-fuzz --make-corpus");
    let ran = inputs.len() as u64 + mutations;
    let outcome = drive(&Plan {
        target,
        program: env!("CARGO_BIN_EXE_sdp-dal-fuzz").into(),
        inputs,
        mutations,
        until: None,
        seed: 1,
        limit: Duration::from_secs(120),
        failures: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fuzz-failures"),
        most_failures: 1,
        stop: Arc::default(),
        quiet: true,
    })
    .unwrap();
    assert!(outcome.failed.is_empty(), "{:#?}", outcome.failed);
    assert_eq!(outcome.ran, ran);
}

#[test]
fn damaged_headers() {
    fuzz("header", MUTATIONS);
}

#[test]
fn damaged_stores() {
    fuzz("store", MUTATIONS);
}

#[test]
fn damaged_objects() {
    fuzz("wire", 5 * MUTATIONS);
}

#[test]
fn signatures() {
    fuzz("signature", 2 * MUTATIONS);
}

#[test]
fn programs_of_the_c_interface() {
    fuzz("abi", MUTATIONS);
}
