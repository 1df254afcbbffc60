//! sdp_dal_schema, built parameter by parameter, in positional order.

use std::ffi::c_char;

use arrow::ffi::FFI_ArrowSchema;

use super::guard::{guard, Site};
use super::schema::sdp_dal_schema;
use super::status::sdp_dal_status;
use crate::error::Result;
use crate::wire::{Dim, Direction, Param, ParamType};

impl Site {
    /// Appends a parameter.
    ///
    /// # Safety
    /// The header's rules for pointers.
    unsafe fn add_param(
        self,
        schema: *mut sdp_dal_schema,
        name: *const c_char,
        direction: Direction,
        ty: Result<ParamType>,
        nullable: bool,
    ) -> Result<()> {
        // SAFETY: the caller's promise.
        let (schema, name) = unsafe { (self.handle_mut(schema, "schema")?, self.text(name, "name")?) };
        let ty = ty.map_err(|wrong| wrong.context(format!("parameter '{name}'")))?;
        schema.add(Param::new(name, direction, ty, nullable))
    }
}

/// Appends a parameter that is a plain value.
///
/// name: a letter or _, then letters, digits and _.
/// type_text: its type as a signature writes it: "int64", "utf8", "timestamp<ns,UTC>", "list<float64>".
/// nullable: whether it may be left out.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_add_value(
    schema: *mut sdp_dal_schema,
    name: *const c_char,
    type_text: *const c_char,
    nullable: bool,
) -> sdp_dal_status {
    guard("sdp_dal_schema_add_value", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe {
            let ty = site.text(type_text, "type_text").and_then(ParamType::parse_value);
            site.add_param(schema, name, Direction::In, ty, nullable)
        }
    })
}

/// Appends a parameter that is a value of any Arrow type.
///
/// name, nullable: as in sdp_dal_schema_add_value().
/// arrow_type: its type; the field's name, nullability and metadata are not looked at. Moved, also if this fails: it is
/// marked as released and need not be released any more.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_add_value_arrow(
    schema: *mut sdp_dal_schema,
    name: *const c_char,
    arrow_type: *mut FFI_ArrowSchema,
    nullable: bool,
) -> sdp_dal_status {
    guard("sdp_dal_schema_add_value_arrow", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe {
            let ty = site.take_type(arrow_type, "arrow_type").map(|data_type| ParamType::value(&data_type));
            site.add_param(schema, name, Direction::In, ty, nullable)
        }
    })
}

/// Appends a parameter that is a tensor.
///
/// direction: one of sdp_dal_direction. name, nullable: as in sdp_dal_schema_add_value().
/// dtype: its element type, one of sdp_dal_dtype. ndim: 0 to SDP_DAL_MAX_DIMS.
/// dim_names: ndim names, each with "=" and a size behind it if that is fixed: "row", "uvw=3"; "" or NULL for a
/// dimension without a name, "=3" for one that has a size alone. NULL if none has a name.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_add_tensor(
    schema: *mut sdp_dal_schema,
    direction: i32,
    name: *const c_char,
    dtype: i32,
    ndim: i32,
    dim_names: *const *const c_char,
    nullable: bool,
) -> sdp_dal_status {
    guard("sdp_dal_schema_add_tensor", |site| {
        let (direction, elem) = (site.direction(direction, "direction"), site.elem(dtype, "dtype"));
        // SAFETY: the header's rules for pointers.
        unsafe {
            let names = site.ndim(ndim, "ndim").and_then(|ndim| site.dim_names(dim_names, ndim, "dim_names"));
            let dims = names.and_then(|names| names.iter().map(|name| Dim::named(name)).collect());
            let ty = elem.and_then(|elem| Ok(ParamType::Tensor { elem, dims: dims?, order: None }));
            site.add_param(schema, name, direction?, ty, nullable)
        }
    })
}

/// Says in which order the function wants a tensor, or makes it: "float64[row,chan] C" in a signature.
///
/// An input that is stored in another order is copied into that one when the function asks for it. Callers need not expect
/// the same order.
///
/// name: the parameter. order: one of sdp_dal_order.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the parameter is no tensor), SDP_DAL_NOT_FOUND. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_set_order(
    schema: *mut sdp_dal_schema,
    name: *const c_char,
    order: i32,
) -> sdp_dal_status {
    guard("sdp_dal_schema_set_order", |site| {
        // SAFETY: the header's rules for pointers.
        let (schema, name) = unsafe { (site.handle_mut(schema, "schema")?, site.text(name, "name")?) };
        schema.set_order(name, site.order(order, "order")?)
    })
}

/// Appends a parameter that is a table.
///
/// direction: one of sdp_dal_direction. name, nullable: as in sdp_dal_schema_add_value().
/// columns: the columns it must have; their metadata are not looked at. NULL: any. Moved, also if this fails: it is
/// marked as released and need not be released any more.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_add_table(
    schema: *mut sdp_dal_schema,
    direction: i32,
    name: *const c_char,
    columns: *mut FFI_ArrowSchema,
    nullable: bool,
) -> sdp_dal_status {
    guard("sdp_dal_schema_add_table", |site| {
        // SAFETY: the header's rules for pointers. The columns are taken before anything can fail.
        unsafe {
            let ty = match columns.is_null() {
                true => Ok(ParamType::Table(None)),
                false => site.take_columns(columns, "columns").map(|columns| ParamType::table(&columns)),
            };
            site.add_param(schema, name, site.direction(direction, "direction")?, ty, nullable)
        }
    })
}

/// Appends a parameter that is an object of any kind: waited for if it is an input, made if it is an output.
///
/// direction: one of sdp_dal_direction. name, nullable: as in sdp_dal_schema_add_value().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_add_oid(
    schema: *mut sdp_dal_schema,
    direction: i32,
    name: *const c_char,
    nullable: bool,
) -> sdp_dal_status {
    guard("sdp_dal_schema_add_oid", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe {
            let direction = site.direction(direction, "direction")?;
            site.add_param(schema, name, direction, Ok(ParamType::Oid), nullable)
        }
    })
}

/// Appends a parameter that is an object's ID, which is only passed: nobody waits for the object.
///
/// name, nullable: as in sdp_dal_schema_add_value().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_add_id(
    schema: *mut sdp_dal_schema,
    name: *const c_char,
    nullable: bool,
) -> sdp_dal_status {
    guard("sdp_dal_schema_add_id", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.add_param(schema, name, Direction::In, Ok(ParamType::Id), nullable) }
    })
}
