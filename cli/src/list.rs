//! `ls`: the objects of a store.

use std::ffi::OsString;

use clap::Args;
use sdp_dal::error::Result;
use sdp_dal::store::{ObjectInfo, Store};
use serde::Serialize;

use crate::contents::{self, Depth, Inside};
use crate::outcome::Outcome;
use crate::people::People;
use crate::table::{age, count, human_size, moment, Cell, Output, Shade, Table};
use crate::words::{listing, open, path_and_id};

/// Arguments of `ls`.
#[derive(Debug, Args)]
pub struct Listing {
    /// Path of the store, and the first digits of the IDs.
    #[arg(value_names = ["PATH", "PREFIX"], num_args = 0..=2)]
    words: Vec<OsString>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// What is said of an object in JSON, here and in `show`.
#[derive(Debug, Serialize)]
pub struct ObjectReport {
    id: String,
    /// `null`: not known before it is sealed.
    kind: Option<&'static str>,
    state: &'static str,
    what: String,
    data_size: u64,
    metadata_size: u64,
    created: String,
    construct_seconds: f64,
    creator: u32,
    producer: Option<u32>,
    kept: bool,
    evictable: bool,
    claimed: bool,
    held_by: Vec<u32>,
    owned_by: Vec<u32>,
}

/// An object's kind and one line on what it is. Damage is said, not an error.
fn kind_and_line(inside: &Inside) -> (Option<&'static str>, String) {
    match inside {
        Inside::Sealed(buffer) => {
            let line = match contents::read(buffer, Depth::Line) {
                Ok(contents) => contents.line(),
                Err(error) => format!("damaged: {error}"),
            };
            (Some(contents::kind(buffer).name()), line)
        }
        Inside::Failed(error) => (None, format!("{}: {error}", error.kind().name())),
        Inside::Nothing => (None, String::new()),
    }
}

impl ObjectReport {
    /// What is known; `own`, this attachment's number, is not among the holders.
    pub fn new(info: &ObjectInfo, inside: &Inside, own: u32) -> ObjectReport {
        let (kind, what) = kind_and_line(inside);
        let others = |numbers: &[u32]| numbers.iter().copied().filter(|number| *number != own).collect();
        ObjectReport {
            id: info.id.to_string(),
            kind,
            state: info.state,
            what,
            data_size: info.data_size,
            metadata_size: info.metadata_size,
            created: moment(info.created),
            construct_seconds: info.construct.as_secs_f64(),
            creator: info.creator,
            producer: (info.producer != 0).then_some(info.producer),
            kept: info.keep,
            evictable: info.evictable,
            claimed: info.claimed,
            held_by: others(&info.pinned_by),
            owned_by: others(&info.wanted_by),
        }
    }

    /// The kind, for people.
    pub fn kind(&self) -> &'static str {
        self.kind.unwrap_or("-")
    }

    /// One line on what it is.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Attachment numbers of those who hold its bytes, without ours.
    pub fn held_by(&self) -> &[u32] {
        &self.held_by
    }

    /// Attachment numbers of those who own it, without ours.
    pub fn owned_by(&self) -> &[u32] {
        &self.owned_by
    }
}

/// The colour of a state.
pub fn shade(state: &str) -> Shade {
    match state {
        "failed" => Shade::Red,
        "awaited" | "creating" => Shade::Yellow,
        "doomed" => Shade::Dim,
        _ => Shade::Plain,
    }
}

/// Rows of the table that are aligned with each other for sure.
const ROWS: usize = 1000;

/// Lists the objects.
pub fn run(which: &Listing, accept_owner: Option<u32>, output: &mut Output) -> Result<Outcome> {
    let (path, prefix) = path_and_id(&which.words)?;
    let store = open(&path, accept_owner)?;
    let infos = listing(&store, prefix.as_deref().unwrap_or(""))?;
    if which.json {
        output.json_list(infos.map(|info| report(&store, &info?)))?;
        return Ok(Outcome::Fine);
    }
    let people = People::of(&store)?;
    let mut table = Table::new(&["ID", "KIND", "STATE", "SIZE", "HELD", "OWNED", "AGE", "CREATOR", "WHAT"]);
    let (mut objects, mut bytes) = (0, 0);
    for info in infos {
        let info = info?;
        table.row(row(&info, &report(&store, &info)?, &people));
        objects += 1;
        bytes += info.data_size;
        if table.len() > ROWS && !output.rows(&mut table)? {
            return Ok(Outcome::Fine);
        }
    }
    if objects > 0 {
        output.table(&table);
    }
    output.line(format!("{}, {}", count(objects, "object"), human_size(bytes)));
    Ok(Outcome::Fine)
}

fn row(info: &ObjectInfo, report: &ObjectReport, people: &People) -> Vec<Cell> {
    let owned = report.owned_by.len();
    vec![
        Cell::new(&report.id),
        Cell::new(report.kind()),
        Cell::new(info.state).shaded(shade(info.state)),
        Cell::new(human_size(info.data_size)).right(),
        Cell::new(report.held_by.len().to_string()).right(),
        Cell::new(if info.keep { format!("{owned}+kept") } else { owned.to_string() }).right(),
        Cell::new(age(info.created)).right(),
        Cell::new(people.short(info.creator)),
        Cell::new(&report.what),
    ]
}

fn report(store: &Store, info: &ObjectInfo) -> Result<ObjectReport> {
    Ok(ObjectReport::new(info, &contents::look(store, info)?, store.number()))
}
