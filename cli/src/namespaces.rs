//! `namespaces`: who has declared which prefix, and what is there.

use std::collections::HashMap;

use clap::Args;
use sdp_dal::error::Result;
use sdp_dal::store::Prefix;
use serde::Serialize;
use std::path::PathBuf;

use crate::declared::{names_of_forms, prefix_text, Declared};
use crate::outcome::Outcome;
use crate::people::{People, Person};
use crate::table::{age, count, human_size, Cell, Output, Shade, Table};
use crate::words::{open, path_or_default};

/// Arguments of `namespaces`.
#[derive(Debug, Args)]
pub struct Namespaces {
    /// Path of the store.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Write the functions' signatures too.
    #[arg(long)]
    long: bool,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// A namespace in JSON.
#[derive(Debug, Serialize)]
struct Report {
    prefix: String,
    name: String,
    owner: Person,
    /// False: its owner crashed or closed it, and the next client that reserves the prefix takes it over.
    alive: bool,
    functions: Vec<String>,
    queued: u32,
    objects: u64,
    bytes: u64,
    #[serde(skip)]
    owner_number: u32,
    #[serde(skip)]
    names: Vec<String>,
}

/// Lists the namespaces.
pub fn run(which: &Namespaces, accept_owner: Option<u32>, output: &mut Output) -> Result<Outcome> {
    let store = open(&path_or_default(which.path.as_ref())?, accept_owner)?;
    let mut inside: HashMap<Prefix, (u64, u64)> = HashMap::new();
    for info in store.listing(&[])? {
        let info = info?;
        let (objects, bytes) = inside.entry(info.id.prefix()).or_default();
        *objects += 1;
        *bytes += info.data_size;
    }
    let people = People::of(&store)?;
    let mut declared = Declared::default();
    let mut reports = Vec::new();
    for namespace in store.namespaces()? {
        let functions = declared.functions(&store, &namespace);
        let (objects, bytes) = inside.get(&namespace.prefix).copied().unwrap_or_default();
        reports.push(Report {
            prefix: prefix_text(namespace.prefix),
            name: declared.name(&store, &namespace),
            owner: people.person(namespace.owner),
            alive: namespace.alive,
            functions: functions.iter().map(ToString::to_string).collect(),
            queued: namespace.queued,
            objects,
            bytes,
            owner_number: namespace.owner,
            names: names_of_forms(&functions),
        });
    }
    if which.json {
        output.json(&reports)?;
        return Ok(Outcome::Fine);
    }
    write(&reports, &people, which.long, output);
    Ok(Outcome::Fine)
}

fn write(reports: &[Report], people: &People, long: bool, output: &mut Output) {
    let heads =
        ["PREFIX", "NAME", "OWNER", "HOST", "SINCE", "STATE", "QUEUED", "OBJECTS", "BYTES", "FUNCTIONS"];
    let mut table = Table::new(&heads);
    for report in reports {
        let owner = people.find(report.owner_number);
        let state = if report.alive { Cell::new("alive") } else { Cell::new("left over").shaded(Shade::Red) };
        table.row(vec![
            Cell::new(&report.prefix),
            Cell::new(&report.name),
            Cell::new(people.short(report.owner_number)),
            Cell::new(owner.map_or("-", |client| client.host.as_str())),
            Cell::new(owner.map_or("-".to_owned(), |client| format!("{} ago", age(client.since)))),
            state,
            Cell::new(report.queued.to_string()).right(),
            Cell::new(report.objects.to_string()).right(),
            Cell::new(human_size(report.bytes)).right(),
            Cell::new(report.names.join(", ")),
        ]);
    }
    if !reports.is_empty() {
        output.table(&table);
    }
    output.line(count(reports.len(), "namespace"));
    if long {
        for report in reports.iter().filter(|report| !report.functions.is_empty()) {
            output.line("");
            output.line(crate::table::plain(&format!("{} {}", report.prefix, report.name)));
            report
                .functions
                .iter()
                .for_each(|function| output.line(format!("  {}", crate::table::plain(function))));
        }
    }
}
