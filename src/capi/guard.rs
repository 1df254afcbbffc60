//! The frame of every exported function: errors become a status and a text, panics stay inside.
//!
//! A panic in here is caught, so it must not be printed either: the first function that is called puts a hook before the
//! one that Rust has, which hands a panic inside of this frame to the log. Not at once: the thread may hold the store's
//! lock or a mutex just then. It is told when the frame is left.

use std::any::Any;
use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe, PanicHookInfo};

use super::failures;
use super::status::{self, sdp_dal_status};
use crate::error::{Error, Result};
use crate::log::{self, Level};
use crate::sync::atomic::{AtomicU32, Ordering};

/// The exported function that is running: arguments are checked through it, so that an error names both.
#[derive(Clone, Copy)]
pub(super) struct Site {
    function: &'static str,
}

impl Site {
    /// The function's name.
    pub(super) fn function(self) -> &'static str {
        self.function
    }

    /// An argument of this function is wrong.
    pub(super) fn wrong(self, text: impl std::fmt::Display) -> Error {
        Error::invalid(format!("{}: {text}", self.function))
    }
}

/// Runs the body of the exported function `function` and reports how it ended.
pub(super) fn guard(function: &'static str, body: impl FnOnce(Site) -> Result<()>) -> sdp_dal_status {
    match run(function, body) {
        Ok(()) => status::OK,
        Err(code) => code,
    }
}

/// The same for the few functions that return a value and have no status: `otherwise` stands for an error.
pub(super) fn guard_value<T>(
    function: &'static str,
    otherwise: T,
    body: impl FnOnce(Site) -> Result<T>,
) -> T {
    run(function, body).unwrap_or(otherwise)
}

thread_local! {
    /// How many exported functions this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// This thread is in an exported function.
struct Inside(());

impl Inside {
    fn enter() -> Inside {
        hook_panics();
        let _ = DEPTH.try_with(|depth| depth.set(depth.get() + 1));
        Inside(())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let left = DEPTH.try_with(|depth| {
            depth.set(depth.get().saturating_sub(1));
            depth.get()
        });
        // Not from within another function: this one may have been called by a signal handler that interrupted it.
        if left == Ok(0) {
            log::flush();
        }
    }
}

/// Once in the life of the process, and only for those who use the exported functions.
fn hook_panics() {
    static HOOKED: AtomicU32 = AtomicU32::new(0);
    // Setting a hook while this thread panics would end the process.
    if HOOKED.load(Ordering::Relaxed) != 0
        || std::thread::panicking()
        || HOOKED.swap(1, Ordering::Relaxed) != 0
    {
        return;
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if DEPTH.try_with(Cell::get).unwrap_or(0) == 0 {
            before(info);
        } else {
            log::later(Level::Error, describe(info));
        }
    }));
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    format!("an internal error at {place}: {}", payload_text(info.payload()))
}

fn run<T>(
    function: &'static str,
    body: impl FnOnce(Site) -> Result<T>,
) -> std::result::Result<T, sdp_dal_status> {
    let _inside = Inside::enter();
    // What a panic leaves half done stays behind locks that DIRTY marks guard, or goes with the handle.
    let outcome = catch_unwind(AssertUnwindSafe(|| body(Site { function })));
    let error = match outcome {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error,
        Err(panic) => Error::internal(format!(
            "{function}: an internal error of the library, please report it: {}",
            payload_text(&*panic)
        )),
    };
    failures::remember(&error);
    Err(error.kind().code())
}

fn payload_text(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "a panic without a message"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_panic_becomes_internal() {
        let code = guard("sdp_dal_test", |_| panic!("the roof is on fire"));
        assert_eq!(code, Kind::Internal.code());
        let text = failures::last_text();
        assert!(text.contains("the roof is on fire"));
        let shown = text.replace("sdp_dal_test", "sdp_dal_…").replace("the roof is on fire", "…");
        let document = include_str!("../../docs/errors.md");
        assert!(document.lines().any(|line| line == shown), "docs/errors.md does not show: {shown}");
    }

    const ALONE: &str = "SDP_DAL_TEST_PANIC";

    /// Run by the test below, in a process of its own.
    #[test]
    fn panics_when_told_to() {
        if std::env::var_os(ALONE).is_some() {
            assert_eq!(guard("sdp_dal_test", |_| panic!("the roof is on fire")), Kind::Internal.code());
            let outside = std::panic::catch_unwind(|| panic!("not in our house"));
            assert!(outside.is_err());
        }
    }

    /// What that process writes to standard error.
    fn printed(log: &str) -> String {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "capi::guard::tests::panics_when_told_to", "--nocapture", "--test-threads=1"])
            .env(ALONE, "1")
            .env("SDP_DAL_LOG", log)
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }

    #[test]
    fn a_panic_inside_is_not_printed_but_told_to_the_log() {
        let silent = printed("");
        assert!(!silent.contains("the roof") && silent.contains("not in our house"), "{silent}");
        let told = printed("error");
        let line = told.lines().find(|line| line.contains("the roof is on fire")).unwrap();
        assert!(line.starts_with("sdp_dal error: an internal error at src/capi/guard.rs:"), "{line}");
    }

    #[test]
    fn success_leaves_the_last_error() {
        assert_eq!(guard("sdp_dal_test", |site| Err(site.wrong("'x' is odd"))), Kind::InvalidArgument.code());
        assert_eq!(guard("sdp_dal_test", |_| Ok(())), 0);
        assert_eq!(failures::last_text(), "sdp_dal_test: 'x' is odd");
    }
}
