//! sdp_dal_schema, built parameter by parameter, in positional order; and what is said about a function and its parameters,
//! besides what they are.

use std::ffi::c_char;

use crate::arrow::ffi::FFI_ArrowSchema;

use super::guard::guard;
use super::schema::sdp_dal_schema;
use super::status::sdp_dal_status;
use crate::wire::{Param, ParamType};

/// Appends a parameter.
///
/// direction: one of sdp_dal_direction. name: a letter or _, then letters, digits and _.
/// type_text: its type as in a signature. A value: "int64", "utf8", "timestamp<ns,UTC>", "list<float64>". A tensor:
/// "float64[row,uvw=3]". With " C" or " F" at the end the function gets an input in that order, or creates an output in
/// it. An input that is stored in another order is copied when the function gets it. Callers need not expect the same
/// order. With " = grid" at the end an output starts from the input grid, which has the same type and was added before.
/// A table: "table", "table{time: float64, name: utf8?}". "oid": an object of any kind. An input is waited for, an
/// output is created. "id": the ID of an object, which is only passed on. NULL: a value of the type arrow_type.
/// arrow_type: if type_text is NULL, the type of a value. Its name, nullability and metadata are ignored. If type_text
/// is "table", the required columns as a struct. Its metadata are ignored. Otherwise NULL. Moved, also on failure. It
/// is marked as released and must not be released again.
/// nullable: whether it may be null or left out.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_add(
    schema: *mut sdp_dal_schema,
    direction: i32,
    name: *const c_char,
    type_text: *const c_char,
    arrow_type: *mut FFI_ArrowSchema,
    nullable: bool,
) -> sdp_dal_status {
    guard("sdp_dal_schema_add", |site| {
        // SAFETY: the header's rules for pointers. What is moved is taken before anything can fail.
        unsafe {
            let text = site.text_or_none(type_text, "type_text");
            let of_columns = matches!(text, Ok(Some("table")));
            let columns = (!arrow_type.is_null() && of_columns).then(|| {
                site.take_columns(arrow_type, "arrow_type").map(|columns| ParamType::table(&columns))
            });
            let value = (!arrow_type.is_null() && !of_columns)
                .then(|| site.take_type(arrow_type, "arrow_type").map(|ty| ParamType::value(&ty)));
            let (schema, name) = (site.handle_mut(schema, "schema")?, site.text(name, "name")?);
            let direction = site.direction(direction, "direction")?;
            let text = text?;
            let param = match (text, columns.or(value)) {
                (None, None) => Err(site.wrong("'type_text' is NULL: pass a type, written as in a signature")),
                (Some(text), None) => Param::parse(name, direction, text, nullable),
                (None | Some("table"), Some(ty)) => ty.map(|ty| Param::new(name, direction, ty, nullable)),
                (Some(text), Some(_)) => Err(site.wrong(format_args!(
                    "'arrow_type' must be NULL if 'type_text' is \"{text}\": it belongs to \"table\", or to a \
                     'type_text' of NULL"
                ))),
            };
            schema.change().add(param.map_err(|wrong| wrong.context(format!("parameter '{name}'")))?)
        }
    })
}

/// Sets metadata of the function or of one of its parameters. Callers and processors can read them, and they do not
/// affect compatibility.
///
/// param: the name of the parameter. NULL: the function. key: not empty, and not starting with "proc:". value: the
/// value. NULL removes the key.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_set_metadata(
    schema: *mut sdp_dal_schema,
    param: *const c_char,
    key: *const c_char,
    value: *const c_char,
) -> sdp_dal_status {
    guard("sdp_dal_schema_set_metadata", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe {
            let schema = site.handle_mut(schema, "schema")?;
            let (param, key) = (site.text_or_none(param, "param")?, site.text(key, "key")?);
            schema.change().set_metadata(param, key, site.text_or_none(value, "value")?)
        }
    })
}
