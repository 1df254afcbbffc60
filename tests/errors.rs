//! `docs/errors.md` says what the library says: every status, and every sentence it shows, as it really comes.
//!
//! `tests/c/errors.c` and `errors_values.c` provoke the errors through the C interface and print them. Two are provoked elsewhere: BUSY needs
//! fail points (`tests/crash.rs`), INTERNAL a panic inside the frame of exported functions (`src/capi/guard.rs`).

mod support;

use sdp_dal::error::Kind;
use support::declarations::{declarations, Declaration};
use support::messages::{documented, fits, must_be_documented};
use support::programs::{compile, program, Stores};
use support::{root, run, scratch, C11};

/// Statuses whose sentences other tests compare.
const ELSEWHERE: [Kind; 2] = [Kind::Busy, Kind::Internal];

/// What only root can provoke: another user's store.
const NEEDS_ROOT: [&str; 2] = ["belongs to user", "Permission denied"];

/// What other tests compare: words of the sentence, and where they stand.
const COMPARED: [(&str, &str); 2] = [
    ("given away to it is lost", "tests/handed.rs"),
    ("was ended by signal 6 (SIGABRT)", "cli/tests/run.rs"),
];

/// The errors that the C programs provoke: status and sentence.
fn provoked() -> Vec<(Kind, String)> {
    ["errors", "errors_values"].into_iter().flat_map(provoked_by).collect()
}

fn provoked_by(name: &str) -> Vec<(Kind, String)> {
    let folder = scratch("errors");
    let built = compile(&folder, &root().join(format!("tests/c/{name}.c")), C11);
    let stores = Stores::new();
    // Another user opens the store, too.
    let anybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(stores.folder(), anybody).unwrap();
    let output = run(program(&folder, &built).arg(stores.path("store")));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| {
            let (name, sentence) = line.split_once('\t').unwrap();
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name).unwrap();
            (kind, sentence.to_owned())
        })
        .collect()
}

#[test]
fn the_sentences_are_those_of_the_document() {
    let provoked = provoked();
    for (kind, sentence) in &provoked {
        must_be_documented(kind.code(), sentence);
    }
    // SAFETY: asks for our user ID.
    let root = unsafe { libc::geteuid() } == 0;
    for status in documented() {
        let kind = Kind::from_code(status.code);
        if kind.is_none() || kind.is_some_and(|kind| ELSEWHERE.contains(&kind)) {
            continue;
        }
        for example in &status.examples {
            let said = provoked.iter().any(|(by, sentence)| Some(*by) == kind && fits(example, sentence));
            let excused = !root && NEEDS_ROOT.iter().any(|words| example.contains(words));
            let compared = COMPARED.iter().any(|(words, test)| {
                let text = std::fs::read_to_string(support::root().join(test)).expect("a test is a text");
                example.contains(words) && text.contains(words)
            });
            assert!(
                said || excused || compared,
                "nothing in tests/c/errors*.c provokes {}: {example}",
                status.name
            );
        }
    }
}

#[test]
fn every_status_is_in_the_document() {
    let documented = documented();
    let codes: Vec<i32> = documented.iter().map(|status| status.code).collect();
    let expected: Vec<i32> = std::iter::once(0).chain(Kind::ALL.map(Kind::code)).collect();
    assert_eq!(codes, expected);
    let names: Vec<&str> = documented.iter().map(|status| status.name.as_str()).collect();
    let header = declarations().into_iter().find_map(|found| match found {
        Declaration::Enum { name, values } if name == "sdp_dal_status_code" => Some(values),
        _ => None,
    });
    assert_eq!(names, header.expect("the header has statuses"));
    for status in &documented[1..] {
        assert!(!status.examples.is_empty(), "{} has no example", status.name);
    }
}

#[test]
fn a_placeholder_stands_for_something() {
    assert!(fits("object … is gone", "object 00aa is gone"));
    assert!(fits("…: a…", "x: a: abc"));
    assert!(!fits("object … is gone", "object  is gone"));
    assert!(!fits("object … is gone", "object 00 is gone."));
    assert!(!fits("the wait", "the wait was interrupted"));
    assert!(fits("… of …", "1 of 2") && !fits("… of …", "1 of "));
}
