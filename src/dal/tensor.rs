//! Tensors in the store: read in place, or put with exactly one copy.

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::store::{Buffer, CreateSpec, Want, Writer};
use crate::wire::{self, Layout, Order, TensorHeader, TensorSource};

use super::call_memory::PrivateCopy;
use super::expect::Expectation;

/// Alignment of a tensor's body, in bytes.
const ALIGNMENT: usize = 64;

/// A sealed tensor. Its bytes are valid as long as this (or a clone) exists, even if the object is deleted or the store
/// is closed.
#[derive(Clone)]
pub struct Tensor {
    buffer: Buffer,
    layout: Arc<Layout>,
    body: Range<usize>,
    /// Its elements in another order than that in which they are stored.
    turned: Option<Arc<PrivateCopy>>,
}

impl Tensor {
    /// Reads the header of a tensor object. INVALID_ARGUMENT or CORRUPT if it holds none.
    pub(super) fn read(buffer: Buffer) -> Result<Tensor> {
        let (layout, start) = wire::read_tensor(buffer.data(), buffer.metadata())
            .map_err(|error| error.context(format!("object {}", buffer.id())))?;
        let end = usize::try_from(layout.byte_len()).ok().and_then(|len| start.checked_add(len));
        let body = match end {
            Some(end) if end <= buffer.data().len() => start..end,
            _ => return Err(outside(&buffer)),
        };
        Ok(Tensor { buffer, layout, body, turned: None })
    }

    /// The same object's tensor without reading its header again. CORRUPT if the object is shorter than it was then: somebody
    /// has written over its size.
    pub(super) fn known(buffer: Buffer, header: &KnownTensor) -> Result<Tensor> {
        if header.body.end > buffer.data().len() {
            return Err(outside(&buffer));
        }
        Ok(Tensor { buffer, layout: header.layout.clone(), body: header.body.clone(), turned: None })
    }

    /// The same tensor in another order than it is stored in: a copy in memory of this process, which clones share.
    pub(super) fn turned(&self, order: Order) -> Result<Tensor> {
        let copy = PrivateCopy::of(&self.layout, self.bytes(), Some(order))?;
        Ok(Tensor { layout: copy.layout().clone(), turned: Some(Arc::new(copy)), ..self.clone() })
    }

    /// What [`Tensor::known`] needs; holds no pin.
    pub(super) fn header(&self) -> KnownTensor {
        KnownTensor { layout: self.layout.clone(), body: self.body.clone() }
    }

    /// Element type, shape, byte strides and dimension names. C or F contiguous.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The elements without gaps, 64-byte aligned, immutable.
    pub fn bytes(&self) -> &[u8] {
        match &self.turned {
            Some(copy) => copy.elements(),
            None => &self.buffer.data()[self.body.clone()],
        }
    }

    /// Where the elements begin in the data of the object.
    pub(super) fn body_start(&self) -> usize {
        self.body.start
    }

    /// The object, without what was read of it.
    pub(super) fn into_buffer(self) -> Buffer {
        self.buffer
    }

    /// The object of the tensor.
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }
}

fn outside(buffer: &Buffer) -> Error {
    Error::new(Kind::Corrupt, format!("object {}: the tensor's body lies outside the object", buffer.id()))
}

/// Where the body of a tensor object lies; an object never changes, so this is read once.
#[derive(Clone)]
pub(super) struct KnownTensor {
    layout: Arc<Layout>,
    body: Range<usize>,
}

impl KnownTensor {
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }
}

/// A tensor's header and layout before there is memory for it.
#[derive(Clone)]
pub(super) struct TensorForm {
    layout: Arc<Layout>,
    header: Arc<TensorHeader>,
}

impl TensorForm {
    pub(super) fn new(layout: Layout) -> Result<TensorForm> {
        let header = wire::tensor_header(&layout)?;
        Ok(TensorForm { layout: Arc::new(layout), header })
    }

    pub(super) fn shape(&self) -> &[i64] {
        &self.layout.shape
    }

    /// The form of a copy of `value`: in the `wanted` order, else F order if the value is F contiguous and not C
    /// contiguous, else C order; names that the value lacks are those of `expect`, which it must fit.
    pub(super) fn of_value(
        value: &TensorSource<'_>,
        expect: &Expectation,
        wanted: Option<Order>,
    ) -> Result<TensorForm> {
        let from = value.layout;
        if from.strides.len() != from.shape.len() {
            return Err(Error::invalid(format!(
                "a tensor of {} dimensions needs one stride per dimension, found {}",
                from.shape.len(),
                from.strides.len()
            )));
        }
        expect.check(from)?;
        let keeps_f = !from.is_contiguous(Order::C) && from.is_contiguous(Order::F);
        let order = wanted.unwrap_or(if keeps_f { Order::F } else { Order::C });
        let names = expect.fill_names(&from.names, from.shape.len());
        TensorForm::new(Layout::contiguous(from.elem, &from.shape, order, &names)?)
    }

    /// How to create the object.
    pub(super) fn spec(&self, want: bool, keep: bool, zeroed: bool) -> Result<CreateSpec<'_>> {
        let header = u64::try_from(self.header.bytes.len()).ok();
        let data_size = header
            .and_then(|header| header.checked_add(self.header.body_size))
            .ok_or_else(|| Error::invalid("the tensor is larger than the address space"))?;
        Ok(CreateSpec {
            data_size,
            metadata: &self.header.metadata,
            want,
            keep,
            evictable: false,
            zeroed,
            full_timeout: None,
        })
    }

    /// Writes the header into the new object.
    pub(super) fn into_memory(self, mut writer: Writer) -> TensorMemory {
        writer.copy_from(0, &self.header.bytes);
        TensorMemory { body: self.header.bytes.len(), layout: self.layout, place: Place::Object(writer) }
    }

    /// Memory of this process for an output that nobody wants any more.
    pub(super) fn into_scratch(self) -> Result<TensorMemory> {
        let too_large = || {
            let bytes = self.header.body_size;
            Error::new(
                Kind::OutOfMemory,
                format!("out of memory: an output that no client wants needs {bytes} bytes"),
            )
        };
        let len = usize::try_from(self.header.body_size).map_err(|_| too_large())?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len.saturating_add(ALIGNMENT)).map_err(|_| too_large())?;
        bytes.resize(len + ALIGNMENT, 0);
        let body = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        bytes.truncate(body + len);
        Ok(TensorMemory { body, layout: self.layout, place: Place::Scratch(bytes) })
    }
}

enum Place {
    Object(Writer),
    Scratch(Vec<u8>),
}

/// The memory of a tensor that is being written. Dropping it aborts the object.
pub(super) struct TensorMemory {
    place: Place,
    /// Offset of the body.
    body: usize,
    layout: Arc<Layout>,
}

impl TensorMemory {
    pub(super) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Where the body will lie once it is sealed.
    pub(super) fn header(&self) -> KnownTensor {
        // What was created fits the address space.
        let len = usize::try_from(self.layout.byte_len()).unwrap_or(0);
        KnownTensor { layout: self.layout.clone(), body: self.body..self.body + len }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        let all = match &mut self.place {
            Place::Object(writer) => writer.data_mut(),
            Place::Scratch(bytes) => bytes,
        };
        &mut all[self.body..]
    }

    pub(super) fn data_ptr(&mut self) -> *mut u8 {
        let start = match &mut self.place {
            Place::Object(writer) => writer.data_ptr(),
            Place::Scratch(bytes) => bytes.as_mut_ptr(),
        };
        start.wrapping_add(self.body)
    }

    /// The one copy of a put: straight through for a source in the same order, else element by element.
    pub(super) fn fill(&mut self, value: &TensorSource<'_>) -> Result<()> {
        let Place::Object(writer) = &mut self.place else { return Ok(()) };
        let layout = value.layout;
        let dense = [Order::C, Order::F]
            .into_iter()
            .any(|order| layout.is_contiguous(order) && self.layout.is_contiguous(order));
        if !dense {
            // The value may lack names; those of the copy have been chosen.
            let named = Layout { names: self.layout.names.clone(), ..layout.clone() };
            let value = TensorSource { layout: &named, ..*value };
            return wire::copy_tensor(&value, &self.layout, &mut writer.data_mut()[self.body..]);
        }
        let source = usize::try_from(layout.byte_len())
            .ok()
            .and_then(|len| value.origin.checked_add(len))
            .and_then(|end| value.bytes.get(value.origin..end))
            .ok_or_else(|| {
                Error::invalid(format!(
                    "the tensor's memory has {} bytes from its first element on, but its shape needs {}",
                    value.bytes.len().saturating_sub(value.origin),
                    layout.byte_len()
                ))
            })?;
        writer.copy_from(self.body, source);
        Ok(())
    }

    /// Makes it visible; the claim if the object was created with one.
    pub(super) fn seal(self) -> Result<Option<Want>> {
        match self.place {
            Place::Object(writer) => writer.seal(),
            Place::Scratch(_) => Ok(None),
        }
    }
}
