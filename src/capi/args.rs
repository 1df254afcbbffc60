//! sdp_dal_args: the arguments of a call.

use std::ffi::{c_char, c_void};

use super::guard::{guard, Site};
use super::handle::{make, word, Handle};
use super::reference::sdp_dal_ref;
use super::status::sdp_dal_status;
use super::view::{sdp_dal_tensor_view, CallersTensor};
use crate::dal::{Arg, Args, Ref};
use crate::error::Result;
use crate::wire::{Cell, TableSource};

/// The arguments of a call, by name (set) or by position (push). Created by sdp_dal_args_create(), usable for any
/// number of calls, freed by sdp_dal_args_free().
///
/// Arguments are checked by the call, which knows the function. Names and texts are copied, and references are kept.
/// The elements of a tensor are not copied: their memory must not change until the call has returned.
pub struct sdp_dal_args {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_args {
    type Value = ArgsState;
    const WORD: u64 = word(b"sdpArgmt");
}

/// Kept apart from dal's arguments, which borrow the tensors: C's memory is only borrowed while a call is issued.
#[derive(Default)]
pub(super) struct ArgsState {
    entries: Vec<Entry>,
}

struct Entry {
    /// None: by position.
    name: Option<String>,
    value: Value,
}

pub(super) enum Value {
    /// As if it was not given.
    Missing,
    Null,
    Cell(Cell),
    Ref(Ref),
    Given(Ref),
    Tensor(CallersTensor),
    Table(TableSource),
}

impl ArgsState {
    /// Further ones by position.
    pub(super) fn extend(&mut self, values: Vec<Value>) {
        self.entries.extend(values.into_iter().map(|value| Entry { name: None, value }));
    }

    fn add(&mut self, name: Option<&str>, value: Value) {
        let same = |entry: &&mut Entry| name.is_some() && entry.name.as_deref() == name;
        match self.entries.iter_mut().find(same) {
            Some(entry) => entry.value = value,
            None => self.entries.push(Entry { name: name.map(str::to_owned), value }),
        }
    }

    /// What dal takes.
    ///
    /// # Safety
    /// The memory of the tensors is still there and stays unchanged as long as the result is used.
    pub(super) unsafe fn to_dal(&self) -> Args<'_> {
        let mut args = Args::new();
        for Entry { name, value } in &self.entries {
            // SAFETY: the caller's promise.
            let arg = unsafe { value.to_dal() };
            match name {
                Some(name) => args.set(name, arg),
                None => args.push(arg),
            }
        }
        args
    }
}

impl Value {
    /// What dal takes.
    ///
    /// # Safety
    /// As [`ArgsState::to_dal`].
    pub(super) unsafe fn to_dal(&self) -> Arg<'_> {
        match self {
            Value::Missing => Arg::Missing,
            Value::Null => Arg::Null,
            Value::Cell(cell) => Arg::Cell(cell.clone()),
            Value::Ref(reference) => Arg::Ref(reference.clone()),
            Value::Given(reference) => Arg::Given(reference.clone()),
            Value::Table(table) => Arg::Table(table),
            // SAFETY: the caller's promise.
            Value::Tensor(tensor) => Arg::Tensor(unsafe { tensor.source() }),
        }
    }
}

impl Site {
    /// # Safety
    /// The header's rules for pointers.
    pub(super) unsafe fn add(
        self,
        args: *mut sdp_dal_args,
        name: *const c_char,
        value: Result<Value>,
    ) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.add_with(args, name, || value) }
    }

    /// As [`Site::add`]; the value is made when everything else is right.
    ///
    /// # Safety
    /// The header's rules for pointers.
    unsafe fn add_with(
        self,
        args: *mut sdp_dal_args,
        name: *const c_char,
        value: impl FnOnce() -> Result<Value>,
    ) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe {
            let args = self.handle_mut(args, "args")?;
            let name = self.text_or_none(name, "name")?;
            args.add(name, value()?);
        }
        Ok(())
    }

    /// # Safety
    /// The header's rules for pointers.
    unsafe fn add_text(
        self,
        args: *mut sdp_dal_args,
        name: *const c_char,
        value: *const c_char,
    ) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe {
            self.add_with(args, name, || {
                let text = self.text(value, "value")?;
                let mut copy = String::new();
                copy.try_reserve_exact(text.len()).map_err(|_| self.no_memory(text.len(), "value"))?;
                copy.push_str(text);
                Ok(Value::Cell(Cell::Utf8(copy)))
            })
        }
    }

    /// # Safety
    /// The header's rules for pointers.
    unsafe fn add_bytes(
        self,
        args: *mut sdp_dal_args,
        name: *const c_char,
        value: *const c_void,
        size: usize,
    ) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe {
            self.add_with(args, name, || {
                let bytes = self.bytes(value.cast(), size, "value")?;
                let mut copy = Vec::new();
                copy.try_reserve_exact(size).map_err(|_| self.no_memory(size, "value"))?;
                copy.extend_from_slice(bytes);
                Ok(Value::Cell(Cell::Binary(copy)))
            })
        }
    }

    /// # Safety
    /// The header's rules for pointers.
    pub(super) unsafe fn given_value(self, value: *const sdp_dal_ref) -> Result<Value> {
        // SAFETY: the caller's promise.
        let state = unsafe { self.handle(value, "value")? };
        Ok(Value::Given(state.reference().clone()))
    }

    /// # Safety
    /// The header's rules for pointers.
    pub(super) unsafe fn ref_value(self, value: *const sdp_dal_ref) -> Result<Value> {
        // SAFETY: the caller's promise.
        let state = unsafe { self.handle(value, "value")? };
        Ok(Value::Ref(state.reference().clone()))
    }
}

/// Creates an empty set of arguments.
///
/// The functions sdp_dal_args_set_*() set the parameter with a name. If name is NULL, they set the next parameter by
/// position. Arguments by position must come first.
///
/// out: The caller owns *out and must call sdp_dal_args_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_create(out: *mut *mut sdp_dal_args) -> sdp_dal_status {
    guard("sdp_dal_args_create", |site| {
        // SAFETY: the header's rules for pointers.
        let out = unsafe { site.out(out, "out")? };
        out.set(make(ArgsState::default()));
        Ok(())
    })
}

/// Removes all arguments, so that the handle can be used again.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_clear(args: *mut sdp_dal_args) -> sdp_dal_status {
    guard("sdp_dal_args_clear", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.handle_mut(args, "args")? }.entries.clear();
        Ok(())
    })
}

/// Frees a set of arguments. NULL is allowed. Waits at most 100 ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_free(args: *mut sdp_dal_args) {
    guard("sdp_dal_args_free", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(args, "args") }
    });
}

/// Sets a parameter to null, for a nullable parameter or an output that is not wanted.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_set_null(
    args: *mut sdp_dal_args,
    name: *const c_char,
) -> sdp_dal_status {
    guard("sdp_dal_args_set_null", |site| {
        let value = Ok(Value::Null);
        // SAFETY: the header's rules for pointers.
        unsafe { site.add(args, name, value) }
    })
}

/// Sets a parameter to a bool.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_set_bool(
    args: *mut sdp_dal_args,
    name: *const c_char,
    value: bool,
) -> sdp_dal_status {
    guard("sdp_dal_args_set_bool", |site| {
        let value = Ok(Value::Cell(Cell::Bool(value)));
        // SAFETY: the header's rules for pointers.
        unsafe { site.add(args, name, value) }
    })
}

/// Sets a parameter of any signed integer type to a number. The call checks its range.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_set_int64(
    args: *mut sdp_dal_args,
    name: *const c_char,
    value: i64,
) -> sdp_dal_status {
    guard("sdp_dal_args_set_int64", |site| {
        let value = Ok(Value::Cell(Cell::Int(value)));
        // SAFETY: the header's rules for pointers.
        unsafe { site.add(args, name, value) }
    })
}

/// Sets a parameter of any unsigned integer type to a number. The call checks its range.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_set_uint64(
    args: *mut sdp_dal_args,
    name: *const c_char,
    value: u64,
) -> sdp_dal_status {
    guard("sdp_dal_args_set_uint64", |site| {
        let value = Ok(Value::Cell(Cell::Uint(value)));
        // SAFETY: the header's rules for pointers.
        unsafe { site.add(args, name, value) }
    })
}

/// Sets a parameter of any floating-point type to a number.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_set_double(
    args: *mut sdp_dal_args,
    name: *const c_char,
    value: f64,
) -> sdp_dal_status {
    guard("sdp_dal_args_set_double", |site| {
        let value = Ok(Value::Cell(Cell::Float(value)));
        // SAFETY: the header's rules for pointers.
        unsafe { site.add(args, name, value) }
    })
}

/// Sets a parameter to a text, which is copied. It ends at its first NUL byte. For a text that contains NUL bytes, use
/// sdp_dal_args_set_arrow().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUT_OF_MEMORY. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_set_string(
    args: *mut sdp_dal_args,
    name: *const c_char,
    value: *const c_char,
) -> sdp_dal_status {
    guard("sdp_dal_args_set_string", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.add_text(args, name, value) }
    })
}

/// Sets a parameter to bytes, which are copied.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUT_OF_MEMORY. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_set_binary(
    args: *mut sdp_dal_args,
    name: *const c_char,
    value: *const c_void,
    size: usize,
) -> sdp_dal_status {
    guard("sdp_dal_args_set_binary", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.add_bytes(args, name, value, size) }
    })
}

/// Sets a parameter to an object ID of SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_set_id(
    args: *mut sdp_dal_args,
    name: *const c_char,
    value: *const u8,
) -> sdp_dal_status {
    guard("sdp_dal_args_set_id", |site| {
        // SAFETY: the header's rules for pointers.
        let value = unsafe { site.id(value, "value") }.map(|id| Value::Cell(Cell::Id(id)));
        // SAFETY: the header's rules for pointers.
        unsafe { site.add(args, name, value) }
    })
}

/// Sets a parameter of type complex64 or complex128 to a complex number.
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

/// Sets a parameter to a reference, for an input or an output. The reference may be freed at once.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_set_ref(
    args: *mut sdp_dal_args,
    name: *const c_char,
    value: *const sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_args_set_ref", |site| {
        // SAFETY: the header's rules for pointers.
        let value = unsafe { site.ref_value(value) };
        // SAFETY: the header's rules for pointers.
        unsafe { site.add(args, name, value) }
    })
}

/// Sets an input from which an output starts ("sum: complex128[u,v] = grid") to a reference whose object the caller gives
/// away. The reference may be freed at once.
///
/// The output takes the memory of the object over, without a copy, if no other client wants or reads the object when a
/// processor takes the call, it is not kept, and no other unfinished call of this process takes it. Otherwise it is
/// copied, as it is always if it is set with sdp_dal_args_set_ref(). In a batch it counts as given if it is given in all
/// rows and no two rows take the same object. A broadcast to several processors gives nothing.
///
/// Once the call is issued, the object is not this process's any more: all its references to the object return
/// SDP_DAL_OBJECT_DELETED. If the processor crashes, the object is lost with the output.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block. The call returns SDP_DAL_INVALID_ARGUMENT if no output starts from
/// the parameter.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_set_given(
    args: *mut sdp_dal_args,
    name: *const c_char,
    value: *const sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_args_set_given", |site| {
        // SAFETY: the header's rules for pointers.
        let value = unsafe { site.given_value(value) };
        // SAFETY: the header's rules for pointers.
        unsafe { site.add(args, name, value) }
    })
}

/// Sets a parameter to a tensor, which the call puts into the store. Its elements must not change until the call has
/// returned. The view, its shape and its strides are copied.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_set_tensor(
    args: *mut sdp_dal_args,
    name: *const c_char,
    value: *const sdp_dal_tensor_view,
) -> sdp_dal_status {
    guard("sdp_dal_args_set_tensor", |site| {
        // SAFETY: the header's rules for pointers.
        let value = unsafe { site.callers_tensor(value, "value") }.map(Value::Tensor);
        // SAFETY: the header's rules for pointers.
        unsafe { site.add(args, name, value) }
    })
}
