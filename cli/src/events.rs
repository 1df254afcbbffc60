//! `events`: what happens in a store, as it happens.

use std::ffi::OsString;

use clap::Args;
use sdp_dal::error::{Error, Result};
use sdp_dal::store::{Event, EventKind, ObjectInfo};
use serde::Serialize;

use crate::feed::{function, kind_name, Feed};
use crate::interrupt::{Interrupt, SLICE};
use crate::outcome::Outcome;
use crate::table::{human_size, moment, plain, Output};
use crate::words::{listing, open, path_and_id, whole_bytes};

/// Arguments of `events`.
#[derive(Debug, Args)]
pub struct Events {
    /// Path of the store, and the first digits of the IDs.
    #[arg(value_names = ["PATH", "PREFIX"], num_args = 0..=2)]
    words: Vec<OsString>,
    /// Start with the objects that already exist.
    #[arg(long)]
    existing: bool,
    /// Write JSON, one object per line.
    #[arg(long)]
    json: bool,
}

/// An event in JSON. Of an object that was there when the objects were listed, `event` is `exists`.
#[derive(Debug, Serialize)]
struct Line {
    time: String,
    event: &'static str,
    id: Option<String>,
    client: u32,
    who: String,
    data_size: u64,
    metadata_size: u64,
    function: Option<String>,
    state: Option<&'static str>,
}

/// Writes events until a signal comes.
pub fn run(which: &Events, accept_owner: Option<u32>, output: &mut Output) -> Result<Outcome> {
    let (path, digits) = path_and_id(&which.words)?;
    let digits = digits.unwrap_or_default();
    let interrupt = Interrupt::watch()?;
    let mut feed = Feed::open(&open(&path, accept_owner)?, &whole_bytes(&digits)?)?;
    if which.existing {
        existing(&mut feed, &digits, which.json, output)?;
    }
    while !interrupt.came() {
        // What has come is written as soon as nothing more is there.
        let event = match feed.next(std::time::Duration::ZERO)? {
            Some(event) => Some(event),
            None if !output.flush_to_reader()? => break,
            None => feed.next(SLICE)?,
        };
        let Some(event) = event else { continue };
        if event.kind == EventKind::Resync {
            let line = Line::of(&event, &mut feed)?;
            line.write(which.json, output)?;
            existing(&mut feed, &digits, which.json, output)?;
        } else if event.id.to_string().starts_with(&digits) {
            Line::of(&event, &mut feed)?.write(which.json, output)?;
        }
    }
    Ok(Outcome::Fine)
}

fn existing(feed: &mut Feed, digits: &str, json: bool, output: &mut Output) -> Result<()> {
    let store = feed.store().clone();
    for info in listing(&store, digits)? {
        Line::existing(&info?, feed)?.write(json, output)?;
        if !output.flush_if_long()? {
            break;
        }
    }
    Ok(())
}

impl Line {
    fn of(event: &Event, feed: &mut Feed) -> Result<Line> {
        Ok(Line {
            time: moment(event.time),
            event: kind_name(event.kind),
            id: (event.kind != EventKind::Resync).then(|| event.id.to_string()),
            client: event.actor,
            who: feed.who(event.actor)?,
            data_size: event.data_size,
            metadata_size: event.metadata_size,
            function: function(event),
            state: None,
        })
    }

    fn existing(info: &ObjectInfo, feed: &mut Feed) -> Result<Line> {
        Ok(Line {
            time: moment(info.created),
            event: "exists",
            id: Some(info.id.to_string()),
            client: info.creator,
            who: feed.who(info.creator)?,
            data_size: info.data_size,
            metadata_size: info.metadata_size,
            function: None,
            state: Some(info.state),
        })
    }

    fn write(&self, json: bool, output: &mut Output) -> Result<()> {
        if json {
            let text = serde_json::to_string(self);
            output.line(text.map_err(|wrong| Error::internal(format!("an event as JSON: {wrong}")))?);
            return Ok(());
        }
        let Some(id) = &self.id else {
            output.line(format!("{}  resync: events were lost; these objects exist:", self.time));
            return Ok(());
        };
        let size = human_size(self.data_size);
        let more = self.function.as_deref().map(|name| format!("{name}()"));
        let more = more.as_deref().or(self.state).unwrap_or("");
        let event = self.event.replace('_', " ");
        let line = format!("{}  {event:<18}  {id}  {:<20}  {size:>10}  {more}", self.time, self.who);
        output.line(plain(line.trim_end()));
        Ok(())
    }
}
