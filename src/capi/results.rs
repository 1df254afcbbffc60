//! sdp_dal_results: references to the outputs of a call.

use std::ffi::c_char;
use std::ptr;

use super::guard::{guard, guard_value, Site};
use super::handle::{word, Handle, Lent};
use super::reference::{sdp_dal_ref, RefState};
use super::status::sdp_dal_status;
use crate::dal::Results;
use crate::error::Result;

/// References to the outputs of one call, in the order of its signature. Made by sdp_dal_caller_call(), ended by
/// sdp_dal_results_free().
pub struct sdp_dal_results {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_results {
    type Value = ResultsState;
    const WORD: u64 = word(b"sdpReslt");
}

/// The results, and the handles of their references that C borrows.
pub(super) struct ResultsState {
    results: Results,
    lent: Vec<Option<Lent<sdp_dal_ref>>>,
}

impl ResultsState {
    pub(super) fn new(results: Results) -> ResultsState {
        let lend = |i| results.at(i).map(|reference| Lent::new(RefState::new(reference.clone())));
        let lent = (0..results.len()).map(lend).collect();
        ResultsState { results, lent }
    }

    fn check(&self, site: Site, index: usize) -> Result<()> {
        if index < self.lent.len() {
            return Ok(());
        }
        Err(site.wrong(format_args!("'index' is {index}, the call has {} outputs", self.lent.len())))
    }

    fn handle(&self, index: usize) -> *const sdp_dal_ref {
        self.lent.get(index).and_then(Option::as_ref).map_or(ptr::null(), |lent| lent.as_ptr().cast_const())
    }
}

/// The number of outputs; 0 if results is no results handle. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_results_count(results: *const sdp_dal_results) -> usize {
    guard_value("sdp_dal_results_count", 0, |site| {
        // SAFETY: the header's rules for pointers.
        Ok(unsafe { site.handle(results, "results")? }.lent.len())
    })
}

/// Copies the name of an output.
///
/// index: 0 to sdp_dal_results_count() - 1. buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_results_name(
    results: *const sdp_dal_results,
    index: usize,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_results_name", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, results) = unsafe { (site.text_out(buffer, length)?, site.handle(results, "results")?) };
        results.check(site, index)?;
        out.set(results.results.name(index).unwrap_or_default());
        Ok(())
    })
}

/// The reference to an output, by name.
///
/// out: NULL if the output is null. Borrowed: valid until the results are freed; sdp_dal_ref_clone() makes one that
/// lasts.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_results_ref(
    results: *const sdp_dal_results,
    name: *const c_char,
    out: *mut *const sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_results_ref", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, results, name) =
            unsafe { (site.out(out, "out")?, site.handle(results, "results")?, site.text(name, "name")?) };
        results.results.get(name)?;
        let index = (0..results.results.len()).find(|index| results.results.name(*index) == Some(name));
        out.set(index.map_or(ptr::null(), |index| results.handle(index)));
        Ok(())
    })
}

/// Ends the results. A call of which no output is referred to any more, and that has not started, is cancelled.
/// NULL is allowed. Waits at most 100 ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_results_free(results: *mut sdp_dal_results) {
    guard("sdp_dal_results_free", |site| {
        // SAFETY: the header's rules for pointers.
        drop(unsafe { site.end(results, "results")? });
        Ok(())
    });
}
