//! How the failure of a call is told: with the path of functions and inputs that it took.

use crate::error::{Error, MESSAGE_MAX};
use crate::log::{self, Level};
use crate::store::Store;

/// Logs the failure of a call that has no output to carry it.
pub(super) fn tell_nobody(store: &Store, caller: u32, error: &Error) {
    log::write(Level::Error, || {
        let caller = store.client_title(caller);
        format!("a call of {caller} has failed, and no output carries its error: {error}")
    });
}

/// The error with `function: ` in front, once.
pub(super) fn in_function(error: &Error, function: &str) -> Error {
    if error.message().strip_prefix(function).is_some_and(|rest| rest.starts_with(": ")) {
        return error.clone();
    }
    with_path(error, function)
}

/// The error of an input, named.
pub(super) fn of_input(error: &Error, param: &str) -> Error {
    with_path(error, &format!("input '{param}'"))
}

/// Where the path of functions would push the first cause out of the text that a failed object can carry, the
/// path stops growing.
fn with_path(error: &Error, step: &str) -> Error {
    let len = error.message().len();
    if len <= MESSAGE_MAX && len + step.len() + 2 > MESSAGE_MAX {
        return error.clone();
    }
    error.clone().context(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn the_path_of_functions_never_hides_the_first_cause() {
        let mut error = Error::new(Kind::FunctionFailed, "singular matrix");
        for stage in 0..500 {
            error = in_function(&of_input(&error, "ms"), &format!("stage{stage}"));
            error = Error::new(error.kind(), error.message_cut());
        }
        assert!(error.message().len() > MESSAGE_MAX / 2, "{error}");
        assert!(error.message().ends_with("input 'ms': singular matrix"), "{error}");
    }
    #[test]
    fn a_step_of_the_path_that_just_fits_is_told() {
        for (room, fits) in [(9, true), (8, false)] {
            let error = Error::new(Kind::FunctionFailed, "x".repeat(MESSAGE_MAX - room));
            let told = in_function(&error, "stage_3");
            assert_eq!(told.message().starts_with("stage_3: xx"), fits, "{room}");
            assert_eq!(told.message_cut(), told.message());
        }
    }
}
