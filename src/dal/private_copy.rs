//! Private copies of input tensors, for libraries that scribble on what they read.

use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::wire::Layout;

use super::output::CallMemory;
use super::tensor::Tensor;

const ALIGNMENT: usize = 64;

/// Memory of this process with the elements of one tensor, in the order in which they are stored.
pub(super) struct PrivateCopy {
    bytes: Vec<u8>,
    /// Where the elements begin, aligned.
    body: usize,
    layout: Arc<Layout>,
}

impl PrivateCopy {
    pub(super) fn of(tensor: &Tensor) -> Result<PrivateCopy> {
        let from = tensor.bytes();
        let mut bytes: Vec<u8> = Vec::new();
        bytes.try_reserve_exact(from.len().saturating_add(ALIGNMENT)).map_err(|_| {
            let len = from.len();
            Error::new(Kind::OutOfMemory, format!("no {len} bytes of private memory for a copy of an input"))
        })?;
        let body = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        bytes.resize(body, 0);
        bytes.extend_from_slice(from);
        Ok(PrivateCopy { bytes, body, layout: Arc::new(tensor.layout().clone()) })
    }

    pub(super) fn memory(&mut self) -> CallMemory {
        let data = self.bytes.as_mut_ptr().wrapping_add(self.body);
        CallMemory { data, len: self.bytes.len() - self.body, layout: self.layout.clone() }
    }
}
