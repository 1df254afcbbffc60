//! From events to a trace: who ran which call when, what it waited for, and where its inputs came from.
//!
//! A call is written when it ends, so only existing objects and unfinished calls are remembered.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sdp_dal::error::{Kind, Result};
use sdp_dal::store::{Event, EventKind, ObjectId, ObjectInfo, ObjectState};
use sdp_dal::timeout::Timeout;
use serde_json::{json, Value};

use crate::chrome::{Chrome, Place};
use crate::feed::{function, Feed};
use crate::graph::Graph;
use crate::history::{Call, Lanes, Maker, Object};

/// How long an arrow's begin is drawn where a client puts an object: an instant could hold no arrow.
const PUT: Duration = Duration::from_micros(1);

/// What became of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Ended,
    Unfinished,
    Lost,
}

/// Writes a trace, a graph, or both.
pub struct Recorder {
    chrome: Option<Chrome>,
    graph: Option<Graph>,
    begin: Duration,
    objects: HashMap<ObjectId, Object>,
    bytes: u64,
    /// The bytes that were written last.
    counted: Option<u64>,
    calls: HashMap<ObjectId, Call>,
    /// Which call is to make an object.
    promised: HashMap<ObjectId, ObjectId>,
    /// Which calls wait for an object.
    awaited: HashMap<ObjectId, Vec<ObjectId>>,
    lanes: Lanes,
    /// Until when the line of objects that a client puts is drawn.
    put_until: HashMap<u32, Duration>,
    rows: HashSet<u32>,
    /// Calls that were written.
    pub written: usize,
    /// Events that were read.
    pub events: u64,
}

impl Recorder {
    /// A recorder that begins now, with what is there.
    pub fn begin(
        chrome: Option<Chrome>,
        graph: Option<Graph>,
        begin: Duration,
        feed: &mut Feed,
    ) -> Result<Recorder> {
        let mut recorder = Recorder {
            chrome,
            graph,
            begin,
            objects: HashMap::new(),
            bytes: 0,
            counted: None,
            calls: HashMap::new(),
            promised: HashMap::new(),
            awaited: HashMap::new(),
            lanes: Lanes::default(),
            put_until: HashMap::new(),
            rows: HashSet::new(),
            written: 0,
            events: 0,
        };
        let (own, path) = (feed.store().number(), feed.store().path().display().to_string());
        if let Some(chrome) = &mut recorder.chrome {
            chrome.name_row(own, &format!("store {path}"), "")?;
        }
        recorder.rows.insert(own);
        for client in feed.store().clients()? {
            recorder.row(client.number, feed)?;
        }
        recorder.look_around(feed, begin)?;
        Ok(recorder)
    }

    /// Takes one event.
    pub fn take(&mut self, event: &Event, feed: &mut Feed) -> Result<()> {
        self.events += 1;
        let (id, time) = (event.id, event.time.max(self.begin));
        self.row(event.actor, feed)?;
        match event.kind {
            EventKind::Sealed => self.sealed(event, time),
            EventKind::NamespaceAppeared => {
                self.there(id, event.data_size, None);
                self.instant(event.actor, "namespace declared", time, &json!({"id": id.to_string()}))
            }
            EventKind::NamespaceGone => self.namespace_gone(event, time, feed),
            EventKind::Deleted => self.deleted(event, time),
            EventKind::Failed => self.failed(event, time, feed),
            EventKind::CallIssued => {
                self.there(id, event.data_size, None);
                let call = feed.store().get(&id, Timeout::Poll).and_then(|buffer| Call::read(&buffer));
                let known = call.unwrap_or_else(|_| Call::unknown(&function(event).unwrap_or_default()));
                self.issued(id, Call { caller: event.actor, issued: Some(time), ..known });
                Ok(())
            }
            EventKind::CallClaimed => self.claimed(event, time, feed),
            EventKind::CallEnded => self.ended(event, time, feed),
            EventKind::Resync => self.resync(time, feed),
        }?;
        self.count(time, feed)
    }

    /// Writes what is not finished, and the rest of the files.
    pub fn finish(mut self, end: Duration, about: &Value, feed: &mut Feed) -> Result<(usize, Option<Graph>)> {
        let open: Vec<ObjectId> = self.calls.keys().copied().collect();
        for id in open {
            self.close(&id, end, Outcome::Unfinished, feed)?;
        }
        if let Some(chrome) = self.chrome {
            chrome.finish(about)?;
        }
        Ok((self.written, self.graph))
    }

    /// Writes out what was recorded so far.
    pub fn flush(&mut self) -> Result<()> {
        self.chrome.as_mut().map_or(Ok(()), Chrome::flush)
    }

    /// A row for a client, once.
    fn row(&mut self, number: u32, feed: &mut Feed) -> Result<()> {
        if number == 0 || !self.rows.insert(number) {
            return Ok(());
        }
        let who = feed.who(number)?;
        let host = feed.client(number)?.map_or(String::new(), |client| format!("on {}", client.host));
        self.chrome.as_mut().map_or(Ok(()), |chrome| chrome.name_row(number, &who, &host))
    }

    /// Notes what there is already, or what is left after events were lost.
    fn look_around(&mut self, feed: &mut Feed, time: Duration) -> Result<()> {
        let infos = feed.store().list(&[])?;
        let there = |info: &&ObjectInfo| matches!(info.state, "sealed" | "failed");
        for info in infos.iter().filter(there) {
            if !self.objects.contains_key(&info.id) {
                self.there(info.id, info.data_size, None);
            }
            self.arrived(&info.id, time);
            let call = feed.store().get_key(info.key, &info.id, Timeout::Poll);
            let call = call.ok().and_then(|buffer| Call::read(&buffer).ok());
            if let Some(call) = call.filter(|_| !self.calls.contains_key(&info.id) && !info.claimed) {
                let issued = Some(info.created.max(self.begin)).filter(|issued| *issued <= time);
                self.issued(info.id, Call { caller: info.creator, issued, ..call });
            }
        }
        let now: HashSet<ObjectId> = infos.iter().filter(there).map(|info| info.id).collect();
        let gone: Vec<ObjectId> = self.objects.keys().filter(|id| !now.contains(id)).copied().collect();
        gone.iter().for_each(|id| self.gone(id));
        // A call is held by who runs it, also when it is deleted.
        let of_calls = infos.iter().filter(|info| self.calls.contains_key(&info.id));
        let holders: HashSet<(ObjectId, u32)> =
            of_calls.flat_map(|info| info.pinned_by.iter().map(|client| (info.id, *client))).collect();
        let held = |id: &ObjectId, client: u32| holders.contains(&(*id, client));
        let over = |(id, call): (&ObjectId, &Call)| match call.claimed {
            Some((place, _)) => !held(id, place.client),
            None => !now.contains(id),
        };
        let over: Vec<ObjectId> = self.calls.iter().filter(|open| over(*open)).map(|(id, _)| *id).collect();
        for id in over {
            self.missed_end(&id, time, feed)?;
        }
        self.count(time, feed)
    }

    fn there(&mut self, id: ObjectId, bytes: u64, made: Option<(Maker, Place, Duration)>) {
        self.bytes += bytes;
        if let Some(before) = self.objects.insert(id, Object { bytes, made }) {
            self.bytes -= before.bytes;
        }
    }

    fn gone(&mut self, id: &ObjectId) {
        if let Some(object) = self.objects.remove(id) {
            self.bytes -= object.bytes;
        }
    }

    fn count(&mut self, time: Duration, feed: &Feed) -> Result<()> {
        if self.counted.replace(self.bytes) == Some(self.bytes) {
            return Ok(());
        }
        let (own, bytes) = (feed.store().number(), self.bytes);
        let chrome = self.chrome.as_mut();
        chrome.map_or(Ok(()), |chrome| chrome.counter(own, "bytes of objects", time, bytes))
    }

    fn instant(&mut self, client: u32, name: &str, time: Duration, args: &Value) -> Result<()> {
        let place = Place { client, lane: 0 };
        self.put_lane(client)?;
        let chrome = self.chrome.as_mut();
        chrome.map_or(Ok(()), |chrome| chrome.instant(Some(place), name, time, args))
    }

    /// Names the line of what a client does itself, once.
    fn put_lane(&mut self, client: u32) -> Result<()> {
        if self.put_until.contains_key(&client) {
            return Ok(());
        }
        self.put_until.insert(client, Duration::ZERO);
        let place = Place { client, lane: 0 };
        self.chrome.as_mut().map_or(Ok(()), |chrome| chrome.name_lane(place, "objects"))
    }

    fn sealed(&mut self, event: &Event, time: Duration) -> Result<()> {
        let running = self.promised.remove(&event.id).and_then(|call| self.calls.get_mut(&call));
        let by_call = running.and_then(|call| {
            let (place, since) = call.claimed?;
            // A step of the clock must not put the arrow outside of the slice.
            Some((Maker::Call(call.function.clone()), place, time.max(since)))
        });
        let made = match by_call {
            Some(made) => made,
            None => {
                let from = self.put(event, time)?;
                (Maker::Client(event.actor), Place { client: event.actor, lane: 0 }, from)
            }
        };
        self.there(event.id, event.data_size, Some(made));
        self.arrived(&event.id, time);
        Ok(())
    }

    /// Draws that a client put an object.
    fn put(&mut self, event: &Event, time: Duration) -> Result<Duration> {
        self.put_lane(event.actor)?;
        let until = self.put_until.entry(event.actor).or_default();
        let from = time.max(*until);
        *until = from + PUT;
        let to = *until;
        if let Some(chrome) = &mut self.chrome {
            let args = json!({"id": event.id.to_string(), "bytes": event.data_size});
            chrome.slice(Place { client: event.actor, lane: 0 }, "put", "put", from, to, &args)?;
        }
        Ok(from)
    }

    /// An object is there (or will never be): calls that wait for it know.
    fn arrived(&mut self, id: &ObjectId, time: Duration) {
        let object = self.objects.get(id);
        for call in self.awaited.remove(id).unwrap_or_default() {
            if let Some(call) = self.calls.get_mut(&call) {
                call.ready = call.ready.max(Some(time));
                if let Some(object) = object {
                    call.learn(id, object);
                }
            }
        }
    }

    fn issued(&mut self, id: ObjectId, mut call: Call) {
        for output in &call.outputs {
            self.promised.insert(output.id, id);
        }
        let inputs: Vec<ObjectId> = call.inputs.iter().map(|input| input.id).collect();
        for input in inputs {
            match self.objects.get(&input) {
                Some(object) => call.learn(&input, object),
                None => self.awaited.entry(input).or_default().push(id),
            }
        }
        self.calls.insert(id, call);
    }

    fn claimed(&mut self, event: &Event, time: Duration, feed: &mut Feed) -> Result<()> {
        let unknown = || Call::unknown(&function(event).unwrap_or_default());
        let (place, is_new) = self.lanes.take(event.actor);
        let call = self.calls.entry(event.id).or_insert_with(unknown);
        call.claimed = Some((place, time));
        let call = call.clone();
        let caller = feed.who(call.caller)?;
        let Some(chrome) = &mut self.chrome else { return Ok(()) };
        if is_new {
            let name = if place.lane == 1 { "calls".to_owned() } else { format!("calls ({})", place.lane) };
            chrome.name_lane(place, &name)?;
        }
        queued(chrome, place.client, &event.id, &call, time, &caller)?;
        for input in &call.inputs {
            let made = self.objects.get(&input.id).and_then(|object| object.made.as_ref());
            if let Some((_, from, since)) = made {
                chrome.arrow(&input.name, (*from, *since), (place, time.max(*since)))?;
            }
        }
        Ok(())
    }

    fn ended(&mut self, event: &Event, time: Duration, feed: &mut Feed) -> Result<()> {
        if self.calls.get(&event.id).is_none_or(|call| call.claimed.is_none()) {
            // It ran already when the trace began: it is drawn from there.
            let call = feed.store().get(&event.id, Timeout::Poll).and_then(|buffer| Call::read(&buffer));
            let call = call.unwrap_or_else(|_| Call::unknown(&function(event).unwrap_or_default()));
            let (place, is_new) = self.lanes.take(event.actor);
            if let Some(chrome) = self.chrome.as_mut().filter(|_| is_new) {
                chrome.name_lane(place, "calls")?;
            }
            self.calls.insert(event.id, Call { claimed: Some((place, self.begin)), ..call });
        }
        self.close(&event.id, time, Outcome::Ended, feed)
    }

    fn deleted(&mut self, event: &Event, time: Duration) -> Result<()> {
        self.gone(&event.id);
        let args = json!({"id": event.id.to_string(), "bytes": event.data_size});
        match self.calls.get(&event.id) {
            // It runs to its end though nobody wants it any more.
            Some(call) if call.claimed.is_some() => Ok(()),
            Some(call) => {
                let (name, caller) = (format!("{} cancelled", call.function), call.caller);
                let call = call.clone();
                self.forget(&event.id);
                if let Some(chrome) = &mut self.chrome {
                    let row = if caller == 0 { event.actor } else { caller };
                    queued(chrome, row, &event.id, &call, time, "")?;
                }
                self.instant(event.actor, &name, time, &args)
            }
            None => self.instant(event.actor, "deleted", time, &args),
        }
    }

    fn failed(&mut self, event: &Event, time: Duration, feed: &mut Feed) -> Result<()> {
        self.there(event.id, event.data_size, None);
        self.arrived(&event.id, time);
        let error = match feed.store().look(&event.id)? {
            ObjectState::Failed { error, .. } => Some(error),
            _ => None,
        };
        let lost = error.as_ref().is_some_and(|error| error.kind() == Kind::ProcessorLost);
        let call = self.promised.remove(&event.id);
        let of = call.as_ref().and_then(|id| self.calls.get(id));
        let row = of.and_then(|call| call.claimed).map_or(event.actor, |(place, _)| place.client);
        let args = json!({
            "id": event.id.to_string(),
            "function": of.map(|call| call.function.clone()),
            "status": error.as_ref().map(|error| error.kind().name()),
            "message": error.as_ref().map(sdp_dal::error::Error::message),
        });
        self.instant(row, if lost { "lost" } else { "failed" }, time, &args)?;
        match call.filter(|_| lost) {
            Some(call) => self.close(&call, time, Outcome::Lost, feed),
            None => Ok(()),
        }
    }

    fn namespace_gone(&mut self, event: &Event, time: Duration, feed: &mut Feed) -> Result<()> {
        self.gone(&event.id);
        let args = json!({"id": event.id.to_string()});
        self.instant(event.actor, "namespace gone", time, &args)?;
        let prefix = event.id.prefix();
        let open = self.calls.iter().filter(|(id, _)| id.prefix() == prefix);
        let claimed = open.filter_map(|(id, call)| call.claimed.map(|(place, _)| (*id, place.client)));
        let claimed: Vec<(ObjectId, u32)> = claimed.collect();
        // One that was closed still ends what it has taken.
        for (id, client) in claimed {
            if !alive(client, feed)? {
                self.lost(&id, client, time, feed)?;
            }
        }
        Ok(())
    }

    /// A call whose end was not reported: its processor crashed, or the event was lost.
    fn missed_end(&mut self, id: &ObjectId, time: Duration, feed: &mut Feed) -> Result<()> {
        let claimed = self.calls.get(id).and_then(|call| call.claimed);
        match claimed {
            Some((place, _)) if !alive(place.client, feed)? => self.lost(id, place.client, time, feed),
            _ => self.close(id, time, Outcome::Unfinished, feed),
        }
    }

    /// Draws that the processor of a call crashed.
    fn lost(&mut self, id: &ObjectId, client: u32, time: Duration, feed: &mut Feed) -> Result<()> {
        let function = self.calls.get(id).map(|call| call.function.clone());
        let status = Kind::ProcessorLost.name();
        let args = json!({"id": id.to_string(), "function": function, "status": status});
        self.instant(client, "lost", time, &args)?;
        self.close(id, time, Outcome::Lost, feed)
    }

    fn resync(&mut self, time: Duration, feed: &mut Feed) -> Result<()> {
        if let Some(chrome) = &mut self.chrome {
            chrome.instant(None, "events were lost", time, &json!({}))?;
        }
        self.look_around(feed, time)
    }

    /// The call is on its way no more.
    fn forget(&mut self, id: &ObjectId) -> Option<Call> {
        let call = self.calls.remove(id)?;
        for output in &call.outputs {
            self.promised.remove(&output.id);
        }
        for input in &call.inputs {
            if let Some(waiting) = self.awaited.get_mut(&input.id) {
                waiting.retain(|call| call != id);
                if waiting.is_empty() {
                    self.awaited.remove(&input.id);
                }
            }
        }
        Some(call)
    }

    fn close(&mut self, id: &ObjectId, time: Duration, outcome: Outcome, feed: &mut Feed) -> Result<()> {
        let Some(mut call) = self.forget(id) else { return Ok(()) };
        let made: Vec<(ObjectId, Object)> = call
            .outputs
            .iter()
            .filter_map(|output| self.objects.get(&output.id).map(|object| (output.id, object.clone())))
            .collect();
        made.iter().for_each(|(id, object)| call.learn(id, object));
        let caller = feed.who(call.caller)?;
        match call.claimed {
            Some((place, since)) => {
                self.lanes.give(place);
                self.written += 1;
                if let Some(chrome) = &mut self.chrome {
                    let args = arguments(id, &call, &caller, outcome);
                    chrome.slice(place, "call", &call.function, since, time.max(since), &args)?;
                }
            }
            None => {
                if let Some(chrome) = &mut self.chrome {
                    queued(chrome, call.caller, id, &call, time, &caller)?;
                }
            }
        }
        if let Some(graph) = &mut self.graph {
            let mut clients = HashMap::new();
            for part in &call.inputs {
                if let Some(Maker::Client(number)) = part.maker {
                    clients.insert(number, feed.who(number)?);
                }
            }
            graph.add(&call, time, &clients);
        }
        Ok(())
    }
}

fn alive(client: u32, feed: &Feed) -> Result<bool> {
    Ok(feed.store().clients()?.iter().any(|other| other.number == client && other.alive))
}

/// Draws the time that a call has waited: for its inputs, then for its processor.
fn queued(
    chrome: &mut Chrome,
    row: u32,
    id: &ObjectId,
    call: &Call,
    until: Duration,
    caller: &str,
) -> Result<()> {
    let Some(issued) = call.issued else { return Ok(()) };
    let (key, until) = (id.to_string(), until.max(issued));
    let ready = call.ready.unwrap_or(issued).clamp(issued, until);
    let from = if caller.is_empty() { String::new() } else { format!(" from {caller}") };
    chrome.around(row, &key, &format!("{} queued{from}", call.function), issued, until, |chrome| {
        if ready > issued {
            chrome.waiting(row, &key, "waits for inputs", issued, ready)?;
        }
        chrome.waiting(row, &key, "waits for processor", ready, until)
    })
}

fn arguments(id: &ObjectId, call: &Call, caller: &str, outcome: Outcome) -> Value {
    let parts = |parts: &[crate::history::Part]| {
        let pair = |part: &crate::history::Part| {
            (part.name.clone(), json!({"id": part.id.to_string(), "bytes": part.bytes}))
        };
        Value::Object(parts.iter().map(pair).collect())
    };
    let values: serde_json::Map<String, Value> =
        call.values.iter().map(|(name, text)| (name.clone(), json!(text))).collect();
    let mut args = json!({
        "function": call.function,
        "call": id.to_string(),
        "caller": caller,
        "values": values,
        "inputs": parts(&call.inputs),
        "outputs": parts(&call.outputs),
        "bytes_in": Call::bytes(&call.inputs),
        "bytes_out": Call::bytes(&call.outputs),
    });
    if call.rows > 1 {
        args["rows"] = json!(call.rows);
    }
    match outcome {
        Outcome::Ended => {}
        Outcome::Unfinished => args["unfinished"] = json!(true),
        Outcome::Lost => args["lost"] = json!(true),
    }
    args
}
