//! `stores` and `trim`: the stores of this machine, and memory that goes back to it.

use std::path::PathBuf;

use clap::Args;
use sdp_dal::error::Result;
use sdp_dal::store::{census, StoreSummary};
use serde::Serialize;

use crate::arguments::{open, path_or_default};
use crate::table::{age, both_sizes, count, human_size, moment, Cell, Output, Shade, Table};
use crate::Outcome;

/// Arguments of `stores`.
#[derive(Debug, Args)]
pub struct Stores {
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `trim`.
#[derive(Debug, Args)]
pub struct Trim {
    /// Path of the store.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
}

/// A store in JSON.
#[derive(Debug, Serialize)]
struct Report<'a> {
    path: &'a str,
    file: String,
    owner: u32,
    created: String,
    size: u64,
    reserved: u64,
    clients: u32,
    max_clients: u32,
    left_over: bool,
}

impl<'a> Report<'a> {
    fn of(store: &'a StoreSummary) -> Report<'a> {
        Report {
            path: &store.path,
            file: store.file.display().to_string(),
            owner: store.owner,
            created: moment(store.created),
            size: store.size,
            reserved: store.reserved,
            clients: store.clients,
            max_clients: store.max_clients,
            left_over: store.is_left_over(),
        }
    }
}

/// Lists the stores.
pub fn run(which: &Stores, output: &mut Output) -> Result<Outcome> {
    let found = census()?;
    if which.json {
        output.json(&found.stores.iter().map(Report::of).collect::<Vec<_>>())?;
        return Ok(Outcome::Fine);
    }
    let mut table = Table::new(&["PATH", "OWNER", "AGE", "SIZE", "RESERVED", "CLIENTS", "FILE", ""]);
    for store in &found.stores {
        let state = if store.is_left_over() { "left over" } else { "" };
        table.row(vec![
            Cell::new(&store.path),
            Cell::new(store.owner.to_string()).right(),
            Cell::new(age(store.created)).right(),
            Cell::new(human_size(store.size)).right(),
            Cell::new(human_size(store.reserved)).right(),
            Cell::new(format!("{} of {}", store.clients, store.max_clients)).right(),
            Cell::new(store.file.display().to_string()),
            Cell::new(state).shaded(Shade::Red),
        ]);
    }
    if !found.stores.is_empty() {
        output.table(&table);
    }
    let reserved = found.stores.iter().map(|store| store.reserved).sum();
    output.line(format!("{}, {} reserved", count(found.stores.len(), "store"), human_size(reserved)));
    if found.skipped > 0 {
        let plural = if found.skipped == 1 { "" } else { "s" };
        output.line(format!("{} other place{plural} could not be looked into", found.skipped));
    }
    Ok(Outcome::Fine)
}

/// Gives memory back.
pub fn trim(which: &Trim, accept_owner: Option<u32>, output: &mut Output) -> Result<Outcome> {
    let store = open(&path_or_default(which.path.as_ref())?, accept_owner)?;
    let given = store.trim()?;
    output.line(format!("gave back {}", both_sizes(given)));
    Ok(Outcome::Fine)
}
