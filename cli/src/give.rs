//! Arguments of a call as people write them: `x=1`, `ys=@file.npy`, `ys=[1,2,3]`, `ys=id:00ab`.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use arrow_cast::{cast_with_options, CastOptions};
use sdp_dal::arrow::array::{ArrayRef, StringArray};
use sdp_dal::arrow::datatypes::{DataType, FieldRef};
use sdp_dal::dal::{Arg, Args};
use sdp_dal::error::{Error, Result};
use sdp_dal::store::{ObjectId, Store, ID_SIZE};
use sdp_dal::wire::{CallSchema, Cell, Elem, Layout, Order, Param, ParamType, TensorSource};

use crate::elements;
use crate::npy::{self, Array};
use crate::words::find;

/// An argument that was read.
pub enum Given {
    /// A value, or the ID of an object.
    Cell(Cell),
    /// A tensor.
    Tensor(Array),
    /// Nothing.
    Null,
}

/// Reads arguments for the parameters of a function.
///
/// # Errors
/// `InvalidArgument` that names the parameter, what was found and what was expected.
pub fn read(store: &Store, schema: &CallSchema, words: &[String]) -> Result<Vec<(String, Given)>> {
    let mut given: Vec<(String, Given)> = Vec::new();
    for word in words {
        let (name, text) = word.split_once('=').ok_or_else(|| {
            Error::invalid(format!("'{word}' is not an argument: expected NAME=VALUE, such as x=1"))
        })?;
        let (_, param) = schema.param(name).ok_or_else(|| {
            let names: Vec<&str> = schema.params.iter().map(|param| param.name.as_str()).collect();
            Error::invalid(format!("{} has no parameter '{name}', only: {}", schema.name, names.join(", ")))
        })?;
        if given.iter().any(|(other, _)| other == name) {
            return Err(Error::invalid(format!("parameter '{name}' is given twice")));
        }
        let value = value(store, param, text);
        let value = value.map_err(|error| error.context(format!("{}: parameter '{name}'", schema.name)))?;
        given.push((name.to_owned(), value));
    }
    Ok(given)
}

/// The arguments for the library.
pub fn args(given: &[(String, Given)]) -> Args<'_> {
    let mut args = Args::new();
    for (name, value) in given {
        args.set(name, arg(value));
    }
    args
}

/// One of them.
pub fn arg(given: &Given) -> Arg<'_> {
    match given {
        Given::Cell(cell) => Arg::Cell(cell.clone()),
        Given::Tensor(array) => {
            Arg::Tensor(TensorSource { bytes: &array.bytes, origin: 0, layout: &array.layout })
        }
        Given::Null => Arg::Null,
    }
}

fn value(store: &Store, param: &Param, text: &str) -> Result<Given> {
    let is_null = text == "null" || text == "None";
    if is_null && param.nullable {
        return Ok(Given::Null);
    }
    match &param.ty {
        ParamType::Scalar(data_type) => scalar(data_type, text).map(Given::Cell),
        _ if text.starts_with("id:") => object(store, &text[3..]).map(|id| Given::Cell(Cell::Id(id))),
        ParamType::Tensor { elem, .. } => tensor(*elem, text).map(Given::Tensor),
        _ => Err(Error::invalid(format!("expected an object: write id: and its ID, not '{text}'"))),
    }
}

/// An ID, or the beginning of one that is there.
fn object(store: &Store, digits: &str) -> Result<ObjectId> {
    if digits.len() == 2 * ID_SIZE {
        return ObjectId::from_str(digits);
    }
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Error::invalid(format!("'{digits}' is not an object ID or the start of one")));
    }
    find(store, &digits.to_ascii_lowercase()).map(|info| info.id)
}

fn tensor(elem: Elem, text: &str) -> Result<Array> {
    if let Some(file) = text.strip_prefix('@') {
        return npy::read(Path::new(file));
    }
    let (shape, bytes) = elements::parse_tensor(elem, text).map_err(|error| {
        error.context("expected a tensor: @FILE.npy, numbers in brackets such as [1,2,3], or id: and the ID of an object")
    })?;
    let names = vec![String::new(); shape.len()];
    Ok(Array { layout: Layout::contiguous(elem, &shape, Order::C, &names)?, bytes })
}

fn scalar(data_type: &DataType, text: &str) -> Result<Cell> {
    let wrong = || {
        Error::invalid(format!("'{text}' is not a value of type {}", ParamType::Scalar(data_type.clone())))
    };
    if let DataType::FixedSizeList(field, 2) = data_type {
        return complex(field, text).ok_or_else(wrong);
    }
    match Elem::from_arrow(data_type) {
        Some(Elem::Bool) => match text {
            "true" | "True" => Ok(Cell::Bool(true)),
            "false" | "False" => Ok(Cell::Bool(false)),
            _ => Err(wrong()),
        },
        Some(Elem::Float16 | Elem::Float32 | Elem::Float64) => {
            text.parse().map(Cell::Float).map_err(|_| wrong())
        }
        Some(_) => match text.parse::<i64>() {
            Ok(value) => Ok(Cell::Int(value)),
            Err(_) => text.parse::<u64>().map(Cell::Uint).map_err(|_| wrong()),
        },
        None => other(data_type, text).ok_or_else(wrong),
    }
}

fn other(data_type: &DataType, text: &str) -> Option<Cell> {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            // A text in quotes is JSON: so a text can be `null`, or end in a line end.
            let quoted = text.starts_with('"').then(|| serde_json::from_str::<String>(text).ok()).flatten();
            Some(Cell::Utf8(quoted.unwrap_or_else(|| text.to_owned())))
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            let digits =
                text.strip_prefix("0x").filter(|digits| digits.len() % 2 == 0 && digits.is_ascii())?;
            let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).ok();
            (0..digits.len()).step_by(2).map(byte).collect::<Option<_>>().map(Cell::Binary)
        }
        DataType::Null => None,
        // Dates, times, decimals: as Arrow reads them.
        _ => {
            let options = CastOptions { safe: false, ..CastOptions::default() };
            let text: ArrayRef = Arc::new(StringArray::from(vec![text]));
            cast_with_options(&text, data_type, &options).ok().map(Cell::Array)
        }
    }
}

/// A complex value, of its two parts.
fn complex(field: &FieldRef, text: &str) -> Option<Cell> {
    if !matches!(field.data_type(), DataType::Float32 | DataType::Float64) {
        return None;
    }
    let mut bytes = Vec::new();
    elements::parse(Elem::Complex128, text, &mut bytes).ok()?;
    let part = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(f64::from_le_bytes);
    Some(Cell::Complex(part(0)?, part(8)?))
}
