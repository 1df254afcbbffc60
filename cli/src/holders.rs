//! `holders`: who holds and who owns what.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::Args;
use sdp_dal::error::Result;
use sdp_dal::store::{ClientInfo, ObjectInfo};
use serde::Serialize;

use crate::outcome::Outcome;
use crate::people::People;
use crate::table::{age, human_size, moment, Cell, Output, Shade, Table};
use crate::words::{find, open, path_and_id};

/// Arguments of `holders`.
#[derive(Debug, Args)]
pub struct Holders {
    /// Path of the store, and an object's ID.
    #[arg(value_names = ["PATH", "ID"], num_args = 0..=2)]
    words: Vec<OsString>,
    /// List the objects of each client too.
    #[arg(long)]
    objects: bool,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// A client and its objects in JSON.
#[derive(Debug, Serialize)]
struct Holder {
    number: u32,
    name: String,
    pid: u32,
    host: String,
    since: String,
    alive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    holds: Vec<String>,
    held_bytes: u64,
    owns: Vec<String>,
}

/// The clients with their objects, in one walk: there may be a million objects.
fn holders_of(
    people: &People,
    objects: impl Iterator<Item = Result<ObjectInfo>>,
) -> Result<Vec<(&ClientInfo, Holder)>> {
    let mut holders: BTreeMap<u32, (&ClientInfo, Holder)> = people
        .all()
        .iter()
        .map(|client| {
            let holder = Holder {
                number: client.number,
                name: client.name.clone(),
                pid: client.pid,
                host: client.host.clone(),
                since: moment(client.since),
                alive: client.alive,
                ended: client.ended.map(|end| end.to_string()),
                holds: vec![],
                held_bytes: 0,
                owns: vec![],
            };
            (client.number, (client, holder))
        })
        .collect();
    for info in objects {
        let info = info?;
        for number in &info.pinned_by {
            if let Some((_, holder)) = holders.get_mut(number) {
                holder.holds.push(info.id.to_string());
                holder.held_bytes += info.data_size;
            }
        }
        for number in &info.wanted_by {
            if let Some((_, holder)) = holders.get_mut(number) {
                holder.owns.push(info.id.to_string());
            }
        }
    }
    Ok(holders.into_values().collect())
}

/// Lists the clients; with an ID those that hold or own the object.
pub fn run(which: &Holders, accept_owner: Option<u32>, output: &mut Output) -> Result<Outcome> {
    let (path, id) = path_and_id(&which.words)?;
    let store = open(&path, accept_owner)?;
    let people = People::of(&store)?;
    let mut holders = match &id {
        Some(id) => holders_of(&people, std::iter::once(find(&store, id)))?,
        None => holders_of(&people, store.listing(&[])?)?,
    };
    if id.is_some() {
        holders.retain(|(_, holder)| !holder.holds.is_empty() || !holder.owns.is_empty());
    }
    if which.json {
        output.json(&holders.into_iter().map(|(_, holder)| holder).collect::<Vec<_>>())?;
        return Ok(Outcome::Fine);
    }
    if holders.is_empty() {
        output.line(if id.is_some() { "no client holds or owns it" } else { "no client uses the store" });
        return Ok(Outcome::Fine);
    }
    let mut table = Table::new(&["CLIENT", "NAME", "PID", "HOST", "SINCE", "HOLDS", "BYTES", "OWNS", ""]);
    for (client, holder) in &holders {
        let how = client.ended.map_or_else(|| "crashed".to_owned(), |end| end.to_string());
        let gone = if client.alive { Cell::new("") } else { Cell::new(how).shaded(Shade::Red) };
        table.row(vec![
            Cell::new(client.number.to_string()).right(),
            Cell::new(&client.name),
            Cell::new(client.pid.to_string()).right(),
            Cell::new(&client.host),
            Cell::new(format!("{} ago", age(client.since))).right(),
            Cell::new(holder.holds.len().to_string()).right(),
            Cell::new(human_size(holder.held_bytes)).right(),
            Cell::new(holder.owns.len().to_string()).right(),
            gone,
        ]);
    }
    output.table(&table);
    if which.objects {
        let mut table = Table::new(&["CLIENT", "NAME", "DOES", "ID"]);
        for (client, holder) in &holders {
            let held = holder.holds.iter().map(|id| ("holds", id));
            for (does, id) in held.chain(holder.owns.iter().map(|id| ("owns", id))) {
                let number = Cell::new(client.number.to_string()).right();
                table.row(vec![number, Cell::new(&client.name), Cell::new(does), Cell::new(id)]);
            }
        }
        output.line("");
        output.table(&table);
    }
    Ok(Outcome::Fine)
}
