//! sdp_dal_schema: a function's name and parameters.

use std::ffi::c_char;

use arrow::datatypes::Field;
use arrow::ffi::FFI_ArrowSchema;

use super::arrow_structs::{c_field, c_schema};
use super::guard::{guard, guard_value, Site};
use super::handle::{make, word, Handle};
use super::status::sdp_dal_status;
use super::structs::Extensible;
use super::types::{
    sdp_dal_direction as direction, sdp_dal_order, sdp_dal_param_flag as flag, sdp_dal_param_kind as kind,
};
use crate::error::{Error, Kind, Result};
use crate::wire::{CallSchema, Direction, Order, Param, ParamType};

/// A function's name and its parameters, with metadata that are for people and programs and not for the library. Made
/// by sdp_dal_schema_create(), _parse(), _from_arrow() or _clone(), ended by sdp_dal_schema_free().
pub struct sdp_dal_schema {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_schema {
    type Value = CallSchema;
    const WORD: u64 = word(b"sdpSchem");
    const OF_STORE: bool = false;
}

/// What a parameter is.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_param_info {
    /// sizeof(sdp_dal_param_info).
    pub struct_size: usize,
    /// One of sdp_dal_direction.
    pub direction: i32,
    /// One of sdp_dal_param_kind.
    pub kind: i32,
    /// Element type of a tensor, one of sdp_dal_dtype; else 0.
    pub dtype: i32,
    /// Number of dimensions of a tensor; else 0.
    pub ndim: i32,
    /// Bits of sdp_dal_param_flag.
    pub flags: u32,
    /// The order that the signature gives a tensor, one of sdp_dal_order; else 0.
    pub order: i32,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_param_info {
    const NAME: &'static str = "sdp_dal_param_info";
}
const _: () = assert!(size_of::<sdp_dal_param_info>() == size_of::<usize>() + 6 * 4);

const NO_INFO: sdp_dal_param_info =
    sdp_dal_param_info { struct_size: 0, direction: 0, kind: 0, dtype: 0, ndim: 0, flags: 0, order: 0 };

/// A function without parameters, to be built with sdp_dal_schema_add_value() and its neighbours.
///
/// name: a letter or _, then letters, digits and _.
/// out: The caller owns *out and must call sdp_dal_schema_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_create(
    name: *const c_char,
    out: *mut *mut sdp_dal_schema,
) -> sdp_dal_status {
    guard("sdp_dal_schema_create", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, name) = unsafe { (site.out(out, "out")?, site.text(name, "name")?) };
        let schema = CallSchema::new(name, Vec::new());
        schema.check()?;
        out.set(make(schema));
        Ok(())
    })
}

/// Reads a signature in one line, for instance "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])".
///
/// out: The caller owns *out and must call sdp_dal_schema_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT with the column, what was found and what was expected. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_parse(
    signature: *const c_char,
    out: *mut *mut sdp_dal_schema,
) -> sdp_dal_status {
    guard("sdp_dal_schema_parse", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, signature) = unsafe { (site.out(out, "out")?, site.text(signature, "signature")?) };
        out.set(make(CallSchema::parse(signature)?));
        Ok(())
    })
}

/// Reads an Arrow schema whose metadata say what Arrow's types cannot, with the keys of docs/wire-format.md. Metadata
/// with other keys are kept.
///
/// schema: moved, also if this fails: it is marked as released and need not be released any more.
/// out: The caller owns *out and must call sdp_dal_schema_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_from_arrow(
    schema: *mut FFI_ArrowSchema,
    out: *mut *mut sdp_dal_schema,
) -> sdp_dal_status {
    guard("sdp_dal_schema_from_arrow", |site| {
        // SAFETY: the header's rules for pointers. The schema is taken before anything can fail.
        let (schema, out) = unsafe { (site.take_columns(schema, "schema"), site.out(out, "out")?) };
        out.set(make(CallSchema::from_arrow(&schema?)?));
        Ok(())
    })
}

/// The Arrow schema of a function's calls, with all metadata.
///
/// out: filled. The caller owns it and must call out->release(); released on failure.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_to_arrow(
    schema: *const sdp_dal_schema,
    out: *mut FFI_ArrowSchema,
) -> sdp_dal_status {
    guard("sdp_dal_schema_to_arrow", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, schema) = unsafe { (site.out(out, "out")?, site.handle(schema, "schema")?) };
        out.set(c_schema(&schema.to_arrow())?);
        Ok(())
    })
}

/// Copies the signature in one line. sdp_dal_schema_parse() makes the same schema of it, but for its metadata.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_format(
    schema: *const sdp_dal_schema,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_schema_format", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, schema) = unsafe { (site.text_out(buffer, length)?, site.handle(schema, "schema")?) };
        out.set(&schema.to_string());
        Ok(())
    })
}

/// A second schema that is equal to the first.
///
/// out: The caller owns *out and must call sdp_dal_schema_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_clone(
    schema: *const sdp_dal_schema,
    out: *mut *mut sdp_dal_schema,
) -> sdp_dal_status {
    guard("sdp_dal_schema_clone", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, schema) = unsafe { (site.out(out, "out")?, site.handle(schema, "schema")?) };
        out.set(make(schema.clone()));
        Ok(())
    })
}

/// Ends a schema. NULL is allowed. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_free(schema: *mut sdp_dal_schema) {
    guard("sdp_dal_schema_free", |site| {
        // SAFETY: the header's rules for pointers.
        drop(unsafe { site.end(schema, "schema")? });
        Ok(())
    });
}

/// Copies the name of the function.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_name(
    schema: *const sdp_dal_schema,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_schema_name", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, schema) = unsafe { (site.text_out(buffer, length)?, site.handle(schema, "schema")?) };
        out.set(&schema.name);
        Ok(())
    })
}

/// The number of parameters; 0 if schema is no schema. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_num_params(schema: *const sdp_dal_schema) -> usize {
    guard_value("sdp_dal_schema_num_params", 0, |site| {
        // SAFETY: the header's rules for pointers.
        Ok(unsafe { site.handle(schema, "schema")? }.params.len())
    })
}

/// Copies the name of a parameter.
///
/// index: 0 to sdp_dal_schema_num_params() - 1, in positional order. buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_param_name(
    schema: *const sdp_dal_schema,
    index: usize,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_schema_param_name", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, schema) = unsafe { (site.text_out(buffer, length)?, site.handle(schema, "schema")?) };
        out.set(&site.schema_param(schema, index)?.name);
        Ok(())
    })
}

/// The index of the parameter with a name.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_param_index(
    schema: *const sdp_dal_schema,
    name: *const c_char,
    out: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_schema_param_index", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, schema, name) =
            unsafe { (site.out(out, "out")?, site.handle(schema, "schema")?, site.text(name, "name")?) };
        schema.metadata_of(Some(name))?;
        out.set(schema.param(name).map_or(0, |(index, _)| index));
        Ok(())
    })
}

/// What a parameter is.
///
/// index: 0 to sdp_dal_schema_num_params() - 1. out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_param_info(
    schema: *const sdp_dal_schema,
    index: usize,
    out: *mut sdp_dal_param_info,
) -> sdp_dal_status {
    guard("sdp_dal_schema_param_info", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, schema) = unsafe { (site.out_struct(out, "out")?, site.handle(schema, "schema")?) };
        out.set(info_of(site.schema_param(schema, index)?));
        Ok(())
    })
}

pub(super) fn info_of(param: &Param) -> sdp_dal_param_info {
    let kind = match param.ty {
        ParamType::Scalar(_) => kind::SDP_DAL_PARAM_VALUE,
        ParamType::Tensor { .. } => kind::SDP_DAL_PARAM_TENSOR,
        ParamType::Table(_) => kind::SDP_DAL_PARAM_TABLE,
        ParamType::Oid => kind::SDP_DAL_PARAM_OID,
        ParamType::Id => kind::SDP_DAL_PARAM_ID,
    };
    let (dtype, ndim) = match &param.ty {
        ParamType::Tensor { elem, dims, .. } => (*elem as i32, i32::try_from(dims.len()).unwrap_or(0)),
        _ => (0, 0),
    };
    let order = match param.ty.order() {
        None => sdp_dal_order::SDP_DAL_ORDER_ANY,
        Some(Order::C) => sdp_dal_order::SDP_DAL_ORDER_C,
        Some(Order::F) => sdp_dal_order::SDP_DAL_ORDER_F,
    };
    let bit = |set: bool, bit: flag| if set { bit as u32 } else { 0 };
    sdp_dal_param_info {
        direction: match param.direction {
            Direction::In => direction::SDP_DAL_IN,
            Direction::Out => direction::SDP_DAL_OUT,
        } as i32,
        kind: kind as i32,
        dtype,
        ndim,
        order: order as i32,
        flags: bit(param.nullable, flag::SDP_DAL_PARAM_NULLABLE)
            | bit(matches!(param.ty, ParamType::Table(Some(_))), flag::SDP_DAL_PARAM_COLUMNS),
        ..NO_INFO
    }
}

/// One dimension of a tensor parameter.
///
/// index: 0 to sdp_dal_schema_num_params() - 1. dim: 0 to the info's ndim - 1.
/// out_size: its size, -1 if that is not fixed.
/// buffer, length: its name, as in sdp_dal_last_error(); "" if it has none.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_param_dim(
    schema: *const sdp_dal_schema,
    index: usize,
    dim: usize,
    out_size: *mut i64,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_schema_param_dim", |site| {
        // SAFETY: the header's rules for pointers.
        let (size, name, schema) = unsafe {
            (site.out(out_size, "out_size")?, site.text_out(buffer, length)?, site.handle(schema, "schema")?)
        };
        let param = site.schema_param(schema, index)?;
        let dims: &[_] = if let ParamType::Tensor { dims, .. } = &param.ty { dims } else { &[] };
        let past = || {
            let (name, count) = (&param.name, dims.len());
            site.wrong(format_args!("'dim' is {dim}, parameter '{name}' has {count} dimensions"))
        };
        let dim = dims.get(dim).ok_or_else(past)?;
        size.set(dim.size.unwrap_or(-1));
        name.set(&dim.name);
        Ok(())
    })
}

/// Copies the type of a parameter as a signature writes it: "int64", "float64[row,uvw=3] C", "table{a: utf8}".
///
/// index: 0 to sdp_dal_schema_num_params() - 1. buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_param_type(
    schema: *const sdp_dal_schema,
    index: usize,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_schema_param_type", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, schema) = unsafe { (site.text_out(buffer, length)?, site.handle(schema, "schema")?) };
        out.set(&site.schema_param(schema, index)?.ty.to_string());
        Ok(())
    })
}

/// The type of a value parameter, as an Arrow field of its name.
///
/// index: 0 to sdp_dal_schema_num_params() - 1.
/// out: filled. The caller owns it and must call out->release(); released on failure.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the parameter is an object). Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_param_arrow(
    schema: *const sdp_dal_schema,
    index: usize,
    out: *mut FFI_ArrowSchema,
) -> sdp_dal_status {
    guard("sdp_dal_schema_param_arrow", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, schema) = unsafe { (site.out(out, "out")?, site.handle(schema, "schema")?) };
        let param = site.schema_param(schema, index)?;
        let ParamType::Scalar(data_type) = &param.ty else {
            let (name, ty) = (&param.name, &param.ty);
            return Err(site.wrong(format_args!("parameter '{name}' is {ty}, a value is needed")));
        };
        let field = Field::new(&param.name, data_type.clone(), param.nullable);
        out.set(c_field(&field)?);
        Ok(())
    })
}

/// The columns of a table parameter, as an Arrow schema.
///
/// index: 0 to sdp_dal_schema_num_params() - 1.
/// out: filled. The caller owns it and must call out->release(); released on failure.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND if its columns are not fixed. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_param_columns(
    schema: *const sdp_dal_schema,
    index: usize,
    out: *mut FFI_ArrowSchema,
) -> sdp_dal_status {
    guard("sdp_dal_schema_param_columns", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, schema) = unsafe { (site.out(out, "out")?, site.handle(schema, "schema")?) };
        let param = site.schema_param(schema, index)?;
        let name = &param.name;
        match &param.ty {
            ParamType::Table(Some(columns)) => {
                out.set(c_schema(columns)?);
                Ok(())
            }
            ParamType::Table(None) => {
                Err(Error::new(Kind::NotFound, format!("table '{name}' may have any columns")))
            }
            ty => Err(site.wrong(format_args!("parameter '{name}' is {ty}, a table is needed"))),
        }
    })
}

/// What keeps a caller that expects one schema from calling a function of another.
///
/// Every parameter expected must be there with equal direction, kind and type; others must be inputs that may be left
/// out. Names count; metadata, the order of the parameters and that of a tensor's elements do not.
///
/// out_count: the number of mismatches; 0: they are compatible.
/// buffer, length: one sentence a line, as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_mismatches(
    expected: *const sdp_dal_schema,
    actual: *const sdp_dal_schema,
    out_count: *mut usize,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_schema_mismatches", |site| {
        // SAFETY: the header's rules for pointers.
        let (count, text, expected, actual) = unsafe {
            (
                site.out(out_count, "out_count")?,
                site.text_out(buffer, length)?,
                site.handle(expected, "expected")?,
                site.handle(actual, "actual")?,
            )
        };
        let found = expected.mismatches(actual);
        count.set(found.len());
        text.set(&found.join("\n"));
        Ok(())
    })
}

impl Site {
    fn schema_param(self, schema: &CallSchema, index: usize) -> Result<&Param> {
        let (name, count) = (&schema.name, schema.params.len());
        let past = || self.wrong(format_args!("'index' is {index}, '{name}' has {count} parameters"));
        schema.params.get(index).ok_or_else(past)
    }

    /// The schemas behind an array of handles.
    ///
    /// # Safety
    /// The header's rules for pointers, for the array and what is in it.
    pub(super) unsafe fn schemas(
        self,
        schemas: *const *const sdp_dal_schema,
        count: usize,
        name: &str,
    ) -> Result<Vec<CallSchema>> {
        // SAFETY: the caller's promise.
        let schemas = unsafe { self.items(schemas, count, name)? };
        // SAFETY: the caller's promise.
        schemas.iter().map(|schema| Ok(unsafe { self.handle(*schema, name)? }.clone())).collect()
    }
}
