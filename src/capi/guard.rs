//! The frame of every exported function: errors become a status and a text, panics stay inside.

use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};

use super::status::{self, sdp_dal_status};
use crate::error::{Error, Result};

/// The exported function that is running: arguments are checked through it, so that an error names both.
#[derive(Clone, Copy)]
pub(super) struct Site {
    function: &'static str,
}

impl Site {
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

fn run<T>(
    function: &'static str,
    body: impl FnOnce(Site) -> Result<T>,
) -> std::result::Result<T, sdp_dal_status> {
    // What a panic leaves half done stays behind locks that DIRTY marks guard, or goes with the handle.
    let outcome = catch_unwind(AssertUnwindSafe(|| body(Site { function })));
    let error = match outcome {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error,
        Err(panic) => Error::internal(format!(
            "{function}: a mistake inside the library, please report it: {}",
            panic_text(&*panic)
        )),
    };
    status::remember(&error);
    Err(error.kind().code())
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "a panic without a text"
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
        let text = status::last_text();
        assert!(text.contains("the roof is on fire"));
        let shown = text.replace("sdp_dal_test", "sdp_dal_…").replace("the roof is on fire", "…");
        let document = include_str!("../../docs/errors.md");
        assert!(document.lines().any(|line| line == shown), "docs/errors.md does not show: {shown}");
    }

    #[test]
    fn success_leaves_the_last_error() {
        assert_eq!(guard("sdp_dal_test", |site| Err(site.wrong("'x' is odd"))), Kind::InvalidArgument.code());
        assert_eq!(guard("sdp_dal_test", |_| Ok(())), 0);
        assert_eq!(status::last_text(), "sdp_dal_test: 'x' is odd");
    }
}
