//! The columns of a call that say which part of its object an input is.
//!
//! A call in which no input is a part has none of them. Else there is one behind all parameters for each parameter of which
//! some row has a part: nullable texts, whose field has the parameter's name with `:part` behind it and the metadata
//! `proc:par` = `part`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use crate::arrow::datatypes::{DataType, Field, Schema};

use crate::error::{Error, Result};

use super::cell::Cell;
use super::keys::PAR;
use super::message::corrupt;
use super::Part;

/// What stands behind the parameter's name. No parameter has a `:` in its name.
const SUFFIX: &str = ":part";
/// The value of `proc:par`.
const KIND: &str = "part";

/// The field of the column for a parameter.
pub(crate) fn field(param: &str) -> Field {
    let metadata = HashMap::from([(PAR.to_owned(), KIND.to_owned())]);
    Field::new(format!("{param}{SUFFIX}"), DataType::Utf8, true).with_metadata(metadata)
}

/// The column for these cells of a parameter; none if no cell is a part.
pub(crate) fn column<'c>(cells: impl Iterator<Item = &'c Cell> + Clone) -> Option<ArrayRef> {
    let text = |cell: &Cell| match cell {
        Cell::Part(_, part) => Some(part.to_string()),
        _ => None,
    };
    if !cells.clone().any(|cell| matches!(cell, Cell::Part(..))) {
        return None;
    }
    Some(Arc::new(cells.map(text).collect::<StringArray>()))
}

/// A call's schema taken apart.
pub(crate) struct Split {
    /// The fields of the parameters; none if there are no others.
    pub(crate) params: Option<Schema>,
    /// The columns that say which part, each with its parameter: both by their places.
    pub(crate) columns: Vec<(usize, usize)>,
}

/// Takes a call's schema apart.
pub(crate) fn split(schema: &Schema) -> Result<Split> {
    let is_part = |field: &Field| field.metadata().get(PAR).is_some_and(|kind| kind == KIND);
    let fields = schema.fields();
    let Some(first) = fields.iter().position(|field| is_part(field)) else {
        return Ok(Split { params: None, columns: Vec::new() });
    };
    let mut columns: Vec<(usize, usize)> = Vec::new();
    for (place, field) in fields.iter().enumerate().skip(first) {
        let name = field.name().strip_suffix(SUFFIX);
        let param = name.and_then(|name| fields[..first].iter().position(|param| param.name() == name));
        let param = param.filter(|_| is_part(field) && *field.data_type() == DataType::Utf8);
        let param = param.filter(|param| columns.iter().all(|(_, other)| other != param));
        let param = param.ok_or_else(|| {
            corrupt(format!(
                "column '{}' of the call stands among those that describe parts, but describes none of a parameter",
                field.name()
            ))
        })?;
        columns.push((place, param));
    }
    let params = Schema::new_with_metadata(fields[..first].to_vec(), schema.metadata().clone());
    Ok(Split { params: Some(params), columns })
}

/// Reads the part in a row of such a column into the cell of its parameter.
pub(crate) fn read(texts: &ArrayRef, row: usize, cell: &mut Cell) -> Result<()> {
    if texts.is_null(row) {
        return Ok(());
    }
    let Cell::Id(id) = *cell else {
        return Err(corrupt("it has a part, but no object"));
    };
    let part: Part =
        texts.as_string::<i32>().value(row).parse().map_err(|wrong: Error| corrupt(wrong.message()))?;
    *cell = Cell::Part(id, Arc::new(part));
    Ok(())
}
