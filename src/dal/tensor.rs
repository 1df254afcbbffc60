//! Tensors in the store: read in place, or put with exactly one copy.

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::store::{Buffer, CreateSpec, Want, Writer};
use crate::wire::{self, Layout, Order, Part, Placed, TensorHeader, TensorSource};

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
    /// The bytes of the object from the lowest element to behind the highest.
    body: Range<usize>,
    /// Where the first element lies in the body: not at its start if a stride is negative.
    origin: usize,
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
        Ok(Tensor { buffer, layout, body, origin: 0, turned: None })
    }

    /// The tensor that a part of an object is, which need not hold a tensor if the part has a layout of its own.
    pub(super) fn read_part(buffer: Buffer, part: &Part) -> Result<Tensor> {
        let whole = match part.placed() {
            Some(_) => None,
            None => Some(Tensor::read(buffer.clone())?.placed()),
        };
        let header = KnownTensor::of_part(part, whole.as_ref(), buffer.data().len())
            .map_err(|error| error.context(format!("object {}", buffer.id())))?;
        Tensor::known(buffer, &header)
    }

    /// A part of this tensor, over the same bytes. INVALID_ARGUMENT for elements that are not there.
    pub fn part(&self, part: &Part) -> Result<Tensor> {
        let header = KnownTensor::of_part(part, Some(&self.placed()), self.buffer.data().len())
            .map_err(|error| error.context(format!("object {}", self.buffer.id())))?;
        Tensor::known(self.buffer.clone(), &header)
    }

    /// The same object's tensor without reading its header again. CORRUPT if the object is shorter than it was then: somebody
    /// has written over its size.
    pub(super) fn known(buffer: Buffer, header: &KnownTensor) -> Result<Tensor> {
        if header.body.end > buffer.data().len() {
            return Err(outside(&buffer));
        }
        let KnownTensor { layout, body, origin } = header.clone();
        Ok(Tensor { buffer, layout, body, origin, turned: None })
    }

    /// The same tensor in another order than it is stored in: a copy in memory of this process, which clones share.
    pub(super) fn turned(&self, order: Order) -> Result<Tensor> {
        let copy = PrivateCopy::of(&self.source(), Some(order))?;
        let layout = copy.layout().clone();
        Ok(Tensor { layout, origin: 0, turned: Some(Arc::new(copy)), ..self.clone() })
    }

    /// What [`Tensor::known`] needs; holds no pin.
    pub(super) fn header(&self) -> KnownTensor {
        KnownTensor { layout: self.layout.clone(), body: self.body.clone(), origin: self.origin }
    }

    /// Layout and place in the object's data.
    pub(super) fn placed(&self) -> Placed {
        Placed { layout: (*self.layout).clone(), origin: self.body.start + self.origin }
    }

    /// Element type, shape, byte strides and dimension names. C or F contiguous, unless it is a part.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The immutable bytes from the lowest element to behind the highest one. Those of a whole tensor are its elements without
    /// gaps, and 64-byte aligned. Among those of a part may lie others.
    pub fn bytes(&self) -> &[u8] {
        match &self.turned {
            Some(copy) => copy.elements(),
            None => &self.buffer.data()[self.body.clone()],
        }
    }

    /// Where the first element lies in [`Tensor::bytes`]: 0, unless it is a part with a negative stride.
    pub fn origin(&self) -> usize {
        self.origin
    }

    /// Bytes, origin and layout in one: for functions that take tensors of any strides.
    pub fn source(&self) -> TensorSource<'_> {
        TensorSource { bytes: self.bytes(), origin: self.origin, layout: &self.layout }
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
    origin: usize,
}

impl KnownTensor {
    /// Where a part of an object lies whose data have so many bytes.
    pub(super) fn of_part(part: &Part, whole: Option<&Placed>, data: usize) -> Result<KnownTensor> {
        let placed = part.resolve(whole, data)?;
        let body = placed.span();
        let origin = placed.origin - body.start;
        Ok(KnownTensor { layout: Arc::new(placed.layout), body, origin })
    }

    /// Layout and place in the object's data.
    pub(super) fn placed(&self) -> Placed {
        Placed { layout: (*self.layout).clone(), origin: self.body.start + self.origin }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Behind the last byte of the object's data that it needs.
    pub(super) fn end(&self) -> usize {
        self.body.end
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

    /// That of an object which has a header and its elements already.
    pub(super) fn of_header(writer: Writer, header: &KnownTensor) -> TensorMemory {
        TensorMemory { body: header.body.start, layout: header.layout.clone(), place: Place::Object(writer) }
    }

    /// Fills it with a copy that is to be read before it is sealed, also where nobody wants the object.
    pub(super) fn fill_for_reading(&mut self, value: &TensorSource<'_>) -> Result<()> {
        if matches!(self.place, Place::Object(_)) {
            return self.fill(value);
        }
        let layout = self.layout.clone();
        let named = Layout { names: layout.names.clone(), ..value.layout.clone() };
        wire::copy_tensor(&TensorSource { layout: &named, ..*value }, &layout, self.bytes_mut())
    }

    /// Makes it smaller in the dimension that varies most slowly, where the elements lie: the store gets the rest back.
    /// INVALID_ARGUMENT for any other shape.
    pub(super) fn shrink(&mut self, shape: &[i64]) -> Result<()> {
        let layout = self.layout.shrunk(shape)?;
        let len = usize::try_from(layout.byte_len()).unwrap_or(usize::MAX);
        match &mut self.place {
            Place::Scratch(bytes) => bytes.truncate(self.body.saturating_add(len)),
            Place::Object(writer) => {
                let header = wire::tensor_header(&layout)?;
                // The length of a header depends on the sizes only in that zeros are left out.
                let (before, now) = (self.body, header.bytes.len());
                if now > writer.data_mut().len() || now != before && len > 0 {
                    return Err(Error::internal("the header of a tensor does not fit when it is shrunk"));
                }
                writer.copy_from(0, &header.bytes);
                writer.shrink(now + len)?;
                self.body = now;
            }
        }
        self.layout = Arc::new(layout);
        Ok(())
    }

    /// Where the body will lie once it is sealed.
    pub(super) fn header(&self) -> KnownTensor {
        // What was created fits the address space.
        let len = usize::try_from(self.layout.byte_len()).unwrap_or(0);
        KnownTensor { layout: self.layout.clone(), body: self.body..self.body + len, origin: 0 }
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
