//! Arrow bytes: what objects look like inside, and how they are written and read.
//!
//! Everything here is a plain Arrow IPC message or stream, so that a stock Arrow library reads every object of a
//! store; `docs/wire-format.md` defines every metadata key. This module knows bytes and schemas, but no stores:
//!
//! ```text
//!   Elem, Layout ──> tensor object      (tensor.rs, copy.rs)
//!   record batches ──> table object    (table.rs, record.rs, columns.rs)
//!   CallSchema   <── one-line signature (signature.rs, type_text.rs)
//!   CallSchema   <─> Arrow schema       (schema.rs, arrow_schema.rs; which are forms of one function: forms.rs)
//!   CallEncoder  ──> call object ──> CallDecoder        (call.rs, cell.rs, template.rs, columns.rs)
//!   Part         <── one line             (part.rs, part_text.rs, part_column.rs)
//!   Declaration  <─> declaration object (declaration.rs)
//! ```
//!
//! What is read may come from a broken or hostile writer. Metadata (flatbuffers) is copied, verified, and only then parsed.
//! Every offset and length is checked against the size of the object. Invalid bytes are
//! [`Kind::Corrupt`](crate::error::Kind::Corrupt), never a panic.

mod arrow_schema;
mod base64;
mod call;
mod cell;
mod columns;
mod copy;
mod declaration;
mod dtype;
mod element;
mod forms;
mod keys;
mod layout;
mod matching;
mod message;
mod metadata;
mod part;
mod part_column;
mod part_text;
mod recent;
mod record;
mod scanner;
mod schema;
mod schema_bytes;
mod signature;
mod table;
mod template;
mod tensor;
mod type_text;
mod types;

#[cfg(test)]
mod testing;

pub(crate) use call::DecodedRows;
pub use call::{decode_call, CallDecoder, CallEncoder, DecodedCall, MAX_ROWS};
pub use cell::{cell_array, Cell};
pub use copy::copy_tensor;
pub use declaration::Declaration;
pub use dtype::Elem;
pub(crate) use element::check_element;
pub use element::{ArraySource, Element};
pub use forms::{form_params, FormName};
pub use layout::{Layout, Order, TensorSource, MAX_DIMS};
pub use metadata::{object_kind, ObjectKind, TABLE_METADATA};
pub use part::{Along, Part, Placed, MAX_SLICES};
pub use part_text::MAX_PART_TEXT;
pub use schema::{CallSchema, Dim, Direction, Metadata, Param, ParamType};
pub use table::{check_columns, read_table, TableForm, TableMemory, TableSource};
pub use tensor::{read_tensor, tensor_header, TensorHeader};
pub(crate) use type_text::type_text;
pub use types::name_with_nul;
