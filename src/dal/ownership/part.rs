//! References to parts of objects.
//!
//! A part is a value: a reference to the whole with a description of its elements. Nothing of it is in the store, so that
//! nothing has to be counted, recovered or deleted: what keeps the whole keeps the part.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::store::Buffer;
use crate::sync::atomic::Mutex;
use crate::wire::{Along, Cell, Part};

use super::super::expect::Expectation;
use super::super::tensor::{KnownTensor, Tensor};
use super::reference::{Expected, Ref, RefInner};

/// Which elements of its object a reference means.
pub(in crate::dal) struct PartOf {
    part: Arc<Part>,
    expect: Expected,
    /// Where they lie, once that is known.
    tensor: Mutex<Option<KnownTensor>>,
}

impl PartOf {
    pub(super) fn expectation(&self) -> &Expectation {
        &self.expect
    }

    /// Where the elements lie, if that is known. An object never changes, so it is found out once.
    pub(super) fn known(&self, whole: &RefInner) -> Option<KnownTensor> {
        let mut tensor = self.tensor.lock();
        if tensor.is_none() {
            *tensor = of_known(&self.part, whole).ok().flatten();
        }
        tensor.clone()
    }

    /// The tensor, in the bytes of the whole.
    pub(super) fn read(&self, whole: &RefInner, buffer: Buffer) -> Result<Tensor> {
        let id = buffer.id();
        // One that does not fit is read again, for the error.
        if let Some(known) = self.known(whole).filter(|known| known.end() <= buffer.data().len()) {
            return Tensor::known(buffer, &known);
        }
        let tensor = match self.part.placed() {
            Some(_) => Tensor::read_part(buffer, &self.part)?,
            None => {
                let tensor = Tensor::read(buffer)?;
                whole.expect.check(tensor.layout()).map_err(|error| error.context(format!("object {id}")))?;
                whole.life.lock().tensor = Some(tensor.header());
                tensor.part(&self.part)?
            }
        };
        self.expect
            .check(tensor.layout())
            .map_err(|error| error.context(format!("part {} of object {id}", self.part)))?;
        *self.tensor.lock() = Some(tensor.header());
        Ok(tensor)
    }
}

/// Where a part lies in an object of which the tensor is known, or which it does not need to know.
fn of_known(part: &Part, whole: &RefInner) -> Result<Option<KnownTensor>> {
    let known = whole.life.lock().tensor.as_ref().map(KnownTensor::placed);
    if part.placed().is_none() && known.is_none() {
        return Ok(None);
    }
    // Whether the object has so many bytes is checked when they are there.
    KnownTensor::of_part(part, known.as_ref(), usize::MAX).map(Some)
}

impl Ref {
    /// Creates a reference to a part of the tensor that this one refers to: a slice, with an entry for each dimension,
    /// outermost first. Dimensions behind the last one are whole. The object need not exist yet. Nothing is copied, and nothing
    /// is written: the new reference keeps the whole object as a clone of this one does, and state, waiting and
    /// [`Ref::get_buffer`] are those of the whole. It can be passed to calls wherever a tensor or any object is expected, and
    /// [`Ref::get_tensor`] returns the elements where they lie, with the strides of the whole. Does not block.
    ///
    /// A part has no ID of its own. It cannot be written, be the output of a call, or be disowned.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if the slice is not one (see [`Part::slice`]), a table is expected, or the tensor is known not to have
    /// these elements. If it is not known yet, [`Ref::get_tensor`] and a call that takes the part fail.
    pub fn part(&self, along: &[Along]) -> Result<Ref> {
        self.part_of(&Part::slice(along)?)
    }

    /// As [`Ref::part`], of any part: one that was read from a text, or a layout over the bytes of the object.
    pub fn part_of(&self, part: &Part) -> Result<Ref> {
        let part = match &self.part {
            None => Arc::new(part.clone()),
            Some(before) => Arc::new(before.part.join(part)?),
        };
        let known = of_known(&part, &self.inner).map_err(|error| self.about(error))?;
        let expect = match &known {
            Some(known) => Expectation::of_layout(known.layout()),
            None => of_expected(&part, &self.inner.expect).map_err(|error| self.about(error))?,
        };
        Ok(self.with_part(part, expect.into(), known))
    }

    fn with_part(&self, part: Arc<Part>, expect: Expected, known: Option<KnownTensor>) -> Ref {
        let part = PartOf { part, expect, tensor: Mutex::new(known) };
        Ref::of_part(self.inner.clone(), Some(Arc::new(part)))
    }

    /// The same object's reference to these elements, which were checked.
    pub(in crate::dal) fn elements(self, part: Arc<Part>, expect: &Arc<Expectation>) -> Ref {
        self.with_part(part, expect.into(), None)
    }

    /// A reference to the part of an input that the call has pinned.
    pub(in crate::dal) fn pinned_part(buffer: Buffer, part: &Arc<Part>, expect: &Arc<Expectation>) -> Ref {
        Ref::pinned(buffer, Expectation::default()).with_part(part.clone(), expect.into(), None)
    }

    /// Which part of its object it refers to. None: the whole.
    pub fn as_part(&self) -> Option<&Part> {
        self.part.as_ref().map(|of| &*of.part)
    }

    /// A reference to the whole object.
    pub fn whole(&self) -> Ref {
        Ref::of_part(self.inner.clone(), None)
    }

    /// The cell of an input.
    pub(in crate::dal) fn cell(&self) -> Cell {
        match &self.part {
            None => Cell::Id(self.id()),
            Some(of) => Cell::Part(self.id(), of.part.clone()),
        }
    }

    /// INVALID_ARGUMENT with this text for a part.
    pub(in crate::dal) fn refuse_part(&self, text: &str) -> Result<()> {
        match &self.part {
            None => Ok(()),
            Some(_) => Err(Error::invalid(format!("{}: {text}", self.title()))),
        }
    }

    /// What it refers to, for errors.
    pub(in crate::dal) fn title(&self) -> String {
        match &self.part {
            None => format!("object {}", self.id()),
            Some(of) => format!("part {} of object {}", of.part, self.id()),
        }
    }

    fn about(&self, error: Error) -> Error {
        error.context(self.title())
    }
}

/// What can be said of a part of an object that is not known yet.
fn of_expected(part: &Part, whole: &Expectation) -> Result<Expectation> {
    if whole.table.is_some() {
        return Err(Error::invalid(format!(
            "it is a table, of which there is no part {part}: only tensors have parts"
        )));
    }
    let names = whole.names.as_ref().map(|names| part.names(names)).transpose()?;
    Ok(Expectation { elem: whole.elem, names, table: None })
}
