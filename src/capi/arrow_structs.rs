//! Arrow's C structs: taking them over, giving them out.

use std::ffi::{c_char, c_void, CStr};
use std::ptr;

use crate::arrow::array::ArrayData;
use crate::arrow::datatypes::{DataType, Field, Schema};
use crate::arrow::error::ArrowError;
use crate::arrow::ffi::{from_ffi_and_data_type, FFI_ArrowArray, FFI_ArrowSchema};
use crate::arrow::ffi_stream::FFI_ArrowArrayStream;

use super::guard::Site;
use crate::error::{Error, Result};
use crate::wire::{name_with_nul, type_text};

/// The chunks of a stream, and what one chunk is.
pub(super) struct Chunks {
    pub(super) schema: FFI_ArrowSchema,
    pub(super) arrays: Vec<FFI_ArrowArray>,
}

impl Chunks {
    /// The arrays, of the type that `schema` says. Their bounds are checked; what lies at an address that its type does not
    /// allow here (Arrow asks for eight bytes, decimals need more) is copied.
    pub(super) fn import(self, site: Site, name: &str, data_type: &DataType) -> Result<Vec<ArrayData>> {
        let arrays = self.arrays.into_iter();
        let arrays = arrays.map(|array| {
            // SAFETY: what a stream gives is what its schema says; the header asks for that.
            let mut data = unsafe { from_ffi_and_data_type(array, data_type.clone()) }?;
            data.align_buffers();
            data.validate()?;
            Ok(data)
        });
        let arrays = arrays.collect::<std::result::Result<_, ArrowError>>();
        arrays.map_err(|wrong| site.unreadable(name, &wrong))
    }
}

impl Site {
    pub(super) fn unreadable(self, name: &str, wrong: &ArrowError) -> Error {
        self.wrong(format_args!("'{name}' cannot be read: {wrong}"))
    }

    /// Takes over an Arrow struct: from now on it is ours to release, also when anything else goes wrong. What the caller
    /// has left is a released one.
    ///
    /// # Safety
    /// `place` is NULL or points to a `T` that is valid or released, and all bits zero is a released `T`.
    unsafe fn take<T>(self, place: *mut T, name: &str, released: fn(&T) -> bool) -> Result<T> {
        if place.is_null() || !place.is_aligned() {
            let found = if place.is_null() { "NULL" } else { "not aligned" };
            return Err(self.wrong(format_args!("'{name}' is {found}, expected an Arrow struct")));
        }
        // SAFETY: the caller's promise.
        let taken = unsafe { ptr::replace(place, std::mem::zeroed()) };
        if released(&taken) {
            return Err(self.wrong(format_args!("'{name}' was released, or is empty")));
        }
        Ok(taken)
    }

    /// # Safety
    /// As [`Site::take`].
    pub(super) unsafe fn take_array(self, array: *mut FFI_ArrowArray, name: &str) -> Result<FFI_ArrowArray> {
        // SAFETY: the caller's promise; a zeroed array has no release.
        unsafe { self.take(array, name, FFI_ArrowArray::is_released) }
    }

    /// # Safety
    /// As [`Site::take`].
    pub(super) unsafe fn take_schema(
        self,
        schema: *mut FFI_ArrowSchema,
        name: &str,
    ) -> Result<FFI_ArrowSchema> {
        // SAFETY: the caller's promise; a zeroed schema has no release.
        let taken = unsafe { self.take(schema, name, is_released)? };
        self.check_schema(&taken, name)?;
        Ok(taken)
    }

    fn check_schema(self, schema: &FFI_ArrowSchema, name: &str) -> Result<()> {
        // SAFETY: it was not released, so that it is what Arrow says; the header asks for that.
        match unsafe { fault_of(schema, 0) } {
            Some(fault) => Err(self.wrong(format_args!("the schema of '{name}' is invalid: {fault}"))),
            None => Ok(()),
        }
    }

    /// # Safety
    /// As [`Site::take`].
    pub(super) unsafe fn take_stream(
        self,
        stream: *mut FFI_ArrowArrayStream,
        name: &str,
    ) -> Result<FFI_ArrowArrayStream> {
        // SAFETY: the caller's promise; a zeroed stream has no release.
        unsafe { self.take(stream, name, |stream| stream.release.is_none()) }
    }

    /// Everything that a stream has.
    pub(super) fn chunks(self, mut stream: FFI_ArrowArrayStream, name: &str) -> Result<Chunks> {
        let (Some(get_schema), Some(get_next)) = (stream.get_schema, stream.get_next) else {
            return Err(self.wrong(format_args!("'{name}' has no get_schema or no get_next")));
        };
        let mut schema = FFI_ArrowSchema::empty();
        // SAFETY: the stream is not released, and its functions do what Arrow asks of them.
        let status = unsafe { get_schema(&raw mut stream, &raw mut schema) };
        if status != 0 {
            return Err(self.stream_error(&mut stream, name, status));
        }
        if is_released(&schema) {
            return Err(self.wrong(format_args!("'{name}' returned no schema")));
        }
        self.check_schema(&schema, name)?;
        let mut arrays = Vec::new();
        loop {
            let mut array = FFI_ArrowArray::empty();
            // SAFETY: as above.
            let status = unsafe { get_next(&raw mut stream, &raw mut array) };
            if status != 0 {
                return Err(self.stream_error(&mut stream, name, status));
            }
            if array.is_released() {
                return Ok(Chunks { schema, arrays });
            }
            arrays.push(array);
        }
    }

    fn stream_error(self, stream: &mut FFI_ArrowArrayStream, name: &str, status: i32) -> Error {
        let text = stream.get_last_error.map_or(ptr::null(), |last_error| {
            // SAFETY: the stream is not released.
            unsafe { last_error(&raw mut *stream) }
        });
        let text = if text.is_null() {
            "no reason given".into()
        } else {
            // SAFETY: Arrow's streams give NULL or a text that is valid until their next call.
            unsafe { CStr::from_ptr(text) }.to_string_lossy()
        };
        self.wrong(format_args!("'{name}' failed with error {status}: {text}"))
    }

    /// The columns that a schema of type struct has.
    pub(super) fn columns(self, schema: &FFI_ArrowSchema, name: &str) -> Result<Schema> {
        let rows = self.field(schema, name)?;
        if !matches!(rows.data_type(), DataType::Struct(_)) {
            let found = type_text(rows.data_type());
            return Err(self.wrong(format_args!("'{name}' is of type {found}, expected a struct of columns")));
        }
        Schema::try_from(schema).map_err(|wrong| self.unreadable(name, &wrong))
    }

    /// The columns of a schema that stays the caller's; none for NULL.
    ///
    /// # Safety
    /// `schema` is NULL or points to a valid or released schema.
    pub(super) unsafe fn columns_or_none(
        self,
        schema: *const FFI_ArrowSchema,
        name: &str,
    ) -> Result<Option<Schema>> {
        if schema.is_null() {
            return Ok(None);
        }
        if !schema.is_aligned() {
            return Err(self.wrong(format_args!("'{name}' is not aligned, expected an Arrow struct")));
        }
        // SAFETY: the caller's promise.
        let schema = unsafe { &*schema };
        if is_released(schema) {
            return Err(self.wrong(format_args!("'{name}' was released, or is empty")));
        }
        self.check_schema(schema, name)?;
        self.columns(schema, name).map(Some)
    }

    /// Takes over the columns or parameters of a schema.
    ///
    /// # Safety
    /// As [`Site::take`].
    pub(super) unsafe fn take_columns(self, schema: *mut FFI_ArrowSchema, name: &str) -> Result<Schema> {
        // SAFETY: the caller's promise.
        let taken = unsafe { self.take_schema(schema, name)? };
        self.columns(&taken, name)
    }

    /// Takes over a type.
    ///
    /// # Safety
    /// As [`Site::take`].
    pub(super) unsafe fn take_type(self, schema: *mut FFI_ArrowSchema, name: &str) -> Result<DataType> {
        // SAFETY: the caller's promise.
        let taken = unsafe { self.take_schema(schema, name)? };
        Ok(self.field(&taken, name)?.data_type().clone())
    }

    pub(super) fn field(self, schema: &FFI_ArrowSchema, name: &str) -> Result<Field> {
        Field::try_from(schema).map_err(|wrong| self.unreadable(name, &wrong))
    }
}

/// The struct of Arrow's C data interface, of which arrow keeps the fields to itself.
#[repr(C)]
struct SchemaFields {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *const *const FFI_ArrowSchema,
    dictionary: *const FFI_ArrowSchema,
    release: Option<unsafe extern "C" fn(*mut FFI_ArrowSchema)>,
    private_data: *const c_void,
}
const _: () = assert!(size_of::<SchemaFields>() == size_of::<FFI_ArrowSchema>());

/// Schemas are nested less deeply; no type of a column may be as deep.
const DEEPEST: usize = 100;

/// What keeps a schema from being looked at: Arrow takes that for a mistake of the program's.
///
/// # Safety
/// `schema` is NULL or points to a struct whose texts and children are what Arrow's C data interface says.
unsafe fn fault_of(schema: *const FFI_ArrowSchema, depth: usize) -> Option<&'static str> {
    if schema.is_null() || !schema.is_aligned() {
        return Some("a child is NULL or not aligned");
    }
    if depth > DEEPEST {
        return Some("its type is nested too deeply");
    }
    // SAFETY: the caller's promise; both are the struct of Arrow's C data interface.
    let fields = unsafe { &*schema.cast::<SchemaFields>() };
    // SAFETY: the caller's promise.
    let is_text = |text: *const c_char| unsafe { CStr::from_ptr(text) }.to_str().is_ok();
    if fields.format.is_null() || !is_text(fields.format) {
        return Some("a format is NULL or not UTF-8");
    }
    if !fields.name.is_null() && !is_text(fields.name) {
        return Some("a name is not UTF-8");
    }
    let Ok(count) = usize::try_from(fields.n_children) else { return Some("n_children is negative") };
    if count > 0 && fields.children.is_null() {
        return Some("children is NULL");
    }
    // SAFETY: the caller's promise; there are as many children.
    let of_child = |nth| unsafe { fault_of(*fields.children.add(nth), depth + 1) };
    // SAFETY: the caller's promise.
    let of_values = || unsafe { fault_of(fields.dictionary, depth + 1) };
    (0..count).find_map(of_child).or_else(|| if fields.dictionary.is_null() { None } else { of_values() })
}

/// Whether a schema is a released one, or says nothing.
fn is_released(schema: &FFI_ArrowSchema) -> bool {
    // SAFETY: both are the struct of Arrow's C data interface.
    let fields = unsafe { &*ptr::from_ref(schema).cast::<SchemaFields>() };
    fields.release.is_none() || fields.format.is_null()
}

/// A schema as C's struct of type struct.
pub(super) fn c_schema(schema: &Schema) -> Result<FFI_ArrowSchema> {
    schema.fields().iter().try_for_each(|field| check_names(field))?;
    FFI_ArrowSchema::try_from(schema).map_err(|wrong| formless(&wrong))
}

/// A field as C's struct.
pub(super) fn c_field(field: &Field) -> Result<FFI_ArrowSchema> {
    check_names(field)?;
    FFI_ArrowSchema::try_from(field).map_err(|wrong| formless(&wrong))
}

/// Arrow's conversion takes a NUL for a mistake of the program's, in functions that C calls without our guard.
fn check_names(field: &Field) -> Result<()> {
    match name_with_nul(field) {
        Some(name) => Err(formless(&format_args!("a name contains a NUL byte: {name:?}"))),
        None => Ok(()),
    }
}

fn formless(wrong: &dyn std::fmt::Display) -> Error {
    Error::invalid(format!("Arrow's C structs cannot represent it: {wrong}"))
}
