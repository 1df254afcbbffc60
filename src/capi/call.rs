//! sdp_dal_call: a call that a processor works on.

use std::ffi::c_char;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

use super::guard::{guard, guard_value, Site};
use super::handle::{make, word, Handle, Lent};
use super::schema::{sdp_dal_schema, SchemaState};
use super::status::sdp_dal_status;
use super::structs::Extensible;
use super::tensor::{HeldTensor, LentView};
use super::view::sdp_dal_tensor_view;
use crate::dal::Call;
use crate::error::{Error, Kind, Result};
use crate::store::ID_SIZE;
use crate::sync::atomic::Mutex;
use crate::wire::Order;

/// A call that a processor took. In a callback it is borrowed. sdp_dal_processor_next() returns one that the caller of
/// that function owns.
///
/// Its outputs can be written until the call ends. sdp_dal_call_finish() ends it. It also ends when the callback has
/// returned, and the handle from sdp_dal_processor_next() and all handles from sdp_dal_call_defer() are freed. Outputs
/// that are not sealed then fail with SDP_DAL_OUTPUT_NOT_WRITTEN, and sealed outputs stay. What was read from a call is
/// valid longer: until its last handle is freed, including those from sdp_dal_call_retain().
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

    /// A view of the memory of an output that the call keeps, as it is now. Valid as long as a handle of the call.
    pub(super) fn output(&self, param: usize) -> Result<NonNull<sdp_dal_tensor_view>> {
        let view = LentView::new(self.call().output_memory(param)?);
        let mut outputs = self.state.outputs.lock();
        // Mostly it is asked for again as it was.
        if let Some(known) = outputs.iter().find(|known| known.is_of(&view)) {
            return Ok(known.view());
        }
        let lent = view.view();
        outputs.push(view);
        Ok(lent)
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
    /// Views of outputs, as they were asked for.
    outputs: Mutex<Vec<LentView>>,
    /// The function's schema, once it was asked for.
    schema: OnceLock<Lent<sdp_dal_schema>>,
}

impl CallState {
    fn new(call: Call) -> CallState {
        CallState { call, inputs: OnceLock::new(), outputs: Mutex::default(), schema: OnceLock::new() }
    }

    fn schema(&self) -> *const sdp_dal_schema {
        let lend = || Lent::new(SchemaState::new(self.call.schema().clone()));
        self.schema.get_or_init(lend).as_ptr()
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
}

/// Description of a call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_call_info {
    /// sizeof(sdp_dal_call_info).
    pub struct_size: usize,
    /// The name of the function that is called. Borrowed: valid until the last handle of the call is freed.
    pub function: *const c_char,
    /// Its index in the order in which the functions of the processor were registered, from 0. Each form counts as one.
    pub function_index: usize,
    /// Index of the row of a batch, 0 for a single call.
    pub row: usize,
    /// The number of the function's parameters, outputs included.
    pub num_params: usize,
    /// The number of the client that called, as in lists of clients.
    pub caller: u32,
    /// The ID of the call, which is an object itself. The rows of a batch have the same ID.
    pub id: [u8; 20],
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_call_info {
    const NAME: &'static str = "sdp_dal_call_info";
}
const _: () = assert!(size_of::<sdp_dal_call_info>() == 5 * size_of::<usize>() + 4 + ID_SIZE);

/// Returns the description of a call.
///
/// out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_get_info(
    call: *const sdp_dal_call,
    out: *mut sdp_dal_call_info,
) -> sdp_dal_status {
    guard("sdp_dal_call_get_info", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, state) = unsafe { (site.out_struct(out, "out")?, site.handle(call, "call")?) };
        out.set(info_of(state.call()));
        Ok(())
    })
}

/// Borrows from the call.
pub(super) fn info_of(call: &Call) -> sdp_dal_call_info {
    sdp_dal_call_info {
        struct_size: 0,
        function: call.function_text().as_ptr(),
        function_index: call.function_index(),
        row: call.row(),
        num_params: call.schema().params.len(),
        caller: call.caller(),
        id: *call.id().as_bytes(),
    }
}

/// Returns the schema of the called function or form, as the processor registered it.
///
/// out: Borrowed: valid until the last handle of the call is freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_get_schema(
    call: *const sdp_dal_call,
    out: *mut *const sdp_dal_schema,
) -> sdp_dal_status {
    guard("sdp_dal_call_get_schema", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, handle) = unsafe { (site.out(out, "out")?, site.handle(call, "call")?) };
        out.set(handle.state.schema());
        Ok(())
    })
}

/// Returns whether no client wants the outputs any more, so that a long function can stop. Returns false if call is not
/// a call handle. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_is_cancelled(call: *const sdp_dal_call) -> bool {
    guard_value("sdp_dal_call_is_cancelled", false, |site| {
        // SAFETY: the header's rules for pointers.
        Ok(unsafe { site.handle(call, "call")? }.call().is_cancelled())
    })
}

/// Fails all outputs that are not sealed yet. Waiting for one of them then returns this status and this message.
///
/// status: one of the negative values of sdp_dal_status_code, such as SDP_DAL_FUNCTION_FAILED.
/// message: what went wrong, for the caller. Up to 2048 bytes are kept.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_BUSY. Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_fail(
    call: *mut sdp_dal_call,
    status: i32,
    message: *const c_char,
) -> sdp_dal_status {
    guard("sdp_dal_call_fail", |site| {
        // SAFETY: the header's rules for pointers.
        let (state, message) = unsafe { (site.handle(call, "call")?, site.text(message, "message")?) };
        let kind = Kind::from_code(status).ok_or_else(|| {
            site.wrong(format_args!(
                "'status' is {status}, expected the status of an error (a negative value)"
            ))
        })?;
        state.call().fail(&Error::new(kind, message))
    })
}

/// Creates another handle of the same call, which keeps what was read from the call valid: values, views and private
/// copies. It does not keep the call open: after the call has ended, its outputs cannot be written. Use
/// sdp_dal_call_defer() for that.
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

/// Frees a handle of a call. The call ends when the last handle that may write its outputs is freed, and outputs that
/// are not sealed fail. NULL is allowed. Waits at most 100 ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_free(call: *mut sdp_dal_call) {
    guard("sdp_dal_call_free", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(call, "call") }
    });
}
