//! Tensors that are written in place, for a reference or for an output of a call.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::store::ObjectId;
use crate::wire::{Elem, Layout, Order};

use super::expect::Expectation;
use super::output::OutputTarget;
use super::ownership::{Namespace, Ref};
use super::tensor::{TensorForm, TensorMemory};

/// A tensor that is being written in place. Dropping it without sealing aborts it, and the object does not exist (an
/// output of a call can be created again). It is Send, but not Sync.
pub struct TensorWriter {
    /// None only while `seal` and `drop` take it apart.
    memory: Option<TensorMemory>,
    layout: Arc<Layout>,
    target: Target,
}

/// What the memory becomes when it is sealed.
enum Target {
    /// The object of this reference.
    Reference(Ref),
    /// An output of a call.
    Output(OutputTarget),
}

impl Target {
    fn id(&self) -> ObjectId {
        match self {
            Target::Reference(reference) => reference.id(),
            Target::Output(output) => output.id(),
        }
    }
}

impl TensorWriter {
    pub(super) fn for_reference(memory: TensorMemory, reference: Ref) -> TensorWriter {
        let layout = memory.layout().clone();
        TensorWriter { memory: Some(memory), layout, target: Target::Reference(reference) }
    }

    pub(super) fn for_output(memory: TensorMemory, output: OutputTarget) -> TensorWriter {
        let layout = memory.layout().clone();
        TensorWriter { memory: Some(memory), layout, target: Target::Output(output) }
    }

    /// Element type, shape, byte strides and dimension names of the memory.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The ID of the object.
    pub fn id(&self) -> ObjectId {
        self.target.id()
    }

    /// The body to fill, 64-byte aligned. Recycled memory is not zero unless the tensor was created `zeroed`.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.as_mut().map_or(&mut [], TensorMemory::bytes_mut)
    }

    /// Start of the body, valid until the tensor is sealed, aborted or dropped.
    pub fn data_ptr(&mut self) -> *mut u8 {
        self.memory.as_mut().map_or(std::ptr::null_mut(), TensorMemory::data_ptr)
    }

    /// Makes the tensor smaller before it is sealed, without a copy: its first dimension if it is in C order, its last one if it
    /// is in F order. The elements that stay are where they were. The store gets the rest of the memory back at once.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if `shape` has another number of dimensions, is larger, or differs in another dimension; for an output
    /// also if another tensor of the call has a dimension of that name with another size.
    pub fn shrink(&mut self, shape: &[i64]) -> Result<()> {
        if let Target::Output(output) = &self.target {
            self.layout.shrunk(shape)?;
            output.fits_shrunk(shape)?;
        }
        if let Some(memory) = &mut self.memory {
            memory.shrink(shape).map_err(|error| error.context(format!("object {}", self.target.id())))?;
            self.layout = memory.layout().clone();
        }
        Ok(())
    }

    /// Seals the tensor: it is visible and immutable. Returns a reference: an owning one for a tensor of a namespace,
    /// the same reference for a tensor created with a reference, or a borrowed one for an output of a call.
    pub fn seal(mut self) -> Result<Ref> {
        let Some(memory) = self.memory.take() else {
            return Err(Error::internal("a tensor was sealed twice"));
        };
        match &self.target {
            Target::Reference(reference) => {
                let header = memory.header();
                let want = memory.seal()?;
                reference.born(want, Some(header))?;
                Ok(reference.clone())
            }
            Target::Output(output) => output.seal(memory),
        }
    }

    /// Aborts the tensor and frees its memory.
    pub fn abort(self) {}
}

impl Drop for TensorWriter {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            drop(memory);
            if let Target::Output(output) = &self.target {
                output.aborted();
            }
        }
    }
}

impl Namespace {
    /// Creates a tensor in the store, to fill in place and then to seal. `names` may be shorter than `shape` (unnamed
    /// dimensions).
    pub fn create_tensor(
        &self,
        elem: Elem,
        shape: &[i64],
        names: &[String],
        order: Order,
        zeroed: bool,
    ) -> Result<TensorWriter> {
        self.new_ref(Expectation::default())?.create_tensor(elem, shape, names, order, zeroed)
    }
}

impl Ref {
    /// Creates this tensor in the store, to fill in place and then to seal. Errors like [`Ref::put_tensor`].
    pub fn create_tensor(
        &self,
        elem: Elem,
        shape: &[i64],
        names: &[String],
        order: Order,
        zeroed: bool,
    ) -> Result<TensorWriter> {
        let form = new_layout(elem, shape, names, order, self.expectation())
            .map_err(|error| error.context(format!("object {}", self.id())))?;
        let writer = self.create(|want, keep| form.spec(want, keep, zeroed))?;
        Ok(TensorWriter::for_reference(form.into_memory(writer), self.clone()))
    }
}

/// `names`, or as many as there are dimensions with the missing ones empty.
fn new_layout(
    elem: Elem,
    shape: &[i64],
    names: &[String],
    order: Order,
    expect: &Expectation,
) -> Result<TensorForm> {
    if names.len() > shape.len() {
        return Err(Error::invalid(format!(
            "{} names were given for {} dimensions",
            names.len(),
            shape.len()
        )));
    }
    let layout = Layout::contiguous(elem, shape, order, &expect.fill_names(names, shape.len()))?;
    expect.check(&layout)?;
    TensorForm::new(layout)
}
