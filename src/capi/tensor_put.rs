//! Making tensors: with one copy, or in place.

use std::ffi::c_void;

use super::guard::guard;
use super::handle::make;
use super::reference::{sdp_dal_ref, RefState};
use super::status::sdp_dal_status;
use super::store::sdp_dal_store;
use super::view::{sdp_dal_tensor_spec, sdp_dal_tensor_view};
use crate::wire::Elem;

/// Puts a tensor: one copy into the store.
///
/// It keeps the order of value if its elements are in C or F order without gaps. Otherwise it is stored in C order.
///
/// value: the tensor to copy.
/// out: an owning reference. The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY,
/// SDP_DAL_FORKED. Blocks while the store is full, up to the time of sdp_dal_store_set_full_timeout().
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_tensor_put(
    store: *const sdp_dal_store,
    value: *const sdp_dal_tensor_view,
    out: *mut *mut sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_tensor_put", |site| {
        // SAFETY: the header's rules for pointers; the memory is only used until we return.
        unsafe {
            let out = site.out(out, "out")?;
            let namespace = site.handle(store, "store")?;
            let value = site.callers_tensor(value, "value")?;
            out.set(make(RefState::new(namespace.put_tensor(&value.source())?)));
        }
        Ok(())
    })
}

/// Creates a tensor in place, without a copy. Fill its memory, then call sdp_dal_ref_seal().
///
/// spec: element type, shape, names and order.
/// out_data: the elements, without gaps in the order of spec, 64-byte aligned. Not zeroed unless requested. Borrowed:
/// valid until the reference is sealed or freed. Must not be written after sealing.
/// out: an owning reference. The caller owns *out and must call sdp_dal_ref_free(), which aborts the tensor if it
/// was not sealed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY,
/// SDP_DAL_FORKED. Blocks while the store is full, up to the time of sdp_dal_store_set_full_timeout().
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_tensor_create(
    store: *const sdp_dal_store,
    spec: *const sdp_dal_tensor_spec,
    out_data: *mut *mut c_void,
    out: *mut *mut sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_tensor_create", |site| {
        // SAFETY: the header's rules for pointers.
        let ((out_data, out), namespace, spec) = unsafe {
            (
                site.outs((out_data, "out_data"), (out, "out"))?,
                site.handle(store, "store")?,
                site.tensor_spec(spec, "spec")?,
            )
        };
        let mut state = RefState::new(namespace.new_ref(None::<(Elem, Vec<String>)>)?);
        out_data.set(state.create(&spec)?.cast());
        out.set(make(state));
        Ok(())
    })
}
