//! References that are passed on between copies of the library.

use std::ffi::c_char;

use super::guard::guard;
use super::handle::make;
use super::reference::{sdp_dal_ref, RefState};
use super::status::sdp_dal_status;
use super::store::sdp_dal_store;
use crate::dal;

/// A text from which sdp_dal_ref_import() makes an owning reference to the same object: in another process, or by
/// another copy of this library in this process, whose handles this copy cannot use.
///
/// The text claims nothing: keep the reference until the import is done. An object that does not exist yet takes the
/// calls on which it depends with it, if the reference is an owning one; so its text may be long.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND if the object does not exist and no call is to make it,
/// SDP_DAL_OBJECT_DELETED, SDP_DAL_LIMIT_REACHED if it depends on too many calls that have not ended,
/// SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not wait for others.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_export(
    reference: *const sdp_dal_ref,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_ref_export", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, state) = unsafe { (site.text_out(buffer, length)?, site.handle(reference, "reference")?) };
        out.set(&state.reference().export()?);
        Ok(())
    })
}

/// Makes an owning reference from the text of sdp_dal_ref_export(). It needs the reference that was exported no more.
///
/// store: the store in which the object lies; NULL: it is opened at the path that it had for whoever exported.
/// text: what sdp_dal_ref_export() gave.
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT also if the object lies in another store, SDP_DAL_OBJECT_DELETED if the object
/// that was meant is gone, SDP_DAL_BUSY, SDP_DAL_FORKED; without a store as sdp_dal_store_open().
/// Does not wait for others.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_import(
    store: *const sdp_dal_store,
    text: *const c_char,
    out: *mut *mut sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_ref_import", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, text) = unsafe { (site.out(out, "out")?, site.text(text, "text")?) };
        let reference = if store.is_null() {
            dal::import(text)?
        } else {
            // SAFETY: the header's rules for pointers.
            unsafe { site.handle(store, "store")? }.import(text)?
        };
        out.set(make(RefState::new(reference)));
        Ok(())
    })
}
