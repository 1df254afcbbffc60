//! `store`: keeps a store until a signal comes.
//!
//! The store needs no server. This command is a client like others: while it runs the store has a client, and it reclaims
//! what crashed clients held even while no client waits. If it is killed, the store is removed when its last client closes,
//! or replaced when it is opened again.

use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use clap::Args;
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::{Create, Store, StoreOptions};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::outcome::Outcome;
use crate::people::People;
use crate::table::{both_sizes, count, plain, Output};
use crate::words::{options, path_or_default};

/// How often to look for crashed clients.
const TURN: Duration = Duration::from_millis(250);

/// Options of `store`.
#[derive(Debug, Args)]
pub struct ServeOptions {
    /// Path of the store. On a file system other than tmpfs it becomes a link to a file in /dev/shm.
    #[arg(value_name = "PATH", conflicts_with = "store")]
    path: Option<PathBuf>,
    /// Path of the store, as an option like that of plasma_store.
    #[arg(short, long, value_name = "PATH")]
    store: Option<PathBuf>,
    /// Size of the store in bytes; K, M, G and T are powers of 1024. Default: SDP_DAL_STORE_SIZE, or half of the free space
    /// in the tmpfs or control group, whichever is less.
    #[arg(short = 'm', long = "size", visible_alias = "memory", value_name = "BYTES", value_parser = parse_size)]
    memory: Option<u64>,
    /// Allocate all memory now, charged to the control group of this command.
    #[arg(long)]
    reserve: bool,
    /// Let the members of this group (a number) use the store too.
    #[arg(long, value_name = "GID")]
    group: Option<u32>,
    /// When the store is full, delete objects that no client wants, the longest unused first.
    #[arg(long)]
    evict: bool,
    /// Maximum number of objects, rounded up to a power of two. Default: 1048576.
    #[arg(long, value_name = "COUNT")]
    max_objects: Option<u32>,
    /// Maximum number of clients, 64 to 1024. Default: 256.
    #[arg(long, value_name = "COUNT")]
    max_clients: Option<u32>,
}

/// Makes or adopts the store, stays until a signal.
pub fn run(wished: &ServeOptions, accept_owner: Option<u32>, output: &mut Output) -> Result<Outcome> {
    let path = path_or_default(wished.path.as_ref().or(wished.store.as_ref()))?;
    // Before the store is there: a signal that comes early must not leave it behind.
    let (send, signals) = mpsc::channel();
    let mut source =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(|e| Error::io("waiting for signals", &e))?;
    std::thread::spawn(move || source.forever().try_for_each(|signal| send.send(signal)));

    let (store, adopted) = make_or_adopt(wished, accept_owner, &path)?;
    announce(&store, adopted, wished, output)?;
    let name = loop {
        match signals.recv_timeout(TURN) {
            Ok(signal) => break signal_hook::low_level::signal_name(signal).unwrap_or("a signal"),
            Err(RecvTimeoutError::Disconnected) => break "the end of the signals",
            Err(RecvTimeoutError::Timeout) if store.is_gone() => {
                return Err(Error::new(
                    Kind::NotFound,
                    format!("the store {} was destroyed, or its file was removed", path.display()),
                ));
            }
            Err(RecvTimeoutError::Timeout) => {
                let reaped = store.reap_by_turn();
                if reaped > 0 {
                    output.line(format!("Reclaimed what {} held", count(reaped as usize, "crashed client")));
                    output.flush()?;
                }
            }
        }
    };
    // A stopped holder of the lock must not keep us from leaving; then we only cannot say who is left.
    let left =
        People::of(&store).map_or(0, |people| people.all().iter().filter(|client| client.alive).count());
    drop(store);
    output.line(match left {
        0 => format!("Ended by {name}: the store is removed"),
        1 => format!("Ended by {name}: the store will be removed when its last client closes"),
        _ => format!("Ended by {name}: the store will be removed when the last of its {left} clients closes"),
    });
    Ok(Outcome::Fine)
}

/// The store, and whether it was there. One with another size than is asked for, or without the eviction, is an error.
fn make_or_adopt(
    wished: &ServeOptions,
    accept_owner: Option<u32>,
    path: &std::path::Path,
) -> Result<(Store, bool)> {
    let asked = |create| StoreOptions {
        size: wished.memory,
        max_objects: wished.max_objects,
        max_clients: wished.max_clients,
        group: wished.group,
        eviction: wished.evict,
        reserve: wished.reserve,
        exact: true,
        ..options(create, accept_owner)
    };
    match Store::open(path, &asked(Create::Never)) {
        Ok(store) => return Ok((store, true)),
        Err(error) if error.kind() == Kind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok((Store::open(path, &asked(Create::IfMissing))?, false))
}

fn announce(store: &Store, adopted: bool, wished: &ServeOptions, output: &mut Output) -> Result<()> {
    let size = store.stat()?.size;
    let path = store.path().display();
    if adopted {
        let clients = People::of(store)?.all().len();
        output.line(format!("Adopted the store {path}; it is used by {}", count(clients, "client")));
        if wished.reserve || wished.group.is_some() {
            warn("the store already existed: --group and --reserve have no effect");
        }
    } else {
        output.line(format!("Created the store {path}"));
    }
    output.line(format!("Allowing the store to use up to {} of memory", both_sizes(size)));
    if let Some(warning) = store.memory_warning() {
        warn(&warning);
    }
    output.line("Ready; SIGINT or SIGTERM ends this command");
    output.flush()
}

fn warn(sentence: &str) {
    eprintln!("sdp-dal: warning: {}", plain(sentence));
}

/// A size as people write it: `4096`, `10G`, `512MiB`.
fn parse_size(text: &str) -> std::result::Result<u64, String> {
    let wrong = || {
        format!("'{text}' is not a size: expected a number of bytes, or a number with K, M, G or T (powers of 1024), such as 10G")
    };
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.strip_suffix("iB").filter(|unit| !unit.is_empty()).unwrap_or(unit);
    let shift = match unit {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        "t" | "T" => 40,
        _ => return Err(wrong()),
    };
    let number = number.parse::<u64>().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("{text} is larger than the address space"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, size) in [
            ("0", 0),
            ("4096", 4096),
            ("10G", 10 << 30),
            ("10g", 10 << 30),
            ("3KiB", 3 << 10),
            ("2T", 2 << 40),
            ("7M", 7 << 20),
        ] {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
        for text in [
            "",
            "G",
            "-1",
            "1.5G",
            "10GB",
            "10 G",
            "iB",
            "1iB",
            "0x10",
            "99999999999T",
            "18446744073709551616",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
