//! sdp_dal_value: parameters of a call as an array, so that each phase of a call crosses the boundary once.

use std::ffi::{c_char, c_void};
use std::ptr;

use crate::arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use crate::arrow::ffi_stream::FFI_ArrowArrayStream;

use super::args::{sdp_dal_args, Value};
use super::call::{sdp_dal_call, CallHandle};
use super::caller::sdp_dal_caller;
use super::guard::{guard, Site};
use super::handle::make;
use super::reference::{sdp_dal_ref, RefState};
use super::status::sdp_dal_status;
use super::types::{order_code, sdp_dal_value_flag as flag, sdp_dal_value_kind as kind};
use super::view::{sdp_dal_tensor_view, CallersTensor};
use crate::dal::{Arg, Call};
use crate::error::{Error, Result};
use crate::store::ID_SIZE;
use crate::wire::{Cell, Direction, ParamType, TableSource};

/// The value of one parameter of a call. All zero bytes mean null.
///
/// kind defines which of the other fields are used. The others are 0 or NULL.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_value {
    /// One of sdp_dal_value_kind.
    pub kind: i32,
    /// Bits of sdp_dal_value_flag.
    pub flags: u32,
    /// A bool (0 or 1), or a signed integer.
    pub int64: i64,
    /// An unsigned integer.
    pub uint64: u64,
    /// A floating-point number, or the real part of a complex one.
    pub real: f64,
    /// The imaginary part.
    pub imag: f64,
    /// A text in UTF-8, bytes, or the SDP_DAL_ID_SIZE bytes of an ID.
    pub data: *const c_void,
    /// Size of data in bytes. A text needs no final NUL.
    pub size: usize,
    /// A tensor.
    pub view: *const sdp_dal_tensor_view,
    /// A reference.
    pub reference: *const sdp_dal_ref,
    /// A value of any Arrow type: an array of one element.
    pub array: *mut FFI_ArrowArray,
    /// Its type.
    pub schema: *mut FFI_ArrowSchema,
    /// A table.
    pub stream: *mut FFI_ArrowArrayStream,
}
const _: () = assert!(size_of::<sdp_dal_value>() == 40 + 7 * size_of::<usize>());

const NULL: sdp_dal_value = sdp_dal_value {
    kind: kind::SDP_DAL_VALUE_NULL as i32,
    flags: 0,
    int64: 0,
    uint64: 0,
    real: 0.0,
    imag: 0.0,
    data: ptr::null(),
    size: 0,
    view: ptr::null(),
    reference: ptr::null(),
    array: ptr::null_mut(),
    schema: ptr::null_mut(),
    stream: ptr::null_mut(),
};

fn bytes_of(kind: kind, bytes: &[u8]) -> sdp_dal_value {
    sdp_dal_value { kind: kind as i32, data: bytes.as_ptr().cast(), size: bytes.len(), ..NULL }
}

/// A parameter as a function that was called sees it: borrows from the call.
fn value_of(call: &CallHandle, param: usize) -> Result<sdp_dal_value> {
    let spec = &call.call().schema().params[param];
    let cell = call.call().cell(param)?;
    if matches!(cell, Cell::Null) {
        return Ok(NULL);
    }
    if spec.direction == Direction::Out {
        return output_of(call, param);
    }
    if let Some(output) = call.call().handed_on(param)? {
        return output_of(call, output);
    }
    Ok(match &spec.ty {
        ParamType::Tensor { .. } => sdp_dal_value {
            kind: kind::SDP_DAL_VALUE_TENSOR as i32,
            view: call.input(param)?.view_ptr(),
            ..NULL
        },
        ParamType::Table(_) => sdp_dal_value { kind: kind::SDP_DAL_VALUE_TABLE as i32, ..NULL },
        ParamType::Oid if cell.part().is_some() => sdp_dal_value {
            kind: kind::SDP_DAL_VALUE_TENSOR as i32,
            view: call.input(param)?.view_ptr(),
            ..NULL
        },
        // The call holds the bytes.
        ParamType::Oid => bytes_of(kind::SDP_DAL_VALUE_BINARY, call.call().buffer(param)?.data()),
        ParamType::Id | ParamType::Scalar(_) => plain(cell),
    })
}

/// An output as a function that was called sees it.
fn output_of(call: &CallHandle, param: usize) -> Result<sdp_dal_value> {
    let spec = &call.call().schema().params[param];
    let started = call.call().is_started(param);
    let view = if started { call.output(param)?.as_ptr() } else { ptr::null() };
    let int64 = i64::from(order_code(spec.ty.order()));
    Ok(sdp_dal_value { int64, view, ..bytes_of(kind::SDP_DAL_VALUE_OUTPUT, spec.name.as_bytes()) })
}

fn plain(cell: &Cell) -> sdp_dal_value {
    match cell {
        Cell::Null => NULL,
        Cell::Bool(value) => {
            sdp_dal_value { kind: kind::SDP_DAL_VALUE_BOOL as i32, int64: i64::from(*value), ..NULL }
        }
        Cell::Int(value) => sdp_dal_value { kind: kind::SDP_DAL_VALUE_INT64 as i32, int64: *value, ..NULL },
        Cell::Uint(value) => {
            sdp_dal_value { kind: kind::SDP_DAL_VALUE_UINT64 as i32, uint64: *value, ..NULL }
        }
        Cell::Float(value) => sdp_dal_value { kind: kind::SDP_DAL_VALUE_DOUBLE as i32, real: *value, ..NULL },
        Cell::Utf8(text) => bytes_of(kind::SDP_DAL_VALUE_STRING, text.as_bytes()),
        Cell::Binary(bytes) => bytes_of(kind::SDP_DAL_VALUE_BINARY, bytes),
        // Parts are inputs, which are not plain.
        Cell::Id(id) | Cell::Part(id, _) => bytes_of(kind::SDP_DAL_VALUE_ID, id.as_bytes()),
        Cell::Complex(..) | Cell::Array(_) => match cell.complex() {
            Some((real, imag)) => {
                sdp_dal_value { kind: kind::SDP_DAL_VALUE_COMPLEX as i32, real, imag, ..NULL }
            }
            None => sdp_dal_value { kind: kind::SDP_DAL_VALUE_ARROW as i32, ..NULL },
        },
    }
}

impl Site {
    fn unusable(self, value: &sdp_dal_value, nth: usize) -> Error {
        self.wrong(format_args!("'values[{nth}].kind' is {}, which is not allowed here", value.kind))
    }

    /// What a caller gives. Arrow structs in it are taken over.
    ///
    /// # Safety
    /// The header's rules for pointers, for what the kind says.
    unsafe fn argument(self, value: &sdp_dal_value, nth: usize) -> Result<Value> {
        let Some(kind) = kind::from_code(value.kind) else { return Err(self.unusable(value, nth)) };
        let given = kind == kind::SDP_DAL_VALUE_REF && value.flags == flag::SDP_DAL_VALUE_GIVEN as u32;
        if !given {
            self.no_flags(value, nth)?;
        }
        // SAFETY: the caller's promise.
        let bytes = || unsafe { self.bytes(value.data.cast(), value.size, "values.data") };
        let copy = || {
            let (bytes, mut copy) = (bytes()?, Vec::new());
            copy.try_reserve_exact(bytes.len()).map_err(|_| self.no_memory(bytes.len(), "values"))?;
            copy.extend_from_slice(bytes);
            Ok::<_, Error>(copy)
        };
        // SAFETY: the caller's promise.
        unsafe {
            Ok(match kind {
                kind::SDP_DAL_VALUE_NULL => Value::Missing,
                kind::SDP_DAL_VALUE_UNWANTED => Value::Null,
                kind::SDP_DAL_VALUE_BOOL => Value::Cell(Cell::Bool(value.int64 != 0)),
                kind::SDP_DAL_VALUE_INT64 => Value::Cell(Cell::Int(value.int64)),
                kind::SDP_DAL_VALUE_UINT64 => Value::Cell(Cell::Uint(value.uint64)),
                kind::SDP_DAL_VALUE_DOUBLE => Value::Cell(Cell::Float(value.real)),
                kind::SDP_DAL_VALUE_COMPLEX => Value::Cell(Cell::Complex(value.real, value.imag)),
                kind::SDP_DAL_VALUE_STRING => {
                    let text = String::from_utf8(copy()?);
                    Value::Cell(Cell::Utf8(text.map_err(|wrong| {
                        let at = wrong.utf8_error().valid_up_to();
                        self.wrong(format_args!("'values[{nth}].data' is not UTF-8: byte {at} is invalid"))
                    })?))
                }
                kind::SDP_DAL_VALUE_BINARY => Value::Cell(Cell::Binary(copy()?)),
                kind::SDP_DAL_VALUE_ID => {
                    if value.size != ID_SIZE {
                        return Err(self.wrong(format_args!(
                            "'values[{nth}].size' is {}, but an ID has {ID_SIZE} bytes",
                            value.size
                        )));
                    }
                    Value::Cell(Cell::Id(self.id(value.data.cast(), "values.data")?))
                }
                kind::SDP_DAL_VALUE_REF if given => self.given_value(value.reference)?,
                kind::SDP_DAL_VALUE_REF => self.ref_value(value.reference)?,
                kind::SDP_DAL_VALUE_TENSOR => Value::Tensor(self.callers_tensor(value.view, "values.view")?),
                kind::SDP_DAL_VALUE_TABLE => Value::Table(self.table(value.stream, "values.stream")?),
                kind::SDP_DAL_VALUE_ARROW => self.arrow_value(value.array, value.schema)?,
                kind::SDP_DAL_VALUE_OUTPUT => return Err(self.unusable(value, nth)),
            })
        }
    }

    /// As [`Site::argument`], for what tells its type; anything else is as if it was not given.
    ///
    /// # Safety
    /// The header's rules for pointers, for what the kind says.
    unsafe fn hint(self, value: &sdp_dal_value, nth: usize) -> Result<Value> {
        match kind::from_code(value.kind) {
            Some(kind::SDP_DAL_VALUE_TABLE | kind::SDP_DAL_VALUE_ARROW) => Ok(Value::Missing),
            // SAFETY: the caller's promise.
            _ => unsafe { self.argument(value, nth) },
        }
    }

    fn no_flags(self, value: &sdp_dal_value, nth: usize) -> Result<()> {
        if value.flags == 0 {
            return Ok(());
        }
        Err(self.wrong(format_args!(
            "'values[{nth}].flags' is {}, it must be 0, or SDP_DAL_VALUE_GIVEN for a reference that is an input",
            value.flags
        )))
    }

    /// What a function has made for an output. A stream in it is taken over.
    ///
    /// # Safety
    /// The header's rules for pointers, for what the kind says.
    unsafe fn made<'a>(self, value: &sdp_dal_value, nth: usize) -> Result<Made<'a>> {
        self.no_flags(value, nth)?;
        // SAFETY: the caller's promise.
        unsafe {
            Ok(match kind::from_code(value.kind) {
                Some(kind::SDP_DAL_VALUE_NULL) => Made::Otherwise,
                Some(kind::SDP_DAL_VALUE_TENSOR) => {
                    Made::Tensor(self.callers_tensor(value.view, "values.view")?)
                }
                Some(kind::SDP_DAL_VALUE_TABLE) => Made::Table(self.table(value.stream, "values.stream")?),
                Some(kind::SDP_DAL_VALUE_BINARY) => {
                    Made::Bytes(self.bytes(value.data.cast(), value.size, "values.data")?)
                }
                _ => return Err(self.unusable(value, nth)),
            })
        }
    }
}

/// What a function gives for an output when it ends.
enum Made<'a> {
    /// It writes it in another way.
    Otherwise,
    Tensor(CallersTensor),
    Table(TableSource),
    Bytes(&'a [u8]),
}

impl Made<'_> {
    /// # Safety
    /// The memory of a tensor is still there.
    unsafe fn put(&self, call: &Call, param: usize) -> Result<()> {
        match self {
            Made::Otherwise => Ok(()),
            // SAFETY: the caller's promise.
            Made::Tensor(tensor) => call.put_tensor(param, &unsafe { tensor.source() }),
            Made::Table(table) => call.put_table(param, table),
            Made::Bytes(bytes) => call.put_object(param, bytes, &[]),
        }
    }
}

/// Sets the next parameters by position to an array of values, as for sdp_dal_caller_issue(). For many rows or a
/// broadcast, in languages that build arrays of values.
///
/// values: count values. The elements of tensors must not change until the call has returned. Everything else is
/// copied. Arrow structs are moved: the library releases them, also on failure, unless args is wrong.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Then no parameter is set. Blocks while a stream does.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_set_values(
    args: *mut sdp_dal_args,
    values: *const sdp_dal_value,
    count: usize,
) -> sdp_dal_status {
    guard("sdp_dal_args_set_values", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe {
            let args = site.handle_mut(args, "args")?;
            let values = site.items(values, count, "values")?;
            // All are taken over before any is found to be wrong.
            let taken: Vec<Result<Value>> =
                values.iter().enumerate().map(|(nth, value)| site.argument(value, nth)).collect();
            args.extend(taken.into_iter().collect::<Result<_>>()?);
        }
        Ok(())
    })
}

/// Returns which form of a function sdp_dal_caller_call() would call with these arguments, for sdp_dal_caller_issue().
///
/// The forms of a function differ in element types. What is known of the types of the arguments rules out forms, and one
/// must be left. A tensor has a type. A reference has one if it expects one, or if its object exists. A number fits all
/// forms in which the parameter is a number of its kind. Null and what is not known fit all forms. Nothing else is
/// checked.
///
/// function: the name of one of the caller's functions, or of one of its forms, as in sdp_dal_caller_call().
/// values: as in sdp_dal_caller_issue(), but no Arrow struct is read or moved. Of a tensor only the type of the view
/// counts. For a parameter that is a value, a tensor stands for a value of its type.
/// out_function: the index of the form in the signatures and schemas with which the caller was opened.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT with the forms if none fits or several do. SDP_DAL_NOT_FOUND. SDP_DAL_FORKED. Does
/// not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_caller_choose_form(
    caller: *const sdp_dal_caller,
    function: *const c_char,
    values: *const sdp_dal_value,
    count: usize,
    num_rows: usize,
    out_function: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_caller_choose_form", |site| {
        // SAFETY: the header's rules for pointers; the tensors' memory is not used.
        unsafe {
            let out = site.out(out_function, "out_function")?;
            let caller = site.handle(caller, "caller")?;
            let function = site.text(function, "function")?;
            let values = site.items(values, count, "values")?;
            let taken = values.iter().enumerate().map(|(nth, value)| site.hint(value, nth));
            let taken = taken.collect::<Result<Vec<Value>>>()?;
            let args: Vec<Arg<'_>> = taken.iter().map(|value| value.to_dal()).collect();
            out.set(caller.choose_form(function, &args, num_rows)?);
        }
        Ok(())
    })
}

/// Issues a call, or many rows of one function at once, with all arguments. Does not wait for them.
///
/// function: its index in the signatures and schemas with which the caller was opened, from 0. For a function with
/// several forms it is that of a form, see sdp_dal_caller_choose_form().
/// values: for each row one value for each parameter, in the order of the signature. For an output, null creates a new
/// object. SDP_DAL_VALUE_UNWANTED is for a nullable output that is not wanted. Tensors are copied into the store, and
/// their elements must not change until this function has returned. Arrow structs are moved: the library releases them,
/// also on failure, unless caller or function is wrong.
/// out_refs: for each row a reference to each output, in the order of the signature. NULL for an output that is not
/// wanted, or for which a reference was given. The caller owns each and must call sdp_dal_ref_free(). May be NULL if
/// the function has no outputs.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NO_PROCESSOR, SDP_DAL_PROCESSOR_LOST, SDP_DAL_TIMEOUT,
/// SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_OBJECT_DELETED, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY,
/// SDP_DAL_FORKED. Then nothing was issued. Blocks while the store is full, up to full_timeout_ns of the options, and
/// up to timeout_ns of the options while every processor has max_in_flight unfinished calls.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_caller_issue(
    caller: *const sdp_dal_caller,
    function: usize,
    values: *const sdp_dal_value,
    num_rows: usize,
    out_refs: *mut *mut sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_caller_issue", |site| {
        // SAFETY: the header's rules for pointers; the tensors' memory is only used until we return.
        unsafe {
            let caller = site.handle(caller, "caller")?;
            let schema = caller.functions().nth(function).ok_or_else(|| {
                let count = caller.functions().count();
                site.wrong(format_args!("'function' is {function}, but the caller has {count} functions"))
            })?;
            let outputs = schema.params.iter().filter(|param| param.direction == Direction::Out).count();
            let many = || site.wrong("there are more rows than memory can hold");
            let count = num_rows.checked_mul(outputs).ok_or_else(many)?;
            let out = site.out_array(out_refs, count, "out_refs")?;
            let params = schema.params.len();
            let values = site.items(values, num_rows.checked_mul(params).ok_or_else(many)?, "values")?;
            // All are taken over before any is found to be wrong.
            let mut wrong = None;
            let take = |(nth, value)| {
                site.argument(value, nth).unwrap_or_else(|error| {
                    wrong.get_or_insert(error);
                    Value::Missing
                })
            };
            let taken: Vec<Value> = values.iter().enumerate().map(take).collect();
            if let Some(error) = wrong {
                return Err(error);
            }
            let args: Vec<Arg<'_>> = taken.iter().map(|value| value.to_dal()).collect();
            let issued = caller.batch_flat(function, &args, num_rows, caller.timeout())?;
            drop(args);
            let of_output = |nth: &usize| schema.params[nth % params].direction == Direction::Out;
            let given = (0..values.len()).filter(of_output).map(|nth| values[nth].kind);
            for ((output, given), out) in issued.into_iter().zip(given).zip(out) {
                if let Some(reference) = output.filter(|_| given != kind::SDP_DAL_VALUE_REF as i32) {
                    out.set(make(RefState::new(reference)));
                }
            }
        }
        Ok(())
    })
}

/// Returns all parameters of a call at once: its values, its input tensors as views, and its outputs.
///
/// values: an array of count values, filled in the order of the signature. Borrowed: valid until the callback returns or
/// the last handle of the call is freed, with all that they point to. For an object of any kind, data and size are its
/// bytes. An output is SDP_DAL_VALUE_OUTPUT, with its name as data and size, and its order in the signature as int64, one
/// of sdp_dal_order. If it starts from an input, view is its memory as from sdp_dal_call_get_output(), and the input is the
/// same output once more. A table, or a value of another Arrow type, has no structs: use sdp_dal_call_get_table() and
/// sdp_dal_call_get_arrow().
/// count: the number of parameters of the function.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_OUT_OF_MEMORY (for an input that must be copied into
/// another order). Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_values(
    call: *const sdp_dal_call,
    values: *mut sdp_dal_value,
    count: usize,
) -> sdp_dal_status {
    guard("sdp_dal_call_values", |site| {
        // SAFETY: the header's rules for pointers; all bits zero is a value.
        let (out, call) = unsafe { (site.out_array(values, count, "values")?, site.handle(call, "call")?) };
        let params = call.call().schema().params.len();
        if count != params {
            let function = call.call().function();
            return Err(
                site.wrong(format_args!("'count' is {count}, but {function} has {params} parameters"))
            );
        }
        for (param, out) in out.into_iter().enumerate() {
            out.set(value_of(call, param)?);
        }
        Ok(())
    })
}

/// Ends a call that was taken with sdp_dal_processor_next() or deferred: writes outputs, seals those that were created in
/// place, and fails those that were not written with SDP_DAL_OUTPUT_NOT_WRITTEN. Calling it again does nothing.
///
/// The handle stays valid and must be freed, and what was read from it is valid until then. A deferred handle does not
/// end the run of the function. Any other handle ends it (a callback runs until it returns).
///
/// values: a value for each output, in the order of the signature, which is copied into the store:
/// SDP_DAL_VALUE_TENSOR, SDP_DAL_VALUE_TABLE (the stream is moved) or SDP_DAL_VALUE_BINARY. Null for an output that is
/// written in another way. count: the number of outputs, or 0. If it is 0, values may be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED: an output
/// could not be written, and the call has not ended. The outputs before it are written: to continue, pass null values
/// for them. SDP_DAL_OUTPUT_NOT_WRITTEN, SDP_DAL_BUSY. With values it blocks while the store is full, up to
/// full_timeout_ns of the options of the processor; without, it does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_finish(
    call: *const sdp_dal_call,
    values: *const sdp_dal_value,
    count: usize,
) -> sdp_dal_status {
    guard("sdp_dal_call_finish", |site| {
        // SAFETY: the header's rules for pointers.
        let (values, call) = unsafe { (site.items(values, count, "values")?, site.handle(call, "call")?) };
        if count > 0 {
            let params = &call.call().schema().params;
            let outputs = || (0..params.len()).filter(|param| params[*param].direction == Direction::Out);
            if outputs().count() != count {
                let (function, outputs) = (call.call().function(), outputs().count());
                return Err(
                    site.wrong(format_args!("'count' is {count}, but {function} has {outputs} outputs"))
                );
            }
            // All are taken over before any is found to be wrong.
            // SAFETY: the header's rules for pointers; the memory is only used until we return.
            let made = |(nth, value)| unsafe { site.made(value, nth) };
            let made: Vec<Result<Made<'_>>> = values.iter().enumerate().map(made).collect();
            for (param, made) in outputs().zip(made) {
                // SAFETY: as above.
                unsafe { made?.put(call.call(), param)? };
            }
        }
        call.call().finish()
    })
}
