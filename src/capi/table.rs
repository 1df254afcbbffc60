//! Tables: Arrow's C structs in and out.

use std::ffi::c_char;
use std::sync::Arc;

use crate::arrow::array::{make_array, Array, StructArray};
use crate::arrow::datatypes::{DataType, SchemaRef};
use crate::arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use crate::arrow::ffi_stream::FFI_ArrowArrayStream;
use crate::arrow::record_batch::{RecordBatch, RecordBatchIterator, RecordBatchOptions};

use super::args::{sdp_dal_args, Value};
use super::arrow_structs::c_schema;
use super::call::sdp_dal_call;
use super::guard::{guard, Site};
use super::handle::make;
use super::reference::{sdp_dal_ref, RefState};
use super::status::sdp_dal_status;
use super::store::sdp_dal_store;
use super::structs::{Extensible, Out};
use crate::dal::{ExpectedTable, Namespace, Table};
use crate::error::{Error, Kind, Result};
use crate::timeout::Timeout;
use crate::wire::TableSource;

/// Options for putting a table. Zero bytes mean the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_table_options {
    /// sizeof(sdp_dal_table_options).
    pub struct_size: usize,
    /// Maximum number of rows of a record batch. Longer ones are split. Default (0): no limit.
    pub max_chunksize: usize,
    /// How long to wait for space when the store is full, in nanoseconds, 1 for not at all, or SDP_DAL_WAIT_FOREVER. Default
    /// (0): that of the store or reference, see sdp_dal_store_set_full_timeout().
    pub full_timeout_ns: i64,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_table_options {
    const NAME: &'static str = "sdp_dal_table_options";
}
const _: () = assert!(size_of::<sdp_dal_table_options>() == 2 * size_of::<usize>() + 8);

impl Site {
    /// The table that a stream gives; the stream is released in any case.
    ///
    /// # Safety
    /// The header's rules for pointers.
    pub(super) unsafe fn table(self, stream: *mut FFI_ArrowArrayStream, name: &str) -> Result<TableSource> {
        // SAFETY: the caller's promise.
        let chunks = self.chunks(unsafe { self.take_stream(stream, name)? }, name)?;
        let schema = Arc::new(self.columns(&chunks.schema, name)?);
        let rows = DataType::Struct(schema.fields().clone());
        let batches = chunks.import(self, name, &rows)?.into_iter().map(|data| {
            let rows = data.len();
            let (_, columns, nulls) = StructArray::from(data).into_parts();
            if nulls.is_some_and(|nulls| nulls.null_count() > 0) {
                return Err(self.wrong(format_args!("'{name}' has rows that are null as a whole")));
            }
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            RecordBatch::try_new_with_options(schema.clone(), columns, &options)
                .map_err(|wrong| self.wrong(format_args!("'{name}' is not a table: {wrong}")))
        });
        let batches = batches.collect::<Result<_>>()?;
        TableSource::new(schema, batches).map_err(|wrong| self.wrong(wrong))
    }

    /// # Safety
    /// As [`Site::table`].
    unsafe fn split_table(
        self,
        stream: *mut FFI_ArrowArrayStream,
        name: &str,
        options: *const sdp_dal_table_options,
    ) -> Result<(TableSource, Option<Timeout>)> {
        // SAFETY: the caller's promise. The stream is taken first, so that it is released whatever the options are.
        unsafe { self.split(self.table(stream, name), options) }
    }

    /// A table in pieces, and how long it waits for space, as the options say.
    ///
    /// # Safety
    /// The header's rules for pointers.
    unsafe fn split(
        self,
        table: Result<TableSource>,
        options: *const sdp_dal_table_options,
    ) -> Result<(TableSource, Option<Timeout>)> {
        // SAFETY: the caller's promise.
        let options = unsafe { self.in_struct(options, "options") };
        let table = table?;
        let Some(options) = options? else { return Ok((table, None)) };
        Ok((table.split(options.max_chunksize), self.full_timeout(options.full_timeout_ns)?))
    }

    /// The table of columns that are streams of arrays; all are released in any case.
    ///
    /// # Safety
    /// The header's rules for pointers; `columns` are `count` streams.
    unsafe fn table_of_columns(
        self,
        schema: *const FFI_ArrowSchema,
        columns: *mut FFI_ArrowArrayStream,
        count: usize,
    ) -> Result<TableSource> {
        if columns.is_null() && count > 0 {
            return Err(self.wrong(format_args!("'columns' is NULL, expected {count} streams")));
        }
        let name = |nth: usize| format!("columns[{nth}]");
        let mut streams = Vec::new();
        let size = count.saturating_mul(size_of::<FFI_ArrowArrayStream>());
        streams.try_reserve_exact(count).map_err(|_| self.no_memory(size, "columns"))?;
        // SAFETY: the caller's promise. All are taken before any is read.
        streams
            .extend((0..count).map(|nth| unsafe { self.take_stream(columns.wrapping_add(nth), &name(nth)) }));
        // SAFETY: the caller's promise.
        let schema = unsafe { self.columns_or_none(schema, "schema")? };
        let schema = schema
            .ok_or_else(|| self.wrong("'schema' is NULL, expected a schema with the names of the columns"))?;
        let mut arrays = Vec::new();
        for (nth, stream) in streams.into_iter().enumerate() {
            let chunks = self.chunks(stream?, &name(nth))?;
            let field = self.field(&chunks.schema, &name(nth))?;
            let imported = chunks.import(self, &name(nth), field.data_type())?;
            arrays.push(imported.into_iter().map(make_array).collect());
        }
        TableSource::from_columns(Arc::new(schema), &arrays).map_err(|wrong| self.wrong(wrong))
    }

    /// # Safety
    /// The header's rules for pointers.
    unsafe fn put_output_table(
        self,
        call: *const sdp_dal_call,
        name: *const c_char,
        value: *mut FFI_ArrowArrayStream,
        options: *const sdp_dal_table_options,
    ) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe {
            let value = self.split_table(value, "value", options);
            let state = self.handle(call, "call")?;
            let param = self.param(state.call(), name)?;
            let (table, full_timeout) = value?;
            state.call().put_table_within(param, &table, full_timeout)
        }
    }

    /// # Safety
    /// The header's rules for pointers.
    unsafe fn get_input_table(
        self,
        call: *const sdp_dal_call,
        name: *const c_char,
        out: *mut FFI_ArrowArrayStream,
    ) -> Result<()> {
        // SAFETY: the caller's promise; a zeroed stream is a released one.
        unsafe {
            let out = self.out(out, "out")?;
            let state = self.handle(call, "call")?;
            let param = self.param(state.call(), name)?;
            give_stream(&state.call().table(param)?, out)
        }
    }
}

fn give_stream(table: &Table, out: Out<FFI_ArrowArrayStream>) -> Result<()> {
    // The stream's get_schema() runs without our guard: it must not be the first to find out.
    c_schema(table.schema())?;
    let batches: Vec<_> = table.batches().iter().cloned().map(Ok).collect();
    let reader = RecordBatchIterator::new(batches, table.schema().clone());
    out.set(FFI_ArrowArrayStream::new(Box::new(reader)));
    Ok(())
}

/// The namespace, with the time that an option gives.
fn waiting(namespace: &Namespace, full_timeout: Option<Timeout>) -> Namespace {
    namespace.with_full_timeout(full_timeout.or(namespace.full_timeout()))
}

/// Puts a table: one copy into the store.
///
/// stream: the record batches. It is moved: the library reads it to its end and releases it, also on failure.
/// options: NULL for the defaults.
/// out: an owning reference. The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the stream fails, with its text), SDP_DAL_OUT_OF_MEMORY,
/// SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the stream does, and while
/// the store is full, up to the time of sdp_dal_store_set_full_timeout().
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_table_put(
    store: *const sdp_dal_store,
    stream: *mut FFI_ArrowArrayStream,
    options: *const sdp_dal_table_options,
    out: *mut *mut sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_table_put", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe {
            let table = site.split_table(stream, "stream", options);
            let out = site.out(out, "out")?;
            let namespace = site.handle(store, "store")?;
            let (table, full_timeout) = table?;
            out.set(make(RefState::new(waiting(namespace, full_timeout).put_table(&table)?)));
        }
        Ok(())
    })
}

/// Puts a table that is given column by column: one copy into the store. All columns must have chunks of the same
/// lengths.
///
/// schema: the names and types of the columns, as a struct. It is not released by the library.
/// columns, count: one stream of arrays for each column of schema. They are moved: the library reads them to their ends
/// and releases them, also on failure.
/// options: NULL for the defaults.
/// out: an owning reference. The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: like sdp_dal_table_put(). Blocks while the streams do, and while the store is full, up to the time of
/// sdp_dal_store_set_full_timeout().
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_table_put_columns(
    store: *const sdp_dal_store,
    schema: *const FFI_ArrowSchema,
    columns: *mut FFI_ArrowArrayStream,
    count: usize,
    options: *const sdp_dal_table_options,
    out: *mut *mut sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_table_put_columns", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe {
            let table = site.table_of_columns(schema, columns, count);
            let out = site.out(out, "out")?;
            let namespace = site.handle(store, "store")?;
            let (table, full_timeout) = site.split(table, options)?;
            out.set(make(RefState::new(waiting(namespace, full_timeout).put_table(&table)?)));
        }
        Ok(())
    })
}

/// Writes the table of a reference whose object does not exist yet: one copy into the store.
///
/// stream: the record batches. It is moved: the library reads it to its end and releases it, also on failure.
/// options: NULL for the defaults.
///
/// Errors: like sdp_dal_table_put(); SDP_DAL_INVALID_ARGUMENT, with the name of the column, if the reference expects
/// other columns; SDP_DAL_ALREADY_EXISTS. Blocks while the stream does, and while the store is full, up to the time of
/// sdp_dal_store_set_full_timeout().
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_put_table(
    reference: *mut sdp_dal_ref,
    stream: *mut FFI_ArrowArrayStream,
    options: *const sdp_dal_table_options,
) -> sdp_dal_status {
    guard("sdp_dal_ref_put_table", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe {
            let table = site.split_table(stream, "stream", options);
            let state = site.handle_mut(reference, "reference")?;
            let (table, full_timeout) = table?;
            let reference = state.reference();
            reference.with_full_timeout(full_timeout.or(reference.full_timeout())).put_table(&table)
        }
    })
}

/// Waits until the object exists, and returns it as a table. Nothing is copied. The bounds of the arrays are checked,
/// but not their values.
///
/// out: a stream of the record batches. The caller owns it and must call out->release(), and also release its schema
/// and arrays, in any order and in any thread. The bytes of the object stay valid until then, even if handles are
/// closed or the object is deleted.
///
/// Errors: like sdp_dal_ref_wait(), and SDP_DAL_INVALID_ARGUMENT if the object is not a table, or (with the name of the
/// column) not the one that the reference expects; SDP_DAL_CORRUPT. Blocks up to timeout_ns.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_get_table(
    reference: *const sdp_dal_ref,
    timeout_ns: i64,
    out: *mut FFI_ArrowArrayStream,
) -> sdp_dal_status {
    guard("sdp_dal_ref_get_table", |site| {
        // SAFETY: the header's rules for pointers; a zeroed stream is a released one.
        let (out, state) = unsafe { (site.out(out, "out")?, site.handle(reference, "reference")?) };
        give_stream(&state.reference().get_table(site.timeout(timeout_ns)?)?, out)
    })
}

/// Like sdp_dal_ref_get_table(), but returns a table of one record batch (or none) as one struct array.
///
/// out, out_schema: the array and its type. The caller owns both and must release them, in any order and in any thread.
///
/// Errors: like sdp_dal_ref_get_table(), and SDP_DAL_INVALID_ARGUMENT if the table has more record batches. Blocks up
/// to timeout_ns.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_get_batch(
    reference: *const sdp_dal_ref,
    timeout_ns: i64,
    out: *mut FFI_ArrowArray,
    out_schema: *mut FFI_ArrowSchema,
) -> sdp_dal_status {
    guard("sdp_dal_ref_get_batch", |site| {
        // SAFETY: the header's rules for pointers; zeroed structs are released ones.
        let ((out, out_schema), state) = unsafe {
            (site.outs((out, "out"), (out_schema, "out_schema"))?, site.handle(reference, "reference")?)
        };
        let table = state.reference().get_table(site.timeout(timeout_ns)?)?;
        let batch = match table.batches() {
            [] => RecordBatch::new_empty(table.schema().clone()),
            [only] => only.clone(),
            more => {
                return Err(Error::invalid(format!(
                    "object {}: the table has {} record batches: use sdp_dal_ref_get_table()",
                    state.reference().id(),
                    more.len()
                )))
            }
        };
        let given = FFI_ArrowArray::new(&StructArray::from(batch).to_data());
        out_schema.set(c_schema(table.schema())?);
        out.set(given);
        Ok(())
    })
}

/// Returns the columns of a reference to a table: those that it expects, or those of the table if it expects none and
/// the table exists.
///
/// out: the schema, a struct. The caller owns it and must call out->release().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND if the columns are not known, SDP_DAL_CORRUPT, SDP_DAL_FORKED.
/// Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_get_columns(
    reference: *const sdp_dal_ref,
    out: *mut FFI_ArrowSchema,
) -> sdp_dal_status {
    guard("sdp_dal_ref_get_columns", |site| {
        // SAFETY: the header's rules for pointers; a zeroed schema is a released one.
        let (out, state) = unsafe { (site.out(out, "out")?, site.handle(reference, "reference")?) };
        let reference = state.reference();
        let expected = reference.expectation().table.as_ref().and_then(ExpectedTable::columns);
        let columns: SchemaRef = match expected {
            Some(columns) => columns.clone(),
            None if reference.exists()? => reference.get_table(Timeout::Poll)?.schema().clone(),
            None => {
                let text = format!("the columns of object {} are not known yet", reference.id());
                return Err(Error::new(Kind::NotFound, text));
            }
        };
        out.set(c_schema(&columns)?);
        Ok(())
    })
}

/// Returns an input table, like sdp_dal_ref_get_table(). It may outlive the call.
///
/// out: a stream of the record batches. The caller owns it and must call out->release(), and also release its schema
/// and arrays, in any order and in any thread.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND,
/// SDP_DAL_CORRUPT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_get_table(
    call: *const sdp_dal_call,
    name: *const c_char,
    out: *mut FFI_ArrowArrayStream,
) -> sdp_dal_status {
    guard("sdp_dal_call_get_table", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.get_input_table(call, name, out) }
    })
}

/// Writes and seals an output that is a table or an object of any kind: one copy into the store.
///
/// value: the record batches. It is moved: the library reads it to its end and releases it, also on failure.
/// options: NULL for the defaults.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also, with the name of the column, for columns that the signature does not allow,
/// or for a null output), SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED,
/// SDP_DAL_BUSY. Blocks while the stream does, and while the store is full, up to the time of
/// sdp_dal_store_set_full_timeout().
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_put_table(
    call: *const sdp_dal_call,
    name: *const c_char,
    value: *mut FFI_ArrowArrayStream,
    options: *const sdp_dal_table_options,
) -> sdp_dal_status {
    guard("sdp_dal_call_put_table", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.put_output_table(call, name, value, options) }
    })
}

/// Sets a parameter to a table, which the call puts into the store.
///
/// value: the record batches. It is moved: the library reads it to its end now and releases it, also on failure. Its
/// arrays are released when the arguments are cleared or freed, or when the parameter is set to another value.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Blocks while the stream does.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_args_set_table(
    args: *mut sdp_dal_args,
    name: *const c_char,
    value: *mut FFI_ArrowArrayStream,
) -> sdp_dal_status {
    guard("sdp_dal_args_set_table", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe {
            let value = site.table(value, "value").map(Value::Table);
            site.add(args, name, value)
        }
    })
}
