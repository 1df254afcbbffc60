//! `stat`: figures of a store.

use std::path::PathBuf;

use clap::Args;
use sdp_dal::error::Result;
use serde::Serialize;

use crate::outcome::Outcome;
use crate::table::{both_sizes, Output, Table};
use crate::words::{open, path_or_default};

/// Arguments of `stat`.
#[derive(Debug, Args)]
pub struct Statistics {
    /// Path of the store.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
    /// Write the Prometheus text format.
    #[arg(long, conflicts_with = "json")]
    prometheus: bool,
}

#[derive(Debug, Serialize)]
struct Figures {
    path: String,
    size: u64,
    used: u64,
    free: u64,
    used_small: u64,
    largest_free: u64,
    reserved: u64,
    objects: u64,
    sealed: u64,
    creating: u64,
    awaited: u64,
    failed: u64,
    doomed: u64,
    max_objects: u64,
    clients: u32,
    max_clients: u32,
    namespaces: u32,
    recoveries: u64,
    reaped: u64,
    copied: u64,
}

impl Figures {
    /// The lines of Prometheus's text format.
    fn prometheus(&self) -> Vec<String> {
        let figures = [
            ("bytes_size", "gauge", "Bytes that can be put into the store.", self.size),
            ("bytes_used", "gauge", "Bytes in use by objects of 4 KiB and more.", self.used),
            (
                "bytes_used_small",
                "gauge",
                "Bytes in use by smaller objects, besides the size.",
                self.used_small,
            ),
            ("bytes_free", "gauge", "Bytes not in use.", self.free),
            ("bytes_largest_free", "gauge", "Bytes of the largest contiguous free range.", self.largest_free),
            ("bytes_reserved", "gauge", "Bytes of memory that the kernel has allocated.", self.reserved),
            ("objects_max", "gauge", "Maximum number of objects.", self.max_objects),
            ("clients", "gauge", "Running clients.", u64::from(self.clients)),
            ("clients_max", "gauge", "Maximum number of clients.", u64::from(self.max_clients)),
            ("namespaces", "gauge", "Declared namespaces.", u64::from(self.namespaces)),
            ("recoveries_total", "counter", "How often the bookkeeping was rebuilt.", self.recoveries),
            ("reaped_clients_total", "counter", "Crashed clients whose objects were reclaimed.", self.reaped),
            ("copied_bytes_total", "counter", "Bytes of arguments that calls have copied.", self.copied),
        ];
        let store = label(&self.path);
        let mut lines = Vec::new();
        for (name, kind, help, value) in figures {
            lines.push(format!("# HELP sdp_dal_{name} {help}"));
            lines.push(format!("# TYPE sdp_dal_{name} {kind}"));
            lines.push(format!("sdp_dal_{name}{{store=\"{store}\"}} {value}"));
        }
        lines.push("# HELP sdp_dal_objects Objects by state.".to_owned());
        lines.push("# TYPE sdp_dal_objects gauge".to_owned());
        for (state, value) in [
            ("sealed", self.sealed),
            ("creating", self.creating),
            ("awaited", self.awaited),
            ("failed", self.failed),
            ("doomed", self.doomed),
        ] {
            lines.push(format!("sdp_dal_objects{{store=\"{store}\",state=\"{state}\"}} {value}"));
        }
        lines
    }
}

/// A label's value.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Writes the figures.
pub fn run(which: &Statistics, accept_owner: Option<u32>, output: &mut Output) -> Result<Outcome> {
    let store = open(&path_or_default(which.path.as_ref())?, accept_owner)?;
    let stat = store.stat()?;
    let figures = Figures {
        path: store.path().display().to_string(),
        size: stat.size,
        used: stat.used,
        used_small: stat.used_small,
        free: stat.free,
        largest_free: stat.largest_free,
        reserved: stat.reserved,
        objects: stat.objects,
        sealed: stat.sealed,
        creating: stat.creating,
        awaited: stat.awaited,
        failed: stat.failed,
        doomed: stat.doomed,
        max_objects: stat.max_objects,
        // Without ourselves.
        clients: stat.clients.saturating_sub(1),
        max_clients: stat.max_clients,
        namespaces: stat.namespaces,
        recoveries: stat.recoveries,
        reaped: stat.reaped,
        copied: stat.copied,
    };
    if which.json {
        output.json(&figures)?;
        return Ok(Outcome::Fine);
    }
    if which.prometheus {
        figures.prometheus().iter().for_each(|line| output.line(line));
        return Ok(Outcome::Fine);
    }
    let mut table = Table::new(&[]);
    table.pair("store", &figures.path);
    table.pair("size", both_sizes(figures.size));
    table.pair("used", both_sizes(figures.used));
    table.pair("small objects", format!("{}, besides the size", both_sizes(figures.used_small)));
    table.pair(
        "free",
        format!(
            "{}, largest contiguous range {}",
            both_sizes(figures.free),
            both_sizes(figures.largest_free)
        ),
    );
    table.pair("reserved", both_sizes(figures.reserved));
    let states = [
        (figures.sealed, "sealed"),
        (figures.creating, "creating"),
        (figures.awaited, "awaited"),
        (figures.failed, "failed"),
        (figures.doomed, "doomed"),
    ];
    let states: Vec<String> = states
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    let states = if states.is_empty() { String::new() } else { format!(": {}", states.join(", ")) };
    table.pair("objects", format!("{} of {}{states}", figures.objects, figures.max_objects));
    table.pair("clients", format!("{} of {}", figures.clients, figures.max_clients));
    table.pair("namespaces", figures.namespaces.to_string());
    table.pair("copied", format!("{} by calls", both_sizes(figures.copied)));
    table.pair("rebuilt", format!("{} times", figures.recoveries));
    table.pair("reaped", format!("{} crashed clients", figures.reaped));
    output.table(&table);
    Ok(Outcome::Fine)
}
