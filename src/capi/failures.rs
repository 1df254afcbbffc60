//! What failed last in each thread.

use std::cell::RefCell;

use super::status::sdp_dal_status;
use crate::error::Error;

/// What this thread's failures left.
#[derive(Clone, Default)]
struct Last {
    code: sdp_dal_status,
    text: String,
    /// How many failures there were: tells whether one came after a given moment.
    failures: u64,
}

thread_local! {
    static LAST: RefCell<Last> = RefCell::default();
}

/// Keeps the text of an error for `sdp_dal_last_error()` of this thread.
pub(super) fn remember(error: &Error) {
    // A thread that is ending has no place for it any more.
    let _ = LAST.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            last.code = error.kind().code();
            last.text.clear();
            last.text.push_str(error.message_cut());
            last.failures += 1;
        }
    });
}

/// Runs what the user did not call; whatever fails in it, this thread's last error stays what it was.
pub(super) fn unchanged<T>(run: impl FnOnce() -> T) -> T {
    let before = LAST.try_with(|last| last.borrow().clone());
    let result = run();
    if let Ok(before) = before {
        let _ = LAST.try_with(|last| last.replace(before));
    }
    result
}

/// A moment in this thread, for [`text_since`].
pub(super) fn count() -> u64 {
    LAST.try_with(|last| last.borrow().failures).unwrap_or(0)
}

/// The text of this thread's last error, if it came after the moment `failures` and has this code.
pub(super) fn text_since(failures: u64, code: sdp_dal_status) -> Option<String> {
    LAST.try_with(|last| {
        let last = last.borrow();
        (last.failures > failures && last.code == code).then(|| last.text.clone())
    })
    .unwrap_or(None)
}

/// The text of this thread's last error.
pub(super) fn last_text() -> String {
    LAST.try_with(|last| last.borrow().text.clone()).unwrap_or_default()
}
