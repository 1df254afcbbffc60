//! Record batches out of bytes that may be damaged.
//!
//! Arrow's own reader trusts offsets and counts so far that damage makes it panic or ask for any amount of memory. This
//! one checks every number against the bytes that there are, and has Arrow validate each array that it builds. It is
//! made for small batches (calls and declarations): the body is copied, and values are validated too.

use std::sync::Arc;

use arrow::array::{layout, make_array, new_empty_array, Array, ArrayData, ArrayRef, BufferSpec, UnionArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Schema, UnionFields, UnionMode};
use arrow::ipc;

use crate::error::Result;

use super::message::{corrupt, Head};
use super::types::{children, read_schema, Dictionary, ReadSchema};

/// Most elements of an array in a call.
const MAX_LENGTH: i64 = i32::MAX as i64;

/// A stream of one record batch.
pub(crate) struct Batch {
    pub(crate) schema: Schema,
    /// As many as the schema's fields, each `rows` long and of its field's type.
    pub(crate) columns: Vec<ArrayRef>,
    pub(crate) rows: usize,
}

/// Reads a stream of one record batch of at most `max_rows` rows.
pub(crate) fn read_stream(data: &[u8], max_rows: usize) -> Result<Batch> {
    let head = Head::read(data, 0)?.ok_or_else(|| corrupt("found no bytes, expected an Arrow stream"))?;
    let message = head.message()?;
    check_version(&message)?;
    let schema = message.header_as_schema().ok_or_else(|| {
        corrupt(format!(
            "the stream starts with an Arrow {:?} message, expected a Schema",
            message.header_type()
        ))
    })?;
    let ReadSchema { schema, dictionaries } = read_schema(&schema)?;
    let mut at = head.body(&message, data)?.end;
    let mut found: Vec<Option<ArrayRef>> = vec![None; dictionaries.len()];
    let mut batch: Option<(Vec<ArrayRef>, usize)> = None;
    while let Some(head) = Head::read(data, at)? {
        let message = head.message()?;
        check_version(&message)?;
        let body = head.body(&message, data)?;
        at = body.end;
        if let Some(dictionary) = message.header_as_dictionary_batch() {
            read_dictionary(&dictionary, &data[body], &dictionaries, &mut found)?;
            continue;
        }
        let record = message.header_as_record_batch().ok_or_else(|| {
            corrupt(format!("found an Arrow {:?} message, expected a RecordBatch", message.header_type()))
        })?;
        if batch.is_some() {
            return Err(corrupt("the stream has more than one record batch"));
        }
        let types: Vec<&DataType> = schema.fields().iter().map(|field| field.data_type()).collect();
        let mut reader = BatchReader::new(&record, &data[body], &found, 0)?;
        let rows =
            usize::try_from(record.length()).ok().filter(|rows| *rows <= max_rows).ok_or_else(|| {
                corrupt(format!(
                    "the record batch has {} rows, at most {max_rows} are possible",
                    record.length()
                ))
            })?;
        batch = Some((reader.columns(&types, rows)?, rows));
    }
    let (columns, rows) = batch.ok_or_else(|| corrupt("the stream has no record batch"))?;
    Ok(Batch { schema, columns, rows })
}

fn check_version(message: &ipc::Message<'_>) -> Result<()> {
    if message.version() == ipc::MetadataVersion::V5 {
        return Ok(());
    }
    Err(corrupt(format!("the Arrow message is of metadata version {:?}, expected V5", message.version())))
}

/// Reads the values of a dictionary into all its places.
fn read_dictionary(
    batch: &ipc::DictionaryBatch<'_>,
    body: &[u8],
    dictionaries: &[Dictionary],
    found: &mut [Option<ArrayRef>],
) -> Result<()> {
    if batch.isDelta() {
        return Err(corrupt("the stream has a delta dictionary; a stream of one batch needs none"));
    }
    let id = batch.id();
    let place = dictionaries.iter().position(|dictionary| dictionary.id == id);
    let place = place.ok_or_else(|| corrupt(format!("the schema has no dictionary {id}")))?;
    let record = batch.data().ok_or_else(|| corrupt(format!("dictionary {id} has no values")))?;
    let values = &dictionaries[place].values;
    // The dictionaries inside this one's values follow it.
    let array = BatchReader::new(&record, body, found, place + 1)?.column(values)?;
    for (other, slot) in dictionaries.iter().zip(found) {
        if other.id == id && other.values == *values {
            *slot = Some(Arc::clone(&array));
        }
    }
    Ok(())
}

/// Dictionaries in a type, nested ones included.
fn dictionaries_in(data_type: &DataType) -> usize {
    match data_type {
        DataType::Dictionary(_, values) => 1 + dictionaries_in(values),
        other => children(other).into_iter().map(|field| dictionaries_in(field.data_type())).sum(),
    }
}

/// Walks through the nodes and buffers of a record batch.
struct BatchReader<'a> {
    nodes: flatbuffers::VectorIter<'a, ipc::FieldNode>,
    buffers: flatbuffers::VectorIter<'a, ipc::Buffer>,
    variadic: Box<dyn Iterator<Item = i64> + 'a>,
    body: Buffer,
    dictionaries: &'a [Option<ArrayRef>],
    next_dictionary: usize,
}

impl<'a> BatchReader<'a> {
    fn new(
        batch: &ipc::RecordBatch<'a>,
        body: &[u8],
        dictionaries: &'a [Option<ArrayRef>],
        next_dictionary: usize,
    ) -> Result<BatchReader<'a>> {
        if batch.compression().is_some() {
            return Err(corrupt("the record batch is compressed; only plain ones are possible here"));
        }
        let nodes = batch.nodes().ok_or_else(|| corrupt("the record batch has no nodes"))?;
        let buffers = batch.buffers().ok_or_else(|| corrupt("the record batch has no buffers"))?;
        Ok(BatchReader {
            nodes: nodes.iter(),
            buffers: buffers.iter(),
            variadic: Box::new(batch.variadicBufferCounts().into_iter().flatten()),
            body: Buffer::from(body),
            dictionaries,
            next_dictionary,
        })
    }

    fn columns(&mut self, types: &[&DataType], rows: usize) -> Result<Vec<ArrayRef>> {
        let mut columns = Vec::with_capacity(types.len());
        for data_type in types {
            let column = self.column(data_type)?;
            if column.len() != rows {
                return Err(corrupt(format!(
                    "a column of the record batch has {} rows, expected {rows}",
                    column.len()
                )));
            }
            columns.push(column);
        }
        Ok(columns)
    }

    fn column(&mut self, data_type: &DataType) -> Result<ArrayRef> {
        let node = self.nodes.next().ok_or_else(|| corrupt("the record batch has too few nodes"))?;
        if !(0..=MAX_LENGTH).contains(&node.length()) || !(0..=node.length()).contains(&node.null_count()) {
            return Err(corrupt(format!(
                "an array has {} elements and {} nulls",
                node.length(),
                node.null_count()
            )));
        }
        let length = usize::try_from(node.length()).map_err(|_| corrupt("an array is too long"))?;
        if let DataType::Union(fields, mode) = data_type {
            return self.union(fields, *mode, length);
        }
        let layout = layout(data_type);
        let mut nulls = None;
        if layout.can_contain_null_mask {
            let validity = self.buffer()?;
            if node.null_count() > 0 {
                nulls = Some(null_buffer(validity, length)?);
            }
        }
        let mut builder = ArrayData::builder(data_type.clone()).len(length).nulls(nulls);
        for spec in &layout.buffers {
            let buffer = self.buffer()?;
            builder = builder.add_buffer(match spec {
                // Arrow takes a buffer that ends inside an element for a mistake of the program's.
                BufferSpec::FixedWidth { byte_width, .. } => {
                    let rest = buffer.len().checked_rem(*byte_width).unwrap_or(0);
                    buffer.slice_with_length(0, buffer.len() - rest)
                }
                _ => buffer,
            });
        }
        if layout.variadic {
            let more = self.variadic.next().and_then(|count| usize::try_from(count).ok());
            let more =
                more.ok_or_else(|| corrupt("the record batch does not say how many buffers a column has"))?;
            for _ in 0..more {
                builder = builder.add_buffer(self.buffer()?);
            }
        }
        if let DataType::Dictionary(_, values) = data_type {
            builder = builder.add_child_data(self.dictionary(values).into_data());
        }
        for child in children(data_type) {
            builder = builder.add_child_data(self.column(child.data_type())?.into_data());
        }
        let array = builder.align_buffers(true).build();
        Ok(make_array(array.map_err(|wrong| corrupt(format!("an array does not add up: {wrong}")))?))
    }

    /// The values of the next dictionary; none of them if none came, as when all of a column is null.
    fn dictionary(&mut self, values: &DataType) -> ArrayRef {
        let place = self.next_dictionary;
        self.next_dictionary += 1 + dictionaries_in(values);
        let known = self.dictionaries.get(place).cloned().flatten();
        known.unwrap_or_else(|| new_empty_array(values))
    }

    fn union(&mut self, fields: &UnionFields, mode: UnionMode, length: usize) -> Result<ArrayRef> {
        let short = || corrupt("a union's types or offsets are too short");
        let ids = self.buffer()?;
        if ids.len() < length {
            return Err(short());
        }
        let ids: ScalarBuffer<i8> = ScalarBuffer::new(ids, 0, length);
        let mut offsets = None;
        if mode == UnionMode::Dense {
            let buffer = self.buffer()?;
            if buffer.len() / 4 < length {
                return Err(short());
            }
            offsets = Some(ScalarBuffer::<i32>::new(buffer, 0, length));
        }
        let children =
            fields.iter().map(|(_, field)| self.column(field.data_type())).collect::<Result<Vec<_>>>()?;
        let union = UnionArray::try_new(fields.clone(), ids, offsets, children);
        Ok(Arc::new(union.map_err(|wrong| corrupt(format!("a union does not add up: {wrong}")))?))
    }

    fn buffer(&mut self) -> Result<Buffer> {
        let buffer = self.buffers.next().ok_or_else(|| corrupt("the record batch has too few buffers"))?;
        let range = || {
            let start = usize::try_from(buffer.offset()).ok()?;
            let length = usize::try_from(buffer.length()).ok()?;
            (start % 8 == 0 && start.checked_add(length)? <= self.body.len()).then_some((start, length))
        };
        let (start, length) = range().ok_or_else(|| {
            corrupt(format!(
                "a buffer lies at {} with {} bytes (expected: at a multiple of 8) in a body of {} bytes",
                buffer.offset(),
                buffer.length(),
                self.body.len()
            ))
        })?;
        Ok(self.body.slice_with_length(start, length))
    }
}

fn null_buffer(validity: Buffer, length: usize) -> Result<NullBuffer> {
    if validity.len() < length.div_ceil(8) {
        return Err(corrupt(format!("the validity of {length} elements has {} bytes", validity.len())));
    }
    Ok(NullBuffer::new(BooleanBuffer::new(validity, 0, length)))
}
