//! sdp_dal_call: a call that a processor works on.

use std::ffi::c_char;
use std::sync::{Arc, OnceLock};

use super::guard::{guard, guard_value, Site};
use super::handle::{make, word, Handle};
use super::schema::{info_of, sdp_dal_param_info};
use super::status::sdp_dal_status;
use super::tensor::HeldTensor;
use crate::dal::Call;
use crate::error::{Error, Kind, Result};
use crate::wire::Order;

/// A call that a processor took. In a callback it is borrowed; sdp_dal_processor_next() gives one that you own.
///
/// Its outputs can be written until it ends: by sdp_dal_call_finish(), or when nobody is left who owes them. These are the
/// callback, until it has returned; the handle that sdp_dal_processor_next() gave, until it is freed; and each handle that
/// sdp_dal_call_defer() gave, until it is freed. What was not sealed then fails with SDP_DAL_OUTPUT_NOT_WRITTEN; sealed
/// outputs stay. What was read from a call is valid longer: until its last handle is freed, those of
/// sdp_dal_call_retain() included.
pub struct sdp_dal_call {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_call {
    type Value = CallHandle;
    const WORD: u64 = word(b"sdpCall_");
}

/// What a handle holds: everything that was read from the call, and perhaps the duty to write its outputs.
pub(super) struct CallHandle {
    state: Arc<CallState>,
    /// The call as it was given to this handle, which it keeps open; None: the state's.
    owner: Option<Call>,
}

impl CallHandle {
    /// For a callback: the library keeps the call open until it has returned.
    pub(super) fn lent(call: &Call) -> CallHandle {
        CallHandle { state: Arc::new(CallState::new(call.clone())), owner: None }
    }

    /// For a call that whoever gets the handle is to end.
    pub(super) fn owning(call: Call) -> CallHandle {
        CallHandle { state: Arc::new(CallState::new(call.clone())), owner: Some(call) }
    }

    pub(super) fn retain(&self) -> CallHandle {
        CallHandle { state: self.state.clone(), owner: None }
    }

    pub(super) fn defer(&self) -> Result<CallHandle> {
        Ok(CallHandle { state: self.state.clone(), owner: Some(self.state.call.defer()?) })
    }

    pub(super) fn call(&self) -> &Call {
        self.owner.as_ref().unwrap_or(&self.state.call)
    }

    /// An input tensor whose view lives as long as a handle of the call: in the order that its parameter asks for.
    pub(super) fn input(&self, param: usize) -> Result<&HeldTensor> {
        self.state.input(param, self.call().schema().params[param].ty.order())
    }

    /// The same in an order; in none: as it is stored.
    pub(super) fn input_in(&self, param: usize, order: Option<Order>) -> Result<&HeldTensor> {
        self.state.input(param, order)
    }
}

/// A call, and what the views of its inputs point to; shared by the handles of a call.
struct CallState {
    /// Does not keep the call open.
    call: Call,
    /// Made when a view is asked for; for each parameter as it is stored, in C and in F order, filled when that is asked for.
    inputs: OnceLock<Vec<[OnceLock<Box<HeldTensor>>; 3]>>,
}

impl CallState {
    fn new(call: Call) -> CallState {
        CallState { call, inputs: OnceLock::new() }
    }

    fn input(&self, param: usize, order: Option<Order>) -> Result<&HeldTensor> {
        let inputs = self
            .inputs
            .get_or_init(|| self.call.schema().params.iter().map(|_| Default::default()).collect());
        let Some([stored, c, f]) = inputs.get(param) else {
            return Err(Error::internal("a parameter's index was not checked"));
        };
        let place = match order {
            None => stored,
            Some(Order::C) => c,
            Some(Order::F) => f,
        };
        if place.get().is_none() {
            // Another thread may be faster: then both tensors are the same, and ours goes.
            let _ = place.set(Box::new(HeldTensor::new(self.call.tensor_in(param, order)?)));
        }
        place.get().map(|held| &**held).ok_or_else(|| Error::internal("an input was lost"))
    }
}

impl Site {
    /// The index of a parameter.
    ///
    /// # Safety
    /// The header's rules for pointers.
    pub(super) unsafe fn param(self, call: &Call, name: *const c_char) -> Result<usize> {
        // SAFETY: the caller's promise.
        call.param(unsafe { self.text(name, "name")? })
    }

    fn check_index(self, call: &Call, index: usize) -> Result<()> {
        let count = call.schema().params.len();
        if index < count {
            return Ok(());
        }
        Err(self
            .wrong(format_args!("'index' is {index}, function {} has {count} parameters", call.function())))
    }
}

/// Copies the name of the function that is called.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_function(
    call: *const sdp_dal_call,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_call_function", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, state) = unsafe { (site.text_out(buffer, length)?, site.handle(call, "call")?) };
        out.set(state.call().function());
        Ok(())
    })
}

/// Which function is called: its place in the order in which the processor's functions were registered, from 0; 0 if call is
/// no call. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_function_index(call: *const sdp_dal_call) -> usize {
    guard_value("sdp_dal_call_function_index", 0, |site| {
        // SAFETY: the header's rules for pointers.
        let state = unsafe { site.handle(call, "call")? };
        Ok(state.call().function_index())
    })
}

/// Copies the signature of the function that is called.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_signature(
    call: *const sdp_dal_call,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_call_signature", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, state) = unsafe { (site.text_out(buffer, length)?, site.handle(call, "call")?) };
        out.set(&state.call().schema().to_string());
        Ok(())
    })
}

/// Which row of a batch this call is; 0 for a single call, and if call is no call. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_row(call: *const sdp_dal_call) -> usize {
    guard_value("sdp_dal_call_row", 0, |site| {
        // SAFETY: the header's rules for pointers.
        Ok(unsafe { site.handle(call, "call")? }.call().row())
    })
}

/// The number of parameters, outputs included, of the function; 0 if call is no call. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_num_params(call: *const sdp_dal_call) -> usize {
    guard_value("sdp_dal_call_num_params", 0, |site| {
        // SAFETY: the header's rules for pointers.
        Ok(unsafe { site.handle(call, "call")? }.call().schema().params.len())
    })
}

/// Copies the name of a parameter.
///
/// index: 0 to sdp_dal_call_num_params() - 1, in the order of the signature.
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_param_name(
    call: *const sdp_dal_call,
    index: usize,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_call_param_name", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, state) = unsafe { (site.text_out(buffer, length)?, site.handle(call, "call")?) };
        site.check_index(state.call(), index)?;
        out.set(&state.call().schema().params[index].name);
        Ok(())
    })
}

/// The index of a parameter: its place in the signature.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_param_index(
    call: *const sdp_dal_call,
    name: *const c_char,
    out: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_call_param_index", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, index) = unsafe {
            let out = site.out(out, "out")?;
            let state = site.handle(call, "call")?;
            (out, site.param(state.call(), name)?)
        };
        out.set(index);
        Ok(())
    })
}

/// What a parameter is.
///
/// index: 0 to sdp_dal_call_num_params() - 1. out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_param_info(
    call: *const sdp_dal_call,
    index: usize,
    out: *mut sdp_dal_param_info,
) -> sdp_dal_status {
    guard("sdp_dal_call_param_info", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, state) = unsafe { (site.out_struct(out, "out")?, site.handle(call, "call")?) };
        site.check_index(state.call(), index)?;
        out.set(info_of(&state.call().schema().params[index]));
        Ok(())
    })
}

/// Whether nobody wants the outputs any more: a long function may stop then. False if call is no call. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_is_cancelled(call: *const sdp_dal_call) -> bool {
    guard_value("sdp_dal_call_is_cancelled", false, |site| {
        // SAFETY: the header's rules for pointers.
        Ok(unsafe { site.handle(call, "call")? }.call().is_cancelled())
    })
}

/// Fails all outputs that are not sealed yet; waiting for one of them then gives this status and this text.
///
/// status: one of the negative values of sdp_dal_status_code, as SDP_DAL_FUNCTION_FAILED.
/// message: what went wrong, for the people who called; up to 2048 bytes are kept.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_BUSY. Does not wait for others.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_fail(
    call: *mut sdp_dal_call,
    status: i32,
    message: *const c_char,
) -> sdp_dal_status {
    guard("sdp_dal_call_fail", |site| {
        // SAFETY: the header's rules for pointers.
        let (state, message) = unsafe { (site.handle(call, "call")?, site.text(message, "message")?) };
        let kind = Kind::from_code(status)
            .ok_or_else(|| site.wrong(format_args!("'status' is {status}, an error's status is needed")))?;
        state.call().fail(&Error::new(kind, message))
    })
}

/// A further handle of the same call, which keeps what was read from it valid: values, views, private copies. It does not
/// keep the call open: once the call has ended its outputs cannot be written by it (sdp_dal_call_defer() is for that).
///
/// out: The caller owns *out and must call sdp_dal_call_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_retain(
    call: *const sdp_dal_call,
    out: *mut *mut sdp_dal_call,
) -> sdp_dal_status {
    guard("sdp_dal_call_retain", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, handle) = unsafe { (site.out(out, "out")?, site.handle(call, "call")?) };
        out.set(make(handle.retain()));
        Ok(())
    })
}

/// Ends a handle of a call that you own. With the last one that may write its outputs the call ends, and those that were not
/// sealed fail. NULL is allowed. Waits at most 100 ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_free(call: *mut sdp_dal_call) {
    guard("sdp_dal_call_free", |site| {
        // SAFETY: the header's rules for pointers.
        drop(unsafe { site.end(call, "call")? });
        Ok(())
    });
}
