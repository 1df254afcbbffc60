//! Log messages of the library: a client that crashed, a rebuild, an eviction.
//!
//! By default nothing is printed. A program sets a sink with [`set`], or the environment variable `SDP_DAL_LOG` (`error`,
//! `warning`, `info` or `debug`) sends the lines to standard error. A message is created only if its level is received.
//!
//! A sink may be slow and may use the library, so it is never called while the thread holds something that it would need.
//! Messages that arise under the store's lock are collected, and written after it. Code that holds a mutex of this process
//! while it uses a store takes `hold` first, and messages are written when the last hold of the thread is released.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use crate::hook::{Entered, Slot};
use crate::sync::atomic::{AtomicU32, Ordering};

/// Severity of a message.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something that was requested is lost, for instance a call without outputs has failed.
    Error = 1,
    /// The library recovered from a fault: a client crashed, or the bookkeeping was rebuilt.
    Warning = 2,
    /// Of interest to operators, for instance an object was evicted or a processor was found.
    Info = 3,
    /// Details for debugging.
    Debug = 4,
}

impl Level {
    /// Every level, the most severe first.
    pub const ALL: [Level; 4] = [Level::Error, Level::Warning, Level::Info, Level::Debug];

    /// Its name, as in `SDP_DAL_LOG`.
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

/// Receives the messages, in the thread that produces them. A panic in it is caught and ignored.
pub type Sink = Arc<SinkFn>;
type SinkFn = dyn Fn(Level, &str) + Send + Sync;

struct Log {
    /// The gravest level that is dropped is one above this; 0: everything is.
    most: AtomicU32,
    /// None: standard error.
    hook: Slot<SinkFn>,
}

static LOG: Log = Log { most: AtomicU32::new(UNREAD), hook: Slot::new() };
/// The environment was not asked yet.
const UNREAD: u32 = u32::MAX;

thread_local! {
    /// Whether this thread is in the sink: what happens there is not told again.
    static TELLING: Cell<bool> = const { Cell::new(false) };
    /// How many holds this thread has.
    static HOLDS: Cell<u32> = const { Cell::new(0) };
    /// What waits for the last hold to go.
    static HELD: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

/// How many messages wait, of all threads: mostly none, which costs a look. (Those of a thread that ended stay counted.)
static WAITING: AtomicU32 = AtomicU32::new(0);

fn of_environment() -> u32 {
    let wanted = std::env::var("SDP_DAL_LOG").unwrap_or_default();
    Level::ALL.into_iter().find(|level| level.name() == wanted).map_or(0, |level| level as u32)
}

impl Log {
    /// Whether messages of this level are told.
    fn tells(&self, level: Level) -> bool {
        let mut most = self.most.load(Ordering::Relaxed);
        if most == UNREAD {
            let wanted = of_environment();
            // Threads that come first at once all ask: a forked child waits for none of them.
            let before = self.most.compare_exchange(UNREAD, wanted, Ordering::Relaxed, Ordering::Relaxed);
            most = before.err().unwrap_or(wanted);
        }
        most >= level as u32
    }
}

/// Sends messages up to the level `most` to `sink`. A sink of None is standard error, and a level of None drops all
/// messages. When this returns, the sink that was set before is not running in any thread. If it is called from within
/// a sink, it does not wait.
pub fn set(most: Option<Level>, sink: Option<Sink>) {
    let before = LOG.hook.replace(sink);
    // SYNC: only a filter; the sink is handed over by its mutex.
    LOG.most.store(most.map_or(0, |level| level as u32), Ordering::Relaxed);
    if !TELLING.try_with(Cell::get).unwrap_or(false) {
        before.wait();
    }
}

/// Writes a message, if messages of this level are received.
pub fn write(level: Level, text: impl FnOnce() -> String) {
    if !LOG.tells(level) || TELLING.try_with(Cell::get).unwrap_or(false) {
        return;
    }
    if HOLDS.try_with(Cell::get).unwrap_or(0) > 0 {
        later(level, text());
    } else {
        tell(level, &text());
    }
}

/// Keeps a message until the thread's last [`hold`] goes, or until [`flush`].
pub(crate) fn later(level: Level, text: String) {
    if LOG.tells(level) && HELD.try_with(|held| held.borrow_mut().push((level, text))).is_ok() {
        WAITING.fetch_add(1, Ordering::Relaxed);
    }
}

/// Tells what was kept, unless the thread has a hold.
#[inline]
pub(crate) fn flush() {
    if WAITING.load(Ordering::Relaxed) != 0 {
        tell_held();
    }
}

#[cold]
fn tell_held() {
    if HOLDS.try_with(Cell::get).unwrap_or(0) > 0 || TELLING.try_with(Cell::get).unwrap_or(false) {
        return;
    }
    let held = HELD.try_with(|held| std::mem::take(&mut *held.borrow_mut())).unwrap_or_default();
    for (level, text) in held {
        WAITING.fetch_sub(1, Ordering::Relaxed);
        tell(level, &text);
    }
}

/// As long as it lives this thread's messages wait.
pub(crate) struct Hold(());

/// To be taken before a mutex under which a store is used.
pub(crate) fn hold() -> Hold {
    let _ = HOLDS.try_with(|holds| holds.set(holds.get() + 1));
    Hold(())
}

impl Drop for Hold {
    fn drop(&mut self) {
        let _ = HOLDS.try_with(|holds| holds.set(holds.get().saturating_sub(1)));
        // What panics may still hold more than this; whoever catches it flushes.
        if !std::thread::panicking() {
            flush();
        }
    }
}

/// While it lives this thread is in the sink.
struct Telling {
    hook: Option<Entered<SinkFn>>,
}

impl Telling {
    fn begin() -> Telling {
        let _ = TELLING.try_with(|telling| telling.set(true));
        Telling { hook: LOG.hook.enter() }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        let _ = TELLING.try_with(|telling| telling.set(false));
    }
}

fn tell(level: Level, text: &str) {
    let telling = Telling::begin();
    match &telling.hook {
        // A message must not end what it tells of.
        Some(hook) => drop(catch_unwind(AssertUnwindSafe(|| (hook.function())(level, text)))),
        None => print(&format!("sdp_dal {}: {text}\n", level.name())),
    }
}

/// Writes a line to standard error as it is: the standard library's has a lock, which a thread of a forked child's parent
/// may hold.
fn print(line: &str) {
    if let Ok(stderr) = std::io::stderr().as_fd().try_clone_to_owned() {
        // Nobody to tell that telling failed.
        let _ = File::from(stderr).write_all(line.as_bytes());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::sync::atomic::{lock, Mutex};

    /// The log is the process's: one test at a time.
    pub(crate) static ALONE: Mutex<()> = Mutex::new(());

    type Lines = Arc<Mutex<Vec<String>>>;

    fn ear() -> (Lines, Lines) {
        let heard = Lines::default();
        (heard.clone(), heard)
    }

    fn said(heard: &Lines) -> Vec<String> {
        lock(heard).iter().filter(|line| line.contains("a test")).cloned().collect()
    }

    #[test]
    fn a_sink_gets_what_is_grave_enough_and_may_use_the_log_itself() {
        let _alone = lock(&ALONE);
        let (heard, ear) = ear();
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
        assert_eq!(said(&heard), ["warning a test speaks"]);
    }

    #[test]
    fn a_sink_that_panics_is_called_again() {
        let _alone = lock(&ALONE);
        let (heard, ear) = ear();
        set(
            Some(Level::Warning),
            Some(Arc::new(move |_, text| {
                lock(&ear).push(text.to_owned());
                assert!(!text.contains("a test panics"), "as this test wants it");
            })),
        );
        write(Level::Warning, || "a test panics".to_owned());
        write(Level::Warning, || "a test goes on".to_owned());
        set(None, None);
        assert_eq!(said(&heard), ["a test panics", "a test goes on"]);
    }

    #[test]
    fn what_is_written_under_a_hold_is_told_after_the_last() {
        let _alone = lock(&ALONE);
        let (heard, ear) = ear();
        set(Some(Level::Warning), Some(Arc::new(move |_, text| lock(&ear).push(text.to_owned()))));
        let (outer, inner) = (hold(), hold());
        write(Level::Warning, || "a test waits".to_owned());
        write(Level::Info, || panic!("nobody wants it"));
        drop(inner);
        assert!(said(&heard).is_empty());
        drop(outer);
        set(None, None);
        assert_eq!(said(&heard), ["a test waits"]);
    }

    #[test]
    fn who_replaces_a_sink_waits_until_nobody_is_in_it() {
        let _alone = lock(&ALONE);
        let (entered, leave) = (Arc::new(std::sync::Barrier::new(2)), Arc::new(AtomicU32::new(0)));
        let inside = {
            let (entered, leave) = (entered.clone(), leave.clone());
            move |_: Level, text: &str| {
                if text.contains("a test stays") {
                    entered.wait();
                    std::thread::sleep(std::time::Duration::from_millis(50));
                    leave.store(1, Ordering::SeqCst);
                }
            }
        };
        set(Some(Level::Warning), Some(Arc::new(inside)));
        let teller = std::thread::spawn(|| write(Level::Warning, || "a test stays".to_owned()));
        entered.wait();
        set(None, None);
        assert_eq!(leave.load(Ordering::SeqCst), 1, "the sink was still running");
        teller.join().unwrap();
    }
}
