//! sdp_dal_results: references to the outputs of a call.

use std::ffi::c_char;
use std::ptr;
use std::sync::OnceLock;

use super::guard::guard;
use super::handle::{word, Handle, Lent};
use super::reference::{sdp_dal_ref, RefState};
use super::status::sdp_dal_status;
use super::texts::Texts;
use crate::dal::Results;
use crate::error::{Error, Kind};

/// References to the outputs of one call, in the order of its signature. Created by sdp_dal_caller_call(), freed by
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
    /// The outputs' names, once one was asked for.
    names: OnceLock<Names>,
}

struct Names {
    names: Vec<*const c_char>,
    _texts: Texts,
}

// SAFETY: never changed after it was made; the names lead into the texts beside them.
unsafe impl Send for Names {}
// SAFETY: as above.
unsafe impl Sync for Names {}

impl ResultsState {
    pub(super) fn new(results: Results) -> ResultsState {
        let lend = |i| results.at(i).map(|reference| Lent::new(RefState::new(reference.clone())));
        let lent = (0..results.len()).map(lend).collect();
        ResultsState { results, lent, names: OnceLock::new() }
    }

    fn name(&self, index: usize) -> Option<*const c_char> {
        let lend = || {
            let mut texts = Texts::default();
            let names =
                (0..self.lent.len()).map(|nth| texts.lend(self.results.name(nth).unwrap_or_default()));
            let names = names.collect();
            Names { names, _texts: texts }
        };
        self.names.get_or_init(lend).names.get(index).copied()
    }

    fn handle(&self, index: usize) -> *const sdp_dal_ref {
        self.lent.get(index).and_then(Option::as_ref).map_or(ptr::null(), |lent| lent.as_ptr().cast_const())
    }
}

/// Returns one output by its index.
///
/// index: the index of the output in the signature, counting only outputs, from 0.
/// out_name: its name. out: its reference, NULL if the output is null. Both are borrowed: valid until the results are freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND if there are fewer outputs. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_results_get_output(
    results: *const sdp_dal_results,
    index: usize,
    out_name: *mut *const c_char,
    out: *mut *const sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_results_get_output", |site| {
        // SAFETY: the header's rules for pointers.
        let ((out_name, out), results) =
            unsafe { (site.outs((out_name, "out_name"), (out, "out"))?, site.handle(results, "results")?) };
        let past = || {
            let count = results.lent.len();
            Error::new(Kind::NotFound, format!("'index' is {index}, but the call has {count} outputs"))
        };
        out_name.set(results.name(index).ok_or_else(past)?);
        out.set(results.handle(index));
        Ok(())
    })
}

/// Returns the reference to an output by its name.
///
/// out: NULL if the output is null. Borrowed: valid until the results are freed. sdp_dal_ref_clone() creates one that
/// is valid longer.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_results_get_ref(
    results: *const sdp_dal_results,
    name: *const c_char,
    out: *mut *const sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_results_get_ref", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, results, name) =
            unsafe { (site.out(out, "out")?, site.handle(results, "results")?, site.text(name, "name")?) };
        results.results.get(name)?;
        let index = (0..results.results.len()).find(|index| results.results.name(*index) == Some(name));
        out.set(index.map_or(ptr::null(), |index| results.handle(index)));
        Ok(())
    })
}

/// Frees the results. A call that has not started is cancelled if no reference to its outputs is left. NULL is allowed.
/// Waits at most 100 ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_results_free(results: *mut sdp_dal_results) {
    guard("sdp_dal_results_free", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(results, "results") }
    });
}
