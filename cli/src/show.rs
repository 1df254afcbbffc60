//! `show`: everything that is known of one object.

use sdp_dal::error::{Error, Result};
use sdp_dal::store::ObjectInfo;
use serde::Serialize;

use crate::arguments::{find, open, path_and_id, OneObject};
use crate::contents::{self, Contents, Inside};
use crate::list::{shade, ObjectReport};
use crate::people::{People, Person};
use crate::table::{age, both_sizes, human_time, moment, Cell, Output, Shade, Table};
use crate::Outcome;

/// An object in JSON.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    object: ObjectReport,
    metadata: Option<String>,
    contents: Option<Contents>,
    error: Option<Failure>,
    creator_client: Person,
    producer_client: Option<Person>,
    holders: Vec<Person>,
    owners: Vec<Person>,
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
    let id = id.ok_or_else(|| Error::invalid("no object is named: give its ID, or the beginning of it"))?;
    let store = open(&path, accept_owner)?;
    let info = find(&store, &id)?;
    let people = People::of(&store)?;
    let inside = contents::look(&store, &info)?;
    let report = ObjectReport::new(&info, &inside, store.number());
    let (metadata, read, error) = match &inside {
        Inside::Sealed(buffer) => {
            let metadata = String::from_utf8_lossy(buffer.metadata()).into_owned();
            match contents::read(buffer) {
                Ok(contents) => (Some(metadata), Some(contents), None),
                Err(error) => (Some(metadata), None, Some(error)),
            }
        }
        Inside::Failed(error) => (None, None, Some(error.clone())),
        Inside::Nothing => (None, None, None),
    };
    if which.json {
        output.json(&Shown {
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
            table.pair(name, "nobody");
        }
        for (at, number) in numbers.iter().enumerate() {
            table.pair(if at == 0 { name } else { "" }, people.long(*number));
        }
    }
    table
}
