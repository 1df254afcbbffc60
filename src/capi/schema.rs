//! sdp_dal_schema: a function's name and parameters.

use std::ffi::c_char;
use std::ops::Deref;
use std::ptr;
use std::sync::OnceLock;

use crate::arrow::datatypes::Field;
use crate::arrow::ffi::FFI_ArrowSchema;

use super::arrow_structs::{c_field, c_schema};
use super::guard::{guard, Site};
use super::handle::{make, word, Handle};
use super::status::sdp_dal_status;
use super::structs::Extensible;
use super::texts::Texts;
use super::types::{
    order_code, sdp_dal_direction as direction, sdp_dal_param_flag as flag, sdp_dal_param_kind as kind,
};
use crate::error::{Error, Kind, Result};
use crate::wire::{CallSchema, Direction, Param, ParamType};

/// The name and the parameters of a function, with metadata that the library does not interpret. Created by
/// sdp_dal_schema_create(), _parse(), _from_arrow() or _clone(), freed by sdp_dal_schema_free().
pub struct sdp_dal_schema {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_schema {
    type Value = SchemaState;
    const WORD: u64 = word(b"sdpSchem");
    const OF_STORE: bool = false;
}

/// Name and metadata of a function. All pointers are borrowed: valid until the schema is changed or freed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_schema_info {
    /// sizeof(sdp_dal_schema_info).
    pub struct_size: usize,
    /// The name of the function.
    pub name: *const c_char,
    /// Keys of its metadata, sorted.
    pub metadata_keys: *const *const c_char,
    /// The values of the keys.
    pub metadata_values: *const *const c_char,
    /// Number of keys, and of values.
    pub num_metadata: usize,
    /// Number of parameters, outputs included.
    pub num_params: usize,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_schema_info {
    const NAME: &'static str = "sdp_dal_schema_info";
}
const _: () = assert!(size_of::<sdp_dal_schema_info>() == 6 * size_of::<usize>());

/// Description of a parameter. All pointers are borrowed: valid until the schema is changed or freed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_param_info {
    /// sizeof(sdp_dal_param_info).
    pub struct_size: usize,
    /// Its name.
    pub name: *const c_char,
    /// Its type as in a signature: "int64", "float64[row,uvw=3] C", "table{a: utf8}".
    pub type_text: *const c_char,
    /// For a tensor: the ndim names of its dimensions, "" for one without a name. Otherwise NULL.
    pub dim_names: *const *const c_char,
    /// For a tensor: the ndim sizes of its dimensions, -1 for one that is not fixed. Otherwise NULL.
    pub dim_sizes: *const i64,
    /// Keys of its metadata, sorted.
    pub metadata_keys: *const *const c_char,
    /// The values of the keys.
    pub metadata_values: *const *const c_char,
    /// Number of keys, and of values.
    pub num_metadata: usize,
    /// One of sdp_dal_direction.
    pub direction: i32,
    /// One of sdp_dal_param_kind.
    pub kind: i32,
    /// For a tensor: its element type, one of sdp_dal_dtype. Otherwise 0.
    pub dtype: i32,
    /// For a tensor: its number of dimensions. Otherwise 0.
    pub ndim: i32,
    /// Bits of sdp_dal_param_flag.
    pub flags: u32,
    /// For a tensor: its order in the signature, one of sdp_dal_order. Otherwise 0.
    pub order: i32,
    /// For an output that starts from an input: the name of the input. Otherwise NULL.
    pub starts_from: *const c_char,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_param_info {
    const NAME: &'static str = "sdp_dal_param_info";
}
const _: () = assert!(size_of::<sdp_dal_param_info>() == size_of::<[usize; 9]>() + 6 * 4);

/// A schema, and what C borrows of it, which is made when it is asked for.
pub(super) struct SchemaState {
    schema: CallSchema,
    lent: OnceLock<LentSchema>,
}

/// Infos, and the texts and sizes that they point to.
struct LentSchema {
    info: sdp_dal_schema_info,
    params: Vec<sdp_dal_param_info>,
    _sizes: Vec<Box<[i64]>>,
    _texts: Texts,
}

// SAFETY: never changed after it was made; the infos point to the texts and sizes beside them, which do not move.
unsafe impl Send for LentSchema {}
// SAFETY: as above.
unsafe impl Sync for LentSchema {}

impl SchemaState {
    pub(super) fn new(schema: CallSchema) -> SchemaState {
        SchemaState { schema, lent: OnceLock::new() }
    }

    /// The schema to be changed: what was lent of it ends.
    pub(super) fn change(&mut self) -> &mut CallSchema {
        self.lent.take();
        &mut self.schema
    }

    fn lent(&self) -> &LentSchema {
        self.lent.get_or_init(|| LentSchema::new(&self.schema))
    }
}

impl Deref for SchemaState {
    type Target = CallSchema;

    fn deref(&self) -> &CallSchema {
        &self.schema
    }
}

impl LentSchema {
    fn new(schema: &CallSchema) -> LentSchema {
        let (mut texts, mut sizes) = (Texts::default(), Vec::new());
        let said = texts.lend_metadata(&schema.metadata);
        let info = sdp_dal_schema_info {
            struct_size: 0,
            name: texts.lend(&schema.name),
            metadata_keys: said.keys,
            metadata_values: said.values,
            num_metadata: said.count,
            num_params: schema.params.len(),
        };
        let params = schema.params.iter().map(|param| info_of(param, &mut texts, &mut sizes)).collect();
        LentSchema { info, params, _sizes: sizes, _texts: texts }
    }
}

fn info_of(param: &Param, texts: &mut Texts, sizes: &mut Vec<Box<[i64]>>) -> sdp_dal_param_info {
    let kind = match param.ty {
        ParamType::Scalar(_) => kind::SDP_DAL_PARAM_VALUE,
        ParamType::Tensor { .. } => kind::SDP_DAL_PARAM_TENSOR,
        ParamType::Table(_) => kind::SDP_DAL_PARAM_TABLE,
        ParamType::Oid => kind::SDP_DAL_PARAM_OID,
        ParamType::Id => kind::SDP_DAL_PARAM_ID,
    };
    let (dtype, dims) = match &param.ty {
        ParamType::Tensor { elem, dims, .. } => (*elem as i32, dims.as_slice()),
        _ => (0, [].as_slice()),
    };
    let mut dim_sizes = ptr::null();
    if !dims.is_empty() {
        let fixed: Box<[i64]> = dims.iter().map(|dim| dim.size.unwrap_or(-1)).collect();
        dim_sizes = fixed.as_ptr();
        sizes.push(fixed);
    }
    let bit = |set: bool, bit: flag| if set { bit as u32 } else { 0 };
    let said = texts.lend_metadata(&param.metadata);
    sdp_dal_param_info {
        struct_size: 0,
        name: texts.lend(&param.name),
        type_text: texts.lend(&param.ty.to_string()),
        dim_names: texts.lend_all(dims.iter().map(|dim| dim.name.as_str())),
        dim_sizes,
        metadata_keys: said.keys,
        metadata_values: said.values,
        num_metadata: said.count,
        direction: match param.direction {
            Direction::In => direction::SDP_DAL_IN,
            Direction::Out => direction::SDP_DAL_OUT,
        } as i32,
        kind: kind as i32,
        dtype,
        // At most MAX_DIMS.
        ndim: i32::try_from(dims.len()).unwrap_or(0),
        order: order_code(param.ty.order()),
        starts_from: param.starts_from.as_ref().map_or(ptr::null(), |input| texts.lend(input)),
        flags: bit(param.nullable, flag::SDP_DAL_PARAM_NULLABLE)
            | bit(matches!(param.ty, ParamType::Table(Some(_))), flag::SDP_DAL_PARAM_COLUMNS),
    }
}

/// Creates the schema of a function without parameters. sdp_dal_schema_add() adds parameters.
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
        out.set(make(SchemaState::new(schema)));
        Ok(())
    })
}

/// Parses a signature in one line, for instance "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])".
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
        out.set(make(SchemaState::new(CallSchema::parse(signature)?)));
        Ok(())
    })
}

/// Converts an Arrow schema, with metadata as described in docs/wire-format.md. Metadata with other keys are kept.
///
/// schema: moved, also on failure. It is marked as released and must not be released again.
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
        out.set(make(SchemaState::new(CallSchema::from_arrow(&schema?)?)));
        Ok(())
    })
}

/// Converts a schema to the Arrow schema of the function's calls, with all metadata.
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

/// Copies the signature in one line. sdp_dal_schema_parse() turns it into the same schema, without metadata.
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

/// Copies a schema.
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
        out.set(make(SchemaState::new((**schema).clone())));
        Ok(())
    })
}

/// Frees a schema. NULL is allowed. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_free(schema: *mut sdp_dal_schema) {
    guard("sdp_dal_schema_free", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(schema, "schema") }
    });
}

/// Returns the name and the metadata of the function.
///
/// out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_get_info(
    schema: *const sdp_dal_schema,
    out: *mut sdp_dal_schema_info,
) -> sdp_dal_status {
    guard("sdp_dal_schema_get_info", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, schema) = unsafe { (site.out_struct(out, "out")?, site.handle(schema, "schema")?) };
        out.set(schema.lent().info);
        Ok(())
    })
}

/// Returns the index of the parameter with a name.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_get_index(
    schema: *const sdp_dal_schema,
    name: *const c_char,
    out: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_schema_get_index", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, schema, name) =
            unsafe { (site.out(out, "out")?, site.handle(schema, "schema")?, site.text(name, "name")?) };
        schema.metadata_of(Some(name))?;
        out.set(schema.param(name).map_or(0, |(index, _)| index));
        Ok(())
    })
}

/// Returns the description of a parameter.
///
/// index: 0 to num_params - 1 of sdp_dal_schema_info, in positional order. out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_get_param(
    schema: *const sdp_dal_schema,
    index: usize,
    out: *mut sdp_dal_param_info,
) -> sdp_dal_status {
    guard("sdp_dal_schema_get_param", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, schema) = unsafe { (site.out_struct(out, "out")?, site.handle(schema, "schema")?) };
        site.schema_param(schema, index)?;
        let info = schema.lent().params.get(index).copied();
        out.set(info.ok_or_else(|| Error::internal("a parameter was not lent"))?);
        Ok(())
    })
}

/// Returns the type of a value parameter as an Arrow field with its name, or the columns of a table parameter as an
/// Arrow schema.
///
/// index: 0 to num_params - 1 of sdp_dal_schema_info.
/// out: filled. The caller owns it and must call out->release(); released on failure.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the parameter is another object), SDP_DAL_NOT_FOUND if the columns of the table
/// are not fixed. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_get_arrow(
    schema: *const sdp_dal_schema,
    index: usize,
    out: *mut FFI_ArrowSchema,
) -> sdp_dal_status {
    guard("sdp_dal_schema_get_arrow", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, schema) = unsafe { (site.out(out, "out")?, site.handle(schema, "schema")?) };
        let param = site.schema_param(schema, index)?;
        let name = &param.name;
        out.set(match &param.ty {
            ParamType::Scalar(data_type) => c_field(&Field::new(name, data_type.clone(), param.nullable))?,
            ParamType::Table(Some(columns)) => c_schema(columns)?,
            ParamType::Table(None) => {
                return Err(Error::new(Kind::NotFound, format!("table '{name}' may have any columns")));
            }
            ty => {
                return Err(
                    site.wrong(format_args!("parameter '{name}' is {ty}, expected a value or a table"))
                )
            }
        });
        Ok(())
    })
}

/// Lists the differences that prevent a caller that expects one schema from calling a function with another.
///
/// Every expected parameter must exist with the same name, direction, kind and type. Other parameters must be inputs
/// that may be null. Metadata, the order of the parameters, and the order of the elements of a tensor may differ.
///
/// out_count: the number of differences. 0 means that they are compatible.
/// buffer, length: one sentence per line, as in sdp_dal_last_error().
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
        let past = || self.wrong(format_args!("'index' is {index}, but '{name}' has {count} parameters"));
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
        schemas.iter().map(|schema| Ok((**unsafe { self.handle(*schema, name)? }).clone())).collect()
    }
}
