//! Record batches into bytes: which piece of memory goes where, found before anything is copied.
//!
//! Arrow's own writer copies every buffer into a message, which is then copied to its place. Here a walk over the arrays
//! lists their buffers as [`Piece`]s, so that each is copied once, from where it lies to where it belongs. Arrays that are
//! slices of others are cut to their elements; only then are offsets changed, while they are copied.

use std::ops::Range;

use crate::arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, ByteView, GenericByteViewArray, GenericListViewArray,
    OffsetSizeTrait, RunArray, UnionArray,
};
use crate::arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use crate::arrow::datatypes::{
    ArrowNativeType, BinaryViewType, ByteArrayType, ByteViewType, DataType, Int16Type, Int32Type, Int64Type,
    RunEndIndexType, StringViewType, UnionFields, UnionMode,
};
use crate::arrow::ipc;
use flatbuffers::{FlatBufferBuilder, WIPOffset};

use crate::error::{Error, Result};

use super::message::{encapsulate, round_up, ALIGNMENT};

/// Bytes that are copied from where they lie, or made while they are written.
pub(crate) enum Piece {
    /// As they are.
    Bytes(Buffer),
    /// Bits that may start inside a byte.
    Bits(BooleanBuffer),
    /// Numbers of four bytes, each less this.
    Less32(Buffer, i32),
    /// Numbers of eight bytes, each less this.
    Less64(Buffer, i64),
}

impl Piece {
    /// How many bytes are written.
    pub(crate) fn len(&self) -> usize {
        match self {
            Piece::Bytes(bytes) | Piece::Less32(bytes, _) | Piece::Less64(bytes, _) => bytes.len(),
            Piece::Bits(bits) => bits.len().div_ceil(8),
        }
    }

    /// The bytes, if they are copied as they are.
    pub(crate) fn plain(&self) -> Option<&[u8]> {
        match self {
            Piece::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Writes [`Piece::len`] bytes.
    pub(crate) fn write(&self, to: &mut [u8]) {
        match self {
            Piece::Bytes(bytes) => to.copy_from_slice(bytes),
            Piece::Bits(bits) => {
                let chunks = bits.bit_chunks();
                for (to, word) in to.chunks_mut(8).zip(chunks.iter_padded()) {
                    to.copy_from_slice(&word.to_le_bytes()[..to.len()]);
                }
            }
            Piece::Less32(numbers, base) => {
                for (to, number) in to.chunks_exact_mut(4).zip(numbers.typed_data::<i32>()) {
                    to.copy_from_slice(&number.wrapping_sub(*base).to_le_bytes());
                }
            }
            Piece::Less64(numbers, base) => {
                for (to, number) in to.chunks_exact_mut(8).zip(numbers.typed_data::<i64>()) {
                    to.copy_from_slice(&number.wrapping_sub(*base).to_le_bytes());
                }
            }
        }
    }

    /// These offsets less their first, as a list writes them.
    fn offsets<O: OffsetSizeTrait>(numbers: Buffer, base: O) -> Piece {
        let base = base.to_i64().unwrap_or_default();
        match i32::try_from(base) {
            Ok(0) => Piece::Bytes(numbers),
            Ok(base) if !O::IS_LARGE => Piece::Less32(numbers, base),
            _ => Piece::Less64(numbers, base),
        }
    }
}

/// The body of a record batch: what its message says of it, and its pieces with their offsets.
#[derive(Default)]
pub(crate) struct Body {
    nodes: Vec<ipc::FieldNode>,
    buffers: Vec<ipc::Buffer>,
    variadic: Vec<i64>,
    pub(crate) pieces: Vec<(usize, Piece)>,
    pub(crate) size: usize,
    /// The values of the dictionaries met, in the order of a walk from the outside inwards, left to right.
    pub(crate) dictionaries: Vec<ArrayRef>,
}

fn broken(what: &str) -> Error {
    Error::invalid(format!("an array is invalid: {what}"))
}

/// A number that Arrow stores as a signed one.
fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Part of a buffer, which must have it.
fn part(buffer: &Buffer, start: usize, length: usize) -> Result<Buffer> {
    match start.checked_add(length) {
        Some(end) if end <= buffer.len() => Ok(buffer.slice_with_length(start, length)),
        _ => {
            Err(broken(&format!("it needs {length} bytes from byte {start} of a buffer of {}", buffer.len())))
        }
    }
}

/// Part of an array, which must have it.
fn some_of(array: &ArrayRef, start: usize, length: usize) -> Result<ArrayRef> {
    match start.checked_add(length) {
        Some(end) if end <= array.len() => Ok(array.slice(start, length)),
        _ => Err(broken(&format!(
            "its children have {} elements, but it needs {length} from {start} on",
            array.len()
        ))),
    }
}

/// For each type of a dense union from where to where its child is used, if it is.
fn used_of_children(ids: &[i8], offsets: &[i32]) -> Vec<Option<Range<i32>>> {
    let mut used: Vec<Option<Range<i32>>> = vec![None; 128];
    for (id, offset) in ids.iter().zip(offsets) {
        let Some(place) = usize::try_from(*id).ok().and_then(|id| used.get_mut(id)) else { continue };
        let end = offset.saturating_add(1);
        *place = Some(match place.take() {
            Some(range) => range.start.min(*offset)..range.end.max(end),
            None => *offset..end,
        });
    }
    used
}

/// Views of no more bytes hold them themselves.
const INLINE: u64 = 12;

/// The views of an array that mean something, each with its place. What lies behind a null may be anything.
fn used_views<T: ByteViewType>(array: &GenericByteViewArray<T>) -> impl Iterator<Item = (usize, u128)> + '_ {
    let nulls = array.nulls();
    let views = array.views().iter().copied().enumerate();
    views.filter(move |(at, _)| nulls.is_none_or(|nulls| nulls.is_valid(*at)))
}

/// The views of an array over buffers that hold nothing else. Views may say anything: those that come out of a store were
/// never looked through.
fn collected<T: ByteViewType>(array: &GenericByteViewArray<T>) -> Result<(Vec<u128>, Vec<Buffer>)> {
    /// Arrow counts the bytes of a buffer of views in 31 bits.
    const LARGEST: usize = i32::MAX as usize;
    let mut views = vec![0; array.len()];
    let mut full = Vec::new();
    let mut bytes: Vec<u8> = Vec::new();
    for (at, view) in used_views(array) {
        let parsed = ByteView::from(view);
        if u64::from(parsed.length) <= INLINE {
            views[at] = view;
            continue;
        }
        let found = || {
            let (buffer, start, length) = (parsed.buffer_index, parsed.offset, parsed.length);
            let buffer = array.data_buffers().get(usize::try_from(buffer).ok()?)?;
            let start = usize::try_from(start).ok()?;
            buffer.get(start..start.checked_add(usize::try_from(length).ok()?)?)
        };
        let found = found().ok_or_else(|| broken(&format!("view {at} lies outside of its buffers")))?;
        if bytes.len() + found.len() > LARGEST {
            full.push(Buffer::from_vec(std::mem::take(&mut bytes)));
        }
        let number = |place: usize| u32::try_from(place).map_err(|_| broken("it has too many bytes"));
        let moved = ByteView { buffer_index: number(full.len())?, offset: number(bytes.len())?, ..parsed };
        views[at] = moved.as_u128();
        bytes.extend_from_slice(found);
    }
    if !bytes.is_empty() {
        full.push(Buffer::from_vec(bytes));
    }
    Ok((views, full))
}

impl Body {
    /// The body of these columns.
    pub(crate) fn of(columns: &[ArrayRef]) -> Result<Body> {
        let mut body = Body::default();
        for column in columns {
            body.array(column)?;
        }
        Ok(body)
    }

    fn node(&mut self, length: usize, nulls: usize) {
        self.nodes.push(ipc::FieldNode::new(signed(length), signed(nulls)));
    }

    fn piece(&mut self, piece: Piece) {
        let length = piece.len();
        self.buffers.push(ipc::Buffer::new(signed(self.size), signed(length)));
        if length > 0 {
            self.pieces.push((self.size, piece));
            self.size = round_up(self.size + length, ALIGNMENT);
        }
    }

    fn validity(&mut self, nulls: Option<&NullBuffer>) {
        match nulls.filter(|nulls| nulls.null_count() > 0) {
            Some(nulls) => self.piece(Piece::Bits(nulls.inner().clone())),
            None => self.piece(Piece::Bytes(Buffer::default())),
        }
    }

    /// Node and validity of an array that has both.
    fn start(&mut self, array: &dyn Array) {
        self.node(array.len(), array.null_count());
        self.validity(array.nulls());
    }

    fn array(&mut self, array: &ArrayRef) -> Result<()> {
        match array.data_type() {
            DataType::Null => self.node(array.len(), array.len()),
            DataType::Boolean => {
                self.start(array);
                self.piece(Piece::Bits(array.as_boolean().values().clone()));
            }
            DataType::Utf8 => self.bytes::<crate::arrow::datatypes::Utf8Type>(array)?,
            DataType::LargeUtf8 => self.bytes::<crate::arrow::datatypes::LargeUtf8Type>(array)?,
            DataType::Binary => self.bytes::<crate::arrow::datatypes::BinaryType>(array)?,
            DataType::LargeBinary => self.bytes::<crate::arrow::datatypes::LargeBinaryType>(array)?,
            DataType::Utf8View => self.views::<StringViewType>(array.as_byte_view())?,
            DataType::BinaryView => self.views::<BinaryViewType>(array.as_byte_view())?,
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                self.list(array, list.offsets(), list.values())?;
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                self.list(array, list.offsets(), list.values())?;
            }
            DataType::Map(_, _) => {
                let map = array.as_map();
                let entries: ArrayRef = std::sync::Arc::new(map.entries().clone());
                self.list(array, map.offsets(), &entries)?;
            }
            DataType::ListView(_) => self.list_view::<i32>(array.as_list_view())?,
            DataType::LargeListView(_) => self.list_view::<i64>(array.as_list_view())?,
            DataType::FixedSizeList(_, size) => {
                self.start(array);
                let items = array.len().checked_mul(usize::try_from(*size).unwrap_or_default());
                let items = items.ok_or_else(|| broken("its lists are too long"))?;
                self.array(&some_of(array.as_fixed_size_list().values(), 0, items)?)?;
            }
            DataType::Struct(_) => {
                self.start(array);
                for column in array.as_struct().columns() {
                    self.array(&some_of(column, 0, array.len())?)?;
                }
            }
            DataType::Union(fields, mode) => self.union(array.as_union(), fields, *mode)?,
            DataType::RunEndEncoded(ends, _) => match ends.data_type() {
                DataType::Int16 => self.runs::<Int16Type>(array.as_run())?,
                DataType::Int32 => self.runs::<Int32Type>(array.as_run())?,
                _ => self.runs::<Int64Type>(array.as_run())?,
            },
            DataType::Dictionary(_, _) => {
                let dictionary = array.as_any_dictionary();
                self.fixed(&dictionary.keys().to_data())?;
                self.dictionaries.push(dictionary.values().clone());
                self.dictionaries_inside(dictionary.values())?;
            }
            _ => self.fixed(&array.to_data())?,
        }
        Ok(())
    }

    /// Elements of one size, the only buffer of their array.
    fn fixed(&mut self, data: &ArrayData) -> Result<()> {
        let [values] = data.buffers() else {
            return Err(Error::internal(format!("arrays of type {} are not supported", data.data_type())));
        };
        let width = match data.data_type() {
            DataType::FixedSizeBinary(size) => usize::try_from(*size).ok(),
            other => other.primitive_width(),
        };
        let width = width.ok_or_else(|| {
            Error::internal(format!("arrays of type {} are not supported", data.data_type()))
        })?;
        self.node(data.len(), data.null_count());
        self.validity(data.nulls());
        self.piece(Piece::Bytes(part(values, data.offset() * width, data.len() * width)?));
        Ok(())
    }

    fn bytes<T: ByteArrayType>(&mut self, array: &ArrayRef) -> Result<()> {
        let array = array.as_bytes::<T>();
        self.start(array);
        let (start, length) = self.cut_offsets(array.offsets())?;
        self.piece(Piece::Bytes(part(array.values(), start, length)?));
        Ok(())
    }

    /// Writes offsets so that they start at 0; where what they mean starts, and its length.
    fn cut_offsets<O: OffsetSizeTrait>(
        &mut self,
        offsets: &crate::arrow::buffer::OffsetBuffer<O>,
    ) -> Result<(usize, usize)> {
        let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else {
            return Err(broken("it has no offsets"));
        };
        let (start, end) = (first.to_usize(), last.to_usize());
        let length = start.zip(end).and_then(|(start, end)| Some((start, end.checked_sub(start)?)));
        self.piece(Piece::offsets(offsets.inner().inner().clone(), *first));
        length.ok_or_else(|| broken(&format!("its offsets run from {first:?} to {last:?}")))
    }

    fn list<O: OffsetSizeTrait>(
        &mut self,
        array: &dyn Array,
        offsets: &crate::arrow::buffer::OffsetBuffer<O>,
        values: &ArrayRef,
    ) -> Result<()> {
        self.start(array);
        let (start, length) = self.cut_offsets(offsets)?;
        self.array(&some_of(values, start, length)?)
    }

    fn list_view<O: OffsetSizeTrait>(&mut self, array: &GenericListViewArray<O>) -> Result<()> {
        self.start(array);
        // The lists lie in any order, and may share elements: all that lie between the first and the last are written.
        let ends = || array.offsets().iter().zip(array.sizes());
        let start = array.offsets().iter().min().copied().unwrap_or_default();
        let mut end = start;
        for (offset, size) in ends() {
            end = end
                .max(offset.checked_add(size).ok_or_else(|| broken("a list ends after the last element"))?);
        }
        let bounds = start.to_usize().zip(end.to_usize());
        let (first, last) = bounds.ok_or_else(|| broken("a list starts before the first element"))?;
        self.piece(Piece::offsets(array.offsets().inner().clone(), start));
        self.piece(Piece::Bytes(array.sizes().inner().clone()));
        self.array(&some_of(array.values(), first, last - first)?)
    }

    fn views<T: ByteViewType>(&mut self, array: &GenericByteViewArray<T>) -> Result<()> {
        self.start(array);
        let used = used_views(array).map(|(_, view)| u64::from(ByteView::from(view).length));
        let used: u64 = used.filter(|length| *length > INLINE).sum();
        let kept: usize = array.data_buffers().iter().map(Buffer::len).sum();
        // A slice of many: its bytes are collected, which is one copy more of less than half of them.
        if kept as u64 > 2 * used + 4096 {
            let (views, buffers) = collected(array)?;
            self.view_buffers(Buffer::from_vec(views), &buffers);
        } else {
            self.view_buffers(array.views().inner().clone(), array.data_buffers());
        }
        Ok(())
    }

    fn view_buffers(&mut self, views: Buffer, buffers: &[Buffer]) {
        self.piece(Piece::Bytes(views));
        self.variadic.push(signed(buffers.len()));
        buffers.iter().for_each(|buffer| self.piece(Piece::Bytes(buffer.clone())));
    }

    fn union(&mut self, array: &UnionArray, fields: &UnionFields, mode: UnionMode) -> Result<()> {
        self.node(array.len(), 0);
        self.piece(Piece::Bytes(array.type_ids().inner().clone()));
        let (UnionMode::Dense, Some(offsets)) = (mode, array.offsets()) else {
            for (id, _) in fields.iter() {
                self.array(&some_of(array.child(id), 0, array.len())?)?;
            }
            return Ok(());
        };
        let elements: usize = fields.iter().map(|(id, _)| array.child(id).len()).sum();
        if elements <= array.len() {
            self.piece(Piece::Bytes(offsets.inner().clone()));
            return fields.iter().try_for_each(|(id, _)| self.array(array.child(id)));
        }
        // A slice of many: of each child only what lies between the first and the last element that is used.
        let used = used_of_children(array.type_ids(), offsets);
        let cut = array.type_ids().iter().zip(offsets).map(|(id, offset)| {
            let first = used.get(usize::try_from(*id).ok()?)?.as_ref()?.start;
            offset.checked_sub(first)
        });
        let cut: Option<Vec<i32>> = cut.collect();
        let cut = cut.ok_or_else(|| broken("the types of a union are impossible"))?;
        self.piece(Piece::Bytes(Buffer::from_vec(cut)));
        for (id, _) in fields.iter() {
            let range = usize::try_from(id).ok().and_then(|id| used.get(id)?.clone()).unwrap_or(0..0);
            let bounds = range.start.to_usize().zip(range.end.to_usize());
            let (first, end) = bounds.ok_or_else(|| broken("an offset of a union is negative"))?;
            self.array(&some_of(array.child(id), first, end - first)?)?;
        }
        Ok(())
    }

    fn runs<R: RunEndIndexType>(&mut self, array: &RunArray<R>) -> Result<()> {
        self.node(array.len(), 0);
        let ends = array.run_ends();
        let (mut first, mut count) = (0, 0);
        let mut cut: Vec<R::Native> = Vec::new();
        if !array.is_empty() {
            if ends.values().is_empty() {
                return Err(broken("it has elements, but no runs"));
            }
            first = ends.get_start_physical_index();
            let last = ends.get_end_physical_index();
            count = (last + 1).saturating_sub(first);
            let of =
                ends.values().get(first..first + count).ok_or_else(|| broken("its runs end too early"))?;
            let shifted = |end: &R::Native| end.as_usize().saturating_sub(ends.offset()).min(array.len());
            cut = of.iter().map(|end| R::Native::usize_as(shifted(end))).collect();
        }
        self.node(count, 0);
        self.validity(None);
        self.piece(Piece::Bytes(Buffer::from_vec(cut)));
        self.array(&some_of(array.values(), first, count)?)
    }

    /// The dictionaries among the values of a dictionary follow it.
    fn dictionaries_inside(&mut self, values: &ArrayRef) -> Result<()> {
        let inside = Body::of(std::slice::from_ref(values))?;
        self.dictionaries.extend(inside.dictionaries);
        Ok(())
    }

    /// The message in front of the body: a record batch of so many rows, or the values of the dictionary with this ID.
    pub(crate) fn message(&self, rows: usize, dictionary: Option<i64>) -> Result<Vec<u8>> {
        let mut fbb = FlatBufferBuilder::new();
        let nodes = fbb.create_vector(&self.nodes);
        let buffers = fbb.create_vector(&self.buffers);
        let variadic = (!self.variadic.is_empty()).then(|| fbb.create_vector(&self.variadic));
        let mut batch = ipc::RecordBatchBuilder::new(&mut fbb);
        batch.add_length(signed(rows));
        batch.add_nodes(nodes);
        batch.add_buffers(buffers);
        if let Some(variadic) = variadic {
            batch.add_variadicBufferCounts(variadic);
        }
        let batch = batch.finish();
        let (kind, header): (_, WIPOffset<flatbuffers::UnionWIPOffset>) = match dictionary {
            None => (ipc::MessageHeader::RecordBatch, batch.as_union_value()),
            Some(id) => {
                let mut values = ipc::DictionaryBatchBuilder::new(&mut fbb);
                values.add_id(id);
                values.add_data(batch);
                (ipc::MessageHeader::DictionaryBatch, values.finish().as_union_value())
            }
        };
        let mut message = ipc::MessageBuilder::new(&mut fbb);
        message.add_version(ipc::MetadataVersion::V5);
        message.add_header_type(kind);
        message.add_header(header);
        message.add_bodyLength(signed(self.size));
        let message = message.finish();
        fbb.finish(message, None);
        encapsulate(fbb.finished_data())
    }
}
