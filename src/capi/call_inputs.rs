//! What a processing function reads from its call, by name.

use std::ffi::{c_char, c_void};

use super::call::{sdp_dal_call, CallHandle};
use super::guard::{guard, Site};
use super::handle::make;
use super::reference::{sdp_dal_ref, RefState};
use super::status::sdp_dal_status;
use super::tensor::{sdp_dal_tensor, HeldTensor};
use super::view::sdp_dal_tensor_view;
use crate::error::{Error, Result};
use crate::wire::Cell;

/// One parameter of a call.
pub(super) struct Input<'a> {
    site: Site,
    pub(super) state: &'a CallHandle,
    pub(super) param: usize,
}

impl Site {
    /// # Safety
    /// The header's rules for pointers.
    pub(super) unsafe fn input<'a>(
        self,
        call: *const sdp_dal_call,
        name: *const c_char,
    ) -> Result<Input<'a>> {
        // SAFETY: the caller's promise.
        unsafe {
            let state = self.handle(call, "call")?;
            Ok(Input { site: self, state, param: self.param(state.call(), name)? })
        }
    }
}

impl<'a> Input<'a> {
    fn cell(&self) -> Result<&'a Cell> {
        self.state.call().cell(self.param)
    }

    fn is_null(&self) -> Result<bool> {
        self.state.call().is_null(self.param)
    }

    fn int64(&self) -> Result<i64> {
        match self.cell()? {
            Cell::Int(value) => Ok(*value),
            Cell::Uint(value) => i64::try_from(*value).map_err(|_| self.too_large(value)),
            other => Err(self.mismatch(other, "an integer")),
        }
    }

    fn uint64(&self) -> Result<u64> {
        match self.cell()? {
            Cell::Uint(value) => Ok(*value),
            Cell::Int(value) => u64::try_from(*value).map_err(|_| self.too_large(value)),
            other => Err(self.mismatch(other, "an integer")),
        }
    }

    fn double(&self) -> Result<f64> {
        match self.cell()? {
            Cell::Float(value) => Ok(*value),
            other => Err(self.mismatch(other, "a floating-point number")),
        }
    }

    fn bool(&self) -> Result<bool> {
        match self.cell()? {
            Cell::Bool(value) => Ok(*value),
            other => Err(self.mismatch(other, "a bool")),
        }
    }

    fn string(&self) -> Result<&'a str> {
        match self.cell()? {
            Cell::Utf8(value) => Ok(value),
            other => Err(self.mismatch(other, "a text")),
        }
    }

    fn binary(&self) -> Result<&'a [u8]> {
        match self.cell()? {
            Cell::Binary(value) => Ok(value),
            other => Err(self.mismatch(other, "bytes")),
        }
    }

    fn complex(&self) -> Result<(f64, f64)> {
        let cell = self.cell()?;
        cell.complex().ok_or_else(|| match cell {
            Cell::Array(_) => {
                let ty = &self.state.call().schema().params[self.param].ty;
                let text = format!("a complex number was requested, but {} is {ty}", self.name());
                self.site.wrong(text)
            }
            other => self.mismatch(other, "a complex number"),
        })
    }

    pub(super) fn tensor(&self) -> Result<&'a HeldTensor> {
        self.state.input(self.param)
    }

    fn hold(&self) -> Result<HeldTensor> {
        Ok(HeldTensor::new(self.state.call().tensor(self.param)?))
    }

    fn reference(&self) -> Result<RefState> {
        Ok(RefState::new(self.state.call().reference(self.param)?))
    }

    fn name(&self) -> String {
        let call = self.state.call();
        format!("parameter '{}' of {}", call.schema().params[self.param].name, call.function())
    }

    fn too_large(&self, value: impl std::fmt::Display) -> Error {
        self.site.wrong(format_args!("{} is {value}, which the requested type cannot hold", self.name()))
    }

    fn mismatch(&self, found: &Cell, asked: &str) -> Error {
        let found = match found {
            Cell::Null => "is null: call sdp_dal_call_is_null() first",
            Cell::Bool(_) => "is a bool: use sdp_dal_call_get_bool()",
            Cell::Int(_) => "is a signed integer: use sdp_dal_call_get_int64()",
            Cell::Uint(_) => "is an unsigned integer: use sdp_dal_call_get_uint64()",
            Cell::Float(_) => "is a floating-point number: use sdp_dal_call_get_double()",
            Cell::Utf8(_) => "is a text: use sdp_dal_call_get_string()",
            Cell::Binary(_) => "is binary: use sdp_dal_call_get_binary()",
            Cell::Id(_) | Cell::Part(..) => {
                "is an object: use sdp_dal_call_get_tensor() or sdp_dal_call_get_ref()"
            }
            Cell::Complex(..) => "is a complex number: use sdp_dal_call_get_complex()",
            Cell::Array(_) => "has another type: use sdp_dal_call_get_arrow()",
        };
        self.site.wrong(format_args!("{asked} was requested, but {} {found}", self.name()))
    }
}

/// Checks whether a parameter was left out or is null.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_is_null(
    call: *const sdp_dal_call,
    name: *const c_char,
    out: *mut bool,
) -> sdp_dal_status {
    guard("sdp_dal_call_is_null", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, input) = unsafe { (site.out(out, "out")?, site.input(call, name)?) };
        out.set(input.is_null()?);
        Ok(())
    })
}

/// Returns the value of an integer parameter.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_get_int64(
    call: *const sdp_dal_call,
    name: *const c_char,
    out: *mut i64,
) -> sdp_dal_status {
    guard("sdp_dal_call_get_int64", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, input) = unsafe { (site.out(out, "out")?, site.input(call, name)?) };
        out.set(input.int64()?);
        Ok(())
    })
}

/// Returns the value of an integer parameter that is not negative.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_get_uint64(
    call: *const sdp_dal_call,
    name: *const c_char,
    out: *mut u64,
) -> sdp_dal_status {
    guard("sdp_dal_call_get_uint64", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, input) = unsafe { (site.out(out, "out")?, site.input(call, name)?) };
        out.set(input.uint64()?);
        Ok(())
    })
}

/// Returns the value of a floating-point parameter.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_get_double(
    call: *const sdp_dal_call,
    name: *const c_char,
    out: *mut f64,
) -> sdp_dal_status {
    guard("sdp_dal_call_get_double", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, input) = unsafe { (site.out(out, "out")?, site.input(call, name)?) };
        out.set(input.double()?);
        Ok(())
    })
}

/// Returns the value of a complex parameter.
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
        let ((re, im), input) =
            unsafe { (site.outs((out_re, "out_re"), (out_im, "out_im"))?, site.input(call, name)?) };
        let value = input.complex()?;
        re.set(value.0);
        im.set(value.1);
        Ok(())
    })
}

/// Returns the value of a bool parameter.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_get_bool(
    call: *const sdp_dal_call,
    name: *const c_char,
    out: *mut bool,
) -> sdp_dal_status {
    guard("sdp_dal_call_get_bool", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, input) = unsafe { (site.out(out, "out")?, site.input(call, name)?) };
        out.set(input.bool()?);
        Ok(())
    })
}

/// Copies the text of a utf8 parameter. It may contain NUL bytes, which *length includes.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_get_string(
    call: *const sdp_dal_call,
    name: *const c_char,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_call_get_string", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, input) = unsafe { (site.text_out(buffer, length)?, site.input(call, name)?) };
        out.set(input.string()?);
        Ok(())
    })
}

/// Returns the bytes of a binary parameter.
///
/// out, out_size: address and number of bytes. Borrowed: valid until the callback returns or the last handle of the
/// call is freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_get_binary(
    call: *const sdp_dal_call,
    name: *const c_char,
    out: *mut *const c_void,
    out_size: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_call_get_binary", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, input) =
            unsafe { (site.outs((out, "out"), (out_size, "out_size"))?, site.input(call, name)?) };
        let bytes = input.binary()?;
        out.0.set(bytes.as_ptr().cast());
        out.1.set(bytes.len());
        Ok(())
    })
}

/// Returns the view of an input tensor.
///
/// Nothing is copied, unless an order is requested and the tensor is stored in the other order. Then it is copied once
/// per call.
///
/// order: one of sdp_dal_order. SDP_DAL_ORDER_ANY: the order in the signature, as in "float64[row,chan] C". If the
/// signature has none, the order in which it is stored, C or F, as out->order and out->strides tell.
/// out: filled in. Set its struct_size first. Borrowed: its pointers are valid until the callback returns or the last
/// handle of the call is freed. The elements must not be written.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND,
/// SDP_DAL_OUT_OF_MEMORY (for a copy). Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_get_tensor(
    call: *const sdp_dal_call,
    name: *const c_char,
    order: i32,
    out: *mut sdp_dal_tensor_view,
) -> sdp_dal_status {
    guard("sdp_dal_call_get_tensor", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, input) = unsafe { (site.out_struct(out, "out")?, site.input(call, name)?) };
        let held = match site.order(order, "order")? {
            None => input.tensor()?,
            order => input.state.input_in(input.param, order)?,
        };
        out.set(held.view());
        Ok(())
    })
}

/// Returns a handle of an input tensor that may outlive the call. Order and copying are like those of
/// sdp_dal_call_get_tensor().
///
/// out: The caller owns *out and must call sdp_dal_tensor_free().
/// out_view: filled in as by sdp_dal_tensor_get_view(). Set its struct_size first. May be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND,
/// SDP_DAL_OUT_OF_MEMORY (for a copy). Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_hold_tensor(
    call: *const sdp_dal_call,
    name: *const c_char,
    out: *mut *mut sdp_dal_tensor,
    out_view: *mut sdp_dal_tensor_view,
) -> sdp_dal_status {
    guard("sdp_dal_call_hold_tensor", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, out_view, input) = unsafe {
            (site.out(out, "out")?, site.out_struct_or_none(out_view, "out_view")?, site.input(call, name)?)
        };
        let held = input.hold()?;
        if let Some(out_view) = out_view {
            out_view.set(held.view());
        }
        out.set(make(held));
        Ok(())
    })
}

/// Returns the ID of a tensor, table, oid or id parameter, input or output.
///
/// out_id: a buffer of SDP_DAL_ID_SIZE bytes.
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
        let (out, input) = unsafe { (site.id_out(out_id, "out_id")?, site.input(call, name)?) };
        out.set(input.state.call().object_id(input.param)?);
        Ok(())
    })
}

/// Creates a borrowed reference to the object of a tensor, table, oid or id parameter, input or output, for instance to
/// pass it on. A tensor that is read through it is in the order in which it is stored.
///
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_get_ref(
    call: *const sdp_dal_call,
    name: *const c_char,
    out: *mut *mut sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_call_get_ref", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, input) = unsafe { (site.out(out, "out")?, site.input(call, name)?) };
        out.set(make(input.reference()?));
        Ok(())
    })
}
