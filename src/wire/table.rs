//! Table objects: an Arrow IPC stream whose buffers start at multiples of 64 bytes.
//!
//! Writing is in two steps, so that the data are copied once: [`TableForm::of`] finds out what goes where and how large
//! the object will be; [`TableForm::parts`] then says what to copy into it. Reading copies nothing but the metadata.

use std::sync::Arc;

use crate::arrow::array::{make_array, Array, ArrayData, ArrayRef};
use crate::arrow::buffer::Buffer;
use crate::arrow::datatypes::{FieldRef, Schema, SchemaRef};
use crate::arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions};
use crate::arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::error::{Error, Result};

use super::columns::{dictionaries_in, Check, Stream};
use super::message::{corrupt, encapsulate, Head, END_OF_STREAM};
use super::metadata::{object_kind, ObjectKind};
use super::record::{Body, Piece};
use super::schema_bytes::{read_schema, Dictionary};
use super::type_text::type_text;
use super::types::{retyped, same_type, type_fault};

/// A table in the memory of this process: record batches of one schema.
#[derive(Clone, Debug)]
pub struct TableSource {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl TableSource {
    /// Creates a table from these batches. InvalidArgument if the columns of one are not those of the schema.
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<TableSource> {
        for (nth, batch) in batches.iter().enumerate() {
            if batch.schema_ref().fields() != schema.fields() {
                return Err(Error::invalid(format!(
                    "the columns of record batch {nth} are not those of the table's schema"
                )));
            }
        }
        for field in schema.fields() {
            if let Some(fault) = type_fault(field.data_type()) {
                return Err(Error::invalid(format!("column '{}' has {fault}", field.name())));
            }
        }
        Ok(TableSource { schema, batches })
    }

    /// Creates a table from columns that are arrays in chunks. All columns must have chunks of the same lengths:
    /// otherwise InvalidArgument names two columns.
    pub fn from_columns(schema: SchemaRef, columns: &[Vec<ArrayRef>]) -> Result<TableSource> {
        let fields = schema.fields();
        if fields.len() != columns.len() {
            return Err(Error::invalid(format!(
                "{} columns are given, but the schema has {}",
                columns.len(),
                fields.len()
            )));
        }
        let lengths = |column: &Vec<ArrayRef>| column.iter().map(|chunk| chunk.len()).collect::<Vec<_>>();
        let first = columns.first().map(lengths).unwrap_or_default();
        let mut typed = Vec::new();
        for (field, column) in fields.iter().zip(columns) {
            let found = lengths(column);
            if found != first {
                return Err(Error::invalid(format!(
                    "the chunks of all columns must be equally long, but column '{}' has chunks of {} rows and column \
                     '{}' of {}",
                    fields[0].name(),
                    list(&first),
                    field.name(),
                    list(&found)
                )));
            }
            typed.push(column.iter().map(|chunk| chunk_of(chunk, field)).collect::<Result<_>>()?);
        }
        let batch = |nth: usize| {
            let arrays = typed.iter().map(|column: &Vec<ArrayRef>| Arc::clone(&column[nth])).collect();
            new_batch(&schema, arrays, first[nth]).map_err(|wrong| {
                Error::invalid(format!("the columns cannot be put together as a table: {wrong}"))
            })
        };
        let batches = (0..first.len()).map(batch).collect::<Result<_>>()?;
        TableSource::new(schema, batches)
    }

    /// The same table in batches of at most `max_rows` rows. 0: as it is.
    #[must_use]
    pub fn split(self, max_rows: usize) -> TableSource {
        if max_rows == 0 {
            return self;
        }
        let mut batches = Vec::with_capacity(self.batches.len());
        for batch in self.batches {
            let rows = batch.num_rows();
            if rows <= max_rows {
                batches.push(batch);
                continue;
            }
            batches.extend((0..rows).step_by(max_rows).map(|at| batch.slice(at, max_rows.min(rows - at))));
        }
        TableSource { schema: self.schema, batches }
    }

    /// An address at which it has values; None if it has none.
    pub fn address(&self) -> Option<usize> {
        let columns = self.batches.iter().flat_map(RecordBatch::columns);
        columns.filter(|column| !column.is_empty()).find_map(|column| address_in(&column.to_data()))
    }

    /// Whether the other table has the same columns, and its values in the same places.
    pub fn is_same_memory(&self, other: &TableSource) -> bool {
        let same = |(one, two): (&RecordBatch, &RecordBatch)| {
            one.num_rows() == two.num_rows()
                && one
                    .columns()
                    .iter()
                    .zip(two.columns())
                    .all(|(one, two)| lies_as(&one.to_data(), &two.to_data()))
        };
        self.schema == other.schema
            && self.batches.len() == other.batches.len()
            && self.batches.iter().zip(&other.batches).all(same)
    }

    /// The names and types of the columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The record batches.
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }
}

/// A chunk as its column's type names it: libraries give the items of lists and maps names of their own.
fn chunk_of(chunk: &ArrayRef, field: &FieldRef) -> Result<ArrayRef> {
    if chunk.data_type() == field.data_type() {
        return Ok(Arc::clone(chunk));
    }
    if same_type(chunk.data_type(), field.data_type()) {
        return Ok(make_array(retyped(chunk.to_data(), field.data_type())?));
    }
    Err(Error::invalid(format!(
        "column '{}' contains {}, but its schema says {}",
        field.name(),
        type_text(chunk.data_type()),
        type_text(field.data_type())
    )))
}

/// Where an array has values, or one inside it.
fn address_in(data: &ArrayData) -> Option<usize> {
    let buffer = data.buffers().iter().find(|buffer| !buffer.is_empty());
    let inside = || data.child_data().iter().find_map(address_in);
    buffer.map(|buffer| buffer.as_ptr().addr()).or_else(inside)
}

/// Whether two arrays have the same values in the same places. Where a library puts what is empty says nothing.
fn lies_as(one: &ArrayData, two: &ArrayData) -> bool {
    let at = |buffer: &Buffer| (!buffer.is_empty()).then(|| buffer.as_ptr());
    let nulls = |data: &ArrayData| {
        let nulls = data.nulls().filter(|nulls| nulls.null_count() > 0);
        nulls.map(|nulls| (nulls.validity().as_ptr(), nulls.offset()))
    };
    one.data_type() == two.data_type()
        && one.len() == two.len()
        && one.offset() == two.offset()
        && nulls(one) == nulls(two)
        && one.buffers().len() == two.buffers().len()
        && one.buffers().iter().zip(two.buffers()).all(|(one, two)| at(one) == at(two))
        && one.child_data().len() == two.child_data().len()
        && one.child_data().iter().zip(two.child_data()).all(|(one, two)| lies_as(one, two))
}

/// A few numbers in words.
fn list(numbers: &[usize]) -> String {
    const MOST: usize = 8;
    let mut text: Vec<String> = numbers.iter().take(MOST).map(ToString::to_string).collect();
    if numbers.len() > MOST {
        text.push(format!("... ({} chunks)", numbers.len()));
    }
    if text.is_empty() {
        "no chunks".into()
    } else {
        text.join(", ")
    }
}

fn new_batch(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> crate::arrow::error::Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// A table in the form in which it is stored.
pub struct TableForm {
    parts: Vec<(usize, Piece)>,
    size: usize,
}

impl TableForm {
    /// Lays out a table. Copies only small parts.
    pub fn of(table: &TableSource) -> Result<TableForm> {
        let (schema, dictionaries) = schema_message(&table.schema)?;
        let mut form = TableForm { parts: Vec::new(), size: 0 };
        form.add(0, Piece::Bytes(Buffer::from_vec(schema)));
        let mut written: Vec<Option<ArrayRef>> = vec![None; dictionaries.len()];
        for batch in &table.batches {
            let body = Body::of(batch.columns())?;
            form.dictionaries(&dictionaries, &body.dictionaries, &mut written)?;
            form.message(body, batch.num_rows(), None)?;
        }
        form.add(form.size, Piece::Bytes(Buffer::from(END_OF_STREAM)));
        Ok(form)
    }

    /// Writes the dictionaries that are not what the stream has said last.
    fn dictionaries(
        &mut self,
        places: &[Dictionary],
        values: &[ArrayRef],
        written: &mut [Option<ArrayRef>],
    ) -> Result<()> {
        if places.len() != values.len() {
            return Err(Error::internal("the dictionaries of a table were miscounted"));
        }
        // From the last to the first: a dictionary stands behind those inside it.
        let mut changed = vec![false; places.len()];
        for at in (0..places.len()).rev() {
            let inside = at + 1..at + 1 + dictionaries_in(&places[at].values);
            let known = written[at].as_ref().is_some_and(|known| same_array(known, &values[at]));
            if known && !changed[inside].contains(&true) {
                continue;
            }
            changed[at] = true;
            written[at] = Some(Arc::clone(&values[at]));
            let body = Body::of(std::slice::from_ref(&values[at]))?;
            self.message(body, values[at].len(), Some(places[at].id))?;
        }
        Ok(())
    }

    fn message(&mut self, body: Body, rows: usize, dictionary: Option<i64>) -> Result<()> {
        self.add(self.size, Piece::Bytes(Buffer::from_vec(body.message(rows, dictionary)?)));
        let start = self.size;
        for (at, piece) in body.pieces {
            self.add(start + at, piece);
        }
        self.size = start + body.size;
        Ok(())
    }

    fn add(&mut self, at: usize, piece: Piece) {
        self.size = at + piece.len();
        self.parts.push((at, piece));
    }

    /// Bytes of the object.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Copies the table into its object of [`TableForm::size`] bytes, each part once.
    pub fn write(&self, object: &mut impl TableMemory) {
        let mut end = 0;
        for (at, piece) in &self.parts {
            object.bytes(end, at - end).fill(0);
            end = at + piece.len();
            match piece.plain() {
                Some(bytes) => object.copy(*at, bytes),
                None => piece.write(object.bytes(*at, piece.len())),
            }
        }
        object.bytes(end, self.size - end).fill(0);
    }
}

/// Where a table is written to.
pub trait TableMemory {
    /// Copies these bytes to an offset.
    fn copy(&mut self, at: usize, bytes: &[u8]);
    /// So many bytes from an offset on, to be written.
    fn bytes(&mut self, at: usize, length: usize) -> &mut [u8];
}

impl TableMemory for Vec<u8> {
    fn copy(&mut self, at: usize, bytes: &[u8]) {
        self[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn bytes(&mut self, at: usize, length: usize) -> &mut [u8] {
        &mut self[at..at + length]
    }
}

/// Whether two arrays are the same memory; equal values may lie at different places, and are then written again.
fn same_array(a: &ArrayRef, b: &ArrayRef) -> bool {
    Arc::ptr_eq(a, b) || a.to_data().ptr_eq(&b.to_data())
}

/// The message of a schema, and its dictionaries in the order of a walk from the outside inwards.
fn schema_message(schema: &Schema) -> Result<(Vec<u8>, Vec<Dictionary>)> {
    let mut tracker = DictionaryTracker::new(false);
    let generator = IpcDataGenerator::default();
    let encoded =
        generator.schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &IpcWriteOptions::default());
    let message = encapsulate(&encoded.ipc_message)?;
    let head = Head::read(&message, 0)?.ok_or_else(|| Error::internal("a schema without a message"))?;
    let parsed = head.message()?;
    let parsed = parsed.header_as_schema().ok_or_else(|| Error::internal("a message without its schema"))?;
    let dictionaries = read_schema(&parsed)?.dictionaries;
    Ok((message, dictionaries))
}

/// Reads a table object in place. `Bounds` are checked, the values are not.
///
/// InvalidArgument if this is an object of another kind. Corrupt if the bytes are invalid.
pub fn read_table(data: Buffer, metadata: &[u8]) -> Result<TableSource> {
    match object_kind(metadata) {
        ObjectKind::Table => {}
        // What some other program has put says itself what it is.
        ObjectKind::Raw if metadata.is_empty() => {}
        other => return Err(Error::invalid(format!("found a {other}, expected a table"))),
    }
    let mut stream = Stream::open(data, Check::Bounds)?;
    let schema = Arc::clone(&stream.schema);
    let mut batches = Vec::new();
    while let Some((columns, rows)) = stream.next()? {
        let batch = new_batch(&schema, columns, rows);
        batches.push(batch.map_err(|wrong| corrupt(format!("a record batch is invalid: {wrong}")))?);
    }
    Ok(TableSource { schema, batches })
}

/// What keeps a table from having the columns `expected`: InvalidArgument names the column. A column that must not be null
/// may be declared nullable if no value is null.
pub fn check_columns(expected: &Schema, found: &Schema, batches: &[RecordBatch]) -> Result<()> {
    let names = |schema: &Schema| {
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            format!("'{}'", names.join("', '"))
        }
    };
    for (nth, want) in expected.fields().iter().enumerate() {
        let Some(have) = found.fields().get(nth).filter(|have| have.name() == want.name()) else {
            return Err(Error::invalid(format!(
                "expected column '{}' as number {nth}, but the table has the columns {}",
                want.name(),
                names(found)
            )));
        };
        check_column(want, have, nth, batches)?;
    }
    match found.fields().get(expected.fields().len()) {
        Some(extra) => Err(Error::invalid(format!(
            "found a column '{}', expected only the columns {}",
            extra.name(),
            names(expected)
        ))),
        None => Ok(()),
    }
}

fn check_column(want: &FieldRef, have: &FieldRef, nth: usize, batches: &[RecordBatch]) -> Result<()> {
    if !same_type(want.data_type(), have.data_type()) {
        return Err(Error::invalid(format!(
            "column '{}' is {}, expected {}",
            want.name(),
            type_text(have.data_type()),
            type_text(want.data_type())
        )));
    }
    let nulls: usize = batches.iter().map(|batch| batch.column(nth).null_count()).sum();
    if nulls > 0 && !want.is_nullable() {
        return Err(Error::invalid(format!("column '{}' has {nulls} nulls, expected none", want.name())));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
