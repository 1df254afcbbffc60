//! Arrow's C structs: what crosses as `struct ArrowSchema`.

use std::ptr;

use arrow::datatypes::{DataType, Schema};
use arrow::ffi::FFI_ArrowSchema;

use super::guard::Site;
use crate::error::{Error, Result};

/// Where a `struct ArrowSchema` is to go; released until it is set.
pub(super) struct ArrowSchemaOut {
    place: *mut FFI_ArrowSchema,
}

impl ArrowSchemaOut {
    pub(super) fn set(self, schema: FFI_ArrowSchema) {
        // SAFETY: Site::arrow_schema_out() checked the pointer; what lies there is released.
        unsafe { self.place.write(schema) };
    }
}

impl Site {
    /// Takes over a schema; its place is marked as released, whatever comes of it.
    ///
    /// # Safety
    /// `schema` is NULL or points to a valid `struct ArrowSchema`.
    pub(super) unsafe fn arrow_schema(
        self,
        schema: *mut FFI_ArrowSchema,
        name: &str,
    ) -> Result<FFI_ArrowSchema> {
        if schema.is_null() || !schema.is_aligned() {
            let found = if schema.is_null() { "NULL" } else { "not aligned" };
            return Err(self.wrong(format_args!("'{name}' is {found}, a struct ArrowSchema is needed")));
        }
        // SAFETY: the caller's promise.
        let taken = unsafe { FFI_ArrowSchema::from_raw(schema) };
        if taken.release.is_none() || taken.format.is_null() {
            return Err(self.wrong(format_args!("'{name}' is a struct ArrowSchema that was released")));
        }
        Ok(taken)
    }

    /// Takes over the columns or parameters of a schema.
    ///
    /// # Safety
    /// As [`Site::arrow_schema`].
    pub(super) unsafe fn arrow_fields(self, schema: *mut FFI_ArrowSchema, name: &str) -> Result<Schema> {
        // SAFETY: the caller's promise.
        let taken = unsafe { self.arrow_schema(schema, name)? };
        Schema::try_from(&taken).map_err(|wrong| {
            self.wrong(format_args!("'{name}' is no Arrow schema (a struct of its fields): {wrong}"))
        })
    }

    /// Takes over a type.
    ///
    /// # Safety
    /// As [`Site::arrow_schema`].
    pub(super) unsafe fn arrow_type(self, schema: *mut FFI_ArrowSchema, name: &str) -> Result<DataType> {
        // SAFETY: the caller's promise.
        let taken = unsafe { self.arrow_schema(schema, name)? };
        DataType::try_from(&taken)
            .map_err(|wrong| self.wrong(format_args!("'{name}' is no Arrow type: {wrong}")))
    }

    /// Where a schema is to go; marked as released now. What lay there is not looked at.
    ///
    /// # Safety
    /// `place` is NULL or has room for a `struct ArrowSchema`.
    pub(super) unsafe fn arrow_schema_out(
        self,
        place: *mut FFI_ArrowSchema,
        name: &str,
    ) -> Result<ArrowSchemaOut> {
        if place.is_null() || !place.is_aligned() {
            let found = if place.is_null() { "NULL" } else { "not aligned" };
            return Err(
                self.wrong(format_args!("'{name}' is {found}, room for a struct ArrowSchema is needed"))
            );
        }
        // SAFETY: the caller's promise; nothing is dropped.
        unsafe { ptr::write(place, FFI_ArrowSchema::empty()) };
        Ok(ArrowSchemaOut { place })
    }
}

/// The error of a schema that Arrow cannot hand out.
pub(super) fn not_exported(wrong: arrow::error::ArrowError) -> Error {
    Error::invalid(format!("the schema has no form in Arrow's C structs: {wrong}"))
}
