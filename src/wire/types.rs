//! What Arrow's types have in common: what they consist of, which are possible, which are the same.

use std::sync::Arc;

use crate::arrow::array::ArrayData;
use crate::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, TimeUnit, UnionFields};

use crate::error::Result;
use crate::shm::arrays::array_in_bounds;

/// Deepest nesting of types.
pub(crate) const MAX_DEPTH: usize = 64;

/// The time of day in 32 bits; none for units that need more.
pub(crate) fn time32(unit: TimeUnit) -> Option<DataType> {
    matches!(unit, TimeUnit::Second | TimeUnit::Millisecond).then_some(DataType::Time32(unit))
}

/// The time of day in 64 bits; none for units that need less.
pub(crate) fn time64(unit: TimeUnit) -> Option<DataType> {
    matches!(unit, TimeUnit::Microsecond | TimeUnit::Nanosecond).then_some(DataType::Time64(unit))
}

/// The decimal type of these bits; none if its digits do not fit them.
pub(crate) fn decimal(bits: i32, precision: u8, scale: i8) -> Option<DataType> {
    let (most, data_type) = match bits {
        32 => (9, DataType::Decimal32(precision, scale)),
        64 => (18, DataType::Decimal64(precision, scale)),
        128 => (38, DataType::Decimal128(precision, scale)),
        256 => (76, DataType::Decimal256(precision, scale)),
        _ => return None,
    };
    ((1..=most).contains(&precision) && i32::from(scale) <= i32::from(precision)).then_some(data_type)
}

/// The fields of the children of a type, in the order of their arrays (without the values of a dictionary).
pub(crate) fn children(data_type: &DataType) -> Vec<&FieldRef> {
    match data_type {
        DataType::List(child)
        | DataType::LargeList(child)
        | DataType::ListView(child)
        | DataType::LargeListView(child)
        | DataType::FixedSizeList(child, _)
        | DataType::Map(child, _) => vec![child],
        DataType::Struct(fields) => fields.iter().collect(),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| field).collect(),
        DataType::RunEndEncoded(ends, values) => vec![ends, values],
        _ => Vec::new(),
    }
}

/// What keeps a type from being a parameter's or a column's, if anything does. Types that come over Arrow's C interface
/// may be any.
pub(crate) fn type_fault(data_type: &DataType) -> Option<String> {
    fault_at(data_type, 0)
}

/// What keeps a type from being a value's, if anything does.
pub(crate) fn value_fault(data_type: &DataType) -> Option<String> {
    type_fault(data_type).or_else(|| too_long(data_type, 1))
}

/// Lists of fixed sizes multiply: a value of more elements than a call can hold could not even be left out, as its null is
/// so long.
fn too_long(data_type: &DataType, outside: i64) -> Option<String> {
    let elements = match data_type {
        DataType::FixedSizeList(_, size) => outside.saturating_mul((*size).into()),
        _ => outside,
    };
    if elements > i32::MAX.into() {
        return Some(format!(
            "a type whose values have {elements} elements, but at most {} are allowed",
            i32::MAX
        ));
    }
    children(data_type).into_iter().find_map(|field| too_long(field.data_type(), elements))
}

fn fault_at(data_type: &DataType, depth: usize) -> Option<String> {
    if depth > MAX_DEPTH {
        return Some(format!("a type nested more than {MAX_DEPTH} times"));
    }
    let wrong = match data_type {
        DataType::FixedSizeBinary(size) | DataType::FixedSizeList(_, size) => *size < 0,
        DataType::Decimal32(precision, scale) => decimal(32, *precision, *scale).is_none(),
        DataType::Decimal64(precision, scale) => decimal(64, *precision, *scale).is_none(),
        DataType::Decimal128(precision, scale) => decimal(128, *precision, *scale).is_none(),
        DataType::Decimal256(precision, scale) => decimal(256, *precision, *scale).is_none(),
        DataType::Time32(unit) => time32(*unit).is_none(),
        DataType::Time64(unit) => time64(*unit).is_none(),
        DataType::Map(entries, _) => {
            !matches!(entries.data_type(), DataType::Struct(pair) if pair.len() == 2)
        }
        DataType::RunEndEncoded(ends, _) => !ends.data_type().is_run_ends_type() || ends.is_nullable(),
        // Without fields it has no values, and Arrow makes no array of it, not even an empty one.
        DataType::Union(fields, _) => fields.is_empty() || fields.iter().any(|(id, _)| id < 0),
        DataType::Dictionary(index, values) => {
            if matches!(values.as_ref(), DataType::Dictionary(..)) {
                return Some("a dictionary of dictionaries, which an Arrow stream cannot contain".into());
            }
            if let Some(fault) = fault_at(values, depth + 1) {
                return Some(fault);
            }
            !index.is_dictionary_key_type()
        }
        _ => false,
    };
    if wrong {
        return Some(format!("the impossible type {data_type}"));
    }
    children(data_type).into_iter().find_map(|field| fault_at(field.data_type(), depth + 1))
}

/// The first name or time zone, nested ones included, that holds a NUL byte: Arrow's streams can hold it, C's texts
/// cannot.
pub fn name_with_nul(field: &Field) -> Option<&str> {
    if field.name().contains('\0') {
        return Some(field.name());
    }
    nul_in_type(field.data_type())
}

fn nul_in_type(data_type: &DataType) -> Option<&str> {
    match data_type {
        DataType::Timestamp(_, Some(zone)) => Some(zone.as_ref()).filter(|zone| zone.contains('\0')),
        DataType::Dictionary(_, values) => nul_in_type(values),
        other => children(other).into_iter().find_map(|field| name_with_nul(field)),
    }
}

/// The same type without the metadata of nested fields, which are no part of a parameter's type. An empty time zone is
/// none, as in Arrow's own format.
pub(crate) fn without_metadata(data_type: &DataType) -> DataType {
    let bare = |field: &FieldRef| bare_field(field);
    match data_type {
        DataType::List(child) => DataType::List(bare(child)),
        DataType::LargeList(child) => DataType::LargeList(bare(child)),
        DataType::ListView(child) => DataType::ListView(bare(child)),
        DataType::LargeListView(child) => DataType::LargeListView(bare(child)),
        DataType::FixedSizeList(child, size) => DataType::FixedSizeList(bare(child), *size),
        DataType::Map(entries, sorted) => DataType::Map(bare(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(bare).collect::<Fields>()),
        DataType::Union(fields, mode) => {
            let bared = fields.iter().map(|(id, field)| (id, bare(field))).collect::<UnionFields>();
            DataType::Union(bared, *mode)
        }
        DataType::RunEndEncoded(ends, values) => DataType::RunEndEncoded(bare(ends), bare(values)),
        DataType::Dictionary(index, values) => {
            DataType::Dictionary(index.clone(), Box::new(without_metadata(values)))
        }
        DataType::Timestamp(unit, Some(zone)) if zone.is_empty() => DataType::Timestamp(*unit, None),
        flat => flat.clone(),
    }
}

/// The same field without metadata, its own and nested ones.
pub(crate) fn bare_field(field: &Field) -> FieldRef {
    Arc::new(Field::new(field.name(), without_metadata(field.data_type()), field.is_nullable()))
}

/// The schema's columns without any metadata.
pub(crate) fn bare_schema(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(|field| bare_field(field)).collect::<Vec<_>>())
}

/// Whether two types mean the same: the names that libraries give to the items of lists and maps do not count, those
/// of a struct's fields do.
pub(crate) fn same_type(a: &DataType, b: &DataType) -> bool {
    use DataType as T;
    let same_child = |a: &FieldRef, b: &FieldRef| {
        a.is_nullable() == b.is_nullable() && same_type(a.data_type(), b.data_type())
    };
    match (a, b) {
        (T::List(a), T::List(b))
        | (T::LargeList(a), T::LargeList(b))
        | (T::ListView(a), T::ListView(b))
        | (T::LargeListView(a), T::LargeListView(b)) => same_child(a, b),
        (T::FixedSizeList(a, n), T::FixedSizeList(b, m)) => n == m && same_child(a, b),
        (T::Map(a, n), T::Map(b, m)) => {
            n == m
                && match (a.data_type(), b.data_type()) {
                    (T::Struct(a), T::Struct(b)) => {
                        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_child(a, b))
                    }
                    _ => false,
                }
        }
        (T::RunEndEncoded(a, v), T::RunEndEncoded(b, w)) => same_child(a, b) && same_child(v, w),
        (T::Struct(a), T::Struct(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.name() == b.name() && same_child(a, b))
        }
        (T::Union(a, n), T::Union(b, m)) => {
            let same = |((i, a), (j, b)): ((i8, &FieldRef), (i8, &FieldRef))| {
                i == j && a.name() == b.name() && same_child(a, b)
            };
            n == m && a.len() == b.len() && a.iter().zip(b.iter()).all(same)
        }
        (T::Dictionary(a, v), T::Dictionary(b, w)) => a == b && same_type(v, w),
        (a, b) => a == b,
    }
}

/// The same array under a type that [`same_type`] calls the same. Its values are not looked through.
pub(crate) fn retyped(data: ArrayData, to: &DataType) -> Result<ArrayData> {
    if data.data_type() == to {
        return Ok(data);
    }
    let types: Vec<DataType> = match to {
        DataType::Dictionary(_, values) => vec![values.as_ref().clone()],
        other => children(other).into_iter().map(|field| field.data_type().clone()).collect(),
    };
    let inner = data.child_data().iter().cloned().zip(&types).map(|(child, to)| retyped(child, to));
    let inner = inner.collect::<Result<Vec<_>>>()?;
    let builder = data.into_builder().data_type(to.clone()).child_data(inner);
    array_in_bounds(builder)
        .map_err(|wrong| crate::error::Error::invalid(format!("the array cannot be used: {wrong}")))
}
