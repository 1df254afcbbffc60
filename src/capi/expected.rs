//! What a reference expects of its object.

use std::ffi::c_char;

use super::guard::guard;
use super::handle::make;
use super::reference::{sdp_dal_ref, RefState};
use super::status::sdp_dal_status;
use super::store::sdp_dal_store;
use crate::error::{Error, Kind};

/// A borrowed reference to the object with an ID, which must be such a tensor: what is read or written through the
/// reference is checked.
///
/// id: SDP_DAL_ID_SIZE bytes.
/// dtype: the element type, one of sdp_dal_dtype. ndim, dim_names: its dimensions. dim_names may be NULL, and a name
/// empty: then any name will do.
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_from_id_as(
    store: *const sdp_dal_store,
    id: *const u8,
    dtype: i32,
    ndim: i32,
    dim_names: *const *const c_char,
    out: *mut *mut sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_ref_from_id_as", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace, id, elem, names) = unsafe {
            (
                site.out(out, "out")?,
                site.handle(store, "store")?,
                site.id(id, "id")?,
                site.elem(dtype, "dtype")?,
                site.dim_names(dim_names, site.ndim(ndim, "ndim")?, "dim_names")?,
            )
        };
        out.set(make(RefState::new(namespace.borrow(id, Some((elem, names))))));
        Ok(())
    })
}

/// The element type of the tensor that a reference expects, one of sdp_dal_dtype; 0 if it expects no tensor, or any.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_dtype(reference: *const sdp_dal_ref, out: *mut i32) -> sdp_dal_status {
    guard("sdp_dal_ref_dtype", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, state) = unsafe { (site.out(out, "out")?, site.handle(reference, "reference")?) };
        out.set(state.reference().expectation().elem.map_or(0, |elem| elem as i32));
        Ok(())
    })
}

/// The number of dimensions of the tensor that a reference expects; -1 if it expects no tensor, or any.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_ndim(reference: *const sdp_dal_ref, out: *mut i32) -> sdp_dal_status {
    guard("sdp_dal_ref_ndim", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, state) = unsafe { (site.out(out, "out")?, site.handle(reference, "reference")?) };
        let names = state.reference().expectation().names.as_ref();
        out.set(names.and_then(|names| i32::try_from(names.len()).ok()).unwrap_or(-1));
        Ok(())
    })
}

/// Copies the name of a dimension of the tensor that a reference expects; empty for one without a name.
///
/// index: from 0 to the number of dimensions, exclusive.
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND if there is no such dimension. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_dim_name(
    reference: *const sdp_dal_ref,
    index: usize,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_ref_dim_name", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, state) = unsafe { (site.text_out(buffer, length)?, site.handle(reference, "reference")?) };
        let names = state.reference().expectation().names.as_deref().unwrap_or_default();
        let name = names.get(index).ok_or_else(|| {
            let count = names.len();
            Error::new(
                Kind::NotFound,
                format!("the reference knows {count} dimensions, there is none {index}"),
            )
        })?;
        out.set(name);
        Ok(())
    })
}
