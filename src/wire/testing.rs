//! What the tests of this module share.

/// A small generator of numbers (xorshift64*): the same sequence every time.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from((self.next() >> 16) % limit as u64).unwrap()
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Calls `read` with every truncation of `bytes` and with every byte changed in several ways.
pub(crate) fn mutations(bytes: &[u8], read: impl FnMut(&[u8])) {
    some_mutations(bytes, 1, read);
}

/// As [`mutations`], at every so manyth place only: the target `wire` of `fuzz/` goes further.
pub(crate) fn some_mutations(bytes: &[u8], step: usize, mut read: impl FnMut(&[u8])) {
    for length in (0..bytes.len()).step_by(step) {
        read(&bytes[..length]);
    }
    let mut changed = bytes.to_vec();
    for at in (0..bytes.len()).step_by(step) {
        for value in [bytes[at] ^ 1, bytes[at] ^ 0x80, bytes[at].wrapping_sub(3), 0xff] {
            changed[at] = value;
            read(&changed);
        }
        changed[at] = bytes[at];
    }
    // Lengths, counts and offsets have eight bytes.
    for at in (0..bytes.len().saturating_sub(7)).step_by(8 * step) {
        for word in [i64::MIN, i64::MAX, 1 << 46, 1 << 31] {
            changed[at..at + 8].copy_from_slice(&word.to_le_bytes());
            read(&changed);
        }
        changed[at..at + 8].copy_from_slice(&bytes[at..at + 8]);
    }
    // Pairs and words, for lengths and offsets that only matter together.
    let mut random = Random::new(3);
    for _ in 0..2000 / step {
        let places: Vec<usize> = (0..1 + random.below(4)).map(|_| random.below(bytes.len())).collect();
        places.iter().for_each(|at| changed[*at] = random.byte());
        read(&changed);
        changed.copy_from_slice(bytes);
    }
}

use std::sync::Arc;

use crate::arrow::datatypes::{
    DataType, Field, Fields, IntervalUnit, Schema, TimeUnit, UnionFields, UnionMode,
};

use super::{CallSchema, Dim, Direction, Elem, Metadata, Order, Param, ParamType};

const UNITS: [TimeUnit; 4] =
    [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
const NAMES: [&str; 8] = ["a", "b", "item", "item2", "x_1", "key", "a b", "é\"\\\n"];

fn flat_type(random: &mut Random) -> DataType {
    let simple = [
        DataType::Null,
        DataType::Boolean,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float16,
        DataType::Float32,
        DataType::Float64,
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::LargeBinary,
        DataType::BinaryView,
        DataType::Date32,
        DataType::Date64,
        DataType::Time32(UNITS[random.below(2)]),
        DataType::Time64(UNITS[2 + random.below(2)]),
        DataType::Duration(*random.pick(&UNITS)),
        DataType::Interval(*random.pick(&[
            IntervalUnit::YearMonth,
            IntervalUnit::DayTime,
            IntervalUnit::MonthDayNano,
        ])),
        DataType::FixedSizeBinary(i32::try_from(random.below(40)).unwrap()),
        DataType::FixedSizeBinary(20),
        DataType::Timestamp(*random.pick(&UNITS), None),
        DataType::Timestamp(
            *random.pick(&UNITS),
            Some((*random.pick(&["UTC", "+02:00", "Europe/Berlin", "a,b"])).into()),
        ),
        DataType::Decimal32(9, 2),
        DataType::Decimal64(18, -3),
        DataType::Decimal128(38, 0),
        DataType::Decimal256(76, 10),
        Elem::Complex64.scalar_type(),
        Elem::Complex128.scalar_type(),
    ];
    random.pick(&simple).clone()
}

fn any_field(random: &mut Random, depth: usize) -> Arc<Field> {
    let name = *random.pick(&NAMES);
    let nullable = random.below(2) == 0;
    Arc::new(Field::new(name, any_type(random, depth), nullable))
}

/// Any Arrow type, nested at most `depth` times.
pub(crate) fn any_type(random: &mut Random, depth: usize) -> DataType {
    if depth == 0 || random.below(3) == 0 {
        return flat_type(random);
    }
    let child = any_field(random, depth - 1);
    let other = any_field(random, depth - 1);
    match random.below(12) {
        0 => DataType::List(child),
        1 => DataType::LargeList(child),
        2 => DataType::ListView(child),
        3 => DataType::LargeListView(child),
        4 => DataType::FixedSizeList(child, i32::try_from(random.below(4)).unwrap()),
        5 => DataType::Struct((0..random.below(4)).map(|_| any_field(random, depth - 1)).collect()),
        6 => match child.data_type() {
            already @ DataType::Dictionary(..) => already.clone(),
            values => DataType::Dictionary(Box::new(DataType::UInt16), Box::new(values.clone())),
        },
        7 => DataType::RunEndEncoded(Arc::new(Field::new("run_ends", DataType::Int32, false)), child),
        8 => DataType::RunEndEncoded(Arc::new(Field::new("r", DataType::Int16, false)), child),
        9 | 10 => {
            let key = Field::new(*random.pick(&["key", "keys"]), DataType::Utf8, false);
            let entries = DataType::Struct(Fields::from(vec![Arc::new(key), other]));
            let name = *random.pick(&["entries", "pairs"]);
            DataType::Map(Arc::new(Field::new(name, entries, false)), random.below(2) == 0)
        }
        _ => {
            let mode = *random.pick(&[UnionMode::Sparse, UnionMode::Dense]);
            let other = Arc::new(other.as_ref().clone().with_name("other"));
            let fields = UnionFields::try_new(
                [*random.pick(&[0, 1, 41]), *random.pick(&[50, 127_i8])],
                [child, other],
            );
            DataType::Union(fields.unwrap(), mode)
        }
    }
}

fn any_param_type(random: &mut Random) -> ParamType {
    match random.below(6) {
        0 => ParamType::Oid,
        1 => ParamType::Id,
        2 => ParamType::Table(None),
        3 => {
            let fields: Vec<_> = (0..random.below(4)).map(|_| any_field(random, 2)).collect();
            ParamType::Table(Some(Arc::new(Schema::new(fields))))
        }
        4 => {
            let dims = (0..random.below(5)).map(|_| Dim {
                name: random.pick(&["i", "chan", "", "my dim", "9"]).to_string(),
                size: [None, Some(0), Some(3), Some(i64::MAX)][random.below(4)],
            });
            let dims = dims.collect();
            let order = *random.pick(&[None, None, Some(Order::C), Some(Order::F)]);
            ParamType::Tensor { elem: *random.pick(&Elem::ALL), dims, order }
        }
        _ => ParamType::Scalar(any_type(random, 3)),
    }
}

fn any_metadata(random: &mut Random) -> Metadata {
    let pairs = [("unit", "Jy"), ("é", ""), ("proc:later", "x"), ("long", "\n\0;=")];
    pairs
        .iter()
        .filter(|_| random.below(3) == 0)
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect()
}

/// Any valid schema.
pub(crate) fn any_schema(random: &mut Random) -> CallSchema {
    let params = (0..random.below(6)).map(|at| {
        let ty = any_param_type(random);
        let made = !matches!(ty, ParamType::Scalar(_) | ParamType::Id);
        let direction = if made && random.below(2) == 0 { Direction::Out } else { Direction::In };
        let name = format!("{}{at}", random.pick(&["in", "out", "x", "_"]));
        let nullable = random.below(2) == 0;
        Param { metadata: any_metadata(random), ..Param::new(name, direction, ty, nullable) }
    });
    let mut params: Vec<Param> = params.collect();
    for at in 0..params.len() {
        // A twin of a tensor that is an input: an output that starts from it.
        let input = params[at].clone();
        if matches!(input.ty, ParamType::Tensor { .. })
            && input.direction == Direction::In
            && random.below(2) == 0
        {
            let mut output =
                Param::new(format!("{}_next", input.name), Direction::Out, input.ty, random.below(2) == 0);
            output.starts_from = Some(input.name);
            let place = random.below(params.len() + 1);
            params.insert(place, output);
            break;
        }
    }
    CallSchema { metadata: any_metadata(random), ..CallSchema::new("any_fn", params) }
}

use crate::arrow::array::{
    make_array, Array, ArrayData, ArrayRef, BinaryViewArray, Int16Array, Int32Array, RunArray,
    StringViewArray, UInt16Array, UnionArray,
};
use crate::arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use crate::arrow::datatypes::{Int16Type, Int32Type};
use crate::arrow::record_batch::{RecordBatch, RecordBatchOptions};

fn any_nulls(random: &mut Random, length: usize, nullable: bool) -> Option<NullBuffer> {
    (nullable && random.below(2) == 0).then(|| (0..length).map(|_| random.below(3) > 0).collect())
}

/// Offsets of so many lists that start at 0, and the number of their elements.
fn any_offsets(random: &mut Random, length: usize, large: bool) -> (Buffer, usize) {
    let mut offsets = vec![0_i64];
    offsets.extend((0..length).scan(0, |end, _| {
        *end += random.below(5) as i64;
        Some(*end)
    }));
    let last = usize::try_from(*offsets.last().unwrap()).unwrap();
    let small = || offsets.iter().map(|offset| i32::try_from(*offset).unwrap()).collect::<Vec<_>>();
    (if large { Buffer::from_vec(offsets.clone()) } else { Buffer::from_vec(small()) }, last)
}

fn any_text(random: &mut Random) -> String {
    (0..random.below(20)).map(|_| *random.pick(&['a', 'é', 'z', '€'])).collect()
}

/// Any array of this type.
pub(crate) fn any_array(random: &mut Random, field: &Field, length: usize) -> ArrayRef {
    let nulls = any_nulls(random, length, field.is_nullable());
    let builder = || ArrayData::builder(field.data_type().clone()).len(length);
    let plain = builder().nulls(nulls.clone());
    let data = match field.data_type() {
        DataType::Null => builder().build(),
        DataType::Boolean => {
            plain.add_buffer((0..length.div_ceil(8)).map(|_| random.byte()).collect()).build()
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => {
            let large = matches!(field.data_type(), DataType::LargeUtf8 | DataType::LargeBinary);
            let (offsets, end) = any_offsets(random, length, large);
            plain.add_buffer(offsets).add_buffer(vec![b'x'; end].into()).build()
        }
        DataType::Utf8View => {
            let texts = (0..length)
                .map(|_| field.is_nullable().then(|| any_text(random)).or(Some("no null, and long".into())));
            return Arc::new(texts.collect::<StringViewArray>());
        }
        DataType::BinaryView => {
            let texts = (0..length).map(|_| Some(any_text(random)));
            return Arc::new(texts.collect::<BinaryViewArray>());
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => {
            let large = matches!(field.data_type(), DataType::LargeList(_));
            let (offsets, end) = any_offsets(random, length, large);
            let child = any_array(random, item, end);
            // Keys and entries of maps are not null.
            plain.add_buffer(offsets).add_child_data(child.to_data()).build()
        }
        DataType::ListView(item) | DataType::LargeListView(item) => {
            let large = matches!(field.data_type(), DataType::LargeListView(_));
            let child = any_array(random, item, 10);
            let pairs: Vec<(i64, i64)> =
                (0..length).map(|_| (random.below(6) as i64, random.below(5) as i64)).collect();
            let buffer = |numbers: Vec<i64>| match large {
                true => Buffer::from_vec(numbers),
                false => Buffer::from_vec(
                    numbers.into_iter().map(|n| i32::try_from(n).unwrap()).collect::<Vec<_>>(),
                ),
            };
            plain
                .add_buffer(buffer(pairs.iter().map(|pair| pair.0).collect()))
                .add_buffer(buffer(pairs.iter().map(|pair| pair.1).collect()))
                .add_child_data(child.to_data())
                .build()
        }
        DataType::FixedSizeList(item, size) => {
            let child = any_array(random, item, length * usize::try_from(*size).unwrap());
            plain.add_child_data(child.to_data()).build()
        }
        DataType::Struct(fields) => {
            let columns = fields.iter().map(|field| any_array(random, field, length).to_data()).collect();
            plain.child_data(columns).build()
        }
        DataType::Dictionary(_, values) => {
            let values = any_array(random, &Field::new("", values.as_ref().clone(), true), 5);
            let keys = (0..length).map(|_| u16::try_from(random.below(5)).unwrap());
            let keys = UInt16Array::new(keys.collect::<Vec<_>>().into(), nulls);
            return Arc::new(crate::arrow::array::DictionaryArray::try_new(keys, values).unwrap());
        }
        DataType::RunEndEncoded(ends, item) => {
            let runs = if length == 0 { 0 } else { 1 + random.below(length) };
            let values = any_array(random, item, runs);
            let mut at: Vec<usize> = (1..=runs).collect();
            if let Some(last) = at.last_mut() {
                *last = length;
            }
            let small = at.iter().map(|end| i16::try_from(*end).unwrap());
            let data = match ends.data_type() {
                DataType::Int16 => {
                    let ends = Int16Array::from_iter_values(small);
                    RunArray::<Int16Type>::try_new(&ends, &values).unwrap().into_data()
                }
                _ => {
                    let ends = Int32Array::from_iter_values(small.map(i32::from));
                    RunArray::<Int32Type>::try_new(&ends, &values).unwrap().into_data()
                }
            };
            data.into_builder().data_type(field.data_type().clone()).build()
        }
        DataType::Union(fields, mode) => {
            let ids: Vec<i8> = fields.iter().map(|(id, _)| id).collect();
            let chosen: ScalarBuffer<i8> = (0..length).map(|_| *random.pick(&ids)).collect::<Vec<_>>().into();
            let dense = *mode == UnionMode::Dense;
            let children =
                fields.iter().map(|(_, field)| any_array(random, field, if dense { 7 } else { length }));
            let children = children.collect();
            let offsets = dense.then(|| {
                (0..length).map(|_| i32::try_from(random.below(7)).unwrap()).collect::<Vec<_>>().into()
            });
            return Arc::new(UnionArray::try_new(fields.clone(), chosen, offsets, children).unwrap());
        }
        other => {
            let width = match other {
                DataType::FixedSizeBinary(size) => usize::try_from(*size).unwrap(),
                _ => other.primitive_width().unwrap(),
            };
            let mut bytes = vec![0; width * length];
            bytes
                .chunks_mut(width.max(1))
                .for_each(|element| element.iter_mut().take(2).for_each(|byte| *byte = random.byte() & 0x3f));
            plain.add_buffer(Buffer::from_vec(bytes)).align_buffers(true).build()
        }
    };
    make_array(data.unwrap())
}

/// A schema of any columns, and batches of it.
pub(crate) fn any_batches(random: &mut Random, depth: usize) -> (Arc<Schema>, Vec<RecordBatch>) {
    let columns = (0..1 + random.below(4)).map(|_| any_field(random, depth)).collect::<Vec<_>>();
    let schema = Arc::new(Schema::new(columns));
    let batches = (0..random.below(4)).map(|_| {
        let rows = random.below(40);
        let columns = schema.fields().iter().map(|field| any_array(random, field, rows)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options).unwrap()
    });
    let batches = batches.collect();
    (schema, batches)
}
