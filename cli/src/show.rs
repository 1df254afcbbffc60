//! `show`: everything that is known of one object.

use std::ffi::OsString;

use clap::Args;
use sdp_dal::error::{Error, Result};
use sdp_dal::store::{Buffer, ObjectInfo, ObjectState, Store};
use sdp_dal::wire::ObjectKind;
use serde::Serialize;

use crate::contents::{self, Contents, Depth, Inside};
use crate::declared::prefix_text;
use crate::history::Call;
use crate::list::{shade, ObjectReport};
use crate::outcome::Outcome;
use crate::people::{People, Person};
use crate::table::{age, both_sizes, count, human_time, moment, Cell, Output, Shade, Table};
use crate::words::{find, open, path_and_id};

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct OneObject {
    /// Path of the store, and the object's ID.
    #[arg(value_names = ["PATH", "ID"], num_args = 1..=2, required = true)]
    words: Vec<OsString>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// An object in JSON.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    object: ObjectReport,
    metadata: Option<String>,
    contents: Option<Contents>,
    error: Option<Failure>,
    call: Option<CallState>,
    namespace: Option<NamespaceState>,
    creator_client: Person,
    producer_client: Option<Person>,
    holders: Vec<Person>,
    owners: Vec<Person>,
}

/// How far a call is.
#[derive(Debug, Serialize)]
struct CallState {
    /// `queued`, `running` or `ended`.
    state: &'static str,
    issued: String,
    processor: Option<Person>,
    /// Inputs that do not exist yet.
    missing: Vec<String>,
    #[serde(skip)]
    text: String,
}

impl CallState {
    fn of(store: &Store, info: &ObjectInfo, buffer: &Buffer, people: &People) -> Result<CallState> {
        let call = Call::read(buffer)?;
        let namespaces = store.namespaces()?;
        let owner = namespaces.iter().find(|namespace| namespace.prefix == info.id.prefix());
        let owner = owner.map(|namespace| namespace.owner);
        // Who runs a call holds it until its end.
        let state = match owner {
            _ if !info.claimed => "queued",
            Some(owner) if info.pinned_by.contains(&owner) => "running",
            _ => "ended",
        };
        let mut missing = Vec::new();
        for input in call.inputs.iter().filter(|_| state == "queued") {
            if !matches!(store.look(&input.id)?, ObjectState::Sealed { .. }) {
                missing.push(input.name.clone());
            }
        }
        let who =
            owner.map_or("a processor that crashed or was closed".to_owned(), |owner| people.short(owner));
        let since = age(info.created);
        let text = match state {
            "queued" if missing.is_empty() => format!("queued for {since}, for {who}"),
            "queued" => format!("queued for {since}, for {who}; waits for {}", missing.join(", ")),
            "running" => format!("issued {since} ago, taken by {who}, which runs it"),
            _ => format!("issued {since} ago, taken by {who}, and ended"),
        };
        let processor = owner.map(|owner| people.person(owner));
        Ok(CallState { state, issued: moment(info.created), processor, missing, text })
    }
}

/// The namespace of a declaration.
#[derive(Debug, Serialize)]
struct NamespaceState {
    prefix: String,
    alive: bool,
    queued: u32,
}

impl NamespaceState {
    fn of(store: &Store, info: &ObjectInfo) -> Result<Option<NamespaceState>> {
        let namespaces = store.namespaces()?;
        Ok(namespaces.into_iter().find(|namespace| namespace.key == info.key).map(|namespace| {
            NamespaceState {
                prefix: prefix_text(namespace.prefix),
                alive: namespace.alive,
                queued: namespace.queued,
            }
        }))
    }

    fn text(&self) -> String {
        let alive = if self.alive { "its owner is running" } else { "left over" };
        format!("prefix {}, {alive}, {} queued", self.prefix, count(self.queued as usize, "call"))
    }
}

/// An error in JSON.
#[derive(Debug, Serialize)]
struct Failure {
    status: &'static str,
    message: String,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Failure {
        Failure { status: error.kind().name(), message: error.message().to_owned() }
    }
}

/// Shows an object.
pub fn run(which: &OneObject, accept_owner: Option<u32>, output: &mut Output) -> Result<Outcome> {
    let (path, id) = path_and_id(&which.words)?;
    let id =
        id.ok_or_else(|| Error::invalid("no object is given: give its ID, or the first digits of it"))?;
    let store = open(&path, accept_owner)?;
    let info = find(&store, &id)?;
    let people = People::of(&store)?;
    let inside = contents::look(&store, &info)?;
    let report = ObjectReport::new(&info, &inside, store.number());
    let (metadata, read, error) = match &inside {
        Inside::Sealed(buffer) => {
            let metadata = String::from_utf8_lossy(buffer.metadata()).into_owned();
            match contents::read(buffer, Depth::Values) {
                Ok(contents) => (Some(metadata), Some(contents), None),
                Err(error) => (Some(metadata), None, Some(error)),
            }
        }
        Inside::Failed(error) => (None, None, Some(error.clone())),
        Inside::Nothing => (None, None, None),
    };
    let (mut call, mut namespace) = (None, None);
    if let Inside::Sealed(buffer) = &inside {
        match contents::kind(buffer) {
            // What is damaged is told already.
            ObjectKind::Call => call = CallState::of(&store, &info, buffer, &people).ok(),
            ObjectKind::Declaration => namespace = NamespaceState::of(&store, &info)?,
            _ => {}
        }
    }
    if which.json {
        output.json(&Shown {
            call,
            namespace,
            metadata,
            contents: read,
            error: error.as_ref().map(Failure::from),
            creator_client: people.person(info.creator),
            producer_client: (info.producer != 0).then(|| people.person(info.producer)),
            holders: people.persons(report.held_by()),
            owners: people.persons(report.owned_by()),
            object: report,
        })?;
        return Ok(Outcome::Fine);
    }
    let mut table = what_it_is(&info, &report, &people);
    if let Some(metadata) = metadata.filter(|metadata| !metadata.is_empty()) {
        table.pair("metadata", metadata);
    }
    if let Some(call) = &call {
        table.pair("call", &call.text);
    }
    if let Some(namespace) = &namespace {
        table.pair("namespace", namespace.text());
    }
    for line in read.iter().flat_map(Contents::details) {
        table.pair("", line);
    }
    if let Some(error) = error {
        let text = format!("{}: {error}", error.kind().name());
        table.row(vec![Cell::new("error").shaded(Shade::Bold), Cell::new(text).shaded(Shade::Red)]);
    }
    output.table(&table);
    Ok(Outcome::Fine)
}

fn what_it_is(info: &ObjectInfo, report: &ObjectReport, people: &People) -> Table {
    let mut table = Table::new(&[]);
    table.pair("id", info.id.to_string());
    table.pair("kind", report.kind());
    if !report.what().is_empty() && info.state != "failed" {
        table.pair("what", report.what());
    }
    let state = Cell::new(info.state).shaded(shade(info.state));
    table.row(vec![Cell::new("state").shaded(Shade::Bold), state]);
    table.pair("data", both_sizes(info.data_size));
    table.pair("created", format!("{} ({} ago)", moment(info.created), age(info.created)));
    if info.state == "sealed" {
        table.pair("written in", human_time(info.construct));
    }
    table.pair("creator", people.long(info.creator));
    if info.producer != 0 {
        table.pair("producer", people.long(info.producer));
    }
    let marks = [(info.keep, "kept"), (info.evictable, "evictable"), (info.claimed, "taken by a processor")];
    let marks: Vec<&str> = marks.into_iter().filter(|(set, _)| *set).map(|(_, mark)| mark).collect();
    if !marks.is_empty() {
        table.pair("marks", marks.join(", "));
    }
    for (name, numbers) in [("held by", report.held_by()), ("owned by", report.owned_by())] {
        if numbers.is_empty() {
            table.pair(name, "no client");
        }
        for (at, number) in numbers.iter().enumerate() {
            table.pair(if at == 0 { name } else { "" }, people.long(*number));
        }
    }
    table
}
