//! What a processing function can ask and do about its run: its bytes, threads, progress, private copies, going on later.

use std::ffi::{c_char, c_void};

use super::buffer::sdp_dal_buffer;
use super::call::sdp_dal_call;
use super::call_inputs::Input;
use super::guard::{guard, Site};
use super::handle::make;
use super::status::sdp_dal_status;
use super::structs::{Out, OutStruct};
use super::view::sdp_dal_tensor_view;
use crate::error::Result;

/// The bytes of the call's object: an Arrow IPC stream of one record batch, of which sdp_dal_call_info's row is the row. They are
/// there whatever becomes of the call.
///
/// out: The caller owns *out and must call sdp_dal_buffer_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also once the call, and all others of its batch, have ended). Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_get_buffer(
    call: *const sdp_dal_call,
    out: *mut *mut sdp_dal_buffer,
) -> sdp_dal_status {
    guard("sdp_dal_call_get_buffer", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, handle) = unsafe { (site.out(out, "out")?, site.handle(call, "call")?) };
        out.set(make(handle.call().object()?));
        Ok(())
    })
}

/// How many threads this run may use: the processor's threads (sdp_dal_processor_options), else what this thread's
/// affinity and the control group's quota leave, shared among the threads that work for the processor at this moment.
///
/// out: 1 or more.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_get_threads(
    call: *const sdp_dal_call,
    out: *mut i32,
) -> sdp_dal_status {
    guard("sdp_dal_call_get_threads", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, handle) = unsafe { (site.out(out, "out")?, site.handle(call, "call")?) };
        out.set(i32::try_from(handle.call().thread_budget()).unwrap_or(i32::MAX));
        Ok(())
    })
}

/// Reports how far the call has come. Anyone who has a reference to one of its outputs can read it, by sdp_dal_ref_get_state().
/// Costs some nanoseconds; any thread may report.
///
/// fraction: 0 to 1; what lies outside is cut.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a NaN), SDP_DAL_FORKED. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_set_progress(
    call: *const sdp_dal_call,
    fraction: f64,
) -> sdp_dal_status {
    guard("sdp_dal_call_set_progress", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.handle(call, "call")? }.call().set_progress(fraction)
    })
}

/// Says that the calling thread runs the function of this call, from now until the call has ended. In pull style any thread may
/// work on a call, so the library does not know by itself. A wait in this thread that could never end then fails with
/// SDP_DAL_INVALID_ARGUMENT: one for what only this function's own turn could make. sdp_dal_processor_process() does this by
/// itself.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_run_here(call: *const sdp_dal_call) -> sdp_dal_status {
    guard("sdp_dal_call_run_here", |site| {
        // SAFETY: the header's rules for pointers.
        let handle = unsafe { site.handle(call, "call")? };
        handle.call().run_here();
        Ok(())
    })
}

/// A handle by which the outputs can be written after the function has returned, from any thread: the call ends with
/// sdp_dal_call_finish(), or when the handle is freed (and every other that may write its outputs). A function that
/// returns an error ends the call all the same.
///
/// The function no longer counts as running once it has returned: its next call may be run, also if it is
/// SDP_DAL_FUNCTION_ORDERED. In pull style that is when the handle of sdp_dal_processor_next() is freed. The handle may
/// outlive the processor, and with it the user_data of the function.
///
/// out: The caller owns *out and must call sdp_dal_call_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the call has ended). Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_defer(
    call: *const sdp_dal_call,
    out: *mut *mut sdp_dal_call,
) -> sdp_dal_status {
    guard("sdp_dal_call_defer", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, handle) = unsafe { (site.out(out, "out")?, site.handle(call, "call")?) };
        out.set(make(handle.defer()?));
        Ok(())
    })
}

/// Where a private copy is to go.
struct CopyOuts {
    view: OutStruct<sdp_dal_tensor_view>,
    data: Out<*mut c_void>,
}

impl Site {
    /// # Safety
    /// The header's rules for pointers.
    unsafe fn copy_outs(
        self,
        out_view: *mut sdp_dal_tensor_view,
        out_data: *mut *mut c_void,
    ) -> Result<CopyOuts> {
        // SAFETY: the caller's promise. Both are cleared, also if one of them is NULL.
        let (data, view) = unsafe { (self.out(out_data, "out_data"), self.out_struct(out_view, "out_view")) };
        Ok(CopyOuts { view: view?, data: data? })
    }
}

impl CopyOuts {
    fn set(self, input: &Input<'_>) -> Result<()> {
        let stored = input.state.input_in(input.param, None)?;
        let copy = input.state.call().copy_tensor(input.param)?;
        let view = stored.view_of_copy(&copy);
        self.view.set(view);
        self.data.set(copy.data.cast());
        Ok(())
    }
}

/// A private copy of an input tensor, which may be written: for libraries that scribble on their inputs. It is made when it
/// is asked for first; asking for the same parameter again gives the same memory, as it is then.
///
/// out_view: filled; set its struct_size first. The copy, in the order that the signature asks for
/// ("float64[row,chan] C"), else in that in which the tensor is stored: C or F, as its order and strides say.
/// out_data: its elements, 64-byte aligned, writable. Both are borrowed: valid until the callback returns or the last
/// handle of the call is freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND,
/// SDP_DAL_OUT_OF_MEMORY. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_copy_tensor(
    call: *const sdp_dal_call,
    name: *const c_char,
    out_view: *mut sdp_dal_tensor_view,
    out_data: *mut *mut c_void,
) -> sdp_dal_status {
    guard("sdp_dal_call_copy_tensor", |site| {
        // SAFETY: the header's rules for pointers.
        let (outs, input) = unsafe { (site.copy_outs(out_view, out_data)?, site.input(call, name)?) };
        outs.set(&input)
    })
}
