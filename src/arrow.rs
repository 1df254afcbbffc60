//! The crates of Arrow that this library uses: those of its formats, and some for computing.

pub use arrow_array::{ffi, ffi_stream};
pub use arrow_buffer as buffer;
pub use arrow_ipc as ipc;

/// Concatenation of arrays.
pub mod compute {
    pub use arrow_select::concat::{concat, concat_batches};
}

/// Arrays and their parts.
pub mod array {
    pub use arrow_array::builder::*;
    pub use arrow_array::cast::*;
    pub use arrow_array::*;
    pub use arrow_data::transform::MutableArrayData;
    pub use arrow_data::{layout, ArrayData, ArrayDataBuilder, BufferSpec, ByteView};
}

/// Types, fields and schemas.
pub mod datatypes {
    pub use arrow_array::types::*;
    pub use arrow_buffer::{i256, ArrowNativeType};
    pub use arrow_schema::*;
}

/// Errors of Arrow.
pub mod error {
    pub use arrow_schema::ArrowError;
    /// A result of Arrow.
    pub type Result<T> = std::result::Result<T, ArrowError>;
}

/// Record batches.
pub mod record_batch {
    pub use arrow_array::{RecordBatch, RecordBatchIterator, RecordBatchOptions, RecordBatchReader};
}
