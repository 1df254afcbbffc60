//! Complex numbers, object IDs and objects of any kind, to and from calls.

use std::ffi::{c_char, c_void};

use super::args::{sdp_dal_args, Value};
use super::call::sdp_dal_call;
use super::guard::{guard, Site};
use super::status::sdp_dal_status;
use crate::error::Result;
use crate::wire::Cell;

impl Site {
    /// # Safety
    /// The header's rules for pointers.
    unsafe fn get_complex(
        self,
        call: *const sdp_dal_call,
        name: *const c_char,
        out_re: *mut f64,
        out_im: *mut f64,
    ) -> Result<()> {
        // SAFETY: the caller's promise.
        let ((re, im), state, param) = unsafe {
            let out = self.outs((out_re, "out_re"), (out_im, "out_im"))?;
            let state = self.handle(call, "call")?;
            (out, state, self.param(state.call(), name)?)
        };
        let spec = &state.call().schema().params[param];
        let value = state.call().cell(param)?.complex().ok_or_else(|| {
            let (name, function) = (&spec.name, state.call().function());
            let found = if matches!(state.call().cell(param), Ok(Cell::Null)) {
                "null: ask sdp_dal_call_is_null() first".to_owned()
            } else {
                spec.ty.to_string()
            };
            self.wrong(format_args!(
                "a complex number is asked for, but parameter '{name}' of {function} is {found}"
            ))
        })?;
        re.set(value.0);
        im.set(value.1);
        Ok(())
    }

    /// # Safety
    /// The header's rules for pointers.
    unsafe fn get_id(self, call: *const sdp_dal_call, name: *const c_char, out_id: *mut u8) -> Result<()> {
        // SAFETY: the caller's promise.
        let (out, state, param) = unsafe {
            let out = self.id_out(out_id, "out_id")?;
            let state = self.handle(call, "call")?;
            (out, state, self.param(state.call(), name)?)
        };
        out.set(state.call().object_id(param)?);
        Ok(())
    }

    /// # Safety
    /// The header's rules for pointers.
    unsafe fn put_object(
        self,
        call: *const sdp_dal_call,
        name: *const c_char,
        (data, size): (*const c_void, usize),
        (metadata, metadata_size): (*const c_void, usize),
    ) -> Result<()> {
        // SAFETY: the caller's promise; the memory is only used until we return.
        unsafe {
            let state = self.handle(call, "call")?;
            let param = self.param(state.call(), name)?;
            let data = self.bytes(data.cast(), size, "data")?;
            let metadata = self.bytes(metadata.cast(), metadata_size, "metadata")?;
            state.call().put_object(param, data, metadata)
        }
    }
}

/// Gives a parameter a complex number for a parameter of type complex64 or complex128.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_set_complex(
    args: *mut sdp_dal_args,
    name: *const c_char,
    re: f64,
    im: f64,
) -> sdp_dal_status {
    guard("sdp_dal_args_set_complex", |site| {
        let value = Ok(Value::Cell(Cell::Complex(re, im)));
        // SAFETY: the header's rules for pointers.
        unsafe { site.add(args, name, value) }
    })
}

/// A complex number.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_get_complex(
    call: *const sdp_dal_call,
    name: *const c_char,
    out_re: *mut f64,
    out_im: *mut f64,
) -> sdp_dal_status {
    guard("sdp_dal_call_get_complex", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.get_complex(call, name, out_re, out_im) }
    })
}

/// The ID of a tensor, table, oid or id parameter, input or output.
///
/// out_id: room for SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_get_id(
    call: *const sdp_dal_call,
    name: *const c_char,
    out_id: *mut u8,
) -> sdp_dal_status {
    guard("sdp_dal_call_get_id", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.get_id(call, name, out_id) }
    })
}

/// Writes an output of type oid, an object of any kind, with one copy and seals it.
///
/// data, size: the object's bytes; data may be NULL if size is 0.
/// metadata, metadata_size: its metadata; metadata may be NULL if metadata_size is 0.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for an output of another type, or a null one), SDP_DAL_NOT_FOUND,
/// SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY. Blocks while the store is full, up
/// to SDP_DAL_FULL_TIMEOUT.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_put_object(
    call: *const sdp_dal_call,
    name: *const c_char,
    data: *const c_void,
    size: usize,
    metadata: *const c_void,
    metadata_size: usize,
) -> sdp_dal_status {
    guard("sdp_dal_call_put_object", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.put_object(call, name, (data, size), (metadata, metadata_size)) }
    })
}
