//! The shared library exports what the header declares, and nothing else; its SONAME is that of its version.

mod support;

use std::collections::BTreeSet;
use std::process::Command;

use support::{cdylib, root, run, soname};

fn exported() -> BTreeSet<String> {
    let output = run(Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(cdylib()));
    let text = String::from_utf8(output.stdout).expect("nm prints UTF-8");
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// The functions of the header, as a C compiler sees them.
fn declared() -> BTreeSet<String> {
    let mut command = Command::new("cc");
    command.args(["-E", "-P", "-x", "c"]).arg(root().join("include/sdp_dal.h"));
    let text = String::from_utf8(run(&mut command).stdout).expect("the header is UTF-8");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split(';')
        .filter(|declaration| !declaration.contains("typedef") && !declaration.contains('{'))
        .filter_map(|declaration| declaration.split_once('(')?.0.split([' ', '*']).next_back())
        .filter(|name| name.starts_with("sdp_dal_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn exports_are_the_headers_functions() {
    let (exported, declared) = (exported(), declared());
    assert!(declared.len() > 100, "the header was not understood: {declared:?}");
    let foreign: Vec<_> = exported.difference(&declared).collect();
    let missing: Vec<_> = declared.difference(&exported).collect();
    assert!(
        foreign.is_empty() && missing.is_empty(),
        "only exported: {foreign:?}; only declared: {missing:?}"
    );
}

#[test]
fn the_soname_is_that_of_the_version() {
    let output = run(Command::new("readelf").arg("-d").arg(cdylib()));
    let text = String::from_utf8(output.stdout).expect("readelf prints UTF-8");
    assert!(text.contains(&format!("Library soname: [{}]", soname())), "{text}");
    assert!(text.contains("NODELETE"), "{text}");
}
