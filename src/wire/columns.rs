//! Record batches out of bytes that may be damaged.
//!
//! Arrow's own reader trusts offsets and counts so far that damage makes it panic or ask for any amount of memory. This
//! one checks every number against the bytes that there are, and has Arrow validate each array that it builds. Nothing
//! is copied: arrays are slices of the buffer that is read. (Those that lie at addresses their type does not allow are;
//! no writer of ours leaves any.)

use std::sync::Arc;

use crate::arrow::array::{
    layout, make_array, new_empty_array, Array, ArrayData, ArrayDataBuilder, ArrayRef, BufferSpec, UnionArray,
};
use crate::arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use crate::arrow::datatypes::{DataType, SchemaRef, UnionFields, UnionMode};
use crate::arrow::ipc;

use crate::error::Result;
use crate::shm::arrays::{array_in_bounds, nulls_in_bounds};

use super::message::{corrupt, Head};
use super::schema_bytes::{read_schema, Dictionary, ReadSchema};
use super::types::children;

/// Arrow's buffers start at multiples of this.
const ALIGNED: usize = 8;

/// How far arrays are looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// That every buffer lies within the bytes and is long enough.
    Bounds,
    /// The values too: offsets, indices, UTF-8.
    Values,
}

impl Check {
    /// Most elements of an array: more than fit any store, or any call.
    fn max_length(self) -> i64 {
        match self {
            Check::Bounds => 1 << 46,
            Check::Values => i32::MAX as i64,
        }
    }
}

/// A stream of one record batch.
pub(crate) struct Batch {
    pub(crate) schema: SchemaRef,
    /// As many as the schema's fields, each `rows` long and of its field's type.
    pub(crate) columns: Vec<ArrayRef>,
    pub(crate) rows: usize,
}

/// Reads a stream of one record batch of at most `max_rows` rows.
pub(crate) fn read_stream(data: &[u8], max_rows: usize) -> Result<Batch> {
    let mut stream = Stream::open(Buffer::from(data), Check::Values)?;
    let (columns, rows) = stream.next()?.ok_or_else(|| corrupt("the stream has no record batch"))?;
    if rows > max_rows {
        return Err(corrupt(format!("the record batch has {rows} rows, but at most {max_rows} are allowed")));
    }
    if stream.next()?.is_some() {
        return Err(corrupt("the stream has more than one record batch"));
    }
    Ok(Batch { schema: stream.schema, columns, rows })
}

/// A stream of record batches, read one by one.
pub(crate) struct Stream {
    data: Buffer,
    check: Check,
    /// Where the next message starts.
    at: usize,
    pub(crate) schema: SchemaRef,
    dictionaries: Vec<Dictionary>,
    /// The values that the stream gave last to each of the dictionaries.
    found: Vec<Option<ArrayRef>>,
}

impl Stream {
    /// Reads the schema.
    pub(crate) fn open(data: Buffer, check: Check) -> Result<Stream> {
        let head =
            Head::read(&data, 0)?.ok_or_else(|| corrupt("found no bytes, expected an Arrow stream"))?;
        let message = head.message()?;
        check_version(&message)?;
        let schema = message.header_as_schema().ok_or_else(|| {
            corrupt(format!(
                "the stream starts with an Arrow {:?} message, expected a Schema",
                message.header_type()
            ))
        })?;
        let ReadSchema { schema, dictionaries } = read_schema(&schema)?;
        let at = head.body(&message, &data)?.end;
        let found = vec![None; dictionaries.len()];
        Ok(Stream { data, check, at, schema: Arc::new(schema), dictionaries, found })
    }

    /// The columns of the next record batch and its number of rows; none at the end of the stream.
    pub(crate) fn next(&mut self) -> Result<Option<(Vec<ArrayRef>, usize)>> {
        while let Some(head) = Head::read(&self.data, self.at)? {
            let message = head.message()?;
            check_version(&message)?;
            let range = head.body(&message, &self.data)?;
            self.at = range.end;
            let mut body = self.data.slice_with_length(range.start, range.len());
            if body.as_ptr().align_offset(ALIGNED) != 0 {
                body = Buffer::from(body.as_slice());
            }
            if let Some(dictionary) = message.header_as_dictionary_batch() {
                self.dictionary(&dictionary, body)?;
                continue;
            }
            let record = message.header_as_record_batch().ok_or_else(|| {
                corrupt(format!("found an Arrow {:?} message, expected a RecordBatch", message.header_type()))
            })?;
            let rows = (0..=self.check.max_length()).contains(&record.length()).then_some(record.length());
            let rows = rows
                .and_then(|rows| usize::try_from(rows).ok())
                .ok_or_else(|| corrupt(format!("the record batch has {} rows", record.length())))?;
            let types: Vec<&DataType> = self.schema.fields().iter().map(|field| field.data_type()).collect();
            let mut reader = BatchReader::new(&record, body, self.check, &self.found, 0)?;
            return Ok(Some((reader.columns(&types, rows)?, rows)));
        }
        Ok(None)
    }

    /// Reads the values of a dictionary into all its places.
    fn dictionary(&mut self, batch: &ipc::DictionaryBatch<'_>, body: Buffer) -> Result<()> {
        if batch.isDelta() {
            return Err(corrupt(
                "the stream has a delta dictionary, but only complete dictionaries are supported",
            ));
        }
        let id = batch.id();
        let place = self.dictionaries.iter().position(|dictionary| dictionary.id == id);
        let place = place.ok_or_else(|| corrupt(format!("the schema has no dictionary {id}")))?;
        let record = batch.data().ok_or_else(|| corrupt(format!("dictionary {id} has no values")))?;
        let values = &self.dictionaries[place].values;
        // The dictionaries inside this one's values follow it.
        let array = BatchReader::new(&record, body, self.check, &self.found, place + 1)?.column(values)?;
        for (other, slot) in self.dictionaries.iter().zip(&mut self.found) {
            if other.id == id && other.values == *values {
                *slot = Some(Arc::clone(&array));
            }
        }
        Ok(())
    }
}

fn check_version(message: &ipc::Message<'_>) -> Result<()> {
    if message.version() == ipc::MetadataVersion::V5 {
        return Ok(());
    }
    Err(corrupt(format!("the Arrow message is of metadata version {:?}, expected V5", message.version())))
}

/// Dictionaries in a type, nested ones included.
pub(crate) fn dictionaries_in(data_type: &DataType) -> usize {
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
    check: Check,
    /// How many bytes were copied because of where they lie.
    copied: usize,
    dictionaries: &'a [Option<ArrayRef>],
    next_dictionary: usize,
}

impl<'a> BatchReader<'a> {
    fn new(
        batch: &ipc::RecordBatch<'a>,
        body: Buffer,
        check: Check,
        dictionaries: &'a [Option<ArrayRef>],
        next_dictionary: usize,
    ) -> Result<BatchReader<'a>> {
        if batch.compression().is_some() {
            return Err(corrupt("the record batch is compressed, which is not supported"));
        }
        let nodes = batch.nodes().ok_or_else(|| corrupt("the record batch has no nodes"))?;
        let buffers = batch.buffers().ok_or_else(|| corrupt("the record batch has no buffers"))?;
        Ok(BatchReader {
            nodes: nodes.iter(),
            buffers: buffers.iter(),
            variadic: Box::new(batch.variadicBufferCounts().into_iter().flatten()),
            body,
            check,
            copied: 0,
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
        let most = self.check.max_length();
        if !(0..=most).contains(&node.length()) || !(0..=node.length()).contains(&node.null_count()) {
            return Err(corrupt(format!(
                "an array has {} elements and {} nulls",
                node.length(),
                node.null_count()
            )));
        }
        let length = usize::try_from(node.length()).map_err(|_| corrupt("an array is too long"))?;
        if let DataType::FixedSizeList(_, size) = data_type {
            let items = i64::from(*size).checked_mul(node.length());
            if items.is_none_or(|items| items > most) {
                return Err(corrupt(format!(
                    "{length} lists of {size} elements are more than can be counted"
                )));
            }
        }
        // Arrow's builder does not look at the values of a union.
        if let (DataType::Union(fields, mode), Check::Values) = (data_type, self.check) {
            return self.union(fields, *mode, length);
        }
        let layout = layout(data_type);
        let mut nulls = None;
        if layout.can_contain_null_mask {
            let validity = self.buffer()?;
            if node.null_count() > 0 {
                nulls = Some(self.nulls(validity, length, node.null_count())?);
            }
        }
        let mut builder = ArrayData::builder(data_type.clone()).len(length).nulls(nulls);
        for spec in &layout.buffers {
            let buffer = self.buffer()?;
            builder = builder.add_buffer(match spec {
                // Arrow takes a buffer that ends inside an element for a mistake of the program's.
                BufferSpec::FixedWidth { byte_width, alignment } => {
                    self.count_copy(&buffer, *alignment)?;
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
        Ok(make_array(self.build(builder)?))
    }

    /// A buffer that is not aligned will be copied; many that share their bytes must not become any amount of memory.
    fn count_copy(&mut self, buffer: &Buffer, alignment: usize) -> Result<()> {
        if buffer.as_ptr().align_offset(alignment) != 0 {
            self.copied = self.copied.saturating_add(buffer.len());
        }
        if self.copied > self.body.len() {
            return Err(corrupt("buffers of the record batch overlap"));
        }
        Ok(())
    }

    fn build(&self, builder: ArrayDataBuilder) -> Result<ArrayData> {
        let array = match self.check {
            Check::Bounds => array_in_bounds(builder),
            Check::Values => builder.align_buffers(true).build(),
        };
        array.map_err(|wrong| corrupt(format!("an array is invalid: {wrong}")))
    }

    fn nulls(&self, validity: Buffer, length: usize, count: i64) -> Result<NullBuffer> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let nulls = nulls_in_bounds(validity, length, count)
            .map_err(|wrong| corrupt(format!("an array is invalid: {wrong}")))?;
        Ok(match self.check {
            Check::Bounds => nulls,
            Check::Values => NullBuffer::new(nulls.into_inner()),
        })
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
        Ok(Arc::new(union.map_err(|wrong| corrupt(format!("a union is invalid: {wrong}")))?))
    }

    fn buffer(&mut self) -> Result<Buffer> {
        let buffer = self.buffers.next().ok_or_else(|| corrupt("the record batch has too few buffers"))?;
        let range = || {
            let start = usize::try_from(buffer.offset()).ok()?;
            let length = usize::try_from(buffer.length()).ok()?;
            (start % ALIGNED == 0 && start.checked_add(length)? <= self.body.len()).then_some((start, length))
        };
        let (start, length) = range().ok_or_else(|| {
            corrupt(format!(
                "a buffer lies at {} with {} bytes (expected: at a multiple of {ALIGNED}) in a body of {} bytes",
                buffer.offset(),
                buffer.length(),
                self.body.len()
            ))
        })?;
        Ok(self.body.slice_with_length(start, length))
    }
}
