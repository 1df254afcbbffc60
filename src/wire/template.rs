//! Calls of one row whose values all have fixed places.
//!
//! Two calls of this form of the same function differ only in the values, the validity bits and the numbers of nulls.
//! The other bytes are built once, with Arrow's own layout, and afterwards values are written into (and read from)
//! their places. A call that does not match this form byte for byte is left to the general reader.

use std::ops::Range;

use crate::arrow::ipc;
use flatbuffers::FlatBufferBuilder;

use crate::error::{Error, Result};

use super::cell::{Cell, Column, ColumnKind, Value};
use super::message::{encapsulate, round_up, END_OF_STREAM};

/// Arrow's buffers start at multiples of this inside a body.
const BUFFER_ALIGNMENT: usize = 8;

/// A call of one row, without values.
#[derive(Debug)]
pub(crate) struct Template {
    /// Schema message, record batch message, body, end of stream.
    bytes: Vec<u8>,
    places: Vec<Place>,
    /// What must be equal in every call: all but the numbers of nulls and the body.
    fixed: Vec<Range<usize>>,
}

/// Where a column's value lies in the call.
#[derive(Debug)]
struct Place {
    /// The number of nulls (8 bytes).
    null_count: usize,
    /// The byte of the validity bit; columns that cannot be null have none.
    validity: Option<usize>,
    value: Range<usize>,
}

impl Template {
    /// The template of these columns behind this schema message; none if a column's values have no fixed size.
    pub(crate) fn new(schema_message: &[u8], columns: &[Column]) -> Result<Option<Template>> {
        let width = |column: &Column| match column.kind {
            ColumnKind::Bool => Some(1),
            kind => kind.width(),
        };
        let Some(widths) = columns.iter().map(width).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let mut places = Vec::with_capacity(columns.len());
        let mut buffers = Vec::with_capacity(2 * columns.len());
        let mut end = 0;
        let mut place = |size: usize| {
            let start = end;
            end += round_up(size, BUFFER_ALIGNMENT);
            buffers.push(ipc::Buffer::new(start as i64, size as i64));
            start
        };
        for (column, width) in columns.iter().zip(widths) {
            let validity = place(usize::from(column.nullable));
            let value = place(width);
            let validity = column.nullable.then_some(validity);
            places.push(Place { null_count: 0, validity, value: value..value + width });
        }
        let (head, null_counts) = batch_message(columns.len(), &buffers, end)?;

        let head_start = schema_message.len();
        let body_start = head_start + head.len();
        let mut bytes = [schema_message, &head].concat();
        bytes.resize(body_start + end, 0);
        bytes.extend_from_slice(&END_OF_STREAM);
        for (place, null_count) in places.iter_mut().zip(&null_counts) {
            place.null_count = head_start + null_count;
            place.validity = place.validity.map(|at| at + body_start);
            place.value = place.value.start + body_start..place.value.end + body_start;
            place.validity.into_iter().for_each(|at| bytes[at] = 1);
        }
        let mut fixed = Vec::with_capacity(places.len() + 2);
        let mut start = 0;
        for place in &places {
            fixed.push(start..place.null_count);
            start = place.null_count + 8;
        }
        fixed.push(start..body_start);
        fixed.push(body_start + end..bytes.len());
        Ok(Some(Template { bytes, places, fixed }))
    }

    /// Writes a call of these cells, which are as many as the columns, behind what is in `out`.
    pub(crate) fn encode(
        &self,
        columns: &[Column],
        function: &str,
        cells: &[Cell],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let call = &mut out[start..];
        for ((column, place), cell) in columns.iter().zip(&self.places).zip(cells) {
            match column.fit(cell, 0, function)? {
                Value::Null => {
                    call[place.null_count] = 1;
                    place.validity.into_iter().for_each(|at| call[at] = 0);
                }
                value => value.write(&mut call[place.value.clone()]),
            }
        }
        Ok(())
    }

    /// The cells of a call of exactly this form; none if it is of another one.
    pub(crate) fn decode(&self, columns: &[Column], data: &[u8]) -> Option<Vec<Cell>> {
        if data.len() != self.bytes.len()
            || self.fixed.iter().any(|part| data[part.clone()] != self.bytes[part.clone()])
        {
            return None;
        }
        let mut cells = Vec::with_capacity(columns.len());
        for (column, place) in columns.iter().zip(&self.places) {
            let count = &data[place.null_count..place.null_count + 8];
            let null = count[0] == 1;
            let expected = place.validity.map_or(0, |at| 1 - (data[at] & 1));
            if count[0] != expected || count[1..] != [0; 7] {
                return None;
            }
            cells.push(if null { Cell::Null } else { column.cell_in(&data[place.value.clone()]) });
        }
        Some(cells)
    }
}

/// The record batch message of one row, and where in it the number of nulls of each column lies.
fn batch_message(columns: usize, buffers: &[ipc::Buffer], body: usize) -> Result<(Vec<u8>, Vec<usize>)> {
    let mut fbb = FlatBufferBuilder::new();
    let nodes = fbb.create_vector(&vec![ipc::FieldNode::new(1, 0); columns]);
    let buffers = fbb.create_vector(buffers);
    let mut batch = ipc::RecordBatchBuilder::new(&mut fbb);
    batch.add_length(1);
    batch.add_nodes(nodes);
    batch.add_buffers(buffers);
    let batch = batch.finish();
    let mut message = ipc::MessageBuilder::new(&mut fbb);
    message.add_version(ipc::MetadataVersion::V5);
    message.add_header_type(ipc::MessageHeader::RecordBatch);
    message.add_bodyLength(body as i64);
    message.add_header(batch.as_union_value());
    let message = message.finish();
    fbb.finish(message, None);

    let flatbuffer = fbb.finished_data();
    let lost = || Error::internal("the record batch message just written cannot be read");
    let message = ipc::root_as_message(flatbuffer).map_err(|_| lost())?;
    let nodes = message.header_as_record_batch().and_then(|batch| batch.nodes()).ok_or_else(lost)?;
    let first = nodes.bytes().as_ptr() as usize - flatbuffer.as_ptr() as usize;
    let encapsulated = encapsulate(flatbuffer)?;
    let prefix = 8;
    // A node is its length and its number of nulls, 8 bytes each.
    let null_counts = (0..columns).map(|column| prefix + first + 16 * column + 8).collect();
    Ok((encapsulated, null_counts))
}
