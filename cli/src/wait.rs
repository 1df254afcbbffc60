//! `wait`: ends well once processors live, or an object exists. For start scripts and the probes of containers.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::Args;
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::{ObjectId, Store};
use sdp_dal::timeout::Timeout;

use crate::declared::{living, Declared};
use crate::interrupt::{Interrupt, SLICE};
use crate::outcome::Outcome;
use crate::table::{human_time, plain, Output};
use crate::words::{open, parse_seconds, path_or_default};

const AFTER_HELP: &str = "\
This command also waits for the store. Exit status: 0 success; 1 the timeout has passed, or the object will never exist;
2 wrong usage, or an error.";

/// Arguments of `wait`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Wait {
    /// Path of the store.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Wait for processors with this name.
    #[arg(long, value_name = "NAME")]
    processor: Option<String>,
    /// Wait for processors that offer this function.
    #[arg(long, value_name = "NAME", required_unless_present_any = ["processor", "object"])]
    function: Option<String>,
    /// Wait for this many processors.
    #[arg(long, value_name = "COUNT", default_value_t = 1, conflicts_with = "object")]
    count: usize,
    /// Wait for this object, given by all digits of its ID.
    #[arg(long, value_name = "ID", conflicts_with_all = ["processor", "function"])]
    object: Option<String>,
    /// Wait at most this long. 0 checks once. Default: no limit.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    timeout: Option<Duration>,
}

/// What a look found.
enum Found {
    /// What was waited for.
    There(String),
    /// Not yet; how it is now.
    NotYet(String),
    /// It will never be.
    Never(String),
}

/// Waits.
pub fn run(which: &Wait, accept_owner: Option<u32>, output: &mut Output) -> Result<Outcome> {
    let path = path_or_default(which.path.as_ref())?;
    let object = which.object.as_deref().map(ObjectId::from_str).transpose()?;
    let interrupt = Interrupt::watch()?;
    let begun = Instant::now();
    let mut store = None;
    let mut declared = Declared::default();
    loop {
        let found = match attach(&mut store, &path, accept_owner)? {
            Err(missing) => Found::NotYet(missing),
            Ok(store) => match &object {
                Some(id) => look_for_object(store, id)?,
                None => look_for_processors(store, which, &mut declared)?,
            },
        };
        let now = match found {
            Found::There(sentence) => {
                output.line(plain(&sentence));
                return Ok(Outcome::Fine);
            }
            Found::Never(sentence) => return failed(&sentence),
            Found::NotYet(now) => now,
        };
        let left = which.timeout.map_or(SLICE, |timeout| timeout.saturating_sub(begun.elapsed()));
        if left.is_zero() {
            return failed(&format!("{now} (waited for {})", human_time(begun.elapsed())));
        }
        // Objects are waited for while they are looked for.
        let slept = object.is_some() && store.is_some();
        if interrupt.came() || !slept && !interrupt.pause(left.min(SLICE)) {
            return Ok(Outcome::Interrupted);
        }
    }
}

fn failed(sentence: &str) -> Result<Outcome> {
    eprintln!("sdp-dal: {}", plain(sentence));
    Ok(Outcome::FoundWrong)
}

/// The store, or why there is none yet.
fn attach<'a>(
    store: &'a mut Option<Store>,
    path: &Path,
    accept_owner: Option<u32>,
) -> Result<std::result::Result<&'a Store, String>> {
    if store.as_ref().is_some_and(Store::is_gone) {
        *store = None;
    }
    if store.is_none() {
        match open(path, accept_owner) {
            Ok(opened) => *store = Some(opened),
            Err(error) if error.kind() == Kind::NotFound => return Ok(Err(error.message().to_owned())),
            Err(error) => return Err(error),
        }
    }
    store.as_ref().map(Ok).ok_or_else(|| Error::internal("a store that was opened is not there"))
}

fn look_for_object(store: &Store, id: &ObjectId) -> Result<Found> {
    match store.get(id, Timeout::After(SLICE)) {
        Ok(buffer) => Ok(Found::There(format!("object {id} exists, {} bytes", buffer.data().len()))),
        Err(error) if matches!(error.kind(), Kind::Timeout | Kind::NotFound | Kind::ObjectDeleted) => {
            Ok(Found::NotYet(format!("object {id} does not exist")))
        }
        Err(error) if matches!(error.kind(), Kind::Busy | Kind::Corrupt | Kind::Io | Kind::Forked) => {
            Err(error)
        }
        // A failed object says why.
        Err(error) => Ok(Found::Never(format!("object {id} will never exist: {}", error.message()))),
    }
}

fn look_for_processors(store: &Store, which: &Wait, declared: &mut Declared) -> Result<Found> {
    let mut names = HashSet::new();
    let mut count = 0;
    for namespace in living(store)? {
        let functions = declared.functions(store, &namespace);
        if functions.is_empty() {
            continue;
        }
        let name = declared.name(store, &namespace);
        let offers = |wanted: &String| functions.iter().any(|function| function.name == *wanted);
        let fits = which.processor.as_ref().is_none_or(|wanted| *wanted == name);
        count += usize::from(fits && which.function.as_ref().is_none_or(offers));
        names.insert(name);
    }
    let named = which.processor.as_ref().map(|name| format!(" '{name}'")).unwrap_or_default();
    let offering = which.function.as_ref().map(|name| format!(" with function '{name}'")).unwrap_or_default();
    let path = store.path().display();
    let plural = if count == 1 { "" } else { "s" };
    let now = format!("{count} processor{plural}{named}{offering} in {path}");
    if count >= which.count {
        return Ok(Found::There(now));
    }
    let mut others: Vec<String> = names.into_iter().collect();
    others.sort_unstable();
    let others = if others.is_empty() {
        "no processor is running".to_owned()
    } else {
        format!("found: {}", others.join(", "))
    };
    Ok(Found::NotYet(format!("{now}, expected {}; {others}", which.count)))
}
