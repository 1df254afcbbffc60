//! What is known of a reference, and of its object.

use std::ffi::{c_char, CStr};
use std::ptr;

use super::guard::guard;
use super::reference::sdp_dal_ref;
use super::status::sdp_dal_status;
use super::structs::Extensible;
use super::types::{sdp_dal_object_state as state, sdp_dal_param_kind as kind};
use super::view::DimNames;
use crate::store::{ObjectState, ID_SIZE};

/// Description of a reference, and of the object that it expects.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_ref_info {
    /// sizeof(sdp_dal_ref_info).
    pub struct_size: usize,
    /// The names of the dimensions of the tensor, "" for one without a name. NULL if no names are expected. Borrowed:
    /// valid until the reference is freed.
    pub dim_names: *const *const c_char,
    /// 1 if it is an owning reference, otherwise 0.
    pub owning: u32,
    /// SDP_DAL_PARAM_TENSOR or SDP_DAL_PARAM_TABLE if such an object is expected, 0 for any object.
    pub kind: i32,
    /// The element type of the tensor, one of sdp_dal_dtype, otherwise 0.
    pub dtype: i32,
    /// The number of dimensions of the tensor. -1 if no tensor is expected, or a tensor of any dimensions.
    pub ndim: i32,
    /// The ID of the object. For a part, that of the whole.
    pub id: [u8; 20],
    /// 0.
    pub reserved: u32,
    /// The part of the object that the reference refers to, as sdp_dal_ref_part_from_text() accepts it. NULL for a whole
    /// object. Borrowed: valid until the reference is freed.
    pub part: *const c_char,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_ref_info {
    const NAME: &'static str = "sdp_dal_ref_info";
}
const _: () = assert!(size_of::<sdp_dal_ref_info>() == 3 * size_of::<usize>() + 5 * 4 + ID_SIZE);

/// Returns the description of a reference, and of the object that it expects.
///
/// out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_get_info(
    reference: *const sdp_dal_ref,
    out: *mut sdp_dal_ref_info,
) -> sdp_dal_status {
    guard("sdp_dal_ref_get_info", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, state) = unsafe { (site.out_struct(out, "out")?, site.handle(reference, "reference")?) };
        let reference = state.reference();
        let expected = reference.expectation();
        let kind = match (expected.elem, &expected.table) {
            (Some(_), _) => kind::SDP_DAL_PARAM_TENSOR as i32,
            (None, Some(_)) => kind::SDP_DAL_PARAM_TABLE as i32,
            (None, None) => 0,
        };
        out.set(sdp_dal_ref_info {
            struct_size: 0,
            dim_names: state.dim_names().map_or(ptr::null(), DimNames::as_ptr),
            owning: u32::from(reference.is_owning()),
            kind,
            dtype: expected.elem.map_or(0, |elem| elem as i32),
            ndim: expected.names.as_ref().and_then(|names| i32::try_from(names.len()).ok()).unwrap_or(-1),
            id: *reference.id().as_bytes(),
            reserved: 0,
            part: state.part().map_or(ptr::null(), CStr::as_ptr),
        });
        Ok(())
    })
}

/// Progress and state of an object.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_ref_state {
    /// sizeof(sdp_dal_ref_state).
    pub struct_size: usize,
    /// The last value that the function that creates it passed to sdp_dal_call_set_progress(). 0 before the function
    /// runs, 1 once the object exists.
    pub progress: f64,
    /// One of sdp_dal_object_state.
    pub state: i32,
    /// 1 if a processor has taken the call that creates it and the call has not ended, otherwise 0.
    pub running: u32,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_ref_state {
    const NAME: &'static str = "sdp_dal_ref_state";
}
const _: () = assert!(size_of::<sdp_dal_ref_state>() == size_of::<usize>() + 8 + 2 * 4);

/// Returns the state and the progress of the object of a reference.
///
/// out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_get_state(
    reference: *const sdp_dal_ref,
    out: *mut sdp_dal_ref_state,
) -> sdp_dal_status {
    guard("sdp_dal_ref_get_state", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, state) = unsafe { (site.out_struct(out, "out")?, site.handle(reference, "reference")?) };
        let reference = state.reference();
        let found = match reference.state()? {
            ObjectState::Absent => state::SDP_DAL_STATE_ABSENT,
            ObjectState::Awaited { .. } => state::SDP_DAL_STATE_AWAITED,
            ObjectState::Creating { .. } => state::SDP_DAL_STATE_CREATING,
            ObjectState::Sealed { .. } => state::SDP_DAL_STATE_SEALED,
            ObjectState::Failed { .. } => state::SDP_DAL_STATE_FAILED,
        };
        out.set(sdp_dal_ref_state {
            struct_size: 0,
            progress: reference.progress()?.unwrap_or(0.0),
            state: found as i32,
            running: u32::from(reference.is_running()?),
        });
        Ok(())
    })
}
