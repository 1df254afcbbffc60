//! The values of a call's row, and the columns that hold them.

use std::borrow::Cow;
use std::sync::Arc;

use crate::arrow::array::{
    make_array, new_null_array, Array, ArrayData, ArrayRef, AsArray, BinaryArray, BinaryViewArray,
    LargeBinaryArray, LargeStringArray, StringArray, StringViewArray,
};
use crate::arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use crate::arrow::datatypes::{
    DataType, Float16Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, Int8Type, UInt16Type,
    UInt32Type, UInt64Type, UInt8Type,
};
use half::f16;

use crate::error::{Error, Result};
use crate::store::{ObjectId, ID_SIZE};

use super::arrow_schema::ID_TYPE;
use super::type_text::type_text;
use super::types::{retyped, same_type};
use super::{CallSchema, Elem, Param, ParamType, Part};

/// One value of a call's row, before it is written and after it is read.
///
/// When a call is written, `Int` and `Uint` fit every integer type whose range has the value, `Float` every float type;
/// nothing else is converted. When it is read, signed integers are `Int`, unsigned ones `Uint`.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Null.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer.
    Uint(u64),
    /// A float of any size.
    Float(f64),
    /// A complex number: real and imaginary part. When it is read it is an array.
    Complex(f64, f64),
    /// A text.
    Utf8(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// A value of any Arrow type: an array of one element.
    Array(ArrayRef),
    /// An object's ID.
    Id(ObjectId),
    /// An object's ID, and which part of it: for inputs that are tensors or objects of any kind.
    Part(ObjectId, Arc<Part>),
}

impl Cell {
    /// The object, if it is one or a part of one.
    pub fn object(&self) -> Option<ObjectId> {
        match self {
            Cell::Id(id) | Cell::Part(id, _) => Some(*id),
            _ => None,
        }
    }

    /// The part, if it is one.
    pub fn part(&self) -> Option<&Arc<Part>> {
        match self {
            Cell::Part(_, part) => Some(part),
            _ => None,
        }
    }

    /// The parts of a complex number, if it is one.
    pub fn complex(&self) -> Option<(f64, f64)> {
        match self {
            Cell::Complex(re, im) => Some((*re, *im)),
            Cell::Array(array) if array.len() == 1 => {
                let is = |elem: Elem| same_type(array.data_type(), &elem.scalar_type());
                let parts = array.as_fixed_size_list_opt()?.value(0);
                if is(Elem::Complex64) {
                    let parts = parts.as_primitive::<Float32Type>();
                    Some((parts.value(0).into(), parts.value(1).into()))
                } else if is(Elem::Complex128) {
                    let parts = parts.as_primitive::<Float64Type>();
                    Some((parts.value(0), parts.value(1)))
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// What it is, for errors.
    pub(crate) fn describe(&self) -> String {
        match self {
            Cell::Null => "null".into(),
            Cell::Bool(value) => format!("the bool {value}"),
            Cell::Int(value) => format!("the integer {value}"),
            Cell::Uint(value) => format!("the integer {value}"),
            Cell::Float(value) => format!("the float {value:?}"),
            Cell::Complex(re, im) => format!("the complex number ({re:?}, {im:?})"),
            Cell::Utf8(text) => {
                let start: String = text.chars().take(40).collect();
                format!("the text {start:?}{}", if start.len() < text.len() { "..." } else { "" })
            }
            Cell::Binary(bytes) => format!("{} bytes", bytes.len()),
            Cell::Array(array) => format!("an array of {} {}", array.len(), type_text(array.data_type())),
            Cell::Id(id) => format!("the object {id}"),
            Cell::Part(id, part) => format!("the part {part} of the object {id}"),
        }
    }
}

/// The value of a parameter as an array of one element of the parameter's type.
pub fn cell_array(param: &Param, cell: &Cell, function: &str) -> Result<ArrayRef> {
    let mut column = Column::new(param);
    column.nullable |= matches!(cell, Cell::Null);
    let value = column.fit(cell, 0, function)?;
    column.array(&[value])
}

/// How a column's values lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Bool,
    /// A signed integer of so many bytes.
    Int(usize),
    /// An unsigned integer of so many bytes.
    Uint(usize),
    /// A float of so many bytes.
    Float(usize),
    /// An object ID.
    Id,
    Text,
    Bytes,
    /// Any other Arrow type.
    Other,
}

impl ColumnKind {
    /// Bytes of a value that is written in place; none for kinds that are not (and for bools, which are bits).
    pub(crate) fn width(self) -> Option<usize> {
        match self {
            ColumnKind::Int(width) | ColumnKind::Uint(width) | ColumnKind::Float(width) => Some(width),
            ColumnKind::Id => Some(ID_SIZE),
            ColumnKind::Bool | ColumnKind::Text | ColumnKind::Bytes | ColumnKind::Other => None,
        }
    }

    fn of(ty: &ParamType) -> ColumnKind {
        let ParamType::Scalar(data_type) = ty else {
            return ColumnKind::Id;
        };
        match data_type {
            DataType::Boolean => ColumnKind::Bool,
            DataType::Int8 => ColumnKind::Int(1),
            DataType::Int16 => ColumnKind::Int(2),
            DataType::Int32 => ColumnKind::Int(4),
            DataType::Int64 => ColumnKind::Int(8),
            DataType::UInt8 => ColumnKind::Uint(1),
            DataType::UInt16 => ColumnKind::Uint(2),
            DataType::UInt32 => ColumnKind::Uint(4),
            DataType::UInt64 => ColumnKind::Uint(8),
            DataType::Float16 => ColumnKind::Float(2),
            DataType::Float32 => ColumnKind::Float(4),
            DataType::Float64 => ColumnKind::Float(8),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnKind::Text,
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => ColumnKind::Bytes,
            _ => ColumnKind::Other,
        }
    }
}

/// The column of a parameter.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: ColumnKind,
    pub(crate) data_type: DataType,
    pub(crate) nullable: bool,
    /// Whether its objects may be parts.
    parts: bool,
    /// The type as the signature writes it.
    expected: String,
}

/// A cell that fits its column.
pub(crate) enum Value<'c> {
    Null,
    /// A bool, an integer or a float: its bytes, little-endian, in the lowest ones.
    Bits(u64),
    Id(ObjectId),
    Text(Cow<'c, str>),
    Bytes(Cow<'c, [u8]>),
    Array(ArrayRef),
}

impl Column {
    pub(crate) fn new(param: &Param) -> Column {
        let data_type = match &param.ty {
            ParamType::Scalar(data_type) => data_type.clone(),
            _ => ID_TYPE,
        };
        Column {
            name: param.name.clone(),
            kind: ColumnKind::of(&param.ty),
            data_type,
            nullable: param.nullable,
            parts: param.takes_parts(),
            expected: param.ty.to_string(),
        }
    }

    /// The columns of a function's calls.
    pub(crate) fn of(schema: &CallSchema) -> Vec<Column> {
        schema.params.iter().map(Column::new).collect()
    }

    /// The value as the column holds it, or the error that names row, parameter, what was found and expected.
    #[inline]
    pub(crate) fn fit<'c>(&self, cell: &'c Cell, row: usize, function: &str) -> Result<Value<'c>> {
        let fitted = match (self.kind, cell) {
            (ColumnKind::Int(_) | ColumnKind::Uint(_), Cell::Int(value)) => self.int(i128::from(*value)),
            (ColumnKind::Int(_) | ColumnKind::Uint(_), Cell::Uint(value)) => self.int(i128::from(*value)),
            (ColumnKind::Float(8), Cell::Float(value)) => Some(Value::Bits(value.to_bits())),
            (ColumnKind::Id, Cell::Id(id)) => Some(Value::Id(*id)),
            (ColumnKind::Bool, Cell::Bool(value)) => Some(Value::Bits(u64::from(*value))),
            _ => self.fit_other(cell),
        };
        fitted.ok_or_else(|| self.unfit(cell, row, function))
    }

    /// As [`Column::fit`], of a column that has one for its parts beside it.
    pub(crate) fn fit_whole<'c>(&self, cell: &'c Cell, row: usize, function: &str) -> Result<Value<'c>> {
        match cell {
            Cell::Part(id, _) if self.parts => Ok(Value::Id(*id)),
            _ => self.fit(cell, row, function),
        }
    }

    fn fit_other<'c>(&self, cell: &'c Cell) -> Option<Value<'c>> {
        match (self.kind, cell) {
            (_, Cell::Null) => (self.nullable || self.data_type == DataType::Null).then_some(Value::Null),
            (ColumnKind::Float(width), Cell::Float(value)) => small_float(width, *value),
            (ColumnKind::Text, Cell::Utf8(text)) => Some(Value::Text(Cow::Borrowed(text))),
            (ColumnKind::Bytes, Cell::Binary(bytes)) => {
                self.fits_size(bytes).then_some(Value::Bytes(Cow::Borrowed(bytes)))
            }
            (ColumnKind::Other, Cell::Array(array)) => self.fit_array(array),
            (ColumnKind::Other, Cell::Complex(re, im)) => self.fit_complex(*re, *im),
            (_, Cell::Array(array)) => {
                // A value of a simple type may come as an array of one, if it is of that very type.
                let simple = array.len() == 1 && *array.data_type() == self.data_type;
                match simple.then(|| self.cell_at(array, 0))? {
                    Cell::Null => self.fit_other(&Cell::Null).map(|_| Value::Null),
                    Cell::Utf8(text) => Some(Value::Text(Cow::Owned(text))),
                    Cell::Binary(bytes) => Some(Value::Bytes(Cow::Owned(bytes))),
                    Cell::Id(id) => Some(Value::Id(id)),
                    Cell::Bool(value) => Some(Value::Bits(u64::from(value))),
                    Cell::Int(value) => self.int(i128::from(value)),
                    Cell::Uint(value) => self.int(i128::from(value)),
                    Cell::Float(value) => match self.kind {
                        ColumnKind::Float(8) => Some(Value::Bits(value.to_bits())),
                        ColumnKind::Float(width) => small_float(width, value),
                        _ => None,
                    },
                    Cell::Complex(..) | Cell::Array(_) | Cell::Part(..) => None,
                }
            }
            _ => None,
        }
    }

    fn fit_array<'c>(&self, array: &ArrayRef) -> Option<Value<'c>> {
        if array.len() != 1 || !same_type(array.data_type(), &self.data_type) {
            return None;
        }
        if self.data_type != DataType::Null && array.is_null(0) {
            return self.nullable.then_some(Value::Null);
        }
        if *array.data_type() == self.data_type {
            return Some(Value::Array(Arc::clone(array)));
        }
        Some(Value::Array(make_array(retyped(array.to_data(), &self.data_type).ok()?)))
    }

    fn fit_complex<'c>(&self, re: f64, im: f64) -> Option<Value<'c>> {
        let elem = [Elem::Complex64, Elem::Complex128];
        let elem = elem.into_iter().find(|elem| same_type(&elem.scalar_type(), &self.data_type))?;
        let width = elem.stored().size();
        let mut bytes = vec![0; 2 * width];
        for (part, to) in [re, im].into_iter().zip(bytes.chunks_mut(width)) {
            let value = if width == 8 { Some(Value::Bits(part.to_bits())) } else { small_float(width, part) };
            value?.write(to);
        }
        let DataType::FixedSizeList(item, _) = &self.data_type else { return None };
        let parts = ArrayData::builder(item.data_type().clone()).len(2).add_buffer(Buffer::from_vec(bytes));
        let list = ArrayData::builder(self.data_type.clone()).len(1);
        let list = list.add_child_data(parts.align_buffers(true).build().ok()?).build().ok()?;
        Some(Value::Array(make_array(list)))
    }

    fn int<'c>(&self, value: i128) -> Option<Value<'c>> {
        let (least, most) = match self.kind {
            ColumnKind::Int(width) => (-(1_i128 << (8 * width - 1)), (1_i128 << (8 * width - 1)) - 1),
            ColumnKind::Uint(width) => (0, (1_i128 << (8 * width)) - 1),
            _ => return None,
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the range was checked; the lowest bytes are the value"
        )]
        (least..=most).contains(&value).then_some(Value::Bits(value as u64))
    }

    fn fits_size(&self, bytes: &[u8]) -> bool {
        match self.data_type {
            DataType::FixedSizeBinary(size) => usize::try_from(size) == Ok(bytes.len()),
            _ => true,
        }
    }

    #[cold]
    fn unfit(&self, cell: &Cell, row: usize, function: &str) -> Error {
        let nullable = if self.nullable { " or null" } else { "" };
        Error::invalid(format!(
            "row {row} of the call of '{function}', parameter '{}': found {}, expected {}{nullable}",
            self.name,
            cell.describe(),
            self.expected
        ))
    }

    /// The column of these values.
    pub(crate) fn array(&self, values: &[Value<'_>]) -> Result<ArrayRef> {
        let text = |value: &Value<'_>| match value {
            Value::Text(text) => Some(text.to_string()),
            _ => None,
        };
        let bytes = |value: &Value<'_>| match value {
            Value::Bytes(bytes) => Some(bytes.to_vec()),
            _ => None,
        };
        let texts = values.iter().map(text);
        let binaries = values.iter().map(bytes);
        Ok(match &self.data_type {
            DataType::Utf8 => Arc::new(texts.collect::<StringArray>()),
            DataType::LargeUtf8 => Arc::new(texts.collect::<LargeStringArray>()),
            DataType::Utf8View => Arc::new(texts.collect::<StringViewArray>()),
            DataType::Binary => Arc::new(binaries.collect::<BinaryArray>()),
            DataType::LargeBinary => Arc::new(binaries.collect::<LargeBinaryArray>()),
            DataType::BinaryView => Arc::new(binaries.collect::<BinaryViewArray>()),
            _ if self.kind == ColumnKind::Other => self.joined(values)?,
            _ => self.fixed(values)?,
        })
    }

    /// A column of values of one size.
    fn fixed(&self, values: &[Value<'_>]) -> Result<ArrayRef> {
        let width = match self.data_type {
            DataType::FixedSizeBinary(size) => usize::try_from(size).unwrap_or_default(),
            _ => self.kind.width().unwrap_or_default(),
        };
        let data = if self.kind == ColumnKind::Bool {
            BooleanBuffer::from_iter(values.iter().map(|value| matches!(value, Value::Bits(1)))).into_inner()
        } else {
            let mut data = vec![0; width * values.len()];
            for (at, value) in values.iter().enumerate() {
                value.write(&mut data[at * width..(at + 1) * width]);
            }
            Buffer::from_vec(data)
        };
        let nulls: NullBuffer = values.iter().map(|value| !matches!(value, Value::Null)).collect();
        let array = ArrayData::builder(self.data_type.clone())
            .len(values.len())
            .nulls(Some(nulls).filter(|nulls| nulls.null_count() > 0))
            .add_buffer(data)
            .align_buffers(true)
            .build()
            .map_err(|wrong| Error::internal(format!("column '{}': {wrong}", self.name)))?;
        Ok(make_array(array))
    }

    /// A column of arrays of one element.
    fn joined(&self, values: &[Value<'_>]) -> Result<ArrayRef> {
        let arrays: Vec<ArrayRef> = values
            .iter()
            .map(|value| match value {
                Value::Array(array) => Arc::clone(array),
                _ => new_null_array(&self.data_type, 1),
            })
            .collect();
        let parts: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        match (parts.as_slice(), arrays.first()) {
            ([_], Some(only)) => Ok(Arc::clone(only)),
            ([], _) => Ok(crate::arrow::array::new_empty_array(&self.data_type)),
            (parts, _) => crate::arrow::compute::concat(parts).map_err(|wrong| {
                Error::invalid(format!("parameter '{}': its rows cannot be joined: {wrong}", self.name))
            }),
        }
    }

    /// The cell in a row of the column, whose type was checked.
    pub(crate) fn cell_at(&self, array: &ArrayRef, row: usize) -> Cell {
        if array.is_null(row) || self.data_type == DataType::Null {
            return Cell::Null;
        }
        match &self.data_type {
            DataType::Boolean => Cell::Bool(array.as_boolean().value(row)),
            DataType::Int8 => Cell::Int(array.as_primitive::<Int8Type>().value(row).into()),
            DataType::Int16 => Cell::Int(array.as_primitive::<Int16Type>().value(row).into()),
            DataType::Int32 => Cell::Int(array.as_primitive::<Int32Type>().value(row).into()),
            DataType::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(row)),
            DataType::UInt8 => Cell::Uint(array.as_primitive::<UInt8Type>().value(row).into()),
            DataType::UInt16 => Cell::Uint(array.as_primitive::<UInt16Type>().value(row).into()),
            DataType::UInt32 => Cell::Uint(array.as_primitive::<UInt32Type>().value(row).into()),
            DataType::UInt64 => Cell::Uint(array.as_primitive::<UInt64Type>().value(row)),
            DataType::Float16 => Cell::Float(array.as_primitive::<Float16Type>().value(row).to_f64()),
            DataType::Float32 => Cell::Float(array.as_primitive::<Float32Type>().value(row).into()),
            DataType::Float64 => Cell::Float(array.as_primitive::<Float64Type>().value(row)),
            DataType::Utf8 => Cell::Utf8(array.as_string::<i32>().value(row).to_owned()),
            DataType::LargeUtf8 => Cell::Utf8(array.as_string::<i64>().value(row).to_owned()),
            DataType::Utf8View => Cell::Utf8(array.as_string_view().value(row).to_owned()),
            DataType::Binary => Cell::Binary(array.as_binary::<i32>().value(row).to_vec()),
            DataType::LargeBinary => Cell::Binary(array.as_binary::<i64>().value(row).to_vec()),
            DataType::BinaryView => Cell::Binary(array.as_binary_view().value(row).to_vec()),
            DataType::FixedSizeBinary(_) => {
                let bytes = array.as_fixed_size_binary().value(row);
                match ObjectId::from_slice(bytes) {
                    Ok(id) if self.kind == ColumnKind::Id => Cell::Id(id),
                    _ => Cell::Binary(bytes.to_vec()),
                }
            }
            _ => Cell::Array(array.slice(row, 1)),
        }
    }

    /// The cell of a value that lies in place, as [`Value::write`] leaves it.
    #[inline]
    pub(crate) fn cell_in(&self, bytes: &[u8]) -> Cell {
        let mut word = [0; 8];
        let width = bytes.len().min(8);
        word[..width].copy_from_slice(&bytes[..width]);
        let bits = u64::from_le_bytes(word);
        match self.kind {
            ColumnKind::Int(width) => {
                let unused = 64 - 8 * width;
                Cell::Int((bits << unused) as i64 >> unused)
            }
            ColumnKind::Uint(_) => Cell::Uint(bits),
            ColumnKind::Float(8) => Cell::Float(f64::from_bits(bits)),
            #[expect(clippy::cast_possible_truncation, reason = "the value has four bytes")]
            ColumnKind::Float(4) => Cell::Float(f32::from_bits(bits as u32).into()),
            #[expect(clippy::cast_possible_truncation, reason = "the value has two bytes")]
            ColumnKind::Float(_) => Cell::Float(f16::from_bits(bits as u16).to_f64()),
            ColumnKind::Bool => Cell::Bool(bits & 1 == 1),
            _ => ObjectId::from_slice(bytes).map_or(Cell::Null, Cell::Id),
        }
    }
}

/// A float in fewer than eight bytes; none if it is too large for them.
fn small_float<'c>(width: usize, value: f64) -> Option<Value<'c>> {
    let (bits, infinite) = match width {
        #[expect(clippy::cast_possible_truncation, reason = "rounding is what a float32 parameter asks for")]
        4 => (u64::from((value as f32).to_bits()), (value as f32).is_infinite()),
        _ => (u64::from(f16::from_f64(value).to_bits()), f16::from_f64(value).is_infinite()),
    };
    (infinite == value.is_infinite()).then_some(Value::Bits(bits))
}

impl Value<'_> {
    /// Writes it into the place of one value; null is zeros.
    #[inline]
    pub(crate) fn write(&self, place: &mut [u8]) {
        match self {
            Value::Bits(bits) => {
                let width = place.len().min(8);
                place[..width].copy_from_slice(&bits.to_le_bytes()[..width]);
            }
            Value::Id(id) => place.copy_from_slice(id.as_bytes()),
            Value::Bytes(bytes) => place.copy_from_slice(bytes),
            Value::Null | Value::Text(_) | Value::Array(_) => place.fill(0),
        }
    }
}
