//! `docs/c-api-map.md` covers every name of the Python package, with what the header really has.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use support::declarations::{declarations, Declaration};
use support::root;

/// What the header declares: for functions their parameters, for structs their fields, else nothing.
fn header() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for declaration in declarations() {
        match declaration {
            Declaration::Enum { name, values } => {
                found.insert(name, BTreeSet::new());
                found.extend(values.into_iter().map(|value| (value, BTreeSet::new())));
            }
            Declaration::Struct { spelling, fields } => {
                found.insert(spelling, fields.into_iter().map(|field| field.name).collect());
            }
            Declaration::Opaque { name } | Declaration::Alias { name, .. } => {
                found.insert(name, BTreeSet::new());
            }
            Declaration::Function(function) => {
                let words = |text: &String| text.rsplit([' ', '*']).next().unwrap_or_default().to_owned();
                // `()` alone stands for the function.
                let parameters = function.parameters.iter().map(words).chain([String::new()]);
                found.insert(function.name.clone(), parameters.collect());
            }
        }
    }
    found
}

/// Whether the header has what a cell names: `function()`, `function(parameter)`, `struct.field`, `name` or `name_*`.
fn is_there(header: &BTreeMap<String, BTreeSet<String>>, named: &str) -> bool {
    let has = |name: &str, part: &str| header.get(name).is_some_and(|parts| parts.contains(part));
    if let Some(start) = named.strip_suffix('*') {
        header.keys().any(|name| name.starts_with(start))
    } else if let Some((function, parameter)) = named.split_once('(') {
        has(function, parameter.trim_end_matches(')'))
    } else if let Some((structure, field)) = named.split_once('.') {
        has(structure, field)
    } else {
        header.contains_key(named)
    }
}

/// The names of the C interface in backticks in a text.
fn c_names(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|name| name.starts_with("sdp_dal_") || name.starts_with("SDP_DAL_")).collect()
}

/// The rows of the document's tables: Python, C, remarks.
fn rows(document: &str) -> Vec<[&str; 3]> {
    document
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            cells.try_into().unwrap_or_else(|_| panic!("three cells are needed: {line}"))
        })
        .collect()
}

#[test]
fn every_python_name_has_its_c() {
    let document = std::fs::read_to_string(root().join("docs/c-api-map.md")).unwrap();
    let names = std::fs::read_to_string(root().join("tests/reference_names.txt")).unwrap();
    let names: Vec<&str> = names.lines().filter(|line| !line.starts_with('#')).collect();
    let header = header();
    let rows = rows(&document);
    let mapped: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    assert_eq!(mapped, names, "the document's rows are not the package's names, in their order");
    let mut absent: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for [python, c, remarks] in &rows {
        let reason = *c == "not needed" && !remarks.is_empty();
        assert!(
            reason || !c_names(c).is_empty(),
            "{python}: nothing in C, and no 'not needed' with its reason"
        );
        for name in c_names(c).into_iter().chain(c_names(remarks)).filter(|name| !is_there(&header, name)) {
            absent.entry(name).or_default().push(python);
        }
    }
    let absent: Vec<String> =
        absent.iter().map(|(name, python)| format!("{name}, for {}", python.join(" "))).collect();
    assert!(absent.is_empty(), "docs/c-api-map.md names what the header has not:\n{}", absent.join("\n"));
}

#[test]
fn the_header_is_understood() {
    let header = header();
    for named in [
        "sdp_dal_caller_call()",
        "sdp_dal_caller_call(function)",
        "sdp_dal_tensor_view.dtype",
        "SDP_DAL_TIMEOUT",
        "sdp_dal_function",
        "sdp_dal_store",
        "sdp_dal_status",
        "sdp_dal_ref_new(expected)",
    ] {
        assert!(is_there(&header, named), "{named}");
    }
    for named in [
        "sdp_dal_nothing()",
        "sdp_dal_caller_call(nothing)",
        "sdp_dal_tensor_view.nothing",
        "sdp_dal_nothing_*",
    ] {
        assert!(!is_there(&header, named), "{named}");
    }
}
