//! Values of any Arrow type.

use std::ffi::c_char;

use crate::arrow::array::{make_array, Array, ArrayRef};
use crate::arrow::datatypes::Field;
use crate::arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};

use super::args::{sdp_dal_args, Value};
use super::arrow_structs::{c_field, Chunks};
use super::call::sdp_dal_call;
use super::guard::{guard, Site};
use super::status::sdp_dal_status;
use super::structs::Out;
use crate::error::Result;
use crate::wire::{cell_array, Cell};

impl Site {
    /// An array and its type, as a value of one element.
    ///
    /// # Safety
    /// The header's rules for pointers.
    pub(super) unsafe fn arrow_value(
        self,
        array: *mut FFI_ArrowArray,
        schema: *mut FFI_ArrowSchema,
    ) -> Result<Value> {
        // SAFETY: the caller's promise. Both are taken before either is looked at.
        let (array, schema) =
            unsafe { (self.take_array(array, "value"), self.take_schema(schema, "schema")) };
        let (array, schema) = (array?, schema?);
        let field = self.field(&schema, "schema")?;
        let chunks = Chunks { schema, arrays: vec![array] };
        let array = chunks.import(self, "value", field.data_type())?.remove(0);
        if array.len() != 1 {
            return Err(self.wrong(format_args!("'value' has {} elements, expected one", array.len())));
        }
        // What is written into a call must be what its readers accept.
        array.validate_full().map_err(|wrong| self.unreadable("value", &wrong))?;
        Ok(Value::Cell(Cell::Array(make_array(array))))
    }

    /// # Safety
    /// The header's rules for pointers.
    unsafe fn get_arrow(
        self,
        call: *const sdp_dal_call,
        name: *const c_char,
        array: *mut FFI_ArrowArray,
        schema: *mut FFI_ArrowSchema,
    ) -> Result<()> {
        // SAFETY: the caller's promise; zeroed structs are released ones.
        let (out, state, param) = unsafe {
            let out = self.outs((array, "out"), (schema, "out_schema"))?;
            let state = self.handle(call, "call")?;
            (out, state, self.param(state.call(), name)?)
        };
        let call = state.call();
        let spec = &call.schema().params[param];
        let value = cell_array(spec, call.cell(param)?, call.function())?;
        give_array(value, spec.nullable, out)
    }
}

/// Gives an array out, with its type.
fn give_array(
    array: ArrayRef,
    nullable: bool,
    out: (Out<FFI_ArrowArray>, Out<FFI_ArrowSchema>),
) -> Result<()> {
    let field = Field::new("", array.data_type().clone(), nullable);
    let given = FFI_ArrowArray::new(&array.to_data());
    out.1.set(c_field(&field)?);
    out.0.set(given);
    Ok(())
}

/// Sets a parameter to a value of any Arrow type.
///
/// value: an array of one element. schema: its type. Both are moved: the library releases them, also on failure.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_set_arrow(
    args: *mut sdp_dal_args,
    name: *const c_char,
    value: *mut FFI_ArrowArray,
    schema: *mut FFI_ArrowSchema,
) -> sdp_dal_status {
    guard("sdp_dal_args_set_arrow", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe {
            let value = site.arrow_value(value, schema);
            site.add(args, name, value)
        }
    })
}

/// Returns a value of any Arrow type, as an array of one element. The element is null if the parameter was left out.
///
/// out, out_schema: the array and its type. The caller owns both and must release them. They may outlive the call.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_get_arrow(
    call: *const sdp_dal_call,
    name: *const c_char,
    out: *mut FFI_ArrowArray,
    out_schema: *mut FFI_ArrowSchema,
) -> sdp_dal_status {
    guard("sdp_dal_call_get_arrow", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.get_arrow(call, name, out, out_schema) }
    })
}
