//! References that are passed on between copies of the library.

use std::ffi::c_char;

use super::guard::guard;
use super::handle::make;
use super::reference::{sdp_dal_ref, RefState};
use super::status::sdp_dal_status;
use super::store::sdp_dal_store;
use crate::dal;

/// Copies a text from which sdp_dal_ref_import() creates an owning reference to the same object. Use it in another
/// process, or with another copy of this library in this process, as handles of one copy cannot be used by another.
///
/// The text does not keep the object: keep the reference until the import is done. If the object does not exist yet and
/// the reference is an owning one, the text contains the calls on which the object depends, so it may be long.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND if the object does not exist and is not the output of a call,
/// SDP_DAL_OBJECT_DELETED, SDP_DAL_LIMIT_REACHED if it depends on too many calls that have not ended, SDP_DAL_CORRUPT,
/// SDP_DAL_FORKED. Does not wait for other clients.
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

/// Creates an owning reference from the text of sdp_dal_ref_export(). The exported reference is not needed after that.
///
/// store: the store of the object. NULL: it is opened at the path that the exporting process used.
/// text: the text from sdp_dal_ref_export().
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the object is in another store), SDP_DAL_OBJECT_DELETED if the object was
/// deleted, SDP_DAL_BUSY, SDP_DAL_FORKED, and without a store those of sdp_dal_store_open(). Does not wait for other
/// clients.
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
