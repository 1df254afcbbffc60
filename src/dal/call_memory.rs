//! Memory that a call lends as a plain pointer, and copies of input tensors in memory of this process. The copies are
//! for libraries that modify their inputs, and for the order that a function requests.

use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::wire::{self, Layout, Order, TensorSource};

const ALIGNMENT: usize = 64;

/// Memory that the call keeps. For an output the pointer is valid until the output is sealed, aborted or failed. For
/// the private copy of an input it is valid as long as a handle of the call exists.
#[derive(Clone, Debug)]
pub struct CallMemory {
    /// The body, 64-byte aligned.
    pub data: *mut u8,
    /// Size of the body in bytes.
    pub len: usize,
    /// Element type, shape, byte strides and dimension names.
    pub layout: Arc<Layout>,
}

/// Memory of this process with the elements of one tensor.
pub(super) struct PrivateCopy {
    bytes: Vec<u8>,
    /// Where the elements begin, aligned.
    body: usize,
    layout: Arc<Layout>,
}

impl PrivateCopy {
    /// Copies a tensor without gaps, given as its layout and its elements: in an order, or as they lie.
    pub(super) fn of(layout: &Layout, from: &[u8], order: Option<Order>) -> Result<PrivateCopy> {
        let mut bytes: Vec<u8> = Vec::new();
        bytes.try_reserve_exact(from.len().saturating_add(ALIGNMENT)).map_err(|_| {
            let len = from.len();
            Error::new(Kind::OutOfMemory, format!("out of memory: a copy of an input needs {len} bytes"))
        })?;
        let body = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        bytes.resize(body, 0);
        let Some(order) = order.filter(|order| !layout.is_contiguous(*order)) else {
            bytes.extend_from_slice(from);
            return Ok(PrivateCopy { bytes, body, layout: Arc::new(layout.clone()) });
        };
        bytes.resize(body + from.len(), 0);
        let turned = layout.packed(order);
        let source = TensorSource { bytes: from, origin: 0, layout };
        wire::copy_tensor(&source, &turned, &mut bytes[body..])?;
        Ok(PrivateCopy { bytes, body, layout: Arc::new(turned) })
    }

    pub(super) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    pub(super) fn elements(&self) -> &[u8] {
        &self.bytes[self.body..]
    }

    pub(super) fn memory(&mut self) -> CallMemory {
        let data = self.bytes.as_mut_ptr().wrapping_add(self.body);
        CallMemory { data, len: self.bytes.len() - self.body, layout: self.layout.clone() }
    }
}
