//! sdp_dal_tensor: a sealed tensor, held; and making tensors.

use std::ffi::c_void;

use super::guard::guard;
use super::handle::{make, word, Handle};
use super::reference::{sdp_dal_ref, RefState};
use super::status::sdp_dal_status;
use super::store::sdp_dal_store;
use super::view::{sdp_dal_tensor_spec, sdp_dal_tensor_view, view_of, DimNames};
use crate::dal::{CallMemory, Tensor};
use crate::wire::Elem;

/// A complete tensor: its elements stay as long as the handle. Ended by sdp_dal_tensor_free().
pub struct sdp_dal_tensor {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_tensor {
    type Value = HeldTensor;
    const WORD: u64 = word(b"sdpTensr");
}

/// A tensor and what its views point to.
pub(super) struct HeldTensor {
    tensor: Tensor,
    names: DimNames,
}

impl HeldTensor {
    pub(super) fn new(tensor: Tensor) -> HeldTensor {
        let names = DimNames::new(&tensor.layout().names);
        HeldTensor { tensor, names }
    }

    pub(super) fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// Borrows from this.
    pub(super) fn view(&self) -> sdp_dal_tensor_view {
        view_of(self.tensor.layout(), &self.names, self.tensor.bytes())
    }

    /// Borrows from this and from the call that keeps the copy.
    pub(super) fn view_of_copy(&self, copy: &CallMemory) -> sdp_dal_tensor_view {
        sdp_dal_tensor_view { data: copy.data.cast(), ..view_of(&copy.layout, &self.names, &[]) }
    }
}

/// Puts a tensor: one copy into the store.
///
/// Its order there is that of value if the elements of value follow each other without gaps in C or F order,
/// else C.
///
/// value: the tensor to copy.
/// out: an owning reference. The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED,
/// SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the store is full, up to SDP_DAL_FULL_TIMEOUT.
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

/// Creates a tensor in place: memory in the store to fill, and then to seal with sdp_dal_ref_seal().
///
/// spec: element type, shape, names and order.
/// out_data: the elements, without gaps in the spec's order, 64-byte aligned; not zero unless asked for.
/// Borrowed: valid until the reference is sealed or freed; must not be written after sealing.
/// out: an owning reference. The caller owns *out and must call sdp_dal_ref_free(), which aborts the tensor if it
/// was not sealed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED,
/// SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the store is full, up to SDP_DAL_FULL_TIMEOUT.
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

/// The view of a tensor.
///
/// out: filled; set its struct_size first. Borrowed: its pointers are valid until the tensor is
/// freed; the elements must not be written.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_tensor_get_view(
    tensor: *const sdp_dal_tensor,
    out: *mut sdp_dal_tensor_view,
) -> sdp_dal_status {
    guard("sdp_dal_tensor_get_view", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, held) = unsafe { (site.out_struct(out, "out")?, site.handle(tensor, "tensor")?) };
        out.set(held.view());
        Ok(())
    })
}

/// The ID of a tensor's object.
///
/// out_id: room for SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_tensor_id(tensor: *const sdp_dal_tensor, out_id: *mut u8) -> sdp_dal_status {
    guard("sdp_dal_tensor_id", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, held) = unsafe { (site.id_out(out_id, "out_id")?, site.handle(tensor, "tensor")?) };
        out.set(held.tensor().buffer().id());
        Ok(())
    })
}

/// A second handle on the same tensor, with an end of its own.
///
/// out: The caller owns *out and must call sdp_dal_tensor_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_tensor_clone(
    tensor: *const sdp_dal_tensor,
    out: *mut *mut sdp_dal_tensor,
) -> sdp_dal_status {
    guard("sdp_dal_tensor_clone", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, held) = unsafe { (site.out(out, "out")?, site.handle(tensor, "tensor")?) };
        out.set(make(HeldTensor::new(held.tensor().clone())));
        Ok(())
    })
}

/// Lets go of a tensor. NULL is allowed. Waits at most 100 ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_tensor_free(tensor: *mut sdp_dal_tensor) {
    guard("sdp_dal_tensor_free", |site| {
        // SAFETY: the header's rules for pointers.
        drop(unsafe { site.end(tensor, "tensor")? });
        Ok(())
    });
}
