//! `stores` and `trim`: the stores of this machine, and memory that goes back to it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;
use sdp_dal::error::{Error, Result};
use sdp_dal::store::{census, Census, Store, StoreSummary};
use serde::Serialize;

use crate::outcome::Outcome;
use crate::table::{age, both_sizes, count, human_size, moment, plain, Cell, Output, Shade, Table};
use crate::words::{open, path_or_default};

/// Arguments of `stores`.
#[derive(Debug, Args)]
pub struct Stores {
    /// List only stores whose path or file is below this directory.
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Remove the stores that no running client uses, and list what was removed. Default: list all stores.
    #[arg(long)]
    remove_left_over: bool,
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

/// A store that was removed, in JSON.
#[derive(Debug, Serialize)]
struct Removed {
    path: String,
    file: String,
    given_back: u64,
}

/// Lists the stores, or removes those that are left over.
pub fn run(which: &Stores, accept_owner: Option<u32>, output: &mut Output) -> Result<Outcome> {
    let mut found = census()?;
    if let Some(folder) = &which.folder {
        let folder = std::path::absolute(folder).map_err(|e| Error::io(folder.display(), &e))?;
        let below = |store: &StoreSummary| {
            Path::new(&store.path).starts_with(&folder) || store.file.starts_with(&folder)
        };
        found.stores.retain(below);
    }
    if which.remove_left_over {
        remove(&found.stores, which.json, accept_owner, output)
    } else {
        list(&found, which.json, output)
    }
}

fn remove(
    stores: &[StoreSummary],
    json: bool,
    accept_owner: Option<u32>,
    output: &mut Output,
) -> Result<Outcome> {
    let (mut removed, mut left) = (Vec::new(), Vec::new());
    for store in stores.iter().filter(|store| store.is_left_over()) {
        // What is asked for after the store has gone is 0.
        let memory = std::fs::metadata(&store.file).map_or(0, |meta| meta.blocks() * 512);
        match Store::remove_left_over(store, accept_owner) {
            Ok(false) => {}
            Ok(true) => removed.push(Removed {
                path: store.path.clone(),
                file: store.file.display().to_string(),
                given_back: memory,
            }),
            Err(error) => left.push(error.context(&store.path)),
        }
    }
    let total = removed.iter().map(|store| store.given_back).sum();
    if json {
        output.json(&removed)?;
    } else {
        for store in &removed {
            let file = if store.path == store.file { String::new() } else { format!(" ({})", store.file) };
            let given = both_sizes(store.given_back);
            output.line(plain(&format!("removed {}{file}: freed {given}", store.path)));
        }
        output.line(format!("{} removed, {} freed", count(removed.len(), "store"), human_size(total)));
    }
    match left.pop() {
        None => Ok(Outcome::Fine),
        Some(last) if left.is_empty() => Err(last),
        Some(last) => {
            Err(last.context(format!("{} stores could not be removed, the last one", left.len() + 1)))
        }
    }
}

fn list(found: &Census, json: bool, output: &mut Output) -> Result<Outcome> {
    if json {
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
        output.line(format!("{} other place{plural} could not be read", found.skipped));
    }
    Ok(Outcome::Fine)
}

/// Gives memory back.
pub fn trim(which: &Trim, accept_owner: Option<u32>, output: &mut Output) -> Result<Outcome> {
    let store = open(&path_or_default(which.path.as_ref())?, accept_owner)?;
    let given = store.trim()?;
    output.line(format!("returned {} to the system", both_sizes(given)));
    Ok(Outcome::Fine)
}
