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
    /// Copies a tensor: in an order, or as its elements lie. Those with gaps between them are copied in C order.
    pub(super) fn of(from: &TensorSource<'_>, order: Option<Order>) -> Result<PrivateCopy> {
        let layout = from.layout;
        let no_memory = || {
            let len = layout.byte_len();
            Error::new(Kind::OutOfMemory, format!("out of memory: a copy of an input needs {len} bytes"))
        };
        let len = usize::try_from(layout.byte_len()).map_err(|_| no_memory())?;
        let mut bytes: Vec<u8> = Vec::new();
        bytes.try_reserve_exact(len.saturating_add(ALIGNMENT)).map_err(|_| no_memory())?;
        let body = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        bytes.resize(body, 0);
        let order = order.or(layout.order()).unwrap_or(Order::C);
        let packed = layout.packed(order);
        match from.contiguous_bytes(order) {
            Some(elements) => bytes.extend_from_slice(elements),
            None => {
                bytes.resize(body + len, 0);
                wire::copy_tensor(from, &packed, &mut bytes[body..])?;
            }
        }
        Ok(PrivateCopy { bytes, body, layout: Arc::new(packed) })
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
