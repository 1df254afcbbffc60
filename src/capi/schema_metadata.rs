//! What is said about a function and its parameters, besides what they are.

use std::ffi::c_char;

use super::guard::{guard, Site};
use super::schema::sdp_dal_schema;
use super::status::sdp_dal_status;
use crate::error::{Error, Kind, Result};
use crate::wire::Metadata;

/// Says something about the function or one of its parameters. Callers and processors see it, and it makes no
/// difference to whether they fit.
///
/// param: the parameter's name; NULL: the function. key: not empty, and not starting with "proc:". value: NULL takes
/// it back.
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
            schema.set_metadata(param, key, site.text_or_none(value, "value")?)
        }
    })
}

/// The number of things said about the function or one of its parameters.
///
/// param: the parameter's name; NULL: the function.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_num_metadata(
    schema: *const sdp_dal_schema,
    param: *const c_char,
    out: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_schema_num_metadata", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, metadata) = unsafe { (site.out(out, "out")?, site.schema_metadata(schema, param)?) };
        out.set(metadata.len());
        Ok(())
    })
}

/// Copies a key of the metadata of the function or one of its parameters; they are sorted.
///
/// param: the parameter's name; NULL: the function. index: 0 to what sdp_dal_schema_num_metadata() gave - 1.
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_metadata_key(
    schema: *const sdp_dal_schema,
    param: *const c_char,
    index: usize,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_schema_metadata_key", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, metadata) =
            unsafe { (site.text_out(buffer, length)?, site.schema_metadata(schema, param)?) };
        out.set(site.metadata_key(metadata, index)?);
        Ok(())
    })
}

/// Copies what is said about the function or one of its parameters under a key.
///
/// param: the parameter's name; NULL: the function. buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_schema_metadata(
    schema: *const sdp_dal_schema,
    param: *const c_char,
    key: *const c_char,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_schema_metadata", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, metadata, key) = unsafe {
            (site.text_out(buffer, length)?, site.schema_metadata(schema, param)?, site.text(key, "key")?)
        };
        out.set(metadata_value(metadata, key)?);
        Ok(())
    })
}

/// The value of a key.
pub(super) fn metadata_value<'a>(metadata: &'a Metadata, key: &str) -> Result<&'a str> {
    metadata.get(key).map(String::as_str).ok_or_else(|| {
        let keys: Vec<_> = metadata.keys().map(String::as_str).collect();
        let known =
            if keys.is_empty() { "there are none".to_owned() } else { format!("only: {}", keys.join(", ")) };
        Error::new(Kind::NotFound, format!("no metadata '{key}': {known}"))
    })
}

impl Site {
    /// # Safety
    /// The header's rules for pointers.
    unsafe fn schema_metadata<'a>(
        self,
        schema: *const sdp_dal_schema,
        param: *const c_char,
    ) -> Result<&'a Metadata> {
        // SAFETY: the caller's promise.
        let (schema, param) = unsafe { (self.handle(schema, "schema")?, self.text_or_none(param, "param")?) };
        schema.metadata_of(param)
    }

    /// The key at a place.
    pub(super) fn metadata_key(self, metadata: &Metadata, index: usize) -> Result<&str> {
        let past = || self.wrong(format_args!("'index' is {index}, there are {} keys", metadata.len()));
        metadata.keys().nth(index).map(String::as_str).ok_or_else(past)
    }
}
