//! sdp_dal_tensor: a sealed tensor, held.

use std::ptr::NonNull;

use super::guard::guard;
use super::handle::{make, word, Handle};
use super::status::sdp_dal_status;
use super::view::{sdp_dal_tensor_view, view_of, DimNames};
use crate::dal::{CallMemory, Tensor};

/// A complete tensor. Its elements are valid as long as this handle. Freed by sdp_dal_tensor_free().
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
    view: sdp_dal_tensor_view,
}

// SAFETY: never changed after it was made; the view leads into the tensor and the names, which do not move.
unsafe impl Send for HeldTensor {}
// SAFETY: as above.
unsafe impl Sync for HeldTensor {}

impl HeldTensor {
    pub(super) fn new(tensor: Tensor) -> HeldTensor {
        let names = DimNames::new(&tensor.layout().names);
        let bytes = tensor.bytes();
        let data = bytes.as_ptr().wrapping_add(tensor.origin()).cast();
        let view = sdp_dal_tensor_view { data, ..view_of(tensor.layout(), &names, bytes) };
        HeldTensor { tensor, names, view }
    }

    pub(super) fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// Borrows from this.
    pub(super) fn view(&self) -> sdp_dal_tensor_view {
        self.view
    }

    /// As long as this.
    pub(super) fn view_ptr(&self) -> *const sdp_dal_tensor_view {
        &raw const self.view
    }

    /// Borrows from this and from the call that keeps the copy.
    pub(super) fn view_of_copy(&self, copy: &CallMemory) -> sdp_dal_tensor_view {
        sdp_dal_tensor_view { data: copy.data.cast(), ..view_of(&copy.layout, &self.names, &[]) }
    }
}

/// The memory of an output that is being written, as it was asked for, and what its view points to.
pub(super) struct LentView {
    memory: CallMemory,
    _names: DimNames,
    view: Box<sdp_dal_tensor_view>,
}

// SAFETY: never changed after it was made; the view leads into the layout and the names, which do not move.
unsafe impl Send for LentView {}
// SAFETY: as above.
unsafe impl Sync for LentView {}

impl LentView {
    pub(super) fn new(memory: CallMemory) -> LentView {
        let names = DimNames::new(&memory.layout.names);
        let view = view_of(&memory.layout, &names, &[]);
        let view = Box::new(sdp_dal_tensor_view { data: memory.data.cast(), ..view });
        LentView { memory, _names: names, view }
    }

    /// As long as this.
    pub(super) fn view(&self) -> NonNull<sdp_dal_tensor_view> {
        NonNull::from(&*self.view)
    }

    /// Whether it is the same memory with the same layout.
    pub(super) fn is_of(&self, other: &LentView) -> bool {
        self.memory.data == other.memory.data && self.memory.layout == other.memory.layout
    }
}

/// Returns the view of a tensor.
///
/// out: filled in. Set its struct_size first. Borrowed: its pointers are valid until the tensor is freed. The elements
/// must not be written.
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

/// Returns the ID of the object of a tensor.
///
/// out_id: a buffer of SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_tensor_get_id(
    tensor: *const sdp_dal_tensor,
    out_id: *mut u8,
) -> sdp_dal_status {
    guard("sdp_dal_tensor_get_id", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, held) = unsafe { (site.id_out(out_id, "out_id")?, site.handle(tensor, "tensor")?) };
        out.set(held.tensor().buffer().id());
        Ok(())
    })
}

/// Creates a second handle of the same tensor, which is freed separately.
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

/// Releases a tensor and frees the handle. NULL is allowed. Waits at most 100 ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_tensor_free(tensor: *mut sdp_dal_tensor) {
    guard("sdp_dal_tensor_free", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(tensor, "tensor") }
    });
}
