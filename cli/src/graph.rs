//! The graph of calls in the language of Graphviz: each call while they are few, otherwise functions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sdp_dal::error::{Error, Result};
use sdp_dal::store::ObjectId;

use crate::history::{Call, Maker, Part};
use crate::table::{human_size, human_time, plain};

/// Most calls that are drawn one by one.
const MOST: usize = 60;

/// A graph that grows.
#[derive(Default)]
pub struct Graph {
    path: PathBuf,
    /// The first calls with their time; none are kept once there are too many.
    calls: Vec<(Call, Option<Duration>)>,
    /// For each function how many calls, and how long they ran.
    functions: BTreeMap<String, (u64, Duration)>,
    /// From whom to which function went how many objects of how many bytes.
    edges: BTreeMap<(String, String), (u64, u64)>,
    /// Clients that put objects.
    clients: BTreeSet<String>,
}

impl Graph {
    /// A graph that is to be written to this file.
    pub fn new(path: &Path) -> Graph {
        Graph { path: path.to_owned(), ..Graph::default() }
    }

    /// A call that ended then; `clients` names those who put its inputs.
    pub fn add(&mut self, call: &Call, end: Duration, clients: &HashMap<u32, String>) {
        let took = call.claimed.map(|(_, since)| end.saturating_sub(since));
        let before: u64 = self.functions.values().map(|(count, _)| count).sum();
        let (count, time) = self.functions.entry(call.function.clone()).or_default();
        *count += 1;
        *time += took.unwrap_or_default();
        for part in &call.inputs {
            let from = match &part.maker {
                Some(Maker::Call(function)) => format!("f:{function}"),
                Some(Maker::Client(number)) => {
                    let name = clients.get(number).cloned().unwrap_or_default();
                    self.clients.insert(name.clone());
                    format!("c:{name}")
                }
                None => continue,
            };
            let (objects, bytes) = self.edges.entry((from, format!("f:{}", call.function))).or_default();
            *objects += 1;
            *bytes += part.bytes.unwrap_or(0);
        }
        if before < MOST as u64 {
            self.calls.push((call.clone(), took));
        } else {
            self.calls = Vec::new();
        }
    }

    /// Writes it.
    pub fn write(&self) -> Result<()> {
        let failed = |error| Error::io(format!("writing {}", self.path.display()), &error);
        std::fs::write(&self.path, self.text()).map_err(failed)
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "digraph calls {\n  rankdir=LR;\n  node [fontname=\"sans-serif\", fontsize=10];\n  edge [fontname=\"sans-serif\", fontsize=9];\n",
        );
        if self.calls.is_empty() {
            self.by_function(&mut text);
        } else {
            self.by_call(&mut text);
        }
        text.push_str("}\n");
        text
    }

    fn by_call(&self, text: &mut String) {
        let mut objects: BTreeMap<ObjectId, Option<u64>> = BTreeMap::new();
        // Writing to a String cannot fail.
        for (at, (call, took)) in self.calls.iter().enumerate() {
            let took = took.map_or("not taken".to_owned(), human_time);
            let _ = writeln!(text, "  c{at} [shape=box, label={}];", quoted(&call.function, &took));
            let mut edge = |part: &Part, edge: String| {
                let size = objects.entry(part.id).or_default();
                *size = size.or(part.bytes);
                let _ = writeln!(text, "  {edge} [label={}];", quoted(&part.name, ""));
            };
            for part in &call.inputs {
                edge(part, format!("o{} -> c{at}", part.id));
            }
            for part in &call.outputs {
                edge(part, format!("c{at} -> o{}", part.id));
            }
        }
        for (id, bytes) in objects {
            let size = bytes.map_or("not created".to_owned(), human_size);
            // The namespace, and the end of what counts its objects: what lies between is mostly zeros.
            let digits = id.to_string();
            let short = format!("{}…{}", &digits[..8], &digits[digits.len() - 6..]);
            let _ = writeln!(text, "  o{id} [shape=ellipse, label={}];", quoted(&short, &size));
        }
    }

    fn by_function(&self, text: &mut String) {
        for (name, (count, time)) in &self.functions {
            let about = format!("{count} calls, {} in all", human_time(*time));
            let node = quoted(&format!("f:{name}"), "");
            let _ = writeln!(text, "  {node} [shape=box, label={}];", quoted(name, &about));
        }
        for name in &self.clients {
            let node = quoted(&format!("c:{name}"), "");
            let _ = writeln!(text, "  {node} [shape=ellipse, label={}];", quoted(name, ""));
        }
        for ((from, to), (objects, bytes)) in &self.edges {
            let about = format!("{objects} objects, {}", human_size(*bytes));
            let (from, to, label) = (quoted(from, ""), quoted(to, ""), quoted(&about, ""));
            let _ = writeln!(text, "  {from} -> {to} [label={label}];");
        }
    }
}

/// A string of Graphviz's language, of one or two lines.
fn quoted(first: &str, second: &str) -> String {
    let escape = |text: &str| plain(text).replace('\\', "\\\\").replace('"', "\\\"");
    let second = if second.is_empty() { String::new() } else { format!("\\n{}", escape(second)) };
    format!("\"{}{second}\"", escape(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chrome::Place;

    fn call(n: u8) -> Call {
        let part = |name: &str, n: u8, maker| Part {
            name: name.to_owned(),
            id: ObjectId::new([n; 20]),
            bytes: Some(2048),
            maker,
        };
        Call {
            function: "add\"".to_owned(),
            claimed: Some((Place { client: 1, lane: 1 }, Duration::from_secs(1))),
            inputs: vec![part("x", n, Some(Maker::Client(3)))],
            outputs: vec![part("z", n + 1, None)],
            ..Call::default()
        }
    }

    #[test]
    fn few_calls_are_drawn_and_many_are_counted() {
        let mut graph = Graph::default();
        let clients = HashMap::from([(3, "gridder[7]".to_owned())]);
        for n in 0..60 {
            graph.add(&call(n), Duration::from_secs(2), &clients);
        }
        let text = graph.text();
        assert!(text.contains("c59 [shape=box, label=\"add\\\"\\n1.0 s\"]"), "{text}");
        assert_eq!(text.matches("shape=ellipse").count(), 61);
        assert_eq!(text.matches("->").count(), 120);
        graph.add(&call(60), Duration::from_secs(2), &clients);
        let text = graph.text();
        assert_eq!(text.matches("shape=box").count(), 1, "{text}");
        assert!(text.contains("61 calls, 61.0 s in all"), "{text}");
        assert!(
            text.contains("\"c:gridder[7]\" -> \"f:add\\\"\" [label=\"61 objects, 122.0 KiB\"]"),
            "{text}"
        );
    }
}
