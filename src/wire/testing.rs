//! What the tests of this room share.

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
pub(crate) fn mutations(bytes: &[u8], mut read: impl FnMut(&[u8])) {
    for length in 0..bytes.len() {
        read(&bytes[..length]);
    }
    let mut changed = bytes.to_vec();
    for at in 0..bytes.len() {
        for value in [bytes[at] ^ 1, bytes[at] ^ 0x80, bytes[at].wrapping_sub(3), 0xff] {
            changed[at] = value;
            read(&changed);
        }
        changed[at] = bytes[at];
    }
    // Pairs and words, for lengths and offsets that only matter together.
    let mut random = Random::new(3);
    for _ in 0..2000 {
        let places: Vec<usize> = (0..1 + random.below(4)).map(|_| random.below(bytes.len())).collect();
        places.iter().for_each(|at| changed[*at] = random.byte());
        read(&changed);
        changed.copy_from_slice(bytes);
    }
}

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, Schema, TimeUnit, UnionFields, UnionMode};

use super::{CallSchema, Dim, Direction, Elem, Metadata, Param, ParamType};

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
            ParamType::Tensor { elem: *random.pick(&Elem::ALL), dims }
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
    let params = params.collect();
    CallSchema { metadata: any_metadata(random), ..CallSchema::new("any_fn", params) }
}
