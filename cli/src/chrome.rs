//! Traces in the trace event format of Chrome, which Perfetto and speedscope open, too. Written as they grow.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sdp_dal::error::{Error, Result};
use serde_json::{json, Value};

/// Threads of a row: the first one is for objects that a client puts, the others for the calls that it runs.
const LANES: u64 = 1000;

/// Where something happens: a client, and one of the lines in its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Attachment number.
    pub client: u32,
    /// 0: objects that are put; from 1: calls, beside each other where they run at the same time.
    pub lane: u32,
}

impl Place {
    fn thread(self) -> u64 {
        u64::from(self.client) * LANES + u64::from(self.lane)
    }
}

/// A trace that is being written.
pub struct Chrome {
    out: BufWriter<Box<dyn Write>>,
    path: PathBuf,
    begin: Duration,
    first: bool,
    flows: u64,
}

impl Chrome {
    /// Begins a trace at this moment (since the epoch). The path `-` is the standard output.
    pub fn create(path: &Path, begin: Duration) -> Result<Chrome> {
        let file: Box<dyn Write> = if path == Path::new("-") {
            Box::new(std::io::stdout())
        } else {
            let made = File::create(path);
            Box::new(made.map_err(|error| Error::io(format!("writing {}", path.display()), &error))?)
        };
        let mut chrome =
            Chrome { out: BufWriter::new(file), path: path.to_owned(), begin, first: true, flows: 0 };
        chrome.text("{\"traceEvents\":[")?;
        Ok(chrome)
    }

    /// What is said of the whole trace; then it is complete.
    pub fn finish(mut self, about: &Value) -> Result<()> {
        self.text(&format!("\n],\"displayTimeUnit\":\"ms\",\"otherData\":{about}}}\n"))?;
        self.flush()
    }

    /// Writes what is buffered.
    pub fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(|error| Error::io(format!("writing {}", self.path.display()), &error))
    }

    fn text(&mut self, text: &str) -> Result<()> {
        let written = self.out.write_all(text.as_bytes());
        written.map_err(|error| Error::io(format!("writing {}", self.path.display()), &error))
    }

    fn event(&mut self, event: &Value) -> Result<()> {
        let comma = if std::mem::take(&mut self.first) { "\n" } else { ",\n" };
        self.text(&format!("{comma}{event}"))
    }

    /// Microseconds since the begin of the trace; what was before is at its begin.
    fn at(&self, time: Duration) -> f64 {
        micros(time.saturating_sub(self.begin))
    }

    /// A row for a client.
    pub fn name_row(&mut self, client: u32, name: &str, labels: &str) -> Result<()> {
        self.event(&json!({"ph": "M", "name": "process_name", "pid": client, "args": {"name": name}}))?;
        self.event(&json!({"ph": "M", "name": "process_labels", "pid": client, "args": {"labels": labels}}))
    }

    /// A line of a row.
    pub fn name_lane(&mut self, place: Place, name: &str) -> Result<()> {
        let (pid, tid) = (place.client, place.thread());
        self.event(
            &json!({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": name}}),
        )?;
        let order = json!({"sort_index": place.lane});
        self.event(&json!({"ph": "M", "name": "thread_sort_index", "pid": pid, "tid": tid, "args": order}))
    }

    /// Something that took its time.
    pub fn slice(
        &mut self,
        place: Place,
        category: &str,
        name: &str,
        from: Duration,
        to: Duration,
        args: &Value,
    ) -> Result<()> {
        let (from, to) = (self.at(from), self.at(to));
        self.event(&json!({
            "ph": "X", "cat": category, "name": name, "pid": place.client, "tid": place.thread(),
            "ts": from, "dur": rounded(to - from), "args": args,
        }))
    }

    /// A period outside of any line. Periods with one `id` are nested.
    pub fn waiting(&mut self, client: u32, id: &str, name: &str, from: Duration, to: Duration) -> Result<()> {
        let (from, to) = (self.at(from), self.at(to));
        for (phase, time) in [("b", from), ("e", to)] {
            self.event(&json!({
                "ph": phase, "cat": "queue", "id": id, "name": name, "pid": client,
                "tid": Place { client, lane: 0 }.thread(), "ts": time,
            }))?;
        }
        Ok(())
    }

    /// The two ends of a time outside of any line, for others to be written between them.
    pub fn around(
        &mut self,
        client: u32,
        id: &str,
        name: &str,
        from: Duration,
        to: Duration,
        inside: impl FnOnce(&mut Chrome) -> Result<()>,
    ) -> Result<()> {
        let tid = Place { client, lane: 0 }.thread();
        let end = |chrome: &mut Chrome, phase: &str, time: Duration| {
            let time = chrome.at(time);
            chrome.event(&json!({
                "ph": phase, "cat": "queue", "id": id, "name": name, "pid": client, "tid": tid, "ts": time,
            }))
        };
        end(self, "b", from)?;
        inside(self)?;
        end(self, "e", to)
    }

    /// An arrow from the slice at one place and time to the slice that begins at another.
    pub fn arrow(&mut self, name: &str, from: (Place, Duration), to: (Place, Duration)) -> Result<()> {
        self.flows += 1;
        for (phase, (place, time)) in [("s", from), ("f", to)] {
            let mut event = json!({
                "ph": phase, "cat": "object", "name": name, "id": self.flows, "pid": place.client,
                "tid": place.thread(), "ts": self.at(time),
            });
            if phase == "f" {
                event["bp"] = json!("e");
            }
            self.event(&event)?;
        }
        Ok(())
    }

    /// A moment, on the line of a place, or across the whole trace.
    pub fn instant(&mut self, place: Option<Place>, name: &str, time: Duration, args: &Value) -> Result<()> {
        let time = self.at(time);
        match place {
            Some(place) => self.event(&json!({
                "ph": "i", "s": "t", "cat": "object", "name": name, "pid": place.client, "tid": place.thread(),
                "ts": time, "args": args,
            })),
            None => self.event(&json!({
                "ph": "i", "s": "g", "cat": "store", "name": name, "pid": 0, "tid": 0, "ts": time, "args": args,
            })),
        }
    }

    /// A figure from this moment on.
    pub fn counter(&mut self, client: u32, name: &str, time: Duration, value: u64) -> Result<()> {
        let time = self.at(time);
        self.event(&json!({"ph": "C", "name": name, "pid": client, "ts": time, "args": {"bytes": value}}))
    }
}

fn micros(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1e6)
}

/// To the nanosecond.
fn rounded(micros: f64) -> f64 {
    (micros * 1e3).round().max(0.0) / 1e3
}
