//! `top`: a store at work, as it is now.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use sdp_dal::error::Result;
use sdp_dal::store::{Event, EventKind, NamespaceInfo, ObjectId, Prefix, Store, StoreStat};

use crate::declared::{prefix_text, Declared};
use crate::feed::Feed;
use crate::interrupt::{Interrupt, SLICE};
use crate::outcome::Outcome;
use crate::people::People;
use crate::screen::Screen;
use crate::table::{age, human_size, moment, now, plain, Cell, Output, Shade, Table};
use crate::words::{open, parse_seconds, path_or_default};

/// Columns of the bar.
const BAR: usize = 40;

/// Arguments of `top`.
#[derive(Debug, Args)]
pub struct Top {
    /// Path of the store.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Seconds between two updates.
    #[arg(short = 'i', long, value_name = "SECONDS", default_value = "1", value_parser = parse_seconds)]
    interval: Duration,
    /// Print once after one interval, and end.
    #[arg(long)]
    once: bool,
}

/// What there is under a prefix, and what has come since the last picture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Traffic {
    objects: u64,
    bytes: u64,
    sealed: u64,
    sealed_bytes: u64,
    calls: u64,
}

/// The objects of a store, kept up by its events.
#[derive(Default)]
struct Inventory {
    objects: HashMap<ObjectId, u64>,
    traffic: BTreeMap<Prefix, Traffic>,
}

impl Inventory {
    fn list(&mut self, store: &Store) -> Result<()> {
        self.objects.clear();
        for traffic in self.traffic.values_mut() {
            (traffic.objects, traffic.bytes) = (0, 0);
        }
        for info in store.listing(&[])? {
            let info = info?;
            if matches!(info.state, "sealed" | "failed") {
                self.come(info.id, info.data_size);
            }
        }
        Ok(())
    }

    fn come(&mut self, id: ObjectId, bytes: u64) {
        self.go(&id);
        self.objects.insert(id, bytes);
        let traffic = self.traffic.entry(id.prefix()).or_default();
        traffic.objects += 1;
        traffic.bytes += bytes;
    }

    fn go(&mut self, id: &ObjectId) {
        if let Some(bytes) = self.objects.remove(id) {
            let traffic = self.traffic.entry(id.prefix()).or_default();
            traffic.objects -= 1;
            traffic.bytes -= bytes;
        }
    }

    fn take(&mut self, event: &Event, store: &Store) -> Result<()> {
        match event.kind {
            EventKind::Sealed | EventKind::CallIssued | EventKind::NamespaceAppeared => {
                self.come(event.id, event.data_size);
                let traffic = self.traffic.entry(event.id.prefix()).or_default();
                traffic.sealed += 1;
                traffic.sealed_bytes += event.data_size;
            }
            EventKind::Failed => self.come(event.id, event.data_size),
            EventKind::Deleted | EventKind::NamespaceGone => self.go(&event.id),
            EventKind::CallEnded => self.traffic.entry(event.id.prefix()).or_default().calls += 1,
            EventKind::CallClaimed => {}
            EventKind::Resync => self.list(store)?,
        }
        Ok(())
    }

    /// Rates start again, and prefixes without objects are forgotten.
    fn start_over(&mut self) {
        for traffic in self.traffic.values_mut() {
            (traffic.sealed, traffic.sealed_bytes, traffic.calls) = (0, 0, 0);
        }
        self.traffic.retain(|_, traffic| traffic.objects > 0);
    }
}

/// Draws until a signal or `q` comes.
pub fn run(which: &Top, accept_owner: Option<u32>, output: &mut Output) -> Result<Outcome> {
    let interrupt = Interrupt::watch()?;
    let store = open(&path_or_default(which.path.as_ref())?, accept_owner)?;
    let mut feed = Feed::open(&store, &[])?;
    let mut inventory = Inventory::default();
    inventory.list(&store)?;
    let mut declared = Declared::default();
    let interval = which.interval.max(Duration::from_millis(50));
    let screen = if which.once { None } else { Some(Screen::take()?) };
    // The first picture comes at once, without rates.
    if let Some(screen) = screen.as_ref().filter(|screen| screen.is_terminal()) {
        screen.draw(&picture(&store, &inventory, &mut declared, Duration::ZERO, Some(screen), output)?)?;
    }
    loop {
        let begun = Instant::now();
        while begun.elapsed() < interval {
            if interrupt.came() || screen.as_ref().is_some_and(Screen::wants_to_quit) {
                return Ok(Outcome::Fine);
            }
            let left = interval.saturating_sub(begun.elapsed()).min(SLICE);
            if let Some(event) = feed.next(left)? {
                inventory.take(&event, &store)?;
            }
        }
        let lines = picture(&store, &inventory, &mut declared, begun.elapsed(), screen.as_ref(), output)?;
        match &screen {
            None => {
                lines.iter().for_each(|line| output.line(line));
                return Ok(Outcome::Fine);
            }
            Some(screen) => {
                if !screen.draw(&lines)? {
                    return Ok(Outcome::Fine);
                }
            }
        }
        inventory.start_over();
    }
}

/// The lines of one picture.
fn picture(
    store: &Store,
    inventory: &Inventory,
    declared: &mut Declared,
    time: Duration,
    screen: Option<&Screen>,
    output: &Output,
) -> Result<Vec<String>> {
    let stat = store.stat()?;
    let people = People::of(store)?;
    let mut waiters = store.waiters()?;
    waiters.retain(|number| *number != store.number());
    let mut lines = header(store, &stat, waiters.len());
    let spaces = namespaces(store, inventory, declared, time)?.lines(output.colours());
    let clients = clients(&people, &waiters).lines(output.colours());
    // The clients get what the namespaces leave, at least a third.
    let height = screen.and_then(Screen::size).map_or(usize::MAX, |(_, height)| height);
    let room = height.saturating_sub(lines.len() + 2);
    let for_clients = clients.len().min(room.saturating_sub(spaces.len()).max(room / 3));
    lines.push(String::new());
    lines.extend(shortened(spaces, room.saturating_sub(for_clients)));
    lines.push(String::new());
    lines.extend(shortened(clients, for_clients));
    Ok(lines)
}

/// So many lines; the last one says if there are more.
fn shortened(mut lines: Vec<String>, most: usize) -> Vec<String> {
    if lines.len() > most {
        let more = lines.len() + 1 - most.max(1);
        lines.truncate(most.saturating_sub(1));
        lines.push(format!("and {more} more"));
    }
    lines
}

fn header(store: &Store, stat: &StoreStat, waiting: usize) -> Vec<String> {
    let share = stat.used.min(stat.size) as f64 / stat.size.max(1) as f64;
    let filled = (0..BAR).filter(|column| (*column as f64 + 0.5) / BAR as f64 <= share).count();
    let bar = format!("{}{}", "#".repeat(filled), "-".repeat(BAR - filled));
    let states = format!("{} sealed, {} awaited, {} failed", stat.sealed, stat.awaited, stat.failed);
    vec![
        plain(&format!("{}  {}", store.path().display(), moment(now()))),
        format!(
            "memory   [{bar}] {:.0}%: {} of {} used, {} free, largest contiguous range {}",
            share * 100.0,
            human_size(stat.used),
            human_size(stat.size),
            human_size(stat.free),
            human_size(stat.largest_free)
        ),
        format!("objects  {} of {}: {states}", stat.objects, stat.max_objects),
        format!(
            "clients  {} of {}, {waiting} waiting; rebuilt {} times, reclaimed {} crashed clients",
            stat.clients.saturating_sub(1),
            stat.max_clients,
            stat.recoveries,
            stat.reaped
        ),
    ]
}

/// The row of a prefix before it is text.
struct Row {
    prefix: Prefix,
    name: String,
    traffic: Traffic,
    queued: u32,
    oldest: Option<Duration>,
}

fn namespaces(
    store: &Store,
    inventory: &Inventory,
    declared: &mut Declared,
    time: Duration,
) -> Result<Table> {
    let known: HashMap<Prefix, NamespaceInfo> =
        store.namespaces()?.into_iter().map(|namespace| (namespace.prefix, namespace)).collect();
    let mut rows = Vec::new();
    for prefix in inventory.traffic.keys().chain(known.keys().filter(|p| !inventory.traffic.contains_key(*p)))
    {
        let namespace = known.get(prefix);
        rows.push(Row {
            prefix: *prefix,
            name: namespace.map_or_else(|| "-".to_owned(), |namespace| declared.name(store, namespace)),
            traffic: inventory.traffic.get(prefix).copied().unwrap_or_default(),
            queued: namespace.map_or(0, |namespace| namespace.queued),
            oldest: namespace.and_then(|namespace| oldest(store, namespace)),
        });
    }
    rows.sort_by_key(|row| {
        let traffic = row.traffic;
        (std::cmp::Reverse((traffic.sealed_bytes, traffic.calls, traffic.bytes)), row.prefix)
    });
    let mut table = Table::new(&[
        "PREFIX",
        "NAME",
        "OBJECTS",
        "BYTES",
        "OBJECTS/S",
        "BYTES/S",
        "CALLS/S",
        "QUEUED",
        "OLDEST",
    ]);
    for row in rows {
        let traffic = row.traffic;
        let bytes = bytes_per_second(traffic.sealed_bytes, time).map(human_size);
        let number = |count| per_second(count, time).map_or("-".to_owned(), |rate| format!("{rate:.1}"));
        table.row(vec![
            Cell::new(prefix_text(row.prefix)),
            Cell::new(row.name),
            Cell::new(traffic.objects.to_string()).right(),
            Cell::new(human_size(traffic.bytes)).right(),
            Cell::new(number(traffic.sealed)).right(),
            Cell::new(bytes.unwrap_or_else(|| "-".to_owned())).right(),
            Cell::new(number(traffic.calls)).right(),
            Cell::new(row.queued.to_string()).right(),
            Cell::new(row.oldest.map_or("-".to_owned(), age)).right(),
        ]);
    }
    Ok(table)
}

/// None before there was time for anything.
fn per_second(count: u64, time: Duration) -> Option<f64> {
    (!time.is_zero()).then(|| count as f64 / time.as_secs_f64())
}

fn bytes_per_second(count: u64, time: Duration) -> Option<u64> {
    let rate = (u128::from(count) * 1_000_000_000).checked_div(time.as_nanos())?;
    Some(u64::try_from(rate).unwrap_or(u64::MAX))
}

/// Since when the oldest call waits that no processor has taken.
fn oldest(store: &Store, namespace: &NamespaceInfo) -> Option<Duration> {
    let call = store.queue(namespace.key, 0).ok()?.into_iter().next()?;
    store.info(&call.id).ok().map(|info| info.created)
}

fn clients(people: &People, waiters: &[u32]) -> Table {
    let mut clients: Vec<_> = people.all().iter().collect();
    clients.sort_by_key(|client| (std::cmp::Reverse(client.pinned_bytes), client.number));
    let mut table = Table::new(&["CLIENT", "NAME", "PID", "HOST", "HOLDS", "BYTES", "OWNS", "STATE"]);
    for client in clients {
        let state = match (client.alive, waiters.binary_search(&client.number).is_ok()) {
            (false, _) => Cell::new("crashed").shaded(Shade::Red),
            (true, true) => Cell::new("waits"),
            (true, false) => Cell::new("runs"),
        };
        table.row(vec![
            Cell::new(client.number.to_string()).right(),
            Cell::new(&client.name),
            Cell::new(client.pid.to_string()).right(),
            Cell::new(&client.host),
            Cell::new(client.pins.to_string()).right(),
            Cell::new(human_size(client.pinned_bytes)).right(),
            Cell::new(client.wants.to_string()).right(),
            state,
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_do_not_fit_are_counted() {
        let lines = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(shortened(lines(3), 3), lines(3));
        assert_eq!(shortened(lines(5), 3), ["0", "1", "and 3 more"]);
        assert_eq!(shortened(lines(5), 0), ["and 5 more"]);
    }

    #[test]
    fn objects_come_and_go_once() {
        let mut inventory = Inventory::default();
        let id = ObjectId::new([7; 20]);
        inventory.come(id, 10);
        inventory.come(id, 20);
        assert_eq!(inventory.traffic[&[7; 4]], Traffic { objects: 1, bytes: 20, ..Traffic::default() });
        inventory.go(&id);
        inventory.go(&id);
        inventory.start_over();
        assert!(inventory.traffic.is_empty());
    }
}
