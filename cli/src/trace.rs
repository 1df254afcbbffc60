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
Open the trace with ui.perfetto.dev, chrome://tracing or speedscope. Each client is a row. A call is a slice on the row of
the processor that runs it, from the time when it was taken to its end. Its time in the queue is drawn separately, split
at the time when its last input existed. Arrows go from the call that created an object to the calls that read it.";

/// Arguments of `trace`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Trace {
    /// Path of the store.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Write the trace to this file, as JSON. - means the standard output.
    #[arg(short = 'o', long = "output", value_name = "FILE", required_unless_present = "dot")]
    file: Option<PathBuf>,
    /// Write the graph of calls to this file. It shows each call, or each function if there are more than 60 calls.
    #[arg(long, value_name = "FILE")]
    dot: Option<PathBuf>,
    /// End after this many seconds. Default: until Ctrl-C.
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
    eprintln!("sdp-dal: recording {} until Ctrl-C", plain(&path));
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
