//! Arrow schemas out of flatbuffers that may be damaged.

use std::collections::HashMap;
use std::sync::Arc;

use crate::arrow::datatypes::{
    DataType, Field, FieldRef, IntervalUnit, Schema, TimeUnit, UnionFields, UnionMode,
};
use crate::arrow::ipc;

use crate::error::Result;

use super::message::corrupt;
use super::types::{decimal, time32, time64, MAX_DEPTH};

/// A schema, and the IDs of its dictionaries in the order of a walk from the outside inwards, left to right.
pub(crate) struct ReadSchema {
    pub(crate) schema: Schema,
    pub(crate) dictionaries: Vec<Dictionary>,
}

/// A dictionary of a schema.
pub(crate) struct Dictionary {
    pub(crate) id: i64,
    pub(crate) values: DataType,
}

/// Reads a schema. Unlike Arrow's own conversion it answers damage with an error.
pub(crate) fn read_schema(schema: &ipc::Schema<'_>) -> Result<ReadSchema> {
    if schema.endianness() != ipc::Endianness::Little {
        return Err(corrupt("the object's numbers are big-endian, but only little-endian is supported"));
    }
    let mut dictionaries = Vec::new();
    let mut fields = Vec::new();
    for field in schema.fields().into_iter().flatten() {
        fields.push(read_field(&field, 0, &mut dictionaries)?);
    }
    let metadata = read_pairs(schema.custom_metadata());
    Ok(ReadSchema { schema: Schema::new_with_metadata(fields, metadata), dictionaries })
}

type Pairs<'a> = flatbuffers::Vector<'a, flatbuffers::ForwardsUOffset<ipc::KeyValue<'a>>>;

fn read_pairs(pairs: Option<Pairs<'_>>) -> HashMap<String, String> {
    let pairs = pairs.into_iter().flatten();
    pairs.filter_map(|pair| Some((pair.key()?.to_owned(), pair.value()?.to_owned()))).collect()
}

fn read_field(field: &ipc::Field<'_>, depth: usize, dictionaries: &mut Vec<Dictionary>) -> Result<FieldRef> {
    if depth > MAX_DEPTH {
        return Err(corrupt(format!("a type of the schema is nested more than {MAX_DEPTH} times")));
    }
    let name = field.name().unwrap_or_default();
    let data_type = match field.dictionary() {
        None => read_type(field, depth, dictionaries),
        Some(encoding) => {
            let place = dictionaries.len();
            dictionaries.push(Dictionary { id: encoding.id(), values: DataType::Null });
            let index = match encoding.indexType() {
                Some(index) => int_type(&index)?,
                None => DataType::Int32,
            };
            read_type(field, depth, dictionaries).map(|values| {
                dictionaries[place].values = values.clone();
                DataType::Dictionary(Box::new(index), Box::new(values))
            })
        }
    };
    let data_type = data_type.map_err(|wrong| wrong.context(format!("field '{name}'")))?;
    Ok(Arc::new(
        Field::new(name, data_type, field.nullable()).with_metadata(read_pairs(field.custom_metadata())),
    ))
}

fn read_type(field: &ipc::Field<'_>, depth: usize, dictionaries: &mut Vec<Dictionary>) -> Result<DataType> {
    let unreadable = || corrupt(format!("its type ({:?}) is invalid, or not supported", field.type_type()));
    let mut children = Vec::new();
    for child in field.children().into_iter().flatten() {
        children.push(read_field(&child, depth + 1, dictionaries)?);
    }
    let data_type = match field.type_type() {
        ipc::Type::List => only(children).map(DataType::List),
        ipc::Type::LargeList => only(children).map(DataType::LargeList),
        ipc::Type::ListView => only(children).map(DataType::ListView),
        ipc::Type::LargeListView => only(children).map(DataType::LargeListView),
        ipc::Type::FixedSizeList => {
            let size = field.type_as_fixed_size_list().map(|list| list.listSize()).filter(|size| *size >= 0);
            only(children).zip(size).map(|(child, size)| DataType::FixedSizeList(child, size))
        }
        ipc::Type::Struct_ => Some(DataType::Struct(children.into())),
        ipc::Type::Map => only(children).zip(field.type_as_map()).and_then(|(entries, map)| {
            let two = matches!(entries.data_type(), DataType::Struct(pair) if pair.len() == 2);
            two.then(|| DataType::Map(entries, map.keysSorted()))
        }),
        ipc::Type::RunEndEncoded => match <[FieldRef; 2]>::try_from(children) {
            Ok([ends, values]) if ends.data_type().is_run_ends_type() && !ends.is_nullable() => {
                Some(DataType::RunEndEncoded(ends, values))
            }
            _ => None,
        },
        ipc::Type::Union => read_union(field, children),
        _ => flat_type(field)?,
    };
    data_type.ok_or_else(unreadable)
}

/// The one child, if there is one and no more.
fn only(children: Vec<FieldRef>) -> Option<FieldRef> {
    <[FieldRef; 1]>::try_from(children).ok().map(|[child]| child)
}

fn read_union(field: &ipc::Field<'_>, children: Vec<FieldRef>) -> Option<DataType> {
    let union = field.type_as_union()?;
    let mode = match union.mode() {
        ipc::UnionMode::Sparse => UnionMode::Sparse,
        ipc::UnionMode::Dense => UnionMode::Dense,
        _ => return None,
    };
    let ids: Vec<i8> = match union.typeIds() {
        Some(ids) => ids.iter().map(|id| i8::try_from(id).ok()).collect::<Option<_>>()?,
        None => (0..children.len()).map(|id| i8::try_from(id).ok()).collect::<Option<_>>()?,
    };
    if ids.len() != children.len() || ids.is_empty() {
        return None;
    }
    Some(DataType::Union(UnionFields::try_new(ids, children).ok()?, mode))
}

fn flat_type(field: &ipc::Field<'_>) -> Result<Option<DataType>> {
    Ok(match field.type_type() {
        ipc::Type::Null => Some(DataType::Null),
        ipc::Type::Bool => Some(DataType::Boolean),
        ipc::Type::Int => field.type_as_int().map(|int| int_type(&int)).transpose()?,
        ipc::Type::FloatingPoint => {
            field.type_as_floating_point().and_then(|float| match float.precision() {
                ipc::Precision::HALF => Some(DataType::Float16),
                ipc::Precision::SINGLE => Some(DataType::Float32),
                ipc::Precision::DOUBLE => Some(DataType::Float64),
                _ => None,
            })
        }
        ipc::Type::Utf8 => Some(DataType::Utf8),
        ipc::Type::LargeUtf8 => Some(DataType::LargeUtf8),
        ipc::Type::Utf8View => Some(DataType::Utf8View),
        ipc::Type::Binary => Some(DataType::Binary),
        ipc::Type::LargeBinary => Some(DataType::LargeBinary),
        ipc::Type::BinaryView => Some(DataType::BinaryView),
        ipc::Type::FixedSizeBinary => field
            .type_as_fixed_size_binary()
            .map(|binary| binary.byteWidth())
            .filter(|width| *width >= 0)
            .map(DataType::FixedSizeBinary),
        ipc::Type::Date => field.type_as_date().and_then(|date| match date.unit() {
            ipc::DateUnit::DAY => Some(DataType::Date32),
            ipc::DateUnit::MILLISECOND => Some(DataType::Date64),
            _ => None,
        }),
        ipc::Type::Time => field.type_as_time().and_then(|time| match time.bitWidth() {
            32 => time32(time_unit(time.unit())?),
            64 => time64(time_unit(time.unit())?),
            _ => None,
        }),
        ipc::Type::Timestamp => field.type_as_timestamp().and_then(|timestamp| {
            let zone = timestamp.timezone().filter(|zone| !zone.is_empty()).map(Arc::from);
            Some(DataType::Timestamp(time_unit(timestamp.unit())?, zone))
        }),
        ipc::Type::Duration => field
            .type_as_duration()
            .and_then(|duration| Some(DataType::Duration(time_unit(duration.unit())?))),
        ipc::Type::Interval => field.type_as_interval().and_then(|interval| match interval.unit() {
            ipc::IntervalUnit::YEAR_MONTH => Some(DataType::Interval(IntervalUnit::YearMonth)),
            ipc::IntervalUnit::DAY_TIME => Some(DataType::Interval(IntervalUnit::DayTime)),
            ipc::IntervalUnit::MONTH_DAY_NANO => Some(DataType::Interval(IntervalUnit::MonthDayNano)),
            _ => None,
        }),
        ipc::Type::Decimal => field.type_as_decimal().and_then(|number| {
            let precision = u8::try_from(number.precision()).ok()?;
            decimal(number.bitWidth(), precision, i8::try_from(number.scale()).ok()?)
        }),
        _ => None,
    })
}

fn int_type(int: &ipc::Int<'_>) -> Result<DataType> {
    Ok(match (int.bitWidth(), int.is_signed()) {
        (8, true) => DataType::Int8,
        (16, true) => DataType::Int16,
        (32, true) => DataType::Int32,
        (64, true) => DataType::Int64,
        (8, false) => DataType::UInt8,
        (16, false) => DataType::UInt16,
        (32, false) => DataType::UInt32,
        (64, false) => DataType::UInt64,
        (bits, _) => {
            return Err(corrupt(format!("an integer type of {bits} bits: expected 8, 16, 32 or 64")))
        }
    })
}

fn time_unit(unit: ipc::TimeUnit) -> Option<TimeUnit> {
    Some(match unit {
        ipc::TimeUnit::SECOND => TimeUnit::Second,
        ipc::TimeUnit::MILLISECOND => TimeUnit::Millisecond,
        ipc::TimeUnit::MICROSECOND => TimeUnit::Microsecond,
        ipc::TimeUnit::NANOSECOND => TimeUnit::Nanosecond,
        _ => return None,
    })
}
