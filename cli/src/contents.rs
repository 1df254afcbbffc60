//! What is inside an object.

use std::collections::BTreeSet;

use sdp_dal::dal::Table;
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::{Buffer, ObjectInfo, ObjectState, Store};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{decode_call, object_kind, read_tensor, Cell, Declaration, ObjectKind, Order, ParamType};
use serde::Serialize;

use arrow_cast::display::array_value_to_string as array_text;
use sdp_dal::arrow::array::{Array, ArrayRef};
use sdp_dal::arrow::datatypes::FieldRef;
use sdp_dal::arrow::record_batch::RecordBatch;

use crate::elements;
use crate::table::count;

/// Bytes of a raw object that are shown.
const SAMPLE: usize = 64;
/// Elements of a tensor that are shown.
const VALUES: usize = 12;
/// Rows of a call that are shown.
const ROWS: usize = 16;

/// What is inside a sealed object, in JSON.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Contents {
    /// A tensor.
    Tensor {
        /// Element type.
        elem: String,
        /// Elements along each dimension.
        shape: Vec<i64>,
        /// Names of the dimensions; empty: unnamed.
        dims: Vec<String>,
        /// `C` or `F`.
        order: &'static str,
        /// The first elements, in C order.
        first: String,
    },
    /// A table.
    Table {
        /// Name and type of each column.
        columns: Vec<(String, String)>,
        /// How many rows it has.
        rows: usize,
        /// The first rows as text.
        head: Vec<Vec<String>>,
    },
    /// A call.
    Call {
        /// Its function.
        function: String,
        /// The signature with which it was called, which tells the form.
        signature: String,
        /// How many rows it has.
        rows: usize,
        /// The first rows: parameter and value as text.
        first_rows: Vec<Vec<(String, String)>>,
    },
    /// A namespace's declaration.
    Declaration {
        /// Display name.
        name: String,
        /// Process ID in its own container.
        pid: u32,
        /// Command line.
        argv: Vec<String>,
        /// Signatures of the functions.
        functions: Vec<String>,
    },
    /// Bytes.
    Raw {
        /// The first ones, in hexadecimal digits.
        begins: String,
    },
}

/// A life of an object, as far as it can be seen inside.
pub enum Inside {
    /// Sealed: its bytes are held.
    Sealed(Buffer),
    /// It failed, and why.
    Failed(Error),
    /// It has no bytes to look at (yet, or any more).
    Nothing,
}

/// Looks at this life of an object without waiting.
pub fn look(store: &Store, info: &ObjectInfo) -> Result<Inside> {
    match info.state {
        "sealed" => match store.get_key(info.key, &info.id, Timeout::Poll) {
            Ok(buffer) => Ok(Inside::Sealed(buffer)),
            // It went between two looks.
            Err(error) if matches!(error.kind(), Kind::ObjectDeleted | Kind::Timeout) => Ok(Inside::Nothing),
            Err(error) => Err(error),
        },
        "failed" => match store.look_key(info.key, &info.id)? {
            ObjectState::Failed { error, .. } => Ok(Inside::Failed(error)),
            _ => Ok(Inside::Nothing),
        },
        _ => Ok(Inside::Nothing),
    }
}

/// The kind of an object whose bytes are held.
pub fn kind(buffer: &Buffer) -> ObjectKind {
    object_kind(buffer.metadata())
}

/// How much of an object is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What the one line needs.
    Line,
    /// The first values, too.
    Values,
}

/// Reads an object. Invalid bytes are an error.
pub fn read(buffer: &Buffer, depth: Depth) -> Result<Contents> {
    let (data, metadata) = (buffer.data(), buffer.metadata());
    Ok(match kind(buffer) {
        ObjectKind::Tensor => {
            let (layout, start) = read_tensor(data, metadata)?;
            let order = if layout.order() == Some(Order::F) { "F" } else { "C" };
            let most = if depth == Depth::Values { VALUES } else { 0 };
            let first = elements::first(&layout, data.get(start..).unwrap_or_default(), most);
            let elem = layout.elem.to_string();
            Contents::Tensor { elem, shape: layout.shape.clone(), dims: layout.names.clone(), order, first }
        }
        ObjectKind::Table => read_table(&Table::read(buffer.clone())?, depth)?,
        ObjectKind::Call => {
            let call = decode_call(data, metadata, &[])?;
            let names = || call.schema.params.iter().map(|param| param.name.clone());
            let row = |cells: &Vec<Cell>| names().zip(cells.iter().map(cell_text)).collect();
            Contents::Call {
                first_rows: call.rows.iter().take(ROWS).map(row).collect(),
                rows: call.rows.len(),
                signature: call.schema.to_string(),
                function: call.function,
            }
        }
        ObjectKind::Declaration => {
            let Declaration { name, pid, argv, functions, .. } = Declaration::decode(data, metadata)?;
            Contents::Declaration {
                name,
                pid,
                argv,
                functions: functions.iter().map(ToString::to_string).collect(),
            }
        }
        ObjectKind::Raw => Contents::Raw { begins: hexadecimal(&data[..data.len().min(SAMPLE)]) },
    })
}

impl Contents {
    /// In one line.
    pub fn line(&self) -> String {
        match self {
            Contents::Tensor { elem, shape, dims, order, .. } => {
                let dims: Vec<String> = shape.iter().zip(dims).map(dimension).collect();
                let order = if *order == "F" { ", F order" } else { "" };
                format!("{elem}[{}]{order}", dims.join(", "))
            }
            Contents::Table { columns, rows, .. } => {
                let columns: Vec<String> = columns.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
                format!("{} of {{{}}}", count(*rows, "row"), columns.join(", "))
            }
            Contents::Call { function, rows: 1, .. } => format!("{function}()"),
            Contents::Call { function, rows, .. } => format!("{function}(), {rows} rows"),
            Contents::Declaration { name, functions, .. } => {
                let name_of = |signature: &String| signature.split('(').next().unwrap_or_default().to_owned();
                let names: BTreeSet<String> = functions.iter().map(name_of).collect();
                let forms = match functions.len() == names.len() {
                    true => String::new(),
                    false => format!(" in {} forms", functions.len()),
                };
                format!("{name}: {}{forms}", count(names.len(), "function"))
            }
            Contents::Raw { .. } => String::new(),
        }
    }

    /// What there is to say beyond the one line.
    pub fn details(&self) -> Vec<String> {
        match self {
            Contents::Tensor { first, .. } => vec![first.clone()],
            Contents::Table { columns, rows, head } => {
                let names = columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
                let mut lines = aligned(&names, head);
                if *rows > head.len() && !head.is_empty() {
                    lines.push(format!("and {} more", count(rows - head.len(), "row")));
                }
                lines
            }
            Contents::Call { rows, first_rows, signature, .. } => {
                let mut lines = vec![signature.clone()];
                for (at, row) in first_rows.iter().enumerate() {
                    let start = if *rows == 1 { String::new() } else { format!("row {at}: ") };
                    lines.extend(row.iter().map(|(name, value)| format!("{start}{name} = {value}")));
                }
                if *rows > first_rows.len() {
                    lines.push(format!("and {} rows more", rows - first_rows.len()));
                }
                lines
            }
            Contents::Declaration { argv, functions, .. } => {
                let mut lines = functions.clone();
                lines.push(format!("command line: {}", argv.join(" ")));
                lines
            }
            Contents::Raw { begins } if begins.is_empty() => vec![],
            Contents::Raw { begins } => vec![format!("begins with {begins}")],
        }
    }
}

fn read_table(table: &Table, depth: Depth) -> Result<Contents> {
    let field = |field: &FieldRef| {
        let mark = if field.is_nullable() { "?" } else { "" };
        (field.name().clone(), format!("{}{mark}", ParamType::Scalar(field.data_type().clone())))
    };
    let columns = table.schema().fields().iter().map(field).collect();
    let rows = table.batches().iter().map(RecordBatch::num_rows).sum();
    let mut head = Vec::new();
    for batch in table.batches().iter().filter(|_| depth == Depth::Values) {
        let batch = batch.slice(0, batch.num_rows().min(ROWS - head.len()));
        for column in batch.columns() {
            // The values are as their writer left them: what is not checked must not be looked at.
            column.to_data().validate_full().map_err(|wrong| {
                Error::new(Kind::Corrupt, format!("a column's values are invalid: {wrong}"))
            })?;
        }
        let text = |array: &ArrayRef, row| array_text(array, row).unwrap_or_else(|wrong| wrong.to_string());
        let row = |row| batch.columns().iter().map(|array| text(array, row)).collect();
        head.extend((0..batch.num_rows()).map(row));
    }
    Ok(Contents::Table { columns, rows, head })
}

/// Lines of a heading and rows, with their columns below each other.
fn aligned(names: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    if rows.is_empty() {
        return vec![];
    }
    let mut table = crate::table::Table::new(names);
    for row in rows {
        table.row(row.iter().map(crate::table::Cell::new).collect());
    }
    table.lines(false)
}

fn dimension((size, name): (&i64, &String)) -> String {
    if name.is_empty() {
        size.to_string()
    } else {
        format!("{name}={size}")
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A value as text.
pub fn cell_text(cell: &Cell) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Bool(value) => value.to_string(),
        Cell::Int(value) => value.to_string(),
        Cell::Uint(value) => value.to_string(),
        Cell::Float(value) => format!("{value:?}"),
        Cell::Utf8(text) => format!("{text:?}"),
        Cell::Binary(bytes) if bytes.len() <= SAMPLE => format!("0x{}", hexadecimal(bytes)),
        Cell::Binary(bytes) => format!("{} bytes", bytes.len()),
        Cell::Complex(re, im) => format!("{re:?}{}{im:?}j", if im.is_sign_negative() { "" } else { "+" }),
        Cell::Array(array) => array_text(array, 0).unwrap_or_else(|wrong| wrong.to_string()),
        Cell::Id(id) => id.to_string(),
        Cell::Part(id, part) => format!("{id}{part}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_what_it_is() {
        let tensor = |order| Contents::Tensor {
            elem: "complex128".to_owned(),
            shape: vec![3, 4],
            dims: vec!["row".to_owned(), String::new()],
            order,
            first: "[1, 2]".to_owned(),
        };
        assert_eq!(tensor("C").details(), ["[1, 2]"]);
        assert_eq!(tensor("C").line(), "complex128[row=3, 4]");
        assert_eq!(tensor("F").line(), "complex128[row=3, 4], F order");
        let call = |rows| Contents::Call {
            function: "f".to_owned(),
            signature: "f()".to_owned(),
            rows,
            first_rows: vec![],
        };
        assert_eq!(call(1).line(), "f()");
        assert_eq!(call(2).line(), "f(), 2 rows");
        assert_eq!(call(2).details(), ["f()", "and 2 rows more"]);
    }

    #[test]
    fn cells_are_texts() {
        assert_eq!(cell_text(&Cell::Utf8("a\"b".to_owned())), "\"a\\\"b\"");
        assert_eq!(cell_text(&Cell::Binary(vec![1, 255])), "0x01ff");
        assert_eq!(cell_text(&Cell::Float(1.0)), "1.0");
    }
}
