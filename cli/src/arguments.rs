//! The command line: what can be said, and what a path, an ID and a size are.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::{Create, ObjectId, ObjectInfo, Store, StoreOptions, ID_SIZE};

use crate::call::Call;
use crate::events::Events;
use crate::namespaces::Namespaces;
use crate::stores::{Stores, Trim};
use crate::top::Top;
use crate::trace::Trace;
use crate::wait::Wait;

/// The environment's default path.
pub const STORE: &str = "SDP_DAL_STORE";

const AFTER_HELP: &str = "\
PATH may be left out if the environment names a store in SDP_DAL_STORE. An ID is any beginning of it, in hexadecimal
digits, that is the beginning of no other. A first argument of hexadecimal digits only is an ID; write ./cafe for a
store of such a name. These commands attach to the store, but do not count themselves among its clients.

Exit status: 0 fine; 1 something in the store is wrong (check), the call failed (call), or it was not there in time (wait);
2 wrong usage, or it could not be done; 130 ended by Ctrl-C before it was done (call, wait).";

/// Serve, look into, check and clear stores of the SDP Data Access Library.
#[derive(Debug, Parser)]
#[command(name = "sdp-dal", version, about, after_help = AFTER_HELP, arg_required_else_help = true)]
pub struct Arguments {
    /// Use the store though it belongs to this user (a number).
    #[arg(long, global = true, value_name = "UID")]
    pub accept_owner: Option<u32>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a store, or adopt one that is there, and keep it until a signal ends this command.
    ///
    /// A store that is there must have the size and the eviction that are asked for: a store keeps what it was made with.
    /// While it runs, what dead clients held is given back 4 times a second. After SIGINT, SIGTERM or SIGHUP the store
    /// goes with its last client: at once if there is none.
    Store(ServeOptions),
    /// List the objects, by ID.
    Ls(Listing),
    /// Everything that is known of one object.
    Show(OneObject),
    /// Figures of the store.
    Stat(Statistics),
    /// List the stores of this machine.
    ///
    /// The command attaches to no store, and removes none without --remove-left-over. A store that is left over takes memory
    /// until its path is opened again.
    Stores(Stores),
    /// Give memory that no object uses back to the system.
    ///
    /// Writing gets slower after it, until the store has grown again.
    Trim(Trim),
    /// Who holds objects' bytes and who owns objects.
    Holders(Holders),
    /// Write what happens, as it happens: objects, namespaces and calls.
    Events(Events),
    /// Show a store at work: memory, namespaces with their rates, clients. q or Ctrl-C ends it.
    Top(Top),
    /// List the declared namespaces: who owns them, what they offer, what is there.
    Namespaces(Namespaces),
    /// Wait until processors live, or an object exists: a readiness probe.
    Wait(Wait),
    /// Call a function of a processor, show what it makes or write it to .npy files.
    Call(Call),
    /// Record the calls for Perfetto, or their graph for Graphviz.
    Trace(Trace),
    /// Walk through everything and list what does not add up.
    ///
    /// The store is locked for a moment, and the head of every object is read.
    Check(WholeStore),
    /// Write a script that completes this program's command lines: for bash `source <(sdp-dal completions bash)`.
    Completions(Completions),
    /// Delete objects.
    Rm(Removal),
    /// Delete a store with all that is in it, also while clients use it.
    ///
    /// Clients keep what they hold; the memory is given back when the last of them has left.
    Destroy(Destruction),
}

/// Options of `store`.
#[derive(Debug, Args)]
pub struct ServeOptions {
    /// Path of the store; on a file system other than tmpfs it becomes a link into /dev/shm.
    #[arg(value_name = "PATH", conflicts_with = "store")]
    pub path: Option<PathBuf>,
    /// The path, as plasma_store was given it.
    #[arg(short, long, value_name = "PATH")]
    pub store: Option<PathBuf>,
    /// Bytes that can be put into it; K, M, G and T are powers of 1024. Default: SDP_DAL_STORE_SIZE, or half of the
    /// memory that there is.
    #[arg(short = 'm', long = "size", visible_alias = "memory", value_name = "BYTES", value_parser = parse_size)]
    pub memory: Option<u64>,
    /// Take all memory now, charged to this command's control group.
    #[arg(long)]
    pub reserve: bool,
    /// A group (a number) whose members may use the store too.
    #[arg(long, value_name = "GID")]
    pub group: Option<u32>,
    /// Delete the objects that were not used for longest, if no client wants them, when the store is full.
    #[arg(long)]
    pub evict: bool,
    /// Objects at a time that there must be room for; rounded up to a power of two. Default: 1048576.
    #[arg(long, value_name = "COUNT")]
    pub max_objects: Option<u32>,
    /// Most clients at a time, 64 to 1024. Default: 256.
    #[arg(long, value_name = "COUNT")]
    pub max_clients: Option<u32>,
}

/// A store, for a command that reads all of it.
#[derive(Debug, Args)]
pub struct WholeStore {
    /// Path of the store.
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,
    /// Write JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `stat`.
#[derive(Debug, Args)]
pub struct Statistics {
    /// Path of the store.
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,
    /// Write JSON.
    #[arg(long)]
    pub json: bool,
    /// Write Prometheus's text format.
    #[arg(long, conflicts_with = "json")]
    pub prometheus: bool,
}

/// Arguments of `ls`.
#[derive(Debug, Args)]
pub struct Listing {
    /// Path of the store, and what the IDs begin with.
    #[arg(value_names = ["PATH", "PREFIX"], num_args = 0..=2)]
    pub words: Vec<OsString>,
    /// Write JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct OneObject {
    /// Path of the store, and the object's ID.
    #[arg(value_names = ["PATH", "ID"], num_args = 1..=2, required = true)]
    pub words: Vec<OsString>,
    /// Write JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `holders`.
#[derive(Debug, Args)]
pub struct Holders {
    /// Path of the store, and an object's ID.
    #[arg(value_names = ["PATH", "ID"], num_args = 0..=2)]
    pub words: Vec<OsString>,
    /// Name the objects of each client too.
    #[arg(long)]
    pub objects: bool,
    /// Write JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `rm`.
#[derive(Debug, Args)]
pub struct Removal {
    /// Path of the store, and the objects' IDs.
    #[arg(value_names = ["PATH", "ID"], num_args = 1.., required = true)]
    pub words: Vec<OsString>,
    /// Let the objects be seen until no client holds them.
    #[arg(long)]
    pub when_released: bool,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// Whose script it is to be.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Arguments of `destroy`.
#[derive(Debug, Args)]
pub struct Destruction {
    /// Path of the store.
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,
}

/// The path that was given, or the environment's.
pub fn path_or_default(path: Option<&PathBuf>) -> Result<PathBuf> {
    if let Some(path) = path {
        return Ok(path.clone());
    }
    match std::env::var_os(STORE) {
        Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
        _ => Err(Error::invalid(format!(
            "no store is named: write its path behind the command, or set {STORE}"
        ))),
    }
}

/// Splits words into the path of a store (the environment's if the first word can only be an ID) and IDs in lower case.
pub fn path_and_ids(words: &[OsString]) -> Result<(PathBuf, Vec<String>)> {
    let first_is_path = words.first().is_some_and(|word| digits(word).is_none());
    let (path, ids) = match words.split_first() {
        Some((path, ids)) if first_is_path => (PathBuf::from(path), ids),
        _ => {
            let path = path_or_default(None).map_err(|error| match words.first() {
                Some(word) => error.context(format!(
                    "'{0}' was taken for an ID (a store of this name is written ./{0})",
                    word.to_string_lossy()
                )),
                None => error,
            })?;
            (path, words)
        }
    };
    let ids = ids.iter().map(|word| {
        digits(word).ok_or_else(|| {
            let most = 2 * ID_SIZE;
            let word = word.to_string_lossy();
            Error::invalid(format!(
                "'{word}' is not an object ID or the beginning of one: 1 to {most} hexadecimal digits"
            ))
        })
    });
    Ok((path, ids.collect::<Result<_>>()?))
}

/// The one ID among words, if there is one.
pub fn path_and_id(words: &[OsString]) -> Result<(PathBuf, Option<String>)> {
    let (path, mut ids) = path_and_ids(words)?;
    if ids.len() > 1 {
        return Err(Error::invalid(format!("{} IDs were given, at most one is expected", ids.len())));
    }
    Ok((path, ids.pop()))
}

fn digits(word: &OsString) -> Option<String> {
    let text = word.to_str()?;
    let good =
        !text.is_empty() && text.len() <= 2 * ID_SIZE && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then(|| text.to_ascii_lowercase())
}

/// A size as people write it: `4096`, `10G`, `512MiB`.
fn parse_size(text: &str) -> std::result::Result<u64, String> {
    let wrong = || {
        format!("'{text}' is not a size: a number of bytes, or one with K, M, G or T behind it (powers of 1024), as 10G")
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
    number.checked_mul(1 << shift).ok_or_else(|| format!("{text} is more than there are addresses"))
}

/// How this program opens a store.
pub fn options(create: Create, accept_owner: Option<u32>) -> StoreOptions {
    StoreOptions { create, accept_owner, name: Some("sdp-dal".to_owned()), ..StoreOptions::default() }
}

/// Opens a store that is there.
pub fn open(path: &std::path::Path, accept_owner: Option<u32>) -> Result<Store> {
    Store::open(path, &options(Create::Never, accept_owner))
}

/// The bytes of these digits, without a last half.
pub fn whole_bytes(digits: &str) -> Result<Vec<u8>> {
    let whole = digits.len() / 2 * 2;
    (0..whole)
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16))
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| Error::invalid(format!("'{digits}' are not hexadecimal digits")))
}

/// The objects whose ID begins with these digits, one by one: there may be a million.
pub fn listing<'a>(
    store: &'a Store,
    digits: &'a str,
) -> Result<impl Iterator<Item = Result<ObjectInfo>> + use<'a>> {
    let half = digits.len() % 2 == 1;
    let wanted = move |info: &ObjectInfo| !half || info.id.to_string().starts_with(digits);
    Ok(store.listing(&whole_bytes(digits)?)?.filter(move |found| found.as_ref().map_or(true, wanted)))
}

/// The one object whose ID begins with these digits; of several lives of it the one that can be seen.
pub fn find(store: &Store, digits: &str) -> Result<ObjectInfo> {
    let mut found = listing(store, digits)?.collect::<Result<Vec<_>>>()?;
    // Lives of one ID lie together; the doomed ones go behind the one that can be seen.
    found.sort_by_key(|info| (info.id, info.state == "doomed"));
    found.dedup_by_key(|info| info.id);
    let missing = || Error::new(Kind::NotFound, format!("there is no object whose ID begins with {digits}"));
    if found.len() > 1 {
        let ids: Vec<ObjectId> = found.iter().map(|info| info.id).collect();
        return Err(ambiguous(digits, &ids));
    }
    found.pop().ok_or_else(missing)
}

fn ambiguous(digits: &str, ids: &[ObjectId]) -> Error {
    let some: Vec<String> = ids.iter().take(4).map(ToString::to_string).collect();
    let more = if ids.len() > some.len() { ", ..." } else { "" };
    Error::invalid(format!(
        "the IDs of {} objects begin with {digits} ({}{more}): give more digits",
        ids.len(),
        some.join(", ")
    ))
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

    #[test]
    fn words_are_paths_or_ids() {
        let words = |list: &[&str]| list.iter().map(OsString::from).collect::<Vec<_>>();
        let (path, ids) = path_and_ids(&words(&["/tmp/x", "AB", "c"])).unwrap();
        assert_eq!((path, ids), (PathBuf::from("/tmp/x"), vec!["ab".to_owned(), "c".to_owned()]));
        let (path, ids) = path_and_ids(&words(&["./cafe"])).unwrap();
        assert_eq!((path, ids.len()), (PathBuf::from("./cafe"), 0));
        assert!(path_and_ids(&words(&["/tmp/x", "zz"])).unwrap_err().message().contains("'zz'"));
        assert!(path_and_ids(&words(&["/tmp/x", &"a".repeat(41)])).is_err());
        assert!(path_and_id(&words(&["/tmp/x", "a", "b"])).is_err());
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
