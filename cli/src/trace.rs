//! `trace`: records who ran which call when, for Perfetto, and the graph of the calls, for Graphviz.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use sdp_dal::error::Result;
use serde_json::json;

use crate::chrome::Chrome;
use crate::feed::Feed;
use crate::graph::Graph;
use crate::interrupt::{Interrupt, SLICE};
use crate::outcome::Outcome;
use crate::recorder::Recorder;
use crate::table::{count, human_time, moment, now, plain, Output};
use crate::words::{open, parse_seconds, path_or_default};

const AFTER_HELP: &str = "\
The trace opens in ui.perfetto.dev, chrome://tracing and speedscope. Each client is a row; calls are slices on the row
of the processor that runs them, from being taken to their end; the time in the queue is drawn apart, split where the
last input was there; arrows go from where an input was made to the call that reads it.";

/// Arguments of `trace`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Trace {
    /// Path of the store.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Write the trace to this file, as JSON; - is the standard output.
    #[arg(short = 'o', long = "output", value_name = "FILE", required_unless_present = "dot")]
    file: Option<PathBuf>,
    /// Write the graph of calls to this file: each call if there are 60 at most, else each function.
    #[arg(long, value_name = "FILE")]
    dot: Option<PathBuf>,
    /// End after so many seconds; without, Ctrl-C ends it.
    #[arg(long = "for", value_name = "SECONDS", value_parser = parse_seconds)]
    time: Option<Duration>,
}

/// Records until a signal comes or the time has passed.
pub fn run(which: &Trace, accept_owner: Option<u32>, _output: &mut Output) -> Result<Outcome> {
    let interrupt = Interrupt::watch()?;
    let store = open(&path_or_default(which.path.as_ref())?, accept_owner)?;
    // Subscribed before the list is made: nothing is missed.
    let mut feed = Feed::open(&store, &[])?;
    let (begin, clock) = (now(), Instant::now());
    let chrome = which.file.as_ref().map(|file| Chrome::create(file, begin)).transpose()?;
    let graph = which.dot.as_ref().map(|file| Graph::new(file));
    let mut recorder = Recorder::begin(chrome, graph, begin, &mut feed)?;
    recorder.flush()?;
    let path = store.path().display().to_string();
    eprintln!("sdp-dal: recording {}; Ctrl-C ends it", plain(&path));
    let recorded = record(&mut recorder, &mut feed, &interrupt, which.time);
    // Also after an error what was recorded is worth reading.
    let about = json!({"store": path, "begin": moment(begin), "events": recorder.events});
    let (calls, graph) = recorder.finish(begin + clock.elapsed(), &about, &mut feed)?;
    graph.as_ref().map_or(Ok(()), Graph::write)?;
    let files: Vec<String> =
        which.file.iter().chain(&which.dot).map(|file| file.display().to_string()).collect();
    let took = human_time(clock.elapsed());
    eprintln!("sdp-dal: {} in {took} written to {}", count(calls, "call"), plain(&files.join(" and ")));
    recorded.map(|()| Outcome::Fine)
}

fn record(
    recorder: &mut Recorder,
    feed: &mut Feed,
    interrupt: &Interrupt,
    time: Option<Duration>,
) -> Result<()> {
    let begun = Instant::now();
    while !interrupt.came() {
        let left = time.map_or(SLICE, |time| time.saturating_sub(begun.elapsed()).min(SLICE));
        if left.is_zero() {
            break;
        }
        match feed.next(left)? {
            Some(event) => recorder.take(&event, feed)?,
            None => recorder.flush()?,
        }
    }
    // What has happened before the end belongs to it.
    for _ in 0..LAST {
        match feed.next(Duration::ZERO)? {
            Some(event) => recorder.take(&event, feed)?,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Events that are still read after the end.
const LAST: usize = 1 << 20;
