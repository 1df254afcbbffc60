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

/// Returns the bytes of the object of the call: an Arrow IPC stream of one record batch. The row of this call is the
/// field row of sdp_dal_call_info. The bytes stay valid after the call has ended.
///
/// out: The caller owns *out and must call sdp_dal_buffer_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the call, and all others of its batch, have already ended). Does not
/// block.
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

/// Returns how many threads this run may use. It is the number of threads in sdp_dal_processor_options, shared among the
/// threads that work for the processor at this moment. Default: as many as the CPU affinity of this thread and the quota
/// of the control group allow, shared among the processes that run functions of this store at this moment, and then in
/// the same way. Only processes with the same affinity and in the same control group with a quota share their CPUs. A
/// function that started earlier keeps what it has.
///
/// out: 1 or more. OpenMP, OpenBLAS and MKL are told it before the function runs, see SDP_DAL_PROCESSOR_LEAVE_POOLS.
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

/// Reports the progress of the call. Clients with a reference to one of its outputs can read it with
/// sdp_dal_ref_get_state(). It costs some nanoseconds, and any thread may call it.
///
/// fraction: 0 to 1. Other values are clamped.
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

/// Declares that the calling thread runs the function of this call, from now until the call has ended. After
/// sdp_dal_processor_next() any thread may work on a call, so the library cannot know this by itself. A wait in this
/// thread that could never end then fails with SDP_DAL_INVALID_ARGUMENT, see sdp_dal_ref_wait().
/// sdp_dal_processor_process() does this automatically.
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

/// Creates a handle with which the outputs can be written after the function has returned, from any thread. The call
/// ends with sdp_dal_call_finish(), or when this handle and all others that may write its outputs are freed. If the
/// function returns an error, the call ends nevertheless.
///
/// The function no longer counts as running when it has returned: its next call may run, also if it is
/// SDP_DAL_FUNCTION_ORDERED. With sdp_dal_processor_next() it counts as running until that handle is freed. The new
/// handle may outlive the processor and the user_data of the function.
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

/// Returns a private copy of an input tensor, which may be written, for libraries that overwrite their inputs. The
/// first call for a parameter creates the copy. Later calls return the same memory, with any changes.
///
/// out_view: filled in. Set its struct_size first. The copy is in the order in the signature ("float64[row,chan] C"). If
/// the signature has none, it is in the order in which the tensor is stored, C or F, as its order and strides tell.
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
