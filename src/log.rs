//! What the library has to tell that nobody asked for: a client that died, a rebuild, an eviction.
//!
//! Nothing is printed unless somebody wants it: a program installs a hook with [`set`], or the environment's
//! `SDP_DAL_LOG` (`error`, `warning`, `info` or `debug`) sends the lines to standard error. A text is made only if its
//! level is wanted. Never called with the store's lock held: a hook may take its time, or use the library.

use std::cell::Cell;
use std::sync::Arc;

use once_cell::sync::Lazy;

use crate::sync::atomic::{lock, AtomicU32, Mutex, Ordering};

/// How much a message matters.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something that was asked for is lost: a call without outputs has failed.
    Error = 1,
    /// Somebody else's fault was made good: a dead client, a rebuild.
    Warning = 2,
    /// What an operator may want to see: an eviction, a processor found.
    Info = 3,
    /// What only the search for a mistake needs.
    Debug = 4,
}

impl Level {
    /// Every level, from the gravest.
    pub const ALL: [Level; 4] = [Level::Error, Level::Warning, Level::Info, Level::Debug];

    /// The name that `SDP_DAL_LOG` takes.
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

/// What receives the messages, in the thread in which they arise.
pub type Sink = Arc<dyn Fn(Level, &str) + Send + Sync>;

struct Log {
    /// The gravest level that is dropped is one above this; 0: everything is.
    most: AtomicU32,
    /// None: standard error.
    sink: Mutex<Option<Sink>>,
}

static LOG: Lazy<Log> = Lazy::new(|| Log { most: AtomicU32::new(of_environment()), sink: Mutex::new(None) });

thread_local! {
    /// Whether this thread is in the sink: what happens there is not told again.
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

fn of_environment() -> u32 {
    let wanted = std::env::var("SDP_DAL_LOG").unwrap_or_default();
    Level::ALL.into_iter().find(|level| level.name() == wanted).map_or(0, |level| level as u32)
}

/// Sends messages up to `most` to `sink`; a sink of None is standard error, a level of None ends it.
pub fn set(most: Option<Level>, sink: Option<Sink>) {
    let before = std::mem::replace(&mut *lock(&LOG.sink), sink);
    // SYNC: only a filter; the sink is handed over by its mutex.
    LOG.most.store(most.map_or(0, |level| level as u32), Ordering::Relaxed);
    drop(before);
}

/// Tells what `text` says, if anybody listens at this level.
pub fn write(level: Level, text: impl FnOnce() -> String) {
    if LOG.most.load(Ordering::Relaxed) < level as u32 {
        return;
    }
    // A thread that ends has no cell any more: it may tell.
    if TELLING.try_with(|telling| telling.replace(true)).unwrap_or(false) {
        return;
    }
    let sink = lock(&LOG.sink).clone();
    match sink {
        Some(sink) => sink(level, &text()),
        None => eprintln!("sdp_dal {}: {}", level.name(), text()),
    }
    let _ = TELLING.try_with(|telling| telling.set(false));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_gets_what_is_grave_enough_and_may_use_the_log_itself() {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let ear = heard.clone();
        set(
            Some(Level::Warning),
            Some(Arc::new(move |level, text| {
                write(Level::Error, || panic!("told from within the sink"));
                lock(&ear).push(format!("{} {text}", level.name()));
            })),
        );
        write(Level::Warning, || "a test speaks".to_owned());
        write(Level::Info, || panic!("nobody wants it"));
        set(None, None);
        write(Level::Error, || panic!("nobody listens"));
        let heard: Vec<_> =
            lock(&heard).iter().filter(|line| line.contains("a test speaks")).cloned().collect();
        assert_eq!(heard, ["warning a test speaks"]);
    }
}
